// AlertAPI: `/v1/alerts`, `/v1/silences`, `/v1/silences/{name}`, `/v1/acknowledgements`: what fires, and what people do about it.
//
// What changes something is executed as the statement that does it (SILENCE, UNSILENCE, ACKNOWLEDGE), made as a tree and not as text, so that limits, errors and
// history are those of SQL. HTTPAdmission has refused requests of foreign pages before.

import Columns
import Engine
import Syntax

enum AlertAPI {
    private static let bodyByteCountMax = 64 << 10

    @Sendable static func alerts(_ context: HTTPContext) throws {
        try context.checkParameters([])
        let board = try context.engine.alertBoard()
        let now = context.engine.nowMicroseconds
        context.respond {
            $0.member("at", StatusDocument.instant(now))
            $0.member("at_us", now)
            $0.array("alerts") {
                for instance in board.sorted.prefix(10_000) { $0.object { append(instance, board, now, to: &$0) } }
            }
            $0.array("silences") { for silence in board.silences where silence.state(at: now) != .ended { $0.object { append(silence, now, to: &$0) } } }
            $0.array("notifiers") { for entry in context.engine.notifierEntries() { $0.object { append(entry, context.engine, to: &$0) } } }
        }
    }

    private static func append(_ instance: AlertBoard.Instance, _ board: AlertBoard, _ now: Int64, to json: inout JSONWriter) {
        let transition = instance.transition
        json.member("alert", transition.alert)
        json.member("instance", transition.fingerprint)
        json.member("state", instance.state.rawValue)
        json.member("since", StatusDocument.instant(transition.eventMicroseconds))
        json.member("severity", transition.severity)
        for (name, entries) in [
            ("keys", transition.keys), ("labels", transition.labels), ("annotations", transition.annotations), ("values", transition.values),
        ] {
            json.object(name) {
                var seen: Set<String> = []
                for entry in entries where seen.insert(entry.name).inserted { $0.member(entry.name, entry.value) }
            }
        }
        json.member("reason", transition.reason)
        json.member("key", transition.key)
        json.array("silenced_by") { for silence in board.silences(of: transition, at: now) { $0.value(silence.id) } }
        var inhibition: String?
        if instance.state == .firing, case .inhibited(let name)? = board.suppression(of: transition, at: now) { inhibition = name }
        json.member("inhibited_by", inhibition)
        let action = board.acknowledgement(of: instance)
        json.member("acknowledged_by", action?.author)
        json.member("acknowledgement", action?.comment)
    }

    private static func append(_ silence: AlertBoard.Silence, _ now: Int64, to json: inout JSONWriter) {
        json.member("id", silence.id)
        json.member("state", silence.state(at: now).rawValue)
        json.member("selector", silence.shownSelector)
        json.member("since", StatusDocument.instant(silence.fromMicroseconds))
        json.member("until", silence.untilMicroseconds == 0 ? nil : StatusDocument.instant(silence.untilMicroseconds))
        json.member("comment", silence.comment)
        json.member("author", silence.author)
        json.member("fault", silence.fault)
    }

    private static func append(_ entry: Engine.NotifierEntry, _ engine: Engine, to json: inout JSONWriter) {
        let figures = engine.notifierBoard.figures(of: entry.id)
        json.member("name", entry.name)
        json.member("type", entry.create.options.first { $0.key.lowercased() == "type" }?.value)
        json.member("state", figures.state.rawValue)
        json.member("delivered", figures.deliveredCount)
        json.member("failed", figures.failedCount)
        json.member("dead_letters", figures.deadCount)
        json.member("suppressed", figures.suppressedCount)
        json.member("waiting", figures.waitingCount)
        json.member("behind", figures.behindCount)
        json.member("last_error", figures.lastError)
    }

    @Sendable static func silences(_ context: HTTPContext) throws {
        try context.checkParameters([])
        let board = try context.engine.alertBoard()
        let now = context.engine.nowMicroseconds
        context.respond { $0.array("silences") { for silence in board.silences.reversed() { $0.object { append(silence, now, to: &$0) } } } }
    }

    /// `{"alert": "high_load", "labels": {"host": "web-1"}, "seconds": 7200, "comment": ".."}`.
    @Sendable static func silence(_ context: HTTPContext) throws {
        try context.checkParameters([])
        let body = try document(context, members: ["alert", "labels", "seconds", "comment"])
        guard case .number(let text)? = body["seconds"], let seconds = Int64(text), seconds > 0 else {
            throw APIError(400, SQLError.invalidParameter, "the member \"seconds\" is not a whole number above 0", hint: "a silence ends by itself")
        }
        let duration = Expression(.literal(.interval(text: String(seconds), from: .second, to: nil)), span: .none)
        let statement = NotificationStatement.silence(try selector(body), duration: duration, comment: try self.text(body, "comment"))
        guard case .rows(let cursor) = try execute(statement, context), case .rows(let batch) = try cursor.next(timeoutMilliseconds: 10_000), batch.count == 1,
            case .integer(let id) = batch.columns[0].value(at: 0), case .integer(let until) = batch.columns[1].value(at: 0),
            case .integer(let count) = batch.columns[2].value(at: 0)
        else { throw APIError(500, APIError.internalError, "there is no answer") }
        context.respond(201) {
            $0.member("id", id)
            $0.member("until", StatusDocument.instant(until))
            $0.member("alerts", count)
        }
    }

    @Sendable static func unsilence(_ context: HTTPContext) throws {
        try context.checkParameters([])
        let name = context.name ?? ""
        guard let id = Int64(name), id > 0, try context.engine.alertBoard().silences.contains(where: { $0.id == id }) else {
            throw APIError(404, SQLError.undefinedObject, "there is no silence \"\(name)\"", hint: "GET /v1/silences lists them")
        }
        _ = try execute(.unsilence([String(id)], span: .none), context)
        context.respond { $0.member("id", id) }
    }

    /// `{"alert": "high_load", "instance": "0123..", "labels": {..}, "comment": ".."}`.
    @Sendable static func acknowledge(_ context: HTTPContext) throws {
        try context.checkParameters([])
        let body = try document(context, members: ["alert", "instance", "labels", "comment"])
        let statement = NotificationStatement.acknowledge(try selector(body), instance: try text(body, "instance"), comment: try text(body, "comment"))
        guard case .done(let tag) = try execute(statement, context) else { throw APIError(500, APIError.internalError, "there is no answer") }
        context.respond(201) { $0.member("acknowledged", tag.split(separator: " ").last.flatMap { Int64($0) } ?? 0) }
    }

    private static func execute(_ statement: NotificationStatement, _ context: HTTPContext) throws -> StatementResult {
        let session = context.engine.makeSession()
        session.identity.user = "http"
        // Printed and read again, so that an error has a text with its place.
        let sql = Printer.print(Statement(.notification(statement), span: .none))
        let parsed: [ParsedStatement]
        do throws(SQLError) { parsed = try Parser.parseScript(sql) } catch { throw StatementError(error: error, source: sql) }
        guard let first = parsed.first else { throw APIError(400, SQLError.syntaxError, "there is no statement") }
        return try session.execute(first, source: sql)
    }

    private static func document(_ context: HTTPContext, members: [String]) throws -> JSONDocument {
        let bytes = try context.exchange.body.collect(byteCountMax: bodyByteCountMax, what: "a request")
        let document = try JSONDocument(bytes)
        guard case .object(let found) = document else { throw APIError(400, SQLError.invalidParameter, "the body is not an object") }
        for member in found where !members.contains(member.name) {
            throw APIError(
                400, SQLError.invalidParameter, "there is no member \"\(member.name)\"", hint: "the members are \(members.joined(separator: ", "))")
        }
        return document
    }

    private static func text(_ body: JSONDocument, _ name: String) throws(APIError) -> String? {
        switch body[name] {
        case nil, .null: return nil
        case .string(let text): return text.isEmpty ? nil : text
        default: throw APIError(400, SQLError.invalidParameter, "the member \"\(name)\" is not a text")
        }
    }

    private static func selector(_ body: JSONDocument) throws(APIError) -> AlertSelector {
        var selector = AlertSelector(alert: nil, matchers: [])
        if let name = try text(body, "alert") { selector.alert = QualifiedName([Identifier(name, isQuoted: true)], span: .none) }
        switch body["labels"] {
        case nil, .null: break
        case .object(let members):
            for member in members {
                guard case .string(let value) = member.value, !member.name.isEmpty else {
                    throw APIError(400, SQLError.invalidParameter, "the label \"\(member.name)\" is not a text")
                }
                selector.matchers.append(LabelMatcher(label: Identifier(member.name, isQuoted: true), comparison: .equal, values: [value]))
            }
        default: throw APIError(400, SQLError.invalidParameter, "the member \"labels\" is not an object")
        }
        guard selector.alert != nil || !selector.matchers.isEmpty else {
            throw APIError(400, SQLError.invalidParameter, "neither an alert nor labels are given", hint: "{\"alert\": \"high_load\"}")
        }
        return selector
    }
}
