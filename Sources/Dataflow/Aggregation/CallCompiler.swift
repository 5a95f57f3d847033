// CallCompiler: which accumulators, distinct sets and derived columns the aggregates of a node need, shared where they are the same.
//
// Compact input: [keys][arguments, orders, filters][arrival number?][derived columns]. A derived column is made of the others once per
// batch: encoded rows (see OrderedEncoding) or histogram buckets.
//
// What an aggregate keeps, by whether rows can be taken back:
//
//   aggregate                     append-only                        retracting
//   min, max                      the extreme                        a bag
//   first, last                   value by arrival number            bag of [value][arrival]
//   first, last ... ORDER BY      extreme of [order][arrival][value]   bag of [order][value][arrival]
//   min_by, max_by                the same with [y]                  the same
//   array_agg, string_agg         bag of [order][arrival][value]     bag of [order][value][arrival]
//   the same of DISTINCT          bag of [order][value]              the same
//   median, percentiles, mode, histogram, approx_percentile   a bag of values or buckets in both
//   bit_and, bit_or               the bits                           a bag
//   approx_count_distinct         registers                          a bag, so exact
//   approx_top_k                  a bag that forgets rare values     a bag, so exact
//   the others                    sums and counts in both

import Columns
import Planning

/// A column made of others of the compact input.
struct DerivedColumn: Hashable, Sendable {
    enum Form: Hashable, Sendable {
        /// BYTES; NULL where one of `required` is.
        case encoded([OrderedField], required: [Int])
        /// BIGINT: the bucket of a DOUBLE, see `LogLinear`.
        case bucket(Int)
    }

    var form: Form
    /// For comparing as SQL groups do.
    var normalised: Bool

    var type: SQLType {
        switch form {
        case .encoded: .bytes
        case .bucket: .bigint
        }
    }
}

struct CallCompiler {
    let types: [SQLType]
    let retracts: Bool
    private(set) var inputColumns: [Int]
    private(set) var derived: [DerivedColumn] = []
    private(set) var accumulators: [Accumulator] = []
    private(set) var distincts: [DistinctSpecification] = []
    let needsArrival: Bool

    /// Compact columns before the derived ones.
    private var derivedBase: Int { inputColumns.count + (needsArrival ? 1 : 0) }
    private var arrivalColumn: Int { inputColumns.count }

    init(_ node: AggregateNode, types: [SQLType]) {
        self.types = types
        retracts = node.inputRetracts
        inputColumns = node.keys
        for call in node.aggregates {
            for ordinal in call.arguments + call.order.map(\.column) + (call.filter.map { [$0] } ?? []) where !inputColumns.contains(ordinal) {
                inputColumns.append(ordinal)
            }
        }
        needsArrival = node.aggregates.contains { $0.function.usesArrival && !($0.isDistinct && $0.function.isCollecting) }
    }

    private func compact(_ ordinal: Int) -> Int { inputColumns.firstIndex(of: ordinal) ?? 0 }

    mutating func accumulator(_ kind: Accumulator.Kind, _ argument: Int, _ feed: Accumulator.Feed, second: Int = -1) -> Int {
        let wanted = Accumulator(kind: kind, argument: argument, feed: feed, second: second)
        if let known = accumulators.firstIndex(of: wanted) { return known }
        accumulators.append(wanted)
        return accumulators.count - 1
    }

    private mutating func derive(_ form: DerivedColumn.Form, normalised: Bool) -> Int {
        let wanted = DerivedColumn(form: form, normalised: normalised)
        if let known = derived.firstIndex(of: wanted) { return derivedBase + known }
        derived.append(wanted)
        return derivedBase + derived.count - 1
    }

    /// A column that bags and distinct sets can hold: itself, or the bytes of an array or row, of several columns.
    private mutating func holdable(_ columns: [Int], normalised: Bool) -> Int {
        if columns.count == 1 {
            let type = types[inputColumns[columns[0]]]
            if type.layout != .list && type.layout != .structure { return columns[0] }
        }
        return derive(.encoded(columns.map { OrderedField(column: $0) }, required: columns), normalised: normalised)
    }

    /// Offsets are still numbers of accumulators.
    mutating func compile(_ call: AggregateCall) throws(DataflowError) -> GroupLayout.Call {
        let arguments = call.arguments.map(compact)
        let argumentTypes = call.arguments.map { types[$0] }
        let argument = arguments.first ?? -1
        let argumentType = argumentTypes.first ?? .null
        let filter = call.filter.map(compact)
        var feed = filter.map { Accumulator.Feed.filter($0) } ?? .all
        let layout = argumentType.layout
        let text = call.text.isEmpty ? call.function.rawValue : call.text
        var made = GroupLayout.Call(
            function: call.function, argumentType: argumentType, resultType: call.resultType, text: text, isDistinct: call.isDistinct,
            parameters: call.parameters, order: call.order.map { GroupLayout.Order(type: types[$0.column], isDescending: $0.isDescending) })
        func refuse() -> DataflowError { DataflowError("\(call.function.rawValue) of type \(argumentType.name) is not supported") }
        guard call.function == .countRows || argument >= 0 else { throw refuse() }

        if call.isDistinct && call.function.usesDistinctSet {
            feed = distinctFeed(holdable(arguments, normalised: true), filter)
        }
        let isDistinctFeed: Bool
        if case .distinct = feed { isDistinctFeed = true } else { isDistinctFeed = false }
        /// Rows, and of them those without a value.
        func count(_ compiler: inout CallCompiler, second: Int = -1) {
            made.rows = compiler.accumulator(.rows, -1, feed)
            if !isDistinctFeed { made.nulls = compiler.accumulator(.nulls, argument, feed, second: second) }
        }

        switch call.function {
        case .countRows: made.rows = accumulator(.rows, -1, feed)
        case .count: count(&self)
        case .sum, .avg:
            count(&self)
            switch (layout, argumentType) {
            case (_, .interval): made.main = accumulator(.sumInterval, argument, feed)
            case (.int64, _): made.main = accumulator(.sumInt64, argument, feed)
            case (.int128, _): made.main = accumulator(.sumInt128, argument, feed)
            case (.double, _): made.main = accumulator(.sumDouble, argument, feed)
            default: throw refuse()
            }
        case .varSamp, .varPop, .stddevSamp, .stddevPop, .skewness, .kurtosis:
            guard layout == .double else { throw refuse() }
            count(&self)
            made.main = accumulator(.sumDouble, argument, feed)
            made.more = [accumulator(.sumSquares, argument, feed)]
            if call.function == .skewness || call.function == .kurtosis { made.more.append(accumulator(.sumCubes, argument, feed)) }
            if call.function == .kurtosis { made.more.append(accumulator(.sumFourths, argument, feed)) }
        case .product:
            guard layout == .double else { throw refuse() }
            count(&self)
            made.main = accumulator(.product, argument, feed)
        case .covarPop, .covarSamp, .corr, .regrCount, .regrAvgx, .regrAvgy, .regrSxx, .regrSyy, .regrSxy, .regrSlope, .regrIntercept, .regrR2:
            guard arguments.count == 2, argumentTypes.allSatisfy({ $0.layout == .double }) else { throw refuse() }
            let x = arguments[1]
            count(&self, second: x)
            guard call.function != .regrCount else { break }
            made.main = accumulator(.sumDouble, argument, feed, second: x)
            made.more = [
                accumulator(.sumDouble, x, feed, second: argument), accumulator(.sumSquares, argument, feed, second: x),
                accumulator(.sumSquares, x, feed, second: argument), accumulator(.sumProducts, argument, feed, second: x),
            ]
        case .min, .max:
            if retracts || layout == .list || layout == .structure {
                try holdValues(&made, [argument], feed)
            } else {
                count(&self)
                let isMin = call.function == .min
                switch (layout, argumentType) {
                case (_, .interval): made.main = accumulator(isMin ? .minInterval : .maxInterval, argument, feed)
                case (.int128, _): made.main = accumulator(isMin ? .minDecimal : .maxDecimal, argument, feed)
                case (.string, _): made.main = accumulator(isMin ? .minText : .maxText, argument, feed)
                default: made.main = accumulator(isMin ? .minWord : .maxWord, argument, feed)
                }
            }
        case .firstValue, .lastValue:
            if retracts || !call.order.isEmpty || layout == .list || layout == .structure {
                try holdRows(&made, call, arguments, feed)
            } else {
                count(&self)
                let isFirst = call.function == .firstValue
                switch layout {
                case .int128: made.main = accumulator(isFirst ? .firstWide : .lastWide, argument, feed)
                case .string: made.main = accumulator(isFirst ? .firstText : .lastText, argument, feed)
                default: made.main = accumulator(isFirst ? .firstWord : .lastWord, argument, feed)
                }
            }
        case .minBy, .maxBy, .arrayAgg, .stringAgg: try holdRows(&made, call, arguments, feed)
        case .boolAnd, .boolOr:
            guard layout == .bool else { throw refuse() }
            count(&self)
            made.main = accumulator(.trues, argument, feed)
        case .bitAnd, .bitOr, .bitXor:
            guard layout == .int64 else { throw refuse() }
            if retracts && call.function != .bitXor {
                try holdValues(&made, [argument], feed)
            } else {
                count(&self)
                made.main = accumulator(call.function == .bitAnd ? .bitAnd : call.function == .bitOr ? .bitOr : .bitXor, argument, feed)
            }
        case .mode, .percentileCont, .percentileDisc, .histogram: try holdValues(&made, [argument], feed)
        case .approxPercentile:
            guard layout == .double else { throw refuse() }
            made.form = .buckets
            made.main = accumulator(.bagWord, derive(.bucket(argument), normalised: true), feed)
        case .approxCountDistinct:
            if retracts {
                try holdValues(&made, [argument], feed)
            } else {
                made.main = accumulator(.registers, holdable([argument], normalised: true), feed)
                made.form = .registers
            }
        case .approxTopK:
            let column = derive(.encoded([OrderedField(column: argument)], required: [argument]), normalised: true)
            made.main = accumulator(retracts ? .bagText : .bagFrequent, column, feed)
            made.form = .encoded
        }
        return made
    }

    private mutating func distinctFeed(_ argument: Int, _ filter: Int?) -> Accumulator.Feed {
        let set: Int
        if let known = distincts.firstIndex(where: { $0.argument == argument && ($0.filters.count < 64 || $0.filters.contains(filter)) }) {
            set = known
        } else {
            distincts.append(DistinctSpecification(argument: argument, filters: []))
            set = distincts.count - 1
        }
        if let known = distincts[set].filters.firstIndex(of: filter) { return .distinct(set: set, bit: known) }
        distincts[set].filters.append(filter)
        return .distinct(set: set, bit: distincts[set].filters.count - 1)
    }

    /// A bag of the argument's values.
    private mutating func holdValues(_ made: inout GroupLayout.Call, _ arguments: [Int], _ feed: Accumulator.Feed) throws(DataflowError) {
        switch (made.argumentType.layout, made.argumentType) {
        case (_, .interval), (.list, _), (.structure, _):
            let column = derive(.encoded(arguments.map { OrderedField(column: $0) }, required: arguments), normalised: false)
            made.main = accumulator(.bagText, column, feed)
            made.form = .encoded
        case (.int128, _):
            made.main = accumulator(.bagWide, arguments[0], feed)
            made.form = .wides
        case (.string, _):
            made.main = accumulator(.bagText, arguments[0], feed)
            made.form = .texts
        default:
            made.main = accumulator(.bagWord, arguments[0], feed)
            made.form = .words
        }
    }

    /// Encoded rows: [order][arrival][value] or [order][value][arrival], in a bag or only the first of them.
    private mutating func holdRows(
        _ made: inout GroupLayout.Call, _ call: AggregateCall, _ arguments: [Int], _ feed: Accumulator.Feed
    ) throws(DataflowError) {
        var fields = call.order.map { OrderedField(column: compact($0.column), isDescending: $0.isDescending, nullsFirst: $0.nullsFirst) }
        var required = [arguments[0]]
        switch call.function {
        case .minBy, .maxBy:
            guard arguments.count == 2 else { throw DataflowError("\(call.function.rawValue) takes two arguments") }
            fields = [OrderedField(column: arguments[1], isDescending: call.function == .maxBy)]
            made.order = [GroupLayout.Order(type: types[call.arguments[1]], isDescending: call.function == .maxBy)]
            required.append(arguments[1])
        case .arrayAgg: required = []
        default: break
        }
        let value = OrderedField(column: arguments[0])
        let arrival = OrderedField(column: arrivalColumn)
        if call.isDistinct && call.function.isCollecting {
            let column = derive(.encoded(fields + [value], required: required), normalised: false)
            made.main = accumulator(.bagText, column, feed)
            made.form = .rows(arrival: .none)
        } else if retracts {
            let column = derive(.encoded(fields + [value, arrival], required: required), normalised: false)
            made.main = accumulator(.bagArrival, column, feed)
            made.form = .rows(arrival: .behindValue)
        } else {
            let column = derive(.encoded(fields + [arrival, value], required: required), normalised: false)
            if call.function.isCollecting {
                made.main = accumulator(.bagText, column, feed)
                made.form = .rows(arrival: .beforeValue)
            } else {
                made.main = accumulator(call.function == .lastValue ? .maxText : .minText, column, feed)
                made.form = .extremeRow
            }
        }
    }
}

extension AggregateFunction {
    /// Whether DISTINCT keeps the values in a set that the accumulators are fed from. The others keep their values themselves.
    fileprivate var usesDistinctSet: Bool {
        switch self {
        case .count, .sum, .avg, .varSamp, .varPop, .stddevSamp, .stddevPop, .skewness, .kurtosis, .product, .bitXor: true
        // Of pairs the different pairs.
        case .covarPop, .covarSamp, .corr, .regrCount, .regrAvgx, .regrAvgy, .regrSxx, .regrSyy, .regrSxy, .regrSlope, .regrIntercept, .regrR2: true
        default: false
        }
    }

    /// Whether the result holds all values.
    var isCollecting: Bool { self == .arrayAgg || self == .stringAgg }

    fileprivate var usesArrival: Bool {
        switch self {
        case .firstValue, .lastValue, .minBy, .maxBy, .arrayAgg, .stringAgg: true
        default: false
        }
    }
}

/// Buckets of doubles: 256 to each power of two, so that what stands for a bucket is within 1 / 256 of everything in it. Integers below 512
/// have a bucket of their own and stand for it.
enum LogLinear {
    private static let dropped: Int64 = 44

    /// Orders as the values do.
    @inline(__always)
    static func bucket(_ value: Double) -> Int64 { DoubleOrder.ordered(value == 0 ? 0 : value) >> dropped }

    /// The middle of a bucket.
    static func value(_ bucket: Int64) -> Double {
        if bucket == DoubleOrder.ordered(.nan) >> dropped { return .nan }
        if bucket == DoubleOrder.ordered(.infinity) >> dropped { return .infinity }
        if bucket == DoubleOrder.ordered(-.infinity) >> dropped { return -.infinity }
        let low = DoubleOrder.value(bucket << dropped)
        let high = DoubleOrder.value((bucket << dropped) | ((1 << dropped) - 1))
        // The end nearer to zero is exact: what has few digits lies there.
        let inner = low.magnitude < high.magnitude ? low : high
        let outer = low.magnitude < high.magnitude ? high : low
        if inner == 0 { return 0 }
        return inner.magnitude < 512 && inner == inner.rounded() && outer.magnitude - inner.magnitude < 1 ? inner : inner + (outer - inner) / 2
    }
}
