// GraphCompiler+Match.

import Columns
import Planning

extension GraphCompiler {
    func makeMatch(_ node: MatchNode, _ types: [SQLType]) throws(DataflowError) -> any Stage {
        throw DataflowError("MATCH_RECOGNIZE is not supported yet")
    }
}
