// Explanation+Over: how EXPLAIN shows these nodes.

import Columns

extension LogicalPlan {
    static func label(_ over: LogicalOver, _ names: [String]) -> String {
        "Over [\(over.calls.map(\.text).joined(separator: ", "))]"
    }
}

extension PhysicalPlan {
    static func label(_ node: OverNode, _ names: [String]) -> String {
        "over [\(node.calls.map(\.text).joined(separator: ", "))]"
    }

    static func label(_ node: RankNode, _ names: [String]) -> String {
        "rank \(node.firstRank)..\(node.lastRank) by (\(node.partition.map { names[$0] }.joined(separator: ", ")))"
    }
}
