// TestRows: the rows below `given` and `expect`.
//
// A table has a line of column names and a line per row, cells between bars; a line of dashes below the names is passed over. Not every column
// need be named: what is not given is NULL, what is not expected is not compared. In a cell
//
//     NULL       is NULL
//     *          is any value (only where rows are expected)
//     'a | b'    is text with spaces, bars, or nothing in it
//     10:00:01   is that time on the test's day, in a timestamp column
//     0.33       in a DOUBLE or REAL column is every value that is 0.33 when it is rounded to as many digits
//
// Lines that begin with a brace are JSON, an object a row, as `millrace tail` prints them: then every column is compared.

import Columns
import Engine
import Syntax

struct TestRows {
    enum Cell {
        case value(Value)
        /// A number that was written with so many digits behind the point.
        case rounded(Double, digits: Int)
        case any
    }

    struct Row {
        var cells: [Cell]
        /// As it was written, per column.
        var texts: [String]
        /// Of a changelog's row: `+I`.
        var op: String?
        var line: TestLine
    }

    /// Indices into the schema, in the order in which the columns are written.
    var columns: [Int] = []
    var rows: [Row] = []
    var hasOp = false

    /// Everything a cell is read with.
    struct Context {
        var schema: Schema
        var source: String
        var day: String
        var isExpected: Bool
        /// Whether a column `op` is the kind of a change.
        var takesOp: Bool
    }

    init(_ block: [TestLine], _ context: Context) throws {
        if block.first?.text.first == "{" {
            try readJSON(block, context)
        } else {
            try readTable(block, context)
        }
    }

    // MARK: Tables

    private mutating func readTable(_ block: [TestLine], _ context: Context) throws {
        guard let header = block.first else { return }
        var opPlace: Int?
        for (place, name) in TestRows.cells(of: header).enumerated() {
            let wanted = name.text.lowercased()
            if context.takesOp, wanted == "op" {
                opPlace = place
                hasOp = true
                continue
            }
            let names = context.schema.fields.map(\.name)
            guard let column = names.firstIndex(where: { $0.lowercased() == wanted }) else {
                throw TestFile.error(
                    "there is no column \"\(name.text)\"", at: name.span, in: context.source,
                    hint: NearestName.find(String(name.text), among: names).map { "did you mean \($0)?" } ?? "columns are \(names.joined(separator: ", "))")
            }
            if columns.contains(column) { throw TestFile.error("column \"\(name.text)\" is named twice", at: name.span, in: context.source) }
            columns.append(column)
        }
        for line in block.dropFirst() {
            if line.text.allSatisfy({ "-+| ".contains($0) }), line.text.contains("-") { continue }
            var cells = TestRows.cells(of: line)
            guard cells.count == columns.count + (opPlace == nil ? 0 : 1) else {
                throw TestFile.error(
                    "this row has \(Count.text(cells.count, "cell")), the table has \(Count.text(columns.count + (opPlace == nil ? 0 : 1), "column"))",
                    at: line.span, in: context.source)
            }
            var row = Row(cells: [], texts: [], line: line)
            if let opPlace {
                let op = cells.remove(at: opPlace)
                guard ChangeKind.allCases.contains(where: { $0.symbol == op.text }) else {
                    throw TestFile.error("expected +I, -U, +U or -D", at: op.span, in: context.source)
                }
                row.op = String(op.text)
            }
            for (cell, column) in zip(cells, columns) {
                row.cells.append(try TestRows.read(cell, type: context.schema.fields[column].type, context))
                row.texts.append(String(cell.text))
            }
            rows.append(row)
        }
    }

    /// What stands between the bars.
    private static func cells(of line: TestLine) -> [TestLine] {
        var cells: [TestLine] = []
        var begin = line.text.startIndex
        var start = line.start
        var isQuoted = false
        var index = begin
        while index < line.text.endIndex {
            let character = line.text[index]
            if character == "'" { isQuoted.toggle() }
            let next = line.text.index(after: index)
            if character == "|", !isQuoted {
                let text = line.text[begin..<index]
                cells.append(TestLine(text: text, start: start).trimmed)
                start += text.utf8.count + 1
                begin = next
            }
            index = next
        }
        cells.append(TestLine(text: line.text[begin...], start: start).trimmed)
        // A bar at either end of the line is a frame.
        if cells.count > 1, cells[0].text.isEmpty { cells.removeFirst() }
        if cells.count > 1, cells[cells.count - 1].text.isEmpty { cells.removeLast() }
        return cells
    }

    private static func read(_ cell: TestLine, type: SQLType, _ context: Context) throws -> Cell {
        var text = String(cell.text)
        if text == "NULL" { return .value(.null) }
        if text == "*" {
            guard context.isExpected else { throw TestFile.error("a given row needs a value here", at: cell.span, in: context.source) }
            return .any
        }
        if text.count >= 2, text.first == "'", text.last == "'" {
            text = text.dropFirst().dropLast().split(separator: "''", omittingEmptySubsequences: false).joined(separator: "'")
        } else {
            switch type {
            case .timestamp, .timestampTZ: text = TestRows.dated(text, context.day)
            case .double, .real:
                if context.isExpected, let point = text.firstIndex(of: "."), let number = Double(text) {
                    let digits = text[text.index(after: point)...]
                    if digits.allSatisfy(\.isNumber) { return .rounded(number, digits: digits.count) }
                }
            default: break
            }
        }
        do {
            return .value(try TextFormat.parse(text, as: type))
        } catch {
            throw TestFile.error("\"\(text)\" is no \(type.name)", at: cell.span, in: context.source)
        }
    }

    /// A time of day gets the day.
    static func dated(_ text: String, _ day: String) -> String {
        let isTime = text.contains(":") && text.allSatisfy { $0.isNumber || ":.Z".contains($0) }
        guard isTime else { return text }
        return "\(day)T\(text.split(separator: ":")[0].count == 1 ? "0" : "")\(text)"
    }

    // MARK: JSON

    private mutating func readJSON(_ block: [TestLine], _ context: Context) throws {
        columns = Array(context.schema.fields.indices)
        var schema = context.schema
        if context.takesOp {
            schema.fields.append(SQLType.Field(name: "op", type: .text))
            hasOp = true
        }
        for line in block {
            let bytes = Array((line.text + "\n").utf8)
            let decoded = JSONLinesDecoder.decode(bytes.withUnsafeBytes { Buffer(copying: $0) }, schema: schema)
            if let bad = decoded.flatMap(\.badRows).first { throw TestFile.error("\(bad.reason)", at: line.span, in: context.source) }
            for batch in decoded.map(\.batch) {
                for index in 0..<batch.count {
                    var values = batch.row(index)
                    var row = Row(cells: [], texts: [], line: line)
                    if context.takesOp, case .string(let op)? = values.popLast() { row.op = op }
                    row.cells = values.map { .value($0) }
                    row.texts = zip(values, context.schema.fields).map { TextFormat.string($0, type: $1.type) }
                    rows.append(row)
                }
            }
        }
    }

    // MARK: As input

    /// JSON lines of the given rows; `op` under its own key.
    func lines(schema: Schema) -> [UInt8] {
        let fields = columns.map { schema.fields[$0] }
        let encoder = JSONLinesEncoder(schema: Schema(fields + (hasOp ? [SQLType.Field(name: "op", type: .text)] : [])))
        let values = rows.map { row in
            row.cells.map { cell -> Value in if case .value(let value) = cell { value } else { .null } } + (hasOp ? [row.op.map { .string($0) } ?? .null] : [])
        }
        let buffer = ByteBuffer()
        encoder.append(RowBatch.make(values, types: fields.map(\.type) + (hasOp ? [.text] : [])), to: buffer)
        return buffer.array
    }

    /// The latest time in a column, in microseconds; nil when it is not among the columns.
    func latest(column: Int) -> Int64? {
        guard let place = columns.firstIndex(of: column) else { return nil }
        return rows.compactMap { row in if case .value(.integer(let time)) = row.cells[place] { time } else { nil } }.max()
    }
}
