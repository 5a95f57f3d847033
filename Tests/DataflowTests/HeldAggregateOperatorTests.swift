import Columns
import Planning
import Platform
import XCTest

import Dataflow

/// Aggregates that keep their values, pairs, retractions everywhere, expiry.
final class HeldAggregateOperatorTests: XCTestCase {
    /// Those of WindowOperatorTests, a second double, and an array.
    static let types = WindowOperatorTests.types + [.double, .array(.bigint)]

    static func widened(_ rows: [InputRow], seed: UInt64) -> [InputRow] {
        var random = SeededRandom(seed: seed &+ 7)
        var known: [[Value]: [Value]] = [:]
        return rows.map { row in
            // Equal rows stay equal, so that a retraction names a row that was there.
            let key = row.values
            let more = known[key] ?? [
                random.below(7) == 0 ? .null : .double(Double(random.below(100)) / 8 - 3),
                random.below(7) == 0 ? .null : .list((0..<random.below(3)).map { _ in random.below(5) == 0 ? .null : .integer(Int64(random.below(3))) }),
            ]
            known[key] = more
            var wide = row
            wide.values += more
            return wide
        }
    }

    static func rows(_ count: Int, seed: UInt64, retracts: Bool) -> [InputRow] {
        widened(retracts ? AggregateOperatorTests.changelog(count, seed: seed) : WindowOperatorTests.rows(count, seed: seed, jitter: second), seed: seed)
    }

    private static func call(
        _ function: AggregateFunction, _ arguments: [Int], _ parameters: [Value] = [], order: [(Int, Bool)] = [], isDistinct: Bool = false,
        filter: Int? = nil
    ) -> AggregateCall {
        let result = function.types(arguments: arguments.map { types[$0] })?.result ?? .bigint
        return AggregateCall(
            function: function, arguments: arguments, parameters: parameters,
            order: order.map { SortNode.Key(column: $0.0, isDescending: $0.1, nullsFirst: $0.1) }, isDistinct: isDistinct, filter: filter,
            resultType: result)
    }

    static let heldCalls: [AggregateCall] = [
        call(.min, [1]), call(.max, [2], filter: 4), call(.min, [3]), call(.max, [6]), call(.min, [4]),
        call(.firstValue, [3]), call(.lastValue, [1]), call(.firstValue, [2], order: [(1, true)]), call(.lastValue, [3], order: [(2, false), (1, true)]),
        call(.firstValue, [8]), call(.minBy, [3, 1]), call(.maxBy, [1, 2]), call(.maxBy, [8, 3], filter: 4),
        call(.stringAgg, [3], [.string("; ")]), call(.stringAgg, [3], [.string("")], order: [(1, true)]),
        call(.stringAgg, [3], [.string(",")], isDistinct: true), call(.arrayAgg, [1]), call(.arrayAgg, [8], order: [(2, true)]),
        call(.arrayAgg, [1], order: [(1, true)], isDistinct: true, filter: 4),
    ]

    static let valueCalls: [AggregateCall] = [
        call(.mode, [1]), call(.mode, [3]), call(.percentileCont, [2], [.double(0.3), .boolean(false)]),
        call(.percentileCont, [7], [.double(0.5), .boolean(true)], isDistinct: true), call(.percentileDisc, [1], [.double(0.7), .boolean(true)]),
        call(.percentileDisc, [6], [.double(0), .boolean(false)], filter: 4), call(.histogram, [3]), call(.approxTopK, [3], [.integer(2)]),
        call(.bitAnd, [1]), call(.bitOr, [1]), call(.bitXor, [1], isDistinct: true), call(.count, [1, 3], isDistinct: true),
        call(.product, [7]), call(.skewness, [2]), call(.kurtosis, [7], isDistinct: true), call(.covarPop, [2, 7]), call(.covarSamp, [2, 7]),
        call(.corr, [7, 2]), call(.regrCount, [2, 7]), call(.regrAvgx, [2, 7]), call(.regrAvgy, [2, 7], filter: 4), call(.regrSxx, [2, 7]),
        call(.regrSyy, [2, 7]), call(.regrSxy, [2, 7]), call(.regrSlope, [2, 7]), call(.regrIntercept, [2, 7]), call(.regrR2, [2, 7]),
    ]

    private func wanted(_ rows: [InputRow], _ node: AggregateNode) -> [[Value]: Int] {
        var groups: [[Value]: [InputRow]] = [:]
        for row in rows { groups[node.keys.map { Oracle.normal(row.values[$0]) }, default: []].append(row) }
        groups = groups.filter { !node.inputRetracts || Oracle.signedCount($0.value) > 0 }
        return Oracle.results(groups, node, types: Self.types)
    }

    func testAgainstTheOracle() throws {
        for seed in UInt64(1)...4 {
            for retracts in [false, true] {
                let rows = Self.rows(300, seed: seed, retracts: retracts)
                for (keys, calls) in [([0], Self.heldCalls), ([3], Self.valueCalls), ([8, 0], Array(Self.heldCalls.prefix(6))), ([], Self.valueCalls)] {
                    if keys.isEmpty && retracts { continue }
                    for emit in [EmitMode.changes, .atEnd] {
                        let node = AggregateNode(keys: keys, window: nil, aggregates: calls, emit: emit, inputRetracts: retracts)
                        try Harness.check(
                            .aggregate(Harness.scan(Self.types), node), rows, types: Self.types, expecting: wanted(rows, node),
                            "keys \(keys) \(emit) retracts \(retracts) seed \(seed)")
                    }
                }
            }
        }
    }

    func testWindowsOverRetractions() throws {
        for (name, shape) in WindowOperatorTests.shapes {
            for seed in UInt64(1)...2 {
                for (emit, lateness) in [(EmitMode.onWindowClose, Int64(0)), (.changes, 0), (.onWindowClose, 3 * second)] {
                    let rows = Self.rows(250, seed: seed, retracts: true)
                    let calls = WindowOperatorTests.calls(isRich: true) + Self.heldCalls.prefix(8) + Self.valueCalls.prefix(5)
                    let node = AggregateNode(
                        keys: [0], window: WindowNode(shape: shape, timeColumn: 5), aggregates: calls, emit: emit,
                        allowedLatenessMicroseconds: lateness, inputRetracts: true)
                    let windows = Oracle.windows(rows, node: node, delay: second)
                    var live = windows.groups.filter { Oracle.signedCount($0.value) > 0 }
                    if emit == .onWindowClose && lateness == 0 {
                        let grid = try XCTUnwrap(WindowGrid(shape))
                        live = live.mapValues { rows in
                            rows.map { row in
                                guard case .integer(let time) = row.values[5] else { return row }
                                var wide = row
                                wide.values.append(.integer(grid.slice(time).start))
                                return wide
                            }
                        }
                    }
                    try Harness.check(
                        .aggregate(Harness.watermarked(Self.types, time: 5, delay: second), node), rows, types: Self.types,
                        expecting: Oracle.results(live, node, types: Self.types), late: windows.late, "\(name) \(emit) \(lateness) seed \(seed)")
                }
            }
        }
    }

    func testWindowsOfHeldValues() throws {
        let sessions = ("session", WindowShape.session(gap: 2 * second))
        for (name, shape) in WindowOperatorTests.shapes + [sessions] {
            for (index, calls) in [Self.heldCalls, Self.valueCalls].enumerated() {
                let rows = Self.rows(250, seed: UInt64(index) + 11, retracts: false)
                let node = AggregateNode(keys: [0], window: WindowNode(shape: shape, timeColumn: 5), aggregates: calls, emit: .onWindowClose)
                let windows =
                    name == "session"
                    ? Oracle.sessions(rows, node: node, gap: 2 * second, delay: second) : Oracle.windows(rows, node: node, delay: second)
                try Harness.check(
                    .aggregate(Harness.watermarked(Self.types, time: 5, delay: second), node), rows, types: Self.types,
                    expecting: Oracle.results(windows.groups, node, types: Self.types), late: windows.late, "\(name) calls \(index)")
            }
        }
    }

    func testLargeBags() throws {
        // Thousands of values in one group, taken back in another order than they came.
        var random = SeededRandom(seed: 5)
        let template = Self.rows(1, seed: 1, retracts: false)[0]
        var live: [InputRow] = []
        var rows: [InputRow] = []
        for index in 0..<3_000 {
            if index > 1_300 && random.below(index < 2_000 ? 3 : 10) > 0, !live.isEmpty {
                var gone = live.remove(at: random.below(live.count))
                gone.change = .delete
                rows.append(gone)
            } else {
                var row = template
                row.values[0] = .integer(1)
                row.values[1] = .integer(Int64(random.below(3_000)) - 1_500)
                row.values[3] = .string("text \(random.below(2_000))")
                live.append(row)
                rows.append(row)
            }
        }
        let calls = [
            Self.call(.min, [1]), Self.call(.max, [3]), Self.call(.percentileDisc, [1], [.double(0.4), .boolean(false)]), Self.call(.mode, [3]),
            Self.call(.count, [1], isDistinct: true), Self.call(.lastValue, [3]),
        ]
        let node = AggregateNode(keys: [0], window: nil, aggregates: calls, emit: .changes, inputRetracts: true)
        try Harness.check(
            .aggregate(Harness.scan(Self.types), node), rows, types: Self.types, expecting: wanted(rows, node),
            configurations: [
                RunConfiguration(rowsPerEpoch: 500, restarts: true), RunConfiguration(batchRows: 7, rowsPerEpoch: 1 << 20, morselRows: 999, workers: 3),
            ])
    }

    func testSketches() throws {
        let template = Self.rows(1, seed: 1, retracts: false)[0]
        var random = SeededRandom(seed: 8)
        func row(_ amount: Int64, _ price: Double) -> InputRow {
            var row = template
            row.values[0] = .integer(1)
            row.values[1] = .integer(amount)
            row.values[2] = .double(price)
            return row
        }
        for distinct in [0, 1, 3, 100, 700, 50_000] {
            let rows = (0..<distinct).flatMap { index in [row(Int64(index) * 17, exp(Double(random.below(2_000)) / 100 - 8))] } + (distinct > 0 ? [row(0, 1)] : [])
            let calls = [
                Self.call(.approxCountDistinct, [1]), Self.call(.approxPercentile, [2], [.double(0.9), .boolean(false)]),
                Self.call(.percentileDisc, [2], [.double(0.9), .boolean(false)]),
            ]
            let node = AggregateNode(keys: [], window: nil, aggregates: calls, emit: .atEnd)
            var results: Set<[Value]> = []
            for configuration in [RunConfiguration(), RunConfiguration(batchRows: 64, rowsPerEpoch: 5_000, morselRows: 300, workers: 3, restarts: true)] {
                let result = try Harness.run(.aggregate(Harness.scan(Self.types), node), rows, types: Self.types, configuration)
                results.insert(result.rows.first?.1 ?? [])
            }
            XCTAssertEqual(results.count, 1, "the same whatever the cuts")
            guard let result = results.first, case .integer(let count) = result[0] else { return XCTFail("no estimate") }
            XCTAssertEqual(Double(count), Double(distinct), accuracy: max(Double(distinct) * 0.05, 0.5), "\(distinct) values")
            guard distinct > 0, case .double(let near) = result[1], case .double(let exact) = result[2] else { continue }
            XCTAssertEqual(near, exact, accuracy: abs(exact) / 256)
        }
        // Every hundredth row is 7, the others are all different: more values than are kept.
        let rows = (0..<60_000).map { row($0.isMultiple(of: 100) ? 7 : Int64($0) + 1_000, 1) }
        let node = AggregateNode(keys: [], window: nil, aggregates: [Self.call(.approxTopK, [1], [.integer(1)])], emit: .atEnd)
        var tops: Set<[Value]> = []
        for configuration in [RunConfiguration(), RunConfiguration(batchRows: 100, rowsPerEpoch: 7_777, morselRows: 500, workers: 3, restarts: true)] {
            tops.insert(try Harness.run(.aggregate(Harness.scan(Self.types), node), rows, types: Self.types, configuration).rows.first?.1 ?? [])
        }
        XCTAssertEqual(tops.count, 1)
        guard case .list(let entries) = tops.first?.first, case .list(let top) = entries.first, case .integer(let count) = top[1] else {
            return XCTFail("no top")
        }
        XCTAssertEqual(top[0], .integer(7))
        XCTAssertTrue((600 - 60_000 / 512...600).contains(Int(count)), "\(count)")
    }

    func testGroupsExpire() throws {
        var random = SeededRandom(seed: 3)
        let template = Self.rows(1, seed: 1, retracts: false)[0]
        let rows = (0..<400).map { _ in
            var row = template
            row.values[0] = random.below(9) == 0 ? .null : .integer(Int64(random.below(12)))
            row.values[1] = .integer(Int64(random.below(4)))
            return row
        }
        let ttl: Int64 = 9
        for keys in [[0], [0, 3], []] {
            let calls = [
                Self.call(.countRows, []), Self.call(.count, [1], isDistinct: true), Self.call(.arrayAgg, [1]), Self.call(.sum, [1]),
            ]
            let node = AggregateNode(
                keys: keys, window: nil, aggregates: calls, emit: .changes, emitsUpdateBefore: false, stateTTLMicroseconds: ttl * second)
            // An epoch is a second and brings one row.
            var groups: [[Value]: (last: Int64, rows: [InputRow])] = [:]
            var wanted: [[Value]] = []
            for (time, row) in rows.enumerated() where !keys.isEmpty || time.isMultiple(of: 20) || time % 20 > 12 {
                let key = keys.map { row.values[$0] }
                var group = groups[key] ?? (Int64(time), [])
                if Int64(time) - group.last >= ttl { group.rows = [] }
                group.last = Int64(time)
                group.rows.append(row)
                groups[key] = group
                wanted.append(key + calls.map { Oracle.aggregate($0, group.rows, types: Self.types) } + [.boolean(group.rows.count == 1)])
            }
            // Without keys there would be no pause: rows of a key that is filtered out make one.
            var input = rows
            var plan = Harness.scan(Self.types)
            if keys.isEmpty {
                for time in input.indices where !(time.isMultiple(of: 20) || time % 20 > 12) { input[time].values[4] = .boolean(false) }
                for time in input.indices where time.isMultiple(of: 20) || time % 20 > 12 { input[time].values[4] = .boolean(true) }
                plan = .filter(plan, .column(4, .boolean))
            }
            for configuration in [RunConfiguration(rowsPerEpoch: 1), RunConfiguration(rowsPerEpoch: 1, workers: 3, restarts: true)] {
                let result = try Harness.run(.aggregate(plan, node), input, types: Self.types, configuration)
                XCTAssertEqual(result.rows.map { $0.1 + [.boolean($0.0 == .insert)] }, wanted, "keys \(keys)")
            }
        }
    }

    func testExpiredGroupsGiveTheirMemoryBack() throws {
        let node = AggregateNode(
            keys: [0], window: nil, aggregates: [Self.call(.countRows, []), Self.call(.count, [1], isDistinct: true), Self.call(.arrayAgg, [3])],
            emit: .changes, stateTTLMicroseconds: 10 * second)
        let graph = try DataflowGraph(plan: .aggregate(Harness.scan(Self.types), node), settings: DataflowSettings())
        let pool = WorkerPool(workerCount: 1)
        let template = Self.rows(1, seed: 1, retracts: false)[0]
        for epoch in 0..<3_000 {
            let rows = (0..<20).map { index in
                var row = template
                row.values[0] = .integer(Int64(epoch * 20 + index))
                return row
            }
            _ = try graph.run(
                EpochInput(
                    epoch: UInt64(epoch), clockMicroseconds: Int64(epoch) * second,
                    scans: [
                        ScanInput(
                            morsels: Harness.makeMorsels(rows, 0, Self.types, RunConfiguration()),
                            shards: [ShardProgress(hasRows: true, isCaughtUp: false, hasEnded: false)])
                    ]), pool: pool)
        }
        // 200 groups are alive at a time.
        XCTAssertLessThan(graph.status.operators[0].groups, 4_000)
        XCTAssertLessThan(graph.status.stateBytes, 3_000_000)
    }

    func testUpdatesWithoutTheOldRow() throws {
        let rows = Self.rows(300, seed: 4, retracts: true)
        let node = AggregateNode(
            keys: [0], window: nil, aggregates: Self.valueCalls, emit: .changes, inputRetracts: true, emitsUpdateBefore: false)
        let graph = try DataflowGraph(plan: .aggregate(Harness.scan(Self.types), node), settings: DataflowSettings())
        let pool = WorkerPool(workerCount: 1)
        var table: [Value: [Value]] = [:]
        for start in stride(from: 0, to: rows.count, by: 7) {
            let part = Array(rows[start..<min(start + 7, rows.count)])
            let output = try graph.run(
                EpochInput(
                    epoch: 0, clockMicroseconds: 0,
                    scans: [
                        ScanInput(
                            morsels: Harness.makeMorsels(part, 0, Self.types, RunConfiguration()),
                            shards: [ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: start + 7 >= rows.count)])
                    ]), pool: pool)
            for batch in output.batches {
                for row in 0..<batch.count {
                    let values = batch.row(row).map(Harness.canonical)
                    XCTAssertNotEqual(batch.change(at: row), .updateBefore)
                    table[values[0]] = batch.change(at: row) == .delete ? nil : values
                }
            }
        }
        XCTAssertEqual(Harness.fold(Array(table.values)), wanted(rows, node))
    }

    func testDamagedSnapshotsNeverTrap() throws {
        let rows = Self.rows(60, seed: 3, retracts: true)
        let pool = WorkerPool(workerCount: 1)
        var random = SeededRandom(seed: 17)
        func input(_ rows: [InputRow], ended: Bool) -> EpochInput {
            EpochInput(
                epoch: 0, clockMicroseconds: 5 * second,
                scans: [
                    ScanInput(
                        morsels: Harness.makeMorsels(rows, 0, Self.types, RunConfiguration()),
                        shards: [ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: ended)])
                ])
        }
        let sketches = [Self.call(.approxCountDistinct, [3]), Self.call(.approxTopK, [1], [.integer(3)])]
        for (calls, retracts) in [(Self.heldCalls, false), (Self.heldCalls, true), (Self.valueCalls, true), (Self.valueCalls + sketches, false)] {
            let plan = PhysicalPlan.aggregate(
                Harness.scan(Self.types),
                AggregateNode(
                    keys: [8], window: nil, aggregates: calls, emit: .changes, inputRetracts: retracts, stateTTLMicroseconds: retracts ? second : nil))
            let graph = try DataflowGraph(plan: plan, settings: DataflowSettings())
            _ = try graph.run(input(Array(rows[..<50]), ended: false), pool: pool)
            var writer = StateWriter()
            graph.snapshot(into: &writer)
            let bytes = writer.bytes
            for trial in 0..<300 {
                var damaged = bytes
                if trial.isMultiple(of: 5) {
                    damaged.removeLast(1 + random.below(damaged.count - 1))
                } else {
                    for _ in 0...random.below(3) { damaged[random.below(damaged.count)] = UInt8(random.below(256)) }
                }
                let copy = try DataflowGraph(plan: plan, settings: DataflowSettings())
                var reader = StateReader(damaged)
                do { try copy.restore(from: &reader) } catch { continue }
                _ = try copy.run(input(Array(rows[50...]), ended: true), pool: pool)
            }
        }
    }
}
