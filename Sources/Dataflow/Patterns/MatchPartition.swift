// MatchPartition: the keys of one partition.
//
// Rows wait until the watermark has passed them. Then, all at once: they are put in order (by key, by the ORDER BY columns, by arrival),
// the stored columns and the parts of the conditions that need nothing else are evaluated for all of them, and each key takes its
// rows one by one (MatchStepper). What partial matches may still want of them is kept; everything else is let go.
//
//   pending  batches of rows before their time; a batch is cut when the watermark passes through it
//   carried  rows whose turn has come but for NEXT, which wants to see more of their key first
//   keys     a slot per key; `states[slot]` is nil when nothing is known of it
//   timers   when the oldest partial match of a key runs out of time (WITHIN)
//
// Costs: a row is put in order and evaluated in vectors; in its key it costs a test per thread. A key without rows costs nothing.

import Columns
import Glibc
import Planning

final class MatchPartition {
    private struct Pending {
        var batch: RowBatch
        var least: Int64
        var greatest: Int64
    }

    private let plan: MatchPlan
    private let keyLayout: GroupLayout
    private let keyColumnCount: Int
    private let batchTypes: [SQLType]
    private let name: String
    private var keys: GroupTable
    private var states: [KeyMatches?] = []
    /// Of the states.
    private let marks = RowMarks()
    private var liveCount = 0
    private var spare: [KeyMatches] = []
    private var arena = ByteArena()
    private var pending: [Pending] = []
    private var carried: RowBatch?
    /// The keys of the carried rows.
    private var carriedSlots: Set<Int> = []
    private var timers = TimeHeap<UInt32>()
    /// Keys that have a complete match which is not given out yet.
    private var waiting: [UInt32] = []
    private var processed = Int64.min
    private let stepper: MatchStepper
    private let emitter: MatchEmitter
    private let layouts: UnsafeMutablePointer<Layout>
    private let offsets: UnsafeMutablePointer<Int>
    /// Which of the keys at hand a slot is; -1 for those that have no rows now.
    private var localIndex: [Int32] = []

    init(_ plan: MatchPlan, keyLayout: GroupLayout, name: String, batchRows: Int) {
        self.plan = plan
        self.keyLayout = keyLayout
        self.name = name
        keyColumnCount = keyLayout.inputColumns.count
        batchTypes = keyLayout.inputTypes + plan.node.inputTypes
        keys = GroupTable(keyLayout)
        stepper = MatchStepper(plan)
        emitter = MatchEmitter(plan, batchRows: batchRows)
        layouts = UnsafeMutablePointer<Layout>.allocate(capacity: max(plan.stored.count, 1))
        offsets = UnsafeMutablePointer<Int>.allocate(capacity: max(plan.stored.count, 1))
        for index in plan.stored.indices {
            (layouts + index).initialize(to: plan.layouts[index])
            (offsets + index).initialize(to: plan.layout.offsets[index])
        }
    }

    deinit {
        layouts.deallocate()
        offsets.deallocate()
    }

    // MARK: Input

    /// Columns of the key, then those of the input.
    func ingest(_ whole: RowBatch, _ context: TaskContext) {
        var batch = whole
        guard !plan.node.isBounded, let timeColumn = plan.node.timeColumn else {
            if batch.count > 0 { pending.append(Pending(batch: batch, least: .min, greatest: .max)) }
            return
        }
        var (least, greatest) = Self.range(batch.columns[keyColumnCount + timeColumn])
        if least < processed {
            // Only rows of an operator below that says less of time than it knows.
            let times = batch.columns[keyColumnCount + timeColumn].int64s
            var kept: [Int32] = []
            for row in 0..<batch.count {
                if times[row] < processed {
                    context.late(
                        name, eventTime: times[row], watermark: processed, row: Array(batch.row(row).suffix(plan.node.inputTypes.count)),
                        types: plan.node.inputTypes)
                } else {
                    kept.append(Int32(truncatingIfNeeded: row))
                }
            }
            batch = batch.gather(kept)
            (least, greatest) = Self.range(batch.columns[keyColumnCount + timeColumn])
        }
        if batch.count > 0 { pending.append(Pending(batch: batch, least: least, greatest: greatest)) }
    }

    private static func range(_ times: Column) -> (Int64, Int64) {
        var (least, greatest) = (Int64.max, Int64.min)
        let values = times.int64s
        for row in 0..<times.count {
            least = min(least, values[row])
            greatest = max(greatest, values[row])
        }
        return (least, greatest)
    }

    func isDue(_ epoch: StageEpoch) -> Bool {
        if epoch.hasEnded { return !pending.isEmpty || carried != nil || liveCount > 0 }
        if plan.node.isBounded { return false }
        if let time = timers.first, time <= epoch.watermark { return true }
        return pending.contains { $0.least < epoch.watermark }
    }

    /// The rows whose time has come, in order of arrival.
    private func takeDue(_ epoch: StageEpoch) -> [RowBatch] {
        var due = carried.map { [$0] } ?? []
        carried = nil
        if epoch.hasEnded {
            due += pending.map(\.batch)
            pending.removeAll()
            return due
        }
        var left: [Pending] = []
        for item in pending {
            if item.least >= epoch.watermark {
                left.append(item)
            } else if item.greatest < epoch.watermark {
                due.append(item.batch)
            } else {
                let times = item.batch.columns[keyColumnCount + (plan.node.timeColumn ?? 0)].int64s
                var (early, late): ([Int32], [Int32]) = ([], [])
                var least = Int64.max
                for row in 0..<item.batch.count {
                    if times[row] < epoch.watermark {
                        early.append(Int32(truncatingIfNeeded: row))
                    } else {
                        late.append(Int32(truncatingIfNeeded: row))
                        least = min(least, times[row])
                    }
                }
                due.append(early.withUnsafeBufferPointer { item.batch.picked($0) })
                left.append(Pending(batch: late.withUnsafeBufferPointer { item.batch.picked($0) }, least: least, greatest: item.greatest))
            }
        }
        pending = left
        return due
    }

    // MARK: Running

    func advance(_ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        guard isDue(epoch) else { return }
        emitter.begin(context)
        stepper.report.clockMicroseconds = context.clockMicroseconds
        let due = takeDue(epoch)
        if !due.isEmpty {
            let batch = RowBatch.concatenate(due, types: batchTypes)
            if batch.count > 0 { process(batch, epoch, context) }
        }
        processed = max(processed, epoch.watermark)
        if epoch.hasEnded {
            for slot in states.indices {
                guard let state = states[slot] else { continue }
                stepper.finish(state)
                settle(state, slot)
            }
            timers = TimeHeap()
        } else {
            // In the order of slots: that of the heap depends on how it was filled.
            var due: Set<Int> = []
            while let time = timers.first, time <= epoch.watermark, let slot = timers.pop() { due.insert(Int(slot)) }
            // Rows that are carried come before the watermark: time does not pass them until they have been looked at.
            for slot in due.sorted() { if carriedSlots.contains(slot) { states[slot]?.timer = .max } else { expire(slot: slot, epoch.watermark) } }
        }
        emitter.end(into: &output)
        compactIfWanted()
    }

    /// A key without rows at hand: gives out what is decided and keeps what is left.
    private func settle(_ state: KeyMatches, _ slot: Int) {
        let cells = keptCells(state)
        emitter.source = nil
        stepper.resolve(state, cells, emitter)
        state.drop(before: keepFrom(state), layout: plan.layout, arena: &arena)
        state.restart(at: state.next)
        leave(state, slot)
    }

    private func expire(slot: Int, _ watermark: Int64) {
        guard slot < states.count, let state = states[slot], state.timer <= watermark else { return }
        state.timer = .max
        stepper.expire(state, watermark: watermark)
        settle(state, slot)
    }

    /// Notes when to look at the key again, or forgets it.
    private func leave(_ state: KeyMatches, _ slot: Int) {
        marks.mark(slot)
        if let within = plan.node.withinMicroseconds, let first = state.groups.first {
            let (deadline, overflow) = first.startTime.addingReportingOverflow(within)
            if !overflow && deadline < state.timer {
                state.timer = deadline
                timers.push(deadline, UInt32(truncatingIfNeeded: slot))
            }
        }
        if !state.isWaiting, plan.isOneRow, state.groups.contains(where: { $0.hasMatch }) {
            state.isWaiting = true
            waiting.append(UInt32(truncatingIfNeeded: slot))
        }
        if !plan.keepsKeys && state.isIdle {
            states[slot] = nil
            liveCount -= 1
            state.recycle()
            if spare.count < 256 { spare.append(state) }
        }
    }

    private func keepFrom(_ state: KeyMatches) -> Int64 { max((state.groups.first?.start ?? state.next) - Int64(plan.rowsBefore), 0) }

    private func keptCells(_ state: KeyMatches) -> MatchCells {
        MatchCells(
            columns: Self.noColumns, layouts: layouts, offsets: offsets, first: state.next, row: 0, count: 0, kept: state.rows,
            keptFirst: state.firstKept, width: plan.layout.width)
    }

    private nonisolated(unsafe) static let noColumns = UnsafePointer(UnsafeMutablePointer<MatchColumn>.allocate(capacity: 1))

    // MARK: Rows in order

    private struct KeyRange {
        var slot: Int
        var start: Int
        var count: Int
    }

    private func process(_ batch: RowBatch, _ epoch: StageEpoch, _ context: TaskContext) {
        carriedSlots.removeAll(keepingCapacity: true)
        keys.assign(batch, context.scratch)
        while states.count < keys.count { states.append(nil) }
        let (sorted, ranges) = inOrder(batch, context.scratch.slots)
        let input = RowBatch(count: sorted.count, columns: Array(sorted.columns[keyColumnCount...]))
        for range in ranges where states[range.slot] == nil {
            marks.mark(range.slot)
            states[range.slot] = spare.popLast() ?? KeyMatches()
            liveCount += 1
        }
        let evaluation = EvaluationContext(clockMicroseconds: context.clockMicroseconds)
        var columns: [Column] = []
        for stored in plan.stored {
            if let ordinal = stored.ordinal {
                columns.append(input.columns[ordinal])
            } else if let expression = stored.expression {
                columns.append(expression.evaluate(input, evaluation))
            }
        }
        withExtendedLifetime(columns) {
            withUnsafeTemporaryAllocation(of: MatchColumn.self, capacity: max(columns.count, 1)) { memory in
                guard let cellColumns = memory.baseAddress else { return }
                for index in columns.indices { (cellColumns + index).initialize(to: MatchColumn(columns[index])) }
                let shifted = shift(columns, ranges, cellColumns)
                let all = RowBatch(count: input.count, columns: input.columns + shifted)
                let conditions = plan.vectorConditions.map { $0.map { $0.evaluate(all, evaluation) } }
                let failures = evaluation.takeFailures()
                for failure in failures {
                    context.fail(failure.message, expression: failure.expression, row: input.row(failure.row), types: plan.node.inputTypes)
                }
                let verdicts = conditions.map { $0.map { Self.verdict($0, failures) } }
                let rows = withExtendedLifetime(verdicts) { match(input, ranges, cellColumns, verdicts, epoch, context) }
                if !rows.isEmpty { carried = rows.withUnsafeBufferPointer { sorted.picked($0) } }
            }
        }
    }

    /// 1 where the condition is true.
    private static func verdict(_ column: Column, _ failures: [RowFailure]) -> Buffer {
        let buffer = Buffer(byteCount: column.count)
        let target = buffer.base.assumingMemoryBound(to: UInt8.self)
        let source = column.bools
        if column.mayHaveNulls {
            for row in 0..<column.count { target[row] = source[row] != 0 && !column.isNull(row) ? 1 : 0 }
        } else {
            memcpy(target, source, column.count)
        }
        for failure in failures { target[failure.row] = 0 }
        return buffer
    }

    /// The rows by key, within a key by the ORDER BY columns and arrival; and where each key's rows lie. Keys come in the order of their
    /// first rows.
    private func inOrder(_ batch: RowBatch, _ slots: UnsafePointer<UInt32>) -> (RowBatch, [KeyRange]) {
        let n = batch.count
        if localIndex.count < keys.count { localIndex += Array(repeating: -1, count: keys.count - localIndex.count) }
        var ranges: [KeyRange] = []
        for row in 0..<n {
            let slot = Int(slots[row])
            let known = localIndex[slot]
            if known < 0 {
                localIndex[slot] = Int32(ranges.count)
                ranges.append(KeyRange(slot: slot, start: 0, count: 1))
            } else {
                ranges[Int(known)].count += 1
            }
        }
        var start = 0
        for index in ranges.indices {
            ranges[index].start = start
            start += ranges[index].count
        }
        var order = [Int32](repeating: 0, count: n)
        var next = ranges.map(\.start)
        for row in 0..<n {
            let key = Int(localIndex[Int(slots[row])])
            order[next[key]] = Int32(truncatingIfNeeded: row)
            next[key] += 1
        }
        for range in ranges { localIndex[range.slot] = -1 }
        let sorter = RowOrder(
            plan.node.order.map { SortNode.Key(column: $0.column + keyColumnCount, isDescending: $0.isDescending, nullsFirst: $0.nullsFirst) },
            batch)
        order.withUnsafeMutableBufferPointer { rows in
            guard let base = rows.baseAddress else { return }
            for range in ranges { sort(base + range.start, range.count, batch, sorter) }
        }
        var isInOrder = true
        for row in 0..<n where order[row] != Int32(truncatingIfNeeded: row) {
            isInOrder = false
            break
        }
        return (isInOrder ? batch : order.withUnsafeBufferPointer { batch.picked($0) }, ranges)
    }

    /// Most keys' rows arrive in order.
    private func sort(_ rows: UnsafeMutablePointer<Int32>, _ count: Int, _ batch: RowBatch, _ sorter: RowOrder) {
        guard count > 1 else { return }
        var isSorted = true
        if plan.node.order.count == 1, let timeColumn = plan.node.timeColumn, !batch.columns[keyColumnCount + timeColumn].mayHaveNulls {
            let times = batch.columns[keyColumnCount + timeColumn].int64s
            for index in 1..<count where times[Int(rows[index - 1])] > times[Int(rows[index])] {
                isSorted = false
                break
            }
        } else {
            for index in 1..<count where sorter.compare(Int(rows[index - 1]), Int(rows[index])) > 0 {
                isSorted = false
                break
            }
        }
        if isSorted { return }
        var buffer = UnsafeMutableBufferPointer(start: rows, count: count)
        buffer.sort { a, b in
            let order = sorter.compare(Int(a), Int(b))
            return order != 0 ? order < 0 : a < b
        }
    }

    /// Stored columns of rows a fixed distance away: among the rows at hand, or among those kept.
    private func shift(_ columns: [Column], _ ranges: [KeyRange], _ cellColumns: UnsafePointer<MatchColumn>) -> [Column] {
        plan.shifts.map { shift in
            let source = columns[shift.column]
            let extra = ColumnBuilder(source.type, capacity: ranges.count + 1)
            // The first of the extra rows stands for a row that is not there.
            extra.appendNull()
            var places = [Int32](repeating: 0, count: source.count)
            let none = Int32(truncatingIfNeeded: source.count)
            for range in ranges {
                guard let state = states[range.slot] else { continue }
                for row in range.start..<range.start + range.count {
                    let wanted = row + shift.offset
                    if wanted >= range.start {
                        places[row] = wanted < range.start + range.count ? Int32(truncatingIfNeeded: wanted) : none
                        continue
                    }
                    let position = state.next + Int64(wanted - range.start)
                    guard position >= state.firstKept else {
                        places[row] = none
                        continue
                    }
                    places[row] = none + Int32(truncatingIfNeeded: extra.count)
                    keptCells(state).append(shift.column, position, to: extra)
                }
            }
            let all = Column.concatenate([source, extra.finish()], type: source.type)
            return places.withUnsafeBufferPointer { all.picked($0) }
        }
    }

    // MARK: Keys

    /// Gives back the rows that must be carried over.
    private func match(
        _ input: RowBatch, _ ranges: [KeyRange], _ cellColumns: UnsafePointer<MatchColumn>, _ verdicts: [Buffer?], _ epoch: StageEpoch,
        _ context: TaskContext
    ) -> [Int32] {
        let bits = UnsafeMutablePointer<UnsafePointer<UInt8>?>.allocate(capacity: max(verdicts.count, 1))
        defer { bits.deallocate() }
        for index in verdicts.indices {
            (bits + index).initialize(to: verdicts[index].map { UnsafePointer($0.base.assumingMemoryBound(to: UInt8.self)) })
        }
        let beginnings = beginnings(input.count, bits)
        let times = plan.node.timeColumn.map { input.columns[$0].int64s }
        emitter.source = input
        var carriedRows: [Int32] = []
        for range in ranges {
            guard let state = states[range.slot] else { continue }
            let first = state.next
            let cells = MatchCells(
                columns: cellColumns, layouts: layouts, offsets: offsets, first: first, row: range.start, count: range.count,
                kept: state.rows, keptFirst: state.firstKept, width: plan.layout.width)
            emitter.sourceFirst = first
            emitter.sourceRow = range.start
            let count = epoch.hasEnded ? range.count : max(range.count - plan.rowsAhead, 0)
            var row = range.start
            let end = range.start + count
            while row < end {
                if let beginnings, state.groups.isEmpty, state.next > 0 {
                    // Between matches only the rows that may begin one matter.
                    let values = beginnings.base.assumingMemoryBound(to: UInt8.self)
                    while row < end && values[row] == 0 { row += 1 }
                    state.next = first + Int64(row - range.start)
                    state.frontier = state.next
                    if row == end { break }
                }
                stepper.step(
                    state,
                    MatchStepper.Row(
                        cells: cells, bits: bits, index: row, position: first + Int64(row - range.start), time: times.map { $0[row] } ?? 0))
                state.next = first + Int64(row - range.start) + 1
                if stepper.isOverLimit {
                    context.fail(
                        "more than \(plan.partialMatchesMax) partial matches in one partition of MATCH_RECOGNIZE; this row begins no other",
                        expression: "PATTERN", row: input.row(row), types: plan.node.inputTypes)
                }
                if let message = stepper.report.message {
                    context.fail(message, expression: stepper.report.expression, row: input.row(row), types: plan.node.inputTypes)
                    stepper.report.clear()
                }
                if plan.showsUnmatched || state.groups.first.map({ $0.threadCount == 0 }) ?? false { stepper.resolve(state, cells, emitter) }
                row += 1
            }
            for row in end..<range.start + range.count { carriedRows.append(Int32(truncatingIfNeeded: row)) }
            if count < range.count { carriedSlots.insert(range.slot) }
            let from = keepFrom(state)
            state.drop(before: from, layout: plan.layout, arena: &arena)
            state.restart(at: max(from, first))
            var position = state.firstKept + Int64(state.rowCount)
            while position < state.next {
                state.keep(cells, row: range.start + Int(position - first), layout: plan.layout, arena: &arena)
                position += 1
            }
            leave(state, range.slot)
        }
        return carriedRows
    }

    /// For each row whether a match may begin at it, as far as that can be told without looking at other rows; nil when every row may.
    private func beginnings(_ count: Int, _ bits: UnsafePointer<UnsafePointer<UInt8>?>) -> Buffer? {
        let start = plan.automaton.first
        guard !start.accepts, !plan.showsUnmatched, !start.targets.isEmpty else { return nil }
        let buffer = Buffer.zeroed(byteCount: count)
        let target = buffer.base.assumingMemoryBound(to: UInt8.self)
        for position in start.targets {
            guard let source = bits[Int(plan.automaton.variables[Int(position)])] else { return nil }
            for row in 0..<count { target[row] |= source[row] }
        }
        return buffer
    }

    // MARK: Space

    private func compactIfWanted() {
        if arena.wantsCompaction {
            var fresh = ByteArena()
            for state in states { state?.moveTexts(layout: plan.layout, to: &fresh) }
            arena = fresh
        }
        let dead = keys.count - liveCount
        guard dead > 64, dead * 2 > keys.count, !plan.node.partition.isEmpty else { return }
        var map: [Int32] = []
        let old = states
        keys = keys.compacted(slotMap: &map) { old[$0] != nil }
        states = old.filter { $0 != nil }
        marks.reset()
        localIndex = Array(repeating: -1, count: keys.count)
        index()
    }

    /// Timers and waiting keys from the states.
    private func index() {
        timers = TimeHeap()
        waiting = []
        liveCount = 0
        for slot in states.indices {
            guard let state = states[slot] else { continue }
            liveCount += 1
            state.timer = .max
            state.isWaiting = false
            if let within = plan.node.withinMicroseconds, let first = state.groups.first {
                let (deadline, overflow) = first.startTime.addingReportingOverflow(within)
                if !overflow {
                    state.timer = deadline
                    timers.push(deadline, UInt32(truncatingIfNeeded: slot))
                }
            }
            if plan.isOneRow, state.groups.contains(where: { $0.hasMatch }) {
                state.isWaiting = true
                waiting.append(UInt32(truncatingIfNeeded: slot))
            }
        }
    }

    /// The earliest time that a match which is complete, but not decided, may be given out with.
    func hold() -> Int64 {
        var least = Int64.max
        var still: [UInt32] = []
        for slot in waiting {
            guard Int(slot) < states.count, let state = states[Int(slot)], state.isWaiting else { continue }
            var isWaiting = false
            for group in state.groups where group.hasMatch {
                least = min(least, group.startTime)
                isWaiting = true
            }
            state.isWaiting = isWaiting
            if isWaiting { still.append(slot) }
        }
        waiting = still
        return least
    }

    var rowCount: Int { states.reduce(pending.reduce(carried?.count ?? 0) { $0 + $1.batch.count }) { $0 + ($1?.rowCount ?? 0) } }

    var stateByteCount: Int {
        let width = batchTypes.reduce(0) { $0 + $1.layout.stride }
        let waitingBytes = pending.reduce(carried?.count ?? 0) { $0 + $1.batch.count } * width
        return states.reduce(keys.byteCount + arena.byteCount + waitingBytes) { $0 + ($1.map { $0.byteCount + $0.rowBytes(width: plan.layout.width) } ?? 0) }
    }

    // MARK: State

    func write(to writer: inout StateWriter) {
        keys.write(to: &writer)
        writer.write(processed)
        writer.write(States(owner: self), marks)
        writer.write(RowBatch.concatenate(pending.map(\.batch), types: batchTypes))
        writer.write(carried != nil)
        if let carried { writer.write(carried) }
    }

    func read(from reader: inout StateReader) throws(StateError) {
        keys = GroupTable(keyLayout)
        try keys.read(from: &reader)
        processed = try reader.read()
        arena = ByteArena()
        try reader.read(States(owner: self), marks)
        guard states.count == keys.count else { throw reader.failure("partial matches of keys that are not there") }
        localIndex = Array(repeating: -1, count: keys.count)
        let batch = try reader.readBatch(types: batchTypes)
        pending = []
        if batch.count > 0 {
            let range = plan.node.isBounded || plan.node.timeColumn == nil
                ? (Int64.min, Int64.max) : Self.range(batch.columns[keyColumnCount + (plan.node.timeColumn ?? 0)])
            pending = [Pending(batch: batch, least: range.0, greatest: range.1)]
        }
        carried = try reader.readBool() ? try reader.readBatch(types: batchTypes) : nil
        index()
    }

    /// What is known of each key.
    private struct States: NumberedRows {
        let owner: MatchPartition

        var rowCount: Int { owner.keys.count }
        var rowByteCountMin: Int { 1 }
        func make(rows count: Int) { owner.states = Array(repeating: nil, count: count) }

        func write(row slot: Int, to writer: inout StateWriter) {
            let state = slot < owner.states.count ? owner.states[slot] : nil
            writer.write(state != nil)
            state?.write(to: &writer, layout: owner.plan.layout, threadStride: owner.stepper.stride)
        }

        func read(row slot: Int, from reader: inout StateReader) throws(StateError) {
            guard try reader.readBool() else { return }
            let state = KeyMatches()
            try state.read(from: &reader, plan: owner.plan, threadStride: owner.stepper.stride, arena: &owner.arena)
            owner.states[slot] = state
        }
    }
}
