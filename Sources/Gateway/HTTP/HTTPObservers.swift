// HTTPObservers: the threads on which short looks at the engine run: a few, and a line before them. They are apart from the statements' threads, so that
// `/healthz` and `/metrics` answer when every statement thread is busy; and they are few, because many looks at once help nobody.

import Platform

final class HTTPObservers: @unchecked Sendable {
    // Safe to share: everything that changes is behind the lock.
    private static let activeMax = 4
    private static let waitingMax = 1_000

    private let lock = Lock()
    private var activeCount = 0
    private var waiting: [@Sendable () -> Void] = []
    /// More than are ever active: one that is done is not yet idle.
    private let threads = StatementThreads(threadCountMax: 2 * activeMax)

    /// False when too many wait already: then it will not run.
    func run(_ look: @escaping @Sendable () -> Void) -> Bool {
        let mayStart = lock.locked { () -> Bool? in
            if activeCount < Self.activeMax {
                activeCount += 1
                return true
            }
            guard waiting.count < Self.waitingMax else { return nil }
            waiting.append(look)
            return false
        }
        guard mayStart == true else { return mayStart != nil }
        let hasStarted = threads.run { [self] in
            look()
            while let next = next() { next() }
        }
        if !hasStarted { lock.locked { activeCount -= 1 } }
        return hasStarted
    }

    /// What waits longest; nil when nobody waits, and then this thread is done.
    private func next() -> (@Sendable () -> Void)? {
        lock.locked {
            guard waiting.isEmpty else { return waiting.removeFirst() }
            activeCount -= 1
            return nil
        }
    }

    func close() { threads.close() }
}
