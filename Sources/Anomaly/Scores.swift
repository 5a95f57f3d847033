// Scores: what the simple models share: bounds on values and on scores.

enum Scores {
    /// Values beyond count as this, so that squares and their sums stay finite.
    static let valueMax = 1e150
    /// A score is at most this: the distance from a series that never varied would be infinite.
    static let scoreMax = 1e9

    @inline(__always)
    static func bounded(_ value: Double) -> Double { min(max(value, -valueMax), valueMax) }

    /// Distance in units of the deviation: 0 for no distance, bounded otherwise.
    @inline(__always)
    static func distance(_ difference: Double, deviation: Double) -> Double {
        if difference == 0 { return 0 }
        let ratio = deviation > 0 ? difference / deviation : (difference > 0 ? scoreMax : -scoreMax)
        return min(max(ratio, -scoreMax), scoreMax)
    }

    /// Puts a value into the first `count` of `sorted`, which are in order.
    static func insert(_ value: Double, _ sorted: UnsafeMutablePointer<Double>, _ count: Int) {
        var at = count
        while at > 0, sorted[at - 1] > value {
            sorted[at] = sorted[at - 1]
            at -= 1
        }
        sorted[at] = value
    }

    static func median(_ sorted: UnsafePointer<Double>, _ count: Int) -> Double {
        let middle = count / 2
        return count % 2 == 1 ? sorted[middle] : sorted[middle - 1] * 0.5 + sorted[middle] * 0.5
    }

    /// Median of the distances of sorted values from `center`, without sorting the distances: they grow to both sides of it.
    static func medianDistance(_ sorted: UnsafePointer<Double>, _ count: Int, from center: Double) -> Double {
        var above = 0
        while above < count, sorted[above] < center { above += 1 }
        var below = above - 1
        var previous = 0.0
        for rank in 0...(count / 2) {
            let lower = below >= 0 ? center - sorted[below] : Double.infinity
            let upper = above < count ? sorted[above] - center : Double.infinity
            let next = min(lower, upper)
            if lower <= upper { below -= 1 } else { above += 1 }
            if rank == count / 2 { return count % 2 == 1 ? next : previous * 0.5 + next * 0.5 }
            previous = next
        }
        return previous
    }
}
