// JSONLinesEncoder: row batches → JSON lines, plain or as Debezium's change events.
//
// A change event is `{"before":null,"after":{...},"op":"c"}` for a row that is added and `{"before":{...},"after":null,"op":"d"}` for one
// that is taken away: an update is a delete and a create, as Flink writes it, so that what is written does not depend on how rows were cut
// into batches.

package final class JSONLinesEncoder {
    private let keys: KeyTexts
    private let keyCount: Int
    private var blocks: [UnsafeMutableRawPointer] = []
    private let writesChangeKind: Bool
    private let isDebezium: Bool

    /// With `writesChangeKind`, each object ends with `"op"`: `+I -U +U -D`. `isDebezium`: change events.
    package init(schema: Schema, writesChangeKind: Bool = false, isDebezium: Bool = false) {
        self.isDebezium = isDebezium
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
            let isAddition = batch.change(at: row).isAddition
            if isDebezium {
                if isAddition { buffer.append("{\"before\":null,\"after\":" as StaticString) } else { buffer.append("{\"before\":" as StaticString) }
            }
            for index in 0..<columnCount {
                buffer.append(keys[index])
                cells.appendJSON(index, row, to: buffer)
            }
            if columnCount == 0 { buffer.append(0x7B) }
            if isDebezium {
                buffer.append(isAddition ? "},\"op\":\"c\"" : "},\"after\":null,\"op\":\"d\"")
            } else if writesChangeKind {
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
