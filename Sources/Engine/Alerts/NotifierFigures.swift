// NotifierFigures: how a notifier is doing. Whoever runs notifiers (module Alerting) writes it, SHOW NOTIFIERS and the metrics read it.

import Platform

package struct NotifierFigures: Sendable {
    package enum State: String, Sendable {
        /// Nothing runs it in this process.
        case stopped
        case idle, sending
        /// The last attempt failed, and there will be another.
        case retrying
        /// It cannot run; `lastError` says why.
        case refused
    }

    package var state = State.stopped
    /// Notifications that the receiver took.
    package var deliveredCount: Int64 = 0
    /// Attempts that failed.
    package var failedCount: Int64 = 0
    /// Dead letters.
    package var deadCount: Int64 = 0
    /// Transitions that were silenced, inhibited or acknowledged.
    package var suppressedCount: Int64 = 0
    /// Transitions that wait to be told.
    package var waitingCount: Int64 = 0
    /// Those of the stream that have not been looked at.
    package var behindCount: Int64 = 0
    package var lastError: String?
    /// Whether the last attempt failed.
    package var isFailing = false
    package var lastDeliveryMicroseconds: Int64?

    package init() {}
}

/// By the id of the notifier in the catalog.
package final class NotifierBoard: @unchecked Sendable {
    // Safe to share: every access holds the lock.
    private let lock = Lock()
    private var figures: [UInt64: NotifierFigures] = [:]

    package init() {}

    package func set(_ id: UInt64, _ figures: NotifierFigures?) { lock.locked { self.figures[id] = figures } }
    package func figures(of id: UInt64) -> NotifierFigures { lock.locked { figures[id] } ?? NotifierFigures() }
}
