// Rankings against a naive evaluator: random plans over random rows with ties, NULLs, retractions and texts, cut into epochs in many ways.

import Columns
import Planning
import Platform
import XCTest

import Dataflow

/// Orders and ranks rows the slow way.
enum RankOracle {
    static func compare(_ a: Value, _ b: Value, _ key: SortNode.Key) -> Int {
        if a.isNull || b.isNull { return a.isNull && b.isNull ? 0 : (a.isNull == key.nullsFirst ? -1 : 1) }
        var order = 0
        switch (a, b) {
        case (.integer(let a), .integer(let b)): order = a < b ? -1 : a > b ? 1 : 0
        case (.double(let a), .double(let b)): order = a < b ? -1 : a > b ? 1 : 0
        case (.decimal(let a), .decimal(let b)): order = a < b ? -1 : a > b ? 1 : 0
        case (.string(let a), .string(let b)): order = Array(a.utf8).lexicographicallyPrecedes(Array(b.utf8)) ? -1 : a == b ? 0 : 1
        default: XCTFail("values that cannot be compared")
        }
        return key.isDescending ? -order : order
    }

    static func compare(_ a: [Value], _ b: [Value], _ keys: [SortNode.Key]) -> Int {
        for key in keys {
            let order = compare(a[key.column], b[key.column], key)
            if order != 0 { return order }
        }
        return 0
    }

    /// What is there in the end, in order of arrival.
    static func remaining(_ rows: [InputRow]) -> [[Value]] {
        var left: [[Value]] = []
        for row in rows {
            if row.change.isAddition {
                left.append(row.values)
            } else if let index = left.firstIndex(of: row.values) {
                left.remove(at: index)
            }
        }
        return left
    }

    /// Partitions, each sorted, ties by arrival.
    static func partitions(_ rows: [[Value]], by columns: [Int], order: [SortNode.Key]) -> [[[Value]]] {
        var partitions: [[Value]: [[Value]]] = [:]
        for row in rows { partitions[columns.map { row[$0] }, default: []].append(row) }
        return partitions.values.map { rows in
            rows.enumerated().sorted { a, b in
                let comparison = compare(a.element, b.element, order)
                return comparison != 0 ? comparison < 0 : a.offset < b.offset
            }.map(\.element)
        }
    }

    static func rank(_ rows: [[Value]], _ node: RankNode) -> [[Value]] {
        var result: [[Value]] = []
        for sorted in partitions(rows, by: node.partition, order: node.order) {
            var rank = 0
            for (index, row) in sorted.enumerated() {
                let isPeer = index > 0 && compare(sorted[index - 1], row, node.order) == 0
                switch node.function {
                case .rowNumber: rank = index + 1
                case .rank: if !isPeer { rank = index + 1 }
                case .denseRank: if !isPeer { rank += 1 }
                }
                if rank >= node.firstRank && rank <= node.lastRank { result.append(row + (node.emitsRank ? [.integer(Int64(rank))] : [])) }
            }
        }
        return result
    }
}

final class RankOperatorTests: XCTestCase {
    static let types: [SQLType] = [.bigint, .bigint, .text, .decimal(precision: 10, scale: 2), .double, .timestamp(precision: 3), .bigint]

    static func randomRows(_ random: inout SeededRandom, count: Int, keys: Int, retracting: Bool) -> [InputRow] {
        var rows: [InputRow] = []
        var alive: [[Value]] = []
        for id in 0..<count {
            if retracting, !alive.isEmpty, random.below(3) == 0 {
                let index = random.below(alive.count)
                // The oracle takes the first of equal rows away, as the operator does.
                let row = alive[index]
                if let first = alive.firstIndex(of: row) { alive.remove(at: first) }
                rows.append(InputRow(values: row, change: random.below(2) == 0 ? .delete : .updateBefore))
                continue
            }
            func maybe(_ value: Value) -> Value { random.below(6) == 0 ? .null : value }
            let values: [Value] = [
                maybe(.integer(Int64(random.below(keys)))), maybe(.integer(Int64(random.below(8)) - 4)),
                maybe(.string(["", "a", "ab", "longer than eight bytes", "longer than eight bytez", "é"][random.below(6)])),
                maybe(.decimal(Int128(random.below(9)) - 4)), maybe(.double(Double(random.below(7)) / 2 - 1)),
                .integer(Int64(id / 3) * 1_000_000), .integer(retracting ? Int64(random.below(3)) : Int64(id)),
            ]
            alive.append(values)
            rows.append(InputRow(values: values))
        }
        return rows
    }

    static func randomOrder(_ random: inout SeededRandom) -> [SortNode.Key] {
        (0..<random.below(4)).map { _ in
            SortNode.Key(column: 1 + random.below(6), isDescending: random.below(2) == 0, nullsFirst: random.below(2) == 0)
        }
    }

    func testRandomRankings() throws {
        for seed in 0..<160 {
            var random = SeededRandom(seed: UInt64(seed))
            let retracting = seed % 2 == 1
            let rows = Self.randomRows(&random, count: 30 + random.below(150), keys: [1, 3, 40][random.below(3)], retracting: retracting)
            let first = random.below(3) == 0 ? 1 + random.below(3) : 1
            let node = RankNode(
                function: [.rowNumber, .rowNumber, .rank, .denseRank][random.below(4)],
                partition: [[], [0], [0], [0, 2], [3, 4]][random.below(5)], order: Self.randomOrder(&random), firstRank: first,
                lastRank: first + [0, 0, 1, 4, 20][random.below(5)], emitsRank: random.below(2) == 0,
                emit: random.below(5) == 0 ? .atEnd : .changes, inputRetracts: retracting)
            let wanted = Harness.fold(RankOracle.rank(RankOracle.remaining(rows), node))
            try Harness.check(.rank(Harness.scan(Self.types), node), rows, types: Self.types, expecting: wanted, "seed \(seed) \(node)")
        }
    }

    /// The folded output is right after every epoch, and what an epoch gives has no row that cancels another.
    func testEveryEpochIsNet() throws {
        for seed in 0..<40 {
            var random = SeededRandom(seed: UInt64(seed) + 1_000)
            let retracting = seed % 2 == 0
            let rows = Self.randomRows(&random, count: 120, keys: 4, retracting: retracting)
            let node = RankNode(
                function: .rowNumber, partition: [0], order: Self.randomOrder(&random), lastRank: 1 + random.below(4),
                emitsRank: seed % 3 == 0, emit: .changes, inputRetracts: retracting)
            let graph = try DataflowGraph(plan: .rank(Harness.scan(Self.types), node), settings: DataflowSettings())
            var result = RunResult()
            let pool = try XCTUnwrap(Harness.pools[1])
            var start = 0
            while start < rows.count {
                let end = min(start + 1 + random.below(30), rows.count)
                let morsels = Harness.makeMorsels(Array(rows[start..<end]), 0, Self.types, RunConfiguration())
                let progress = ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: end == rows.count)
                let output = try graph.run(
                    EpochInput(epoch: UInt64(start), clockMicroseconds: 0, scans: [ScanInput(morsels: morsels, shards: [progress])]), pool: pool)
                var net: [[Value]: Int] = [:]
                for batch in output.batches {
                    for row in 0..<batch.count {
                        let sign = batch.change(at: row).isAddition ? 1 : -1
                        let values = batch.row(row)
                        XCTAssertGreaterThanOrEqual((net[values] ?? 0) * sign, 0, "a row that goes and comes in one epoch, seed \(seed)")
                        net[values, default: 0] += sign
                    }
                }
                Harness.add(output, to: &result)
                let wanted = Harness.fold(RankOracle.rank(RankOracle.remaining(Array(rows[..<end])), node))
                XCTAssertEqual(result.folded, wanted, "seed \(seed), \(end) rows: \(Harness.difference(result.folded, wanted))")
                start = end
            }
        }
    }

    func testWindowsCloseOnceAndReportLateRows() throws {
        let types: [SQLType] = [.bigint, .bigint, .timestamp(precision: 3)]
        let plan = PhysicalPlan.rank(
            .assignWindow(
                Harness.watermarked(types, time: 2, delay: 2 * second),
                WindowNode(shape: .tumble(size: 10 * second, offset: 0), timeColumn: 2)),
            RankNode(
                function: .rowNumber, partition: [0, 4], order: [SortNode.Key(column: 1, isDescending: true, nullsFirst: false)], lastRank: 2,
                emitsRank: true, emit: .onWindowClose(windowEnd: 4)))
        var rows: [InputRow] = []
        for second in 0..<60 {
            for key in 0..<3 {
                rows.append(
                    InputRow(values: [.integer(Int64(key)), .integer(Int64((second * 7 + key) % 10)), .integer(Int64(second) * 1_000_000)]))
            }
        }
        rows.append(InputRow(values: [.integer(0), .integer(99), .integer(5_000_000)]))
        var wanted: [[Value]] = []
        for window in 0..<6 {
            for key in 0..<3 {
                let inside = rows.dropLast().map(\.values).filter {
                    guard case .integer(let time) = $0[2] else { return false }
                    return $0[0] == .integer(Int64(key)) && Int(time / 10_000_000) == window
                }
                let sorted = RankOracle.partitions(Array(inside), by: [], order: [SortNode.Key(column: 1, isDescending: true, nullsFirst: false)])
                for (index, row) in (sorted.first ?? []).prefix(2).enumerated() {
                    wanted.append(
                        row + [.integer(Int64(window) * 10_000_000), .integer(Int64(window + 1) * 10_000_000), .integer(Int64(index + 1))])
                }
            }
        }
        try Harness.check(plan, rows, types: types, expecting: Harness.fold(wanted), late: 1, "window top-N")
        for configuration in RunConfiguration.all {
            let result = try Harness.run(plan, rows, types: types, configuration)
            XCTAssertTrue(result.rows.allSatisfy { $0.0 == .insert }, "append-only")
        }
    }

    /// A key that is not touched for the time to live begins anew.
    func testTimeToLive() throws {
        let types: [SQLType] = [.bigint, .bigint]
        for inputRetracts in [false, true] {
            for last in [1, 3] {
                var node = RankNode(
                    function: .rowNumber, partition: [0], order: [SortNode.Key(column: 1, isDescending: true, nullsFirst: true)], lastRank: last,
                    emitsRank: false, emit: .changes, inputRetracts: inputRetracts)
                node.stateTTLMicroseconds = 3 * second
                // The harness' clock goes a second an epoch; key 1 rests for ten.
                var rows = [InputRow(values: [.integer(1), .integer(50)])]
                for index in 0..<10 { rows.append(InputRow(values: [.integer(2), .integer(Int64(index))])) }
                rows.append(InputRow(values: [.integer(1), .integer(40)]))
                let result = try Harness.run(
                    .rank(Harness.scan(types), node), rows, types: types, RunConfiguration(rowsPerEpoch: 1, restarts: true))
                XCTAssertEqual(result.rows.last?.0, .insert)
                XCTAssertEqual(result.rows.last?.1, [.integer(1), .integer(40)], "what was kept of the key has gone")
            }
        }
    }

    /// Damaged snapshots give errors, never traps.
    func testDamagedSnapshots() throws {
        var random = SeededRandom(seed: 5)
        let rows = Self.randomRows(&random, count: 60, keys: 5, retracting: false)
        let order = [SortNode.Key(column: 2, isDescending: true, nullsFirst: false), SortNode.Key(column: 1, isDescending: false, nullsFirst: true)]
        for (last, retracts) in [(1, false), (3, false), (3, true)] {
            let plan = PhysicalPlan.rank(
                Harness.scan(Self.types),
                RankNode(
                    function: .rowNumber, partition: [0, 2], order: order, lastRank: last, emitsRank: true, emit: .changes, inputRetracts: retracts))
            let graph = try DataflowGraph(plan: plan, settings: DataflowSettings())
            let pool = try XCTUnwrap(Harness.pools[1])
            let progress = ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: false)
            let morsels = Harness.makeMorsels(rows, 0, Self.types, RunConfiguration())
            _ = try graph.run(EpochInput(epoch: 0, clockMicroseconds: 0, scans: [ScanInput(morsels: morsels, shards: [progress])]), pool: pool)
            var writer = StateWriter()
            graph.snapshot(into: &writer)
            for _ in 0..<300 {
                var bytes = writer.bytes
                if random.below(2) == 0 {
                    bytes.removeLast(1 + random.below(bytes.count - 1))
                } else {
                    for _ in 0..<1 + random.below(4) { bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.below(256)) }
                }
                let damaged = try DataflowGraph(plan: plan, settings: DataflowSettings())
                var reader = StateReader(bytes)
                do {
                    try damaged.restore(from: &reader)
                    _ = try damaged.run(
                        EpochInput(epoch: 1, clockMicroseconds: 0, scans: [ScanInput(morsels: morsels, shards: [progress])]), pool: pool)
                } catch is StateError { continue }
            }
        }
    }
}
