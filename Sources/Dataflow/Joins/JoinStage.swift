// JoinStage: two inputs joined; its state is cut into partitions by the hash of the key. In every epoch a partition takes the rows of
// the left input in task order, then those of the right one, and then moves to the new watermarks.
//
//   node                                       a partition is
//   time: none, interval                       PairPartition: both sides, pairs by chain
//   SEMI, ANTI, NOT IN on keys alone           the same, with right rows counted by key
//   time: lookup                               the same: right rows; left ones only while they wait
//   time: window                               WindowJoinPartition: a PairPartition for each window end
//   time: asOf                                 AsOfPartition: versions by key, left rows waiting
//
// Output watermark, so that the time columns of both sides stay event times behind a join:
// - interval: min(left, right, right + lower, left - upper), less what a bucket of rows waits longer than it must (a row of a side
//   that retracts stays, and waits, until its own watermark has passed it too: until then it may be taken back);
// - lookup: that of the left, once left rows need not wait any more;
// - all others: min(left, right); a left row of an as-of join waits for no more than that.

import Columns
import Planning

/// A part of a join's state.
protocol JoinPartition: AnyObject {
    /// Before the epoch's rows.
    func begin(_ epoch: StageEpoch)
    func process(_ port: Int, _ batch: RowBatch, _ context: TaskContext, _ output: inout [RowBatch])
    /// Rows whose key matches nothing.
    func processUnmatchable(_ port: Int, _ batch: RowBatch, _ context: TaskContext, _ output: inout [RowBatch])
    /// After the epoch's rows.
    func advance(_ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch])
    /// Whether `advance` has something to do without input.
    func isDue(_ epoch: StageEpoch) -> Bool
    var rowCount: Int { get }
    var stateByteCount: Int { get }
    func write(to writer: inout StateWriter)
    func read(from reader: inout StateReader) throws(StateError)
}

final class JoinStage: Stage {
    let name: String
    let plan: JoinPlan
    let outputTypes: [SQLType]
    let partitionCount: Int
    private var partitions: [any JoinPartition] = []
    private var feeders: [JoinFeeder] = []
    /// Of each input, at the end of the last epoch.
    private var watermarks = [Int64.min, Int64.min]
    private var rightTotals = RightTotals()

    init(_ node: JoinNode, _ left: [SQLType], _ right: [SQLType], name: String, settings: DataflowSettings) throws(DataflowError) {
        self.name = name
        plan = try JoinPlan(node, left, right, name: name, settings: settings)
        outputTypes = plan.outputTypes
        partitionCount = node.leftKeys.isEmpty ? 1 : max(settings.partitionCount, 1)
        for _ in 0..<partitionCount { partitions.append(JoinStage.makePartition(plan)) }
    }

    private static func makePartition(_ plan: JoinPlan) -> any JoinPartition {
        switch plan.node.time {
        case .none, .interval, .lookup: PairPartition(plan)
        case .window: WindowJoinPartition(plan)
        case .asOf(let left, let right, let isStrict): AsOfPartition(plan, timeColumns: [left, right], isStrict: isStrict)
        }
    }

    // MARK: Feeding

    func makeFeeder(port: Int, task: Int, rowEstimate: Int) -> any Feeder { JoinFeeder(self, port: port) }

    /// The column of an input that must not be NULL or late.
    func timeColumn(_ port: Int) -> Int? {
        switch plan.node.time {
        case .interval(let left, let right, _, _): port == 0 ? left : right
        case .asOf(let left, let right, _): port == 0 ? left : right
        case .window(let left, let right): port == 0 ? left : right
        case .none, .lookup: nil
        }
    }

    /// Rows of an input with a time before this are late.
    func lateLimit(_ port: Int) -> Int64 {
        switch plan.node.time {
        case .interval: watermarks[port]
        case .asOf: port == 0 ? min(watermarks[0], watermarks[1]) : .min
        case .window: WindowGrid.add(min(watermarks[0], watermarks[1]), 1)
        case .none, .lookup: .min
        }
    }

    // MARK: Running

    func prepare(_ feeders: [any Feeder], _ epoch: StageEpoch) -> [Int] {
        self.feeders = feeders.compactMap { $0 as? JoinFeeder }
        if plan.node.kind == .antiNullAware, adoptTotals() { return Array(0..<partitionCount) }
        return (0..<partitionCount).filter { partition in
            self.feeders.contains { !$0.inputs[partition].isEmpty || (partition == 0 && !$0.unmatchable.isEmpty) }
                || partitions[partition].isDue(epoch)
        }
    }

    /// Tells all partitions of NOT IN what the right side is now; true when that changes what they have given.
    private func adoptTotals() -> Bool {
        let before = rightTotals
        for feeder in feeders where feeder.port == 1 {
            rightTotals.rows = rightTotals.rows &+ feeder.rowBalance
            rightTotals.nulls = rightTotals.nulls &+ feeder.nullBalance
        }
        let asksAgain = before.isEmpty != rightTotals.isEmpty || before.hasNull != rightTotals.hasNull
        for partition in partitions { (partition as? PairPartition)?.adopt(rightTotals, asksAgain: asksAgain) }
        return asksAgain
    }

    func run(partition: Int, _ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        let state = partitions[partition]
        state.begin(epoch)
        // What is looked up must be there first.
        for port in plan.isLookup ? [1, 0] : [0, 1] {
            for feeder in feeders where feeder.port == port {
                if partition == 0 { for batch in feeder.unmatchable { state.processUnmatchable(port, batch, context, &output) } }
                for batch in feeder.inputs[partition] { state.process(port, batch, context, &output) }
            }
        }
        state.advance(epoch, context, &output)
        if plan.nestedOutput.isAny { output = output.map(plan.nestedOutput.decode) }
    }

    func endEpoch(_ epoch: StageEpoch) {
        feeders.removeAll()
        for port in 0...1 where port < epoch.ports.count { watermarks[port] = max(watermarks[port], epoch.ports[port].watermark) }
    }

    func outputWatermark(_ epoch: StageEpoch) -> Int64 {
        guard epoch.ports.count == 2 else { return epoch.watermark }
        let left = epoch.ports[0].watermark
        let right = epoch.ports[1].watermark
        if plan.isLookup { return plan.node.rightIsBounded && !epoch.ports[1].hasEnded ? .min : left }
        guard let interval = plan.interval, epoch.watermark < .max else { return epoch.watermark }
        var reached = min(left, right)
        // Left rows still to come, or still to come out: from right + lower on; right ones from left - upper on.
        for (own, limit) in [(0, WindowGrid.add(right, interval.lower)), (1, WindowGrid.subtract(left, interval.upper))] {
            let comesLate = plan.givesUnmatched(own) || plan.keepsLeftOnly
            if comesLate && plan.retracts[own] { reached = min(reached, interval.bucketStart(own == 0 ? left : right)) }
            guard (own == 0 ? right : left) < .max else { continue }
            reached = min(reached, comesLate ? interval.bucketStart(limit) : limit)
        }
        return reached
    }

    // MARK: Facts

    var isSatisfied: Bool { false }
    var groupCount: Int { partitions.reduce(0) { $0 + $1.rowCount } }
    var stateByteCount: Int { partitions.reduce(0) { $0 + $1.stateByteCount } }

    // MARK: State

    func write(to writer: inout StateWriter) {
        for watermark in watermarks { writer.write(watermark) }
        writer.write(Int64(rightTotals.rows))
        writer.write(Int64(rightTotals.nulls))
    }

    func read(from reader: inout StateReader) throws(StateError) {
        watermarks = [try reader.read(), try reader.read()]
        rightTotals = RightTotals(rows: Int(try reader.read(Int64.self)), nulls: Int(try reader.read(Int64.self)))
    }

    var partCount: Int { partitionCount }
    func write(part: Int, to writer: inout StateWriter) { partitions[part].write(to: &writer) }

    func read(part: Int, from reader: inout StateReader) throws(StateError) {
        try partitions[part].read(from: &reader)
        (partitions[part] as? PairPartition)?.adopt(rightTotals, asksAgain: false)
    }
}
