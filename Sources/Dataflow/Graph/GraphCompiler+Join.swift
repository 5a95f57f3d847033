// GraphCompiler+Join.

import Columns
import Planning

extension GraphCompiler {
    func makeJoin(_ node: JoinNode, _ left: [SQLType], _ right: [SQLType]) throws(DataflowError) -> any Stage {
        throw DataflowError("joins are not supported yet")
    }
}
