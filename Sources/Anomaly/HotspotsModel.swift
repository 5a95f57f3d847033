// HotspotsModel: HOTSPOTS(columns...), dense regions among the last rows, as the function of that name in Kinesis Data Analytics.
//
// Rows are points. A point with at least `minimum_points` points within `radius` of it in every column (itself included) is dense. The region
// of this row is what can be reached from it from dense point to dense point within the radius (DBSCAN: Ester, Kriegel, Sander, Xu 1996),
// with the points at its rim. For a row in no region `points` is 0 and the rest is NULL.
//
// Differs from Kinesis: the answer is about this row's region and is given with the row, where Kinesis gives a list of all regions; the
// distance is the largest over columns, so that a region's box and its density fit each other.
//
// State: 16 bytes and 8 for each column of each row kept. Cost: O(window x points in the region).

package final class HotspotsModel: AnomalyModel, @unchecked Sendable {
    private let columns: Int
    private let window: Int
    private let radius: Double
    private let minimum: Int

    private static let headerByteCount = 16

    package static let function = ModelFunction(
        name: "hotspots", valueCount: 1...8,
        parameters: [
            ModelParameter("window", .integer(2...4096), standard: 256, "rows that are remembered"),
            ModelParameter("radius", .number(0...1e300), standard: 1, "how near a point is, in every column, to count as a neighbour"),
            ModelParameter("minimum_points", .integer(2...4096), standard: 10, "neighbours, itself included, that make a point dense"),
        ],
        outputs: [
            ModelOutput("points", .bigint, "points in the region that this row belongs to, 0 where it belongs to none"),
            ModelOutput("density", .double, "neighbours of this row by the volume they lie in, (2 x radius) to the power of the columns"),
            ModelOutput("low", .doublePerColumn, "the region's lowest values"),
            ModelOutput("high", .doublePerColumn, "the region's highest values"),
        ],
        summary: "Dense regions among the last rows"
    ) { (columns, parameters) throws(ModelError) in
        guard parameters[2] <= parameters[0] else {
            throw ModelError(
                parameter: "minimum_points", "minimum_points \(Int(parameters[2])) is more than the window of \(Int(parameters[0])) rows")
        }
        return HotspotsModel(columns: columns, window: Int(parameters[0]), radius: parameters[1], minimum: Int(parameters[2]))
    }

    init(columns: Int, window: Int, radius: Double, minimum: Int) {
        self.columns = columns
        self.window = window
        self.radius = radius
        self.minimum = minimum
        super.init(
            valueCount: columns, outputCount: 2 + 2 * columns, stateByteCount: HotspotsModel.headerByteCount + window * columns * 8)
    }

    package override func isSound(_ state: UnsafeRawPointer) -> Bool {
        let header = state.assumingMemoryBound(to: Int64.self)
        return header[0] >= 0 && header[0] <= Int64(window) && header[1] >= 0 && header[1] < Int64(window)
    }

    package override func step(
        _ state: UnsafeMutableRawPointer, timeMicroseconds: Int64, values: UnsafePointer<Double>, outputs: UnsafeMutablePointer<Double>
    ) {
        let header = state.assumingMemoryBound(to: Int64.self)
        let kept = (state + HotspotsModel.headerByteCount).assumingMemoryBound(to: Double.self)
        for index in 0..<outputCount { outputs[index] = .nan }
        for column in 0..<columns where !values[column].isFinite { return }
        let own = Int(header[1])
        for column in 0..<columns { kept[own * columns + column] = values[column] }
        header[1] = Int64((own + 1) % window)
        header[0] = Int64(min(Int(header[0]) + 1, window))
        let count = Int(header[0])

        withUnsafeTemporaryAllocation(of: Int32.self, capacity: window * 2) { buffer in
            // The region's points in the order they were reached; and for every point, whether it is in.
            guard let reached = buffer.baseAddress else { return }
            let isIn = reached + window
            for index in 0..<count { isIn[index] = 0 }
            var found = 0
            let neighbours = expand(kept, own, count, reached, isIn, &found)
            var volume = 1.0
            for _ in 0..<columns { volume *= 2 * radius }
            outputs[0] = 0
            guard neighbours >= minimum else {
                // Not dense itself: in a region when a dense point is near.
                edge(kept, own, count, reached, isIn, neighbours, volume, outputs)
                return
            }
            grow(kept, count, reached, isIn, &found)
            write(kept, reached, found, outputs)
            outputs[1] = min(Double(neighbours) / volume, .greatestFiniteMagnitude)
        }
    }

    @inline(__always)
    private func isNear(_ kept: UnsafePointer<Double>, _ a: Int, _ b: Int) -> Bool {
        for column in 0..<columns where !(abs(kept[a * columns + column] - kept[b * columns + column]) <= radius) { return false }
        return true
    }

    /// Counts a point's neighbours and, when it is dense, takes those in that are not yet.
    private func expand(
        _ kept: UnsafePointer<Double>, _ point: Int, _ count: Int, _ reached: UnsafeMutablePointer<Int32>,
        _ isIn: UnsafeMutablePointer<Int32>, _ found: inout Int
    ) -> Int {
        var neighbours = 0
        for other in 0..<count where isNear(kept, point, other) { neighbours += 1 }
        guard neighbours >= minimum else { return neighbours }
        for other in 0..<count where isIn[other] == 0 && isNear(kept, point, other) {
            isIn[other] = 1
            reached[found] = Int32(other)
            found += 1
        }
        return neighbours
    }

    private func grow(
        _ kept: UnsafePointer<Double>, _ count: Int, _ reached: UnsafeMutablePointer<Int32>, _ isIn: UnsafeMutablePointer<Int32>,
        _ found: inout Int
    ) {
        var at = 0
        while at < found {
            _ = expand(kept, Int(reached[at]), count, reached, isIn, &found)
            at += 1
        }
    }

    /// For a row that is not dense: the region of the newest dense point near it.
    private func edge(
        _ kept: UnsafePointer<Double>, _ own: Int, _ count: Int, _ reached: UnsafeMutablePointer<Int32>,
        _ isIn: UnsafeMutablePointer<Int32>, _ neighbours: Int, _ volume: Double, _ outputs: UnsafeMutablePointer<Double>
    ) {
        for back in 1..<max(1, count) {
            let other = (own - back + window) % window
            guard other < count, isNear(kept, own, other) else { continue }
            var found = 0
            guard expand(kept, other, count, reached, isIn, &found) >= minimum else { continue }
            grow(kept, count, reached, isIn, &found)
            write(kept, reached, found, outputs)
            outputs[1] = min(Double(neighbours) / volume, .greatestFiniteMagnitude)
            return
        }
    }

    private func write(
        _ kept: UnsafePointer<Double>, _ reached: UnsafePointer<Int32>, _ found: Int, _ outputs: UnsafeMutablePointer<Double>
    ) {
        outputs[0] = Double(found)
        for column in 0..<columns {
            var low = Double.infinity
            var high = -Double.infinity
            for index in 0..<found {
                let value = kept[Int(reached[index]) * columns + column]
                low = min(low, value)
                high = max(high, value)
            }
            outputs[2 + column] = low
            outputs[2 + columns + column] = high
        }
    }
}
