// GraphTopology: how a graph hangs together, for whoever draws it. Fixed when the graph is made.

import Planning

package struct GraphTopology: Hashable, Sendable {
    package enum Source: Hashable, Sendable {
        /// By scan number.
        case scan(Int)
        /// Constant rows.
        case values
        /// By operator number.
        case stage(Int)
    }

    /// The stateless way from a source to the operator it feeds.
    package struct Edge: Hashable, Sendable {
        package var source: Source
        /// The operator; nil: the output.
        package var target: Int?
        /// Which of the operator's inputs.
        package var port: Int
        /// What is done on the way: `filter`, `project`, ...
        package var steps: [String]
    }

    package var edges: [Edge] = []
    /// By operator: what it computes, as EXPLAIN shows it.
    package var labels: [String] = []

    package init() {}
}

extension DataflowGraph {
    package func makeTopology() -> GraphTopology {
        var topology = GraphTopology()
        for pipeline in pipelines {
            let source: GraphTopology.Source =
                switch pipeline.source {
                case .scan(let scan): .scan(scan)
                case .values: .values
                case .stage(let stage): .stage(stage)
                }
            // Picking columns is no work.
            let steps = pipeline.steps.compactMap { step -> String? in
                switch step.step {
                case .watermark: "watermark"
                case .filter: "filter"
                case .project: "project"
                case .pick: nil
                case .transform(let transform): transform.stepName
                }
            }
            topology.edges.append(.init(source: source, target: pipeline.sink, port: pipeline.port, steps: steps))
        }
        topology.labels = stagePlans.map { $0.lines().first ?? "" }
        return topology
    }
}

extension BatchTransform {
    fileprivate var stepName: String {
        switch self {
        case is AssignWindow: "assign window"
        case is ExpandTransform: "expand"
        case is Unnest: "unnest"
        default: "replicate"
        }
    }
}
