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
        "file": Traits(isSource: true, isSink: true, options: FileFormat.optionNames),
        "blackhole": Traits(isSink: true, options: []),
        "print": Traits(isSink: true, options: PrintSink.optionNames),
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
        case "file": _ = try FileFormat(relation)
        default: break
        }
        if relation.physicalColumns.isEmpty {
            throw ConnectorError("\(relation.name): connector '\(relation.connector)' needs columns")
        }
    }

    // MARK: What a connector can do

    package static func isSource(_ connector: String) -> Bool { traits[connector]?.isSource ?? false }
    package static func isSink(_ connector: String) -> Bool { traits[connector]?.isSink ?? false }
    /// Whether what is read must go through the log, because it cannot be read again (see `LiveFeeder`).
    package static func isLive(_ connector: String) -> Bool { connector == "system" }

    /// The columns of a relation that is defined without any; nil when the connector cannot tell. With the option `event`, nexmark gives the
    /// columns of that event.
    package static func fixedSchema(of connector: String, options: [String: String] = [:]) -> Schema? {
        switch connector {
        case "nexmark": NexmarkField.schema(of: NexmarkKind(rawValue: options["event"]?.lowercased() ?? "all") ?? .all)
        case "system": SystemSampler.schema
        default: nil
        }
    }

    /// To be called once, when the relation is created, and the result kept in the catalog: `base-time = 'now'` becomes that moment, so that the
    /// same rows come again after a restart.
    package static func resolvingCreationTime(_ relation: RelationDefinition, nowMicroseconds: Int64) -> RelationDefinition {
        guard relation.connector == "nexmark", relation.options["base-time"]?.lowercased() == "now" else { return relation }
        var resolved = relation
        let now = Column.constant(.integer(nowMicroseconds / 1_000 * 1_000), type: .timestamp(precision: 3), count: 1)
        let text = ByteBuffer()
        TextFormat.append(now, row: 0, to: text)
        resolved.options["base-time"] = text.string
        return resolved
    }

    // MARK: Opening

    package static func source(
        for relation: RelationDefinition, fileSystem: any FileSystem, clock: any Clock
    ) throws(ConnectorError) -> any ReplayableSource {
        switch relation.connector {
        case "nexmark": return try NexmarkSource(relation, clock: clock)
        case "file": return try FileSource(relation, fileSystem: fileSystem)
        default: throw ConnectorError("\(relation.name): connector '\(relation.connector)' cannot be read as a source")
        }
    }

    package static func feeder(for relation: RelationDefinition) throws(ConnectorError) -> any LiveFeeder {
        guard relation.connector == "system" else {
            throw ConnectorError("\(relation.name): connector '\(relation.connector)' has nothing to sample")
        }
        return try SystemSampler(relation)
    }

    /// `appendsToExisting`: keep what a file holds (going on after a restart). Two queries that write one relation must share one sink.
    package static func sink(
        for relation: RelationDefinition, fileSystem: any FileSystem, isChangelog: Bool, appendsToExisting: Bool,
        standardOutput: @escaping @Sendable ([UInt8]) -> Void
    ) throws(ConnectorError) -> any RowSink {
        switch relation.connector {
        case "file":
            let writesKinds = isChangelog || relation.readsChangeKinds
            if !relation.partitionBy.isEmpty {
                return try PartitionedFileSink(
                    relation, fileSystem: fileSystem, isChangelog: writesKinds, appendsToExisting: appendsToExisting)
            }
            return try FileSink(relation, fileSystem: fileSystem, isChangelog: writesKinds, appendsToExisting: appendsToExisting)
        case "blackhole": return BlackholeSink()
        case "print": return PrintSink(relation, isChangelog: isChangelog, standardOutput: standardOutput)
        default: throw ConnectorError("\(relation.name): connector '\(relation.connector)' cannot be written")
        }
    }
}
