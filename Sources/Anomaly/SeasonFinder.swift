// SeasonFinder: finds the length of the season in a run of values, for models that are not told.
//
// Autocorrelation of the values after taking out the straight line through them. A season is the first lag of 2 or more at which it has a
// peak that no later peak exceeds by a tenth (multiples of a season correlate as well) and that is above 0.3: less is common in series
// without a season. Cost: O(values x longest), so models ask seldom.

enum SeasonFinder {
    /// 1 where there is none. `workspace` has room for `count` numbers.
    static func season(
        _ values: UnsafePointer<Double>, _ count: Int, longest: Int, _ workspace: UnsafeMutablePointer<Double>
    ) -> Int {
        guard count >= 8 else { return 1 }
        // The line by least squares, on values scaled to at most 1 so that nothing overflows.
        var largest = 0.0
        for index in 0..<count { largest = max(largest, abs(values[index])) }
        guard largest > 0, largest.isFinite else { return 1 }
        let middle = Double(count - 1) / 2
        var sum = 0.0
        var slopeSum = 0.0
        var squares = 0.0
        for index in 0..<count {
            let x = Double(index) - middle
            sum += values[index] / largest
            slopeSum += x * (values[index] / largest)
            squares += x * x
        }
        let mean = sum / Double(count)
        let slope = slopeSum / squares
        var power = 0.0
        for index in 0..<count {
            workspace[index] = values[index] / largest - mean - slope * (Double(index) - middle)
            power += workspace[index] * workspace[index]
        }
        guard power > 1e-18 * Double(count) else { return 1 }
        let lagMax = min(longest, count / 2)
        guard lagMax >= 3 else { return 1 }
        var before = correlation(workspace, count, 1, power)
        var here = correlation(workspace, count, 2, power)
        var best = 1
        var bestPeak = 0.3
        for lag in 2..<lagMax {
            let after = correlation(workspace, count, lag + 1, power)
            if here > before, here >= after, here > bestPeak * (best == 1 ? 1 : 1.1) {
                best = lag
                bestPeak = here
            }
            before = here
            here = after
        }
        return best
    }

    /// Unbiased: a longer lag has fewer products.
    private static func correlation(_ values: UnsafePointer<Double>, _ count: Int, _ lag: Int, _ power: Double) -> Double {
        var sum = 0.0
        for index in lag..<count { sum += values[index] * values[index - lag] }
        return sum / power * Double(count) / Double(count - lag)
    }
}
