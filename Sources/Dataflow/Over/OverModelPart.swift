// OverModelPart: anomaly models over rows that come out once: when the watermark has passed them, when their window closes, or when the input
// ends.
//
// In event time a key keeps the state of its models for ever, or for the time to live, and of rows only those that wait for the watermark. Rows
// whose turn has come are put together by key, so that a state is fetched once for all its rows, and given in that order; within a key they
// come by the window's order, ties by arrival. Where a partition is there all at once (a window that closes, the end of the input) its model
// begins with its first row and is gone after its last, so that there is one state however many partitions there are.

import CMillrace
import Columns
import Glibc
import Planning

final class OverModelPart: OverPart {
    private let node: OverNode
    private let layout: RankLayout
    private let calls: ModelCalls
    private let batchRows: Int
    private let isEventTime: Bool
    private let timeColumn: Int?
    private let timeToLive: Int64?
    private var table: KeyTable
    private let store: RowStore
    /// By slot, in event time; otherwise none.
    private var states: ModelStates
    private var waiting = WaitingRows()
    /// By slot: the place among the keys of the epoch, -1 outside of `advance`.
    private var places: [Int32] = []
    private var rowsSinceTidy = 0
    private var lastSweepMicroseconds = Int64.min
    private var isDone = false

    let heldTime = Int64.max

    init(_ node: OverNode, layout: RankLayout, calls: ModelCalls, batchRows: Int) {
        self.node = node
        self.layout = layout
        self.calls = calls
        self.batchRows = max(batchRows, 1)
        switch node.mode {
        case .eventTime(let column): (isEventTime, timeColumn) = (true, column)
        case .onWindowClose(let column): (isEventTime, timeColumn) = (false, column)
        case .atEnd, .changes: (isEventTime, timeColumn) = (false, nil)
        }
        timeToLive = isEventTime && layout.keyWidth > 0 ? node.stateTTLMicroseconds : nil
        table = OverModelPart.makeTable(layout, hasClock: timeToLive != nil)
        store = RowStore(width: layout.rowWidth, strings: layout.rowStrings)
        states = ModelStates(calls.models)
    }

    /// Behind the key stands the clock of the last epoch that had a row of it, where that matters.
    private static func makeTable(_ layout: RankLayout, hasClock: Bool) -> KeyTable {
        KeyTable(
            keyWidth: layout.keyWidth, keyStrings: layout.keyStrings, template: [UInt8](repeating: 0, count: hasClock ? 8 : 0),
            isIndexed: layout.keyWidth > 0)
    }

    var groupCount: Int { store.count + states.count }
    var byteCount: Int { table.byteCount + store.byteCount + states.byteCount + waiting.byteCount }

    // MARK: Input

    func ingest(_ chunk: RankChunk, _ range: Range<Int>, _ context: TaskContext) {
        chunk.assign(range, in: table, context.scratch)
        if isEventTime { while states.count < table.count { states.append() } }
        let times = timeColumn.map { chunk.batch.columns[$0].int64s }
        let first = waiting.end
        for index in 0..<range.count {
            let place = range.lowerBound &+ index
            let row = store.keep(chunk.row(place))
            waiting.append(WaitingRow(time: times?[chunk.number(place)] ?? 0, slot: context.scratch.slots[index], row: row))
        }
        if times != nil { waiting.order(from: first) }
        guard timeToLive != nil else { return }
        for index in 0..<range.count {
            let slot = Int(context.scratch.slots[index])
            table.row(slot).storeBytes(of: context.clockMicroseconds, toByteOffset: layout.keyWidth, as: Int64.self)
            table.marks.mark(slot)
        }
    }

    // MARK: Output

    func isDue(_ epoch: StageEpoch) -> Bool {
        if epoch.hasEnded { return !isDone && !waiting.isEmpty }
        return waiting.isDue(epoch, node.mode)
    }

    func advance(_ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        if isDue(epoch) {
            if epoch.hasEnded { isDone = true }
            let due = waiting.due(epoch, node.mode)
            let count = due.count
            evaluate(due, &output)
            waiting.removeFirst(count)
            rowsSinceTidy += count
        }
        tidy(epoch.clockMicroseconds)
    }

    private func evaluate(_ due: ArraySlice<WaitingRow>, _ output: inout [RowBatch]) {
        while places.count < table.count { places.append(-1) }
        // Counting sort by key, keys in order of their first row.
        var slots: [UInt32] = []
        var ends: [Int] = []
        for entry in due {
            let slot = Int(entry.slot)
            if places[slot] < 0 {
                places[slot] = Int32(truncatingIfNeeded: slots.count)
                slots.append(entry.slot)
                ends.append(0)
            }
            ends[Int(places[slot])] += 1
        }
        var start = 0
        for index in ends.indices {
            let length = ends[index]
            ends[index] = start
            start += length
        }
        let none = UnsafeMutableRawPointer(mutating: UnsafeRawPointer(EmptyBytes.pointer))
        var rows = [UnsafeMutableRawPointer](repeating: none, count: due.count)
        for entry in due {
            let place = Int(places[Int(entry.slot)])
            rows[ends[place]] = entry.row
            ends[place] += 1
        }
        for slot in slots { places[Int(slot)] = -1 }
        rows.withUnsafeMutableBufferPointer { rows in
            if let base = rows.baseAddress { feed(base, slots, ends, &output) }
        }
        for row in rows { store.release(row) }
    }

    /// Rows of `slots[i]` end at `ends[i]`.
    private func feed(_ rows: UnsafeMutablePointer<UnsafeMutableRawPointer>, _ slots: [UInt32], _ ends: [Int], _ output: inout [RowBatch]) {
        let width = calls.width
        let hasTime = calls.hasTime
        let room = min(batchRows, max(ends.last ?? 0, 1))
        let values = UnsafeMutablePointer<Double>.allocate(capacity: calls.valueCountMax)
        let numbers = UnsafeMutablePointer<Double>.allocate(capacity: room * width)
        let loose = isEventTime ? nil : ModelStates(calls.models)
        let looseBlock = loose?.makeLoose()
        defer {
            values.deallocate()
            numbers.deallocate()
            withExtendedLifetime(loose) {}
        }
        var given = 0
        var held = 0
        func flush() {
            guard held > 0 else { return }
            UnsafePointer(rows + given).withMemoryRebound(to: UnsafeRawPointer.self, capacity: held) { pointers in
                let own = layout.columns(pointers, count: held)
                output.append(RowBatch(count: held, columns: own + calls.columns(numbers, count: held)))
            }
            given += held
            held = 0
        }
        states.offsets.withUnsafeBufferPointer { offsets in
            guard let offsets = offsets.baseAddress else { return }
            var start = 0
            for index in slots.indices {
                let slot = Int(slots[index])
                let end = ends[index]
                sort(rows + start, count: end - start)
                let block: UnsafeMutableRawPointer
                if let looseBlock {
                    loose?.begin(looseBlock)
                    block = looseBlock
                } else {
                    if index &+ 2 < slots.count { states.prefetch(Int(slots[index &+ 2])) }
                    states.touch(slot)
                    block = states.block(slot)
                }
                var time = hasTime ? firstTime(rows, start..<end) : 0
                for place in start..<end {
                    let row = UnsafeRawPointer(rows[place])
                    // A NULL among the times is as late as what comes before it.
                    if hasTime { time = calls.time(row) ?? time } else { time = Int64(place &- start) }
                    calls.step(row, timeMicroseconds: time, block: block, offsets: offsets, values: values, numbers: numbers + held &* width)
                    held &+= 1
                    if held == room { flush() }
                }
                start = end
            }
        }
        flush()
    }

    private func firstTime(_ rows: UnsafeMutablePointer<UnsafeMutableRawPointer>, _ range: Range<Int>) -> Int64 {
        for place in range { if let time = calls.time(UnsafeRawPointer(rows[place])) { return time } }
        return 0
    }

    /// By the window's order; ties stay as they are.
    private func sort(_ rows: UnsafeMutablePointer<UnsafeMutableRawPointer>, count: Int) {
        let order = layout.order
        var isSorted = true
        var index = 1
        while index < count, isSorted {
            isSorted = order.compare(rows[index &- 1], rows[index]) <= 0
            index &+= 1
        }
        if isSorted { return }
        let sorted = (0..<count).map { (row: rows[$0], place: $0) }.sorted { a, b in
            let comparison = order.compare(a.row, b.row)
            return comparison != 0 ? comparison < 0 : a.place < b.place
        }
        for (index, entry) in sorted.enumerated() { rows[index] = entry.row }
    }

    // MARK: Keys that go

    private func tidy(_ clockMicroseconds: Int64) {
        store.compactIfNeeded { body in for entry in waiting.rows { body(entry.row) } }
        if let timeToLive { return sweep(timeToLive, clockMicroseconds) }
        // A partition that has been given whole leaves nothing but its key.
        guard !isEventTime, layout.keyWidth > 0, table.count > 1_024, rowsSinceTidy > table.count else { return }
        rowsSinceTidy = 0
        let isLive = waits()
        let live = isLive.reduce(0) { $0 + ($1 ? 1 : 0) }
        if live * 2 < table.count { rebuild(isLive) }
    }

    /// Forgets keys that have had no row for the time to live; looked at every half of it.
    private func sweep(_ timeToLive: Int64, _ now: Int64) {
        let (next, overflowed) = lastSweepMicroseconds.addingReportingOverflow(timeToLive / 2)
        guard lastSweepMicroseconds == .min || (!overflowed && now >= next) else { return }
        lastSweepMicroseconds = now
        let limit = now.subtractingReportingOverflow(timeToLive)
        guard !limit.overflow else { return }
        var isLive = waits()
        var isAny = false
        for slot in 0..<table.count where !isLive[slot] {
            isLive[slot] = table.row(slot).load(fromByteOffset: layout.keyWidth, as: Int64.self) > limit.partialValue
            if !isLive[slot] { isAny = true }
        }
        if isAny { rebuild(isLive) }
    }

    private func waits() -> [Bool] {
        var waits = [Bool](repeating: false, count: table.count)
        for entry in waiting.rows { waits[Int(entry.slot)] = true }
        return waits
    }

    /// A fresh table with the keys that stay, in their order.
    private func rebuild(_ isLive: [Bool]) {
        let made = OverModelPart.makeTable(layout, hasClock: timeToLive != nil)
        var map = [UInt32](repeating: 0, count: table.count)
        var slots: [Int] = []
        for slot in 0..<table.count where isLive[slot] {
            map[slot] = UInt32(
                truncatingIfNeeded: made.adopt(
                    table.row(slot), hash: layout.keyHash(table.row(slot)), strings: layout.keyStrings, indexed: true))
            slots.append(slot)
        }
        table = made
        if isEventTime { states = states.keeping(slots) }
        waiting.renumber(map)
        places.removeAll(keepingCapacity: true)
    }

    // MARK: State

    func write(to writer: inout StateWriter) {
        writer.write(isDone)
        writer.write(count: rowsSinceTidy)
        writer.write(lastSweepMicroseconds)
        table.write(to: &writer, strings: layout.keyStrings)
        states.write(to: &writer)
        waiting.write(to: &writer, store)
    }

    func read(from reader: inout StateReader) throws(StateError) {
        isDone = try reader.readBool()
        rowsSinceTidy = try reader.readCount(bytesEach: 0)
        lastSweepMicroseconds = try reader.read()
        try table.read(from: &reader, strings: layout.keyStrings)
        guard layout.keyWidth > 0 || table.count <= 1 else { throw reader.failure("more than one partition without a key") }
        guard layout.keyWidth == 0 || table.reindex() else { throw reader.failure("a partition twice") }
        try states.read(from: &reader, count: isEventTime ? table.count : 0)
        try waiting.read(from: &reader, store, layout, slots: table.count)
    }
}
