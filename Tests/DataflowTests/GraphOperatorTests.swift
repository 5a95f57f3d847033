import Columns
import Planning
import Platform
import XCTest

import Dataflow

final class GraphOperatorTests: XCTestCase {
    private let types = WindowOperatorTests.types

    func testSort() throws {
        let rows = WindowOperatorTests.rows(300, seed: 6, jitter: second)
        for (limit, offset) in [(nil, 0), (10, 0), (10, 5), (0, 0), (1_000, 290)] as [(Int?, Int)] {
            for keys in [[SortNode.Key(column: 3, isDescending: false, nullsFirst: false)],
                [SortNode.Key(column: 0, isDescending: true, nullsFirst: true), SortNode.Key(column: 1, isDescending: false, nullsFirst: false)],
                [SortNode.Key(column: 2, isDescending: true, nullsFirst: false), SortNode.Key(column: 6, isDescending: true, nullsFirst: false)]]
            {
                let ordered = rows.enumerated().sorted { a, b in
                    for key in keys {
                        let left = a.element.values[key.column]
                        let right = b.element.values[key.column]
                        if left == right { continue }
                        if left.isNull || right.isNull { return left.isNull == key.nullsFirst }
                        return Oracle.less(left, right) != key.isDescending
                    }
                    return a.offset < b.offset
                }.map { $0.element.values.map(Harness.canonical) }
                let wanted = Array(ordered.dropFirst(offset).prefix(limit ?? .max))
                for configuration in RunConfiguration.all {
                    let result = try Harness.run(
                        .sort(Harness.scan(types), SortNode(keys: keys, limit: limit, offset: offset)), rows, types: types, configuration)
                    XCTAssertEqual(result.rows.map(\.1), wanted, "\(configuration)")
                }
            }
        }
    }

    func testSortWithLimitKeepsLittle() throws {
        let plan = PhysicalPlan.sort(
            Harness.scan([.bigint]), SortNode(keys: [SortNode.Key(column: 0, isDescending: true, nullsFirst: false)], limit: 3, offset: 0))
        let graph = try DataflowGraph(plan: plan, settings: DataflowSettings())
        let pool = WorkerPool(workerCount: 1)
        var random = SeededRandom(seed: 1)
        var greatest: [Int64] = []
        for epoch in 0..<40 {
            let values = (0..<1_000).map { _ in Int64(random.below(1 << 40)) }
            greatest = Array((greatest + values).sorted(by: >).prefix(3))
            let morsels = Harness.makeMorsels(values.map { InputRow(values: [.integer($0)]) }, 0, [.bigint], RunConfiguration())
            let output = try graph.run(
                EpochInput(
                    epoch: UInt64(epoch), clockMicroseconds: 0,
                    scans: [ScanInput(morsels: morsels, shards: [ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: epoch == 39)])]), pool: pool)
            XCTAssertLessThan(graph.status.operators[0].groups, 10_000)
            if epoch == 39 { XCTAssertEqual(output.batches.flatMap { batch in (0..<batch.count).map { batch.row($0)[0] } }, greatest.map { .integer($0) }) }
        }
    }

    func testLimit() throws {
        let rows = WindowOperatorTests.rows(100, seed: 6, jitter: second)
        for (count, offset) in [(10, 0), (10, 95), (0, 0), (nil, 7), (1_000, 3)] as [(Int?, Int)] {
            let wanted = rows.dropFirst(offset).prefix(count ?? .max).map { $0.values.map(Harness.canonical) }
            for configuration in RunConfiguration.all {
                let result = try Harness.run(.limit(Harness.scan(types), count: count, offset: offset), rows, types: types, configuration)
                XCTAssertEqual(result.rows.map(\.1), Array(wanted), "\(configuration)")
                XCTAssertTrue(result.isFinished)
            }
        }
        // Finished as soon as the limit is reached.
        let graph = try DataflowGraph(plan: .limit(Harness.scan(types), count: 5, offset: 0), settings: DataflowSettings())
        let morsels = Harness.makeMorsels(rows, 0, types, RunConfiguration())
        _ = try graph.run(
            EpochInput(
                epoch: 0, clockMicroseconds: 0,
                scans: [ScanInput(morsels: morsels, shards: [ShardProgress(hasRows: true, isCaughtUp: false, hasEnded: false)])]),
            pool: WorkerPool(workerCount: 1))
        XCTAssertTrue(graph.isFinished)
    }

    func testUnionAndValues() throws {
        let rows = WindowOperatorTests.rows(60, seed: 8, jitter: second)
        let schema = Schema(types.map { SQLType.Field(name: "x", type: $0) })
        let plan = PhysicalPlan.union([Harness.scan(types), .values([rows[0].values, rows[1].values], schema), Harness.scan(types)])
        let wanted = Harness.fold((rows + rows + rows.prefix(2)).map(\.values))
        try Harness.check(plan, rows, types: types, expecting: wanted)
        let alone = try Harness.run(.values([[.integer(1)]], Schema([SQLType.Field(name: "x", type: .bigint)])), [], types: types)
        XCTAssertEqual(alone.rows.count, 1)
        XCTAssertTrue(alone.isFinished)
        XCTAssertEqual(alone.watermarks.last, .max)
    }

    func testFilterAndProject() throws {
        let rows = WindowOperatorTests.rows(200, seed: 8, jitter: second)
        let plan = PhysicalPlan.project(
            .filter(Harness.scan(types), .column(4, .boolean)), [.column(3, .text), .column(0, .bigint)])
        let wanted = Harness.fold(rows.filter { $0.values[4] == .boolean(true) }.map { [$0.values[3], $0.values[0]] })
        try Harness.check(plan, rows, types: types, expecting: wanted)
    }

    func testAssignWindow() throws {
        let rows = WindowOperatorTests.rows(200, seed: 8, jitter: second)
        for (name, shape) in WindowOperatorTests.shapes {
            let plan = PhysicalPlan.assignWindow(Harness.scan(types), WindowNode(shape: shape, timeColumn: 5))
            var wanted: [[Value]] = []
            for row in rows {
                guard case .integer(let time) = row.values[5] else { continue }
                for (start, end) in Oracle.naiveWindows(shape, time) { wanted.append(row.values + [.integer(start), .integer(end)]) }
            }
            try Harness.check(plan, rows, types: types, expecting: Harness.fold(wanted), name)
        }
    }

    func testWindowOverWindow() throws {
        // Counts per key and second, then the greatest per four seconds over window_end minus one unit.
        let rows = WindowOperatorTests.rows(400, seed: 12, jitter: 0)
        let inner = AggregateNode(
            keys: [0], window: WindowNode(shape: .tumble(size: second, offset: 0), timeColumn: 5),
            aggregates: [AggregateCall(function: .countRows, argument: nil, resultType: .bigint)], emit: .onWindowClose)
        let outer = AggregateNode(
            keys: [], window: WindowNode(shape: .tumble(size: 4 * second, offset: 0), timeColumn: 1),
            aggregates: [AggregateCall(function: .max, argument: 3, resultType: .bigint), AggregateCall(function: .sum, argument: 3, resultType: .bigint)],
            emit: .onWindowClose)
        let plan = PhysicalPlan.aggregate(.aggregate(Harness.watermarked(types, time: 5, delay: 0), inner), outer)
        let first = Oracle.windows(rows, node: inner, delay: 0).groups
        var second: [[Value]: [Int64]] = [:]
        for (key, rows) in first {
            guard case .integer(let start) = key[1] else { continue }
            let window = Oracle.naiveWindows(.tumble(size: 4_000_000, offset: 0), start)[0]
            second[[.integer(window.0), .integer(window.1)], default: []].append(Int64(rows.count))
        }
        let wanted = Harness.fold(second.map { $0 + [.integer($1.max() ?? 0), .integer($1.reduce(0, +))] })
        try Harness.check(plan, rows, types: types, expecting: wanted, late: 0)
    }

    // MARK: Watermarks

    private func tumble(delay: Int64) -> PhysicalPlan {
        .aggregate(
            Harness.watermarked([.bigint, .timestamp(precision: 3)], time: 1, delay: delay),
            AggregateNode(
                keys: [0], window: WindowNode(shape: .tumble(size: second, offset: 0), timeColumn: 1),
                aggregates: [AggregateCall(function: .countRows, argument: nil, resultType: .bigint)], emit: .onWindowClose))
    }

    private func epoch(_ graph: DataflowGraph, clock: Int64, _ rows: [[Int64]], ended: [Bool] = [false, false]) throws -> EpochOutput {
        let types: [SQLType] = [.bigint, .timestamp(precision: 3)]
        var morsels: [Morsel] = []
        var shards: [ShardProgress] = []
        for (shard, times) in rows.enumerated() {
            morsels += Harness.makeMorsels(times.map { InputRow(values: [.integer(1), .integer($0)]) }, shard, types, RunConfiguration())
            shards.append(ShardProgress(hasRows: !times.isEmpty, isCaughtUp: true, hasEnded: ended[shard]))
        }
        return try graph.run(
            EpochInput(epoch: 0, clockMicroseconds: clock, scans: [ScanInput(morsels: morsels, shards: shards)]), pool: Harness.pools[1] ?? WorkerPool(workerCount: 1))
    }

    func testIdleShards() throws {
        let settings = DataflowSettings(idleTimeoutMicroseconds: [10 * second])
        let graph = try DataflowGraph(plan: tumble(delay: 0), settings: settings)
        XCTAssertEqual(try epoch(graph, clock: 0, [[0, 5 * second], []]).watermark, .min)
        XCTAssertEqual(graph.nextIdleDeadline(), 10 * second)
        var output = try epoch(graph, clock: 9 * second, [[6 * second], []])
        XCTAssertEqual(output.watermark, .min)
        output = try epoch(graph, clock: 10 * second, [[], []])
        XCTAssertEqual(output.watermark, 6 * second)
        XCTAssertEqual(output.batches.reduce(0) { $0 + $1.count }, 2)
        XCTAssertEqual(graph.status.scans[0].shards.map(\.isIdle), [false, true])
        // The idle shard wakes behind the watermark: it does not go back, and its row is late.
        output = try epoch(graph, clock: 11 * second, [[], [second, 7 * second]])
        XCTAssertEqual(output.watermark, 6 * second)
        XCTAssertEqual(output.lateRowCount, 1)
        XCTAssertEqual(output.lateRows.first?.eventTime, second)
        // Both fall silent: nothing is left to wait for.
        output = try epoch(graph, clock: 40 * second, [[], []])
        XCTAssertEqual(output.watermark, 7 * second)
        XCTAssertNil(graph.nextIdleDeadline())
        output = try epoch(graph, clock: 41 * second, [[], []], ended: [true, true])
        XCTAssertEqual(output.watermark, .max)
        XCTAssertTrue(graph.isFinished)
    }

    func testShardThatEnds() throws {
        let graph = try DataflowGraph(plan: tumble(delay: second), settings: DataflowSettings())
        XCTAssertEqual(try epoch(graph, clock: 0, [[0, 9 * second], [3 * second]]).watermark, 2 * second)
        XCTAssertNil(graph.nextIdleDeadline())
        XCTAssertEqual(try epoch(graph, clock: 0, [[], []], ended: [false, true]).watermark, 8 * second)
    }

    func testWatermarkFromAnExpression() throws {
        // Without a delay known beforehand the same must come out as with one.
        let rows = WindowOperatorTests.rows(300, seed: 2, jitter: 2 * second)
        let node = AggregateNode(
            keys: [0], window: WindowNode(shape: .tumble(size: second, offset: 0), timeColumn: 5),
            aggregates: WindowOperatorTests.calls(isRich: false), emit: .onWindowClose)
        let plan = PhysicalPlan.aggregate(
            .watermark(Harness.scan(types), WatermarkNode(timeColumn: 5, expression: .column(5, types[5]), delayMicroseconds: nil)), node)
        let wanted = Oracle.windows(rows, node: node, delay: 0)
        try Harness.check(plan, rows, types: types, expecting: Oracle.results(wanted.groups, node, types: types), late: wanted.late)
    }

    func testReadErrorsComeOut() throws {
        struct ReadFailure: Error {}
        let graph = try DataflowGraph(plan: tumble(delay: 0), settings: DataflowSettings())
        let morsel = Morsel(shard: 0, rowCountEstimate: 1) { _ in throw ReadFailure() }
        XCTAssertThrowsError(
            try graph.run(
                EpochInput(
                    epoch: 0, clockMicroseconds: 0,
                    scans: [ScanInput(morsels: [morsel], shards: [ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: false)])]),
                pool: WorkerPool(workerCount: 1)))
    }

    // MARK: State

    func testDamagedSnapshotsNeverTrap() throws {
        let rows = WindowOperatorTests.rows(60, seed: 3, jitter: 2 * second, keys: 4)
        let watermarked = Harness.watermarked(types, time: 5, delay: second)
        func aggregate(_ window: WindowShape?, _ emit: EmitMode, keys: [Int]) -> PhysicalPlan {
            .aggregate(
                watermarked,
                AggregateNode(keys: keys, window: window.map { WindowNode(shape: $0, timeColumn: 5) }, aggregates: WindowOperatorTests.calls(isRich: true), emit: emit))
        }
        let plans: [PhysicalPlan] = [
            aggregate(.tumble(size: 5 * second, offset: 0), .onWindowClose, keys: [0]),
            aggregate(.hop(size: 60 * second, slide: 20 * second, offset: 0), .onWindowClose, keys: [3, 0]),
            aggregate(.hop(size: 60 * second, slide: 20 * second, offset: 0), .changes, keys: [0]),
            aggregate(.session(gap: 30 * second), .changes, keys: [3]), aggregate(nil, .changes, keys: [3]),
            .sort(watermarked, SortNode(keys: [SortNode.Key(column: 3, isDescending: false, nullsFirst: true)], limit: nil, offset: 0)),
            .limit(watermarked, count: 1_000, offset: 5),
        ]
        let pool = WorkerPool(workerCount: 1)
        let settings = DataflowSettings()
        var random = SeededRandom(seed: 99)
        func input(_ rows: [InputRow], ended: Bool) -> EpochInput {
            EpochInput(
                epoch: 0, clockMicroseconds: 0,
                scans: [
                    ScanInput(
                        morsels: Harness.makeMorsels(rows, 0, types, RunConfiguration()),
                        shards: [ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: ended)])
                ])
        }
        for plan in plans {
            let graph = try DataflowGraph(plan: plan, settings: settings)
            _ = try graph.run(input(Array(rows[..<50]), ended: false), pool: pool)
            var writer = StateWriter()
            graph.snapshot(into: &writer)
            let bytes = writer.bytes
            for trial in 0..<400 {
                var damaged = bytes
                if trial.isMultiple(of: 5) {
                    damaged.removeLast(1 + random.below(damaged.count - 1))
                } else {
                    for _ in 0...random.below(3) { damaged[random.below(damaged.count)] = UInt8(random.below(256)) }
                }
                let copy = try DataflowGraph(plan: plan, settings: settings)
                var reader = StateReader(damaged)
                do { try copy.restore(from: &reader) } catch { continue }
                // What was read must also run without a trap.
                _ = try copy.run(input(Array(rows[50...]), ended: true), pool: pool)
            }
            let other = try DataflowGraph(plan: plan, settings: DataflowSettings(partitionCount: 2))
            var reader = StateReader(bytes)
            XCTAssertThrowsError(try other.restore(from: &reader))
        }
    }
}
