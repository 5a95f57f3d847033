// MatchStage: MATCH_RECOGNIZE. Rows are handed out to partitions by the hash of their PARTITION BY columns; see MatchPartition.
//
// A row is late when its time is before the watermark at which it arrived: its place in the order has passed.

import Columns
import Planning

final class MatchFeeder: Feeder {
    private(set) var inputs: [[RowBatch]]
    private let stage: MatchStage

    init(_ stage: MatchStage) {
        self.stage = stage
        inputs = Array(repeating: [], count: stage.partitionCount)
    }

    func push(_ whole: RowBatch, _ context: TaskContext) {
        let batch = inTime(whole, context)
        guard batch.count > 0 else { return }
        let compact = stage.keyLayout.compact(batch, arrival: nil)
        let handed = RowBatch(count: batch.count, columns: compact.columns + batch.columns)
        guard stage.partitionCount > 1 && !stage.plan.node.partition.isEmpty else {
            inputs[0].append(handed)
            return
        }
        GroupTable.hashKeys(handed, layout: stage.keyLayout, context.scratch)
        Exchange.split(handed, hashes: context.scratch.hashes, partitionCount: stage.partitionCount) { inputs[$0].append($1) }
    }

    /// Without the rows that have no time and those that are late.
    private func inTime(_ batch: RowBatch, _ context: TaskContext) -> RowBatch {
        let node = stage.plan.node
        guard let timeColumn = node.timeColumn, !node.isBounded || node.withinMicroseconds != nil else { return batch }
        let time = batch.columns[timeColumn]
        let watermarks = node.isBounded ? nil : batch.watermarks
        guard time.mayHaveNulls || watermarks != nil else { return batch }
        var kept: [Int32] = []
        kept.reserveCapacity(batch.count)
        for row in 0..<batch.count {
            if time.isNull(row) {
                context.fail("event time is NULL", expression: "event time", row: batch.row(row), types: node.inputTypes)
            } else if let watermarks, time.int64s[row] < watermarks.int64s[row] {
                context.late(
                    stage.name, eventTime: time.int64s[row], watermark: watermarks.int64s[row], row: batch.row(row), types: node.inputTypes)
            } else {
                kept.append(Int32(truncatingIfNeeded: row))
            }
        }
        return kept.count == batch.count ? batch : batch.gather(kept)
    }

    func finish(_ context: TaskContext) {}
}

final class MatchStage: Stage {
    let name: String
    let outputTypes: [SQLType]
    let plan: MatchPlan
    let keyLayout: GroupLayout
    let partitionCount: Int
    private var partitions: [MatchPartition] = []
    private var feeders: [MatchFeeder] = []

    init(_ node: MatchNode, inputTypes: [SQLType], name: String, settings: DataflowSettings, partialMatchesMax: Int = 100_000)
        throws(DataflowError)
    {
        guard node.inputTypes == inputTypes, node.variables.count == node.definitions.count else {
            throw DataflowError("MATCH_RECOGNIZE was planned for another input")
        }
        self.name = name
        plan = try MatchPlan(node, partialMatchesMax: partialMatchesMax)
        outputTypes = node.outputTypes
        keyLayout = try GroupLayout(
            node: AggregateNode(keys: node.partition, window: nil, aggregates: [], emit: .atEnd), inputTypes: inputTypes, countsRows: false,
            emittedTypes: nil)
        partitionCount = max(settings.partitionCount, 1)
        for _ in 0..<partitionCount {
            partitions.append(MatchPartition(plan, keyLayout: keyLayout, name: name, batchRows: settings.batchRows))
        }
    }

    func makeFeeder(port: Int, task: Int, rowEstimate: Int) -> any Feeder { MatchFeeder(self) }

    func prepare(_ feeders: [any Feeder], _ epoch: StageEpoch) -> [Int] {
        self.feeders = feeders.compactMap { $0 as? MatchFeeder }
        return (0..<partitionCount).filter { partition in
            self.feeders.contains { !$0.inputs[partition].isEmpty } || partitions[partition].isDue(epoch)
        }
    }

    func run(partition: Int, _ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        for feeder in feeders {
            for batch in feeder.inputs[partition] { partitions[partition].ingest(batch, context) }
        }
        partitions[partition].advance(epoch, context, &output)
    }

    func endEpoch(_ epoch: StageEpoch) { feeders.removeAll() }

    /// With one row per match nothing comes that ended before a match which is complete and waits; with all rows, nothing older than WITHIN.
    func outputWatermark(_ epoch: StageEpoch) -> Int64 {
        if epoch.hasEnded { return epoch.watermark }
        if plan.isOneRow { return partitions.reduce(epoch.watermark) { min($0, $1.hold()) } }
        guard let within = plan.node.withinMicroseconds else { return epoch.watermark }
        let (time, overflow) = epoch.watermark.subtractingReportingOverflow(within)
        return overflow ? .min : time
    }

    var isSatisfied: Bool { false }
    var groupCount: Int { partitions.reduce(0) { $0 + $1.rowCount } }
    var stateByteCount: Int { partitions.reduce(0) { $0 + $1.stateByteCount } }

    var partCount: Int { partitionCount }
    func write(to writer: inout StateWriter) {}
    func read(from reader: inout StateReader) throws(StateError) {}
    func write(part: Int, to writer: inout StateWriter) { partitions[part].write(to: &writer) }
    func read(part: Int, from reader: inout StateReader) throws(StateError) { try partitions[part].read(from: &reader) }
}
