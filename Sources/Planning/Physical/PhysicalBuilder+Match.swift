// PhysicalBuilder+Match: MATCH_RECOGNIZE as it is, and what its state grows with.

import Columns
import Syntax

extension PhysicalBuilder {
    mutating func lowerMatch(_ input: LogicalPlan, _ match: LogicalMatch) throws(SQLError) -> PhysicalPlan {
        if input.retracts(mode: mode) {
            throw SQLError(
                "MATCH_RECOGNIZE over an input that retracts rows is not supported", at: match.span,
                hint: "a pattern needs rows that stay", code: SQLError.featureNotSupported)
        }
        for growth in match.node.stateGrowth(input.fields.map(\.name)) where mode == .continuous { add(growth) }
        return .match(try lower(input), match.node)
    }
}

extension MatchNode {
    /// What the state grows with although time passes; empty when WITHIN bounds it.
    func stateGrowth(_ names: [String]) -> [String] {
        guard !isBounded else { return [] }
        var growth: [String] = []
        if withinMicroseconds == nil, pattern.positionCount(limit: 2) > 1 || pattern.isUnbounded {
            growth.append(
                "state of MATCH_RECOGNIZE grows with the rows of matches that have begun and never end: "
                    + "add WITHIN INTERVAL '...' behind PATTERN (...)")
        }
        let keys = partition.map { names.indices.contains($0) ? names[$0] : "$\($0)" }.joined(separator: ", ")
        guard !partition.isEmpty else { return growth }
        let before = (operands + measureOperands).compactMap(\.row).map(\.physicalOffset).min() ?? 0
        if before < 0 {
            growth.append("state of MATCH_RECOGNIZE grows with the number of distinct (\(keys)): PREV keeps the last \(-before) rows of each")
        } else if measureOperands.contains(.matchNumber) || pattern.hasStart {
            growth.append("state of MATCH_RECOGNIZE grows with the number of distinct (\(keys)): each is numbered")
        }
        return growth
    }
}

extension MatchPattern {
    var isUnbounded: Bool {
        switch self {
        case .repetition(_, _, let max, _): max != 1
        case .sequence(let parts), .alternation(let parts): parts.contains { $0.isUnbounded }
        case .exclusion(let part): part.isUnbounded
        case .variable, .start, .end: false
        }
    }

    /// Whether it asks for the first row of a partition.
    package var hasStart: Bool {
        switch self {
        case .start: true
        case .sequence(let parts), .alternation(let parts): parts.contains { $0.hasStart }
        case .repetition(let part, _, _, _), .exclusion(let part): part.hasStart
        case .variable, .end: false
        }
    }
}
