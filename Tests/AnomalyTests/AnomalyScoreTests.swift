import XCTest

@testable import Anomaly

final class AnomalyScoreTests: XCTestCase {
    private static let minute: Int64 = 60_000_000

    func testStateIsUnder4KiB() throws { XCTAssertLessThan(try ModelRunner("anomaly").model.stateByteCount, 4096) }

    func testASpikeIsToldOnceAndGrowthAgain() throws {
        let runner = try ModelRunner("anomaly")
        var random = TestRandom(1)
        var told = 0
        for row in 0..<1500 { if runner.step(random.normal(), at: Int64(row) * 5 * AnomalyScoreTests.minute)[1] > 0, row > 300 { told += 1 } }
        // Plain noise: one in 316 is rare enough, less what is told already.
        XCTAssertLessThan(told, 10)
        let spike = runner.step(40, at: 1500 * 5 * AnomalyScoreTests.minute)
        XCTAssertGreaterThan(spike[1], 0.5)
        XCTAssertEqual(spike[2], 0, accuracy: 1)
        XCTAssertLessThan(spike[4], 8)
        XCTAssertGreaterThan(spike[4], 2)
        let next = runner.step(40, at: 1501 * 5 * AnomalyScoreTests.minute)
        XCTAssertEqual(next[0], 0)
        XCTAssertGreaterThan(next[5], 2.5)
        // Far beyond it: news.
        XCTAssertGreaterThan(runner.step(1e7, at: 1502 * 5 * AnomalyScoreTests.minute)[0], 3)
    }

    func testANightlyJobIsAHabitAndMissesNothingElse() throws {
        let runner = try ModelRunner("anomaly")
        var random = TestRandom(2)
        var tolds: [Int] = []
        for row in 0..<(288 * 14) {
            // At three in the morning, give or take ten minutes, for five minutes.
            let jitter = Int(UInt(row / 288) &* 7 % 5) - 2
            let job = row % 288 == 36 + jitter ? 50.0 : 0
            let extra = row == 288 * 12 + 150 ? 50.0 : 0
            if runner.step(10 + random.unit() + job + extra, at: Int64(row) * 5 * AnomalyScoreTests.minute)[1] > 0.4 { tolds.append(row) }
        }
        // The first days it is news.
        XCTAssertEqual(tolds.filter { $0 > 288 * 3 }, [288 * 12 + 150])
    }

    func testADailyWaveIsForecastAndADayWithoutItIsNews() throws {
        let runner = try ModelRunner("anomaly")
        var random = TestRandom(3)
        var errors = 0.0
        var high = 0.0
        for row in 0..<(288 * 21) {
            let day = row / 288
            let isBusy = (108..<216).contains(row % 288) && day != 18
            let outputs = runner.step((isBusy ? 80 : 20) + random.unit(), at: Int64(row) * 5 * AnomalyScoreTests.minute)
            if day == 15, ![108, 216].contains(row % 288) { errors = max(errors, row % 288 % 12 < 6 || row % 288 > 230 ? 0 : abs(outputs[2] - (isBusy ? 80.5 : 20.5))) }
            if day == 18 { high = max(high, outputs[1]) }
        }
        XCTAssertLessThan(errors, 35)
        XCTAssertGreaterThan(high, 0.4)
    }

    func testScaleDoesNotMatter() throws {
        var results: [[Double]] = []
        for scale in [1.0, 0x1p-60, 0x1p90] {
            let runner = try ModelRunner("anomaly")
            var random = TestRandom(5)
            results.append((0..<800).map { row in runner.step(random.normal() * scale, at: Int64(row) * 5 * AnomalyScoreTests.minute)[0] })
        }
        XCTAssertEqual(results[0], results[1])
        XCTAssertEqual(results[0], results[2])
    }

    func testTimeOfWeek() {
        // 2024-01-01 was a Monday; 12:45 UTC.
        let monday = TimeOfWeek(1_704_113_100_000_000)
        XCTAssertEqual([monday.hourOfDay, monday.hourOfWeek, monday.halfHour], [12, 12, 25])
        XCTAssertEqual(monday.hourFraction, 0.75)
        XCTAssertEqual(monday.day, 19723)
        // One microsecond before 1970: a Wednesday's last.
        let before = TimeOfWeek(-1)
        XCTAssertEqual([before.hourOfDay, before.hourOfWeek, before.halfHour], [23, 71, 47])
        XCTAssertEqual(before.day, -1)
        for time in [Int64.min, Int64.max] {
            let place = TimeOfWeek(time)
            XCTAssertTrue((0..<24).contains(place.hourOfDay) && (0..<168).contains(place.hourOfWeek) && (0..<48).contains(place.halfHour))
        }
    }

    // MARK: Histogram

    private func withHistogram(_ body: (RarityHistogram, UnsafeMutableRawPointer) -> Void) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: RarityHistogram.byteCount, alignment: 16)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: RarityHistogram.byteCount)
        body(RarityHistogram(memory), memory)
    }

    /// Exponent and three bits of fraction, as the histogram tells sizes apart.
    private func rounded(_ size: Double) -> UInt64 { size.bitPattern >> 49 }

    func testRarityEqualsCounting() {
        var random = TestRandom(6)
        withHistogram { histogram, memory in
            var seen: [Double] = []
            for row in 0..<3000 {
                let size = abs(random.normal()) * (row % 50 == 0 ? 30 : 1)
                let asLarge = seen.filter { rounded($0) >= rounded(size) }.count
                var expected = seen.isEmpty ? 0 : log10(Double(seen.count + 1) / Double(asLarge + 1))
                if asLarge * 100 < seen.count {
                    // The largest hundredth begins in the bucket of this one.
                    let begin = seen.sorted(by: >)[(seen.count + 99) / 100 - 1]
                    expected += 0.2 * max(0, (Double(rounded(size)) - Double(rounded(begin)) - 1) / 8)
                }
                XCTAssertEqual(histogram.rarity(size), expected, accuracy: 1e-12, "row \(row)")
                histogram.learn(size)
                seen.append(size)
                if row > 1000, row % 100 == 0 {
                    // Of the sizes seen, those at least this large are not more than one in 10^2.
                    let limit = histogram.size(ofRarity: 2)
                    XCTAssertLessThanOrEqual(seen.filter { $0 >= limit }.count, seen.count / 100 + 1)
                    XCTAssertGreaterThan(seen.filter { $0 >= limit * 0.8 }.count, seen.count / 100 - 2)
                }
            }
            XCTAssertTrue(RarityHistogram.isSound(memory))
        }
    }

    func testTheWindowSlidesAndCountsAreHalved() {
        withHistogram { histogram, memory in
            for exponent in 0..<200 {
                histogram.learn(Double(sign: .plus, exponent: exponent * 5, significand: 1))
                XCTAssertTrue(RarityHistogram.isSound(memory))
            }
            XCTAssertEqual(histogram.rarity(Double(sign: .plus, exponent: 999, significand: 1)), log10(201.0), accuracy: 3)
            histogram.learn(0)
        }
        withHistogram { histogram, memory in
            histogram.learn(1000)
            for _ in 0..<200_000 { histogram.learn(1) }
            XCTAssertTrue(RarityHistogram.isSound(memory))
            // What happened once is not forgotten by halving.
            XCTAssertLessThan(histogram.rarity(1000), histogram.rarity(2000))
            XCTAssertGreaterThan(histogram.rarity(1000), 4)
        }
    }

    func testNoveltyGate() {
        var state = [0.0, 0.0]
        state.withUnsafeMutableBytes { bytes in
            let gate = NoveltyGate(bytes.baseAddress!)
            XCTAssertEqual(gate.score(3), 3)
            XCTAssertEqual(gate.score(3), 0)
            XCTAssertEqual(gate.score(3.6), 0)
            XCTAssertEqual(gate.score(3.9), 3.9)
            // Half of the 250 points later it weighs half.
            for _ in 0..<124 { XCTAssertEqual(gate.score(1.9), 0) }
            XCTAssertEqual(gate.score(2.5), 2.5)
        }
        XCTAssertEqual([2, 2.5, 3, 4].map(NoveltyGate.grade), [0, 0, 0.5, 0.75])
    }
}
