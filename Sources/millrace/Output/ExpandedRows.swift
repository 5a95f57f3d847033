// ExpandedRows: a line per column, `\x` at the prompt.
//
//     -[ row 1 ]-
//     name  | bid
//     rows  | 46000

import Columns

struct ExpandedRows {
    private let names: [String]
    private let writesChangeKind: Bool
    private let nameWidth: Int

    init(schema: Schema, writesChangeKind: Bool) {
        names = schema.fields.map(\.name) + (writesChangeKind ? ["op"] : [])
        self.writesChangeKind = writesChangeKind
        nameWidth = names.map(\.count).max() ?? 0
    }

    /// `firstRow` rows have been shown before.
    func append(_ batch: RowBatch, firstRow: Int, to buffer: ByteBuffer) {
        for row in 0..<batch.count {
            buffer.append("-[ row \(firstRow + row + 1) ]-\n")
            for (index, column) in batch.columns.enumerated() { appendLine(names[index], CellText.string(column, row: row), to: buffer) }
            if writesChangeKind { appendLine("op", batch.change(at: row).symbol, to: buffer) }
        }
    }

    private func appendLine(_ name: String, _ value: String, to buffer: ByteBuffer) {
        buffer.append("\(name)\(String(repeating: " ", count: nameWidth - name.count)) | \(value)\n")
    }
}
