// MathKernels: powers, logarithms, angles: all on DOUBLE.

import Columns
import Glibc
import Planning

enum MathKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .sqrt: return checked({ $0 >= 0 || $0.isNaN }, "cannot take square root of a negative number") { $0.squareRoot() }
        case .cbrt:
            // glibc's is off by one unit now and then; a step of Newton's makes roots of cubes exact.
            return simple { x in
                let root = Glibc.cbrt(x)
                let better = root - (root * root * root - x) / (3 * root * root)
                return better.isFinite ? better : root
            }
        case .exp: return checked({ _ in true }, "") { Glibc.exp($0) }
        case .ln: return logarithm { Glibc.log($0) }
        case .log10: return logarithm { Glibc.log10($0) }
        case .log2: return logarithm { Glibc.log2($0) }
        case .logBase:
            if request.arguments.count == 1 { return logarithm { Glibc.log10($0) } }
            return { call in
                let base = call.operands[0].doubles
                let value = call.operands[1].doubles
                return call.doubles { row in
                    for operand in [base[row], value[row]] where operand <= 0 {
                        call.fail(row, logarithmMessage(operand))
                        return nil
                    }
                    let divisor = Glibc.log(base[row])
                    if divisor == 0 { call.fail(row, "division by zero"); return nil }
                    return Glibc.log(value[row]) / divisor
                }
            }
        case .power:
            return { call in
                let base = call.operands[0].doubles
                let exponent = call.operands[1].doubles
                return call.doubles { row in
                    let (x, y) = (base[row], exponent[row])
                    if x == 0 && y < 0 { call.fail(row, "zero raised to a negative power is undefined"); return nil }
                    if x < 0 && y.isFinite && y != y.rounded() {
                        call.fail(row, "a negative number raised to a non-integer power yields a complex result")
                        return nil
                    }
                    return Glibc.pow(x, y)
                }
            }
        case .sin: return simple { Glibc.sin($0) }
        case .cos: return simple { Glibc.cos($0) }
        case .tan: return simple { Glibc.tan($0) }
        case .cot: return simple { 1 / Glibc.tan($0) }
        case .asin: return checked({ !($0 > 1 || $0 < -1) }, "input is out of range") { Glibc.asin($0) }
        case .acos: return checked({ !($0 > 1 || $0 < -1) }, "input is out of range") { Glibc.acos($0) }
        case .atan: return simple { Glibc.atan($0) }
        case .sinh: return simple { Glibc.sinh($0) }
        case .cosh: return simple { Glibc.cosh($0) }
        case .tanh: return simple { Glibc.tanh($0) }
        case .degrees: return simple { $0 * (180 / Double.pi) }
        case .radians: return simple { $0 * (Double.pi / 180) }
        case .atan2:
            return { call in
                let y = call.operands[0].doubles
                let x = call.operands[1].doubles
                return call.doubles { Glibc.atan2(y[$0], x[$0]) }
            }
        case .widthBucket:
            return { call in
                let (value, low, high) = (call.operands[0].doubles, call.operands[1].doubles, call.operands[2].doubles)
                let count = call.operands[3].int64s
                return call.int64s { row in
                    let (a, b) = (low[row], high[row])
                    if count[row] <= 0 { call.fail(row, "count must be greater than zero"); return nil }
                    if a == b || !a.isFinite || !b.isFinite || value[row].isNaN {
                        call.fail(row, a == b ? "lower bound cannot equal upper bound" : "bounds must be finite")
                        return nil
                    }
                    let position = a < b ? (value[row] - a) / (b - a) : (a - value[row]) / (a - b)
                    if position < 0 { return 0 }
                    if position >= 1 { return count[row] + 1 }
                    return min(Int64(position * Double(count[row])) + 1, count[row])
                }
            }
        default: return nil
        }
    }

    @inline(__always)
    private static func simple(_ operation: @escaping @Sendable (Double) -> Double) -> Kernel {
        { call in
            let a = call.operands[0].doubles
            return call.doubles { operation(a[$0]) }
        }
    }

    @inline(__always)
    private static func checked(_ isAllowed: @escaping @Sendable (Double) -> Bool, _ message: String, _ operation: @escaping @Sendable (Double) -> Double)
        -> Kernel
    {
        { call in
            let a = call.operands[0].doubles
            return call.doubles { row in
                if !isAllowed(a[row]) { call.fail(row, message); return nil }
                let result = operation(a[row])
                if result.isInfinite && a[row].isFinite { call.fail(row, "value out of range: overflow"); return nil }
                return result
            }
        }
    }

    private static func logarithmMessage(_ value: Double) -> String {
        value == 0 ? "cannot take logarithm of zero" : "cannot take logarithm of a negative number"
    }

    @inline(__always)
    private static func logarithm(_ operation: @escaping @Sendable (Double) -> Double) -> Kernel {
        { call in
            let a = call.operands[0].doubles
            return call.doubles { row in
                if a[row] <= 0 { call.fail(row, logarithmMessage(a[row])); return nil }
                return operation(a[row])
            }
        }
    }
}
