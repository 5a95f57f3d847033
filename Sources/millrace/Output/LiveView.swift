// LiveView: the result of a query that takes rows back, kept up to date in place on a terminal.
//
//      auction | bids
//     ---------+------
//         1001 |   12
//         1004 |    9
//     2 rows, 34 changes, 12 changes/s, watermark 2026-11-20T23:45:00.000    (Ctrl-C ends)
//
// Rows stand in the order in which they came; an update takes the place of what it updates. When there are more than fit, the last ones are shown.
// Drawn a few times a second at most, whatever comes.

import Columns
import Engine
import Platform

final class LiveView {
    private let names: [String]
    private let isNumeric: [Bool]
    private let output: OutputFile
    private let clock = SystemClock()
    private var rows: [Int: [String]] = [:]
    /// By content, the rows that have it, oldest first.
    private var places: [[String]: [Int]] = [:]
    private var order: [Int] = []
    private var nextRow = 0
    /// The place that the last row taken back by an update had.
    private var vacated: Int?
    private var changeCount = 0
    private var drawnLines = 0
    private var lastDrawn: UInt64 = 0
    private var lastChangeCount = 0
    private var rate = 0.0
    private var isStale = true
    private static let intervalNanoseconds: UInt64 = 150_000_000

    init(schema: Schema, output: OutputFile) {
        names = schema.fields.map(\.name)
        isNumeric = schema.types.map(\.isNumeric)
        self.output = output
    }

    var rowCount: Int { rows.count }

    func apply(_ batch: RowBatch) {
        for row in 0..<batch.count {
            let cells = batch.columns.map { CellText.string($0, row: row) }
            switch batch.change(at: row) {
            case .insert: add(cells)
            case .updateAfter: add(cells, at: vacated)
            case .updateBefore: vacated = remove(cells)
            case .delete:
                if let place = remove(cells) { order.removeAll { $0 == place } }
            }
            changeCount += 1
        }
        isStale = true
    }

    private func add(_ cells: [String], at place: Int? = nil) {
        let row = place ?? nextRow
        if place == nil {
            nextRow += 1
            order.append(row)
        }
        vacated = nil
        rows[row] = cells
        places[cells, default: []].append(row)
    }

    private func remove(_ cells: [String]) -> Int? {
        // A row that an update left without a successor goes with it.
        if let vacated, rows[vacated] == nil { order.removeAll { $0 == vacated } }
        guard let row = places[cells]?.popLast() else { return nil }
        if places[cells]?.isEmpty == true { places[cells] = nil }
        rows[row] = nil
        return row
    }

    // MARK: Drawing

    /// Draws when there is something new and the last time is long enough ago.
    func refresh(watermark: Int64) {
        let now = clock.monotonicNanoseconds()
        guard isStale || now &- lastDrawn > 1_000_000_000, now &- lastDrawn >= LiveView.intervalNanoseconds else { return }
        if lastDrawn > 0, now > lastDrawn {
            let current = Double(changeCount - lastChangeCount) * 1e9 / Double(now - lastDrawn)
            rate = rate * 0.6 + current * 0.4
        }
        lastChangeCount = changeCount
        lastDrawn = now
        isStale = false
        draw(watermark: watermark, isLast: false)
    }

    func finish(watermark: Int64) { draw(watermark: watermark, isLast: true) }

    private func draw(watermark: Int64, isLast: Bool) {
        let size = Screen.size
        let shown = order.compactMap { rows[$0] }
        let room = max(1, size.rows - 4)
        let visible = shown.suffix(room)
        var widths = names.map(LiveView.width)
        for row in visible { for (index, cell) in row.enumerated() { widths[index] = max(widths[index], LiveView.width(cell)) } }
        var lines = [
            zip(names, widths).map { " " + $0 + String(repeating: " ", count: max(0, $1 - LiveView.width($0))) + " " }.joined(separator: "|"),
            widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "+"),
        ]
        for row in visible {
            lines.append(
                row.enumerated().map { index, cell in
                    let padding = String(repeating: " ", count: max(0, widths[index] - LiveView.width(cell)))
                    return " " + (isNumeric[index] ? padding + cell : cell + padding) + " "
                }.joined(separator: "|"))
        }
        var status = Count.text(shown.count, "row")
        if visible.count < shown.count { status += " (the last \(visible.count) are shown)" }
        status += ", \(Count.text(changeCount, "change")), \(Count.text(Int64(rate.rounded()))) changes/s"
        if watermark > .min, watermark < .max { status += ", watermark \(TimeOfDay.text(microseconds: watermark))" }
        lines.append(isLast ? "(\(Count.text(shown.count, "row")))" : status + "    (Ctrl-C ends)")
        var text = drawnLines > 0 ? "\u{1B}[\(drawnLines)A\r" : "\r"
        for line in lines { text += LiveView.cut(line, to: size.columns) + "\u{1B}[K\n" }
        text += "\u{1B}[J"
        drawnLines = lines.count
        output.write(text)
    }

    private static func cut(_ line: String, to columns: Int) -> String {
        guard width(line) > columns else { return line }
        var text = ""
        var used = 0
        for character in line {
            used += width(String(character))
            if used >= columns { break }
            text.append(character)
        }
        return text + "…"
    }

    private static func width(_ text: String) -> Int {
        var text = text
        return text.withUTF8 { UTF8Text.displayWidth($0) }
    }
}
