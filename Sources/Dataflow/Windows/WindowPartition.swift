// WindowPartition: a table per window, for results that are given more than once: EMIT CHANGES, and windows that still take late rows
// after they have closed.
//
// Input comes by slice and is joined to every window over the slice; a TUMBLE has one, so this costs a HOP size / slide times as
// much as slices do. A window goes when the watermark reaches its end plus the allowed lateness.

import Columns
import Planning

final class WindowPartition: AggregatePartition {
    private struct OpenWindow {
        var start: Int64
        var end: Int64
        var table: GroupTable
        /// Its first result is out; from here on it gives changes.
        var hasFired: Bool
    }

    private let grid: WindowGrid
    private let emitter: GroupEmitter
    private let emitsChanges: Bool
    private let latenessMicroseconds: Int64
    /// By end, then start.
    private var windows: [OpenWindow] = []
    private var closedWatermark = Int64.min

    init(_ node: AggregateNode, grid: WindowGrid, emitter: GroupEmitter) {
        self.grid = grid
        self.emitter = emitter
        emitsChanges = node.emit == .changes
        latenessMicroseconds = max(node.allowedLatenessMicroseconds, 0)
    }

    func ingest(_ sliceStart: Int64, _ input: SliceInput, _ context: TaskContext) {
        ingest(sliceStart, input, closed: closedWatermark, context)
    }

    private func ingest(_ sliceStart: Int64, _ input: SliceInput, closed: Int64, _ context: TaskContext) {
        grid.windows(containing: sliceStart) { start, end in
            // A watermark of Int64.min has closed nothing.
            guard closed == .min || WindowGrid.add(end, latenessMicroseconds) > closed else { return }
            let table = table(start, end)
            switch input {
            case .table(let partial, let chosen): table.merge(partial, chosen: chosen, context.scratch)
            case .rows(let batch): table.update(batch, context.scratch)
            }
        }
    }

    private func table(_ start: Int64, _ end: Int64) -> GroupTable {
        var low = 0
        var high = windows.count
        while low < high {
            let middle = (low + high) / 2
            if (windows[middle].end, windows[middle].start) < (end, start) { low = middle + 1 } else { high = middle }
        }
        if low < windows.count && windows[low].end == end && windows[low].start == start { return windows[low].table }
        let made = GroupTable(emitter.layout)
        windows.insert(OpenWindow(start: start, end: end, table: made, hasFired: false), at: low)
        return made
    }

    func isDue(_ epoch: StageEpoch) -> Bool {
        windows.contains { ($0.end <= epoch.watermark && !$0.hasFired) || WindowGrid.add($0.end, latenessMicroseconds) <= epoch.watermark }
    }

    func advance(_ epoch: StageEpoch, deferred: [DeferredRow], _ context: TaskContext, _ output: inout [RowBatch]) {
        for row in deferred { ingest(row.sliceStart, .rows(row.batch), closed: row.watermark, context) }
        for index in windows.indices {
            let table = windows[index].table
            let bounds = (start: windows[index].start, end: windows[index].end)
            if emitsChanges || windows[index].hasFired {
                guard !table.touched.isEmpty else { continue }
                emitter.emitChanges(table, slots: table.touched, window: bounds, context, into: &output)
            } else if bounds.end <= epoch.watermark {
                emitter.emitChanges(table, slots: (0..<table.count).map { UInt32($0) }, window: bounds, context, into: &output)
                windows[index].hasFired = true
            }
            table.forgetTouched()
            if table.wantsCompaction {
                var map: [Int32] = []
                windows[index].table = table.compacted(slotMap: &map) { _ in true }
            }
        }
        windows.removeAll { WindowGrid.add($0.end, latenessMicroseconds) <= epoch.watermark }
        closedWatermark = max(closedWatermark, epoch.watermark)
    }

    var groupCount: Int { windows.reduce(0) { $0 + $1.table.count } }
    var stateByteCount: Int { windows.reduce(0) { $0 + $1.table.byteCount } }

    func write(to writer: inout StateWriter) {
        writer.write(closedWatermark)
        writer.write(count: windows.count)
        for window in windows {
            writer.write(window.start)
            writer.write(window.end)
            writer.write(window.hasFired)
            window.table.write(to: &writer)
        }
    }

    func read(from reader: inout StateReader) throws(StateError) {
        closedWatermark = try reader.read()
        windows.removeAll()
        for _ in 0..<(try reader.readCount(bytesEach: 17)) {
            let start: Int64 = try reader.read()
            let end: Int64 = try reader.read()
            let hasFired = try reader.readBool()
            if let last = windows.last, (last.end, last.start) >= (end, start) { throw reader.failure("windows out of order") }
            let table = GroupTable(emitter.layout)
            try table.read(from: &reader)
            windows.append(OpenWindow(start: start, end: end, table: table, hasFired: hasFired))
        }
    }
}
