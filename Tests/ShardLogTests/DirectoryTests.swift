import Columns
import Platform
import ShardLog
import XCTest

final class DirectoryTests: XCTestCase {
    func testStreamsAreThereAfterReopening() throws {
        let bench = Bench()
        var random = SeededRandom(seed: 5)
        var descriptions: [StreamDescription] = []
        do {
            let directory = try bench.open()
            for index in 0..<12 {
                let types = (0..<5).map { _ in random.type() }
                let schema = Schema(types.enumerated().map { SQLType.Field(name: "größe \($0)", type: $1) })
                var description = StreamDescription(name: "stream \(index)", schema: schema, shardCount: index + 1)
                description.sync = [.always, .interval(milliseconds: 100), .none][index % 3]
                description.retentionMicroseconds = index % 2 == 0 ? nil : 5_000
                description.retentionByteCount = index % 2 == 0 ? 1 << 40 : nil
                description.properties = ["format": "json", "x": "\(index)"]
                descriptions.append(try directory.create(description).description)
            }
            XCTAssertThrowsError(try directory.create(descriptions[3]))
            XCTAssertThrowsError(try directory.create(StreamDescription(name: "empty", schema: Schema([]))))
            try directory.drop(XCTUnwrap(directory.stream(named: "stream 4")))
            descriptions.remove(at: 4)
            XCTAssertNil(directory.stream(named: "stream 4"))
        }
        let directory = try bench.open()
        XCTAssertEqual(directory.streams.map(\.description).sorted { $0.id < $1.id }, descriptions)
        XCTAssertTrue(directory.recovery.failures.isEmpty)
        var changed = descriptions[0]
        changed.retentionMicroseconds = 77
        XCTAssertEqual(try directory.update(changed).description, changed)
        XCTAssertGreaterThan(try directory.create(StreamDescription(name: "new", schema: numberSchema)).description.id, descriptions.map(\.id).max() ?? 0)
    }

    func testSecondOpenerIsToldWhoHoldsIt() throws {
        let path = "/tmp/millrace-log-\(UInt64.random(in: 0...UInt64.max))"
        let system = PosixFileSystem()
        defer { try? system.removeTree(path) }
        let first = try LogDirectory(path, system, SystemClock())
        XCTAssertThrowsError(try LogDirectory(path, system, SystemClock())) {
            guard case LogError.held(_, let owner) = $0 else { return XCTFail("\($0)") }
            XCTAssertTrue(owner.contains("pid ") && owner.contains("since 2"), owner)
        }
        try first.close()
    }

    func testUnknownFormatIsRefused() throws {
        let bench = Bench()
        _ = try bench.open()
        bench.system.corrupt("/data/format") { $0 = Array("millrace 2\n".utf8) }
        for readOnly in [false, true] {
            XCTAssertThrowsError(try bench.open(readOnly: readOnly)) { XCTAssertTrue("\($0)".contains("millrace 2"), "\($0)") }
        }
        XCTAssertThrowsError(try LogDirectory("/nowhere", bench.system, bench.clock, isReadOnly: true))
    }

    func testReadingBesideAWriter() throws {
        let bench = Bench()
        let (writer, stream) = try bench.make(shards: 2) {
            $0.partitionColumns = [0]
            $0.segmentByteCount = 3_000
            $0.retentionByteCount = 8_000
        }
        let watcher = try bench.open(readOnly: true)
        let seen = try XCTUnwrap(watcher.stream(named: "s"))
        XCTAssertThrowsError(try seen.append(numberBatch(0..<1), arrivalMicroseconds: 0))
        for round in 0..<40 {
            try stream.append(numberBatch(round * 7..<round * 7 + 7), arrivalMicroseconds: Int64(round))
            if round % 3 == 0 { _ = try stream.maintain(nowMicroseconds: Int64(round)) }
            XCTAssertTrue(try watcher.refresh())
            XCTAssertFalse(try watcher.refresh())
            for shard in stream.shards {
                let twin = seen.shards[shard.index]
                XCTAssertEqual(twin.endSequence, shard.endSequence)
                XCTAssertEqual(twin.oldestSequence, shard.oldestSequence)
                XCTAssertEqual(try readAll(twin, columns: [0, 1]), try readAll(shard, columns: [0, 1]), "round \(round)")
            }
        }
        XCTAssertGreaterThan(stream.shards[0].oldestSequence, 0)
        XCTAssertEqual(seen.damage, [])
        _ = try writer.create(StreamDescription(name: "second", schema: numberSchema))
        try writer.drop(stream)
        try watcher.refresh()
        XCTAssertEqual(watcher.streams.map(\.name), ["second"])
        // A reader that opens late finds the same.
        let late = try bench.open(readOnly: true)
        XCTAssertEqual(late.streams.map(\.name), ["second"])
    }
}
