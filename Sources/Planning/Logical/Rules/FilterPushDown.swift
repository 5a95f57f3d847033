// Filter push-down: each condition of a filter goes as far down as it says the same:
// - below a projection, when it looks at plain columns only (else it would be computed twice);
// - below a window function, when it does not look at the window;
// - below an aggregation, when it looks at keys and nothing else: whole groups go or stay, also under retraction;
// - below window functions, when it looks at keys of PARTITION BY and nothing else;
// - below a join, to the side that the join keeps whole, and what its own condition says about one side alone likewise;
// - into each input of a union, and below an ORDER BY without LIMIT.
// It stays above a watermark, since rows filtered out still move time, and above a limit. The order of conditions is kept: one may keep
// another from failing.

import Columns

enum FilterPushDown {
    static func apply(_ plan: LogicalPlan) -> LogicalPlan {
        if case .filter(let input, let predicate) = plan { return push(predicate.conjuncts, into: input) }
        if case .join(let left, let right, let join) = plan { return pushJoin([], left, right, join) }
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
        case .over(let input, let over):
            let base = input.fields.count
            let keys = Set(over.partition.compactMap(\.plainColumn))
            return split(conditions, over: { .over($0, over) }, input) { condition in
                let columns = condition.columns
                return !columns.isEmpty && columns.allSatisfy { $0 < base && keys.contains($0) } && !condition.canFail ? condition : nil
            }
        case .union(let inputs): return .union(inputs.map { push(conditions, into: $0) })
        case .join(let left, let right, let join): return pushJoin(conditions, left, right, join)
        case .sort(let input, let sort) where sort.limit == nil && sort.offset == 0:
            return .sort(push(conditions, into: input), sort)
        default: return filtered(plan.mapInputs(apply), conditions)
        }
    }

    /// A condition on the side that a join keeps whole goes below it, as does one of the join's own on the side that it does not.
    private static func pushJoin(_ conditions: [BoundExpression], _ left: LogicalPlan, _ right: LogicalPlan, _ join: LogicalJoin)
        -> LogicalPlan
    {
        let base = left.fields.count
        var (above, leftBelow, rightBelow): ([BoundExpression], [BoundExpression], [BoundExpression]) = ([], [], [])
        let keepsLeft = join.kind != .right && join.kind != .full
        let keepsRight = (join.kind == .inner && join.version == nil) || join.kind == .right
        for condition in conditions {
            let columns = condition.columns
            if columns.isEmpty || (condition.canFail && !above.isEmpty) {
                above.append(condition)
            } else if keepsLeft, columns.allSatisfy({ $0 < base }) {
                leftBelow.append(condition)
            } else if keepsRight, columns.allSatisfy({ $0 >= base }) {
                rightBelow.append(condition.renumbered { $0 - base })
            } else {
                above.append(condition)
            }
        }
        // Versions are found before anything else is asked of them.
        var join = join
        if join.version == nil, join.kind != .full, join.kind != .antiNullAware {
            var own: [BoundExpression] = []
            for condition in join.condition?.conjuncts ?? [] {
                let columns = condition.columns
                if !columns.isEmpty, join.kind == .inner || join.kind == .right || join.kind == .semi, columns.allSatisfy({ $0 < base }) {
                    leftBelow.append(condition)
                } else if !columns.isEmpty, join.kind != .right, columns.allSatisfy({ $0 >= base }) {
                    rightBelow.append(condition.renumbered { $0 - base })
                } else {
                    own.append(condition)
                }
            }
            join.condition = BoundExpression.conjunction(own)
        }
        let lower = leftBelow.isEmpty ? apply(left) : push(leftBelow, into: left)
        let other = rightBelow.isEmpty ? apply(right) : push(rightBelow, into: right)
        return filtered(.join(lower, other, join), above)
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
