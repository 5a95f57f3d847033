// The engine without threads, its queries stepped by hand: what a query knows when it begins again, with the process or without it.

import Columns
import Platform
import Syntax
import XCTest

@testable import Engine

final class SteppedEngineTests: XCTestCase {
    private let clock = ManualClock(startingAtMicroseconds: 1_000_000_000)

    private func open(_ files: SimulatedFileSystem) throws -> Engine {
        var options = EngineOptions()
        options.isSingleThreaded = true
        return try Engine(directory: "/data", options: options, clock: clock, fileSystem: files)
    }

    @discardableResult
    private func execute(_ engine: Engine, _ sql: String) throws -> [[Value]] {
        let session = engine.makeSession()
        var rows: [[Value]] = []
        for statement in try Parser.parseScript(sql) {
            guard case .rows(let cursor) = try session.execute(statement, source: sql) else { continue }
            while case .rows(let batch) = try cursor.next(timeoutMilliseconds: 0) { rows += (0..<batch.count).map { batch.row($0) } }
        }
        return rows
    }

    private func drain(_ engine: Engine) {
        for query in engine.savedQueries { while case .progressed = query.step() {} }
    }

    /// A query that begins again at a checkpoint shows the event time of its results, as it did before, not that of what it reads.
    func testAJoinIsBehindItsInputsAfterARestartToo() throws {
        let files = SimulatedFileSystem(seed: 1)
        func watermark(_ engine: Engine) throws -> Int64 {
            drain(engine)
            return try XCTUnwrap(engine.runningQuery(named: "pairs")?.progress().watermark)
        }
        var engine = try open(files)
        try execute(
            engine,
            """
            CREATE STREAM a (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);
            CREATE STREAM b (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);
            CREATE STREAM c (k BIGINT);
            CREATE QUERY pairs AS INSERT INTO c SELECT a.k FROM a JOIN b ON a.k = b.k AND a.ts BETWEEN b.ts - INTERVAL '5' SECOND AND b.ts;
            INSERT INTO a VALUES (1, TIMESTAMP '2026-01-01 00:00:10');
            INSERT INTO b VALUES (1, TIMESTAMP '2026-01-01 00:00:10');
            """)
        let before = try watermark(engine)
        XCTAssertGreaterThan(before, 0)
        try engine.close()
        engine = try open(files)
        XCTAssertEqual(try watermark(engine), before)
        try engine.close()
    }

    /// The query alone begins again, on rows that are not durable yet: what it makes of them may not be seen before they are.
    func testAReplayWaitsForItsInputToBeDurable() throws {
        var restarts = 0
        for failing in 0..<30 {
            let files = SimulatedFileSystem(seed: UInt64(failing))
            var engine = try open(files)
            try execute(
                engine,
                """
                CREATE STREAM a (k BIGINT) WITH (sync = 'none');
                CREATE STREAM b (k BIGINT);
                CREATE QUERY copy AS INSERT INTO b SELECT k FROM a;
                """)
            drain(engine)
            try execute(engine, "INSERT INTO a VALUES (1), (2), (3)")
            files.failOperation(files.operationCount + failing)
            for _ in 0..<4 {
                drain(engine)
                if engine.runningQuery(named: "copy")?.progress().state == .waiting { restarts += 1 }
                clock.advance(byMicroseconds: 5_000_000)
            }
            files.forgetFailures()
            files.crash()
            engine = try open(files)
            drain(engine)
            let progress = try XCTUnwrap(engine.runningQuery(named: "copy")?.progress())
            XCTAssertEqual(progress.state, .running, "operation \(failing): \(progress.reason ?? "")")
            XCTAssertEqual(try execute(engine, "SELECT k FROM a"), try execute(engine, "SELECT k FROM b"), "operation \(failing)")
            try engine.close()
        }
        XCTAssertGreaterThan(restarts, 0)
    }
}
