// AlertColumns: what a transition of an alert is as a row: the columns of the stream `alerts`, in order.

import Columns

package enum AlertColumns {
    package static let alert = "alert", instance = "instance", keys = "keys", transition = "transition", fromState = "from_state", toState = "to_state"
    package static let eventTime = "event_time", processedAt = "processed_at", severity = "severity", labels = "labels", annotations = "annotations"
    package static let values = "values", cause = "cause", reason = "reason", notify = "notify", key = "key"

    private static let texts = SQLType.map(.text, .text)

    package static let schema = Schema([
        .init(name: alert, type: .text),
        .init(name: instance, type: .text),
        .init(name: keys, type: texts),
        .init(name: transition, type: .bigint),
        .init(name: fromState, type: .text),
        .init(name: toState, type: .text),
        .init(name: eventTime, type: .timestamp(precision: 3)),
        .init(name: processedAt, type: .timestamp(precision: 3)),
        .init(name: severity, type: .text),
        .init(name: labels, type: texts),
        .init(name: annotations, type: texts),
        .init(name: values, type: texts),
        .init(name: cause, type: .text),
        .init(name: reason, type: .text),
        .init(name: notify, type: .array(.text)),
        .init(name: key, type: .text),
    ])
}

/// `from_state` and `to_state`.
package enum AlertPhase: String, Hashable, Sendable, CaseIterable {
    case inactive, pending, firing, resolved
}

/// `reason`: what made an instance change.
package enum AlertReason: String, Hashable, Sendable, CaseIterable {
    case condition, conditionEnded = "condition ended", noData = "no data", dataAgain = "data again", ruleDropped = "rule dropped"
    case ruleChanged = "rule changed"
}
