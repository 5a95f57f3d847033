// StatementInterruption: how a cancel request, a time limit, a lost connection or the server's end reaches a statement that runs on another thread.

import Platform

final class StatementInterruption: @unchecked Sendable {
    // Safe to share: everything is behind the lock.
    enum Reason: Sendable { case cancelled, timeout, connectionLost, shutdown }

    private let lock = Lock()
    private var reason: Reason?
    private var isRunning = false
    /// Whether the statement goes on until somebody ends it.
    private var isLive = false
    private var hasInputEnded = false
    private var action: (@Sendable () -> Void)?

    /// A cancel that came before the statement is forgotten, as in PostgreSQL; that the connection is lost is not.
    func begin() {
        lock.locked {
            isRunning = true
            if reason == .cancelled || reason == .timeout { reason = nil }
        }
    }

    func end() {
        lock.locked {
            isRunning = false
            isLive = false
            action = nil
        }
    }

    /// The statement gives rows until somebody ends it: nobody will when the client has said its last word.
    func beginLive() {
        let mustEnd = lock.locked {
            isLive = true
            return hasInputEnded
        }
        if mustEnd { interrupt(.connectionLost) }
    }

    /// The client says nothing more. What it has asked for is still done, but for what has no end.
    func inputEnded() {
        let mustEnd = lock.locked {
            hasInputEnded = true
            return isLive
        }
        if mustEnd { interrupt(.connectionLost) }
    }

    /// Why the statement is to end, if it is.
    var current: Reason? { lock.locked { reason } }

    /// From any thread.
    func interrupt(_ new: Reason) {
        let action = lock.locked { () -> (@Sendable () -> Void)? in
            if new == .cancelled || new == .timeout {
                guard isRunning, reason == nil else { return nil }
            } else if reason == .shutdown || reason == .connectionLost {
                return nil
            }
            reason = new
            return self.action
        }
        action?()
    }

    /// Runs `body`; when the statement is interrupted, or already was, `action` is called.
    func whileRunning<Result>(_ action: @escaping @Sendable () -> Void, _ body: () throws -> Result) rethrows -> Result {
        let isLate = lock.locked {
            self.action = action
            return reason != nil
        }
        defer { lock.locked { self.action = nil } }
        if isLate { action() }
        return try body()
    }

    /// Throws when the statement is to end.
    func check() throws(ErrorReport) {
        switch current {
        case nil: return
        case .cancelled: throw ErrorReport(.error, "57014", "canceling statement due to user request")
        case .timeout: throw ErrorReport(.error, "57014", "canceling statement due to statement timeout")
        case .connectionLost: throw ErrorReport(.fatal, "08006", "connection to client lost")
        case .shutdown: throw ErrorReport(.fatal, "57P01", "terminating connection due to administrator command")
        }
    }
}
