// QueryBinder+Lateral: what stands to the right of a comma or JOIN and sees the columns of what stands before it.

import Columns
import Syntax

extension QueryBinder {
    /// nil for a table that stands by itself.
    func bindLateral(
        _ kind: JoinKind, _ left: BoundTable, _ rightTable: TableExpression, _ condition: JoinCondition, _ context: QueryContext
    ) throws(SQLError) -> BoundTable? {
        isUnnest(rightTable) ? try bindUnnestJoin(kind, left, rightTable, condition) : nil
    }
}
