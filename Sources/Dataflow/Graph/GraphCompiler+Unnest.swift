// GraphCompiler+Unnest.

import Columns
import Planning

extension GraphCompiler {
    func makeUnnest(_ node: UnnestNode, _ types: [SQLType]) throws(DataflowError) -> any BatchTransform {
        try Unnest(node, inputTypes: types)
    }
}
