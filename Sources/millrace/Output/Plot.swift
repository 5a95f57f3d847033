// Plot: a series of numbers drawn with braille dots, two across and four down in each cell, with axes that fit the terminal.
//
//     bids
//      20 ┤        ⡠⠒⠢⡀
//      10 ┤  ⢀⠤⠒⠉    ⠑⢄
//       0 ┤⠉⠉
//         └────────────────
//          10:00:00  10:00:30
//
// Points are (x, y) in the order in which they came; x is a time, a number, or the row's number. The last points are kept when there are more than
// can be told apart. Where the result says what was expected (PlotExpectation), the range is shaded and unusual values are marked.

import Columns

struct Plot {
    private struct Point {
        var x: Double
        var y: Double
        var expectation: PlotExpectation.Reading?
    }

    /// Columns of the result; `x` nil: rows are numbered.
    let x: Int?
    let y: Int
    private let xType: SQLType?
    private let title: String
    private let expectation: PlotExpectation
    private var points: [Point] = []
    private var rowCount = 0
    private static let pointsMax = 100_000

    /// Takes the columns from their names; without names the first numeric one over the first time. nil when there is nothing to draw.
    init?(schema: Schema, wanted: String?) {
        let names = schema.fields.map { $0.name.lowercased() }
        let isTime = { (type: SQLType) -> Bool in
            switch type {
            case .timestamp, .timestampTZ, .date, .time: true
            default: false
            }
        }
        let chosen: Int
        if let wanted {
            guard let place = names.firstIndex(of: wanted.lowercased()), schema.types[place].isNumeric else { return nil }
            chosen = place
        } else {
            // The last numeric column: figures stand behind what they are about, and what is said of a value behind the value.
            let numeric = schema.types.indices.filter { schema.types[$0].isNumeric }
            guard let place = numeric.last(where: { !PlotExpectation.names.contains(names[$0]) }) ?? numeric.last else { return nil }
            chosen = place
        }
        let time = schema.types.indices.first { $0 != chosen && isTime(schema.types[$0]) }
        (x, y) = (time, chosen)
        xType = time.map { schema.types[$0] }
        title = schema.fields[y].name
        expectation = PlotExpectation(schema: schema)
    }

    mutating func append(_ batch: RowBatch) {
        for row in 0..<batch.count {
            guard batch.change(at: row).isAddition else { continue }
            rowCount += 1
            guard let value = Plot.number(batch.columns[y].value(at: row), batch.columns[y].type), value.isFinite else { continue }
            let place = x.flatMap { Plot.number(batch.columns[$0].value(at: row), batch.columns[$0].type) } ?? Double(rowCount)
            points.append(Point(x: place, y: value, expectation: expectation.isEmpty ? nil : expectation.read(batch, row)))
        }
        if points.count > Plot.pointsMax { points.removeFirst(points.count - Plot.pointsMax) }
    }

    var isEmpty: Bool { points.isEmpty }

    static func number(_ value: Value, _ type: SQLType) -> Double? {
        switch value {
        case .integer(let number): return Double(number)
        case .double(let number): return number
        case .decimal(let unscaled):
            guard case .decimal(_, let scale) = type else { return nil }
            var number = Double(unscaled)
            for _ in 0..<scale { number /= 10 }
            return number
        default: return nil
        }
    }

    // MARK: Drawing

    /// The lines of the drawing, `columns` wide and `rows` high at most.
    func lines(columns: Int, rows: Int) -> [String] {
        let rows = expectation.isEmpty ? rows : rows - 1
        guard let first = points.first else { return ["\(title): no numbers yet"] }
        // A live series moves on: its newest part is drawn.
        let sorted = points.sorted { $0.x < $1.x }
        var low = sorted.reduce(first.y) { min($0, $1.y) }
        var high = sorted.reduce(first.y) { max($0, $1.y) }
        // The range that was expected is shown as far as it does not make the values themselves small.
        let room = max(high - low, abs(high) / 10)
        let (least, most) = (low - room, high + room)
        for reading in sorted.lazy.compactMap(\.expectation) {
            for bound in [reading.low, reading.high, reading.expected] {
                if let bound { (low, high) = (min(low, max(bound, least)), max(high, min(bound, most))) }
            }
        }
        if low >= 0, low < high / 2 || low == high { low = 0 }
        if low == high { high = low + (low == 0 ? 1 : abs(low)) }
        let left = sorted[0].x
        let right = max(sorted[sorted.count - 1].x, left)
        let height = max(3, rows - 3)
        let labels = (0..<height).map { row -> String in
            let isLabelled = row == 0 || row == height - 1 || row == (height - 1) / 2
            return isLabelled ? Plot.label(high - (high - low) * Double(row) / Double(height - 1), range: high - low) : ""
        }
        let margin = labels.map(\.count).max() ?? 0
        let width = max(8, columns - margin - 3)
        var dots = [UInt8](repeating: 0, count: width * height)
        func column(_ x: Double) -> Int { right > left ? Int(((x - left) / (right - left) * Double(width * 2 - 1)).rounded()) : 0 }
        func row(_ y: Double) -> Int { Int(((high - y) / (high - low) * Double(height * 4 - 1)).rounded()) }
        func dot(_ column: Int, _ row: Int) {
            guard (0..<width * 2).contains(column), (0..<height * 4).contains(row) else { return }
            // Braille's dots: 1 2 3 7 down the left side, 4 5 6 8 down the right.
            let bits: [UInt8] = column % 2 == 0 ? [0x01, 0x02, 0x04, 0x40] : [0x08, 0x10, 0x20, 0x80]
            dots[row / 4 * width + column / 2] |= bits[row % 4]
        }
        var last: (column: Int, row: Int)?
        for point in sorted {
            let next = (column: column(point.x), row: row(point.y))
            // A line from the point before, step by step along the longer side.
            if let last {
                let steps = max(abs(next.column - last.column), abs(next.row - last.row))
                for step in stride(from: 1, to: steps, by: 1) {
                    dot(last.column + (next.column - last.column) * step / steps, last.row + (next.row - last.row) * step / steps)
                }
            }
            dot(next.column, next.row)
            last = next
        }
        let shades = shades(sorted, within: low...high, width: width, height: height, column: column, row: row)
        let marks = Set(sorted.lazy.filter { $0.expectation?.isMarked ?? false }.map { row($0.y) / 4 * width + column($0.x) / 2 })
        var lines = [title]
        for row in 0..<height {
            let label = labels[row]
            let cells = (row * width..<(row + 1) * width).map { cell -> String in
                if marks.contains(cell) { return "●" }
                if dots[cell] == 0 { return shades[cell].map(String.init) ?? " " }
                return String(UnicodeScalar(0x2800 + UInt32(dots[cell])).map(Character.init) ?? " ")
            }
            lines.append(String(repeating: " ", count: margin - label.count) + label + (label.isEmpty ? " │" : " ┤") + Plot.trimmed(cells.joined()))
        }
        lines.append(String(repeating: " ", count: margin) + " └" + String(repeating: "─", count: width))
        let from = xLabel(left, range: right - left)
        let to = xLabel(right, range: right - left)
        lines.append(String(repeating: " ", count: margin + 2) + from + String(repeating: " ", count: max(1, width - from.count - to.count)) + to)
        if !expectation.isEmpty { lines.append(String(repeating: " ", count: margin + 2) + expectation.legend) }
        return lines
    }

    /// What lies behind the line: the range that was expected, or, without one, what was expected.
    private func shades(
        _ sorted: [Point], within range: ClosedRange<Double>, width: Int, height: Int, column: (Double) -> Int, row: (Double) -> Int
    ) -> [Character?] {
        var shades = [Character?](repeating: nil, count: width * height)
        var last: (cell: Int, top: Double, bottom: Double)?
        for point in sorted {
            let reading = point.expectation
            guard let upper = reading?.high ?? reading?.expected, let lower = reading?.low ?? reading?.expected, upper >= lower else {
                last = nil
                continue
            }
            let top = min(max(upper, range.lowerBound), range.upperBound)
            let bottom = min(max(lower, range.lowerBound), range.upperBound)
            let character: Character = reading?.low == nil ? "┄" : "░"
            let cell = min(max(column(point.x) / 2, 0), width - 1)
            let from = last ?? (cell, top, bottom)
            for place in min(from.cell, cell)...cell {
                // Between two points the range goes from one to the other.
                let share = cell > from.cell ? Double(place - from.cell) / Double(cell - from.cell) : 1
                let high = row(from.top + (top - from.top) * share)
                let low = row(from.bottom + (bottom - from.bottom) * share)
                for line in max(0, high / 4)..<max(0, high / 4, min(height, low / 4 + 1)) { shades[line * width + place] = character }
            }
            last = (cell, top, bottom)
        }
        return shades
    }

    private static func trimmed(_ text: String) -> String {
        var text = text
        while text.last == " " { text.removeLast() }
        return text
    }

    private func xLabel(_ x: Double, range: Double) -> String {
        switch xType {
        case .timestamp, .timestampTZ:
            let text = TimeOfDay.text(microseconds: Int64(x))
            // Over days the time of day says nothing.
            return range > 2 * 86_400_000_000 ? String(text.prefix(10)) : String(text.dropFirst(11).prefix(8))
        case .date, .time: return xType.map { TextFormat.string(.integer(Int64(x)), type: $0) } ?? ""
        default: return Plot.label(x, range: 100)
        }
    }

    /// As many digits as the range needs to tell its marks apart.
    private static func label(_ number: Double, range: Double) -> String {
        if abs(number) >= 1e15 || (number != 0 && abs(number) < 1e-6) { return String(number) }
        var digits = 0
        var step = abs(range) / 4
        while step < 1, digits < 6, step > 0 {
            step *= 10
            digits += 1
        }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64((number * scale).rounded())
        guard digits > 0 else { return String(scaled) }
        let text = String(scaled.magnitude)
        let padded = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
        return (scaled < 0 ? "-" : "") + padded.dropLast(digits) + "." + padded.suffix(digits)
    }
}
