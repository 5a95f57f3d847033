// Explanation+Match: how EXPLAIN shows these nodes.

import Columns

extension LogicalPlan {
    static func label(_ match: LogicalMatch, _ names: [String]) -> String { "Match" }
}

extension PhysicalPlan {
    static func label(_ node: MatchNode, _ names: [String]) -> String { "match" }
}
