// Stage: a keyed node of the plan. It is fed by the tasks of the pipelines below it, each into a feeder of its own; then its
// partitions take what the feeders hold, in task order, move to the new watermark, and give their output.

import Columns

/// What holds for one epoch at one stage.
struct StageEpoch: Sendable {
    var number: UInt64 = 0
    var clockMicroseconds: Int64
    /// Every source has been read as far as it could be.
    var isCaughtUp = true
    /// At the end of the epoch; never before the one of the epoch before.
    var watermark: Int64
    /// No input will come after this epoch.
    var hasEnded: Bool
    /// The same for each input of a stage with several, as wide as the stage has ports.
    var ports: [Port] = []

    struct Port: Sendable {
        var watermark: Int64
        var hasEnded: Bool
    }
}

/// Takes the batches of one task, in order.
protocol Feeder: AnyObject {
    func push(_ batch: RowBatch, _ context: TaskContext)
    /// After the last batch.
    func finish(_ context: TaskContext)
}

protocol Stage: AnyObject {
    var name: String { get }
    var outputTypes: [SQLType] { get }
    /// A feeder for task number `task` of this epoch, which will bring about `rowEstimate` rows to the given input (0 unless the stage has
    /// several). Called on one thread.
    func makeFeeder(port: Int, task: Int, rowEstimate: Int) -> any Feeder
    /// The feeders of the epoch, in task order; gives the partitions that have something to do. Called on one thread.
    func prepare(_ feeders: [any Feeder], _ epoch: StageEpoch) -> [Int]
    /// Called once for each of those partitions, possibly at the same time.
    func run(partition: Int, _ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch])
    /// After all of them: feeders may be taken apart and reused.
    func endEpoch(_ epoch: StageEpoch)
    /// What downstream may assume after the epoch.
    func outputWatermark(_ epoch: StageEpoch) -> Int64
    /// When (epoch clock, microseconds) the stage has something to do although nothing arrives; nil when never.
    func nextDeadline() -> Int64?
    /// Nothing will come out any more although input may.
    var isSatisfied: Bool { get }
    var groupCount: Int { get }
    var stateByteCount: Int { get }
    /// The state is what all partitions share, and then so many parts, which are written and read each by itself, possibly at the same time.
    var partCount: Int { get }
    func write(to writer: inout StateWriter)
    func read(from reader: inout StateReader) throws(StateError)
    func write(part: Int, to writer: inout StateWriter)
    /// After what is shared.
    func read(part: Int, from reader: inout StateReader) throws(StateError)
}

extension Stage {
    func nextDeadline() -> Int64? { nil }
    var partCount: Int { 0 }
    func write(part: Int, to writer: inout StateWriter) {}
    func read(part: Int, from reader: inout StateReader) throws(StateError) {}
}

/// Keeps the batches of a task as they are.
final class CollectingFeeder: Feeder {
    private(set) var batches: [RowBatch] = []
    func push(_ batch: RowBatch, _ context: TaskContext) { if batch.count > 0 { batches.append(batch) } }
    func finish(_ context: TaskContext) {}
}

/// Puts neighbouring small batches together, up to about `limit` rows.
enum Coalescing {
    static func coalesce(_ batches: [RowBatch], types: [SQLType], limit: Int) -> [RowBatch] {
        guard batches.count > 1 else { return batches }
        var result: [RowBatch] = []
        var group: [RowBatch] = []
        var rows = 0
        for batch in batches where batch.count > 0 {
            if rows + batch.count > limit && !group.isEmpty {
                result.append(RowBatch.concatenate(group, types: types))
                group.removeAll(keepingCapacity: true)
                rows = 0
            }
            group.append(batch)
            rows += batch.count
        }
        if !group.isEmpty { result.append(RowBatch.concatenate(group, types: types)) }
        return result
    }
}
