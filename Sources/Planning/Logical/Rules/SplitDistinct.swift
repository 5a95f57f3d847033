// Split distinct: an aggregation with DISTINCT in two steps, so that one group's values are not all kept and counted in one place.
//
//     SELECT k, count(DISTINCT x), count(*), max(y) GROUP BY k
//     =>  SELECT k, count(x), sum(c), max(m) FROM (SELECT k, x, count(*) AS c, max(y) AS m GROUP BY k, x) GROUP BY k
//
// Below there is a group for every key and value, which spread over all partitions however few the keys are. Above each value comes once, and
// the other aggregates are put together from parts. A FILTER of a DISTINCT aggregate becomes bool_or below: a value counts when any of its
// rows passed. Windows of a fixed length stay windows in both steps.
//
// It costs a group for each value where a set has an entry, and an update through two steps, so it pays only where few keys have
// most of the values; it runs when it is asked for (`SET optimizer_on = 'split distinct'`).
//
// Equal results: all DISTINCT aggregates are over the same expression, and what is put together from parts is exact: counts, extremes, bits,
// sums whose parts cannot leave their type. So sums of BIGINT, of fractions without a fixed scale, and aggregates that
// depend on order leave the aggregation as it is; as do sessions, windows that emit before they close, and state with a TTL,
// which would forget values one by one.

import Columns

enum SplitDistinct {
    static func apply(_ plan: LogicalPlan, mode: RunMode, hasTTL: Bool) -> LogicalPlan {
        plan.rewritten { node in
            guard case .aggregate(let input, let aggregate) = node else { return node }
            return split(input, aggregate, mode, hasTTL) ?? node
        }
    }

    /// How a call is put together: what is computed below, and what is made of its column above.
    private struct Part {
        var below: LogicalAggregateCall?
        var above: AggregateFunction
        var isCount = false
    }

    private static func split(_ input: LogicalPlan, _ aggregate: LogicalAggregate, _ mode: RunMode, _ hasTTL: Bool) -> LogicalPlan? {
        guard aggregate.madeBy == nil, let value = distinctValue(aggregate) else { return nil }
        if let window = aggregate.window {
            if case .session = window.shape { return nil }
            guard aggregate.emit != .changes, aggregate.allowedLatenessMicroseconds == 0 else { return nil }
        } else if mode == .continuous, hasTTL {
            return nil
        }

        // Below: the keys, the value, the window's columns, the parts.
        var lower = aggregate
        lower.madeBy = .splitDistinct
        lower.keys.append(LogicalColumn(expression: value, name: "value"))
        lower.calls = []
        let lowerBase = lower.callBase
        func part(_ call: LogicalAggregateCall) -> Int {
            if let index = lower.calls.firstIndex(where: { $0.isSame(as: call) }) { return lowerBase + index }
            lower.calls.append(call)
            return lowerBase + lower.calls.count - 1
        }

        // Above: the keys, with a window also its columns; then the calls.
        var upper = aggregate
        upper.madeBy = .splitDistinct
        upper.keys = aggregate.keys.enumerated().map { index, key in
            LogicalColumn(expression: .column(index, key.expression.type), name: key.name)
        }
        upper.calls = []
        upper.window = nil
        let valueColumn = aggregate.keys.count
        var types: [SQLType] = []
        for call in aggregate.calls {
            var made = call
            made.isDistinct = false
            made.filter = nil
            types.append(call.resultType)
            if isDistinct(call) {
                made.arguments = [.column(valueColumn, value.type)]
                if let filter = call.filter {
                    let passed = LogicalAggregateCall(
                        function: .boolOr, arguments: [filter], isDistinct: false, resultType: .boolean, text: "any(\(call.text))", span: call.span)
                    made.filter = .column(part(passed), .boolean)
                }
            } else {
                guard let function = merging(call) else { return nil }
                var below = call
                below.isDistinct = false
                made.function = function
                made.arguments = [.column(part(below), call.resultType)]
            }
            upper.calls.append(made)
        }

        let lowered = LogicalPlan.aggregate(input, lower)
        let fields = lowered.fields
        guard aggregate.window != nil else {
            let columns = finished(aggregate, callBase: upper.callBase, LogicalPlan.passing(LogicalPlan.aggregate(lowered, upper).fields))
            return .project(.aggregate(lowered, upper), columns)
        }
        return windowed(lowered, fields, lower, upper, aggregate, mode)
    }

    /// The second step over closed windows: grouped by the window's start and end, closed by its end.
    private static func windowed(
        _ lowered: LogicalPlan, _ fields: [SQLType.Field], _ lower: LogicalAggregate, _ upper: LogicalAggregate, _ aggregate: LogicalAggregate,
        _ mode: RunMode
    ) -> LogicalPlan? {
        guard let shape = aggregate.window?.shape else { return nil }
        var upper = upper
        let start = lower.keys.count
        for column in [start, start + 1] {
            upper.keys.append(LogicalColumn(expression: .column(column, fields[column].type), name: fields[column].name))
        }
        if mode == .continuous {
            let unit = LogicalWindow.unitMicroseconds(fields[start + 1].type)
            upper.window = WindowNode(shape: shape.closingTumble(unit: unit), timeColumn: start + 2)
        }
        let joined = LogicalPlan.aggregate(lowered, upper)
        let made = joined.fields
        let keyCount = aggregate.keys.count
        let end = BoundExpression.column(keyCount + 1, made[keyCount + 1].type)
        guard let time = try? LogicalWindow.time(end: end) else { return nil }
        let columns =
            LogicalPlan.passing(Array(made.prefix(keyCount + 2))) + [LogicalColumn(expression: time, name: "window_time")]
            + LogicalPlan.passing(Array(made.suffix(aggregate.calls.count)), from: upper.callBase)
        return .project(joined, finished(aggregate, callBase: keyCount + 3, columns))
    }

    /// Sums of counts are counts: 0 where there was nothing to sum, and called what they were called.
    private static func finished(_ aggregate: LogicalAggregate, callBase: Int, _ columns: [LogicalColumn]) -> [LogicalColumn] {
        var columns = columns
        for (index, call) in aggregate.calls.enumerated() {
            let column = columns[callBase + index]
            columns[callBase + index].name = call.text
            guard !isDistinct(call), isCount(call.function) else { continue }
            columns[callBase + index].expression = BoundExpression(
                .coalesce([column.expression, .constant(.integer(0), .bigint)]), type: .bigint)
        }
        return columns
    }

    private static func isDistinct(_ call: LogicalAggregateCall) -> Bool { call.isDistinct && call.function.dependsOnDuplicates }

    private static func isCount(_ function: AggregateFunction) -> Bool { function == .count || function == .countRows }

    /// What all DISTINCT aggregates are over; nil when there are none, or one that cannot be split.
    private static func distinctValue(_ aggregate: LogicalAggregate) -> BoundExpression? {
        var value: BoundExpression?
        for call in aggregate.calls where isDistinct(call) {
            guard call.arguments.count == 1, call.order.isEmpty, let argument = call.argument else { return nil }
            switch call.function {
            case .count: break
            case .sum, .avg: guard argument.type.isExactNumber else { return nil }
            default: return nil
            }
            if let value, !value.isSame(as: argument) { return nil }
            value = argument
        }
        // What cannot be a key: nothing is known of its order or equality.
        if let value, value.type.isNested || value.type == .json { return nil }
        return value
    }

    /// The aggregate that puts results of this one together; nil when none does exactly.
    private static func merging(_ call: LogicalAggregateCall) -> AggregateFunction? {
        guard call.order.isEmpty else { return nil }
        switch call.function {
        case .countRows: return .sum
        case .count: return call.arguments.count == 1 ? .sum : nil
        case .min, .max, .boolAnd, .boolOr, .bitAnd, .bitOr: return call.function
        case .sum: return call.argument?.isNarrowNumber == true ? .sum : nil
        default: return nil
        }
    }
}

extension SQLType {
    fileprivate var isExactNumber: Bool {
        switch self {
        case .smallint, .integer, .bigint, .decimal: true
        default: false
        }
    }
}

extension BoundExpression {
    /// A number so much narrower than the type it is summed in that no sum of rows leaves that type.
    fileprivate var isNarrowNumber: Bool {
        guard case .cast(let operand, _) = kind else { return false }
        switch (operand.type, type) {
        case (.smallint, .bigint), (.integer, .bigint): return true
        case (.decimal(let precision, let scale), .decimal(_, let target)): return scale == target && precision <= 24
        default: return false
        }
    }
}
