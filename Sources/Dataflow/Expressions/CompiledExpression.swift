// CompiledExpression: an expression ready to be evaluated on batches, a column at a time.

import Columns
import Planning

/// Immutable, and used from several threads at once; everything that changes is in the context, one per call.
package final class CompiledExpression: Sendable {
    package let type: SQLType
    /// The ordinals of the input that it reads, ascending.
    package let usedColumns: [Int]
    let root: ExpressionNode

    /// Throws `ExpressionError` for what cannot be evaluated at all: a broken pattern in a constant, a function without kernel.
    package static func compile(_ expression: BoundExpression) throws(ExpressionError) -> CompiledExpression {
        CompiledExpression(try ExpressionCompiler.compile(expression), type: expression.type)
    }

    init(_ root: ExpressionNode, type: SQLType) {
        self.root = root
        self.type = type
        usedColumns = root.usedColumns
    }

    /// The value for every row of the batch. Rows that fail are NULL and recorded in the context.
    package func evaluate(_ batch: RowBatch, _ context: EvaluationContext) -> Column {
        let column = root.evaluate(EvaluationInput(batch, context)).expanded(batch.count)
        return column.type == type ? column : column.retyped(type)
    }

    /// The value when it is the same for all rows and does not depend on the clock.
    package var constantValue: Value? { (root as? ConstantNode)?.operand.column.value(at: 0) }
}

/// Why an expression cannot be evaluated.
package struct ExpressionError: Error, Hashable, Sendable {
    package var message: String
    /// The expression as SQL.
    package var expression: String

    package init(_ message: String, expression: String) {
        self.message = message
        self.expression = expression
    }
}
