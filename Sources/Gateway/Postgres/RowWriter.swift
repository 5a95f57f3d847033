// RowWriter: batches as DataRow messages, or as the lines of COPY TO STDOUT in CopyData messages. A row is a message.

import Columns

struct RowWriter {
    let columns: [WireColumn]
    private let isChangelog: Bool
    private let formats: [WireFormat]
    private let numbers: [UInt32?]

    init(schema: Schema, isChangelog: Bool, formats: [WireFormat] = []) {
        columns = schema.wireColumns(isChangelog: isChangelog, formats: formats)
        self.isChangelog = isChangelog
        numbers = schema.fields.contains { $0.typeNumber != nil } ? schema.fields.map(\.typeNumber) : []
        // Of the columns behind the change kind, one by one.
        self.formats = columns.dropFirst(isChangelog ? 1 : 0).map(\.format)
    }

    /// `range` of the rows of a batch.
    func append(_ batch: RowBatch, _ range: Range<Int>, _ cells: WireCells, to writer: BackendWriter) {
        let buffer = writer.buffer
        for row in range {
            writer.message(UInt8(ascii: "D")) {
                writer.int16(columns.count)
                if isChangelog {
                    let symbol = batch.change(at: row).symbol
                    writer.int32(Int32(symbol.utf8.count))
                    buffer.append(symbol)
                }
                for index in 0..<cells.count {
                    if cells.isNull(index, row) {
                        writer.int32(-1)
                        continue
                    }
                    let start = buffer.count
                    writer.int32(0)
                    cells.append(index, row, to: buffer)
                    writer.patch(Int32(truncatingIfNeeded: buffer.count - start - 4), at: start)
                }
            }
        }
    }

    func cells(of batch: RowBatch) -> WireCells { WireCells(batch.columns, formats: formats.isEmpty ? [.text] : formats, numbers: numbers) }
}

/// The lines of COPY TO STDOUT.
struct CopyWriter {
    let format: CopyFormat
    let columnNames: [String]
    private let isChangelog: Bool
    private let scratch = ByteBuffer()

    init(format: CopyFormat, schema: Schema, isChangelog: Bool) {
        self.format = format
        self.isChangelog = isChangelog
        columnNames = (isChangelog ? ["op"] : []) + schema.fields.map(\.name)
    }

    func appendHeader(to writer: BackendWriter) {
        writer.message(UInt8(ascii: "d")) {
            for (index, name) in columnNames.enumerated() {
                if index > 0 { writer.buffer.append(format.delimiter) }
                var name = name
                name.withUTF8 { appendField($0, to: writer.buffer) }
            }
            writer.buffer.append(0x0A)
        }
    }

    func append(_ batch: RowBatch, _ range: Range<Int>, _ cells: WireCells, to writer: BackendWriter) {
        let buffer = writer.buffer
        for row in range {
            writer.message(UInt8(ascii: "d")) {
                if isChangelog {
                    buffer.append(batch.change(at: row).symbol)
                    if cells.count > 0 { buffer.append(format.delimiter) }
                }
                for index in 0..<cells.count {
                    if index > 0 { buffer.append(format.delimiter) }
                    if cells.isNull(index, row) {
                        format.nullText.withUnsafeBufferPointer { buffer.append($0) }
                        continue
                    }
                    // Written where it belongs, and again only if something in it needs an escape.
                    let start = buffer.count
                    cells.append(index, row, to: buffer)
                    let text = TextBytes(start: UnsafePointer(buffer.reserve(0)) - (buffer.count - start), count: buffer.count - start)
                    guard format.needsEscape(text) else { continue }
                    scratch.clear()
                    scratch.append(text)
                    buffer.truncate(to: start)
                    appendField(scratch.text, to: buffer)
                }
                buffer.append(0x0A)
            }
        }
    }

    private func appendField(_ text: TextBytes, to buffer: ByteBuffer) {
        guard format.needsEscape(text) else { return buffer.append(text) }
        if format.isCSV {
            buffer.append(0x22)
            for byte in text {
                if byte == 0x22 { buffer.append(0x22) }
                buffer.append(byte)
            }
            buffer.append(0x22)
            return
        }
        for byte in text {
            switch byte {
            case 8: buffer.append("\\b" as StaticString)
            case 9: buffer.append("\\t" as StaticString)
            case 10: buffer.append("\\n" as StaticString)
            case 11: buffer.append("\\v" as StaticString)
            case 12: buffer.append("\\f" as StaticString)
            case 13: buffer.append("\\r" as StaticString)
            case UInt8(ascii: "\\"): buffer.append("\\\\" as StaticString)
            default:
                if byte == format.delimiter { buffer.append(UInt8(ascii: "\\")) }
                buffer.append(byte)
            }
        }
    }
}

/// How COPY writes fields.
struct CopyFormat {
    var isCSV: Bool
    var delimiter: UInt8
    var nullText: [UInt8]

    @inline(__always)
    func needsEscape(_ text: TextBytes) -> Bool {
        if isCSV {
            // An empty text is not the empty NULL; `\.` alone would end the data.
            if text.count == nullText.count, text.elementsEqual(nullText) { return true }
            for byte in text where byte == delimiter || byte == 0x22 || byte == 0x0A || byte == 0x0D { return true }
            return text.count == 2 && text[0] == 0x5C && text[1] == 0x2E
        }
        for byte in text where byte == delimiter || byte == 0x5C || (byte >= 8 && byte <= 13) { return true }
        return false
    }
}
