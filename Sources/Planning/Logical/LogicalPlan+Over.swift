// LogicalPlan+Over: when window functions give their results, which of them are a ranking, and what that does to time and changes.
//
//     where                                             results come                                changelog
//     bounded query                                     at the end                                  append-only
//     a window's end in PARTITION BY                    when the window closes                      append-only
//     ORDER BY the event time, nothing to wait for      when the watermark has passed the row       append-only
//     models, ORDER BY a closed window's start or end   when the watermark has reached the end      append-only
//     anything else, or an input that retracts          in every epoch, with updates                retract (of models: refused)
//
// A filter `rn <= n` over ROW_NUMBER, RANK or DENSE_RANK keeps the first rows of each partition and nothing else (see `RankNode`). It is
// a changelog unless a window closes: a row that comes later may push out one that was given.

import Columns

enum OverTiming: Hashable {
    case atEnd
    /// The column of the input that holds the window's end.
    case windowClose(column: Int)
    case eventTime(column: Int)
    /// The column is the end of a window that has closed, or, when `sizeMicroseconds` is there, its start: window_time follows from it, and is the
    /// event time.
    case windowTime(column: Int, sizeMicroseconds: Int64?)
    case changes
}

/// A filter over a ranking that keeps ranks `first...last`.
struct RankPattern {
    var input: LogicalPlan
    var over: LogicalOver
    /// What stands between the ranking and the filter, from below.
    var projections: [[LogicalColumn]]
    var first: Int
    var last: Int
    /// The filter's other conditions.
    var residual: [BoundExpression]
}

extension LogicalPlan {
    /// Whether an output column of window functions still drives event time.
    static func isTimeAttribute(_ column: Int, of over: LogicalOver, _ input: LogicalPlan) -> Bool {
        column < input.fields.count && input.isTimeAttribute(column)
    }

    static func retracts(_ over: LogicalOver, _ input: LogicalPlan, mode: RunMode) -> Bool {
        timing(over, input, mode: mode) == .changes
    }

    static func timing(_ over: LogicalOver, _ input: LogicalPlan, mode: RunMode) -> OverTiming {
        if input.retracts(mode: mode) { return .changes }
        guard mode == .continuous else { return .atEnd }
        if let column = closingColumn(over, input) { return .windowClose(column: column) }
        if let first = over.order.first, !first.isDescending, let column = first.expression.plainColumn, input.isTimeAttribute(column),
            over.calls.allSatisfy(\.isDecidedByTime)
        {
            return .eventTime(column: column)
        }
        return over.isOfModels ? windowTime(over, input) ?? .changes : .changes
    }

    /// Windows of one size follow each other in the order of their ends as of their starts.
    private static func windowTime(_ over: LogicalOver, _ input: LogicalPlan) -> OverTiming? {
        guard let first = over.order.first, !first.isDescending, let column = first.expression.plainColumn,
            let origin = input.windowOrigin(column), origin.isClosed
        else { return nil }
        switch (origin.role, origin.shape) {
        case (.end, _): return .windowTime(column: column, sizeMicroseconds: nil)
        case (.start, .tumble(let size, _)), (.start, .hop(let size, _, _)): return .windowTime(column: column, sizeMicroseconds: size)
        default: return nil
        }
    }

    /// The end of a window among the partition keys, together with its start or alone: all rows of a partition are there when it closes.
    private static func closingColumn(_ over: LogicalOver, _ input: LogicalPlan) -> Int? {
        for key in over.partition {
            if let column = key.plainColumn, let origin = input.windowOrigin(column), origin.role == .end { return column }
        }
        return nil
    }

    /// Whether a filter over this plan takes rows back that it gave.
    static func retractsRanks(_ input: LogicalPlan, _ predicate: BoundExpression, mode: RunMode) -> Bool? {
        guard mode == .continuous, let pattern = rankPattern(input, predicate) else { return nil }
        if pattern.input.retracts(mode: mode) { return true }
        return closingColumn(pattern.over, pattern.input) == nil
    }

    /// The ranking that a filter with this predicate cuts off; nil when there is none, or no upper end.
    static func rankPattern(_ input: LogicalPlan, _ predicate: BoundExpression) -> RankPattern? {
        var plan = input
        var projections: [[LogicalColumn]] = []
        while case .project(let inner, let columns) = plan {
            projections.append(columns)
            plan = inner
        }
        guard case .over(let ranked, let over) = plan, over.calls.count == 1, over.calls[0].function.isRank else { return nil }
        let rankColumn = ranked.fields.count
        func isRank(_ expression: BoundExpression) -> Bool {
            var expression = expression
            // A comparison with a wider number casts the rank.
            if case .cast(let operand, _) = expression.kind, expression.type.isInteger { expression = operand }
            guard var column = expression.plainColumn else { return false }
            for columns in projections {
                guard column < columns.count, let below = columns[column].expression.plainColumn else { return false }
                column = below
            }
            return column == rankColumn
        }
        var first = 1
        var last = Int.max
        var residual: [BoundExpression] = []
        for condition in predicate.conjuncts {
            guard let bound = rankBound(condition, isRank) else {
                residual.append(condition)
                continue
            }
            first = max(first, bound.lowerBound)
            last = min(last, bound.upperBound)
        }
        guard last < Int.max, first <= last else { return nil }
        return RankPattern(
            input: ranked, over: over, projections: projections.reversed(), first: first, last: last, residual: residual)
    }

    /// The ranks that a condition of the form `rn <= 3` lets through.
    private static func rankBound(_ condition: BoundExpression, _ isRank: (BoundExpression) -> Bool) -> ClosedRange<Int>? {
        if case .inSet(let operand, let values, negated: false) = condition.kind, values.count == 1, isRank(operand),
            case .integer(let value) = values[0], value >= 1, let rank = Int(exactly: value)
        {
            return rank...rank
        }
        guard case .call(let function, let operands) = condition.kind, operands.count == 2 else { return nil }
        let isFlipped: Bool
        let constant: BoundExpression
        if isRank(operands[0]) {
            (isFlipped, constant) = (false, operands[1])
        } else if isRank(operands[1]) {
            (isFlipped, constant) = (true, operands[0])
        } else {
            return nil
        }
        guard case .integer(let value)? = constant.constantValue, constant.type.isInteger, value >= 1, value < 1 << 40 else { return nil }
        let rank = Int(value)
        switch (function, isFlipped) {
        case (.equal, _): return rank...rank
        case (.lessOrEqual, false), (.greaterOrEqual, true): return 1...rank
        case (.less, false), (.greater, true): return rank > 1 ? 1...(rank - 1) : nil
        case (.greaterOrEqual, false), (.lessOrEqual, true): return rank...Int.max
        case (.greater, false), (.less, true): return (rank + 1)...Int.max
        default: return nil
        }
    }
}

extension LogicalOverCall {
    /// Whether a row's result is settled once time has passed it and the rows that its frame reaches.
    var isDecidedByTime: Bool {
        switch function {
        case .ntile, .percentRank, .cumeDist: false
        case .rowNumber, .rank, .denseRank, .lag, .model: true
        // The next row that has a value may be any number of rows away.
        case .lead: !ignoresNulls
        case .firstValue, .lastValue, .nthValue, .aggregate: frame.end != .unboundedFollowing
        }
    }
}
