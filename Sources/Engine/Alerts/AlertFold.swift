// AlertFold: the engine's AlertBoard, brought up to date when somebody asks.
//
// It follows the streams `alerts` and `alert_actions` with tails of its own, from their beginning when the process begins. A stream that was dropped and
// made again is another stream: then everything is folded anew. Rows that cannot be understood are counted, and the first of them told of, whenever
// everything is folded: they lie in streams to which anybody may write.

import Columns
import Planning
import Platform
import Syntax

final class AlertFold: @unchecked Sendable {
    // Safe to share: every access holds the lock.
    private let lock = Lock()
    private var board = AlertBoard()
    private var ids: [UInt64?] = [nil, nil]
    private var transitions: (tail: TailCursor, reader: AlertTransitionReader)?
    private var actions: TailCursor?

    func board(of engine: Engine) throws -> AlertBoard {
        var told: [String] = []
        // Not while the lock is held: whoever is told may ask.
        defer { told.forEach(engine.options.onNotice) }
        return try lock.locked {
            let found = [AlertTransition.streamName, AlertAction.streamName].map { engine.object(named: $0)?.id }
            if found != ids {
                board = AlertBoard()
                transitions = nil
                actions = nil
                if found[0] != nil {
                    let tail = try engine.tailCursor(stream: AlertTransition.streamName, from: .trimHorizon, follows: true)
                    transitions = (tail, try AlertTransitionReader(schema: tail.schema))
                }
                if found[1] != nil { actions = try engine.tailCursor(stream: AlertAction.streamName, from: .trimHorizon, follows: true) }
                ids = found
            }
            if let transitions {
                while case .rows(let rows) = try transitions.tail.next(timeoutMilliseconds: 0) {
                    for row in 0..<rows.batch.count {
                        guard let transition = transitions.reader.transition(rows.batch, row: row) else {
                            countStrangeRow(AlertTransition.streamName, "names no state that an alert can have", rows, row, &told)
                            continue
                        }
                        board.apply(transition)
                    }
                }
            }
            if let actions {
                while case .rows(let rows) = try actions.next(timeoutMilliseconds: 0) {
                    for row in 0..<rows.batch.count {
                        guard let action = AlertAction(rows.batch, row: row) else {
                            countStrangeRow(AlertAction.streamName, "is neither a silence nor the end of one nor an acknowledgement", rows, row, &told)
                            continue
                        }
                        board.apply(action)
                        guard action.kind == .silence, let fault = board.silences.last?.fault else { continue }
                        told.append("silence \(action.id) keeps nobody quiet: \(fault)")
                    }
                }
            }
            let rules = engine.inhibitions()
            if rules != board.inhibitions { board.inhibitions = rules }
            return board
        }
    }

    /// The first few are told of one by one; metrics count them all.
    private static let toldRowsMax: Int64 = 10

    /// The caller holds the lock.
    private func countStrangeRow(_ stream: String, _ what: String, _ rows: TailRows, _ row: Int, _ told: inout [String]) {
        guard board.countStrangeRow(of: stream) <= Self.toldRowsMax else { return }
        told.append("stream \(stream): row \(rows.firstSequence &+ UInt64(row)) \(what), and is passed over")
    }

    /// So that a stream of the program's own is made once, and seen by nobody else while it is half made.
    let making = Lock()

    /// One after the other: numbers of silences are given out here.
    private let writing = Lock()

    func write<Result>(_ body: () throws -> Result) rethrows -> Result {
        writing.lock()
        defer { writing.unlock() }
        return try body()
    }
}

extension AlertTransition {
    package static let streamName = "alerts"
}

extension Engine {
    /// What fires, what waits, what is kept quiet; up to what the log holds now.
    package func alertBoard() throws -> AlertBoard { try alertFold.board(of: self) }

    func inhibitions() -> [InhibitionRule] {
        catalogObjects().compactMap { if case .inhibition(let create) = $0.definition { InhibitionRule(create) } else { nil } }
    }

    func notificationObject(named name: String, kind: ObjectKind? = nil) -> CatalogObject? {
        let lower = name.lowercased()
        return catalogObjects().first { $0.isNotification && (kind == nil || $0.notificationKind == kind) && $0.name.lowercased() == lower }
    }

    /// A notifier as the catalog has it.
    package struct NotifierEntry: Sendable {
        package var id: UInt64
        package var name: String
        /// Changes with every CREATE OR REPLACE.
        package var sql: String
        package var create: CreateNotifier
        /// Of each shard of `alerts` the row that came next when it was created; none when there was no such stream.
        package var startPositions: [UInt64]
    }

    static let startOption = "$start"
    /// What the program itself writes about alerts.
    package static let alertStreamNames = [AlertTransition.streamName, AlertAction.streamName, "alert_deliveries", "alert_dead_letters"]

    package func notifierEntries() -> [NotifierEntry] {
        catalogObjects().compactMap { object in
            guard case .notifier(let create) = object.definition else { return nil }
            let start = create.options.first { $0.key == Engine.startOption }?.value ?? ""
            return NotifierEntry(
                id: object.id, name: object.name, sql: object.sql, create: create, startPositions: start.split(separator: ",").compactMap { UInt64($0) })
        }
    }

    /// Where the stream `alerts` ends now.
    func alertEndPositions() -> [UInt64] {
        guard let object = object(named: AlertTransition.streamName), let stream = stream(of: object) else { return [] }
        return stream.shards.map(\.endSequence)
    }

    package func streamID(named name: String) -> UInt64? { object(named: name)?.id }

    /// Appends rows to a stream of the program's own, which is made when it is not there. Durable, as the stream is, when this returns.
    package func appendOwn(stream name: String, definition: String, rows: [[Value]], types: [SQLType]) throws {
        try alertFold.making.locked {
            guard self.object(named: name) == nil else { return }
            guard let statement = try Parser.parseScript(definition).first?.statement, case .createRelation(let create) = statement.kind else {
                throw EngineError("the stream \(name) cannot be defined")
            }
            let relation = try withCatalog { catalog throws(SQLError) in try Planner.define(create, catalog: catalog) }
            try createRelation(relation, sql: definition)
        }
        let (object, stream) = try logStream(named: name)
        guard stream.schema.types == types else {
            throw EngineError("\"\(object.name)\" is not the stream that this program writes: drop it, or give it another name")
        }
        _ = try stream.append(RowBatch.make(rows, types: types), arrivalMicroseconds: clock.nowMicroseconds())
    }

    /// Writes down what a person has done.
    func record(_ actions: [AlertAction]) throws {
        guard !actions.isEmpty else { return }
        let batch = AlertAction.batch(actions)
        try appendOwn(
            stream: AlertAction.streamName, definition: AlertAction.definition, rows: (0..<batch.count).map { batch.row($0) }, types: batch.columns.map(\.type))
    }
}
