// Decimal128: arithmetic on DECIMAL values: an unscaled Int128 and, in the type, a scale.
//
// A value is unscaled / 10^scale, and |unscaled| < 10^38 (so it fits an Int128 with a digit to spare). Every operation is exact up
// to one final rounding (half away from zero, as SQL does), through 256-bit intermediates where they are needed, and gives nil
// where the result has more digits than the result's precision. Nothing here traps, whatever the input.

package enum Decimal128 {
    package enum Rounding: Sendable {
        /// To the nearest; a tie away from zero.
        case halfUp
        /// Toward zero.
        case truncate
    }

    package static let scaleMax = 38

    private nonisolated(unsafe) static let powers: UnsafePointer<UInt128> = {
        // Never written after this line, so sharing it is safe.
        let table = UnsafeMutablePointer<UInt128>.allocate(capacity: 39)
        var power: UInt128 = 1
        for exponent in 0...38 {
            table[exponent] = power
            power = power &* 10
        }
        return UnsafePointer(table)
    }()

    /// 10^exponent; exponent is clamped to 0...38.
    @inline(__always)
    static func magnitudePower(_ exponent: Int) -> UInt128 { powers[max(0, min(exponent, 38))] }

    /// 10^exponent for 0...38 (others are clamped).
    package static func power(_ exponent: Int) -> Int128 { Int128(truncatingIfNeeded: magnitudePower(exponent)) }

    /// Whether the value has at most `precision` digits.
    @inline(__always)
    package static func fits(_ value: Int128, precision: Int) -> Bool { value.magnitude < magnitudePower(precision) }

    @inline(__always)
    private static func signed(_ magnitude: UInt128, negative: Bool) -> Int128? {
        guard magnitude < magnitudePower(38) else { return nil }
        let value = Int128(truncatingIfNeeded: magnitude)
        return negative ? 0 &- value : value
    }

    /// The same number at another scale; nil when it then has more than 38 digits.
    package static func rescale(_ value: Int128, from: Int, to: Int, rounding: Rounding = .halfUp) -> Int128? {
        if from == to { return fits(value, precision: 38) ? value : nil }
        let magnitude = value.magnitude
        if to > from {
            if magnitude == 0 { return 0 }
            guard to - from <= 38 else { return nil }
            let (product, overflow) = magnitude.multipliedReportingOverflow(by: magnitudePower(to - from))
            return overflow ? nil : signed(product, negative: value < 0)
        }
        guard from - to <= 38 else { return 0 }
        let divisor = magnitudePower(from - to)
        var (quotient, remainder) = magnitude.quotientAndRemainder(dividingBy: divisor)
        if rounding == .halfUp && remainder >= divisor &- remainder { quotient &+= 1 }
        return signed(quotient, negative: value < 0)
    }

    /// The same number in DECIMAL(precision, scale).
    package static func rescale(
        _ value: Int128, from: Int, toPrecision precision: Int, scale: Int, rounding: Rounding = .halfUp
    ) -> Int128? {
        guard let rescaled = rescale(value, from: from, to: scale, rounding: rounding), fits(rescaled, precision: precision)
        else { return nil }
        return rescaled
    }

    /// a + b of scales `aScale`, `bScale` as DECIMAL(precision, scale).
    package static func add(
        _ a: Int128, _ aScale: Int, _ b: Int128, _ bScale: Int, precision: Int, scale: Int
    ) -> Int128? {
        let common = max(aScale, bScale)
        if let x = rescale(a, from: aScale, to: common), let y = rescale(b, from: bScale, to: common) {
            // Both are below 10^38, the sum below 2 × 10^38 overflows Int128 (1.7 × 10^38) at worst.
            let (sum, overflow) = x.addingReportingOverflow(y)
            if !overflow {
                if scale < common { return roundedDown(sum, by: common - scale, precision: precision) }
                return rescale(sum, from: common, toPrecision: precision, scale: scale)
            }
        }
        // The common scale is too fine for 128 bits, and one operand is huge: exact in 256 bits.
        let x = Wide(a.magnitude, timesPowerOf10: common - aScale)
        let y = Wide(b.magnitude, timesPowerOf10: common - bScale)
        guard let x, let y else { return nil }
        let negative: Bool
        let total: Wide
        if (a < 0) == (b < 0) {
            negative = a < 0
            guard let sum = x.adding(y) else { return nil }
            total = sum
        } else if x < y {
            negative = b < 0
            total = y.subtracting(x)
        } else {
            negative = a < 0
            total = x.subtracting(y)
        }
        guard let magnitude = total.scaled(by: scale - common), magnitude < magnitudePower(precision) else { return nil }
        return signed(magnitude, negative: negative)
    }

    private static func roundedDown(_ value: Int128, by digits: Int, precision: Int) -> Int128? {
        let divisor = magnitudePower(digits)
        var (quotient, remainder) = value.magnitude.quotientAndRemainder(dividingBy: divisor)
        if remainder >= divisor &- remainder { quotient &+= 1 }
        guard quotient < magnitudePower(precision) else { return nil }
        return signed(quotient, negative: value < 0)
    }

    package static func subtract(
        _ a: Int128, _ aScale: Int, _ b: Int128, _ bScale: Int, precision: Int, scale: Int
    ) -> Int128? {
        guard b != .min else { return nil }
        return add(a, aScale, 0 &- b, bScale, precision: precision, scale: scale)
    }

    /// a × b as DECIMAL(precision, scale).
    package static func multiply(
        _ a: Int128, _ aScale: Int, _ b: Int128, _ bScale: Int, precision: Int, scale: Int
    ) -> Int128? {
        let exactScale = aScale + bScale
        // Most products fit 128 bits.
        let (product, overflow) = a.multipliedReportingOverflow(by: b)
        if !overflow && exactScale == scale { return fits(product, precision: precision) ? product : nil }
        guard let magnitude = Wide(product: a.magnitude, b.magnitude).scaled(by: scale - exactScale),
            magnitude < magnitudePower(precision)
        else { return nil }
        return signed(magnitude, negative: (a < 0) != (b < 0))
    }

    /// a / b as DECIMAL(precision, scale); nil when b is zero or the quotient is too large (tell by asking for b == 0 first).
    package static func divide(
        _ a: Int128, _ aScale: Int, _ b: Int128, _ bScale: Int, precision: Int, scale: Int, rounding: Rounding = .halfUp
    ) -> Int128? {
        guard b != 0 else { return nil }
        if a == 0 { return 0 }
        let negative = (a < 0) != (b < 0)
        let shift = scale + bScale - aScale
        var divisor = b.magnitude
        var numerator = Wide(high: 0, low: a.magnitude)
        if shift >= 0 {
            // |quotient| < 10^38 and |b| < 2^127 bound a numerator that can lead to a result below 2^254.
            guard let scaled = Wide(a.magnitude, timesPowerOf10: shift) else { return nil }
            numerator = scaled
        } else {
            guard let wide = Wide(divisor, timesPowerOf10: -shift) else { return 0 }
            // A divisor of 2^128 or more is more than twice any numerator of 127 bits.
            guard wide.high == 0 else { return 0 }
            divisor = wide.low
        }
        guard numerator.high < divisor else { return nil }
        var (quotient, remainder) = numerator.high == 0
            ? numerator.low.quotientAndRemainder(dividingBy: divisor)
            : divisor.dividingFullWidth((numerator.high, numerator.low))
        if rounding == .halfUp && remainder >= divisor &- remainder {
            let (next, overflow) = quotient.addingReportingOverflow(1)
            guard !overflow else { return nil }
            quotient = next
        }
        guard quotient < magnitudePower(precision) else { return nil }
        return signed(quotient, negative: negative)
    }

    /// a % b with the sign of a, at scale max(aScale, bScale) rescaled to DECIMAL(precision, scale); nil when b is zero.
    package static func remainder(
        _ a: Int128, _ aScale: Int, _ b: Int128, _ bScale: Int, precision: Int, scale: Int
    ) -> Int128? {
        guard b != 0 else { return nil }
        let common = max(aScale, bScale)
        guard let divisor = Wide(b.magnitude, timesPowerOf10: common - bScale),
            let numerator = Wide(a.magnitude, timesPowerOf10: common - aScale)
        else { return nil }
        let rest: UInt128
        if divisor.high != 0 {
            // Only b was scaled up, so a has 128 bits and is the smaller.
            guard numerator.high == 0 else { return nil }
            rest = numerator.low
        } else {
            let high = numerator.high % divisor.low
            rest = high == 0
                ? numerator.low % divisor.low
                : divisor.low.dividingFullWidth((high, numerator.low)).remainder
        }
        guard let magnitude = Wide(high: 0, low: rest).scaled(by: scale - common), magnitude < magnitudePower(precision)
        else { return nil }
        return signed(magnitude, negative: a < 0)
    }

    /// Negative, zero or positive, as a is less than, equal to or greater than b.
    package static func compare(_ a: Int128, _ aScale: Int, _ b: Int128, _ bScale: Int) -> Int {
        if aScale == bScale { return a < b ? -1 : a == b ? 0 : 1 }
        if (a < 0) != (b < 0) { return a < 0 ? -1 : 1 }
        let common = max(aScale, bScale)
        guard let x = Wide(a.magnitude, timesPowerOf10: common - aScale),
            let y = Wide(b.magnitude, timesPowerOf10: common - bScale)
        else { return 0 }  // not reached for scales of 0...38: 2^127 × 10^38 < 2^254
        let order = x < y ? -1 : y < x ? 1 : 0
        return a < 0 ? -order : order
    }

    /// The nearest Double.
    package static func double(_ value: Int128, scale: Int) -> Double {
        if value.magnitude <= 1 << 53 && scale <= 22 {
            // Both are exact, so the quotient is correctly rounded.
            return Double(Int64(truncatingIfNeeded: value)) / Double(power(scale))
        }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: DecimalText.byteCountMax) { text -> Double in
            guard let start = text.baseAddress else { return .nan }
            let count = DecimalText.write(value, scale: scale, start)
            return (try? DoubleText.parse(TextBytes(start: start, count: count))) ?? .nan
        }
    }

    /// The decimal that the shortest text of `value` shows, rounded to the scale; nil when it is not finite or does not fit.
    package static func decimal(_ value: Double, precision: Int, scale: Int, isReal: Bool = false) -> Int128? {
        guard value.isFinite else { return nil }
        if value == value.rounded(.towardZero) && value.magnitude < 0x1p53 {
            return rescale(Int128(Int64(value)), from: 0, toPrecision: precision, scale: scale)
        }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: DoubleText.byteCountMax) { text -> Int128? in
            guard let start = text.baseAddress else { return nil }
            let count = DoubleText.write(value, isReal: isReal, start)
            return try? DecimalText.parse(TextBytes(start: start, count: count), precision: precision, scale: scale)
        }
    }
}

/// A 256-bit magnitude, for intermediates.
struct Wide {
    var high: UInt128
    var low: UInt128

    init(high: UInt128, low: UInt128) {
        self.high = high
        self.low = low
    }

    init(product a: UInt128, _ b: UInt128) {
        let full = a.multipliedFullWidth(by: b)
        high = full.high
        low = full.low
    }

    /// magnitude × 10^exponent; nil when it does not fit.
    init?(_ magnitude: UInt128, timesPowerOf10 exponent: Int) {
        self.init(product: magnitude, Decimal128.magnitudePower(exponent))
        var left = exponent - 38
        while left > 0 {
            if isZero { return }
            guard let scaled = multiplied(by: Decimal128.magnitudePower(left)) else { return nil }
            self = scaled
            left -= 38
        }
    }

    var isZero: Bool { high == 0 && low == 0 }

    func multiplied(by factor: UInt128) -> Wide? {
        let lower = low.multipliedFullWidth(by: factor)
        let (upper, overflowA) = high.multipliedReportingOverflow(by: factor)
        let (sum, overflowB) = upper.addingReportingOverflow(lower.high)
        return overflowA || overflowB ? nil : Wide(high: sum, low: lower.low)
    }

    func adding(_ other: Wide) -> Wide? {
        let (lower, carry) = low.addingReportingOverflow(other.low)
        let (upper, overflowA) = high.addingReportingOverflow(other.high)
        let (sum, overflowB) = upper.addingReportingOverflow(carry ? 1 : 0)
        return overflowA || overflowB ? nil : Wide(high: sum, low: lower)
    }

    /// self - other, where other is not larger.
    func subtracting(_ other: Wide) -> Wide {
        let (lower, borrow) = low.subtractingReportingOverflow(other.low)
        return Wide(high: high &- other.high &- (borrow ? 1 : 0), low: lower)
    }

    static func < (a: Wide, b: Wide) -> Bool { a.high != b.high ? a.high < b.high : a.low < b.low }

    /// × 10^exponent, rounded half up when the exponent is negative; nil when it does not fit 128 bits.
    func scaled(by exponent: Int) -> UInt128? {
        if exponent >= 0 {
            guard high == 0 else { return nil }
            guard let product = Wide(low, timesPowerOf10: exponent), product.high == 0 else { return nil }
            return product.low
        }
        var value = self
        var left = -exponent
        // Rounding once: all but the last step drop digits that matter only by being there.
        var sticky = false
        while left > 38 {
            let (quotient, rest) = value.divided(by: Decimal128.magnitudePower(38))
            sticky = sticky || rest != 0
            value = quotient
            left -= 38
        }
        let divisor = Decimal128.magnitudePower(left)
        let (quotient, rest) = value.divided(by: divisor)
        guard quotient.high == 0 else { return nil }
        // Half or more: a tie needs no sticky digit, since half rounds up as well.
        guard rest >= divisor &- rest else { return quotient.low }
        let (rounded, overflow) = quotient.low.addingReportingOverflow(1)
        return overflow ? nil : rounded
    }

    func divided(by divisor: UInt128) -> (Wide, UInt128) {
        let (upper, carry) = high.quotientAndRemainder(dividingBy: divisor)
        let (lower, rest) = divisor.dividingFullWidth((carry, low))
        return (Wide(high: upper, low: lower), rest)
    }
}

/// The types of DECIMAL results: SQL Server's rules, which Flink and Spark share. Types are capped at 38 digits by giving up
/// fraction digits, but never below min(scale, 6) of them.
package enum DecimalType {
    package enum Operation: Sendable { case add, subtract, multiply, divide, remainder }

    package static func result(
        _ operation: Operation, _ p1: Int, _ s1: Int, _ p2: Int, _ s2: Int
    ) -> (precision: Int, scale: Int) {
        switch operation {
        case .add, .subtract:
            let scale = max(s1, s2)
            return capped(max(p1 - s1, p2 - s2) + scale + 1, scale)
        case .multiply: return capped(p1 + p2 + 1, s1 + s2)
        case .divide:
            let scale = max(6, s1 + p2 + 1)
            return capped(p1 - s1 + s2 + scale, scale)
        case .remainder:
            let scale = max(s1, s2)
            return capped(max(min(p1 - s1, p2 - s2) + scale, 1), scale)
        }
    }

    /// Precision and scale within 38 digits.
    package static func capped(_ precision: Int, _ scale: Int) -> (precision: Int, scale: Int) {
        guard precision > SQLType.decimalPrecisionMax else { return (precision, scale) }
        let integral = precision - scale
        return (SQLType.decimalPrecisionMax, max(SQLType.decimalPrecisionMax - integral, min(scale, 6)))
    }

    /// The DECIMAL that holds every value of an exact numeric type: its digits and scale.
    package static func exact(_ type: SQLType) -> (precision: Int, scale: Int)? {
        switch type {
        case .smallint: (5, 0)
        case .integer: (10, 0)
        case .bigint: (19, 0)
        case .decimal(let precision, let scale): (precision, scale)
        default: nil
        }
    }
}
