// ExpressionBinder+Model: `zscore(x, points => 20) OVER (PARTITION BY k ORDER BY ts)`: a call of an anomaly function.
//
// Arguments by position are the columns of a point, arguments by name the settings, which are constants. A window says whose points they
// are and in which order they come; it has no frame, because a model remembers by itself.

import Anomaly
import Columns
import Syntax

extension ExpressionBinder {
    @inline(never)
    func bindModel(_ function: ModelFunction, _ call: FunctionCall, _ window: WindowSpecification, _ expression: Expression) throws(SQLError)
        -> LogicalOverCall
    {
        try checkModel(function, call, window, expression.span)
        let inner = ExpressionBinder(scope: scope, clause: .over(function.name), grouping: grouping)
        var arguments: [BoundExpression] = []
        var named: [(name: Identifier, value: Expression)] = []
        for (index, argument) in call.arguments.enumerated() {
            if index < call.argumentNames.count, let name = call.argumentNames[index] {
                named.append((name, argument))
                continue
            }
            if !named.isEmpty {
                throw SQLError("a column cannot follow a parameter that is given by name", at: argument.span, hint: "write the columns first")
            }
            arguments.append(try modelValue(function, try inner.bind(argument)))
        }
        guard function.valueCount.contains(arguments.count) else {
            let wanted = function.valueCount
            let count =
                wanted.lowerBound == wanted.upperBound
                ? "\(wanted.lowerBound) column\(wanted.lowerBound == 1 ? "" : "s")" : "\(wanted.lowerBound) to \(wanted.upperBound) columns"
            throw SQLError(
                "\(function.name) takes \(count), not \(arguments.count)", at: expression.span,
                hint: function.parameters.first.map { "parameters are given by name: \($0.name) => \($0.text($0.standard))" },
                code: SQLError.undefinedFunction)
        }
        let parameters = try modelParameters(function, named)
        let model: AnomalyModel
        do { model = try function.make(arguments.count, parameters) } catch {
            let place = named.first { $0.name.name.lowercased() == error.parameter?.lowercased() }?.value.span
            throw SQLError(error.message, at: place ?? expression.span, code: SQLError.invalidParameter)
        }
        return LogicalOverCall(
            function: .model(
                ModelCall(
                    function: function.name, valueCount: arguments.count, parameters: parameters, stateByteCount: model.stateByteCount)),
            arguments: arguments, filter: nil, isDistinct: false, ignoresNulls: false,
            frame: OverFrame(unit: .rows, start: .unboundedPreceding, end: .currentRow), offset: 1, resultType: function.resultType,
            text: text(expression), span: expression.span)
    }

    /// What a call of a model cannot have.
    private func checkModel(_ function: ModelFunction, _ call: FunctionCall, _ window: WindowSpecification, _ span: SourceSpan) throws(SQLError) {
        let name = function.name
        if call.isDistinct {
            throw SQLError(
                "DISTINCT is not possible with \(name)", at: span, hint: "a model takes every row; leave duplicates out in a subquery",
                code: SQLError.featureNotSupported)
        }
        if let item = call.orderBy.first ?? call.withinGroup.first {
            throw SQLError(
                "\(name) takes no ORDER BY among its arguments", at: item.expression.span, hint: "the order stands in OVER (ORDER BY ..)",
                code: SQLError.featureNotSupported)
        }
        if let filter = call.filter {
            throw SQLError(
                "FILTER is not implemented for anomaly functions", at: filter.span,
                hint: "leave rows out in a subquery, or give the model NULL: \(name)(CASE WHEN .. THEN x END)",
                code: SQLError.featureNotSupported)
        }
        if let ignores = call.ignoresNulls {
            throw SQLError(
                "\(ignores ? "IGNORE" : "RESPECT") NULLS is not allowed with \(name)", at: span,
                hint: "a NULL is a gap to the model; leave rows out in a subquery", code: SQLError.windowingError)
        }
        if window.frame != nil {
            let setting = function.parameters.first.map { ": \($0.name) => \($0.text($0.standard)) is \($0.summary)" } ?? ""
            throw SQLError(
                "\(name) takes no frame", at: window.span, hint: "leave it out; a model remembers by itself\(setting)",
                code: SQLError.windowingError)
        }
        if window.orderBy.isEmpty {
            throw SQLError(
                "\(name) needs ORDER BY in its window", at: window.span,
                hint: "a model learns from the points in their order: OVER (PARTITION BY .. ORDER BY ts)", code: SQLError.windowingError)
        }
    }

    /// A column of a point: a number.
    private func modelValue(_ function: ModelFunction, _ value: BoundExpression) throws(SQLError) -> BoundExpression {
        let type = value.type
        if type == .null || type.isNumeric {
            return try ExpressionTyping.cast(value, to: .double, mode: .explicit, span: value.span, text: value.text)
        }
        let hint: String?
        switch type {
        case .boolean: hint = "CASE WHEN .. THEN 1 ELSE 0 END makes a number of it"
        case .interval: hint = "extract(epoch FROM ..) makes a number of it"
        case .varchar: hint = "CAST it to DOUBLE"
        default: hint = nil
        }
        throw SQLError(
            "\(function.name) takes numbers, not \(type.name)", at: value.span, hint: hint,
            code: SQLError.datatypeMismatch)
    }

    // MARK: Parameters

    /// The value of every parameter, in their order.
    private func modelParameters(_ function: ModelFunction, _ named: [(name: Identifier, value: Expression)]) throws(SQLError) -> [Double] {
        var values = function.parameters.map(\.standard)
        var given = Set<Int>()
        for (name, expression) in named {
            let lower = name.name.lowercased()
            guard let place = function.parameters.firstIndex(where: { $0.name == lower }) else {
                let names = function.parameters.map(\.name)
                throw SQLError(
                    "\(function.name) has no parameter \"\(name.name)\"", at: name.span,
                    hint: NearestName.find(lower, among: names).map { "did you mean \"\($0)\"?" }
                        ?? (names.isEmpty ? "it has none" : "it has " + names.joined(separator: ", ")), code: SQLError.undefinedFunction)
            }
            guard given.insert(place).inserted else {
                throw SQLError("parameter \"\(lower)\" is given twice", at: name.span, code: SQLError.invalidParameter)
            }
            values[place] = try modelParameter(function.parameters[place], of: function.name, expression)
        }
        return values
    }

    private func modelParameter(_ parameter: ModelParameter, of name: String, _ expression: Expression) throws(SQLError) -> Double {
        let bound = try ExpressionBinder(scope: Scope(), clause: .constant("parameter \(parameter.name) of \(name)")).bind(expression)
        func refuse(_ what: String, hint: String? = nil) -> SQLError {
            SQLError("\(parameter.name) of \(name) must be \(what)", at: expression.span, hint: hint, code: SQLError.invalidParameter)
        }
        switch parameter.kind {
        case .integer(let range):
            guard case .integer(let number)? = bound.constantValue, bound.type.isInteger else {
                throw refuse("a whole number \(parameter.rangeText)", hint: "a constant, such as \(parameter.name) => \(range.lowerBound)")
            }
            guard range.contains(number) else { throw refuse("\(parameter.rangeText), not \(number)") }
            return Double(number)
        case .number(let range):
            guard bound.type.isNumeric,
                case .double(let number)? = try ExpressionTyping.cast(bound, to: .double, mode: .explicit, span: expression.span, text: "")
                    .constantValue
            else { throw refuse("a number \(parameter.rangeText)") }
            guard range.contains(number) else { throw refuse("\(parameter.rangeText), not \(parameter.text(number))") }
            return number
        case .interval(let range):
            guard case .interval(let interval)? = bound.constantValue else {
                throw refuse("an interval \(parameter.rangeText)", hint: "such as INTERVAL '1' DAY")
            }
            guard interval.months == 0 else { throw refuse("of days or less", hint: "months are not equally long: write days") }
            guard range.contains(interval.microseconds) else {
                throw refuse("\(parameter.rangeText), not \(ExpressionText.duration(interval.microseconds))")
            }
            return Double(interval.microseconds)
        }
    }
}
