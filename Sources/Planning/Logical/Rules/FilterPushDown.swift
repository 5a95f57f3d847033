// Filter push-down: each condition of a filter goes as far down as it says the same:
// - below a projection, when it looks at plain columns only (else it would be computed twice);
// - below a window function, when it does not look at the window;
// - below an aggregation, when it looks at keys and nothing else: whole groups go or stay, also under retraction;
// - into each input of a union, and below an ORDER BY without LIMIT.
// It stays above a watermark, since rows filtered out still move time, and above a limit. The order of conditions is kept: one may keep
// another from failing.

import Columns

enum FilterPushDown {
    static func apply(_ plan: LogicalPlan) -> LogicalPlan {
        if case .filter(let input, let predicate) = plan { return push(predicate.conjuncts, into: input) }
        return plan.mapInputs(apply)
    }

    /// The plan with the conditions applied as low as possible.
    private static func push(_ conditions: [BoundExpression], into plan: LogicalPlan) -> LogicalPlan {
        switch plan {
        case .filter(let input, let predicate): return push(predicate.conjuncts + conditions, into: input)
        case .project(let input, let columns):
            return split(conditions, over: { .project($0, columns) }, input) { condition in
                guard condition.columns.allSatisfy({ isFree(columns[$0].expression) }) else { return nil }
                return condition.replacingColumns { columns[$0].expression }
            }
        case .window(let input, let window):
            let base = input.fields.count
            return split(conditions, over: { .window($0, window) }, input) { condition in
                condition.columns.allSatisfy { $0 < base } ? condition : nil
            }
        case .aggregate(let input, let aggregate):
            return split(conditions, over: { .aggregate($0, aggregate) }, input) { condition in
                let columns = condition.columns
                guard !columns.isEmpty,
                    columns.allSatisfy({ $0 < aggregate.keys.count && isFree(aggregate.keys[$0].expression) })
                else { return nil }
                return condition.replacingColumns { aggregate.keys[$0].expression }
            }
        case .union(let inputs): return .union(inputs.map { push(conditions, into: $0) })
        case .sort(let input, let sort) where sort.limit == nil && sort.offset == 0:
            return .sort(push(conditions, into: input), sort)
        default: return filtered(plan.mapInputs(apply), conditions)
        }
    }

    private static func isFree(_ expression: BoundExpression) -> Bool {
        expression.isReference || expression.constantValue != nil
    }

    /// Conditions that `moved` can restate over the input go below the node, the others stay above it. One that can fail stays behind
    /// those that stand before it.
    private static func split(
        _ conditions: [BoundExpression], over node: (LogicalPlan) -> LogicalPlan, _ input: LogicalPlan,
        _ moved: (BoundExpression) -> BoundExpression?
    ) -> LogicalPlan {
        var below: [BoundExpression] = []
        var above: [BoundExpression] = []
        for condition in conditions {
            if let restated = moved(condition), above.isEmpty || !condition.canFail { below.append(restated) } else { above.append(condition) }
        }
        let lower = below.isEmpty ? apply(input) : push(below, into: input)
        return filtered(node(lower), above)
    }

    private static func filtered(_ plan: LogicalPlan, _ conditions: [BoundExpression]) -> LogicalPlan {
        BoundExpression.conjunction(conditions).map { .filter(plan, $0) } ?? plan
    }
}

extension BoundExpression {
    /// Whether a row can make it fail.
    var canFail: Bool {
        switch kind {
        case .call(let function, let operands): function.canFail || operands.contains { $0.canFail }
        case .cast(let operand, let mode): mode != .attempt || operand.canFail
        default: children.contains { $0.canFail }
        }
    }
}
