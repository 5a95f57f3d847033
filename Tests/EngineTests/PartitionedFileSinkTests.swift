// Files in partitions: where rows go, what recovery takes back, names that are no paths.

import Columns
import Engine
import Planning
import Platform
import XCTest

final class PartitionedFileSinkTests: XCTestCase {
    private let columns = [
        ColumnDefinition(name: "id", type: .bigint), ColumnDefinition(name: "day", type: .text), ColumnDefinition(name: "hm", type: .text),
    ]

    private func relation(_ options: [String: String] = ["format": "csv", "header": "false"]) -> RelationDefinition {
        var relation = RelationDefinition(name: "f", columns: columns, options: options.merging(["path": "/out/"]) { $1 }, connector: "file")
        relation.partitionBy = [1, 2]
        return relation
    }

    private func sink(_ files: any FileSystem, _ relation: RelationDefinition, appends: Bool = false) throws -> any RowSink {
        try Connectors.sink(for: relation, fileSystem: files, isChangelog: false, appendsToExisting: appends, standardOutput: { _ in })
    }

    private func batch(_ rows: [(Int64, String?, String)]) -> RowBatch {
        RowBatch.make(rows.map { [.integer($0.0), $0.1.map { .string($0) } ?? .null, .string($0.2)] }, types: columns.map(\.type))
    }

    private func text(_ files: any FileSystem, _ path: String) throws -> String {
        let file = try files.open(path, .read)
        var bytes = [UInt8](repeating: 0, count: try file.size())
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        XCTAssertEqual(count, bytes.count)
        return String(decoding: bytes, as: UTF8.self)
    }

    func testRowsGoToTheirPartition() throws {
        let files = SimulatedFileSystem()
        let sink = try sink(files, relation())
        try sink.write(batch([(1, "a", "10:30"), (2, "b", "10:30"), (3, "a", "10:30"), (4, nil, "x/../y")]))
        try sink.write(batch([(5, "a", "10:30")]))
        try sink.flush(durable: true)
        XCTAssertEqual(try text(files, "/out/day=a/hm=10%3A30/part-0.csv"), "1\n3\n5\n")
        XCTAssertEqual(try text(files, "/out/day=b/hm=10%3A30/part-0.csv"), "2\n")
        XCTAssertEqual(try text(files, "/out/day=__DEFAULT_PARTITION__/hm=x%2F..%2Fy/part-0.csv"), "4\n")
    }

    func testRecoveryTakesBackWhatCameAfterACheckpoint() throws {
        let files = SimulatedFileSystem()
        let first = try sink(files, relation(["format": "json"]))
        XCTAssertEqual(try first.position(), 0)
        try first.write(batch([(1, "a", "x"), (2, "b", "x")]))
        try first.flush(durable: true)
        let checkpoint = try first.position()
        try first.write(batch([(3, "a", "x"), (4, "c", "x")]))
        try first.flush(durable: true)
        // Another checkpoint, which recovery does not take: the one before is the last that is whole.
        _ = try first.position()
        for _ in 0..<2 {
            let second = try sink(files, relation(["format": "json"]), appends: true)
            try second.restore(to: checkpoint)
            XCTAssertEqual(try text(files, "/out/day=a/hm=x/part-0.json"), "{\"id\":1}\n")
            XCTAssertEqual(try text(files, "/out/day=b/hm=x/part-0.json"), "{\"id\":2}\n")
            XCTAssertFalse(files.exists("/out/day=c/hm=x/part-0.json"))
            try second.write(batch([(5, "c", "x"), (6, "b", "x")]))
            try second.flush(durable: true)
            XCTAssertEqual(try text(files, "/out/day=c/hm=x/part-0.json"), "{\"id\":5}\n")
            XCTAssertEqual(try text(files, "/out/day=b/hm=x/part-0.json"), "{\"id\":2}\n{\"id\":6}\n")
        }
        XCTAssertThrowsError(try sink(files, relation(["format": "json"]), appends: true).restore(to: 1 << 40))
        let afresh = try sink(files, relation(["format": "json"]))
        XCTAssertEqual(afresh.notice, "replacing the 3 partitions of /out")
        XCTAssertFalse(files.exists("/out/day=a/hm=x/part-0.json"))
    }

    func testADamagedManifestIsAnError() throws {
        let files = SimulatedFileSystem()
        try files.createDirectory("/out")
        for text in ["x\n", "-1\tday=a\n", "5\t../../etc\n", "5\t/etc\n", "5 day=a\n"] {
            let file = try files.open("/out/_manifest", .truncate)
            try Array(text.utf8).withUnsafeBytes { try file.write($0, at: 0) }
            XCTAssertThrowsError(try sink(files, relation(), appends: true), text) { error in
                XCTAssertTrue("\(error)".contains("damaged"), "\(error)")
            }
        }
    }
}
