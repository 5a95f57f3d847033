// AlertStage: rules that watch a query (`AlertNode`). Rows are handed out to partitions by the hash of the key of their instances; see AlertPartition.
//
// A row is late when its time is before the watermark at which it arrived: its place in the order has passed.

import Columns
import Planning

final class AlertFeeder: Feeder {
    private(set) var inputs: [[RowBatch]]
    private let stage: AlertStage

    init(_ stage: AlertStage) {
        self.stage = stage
        inputs = Array(repeating: [], count: stage.partitionCount)
    }

    func push(_ whole: RowBatch, _ context: TaskContext) {
        let batch = inTime(whole, context)
        guard batch.count > 0 else { return }
        let node = stage.plan.node
        let keys = OrderedEncoding.encode(
            node.keyColumns.map { batch.columns[$0] }, node.keyColumns.indices.map { OrderedField(column: $0) }, required: [], count: batch.count,
            normalised: true)
        let handed = RowBatch(count: batch.count, columns: batch.columns + [keys], changes: node.inputRetracts ? batch.changes : nil)
        guard stage.partitionCount > 1 && !node.keyColumns.isEmpty else {
            inputs[0].append(handed)
            return
        }
        var split: [[Int32]] = Array(repeating: [], count: stage.partitionCount)
        let views = keys.strings
        for row in 0..<batch.count {
            let hash = AlertKey.hash(UnsafeRawBufferPointer(views[row].bytes))
            split[Int(truncatingIfNeeded: (hash >> 32) % UInt64(stage.partitionCount))].append(Int32(truncatingIfNeeded: row))
        }
        for (partition, rows) in split.enumerated() where !rows.isEmpty {
            inputs[partition].append(rows.count == batch.count ? handed : handed.gather(rows))
        }
    }

    /// Without the rows that have no time and those that are late.
    private func inTime(_ batch: RowBatch, _ context: TaskContext) -> RowBatch {
        guard let timeColumn = stage.plan.node.timeColumn else { return batch }
        let time = batch.columns[timeColumn]
        guard time.mayHaveNulls || batch.watermarks != nil else { return batch }
        var kept: [Int32] = []
        kept.reserveCapacity(batch.count)
        for row in 0..<batch.count {
            if time.isNull(row) {
                context.fail("event time is NULL", expression: "event time", row: batch.row(row), types: stage.plan.inputTypes)
            } else if let watermarks = batch.watermarks, !stage.plan.node.isTimeInclusive, time.int64s[row] < watermarks.int64s[row] {
                context.late(stage.name, eventTime: time.int64s[row], watermark: watermarks.int64s[row], row: batch.row(row), types: stage.plan.inputTypes)
            } else {
                kept.append(Int32(truncatingIfNeeded: row))
            }
        }
        return kept.count == batch.count ? batch : batch.gather(kept)
    }

    func finish(_ context: TaskContext) {}
}

final class AlertStage: Stage {
    let name: String
    let outputTypes = AlertColumns.schema.types
    let plan: AlertPlan
    let partitionCount: Int
    private var partitions: [AlertPartition] = []
    private var feeders: [AlertFeeder] = []

    init(_ node: AlertNode, inputTypes: [SQLType], name: String, settings: DataflowSettings) throws(DataflowError) {
        self.name = name
        plan = try AlertPlan(node, inputTypes: inputTypes)
        partitionCount = max(settings.partitionCount, 1)
        for _ in 0..<partitionCount { partitions.append(AlertPartition(plan, name: name)) }
    }

    func makeFeeder(port: Int, task: Int, rowEstimate: Int) -> any Feeder { AlertFeeder(self) }

    func prepare(_ feeders: [any Feeder], _ epoch: StageEpoch) -> [Int] {
        plan.beginEpoch(epoch)
        self.feeders = feeders.compactMap { $0 as? AlertFeeder }
        return (0..<partitionCount).filter { partition in
            self.feeders.contains { !$0.inputs[partition].isEmpty } || partitions[partition].isDue(epoch)
        }
    }

    func run(partition: Int, _ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        for feeder in feeders { for batch in feeder.inputs[partition] { partitions[partition].ingest(batch, context) } }
        partitions[partition].advance(epoch, context, &output)
    }

    func endEpoch(_ epoch: StageEpoch) { feeders.removeAll() }
    func outputWatermark(_ epoch: StageEpoch) -> Int64 { epoch.watermark }
    func nextDeadline() -> Int64? { partitions.compactMap(\.nextDeadline).min() }

    var isSatisfied: Bool { false }
    var groupCount: Int { partitions.reduce(0) { $0 + $1.keyCount } }
    var stateByteCount: Int { partitions.reduce(0) { $0 + $1.byteCount } }

    var partCount: Int { partitionCount }
    func write(to writer: inout StateWriter) { plan.write(to: &writer) }
    func read(from reader: inout StateReader) throws(StateError) { try plan.read(from: &reader) }
    func write(part: Int, to writer: inout StateWriter) { partitions[part].write(to: &writer) }
    func read(part: Int, from reader: inout StateReader) throws(StateError) { try partitions[part].read(from: &reader) }
}
