// IntegerText: whole numbers ⇄ decimal digits, range-checked.

package enum IntegerText {
    /// An optional sign and digits, with spaces around allowed.
    package static func parse(_ text: TextBytes, in range: ClosedRange<Int64> = Int64.min...Int64.max) throws(TextError) -> Int64 {
        let text = ASCII.trimmed(text)
        guard let base = text.baseAddress, text.count > 0 else { throw .invalid }
        var index = 0
        let negative = base[0] == 0x2D
        if negative || base[0] == 0x2B { index = 1 }
        guard index < text.count else { throw .invalid }
        // Accumulated as a negative number: its range is the larger one.
        var value: Int64 = 0
        var overflowed = false
        while index < text.count {
            let digit = base[index] &- 0x30
            guard digit < 10 else { throw .invalid }
            let (scaled, overflowA) = value.multipliedReportingOverflow(by: 10)
            let (next, overflowB) = scaled.subtractingReportingOverflow(Int64(digit))
            overflowed = overflowed || overflowA || overflowB
            value = next
            index &+= 1
        }
        if overflowed || (!negative && value == .min) { throw .outOfRange }
        if !negative { value = 0 &- value }
        guard value >= range.lowerBound && value <= range.upperBound else { throw .outOfRange }
        return value
    }

    /// No integer is longer.
    package static let byteCountMax = 20

    private static let digitPairs: StaticString = """
        0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
        5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899
        """

    /// Two digits of a number below 100.
    @inline(__always)
    static func writePair(_ value: Int, _ target: UnsafeMutablePointer<UInt8>) {
        let source = digitPairs.utf8Start + value &* 2
        target[0] = source[0]
        target[1] = source[1]
    }

    /// Writes the digits at `target`, which has room for `byteCountMax` bytes; returns how many.
    package static func write(_ value: Int64, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        guard value < 0 else { return write(value.magnitude, target) }
        target.pointee = 0x2D
        return 1 &+ write(value.magnitude, target + 1)
    }

    static func write(_ value: UInt64, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        let count = digitCount(value)
        var rest = value
        var position = count
        while rest >= 100 {
            position &-= 2
            writePair(Int(truncatingIfNeeded: rest % 100), target + position)
            rest /= 100
        }
        if rest >= 10 {
            writePair(Int(truncatingIfNeeded: rest), target)
        } else {
            target.pointee = 0x30 &+ UInt8(truncatingIfNeeded: rest)
        }
        return count
    }

    /// Digits with leading zeros to exactly `width`.
    static func write(_ value: UInt64, width: Int, _ target: UnsafeMutablePointer<UInt8>) {
        var rest = value
        var position = width
        while position > 0 {
            position &-= 1
            target[position] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
    }

    static func digitCount(_ value: UInt64) -> Int {
        var count = 1
        var bound: UInt64 = 10
        while value >= bound {
            count &+= 1
            if count == 20 { break }
            bound &*= 10
        }
        return count
    }

    package static func append(_ value: Int64, to buffer: ByteBuffer) {
        buffer.advance(by: write(value, buffer.reserve(byteCountMax)))
    }
}
