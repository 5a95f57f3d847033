// DoubleDouble: arithmetic with about 106 bits, as an unevaluated sum of two doubles. For moments: differences of sums of powers lose
// most of their digits, so they must have them to lose.

struct DoubleDouble {
    var high: Double
    var low: Double

    init(_ value: Double) {
        high = value
        low = 0
    }

    init(high: Double, low: Double) {
        self.high = high
        self.low = low
    }

    /// A `DoubleSum` at this address.
    init(_ state: UnsafeRawPointer) {
        high = state.load(as: Double.self)
        low = state.load(fromByteOffset: 8, as: Double.self)
    }

    var value: Double { high + low }

    static func + (a: DoubleDouble, b: DoubleDouble) -> DoubleDouble {
        let sum = a.high + b.high
        let part = sum - a.high
        let low = (a.high - (sum - part)) + (b.high - part) + a.low + b.low
        let high = sum + low
        return DoubleDouble(high: high, low: low - (high - sum))
    }

    static func - (a: DoubleDouble, b: DoubleDouble) -> DoubleDouble { a + DoubleDouble(high: -b.high, low: -b.low) }

    static func * (a: DoubleDouble, b: DoubleDouble) -> DoubleDouble {
        let (product, error) = DoubleSum.exactProduct(a.high, b.high)
        let low = error + a.high * b.low + a.low * b.high
        let high = product + low
        return DoubleDouble(high: high, low: low - (high - product))
    }

    static func / (a: DoubleDouble, b: Double) -> DoubleDouble {
        let first = a.high / b
        let (product, error) = DoubleSum.exactProduct(first, b)
        let low = ((a.high - product) - error + a.low) / b
        let high = first + low
        return DoubleDouble(high: high, low: low - (high - first))
    }
}

/// Sums over the central moments of a group, from its sums of powers and products. NaN when something in them is not finite.
enum Moments {
    /// What is smaller than this part of the terms is their rounding error.
    private static let negligible = 1e-26

    private static func isFinite(_ state: UnsafeRawPointer) -> Bool {
        state.load(fromByteOffset: 16, as: UInt64.self) == 0 && state.load(fromByteOffset: 24, as: Int64.self) == 0
            && state.load(as: Double.self).isFinite
    }

    /// Σ(x - mean x)(y - mean y).
    static func product(_ x: UnsafeRawPointer, _ y: UnsafeRawPointer, _ xy: UnsafeRawPointer, count: Int64) -> Double {
        guard isFinite(x), isFinite(y), isFinite(xy) else { return .nan }
        let whole = DoubleDouble(xy)
        let cross = DoubleDouble(x) * (DoubleDouble(y) / Double(count))
        let difference = (whole - cross).value
        return difference.magnitude <= max(whole.high.magnitude, cross.high.magnitude) * negligible ? 0 : difference
    }

    /// Σ(x - mean)².
    static func square(_ x: UnsafeRawPointer, _ xx: UnsafeRawPointer, count: Int64) -> Double {
        let sum = product(x, x, xx, count: count)
        return sum.isNaN ? sum : max(sum, 0)
    }

    /// Σ(x - mean)³.
    static func cube(_ x: UnsafeRawPointer, _ xx: UnsafeRawPointer, _ xxx: UnsafeRawPointer, count: Int64) -> Double {
        guard isFinite(x), isFinite(xx), isFinite(xxx) else { return .nan }
        let mean = DoubleDouble(x) / Double(count)
        // Σx³ - 3 mean Σx² + 2 n mean³
        let second = DoubleDouble(3) * mean * DoubleDouble(xx)
        let third = DoubleDouble(2) * mean * mean * DoubleDouble(x)
        return (DoubleDouble(xxx) - second + third).value
    }

    /// Σ(x - mean)⁴.
    static func fourth(
        _ x: UnsafeRawPointer, _ xx: UnsafeRawPointer, _ xxx: UnsafeRawPointer, _ xxxx: UnsafeRawPointer, count: Int64
    ) -> Double {
        guard isFinite(x), isFinite(xx), isFinite(xxx), isFinite(xxxx) else { return .nan }
        let mean = DoubleDouble(x) / Double(count)
        // Σx⁴ - 4 mean Σx³ + 6 mean² Σx² - 3 n mean⁴
        let second = DoubleDouble(4) * mean * DoubleDouble(xxx)
        let third = DoubleDouble(6) * mean * mean * DoubleDouble(xx)
        let last = DoubleDouble(3) * mean * mean * mean * DoubleDouble(x)
        return (DoubleDouble(xxxx) - second + third - last).value
    }
}
