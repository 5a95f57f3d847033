// JSONScan: finding bytes many at a time.
//
// Every scan here reads up to 16 bytes at once and stops at a byte that the caller knows to be there (a line feed ends every line, and
// is no legal byte inside any JSON token), so none of them is given an end. Up to `overreadByteCount` bytes behind the stop are
// read and ignored: the caller sees to it that they are mapped (see Buffer.isPadded).

enum JSONScan {
    static let overreadByteCount = 64

    /// The first quote, backslash or control character at or after `start`.
    ///
    /// Arithmetic on 64-bit lanes, because Swift compares vectors of bytes lane by lane in a loop. A byte xor 2 is below 0x21 exactly
    /// for control characters and the quote; a subtraction's borrow can only spoil bytes behind one that is a hit itself.
    @inline(__always)
    static func stringEnd(_ start: UnsafePointer<UInt8>) -> UnsafePointer<UInt8> {
        var p = start
        while true {
            let bytes = UnsafeRawPointer(p).loadUnaligned(as: SIMD2<UInt64>.self)
            let shifted = bytes ^ SIMD2(repeating: 0x0202_0202_0202_0202)
            let backslash = bytes ^ SIMD2(repeating: 0x5C5C_5C5C_5C5C_5C5C)
            let low = (shifted &- SIMD2(repeating: 0x2121_2121_2121_2121)) & ~shifted
            let escape = (backslash &- SIMD2(repeating: 0x0101_0101_0101_0101)) & ~backslash
            let hits = (low | escape) & SIMD2(repeating: 0x8080_8080_8080_8080)
            if hits[0] != 0 { return p + hits[0].trailingZeroBitCount &>> 3 }
            if hits[1] != 0 { return p + (8 &+ hits[1].trailingZeroBitCount &>> 3) }
            p += 16
        }
    }

    /// The first byte that is no space, tab or carriage return (a line feed stops).
    @inline(__always)
    static func skipSpaces(_ start: UnsafePointer<UInt8>) -> UnsafePointer<UInt8> {
        var p = start
        while p.pointee == 0x20 || p.pointee == 0x09 || p.pointee == 0x0D { p += 1 }
        return p
    }

    /// Whether no byte from `start` to before `end` has its high bit set; bytes behind the end may make it say no.
    @inline(__always)
    static func isASCII(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> Bool {
        var p = UnsafeRawPointer(start)
        let end = UnsafeRawPointer(end)
        var all = SIMD4<UInt64>(repeating: 0)
        while p < end {
            all |= p.loadUnaligned(as: SIMD4<UInt64>.self)
            p += 32
        }
        return (all[0] | all[1] | all[2] | all[3]) & 0x8080_8080_8080_8080 == 0
    }

    /// Whether eight bytes have no quote, backslash or control character.
    @inline(__always)
    static func isPlain(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5C)
        let control = (word &- ones &* 0x20) & ~word
        return (((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash) | control) & highs == 0
    }

    /// How many of eight bytes, from the first, are digits. `word` is the bytes xor 0x30 each.
    @inline(__always)
    static func digitRun(_ word: UInt64) -> Int {
        // A carry out of a byte can only spoil bytes behind one that is flagged itself.
        let flags = ((word &+ 0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080
        return flags.trailingZeroBitCount &>> 3
    }

    /// The number that eight digit values (first byte first) make.
    @inline(__always)
    static func number(_ digits: UInt64) -> UInt64 {
        let pairs = digits &* 10 &+ (digits &>> 8)
        let low = (pairs & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
        let high = ((pairs &>> 16) & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
        return (low &+ high) &>> 32
    }
}
