// Splits and merges while rows come: nothing is lost, nothing is there twice, and the rows of a key stay in order, whatever fails and whenever
// the power goes.

import Columns
import Platform
import XCTest

@testable import ShardLog

final class ReshardTests: XCTestCase {
    private static let keyCount = 24

    /// A stream whose shards change at random, with a producer that repeats its epochs until they are acknowledged.
    private struct World {
        let bench: Bench
        var random: SeededRandom
        let isPartitioned: Bool
        var directory: LogDirectory
        var stream: LogStream
        /// What must be there, once.
        var acknowledged: Set<String> = []
        /// What may be there as well: its append failed.
        var attempted: Set<String> = []
        var epoch: UInt64 = 1
        var pending: RowBatch?
        var number = 0
        var changes = 0
        var refused = 0

        init(seed: UInt64) throws {
            bench = Bench(seed: seed)
            random = SeededRandom(seed: seed)
            let shards = 1 + random.below(3)
            isPartitioned = random.below(4) > 0
            let isPartitioned = isPartitioned
            (directory, stream) = try bench.make(shards: shards) {
                if isPartitioned { $0.partitionColumns = [0] }
                $0.segmentByteCount = 4_000
            }
        }

        mutating func batch(_ label: String) -> RowBatch {
            let count = 1 + random.below(9)
            let rows: [[Value]] = (0..<count).map { _ in
                number += 1
                return [.integer(Int64(random.below(ReshardTests.keyCount))), .string("\(label) \(number)")]
            }
            return RowBatch.make(rows, types: numberSchema.types)
        }

        func names(_ batch: RowBatch) -> [String] {
            (0..<batch.count).map { if case .string(let name) = batch.row($0)[1] { name } else { "" } }
        }

        mutating func appendPlain() throws {
            let batch = batch("plain")
            attempted.formUnion(names(batch))
            try stream.append(batch, routing: .automatic(rotation: UInt64(random.below(9))), arrivalMicroseconds: 0)
            acknowledged.formUnion(names(batch))
        }

        /// The epoch at hand, again and again until it is there.
        mutating func appendEpoch() throws {
            let batch = pending ?? batch("epoch")
            pending = batch
            attempted.formUnion(names(batch))
            try stream.append(batch, producer: 7, epoch: epoch, routing: .automatic(rotation: epoch), arrivalMicroseconds: 0)
            acknowledged.formUnion(names(batch))
            pending = nil
            epoch += 1
        }

        mutating func change() throws {
            let open = stream.description.shards.indices.filter { !stream.description.shards[$0].isClosed }
            if open.count > 1, random.below(2) == 0 {
                let sorted = open.sorted { stream.description.shards[$0].range.first < stream.description.shards[$1].range.first }
                let place = random.below(sorted.count - 1)
                _ = try directory.change(stream, .merge(sorted[place], sorted[place + 1]))
            } else if open.count < 6 {
                _ = try directory.change(stream, .split(shard: open[random.below(open.count)], at: nil))
            }
            changes += 1
        }

        mutating func reopen() throws {
            directory = try bench.open()
            stream = try XCTUnwrap(directory.stream(named: "s"))
        }

        mutating func act() throws {
            switch random.below(12) {
            case 0..<4: try appendPlain()
            case 4..<7: try appendEpoch()
            case 7, 8: try change()
            case 9: _ = try directory.maintain()
            case 10: bench.system.failOperation(bench.system.operationCount + random.below(14), code: [5, 28][random.below(2)])
            default: bench.system.cutPower(atOperation: bench.system.operationCount + random.below(20))
            }
        }

        func check() throws {
            var found: Set<String> = []
            var last: [Int64: (plain: Int, epoch: Int)] = [:]
            let shapes = stream.description.shards
            for (index, shard) in stream.shards.enumerated() {
                for row in try readAll(shard, columns: [0, 1]) {
                    guard case .integer(let key) = row.values[0], case .string(let name) = row.values[1] else { return XCTFail("\(row)") }
                    XCTAssertTrue(found.insert(name).inserted, "\(name) is there twice")
                    XCTAssertTrue(attempted.contains(name), name)
                    if isPartitioned {
                        XCTAssertTrue(shapes[index].range.contains(MD5.hash("\(key)")), "key \(key) in shard \(index)")
                        // Parents have lower numbers than what was made of them, so this is the order of each key.
                        let number = Int(name.split(separator: " ")[1]) ?? 0
                        var before = last[key] ?? (0, 0)
                        if name.hasPrefix("plain") {
                            XCTAssertGreaterThan(number, before.plain)
                            before.plain = number
                        } else {
                            XCTAssertGreaterThan(number, before.epoch)
                            before.epoch = number
                        }
                        last[key] = before
                    }
                }
            }
            XCTAssertTrue(acknowledged.isSubset(of: found), "missing: \(acknowledged.subtracting(found).sorted().prefix(5))")
            // Open shards cover the key space once.
            let open = shapes.filter { !$0.isClosed }.map(\.range).sorted { $0.first < $1.first }
            XCTAssertEqual(open.first?.first, 0)
            XCTAssertEqual(open.last?.last, .max)
            for (a, b) in zip(open, open.dropFirst()) { XCTAssertEqual(a.last &+ 1, b.first) }
        }
    }

    func testNothingIsLostOrDoubledWhateverFails() throws {
        var changes = 0
        var refused = 0
        for seed in 0..<120 as Range<UInt64> {
            var world = try World(seed: seed)
            for _ in 0..<90 {
                do { try world.act() } catch {
                    world.refused += 1
                    if world.bench.system.isPoweredOff {
                        world.bench.system.crash()
                        try world.reopen()
                        try world.check()
                    } else if world.random.below(2) == 0 {
                        do { try world.stream.reopen(nowMicroseconds: 0) } catch {}
                    } else {
                        try? world.directory.close()
                        world.bench.system.killProcess()
                        do { try world.reopen() } catch {
                            world.bench.system.forgetFailures()
                            world.bench.system.cutPower(atOperation: nil)
                            if world.bench.system.isPoweredOff { world.bench.system.crash() } else { world.bench.system.killProcess() }
                            try world.reopen()
                        }
                    }
                }
                if world.bench.system.isPoweredOff {
                    world.bench.system.crash()
                    try world.reopen()
                }
            }
            world.bench.system.forgetFailures()
            world.bench.system.cutPower(atOperation: nil)
            do { try world.stream.reopen(nowMicroseconds: 0) } catch {}
            while world.pending != nil { try world.appendEpoch() }
            try world.check()
            try world.directory.close()
            world.bench.system.killProcess()
            try world.reopen()
            try world.check()
            changes += world.changes
            refused += world.refused
            guard !(testRun.map { $0.failureCount > 0 } ?? false) else { return XCTFail("seed \(seed)") }
        }
        XCTAssertGreaterThan(changes, 500)
        XCTAssertGreaterThan(refused, 500)
    }

    func testWhatIsPreparedFindsItsShardsAfterAChange() throws {
        let bench = Bench()
        let (directory, stream) = try bench.make { $0.partitionColumns = [0] }
        let early = try stream.prepare([numberBatch(0..<100)], arrivalMicroseconds: 0)
        XCTAssertEqual(try directory.change(stream, .split(shard: 0, at: nil)), [1, 2])
        let result = try stream.commit([early])
        XCTAssertEqual(result.parts.map(\.shard), [1, 2])
        XCTAssertEqual(result.rowCount, 100)
        XCTAssertEqual(try readAll(stream)[0], [])
        // A closed shard takes nothing, and what makes no sense is refused.
        XCTAssertThrowsError(try stream.append(numberBatch(0..<1), routing: .shard(0), arrivalMicroseconds: 0))
        for change in [ShardChange.split(shard: 0, at: nil), .split(shard: 9, at: nil), .merge(1, 1), .merge(0, 1), .split(shard: 1, at: .max), .split(shard: 1, at: 0)] {
            XCTAssertThrowsError(try directory.change(stream, change), "\(change)")
        }
        XCTAssertEqual(try directory.change(stream, .split(shard: 2, at: .max)), [3, 4])
        XCTAssertEqual(stream.description.shards[4].range, HashKeyRange(first: .max, last: .max))
        XCTAssertThrowsError(try directory.change(stream, .merge(1, 4)))
        XCTAssertEqual(try directory.change(stream, .merge(3, 1)), [5])
        XCTAssertEqual(stream.description.shards[5].parents, [1, 3])
    }

    func testThreadsAppendWhileShardsChange() throws {
        let bench = Bench()
        let (directory, stream) = try bench.make(shards: 2) { $0.partitionColumns = [0] }
        let appended = 60
        let threads = (0..<3).map { thread in
            JoinableThread {
                for round in 0..<appended {
                    let start = (thread * appended + round) * 10
                    do { try stream.append(numberBatch(start..<start + 10), arrivalMicroseconds: 0) } catch { XCTFail("\(error)") }
                }
            }
        }
        for _ in 0..<12 {
            let open = stream.description.shards.indices.filter { !stream.description.shards[$0].isClosed }
            if open.count > 4 {
                let sorted = open.sorted { stream.description.shards[$0].range.first < stream.description.shards[$1].range.first }
                _ = try directory.change(stream, .merge(sorted[1], sorted[2]))
            } else {
                _ = try directory.change(stream, .split(shard: open[0], at: nil))
            }
        }
        for thread in threads { thread?.join() }
        let found: [Int] = try readAll(stream).flatMap { ids($0) }
        XCTAssertEqual(found.sorted(), Array(0..<3 * appended * 10))
    }

    func testAReaderBesideTheWriterSeesNewShards() throws {
        let bench = Bench()
        let (directory, stream) = try bench.make { $0.partitionColumns = [0] }
        let watcher = try bench.open(readOnly: true)
        let seen = try XCTUnwrap(watcher.stream(named: "s"))
        try stream.append(numberBatch(0..<50), arrivalMicroseconds: 0)
        _ = try directory.change(stream, .split(shard: 0, at: nil))
        try stream.append(numberBatch(50..<100), arrivalMicroseconds: 0)
        XCTAssertTrue(try watcher.refresh())
        XCTAssertEqual(seen.shards.count, 3)
        XCTAssertEqual(try readAll(seen), try readAll(stream))
        XCTAssertFalse(try watcher.refresh())
    }

    func testRetentionBySizeIsOfTheWholeStream() throws {
        let bench = Bench()
        let (directory, stream) = try bench.make {
            $0.partitionColumns = [0]
            $0.segmentByteCount = 4_000
            $0.retentionByteCount = 40_000
        }
        var next = 0
        func append(_ count: Int) throws {
            for _ in 0..<count {
                try stream.append(numberBatch(next..<next + 20), arrivalMicroseconds: 0)
                next += 20
                _ = try stream.maintain(nowMicroseconds: 0)
            }
        }
        try append(60)
        XCTAssertGreaterThan(stream.shards[0].byteCount, 20_000)
        _ = try directory.change(stream, .split(shard: 0, at: nil))
        try append(200)
        // The closed shard has made room for the others, down to an empty segment.
        XCTAssertEqual(stream.shards[0].oldestSequence, stream.shards[0].endSequence)
        XCTAssertLessThan(stream.shards.reduce(0) { $0 + $1.byteCount }, 60_000)
    }
}
