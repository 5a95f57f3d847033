// SELECT, INSERT and CREATE QUERY: from a planned query to something that runs.

import Columns
import Dataflow
import Planning
import Platform
import Syntax

extension Session {
    func select(_ query: Query) throws -> StatementResult {
        if let cursor = try systemSelect(query) { return .rows(cursor) }
        let (planned, mode) = try engine.withCatalog { catalog throws(SQLError) in
            try Planner.plan(query, mode: nil, catalog: catalog, options: plannerOptions)
        }
        planned.notices.forEach(note)
        let output = CursorOutput()
        let errors = CursorErrors(isBounded: mode == .bounded, notice: engine.options.onNotice)
        let prepared = try engine.prepare(
            planned, mode: mode, isSelect: true, settings: runnerSettings, workerCount: settings.workerCount)
        let runner = QueryRunner(
            graph: prepared.graph, sources: prepared.sources, startPositions: prepared.startPositions, output: output, errors: errors,
            journal: nil, pool: prepared.pool, settings: runnerSettings)
        let place = place
        let driver = CursorDriver(runner: runner, output: output, clock: SteadyClock(engine.clock), waker: prepared.waker)
        return .rows(
            Cursor(
                schema: planned.schema, isChangelog: planned.changelog == .retract, isLive: mode == .continuous,
                wake: { [waker = prepared.waker] in waker.wake() },
                watermark: { driver.watermark },
                pull: { timeout, isCancelled in
                    do {
                        return try driver.pull(timeoutMilliseconds: timeout, isCancelled: isCancelled)
                    } catch let failure as ExpressionFailure {
                        throw place.located(failure)
                    }
                }))
    }

    func insert(_ insert: Insert, text: String) throws -> StatementResult {
        let planned = try engine.withCatalog { catalog throws(SQLError) in
            try Planner.plan(insert, catalog: catalog, options: plannerOptions)
        }
        planned.query.notices.forEach(note)
        try Session.refuseView(planned.target, at: insert.target.span)
        let target = try engine.target(planned.target, at: insert.target.span)
        let isConstant = Session.isConstant(insert.query)
        let name = isConstant ? target.name : engine.uniqueName(for: target.name)
        let running = try engine.start(
            planned.query, name: name, errorName: target.name, target: target, savedAs: nil, statement: text,
            settings: runnerSettings, workerCount: settings.workerCount, checksFirst: true)
        guard isConstant else { return .running(tag: "INSERT", running) }
        // An engine without threads leaves the steps to its caller.
        while !running.wait(timeoutMilliseconds: engine.options.isSingleThreaded ? 0 : 1_000) { _ = running.step() }
        let progress = running.progress()
        engine.forget(running)
        if progress.state == .failed { throw EngineError(progress.reason ?? "the insertion failed") }
        if progress.failedRows > 0 { note("\(progress.failedRows) rows failed: see \(engine.errorStreamName(for: target.name))") }
        return .done(tag: "INSERT 0 \(progress.rowsOut)")
    }

    func createQuery(_ create: CreateQuery, text: String) throws -> StatementResult {
        let name = create.name.last.name
        if let alert = engine.alertObject(named: name) {
            throw SQLError("alert \"\(alert.name)\" already exists", at: create.name.span, hint: "give the query another name", code: SQLError.duplicateObject)
        }
        if let existing = engine.queryObject(named: name) {
            if existing.isPaused, create.ifNotExists || (create.orReplace && existing.sql == text) {
                note("query \"\(existing.name)\" is paused: RESUME QUERY \(existing.name) lets it go on")
                return .done(tag: "CREATE QUERY")
            }
            if create.ifNotExists || (create.orReplace && existing.sql == text), let running = engine.runningQuery(named: existing.name) {
                return .running(tag: "CREATE QUERY", running)
            }
            guard create.orReplace else {
                throw SQLError(
                    "query \"\(existing.name)\" already exists", at: create.name.span,
                    hint: "use IF NOT EXISTS, OR REPLACE, or DROP QUERY \(existing.name) first", code: SQLError.duplicateObject)
            }
            return try alter(existing, to: create, sql: text, tag: "CREATE QUERY")
        }
        let planned = try engine.withCatalog { catalog throws(SQLError) in
            try Planner.plan(create.insert, catalog: catalog, options: plannerOptions)
        }
        planned.query.notices.forEach(note)
        try Session.refuseView(planned.target, at: create.insert.target.span)
        let target = try engine.target(planned.target, at: create.insert.target.span)
        let running = try engine.start(
            planned.query, name: name, errorName: name, target: target, savedAs: create, kept: settings.querySettings, statement: text,
            settings: runnerSettings,
            workerCount: settings.workerCount, checksFirst: true)
        return .running(tag: "CREATE QUERY", running)
    }

    /// Only its own query writes a materialized view.
    static func refuseView(_ target: RelationDefinition, at span: SourceSpan) throws(SQLError) {
        guard target.isMaterializedView else { return }
        throw SQLError(
            "\"\(target.name)\" is a materialized view: its own query alone writes it", at: span, hint: "CREATE OR REPLACE MATERIALIZED VIEW gives it another",
            code: "42809")
    }

    /// VALUES, or a SELECT without FROM: done at once.
    static func isConstant(_ query: Query) -> Bool {
        switch query.body {
        case .values: true
        case .select(let select): select.from.isEmpty
        case .setOperation(_, _, let left, let right, _): isConstant(left) && isConstant(right)
        }
    }
}

/// Steps a runner on the cursor's thread until there are rows to give.
private final class CursorDriver: @unchecked Sendable {
    // Safe to share: a cursor is used by one thread at a time.
    private let runner: QueryRunner
    private let output: CursorOutput
    private let clock: any Clock
    private let waker: QueryWaker
    private var isFinished = false
    private var hasRecovered = false

    init(runner: QueryRunner, output: CursorOutput, clock: any Clock, waker: QueryWaker) {
        self.runner = runner
        self.output = output
        self.clock = clock
        self.waker = waker
    }

    var watermark: Int64 { runner.watermark }

    func pull(timeoutMilliseconds: Int, isCancelled: () -> Bool) throws -> CursorEvent {
        if !hasRecovered {
            _ = try runner.recover()
            hasRecovered = true
        }
        let deadline = clock.monotonicNanoseconds() &+ UInt64(max(0, timeoutMilliseconds)) &* 1_000_000
        while true {
            if let batch = output.take() { return .rows(batch) }
            if isFinished || isCancelled() { return .end }
            let version = waker.version
            switch try runner.step(nowMicroseconds: clock.nowMicroseconds()) {
            case .finished: isFinished = true
            case .progressed:
                if clock.monotonicNanoseconds() >= deadline && output.isEmpty { return .idle }
            case .idle(let until):
                let now = clock.monotonicNanoseconds()
                guard now < deadline else { return .idle }
                var milliseconds = min(waker.pollMilliseconds, Int((deadline - now) / 1_000_000) + 1)
                if let until { milliseconds = min(milliseconds, max(1, Int((until - clock.nowMicroseconds()) / 1_000) + 1)) }
                waker.wait(changedFrom: version, milliseconds: milliseconds)
            }
        }
    }
}

/// A SELECT has no error stream: a failing row ends a plain one with an error, and a live one says so and goes on.
final class CursorErrors: ErrorOutput {
    private let isBounded: Bool
    private let notice: @Sendable (String) -> Void
    private var lateRows = 0

    init(isBounded: Bool, notice: @escaping @Sendable (String) -> Void) {
        self.isBounded = isBounded
        self.notice = notice
    }

    func emit(rejected: [RejectedRow], failures: [FailedRow], late: [LateRow], epoch: UInt64, clockMicroseconds: Int64) throws {
        if let first = failures.first {
            if isBounded { throw ExpressionFailure(message: first.message, expression: first.expression) }
            notice("\(failures.count) rows failed, the first with: \(first.message) in \(first.expression)")
        }
        if let first = rejected.first {
            notice("\(rejected.count) rows could not be decoded, the first at \(first.origin): \(first.reason)")
        }
        if !late.isEmpty { notice("\(late.count) rows came late and are not in the result") }
    }

    func synchronize() throws {}
}
