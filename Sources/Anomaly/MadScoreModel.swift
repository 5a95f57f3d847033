// MadScoreModel: MAD_SCORE(value), the modified z-score of Iglewicz and Hoaglin (1993): distance from the median of the values before it in
// units of their median absolute deviation / 0.6745, which is the standard deviation where values are normal. Outliers among the values
// before move neither. Where more than half of them are equal, the mean absolute deviation x 1.2533 stands in.
//
// State: count, place of the oldest, values in order of arrival, values in order of size. Cost: O(points).

package final class MadScoreModel: AnomalyModel, @unchecked Sendable {
    private let points: Int

    private static let headerByteCount = 16

    init(points: Int) {
        self.points = points
        super.init(valueCount: 1, outputCount: 1, stateByteCount: MadScoreModel.headerByteCount + points * 16)
    }

    package static let function = ModelFunction(
        name: "mad_score", valueCount: 1...1,
        parameters: [ModelParameter("points", .integer(2...10_000), standard: 100, "how many values before it a value is compared with")],
        outputs: [ModelOutput("score", .double, "robust standard deviations above (or, negative, below) the median")],
        summary: "Distance from the median of the last values, in units of their median absolute deviation"
    ) { _, parameters in MadScoreModel(points: Int(parameters[0])) }

    package override func step(
        _ state: UnsafeMutableRawPointer, timeMicroseconds: Int64, values: UnsafePointer<Double>, outputs: UnsafeMutablePointer<Double>
    ) {
        let header = state.assumingMemoryBound(to: Int64.self)
        let kept = (state + MadScoreModel.headerByteCount).assumingMemoryBound(to: Double.self)
        let sorted = kept + points
        outputs[0] = .nan
        guard values[0].isFinite else { return }
        let value = Scores.bounded(values[0])
        var count = Int(header[0])
        if count >= 2 {
            let median = Scores.median(sorted, count)
            var deviation = Scores.medianDistance(sorted, count, from: median) / 0.6745
            if !(deviation > 0) {
                var sum = 0.0
                for index in 0..<count { sum += abs(sorted[index] - median) }
                deviation = sum / Double(count) * 1.2533141373155
            }
            outputs[0] = Scores.distance(value - median, deviation: deviation)
        }
        let next = Int(header[1])
        if count == points {
            // By value: where it is not found (damaged numbers), the largest goes.
            let oldest = kept[next]
            var at = 0
            while at < count - 1, sorted[at] != oldest { at += 1 }
            for index in at..<(count - 1) { sorted[index] = sorted[index + 1] }
            count -= 1
        }
        Scores.insert(value, sorted, count)
        kept[next] = value
        header[1] = Int64((next + 1) % points)
        header[0] = Int64(count + 1)
    }

    package override func isSound(_ state: UnsafeRawPointer) -> Bool {
        let header = state.assumingMemoryBound(to: Int64.self)
        return header[0] >= 0 && header[0] <= Int64(points) && header[1] >= 0 && header[1] < Int64(points)
    }
}
