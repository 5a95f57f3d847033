import Columns
import Platform
import ShardLog
import XCTest

final class RoundTripTests: XCTestCase {
    func testRandomSchemasAndBatchesThroughReopenAndSealing() throws {
        for seed in 0..<60 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            let types = (0..<random.below(6) + 1).map { _ in random.type() }
            let schema = Schema(types.enumerated().map { SQLType.Field(name: "c\($0)", type: $1) })
            let bench = Bench(seed: seed)
            var (directory, stream) = try bench.make(schema, shards: random.below(3) + 1) { description in
                description.partitionColumns = types.indices.filter { PartitionKey.isSuitable(types[$0]) && random.below(3) == 0 }
                description.segmentByteCount = random.below(2) == 0 ? 20_000 : 1 << 20
            }
            var expected: [Row: Int] = [:]
            var total = 0
            for append in 0..<random.below(20) + 2 {
                let batches = (0..<random.below(3) + 1).map { _ in
                    random.batch(types, rowCount: random.below(random.below(5) == 0 ? 500 : 20), changes: random.below(3) == 0)
                }
                for row in batches.flatMap({ rows($0) }) { expected[row, default: 0] += 1 }
                let result = try stream.append(batches, routing: .automatic(rotation: UInt64(append)), arrivalMicroseconds: Int64(append))
                XCTAssertEqual(result.rowCount, batches.reduce(0) { $0 + $1.count })
                total += result.rowCount
            }
            let before = try readAll(stream, rowLimit: random.below(400) + 1)
            XCTAssertEqual(Dictionary(grouping: before.joined(), by: { $0 }).mapValues(\.count), expected, "seed \(seed)")
            XCTAssertEqual(before.reduce(0) { $0 + $1.count }, total)

            for step in 0..<3 {
                if step == 1 {
                    try directory.close()
                    directory = try reopen(bench, &directory)
                    stream = try XCTUnwrap(directory.stream(named: "s"))
                    XCTAssertTrue(directory.recovery.truncations.isEmpty && directory.recovery.damage.isEmpty)
                } else if step == 2 {
                    while try stream.maintain(nowMicroseconds: 100).hasMore {}
                    XCTAssertEqual(try stream.verify(), [])
                }
                XCTAssertEqual(try readAll(stream, rowLimit: random.below(2_000) + 1), before, "seed \(seed) step \(step)")
                // Projections, from the middle.
                for shard in stream.shards where shard.endSequence > 0 {
                    let columns = (0..<random.below(types.count + 1)).map { _ in random.below(types.count) }
                    let start = random.below(Int(shard.endSequence))
                    let part = try readAll(shard, from: UInt64(start), rowLimit: 77, columns: columns)
                    let wanted = before[shard.index].dropFirst(start).map { row in Row(values: columns.map { row.values[$0] }, kind: row.kind) }
                    XCTAssertEqual(part, wanted, "seed \(seed)")
                }
            }
        }
    }

    private func reopen(_ bench: Bench, _ directory: inout LogDirectory) throws -> LogDirectory {
        // The old one must be gone before the lock is free: crash() of a synced disk loses nothing.
        bench.system.crash()
        return try bench.open()
    }

    func testLargeBatchIsSplitIntoFramesAndStaysOneAppend() throws {
        let bench = Bench()
        let (_, stream) = try bench.make()
        let result = try stream.append(numberBatch(0..<150_000), arrivalMicroseconds: 5)
        XCTAssertEqual(result.parts, [AppendResult.Part(shard: 0, sequences: 0..<150_000)])
        XCTAssertEqual(stream.shards[0].frames(in: 0..<200_000).map(\.rowCount), [65_536, 65_536, 18_928])
        XCTAssertEqual(ids(try readAll(stream.shards[0], rowLimit: 4_096, columns: [0, 1])), Array(0..<150_000))
    }

    func testBatchesThatDoNotFitAreRefused() throws {
        let bench = Bench()
        let (_, stream) = try bench.make()
        let wrong = RowBatch.make([[.boolean(true), .string("x")]], types: [.boolean, .text])
        XCTAssertThrowsError(try stream.append(wrong, arrivalMicroseconds: 0)) { XCTAssertTrue("\($0)".contains("column id"), "\($0)") }
        XCTAssertThrowsError(try stream.append(RowBatch.make([[.integer(1)]], types: [.bigint]), arrivalMicroseconds: 0))
        let huge = RowBatch.make([[.integer(1), .string(String(repeating: "x", count: 65 << 20))]], types: numberSchema.types)
        XCTAssertThrowsError(try stream.append(huge, arrivalMicroseconds: 0)) {
            guard case LogError.rowTooLarge = $0 else { return XCTFail("\($0)") }
        }
        XCTAssertEqual(stream.shards[0].endSequence, 0)
        XCTAssertEqual(try stream.append(numberBatch(0..<0), arrivalMicroseconds: 0), AppendResult())
    }

    func testPositionsAndFrameFacts() throws {
        let bench = Bench()
        let schema = Schema([SQLType.Field(name: "id", type: .bigint), SQLType.Field(name: "ts", type: .timestamp(precision: 3))])
        let (_, stream) = try bench.make(schema) { $0.eventTimeColumn = 1 }
        for append in 0..<50 {
            let rows: [[Value]] = (0..<4).map { [.integer(Int64(append * 4 + $0)), append == 7 ? .null : .integer(Int64(append * 100 - $0))] }
            // The clock goes back now and then.
            let arrival = Int64(append % 10 == 9 ? 0 : append * 10)
            try stream.append(RowBatch.make(rows, types: schema.types), producer: 9, epoch: UInt64(append), arrivalMicroseconds: arrival)
        }
        let shard = stream.shards[0]
        let reader = stream.reader(shard: 0)
        XCTAssertEqual(reader.sequence(of: .trimHorizon), 0)
        XCTAssertEqual(reader.sequence(of: .latest), 200)
        XCTAssertEqual(reader.sequence(of: .sequence(17)), 17)
        XCTAssertEqual(reader.sequence(of: .arrival(105)), 44)
        XCTAssertEqual(reader.sequence(of: .arrival(10_000)), 200)
        let infos = shard.frames(in: 10..<21)
        XCTAssertEqual(infos.map(\.firstSequence), [8, 12, 16, 20])
        XCTAssertEqual(infos[0].eventMax, 200)
        XCTAssertEqual(infos[0].eventMin, 197)
        XCTAssertEqual(infos[0].producer, 9)
        XCTAssertEqual(infos[0].epoch, 2)
        let all = shard.frames(in: 0..<200)
        XCTAssertTrue(zip(all, all.dropFirst()).allSatisfy { $0.arrivalMax <= $1.arrivalMin })
        XCTAssertEqual(all[7].eventMin, .max)
        var range = try reader.eventTimeRange(9..<18)
        XCTAssertEqual(range.min, 197)
        XCTAssertEqual(range.max, 400)
        range = try reader.eventTimeRange(28..<32)
        XCTAssertEqual(range.min, .max)
        XCTAssertNil(try reader.read(from: 200, rowLimit: 10, columns: [0]))
        XCTAssertEqual(try reader.read(from: 3, to: 5, rowLimit: 10, columns: [0])?.batch.count, 2)
    }

    func testRowsOfAKeyStayInOneShardAsKinesisPutsThem() throws {
        // The ranges that AWS documents for three shards.
        XCTAssertEqual(HashKeyRange.even(3).map(\.first), [0, 113_427_455_640_312_821_154_458_202_477_256_070_485, 226_854_911_280_625_642_308_916_404_954_512_140_970])
        XCTAssertEqual(HashKeyRange.even(2)[1].first, UInt128(1) << 127)
        XCTAssertEqual(HashKeyRange.even(5).last?.last, .max)
        for seed in 0..<20 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            let types: [SQLType] = [.bigint, .text, .boolean]
            let ranges = HashKeyRange.even(random.below(7) + 2)
            let router = PartitionRouter(ranges: ranges)
            for _ in 0..<5 {
                let batch = random.batch(types, rowCount: 500)
                for columns in [[0], [1], [2], [0, 1], [1, 0, 2]] {
                    let found = router.shardIndices(for: batch, partitionColumns: columns)
                    for row in 0..<batch.count {
                        let key = columns.map { column -> String in
                            switch batch.columns[column].value(at: row) {
                            case .integer(let value): "\(value)"
                            case .string(let value): value
                            case .boolean(let value): "\(value)"
                            default: ""
                            }
                        }.joined(separator: "\u{1F}")
                        let hash = PartitionKey.hashKey(key)
                        XCTAssertTrue(ranges[Int(found[row])].contains(hash), key)
                    }
                }
            }
        }
    }

    func testRotationAndGivenShards() throws {
        let bench = Bench()
        let (_, stream) = try bench.make(shards: 3)
        for turn in 0..<6 { try stream.append(numberBatch(turn..<turn + 1), routing: .automatic(rotation: UInt64(turn)), arrivalMicroseconds: 0) }
        XCTAssertEqual(try readAll(stream).map(ids), [[0, 3], [1, 4], [2, 5]])
        try stream.append(numberBatch(10..<14), routing: .rows([2, 0, 2, 1]), arrivalMicroseconds: 0)
        try stream.append(numberBatch(20..<21), routing: .shard(1), arrivalMicroseconds: 0)
        XCTAssertEqual(try readAll(stream).map(ids), [[0, 3, 11], [1, 4, 13, 20], [2, 5, 10, 12]])
        XCTAssertThrowsError(try stream.append(numberBatch(0..<1), routing: .shard(3), arrivalMicroseconds: 0))
    }

    func testGroupCommitFromManyThreads() throws {
        let path = "/tmp/millrace-log-\(UInt64.random(in: 0...UInt64.max))"
        let system = PosixFileSystem()
        defer { try? system.removeTree(path) }
        let threadCount = 8
        let appendCount = 60
        do {
            let directory = try LogDirectory(path, system, SystemClock())
            var description = StreamDescription(name: "s", schema: numberSchema, shardCount: 3)
            description.partitionColumns = [0]
            description.segmentByteCount = 40_000
            let stream = try directory.create(description)
            let threads = (0..<threadCount).compactMap { thread in
                JoinableThread {
                    for append in 0..<appendCount {
                        let first = (thread * appendCount + append) * 10
                        do { try stream.append(numberBatch(first..<first + 10), arrivalMicroseconds: 1) } catch { XCTFail("\(error)") }
                    }
                }
            }
            XCTAssertEqual(threads.count, threadCount)
            while try stream.maintain(nowMicroseconds: 2).hasMore {}
            for thread in threads { thread.join() }
            while try stream.maintain(nowMicroseconds: 2).hasMore {}
            try directory.close()
        }
        let directory = try LogDirectory(path, system, SystemClock())
        let stream = try XCTUnwrap(directory.stream(named: "s"))
        let found = try readAll(stream).map(ids)
        XCTAssertEqual(found.joined().sorted(), Array(0..<threadCount * appendCount * 10))
        for shard in found {
            for thread in 0..<threadCount {
                let own = shard.filter { $0 / (appendCount * 10) == thread }
                XCTAssertEqual(own, own.sorted())
            }
        }
        XCTAssertEqual(try stream.verify(), [])
    }

    func testSignalWakesReaders() throws {
        let bench = Bench()
        let (directory, stream) = try bench.make()
        let seen = directory.signal.version
        XCTAssertEqual(directory.signal.wait(untilChangedFrom: seen, timeoutMilliseconds: 5), seen)
        let thread = JoinableThread { do { try stream.append(numberBatch(0..<1), arrivalMicroseconds: 0) } catch { XCTFail("\(error)") } }
        XCTAssertNotEqual(directory.signal.wait(untilChangedFrom: seen, timeoutMilliseconds: 5_000), seen)
        thread?.join()
    }
}
