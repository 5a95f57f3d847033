import Columns
import Platform
import ShardLog
import XCTest

final class MaintenanceTests: XCTestCase {
    func testSealingMakesFewLargeFramesOfTheSameRows() throws {
        let bench = Bench()
        let (directory, stream) = try bench.make { $0.segmentByteCount = 60_000 }
        for append in 0..<200 {
            try stream.append(numberBatch(append * 5..<append * 5 + 5), producer: 4, epoch: UInt64(append + 1), arrivalMicroseconds: Int64(append))
        }
        let shard = stream.shards[0]
        // Somebody is reading meanwhile, and keeps what it has.
        let held = try XCTUnwrap(try stream.reader(shard: 0).read(from: 0, rowLimit: 5, columns: [0, 1]))
        let before = try readAll(stream)
        let frames = stream.statistics[0].frameCount
        var merged = 0
        while true {
            let result = try stream.maintain(nowMicroseconds: 0)
            merged += result.mergedSegmentCount
            if !result.hasMore { break }
        }
        XCTAssertGreaterThan(merged, 0)
        XCTAssertLessThan(stream.statistics[0].frameCount, frames / 3)
        XCTAssertEqual(try readAll(stream), before)
        XCTAssertEqual(ids(rows(held.batch)), [0, 1, 2, 3, 4])
        XCTAssertEqual(shard.lastEpoch(of: 4), 200)
        XCTAssertEqual(shard.frames(in: 0..<1)[0].epoch, UInt64(shard.frames(in: 0..<1)[0].rowCount / 5))
        try directory.close()
        bench.system.crash()
        let again = try XCTUnwrap(bench.open().stream(named: "s"))
        XCTAssertEqual(try readAll(again), before)
        XCTAssertEqual(again.shards[0].lastEpoch(of: 4), 200)
        let result = try again.append(numberBatch(0..<5), producer: 4, epoch: 200, arrivalMicroseconds: 0)
        XCTAssertEqual(result, AppendResult(repeatedRowCount: 5))
        XCTAssertEqual(try again.append(numberBatch(0..<5), producer: 4, epoch: 201, arrivalMicroseconds: 0).rowCount, 5)
    }

    func testEpochsSurviveRetentionOfTheirSegments() throws {
        let bench = Bench()
        let (directory, stream) = try bench.make {
            $0.segmentByteCount = 2_000
            $0.retentionMicroseconds = 100
        }
        try stream.append(numberBatch(0..<5), producer: 4, epoch: 17, arrivalMicroseconds: 0)
        for append in 0..<20 { try stream.append(numberBatch(append..<append + 1), producer: 5, epoch: UInt64(append), arrivalMicroseconds: 1) }
        // Everything is too old: even the active segment goes, and the numbers go on.
        let result = try stream.maintain(nowMicroseconds: 1_000)
        XCTAssertEqual(result.expiredRowCount, 25)
        XCTAssertEqual(stream.shards[0].oldestSequence, 25)
        XCTAssertEqual(stream.expiredRowCount, 25)
        XCTAssertThrowsError(try readAll(stream.shards[0], from: 3, columns: [0])) {
            guard case LogError.expired(_, _, 3, 25) = $0 else { return XCTFail("\($0)") }
        }
        try directory.close()
        bench.system.crash()
        let again = try XCTUnwrap(bench.open().stream(named: "s"))
        XCTAssertEqual(again.shards[0].lastEpoch(of: 4), 17)
        XCTAssertEqual(again.shards[0].lastEpoch(of: 5), 19)
        XCTAssertEqual(try again.append(numberBatch(0..<1), arrivalMicroseconds: 2_000).parts[0].sequences, 25..<26)
    }

    func testRetentionByAgeAndSizeAndJumpingClocks() throws {
        let bench = Bench()
        let (_, stream) = try bench.make {
            $0.segmentByteCount = 2_000
            $0.retentionMicroseconds = 1_000
        }
        for append in 0..<40 { try stream.append(numberBatch(append..<append + 1), arrivalMicroseconds: Int64(append) * 100) }
        // A clock that went back: nothing is older than it was.
        XCTAssertEqual(try stream.maintain(nowMicroseconds: -1_000_000).expiredRowCount, 0)
        XCTAssertEqual(try stream.maintain(nowMicroseconds: .min).expiredRowCount, 0)
        let expired = try stream.maintain(nowMicroseconds: 3_900).expiredRowCount
        XCTAssertGreaterThan(expired, 0)
        XCTAssertEqual(UInt64(expired), stream.shards[0].oldestSequence)
        // Every row within the age is there.
        XCTAssertEqual(ids(try readAll(stream)[0]), Array(expired..<40))
        XCTAssertLessThanOrEqual(expired, 29)
        // A row that arrives while the clock is behind is dated as the one before it.
        try stream.append(numberBatch(99..<100), arrivalMicroseconds: 5)
        XCTAssertEqual(stream.shards[0].frames(in: 40..<41)[0].arrivalMin, 3_900)

        let sized = Bench(seed: 2)
        let (_, other) = try sized.make {
            $0.segmentByteCount = 2_000
            $0.retentionByteCount = 8_000
        }
        for append in 0..<40 { try other.append(numberBatch(append..<append + 1), arrivalMicroseconds: 0) }
        _ = try other.maintain(nowMicroseconds: 0)
        // A segment of the rest has been merged in the same round.
        XCTAssertTrue((6_000...11_000).contains(other.statistics[0].byteCount), "\(other.statistics[0].byteCount)")
    }

    func testIntervalSync() throws {
        let bench = Bench()
        let (_, stream) = try bench.make { $0.sync = .interval(milliseconds: 100) }
        let start = bench.system.operationCount
        try stream.append(numberBatch(0..<5), arrivalMicroseconds: 1_000)
        XCTAssertEqual(bench.system.operationCount, start + 1)
        _ = try stream.maintain(nowMicroseconds: 50_000)
        XCTAssertEqual(bench.system.operationCount, start + 1)
        _ = try stream.maintain(nowMicroseconds: 101_000)
        XCTAssertEqual(bench.system.operationCount, start + 2)
        bench.system.crash()
        XCTAssertEqual(ids(try readAll(XCTUnwrap(bench.open().stream(named: "s")))[0]), Array(0..<5))
    }

    func testStatistics() throws {
        let bench = Bench()
        let (_, stream) = try bench.make(shards: 2) { $0.partitionColumns = [0] }
        try stream.append(numberBatch(0..<100), arrivalMicroseconds: 5)
        XCTAssertEqual(stream.statistics.reduce(0) { $0 + $1.rowCount }, 100)
        XCTAssertTrue(stream.statistics.allSatisfy { $0.byteCount > 0 && $0.segmentCount == 1 && $0.arrivalMin == 5 && !$0.isFenced })
    }
}
