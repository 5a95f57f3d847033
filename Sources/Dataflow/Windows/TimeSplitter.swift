// TimeSplitter: cuts a batch by slices of time, and takes out rows without a time and rows that are late.
//
// Most batches lie in one slice, or go through a few in order: a run costs one comparison a row, a division only when a slice is
// seen for the first time in the batch. Batches in disorder are gathered slice by slice.

import Columns

struct TimeSplitter: Sendable {
    enum Part {
        case whole(sliceStart: Int64)
        case range(sliceStart: Int64, rows: Range<Int>)
        case rows(sliceStart: Int64, rows: UnsafeBufferPointer<Int32>)
        case deferred(sliceStart: Int64, row: Int, watermark: Int64)
    }

    let grid: WindowGrid
    let latenessMicroseconds: Int64
    let operatorName: String
    let inputTypes: [SQLType]
    let timeName: String

    func split(_ batch: RowBatch, time: Column, _ context: TaskContext, _ body: (Part) -> Void) {
        if time.mayHaveNulls || batch.watermarks != nil {
            splitCarefully(batch, time, context, body)
        } else {
            splitRuns(time.int64s, count: batch.count, body)
        }
    }

    private func splitRuns(_ times: UnsafePointer<Int64>, count n: Int, _ body: (Part) -> Void) {
        var seen: [(start: Int64, end: Int64)] = []
        var runs: [(slice: Int, end: Int)] = []
        let runsMax = 4 + n / 64
        var row = 0
        while row < n {
            let index = find(times[row], &seen)
            let start = seen[index].start
            let width = UInt64(bitPattern: seen[index].end &- start)
            var end = row + 1
            while end < n && UInt64(bitPattern: times[end] &- start) < width { end += 1 }
            runs.append((index, end))
            row = end
            if runs.count > runsMax { return splitDisordered(times, count: n, body) }
        }
        var begin = 0
        for run in runs {
            let start = seen[run.slice].start
            if grid.isCovered(sliceStart: start) {
                body(runs.count == 1 ? .whole(sliceStart: start) : .range(sliceStart: start, rows: begin..<run.end))
            }
            begin = run.end
        }
    }

    /// The place of the slice of `time` among those seen.
    @inline(__always)
    private func find(_ time: Int64, _ seen: inout [(start: Int64, end: Int64)]) -> Int {
        for index in seen.indices where time >= seen[index].start && (time < seen[index].end || seen[index].end == .max) { return index }
        seen.append(grid.slice(time))
        return seen.count - 1
    }

    private func splitDisordered(_ times: UnsafePointer<Int64>, count n: Int, _ body: (Part) -> Void) {
        gatherBySlice(rows: nil, count: n, times: times, body)
    }

    private func gatherBySlice(rows: [Int32]?, count n: Int, times: UnsafePointer<Int64>, _ body: (Part) -> Void) {
        var seen: [(start: Int64, end: Int64)] = []
        var lists: [[Int32]] = []
        var last = -1
        var low = Int64(0)
        var width = UInt64(0)
        for i in 0..<n {
            let row = rows?[i] ?? Int32(truncatingIfNeeded: i)
            let time = times[Int(row)]
            if last < 0 || UInt64(bitPattern: time &- low) >= width {
                last = find(time, &seen)
                if last == lists.count {
                    lists.append([])
                    lists[last].reserveCapacity(n / 2)
                }
                low = seen[last].start
                width = UInt64(bitPattern: seen[last].end &- low)
            }
            lists[last].append(row)
        }
        for (index, list) in lists.enumerated() where grid.isCovered(sliceStart: seen[index].start) {
            list.withUnsafeBufferPointer { body(.rows(sliceStart: seen[index].start, rows: $0)) }
        }
    }

    private func splitCarefully(_ batch: RowBatch, _ time: Column, _ context: TaskContext, _ body: (Part) -> Void) {
        let times = time.int64s
        var kept: [Int32] = []
        kept.reserveCapacity(batch.count)
        for row in 0..<batch.count {
            if time.isNull(row) {
                context.fail("event time is NULL", expression: timeName, row: batch.row(row), types: inputTypes)
                continue
            }
            if let watermarks = batch.watermarks, times[row] <= watermarks.int64s[row] {
                let watermark = watermarks.int64s[row]
                let start = grid.slice(times[row]).start
                guard grid.isCovered(sliceStart: start) else { continue }
                if WindowGrid.add(grid.lastEnd(sliceStart: start), latenessMicroseconds) <= watermark {
                    context.late(operatorName, eventTime: times[row], watermark: watermark, row: batch.row(row), types: inputTypes)
                    continue
                }
                if WindowGrid.add(grid.firstEnd(sliceStart: start), latenessMicroseconds) <= watermark {
                    body(.deferred(sliceStart: start, row: row, watermark: watermark))
                    continue
                }
            }
            kept.append(Int32(truncatingIfNeeded: row))
        }
        gatherBySlice(rows: kept, count: kept.count, times: times, body)
    }
}
