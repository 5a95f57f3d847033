// EwmaScoreModel: EWMA_SCORE(value), distance from the exponentially weighted mean of the values before, in units of their exponentially
// weighted standard deviation (the control chart of Roberts 1959 applied to single values).
//
// Until 1 / alpha values are known the plain mean and variance are used. State: count, mean, variance. Cost: O(1).

package final class EwmaScoreModel: AnomalyModel, @unchecked Sendable {
    private let alpha: Double

    init(alpha: Double) {
        self.alpha = alpha
        super.init(valueCount: 1, outputCount: 1, stateByteCount: 32)
    }

    package static let function = ModelFunction(
        name: "ewma_score", valueCount: 1...1,
        parameters: [ModelParameter("alpha", .number(0.0001...1), standard: 0.02, "weight of a new value in the mean; 0.02 looks back about 50 values")],
        outputs: [ModelOutput("score", .double, "standard deviations above (or, negative, below) the weighted mean")],
        summary: "Distance from the exponentially weighted mean, in weighted standard deviations"
    ) { _, parameters in EwmaScoreModel(alpha: parameters[0]) }

    package override func step(
        _ state: UnsafeMutableRawPointer, timeMicroseconds: Int64, values: UnsafePointer<Double>, outputs: UnsafeMutablePointer<Double>
    ) {
        let number = state.assumingMemoryBound(to: Double.self)
        outputs[0] = .nan
        guard values[0].isFinite else { return }
        let value = Scores.bounded(values[0])
        let difference = value - number[1]
        if number[0] >= 2 { outputs[0] = Scores.distance(difference, deviation: number[2].squareRoot()) }
        number[0] = min(number[0] + 1, 1e9)
        let rate = max(alpha, 1 / number[0])
        number[1] += rate * difference
        number[2] = (1 - rate) * (number[2] + rate * difference * difference)
    }
}
