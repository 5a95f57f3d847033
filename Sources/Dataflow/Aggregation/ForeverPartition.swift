// ForeverPartition: groups without a window. One table that lives as long as the query; groups that have lost all their rows are
// dropped from it when they are half of it.
//
// A query without keys has one group, which is there before any row and stays when all rows have gone: as a table's count is 0, not
// nothing. Its row is given in the first epoch, and updated from then on.
//
// With a TTL a group that comes again after it has expired is a new one (see GroupTable); so what comes out depends on the clocks of the
// epochs only. Memory follows later: every epoch looks at a few slots more than it touched, round after round, and when a round has found
// that half of the groups have expired, the table is rebuilt without them. No epoch looks at all groups.

import Columns
import Planning

final class ForeverPartition: AggregatePartition {
    private let node: AggregateNode
    private let emitter: GroupEmitter
    /// Answers for a query without keys: gives a row whether there is input or not.
    private let givesAlways: Bool
    private var table: GroupTable
    private var isDone = false
    private var emptiedSinceCompaction = 0
    /// The round over the slots: the next one, and how many of those before it have expired.
    private var sweptTo = 0
    private var expiredSeen = 0
    /// Groups dropped because they expired.
    private(set) var expiredCount = 0

    private static let sweepMin = 64

    init(_ node: AggregateNode, emitter: GroupEmitter, isFirst: Bool) {
        self.node = node
        self.emitter = emitter
        givesAlways = isFirst && node.keys.isEmpty
        table = GroupTable(emitter.layout)
    }

    func ingest(_ sliceStart: Int64, _ input: SliceInput, _ context: TaskContext) {
        table.clockMicroseconds = context.clockMicroseconds
        switch input {
        case .table(let partial, let chosen): table.merge(partial, chosen: chosen, context.scratch)
        case .rows(let batch): table.update(batch, context.scratch)
        }
    }

    func isDue(_ epoch: StageEpoch) -> Bool {
        node.emit == .changes ? givesAlways && table.count == 0 : epoch.hasEnded && !isDone
    }

    func advance(_ epoch: StageEpoch, deferred: [DeferredRow], _ context: TaskContext, _ output: inout [RowBatch]) {
        if node.emit == .changes {
            if givesAlways && table.count == 0 { table.touch(table.table.append()) }
            emitter.emitChanges(table, slots: table.touched, window: nil, givesEmpty: givesAlways, context, into: &output)
            if emitter.layout.rowCountOffset >= 0 && !givesAlways {
                for slot in table.touched where !table.isLive(Int(slot)) { emptiedSinceCompaction += 1 }
            }
            let touched = table.touched.count
            table.forgetTouched()
            if emitter.layout.ttlMicroseconds > 0 { sweep(touched * 2 + ForeverPartition.sweepMin, epoch.clockMicroseconds) }
            if (emptiedSinceCompaction > 64 && emptiedSinceCompaction * 2 > table.count) || table.wantsCompaction { compact() }
        } else if epoch.hasEnded && !isDone {
            isDone = true
            if givesAlways && table.count == 0 { _ = table.table.append() }
            emitter.emit(table, window: nil, emitsEmpty: givesAlways, context, into: &output)
            table.removeAll()
        }
    }

    private func sweep(_ budget: Int, _ clockMicroseconds: Int64) {
        table.clockMicroseconds = clockMicroseconds
        let end = min(sweptTo + budget, table.count)
        while sweptTo < end {
            expiredSeen += table.isExpired(sweptTo) ? 1 : 0
            sweptTo += 1
        }
        guard sweptTo >= table.count else { return }
        if expiredSeen > ForeverPartition.sweepMin / 2 && expiredSeen * 2 > table.count { compact() }
        sweptTo = 0
        expiredSeen = 0
    }

    private func compact() {
        var map: [Int32] = []
        let old = table
        let givesAlways = givesAlways
        table = old.compacted(slotMap: &map) { slot in
            let isKept = !old.isExpired(slot) && (givesAlways || old.isLive(slot) || old.control(slot) & GroupLayout.emitted != 0)
            expiredCount += old.isExpired(slot) ? 1 : 0
            return isKept
        }
        emptiedSinceCompaction = 0
        sweptTo = 0
        expiredSeen = 0
    }

    var groupCount: Int { table.count }
    var stateByteCount: Int { table.byteCount }

    func write(to writer: inout StateWriter) {
        writer.write(isDone)
        writer.write(count: emptiedSinceCompaction)
        writer.write(count: sweptTo)
        writer.write(count: expiredSeen)
        writer.write(count: expiredCount)
        table.write(to: &writer)
    }

    func read(from reader: inout StateReader) throws(StateError) {
        isDone = try reader.readBool()
        emptiedSinceCompaction = try reader.readCount(bytesEach: 0)
        sweptTo = try reader.readCount(bytesEach: 0)
        expiredSeen = try reader.readCount(bytesEach: 0)
        expiredCount = try reader.readCount(bytesEach: 0)
        table = GroupTable(emitter.layout)
        try table.read(from: &reader)
    }
}
