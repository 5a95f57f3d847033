// Old rows of updates that nobody reads: nothing else is missing when they are left out.

import Columns
import Planning
import Platform
import XCTest

import Dataflow

final class UnreadUpdatesOperatorTests: XCTestCase {
    private let types = WindowOperatorTests.types

    private func counts(emitsUpdateBefore: Bool) -> PhysicalPlan {
        .aggregate(
            Harness.scan(types),
            AggregateNode(
                keys: [0], window: nil, aggregates: [AggregateCall(function: .countRows, argument: nil, resultType: .bigint)], emit: .changes,
                emitsUpdateBefore: emitsUpdateBefore))
    }

    private func join(_ left: PhysicalPlan, leftIsUnique: Bool, emitsUpdateBefore: Bool) -> PhysicalPlan {
        .join(
            left, Harness.scan(types, name: "u"),
            JoinNode(
                kind: .inner, leftKeys: [0], rightKeys: [0], leftRetracts: true, emitsUpdateBefore: emitsUpdateBefore, leftIsUnique: leftIsUnique))
    }

    /// Without its old rows a side that has one row for each key is joined as with them.
    func testSideWithOneRowForEachKey() throws {
        let rows = WindowOperatorTests.rows(200, seed: 3, jitter: second)
        for configuration in RunConfiguration.all {
            let whole = try Harness.run(
                join(counts(emitsUpdateBefore: true), leftIsUnique: true, emitsUpdateBefore: true), rows, types: types, configuration)
            let short = try Harness.run(
                join(counts(emitsUpdateBefore: false), leftIsUnique: true, emitsUpdateBefore: true), rows, types: types, configuration)
            XCTAssertGreaterThan(whole.folded.count, 0)
            XCTAssertEqual(whole.folded, short.folded, "\(configuration)\n" + Harness.difference(short.folded, whole.folded))
        }
    }

    func testJoinThatNobodyReads() throws {
        let rows = WindowOperatorTests.rows(200, seed: 5, jitter: second)
        for leftIsUnique in [true, false] {
            for configuration in RunConfiguration.all where configuration.rowsPerEpoch < 200 {
                let whole = try Harness.run(
                    join(counts(emitsUpdateBefore: true), leftIsUnique: leftIsUnique, emitsUpdateBefore: true), rows, types: types, configuration)
                let short = try Harness.run(
                    join(counts(emitsUpdateBefore: true), leftIsUnique: leftIsUnique, emitsUpdateBefore: false), rows, types: types, configuration)
                // Where a batch ends between the two rows of an update, a key that has lost its row is a deletion.
                if !leftIsUnique || configuration.batchRows > 1 { XCTAssertTrue(whole.rows.contains { $0.0 == .updateBefore }, "\(configuration)") }
                XCTAssertFalse(short.rows.contains { $0.0 == .updateBefore }, "\(configuration)")
                let kept = whole.rows.filter { $0.0 != .updateBefore }
                XCTAssertEqual(short.rows.map(\.0), kept.map(\.0), "\(configuration)")
                XCTAssertEqual(short.rows.map(\.1), kept.map(\.1), "\(configuration)")
            }
        }
    }
}
