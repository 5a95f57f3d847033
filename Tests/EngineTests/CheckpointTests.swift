// Checkpoints: cost follows what changed; what is damaged is found and the one before taken; the disk holds no more than it must.
//
// The state is that of a real graph, count(*) by a BIGINT key, kept by a store on a simulated disk.

import Columns
import Dataflow
import Planning
import Platform
import Syntax
import XCTest

@testable import Engine

/// A query's graph and its store, driven without an engine.
final class CheckpointedGraph {
    let store: CheckpointStore
    let pool = WorkerPool(workerCount: 2)
    private(set) var graph: DataflowGraph
    private(set) var epoch: UInt64 = 0
    private let plan: PhysicalPlan
    let types: [SQLType] = [.bigint, .bigint, .text]
    let files: any FileSystem

    private struct OneStream: Catalog {
        let relation: RelationDefinition
        func entry(named name: String) -> CatalogEntry? { name.lowercased() == relation.name ? .relation(relation) : nil }
        var entryNames: [String] { [relation.name] }
        func function(named name: String) -> UserFunction? { nil }
        var functionNames: [String] { [] }
    }

    init(_ sql: String = "SELECT k, count(*), sum(v) FROM t GROUP BY k", files: any FileSystem, directory: String = "/q") throws {
        self.files = files
        let columns = zip(["k", "v", "s"], types).map { ColumnDefinition(name: $0, type: $1) }
        let catalog = OneStream(relation: RelationDefinition(name: "t", columns: columns))
        plan = try Planner.plan(try Parser.parseQuery(sql), mode: .continuous, catalog: catalog, options: PlannerOptions()).query.plan
        if !files.exists(directory) { try files.createDirectory(directory) }
        store = CheckpointStore(directory: directory, fileSystem: files)
        graph = try DataflowGraph(plan: plan, settings: DataflowSettings())
    }

    /// Runs an epoch over rows of these keys.
    @discardableResult
    func run(keys: some Sequence<Int64>) throws -> [RowBatch] {
        epoch += 1
        let keys = Array(keys)
        var morsels: [Morsel] = []
        var start = 0
        while start < keys.count {
            let part = Array(keys[start..<min(start + 65_536, keys.count)])
            start += part.count
            let k = Column(type: .bigint, count: part.count, values: part.withUnsafeBytes { Buffer(copying: $0) })
            let text = Column.constant(.string("a text that is longer than twelve"), type: .text, count: part.count)
            let columns = graph.scans[0].columns.map { $0.column == 2 ? text : k }
            morsels.append(Morsel(shard: 0, rowCountEstimate: part.count) { push in try push(RowBatch(count: part.count, columns: columns)) })
        }
        return try graph.run(
            EpochInput(
                epoch: epoch, clockMicroseconds: Int64(epoch),
                scans: [ScanInput(morsels: morsels, shards: [ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: false)])]),
            pool: pool
        ).batches
    }

    func checkpoint() -> Checkpoint {
        Checkpoint(
            epoch: epoch, clockMicroseconds: Int64(epoch), positions: [[Int64(epoch)], []], ended: [[false], []], sinkPosition: 99, rowsIn: 5, rowsOut: 4,
            lateRows: 3, failedRows: 2, rejectedRows: 1, expiredRows: 6)
    }

    @discardableResult
    func publish(all: Bool = false) throws -> CheckpointStore.Published { try store.publish(checkpoint(), graph.capture(all: all, pool: pool)) }

    var snapshot: [UInt8] {
        var writer = StateWriter()
        graph.snapshot(into: &writer)
        return writer.bytes
    }

    /// A new life: what the disk has.
    func reload() throws -> [String] {
        let (loaded, notices) = try store.load(pool: pool)
        graph = try DataflowGraph(plan: plan, settings: DataflowSettings())
        epoch = 0
        if let loaded {
            epoch = loaded.checkpoint.epoch
            try graph.restore(from: loaded.state, pool: pool)
        }
        return notices
    }
}

final class CheckpointTests: XCTestCase {
    private func byteCount(_ files: any FileSystem) throws -> Int {
        try files.list("/q").reduce(0) { $0 + (try files.open("/q/" + $1, .read).size()) }
    }

    func testACheckpointCostsWhatChanged() throws {
        let files = SimulatedFileSystem(seed: 1)
        let query = try CheckpointedGraph(files: files)
        try query.run(keys: 0..<100_000)
        let first = try query.publish()
        XCTAssertGreaterThan(first.byteCount, 100_000 * 24)
        try query.run(keys: stride(from: 0, to: 100_000, by: 1_000))
        let second = try query.publish()
        // 100 rows of some 50 bytes, and a manifest with an entry for each of the blocks.
        XCTAssertLessThan(second.byteCount, 100 * 100 + 8_000)
        XCTAssertEqual(second.previousEpoch, 1)
        try query.run(keys: [])
        XCTAssertLessThan(try query.publish().byteCount, 4_000, "nothing changed")
        let expected = query.snapshot
        XCTAssertEqual(try query.reload(), [])
        XCTAssertEqual(query.snapshot, expected)
        // After a restart it goes on with what changes.
        try query.run(keys: [5, 7, 100_001])
        XCTAssertLessThan(try query.publish().byteCount, 8_000)
        let more = query.snapshot
        XCTAssertEqual(try query.reload(), [])
        XCTAssertEqual(query.snapshot, more)
    }

    func testASmallStateIsOneFile() throws {
        let files = SimulatedFileSystem(seed: 2)
        let query = try CheckpointedGraph(files: files)
        for round in 1...5 {
            try query.run(keys: 0..<Int64(round * 10))
            try query.publish()
            XCTAssertEqual(try files.list("/q").count, min(round, 2))
        }
        let expected = query.snapshot
        XCTAssertEqual(try query.reload(), [])
        XCTAssertEqual(query.snapshot, expected)
        // It outgrows the manifest.
        try query.run(keys: 0..<20_000)
        try query.publish()
        try query.run(keys: 0..<10)
        try query.publish()
        XCTAssertTrue(try files.list("/q").contains { $0.hasPrefix("state-") })
        let larger = query.snapshot
        XCTAssertEqual(try query.reload(), [])
        XCTAssertEqual(query.snapshot, larger)
    }

    func testTheDiskHoldsAFewTimesTheState() throws {
        for (seed, sql) in [
            "SELECT k, count(*), sum(v) FROM t GROUP BY k", "SELECT k, max(s), count(DISTINCT v) FROM t GROUP BY k",
            "SELECT k, v FROM (SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS n FROM t) WHERE n <= 2",
        ].enumerated() {
            let files = SimulatedFileSystem(seed: UInt64(seed))
            let query = try CheckpointedGraph(sql, files: files)
            var random = SeededRandom(seed: UInt64(seed))
            try query.run(keys: 0..<20_000)
            let whole = try query.publish().byteCount
            let rounds = ProcessInfo.processInfo.environment["MILLRACE_CHECKPOINT_ROUNDS"].flatMap { Int($0) } ?? 200
            var written = 0
            var largest = 0
            for round in 0..<rounds {
                let count = [20, 500, 5_000][round % 3]
                try query.run(keys: (0..<count).map { _ in Int64(random.below(20_000)) })
                let published = try query.publish()
                written += published.byteCount
                largest = max(largest, try byteCount(files))
                XCTAssertLessThanOrEqual(try files.list("/q").count, 2 + 2 * 26)
                if round % 50 == 49 {
                    let expected = query.snapshot
                    XCTAssertEqual(try query.reload(), [])
                    XCTAssertEqual(query.snapshot, expected, sql)
                }
            }
            XCTAssertLessThan(largest, whole * 5, sql)
            XCTAssertLessThan(written, whole * rounds / 2, "no cheaper than writing everything: \(sql)")
        }
    }

    func testManySmallChangesCostLittle() throws {
        let query = try CheckpointedGraph(files: SimulatedFileSystem(seed: 9))
        try query.run(keys: 0..<100_000)
        let whole = try query.publish().byteCount
        var random = SeededRandom(seed: 9)
        var written = 0
        for _ in 0..<100 {
            try query.run(keys: (0..<10).map { _ in Int64(random.below(100_000)) })
            written += try query.publish().byteCount
        }
        // 1,000 rows in all, written again a few times when deltas are put together; and the manifests.
        XCTAssertLessThan(written, whole / 4)
        let expected = query.snapshot
        XCTAssertEqual(try query.reload(), [])
        XCTAssertEqual(query.snapshot, expected)
    }

    /// The files of two checkpoints, and the state at each.
    private func two(_ files: SimulatedFileSystem, keys: Int64) throws -> (query: CheckpointedGraph, first: [UInt8], second: [UInt8]) {
        let query = try CheckpointedGraph(files: files)
        try query.run(keys: 0..<keys)
        try query.publish()
        let first = query.snapshot
        try query.run(keys: 0..<50)
        try query.publish()
        return (query, first, query.snapshot)
    }

    private func flip(_ files: any FileSystem, _ path: String, at offset: Int) throws {
        let file = try files.open(path, .readWrite)
        var byte: [UInt8] = [0]
        _ = try byte.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
        byte[0] ^= 0x20
        try byte.withUnsafeBytes { try file.write($0, at: offset) }
    }

    func testADamagedByteAnywhereGivesTheOneBefore() throws {
        for keys in [300, 5_000] as [Int64] {
            let files = SimulatedFileSystem(seed: 3)
            let (query, first, second) = try two(files, keys: keys)
            let names = try files.list("/q").filter { $0.hasSuffix("2") }
            XCTAssertEqual(names.count, keys > 1_000 ? 2 : 1)
            for name in names {
                let path = "/q/" + name
                let size = try files.open(path, .read).size()
                for offset in stride(from: 0, to: size, by: max(size / 100, 1)) {
                    try flip(files, path, at: offset)
                    let notices = try query.reload()
                    XCTAssertEqual(query.snapshot, first, "\(name), byte \(offset)")
                    XCTAssertEqual(notices.count, 1)
                    XCTAssertTrue(notices.first?.contains(path) ?? false, "\(notices)")
                    try flip(files, path, at: offset)
                }
                for cut in stride(from: 0, to: size - 1, by: max(size / 15, 1)) {
                    let file = try files.open(path, .readWrite)
                    var bytes = [UInt8](repeating: 0, count: size)
                    _ = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
                    try file.truncate(to: cut)
                    XCTAssertEqual(try query.reload().count, 1)
                    XCTAssertEqual(query.snapshot, first, "\(name), cut at \(cut)")
                    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
                }
                try files.rename(path, to: path + ".gone")
                XCTAssertEqual(try query.reload().count, name.hasPrefix("state-") ? 1 : 0)
                XCTAssertEqual(query.snapshot, first, "without \(name)")
                try files.rename(path + ".gone", to: path)
            }
            XCTAssertEqual(try query.reload(), [])
            XCTAssertEqual(query.snapshot, second)
        }
    }

    func testTheDamagedOneGoesAndTheGoodOneStays() throws {
        let files = SimulatedFileSystem(seed: 4)
        let (query, _, _) = try two(files, keys: 5_000)
        try flip(files, "/q/" + CheckpointStore.manifestName(2), at: 100)
        XCTAssertEqual(try query.reload().count, 1)
        try query.run(keys: 0..<20)
        let published = try query.publish()
        XCTAssertEqual(published.previousEpoch, 1)
        XCTAssertEqual(try files.list("/q").filter { $0.hasPrefix("checkpoint-") }.count, 2)
        try query.run(keys: 0..<20)
        XCTAssertEqual(try query.publish().previousEpoch, 2)
        let expected = query.snapshot
        XCTAssertEqual(try query.reload(), [])
        XCTAssertEqual(query.snapshot, expected)
    }

    func testLeftOverFilesGo() throws {
        let files = SimulatedFileSystem(seed: 5)
        let (query, _, _) = try two(files, keys: 5_000)
        for name in ["checkpoint-\(zeroPadded(9)).new", "state-\(zeroPadded(77))", "checkpoint-x"] {
            try [UInt8(1)].withUnsafeBytes { try files.open("/q/" + name, .truncate).write($0, at: 0) }
        }
        try query.run(keys: 0..<20)
        try query.publish()
        XCTAssertEqual(try files.list("/q").filter { $0.contains("9.new") || $0.contains("77") || $0.contains("-x") }, [])
    }

    func testAnotherFormatVersionIsRefused() throws {
        let files = SimulatedFileSystem(seed: 6)
        let query = try CheckpointedGraph(files: files)
        func put(_ bytes: [UInt8]) throws {
            try bytes.withUnsafeBytes { try files.open("/q/" + CheckpointStore.manifestName(4), .truncate).write($0, at: 0) }
        }
        let body = Array("and what it held".utf8)
        var bytes = Array("MRCHKPT7".utf8) + withUnsafeBytes(of: UInt64(body.count).littleEndian) { Array($0) } + body
        bytes += withUnsafeBytes(of: bytes.withUnsafeBytes { CRC32C.checksum($0) }.littleEndian) { Array($0) }
        try put(bytes)
        XCTAssertThrowsError(try query.reload()) { error in XCTAssertTrue("\(error)".contains("format version 7"), "\(error)") }
        // A damaged byte there is damage, which the checkpoint before makes good.
        bytes[bytes.count - 1] ^= 1
        try put(bytes)
        XCTAssertNoThrow(try query.reload())
    }

    func testAnEpochIsPublishedOnce() throws {
        let query = try CheckpointedGraph(files: SimulatedFileSystem(seed: 8))
        try query.run(keys: 0..<5_000)
        try query.publish()
        XCTAssertThrowsError(try query.publish())
    }

    func testAPieceThatIsDamagedWhenItIsCopiedIsNotCopied() throws {
        let files = SimulatedFileSystem(seed: 7)
        let query = try CheckpointedGraph(files: files)
        try query.run(keys: 0..<100_000)
        try query.publish()
        let path = "/q/" + CheckpointStore.stateName(1)
        for offset in stride(from: 1_000, to: try files.open(path, .read).size(), by: 10_000) { try flip(files, path, at: offset) }
        // Block by block the first file is written anew; what is left of it is to be copied at last, and is not what it was.
        var random = SeededRandom(seed: 7)
        var damage: (any Error)?
        for _ in 0..<40 where damage == nil {
            try query.run(keys: (0..<15_000).map { _ in Int64(random.below(100_000)) })
            do { try query.publish() } catch { damage = error }
        }
        XCTAssertTrue(damage is CheckpointDamage, "\(String(describing: damage))")
        query.store.forgetPieces()
        try query.publish(all: true)
        let expected = query.snapshot
        XCTAssertEqual(try query.reload(), [])
        XCTAssertEqual(query.snapshot, expected)
    }
}
