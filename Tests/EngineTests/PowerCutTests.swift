// The engine on a simulated disk that loses power: acknowledged rows are there afterwards, and the output holds each result once.
//
// One thread, one seed: rows are appended, the query is stepped and now and then checkpointed; at a random I/O operation the power goes, what was not
// synced is lost or torn, and everything is opened again from what the disk still has. At the end the output stream must equal a naive computation
// over the input stream. A failing seed prints itself; MILLRACE_POWER_CUT_SEEDS sets how many are tried.

import Columns
import Dataflow
import Planning
import Platform
import ShardLog
import Syntax
import XCTest

@testable import Engine

final class PowerCutTests: XCTestCase {
    private static let setup = """
        CREATE STREAM t (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) PARTITION BY k SHARDS 2
        """
    private static let target = "CREATE STREAM out (starts TIMESTAMP(3), k BIGINT, n BIGINT, s BIGINT) PARTITION BY k SHARDS 2"
    private static let query = """
        INSERT INTO out SELECT window_start, k, count(*), sum(v) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND)) \
        GROUP BY window_start, window_end, k
        """

    /// One life of the engine: from opening to the power cut.
    private final class Life {
        let engine: Engine
        let runner: QueryRunner
        let input: LogStream
        let output: LogStream
        let pool = WorkerPool(workerCount: 1)

        init(_ files: SimulatedFileSystem, _ clock: ManualClock) throws {
            var options = EngineOptions()
            options.isSingleThreaded = true
            options.startsQueries = false
            engine = try Engine(directory: "/data", options: options, clock: clock, fileSystem: files)
            let session = engine.makeSession()
            for (name, sql) in [("t", PowerCutTests.setup), ("out", PowerCutTests.target)] where engine.object(named: name) == nil {
                for statement in try Parser.parseScript(sql) { _ = try session.execute(statement, source: sql) }
            }
            guard case .insert(let insert)? = try Parser.parseScript(PowerCutTests.query).first?.statement.kind else {
                throw EngineError("no insert")
            }
            let planned = try engine.withCatalog { catalog in try Planner.plan(insert, catalog: catalog, options: PlannerOptions()) }
            let prepared = try engine.prepare(
                planned.query, mode: .continuous, isSelect: false, settings: RunnerSettings(), workerCount: 1)
            let target = try engine.target(planned.target, at: .none)
            let errors = StreamErrors(engine: engine, name: "q", queryName: "q", producer: 77)
            input = try XCTUnwrap(engine.stream(of: XCTUnwrap(engine.object(named: "t"))))
            output = try XCTUnwrap(target.stream)
            runner = QueryRunner(
                graph: prepared.graph, sources: prepared.sources, startPositions: prepared.startPositions,
                output: LogOutput(stream: output, relation: target.relation, producer: 77), errors: errors,
                journal: try QueryJournal(directory: "/data/queries/77", fileSystem: files), pool: prepared.pool, settings: RunnerSettings())
            _ = try runner.recover()
        }

        func rows(of stream: LogStream) throws -> [[Int64]] {
            var rows: [[Int64]] = []
            for shard in stream.shards.indices {
                let columns = Array(0..<stream.schema.count)
                let from = stream.oldestSequence(shard: shard)
                let to = stream.endSequence(shard: shard)
                for batch in try stream.read(shard: shard, from: from, to: to, paths: columns.map { ColumnPath($0) }, batchRows: 1_000) {
                    for row in 0..<batch.count { rows.append(batch.columns.map { $0.int64s[row] }) }
                }
            }
            return rows
        }
    }

    func testAPowerCutAtAnyMomentLosesNothingAndRepeatsNothing() throws {
        let seeds = ProcessInfo.processInfo.environment["MILLRACE_POWER_CUT_SEEDS"].flatMap(UInt64.init) ?? 60
        var cuts = 0
        for seed in 0..<seeds { cuts += try simulate(seed) }
        XCTAssertGreaterThan(cuts, Int(seeds) * 3, "the power was hardly ever cut")
        XCTAssertGreaterThan(livesWithOutput, Int(seeds) * 2, "hardly any life began with output that must not be repeated")
    }

    private var livesWithOutput = 0

    /// Returns how often the power was cut.
    private func simulate(_ seed: UInt64) throws -> Int {
        var random = SeededRandom(seed: seed)
        let files = SimulatedFileSystem(seed: seed)
        let clock = ManualClock(startingAtMicroseconds: 1_000_000)
        var acknowledged: [[Int64]] = []
        var time: Int64 = 0
        var cuts = 0
        for life in 0..<8 {
            let isLast = life == 7
            files.cutPower(atOperation: isLast ? nil : files.operationCount + 1 + random.below(240))
            do {
                let current = try Life(files, clock)
                if current.output.lastEpochs(of: 77).contains(where: { $0 != nil }) { livesWithOutput += 1 }
                for _ in 0..<30 {
                    clock.advance(byMicroseconds: Int64(random.below(200_000)))
                    switch random.below(8) {
                    case 0..<4:
                        let rows = (0..<1 + random.below(20)).map { _ -> [Int64] in
                            time += Int64(random.below(400)) * 1_000
                            return [Int64(random.below(16)), Int64(random.below(100)), time]
                        }
                        let batch = RowBatch.make(rows.map { $0.map { .integer($0) } }, types: current.input.schema.types)
                        try current.input.append(batch, arrivalMicroseconds: clock.nowMicroseconds())
                        acknowledged += rows
                    case 4..<7: _ = try current.runner.step(nowMicroseconds: clock.nowMicroseconds())
                    default: try current.runner.checkpoint()
                    }
                }
                guard isLast else { continue }
                // Move every shard's time past the last window, and run to the end.
                time += 60_000_000
                let last = (0..<40).map { [Int64($0), 0, time] }
                try current.input.append(
                    RowBatch.make(last.map { $0.map { .integer($0) } }, types: current.input.schema.types),
                    arrivalMicroseconds: clock.nowMicroseconds())
                while case .progressed = try current.runner.step(nowMicroseconds: clock.nowMicroseconds()) {}
                try check(current, acknowledged, end: time, seed)
            } catch where !isLast {
                XCTAssertTrue(files.isPoweredOff, "seed \(seed), life \(life): \(error)")
            }
            if !isLast {
                if files.isPoweredOff { cuts += 1 }
                files.crash()
            }
        }
        return cuts
    }

    private func check(_ life: Life, _ acknowledged: [[Int64]], end: Int64, _ seed: UInt64) throws {
        let stored = try life.rows(of: life.input)
        var missing: [[Int64]: Int] = [:]
        for row in acknowledged { missing[row, default: 0] += 1 }
        for row in stored { missing[row, default: 0] -= 1 }
        XCTAssertFalse(missing.values.contains { $0 > 0 }, "seed \(seed): an acknowledged row is gone")

        var expected: [[Int64]: (count: Int64, sum: Int64)] = [:]
        for row in stored where row[2] < end {
            let start = row[2] / 5_000_000 * 5_000_000
            let before = expected[[start, row[0]]] ?? (0, 0)
            expected[[start, row[0]]] = (before.count + 1, before.sum + row[1])
        }
        let wanted = expected.map { [$0.key[0], $0.key[1], $0.value.count, $0.value.sum] }.sorted { $0.lexicographicallyPrecedes($1) }
        let found = try life.rows(of: life.output).sorted { $0.lexicographicallyPrecedes($1) }
        XCTAssertEqual(found.count, wanted.count, "seed \(seed): results are missing or there twice")
        XCTAssertEqual(found, wanted, "seed \(seed)")
        XCTAssertEqual(life.runner.lateRows, 0, "seed \(seed)")
    }
}
