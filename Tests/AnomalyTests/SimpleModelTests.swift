import XCTest

@testable import Anomaly

/// The models with a formula, against computing it from all values anew.
final class SimpleModelTests: XCTestCase {
    private func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    private func series(_ seed: UInt64, _ count: Int) -> [Double] {
        var random = TestRandom(seed)
        return (0..<count).map { row in
            random.below(10) == 0 ? 3 : random.normal() * (random.below(20) == 0 ? 20 : 1) + Double(row % 6)
        }
    }

    func testMadScoreByHand() throws {
        let runner = try ModelRunner("mad_score", ["points": 5])
        for value in [1.0, 2, 3, 4, 100] { runner.step(value) }
        // Median 3, distances 2 1 0 1 97, their median 1.
        XCTAssertEqual(runner.step(7)[0], 4 * 0.6745, accuracy: 1e-12)
        // 1 is forgotten: 2 3 4 7 100; median 4, distances 2 1 0 3 96, median 2.
        XCTAssertEqual(runner.step(0)[0], -4 * 0.6745 / 2, accuracy: 1e-12)
    }

    func testMadScoreOfMostlyEqualValues() throws {
        let runner = try ModelRunner("mad_score", ["points": 4])
        for value in [5.0, 5, 5, 9] { runner.step(value) }
        // The median distance is 0, the mean distance 1.
        XCTAssertEqual(runner.step(6)[0], 1 / 1.2533141373155, accuracy: 1e-9)
        for _ in 0..<4 { runner.step(5) }
        XCTAssertEqual(runner.step(5)[0], 0)
    }

    func testMadAndZScoreAgainstSorting() throws {
        for points in [2, 3, 7, 20] {
            let mad = try ModelRunner("mad_score", ["points": Double(points)])
            let zscore = try ModelRunner("zscore", ["points": Double(points)])
            var seen: [Double] = []
            for value in series(UInt64(points), 400) {
                let (score, distance) = (mad.step(value)[0], zscore.step(value)[0])
                let kept = Array(seen.suffix(points))
                if kept.count >= 2 {
                    let center = median(kept)
                    var deviation = median(kept.map { abs($0 - center) }) / 0.6745
                    if deviation == 0 { deviation = kept.reduce(0) { $0 + abs($1 - center) } / Double(kept.count) * 1.2533141373155 }
                    if deviation > 0 { XCTAssertEqual(score, (value - center) / deviation, accuracy: 1e-9 * max(1, abs(score))) }
                    let mean = kept.reduce(0, +) / Double(kept.count)
                    let variance = kept.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(kept.count - 1)
                    if variance > 0 { XCTAssertEqual(distance, (value - mean) / variance.squareRoot(), accuracy: 1e-9 * max(1, abs(distance))) }
                }
                seen.append(value)
            }
        }
    }

    func testEwmaScoreByHand() throws {
        let runner = try ModelRunner("ewma_score", ["alpha": 0.5])
        XCTAssertTrue(runner.step(10)[0].isNaN)
        XCTAssertTrue(runner.step(14)[0].isNaN)
        // Mean 12, variance (4 / 2) x (4 / 2) = 4.
        XCTAssertEqual(runner.step(16)[0], 2, accuracy: 1e-12)
        // Mean 14, variance (4 + 16 / 2) / 2 = 6.
        XCTAssertEqual(runner.step(14)[0], 0, accuracy: 1e-12)
        XCTAssertEqual(runner.step(17)[0], 3 / 3.0.squareRoot(), accuracy: 1e-12)
    }

    // MARK: Seasons

    func testSeasonFinder() {
        var random = TestRandom(1)
        func find(_ count: Int, _ longest: Int, _ value: (Int) -> Double) -> Int {
            let values = (0..<count).map(value)
            var workspace = [Double](repeating: 0, count: count)
            return SeasonFinder.season(values, count, longest: longest, &workspace)
        }
        XCTAssertEqual(find(400, 100) { Double($0 % 24 < 8 ? 10 : 0) + random.normal() }, 24)
        XCTAssertEqual(find(400, 100) { Double($0 % 7) + 0.02 * Double($0) }, 7)
        XCTAssertEqual(find(400, 100) { _ in random.normal() }, 1)
        XCTAssertEqual(find(400, 100) { Double($0) * 3 }, 1)
        XCTAssertEqual(find(400, 100) { _ in 5 }, 1)
        XCTAssertEqual(find(400, 100) { $0 % 24 == 3 ? 1e150 : 0 }, 24)
        XCTAssertEqual(find(5, 100) { Double($0) }, 1)
    }

    func testHoltWintersLearnsLevelTrendAndSeason() throws {
        let shape = [0.0, 5, 10, 3, -4, -9, -5]
        for settings in [["season": 7.0], ["season_max": 30]] {
            let runner = try ModelRunner("holt_winters", settings)
            var random = TestRandom(2)
            var last = 0.0
            for row in 0..<700 {
                let truth = 100 + 0.05 * Double(row) + shape[row % 7]
                let outputs = runner.step(truth + random.normal() * 0.1)
                if row > 400 {
                    XCTAssertEqual(outputs[1], truth, accuracy: 0.8, "row \(row)")
                    XCTAssertLessThan(outputs[2], outputs[1])
                    XCTAssertEqual(outputs[4], 7)
                    last = max(last, abs(outputs[0]))
                }
            }
            XCTAssertLessThan(last, 6)
            XCTAssertGreaterThan(runner.step(100 + 35 + shape[0] + 20)[0], 8)
        }
    }

    func testHoltWintersKeepsItsPlaceInTheSeasonOverANull() throws {
        let runner = try ModelRunner("holt_winters", ["season": 4])
        for row in 0..<200 { runner.step([0.0, 10, 20, 30][row % 4]) }
        runner.step(.nan)
        XCTAssertEqual(runner.step(10)[1], 10, accuracy: 0.5)
    }

    func testSeasonalEsdAgainstComputingAnew() throws {
        let (points, season) = (40, 4)
        let runner = try ModelRunner("seasonal_esd", ["points": 40, "season": 4, "max_anomalies": 0.2, "significance": 0.05])
        var seen: [(Double, Int)] = []
        var anomalies = 0
        for (row, value) in series(9, 400).enumerated() {
            let outputs = runner.step(value)
            let kept = seen.suffix(points)
            if kept.count >= 16 {
                var medians: [Double] = []
                for phase in 0..<season { medians.append(median(kept.filter { $0.1 == phase }.map(\.0))) }
                let residuals = kept.map { $0.0 - medians[$0.1] }
                let center = median(residuals)
                let own = abs(value - medians[row % season] - center)
                let left = residuals.filter { abs($0 - center) <= own }
                let isTested = Double(residuals.count - left.count) <= 0.2 * Double(residuals.count)
                let scale = isTested ? left : Array(residuals)
                let middle = median(scale)
                let deviation = median(scale.map { abs($0 - middle) }) * 1.4826
                let score = (value - medians[row % season] - middle) / deviation
                XCTAssertEqual(outputs[0], score, accuracy: 1e-9 * max(1, abs(score)), "row \(row)")
                XCTAssertEqual(outputs[2], medians[row % season] + middle, accuracy: 1e-9)
                if outputs[1] == 1 {
                    anomalies += 1
                    XCTAssertTrue(isTested && (value < outputs[3] || value > outputs[4]))
                }
            } else {
                XCTAssertTrue(outputs[0].isNaN)
            }
            seen.append((value, row % season))
        }
        XCTAssertTrue((5..<80).contains(anomalies), "\(anomalies)")
    }

    func testSeasonalEsdFindsTheSeason() throws {
        let runner = try ModelRunner("seasonal_esd", ["points": 200])
        var random = TestRandom(3)
        var last: [Double] = []
        for row in 0..<(24 * 20) { last = runner.step((row % 24 < 8 ? 50 : 0) + random.normal()) }
        XCTAssertEqual(last[2], 0, accuracy: 2)
        // Busy hours are due; quiet is the outlier.
        XCTAssertEqual(runner.step(50)[1], 0)
        XCTAssertEqual(runner.step(0)[1], 1)
    }

    func testQuantiles() {
        XCTAssertEqual(Quantiles.normal(0.975), 1.959963985, accuracy: 1e-7)
        XCTAssertEqual(Quantiles.normal(0.001), -3.090232306, accuracy: 1e-7)
        XCTAssertEqual(Quantiles.normal(0.5), 0, accuracy: 1e-9)
        XCTAssertEqual(Quantiles.student(0.975, degrees: 30), 2.042272, accuracy: 1e-3)
        XCTAssertEqual(Quantiles.student(0.9995, degrees: 50), 3.496013, accuracy: 5e-3)
        XCTAssertEqual(Quantiles.chiSquared(0.99, degrees: 4), 13.2767, accuracy: 0.05)
        XCTAssertEqual(Quantiles.chiSquared(0.95, degrees: 10), 18.307, accuracy: 0.02)
    }

    // MARK: Change points

    /// Adams and MacKay with every run kept and probabilities as they are.
    func testChangePointAgainstKeepingEveryRun() throws {
        let runner = try ModelRunner("change_point", ["run_length": 50, "runs": 4096, "within": 3])
        struct Run { var p, n, mean, weight, squares: Double }
        var runs: [Run] = []
        var (mean, noise, last) = (0.0, 0.0, 0.0)
        var random = TestRandom(7)
        for row in 0..<200 {
            let value = random.normal() * (row > 150 ? 4 : 1) + (row > 80 ? 6 : 0)
            let outputs = runner.step(value)
            if row > 0 { noise += max(0.02, 1 / Double(row)) * ((value - last) * (value - last) / 2 - noise) }
            mean += (value - mean) / Double(row + 1)
            last = value
            let prior = Run(p: 1, n: 0, mean: mean, weight: 0.05, squares: max(noise, 1e-18 * mean * mean + 1e-200))
            if runs.isEmpty { runs = [prior] }
            for index in runs.indices {
                let here = runs[index]
                let shape = 1 + here.n / 2
                let spread = here.squares * (here.weight + 1) / here.weight
                let density = tgamma(shape + 0.5) / tgamma(shape) / (2 * Double.pi * spread).squareRoot()
                    * pow(1 + (value - here.mean) * (value - here.mean) / (2 * spread), -(shape + 0.5))
                runs[index].p *= density
            }
            let total = runs.reduce(0) { $0 + $1.p }
            for index in runs.indices {
                let here = runs[index]
                let difference = value - here.mean
                runs[index] = Run(
                    p: here.p / total * (1 - 1.0 / 50), n: here.n + 1, mean: here.mean + difference / (here.weight + 1),
                    weight: here.weight + 1, squares: here.squares + difference * difference * here.weight / (2 * (here.weight + 1)))
            }
            runs.append(Run(p: 1.0 / 50, n: 0, mean: prior.mean, weight: 0.05, squares: prior.squares))
            guard row >= 6 else { continue }
            XCTAssertEqual(outputs[0], runs.filter { $0.n <= 3 }.reduce(0) { $0 + $1.p }, accuracy: 1e-5, "row \(row)")
            let best = runs.max { $0.p < $1.p }!
            XCTAssertEqual(outputs[1], best.n, "row \(row)")
            XCTAssertEqual(outputs[2], best.mean, accuracy: 1e-9)
        }
    }

    func testChangePointTellsAShift() throws {
        let runner = try ModelRunner("change_point")
        var random = TestRandom(8)
        var before = 0.0
        var after = 0.0
        var last: [Double] = []
        for row in 0..<600 {
            last = runner.step(random.normal() + (row >= 400 ? 8 : 0))
            if (100..<400).contains(row) { before = max(before, last[0]) }
            if (400..<406).contains(row) { after = max(after, last[0]) }
        }
        XCTAssertLessThan(before, 0.9)
        XCTAssertGreaterThan(after, 0.95)
        XCTAssertEqual(last[1], 200, accuracy: 3)
        XCTAssertEqual(last[2], 8, accuracy: 0.3)
    }

    // MARK: Relative entropy

    func testRelativeEntropyAgainstCountingAnew() throws {
        let (window, bins) = (20, 4)
        let runner = try ModelRunner("relative_entropy", ["window": 20, "bins": 4, "significance": 0.05])
        let critical = Quantiles.chiSquared(0.95, degrees: 5)
        var seen: [Double] = []
        var known: [[Double]] = []
        var news = 0
        for (row, base) in series(4, 500).enumerated() {
            let value = base + (row > 300 ? 15 : 0)
            let outputs = runner.step(value)
            seen.append(value)
            guard seen.count >= 2 * window else {
                XCTAssertTrue(outputs[0].isNaN)
                continue
            }
            let (low, high) = (seen.prefix(2 * window).min()!, seen.prefix(2 * window).max()!)
            var counts = [Double](repeating: 0, count: bins + 2)
            for value in seen.suffix(window) {
                let place = value < low ? 0 : value > high ? bins + 1 : 1 + min(bins - 1, Int((value - low) / (high - low) * Double(bins)))
                counts[place] += 1
            }
            let shares = counts.map { ($0 + 0.5) / (Double(window) + 0.5 * Double(bins + 2)) }
            let nearest = known.map { other in 2 * Double(window) * zip(shares, other).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) } / critical }.min()
            XCTAssertEqual(outputs[0], nearest ?? 0, accuracy: 1e-9, "row \(row)")
            let isNew = (nearest ?? 0) > 1
            XCTAssertEqual(outputs[1], isNew ? 1 : 0)
            if isNew { news += 1 }
            if isNew || known.isEmpty { known.append(shares) }
            XCTAssertLessThanOrEqual(known.count, 32, "the test's series has too many kinds")
        }
        XCTAssertGreaterThan(news, 0)
    }

    // MARK: Hot spots

    func testHotspotsAgainstMergingNeighbours() throws {
        for columns in [1, 2] {
            let runner = try ModelRunner("hotspots", columns: columns, ["window": 30, "radius": 0.7, "minimum_points": 4])
            var random = TestRandom(UInt64(columns))
            var seen: [[Double]] = []
            var regions = 0
            for row in 0..<300 {
                let center = Double(random.below(3)) * 5
                let point = (0..<columns).map { _ in random.below(5) == 0 ? random.unit() * 15 : center + random.normal() * 0.5 }
                let outputs = runner.step(point)
                seen.append(point)
                let kept = Array(seen.suffix(30))
                func near(_ a: Int, _ b: Int) -> Bool { zip(kept[a], kept[b]).allSatisfy { abs($0 - $1) <= 0.7 } }
                let dense = kept.indices.map { a in kept.indices.filter { near(a, $0) }.count >= 4 }
                // Dense points near each other have one label.
                var label = Array(kept.indices)
                var changed = true
                while changed {
                    changed = false
                    for a in kept.indices where dense[a] {
                        for b in kept.indices where dense[b] && near(a, b) && label[a] != label[b] {
                            label[a] = min(label[a], label[b])
                            label[b] = label[a]
                            changed = true
                        }
                    }
                }
                let own = kept.count - 1
                let door = dense[own] ? own : kept.indices.reversed().first { dense[$0] && near(own, $0) }
                guard let door else {
                    XCTAssertEqual(outputs[0], 0, "row \(row)")
                    XCTAssertTrue(outputs.dropFirst().allSatisfy(\.isNaN))
                    continue
                }
                regions += 1
                let region = kept.indices.filter { a in kept.indices.contains { dense[$0] && label[$0] == label[door] && near(a, $0) } }
                XCTAssertEqual(outputs[0], Double(region.count), "row \(row)")
                for column in 0..<columns {
                    XCTAssertEqual(outputs[2 + column], region.map { kept[$0][column] }.min())
                    XCTAssertEqual(outputs[2 + columns + column], region.map { kept[$0][column] }.max())
                }
                let neighbours = kept.indices.filter { near(own, $0) }.count
                XCTAssertEqual(outputs[1], Double(neighbours) / (columns == 1 ? 1.4 : 1.96), accuracy: 1e-9)
            }
            XCTAssertGreaterThan(regions, 50)
        }
    }

    func testSettingsThatContradict() throws {
        let esd = try XCTUnwrap(ModelFunction.named("seasonal_esd"))
        XCTAssertThrowsError(try esd.make(1, [300, 512, 0.1, 0.01])) { XCTAssertEqual(($0 as? ModelError)?.parameter, "season") }
        let hotspots = try XCTUnwrap(ModelFunction.named("hotspots"))
        XCTAssertThrowsError(try hotspots.make(1, [5, 1, 6])) { XCTAssertEqual(($0 as? ModelError)?.parameter, "minimum_points") }
    }
}
