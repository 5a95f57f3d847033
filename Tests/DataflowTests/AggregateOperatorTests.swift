import Columns
import Planning
import Platform
import XCTest

import Dataflow

final class AggregateOperatorTests: XCTestCase {
    private let types = WindowOperatorTests.types

    private func wanted(_ rows: [InputRow], _ node: AggregateNode) -> [[Value]: Int] {
        var groups: [[Value]: [InputRow]] = [:]
        for row in rows { groups[node.keys.map { Oracle.normal(row.values[$0]) }, default: []].append(row) }
        groups = groups.filter { !node.inputRetracts || Oracle.signedCount($0.value) > 0 }
        return Oracle.results(groups, node, types: types)
    }

    func testKeysOfEveryForm() throws {
        for (index, keys) in [[], [0], [3], [2], [4], [6], [0, 3], [0, 1, 2, 3, 4, 5, 6]].enumerated() {
            for emit in [EmitMode.atEnd, .changes] {
                let rows = WindowOperatorTests.rows(300, seed: UInt64(index) + 40, jitter: second)
                let node = AggregateNode(keys: keys, window: nil, aggregates: WindowOperatorTests.calls(isRich: true), emit: emit)
                try Harness.check(
                    .aggregate(Harness.scan(types), node), rows, types: types, expecting: wanted(rows, node), "keys \(keys) \(emit)")
            }
        }
    }

    /// Rows of a changelog: some take back a row that was there.
    static func changelog(_ count: Int, seed: UInt64) -> [InputRow] {
        var random = SeededRandom(seed: seed)
        var live: [InputRow] = []
        var result: [InputRow] = []
        for var row in WindowOperatorTests.rows(count, seed: seed, jitter: second) {
            if !live.isEmpty && random.below(5) < 2 {
                var gone = live.remove(at: random.below(live.count))
                gone.change = random.below(2) == 0 ? .delete : .updateBefore
                result.append(gone)
            } else {
                row.change = random.below(2) == 0 ? .insert : .updateAfter
                live.append(row)
                result.append(row)
            }
        }
        return result
    }

    func testRetractions() throws {
        let calls = WindowOperatorTests.calls(isRich: true)
        for seed in UInt64(1)...6 {
            let rows = Self.changelog(400, seed: seed)
            for keys in [[0], [3, 0], [0, 1, 3]] {
                for emit in [EmitMode.changes, .atEnd] {
                    let node = AggregateNode(keys: keys, window: nil, aggregates: calls, emit: emit, inputRetracts: true)
                    try Harness.check(
                        .aggregate(Harness.scan(types), node), rows, types: types, expecting: wanted(rows, node), "retractions \(keys) \(emit) \(seed)")
                }
            }
        }
    }

    func testGroupsComeAndGoForEver() throws {
        // Every key is taken back at once: the table must not grow.
        let node = AggregateNode(
            keys: [3], window: nil, aggregates: WindowOperatorTests.calls(isRich: false), emit: .changes, inputRetracts: true)
        var rows: [InputRow] = []
        for index in 0..<6_000 {
            let values: [Value] = [.integer(1), .integer(2), .null, .string("a key of some length \(index)"), .null, .integer(0), .null]
            rows.append(InputRow(values: values))
            rows.append(InputRow(values: values, change: .delete))
        }
        let graph = try DataflowGraph(plan: .aggregate(Harness.scan(types), node), settings: DataflowSettings())
        let pool = WorkerPool(workerCount: 1)
        for start in stride(from: 0, to: rows.count, by: 13) {
            let part = Array(rows[start..<min(start + 13, rows.count)])
            let morsels = Harness.makeMorsels(part, 0, types, RunConfiguration())
            _ = try graph.run(
                EpochInput(
                    epoch: 0, clockMicroseconds: 0,
                    scans: [ScanInput(morsels: morsels, shards: [ShardProgress(hasRows: true, isCaughtUp: false, hasEnded: false)])]), pool: pool)
        }
        XCTAssertLessThan(graph.status.operators[0].groups, 600)
        XCTAssertLessThan(graph.status.stateBytes, 400_000)
    }

    func testEmptyInput() throws {
        let calls = WindowOperatorTests.calls(isRich: true)
        let atEnd = AggregateNode(keys: [], window: nil, aggregates: calls, emit: .atEnd)
        let one = try Harness.run(.aggregate(Harness.scan(types), atEnd), [], types: types)
        XCTAssertEqual(one.rows.count, 1)
        XCTAssertEqual(one.rows.first?.1.first, .integer(0))
        XCTAssertEqual(one.rows.first?.1[1], .null)
        let keyed = AggregateNode(keys: [0], window: nil, aggregates: calls, emit: .atEnd)
        XCTAssertEqual(try Harness.run(.aggregate(Harness.scan(types), keyed), [], types: types).rows.count, 0)
        let changes = AggregateNode(keys: [], window: nil, aggregates: calls, emit: .changes)
        let first = try Harness.run(.aggregate(Harness.scan(types), changes), [], types: types)
        XCTAssertEqual(first.rows.map(\.0), [.insert])
        XCTAssertEqual(first.rows.first?.1, one.rows.first?.1)
        let changesByKey = AggregateNode(keys: [0], window: nil, aggregates: calls, emit: .changes)
        XCTAssertEqual(try Harness.run(.aggregate(Harness.scan(types), changesByKey), [], types: types).rows.count, 0)
    }

    func testDistinctEmitsANewGroupOnce() throws {
        let rows = WindowOperatorTests.rows(300, seed: 9, jitter: second)
        let node = AggregateNode(keys: [0, 3], window: nil, aggregates: [], emit: .changes)
        for configuration in RunConfiguration.all {
            let result = try Harness.run(.aggregate(Harness.scan(types), node), rows, types: types, configuration)
            XCTAssertEqual(result.rows.count, Set(rows.map { [$0.values[0], $0.values[3]] }).count)
            XCTAssertTrue(result.rows.allSatisfy { $0.0 == .insert })
        }
    }

    func testNoPairWhenNothingChanged() throws {
        let values: [Value] = [.integer(1), .integer(5), .null, .null, .null, .integer(0), .null]
        let node = AggregateNode(
            keys: [0], window: nil, aggregates: [AggregateCall(function: .max, argument: 1, resultType: .bigint)], emit: .changes)
        let rows = [InputRow(values: values), InputRow(values: values), InputRow(values: values)]
        let result = try Harness.run(.aggregate(Harness.scan(types), node), rows, types: types, RunConfiguration(rowsPerEpoch: 1))
        XCTAssertEqual(result.rows.count, 1)
    }

    func testSumsBeyondTheirTypeFail() throws {
        func row(_ amount: Int64, _ price: Double, _ decimal: Int128) -> InputRow {
            InputRow(values: [.integer(7), .integer(amount), .double(price), .null, .null, .integer(0), .decimal(decimal)])
        }
        let big = (0..<38).reduce(Int128(1)) { product, _ in product * 10 } - 1
        let rows = [row(.max, 1e308, big), row(.max, 1e308, big), row(1, -5, 1)]
        let node = AggregateNode(
            keys: [0], window: nil,
            aggregates: [
                AggregateCall(function: .sum, argument: 1, resultType: .bigint, text: "sum(amount)"),
                AggregateCall(function: .sum, argument: 2, resultType: .double, text: "sum(price)"),
                AggregateCall(function: .sum, argument: 6, resultType: .decimal(precision: 38, scale: 2), text: "sum(d)"),
                AggregateCall(function: .avg, argument: 1, resultType: .decimal(precision: 38, scale: 6)),
            ], emit: .atEnd)
        let result = try Harness.run(.aggregate(Harness.scan(types), node), rows, types: types)
        XCTAssertEqual(result.failures.map(\.expression).sorted(), ["sum(amount)", "sum(d)", "sum(price)"])
        XCTAssertEqual(result.failures.first?.row, [.integer(7)])
        XCTAssertEqual(result.rows.first?.1[1], .null)
        // It fits again when something else comes: nothing was lost inside.
        let again = try Harness.run(
            .aggregate(Harness.scan(types), AggregateNode(keys: [0], window: nil, aggregates: [node.aggregates[0]], emit: .atEnd)),
            [row(.max, 0, 0), row(.max, 0, 0), row(-.max, 0, 0)], types: types)
        XCTAssertEqual(again.rows.first?.1[1], .integer(.max))
    }

    func testDoublesThatAreNoNumbers() throws {
        func row(_ key: Int64, _ value: Double) -> InputRow {
            InputRow(values: [.integer(key), .null, .double(value), .null, .null, .integer(0), .null])
        }
        let rows = [
            row(1, .infinity), row(1, 5), row(2, .infinity), row(2, -.infinity), row(3, .nan), row(3, 1), row(4, 0.0), row(4, -0.0),
            row(5, 1e16), row(5, 1), row(5, -1e16),
        ]
        let node = AggregateNode(
            keys: [0], window: nil,
            aggregates: [
                AggregateCall(function: .sum, argument: 2, resultType: .double), AggregateCall(function: .max, argument: 2, resultType: .double),
                AggregateCall(function: .count, argument: 2, isDistinct: true, resultType: .bigint),
            ], emit: .atEnd)
        for configuration in RunConfiguration.all {
            let result = try Harness.run(.aggregate(Harness.scan(types), node), rows, types: types, configuration)
            var byKey: [Value: [Value]] = [:]
            for (_, row) in result.rows { byKey[row[0]] = row }
            XCTAssertEqual(byKey[.integer(1)]?[1], .double(.infinity))
            guard case .double(let sum) = byKey[.integer(2)]?[1], sum.isNaN else { return XCTFail("inf - inf is NaN") }
            guard case .double(let greatest) = byKey[.integer(3)]?[2], greatest.isNaN else { return XCTFail("NaN is the greatest") }
            XCTAssertEqual(byKey[.integer(4)]?[3], .integer(1))
            XCTAssertEqual(byKey[.integer(5)]?[1], .double(1))
        }
    }

    func testVarianceKeepsItsDigits() throws {
        var random = SeededRandom(seed: 4)
        let rows = (0..<500).map { _ in
            InputRow(values: [.integer(1), .null, .double(1e9 + Double(random.below(1_000)) / 1_000), .null, .null, .integer(0), .null])
        }
        let numbers = rows.map { Oracle.number($0.values[2]) }
        let mean = numbers.reduce(0) { $0 + ($1 - 1e9) } / 500
        let variance = numbers.reduce(0) { $0 + ($1 - 1e9 - mean) * ($1 - 1e9 - mean) } / 499
        let node = AggregateNode(
            keys: [0], window: nil, aggregates: [AggregateCall(function: .varSamp, argument: 2, resultType: .double)], emit: .atEnd)
        let result = try Harness.run(.aggregate(Harness.scan(types), node), rows, types: types)
        guard case .double(let got) = result.rows.first?.1[1] else { return XCTFail("no variance") }
        XCTAssertEqual(got, variance, accuracy: variance * 1e-8)
    }
}
