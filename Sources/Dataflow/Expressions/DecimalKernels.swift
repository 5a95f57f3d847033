// DecimalKernels: exact arithmetic on unscaled 128-bit values. Where the scales allow it the loop is one operation of Int128 with its
// overflow bit; otherwise Decimal128 does the careful work.

import Columns
import Planning

enum DecimalKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        guard case .decimal(let precision, let scale) = request.type else { return nil }
        var scales: [Int] = []
        for argument in request.arguments {
            guard case .decimal(_, let own) = argument else { return nil }
            scales.append(own)
        }
        guard let sa = scales.first else { return nil }
        let sb = scales.count > 1 ? scales[1] : sa
        let limit = Decimal128.power(precision)
        @inline(__always)
        func make(_ operation: @escaping @Sendable (Int128, Int128) -> Int128?) -> Kernel {
            { call in
                let a = call.operands[0].int128s
                let b = call.operands[1].int128s
                return call.int128s { row in
                    if let value = operation(a[row], b[row]) { return value }
                    call.fail(row, "\(call.type.name.lowercased()) out of range")
                    return nil
                }
            }
        }
        switch request.function {
        case .add:
            if sa == scale && sb == scale {
                return make { a, b in
                    let (sum, overflow) = a.addingReportingOverflow(b)
                    return overflow || sum >= limit || sum <= -limit ? nil : sum
                }
            }
            return make { Decimal128.add($0, sa, $1, sb, precision: precision, scale: scale) }
        case .subtract:
            if sa == scale && sb == scale {
                return make { a, b in
                    let (difference, overflow) = a.subtractingReportingOverflow(b)
                    return overflow || difference >= limit || difference <= -limit ? nil : difference
                }
            }
            return make { Decimal128.subtract($0, sa, $1, sb, precision: precision, scale: scale) }
        case .multiply:
            if sa + sb == scale {
                return make { a, b in
                    // Operands of 64 bits: no product of theirs overflows 128.
                    if let x = Int64(exactly: a), let y = Int64(exactly: b) {
                        let product = Int128(x) &* Int128(y)
                        return product >= limit || product <= -limit ? nil : product
                    }
                    let (product, overflow) = a.multipliedReportingOverflow(by: b)
                    return overflow || product >= limit || product <= -limit ? nil : product
                }
            }
            return make { Decimal128.multiply($0, sa, $1, sb, precision: precision, scale: scale) }
        case .divide, .remainder:
            let isDivision = request.function == .divide
            return { call in
                let a = call.operands[0].int128s
                let b = call.operands[1].int128s
                return call.int128s { row in
                    if b[row] == 0 { call.fail(row, "division by zero"); return nil }
                    let value =
                        isDivision
                        ? Decimal128.divide(a[row], sa, b[row], sb, precision: precision, scale: scale)
                        : Decimal128.remainder(a[row], sa, b[row], sb, precision: precision, scale: scale)
                    if value == nil { call.fail(row, "\(call.type.name.lowercased()) out of range") }
                    return value
                }
            }
        case .negate:
            return { call in
                let a = call.operands[0].int128s
                return call.int128s { row in 0 &- a[row] }
            }
        case .abs:
            return { call in
                let a = call.operands[0].int128s
                return call.int128s { row in a[row] < 0 ? 0 &- a[row] : a[row] }
            }
        case .sign:
            return { call in
                let a = call.operands[0].int128s
                let one = Decimal128.power(sa)
                return call.int128s { row in a[row] > 0 ? one : a[row] < 0 ? 0 &- one : 0 }
            }
        default: return nil
        }
    }
}
