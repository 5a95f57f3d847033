// AlertReplay: TEST ALERT. A rule over what the log holds, on a clock that goes from one arrival to the next.
//
// The graph is the one that runs live; only the sources and the clock differ: at a moment of the replayed time there are the rows that had arrived by then
// (`ArrivalSource`), and the clock jumps to the next arrival, or to where an operator waits for something before that. So silence is as long as it was.
// A rule that asks neither for the clock nor for silence takes everything at once: what it gives does not depend on how rows are cut into epochs.
// Frames that have been rewritten as one arrive when the last of them did.

import Columns
import Dataflow
import Planning
import ShardLog
import Syntax

/// A stream as it was at a moment.
final class ArrivalSource: ReplayableSource, @unchecked Sendable {
    // Safe to share: read-only.
    private let base: any ReplayableSource
    private let stream: LogStream
    private let ends: [Int64]

    init(_ base: any ReplayableSource, stream: LogStream) {
        self.base = base
        self.stream = stream
        ends = (0..<base.shardCount).map { Int64(bitPattern: stream.endSequence(shard: $0)) }
    }

    /// When something comes that is not there at `microseconds`; nil when nothing does.
    func nextArrival(after microseconds: Int64) -> Int64? {
        var next: Int64?
        for shard in ends.indices {
            let position = position(shard, microseconds)
            guard position < ends[shard], let arrival = stream.shards[shard].lastArrivalMicroseconds(of: UInt64(bitPattern: position)) else { continue }
            next = min(next ?? .max, max(arrival, microseconds &+ 1))
        }
        return next
    }

    private func position(_ shard: Int, _ microseconds: Int64) -> Int64 {
        min(ends[shard], Int64(bitPattern: stream.shards[shard].sequence(arrivingAt: microseconds == .max ? .max : microseconds + 1)))
    }

    var shardCount: Int { ends.count }
    func parents(of shard: Int) -> [Int] { base.parents(of: shard) }
    func start(shard: Int) -> Int64 { base.start(shard: shard) }
    func readable(shard: Int, from: Int64) -> Int64 { base.readable(shard: shard, from: from) }
    func available(shard: Int, nowMicroseconds: Int64) throws(ConnectorError) -> Int64 { position(shard, nowMicroseconds) }
    /// A shard that has been split or merged ends, so that those that follow it are read.
    func end(shard: Int) throws(ConnectorError) -> Int64? { stream.description.shards[shard].isClosed ? ends[shard] : nil }
    func boundary(shard: Int, from: Int64, limit: Int64, rows: Int) throws(ConnectorError) -> Int64 {
        try base.boundary(shard: shard, from: from, limit: limit, rows: rows)
    }
    func read(shard: Int, from: Int64, to: Int64, columns: [Int], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        try base.read(shard: shard, from: from, to: to, columns: columns, batchRows: batchRows)
    }
    func read(shard: Int, from: Int64, to: Int64, paths: [ColumnPath], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        try base.read(shard: shard, from: from, to: to, paths: paths, batchRows: batchRows)
    }
}

final class AlertReplay: @unchecked Sendable {
    // Safe to share: a cursor is used by one thread at a time.
    private let runner: QueryRunner
    private let output: CursorOutput
    private let sources: [ArrivalSource]
    private let end: Int64
    private let followsClock: Bool
    private var now: Int64
    private var isStarted = false
    private var isOver = false

    /// Arrivals closer together than this are one.
    private static let stepMicroseconds: Int64 = 10_000

    init(runner: QueryRunner, output: CursorOutput, sources: [ArrivalSource], from: Int64, to: Int64, followsClock: Bool) {
        self.runner = runner
        self.output = output
        self.sources = sources
        self.followsClock = followsClock
        end = to
        now = from
    }

    func pull(_ isCancelled: () -> Bool) throws -> CursorEvent {
        if !isStarted {
            _ = try runner.recover()
            isStarted = true
            if !followsClock { now = end }
        }
        while true {
            if let batch = output.take() { return .rows(batch) }
            if isOver || isCancelled() { return .end }
            switch try runner.step(nowMicroseconds: now) {
            case .progressed: continue
            case .finished: isOver = true
            case .idle(let deadline): move(to: deadline)
            }
        }
    }

    private func move(to deadline: Int64?) {
        var next = sources.compactMap { $0.nextArrival(after: now) }.min().map { max($0, now + Self.stepMicroseconds) }
        if let deadline, deadline > now { next = min(next ?? .max, deadline) }
        if let next, next <= end {
            now = next
        } else if now < end {
            now = end
        } else {
            isOver = true
        }
    }
}

extension Session {
    func testAlert(_ test: TestAlert) throws -> Cursor {
        var definition: AlertDefinition
        var settings = settings
        switch test.subject {
        case .name(let name):
            let object = try knownAlert(name)
            guard let create = object.alert else { throw EngineError("\(object.name) is no alert") }
            definition = AlertDefinition(id: object.id, create: create)
            settings.querySettings = object.settings
        case .rule(let create):
            definition = AlertDefinition(id: 0, create: create)
            definition.create.name = QualifiedName([Identifier("test", span: create.name.span)], span: create.name.span)
        }
        let tested = definition
        let planning = engine.makeSession()
        planning.settings.querySettings = settings.querySettings
        let options = planning.plannerOptions
        var planned = try engine.withCatalog { catalog throws(SQLError) in try Planner.plan([tested], catalog: catalog, options: options) }
        planned.query.notices.forEach(note)
        let from = try test.from.map { (expression) throws(SQLError) in try time(expression, "FROM") }
        let to = try test.to.map { (expression) throws(SQLError) in try time(expression, "TO") } ?? engine.nowMicroseconds
        planned.query.startFrom = test.from.map { .time($0) } ?? .trimHorizon
        var prepared = try engine.prepare(
            planned.query, mode: .continuous, isSelect: false, settings: planning.runnerSettings, workerCount: settings.workerCount)
        var replayed: [ArrivalSource] = []
        for (index, node) in planned.query.plan.scanNodes.enumerated() {
            guard let object = engine.object(named: node.relation.name), let stream = engine.stream(of: object) else {
                throw SQLError(
                    "\"\(node.relation.name)\" keeps no rows in the log that could be replayed", at: definition.create.query.span,
                    hint: "test the alert over a stream that the rows are inserted into", code: SQLError.featureNotSupported)
            }
            let source = ArrivalSource(prepared.sources[index], stream: stream)
            replayed.append(source)
            prepared.sources[index] = source
        }
        let node = planned.node
        let start = from ?? replayed.compactMap { $0.nextArrival(after: .min) }.min() ?? to
        let output = CursorOutput()
        let runner = QueryRunner(
            graph: prepared.graph, sources: prepared.sources, startPositions: prepared.startPositions, output: output,
            errors: CursorErrors(isBounded: false, notice: engine.options.onNotice), journal: nil, pool: prepared.pool, settings: planning.runnerSettings)
        let replay = AlertReplay(
            runner: runner, output: output, sources: replayed, from: min(start, to), to: to,
            followsClock: node.timeColumn == nil || node.rules.contains { $0.timing.noDataMicroseconds != nil })
        return Cursor(schema: AlertColumns.schema) { _, isCancelled in try replay.pull(isCancelled) }
    }

    private func time(_ expression: Expression, _ clause: String) throws(SQLError) -> Int64 {
        guard let time = try Engine.constantTimestamp(expression) else {
            throw SQLError(
                "\(clause) of TEST ALERT must be a constant timestamp", at: expression.span, hint: "\(clause) TIMESTAMP '2026-01-01 00:00:00'",
                code: SQLError.invalidParameter)
        }
        return time
    }
}
