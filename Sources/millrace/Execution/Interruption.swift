// Interruption: how a signal reaches the statement that is being executed.

import Platform

/// One statement's chance to be stopped. `fire` is called on the signal receiver's thread, the rest on the thread that executes.
final class Interruption: @unchecked Sendable {
    // Safe to share: everything is behind the lock.
    private let lock = Lock()
    private var fired = false
    private var action: (@Sendable () -> Void)?

    var hasFired: Bool { lock.locked { fired } }

    func fire() {
        let action = lock.locked {
            fired = true
            return self.action
        }
        action?()
    }

    /// Runs `body`; when the interruption fires (or has fired), `action` is called once more or less at the same time.
    func whileRunning<Result>(_ action: @escaping @Sendable () -> Void, _ body: () throws -> Result) rethrows -> Result {
        let isLate = lock.locked {
            self.action = action
            return fired
        }
        defer { lock.locked { self.action = nil } }
        if isLate { action() }
        return try body()
    }
}
