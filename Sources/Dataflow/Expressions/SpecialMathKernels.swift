// SpecialMathKernels: angles in degrees, inverse hyperbolics, error and gamma functions, and what kind of number a DOUBLE is.

import Columns
import Glibc
import Planning

enum SpecialMathKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .asinh: return simple { Glibc.asinh($0) }
        case .acosh: return checked({ !($0 < 1) }) { Glibc.acosh($0) }
        case .atanh: return checked({ !($0 < -1 || $0 > 1) }) { Glibc.atanh($0) }
        case .sec: return simple { 1 / Glibc.cos($0) }
        case .csc: return simple { 1 / Glibc.sin($0) }
        case .log1p: return checked({ !($0 <= -1) }) { Glibc.log1p($0) }
        case .expm1: return overflowing { Glibc.expm1($0) }
        case .erf: return simple { Glibc.erf($0) }
        case .erfc: return simple { Glibc.erfc($0) }
        case .gamma:
            // A whole number below 1 is a pole; zero is one of them by its sign.
            return overflowing { $0 <= 0 && $0 == $0.rounded() ? .infinity : Glibc.tgamma($0) }
        case .logGamma: return overflowing { var sign: Int32 = 0; return lgamma_r($0, &sign) }
        case .even:
            return simple { x in
                let away = x.rounded(.awayFromZero)
                return away.truncatingRemainder(dividingBy: 2) == 0 ? away : away + (x < 0 ? -1 : 1)
            }
        case .hypotenuse:
            return { call in
                let (a, b) = (call.operands[0].doubles, call.operands[1].doubles)
                return call.doubles { Glibc.hypot(a[$0], b[$0]) }
            }
        case .sinDegrees: return checked({ $0.isFinite || $0.isNaN }) { sine($0) }
        case .cosDegrees: return checked({ $0.isFinite || $0.isNaN }) { cosine($0) }
        case .tanDegrees: return checked({ $0.isFinite || $0.isNaN }) { tangent($0) }
        case .cotDegrees: return checked({ $0.isFinite || $0.isNaN }) { cotangent($0) }
        case .asinDegrees: return checked({ !($0 < -1 || $0 > 1) }) { x in x < 0 ? -arcSineOfUnit(-x) : arcSineOfUnit(x) }
        case .acosDegrees: return checked({ !($0 < -1 || $0 > 1) }) { x in x < 0 ? 90 + arcSineOfUnit(-x) : arcCosineOfUnit(x) }
        case .atanDegrees: return simple { Glibc.atan($0) / arcTangentOfOne * 45 }
        case .atan2Degrees:
            return { call in
                let (y, x) = (call.operands[0].doubles, call.operands[1].doubles)
                return call.doubles { Glibc.atan2(y[$0], x[$0]) / arcTangentOfOne * 45 }
            }
        case .isNotANumber: return test { $0.isNaN }
        case .isInfinite: return test { $0.isInfinite }
        case .signBit: return test { $0.sign == .minus }
        case .isFinite:
            if request.arguments.first == .double { return test { $0.isFinite } }
            // Dates, timestamps and intervals have no infinity.
            return { call in call.bools { _ in true } }
        default: return nil
        }
    }

    // MARK: Degrees

    // As PostgreSQL does it: what the library gives is scaled so that the angles people know come out exactly, whatever its last digit is.

    private static let radiansPerDegree = Double.pi / 180
    private static let sine30 = Glibc.sin(30 * radiansPerDegree)
    private static let oneLessCosine60 = 1 - Glibc.cos(60 * radiansPerDegree)
    private static let tangent45 = sineOfQuadrant(45) / cosineOfQuadrant(45)
    private static let cotangent45 = cosineOfQuadrant(45) / sineOfQuadrant(45)
    private static let arcSineOfHalf = Glibc.asin(0.5)
    private static let arcCosineOfHalf = Glibc.acos(0.5)
    private static let arcTangentOfOne = Glibc.atan(1.0)

    private static func sineTo30(_ degrees: Double) -> Double { Glibc.sin(degrees * radiansPerDegree) / sine30 / 2 }
    private static func cosineTo60(_ degrees: Double) -> Double { 1 - (1 - Glibc.cos(degrees * radiansPerDegree)) / oneLessCosine60 / 2 }

    /// 0...90 degrees.
    private static func sineOfQuadrant(_ degrees: Double) -> Double { degrees <= 30 ? sineTo30(degrees) : cosineTo60(90 - degrees) }
    private static func cosineOfQuadrant(_ degrees: Double) -> Double { degrees <= 60 ? cosineTo60(degrees) : sineTo30(90 - degrees) }

    /// 0...1.
    private static func arcSineOfUnit(_ x: Double) -> Double {
        x <= 0.5 ? Glibc.asin(x) / arcSineOfHalf * 30 : 90 - Glibc.acos(x) / arcCosineOfHalf * 60
    }

    private static func arcCosineOfUnit(_ x: Double) -> Double {
        x <= 0.5 ? 90 - Glibc.asin(x) / arcSineOfHalf * 30 : Glibc.acos(x) / arcCosineOfHalf * 60
    }

    private static func sine(_ degrees: Double) -> Double {
        var x = degrees.truncatingRemainder(dividingBy: 360)
        var sign = 1.0
        if x < 0 {
            x = -x
            sign = -sign
        }
        if x > 180 {
            x = 360 - x
            sign = -sign
        }
        if x > 90 { x = 180 - x }
        return sign * sineOfQuadrant(x)
    }

    private static func cosine(_ degrees: Double) -> Double {
        var x = degrees.truncatingRemainder(dividingBy: 360).magnitude
        var sign = 1.0
        if x > 180 { x = 360 - x }
        if x > 90 {
            x = 180 - x
            sign = -sign
        }
        return sign * cosineOfQuadrant(x)
    }

    /// The angle in 0...90 with the same tangent but for its sign, and the sign.
    private static func reduced(_ degrees: Double) -> (angle: Double, sign: Double) {
        var x = degrees.truncatingRemainder(dividingBy: 360)
        var sign = 1.0
        if x < 0 {
            x = -x
            sign = -sign
        }
        if x > 180 {
            x = 360 - x
            sign = -sign
        }
        if x > 90 {
            x = 180 - x
            sign = -sign
        }
        return (x, sign)
    }

    private static func tangent(_ degrees: Double) -> Double {
        let (x, sign) = reduced(degrees)
        let value = sineOfQuadrant(x) / cosineOfQuadrant(x) / tangent45
        return value == 0 ? 0 : sign * value
    }

    private static func cotangent(_ degrees: Double) -> Double {
        let (x, sign) = reduced(degrees)
        let value = cosineOfQuadrant(x) / sineOfQuadrant(x) / cotangent45
        return value == 0 ? 0 : sign * value
    }

    // MARK: Loops

    @inline(__always)
    private static func simple(_ operation: @escaping @Sendable (Double) -> Double) -> Kernel {
        { call in
            let a = call.operands[0].doubles
            return call.doubles { operation(a[$0]) }
        }
    }

    @inline(__always)
    private static func test(_ operation: @escaping @Sendable (Double) -> Bool) -> Kernel {
        { call in
            let a = call.operands[0].doubles
            return call.bools { operation(a[$0]) }
        }
    }

    @inline(__always)
    private static func checked(_ isAllowed: @escaping @Sendable (Double) -> Bool, _ operation: @escaping @Sendable (Double) -> Double) -> Kernel {
        { call in
            let a = call.operands[0].doubles
            return call.doubles { row in
                if !isAllowed(a[row]) { call.fail(row, "input is out of range"); return nil }
                return operation(a[row])
            }
        }
    }

    @inline(__always)
    private static func overflowing(_ operation: @escaping @Sendable (Double) -> Double) -> Kernel {
        { call in
            let a = call.operands[0].doubles
            return call.doubles { row in
                let result = operation(a[row])
                if (result.isInfinite && a[row].isFinite) || (result.isNaN && !a[row].isNaN) { call.fail(row, "value out of range: overflow"); return nil }
                return result
            }
        }
    }
}
