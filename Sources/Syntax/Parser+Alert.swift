// Parser+Alert: CREATE ALERT with its clauses, TEST ALERT, and the short statements about alerts.
//
// The clauses stand behind a whole query, where a bare word would be an alias of the query's last table or column. So while an alert's query is
// read, `KEY (`, `RESOLVE WHEN` and `KEEP FIRING` are no aliases (`atAlertClause`).

extension StatementParser {
    /// Behind ALERT of CREATE.
    @inline(never)
    mutating func parseCreateAlert(orReplace: Bool) throws(SQLError) -> Statement.Kind {
        var ifNotExists = false
        if at(.if), isNext(.not) {
            advance()
            advance()
            try expect(.exists)
            ifNotExists = true
        }
        let name = try parseQualifiedName("an alert name")
        passComment()
        try expect(.as)
        var alert = try parseRule(name)
        alert.orReplace = orReplace
        alert.ifNotExists = ifNotExists
        return .alert(.create(alert))
    }

    /// Behind AS: the query and the clauses.
    @inline(never)
    private mutating func parseRule(_ name: QualifiedName) throws(SQLError) -> CreateAlert {
        if at(.insert) {
            throw SQLError(
                "an alert is a query without INSERT", at: current.span, hint: "its transitions go to the stream alerts: CREATE ALERT .. AS SELECT ..")
        }
        try expectQuery()
        isInAlert = true
        let query = try parseQuery()
        isInAlert = false
        var alert = CreateAlert(name: name, query: query)
        while try parseAlertClause(into: &alert) {}
        return alert
    }

    /// KEY, RESOLVE and KEEP begin a clause of the alert whose query is being read.
    var atAlertClause: Bool {
        guard isInAlert else { return false }
        return (at(.key) && isNext(.leftParenthesis)) || (at(.resolve) && isNext(.when)) || (at(.keep) && isNext(.firing))
    }

    /// False when none stands here.
    @inline(never)
    private mutating func parseAlertClause(into alert: inout CreateAlert) throws(SQLError) -> Bool {
        let clause = current.span
        func once(_ isGiven: Bool, _ shown: String) throws(SQLError) {
            if isGiven { throw SQLError("\(shown) is given twice", at: clause) }
        }
        if accept(.for, shown: "FOR INTERVAL") {
            try once(alert.hold != nil, "FOR")
            alert.hold = try parseAlertInterval()
        } else if accept(.resolve, shown: "RESOLVE WHEN") {
            try once(alert.resolve != nil, "RESOLVE WHEN")
            try expect(.when)
            alert.resolve = try parseExpression()
        } else if accept(.key) {
            try once(alert.key != nil, "KEY")
            alert.key = try parseAlertKey()
        } else if accept(.keep, shown: "KEEP FIRING FOR") {
            try once(alert.keepFiring != nil, "KEEP FIRING FOR")
            try expect(.firing)
            try expect(.for)
            alert.keepFiring = try parseAlertInterval()
        } else if accept(.when, shown: "WHEN n OF m EVALUATIONS") {
            try once(alert.quorum != nil, "WHEN .. EVALUATIONS")
            let needed = try parseShardNumber("a number of evaluations")
            try expect(.of)
            alert.quorum = CreateAlert.Quorum(needed: needed, of: try parseShardNumber("a number of evaluations"))
            try expect(.evaluations)
        } else if accept(.on, shown: "ON NO DATA") {
            try once(alert.noData != nil, "ON NO DATA")
            alert.noData = try parseNoData()
        } else if accept(.with) {
            try once(!alert.options.isEmpty, "WITH")
            alert.options = try parseOptions()
        } else {
            return false
        }
        return true
    }

    /// `()` for one instance of the whole query.
    private mutating func parseAlertKey() throws(SQLError) -> [Identifier] {
        if at(.leftParenthesis), isNext(.rightParenthesis) {
            advance()
            advance()
            return []
        }
        return try parseIdentifierList("a column name")
    }

    @inline(never)
    private mutating func parseNoData() throws(SQLError) -> CreateAlert.NoData {
        try expect(.no)
        try expect(.data)
        try expect(.for)
        let interval = try parseAlertInterval()
        if accept(.fire) { return CreateAlert.NoData(interval: interval, action: .fire) }
        if accept(.resolve) { return CreateAlert.NoData(interval: interval, action: .resolve) }
        if accept(.keep) { return CreateAlert.NoData(interval: interval, action: .keep) }
        throw unexpected()
    }

    @inline(never)
    private mutating func parseAlertInterval() throws(SQLError) -> Expression {
        guard at(.interval), startsInterval() else {
            note("an interval such as INTERVAL '5' MINUTE", .interval)
            throw unexpected(hint: current.kind == .string ? "INTERVAL '\(current.text)'" : nil)
        }
        return try parsePrimary()
    }

    // MARK: The other statements

    /// At TEST.
    @inline(never)
    mutating func parseTestAlert() throws(SQLError) -> Statement.Kind {
        advance()
        try expect(.alert)
        let subject: TestAlert.Subject
        if accept(.as) {
            subject = .rule(try parseRule(QualifiedName([Identifier("", span: previousSpan)], span: previousSpan)))
        } else {
            subject = .name(try parseQualifiedName("an alert name"))
        }
        let from = accept(.from) ? try parseExpression() : nil
        let to = accept(.to) ? try parseExpression() : nil
        return .alert(.test(TestAlert(subject: subject, from: from, to: to)))
    }

    /// Behind ALERT of DROP.
    @inline(never)
    mutating func parseDropAlert() throws(SQLError) -> Statement.Kind {
        var ifExists = false
        if at(.if), isNext(.exists) {
            advance()
            advance()
            ifExists = true
        }
        var names: [QualifiedName] = []
        repeat {
            names.append(try parseQualifiedName("an alert name"))
            try checkCount(names.count)
        } while accept(.comma)
        return .alert(.drop(names: names, ifExists: ifExists))
    }

    /// Behind DESCRIBE ALERT or SHOW CREATE ALERT.
    @inline(never)
    mutating func parseAlertName() throws(SQLError) -> QualifiedName { try parseQualifiedName("an alert name") }
}
