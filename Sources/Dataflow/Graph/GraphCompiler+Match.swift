// GraphCompiler+Match.

import Columns
import Planning

extension GraphCompiler {
    func makeMatch(_ node: MatchNode, _ types: [SQLType]) throws(DataflowError) -> any Stage {
        try MatchStage(node, inputTypes: types, name: "match #\(stages.count)", settings: settings)
    }
}
