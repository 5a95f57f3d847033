// ZScoreModel: ZSCORE(value), how many standard deviations a value is away from the mean of the values before it.
//
// The last `points` values are kept; mean and variance are computed of them anew for each value, in one order, so that they do not drift.
// State: count, place of the oldest, values. Cost: O(points).

package final class ZScoreModel: AnomalyModel, @unchecked Sendable {
    private let points: Int

    private static let headerByteCount = 16

    init(points: Int) {
        self.points = points
        super.init(valueCount: 1, outputCount: 1, stateByteCount: ZScoreModel.headerByteCount + points * 8)
    }

    package static let function = ModelFunction(
        name: "zscore", valueCount: 1...1,
        parameters: [ModelParameter("points", .integer(2...10_000), standard: 100, "how many values before it a value is compared with")],
        outputs: [ModelOutput("score", .double, "standard deviations above (or, negative, below) the mean")],
        summary: "Distance from the mean of the last values, in standard deviations"
    ) { _, parameters in ZScoreModel(points: Int(parameters[0])) }

    package override func step(
        _ state: UnsafeMutableRawPointer, timeMicroseconds: Int64, values: UnsafePointer<Double>, outputs: UnsafeMutablePointer<Double>
    ) {
        let header = state.assumingMemoryBound(to: Int64.self)
        let kept = (state + ZScoreModel.headerByteCount).assumingMemoryBound(to: Double.self)
        outputs[0] = .nan
        guard values[0].isFinite else { return }
        let value = Scores.bounded(values[0])
        let count = Int(header[0])
        if count >= 2 {
            var mean = 0.0
            for index in 0..<count { mean += kept[index] }
            mean /= Double(count)
            var variance = 0.0
            for index in 0..<count { variance += (kept[index] - mean) * (kept[index] - mean) }
            outputs[0] = Scores.distance(value - mean, deviation: (variance / Double(count - 1)).squareRoot())
        }
        let next = Int(header[1])
        kept[next] = value
        header[1] = Int64((next + 1) % points)
        header[0] = Int64(min(count + 1, points))
    }

    package override func isSound(_ state: UnsafeRawPointer) -> Bool {
        let header = state.assumingMemoryBound(to: Int64.self)
        return header[0] >= 0 && header[0] <= Int64(points) && header[1] >= 0 && header[1] < Int64(points)
    }
}
