// Two-phase aggregation on and off: the same groups, and off means that no task aggregates.

import Columns
import Planning
import Platform
import XCTest

@testable import Dataflow

final class TwoPhaseOperatorTests: XCTestCase {
    private let types = WindowOperatorTests.types

    func testResultsAreTheSame() throws {
        let rows = WindowOperatorTests.rows(3_000, seed: 9, jitter: second)
        for window in [nil, WindowNode(shape: .hop(size: 6 * second, slide: 2 * second, offset: 0), timeColumn: 5)] {
            var node = AggregateNode(
                keys: [0], window: window, aggregates: WindowOperatorTests.calls(isRich: true), emit: window == nil ? .changes : .onWindowClose)
            let input = window == nil ? Harness.scan(types) : Harness.watermarked(types, time: 5, delay: 2 * second)
            var results: [[[Value]: Int]] = []
            for isTwoPhase in [true, false] {
                node.isTwoPhase = isTwoPhase
                let configuration = RunConfiguration(rowsPerEpoch: 1 << 20, morselRows: 700, workers: 3, estimate: 100_000)
                results.append(try Harness.run(.aggregate(input, node), rows, types: types, configuration).folded)
            }
            XCTAssertFalse(results[0].isEmpty)
            XCTAssertEqual(results[0], results[1], Harness.difference(results[0], results[1]))
        }
    }

    func testOffHandsOutRows() throws {
        let batch = Harness.makeBatch(WindowOperatorTests.rows(3_000, seed: 4, jitter: second), types)
        for isTwoPhase in [true, false] {
            let node = AggregateNode(
                keys: [0], window: nil, aggregates: WindowOperatorTests.calls(isRich: false), emit: .changes, isTwoPhase: isTwoPhase)
            let stage = try AggregateStage(node, inputTypes: types, name: "aggregate", settings: DataflowSettings())
            let context = TaskContext()
            context.scratch = AggregationScratch()
            let feeder = AggregateFeeder(stage, task: 0, rowEstimate: batch.count)
            feeder.push(batch, context)
            feeder.finish(context)
            var tables = 0
            var rows = 0
            for (_, input) in feeder.inputs.joined() {
                switch input {
                case .table: tables += 1
                case .rows(let batch): rows += batch.count
                }
            }
            XCTAssertEqual(tables > 0, isTwoPhase)
            XCTAssertEqual(rows, isTwoPhase ? 0 : batch.count)
        }
    }
}
