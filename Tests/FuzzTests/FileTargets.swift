// The files of a data directory: segments, epoch logs, checkpoints with the state in them, the catalog.

import Columns
import Dataflow
import OracleSupport
import Planning
import Platform
import Syntax

@testable import Engine
@testable import ShardLog

func store(_ value: UInt32, _ bytes: inout [UInt8], at offset: Int) {
    for index in 0..<4 where offset + index < bytes.count { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(index * 8)) }
}

func load(_ bytes: [UInt8], _ offset: Int, _ width: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in (0..<width).reversed() { value = value << 8 | (offset + index < bytes.count ? UInt64(bytes[offset + index]) : 0) }
    return value
}

/// A segment file in a data directory: opening, reading every column, verifying.
final class SegmentTarget: FuzzTarget {
    let name = "segment"
    let runs = 1_500
    private let disk = SimulatedFileSystem(seed: 1)
    private let path: String
    private let types: [SQLType] = [.bigint, .text, .boolean, .array(.bigint), .row([.init(name: "a", type: .text), .init(name: "b", type: .double)]), .decimal(precision: 20, scale: 2)]
    let inputs: [[UInt8]]

    init() throws {
        let log = try LogDirectory("/data", disk, ManualClock(), owner: "fuzz", syncThreadCount: 1)
        let fields = types.enumerated().map { SQLType.Field(name: "c\($0)", type: $1) }
        let stream = try log.create(StreamDescription(name: "s", schema: Schema(fields), shardCount: 1))
        for number in 0..<3 {
            let rows = (0..<3 + number).map { row -> [Value] in
                [
                    .integer(Int64(row)), .string(row == 1 ? "a text longer than twelve bytes" : "x\(row)"), row == 2 ? .null : .boolean(true),
                    .list([.integer(1), .null]), .list([.string("in"), .double(1.5)]), .decimal(Int128(row)),
                ]
            }
            try stream.append(RowBatch.make(rows, types: types), producer: 7, epoch: UInt64(number + 1), arrivalMicroseconds: Int64(number))
        }
        try log.close()
        path = disk.allPaths.first { $0.hasSuffix(".log") } ?? ""
        inputs = [disk.contents(path) ?? []]
    }

    /// Puts the checksums of all frames right, and of their chunks.
    func repair(_ bytes: inout [UInt8]) {
        typealias Field = FrameFormat.Field
        typealias Entry = FrameFormat.Entry
        let count = bytes.count
        bytes.withUnsafeMutableBytes { raw in
            guard let base = raw.baseAddress else { return }
            for offset in stride(from: 0, to: max(0, count - FrameFormat.headerByteCount), by: FrameFormat.alignment)
            where base.loadUnaligned(fromByteOffset: offset, as: UInt64.self) == FrameFormat.magic {
                let frame = base + offset
                let headerLength = Int(frame.loadUnaligned(fromByteOffset: Field.headerLength, as: UInt32.self))
                let chunks = Int(frame.loadUnaligned(fromByteOffset: Field.chunkCount, as: UInt32.self))
                guard headerLength >= FrameFormat.headerByteCount, offset + headerLength <= count else { continue }
                for chunk in 0..<min(chunks, (headerLength - FrameFormat.headerByteCount) / FrameFormat.entryByteCount) {
                    let entry = frame + FrameFormat.headerByteCount + chunk * FrameFormat.entryByteCount
                    let place = entry.loadUnaligned(fromByteOffset: Entry.chunkOffset, as: UInt64.self)
                    let length = entry.loadUnaligned(fromByteOffset: Entry.chunkByteCount, as: UInt64.self)
                    guard place < UInt64(count - offset), length <= UInt64(count - offset) - place else { continue }
                    let crc = CRC32C.checksum(UnsafeRawBufferPointer(start: frame + Int(place), count: Int(length)))
                    entry.storeBytes(of: crc, toByteOffset: Entry.crc, as: UInt32.self)
                }
                frame.storeBytes(of: FrameFormat.headerChecksum(frame, headerLength: headerLength), toByteOffset: Field.headerCRC, as: UInt32.self)
            }
        }
    }

    func run(_ bytes: [UInt8]) throws {
        let copy = disk.copy(seed: 1)
        copy.corrupt(path) { $0 = bytes }
        let log = try LogDirectory("/data", copy, ManualClock(), owner: "fuzz", syncThreadCount: 1)
        defer { try? log.close() }
        guard let stream = log.stream(named: "s") else { throw log.recovery.failures.first.map { Refused($0.reason) } ?? Refused("not open") }
        var next = stream.shards[0].oldestSequence
        while next < stream.shards[0].endSequence {
            do {
                guard let rows = try stream.reader(shard: 0).read(from: next, rowLimit: 3, columns: Array(types.indices)) else { break }
                guard rows.batch.count > 0, rows.nextSequence > next else { throw Flaw("reading does not go on") }
                for row in 0..<rows.batch.count { _ = rows.batch.row(row) }
                next = rows.nextSequence
            } catch let error as LogError {
                _ = error.description
                break
            }
        }
        _ = try stream.verify()
        try stream.append(RowBatch.make([Array(repeating: .null, count: types.count)], types: types), arrivalMicroseconds: 9)
    }
}

struct Refused: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

final class EpochLogTarget: FuzzTarget {
    let name = "epochs"
    let runs = 20_000
    let inputs: [[UInt8]]

    init() throws {
        let disk = SimulatedFileSystem(seed: 1)
        try disk.createDirectory("/q")
        let log = EpochLog(directory: "/q", fileSystem: disk)
        for epoch in 1...6 as ClosedRange<UInt64> {
            let range = EpochRecord.ShardRange(from: Int64(epoch), to: Int64(epoch) + 4, isCaughtUp: true, hasEnded: false)
            try log.append(EpochRecord(epoch: epoch, clockMicroseconds: 1, scans: [[range, range], [range]]))
        }
        try log.synchronize()
        inputs = disk.allPaths.filter { $0.hasSuffix(".log") }.compactMap { disk.contents($0) }
    }

    func repair(_ bytes: inout [UInt8]) {
        guard bytes.count >= EpochLog.headerByteCount else { return }
        store(bytes[..<12].withUnsafeBytes { CRC32C.checksum($0) }, &bytes, at: 12)
        var offset = EpochLog.headerByteCount
        let head = EpochLog.recordHeadByteCount
        var previous = 0 as UInt32
        while offset + head <= bytes.count {
            let length = Int(load(bytes, offset, 4))
            guard length > 0, offset + head + length <= bytes.count else { break }
            store(previous, &bytes, at: offset + 16)
            previous = bytes[(offset + 8)..<(offset + head + length)].withUnsafeBytes { CRC32C.checksum($0) }
            store(previous, &bytes, at: offset + 4)
            offset += head + length
        }
    }

    func run(_ bytes: [UInt8]) throws {
        let disk = SimulatedFileSystem(seed: 1)
        try disk.createDirectory("/q")
        let file = try disk.open("/q/" + EpochLog.fileName(1), .readWrite)
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        let records = try EpochLog(directory: "/q", fileSystem: disk).recover(visible: 2)
        for (before, after) in zip(records, records.dropFirst()) where after.epoch != before.epoch &+ 1 { throw Flaw("epochs out of order") }
        guard (records.last?.epoch ?? 0) >= 2 else { throw Flaw("the log ends before what is visible") }
    }
}

/// A checkpoint of a query: the manifest, the pieces, and the state that operators make of them, which then go on.
final class CheckpointTarget: FuzzTarget {
    static let queries: [(name: String, sql: String)] = [
        ("aggregate", "SELECT k, count(*) AS n, sum(v) AS total, min(s) AS least, count(DISTINCT v) AS d FROM t GROUP BY k"),
        ("windows", "SELECT k, window_start, max(v) AS top FROM TABLE(HOP(TABLE e, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '6' SECOND)) GROUP BY k, window_start, window_end"),
        ("session", "SELECT k, window_start, count(*) AS n FROM TABLE(SESSION(TABLE e PARTITION BY k, DESCRIPTOR(ts), INTERVAL '3' SECOND)) GROUP BY k, window_start, window_end"),
        ("join", "SELECT a.id AS aid, b.s AS bs FROM t a LEFT JOIN u b ON a.k = b.k"),
        ("interval", "SELECT a.id AS aid, b.id AS bid FROM e a FULL JOIN f b ON a.k = b.k AND a.ts BETWEEN b.ts - INTERVAL '2' SECOND AND b.ts"),
        ("rank", "SELECT id, k, s FROM (SELECT id, k, s, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, id) AS r FROM t) WHERE r <= 2"),
        ("over", "SELECT id, sum(v) OVER (PARTITION BY k ORDER BY id, v, s) AS total FROM t"),
    ]

    let name: String
    let runs = 400
    private(set) var inputs: [[UInt8]] = []
    private let planned: PlannedQuery
    private let pool = WorkerPool(workerCount: 1)
    private let rows: [[Value]]

    init(_ query: (name: String, sql: String)) throws {
        name = "checkpoint-" + query.name
        let catalog = try FuzzCatalog()
        planned = try Planner.plan(try Parser.parseQuery(query.sql), mode: .continuous, catalog: catalog, options: PlannerOptions()).query
        var rows: [[Value]] = []
        for number in 0..<40 {
            let value: Value = number % 7 == 0 ? .null : .integer(Int64(number % 9))
            let text = number % 3 == 0 ? "a text longer than twelve bytes" : "s\(number)"
            rows.append([.integer(Int64(number)), .integer(Int64(number % 5)), value, .string(text)])
        }
        self.rows = rows
        let graph = try DataflowGraph(plan: planned.plan, settings: DataflowSettings(partitionCount: 2))
        let disk = SimulatedFileSystem(seed: 1)
        try disk.createDirectory("/q")
        let store = CheckpointStore(directory: "/q", fileSystem: disk)
        for epoch in 1...2 as ClosedRange<UInt64> {
            _ = try graph.run(input(graph, epoch: epoch), pool: pool)
            let checkpoint = Checkpoint(
                epoch: epoch, clockMicroseconds: 1, positions: [[1]], ended: [[false]], sinkPosition: 0, rowsIn: 0, rowsOut: 0, lateRows: 0, failedRows: 0,
                rejectedRows: 0, expiredRows: 0)
            _ = try store.publish(checkpoint, graph.capture(pool: pool))
        }
        inputs = [disk.contents("/q/checkpoint-\(zeroPadded(2))") ?? []]
    }

    private func input(_ graph: DataflowGraph, epoch: UInt64) -> EpochInput {
        let part = rows[Int(epoch - 1) % 2 * 20..<(Int(epoch - 1) % 2 + 1) * 20]
        return EpochInput(
            epoch: epoch, clockMicroseconds: Int64(epoch),
            scans: graph.scans.map { scan in
                let whole = RowBatch.make(part.map { $0 + [.integer(Int64(epoch) * 3_000_000)] }, types: [.bigint, .bigint, .bigint, .text, .timestamp(precision: 3)])
                let batch = RowBatch(count: whole.count, columns: scan.columns.map { whole.columns[$0.column] })
                return ScanInput(
                    morsels: [Morsel(shard: 0, rowCountEstimate: batch.count) { try $0(batch) }],
                    shards: [ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: false)])
            })
    }

    /// The manifest's own checksum, its length, and the checksums of the pieces that lie in it. Pieces are found by their checksums in the good
    /// input: damage to a piece is repaired where its place is still known.
    func repair(_ bytes: inout [UInt8]) {
        guard bytes.count >= CheckpointManifest.headByteCount + 4 else { return }
        let length = UInt64(bytes.count - CheckpointManifest.headByteCount - 4)
        for index in 0..<8 { bytes[8 + index] = UInt8(truncatingIfNeeded: length >> UInt64(index * 8)) }
        fixChecksum(&bytes)
        guard let manifest = try? CheckpointManifest.decode(bytes) else { return }
        var fixed = manifest
        let pieces = manifest.pieces
        fixed.tree = manifest.tree.map { extent in
            var extent = extent
            if extent.file == Extent.manifest, extent.offset <= pieces.count, extent.byteCount <= pieces.count - extent.offset {
                extent.crc = pieces[extent.offset..<extent.offset + extent.byteCount].withUnsafeBytes { CRC32C.checksum($0) }
            }
            return extent
        }
        bytes = fixed.encoded()
    }

    private func fixChecksum(_ bytes: inout [UInt8]) {
        let crc = bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[..<($0.count - 4)])) }
        store(crc, &bytes, at: bytes.count - 4)
    }

    func run(_ bytes: [UInt8]) throws {
        let disk = SimulatedFileSystem(seed: 1)
        try disk.createDirectory("/q")
        let file = try disk.open("/q/checkpoint-\(zeroPadded(2))", .readWrite)
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        guard let loaded = try CheckpointStore(directory: "/q", fileSystem: disk).load(pool: pool).loaded else { throw Refused("damaged") }
        let graph = try DataflowGraph(plan: planned.plan, settings: DataflowSettings(partitionCount: 2))
        try graph.restore(from: loaded.state, pool: pool)
        // State that was accepted can be worked with and written.
        for epoch in 3...4 as ClosedRange<UInt64> { _ = try graph.run(input(graph, epoch: epoch), pool: pool) }
        _ = graph.capture(pool: pool)
    }
}

struct FuzzCatalog: Catalog {
    private var relations: [String: RelationDefinition] = [:]

    func entry(named name: String) -> CatalogEntry? { relations[name.lowercased()].map { .relation($0) } }
    var entryNames: [String] { relations.keys.sorted() }

    init() throws {
        let columns = "id BIGINT, k BIGINT, v BIGINT, s VARCHAR"
        let script = """
            CREATE STREAM t (\(columns)); CREATE STREAM u (\(columns)); CREATE STREAM c (\(columns)) WITH (changelog = 'op');
            CREATE STREAM e (\(columns), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND);
            CREATE STREAM f (\(columns), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND);
            """
        for parsed in try Parser.parseScript(script) {
            guard case .createRelation(let create) = parsed.statement.kind else { continue }
            let relation = try Planner.define(create, catalog: self)
            relations[relation.name] = relation
        }
    }
}

final class CatalogTarget: FuzzTarget {
    let name = "catalog"
    let runs = 2_000
    let inputs: [[UInt8]]
    let words = ["entry ", "next ", "crc ", "\n", " 0 ", " -1 ", "4:1:0", "relation", "query", "18446744073709551615"].map { Array($0.utf8) }

    init() throws {
        let disk = SimulatedFileSystem(seed: 1)
        var options = EngineOptions()
        options.isSingleThreaded = true
        let engine = try Engine(directory: "/data", options: options, clock: ManualClock(startingAtMicroseconds: 1), fileSystem: disk)
        let sql = """
            CREATE STREAM s (a BIGINT, b VARCHAR, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) PARTITION BY a SHARDS 2;
            CREATE STREAM o (a BIGINT, n BIGINT); CREATE VIEW v AS SELECT a, b FROM s WHERE a > 1;
            CREATE FUNCTION twice(x BIGINT) RETURNS BIGINT AS x * 2; CREATE QUERY q AS INSERT INTO o SELECT a, count(*) FROM v GROUP BY a;
            """
        for statement in Parser.splitStatements(sql) {
            let text = String(decoding: Array(sql.utf8)[statement.span.start..<statement.span.end], as: UTF8.self)
            // A statement that this version spells otherwise is left out.
            if let parsed = try? Parser.parseScript(text) { for one in parsed { _ = try? engine.makeSession().execute(one, source: text) } }
        }
        try engine.close()
        inputs = [disk.contents("/data/catalog") ?? []]
    }

    func repair(_ bytes: inout [UInt8]) {
        guard let last = bytes.dropLast().lastIndex(of: 10) else { return }
        let crc = bytes[...last].withUnsafeBytes { CRC32C.checksum($0) }
        bytes = Array(bytes[...last]) + Array("crc \(crc)\n".utf8)
    }

    func run(_ bytes: [UInt8]) throws {
        let disk = SimulatedFileSystem(seed: 1)
        try disk.createDirectory("/data")
        let file = try disk.open("/data/catalog", .readWrite)
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        let catalog = try StoredCatalog(directory: "/data", fileSystem: disk, isWritable: true)
        guard Set(catalog.objects.map(\.id)).count == catalog.objects.count else { throw Flaw("two objects with one id") }
        for object in catalog.objects where object.id >= catalog.nextID { throw Flaw("id \(object.id) is to be given out again") }
        for name in catalog.entryNames { _ = catalog.entry(named: name) }
    }
}
