// RelativeEntropyModel: RELATIVE_ENTROPY(value), after Wang, Viswanathan, Choudur, Talwar, Satterfield, Schwan, "Statistical Techniques for
// Online Anomaly Detection in Data Centers" (IM 2011), as the Numenta benchmark has it.
//
// The last `window` values, in `bins` bins, are a distribution. It is compared with each distribution seen before: 2 x window x relative
// entropy has a chi squared distribution where both are the same. Where none agrees, the distribution is new: an anomaly, and kept. Of at
// most 32 kept ones the one that agreed least often makes room.
//
// The range of the bins is that of the first 2 x window values; one more bin at each end takes what lies beyond. (The benchmark's form is
// told the range of the whole file beforehand.) Kept distributions are smoothed by half a value a bin, so that a bin never seen before is
// strong evidence but not infinite.
//
// State: 64 bytes, the window's values (they are needed until the range is known), and 32 distributions. Cost: O(bins x distributions).

import Glibc

package final class RelativeEntropyModel: AnomalyModel, @unchecked Sendable {
    private let window: Int
    private let bins: Int
    private let critical: Double

    private static let keptMax = 32
    private enum Number { static let low = 0, high = 1, size = 2 }
    private enum Whole { static let seen = 0, next = 1, kept = 2, size = 4 }

    private let countsOffset, keptOffset, agreedOffset, valuesOffset: Int

    package static let function = ModelFunction(
        name: "relative_entropy", valueCount: 1...1,
        parameters: [
            ModelParameter("window", .integer(8...4096), standard: 52, "values that make a distribution"),
            ModelParameter("bins", .integer(2...64), standard: 5, "bins between the lowest and the highest of the first 2 x window values"),
            ModelParameter("significance", .number(1e-12...0.5), standard: 0.01, "probability of calling new what is not"),
        ],
        outputs: [
            ModelOutput("score", .double, "distance from the nearest distribution seen before; above 1 it is significant"),
            ModelOutput("anomaly", .boolean, "whether this distribution is new"),
        ],
        summary: "Whether the last values are distributed as never before"
    ) { _, parameters in RelativeEntropyModel(window: Int(parameters[0]), bins: Int(parameters[1]), significance: parameters[2]) }

    init(window: Int, bins: Int, significance: Double) {
        self.window = window
        self.bins = bins + 2
        critical = max(1e-9, Quantiles.chiSquared(1 - significance, degrees: Double(bins + 1)))
        countsOffset = Number.size * 8 + Whole.size * 8
        keptOffset = countsOffset + self.bins * 4
        agreedOffset = (keptOffset + RelativeEntropyModel.keptMax * self.bins * 4 + 7) & ~7
        valuesOffset = agreedOffset + RelativeEntropyModel.keptMax * 8
        super.init(valueCount: 1, outputCount: 2, stateByteCount: valuesOffset + window * 2 * 8)
    }

    package override func isSound(_ state: UnsafeRawPointer) -> Bool {
        let whole = (state + Number.size * 8).assumingMemoryBound(to: Int64.self)
        let agreed = (state + agreedOffset).assumingMemoryBound(to: Int64.self)
        guard whole[Whole.seen] >= 0, whole[Whole.seen] < .max / 2, whole[Whole.next] >= 0, whole[Whole.next] < Int64(window * 2),
            whole[Whole.kept] >= 0, whole[Whole.kept] <= Int64(RelativeEntropyModel.keptMax)
        else { return false }
        for index in 0..<RelativeEntropyModel.keptMax where agreed[index] < 0 || agreed[index] > .max / 2 { return false }
        return true
    }

    package override func step(
        _ state: UnsafeMutableRawPointer, timeMicroseconds: Int64, values: UnsafePointer<Double>, outputs: UnsafeMutablePointer<Double>
    ) {
        let number = state.assumingMemoryBound(to: Double.self)
        let whole = (state + Number.size * 8).assumingMemoryBound(to: Int64.self)
        let counts = (state + countsOffset).assumingMemoryBound(to: Int32.self)
        let ring = (state + valuesOffset).assumingMemoryBound(to: Double.self)
        outputs[0] = .nan
        outputs[1] = .nan
        guard values[0].isFinite else { return }
        let value = Scores.bounded(values[0])
        let ringCount = window * 2
        let next = Int(whole[Whole.next])
        let isKnown = whole[Whole.seen] >= Int64(ringCount)
        if isKnown {
            // The value that leaves the window lies `window` places back.
            let leaving = ring[(next + window) % ringCount]
            let bin = self.bin(leaving, number)
            if counts[bin] > 0 { counts[bin] -= 1 }
        }
        ring[next] = value
        whole[Whole.next] = Int64((next + 1) % ringCount)
        whole[Whole.seen] = min(whole[Whole.seen] + 1, .max / 4)
        if isKnown {
            counts[self.bin(value, number)] &+= 1
        } else if whole[Whole.seen] == Int64(ringCount) {
            number[Number.low] = value
            number[Number.high] = value
            for index in 0..<ringCount {
                number[Number.low] = min(number[Number.low], ring[index])
                number[Number.high] = max(number[Number.high], ring[index])
            }
            for index in window..<ringCount { counts[bin(ring[index], number)] &+= 1 }
        } else {
            return
        }
        compare(state, counts, outputs)
    }

    private func bin(_ value: Double, _ number: UnsafePointer<Double>) -> Int {
        let low = number[Number.low]
        let width = number[Number.high] - low
        if value < low { return 0 }
        if value > number[Number.high] { return bins - 1 }
        guard width > 0 else { return 1 }
        let place = (value - low) / width * Double(bins - 2)
        guard place.isFinite else { return 1 }
        return 1 + min(max(Int(min(place, 1e6)), 0), bins - 3)
    }

    private func compare(_ state: UnsafeMutableRawPointer, _ counts: UnsafePointer<Int32>, _ outputs: UnsafeMutablePointer<Double>) {
        let whole = (state + Number.size * 8).assumingMemoryBound(to: Int64.self)
        let kept = (state + keptOffset).assumingMemoryBound(to: Int32.self)
        let agreed = (state + agreedOffset).assumingMemoryBound(to: Int64.self)
        let total = Double(window)
        let smoothed = total + 0.5 * Double(bins)
        var nearest = Double.infinity
        var nearestIndex = 0
        let known = Int(whole[Whole.kept])
        for index in 0..<known {
            var entropy = 0.0
            for bin in 0..<bins where counts[bin] > 0 {
                let here = (Double(counts[bin]) + 0.5) / smoothed
                let there = (Double(max(0, kept[index * bins + bin])) + 0.5) / smoothed
                entropy += here * log(here / there)
            }
            // Bins without a value count by their smoothed share.
            for bin in 0..<bins where counts[bin] <= 0 {
                let here = 0.5 / smoothed
                let there = (Double(max(0, kept[index * bins + bin])) + 0.5) / smoothed
                entropy += here * log(here / there)
            }
            let distance = max(0, 2 * total * entropy / critical)
            if distance < nearest {
                nearest = distance
                nearestIndex = index
            }
        }
        let isNew = known > 0 && nearest > 1
        outputs[0] = known > 0 ? nearest : 0
        outputs[1] = isNew ? 1 : 0
        if known > 0, !isNew {
            agreed[nearestIndex] = min(agreed[nearestIndex] + 1, .max / 4)
            return
        }
        var place = known
        if known == RelativeEntropyModel.keptMax {
            place = 0
            for index in 1..<known where agreed[index] < agreed[place] { place = index }
        } else {
            whole[Whole.kept] = Int64(known + 1)
        }
        for bin in 0..<bins { kept[place * bins + bin] = counts[bin] }
        agreed[place] = 0
    }
}
