// RowFilter and RowProjector: what operators use of expressions. Both take the rows that fail out and hand them over; both
// keep change kinds and watermarks with their rows.

import Columns
import Planning

/// Rows for which a predicate is true.
package final class RowFilter: Sendable {
    package let predicate: CompiledExpression

    package init(_ predicate: CompiledExpression) { self.predicate = predicate }

    package static func compile(_ predicate: BoundExpression) throws(ExpressionError) -> RowFilter {
        RowFilter(try CompiledExpression.compile(predicate))
    }

    /// The rows that pass (the batch itself when all do), and those on which the predicate failed.
    package func filter(_ batch: RowBatch, clockMicroseconds: Int64) -> (batch: RowBatch, failures: [RowFailure]) {
        guard batch.count > 0 else { return (batch, []) }
        let context = EvaluationContext(clockMicroseconds: clockMicroseconds)
        let verdict = predicate.root.evaluate(EvaluationInput(batch, context))
        // A row that failed may still be true when the failure is below an OR: it is not let through.
        let failures = context.takeFailures()
        if verdict.isConstant && failures.isEmpty {
            let passes = !verdict.column.isNull(0) && verdict.column.bools[0] != 0
            return (passes ? batch : batch.slice(0..<0), [])
        }
        let column = verdict.expanded(batch.count)
        var selection = RowSelection.where(column.bools, validity: column.validity, rows: batch.count)
        if !failures.isEmpty {
            let failed = Set(failures.map(\.row))
            let picked = selection.rows
            selection = selection.filter { !failed.contains(Int(picked[$0])) }
        }
        if selection.count == batch.count { return (batch, failures) }
        return (batch.picked(selection.rows), failures)
    }
}

/// A list of expressions: a batch of their values.
package final class RowProjector: Sendable {
    package let expressions: [CompiledExpression]

    package init(_ expressions: [CompiledExpression]) { self.expressions = expressions }

    package static func compile(_ expressions: [BoundExpression]) throws(ExpressionError) -> RowProjector {
        var compiled: [CompiledExpression] = []
        for expression in expressions { compiled.append(try CompiledExpression.compile(expression)) }
        return RowProjector(compiled)
    }

    /// The values of all expressions for the rows on which none failed, and the failures: rows of the input batch, each once.
    package func project(_ batch: RowBatch, clockMicroseconds: Int64) -> (batch: RowBatch, failures: [RowFailure]) {
        let context = EvaluationContext(clockMicroseconds: clockMicroseconds)
        let result = batch.replacing(columns: expressions.map { $0.evaluate(batch, context) })
        let failures = context.takeFailures()
        if failures.isEmpty { return (result, []) }
        let failed = Set(failures.map(\.row))
        let kept = RowSelection.rows(batch.count) { !failed.contains($0) }
        return (result.picked(kept.rows), failures)
    }
}
