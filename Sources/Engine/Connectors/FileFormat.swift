// FileFormat: the options that `file` sources and sinks share.

import Columns
import Planning

package struct FileFormat: Sendable {
    package enum Encoding: Sendable { case json, csv }

    package let path: String
    package let encoding: Encoding
    // CSV only.
    package let hasHeader: Bool
    package let delimiter: UInt8
    package let nullText: String
    /// Sources only: the file keeps growing.
    package let follows: Bool
    /// JSON only: rows are Debezium's change events.
    package let isDebezium: Bool

    package static let optionNames = ["path", "format", "header", "delimiter", "null", "follow", "changelog"] + debeziumOptionNames
    /// Flink's, which change nothing here: a schema beside the payload is found out, and what cannot be read goes to the error stream.
    package static let debeziumOptionNames = ["debezium-json.schema-include", "debezium-json.ignore-parse-errors"]

    package init(_ relation: RelationDefinition) throws(ConnectorError) {
        let options = ConnectorOptions(relation)
        guard let path = options.text("path"), !path.isEmpty else {
            throw ConnectorError("\(options.place): option 'path' is missing; expected path = 'FILE'")
        }
        guard !path.utf8.contains(0) else { throw ConnectorError("\(options.place): the path holds a zero byte") }
        if path.hasSuffix(".gz") {
            throw ConnectorError("\(options.place): compressed files are not read or written; unpack it first (gunzip -k '\(path)')")
        }
        self.path = path
        switch try options.word("format", among: ["json", "csv", "debezium-json"]) {
        case "json", "debezium-json": encoding = .json
        case "csv": encoding = .csv
        default:
            let lower = path.lowercased()
            if lower.hasSuffix(".csv") {
                encoding = .csv
            } else if [".json", ".jsonl", ".ndjson"].contains(where: lower.hasSuffix) {
                encoding = .json
            } else {
                throw ConnectorError("\(options.place): option 'format' is missing; expected format = 'json', 'csv' or 'debezium-json'")
            }
        }
        if encoding == .json, let name = ["delimiter", "header", "null"].first(where: { options.values[$0] != nil }) {
            throw ConnectorError("\(options.place): option '\(name)' belongs to format 'csv', and the format is 'json'")
        }
        hasHeader = try options.boolean("header") ?? true
        if let text = options.text("delimiter") {
            let bytes = Array((text == "\\t" || text.lowercased() == "tab" ? "\t" : text).utf8)
            guard bytes.count == 1, ![10, 13, 34].contains(bytes[0]), bytes[0] < 0x80 else {
                throw options.bad("delimiter", text, "one ASCII character that is no quote and no line end")
            }
            delimiter = bytes[0]
        } else {
            delimiter = UInt8(ascii: ",")
        }
        nullText = options.text("null") ?? ""
        follows = try options.boolean("follow") ?? false
        isDebezium = relation.isDebezium
    }
}
