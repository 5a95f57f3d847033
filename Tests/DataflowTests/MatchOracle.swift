// MatchOracle: MATCH_RECOGNIZE by the book, for tests: every way to match is tried in the order of preference of SQL:2016, by plain
// backtracking, with conditions as closures over the rows matched so far.

import Columns

/// A pattern that can be written as SQL and matched.
indirect enum OraclePattern {
    case variable(Int)
    case sequence([OraclePattern])
    case alternation([OraclePattern])
    case repetition(OraclePattern, Int, Int?, isGreedy: Bool)
    case permutation([OraclePattern])
    case exclusion(OraclePattern)
    case start, end

    static let names = ["A", "B", "C", "D"]

    var sql: String {
        switch self {
        case .variable(let index): return Self.names[index]
        case .sequence(let parts): return "(" + parts.map(\.sql).joined(separator: " ") + ")"
        case .alternation(let parts): return "(" + parts.map(\.sql).joined(separator: " | ") + ")"
        case .repetition(let part, let min, let max, let isGreedy):
            let count = max == nil ? (min == 0 ? "*" : min == 1 ? "+" : "{\(min),}") : "{\(min),\(max ?? 0)}"
            return "(\(part.sql))" + count + (isGreedy ? "" : "?")
        case .permutation(let parts): return "PERMUTE(" + parts.map(\.sql).joined(separator: ", ") + ")"
        case .exclusion(let part): return "{- \(part.sql) -}"
        case .start: return "^"
        case .end: return "$"
        }
    }

    var hasVariable: Bool {
        switch self {
        case .variable: true
        case .sequence(let parts), .alternation(let parts), .permutation(let parts): parts.contains { $0.hasVariable }
        case .repetition(let part, _, _, _), .exclusion(let part): part.hasVariable
        case .start, .end: false
        }
    }
}

/// What a condition may look at: the rows of the partition, and which variable each row of the match is mapped to, the row being tried last.
struct OracleContext {
    var values: [Int64]
    var start: Int
    var mapping: [Int]

    var current: Int { start + mapping.count - 1 }
    func rows(_ variable: Int?) -> [Int] { mapping.indices.filter { variable == nil || mapping[$0] == variable }.map { $0 + start } }
    func value(_ row: Int?) -> Int64? { row.flatMap { values.indices.contains($0) ? values[$0] : nil } }
    func first(_ variable: Int?, _ offset: Int = 0) -> Int? { rows(variable).dropFirst(offset).first }
    func last(_ variable: Int?, _ offset: Int = 0) -> Int? { rows(variable).dropLast(offset).last }
}

struct OracleMatch {
    var start: Int
    var mapping: [Int]
    var isExcluded: [Bool]
}

final class MatchOracle {
    let pattern: OraclePattern
    /// By variable; nil is always true.
    let conditions: [((OracleContext) -> Bool)?]
    let within: Int64?
    let values: [Int64]
    let times: [Int64]
    private var steps = 0
    static let stepsMax = 300_000

    init(_ pattern: OraclePattern, conditions: [((OracleContext) -> Bool)?], within: Int64?, values: [Int64], times: [Int64]) {
        self.pattern = pattern
        self.conditions = conditions
        self.within = within
        self.values = values
        self.times = times
    }

    /// Whether the last search was given up.
    var isExhausted: Bool { steps >= Self.stepsMax }

    func match(at start: Int) -> OracleMatch? {
        var found: OracleMatch?
        steps = 0
        _ = search(pattern, OracleMatch(start: start, mapping: [], isExcluded: []), false) { match in
            found = match
            return true
        }
        return isExhausted ? nil : found
    }

    private func search(_ pattern: OraclePattern, _ match: OracleMatch, _ excluded: Bool, _ next: (OracleMatch) -> Bool) -> Bool {
        steps += 1
        if isExhausted { return true }
        switch pattern {
        case .variable(let variable):
            let row = match.start + match.mapping.count
            guard row < values.count else { return false }
            if let within, times[row] - times[match.start] >= within { return false }
            var longer = match
            longer.mapping.append(variable)
            longer.isExcluded.append(excluded)
            if let condition = conditions[variable] {
                guard condition(OracleContext(values: values, start: match.start, mapping: longer.mapping)) else { return false }
            }
            return next(longer)
        case .sequence(let parts): return sequence(parts[...], match, excluded, next)
        case .alternation(let parts):
            for part in parts where search(part, match, excluded, next) { return true }
            return false
        case .permutation(let parts):
            for order in Self.permutations(Array(parts.indices)) where sequence(order.map { parts[$0] }[...], match, excluded, next) {
                return true
            }
            return false
        case .exclusion(let part): return search(part, match, true, next)
        case .start: return match.start + match.mapping.count == 0 && next(match)
        case .end: return match.start + match.mapping.count == values.count && next(match)
        case .repetition(let part, let min, let max, let isGreedy):
            return times(part, min, max.map { $0 - min }, isGreedy, match, excluded, next)
        }
    }

    private func times(
        _ part: OraclePattern, _ required: Int, _ optional: Int?, _ isGreedy: Bool, _ match: OracleMatch, _ excluded: Bool,
        _ next: (OracleMatch) -> Bool
    ) -> Bool {
        if required > 0 {
            return search(part, match, excluded) { self.times(part, required - 1, optional, isGreedy, $0, excluded, next) }
        }
        if optional == 0 { return next(match) }
        if !isGreedy, next(match) { return true }
        let again = search(part, match, excluded) { longer in
            // Without a bound an iteration has to map a row.
            if optional == nil, longer.mapping.count == match.mapping.count { return false }
            return self.times(part, 0, optional.map { $0 - 1 }, isGreedy, longer, excluded, next)
        }
        return again || isGreedy && next(match)
    }

    private func sequence(_ parts: ArraySlice<OraclePattern>, _ match: OracleMatch, _ excluded: Bool, _ next: (OracleMatch) -> Bool) -> Bool {
        guard let first = parts.first else { return next(match) }
        return search(first, match, excluded) { self.sequence(parts.dropFirst(), $0, excluded, next) }
    }

    static func permutations(_ items: [Int]) -> [[Int]] {
        guard items.count > 1 else { return [items] }
        return items.indices.flatMap { index -> [[Int]] in
            var rest = items
            let first = rest.remove(at: index)
            return permutations(rest).map { [first] + $0 }
        }
    }
}
