// RowText: boxed rows and values as text, for error streams and messages. Cold paths only.

import Columns

enum RowText {
    /// A JSON array of the row's values.
    static func json(_ row: [Value], types: [SQLType]) -> [UInt8] {
        let schema = Schema(types.enumerated().map { .init(name: "column\($0.offset + 1)", type: $0.element) })
        let buffer = ByteBuffer()
        JSONLinesEncoder(schema: schema).appendArrays(RowBatch.make([row], types: types), to: buffer)
        var bytes = Array(buffer.bytes)
        if bytes.last == 10 { bytes.removeLast() }
        return bytes
    }

    static func text(_ value: Value, type: SQLType) -> String {
        let buffer = ByteBuffer()
        TextFormat.append(Column.constant(value, type: type, count: 1), row: 0, to: buffer)
        return String(decoding: buffer.bytes, as: UTF8.self)
    }
}
