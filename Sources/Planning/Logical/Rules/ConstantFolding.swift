// Constant folding: conditions whose outcome is known. `TRUE AND x` is `x`, `CASE WHEN FALSE THEN a ELSE b END` is `b`, `1 = 1` is TRUE,
// `coalesce(NULL, x)` is `x`. Arithmetic and functions over constants are computed by the evaluator that the engine lends, since
// planning does not know how; what fails, or depends on the clock, stays as it is and fails on the rows that reach it.

import Columns
import Syntax

enum ConstantFolding {
    static func apply(_ plan: LogicalPlan, evaluate: ConstantEvaluator? = nil) -> LogicalPlan {
        func fold(_ expression: BoundExpression) -> BoundExpression { Self.fold(expression, evaluate) }
        return plan.rewritten { node in
            switch node {
            case .filter(let input, let predicate): return .filter(input, fold(predicate))
            case .project(let input, let columns):
                return .project(input, columns.map { LogicalColumn(expression: fold($0.expression), name: $0.name) })
            case .aggregate(let input, var aggregate):
                for index in aggregate.calls.indices {
                    aggregate.calls[index] = aggregate.calls[index].mapExpressions(fold)
                    if aggregate.calls[index].filter?.constantValue == .boolean(true) { aggregate.calls[index].filter = nil }
                }
                return .aggregate(input, aggregate)
            case .join(let left, let right, var join):
                let condition = join.condition.map(fold)
                join.condition = condition?.constantValue == .boolean(true) ? nil : condition
                return .join(left, right, join)
            case .over(let input, let over): return .over(input, over.mapExpressions(fold))
            default: return node
            }
        }
    }

    static func fold(_ expression: BoundExpression, _ evaluate: ConstantEvaluator? = nil) -> BoundExpression {
        let folded = expression.mapChildren { fold($0, evaluate) }
        if let evaluate, folded.isConstantCall, let value = evaluate(folded) { return constant(value, like: folded) }
        switch folded.kind {
        case .and(let operands): return logical(folded, operands, absorbing: false)
        case .or(let operands): return logical(folded, operands, absorbing: true)
        case .not(let operand):
            switch operand.constantValue {
            case .boolean(let value)?: return constant(.boolean(!value), like: folded)
            case .null?: return constant(.null, like: folded)
            default: return folded
            }
        case .isNull(let operand, let negated):
            guard let value = operand.constantValue else { return folded }
            return constant(.boolean(value.isNull != negated), like: folded)
        case .call(let function, let operands):
            guard operands.count == 2, let left = operands[0].constantValue, let right = operands[1].constantValue,
                operands[0].type == operands[1].type, let outcome = compare(function, left, right)
            else { return folded }
            return constant(.boolean(outcome), like: folded)
        case .caseWhen(let branches, let otherwise): return caseWhen(folded, branches, otherwise)
        case .coalesce(let operands):
            var kept: [BoundExpression] = []
            for operand in operands where operand.constantValue != .null {
                kept.append(operand)
                if operand.constantValue != nil { break }
            }
            if kept.count == operands.count { return folded }
            guard let first = kept.first else { return constant(.null, like: folded) }
            if kept.count == 1 { return first }
            var copy = folded
            copy.kind = .coalesce(kept)
            return copy
        default: return folded
        }
    }

    private static func constant(_ value: Value, like expression: BoundExpression) -> BoundExpression {
        .constant(value, expression.type, span: expression.span)
    }

    /// AND (absorbing FALSE) or OR (absorbing TRUE).
    private static func logical(_ expression: BoundExpression, _ operands: [BoundExpression], absorbing: Bool) -> BoundExpression {
        if operands.contains(where: { $0.constantValue == .boolean(absorbing) }) {
            return constant(.boolean(absorbing), like: expression)
        }
        let kept = operands.filter { $0.constantValue != .boolean(!absorbing) }
        if kept.count == operands.count { return expression }
        guard let first = kept.first else { return constant(.boolean(!absorbing), like: expression) }
        if kept.count == 1 { return first }
        var copy = expression
        copy.kind = absorbing ? .or(kept) : .and(kept)
        return copy
    }

    private static func caseWhen(_ expression: BoundExpression, _ branches: [BoundBranch], _ otherwise: BoundExpression?)
        -> BoundExpression
    {
        // Branches that are never taken go, and those behind one that always is.
        let always = branches.firstIndex { $0.condition.constantValue == .boolean(true) }
        let kept = branches[..<(always ?? branches.count)].filter { $0.condition.constantValue == nil }
        let last = always.map { branches[$0].result } ?? otherwise
        if kept.count == branches.count { return expression }
        if kept.isEmpty { return last ?? constant(.null, like: expression) }
        var copy = expression
        copy.kind = .caseWhen(kept, otherwise: last)
        return copy
    }

    private static func compare(_ function: ScalarFunction, _ left: Value, _ right: Value) -> Bool? {
        func outcome<Operand: Comparable>(_ left: Operand, _ right: Operand) -> Bool? {
            switch function {
            case .equal: left == right
            case .notEqual: left != right
            case .less: left < right
            case .lessOrEqual: left <= right
            case .greater: left > right
            case .greaterOrEqual: left >= right
            default: nil
            }
        }
        switch (left, right) {
        case (.integer(let left), .integer(let right)): return outcome(left, right)
        case (.decimal(let left), .decimal(let right)): return outcome(left, right)
        case (.string(let left), .string(let right)) where function == .equal: return left.utf8.elementsEqual(right.utf8)
        case (.string(let left), .string(let right)) where function == .notEqual: return !left.utf8.elementsEqual(right.utf8)
        default: return nil
        }
    }
}

extension BoundExpression {
    /// A call or a cast whose operands are all constants.
    fileprivate var isConstantCall: Bool {
        switch kind {
        case .call(_, let operands): operands.allSatisfy { $0.constantValue != nil }
        case .cast(let operand, _): operand.constantValue != nil
        default: false
        }
    }
}
