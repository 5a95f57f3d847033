// JoinSide: the state of one side of a join: its rows, a chain of them for each key, and what finds and expires them.
//
// Chains are newest first. Rows taken out stay in place until `release`, so that what was noted of them in a batch still holds
// when the batch ends.

import CMillrace
import Columns
import Glibc

final class JoinSide: @unchecked Sendable {
    // Safe to share: one task at a time works on a partition.
    let layout: JoinSideLayout
    let rows: JoinRows
    private(set) var index: RowIndex?
    var expiry = ExpiryQueue()
    private var taken: [UInt32] = []
    /// Of an interval join: the latest time that has come, and how far behind it a row has come at most. Chains are in order of arrival, so a row
    /// that is older than a time by more than this has only such rows behind it.
    private var latest = Int64.min
    private(set) var disorderMicroseconds: Int64 = 0

    init(_ layout: JoinSideLayout) {
        self.layout = layout
        rows = JoinRows(layout)
        index = layout.isIndexed ? RowIndex() : nil
    }

    var byteCount: Int { rows.byteCount + (index?.byteCount ?? 0) + expiry.byteCount }

    @inline(__always)
    func head(_ slot: UInt32, in table: KeyTable) -> UInt32 {
        table.row(Int(slot)).load(fromByteOffset: layout.headOffset, as: UInt32.self)
    }

    /// Adds rows of a batch; `references[i]` is where row `selection[i]` (row i when nil) of slot `slots[selection[i]]` went.
    func add(
        _ columns: [Column], selection: UnsafePointer<Int32>?, count n: Int, slots: UnsafePointer<UInt32>, in table: KeyTable,
        references: UnsafeMutablePointer<UInt32>
    ) {
        rows.add(columns, rows: selection, count: n, references: references)
        let heads = table.rows + layout.headOffset
        let keyStride = table.rowStride
        let base = rows.base
        let stride = layout.stride
        let isLinked = layout.isLinked
        for number in 0..<n {
            let slot = slots[selection.map { Int($0[number]) } ?? number]
            let cell = heads + Int(slot) &* keyStride
            let reference = references[number]
            let row = base + (Int(reference) &- 1) &* stride
            let head = cell.load(as: UInt32.self)
            row.storeBytes(of: head, as: UInt32.self)
            cell.storeBytes(of: reference, as: UInt32.self)
            table.marks.mark(Int(slot))
            guard isLinked else { continue }
            row.storeBytes(of: slot, toByteOffset: JoinSideLayout.slotOffset, as: UInt32.self)
            if head != 0 { rows.row(head).storeBytes(of: reference, toByteOffset: JoinSideLayout.prevOffset, as: UInt32.self) }
        }
        if index != nil { for number in 0..<n { index?.insert(references[number], rows) } }
    }

    /// Gives a row its place in the expiry queue.
    @inline(__always)
    func stamp(_ reference: UInt32, _ stamp: Int64) {
        rows.row(reference).storeBytes(of: stamp, toByteOffset: layout.stampOffset, as: Int64.self)
        rows.mark(reference)
        expiry.add(reference, stamp: stamp)
    }

    /// Notes when a row that is added is.
    @inline(__always)
    func noteTime(_ time: Int64) {
        if time >= latest {
            latest = time
        } else {
            noteDisorder(latest, time)
        }
    }

    private func noteDisorder(_ before: Int64, _ time: Int64) {
        let (behind, overflow) = before.subtractingReportingOverflow(time)
        disorderMicroseconds = max(disorderMicroseconds, overflow ? .max : behind)
    }

    /// The same for rows that have been read back, along their chains.
    func noteTimes(_ table: KeyTable, offset: Int) {
        for slot in 0..<table.count {
            var reference = head(UInt32(truncatingIfNeeded: slot), in: table)
            var earliest = Int64.max
            while reference != 0 {
                let time = rows.row(reference).loadUnaligned(fromByteOffset: offset, as: Int64.self)
                latest = max(latest, time)
                if time > earliest { noteDisorder(time, earliest) }
                earliest = min(earliest, time)
                reference = rows.next(reference)
            }
        }
    }

    /// Whether the row is still the one that was put into the bucket.
    @inline(__always)
    func carries(_ reference: UInt32, _ stamp: Int64) -> Bool {
        rows.isLive(reference) && rows.row(reference).load(fromByteOffset: layout.stampOffset, as: Int64.self) == stamp
    }

    /// The row to take back for a retraction of `packed`; 0 when there is none.
    func find(_ packed: UnsafeRawPointer, slot: UInt32, in table: KeyTable) -> UInt32 {
        if let index { return index.find(packed, rows) }
        let reference = head(slot, in: table)
        return reference != 0 && isEqual(reference, packed) ? reference : 0
    }

    func isEqual(_ reference: UInt32, _ packed: UnsafeRawPointer) -> Bool {
        PackedLayout.equal(
            rows.row(reference) + layout.header, packed, width: layout.packed.width, stringOffsets: layout.packed.stringOffsets)
    }

    /// Takes a row out of its chain and the index. Only for linked layouts.
    func takeOut(_ reference: UInt32, in table: KeyTable) {
        index?.remove(reference, rows)
        let row = rows.row(reference)
        // A place that was used twice stands in its bucket twice: the row must not go a second time.
        if layout.isStamped { row.storeBytes(of: Int64.min, toByteOffset: layout.stampOffset, as: Int64.self) }
        let next = row.load(as: UInt32.self)
        let prev = row.load(fromByteOffset: JoinSideLayout.prevOffset, as: UInt32.self)
        if next != 0 { rows.row(next).storeBytes(of: prev, toByteOffset: JoinSideLayout.prevOffset, as: UInt32.self) }
        if prev != 0 {
            rows.row(prev).storeBytes(of: next, as: UInt32.self)
            rows.mark(prev)
        } else {
            let slot = row.load(fromByteOffset: JoinSideLayout.slotOffset, as: UInt32.self)
            table.row(Int(slot)).storeBytes(of: next, toByteOffset: layout.headOffset, as: UInt32.self)
            table.marks.mark(Int(slot))
        }
        rows.mark(reference)
        taken.append(reference)
    }

    /// Moves the row down its chain, past the rows that come before it. Only for linked layouts.
    func moveDown(_ reference: UInt32, in table: KeyTable, past comesBefore: (UInt32) -> Bool) {
        let row = rows.row(reference)
        let first = row.load(as: UInt32.self)
        guard first != 0, comesBefore(first) else { return }
        var last = first
        while rows.next(last) != 0, comesBefore(rows.next(last)) { last = rows.next(last) }
        // Out of its old place.
        let prev = row.load(fromByteOffset: JoinSideLayout.prevOffset, as: UInt32.self)
        rows.row(first).storeBytes(of: prev, toByteOffset: JoinSideLayout.prevOffset, as: UInt32.self)
        if prev != 0 {
            rows.row(prev).storeBytes(of: first, as: UInt32.self)
            rows.mark(prev)
        } else {
            let slot = row.load(fromByteOffset: JoinSideLayout.slotOffset, as: UInt32.self)
            table.row(Int(slot)).storeBytes(of: first, toByteOffset: layout.headOffset, as: UInt32.self)
            table.marks.mark(Int(slot))
        }
        // Behind `last`.
        let next = rows.next(last)
        rows.row(last).storeBytes(of: reference, as: UInt32.self)
        rows.mark(last)
        rows.mark(reference)
        row.storeBytes(of: last, toByteOffset: JoinSideLayout.prevOffset, as: UInt32.self)
        row.storeBytes(of: next, as: UInt32.self)
        if next != 0 { rows.row(next).storeBytes(of: reference, toByteOffset: JoinSideLayout.prevOffset, as: UInt32.self) }
    }

    /// Frees what was taken out, the first last: places are used again in the order in which they were taken.
    func release() {
        for reference in taken.reversed() { rows.free(reference) }
        taken.removeAll(keepingCapacity: true)
    }

    /// All live rows, in order of place.
    func liveRows(_ isWanted: (UInt32) -> Bool) -> [UInt32] {
        var found: [UInt32] = []
        for number in 0..<rows.used {
            let reference = UInt32(truncatingIfNeeded: number + 1)
            if rows.isLive(reference) && isWanted(reference) { found.append(reference) }
        }
        return found
    }

    func removeAll() {
        rows.removeAll()
        if index != nil { index?.removeAll() }
        expiry.removeAll()
        taken.removeAll()
    }

    /// The slots of `table` have moved: rows that name theirs follow.
    func follow(_ table: KeyTable) {
        guard layout.isLinked else { return }
        for slot in 0..<table.count {
            var reference = head(UInt32(truncatingIfNeeded: slot), in: table)
            while reference != 0 {
                rows.row(reference).storeBytes(of: UInt32(truncatingIfNeeded: slot), toByteOffset: JoinSideLayout.slotOffset, as: UInt32.self)
                reference = rows.next(reference)
            }
        }
    }

    // MARK: State

    /// Chains say what `prev` and `slot` are, stamps what the expiry queue holds: neither is written.
    func write(to writer: inout StateWriter) { rows.write(to: &writer) }

    /// Into an empty side, after the table of keys: every live row must lie in one chain, once.
    func read(from reader: inout StateReader, _ table: KeyTable) throws(StateError) {
        try rows.read(from: &reader)
        var seen = [Bool](repeating: false, count: rows.used + 1)
        var count = 0
        for slot in 0..<table.count {
            var reference = head(UInt32(truncatingIfNeeded: slot), in: table)
            var before: UInt32 = 0
            while reference != 0 {
                guard Int(reference) <= rows.used, !seen[Int(reference)], rows.isLive(reference) else { throw reader.failure("a broken chain") }
                seen[Int(reference)] = true
                count += 1
                if layout.isLinked {
                    rows.row(reference).storeBytes(of: before, toByteOffset: JoinSideLayout.prevOffset, as: UInt32.self)
                    rows.row(reference).storeBytes(
                        of: UInt32(truncatingIfNeeded: slot), toByteOffset: JoinSideLayout.slotOffset, as: UInt32.self)
                }
                before = reference
                reference = rows.next(reference)
            }
        }
        guard count == rows.liveCount else { throw reader.failure("rows in no chain") }
        if layout.isStamped {
            for number in 0..<rows.used {
                let reference = UInt32(truncatingIfNeeded: number + 1)
                guard rows.isLive(reference) else { continue }
                expiry.add(reference, stamp: rows.row(reference).load(fromByteOffset: layout.stampOffset, as: Int64.self))
            }
        }
        guard index != nil else { return }
        for number in 0..<rows.used {
            let reference = UInt32(truncatingIfNeeded: number + 1)
            guard rows.isLive(reference) else { continue }
            let next = rows.row(reference).load(fromByteOffset: JoinSideLayout.sameNextOffset, as: UInt32.self)
            let prev = rows.row(reference).load(fromByteOffset: JoinSideLayout.samePrevOffset, as: UInt32.self)
            if next != 0 {
                guard Int(next) <= rows.used, rows.isLive(next),
                    rows.row(next).load(fromByteOffset: JoinSideLayout.samePrevOffset, as: UInt32.self) == reference
                else { throw reader.failure("a broken list of equal rows") }
            }
            if prev != 0 {
                guard Int(prev) <= rows.used, rows.isLive(prev),
                    rows.row(prev).load(fromByteOffset: JoinSideLayout.sameNextOffset, as: UInt32.self) == reference
                else { throw reader.failure("a broken list of equal rows") }
            } else if index?.restore(reference, rows) != true {
                throw reader.failure("equal rows apart")
            }
        }
    }
}

extension KeyTable {
    /// The same table without the keys for which `isWanted` is false. Arena and index are made anew.
    func compacted(_ keys: JoinKeyLayout, _ isWanted: (Int) -> Bool) -> KeyTable {
        let fresh = keys.makeTable()
        for slot in 0..<count where isWanted(slot) {
            _ = fresh.adopt(row(slot), hash: keys.hash(ofSlot: slot, in: self), strings: keyStrings, indexed: true)
        }
        return fresh
    }
}
