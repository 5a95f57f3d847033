// HoltWintersModel: HOLT_WINTERS(value), triple exponential smoothing (Holt 1957, Winters 1960), additive: level, trend, and one number for
// each place in the season.
//
// Where `season` is not given, the last values are kept and SeasonFinder looks at them when 32, 64, 128, ... values are known and, once the
// window (twice the longest season) is full, each time it has been renewed; until a season is found the model has none. A season found, or
// another one, is filled in from the kept values. The score is the error of the forecast in units of the exponentially weighted standard
// deviation of the errors before. One error moves the model by at most four deviations, so that an outlier does not become the new level.
//
// A NULL advances the season and is otherwise passed over. State: 64 bytes, the season, and (when it is to be found) the window.

package final class HoltWintersModel: AnomalyModel, @unchecked Sendable {
    private let givenSeason: Int?
    private let seasonMax: Int
    private let window: Int
    private let alpha: Double
    private let beta: Double
    private let gamma: Double

    private enum Whole { static let points = 0, season = 1, phase = 2, kept = 3, next = 4, sinceLook = 5, count = 6 }
    private enum Number { static let level = 0, trend = 1, variance = 2, count = 4 }

    private let seasonOffset, windowOffset: Int

    package static let function = ModelFunction(
        name: "holt_winters", valueCount: 1...1,
        parameters: [
            ModelParameter("season", .integer(1...4096), standard: .nan, "rows of a season, 1: none; found from the data when not given"),
            ModelParameter("season_max", .integer(2...2048), standard: 300, "longest season looked for"),
            ModelParameter("alpha", .number(0.0001...1), standard: 0.1, "weight of a new value in the level"),
            ModelParameter("beta", .number(0...1), standard: 0.01, "weight of a new step in the trend"),
            ModelParameter("gamma", .number(0...1), standard: 0.1, "weight of a new value in its place of the season"),
        ],
        outputs: [
            ModelOutput("score", .double, "standard deviations of the forecast's error above (or, negative, below) the forecast"),
            ModelOutput("expected", .double, "the forecast"),
            ModelOutput("low", .double, "forecast less three standard deviations"),
            ModelOutput("high", .double, "forecast plus three standard deviations"),
            ModelOutput("season", .bigint, "rows of the season in use, 1 where there is none"),
        ],
        summary: "Forecast by level, trend and season"
    ) { _, parameters in
        HoltWintersModel(
            season: parameters[0].isNaN ? nil : Int(parameters[0]), seasonMax: Int(parameters[1]), alpha: parameters[2], beta: parameters[3],
            gamma: parameters[4])
    }

    init(season: Int?, seasonMax: Int, alpha: Double, beta: Double, gamma: Double) {
        givenSeason = season
        self.seasonMax = season ?? seasonMax
        window = season == nil ? seasonMax * 2 : 0
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        seasonOffset = Whole.count * 8 + Number.count * 8
        windowOffset = seasonOffset + self.seasonMax * 8
        super.init(valueCount: 1, outputCount: 5, stateByteCount: windowOffset + window * 8)
    }

    package override func start(_ state: UnsafeMutableRawPointer) {
        super.start(state)
        state.assumingMemoryBound(to: Int64.self)[Whole.season] = Int64(givenSeason ?? 1)
    }

    package override func isSound(_ state: UnsafeRawPointer) -> Bool {
        let whole = state.assumingMemoryBound(to: Int64.self)
        let season = whole[Whole.season]
        return whole[Whole.points] >= 0 && whole[Whole.points] < .max / 2 && season >= 1 && season <= Int64(seasonMax)
            && (givenSeason == nil || season == Int64(seasonMax)) && whole[Whole.phase] >= 0 && whole[Whole.phase] < season
            && whole[Whole.kept] >= 0 && whole[Whole.kept] <= Int64(window) && whole[Whole.next] >= 0
            && whole[Whole.next] < Int64(max(1, window)) && whole[Whole.sinceLook] >= 0 && whole[Whole.sinceLook] < .max / 2
    }

    package override func step(
        _ state: UnsafeMutableRawPointer, timeMicroseconds: Int64, values: UnsafePointer<Double>, outputs: UnsafeMutablePointer<Double>
    ) {
        let whole = state.assumingMemoryBound(to: Int64.self)
        let number = (state + Whole.count * 8).assumingMemoryBound(to: Double.self)
        let seasonal = (state + seasonOffset).assumingMemoryBound(to: Double.self)
        for index in 0..<5 { outputs[index] = .nan }
        let season = whole[Whole.season]
        let phase = Int(whole[Whole.phase])
        defer { whole[Whole.phase] = (whole[Whole.phase] + 1) % whole[Whole.season] }
        guard values[0].isFinite else { return }
        let value = Scores.bounded(values[0])
        let points = whole[Whole.points]
        whole[Whole.points] = min(points + 1, .max / 4)
        if points == 0 { number[Number.level] = value }

        // With a season that is not known yet, its first round sets it.
        let isFirstRound = points < season && season > 1 && givenSeason != nil
        let expected = number[Number.level] + number[Number.trend] + (season > 1 ? seasonal[phase] : 0)
        let error = value - expected
        let deviation = number[Number.variance].squareRoot()
        outputs[4] = Double(season)
        if points > 0, !isFirstRound, expected.isFinite, deviation.isFinite {
            outputs[1] = expected
            outputs[2] = expected - 3 * deviation
            outputs[3] = expected + 3 * deviation
            if points >= 8 { outputs[0] = Scores.distance(error, deviation: deviation) }
        }
        learn(number, seasonal, value, error, expected, deviation, points, phase, Int(season), isFirstRound)
        if givenSeason == nil { keep(state, value) }
    }

    private func learn(
        _ number: UnsafeMutablePointer<Double>, _ seasonal: UnsafeMutablePointer<Double>, _ value: Double, _ error: Double,
        _ expected: Double, _ deviation: Double, _ points: Int64, _ phase: Int, _ season: Int, _ isFirstRound: Bool
    ) {
        guard expected.isFinite, deviation.isFinite else {
            // Only damaged or absurd numbers get here: begin again.
            number[Number.level] = value
            number[Number.trend] = 0
            number[Number.variance] = 0
            return
        }
        if isFirstRound {
            number[Number.level] += (value - number[Number.level]) / Double(points + 1)
            seasonal[phase] = value - number[Number.level]
            return
        }
        let rate = max(0.01, 1 / Double(points + 1))
        let errorMax = points < 16 ? Double.infinity : 4 * deviation + 1e-12 * abs(expected)
        let bounded = min(max(error, -errorMax), errorMax)
        let isStill = deviation == 0
        let used = isStill ? error : bounded
        let level = number[Number.level]
        let trend = number[Number.trend]
        number[Number.level] = Scores.bounded(level + trend + max(alpha, 1 / Double(points + 1)) * used)
        number[Number.trend] = Scores.bounded(trend + alpha * beta * used)
        if season > 1 { seasonal[phase] = Scores.bounded(seasonal[phase] + gamma * (1 - alpha) * used) }
        number[Number.variance] = (1 - rate) * (number[Number.variance] + rate * error * error)
        if points == 0 { number[Number.variance] = 0 }
    }

    // MARK: Finding the season

    private func keep(_ state: UnsafeMutableRawPointer, _ value: Double) {
        let whole = state.assumingMemoryBound(to: Int64.self)
        let kept = (state + windowOffset).assumingMemoryBound(to: Double.self)
        kept[Int(whole[Whole.next])] = value
        whole[Whole.next] = (whole[Whole.next] + 1) % Int64(window)
        whole[Whole.kept] = min(whole[Whole.kept] + 1, Int64(window))
        whole[Whole.sinceLook] += 1
        let count = Int(whole[Whole.kept])
        let isFull = count == window
        let isPower = count >= 32 && count & (count - 1) == 0
        guard isFull ? whole[Whole.sinceLook] >= Int64(window) || whole[Whole.points] == Int64(window) : isPower else { return }
        whole[Whole.sinceLook] = 0
        look(state, count)
    }

    private func look(_ state: UnsafeMutableRawPointer, _ count: Int) {
        let whole = state.assumingMemoryBound(to: Int64.self)
        let number = (state + Whole.count * 8).assumingMemoryBound(to: Double.self)
        let seasonal = (state + seasonOffset).assumingMemoryBound(to: Double.self)
        let kept = (state + windowOffset).assumingMemoryBound(to: Double.self)
        let next = count == window ? Int(whole[Whole.next]) : 0
        withUnsafeTemporaryAllocation(of: Double.self, capacity: count * 2) { buffer in
            guard let ordered = buffer.baseAddress else { return }
            for index in 0..<count { ordered[index] = kept[(next + index) % window] }
            let found = SeasonFinder.season(ordered, count, longest: seasonMax, ordered + count)
            // None found does not take away one that was: a quiet week is no proof.
            guard found > 1, Int64(found) != whole[Whole.season] else { return }
            var mean = 0.0
            for index in 0..<count { mean += ordered[index] / Double(count) }
            // The newest value has phase found - 1, so that the next one begins the season.
            for phase in 0..<found {
                var sum = 0.0
                var members = 0.0
                var index = count - found + phase
                while index >= 0 {
                    sum += ordered[index] - mean
                    members += 1
                    index -= found
                }
                seasonal[phase] = Scores.bounded(sum / max(1, members))
            }
            whole[Whole.season] = Int64(found)
            whole[Whole.phase] = Int64(found - 1)
            number[Number.level] = Scores.bounded(mean)
            number[Number.trend] = 0
        }
    }
}
