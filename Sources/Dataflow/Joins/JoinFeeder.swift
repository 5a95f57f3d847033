// JoinFeeder: what a task does with rows on their way to a join: those that can have no partner and do not matter without one are
// dropped, late ones reported, the rest handed out to partitions by the hash of their key.

import Columns

final class JoinFeeder: Feeder {
    let port: Int
    /// Per partition, in order.
    private(set) var inputs: [[RowBatch]]
    /// Rows with a NULL key that matter without partner.
    private(set) var unmatchable: [RowBatch] = []
    /// Rows added less rows taken back, of all rows and of those with a NULL key: for NOT IN.
    private(set) var rowBalance = 0
    private(set) var nullBalance = 0

    private let stage: JoinStage
    private let plan: JoinPlan
    private let keys: [Int]

    init(_ stage: JoinStage, port: Int) {
        self.stage = stage
        self.port = port
        plan = stage.plan
        keys = plan.sides[port].keys
        inputs = Array(repeating: [], count: stage.partitionCount)
    }

    func push(_ incoming: RowBatch, _ context: TaskContext) {
        // A join does not ask how late a row was when it arrived; only whether what it needs is still there.
        var batch = RowBatch(count: incoming.count, columns: incoming.columns, changes: incoming.changes)
        if let timeColumn = stage.timeColumn(port) { batch = onTime(batch, timeColumn, context) }
        guard batch.count > 0 else { return }
        batch = plan.nested[port].encode(batch)
        if plan.node.kind == .antiNullAware && port == 1 { count(batch) }
        let columns = keys.map { batch.columns[$0] }
        if plan.keys.mayBeUnmatchable(columns) {
            let unmatchedRows = RowSelection.rows(batch.count) { plan.keys.isUnmatchable(columns, $0) }
            if unmatchedRows.count > 0 {
                if plan.givesUnmatched(port) { unmatchable.append(batch.picked(unmatchedRows.rows)) }
                batch = batch.picked(RowSelection.rows(batch.count) { !plan.keys.isUnmatchable(columns, $0) }.rows)
                guard batch.count > 0 else { return }
            }
        }
        guard stage.partitionCount > 1 && !keys.isEmpty else {
            inputs[0].append(batch)
            return
        }
        plan.keys.hash(keys.map { batch.columns[$0] }, count: batch.count, context.scratch)
        Exchange.split(batch, hashes: context.scratch.hashes, partitionCount: stage.partitionCount) { inputs[$0].append($1) }
    }

    func finish(_ context: TaskContext) {}

    /// Takes out rows without a time and those whose partners may be gone.
    private func onTime(_ batch: RowBatch, _ timeColumn: Int, _ context: TaskContext) -> RowBatch {
        let time = batch.columns[timeColumn]
        let times = time.int64s
        let limit = stage.lateLimit(port)
        let types = plan.nested[port].types
        if !time.mayHaveNulls {
            var earliest = Int64.max
            for row in 0..<batch.count { earliest = min(earliest, times[row]) }
            if earliest >= limit { return batch }
        }
        let kept = RowSelection.rows(batch.count) { row in
            if time.isNull(row) {
                context.fail("event time is NULL", expression: stage.name, row: batch.row(row), types: types)
                return false
            }
            if times[row] < limit {
                context.late(stage.name, eventTime: times[row], watermark: limit, row: batch.row(row), types: types)
                return false
            }
            return true
        }
        return batch.picked(kept.rows)
    }

    private func count(_ batch: RowBatch) {
        let key = batch.columns[keys[0]]
        for row in 0..<batch.count {
            let sign = batch.change(at: row).isAddition ? 1 : -1
            rowBalance += sign
            if key.isNull(row) { nullBalance += sign }
        }
    }
}
