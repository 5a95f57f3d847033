// PhysicalBuilder+Over.

import Columns
import Syntax

extension PhysicalBuilder {
    mutating func lowerOver(_ input: LogicalPlan, _ over: LogicalOver) throws(SQLError) -> PhysicalPlan {
        throw SQLError("window functions are not supported yet", at: over.span, code: SQLError.featureNotSupported)
    }
}
