// QueryAlteration: another definition for a saved query, which goes on where it stands.
//
// 1. Beside the running query, the new graph reads what the log retains up to the running query's newest checkpoint (only when AlterationPlan says so).
// 2. The query is stopped at the end of an epoch, with a checkpoint. The new graph reads the little that is left up to there.
// 3. A graph is put together: stages that keep their state take it from that checkpoint, the others from the new graph; what is known of event time
//    comes from the checkpoint. Its checkpoint goes into a folder of its own, with the difference of the results, if one is written.
// 4. The catalog is written with the new definition and the number of that folder (`generation`). This is the moment of the swap: before it a crash
//    leaves the old query with its folder, after it the new one.
// 5. The new query starts like after any restart. The old folder is removed, at the latest when the directory is opened again.
//
// When anything fails before 4 the old query is started again.

import Columns
import Dataflow
import Planning
import Platform
import Syntax

final class QueryAlteration {
    private let engine: Engine
    private let object: CatalogObject
    private let create: CreateQuery
    private let before: CreateQuery
    private let settings: QuerySettings
    private let runnerSettings: RunnerSettings
    private let workerCount: Int
    private let old: PlannedInsert
    private let new: PlannedInsert
    private let target: QueryTarget
    private let hasSameTarget: Bool
    let plan: AlterationPlan

    /// Plans both definitions; `session` has the settings for the new one. State is kept by partition, so their number stays.
    init(_ session: Session, _ object: CatalogObject, to create: CreateQuery) throws {
        guard case .query(let before) = object.definition else { throw EngineError("\(object.name) is no query") }
        engine = session.engine
        self.object = object
        self.create = create
        self.before = before
        var settings = session.settings.querySettings
        settings.partitionCount = object.settings.partitionCount
        self.settings = settings
        let oldSession = engine.makeSession()
        oldSession.settings.querySettings = object.settings
        let newSession = engine.makeSession()
        newSession.settings = session.settings
        newSession.settings.querySettings = settings
        runnerSettings = newSession.runnerSettings
        workerCount = session.settings.workerCount
        old = try QueryAlteration.planned(before, oldSession)
        new = try QueryAlteration.planned(create, newSession)
        target = try engine.target(new.target, at: create.insert.target.span)
        hasSameTarget = old.target.name == new.target.name
        plan = AlterationPlan(
            from: try QueryAlteration.prepared(old, engine, runnerSettings, workerCount).graph, old.query,
            to: try QueryAlteration.prepared(new, engine, runnerSettings, workerCount).graph, new.query, hasSameTarget: hasSameTarget)
    }

    var notices: [String] { new.query.notices }

    private static func planned(_ create: CreateQuery, _ session: Session) throws -> PlannedInsert {
        try session.engine.withCatalog { catalog throws(SQLError) in
            try Planner.plan(create.insert, catalog: catalog, options: session.plannerOptions)
        }
    }

    private static func prepared(
        _ planned: PlannedInsert, _ engine: Engine, _ settings: RunnerSettings, _ workerCount: Int
    ) throws -> PreparedQuery {
        try engine.prepare(planned.query, mode: .continuous, isSelect: false, settings: settings, workerCount: workerCount)
    }

    private func prepared(_ planned: PlannedInsert) throws -> PreparedQuery {
        try QueryAlteration.prepared(planned, engine, runnerSettings, workerCount)
    }

    /// For EXPLAIN ALTER.
    func lines() throws -> [String] {
        let prepared = try prepared(new)
        let now = engine.clock.nowMicroseconds()
        let sources = try prepared.graph.scans.enumerated().map { scan, node in
            let source = prepared.sources[scan]
            var rows: Int64 = 0
            var lost: Int64 = 0
            for shard in 0..<source.shardCount {
                rows &+= max(0, try source.available(shard: shard, nowMicroseconds: now) - prepared.startPositions[scan][shard])
                lost &+= node.relation.connector == "log" ? max(0, source.start(shard: shard)) : 0
            }
            let unit = node.relation.connector == "log" ? "rows" : "units"
            return "\(node.relation.name), \(rows) \(unit)" + (lost > 0 ? "; \(lost) older rows are not retained any more and will be missing" : "")
        }
        return plan.lines(query: object.name, target: target.name, hasSameTarget: hasSameTarget, sources: sources)
    }

    // MARK: Performing

    func perform(sql: String) throws -> RunningQuery {
        guard let running = engine.runningQuery(named: object.name) else { throw EngineError("query \(object.name) does not run here") }
        if plan.isSame, settings == object.settings, !running.hasEnded {
            try engine.replaceQuery(object, sql: sql, create: create, settings: settings, generation: object.generation)
            return running
        }
        let clock = engine.clock.nowMicroseconds()
        let replay = plan.isRebuilt ? try Replay(try prepared(new), runnerSettings, folds: plan.writesDifference) : nil
        let past = plan.writesDifference && hasSameTarget ? try Replay(try prepared(old), runnerSettings, folds: true) : nil
        if let early = try CheckpointStore(directory: engine.queryDirectory(object), fileSystem: engine.fileSystem).newest() {
            try replay?.run(to: newPositions(early.positions, replay), clock: early.clockMicroseconds)
            try past?.run(to: early.positions, clock: early.clockMicroseconds)
        }
        running.stop()
        do {
            let progress = running.progress()
            if progress.state == .failed { throw EngineError("query \(object.name) has failed and cannot be altered: \(progress.reason ?? "")") }
            try swap(replay, past, sql: sql, nowMicroseconds: clock)
        } catch {
            if "\(error)".contains(StoredCatalog.uncertainty) {
                // Neither may run before it is known which one the catalog names.
                engine.forgetSaved(object.name)
                engine.register(.failed(name: object.name, id: object.id, statement: object.sql, reason: "\(error)"))
                throw error
            }
            // As it was: the old definition, its folder.
            _ = try start(object, before, old, try engine.target(old.target, at: .none), settings: object.settings)
            throw error
        }
        guard let altered = engine.queryObject(named: object.name) else { throw EngineError("query \(object.name) is gone") }
        let query = try start(altered, create, new, target, settings: settings)
        let folder = engine.queryDirectory(object)
        do { try engine.fileSystem.removeTree(folder) } catch { engine.options.onNotice("\(folder) could not be removed: \(error)") }
        return query
    }

    private func start(
        _ object: CatalogObject, _ create: CreateQuery, _ planned: PlannedInsert, _ target: QueryTarget, settings: QuerySettings
    ) throws -> RunningQuery {
        engine.forgetSaved(object.name)
        return try engine.start(
            planned.query, name: object.name, errorName: object.name, target: target, savedAs: create, existing: object, kept: settings,
            statement: object.sql, settings: runnerSettings, workerCount: workerCount, checksFirst: false)
    }

    /// Positions of the new graph's scans: those of the old one where it reads the same; else the end of what is there.
    private func newPositions(_ positions: [[Int64]], _ replay: Replay?) throws -> [[Int64]] {
        try plan.scans.enumerated().map { scan, number in
            if let number, number < positions.count { return positions[number] }
            return try replay?.ends(scan, nowMicroseconds: engine.clock.nowMicroseconds()) ?? []
        }
    }

    private func swap(_ replay: Replay?, _ past: Replay?, sql: String, nowMicroseconds: Int64) throws {
        let prepared = try prepared(new)
        let store = CheckpointStore(directory: engine.queryDirectory(object), fileSystem: engine.fileSystem)
        guard let loaded = try store.load(pool: prepared.pool).loaded else { throw EngineError("query \(object.name) has no checkpoint to go on from") }
        var checkpoint = loaded.checkpoint
        let positions = try newPositions(checkpoint.positions, replay)
        try replay?.run(to: positions, clock: checkpoint.clockMicroseconds)
        try past?.run(to: checkpoint.positions, clock: checkpoint.clockMicroseconds)

        let graph = prepared.graph
        let rebuilt = replay.map { replay in
            StateTree<Buffer>.applying(replay.runner.graph.capture(all: true, pool: prepared.pool), to: nil) { bytes in
                bytes.withUnsafeBytes { Buffer(copying: $0) }
            }
        }
        if let rebuilt { try graph.restoreOwn(from: rebuilt) }
        let former = try self.prepared(old).graph
        try graph.restoreScans(from: loaded.state, of: former, scans: plan.scans)
        for (number, stage) in plan.stages.enumerated() {
            if let kept = stage.kept {
                guard kept < loaded.state.stages.count, loaded.state.stages[kept].name == former.stageNames[kept] else {
                    throw EngineError("the checkpoint of query \(object.name) is of another plan")
                }
                try graph.restore(stage: number, from: loaded.state.stages[kept])
            } else if let rebuilt {
                try graph.restore(stage: number, from: rebuilt.stages[number])
            }
        }

        checkpoint.ended = plan.scans.enumerated().map { scan, number in
            number.flatMap { $0 < checkpoint.ended.count ? checkpoint.ended[$0] : nil } ?? positions[scan].map { _ in false }
        }
        checkpoint.positions = positions
        if !hasSameTarget { checkpoint.sinkPosition = 0 }
        let generation = object.generation + 1
        let folder = engine.queryDirectory(object.id, generation: generation)
        if engine.fileSystem.exists(folder) { try engine.fileSystem.removeTree(folder) }
        let journal = try QueryJournal(directory: folder, fileSystem: engine.fileSystem)
        if plan.writesDifference, let after = replay?.folded {
            let batches = after.difference(from: past?.folded ?? FoldedOutput(), types: new.query.plan.outputTypes)
            if !batches.isEmpty {
                checkpoint.epoch += 1
                checkpoint.rowsOut += Int64(batches.reduce(0) { $0 + $1.count })
                try SwapOutput(epoch: checkpoint.epoch, batches: batches).write(to: folder, engine.fileSystem)
            }
        }
        _ = try journal.checkpoints.publish(checkpoint, graph.capture(all: true, pool: prepared.pool))
        try engine.replaceQuery(object, sql: sql, create: create, settings: settings, generation: generation)
    }
}

/// A graph that reads the past, up to positions that can be moved forward.
private final class Replay {
    let runner: QueryRunner
    let folded: FoldedOutput?
    private let inner: [any ReplayableSource]
    private let sources: [LimitedSource]

    init(_ prepared: PreparedQuery, _ settings: RunnerSettings, folds: Bool) throws {
        inner = prepared.sources
        sources = zip(prepared.sources, prepared.startPositions).map { LimitedSource($0, from: $1) }
        folded = folds ? FoldedOutput() : nil
        runner = QueryRunner(
            graph: prepared.graph, sources: sources, startPositions: prepared.startPositions, output: folded ?? ForgottenOutput(),
            errors: ForgottenErrors(), journal: nil, pool: prepared.pool, settings: settings)
        _ = try runner.recover()
    }

    func ends(_ scan: Int, nowMicroseconds: Int64) throws -> [Int64] {
        inner[scan].refreshShards()
        return try (0..<inner[scan].shardCount).map { try inner[scan].available(shard: $0, nowMicroseconds: nowMicroseconds) }
    }

    func run(to positions: [[Int64]], clock: Int64) throws {
        for (source, wanted) in zip(sources, positions) { source.raise(to: wanted) }
        while case .progressed = try runner.step(nowMicroseconds: clock) {}
    }
}

extension Session {
    /// ALTER QUERY, and CREATE OR REPLACE QUERY of one that is there.
    func alter(_ object: CatalogObject, to create: CreateQuery, sql: String, tag: String) throws -> StatementResult {
        let alteration = try QueryAlteration(self, object, to: create)
        alteration.notices.forEach(note)
        for line in try alteration.lines() { note(line) }
        return .running(tag: tag, try alteration.perform(sql: sql))
    }

    func alterQuery(_ create: CreateQuery, text: String) throws -> StatementResult {
        // The catalog keeps the statement that would create what there is now.
        try alter(try queryToAlter(create.name), to: create, sql: "CREATE" + text.dropFirst("ALTER".count), tag: "ALTER QUERY")
    }

    func explainAlter(_ create: CreateQuery) throws -> [String] {
        try QueryAlteration(self, try queryToAlter(create.name), to: create).lines()
    }

    private func queryToAlter(_ name: QualifiedName) throws -> CatalogObject {
        guard let object = engine.queryObject(named: name.last.name) else { throw unknown("query", name, among: engine.queryNames) }
        if engine.object(named: object.name)?.relation?.isMaterializedView == true {
            throw SQLError(
                "\"\(object.name)\" is a materialized view, whose query cannot be altered yet", at: name.span,
                hint: "CREATE OR REPLACE MATERIALIZED VIEW \(object.name) AS .. makes it anew from what the log retains", code: SQLError.featureNotSupported)
        }
        if object.isPaused {
            throw SQLError(
                "query \"\(object.name)\" is paused", at: name.span, hint: "RESUME QUERY \(object.name) first", code: "55000")
        }
        return object
    }
}
