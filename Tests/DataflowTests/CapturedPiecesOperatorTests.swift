// Captured state of every kind of operator, as SQL: chains of captures are restored to the same state at any point, and damaged pieces,
// whatever their checksums would have said, give an error or a state that runs, and never a trap.

import Columns
import Planning
import Platform
import XCTest

@testable import Dataflow

final class CapturedPiecesOperatorTests: XCTestCase {
    private static let types: [SQLType] = [.bigint, .bigint, .timestamp(precision: 6)]

    private static let queries = [
        "SELECT k, count(*), sum(v), max(v) FROM t GROUP BY k",
        "SELECT CAST(k AS VARCHAR), min(CAST(v AS VARCHAR)), count(DISTINCT v), array_agg(v) FROM t GROUP BY CAST(k AS VARCHAR)",
        "SELECT n, count(*), max(s), approx_count_distinct(s) FROM (SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k) GROUP BY n",
        "SELECT k, window_start, count(*), count(DISTINCT v) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND)) "
            + "GROUP BY k, window_start, window_end",
        "SELECT k, window_start, sum(v) FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '6' SECOND)) "
            + "GROUP BY k, window_start, window_end",
        "SELECT k, window_start, count(*), max(v) FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' SECOND)) "
            + "GROUP BY k, window_start, window_end",
        "SELECT k, v, ts FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS n FROM t) WHERE n = 1",
        "SELECT k, v, ts, n FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS n FROM t) WHERE n <= 3",
        "SELECT k, n, r FROM (SELECT k, n, row_number() OVER (PARTITION BY n ORDER BY k) AS r FROM (SELECT k, count(*) AS n FROM t GROUP BY k)) WHERE r < 3",
        "SELECT k, sum(v) OVER (PARTITION BY k ORDER BY ts ROWS 3 PRECEDING), lag(v) OVER (PARTITION BY k ORDER BY ts) FROM t",
        "SELECT k, zscore(v, points => 40) OVER (PARTITION BY k ORDER BY ts), zscore(v, points => 3) OVER (PARTITION BY k ORDER BY ts) FROM t",
        "SELECT a.k, a.v, b.v FROM t AS a FULL JOIN (SELECT k, max(v) AS v FROM t GROUP BY k) AS b ON a.k = b.k AND a.v < b.v",
        "SELECT a.k, a.v, b.v FROM t AS a LEFT JOIN t AS b ON a.k = b.k AND b.ts BETWEEN a.ts - INTERVAL '1' SECOND AND a.ts + INTERVAL '1' SECOND",
        "SELECT k, v FROM t WHERE NOT EXISTS (SELECT 1 FROM (SELECT v AS w, count(*) FROM t GROUP BY v) WHERE w = k)",
        "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.v AS first_v, LAST(B.v) AS last_v ONE ROW PER MATCH "
            + "PATTERN (A B+ C) DEFINE B AS B.v > A.v, C AS C.v < B.v)",
    ]

    private func input(_ graph: DataflowGraph, _ epoch: Int, ended: Bool = false) -> EpochInput {
        var random = SeededRandom(seed: UInt64(epoch))
        let rows = (0..<40).map { row in
            let time = Int64(epoch * 4_000 + row * 100 + random.below(500)) * 1_000
            return InputRow(values: [.integer(Int64(random.below(12))), .integer(Int64(random.below(50))), .integer(time)])
        }
        let morsels = Harness.makeMorsels(rows, 0, Self.types, RunConfiguration())
        let progress = ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: ended)
        return EpochInput(
            epoch: UInt64(epoch), clockMicroseconds: Int64(epoch) * second,
            scans: graph.scans.map { scan in
                // A scan names the columns that it reads.
                let columns = scan.columns.map(\.column)
                return ScanInput(
                    morsels: morsels.map { morsel in
                        Morsel(shard: 0, rowCountEstimate: morsel.rowCountEstimate) { push in
                            try morsel.read { batch in
                                try push(RowBatch(count: batch.count, columns: columns.map { batch.columns[$0] }))
                            }
                        }
                    }, shards: [progress])
            })
    }

    func testChainsOfCaptures() throws {
        let pool = WorkerPool(workerCount: 2)
        for sql in Self.queries {
            let plan = try MatchOperatorTests.plan(sql)
            let settings = DataflowSettings(partitionCount: 3, inlineRowsMax: 0)
            var graph = try DataflowGraph(plan: plan, settings: settings)
            let straight = try DataflowGraph(plan: plan, settings: settings)
            var chain = StateChain()
            for epoch in 0..<25 {
                let output = try graph.run(input(graph, epoch, ended: epoch == 24), pool: pool)
                let expected = try straight.run(input(straight, epoch, ended: epoch == 24), pool: pool)
                // In the same order: a replay must give what was given before.
                XCTAssertEqual(Self.rows(output), Self.rows(expected), "epoch \(epoch) of \(sql)")
                try chain.step(&graph, epoch: epoch, pool: pool, make: { try DataflowGraph(plan: plan, settings: settings) }, sql)
            }
        }
    }

    private static func rows(_ output: EpochOutput) -> [[Value]] {
        output.batches.flatMap { batch in (0..<batch.count).map { batch.row($0) + [.string(batch.change(at: $0).symbol)] } }
    }

    private static func damaged(_ piece: Buffer, _ random: inout SeededRandom) -> Buffer? {
        guard piece.byteCount > 0 else { return nil }
        var bytes = Array(UnsafeRawBufferPointer(start: piece.base, count: piece.byteCount))
        switch random.below(5) {
        case 0: bytes.removeLast(1 + random.below(bytes.count))
        case 1: bytes += [UInt8](repeating: 7, count: 1 + random.below(20))
        default: for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
        }
        return bytes.withUnsafeBytes { Buffer(copying: $0) }
    }

    private static func tree(_ tree: StateTree<Buffer>, with changed: Buffer, inPlaceOf chosen: Int) -> StateTree<Buffer> {
        var number = -1
        return tree.map { piece in
            number += 1
            return number == chosen ? changed : piece
        }
    }

    func testDamagedPieces() throws {
        let pool = WorkerPool(workerCount: 1)
        var random = SeededRandom(seed: 5)
        var refused = 0
        for sql in Self.queries {
            let plan = try MatchOperatorTests.plan(sql)
            let settings = DataflowSettings(partitionCount: 2)
            let graph = try DataflowGraph(plan: plan, settings: settings)
            var chain = StateChain()
            for epoch in 0..<4 {
                _ = try graph.run(input(graph, epoch), pool: pool)
                chain.capture(graph, pool: pool)
            }
            let tree = try XCTUnwrap(chain.tree)
            var pieces: [Buffer] = []
            tree.forEach { pieces.append($0) }
            for _ in 0..<250 {
                let chosen = random.below(pieces.count)
                guard let changed = Self.damaged(pieces[chosen], &random) else { continue }
                let damaged = Self.tree(tree, with: changed, inPlaceOf: chosen)
                let copy = try DataflowGraph(plan: plan, settings: settings)
                do {
                    try copy.restore(from: damaged, pool: pool)
                } catch is StateError {
                    refused += 1
                    continue
                }
                _ = try copy.run(input(copy, 4, ended: true), pool: pool)
            }
        }
        XCTAssertGreaterThan(refused, 1_000)
    }
}
