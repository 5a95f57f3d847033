// FoldedOutput: the result of a changelog as it stands: each row with how often it is there. Rows keep the order of their first arrival, so that
// what is made of them does not depend on hashing.
//
// Memory: every row of the result, boxed; altering a query with a large result costs that for as long as it takes.

import Columns
import Dataflow
import Planning

final class FoldedOutput: QueryOutput {
    private(set) var counts: [[Value]: Int] = [:]
    private var order: [[Value]] = []

    var isDurable: Bool { false }
    func restore(to position: Int64?) throws {}

    func emit(_ batches: [RowBatch], epoch: UInt64, clockMicroseconds: Int64) throws -> [FailedRow] {
        for batch in batches {
            for row in 0..<batch.count {
                let values = batch.row(row)
                let change = batch.change(at: row).isAddition ? 1 : -1
                if let count = counts[values] {
                    counts[values] = count + change
                } else {
                    order.append(values)
                    counts[values] = change
                }
            }
        }
        return []
    }

    func position() throws -> Int64 { 0 }
    func synchronize() throws {}
    func close() throws {}

    /// What turns the result of `old` into this one: retractions, then additions.
    func difference(from old: FoldedOutput, types: [SQLType]) -> [RowBatch] {
        var removed: [[Value]] = []
        var added: [[Value]] = []
        for row in old.order { removed += repeatElement(row, count: max(0, (old.counts[row] ?? 0) - (counts[row] ?? 0))) }
        for row in order { added += repeatElement(row, count: max(0, (counts[row] ?? 0) - (old.counts[row] ?? 0))) }
        return [(removed, ChangeKind.delete), (added, .insert)].filter { !$0.0.isEmpty }.map { rows, kind in
            let batch = RowBatch.make(rows, types: types)
            let changes = Buffer(byteCount: rows.count)
            for row in rows.indices { changes.base.storeBytes(of: kind.rawValue, toByteOffset: row, as: UInt8.self) }
            return RowBatch(count: batch.count, columns: batch.columns, changes: changes)
        }
    }
}

/// Takes rows and keeps none: of a query that only appends nothing of the past is written again.
final class ForgottenOutput: QueryOutput {
    var isDurable: Bool { false }
    func restore(to position: Int64?) throws {}
    func emit(_ batches: [RowBatch], epoch: UInt64, clockMicroseconds: Int64) throws -> [FailedRow] { [] }
    func position() throws -> Int64 { 0 }
    func synchronize() throws {}
    func close() throws {}
}

/// Rows that failed or were late when they were first read have been reported then.
final class ForgottenErrors: ErrorOutput {
    func emit(rejected: [RejectedRow], failures: [FailedRow], late: [LateRow], epoch: UInt64, clockMicroseconds: Int64) throws {}
    func synchronize() throws {}
}
