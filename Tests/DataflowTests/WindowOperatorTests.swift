import Columns
import Planning
import Platform
import XCTest

import Dataflow

final class WindowOperatorTests: XCTestCase {
    /// key, amount, price, name, flag, time.
    static let types: [SQLType] = [.bigint, .bigint, .double, .text, .boolean, .timestamp(precision: 3), .decimal(precision: 38, scale: 2)]

    static func calls(isRich: Bool) -> [AggregateCall] {
        var calls = [
            AggregateCall(function: .countRows, argument: nil, resultType: .bigint),
            AggregateCall(function: .sum, argument: 1, resultType: .bigint),
        ]
        guard isRich else { return calls }
        calls += [
            AggregateCall(function: .count, argument: 1, filter: 4, resultType: .bigint),
            AggregateCall(function: .max, argument: 1, resultType: .bigint),
            AggregateCall(function: .min, argument: 3, resultType: .text),
            AggregateCall(function: .max, argument: 2, filter: 4, resultType: .double),
            AggregateCall(function: .avg, argument: 1, resultType: .decimal(precision: 38, scale: 6)),
            AggregateCall(function: .avg, argument: 6, resultType: .decimal(precision: 38, scale: 6)),
            AggregateCall(function: .count, argument: 3, isDistinct: true, resultType: .bigint),
            AggregateCall(function: .count, argument: 3, isDistinct: true, filter: 4, resultType: .bigint),
            AggregateCall(function: .sum, argument: 1, isDistinct: true, resultType: .bigint),
            AggregateCall(function: .stddevPop, argument: 2, resultType: .double),
            AggregateCall(function: .firstValue, argument: 3, resultType: .text),
            AggregateCall(function: .lastValue, argument: 1, resultType: .bigint),
            AggregateCall(function: .boolAnd, argument: 4, resultType: .boolean),
        ]
        return calls
    }

    /// Rows in rough order of time with disorder up to `jitter`, keys and values with repeats and NULLs.
    static func rows(_ count: Int, seed: UInt64, jitter: Int64, shards: Int = 1, keys: Int = 7) -> [InputRow] {
        var random = SeededRandom(seed: seed)
        var time: Int64 = -20 * second
        return (0..<count).map { _ in
            time += Int64(random.below(600)) * 1_000
            if random.below(100) == 0 { time += 30 * second }
            let amount = random.below(10) == 0 ? Value.null : .integer(Int64(random.below(40)) - 20)
            let price = random.below(10) == 0 ? Value.null : .double(Double(random.below(64)) / 4)
            let name = random.below(8) == 0 ? Value.null : .string(["", "a", "bb", "bidder-\(random.below(9))"][random.below(4)])
            let flag = random.below(6) == 0 ? Value.null : .boolean(random.below(2) == 0)
            let key = random.below(9) == 0 ? Value.null : .integer(Int64(random.below(keys)))
            let at = time - Int64(random.below(Int(jitter / 1_000) + 1)) * 1_000
            return InputRow(
                values: [key, amount, price, name, flag, .integer(at), .decimal(Int128(random.below(1_000)) - 500)],
                shard: random.below(shards))
        }
    }

    static let shapes: [(String, WindowShape)] = [
        ("tumble", .tumble(size: 5 * second, offset: 0)),
        ("tumble with offset", .tumble(size: 3 * second, offset: second / 2)),
        ("hop", .hop(size: 6 * second, slide: 2 * second, offset: 0)),
        ("hop, size no multiple", .hop(size: 5 * second, slide: 2 * second, offset: second)),
        ("hop with gaps", .hop(size: 2 * second, slide: 5 * second, offset: 0)),
        ("cumulate", .cumulate(size: 8 * second, step: 2 * second, offset: 0)),
    ]

    func check(_ shape: WindowShape, emit: EmitMode, lateness: Int64, isRich: Bool, jitter: Int64, delay: Int64, keys: [Int], seed: UInt64, _ label: String)
        throws
    {
        let types = Self.types
        let rows = Self.rows(400, seed: seed, jitter: jitter)
        let node = AggregateNode(
            keys: keys, window: WindowNode(shape: shape, timeColumn: 5), aggregates: Self.calls(isRich: isRich), emit: emit,
            allowedLatenessMicroseconds: lateness)
        let wanted = Oracle.windows(rows, node: node, delay: delay)
        try Harness.check(
            .aggregate(Harness.watermarked(types, time: 5, delay: delay), node), rows, types: types,
            expecting: Oracle.results(wanted.groups, node, types: types), late: wanted.late, label)
    }

    func testWindowsOnClose() throws {
        for (name, shape) in Self.shapes {
            for seed in UInt64(1)...4 {
                // With a delay below the jitter some rows are late, some only for some of their windows.
                try check(
                    shape, emit: .onWindowClose, lateness: 0, isRich: seed.isMultiple(of: 2), jitter: 4 * second, delay: Int64(seed) * second / 2,
                    keys: [[0], [], [3, 0], [2]][Int(seed) - 1], seed: seed, "\(name), seed \(seed)")
            }
        }
    }

    func testWindowsWithChanges() throws {
        for (name, shape) in Self.shapes {
            for seed in UInt64(1)...2 {
                try check(
                    shape, emit: .changes, lateness: 0, isRich: true, jitter: 4 * second, delay: second, keys: [0], seed: seed + 10,
                    "\(name) changes, seed \(seed)")
            }
        }
    }

    func testWindowsWithAllowedLateness() throws {
        for (name, shape) in Self.shapes {
            for seed in UInt64(1)...2 {
                try check(
                    shape, emit: .onWindowClose, lateness: 2 * second, isRich: true, jitter: 5 * second, delay: second, keys: [3], seed: seed + 20,
                    "\(name) lateness, seed \(seed)")
            }
        }
    }

    func testShardsGiveTheSameWhenNothingIsLate() throws {
        let types = Self.types
        for (name, shape) in Self.shapes {
            let rows = Self.rows(500, seed: 77, jitter: 3 * second, shards: 3)
            let node = AggregateNode(
                keys: [0], window: WindowNode(shape: shape, timeColumn: 5),
                aggregates: Self.calls(isRich: true).filter { $0.function != .firstValue && $0.function != .lastValue }, emit: .onWindowClose)
            // Whatever the shards do, every row is within the delay of any other's time.
            let wanted = Oracle.windows(rows, node: node, delay: 3600 * second)
            XCTAssertEqual(wanted.late, 0)
            try Harness.check(
                .aggregate(Harness.watermarked(types, time: 5, delay: 4 * second), node), rows, types: types, shardCount: 3,
                expecting: Oracle.results(wanted.groups, node, types: types), late: 0, name)
        }
    }

    func testSessions() throws {
        let types = Self.types
        for (emit, lateness) in [(EmitMode.onWindowClose, Int64(0)), (.changes, 0), (.onWindowClose, 2 * second)] {
            for seed in UInt64(1)...6 {
                let rows = Self.rows(300, seed: seed, jitter: 4 * second, keys: 4)
                let node = AggregateNode(
                    keys: [[0], [3], []][Int(seed % 3)], window: WindowNode(shape: .session(gap: second), timeColumn: 5),
                    aggregates: Self.calls(isRich: seed > 2), emit: emit, allowedLatenessMicroseconds: lateness)
                let wanted = Oracle.sessions(rows, node: node, gap: second, delay: second * 2)
                try Harness.check(
                    .aggregate(Harness.watermarked(types, time: 5, delay: second * 2), node), rows, types: types,
                    expecting: Oracle.results(wanted.groups, node, types: types), late: wanted.late, "session \(emit) seed \(seed)")
            }
        }
    }

    func testOutputIsTheSameForAnyNumberOfWorkers() throws {
        let types = Self.types
        let rows = Self.rows(800, seed: 5, jitter: 3 * second, shards: 2, keys: 60)
        var plans: [PhysicalPlan] = Self.shapes.map { _, shape in
            .aggregate(
                Harness.watermarked(types, time: 5, delay: second),
                AggregateNode(keys: [0], window: WindowNode(shape: shape, timeColumn: 5), aggregates: Self.calls(isRich: true), emit: .onWindowClose))
        }
        plans.append(
            .aggregate(
                Harness.watermarked(types, time: 5, delay: second),
                AggregateNode(keys: [0], window: WindowNode(shape: .session(gap: second), timeColumn: 5), aggregates: Self.calls(isRich: true), emit: .changes)))
        for plan in plans {
            var configuration = RunConfiguration(rowsPerEpoch: 120, morselRows: 16, workers: 1, estimate: 5_000)
            let one = try Harness.run(plan, rows, types: types, shardCount: 2, configuration, keepsSnapshots: true)
            configuration.workers = 3
            let three = try Harness.run(plan, rows, types: types, shardCount: 2, configuration, keepsSnapshots: true)
            XCTAssertEqual(one.rows.map(\.0), three.rows.map(\.0))
            XCTAssertEqual(one.rows.map(\.1), three.rows.map(\.1))
            XCTAssertEqual(one.late, three.late)
            XCTAssertEqual(one.snapshots, three.snapshots)
            configuration.restarts = true
            let restarted = try Harness.run(plan, rows, types: types, shardCount: 2, configuration)
            XCTAssertEqual(one.rows.map(\.1), restarted.rows.map(\.1), "order after a restart")
        }
    }

    func testGridAgainstArithmetic() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<3_000 {
            let size = Int64(random.below(50) + 1)
            let slide = Int64(random.below(30) + 1)
            let shape: WindowShape = random.below(2) == 0 ? .hop(size: size, slide: slide, offset: Int64(random.below(7))) : .cumulate(size: slide * 4, step: slide, offset: 0)
            guard let grid = WindowGrid(shape) else { return XCTFail("no grid") }
            let time = Int64(random.below(400)) - 200
            let wanted = Oracle.naiveWindows(shape, time).sorted { $0.1 < $1.1 }
            var got: [(Int64, Int64)] = []
            grid.windows(containing: time) { got.append(($0, $1)) }
            XCTAssertEqual(got.map(\.0), wanted.map(\.0))
            XCTAssertEqual(got.map(\.1), wanted.map(\.1))
            let slice = grid.slice(time)
            XCTAssertTrue(slice.start <= time && time < slice.end)
            XCTAssertEqual(grid.isCovered(sliceStart: slice.start), !wanted.isEmpty)
            guard let first = wanted.first, let last = wanted.last else { continue }
            XCTAssertEqual(grid.firstEnd(sliceStart: slice.start), first.1)
            XCTAssertEqual(grid.lastEnd(sliceStart: slice.start), last.1)
            XCTAssertEqual(grid.start(windowEnd: first.1), first.0)
            XCTAssertEqual(grid.nextEnd(after: first.1 - 1), first.1)
        }
    }

    func testTimesAtTheEndsOfTime() throws {
        let types = Self.types
        let times: [Int64] = [.min, .min + 1, -1, 0, 1, .max - 1, .max]
        for (name, shape) in Self.shapes + [("session", .session(gap: second))] {
            for emit in [EmitMode.onWindowClose, .changes] {
                let rows = (times + times.reversed()).map { time in
                    InputRow(values: [.integer(1), .integer(1), .null, .null, .null, .integer(time), .null])
                }
                let node = AggregateNode(
                    keys: [0], window: WindowNode(shape: shape, timeColumn: 5), aggregates: Self.calls(isRich: true), emit: emit,
                    allowedLatenessMicroseconds: .max)
                for delay in [Int64(0), second, .max] {
                    let result = try Harness.run(.aggregate(Harness.watermarked(types, time: 5, delay: delay), node), rows, types: types, RunConfiguration(rowsPerEpoch: 3))
                    XCTAssertTrue(result.isFinished, name)
                }
            }
        }
    }

    func testNullTimeFails() throws {
        let types = Self.types
        let rows = [
            InputRow(values: [.integer(1), .integer(1), .null, .null, .null, .null, .null]),
            InputRow(values: [.integer(1), .integer(1), .null, .null, .null, .integer(5), .null]),
        ]
        for shape in [WindowShape.tumble(size: second, offset: 0), .session(gap: second)] {
            let node = AggregateNode(keys: [0], window: WindowNode(shape: shape, timeColumn: 5), aggregates: Self.calls(isRich: false), emit: .onWindowClose)
            let result = try Harness.run(.aggregate(Harness.watermarked(types, time: 5, delay: 0), node), rows, types: types)
            XCTAssertEqual(result.failures.count, 1)
            XCTAssertEqual(result.rows.count, 1)
        }
    }
}
