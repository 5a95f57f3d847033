// AlertInstance: one key of an alert rule, as those who are told about it see it.

/// Where an instance stands.
package enum AlertState: String, Hashable, Sendable {
    case inactive, pending, firing, resolved
}
