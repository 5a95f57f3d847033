// PairPartition+Keys: SEMI, ANTI and NOT IN on keys alone. Of the right side nothing is kept but how many rows each key has, in the place of
// the head of their chain; so a key with a million rows on either side costs a row no more than another one.
//
// NOT IN asks three things: is the right side empty, does it have a NULL, does it have this key. The first two hold for all
// partitions at once: feeders count, the stage adds up before the partitions run, and when an answer changes every left row is
// looked at again. Its keys are compared null-safe, so that rows with a NULL key are kept like others.

import Columns

/// Of the right side of NOT IN, all partitions together.
struct RightTotals: Hashable {
    var rows = 0
    var nulls = 0

    /// What the answer depends on.
    var isEmpty: Bool { rows <= 0 }
    var hasNull: Bool { nulls > 0 }
}

extension PairPartition {
    private func count(_ slot: UInt32) -> UInt32 { sides[1].head(slot, in: table) }

    func countKeys(_ batch: RowBatch, _ slots: UnsafePointer<UInt32>) {
        let offset = sides[1].layout.headOffset
        for row in 0..<batch.count {
            let cell = table.row(Int(slots[row])) + offset
            let before = cell.load(as: UInt32.self)
            table.marks.mark(Int(slots[row]))
            if batch.change(at: row).isAddition {
                if before < .max { cell.storeBytes(of: before + 1, as: UInt32.self) }
                if before == 0 { noteCrossing(slots[row], before: false) }
            } else if before > 0 {
                cell.storeBytes(of: before - 1, as: UInt32.self)
                if before == 1 { noteCrossing(slots[row], before: true) }
            } else {
                ignoredRetractionCount += 1
            }
        }
    }

    private func noteCrossing(_ slot: UInt32, before: Bool) {
        guard countedBefore[slot] == nil else { return }
        countedBefore[slot] = before
        countedSlots.append(slot)
    }

    /// Left rows of keys that have right rows now and had none, or the other way round.
    func noteCountedKeys() {
        for slot in countedSlots where countedBefore[slot] != (count(slot) > 0) {
            var reference = sides[0].head(slot, in: table)
            while reference != 0 {
                candidates[0].append(reference)
                reference = sides[0].rows.next(reference)
            }
        }
        countedSlots.removeAll(keepingCapacity: true)
        countedBefore.removeAll(keepingCapacity: true)
    }

    func isKeyWanted(_ reference: UInt32) -> Bool {
        let slot = sides[0].rows.row(reference).load(fromByteOffset: JoinSideLayout.slotOffset, as: UInt32.self)
        guard plan.node.kind == .antiNullAware else { return (count(slot) > 0) == (plan.node.kind == .semi) }
        if rightTotals.isEmpty { return true }
        if rightTotals.hasNull { return false }
        let isNull = table.row(Int(slot)).load(as: UInt64.self) != 0
        return !isNull && count(slot) == 0
    }

    /// Before the partition runs.
    func adopt(_ totals: RightTotals, asksAgain: Bool) {
        rightTotals = totals
        if asksAgain && !plan.isFinal { candidates[0] = sides[0].liveRows { _ in true } }
    }
}
