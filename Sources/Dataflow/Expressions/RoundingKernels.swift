// RoundingKernels: ceil, floor, round, trunc, to whole numbers or to digits after the point.

import Columns
import Glibc
import Planning

enum RoundingKernels {
    enum Mode: Sendable { case ceil, floor, round, truncate }

    static func kernel(_ request: KernelRequest) -> Kernel? {
        guard let source = request.arguments.first else { return nil }
        let mode: Mode =
            switch request.function {
            case .ceil: .ceil
            case .floor: .floor
            case .round: .round
            default: .truncate
            }
        let hasDigits = request.arguments.count > 1
        switch source {
        case .real, .double:
            return { call in
                let a = call.operands[0].doubles
                if !hasDigits {
                    switch mode {
                    case .ceil: return call.doubles { a[$0].rounded(.up) }
                    case .floor: return call.doubles { a[$0].rounded(.down) }
                    case .round: return call.doubles { a[$0].rounded(.toNearestOrAwayFromZero) }
                    case .truncate: return call.doubles { a[$0].rounded(.towardZero) }
                    }
                }
                let digits = call.operands[1].int64s
                return call.doubles { row in round(a[row], digits: digits[row], mode) }
            }
        case .decimal(_, let scale):
            guard case .decimal(let precision, let target) = request.type else { return nil }
            return { call in
                let a = call.operands[0].int128s
                let digits = hasDigits ? call.operands[1].int64s : nil
                return call.int128s { row in
                    let keep = Int(max(min(digits?[row] ?? 0, 38), -38))
                    let value = keep >= scale ? a[row] : round(a[row], drop: scale - keep, mode)
                    guard let result = Decimal128.rescale(value, from: scale, toPrecision: precision, scale: target, rounding: .halfUp) else {
                        call.fail(row, "\(call.type.name.lowercased()) out of range")
                        return nil
                    }
                    return result
                }
            }
        case .smallint, .integer, .bigint:
            let range = request.type.integerRange ?? Int64.min...Int64.max
            return { call in
                let a = call.operands[0].int64s
                if !hasDigits { return call.int64s { a[$0] } }
                let digits = call.operands[1].int64s
                return call.int64s { row in
                    if digits[row] >= 0 { return a[row] }
                    let value = round(Int128(a[row]), drop: Int(min(0 - max(digits[row], -38), 38)), mode)
                    guard let result = Int64(exactly: value), range.contains(result) else {
                        call.fail(row, "\(call.type.name.lowercased()) out of range")
                        return nil
                    }
                    return result
                }
            }
        default: return nil
        }
    }

    /// The value with its last `drop` digits made zero.
    static func round(_ value: Int128, drop: Int, _ mode: Mode) -> Int128 {
        guard drop > 0 else { return value }
        // 10^38 is the largest power there is; all digits are below it.
        guard drop <= 38 else { return 0 }
        let unit = Decimal128.power(drop)
        let rest = value % unit
        let cut = value - rest
        switch mode {
        case .truncate: return cut
        case .floor: return rest < 0 ? cut.subtractingReportingOverflow(unit).partialValue : cut
        case .ceil: return rest > 0 ? cut.addingReportingOverflow(unit).partialValue : cut
        case .round:
            if rest.magnitude < unit.magnitude - rest.magnitude { return cut }
            return value < 0 ? cut.subtractingReportingOverflow(unit).partialValue : cut.addingReportingOverflow(unit).partialValue
        }
    }

    private static func round(_ value: Double, digits: Int64, _ mode: Mode) -> Double {
        guard value.isFinite, digits < 300, digits > -320 else { return digits < 0 && value.isFinite ? 0 : value }
        let factor = Glibc.pow(10, Double(digits.magnitude))
        let scaled = digits >= 0 ? value * factor : value / factor
        guard scaled.isFinite else { return value }
        let rule: FloatingPointRoundingRule = mode == .round ? .toNearestOrAwayFromZero : .towardZero
        let rounded = scaled.rounded(rule)
        return digits >= 0 ? rounded / factor : rounded * factor
    }
}
