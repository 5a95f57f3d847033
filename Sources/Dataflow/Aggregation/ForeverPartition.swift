// ForeverPartition: groups without a window. One table that lives as long as the query; groups that have lost all their rows are
// dropped from it when they are half of it.

import Columns
import Planning

final class ForeverPartition: AggregatePartition {
    private let node: AggregateNode
    private let emitter: GroupEmitter
    /// The partition that answers for a query without keys.
    private let isFirst: Bool
    private var table: GroupTable
    private var isDone = false
    private var emptiedSinceCompaction = 0

    init(_ node: AggregateNode, emitter: GroupEmitter, isFirst: Bool) {
        self.node = node
        self.emitter = emitter
        self.isFirst = isFirst
        table = GroupTable(emitter.layout)
    }

    func ingest(_ sliceStart: Int64, _ input: SliceInput, _ context: TaskContext) {
        switch input {
        case .table(let partial, let chosen): table.merge(partial, chosen: chosen, context.scratch)
        case .rows(let batch): table.update(batch, context.scratch)
        }
    }

    func isDue(_ epoch: StageEpoch) -> Bool { node.emit != .changes && epoch.hasEnded && !isDone }

    func advance(_ epoch: StageEpoch, deferred: [DeferredRow], _ context: TaskContext, _ output: inout [RowBatch]) {
        if node.emit == .changes {
            emitter.emitChanges(table, slots: table.touched, window: nil, context, into: &output)
            if emitter.layout.rowCountOffset >= 0 {
                for slot in table.touched where !table.isLive(Int(slot)) { emptiedSinceCompaction += 1 }
            }
            table.forgetTouched()
            if (emptiedSinceCompaction > 64 && emptiedSinceCompaction * 2 > table.count) || table.table.arena.wantsCompaction { compact() }
        } else if epoch.hasEnded && !isDone {
            isDone = true
            if node.keys.isEmpty && isFirst && table.count == 0 { _ = table.table.append() }
            let emitsEmpty = node.keys.isEmpty && isFirst
            emitter.emit(table, window: nil, emitsEmpty: emitsEmpty, context, into: &output)
            table.removeAll()
        }
    }

    private func compact() {
        var map: [Int32] = []
        let old = table
        table = old.compacted(slotMap: &map) { old.isLive($0) || old.control($0) & GroupLayout.emitted != 0 }
        emptiedSinceCompaction = 0
    }

    var groupCount: Int { table.count }
    var stateByteCount: Int { table.byteCount }

    func write(to writer: inout StateWriter) {
        writer.write(isDone)
        writer.write(count: emptiedSinceCompaction)
        table.write(to: &writer)
    }

    func read(from reader: inout StateReader) throws(StateError) {
        isDone = try reader.readBool()
        emptiedSinceCompaction = try reader.readCount(bytesEach: 0)
        table = GroupTable(emitter.layout)
        try table.read(from: &reader)
    }
}
