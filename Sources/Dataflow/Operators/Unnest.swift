// Unnest: each row once per element of its arrays.
//
// The arrays are evaluated for the whole batch. Then two lists of row numbers are made, of the batch's rows and of the elements, and each column is
// gathered once. Several arrays are walked side by side, the shorter ones end in NULLs. What the row does (its change kind) and the watermark at
// which it arrived go with each of its elements. Rows whose arrays cannot be computed are reported and left out.

import Columns
import Planning

struct Unnest: BatchTransform {
    private let arrays: [CompiledExpression]
    private let node: UnnestNode
    private let inputTypes: [SQLType]

    init(_ node: UnnestNode, inputTypes: [SQLType]) throws(DataflowError) {
        var compiled: [CompiledExpression] = []
        for array in node.arrays {
            do { compiled.append(try CompiledExpression.compile(array)) } catch { throw DataflowError("\(error.message) in \(error.expression)") }
        }
        arrays = compiled
        self.node = node
        self.inputTypes = inputTypes
    }

    func apply(_ batch: RowBatch, _ context: TaskContext) -> RowBatch {
        let evaluation = EvaluationContext(clockMicroseconds: context.clockMicroseconds)
        let lists = arrays.map { $0.evaluate(batch, evaluation) }
        var failed: Set<Int> = []
        for failure in evaluation.takeFailures() {
            failed.insert(failure.row)
            context.fail(failure.message, expression: failure.expression, row: batch.row(failure.row), types: inputTypes)
        }
        var rows: [Int32] = []
        var elements = lists.map { _ in [Int32]() }
        var ordinals: [Int64] = []
        for row in 0..<batch.count where !failed.contains(row) {
            var longest = 0
            for list in lists where !list.isNull(row) { longest = max(longest, Int(list.lists[row].length)) }
            let count = longest == 0 && node.keepsEmpty ? 1 : longest
            for index in 0..<count {
                rows.append(Int32(truncatingIfNeeded: row))
                // An ordinal counts elements; a row that is only kept has none.
                ordinals.append(longest == 0 ? 0 : Int64(index) + 1)
            }
            for (place, list) in lists.enumerated() {
                let view = list.isNull(row) ? ListView(offset: 0, length: 0) : list.lists[row]
                for index in 0..<count {
                    elements[place].append(index < Int(view.length) ? Int32(truncatingIfNeeded: Int(view.offset) + index) : -1)
                }
            }
        }
        let repeated = rows.withUnsafeBufferPointer { batch.picked($0) }
        var columns = repeated.columns
        for (list, wanted) in zip(lists, elements) {
            let values = list.children[0].gatherOptional(wanted)
            if values.layout == .structure { columns += values.children } else { columns.append(values) }
        }
        if node.withOrdinality {
            let builder = ColumnBuilder(.bigint, capacity: rows.count)
            for ordinal in ordinals { if ordinal == 0 { builder.appendNull() } else { builder.append(int64: ordinal) } }
            columns.append(builder.finish())
        }
        return RowBatch(count: rows.count, columns: columns, changes: repeated.changes, watermarks: repeated.watermarks)
    }
}
