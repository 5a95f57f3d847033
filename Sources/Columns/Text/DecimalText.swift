// DecimalText: DECIMAL ⇄ text, exact.

package enum DecimalText {
    /// Digits with an optional sign, point and exponent, spaces around allowed, as the unscaled value of DECIMAL(precision, scale).
    /// Fraction digits beyond the scale are rounded half up (away from zero), as PostgreSQL does.
    package static func parse(
        _ text: TextBytes, precision: Int, scale: Int, rounding: Decimal128.Rounding = .halfUp
    ) throws(TextError) -> Int128 {
        try parseNoting(ASCII.trimmed(text), precision: precision, scale: scale, rounding: rounding).value
    }

    /// The same without trimming, and whether digits other than zero were lost.
    static func parseNoting(
        _ text: TextBytes, precision: Int, scale: Int, rounding: Decimal128.Rounding
    ) throws(TextError) -> (value: Int128, isExact: Bool) {
        guard let base = text.baseAddress, text.count > 0 else { throw .invalid }
        let end = text.count
        var index = 0
        let negative = base[0] == 0x2D
        if negative || base[0] == 0x2B { index = 1 }

        // Where the parts are: digits, point, exponent.
        let digitsStart = index
        var pointIndex = -1
        var digitCount = 0
        while index < end {
            let byte = base[index]
            if byte &- 0x30 < 10 {
                digitCount &+= 1
            } else if byte == 0x2E && pointIndex < 0 {
                pointIndex = index
            } else {
                break
            }
            index &+= 1
        }
        guard digitCount > 0 else { throw .invalid }
        let digitsEnd = index
        let exponent = try parseExponent(base, index, end)

        // Digits left of the decimal point, and how many of all digits are kept.
        let integerDigits = pointIndex < 0 ? digitCount : pointIndex - digitsStart
        let kept = integerDigits &+ exponent &+ scale
        var value: UInt128 = 0
        var isExact = true
        var roundsUp = false
        let limit = Decimal128.magnitudePower(precision)
        var digitIndex = 0
        index = digitsStart
        // Nineteen digits fit a word.
        var word: UInt64 = 0
        while index < digitsEnd {
            let byte = base[index]
            index &+= 1
            if byte == 0x2E { continue }
            let digit = byte &- 0x30
            if digitIndex < kept {
                if digitIndex < 19 {
                    word = word &* 10 &+ UInt64(digit)
                } else {
                    if digitIndex == 19 { value = UInt128(word) }
                    // Below 10^37 another digit fits; from there on the number has more than 38 digits.
                    guard value < Decimal128.magnitudePower(37) else { throw .outOfRange }
                    value = value &* 10 &+ UInt128(digit)
                }
            } else {
                if digitIndex == kept { roundsUp = digit >= 5 }
                if digit != 0 { isExact = false }
            }
            digitIndex &+= 1
        }
        if digitIndex <= 19 || kept <= 19 { value = UInt128(word) }
        if kept > digitCount && value != 0 {
            guard kept - digitCount <= 38 else { throw .outOfRange }
            let (scaled, overflow) = value.multipliedReportingOverflow(by: Decimal128.magnitudePower(kept - digitCount))
            if overflow { throw .outOfRange }
            value = scaled
        }
        if roundsUp && rounding == .halfUp { value = value &+ 1 }
        guard value < limit else { throw .outOfRange }
        let magnitude = Int128(truncatingIfNeeded: value)
        return (negative ? 0 &- magnitude : magnitude, isExact)
    }

    /// The exponent that begins at `index`, clamped to ±100,000; 0 when the text ends there.
    private static func parseExponent(_ base: UnsafePointer<UInt8>, _ index: Int, _ end: Int) throws(TextError) -> Int {
        guard index < end else { return 0 }
        guard base[index] | 0x20 == 0x65 else { throw .invalid }
        var index = index &+ 1
        var negative = false
        if index < end && (base[index] == 0x2D || base[index] == 0x2B) {
            negative = base[index] == 0x2D
            index &+= 1
        }
        guard index < end else { throw .invalid }
        var exponent = 0
        while index < end {
            guard base[index] &- 0x30 < 10 else { throw .invalid }
            exponent = min(exponent &* 10 &+ Int(base[index] &- 0x30), 100_000_000)
            index &+= 1
        }
        return negative ? 0 &- exponent : exponent
    }

    /// No decimal is longer: sign, 39 digits of an Int128, point, leading zero.
    package static let byteCountMax = 96

    /// Writes at `target`, which has room for `byteCountMax` bytes; returns how many. All `scale` fraction digits are written.
    package static func write(_ value: Int128, scale: Int, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        let scale = max(0, min(scale, 50))
        var written = 0
        if value < 0 {
            target[0] = 0x2D
            written = 1
        }
        let magnitude = value.magnitude
        if magnitude <= UInt128(UInt64.max) {
            return written &+ place(UInt64(truncatingIfNeeded: magnitude), scale: scale, target + written)
        }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { digits -> Int in
            guard let start = digits.baseAddress else { return written }
            let block: UInt128 = 10_000_000_000_000_000_000
            var (high, low) = magnitude.quotientAndRemainder(dividingBy: block)
            var count = 0
            if high >= block {
                let (top, middle) = high.quotientAndRemainder(dividingBy: block)
                count = IntegerText.write(UInt64(truncatingIfNeeded: top), start)
                high = middle
                IntegerText.write(UInt64(truncatingIfNeeded: high), width: 19, start + count)
                count += 19
            } else {
                count = IntegerText.write(UInt64(truncatingIfNeeded: high), start)
            }
            IntegerText.write(UInt64(truncatingIfNeeded: low), width: 19, start + count)
            count += 19
            return written + place(start, count, scale: scale, target + written)
        }
    }

    private static func place(_ value: UInt64, scale: Int, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        if scale == 0 { return IntegerText.write(value, target) }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 24) { digits -> Int in
            guard let start = digits.baseAddress else { return 0 }
            return place(start, IntegerText.write(value, start), scale: scale, target)
        }
    }

    /// Digits with a point before the last `scale` of them.
    private static func place(_ digits: UnsafePointer<UInt8>, _ count: Int, scale: Int, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        if scale == 0 {
            target.update(from: digits, count: count)
            return count
        }
        if count > scale {
            let whole = count - scale
            target.update(from: digits, count: whole)
            target[whole] = 0x2E
            (target + whole + 1).update(from: digits + whole, count: scale)
            return count + 1
        }
        target[0] = 0x30
        target[1] = 0x2E
        for index in 0..<(scale - count) { target[2 + index] = 0x30 }
        (target + 2 + scale - count).update(from: digits, count: count)
        return scale + 2
    }

    package static func append(_ value: Int128, scale: Int, to buffer: ByteBuffer) {
        buffer.advance(by: write(value, scale: scale, buffer.reserve(byteCountMax)))
    }
}
