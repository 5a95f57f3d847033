// OverAggregate: an aggregate function over frames, computed by the accumulators that GROUP BY uses.
//
//   frame                                 how                                                        per row
//   the whole partition                   one state                                                  O(1)
//   from the partition's start            one state that goes on, copied for each row                O(1)
//   short, with a start that moves        a state of its own for each row, all fed at once           O(frame)
//   long, with a start that moves         two stacks: sums of what will leave, from each row to      O(1) amortised
//                                         the turn, and the sum of what has come since
//
// States of the simple functions are bytes that can be copied and joined; functions that keep values elsewhere are finished one by one.

import Columns
import Glibc
import Planning

final class OverAggregate {
    /// Ordinals of the input that the layout's compact batch holds.
    let columns: [Int]
    let layout: GroupLayout
    private let call: OverCall
    private let isSimple: Bool
    private let isWhole: Bool
    private let isRunning: Bool
    /// States that go on, by slot; only when carried.
    private(set) var running: GroupTable?

    /// Frames longer than this, on average, are computed with two stacks.
    private static let shortFrameRows = 48
    /// How many pairs of row and frame are fed at once.
    private static let pairsMax = 1 << 16
    private static let keyByteCount = 8

    init(_ call: OverCall, _ function: AggregateFunction, inputTypes: [SQLType], carries: Bool) throws(DataflowError) {
        self.call = call
        let aggregate = AggregateCall(
            function: function, argument: call.arguments.first, filter: call.filter, resultType: call.resultType, text: call.text)
        let node = AggregateNode(keys: [], window: nil, aggregates: [aggregate], emit: .atEnd)
        layout = try GroupLayout(
            node: node, inputTypes: inputTypes, countsRows: false, emittedTypes: nil, manualKeyBytes: OverAggregate.keyByteCount)
        columns = layout.inputColumns
        switch function {
        case .countRows, .count, .sum, .min, .max, .avg, .varSamp, .varPop, .stddevSamp, .stddevPop, .boolAnd, .boolOr:
            // A text that is replaced is written over where it lies: a copied state would see that.
            isSimple = layout.stringOffsets.isEmpty
        default: isSimple = false
        }
        isWhole = call.frame.start == .unboundedPreceding && call.frame.end == .unboundedFollowing
        isRunning = call.frame.start == .unboundedPreceding && !isWhole
        if carries && isRunning { running = GroupTable(layout) }
    }

    var byteCount: Int { running?.byteCount ?? 0 }

    /// A new state; its key is unused, but must not be whatever lay in memory.
    private func append(to table: GroupTable) -> Int {
        let slot = table.table.append()
        table.table.row(slot).storeBytes(of: 0, as: Int64.self)
        return slot
    }

    /// The inputs by row of the segments; one result for each due row.
    func evaluate(
        _ segments: OverSegments, _ frames: OverFrames, _ inputs: [Column], carry: inout [OverCarry], call index: Int, _ context: TaskContext,
        _ rows: RankLayout
    ) -> Column {
        let count = segments.rows.count
        var columns = inputs
        if layout.needsArrival {
            let numbers = Buffer(byteCount: count * 8)
            let target = numbers.base.assumingMemoryBound(to: Int64.self)
            for segment in segments.segments {
                let past = running != nil ? carry[segment.slot].rows &- Int64(segment.dueStart &- segment.start) : 0
                for row in segment.start..<segment.end { target[row] = past &+ Int64(row &- segment.start) &+ 1 }
            }
            columns.append(Column(type: .bigint, count: count, values: numbers))
        }
        let batch = RowBatch(count: count, columns: columns)
        var result = Results(self, segments, context, rows)
        if isWhole {
            whole(segments, batch, &result)
        } else if isRunning {
            runningStates(segments, frames, batch, &carry, index, &result)
        } else {
            sliding(segments, frames, batch, &result)
        }
        return result.finish()
    }

    // MARK: Results

    /// Collects a state for each due row and finishes them together.
    private struct Results {
        private let owner: OverAggregate
        private let context: TaskContext
        private let segments: OverSegments
        private let rows: RankLayout
        private var states: [UnsafeRawPointer] = []
        private var columns: [Column] = []
        /// Keeps copies of states alive.
        private var memory: [Buffer] = []
        private var memoryUsed = 0
        private var finished = 0

        init(_ owner: OverAggregate, _ segments: OverSegments, _ context: TaskContext, _ rows: RankLayout) {
            self.owner = owner
            self.segments = segments
            self.context = context
            self.rows = rows
            states.reserveCapacity(segments.dueCount)
        }

        var scratch: AggregationScratch { context.scratch }

        mutating func add(_ state: UnsafeRawPointer) { states.append(state) }
        mutating func repeatLast() { if let last = states.last { states.append(last) } }

        /// A copy of a state that goes on changing.
        mutating func addCopy(_ state: UnsafeRawPointer, byteCount: Int) {
            let room = memory.last?.byteCount ?? 0
            if memoryUsed + byteCount > room {
                memory.append(Buffer(byteCount: max(byteCount * 256, 64 * 1024)))
                memoryUsed = 0
            }
            let target = memory[memory.count - 1].base + memoryUsed
            memcpy(target, state, byteCount)
            memoryUsed += byteCount
            states.append(UnsafeRawPointer(target))
        }

        /// Turns the states so far into values: they are about to change.
        mutating func settle() {
            guard !states.isEmpty else { return }
            var failures: [FinishFailure] = []
            let made = states.withUnsafeBufferPointer { pointers in
                pointers.baseAddress.map { owner.layout.finish($0, count: pointers.count, failures: &failures) } ?? []
            }
            if let column = made.first { columns.append(column) }
            if !failures.isEmpty {
                let due = segments.dueRows
                for failure in failures where finished + failure.row < due.count {
                    context.fail(
                        failure.message, expression: failure.text, row: rows.values(due[finished + failure.row]), types: rows.inputTypes)
                }
            }
            finished += states.count
            states.removeAll(keepingCapacity: true)
            memory.removeAll(keepingCapacity: true)
            memoryUsed = 0
        }

        mutating func finish() -> Column {
            settle()
            return Column.concatenate(columns, type: owner.call.resultType)
        }
    }

    // MARK: Frames that begin with the partition

    private func whole(_ segments: OverSegments, _ batch: RowBatch, _ result: inout Results) {
        let table = GroupTable(layout)
        let scratch = result.scratch
        scratch.reserve(max(batch.count, 1))
        for segment in segments.segments {
            let slot = UInt32(truncatingIfNeeded: append(to: table))
            for row in segment.start..<segment.end { scratch.slots[row] = slot }
        }
        table.feed(batch, scratch, from: 0, to: batch.count)
        for (slot, segment) in segments.segments.enumerated() {
            for _ in segment.dueStart..<segment.dueEnd { result.add(table.table.row(slot)) }
        }
        withExtendedLifetime(table) { result.settle() }
    }

    private func runningStates(
        _ segments: OverSegments, _ frames: OverFrames, _ batch: RowBatch, _ carry: inout [OverCarry], _ index: Int, _ result: inout Results
    ) {
        let table = running ?? GroupTable(layout)
        let scratch = result.scratch
        scratch.reserve(max(batch.count, 1))
        var due = 0
        for segment in segments.segments {
            let slot: Int
            var next: Int
            if running != nil {
                slot = segment.slot
                while table.count <= slot { _ = append(to: table) }
                next = segment.dueStart + carry[slot].fed[index]
            } else {
                slot = append(to: table)
                next = segment.start
            }
            for row in segment.start..<segment.end { scratch.slots[row] = UInt32(truncatingIfNeeded: slot) }
            var isFresh = true
            for _ in segment.dueStart..<segment.dueEnd {
                let end = Int(frames.ends[due])
                due += 1
                if end > next {
                    table.feed(batch, scratch, from: max(next, segment.start), to: end)
                    next = end
                    isFresh = true
                }
                if !isFresh {
                    result.repeatLast()
                    continue
                }
                if isSimple {
                    result.addCopy(table.table.row(slot), byteCount: table.table.rowStride)
                    isFresh = false
                } else {
                    result.add(table.table.row(slot))
                    withExtendedLifetime(table) { result.settle() }
                }
            }
            if running != nil { carry[slot].fed[index] = next - segment.dueEnd }
        }
        withExtendedLifetime(table) { result.settle() }
    }

    // MARK: Frames that move

    private func sliding(_ segments: OverSegments, _ frames: OverFrames, _ batch: RowBatch, _ result: inout Results) {
        var total = 0
        for index in 0..<frames.starts.count { total += Int(frames.ends[index] &- frames.starts[index]) }
        if isSimple && total > segments.dueCount * OverAggregate.shortFrameRows {
            stacks(segments, frames, batch, &result)
        } else {
            pairs(frames, batch, &result)
        }
    }

    /// Every row into a state of its own for each frame that it is in.
    private func pairs(_ frames: OverFrames, _ batch: RowBatch, _ result: inout Results) {
        let table = GroupTable(layout)
        let scratch = result.scratch
        var first = 0
        while first < frames.starts.count {
            var last = first
            var rows: [Int32] = []
            table.removeAll()
            while last < frames.starts.count, last == first || rows.count + Int(frames.ends[last] - frames.starts[last]) <= OverAggregate.pairsMax {
                rows.append(contentsOf: frames.starts[last]..<frames.ends[last])
                _ = append(to: table)
                last += 1
            }
            scratch.reserve(max(rows.count, 1))
            var place = 0
            for frame in first..<last {
                for _ in frames.starts[frame]..<frames.ends[frame] {
                    scratch.slots[place] = UInt32(truncatingIfNeeded: frame - first)
                    place += 1
                }
            }
            if !rows.isEmpty { table.feed(batch.gather(rows), scratch, from: 0, to: rows.count) }
            for slot in 0..<(last - first) { result.add(table.table.row(slot)) }
            withExtendedLifetime(table) { result.settle() }
            first = last
        }
    }

    /// Slot 0 holds what has come since the last turn; slots 1... the sums from each row to the turn; further ones the results.
    private func stacks(_ segments: OverSegments, _ frames: OverFrames, _ batch: RowBatch, _ result: inout Results) {
        let scratch = result.scratch
        scratch.reserve(max(batch.count, 1))
        var due = 0
        for segment in segments.segments where segment.dueEnd > segment.dueStart {
            var table = GroupTable(layout)
            let back = append(to: table)
            // Sums of rows turnStart + i ..< turnEnd, in slot front + i.
            var turnStart = Int(frames.starts[due])
            var turnEnd = turnStart
            var front = 0
            var next = turnStart
            for row in segment.start..<segment.end { scratch.slots[row] = UInt32(back) }
            for _ in segment.dueStart..<segment.dueEnd {
                let start = Int(frames.starts[due])
                let end = Int(frames.ends[due])
                due += 1
                if end > next {
                    table.feed(batch, scratch, from: max(next, start), to: end)
                    next = end
                }
                if start >= turnEnd && end > start {
                    // The stack that rows leave from is empty: turn. Sums from each row of the frame to its end.
                    if table.count > 3 * (end - start) + 4_096 {
                        withExtendedLifetime(table) { result.settle() }
                        table = GroupTable(layout)
                        _ = append(to: table)
                    }
                    front = table.count
                    for _ in start..<end { _ = append(to: table) }
                    for row in start..<end { scratch.slots[row] = UInt32(front + row - start) }
                    table.feed(batch, scratch, from: start, to: end)
                    for row in stride(from: end - 2, through: start, by: -1) {
                        table.mergeSlot(front + row + 1 - start, into: front + row - start, scratch)
                    }
                    for row in start..<end { scratch.slots[row] = UInt32(back) }
                    turnStart = start
                    turnEnd = end
                    table.table.resetRest(back)
                }
                let slot = append(to: table)
                if start < end {
                    if start < turnEnd { table.mergeSlot(front + start - turnStart, into: slot, scratch) }
                    if end > turnEnd { table.mergeSlot(back, into: slot, scratch) }
                }
                // Rows of the table move when it grows: copy.
                result.addCopy(table.table.row(slot), byteCount: table.table.rowStride)
            }
            withExtendedLifetime(table) { result.settle() }
        }
    }

    // MARK: State

    func write(to writer: inout StateWriter) { running?.write(to: &writer) }

    func read(from reader: inout StateReader) throws(StateError) {
        guard running != nil else { return }
        let table = GroupTable(layout)
        try table.read(from: &reader)
        running = table
    }
}
