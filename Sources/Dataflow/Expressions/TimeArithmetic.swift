// TimeArithmetic: + - * / among dates, times, timestamps, intervals and numbers.

import Columns
import Planning

enum TimeArithmetic {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        let isSubtraction = request.function == .subtract
        guard let first = request.arguments.first else { return nil }
        if request.function == .negate, first == .interval {
            return { call in
                let a = call.operands[0].int128s
                return call.int128s { row in sum(IntervalValue(), IntervalValue(packed: a[row]), true)?.packed ?? failed(call, row) }
            }
        }
        guard request.arguments.count == 2 else { return nil }
        let second = request.arguments[1]
        switch request.function {
        case .add, .subtract:
            switch (first, second) {
            case (.timestamp, .interval), (.timestampTZ, .interval): return moveTimestamp(request, isSubtraction)
            case (.time, .interval):
                return { call in
                    let a = call.operands[0].int64s
                    let b = call.operands[1].int128s
                    return call.int64s { row in
                        let step = IntervalValue(packed: b[row]).microseconds % CivilCalendar.microsecondsPerDay
                        return CivilCalendar.floorModulo(isSubtraction ? a[row] - step : a[row] + step, CivilCalendar.microsecondsPerDay)
                    }
                }
            case (.interval, .interval):
                return { call in
                    let a = call.operands[0].int128s
                    let b = call.operands[1].int128s
                    return call.int128s { row in
                        sum(IntervalValue(packed: a[row]), IntervalValue(packed: b[row]), isSubtraction)?.packed ?? failed(call, row)
                    }
                }
            case (.date, .bigint):
                return { call in
                    let a = call.operands[0].int64s
                    let b = call.operands[1].int64s
                    return call.int64s { row in
                        let (days, overflow) =
                            isSubtraction ? a[row].subtractingReportingOverflow(b[row]) : a[row].addingReportingOverflow(b[row])
                        return overflow || !CivilCalendar.dayRange.contains(days) ? failed(call, row) : days
                    }
                }
            case (.date, .date):
                return { call in
                    let a = call.operands[0].int64s
                    let b = call.operands[1].int64s
                    return call.int64s { a[$0] &- b[$0] }
                }
            case (_, _) where first.layout == .int64 && second.layout == .int64 && request.type == .interval:
                return { call in
                    let a = call.operands[0].int64s
                    let b = call.operands[1].int64s
                    return call.int128s { row in
                        let (difference, overflow) = a[row].subtractingReportingOverflow(b[row])
                        return overflow ? failed(call, row) : IntervalValue(microseconds: difference).packed
                    }
                }
            default: return nil
            }
        case .multiply, .divide:
            guard first == .interval else { return nil }
            let isDivision = request.function == .divide
            if second == .bigint {
                return { call in
                    let a = call.operands[0].int128s
                    let b = call.operands[1].int64s
                    return call.int128s { row in
                        if isDivision && b[row] == 0 { call.fail(row, "division by zero"); return nil }
                        let interval = IntervalValue(packed: a[row])
                        if isDivision { return divided(interval, by: Double(b[row]))?.packed ?? failed(call, row) }
                        let (months, first) = interval.months.multipliedReportingOverflow(by: b[row])
                        let (microseconds, second) = interval.microseconds.multipliedReportingOverflow(by: b[row])
                        return first || second ? failed(call, row) : IntervalValue(months: months, microseconds: microseconds).packed
                    }
                }
            }
            return { call in
                let a = call.operands[0].int128s
                let b = call.operands[1].doubles
                return call.int128s { row in
                    if isDivision && b[row] == 0 { call.fail(row, "division by zero"); return nil }
                    let factor = isDivision ? 1 / b[row] : b[row]
                    let interval = IntervalValue(packed: a[row])
                    let result = isDivision ? divided(interval, by: b[row]) : scaled(interval, by: factor)
                    return result?.packed ?? failed(call, row)
                }
            }
        default: return nil
        }
    }

    @inline(never)
    private static func failed<T>(_ call: KernelCall, _ row: Int) -> T? {
        call.fail(row, "\(call.type.name.lowercased()) out of range")
        return nil
    }

    /// A timestamp ± an interval. A constant without months is one addition, checked for the calendar's range after the loop.
    private static func moveTimestamp(_ request: KernelRequest, _ isSubtraction: Bool) -> Kernel {
        { call in
            let a = call.operands[0].int64s
            let b = call.operands[1].int128s
            return call.int64s { row in
                let interval = IntervalValue(packed: b[row])
                if interval.months == 0 {
                    let (value, overflow) =
                        isSubtraction
                        ? a[row].subtractingReportingOverflow(interval.microseconds)
                        : a[row].addingReportingOverflow(interval.microseconds)
                    return overflow || !CivilCalendar.microsecondRange.contains(value) ? failed(call, row) : value
                }
                guard let step = isSubtraction ? sum(IntervalValue(), interval, true) : interval else { return failed(call, row) }
                return CivilCalendar.add(microseconds: a[row], step) ?? failed(call, row)
            }
        }
    }

    @inline(__always)
    private static func sum(_ a: IntervalValue, _ b: IntervalValue, _ isSubtraction: Bool) -> IntervalValue? {
        let (months, first) =
            isSubtraction ? a.months.subtractingReportingOverflow(b.months) : a.months.addingReportingOverflow(b.months)
        let (microseconds, second) =
            isSubtraction
            ? a.microseconds.subtractingReportingOverflow(b.microseconds) : a.microseconds.addingReportingOverflow(b.microseconds)
        return first || second ? nil : IntervalValue(months: months, microseconds: microseconds)
    }

    /// A fraction of a month counts as that fraction of 30 days.
    private static func scaled(_ interval: IntervalValue, by factor: Double) -> IntervalValue? {
        let months = Double(interval.months) * factor
        let whole = months.rounded(.towardZero)
        let rest = (months - whole) * 30 * Double(CivilCalendar.microsecondsPerDay)
        guard let wholeMonths = Int64(exactly: whole),
            let microseconds = Int64(exactly: (Double(interval.microseconds) * factor + rest).rounded())
        else { return nil }
        return IntervalValue(months: wholeMonths, microseconds: microseconds)
    }

    private static func divided(_ interval: IntervalValue, by divisor: Double) -> IntervalValue? {
        let months = Double(interval.months) / divisor
        let whole = months.rounded(.towardZero)
        let rest = (months - whole) * 30 * Double(CivilCalendar.microsecondsPerDay)
        guard let wholeMonths = Int64(exactly: whole),
            let microseconds = Int64(exactly: (Double(interval.microseconds) / divisor + rest).rounded())
        else { return nil }
        return IntervalValue(months: wholeMonths, microseconds: microseconds)
    }
}
