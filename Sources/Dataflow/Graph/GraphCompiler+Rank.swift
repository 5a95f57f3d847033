// GraphCompiler+Rank.

import Columns
import Planning

extension GraphCompiler {
    func makeRank(_ node: RankNode, _ types: [SQLType]) throws(DataflowError) -> any Stage {
        throw DataflowError("ranking is not supported yet")
    }
}
