// JSONLinesEncoder: row batches → JSON lines.

package struct JSONLinesEncoder: Sendable {
    /// `{"first":`, `,"second":`, ... as they stand in a line.
    private let keys: [[UInt8]]
    private let writesChangeKind: Bool

    /// With `writesChangeKind`, each object ends with `"op"`: `+I -U +U -D`.
    package init(schema: Schema, writesChangeKind: Bool = false) {
        self.writesChangeKind = writesChangeKind
        let buffer = ByteBuffer()
        keys = schema.fields.indices.map { index in
            buffer.clear()
            buffer.append(index == 0 ? 0x7B : 0x2C)
            JSONText.append(string: schema[index].name, to: buffer)
            buffer.append(0x3A)
            return buffer.array
        }
    }

    /// An object a row, keys in the schema's order, NULL as null, a line feed after each.
    package func append(_ batch: RowBatch, to buffer: ByteBuffer) {
        append(batch, rows: 0..<batch.count, to: buffer)
    }

    package func append(_ batch: RowBatch, rows: Range<Int>, to buffer: ByteBuffer) {
        let columns = batch.columns
        let columnCount = min(columns.count, keys.count)
        for row in rows {
            for index in 0..<columnCount {
                keys[index].withUnsafeBufferPointer { buffer.append($0) }
                JSONText.append(columns[index], row: row, to: buffer)
            }
            if columnCount == 0 { buffer.append(0x7B) }
            if writesChangeKind {
                if columnCount > 0 { buffer.append(0x2C) }
                buffer.append("\"op\":\"" as StaticString)
                buffer.append(batch.change(at: row).symbol)
                buffer.append(0x22)
            }
            buffer.append(0x7D)
            buffer.append(0x0A)
        }
    }

    /// A JSON array a row, values in the schema's order.
    package func appendArrays(_ batch: RowBatch, to buffer: ByteBuffer) {
        for row in 0..<batch.count {
            buffer.append(0x5B)
            for (index, column) in batch.columns.enumerated() {
                if index > 0 { buffer.append(0x2C) }
                JSONText.append(column, row: row, to: buffer)
            }
            if writesChangeKind {
                if !batch.columns.isEmpty { buffer.append(0x2C) }
                buffer.append(0x22)
                buffer.append(batch.change(at: row).symbol)
                buffer.append(0x22)
            }
            buffer.append(0x5D)
            buffer.append(0x0A)
        }
    }
}
