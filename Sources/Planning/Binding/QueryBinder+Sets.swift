// QueryBinder+Sets: UNION, INTERSECT, EXCEPT, with and without ALL.
//
// UNION ALL is a union, UNION the different rows of one. The other two count each different row on either side: a union of both sides,
// marked by a column, aggregated by all columns, and then
//
//     INTERSECT          both counts above 0          INTERSECT ALL     each row min(left, right) times
//     EXCEPT             only the left one            EXCEPT ALL        each row left - right times
//
// The columns of all inputs get their common types. NULLs are equal here, as they are in GROUP BY.

import Columns
import Syntax

extension QueryBinder {
    func bindSetOperation(_ query: Query, _ context: QueryContext) throws(SQLError) -> BoundQuery {
        guard case .setOperation(let operation, let all, let left, let right, let span) = query.body else {
            return try bind(query, context)
        }
        // A chain leans to the left; of UNION it is one node.
        var branches = [right]
        var first = left
        while operation == .union, case .setOperation(.union, all, let inner, let next, _) = first.body, !first.hasClauses {
            branches.append(next)
            first = inner
        }
        branches.append(first)
        branches.reverse()
        var bound: [BoundQuery] = []
        for branch in branches {
            if let start = branch.startFrom, case .time(let place) = start {
                throw SQLError("START FROM can only end the whole statement", at: place.span, code: SQLError.featureNotSupported)
            }
            bound.append(try bind(branch, context))
        }
        let (fields, plans) = try unified(bound, branches, operation, span)
        let plan: LogicalPlan
        if operation != .union {
            plan = try counted(plans[0], plans[1], operation, all: all, fields, context, span)
        } else if all {
            plan = .union(plans)
        } else {
            plan = try setAggregate(.union(plans), fields, [], context, isDistinct: true, span)
        }
        return BoundQuery(plan: plan, fields: fields, spans: bound[0].spans)
    }

    /// The inputs with the same columns.
    private func unified(_ bound: [BoundQuery], _ branches: [Query], _ operation: SetOperator, _ span: SourceSpan) throws(SQLError)
        -> ([SQLType.Field], [LogicalPlan])
    {
        let name = operation.rawValue
        let width = bound[0].fields.count
        for (branch, source) in zip(bound, branches) where branch.fields.count != width {
            throw SQLError(
                "each \(name) query must have the same number of columns", at: source.span,
                hint: "this one has \(branch.fields.count), the first has \(width)", code: SQLError.syntaxError)
        }
        var fields = bound[0].fields
        for column in fields.indices {
            let outputs = bound.map { $0.output(column) }
            do {
                let unified = try ExpressionTyping.unify(outputs, what: name)
                fields[column].type = unified.first?.type ?? .null
            } catch {
                throw SQLError(
                    error.message + " (column \"\(fields[column].name)\")", at: error.span, hint: error.hint, code: error.code)
            }
        }
        var plans: [LogicalPlan] = []
        for branch in bound {
            plans.append(try branch.casting(to: fields.map(\.type), mode: .explicit))
            try count(1, span: span)
        }
        return (fields, plans)
    }

    private func setAggregate(
        _ input: LogicalPlan, _ fields: [SQLType.Field], _ calls: [LogicalAggregateCall], _ context: QueryContext, isDistinct: Bool,
        _ span: SourceSpan
    ) throws(SQLError) -> LogicalPlan {
        try WindowFusion.aggregate(
            input,
            LogicalAggregate(
                keys: LogicalPlan.passing(fields), window: nil, calls: calls, emit: context.emit, isDistinct: isDistinct,
                allowedLatenessMicroseconds: latenessMicroseconds, span: span),
            mode: mode)
    }

    private func counted(
        _ left: LogicalPlan, _ right: LogicalPlan, _ operation: SetOperator, all: Bool, _ fields: [SQLType.Field],
        _ context: QueryContext, _ span: SourceSpan
    ) throws(SQLError) -> LogicalPlan {
        let width = fields.count
        func marked(_ plan: LogicalPlan, _ isLeft: Bool) -> LogicalPlan {
            .project(
                plan,
                LogicalPlan.passing(fields) + [LogicalColumn(expression: .constant(.boolean(isLeft), .boolean), name: "is_left")])
        }
        let isLeft = BoundExpression.column(width, .boolean)
        let isRight = BoundExpression(.not(isLeft), type: .boolean)
        func rows(_ filter: BoundExpression, _ side: String) -> LogicalAggregateCall {
            LogicalAggregateCall(
                function: .countRows, arguments: [], filter: filter, isDistinct: false, resultType: .bigint, text: "count of the \(side)",
                span: span)
        }
        try count(5, span: span)
        let aggregated = try setAggregate(
            .union([marked(left, true), marked(right, false)]), fields, [rows(isLeft, "left"), rows(isRight, "right")], context,
            isDistinct: false, span)
        let zero = BoundExpression.constant(.integer(0), .bigint)
        let (first, second) = (BoundExpression.column(width, .bigint), BoundExpression.column(width + 1, .bigint))
        func compare(_ function: ScalarFunction, _ a: BoundExpression, _ b: BoundExpression) -> BoundExpression {
            BoundExpression(.call(function, [a, b]), type: .boolean, span: span)
        }
        if !all {
            let condition = [compare(.greater, first, zero), compare(operation == .intersect ? .greater : .equal, second, zero)]
            return .project(
                .filter(aggregated, BoundExpression(.and(condition), type: .boolean, span: span)), LogicalPlan.passing(fields))
        }
        let times =
            operation == .intersect
            ? BoundExpression(
                .caseWhen([BoundBranch(condition: compare(.less, first, second), result: first)], otherwise: second), type: .bigint)
            : BoundExpression(.call(.subtract, [first, second]), type: .bigint)
        let repeated = LogicalPlan.project(aggregated, LogicalPlan.passing(fields) + [LogicalColumn(expression: times, name: "times")])
        return .project(.replicate(repeated, column: width), LogicalPlan.passing(fields))
    }
}
