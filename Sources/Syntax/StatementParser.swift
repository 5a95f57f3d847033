// StatementParser: the cursor over one statement's tokens, what it expected, and how deep it is.
//
// Expectations: whoever looks for a keyword or symbol in vain leaves a note of it (`accept`), and moving on forgets the notes of
// the token before last. So when nothing fits, the notes say what could have stood here. Operators leave no notes: "expected +, -, *"
// helps nobody. The error names the keyword that the found word resembles, when it resembles one; otherwise what was expected.
// A misspelt keyword is often taken for an alias first (`FROM bid WERE price > 1`), so the token before is looked at too.
//
// Depth: `enter` and `leave` count the levels of recursion; `deepest` is the level of the lowest leaf of the tree that the innermost
// loop has built so far. A loop that wraps what it has (a chain of operators, joins or set operations) lets the whole tree sink
// by one each time (`sink`). What takes much of the stack counts for several levels (`queryLevels`). So the limit holds for the
// height of the tree and not only for the parser's own stack.

struct StatementParser {
    struct Expectation {
        var shown: String
        var keyword: Keyword?
    }

    let tokens: [Token]
    let failure: SQLError?
    /// For each token that is an opening parenthesis the index of the one that closes it; -1 for all others.
    let closing: [Int32]
    /// What stands for `$1`, `$2`, ..; none when they stand for themselves, as in a function's body.
    var arguments: [Expression] = []
    private(set) var index = 0
    private(set) var depth = 0
    var deepest = 0
    /// The query of an alert is being read.
    var isInAlert = false
    private var expected: [Expectation] = []
    private var expectedBefore: [Expectation] = []

    init(_ run: TokenRun) {
        tokens = run.tokens
        failure = run.failure
        var closing = [Int32](repeating: -1, count: tokens.count)
        var open: [Int] = []
        for (index, token) in tokens.enumerated() {
            if token.symbol == .leftParenthesis {
                open.append(index)
            } else if token.symbol == .rightParenthesis, let start = open.popLast() {
                closing[start] = Int32(truncatingIfNeeded: index)
            }
        }
        self.closing = closing
    }

    // MARK: Looking

    var current: Token { tokens[index] }

    /// The token `distance` further, the last one behind the end.
    func peek(_ distance: Int) -> Token { tokens[min(index + distance, tokens.count - 1)] }

    func at(_ keyword: Keyword) -> Bool { tokens[index].keyword == keyword }
    func at(_ symbol: Symbol) -> Bool { tokens[index].symbol == symbol }
    // Out of line: a token copied in a function that nests costs stack at every level.
    @inline(never)
    func isNext(_ keyword: Keyword) -> Bool { peek(1).keyword == keyword }
    @inline(never)
    func isNext(_ symbol: Symbol) -> Bool { peek(1).symbol == symbol }

    /// The place of the token just passed.
    var previousSpan: SourceSpan { index > 0 ? tokens[index - 1].span : tokens[0].span }

    /// From `start` to the token just passed.
    func span(from start: SourceSpan) -> SourceSpan { SourceSpan(start: start.start, end: max(start.start, previousSpan.end)) }

    // MARK: Moving

    @inline(never)
    mutating func advance() {
        if index < tokens.count - 1 { index += 1 }
        swap(&expected, &expectedBefore)
        expected.removeAll(keepingCapacity: true)
    }

    /// Notes what could stand here, without looking.
    @inline(never)
    mutating func note(_ shown: String, _ keyword: Keyword? = nil) {
        if !expected.contains(where: { $0.shown == shown }) { expected.append(Expectation(shown: shown, keyword: keyword)) }
    }

    /// Drops the notes for the current token, where one word says it better than all of them.
    mutating func forgetExpectations() { expected.removeAll(keepingCapacity: true) }

    @inline(never)
    mutating func note(_ keywords: Keyword...) {
        for keyword in keywords { note(keyword.rawValue, keyword) }
    }

    /// Passes the keyword if it is here. `shown` is how an error names it, when more words belong to it (`GROUP BY`).
    @inline(never)
    mutating func accept(_ keyword: Keyword, shown: String? = nil) -> Bool {
        if at(keyword) {
            advance()
            return true
        }
        note(shown ?? keyword.rawValue, keyword)
        return false
    }

    @inline(never)
    mutating func accept(_ symbol: Symbol) -> Bool {
        if at(symbol) {
            advance()
            return true
        }
        note("\"\(symbol.rawValue)\"")
        return false
    }

    @inline(never)
    mutating func expect(_ keyword: Keyword, shown: String? = nil) throws(SQLError) {
        if !accept(keyword, shown: shown) { throw unexpected() }
    }

    @inline(never)
    mutating func expect(_ symbol: Symbol) throws(SQLError) {
        if !accept(symbol) { throw unexpected() }
    }

    @inline(never)
    mutating func expectEnd() throws(SQLError) {
        if current.kind == .end { return }
        note("the end of the statement")
        throw unexpected()
    }

    /// Replaces `>>` by `>`, its first half being passed: the end of `ARRAY<ARRAY<INT>>`.
    @inline(never)
    mutating func acceptClosingAngle() -> Bool {
        if at(.shiftRight), !isInSecondHalf {
            isInSecondHalf = true
            return true
        }
        if at(.shiftRight) || at(.greater) {
            isInSecondHalf = false
            advance()
            return true
        }
        note("\">\"")
        return false
    }

    private var isInSecondHalf = false

    // MARK: Names

    /// Whether the token can be a name where a name is expected.
    func isName(_ token: Token) -> Bool {
        switch token.kind {
        case .quotedWord: true
        case .word: !(token.keyword?.isReserved ?? false)
        default: false
        }
    }

    /// Passes a name; `what` is what the error calls it ("a column name").
    @inline(never)
    mutating func parseIdentifier(_ what: String) throws(SQLError) -> Identifier {
        guard isName(current) else {
            note(what)
            throw unexpected()
        }
        return takeIdentifier()
    }

    /// The current word as a name, reserved or not: behind AS and behind a dot every word is one.
    @inline(never)
    mutating func takeIdentifier() -> Identifier {
        let token = current
        advance()
        return Identifier(token.text, isQuoted: token.kind == .quotedWord, span: token.span)
    }

    @inline(never)
    mutating func parseLabel(_ what: String) throws(SQLError) -> Identifier {
        guard current.kind == .word || current.kind == .quotedWord else {
            note(what)
            throw unexpected()
        }
        return takeIdentifier()
    }

    @inline(never)
    mutating func parseQualifiedName(_ what: String) throws(SQLError) -> QualifiedName {
        let start = current.span
        var parts = [try parseIdentifier(what)]
        while at(.dot) {
            advance()
            parts.append(try parseLabel("a name"))
            try checkCount(parts.count, max: 16, what: "parts of a name")
        }
        return QualifiedName(parts, span: span(from: start))
    }

    /// `(a, b)`, at the opening parenthesis.
    @inline(never)
    mutating func parseIdentifierList(_ what: String) throws(SQLError) -> [Identifier] {
        try expect(.leftParenthesis)
        var names: [Identifier] = []
        repeat {
            names.append(try parseIdentifier(what))
            try checkCount(names.count)
        } while accept(.comma)
        try expect(.rightParenthesis)
        return names
    }

    // MARK: Limits

    /// A query, a call, a table and a row pattern pass through more functions than a pair of parentheses, and count accordingly. With these a level
    /// costs less than 2.5 KiB of stack, whatever it is; LimitTests tries each construct.
    static let queryLevels = 4
    static let callLevels = 2
    static let tableLevels = 2
    static let patternLevels = 2

    @inline(never)
    mutating func enter(_ levels: Int = 1) throws(SQLError) {
        depth += levels
        deepest = max(deepest, depth)
        if deepest > ParserLimits.nestingLevelsMax { throw tooDeep() }
    }

    mutating func leave(_ levels: Int = 1) { depth -= levels }

    /// What has been built is about to become a part of something larger.
    @inline(never)
    mutating func sink(_ levels: Int = 1) throws(SQLError) {
        deepest += levels
        if deepest > ParserLimits.nestingLevelsMax { throw tooDeep() }
    }

    @inline(never)
    private func tooDeep() -> SQLError {
        SQLError(
            "this is nested too deeply, the limit is \(ParserLimits.nestingLevelsMax) levels", at: current.span,
            hint: "split the expression, or put a part of it into WITH", code: SQLError.programLimitExceeded)
    }

    @inline(never)
    func checkCount(_ count: Int, max: Int = ParserLimits.listItemsMax, what: String = "items of a list") throws(SQLError) {
        guard count > max else { return }
        throw SQLError("too many \(what), the limit is \(max)", at: current.span, code: SQLError.programLimitExceeded)
    }

    // MARK: Errors

    /// The error for the current token.
    @inline(never)
    func unexpected(hint: String? = nil) -> SQLError {
        let token = current
        if token.kind == .invalid, let failure { return failure }
        if let shown = misspelt(token, expected) {
            return SQLError(
                "expected \(shown), found \(Self.describe(token))", at: token.span, hint: "did you mean \(shown)?")
        }
        if index > 0, let shown = misspelt(tokens[index - 1], expectedBefore) {
            let before = tokens[index - 1]
            return SQLError(
                "expected \(shown), found \(Self.describe(before))", at: before.span, hint: "did you mean \(shown)?")
        }
        return SQLError("expected \(expectedList()), found \(Self.describe(token))", at: token.span, hint: hint ?? habitHint(token) ?? reservedHint(token))
    }

    /// What the word before, or a parenthesis, tells about the habit behind the mistake.
    private func habitHint(_ token: Token) -> String? {
        guard index > 0 else { return nil }
        let before = tokens[index - 1]
        if token.kind == .end, expected.contains(where: { $0.shown == "\")\"" }), let open = openParenthesis() {
            return "the \"(\" before \(Self.describe(open)) is not closed"
        }
        switch token.kind == .word ? token.text.uppercased() : "" {
        case "SEMI": return "rows with a partner: WHERE EXISTS (SELECT ..), or WHERE x IN (SELECT ..)"
        case "ANTI": return "rows without a partner: WHERE NOT EXISTS (SELECT ..)"
        case "ALL" where before.keyword == .by: return "name the columns"
        default: break
        }
        switch before.kind == .word ? before.text.uppercased() : "" {
        case "TOP" where token.kind == .integer: return "the first rows are had with LIMIT \(token.text) at the end"
        case "MINUS" where token.keyword == .select: return "what the second query gives is taken away with EXCEPT"
        case "LIKE", "ILIKE": return token.symbol == .percent ? "a pattern is a text: LIKE '%a%'" : nil
        case "STRING", "TEXT": return token.symbol == .leftParenthesis ? "\(before.text.uppercased()) has no length; VARCHAR(n) has" : nil
        default: return nil
        }
    }

    /// What stands behind the last parenthesis that is open here.
    private func openParenthesis() -> Token? {
        var closed = 0
        var place = index - 1
        while place >= 0 {
            if tokens[place].symbol == .rightParenthesis { closed += 1 }
            if tokens[place].symbol == .leftParenthesis {
                if closed == 0 { return place + 1 < index ? tokens[place + 1] : nil }
                closed -= 1
            }
            place -= 1
        }
        return nil
    }

    /// What the word was probably meant to be, with the words that belong to it: `GROUP BY`.
    private func misspelt(_ token: Token, _ expected: [Expectation]) -> String? {
        guard token.kind == .word else { return nil }
        let keywords = expected.filter { $0.keyword != nil }
        guard let nearest = NearestName.find(token.text, among: keywords.compactMap { $0.keyword?.rawValue }) else { return nil }
        return keywords.first { $0.keyword?.rawValue == nearest }?.shown ?? nearest
    }

    private func reservedHint(_ token: Token) -> String? {
        guard let keyword = token.keyword, keyword.isReserved, expected.contains(where: { Self.canBeName($0.shown) }) else { return nil }
        if index > 0, tokens[index - 1].symbol == .comma { return "is there a comma too many before \(keyword.rawValue)?" }
        return "\(keyword.rawValue) is a reserved word; as a name it is written \"\(token.text)\""
    }

    private static func canBeName(_ expectation: String) -> Bool {
        expectation == StatementParser.anExpression || expectation.hasSuffix("name")
    }

    static let anExpression = "an expression"

    /// At most five are named: the first four, and the last, which is usually the end or a closing parenthesis.
    @inline(never)
    private func expectedList() -> String {
        var names = expected.map(\.shown)
        guard let last = names.popLast() else { return "something else" }
        if names.isEmpty { return last }
        if names.count > 4 { return names.prefix(4).joined(separator: ", ") + ", ... or " + last }
        return names.joined(separator: ", ") + " or " + last
    }

    static func describe(_ token: Token) -> String {
        switch token.kind {
        case .end: return "the end of the statement"
        case .string: return "the string '\(Lexer.shortened(token.text))'"
        case .bytes: return "X'\(Lexer.shortened(token.text))'"
        case .parameter: return "the argument \(token.text)"
        case .integer, .decimal, .double: return "the number \(Lexer.shortened(token.text))"
        case .word, .quotedWord, .symbol, .invalid: return "\"\(Lexer.shortened(token.text))\""
        }
    }
}
