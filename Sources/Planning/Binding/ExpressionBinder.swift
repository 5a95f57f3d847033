// ExpressionBinder: a scalar expression's tree to a bound expression: names become ordinals, special forms become the few kinds that
// evaluation knows. Types are the business of `ExpressionTyping`.
//
// Aggregates are collected on the side: in a select list `sum(price) / 2` becomes a division of a column that does not exist yet.
// Such columns are numbered behind the scope's own (see `Grouping`), and `GroupedRewriter` puts the real ones in their place.

import Anomaly
import Columns
import Syntax

/// Where an expression stands: what may be in it, and how an error names the place.
enum Clause {
    case select, `where`, having, groupBy, orderBy, join, qualify
    /// An argument, a key or the filter of this window function.
    case over(String)
    case aggregate(String), filter, values, computedColumn, watermark, unnest
    case constant(String)
    case functionBody
    /// A clause of MATCH_RECOGNIZE.
    case match(String)

    var name: String {
        switch self {
        case .select: "SELECT"
        case .where: "WHERE"
        case .having: "HAVING"
        case .groupBy: "GROUP BY"
        case .orderBy: "ORDER BY"
        case .join: "JOIN conditions"
        case .qualify: "QUALIFY"
        case .over: "OVER"
        case .aggregate(let name): name
        case .filter: "FILTER"
        case .values: "VALUES"
        case .computedColumn: "a computed column"
        case .watermark: "a watermark"
        case .unnest: "UNNEST"
        case .constant(let what), .match(let what): what
        case .functionBody: "a function's body"
        }
    }
}

/// The aggregates and the window of the SELECT being bound. Columns behind those of FROM: three for the window, then one per aggregate;
/// far behind them, one per GROUPING(..).
final class Grouping {
    let scope: Scope
    let columnCount: Int
    var window: GroupWindow?
    private(set) var calls: [LogicalAggregateCall] = []
    /// The arguments of each GROUPING(..), with its place.
    private(set) var groupings: [(arguments: [BoundExpression], span: SourceSpan)] = []

    init(scope: Scope, columnCount: Int) {
        self.scope = scope
        self.columnCount = columnCount
    }

    var callBase: Int { columnCount + 3 }

    func windowColumn(_ role: WindowRole, span: SourceSpan) -> BoundExpression {
        .column(columnCount + role.rawValue, window?.time.type ?? .timestamp(precision: 3), span: span)
    }

    static let groupingBase = 1 << 32

    func column(ofGrouping arguments: [BoundExpression], span: SourceSpan) -> BoundExpression {
        groupings.append((arguments, span))
        return .column(Self.groupingBase + groupings.count - 1, .bigint, span: span)
    }

    /// As many as a select list may have columns.
    static let callsMax = 1664

    /// The column of an aggregate; the same call twice is one.
    func column(of call: LogicalAggregateCall) throws(SQLError) -> BoundExpression {
        if let index = calls.firstIndex(where: { $0.isSame(as: call) }) {
            return .column(callBase + index, call.resultType, span: call.span)
        }
        if calls.count >= Self.callsMax {
            throw SQLError("a query can have at most \(Self.callsMax) aggregates", at: call.span, code: "54011")
        }
        calls.append(call)
        return .column(callBase + calls.count - 1, call.resultType, span: call.span)
    }
}

struct ExpressionBinder {
    let scope: Scope
    let clause: Clause
    /// Where aggregates may stand; nil where they may not.
    var grouping: Grouping?
    /// Within MATCH_RECOGNIZE: what columns and navigations mean there.
    var match: MatchNames?
    /// Where subqueries may stand; nil where they may not.
    var subqueries: SubqueryCollector?
    /// The names of the query around a subquery.
    var outer: Scope?
    /// Where window functions may stand; nil where they may not.
    var overs: OverCollector?
    /// Names of the select list, for a clause that may use them when no column has the name (QUALIFY).
    var aliases: [(name: String, expression: BoundExpression)] = []
    /// They come before columns.
    var prefersAliases = false

    init(scope: Scope, clause: Clause, grouping: Grouping? = nil, overs: OverCollector? = nil) {
        self.scope = scope
        self.clause = clause
        self.grouping = grouping
        self.overs = overs
    }

    /// Only looks which form it is: this function's frame stands on the stack once for every level of the tree.
    func bind(_ expression: Expression) throws(SQLError) -> BoundExpression {
        if let match, let operand = try match.bind(expression, self) { return operand }
        switch expression.kind {
        case .binary: return try bindBinary(expression)
        case .between: return try bindBetween(expression)
        case .like: return try bindLike(expression)
        case .caseWhen: return try bindCase(expression)
        case .call: return try bindCall(expression)
        case .literal, .column, .niladic: return try bindLeaf(expression)
        case .unary, .not, .isTest, .cast, .extract: return try bindOneOperand(expression)
        case .isDistinct, .inList, .atTimeZone: return try bindOperands(expression)
        case .inQuery, .exists, .scalarQuery:
            guard let subqueries else { throw refusal(expression) }
            return try subqueries.bind(expression, self)
        case .element, .field, .array, .row: return try bindNested(expression)
        default: throw refusal(expression)
        }
    }

    @inline(never)
    private func refusal(_ expression: Expression) -> SQLError {
        let span = expression.span
        switch expression.kind {
        case .star: return SQLError("\"*\" can only stand in a select list and in count(*)", at: span)
        case .arrayQuery: return notYet("ARRAY of a query over streams is", span)
        case .inQuery, .exists, .scalarQuery: return notYet("subqueries in \(clause.name) are", span)
        case .quantified: return notYet("ANY and ALL of a query here are", span)
        case .descriptor, .tableArgument, .cursor:
            return SQLError("this can only be an argument of a table function", at: span)
        default: return SQLError("this expression is not supported", at: span, code: SQLError.featureNotSupported)
        }
    }

    @inline(never)
    private func bindLeaf(_ expression: Expression) throws(SQLError) -> BoundExpression {
        switch expression.kind {
        case .literal(let literal): return try ExpressionTyping.literal(literal, span: expression.span)
        case .column(let name): return try bindColumn(name, span: expression.span)
        case .niladic(let name): return try ExpressionTyping.niladic(name, span: expression.span)
        default: throw refusal(expression)
        }
    }

    @inline(never)
    private func bindOneOperand(_ expression: Expression) throws(SQLError) -> BoundExpression {
        let operand: Expression
        switch expression.kind {
        case .unary(_, let inner), .not(let inner), .isTest(let inner, _, _), .cast(let inner, _, _), .extract(_, let inner):
            operand = inner
        default: throw refusal(expression)
        }
        return try finish(expression, try bind(operand))
    }

    @inline(never)
    private func finish(_ expression: Expression, _ operand: BoundExpression) throws(SQLError) -> BoundExpression {
        let (span, text) = (expression.span, text(expression))
        switch expression.kind {
        case .unary(let operation, _): return try ExpressionTyping.unary(operation, operand, span: span, text: text)
        case .not: return try ExpressionTyping.not(operand, span: span, text: text)
        case .isTest(_, let test, let negated):
            return try ExpressionTyping.isTest(operand, test, negated: negated, span: span, text: text)
        case .cast(_, let type, let isTry):
            var target = try ExpressionTyping.type(type)
            if let whole = ExpressionTyping.unconstrained(type, of: operand) { target = whole }
            return try ExpressionTyping.cast(operand, to: target, mode: isTry ? .attempt : .explicit, span: span, text: text)
        case .extract(let field, _): return try ExpressionTyping.extract(field: field, from: operand, span: span, text: text)
        default: throw refusal(expression)
        }
    }

    @inline(never)
    private func bindOperands(_ expression: Expression) throws(SQLError) -> BoundExpression {
        let operands: [BoundExpression]
        switch expression.kind {
        case .isDistinct(let left, let right, _), .atTimeZone(let left, let right): operands = try bindAll([left, right])
        case .inList(let operand, let items, _): operands = try bindAll([operand] + items)
        default: throw refusal(expression)
        }
        return try finish(expression, operands)
    }

    @inline(never)
    private func finish(_ expression: Expression, _ operands: [BoundExpression]) throws(SQLError) -> BoundExpression {
        let (span, text) = (expression.span, text(expression))
        switch expression.kind {
        case .isDistinct(_, _, let negated):
            return try ExpressionTyping.isDistinct(operands[0], operands[1], negated: negated, span: span, text: text)
        case .atTimeZone: return try ExpressionTyping.atTimeZone(operands[0], zone: operands[1], span: span, text: text)
        case .inList(_, _, let negated):
            return try ExpressionTyping.inList(
                operands[0], Array(operands.dropFirst()), negated: negated, span: span, text: text)
        case .between(_, _, _, let negated, let symmetric):
            return try ExpressionTyping.between(
                operands[0], low: operands[1], high: operands[2], negated: negated, symmetric: symmetric, span: span, text: text)
        case .binary(let operation, _, _, let operatorSpan):
            switch operation {
            case .and: return try ExpressionTyping.and(operands, span: span, text: text)
            case .or: return try ExpressionTyping.or(operands, span: span, text: text)
            default:
                return try ExpressionTyping.binary(
                    operation, operands[0], operands[1], operatorSpan: operatorSpan, span: span, text: text)
            }
        default: throw refusal(expression)
        }
    }

    private func notYet(_ what: String, _ span: SourceSpan) -> SQLError {
        SQLError("\(what) not supported yet", at: span, code: SQLError.featureNotSupported)
    }

    func text(_ expression: Expression) -> String { Printer.print(expression) }

    func bindAll(_ expressions: [Expression]) throws(SQLError) -> [BoundExpression] {
        var bound: [BoundExpression] = []
        bound.reserveCapacity(expressions.count)
        for expression in expressions { bound.append(try bind(expression)) }
        return bound
    }

    /// A BOOLEAN; `place` is how the error names what wants one.
    func bindCondition(_ expression: Expression, of place: String) throws(SQLError) -> BoundExpression {
        try ExpressionTyping.condition(try bind(expression), of: place)
    }

    @inline(never)
    private func bindColumn(_ name: QualifiedName, span: SourceSpan) throws(SQLError) -> BoundExpression {
        if case .constant(let what) = clause {
            throw SQLError("\(what) must be a constant", at: span, code: SQLError.invalidParameter)
        }
        var isColumn = aliases.isEmpty || name.parts.count > 1
        if !isColumn, !prefersAliases { isColumn = try scope.find(name.last, span: name.span) != nil }
        if !isColumn, var named = alias(name.last.name) {
            named.span = span
            return named
        }
        do { return try path(name, scope, base: 0, span) } catch {
            guard let outer, error.code == SQLError.undefinedColumn || error.code == SQLError.undefinedTable,
                let column = try? path(name, outer, base: SubqueryCollector.outerBase, span)
            else { throw error }
            return column
        }
    }

    private func path(_ name: QualifiedName, _ scope: Scope, base: Int, _ span: SourceSpan) throws(SQLError) -> BoundExpression {
        let (column, fields) = try scope.resolvePath(name)
        var bound = BoundExpression.column(base + column.ordinal, column.type, span: span)
        for field in fields { bound = try ExpressionTyping.field(field, of: bound, span: span) }
        return bound
    }

    private func alias(_ name: String) -> BoundExpression? {
        (aliases.first { $0.name == name } ?? aliases.first { $0.name.lowercased() == name.lowercased() })?.expression
    }

    @inline(never)
    private func bindBinary(_ expression: Expression) throws(SQLError) -> BoundExpression {
        guard case .binary(let operation, let left, let right, let operatorSpan) = expression.kind else { throw refusal(expression) }
        if case .row(let first) = left.kind, case .row(let second) = right.kind, operation.isComparison {
            return try ExpressionTyping.compareRows(
                operation, try bindAll(first), try bindAll(second), operatorSpan: operatorSpan, span: expression.span, text: text(expression))
        }
        return try finish(expression, try bindAll([left, right]))
    }

    @inline(never)
    private func bindBetween(_ expression: Expression) throws(SQLError) -> BoundExpression {
        guard case .between(let operand, let low, let high, _, _) = expression.kind else { throw refusal(expression) }
        return try finish(expression, try bindAll([operand, low, high]))
    }

    @inline(never)
    private func bindLike(_ expression: Expression) throws(SQLError) -> BoundExpression {
        guard case .like(let operand, let pattern, let escape, let kind, let negated) = expression.kind else {
            throw refusal(expression)
        }
        var boundEscape: BoundExpression?
        if let escape { boundEscape = try bind(escape) }
        let text = text(expression)
        let like = try ExpressionTyping.like(
            try bind(operand), pattern: try bind(pattern), escape: boundEscape, kind: kind, span: expression.span, text: text)
        return negated ? try ExpressionTyping.not(like, span: expression.span, text: text) : like
    }

    @inline(never)
    private func bindCase(_ expression: Expression) throws(SQLError) -> BoundExpression {
        guard case .caseWhen(let operand, let branches, let otherwise) = expression.kind else { throw refusal(expression) }
        var compared: BoundExpression?
        if let operand { compared = try bind(operand) }
        var bound: [BoundBranch] = []
        for branch in branches {
            var condition = try bind(branch.condition)
            if let compared {
                condition = try ExpressionTyping.caseOperand(
                    compared, equals: condition, span: branch.condition.span, text: text(branch.condition))
            }
            bound.append(BoundBranch(condition: condition, result: try bind(branch.result)))
        }
        var boundOtherwise: BoundExpression?
        if let otherwise { boundOtherwise = try bind(otherwise) }
        return try ExpressionTyping.caseWhen(
            branches: bound, otherwise: boundOtherwise, span: expression.span, text: text(expression))
    }

    // MARK: Calls

    @inline(never)
    private func bindCall(_ expression: Expression) throws(SQLError) -> BoundExpression {
        guard case .call(let call) = expression.kind else { throw refusal(expression) }
        if let user = try bindUserCall(call, expression) { return user }
        if let special = try bindSpecialCall(call, expression) { return special }
        // `DATEDIFF(day, a, b)`: what is wrong is the function, not that there is no column "day".
        if let hint = NameHints.function(call.name.last.name), FunctionTable.find(call.name.last.name) == nil {
            throw SQLError(
                "function \(call.name.last.name) does not exist", at: call.name.span, hint: hint, code: SQLError.undefinedFunction)
        }
        return try finish(call, expression, try bindAll(call.arguments))
    }

    /// A call of a function of CREATE FUNCTION; nil when there is none of that name.
    @inline(never)
    private func bindUserCall(_ call: FunctionCall, _ expression: Expression) throws(SQLError) -> BoundExpression? {
        guard call.name.parts.count == 1, let functions = FunctionScope.current else { return nil }
        // A function that is being defined is not in the catalog yet, or is another one there.
        let isOpen = functions.open.contains(call.name.last.name.lowercased())
        guard let function = functions.find(call.name.last.name) else {
            guard isOpen else { return nil }
            throw SQLError(
                "function \(call.name.last.name) calls itself", at: call.name.span,
                hint: "functions are put in where they are called, so they cannot be recursive", code: SQLError.featureNotSupported)
        }
        var plain = call
        plain.argumentNames = []
        try plain.checkPlain(span: expression.span)
        return try UserFunctionBinder.call(
            function, call, try bindAll(call.arguments), scope: functions, span: expression.span, text: text(expression))
    }

    /// An aggregate or a window's property; nil for a scalar function.
    @inline(never)
    private func bindSpecialCall(_ call: FunctionCall, _ expression: Expression) throws(SQLError) -> BoundExpression? {
        let span = expression.span
        // PostgreSQL's own schema, which programs name so as not to depend on a search path.
        if call.name.parts.count == 2, call.name.parts[0].name.lowercased() == "pg_catalog" {
            var call = call
            call.name = QualifiedName([call.name.last], span: call.name.span)
            return try bindCall(Expression(.call(call), span: span))
        }
        guard call.name.parts.count == 1 else {
            throw SQLError(
                "function \(call.name.parts.map(\.name).joined(separator: ".")) does not exist", at: call.name.span,
                hint: "functions have no schema", code: SQLError.undefinedFunction)
        }
        if let reference = call.over { return try bindOver(call, reference, expression) }
        try checkNeedsNoOver(call, span: span)
        if let definition = AggregateTable.find(call.name.last.name) { return try bindAggregate(definition, call, expression) }
        if let role = GroupingFunction(call.name) { return try bindGrouping(role, call, span) }
        if let function = WindowFunction.named(call.name) { return try bindWindowFunction(function, call, span) }
        if let json = try bindJSON(call, expression) { return json }
        if let interval = try bindMakeInterval(call, expression) { return interval }
        try call.checkPlain(span: span)
        return nil
    }

    @inline(never)
    private func finish(_ call: FunctionCall, _ expression: Expression, _ arguments: [BoundExpression]) throws(SQLError)
        -> BoundExpression
    {
        let name = call.name.last
        do {
            return try ExpressionTyping.call(name, arguments, span: expression.span, text: text(expression))
        } catch {
            // The scalar functions do not know the aggregates' names.
            let known = AggregateTable.names + ModelFunction.names + ExpressionTyping.functionNames + (FunctionScope.current?.names ?? [])
            if error.code == SQLError.undefinedFunction, error.span == name.span, NameHints.function(name.name) == nil,
                let nearest = NearestName.find(name.name, among: known)
            {
                throw SQLError(error.message, at: error.span, hint: "did you mean \"\(nearest)\"?", code: error.code)
            }
            throw error
        }
    }

    /// `make_interval(days => 3, hours => 2)`; nil without names.
    private func bindMakeInterval(_ call: FunctionCall, _ expression: Expression) throws(SQLError) -> BoundExpression? {
        guard call.name.last.name.lowercased() == "make_interval", call.argumentNames.contains(where: { $0 != nil }) else { return nil }
        let fields = ["years", "months", "weeks", "days", "hours", "mins", "secs"]
        var arguments = Array(repeating: Expression(.literal(.integer("0")), span: expression.span), count: fields.count)
        for (place, (argument, name)) in zip(call.arguments, call.argumentNames).enumerated() {
            guard let name else {
                if place < arguments.count { arguments[place] = argument }
                continue
            }
            guard let field = fields.firstIndex(of: name.name.lowercased()) else {
                throw SQLError(
                    "make_interval has no argument \"\(name.name)\"", at: name.span, hint: "it has " + fields.joined(separator: ", "),
                    code: SQLError.undefinedFunction)
            }
            arguments[field] = argument
        }
        var plain = call
        (plain.arguments, plain.argumentNames) = (arguments, Array(repeating: nil, count: arguments.count))
        try plain.checkPlain(span: expression.span)
        return try finish(plain, expression, try bindAll(arguments))
    }

    @inline(never)
    private func bindWindowFunction(_ function: WindowFunction, _ call: FunctionCall, _ span: SourceSpan) throws(SQLError)
        -> BoundExpression
    {
        let name = call.name.last.name.uppercased()
        guard let grouping else {
            throw SQLError(
                "\(name) is not allowed in \(clause.name)", at: span,
                hint: "a window function stands in GROUP BY, its properties in the select list and in HAVING",
                code: SQLError.windowingError)
        }
        let written = try GroupWindow.bind(call, kind: function.kind, span: span, scope: grouping.scope)
        guard let window = grouping.window else {
            throw SQLError(
                "\(name) needs \(function.kind.rawValue.uppercased())(...) in GROUP BY", at: span,
                hint: "GROUP BY \(function.kind.rawValue.uppercased())(ts, ..), or FROM TABLE(\(function.kind.rawValue.uppercased())(TABLE t, DESCRIPTOR(ts), ..)) with GROUP BY window_start, window_end",
                code: SQLError.windowingError)
        }
        guard window.shape == written.shape, window.time.isSame(as: written.time) else {
            throw SQLError(
                "\(name) has other arguments than the window in GROUP BY", at: span,
                hint: "both must name the same time column and the same intervals", code: SQLError.windowingError)
        }
        return grouping.windowColumn(function.role, span: span)
    }
}
