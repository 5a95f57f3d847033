// TimeKernels: EXTRACT, truncation to a unit, adding and counting units, making dates.

import Columns
import Planning

enum TimeKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .extract: return extract(request)
        case .dateTruncate, .dateCeil:
            guard let unit = request.unit(0)?.calendarUnit else { return nil }
            let isCeil = request.function == .dateCeil
            let isDate = request.type == .date
            return { call in
                let source = call.operands[1].int64s
                return call.int64s { row in
                    let value = source[row]
                    let start = isDate ? CivilCalendar.truncate(days: value, to: unit) : CivilCalendar.truncate(microseconds: value, to: unit)
                    if !isCeil || start == value { return start }
                    return add(start, 1, unit, isDate: isDate) ?? failed(call, row)
                }
            }
        case .timestampAdd:
            guard let unit = request.unit(0)?.calendarUnit else { return nil }
            let isDate = request.type == .date
            return { call in
                let count = call.operands[1].int64s
                let source = call.operands[2].int64s
                return call.int64s { row in add(source[row], count[row], unit, isDate: isDate) ?? failed(call, row) }
            }
        case .timestampDiff:
            guard let unit = request.unit(0)?.calendarUnit else { return nil }
            return { call in
                let from = call.operands[1].int64s
                let to = call.operands[2].int64s
                return call.int64s { row in difference(from[row], to[row], unit) ?? failed(call, row) }
            }
        case .makeDate:
            return { call in
                let (y, m, d) = (call.operands[0].int64s, call.operands[1].int64s, call.operands[2].int64s)
                return call.int64s { row in
                    guard CivilCalendar.isValid(year: Int(y[row]), month: Int(m[row]), day: Int(d[row])) else {
                        call.fail(row, "date field value out of range: \(y[row])-\(m[row])-\(d[row])")
                        return nil
                    }
                    return CivilCalendar.daysFromCivil(year: Int(y[row]), month: Int(m[row]), day: Int(d[row]))
                }
            }
        case .makeTimestamp:
            return { call in
                let fields = call.operands
                return call.int64s { row in
                    let (year, month, day) = (Int(fields[0].int64s[row]), Int(fields[1].int64s[row]), Int(fields[2].int64s[row]))
                    let (hour, minute, seconds) = (fields[3].int64s[row], fields[4].int64s[row], fields[5].doubles[row])
                    guard CivilCalendar.isValid(year: year, month: month, day: day), (0...23).contains(hour), (0...59).contains(minute),
                        seconds >= 0, seconds < 60
                    else {
                        call.fail(row, "date field value out of range")
                        return nil
                    }
                    let days = CivilCalendar.daysFromCivil(year: year, month: month, day: day)
                    return days * CivilCalendar.microsecondsPerDay + hour * 3_600_000_000 + minute * 60_000_000
                        + Int64((seconds * 1_000_000).rounded())
                }
            }
        case .lastDay:
            let isDate = request.arguments.first == .date
            return { call in
                let source = call.operands[0].int64s
                return call.int64s { row in
                    let days = isDate ? source[row] : CivilCalendar.floorDivide(source[row], CivilCalendar.microsecondsPerDay)
                    let date = CivilCalendar.civilFromDays(days)
                    return days + Int64(CivilCalendar.daysInMonth(year: date.year, month: date.month) - date.day)
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

    static func add(_ value: Int64, _ count: Int64, _ unit: CalendarUnit, isDate: Bool) -> Int64? {
        if let length = unit.months {
            let (months, overflow) = count.multipliedReportingOverflow(by: length)
            if overflow { return nil }
            return isDate ? CivilCalendar.addMonths(days: value, months) : CivilCalendar.addMonths(microseconds: value, months)
        }
        guard let length = unit.microseconds else { return nil }
        let (step, overflow) = count.multipliedReportingOverflow(by: isDate ? max(length / CivilCalendar.microsecondsPerDay, 1) : length)
        let (result, second) = value.addingReportingOverflow(step)
        let range = isDate ? CivilCalendar.dayRange : CivilCalendar.microsecondRange
        return overflow || second || !range.contains(result) ? nil : result
    }

    /// Whole units from one to the other, toward zero.
    static func difference(_ from: Int64, _ to: Int64, _ unit: CalendarUnit) -> Int64? {
        if let length = unit.microseconds {
            let (difference, overflow) = to.subtractingReportingOverflow(from)
            return overflow ? nil : difference / length
        }
        guard let length = unit.months else { return nil }
        let a = CivilCalendar.split(microseconds: from)
        let b = CivilCalendar.split(microseconds: to)
        let first = CivilCalendar.civilFromDays(a.days)
        let second = CivilCalendar.civilFromDays(b.days)
        var months = Int64(second.year - first.year) * 12 + Int64(second.month - first.month)
        let late = (second.day, b.timeOfDay)
        let early = (first.day, a.timeOfDay)
        if months > 0 && late < early { months -= 1 }
        if months < 0 && late > early { months += 1 }
        return months / length
    }

    // MARK: EXTRACT

    private static func extract(_ request: KernelRequest) -> Kernel? {
        guard let unit = request.unit(0), request.arguments.count == 2 else { return nil }
        let isDecimal = request.type.isDecimal
        switch request.arguments[1] {
        case .interval: return extractInterval(unit, isDecimal)
        case .date:
            // The same as of midnight.
            return { call in
                let source = call.operands[1].int64s
                if isDecimal { return call.int128s { Int128(micro(unit, days: source[$0], time: 0)) } }
                return call.int64s { field(unit, days: source[$0], time: 0) }
            }
        case .time:
            guard isTimeField(unit) else { return failing("a TIME has no \(unit.rawValue)") }
            return { call in
                let source = call.operands[1].int64s
                if isDecimal { return call.int128s { Int128(micro(unit, days: 0, time: source[$0])) } }
                return call.int64s { field(unit, days: 0, time: source[$0]) }
            }
        case .timestamp, .timestampTZ:
            if isDecimal {
                return { call in
                    let source = call.operands[1].int64s
                    return call.int128s { row in
                        let parts = CivilCalendar.split(microseconds: source[row])
                        return Int128(micro(unit, days: parts.days, time: parts.timeOfDay))
                    }
                }
            }
            // The hot ones without the switch in the loop.
            let day = CivilCalendar.microsecondsPerDay
            switch unit {
            case .hour:
                return { call in
                    let source = call.operands[1].int64s
                    return call.int64s { CivilCalendar.floorModulo(source[$0], day) / 3_600_000_000 }
                }
            case .minute:
                return { call in
                    let source = call.operands[1].int64s
                    return call.int64s { CivilCalendar.floorModulo(source[$0], 3_600_000_000) / 60_000_000 }
                }
            case .wholeSecond:
                return { call in
                    let source = call.operands[1].int64s
                    return call.int64s { CivilCalendar.floorModulo(source[$0], 60_000_000) / 1_000_000 }
                }
            case .wholeEpoch:
                return { call in
                    let source = call.operands[1].int64s
                    return call.int64s { CivilCalendar.floorDivide(source[$0], 1_000_000) }
                }
            default:
                return { call in
                    let source = call.operands[1].int64s
                    return call.int64s { row in
                        let parts = CivilCalendar.split(microseconds: source[row])
                        return field(unit, days: parts.days, time: parts.timeOfDay)
                    }
                }
            }
        default: return nil
        }
    }

    private static func failing(_ message: String) -> Kernel {
        { call in
            call.int64s { row in
                call.fail(row, message)
                return nil
            }
        }
    }

    private static func isTimeField(_ unit: TimeUnit) -> Bool {
        switch unit {
        case .hour, .minute, .second, .wholeSecond, .millisecond, .microsecond, .epoch, .wholeEpoch: true
        default: false
        }
    }

    /// SECOND and EPOCH in microseconds, which is their unscaled DECIMAL(.., 6).
    private static func micro(_ unit: TimeUnit, days: Int64, time: Int64) -> Int64 {
        unit == .second ? time % 60_000_000 : days &* CivilCalendar.microsecondsPerDay &+ time
    }

    private static func field(_ unit: TimeUnit, days: Int64, time: Int64) -> Int64 {
        switch unit {
        case .hour: return time / 3_600_000_000
        case .minute: return time / 60_000_000 % 60
        case .second, .wholeSecond: return time / 1_000_000 % 60
        case .millisecond: return time / 1000 % 60_000
        case .microsecond: return time % 60_000_000
        case .epoch, .wholeEpoch: return days &* 86400 &+ time / 1_000_000
        case .dow: return Int64(CivilCalendar.dayOfWeek(days: days))
        case .sundayFirst: return Int64(CivilCalendar.dayOfWeek(days: days)) + 1
        case .isodow: return Int64(CivilCalendar.isoDayOfWeek(days: days))
        case .doy: return Int64(CivilCalendar.dayOfYear(days: days))
        case .week: return Int64(CivilCalendar.isoWeek(days: days).week)
        case .isoyear: return Int64(CivilCalendar.isoWeek(days: days).year)
        default: break
        }
        let date = CivilCalendar.civilFromDays(days)
        switch unit {
        case .day: return Int64(date.day)
        case .month: return Int64(date.month)
        case .quarter: return Int64((date.month + 2) / 3)
        case .decade: return CivilCalendar.floorDivide(Int64(date.year), 10)
        case .century: return CivilCalendar.floorDivide(Int64(date.year) - 1, 100) + 1
        case .millennium: return CivilCalendar.floorDivide(Int64(date.year) - 1, 1000) + 1
        default: return Int64(date.year)
        }
    }

    private static func extractInterval(_ unit: TimeUnit, _ isDecimal: Bool) -> Kernel {
        { call in
            let source = call.operands[1].int128s
            if isDecimal {
                return call.int128s { row in
                    let interval = IntervalValue(packed: source[row])
                    if unit == .second { return Int128(interval.microseconds % 60_000_000) }
                    // PostgreSQL: a year is 365.25 days, a month 30.
                    let years = Int128(interval.months / 12)
                    let months = Int128(interval.months % 12)
                    let day = Int128(CivilCalendar.microsecondsPerDay)
                    let result = years * (day * 1461 / 4) + months * 30 * day + Int128(interval.microseconds)
                    return Decimal128.fits(result, precision: 20) ? result : failed(call, row)
                }
            }
            return call.int64s { row in
                let interval = IntervalValue(packed: source[row])
                let time = interval.microseconds
                switch unit {
                case .year: return interval.months / 12
                case .quarter: return interval.months % 12 / 3 + 1
                case .month: return interval.months % 12
                case .decade: return interval.months / 120
                case .century: return interval.months / 1200
                case .millennium: return interval.months / 12000
                case .day: return time / CivilCalendar.microsecondsPerDay
                case .hour: return time % CivilCalendar.microsecondsPerDay / 3_600_000_000
                case .minute: return time / 60_000_000 % 60
                case .wholeSecond: return time / 1_000_000 % 60
                case .millisecond: return time / 1000 % 60_000
                case .microsecond: return time % 60_000_000
                default:
                    call.fail(row, "an INTERVAL has no \(unit.rawValue)")
                    return nil
                }
            }
        }
    }
}
