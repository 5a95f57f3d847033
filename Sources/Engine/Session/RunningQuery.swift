// RunningQuery: a query that runs on a thread of its own until its inputs end, it fails, or it is stopped.
//
// The thread steps the runner; when there is nothing to do it waits for the log's signal, the runner's deadline, or (for sources that
// cannot signal) a few milliseconds. Its end is remembered with the reason; the other queries go on. A query with a journal that fails because the disk
// is full, or only once refused, begins again from it (QueryRestart); meanwhile it is shown as waiting.

import Platform

package final class RunningQuery: @unchecked Sendable {
    // Safe to share: what threads share is behind the lock; the runner belongs to the query's own thread.
    package let name: String
    package let id: UInt64
    package let isSaved: Bool
    /// Whether every source ends.
    package let isBounded: Bool
    /// Whether there can ever be nothing to do.
    let canCatchUp: Bool
    /// Whether it has a journal from which it can begin again after a failure.
    var canRestart = false
    /// The relation that it writes.
    var target: String?
    /// What it reads and writes, in lower case.
    let relationNames: Set<String>

    private let lock = Lock()
    private let changed = Condition()
    private var latest: QueryProgress
    /// What `latest` says of how far the query is behind, to be asked again; nil before it has run.
    private var lag: QueryLag?
    private var isOver = false
    private var hasRecovered = false
    private let stopRequested = Flag()
    private let waker: QueryWaker?
    private let notice: @Sendable (String) -> Void
    /// Used by the query's own thread only.
    private var lastDetailed: UInt64 = 0
    private var lastDetailedEpoch: UInt64?
    private static let detailsMilliseconds = 200
    private var saidFault: (fault: String, nanoseconds: UInt64) = ("", 0)
    /// The waker's version before the last step that found nothing to do.
    private var idleVersion: UInt64?
    /// Instead of a thread: what steps the query from outside. Used by one thread.
    private var stepper: QueryStepper?

    init(
        name: String, id: UInt64, isSaved: Bool, isBounded: Bool, canCatchUp: Bool, relationNames: Set<String>, statement: String,
        waker: QueryWaker?, notice: @escaping @Sendable (String) -> Void
    ) {
        self.name = name
        self.id = id
        self.isSaved = isSaved
        self.isBounded = isBounded
        self.canCatchUp = canCatchUp
        self.relationNames = relationNames
        self.waker = waker
        self.notice = notice
        latest = QueryProgress(name: name)
        latest.statement = statement
    }

    /// A query that could not even be started.
    static func failed(name: String, id: UInt64, statement: String, reason: String) -> RunningQuery {
        let query = RunningQuery(
            name: name, id: id, isSaved: true, isBounded: true, canCatchUp: true, relationNames: [], statement: statement, waker: nil,
            notice: { _ in })
        query.latest.state = .failed
        query.latest.reason = reason
        query.isOver = true
        return query
    }

    package func progress() -> QueryProgress {
        let (known, lag) = lock.locked { (latest, isOver ? nil : self.lag) }
        var progress = known
        lag?.update(&progress)
        return progress
    }

    package var hasEnded: Bool { lock.locked { isOver } }

    /// True when the query is over, false when the time has passed before.
    package func wait(timeoutMilliseconds: Int) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        if !isOver { changed.wait(lock, milliseconds: timeoutMilliseconds) }
        return isOver
    }

    /// Waits until the query stands where it stood when it last ran, so that its progress tells something.
    func waitUntilRecovered(timeoutMilliseconds: Int) {
        lock.lock()
        defer { lock.unlock() }
        if !hasRecovered && !isOver { changed.wait(lock, milliseconds: timeoutMilliseconds) }
    }

    /// Asks the query to checkpoint and stop, and waits until it has.
    package func stop() {
        stopRequested.set()
        waker?.wake()
        if stepper != nil { endStepping(.stopped) }
        lock.lock()
        while !isOver { changed.wait(lock) }
        lock.unlock()
    }

    /// Whether the query has processed all that was there when the waker stood at `version`.
    func isCaughtUp(with version: UInt64) -> Bool {
        lock.locked { isOver || (idleVersion.map { $0 >= version } ?? false) }
    }

    // MARK: The query's own thread

    /// Runs `runner` to its end. `makeRunner` builds and recovers it, so that a failure there is the query's failure too.
    func run(clock: any Clock, makeRunner: () throws -> QueryRunner) {
        var state = QueryProgress.State.ended
        var reason: String?
        var restart = QueryRestart()
        while true {
            do {
                let runner = try makeRunner()
                publish(runner)
                state = try loop(runner, clock: clock)
                try runner.checkpoint()
                publish(runner)
                try runner.close()
                break
            } catch {
                let delay = canRestart ? restart.delay(after: error, nowNanoseconds: clock.monotonicNanoseconds()) : nil
                if delay != nil, stopRequested.isSet {
                    // The journal holds what a checkpoint would have said.
                    state = .stopped
                    reason = "stopped without a checkpoint: \(error)"
                    notice("query \(name) \(reason ?? "")")
                    break
                }
                guard let delay else {
                    state = .failed
                    reason = "\(error)"
                    notice("query \(name) failed: \(error)")
                    break
                }
                pause("\(error)", milliseconds: delay, clock: clock)
            }
        }
        conclude(state, reason)
    }

    private func conclude(_ state: QueryProgress.State, _ reason: String?) {
        lock.locked {
            latest.state = state
            latest.reason = reason
            isOver = true
        }
        changed.broadcast()
    }

    // MARK: Without a thread

    /// For an engine without threads: nothing runs until `step`.
    func prepareStepping(clock: any Clock, makeRunner: @escaping () throws -> QueryRunner) {
        stepper = QueryStepper(clock: clock, makeRunner: makeRunner)
    }

    /// What `step` steps, once it has recovered.
    var steppedRunner: QueryRunner? { stepper?.runner }

    /// Recovers the query when that has not been done, and runs at most one epoch. nil when the query is over. What fails it is its end, as on a
    /// thread.
    package func step() -> StepOutcome? {
        guard let stepper, !hasEnded else { return nil }
        guard stepper.clock.monotonicNanoseconds() >= stepper.resumeNanoseconds else { return .idle(until: nil) }
        do {
            let runner = try stepper.recovered()
            let outcome = try runner.step(nowMicroseconds: stepper.clock.nowMicroseconds())
            publish(runner)
            if case .finished = outcome { endStepping(.ended) }
            return outcome
        } catch {
            return fail(error)
        }
    }

    /// Publishes a checkpoint now.
    package func checkpoint() {
        guard let stepper, !hasEnded, stepper.clock.monotonicNanoseconds() >= stepper.resumeNanoseconds else { return }
        do {
            try stepper.recovered().checkpoint()
        } catch {
            _ = fail(error)
        }
    }

    private func endStepping(_ state: QueryProgress.State) {
        guard let stepper, !hasEnded else { return }
        do {
            if let runner = stepper.runner {
                try runner.checkpoint()
                publish(runner)
                try runner.close()
            }
            conclude(state, nil)
        } catch {
            guard fail(error) != nil else { return }
            notice("query \(name) stopped without a checkpoint: \(error)")
            conclude(.stopped, "stopped without a checkpoint: \(error)")
        }
    }

    /// Lets the query begin again after a while when that may help, or ends it: then nil.
    private func fail(_ error: any Error) -> StepOutcome? {
        if let stepper, canRestart {
            let now = stepper.clock.monotonicNanoseconds()
            if let delay = stepper.restart.delay(after: error, nowNanoseconds: now) {
                stepper.beginAgain(at: now &+ UInt64(delay) &* 1_000_000)
                lock.locked {
                    latest.state = .waiting
                    latest.reason = "\(error)"
                }
                notice("query \(name) waits: \(error)")
                return .idle(until: nil)
            }
        }
        notice("query \(name) failed: \(error)")
        conclude(.failed, "\(error)")
        return nil
    }

    /// Waits before the query begins again, and shows why.
    private func pause(_ fault: String, milliseconds: Int, clock: any Clock) {
        let start = clock.monotonicNanoseconds()
        lock.locked {
            latest.state = .waiting
            latest.reason = fault
        }
        // The same fault is said once a minute, however often it comes back.
        if saidFault.fault != fault || start &- saidFault.nanoseconds > 60_000_000_000 {
            saidFault = (fault, start)
            notice("query \(name) waits: \(fault)")
        }
        changed.broadcast()
        while !stopRequested.isSet {
            let passed = Int(clamping: (clock.monotonicNanoseconds() &- start) / 1_000_000)
            guard passed < milliseconds, let waker else { return }
            waker.wait(changedFrom: waker.version, milliseconds: min(50, milliseconds - passed))
        }
    }

    private func loop(_ runner: QueryRunner, clock: any Clock) throws -> QueryProgress.State {
        var lastPublished: UInt64 = 0
        while !stopRequested.isSet {
            let version = waker?.version ?? 0
            let outcome = try runner.step(nowMicroseconds: clock.nowMicroseconds())
            let now = clock.monotonicNanoseconds()
            switch outcome {
            case .finished: return .ended
            case .progressed:
                if now &- lastPublished > 20_000_000 {
                    publish(runner, now: now)
                    lastPublished = now
                }
            case .idle(let deadline):
                publish(runner, idleVersion: version, now: now)
                lastPublished = now
                var milliseconds = waker?.pollMilliseconds ?? 5
                // The details of the last epochs are shown soon, also when nothing more comes.
                if lastDetailedEpoch != runner.epoch { milliseconds = min(milliseconds, Self.detailsMilliseconds) }
                if let deadline { milliseconds = min(milliseconds, max(1, Int((deadline - clock.nowMicroseconds()) / 1_000) + 1)) }
                waker?.wait(changedFrom: version, milliseconds: milliseconds)
            }
        }
        return .stopped
    }

    /// `now` in monotonic nanoseconds: what costs more to find out is looked for a few times a second only.
    private func publish(_ runner: QueryRunner, idleVersion version: UInt64? = nil, now: UInt64? = nil) {
        var details: (holdup: String?, figures: QueryFigures)?
        if now == nil || now.map({ $0 &- lastDetailed >= UInt64(Self.detailsMilliseconds) * 1_000_000 }) == true {
            var figures = runner.figures()
            if let wall = runner.wallMicroseconds { figures.note(before: lock.locked { latest.figures }, nowMicroseconds: wall) }
            details = (runner.holdup(), figures)
            lastDetailed = now ?? lastDetailed
            lastDetailedEpoch = runner.epoch
        }
        let lag = runner.lag()
        lock.locked {
            hasRecovered = true
            self.lag = lag
            if let details {
                latest.holdup = details.holdup
                latest.stateByteCount = details.figures.stateByteCount
                latest.figures = details.figures
                latest.figures?.target = target
            }
            if let version { idleVersion = version }
            latest.epoch = runner.epoch
            latest.rowsIn = runner.rowsIn
            latest.rowsOut = runner.rowsOut
            latest.lateRows = runner.lateRows
            latest.failedRows = runner.failedRows
            latest.rejectedRows = runner.rejectedRows
            latest.expiredRows = runner.expiredRows
            latest.watermark = runner.watermark
            latest.behind = runner.behind
            latest.checkpointEpoch = runner.checkpointEpoch
            latest.state = .running
            latest.reason = nil
        }
        changed.broadcast()
    }
}

/// A query that is stepped from outside: its runner, made and recovered at the first step, and anew when it has to begin again.
private final class QueryStepper {
    let clock: any Clock
    var restart = QueryRestart()
    private(set) var resumeNanoseconds: UInt64 = 0
    private let makeRunner: () throws -> QueryRunner
    private(set) var runner: QueryRunner?

    init(clock: any Clock, makeRunner: @escaping () throws -> QueryRunner) {
        self.clock = clock
        self.makeRunner = makeRunner
    }

    func recovered() throws -> QueryRunner {
        if let runner { return runner }
        let made = try makeRunner()
        runner = made
        return made
    }

    func beginAgain(at nanoseconds: UInt64) {
        runner = nil
        resumeNanoseconds = nanoseconds
    }
}
