// Explanation+Join: how EXPLAIN shows these nodes.

import Columns

extension LogicalPlan {
    static func label(_ join: LogicalJoin, _ names: [String]) -> String {
        "Join \(join.kind.rawValue)" + (join.condition.map { " on " + ExpressionText.print($0, names) } ?? "")
    }
}

extension PhysicalPlan {
    static func label(_ node: JoinNode, _ left: [String], _ right: [String]) -> String {
        let keys = zip(node.leftKeys, node.rightKeys).map { "\(left[$0]) = \(right[$1])" }
        var text = "join \(node.kind.rawValue)"
        if !keys.isEmpty { text += " on " + keys.joined(separator: " AND ") }
        if let residual = node.residual { text += ", where " + ExpressionText.print(residual, left + right) }
        return text
    }
}
