// KeyTable: rows of fixed width found by their key. Open addressing, linear probing, never more than half full.
//
//   index: UInt64 per place, (low half of the key's hash) << 32 | slot + 1; 0 is empty
//   rows:  [key: keyWidth][the rest: what the owner keeps per key], rowStride apart, in order of first arrival
//
// Everything of a group lies in one row, so a group costs one miss however many aggregates it has. The half hash in the index makes
// growing it a loop over the index and a wrong look at a row a matter of 2^-32. Rows are never removed one by one: the owner
// marks them dead and rebuilds the table when too many are.
//
// Costs: assigning n keys O(n) expected; memory per key rowStride * (1...2) + 8 * (2...4) bytes.

import CMillrace
import Columns
import Glibc
import Platform

final class KeyTable: @unchecked Sendable {
    // Safe to share: one task at a time works on a table.
    let keyWidth: Int
    let rowStride: Int
    /// Offsets of StringViews within the key.
    let keyStrings: [Int]
    /// What a new row holds behind its key.
    private let template: [UInt8]
    private let isIndexed: Bool

    private(set) var rows: UnsafeMutableRawPointer
    private(set) var count = 0
    private var capacity = 0
    private var index: UnsafeMutablePointer<UInt64>
    private var indexMask = 0
    var arena = ByteArena()
    /// What the owner's states hold beyond their rows.
    var heap = StateHeap()
    /// Rows that have changed since the last checkpoint: whoever writes to a row marks it.
    let marks = RowMarks()

    /// `template` is the initial content behind the key. Without an index rows are only appended.
    init(keyWidth: Int, keyStrings: [Int], template: [UInt8], isIndexed: Bool = true) {
        self.keyWidth = keyWidth
        self.keyStrings = keyStrings
        self.template = template
        self.isIndexed = isIndexed
        rowStride = max((keyWidth + template.count + 7) & ~7, 8)
        capacity = 8
        rows = KeyTable.allocate(8 * rowStride)
        let places = isIndexed ? 16 : 1
        index = KeyTable.allocate(places * 8).assumingMemoryBound(to: UInt64.self)
        index.initialize(repeating: 0, count: places)
        indexMask = places - 1
    }

    deinit {
        StateMemory.shared.free(rows)
        StateMemory.shared.free(index)
    }

    private static func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer {
        guard let memory = StateMemory.shared.allocate(byteCount) else { return Buffer(byteCount: .max).base }
        if byteCount >= 4 << 20 { millrace_advise_large(memory, byteCount) }
        return memory
    }

    var byteCount: Int { capacity * rowStride + (indexMask + 1) * 8 + arena.byteCount + heap.byteCount }
    /// Past this, rows are prefetched before they are touched.
    private var isLarge: Bool { count * (rowStride + 16) > 512 * 1024 }

    @inline(__always)
    func row(_ slot: Int) -> UnsafeMutableRawPointer { rows + slot &* rowStride }

    // MARK: Looking up whole vectors

    /// The slot of each 8-byte key, made when it is new.
    func assign(int64s keys: UnsafePointer<Int64>, count n: Int, slots: UnsafeMutablePointer<UInt32>) {
        var start = 0
        while start < n {
            let end = min(start + 512, n)
            if isLarge { prefetch(start..<end) { KeyHash.int64(keys[$0]) } }
            var rows = rows
            var index = index
            var mask = indexMask
            let stride = rowStride
            for i in start..<end {
                let key = keys[i]
                let hash = KeyHash.int64(key)
                let tag = hash & 0xFFFF_FFFF
                var place = Int(truncatingIfNeeded: tag) & mask
                while true {
                    let entry = index[place]
                    let slot = UInt32(truncatingIfNeeded: entry) &- 1
                    if entry >> 32 == tag, entry != 0, (rows + Int(slot) &* stride).load(as: Int64.self) == key {
                        slots[i] = slot
                        break
                    }
                    if entry == 0 {
                        let made = append()
                        row(made).storeBytes(of: key, as: Int64.self)
                        enter(tag, made, at: place)
                        slots[i] = UInt32(truncatingIfNeeded: made)
                        rows = self.rows
                        index = self.index
                        mask = indexMask
                        break
                    }
                    place = (place &+ 1) & mask
                }
            }
            start = end
        }
    }

    /// The slot of each 16-byte key without texts.
    func assign(pairs keys: UnsafePointer<(Int64, Int64)>, hashes: UnsafePointer<UInt64>, count n: Int, slots: UnsafeMutablePointer<UInt32>) {
        var start = 0
        while start < n {
            let end = min(start + 512, n)
            if isLarge { prefetch(start..<end) { hashes[$0] } }
            var rows = rows
            var index = index
            var mask = indexMask
            let stride = rowStride
            for i in start..<end {
                let key = keys[i]
                let tag = hashes[i] & 0xFFFF_FFFF
                var place = Int(truncatingIfNeeded: tag) & mask
                while true {
                    let entry = index[place]
                    let slot = UInt32(truncatingIfNeeded: entry) &- 1
                    if entry >> 32 == tag, entry != 0 {
                        let found = rows + Int(slot) &* stride
                        if found.load(as: Int64.self) == key.0 && found.load(fromByteOffset: 8, as: Int64.self) == key.1 {
                            slots[i] = slot
                            break
                        }
                    }
                    if entry == 0 {
                        let made = append()
                        row(made).storeBytes(of: key.0, as: Int64.self)
                        row(made).storeBytes(of: key.1, toByteOffset: 8, as: Int64.self)
                        enter(tag, made, at: place)
                        slots[i] = UInt32(truncatingIfNeeded: made)
                        rows = self.rows
                        index = self.index
                        mask = indexMask
                        break
                    }
                    place = (place &+ 1) & mask
                }
            }
            start = end
        }
    }

    /// The slot of each key of `keyWidth` bytes; texts of new ones are copied into the arena.
    func assign(packed keys: UnsafeRawPointer, hashes: UnsafePointer<UInt64>, count n: Int, slots: UnsafeMutablePointer<UInt32>) {
        let width = keyWidth
        var start = 0
        while start < n {
            let end = min(start + 512, n)
            if isLarge { prefetch(start..<end) { hashes[$0] } }
            for i in start..<end {
                let key = keys + i &* width
                let tag = hashes[i] & 0xFFFF_FFFF
                var place = Int(truncatingIfNeeded: tag) & indexMask
                while true {
                    let entry = index[place]
                    if entry == 0 {
                        let made = append()
                        keep(key, width: width, strings: keyStrings, at: row(made))
                        enter(tag, made, at: place)
                        slots[i] = UInt32(truncatingIfNeeded: made)
                        break
                    }
                    let slot = UInt32(truncatingIfNeeded: entry) &- 1
                    if entry >> 32 == tag, PackedLayout.equal(row(Int(slot)), key, width: width, stringOffsets: keyStrings) {
                        slots[i] = slot
                        break
                    }
                    place = (place &+ 1) & indexMask
                }
            }
            start = end
        }
    }

    /// The slot of each key of `keyWidth` bytes; UInt32.max when it has none.
    func find(packed keys: UnsafeRawPointer, hashes: UnsafePointer<UInt64>, count n: Int, slots: UnsafeMutablePointer<UInt32>) {
        let width = keyWidth
        var start = 0
        while start < n {
            let end = min(start + 512, n)
            if isLarge { prefetch(start..<end) { hashes[$0] } }
            for i in start..<end {
                let key = keys + i &* width
                let tag = hashes[i] & 0xFFFF_FFFF
                var place = Int(truncatingIfNeeded: tag) & indexMask
                slots[i] = .max
                while index[place] != 0 {
                    let entry = index[place]
                    let slot = UInt32(truncatingIfNeeded: entry) &- 1
                    if entry >> 32 == tag, PackedLayout.equal(row(Int(slot)), key, width: width, stringOffsets: keyStrings) {
                        slots[i] = slot
                        break
                    }
                    place = (place &+ 1) & indexMask
                }
            }
            start = end
        }
    }

    @inline(__always)
    private func prefetch(_ range: Range<Int>, _ hash: (Int) -> UInt64) {
        let index = index
        let mask = indexMask
        for i in range { millrace_prefetch(index + (Int(truncatingIfNeeded: hash(i) & 0xFFFF_FFFF) & mask)) }
        let rows = rows
        let stride = rowStride
        for i in range {
            let entry = index[Int(truncatingIfNeeded: hash(i) & 0xFFFF_FFFF) & mask]
            let slot = max(Int(UInt32(truncatingIfNeeded: entry)), 1) - 1
            millrace_prefetch(rows + slot &* stride)
        }
    }

    // MARK: Rows

    /// A new row at the end: the key undefined, the rest as the template says.
    func append() -> Int {
        if count == capacity { grow(to: capacity * 2) }
        let slot = count
        count += 1
        let rest = row(slot) + keyWidth
        template.withUnsafeBytes { if let source = $0.baseAddress { memcpy(rest, source, $0.count) } }
        let used = keyWidth + template.count
        if used < rowStride { memset(row(slot) + used, 0, rowStride - used) }
        return slot
    }

    /// Puts what lies behind the key of a row back to how it began.
    func resetRest(_ slot: Int) {
        let rest = row(slot) + keyWidth
        template.withUnsafeBytes { if let source = $0.baseAddress { memcpy(rest, source, $0.count) } }
    }

    /// Copies packed bytes to `target`, their texts into the arena.
    func keep(_ source: UnsafeRawPointer, width: Int, strings: [Int], at target: UnsafeMutableRawPointer) {
        memcpy(target, source, width)
        for offset in strings {
            let view = source.loadUnaligned(fromByteOffset: offset, as: StringView.self)
            target.storeBytes(of: arena.copy(view), toByteOffset: offset, as: StringView.self)
        }
    }

    /// Makes room for this many rows in an empty table, so that it does not grow step by step.
    func reserve(_ wanted: Int) {
        guard count == 0 else { return }
        if wanted > capacity { grow(to: wanted) }
        guard isIndexed, wanted * 2 > indexMask + 1 else { return }
        var places = indexMask + 1
        while places < wanted * 2 { places *= 2 }
        StateMemory.shared.free(index)
        index = KeyTable.allocate(places * 8).assumingMemoryBound(to: UInt64.self)
        index.initialize(repeating: 0, count: places)
        indexMask = places - 1
    }

    private func grow(to wanted: Int) {
        let larger = KeyTable.allocate(wanted * rowStride)
        memcpy(larger, rows, count * rowStride)
        StateMemory.shared.free(rows)
        rows = larger
        capacity = wanted
    }

    private func enter(_ tag: UInt64, _ slot: Int, at place: Int) {
        index[place] = tag << 32 | UInt64(slot + 1)
        guard count * 2 > indexMask + 1 else { return }
        // A large index grows slowly: memory is dearer than the loop.
        let places = (indexMask + 1) * (indexMask < 1 << 18 ? 4 : 2)
        let larger = KeyTable.allocate(places * 8).assumingMemoryBound(to: UInt64.self)
        larger.initialize(repeating: 0, count: places)
        let mask = places - 1
        for old in 0...indexMask where index[old] != 0 {
            var place = Int(truncatingIfNeeded: index[old] >> 32) & mask
            while larger[place] != 0 { place = (place + 1) & mask }
            larger[place] = index[old]
        }
        StateMemory.shared.free(index)
        index = larger
        indexMask = mask
    }

    /// Empties the table. Memory is kept unless it is much.
    func removeAll() {
        marks.reset()
        arena.removeAll()
        heap.removeAll()
        if capacity * rowStride > 4 << 20 {
            StateMemory.shared.free(rows)
            StateMemory.shared.free(index)
            capacity = 8
            rows = KeyTable.allocate(8 * rowStride)
            indexMask = isIndexed ? 15 : 0
            index = KeyTable.allocate((indexMask + 1) * 8).assumingMemoryBound(to: UInt64.self)
            index.initialize(repeating: 0, count: indexMask + 1)
        } else if count > 0 && isIndexed {
            index.update(repeating: 0, count: indexMask + 1)
        }
        count = 0
    }

    // MARK: State

    /// Rows in slot order; `strings` are the offsets of all StringViews within a row.
    func write(to writer: inout StateWriter, strings: [Int]) { writer.write(KeyTableRows(table: self, strings: strings), marks) }

    /// Reads rows into this empty table, without entering them in the index (see `reindex`).
    func read(from reader: inout StateReader, strings: [Int]) throws(StateError) {
        try reader.read(KeyTableRows(table: self, strings: strings), marks)
    }

    /// Rows of an empty table whose content is about to be read, and a place for each in the index.
    func make(rows wanted: Int) {
        reserve(wanted)
        count = wanted
    }

    /// Enters every row but those for which `skips` is true in the index by its key; false when two have the same (the bytes were damaged).
    func reindex(skips: (Int) -> Bool = { _ in false }) -> Bool {
        let ahead = 512
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: ahead) { tags in
            var start = 0
            while start < count {
                let end = min(start + ahead, count)
                for slot in start..<end {
                    let key = row(slot)
                    let hash =
                        keyWidth == 8 ? KeyHash.int64(key.load(as: Int64.self)) : KeyHash.row(key, width: keyWidth, stringOffsets: keyStrings)
                    tags[slot - start] = hash & 0xFFFF_FFFF
                    millrace_prefetch(index + (Int(truncatingIfNeeded: tags[slot - start]) & indexMask))
                }
                for slot in start..<end where !skips(slot) {
                    let tag = tags[slot - start]
                    var place = Int(truncatingIfNeeded: tag) & indexMask
                    while index[place] != 0 {
                        let other = Int(UInt32(truncatingIfNeeded: index[place])) - 1
                        if index[place] >> 32 == tag, PackedLayout.equal(row(other), row(slot), width: keyWidth, stringOffsets: keyStrings) {
                            return false
                        }
                        place = (place + 1) & indexMask
                    }
                    enter(tag, slot, at: place)
                }
                start = end
            }
            return true
        }
    }

    /// A new row for the key of `slot`, which the index finds from now on instead of that one. The rest of it is as the template says.
    func replace(_ slot: Int, hash: UInt64, isIndexed isEntered: Bool) -> Int {
        let made = append()
        memcpy(row(made), row(slot), keyWidth)
        for offset in keyStrings {
            let view = row(made).loadUnaligned(fromByteOffset: offset, as: StringView.self)
            row(made).storeBytes(of: arena.copy(view), toByteOffset: offset, as: StringView.self)
        }
        if isIndexed && isEntered {
            let tag = hash & 0xFFFF_FFFF
            var place = Int(truncatingIfNeeded: tag) & indexMask
            while index[place] != 0 {
                if index[place] == tag << 32 | UInt64(slot + 1) {
                    index[place] = tag << 32 | UInt64(made + 1)
                    break
                }
                place = (place + 1) & indexMask
            }
        }
        return made
    }

    /// Appends a copy of a row of another table of the same form and enters it in the index; `strings` as in `write`.
    func adopt(_ source: UnsafeRawPointer, hash: UInt64, strings: [Int], indexed: Bool) -> Int {
        let slot = append()
        keep(source, width: rowStride, strings: strings, at: row(slot))
        if isIndexed && indexed {
            let tag = hash & 0xFFFF_FFFF
            var place = Int(truncatingIfNeeded: tag) & indexMask
            while index[place] != 0 { place = (place + 1) & indexMask }
            enter(tag, slot, at: place)
        }
        return slot
    }
}

/// The rows of a table that hold nothing beyond their texts.
struct KeyTableRows: NumberedRows {
    let table: KeyTable
    let strings: [Int]

    var rowCount: Int { table.count }
    var rowByteCountMin: Int { table.rowStride }
    var plain: (base: UnsafeMutableRawPointer, stride: Int)? { strings.isEmpty ? (table.rows, table.rowStride) : nil }
    var isMeasured: Bool { true }
    func byteCount(row: Int) -> Int { RowBytes.byteCount(table.row(row), width: table.rowStride, strings: strings) }
    func store(row: Int, at target: UnsafeMutableRawPointer) {
        RowBytes.store(table.row(row), width: table.rowStride, strings: strings, at: target)
    }
    func write(row: Int, to writer: inout StateWriter) { RowBytes.write(table.row(row), width: table.rowStride, strings: strings, to: &writer) }
    func make(rows count: Int) { table.make(rows: count) }
    func read(row: Int, from reader: inout StateReader) throws(StateError) {
        try RowBytes.read(into: table.row(row), width: table.rowStride, strings: strings, arena: &table.arena, from: &reader)
    }
}
