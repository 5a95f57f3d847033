// NexmarkLetters: the filler texts. Three alphabets, all read off the published data:
// - words: thirteen parts in all, one a space (or `_` in urls), twelve letters a to z;
// - extra: runs of six letters, each run either from a...z or from H...Z[\]^_`a (a random 32-bit number written in base 26, whose
//   negative values run below 'a').
//
// Letters are taken from a fixed-point fraction by multiplying with the size of the alphabet: what overflows upward is the letter, what
// stays is the fraction for the next. `extra` takes two letters a step from a table of all 676 pairs.

import Columns
import Platform

struct NexmarkLetters: @unchecked Sendable {
    // Safe to share: written only in `init`.
    private let pairs: Buffer

    init() {
        pairs = Buffer(byteCount: 2 * 676 * 2)
        let bytes = pairs.base.assumingMemoryBound(to: UInt8.self)
        for index in 0..<676 {
            let first = UInt8(index % 26)
            let second = UInt8(index / 26)
            bytes[index * 2] = 97 + first
            bytes[index * 2 + 1] = 97 + second
            bytes[1_352 + index * 2] = 97 - first
            bytes[1_352 + index * 2 + 1] = 97 - second
        }
    }

    /// How many bytes past the wanted length `writeExtra` may write.
    static let extraOverrun = 12

    /// Pairs for letters at and above 'a', then for those at and below.
    var pairTable: UnsafePointer<UInt16> { UnsafePointer(pairs.base.assumingMemoryBound(to: UInt16.self)) }

    /// Writes at least `count` letters of extra, at most `extraOverrun` more.
    @inline(__always)
    static func writeExtra(
        _ target: UnsafeMutableRawPointer, count: Int, random: inout SeededRandom, pairs: UnsafePointer<UInt16>
    ) {
        var at = 0
        while at < count {
            let bits = random.next()
            writeRun(target + at, UInt32(truncatingIfNeeded: bits), pairs)
            writeRun(target + at + 6, UInt32(truncatingIfNeeded: bits >> 32), pairs)
            at += 12
        }
    }

    @inline(__always)
    private static func writeRun(_ target: UnsafeMutableRawPointer, _ bits: UInt32, _ pairs: UnsafePointer<UInt16>) {
        let table = pairs + Int(bits >> 31) &* 676
        var fraction = UInt64(bits << 1)
        for step in 0..<3 {
            let product = fraction &* 676
            target.storeBytes(of: table[Int(truncatingIfNeeded: product >> 32)], toByteOffset: step &* 2, as: UInt16.self)
            fraction = product & 0xFFFF_FFFF
        }
    }

    /// Writes a word of 3 ..< `lengthMax` letters, without the spaces at its ends; returns its length. Room for `lengthMax` is needed.
    static func writeWord(
        _ target: UnsafeMutablePointer<UInt8>, lengthMax: Int, special: UInt8 = UInt8(ascii: " "), random: inout SeededRandom
    ) -> Int {
        let length = 3 + random.below(lengthMax - 3)
        var bits: UInt64 = 0
        for index in 0..<length {
            if index & 3 == 0 { bits = random.next() }
            // 338 = 13 * 26: the first 26 stand for the special letter.
            let letter = ((bits & 0xFFFF) &* 338) >> 16
            bits >>= 16
            target[index] = letter < 26 ? special : 97 + UInt8(truncatingIfNeeded: letter % 26)
        }
        guard special == UInt8(ascii: " ") else { return length }
        var start = 0
        var end = length
        while end > start && target[end - 1] == special { end -= 1 }
        while start < end && target[start] == special { start += 1 }
        if start > 0 {
            for index in start..<end { target[index - start] = target[index] }
        }
        return end - start
    }

    /// The length of an extra that brings a row of `present` bytes to `average` on average: within a fifth of what is missing.
    static func extraLength(present: Int64, average: Int64, draw: UInt64) -> Int {
        guard present < average else { return 0 }
        let missing = average - present
        let delta = (missing + 2) / 5
        return Int(missing - delta + NexmarkDraws.high(draw, below: 2 * delta))
    }
}

/// The channels of bids: four hot ones that take half of all bids, and 10,000 that share the other half; each with its own url.
struct NexmarkChannels: @unchecked Sendable {
    // Safe to share: written only in `init`.
    /// A StringView for each name, hot ones first; then one for each url.
    private let views: Buffer
    let bytes: Buffer

    static let hot = ["Google", "Facebook", "Baidu", "Apple"]
    static let count = hot.count + NexmarkConfiguration.channelCount

    init(draws: NexmarkDraws) {
        views = Buffer(byteCount: 2 * NexmarkChannels.count * 16)
        var text: [UInt8] = []
        text.reserveCapacity(NexmarkChannels.count * 96)
        var lengths: [Int] = []
        for index in 0..<NexmarkChannels.count {
            let start = text.count
            if index < NexmarkChannels.hot.count {
                text += NexmarkChannels.hot[index].utf8
            } else {
                text += "channel-\(index - NexmarkChannels.hot.count)".utf8
            }
            lengths.append(text.count - start)
        }
        for index in 0..<NexmarkChannels.count {
            let start = text.count
            var random = SeededRandom(seed: draws.draw(Int64(index), .channelText))
            text += "https://www.nexmark.com/".utf8
            for part in 0..<3 {
                withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 8) { word in
                    guard let target = word.baseAddress else { return }
                    let length = NexmarkLetters.writeWord(target, lengthMax: 5, special: UInt8(ascii: "_"), random: &random)
                    text.append(contentsOf: UnsafeBufferPointer(start: target, count: length))
                }
                if part < 2 { text.append(UInt8(ascii: "/")) }
            }
            text += "/item.htm?query=1".utf8
            // Nine channels in ten say their id: the number's bits in reverse order, made positive.
            if index >= NexmarkChannels.hot.count && random.below(10) > 0 {
                let number = UInt32(truncatingIfNeeded: index - NexmarkChannels.hot.count)
                var reversed: UInt32 = 0
                for bit in 0..<32 where number & (1 << UInt32(bit)) != 0 { reversed |= 1 << UInt32(31 - bit) }
                text += "&channel_id=\(Int32(bitPattern: reversed).magnitude)".utf8
            }
            lengths.append(text.count - start)
        }
        bytes = text.withUnsafeBytes { Buffer(copying: $0) }
        let start = UnsafePointer(bytes.base.assumingMemoryBound(to: UInt8.self))
        var offset = 0
        for (index, length) in lengths.enumerated() {
            views.base.storeBytes(of: StringView(start + offset, count: length), toByteOffset: index * 16, as: StringView.self)
            offset += length
        }
    }

    var names: UnsafePointer<StringView> { UnsafePointer(views.base.assumingMemoryBound(to: StringView.self)) }
    var urls: UnsafePointer<StringView> { names + NexmarkChannels.count }

    /// Half of the bids go to a hot channel; the rest of the draw picks one.
    @inline(__always)
    static func pick(_ draw: UInt64) -> Int {
        let isHot = draw & 1 == 1
        return isHot
            ? Int(NexmarkDraws.high(draw, below: Int64(4)))
            : 4 &+ Int(NexmarkDraws.high(draw, below: Int64(NexmarkConfiguration.channelCount)))
    }
}
