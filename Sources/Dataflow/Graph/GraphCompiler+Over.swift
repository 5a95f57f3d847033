// GraphCompiler+Over.

import Columns
import Planning

extension GraphCompiler {
    func makeOver(_ node: OverNode, _ types: [SQLType]) throws(DataflowError) -> any Stage {
        try OverStage(node, inputTypes: types, name: "over #\(stages.count)", settings: settings)
    }
}
