// PhysicalBuilder+Match.

import Columns
import Syntax

extension PhysicalBuilder {
    mutating func lowerMatch(_ input: LogicalPlan, _ match: LogicalMatch) throws(SQLError) -> PhysicalPlan {
        throw SQLError("MATCH_RECOGNIZE is not supported yet", at: match.span, code: SQLError.featureNotSupported)
    }
}
