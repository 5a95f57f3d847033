// Parser+Primary: what stands between operators: literals, names, calls, CASE, CAST, subqueries, rows and arrays.
//
// The functions are kept apart, and out of line, because the recursion through parentheses passes through them: what each keeps
// on the stack bounds how deep a statement may be. The larger forms count for two levels.

extension StatementParser {
    @inline(never)
    mutating func parsePrimary() throws(SQLError) -> Expression {
        // Not copied: this frame stands on the stack for every level of nesting.
        switch current.kind {
        case .integer, .decimal, .double, .string, .bytes:
            return parseConstant()
        case .quotedWord:
            return try parseNameOrCall()
        case .parameter:
            return try parseParameter()
        case .word:
            return try parseWord()
        case .symbol where current.symbol == .leftParenthesis:
            return try parseParenthesised()
        default:
            note(Self.anExpression)
            throw unexpected()
        }
    }

    @inline(never)
    private mutating func parseParameter() throws(SQLError) -> Expression {
        let token = current
        advance()
        if !arguments.isEmpty { return try argument(token) }
        return Expression(.column(QualifiedName([Identifier(token.text, span: token.span)], span: token.span)), span: token.span)
    }

    /// What was given for `$1`, in its place.
    @inline(never)
    private func argument(_ token: Token) throws(SQLError) -> Expression {
        guard let number = Int(token.text.dropFirst()), number >= 1, number <= arguments.count else {
            throw SQLError("there is no argument \(token.text)", at: token.span, hint: "there are \(arguments.count)", code: "42P02")
        }
        var value = arguments[number - 1]
        value.span = token.span
        return value
    }

    @inline(never)
    private mutating func parseConstant() -> Expression {
        let token = current
        advance()
        let literal: Literal
        switch token.kind {
        case .integer: literal = .integer(token.text)
        case .decimal: literal = .decimal(token.text)
        case .double: literal = .double(token.text)
        case .bytes: literal = .bytes(Self.decodeHexadecimal(token.text))
        default: literal = .string(token.text)
        }
        return Expression(.literal(literal), span: token.span)
    }

    private static func decodeHexadecimal(_ digits: String) -> [UInt8] {
        var bytes: [UInt8] = []
        var high: UInt32?
        for digit in digits.utf8 {
            let value = Lexer.hexadecimalValue(digit) ?? 0
            if let first = high {
                bytes.append(UInt8(truncatingIfNeeded: first << 4 | value))
                high = nil
            } else {
                high = value
            }
        }
        return bytes
    }

    /// `(expression)`, `(a, b)`, `(SELECT ..)`.
    @inline(never)
    private mutating func parseParenthesised() throws(SQLError) -> Expression {
        let start = current.span
        if startsQuery(at: index) { return try parseScalarQuery() }
        advance()
        var expression = try parseExpression()
        if at(.comma) { expression = try parseItems(behind: expression) }
        try expect(.rightParenthesis)
        expression.span = span(from: start)
        return expression
    }

    /// `, b, c` behind `(a`.
    @inline(never)
    private mutating func parseItems(behind first: Expression) throws(SQLError) -> Expression {
        var items = [first]
        while accept(.comma) {
            items.append(try parseExpression())
            try checkCount(items.count)
        }
        return Expression(.row(items), span: first.span)
    }

    @inline(never)
    mutating func parseScalarQuery() throws(SQLError) -> Expression {
        let start = current.span
        try expect(.leftParenthesis)
        try expectQuery()
        let query = try parseQuery()
        try expect(.rightParenthesis)
        return Expression(.scalarQuery(query), span: span(from: start))
    }

    // MARK: Words

    @inline(never)
    private mutating func parseWord() throws(SQLError) -> Expression {
        guard let keyword = current.keyword else { return try parseNameOrCall() }
        // What nests comes first: the stack of a case that does not is no concern.
        switch keyword {
        case .case: return try parseCase()
        case .cast where isNext(.leftParenthesis): return try parseCast(isTry: false)
        case .exists where isNext(.leftParenthesis): return try parseExists()
        case .row where isNext(.leftParenthesis): return try parseRow()
        default: return try parseOtherWord(keyword)
        }
    }

    @inline(never)
    private mutating func parseOtherWord(_ keyword: Keyword) throws(SQLError) -> Expression {
        switch keyword {
        case .null: return takeLiteral(.null)
        case .true: return takeLiteral(.boolean(true))
        case .false: return takeLiteral(.boolean(false))
        case .currentDate, .currentTime, .currentTimestamp, .localtime, .localtimestamp: return try parseNiladic(keyword)
        case .array where isNext(.leftBracket): return try parseArrayConstructor()
        case .array where isNext(.leftParenthesis) && startsQuery(at: index + 1): return try parseArrayQuery()
        case .map where isNext(.leftBracket): return try parseMap()
        case .interval where startsInterval(): return try parseInterval()
        case .date, .time, .timestamp, .timestamptz, .timestampLtz:
            if startsTypedLiteral() { return try parseTypedLiteral() }
        case .tryCast where isNext(.leftParenthesis): return try parseCast(isTry: true)
        case .cursor where isNext(.leftParenthesis) && startsQuery(at: index + 1): return try parseCursor()
        case .extract where isNext(.leftParenthesis): return try parseExtract()
        case .running, .final:
            if isName(peek(1)), peek(2).symbol == .leftParenthesis { return try parseSemantics(keyword) }
        default: break
        }
        if keyword.isReserved, !(keyword.mayNameFunction && isNext(.leftParenthesis)) {
            note(Self.anExpression)
            throw unexpected()
        }
        return try parseNameOrCall()
    }

    /// `CURRENT_TIMESTAMP`; with a precision it is a call.
    @inline(never)
    private mutating func parseNiladic(_ keyword: Keyword) throws(SQLError) -> Expression {
        let name = takeIdentifier()
        if at(.leftParenthesis) { return try parseCall(QualifiedName([name], span: name.span)) }
        return Expression(.niladic(keyword.rawValue), span: name.span)
    }

    @inline(never)
    private mutating func parseExists() throws(SQLError) -> Expression {
        let start = current.span
        let query = try parseQueryArgument()
        return Expression(.exists(query), span: span(from: start))
    }

    @inline(never)
    private mutating func parseArrayQuery() throws(SQLError) -> Expression {
        let start = current.span
        let query = try parseQueryArgument()
        return Expression(.arrayQuery(query), span: span(from: start))
    }

    @inline(never)
    private mutating func parseCursor() throws(SQLError) -> Expression {
        let start = current.span
        let query = try parseQueryArgument()
        return Expression(.cursor(query), span: span(from: start))
    }

    /// A word, then a query in parentheses.
    @inline(never)
    private mutating func parseQueryArgument() throws(SQLError) -> Query {
        advance()
        try expect(.leftParenthesis)
        try expectQuery()
        let query = try parseQuery()
        try expect(.rightParenthesis)
        return query
    }

    @inline(never)
    private mutating func parseArrayConstructor() throws(SQLError) -> Expression {
        let start = current.span
        advance()
        return try parseArray(start)
    }

    @inline(never)
    private mutating func takeLiteral(_ literal: Literal) -> Expression {
        let span = current.span
        advance()
        return Expression(.literal(literal), span: span)
    }

    /// `price`, `b.price`, `f(x)`, `schema.f(x)`.
    @inline(never)
    private mutating func parseNameOrCall() throws(SQLError) -> Expression {
        let start = current.span
        // What a misspelt word may have been meant to be, should the statement go wrong right behind it.
        note(.case, .cast, .not, .exists, .interval, .distinct)
        var parts = [takeIdentifier()]
        while at(.dot) {
            advance()
            parts.append(try parseLabel("a name"))
            try checkCount(parts.count, max: 16, what: "parts of a name")
        }
        let name = QualifiedName(parts, span: span(from: start))
        if at(.leftParenthesis) { return try parseCall(name) }
        return Expression(.column(name), span: name.span)
    }

    // MARK: CASE, CAST, EXTRACT

    @inline(never)
    private mutating func parseCase() throws(SQLError) -> Expression {
        try enter()
        let start = current.span
        advance()
        note(.when)
        let operand = at(.when) ? nil : try parseExpression()
        var branches: [CaseBranch] = []
        while accept(.when) {
            let condition = try parseExpression()
            try expect(.then)
            branches.append(CaseBranch(condition: condition, result: try parseExpression()))
            try checkCount(branches.count)
        }
        guard !branches.isEmpty else { throw unexpected() }
        let otherwise = accept(.else) ? try parseExpression() : nil
        try expect(.end)
        leave()
        return Expression(.caseWhen(operand: operand, branches: branches, otherwise: otherwise), span: span(from: start))
    }

    @inline(never)
    private mutating func parseCast(isTry: Bool) throws(SQLError) -> Expression {
        try enter()
        let start = current.span
        advance()
        try expect(.leftParenthesis)
        let operand = try parseExpression()
        try expect(.as)
        let type = try parseTypeName()
        try expect(.rightParenthesis)
        leave()
        return Expression(.cast(operand, type, isTry: isTry), span: span(from: start))
    }

    /// `EXTRACT(HOUR FROM ts)`, `EXTRACT('hour' FROM ts)`.
    @inline(never)
    private mutating func parseExtract() throws(SQLError) -> Expression {
        try enter()
        let start = current.span
        advance()
        try expect(.leftParenthesis)
        let field: Identifier
        if current.kind == .string, !current.text.isEmpty {
            field = Identifier(current.text, isQuoted: true, span: current.span)
            advance()
        } else {
            field = try parseIdentifier("a field such as HOUR")
        }
        try expect(.from)
        let operand = try parseExpression()
        try expect(.rightParenthesis)
        leave()
        return Expression(.extract(field: field, operand), span: span(from: start))
    }

    // MARK: Arrays, maps, rows

    /// Behind ARRAY, or within one, at the bracket: `[1, 2]`, `[[1, 2], [3]]`.
    @inline(never)
    private mutating func parseArray(_ start: SourceSpan) throws(SQLError) -> Expression {
        try enter()
        try expect(.leftBracket)
        var items: [Expression] = []
        if !accept(.rightBracket) {
            repeat {
                items.append(at(.leftBracket) ? try parseArray(current.span) : try parseExpression())
                try checkCount(items.count)
            } while accept(.comma)
            try expect(.rightBracket)
        }
        leave()
        return Expression(.array(items), span: span(from: start))
    }

    /// `MAP['k', 1]` as the call map('k', 1); with one item it is an element of the column `map`.
    @inline(never)
    private mutating func parseMap() throws(SQLError) -> Expression {
        let name = takeIdentifier()
        let qualified = QualifiedName([name], span: name.span)
        try expect(.leftBracket)
        if accept(.rightBracket) {
            return Expression(.call(FunctionCall(name: qualified, arguments: [])), span: span(from: name.span))
        }
        let items = try parseExpressionList()
        try expect(.rightBracket)
        let span = span(from: name.span)
        if items.count == 1 { return Expression(.element(Expression(.column(qualified), span: name.span), items[0]), span: span) }
        return Expression(.call(FunctionCall(name: qualified, arguments: items)), span: span)
    }

    @inline(never)
    private mutating func parseRow() throws(SQLError) -> Expression {
        try enter()
        let start = current.span
        advance()
        try expect(.leftParenthesis)
        var items: [Expression] = []
        if !accept(.rightParenthesis) {
            items = try parseExpressionList()
            try expect(.rightParenthesis)
        }
        leave()
        return Expression(.row(items), span: span(from: start))
    }

    // MARK: Literals of time

    /// `INTERVAL '1'`, `INTERVAL 1`, `INTERVAL - '1'`; a column of that name otherwise.
    func startsInterval() -> Bool {
        let next = peek(1)
        let hasSign = next.symbol == .minus || next.symbol == .plus
        let value = hasSign ? peek(2) : next
        switch value.kind {
        case .string: return true
        case .integer, .decimal: return !hasSign || intervalField(peek(3)) != nil
        default: return false
        }
    }

    /// `INTERVAL '10' SECOND`, `INTERVAL '1:30' MINUTE TO SECOND`, `INTERVAL '2 days'`, `INTERVAL 10 SECOND`.
    @inline(never)
    private mutating func parseInterval() throws(SQLError) -> Expression {
        let start = current.span
        advance()
        var text = at(.minus) ? "-" : ""
        if at(.minus) || at(.plus) { advance() }
        let isNumber = current.kind != .string
        text += current.text
        advance()
        let from = try acceptIntervalField()
        if isNumber, from == nil {
            note("a unit such as SECOND")
            throw unexpected()
        }
        var to: IntervalField?
        if from != nil, at(.to), intervalField(peek(1)) != nil {
            advance()
            to = try acceptIntervalField()
        }
        return Expression(.literal(.interval(text: text, from: from, to: to)), span: span(from: start))
    }

    /// `SECOND`, `SECONDS`; nil for every other token.
    func intervalField(_ token: Token) -> IntervalField? {
        guard token.kind == .word else { return nil }
        let name = token.text.lowercased()
        return IntervalField(rawValue: name) ?? (name.hasSuffix("s") ? IntervalField(rawValue: String(name.dropLast())) : nil)
    }

    /// A field and the digits it may ask for (`DAY(3)`), which are not kept.
    @inline(never)
    mutating func acceptIntervalField() throws(SQLError) -> IntervalField? {
        guard let field = intervalField(current) else { return nil }
        advance()
        if at(.leftParenthesis), peek(1).kind == .integer, peek(2).symbol == .rightParenthesis {
            for _ in 0..<3 { advance() }
        }
        return field
    }

    /// Whether a type and then a string stand here: `DATE '..'`, `TIMESTAMP(3) WITH TIME ZONE '..'`.
    private func startsTypedLiteral() -> Bool {
        var distance = 1
        if peek(1).symbol == .leftParenthesis, peek(2).kind == .integer, peek(3).symbol == .rightParenthesis { distance = 4 }
        if peek(distance).keyword == .with || peek(distance).keyword == .without {
            distance += peek(distance + 1).keyword == .local ? 2 : 1
            guard peek(distance).keyword == .time, peek(distance + 1).keyword == .zone else { return false }
            distance += 2
        }
        return peek(distance).kind == .string
    }

    @inline(never)
    private mutating func parseTypedLiteral() throws(SQLError) -> Expression {
        let start = current.span
        let type = try parseTypeName()
        let text = current.text
        advance()
        return Expression(.literal(.typed(type, text)), span: span(from: start))
    }
}
