// SimulatedEngine: an engine in memory, whose clock moves only when it is told to: for `millrace test`, and to rehearse a deployment.
//
// - No query has a thread: `settle` steps them in turn, until none has anything left to do. So a day of event time takes milliseconds, and the
//   same rows give the same results every time.
// - What lies outside is replaced by a stream with the same columns: a relation with a connector (a file, a generator, this machine's load) is
//   checked as always, and then holds the rows that are appended to it here, or written to it by a query.
// - A stream has one shard, whatever its definition says: rows come in the order in which they are given, and none of them holds the watermark back.
// - `endInputs` ends every stream as if its source had been bounded: first those that nobody writes, then those whose writers have ended.

import Columns
import Planning
import Platform
import ShardLog
import Syntax

package final class SimulatedEngine {
    private struct Writer {
        let query: RunningQuery
        let target: String
    }

    package let session: Session
    private let engine: Engine
    private let clock: ManualClock
    private let ended: EndedStreams
    private var writers: [Writer] = []

    package init(startMicroseconds: Int64, onNotice: @escaping @Sendable (String) -> Void = { _ in }) throws(EngineError) {
        clock = ManualClock(startingAtMicroseconds: startMicroseconds)
        var options = EngineOptions()
        options.isSingleThreaded = true
        options.isEphemeral = true
        options.workerCount = 1
        options.usesOneShard = true
        options.onNotice = onNotice
        // Nothing runs notifiers here: they are only looked at.
        options.allowsCommands = true
        engine = try Engine(directory: "/simulated", options: options, clock: clock, fileSystem: SimulatedFileSystem())
        ended = engine.endedStreams ?? EndedStreams()
        session = engine.makeSession()
    }

    deinit { try? engine.close() }

    package var nowMicroseconds: Int64 { clock.nowMicroseconds() }

    // MARK: Statements

    package func execute(_ statement: ParsedStatement, source: String) throws -> StatementResult {
        var statement = statement
        var source = source
        if case .createRelation(let create) = statement.statement.kind, let inner = try replacingConnector(create, source: source) {
            let text = Printer.print(Statement(.createRelation(inner), span: .none))
            guard let parsed = try Parser.parseScript(text).first else { throw EngineError("\(create.name.last.name) cannot be defined") }
            (statement, source) = (parsed, text)
        }
        let result = try session.execute(statement, source: source)
        if case .running(_, let query) = result, !writers.contains(where: { $0.query === query }) {
            writers.append(Writer(query: query, target: SimulatedEngine.target(of: statement.statement)))
        }
        return result
    }

    /// What of a relation's options stays when its connector is replaced.
    package static let keptOptions = Set(StreamOptions.names + ["changelog"])

    private static func target(of statement: Statement) -> String {
        switch statement.kind {
        case .createQuery(let create), .alterQuery(let create): create.insert.target.last.name.lowercased()
        case .insert(let insert): insert.target.last.name.lowercased()
        case .createRelation(let create): create.name.last.name.lowercased()
        case .alert(.create): AlertStream.name
        default: ""
        }
    }

    /// The relation as a stream of the log; nil when it is one.
    private func replacingConnector(_ create: CreateRelation, source: String) throws -> CreateRelation? {
        guard let connector = create.options.first(where: { $0.key.lowercased() == "connector" }), connector.value.lowercased() != "log" else {
            return nil
        }
        if create.source == nil {
            do {
                let relation = try engine.withCatalog { catalog throws(SQLError) in try Planner.define(create, catalog: catalog) }
                try Connectors.validate(relation, engineOptions: StreamOptions.names)
            } catch let error as SQLError {
                throw StatementError(error: error, source: source)
            } catch let error as ConnectorError {
                throw StatementError(
                    error: SQLError(error.description, at: create.name.span, code: SQLError.invalidParameter), source: source)
            }
        }
        var create = create
        create.options.removeAll { option in
            let isDebezium = option.key.lowercased() == "format" && option.value.lowercased() == "debezium-json"
            return !isDebezium && !SimulatedEngine.keptOptions.contains(option.key.lowercased())
        }
        return create
    }

    /// What a saved query, or a view as a continuous query, computes, as a text that can be compared: two definitions with the same one give the same.
    package func signature(of statement: ParsedStatement, source: String) throws -> String {
        do {
            return try engine.withCatalog { catalog throws(SQLError) in
                switch statement.statement.kind {
                case .createQuery(let create): try Planner.plan(create.insert, catalog: catalog, options: session.plannerOptions).query.plan.signature
                case .createView(let create):
                    try Planner.plan(create.query, mode: .continuous, catalog: catalog, options: session.plannerOptions).query.plan.signature
                case .alert(.create(let create)):
                    try Planner.plan([AlertDefinition(id: 0, create: create)], catalog: catalog, options: session.plannerOptions).query.plan.signature
                default: ""
                }
            }
        } catch let error as SQLError {
            throw StatementError(error: error, source: source)
        }
    }

    /// The saved queries that read or write a relation, directly or through views.
    package func queriesUsing(_ name: String) -> [String] { engine.queriesUsing(name) }

    // MARK: Rows

    /// What is needed to give a relation rows.
    package struct Relation: Sendable {
        package var schema: Schema
        /// The column of `schema` that carries the event time, when one does.
        package var eventTimeColumn: Int?
        /// Whether rows come with their change kind under the key `op`.
        package var readsChangeKinds: Bool
    }

    package func relation(named name: String) -> Relation? {
        guard let relation = engine.object(named: name)?.relation else { return nil }
        return Relation(
            schema: relation.physicalSchema, eventTimeColumn: relation.watermark.flatMap { relation.physicalColumns.firstIndex(of: $0.column) },
            readsChangeKinds: relation.readsChangeKinds)
    }

    package var relationNames: [String] { engine.relationNames }

    /// JSON lines into a stream.
    package func append(_ lines: [UInt8], to stream: String) throws(EngineError) -> StreamAppender.Counts {
        let appender = try engine.appender(stream: stream)
        try appender.append(lines.withUnsafeBytes { Buffer(copying: $0) })
        return try appender.finish()
    }

    /// Where each shard of a stream has been read up to.
    package typealias Positions = [UInt64]

    /// The rows of a stream behind `positions`, shard by shard, which are moved behind them.
    package func rows(of name: String, from positions: inout Positions) throws(EngineError) -> (schema: Schema, batches: [RowBatch], isChangelog: Bool) {
        let (object, stream) = try engine.logStream(named: name)
        var batches: [RowBatch] = []
        for shard in stream.shards.indices {
            if positions.count <= shard { positions.append(stream.oldestSequence(shard: shard)) }
            do {
                let columns = Array(0..<stream.schema.count)
                while let rows = try stream.reader(shard: shard).read(from: positions[shard], rowLimit: 8_192, columns: columns) {
                    batches.append(rows.batch)
                    positions[shard] = rows.nextSequence
                }
            } catch {
                throw EngineError("\(error)")
            }
        }
        return (stream.schema, batches, object.relation?.isChangelog ?? false)
    }

    // MARK: Time

    /// Moves the clock forward; it never goes back.
    package func advance(toMicroseconds time: Int64) throws {
        guard time > clock.nowMicroseconds() else { return }
        clock.set(toMicroseconds: time)
        _ = try engine.log.maintain()
        try settle()
    }

    /// Runs every query until none has anything left to do. Throws when one has failed.
    package func settle() throws {
        var moved = true
        while moved {
            moved = false
            for writer in writers where !writer.query.hasEnded {
                while let outcome = writer.query.step() {
                    guard case .progressed = outcome else { break }
                    moved = true
                }
            }
        }
        for writer in writers {
            let progress = writer.query.progress()
            if progress.state == .failed { throw EngineError("query \(progress.name) failed: \(progress.reason ?? "for an unknown reason")") }
        }
    }

    /// No more rows come: the watermarks go to the end of time and everything that waits for them comes out.
    package func endInputs() throws {
        try settle()
        while true {
            let open = Set(writers.filter { !$0.query.hasEnded }.map(\.target))
            let next = engine.relationNames.filter { !open.contains($0.lowercased()) && !ended.contains($0) }
            guard !next.isEmpty else { return }
            next.forEach(ended.insert)
            try settle()
        }
    }
}

/// Streams to which nothing will be appended any more; their readers end with their last row.
final class EndedStreams: @unchecked Sendable {
    // Safe to share: every access holds the lock.
    private let lock = Lock()
    private var names: Set<String> = []

    func insert(_ name: String) { lock.locked { _ = names.insert(name.lowercased()) } }
    func contains(_ name: String) -> Bool { lock.locked { names.contains(name.lowercased()) } }
}
