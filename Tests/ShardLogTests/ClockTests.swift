// A wall clock that jumps by days, either way, or stands still: numbers rise, arrival times never fall, nothing is removed early.

import Columns
import Platform
import XCTest

@testable import ShardLog

final class ClockTests: XCTestCase {
    private static let day: Int64 = 86_400_000_000

    private func make(_ bench: Bench) throws -> (LogDirectory, LogStream) {
        try bench.make {
            $0.segmentByteCount = 2_000
            $0.retentionMicroseconds = 2 * ClockTests.day
        }
    }

    func testAJumpForwardRemovesNothingThatIsNotThatOld() throws {
        let bench = Bench()
        bench.clock.set(toMicroseconds: 100 * ClockTests.day)
        let (directory, stream) = try make(bench)
        for row in 0..<20 { try stream.append(numberBatch(row..<row + 1), arrivalMicroseconds: bench.clock.nowMicroseconds()) }
        try directory.maintain()
        bench.clock.jump(byMicroseconds: 10 * ClockTests.day)
        XCTAssertEqual(try directory.maintain().expiredRowCount, 0)
        // Rows of before and of after the jump live their two days, whatever the clock says.
        bench.clock.advance(byMicroseconds: ClockTests.day)
        for row in 20..<30 { try stream.append(numberBatch(row..<row + 1), arrivalMicroseconds: bench.clock.nowMicroseconds()) }
        XCTAssertEqual(try directory.maintain().expiredRowCount, 0)
        bench.clock.jump(byMicroseconds: -10 * ClockTests.day)
        bench.clock.advance(byMicroseconds: ClockTests.day + ClockTests.day / 2)
        let expired = try directory.maintain().expiredRowCount
        XCTAssertTrue((15...20).contains(expired), "\(expired)")
        bench.clock.advance(byMicroseconds: ClockTests.day)
        _ = try directory.maintain()
        XCTAssertEqual(stream.shards[0].oldestSequence, 30, "all rows are older than two days now")
    }

    func testAJumpWhileTheProcessIsDownRemovesNothingEither() throws {
        let bench = Bench()
        bench.clock.set(toMicroseconds: 100 * ClockTests.day)
        do {
            let (directory, stream) = try make(bench)
            for row in 0..<20 { try stream.append(numberBatch(row..<row + 1), arrivalMicroseconds: bench.clock.nowMicroseconds()) }
            try directory.maintain()
            try directory.close()
        }
        bench.clock.jump(byMicroseconds: 30 * ClockTests.day)
        do {
            let directory = try bench.open()
            XCTAssertEqual(try directory.maintain().expiredRowCount, 0)
            try directory.close()
        }
        // Set right again, and a real day later.
        bench.clock.jump(byMicroseconds: -30 * ClockTests.day)
        bench.clock.advance(byMicroseconds: ClockTests.day)
        do {
            let directory = try bench.open()
            XCTAssertEqual(try directory.maintain().expiredRowCount, 0)
            try directory.close()
        }
        bench.clock.advance(byMicroseconds: 2 * ClockTests.day)
        let directory = try bench.open()
        XCTAssertEqual(try directory.maintain().expiredRowCount, 20)
    }

    func testNumbersAndArrivalTimesRise() throws {
        let bench = Bench()
        bench.clock.set(toMicroseconds: 50 * ClockTests.day)
        var (directory, stream) = try make(bench)
        var random = SeededRandom(seed: 3)
        var last: (sequence: UInt64, arrival: Int64) = (0, .min)
        for row in 0..<200 {
            switch random.below(6) {
            case 0: bench.clock.jump(byMicroseconds: ClockTests.day * (Int64(random.below(7)) - 3))
            case 1: bench.clock.advance(byMicroseconds: Int64(random.below(1_000_000)))
            case 2 where row % 10 == 0:
                bench.system.crash()
                directory = try bench.open()
                stream = try XCTUnwrap(directory.stream(named: "s"))
            default: break
            }
            let result = try stream.append(numberBatch(row..<row + 1), arrivalMicroseconds: bench.clock.nowMicroseconds())
            let sequence = result.parts[0].sequences.lowerBound
            let info = stream.shards[0].frames(in: sequence..<sequence + 1)[0]
            XCTAssertEqual(sequence, last.sequence)
            XCTAssertGreaterThanOrEqual(info.arrivalMin, last.arrival)
            last = (sequence + 1, info.arrivalMax)
            try directory.maintain()
        }
        XCTAssertEqual(ids(try readAll(stream)[0]), Array(0..<200))
    }

    func testIntervalSyncComesThoughTheWallClockStands() throws {
        let bench = Bench()
        let (directory, stream) = try bench.make { $0.sync = .interval(milliseconds: 100) }
        try stream.append(numberBatch(0..<5), arrivalMicroseconds: 0)
        // The wall clock runs back as fast as time goes on: it stands.
        for _ in 0..<3 {
            try directory.maintain()
            bench.clock.advance(byMicroseconds: 60_000)
            bench.clock.jump(byMicroseconds: -60_000)
        }
        try directory.maintain()
        bench.system.crash()
        XCTAssertEqual(ids(try readAll(XCTUnwrap(bench.open().stream(named: "s")))[0]), Array(0..<5))
    }

    func testASteadyClockNeverGoesBackAndDoesNotStandForDays() {
        let wall = ManualClock(startingAtMicroseconds: 1_000_000)
        let steady = SteadyClock(wall)
        XCTAssertEqual(steady.nowMicroseconds(), 1_000_000)
        wall.jump(byMicroseconds: 5_000_000)
        XCTAssertEqual(steady.nowMicroseconds(), 6_000_000)
        wall.jump(byMicroseconds: -5_000_000)
        XCTAssertEqual(steady.nowMicroseconds(), 6_000_000)
        wall.advance(byMicroseconds: 1_000_000)
        XCTAssertEqual(steady.nowMicroseconds(), 6_500_000)
        wall.advance(byMicroseconds: 20_000_000)
        XCTAssertEqual(steady.nowMicroseconds(), 22_000_000)
    }
}
