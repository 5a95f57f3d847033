// LogicalPlan+Match: what MATCH_RECOGNIZE does to time.

import Columns

extension LogicalPlan {
    static func isTimeAttribute(_ column: Int, of match: LogicalMatch, _ input: LogicalPlan) -> Bool { false }
}
