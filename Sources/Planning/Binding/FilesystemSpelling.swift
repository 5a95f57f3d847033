// FilesystemSpelling: how Flink's users write a file, brought to the options of connector 'file', so that nothing behind the binder knows of it.
//
// - `connector = 'filesystem'`, with a path that may be a `file://` URL, and options named after their format (`csv.field-delimiter`).
// - The older form with `connector.type`, `connector.path` and `format.type`.
//
// A CSV file of that connector has no header. Flink's rules for when a written file or a finished partition is shown (`sink.rolling-policy.*`,
// `sink.partition-commit.*`) have no counterpart: a file shows the rows of every finished epoch. They are taken and not kept.

enum FilesystemSpelling {
    private static let renamed = [
        "connector.path": "path", "format.type": "format", "format.field-delimiter": "delimiter", "format.null-literal": "null",
        "csv.field-delimiter": "delimiter", "csv.null-literal": "null",
    ]
    private static let withoutMeaning = [
        "connector.property-version", "format.property-version", "update-mode", "json.timestamp-format.standard",
        "json.fail-on-missing-field", "json.ignore-parse-errors", "csv.ignore-parse-errors", "auto-compaction",
    ]
    private static let familiesWithoutMeaning = ["sink.rolling-policy.", "sink.partition-commit.", "partition.time-extractor."]

    static func apply(to relation: inout RelationDefinition) {
        if let type = relation.options["connector.type"], relation.connector == "log" {
            relation.options["connector.type"] = nil
            relation.connector = type.lowercased()
        }
        guard relation.connector == "filesystem" else { return }
        relation.connector = "file"
        for (theirs, ours) in renamed.sorted(by: { $0.key < $1.key }) where relation.options[ours] == nil {
            relation.options[ours] = relation.options[theirs]
            relation.options[theirs] = nil
        }
        for name in relation.options.keys where withoutMeaning.contains(name) || familiesWithoutMeaning.contains(where: name.hasPrefix) {
            relation.options[name] = nil
        }
        if let path = relation.options["path"], path.hasPrefix("file:") {
            let rest = path.dropFirst("file:".count)
            relation.options["path"] = String(rest.hasPrefix("//") ? rest.dropFirst(2) : rest)
        }
        if relation.options["format"]?.lowercased() == "csv", relation.options["header"] == nil { relation.options["header"] = "false" }
    }
}
