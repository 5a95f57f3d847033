// OccurrenceCount: how many characters go when a constant text is taken out of a text, without making the text that is left.
//
// People count letters as char_length(s) - char_length(replace(s, 'c', '')). That is the number of places where 'c' stands, from left to
// right and without overlap, times its length. UTF-8 makes characters of whole ones only: where the bytes stand, so does the text.

import Columns

struct OccurrenceCount: Sendable {
    private let needle: [UInt8]
    /// In code points.
    private let length: Int

    /// nil for an empty text, which REPLACE leaves alone.
    init?(of needle: String) {
        guard !needle.isEmpty else { return nil }
        self.needle = Array(needle.utf8)
        length = needle.unicodeScalars.count
    }

    func apply(_ call: KernelCall) -> Column {
        let texts = call.operands[0].strings
        if needle.count == 1 {
            let byte = needle[0]
            return call.int64s { Int64(OccurrenceCount.count(byte, in: texts[$0])) }
        }
        return needle.withUnsafeBufferPointer { needle in
            call.int64s { row in
                let bytes = texts[row].bytes
                var count = 0
                var place = Text.find(needle, in: bytes, from: 0)
                while let found = place {
                    count &+= 1
                    place = Text.find(needle, in: bytes, from: found &+ needle.count)
                }
                return Int64(count &* length)
            }
        }
    }

    /// Sixteen bytes at a time; each lane counts its own places and is emptied before it can run over.
    @inline(__always)
    private static func count(_ byte: UInt8, in view: StringView) -> Int {
        let count = view.count
        let bytes = UnsafeRawPointer(view.pointer)
        var total = 0
        var index = 0
        let pattern = SIMD16<UInt8>(repeating: byte)
        while index &+ 16 <= count {
            let blockEnd = min(count, index &+ 16 &* 255)
            var lanes = SIMD16<UInt8>.zero
            while index &+ 16 <= blockEnd {
                let isHit = bytes.loadUnaligned(fromByteOffset: index, as: SIMD16<UInt8>.self) .== pattern
                lanes.replace(with: lanes &+ 1, where: isHit)
                index &+= 16
            }
            let words = unsafeBitCast(lanes, to: SIMD2<UInt64>.self)
            total &+= OccurrenceCount.sum(words[0]) &+ OccurrenceCount.sum(words[1])
        }
        while index < count {
            total &+= bytes.load(fromByteOffset: index, as: UInt8.self) == byte ? 1 : 0
            index &+= 1
        }
        return total
    }

    /// Of the eight bytes of a word.
    @inline(__always)
    private static func sum(_ word: UInt64) -> Int {
        let pairs = (word & 0x00FF_00FF_00FF_00FF) &+ ((word >> 8) & 0x00FF_00FF_00FF_00FF)
        return Int(truncatingIfNeeded: (pairs &* 0x0001_0001_0001_0001) >> 48)
    }
}
