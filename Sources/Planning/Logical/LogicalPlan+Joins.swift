// LogicalPlan+Joins: what a join does to time, windows and changes.

import Columns

extension LogicalPlan {
    /// Whether an output column of a join still drives event time.
    static func isTimeAttribute(_ column: Int, of join: LogicalJoin, _ left: LogicalPlan, _ right: LogicalPlan) -> Bool { false }

    static func windowOrigin(_ column: Int, of join: LogicalJoin, _ left: LogicalPlan, _ right: LogicalPlan, depth: Int) -> WindowOrigin? {
        nil
    }

    static func retracts(_ join: LogicalJoin, _ left: LogicalPlan, _ right: LogicalPlan, mode: RunMode) -> Bool {
        mode == .continuous && (left.retracts(mode: mode) || right.retracts(mode: mode) || join.kind != .inner)
    }
}
