// QueryBinder+Subquery: FROM and WHERE, with subqueries as conditions, and the bodies of subqueries.
//
//     EXISTS (q), x IN (q), x > ANY (q)        semi join: left rows with a partner
//     NOT EXISTS (q)                           anti join
//     x NOT IN (q)                             anti join that knows NULL: a partner is who is not known to differ
//     x > ALL (q)                              anti join: a partner is who is not known to be less
//
// What the subquery's WHERE says about outer columns is the join's condition, beside the comparison. Conditions without subqueries come first,
// so that fewer rows are joined.

import Columns
import Syntax

/// FROM and WHERE.
struct BoundSource {
    var plan: LogicalPlan
    var scope: Scope
    /// Conditions that name columns of the query around.
    var correlated: [BoundExpression]
}

/// A condition that is a subquery and nothing else.
private enum SubqueryTest {
    case exists(Query, negated: Bool)
    case compared(Expression, BinaryOperator, Query, isAll: Bool, span: SourceSpan)

    init?(_ condition: Expression) {
        switch condition.kind {
        case .exists(let query): self = .exists(query, negated: false)
        case .inQuery(let operand, let query, let negated):
            self = .compared(operand, negated ? .notEqual : .equal, query, isAll: negated, span: condition.span)
        case .quantified(let operand, let operation, let query, let isAll):
            self = .compared(operand, operation, query, isAll: isAll, span: condition.span)
        case .not(let inner):
            switch inner.kind {
            case .exists(let query): self = .exists(query, negated: true)
            case .inQuery(let operand, let query, let negated):
                self = .compared(operand, negated ? .equal : .notEqual, query, isAll: !negated, span: condition.span)
            default: return nil
            }
        default: return nil
        }
    }
}

extension QueryBinder {
    func bindSource(_ select: Select, _ context: QueryContext, outer: Scope? = nil) throws(SQLError) -> BoundSource {
        var fromContext = context
        fromContext.stateTTL = try stateTTL(select)
        let from = try bindFrom(select.from, fromContext)
        for hint in select.stateTTL where !from.scope.tables.contains(where: { $0.lowercased() == hint.table.name.lowercased() }) {
            throw SQLError(
                "STATE_TTL names \"\(hint.table.name)\", which is not in FROM", at: hint.table.span,
                hint: "in FROM: " + from.scope.tables.joined(separator: ", "), code: SQLError.undefinedTable)
        }
        guard let condition = select.filter else {
            return BoundSource(plan: place(nil, over: from.plan), scope: from.scope, correlated: [])
        }
        let subqueries = SubqueryCollector(self, context)
        var binder = ExpressionBinder(scope: from.scope, clause: .where)
        (binder.subqueries, binder.outer) = (subqueries, outer)
        subqueries.allowMarks(condition)
        var tests: [SubqueryTest] = []
        var bound: [BoundExpression] = []
        let conjuncts = condition.conjuncts
        if conjuncts.contains(where: { SubqueryTest($0) != nil }) {
            for conjunct in conjuncts {
                if let test = SubqueryTest(conjunct) { tests.append(test) } else { bound.append(try binder.bindCondition(conjunct, of: "AND")) }
            }
        } else {
            let whole = try binder.bindCondition(condition, of: "WHERE")
            bound = whole.hasOuterColumns || whole.hasSubqueries ? whole.conjuncts : [whole]
        }
        if let both = bound.first(where: { $0.hasOuterColumns && $0.hasSubqueries }) {
            throw SQLError(
                "a condition with an outer column and a subquery at once is not supported yet", at: both.span,
                code: SQLError.featureNotSupported)
        }
        let correlated = bound.filter(\.hasOuterColumns)
        let late = bound.filter(\.hasSubqueries)
        let predicate = BoundExpression.conjunction(bound.filter { !$0.hasOuterColumns && !$0.hasSubqueries })
        var plan = place(predicate, over: from.plan)
        for test in tests { plan = try bindTest(test, plan, from.scope, context) }
        if let predicate = BoundExpression.conjunction(late) {
            plan = try subqueries.attach(plan) { $0 }
            plan = .filter(plan, subqueries.placed(predicate))
        }
        return BoundSource(plan: plan, scope: from.scope, correlated: correlated)
    }

    private func stateTTL(_ select: Select) throws(SQLError) -> [String: Int64] {
        var found: [String: Int64] = [:]
        for hint in select.stateTTL {
            let literal = try ExpressionTyping.literal(.interval(text: hint.text, from: nil, to: nil), span: hint.span)
            guard let microseconds = ExpressionTyping.constantMicroseconds(literal), microseconds > 0 else {
                throw SQLError(
                    "STATE_TTL needs a positive interval of fixed length", at: hint.span, hint: "for example '1 h'",
                    code: SQLError.invalidParameter)
            }
            found[hint.table.name.lowercased()] = microseconds
        }
        return found
    }

    // MARK: Conditions

    private func bindTest(_ test: SubqueryTest, _ plan: LogicalPlan, _ scope: Scope, _ context: QueryContext) throws(SQLError)
        -> LogicalPlan
    {
        let base = plan.fields.count
        switch test {
        case .exists(let query, let negated):
            let body = try bindBody(query, context, outer: scope, ignoresLimit: true)
            return try joined(plan, body, negated ? .anti : .semi, [], query)
        case .compared(let operand, let operation, let query, let isAll, let span):
            let body = try bindBody(query, context, outer: scope, ignoresLimit: false)
            let items = body.items.map { $0.placedOuter(base) }
            var operands = [operand]
            if case .row(let parts) = operand.kind { operands = parts }
            guard operands.count == items.count else {
                throw SQLError(
                    "subquery has too \(operands.count < items.count ? "many" : "few") columns", at: query.span, code: SQLError.syntaxError)
            }
            var left: [BoundExpression] = []
            for operand in operands { left.append(try ExpressionBinder(scope: scope, clause: .where).bind(operand)) }
            return try compared(plan, body, left, items, operation, isAll: isAll, query, span)
        }
    }

    private func compared(
        _ plan: LogicalPlan, _ body: SubqueryBody, _ left: [BoundExpression], _ right: [BoundExpression], _ operation: BinaryOperator,
        isAll: Bool, _ query: Query, _ span: SourceSpan
    ) throws(SQLError) -> LogicalPlan {
        if left.count > 1, isAll ? operation != .notEqual : operation != .equal {
            throw SQLError("rows can only be compared by IN and NOT IN", at: span, code: SQLError.featureNotSupported)
        }
        // x <> ALL is NOT (x = ANY): the comparison that makes a partner.
        let isNegatedIn = isAll && operation == .notEqual
        var comparisons: [BoundExpression] = []
        for (a, b) in zip(left, right) {
            comparisons.append(
                try ExpressionTyping.binary(isNegatedIn ? .equal : operation, a, b, operatorSpan: span, span: span, text: ""))
        }
        guard isAll else { return try joined(plan, body, .semi, comparisons, query) }
        if isNegatedIn, body.correlated.isEmpty, left.count == 1 {
            let join = LogicalJoin(kind: .antiNullAware, condition: comparisons[0], span: query.span)
            let analysis = JoinAnalysis(plan, body.plan, join, mode: mode)
            if analysis.keys.count == 1, analysis.others.isEmpty { return try joined(plan, body, .antiNullAware, comparisons, query) }
        }
        let comparison = try ExpressionTyping.and(comparisons, span: span, text: "")
        let partner = try ExpressionTyping.isTest(comparison, isNegatedIn ? .isFalse : .isTrue, negated: true, span: span, text: "")
        return try joined(plan, body, .anti, [partner], query)
    }

    private func joined(
        _ plan: LogicalPlan, _ body: SubqueryBody, _ kind: JoinOperator, _ comparisons: [BoundExpression], _ query: Query
    ) throws(SQLError) -> LogicalPlan {
        try count(2, span: query.span)
        let base = plan.fields.count
        if let item = (body.items + body.correlated).first(where: \.hasSubqueries) {
            throw SQLError("a subquery is not supported here yet", at: item.span, code: SQLError.featureNotSupported)
        }
        let condition = BoundExpression.conjunction(comparisons + body.correlated.map { $0.placedOuter(base) })
        let join = LogicalJoin(kind: kind, condition: condition, span: query.span)
        return JoinAnalysis.bounding(.join(plan, body.plan, join), mode: mode)
    }

    // MARK: Bodies

    /// The rows of a subquery. One that is a plain SELECT may name columns of the query around it in its WHERE and its select list; any
    /// other stands by itself.
    func bindBody(_ query: Query, _ context: QueryContext, outer: Scope, ignoresLimit: Bool) throws(SQLError) -> SubqueryBody {
        if query.isPlain(ignoresLimit: ignoresLimit), case .select(let select) = query.body, select.groupBy.isEmpty, select.having == nil,
            let body = try bindPlain(select, query, context, outer), body.grouping.calls.isEmpty
        {
            return body
        }
        let bound = try bind(query, context)
        let scope = Scope(table: nil, fields: bound.fields)
        return SubqueryBody(
            plan: bound.plan, scope: scope, items: bound.fields.indices.map { bound.output($0) }.enumerated().map { .column($0, $1.type, span: $1.span) },
            correlated: [], grouping: Grouping(scope: scope, columnCount: bound.fields.count))
    }

    /// A subquery of aggregates without GROUP BY; nil for any other.
    func bindGrouped(_ query: Query, _ context: QueryContext, outer: Scope) throws(SQLError) -> SubqueryBody? {
        guard query.isPlain(ignoresLimit: false), case .select(let select) = query.body, select.groupBy.isEmpty, select.having == nil,
            let body = try bindPlain(select, query, context, outer)
        else { return nil }
        if body.grouping.calls.isEmpty, let condition = body.correlated.first {
            throw SQLError(
                "a subquery used as a value that names outer columns must be an aggregate", at: condition.span,
                hint: "for example max(..): there must be one row at most", code: SQLError.featureNotSupported)
        }
        return body.grouping.calls.isEmpty ? nil : body
    }

    @inline(never)
    private func bindPlain(_ select: Select, _ query: Query, _ context: QueryContext, _ outer: Scope) throws(SQLError) -> SubqueryBody? {
        if select.items.contains(where: { $0.expression.isOverCall }) { return nil }
        let source = try nested(query) { () throws(SQLError) in try bindSource(select, context, outer: outer) }
        let grouping = Grouping(scope: source.scope, columnCount: source.plan.fields.count)
        var binder = ExpressionBinder(scope: source.scope, clause: .select, grouping: grouping)
        binder.outer = outer
        var items: [BoundExpression] = []
        for item in select.items {
            if case .star(let qualifier) = item.expression.kind {
                let columns = try qualifier.map { (name) throws(SQLError) in try source.scope.columns(of: name) } ?? source.scope.starColumns
                items += columns.map { .column($0.ordinal, $0.type, span: item.expression.span) }
            } else {
                items.append(try binder.bind(item.expression))
            }
        }
        return SubqueryBody(plan: source.plan, scope: source.scope, items: items, correlated: source.correlated, grouping: grouping)
    }
}

extension Expression {
    /// The operands of a chain of ANDs.
    var conjuncts: [Expression] {
        var result: [Expression] = []
        var rest = [self]
        while let next = rest.popLast() {
            if case .binary(.and, let left, let right, _) = next.kind { rest += [right, left] } else { result.append(next) }
        }
        return result
    }

    fileprivate var isOverCall: Bool {
        if case .call(let call) = kind { call.over != nil } else { false }
    }
}

extension Query {
    /// A SELECT whose rows are those of FROM and WHERE. DISTINCT and ORDER BY change nothing where only being there counts.
    fileprivate func isPlain(ignoresLimit: Bool) -> Bool {
        guard case .select(let select) = body, with.isEmpty, emit == nil, startFrom == nil, offset == nil, select.qualify == nil,
            select.windows.isEmpty
        else { return false }
        guard let limit else { return true }
        guard ignoresLimit, case .literal(.integer(let digits)) = limit.kind, let count = Int(digits) else { return false }
        return count > 0
    }
}

extension BoundExpression {
    /// Over the columns of a join whose right side begins at `base` and is the subquery.
    fileprivate func placedOuter(_ base: Int) -> BoundExpression {
        renumbered { $0 >= SubqueryCollector.outerBase ? $0 - SubqueryCollector.outerBase : $0 + base }
    }
}
