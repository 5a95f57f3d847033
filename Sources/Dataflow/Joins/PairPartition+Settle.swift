// PairPartition+Settle: what a batch does to the state of its own side.

import Columns

extension PairPartition {
    /// Each addition enters the state; each retraction takes its row out.
    func settleChanges(_ port: Int, _ batch: RowBatch) {
        let own = sides[port]
        let n = batch.count
        let selection = scratch.selection
        let signs = scratch.signs
        var added = 0
        for row in 0..<n where batch.change(at: row).isAddition {
            selection[added] = Int32(truncatingIfNeeded: row)
            added += 1
        }
        // Heads are not needed before pairs are made.
        let fresh = scratch.heads
        own.add(batch.columns, selection: selection, count: added, slots: scratch.slots, in: table, references: fresh)
        for row in 0..<n { signs[row] = 0 }
        for index in 0..<added {
            signs[Int(selection[index])] = 1
            scratch.references[Int(selection[index])] = fresh[index]
        }
        guard added < n else { return }
        guard own.layout.isIndexed else {
            ignoredRetractionCount += n - added
            return
        }
        var taken = 0
        for row in 0..<n where signs[row] == 0 {
            selection[taken] = Int32(truncatingIfNeeded: row)
            taken += 1
        }
        let rows = UnsafeBufferPointer(start: UnsafePointer(selection), count: taken)
        let columns = batch.columns.map { $0.picked(rows) }
        let width = own.layout.packed.width
        let packed = scratch.reservePacked(taken * width)
        let encoded = own.layout.packed.pack(columns, count: taken, into: packed, normalised: false)
        for index in 0..<taken {
            let row = Int(selection[index])
            let reference = own.find(packed + index * width, slot: scratch.slots[row], in: table)
            guard reference != 0 else {
                ignoredRetractionCount += 1
                continue
            }
            signs[row] = -1
            scratch.references[row] = reference
            takeOut(reference, port)
        }
        withExtendedLifetime((columns, encoded)) {}
    }

    /// At most one row for each key: what the batch does to a key is settled first. Gives the rows taken back, as they were, then those
    /// added.
    func settleUnique(_ port: Int, _ batch: RowBatch, clockMicroseconds clock: Int64) -> RowBatch {
        let own = sides[port]
        let n = batch.count
        let width = own.layout.packed.width
        let packed = scratch.reservePacked(n * width)
        let encoded = own.layout.packed.pack(batch.columns, count: n, into: packed, normalised: false)
        defer { withExtendedLifetime((batch, encoded)) {} }
        let strings = own.layout.packed.stringOffsets
        // For each key the row that holds in the end, or -1 when there is none.
        var final: [UInt32: Int] = [:]
        var order: [UInt32] = []
        for row in 0..<n {
            let slot = scratch.slots[row]
            let known = final[slot]
            if batch.change(at: row).isAddition {
                if known == nil { order.append(slot) }
                final[slot] = row
                continue
            }
            let isHeld: Bool
            if let known {
                isHeld = known >= 0 && PackedLayout.equal(packed + known * width, packed + row * width, width: width, stringOffsets: strings)
            } else {
                isHeld = own.find(packed + row * width, slot: slot, in: table) != 0
            }
            guard isHeld else {
                ignoredRetractionCount += 1
                continue
            }
            if known == nil { order.append(slot) }
            final[slot] = -1
        }
        var gone: [UInt32] = []
        var goneSlots: [UInt32] = []
        var goneKinds: [UInt8] = []
        var addedRows: [Int32] = []
        var addedKinds: [UInt8] = []
        for slot in order {
            guard let row = final[slot] else { continue }
            let old = own.head(slot, in: table)
            if old != 0 {
                if row >= 0 && own.isEqual(old, packed + row * width) {
                    // Nothing changes, but the row has been touched.
                    if own.layout.isStamped && plan.interval == nil { own.stamp(old, clock) }
                    continue
                }
                gone.append(old)
                goneSlots.append(slot)
                goneKinds.append((row >= 0 ? ChangeKind.updateBefore : .delete).rawValue)
            }
            guard row >= 0 else { continue }
            addedRows.append(Int32(truncatingIfNeeded: row))
            addedKinds.append(old != 0 ? ChangeKind.updateAfter.rawValue : batch.change(at: row).rawValue)
        }
        withExtendedLifetime(batch) {}
        let added = addedRows.isEmpty ? batch.slice(0..<0) : addedRows.withUnsafeBufferPointer { batch.picked($0) }
        var parts: [RowBatch] = []
        if !gone.isEmpty { parts.append(RowBatch(count: gone.count, columns: own.rows.columns(gone, 0..<gone.count))) }
        if added.count > 0 { parts.append(RowBatch(count: added.count, columns: added.columns)) }
        guard !parts.isEmpty else { return batch.slice(0..<0) }
        let slots = goneSlots + addedRows.map { scratch.slots[Int($0)] }
        let signs = gone.map { _ in Int8(-1) } + addedRows.map { _ in Int8(1) }
        for index in slots.indices {
            scratch.slots[index] = slots[index]
            scratch.signs[index] = signs[index]
        }
        for (index, reference) in gone.enumerated() {
            scratch.references[index] = reference
            takeOut(reference, port)
        }
        own.add(
            added.columns, selection: nil, count: added.count, slots: scratch.slots + gone.count, in: table,
            references: scratch.references + gone.count)
        let kinds = goneKinds + addedKinds
        let all = RowBatch.concatenate(parts, types: own.layout.types)
        guard kinds.contains(where: { $0 != 0 }) else { return all }
        return RowBatch(count: all.count, columns: all.columns, changes: kinds.withUnsafeBytes { Buffer(copying: $0) })
    }
}
