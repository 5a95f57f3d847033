// WholeNumberKernels: factorials, divisors, other bases, digits after the point.

import Columns
import Planning

enum WholeNumberKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .factorial:
            return { call in
                let a = call.operands[0].int64s
                return call.int128s { row in
                    guard a[row] >= 0 else { call.fail(row, "factorial of a negative number is undefined"); return nil }
                    guard a[row] <= 33 else { call.fail(row, "value overflows numeric format: \(a[row])! has more than 38 digits"); return nil }
                    var product: Int128 = 1
                    var factor: Int64 = 2
                    while factor <= a[row] {
                        product = product &* Int128(factor)
                        factor += 1
                    }
                    return product
                }
            }
        case .greatestCommonDivisor:
            return { call in
                let (a, b) = (call.operands[0].int64s, call.operands[1].int64s)
                return call.int64s { row in Int64(exactly: divisor(a[row].magnitude, b[row].magnitude)) ?? failed(call, row) }
            }
        case .leastCommonMultiple:
            return { call in
                let (a, b) = (call.operands[0].int64s, call.operands[1].int64s)
                return call.int64s { row in
                    let (x, y) = (a[row].magnitude, b[row].magnitude)
                    if x == 0 || y == 0 { return 0 }
                    let (multiple, overflow) = (x / divisor(x, y)).multipliedReportingOverflow(by: y)
                    return overflow ? failed(call, row) : Int64(exactly: multiple) ?? failed(call, row)
                }
            }
        case .scale:
            guard case .decimal(_, let scale)? = request.arguments.first else { return nil }
            return { call in call.int64s { _ in Int64(scale) } }
        case .minScale:
            guard case .decimal(_, let scale)? = request.arguments.first else { return nil }
            return { call in
                let a = call.operands[0].int128s
                return call.int64s { row in
                    var (value, left) = (a[row], scale)
                    while left > 0 && value % 10 == 0 {
                        value /= 10
                        left -= 1
                    }
                    return Int64(left)
                }
            }
        case .convertBase:
            return { call in
                let (text, from, to) = (call.operands[0].strings, call.operands[1].int64s, call.operands[2].int64s)
                return call.texts { row, writer in
                    guard (2...36).contains(from[row]), (2...36).contains(to[row]) else {
                        call.fail(row, "a base must be between 2 and 36")
                        return false
                    }
                    guard let value = Int64(text[row].string, radix: Int(from[row])) else {
                        call.fail(row, "\"\(TextError.excerpt(text[row].bytes))\" is no whole number in base \(from[row])")
                        return false
                    }
                    writer.append(String(value, radix: Int(to[row]), uppercase: true))
                    return true
                }
            }
        default: return nil
        }
    }

    @inline(never)
    private static func failed<T>(_ call: KernelCall, _ row: Int) -> T? {
        call.fail(row, "bigint out of range")
        return nil
    }

    private static func divisor(_ a: UInt64, _ b: UInt64) -> UInt64 {
        var (x, y) = (a, b)
        while y != 0 { (x, y) = (y, x % y) }
        return x
    }
}
