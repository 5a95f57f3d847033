// RarityHistogram: how rare a size is among those seen before, of numbers of any scale.
//
// Eight buckets to the doubling over 32 doublings; the window slides upwards with the largest size, what falls out below counts in the
// lowest bucket, as does 0. Counts are 16 bits; before one would overflow all are halved, rounding up, so that what happened once is not
// forgotten: a memory of some 65,000 points of the commonest size.
//
// The bucket of a number is its exponent and the upper three bits of its fraction, straight from its bits: no logarithm, and never an
// out-of-range conversion.

import Glibc

struct RarityHistogram {
    private static let buckets = 256
    /// Room above the largest size when the window slides, so that it slides seldom.
    private static let headroom = 16
    /// The base of the window, the points counted, and the counts.
    static let byteCount = 16 + buckets * 2

    private let header: UnsafeMutablePointer<Int64>
    private let counts: UnsafeMutablePointer<UInt16>

    init(_ state: UnsafeMutableRawPointer) {
        header = state.assumingMemoryBound(to: Int64.self)
        counts = (state + 16).assumingMemoryBound(to: UInt16.self)
    }

    static func isSound(_ state: UnsafeRawPointer) -> Bool {
        let header = state.assumingMemoryBound(to: Int64.self)
        let counts = (state + 16).assumingMemoryBound(to: UInt16.self)
        var total: Int64 = 0
        for index in 0..<buckets { total += Int64(counts[index]) }
        return header[0] >= 0 && header[0] <= 1 << 14 && header[1] == total
    }

    private static func place(_ size: Double) -> Int { Int(size.bitPattern >> 49) & 0x3FFF }

    /// Without sliding: what lies above the window is above every bucket.
    private func bucket(_ size: Double) -> Int {
        let place = RarityHistogram.place(size) - Int(header[0])
        return max(0, place)
    }

    /// log10 of one in how many is as large, plus a fifth for each doubling beyond the largest hundredth. `size` is finite and not negative.
    func rarity(_ size: Double) -> Double {
        let total = header[1]
        guard total > 0 else { return 0 }
        let bucket = self.bucket(size)
        // From the top: how many are as large, and where the largest hundredth begins.
        var asLarge: Int64 = 0
        var index = RarityHistogram.buckets - 1
        while index >= bucket, index >= 0 {
            asLarge += Int64(counts[index])
            index -= 1
        }
        var rarity = log10(Double(total + 1) / Double(asLarge + 1))
        // Only a size within the largest hundredth can lie above where that begins.
        if asLarge * 100 < total {
            var above = asLarge
            while index > 0 {
                above += Int64(counts[index])
                if above * 100 >= total { break }
                index -= 1
            }
            // Where nearly all were 0 there is no size to compare with.
            if index > 0 { rarity += 0.2 * max(0, Double(bucket - index - 1) / 8) }
        }
        return rarity
    }

    func learn(_ size: Double) {
        let place = RarityHistogram.place(size)
        if header[1] == 0 {
            header[0] = Int64(max(0, place - RarityHistogram.buckets * 3 / 4))
        } else if place >= Int(header[0]) + RarityHistogram.buckets {
            slide(to: place - RarityHistogram.buckets + 1 + RarityHistogram.headroom)
        }
        let bucket = min(self.bucket(size), RarityHistogram.buckets - 1)
        if counts[bucket] == .max { halve() }
        counts[bucket] += 1
        header[1] += 1
    }

    func rarityThenLearn(_ size: Double) -> Double {
        let rarity = self.rarity(size)
        learn(size)
        return rarity
    }

    /// The smallest size of at least this rarity (the extra for far ones aside); with few points, the largest seen.
    func size(ofRarity rarity: Double) -> Double {
        let total = header[1]
        guard total > 0 else { return 0 }
        let most = Double(total + 1) / exp10Constant(rarity) - 1
        var asLarge: Int64 = 0
        var index = RarityHistogram.buckets
        while index > 0 {
            asLarge += Int64(counts[index - 1])
            if Double(asLarge) > most, asLarge > 0 { break }
            index -= 1
        }
        guard index > 0 else { return 0 }
        let place = header[0] + Int64(index)
        guard place > 0, place < 0x3FF8 else { return 0 }
        return index == 1 ? 0 : Double(bitPattern: UInt64(place) << 49)
    }

    private func exp10Constant(_ rarity: Double) -> Double { rarity == 2.5 ? 316.22776601683793 : pow(10, rarity) }

    private func slide(to base: Int) {
        let shift = base - Int(header[0])
        var lowest: UInt32 = 0
        for index in 0..<RarityHistogram.buckets {
            if index <= shift { lowest += UInt32(counts[index]) } else { counts[index - shift] = counts[index] }
        }
        let first = max(1, RarityHistogram.buckets - shift)
        for index in first..<RarityHistogram.buckets { counts[index] = 0 }
        // Below the window sizes are no longer told apart; beyond 16 bits their number does not matter.
        counts[0] = UInt16(min(lowest, UInt32(UInt16.max)))
        header[0] = Int64(base)
        recount()
    }

    private func halve() {
        for index in 0..<RarityHistogram.buckets { counts[index] = counts[index] / 2 + counts[index] % 2 }
        recount()
    }

    private func recount() {
        var total: Int64 = 0
        for index in 0..<RarityHistogram.buckets { total += Int64(counts[index]) }
        header[1] = total
    }
}
