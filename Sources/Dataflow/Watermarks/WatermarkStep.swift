// WatermarkStep: follows event time through one morsel, and attaches to each batch in which a row lies behind its watermark the watermark
// that held when each row arrived.
//
//     W(i) = max(scan at epoch start, min(own shard before row i, other active shards at epoch start))
//
// A morsel may be run before the ones that come before it in its shard: it then begins from the shard's watermark at the start of the
// epoch. That was right when none of its rows lies behind the watermark that those before it leave (`wasRight`); otherwise the
// morsel is run again from there. Two comparisons a row; when nothing is late no column is made.

import Columns
import Planning

/// The compiled definition; shared by tasks.
final class WatermarkDefinitionStep: Sendable {
    let timeColumn: Int
    let delayMicroseconds: Int64?
    let expression: CompiledExpression?

    init(_ node: WatermarkNode) throws(DataflowError) {
        timeColumn = node.timeColumn
        delayMicroseconds = node.delayMicroseconds
        if node.delayMicroseconds == nil {
            do { expression = try CompiledExpression.compile(node.expression) } catch {
                throw DataflowError("\(error.message) in \(error.expression)")
            }
        } else {
            expression = nil
        }
    }
}

struct WatermarkCursor {
    /// The scan's watermark at the start of the epoch.
    let floor: Int64
    /// Of the other active shards, then.
    let others: Int64
    /// The shard's watermark before the morsel, as far as known.
    let start: Int64
    /// The same and the rows so far.
    private(set) var own: Int64
    /// The earliest event time seen.
    private(set) var earliest = Int64.max

    init(floor: Int64, others: Int64, start: Int64) {
        self.floor = floor
        self.others = others
        self.start = start
        own = start
    }

    @inline(__always)
    private func combined(_ own: Int64) -> Int64 { max(floor, min(own, others)) }

    /// Whether beginning from `start` gave what beginning from `actual` would have.
    func wasRight(actual: Int64) -> Bool { combined(actual) <= combined(start) || earliest >= combined(actual) }

    mutating func follow(_ batch: RowBatch, _ step: WatermarkDefinitionStep, types: [SQLType], _ context: TaskContext) -> RowBatch {
        let time = batch.columns[step.timeColumn]
        let times = time.int64s
        let n = batch.count
        guard n > 0 else { return batch }
        if let delay = step.delayMicroseconds, !time.mayHaveNulls {
            var low = times[0]
            var high = times[0]
            for row in 0..<n {
                let value = times[row]
                low = value < low ? value : low
                high = value > high ? value : high
            }
            earliest = min(earliest, low)
            let before = own
            own = max(own, WindowGrid.subtract(high, delay))
            guard low < combined(own) else { return batch }
            // Perhaps the rows behind the watermark came before it: look row by row.
            var running = before
            var anyBehind = false
            for row in 0..<n {
                let value = times[row]
                anyBehind = anyBehind || value < combined(running)
                let reached = WindowGrid.subtract(value, delay)
                running = reached > running ? reached : running
            }
            guard anyBehind else { return batch }
            return attach(batch, before: before) { WindowGrid.subtract(times[$0], delay) }
        }
        var marks: Column?
        if let expression = step.expression {
            let evaluation = EvaluationContext(clockMicroseconds: context.clockMicroseconds)
            marks = expression.evaluate(batch, evaluation)
            for failure in evaluation.takeFailures() {
                context.fail(failure.message, expression: failure.expression, row: batch.row(failure.row), types: types)
            }
        }
        let delay = step.delayMicroseconds ?? 0
        func mark(_ row: Int) -> Int64 {
            if time.isNull(row) { return .min }
            guard let marks else { return WindowGrid.subtract(times[row], delay) }
            return marks.isNull(row) ? .min : marks.int64s[row]
        }
        let before = own
        var anyBehind = false
        for row in 0..<n {
            if !time.isNull(row) {
                earliest = min(earliest, times[row])
                anyBehind = anyBehind || times[row] < combined(own)
            }
            own = max(own, mark(row))
        }
        return anyBehind ? attach(batch, before: before, mark) : batch
    }

    private func attach(_ batch: RowBatch, before: Int64, _ mark: (Int) -> Int64) -> RowBatch {
        let buffer = Buffer(byteCount: batch.count * 8)
        let values = buffer.base.assumingMemoryBound(to: Int64.self)
        var running = before
        for row in 0..<batch.count {
            values[row] = combined(running)
            running = max(running, mark(row))
        }
        return RowBatch(
            count: batch.count, columns: batch.columns, changes: batch.changes,
            watermarks: Column(type: .timestamp(precision: 6), count: batch.count, values: buffer))
    }
}
