// Token: the smallest piece of a statement that means something, and where it stands.

struct Token: Sendable {
    enum Kind: Sendable {
        /// `price`, `SELECT`; `keyword` says whether it is one.
        case word
        /// `"price"`, `` `price` ``; `text` is without the quotes.
        case quotedWord
        /// `'text'`, `E'text'`, `$$text$$`; `text` is the value.
        case string
        /// `X'CAFE'`; `text` is the hexadecimal digits, an even number of them.
        case bytes
        /// `text` is the digits without underscores; a decimal has digits on both sides of its point.
        case integer, decimal, double
        /// `$1`; `text` is all of it.
        case parameter
        case symbol
        /// The semicolon or the end of the source. Always the last token of a statement, unless it is `invalid`.
        case end
        /// What the lexer could not read; its error is the run's `failure`. Always the last token of its statement.
        case invalid
    }

    var kind: Kind
    var text: String
    var keyword: Keyword?
    var symbol: Symbol?
    var span: SourceSpan
    /// Of what stands in a hint (`/*+ .. */`) before the token.
    var hint: Hint?

    /// The words of a hint, tokens in their turn.
    struct Hint: Sendable {
        var tokens: [Token]
        var span: SourceSpan
    }

    init(_ kind: Kind, text: String = "", keyword: Keyword? = nil, symbol: Symbol? = nil, span: SourceSpan) {
        self.kind = kind
        self.text = text
        self.keyword = keyword
        self.symbol = symbol
        self.span = span
    }
}

enum Symbol: String, Sendable, CaseIterable {
    case comma = ",", leftParenthesis = "(", rightParenthesis = ")", leftBracket = "[", rightBracket = "]", dot = "."
    case semicolon = ";", star = "*", plus = "+", minus = "-", slash = "/", percent = "%", caret = "^"
    case equal = "=", notEqual = "<>", less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">="
    case concat = "||", arrow = "->", arrowText = "->>", tilde = "~", tildeStar = "~*", notTilde = "!~", notTildeStar = "!~*"
    case containsAll = "@>", containedBy = "<@", overlaps = "&&", jsonPath = "#>", jsonPathText = "#>>"
    case ampersand = "&", bar = "|", shiftLeft = "<<", shiftRight = ">>", hash = "#"
    case doubleColon = "::", namedArgument = "=>"
    /// Only in a row pattern.
    case leftBrace = "{", rightBrace = "}", question = "?", dollar = "$"
}
