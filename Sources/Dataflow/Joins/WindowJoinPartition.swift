// WindowJoinPartition: a join within windows. Each window end has a join of its own, which lives until the watermark reaches that end,
// gives then what had no partner, and goes as a whole. Pairs come out as soon as both rows are there.

import Columns

final class WindowJoinPartition: JoinPartition {
    private let plan: JoinPlan
    private let endColumns: [Int]
    /// By end, ascending.
    private var windows: [(end: Int64, join: PairPartition)] = []

    init(_ plan: JoinPlan) {
        self.plan = plan
        if case .window(let left, let right) = plan.node.time { endColumns = [left, right] } else { endColumns = [0, 0] }
    }

    private func window(_ end: Int64) -> PairPartition {
        var low = 0
        var high = windows.count
        while low < high {
            let middle = (low + high) / 2
            if windows[middle].end < end { low = middle + 1 } else { high = middle }
        }
        if low == windows.count || windows[low].end != end { windows.insert((end, PairPartition(plan)), at: low) }
        return windows[low].join
    }

    func begin(_ epoch: StageEpoch) {}

    func process(_ port: Int, _ batch: RowBatch, _ context: TaskContext, _ output: inout [RowBatch]) {
        let ends = batch.columns[endColumns[port]].int64s
        var start = 0
        var parts: [(end: Int64, rows: [Int32])] = []
        while start < batch.count {
            let end = ends[start]
            var next = start + 1
            while next < batch.count && ends[next] == end { next += 1 }
            if start == 0 && next == batch.count { return window(end).process(port, batch, context, &output) }
            let rows = (start..<next).map { Int32(truncatingIfNeeded: $0) }
            if let index = parts.firstIndex(where: { $0.end == end }) { parts[index].rows += rows } else { parts.append((end, rows)) }
            start = next
        }
        for part in parts {
            let rows = part.rows.withUnsafeBufferPointer { batch.picked($0) }
            window(part.end).process(port, rows, context, &output)
        }
    }

    func processUnmatchable(_ port: Int, _ batch: RowBatch, _ context: TaskContext, _ output: inout [RowBatch]) {
        output.append(batch.replacing(columns: plan.padded(batch.columns, port: port, count: batch.count)))
    }

    func isDue(_ epoch: StageEpoch) -> Bool { windows.first.map { $0.end <= epoch.watermark } ?? false }

    func advance(_ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        var closed = 0
        for window in windows {
            window.join.settleCandidates(&output)
            guard window.end <= epoch.watermark else { continue }
            window.join.close(&output)
            closed += 1
        }
        windows.removeFirst(closed)
    }

    var rowCount: Int { windows.reduce(0) { $0 + $1.join.rowCount } }
    var stateByteCount: Int { windows.reduce(0) { $0 + $1.join.stateByteCount } }

    func write(to writer: inout StateWriter) {
        writer.write(count: windows.count)
        for window in windows {
            writer.write(window.end)
            window.join.write(to: &writer)
        }
    }

    func read(from reader: inout StateReader) throws(StateError) {
        for _ in 0..<(try reader.readCount(bytesEach: 16)) {
            let end: Int64 = try reader.read()
            if let last = windows.last, last.end >= end { throw reader.failure("windows out of order") }
            let join = PairPartition(plan)
            try join.read(from: &reader)
            windows.append((end, join))
        }
    }
}
