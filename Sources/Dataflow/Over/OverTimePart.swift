// OverTimePart: window functions over rows that come out once, when nothing can change them any more: when the watermark has passed
// them (event time), when their window closes, or when the input ends.
//
// Rows wait, sorted by the time at which they are due. When time has come they are taken out, put behind what is kept of their partition,
// sorted, and evaluated. In event time a partition then keeps
// - the rows that later frames reach back to (ROWS n PRECEDING, RANGE .. PRECEDING, LAG), and those whose frame reaches rows that have
//   not come yet (FOLLOWING, LEAD);
// - single rows that FIRST_VALUE, NTH_VALUE or IGNORE NULLS will want again;
// - counters and running states for frames that begin with the partition (see `OverCarry`).
// State is therefore bounded by the frames, and by the number of partitions where a frame has no start.

import Columns
import Glibc
import Planning

final class OverTimePart: OverPart {
    private struct Partition {
        /// Rows in order: those kept for later frames, then from `emitted` on those that wait for what follows them.
        var kept: [UnsafeMutableRawPointer] = []
        var emitted = 0
    }

    private let node: OverNode
    private let layout: RankLayout
    private let evaluator: OverEvaluator
    private let batchRows: Int
    private let isEventTime: Bool
    private let timeColumn: Int?
    private let reach: OverReach
    private var table: KeyTable
    private let store: RowStore
    private var partitions: [Partition] = []
    private var carry: [OverCarry] = []
    private var waiting = WaitingRows()
    /// By slot: the place among the partitions of the epoch, -1 outside of `advance`.
    private var places: [Int32] = []
    private var rowsSinceTidy = 0
    private var isDone = false
    /// The earliest time among the rows of partitions that wait for what follows them.
    private(set) var heldTime = Int64.max

    private static let rowsPerEvaluation = 1 << 14
    private static let partitionsBeforeTidy = 64

    init(_ node: OverNode, layout: RankLayout, batchRows: Int) throws(DataflowError) {
        self.node = node
        self.layout = layout
        self.batchRows = max(batchRows, 1)
        switch node.mode {
        case .eventTime(let column):
            isEventTime = true
            timeColumn = column
        case .onWindowClose(let column):
            isEventTime = false
            timeColumn = column
        case .atEnd, .changes:
            isEventTime = false
            timeColumn = nil
        }
        evaluator = try OverEvaluator(node, layout: layout, carries: isEventTime)
        reach = OverReach(node)
        table = OverTimePart.makeTable(layout)
        store = RowStore(width: layout.rowWidth, strings: layout.rowStrings)
    }

    private static func makeTable(_ layout: RankLayout) -> KeyTable {
        KeyTable(keyWidth: layout.keyWidth, keyStrings: layout.keyStrings, template: [], isIndexed: layout.keyWidth > 0)
    }

    var groupCount: Int { store.count }
    var byteCount: Int {
        evaluator.aggregates.reduce(table.byteCount + store.byteCount + waiting.byteCount) {
            $0 + ($1?.byteCount ?? 0)
        }
    }

    // MARK: Input

    func ingest(_ chunk: RankChunk, _ range: Range<Int>, _ context: TaskContext) {
        chunk.assign(range, in: table, context.scratch)
        while partitions.count < table.count {
            partitions.append(Partition())
            carry.append(OverCarry(fed: [Int](repeating: 0, count: node.calls.count)))
        }
        let times = timeColumn.map { chunk.batch.columns[$0].int64s }
        let first = waiting.end
        for index in 0..<range.count {
            let place = range.lowerBound + index
            let row = store.keep(chunk.row(place))
            waiting.append(WaitingRow(time: times?[chunk.number(place)] ?? 0, slot: context.scratch.slots[index], row: row))
        }
        if times != nil { waiting.order(from: first) }
    }

    // MARK: Output

    func isDue(_ epoch: StageEpoch) -> Bool {
        if epoch.hasEnded { return !isDone && (!waiting.isEmpty || heldTime < .max) }
        return waiting.isDue(epoch, node.mode) || (isEventTime && heldTime < epoch.watermark)
    }

    func advance(_ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        guard isDue(epoch) else { return }
        if epoch.hasEnded { isDone = true }
        let taken = waiting.due(epoch, node.mode)
        // Partitions in order of their first due row.
        var due: [[UnsafeMutableRawPointer]] = []
        var touched: [UInt32] = []
        while places.count < partitions.count { places.append(-1) }
        for entry in taken {
            let slot = Int(entry.slot)
            if places[slot] < 0 {
                places[slot] = Int32(truncatingIfNeeded: touched.count)
                touched.append(entry.slot)
                due.append([])
            }
            due[Int(places[slot])].append(entry.row)
        }
        if isEventTime && reach.waits {
            // Time alone may settle what waits for rows that follow.
            for slot in partitions.indices where places[slot] < 0 && partitions[slot].emitted < partitions[slot].kept.count {
                touched.append(UInt32(truncatingIfNeeded: slot))
                due.append([])
            }
        }
        waiting.removeFirst(taken.count)
        for slot in touched {
            places[Int(slot)] = -1
            table.marks.mark(Int(slot))
        }
        evaluate(touched, due, epoch, context, &output)
        if isEventTime && reach.waits { measureHeld() }
        rowsSinceTidy += due.reduce(0) { $0 + $1.count }
        tidy(epoch)
    }

    private func evaluate(
        _ touched: [UInt32], _ due: [[UnsafeMutableRawPointer]], _ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]
    ) {
        var segments = OverSegments()
        var slots: [Int] = []
        let order = layout.order
        func flush() {
            guard !slots.isEmpty else { return }
            if segments.dueCount > 0 {
                let results = evaluator.evaluate(segments, carry: &carry, context)
                emit(segments.dueRows, results, &output)
            }
            for (index, slot) in slots.enumerated() { retire(slot, segments.segments[index], segments.rows, epoch) }
            segments.removeAll()
            slots.removeAll(keepingCapacity: true)
        }
        for (index, slot) in touched.enumerated() {
            let slot = Int(slot)
            // Ties stay in order of arrival.
            let sorted = due[index].enumerated().sorted { a, b in
                let comparison = order.compare(a.element, b.element)
                return comparison != 0 ? comparison < 0 : a.offset < b.offset
            }.map(\.element)
            let rows = (partitions[slot].kept + sorted).map { UnsafeRawPointer($0) }
            let emitted = partitions[slot].emitted
            let limit = epoch.hasEnded || !isEventTime
                ? rows.count : max(emitted, reach.settled(rows, from: emitted, watermark: epoch.watermark, order))
            segments.add(rows, dueStart: emitted, dueEnd: limit, slot: slot)
            slots.append(slot)
            if segments.rows.count >= OverTimePart.rowsPerEvaluation { flush() }
        }
        flush()
    }

    private func emit(_ rows: [UnsafeRawPointer], _ results: [Column], _ output: inout [RowBatch]) {
        var start = 0
        while start < rows.count {
            let n = min(batchRows, rows.count - start)
            let columns = rows.withUnsafeBufferPointer { pointers in pointers.baseAddress.map { layout.columns($0 + start, count: n) } ?? [] }
            output.append(RowBatch(count: n, columns: columns + results.map { $0.slice(start..<start + n) }))
            start += n
        }
    }

    /// What a partition keeps after an evaluation.
    private func retire(_ slot: Int, _ segment: OverSegment, _ rows: [UnsafeRawPointer], _ epoch: StageEpoch) {
        let all = rows[segment.start..<segment.end].map { UnsafeMutableRawPointer(mutating: $0) }
        let emitted = segment.dueEnd - segment.start
        guard isEventTime && !epoch.hasEnded else {
            for row in all { store.release(row) }
            partitions[slot] = Partition()
            return
        }
        var from = reach.kept(all, emitted: emitted, watermark: epoch.watermark, layout.order)
        // Rows that running aggregates have not taken in yet.
        for (index, call) in node.calls.enumerated() where call.isRunningAggregate { from = min(from, emitted + carry[slot].fed[index]) }
        from = max(from, 0)
        var keeps = [Bool](repeating: false, count: all.count)
        for index in from..<all.count { keeps[index] = true }
        reach.pin(all, emitted: emitted, layout, &keeps)
        var kept: [UnsafeMutableRawPointer] = []
        var keptEmitted = 0
        for (index, row) in all.enumerated() {
            if keeps[index] {
                kept.append(row)
                if index < emitted { keptEmitted += 1 }
            } else {
                store.release(row)
            }
        }
        partitions[slot] = Partition(kept: kept, emitted: keptEmitted)
    }

    private func measureHeld() {
        heldTime = .max
        guard let timeColumn else { return }
        for partition in partitions where partition.emitted < partition.kept.count {
            let value = partition.kept[partition.emitted].loadUnaligned(
                fromByteOffset: layout.order.byteCount + layout.payload.offsets[timeColumn], as: Int64.self)
            heldTime = min(heldTime, value)
        }
    }

    /// Drops partitions of which nothing is left to remember, when they are most. Looking at all of them is paid for by as many rows.
    private func tidy(_ epoch: StageEpoch) {
        store.compactIfNeeded { body in
            for entry in waiting.rows { body(entry.row) }
            for partition in partitions { for row in partition.kept { body(row) } }
        }
        guard !(isEventTime && reach.remembersPartitions), layout.keyWidth > 0, partitions.count > OverTimePart.partitionsBeforeTidy,
            rowsSinceTidy > partitions.count
        else { return }
        if isEventTime { forgetUnreached(epoch.watermark) }
        rowsSinceTidy = 0
        var isLive = partitions.map { !$0.kept.isEmpty }
        for entry in waiting.rows { isLive[Int(entry.slot)] = true }
        let live = isLive.reduce(0) { $0 + ($1 ? 1 : 0) }
        guard live * 2 < partitions.count else { return }
        let made = OverTimePart.makeTable(layout)
        var map = [UInt32](repeating: 0, count: partitions.count)
        var slots: [Int] = []
        for slot in partitions.indices where isLive[slot] {
            map[slot] = UInt32(
                truncatingIfNeeded: made.adopt(
                    table.row(slot), hash: layout.keyHash(table.row(slot)), strings: layout.keyStrings, indexed: true))
            slots.append(slot)
        }
        table = made
        partitions = slots.map { partitions[$0] }
        carry = slots.map { carry[$0] }
        waiting.renumber(map)
    }

    /// Of a key that is heard of no more nothing would ever be taken: time has passed its rows without it.
    private func forgetUnreached(_ watermark: Int64) {
        guard let limit = reach.reachedTime(watermark: watermark) else { return }
        for slot in partitions.indices {
            let partition = partitions[slot]
            guard let last = partition.kept.last, partition.emitted == partition.kept.count, OverReach.time(last) < limit else { continue }
            for row in partition.kept { store.release(row) }
            partitions[slot] = Partition()
            table.marks.mark(slot)
        }
    }

    // MARK: State

    func write(to writer: inout StateWriter) {
        writer.write(isDone)
        writer.write(heldTime)
        writer.write(count: rowsSinceTidy)
        writer.write(Rows(owner: self), table.marks)
        waiting.write(to: &writer, store)
        for aggregate in evaluator.aggregates { aggregate?.write(to: &writer) }
    }

    func read(from reader: inout StateReader) throws(StateError) {
        isDone = try reader.readBool()
        heldTime = try reader.read()
        rowsSinceTidy = try reader.readCount(bytesEach: 0)
        try reader.read(Rows(owner: self), table.marks)
        guard layout.keyWidth > 0 || table.count <= 1 else { throw reader.failure("more than one partition without a key") }
        guard layout.keyWidth == 0 || table.reindex() else { throw reader.failure("a partition twice") }
        try waiting.read(from: &reader, store, layout, slots: partitions.count)
        for aggregate in evaluator.aggregates { try aggregate?.read(from: &reader) }
    }

    /// Partitions with what is carried on and the rows that are kept.
    private struct Rows: NumberedRows {
        let owner: OverTimePart

        var rowCount: Int { owner.partitions.count }
        var rowByteCountMin: Int { 40 }

        func make(rows count: Int) {
            owner.table.make(rows: count)
            memset(owner.table.rows, 0, count * owner.table.rowStride)
            owner.partitions = Array(repeating: Partition(), count: count)
            owner.carry = Array(repeating: OverCarry(fed: [Int](repeating: 0, count: owner.node.calls.count)), count: count)
        }

        func write(row slot: Int, to writer: inout StateWriter) {
            RankLayout.write(owner.table.row(slot), width: owner.layout.keyWidth, strings: owner.layout.keyStrings, to: &writer)
            writer.write(owner.carry[slot].rows)
            writer.write(owner.carry[slot].rank)
            writer.write(owner.carry[slot].denseRank)
            for fed in owner.carry[slot].fed { writer.write(Int64(fed)) }
            writer.write(count: owner.partitions[slot].emitted)
            writer.write(count: owner.partitions[slot].kept.count)
            for row in owner.partitions[slot].kept { owner.store.write(row, to: &writer) }
        }

        func read(row slot: Int, from reader: inout StateReader) throws(StateError) {
            let layout = owner.layout
            let table = owner.table
            try RankLayout.read(into: table.row(slot), width: layout.keyWidth, strings: layout.keyStrings, arena: &table.arena, from: &reader)
            var state = OverCarry()
            state.rows = try reader.read()
            state.rank = try reader.read()
            state.denseRank = try reader.read()
            for _ in owner.node.calls {
                let fed = Int(try reader.read(Int64.self))
                guard fed > -(1 << 40), fed < 1 << 40 else { throw reader.failure("no place of a frame") }
                state.fed.append(fed)
            }
            owner.carry[slot] = state
            var partition = Partition()
            partition.emitted = try reader.readCount(bytesEach: 0)
            let kept = try reader.readCount(bytesEach: max(layout.rowWidth / 2, 1))
            guard partition.emitted <= kept else { throw reader.failure("more results than rows") }
            for _ in 0..<kept { partition.kept.append(try owner.store.read(from: &reader)) }
            owner.partitions[slot] = partition
        }
    }
}
