// LimitStage: the first rows in arrival order, after the first `offset`. One partition; keeps two counters.

import Columns

final class LimitStage: Stage {
    let name: String
    let outputTypes: [SQLType]
    private let count: Int?
    private let offset: Int
    private var skipped = 0
    private var given = 0
    private var feeders: [CollectingFeeder] = []

    init(count: Int?, offset: Int, types: [SQLType], name: String) {
        self.name = name
        self.count = count.map { max($0, 0) }
        self.offset = max(offset, 0)
        outputTypes = types
    }

    func makeFeeder(port: Int, task: Int, rowEstimate: Int) -> any Feeder { CollectingFeeder() }

    func prepare(_ feeders: [any Feeder], _ epoch: StageEpoch) -> [Int] {
        self.feeders = feeders.compactMap { $0 as? CollectingFeeder }
        return self.feeders.contains { !$0.batches.isEmpty } && !isSatisfied ? [0] : []
    }

    func run(partition: Int, _ epoch: StageEpoch, _ context: TaskContext, _ output: inout [RowBatch]) {
        for feeder in feeders {
            for batch in feeder.batches {
                let skip = min(offset - skipped, batch.count)
                skipped += skip
                var end = batch.count
                if let count { end = min(end, skip + count - given) }
                guard end > skip else { continue }
                given += end - skip
                output.append(batch.slice(skip..<end))
            }
        }
    }

    func endEpoch(_ epoch: StageEpoch) { feeders.removeAll() }
    func outputWatermark(_ epoch: StageEpoch) -> Int64 { isSatisfied ? .max : epoch.watermark }
    var isSatisfied: Bool { count.map { given >= $0 } ?? false }
    var groupCount: Int { 0 }
    var stateByteCount: Int { 0 }

    func write(to writer: inout StateWriter) {
        writer.write(count: skipped)
        writer.write(count: given)
    }

    func read(from reader: inout StateReader) throws(StateError) {
        skipped = try reader.readCount(bytesEach: 0)
        given = try reader.readCount(bytesEach: 0)
        guard skipped <= offset, given <= count ?? .max else { throw reader.failure("more rows than the limit") }
    }
}
