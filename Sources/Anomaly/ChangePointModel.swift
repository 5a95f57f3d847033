// ChangePointModel: CHANGE_POINT(value), Bayesian online change point detection (Adams and MacKay 2007, arXiv 0710.3742) of a normal series
// whose mean and variance change together.
//
// For each length that the present run may have: its probability and the normal-gamma posterior of its values. A value multiplies each
// probability by how well the run foretold it (Student's t), and moves 1 / `run_length` of the mass to a run that begins with the next. Kept
// are the `runs` most probable lengths; below a billionth none is. A new run's prior takes its mean from all values, wide, and its variance
// from the differences of neighbours, so that no scale has to be given.
//
// `probability` is that the run began within the last `within` values: it rises when a change has shown itself and falls `within` values
// later. (The probability of length 0 is 1 / run_length by construction and says nothing.)
//
// State: 48 bytes and 40 for each run kept. Cost: O(runs).

import Glibc

package final class ChangePointModel: AnomalyModel, @unchecked Sendable {
    private let hazard: Double
    private let runs: Int
    private let within: Int
    /// ln(gamma(a + 1/2) / gamma(a)) for a = 1 + length / 2.
    private let gammaRatio: [Double]

    private struct Run {
        var probability: Double
        var length: Double
        var mean: Double
        /// Values that the mean is worth.
        var weight: Double
        var squares: Double
    }
    private enum Number { static let count = 0, mean = 1, noise = 2, last = 3, runs = 4, size = 6 }

    package static let function = ModelFunction(
        name: "change_point", valueCount: 1...1,
        parameters: [
            ModelParameter("run_length", .number(2...1_000_000_000), standard: 250, "values between changes, as expected beforehand"),
            ModelParameter("runs", .integer(8...4096), standard: 100, "lengths of the present run that are weighed at a time"),
            ModelParameter("within", .integer(1...1000), standard: 5, "a change this many values ago still counts as one"),
        ],
        outputs: [
            ModelOutput("probability", .double, "that the series changed within the last few values"),
            ModelOutput("run_length", .bigint, "values since the last change, most probably"),
            ModelOutput("expected", .double, "mean of that run"),
        ],
        summary: "Probability that mean or variance have just changed"
    ) { _, parameters in ChangePointModel(runLength: parameters[0], runs: Int(parameters[1]), within: Int(parameters[2])) }

    init(runLength: Double, runs: Int, within: Int) {
        hazard = 1 / runLength
        self.runs = runs
        self.within = within
        gammaRatio = (0..<4096).map { length in
            let a = 1 + Double(length) / 2
            var sign: Int32 = 0
            return lgamma_r(a + 0.5, &sign) - lgamma_r(a, &sign)
        }
        super.init(valueCount: 1, outputCount: 3, stateByteCount: Number.size * 8 + (runs + 1) * MemoryLayout<Run>.stride)
    }

    package override func isSound(_ state: UnsafeRawPointer) -> Bool {
        let number = state.assumingMemoryBound(to: Double.self)
        guard number[Number.runs] >= 0, number[Number.runs] <= Double(runs), number[Number.runs] == number[Number.runs].rounded() else {
            return false
        }
        return number[Number.count] >= 0 && number[Number.count] <= 1e15
    }

    package override func step(
        _ state: UnsafeMutableRawPointer, timeMicroseconds: Int64, values: UnsafePointer<Double>, outputs: UnsafeMutablePointer<Double>
    ) {
        let number = state.assumingMemoryBound(to: Double.self)
        let run = (state + Number.size * 8).assumingMemoryBound(to: Run.self)
        for index in 0..<3 { outputs[index] = .nan }
        guard values[0].isFinite else { return }
        let value = min(max(values[0], -1e100), 1e100)
        let seen = number[Number.count]
        if seen > 0 {
            let difference = value - number[Number.last]
            number[Number.noise] += max(0.02, 1 / seen) * (difference * difference / 2 - number[Number.noise])
        }
        number[Number.count] = min(seen + 1, 1e15)
        number[Number.mean] += max(1e-4, 1 / number[Number.count]) * (value - number[Number.mean])
        number[Number.last] = value

        var count = Int(number[Number.runs])
        if count == 0 {
            run[0] = prior(number)
            run[0].probability = 1
            count = 1
        }
        count = weigh(run, count, value, number)
        number[Number.runs] = Double(count)
        guard seen + 1 > 2 * Double(within), count > 0 else { return }
        var recent = 0.0
        var best = 0
        for index in 0..<count {
            if run[index].length <= Double(within) { recent += run[index].probability }
            if run[index].probability > run[best].probability { best = index }
        }
        outputs[0] = min(1, recent)
        outputs[1] = run[best].length
        outputs[2] = run[best].mean
    }

    private func prior(_ number: UnsafePointer<Double>) -> Run {
        let floor = 1e-18 * (number[Number.mean] * number[Number.mean]) + 1e-200
        return Run(probability: 0, length: 0, mean: number[Number.mean], weight: 0.05, squares: max(number[Number.noise], floor))
    }

    /// Weighs every run with a value; gives the number of runs kept.
    private func weigh(_ run: UnsafeMutablePointer<Run>, _ before: Int, _ value: Double, _ number: UnsafePointer<Double>) -> Int {
        // Logarithms first, so that a value which no run foretold does not make every probability 0.
        var largest = -Double.infinity
        for index in 0..<before {
            let here = run[index]
            let shape = 1 + here.length / 2
            let spread = here.squares * (here.weight + 1) / here.weight
            let difference = value - here.mean
            let isShort = here.length >= 0 && here.length < 4096
            let ratio = isShort ? gammaRatio[Int(here.length)] : 0.5 * log(shape - 0.25)
            let weighed = log(here.probability) + ratio - 0.5 * log(spread) - (shape + 0.5) * log1p(difference * difference / (2 * spread))
            run[index].probability = weighed
            if weighed > largest { largest = weighed }
        }
        guard largest.isFinite else {
            run[0] = prior(number)
            run[0].probability = 1
            return 1
        }
        var total = 0.0
        for index in 0..<before {
            let weight = exp(run[index].probability - largest)
            run[index].probability = weight.isFinite ? weight : 0
            total += run[index].probability
        }
        var kept = 0
        for index in 0..<before {
            var here = run[index]
            here.probability = here.probability / total * (1 - hazard)
            guard here.probability > 1e-9 else { continue }
            let difference = value - here.mean
            here.squares += difference * difference * here.weight / (2 * (here.weight + 1))
            here.mean += difference / (here.weight + 1)
            here.weight = min(here.weight + 1, 1e9)
            here.length = min(here.length + 1, 1e15)
            run[kept] = here
            kept += 1
        }
        if kept == runs {
            var least = 0
            for index in 1..<kept where run[index].probability < run[least].probability { least = index }
            for index in least..<(kept - 1) { run[index] = run[index + 1] }
            kept -= 1
        }
        run[kept] = prior(number)
        run[kept].probability = hazard
        kept += 1
        var sum = 0.0
        for index in 0..<kept { sum += run[index].probability }
        for index in 0..<kept { run[index].probability /= sum }
        return kept
    }
}
