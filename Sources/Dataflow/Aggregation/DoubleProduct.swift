// DoubleProduct: a product of doubles that neither overflows on the way nor loses what is divided out again.
//
// State, 48 bytes: mantissa (high, low: their sum is in ±[0.5, 1)), binary exponent, zeros, negative infinities in the low half and NaNs in
// the high one, infinities of either sign. Zeros, infinities and NaNs are counted and stay out of the mantissa, so that each can go again.

import Glibc

enum DoubleProduct {
    @inline(__always)
    static func multiply(_ state: UnsafeMutableRawPointer, by value: Double, sign: Int64) {
        guard value.isFinite else {
            let step = UInt32(truncatingIfNeeded: sign)
            var halves = state.load(fromByteOffset: 32, as: UInt64.self)
            let minus = UInt32(truncatingIfNeeded: halves) &+ (value == -.infinity ? step : 0)
            let nans = UInt32(truncatingIfNeeded: halves >> 32) &+ (value.isNaN ? step : 0)
            halves = UInt64(minus) | UInt64(nans) << 32
            state.storeBytes(of: halves, toByteOffset: 32, as: UInt64.self)
            if !value.isNaN { (state + 40).add(sign) }
            return
        }
        guard value != 0 else { return (state + 24).add(sign) }
        let exponent = Int64(value.exponent) + 1
        let mantissa = scalbn(value, Int(truncatingIfNeeded: -exponent))
        scale(state, mantissa, 0, exponent, divides: sign < 0)
    }

    static func merge(_ source: UnsafeRawPointer, into state: UnsafeMutableRawPointer) {
        scale(
            state, source.load(as: Double.self), source.load(fromByteOffset: 8, as: Double.self),
            source.load(fromByteOffset: 16, as: Int64.self), divides: false)
        (state + 24).add(source.load(fromByteOffset: 24, as: Int64.self))
        let a = state.load(fromByteOffset: 32, as: UInt64.self)
        let b = source.load(fromByteOffset: 32, as: UInt64.self)
        let minus = UInt32(truncatingIfNeeded: a) &+ UInt32(truncatingIfNeeded: b)
        let nans = UInt32(truncatingIfNeeded: a >> 32) &+ UInt32(truncatingIfNeeded: b >> 32)
        state.storeBytes(of: UInt64(minus) | UInt64(nans) << 32, toByteOffset: 32, as: UInt64.self)
        (state + 40).add(source.load(fromByteOffset: 40, as: Int64.self))
    }

    private static func scale(_ state: UnsafeMutableRawPointer, _ high: Double, _ low: Double, _ exponent: Int64, divides: Bool) {
        let heldHigh = state.load(as: Double.self)
        let heldLow = state.load(fromByteOffset: 8, as: Double.self)
        var power = state.load(fromByteOffset: 16, as: Int64.self)
        var newHigh: Double
        var newLow: Double
        if divides {
            newHigh = heldHigh / high
            let (product, error) = DoubleSum.exactProduct(newHigh, high)
            newLow = (((heldHigh - product) - error) + heldLow - newHigh * low) / high
            power &-= exponent
        } else {
            let (product, error) = DoubleSum.exactProduct(heldHigh, high)
            newHigh = product
            newLow = error + heldHigh * low + heldLow * high
            power &+= exponent
        }
        let sum = newHigh + newLow
        newLow = newLow - (sum - newHigh)
        // From a damaged snapshot the mantissa can be anything.
        guard sum.isFinite, sum != 0 else { return }
        let shift = Int(sum.exponent) + 1
        state.storeBytes(of: scalbn(sum, -shift), as: Double.self)
        state.storeBytes(of: scalbn(newLow, -shift), toByteOffset: 8, as: Double.self)
        state.storeBytes(of: power &+ Int64(shift), toByteOffset: 16, as: Int64.self)
    }

    /// nil when it is beyond the largest double.
    static func value(_ state: UnsafeRawPointer) -> Double? {
        let zeros = state.load(fromByteOffset: 24, as: Int64.self)
        let halves = state.load(fromByteOffset: 32, as: UInt64.self)
        let infinities = state.load(fromByteOffset: 40, as: Int64.self)
        if halves >> 32 != 0 || (zeros != 0 && infinities != 0) { return .nan }
        if zeros != 0 { return 0 }
        let mantissa = state.load(as: Double.self) + state.load(fromByteOffset: 8, as: Double.self)
        if infinities != 0 {
            let isNegative = (mantissa < 0) != (UInt32(truncatingIfNeeded: halves) & 1 != 0)
            return isNegative ? -.infinity : .infinity
        }
        let power = state.load(fromByteOffset: 16, as: Int64.self)
        let result = scalbn(mantissa, Int(max(min(power, 5_000), -5_000)))
        return result.isFinite ? result : nil
    }
}
