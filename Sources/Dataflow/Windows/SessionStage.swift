// SessionStage: aggregation over session windows. Rows are handed out to partitions by the hash of their key; see SessionPartition.

import Columns
import Planning

/// Hands rows out. A handed batch holds the compact input, the event time behind it, and, when rows of it may be late, all columns of
/// the input behind that.
final class SessionFeeder: Feeder {
    private(set) var inputs: [[RowBatch]]
    private let stage: SessionStage
    private var arrival: Int64

    init(_ stage: SessionStage, task: Int) {
        self.stage = stage
        inputs = Array(repeating: [], count: stage.partitionCount)
        arrival = stage.arrivalBase &+ Int64(task) << 24 &+ 1
    }

    func push(_ whole: RowBatch, _ context: TaskContext) {
        guard whole.count > 0 else { return }
        var batch = whole
        let timeColumn = stage.timeColumn
        if batch.columns[timeColumn].mayHaveNulls {
            let time = batch.columns[timeColumn]
            var kept: [Int32] = []
            for row in 0..<batch.count {
                if time.isNull(row) {
                    context.fail("event time is NULL", expression: "event time", row: batch.row(row), types: stage.inputTypes)
                } else {
                    kept.append(Int32(truncatingIfNeeded: row))
                }
            }
            batch = batch.gather(kept)
            guard batch.count > 0 else { return }
        }
        var arrivals: Column?
        if stage.layout.needsArrival {
            let numbers = Buffer(byteCount: batch.count * 8)
            let values = numbers.base.assumingMemoryBound(to: Int64.self)
            for row in 0..<batch.count { values[row] = arrival &+ Int64(row) }
            arrival &+= Int64(batch.count)
            arrivals = Column(type: .bigint, count: batch.count, values: numbers)
        }
        let compact = stage.layout.compact(batch, arrival: arrivals)
        var columns = compact.columns
        columns.append(batch.columns[timeColumn])
        if batch.watermarks != nil { columns += batch.columns }
        let handed = RowBatch(count: batch.count, columns: columns, changes: compact.changes, watermarks: batch.watermarks)
        guard stage.partitionCount > 1 && !stage.node.keys.isEmpty else {
            inputs[0].append(handed)
            return
        }
        GroupTable.hashKeys(handed, layout: stage.keyLayout, context.scratch)
        Exchange.split(handed, hashes: context.scratch.hashes, partitionCount: stage.partitionCount) { inputs[$0].append($1) }
    }

    func finish(_ context: TaskContext) {}
}

final class SessionStage: Stage {
    let name: String
    let node: AggregateNode
    let inputTypes: [SQLType]
    let outputTypes: [SQLType]
    let timeColumn: Int
    let layout: GroupLayout
    let keyLayout: GroupLayout
    let partitionCount: Int
    private(set) var arrivalBase: Int64 = 0
    private var partitions: [SessionPartition] = []
    private var feeders: [SessionFeeder] = []

    init(_ node: AggregateNode, gap: Int64, timeColumn: Int, inputTypes: [SQLType], name: String, settings: DataflowSettings)
        throws(DataflowError)
    {
        guard gap > 0 else { throw DataflowError("a session's gap must be positive") }
        guard !node.inputRetracts else { throw DataflowError("sessions over rows that may be retracted cannot be kept: a row that joined two cannot part them again") }
        self.name = name
        self.node = node
        self.inputTypes = inputTypes
        self.timeColumn = timeColumn
        let timeType = inputTypes[timeColumn]
        let results = node.aggregates.map(\.resultType)
        let keepsEmitted = node.emit == .changes || node.allowedLatenessMicroseconds > 0
        layout = try GroupLayout(
            node: node, inputTypes: inputTypes, countsRows: false, emittedTypes: keepsEmitted ? [timeType, timeType] + results : nil,
            manualKeyBytes: SessionPartition.keyByteCount)
        keyLayout = try GroupLayout(
            node: AggregateNode(keys: node.keys, window: nil, aggregates: [], emit: .atEnd), inputTypes: inputTypes, countsRows: false,
            emittedTypes: nil)
        outputTypes = layout.keyTypes + [timeType, timeType] + results
        partitionCount = max(settings.partitionCount, 1)
        for _ in 0..<partitionCount {
            partitions.append(
                SessionPartition(
                    node, gap: gap, timeType: timeType, layout: layout, keyLayout: keyLayout, inputTypes: inputTypes, name: name,
                    batchRows: settings.batchRows))
        }
    }

    func makeFeeder(port: Int, task: Int, rowEstimate: Int) -> any Feeder { SessionFeeder(self, task: task) }

    func prepare(_ feeders: [any Feeder], _ epoch: StageEpoch) -> [Int] {
        self.feeders = feeders.compactMap { $0 as? SessionFeeder }
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

    func endEpoch(_ epoch: StageEpoch) {
        arrivalBase = arrivalBase &+ Int64(max(feeders.count, 1)) << 24
        feeders.removeAll()
    }

    func outputWatermark(_ epoch: StageEpoch) -> Int64 { epoch.watermark }
    var isSatisfied: Bool { false }
    var groupCount: Int { partitions.reduce(0) { $0 + $1.sessionCount } }
    var stateByteCount: Int { partitions.reduce(0) { $0 + $1.stateByteCount } }

    var partCount: Int { partitionCount }
    func write(to writer: inout StateWriter) { writer.write(arrivalBase) }
    func read(from reader: inout StateReader) throws(StateError) { arrivalBase = try reader.read() }
    func write(part: Int, to writer: inout StateWriter) { partitions[part].write(to: &writer) }
    func read(part: Int, from reader: inout StateReader) throws(StateError) { try partitions[part].read(from: &reader) }
}
