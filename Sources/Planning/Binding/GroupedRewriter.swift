// GroupedRewriter: an expression of a grouped SELECT, bound over the columns of FROM, as one over the columns of the aggregation.
//
// What equals a group key becomes that key, whole expressions before their parts, however the two were written; aggregates and window
// properties become their columns; a column that is left over breaks the grouping rule.

import Columns
import Syntax

struct GroupedRewriter {
    /// What the keys look like in a select list, and the aggregation's column that holds each.
    var keys: [(match: BoundExpression, column: Int)]
    /// Columns from here on are aggregates (see `Grouping`).
    var callBase: Int
    /// The aggregation's column of the first aggregate.
    var callColumn: Int
    /// What each GROUPING(..) is over the aggregation's columns.
    var groupings: [BoundExpression]
    var scope: Scope

    func rewrite(_ expression: BoundExpression) throws(SQLError) -> BoundExpression {
        for key in keys where key.match.isSame(as: expression) {
            return .column(key.column, expression.type, span: expression.span)
        }
        guard case .column(let ordinal) = expression.kind else {
            return try expression.mapChildren { (child) throws(SQLError) in try rewrite(child) }
        }
        // Subqueries stand above the aggregation: their columns are placed later.
        if ordinal >= SubqueryCollector.columnBase { return expression }
        // Window functions stand above the aggregation: their columns are placed later.
        if ordinal >= OverCollector.columnBase { return expression }
        if ordinal >= Grouping.groupingBase {
            let place = ordinal - Grouping.groupingBase
            guard groupings.indices.contains(place) else {
                throw SQLError("GROUPING is not supported in this subquery", at: expression.span, code: SQLError.featureNotSupported)
            }
            return groupings[place]
        }
        if ordinal >= callBase {
            return .column(ordinal - callBase + callColumn, expression.type, span: expression.span)
        }
        let name = scope.columns.first { $0.ordinal == ordinal }?.name ?? "?"
        throw SQLError(
            "column \"\(name)\" must appear in the GROUP BY clause or be used in an aggregate function", at: expression.span,
            hint: "group by it too, or say which of its values: max(\(name)), last_value(\(name))", code: SQLError.groupingError)
    }
}
