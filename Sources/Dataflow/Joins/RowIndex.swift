// RowIndex: finds a row by its content, for retractions. Equal rows are one entry, the last of them; they are a list among themselves
// (JoinSideLayout: same next, same prev), so a million equal rows cost no more to take back than one.
//
// Open addressing over (half hash, reference), at most three quarters full; taking out moves the entries behind back.

import Columns
import Glibc

struct RowIndex {
    private var entries: [UInt64] = Array(repeating: 0, count: 16)
    private var count = 0

    var byteCount: Int { entries.count * 8 }

    static func hash(_ packed: UnsafeRawPointer, _ layout: JoinSideLayout) -> UInt64 { layout.packed.hash(packed) }

    /// Enters a row, in front of its equals.
    mutating func insert(_ reference: UInt32, _ rows: JoinRows) {
        let layout = rows.layout
        let packed = UnsafeRawPointer(rows.row(reference) + layout.header)
        let tag = RowIndex.hash(packed, layout) & 0xFFFF_FFFF
        let place = find(tag, packed, rows)
        if entries[place] != 0 {
            let equal = UInt32(truncatingIfNeeded: entries[place])
            rows.row(reference).storeBytes(of: equal, toByteOffset: JoinSideLayout.sameNextOffset, as: UInt32.self)
            rows.row(equal).storeBytes(of: reference, toByteOffset: JoinSideLayout.samePrevOffset, as: UInt32.self)
            rows.mark(reference)
            rows.mark(equal)
            entries[place] = tag << 32 | UInt64(reference)
        } else {
            enter(tag, reference, at: place)
        }
    }

    /// Enters the first of equal rows after a restore; false when its equal is there already.
    mutating func restore(_ reference: UInt32, _ rows: JoinRows) -> Bool {
        let packed = UnsafeRawPointer(rows.row(reference) + rows.layout.header)
        let tag = RowIndex.hash(packed, rows.layout) & 0xFFFF_FFFF
        let place = find(tag, packed, rows)
        guard entries[place] == 0 else { return false }
        enter(tag, reference, at: place)
        return true
    }

    /// The last row that came of those that are equal to `packed`; 0 when there is none.
    func find(_ packed: UnsafeRawPointer, _ rows: JoinRows) -> UInt32 {
        UInt32(truncatingIfNeeded: entries[find(RowIndex.hash(packed, rows.layout) & 0xFFFF_FFFF, packed, rows)])
    }

    /// Takes out a row that is in the index.
    mutating func remove(_ reference: UInt32, _ rows: JoinRows) {
        let row = rows.row(reference)
        let next = row.load(fromByteOffset: JoinSideLayout.sameNextOffset, as: UInt32.self)
        let prev = row.load(fromByteOffset: JoinSideLayout.samePrevOffset, as: UInt32.self)
        if next != 0 {
            rows.row(next).storeBytes(of: prev, toByteOffset: JoinSideLayout.samePrevOffset, as: UInt32.self)
            rows.mark(next)
        }
        if prev != 0 {
            rows.row(prev).storeBytes(of: next, toByteOffset: JoinSideLayout.sameNextOffset, as: UInt32.self)
            rows.mark(prev)
            return
        }
        let packed = UnsafeRawPointer(row + rows.layout.header)
        let tag = RowIndex.hash(packed, rows.layout) & 0xFFFF_FFFF
        let place = find(tag, packed, rows)
        guard entries[place] != 0 else { return }
        if next != 0 { entries[place] = tag << 32 | UInt64(next) } else { takeOut(place) }
    }

    mutating func removeAll() {
        entries = Array(repeating: 0, count: 16)
        count = 0
    }

    /// Where the row is, or the empty place where it would be.
    private func find(_ tag: UInt64, _ packed: UnsafeRawPointer, _ rows: JoinRows) -> Int {
        let layout = rows.layout
        let mask = entries.count - 1
        var place = Int(truncatingIfNeeded: tag) & mask
        while entries[place] != 0 {
            if entries[place] >> 32 == tag {
                let other = UnsafeRawPointer(rows.row(UInt32(truncatingIfNeeded: entries[place])) + layout.header)
                if PackedLayout.equal(other, packed, width: layout.packed.width, stringOffsets: layout.packed.stringOffsets) { break }
            }
            place = (place + 1) & mask
        }
        return place
    }

    private mutating func enter(_ tag: UInt64, _ reference: UInt32, at place: Int) {
        entries[place] = tag << 32 | UInt64(reference)
        count += 1
        guard count * 4 > entries.count * 3 else { return }
        var larger = [UInt64](repeating: 0, count: entries.count * 2)
        let mask = larger.count - 1
        for entry in entries where entry != 0 {
            var place = Int(truncatingIfNeeded: entry >> 32) & mask
            while larger[place] != 0 { place = (place + 1) & mask }
            larger[place] = entry
        }
        entries = larger
    }

    private mutating func takeOut(_ place: Int) {
        let mask = entries.count - 1
        var hole = place
        var probe = (place + 1) & mask
        while entries[probe] != 0 {
            let home = Int(truncatingIfNeeded: entries[probe] >> 32) & mask
            // The entry may move into the hole unless its home lies cyclically behind the hole.
            if (probe - home) & mask >= (probe - hole) & mask {
                entries[hole] = entries[probe]
                hole = probe
            }
            probe = (probe + 1) & mask
        }
        entries[hole] = 0
        count -= 1
    }
}
