// The operator of alerts: what it forgets, what it does without input, and what damaged state does to it.

import Columns
import Planning
import Platform
import Syntax
import XCTest

@testable import Dataflow

final class AlertOperatorTests: XCTestCase {
    private struct OneStream: Catalog {
        let relation: RelationDefinition
        func entry(named name: String) -> CatalogEntry? { name.lowercased() == "t" ? .relation(relation) : nil }
        var entryNames: [String] { ["t"] }
    }

    private static let types: [SQLType] = [.bigint, .bigint, .timestamp(precision: 3)]

    private static func plan(_ rules: [String], afterEpochs: [UInt64] = []) throws -> PhysicalPlan {
        let statement = try Parser.parseStatement("CREATE STREAM t (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)")
        guard case .createRelation(let clause) = statement.kind else { throw DataflowError("no stream") }
        let relation = try Planner.define(clause, catalog: OneStream(relation: RelationDefinition(name: "none", columns: [])))
        var definitions: [AlertDefinition] = []
        for (index, rule) in rules.enumerated() {
            guard case .alert(.create(let create)) = try Parser.parseStatement("CREATE ALERT a\(index) AS \(rule)").kind else { continue }
            definitions.append(AlertDefinition(id: UInt64(index + 1), create: create))
        }
        return try Planner.plan(definitions, catalog: OneStream(relation: relation), options: PlannerOptions()).query.plan
    }

    private let pool = WorkerPool(workerCount: 1)

    private func run(_ graph: DataflowGraph, _ epoch: UInt64, clock: Int64, _ rows: [(Int64, Int64?, Int64)], isCaughtUp: Bool = true) throws -> [[Value]] {
        var batch: [InputRow] = []
        for (key, value, time) in rows {
            let shown: Value = value.map { Value.integer($0) } ?? Value.null
            batch.append(InputRow(values: [Value.integer(key), shown, Value.integer(time * second)]))
        }
        let morsels = Harness.makeMorsels(batch, 0, Self.types, RunConfiguration())
        let output = try graph.run(
            EpochInput(
                epoch: epoch, clockMicroseconds: clock * second,
                scans: [ScanInput(morsels: rows.isEmpty ? [] : morsels, shards: [ShardProgress(hasRows: !rows.isEmpty, isCaughtUp: isCaughtUp, hasEnded: false)])]),
            pool: pool)
        return output.batches.flatMap { batch in (0..<batch.count).map { batch.row($0) } }
    }

    private func text(_ rows: [[Value]]) -> [String] {
        rows.map { row in
            guard row.count > 5, case .string(let alert) = row[0], case .integer(let number) = row[3], case .string(let state) = row[5] else { return "?" }
            return "\(alert) \(number) \(state)"
        }
    }

    func testAnInstanceIsForgottenAfterADayAndItsNumbersAreNotUsedAgain() throws {
        let graph = try DataflowGraph(plan: try Self.plan(["SELECT k, v FROM t WHERE v > 5 KEY (k)"]), settings: DataflowSettings(partitionCount: 1))
        XCTAssertEqual(text(try run(graph, 1, clock: 10, [(1, 9, 1), (1, 1, 2), (2, 9, 3), (2, 9, 4)])), ["a0 1 firing", "a0 2 resolved", "a0 1 firing"])
        let day: Int64 = 86_400
        _ = try run(graph, 2, clock: day, [(9, 1, 5)])
        XCTAssertEqual(graph.status.operators[0].groups, 3, "two keys and a row that waits")
        XCTAssertEqual(text(try run(graph, 3, clock: 11 + day, [(9, 1, 6)])), [])
        XCTAssertEqual(graph.status.operators[0].groups, 2, "the one that fires, and a row that waits")
        XCTAssertEqual(text(try run(graph, 4, clock: 12 + day, [(1, 9, 7), (3, 9, 8), (9, 1, 9)])), ["a0 3 firing", "a0 3 firing"])
    }

    func testSilenceAsksForAnEpochAndABacklogIsNoSilence() throws {
        let plan = try Self.plan(["SELECT k, v FROM t WHERE v > 5 KEY (k) ON NO DATA FOR INTERVAL '30' SECOND FIRE"])
        let graph = try DataflowGraph(plan: plan, settings: DataflowSettings())
        XCTAssertNil(graph.nextIdleDeadline())
        _ = try run(graph, 1, clock: 100, [(1, 1, 1), (1, 1, 2)])
        XCTAssertEqual(graph.nextIdleDeadline(), 130 * second)
        XCTAssertEqual(text(try run(graph, 2, clock: 140, [], isCaughtUp: false)), [])
        XCTAssertEqual(text(try run(graph, 3, clock: 141, [])), ["a0 1 firing"])
        XCTAssertNil(graph.nextIdleDeadline())
        XCTAssertEqual(text(try run(graph, 4, clock: 150, [(1, 1, 3), (1, 1, 4)])), ["a0 2 resolved"])
        XCTAssertEqual(graph.nextIdleDeadline(), 180 * second)
    }

    func testDamagedStateIsRefusedAndNeverTraps() throws {
        let plan = try Self.plan([
            "SELECT k, v FROM t WHERE v > 5 KEY (k) FOR INTERVAL '3' SECOND ON NO DATA FOR INTERVAL '30' SECOND FIRE",
            "SELECT k, v FROM t WHERE v > 7 AND k > 0 KEY (k) WHEN 2 OF 3 EVALUATIONS KEEP FIRING FOR INTERVAL '1' SECOND",
        ])
        let graph = try DataflowGraph(plan: plan, settings: DataflowSettings(partitionCount: 2))
        var rows: [(Int64, Int64?, Int64)] = []
        for index in 0..<60 { rows.append((Int64(index % 5), Int64(index * 7 % 10), Int64(index / 5))) }
        var later: [(Int64, Int64?, Int64)] = []
        for index in 0..<10 { later.append((Int64(index % 5), Int64(index * 3 % 10), Int64(20 + index))) }
        _ = try run(graph, 1, clock: 10, rows)
        var writer = StateWriter()
        graph.snapshot(into: &writer)
        var random = SeededRandom(seed: 5)
        var refused = 0
        for _ in 0..<4_000 {
            var bytes = writer.bytes
            let place = random.below(bytes.count)
            bytes[place] = UInt8(truncatingIfNeeded: random.below(256))
            if random.below(4) == 0 { bytes.removeLast(random.below(bytes.count)) }
            let restored = try DataflowGraph(plan: plan, settings: DataflowSettings(partitionCount: 2))
            var reader = StateReader(bytes)
            do { try restored.restore(from: &reader) } catch {
                refused += 1
                continue
            }
            _ = restored.nextIdleDeadline()
            _ = try run(restored, 2, clock: 20, later)
            _ = try run(restored, 3, clock: 100_000, [])
        }
        XCTAssertGreaterThan(refused, 1_000)
    }

    /// State that was written with some rules is read with others.
    func testRulesComeAndGoBetweenTwoRuns() throws {
        let low = "SELECT k, v FROM t WHERE v > 2 KEY (k) FOR INTERVAL '3' SECOND"
        let high = "SELECT k, v FROM t WHERE v * 2 > 12 KEY (k) FOR INTERVAL '3' SECOND"
        let graph = try DataflowGraph(plan: try Self.plan([low]), settings: DataflowSettings())
        XCTAssertEqual(text(try run(graph, 1, clock: 1, [(1, 9, 1), (1, 9, 2)])), ["a0 1 pending"])
        var writer = StateWriter()
        graph.snapshot(into: &writer)
        let wider = try DataflowGraph(plan: try Self.plan([low, high]), settings: DataflowSettings())
        var reader = StateReader(writer.bytes)
        try wider.restore(from: &reader)
        // The row that waited is none of the new rule's.
        XCTAssertEqual(text(try run(wider, 2, clock: 2, [(1, 9, 3), (1, 9, 5)])), ["a1 1 pending", "a0 2 firing"])
        writer = StateWriter()
        wider.snapshot(into: &writer)
        let narrower = try DataflowGraph(plan: try Self.plan([low]), settings: DataflowSettings())
        reader = StateReader(writer.bytes)
        try narrower.restore(from: &reader)
        XCTAssertEqual(text(try run(narrower, 3, clock: 3, [(1, 1, 8), (1, 1, 9)])), ["a0 3 resolved"])
    }
}
