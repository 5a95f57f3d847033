// SeasonalEsdModel: SEASONAL_ESD(value), after S-H-ESD (Vallis, Hochenbaum, Kejariwal, "A Novel Technique for Long-Term Anomaly Detection in
// the Cloud", HotCloud 2014), for a stream.
//
// The batch form decomposes a whole series, takes off its season and its median, and asks the generalised extreme Studentised deviate test,
// with median and median absolute deviation for mean and deviation, which points are outliers. Here a value is asked about once, when it
// comes: against the last `points` values; the season is, for each place in it, the median of the values kept for that place; and the test
// is the step at which the new value is the most extreme left: more extreme earlier residuals are taken out first. If those are more than
// the share `max_anomalies`, the value is not an outlier. A later value never changes an answer given.
//
// Where `season` is not given SeasonFinder looks for it when 64, 128, ... values are known, when the window is full, and each time it has
// been renewed. A NULL advances the season and is otherwise passed over.
//
// State: 64 bytes, values, their places, medians. Cost: O(points log points): the residuals are sorted for each value.

package final class SeasonalEsdModel: AnomalyModel, @unchecked Sendable {
    private let givenSeason: Int?
    private let points: Int
    private let seasonMax: Int
    private let share: Double
    /// Critical value by the number of residuals that the test is made with.
    private let critical: [Double]

    private enum Whole { static let season = 0, phase = 1, kept = 2, next = 3, sinceLook = 4, seen = 5, count = 8 }

    private let phaseOffset, medianOffset: Int

    package static let function = ModelFunction(
        name: "seasonal_esd", valueCount: 1...1,
        parameters: [
            ModelParameter("season", .integer(1...2048), standard: .nan, "rows of a season, 1: none; found from the data when not given"),
            ModelParameter("points", .integer(16...8192), standard: 512, "how many values before it a value is compared with"),
            ModelParameter("max_anomalies", .number(0...0.49), standard: 0.1, "share of those that may be outliers themselves"),
            ModelParameter("significance", .number(1e-12...0.5), standard: 0.001, "probability of calling an outlier what is none"),
        ],
        outputs: [
            ModelOutput("score", .double, "robust standard deviations above (or, negative, below) what was expected"),
            ModelOutput("anomaly", .boolean, "whether the test calls it an outlier"),
            ModelOutput("expected", .double, "the season's median at this place"),
            ModelOutput("low", .double, "lowest value that the test would let pass"),
            ModelOutput("high", .double, "highest value that the test would let pass"),
        ],
        summary: "Extreme Studentised deviate test on what is left without season and median"
    ) { (_, parameters) throws(ModelError) in
        let points = Int(parameters[1])
        if !parameters[0].isNaN, parameters[0] * 2 > Double(points) {
            throw ModelError(parameter: "season", "A season of \(Int(parameters[0])) rows needs points of at least twice that, not \(points)")
        }
        return SeasonalEsdModel(
            season: parameters[0].isNaN ? nil : Int(parameters[0]), points: points, share: parameters[2], significance: parameters[3])
    }

    init(season: Int?, points: Int, share: Double, significance: Double) {
        givenSeason = season
        self.points = points
        seasonMax = season ?? points / 3
        self.share = share
        critical = (0...(points + 1)).map { count in
            guard count >= 4 else { return .infinity }
            // Rosner 1983, with `count` values left including the one tested.
            let left = Double(count)
            let t = Quantiles.student(1 - significance / (2 * left), degrees: left - 2)
            return (left - 1) * t / ((left - 2 + t * t) * left).squareRoot()
        }
        phaseOffset = Whole.count * 8 + points * 8
        medianOffset = (phaseOffset + points * 2 + 7) & ~7
        super.init(valueCount: 1, outputCount: 5, stateByteCount: medianOffset + seasonMax * 8)
    }

    package override func start(_ state: UnsafeMutableRawPointer) {
        super.start(state)
        state.assumingMemoryBound(to: Int64.self)[Whole.season] = Int64(givenSeason ?? 1)
    }

    package override func isSound(_ state: UnsafeRawPointer) -> Bool {
        let whole = state.assumingMemoryBound(to: Int64.self)
        let phases = (state + phaseOffset).assumingMemoryBound(to: UInt16.self)
        let season = whole[Whole.season]
        guard season >= 1, season <= Int64(seasonMax), givenSeason == nil || season == Int64(seasonMax), whole[Whole.phase] >= 0,
            whole[Whole.phase] < season, whole[Whole.kept] >= 0, whole[Whole.kept] <= Int64(points), whole[Whole.next] >= 0,
            whole[Whole.next] < Int64(points), whole[Whole.sinceLook] >= 0, whole[Whole.sinceLook] < .max / 2, whole[Whole.seen] >= 0,
            whole[Whole.seen] < .max / 2
        else { return false }
        for index in 0..<points where Int64(phases[index]) >= season { return false }
        return true
    }

    package override func step(
        _ state: UnsafeMutableRawPointer, timeMicroseconds: Int64, values: UnsafePointer<Double>, outputs: UnsafeMutablePointer<Double>
    ) {
        let whole = state.assumingMemoryBound(to: Int64.self)
        let kept = (state + Whole.count * 8).assumingMemoryBound(to: Double.self)
        let phases = (state + phaseOffset).assumingMemoryBound(to: UInt16.self)
        let medians = (state + medianOffset).assumingMemoryBound(to: Double.self)
        for index in 0..<5 { outputs[index] = .nan }
        let phase = Int(whole[Whole.phase])
        defer { whole[Whole.phase] = (whole[Whole.phase] + 1) % whole[Whole.season] }
        guard values[0].isFinite else { return }
        let value = Scores.bounded(values[0])
        let count = Int(whole[Whole.kept])
        if count >= max(16, 2 * Int(whole[Whole.season])) { test(kept, phases, medians, count, phase, value, outputs) }

        let next = Int(whole[Whole.next])
        let forgotten = count == points ? Int(phases[next]) : phase
        kept[next] = value
        phases[next] = UInt16(truncatingIfNeeded: phase)
        whole[Whole.next] = Int64((next + 1) % points)
        whole[Whole.kept] = Int64(min(count + 1, points))
        whole[Whole.seen] = min(whole[Whole.seen] + 1, .max / 4)
        whole[Whole.sinceLook] = min(whole[Whole.sinceLook] + 1, .max / 4)
        takeMedian(state, phase)
        if forgotten != phase { takeMedian(state, forgotten) }
        if givenSeason == nil { lookForSeason(state) }
    }

    private func test(
        _ kept: UnsafePointer<Double>, _ phases: UnsafePointer<UInt16>, _ medians: UnsafePointer<Double>, _ count: Int, _ phase: Int,
        _ value: Double, _ outputs: UnsafeMutablePointer<Double>
    ) {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: count) { residuals in
            for index in 0..<count { residuals[index] = kept[index] - medians[Int(phases[index])] }
            var ordered = residuals
            ordered.sort()
            guard let sorted = residuals.baseAddress else { return }
            let center = Scores.median(sorted, count)
            let residual = value - medians[phase] - center
            // Those more extreme are at the two ends.
            var first = 0
            var end = count
            while first < end, center - sorted[first] > abs(residual) { first += 1 }
            while end > first, sorted[end - 1] - center > abs(residual) { end -= 1 }
            let taken = count - (end - first)
            let left = end - first
            let isTested = Double(taken) <= share * Double(count)
            // Where too many are more extreme the deviation of all serves for the score.
            let scale = isTested ? UnsafePointer(sorted + first) : UnsafePointer(sorted)
            let scaleCount = isTested ? left : count
            let median = Scores.median(scale, scaleCount)
            var deviation = Scores.medianDistance(scale, scaleCount, from: median) * 1.4826
            if !(deviation > 0) {
                var sum = 0.0
                for index in 0..<scaleCount { sum += abs(scale[index] - median) }
                deviation = sum / Double(scaleCount) * 1.2533141373155
            }
            let score = Scores.distance(value - medians[phase] - median, deviation: deviation)
            let limit = critical[scaleCount + 1]
            let expected = medians[phase] + median
            outputs[0] = score
            outputs[1] = isTested && abs(score) > limit ? 1 : 0
            outputs[2] = expected
            outputs[3] = expected - limit * deviation
            outputs[4] = expected + limit * deviation
        }
    }

    private func takeMedian(_ state: UnsafeMutableRawPointer, _ phase: Int) {
        let whole = state.assumingMemoryBound(to: Int64.self)
        let kept = (state + Whole.count * 8).assumingMemoryBound(to: Double.self)
        let phases = (state + phaseOffset).assumingMemoryBound(to: UInt16.self)
        let medians = (state + medianOffset).assumingMemoryBound(to: Double.self)
        guard whole[Whole.season] > 1 else { return }
        let count = Int(whole[Whole.kept])
        withUnsafeTemporaryAllocation(of: Double.self, capacity: max(1, count)) { members in
            guard let sorted = members.baseAddress else { return }
            var found = 0
            for index in 0..<count where Int(phases[index]) == phase {
                Scores.insert(kept[index], sorted, found)
                found += 1
            }
            if found > 0 { medians[phase] = Scores.median(sorted, found) }
        }
    }

    private func lookForSeason(_ state: UnsafeMutableRawPointer) {
        let whole = state.assumingMemoryBound(to: Int64.self)
        let kept = (state + Whole.count * 8).assumingMemoryBound(to: Double.self)
        let phases = (state + phaseOffset).assumingMemoryBound(to: UInt16.self)
        let count = Int(whole[Whole.kept])
        let isDue = count == points
            ? whole[Whole.seen] == Int64(points) || whole[Whole.sinceLook] >= Int64(points) : count >= 64 && count & (count - 1) == 0
        guard isDue else { return }
        whole[Whole.sinceLook] = 0
        let first = count == points ? Int(whole[Whole.next]) : 0
        withUnsafeTemporaryAllocation(of: Double.self, capacity: count * 2) { buffer in
            guard let ordered = buffer.baseAddress else { return }
            for index in 0..<count { ordered[index] = kept[(first + index) % points] }
            let found = SeasonFinder.season(ordered, count, longest: seasonMax, ordered + count)
            guard found > 1, Int64(found) != whole[Whole.season] else { return }
            whole[Whole.season] = Int64(found)
            // The newest value is the season's last.
            for index in 0..<count {
                phases[(first + index) % points] = UInt16(truncatingIfNeeded: (found * points + found - 1 - (count - 1 - index)) % found)
            }
            for index in count..<max(count, points) { phases[index] = 0 }
            whole[Whole.phase] = Int64(found - 1)
            for phase in 0..<found { takeMedian(state, phase) }
        }
    }
}
