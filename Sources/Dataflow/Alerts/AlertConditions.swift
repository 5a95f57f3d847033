// AlertConditions: which rules are true of a row, as a set of bits by the rules' places in the node.
//
// Thresholds over one column are sorted by their bounds: those that a value passes are the first so many, found by binary search, and the bits of every
// such beginning are there already. So a row costs a look-up per column and direction and a word for each 64 rules, not a test per rule. Conditions of
// another kind are columns of booleans, one each.

import Columns
import Planning

struct AlertConditions {
    /// Thresholds over one column in one direction.
    private struct Ladder {
        let column: Int
        let comparison: AlertComparison
        /// Ascending for `>` and `>=`, descending for `<` and `<=`: a value passes the first so many.
        var integers: [Int64] = []
        var doubles: [Double] = []
        /// Of the first 0, 1, 2 .. thresholds: `wordCount` words each.
        var bits: [UInt64] = []
    }

    let wordCount: Int
    private var ladders: [Ladder] = []
    private var booleans: [(column: Int, rule: Int)] = []
    /// Rules of which every row is true.
    private var always: [UInt64]

    /// `conditions` by the place of their rules; nil for a rule without one.
    init(_ conditions: [AlertCondition?]) {
        wordCount = max((conditions.count + 63) / 64, 1)
        always = [UInt64](repeating: 0, count: wordCount)
        var thresholds: [(column: Int, comparison: AlertComparison, bound: AlertBound, rule: Int)] = []
        for (rule, condition) in conditions.enumerated() {
            switch condition {
            case .always?: always[rule >> 6] |= 1 << UInt64(rule & 63)
            case .column(let column)?: booleans.append((column, rule))
            case .threshold(let column, let comparison, let bound)?: thresholds.append((column, comparison, bound, rule))
            case nil: break
            }
        }
        var groups: [[(column: Int, comparison: AlertComparison, bound: AlertBound, rule: Int)]] = []
        for threshold in thresholds {
            if let place = groups.firstIndex(where: { $0[0].column == threshold.column && $0[0].comparison == threshold.comparison }) {
                groups[place].append(threshold)
            } else {
                groups.append([threshold])
            }
        }
        ladders = groups.map { Self.ladder($0, wordCount) }
    }

    private static func ladder(_ group: [(column: Int, comparison: AlertComparison, bound: AlertBound, rule: Int)], _ wordCount: Int) -> Ladder {
        var ladder = Ladder(column: group[0].column, comparison: group[0].comparison)
        let ascends = ladder.comparison == .greater || ladder.comparison == .greaterOrEqual
        func less(_ a: AlertBound, _ b: AlertBound) -> Bool {
            switch (a, b) {
            case (.integer(let a), .integer(let b)): a < b
            case (.double(let a), .double(let b)): a < b
            default: false
            }
        }
        let sorted = group.sorted { ascends ? less($0.bound, $1.bound) : less($1.bound, $0.bound) }
        var bits = [UInt64](repeating: 0, count: wordCount)
        ladder.bits = bits
        for threshold in sorted {
            switch threshold.bound {
            case .integer(let bound): ladder.integers.append(bound)
            case .double(let bound): ladder.doubles.append(bound)
            }
            bits[threshold.rule >> 6] |= 1 << UInt64(threshold.rule & 63)
            ladder.bits += bits
        }
        return ladder
    }

    /// The first place whose bound the value does not pass.
    @inline(__always)
    private static func count(_ n: Int, _ passes: (Int) -> Bool) -> Int {
        var low = 0
        var high = n
        while low < high {
            let middle = (low + high) / 2
            if passes(middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Sets `bits` to the rules that are true of the row.
    @inline(__always)
    func evaluate(_ columns: [Column], row: Int, into bits: UnsafeMutablePointer<UInt64>) {
        for word in 0..<wordCount { bits[word] = always[word] }
        for (column, rule) in booleans where !columns[column].isNull(row) && columns[column].bools[row] != 0 { bits[rule >> 6] |= 1 << UInt64(rule & 63) }
        for ladder in ladders {
            let column = columns[ladder.column]
            if column.isNull(row) { continue }
            let passed: Int
            if ladder.doubles.isEmpty {
                let value = column.int64s[row]
                let bounds = ladder.integers
                switch ladder.comparison {
                case .greater: passed = Self.count(bounds.count) { value > bounds[$0] }
                case .greaterOrEqual: passed = Self.count(bounds.count) { value >= bounds[$0] }
                case .less: passed = Self.count(bounds.count) { value < bounds[$0] }
                case .lessOrEqual: passed = Self.count(bounds.count) { value <= bounds[$0] }
                }
            } else {
                let value = column.doubles[row]
                let bounds = ladder.doubles
                // NaN is greater than every number, and no bound is NaN.
                switch ladder.comparison {
                case .greater: passed = value.isNaN ? bounds.count : Self.count(bounds.count) { value > bounds[$0] }
                case .greaterOrEqual: passed = value.isNaN ? bounds.count : Self.count(bounds.count) { value >= bounds[$0] }
                case .less: passed = value.isNaN ? 0 : Self.count(bounds.count) { value < bounds[$0] }
                case .lessOrEqual: passed = value.isNaN ? 0 : Self.count(bounds.count) { value <= bounds[$0] }
                }
            }
            if passed == 0 { continue }
            let start = passed * wordCount
            for word in 0..<wordCount { bits[word] |= ladder.bits[start + word] }
        }
    }

    /// Whether one condition, asked by itself, is true of the row.
    static func isTrue(_ condition: AlertCondition, _ columns: [Column], row: Int) -> Bool {
        switch condition {
        case .always: return true
        case .column(let column): return !columns[column].isNull(row) && columns[column].bools[row] != 0
        case .threshold(let column, let comparison, .integer(let bound)):
            guard !columns[column].isNull(row) else { return false }
            let value = columns[column].int64s[row]
            switch comparison {
            case .greater: return value > bound
            case .greaterOrEqual: return value >= bound
            case .less: return value < bound
            case .lessOrEqual: return value <= bound
            }
        case .threshold(let column, let comparison, .double(let bound)):
            guard !columns[column].isNull(row) else { return false }
            let value = columns[column].doubles[row]
            switch comparison {
            case .greater: return value > bound || value.isNaN
            case .greaterOrEqual: return value >= bound || value.isNaN
            case .less: return value < bound
            case .lessOrEqual: return value <= bound
            }
        }
    }
}
