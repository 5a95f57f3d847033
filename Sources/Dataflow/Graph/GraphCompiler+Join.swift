// GraphCompiler+Join.

import Columns
import Planning

extension GraphCompiler {
    func makeJoin(_ node: JoinNode, _ left: [SQLType], _ right: [SQLType]) throws(DataflowError) -> any Stage {
        try JoinStage(node, left, right, name: "\(GraphCompiler.name(node)) #\(stages.count)", settings: settings)
    }

    private static func name(_ node: JoinNode) -> String {
        switch node.time {
        case .none:
            switch node.kind {
            case .semi: "semi join"
            case .anti, .antiNullAware: "anti join"
            default: node.leftKeys.isEmpty ? "cross join" : "join"
            }
        case .interval: "interval join"
        case .window: "window join"
        case .asOf: "as-of join"
        case .lookup: "lookup join"
        }
    }
}
