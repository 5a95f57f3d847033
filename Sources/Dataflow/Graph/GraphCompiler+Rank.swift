// GraphCompiler+Rank.

import Columns
import Planning

extension GraphCompiler {
    func makeRank(_ node: RankNode, _ types: [SQLType]) throws(DataflowError) -> any Stage {
        let kind = node.function == .rowNumber && node.lastRank == 1 ? "deduplicate" : "rank"
        return try RankStage(node, inputTypes: types, name: "\(kind) #\(stages.count)", settings: settings)
    }
}
