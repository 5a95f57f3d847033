// SlicedPartition: windowed groups, a table per slice of time; windows are put together from slices when the watermark closes them.
//
// A row updates one slice, however many windows it belongs to. Windows fire in order of their end; a slice is dropped whole when the
// last window over it has fired.
//
//   TUMBLE    the slice is the window
//   CUMULATE  a running table: slices are added, and all go at once
//   HOP       where states can be subtracted (counts, exact sums) a running table: a slice is added when the first window over it
//             fires and taken away when it is dropped. Otherwise two stacks: `front[k]` holds slices k... up to a boundary already
//             joined, `running` what came after; dropping a slice pops the front, and when that is used up everything is joined anew
//             from behind. Two merges per slice and window on average, whatever the size.
//
// A row that comes into a slice that is already in `running` makes it dirty: it is rebuilt at the next firing.
//
// Rows that arrive (with disorder) when some of their windows have closed are deferred: they enter their slice after the last window
// that was closed to them has fired, and before the first that was not. So results do not depend on how rows fell into epochs.

import Columns

final class SlicedPartition: AggregatePartition {
    private struct Slice {
        var start: Int64
        var table: GroupTable
    }

    private let grid: WindowGrid
    private let emitter: GroupEmitter
    private let slides: Bool
    /// Tables of dropped slices, of the size that slices have, for the next ones.
    private var spare: [GroupTable] = []
    private static let spareByteCountMax = 1 << 20
    /// By start. Each has a window that has not fired.
    private var slices: [Slice] = []
    /// Windows that end here or before have fired.
    private var closed = Int64.min
    /// The union of the slices in `runningFrom ..< runningTo` (by start) that are still there.
    private var running: GroupTable?
    private var runningFrom = Int64.min
    private var runningTo = Int64.min
    /// Suffix unions of the slices before `runningFrom`, the one with the earliest slice last.
    private var front: [Slice] = []
    private var isDirty = false
    /// Since the running table was last looked through for groups that have gone.
    private var groupsTakenAway = 0

    init(grid: WindowGrid, emitter: GroupEmitter) {
        self.grid = grid
        self.emitter = emitter
        slides = grid.kind == .hop && emitter.layout.isInvertible
    }

    // MARK: Input

    func ingest(_ sliceStart: Int64, _ input: SliceInput, _ context: TaskContext) {
        if grid.kind != .tumble && sliceStart < runningTo { isDirty = true }
        let table = table(sliceStart)
        switch input {
        case .table(let partial, let chosen): table.merge(partial, chosen: chosen, context.scratch)
        case .rows(let batch): table.update(batch, context.scratch)
        }
    }

    private func table(_ start: Int64) -> GroupTable {
        if let last = slices.last, last.start == start { return last.table }
        let place = lowerBound(start)
        if place < slices.count && slices[place].start == start { return slices[place].table }
        let made = spare.popLast() ?? GroupTable(emitter.layout)
        slices.insert(Slice(start: start, table: made), at: place)
        return made
    }

    /// The first slice that begins at `start` or later.
    private func lowerBound(_ start: Int64) -> Int {
        var low = 0
        var high = slices.count
        while low < high {
            let middle = (low + high) / 2
            if slices[middle].start < start { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Firing

    /// The end of the next window with rows in it.
    private var nextEnd: Int64? {
        guard let first = slices.first else { return nil }
        let end = grid.firstEnd(sliceStart: first.start)
        return closed == .min ? end : max(end, grid.nextEnd(after: closed))
    }

    func isDue(_ epoch: StageEpoch) -> Bool { nextEnd.map { $0 <= epoch.watermark } ?? false }

    func advance(_ epoch: StageEpoch, deferred: [DeferredRow], _ context: TaskContext, _ output: inout [RowBatch]) {
        var waiting = deferred[...]
        if deferred.count > 1 {
            waiting = deferred.enumerated().sorted { ($0.element.watermark, $0.offset) < ($1.element.watermark, $1.offset) }.map(\.element)[...]
        }
        while true {
            let end = nextEnd
            if let row = waiting.first, row.watermark < epoch.watermark, end.map({ row.watermark < $0 }) ?? true {
                closed = max(closed, row.watermark)
                ingest(row.sliceStart, .rows(row.batch), context)
                waiting.removeFirst()
                continue
            }
            guard let end, end <= epoch.watermark else { break }
            fire(end, context, &output)
            // At the end of time nothing lies beyond: whatever is left has fired as far as it can.
            if end == .max { slices.removeAll() }
        }
        closed = max(closed, epoch.watermark)
        dropClosedSlices(context)
        for row in waiting { ingest(row.sliceStart, .rows(row.batch), context) }
    }

    private func fire(_ end: Int64, _ context: TaskContext, _ output: inout [RowBatch]) {
        let window = (start: grid.start(windowEnd: end), end: end)
        switch grid.kind {
        case .tumble:
            if let slice = slices.first { emitter.emit(slice.table, window: window, context, into: &output) }
        case .cumulate:
            extend(to: end, context)
            if let running { emitter.emit(running, window: window, context, into: &output) }
        case .hop:
            if slides {
                extend(to: end, context)
                if let running { emitter.emit(running, window: window, context, into: &output) }
            } else {
                extendStacks(to: end, context)
                emitStacks(window, context, &output)
            }
        }
        closed = end
        dropClosedSlices(context)
    }

    /// Adds the slices up to `end` to the running table, or makes it anew when it is dirty.
    private func extend(to end: Int64, _ context: TaskContext) {
        if isDirty || running == nil {
            running = GroupTable(emitter.layout)
            runningFrom = .min
            runningTo = .min
            isDirty = false
        }
        for index in lowerBound(runningTo)..<max(lowerBound(end), lowerBound(runningTo)) {
            running?.merge(slices[index].table, context.scratch)
        }
        runningTo = max(runningTo, end)
    }

    private func extendStacks(to end: Int64, _ context: TaskContext) {
        if isDirty {
            rebuildFront(before: end, context)
            isDirty = false
            return
        }
        extend(to: end, context)
    }

    /// Joins all slices before `boundary` from behind; the running table is then empty.
    private func rebuildFront(before boundary: Int64, _ context: TaskContext) {
        front.removeAll()
        for index in (0..<lowerBound(boundary)).reversed() {
            let table = GroupTable(emitter.layout)
            table.merge(slices[index].table, context.scratch)
            if let next = front.last { table.merge(next.table, context.scratch) }
            front.append(Slice(start: slices[index].start, table: table))
        }
        running = GroupTable(emitter.layout)
        runningFrom = boundary
        runningTo = boundary
    }

    private func emitStacks(_ window: (start: Int64, end: Int64), _ context: TaskContext, _ output: inout [RowBatch]) {
        guard let back = running else { return }
        guard let first = front.last else { return emitter.emit(back, window: window, context, into: &output) }
        guard back.count > 0 else { return emitter.emit(first.table, window: window, context, into: &output) }
        let whole = GroupTable(emitter.layout)
        whole.merge(first.table, context.scratch)
        whole.merge(back, context.scratch)
        emitter.emit(whole, window: window, context, into: &output)
    }

    private func dropClosedSlices(_ context: TaskContext) {
        var dropped = 0
        while dropped < slices.count, grid.lastEnd(sliceStart: slices[dropped].start) <= closed { dropped += 1 }
        guard dropped > 0 else { return }
        let rest = slices.count > dropped ? slices[dropped].start : Int64.max
        if grid.kind != .tumble {
            if slides && rest < runningTo && !isDirty {
                for index in 0..<dropped where slices[index].start < runningTo {
                    running?.merge(slices[index].table, subtracting: true, context.scratch)
                    groupsTakenAway += slices[index].table.count
                }
                compactRunning()
            } else if rest >= runningTo {
                // Nothing of the running table is left.
                running = nil
                front.removeAll()
                runningFrom = .min
                isDirty = false
            } else if grid.kind == .hop && !slides {
                // Slices that were not in the front were in the running table: join anew.
                for index in 0..<dropped {
                    if front.last?.start == slices[index].start { front.removeLast() } else if slices[index].start < runningTo { isDirty = true }
                }
            } else {
                isDirty = true
            }
        }
        for slice in slices[..<dropped] where spare.count < 2 && slice.table.byteCount < SlicedPartition.spareByteCountMax {
            slice.table.removeAll()
            spare.append(slice.table)
        }
        slices.removeFirst(dropped)
    }

    /// Keys that have left the window are kept as empty groups until they are the most.
    private func compactRunning() {
        guard let table = running, table.count > 64, groupsTakenAway * 2 > table.count else { return }
        groupsTakenAway = 0
        var live = 0
        for slot in 0..<table.count { live += table.isLive(slot) ? 1 : 0 }
        guard live * 2 < table.count else { return }
        var map: [Int32] = []
        running = table.compacted(slotMap: &map) { table.isLive($0) }
    }

    // MARK: Facts

    var groupCount: Int { slices.reduce(0) { $0 + $1.table.count } }
    var stateByteCount: Int {
        slices.reduce(running?.byteCount ?? 0) { $0 + $1.table.byteCount } + front.reduce(0) { $0 + $1.table.byteCount }
    }

    // MARK: State

    /// Only a sliding running table is written: its order depends on what has left. Everything else follows from the slices.
    func write(to writer: inout StateWriter) {
        writer.write(closed)
        writer.write(runningFrom)
        writer.write(runningTo)
        writer.write(isDirty)
        writer.write(count: groupsTakenAway)
        writer.write(running != nil)
        if slides, let running { running.write(to: &writer) }
        writer.write(count: slices.count)
        for slice in slices {
            writer.write(slice.start)
            slice.table.write(to: &writer)
        }
    }

    func read(from reader: inout StateReader) throws(StateError) {
        closed = try reader.read()
        runningFrom = try reader.read()
        runningTo = try reader.read()
        isDirty = try reader.readBool()
        groupsTakenAway = try reader.readCount(bytesEach: 0)
        let hasRunning = try reader.readBool()
        running = nil
        front.removeAll()
        slices.removeAll()
        if hasRunning {
            let table = GroupTable(emitter.layout)
            if slides { try table.read(from: &reader) }
            running = table
        }
        for _ in 0..<(try reader.readCount(bytesEach: 16)) {
            let start: Int64 = try reader.read()
            if let last = slices.last, last.start >= start { throw reader.failure("slices out of order") }
            let table = GroupTable(emitter.layout)
            try table.read(from: &reader)
            slices.append(Slice(start: start, table: table))
        }
        guard hasRunning && !slides && !isDirty && grid.kind != .tumble else { return }
        let scratch = TaskContext()
        scratch.scratch = AggregationScratch()
        if grid.kind == .hop && runningFrom != .min {
            let to = runningTo
            rebuildFront(before: runningFrom, scratch)
            runningTo = to
        }
        for slice in slices where slice.start >= runningFrom && slice.start < runningTo { running?.merge(slice.table, scratch.scratch) }
    }
}
