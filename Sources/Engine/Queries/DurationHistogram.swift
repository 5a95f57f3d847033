// DurationHistogram: how often something took how long, in fixed steps from a millisecond fraction to minutes. Adding one is a short search and
// an addition, and two readings can be subtracted: that is all that a scraper needs.

package struct DurationHistogram: Hashable, Sendable {
    /// Upper bounds of the buckets but the last, which has none; microseconds.
    package static let boundsMicroseconds: [Int64] = [
        250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000,
        60_000_000, 300_000_000,
    ]

    /// One for each bound and one for what is beyond the last; not added up.
    package private(set) var counts = [UInt64](repeating: 0, count: boundsMicroseconds.count + 1)
    package private(set) var count: UInt64 = 0
    package private(set) var sumMicroseconds: UInt64 = 0

    package init() {}

    package mutating func add(microseconds: Int64) {
        let microseconds = max(0, microseconds)
        let bucket = Self.boundsMicroseconds.firstIndex { microseconds <= $0 } ?? Self.boundsMicroseconds.count
        counts[bucket] &+= 1
        count &+= 1
        sumMicroseconds &+= UInt64(microseconds)
    }
}

/// Where a query's time goes, since it was started in this process. Epochs that recovery runs again are not in it.
package struct RunFigures: Hashable, Sendable {
    /// One epoch, from its record to its results.
    package private(set) var epochs = DurationHistogram()
    /// From the arrival of an epoch's oldest row to its results being there; epochs without results are not counted.
    package private(set) var latency = DurationHistogram()
    /// Reading and computing; and waiting for what came of it to be taken: that is where a slow disk or sink shows.
    package private(set) var computeMicroseconds: UInt64 = 0
    package private(set) var outputMicroseconds: UInt64 = 0

    mutating func note(startedNanoseconds: UInt64, computedNanoseconds: UInt64, endedNanoseconds: UInt64, latencyMicroseconds: Int64?) {
        epochs.add(microseconds: Int64(clamping: (endedNanoseconds &- startedNanoseconds) / 1_000))
        computeMicroseconds &+= (computedNanoseconds &- startedNanoseconds) / 1_000
        outputMicroseconds &+= (endedNanoseconds &- computedNanoseconds) / 1_000
        if let latencyMicroseconds { latency.add(microseconds: latencyMicroseconds) }
    }
}
