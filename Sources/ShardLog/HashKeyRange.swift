// HashKeyRange: the part of the 128-bit MD5 space that a shard owns, both ends included as in Kinesis.

package struct HashKeyRange: Hashable, Sendable {
    package let first: UInt128
    package let last: UInt128

    package init(first: UInt128, last: UInt128) {
        self.first = first
        self.last = last
    }

    package func contains(_ key: UInt128) -> Bool { key >= first && key <= last }

    /// The whole space cut into `count` parts of floor(2^128 / count) keys; the last part takes the rest.
    package static func even(_ count: Int) -> [HashKeyRange] {
        guard count > 1 else { return [HashKeyRange(first: 0, last: .max)] }
        let divisor = UInt128(count)
        let (quotient, remainder) = UInt128.max.quotientAndRemainder(dividingBy: divisor)
        let size = remainder == divisor - 1 ? quotient + 1 : quotient
        return (0..<count).map { index in
            let first = UInt128(index) * size
            return HashKeyRange(first: first, last: index == count - 1 ? .max : first + (size - 1))
        }
    }

    /// The index of the range that holds `key`; the ranges are sorted and cover the space without gaps.
    static func index(of key: UInt128, in ranges: [HashKeyRange]) -> Int {
        var low = 0
        var high = ranges.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if ranges[middle].first <= key { low = middle } else { high = middle - 1 }
        }
        return low
    }
}
