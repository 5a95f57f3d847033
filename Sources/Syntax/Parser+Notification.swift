// Parser+Notification: CREATE NOTIFIER and INHIBITION, SILENCE, UNSILENCE, ACKNOWLEDGE. None of their words is reserved.

extension StatementParser {
    /// SILENCE, UNSILENCE, ACKNOWLEDGE; nil for anything else.
    @inline(never)
    mutating func parseNotification() throws(SQLError) -> Statement.Kind? {
        guard current.kind == .word else { return nil }
        switch current.text.uppercased() {
        case "SILENCE": return .notification(try parseSilence())
        case "UNSILENCE": return .notification(try parseUnsilence())
        case "ACKNOWLEDGE": return .notification(try parseAcknowledge())
        default: return nil
        }
    }

    @inline(never)
    private mutating func parseSilence() throws(SQLError) -> NotificationStatement {
        advance()
        let selector = try parseAlertSelector()
        guard accept(.for) else {
            throw unexpected(hint: "a silence ends by itself: FOR INTERVAL '2' HOUR")
        }
        guard at(.interval), startsInterval() else {
            note("an interval", .interval)
            throw unexpected(hint: "FOR INTERVAL '2' HOUR")
        }
        return .silence(selector, duration: try parsePrimary(), comment: try parseCommentText())
    }

    @inline(never)
    private mutating func parseUnsilence() throws(SQLError) -> NotificationStatement {
        let start = current.span
        advance()
        var ids: [String] = []
        repeat {
            guard current.kind == .integer else {
                note("the number of a silence")
                throw unexpected(hint: "SHOW SILENCES lists them")
            }
            ids.append(current.text)
            advance()
            try checkCount(ids.count)
        } while accept(.comma)
        return .unsilence(ids, span: span(from: start))
    }

    @inline(never)
    private mutating func parseAcknowledge() throws(SQLError) -> NotificationStatement {
        advance()
        let selector = try parseAlertSelector()
        var instance: String?
        if atWord("INSTANCE") || current.kind == .string {
            if atWord("INSTANCE") { advance() }
            guard current.kind == .string else {
                note("the fingerprint of an instance, as a string")
                throw unexpected(hint: "SHOW ALERTS shows it in the column instance")
            }
            instance = current.text
            advance()
        }
        return .acknowledge(selector, instance: instance, comment: try parseCommentText())
    }

    /// `[COMMENT 'text']`.
    @inline(never)
    private mutating func parseCommentText() throws(SQLError) -> String? {
        guard atWord("COMMENT") else {
            note("COMMENT")
            return nil
        }
        advance()
        guard current.kind == .string else {
            note("a string")
            throw unexpected()
        }
        let text = current.text
        advance()
        return text
    }

    /// `[ALERT] name [WHERE ..]` or `WHERE ..`.
    @inline(never)
    mutating func parseAlertSelector() throws(SQLError) -> AlertSelector {
        var selector = AlertSelector(alert: nil, matchers: [])
        if !at(.where) {
            if atWord("ALERT"), isName(peek(1)), !isSelectorEnd(1) { advance() }
            note(.where)
            selector.alert = try parseQualifiedName("an alert name")
        }
        guard accept(.where) else { return selector }
        repeat {
            selector.matchers.append(try parseLabelMatcher())
            try checkCount(selector.matchers.count, max: 100, what: "conditions on labels")
        } while accept(.and)
        if at(.or) {
            throw SQLError(
                "conditions on labels are joined by AND only", at: current.span, hint: "IN takes several values; one statement each does the rest",
                code: SQLError.featureNotSupported)
        }
        return selector
    }

    /// Whether what follows a selector begins there, and not the name of an alert.
    private func isSelectorEnd(_ distance: Int) -> Bool {
        let token = peek(distance)
        guard token.kind == .word else { return false }
        switch token.text.uppercased() {
        case "INSTANCE", "COMMENT": return peek(distance + 1).kind == .string
        case "EQUAL": return peek(distance + 1).symbol == .leftParenthesis
        case "BY": return peek(distance + 1).keyword != .by
        default: return false
        }
    }

    @inline(never)
    private mutating func parseLabelMatcher() throws(SQLError) -> LabelMatcher {
        let label = try parseIdentifier("a label name")
        if accept(.equal) { return LabelMatcher(label: label, comparison: .equal, values: [try parseLabelValue()]) }
        if accept(.notEqual) { return LabelMatcher(label: label, comparison: .unequal, values: [try parseLabelValue()]) }
        let isNegated = accept(.not)
        if accept(.like) { return LabelMatcher(label: label, comparison: isNegated ? .unlike : .like, values: [try parseLabelValue()]) }
        guard accept(.in) else { throw unexpected() }
        try expect(.leftParenthesis)
        var values: [String] = []
        repeat {
            values.append(try parseLabelValue())
            try checkCount(values.count, max: 1_000, what: "values of a label")
        } while accept(.comma)
        try expect(.rightParenthesis)
        return LabelMatcher(label: label, comparison: isNegated ? .notAmong : .among, values: values)
    }

    @inline(never)
    private mutating func parseLabelValue() throws(SQLError) -> String {
        guard current.kind == .string else {
            note("a string")
            throw unexpected(hint: "the values of labels are texts")
        }
        let text = current.text
        advance()
        return text
    }

    /// Behind SHOW.
    @inline(never)
    mutating func parseShowNotifications() -> ShowKind? {
        guard current.kind == .word, peek(1).kind == .end else { return nil }
        let kind: ShowKind
        switch current.text.uppercased() {
        case "ALERTS": kind = .alerts
        case "NOTIFIERS": kind = .notifiers
        case "SILENCES": kind = .silences
        case "INHIBITIONS": kind = .inhibitions
        default: return nil
        }
        advance()
        return kind
    }

    /// Behind `CREATE NOTIFIER name`.
    @inline(never)
    mutating func parseNotifier(_ name: QualifiedName, orReplace: Bool, ifNotExists: Bool) throws(SQLError) -> Statement.Kind {
        guard accept(.with) else { throw unexpected(hint: "WITH (type = 'webhook', url = 'http://127.0.0.1:8080/alerts')") }
        return .notification(
            .createNotifier(CreateNotifier(name: name, orReplace: orReplace, ifNotExists: ifNotExists, options: try parseOptions())))
    }

    /// Behind `CREATE INHIBITION name`.
    @inline(never)
    mutating func parseInhibition(_ name: QualifiedName, orReplace: Bool, ifNotExists: Bool) throws(SQLError) -> Statement.Kind {
        let hint = "CREATE INHIBITION \(name.last.name) OF disk_slow BY host_down EQUAL (host)"
        guard accept(.of) else { throw unexpected(hint: hint) }
        let target = try parseAlertSelector()
        guard accept(.by) else { throw unexpected(hint: hint) }
        let source = try parseAlertSelector()
        var equal: [Identifier] = []
        if atWord("EQUAL") {
            advance()
            equal = try parseIdentifierList("a label name")
        } else {
            note("EQUAL")
        }
        return .notification(
            .createInhibition(
                CreateInhibition(name: name, orReplace: orReplace, ifNotExists: ifNotExists, target: target, source: source, equal: equal)))
    }
}
