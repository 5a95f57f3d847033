// TableFormatter: row batches → the aligned tables that psql prints.
//
//      id | name
//     ----+------
//       1 | a
//     (1 row)
//
// Numbers stand on the right, headers in the middle, NULL is empty. Control characters in values are shown escaped, so that a row
// stays one line.

package struct TableFormatter {
    private let schema: Schema
    /// Longer cells are cut, with an ellipsis; nil for never.
    private let cellWidthMax: Int?
    private let writesChangeKind: Bool

    package init(schema: Schema, cellWidthMax: Int? = nil, writesChangeKind: Bool = false) {
        self.schema = schema
        self.cellWidthMax = cellWidthMax
        self.writesChangeKind = writesChangeKind
    }

    private struct Cell {
        var start: Int
        var byteCount: Int
        var width: Int
    }

    /// Header, rows and the count. `batches` are all rows of the result.
    package func append(_ batches: [RowBatch], to buffer: ByteBuffer) {
        let cells = ByteBuffer(capacity: 4096)
        let headers = headerNames.map { addCell(Array($0.utf8), to: cells) }
        var widths = headers.map(\.width)
        var rows: [[Cell]] = []
        for batch in batches {
            let texts = RowText(batch.columns)
            for row in 0..<batch.count {
                let line = rowCells(texts, batch, row, cells)
                for index in line.indices where index < widths.count { widths[index] = max(widths[index], line[index].width) }
                rows.append(line)
            }
        }
        appendHeader(headers, widths, cells, to: buffer)
        for row in rows { appendLine(row, widths, cells, to: buffer) }
        buffer.append("(\(rows.count) \(rows.count == 1 ? "row" : "rows"))\n")
    }

    private var headerNames: [String] { schema.fields.map(\.name) + (writesChangeKind ? ["op"] : []) }

    private func rowCells(_ texts: RowText, _ batch: RowBatch, _ row: Int, _ cells: ByteBuffer) -> [Cell] {
        let scratch = ByteBuffer()
        var line: [Cell] = []
        for index in 0..<texts.columnCount {
            scratch.clear()
            texts.append(index, row, to: scratch)
            line.append(addCell(scratch.array, to: cells))
        }
        if writesChangeKind { line.append(addCell(Array(batch.change(at: row).symbol.utf8), to: cells)) }
        return line
    }

    /// The bytes as they are shown, and how wide that is.
    private func addCell(_ text: [UInt8], to cells: ByteBuffer) -> Cell {
        let start = cells.count
        for byte in text {
            switch byte {
            case 0x0A: cells.append("\\n" as StaticString)
            case 0x0D: cells.append("\\r" as StaticString)
            case 0x09: cells.append("\\t" as StaticString)
            case 0..<0x20, 0x7F:
                let digits: StaticString = "0123456789abcdef"
                cells.append("\\x" as StaticString)
                cells.append(digits.utf8Start[Int(byte >> 4)])
                cells.append(digits.utf8Start[Int(byte & 15)])
            default: cells.append(byte)
            }
        }
        var width = UTF8Text.displayWidth(TextBytes(rebasing: cells.text[start...]))
        if let limit = cellWidthMax, width > limit {
            var kept = UTF8Text.byteCount(of: TextBytes(rebasing: cells.text[start...]), characters: max(limit - 1, 0))
            while kept > 0 && UTF8Text.displayWidth(TextBytes(rebasing: cells.text[start..<start + kept])) > limit - 1 {
                kept -= 1
                while kept > 0 && cells[start + kept] & 0xC0 == 0x80 { kept -= 1 }
            }
            cells.truncate(to: start + kept)
            cells.append("…" as StaticString)
            width = UTF8Text.displayWidth(TextBytes(rebasing: cells.text[start...]))
        }
        return Cell(start: start, byteCount: cells.count - start, width: width)
    }

    private func appendHeader(_ headers: [Cell], _ widths: [Int], _ cells: ByteBuffer, to buffer: ByteBuffer) {
        for (index, cell) in headers.enumerated() {
            if index > 0 { buffer.append(0x7C) }
            let room = widths[index] - cell.width
            buffer.append(repeating: 0x20, count: 1 + room / 2)
            buffer.append(TextBytes(rebasing: cells.text[cell.start..<cell.start + cell.byteCount]))
            buffer.append(repeating: 0x20, count: room - room / 2 + 1)
        }
        buffer.append(0x0A)
        for index in headers.indices {
            if index > 0 { buffer.append(0x2B) }
            buffer.append(repeating: 0x2D, count: widths[index] + 2)
        }
        buffer.append(0x0A)
    }

    private func appendLine(_ line: [Cell], _ widths: [Int], _ cells: ByteBuffer, to buffer: ByteBuffer) {
        for (index, cell) in line.enumerated() where index < widths.count {
            if index > 0 { buffer.append(0x7C) }
            buffer.append(0x20)
            let room = max(widths[index] - cell.width, 0)
            let onTheRight = index < schema.count && schema[index].type.isNumeric
            if onTheRight { buffer.append(repeating: 0x20, count: room) }
            buffer.append(TextBytes(rebasing: cells.text[cell.start..<cell.start + cell.byteCount]))
            if !onTheRight && index < line.count - 1 { buffer.append(repeating: 0x20, count: room) }
            if index < line.count - 1 { buffer.append(0x20) }
        }
        buffer.append(0x0A)
    }
}
