// DeliveryOutcome: what became of a transition at one notifier, as a row of `alert_deliveries`; DeadLetter: one that could not be told, as a row of
// `alert_dead_letters`. Both streams are made with their first row; what they hold is history and decides nothing.

import Columns
import Engine

package struct DeliveryOutcome: Hashable, Sendable {
    package static let delivered = "delivered", failed = "failed", dead = "dead letter", flapped = "flapped", untold = "not told"

    package var transition: AlertTransition
    /// One of the words above, or silenced, inhibited, acknowledged.
    package var outcome: String
    package var atMicroseconds: Int64
    package var reason: String
    /// 0 when nothing was tried.
    package var attempt: Int64
    /// Of HTTP, or what a command exited with.
    package var status: Int?
    package var repetition: Int64

    package init(_ transition: AlertTransition, _ outcome: String, at now: Int64, reason: String, attempt: Int64 = 0, status: Int? = nil, repetition: Int64 = 0) {
        self.transition = transition
        self.outcome = outcome
        atMicroseconds = now
        self.reason = reason
        self.attempt = attempt
        self.status = status
        self.repetition = repetition
    }

    package static let streamName = "alert_deliveries"
    static let definition = """
        CREATE STREAM \(streamName) (at TIMESTAMP(3), notifier VARCHAR, alert VARCHAR, instance VARCHAR, transition BIGINT, to_state VARCHAR, \
        outcome VARCHAR, attempt BIGINT, status BIGINT, repetition BIGINT, reason VARCHAR, key VARCHAR) RETAIN INTERVAL '30' DAY
        """
    static let types: [SQLType] = [
        .timestamp(precision: 3), .text, .text, .text, .bigint, .text, .text, .bigint, .bigint, .bigint, .text, .text,
    ]

    func row(notifier: String) -> [Value] {
        [
            .integer(atMicroseconds), .string(notifier), .string(transition.alert), .string(transition.fingerprint), .integer(transition.number),
            .string(transition.to.rawValue), .string(outcome), .integer(attempt), status.map { .integer(Int64($0)) } ?? .null, .integer(repetition),
            .string(reason), .string(transition.key),
        ]
    }
}

package struct DeadLetter: Hashable, Sendable {
    package var transition: AlertTransition
    package var atMicroseconds: Int64
    package var reason: String
    package var attempts: Int64
    package var status: Int?

    package init(_ transition: AlertTransition, _ reason: String, at now: Int64, attempts: Int64, status: Int?) {
        self.transition = transition
        self.reason = reason
        atMicroseconds = now
        self.attempts = attempts
        self.status = status
    }

    package static let streamName = "alert_dead_letters"
    static let definition = """
        CREATE STREAM \(streamName) (at TIMESTAMP(3), notifier VARCHAR, alert VARCHAR, instance VARCHAR, transition BIGINT, to_state VARCHAR, \
        attempts BIGINT, status BIGINT, reason VARCHAR, key VARCHAR, body VARCHAR) RETAIN INTERVAL '30' DAY
        """
    static let types: [SQLType] = [
        .timestamp(precision: 3), .text, .text, .text, .bigint, .text, .bigint, .bigint, .text, .text, .text,
    ]

    /// `body` is what could not be told.
    func row(notifier: String, body: String) -> [Value] {
        [
            .integer(atMicroseconds), .string(notifier), .string(transition.alert), .string(transition.fingerprint), .integer(transition.number),
            .string(transition.to.rawValue), .integer(attempts), status.map { .integer(Int64($0)) } ?? .null, .string(reason), .string(transition.key),
            .string(body),
        ]
    }
}
