// MatchAggregate: count, sum, avg, min and max over rows of a match, fed a row at a time in their order. The state is a few words, kept
// with each partial match (in DEFINE) or made again for each match (in MEASURES).
//
//   count               [rows]
//   sum, avg            [low half][high half][rows], 128 bits; of floating numbers [bits][rows]
//   min, max            [position of the row]: the value is looked up when it is asked for

import Columns
import Planning

struct MatchAggregate: Sendable {
    enum Kind: Sendable { case rows, values, wideSum, doubleSum, wideAverage, doubleAverage, least, greatest }

    let kind: Kind
    /// The argument among the stored columns; -1 for count(*).
    let column: Int
    let argumentType: SQLType
    let resultType: SQLType
    /// By variable.
    let isMember: [Bool]
    let text: String

    init(_ function: AggregateFunction, argument: BoundExpression?, column: Int, members: [Int], variableCount: Int, type: SQLType, text: String)
        throws(DataflowError)
    {
        self.column = column
        argumentType = argument?.type ?? .null
        resultType = type
        isMember = (0..<variableCount).map { members.isEmpty || members.contains($0) }
        self.text = text
        let isDouble = argumentType.layout == .double
        switch function {
        case .countRows: kind = .rows
        case .count: kind = .values
        case .sum where argumentType != .interval: kind = isDouble ? .doubleSum : .wideSum
        case .avg where argumentType != .interval: kind = isDouble ? .doubleAverage : .wideAverage
        case .min: kind = .least
        case .max: kind = .greatest
        default: throw DataflowError("\(text) is not supported yet in MATCH_RECOGNIZE")
        }
    }

    var wordCount: Int {
        switch kind {
        case .rows, .values, .least, .greatest: 1
        case .doubleSum, .doubleAverage: 2
        case .wideSum, .wideAverage: 3
        }
    }

    func reset(_ state: UnsafeMutablePointer<Int64>) {
        for word in 0..<wordCount { state[word] = 0 }
        if kind == .least || kind == .greatest { state[0] = -1 }
    }

    /// Takes in the row at `position`, which is mapped to a member.
    func add(_ state: UnsafeMutablePointer<Int64>, _ cells: MatchCells, _ position: Int64) {
        switch kind {
        case .rows: state[0] &+= 1
        case .values: if !cells.isNull(column, position) { state[0] &+= 1 }
        case .doubleSum, .doubleAverage:
            guard let value = cells.double(column, position) else { return }
            let sum = Double(bitPattern: UInt64(bitPattern: state[0])) + value
            state[0] = Int64(bitPattern: sum.bitPattern)
            state[1] &+= 1
        case .wideSum, .wideAverage:
            let value: Int128
            if argumentType.layout == .int64 {
                guard let narrow = cells.int64(column, position) else { return }
                value = Int128(narrow)
            } else {
                guard let wide = cells.int128(column, position) else { return }
                value = wide
            }
            // Decimals have 38 digits at most, so a sum that leaves 128 bits has left DECIMAL long before: the count says so.
            let (sum, overflow) = MatchAggregate.wide(state).addingReportingOverflow(value)
            state[0] = Int64(truncatingIfNeeded: sum)
            state[1] = Int64(truncatingIfNeeded: sum >> 64)
            state[2] = overflow || state[2] < 0 ? -1 : state[2] &+ 1
        case .least, .greatest:
            guard !cells.isNull(column, position) else { return }
            if state[0] < 0 {
                state[0] = position
                return
            }
            let order = compare(cells, position, state[0])
            if kind == .least ? order < 0 : order > 0 { state[0] = position }
        }
    }

    static func wide(_ state: UnsafeMutablePointer<Int64>) -> Int128 {
        Int128(state[1]) << 64 | Int128(UInt64(bitPattern: state[0]))
    }

    private func compare(_ cells: MatchCells, _ a: Int64, _ b: Int64) -> Int {
        switch argumentType.layout {
        case .bool:
            return (cells.bool(column, a) ?? false ? 1 : 0) - (cells.bool(column, b) ?? false ? 1 : 0)
        case .int64:
            let (left, right) = (cells.int64(column, a) ?? 0, cells.int64(column, b) ?? 0)
            return left < right ? -1 : left > right ? 1 : 0
        case .double:
            let (left, right) = (cells.double(column, a) ?? 0, cells.double(column, b) ?? 0)
            let (x, y) = (DoubleOrder.ordered(left == 0 ? 0 : left), DoubleOrder.ordered(right == 0 ? 0 : right))
            return x < y ? -1 : x > y ? 1 : 0
        case .int128:
            let (left, right) = (cells.int128(column, a) ?? 0, cells.int128(column, b) ?? 0)
            if argumentType == .interval { return IntervalOrder.isBefore(left, right) ? -1 : IntervalOrder.isBefore(right, left) ? 1 : 0 }
            return left < right ? -1 : left > right ? 1 : 0
        case .string: return StringView.compare(cells.text(column, a) ?? .empty, cells.text(column, b) ?? .empty)
        case .list, .structure: return 0
        }
    }

    /// The result, as the layout of `resultType`; nil for NULL. `failure` is set when there is no such value.
    func wideResult(_ state: UnsafeMutablePointer<Int64>, failure: inout String?) -> Int128? {
        guard kind == .wideSum || kind == .wideAverage, state[2] != 0 else { return nil }
        guard state[2] > 0 else {
            failure = "DECIMAL out of range"
            return nil
        }
        let sum = MatchAggregate.wide(state)
        if kind == .wideSum {
            if resultType.layout == .int64, Int64(exactly: sum) == nil {
                failure = "BIGINT out of range"
                return nil
            }
            guard WideSum.fitsDecimal(sum) else {
                failure = "DECIMAL out of range"
                return nil
            }
            return sum
        }
        var scale = 0
        if case .decimal(_, let argumentScale) = argumentType { scale = argumentScale }
        var digits = 0
        if case .decimal(_, let resultScale) = resultType { digits = max(resultScale - scale, 0) }
        let whole = WideSum(low: UInt128(truncatingIfNeeded: sum), high: sum < 0 ? -1 : 0)
        guard let average = whole.average(count: state[2], digits: digits), WideSum.fitsDecimal(average) else {
            failure = "DECIMAL out of range"
            return nil
        }
        return average
    }

    func doubleResult(_ state: UnsafeMutablePointer<Int64>) -> Double? {
        guard state[1] > 0 else { return nil }
        let sum = Double(bitPattern: UInt64(bitPattern: state[0]))
        return kind == .doubleAverage ? sum / Double(state[1]) : sum
    }

    func append(_ state: UnsafeMutablePointer<Int64>, _ cells: MatchCells, to builder: ColumnBuilder, failure: inout String?) {
        switch kind {
        case .rows, .values: builder.append(int64: state[0])
        case .least, .greatest: if state[0] < 0 { builder.appendNull() } else { cells.append(column, state[0], to: builder) }
        case .doubleSum, .doubleAverage:
            if let value = doubleResult(state) { builder.append(double: value) } else { builder.appendNull() }
        case .wideSum, .wideAverage:
            guard let value = wideResult(state, failure: &failure) else { return builder.appendNull() }
            if resultType.layout == .int64 {
                builder.append(int64: Int64(truncatingIfNeeded: value))
            } else {
                builder.append(int128: value)
            }
        }
    }
}
