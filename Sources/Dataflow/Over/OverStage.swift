// OverStage: window functions (`OverNode`). State is cut into parts by the hash of the partition key; what a part is depends on the mode:
// `OverTimePart` gives every row once, `OverChangesPart` gives differences, and `OverModelPart` is for anomaly models.

import Columns
import Planning

/// A part of a stage's state.
protocol OverPart: AnyObject {
    func ingest(_ chunk: RankChunk, _ range: Range<Int>, _ context: TaskContext)
    /// The end of an epoch: moves to the watermark, gives results.
    func advance(_ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch])
    /// Whether `advance` has something to do without input.
    func isDue(_ epoch: StageEpoch) -> Bool
    /// The earliest time among rows that time has passed and that still wait.
    var heldTime: Int64 { get }
    var groupCount: Int { get }
    var byteCount: Int { get }
    func write(to writer: inout StateWriter)
    func read(from reader: inout StateReader) throws(StateError)
}

final class OverStage: Stage {
    let name: String
    let outputTypes: [SQLType]
    private let node: OverNode
    private let layout: RankLayout
    private let partitionCount: Int
    private var parts: [any OverPart] = []
    private var feeders: [RankFeeder] = []
    private var passedWatermark = Int64.min

    init(_ node: OverNode, inputTypes: [SQLType], name: String, settings: DataflowSettings) throws(DataflowError) {
        self.name = name
        self.node = node
        layout = try RankLayout(
            partition: node.partition, order: node.order, inputTypes: inputTypes, purpose: "a column of a row that a window function keeps")
        outputTypes = inputTypes + node.calls.map(\.resultType)
        partitionCount = max(settings.partitionCount, 1)
        if node.isOfModels {
            guard node.mode != .changes, !node.inputRetracts else { throw DataflowError("a model cannot take rows back") }
            let calls = try ModelCalls(node, layout: layout)
            parts = (0..<partitionCount).map { _ in OverModelPart(node, layout: layout, calls: calls, batchRows: settings.batchRows) }
            return
        }
        for _ in 0..<partitionCount {
            if node.mode == .changes {
                parts.append(try OverChangesPart(node, layout: layout, batchRows: settings.batchRows))
            } else {
                parts.append(try OverTimePart(node, layout: layout, batchRows: settings.batchRows))
            }
        }
    }

    func makeFeeder(port: Int, task: Int, rowEstimate: Int) -> any Feeder {
        var due: RankFeeder.Due?
        switch node.mode {
        case .eventTime(let column): due = RankFeeder.Due(column: column, isInclusive: false, watermark: passedWatermark, name: name)
        case .onWindowClose(let column): due = RankFeeder.Due(column: column, isInclusive: true, watermark: passedWatermark, name: name)
        case .atEnd, .changes: break
        }
        return RankFeeder(layout, partitionCount: partitionCount, due: due)
    }

    func prepare(_ feeders: [any Feeder], _ epoch: StageEpoch) -> [Int] {
        self.feeders = feeders.compactMap { $0 as? RankFeeder }
        return (0..<partitionCount).filter { partition in
            parts[partition].isDue(epoch)
                || self.feeders.contains { $0.chunks.contains { $0.starts[partition + 1] > $0.starts[partition] } }
        }
    }

    func run(partition: Int, _ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        for feeder in feeders {
            for chunk in feeder.chunks {
                let range = chunk.starts[partition]..<chunk.starts[partition + 1]
                if !range.isEmpty { parts[partition].ingest(chunk, range, context) }
            }
        }
        parts[partition].advance(epoch, context, &output)
    }

    func endEpoch(_ epoch: StageEpoch) {
        for feeder in feeders { feeder.recycle() }
        feeders.removeAll()
        passedWatermark = epoch.watermark
    }

    /// Rows that wait for what follows them hold event time back.
    func outputWatermark(_ epoch: StageEpoch) -> Int64 {
        switch node.mode {
        case .atEnd: epoch.hasEnded ? .max : .min
        case .eventTime: parts.reduce(epoch.watermark) { min($0, $1.heldTime) }
        case .onWindowClose, .changes: epoch.watermark
        }
    }

    var isSatisfied: Bool { false }
    var groupCount: Int { parts.reduce(0) { $0 + $1.groupCount } }
    var stateByteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }

    var partCount: Int { partitionCount }
    func write(to writer: inout StateWriter) { writer.write(passedWatermark) }
    func read(from reader: inout StateReader) throws(StateError) { passedWatermark = try reader.read() }
    func write(part: Int, to writer: inout StateWriter) { parts[part].write(to: &writer) }
    func read(part: Int, from reader: inout StateReader) throws(StateError) { try parts[part].read(from: &reader) }
}
