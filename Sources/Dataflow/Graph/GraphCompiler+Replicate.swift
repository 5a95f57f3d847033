// GraphCompiler+Replicate.

import Columns
import Planning

extension GraphCompiler {
    func makeReplicate(_ column: Int, _ types: [SQLType]) throws(DataflowError) -> any BatchTransform {
        try Replicate(column: column, types: types)
    }
}
