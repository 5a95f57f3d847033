// Merge projections: a projection over a projection is one, unless that would compute an expression twice; one that passes all
// columns as they are goes.

enum MergeProjections {
    static func apply(_ plan: LogicalPlan) -> LogicalPlan {
        plan.rewritten { node in
            guard case .project(let input, let columns) = node else { return node }
            if case .project(let inner, let below) = input,
                let merged = merged(columns.map(\.expression), below.map(\.expression))
            {
                let outer = zip(columns, merged).map { LogicalColumn(expression: $1, name: $0.name) }
                return isIdentity(outer.map(\.expression), width: inner.fields.count) ? inner : .project(inner, outer)
            }
            return isIdentity(columns.map(\.expression), width: input.fields.count) ? input : node
        }
    }

    /// The outer expressions over the input of the inner ones; nil when an inner one would be computed more than once.
    static func merged(_ outer: [BoundExpression], _ inner: [BoundExpression]) -> [BoundExpression]? {
        var uses: [Int: Int] = [:]
        for expression in outer { expression.countColumns(into: &uses) }
        for (column, count) in uses {
            guard column < inner.count else { return nil }
            if count > 1, !inner[column].isReference, inner[column].constantValue == nil { return nil }
        }
        return outer.map { $0.replacingColumns { inner[$0] } }
    }

    static func isIdentity(_ expressions: [BoundExpression], width: Int) -> Bool {
        expressions.count == width && expressions.enumerated().allSatisfy { $1.plainColumn == $0 }
    }
}
