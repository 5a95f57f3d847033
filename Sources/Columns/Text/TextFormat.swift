// TextFormat: any value ⇄ the text that CAST, CSV and the prompt show: PostgreSQL's output forms, with ISO 8601 timestamps.
//
// Arrays, maps and rows are shown as JSON (see RowText), and read from it (see NestedText).

package enum TextFormat {
    // MARK: Out

    /// The value of one row, appended; nothing when it is NULL. For many values make a `RowText` once.
    package static func append(_ column: Column, row: Int, to buffer: ByteBuffer) {
        RowText([column]).append(0, row, to: buffer)
    }

    /// Every row of a column as text: CAST(... AS VARCHAR). A NULL stays NULL.
    package static func text(of column: Column) -> Column {
        let builder = ColumnBuilder(.text, capacity: column.count)
        if case .varchar = column.type {
            builder.append(contentsOf: column, sharing: true)
            return builder.finish()
        }
        let buffer = ByteBuffer()
        let cells = RowText([column])
        for row in 0..<column.count {
            if cells.isNull(0, row) {
                builder.appendNull()
                continue
            }
            buffer.clear()
            cells.append(0, row, to: buffer)
            builder.append(bytes: buffer.text)
        }
        return builder.finish()
    }

    /// A boxed value as text, `NULL` for a NULL: for messages and EXPLAIN.
    package static func string(_ value: Value, type: SQLType) -> String {
        if value.isNull { return "NULL" }
        let buffer = ByteBuffer()
        append(Column.constant(value, type: type, count: 1), row: 0, to: buffer)
        return buffer.string
    }

    // MARK: In

    /// The value that the text shows, appended to a builder of that type. Nothing is appended on an error. A VARCHAR longer than
    /// its limit is an error.
    package static func parse(_ text: TextBytes, into builder: ColumnBuilder) throws(TextError) {
        switch builder.type {
        case .boolean: builder.append(bool: try BooleanText.parse(text))
        case .smallint: builder.append(int64: try IntegerText.parse(text, in: -32_768...32_767))
        case .integer: builder.append(int64: try IntegerText.parse(text, in: -2_147_483_648...2_147_483_647))
        case .bigint: builder.append(int64: try IntegerText.parse(text))
        case .real: builder.append(double: try DoubleText.parseReal(text))
        case .double: builder.append(double: try DoubleText.parse(text))
        case .decimal(let precision, let scale):
            builder.append(int128: try DecimalText.parse(text, precision: precision, scale: scale))
        case .varchar(let length):
            if let length, UTF8Text.exceeds(text, characters: length) { throw .tooLong }
            builder.append(bytes: text)
        case .bytes:
            let buffer = ByteBuffer()
            try BytesText.parse(text, into: buffer)
            builder.append(bytes: buffer.text)
        case .date: builder.append(int64: try DateText.parse(text))
        case .time(let precision): builder.append(int64: try TimeText.parse(text, precision: precision))
        case .timestamp(let precision), .timestampTZ(let precision):
            builder.append(int64: try TimestampText.parse(text, precision: precision))
        case .interval: builder.append(int128: try IntervalText.parse(text).packed)
        case .json:
            if JSONValidator.fault(text) != nil { throw .invalid }
            builder.append(bytes: text)
        case .array, .map, .row:
            let values = NestedText(builder.type)
            try values.append(text)
            builder.append(from: values.finish(), row: 0)
        case .null: throw .invalid
        }
    }

    /// One value as a box: literals and tests.
    package static func parse(_ text: String, as type: SQLType) throws(TextError) -> Value {
        let builder = ColumnBuilder(type)
        let bytes = Array(text.utf8)
        let fault: TextError? = bytes.withUnsafeBufferPointer { bytes in
            do throws(TextError) {
                try parse(bytes, into: builder)
                return nil
            } catch { return error }
        }
        if let fault { throw fault }
        return builder.finish().value(at: 0)
    }
}
