// FuzzTarget: something that reads bytes, good inputs for it, and how inputs are damaged. Used by the seeded fuzzer of the tests and by libFuzzer
// (Tests/Fuzzing).

import Platform

protocol FuzzTarget: AnyObject {
    var name: String { get }
    /// Good inputs.
    var inputs: [[UInt8]] { get }
    /// Byte strings that mean something.
    var words: [[UInt8]] { get }
    /// Runs in the short setting.
    var runs: Int { get }
    /// A change that knows the language of the input; nil for one of bytes.
    func change(_ input: [UInt8], _ random: inout SeededRandom) -> [UInt8]?
    /// Puts checksums right.
    func repair(_ bytes: inout [UInt8])
    /// Errors are for bad input; a Flaw is one of the program.
    func run(_ bytes: [UInt8]) throws
}

extension FuzzTarget {
    var words: [[UInt8]] { [] }
    func change(_ input: [UInt8], _ random: inout SeededRandom) -> [UInt8]? { nil }
    func repair(_ bytes: inout [UInt8]) {}
}

/// What must not happen whatever the input.
struct Flaw: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

struct Mutator {
    var random: SeededRandom

    private static let numbers: [UInt64] = [
        0, 1, 2, 7, 8, 63, 64, 127, 128, 255, 256, 4_095, 65_535, 65_536, 1 << 24, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32, 1 << 40, 1 << 62,
        0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FF00,
    ]

    mutating func mutate(_ input: [UInt8], words: [[UInt8]], other: [UInt8]) -> [UInt8] {
        var bytes = input
        for _ in 0...random.below(random.below(4) == 0 ? 8 : 2) { change(&bytes, words, other) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8], _ words: [[UInt8]], _ other: [UInt8]) {
        guard !bytes.isEmpty else { return bytes.append(UInt8(truncatingIfNeeded: random.next())) }
        let place = random.below(bytes.count)
        switch random.below(11) {
        case 0: bytes[place] ^= 1 << UInt8(random.below(8))
        case 1: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 2, 3:
            // A number of 1, 2, 4 or 8 bytes, mostly where numbers stand.
            let width = 1 << random.below(4)
            let start = random.below(3) == 0 ? place : place / width * width
            var number = Self.numbers[random.below(Self.numbers.count)]
            if random.below(3) == 0, start + width <= bytes.count {
                // Or the one that is there, a little more or less.
                number = 0
                for index in (0..<width).reversed() { number = number << 8 | UInt64(bytes[start + index]) }
                number = number &+ UInt64(bitPattern: Int64(random.below(17) - 8))
            }
            for index in 0..<width where start + index < bytes.count { bytes[start + index] = UInt8(truncatingIfNeeded: number >> UInt64(index * 8)) }
        case 4: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(16)))
        case 5: bytes.removeLast(bytes.count - place)
        case 6: bytes.insert(contentsOf: (0..<1 + random.below(8)).map { _ in UInt8(truncatingIfNeeded: random.next()) }, at: place)
        case 7:
            // A stretch twice, or at another place.
            let stretch = Array(bytes[place..<min(bytes.count, place + 1 + random.below(64))])
            bytes.insert(contentsOf: stretch, at: random.below(bytes.count))
        case 8 where !words.isEmpty:
            let word = words[random.below(words.count)]
            if random.below(2) == 0 {
                bytes.insert(contentsOf: word, at: place)
            } else {
                bytes.replaceSubrange(place..<min(bytes.count, place + word.count), with: word)
            }
        case 9 where !other.isEmpty:
            let start = random.below(other.count)
            let stretch = Array(other[start..<min(other.count, start + 1 + random.below(128))])
            bytes.replaceSubrange(place..<min(bytes.count, place + stretch.count), with: stretch)
        default:
            let end = min(bytes.count, place + 1 + random.below(64))
            for index in place..<end { bytes[index] = 0 }
        }
        if bytes.count > 1 << 16 { bytes.removeLast(bytes.count - 1 << 16) }
    }
}
