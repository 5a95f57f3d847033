// A query that begins again at a checkpoint shows the event time of its results, as it did before, not that of what it reads.

import Columns
import Platform
import Syntax
import XCTest

@testable import Engine

final class RecoveredWatermarkTests: XCTestCase {
    func testAJoinIsBehindItsInputsAfterARestartToo() throws {
        let files = SimulatedFileSystem(seed: 1)
        func open() throws -> Engine {
            var options = EngineOptions()
            options.isSingleThreaded = true
            return try Engine(directory: "/data", options: options, clock: SystemClock(), fileSystem: files)
        }
        func watermark(_ engine: Engine) throws -> Int64 {
            engine.drainSavedQueries { false }
            return try XCTUnwrap(engine.runningQuery(named: "pairs")?.progress().watermark)
        }
        let sql = """
            CREATE STREAM a (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);
            CREATE STREAM b (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);
            CREATE STREAM c (k BIGINT);
            CREATE QUERY pairs AS INSERT INTO c SELECT a.k FROM a JOIN b ON a.k = b.k AND a.ts BETWEEN b.ts - INTERVAL '5' SECOND AND b.ts;
            INSERT INTO a VALUES (1, TIMESTAMP '2026-01-01 00:00:10');
            INSERT INTO b VALUES (1, TIMESTAMP '2026-01-01 00:00:10');
            """
        var engine = try open()
        let session = engine.makeSession()
        for statement in try Parser.parseScript(sql) { _ = try session.execute(statement, source: sql) }
        let before = try watermark(engine)
        XCTAssertGreaterThan(before, 0)
        try engine.close()
        engine = try open()
        XCTAssertEqual(try watermark(engine), before)
        try engine.close()
    }
}
