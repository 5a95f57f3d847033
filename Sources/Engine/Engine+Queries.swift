// From a planned query to one that runs: its graph, its sources with their start, its output, its journal.

import Columns
import Dataflow
import Planning
import Platform
import ShardLog
import Syntax

/// Everything a runner is made of but its output.
struct PreparedQuery: @unchecked Sendable {
    // Safe to send: handed to one thread, once.
    var graph: DataflowGraph
    var sources: [any ReplayableSource]
    var startPositions: [[Int64]]
    var pool: WorkerPool
    var waker: QueryWaker
    var isBounded: Bool
    /// Whether it can ever have nothing to do: an unbounded generator without a rate cannot.
    var canCatchUp: Bool
}

/// Where an INSERT writes.
struct QueryTarget {
    var object: CatalogObject
    var relation: RelationDefinition
    /// nil for a connector's sink.
    var stream: LogStream?
    var name: String { object.name }
}

extension Engine {
    func target(_ relation: RelationDefinition, at span: SourceSpan) throws -> QueryTarget {
        guard let object = object(named: relation.name) else {
            throw SQLError("relation \"\(relation.name)\" does not exist", at: span, code: SQLError.undefinedTable)
        }
        if let stream = stream(of: object) { return QueryTarget(object: object, relation: relation, stream: stream) }
        try checkReadable(object)
        guard Connectors.isSink(relation.connector) else {
            throw SQLError(
                "\"\(relation.name)\" cannot be written: connector '\(relation.connector)' is a source only", at: span,
                code: SQLError.featureNotSupported)
        }
        return QueryTarget(object: object, relation: relation, stream: nil)
    }

    func prepare(
        _ planned: PlannedQuery, mode: RunMode, isSelect: Bool, settings: RunnerSettings, workerCount: Int
    ) throws -> PreparedQuery {
        let nodes = planned.plan.scanNodes
        var graphSettings = DataflowSettings()
        graphSettings.partitionCount = settings.partitionCount
        graphSettings.batchRows = settings.batchRows
        // Every row that fails or comes late is kept for the error stream: an epoch cannot have more.
        graphSettings.reportedRowsMax = max(settings.epochRowsMax, 1 << 20)
        if !options.isSingleThreaded { graphSettings.nanoseconds = { [clock] in clock.monotonicNanoseconds() } }
        graphSettings.idleTimeoutMicroseconds = try nodes.map { try StreamOptions.idleTimeoutMicroseconds($0.relation) }
        let graph = try DataflowGraph(plan: planned.plan, settings: graphSettings)

        var sources: [any ReplayableSource] = []
        var isBounded = true
        var polls = false
        var canCatchUp = true
        let filters = planned.plan.scanFilters()
        for (index, node) in nodes.enumerated() {
            let isSnapshot = node.relation.connector == RelationDefinition.snapshotConnector
            let source = isSnapshot
                ? try snapshotSource(node, filter: index < filters.count ? filters[index] : nil)
                : try makeSource(node.relation, isBounded: mode == .bounded)
            sources.append(UpsertSource.reading(source, of: node.relation))
            guard !(source is LogSource) else {
                if mode != .bounded { isBounded = false }
                continue
            }
            for shard in 0..<source.shardCount where try source.end(shard: shard) == nil {
                isBounded = false
                polls = true
                if node.relation.connector == "nexmark", node.relation.options["rate"] == nil { canCatchUp = false }
            }
        }
        if mode == .bounded && !isBounded && !planned.plan.hasLimit {
            let name = nodes.first { $0.relation.connector != "log" && $0.relation.connector != "system" }?.relation.name ?? "the source"
            throw EngineError("\(name) never ends: add a LIMIT, or use SELECT STREAM")
        }
        return PreparedQuery(
            graph: graph, sources: sources, startPositions: try startPositions(planned, sources, mode: mode, isSelect: isSelect),
            pool: WorkerPool(workerCount: workerCount), waker: QueryWaker(signal: signal, polls: polls), isBounded: isBounded,
            canCatchUp: canCatchUp)
    }

    private func makeSource(_ relation: RelationDefinition, isBounded: Bool) throws -> any ReplayableSource {
        if relation.connector == RelationDefinition.systemConnector { return systemSource(relation) }
        if let object = object(named: relation.name), let stream = stream(of: object) {
            let isEnded = endedStreams.map { streams in { @Sendable in streams.contains(relation.name) } }
            return LogSource(stream: stream, name: relation.name, isBounded: isBounded, isEnded: isEnded)
        }
        if let object = object(named: relation.name) { try checkReadable(object) }
        return try Connectors.source(for: relation, fileSystem: fileSystem, clock: clock)
    }

    /// A continuous query starts at TRIM_HORIZON, a SELECT STREAM at LATEST, a plain SELECT reads all there is; START FROM says otherwise.
    private func startPositions(
        _ planned: PlannedQuery, _ sources: [any ReplayableSource], mode: RunMode, isSelect: Bool
    ) throws -> [[Int64]] {
        var start = planned.startFrom
        if start == nil, mode == .continuous, isSelect { start = .latest }
        return try zip(planned.plan.scanNodes, sources).map { node, source in
            try (0..<source.shardCount).map { shard in
                guard !node.relation.connector.hasPrefix("$"), let stream = object(named: node.relation.name).flatMap({ stream(of: $0) }) else {
                    // A file or a generator has no past and no present: it is read from its beginning.
                    return source.start(shard: shard)
                }
                switch start {
                case nil, .trimHorizon: return source.start(shard: shard)
                case .latest: return Int64(bitPattern: stream.endSequence(shard: shard))
                case .sequence(let text):
                    guard let sequence = UInt64(text), sequence < UInt64(Int64.max) else {
                        throw EngineError("\"\(text)\" is not a sequence number")
                    }
                    return max(source.start(shard: shard), Int64(sequence))
                case .time(let expression):
                    guard let time = try Engine.constantTimestamp(expression) else {
                        throw SQLError(
                            "expected a constant timestamp", at: expression.span, hint: "for example TIMESTAMP '2026-01-01 00:00:00'",
                            code: SQLError.invalidParameter)
                    }
                    return Int64(bitPattern: stream.reader(shard: shard).sequence(of: .arrival(time)))
                }
            }
        }
    }

    /// The microseconds of a timestamp literal, or of a text that is one; nil for anything else.
    static func constantTimestamp(_ expression: Expression) throws(SQLError) -> Int64? {
        guard case .literal(let literal) = expression.kind else { return nil }
        let bound = try ExpressionTyping.cast(
            try ExpressionTyping.literal(literal, span: expression.span), to: .timestamp(precision: 6), mode: .explicit,
            span: expression.span, text: "")
        guard case .constant(.integer(let microseconds)) = bound.kind else { return nil }
        return microseconds
    }

    private func makeJournal(_ folder: String, _ planned: PlannedQuery) throws -> QueryJournal {
        let journal = try QueryJournal(directory: folder, fileSystem: fileSystem)
        journal.swap = try SwapOutput.read(from: folder, types: planned.plan.outputTypes, fileSystem)
        return journal
    }

    /// Starts a query on its own thread. `savedAs` makes it a saved one: in the catalog (unless `existing`), with a journal.
    func start(
        _ planned: PlannedQuery, name: String, errorName: String, target: QueryTarget, savedAs: CreateQuery?,
        existing: CatalogObject? = nil, kept: QuerySettings = QuerySettings(), statement: String, settings: RunnerSettings, workerCount: Int, checksFirst: Bool
    ) throws -> RunningQuery {
        let isChangelog = planned.changelog == .retract
        let prepared = try prepare(planned, mode: .continuous, isSelect: false, settings: settings, workerCount: workerCount)
        if isChangelog, target.stream != nil { try markChangelog(target.object) }

        var id: UInt64 = 0
        var journal: QueryJournal?
        var folder = ""
        if let object = existing {
            id = object.id
            if !options.isEphemeral {
                folder = queryDirectory(object)
                journal = try makeJournal(folder, planned)
            }
        } else if let savedAs {
            let object = try addToCatalog(name: name, sql: statement, definition: .query(savedAs), settings: kept)
            id = object.id
            if !options.isEphemeral {
                folder = queryDirectory(object)
                journal = try makeJournal(folder, planned)
            }
        }
        let producer = journal == nil ? 0 : id
        let output: any QueryOutput
        if let stream = target.stream {
            output = LogOutput(stream: stream, relation: target.relation, producer: producer)
        } else {
            let sink = try sink(of: target.object, relation: target.relation, isChangelog: isChangelog, resumes: existing != nil)
            output = SinkOutput(sink, isDurable: !options.isEphemeral)
        }
        let errors = StreamErrors(engine: self, name: errorName, queryName: name, producer: producer)
        let query = RunningQuery(
            name: name, id: id, isSaved: savedAs != nil || existing != nil, isBounded: prepared.isBounded, canCatchUp: prepared.canCatchUp,
            relationNames: Set(planned.plan.scanNodes.map { $0.relation.name.lowercased() } + [target.name.lowercased()]),
            statement: statement, waker: prepared.waker, notice: options.onNotice)
        query.canRestart = journal != nil
        query.target = target.name
        var settings = settings
        settings.writesBeside = !options.isSingleThreaded
        settings.nanoseconds = { [clock] in clock.monotonicNanoseconds() }
        settings.wallMicroseconds = { [clock] in clock.nowMicroseconds() }
        settings.onNotice = { [options] in options.onNotice("query \(name): \($0)") }
        let launch = QueryLaunch(prepared: prepared, output: output, errors: errors, settings: settings) { [weak self, folder, settings] isFirst in
            guard !isFirst, let self else { return (nil, journal) }
            let again = try self.prepare(planned, mode: .continuous, isSelect: false, settings: settings, workerCount: workerCount)
            return (again, journal == nil ? nil : try self.makeJournal(folder, planned))
        }
        register(query)
        let makeRunner = { @Sendable [options] in
            let runner = try launch.makeRunner()
            for notice in try runner.recover() { options.onNotice("query \(name): \(notice)") }
            return runner
        }
        if options.isSingleThreaded {
            query.prepareStepping(clock: SteadyClock(clock), makeRunner: makeRunner)
        } else {
            try self.launch { [clock] in query.run(clock: SteadyClock(clock), makeRunner: makeRunner) }
        }
        return query
    }
}

/// What the query's thread needs to build its runner, and to build another one when the first has failed: its state is undefined then, so graph,
/// sources and journal are made anew.
private final class QueryLaunch: @unchecked Sendable {
    // Safe to send: used by one thread.
    private let prepared: PreparedQuery
    private let output: any QueryOutput
    private let errors: any ErrorOutput
    private let settings: RunnerSettings
    private let remake: (_ isFirst: Bool) throws -> (PreparedQuery?, QueryJournal?)
    private var isFirst = true

    init(
        prepared: PreparedQuery, output: any QueryOutput, errors: any ErrorOutput, settings: RunnerSettings,
        remake: @escaping (_ isFirst: Bool) throws -> (PreparedQuery?, QueryJournal?)
    ) {
        self.prepared = prepared
        self.output = output
        self.errors = errors
        self.settings = settings
        self.remake = remake
    }

    func makeRunner() throws -> QueryRunner {
        let (again, journal) = try remake(isFirst)
        isFirst = false
        let prepared = again ?? self.prepared
        return QueryRunner(
            graph: prepared.graph, sources: prepared.sources, startPositions: prepared.startPositions, output: output, errors: errors,
            journal: journal, pool: prepared.pool, settings: settings)
    }
}

extension PhysicalPlan {
    /// The leaves that read relations, depth first, a shared plan's once: the order of the graph's scans.
    package var scanNodes: [ScanNode] {
        var seen: Set<Int> = []
        return scanNodes(seen: &seen)
    }

    private func scanNodes(seen: inout Set<Int>) -> [ScanNode] {
        switch self {
        case .scan(let node): return [node]
        case .shared(_, let id) where !seen.insert(id).inserted: return []
        default: return inputs.flatMap { $0.scanNodes(seen: &seen) }
        }
    }

    /// Whether a LIMIT that needs no sort ends the query.
    var hasLimit: Bool {
        switch self {
        case .limit(_, let count, _): count != nil
        case .project(let input, _), .filter(let input, _): input.hasLimit
        default: false
        }
    }
}
