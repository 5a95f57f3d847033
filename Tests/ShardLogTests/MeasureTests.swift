// Figures, not checks: run with MILLRACE_MEASURE=1 (and MILLRACE_MEASURE_DIR for another disk).

import Columns
import Glibc
import Platform
import ShardLog
import XCTest

final class MeasureTests: XCTestCase {
    private let schema = Schema([
        SQLType.Field(name: "auction", type: .bigint), SQLType.Field(name: "bidder", type: .bigint),
        SQLType.Field(name: "price", type: .bigint), SQLType.Field(name: "channel", type: .text), SQLType.Field(name: "url", type: .text),
        SQLType.Field(name: "extra", type: .text), SQLType.Field(name: "ts", type: .timestamp(precision: 3)),
    ])

    private func bids(_ rowCount: Int, from first: Int) -> RowBatch {
        let builders = schema.types.map { ColumnBuilder($0, capacity: rowCount) }
        for row in first..<first + rowCount {
            builders[0].append(int64: Int64(row % 1_000))
            builders[1].append(int64: Int64(row % 5_003))
            builders[2].append(int64: Int64(row % 99_991))
            builders[3].append(string: "channel-\(row % 100)")
            builders[4].append(string: "https://www.nexmark.com/abcdef/\(row % 100)/item.htm?query=1")
            builders[5].append(string: "extraextraextraextraextra")
            builders[6].append(int64: Int64(row) * 100)
        }
        return RowBatch(columns: builders.map { $0.finish() })
    }

    private let clock = SystemClock()

    private func seconds(_ body: () throws -> Void) rethrows -> Double {
        let start = clock.monotonicNanoseconds()
        try body()
        return Double(clock.monotonicNanoseconds() - start) / 1e9
    }

    /// Time on the processor, which other people's programs do not lengthen (much).
    private func processorSeconds(_ body: () throws -> Void) rethrows -> Double {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        let start = now()
        try body()
        return now() - start
    }

    private func withStream(_ sync: SyncPolicy, shards: Int = 1, _ body: (LogStream) throws -> Void) throws {
        let base = getenv("MILLRACE_MEASURE_DIR").map { String(cString: $0) } ?? "/tmp"
        let path = base + "/millrace-measure-\(UInt64.random(in: 0...UInt64.max))"
        let system = PosixFileSystem()
        defer { try? system.removeTree(path) }
        let directory = try LogDirectory(path, system, clock)
        var description = StreamDescription(name: "bids", schema: schema, shardCount: shards)
        description.sync = sync
        description.eventTimeColumn = 6
        description.partitionColumns = [0]
        try body(try directory.create(description))
        try directory.close()
    }

    private func skipUnlessMeasuring() throws {
        try XCTSkipIf(getenv("MILLRACE_MEASURE") == nil, "set MILLRACE_MEASURE=1")
    }

    func testAppendThroughput() throws {
        try skipUnlessMeasuring()
        for shards in [1, 4] {
            for rowCount in [4_096, 65_536] {
                let batch = bids(rowCount, from: 0)
                try withStream(.none, shards: shards) { stream in
                    let total = 4_000_000
                    try stream.append(batch, arrivalMicroseconds: 0)
                    let time = try processorSeconds { for _ in 0..<total / rowCount { try stream.append(batch, arrivalMicroseconds: 1) } }
                    let bytes = stream.statistics.reduce(0) { $0 + $1.byteCount }
                    print("append sync=none shards=\(shards) rows/batch=\(rowCount): \(Int(Double(total) / time)) rows/s, \(Int(Double(bytes) / time / 1e6)) MB/s")
                }
            }
        }
    }

    func testAppendLatency() throws {
        try skipUnlessMeasuring()
        for shards in [1, 4] {
            let batch = bids(10, from: 0)
            try withStream(.always, shards: shards) { stream in
                var times: [Double] = []
                for index in 0..<2_000 { times.append(try seconds { try stream.append(batch, arrivalMicroseconds: Int64(index)) }) }
                times.sort()
                print("append sync=always shards=\(shards) 10 rows: p50 \(Int(times[1_000] * 1e6)) us, p99 \(Int(times[1_980] * 1e6)) us")
            }
        }
    }

    func testScan() throws {
        try skipUnlessMeasuring()
        let batch = bids(65_536, from: 0)
        try withStream(.none) { stream in
            for _ in 0..<160 { try stream.append(batch, arrivalMicroseconds: 0) }
            try stream.synchronize()
            let reader = stream.reader(shard: 0)
            func scan(_ columns: [Int], sums: Bool) throws -> (Int, Int64) {
                var next: UInt64 = 0
                var count = 0
                var sum: Int64 = 0
                while let part = try reader.read(from: next, rowLimit: 4_096, columns: columns) {
                    next = part.nextSequence
                    count += part.batch.count
                    if sums {
                        for column in part.batch.columns where column.layout == .int64 {
                            let values = column.int64s
                            for row in 0..<column.count { sum &+= values[row] }
                        }
                    }
                }
                return (count, sum)
            }
            for (name, columns, sums) in [
                ("3 int64, first read (checksums)", [0, 1, 2], false), ("3 int64 again", [0, 1, 2], false), ("3 int64 again, summed", [0, 1, 2], true),
                ("3 texts, first read", [3, 4, 5], false), ("3 texts again", [3, 4, 5], false),
            ] {
                var count = 0
                let time = try processorSeconds { count = try scan(columns, sums: sums).0 }
                print("scan \(name): \(count) rows, \(Int(Double(count) / time / 1e6)) M rows/s")
            }
        }
        // A backlog of tiny frames.
        let tiny = bids(10, from: 0)
        try withStream(.none) { stream in
            for _ in 0..<50_000 { try stream.append(tiny, arrivalMicroseconds: 0) }
            func scan(_ columns: [Int]) throws -> Int {
                var next: UInt64 = 0
                while let part = try stream.reader(shard: 0).read(from: next, rowLimit: 4_096, columns: columns) { next = part.nextSequence }
                return Int(next)
            }
            for label in ["first", "again"] {
                var count = 0
                let time = try processorSeconds { count = try scan([0, 1, 2]) }
                print("scan tiny frames, 3 int64, \(label): \(count) rows, \(Int(Double(count) / time / 1e6)) M rows/s")
            }
            let time = try processorSeconds {
                try stream.shards[0].rollNow(nowMicroseconds: 0)
                while try stream.maintain(nowMicroseconds: 0).hasMore {}
            }
            print("merging 50,000 tiny frames: \(Int(time * 1e3)) ms, now \(stream.statistics[0].frameCount) frames")
        }
    }

    func testPieces() throws {
        try skipUnlessMeasuring()
        let bytes = Buffer.zeroed(byteCount: 1 << 20)
        var sum: UInt32 = 0
        let crc = processorSeconds { for _ in 0..<2_000 { sum ^= CRC32C.checksum(UnsafeRawBufferPointer(start: bytes.base, count: bytes.byteCount)) } }
        print("crc32c: \(2_000.0 * 1.048576e-3 / crc) GB/s (\(sum))")
        let batch = bids(65_536, from: 0)
        for columns in [[0], [3], [4]] {
            let router = PartitionRouter(ranges: HashKeyRange.even(4))
            let time = processorSeconds { for _ in 0..<50 { _ = router.shardIndices(for: batch, partitionColumns: columns) } }
            print("routing by column \(columns): \(time / 50 / 65_536 * 1e9) ns/row")
        }
        var hash: UInt128 = 0
        let md5 = processorSeconds { for index in 0..<1_000_000 { withUnsafeBytes(of: index) { hash ^= MD5.hash($0) } } }
        print("md5 of 8 bytes: \(md5 * 1e3) ns (\(hash & 1))")
    }
}
