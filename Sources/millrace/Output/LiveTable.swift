// LiveTable: a table whose end nobody knows. The first batch decides how wide the columns are; a cell that turns out wider pushes its
// own line to the right and widens the column from there on.

import Columns

struct LiveTable {
    private let names: [String]
    private let isNumeric: [Bool]
    private let writesChangeKind: Bool
    private var widths: [Int]
    private var hasHeader = false

    init(schema: Schema, writesChangeKind: Bool) {
        names = schema.fields.map(\.name) + (writesChangeKind ? ["op"] : [])
        isNumeric = schema.types.map(\.isNumeric) + (writesChangeKind ? [false] : [])
        self.writesChangeKind = writesChangeKind
        widths = names.map(Self.width)
    }

    mutating func append(_ batch: RowBatch, to buffer: ByteBuffer) {
        let rows = (0..<batch.count).map { cells(of: $0, in: batch) }
        for row in rows {
            for (index, cell) in row.enumerated() { widths[index] = max(widths[index], Self.width(cell)) }
        }
        if !hasHeader { appendHeader(to: buffer) }
        for row in rows { appendLine(row, to: buffer) }
    }

    mutating func appendHeader(to buffer: ByteBuffer) {
        hasHeader = true
        for (index, name) in names.enumerated() {
            if index > 0 { buffer.append(UInt8(ascii: "|")) }
            let room = widths[index] - Self.width(name)
            buffer.append(String(repeating: " ", count: 1 + room / 2) + name + String(repeating: " ", count: room - room / 2 + 1))
        }
        buffer.append("\n" as StaticString)
        buffer.append(widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "+") + "\n")
    }

    private func appendLine(_ cells: [String], to buffer: ByteBuffer) {
        for (index, cell) in cells.enumerated() {
            if index > 0 { buffer.append(" |" as StaticString) }
            buffer.append(" " as StaticString)
            let padding = String(repeating: " ", count: max(0, widths[index] - Self.width(cell)))
            if isNumeric[index] { buffer.append(padding) }
            buffer.append(cell)
            if !isNumeric[index], index < cells.count - 1 { buffer.append(padding) }
        }
        buffer.append("\n" as StaticString)
    }

    private func cells(of row: Int, in batch: RowBatch) -> [String] {
        var cells = batch.columns.map { CellText.string($0, row: row) }
        if writesChangeKind { cells.append(batch.change(at: row).symbol) }
        return cells
    }

    private static func width(_ text: String) -> Int {
        var text = text
        return text.withUTF8 { UTF8Text.displayWidth($0) }
    }
}

/// A value as one line of text.
enum CellText {
    /// As it is.
    static func plain(_ column: Column, row: Int) -> String {
        let buffer = ByteBuffer()
        TextFormat.append(column, row: row, to: buffer)
        return buffer.string
    }

    static func string(_ column: Column, row: Int) -> String {
        let buffer = ByteBuffer()
        TextFormat.append(column, row: row, to: buffer)
        guard buffer.text.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return buffer.string }
        var text = ""
        for scalar in buffer.string.unicodeScalars {
            // What would steer the terminal is shown as it would be written.
            if scalar.value < 0x20 || scalar.value == 0x7F { text += scalar.escaped(asASCII: true) } else { text.unicodeScalars.append(scalar) }
        }
        return text
    }
}
