// GraphCompiler+Over.

import Columns
import Planning

extension GraphCompiler {
    func makeOver(_ node: OverNode, _ types: [SQLType]) throws(DataflowError) -> any Stage {
        throw DataflowError("window functions are not supported yet")
    }
}
