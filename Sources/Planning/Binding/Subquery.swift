// Subquery: queries within expressions, as joins.
//
// `x IN (SELECT ..)` and `EXISTS (SELECT ..)` that a whole condition of WHERE consists of are semi joins, their negations anti joins
// (`QueryBinder+Subquery`). What stands elsewhere becomes a column: an expression is bound with a column from `columnBase` on in the
// subquery's place, and when the plan below is known the subquery is joined to it (`attach`), and the column replaced by what it is
// (`placed`). The join is a LEFT one, so no row is lost; the right side has at most one row for each left one, because it is an
// aggregation by the columns that the subquery compares with outer ones, or a query of one row.
//
// Within a subquery an outer column is numbered from `outerBase` on.

import Columns
import Syntax

final class SubqueryCollector {
    static let columnBase = 1 << 44
    static let outerBase = 1 << 45

    private struct Pending {
        var right: LogicalPlan
        /// Equal pairs: over the columns of the SELECT around, and over `right`.
        var pairs: [(left: BoundExpression, right: BoundExpression)]
        /// Over `right` and, from `outerBase` on, the columns of the SELECT around.
        var value: BoundExpression
        var span: SourceSpan
        var firstColumn = 0
    }

    private let binder: QueryBinder
    private let context: QueryContext
    private var pending: [Pending] = []
    private var attached = 0
    private var markable: Set<Expression> = []
    /// The expressions that the columns stand for, over the plan to which they were attached.
    private var values: [BoundExpression] = []
    /// Of the outer columns that values name.
    private var outerTypes: [Int: SQLType] = [:]

    init(_ binder: QueryBinder, _ context: QueryContext) {
        self.binder = binder
        self.context = context
    }

    var isEmpty: Bool { pending.isEmpty }

    /// Notes where NULL says no more than FALSE: the operands of AND and OR of a whole condition.
    func allowMarks(_ condition: Expression) {
        switch condition.kind {
        case .binary(.and, let left, let right, _), .binary(.or, let left, let right, _):
            allowMarks(left)
            allowMarks(right)
        case .inQuery: markable.insert(condition)
        default: break
        }
    }

    /// The column of a subquery.
    @inline(never)
    func bind(_ expression: Expression, _ outer: ExpressionBinder) throws(SQLError) -> BoundExpression {
        let found: Pending
        switch expression.kind {
        case .scalarQuery(let query): found = try bindScalar(query, outer.scope)
        case .exists(let query): found = try bindExists(query, outer.scope)
        case .inQuery(let operand, let query, let negated):
            guard !negated, markable.contains(expression) else {
                throw SQLError(
                    "\(negated ? "NOT IN" : "IN") (query) is not supported here yet", at: expression.span,
                    hint: "it can be a condition of WHERE joined to others by AND; \(negated ? "NOT EXISTS" : "EXISTS") can stand anywhere",
                    code: SQLError.featureNotSupported)
            }
            found = try bindIn(try outer.bind(operand), query, outer.scope)
        default: throw SQLError("this expression is not supported", at: expression.span, code: SQLError.featureNotSupported)
        }
        pending.append(found)
        return .column(Self.columnBase + pending.count - 1, found.value.type, span: expression.span)
    }

    /// The plan joined with the subqueries met so far. `rewrite` turns columns of FROM into columns of the plan.
    func attach(_ plan: LogicalPlan, _ rewrite: (BoundExpression) throws(SQLError) -> BoundExpression) throws(SQLError) -> LogicalPlan {
        var plan = plan
        for subquery in pending[attached...] {
            let base = plan.fields.count
            var conjuncts: [BoundExpression] = []
            for pair in subquery.pairs {
                let right = pair.right.renumbered { $0 + base }
                conjuncts.append(
                    try ExpressionTyping.binary(
                        .equal, try rewrite(pair.left), right, operatorSpan: subquery.span, span: subquery.span, text: ""))
            }
            let join = LogicalJoin(kind: .left, condition: BoundExpression.conjunction(conjuncts), span: subquery.span)
            plan = JoinAnalysis.bounding(.join(plan, subquery.right, join), mode: binder.mode)
            try binder.count(2, span: subquery.span)
            values.append(
                try subquery.value.substituting { (ordinal) throws(SQLError) in
                    guard ordinal >= Self.outerBase else { return .column(ordinal + base, subquery.right.fields[ordinal].type) }
                    let place = ordinal - Self.outerBase
                    return try rewrite(.column(place, outerTypes[place] ?? .null, span: subquery.span))
                })
        }
        attached = pending.count
        return plan
    }

    /// The expression over the plan that `attach` gave.
    func placed(_ expression: BoundExpression) -> BoundExpression {
        if pending.isEmpty { return expression }
        return expression.substituting { ordinal in
            let place = ordinal - Self.columnBase
            return values.indices.contains(place) ? values[place] : nil
        }
    }

    // MARK: The kinds

    private func bindScalar(_ query: Query, _ scope: Scope) throws(SQLError) -> Pending {
        if let body = try binder.bindGrouped(query, context, outer: scope) {
            guard let value = body.items.first, body.items.count == 1 else { throw Self.oneColumn(query) }
            let (plan, pairs) = try aggregated(body, extraKeys: [], query)
            let rewriter = GroupedRewriter(
                keys: body.keys(pairs.map(\.inner)), callBase: body.grouping.callBase, callColumn: pairs.count, groupings: [], scope: body.scope)
            let calls = body.grouping.calls
            // No group, no row: the aggregates of nothing are NULL, but counts are 0.
            let rewritten = try rewriter.rewrite(value).substituting { ordinal in
                let place = ordinal - pairs.count
                guard calls.indices.contains(place), calls[place].function.isZeroOfNothing else { return nil }
                let type = calls[place].resultType
                return BoundExpression(.coalesce([.column(ordinal, type), .constant(.integer(0), type)]), type: type)
            }
            value.collectTypes(from: Self.outerBase, into: &outerTypes)
            return Pending(
                right: plan, pairs: pairs.enumerated().map { ($1.outer, .column($0, $1.inner.type)) }, value: rewritten, span: query.span)
        }
        let bound = try binder.bind(query, context)
        guard bound.fields.count == 1 else { throw Self.oneColumn(query) }
        guard bound.plan.hasOneRowAtMost else {
            throw SQLError(
                "more than one row could come from a subquery used as an expression", at: query.span,
                hint: "make it an aggregate, such as max(..), without GROUP BY; or end it with LIMIT 1", code: "21000")
        }
        return Pending(right: bound.plan, pairs: [], value: .column(0, bound.fields[0].type), span: query.span)
    }

    private static func oneColumn(_ query: Query) -> SQLError {
        SQLError("subquery must return only one column", at: query.span, code: SQLError.syntaxError)
    }

    private func bindExists(_ query: Query, _ scope: Scope) throws(SQLError) -> Pending {
        var body = try binder.bindBody(query, context, outer: scope, ignoresLimit: true)
        body.countRows(span: query.span)
        let (plan, pairs) = try aggregated(body, extraKeys: [], query)
        let count = BoundExpression.column(pairs.count, .bigint)
        var value = BoundExpression(.isNull(count, negated: true), type: .boolean, span: query.span)
        if pairs.isEmpty {
            let zero = BoundExpression.constant(.integer(0), .bigint)
            value = BoundExpression(
                .call(.greater, [BoundExpression(.coalesce([count, zero]), type: .bigint), zero]), type: .boolean, span: query.span)
        }
        return Pending(right: plan, pairs: pairs.enumerated().map { ($1.outer, .column($0, $1.inner.type)) }, value: value, span: query.span)
    }

    private func bindIn(_ operand: BoundExpression, _ query: Query, _ scope: Scope) throws(SQLError) -> Pending {
        var body = try binder.bindBody(query, context, outer: scope, ignoresLimit: false)
        guard body.items.count == 1 else {
            throw SQLError("subquery has too many columns", at: query.span, code: SQLError.syntaxError)
        }
        guard let sides = try ExpressionTyping.comparable(operand, body.items[0]) else {
            throw ExpressionTyping.noOperator(.equal, operand, body.items[0], operand.span)
        }
        body.countRows(span: query.span)
        let (plan, pairs) = try aggregated(body, extraKeys: [(sides[0], sides[1])], query)
        let count = BoundExpression.column(pairs.count, .bigint)
        let value = BoundExpression(.isNull(count, negated: true), type: .boolean, span: query.span)
        return Pending(right: plan, pairs: pairs.enumerated().map { ($1.outer, .column($0, $1.inner.type)) }, value: value, span: query.span)
    }

    /// The subquery's rows by what they are compared with: the keys, then the aggregates.
    private func aggregated(_ body: SubqueryBody, extraKeys: [(outer: BoundExpression, inner: BoundExpression)], _ query: Query)
        throws(SQLError) -> (LogicalPlan, [(outer: BoundExpression, inner: BoundExpression)])
    {
        var pairs = extraKeys
        for condition in body.correlated {
            guard let pair = condition.correlatedPair else {
                throw SQLError(
                    "a subquery used as a value can only compare its own columns with outer ones by =", at: condition.span,
                    hint: "as a whole condition of WHERE, EXISTS and IN take any comparison", code: SQLError.featureNotSupported)
            }
            pairs.append(pair)
        }
        for pair in pairs {
            if pair.inner.columns.contains(where: { $0 >= Self.columnBase }) {
                throw SQLError(
                    "an outer column is not supported here", at: pair.inner.span, hint: "compare it in the subquery's WHERE",
                    code: SQLError.featureNotSupported)
            }
        }
        let keys = pairs.enumerated().map { LogicalColumn(expression: $1.inner, name: "key\($0 + 1)") }
        var calls = body.grouping.calls
        for index in calls.indices where calls[index].text.isEmpty { calls[index].text = calls[index].function.rawValue }
        let aggregate = LogicalAggregate(
            keys: keys, window: nil, calls: calls, emit: context.emit == .changes ? .changes : nil, isDistinct: false,
            allowedLatenessMicroseconds: binder.latenessMicroseconds, span: query.span)
        return (try WindowFusion.aggregate(body.plan, aggregate, mode: binder.mode), pairs)
    }
}

/// A subquery that may name outer columns.
struct SubqueryBody {
    var plan: LogicalPlan
    var scope: Scope
    /// Over the plan's columns and outer ones.
    var items: [BoundExpression]
    /// Conditions of its WHERE that name outer columns.
    var correlated: [BoundExpression]
    var grouping: Grouping

    /// Instead of whatever it selects.
    mutating func countRows(span: SourceSpan) {
        grouping = Grouping(scope: scope, columnCount: plan.fields.count)
        _ = try? grouping.column(
            of: LogicalAggregateCall(
                function: .countRows, arguments: [], filter: nil, isDistinct: false, resultType: .bigint, text: "count(*)", span: span))
    }

    func keys(_ expressions: [BoundExpression]) -> [(match: BoundExpression, column: Int)] {
        expressions.enumerated().map { ($1, $0) }
    }
}

extension BoundExpression {
    var hasOuterColumns: Bool { columns.contains { $0 >= SubqueryCollector.outerBase } }
    var hasSubqueries: Bool { columns.contains { $0 >= SubqueryCollector.columnBase && $0 < SubqueryCollector.outerBase } }

    /// The types of the columns from `base` on, by their distance from it.
    func collectTypes(from base: Int, into types: inout [Int: SQLType]) {
        if case .column(let ordinal) = kind, ordinal >= base { types[ordinal - base] = type }
        for child in children { child.collectTypes(from: base, into: &types) }
    }

    /// `inner = outer`, either way round; the outer side over the columns it names.
    var correlatedPair: (outer: BoundExpression, inner: BoundExpression)? {
        guard case .call(.equal, let operands) = kind, operands.count == 2 else { return nil }
        func isOuter(_ expression: BoundExpression) -> Bool {
            let columns = expression.columns
            return !columns.isEmpty && columns.allSatisfy { $0 >= SubqueryCollector.outerBase }
        }
        func isInner(_ expression: BoundExpression) -> Bool { expression.columns.allSatisfy { $0 < SubqueryCollector.columnBase } }
        func named(_ expression: BoundExpression) -> BoundExpression { expression.renumbered { $0 - SubqueryCollector.outerBase } }
        if isOuter(operands[0]), isInner(operands[1]) { return (named(operands[0]), operands[1]) }
        if isOuter(operands[1]), isInner(operands[0]) { return (named(operands[1]), operands[0]) }
        return nil
    }
}

extension AggregateFunction {
    /// Whether it is 0 where there are no rows, and not NULL.
    var isZeroOfNothing: Bool { self == .countRows || self == .count || self == .approxCountDistinct || self == .regrCount }
}

extension LogicalPlan {
    /// Whether it is known that at most one row is there at a time.
    var hasOneRowAtMost: Bool {
        switch self {
        case .values(let rows, _): rows.count <= 1
        case .filter(let input, _), .project(let input, _): input.hasOneRowAtMost
        case .sort(let input, let sort): sort.limit.map { $0 <= 1 } ?? input.hasOneRowAtMost
        case .limit(let input, let count, _): count.map { $0 <= 1 } ?? input.hasOneRowAtMost
        case .aggregate(_, let aggregate): aggregate.keys.isEmpty && aggregate.window == nil
        default: false
        }
    }
}
