// NotifierRunner: one notifier on a thread of its own: reads the stream `alerts` from its own place, keeps NotifierCore's state on the disk, and tries.
//
// 1. Read what is there, unless too much waits already. Accept it, freeze what is due.
// 2. Keep the state. Only then is a new batch tried, so that after a crash the same batch goes out again, with the same key.
// 3. Try. What came of it goes to `alert_deliveries`, dead letters to `alert_dead_letters`; then the state is kept again, at the latest 200 ms later when
//    there is much to tell. A dead letter that cannot be written is not forgotten: until it can, the state before it stays on the disk.
//
// So every transition is told at least once, or is a dead letter, or has a row that says why not; repeated with the same key.
//
// A state that cannot be kept (a full disk) stops nothing: who waits for an alarm would rather have it twice.

import Columns
import Engine
import Platform

package final class NotifierRunner: @unchecked Sendable {
    // Safe to share: `run` is the thread's own; others only stop it and look at `isSettled`.
    package let entry: Engine.NotifierEntry
    private let engine: Engine
    private let clock: any Clock
    private let fileSystem: any FileSystem
    private let makeTransport: @Sendable (NotifierDefinition) -> any Transport
    private let isStopping = Flag()
    private let lock = Lock()
    private var tail: TailCursor?
    private var settled = false
    private var isRefused = false
    private var figures = NotifierFigures()
    private var lastFault = ""
    /// Dead letters that could not be written yet.
    private var unwritten: [[Value]] = []
    private static let idleMilliseconds = 200
    /// How long what was told may be unkept while there is more to tell: after a crash that much is told again.
    private static let keepingNanoseconds: UInt64 = 200_000_000

    package init(
        _ entry: Engine.NotifierEntry, engine: Engine, clock: any Clock, fileSystem: any FileSystem,
        makeTransport: @escaping @Sendable (NotifierDefinition) -> any Transport
    ) {
        self.entry = entry
        self.engine = engine
        self.clock = clock
        self.fileSystem = fileSystem
        self.makeTransport = makeTransport
    }

    package func stop() {
        isStopping.set()
        lock.locked { tail }?.cancel()
    }

    /// Everything that the stream held has been told, or waits for a time that has not come.
    package var isSettled: Bool { lock.locked { settled } }

    /// What it said before counts no more: it is to look again. One that cannot run has nothing to look at.
    package func unsettle() { lock.locked { settled = isRefused } }

    private func say(_ fault: String) {
        // Once, not five times a second.
        if fault != lastFault { engine.options.onNotice("notifier \(entry.name): \(fault)") }
        lastFault = fault
    }

    /// The thread's body.
    package func run() {
        let definition: NotifierDefinition
        do { definition = try NotifierDefinition(entry.create) } catch { return refuse(error.message) }
        if definition.kind == .command, !engine.options.allowsCommands { return refuse("commands are not allowed: start the program with --allow-commands") }
        let outbox = OutboxFile(directory: engine.directory, id: entry.id, fileSystem: fileSystem)
        var core = NotifierCore(definition: definition)
        var adopts = false
        do throws(FileError) {
            switch try outbox.load() {
            case .none: adopts = true
            case .state(let state, let notice):
                if let notice { say(notice) }
                core = NotifierCore(definition: definition, state: state)
            case .damaged(let what):
                say("\(what); what fires now is told again, what ended meanwhile is not")
                return begin(core, outbox, definition, isDamaged: true)
            }
        } catch { return refuse("\(error)") }
        begin(core, outbox, definition, isDamaged: false, adopts: adopts)
    }

    private func refuse(_ reason: String) {
        figures.state = .refused
        figures.lastError = reason
        engine.notifierBoard.set(entry.id, figures)
        say(reason)
        lock.locked { (settled, isRefused) = (true, true) }
    }

    private func begin(_ start: NotifierCore, _ outbox: OutboxFile, _ definition: NotifierDefinition, isDamaged: Bool, adopts: Bool = false) {
        var core = start
        let transport = makeTransport(definition)
        var reader: AlertTransitionReader?
        var mustAdopt = adopts || isDamaged
        var streamID: UInt64 = 0
        while !isStopping.isSet {
            do {
                // Which stream: it may come later, or be made anew.
                let found = engine.streamID(named: AlertTransition.streamName) ?? 0
                if found != streamID || reader == nil, found != 0 {
                    let positions: [UInt64]
                    if isDamaged, mustAdopt {
                        let end = try engine.tailCursor(stream: AlertTransition.streamName, from: .latest, follows: true)
                        positions = end.positions
                    } else if core.state.streamID == found {
                        positions = core.state.positions
                    } else {
                        positions = core.state.streamID == 0 ? entry.startPositions : []
                    }
                    let places = Dictionary(uniqueKeysWithValues: positions.enumerated().map { ($0.offset, $0.element) })
                    let cursor = try engine.tailCursor(stream: AlertTransition.streamName, from: .trimHorizon, positions: places, follows: true)
                    reader = try AlertTransitionReader(schema: cursor.schema)
                    for (shard, position) in cursor.positions.enumerated() where shard < positions.count && position > positions[shard] {
                        say("\(position - positions[shard]) transitions were removed by retention before they were read")
                    }
                    lock.locked { tail = cursor }
                    streamID = found
                    if mustAdopt, let reader { try adopt(&core, reader, upTo: positions) }
                    mustAdopt = false
                    core.setPositions(cursor.positions, streamID: found)
                }
                try step(&core, outbox, transport, reader, streamID)
                if !figures.isFailing { lastFault = "" }
            } catch {
                figures.lastError = "\(error)"
                engine.notifierBoard.set(entry.id, figures)
                say("\(error)")
                pause(milliseconds: 500)
            }
        }
        // What could not be written stays in the state on the disk.
        if unwritten.isEmpty { save(&core, outbox) }
        figures.state = .stopped
        engine.notifierBoard.set(entry.id, figures)
    }

    /// What was firing where its own reading begins is told as if it came now.
    private func adopt(_ core: inout NotifierCore, _ reader: AlertTransitionReader, upTo positions: [UInt64]) throws {
        guard positions.contains(where: { $0 > 0 }) else { return }
        var past = AlertBoard()
        let history = try engine.tailCursor(stream: AlertTransition.streamName, from: .trimHorizon, follows: false)
        loop: while !isStopping.isSet {
            switch try history.next(timeoutMilliseconds: 0) {
            case .rows(let rows):
                let end = rows.shard < positions.count ? positions[rows.shard] : 0
                for row in 0..<rows.batch.count where rows.firstSequence &+ UInt64(row) < end {
                    if let transition = reader.transition(rows.batch, row: row) { past.apply(transition) }
                }
            case .idle, .end: break loop
            }
        }
        let now = clock.nowMicroseconds()
        let board = try engine.alertBoard()
        record(core.adopt(past.sorted.reversed().compactMap(\.fired), at: now) { board.suppression(of: $0, at: now) })
    }

    private func step(
        _ core: inout NotifierCore, _ outbox: OutboxFile, _ transport: any Transport, _ reader: AlertTransitionReader?, _ streamID: UInt64
    ) throws {
        var transitions: [AlertTransition] = []
        var isAtEnd = true
        if let tail, let reader, !core.isFull {
            let now = clock.nowMicroseconds()
            var wait = core.nextDue(at: now).map { max(0, ($0 &- now) / 1_000) } ?? Int64(Self.idleMilliseconds)
            // What is due and is not told, because something else holds it, is not looked at without a pause.
            if core.dueBatches(at: now).isEmpty { wait = max(wait, 10) }
            if case .rows(let rows) = try tail.next(timeoutMilliseconds: Int(min(wait, Int64(Self.idleMilliseconds)))) {
                transitions = (0..<rows.batch.count).compactMap { reader.transition(rows.batch, row: $0) }
                isAtEnd = false
            }
        } else {
            pause(milliseconds: core.isFull ? 20 : 100)
        }
        if isStopping.isSet { return }
        let now = clock.nowMicroseconds()
        // A notifier that has nothing to do asks nothing.
        let isActive = !transitions.isEmpty || core.hasHeld || !core.isIdle || core.nextDue(at: now) != nil
        let board = isActive ? try engine.alertBoard() : AlertBoard()
        func suppress(_ transition: AlertTransition) -> AlertBoard.Suppression? { board.suppression(of: transition, at: now) }
        var outcomes: [DeliveryOutcome] = []
        for transition in transitions { outcomes += core.accept(transition, at: now, suppress: suppress) }
        outcomes += core.tick(at: now, suppress: suppress)
        if let tail { core.setPositions(tail.positions, streamID: streamID) }
        keep(&core, outbox, outcomes)
        let due = core.dueBatches(at: now)
        var lately: [DeliveryOutcome] = []
        var keptNanoseconds = clock.monotonicNanoseconds()
        for batch in due where !isStopping.isSet {
            lately += attempt(batch, &core, transport)
            guard clock.monotonicNanoseconds() &- keptNanoseconds > Self.keepingNanoseconds || !unwritten.isEmpty else { continue }
            keep(&core, outbox, lately)
            lately = []
            keptNanoseconds = clock.monotonicNanoseconds()
        }
        keep(&core, outbox, lately)
        publish(core, isAtEnd: isAtEnd && due.isEmpty)
    }

    /// Dead letters first: until they are written, the state on the disk is the one in which they wait.
    private func keep(_ core: inout NotifierCore, _ outbox: OutboxFile, _ outcomes: [DeliveryOutcome]) {
        record(outcomes)
        if !unwritten.isEmpty {
            do {
                try engine.appendOwn(stream: DeadLetter.streamName, definition: DeadLetter.definition, rows: unwritten, types: DeadLetter.types)
                unwritten = []
            } catch { return say("\(error)") }
        }
        save(&core, outbox)
    }

    private func attempt(_ batch: NotifierState.Batch, _ core: inout NotifierCore, _ transport: any Transport) -> [DeliveryOutcome] {
        // It was dropped or replaced a moment ago: the one that follows tells it, where it is to be told now.
        guard engine.notifierEntries().contains(where: { $0.id == entry.id && $0.sql == entry.sql }) else {
            pause(milliseconds: 20)
            return []
        }
        // Another one of this round may have found that nothing can be reached.
        if core.isPaused(at: clock.nowMicroseconds()) { return [] }
        figures.state = .sending
        engine.notifierBoard.set(entry.id, figures)
        let definition = core.definition
        let body: String
        switch definition.kind {
        case .alertmanager: body = NotificationBody.alertmanager(batch, definition, at: clock.nowMicroseconds())
        case .stream: body = NotificationBody.lines(batch)
        case .webhook, .command: body = NotificationBody.json(batch, definition)
        }
        let request = TransportRequest(
            key: batch.key, body: body, isJSON: definition.template?.isJSON ?? true,
            status: batch.items.contains { $0.transition.to == .firing } ? "firing" : "resolved", attempt: batch.attemptCount &+ 1)
        let result = transport.send(request) { isStopping.isSet }
        // What was broken off by our own end was no attempt: it comes again at the next beginning.
        if isStopping.isSet, case .failed = result { return [] }
        let now = clock.nowMicroseconds()
        let (outcomes, dead) = core.complete(batch.id, result, at: now)
        unwritten += dead.map { $0.row(notifier: definition.name, body: body) }
        switch result {
        case .delivered:
            figures.deliveredCount &+= Int64(batch.items.count)
            figures.lastDeliveryMicroseconds = now
            figures.isFailing = false
        case .refused(_, let reason), .failed(let reason, _, _):
            figures.failedCount &+= 1
            figures.lastError = reason
            figures.isFailing = true
        }
        figures.deadCount &+= Int64(dead.count)
        return outcomes
    }

    /// History: when it cannot be written, nothing waits for it.
    private func record(_ outcomes: [DeliveryOutcome]) {
        guard !outcomes.isEmpty else { return }
        figures.suppressedCount &+= Int64(outcomes.count { ["silenced", "inhibited", "acknowledged"].contains($0.outcome) })
        do {
            try engine.appendOwn(
                stream: DeliveryOutcome.streamName, definition: DeliveryOutcome.definition, rows: outcomes.map { $0.row(notifier: entry.name) },
                types: DeliveryOutcome.types)
        } catch { say("\(error)") }
    }

    private func save(_ core: inout NotifierCore, _ outbox: OutboxFile) {
        guard core.isDirty else { return }
        do throws(FileError) {
            try outbox.save(core.state)
            _ = core.takeDirty()
        } catch { say("\(error)") }
    }

    private func publish(_ core: NotifierCore, isAtEnd: Bool) {
        let now = clock.nowMicroseconds()
        figures.waitingCount = Int64(core.waitingCount)
        figures.behindCount = Int64(clamping: tail?.remaining ?? 0)
        let isRetrying = core.state.groups.values.contains { ($0.batches.first?.attemptCount ?? 0) > 0 }
        figures.state = isRetrying ? .retrying : core.isIdle ? .idle : .sending
        engine.notifierBoard.set(entry.id, figures)
        let isDue = core.nextDue(at: now).map { $0 <= now } ?? false
        lock.locked { settled = isAtEnd && !isDue && figures.behindCount == 0 }
    }

    private func pause(milliseconds: Int) {
        // Short slices: an end is not kept waiting.
        for _ in 0..<max(1, milliseconds / 20) where !isStopping.isSet { Pause.milliseconds(20) }
    }
}
