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

    /// Rows that the query had read are lost with what witnessed them, and others got their numbers before it could tell: it never takes them for those.
    func testLostRowsWhoseNumbersAreTakenFailTheQueryForGood() throws {
        let files = SimulatedFileSystem(seed: 2)
        let create = "CREATE QUERY copy AS INSERT INTO o SELECT k FROM a"
        var engine = try open(files)
        try execute(engine, "CREATE STREAM a (k BIGINT); CREATE STREAM o (k BIGINT); \(create); INSERT INTO a VALUES (1), (2)")
        drain(engine)
        try engine.close()
        for path in files.allPaths where path.contains("/00000001/shard-") {
            if path.hasSuffix("/end") { try files.remove(path) } else if path.hasSuffix(".log") { files.corrupt(path) { $0.removeLast($0.count - 64) } }
        }
        for _ in 0..<3 {
            engine = try open(files)
            try execute(engine, "INSERT INTO a VALUES (7), (8)")
            drain(engine)
            let progress = try XCTUnwrap(engine.runningQuery(named: "copy")?.progress())
            XCTAssertEqual(progress.state, .failed)
            let reason = progress.reason ?? ""
            XCTAssertTrue(reason.contains("rows 0...1 are lost"), reason)
            XCTAssertEqual(try execute(engine, "SELECT k FROM o"), [[.integer(1)], [.integer(2)]])
            try engine.close()
        }
        engine = try open(files)
        try execute(engine, "DROP QUERY copy; \(create)")
        drain(engine)
        XCTAssertEqual(try execute(engine, "SELECT count(*) FROM o"), [[.integer(8)]])
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
