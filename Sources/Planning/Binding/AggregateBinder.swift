// AggregateBinder: aggregate calls of a select list, HAVING and ORDER BY.
//
// A call becomes one LogicalAggregateCall, or an expression over one: median, count_if and geometric_mean are other aggregates in
// disguise. The ordered-set form (`percentile_cont(0.5) WITHIN GROUP (ORDER BY x)`) has the value in the order and the parameter in the
// parentheses; the plain form (`quantile_cont(x, 0.5)`) has both in the parentheses. Parameters are constants.

import Columns
import Syntax

extension ExpressionBinder {
    @inline(never)
    func bindAggregate(_ definition: AggregateDefinition, _ call: FunctionCall, _ expression: Expression) throws(SQLError) -> BoundExpression {
        let span = expression.span
        let name = call.name.last.name.lowercased()
        guard let grouping else {
            if case .aggregate = clause {
                throw SQLError(
                    "aggregate function calls cannot be nested", at: span,
                    hint: "compute the inner one in a subquery: FROM (SELECT k, \(name)(..) AS x FROM .. GROUP BY k)", code: SQLError.groupingError)
            }
            throw SQLError(
                "aggregate functions are not allowed in \(clause.name)", at: span,
                hint: isWhere ? "filter groups with HAVING, or compare with a subquery: x = (SELECT max(x) FROM t)" : isGroupBy ? "compute it in a subquery and group by its result around that" : nil,
                code: SQLError.groupingError)
        }
        if definition.isJSON { return try bindJSONAggregate(definition, call, expression, grouping) }
        if case let named?? = call.argumentNames.first(where: { $0 != nil }) {
            throw SQLError("\(name) takes no named arguments", at: named.span, code: SQLError.undefinedFunction)
        }
        var written = WrittenAggregate(call: call, name: name, span: span, text: text(expression))
        if let condition = call.filter {
            written.filter = try ExpressionBinder(scope: scope, clause: .filter).bindCondition(condition, of: "FILTER")
        }
        let inner = ExpressionBinder(scope: scope, clause: .aggregate(name))
        switch definition.meaning {
        case .function(.count):
            if call.arguments.count == 1, case .star(nil) = call.arguments[0].kind {
                if call.isDistinct {
                    throw SQLError("DISTINCT cannot be used with count(*)", at: span, hint: "name a column: count(DISTINCT x)")
                }
                return try grouping.column(of: written.made(.countRows, [], result: .bigint))
            }
            return try inner.bindFunction(.count, written, grouping)
        case .function(let function): return try inner.bindFunction(function, written, grouping)
        case .median:
            try written.check(argumentCount: 1)
            return try inner.bind(.percentileCont, written, [try inner.bindArgument(call.arguments[0])], [.double(0.5), .boolean(false)], grouping)
        case .countIf:
            try written.check(argumentCount: 1)
            let condition = try inner.bindCondition(call.arguments[0], of: name)
            let filter = try written.filter.map { filter throws(SQLError) in try ExpressionTyping.and([condition, filter], span: span, text: written.text) }
            written.filter = filter ?? condition
            return try grouping.column(of: written.made(.countRows, [], result: .bigint))
        case .geometricMean:
            try written.check(argumentCount: 1)
            let argument = try inner.bindArgument(call.arguments[0])
            guard argument.type.isNumeric else { throw written.unsuitable([argument]) }
            let double = try ExpressionTyping.cast(argument, to: .double, mode: .explicit, span: argument.span, text: written.text)
            let logarithm = try ExpressionTyping.call(Identifier("ln", span: span), [double], span: span, text: written.text)
            let mean = try inner.bind(.avg, written, [logarithm], [], grouping)
            return try ExpressionTyping.call(Identifier("exp", span: span), [mean], span: span, text: written.text)
        case .jsonArray, .jsonObject: return try bindJSONAggregate(definition, call, expression, grouping)
        }
    }

    /// json_agg and its kin: an array_agg, and a function of it.
    @inline(never)
    private func bindJSONAggregate(
        _ definition: AggregateDefinition, _ call: FunctionCall, _ expression: Expression, _ grouping: Grouping
    ) throws(SQLError) -> BoundExpression {
        let span = expression.span
        var plain = call
        (plain.arguments, plain.argumentNames) = ([], [])
        var isSparse = definition.meaning == .jsonArray(isSparse: true)
        var returning: SQLType?
        for (argument, name) in zip(call.arguments, call.argumentNames) {
            guard let name else {
                plain.arguments.append(argument)
                plain.argumentNames.append(nil)
                continue
            }
            switch (name.name, argument.kind) {
            case ("on_null", .literal(.string(let word))): isSparse = word == "ABSENT"
            case ("returning", _): returning = try bind(argument).type
            default: throw SQLError("\(call.name.last.name) takes no named arguments", at: name.span, code: SQLError.undefinedFunction)
            }
        }
        var written = WrittenAggregate(call: plain, name: call.name.last.name.lowercased(), span: span, text: text(expression))
        if let condition = call.filter {
            written.filter = try ExpressionBinder(scope: scope, clause: .filter).bindCondition(condition, of: "FILTER")
        }
        let inner = ExpressionBinder(scope: scope, clause: .aggregate(written.name))
        try written.check(argumentCount: definition.meaning == .jsonObject ? 2 : 1)
        var arguments: [BoundExpression] = []
        for argument in plain.arguments { arguments.append(try inner.bindArgument(argument)) }
        if isSparse, let value = arguments.last {
            let isPresent = try ExpressionTyping.isTest(value, .null, negated: true, span: span, text: written.text)
            written.filter = try ExpressionTyping.and([isPresent] + (written.filter.map { [$0] } ?? []), span: span, text: written.text)
        }
        var result: BoundExpression
        if definition.meaning == .jsonObject {
            if arguments[0].type.isNested || arguments[0].type == .json {
                throw SQLError("a key of a JSON object cannot be of type \(arguments[0].type.name)", at: arguments[0].span, code: SQLError.datatypeMismatch)
            }
            let entry = ExpressionTyping.row([try ExpressionTyping.toText(arguments[0]), arguments[1]], span: span, text: written.text)
            let entries = try inner.bind(.arrayAgg, written, [entry], [], grouping)
            result = BoundExpression(.call(.jsonObjectOfEntries, [entries]), type: .json, span: span, text: written.text)
        } else {
            let values = try inner.bind(.arrayAgg, written, arguments, [], grouping)
            result = try ExpressionTyping.call(Identifier("to_json", span: span), [values], span: span, text: written.text)
        }
        if let returning, returning != .json {
            result = try ExpressionTyping.cast(result, to: returning, mode: .explicit, span: span, text: written.text)
        }
        return result
    }

    /// NULL without a type is a text.
    private func bindArgument(_ argument: Expression) throws(SQLError) -> BoundExpression {
        let bound = try bind(argument)
        return bound.type == .null ? .constant(.null, .text, span: bound.span) : bound
    }

    @inline(never)
    private func bindFunction(_ function: AggregateFunction, _ written: WrittenAggregate, _ grouping: Grouping) throws(SQLError) -> BoundExpression {
        let call = written.call
        switch function {
        case .percentileCont, .percentileDisc, .approxPercentile: return try bindPercentile(function, written, grouping)
        case .mode where !call.withinGroup.isEmpty:
            try written.check(argumentCount: 0)
            return try bind(.mode, written, [try bindOrdered(written).expression], [], grouping)
        case .stringAgg:
            guard call.arguments.count == 1 || call.arguments.count == 2 else {
                throw SQLError(
                    "\(written.name) takes a text and a separator", at: written.span, code: SQLError.undefinedFunction)
            }
            var separator = ","
            if call.arguments.count == 2 {
                let bound = try bind(call.arguments[1])
                guard case .string(let text)? = bound.constantValue else {
                    throw SQLError("the separator of \(written.name) must be a constant text", at: bound.span, code: SQLError.invalidParameter)
                }
                separator = text
            }
            return try bind(.stringAgg, written, [try bindArgument(call.arguments[0])], [.string(separator)], grouping)
        case .approxTopK:
            guard call.arguments.count == 1 || call.arguments.count == 2 else {
                throw SQLError("\(written.name) takes a value and how many", at: written.span, code: SQLError.undefinedFunction)
            }
            var most: Int64 = 10
            if call.arguments.count == 2 {
                let bound = try bind(call.arguments[1])
                guard case .integer(let wanted)? = bound.constantValue, bound.type.isInteger, (1...1_024).contains(wanted) else {
                    throw SQLError("how many must be a constant from 1 to 1024", at: bound.span, code: SQLError.invalidParameter)
                }
                most = wanted
            }
            return try bind(.approxTopK, written, [try bindArgument(call.arguments[0])], [.integer(most)], grouping)
        case .count where call.isDistinct && call.arguments.count > 1:
            var arguments: [BoundExpression] = []
            for argument in call.arguments { arguments.append(try bindArgument(argument)) }
            return try bind(.count, written, arguments, [], grouping)
        default:
            try written.check(argumentCount: function.takesPairs ? 2 : 1)
            var arguments: [BoundExpression] = []
            for argument in call.arguments { arguments.append(try bindArgument(argument)) }
            if function == .count, !call.isDistinct, let value = arguments[0].constantValue, !value.isNull {
                return try grouping.column(of: written.made(.countRows, [], result: .bigint))
            }
            return try bind(function, written, arguments, [], grouping)
        }
    }

    /// `f(p) WITHIN GROUP (ORDER BY x)` and `f(x, p)`.
    private func bindPercentile(_ function: AggregateFunction, _ written: WrittenAggregate, _ grouping: Grouping) throws(SQLError) -> BoundExpression {
        let call = written.call
        let value: BoundExpression
        let place: Expression
        var isDescending = false
        if call.withinGroup.isEmpty {
            guard call.arguments.count == 2 else {
                throw SQLError(
                    "\(written.name) needs a fraction and a value", at: written.span,
                    hint: "write \(written.name)(0.5) WITHIN GROUP (ORDER BY x)", code: SQLError.undefinedFunction)
            }
            value = try bindArgument(call.arguments[0])
            place = call.arguments[1]
        } else {
            try written.check(argumentCount: 1)
            (value, isDescending) = try bindOrdered(written)
            place = call.arguments[0]
        }
        if case .array(let places) = place.kind {
            var results: [BoundExpression] = []
            for place in places { results.append(try bindPercentile(function, written, grouping, value, isDescending, place)) }
            return try ExpressionTyping.array(results, span: written.span, text: written.text)
        }
        return try bindPercentile(function, written, grouping, value, isDescending, place)
    }

    private func bindPercentile(
        _ function: AggregateFunction, _ written: WrittenAggregate, _ grouping: Grouping, _ value: BoundExpression, _ isDescending: Bool, _ place: Expression
    ) throws(SQLError) -> BoundExpression {
        let bound = try bind(place)
        guard let fraction = Self.number(bound), fraction >= 0, fraction <= 1 else {
            throw SQLError("the fraction of \(written.name) must be a constant from 0 to 1", at: bound.span, code: SQLError.invalidParameter)
        }
        return try bind(function, written, [value], [.double(fraction), .boolean(isDescending)], grouping)
    }

    private static func number(_ expression: BoundExpression) -> Double? {
        switch (expression.constantValue, expression.type) {
        case (.integer(let value)?, let type) where type.isInteger: return Double(value)
        case (.double(let value)?, _): return value
        case (.decimal(let value)?, .decimal(_, let scale)):
            var divisor = 1.0
            for _ in 0..<scale { divisor *= 10 }
            return Double(value) / divisor
        default: return nil
        }
    }

    /// The one item of WITHIN GROUP.
    private func bindOrdered(_ written: WrittenAggregate) throws(SQLError) -> (expression: BoundExpression, isDescending: Bool) {
        guard let item = written.call.withinGroup.first, written.call.withinGroup.count == 1 else {
            throw SQLError("\(written.name) is ordered by one value", at: written.span, code: SQLError.undefinedFunction)
        }
        return (try bindArgument(item.expression), item.isDescending)
    }

    /// Types, casts, order; the call itself.
    @inline(never)
    private func bind(
        _ function: AggregateFunction, _ written: WrittenAggregate, _ arguments: [BoundExpression], _ parameters: [Value], _ grouping: Grouping
    ) throws(SQLError) -> BoundExpression {
        guard let types = function.types(arguments: arguments.map(\.type)) else { throw written.unsuitable(arguments) }
        var converted: [BoundExpression] = []
        for (argument, type) in zip(arguments, types.arguments) {
            converted.append(try ExpressionTyping.cast(argument, to: type, mode: .explicit, span: argument.span, text: written.text))
        }
        let isDistinct = written.call.isDistinct && function.dependsOnDuplicates
        var made = written.made(function, converted, parameters: parameters, result: types.result)
        made.isDistinct = isDistinct
        made.order = try bindOrder(function, written, arguments, isDistinct: isDistinct)
        return try grouping.column(of: made)
    }

    private func bindOrder(
        _ function: AggregateFunction, _ written: WrittenAggregate, _ arguments: [BoundExpression], isDistinct: Bool
    ) throws(SQLError) -> [LogicalAggregateCall.Order] {
        let call = written.call
        var items = call.orderBy
        if let item = call.withinGroup.first {
            switch function {
            case .stringAgg, .arrayAgg: items += call.withinGroup
            case .percentileCont, .percentileDisc, .approxPercentile, .mode: break
            default:
                throw SQLError("\(written.name) is no ordered-set aggregate", at: item.expression.span, code: SQLError.undefinedFunction)
            }
        }
        var order: [LogicalAggregateCall.Order] = []
        for item in items {
            let bound = try bindArgument(item.expression)
            if isDistinct && function.dependsOnOrder && !arguments.contains(where: { $0.isSame(as: bound) }) {
                throw SQLError(
                    "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list", at: item.expression.span, code: "42P10")
            }
            order.append(
                LogicalAggregateCall.Order(
                    expression: bound, isDescending: item.isDescending, nullsFirst: item.nullsFirst ?? item.isDescending))
        }
        return function.dependsOnOrder ? order : []
    }

    private var isWhere: Bool { if case .where = clause { true } else { false } }
    private var isGroupBy: Bool { if case .groupBy = clause { true } else { false } }
}

/// A call as it was written, for the parts that all aggregates share.
private struct WrittenAggregate {
    var call: FunctionCall
    var name: String
    var span: SourceSpan
    var text: String
    var filter: BoundExpression?

    func made(_ function: AggregateFunction, _ arguments: [BoundExpression], parameters: [Value] = [], result: SQLType) -> LogicalAggregateCall {
        LogicalAggregateCall(
            function: function, arguments: arguments, parameters: parameters, filter: filter, isDistinct: false, resultType: result,
            text: text, span: span)
    }

    func check(argumentCount wanted: Int) throws(SQLError) {
        let count = call.arguments.count
        guard count != wanted else { return }
        let numbers = ["no argument", "one argument", "two arguments"]
        throw SQLError(
            count == 0 ? "\(name) needs \(wanted == 1 ? "an argument" : numbers[wanted])" : "\(name) takes \(numbers[wanted]), not \(count)",
            at: span,
            hint: name == "count" && count == 0
                ? "to count rows write count(*)"
                : name == "max" && count > 1
                    ? "greatest(a, b) is the largest of several columns of a row"
                    : name == "min" && count > 1 ? "least(a, b) is the smallest of several columns of a row" : nil,
            code: SQLError.undefinedFunction)
    }

    func unsuitable(_ arguments: [BoundExpression]) -> SQLError {
        var hint: String?
        if AggregateFunction.named(name) == .stringAgg {
            hint = "CAST the argument to VARCHAR"
        } else if arguments.contains(where: { $0.type.isText }) {
            hint = "CAST the argument to a number"
        } else if arguments.contains(where: { $0.type == .boolean }) {
            hint = "count_if(x) counts the rows in which it is true"
        } else if arguments.contains(where: { $0.type.isTimestamp || $0.type == .date }) {
            hint = "of times there are min and max; EXTRACT(EPOCH FROM x) is a number of seconds"
        }
        return SQLError(
            "function \(name)(\(arguments.map { $0.type.name.lowercased() }.joined(separator: ", "))) does not exist", at: span, hint: hint,
            code: SQLError.undefinedFunction)
    }
}
