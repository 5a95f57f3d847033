// Explanation+Match: how EXPLAIN shows MATCH_RECOGNIZE.

import Columns
import Syntax

extension LogicalPlan {
    static func label(_ match: LogicalMatch, _ names: [String]) -> String { "Match " + match.node.description(names) }
}

extension PhysicalPlan {
    static func label(_ node: MatchNode, _ names: [String]) -> String { "match " + node.description(names) }
}

extension MatchNode {
    func description(_ names: [String]) -> String {
        func name(_ column: Int) -> String { names.indices.contains(column) ? names[column] : "$\(column)" }
        var parts: [String] = []
        if !partition.isEmpty { parts.append("by (\(partition.map(name).joined(separator: ", ")))") }
        parts.append("in order of (" + order.map { name($0.column) + ($0.isDescending ? " desc" : "") }.joined(separator: ", ") + ")")
        parts.append("pattern (\(pattern.text(variables)))")
        if let withinMicroseconds { parts.append("within \(ExpressionText.duration(withinMicroseconds))") }
        switch rows {
        case .oneRow: parts.append("one row per match")
        case .allRows: parts.append("all rows per match")
        }
        switch skip {
        case .pastLastRow: parts.append("skip past last row")
        case .nextRow: parts.append("skip to next row")
        case .first(let members): parts.append("skip to first " + members.map { variables[$0] }.joined(separator: "/"))
        case .last(let members): parts.append("skip to last " + members.map { variables[$0] }.joined(separator: "/"))
        }
        return parts.joined(separator: " ")
    }
}

extension MatchPattern {
    func text(_ variables: [String]) -> String {
        switch self {
        case .variable(let index): return variables.indices.contains(index) ? variables[index] : "?"
        case .sequence(let parts): return parts.map { $0.inner(variables) }.joined(separator: " ")
        case .alternation(let parts):
            // A permutation written out can be long.
            let shown = parts.prefix(6).map { $0.inner(variables) }.joined(separator: " | ")
            return parts.count > 6 ? shown + " | ..." : shown
        case .repetition(let part, let min, let max, let isGreedy):
            let count: String
            switch (min, max) {
            case (0, nil): count = "*"
            case (1, nil): count = "+"
            case (0, 1): count = "?"
            default: count = max == min ? "{\(min)}" : "{\(min),\(max.map { "\($0)" } ?? "")}"
            }
            return part.inner(variables) + count + (isGreedy ? "" : "?")
        case .exclusion(let part): return "{- \(part.text(variables)) -}"
        case .start: return "^"
        case .end: return "$"
        }
    }

    private func inner(_ variables: [String]) -> String {
        switch self {
        case .sequence, .alternation, .repetition: "(\(text(variables)))"
        default: text(variables)
        }
    }
}
