// ListRankTable: the first rows of each key in order, or all of them when rows may be taken back.
//
//   table row = [key][entries: address][count: 4][capacity: 4][flags and touched number: 8][threshold word: 8][clock of the last change: 8]
//
// An entry is the first order word of a row and its address; entries of a key are sorted, ties by arrival. While the epoch runs, a row of
// an input that only inserts is a view into the epoch's chunks (bit 0 of its address is set); at the end of the epoch what is left is
// copied into the store. A key that is full has the word of its last row as its threshold, so most rows that are not wanted cost one
// comparison. What a key showed when the epoch began is copied aside the first time it is touched; the difference is what is given.

import CMillrace
import Columns
import Glibc
import Planning

struct RankEntry {
    var word: UInt64
    /// Bit 0: not yet in the store.
    var address: UInt

    @inline(__always)
    init(_ row: UnsafeRawPointer, word: UInt64, isPending: Bool) {
        self.word = word
        address = UInt(bitPattern: row) | (isPending ? 1 : 0)
    }

    @inline(__always)
    var isPending: Bool { address & 1 != 0 }

    /// Rows never lie at address 0, so the fallback is never taken.
    @inline(__always)
    var row: UnsafeRawPointer { UnsafeRawPointer(bitPattern: address & ~1) ?? UnsafeRawPointer(EmptyBytes.pointer) }
}

final class ListRankTable: RankTable {
    private let layout: RankLayout
    private let node: RankNode
    private var table: KeyTable
    private let store: RowStore
    private var touched: [UInt32] = []
    /// What touched keys showed: entries and where each key's begin.
    private var shown: [RankEntry] = []
    private var shownStarts: [Int] = []
    /// Rows of the store that left in this epoch: they are still needed to take them back.
    private var released: [UnsafeMutableRawPointer] = []
    /// Entries whose rows are copied into the store at the end of the epoch; empty otherwise.
    private var pending: [UnsafeMutablePointer<RankEntry>] = []
    private var emptyKeys = 0
    private var lastSweepMicroseconds = Int64.min
    private let entriesOffset: Int
    private let template: [UInt8]
    private let keepsAll: Bool
    private let hasWords: Bool

    private static let fullFlag: UInt64 = 1

    init(_ layout: RankLayout, _ node: RankNode) {
        self.layout = layout
        self.node = node
        keepsAll = node.inputRetracts
        hasWords = layout.order.byteCount > 0
        entriesOffset = layout.keyWidth
        template = [UInt8](repeating: 0, count: 40)
        table = KeyTable(keyWidth: layout.keyWidth, keyStrings: layout.keyStrings, template: template, isIndexed: layout.keyWidth > 0)
        store = RowStore(width: layout.rowWidth, strings: layout.rowStrings)
    }

    deinit { freeEntries() }

    private func freeEntries() { for slot in 0..<table.count { free(key(slot).entries) } }

    var groupCount: Int { store.count }
    var byteCount: Int { table.byteCount + store.byteCount + store.count * MemoryLayout<RankEntry>.stride }

    // MARK: A key's entries

    private struct Key {
        let base: UnsafeMutableRawPointer

        var entries: UnsafeMutablePointer<RankEntry>? {
            base.load(as: UnsafeMutableRawPointer?.self)?.assumingMemoryBound(to: RankEntry.self)
        }
        var count: Int {
            get { Int(base.load(fromByteOffset: 8, as: UInt32.self)) }
            nonmutating set { base.storeBytes(of: UInt32(truncatingIfNeeded: newValue), toByteOffset: 8, as: UInt32.self) }
        }
        var capacity: Int { Int(base.load(fromByteOffset: 12, as: UInt32.self)) }
        /// Number among the touched + 1 in the upper half, flags in the lower.
        var control: UInt64 {
            get { base.load(fromByteOffset: 16, as: UInt64.self) }
            nonmutating set { base.storeBytes(of: newValue, toByteOffset: 16, as: UInt64.self) }
        }
        var threshold: UInt64 {
            get { base.load(fromByteOffset: 24, as: UInt64.self) }
            nonmutating set { base.storeBytes(of: newValue, toByteOffset: 24, as: UInt64.self) }
        }
        var clock: Int64 {
            get { base.load(fromByteOffset: 32, as: Int64.self) }
            nonmutating set { base.storeBytes(of: newValue, toByteOffset: 32, as: Int64.self) }
        }

        func grow(to capacity: Int) -> UnsafeMutablePointer<RankEntry> {
            let stride = MemoryLayout<RankEntry>.stride
            let old = base.load(as: UnsafeMutableRawPointer?.self)
            let grown = realloc(old, capacity * stride) ?? Buffer(byteCount: .max).base
            base.storeBytes(of: grown, as: UnsafeMutableRawPointer?.self)
            base.storeBytes(of: UInt32(truncatingIfNeeded: capacity), toByteOffset: 12, as: UInt32.self)
            return grown.assumingMemoryBound(to: RankEntry.self)
        }
    }

    @inline(__always)
    private func key(_ slot: Int) -> Key { Key(base: table.row(slot) + entriesOffset) }

    /// The first place whose row comes after `row` (`after`), or not before it.
    private func place(_ row: UnsafeRawPointer, word: UInt64, in entries: UnsafeMutablePointer<RankEntry>, count: Int, after: Bool) -> Int {
        var low = 0
        var high = count
        let order = layout.order
        while low < high {
            let middle = (low &+ high) >> 1
            let isBefore: Bool
            if entries[middle].word != word {
                isBefore = entries[middle].word < word
            } else {
                let comparison = order.compare(entries[middle].row, row)
                isBefore = after ? comparison <= 0 : comparison < 0
            }
            if isBefore { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    /// How many entries from the start are within the ranks; the whole list when it is cut anyway.
    private func visibleCount(_ entries: UnsafeMutablePointer<RankEntry>?, count: Int) -> Int {
        guard let entries, count > 0 else { return 0 }
        let last = node.lastRank
        switch node.function {
        case .rowNumber: return min(count, last)
        case .rank:
            guard count > last else { return count }
            var end = last
            while end < count, layout.order.compare(entries[end - 1].row, entries[end].row) == 0 { end += 1 }
            return end
        case .denseRank:
            var groups = 1
            var end = 1
            while end < count {
                if layout.order.compare(entries[end - 1].row, entries[end].row) != 0 {
                    groups += 1
                    if groups > last { return end }
                }
                end += 1
            }
            return end
        }
    }

    // MARK: Input

    func ingest(_ chunk: RankChunk, _ range: Range<Int>, _ context: TaskContext) {
        guard !range.isEmpty else { return }
        chunk.assign(range, in: table, context.scratch)
        let slots = context.scratch.slots
        let first = range.lowerBound
        let hasWords = hasWords
        for index in 0..<range.count {
            let row = chunk.row(first &+ index)
            let key = key(Int(slots[index]))
            let word = hasWords ? row.load(as: UInt64.self) : 0
            if keepsAll {
                touch(slots[index], key)
                if chunk.isAddition(first &+ index) { insert(row, word, key) } else { remove(row, word, key, context) }
                continue
            }
            if key.control & ListRankTable.fullFlag != 0 && word > key.threshold { continue }
            offer(row, word, slots[index], key)
        }
    }

    private func touch(_ slot: UInt32, _ key: Key) {
        guard key.control >> 32 == 0 else { return }
        touched.append(slot)
        key.control = (key.control & 0xFFFF_FFFF) | UInt64(touched.count) << 32
        shownStarts.append(shown.count)
        guard node.emit == .changes, let entries = key.entries else { return }
        shown.append(contentsOf: UnsafeBufferPointer(start: entries, count: visibleCount(entries, count: key.count)))
    }

    /// Takes a row in if it is within the ranks, and drops what no longer is.
    private func offer(_ row: UnsafeRawPointer, _ word: UInt64, _ slot: UInt32, _ key: Key) {
        let count = key.count
        if key.control & ListRankTable.fullFlag != 0, let entries = key.entries {
            let comparison = word < key.threshold ? -1 : layout.order.compare(row, entries[count - 1].row)
            if comparison > 0 || (comparison == 0 && node.function == .rowNumber) { return }
        }
        touch(slot, key)
        insertEntry(RankEntry(row, word: word, isPending: true), row, key)
        let visible = visibleCount(key.entries, count: key.count)
        guard let entries = key.entries else { return }
        for index in visible..<max(visible, key.count) { drop(entries[index]) }
        key.count = visible
        let isFull: Bool
        switch node.function {
        case .rowNumber, .rank: isFull = visible >= node.lastRank
        // Whether a row that comes behind the last still counts depends on the number of different ones: known only once one was cut off.
        case .denseRank: isFull = visible <= count
        }
        if isFull { key.control |= ListRankTable.fullFlag }
        key.threshold = entries[visible - 1].word
    }

    private func drop(_ entry: RankEntry) {
        if !entry.isPending { released.append(UnsafeMutableRawPointer(mutating: entry.row)) }
    }

    private func insertEntry(_ entry: RankEntry, _ row: UnsafeRawPointer, _ key: Key) {
        let count = key.count
        var entries = key.entries
        if count == key.capacity { entries = key.grow(to: max(count * 2, 1)) }
        guard let entries else { return }
        let place = place(row, word: entry.word, in: entries, count: count, after: true)
        if place < count { memmove(entries + place + 1, entries + place, (count - place) * MemoryLayout<RankEntry>.stride) }
        entries[place] = entry
        key.count = count + 1
    }

    private func insert(_ row: UnsafeRawPointer, _ word: UInt64, _ key: Key) {
        if key.count == 0 && key.capacity > 0 { emptyKeys -= 1 }
        let kept = store.keep(row)
        insertEntry(RankEntry(UnsafeRawPointer(kept), word: word, isPending: false), UnsafeRawPointer(kept), key)
    }

    private func remove(_ row: UnsafeRawPointer, _ word: UInt64, _ key: Key, _ context: TaskContext) {
        if let entries = key.entries {
            let count = key.count
            var index = place(row, word: word, in: entries, count: count, after: false)
            while index < count, layout.order.compare(entries[index].row, row) == 0 {
                if layout.isEqual(entries[index].row, row) {
                    drop(entries[index])
                    memmove(entries + index, entries + index + 1, (count - index - 1) * MemoryLayout<RankEntry>.stride)
                    key.count = count - 1
                    if key.count == 0 { emptyKeys += 1 }
                    return
                }
                index += 1
            }
        }
        // With a time to live the row may have been forgotten.
        guard node.stateTTLMicroseconds == nil else { return }
        context.fail("a row was taken back that is not there", expression: "ROW_NUMBER", row: layout.values(row), types: layout.inputTypes)
    }

    // MARK: The end of an epoch

    private struct Ranked {
        var row: UnsafeRawPointer
        var rank: Int
    }

    func endEpoch(emits: Bool, clockMicroseconds: Int64, _ output: inout RankOutput, _ batches: inout [RowBatch]) {
        // What is kept from here on is not shown in this epoch.
        let texts = store.arena.keeper
        touched.withUnsafeBufferPointer { slots in if let base = slots.baseAddress { table.marks.mark(base, count: slots.count) } }
        var before: [Ranked] = []
        var after: [Ranked] = []
        for (index, slot) in touched.enumerated() {
            if index &+ 16 < touched.count { millrace_prefetch(table.row(Int(touched[index &+ 16])) + entriesOffset) }
            if index &+ 8 < touched.count, let ahead = self.key(Int(touched[index &+ 8])).entries {
                millrace_prefetch(ahead)
                millrace_prefetch(ahead + 4)
            }
            let key = key(Int(slot))
            if emits {
                let end = index + 1 < shownStarts.count ? shownStarts[index + 1] : shown.count
                shown.withUnsafeBufferPointer { rank(UnsafeBufferPointer(rebasing: $0[shownStarts[index]..<end]), into: &before) }
                let visible = visibleCount(key.entries, count: key.count)
                rank(UnsafeBufferPointer(start: key.entries, count: visible), into: &after)
                difference(before, after, &output)
                if output.count >= 8_192 { output.flush(into: &batches, arena: texts) }
            }
            key.control &= 0xFFFF_FFFF
            if node.stateTTLMicroseconds != nil { key.clock = clockMicroseconds }
        }
        output.flush(into: &batches, arena: texts)
        if !keepsAll { keepPending() }
        touched.removeAll(keepingCapacity: true)
        shown.removeAll(keepingCapacity: true)
        shownStarts.removeAll(keepingCapacity: true)
        for row in released { store.release(row) }
        released.removeAll(keepingCapacity: true)
        if let timeToLive = node.stateTTLMicroseconds { sweep(timeToLive, clockMicroseconds) }
        if emptyKeys > 64 && emptyKeys * 2 > table.count { rebuild { $0.count > 0 } }
        store.compactIfNeeded { body in
            for slot in 0..<table.count {
                let key = key(slot)
                guard let entries = key.entries else { continue }
                for index in 0..<key.count { body(UnsafeMutableRawPointer(mutating: entries[index].row)) }
            }
        }
        if table.arena.wantsCompaction { rebuild { _ in true } }
    }

    /// Copies the rows that are still views into the store.
    private func keepPending() {
        for slot in touched {
            let key = key(Int(slot))
            guard let entries = key.entries else { continue }
            for index in 0..<key.count where entries[index].isPending { pending.append(entries + index) }
        }
        pending.withUnsafeBufferPointer { pending in
            store.keep(count: pending.count) { pending[$0].pointee.row } kept: { index, row in
                pending[index].pointee = RankEntry(UnsafeRawPointer(row), word: pending[index].pointee.word, isPending: false)
            }
        }
        pending.removeAll(keepingCapacity: true)
    }

    /// Entries from `firstRank` on with their ranks.
    private func rank(_ entries: UnsafeBufferPointer<RankEntry>, into ranked: inout [Ranked]) {
        ranked.removeAll(keepingCapacity: true)
        var rank = 0
        for index in 0..<entries.count {
            switch node.function {
            case .rowNumber: rank = index + 1
            case .rank:
                if index == 0 || layout.order.compare(entries[index - 1].row, entries[index].row) != 0 { rank = index + 1 }
            case .denseRank:
                if index == 0 || layout.order.compare(entries[index - 1].row, entries[index].row) != 0 { rank += 1 }
            }
            if rank >= node.firstRank { ranked.append(Ranked(row: entries[index].row, rank: rank)) }
        }
    }

    /// What leads from one list to the other, both in order.
    private func difference(_ before: [Ranked], _ after: [Ranked], _ output: inout RankOutput) {
        if node.emitsRank && node.function == .rowNumber {
            for index in 0..<max(before.count, after.count) {
                if index >= after.count {
                    output.add(before[index].row, rank: before[index].rank, .delete)
                } else if index >= before.count {
                    output.add(after[index].row, rank: after[index].rank, .insert)
                } else if !layout.isEqual(before[index].row, after[index].row) {
                    output.add(before[index].row, rank: before[index].rank, .updateBefore)
                    output.add(after[index].row, rank: after[index].rank, .updateAfter)
                }
            }
            return
        }
        var left: [Ranked] = []
        var entered: [Ranked] = []
        match(before, after) { left.append($0) } entered: { entered.append($0) }
        // A single row is replaced; of several, rows leave and enter.
        if node.lastRank == 1 && left.count == 1 && entered.count == 1 {
            output.add(left[0].row, rank: left[0].rank, .updateBefore)
            output.add(entered[0].row, rank: entered[0].rank, .updateAfter)
            return
        }
        for row in left { output.add(row.row, rank: row.rank, .delete) }
        for row in entered { output.add(row.row, rank: row.rank, .insert) }
    }

    /// Walks both lists by order; rows that tie are matched by their values (and their ranks, where those are given).
    private func match(_ before: [Ranked], _ after: [Ranked], left: (Ranked) -> Void, entered: (Ranked) -> Void) {
        var i = 0
        var j = 0
        func isSame(_ a: Ranked, _ b: Ranked) -> Bool { (!node.emitsRank || a.rank == b.rank) && layout.isEqual(a.row, b.row) }
        while i < before.count && j < after.count {
            if before[i].row == after[j].row && (!node.emitsRank || before[i].rank == after[j].rank) {
                i += 1
                j += 1
                continue
            }
            let order = layout.order.compare(before[i].row, after[j].row)
            if order < 0 {
                left(before[i])
                i += 1
            } else if order > 0 {
                entered(after[j])
                j += 1
            } else {
                var iEnd = i + 1
                while iEnd < before.count, layout.order.compare(before[i].row, before[iEnd].row) == 0 { iEnd += 1 }
                var jEnd = j + 1
                while jEnd < after.count, layout.order.compare(after[j].row, after[jEnd].row) == 0 { jEnd += 1 }
                var open = Array(j..<jEnd)
                for row in before[i..<iEnd] {
                    if let found = open.firstIndex(where: { isSame(row, after[$0]) }) { open.remove(at: found) } else { left(row) }
                }
                for index in open { entered(after[index]) }
                i = iEnd
                j = jEnd
            }
        }
        while i < before.count {
            left(before[i])
            i += 1
        }
        while j < after.count {
            entered(after[j])
            j += 1
        }
    }

    func emitAll(_ output: inout RankOutput, _ batches: inout [RowBatch]) {
        let texts = store.arena.keeper
        var ranked: [Ranked] = []
        for slot in 0..<table.count {
            let key = key(slot)
            rank(UnsafeBufferPointer(start: key.entries, count: visibleCount(key.entries, count: key.count)), into: &ranked)
            for row in ranked { output.add(row.row, rank: row.rank, .insert) }
            if output.count >= 8_192 { output.flush(into: &batches, arena: texts) }
        }
        output.flush(into: &batches, arena: texts)
    }

    func removeAll() {
        freeEntries()
        table.removeAll()
        store.removeAll()
        emptyKeys = 0
    }

    // MARK: Keys that go

    private func sweep(_ timeToLive: Int64, _ now: Int64) {
        guard now >= lastSweepMicroseconds &+ timeToLive / 2 || lastSweepMicroseconds == .min else { return }
        lastSweepMicroseconds = now
        let (limit, overflowed) = now.subtractingReportingOverflow(timeToLive)
        guard !overflowed, (0..<table.count).contains(where: { key($0).clock <= limit }) else { return }
        rebuild { $0.clock > limit }
    }

    private func rebuild(_ keeps: (Key) -> Bool) {
        let made = KeyTable(keyWidth: layout.keyWidth, keyStrings: layout.keyStrings, template: template, isIndexed: layout.keyWidth > 0)
        var empty = 0
        for slot in 0..<table.count {
            let key = key(slot)
            if keeps(key) {
                if key.count == 0 && key.capacity > 0 { empty += 1 }
                let row = table.row(slot)
                _ = made.adopt(row, hash: layout.keyHash(row), strings: layout.keyStrings, indexed: layout.keyWidth > 0)
            } else if let entries = key.entries {
                for index in 0..<key.count { store.release(UnsafeMutableRawPointer(mutating: entries[index].row)) }
                free(entries)
            }
        }
        table = made
        emptyKeys = empty
    }

    // MARK: State

    func write(to writer: inout StateWriter) {
        writer.write(lastSweepMicroseconds)
        writer.write(Rows(owner: self), table.marks)
    }

    func read(from reader: inout StateReader) throws(StateError) {
        removeAll()
        lastSweepMicroseconds = try reader.read()
        try reader.read(Rows(owner: self), table.marks)
        guard layout.keyWidth > 0 || table.count <= 1 else { throw reader.failure("more than one partition without a key") }
        guard layout.keyWidth == 0 || table.reindex() else { throw reader.failure("a partition twice") }
    }

    /// Keys with their lists.
    private struct Rows: NumberedRows {
        let owner: ListRankTable

        var rowCount: Int { owner.table.count }
        var rowByteCountMin: Int { 17 }

        func make(rows count: Int) {
            owner.table.make(rows: count)
            // A key without entries, should reading end before it has come to it.
            memset(owner.table.rows, 0, count * owner.table.rowStride)
        }

        func write(row slot: Int, to writer: inout StateWriter) {
            let layout = owner.layout
            RankLayout.write(owner.table.row(slot), width: layout.keyWidth, strings: layout.keyStrings, to: &writer)
            let key = owner.key(slot)
            writer.write(UInt8(truncatingIfNeeded: key.control & ListRankTable.fullFlag))
            writer.write(key.clock)
            writer.write(count: key.count)
            guard let entries = key.entries else { return }
            for index in 0..<key.count { owner.store.write(entries[index].row, to: &writer) }
        }

        func read(row slot: Int, from reader: inout StateReader) throws(StateError) {
            let layout = owner.layout
            let table = owner.table
            try RankLayout.read(into: table.row(slot), width: layout.keyWidth, strings: layout.keyStrings, arena: &table.arena, from: &reader)
            let key = owner.key(slot)
            let isFull = try reader.readBool()
            key.clock = try reader.read()
            let count = try reader.readCount(bytesEach: max(layout.rowWidth / 2, 1))
            guard count < Int(UInt32.max), !isFull || count > 0 else { throw reader.failure("a partition with \(count) rows") }
            if count == 0 { owner.emptyKeys += 1 }
            let entries = key.grow(to: max(count, 1))
            for index in 0..<count {
                let row = UnsafeRawPointer(try owner.store.read(from: &reader))
                entries[index] = RankEntry(row, word: owner.hasWords ? row.load(as: UInt64.self) : 0, isPending: false)
                key.count = index + 1
            }
            if isFull {
                key.control = ListRankTable.fullFlag
                key.threshold = entries[count - 1].word
            }
        }
    }
}
