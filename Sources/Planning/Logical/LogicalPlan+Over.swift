// LogicalPlan+Over: what window functions do to time and changes.

import Columns

extension LogicalPlan {
    static func isTimeAttribute(_ column: Int, of over: LogicalOver, _ input: LogicalPlan) -> Bool {
        column < input.fields.count && input.isTimeAttribute(column)
    }

    static func retracts(_ over: LogicalOver, _ input: LogicalPlan, mode: RunMode) -> Bool { input.retracts(mode: mode) }
}
