// File sources and sinks: any split of a file gives the same rows; bad rows are told apart; what sinks write reads back; recovery.

import Columns
import Engine
import Planning
import Platform
import XCTest

final class FileConnectorTests: XCTestCase {
    private let schema: [ColumnDefinition] = [
        ColumnDefinition(name: "id", type: .bigint), ColumnDefinition(name: "name", type: .text),
        ColumnDefinition(name: "price", type: .decimal(precision: 10, scale: 2)),
        ColumnDefinition(name: "at", type: .timestamp(precision: 3)),
    ]

    private func relation(_ path: String, _ options: [String: String] = [:], columns: [ColumnDefinition]? = nil) -> RelationDefinition {
        var options = options
        options["path"] = path
        return RelationDefinition(name: "f", columns: columns ?? schema, options: options, connector: "file")
    }

    private func fileSystem(_ path: String, _ bytes: [UInt8]) throws -> SimulatedFileSystem {
        let files = SimulatedFileSystem()
        try put(files, path, bytes)
        return files
    }

    private func put(_ files: SimulatedFileSystem, _ path: String, _ bytes: [UInt8]) throws {
        let file = try files.open(path, .truncate)
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
    }

    private struct Outcome: Equatable {
        var rows: [[Value]] = []
        var rejected: [String] = []
    }

    private func readAll(_ source: any ReplayableSource, rows: Int, batchRows: Int = 4_096, columns: [Int]? = nil) throws -> Outcome {
        var outcome = Outcome()
        var at = source.start(shard: 0)
        let end = try source.available(shard: 0, nowMicroseconds: 0)
        while at < end {
            let next = try source.boundary(shard: 0, from: at, limit: end, rows: rows)
            XCTAssertGreaterThan(next, at)
            XCTAssertLessThanOrEqual(next, end)
            let chunk = try source.read(shard: 0, from: at, to: next, columns: columns ?? Array(0..<schema.count), batchRows: batchRows)
            XCTAssertEqual(chunk.next, next)
            for batch in chunk.batches {
                XCTAssertLessThanOrEqual(batch.count, batchRows)
                outcome.rows += (0..<batch.count).map { batch.row($0) }
            }
            outcome.rejected += chunk.rejected.map { "\($0.origin): \(String(decoding: $0.bytes, as: UTF8.self)) | \($0.reason)" }
            at = next
        }
        return outcome
    }

    private func jsonLines(_ count: Int, ending: String = "\n") -> [UInt8] {
        var text = ""
        for id in 0..<count {
            let name = String(repeating: "x", count: id * 7 % 40)
            text += #"{"id":\#(id),"name":"\#(name)\u00e9","price":\#(id).25,"at":"2026-01-01T00:00:0\#(id % 10).5"}"# + (id == count - 1 ? ending : "\n")
        }
        return Array(text.utf8)
    }

    // MARK: JSON

    func testEverySplitGivesTheSameRows() throws {
        for ending in ["\n", ""] {
            let files = try fileSystem("/f.jsonl", jsonLines(500, ending: ending))
            let source = try Connectors.source(for: relation("/f.jsonl"), fileSystem: files, clock: ManualClock())
            let whole = try readAll(source, rows: .max)
            guard whole.rows.count == 500 else { return XCTFail("\(whole.rows.count) rows") }
            XCTAssertEqual(whole.rejected, [])
            XCTAssertEqual(whole.rows[3], [.integer(3), .string(String(repeating: "x", count: 21) + "é"), .decimal(325), .integer(1_767_225_603_500_000)])
            for rows in [1, 2, 7, 100, 499] {
                XCTAssertEqual(try readAll(source, rows: rows, batchRows: rows == 7 ? 1 : 64), whole, "\(rows) rows")
            }
            XCTAssertEqual(try readAll(source, rows: 10, columns: [2, 0]).rows, whole.rows.map { [$0[2], $0[0]] })
            XCTAssertEqual(try source.end(shard: 0), try source.available(shard: 0, nowMicroseconds: 0))
        }
    }

    func testBadRowsAreRejectedWithTheirPlace() throws {
        var bytes = jsonLines(3)
        let offset = bytes.count
        bytes += Array("{\"id\":99999999999999999999,\"name\":\"a\"}\nnonsense\n".utf8)
        bytes += [0x7B, 0x22, 0xFF, 0xFE, 10]
        bytes += Array("{\"id\":\"seven\"}\n".utf8) + jsonLines(2) + Array("{\"id\":5,\"na".utf8)
        let files = try fileSystem("/bad.jsonl", bytes)
        let source = try Connectors.source(for: relation("/bad.jsonl"), fileSystem: files, clock: ManualClock())
        let whole = try readAll(source, rows: .max)
        XCTAssertEqual(whole.rows.count, 5)
        XCTAssertEqual(whole.rejected.count, 5)
        XCTAssertTrue(whole.rejected.first?.hasPrefix("/bad.jsonl (offset \(offset)): {\"id\":9999") ?? false, "\(whole.rejected)")
        for rows in [1, 3] { XCTAssertEqual(try readAll(source, rows: rows), whole) }
        // The same rows are bad whichever columns are wanted.
        XCTAssertEqual(try readAll(source, rows: 1, columns: [1]).rejected, whole.rejected)
    }

    func testAHundredMegabytesOnOneLine() throws {
        let path = "/tmp/millrace-conn-\(getpid()).jsonl"
        let files = PosixFileSystem()
        let file = try files.open(path, .truncate)
        defer { try? files.remove(path) }
        let good = jsonLines(2)
        var at = 0
        func append(_ bytes: [UInt8]) throws {
            try bytes.withUnsafeBytes { try file.write($0, at: at) }
            at += bytes.count
        }
        try append(good)
        try append(Array("{\"id\":1,\"name\":\"".utf8))
        let piece = [UInt8](repeating: 0x61, count: 1 << 20)
        for _ in 0..<100 { try append(piece) }
        try append(Array("\"}\n".utf8))
        try append(good)
        let source = try Connectors.source(for: relation(path), fileSystem: files, clock: ManualClock())
        for rows in [1, 1_000_000] {
            let outcome = try readAll(source, rows: rows)
            XCTAssertEqual(outcome.rows.count, 4)
            XCTAssertEqual(outcome.rejected.count, 1)
            XCTAssertLessThan(outcome.rejected.first?.utf8.count ?? 0, 70_000)
        }
    }

    func testNullEventTimeIsABadRow() throws {
        var relation = relation("/n.jsonl")
        relation.columns[0].isNotNull = true
        let files = try fileSystem("/n.jsonl", Array("{\"id\":1}\n{\"name\":\"x\"}\n".utf8))
        let outcome = try readAll(try Connectors.source(for: relation, fileSystem: files, clock: ManualClock()), rows: 10, columns: [1])
        XCTAssertEqual(outcome.rows.count, 1)
        XCTAssertEqual(outcome.rejected.count, 1)
    }

    func testFollowing() throws {
        let files = try fileSystem("/g.jsonl", Array("{\"id\":1}\n{\"id\":".utf8))
        let source = try Connectors.source(for: relation("/g.jsonl", ["follow": "true"]), fileSystem: files, clock: ManualClock())
        XCTAssertNil(try source.end(shard: 0))
        XCTAssertEqual(try source.available(shard: 0, nowMicroseconds: 0), 9)
        XCTAssertEqual(try readAll(source, rows: 10).rows.map { $0[0] }, [.integer(1)])
        try put(files, "/g.jsonl", Array("{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n{".utf8))
        XCTAssertEqual(try readAll(source, rows: 10).rows.map { $0[0] }, [.integer(1), .integer(2), .integer(3)])
        try put(files, "/g.jsonl", Array("{\"id\":1}\n".utf8))
        XCTAssertThrowsError(try source.available(shard: 0, nowMicroseconds: 0))
    }

    func testSpeed() throws {
        guard getenv("MILLRACE_BENCH") != nil else { throw XCTSkip("MILLRACE_BENCH is not set") }
        let path = "/tmp/millrace-conn-speed-\(getpid()).jsonl"
        let files = PosixFileSystem()
        let bids = RelationDefinition(
            name: "bids", columns: NexmarkField.schema(of: .bid).fields.map { ColumnDefinition(name: $0.name, type: $0.type) },
            options: ["path": path, "event": "bid"], connector: "file")
        var generated = bids
        generated.options.removeValue(forKey: "path")
        let source = try NexmarkSource(generated, clock: ManualClock())
        var writable = bids
        writable.options.removeValue(forKey: "event")
        let sink = try self.sink(writable, files)
        defer { try? files.remove(path) }
        let clock = SystemClock()
        let chunk = try source.read(shard: 0, from: 0, to: 2_000_000, columns: Array(0..<7), batchRows: 4_096)
        var start = clock.monotonicNanoseconds()
        for batch in chunk.batches { try sink.write(batch) }
        try sink.close()
        let bytes = Double(try sink.position())
        var seconds = Double(clock.monotonicNanoseconds() - start) / 1e9
        print("file sink, JSON: \((1.84 / seconds * 10).rounded() / 10) M rows/s, \((bytes / seconds / 1e6).rounded()) MB/s")
        let reader = try Connectors.source(for: writable, fileSystem: files, clock: clock)
        start = clock.monotonicNanoseconds()
        var count = 0
        var at = reader.start(shard: 0)
        let end = try reader.available(shard: 0, nowMicroseconds: 0)
        while at < end {
            let next = try reader.boundary(shard: 0, from: at, limit: end, rows: 65_536)
            let chunk = try reader.read(shard: 0, from: at, to: next, columns: [0, 2, 5], batchRows: 4_096)
            count += chunk.batches.reduce(0) { $0 + $1.count }
            at = next
        }
        XCTAssertEqual(count, 1_840_000)
        seconds = Double(clock.monotonicNanoseconds() - start) / 1e9
        print("file source, JSON: \((1.84 / seconds * 10).rounded() / 10) M rows/s, \((bytes / seconds / 1e6).rounded()) MB/s")
    }

    // MARK: CSV

    private func csvLines(_ count: Int) -> [UInt8] {
        var text = "at,extra,ID,price,name\n"
        for id in 0..<count {
            let name = id % 3 == 0 ? "\"line one\nline \"\"two\"\", \(id)\"" : id % 7 == 0 ? "" : "plain \(id)"
            text += "2026-01-01 00:00:00.25,ignored,\(id),\(id).5,\(name)\n"
        }
        return Array(text.utf8)
    }

    func testCSVWithLineFeedsInQuotes() throws {
        let files = try fileSystem("/c.csv", csvLines(300))
        let source = try Connectors.source(for: relation("/c.csv"), fileSystem: files, clock: ManualClock())
        XCTAssertEqual(source.start(shard: 0), 23)
        let whole = try readAll(source, rows: .max)
        XCTAssertEqual(whole.rejected, [])
        guard whole.rows.count == 300 else { return XCTFail("\(whole.rows.count) rows") }
        XCTAssertEqual(whole.rows[3], [.integer(3), .string("line one\nline \"two\", 3"), .decimal(350), .integer(1_767_225_600_250_000)])
        XCTAssertEqual(whole.rows[7][1], .null)
        for rows in [1, 2, 17] { XCTAssertEqual(try readAll(source, rows: rows), whole) }
    }

    func testCSVOptionsAndErrors() throws {
        let files = try fileSystem("/d.csv", Array("1;\\N;2.5;2026-01-01\n2;x;;\n3;x\n".utf8))
        let options = ["header": "false", "delimiter": ";", "null": "\\N"]
        let outcome = try readAll(try Connectors.source(for: relation("/d.csv", options), fileSystem: files, clock: ManualClock()), rows: 1)
        XCTAssertEqual(outcome.rows.first, [.integer(1), .null, .decimal(250), .integer(1_767_225_600_000_000)])
        XCTAssertEqual(outcome.rows.count + outcome.rejected.count, 3)
        try put(files, "/e.csv", Array("id,nane,price,at\n".utf8))
        XCTAssertTrue(failure(relation("/e.csv"), files).contains("did you mean 'nane'?"))
        try put(files, "/empty.csv", [])
        XCTAssertEqual(try readAll(try Connectors.source(for: relation("/empty.csv"), fileSystem: files, clock: ManualClock()), rows: 1).rows.count, 0)
    }

    /// A quote that nothing closes: the row is given up at the decoder's limit, and what follows is read; for every split.
    func testCSVWithAnOpenQuote() throws {
        var bytes = Array("id,name,price,at\n1,\"open,1.5,2026-01-01\n".utf8)
        let line = Array("2,some text that fills the line,2.5,2026-01-01\n".utf8)
        while bytes.count < 17 << 20 { bytes += line }
        let files = try fileSystem("/q.csv", bytes)
        let source = try Connectors.source(for: relation("/q.csv"), fileSystem: files, clock: ManualClock())
        let whole = try readAll(source, rows: .max, columns: [0])
        XCTAssertEqual(whole.rejected.count, 1)
        XCTAssertEqual(Double(whole.rows.count), Double(1 << 20) / Double(line.count), accuracy: 3)
        XCTAssertEqual(try readAll(source, rows: 5_000, columns: [0]), whole)
    }

    // MARK: Errors

    private func failure(_ relation: RelationDefinition, _ files: any FileSystem) -> String {
        do {
            try Connectors.validate(relation)
            _ = try Connectors.source(for: relation, fileSystem: files, clock: ManualClock())
            return "none"
        } catch { return "\(error)" }
    }

    func testErrorsNameWhatIsWrong() throws {
        let files = try fileSystem("/z.json", [0x1F, 0x8B, 8, 0])
        XCTAssertTrue(failure(relation("/z.json"), files).contains("gunzip"))
        XCTAssertTrue(failure(relation("/z.json.gz"), files).contains("gunzip"))
        XCTAssertTrue(failure(relation("/no.json"), files).contains("/no.json"))
        XCTAssertTrue(failure(relation("/data"), files).contains("'format' is missing"))
        XCTAssertTrue(failure(relation(""), files).contains("'path' is missing"))
        XCTAssertTrue(failure(relation("/z.json", ["fromat": "json"]), files).contains("did you mean 'format'?"))
        XCTAssertTrue(failure(relation("/z.json", ["format": "jsom"]), files).contains("did you mean 'json'?"))
        XCTAssertTrue(failure(relation("/z.json", ["delimiter": ";"]), files).contains("belongs to format 'csv'"))
        XCTAssertTrue(failure(relation("/z.csv", ["delimiter": "ab"]), files).contains("one ASCII character"))
        var other = relation("/z.json")
        other.connector = "flie"
        XCTAssertTrue(failure(other, files).contains("did you mean 'file'?"))
    }

    // MARK: Sinks

    private var types: [SQLType] { schema.map(\.type) }

    private func batch(_ ids: Range<Int64>) -> RowBatch {
        RowBatch.make(
            ids.map { [.integer($0), $0 % 3 == 0 ? .null : .string("a \"b\",\n\($0)"), .decimal(Int128($0) * 100 + 5), .integer($0 * 1_000)] },
            types: types)
    }

    private func sink(_ relation: RelationDefinition, _ files: any FileSystem, changelog: Bool = false, appends: Bool = false) throws -> any RowSink {
        try Connectors.sink(for: relation, fileSystem: files, isChangelog: changelog, appendsToExisting: appends, standardOutput: { _ in })
    }

    func testSinksReadBack() throws {
        for path in ["/out.jsonl", "/out.csv"] {
            let files = SimulatedFileSystem()
            let relation = relation(path)
            let sink = try sink(relation, files)
            XCTAssertNil(sink.notice)
            try sink.write(batch(0..<100))
            try sink.flush(durable: true)
            try sink.write(batch(100..<150))
            try sink.close()
            let outcome = try readAll(try Connectors.source(for: relation, fileSystem: files, clock: ManualClock()), rows: 20)
            XCTAssertEqual(outcome.rejected, [])
            let expected = batch(0..<150)
            XCTAssertEqual(outcome.rows, (0..<150).map { expected.row($0) })
            let second = try self.sink(relation, files)
            XCTAssertTrue(second.notice?.contains("replacing the existing file \(path)") ?? false)
        }
    }

    func testRestoreTakesBackWhatCameAfterACheckpoint() throws {
        for path in ["/r.jsonl", "/r.csv"] {
            let files = SimulatedFileSystem()
            let first = try sink(relation(path), files)
            let start = try first.position()
            try first.write(batch(0..<10))
            try first.flush(durable: true)
            let checkpoint = try first.position()
            let atCheckpoint = files.contents(path)
            try first.write(batch(10..<20))
            try first.flush(durable: true)
            let whole = files.contents(path)
            let second = try sink(relation(path), files, appends: true)
            try second.restore(to: checkpoint)
            XCTAssertEqual(files.contents(path), atCheckpoint)
            try second.write(batch(10..<20))
            try second.close()
            XCTAssertEqual(files.contents(path), whole)
            XCTAssertThrowsError(try sink(relation(path), files, appends: true).restore(to: 1 << 40))
            // Back to nothing: a CSV header is written again.
            let third = try sink(relation(path), files, appends: true)
            try third.restore(to: start)
            try third.write(batch(0..<10))
            try third.flush(durable: false)
            XCTAssertEqual(files.contents(path), atCheckpoint)
        }
    }

    func testChangelogRowsCarryTheirKind() throws {
        let files = SimulatedFileSystem()
        let one = batch(1..<5)
        let changes = Buffer(byteCount: 4)
        for row in 0..<4 { changes.base.storeBytes(of: UInt8(row), toByteOffset: row, as: UInt8.self) }
        let changing = RowBatch(count: 4, columns: one.columns, changes: changes)
        let sink = try sink(relation("/k.jsonl"), files, changelog: true)
        try sink.write(changing)
        try sink.close()
        let lines = String(decoding: files.contents("/k.jsonl") ?? [], as: UTF8.self).split(separator: "\n")
        XCTAssertEqual(lines.map { String($0.suffix(11)) }, [#""op":"+I"}"#, #""op":"-U"}"#, #""op":"+U"}"#, #""op":"-D"}"#].map { "," + $0 })

        let shown = Lock()
        nonisolated(unsafe) var text = ""
        let relation = RelationDefinition(name: "p", columns: [schema[0]], options: ["print-identifier": "orders"], connector: "print")
        let printer = try Connectors.sink(
            for: relation, fileSystem: files, isChangelog: true, appendsToExisting: false,
            standardOutput: { bytes in shown.locked { text += String(decoding: bytes, as: UTF8.self) } })
        try printer.write(changing.replacing(columns: [one.columns[0]]))
        try printer.flush(durable: false)
        XCTAssertEqual(text, "orders> +I {\"id\":1}\norders> -U {\"id\":2}\norders> +U {\"id\":3}\norders> -D {\"id\":4}\n")
    }

    func testAFullDiskIsAnErrorThatCanBeRetried() throws {
        let files = SimulatedFileSystem()
        let sink = try sink(relation("/full.jsonl"), files)
        try sink.write(batch(0..<10))
        try sink.flush(durable: true)
        files.setCapacity(byteCount: 1_000)
        try sink.write(batch(10..<1_000))
        XCTAssertThrowsError(try sink.flush(durable: false)) { error in
            XCTAssertTrue("\(error)".contains("/full.jsonl"), "\(error)")
            XCTAssertTrue(error is ConnectorError)
        }
        files.setCapacity(byteCount: 1 << 30)
        try sink.flush(durable: true)
        let outcome = try readAll(try Connectors.source(for: relation("/full.jsonl"), fileSystem: files, clock: ManualClock()), rows: .max)
        XCTAssertEqual(outcome.rows.count, 1_000)
        XCTAssertEqual(outcome.rejected, [])
        XCTAssertThrowsError(try self.sink(relation("/no/such/folder.jsonl"), PosixFileSystem())) { error in
            XCTAssertTrue("\(error)".contains("/no/such/folder.jsonl"))
        }
    }

    func testBlackholeCounts() throws {
        let relation = RelationDefinition(name: "b", columns: schema, connector: "blackhole")
        try Connectors.validate(relation)
        let sink = try sink(relation, SimulatedFileSystem())
        try sink.write(batch(0..<7))
        XCTAssertEqual(try sink.position(), 7)
        try sink.restore(to: 3)
        XCTAssertEqual(try sink.position(), 3)
    }
}
