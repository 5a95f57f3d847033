// A reference workload on a simulated disk: streams of two shards, a windowed query with its journal, one that writes what it gives to a file, checkpoints,
// a catalog that changes, segments that roll, merge and are looked after. What breaks the disk under it, and what must be true afterwards, is up to the tests that use it.
//
// Every step may fail, as it may for a user: rows of an append that failed were never acknowledged; a query that failed is made anew from its journal;
// a statement that failed has changed nothing.

import Columns
import Dataflow
import Foundation
import Planning
import Platform
import ShardLog
import Syntax
import XCTest

@testable import Engine

/// One life of the engine: from opening to whatever ends it.
final class ReferenceLife {
    static let definitions: [(name: String, sql: String)] = [
        (
            "t",
            """
            CREATE STREAM t (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) PARTITION BY k SHARDS 2
            """
        ),
        ("out", "CREATE STREAM out (starts TIMESTAMP(3), k BIGINT, n BIGINT, s BIGINT) PARTITION BY k SHARDS 2"),
        (
            "lines",
            """
            CREATE TABLE lines (k BIGINT, n BIGINT, s BIGINT) WITH (connector = 'file', path = '\(file)', format = 'json')
            """
        ),
    ]
    static let folder = "/export"
    static let file = "/export/lines.jsonl"

    enum Query: CaseIterable {
        /// From `t` to `out`.
        case windows
        /// From `out` to the file.
        case export

        var producer: UInt64 { self == .windows ? 77 : 78 }
        var sql: String { self == .windows ? ReferenceLife.windows : "INSERT INTO lines SELECT k, n, s FROM out" }
    }

    static let windows = """
        INSERT INTO out SELECT window_start, k, count(*), sum(v) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND)) \
        GROUP BY window_start, window_end, k
        """
    let engine: Engine
    let files: SimulatedFileSystem
    private(set) var notices = Notices()
    private var runners: [Query: QueryRunner] = [:]

    final class Notices: @unchecked Sendable {
        // Safe to share: the engine of these tests has one thread.
        var lines: [String] = []
    }

    init(_ files: SimulatedFileSystem, _ clock: ManualClock) throws {
        self.files = files
        let notices = Notices()
        self.notices = notices
        var options = EngineOptions()
        options.isSingleThreaded = true
        options.startsQueries = false
        options.onNotice = { notices.lines.append($0) }
        engine = try Engine(directory: "/data", options: options, clock: clock, fileSystem: files)
    }

    func execute(_ sql: String) throws {
        let session = engine.makeSession()
        for statement in try Parser.parseScript(sql) { _ = try session.execute(statement, source: sql) }
    }

    /// Makes the streams that are not there yet.
    func define() throws {
        try files.createDirectory(ReferenceLife.folder)
        try files.synchronizeDirectory("/")
        for (name, sql) in ReferenceLife.definitions where engine.object(named: name) == nil { try execute(sql) }
    }

    func stream(_ name: String) throws -> LogStream {
        guard let object = engine.object(named: name) else { throw EngineError("there is no stream \(name)") }
        try engine.checkReadable(object)
        guard let stream = engine.stream(of: object) else { throw EngineError("stream \(name) has no log") }
        return stream
    }

    func append(_ rows: [[Int64]], clock: ManualClock) throws {
        let input = try stream("t")
        try input.append(
            RowBatch.make(rows.map { $0.map { .integer($0) } }, types: input.schema.types), arrivalMicroseconds: clock.nowMicroseconds())
    }

    /// A query, recovered from its journal when it does not run.
    func recovered(_ query: Query) throws -> QueryRunner {
        if let runner = runners[query] { return runner }
        guard case .insert(let insert)? = try Parser.parseScript(query.sql).first?.statement.kind else { throw EngineError("no insert") }
        let planned = try engine.withCatalog { catalog in try Planner.plan(insert, catalog: catalog, options: PlannerOptions()) }
        let prepared = try engine.prepare(planned.query, mode: .continuous, isSelect: false, settings: RunnerSettings(), workerCount: 1)
        let target = try engine.target(planned.target, at: .none)
        let output: any QueryOutput
        if let stream = target.stream {
            output = LogOutput(stream: stream, relation: target.relation, producer: query.producer)
        } else {
            output = SinkOutput(try engine.sink(of: target.object, relation: target.relation, isChangelog: false, resumes: true), isDurable: true)
        }
        let made = QueryRunner(
            graph: prepared.graph, sources: prepared.sources, startPositions: prepared.startPositions, output: output,
            errors: StreamErrors(engine: engine, name: "q\(query.producer)", queryName: "q", producer: query.producer),
            journal: try QueryJournal(directory: "/data/queries/\(query.producer)", fileSystem: files), pool: prepared.pool, settings: RunnerSettings())
        notices.lines += try made.recover()
        runners[query] = made
        return made
    }

    func recoverAll() throws { for query in Query.allCases { _ = try recovered(query) } }

    /// Runs `body` with each query; a failure leaves its state undefined, so the next use begins from the journal.
    func withQueries(_ body: (QueryRunner) throws -> Void) throws {
        for query in Query.allCases {
            do { try body(try recovered(query)) } catch {
                runners[query] = nil
                throw error
            }
        }
    }

    /// The rows in the file: k, n, s.
    func exported() throws -> [[Int64]] {
        guard let bytes = files.contents(ReferenceLife.file) else { return [] }
        return try bytes.split(separator: 10).map { line in
            let object = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Int64]
            return [object?["k"] ?? -1, object?["n"] ?? -1, object?["s"] ?? -1]
        }.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// What lifts fences, merges, and notes what is durable.
    func maintain(rounds: Int = 1) throws {
        for _ in 0..<rounds { _ = try engine.log.maintain() }
    }

    /// All rows of a stream by shard, with their numbers.
    func rows(of name: String) throws -> [[UInt64: [Int64]]] {
        let stream = try stream(name)
        return try stream.shards.map { shard in
            var rows: [UInt64: [Int64]] = [:]
            let reader = ShardReader(shard)
            var next = shard.oldestSequence
            while let part = try reader.read(from: next, rowLimit: 1_000, columns: Array(stream.schema.fields.indices)) {
                for row in 0..<part.batch.count { rows[part.firstSequence + UInt64(row)] = part.batch.columns.map { $0.int64s[row] } }
                next = part.nextSequence
            }
            return rows
        }
    }
}

/// The steps, and what was acknowledged.
struct ReferenceWorkload {
    var acknowledged: [[Int64]] = []
    /// What statements that succeeded have made and dropped: the view and the stream that come and go.
    var definitions: [String: Bool] = [:]
    private var time: Int64 = 0
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    static let stepCount = 22

    /// One step; what it throws is what a user would see.
    mutating func step(_ number: Int, _ life: ReferenceLife, _ clock: ManualClock) throws {
        clock.advance(byMicroseconds: Int64(random.below(300_000)))
        switch number {
        case 0: try life.define()
        case 5:
            try life.execute("CREATE VIEW w AS SELECT k FROM t")
            definitions["w"] = true
        case 8:
            try life.execute("CREATE STREAM x (a BIGINT)")
            definitions["x"] = true
        case 6, 12, 18: try life.withQueries { try $0.checkpoint() }
        case 10:
            for shard in try life.stream("t").shards { try shard.rollNow(nowMicroseconds: clock.nowMicroseconds()) }
        case 11, 16: try life.maintain(rounds: 3)
        case 14:
            try life.execute("DROP STREAM x")
            definitions["x"] = false
        case 15:
            for shard in try life.stream("out").shards { try shard.rollNow(nowMicroseconds: clock.nowMicroseconds()) }
        case _ where number % 2 == 1:
            var rows: [[Int64]] = []
            for _ in 0..<4 + random.below(5) {
                time += Int64(random.below(900)) * 1_000
                rows.append([Int64(random.below(8)), Int64(random.below(100)), time])
            }
            try life.append(rows, clock: clock)
            acknowledged += rows
        default: try life.withQueries { while case .progressed = try $0.step(nowMicroseconds: clock.nowMicroseconds()) {} }
        }
    }

    /// Moves time past the last window and runs to the end.
    mutating func finish(_ life: ReferenceLife, _ clock: ManualClock) throws {
        try life.define()
        let end = time + 60_000_000
        let last = (0..<32).map { [Int64($0), 0, end] }
        try life.append(last, clock: clock)
        acknowledged += last
        time = end
        try life.withQueries { while case .progressed = try $0.step(nowMicroseconds: clock.nowMicroseconds()) {} }
    }

    /// Nothing acknowledged is missing, and the output is what the stored input says, once.
    func check(_ life: ReferenceLife, _ label: String) throws {
        let stored = try life.rows(of: "t").flatMap { $0.sorted { $0.key < $1.key }.map(\.value) }
        var missing: [[Int64]: Int] = [:]
        for row in acknowledged { missing[row, default: 0] += 1 }
        for row in stored { missing[row, default: 0] -= 1 }
        XCTAssertFalse(missing.values.contains { $0 > 0 }, "\(label): an acknowledged row is gone")
        var expected: [[Int64]: [Int64]] = [:]
        for row in stored where row[2] < time {
            let key = [row[2] / 5_000_000 * 5_000_000, row[0]]
            let before = expected[key] ?? [0, 0]
            expected[key] = [before[0] + 1, before[1] + row[1]]
        }
        let wanted = expected.map { $0.key + $0.value }.sorted { $0.lexicographicallyPrecedes($1) }
        let found = try life.rows(of: "out").flatMap(\.values).sorted { $0.lexicographicallyPrecedes($1) }
        XCTAssertEqual(found, wanted, "\(label): results are missing, wrong, or there twice")
        let lines = found.map { Array($0.dropFirst()) }.sorted { $0.lexicographicallyPrecedes($1) }
        XCTAssertEqual(try life.exported(), lines, "\(label): the file differs from the stream")
    }

    /// What was acknowledged of the catalog is there. A statement that failed may have taken effect only when the power went.
    func checkCatalog(_ life: ReferenceLife, _ label: String) {
        for (name, isThere) in definitions {
            XCTAssertEqual(life.engine.object(named: name) != nil, isThere, "\(label): \(name)")
        }
    }
}
