// JSONLinesEncoder: row batches → JSON lines.

package final class JSONLinesEncoder {
    private let keys: KeyTexts
    private let keyCount: Int
    private var blocks: [UnsafeMutableRawPointer] = []
    private let writesChangeKind: Bool

    /// With `writesChangeKind`, each object ends with `"op"`: `+I -U +U -D`.
    package init(schema: Schema, writesChangeKind: Bool = false) {
        self.writesChangeKind = writesChangeKind
        keyCount = schema.count
        keys = KeyTexts(schema.fields.map(\.name), &blocks)
    }

    deinit { for block in blocks { block.deallocate() } }

    /// An object a row, keys in the schema's order, NULL as null, a line feed after each.
    package func append(_ batch: RowBatch, to buffer: ByteBuffer) {
        append(batch, rows: 0..<batch.count, to: buffer)
    }

    package func append(_ batch: RowBatch, rows: Range<Int>, to buffer: ByteBuffer) {
        let cells = RowText(batch.columns)
        let columnCount = min(cells.columnCount, keyCount)
        for row in rows {
            for index in 0..<columnCount {
                buffer.append(keys[index])
                cells.appendJSON(index, row, to: buffer)
            }
            if columnCount == 0 { buffer.append(0x7B) }
            if writesChangeKind {
                if columnCount > 0 { buffer.append(0x2C) }
                buffer.append("\"op\":\"" as StaticString)
                buffer.append(batch.change(at: row).symbol)
                buffer.append(0x22)
            }
            buffer.append("}\n" as StaticString)
        }
    }

    /// A JSON array a row, values in the schema's order.
    package func appendArrays(_ batch: RowBatch, to buffer: ByteBuffer) {
        let cells = RowText(batch.columns)
        for row in 0..<batch.count {
            buffer.append(0x5B)
            for index in 0..<cells.columnCount {
                if index > 0 { buffer.append(0x2C) }
                cells.appendJSON(index, row, to: buffer)
            }
            if writesChangeKind {
                if cells.columnCount > 0 { buffer.append(0x2C) }
                buffer.append(0x22)
                buffer.append(batch.change(at: row).symbol)
                buffer.append(0x22)
            }
            buffer.append("]\n" as StaticString)
        }
    }
}
