// RowDifference: rows that were expected beside rows that came.
//
//         shop  | sales | total
//       - north |     2 | 30.00       expected, and missing
//       + north |     1 | 9.99        came, and was not expected
//       3 rows are as expected
//
// In any order, each expected row takes the first row that fits. A missing row and an unexpected one that agree in at least half of their columns
// stand side by side. In order, the longest common part is kept and everything is shown.

import Columns
import Engine

struct RowDifference {
    /// A row that came.
    struct Found {
        var values: [Value]
        var op: String
    }

    private static let linesShownMax = 40

    private enum Mark: String { case same = " ", missing = "-", unexpected = "+" }
    private struct Line {
        var mark: Mark
        var cells: [String]
    }

    private let expected: TestRows
    private let found: [Found]
    private let schema: Schema
    private var lines: [Line] = []
    private var sameCount = 0

    /// nil when there is none.
    init?(expected: TestRows, found: [Found], schema: Schema, isOrdered: Bool) {
        self.expected = expected
        self.found = found
        self.schema = schema
        if isOrdered { compareInOrder() } else { compareInAnyOrder() }
        if lines.allSatisfy({ $0.mark == .same }) { return nil }
    }

    // MARK: Comparing

    private static func fits(_ cell: TestRows.Cell, _ value: Value) -> Bool {
        switch cell {
        case .any: return true
        case .value(let wanted): return wanted == value
        case .rounded(let wanted, let digits):
            guard case .double(let number) = value else { return false }
            var unit = 1.0
            for _ in 0..<min(digits, 300) { unit /= 10 }
            return abs(number - wanted) <= unit / 2 * (1 + 1e-9) || number == wanted
        }
    }

    private func agreeing(_ row: TestRows.Row, _ other: Found) -> Int {
        zip(row.cells, expected.columns).count { RowDifference.fits($0, other.values[$1]) } + (expected.hasOp && row.op == other.op ? 1 : 0)
    }

    private var cellCount: Int { expected.columns.count + (expected.hasOp ? 1 : 0) }
    private func fits(_ row: TestRows.Row, _ other: Found) -> Bool { agreeing(row, other) == cellCount }

    private mutating func compareInAnyOrder() {
        var left = Array(found.indices)
        var missing: [TestRows.Row] = []
        for row in expected.rows {
            if let place = left.firstIndex(where: { fits(row, found[$0]) }) {
                left.remove(at: place)
                sameCount += 1
            } else {
                missing.append(row)
            }
        }
        for row in missing {
            lines.append(Line(mark: .missing, cells: cells(row)))
            let near = left.indices.max { agreeing(row, found[left[$0]]) < agreeing(row, found[left[$1]]) }
            if let near, agreeing(row, found[left[near]]) * 2 >= cellCount {
                lines.append(Line(mark: .unexpected, cells: cells(found[left[near]])))
                left.remove(at: near)
            }
        }
        lines += left.map { Line(mark: .unexpected, cells: cells(found[$0])) }
    }

    private mutating func compareInOrder() {
        let rows = expected.rows
        // The table of longest common parts grows with the product; beyond this rows are compared place by place.
        guard rows.count * found.count <= 4_000_000 else {
            for index in 0..<max(rows.count, found.count) {
                if index < rows.count, index < found.count, fits(rows[index], found[index]) { continue }
                if index < rows.count { lines.append(Line(mark: .missing, cells: cells(rows[index]))) }
                if index < found.count { lines.append(Line(mark: .unexpected, cells: cells(found[index]))) }
            }
            return
        }
        let width = found.count + 1
        var lengths = [Int32](repeating: 0, count: (rows.count + 1) * width)
        for row in rows.indices.reversed() {
            for other in found.indices.reversed() {
                lengths[row * width + other] =
                    fits(rows[row], found[other])
                    ? lengths[(row + 1) * width + other + 1] + 1 : max(lengths[(row + 1) * width + other], lengths[row * width + other + 1])
            }
        }
        var row = 0
        var other = 0
        while row < rows.count || other < found.count {
            if row < rows.count, other < found.count, fits(rows[row], found[other]) {
                lines.append(Line(mark: .same, cells: cells(found[other])))
                row += 1
                other += 1
            } else if row < rows.count, other == found.count || lengths[(row + 1) * width + other] >= lengths[row * width + other + 1] {
                lines.append(Line(mark: .missing, cells: cells(rows[row])))
                row += 1
            } else {
                lines.append(Line(mark: .unexpected, cells: cells(found[other])))
                other += 1
            }
        }
    }

    // MARK: Showing

    private func cells(_ row: TestRows.Row) -> [String] { row.texts + (expected.hasOp ? [row.op ?? "*"] : []) }

    private func cells(_ row: Found) -> [String] {
        expected.columns.map { RowDifference.text(row.values[$0], type: schema.fields[$0].type) } + (expected.hasOp ? [row.op] : [])
    }

    static func text(_ value: Value, type: SQLType) -> String {
        let text = TextFormat.string(value, type: type)
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "\u{FFFD}" : $0 }))
    }

    func text(isColoured: Bool) -> [String] {
        let names = expected.columns.map { schema.fields[$0].name } + (expected.hasOp ? ["op"] : [])
        var widths = names.map(RowDifference.width)
        for line in lines { for (index, cell) in line.cells.enumerated() { widths[index] = max(widths[index], RowDifference.width(cell)) } }
        func joined(_ cells: [String]) -> String {
            var text = zip(cells, widths).map { $0 + String(repeating: " ", count: max(0, $1 - RowDifference.width($0))) }.joined(separator: " | ")
            while text.last == " " { text.removeLast() }
            return text
        }
        var result = ["  " + joined(names)]
        // Who sees forty lines of difference knows that something is wrong.
        for line in lines.prefix(RowDifference.linesShownMax) {
            let text = "\(line.mark.rawValue) \(joined(line.cells))"
            let colour = line.mark == .missing ? "31" : "32"
            result.append(isColoured && line.mark != .same ? "\u{1B}[\(colour)m\(text)\u{1B}[0m" : text)
        }
        if lines.count > RowDifference.linesShownMax { result.append("... and \(Count.text(lines.count - RowDifference.linesShownMax)) more") }
        if sameCount > 0 { result.append("\(Count.text(sameCount, "row")) \(sameCount == 1 ? "is" : "are") as expected") }
        return result
    }

    private static func width(_ text: String) -> Int {
        var text = text
        return text.withUTF8 { UTF8Text.displayWidth($0) }
    }
}
