// PairPartition+Lookup: left rows meet the right rows that are there, once, and are not kept. A left row without partner comes out at once
// too (LEFT). Keys that only left rows have never enter the table.

import Columns

extension PairPartition {
    func lookUpWaiting(_ context: TaskContext, _ output: inout [RowBatch]) {
        for batch in waiting { lookUp(batch, context, &output) }
        waiting.removeAll()
    }

    private func lookUp(_ batch: RowBatch, _ context: TaskContext, _ output: inout [RowBatch]) {
        let n = batch.count
        guard n > 0 else { return }
        scratch.reserve(n)
        let keys = sides[0].layout.keys.map { batch.columns[$0] }
        plan.keys.find(keys, count: n, in: table, context.scratch)
        scratch.slots.update(from: context.scratch.slots, count: n)
        // Rows whose key nobody has are not paired.
        for row in 0..<n {
            let isKnown = scratch.slots[row] != .max
            scratch.signs[row] = isKnown ? 1 : 0
            if !isKnown { scratch.slots[row] = 0 }
            scratch.references[row] = 0
        }
        if table.count > 0 && sides[1].rows.liveCount > 0 { pair(0, batch, context, &output) }
        guard plan.isOuter[0] else { return }
        let alone = RowSelection.rows(n) { scratch.references[$0] == 0 }
        guard alone.count > 0 else { return }
        let rows = batch.picked(alone)
        output.append(rows.replacing(columns: plan.padded(rows.columns, port: 0, count: rows.count)))
    }

    /// Marks the left rows that found a partner.
    func markFound(_ count: Int) { for index in 0..<count { scratch.references[Int(scratch.pairRows[index])] = 1 } }
}

extension Column {
    /// Without a bitmap that says nothing, so that what is restored is written as it was.
    var withoutEmptyBitmap: Column {
        guard mayHaveNulls, nullCount == 0 else { return self }
        return Column(type: type, count: count, values: values, children: children, owners: owners)
    }
}
