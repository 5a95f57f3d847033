// AnomalyScoreModel: ANOMALY(value), for a metric of unknown kind. It has no parameters.
//
// 1. What was to be expected: the best, lately, of three cheap forecasts: the level (it moves by at most twice the usual deviation, so an
//    outlier does not drag it), the mean of this hour of the day, the mean of this hour of the week. Residual = value - expected.
// 2. A residual as large as (1.25 x) what both of the last two days had within about half an hour of this time of day is a habit, such as a
//    nightly job, and counts as none.
// 3. Three views of the residual: alone; its mean over about 10 points; its mean over about 33 points in standard deviations of that mean.
//    Each asks its own histogram how rare such a size has been: rarity = log10(points seen / points as large), plus a fifth for each
//    doubling beyond the largest hundredth. Ranks make series of any scale and any tail comparable. The rarest view counts.
// 4. What an operator wants told is what is new: after a point was told, one within the next 250 is told again only if it is a quarter
//    rarer than that one still weighs, which falls in a line to nothing over those 250 points. `score` is the rarity of what is told.
//
// Decided against (they did not help on other series than those they were found on): sums of views, more views, Gaussian tails instead of
// ranks, memories that fade, a score for silence. The constants lie on plateaus: half or twice of each changes the benchmark little.
//
// Values beyond 1e37 count as 1e37, and profiles are kept in single precision as differences from the first value: 3.3 KiB a key.
// Infinities count as NULL. A NULL changes nothing. Without a time in the order there is no time of day; the level is what is left.

import Glibc

package final class AnomalyScoreModel: AnomalyModel, @unchecked Sendable {
    package static let function = ModelFunction(
        name: "anomaly", valueCount: 1...1, parameters: [],
        outputs: [
            ModelOutput("score", .double, "how rare what is new about this point is: 3 is one point in a thousand; 0 when there is nothing new"),
            ModelOutput("grade", .double, "0 (nothing to tell) to 1: above 0 where the score is above 2.5"),
            ModelOutput("expected", .double, "the forecast of this point"),
            ModelOutput("low", .double, "lowest value that would not be rare here"),
            ModelOutput("high", .double, "highest value that would not be rare here"),
            ModelOutput("rarity", .double, "as score, but stays up for as long as the anomaly lasts"),
        ],
        summary: "How unusual a metric of unknown kind is: no parameters to choose"
    ) { _, _ in AnomalyScoreModel() }

    // The state: numbers, whole numbers, means, flags, histograms; each part begins at a multiple of its elements' size.
    private enum Number {
        static let origin = 0, level = 1, spread = 2, errorLevel = 3, errorDay = 4, errorWeek = 5, shortMean = 6, slow = 7, slowMean = 8
        static let slowVariance = 9, daySum = 10, weekSum = 11, count = 12
    }
    private enum Whole {
        static let points = 0, day = 1, dayBin = 2, weekBin = 3, dayPoints = 4, weekPoints = 5, dayForecasts = 6
        static let weekForecasts = 7, count = 8
    }
    private static let hoursOfDay = 24
    private static let hoursOfWeek = 168
    private static let halfHours = 48
    /// Today and the two days before.
    private static let habitDays = 3
    private static let wholeOffset = Number.count * 8
    private static let dayOffset = wholeOffset + Whole.count * 8
    private static let weekOffset = dayOffset + hoursOfDay * 4
    private static let habitOffset = weekOffset + hoursOfWeek * 4
    private static let daySeenOffset = habitOffset + habitDays * halfHours * 4
    private static let weekSeenOffset = daySeenOffset + hoursOfDay
    private static let gateOffset = weekSeenOffset + hoursOfWeek
    private static let pointHistogramOffset = gateOffset + NoveltyGate.byteCount
    private static let shortHistogramOffset = pointHistogramOffset + RarityHistogram.byteCount
    private static let slowHistogramOffset = shortHistogramOffset + RarityHistogram.byteCount
    private static let endOffset = slowHistogramOffset + RarityHistogram.byteCount

    private static let microsecondsPerHour: Int64 = 3_600_000_000
    private static let valueMax = 1e37
    /// Points before anything is called rare.
    private static let warmUpPoints: Int64 = 50
    /// Forecasts that a profile must have made before it may be the one.
    private static let forecastsMin: Int64 = 300

    init() { super.init(valueCount: 1, outputCount: 6, stateByteCount: AnomalyScoreModel.endOffset) }

    package override func start(_ state: UnsafeMutableRawPointer) {
        super.start(state)
        let whole = (state + AnomalyScoreModel.wholeOffset).assumingMemoryBound(to: Int64.self)
        whole[Whole.dayBin] = -1
        whole[Whole.weekBin] = -1
    }

    package override func isSound(_ state: UnsafeRawPointer) -> Bool {
        typealias Model = AnomalyScoreModel
        let whole = (state + Model.wholeOffset).assumingMemoryBound(to: Int64.self)
        let hours = Int64(Model.hoursOfDay)
        return whole[Whole.points] >= 0 && whole[Whole.points] < Int64.max / 2 && (-1..<hours).contains(whole[Whole.dayBin])
            && (-1..<Int64(Model.hoursOfWeek)).contains(whole[Whole.weekBin]) && whole[Whole.dayPoints] >= 0
            && whole[Whole.dayPoints] <= whole[Whole.points] && whole[Whole.weekPoints] >= 0
            && whole[Whole.weekPoints] <= whole[Whole.points] && whole[Whole.dayForecasts] >= 0
            && whole[Whole.dayForecasts] <= whole[Whole.points] && whole[Whole.weekForecasts] >= 0
            && whole[Whole.weekForecasts] <= whole[Whole.points]
            && RarityHistogram.isSound(state + Model.pointHistogramOffset) && RarityHistogram.isSound(state + Model.shortHistogramOffset)
            && RarityHistogram.isSound(state + Model.slowHistogramOffset)
    }

    package override func step(
        _ state: UnsafeMutableRawPointer, timeMicroseconds: Int64, values: UnsafePointer<Double>, outputs: UnsafeMutablePointer<Double>
    ) {
        typealias Model = AnomalyScoreModel
        let number = state.assumingMemoryBound(to: Double.self)
        let whole = (state + Model.wholeOffset).assumingMemoryBound(to: Int64.self)
        guard values[0].isFinite else {
            for index in 0..<6 { outputs[index] = .nan }
            return
        }
        let value = min(max(values[0], -Model.valueMax), Model.valueMax)
        let points = whole[Whole.points]
        if points == 0 {
            number[Number.origin] = value
            number[Number.level] = value
        }

        // Forecasts, made before anything is learnt of this point.
        let place = TimeOfWeek(timeMicroseconds)
        closeHours(state, place)
        let level = number[Number.level]
        let day = profileForecast(state, Model.dayOffset, Model.daySeenOffset, place.hourOfDay, Model.hoursOfDay, place.hourFraction)
        let week = profileForecast(state, Model.weekOffset, Model.weekSeenOffset, place.hourOfWeek, Model.hoursOfWeek, place.hourFraction)
        var expected = level
        var bestError = number[Number.errorLevel]
        if day.isFinite, whole[Whole.dayForecasts] > Model.forecastsMin, number[Number.errorDay] < 0.8 * bestError {
            expected = day
            bestError = number[Number.errorDay]
        }
        if week.isFinite, whole[Whole.weekForecasts] > Model.forecastsMin, number[Number.errorWeek] < 0.8 * bestError { expected = week }
        learnErrors(number, whole, value: value, level: level, day: day, week: week)

        let residual = value - expected
        let habit = self.habit(state, place)
        let unusual = abs(residual) <= 1.25 * habit ? 0 : residual
        let rate = 1 / Double(points + 1)
        number[Number.shortMean] += max(0.1, rate) * (unusual - number[Number.shortMean])
        number[Number.slow] += max(0.03, rate) * (residual - number[Number.slow])
        let slowDifference = number[Number.slow] - number[Number.slowMean]
        let slowVariance = number[Number.slowVariance]
        let slowScore = slowVariance > 0 ? abs(slowDifference) / slowVariance.squareRoot() : 0

        let pointHistogram = RarityHistogram(state + Model.pointHistogramOffset)
        let pointRarity = pointHistogram.rarity(abs(unusual))
        let shortRarity = RarityHistogram(state + Model.shortHistogramOffset).rarityThenLearn(abs(number[Number.shortMean]))
        let slowRarity = RarityHistogram(state + Model.slowHistogramOffset).rarityThenLearn(slowScore)
        let reach = max(pointHistogram.size(ofRarity: NoveltyGate.gradeFrom), 1.25 * habit)
        pointHistogram.learn(abs(unusual))
        let rarity = points >= Model.warmUpPoints ? max(pointRarity, max(shortRarity, slowRarity)) : 0

        let score = NoveltyGate(state + Model.gateOffset).score(rarity)
        outputs[0] = score
        outputs[1] = NoveltyGate.grade(score)
        outputs[2] = expected
        outputs[3] = expected - reach
        outputs[4] = expected + reach
        outputs[5] = rarity

        // Learn the rest.
        let slowRate = max(0.001, rate)
        number[Number.slowMean] += slowRate * slowDifference
        number[Number.slowVariance] = (1 - slowRate) * (slowVariance + slowRate * slowDifference * slowDifference)
        let difference = value - level
        number[Number.spread] += slowRate * (abs(difference) - number[Number.spread])
        let stepMax = 2 * number[Number.spread]
        number[Number.level] = level + slowRate * (points > 10 ? min(max(difference, -stepMax), stepMax) : difference)
        addToHours(number, whole, place, value - number[Number.origin])
        noteHabit(state, place, Float(abs(residual)))
        whole[Whole.points] = min(points + 1, Int64.max / 4)
    }

    /// Mean errors of the three forecasts, each point's bounded by ten times the level's so that an anomaly does not change the choice.
    private func learnErrors(
        _ number: UnsafeMutablePointer<Double>, _ whole: UnsafeMutablePointer<Int64>, value: Double, level: Double, day: Double, week: Double
    ) {
        let levelError = abs(value - level)
        let usual = number[Number.errorLevel]
        let errorMax = usual > 0 ? 10 * usual : Double.infinity
        number[Number.errorLevel] += 0.003 * (min(levelError, errorMax) - usual)
        let after = number[Number.errorLevel]
        let errorMaxAfter = after > 0 ? 10 * after : Double.infinity
        if day.isFinite { whole[Whole.dayForecasts] += 1 }
        if week.isFinite { whole[Whole.weekForecasts] += 1 }
        let dayError = day.isFinite ? abs(value - day) : levelError
        let weekError = week.isFinite ? abs(value - week) : levelError
        number[Number.errorDay] += 0.003 * (min(dayError, errorMaxAfter) - number[Number.errorDay])
        number[Number.errorWeek] += 0.003 * (min(weekError, errorMaxAfter) - number[Number.errorWeek])
    }

    // MARK: Hours of the day and of the week

    /// The mean of this hour, weighed with that of the nearer neighbouring hour; NaN where this hour has not been seen.
    private func profileForecast(
        _ state: UnsafeMutableRawPointer, _ meanOffset: Int, _ seenOffset: Int, _ hour: Int, _ hours: Int, _ fraction: Double
    ) -> Double {
        let mean = (state + meanOffset).assumingMemoryBound(to: Float.self)
        let seen = (state + seenOffset).assumingMemoryBound(to: UInt8.self)
        guard seen[hour] > 0 else { return .nan }
        let neighbour = fraction >= 0.5 ? (hour + 1 == hours ? 0 : hour + 1) : (hour == 0 ? hours - 1 : hour - 1)
        let weight = abs(fraction - 0.5)
        let own = Double(mean[hour])
        let other = seen[neighbour] > 0 ? Double(mean[neighbour]) : own
        return state.assumingMemoryBound(to: Double.self)[Number.origin] + own * (1 - weight) + other * weight
    }

    private func addToHours(
        _ number: UnsafeMutablePointer<Double>, _ whole: UnsafeMutablePointer<Int64>, _ place: TimeOfWeek, _ difference: Double
    ) {
        whole[Whole.dayBin] = Int64(place.hourOfDay)
        whole[Whole.weekBin] = Int64(place.hourOfWeek)
        number[Number.daySum] += difference
        number[Number.weekSum] += difference
        whole[Whole.dayPoints] += 1
        whole[Whole.weekPoints] += 1
    }

    /// Takes the means of an hour that is over into the profiles, and forgets days that are too long ago to be a habit.
    private func closeHours(_ state: UnsafeMutableRawPointer, _ place: TimeOfWeek) {
        typealias Model = AnomalyScoreModel
        let number = state.assumingMemoryBound(to: Double.self)
        let whole = (state + Model.wholeOffset).assumingMemoryBound(to: Int64.self)
        let elapsedDays = place.day.subtractingReportingOverflow(whole[Whole.day])
        let isLaterDay = elapsedDays.overflow || elapsedDays.partialValue > 0
        if whole[Whole.dayBin] >= 0, whole[Whole.weekBin] != Int64(place.hourOfWeek) || isLaterDay {
            closeHour(state, Model.dayOffset, Model.daySeenOffset, Int(whole[Whole.dayBin]), number[Number.daySum], whole[Whole.dayPoints])
            closeHour(
                state, Model.weekOffset, Model.weekSeenOffset, Int(whole[Whole.weekBin]), number[Number.weekSum], whole[Whole.weekPoints])
            number[Number.daySum] = 0
            number[Number.weekSum] = 0
            whole[Whole.dayPoints] = 0
            whole[Whole.weekPoints] = 0
        }
        guard isLaterDay || whole[Whole.points] == 0 else { return }
        let shift = elapsedDays.overflow ? Model.habitDays : Int(min(max(elapsedDays.partialValue, 0), Int64(Model.habitDays)))
        let habits = (state + Model.habitOffset).assumingMemoryBound(to: Float.self)
        for index in (0..<Model.habitDays * Model.halfHours).reversed() {
            let source = index - shift * Model.halfHours
            habits[index] = source >= 0 ? habits[source] : 0
        }
        whole[Whole.day] = place.day
    }

    private func closeHour(
        _ state: UnsafeMutableRawPointer, _ meanOffset: Int, _ seenOffset: Int, _ hour: Int, _ sum: Double, _ points: Int64
    ) {
        guard points > 0 else { return }
        let mean = (state + meanOffset).assumingMemoryBound(to: Float.self)
        let seen = (state + seenOffset).assumingMemoryBound(to: UInt8.self)
        let rate = max(0.3, 1 / Double(Int(seen[hour]) + 1))
        let old = Double(mean[hour])
        mean[hour] = Float(old + rate * (sum / Double(points) - old))
        if seen[hour] < .max { seen[hour] += 1 }
    }

    // MARK: Habits

    /// The size of residual that both of the last two days had at about this time.
    private func habit(_ state: UnsafeMutableRawPointer, _ place: TimeOfWeek) -> Double {
        typealias Model = AnomalyScoreModel
        let habits = (state + Model.habitOffset).assumingMemoryBound(to: Float.self)
        var least = Float.infinity
        for day in 1..<Model.habitDays {
            // Days are laid out from today backwards: before the first half hour of a day comes the last of the next row.
            let at = day * Model.halfHours + place.halfHour
            var largest = habits[at]
            let before = place.halfHour > 0 ? at - 1 : at + 2 * Model.halfHours - 1
            let after = place.halfHour < Model.halfHours - 1 ? at + 1 : at - 2 * Model.halfHours + 1
            if before < Model.habitDays * Model.halfHours { largest = max(largest, habits[before]) }
            if after >= 0 { largest = max(largest, habits[after]) }
            least = min(least, largest)
        }
        return Double(least)
    }

    private func noteHabit(_ state: UnsafeMutableRawPointer, _ place: TimeOfWeek, _ size: Float) {
        let habits = (state + AnomalyScoreModel.habitOffset).assumingMemoryBound(to: Float.self)
        if size > habits[place.halfHour] { habits[place.halfHour] = size }
    }
}

/// Where a time lies in its day and week (UTC; weeks begin on Monday).
struct TimeOfWeek {
    let day: Int64
    let hourOfDay: Int
    let hourOfWeek: Int
    let halfHour: Int
    /// How much of the hour has passed, 0..<1.
    let hourFraction: Double

    init(_ timeMicroseconds: Int64) {
        let perHour: Int64 = 3_600_000_000
        var hour = timeMicroseconds / perHour
        var rest = timeMicroseconds % perHour
        if rest < 0 {
            rest += perHour
            hour -= 1
        }
        var day = hour / 24
        var hourOfDay = hour % 24
        if hourOfDay < 0 {
            hourOfDay += 24
            day -= 1
        }
        var weekday = (day + 3) % 7
        if weekday < 0 { weekday += 7 }
        self.day = day
        self.hourOfDay = Int(hourOfDay)
        self.hourOfWeek = Int(weekday * 24 + hourOfDay)
        self.halfHour = Int(hourOfDay * 2) + (rest >= perHour / 2 ? 1 : 0)
        self.hourFraction = Double(rest) / Double(perHour)
    }
}
