// Parser: text to statements. The public face of this module; the work is done in `StatementParser`, a recursive descent over the
// tokens of one statement (see `StatementParser.swift`), whose families stand in the files `Parser+*.swift`.
//
// A script is read a statement at a time, so that its size is bounded by nothing but its longest statement, and a mistake in the
// last statement does not hide the first ones from `splitStatements`.

package struct ParsedStatement: Sendable {
    package var statement: Statement
    /// The statement's own text, without the semicolon; spans are offsets into the whole source.
    package var span: SourceSpan

    package init(statement: Statement, span: SourceSpan) {
        self.statement = statement
        self.span = span
    }
}

/// A piece of a text, as completion sees it.
package struct SourcePiece: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// A name, quoted or not; a word with a meaning; a string or number; a sign.
        case word, keyword, literal, symbol
        /// A string, quoted name or comment that is not closed.
        case open
    }

    package var kind: Kind
    package var text: String
    package var span: SourceSpan
}

/// What a statement may be at most. Behind each limit the parser answers with an error of code `programLimitExceeded`.
package enum ParserLimits {
    /// Levels of the syntax tree: parentheses, subqueries, and also each link of a chain such as `a || b || c` or `a JOIN b JOIN c`,
    /// because such a chain leans to the left and everything that walks the tree descends it. Chains of AND and of OR are built
    /// balanced and cost the logarithm of their length. Tested to be safe, parsing and printing, on a thread with a stack of 512 KiB.
    package static let nestingLevelsMax = 200
    /// From the first byte of a statement to its last.
    package static let statementBytesMax = 1 << 20
    /// Of a name, without its quotes.
    package static let identifierBytesMax = 255
    /// Items of one list: arguments, IN, VALUES, columns.
    package static let listItemsMax = 100_000
}

package enum Parser {
    /// Splits and parses a script. Stops at the first error. `arguments` take the places of `$1`, `$2`, ..
    package static func parseScript(_ source: String, arguments: [Expression] = []) throws(SQLError) -> [ParsedStatement] {
        var lexer = Lexer(source)
        var statements: [ParsedStatement] = []
        while let run = try TokenRun.next(&lexer) {
            var parser = StatementParser(run)
            parser.arguments = arguments
            let statement = try parser.parseWholeStatement()
            statements.append(ParsedStatement(statement: statement, span: run.span))
        }
        return statements
    }

    /// Where `$1`, `$2`, .. stand in a text, with their numbers.
    package static func parameters(in source: String) -> [(number: Int, span: SourceSpan)] {
        var lexer = Lexer(source)
        var found: [(number: Int, span: SourceSpan)] = []
        while true {
            let token = lexer.next()
            if token.kind == .end || lexer.isOpenAtEnd { return found }
            if token.kind == .parameter, let number = Int(token.text.dropFirst()) { found.append((number, token.span)) }
        }
    }

    /// Where the statements of a text begin and end, without parsing them: for a prompt, which goes on reading until the last one
    /// is complete, that is, ended by a semicolon outside of strings, quoted names and comments. The span has no semicolon.
    /// What the lexer cannot read is passed over; the parser will say it.
    package static func splitStatements(_ source: String) -> [(span: SourceSpan, isComplete: Bool)] {
        var lexer = Lexer(source)
        var pieces: [(span: SourceSpan, isComplete: Bool)] = []
        var span: SourceSpan?
        while true {
            let token = lexer.next()
            let isSemicolon = token.symbol == .semicolon
            if !isSemicolon, token.kind != .end, !token.span.isEmpty { span = span?.union(token.span) ?? token.span }
            if lexer.isOpenAtEnd || token.kind == .end {
                if let openStart = lexer.openStart {
                    let rest = SourceSpan(start: openStart, end: lexer.bytes.count)
                    span = span?.union(rest) ?? rest
                }
                if let span { pieces.append((span, false)) }
                return pieces
            }
            if isSemicolon, let complete = span {
                pieces.append((complete, true))
                span = nil
            }
        }
    }

    /// Exactly one statement; a semicolon may end it.
    package static func parseStatement(_ source: String) throws(SQLError) -> Statement {
        try parseOne(source) { (parser: inout StatementParser) throws(SQLError) in try parser.parseWholeStatement() }
    }

    /// Exactly one query.
    package static func parseQuery(_ source: String) throws(SQLError) -> Query {
        try parseOne(source) { (parser: inout StatementParser) throws(SQLError) in
            let query = try parser.parseQuery()
            try parser.expectEnd()
            return query
        }
    }

    /// Exactly one scalar expression.
    package static func parseExpression(_ source: String) throws(SQLError) -> Expression {
        try parseOne(source) { (parser: inout StatementParser) throws(SQLError) in
            let expression = try parser.parseExpression()
            try parser.expectEnd()
            return expression
        }
    }

    /// Every word that has a meaning, in upper case: for completion.
    package static var keywords: [String] { Keyword.allCases.map(\.rawValue) }

    /// The pieces of a text that may be unfinished, for completion: what the lexer cannot read is passed over, what is open at the end (a string, a
    /// comment) ends it.
    package static func pieces(of source: String) -> [SourcePiece] {
        var lexer = Lexer(source)
        var pieces: [SourcePiece] = []
        while true {
            let token = lexer.next()
            if lexer.isOpenAtEnd {
                pieces.append(SourcePiece(kind: .open, text: "", span: SourceSpan(start: lexer.openStart ?? token.span.start, end: source.utf8.count)))
                return pieces
            }
            switch token.kind {
            case .end where token.symbol != .semicolon: return pieces
            case .end: pieces.append(SourcePiece(kind: .symbol, text: ";", span: token.span))
            case .invalid: if token.span.isEmpty { return pieces }
            case .word: pieces.append(SourcePiece(kind: token.keyword == nil ? .word : .keyword, text: token.text, span: token.span))
            case .quotedWord: pieces.append(SourcePiece(kind: .word, text: token.text, span: token.span))
            case .symbol: pieces.append(SourcePiece(kind: .symbol, text: token.symbol?.rawValue ?? token.text, span: token.span))
            case .string, .bytes, .integer, .decimal, .double, .parameter:
                pieces.append(SourcePiece(kind: .literal, text: token.text, span: token.span))
            }
        }
    }

    /// Every word that begins a type, in upper case.
    package static var typeNames: [String] { StatementParser.typeFamilies.keys.sorted() }

    private static func parseOne<Tree>(
        _ source: String, _ parse: (inout StatementParser) throws(SQLError) -> Tree
    ) throws(SQLError) -> Tree {
        var lexer = Lexer(source)
        let end = source.utf8.count
        guard let run = try TokenRun.next(&lexer) else {
            throw SQLError("expected a statement, found nothing", at: SourceSpan(start: end, end: end))
        }
        var parser = StatementParser(run)
        let tree = try parse(&parser)
        if let rest = try TokenRun.next(&lexer) {
            throw SQLError("expected one statement, found another", at: rest.tokens[0].span)
        }
        return tree
    }
}

/// The tokens of one statement. The last is `.end` or `.invalid`, and there is at least one before it, or the last is `.invalid`.
struct TokenRun {
    var tokens: [Token]
    /// What is wrong with the last token, when it is invalid.
    var failure: SQLError?
    /// From the first token to the last that is not the end.
    var span: SourceSpan

    /// What stands in a hint, as far as it can be read.
    private static func hintTokens(_ lexer: Lexer, _ hint: SourceSpan) -> [Token] {
        guard hint.start < hint.end else { return [] }
        var inner = Lexer(String(decoding: lexer.bytes[hint.start..<hint.end], as: UTF8.self))
        var tokens: [Token] = []
        while true {
            var token = inner.next()
            if token.kind == .end || token.kind == .invalid { return tokens }
            token.span = SourceSpan(start: token.span.start + hint.start, end: token.span.end + hint.start)
            tokens.append(token)
        }
    }

    /// Flink's statement sets are the statements in them, one after the other: `BEGIN STATEMENT SET; ..; END`, and
    /// `EXECUTE STATEMENT SET BEGIN ..; END`. How many tokens at the beginning say no more than that.
    private static func statementSetPrefix(_ tokens: [Token], _ lexer: inout Lexer) -> Int {
        func spells(_ words: [String]) -> Bool {
            tokens.count > words.count && zip(tokens, words).allSatisfy { $0.kind == .word && $0.text.uppercased() == $1 }
        }
        if spells(["BEGIN", "STATEMENT", "SET"]), tokens.count == 4 {
            lexer.isInStatementSet = true
            return 3
        }
        if lexer.isInStatementSet, spells(["END"]), tokens.count == 2 {
            lexer.isInStatementSet = false
            return 1
        }
        guard spells(["EXECUTE", "STATEMENT", "SET", "BEGIN"]) else { return 0 }
        lexer.isInStatementSet = true
        return 4
    }

    /// The next statement that is not empty; nil at the end of the source.
    static func next(_ lexer: inout Lexer) throws(SQLError) -> TokenRun? {
        var tokens: [Token] = []
        lexer.failure = nil
        while true {
            var token = lexer.next()
            if let hint = lexer.takeHint() { token.hint = Token.Hint(tokens: hintTokens(lexer, hint), span: hint) }
            if token.kind == .invalid {
                let first = tokens.first?.span ?? token.span
                tokens.append(token)
                return TokenRun(tokens: tokens, failure: lexer.failure, span: first.union(token.span))
            }
            if token.kind == .end || token.symbol == .semicolon {
                guard let first = tokens.first, let last = tokens.last else {
                    if token.kind == .end { return nil }
                    continue
                }
                // The end stands right behind the last token, where something more could have been written.
                if token.kind == .end { token.span = SourceSpan(start: last.span.end, end: last.span.end) }
                token.kind = .end
                tokens.append(token)
                tokens.removeFirst(statementSetPrefix(tokens, &lexer))
                guard tokens.count > 1, let first = tokens.first else {
                    tokens = []
                    continue
                }
                return TokenRun(tokens: tokens, failure: nil, span: first.span.union(last.span))
            }
            tokens.append(token)
            let start = tokens[0].span.start
            if token.span.end - start > ParserLimits.statementBytesMax {
                throw SQLError(
                    "a statement can be at most \(ParserLimits.statementBytesMax) bytes long", at: tokens[0].span,
                    hint: "split it into several statements, or put the data into a file",
                    code: SQLError.programLimitExceeded)
            }
        }
    }
}

extension SourceSpan {
    var isEmpty: Bool { end <= start }
}
