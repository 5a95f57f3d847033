// Parser+Connection: transactions, cursors, COPY, prepared statements, and SET and SHOW in the forms that PostgreSQL's clients use.

extension StatementParser {
    /// nil when another kind of statement stands here.
    @inline(never)
    mutating func parseConnectionStatement() throws(SQLError) -> ConnectionStatement? {
        guard current.kind == .word else { return nil }
        switch current.text.uppercased() {
        case "BEGIN":
            advance()
            _ = acceptWord("WORK") || acceptWord("TRANSACTION")
            try parseTransactionModes(isRequired: false)
            return .begin
        case "START" where atWord("TRANSACTION", 1):
            advance()
            advance()
            try parseTransactionModes(isRequired: false)
            return .begin
        case "COMMIT", "END":
            advance()
            try parseTransactionEnd()
            return .commit
        case "ROLLBACK", "ABORT":
            if atWord("PREPARED", 1) { return nil }
            advance()
            if atWord("TO") || ((atWord("WORK") || atWord("TRANSACTION")) && atWord("TO", 1)) {
                _ = acceptWord("WORK") || acceptWord("TRANSACTION")
                advance()
                return try parseSavepoint(.rollback)
            }
            try parseTransactionEnd()
            return .rollback
        case "SAVEPOINT", "RELEASE":
            let action: SavepointAction = atWord("RELEASE") ? .release : .set
            advance()
            return try parseSavepoint(action)
        case "SET": return try parseTransactionSetting()
        case "DECLARE": return try parseDeclare()
        case "FETCH", "MOVE": return try parseFetchStatement()
        case "CLOSE":
            advance()
            return .close(accept(.all) ? nil : try parseIdentifier("a cursor name"))
        case "COPY": return .copy(try parseCopy())
        case "PREPARE": return try parsePrepare()
        case "EXECUTE": return try parseExecute()
        case "DEALLOCATE":
            advance()
            if atWord("PREPARE"), peek(1).kind != .end { advance() }
            return .deallocate(accept(.all) ? nil : try parseIdentifier("the name of a prepared statement"))
        case "DISCARD":
            advance()
            if accept(.all) { return .discard(.all) }
            if accept(.temporary) { return .discard(.temporary) }
            for kind in DiscardKind.allCases where acceptWord(kind.rawValue) { return .discard(kind) }
            throw unexpected()
        case "UNLISTEN":
            advance()
            return .unlisten(accept(.star) ? nil : try parseIdentifier("a channel name"))
        default: return nil
        }
    }

    @inline(never)
    mutating func expectWord(_ word: String) throws(SQLError) {
        if !acceptWord(word) { throw unexpected() }
    }

    // MARK: Transactions

    private mutating func parseTransactionEnd() throws(SQLError) {
        _ = acceptWord("WORK") || acceptWord("TRANSACTION")
        guard accept(.and) else { return }
        guard acceptWord("NO") else {
            throw SQLError("AND CHAIN is not supported", at: previousSpan, hint: "BEGIN begins the next one", code: SQLError.featureNotSupported)
        }
        try expectWord("CHAIN")
    }

    /// `ISOLATION LEVEL .., READ ONLY, ..`: accepted, and without meaning: there is one isolation here.
    private mutating func parseTransactionModes(isRequired: Bool) throws(SQLError) {
        var isFirst = true
        while isFirst ? isRequired || current.kind != .end : accept(.comma) || current.kind != .end {
            if acceptWord("ISOLATION") {
                try expectWord("LEVEL")
                if acceptWord("SERIALIZABLE") {} else if acceptWord("REPEATABLE") {
                    try expectWord("READ")
                } else {
                    try expectWord("READ")
                    if !acceptWord("COMMITTED") { try expectWord("UNCOMMITTED") }
                }
            } else if acceptWord("READ") {
                if !accept(.only) { try expectWord("WRITE") }
            } else {
                _ = accept(.not)
                try expectWord("DEFERRABLE")
            }
            isFirst = false
        }
    }

    private mutating func parseTransactionSetting() throws(SQLError) -> ConnectionStatement? {
        if atWord("TRANSACTION", 1), peek(2).kind == .word, peek(2).keyword != .to {
            advance()
            advance()
        } else if atWord("SESSION", 1), atWord("CHARACTERISTICS", 2) {
            for _ in 0..<3 { advance() }
            try expect(.as)
            try expectWord("TRANSACTION")
        } else {
            return nil
        }
        try parseTransactionModes(isRequired: true)
        return .transactionModes
    }

    // MARK: Cursors

    private mutating func parseDeclare() throws(SQLError) -> ConnectionStatement {
        advance()
        let name = try parseIdentifier("a cursor name")
        if atWord("BINARY") {
            throw SQLError(
                "a BINARY cursor is not supported", at: current.span, hint: "the extended protocol asks for binary values itself",
                code: SQLError.featureNotSupported)
        }
        _ = acceptWord("ASENSITIVE") || acceptWord("INSENSITIVE")
        if atWord("NO"), atWord("SCROLL", 1) {
            advance()
            advance()
        } else if atWord("SCROLL") {
            throw SQLError(
                "a SCROLL cursor is not supported", at: current.span, hint: "a cursor moves forward: leave SCROLL out",
                code: SQLError.featureNotSupported)
        }
        try expect(.cursor)
        var holds = false
        if at(.with) || at(.without) {
            holds = at(.with)
            advance()
            try expectWord("HOLD")
        }
        try expect(.for)
        return .declare(name, try parseQuery(), holds: holds)
    }

    private mutating func parseFetchStatement() throws(SQLError) -> ConnectionStatement {
        let isMove = atWord("MOVE")
        advance()
        for word in ["PRIOR", "LAST", "FIRST", "ABSOLUTE", "RELATIVE", "BACKWARD"] where atWord(word) && peek(1).kind != .end {
            throw SQLError(
                "a cursor cannot move so", at: current.span, hint: "it moves forward: FETCH 10 FROM name, FETCH ALL FROM name",
                code: SQLError.featureNotSupported)
        }
        var count: Int? = 1
        let isForward = peek(1).kind != .end && (acceptWord("FORWARD") || accept(.next))
        if accept(.all) {
            count = nil
        } else if current.kind == .integer {
            // More rows than there can be are all there are.
            count = Int(current.text) ?? .max
            advance()
        } else if at(.minus) {
            throw SQLError(
                "a cursor cannot move backward", at: current.span, hint: "DECLARE it again to begin anew", code: SQLError.featureNotSupported)
        } else if !isForward {
            note("a number of rows")
        }
        _ = accept(.from) || accept(.in)
        return .fetch(CursorFetch(cursor: try parseIdentifier("a cursor name"), count: count, isMove: isMove))
    }

    // MARK: COPY

    private mutating func parseCopy() throws(SQLError) -> Copy {
        advance()
        var copy: Copy
        if at(.leftParenthesis) {
            advance()
            let query = try parseQuery()
            try expect(.rightParenthesis)
            try expect(.to)
            copy = Copy(source: .query(query), isFrom: false)
        } else {
            let name = try parseQualifiedName("a stream, table or view name")
            let columns = at(.leftParenthesis) ? try parseIdentifierList("a column name") : []
            let isFrom = accept(.from)
            if !isFrom { try expect(.to) }
            copy = Copy(source: .relation(name, columns), isFrom: isFrom)
        }
        let end = copy.isFrom ? "STDIN" : "STDOUT"
        if current.kind == .string || atWord("PROGRAM") {
            throw SQLError(
                "COPY cannot \(copy.isFrom ? "read" : "write") files of the server", at: current.span,
                hint: "COPY .. \(copy.isFrom ? "FROM STDIN" : "TO STDOUT"), or psql's \\copy; connector = 'file' reads and writes files",
                code: SQLError.featureNotSupported)
        }
        try expectWord(end)
        let hasWith = accept(.with)
        if at(.leftParenthesis) {
            advance()
            repeat { try parseCopyOption(&copy) } while accept(.comma)
            try expect(.rightParenthesis)
        } else {
            try parseOldCopyOptions(&copy, isRequired: hasWith)
        }
        return copy
    }

    /// `FORMAT csv`, `HEADER [true|false]`, `DELIMITER ','`, `NULL ''` between parentheses.
    private mutating func parseCopyOption(_ copy: inout Copy) throws(SQLError) {
        let span = current.span
        if acceptWord("FORMAT") {
            let token = current
            let word = token.kind == .string ? try parseText("a format") : try parseLabel("a format").name
            guard let format = Copy.Format(rawValue: word.uppercased()), format != .binary else {
                throw SQLError(
                    "COPY has no format \"\(word)\"", at: token.span, hint: "formats are text, csv and json", code: SQLError.featureNotSupported)
            }
            copy.format = format
        } else if acceptWord("HEADER") {
            let isOff = accept(.false) || acceptWord("OFF")
            copy.hasHeader = !isOff
            if !isOff { _ = accept(.true) || accept(.on) || acceptWord("MATCH") }
        } else if acceptWord("DELIMITER") {
            copy.delimiter = try parseDelimiter()
        } else if accept(.null) {
            copy.nullText = try parseText("a text")
        } else if acceptWord("ENCODING") {
            try checkEncoding()
        } else {
            for word in ["QUOTE", "ESCAPE", "FORCE_QUOTE", "FORCE_NOT_NULL", "FORCE_NULL", "FREEZE", "DEFAULT", "ON_ERROR"] where atWord(word) {
                throw SQLError("COPY has no option \(word)", at: span, hint: "rows that cannot be read go to the error stream", code: SQLError.featureNotSupported)
            }
            throw unexpected()
        }
    }

    /// `CSV HEADER DELIMITER AS ',' NULL AS ''`, without parentheses, as before PostgreSQL 9.
    private mutating func parseOldCopyOptions(_ copy: inout Copy, isRequired: Bool) throws(SQLError) {
        var isFirst = true
        while current.kind != .end {
            if acceptWord("CSV") {
                copy.format = .csv
            } else if acceptWord("HEADER") {
                copy.hasHeader = true
            } else if acceptWord("DELIMITER") {
                _ = accept(.as)
                copy.delimiter = try parseDelimiter()
            } else if accept(.null) {
                _ = accept(.as)
                copy.nullText = try parseText("a text")
            } else if acceptWord("ENCODING") {
                try checkEncoding()
            } else {
                if atWord("BINARY") {
                    throw SQLError("COPY has no binary format here", at: current.span, hint: "formats are text, csv and json", code: SQLError.featureNotSupported)
                }
                try expectEnd()
            }
            isFirst = false
        }
        if isFirst, isRequired { throw unexpected() }
    }

    private mutating func parseDelimiter() throws(SQLError) -> String {
        let span = current.span
        let text = try parseText("a delimiter")
        guard text.utf8.count == 1, let byte = text.utf8.first, byte < 0x80, byte != 0x0A, byte != 0x0D, byte != 0x22, byte != 0x5C else {
            throw SQLError(
                "a delimiter is one character, and none of \\, \" and the line's end", at: span, hint: "for a tab: E'\\t'", code: SQLError.invalidParameter)
        }
        return text
    }

    private mutating func checkEncoding() throws(SQLError) {
        let span = current.span
        let text = try parseText("an encoding")
        guard ["UTF8", "UTF-8", "UNICODE", "SQL_ASCII"].contains(text.uppercased()) else {
            throw SQLError("texts are UTF-8", at: span, hint: "ENCODING 'UTF8'", code: SQLError.featureNotSupported)
        }
    }

    private mutating func parseText(_ what: String) throws(SQLError) -> String {
        guard current.kind == .string else {
            note(what)
            throw unexpected()
        }
        defer { advance() }
        return current.text
    }

    // MARK: Prepared statements

    private mutating func parsePrepare() throws(SQLError) -> ConnectionStatement {
        advance()
        let name = try parseIdentifier("the name of a prepared statement")
        var types: [TypeName] = []
        if accept(.leftParenthesis) {
            repeat {
                types.append(try parseTypeName())
                try checkCount(types.count)
            } while accept(.comma)
            try expect(.rightParenthesis)
        }
        try expect(.as)
        return .prepare(name, types, try parseStatement())
    }

    private mutating func parseExecute() throws(SQLError) -> ConnectionStatement {
        advance()
        let name = try parseIdentifier("the name of a prepared statement")
        var values: [Expression] = []
        if accept(.leftParenthesis), !accept(.rightParenthesis) {
            repeat {
                values.append(try parseExpression())
                try checkCount(values.count)
            } while accept(.comma)
            try expect(.rightParenthesis)
        }
        return .execute(name, values)
    }

    // MARK: SET and SHOW

    /// Behind SET: `TIME ZONE 'UTC'` and `NAMES 'UTF8'`; nil for the plain form.
    @inline(never)
    mutating func parseSettingOfStandard() throws(SQLError) -> Statement.Kind? {
        let name: Identifier
        if at(.time), isNext(.zone) {
            advance()
            advance()
            name = Identifier("timezone", span: previousSpan)
        } else if atWord("NAMES"), peek(1).kind == .string {
            advance()
            name = Identifier("client_encoding", span: previousSpan)
        } else {
            return nil
        }
        if atWord("DEFAULT") || at(.local) {
            advance()
            return .reset(name)
        }
        return .set(name, try parseSettingValue())
    }

    /// Behind `SET name =`: DEFAULT, or a list of words and texts, which is one text; nil for everything else.
    @inline(never)
    mutating func parseSettingList(_ name: Identifier) -> Statement.Kind? {
        if atWord("DEFAULT"), peek(1).kind == .end {
            advance()
            return .reset(name)
        }
        guard peek(1).symbol == .comma else { return nil }
        var items: [String] = []
        let start = current.span
        var distance = 0
        while true {
            let token = peek(distance)
            guard token.kind == .word || token.kind == .quotedWord || token.kind == .string else { return nil }
            items.append(token.text)
            let next = peek(distance + 1)
            if next.kind == .end { break }
            guard next.symbol == .comma else { return nil }
            distance += 2
        }
        for _ in 0...distance { advance() }
        return .set(name, Expression(.literal(.string(items.joined(separator: ", "))), span: span(from: start)))
    }

    /// Behind SHOW, where none of the lists is meant: the name of a setting.
    @inline(never)
    mutating func parseShowSetting() throws(SQLError) -> Statement.Kind {
        if at(.time), isNext(.zone) {
            advance()
            advance()
            return .connection(.showSetting(Identifier("timezone", span: previousSpan)))
        }
        if atWord("TRANSACTION"), atWord("ISOLATION", 1), atWord("LEVEL", 2) {
            for _ in 0..<3 { advance() }
            return .connection(.showSetting(Identifier("transaction_isolation", span: previousSpan)))
        }
        return .connection(.showSetting(try parseSettingName()))
    }
}

extension StatementParser {
    /// Behind SAVEPOINT, RELEASE and ROLLBACK TO: a name, before which the latter two may have SAVEPOINT.
    @inline(never)
    private mutating func parseSavepoint(_ action: SavepointAction) throws(SQLError) -> ConnectionStatement {
        if action != .set, atWord("SAVEPOINT"), peek(1).kind != .end { advance() }
        return .savepoint(action, try parseIdentifier("the name of a savepoint"))
    }
}
