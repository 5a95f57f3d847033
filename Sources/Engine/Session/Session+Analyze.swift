// EXPLAIN ANALYZE and EXPLAIN WATERMARK: what the operators of a query have done, and what event time waits for.
//
// The figures are those that a running query publishes a few times a second; times are of the monotonic clock, one reading per operator and epoch, and
// nothing but these texts depends on them. A SELECT is run to its end for it, and its rows are thrown away.

import Columns
import Dataflow
import Planning
import Platform
import Syntax

extension Session {
    // MARK: EXPLAIN ANALYZE

    func analyze(_ name: QualifiedName) throws -> [String] {
        let object = try savedQuery(name)
        let progress = try runningProgress(of: object)
        var lines = ["query \(object.name): \(progress.state.rawValue)\(progress.reason.map { ", \($0)" } ?? "")"]
        lines.append(
            "epoch \(progress.epoch), checkpoint of epoch \(progress.checkpointEpoch), watermark \(Session.show(progress.watermark)), behind \(progress.behind) rows")
        lines.append(
            "rows: \(progress.rowsIn) in, \(progress.rowsOut) out, \(progress.lateRows) late, \(progress.failedRows + progress.rejectedRows) failed, \(progress.expiredRows) expired")
        guard let figures = progress.figures else {
            lines.append("it has not run in this process: there are no figures of its operators")
            return lines
        }
        let run = figures.run
        lines.append(
            "time: \(Session.milliseconds(run.computeMicroseconds)) reading and computing, \(Session.milliseconds(run.outputMicroseconds)) waiting for the output, in \(run.epochs.count) epochs")
        if let holdup = progress.holdup { lines.append("held back by \(holdup)") }
        return lines + Session.operators(figures, output: figures.target ?? "output", rowsOut: progress.rowsOut)
    }

    func analyze(_ statement: Statement) throws -> [String] {
        guard case .query(let query) = statement.kind else {
            throw SQLError(
                "EXPLAIN ANALYZE runs a SELECT to its end; this statement would change something", at: statement.span,
                hint: "EXPLAIN shows its plan; EXPLAIN ANALYZE name shows a saved query that runs", code: SQLError.featureNotSupported)
        }
        if isAboutCatalog(query) {
            throw SQLError(
                "a query of the catalog has no operators", at: statement.span, hint: "EXPLAIN ANALYZE takes queries of streams and tables",
                code: SQLError.featureNotSupported)
        }
        let (planned, mode) = try engine.withCatalog { catalog throws(SQLError) in
            try Planner.plan(query, mode: nil, catalog: catalog, options: plannerOptions)
        }
        guard mode == .bounded else {
            throw SQLError(
                "a query that goes on has no end to be run to", at: statement.span,
                hint: "leave out STREAM and EMIT CHANGES, or look at a saved query: EXPLAIN ANALYZE name", code: SQLError.featureNotSupported)
        }
        planned.notices.forEach(note)
        var settings = runnerSettings
        settings.nanoseconds = { [engine] in engine.clock.monotonicNanoseconds() }
        let prepared = try engine.prepare(planned, mode: mode, isSelect: true, settings: settings, workerCount: self.settings.workerCount)
        let runner = QueryRunner(
            graph: prepared.graph, sources: prepared.sources, startPositions: prepared.startPositions, output: DiscardedOutput(),
            errors: DiscardedErrors(), journal: nil, pool: prepared.pool, settings: settings)
        let clock = SteadyClock(engine.clock)
        let started = engine.clock.monotonicNanoseconds()
        _ = try runner.recover()
        loop: while true {
            let version = prepared.waker.version
            switch try runner.step(nowMicroseconds: clock.nowMicroseconds()) {
            case .finished: break loop
            case .progressed: continue
            case .idle: prepared.waker.wait(changedFrom: version, milliseconds: 5)
            }
        }
        let elapsed = (engine.clock.monotonicNanoseconds() &- started) / 1_000
        let figures = runner.figures()
        return [
            "rows: \(runner.rowsIn) in, \(runner.rowsOut) out, \(runner.lateRows) late, \(runner.failedRows) failed",
            "time: \(Session.milliseconds(elapsed)), in \(runner.epoch) epochs with \(self.settings.workerCount) workers",
        ] + Session.operators(figures, output: "result", rowsOut: runner.rowsOut)
    }

    private func runningProgress(of object: CatalogObject) throws -> QueryProgress {
        engine.runningQuery(named: object.name)?.waitUntilRecovered(timeoutMilliseconds: 2_000)
        return engine.queryProgress().first { $0.name == object.name } ?? QueryProgress(name: object.name)
    }

    /// The operators from the output down, each below what it feeds.
    private static func operators(_ figures: QueryFigures, output: String, rowsOut: Int64) -> [String] {
        var lines: [String] = []
        var shown: Set<Int> = []
        func add(_ depth: Int, _ text: String) { lines.append(String(repeating: "  ", count: depth) + "-> " + text) }
        func feed(_ target: Int?, _ depth: Int) {
            for edge in figures.topology.edges where edge.target == target {
                let steps = edge.steps.isEmpty ? "" : " through " + edge.steps.joined(separator: ", ")
                switch edge.source {
                case .values: add(depth, "constant rows" + steps)
                case .scan(let scan):
                    guard figures.sources.indices.contains(scan) else { continue }
                    let source = figures.sources[scan]
                    let behind = source.shards.reduce(Int64(0)) { $0 &+ $1.behindRows }
                    add(depth, "scan \(source.relation)\(steps): \(source.rowsIn) rows, \(source.shards.count) shards, watermark \(show(source.watermark)), behind \(behind) rows")
                case .stage(let stage):
                    guard figures.operators.indices.contains(stage) else { continue }
                    let entry = figures.operators[stage]
                    let label = figures.topology.labels.indices.contains(stage) ? figures.topology.labels[stage] : entry.name
                    guard shown.insert(stage).inserted else {
                        add(depth, "\(entry.name)\(steps): as above")
                        continue
                    }
                    var text = "\(entry.name): \(entry.rowsIn) rows in, \(entry.rowsOut) out, \(milliseconds(entry.busyNanoseconds / 1_000))"
                    if entry.groups > 0 || entry.stateBytes > 0 { text += ", holds \(entry.groups) in \(entry.stateBytes) bytes" }
                    if entry.lateRows > 0 { text += ", \(entry.lateRows) late" }
                    if entry.failedRows > 0 { text += ", \(entry.failedRows) failed" }
                    if entry.watermark != .min { text += ", watermark \(show(entry.watermark))" }
                    add(depth, text + steps)
                    lines.append(String(repeating: "  ", count: depth + 1) + "   " + label)
                    feed(stage, depth + 1)
                }
            }
        }
        add(0, "\(output): \(rowsOut) rows, \(milliseconds(figures.outputBusyNanoseconds / 1_000))")
        feed(nil, 1)
        return lines
    }

    static func milliseconds(_ microseconds: UInt64) -> String {
        let thousandths = String(microseconds % 1_000)
        return "\(microseconds / 1_000)." + String(repeating: "0", count: 3 - thousandths.count) + thousandths + " ms"
    }

    // MARK: EXPLAIN WATERMARK

    func explainWatermark(_ name: QualifiedName) throws -> [String] {
        let object = try savedQuery(name)
        guard case .query(let create) = object.definition else { throw unknown("query", name, among: engine.queryNames) }
        let progress = try runningProgress(of: object)
        var lines = ["query \(object.name): \(progress.state.rawValue), watermark \(Session.show(progress.watermark))"]
        guard let figures = progress.figures else {
            lines.append("it has not run in this process: nothing is known of its shards")
            return lines
        }
        let now = engine.clock.nowMicroseconds()
        let open = figures.sources.filter { $0.watermark != .max }
        let lowest = open.map(\.watermark).min()
        for source in figures.sources {
            let holds = source.watermark == lowest
            var text = "\(source.relation): watermark \(Session.show(source.watermark))"
            if let since = source.sinceMicroseconds, source.watermark != .max { text += ", since \(Session.seconds(now &- since))" }
            if holds, figures.sources.count > 1, open.count > 1 { text += "; it holds the query's watermark" }
            lines.append(text)
            for (index, shard) in source.shards.enumerated() {
                var state: [String] = []
                if shard.hasEnded {
                    state.append("ended: it holds nothing back")
                } else if shard.isIdle {
                    state.append("idle: it holds nothing back until it brings a row")
                } else {
                    if shard.watermark == source.watermark { state.append(shard.watermark == .min ? "holds it: no row yet" : "holds it") }
                    if shard.behindRows > 0 {
                        state.append("behind by \(shard.behindRows) rows" + (shard.behindMicroseconds.map { ", the oldest there for \(Session.seconds($0))" } ?? ""))
                    } else {
                        state.append("read to its end")
                    }
                    if let since = shard.sinceMicroseconds { state.append("unchanged for \(Session.seconds(now &- since))") }
                }
                lines.append("  shard \(index): watermark \(Session.show(shard.watermark)); " + state.joined(separator: "; "))
            }
        }
        let plan = try engine.withCatalog { catalog throws(SQLError) in
            try Planner.plan(create.insert, catalog: catalog, options: plannerOptions(for: object))
        }.query.plan
        lines += Session.nextWindows(plan, watermark: progress.watermark)
        return lines
    }

    private static func seconds(_ microseconds: Int64) -> String {
        let tenths = max(0, microseconds) / 100_000
        return "\(tenths / 10).\(tenths % 10) s"
    }

    /// What closes when event time gets there, for each kind of window of the plan.
    private static func nextWindows(_ plan: PhysicalPlan, watermark: Int64) -> [String] {
        var lines: [String] = []
        var delays: [Int64] = []
        func visit(_ plan: PhysicalPlan) {
            switch plan {
            case .watermark(_, let node): if let delay = node.delayMicroseconds { delays.append(delay) }
            case .aggregate(_, let node):
                if let window = node.window { lines.append(next(window.shape)) }
            default: break
            }
            for input in plan.inputs { visit(input) }
        }
        func next(_ shape: WindowShape) -> String {
            let name: String
            let step: Int64
            let offset: Int64
            switch shape {
            case .tumble(let size, let start): (name, step, offset) = ("tumble", size, start)
            case .hop(let size, let slide, let start):
                // Ends lie a slide apart, counted from the size.
                (name, step, offset) = ("hop", slide, start &+ size % slide)
            case .cumulate(_, let each, let start): (name, step, offset) = ("cumulate", each, start)
            case .session(let gap):
                return "session windows close when the watermark is \(seconds(gap)) behind their last row"
            }
            guard watermark != .min, watermark != .max, step > 0 else {
                return "\(name) windows: " + (watermark == .max ? "all are closed" : "the first closes when event time has begun")
            }
            let past = (watermark &- offset) % step
            let left = past < 0 ? -past : step &- past
            let end = watermark &+ left
            return "next: the \(name) windows that end at \(show(end)) close when the watermark gets there, in \(seconds(left)) of event time"
        }
        visit(plan)
        if let delay = delays.max(), delay > 0, !lines.isEmpty { lines.append("the watermark follows the newest row at a distance of \(seconds(delay))") }
        if lines.isEmpty { lines.append("nothing waits for the watermark: no windows by event time") }
        return lines
    }
}

private final class DiscardedOutput: QueryOutput {
    var isDurable: Bool { false }
    func restore(to position: Int64?) throws {}
    func emit(_ batches: [RowBatch], epoch: UInt64, clockMicroseconds: Int64) throws -> [FailedRow] { [] }
    func position() throws -> Int64 { 0 }
    func synchronize() throws {}
    func close() throws {}
}

/// Rows that fail are counted by the runner, and only counted.
private final class DiscardedErrors: ErrorOutput {
    func emit(rejected: [RejectedRow], failures: [FailedRow], late: [LateRow], epoch: UInt64, clockMicroseconds: Int64) throws {}
    func synchronize() throws {}
}
