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
    /// Exact numbers: DECIMAL(38, max(6, s)), rounded half up; REAL and DOUBLE: DOUBLE; INTERVAL: INTERVAL.
    case avg
    /// DOUBLE, from sums kept in doubled precision. Sample variants are NULL below two rows.
    case varSamp = "var_samp"
    case varPop = "var_pop"
    case stddevSamp = "stddev_samp"
    case stddevPop = "stddev_pop"
    /// The first and last value in arrival order (or the order asked for), NULLs passed over.
    case firstValue = "first_value"
    case lastValue = "last_value"
    /// Three-valued AND and OR over the rows that are not NULL.
    case boolAnd = "bool_and"
    case boolOr = "bool_or"
    case bitAnd = "bit_and"
    case bitOr = "bit_or"
    case bitXor = "bit_xor"
    /// Of pairs (y, x), passing over those in which either is NULL.
    case covarPop = "covar_pop"
    case covarSamp = "covar_samp"
    case corr
    case regrCount = "regr_count"
    case regrAvgx = "regr_avgx"
    case regrAvgy = "regr_avgy"
    case regrSxx = "regr_sxx"
    case regrSyy = "regr_syy"
    case regrSxy = "regr_sxy"
    case regrSlope = "regr_slope"
    case regrIntercept = "regr_intercept"
    case regrR2 = "regr_r2"
    case skewness
    case kurtosis
    case product
    /// Parameter: the separator.
    case stringAgg = "string_agg"
    case arrayAgg = "array_agg"
    /// min_by(x, y): x of the row with the smallest y.
    case minBy = "min_by"
    case maxBy = "max_by"
    case mode
    /// Parameters: the fraction (DOUBLE), whether the order is descending.
    case percentileCont = "percentile_cont"
    case percentileDisc = "percentile_disc"
    case approxPercentile = "approx_percentile"
    case approxCountDistinct = "approx_count_distinct"
    /// Parameter: how many.
    case approxTopK = "approx_top_k"
    case histogram

    /// The aggregate that a name stands for, whatever its case; nil when it is none. `count(*)` is `.countRows` by the binder, and names
    /// that stand for an expression over aggregates are the binder's too.
    package static func named(_ name: String) -> AggregateFunction? { AggregateTable.functions[name.lowercased()] }

    /// The type that the argument is cast to before it is aggregated, and the result's; nil when the argument's type does not suit.
    package func types(argument: SQLType) -> (argument: SQLType, result: SQLType)? {
        types(arguments: [argument]).flatMap { types in types.arguments.first.map { ($0, types.result) } }
    }

    /// The same of all arguments; nil too when their number is wrong.
    package func types(arguments: [SQLType]) -> (arguments: [SQLType], result: SQLType)? {
        guard let argument = arguments.first else { return self == .countRows ? ([], .bigint) : nil }
        if takesPairs {
            guard arguments.count == 2 else { return nil }
            switch self {
            case .minBy, .maxBy:
                return arguments[1].isNested || arguments[1] == .json ? nil : (arguments, argument)
            default:
                return arguments.allSatisfy(\.isNumeric) ? ([.double, .double], self == .regrCount ? .bigint : .double) : nil
            }
        }
        guard arguments.count == 1 || self == .count else { return nil }
        switch self {
        case .countRows, .count, .approxCountDistinct: return (arguments, .bigint)
        case .sum:
            switch argument {
            case .smallint, .integer, .bigint: return ([.bigint], .bigint)
            case .decimal(_, let scale): return ([.decimal(precision: 38, scale: scale)], .decimal(precision: 38, scale: scale))
            case .real, .double: return ([.double], .double)
            case .interval: return ([.interval], .interval)
            default: return nil
            }
        case .avg:
            switch argument {
            case .smallint, .integer, .bigint: return ([.bigint], .decimal(precision: 38, scale: 6))
            case .decimal(_, let scale):
                return ([.decimal(precision: 38, scale: scale)], .decimal(precision: 38, scale: Swift.max(6, scale)))
            case .real, .double: return ([.double], .double)
            case .interval: return ([.interval], .interval)
            default: return nil
            }
        case .varSamp, .varPop, .stddevSamp, .stddevPop, .skewness, .kurtosis, .product, .percentileCont, .approxPercentile:
            return argument.isNumeric ? ([.double], .double) : nil
        case .min, .max, .percentileDisc, .mode:
            return argument.isNested || argument == .json || argument == .null ? nil : ([argument], argument)
        case .firstValue, .lastValue: return ([argument], argument)
        case .boolAnd, .boolOr: return argument == .boolean ? ([.boolean], .boolean) : nil
        case .bitAnd, .bitOr, .bitXor: return argument.isInteger ? ([.bigint], .bigint) : nil
        case .stringAgg: return argument.isText ? ([.text], .text) : nil
        case .arrayAgg: return ([argument], .array(argument))
        case .histogram: return argument.isNested || argument == .json ? nil : ([argument], .map(argument, .bigint))
        case .approxTopK:
            return ([argument], .array(.row([SQLType.Field(name: "value", type: argument), SQLType.Field(name: "count", type: .bigint)])))
        case .minBy, .maxBy, .covarPop, .covarSamp, .corr, .regrCount, .regrAvgx, .regrAvgy, .regrSxx, .regrSyy, .regrSxy, .regrSlope,
            .regrIntercept, .regrR2:
            return nil
        }
    }

    /// Whether it has two arguments.
    package var takesPairs: Bool {
        switch self {
        case .minBy, .maxBy, .covarPop, .covarSamp, .corr, .regrCount, .regrAvgx, .regrAvgy, .regrSxx, .regrSyy, .regrSxy, .regrSlope,
            .regrIntercept, .regrR2:
            true
        default: false
        }
    }

    /// Whether leaving out duplicates changes the result: min(DISTINCT x) is min(x).
    var dependsOnDuplicates: Bool {
        switch self {
        case .min, .max, .firstValue, .lastValue, .boolAnd, .boolOr, .bitAnd, .bitOr, .countRows, .minBy, .maxBy, .approxCountDistinct: false
        default: true
        }
    }

    /// Whether ORDER BY within the parentheses changes the result; elsewhere it is allowed and passed over, as in PostgreSQL.
    var dependsOnOrder: Bool {
        switch self {
        case .stringAgg, .arrayAgg, .firstValue, .lastValue: true
        default: false
        }
    }
}

/// One aggregate of an aggregation. Its arguments, filter and order are columns of the aggregation's input: the planner projects them first.
package struct AggregateCall: Hashable, Sendable {
    package var function: AggregateFunction
    /// Empty for count(*). Several of count(DISTINCT a, b) and of functions of pairs.
    package var arguments: [Int]
    /// Constants: see the function.
    package var parameters: [Value]
    /// `ORDER BY` within the parentheses, of functions that depend on it.
    package var order: [SortNode.Key]
    package var isDistinct: Bool
    /// A BOOLEAN column; rows in which it is not true are passed over.
    package var filter: Int?
    package var resultType: SQLType
    /// As written, for EXPLAIN and errors.
    package var text: String

    /// The first, or only, argument.
    package var argument: Int? { arguments.first }

    package init(
        function: AggregateFunction, arguments: [Int], parameters: [Value] = [], order: [SortNode.Key] = [], isDistinct: Bool = false,
        filter: Int? = nil, resultType: SQLType, text: String = ""
    ) {
        self.function = function
        self.arguments = arguments
        self.parameters = parameters
        self.order = order
        self.isDistinct = isDistinct
        self.filter = filter
        self.resultType = resultType
        self.text = text
    }

    package init(
        function: AggregateFunction, argument: Int?, isDistinct: Bool = false, filter: Int? = nil, resultType: SQLType,
        text: String = ""
    ) {
        self.init(
            function: function, arguments: argument.map { [$0] } ?? [], isDistinct: isDistinct, filter: filter, resultType: resultType,
            text: text)
    }
}
