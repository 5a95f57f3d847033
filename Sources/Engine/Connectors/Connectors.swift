// Connectors: the one place that knows every connector by name: which options each has, which columns it brings, and how to open it.

import Columns
import Planning
import Platform

package enum Connectors {
    /// What a connector is for.
    private struct Traits {
        var isSource = false
        var isSink = false
        var options: [String]
    }

    private static let traits: [String: Traits] = [
        "nexmark": Traits(isSource: true, options: NexmarkSource.optionNames),
        "system": Traits(isSource: true, options: SystemSampler.optionNames),
    ]

    /// Every connector by name, sorted; `log` is the engine's own.
    package static var names: [String] { (traits.keys + ["log"]).sorted() }

    /// Throws what is wrong with the definition, as far as can be told without opening anything. `engineOptions` are those that
    /// the engine itself gives a meaning (idle timeout, sync, ...). The log's options are the engine's.
    package static func validate(_ relation: RelationDefinition, engineOptions: [String] = []) throws(ConnectorError) {
        guard relation.connector != "log" else { return }
        guard let known = traits[relation.connector] else {
            throw ConnectorError(
                "\(relation.name): there is no connector '\(relation.connector)'"
                    + Nearest.suggestion(for: relation.connector, among: names) + "; there are " + names.joined(separator: ", "))
        }
        let allowed = known.options + engineOptions
        for name in relation.options.keys.sorted() where !allowed.contains(name) {
            throw ConnectorError(
                "\(relation.name): connector '\(relation.connector)' has no option '\(name)'" + Nearest.suggestion(for: name, among: allowed)
                    + (known.options.isEmpty ? "; it has none" : "; it has " + known.options.joined(separator: ", ")))
        }
        switch relation.connector {
        case "nexmark": _ = try NexmarkSource(relation, clock: ManualClock())
        case "system": _ = try SystemSampler(relation)
        default: break
        }
    }
}
