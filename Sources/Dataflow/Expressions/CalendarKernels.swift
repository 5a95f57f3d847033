// CalendarKernels: ages, stretches of time, days by name, counting from 1970. An INTERVAL has months and microseconds; a day in it is
// 24 hours.

import Columns
import Planning

enum CalendarKernels {
    private static let day = CivilCalendar.microsecondsPerDay

    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .age:
            return { call in
                let (a, b) = (call.operands[0].int64s, call.operands[1].int64s)
                return call.int128s { row in age(from: b[row], to: a[row]).packed }
            }
        case .makeTime:
            return { call in
                let (h, m, s) = (call.operands[0].int64s, call.operands[1].int64s, call.operands[2].doubles)
                return call.int64s { row in
                    guard (0...23).contains(h[row]), (0...59).contains(m[row]), s[row] >= 0, s[row] < 60 else {
                        call.fail(row, "time field value out of range: \(h[row]):\(m[row]):\(s[row])")
                        return nil
                    }
                    let micro = min(Int64((s[row] * 1_000_000).rounded()), 59_999_999)
                    return h[row] * 3_600_000_000 + m[row] * 60_000_000 + micro
                }
            }
        case .makeInterval: return { call in makeInterval(call) }
        case .dateBin: return dateBin(request)
        case .justifyDays, .justifyInterval:
            let oneSign = request.function == .justifyInterval
            return { call in
                let a = call.operands[0].int128s
                return call.int128s { row in justified(IntervalValue(packed: a[row]), oneSign: oneSign)?.packed ?? failed(call, row) }
            }
        case .monthsBetween:
            return { call in
                let (a, b) = (call.operands[0].int64s, call.operands[1].int64s)
                return call.doubles { row in monthsBetween(a[row], b[row]) }
            }
        case .nextDay:
            let isDate = request.arguments.first == .date
            return { call in
                let source = call.operands[0].int64s
                let names = call.operands[1].strings
                return call.int64s { row in
                    guard let wanted = dayNumber(names[row].string) else {
                        call.fail(row, "\"\(TextError.excerpt(names[row].bytes))\" is no day of the week")
                        return nil
                    }
                    let days = isDate ? source[row] : CivilCalendar.floorDivide(source[row], day)
                    let next = days + 1 + CivilCalendar.floorModulo(Int64(wanted) - Int64(CivilCalendar.isoDayOfWeek(days: days)) - 1, 7)
                    return CivilCalendar.dayRange.contains(next) ? next : failed(call, row)
                }
            }
        case .epochUnits:
            guard let size = request.unit(0)?.calendarUnit?.microseconds else { return nil }
            return { call in
                let source = call.operands[1].int64s
                return call.int64s { CivilCalendar.floorDivide(source[$0], size) }
            }
        case .timestampFromUnits:
            guard let size = request.unit(0)?.calendarUnit?.microseconds else { return nil }
            return { call in
                let source = call.operands[1].int64s
                return call.int64s { row in
                    let (value, overflow) = source[row].multipliedReportingOverflow(by: size)
                    return overflow || !CivilCalendar.microsecondRange.contains(value) ? failed(call, row) : value
                }
            }
        case .unitBoundaries:
            guard let unit = request.unit(0)?.calendarUnit else { return nil }
            return { call in
                let (from, to) = (call.operands[1].int64s, call.operands[2].int64s)
                return call.int64s { row in boundaries(from[row], to[row], unit) ?? failed(call, row) }
            }
        default: return nil
        }
    }

    @inline(never)
    private static func failed<T>(_ call: KernelCall, _ row: Int) -> T? {
        call.fail(row, "\(call.type.name.lowercased()) out of range")
        return nil
    }

    /// Whole months first, then days and time; days are borrowed from the month in which the earlier time lies.
    private static func age(from: Int64, to: Int64) -> IntervalValue {
        if from > to {
            let reverse = age(from: to, to: from)
            return IntervalValue(months: 0 &- reverse.months, microseconds: 0 &- reverse.microseconds)
        }
        let (a, b) = (CivilCalendar.split(microseconds: from), CivilCalendar.split(microseconds: to))
        let (first, last) = (CivilCalendar.civilFromDays(a.days), CivilCalendar.civilFromDays(b.days))
        var months = Int64(last.year - first.year) * 12 + Int64(last.month - first.month)
        var days = Int64(last.day - first.day)
        var time = b.timeOfDay - a.timeOfDay
        if time < 0 {
            time += day
            days -= 1
        }
        while days < 0 {
            days += Int64(CivilCalendar.daysInMonth(year: first.year, month: first.month))
            months -= 1
        }
        return IntervalValue(months: months, microseconds: days * day + time)
    }

    private static func makeInterval(_ call: KernelCall) -> Column {
        let operands = call.operands
        return call.int128s { row in
            func part(_ index: Int) -> Int64 { index < min(operands.count, 6) ? operands[index].int64s[row] : 0 }
            let seconds = operands.count > 6 ? operands[6].doubles[row] : 0
            let months = part(0) * 12 + part(1)
            let days = part(2) * 7 + part(3)
            let time = Int128(days) * Int128(day) + Int128(part(4)) * 3_600_000_000 + Int128(part(5)) * 60_000_000
            guard let micro = Int64(exactly: (seconds * 1_000_000).rounded()), let total = Int64(exactly: time + Int128(micro)) else {
                return failed(call, row)
            }
            return IntervalValue(months: months, microseconds: total).packed
        }
    }

    private static func dateBin(_ request: KernelRequest) -> Kernel {
        { call in
            let (stride, source) = (call.operands[0].int128s, call.operands[1].int64s)
            let origin = call.operands.count > 2 ? call.operands[2].int64s : nil
            return call.int64s { row in
                let interval = IntervalValue(packed: stride[row])
                guard interval.months == 0 else {
                    call.fail(row, "timestamps cannot be binned into intervals containing months or years")
                    return nil
                }
                guard interval.microseconds > 0 else { call.fail(row, "stride must be greater than zero"); return nil }
                let start = origin.map { $0[row] } ?? 0
                let (distance, overflow) = source[row].subtractingReportingOverflow(start)
                if overflow { return failed(call, row) }
                let rest = distance % interval.microseconds
                let (result, second) = source[row].subtractingReportingOverflow(rest < 0 ? rest + interval.microseconds : rest)
                return second || !CivilCalendar.microsecondRange.contains(result) ? failed(call, row) : result
            }
        }
    }

    private static func justified(_ interval: IntervalValue, oneSign: Bool) -> IntervalValue? {
        let month = 30 * day
        var (months, overflow) = interval.months.addingReportingOverflow(interval.microseconds / month)
        if overflow { return nil }
        var rest = interval.microseconds % month
        if oneSign && months > 0 && rest < 0 {
            rest += month
            months -= 1
        } else if oneSign && months < 0 && rest > 0 {
            rest -= month
            months += 1
        }
        return IntervalValue(months: months, microseconds: rest)
    }

    /// Oracle's rule: whole where the days are equal or both the last of their months, otherwise the difference in days and time counts
    /// as parts of a month of 31 days; eight digits are kept.
    private static func monthsBetween(_ a: Int64, _ b: Int64) -> Double {
        let (x, y) = (CivilCalendar.split(microseconds: a), CivilCalendar.split(microseconds: b))
        let (first, second) = (CivilCalendar.civilFromDays(x.days), CivilCalendar.civilFromDays(y.days))
        let months = Double((first.year - second.year) * 12 + first.month - second.month)
        func isLast(_ date: CivilDate) -> Bool { date.day == CivilCalendar.daysInMonth(year: date.year, month: date.month) }
        if first.day == second.day || (isLast(first) && isLast(second)) { return months }
        let rest = Int64(first.day - second.day) * day + x.timeOfDay - y.timeOfDay
        return ((months + Double(rest) / Double(31 * day)) * 1e8).rounded() / 1e8
    }

    /// Monday is 1.
    private static func dayNumber(_ name: String) -> Int? {
        let name = name.lowercased()
        guard name.utf8.count >= 2 else { return nil }
        return DatePattern.dayNames.firstIndex { day in
            let day = day.lowercased()
            return name == day || (name.utf8.count <= 3 && day.hasPrefix(name))
        }.map { $0 + 1 }
    }

    /// Starts of the unit after one time and up to the other, negative when the order is reversed.
    private static func boundaries(_ from: Int64, _ to: Int64, _ unit: CalendarUnit) -> Int64? {
        func number(_ time: Int64) -> Int64? {
            if let size = unit.microseconds {
                // 1970-01-01 was a Thursday: weeks begin on Mondays.
                let (shifted, overflow) = time.addingReportingOverflow(unit == .week ? 3 * day : 0)
                return overflow ? nil : CivilCalendar.floorDivide(shifted, size)
            }
            guard let months = unit.months else { return nil }
            let date = CivilCalendar.civilFromDays(CivilCalendar.split(microseconds: CivilCalendar.truncate(microseconds: time, to: unit)).days)
            return CivilCalendar.floorDivide(Int64(date.year) * 12 + Int64(date.month) - 1, months)
        }
        guard let a = number(from), let b = number(to) else { return nil }
        let (difference, overflow) = b.subtractingReportingOverflow(a)
        return overflow ? nil : difference
    }
}
