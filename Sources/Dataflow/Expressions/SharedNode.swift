// SharedNode: a part that stands more than once in an expression, computed once per set of rows: the operand of BETWEEN and of CASE x WHEN, an
// argument that a function of CREATE FUNCTION names twice, and whatever people write twice.
//
// The first who asks computes it; the context keeps the result with the number (`token`) of the rows that it is of. Who asks for the same rows gets
// it, and who asks for some of the batch's rows gets them picked out of the result for all of it. A result of an attempt that has failed is not
// kept: it stands for nothing. Rows that fail are recorded when the part is computed, and are NULL in the result.

import Columns
import Planning

final class SharedNode: ExpressionNode, @unchecked Sendable {
    let inner: ExpressionNode

    init(_ inner: ExpressionNode) {
        self.inner = inner
        super.init(type: inner.type, usedColumns: inner.usedColumns, canFail: inner.canFail, isCostly: inner.isCostly)
    }

    override func evaluate(_ input: EvaluationInput) -> Operand {
        let context = input.context
        let key = ObjectIdentifier(self)
        let kept = context.shared(key)
        if let kept {
            if kept.token == input.token { return kept.operand }
            if kept.token == input.rootToken, let origin = input.origin {
                return kept.operand.isConstant ? kept.operand : Operand(kept.operand.column.picked(origin.rows))
            }
        }
        let operand = inner.evaluate(input)
        // The result for the whole batch serves all its parts, so it is not given up for one of them.
        if !context.isTrialLost, kept?.token != input.rootToken { context.keep(key, token: input.token, operand) }
        return operand
    }
}

/// Which parts of an expression are the same computation: every part gets a number, equal ones the same.
struct SharedParts {
    /// An expression's number and those of its operands, in the order of `children`.
    final class Numbered {
        let number: Int
        let children: [Numbered]

        init(_ number: Int, _ children: [Numbered]) {
            self.number = number
            self.children = children
        }
    }

    private var numbers: [BoundExpression: Int] = [:]
    /// How often each part is asked for; what stands in a part that is computed once counts once.
    private var uses: [Int] = []

    mutating func add(_ expression: BoundExpression) -> Numbered {
        var children: [Numbered] = []
        // The shape: the expression with its operands' numbers in their place, as if they were columns.
        var shape = expression.mapChildren { child in
            let numbered = add(child)
            children.append(numbered)
            return .column(numbered.number, child.type)
        }
        shape.span = .none
        shape.text = ""
        if let known = numbers[shape] { return Numbered(known, children) }
        let number = uses.count
        numbers[shape] = number
        uses.append(0)
        for child in children { uses[child.number] += 1 }
        return Numbered(number, children)
    }

    func isShared(_ part: Numbered) -> Bool { uses[part.number] > 1 && !part.children.isEmpty }
}
