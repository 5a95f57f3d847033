// SingleRankTable: the first row of each key (deduplication), of an input that only inserts.
//
//   row = [key][control: 8][clock of the last change: 8][the row kept: order words, packed columns]
//
// Within an epoch only the address of the best row so far is noted (`candidates`), so a key that changes a thousand times in an epoch
// costs a thousand comparisons and one copy. The control word is bit 0: a row is kept, upper half: candidate + 1.

import CMillrace
import Columns
import Glibc
import Planning

final class SingleRankTable: RankTable {
    private let layout: RankLayout
    private let timeToLive: Int64?
    private var table: KeyTable
    private var candidates: [UnsafeRawPointer] = []
    private var touched: [UInt32] = []
    private var lastSweepMicroseconds = Int64.min
    private let control: Int
    private let clock: Int
    private let kept: Int
    /// Offsets of StringViews within a table row.
    private let strings: [Int]
    private let template: [UInt8]

    init(_ layout: RankLayout, _ node: RankNode) {
        self.layout = layout
        timeToLive = node.stateTTLMicroseconds
        control = layout.keyWidth
        clock = control + 8
        kept = clock + (timeToLive == nil ? 0 : 8)
        let kept = kept
        let keptStrings = layout.rowStrings.map { kept + $0 }
        strings = layout.keyStrings + keptStrings
        var template = [UInt8](repeating: 0, count: kept - layout.keyWidth + layout.rowWidth)
        for string in keptStrings {
            withUnsafeBytes(of: StringView.empty) { view in
                for index in 0..<16 { template[string - layout.keyWidth + index] = view[index] }
            }
        }
        self.template = template
        table = KeyTable(keyWidth: layout.keyWidth, keyStrings: layout.keyStrings, template: template, isIndexed: layout.keyWidth > 0)
    }

    var groupCount: Int { table.count }
    var byteCount: Int { table.byteCount }

    func ingest(_ chunk: RankChunk, _ range: Range<Int>, _ context: TaskContext) {
        guard !range.isEmpty else { return }
        chunk.assign(range, in: table, context.scratch)
        let slots = context.scratch.slots
        let rows = table.rows
        let stride = table.rowStride
        let control = control
        let kept = kept
        let order = layout.order
        let hasWords = order.byteCount > 0
        @inline(__always) func comesBefore(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer) -> Bool {
            if hasWords {
                // The first word of the order decides, unless it is the same.
                let (x, y) = (a.load(as: UInt64.self), b.load(as: UInt64.self))
                if x != y { return x < y }
            }
            return order.compare(a, b) < 0
        }
        let first = range.lowerBound
        for index in 0..<range.count {
            let row = chunk.row(first &+ index)
            let slot = slots[index]
            let state = rows + Int(slot) &* stride
            let word = state.load(fromByteOffset: control, as: UInt64.self)
            let candidate = Int(truncatingIfNeeded: word >> 32)
            if candidate > 0 {
                if comesBefore(row, candidates[candidate &- 1]) { candidates[candidate &- 1] = row }
                continue
            }
            if word & 1 != 0 && !comesBefore(row, state + kept) { continue }
            candidates.append(row)
            touched.append(slot)
            state.storeBytes(of: word | UInt64(candidates.count) << 32, toByteOffset: control, as: UInt64.self)
        }
    }

    func endEpoch(emits: Bool, clockMicroseconds: Int64, _ output: inout RankOutput, _ batches: inout [RowBatch]) {
        // What is kept from here on is not shown in this epoch.
        let texts = table.arena.keeper
        touched.withUnsafeBufferPointer { slots in if let base = slots.baseAddress { table.marks.mark(base, count: slots.count) } }
        let block = 4_096
        var start = 0
        while start < touched.count {
            let end = min(start + block, touched.count)
            if emits {
                for index in start..<end {
                    let state = table.row(Int(touched[index]))
                    if state.load(fromByteOffset: control, as: UInt64.self) & 1 != 0 {
                        output.add(state + kept, rank: 1, .updateBefore)
                        output.add(candidates[index], rank: 1, .updateAfter)
                    } else {
                        output.add(candidates[index], rank: 1, .insert)
                    }
                }
                output.flush(into: &batches, arena: texts)
            }
            // In a local while it is written to: a property would be checked for exclusive access at every text.
            var arena = ByteArena()
            swap(&arena, &table.arena)
            for index in start..<end {
                if index &+ 12 < end { Prefetch.row(candidates[index &+ 12], width: layout.rowWidth) }
                if index &+ 6 < end {
                    Prefetch.texts(candidates[index &+ 6], layout.rowStrings)
                    Prefetch.row(table.row(Int(touched[index &+ 6])), width: table.rowStride)
                }
                let state = table.row(Int(touched[index]))
                let place = state + kept
                if state.load(fromByteOffset: control, as: UInt64.self) & 1 != 0 {
                    for offset in layout.rowStrings {
                        arena.garbageByteCount += place.loadUnaligned(fromByteOffset: offset, as: StringView.self).count
                    }
                }
                let candidate = candidates[index]
                memcpy(place, candidate, layout.rowWidth)
                for offset in layout.rowStrings {
                    let view = candidate.loadUnaligned(fromByteOffset: offset, as: StringView.self)
                    place.storeBytes(of: arena.copy(view), toByteOffset: offset, as: StringView.self)
                }
                state.storeBytes(of: 1, toByteOffset: control, as: UInt64.self)
                if timeToLive != nil { state.storeBytes(of: clockMicroseconds, toByteOffset: clock, as: Int64.self) }
            }
            swap(&arena, &table.arena)
            start = end
        }
        candidates.removeAll(keepingCapacity: true)
        touched.removeAll(keepingCapacity: true)
        if let timeToLive { sweep(timeToLive, clockMicroseconds) }
        if table.arena.wantsCompaction { rebuild { _ in true } }
    }

    /// Forgets keys that have not changed for the time to live; looked at every half of it.
    private func sweep(_ timeToLive: Int64, _ now: Int64) {
        guard now >= lastSweepMicroseconds &+ timeToLive / 2 || lastSweepMicroseconds == .min else { return }
        lastSweepMicroseconds = now
        let clock = clock
        let limit = now.subtractingReportingOverflow(timeToLive)
        guard !limit.overflow else { return }
        var isAny = false
        for slot in 0..<table.count where table.row(slot).load(fromByteOffset: clock, as: Int64.self) <= limit.partialValue { isAny = true }
        if isAny { rebuild { $0.load(fromByteOffset: clock, as: Int64.self) > limit.partialValue } }
    }

    /// A fresh table with the rows that stay, in their order.
    private func rebuild(_ keeps: (UnsafeRawPointer) -> Bool) {
        let made = KeyTable(keyWidth: layout.keyWidth, keyStrings: layout.keyStrings, template: template, isIndexed: layout.keyWidth > 0)
        made.reserve(table.count)
        for slot in 0..<table.count where keeps(table.row(slot)) {
            _ = made.adopt(table.row(slot), hash: layout.keyHash(table.row(slot)), strings: strings, indexed: layout.keyWidth > 0)
        }
        table = made
    }

    func emitAll(_ output: inout RankOutput, _ batches: inout [RowBatch]) {
        let texts = table.arena.keeper
        for slot in 0..<table.count {
            output.add(table.row(slot) + kept, rank: 1, .insert)
            if output.count >= 8_192 { output.flush(into: &batches, arena: texts) }
        }
        output.flush(into: &batches, arena: texts)
    }

    func removeAll() { table.removeAll() }

    // MARK: State

    func write(to writer: inout StateWriter) {
        writer.write(lastSweepMicroseconds)
        table.write(to: &writer, strings: strings)
    }

    func read(from reader: inout StateReader) throws(StateError) {
        table.removeAll()
        lastSweepMicroseconds = try reader.read()
        try table.read(from: &reader, strings: strings)
        // Between epochs every key has a row and none has a candidate.
        for slot in 0..<table.count where table.row(slot).load(fromByteOffset: control, as: UInt64.self) != 1 {
            throw reader.failure("a partition without its row")
        }
        if layout.keyWidth == 0 {
            guard table.count <= 1 else { throw reader.failure("more than one partition without a key") }
        } else {
            guard table.reindex() else { throw reader.failure("a partition twice") }
        }
    }
}

extension RankLayout {
    /// The hash by which tables and partitions find a key.
    func keyHash(_ key: UnsafeRawPointer) -> UInt64 { keyWidth == 0 ? 0 : KeyHash.row(key, width: keyWidth, stringOffsets: keyStrings) }
}
