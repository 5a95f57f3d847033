// AlertTransition: a row of the stream `alerts`: an instance of an alert went from one state to another.

import Columns

package struct AlertTransition: Hashable, Sendable {
    package enum State: String, Hashable, Sendable, CaseIterable { case inactive, pending, firing, resolved }

    /// An entry of a MAP, in the order of the map.
    package struct Entry: Hashable, Sendable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Which instance of which alert.
    package struct Instance: Hashable, Sendable, Comparable {
        package var alert: String
        package var fingerprint: String

        package init(alert: String, fingerprint: String) {
            self.alert = alert
            self.fingerprint = fingerprint
        }

        package static func < (one: Instance, other: Instance) -> Bool {
            one.alert == other.alert ? one.fingerprint < other.fingerprint : one.alert < other.alert
        }
    }

    package var alert = ""
    package var fingerprint = ""
    package var keys: [Entry] = []
    /// 1, 2, .. per instance.
    package var number: Int64 = 0
    package var from = State.inactive
    package var to = State.inactive
    /// In event time.
    package var eventMicroseconds: Int64 = 0
    /// By the clock of the epoch.
    package var processedMicroseconds: Int64 = 0
    package var severity = ""
    package var labels: [Entry] = []
    package var annotations: [Entry] = []
    package var values: [Entry] = []
    package var cause = ""
    package var reason = ""
    /// Names of notifiers; none means all.
    package var notify: [String] = []
    /// The same whenever this transition is told: by it a receiver knows a repetition.
    package var key = ""

    package init() {}

    package var instance: Instance { Instance(alert: alert, fingerprint: fingerprint) }

    /// What selectors and receivers go by: the key's columns, the rule's labels (which go before them), `alertname` and `severity`.
    package var labelSet: [String: String] {
        var set: [String: String] = [:]
        for entry in keys { set[entry.name] = entry.value }
        for entry in labels { set[entry.name] = entry.value }
        if !severity.isEmpty { set["severity"] = severity }
        set["alertname"] = alert
        return set
    }
}

/// Takes transitions out of batches of a stream that has the columns of `alerts`, in whatever order, and others beside.
package struct AlertTransitionReader: Sendable {
    /// What a row cannot be told without.
    private static let required = ["alert", "instance", "transition", "from_state", "to_state", "event_time", "key"]
    private let places: [String: Int]

    /// Throws the columns that are missing or of another type.
    package init(schema: Schema) throws(EngineError) {
        var places: [String: Int] = [:]
        for (index, field) in schema.fields.enumerated() where Self.suits(field.name, field.type) { places[field.name] = index }
        let missing = Self.required.filter { places[$0] == nil }
        guard missing.isEmpty else {
            throw EngineError("the stream alerts is not that of this program: \(missing.joined(separator: ", ")) is missing or of another type")
        }
        self.places = places
    }

    private static func suits(_ name: String, _ type: SQLType) -> Bool {
        switch (name, type) {
        case ("transition", .smallint), ("transition", .integer), ("transition", .bigint): true
        case ("event_time", .timestamp), ("event_time", .timestampTZ), ("processed_at", .timestamp), ("processed_at", .timestampTZ): true
        case ("keys", .map(.varchar, .varchar)), ("labels", .map(.varchar, .varchar)), ("annotations", .map(.varchar, .varchar)): true
        case ("values", .map(.varchar, .varchar)), ("notify", .array(.varchar)): true
        case ("cause", .varchar), ("cause", .json): true
        case (_, .varchar):
            ["alert", "instance", "from_state", "to_state", "severity", "reason", "key"].contains(name)
        default: false
        }
    }

    /// A row that names no state is none: nil. AlertFold counts these.
    package func transition(_ batch: RowBatch, row: Int) -> AlertTransition? {
        func value(_ name: String) -> Value { places[name].map { batch.columns[$0].value(at: row) } ?? .null }
        func text(_ name: String) -> String { if case .string(let text) = value(name) { text } else { "" } }
        func number(_ name: String) -> Int64 { if case .integer(let number) = value(name) { number } else { 0 } }
        func entries(_ name: String) -> [AlertTransition.Entry] {
            guard case .list(let entries) = value(name) else { return [] }
            return entries.compactMap { entry in
                guard case .list(let pair) = entry, pair.count == 2, case .string(let name) = pair[0] else { return nil }
                guard case .string(let value) = pair[1] else { return AlertTransition.Entry(name, "") }
                return AlertTransition.Entry(name, value)
            }
        }
        guard let from = AlertTransition.State(rawValue: text("from_state")), let to = AlertTransition.State(rawValue: text("to_state")) else { return nil }
        var transition = AlertTransition()
        transition.alert = text("alert")
        transition.fingerprint = text("instance")
        transition.keys = entries("keys")
        transition.number = number("transition")
        transition.from = from
        transition.to = to
        transition.eventMicroseconds = number("event_time")
        transition.processedMicroseconds = number("processed_at")
        transition.severity = text("severity")
        transition.labels = entries("labels")
        transition.annotations = entries("annotations")
        transition.values = entries("values")
        transition.cause = text("cause")
        transition.reason = text("reason")
        if case .list(let names) = value("notify") { transition.notify = names.compactMap { if case .string(let name) = $0 { name } else { nil } } }
        transition.key = text("key")
        if transition.key.isEmpty { transition.key = "\(transition.alert)/\(transition.fingerprint)/\(transition.number)" }
        return transition
    }
}
