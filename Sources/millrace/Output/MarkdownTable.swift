// MarkdownTable: rows as a table for a document.
//
//     | name | rows |
//     | --- | ---: |
//     | bid | 46000 |

import Columns

struct MarkdownTable {
    private let names: [String]
    private let isNumeric: [Bool]
    private let writesChangeKind: Bool

    init(schema: Schema, writesChangeKind: Bool) {
        names = schema.fields.map(\.name) + (writesChangeKind ? ["op"] : [])
        isNumeric = schema.types.map(\.isNumeric) + (writesChangeKind ? [false] : [])
        self.writesChangeKind = writesChangeKind
    }

    func appendHeader(to buffer: ByteBuffer) {
        buffer.append("| " + names.map(MarkdownTable.escaped).joined(separator: " | ") + " |\n")
        buffer.append("| " + isNumeric.map { $0 ? "---:" : "---" }.joined(separator: " | ") + " |\n")
    }

    func append(_ batch: RowBatch, to buffer: ByteBuffer) {
        for row in 0..<batch.count {
            var cells = batch.columns.map { MarkdownTable.escaped(CellText.string($0, row: row)) }
            if writesChangeKind { cells.append(batch.change(at: row).symbol) }
            buffer.append("| " + cells.joined(separator: " | ") + " |\n")
        }
    }

    private static func escaped(_ text: String) -> String {
        text.contains("|") || text.contains("\\") ? String(text.flatMap { $0 == "|" || $0 == "\\" ? ["\\", $0] : [$0] }) : text
    }
}
