import Columns
import Glibc
import Planning
import Platform
import XCTest

import Dataflow

/// Figures, not checks: runs only when MILLRACE_OPERATOR_SPEED is set (to the number of rows in millions, or anything for 20).
final class SpeedOperatorTests: XCTestCase {
    private static let types: [SQLType] = [.bigint, .bigint, .bigint, .timestamp(precision: 3)]
    private static let batchRows = 8_192
    private static let morselRows = 65_536

    /// auction, bidder, price, time: half of the bids for the hot auction, the rest among the last `keys`, which move on by one every 500 rows;
    /// 20 µs apart.
    private static func makeBatches(_ rows: Int, keys: Int) -> [RowBatch] {
        var random = SeededRandom(seed: 42)
        var batches: [RowBatch] = []
        var row = 0
        while row < rows {
            let n = min(batchRows, rows - row)
            let buffers = (0..<4).map { _ in Buffer(byteCount: n * 8) }
            let columns = buffers.map { $0.base.assumingMemoryBound(to: Int64.self) }
            for index in 0..<n {
                let number = row + index
                let newest = number / 500 + keys
                let hot = (newest / 100) * 100
                columns[0][index] = Int64(random.below(2) == 0 ? hot : max(newest - random.below(keys), 0))
                columns[1][index] = Int64(random.below(4) == 0 ? newest - random.below(1_000) : (newest / 100) * 100 + 1)
                columns[2][index] = Int64(random.below(1_000_000))
                columns[3][index] = Int64(number) * 20
            }
            batches.append(RowBatch(count: n, columns: zip(types, buffers).map { Column(type: $0, count: n, values: $1) }))
            row += n
        }
        return batches
    }

    private static func cpuSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private func measure(_ label: String, _ plan: PhysicalPlan, _ batches: [RowBatch], workers: Int, ends: Bool = true) throws {
        let pool = WorkerPool(workerCount: workers)
        let graph = try DataflowGraph(plan: plan, settings: DataflowSettings())
        let perMorsel = Self.morselRows / Self.batchRows
        let clock = SystemClock()
        let start = clock.monotonicNanoseconds()
        let cpuStart = Self.cpuSeconds()
        var rows = 0
        var rowsOut = 0
        var next = 0
        var epoch: UInt64 = 0
        while next < batches.count {
            var morsels: [Morsel] = []
            while morsels.count < 16 && next < batches.count {
                let part = Array(batches[next..<min(next + perMorsel, batches.count)])
                next += part.count
                let count = part.reduce(0) { $0 + $1.count }
                rows += count
                morsels.append(Morsel(shard: 0, rowCountEstimate: count) { push in for batch in part { try push(batch) } })
            }
            let output = try graph.run(
                EpochInput(
                    epoch: epoch, clockMicroseconds: 0,
                    scans: [ScanInput(morsels: morsels, shards: [ShardProgress(hasRows: true, isCaughtUp: false, hasEnded: ends && next >= batches.count)])]),
                pool: pool)
            rowsOut += output.batches.reduce(0) { $0 + $1.count }
            epoch += 1
        }
        let seconds = Double(clock.monotonicNanoseconds() - start) / 1e9
        let cpu = ((Self.cpuSeconds() - cpuStart) * 1e9 / Double(rows) * 100).rounded() / 100
        let rate = (Double(rows) / seconds / 1e6 * 10).rounded() / 10
        let each = (seconds * 1e9 / Double(rows) * 100).rounded() / 100
        print("\(label), \(workers) worker(s): \(rate) M rows/s, \(each) ns a row (\(cpu) of CPU), \(rowsOut) rows out")
    }

    private static func aggregate(_ keys: [Int], _ shape: WindowShape, _ calls: [AggregateCall], delay: Int64 = 4 * second) -> PhysicalPlan {
        .aggregate(
            Harness.watermarked(types, time: 3, delay: delay),
            AggregateNode(keys: keys, window: WindowNode(shape: shape, timeColumn: 3), aggregates: calls, emit: .onWindowClose))
    }

    func testSpeed() throws {
        guard let setting = getenv("MILLRACE_OPERATOR_SPEED") else { return }
        let rows = (Int(String(cString: setting)) ?? 20) * 1_000_000
        let only = getenv("MILLRACE_OPERATOR_ONLY").map { String(cString: $0) }
        let calls = [
            AggregateCall(function: .countRows, argument: nil, resultType: .bigint),
            AggregateCall(function: .sum, argument: 2, resultType: .bigint), AggregateCall(function: .max, argument: 2, resultType: .bigint),
        ]
        let tumble = WindowShape.tumble(size: 10 * second, offset: 0)
        let distinct = (0...2).map { AggregateCall(function: .count, argument: $0, isDistinct: true, resultType: .bigint) }
        for keys in [20, 1_000, 100_000] {
            let batches = Self.makeBatches(rows, keys: keys)
            for workers in [1, 2] {
                let plans: [(String, PhysicalPlan)] = [
                    ("tumble 10 s", Self.aggregate([0], tumble, calls)),
                    ("hop 10 s / 100 ms, count and sum", Self.aggregate([0], .hop(size: 10 * second, slide: second / 10, offset: 0), Array(calls[..<2]))),
                    ("hop 10 s / 100 ms", Self.aggregate([0], .hop(size: 10 * second, slide: second / 10, offset: 0), calls)),
                    ("cumulate 10 s / 1 s", Self.aggregate([0], .cumulate(size: 10 * second, step: second, offset: 0), calls)),
                    ("two distinct per day", Self.aggregate([], .tumble(size: 86_400 * second, offset: 0), Array(distinct[..<2]))),
                    ("three distinct per day, prices too", Self.aggregate([], .tumble(size: 86_400 * second, offset: 0), distinct)),
                    ("session 10 s", Self.aggregate([1], .session(gap: 10 * second), Array(calls[..<1]))),
                ]
                // The cost of rows alone: the watermark stays so far behind that no window closes.
                let rowsOnly: [(String, PhysicalPlan)] = [
                    ("rows into tumble 10 s", Self.aggregate([0], tumble, calls, delay: 86_400 * second)),
                    ("rows into hop 10 s / 100 ms", Self.aggregate([0], .hop(size: 10 * second, slide: second / 10, offset: 0), calls, delay: 86_400 * second)),
                ]
                for (name, plan) in rowsOnly where only.map({ name.hasPrefix($0) }) ?? true {
                    try measure("\(name), \(keys) keys", plan, batches, workers: workers, ends: false)
                }
                for (name, plan) in plans where only.map({ name.hasPrefix($0) }) ?? true { try measure("\(name), \(keys) keys", plan, batches, workers: workers) }
            }
        }
    }

    func testSmallEpochs() throws {
        guard getenv("MILLRACE_OPERATOR_SPEED") != nil else { return }
        let calls = [AggregateCall(function: .countRows, argument: nil, resultType: .bigint), AggregateCall(function: .sum, argument: 2, resultType: .bigint)]
        let graph = try DataflowGraph(plan: Self.aggregate([0], .tumble(size: 10 * second, offset: 0), calls), settings: DataflowSettings())
        let pool = WorkerPool(workerCount: 2)
        let clock = SystemClock()
        let epochs = 20_000
        var inputs: [EpochInput] = []
        for number in 0..<epochs {
            let batch = RowBatch.make([[.integer(Int64(number % 50)), .integer(1), .integer(3), .integer(Int64(number) * 1_000)]], types: Self.types)
            inputs.append(
                EpochInput(
                    epoch: UInt64(number), clockMicroseconds: 0,
                    scans: [
                        ScanInput(
                            morsels: [Morsel(shard: 0, rowCountEstimate: 1) { try $0(batch) }],
                            shards: [ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: false)])
                    ]))
        }
        let start = clock.monotonicNanoseconds()
        for input in inputs { _ = try graph.run(input, pool: pool) }
        let each = Double(clock.monotonicNanoseconds() - start) / Double(epochs)
        print("an epoch of one row: \((each / 10).rounded() / 100) µs")
    }
}
