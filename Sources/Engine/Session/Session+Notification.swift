// Notifiers, silences, inhibitions and acknowledgements; and what SHOW says about alerts.

import Columns
import Planning
import Syntax

extension Session {
    func perform(_ statement: NotificationStatement) throws -> StatementResult {
        switch statement {
        case .createNotifier(let create): return try createNotifier(create)
        case .createInhibition(let create): return try createInhibition(create)
        case .silence(let selector, let duration, let comment): return try silence(selector, duration, comment: comment)
        case .unsilence(let ids, let span): return try unsilence(ids, at: span)
        case .acknowledge(let selector, let instance, let comment): return try acknowledge(selector, instance: instance, comment: comment)
        }
    }

    // MARK: Definitions

    private func createNotifier(_ create: CreateNotifier) throws -> StatementResult {
        if let option = create.options.first(where: { $0.key.hasPrefix("$") }) {
            throw SQLError("there is no option '\(option.key)'", at: option.keySpan, code: SQLError.invalidParameter)
        }
        let definition = try NotifierDefinition(create)
        if definition.kind == .command, !engine.options.allowsCommands {
            throw SQLError(
                "commands are not allowed here", at: create.name.span, hint: "start the program with --allow-commands; whoever may execute SQL may then run any command",
                code: "42501")
        }
        if definition.kind == .stream {
            let option = create.options.first { $0.key.lowercased() == "stream" }
            guard let object = engine.object(named: definition.stream), engine.stream(of: object) != nil else {
                throw SQLError(
                    "stream \"\(definition.stream)\" does not exist", at: option?.valueSpan ?? create.name.span,
                    hint: NearestName.find(definition.stream, among: engine.relationNames).map { "did you mean \"\($0)\"?" }, code: SQLError.undefinedTable)
            }
            if Engine.alertStreamNames.contains(object.name) {
                throw SQLError("\"\(object.name)\" is written by the program itself", at: option?.valueSpan ?? create.name.span, code: SQLError.invalidParameter)
            }
        }
        var kept = create
        (kept.orReplace, kept.ifNotExists) = (false, false)
        if let existing = engine.notificationObject(named: create.name.last.name, kind: .notifier) {
            if create.ifNotExists { return .done(tag: "CREATE NOTIFIER") }
            guard create.orReplace else { throw alreadyExists(existing, at: create.name.span) }
            // It goes on where it was: what waits is told in the new way.
            if case .notifier(let before) = existing.definition { kept.options += before.options.filter { $0.key == Engine.startOption } }
            try engine.replaceInCatalog(existing, sql: Session.sql(.createNotifier(kept)), definition: .notifier(kept))
            return .done(tag: "CREATE NOTIFIER")
        }
        let start = engine.alertEndPositions().map(String.init).joined(separator: ",")
        kept.options.append(Option(key: Engine.startOption, value: start, keySpan: .none, valueSpan: .none))
        try engine.addToCatalog(name: definition.name, sql: Session.sql(.createNotifier(kept)), definition: .notifier(kept))
        return .done(tag: "CREATE NOTIFIER")
    }

    private func createInhibition(_ create: CreateInhibition) throws -> StatementResult {
        var kept = create
        (kept.orReplace, kept.ifNotExists) = (false, false)
        if let existing = engine.notificationObject(named: create.name.last.name, kind: .inhibition) {
            if create.ifNotExists { return .done(tag: "CREATE INHIBITION") }
            guard create.orReplace else { throw alreadyExists(existing, at: create.name.span) }
            try engine.replaceInCatalog(existing, sql: Session.sql(.createInhibition(kept)), definition: .inhibition(kept))
        } else {
            try engine.addToCatalog(name: create.name.last.name, sql: Session.sql(.createInhibition(kept)), definition: .inhibition(kept))
        }
        return .done(tag: "CREATE INHIBITION")
    }

    private func alreadyExists(_ object: CatalogObject, at span: SourceSpan) -> SQLError {
        SQLError(
            "\(object.kindName.lowercased()) \"\(object.name)\" already exists", at: span, hint: "use IF NOT EXISTS, OR REPLACE, or DROP it first",
            code: SQLError.duplicateObject)
    }

    private static func sql(_ statement: NotificationStatement) -> String { Printer.print(Statement(.notification(statement), span: .none)) }

    func dropNotifications(_ kind: ObjectKind, _ names: [QualifiedName], ifExists: Bool) throws -> StatementResult {
        for name in names {
            guard let object = engine.notificationObject(named: name.last.name, kind: kind) else {
                if ifExists {
                    note("\(kind.rawValue.lowercased()) \"\(name.last.name)\" does not exist")
                    continue
                }
                let known = engine.catalogObjects().filter { $0.notificationKind == kind }.map(\.name)
                throw unknown(kind.rawValue.lowercased(), name, among: known)
            }
            try engine.removeFromCatalog(object)
        }
        return .done(tag: "DROP \(kind.rawValue)")
    }

    // MARK: Actions

    static let silenceSchema = Schema([
        .init(name: "id", type: .bigint), .init(name: "until", type: .timestamp(precision: 3)), .init(name: "alerts", type: .bigint),
    ])

    private func silence(_ selector: AlertSelector, _ duration: Expression, comment: String?) throws -> StatementResult {
        guard case .literal(let literal) = duration.kind,
            let microseconds = ExpressionTyping.constantMicroseconds(try ExpressionTyping.literal(literal, span: duration.span)), microseconds > 0,
            microseconds <= 3_650 * 86_400_000_000
        else {
            throw SQLError(
                "a silence needs a positive interval of fixed length, ten years at most", at: duration.span, hint: "FOR INTERVAL '2' HOUR",
                code: SQLError.invalidParameter)
        }
        return try engine.alertFold.write {
            let board = try engine.alertBoard()
            let now = engine.nowMicroseconds
            var action = AlertAction(.silence)
            action.atMicroseconds = now
            action.id = board.nextSilenceID
            action.selector = Printer.selector(selector)
            action.untilMicroseconds = now &+ microseconds
            action.comment = comment ?? ""
            action.author = identity.user
            let selected = board.sorted.count { ($0.state == .firing || $0.state == .pending) && selector.selects($0.transition) }
            noteUnknown(selector, board)
            try engine.record([action])
            return .rows(Cursor(schema: Session.silenceSchema, rows: [[.integer(action.id), .integer(action.untilMicroseconds), .number(selected)]]))
        }
    }

    /// A silence may come before its alert, so a name that nothing has is only worth a word.
    private func noteUnknown(_ selector: AlertSelector, _ board: AlertBoard) {
        guard let name = selector.alert?.last.name else { return }
        let lower = name.lowercased()
        let known = Set(board.instances.keys.map(\.alert)).union(engine.queryNames)
        guard !known.contains(where: { $0.lowercased() == lower }) else { return }
        let near = NearestName.find(name, among: known.sorted()).map { "; did you mean \"\($0)\"?" } ?? ""
        note("no alert \"\(name)\" has fired or waited so far\(near)")
    }

    private func unsilence(_ ids: [String], at span: SourceSpan) throws -> StatementResult {
        try engine.alertFold.write {
            let board = try engine.alertBoard()
            let now = engine.nowMicroseconds
            let actions = try ids.map { text in
                guard let id = Int64(text), let silence = board.silences.first(where: { $0.id == id }) else {
                    throw SQLError("there is no silence \(text.prefix(40))", at: span, hint: "SHOW SILENCES lists them", code: SQLError.undefinedObject)
                }
                if silence.state(at: now) == .ended { note("silence \(id) has ended already") }
                var action = AlertAction(.unsilence)
                action.atMicroseconds = now
                action.id = id
                action.author = identity.user
                return action
            }
            try engine.record(actions)
            return .done(tag: "UNSILENCE")
        }
    }

    private func acknowledge(_ selector: AlertSelector, instance: String?, comment: String?) throws -> StatementResult {
        try engine.alertFold.write {
            let board = try engine.alertBoard()
            let selected = board.sorted.compactMap { entry -> AlertAction? in
                guard let fired = entry.fired, selector.selects(fired), instance == nil || instance == fired.fingerprint else { return nil }
                var action = AlertAction(.acknowledge)
                action.atMicroseconds = engine.nowMicroseconds
                action.alert = fired.alert
                action.fingerprint = fired.fingerprint
                action.transition = fired.number
                action.comment = comment ?? ""
                action.author = identity.user
                return action
            }
            guard !selected.isEmpty else {
                throw SQLError(
                    "nothing that fires is meant by \(Printer.selector(selector))\(instance.map { " INSTANCE '\($0)'" } ?? "")",
                    at: selector.alert?.span ?? selector.matchers.first?.label.span ?? .none, hint: "SHOW ALERTS shows what fires", code: SQLError.undefinedObject)
            }
            try engine.record(selected)
            return .done(tag: "ACKNOWLEDGE \(selected.count)")
        }
    }

    // MARK: SHOW

    func alerts() throws -> Cursor {
        let names = ["alert", "state", "since", "severity", "keys", "values", "silenced_by", "acknowledged_by", "annotations", "instance"]
        return Session.table(names, of: try engine.readActiveAlerts(), relation: "active_alerts")
    }

    func silences() throws -> Cursor {
        Session.table(["id", "state", "selector", "since", "until", "comment", "author", "fault"], of: try engine.readSilences(), relation: "silences")
    }

    func notifiers() -> Cursor {
        let names = ["name", "type", "target", "state", "delivered", "failed", "dead_letters", "suppressed", "waiting", "behind", "last_error"]
        return Session.table(names, of: engine.notifierRows(), relation: "notifiers")
    }

    func inhibitions() -> Cursor { Session.table(["name", "target", "source", "equal"], of: engine.inhibitionRows(), relation: "inhibitions") }

    private static func table(_ names: [String], of rows: [[String: Value]], relation: String) -> Cursor {
        let columns = SystemRelation.find(schema: "millrace", named: relation)?.columns ?? []
        let fields = names.map { name in
            let type = columns.first { $0.name == name }?.type.shown.sql ?? .text
            return SQLType.Field(name: name, type: type == .timestamp(precision: 6) ? .timestamp(precision: 3) : type.isText ? .text : type)
        }
        return Cursor(schema: Schema(fields), rows: rows.map { row in names.map { row[$0] ?? .null } })
    }
}

extension SQLType {
    fileprivate var isText: Bool { if case .varchar = self { true } else { false } }
}

extension Engine {
    /// How long what has been resolved is still shown.
    private static let resolvedShownMicroseconds: Int64 = 15 * 60_000_000

    func activeAlertRows() -> [[String: Value]] { (try? readActiveAlerts()) ?? [] }
    func silenceRows() -> [[String: Value]] { (try? readSilences()) ?? [] }

    fileprivate func readActiveAlerts() throws -> [[String: Value]] {
        let board = try alertBoard()
        let now = nowMicroseconds
        func json(_ entries: [AlertTransition.Entry]) -> Value {
            var body = JSONBody()
            body.object(entries)
            return .string(body.text)
        }
        return board.sorted.compactMap { entry in
            let transition = entry.transition
            // By either clock: times of records may be of another age.
            let last = max(transition.processedMicroseconds, transition.eventMicroseconds)
            if entry.state == .resolved, now &- last > Engine.resolvedShownMicroseconds { return nil }
            var quiet = board.silences(of: transition, at: now).map { String($0.id) }
            if entry.state == .firing, case .inhibited(let name)? = board.suppression(of: transition, at: now) { quiet.append("inhibition \(name)") }
            let author = board.acknowledgement(of: entry).map { $0.comment.isEmpty ? $0.author : "\($0.author): \($0.comment)" }
            return [
                "alert": .string(transition.alert), "instance": .string(transition.fingerprint), "state": .string(entry.state.rawValue),
                "since": .integer(transition.eventMicroseconds), "severity": transition.severity.isEmpty ? .null : .string(transition.severity),
                "keys": json(transition.keys), "labels": json(transition.labels), "annotations": json(transition.annotations),
                "values": json(transition.values), "silenced_by": quiet.isEmpty ? .null : .string(quiet.joined(separator: ", ")),
                "acknowledged_by": .text(author), "transition": .integer(transition.number), "key": .string(transition.key),
            ]
        }
    }

    fileprivate func readSilences() throws -> [[String: Value]] {
        let board = try alertBoard()
        let now = nowMicroseconds
        return board.silences.reversed().map { silence in
            [
                "id": .integer(silence.id), "state": .string(silence.state(at: now).rawValue), "selector": .string(silence.shownSelector),
                "since": .integer(silence.fromMicroseconds), "until": silence.untilMicroseconds == 0 ? .null : .integer(silence.untilMicroseconds),
                "comment": silence.comment.isEmpty ? .null : .string(silence.comment), "author": silence.author.isEmpty ? .null : .string(silence.author),
                "fault": .text(silence.fault),
            ]
        }
    }

    func notifierRows() -> [[String: Value]] {
        notifierEntries().map { entry in
            let figures = notifierBoard.figures(of: entry.id)
            func option(_ name: String) -> String? { entry.create.options.first { $0.key.lowercased() == name }?.value }
            return [
                "name": .string(entry.name), "type": .text(option("type")), "target": .text(option("url") ?? option("stream") ?? option("command")),
                "state": .string(figures.state.rawValue), "delivered": .integer(figures.deliveredCount), "failed": .integer(figures.failedCount),
                "dead_letters": .integer(figures.deadCount), "suppressed": .integer(figures.suppressedCount), "waiting": .integer(figures.waitingCount),
                "behind": .integer(figures.behindCount), "last_error": .text(figures.lastError),
                "last_delivery": figures.lastDeliveryMicroseconds.map { .integer($0) } ?? .null,
            ]
        }
    }

    func inhibitionRows() -> [[String: Value]] {
        inhibitions().map { rule in
            [
                "name": .string(rule.name), "target": .string(Printer.selector(rule.target)), "source": .string(Printer.selector(rule.source)),
                "equal": .string(rule.equal.joined(separator: ", ")),
            ]
        }
    }
}
