// ExpressionBinder: a scalar expression's tree to a bound expression: names become ordinals, special forms become the few kinds that
// evaluation knows. Types are the business of `ExpressionTyping`.
//
// Aggregates are collected on the side: in a select list `sum(price) / 2` becomes a division of a column that does not exist yet.
// Such columns are numbered behind the scope's own (see `Grouping`), and `GroupedRewriter` puts the real ones in their place.

import Columns
import Syntax

/// Where an expression stands: what may be in it, and how an error names the place.
enum Clause {
    case select, `where`, having, groupBy, orderBy
    case aggregate(String), filter, values, computedColumn, watermark
    case constant(String)

    var name: String {
        switch self {
        case .select: "SELECT"
        case .where: "WHERE"
        case .having: "HAVING"
        case .groupBy: "GROUP BY"
        case .orderBy: "ORDER BY"
        case .aggregate(let name): name
        case .filter: "FILTER"
        case .values: "VALUES"
        case .computedColumn: "a computed column"
        case .watermark: "a watermark"
        case .constant(let what): what
        }
    }
}

/// The aggregates and the window of the SELECT being bound. Columns behind those of FROM: three for the window, then one per aggregate.
final class Grouping {
    let scope: Scope
    let columnCount: Int
    var window: GroupWindow?
    /// False until GROUP BY has been read and found to be there.
    var usesWindowFunctions = false
    private(set) var calls: [LogicalAggregateCall] = []

    init(scope: Scope, columnCount: Int) {
        self.scope = scope
        self.columnCount = columnCount
    }

    var callBase: Int { columnCount + 3 }

    func windowColumn(_ role: WindowRole, span: SourceSpan) -> BoundExpression {
        .column(columnCount + role.rawValue, window?.time.type ?? .timestamp(precision: 3), span: span)
    }

    /// The column of an aggregate; the same call twice is one.
    func column(of call: LogicalAggregateCall) -> BoundExpression {
        if let index = calls.firstIndex(where: { $0.isSame(as: call) }) {
            return .column(callBase + index, call.resultType, span: call.span)
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

    init(scope: Scope, clause: Clause, grouping: Grouping? = nil) {
        self.scope = scope
        self.clause = clause
        self.grouping = grouping
    }

    func bind(_ expression: Expression) throws(SQLError) -> BoundExpression {
        let span = expression.span
        switch expression.kind {
        case .literal(let literal): return try ExpressionTyping.literal(literal, span: span)
        case .column(let name): return try bindColumn(name, span: span)
        case .unary(let operation, let operand): return try bindUnary(operation, operand, expression)
        case .binary(let operation, let left, let right, let operatorSpan):
            return try bindBinary(operation, left, right, operatorSpan, expression)
        case .not(let operand):
            return BoundExpression(.not(try bindCondition(operand, of: "NOT")), type: .boolean, span: span)
        case .isTest(let operand, let test, let negated): return try bindIsTest(operand, test, negated, span)
        case .isDistinct(let left, let right, let negated): return try bindIsDistinct(left, right, negated, expression)
        case .between: return try bindBetween(expression)
        case .inList(let operand, let items, let negated): return try bindInList(operand, items, negated, expression)
        case .like: return try bindLike(expression)
        case .caseWhen: return try bindCase(expression)
        case .cast(let operand, let type, let isTry): return try bindCast(operand, type, isTry, expression)
        case .call(let call): return try bindCall(call, expression)
        case .extract(let field, let operand): return try bindExtract(field, operand, expression)
        case .atTimeZone(let operand, let zone): return try bindAtTimeZone(operand, zone, expression)
        case .niladic(let name):
            return try ExpressionTyping.call(Identifier(name, span: span), [], span: span, text: name)
        case .star:
            throw SQLError("\"*\" can only stand in a select list and in count(*)", at: span)
        case .inQuery, .exists, .scalarQuery: throw notYet("subqueries in expressions are", span)
        case .element: throw notYet("elements of arrays and maps are", span)
        case .field: throw notYet("fields of ROW values are", span)
        case .array: throw notYet("arrays are", span)
        case .row: throw notYet("ROW values are", span)
        case .descriptor, .tableArgument, .cursor:
            throw SQLError("this can only be an argument of a table function", at: span)
        }
    }

    private func notYet(_ what: String, _ span: SourceSpan) -> SQLError {
        SQLError("\(what) not supported yet", at: span, code: SQLError.featureNotSupported)
    }

    func text(_ expression: Expression) -> String { SQLText.print(expression) }

    // MARK: Conditions

    /// A BOOLEAN; `of` is how the error names what wants one.
    func bindCondition(_ expression: Expression, of place: String) throws(SQLError) -> BoundExpression {
        let bound = try bind(expression)
        if bound.type == .boolean { return bound }
        if bound.type == .null {
            return try ExpressionTyping.cast(bound, to: .boolean, mode: .explicit, span: bound.span, text: "NULL")
        }
        throw SQLError(
            "argument of \(place) must be type BOOLEAN, not type \(bound.type.name)", at: expression.span,
            code: SQLError.datatypeMismatch)
    }

    @inline(never)
    private func bindColumn(_ name: QualifiedName, span: SourceSpan) throws(SQLError) -> BoundExpression {
        if case .constant(let what) = clause {
            throw SQLError("\(what) must be a constant", at: span, code: SQLError.invalidParameter)
        }
        let column = try scope.resolve(name)
        return .column(column.ordinal, column.type, span: span)
    }

    @inline(never)
    private func bindUnary(_ operation: UnaryOperator, _ operand: Expression, _ expression: Expression) throws(SQLError)
        -> BoundExpression
    {
        // `-9223372036854775808` is a BIGINT although its digits alone are not.
        if operation == .minus, case .literal(.integer(let digits)) = operand.kind, let value = Int64("-" + digits) {
            let type: SQLType = Int32(exactly: value) == nil ? .bigint : .integer
            return .constant(.integer(value), type, span: expression.span)
        }
        if operation == .minus, case .literal(.decimal) = operand.kind {
            var bound = try bind(operand)
            if case .decimal(let unscaled)? = bound.constantValue {
                bound.kind = .constant(.decimal(-unscaled))
                bound.span = expression.span
                return bound
            }
        }
        if operation == .minus, case .literal(.double) = operand.kind {
            var bound = try bind(operand)
            if case .double(let value)? = bound.constantValue {
                bound.kind = .constant(.double(-value))
                bound.span = expression.span
                return bound
            }
        }
        return try ExpressionTyping.unary(operation, try bind(operand), span: expression.span, text: text(expression))
    }

    @inline(never)
    private func bindBinary(
        _ operation: BinaryOperator, _ left: Expression, _ right: Expression, _ operatorSpan: SourceSpan, _ expression: Expression
    ) throws(SQLError) -> BoundExpression {
        if operation == .and || operation == .or {
            let operands = [
                try bindCondition(left, of: operation.rawValue), try bindCondition(right, of: operation.rawValue),
            ]
            return Self.logical(operation, operands, span: expression.span)
        }
        return try ExpressionTyping.binary(
            operation, try bind(left), try bind(right), operatorSpan: operatorSpan, span: expression.span, text: text(expression))
    }

    /// AND or OR, with chains of the same one made flat.
    private static func logical(_ operation: BinaryOperator, _ operands: [BoundExpression], span: SourceSpan) -> BoundExpression {
        let flat = operands.flatMap { operand in
            switch (operand.kind, operation) {
            case (.and(let inner), .and), (.or(let inner), .or): inner
            default: [operand]
            }
        }
        return BoundExpression(operation == .and ? .and(flat) : .or(flat), type: .boolean, span: span)
    }

    private static func negated(_ expression: BoundExpression, if negated: Bool) -> BoundExpression {
        negated ? BoundExpression(.not(expression), type: .boolean, span: expression.span) : expression
    }

    @inline(never)
    private func bindIsTest(_ operand: Expression, _ test: IsTest, _ negated: Bool, _ span: SourceSpan) throws(SQLError)
        -> BoundExpression
    {
        if test == .null {
            return BoundExpression(.isNull(try bind(operand), negated: negated), type: .boolean, span: span)
        }
        let condition = try bindCondition(operand, of: "IS \(test.rawValue)")
        if test == .unknown { return BoundExpression(.isNull(condition, negated: negated), type: .boolean, span: span) }
        let wanted = test == .isTrue ? condition : BoundExpression(.not(condition), type: .boolean, span: span)
        let known = BoundExpression(
            .coalesce([wanted, .constant(.boolean(false), .boolean, span: span)]), type: .boolean, span: span)
        return Self.negated(known, if: negated)
    }

    /// `coalesce(a <> b, NOT (a IS NULL AND b IS NULL))`: when the comparison is NULL at least one is, and they differ unless both are.
    @inline(never)
    private func bindIsDistinct(_ left: Expression, _ right: Expression, _ negated: Bool, _ expression: Expression) throws(SQLError)
        -> BoundExpression
    {
        let span = expression.span
        let (left, right) = (try bind(left), try bind(right))
        let differ = try ExpressionTyping.binary(.notEqual, left, right, operatorSpan: span, span: span, text: text(expression))
        let bothNull = BoundExpression(
            .and([
                BoundExpression(.isNull(left, negated: false), type: .boolean, span: span),
                BoundExpression(.isNull(right, negated: false), type: .boolean, span: span),
            ]), type: .boolean, span: span)
        let distinct = BoundExpression(
            .coalesce([differ, BoundExpression(.not(bothNull), type: .boolean, span: span)]), type: .boolean, span: span)
        return Self.negated(distinct, if: negated)
    }

    @inline(never)
    private func bindBetween(_ expression: Expression) throws(SQLError) -> BoundExpression {
        guard case .between(let operand, let low, let high, let negated, let symmetric) = expression.kind else {
            return try bind(expression)
        }
        let span = expression.span
        let (value, low, high) = (try bind(operand), try bind(low), try bind(high))
        let text = text(expression)
        func within(_ low: BoundExpression, _ high: BoundExpression) throws(SQLError) -> BoundExpression {
            BoundExpression(
                .and([
                    try ExpressionTyping.binary(.greaterOrEqual, value, low, operatorSpan: span, span: span, text: text),
                    try ExpressionTyping.binary(.lessOrEqual, value, high, operatorSpan: span, span: span, text: text),
                ]), type: .boolean, span: span)
        }
        var result = try within(low, high)
        if symmetric { result = BoundExpression(.or([result, try within(high, low)]), type: .boolean, span: span) }
        return Self.negated(result, if: negated)
    }

    /// A set when every item is a constant that compares with the operand as one and the same type, else a chain of equalities.
    @inline(never)
    private func bindInList(_ operand: Expression, _ items: [Expression], _ negated: Bool, _ expression: Expression) throws(SQLError)
        -> BoundExpression
    {
        let span = expression.span
        let value = try bind(operand)
        var comparisons: [BoundExpression] = []
        var values: [Value] = []
        var compared: BoundExpression?
        var isSet = true
        for item in items {
            let bound = try bind(item)
            let comparison = try ExpressionTyping.binary(
                .equal, value, bound, operatorSpan: item.span, span: item.span, text: "")
            comparisons.append(comparison)
            guard isSet else { continue }
            if bound.type == .null || bound.constantValue == .null {
                values.append(.null)
            } else if case .call(_, let pair) = comparison.kind, pair.count == 2, let constant = pair[1].constantValue,
                pair[0].type == pair[1].type, compared?.isSame(as: pair[0]) ?? true
            {
                compared = pair[0]
                values.append(constant)
            } else {
                isSet = false
            }
        }
        if isSet, let compared {
            return BoundExpression(.inSet(compared, values, negated: negated), type: .boolean, span: span, text: text(expression))
        }
        let any = comparisons.count == 1 ? comparisons[0] : BoundExpression(.or(comparisons), type: .boolean, span: span)
        return Self.negated(any, if: negated)
    }

    @inline(never)
    private func bindLike(_ expression: Expression) throws(SQLError) -> BoundExpression {
        guard case .like(let operand, let pattern, let escape, let kind, let negated) = expression.kind else {
            return try bind(expression)
        }
        var boundEscape: BoundExpression?
        if let escape { boundEscape = try bind(escape) }
        let like = try ExpressionTyping.like(
            try bind(operand), pattern: try bind(pattern), escape: boundEscape, kind: kind, span: expression.span,
            text: text(expression))
        return Self.negated(like, if: negated)
    }

    // MARK: CASE, CAST

    @inline(never)
    private func bindCase(_ expression: Expression) throws(SQLError) -> BoundExpression {
        guard case .caseWhen(let operand, let branches, let otherwise) = expression.kind else { return try bind(expression) }
        var conditions: [BoundExpression] = []
        var results: [BoundExpression] = []
        var compared: BoundExpression?
        if let operand { compared = try bind(operand) }
        for branch in branches {
            if let compared {
                let span = branch.condition.span
                conditions.append(
                    try ExpressionTyping.binary(
                        .equal, compared, try bind(branch.condition), operatorSpan: span, span: span, text: text(branch.condition)))
            } else {
                conditions.append(try bindCondition(branch.condition, of: "CASE WHEN"))
            }
            results.append(try bind(branch.result))
        }
        if let otherwise { results.append(try bind(otherwise)) }
        let unified = try Self.unify(results, place: "CASE")
        let type = unified.first?.type ?? .null
        let bound = zip(conditions, unified).map { BoundBranch(condition: $0, result: $1) }
        return BoundExpression(
            .caseWhen(bound, otherwise: otherwise == nil ? nil : unified.last), type: type, span: expression.span,
            text: text(expression))
    }

    /// All of the expressions in the one type that suits them all. Text constants take the type of the others.
    static func unify(_ expressions: [BoundExpression], place: String) throws(SQLError) -> [BoundExpression] {
        let typed = expressions.filter { $0.type != .null && !$0.isTextConstant }
        guard let common = ExpressionTyping.commonType((typed.isEmpty ? expressions : typed).map(\.type)) else {
            var seen = typed.first?.type ?? .null
            for expression in typed {
                if let next = ExpressionTyping.commonType([seen, expression.type]) {
                    seen = next
                } else {
                    throw SQLError(
                        "\(place) types \(seen.name) and \(expression.type.name) cannot be matched", at: expression.span,
                        hint: "make them one type with CAST", code: SQLError.datatypeMismatch)
                }
            }
            throw SQLError(
                "\(place) types cannot be matched", at: typed.first?.span ?? .none, code: SQLError.datatypeMismatch)
        }
        var result: [BoundExpression] = []
        for expression in expressions {
            result.append(
                try ExpressionTyping.cast(expression, to: common, mode: .explicit, span: expression.span, text: expression.text))
        }
        return result
    }

    @inline(never)
    private func bindCast(_ operand: Expression, _ name: TypeName, _ isTry: Bool, _ expression: Expression) throws(SQLError)
        -> BoundExpression
    {
        let type = try ExpressionTyping.type(name)
        return try ExpressionTyping.cast(
            try bind(operand), to: type, mode: isTry ? .attempt : .explicit, span: expression.span, text: text(expression))
    }

    @inline(never)
    private func bindExtract(_ field: Identifier, _ operand: Expression, _ expression: Expression) throws(SQLError) -> BoundExpression {
        let unit = BoundExpression.constant(.string(field.name.lowercased()), .text, span: field.span)
        return try ExpressionTyping.call(
            Identifier("extract", span: expression.span), [unit, try bind(operand)], span: expression.span, text: text(expression))
    }

    @inline(never)
    private func bindAtTimeZone(_ operand: Expression, _ zone: Expression, _ expression: Expression) throws(SQLError)
        -> BoundExpression
    {
        let operands = [try bind(zone), try bind(operand)]
        return try ExpressionTyping.call(
            Identifier("timezone", span: expression.span), operands, span: expression.span, text: text(expression))
    }

    // MARK: Calls

    @inline(never)
    private func bindCall(_ call: FunctionCall, _ expression: Expression) throws(SQLError) -> BoundExpression {
        let span = expression.span
        guard call.name.parts.count == 1 else {
            throw SQLError(
                "function \(call.name.parts.map(\.name).joined(separator: ".")) does not exist", at: call.name.span,
                hint: "functions have no schema", code: SQLError.undefinedFunction)
        }
        if call.over != nil {
            throw SQLError("OVER is not supported yet", at: span, code: SQLError.featureNotSupported)
        }
        let name = call.name.last
        if let function = AggregateFunction.named(name.name) { return try bindAggregate(function, call, expression) }
        if let function = WindowFunction.named(call.name) { return try bindWindowFunction(function, call, span) }
        try call.checkPlain(span: span)
        var arguments: [BoundExpression] = []
        for argument in call.arguments { arguments.append(try bind(argument)) }
        do {
            return try ExpressionTyping.call(name, arguments, span: span, text: text(expression))
        } catch {
            // The scalar functions do not know the aggregates' names.
            if error.code == SQLError.undefinedFunction, error.hint == nil,
                let nearest = NearestName.find(name.name, among: AggregateFunction.allNames)
            {
                throw SQLError(error.message, at: error.span, hint: "did you mean \(nearest)?", code: error.code)
            }
            throw error
        }
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
                "\(name) needs \(function.kind.rawValue.uppercased())(...) in GROUP BY", at: span, code: SQLError.windowingError)
        }
        guard window.shape == written.shape, window.time.isSame(as: written.time) else {
            throw SQLError(
                "\(name) has other arguments than the window in GROUP BY", at: span,
                hint: "both must name the same time column and the same intervals", code: SQLError.windowingError)
        }
        return grouping.windowColumn(function.role, span: span)
    }

    @inline(never)
    private func bindAggregate(_ function: AggregateFunction, _ call: FunctionCall, _ expression: Expression) throws(SQLError)
        -> BoundExpression
    {
        let span = expression.span
        let name = call.name.last.name.lowercased()
        guard let grouping else {
            if case .aggregate = clause {
                throw SQLError("aggregate function calls cannot be nested", at: span, code: SQLError.groupingError)
            }
            throw SQLError(
                "aggregate functions are not allowed in \(clause.name)", at: span,
                hint: isWhere ? "filter groups with HAVING" : nil, code: SQLError.groupingError)
        }
        if let item = call.orderBy.first ?? call.withinGroup.first {
            throw SQLError(
                "ORDER BY in an aggregate is not supported yet", at: item.expression.span, code: SQLError.featureNotSupported)
        }
        if case let named?? = call.argumentNames.first(where: { $0 != nil }) {
            throw SQLError("\(name) takes no named arguments", at: named.span, code: SQLError.undefinedFunction)
        }
        var filter: BoundExpression?
        if let condition = call.filter {
            filter = try ExpressionBinder(scope: scope, clause: .filter).bindCondition(condition, of: "FILTER")
        }
        let text = text(expression)
        if function == .count, call.arguments.count == 1, case .star(nil) = call.arguments[0].kind {
            if call.isDistinct {
                throw SQLError("DISTINCT cannot be used with count(*)", at: span, hint: "name a column: count(DISTINCT x)")
            }
            return grouping.column(
                of: LogicalAggregateCall(
                    function: .countRows, argument: nil, filter: filter, isDistinct: false, resultType: .bigint, text: text, span: span))
        }
        guard call.arguments.count == 1 else {
            throw SQLError(
                call.arguments.isEmpty
                    ? "\(name) needs an argument" : "\(name) takes one argument, not \(call.arguments.count)", at: span,
                hint: function == .count && call.arguments.isEmpty ? "to count rows write count(*)" : nil,
                code: SQLError.undefinedFunction)
        }
        let inner = ExpressionBinder(scope: scope, clause: .aggregate(name))
        let argument = try inner.bind(call.arguments[0])
        if function == .count, !call.isDistinct, let value = argument.constantValue, !value.isNull {
            return grouping.column(
                of: LogicalAggregateCall(
                    function: .countRows, argument: nil, filter: filter, isDistinct: false, resultType: .bigint, text: text, span: span))
        }
        guard let types = function.types(argument: argument.type) else {
            throw SQLError(
                "function \(name)(\(argument.type.name)) does not exist", at: span,
                hint: argument.type.isText ? "CAST the argument to a number" : nil, code: SQLError.undefinedFunction)
        }
        let cast = try ExpressionTyping.cast(argument, to: types.argument, mode: .explicit, span: argument.span, text: text)
        return grouping.column(
            of: LogicalAggregateCall(
                function: function, argument: cast, filter: filter, isDistinct: call.isDistinct && function.dependsOnDuplicates,
                resultType: types.result, text: text, span: span))
    }

    private var isWhere: Bool { if case .where = clause { true } else { false } }
}

extension BoundExpression {
    /// A text constant, which takes the type of what it is used with.
    var isTextConstant: Bool {
        if case .constant(.string) = kind { return type == .text }
        return false
    }
}

extension AggregateFunction {
    /// Names as people write them, for suggestions.
    static var allNames: [String] {
        allCases.filter { $0 != .countRows }.map(\.rawValue) + ["stddev", "variance", "first", "last", "every"]
    }

    /// Whether leaving out duplicates changes the result: min(DISTINCT x) is min(x).
    var dependsOnDuplicates: Bool {
        switch self {
        case .min, .max, .firstValue, .lastValue, .boolAnd, .boolOr, .countRows: false
        case .count, .sum, .avg, .varSamp, .varPop, .stddevSamp, .stddevPop: true
        }
    }
}
