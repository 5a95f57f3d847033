// Parser+Statement: which statement it is, and the short ones: INSERT, DROP, SHOW, DESCRIBE, EXPLAIN, SET, RESET.

extension StatementParser {
    @inline(never)
    mutating func parseWholeStatement() throws(SQLError) -> Statement {
        let statement = try parseStatement()
        try expectEnd()
        return statement
    }

    @inline(never)
    mutating func parseStatement() throws(SQLError) -> Statement {
        try enter()
        let start = current.span
        // EXPLAIN nests, and has no need of the large frame of all the others.
        let kind = at(.explain) ? try parseExplain() : try parseStatementKind()
        leave()
        return Statement(kind, span: span(from: start))
    }

    @inline(never)
    private mutating func parseStatementKind() throws(SQLError) -> Statement.Kind {
        if at(.leftParenthesis) || at(.select) || at(.with) || at(.values) { return .query(try parseQuery()) }
        if let connection = try parseConnection() { return connection }
        note(.select)
        if accept(.insert) { return .insert(try parseInsert()) }
        if accept(.create) { return try parseCreate() }
        if accept(.drop) { return try parseDrop() }
        if atWord("ALTER"), isNext(.query) || isNext(.pump) { return try parseAlter() }
        if atWord("ALTER"), isNext(.stream) || isNext(.table) { return try parseAlterStream() }
        if at(.show), let other = try parseOtherShow() { return other }
        if accept(.show) { return try parseShow() }
        if let notification = try parseNotification() { return notification }
        if atWord("PAUSE") || atWord("RESUME") { return try parsePause() }
        if at(.test), isNext(.alert) { return try parseTestAlert() }
        if (at(.describe) || at(.desc)) && isNext(.alert), isNextName(2) { return try parseDescribeAlert() }
        if (at(.describe) || at(.desc)) && (isNext(.query) || isNext(.pump)), isNextName(2) { return try parseDescribeQuery() }
        if accept(.describe) || accept(.desc) { return .describe(try parseQualifiedName("a stream, table, view or query name")) }
        if accept(.explain) { return try parseExplain() }
        if accept(.set) { return try parseSet() }
        if at(.table), peek(1).kind == .word || peek(1).kind == .quotedWord { return try parseTableStatement() }
        if accept(.reset) { return try parseReset() }
        if let refusal = refusedStatement() { throw refusal }
        note(.with, .values)
        note("another statement")
        throw unexpected(hint: at(.from) ? "SELECT comes before FROM" : nil)
    }

    @inline(never)
    private mutating func parseConnection() throws(SQLError) -> Statement.Kind? { try parseConnectionStatement().map { .connection($0) } }

    /// `TABLE name`, PostgreSQL's short form of `SELECT * FROM name`. Like its neighbours in a frame of its own: statements nest, and stacks are small.
    @inline(never)
    private mutating func parseTableStatement() throws(SQLError) -> Statement.Kind {
        advance()
        let name = try parseQualifiedName("a stream, table or view name")
        let star = SelectItem(expression: Expression(.star(qualifier: nil), span: name.span))
        let select = Select(items: [star], from: [TableExpression(.name(name, asOf: nil), span: name.span)], span: name.span)
        return .query(Query(body: .select(select), span: name.span))
    }

    @inline(never)
    private mutating func parseReset() throws(SQLError) -> Statement.Kind {
        if current.kind == .end { return .reset(Identifier("ALL", span: previousSpan)) }
        return .reset(accept(.all) ? Identifier("ALL", span: previousSpan) : try parseSettingName())
    }

    /// `PAUSE QUERY name`, `RESUME MATERIALIZED VIEW name`.
    @inline(never)
    private mutating func parsePause() throws(SQLError) -> Statement.Kind {
        let isPaused = atWord("PAUSE")
        advance()
        var kind = ObjectKind.query
        if acceptMaterializedView() {
            kind = .materializedView
        } else {
            note("MATERIALIZED VIEW")
            if accept(.alert) { return .alert(.pause(try parseAlertName(), isPaused: isPaused)) }
            guard accept(.query) || accept(.pump) else { throw unexpected(hint: "\(isPaused ? "PAUSE" : "RESUME") QUERY name") }
        }
        return .pause(kind, try parseQualifiedName("a query name"), isPaused: isPaused)
    }

    mutating func acceptMaterializedView() -> Bool {
        guard atWord("MATERIALIZED"), isNext(.view) else { return false }
        advance()
        advance()
        return true
    }

    @inline(never)
    private mutating func parseDescribeAlert() throws(SQLError) -> Statement.Kind {
        advance()
        advance()
        return .alert(.describe(try parseAlertName()))
    }

    @inline(never)
    private mutating func parseDescribeQuery() throws(SQLError) -> Statement.Kind {
        advance()
        advance()
        return .describeQuery(try parseQualifiedName("a query name"))
    }

    /// `ALTER QUERY name AS INSERT ..`.
    @inline(never)
    private mutating func parseAlter() throws(SQLError) -> Statement.Kind {
        advance()
        advance()
        return .alterQuery(try parseSavedQuery(try parseQualifiedName("a query name"), orReplace: false, ifNotExists: false))
    }

    /// `ALTER STREAM name SPLIT SHARD 0`, `ALTER STREAM name MERGE SHARDS 0, 1`.
    @inline(never)
    private mutating func parseAlterStream() throws(SQLError) -> Statement.Kind {
        let start = current.span
        advance()
        advance()
        let name = try parseQualifiedName("a stream name")
        if atWord("SPLIT") {
            advance()
            try expectWord("SHARD")
            let shard = try parseShardNumber("the number of a shard")
            guard atWord("AT") else { return .alterStream(AlterStream(name: name, change: .split(shard: shard, at: nil))) }
            advance()
            guard current.kind == .string else {
                note("a hash key such as '170141183460469231731687303715884105728'")
                throw unexpected()
            }
            let place = Expression(.literal(.string(current.text)), span: current.span)
            advance()
            return .alterStream(AlterStream(name: name, change: .split(shard: shard, at: place)))
        }
        if atWord("MERGE") {
            advance()
            try expect(.shards)
            let first = try parseShardNumber("the number of a shard")
            try expect(.comma)
            return .alterStream(AlterStream(name: name, change: .merge(first, try parseShardNumber("the number of the shard beside it"))))
        }
        throw Self.refusedAlter(at: start)
    }

    /// What other systems show under other names; nil for what `parseShow` knows.
    private mutating func parseOtherShow() throws(SQLError) -> Statement.Kind? {
        if atWord("COLUMNS", 1), peek(2).keyword == .from || peek(2).keyword == .in {
            advance()
            advance()
            advance()
            return .describe(try parseQualifiedName("a stream, table or view name"))
        }
        if atWord("JOBS", 1) {
            advance()
            advance()
            return .show(.queries)
        }
        for word in ["DATABASES", "CATALOGS", "SCHEMAS", "MODULES", "JARS", "PARTITIONS", "PROCEDURES", "MODELS"] where atWord(word, 1) {
            throw SQLError(
                "there are no \(word.lowercased()) here", at: peek(1).span,
                hint: "a data directory holds streams, tables, views, queries and functions: SHOW STREAMS", code: SQLError.featureNotSupported)
        }
        return nil
    }

    private static func refusedAlter(at span: SourceSpan) -> SQLError {
        SQLError(
            "ALTER is not supported", at: span,
            hint: "ALTER QUERY gives a saved query another definition, ALTER STREAM .. SPLIT SHARD, MERGE SHARDS changes shards; for the rest, DROP the object and CREATE it, or CREATE OR REPLACE it",
            code: SQLError.featureNotSupported)
    }

    /// Statements that people know from elsewhere and that there are not.
    private func refusedStatement() -> SQLError? {
        guard current.kind == .word else { return nil }
        let word = current.text.uppercased()
        let hint: String
        switch word {
        case "TRUNCATE": hint = "RETAIN bounds what a stream keeps; DROP STREAM and CREATE STREAM empty it"
        case "UPDATE", "DELETE", "MERGE", "UPSERT":
            hint = "rows of a stream are only appended; a stream WITH (changelog = 'upsert') and a PRIMARY KEY takes changes as rows"
        case "ALTER": return Self.refusedAlter(at: current.span)
        case "USE": hint = "there are no catalogs and databases: millrace --data DIR opens another data directory"
        case "ANALYZE", "VACUUM": hint = "there is nothing to be done by hand: EXPLAIN shows how a query runs"
        case "SAVEPOINT", "RELEASE", "ROLLBACK", "ABORT": hint = "every INSERT is a transaction of its own"
        case "GRANT", "REVOKE": hint = "there are no users and roles"
        case "CALL", "DO": hint = "statements are executed as they stand"
        case "LISTEN", "NOTIFY": hint = "SELECT STREAM goes on with what arrives"
        case "LOCK": hint = "there is nothing to lock: rows are only appended"
        case "ADD", "REMOVE", "LOAD", "UNLOAD": hint = "functions are written in SQL: CREATE FUNCTION"
        case "STOP": hint = "PAUSE QUERY stops a saved query until RESUME QUERY, DROP QUERY ends it"
        case "REFRESH": hint = "a materialized view is kept up to date by itself"
        default: return nil
        }
        return SQLError("\(word) is not supported", at: current.span, hint: hint, code: SQLError.featureNotSupported)
    }

    /// Behind INSERT.
    @inline(never)
    mutating func parseInsert() throws(SQLError) -> Insert {
        if atWord("OVERWRITE") {
            throw SQLError(
                "INSERT OVERWRITE is not supported", at: current.span, hint: "INSERT INTO appends; a file is begun anew by each run",
                code: SQLError.featureNotSupported)
        }
        try expect(.into)
        let target = try parseQualifiedName("a stream or table name")
        var columns: [Identifier] = []
        if at(.leftParenthesis), !startsQuery(at: index) { columns = try parseIdentifierList("a column name") }
        if !startsQuery() { note(.select, .values, .with) }
        guard startsQuery() || at(.leftParenthesis) else { throw unexpected() }
        let insert = Insert(target: target, columns: columns, query: try parseQuery())
        if at(.on), atWord("CONFLICT", 1) {
            throw SQLError(
                "ON CONFLICT is not supported", at: current.span,
                hint: "into a stream WITH (changelog = 'upsert') and a PRIMARY KEY a row replaces the one of its key", code: SQLError.featureNotSupported)
        }
        if atWord("RETURNING") {
            throw SQLError("RETURNING is not supported", at: current.span, hint: "read the stream", code: SQLError.featureNotSupported)
        }
        return insert
    }

    @inline(never)
    private mutating func parseDrop() throws(SQLError) -> Statement.Kind {
        if at(.alert) {
            advance()
            return try parseDropAlert()
        }
        let kind = try parseObjectKind()
        let ifExists = try acceptIfExists()
        var names: [QualifiedName] = []
        repeat {
            names.append(try parseQualifiedName("a \(kind.rawValue.lowercased()) name"))
            // PostgreSQL tells functions apart by their arguments; here a name is enough.
            if kind == .function, at(.leftParenthesis) { _ = try parseParameters() }
            try checkCount(names.count)
        } while accept(.comma)
        return .drop(kind, names: names, ifExists: ifExists)
    }

    @inline(never)
    private mutating func acceptIfExists() throws(SQLError) -> Bool {
        guard at(.if), isNext(.exists) else { return false }
        advance()
        advance()
        return true
    }

    @inline(never)
    mutating func parseObjectKind() throws(SQLError) -> ObjectKind {
        if accept(.stream) { return .stream }
        if accept(.table) { return .table }
        if acceptMaterializedView() { return .materializedView }
        if accept(.view) { return .view }
        if accept(.query) || accept(.pump) { return .query }
        // Taken by whoever asks; named here for errors.
        note(.alert)
        if accept(.function) { return .function }
        for kind in [ObjectKind.notifier, .inhibition] where atWord(kind.rawValue) {
            advance()
            return kind
        }
        throw unexpected()
    }

    @inline(never)
    private mutating func parseShow() throws(SQLError) -> Statement.Kind {
        if accept(.streams) { return .show(.streams) }
        if accept(.tables) { return .show(.tables) }
        if atWord("MATERIALIZED"), isNext(.views) {
            advance()
            advance()
            return .show(.materializedViews)
        }
        if accept(.views) { return .show(.views) }
        if accept(.queries) || accept(.pumps) { return .show(.queries) }
        if accept(.functions) { return .show(.functions) }
        if let kind = parseShowNotifications() { return .show(kind) }
        if accept(.all) { return .show(.all) }
        guard accept(.create) else {
            let error = unexpected()
            // A word that resembles one of these is not meant as the name of a setting.
            let isMisspelt = error.hint?.hasPrefix("did you mean") ?? false
            guard !isMisspelt, isName(current) || current.kind == .string else { throw error }
            return try parseShowSetting()
        }
        if accept(.all) { return .show(.definitions) }
        if at(.alert), isNextName(1) {
            advance()
            return .alert(.showCreate(try parseAlertName()))
        }
        // `SHOW CREATE STREAM bid`, and `SHOW CREATE stream` for a stream of that name.
        if isNextName(2), acceptMaterializedView() { return .show(.create(try parseQualifiedName("a materialized view's name"))) }
        if atWord(ObjectKind.notifier.rawValue) || atWord(ObjectKind.inhibition.rawValue), isNextName(1) { advance() }
        let isKind = at(.stream) || at(.table) || at(.view) || at(.query) || at(.pump) || at(.function)
        if isKind, peek(1).kind == .word || peek(1).kind == .quotedWord { advance() }
        return .show(.create(try parseQualifiedName("a stream, table, view or query name")))
    }

    private func isNextName(_ distance: Int) -> Bool { peek(distance).kind == .word || peek(distance).kind == .quotedWord }

    /// `ANALYZE name`, `ANALYZE QUERY name`, `ANALYZE SELECT ..`; PostgreSQL's `(ANALYZE)` too.
    @inline(never)
    private mutating func parseAnalyze() throws(SQLError) -> Statement.Kind {
        let inParentheses = accept(.leftParenthesis)
        advance()
        if inParentheses { try expect(.rightParenthesis) }
        if isName(current), !current.isStatementWord || peek(1).kind == .end || peek(1).symbol == .dot {
            return .explainAnalyze(.query(try parseQualifiedName("a query name")))
        }
        if at(.query) || at(.pump) {
            advance()
            return .explainAnalyze(.query(try parseQualifiedName("a query name")))
        }
        return .explainAnalyze(.statement(try parseStatement()))
    }

    @inline(never)
    private mutating func parseExplainWatermark() throws(SQLError) -> Statement.Kind {
        advance()
        if at(.query) || at(.pump), isNextName(1) { advance() }
        return .explainWatermark(try parseQualifiedName("a query name"))
    }

    @inline(never)
    private mutating func parseExplain() throws(SQLError) -> Statement.Kind {
        if at(.explain) { advance() }
        if atWord("ANALYZE") || (at(.leftParenthesis) && atWord("ANALYZE", 1)) { return try parseAnalyze() }
        if at(.watermark) { return try parseExplainWatermark() }
        var kind: ExplainKind?
        if accept(.logical) {
            kind = .logical
        } else if accept(.physical) {
            kind = .physical
        } else if accept(.plan, shown: "PLAN FOR") {
            try expect(.for)
        } else {
            // Flink's details: what there is of them is shown anyway.
            while ["ESTIMATED_COST", "CHANGELOG_MODE", "PLAN_ADVICE"].contains(where: { atWord($0) }) {
                advance()
                if at(.comma) { advance() }
            }
        }
        return .explain(kind, try parseStatement())
    }

    /// `name`, `a.b.c`, `"a b"`, `'a.b'`: one name, its parts joined by dots.
    @inline(never)
    mutating func parseSettingName() throws(SQLError) -> Identifier {
        if current.kind == .string {
            let token = current
            guard !token.text.isEmpty else { throw SQLError("a setting's name cannot be empty", at: token.span) }
            advance()
            return Identifier(token.text, isQuoted: true, span: token.span)
        }
        let name = try parseQualifiedName("a setting name")
        return Identifier(
            name.parts.map(\.name).joined(separator: "."), isQuoted: name.parts.count > 1 || name.last.isQuoted, span: name.span)
    }

    @inline(never)
    private mutating func parseSet() throws(SQLError) -> Statement.Kind {
        // Without transactions that could end, SESSION and LOCAL are the same.
        if atWord("SESSION") || at(.local), [.word, .quotedWord, .string].contains(peek(1).kind), !isNext(.to) { advance() }
        if let setting = try parseSettingOfStandard() { return setting }
        let name = try parseSettingName()
        if !accept(.equal), !accept(.to) { throw unexpected() }
        if let setting = parseSettingList(name) { return setting }
        return .set(name, try parseSettingValue())
    }

    /// A word alone is a text: `SET sync = always`, `SET optimizer = on`; but for those that are expressions by themselves.
    mutating func parseSettingValue() throws(SQLError) -> Expression {
        guard current.kind == .word, peek(1).kind == .end else { return try parseExpression() }
        switch current.keyword {
        case .true, .false, .null, .currentDate, .currentTime, .currentTimestamp, .localtime, .localtimestamp: return try parseExpression()
        default:
            let word = takeIdentifier()
            return Expression(.literal(.string(word.name)), span: word.span)
        }
    }
}

extension Token {
    /// Whether a statement that EXPLAIN takes can begin so.
    fileprivate var isStatementWord: Bool {
        switch keyword {
        case .select, .with, .values, .insert, .create, .table, .query, .pump: true
        default: false
        }
    }
}
