// ExpressionBinder+Over: `f(..) OVER (..)`: the function, its window and its frame.
//
// Frames follow the SQL standard: with ORDER BY, RANGE UNBOUNDED PRECEDING to CURRENT ROW (peers included), without it the whole
// partition. Functions that do not look at the frame (ranks, LAG, LEAD, NTILE) get one that says how far they look.

import Anomaly
import Columns
import Syntax

extension OverFunction {
    /// The functions that are nothing without OVER.
    static func named(_ name: String) -> OverFunction? {
        switch name.lowercased() {
        case "row_number": .rowNumber
        case "rank": .rank
        case "dense_rank": .denseRank
        case "percent_rank": .percentRank
        case "cume_dist": .cumeDist
        case "ntile": .ntile
        case "lag": .lag
        case "lead": .lead
        case "first_value": .firstValue
        case "last_value": .lastValue
        case "nth_value": .nthValue
        default: nil
        }
    }

    static let names = [
        "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value", "last_value", "nth_value",
    ]

    /// Whether the function looks at the frame.
    package var usesFrame: Bool {
        switch self {
        case .firstValue, .lastValue, .nthValue, .aggregate: true
        default: false
        }
    }

    package var isRank: Bool { self == .rowNumber || self == .rank || self == .denseRank }
}

extension ExpressionBinder {
    /// A name that is only a window function stands with OVER.
    func checkNeedsNoOver(_ call: FunctionCall, span: SourceSpan) throws(SQLError) {
        let name = call.name.last.name.lowercased()
        // The first and the last of a group are never NULL.
        let isSaid = call.ignoresNulls == true && [.firstValue, .lastValue].contains(AggregateFunction.named(name))
        if let ignores = call.ignoresNulls, !isSaid {
            throw SQLError(
                "\(ignores ? "IGNORE" : "RESPECT") NULLS needs a window function", at: span,
                hint: "it stands before OVER: last_value(x) IGNORE NULLS OVER (..)", code: SQLError.windowingError)
        }
        if let model = ModelFunction.named(name) {
            throw SQLError(
                "anomaly function \(name) requires an OVER clause", at: span,
                hint: "for example \(model.usage) OVER (PARTITION BY .. ORDER BY ts)", code: SQLError.windowingError)
        }
        if OverFunction.named(name) != nil, AggregateFunction.named(name) == nil {
            throw SQLError(
                "window function \(name) requires an OVER clause", at: span,
                hint: "for example \(name)(\(call.arguments.isEmpty ? "" : "..")) OVER (PARTITION BY .. ORDER BY ..)",
                code: SQLError.windowingError)
        }
    }

    @inline(never)
    func bindOver(_ call: FunctionCall, _ reference: WindowReference, _ expression: Expression) throws(SQLError) -> BoundExpression {
        let span = expression.span
        let name = call.name.last.name.lowercased()
        guard let overs else { throw misplaced(span) }
        let window = try overs.window(reference)
        if let model = ModelFunction.named(name) {
            let bound = try bindModel(model, call, window, expression)
            let keys = try bindKeys(window, ExpressionBinder(scope: scope, clause: .over(name), grouping: grouping))
            return try overs.column(of: bound, partition: keys.partition, order: keys.order, window: window.span)
        }
        guard let function = OverFunction.named(name) ?? AggregateFunction.named(name).map({ .aggregate($0) }) else {
            let known = OverFunction.names + AggregateTable.names + ModelFunction.names
            if ExpressionTyping.functionNames.contains(name) {
                throw SQLError(
                    "OVER specified, but \(name) is not a window function nor an aggregate function", at: span, code: "42809")
            }
            throw SQLError(
                "window function \(name) does not exist", at: call.name.span,
                hint: NearestName.find(name, among: known).map { "did you mean \"\($0)\"?" }, code: SQLError.undefinedFunction)
        }
        if call.isDistinct {
            throw SQLError(
                "DISTINCT is not implemented for window functions", at: span,
                hint: "leave out duplicates in a subquery, or aggregate with GROUP BY", code: SQLError.featureNotSupported)
        }
        if let item = call.orderBy.first ?? call.withinGroup.first {
            throw SQLError(
                "ORDER BY in a window function's arguments is not supported yet", at: item.expression.span,
                code: SQLError.featureNotSupported)
        }
        if case let named?? = call.argumentNames.first(where: { $0 != nil }) {
            throw SQLError("\(name) takes no named arguments", at: named.span, code: SQLError.undefinedFunction)
        }
        let inner = ExpressionBinder(scope: scope, clause: .over(name), grouping: grouping)
        var filter: BoundExpression?
        if let condition = call.filter {
            guard case .aggregate = function else {
                throw SQLError(
                    "FILTER is not implemented for non-aggregate window functions", at: condition.span, code: SQLError.featureNotSupported)
            }
            filter = try inner.bindCondition(condition, of: "FILTER")
        }

        let (partition, order) = try bindKeys(window, inner)
        var bound = try bindCall(function, call, name, inner, expression)
        bound.filter = filter
        bound.frame = try bindFrame(window, order, inner)
        if !function.usesFrame {
            bound.frame = Self.reach(bound)
        }
        if let ignores = call.ignoresNulls {
            switch function {
            case .lag, .lead, .firstValue, .lastValue, .nthValue: bound.ignoresNulls = ignores
            default:
                throw SQLError(
                    "\(ignores ? "IGNORE" : "RESPECT") NULLS is not allowed with \(name)", at: span,
                    hint: "it goes with lag, lead, first_value, last_value and nth_value", code: SQLError.windowingError)
            }
        }
        return try overs.column(of: bound, partition: partition, order: order, window: window.span)
    }

    @inline(never)
    private func bindKeys(_ window: WindowSpecification, _ inner: ExpressionBinder) throws(SQLError)
        -> (partition: [BoundExpression], order: [LogicalOver.Order])
    {
        var partition: [BoundExpression] = []
        for key in window.partitionBy {
            let bound = try inner.bind(key)
            if bound.constantValue != nil || partition.contains(where: { $0.isSame(as: bound) }) { continue }
            partition.append(bound)
        }
        var order: [LogicalOver.Order] = []
        for item in window.orderBy {
            let bound = try inner.bind(item.expression)
            if bound.constantValue != nil || order.contains(where: { $0.expression.isSame(as: bound) }) { continue }
            order.append(
                LogicalOver.Order(
                    expression: bound, isDescending: item.isDescending, nullsFirst: item.nullsFirst ?? item.isDescending))
        }
        return (partition, order)
    }

    /// How far a function looks that does not look at the frame.
    private static func reach(_ call: LogicalOverCall) -> OverFrame {
        switch call.function {
        case .lag: OverFrame(unit: .rows, start: .preceding(Int64(call.offset)), end: .currentRow)
        case .lead: OverFrame(unit: .rows, start: .currentRow, end: .following(Int64(call.offset)))
        case .rowNumber: OverFrame(unit: .rows, start: .unboundedPreceding, end: .currentRow)
        case .rank, .denseRank: OverFrame(unit: .range, start: .unboundedPreceding, end: .currentRow)
        default: OverFrame(unit: .rows, start: .unboundedPreceding, end: .unboundedFollowing)
        }
    }

    private func misplaced(_ span: SourceSpan) -> SQLError {
        switch clause {
        case .aggregate:
            return SQLError(
                "aggregate function calls cannot contain window function calls", at: span,
                hint: "compute the window function in a subquery and aggregate outside", code: SQLError.groupingError)
        case .over:
            return SQLError(
                "window function calls cannot be nested", at: span, hint: "compute the inner one in a subquery",
                code: SQLError.windowingError)
        case .where, .having:
            return SQLError(
                "window functions are not allowed in \(clause.name)", at: span,
                hint: "filter by their results with QUALIFY, or in a query around this one", code: SQLError.windowingError)
        default:
            return SQLError("window functions are not allowed in \(clause.name)", at: span, code: SQLError.windowingError)
        }
    }

    // MARK: Arguments

    private func bindCall(
        _ function: OverFunction, _ call: FunctionCall, _ name: String, _ inner: ExpressionBinder, _ expression: Expression
    ) throws(SQLError) -> LogicalOverCall {
        let span = expression.span
        var bound = LogicalOverCall(
            function: function, arguments: [], filter: nil, isDistinct: false, ignoresNulls: false,
            frame: OverFrame(unit: .rows, start: .unboundedPreceding, end: .currentRow), offset: 1, resultType: .bigint,
            text: text(expression), span: span)
        func check(_ counts: ClosedRange<Int>, _ usage: String) throws(SQLError) {
            if !counts.contains(call.arguments.count) {
                throw SQLError(
                    "\(name) takes \(usage), not \(call.arguments.count) argument\(call.arguments.count == 1 ? "" : "s")", at: span,
                    code: SQLError.undefinedFunction)
            }
        }
        func value(_ index: Int) throws(SQLError) -> BoundExpression {
            let value = try inner.bind(call.arguments[index])
            return value.type == .null ? .constant(.null, .text, span: value.span) : value
        }
        func positive(_ index: Int, _ what: String, from least: Int) throws(SQLError) -> Int {
            let value = try ExpressionBinder(scope: Scope(), clause: .constant("the \(what) of \(name)")).bind(call.arguments[index])
            guard case .integer(let number)? = value.constantValue, value.type.isInteger else {
                throw SQLError(
                    "the \(what) of \(name) must be an integer constant", at: call.arguments[index].span, code: SQLError.invalidParameter)
            }
            guard number >= Int64(least), number <= 1 << 40 else {
                throw SQLError(
                    "the \(what) of \(name) must be at least \(least)", at: call.arguments[index].span, code: SQLError.invalidParameter)
            }
            return Int(number)
        }
        switch function {
        case .rowNumber, .rank, .denseRank: try check(0...0, "no arguments")
        case .percentRank, .cumeDist:
            try check(0...0, "no arguments")
            bound.resultType = .double
        case .ntile:
            try check(1...1, "the number of buckets")
            bound.offset = try positive(0, "number of buckets", from: 1)
            bound.resultType = .integer
        case .lag, .lead:
            try check(1...3, "a value, an offset and a default")
            var first = try value(0)
            if call.arguments.count > 1 { bound.offset = try positive(1, "offset", from: 0) }
            if call.arguments.count > 2 {
                let both = try ExpressionTyping.unify([first, try value(2)], what: "\(name) arguments")
                first = both[0]
                bound.arguments = both
            } else {
                bound.arguments = [first]
            }
            bound.resultType = first.type
        case .firstValue, .lastValue:
            try check(1...1, "one argument")
            bound.arguments = [try value(0)]
            bound.resultType = bound.arguments[0].type
        case .nthValue:
            try check(2...2, "a value and a place")
            bound.arguments = [try value(0)]
            bound.offset = try positive(1, "place", from: 1)
            bound.resultType = bound.arguments[0].type
        case .aggregate(let aggregate): try bindAggregate(aggregate, call, name, inner, &bound)
        case .model: break
        }
        return bound
    }

    private func bindAggregate(
        _ aggregate: AggregateFunction, _ call: FunctionCall, _ name: String, _ inner: ExpressionBinder, _ bound: inout LogicalOverCall
    ) throws(SQLError) {
        if aggregate == .count, call.arguments.count == 1, case .star(nil) = call.arguments[0].kind {
            bound.function = .aggregate(.countRows)
            return
        }
        guard call.arguments.count == 1 else {
            throw SQLError(
                call.arguments.isEmpty ? "\(name) needs an argument" : "\(name) takes one argument, not \(call.arguments.count)",
                at: bound.span, hint: aggregate == .count && call.arguments.isEmpty ? "to count rows write count(*)" : nil,
                code: SQLError.undefinedFunction)
        }
        var argument = try inner.bind(call.arguments[0])
        if argument.type == .null { argument = .constant(.null, .text, span: argument.span) }
        guard let types = aggregate.types(argument: argument.type) else {
            throw SQLError(
                "function \(name)(\(argument.type.name)) does not exist", at: bound.span,
                hint: argument.type.isText ? "CAST the argument to a number" : nil, code: SQLError.undefinedFunction)
        }
        bound.arguments = [try ExpressionTyping.cast(argument, to: types.argument, mode: .explicit, span: argument.span, text: bound.text)]
        bound.resultType = types.result
    }

    // MARK: Frames

    private func bindFrame(_ window: WindowSpecification, _ order: [LogicalOver.Order], _ inner: ExpressionBinder) throws(SQLError)
        -> OverFrame
    {
        guard let frame = window.frame else {
            return OverFrame(unit: .range, start: .unboundedPreceding, end: order.isEmpty ? .unboundedFollowing : .currentRow)
        }
        let unit: OverFrame.Unit
        switch frame.unit {
        case .rows: unit = .rows
        case .range: unit = .range
        case .groups: unit = .groups
        }
        if unit == .groups, order.isEmpty {
            throw SQLError("GROUPS mode requires an ORDER BY clause", at: window.span, code: SQLError.windowingError)
        }
        func refuse(_ message: String) -> SQLError { SQLError(message, at: window.span, code: SQLError.windowingError) }
        func rank(_ bound: WindowFrame.Bound) -> Int {
            switch bound {
            case .unboundedPreceding: 0
            case .preceding: 1
            case .currentRow: 2
            case .following: 3
            case .unboundedFollowing: 4
            }
        }
        let end = frame.end ?? .currentRow
        if rank(frame.start) == 4 { throw refuse("frame start cannot be UNBOUNDED FOLLOWING") }
        if rank(end) == 0 { throw refuse("frame end cannot be UNBOUNDED PRECEDING") }
        if rank(frame.start) > rank(end) {
            throw refuse(
                rank(frame.start) == 2
                    ? "frame starting from current row cannot have preceding rows"
                    : rank(end) == 2
                        ? "frame starting from following row cannot end with current row"
                        : "frame starting from following row cannot have preceding rows")
        }
        return OverFrame(
            unit: unit, start: try bindBound(frame.start, "starting", unit, window, order),
            end: try bindBound(end, "ending", unit, window, order))
    }

    private func bindBound(
        _ bound: WindowFrame.Bound, _ which: String, _ unit: OverFrame.Unit, _ window: WindowSpecification, _ order: [LogicalOver.Order]
    ) throws(SQLError) -> OverFrame.Bound {
        let offset: Expression
        let isPreceding: Bool
        switch bound {
        case .unboundedPreceding: return .unboundedPreceding
        case .unboundedFollowing: return .unboundedFollowing
        case .currentRow: return .currentRow
        case .preceding(let expression): (offset, isPreceding) = (expression, true)
        case .following(let expression): (offset, isPreceding) = (expression, false)
        }
        let value = try ExpressionBinder(scope: Scope(), clause: .constant("a frame offset")).bind(offset)
        let amount: Int64
        if unit == .range {
            guard order.count == 1 else {
                throw SQLError(
                    "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column", at: window.span,
                    hint: order.isEmpty ? "add ORDER BY to the window" : "ROWS takes several", code: SQLError.windowingError)
            }
            amount = try rangeOffset(value, order[0].expression.type, which, span: offset.span)
        } else {
            guard case .integer(let number)? = value.constantValue, value.type.isInteger else {
                throw SQLError(
                    "argument of \(unit == .rows ? "ROWS" : "GROUPS") must be an integer constant", at: offset.span,
                    hint: value.type == .interval ? "an interval goes with RANGE" : nil, code: SQLError.datatypeMismatch)
            }
            amount = number
        }
        if amount < 0 { throw Self.negative(which, offset.span) }
        return isPreceding ? .preceding(amount) : .following(amount)
    }

    private static func negative(_ which: String, _ span: SourceSpan) -> SQLError {
        SQLError("frame \(which) offset must not be negative", at: span, code: "22013")
    }

    /// In units of the order column: microseconds, days, unscaled units of a DECIMAL; of a DOUBLE its bits.
    private func rangeOffset(_ value: BoundExpression, _ type: SQLType, _ which: String, span: SourceSpan) throws(SQLError) -> Int64 {
        func mismatch(_ hint: String) -> SQLError {
            SQLError(
                "RANGE with an offset of type \(value.type.name.lowercased()) is not possible over an ORDER BY column of type \(type.name.lowercased())",
                at: span, hint: hint, code: SQLError.datatypeMismatch)
        }
        switch type {
        case .timestamp, .timestampTZ, .time, .date:
            guard case .interval(let interval)? = value.constantValue else { throw mismatch("write an interval: INTERVAL '10' SECOND") }
            guard interval.months == 0 else {
                throw SQLError(
                    "RANGE with months or years is not supported yet", at: span, hint: "write days", code: SQLError.featureNotSupported)
            }
            if type != .date { return interval.microseconds }
            let day: Int64 = 86_400_000_000
            guard interval.microseconds % day == 0 else { throw mismatch("dates are whole days apart") }
            return interval.microseconds / day
        case .smallint, .integer, .bigint:
            guard case .integer(let number)? = value.constantValue, value.type.isInteger else { throw mismatch("write a whole number") }
            return number
        case .decimal(_, let scale):
            guard value.type.isNumeric, !value.type.isFloating else { throw mismatch("write a number") }
            let wide = try ExpressionTyping.cast(
                value, to: .decimal(precision: SQLType.decimalPrecisionMax, scale: scale), mode: .explicit, span: span, text: "")
            guard case .decimal(let unscaled)? = wide.constantValue, let fits = Int64(exactly: unscaled) else {
                throw mismatch("write a number within the column's precision")
            }
            return fits
        case .real, .double:
            guard value.type.isNumeric else { throw mismatch("write a number") }
            let wide = try ExpressionTyping.cast(value, to: .double, mode: .explicit, span: span, text: "")
            guard case .double(let number)? = wide.constantValue, number.isFinite else { throw mismatch("write a number") }
            if number < 0 { throw Self.negative(which, span) }
            return Int64(bitPattern: number.bitPattern)
        default: throw mismatch("RANGE with an offset goes with numbers and times; ROWS with every type")
        }
    }
}
