// Parser+Function: CREATE FUNCTION. The body is an expression, in PostgreSQL's two forms and in one more:
//
//     RETURN a + b
//     AS $$ SELECT a + b $$
//     AS $$ a + b $$
//
// A quoted body is read in its place: blanks stand for all that comes before it, so that its spans are those of the statement.

extension StatementParser {
    /// Behind the name.
    @inline(never)
    mutating func parseFunction(_ name: QualifiedName, orReplace: Bool, ifNotExists: Bool) throws(SQLError) -> CreateFunction {
        if at(.as) { throw refusedClass(name) }
        let parameters = try parseParameters()
        try expect(.returns)
        if at(.table) || current.text.uppercased() == "SETOF" {
            throw SQLError(
                "functions that return tables are not supported", at: current.span, hint: "a view is a query with a name",
                code: SQLError.featureNotSupported)
        }
        let returns = try parseTypeName()
        var isStrict = false
        var body: Expression?
        while current.kind != .end {
            let token = current
            if accept(.language) {
                let language = current
                guard language.kind == .string || language.kind == .word, language.text.uppercased() == "SQL" else {
                    throw SQLError(
                        "functions can only be written in SQL", at: language.span, hint: Self.functionHint(name.last.name),
                        code: SQLError.featureNotSupported)
                }
                advance()
            } else if accept(.immutable) || accept(.stable) {
                continue
            } else if accept(.strict) {
                isStrict = true
            } else if at(.return) || at(.as) {
                guard body == nil else { throw SQLError("the body is given twice", at: token.span) }
                advance()
                body = try token.keyword == .return ? parseExpression() : parseQuotedBody(name)
            } else {
                note(.return, .as)
                try expectEnd()
            }
        }
        guard let body else {
            note(.return, .as)
            throw unexpected()
        }
        return CreateFunction(
            name: name, orReplace: orReplace, ifNotExists: ifNotExists, parameters: parameters, returns: returns, isStrict: isStrict, body: body)
    }

    /// `(s VARCHAR, n INT)`, `(VARCHAR, INT)`, at the opening parenthesis.
    @inline(never)
    mutating func parseParameters() throws(SQLError) -> [CreateFunction.Parameter] {
        try expect(.leftParenthesis)
        var parameters: [CreateFunction.Parameter] = []
        if accept(.rightParenthesis) { return parameters }
        repeat {
            if at(.in), isName(peek(1)) { advance() }
            // `DOUBLE PRECISION` is a type, `double DOUBLE` a name and a type.
            var isNamed = isName(current) && peek(1).kind == .word && Self.isTypeWord(peek(1))
            // `INT ARRAY` is a type as well.
            if isNamed, peek(1).keyword == .array, peek(2).symbol != .less, Self.isTypeWord(current) { isNamed = false }
            // `x INTT`: what follows a name that is no type was meant to be one.
            if isName(current), !Self.isTypeWord(current), isName(peek(1)) { isNamed = true }
            if atWord("PG_CATALOG"), peek(1).symbol == .dot { isNamed = false }
            let name = isNamed ? takeIdentifier() : nil
            parameters.append(CreateFunction.Parameter(name: name, type: try parseTypeName()))
            try checkCount(parameters.count, max: 100, what: "parameters")
        } while accept(.comma)
        try expect(.rightParenthesis)
        return parameters
    }

    /// Behind AS.
    @inline(never)
    private mutating func parseQuotedBody(_ name: QualifiedName) throws(SQLError) -> Expression {
        let token = current
        guard token.kind == .string else {
            note("the body in $$..$$")
            throw unexpected()
        }
        // What the quotes take; none of the text is written otherwise than it stands, or the places would be wrong.
        let length = token.span.end - token.span.start
        let quotes = length - token.text.utf8.count
        guard quotes >= 2, quotes % 2 == 0 else {
            throw SQLError(
                "a function's body cannot have escapes", at: token.span, hint: "write it between $$ and $$, or behind RETURN")
        }
        advance()
        let start = token.span.start + quotes / 2
        if start > ParserLimits.statementBytesMax {
            throw SQLError("write the body behind RETURN", at: token.span, hint: "it stands too far down in the script", code: SQLError.programLimitExceeded)
        }
        var lexer = Lexer(String(repeating: " ", count: start) + token.text)
        guard let run = try TokenRun.next(&lexer) else {
            throw SQLError("the function's body is empty", at: token.span, hint: Self.functionHint(name.last.name))
        }
        var parser = StatementParser(run)
        let isSelect = parser.accept(.select)
        let body = try parser.parseExpression()
        if isSelect, parser.at(.from) || parser.at(.comma) || parser.at(.where) {
            throw SQLError(
                "a function's body is one expression", at: parser.current.span, hint: "it sees its arguments and nothing else: SELECT expression",
                code: SQLError.featureNotSupported)
        }
        try parser.expectEnd()
        if let rest = try TokenRun.next(&lexer) {
            throw SQLError("expected one statement, found another", at: rest.tokens[0].span)
        }
        return body
    }

    /// At AS: Flink's `CREATE FUNCTION name AS 'com.example.Class'`.
    @inline(never)
    private func refusedClass(_ name: QualifiedName) -> SQLError {
        SQLError(
            "a function cannot be a class of Java: only functions in SQL are supported", at: peek(1).span, hint: Self.functionHint(name.last.name),
            code: SQLError.featureNotSupported)
    }

    /// At TEMPORARY: the whole of Flink's form is looked at, so that one error says all.
    @inline(never)
    func refusedTemporary() -> SQLError {
        var name: String?
        for distance in 1..<6 where peek(distance).keyword == .function {
            let next = peek(distance + 1)
            name = next.keyword == .if ? nil : next.text
        }
        return SQLError(
            "TEMPORARY functions, and classes of Java, are not supported", at: current.span, hint: Self.functionHint(name ?? "f"),
            code: SQLError.featureNotSupported)
    }

    static func functionHint(_ name: String) -> String {
        let name = name.isEmpty ? "f" : name
        if name.lowercased() == "count_char" {
            return "in SQL: CREATE FUNCTION \(name)(s VARCHAR, c VARCHAR) RETURNS BIGINT RETURN char_length(s) - char_length(replace(s, c, ''))"
        }
        return "in SQL: CREATE FUNCTION \(name)(a BIGINT, b BIGINT) RETURNS BIGINT RETURN a + b"
    }
}
