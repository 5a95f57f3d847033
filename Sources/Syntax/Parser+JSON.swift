// Parser+JSON: the syntax of the SQL/JSON functions. What hangs on them becomes named arguments of a plain call:
//
//     JSON_VALUE(j, p RETURNING INT DEFAULT 0 ON EMPTY ERROR ON ERROR)
//         json_value(j, p, returning => CAST(NULL AS INT), default_on_empty => 0, on_error => 'ERROR')
//     JSON_QUERY(j, p WITH CONDITIONAL WRAPPER EMPTY ARRAY ON EMPTY)
//         json_query(j, p, wrapper => 'CONDITIONAL', on_empty => 'EMPTY ARRAY')
//     JSON_OBJECT(KEY 'a' VALUE 1 ABSENT ON NULL)     json_object('a', 1, on_null => 'ABSENT')
//     JSON_ARRAYAGG(x ORDER BY x NULL ON NULL)        json_arrayagg(x, on_null => 'NULL' ORDER BY x)
//     x IS JSON OBJECT                                is_json(x, 'OBJECT')

extension StatementParser {
    /// The current token, or one behind it, is this word (in upper case), which is no keyword elsewhere.
    @inline(never)
    func atWord(_ word: String, _ distance: Int = 0) -> Bool {
        let token = peek(distance)
        return token.kind == .word && token.text.utf8.count == word.utf8.count && token.text.uppercased() == word
    }

    /// Passes a word that is no keyword elsewhere.
    mutating func acceptWord(_ word: String) -> Bool {
        if atWord(word) {
            advance()
            return true
        }
        note(word)
        return false
    }

    /// Reads the arguments of a SQL/JSON function; false when it is none.
    @inline(never)
    mutating func parseJSONForm(into call: inout FunctionCall) throws(SQLError) -> Bool {
        guard call.name.parts.count == 1 else { return false }
        var isObject = false
        switch call.name.last.name.lowercased() {
        case "json_value", "json_query", "json_exists", "json_array", "json_arrayagg": break
        case "json_object", "json_objectagg": isObject = true
        default: return false
        }
        if !atClause {
            var none: Expression?
            repeat {
                if isObject, !isNext(.namedArgument) { try parseMember(into: &call) } else { try parseArgument(into: &call, partitionBy: &none) }
                try checkCount(call.arguments.count)
            } while accept(.comma)
        }
        try parseJSONClauses(into: &call)
        return true
    }

    /// Whether the clauses begin where an argument could stand.
    private var atClause: Bool { (at(.null) || atWord("ABSENT")) && isNext(.on) || atWord("RETURNING") && peek(1).kind == .word }

    /// `[KEY] k VALUE v`, or `k`, whose value follows as the next argument.
    @inline(never)
    private mutating func parseMember(into call: inout FunctionCall) throws(SQLError) {
        let behind = peek(1)
        let isName = behind.symbol == .comma || behind.symbol == .rightParenthesis || behind.symbol == .dot || behind.symbol == .leftParenthesis
            || atWord("VALUE", 1) || isOperator(behind)
        let hasKey = at(.key) && !isName
        if hasKey { advance() }
        call.arguments.append(try parseExpression())
        call.argumentNames.append(nil)
        guard acceptWord("VALUE") else {
            if hasKey { throw unexpected() }
            return
        }
        call.arguments.append(try parseExpression())
        call.argumentNames.append(nil)
    }

    /// RETURNING, wrappers, and what happens ON EMPTY, ON ERROR, ON NULL.
    @inline(never)
    mutating func parseJSONClauses(into call: inout FunctionCall) throws(SQLError) {
        while true {
            let start = current.span
            if atWord("RETURNING") {
                advance()
                let type = try parseTypeName()
                let null = Expression(.literal(.null), span: type.span)
                add("returning", Expression(.cast(null, type, isTry: false), span: type.span), start, to: &call)
            } else if atWord("FORMAT"), atWord("JSON", 1) {
                advance()
                advance()
            } else if atWord("PASSING") {
                throw SQLError("PASSING is not supported yet", at: start, hint: "put the value into the path's text", code: SQLError.featureNotSupported)
            } else if at(.with) || at(.without) {
                try parseWith(into: &call)
            } else if atWord("DEFAULT") {
                advance()
                let value = try parseExpression()
                add("default_" + (try parseOn(allowsNull: false)), value, start, to: &call)
            } else if let behaviour = try acceptBehaviour() {
                let name = try parseOn(allowsNull: true)
                add(name, Expression(.literal(.string(behaviour)), span: start), start, to: &call)
            } else {
                return
            }
            try checkCount(call.arguments.count)
        }
    }

    private func add(_ name: String, _ value: Expression, _ span: SourceSpan, to call: inout FunctionCall) {
        call.arguments.append(value)
        call.argumentNames.append(Identifier(name, span: span))
    }

    /// What stands before ON.
    private mutating func acceptBehaviour() throws(SQLError) -> String? {
        if at(.empty), !isNext(.namedArgument) {
            advance()
            if accept(.array) { return "EMPTY ARRAY" }
            return acceptWord("OBJECT") ? "EMPTY OBJECT" : "EMPTY ARRAY"
        }
        guard isNext(.on), at(.null) || at(.true) || at(.false) || at(.unknown) || atWord("ERROR") || atWord("ABSENT") else { return nil }
        let word = current.text.uppercased()
        advance()
        return word
    }

    private mutating func parseOn(allowsNull: Bool) throws(SQLError) -> String {
        try expect(.on)
        if accept(.empty) { return "on_empty" }
        if acceptWord("ERROR") { return "on_error" }
        if allowsNull, accept(.null) { return "on_null" }
        throw unexpected()
    }

    /// `WITH [CONDITIONAL | UNCONDITIONAL] [ARRAY] WRAPPER`, `WITHOUT [ARRAY] WRAPPER`, `WITHOUT UNIQUE [KEYS]`.
    private mutating func parseWith(into call: inout FunctionCall) throws(SQLError) {
        let start = current.span
        let isWith = at(.with)
        advance()
        if acceptWord("UNIQUE") {
            _ = acceptWord("KEYS")
            if isWith { throw SQLError("WITH UNIQUE KEYS is not supported yet", at: start, code: SQLError.featureNotSupported) }
            return
        }
        var mode = "UNCONDITIONAL"
        if isWith {
            if acceptWord("CONDITIONAL") { mode = "CONDITIONAL" } else { _ = acceptWord("UNCONDITIONAL") }
        }
        _ = accept(.array)
        guard acceptWord("WRAPPER") else { throw unexpected() }
        if isWith { add("wrapper", Expression(.literal(.string(mode)), span: start), start, to: &call) }
    }

    // MARK: IS JSON

    /// Behind IS [NOT], at JSON.
    @inline(never)
    mutating func parseIsJSON(_ operand: Expression, negated: Bool) throws(SQLError) -> Expression {
        let name = Identifier("is_json", span: current.span)
        advance()
        var kind = "VALUE"
        let place = current.span
        for word in ["VALUE", "SCALAR", "OBJECT", "ARRAY"] where atWord(word) {
            kind = word
            advance()
            break
        }
        if at(.with) || at(.without), atWord("UNIQUE", 1) {
            let start = current.span
            let isWith = at(.with)
            advance()
            advance()
            _ = acceptWord("KEYS")
            if isWith { throw SQLError("WITH UNIQUE KEYS is not supported yet", at: start, code: SQLError.featureNotSupported) }
        }
        let call = FunctionCall(
            name: QualifiedName([name], span: name.span), arguments: [operand, Expression(.literal(.string(kind)), span: place)])
        let test = Expression(.call(call), span: span(from: operand.span))
        return negated ? Expression(.not(test), span: test.span) : test
    }
}
