// GraphCompiler+Expand.

import Columns
import Planning

extension GraphCompiler {
    func makeExpand(_ rows: [[BoundExpression]], _ types: [SQLType]) throws(DataflowError) -> any BatchTransform {
        throw DataflowError("GROUPING SETS are not supported yet")
    }
}
