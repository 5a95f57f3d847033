// GraphCompiler: cuts a physical plan into pipelines and stages.
//
// Going down from the root, stateless nodes are gathered until a source or a keyed node is met; that ends a pipeline. Below a union
// each branch gets its own copy of the steps above. Stages are numbered so that whatever feeds one has a smaller number.

import Columns
import Planning

struct GraphCompiler {
    let settings: DataflowSettings
    private(set) var pipelines: [Pipeline] = []
    private(set) var stages: [any Stage] = []
    /// By stage: the node it is made of, with all below it.
    private(set) var stagePlans: [PhysicalPlan] = []
    private(set) var scans: [ScanNode] = []
    /// Stages that more than one pipeline reads, by the number of their `.shared` node.
    private var sharedStages: [Int: Int] = [:]

    init(_ plan: PhysicalPlan, settings: DataflowSettings) throws(DataflowError) {
        self.settings = settings
        for pipeline in try compile(plan, above: []) { pipelines.append(pipeline) }
    }

    /// The pipelines that lead through `plan` and then `above`; their sink is still open. Stages below are complete.
    private mutating func compile(_ plan: PhysicalPlan, above: [(step: PipelineStep, inputTypes: [SQLType])]) throws(DataflowError)
        -> [Pipeline]
    {
        switch plan {
        case .scan(let node):
            scans.append(node)
            return [Pipeline(source: .scan(scans.count - 1), steps: above, sink: nil)]
        case .values(let rows, let schema):
            return [Pipeline(source: .values(RowBatch.make(rows, types: schema.types)), steps: above, sink: nil)]
        case .watermark(let input, let node):
            return try compile(input, above: [(.watermark(try WatermarkDefinitionStep(node)), input.outputTypes)] + above)
        case .filter(let input, let predicate):
            let filter: RowFilter
            do { filter = try RowFilter.compile(predicate) } catch { throw DataflowError("\(error.message) in \(error.expression)") }
            return try compile(input, above: [(.filter(filter), input.outputTypes)] + above)
        case .project(let input, let expressions):
            return try compile(input, above: [(try project(expressions), input.outputTypes)] + above)
        case .assignWindow(let input, let node):
            return try transform(try AssignWindow(node, inputTypes: input.outputTypes), input, above)
        case .union(let inputs):
            var all: [Pipeline] = []
            for input in inputs { all += try compile(input, above: above) }
            return all
        case .aggregate(let input, let node):
            let feeding = try compile(input, above: [])
            let number = stages.count
            let types = input.outputTypes
            let stage: any Stage
            if let window = node.window, case .session(let gap) = window.shape {
                stage = try SessionStage(
                    node, gap: gap, timeColumn: window.timeColumn, inputTypes: types, name: "session #\(number)", settings: settings)
            } else {
                stage = try AggregateStage(node, inputTypes: types, name: "\(GraphCompiler.name(node)) #\(number)", settings: settings)
            }
            return end(feeding, in: stage, plan, above)
        case .sort(let input, let node):
            let feeding = try compile(input, above: [])
            let stage = try SortStage(node, types: input.outputTypes, name: "sort #\(stages.count)", settings: settings)
            return end(feeding, in: stage, plan, above)
        case .limit(let input, let count, let offset):
            let feeding = try compile(input, above: [])
            return end(feeding, in: LimitStage(count: count, offset: offset, types: input.outputTypes, name: "limit #\(stages.count)"), plan, above)
        case .join(let left, let right, let node):
            let feeding = try compile(left, above: []) + compile(right, above: []).map { pipeline in
                var pipeline = pipeline
                pipeline.port = 1
                return pipeline
            }
            return end(feeding, in: try makeJoin(node, left.outputTypes, right.outputTypes), plan, above)
        case .over(let input, let node):
            let feeding = try compile(input, above: [])
            return end(feeding, in: try makeOver(node, input.outputTypes), plan, above)
        case .rank(let input, let node):
            let feeding = try compile(input, above: [])
            return end(feeding, in: try makeRank(node, input.outputTypes), plan, above)
        case .match(let input, let node):
            let feeding = try compile(input, above: [])
            return end(feeding, in: try makeMatch(node, input.outputTypes), plan, above)
        case .alert(let input, let node):
            let feeding = try compile(input, above: [])
            return end(feeding, in: try AlertStage(node, inputTypes: input.outputTypes, name: "alert #\(stages.count)", settings: settings), plan, above)
        case .unnest(let input, let node): return try transform(try makeUnnest(node, input.outputTypes), input, above)
        case .expand(let input, let rows): return try transform(try makeExpand(rows, input.outputTypes), input, above)
        case .replicate(let input, let column): return try transform(try makeReplicate(column, input.outputTypes), input, above)
        case .shared(let input, let id):
            if let stage = sharedStages[id] { return [Pipeline(source: .stage(stage), steps: above, sink: nil)] }
            let pipelines = try compile(input, above: above)
            if pipelines.count == 1, case .stage(let stage) = pipelines[0].source, pipelines[0].steps.count == above.count {
                sharedStages[id] = stage
            }
            return pipelines
        }
    }

    private mutating func transform(
        _ transform: any BatchTransform, _ input: PhysicalPlan, _ above: [(step: PipelineStep, inputTypes: [SQLType])]
    ) throws(DataflowError) -> [Pipeline] {
        try compile(input, above: [(.transform(transform), input.outputTypes)] + above)
    }

    private mutating func end(
        _ feeding: [Pipeline], in stage: any Stage, _ plan: PhysicalPlan, _ above: [(step: PipelineStep, inputTypes: [SQLType])]
    ) -> [Pipeline] {
        let number = stages.count
        stages.append(stage)
        stagePlans.append(plan)
        for var pipeline in feeding {
            pipeline.sink = number
            pipelines.append(pipeline)
        }
        return [Pipeline(source: .stage(number), steps: above, sink: nil)]
    }

    private func project(_ expressions: [BoundExpression]) throws(DataflowError) -> PipelineStep {
        var picked: [Int] = []
        for case .column(let ordinal) in expressions.map(\.kind) { picked.append(ordinal) }
        if picked.count == expressions.count { return .pick(picked) }
        do { return .project(try RowProjector.compile(expressions)) } catch { throw DataflowError("\(error.message) in \(error.expression)") }
    }

    private static func name(_ node: AggregateNode) -> String {
        switch node.window?.shape {
        case .tumble: "tumble"
        case .hop: "hop"
        case .cumulate: "cumulate"
        case .session: "session"
        case nil: node.aggregates.isEmpty ? "distinct" : "aggregate"
        }
    }
}
