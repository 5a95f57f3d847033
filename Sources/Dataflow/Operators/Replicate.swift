// Replicate: each row as often as one of its columns says; not at all for NULL, zero or less. Change kinds and watermarks go with every
// copy. For INTERSECT ALL and EXCEPT ALL, whose aggregates know how often a row is wanted.

import Columns

struct Replicate: BatchTransform, Sendable {
    let column: Int
    let types: [SQLType]

    /// Copies that one batch of rows may become: a batch is held in memory as a whole.
    static let copiesMax = 1 << 24

    init(column: Int, types: [SQLType]) throws(DataflowError) {
        guard types.indices.contains(column), types[column].isInteger else { throw DataflowError("the number of copies is no integer column") }
        self.column = column
        self.types = types
    }

    func apply(_ batch: RowBatch, _ context: TaskContext) -> RowBatch {
        let counts = batch.columns[column]
        let values = counts.int64s
        var isPlain = !counts.mayHaveNulls
        for row in 0..<batch.count { isPlain = isPlain && values[row] == 1 }
        if isPlain { return batch }
        var rows: [Int32] = []
        rows.reserveCapacity(batch.count)
        for row in 0..<batch.count where !counts.isNull(row) && values[row] > 0 {
            guard values[row] <= Int64(Replicate.copiesMax - rows.count) else {
                context.fail("\(values[row]) equal rows are more than can be given at once", expression: "ALL", row: batch.row(row), types: types)
                continue
            }
            for _ in 0..<values[row] { rows.append(Int32(truncatingIfNeeded: row)) }
        }
        withExtendedLifetime(counts) {}
        return rows.withUnsafeBufferPointer { batch.picked($0) }
    }
}
