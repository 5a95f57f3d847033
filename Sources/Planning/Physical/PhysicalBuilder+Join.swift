// PhysicalBuilder+Join.

import Columns
import Syntax

extension PhysicalBuilder {
    mutating func lowerJoin(_ left: LogicalPlan, _ right: LogicalPlan, _ join: LogicalJoin) throws(SQLError) -> PhysicalPlan {
        throw SQLError("joins are not supported yet", at: join.span, code: SQLError.featureNotSupported)
    }
}
