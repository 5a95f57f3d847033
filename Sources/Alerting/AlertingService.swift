// AlertingService: runs the notifiers of an engine: whoever holds a data directory (server, prompt, script) has one.
//
// A thread looks at the catalog a few times a second: a new notifier gets a runner with a thread of its own, a changed one another runner, one that was
// dropped ends, and what it had kept goes. So a receiver that is dead, or slow, holds up nothing but itself.

import Engine
import Glibc
import Platform

package final class AlertingService: @unchecked Sendable {
    // Safe to share: what changes is behind the lock, or the supervisor's own.
    private struct Running {
        var runner: NotifierRunner
        var thread: JoinableThread
    }

    private let engine: Engine
    private let clock: any Clock
    private let fileSystem: any FileSystem
    private let makeTransport: @Sendable (NotifierDefinition) -> any Transport
    private let lock = Lock()
    private var running: [UInt64: Running] = [:]
    private var supervisor: JoinableThread?
    private let isStopping = Flag()
    private static let lookMilliseconds = 100

    package init(engine: Engine, clock: any Clock = SystemClock(), fileSystem: any FileSystem = PosixFileSystem(), transport: (@Sendable (NotifierDefinition) -> any Transport)? = nil) {
        self.engine = engine
        self.clock = clock
        self.fileSystem = fileSystem
        makeTransport = transport ?? { AlertingService.transport(for: $0, engine: engine) }
    }

    private static func transport(for definition: NotifierDefinition, engine: Engine) -> any Transport {
        switch definition.kind {
        case .stream: return StreamTransport(definition, engine: engine)
        case .command: return CommandTransport(definition)
        case .webhook, .alertmanager:
            guard let target = definition.url else { return NoTransport() }
            return HTTPTransport(target, definition)
        }
    }

    /// Nothing runs in an engine that is opened for looking only.
    package func start() {
        guard !engine.options.isReadOnly else { return }
        lookAround()
        supervisor = JoinableThread { [weak self] in
            while let service = self, !service.isStopping.isSet {
                Pause.milliseconds(AlertingService.lookMilliseconds)
                service.lookAround()
            }
        }
    }

    /// Waits until what the stream holds has been told, or has failed once; false when the time was too short.
    @discardableResult
    package func drain(timeoutMilliseconds: Int, shouldStop: () -> Bool = { false }) -> Bool {
        let deadline = clock.monotonicNanoseconds() &+ UInt64(max(0, timeoutMilliseconds)) &* 1_000_000
        // Rows may have come since a runner last looked.
        for entry in lock.locked({ Array(running.values) }) { entry.runner.unsettle() }
        while !shouldStop() {
            lookAround()
            if lock.locked({ running.values.allSatisfy(\.runner.isSettled) }) { return true }
            guard clock.monotonicNanoseconds() < deadline else { return false }
            Pause.milliseconds(10)
        }
        return false
    }

    /// Before the engine is closed. An attempt that is under way is given up and comes again next time.
    package func stop() {
        isStopping.set()
        supervisor?.join()
        supervisor = nil
        let ending = lock.locked { () -> [Running] in
            defer { running = [:] }
            return Array(running.values)
        }
        for entry in ending { entry.runner.stop() }
        for entry in ending { entry.thread.join() }
    }

    private func lookAround() {
        lock.lock()
        defer { lock.unlock() }
        guard !isStopping.isSet else { return }
        let entries = engine.notifierEntries()
        for (id, old) in running where !entries.contains(where: { $0.id == id && $0.sql == old.runner.entry.sql }) {
            old.runner.stop()
            old.thread.join()
            running[id] = nil
            guard !entries.contains(where: { $0.id == id }) else { continue }
            engine.notifierBoard.set(id, nil)
            do throws(FileError) { try OutboxFile(directory: engine.directory, id: id, fileSystem: fileSystem).remove() } catch {
                engine.options.onNotice("what a dropped notifier has left cannot be removed: \(error)")
            }
        }
        for entry in entries where running[entry.id] == nil {
            let runner = NotifierRunner(entry, engine: engine, clock: clock, fileSystem: fileSystem, makeTransport: makeTransport)
            guard let thread = JoinableThread({ runner.run() }) else {
                engine.options.onNotice("no thread is left for notifier \(entry.name)")
                continue
            }
            running[entry.id] = Running(runner: runner, thread: thread)
        }
    }
}

enum Pause {
    static func milliseconds(_ count: Int) { usleep(UInt32(clamping: count * 1_000)) }
}
