// GraphCompiler+Replicate.

import Columns
import Planning

extension GraphCompiler {
    func makeReplicate(_ column: Int, _ types: [SQLType]) throws(DataflowError) -> any BatchTransform {
        throw DataflowError("INTERSECT and EXCEPT are not supported yet")
    }
}
