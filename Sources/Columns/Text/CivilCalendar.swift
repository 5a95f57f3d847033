// CivilCalendar: the proleptic Gregorian calendar on days and microseconds since 1970-01-01T00:00:00 UTC.
//
// The conversions are Howard Hinnant's ("chrono-compatible low-level date algorithms"): a year begins on March 1st, so that the leap
// day is its last, and 400 years (146,097 days) repeat. They hold for every day count that a timestamp in microseconds can
// reach; text and casts accept the years 1 to 9999 only (`dayRange`).

/// What EXTRACT, DATE_TRUNC and INTERVAL name.
package enum CalendarUnit: UInt8, Sendable, CaseIterable {
    case microsecond, millisecond, second, minute, hour, day, week, month, quarter, year, decade, century, millennium

    /// Microseconds of a unit of fixed length; nil for a month and what is made of months.
    package var microseconds: Int64? {
        switch self {
        case .microsecond: 1
        case .millisecond: 1_000
        case .second: 1_000_000
        case .minute: 60_000_000
        case .hour: 3_600_000_000
        case .day: 86_400_000_000
        case .week: 604_800_000_000
        default: nil
        }
    }

    /// Months of a unit made of them.
    package var months: Int64? {
        switch self {
        case .month: 1
        case .quarter: 3
        case .year: 12
        case .decade: 120
        case .century: 1_200
        case .millennium: 12_000
        default: nil
        }
    }
}

package struct CivilDate: Hashable, Sendable {
    package var year: Int
    /// 1...12
    package var month: Int
    /// 1...31
    package var day: Int

    package init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }
}

/// A timestamp taken apart.
package struct TimestampComponents: Hashable, Sendable {
    package var date: CivilDate
    package var hour: Int
    package var minute: Int
    package var second: Int
    /// Of the second: 0...999,999.
    package var microsecond: Int

    package init(date: CivilDate, hour: Int = 0, minute: Int = 0, second: Int = 0, microsecond: Int = 0) {
        self.date = date
        self.hour = hour
        self.minute = minute
        self.second = second
        self.microsecond = microsecond
    }

    package var year: Int { date.year }
    package var month: Int { date.month }
    package var day: Int { date.day }
}

package enum CivilCalendar {
    package static let microsecondsPerDay: Int64 = 86_400_000_000

    /// 0001-01-01 to 9999-12-31.
    package static let dayRange: ClosedRange<Int64> = -719_162...2_932_896
    package static let microsecondRange: ClosedRange<Int64> =
        (-719_162 * microsecondsPerDay)...(2_932_897 * microsecondsPerDay - 1)

    // MARK: Days

    /// Days from 1970-01-01 to a date whose month is 1...12; a day past the month's end counts on. The year must be within
    /// ±25,000,000,000 (its callers' years are far smaller).
    @inline(__always)
    package static func daysFromCivil(year: Int, month: Int, day: Int) -> Int64 {
        let y = Int64(year) &- (month <= 2 ? 1 : 0)
        let era = (y >= 0 ? y : y &- 399) / 400
        let yearOfEra = y &- era &* 400
        let dayOfYear = (153 &* Int64(month &+ (month > 2 ? -3 : 9)) &+ 2) / 5 &+ Int64(day) &- 1
        let dayOfEra = yearOfEra &* 365 &+ yearOfEra / 4 &- yearOfEra / 100 &+ dayOfYear
        return era &* 146_097 &+ dayOfEra &- 719_468
    }

    @inline(__always)
    package static func daysFromCivil(_ date: CivilDate) -> Int64 {
        daysFromCivil(year: date.year, month: date.month, day: date.day)
    }

    @inline(__always)
    package static func civilFromDays(_ days: Int64) -> CivilDate {
        let z = days &+ 719_468
        let era = (z >= 0 ? z : z &- 146_096) / 146_097
        let dayOfEra = z &- era &* 146_097
        let yearOfEra = (dayOfEra &- dayOfEra / 1_460 &+ dayOfEra / 36_524 &- dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra &- (365 &* yearOfEra &+ yearOfEra / 4 &- yearOfEra / 100)
        let shifted = (5 &* dayOfYear &+ 2) / 153
        let month = shifted < 10 ? shifted &+ 3 : shifted &- 9
        let day = dayOfYear &- (153 &* shifted &+ 2) / 5 &+ 1
        let year = yearOfEra &+ era &* 400 &+ (month <= 2 ? 1 : 0)
        return CivilDate(year: Int(year), month: Int(month), day: Int(day))
    }

    package static func isLeapYear(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    package static func daysInMonth(year: Int, month: Int) -> Int {
        switch month {
        case 2: isLeapYear(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Whether there is such a day, in the years 1 to 9999.
    @inline(__always)
    package static func isValid(year: Int, month: Int, day: Int) -> Bool {
        year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && (day <= 28 || day <= daysInMonth(year: year, month: month))
    }

    /// Monday is 1, Sunday 7.
    package static func isoDayOfWeek(days: Int64) -> Int {
        // 1970-01-01 was a Thursday.
        Int(floorModulo(days &+ 3, 7)) + 1
    }

    /// Sunday is 0, Saturday 6 (EXTRACT(DOW)).
    package static func dayOfWeek(days: Int64) -> Int { isoDayOfWeek(days: days) % 7 }

    /// January 1st is 1.
    package static func dayOfYear(days: Int64) -> Int {
        let date = civilFromDays(days)
        return Int(days &- daysFromCivil(year: date.year, month: 1, day: 1)) + 1
    }

    /// ISO 8601: week 1 has the year's first Thursday; its year may differ from the date's.
    package static func isoWeek(days: Int64) -> (year: Int, week: Int) {
        let thursday = days &+ Int64(4 - isoDayOfWeek(days: days))
        let year = civilFromDays(thursday).year
        return (year, Int(thursday &- daysFromCivil(year: year, month: 1, day: 1)) / 7 + 1)
    }

    // MARK: Timestamps

    /// Days since 1970-01-01 and microseconds since midnight.
    @inline(__always)
    package static func split(microseconds: Int64) -> (days: Int64, timeOfDay: Int64) {
        var days = microseconds / microsecondsPerDay
        var time = microseconds &- days &* microsecondsPerDay
        if time < 0 {
            time &+= microsecondsPerDay
            days &-= 1
        }
        return (days, time)
    }

    @inline(__always)
    package static func components(ofMicroseconds microseconds: Int64) -> TimestampComponents {
        let (days, time) = split(microseconds: microseconds)
        let seconds = time / 1_000_000
        return TimestampComponents(
            date: civilFromDays(days), hour: Int(seconds / 3_600), minute: Int(seconds / 60 % 60), second: Int(seconds % 60),
            microsecond: Int(time &- seconds &* 1_000_000))
    }

    /// The inverse; nil when there is no such time in the years 1 to 9999.
    package static func microseconds(of components: TimestampComponents) -> Int64? {
        guard isValid(year: components.year, month: components.month, day: components.day),
            (0...23).contains(components.hour), (0...59).contains(components.minute), (0...59).contains(components.second),
            (0...999_999).contains(components.microsecond)
        else { return nil }
        let seconds = Int64(components.hour * 3_600 + components.minute * 60 + components.second)
        return daysFromCivil(components.date) &* microsecondsPerDay &+ seconds &* 1_000_000 &+ Int64(components.microsecond)
    }

    // MARK: Arithmetic

    /// The same day of the month `months` later, or the month's last day where it has no such day; nil outside the years 1 to 9999.
    package static func addMonths(days: Int64, _ months: Int64) -> Int64? {
        guard dayRange.contains(days), months.magnitude <= 120_000 else { return nil }
        let date = civilFromDays(days)
        let month = Int64(date.year) * 12 + Int64(date.month - 1) + months
        let year = Int(floorDivide(month, 12))
        let monthOfYear = Int(floorModulo(month, 12)) + 1
        guard year >= 1 && year <= 9999 else { return nil }
        return daysFromCivil(year: year, month: monthOfYear, day: min(date.day, daysInMonth(year: year, month: monthOfYear)))
    }

    /// The same of a timestamp; its time of day stays.
    package static func addMonths(microseconds: Int64, _ months: Int64) -> Int64? {
        let (days, time) = split(microseconds: microseconds)
        guard let moved = addMonths(days: days, months) else { return nil }
        return moved &* microsecondsPerDay &+ time
    }

    /// timestamp + interval: months first, then microseconds, as PostgreSQL does; nil outside the years 1 to 9999.
    package static func add(microseconds: Int64, _ interval: IntervalValue) -> Int64? {
        guard let moved = interval.months == 0 ? microseconds : addMonths(microseconds: microseconds, interval.months) else { return nil }
        let (sum, overflow) = moved.addingReportingOverflow(interval.microseconds)
        return overflow || !microsecondRange.contains(sum) ? nil : sum
    }

    /// The start of the unit that the timestamp lies in (weeks begin on Monday, centuries in the years ending in 01).
    package static func truncate(microseconds: Int64, to unit: CalendarUnit) -> Int64 {
        if unit == .microsecond { return microseconds }
        let (days, time) = split(microseconds: microseconds)
        let start: Int64
        switch unit {
        case .microsecond: return microseconds
        case .millisecond, .second, .minute, .hour:
            let size = unit.microseconds ?? 1
            return microseconds &- time % size
        default: start = truncate(days: days, to: unit)
        }
        let (result, overflow) = start.multipliedReportingOverflow(by: microsecondsPerDay)
        return overflow ? .min : result
    }

    /// The same of a date; units below a day leave it as it is.
    package static func truncate(days: Int64, to unit: CalendarUnit) -> Int64 {
        switch unit {
        case .microsecond, .millisecond, .second, .minute, .hour, .day: return days
        case .week: return days &- floorModulo(days &+ 3, 7)
        case .month, .quarter, .year, .decade, .century, .millennium: break
        }
        let date = civilFromDays(days)
        switch unit {
        case .month: return daysFromCivil(year: date.year, month: date.month, day: 1)
        case .quarter: return daysFromCivil(year: date.year, month: (date.month - 1) / 3 * 3 + 1, day: 1)
        case .year: return daysFromCivil(year: date.year, month: 1, day: 1)
        case .decade: return daysFromCivil(year: Int(floorDivide(Int64(date.year), 10)) * 10, month: 1, day: 1)
        case .century: return daysFromCivil(year: Int(floorDivide(Int64(date.year) - 1, 100)) * 100 + 1, month: 1, day: 1)
        default: return daysFromCivil(year: Int(floorDivide(Int64(date.year) - 1, 1000)) * 1000 + 1, month: 1, day: 1)
        }
    }

    /// Cut to `precision` fractional digits of a second, toward the past.
    @inline(__always)
    package static func truncate(microseconds: Int64, precision: Int) -> Int64 {
        guard precision < 6 else { return microseconds }
        let unit = unitMicroseconds(precision: precision)
        let (cut, overflow) = microseconds.subtractingReportingOverflow(floorModulo(microseconds, unit))
        return overflow ? microseconds : cut
    }

    /// Microseconds of the last of `precision` fractional digits.
    @inline(__always)
    package static func unitMicroseconds(precision: Int) -> Int64 {
        switch precision {
        case 6...: 1
        case 5: 10
        case 4: 100
        case 3: 1_000
        case 2: 10_000
        case 1: 100_000
        default: 1_000_000
        }
    }

    /// a / b toward negative infinity. `b` is a constant of the calendar, neither 0 nor -1.
    @inline(__always)
    package static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
        let quotient = a / b
        return (a % b != 0) && ((a < 0) != (b < 0)) ? quotient &- 1 : quotient
    }

    @inline(__always)
    package static func floorModulo(_ a: Int64, _ b: Int64) -> Int64 {
        let rest = a % b
        return rest != 0 && ((rest < 0) != (b < 0)) ? rest &+ b : rest
    }
}
