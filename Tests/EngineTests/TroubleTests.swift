// The engine with its threads on a disk that is full, refuses, or holds damage: what does not need the bad part goes on, and what does goes on when it
// can, without a restart.

import Columns
import Glibc
import Planning
import Platform
import ShardLog
import Syntax
import XCTest

@testable import Engine

final class TroubleTests: XCTestCase {
    private final class Notices: @unchecked Sendable {
        // Safe to share: the lock guards the lines.
        private let lock = Lock()
        private var lines: [String] = []
        func add(_ line: String) { lock.locked { lines.append(line) } }
        var all: [String] { lock.locked { lines } }
    }

    private func open(_ files: SimulatedFileSystem, _ notices: Notices, waitMilliseconds: Int = 200) throws -> Engine {
        var options = EngineOptions()
        options.workerCount = 1
        options.fullDiskWaitMilliseconds = waitMilliseconds
        options.checkpointIntervalMicroseconds = 50_000
        options.onNotice = { notices.add($0) }
        return try Engine(directory: "/data", options: options, clock: SystemClock(), fileSystem: files)
    }

    @discardableResult
    private func execute(_ engine: Engine, _ sql: String) throws -> [[Value]] {
        let session = engine.makeSession()
        var rows: [[Value]] = []
        for statement in try Parser.parseScript(sql) {
            if case .rows(let cursor) = try session.execute(statement, source: sql) {
                loop: while true {
                    switch try cursor.next(timeoutMilliseconds: 1_000) {
                    case .rows(let batch): rows += (0..<batch.count).map { batch.row($0) }
                    case .idle: continue
                    case .end: break loop
                    }
                }
            }
        }
        return rows
    }

    private func append(_ engine: Engine, _ stream: String, _ keys: Range<Int64>) throws {
        let (_, stream) = try engine.logStream(named: stream)
        try stream.append(
            RowBatch.make(keys.map { [.integer($0), .integer($0)] }, types: stream.schema.types), arrivalMicroseconds: engine.clock.nowMicroseconds())
    }

    private func waitUntil(_ what: String, seconds: Int = 20, _ condition: () throws -> Bool) rethrows {
        for _ in 0..<seconds * 100 {
            if try condition() { return }
            usleep(10_000)
        }
        XCTFail("never came: \(what)")
    }

    private func keys(_ engine: Engine, _ stream: String) throws -> [Int64] {
        try execute(engine, "SELECT k FROM \(stream)").compactMap { if case .integer(let key)? = $0.first { key } else { nil } }.sorted()
    }

    private static let setup = """
        CREATE STREAM a (k BIGINT, v BIGINT) PARTITION BY k SHARDS 2;
        CREATE STREAM b (k BIGINT, t VARCHAR) PARTITION BY k SHARDS 2;
        CREATE STREAM c (k BIGINT, v BIGINT) PARTITION BY k SHARDS 2;
        CREATE STREAM d (k BIGINT, v BIGINT);
        CREATE QUERY wide AS INSERT INTO b SELECT k, repeat('x', 3000) FROM a;
        CREATE QUERY other AS INSERT INTO d SELECT k, v FROM c
        """

    func testEverythingGoesOnWhenThereIsRoomAgain() throws {
        let files = SimulatedFileSystem(seed: 1)
        let notices = Notices()
        let engine = try open(files, notices)
        try execute(engine, TroubleTests.setup)
        try append(engine, "a", 0..<10)
        try waitUntil("the first output") { try keys(engine, "b").count == 10 }
        // Room for a few more inputs, but not for their outputs.
        let used = files.allPaths.reduce(0) { $0 + (files.contents($1)?.count ?? 0) }
        files.setCapacity(byteCount: used + 4_000)
        try append(engine, "a", 10..<13)
        waitUntil("the query waits") { engine.runningQuery(named: "wide")?.progress().state == .waiting }
        let progress = try XCTUnwrap(engine.runningQuery(named: "wide")?.progress())
        XCTAssertTrue(progress.reason?.contains("No space left") ?? false, "\(progress)")
        // What is there can be read; what writes is told.
        XCTAssertEqual(try keys(engine, "a"), Array(0..<13))
        XCTAssertEqual(try keys(engine, "b").filter { $0 < 10 }, Array(0..<10))
        files.setCapacity(byteCount: 0)
        XCTAssertThrowsError(try execute(engine, "CREATE STREAM e (k BIGINT)")) { XCTAssertTrue("\($0)".contains("No space left"), "\($0)") }
        XCTAssertNil(engine.object(named: "e"))
        XCTAssertThrowsError(try append(engine, "c", 0..<100)) { XCTAssertEqual(($0 as? LogError)?.isShortage, true) }
        XCTAssertEqual(try keys(engine, "c"), [])
        // Room again: nobody restarts anything.
        files.setCapacity(byteCount: .max)
        try waitUntil("the rest of the output") { try keys(engine, "b") == Array(0..<13) }
        waitUntil("the query runs") { engine.runningQuery(named: "wide")?.progress().state == .running }
        try append(engine, "c", 0..<100)
        try append(engine, "a", 13..<20)
        try waitUntil("all output") { try keys(engine, "b") == Array(0..<20) && keys(engine, "d") == Array(0..<100) }
        try execute(engine, "CREATE STREAM e (k BIGINT)")
        // Said when it begins and when the reason changes, not with every trial.
        XCTAssertTrue((1...6).contains(notices.all.filter { $0.contains("wide waits") }.count), "\(notices.all)")
        try engine.close()
        files.crash()
        let again = try open(files, Notices())
        try again.drainAll()
        XCTAssertEqual(try keys(again, "b"), Array(0..<20))
        XCTAssertEqual(try keys(again, "d"), Array(0..<100))
        try again.close()
    }

    func testAFailingDiskEndsNobodyForGood() throws {
        for code in [EIO, EMFILE] {
            let files = SimulatedFileSystem(seed: UInt64(code))
            let engine = try open(files, Notices())
            try execute(engine, TroubleTests.setup)
            var random = SeededRandom(seed: UInt64(code))
            var sent: Int64 = 0
            var refused = 0
            for _ in 0..<25 {
                files.failOperation(files.operationCount + random.below(12), code: code)
                do {
                    try append(engine, "a", sent..<sent + 3)
                    sent += 3
                } catch {
                    refused += 1
                    // Not acknowledged, so it is sent again; it was not taken by any shard, or by one of the two.
                    sent += 3
                }
                usleep(20_000)
            }
            files.forgetFailures()
            try waitUntil("the shards come back") { try engine.logStream(named: "a").1.shards.allSatisfy { !$0.isFenced } }
            try append(engine, "a", sent..<sent + 3)
            try waitUntil("the output equals the input") { try keys(engine, "a") == keys(engine, "b") }
            XCTAssertEqual(engine.runningQuery(named: "wide")?.progress().state, .running)
            XCTAssertGreaterThanOrEqual(try keys(engine, "a").count, Int(sent) + 3 - refused * 3)
            try engine.close()
        }
    }

    func testDamageEndsOnlyWhatReadsIt() throws {
        let files = SimulatedFileSystem(seed: 5)
        do {
            let engine = try open(files, Notices())
            try execute(engine, TroubleTests.setup)
            try execute(engine, "DROP QUERY wide")
            try append(engine, "a", 0..<40)
            try append(engine, "c", 0..<10)
            try waitUntil("output") { try keys(engine, "d").count == 10 }
            try engine.close()
        }
        let path = try XCTUnwrap(files.allPaths.first { $0.contains("/00000001/shard-0001/seg-") })
        files.corrupt(path) { $0[$0.count - 70] ^= 1 }
        try readBesideDamage(files, path)
        // A person gives the rows up.
        let report = try LogInspection.verify("/data", stream: nil, fileSystem: files)
        XCTAssertEqual(report.faults.count, 1, "\(report.faults)")
        let asked = try LogInspection.repair("/data", stream: "a", shard: 1, giveUp: [], owner: "test", fileSystem: files)
        XCTAssertFalse(asked.isDone)
        XCTAssertTrue(asked.lines.contains { $0.contains("--give-up 0..") }, "\(asked.lines)")
        let last = try XCTUnwrap(asked.lines.first { $0.contains("--give-up") }?.split(separator: ".").last.flatMap { UInt64($0) })
        let done = try LogInspection.repair("/data", stream: "a", shard: 1, giveUp: [0...last], owner: "test", fileSystem: files)
        XCTAssertTrue(done.isDone, "\(done.lines)")
        XCTAssertEqual(try LogInspection.verify("/data", stream: nil, fileSystem: files).faults, [])
        let engine = try open(files, Notices())
        let left = try keys(engine, "a")
        XCTAssertEqual(left.count, 60 - Int(last) - 1)
        try waitUntil("the query goes on behind the gap") { try keys(engine, "f") == left }
        XCTAssertEqual(engine.runningQuery(named: "reader")?.progress().expiredRows, Int64(last) + 1)
        XCTAssertEqual(engine.status().streams.first { $0.name == "a" }?.shards[1].givenUpRows, last + 1)
        try engine.close()
    }

    private func readBesideDamage(_ files: SimulatedFileSystem, _ path: String) throws {
        let notices = Notices()
        let engine = try open(files, notices)
        XCTAssertTrue(notices.all.contains { $0.contains(path) }, "\(notices.all)")
        // The damaged stream: its reader is told where, the others go on, and so does its whole shard.
        XCTAssertThrowsError(try keys(engine, "a")) { XCTAssertTrue("\($0)".contains(path) && "\($0)".contains("offset") && "\($0)".contains("rows"), "\($0)") }
        try execute(engine, "CREATE STREAM f (k BIGINT, v BIGINT); CREATE QUERY reader AS INSERT INTO f SELECT k, v FROM a")
        waitUntil("the query fails") { engine.runningQuery(named: "reader")?.progress().state == .failed }
        XCTAssertTrue(engine.runningQuery(named: "reader")?.progress().reason?.contains(path) ?? false)
        XCTAssertEqual(engine.runningQuery(named: "other")?.progress().state, .running)
        try append(engine, "c", 10..<20)
        try waitUntil("the other query goes on") { try keys(engine, "d") == Array(0..<20) }
        try append(engine, "a", 40..<60)
        let status = try XCTUnwrap(engine.status().streams.first { $0.name == "a" })
        XCTAssertNil(status.shards[0].fault)
        XCTAssertTrue(status.shards[1].fault?.contains(path) ?? false)
        try engine.close()
    }

    func testAStreamThatCannotBeOpenedIsNamed() throws {
        let files = SimulatedFileSystem(seed: 6)
        do {
            let engine = try open(files, Notices())
            try execute(engine, TroubleTests.setup)
            try append(engine, "c", 0..<10)
            try waitUntil("output") { try keys(engine, "d").count == 10 }
            try engine.close()
        }
        for name in ["stream.meta", "stream.meta.copy"] { files.corrupt("/data/streams/00000001/" + name) { $0[30] ^= 1 } }
        let engine = try open(files, Notices())
        XCTAssertThrowsError(try keys(engine, "a")) { XCTAssertTrue("\($0)".contains("checksum of the stream's description"), "\($0)") }
        XCTAssertEqual(engine.runningQuery(named: "wide")?.progress().state, .failed)
        try append(engine, "c", 10..<20)
        try waitUntil("the other query goes on") { try keys(engine, "d") == Array(0..<20) }
        XCTAssertTrue(engine.status().streams.contains { $0.name == "a" && $0.shards.first?.fault != nil })
        try execute(engine, "DROP QUERY wide; DROP STREAM a; CREATE STREAM a (k BIGINT, v BIGINT)")
        XCTAssertEqual(try keys(engine, "a"), [])
        try engine.close()
    }

    func testRowsLostFromTheEndAreNotReadAgain() throws {
        let files = SimulatedFileSystem(seed: 7)
        do {
            let engine = try open(files, Notices())
            try execute(engine, TroubleTests.setup)
            try append(engine, "c", 0..<10)
            try waitUntil("output") { try keys(engine, "d").count == 10 }
            try engine.close()
        }
        // Both what was written and what witnessed it are gone, as after restoring an older copy of some files.
        for path in files.allPaths where path.contains("/00000003/shard-") {
            if path.hasSuffix("/end") { try files.remove(path) } else if path.hasSuffix(".log") { files.corrupt(path) { $0.removeLast($0.count - 64) } }
        }
        do {
            let engine = try open(files, Notices())
            waitUntil("the query fails") { engine.runningQuery(named: "other")?.progress().state == .failed }
            let reason = engine.runningQuery(named: "other")?.progress().reason ?? ""
            XCTAssertNotNil(reason.firstMatch(of: /rows 0\.\.\.[0-9] are lost/), reason)
            // Other rows do not get their numbers.
            try append(engine, "c", 100..<120)
            try engine.close()
        }
        let engine = try open(files, Notices())
        try waitUntil("the query goes on behind them") { try keys(engine, "d") == Array(0..<10) + Array(100..<120) }
        XCTAssertThrowsError(try keys(engine, "c")) { XCTAssertTrue("\($0)".contains("rows 0..."), "\($0)") }
        try engine.close()
    }

    func testTheCatalogOfAnotherVersionIsRefused() throws {
        let files = SimulatedFileSystem(seed: 8)
        do {
            let engine = try open(files, Notices())
            try execute(engine, "CREATE STREAM a (k BIGINT)")
            try engine.close()
        }
        let before = files.allPaths.map { files.contents($0) }
        for path in ["/data/catalog", "/data/catalog.copy"] {
            files.corrupt(path) { bytes in bytes[17] = UInt8(ascii: "2") }
        }
        XCTAssertThrowsError(try open(files, Notices())) { XCTAssertTrue("\($0)".contains("'millrace catalog 2'"), "\($0)") }
        for path in ["/data/catalog", "/data/catalog.copy"] {
            files.corrupt(path) { bytes in bytes[17] = UInt8(ascii: "1") }
        }
        XCTAssertEqual(files.allPaths.map { files.contents($0) }, before)
    }
}

extension Engine {
    fileprivate func drainAll() throws { drainSavedQueries { false } }
}
