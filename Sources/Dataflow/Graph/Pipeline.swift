// Pipeline: the stateless way from a source (a scan, constant rows, a stage) to the stage it feeds or to the output. A union is several
// pipelines with one end.

import Columns
import Planning

enum PipelineStep {
    case watermark(WatermarkDefinitionStep)
    case filter(RowFilter)
    case project(RowProjector)
    /// A projection that only picks columns.
    case pick([Int])
    case transform(any BatchTransform)
}

/// A step that makes other rows of a batch's rows, one batch at a time, without state. Change kinds and watermarks go with the rows.
protocol BatchTransform {
    func apply(_ batch: RowBatch, _ context: TaskContext) -> RowBatch
}

struct Pipeline {
    enum Source {
        case scan(Int)
        /// Constant rows, once, in the first epoch.
        case values(RowBatch)
        case stage(Int)
    }

    var source: Source
    /// Each with the types of its input, for the rows it may have to report.
    var steps: [(step: PipelineStep, inputTypes: [SQLType])]
    /// The stage it feeds; nil: the output.
    var sink: Int?
    /// Which of the stage's inputs.
    var port = 0

    var hasWatermark: Bool {
        steps.contains { if case .watermark = $0.step { true } else { false } }
    }

    /// Takes a batch through the steps; nil when nothing is left of it.
    func apply(_ input: RowBatch, cursor: inout WatermarkCursor?, _ context: TaskContext) -> RowBatch? {
        var batch = input
        for (step, types) in steps {
            guard batch.count > 0 else { return nil }
            switch step {
            case .watermark(let definition):
                if cursor != nil { batch = cursor?.follow(batch, definition, types: types, context) ?? batch }
            case .filter(let filter):
                let result = filter.filter(batch, clockMicroseconds: context.clockMicroseconds)
                report(result.failures, batch, types, context)
                batch = result.batch
            case .project(let projector):
                let result = projector.project(batch, clockMicroseconds: context.clockMicroseconds)
                report(result.failures, batch, types, context)
                batch = result.batch
            case .pick(let columns): batch = batch.replacing(columns: columns.map { batch.columns[$0] })
            case .transform(let transform): batch = transform.apply(batch, context)
            }
        }
        return batch.count > 0 ? batch : nil
    }

    private func report(_ failures: [RowFailure], _ batch: RowBatch, _ types: [SQLType], _ context: TaskContext) {
        for failure in failures {
            context.fail(failure.message, expression: failure.expression, row: batch.row(failure.row), types: types)
        }
    }
}
