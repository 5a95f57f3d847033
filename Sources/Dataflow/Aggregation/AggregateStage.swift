// AggregateStage: aggregation by key, with or without windows; its state is cut into partitions by the hash of the key.
//
//   node                                       a partition is
//   TUMBLE, HOP, CUMULATE emitted on closing   SlicedPartition: a table per slice of time
//   the same with EMIT CHANGES or lateness     WindowPartition: a table per window, with what was emitted
//   no window                                  ForeverPartition: one table
//
// Sessions are another stage.

import Columns
import Planning
import Platform

/// A part of an aggregation's state.
protocol AggregatePartition: AnyObject {
    func ingest(_ sliceStart: Int64, _ input: SliceInput, _ context: TaskContext)
    /// Takes the deferred rows of the epoch into account, moves to the watermark, emits.
    func advance(_ epoch: StageEpoch, deferred: [DeferredRow], _ context: TaskContext, _ output: inout [RowBatch])
    /// Whether `advance` has something to do without input.
    func isDue(_ epoch: StageEpoch) -> Bool
    var groupCount: Int { get }
    var stateByteCount: Int { get }
    func write(to writer: inout StateWriter)
    func read(from reader: inout StateReader) throws(StateError)
}

final class AggregateStage: Stage {
    let name: String
    let node: AggregateNode
    let layout: GroupLayout
    let grid: WindowGrid?
    let timeColumn: Int?
    let splitter: TimeSplitter?
    let outputTypes: [SQLType]
    let partitionCount: Int
    /// What arrival numbers of this epoch begin with.
    private(set) var arrivalBase: Int64 = 0
    private var partitions: [any AggregatePartition] = []
    private var feeders: [AggregateFeeder] = []
    private var spareTables: [GroupTable] = []
    private var closedWatermark = Int64.min

    init(_ node: AggregateNode, inputTypes: [SQLType], name: String, settings: DataflowSettings) throws(DataflowError) {
        self.name = name
        self.node = node
        timeColumn = node.window?.timeColumn
        if let window = node.window {
            guard let grid = WindowGrid(window.shape) else { throw DataflowError("a window with a length that is not positive") }
            self.grid = grid
            splitter = TimeSplitter(
                grid: grid, latenessMicroseconds: max(node.allowedLatenessMicroseconds, 0), operatorName: name, inputTypes: inputTypes,
                timeName: "event time")
        } else {
            grid = nil
            splitter = nil
        }
        let resultTypes = node.aggregates.map(\.resultType)
        let isPerWindow = node.window != nil && (node.emit == .changes || node.allowedLatenessMicroseconds > 0)
        let keepsEmitted = isPerWindow || (node.window == nil && node.emit == .changes)
        let isHop = grid?.kind == .hop && !isPerWindow
        layout = try GroupLayout(node: node, inputTypes: inputTypes, countsRows: isHop, emittedTypes: keepsEmitted ? resultTypes : nil)
        let windowType = node.window.map { inputTypes[$0.timeColumn] }
        outputTypes = layout.keyTypes + (windowType.map { [$0, $0] } ?? []) + resultTypes
        partitionCount = max(settings.partitionCount, 1)
        let emitter = GroupEmitter(
            layout: layout, windowType: windowType, batchRows: settings.batchRows, emitsUpdateBefore: node.emitsUpdateBefore)
        for index in 0..<partitionCount {
            if let grid, isPerWindow {
                partitions.append(WindowPartition(node, grid: grid, emitter: emitter))
            } else if let grid {
                partitions.append(SlicedPartition(grid: grid, emitter: emitter))
            } else {
                partitions.append(ForeverPartition(node, emitter: emitter, isFirst: index == 0))
            }
        }
    }

    // MARK: Feeding

    func makeFeeder(port: Int, task: Int, rowEstimate: Int) -> any Feeder { AggregateFeeder(self, task: task, rowEstimate: rowEstimate) }

    private let spareLock = Lock()

    func takeTable() -> GroupTable { spareLock.locked { spareTables.popLast() } ?? GroupTable(layout) }

    func giveBack(_ table: GroupTable) {
        guard spareTables.count < 64 else { return }
        table.removeAll()
        spareTables.append(table)
    }

    func prepare(_ feeders: [any Feeder], _ epoch: StageEpoch) -> [Int] {
        self.feeders = feeders.compactMap { $0 as? AggregateFeeder }
        let mayBeDue = epoch.watermark > closedWatermark || epoch.hasEnded || node.keys.isEmpty
        var due: [Int] = []
        for partition in 0..<partitionCount {
            let hasInput = self.feeders.contains { !$0.inputs[partition].isEmpty || !($0.deferred.isEmpty || $0.deferred[partition].isEmpty) }
            if hasInput || (mayBeDue && partitions[partition].isDue(epoch)) { due.append(partition) }
        }
        return due
    }

    func run(partition: Int, _ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        var deferred: [DeferredRow] = []
        let state = partitions[partition]
        for feeder in feeders {
            for (sliceStart, input) in feeder.inputs[partition] {
                if let grid, closedWatermark > .min,
                    WindowGrid.add(grid.lastEnd(sliceStart: sliceStart), node.allowedLatenessMicroseconds) <= closedWatermark
                {
                    reportClosed(input, sliceStart, context)
                    continue
                }
                state.ingest(sliceStart, input, context)
            }
            if !feeder.deferred.isEmpty { deferred += feeder.deferred[partition] }
        }
        state.advance(epoch, deferred: deferred, context, &output)
    }

    /// Rows of a slice whose windows have closed: only another operator can send such, having passed its own watermark.
    private func reportClosed(_ input: SliceInput, _ sliceStart: Int64, _ context: TaskContext) {
        guard case .rows(let batch) = input else {
            context.late(name, eventTime: sliceStart, watermark: closedWatermark, row: [], types: [])
            return
        }
        for row in 0..<batch.count {
            context.late(
                name, eventTime: sliceStart, watermark: closedWatermark, row: Array(batch.row(row).prefix(layout.inputTypes.count)),
                types: layout.inputTypes)
        }
    }

    func endEpoch(_ epoch: StageEpoch) {
        arrivalBase = arrivalBase &+ Int64(max(feeders.count, 1)) << 24
        for feeder in feeders { feeder.recycle() }
        feeders.removeAll()
        closedWatermark = epoch.watermark
    }

    func outputWatermark(_ epoch: StageEpoch) -> Int64 {
        if node.window == nil && node.emit != .changes { return epoch.hasEnded ? .max : .min }
        return epoch.watermark
    }

    // MARK: Facts

    var isSatisfied: Bool { false }
    var groupCount: Int { partitions.reduce(0) { $0 + $1.groupCount } }
    var stateByteCount: Int { partitions.reduce(0) { $0 + $1.stateByteCount } }

    // MARK: State

    var partCount: Int { partitionCount }

    func write(to writer: inout StateWriter) {
        // Arrival numbers restart with a restored graph only in relation to each other.
        writer.write(arrivalBase)
        writer.write(closedWatermark)
    }

    func read(from reader: inout StateReader) throws(StateError) {
        arrivalBase = try reader.read()
        closedWatermark = try reader.read()
    }

    func write(part: Int, to writer: inout StateWriter) { partitions[part].write(to: &writer) }
    func read(part: Int, from reader: inout StateReader) throws(StateError) { try partitions[part].read(from: &reader) }
}
