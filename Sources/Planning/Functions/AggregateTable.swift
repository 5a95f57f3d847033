// AggregateTable: the names of the aggregates and what the reference says about each. The binder and grammar/FUNCTIONS.md use the same
// table.

import Columns

package struct AggregateDefinition: Sendable {
    /// The first is the canonical one.
    package var names: [String]
    package var meaning: AggregateMeaning
    /// How it is called.
    package var forms: [String]
    package var result: String
    package var doc: String

    fileprivate init(_ names: [String], _ meaning: AggregateMeaning, _ forms: [String], _ result: String, _ doc: String) {
        self.names = names
        self.meaning = meaning
        self.forms = forms
        self.result = result
        self.doc = doc
    }
}

extension AggregateDefinition {
    var isJSON: Bool {
        switch meaning {
        case .jsonArray, .jsonObject: true
        default: false
        }
    }
}

package enum AggregateMeaning: Hashable, Sendable {
    case function(AggregateFunction)
    /// percentile_cont(0.5).
    case median
    /// count(*) FILTER (WHERE c).
    case countIf
    /// exp(avg(ln(x))).
    case geometricMean
    /// to_json(array_agg(x)); `isSparse`: without NULLs unless NULL ON NULL is written.
    case jsonArray(isSparse: Bool)
    /// An object of array_agg(ROW(key, value)).
    case jsonObject
}

package enum AggregateTable {
    package static func find(_ name: String) -> AggregateDefinition? { byName[name.lowercased()].map { definitions[$0] } }

    private static let byName: [String: Int] = {
        var places: [String: Int] = [:]
        for (index, definition) in definitions.enumerated() {
            for name in definition.names where places[name] == nil { places[name] = index }
        }
        return places
    }()

    static let functions: [String: AggregateFunction] = {
        var functions: [String: AggregateFunction] = [:]
        for definition in definitions {
            guard case .function(let function) = definition.meaning else { continue }
            for name in definition.names { functions[name] = function }
        }
        return functions
    }()

    /// Names as people write them, for suggestions.
    static let names: [String] = definitions.flatMap(\.names)

    package static let definitions: [AggregateDefinition] = [
        AggregateDefinition(
            ["count"], .function(.count), ["count(*)", "count(x)", "count(DISTINCT x, ...)"], "BIGINT",
            "Rows; rows in which x is not NULL; different values of x, or of several columns none of which is NULL."),
        AggregateDefinition(["count_if", "countif"], .countIf, ["count_if(condition)"], "BIGINT", "Rows for which the condition is true."),
        AggregateDefinition(
            ["sum"], .function(.sum), ["sum(x)"], "BIGINT; DECIMAL(38, s); DOUBLE; INTERVAL",
            "The sum. Inside nothing overflows; a sum that does not fit its type is NULL and goes to the error stream."),
        AggregateDefinition(
            ["avg"], .function(.avg), ["avg(x)"], "DECIMAL(38, max(6, s)); DOUBLE; INTERVAL",
            "The mean. Of exact numbers rounded half away from zero."),
        AggregateDefinition(["min"], .function(.min), ["min(x)"], "as x", "The smallest value."),
        AggregateDefinition(["max"], .function(.max), ["max(x)"], "as x", "The largest value; NaN is the largest number."),
        AggregateDefinition(
            ["first_value", "first", "any_value", "arbitrary"], .function(.firstValue), ["first_value(x [ORDER BY ...])"], "as x",
            "The first value that is not NULL, in order of arrival or the one asked for."),
        AggregateDefinition(
            ["last_value", "last"], .function(.lastValue), ["last_value(x [ORDER BY ...])"], "as x",
            "The last value that is not NULL, in order of arrival or the one asked for."),
        AggregateDefinition(
            ["min_by", "arg_min", "argmin"], .function(.minBy), ["min_by(x, y)"], "as x",
            "x of the row with the smallest y, the first of equals. Rows in which x or y is NULL are passed over."),
        AggregateDefinition(
            ["max_by", "arg_max", "argmax"], .function(.maxBy), ["max_by(x, y)"], "as x",
            "x of the row with the largest y, the first of equals. Rows in which x or y is NULL are passed over."),
        AggregateDefinition(["bool_and", "every"], .function(.boolAnd), ["bool_and(c)"], "BOOLEAN", "Whether all are true."),
        AggregateDefinition(["bool_or", "any_value_true"], .function(.boolOr), ["bool_or(c)"], "BOOLEAN", "Whether any is true."),
        AggregateDefinition(["bit_and"], .function(.bitAnd), ["bit_and(x)"], "BIGINT", "The bits that all have."),
        AggregateDefinition(["bit_or"], .function(.bitOr), ["bit_or(x)"], "BIGINT", "The bits that any has."),
        AggregateDefinition(["bit_xor"], .function(.bitXor), ["bit_xor(x)"], "BIGINT", "The bits that an odd number have."),
        AggregateDefinition(
            ["string_agg", "listagg", "group_concat"], .function(.stringAgg),
            ["string_agg([DISTINCT] x [, separator] [ORDER BY ...])", "listagg(x, separator) WITHIN GROUP (ORDER BY ...)"], "VARCHAR",
            "The texts one behind the other, with the separator (a constant; `,` when none is given) between them; in order of arrival or the one asked for."),
        AggregateDefinition(
            ["array_agg", "collect_list", "list"], .function(.arrayAgg), ["array_agg([DISTINCT] x [ORDER BY ...])"], "ARRAY of x",
            "The values, NULLs too, in order of arrival or the one asked for; DISTINCT gives them in their own order."),
        AggregateDefinition(
            ["json_agg", "jsonb_agg"], .jsonArray(isSparse: false), ["json_agg([DISTINCT] x [ORDER BY ...])"], "JSON",
            "The values as a JSON array, NULLs as null, in order of arrival or the one asked for."),
        AggregateDefinition(
            ["json_arrayagg", "json_array_agg"], .jsonArray(isSparse: true), ["json_arrayagg(x [ORDER BY ...] [{NULL | ABSENT} ON NULL])"], "JSON",
            "The same without NULLs, unless NULL ON NULL is written."),
        AggregateDefinition(
            ["json_object_agg", "jsonb_object_agg", "json_objectagg"], .jsonObject,
            ["json_object_agg(key, value [ORDER BY ...])", "json_objectagg([KEY] key VALUE value [{NULL | ABSENT} ON NULL])"], "JSON",
            "A JSON object with a member for each key, in order of arrival or the one asked for; of a key that comes again the last value. A NULL key fails."),
        AggregateDefinition(
            ["histogram"], .function(.histogram), ["histogram(x)"], "MAP of x to BIGINT", "How often each value comes, by value."),
        AggregateDefinition(
            ["mode"], .function(.mode), ["mode(x)", "mode() WITHIN GROUP (ORDER BY x)"], "as x", "The most frequent value, the smallest of equals."),
        AggregateDefinition(["median"], .median, ["median(x)"], "DOUBLE", "The middle value, or the mean of the two: percentile_cont(0.5)."),
        AggregateDefinition(
            ["percentile_cont", "quantile_cont", "quantile", "percentile"], .function(.percentileCont),
            ["percentile_cont(p) WITHIN GROUP (ORDER BY x)", "quantile_cont(x, p)"], "DOUBLE",
            "The value at fraction p (a constant from 0 to 1) of the order, interpolated between neighbours."),
        AggregateDefinition(
            ["percentile_disc", "quantile_disc"], .function(.percentileDisc),
            ["percentile_disc(p) WITHIN GROUP (ORDER BY x)", "quantile_disc(x, p)"], "as x",
            "The first value whose place in the order is at least fraction p of all."),
        AggregateDefinition(
            ["approx_percentile", "approx_quantile", "percentile_approx"], .function(.approxPercentile), ["approx_percentile(x, p)"], "DOUBLE",
            "percentile_disc from a log-linear histogram: within 0.4 % of the exact value (one part in 256), exact for integers below 512. At most 256 counters to each power of two that values span. The same whatever the order of rows."),
        AggregateDefinition(
            ["approx_count_distinct", "approx_distinct"], .function(.approxCountDistinct), ["approx_count_distinct(x)"], "BIGINT",
            "count(DISTINCT x) by HyperLogLog with 4,096 registers: standard error 1.6 %, at most 4 KiB a group. Exact over rows that can be taken back, where it keeps all values."),
        AggregateDefinition(
            ["approx_top_k", "approx_topk"], .function(.approxTopK), ["approx_top_k(x [, k])"], "ARRAY of ROW(value, count)",
            "The k (a constant; 10 when not given) most frequent values with their counts, by Misra and Gries over 1,024 values: a count is never too high, and too low by at most 1/512 of the rows. Exact up to 1,024 different values, and over rows that can be taken back."),
        AggregateDefinition(["stddev_samp", "stddev"], .function(.stddevSamp), ["stddev_samp(x)"], "DOUBLE", "Standard deviation of a sample."),
        AggregateDefinition(["stddev_pop"], .function(.stddevPop), ["stddev_pop(x)"], "DOUBLE", "Standard deviation of the whole."),
        AggregateDefinition(["var_samp", "variance"], .function(.varSamp), ["var_samp(x)"], "DOUBLE", "Variance of a sample; NULL below two values."),
        AggregateDefinition(["var_pop"], .function(.varPop), ["var_pop(x)"], "DOUBLE", "Variance of the whole."),
        AggregateDefinition(["skewness"], .function(.skewness), ["skewness(x)"], "DOUBLE", "Skewness of a sample; NULL below three values."),
        AggregateDefinition(
            ["kurtosis"], .function(.kurtosis), ["kurtosis(x)"], "DOUBLE", "Excess kurtosis of a sample; NULL below four values."),
        AggregateDefinition(["covar_samp"], .function(.covarSamp), ["covar_samp(y, x)"], "DOUBLE", "Covariance of a sample."),
        AggregateDefinition(["covar_pop"], .function(.covarPop), ["covar_pop(y, x)"], "DOUBLE", "Covariance of the whole."),
        AggregateDefinition(["corr"], .function(.corr), ["corr(y, x)"], "DOUBLE", "Correlation coefficient; NULL when either does not vary."),
        AggregateDefinition(["regr_count"], .function(.regrCount), ["regr_count(y, x)"], "BIGINT", "Pairs in which neither is NULL."),
        AggregateDefinition(["regr_avgx"], .function(.regrAvgx), ["regr_avgx(y, x)"], "DOUBLE", "Mean of x over such pairs."),
        AggregateDefinition(["regr_avgy"], .function(.regrAvgy), ["regr_avgy(y, x)"], "DOUBLE", "Mean of y over such pairs."),
        AggregateDefinition(["regr_sxx"], .function(.regrSxx), ["regr_sxx(y, x)"], "DOUBLE", "Sum of the squared deviations of x."),
        AggregateDefinition(["regr_syy"], .function(.regrSyy), ["regr_syy(y, x)"], "DOUBLE", "Sum of the squared deviations of y."),
        AggregateDefinition(["regr_sxy"], .function(.regrSxy), ["regr_sxy(y, x)"], "DOUBLE", "Sum of the products of the deviations."),
        AggregateDefinition(["regr_slope"], .function(.regrSlope), ["regr_slope(y, x)"], "DOUBLE", "Slope of the line of least squares."),
        AggregateDefinition(
            ["regr_intercept"], .function(.regrIntercept), ["regr_intercept(y, x)"], "DOUBLE", "Where that line meets x = 0."),
        AggregateDefinition(["regr_r2"], .function(.regrR2), ["regr_r2(y, x)"], "DOUBLE", "Square of the correlation coefficient."),
        AggregateDefinition(["product"], .function(.product), ["product(x)"], "DOUBLE", "The product."),
        AggregateDefinition(
            ["geometric_mean", "geomean"], .geometricMean, ["geometric_mean(x)"], "DOUBLE", "exp(avg(ln(x))); a value that is not positive fails its row."),
    ]

    /// The section of grammar/FUNCTIONS.md.
    package static func markdown() -> String {
        var text = """

            # Aggregate functions

            All pass over NULLs unless said otherwise, take `FILTER (WHERE ...)`, and give NULL for a group without values (counts give 0). All can be
            merged from parts and take rows back when their input is a changelog; min, max, first, last and the like then keep all their values. DISTINCT is understood wherever it changes the result. `GROUPING(a, ...)` and `GROUPING_ID(a, ...)` tell which keys a row of
            GROUPING SETS, ROLLUP or CUBE leaves out, as bits, the last argument's lowest.

            | aggregate | result | what it gives |
            | --- | --- | --- |

            """
        for definition in definitions {
            var doc = definition.doc
            if definition.names.count > 1 {
                doc += " Also " + definition.names.dropFirst().map { "`\($0)`" }.joined(separator: ", ") + "."
            }
            text += "| \(definition.forms.map { "`\($0)`" }.joined(separator: "<br>")) | \(definition.result) | \(doc) |\n"
        }
        return text
    }
}
