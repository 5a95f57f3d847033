import Columns
import Foundation
import Planning

/// Aggregates of pairs, of orders and of all values, by the book, over the rows of one group; nil for those that `Oracle` knows.
enum HeldOracle {
    /// The rows that are left when each retraction has taken the earliest row with the same values in `columns`. Where windows are put
    /// together from slices of time, the earliest of its slice: a further value says which that is.
    static func survivors(_ rows: [InputRow], _ columns: [Int], types: [SQLType]) -> [InputRow] {
        let columns = columns + (rows.first.map { $0.values.count > types.count ? [types.count] : [] } ?? [])
        var left: [InputRow] = []
        for row in rows {
            if row.change.isAddition {
                left.append(row)
            } else if let index = left.firstIndex(where: { candidate in columns.allSatisfy { candidate.values[$0] == row.values[$0] } }) {
                left.remove(at: index)
            }
        }
        return left
    }

    /// Negative, zero or positive, NULLs by `nullsFirst`.
    private static func compare(_ a: Value, _ b: Value, _ key: SortNode.Key) -> Int {
        if a.isNull || b.isNull { return a.isNull == b.isNull ? 0 : (a.isNull == key.nullsFirst ? -1 : 1) }
        let order = Oracle.less(a, b) ? -1 : Oracle.less(b, a) ? 1 : 0
        return key.isDescending ? -order : order
    }

    private static func sorted(_ rows: [InputRow], _ order: [SortNode.Key]) -> [InputRow] {
        rows.enumerated().sorted { a, b in
            for key in order {
                let result = compare(a.element.values[key.column], b.element.values[key.column], key)
                if result != 0 { return result < 0 }
            }
            return a.offset < b.offset
        }.map(\.element)
    }

    static func aggregate(_ call: AggregateCall, _ rows: [InputRow], types: [SQLType]) -> Value? {
        let argument = call.arguments[0]
        let order = call.order
        let all = survivors(rows, call.arguments + order.map(\.column), types: types)
        let present = all.filter { !$0.values[argument].isNull }
        var values = present.map { $0.values[argument] }
        if call.isDistinct {
            var seen: Set<Value> = []
            values = values.filter { seen.insert($0).inserted }
        }
        let ordered = values.sorted(by: Oracle.less)
        func fraction() -> Double { if case .double(let fraction) = call.parameters[0] { fraction } else { .nan } }
        var isDescending: Bool { call.parameters[1] == .boolean(true) }
        func counts() -> [(value: Value, count: Int)] {
            var counts: [Value: Int] = [:]
            for value in values { counts[value, default: 0] += 1 }
            return counts.map { (value: $0.key, count: $0.value) }.sorted { Oracle.less($0.value, $1.value) }
        }
        switch call.function {
        case .count where call.arguments.count > 1:
            let rows = all.filter { row in call.arguments.allSatisfy { !row.values[$0].isNull } }
            return .integer(Int64(Set(rows.map { row in call.arguments.map { row.values[$0] } }).count))
        case .min: return ordered.first ?? Value.null
        case .max: return ordered.last ?? Value.null
        case .firstValue: return sorted(present, order).first?.values[argument] ?? Value.null
        case .lastValue: return sorted(present, order).last?.values[argument] ?? Value.null
        case .minBy, .maxBy:
            let by = call.arguments[1]
            let pairs = present.filter { !$0.values[by].isNull }
            let key = SortNode.Key(column: by, isDescending: call.function == .maxBy, nullsFirst: false)
            return sorted(pairs, [key]).first?.values[argument] ?? Value.null
        case .bitAnd, .bitOr, .bitXor:
            let words: [Int64] = values.compactMap { if case .integer(let word) = $0 { word } else { nil } }
            guard let first = words.first else { return .null }
            return .integer(
                words.dropFirst().reduce(first) {
                    call.function == .bitAnd ? $0 & $1 : call.function == .bitOr ? $0 | $1 : $0 ^ $1
                })
        case .mode: return counts().max { $0.count < $1.count || ($0.count == $1.count && Oracle.less($1.value, $0.value)) }?.value ?? Value.null
        case .percentileDisc:
            guard !ordered.isEmpty else { return .null }
            let list: [Value] = isDescending ? ordered.reversed() : ordered
            return list[max(Int((fraction() * Double(list.count)).rounded(.up)), 1) - 1]
        case .percentileCont:
            guard !ordered.isEmpty else { return .null }
            let directed: [Value] = isDescending ? ordered.reversed() : ordered
            let list = directed.map { Oracle.number($0) }
            let place = fraction() * Double(list.count - 1)
            let low = list[Int(place.rounded(.down))]
            return .double(low + (list[Int(place.rounded(.up))] - low) * (place - place.rounded(.down)))
        case .histogram: return values.isEmpty ? Value.null : Value.list(counts().map { Value.list([$0.value, .integer(Int64($0.count))]) })
        case .approxTopK:
            guard case .integer(let most) = call.parameters[0], !values.isEmpty else { return .null }
            let best = counts().enumerated().sorted { (-$0.element.count, $0.offset) < (-$1.element.count, $1.offset) }
            return Value.list(best.prefix(Int(most)).map { Value.list([$0.element.value, .integer(Int64($0.element.count))]) })
        case .arrayAgg, .stringAgg:
            let isArray = call.function == .arrayAgg
            var list = sorted(isArray ? all : present, order).map { $0.values[argument] }
            if call.isDistinct {
                let ascending = SortNode.Key(column: argument, isDescending: false, nullsFirst: false)
                list = Array(Set(list)).sorted { compare($0, $1, order.first ?? ascending) < 0 }
            }
            guard !list.isEmpty else { return .null }
            if isArray { return .list(list) }
            guard case .string(let separator) = call.parameters[0] else { return .null }
            return .string(list.map { if case .string(let text) = $0 { text } else { "" } }.joined(separator: separator))
        case .product: return values.isEmpty ? Value.null : Value.double(values.reduce(1) { $0 * Oracle.number($1) })
        case .skewness, .kurtosis:
            let x = values.map(Oracle.number)
            let n = Double(x.count)
            guard x.count > (call.function == .skewness ? 2 : 3) else { return .null }
            let mean = x.reduce(0, +) / n
            func moment(_ power: Double) -> Double { x.reduce(0) { $0 + Foundation.pow($1 - mean, power) } / n }
            guard moment(2) > 1e-20 else { return .null }
            if call.function == .skewness { return .double((n * (n - 1)).squareRoot() / (n - 2) * moment(3) / Foundation.pow(moment(2), 1.5)) }
            return .double((n - 1) * ((n + 1) * moment(4) / (moment(2) * moment(2)) - 3 * (n - 1)) / ((n - 2) * (n - 3)))
        case .covarPop, .covarSamp, .corr, .regrCount, .regrAvgx, .regrAvgy, .regrSxx, .regrSyy, .regrSxy, .regrSlope, .regrIntercept, .regrR2:
            let pairs = present.filter { !$0.values[call.arguments[1]].isNull }
            let y = pairs.map { Oracle.number($0.values[argument]) }
            let x = pairs.map { Oracle.number($0.values[call.arguments[1]]) }
            let n = Double(pairs.count)
            if call.function == .regrCount { return .integer(Int64(pairs.count)) }
            guard n > 0 else { return .null }
            let meanX = x.reduce(0, +) / n
            let meanY = y.reduce(0, +) / n
            let sxx = x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
            let syy = y.reduce(0) { $0 + ($1 - meanY) * ($1 - meanY) }
            let sxy = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
            let (flatX, flatY) = (sxx < 1e-18, syy < 1e-18)
            switch call.function {
            case .covarPop: return .double(sxy / n)
            case .covarSamp: return n > 1 ? Value.double(sxy / (n - 1)) : Value.null
            case .corr: return flatX || flatY ? Value.null : Value.double(sxy / (sxx * syy).squareRoot())
            case .regrAvgx: return .double(meanX)
            case .regrAvgy: return .double(meanY)
            case .regrSxx: return .double(sxx)
            case .regrSyy: return .double(syy)
            case .regrSxy: return .double(sxy)
            case .regrSlope: return flatX ? Value.null : Value.double(sxy / sxx)
            case .regrIntercept: return flatX ? Value.null : Value.double(meanY - sxy / sxx * meanX)
            default: return flatX ? Value.null : flatY ? Value.double(1) : Value.double(sxy * sxy / (sxx * syy))
            }
        default: return nil
        }
    }
}
