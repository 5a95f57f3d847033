// DataflowGraph: a physical plan made ready to run, with the state of its operators.
//
// An epoch, stage by stage:
// 1. Each morsel of each scan that feeds the stage is a task: read, follow event time, filter and project, then aggregate locally or hand
//    rows out by key (the stage's feeder). The output of an earlier stage is such a task per partition.
// 2. Morsels that began from a watermark which turns out too low for them are run again (see WatermarkStep); on a single thread they
//    know it from the start.
// 3. The scans' watermarks move; the stage's is the smallest of what feeds it.
// 4. Each partition of the stage that has input, or windows to close, takes the feeders in task order and emits.
//
// What comes out depends on state and input only: tasks are fixed by the morsels, partitions by the settings, and everything is put
// together in their order. Epochs with few rows run on the calling thread and touch nothing that has nothing to do.
//
// When `run` throws, the state is undefined: make a new graph and restore the last snapshot.

import Columns
import Planning
import Platform

/// Compiled once per query; runs one epoch at a time; state lives inside. Not to be used from two threads at a time.
package final class DataflowGraph {
    /// The leaves that read relations, in plan order (depth first); index = scan number.
    package let scans: [ScanNode]
    /// True once a LIMIT is satisfied or all inputs ended.
    package internal(set) var isFinished = false

    let settings: DataflowSettings
    let pipelines: [Pipeline]
    let stages: [any Stage]
    /// Numbers of the pipelines that feed each stage; last, those of the output.
    private let feeding: [[Int]]
    var trackers: [ScanTracker]
    var valuesAreOut = false
    var stageStates: [StageState]
    var outputWatermark = Int64.min
    var lateRowCount = 0
    var failedRowCount = 0
    var outputRowCount = 0
    /// By stage, and last that of the output; see DataflowSettings.nanoseconds.
    private var busyNanoseconds: [UInt64]
    private let scratchPool = ScratchPool()
    private var contexts: [TaskContext] = []

    /// By stage: what it computes of what, as text; stages of two graphs with the same one can take over each other's state.
    /// A line for people, and a digest of the plan's signature.
    package private(set) lazy var stageSignatures = stagePlans.map { plan in
        let signature = Array(plan.signature.utf8)
        let digest = signature.withUnsafeBytes { SHA2.hash($0, .bits256) }
        return String(decoding: signature.prefix { $0 != 0x0A }, as: UTF8.self) + "\n"
            + digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
    let stagePlans: [PhysicalPlan]
    /// What captures for checkpoints remember of each part: the graph's own, then of each stage what is shared and its partitions.
    let captures: [[PartCapture]]

    /// What the graph keeps beside each stage.
    struct StageState {
        /// Of the stage's input, at the end of the last epoch.
        var watermark = Int64.min
        var outputWatermark = Int64.min
        var hasEnded = false
        var rowsIn = 0
        var rowsOut = 0
        var lateRows = 0
        var failedRows = 0
        /// Output of the epoch at hand, by partition.
        var output: [[RowBatch]] = []
    }

    package init(plan: PhysicalPlan, settings: DataflowSettings) throws(DataflowError) {
        let compiled = try GraphCompiler(plan, settings: settings)
        self.settings = settings
        scans = compiled.scans
        pipelines = compiled.pipelines
        stages = compiled.stages
        stagePlans = compiled.stagePlans
        captures = [[PartCapture()]] + compiled.stages.map { stage in (0...stage.partCount).map { _ in PartCapture() } }
        let pipelines = compiled.pipelines
        feeding = (0...compiled.stages.count).map { sink in
            pipelines.indices.filter { (pipelines[$0].sink ?? compiled.stages.count) == sink }
        }
        stageStates = compiled.stages.map { _ in StageState() }
        busyNanoseconds = [UInt64](repeating: 0, count: compiled.stages.count + 1)
        trackers = compiled.scans.indices.map { scan in
            let hasWatermark = pipelines.contains { pipeline in
                if case .scan(scan) = pipeline.source { pipeline.hasWatermark } else { false }
            }
            let timeout = scan < settings.idleTimeoutMicroseconds.count ? settings.idleTimeoutMicroseconds[scan] : nil
            return ScanTracker(hasWatermark: hasWatermark, idleTimeoutMicroseconds: timeout)
        }
    }

    // MARK: Running

    /// Runs one epoch to completion.
    package func run(_ epoch: EpochInput, pool: WorkerPool) throws -> EpochOutput {
        var output = EpochOutput()
        for (scan, input) in epoch.scans.enumerated() where scan < trackers.count {
            let needed = input.morsels.reduce(input.shards.count) { max($0, $1.shard + 1) }
            trackers[scan].beginEpoch(input.shards, shardCount: needed)
        }
        var started = settings.nanoseconds?() ?? 0
        for sink in feeding.indices {
            let stage = sink < stages.count ? stages[sink] : nil
            let tasks = makeTasks(sink, stage, epoch)
            try run(tasks, epoch, pool)
            for task in tasks {
                output.rowsIn += task.scan != nil ? task.rowsRead : 0
                collect(task.context, sink, &output)
            }
            var watermark = Int64.max
            var hasEnded = true
            var ports: [StageEpoch.Port] = []
            for number in feeding[sink] {
                let state = endEpoch(ofPipeline: number, epoch)
                watermark = min(watermark, state.watermark)
                hasEnded = hasEnded && state.hasEnded
                let port = pipelines[number].port
                while ports.count <= port { ports.append(StageEpoch.Port(watermark: .max, hasEnded: true)) }
                ports[port].watermark = min(ports[port].watermark, state.watermark)
                ports[port].hasEnded = ports[port].hasEnded && state.hasEnded
            }
            if let stage {
                runStage(sink, stage, tasks, watermark, hasEnded, ports, epoch, pool, &output)
            } else {
                outputWatermark = PlantedBug.isOn(.watermarkGoesBack) ? watermark : max(outputWatermark, watermark)
                isFinished = isFinished || hasEnded
                for case let feeder as CollectingFeeder in tasks.map(\.feeder) { output.batches += feeder.batches }
            }
            release(tasks)
            if let nanoseconds = settings.nanoseconds {
                let now = nanoseconds()
                busyNanoseconds[sink] &+= now &- started
                started = now
            }
        }
        valuesAreOut = true
        for index in stageStates.indices { stageStates[index].output.removeAll(keepingCapacity: true) }
        output.watermark = outputWatermark
        for batch in output.batches { outputRowCount += batch.count }
        return output
    }

    /// One slice of work before a stage: a morsel, a partition's output, or constant rows.
    private final class Task: @unchecked Sendable {
        // Safe to share: run by one thread at a time.
        let pipeline: Int
        var feeder: any Feeder
        let context: TaskContext
        let number: Int
        var scan: Int?
        var morsel: Morsel?
        var batches: [RowBatch] = []
        var cursor: WatermarkCursor?
        var rowEstimate = 0
        var rowsRead = 0

        init(pipeline: Int, feeder: any Feeder, context: TaskContext, number: Int) {
            self.pipeline = pipeline
            self.feeder = feeder
            self.context = context
            self.number = number
        }
    }

    private func makeTasks(_ sink: Int, _ stage: (any Stage)?, _ epoch: EpochInput) -> [Task] {
        var tasks: [Task] = []
        func add(_ pipeline: Int, rows: Int) -> Task {
            let feeder: any Feeder = stage?.makeFeeder(port: pipelines[pipeline].port, task: tasks.count, rowEstimate: rows) ?? CollectingFeeder()
            let task = Task(pipeline: pipeline, feeder: feeder, context: takeContext(epoch), number: tasks.count)
            task.rowEstimate = rows
            tasks.append(task)
            return task
        }
        for number in feeding[sink] {
            switch pipelines[number].source {
            case .scan(let scan):
                guard scan < epoch.scans.count else { continue }
                let needsCursor = trackers[scan].hasWatermark
                for morsel in epoch.scans[scan].morsels where morsel.shard >= 0 {
                    let task = add(number, rows: morsel.rowCountEstimate)
                    task.scan = scan
                    task.morsel = morsel
                    if needsCursor { task.cursor = cursor(scan, morsel.shard, own: trackers[scan].shardWatermark(morsel.shard)) }
                }
            case .values(let batch):
                if !valuesAreOut && batch.count > 0 { add(number, rows: batch.count).batches = [batch] }
            case .stage(let source):
                for batches in stageStates[source].output where !batches.isEmpty {
                    add(number, rows: batches.reduce(0) { $0 + $1.count }).batches = batches
                }
            }
        }
        return tasks
    }

    private func cursor(_ scan: Int, _ shard: Int, own: Int64) -> WatermarkCursor {
        WatermarkCursor(floor: trackers[scan].watermark, others: trackers[scan].othersWatermark(shard), start: own)
    }

    private func run(_ tasks: [Task], _ epoch: EpochInput, _ pool: WorkerPool) throws {
        let rows = tasks.reduce(0) { $0 + $1.rowEstimate }
        let runner = runner
        if tasks.count <= 1 || rows < settings.inlineRowsMax || pool.workerCount <= 1 {
            var reached: [Int: [Int: Int64]] = [:]
            for task in tasks {
                if let scan = task.scan, let morsel = task.morsel, task.cursor != nil {
                    if let known = reached[scan]?[morsel.shard] { task.cursor = cursor(scan, morsel.shard, own: known) }
                    runner.run(task)
                    if let own = task.cursor?.own { reached[scan, default: [:]][morsel.shard] = own }
                } else {
                    runner.run(task)
                }
                if let error = task.context.error { throw error }
            }
        } else {
            pool.run(count: tasks.count) { runner.run(tasks[$0]) }
            var again: [Task] = []
            var reached: [Int: [Int: Int64]] = [:]
            for task in tasks {
                if let error = task.context.error { throw error }
                guard let scan = task.scan, let morsel = task.morsel, let done = task.cursor else { continue }
                let actual = reached[scan]?[morsel.shard] ?? done.start
                reached[scan, default: [:]][morsel.shard] = max(actual, done.own)
                guard !done.wasRight(actual: actual) else { continue }
                task.cursor = cursor(scan, morsel.shard, own: actual)
                again.append(task)
            }
            for task in again {
                task.context.forgetReports()
                if let feeder = task.feeder as? AggregateFeeder { feeder.recycle() }
                if let stage = stage(fedBy: task.pipeline) {
                    task.feeder = stage.makeFeeder(
                        port: pipelines[task.pipeline].port, task: task.number, rowEstimate: task.rowEstimate)
                } else {
                    task.feeder = CollectingFeeder()
                }
                task.rowsRead = 0
            }
            let repeated = again
            pool.run(count: repeated.count) { runner.run(repeated[$0]) }
            for task in repeated { if let error = task.context.error { throw error } }
        }
        for task in tasks {
            if let scan = task.scan, let morsel = task.morsel {
                if let own = task.cursor?.own { trackers[scan].raise(morsel.shard, to: own) }
                trackers[scan].rowsIn += task.rowsRead
            }
        }
    }

    private func stage(fedBy pipeline: Int) -> (any Stage)? { pipelines[pipeline].sink.map { stages[$0] } }

    /// What running a task takes.
    private struct TaskRunner: @unchecked Sendable {
        // Safe to share: read-only but for the pool of scratch memory, which has a lock.
        let pipelines: [Pipeline]
        let batchRows: Int
        let scratchPool: ScratchPool

        func run(_ task: Task) {
            let scratch = scratchPool.take()
            task.context.scratch = scratch
            defer {
                task.context.scratch = .none
                scratchPool.giveBack(scratch)
            }
            let pipeline = pipelines[task.pipeline]
            func push(_ batch: RowBatch) {
                task.rowsRead += batch.count
                var start = 0
                while start < batch.count {
                    let part = batch.count <= batchRows ? batch : batch.slice(start..<min(start + batchRows, batch.count))
                    start += part.count
                    if let result = pipeline.apply(part, cursor: &task.cursor, task.context) { task.feeder.push(result, task.context) }
                }
            }
            if let morsel = task.morsel {
                do { try morsel.read { push($0) } } catch { task.context.error = error }
            } else {
                for batch in task.batches { push(batch) }
            }
            task.feeder.finish(task.context)
        }
    }

    private var runner: TaskRunner { TaskRunner(pipelines: pipelines, batchRows: max(settings.batchRows, 1), scratchPool: scratchPool) }

    /// The pipeline's watermark after the epoch, and whether more can come.
    private func endEpoch(ofPipeline number: Int, _ epoch: EpochInput) -> (watermark: Int64, hasEnded: Bool) {
        switch pipelines[number].source {
        case .scan(let scan):
            if scan < epoch.scans.count { trackers[scan].endEpoch(epoch.scans[scan].shards, clockMicroseconds: epoch.clockMicroseconds) }
            return (trackers[scan].watermark, trackers[scan].hasEnded)
        case .values: return (.max, true)
        case .stage(let source): return (stageStates[source].outputWatermark, stageStates[source].hasEnded || stages[source].isSatisfied)
        }
    }

    private func runStage(
        _ number: Int, _ stage: any Stage, _ tasks: [Task], _ watermark: Int64, _ hasEnded: Bool, _ ports: [StageEpoch.Port],
        _ epoch: EpochInput, _ pool: WorkerPool, _ output: inout EpochOutput
    ) {
        stageStates[number].watermark = PlantedBug.isOn(.watermarkGoesBack) ? watermark : max(stageStates[number].watermark, watermark)
        let stageEpoch = StageEpoch(
            number: epoch.epoch, clockMicroseconds: epoch.clockMicroseconds,
            isCaughtUp: epoch.scans.allSatisfy { scan in scan.shards.allSatisfy { $0.isCaughtUp || $0.hasEnded } }, watermark: stageStates[number].watermark, hasEnded: hasEnded, ports: ports)
        let partitions = stage.prepare(tasks.map(\.feeder), stageEpoch)
        if !partitions.isEmpty {
            let work = PartitionWork(partitions.map { ($0, takeContext(epoch)) })
            let rows = tasks.reduce(0) { $0 + $1.rowsRead }
            let isLarge = rows >= settings.inlineRowsMax || (partitions.count > 1 && stage.groupCount >= settings.inlineRowsMax)
            let types = stage.outputTypes
            let limit = max(settings.batchRows, 1)
            let shared = SharedStage(stage: stage, scratchPool: scratchPool)
            let runOne: @Sendable (Int) -> Void = { index in
                let item = work.items[index]
                let scratch = shared.scratchPool.take()
                item.context.scratch = scratch
                var batches: [RowBatch] = []
                shared.stage.run(partition: item.partition, stageEpoch, item.context, &batches)
                item.output = Coalescing.coalesce(batches, types: types, limit: limit)
                item.context.scratch = .none
                shared.scratchPool.giveBack(scratch)
            }
            if partitions.count == 1 || !isLarge {
                for index in partitions.indices { runOne(index) }
            } else {
                pool.run(count: partitions.count, body: runOne)
            }
            for item in work.items {
                collect(item.context, number, &output)
                giveBack(item.context)
                stageStates[number].output.append(item.output)
                stageStates[number].rowsOut += item.output.reduce(0) { $0 + $1.count }
            }
        }
        stageStates[number].rowsIn += tasks.reduce(0) { $0 + $1.rowsRead }
        stage.endEpoch(stageEpoch)
        stageStates[number].outputWatermark = max(stageStates[number].outputWatermark, stage.outputWatermark(stageEpoch))
        stageStates[number].hasEnded = hasEnded
    }

    private struct SharedStage: @unchecked Sendable {
        // Safe to share: partitions of a stage share nothing that is written while they run.
        let stage: any Stage
        let scratchPool: ScratchPool
    }

    private final class PartitionWork: @unchecked Sendable {
        // Safe to share: each item is touched by one thread.
        final class Item {
            let partition: Int
            let context: TaskContext
            var output: [RowBatch] = []
            init(_ partition: Int, _ context: TaskContext) {
                self.partition = partition
                self.context = context
            }
        }

        let items: [Item]
        init(_ parts: [(Int, TaskContext)]) { items = parts.map { Item($0.0, $0.1) } }
    }

    // MARK: Reports

    private func takeContext(_ epoch: EpochInput) -> TaskContext {
        let context = contexts.popLast() ?? TaskContext()
        context.begin(clockMicroseconds: epoch.clockMicroseconds, reportedRowsMax: settings.reportedRowsMax)
        return context
    }

    private func giveBack(_ context: TaskContext) { if contexts.count < 256 { contexts.append(context) } }

    private func release(_ tasks: [Task]) { for task in tasks { giveBack(task.context) } }

    private func collect(_ context: TaskContext, _ sink: Int, _ output: inout EpochOutput) {
        guard context.failedRowCount > 0 || context.lateRowCount > 0 else { return }
        failedRowCount += context.failedRowCount
        lateRowCount += context.lateRowCount
        output.failedRowCount += context.failedRowCount
        output.lateRowCount += context.lateRowCount
        output.failures += context.failures.prefix(max(settings.reportedRowsMax - output.failures.count, 0))
        output.lateRows += context.lateRows.prefix(max(settings.reportedRowsMax - output.lateRows.count, 0))
        guard sink < stageStates.count else { return }
        stageStates[sink].lateRows += context.lateRowCount
        stageStates[sink].failedRows += context.failedRowCount
    }

    // MARK: For the engine and for people

    /// When (wall µs, epoch clock) an epoch is due although nothing arrives: a shard's idle timeout lets the watermark advance, an operator has waited
    /// long enough; nil when never.
    package func nextIdleDeadline() -> Int64? {
        isFinished ? nil : (trackers.compactMap(\.nextIdleDeadline) + stages.compactMap { $0.nextDeadline() }).min()
    }

    package var status: DataflowStatus {
        var status = DataflowStatus()
        for (number, stage) in stages.enumerated() {
            let state = stageStates[number]
            var entry = DataflowStatus.Operator(name: stage.name)
            entry.rowsIn = state.rowsIn
            entry.rowsOut = state.rowsOut
            entry.lateRows = state.lateRows
            entry.failedRows = state.failedRows
            entry.groups = stage.groupCount
            entry.stateBytes = stage.stateByteCount
            entry.watermark = state.watermark
            entry.busyNanoseconds = busyNanoseconds[number]
            status.operators.append(entry)
            status.stateBytes += entry.stateBytes
        }
        for (scan, tracker) in trackers.enumerated() {
            status.scans.append(
                DataflowStatus.Scan(
                    relation: scans[scan].relation.name, rowsIn: tracker.rowsIn, watermark: tracker.watermark,
                    shards: tracker.shards.map {
                        DataflowStatus.Shard(
                            watermark: $0.watermark, isIdle: $0.isIdle || $0.isWaiting, hasEnded: $0.hasEnded,
                            lastRowClockMicroseconds: $0.lastRowClockMicroseconds)
                    }))
        }
        status.watermark = outputWatermark
        status.outputBusyNanoseconds = busyNanoseconds.last ?? 0
        status.lateRows = lateRowCount
        status.failedRows = failedRowCount
        return status
    }
}
