// DistinctSet: the values that one DISTINCT argument has had, per group, for all filters beside it at once.
//
// An entry is [slot of the group][value] and behind it either 64 bits, one per filter through which the value has come, or, when rows
// may be retracted, a count per filter. What is new to a bit is what the distinct aggregates of that filter are fed with. Equal
// arguments under several filters cost one look-up a row.

import Columns
import Glibc

final class DistinctSet: @unchecked Sendable {
    // Safe to share: belongs to one table, which one task works on.
    let specification: DistinctSpecification
    let type: SQLType
    let counts: Bool
    let table: KeyTable
    let valueWidth: Int
    /// StringViews within an entry.
    let strings: [Int]
    /// With counts: how many (value, filter) are there; the other entries are dead.
    private(set) var liveCount = 0

    init(_ specification: DistinctSpecification, type: SQLType, counts: Bool) {
        self.specification = specification
        self.type = type
        self.counts = counts
        switch type.layout {
        case .bool, .int64, .double: valueWidth = 8
        default: valueWidth = 16
        }
        strings = type.layout == .string ? [8] : []
        table = KeyTable(
            keyWidth: 8 + valueWidth, keyStrings: strings,
            template: [UInt8](repeating: 0, count: counts ? 8 * specification.filters.count : 8))
    }

    private var payload: Int { 8 + valueWidth }

    /// The entry of each selected row of `column`, in `entries`; hashes and packed keys are scratch.
    func assign(
        _ column: Column, _ rows: FedRows, packed: UnsafeMutableRawPointer, hashes: UnsafeMutablePointer<UInt64>,
        entries: UnsafeMutablePointer<UInt32>
    ) {
        let n = rows.count
        let slots = rows.slots
        if valueWidth == 8 {
            let keys = packed.assumingMemoryBound(to: (Int64, Int64).self)
            @inline(__always) func fill(_ value: (Int) -> Int64) {
                if let numbers = rows.rows {
                    for i in 0..<n { keys[i] = (Int64(slots[i]), value(Int(numbers[i]))) }
                } else {
                    for i in 0..<n { keys[i] = (Int64(slots[i]), value(i)) }
                }
            }
            switch column.layout {
            case .double:
                let values = column.doubles
                fill { Int64(bitPattern: DoubleOrder.normalised(values[$0])) }
            case .bool:
                let values = column.bools
                fill { Int64(values[$0]) }
            default:
                let values = column.int64s
                fill { values[$0] }
            }
            for i in 0..<n { hashes[i] = DistinctSet.hash(keys[i].0, keys[i].1) }
            table.assign(pairs: UnsafePointer(keys), hashes: hashes, count: n, slots: entries)
        } else {
            let width = table.keyWidth
            for i in 0..<n {
                let key = packed + i * width
                key.storeBytes(of: Int64(slots[i]), as: Int64.self)
                let row = rows.rows.map { Int($0[i]) } ?? i
                memcpy(key + 8, column.values + row * 16, 16)
                hashes[i] = KeyHash.row(key, width: width, stringOffsets: strings)
            }
            table.assign(packed: packed, hashes: hashes, count: n, slots: entries)
        }
    }

    @inline(__always)
    static func hash(_ slot: Int64, _ value: Int64) -> UInt64 {
        KeyHash.combine(KeyHash.combine(0x9E37_79B9_7F4A_7C15, UInt64(bitPattern: slot)), UInt64(bitPattern: value))
    }

    /// Notes that row i came through the filters whose bits are set in `bits[i]`, and leaves there the bits that are new. Without retractions.
    func note(_ entries: UnsafePointer<UInt32>, count n: Int, bits: UnsafeMutablePointer<UInt64>) {
        let base = table.rows + payload
        let stride = table.rowStride
        for i in 0..<n {
            let entry = base + Int(entries[i]) &* stride
            let known = entry.load(as: UInt64.self)
            let came = bits[i]
            entry.storeBytes(of: known | came, as: UInt64.self)
            bits[i] = came & ~known
        }
        guard table.marks.bits != nil else { return }
        for i in 0..<n where bits[i] != 0 { table.marks.mark(Int(entries[i])) }
    }

    /// Adds `change` to the count of bit `bit` of an entry; 1 when the value came, -1 when it went, else 0.
    func count(_ entry: UInt32, bit: Int, change: Int64) -> Int64 {
        let place = table.row(Int(entry)) + payload + bit * 8
        let before = place.load(as: Int64.self)
        let after = before &+ change
        place.storeBytes(of: after, as: Int64.self)
        table.marks.mark(Int(entry))
        liveCount += (after != 0 ? 1 : 0) - (before != 0 ? 1 : 0)
        return (after > 0 ? 1 : 0) - (before > 0 ? 1 : 0)
    }

    func bits(_ entry: Int) -> UInt64 { (table.row(entry) + payload).load(as: UInt64.self) }
    func held(_ entry: Int, bit: Int) -> Int64 { (table.row(entry) + payload + bit * 8).load(as: Int64.self) }
    func slot(_ entry: Int) -> Int { Int(truncatingIfNeeded: table.row(entry).load(as: Int64.self)) }
    var valueOffset: Int { 8 }

    /// A copy of an entry of a set of the same form, under another slot. The value must not be there yet for that slot.
    func adopt(_ source: DistinctSet, entry: Int, slot: Int) {
        var key = [UInt8](repeating: 0, count: table.rowStride)
        key.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            memcpy(base, source.table.row(entry), table.rowStride)
            base.storeBytes(of: Int64(slot), as: Int64.self)
            let hash =
                valueWidth == 8
                ? DistinctSet.hash(Int64(slot), base.load(fromByteOffset: 8, as: Int64.self))
                : KeyHash.row(base, width: table.keyWidth, stringOffsets: strings)
            let adopted = table.adopt(base, hash: hash, strings: strings, indexed: true)
            if counts { for bit in specification.filters.indices where held(adopted, bit: bit) != 0 { liveCount += 1 } }
        }
    }

    /// Whether an entry stands for anything.
    func isLive(_ entry: Int) -> Bool {
        guard counts else { return true }
        for bit in specification.filters.indices where held(entry, bit: bit) != 0 { return true }
        return false
    }

    /// Whether most entries are dead, and enough for dropping them to be worth it.
    var wantsCompaction: Bool { counts && table.count > 256 && liveCount * 2 < table.count }

    private func countLive() {
        liveCount = 0
        guard counts else { return }
        for entry in 0..<table.count {
            for bit in specification.filters.indices where held(entry, bit: bit) != 0 { liveCount += 1 }
        }
    }

    func removeAll() {
        table.removeAll()
        liveCount = 0
    }

    func write(to writer: inout StateWriter) { table.write(to: &writer, strings: strings) }

    func read(from reader: inout StateReader, groupCount: Int) throws(StateError) {
        try table.read(from: &reader, strings: strings)
        for entry in 0..<table.count where slot(entry) < 0 || slot(entry) >= groupCount {
            throw reader.failure("a distinct value of a group that does not exist")
        }
        guard table.reindex() else { throw reader.failure("a distinct value twice") }
        countLive()
    }
}
