// MaterializedBounds: which part of a materialized view a filter can be true for, as far as that is a stretch of its key: the first columns of the
// key equal to constants, and the one behind them between constants. The filter itself is evaluated all the same, so a wider stretch is never wrong.

import Columns
import Planning

struct MaterializedBounds {
    /// Of the first columns of the key.
    var equal: [Value] = []
    /// Of the column behind them; both are within, as the filter cuts off an end that is not.
    var low: Value?
    var high: Value?

    /// Negative for a row before the stretch, positive for one behind it.
    func compare(_ row: [Value], _ order: [Int]) -> Int {
        for (place, value) in equal.enumerated() {
            let result = MaterializedOrder.compare(row[order[place]], value)
            if result != 0 { return result }
        }
        guard equal.count < order.count else { return 0 }
        let value = row[order[equal.count]]
        if let low, MaterializedOrder.compare(value, low) < 0 { return -1 }
        if let high, MaterializedOrder.compare(value, high) > 0 { return 1 }
        return 0
    }

    /// Stretches that hold every row for which the filter is true; `column` tells which column of the view an ordinal of the filter's input is.
    static func of(_ filter: BoundExpression?, key: [Int], column: (Int) -> Int?) -> [MaterializedBounds] {
        var found: [Int: (equal: [Value]?, low: Value?, high: Value?)] = [:]
        for condition in filter.map(conjuncts) ?? [] {
            switch condition.kind {
            case .inSet(let operand, let values, negated: false):
                if case .column(let ordinal) = operand.kind, let place = column(ordinal) { found[place, default: (nil, nil, nil)].equal = values.filter { !$0.isNull } }
            case .call(let function, let operands) where operands.count == 2:
                var (operation, left, right) = (function, operands[0], operands[1])
                if case .constant = left.kind { (operation, left, right) = (function.mirrored, right, left) }
                guard case .column(let ordinal) = left.kind, case .constant(let value) = right.kind, left.type.sameOrder(as: right.type), !value.isNull,
                    let place = column(ordinal)
                else { continue }
                switch operation {
                case .equal: found[place, default: (nil, nil, nil)].equal = [value]
                case .greater, .greaterOrEqual: found[place, default: (nil, nil, nil)].low = value
                case .less, .lessOrEqual: found[place, default: (nil, nil, nil)].high = value
                default: break
                }
            default: break
            }
        }
        var bounds = [MaterializedBounds()]
        for place in key {
            guard let about = found[place] else { break }
            guard let values = about.equal else {
                for index in bounds.indices { (bounds[index].low, bounds[index].high) = (about.low, about.high) }
                break
            }
            // A row must come once, however often its value is listed.
            var seen: Set<Value> = []
            let distinct = values.filter { seen.insert($0).inserted }
            guard bounds.count * distinct.count <= 10_000 else { break }
            bounds = bounds.flatMap { bound in
                distinct.map { value in
                    var next = bound
                    next.equal.append(value)
                    return next
                }
            }
        }
        return bounds
    }

    private static func conjuncts(_ expression: BoundExpression) -> [BoundExpression] {
        if case .and(let operands) = expression.kind { operands.flatMap(conjuncts) } else { [expression] }
    }
}

extension SQLType {
    /// Whether values of both lie in memory alike and mean the same: decimals of different scales do not.
    fileprivate func sameOrder(as other: SQLType) -> Bool {
        if self == other { return true }
        return isText && other.isText || isInteger && other.isInteger || isTimestamp && other.isTimestamp
    }
}

extension ScalarFunction {
    fileprivate var mirrored: ScalarFunction {
        switch self {
        case .less: .greater
        case .lessOrEqual: .greaterOrEqual
        case .greater: .less
        case .greaterOrEqual: .lessOrEqual
        default: self
        }
    }
}

extension PhysicalPlan {
    /// The filter that stands directly above each scan, in the order of `scanNodes`.
    func scanFilters() -> [BoundExpression?] {
        var seen: Set<Int> = []
        return scanFilters(nil, &seen)
    }

    private func scanFilters(_ above: BoundExpression?, _ seen: inout Set<Int>) -> [BoundExpression?] {
        switch self {
        case .scan: return [above]
        case .filter(let input, let condition): return input.scanFilters(condition, &seen)
        case .shared(_, let id) where !seen.insert(id).inserted: return []
        default: return inputs.flatMap { $0.scanFilters(nil, &seen) }
        }
    }
}
