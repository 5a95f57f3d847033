// CSVEncoder: row batches → RFC 4180 CSV.
//
// A field is quoted when it holds the delimiter, a quote, a line feed or carriage return, or a space at either end, or when unquoted
// it would read as NULL (so that an empty string, `""`, and NULL stay apart). Lines end with a line feed.

package struct CSVEncoder: Sendable {
    private let schema: Schema
    private let delimiter: UInt8
    private let nullText: [UInt8]
    private let writesChangeKind: Bool

    package init(schema: Schema, delimiter: UInt8 = 0x2C, nullText: String = "", writesChangeKind: Bool = false) {
        self.schema = schema
        self.delimiter = delimiter
        self.nullText = Array(nullText.utf8)
        self.writesChangeKind = writesChangeKind
    }

    package func appendHeader(to buffer: ByteBuffer) {
        for (index, field) in schema.fields.enumerated() {
            if index > 0 { buffer.append(delimiter) }
            var name = field.name
            name.withUTF8 { appendField($0, to: buffer) }
        }
        if writesChangeKind {
            if schema.count > 0 { buffer.append(delimiter) }
            buffer.append("op" as StaticString)
        }
        buffer.append(0x0A)
    }

    package func append(_ batch: RowBatch, to buffer: ByteBuffer) {
        let scratch = ByteBuffer()
        let cells = RowText(batch.columns)
        for row in 0..<batch.count {
            for index in 0..<cells.columnCount {
                if index > 0 { buffer.append(delimiter) }
                if cells.isNull(index, row) {
                    nullText.withUnsafeBufferPointer { buffer.append($0) }
                    continue
                }
                scratch.clear()
                cells.append(index, row, to: scratch)
                appendField(scratch.text, to: buffer)
            }
            if writesChangeKind {
                if cells.columnCount > 0 { buffer.append(delimiter) }
                buffer.append(batch.change(at: row).symbol)
            }
            buffer.append(0x0A)
        }
    }

    private func appendField(_ text: TextBytes, to buffer: ByteBuffer) {
        guard needsQuotes(text) else {
            buffer.append(text)
            return
        }
        buffer.append(0x22)
        for byte in text {
            if byte == 0x22 { buffer.append(0x22) }
            buffer.append(byte)
        }
        buffer.append(0x22)
    }

    private func needsQuotes(_ text: TextBytes) -> Bool {
        if text.isEmpty { return true }
        if text[0] == 0x20 || text[text.count - 1] == 0x20 { return true }
        for byte in text where byte == delimiter || byte == 0x22 || byte == 0x0A || byte == 0x0D { return true }
        return text.count == nullText.count && text.elementsEqual(nullText)
    }
}
