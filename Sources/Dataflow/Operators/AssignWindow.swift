// AssignWindow: a row once for each window it belongs to, with window_start and window_end behind its columns. For window functions
// that no aggregation stands above.

import Columns
import Planning

struct AssignWindow: BatchTransform, Sendable {
    let grid: WindowGrid
    let timeColumn: Int
    let inputTypes: [SQLType]

    init(_ node: WindowNode, inputTypes: [SQLType]) throws(DataflowError) {
        guard let grid = WindowGrid(node.shape) else { throw DataflowError("rows cannot be assigned to this kind of window one by one") }
        self.grid = grid
        timeColumn = node.timeColumn
        self.inputTypes = inputTypes
    }

    func apply(_ batch: RowBatch, _ context: TaskContext) -> RowBatch {
        let time = batch.columns[timeColumn]
        let type = inputTypes[timeColumn]
        var rows: [Int32] = []
        var starts: [Int64] = []
        var ends: [Int64] = []
        rows.reserveCapacity(batch.count)
        starts.reserveCapacity(batch.count)
        ends.reserveCapacity(batch.count)
        var cached: (start: Int64, end: Int64)?
        for row in 0..<batch.count {
            if time.isNull(row) {
                context.fail("event time is NULL", expression: "window", row: batch.row(row), types: inputTypes)
                continue
            }
            let value = time.int64s[row]
            if grid.kind == .tumble, let known = cached, value >= known.start && value < known.end {
                rows.append(Int32(truncatingIfNeeded: row))
                starts.append(known.start)
                ends.append(known.end)
                continue
            }
            grid.windows(containing: value) { start, end in
                rows.append(Int32(truncatingIfNeeded: row))
                starts.append(start)
                ends.append(end)
                cached = (start, end)
            }
        }
        func column(_ values: [Int64]) -> Column { values.withUnsafeBytes { Column(type: type, count: values.count, values: Buffer(copying: $0)) } }
        let isSame = rows.count == batch.count && grid.kind == .tumble
        let kept = isSame ? batch : batch.gather(rows)
        return kept.replacing(columns: kept.columns + [column(starts), column(ends)])
    }
}
