// AggregateFunction: the aggregates, their argument and result types.

import Columns
import Syntax

package enum AggregateFunction: String, Hashable, Sendable, CaseIterable {
    /// count(*): rows. BIGINT, never NULL.
    case countRows = "count(*)"
    /// count(x): rows in which x is not NULL. BIGINT, never NULL.
    case count
    /// Of integers BIGINT (an overflow fails the row that caused it); of DECIMAL(p, s) DECIMAL(38, s); of REAL and DOUBLE DOUBLE; of INTERVAL
    /// INTERVAL.
    case sum
    case min
    case max
    /// Exact numbers: DECIMAL(38, max(6, s)), rounded half up; REAL and DOUBLE: DOUBLE.
    case avg
    /// DOUBLE, by Welford's method (merged after Chan, Golub, LeVeque 1979). Sample variants are NULL below two rows.
    case varSamp = "var_samp"
    case varPop = "var_pop"
    case stddevSamp = "stddev_samp"
    case stddevPop = "stddev_pop"
    /// The first and last value in arrival order, NULLs passed over.
    case firstValue = "first_value"
    case lastValue = "last_value"
    /// Three-valued AND and OR over the rows that are not NULL.
    case boolAnd = "bool_and"
    case boolOr = "bool_or"

    /// The aggregate that a name stands for, whatever its case; nil when it is none. `count(*)` is `.countRows` by the binder.
    package static func named(_ name: String) -> AggregateFunction? {
        switch name.lowercased() {
        case "count": .count
        case "sum": .sum
        case "min": .min
        case "max": .max
        case "avg": .avg
        case "var_samp", "variance": .varSamp
        case "var_pop": .varPop
        case "stddev_samp", "stddev": .stddevSamp
        case "stddev_pop": .stddevPop
        case "first_value", "first": .firstValue
        case "last_value", "last": .lastValue
        case "bool_and", "every": .boolAnd
        case "bool_or", "any_value_true": .boolOr
        default: nil
        }
    }

    /// The type that the argument is cast to before it is aggregated, and the result's; nil when the argument's type does not suit.
    package func types(argument: SQLType) -> (argument: SQLType, result: SQLType)? {
        switch self {
        case .countRows, .count: return (argument, .bigint)
        case .sum:
            switch argument {
            case .smallint, .integer, .bigint: return (.bigint, .bigint)
            case .decimal(_, let scale): return (.decimal(precision: 38, scale: scale), .decimal(precision: 38, scale: scale))
            case .real, .double: return (.double, .double)
            case .interval: return (.interval, .interval)
            default: return nil
            }
        case .avg:
            switch argument {
            case .smallint, .integer, .bigint: return (.bigint, .decimal(precision: 38, scale: 6))
            case .decimal(_, let scale):
                return (.decimal(precision: 38, scale: scale), .decimal(precision: 38, scale: Swift.max(6, scale)))
            case .real, .double: return (.double, .double)
            default: return nil
            }
        case .varSamp, .varPop, .stddevSamp, .stddevPop: return argument.isNumeric ? (.double, .double) : nil
        case .min, .max:
            switch argument {
            case .array, .row, .map, .json, .null: return nil
            default: return (argument, argument)
            }
        case .firstValue, .lastValue: return (argument, argument)
        case .boolAnd, .boolOr: return argument == .boolean ? (.boolean, .boolean) : nil
        }
    }
}

/// One aggregate of an aggregation. Its argument and filter are columns of the aggregation's input: the planner projects them first.
package struct AggregateCall: Hashable, Sendable {
    package var function: AggregateFunction
    /// nil for count(*).
    package var argument: Int?
    package var isDistinct: Bool
    /// A BOOLEAN column; rows in which it is not true are passed over.
    package var filter: Int?
    package var resultType: SQLType
    /// As written, for EXPLAIN and errors.
    package var text: String

    package init(
        function: AggregateFunction, argument: Int?, isDistinct: Bool = false, filter: Int? = nil, resultType: SQLType,
        text: String = ""
    ) {
        self.function = function
        self.argument = argument
        self.isDistinct = isDistinct
        self.filter = filter
        self.resultType = resultType
        self.text = text
    }
}
