// TimeUnit: the words for a part of a time, as EXTRACT, DATE_TRUNC and TIMESTAMPADD take them.

import Columns
import Syntax

package enum TimeUnit: String, Hashable, Sendable, CaseIterable {
    case microsecond, millisecond, second, minute, hour, day, week, month, quarter, year, decade, century, millennium
    /// Of EXTRACT only.
    case epoch, dow, isodow, doy, isoyear
    /// Of the short forms only: dayofweek() counts from Sunday = 1; second() has no fraction; unix_timestamp() neither.
    case sundayFirst = "dayofweek", wholeSecond = "wholesecond", wholeEpoch = "wholeepoch"

    private static let internalUnits: Set<TimeUnit> = [.wholeSecond, .wholeEpoch]

    package init?(named name: String) {
        let name = name.lowercased()
        if let unit = TimeUnit(rawValue: name), !TimeUnit.internalUnits.contains(unit) {
            self = unit
            return
        }
        if let unit = TimeUnit.aliases[name] {
            self = unit
            return
        }
        if name.hasSuffix("s"), let unit = TimeUnit(rawValue: String(name.dropLast())), !TimeUnit.internalUnits.contains(unit) {
            self = unit
            return
        }
        return nil
    }

    private static let aliases: [String: TimeUnit] = [
        "us": .microsecond, "usec": .microsecond, "ms": .millisecond, "msec": .millisecond, "sec": .second, "s": .second, "min": .minute,
        "mi": .minute, "h": .hour, "hr": .hour, "d": .day, "dd": .day, "dayofmonth": .day, "w": .week, "mon": .month, "mm": .month,
        "y": .year, "yy": .year, "yyyy": .year, "centuries": .century, "millennia": .millennium, "dayofyear": .doy,
        "sql_tsi_second": .second, "sql_tsi_minute": .minute, "sql_tsi_hour": .hour, "sql_tsi_day": .day, "sql_tsi_week": .week,
        "sql_tsi_month": .month, "sql_tsi_quarter": .quarter, "sql_tsi_year": .year, "frac_second": .microsecond,
    ]

    /// The same as a stretch of time; nil for what is only extracted.
    package var calendarUnit: CalendarUnit? {
        switch self {
        case .microsecond: .microsecond
        case .millisecond: .millisecond
        case .second: .second
        case .minute: .minute
        case .hour: .hour
        case .day: .day
        case .week: .week
        case .month: .month
        case .quarter: .quarter
        case .year: .year
        case .decade: .decade
        case .century: .century
        case .millennium: .millennium
        default: nil
        }
    }

    /// Whether it is a stretch of time, rather than only something to extract.
    package var isDuration: Bool { calendarUnit != nil }

    static func parse(_ name: String, span: SourceSpan, durationsOnly: Bool) throws(SQLError) -> TimeUnit {
        if let unit = TimeUnit(named: name), !durationsOnly || unit.isDuration { return unit }
        let known = TimeUnit.allCases.filter { durationsOnly ? $0.isDuration : !internalUnits.contains($0) }.map(\.rawValue)
        let hint =
            NearestName.find(name, among: known).map { "did you mean \"\($0)\"?" } ?? "units are " + known.joined(separator: ", ")
        throw SQLError("\"\(name)\" is no unit of time", at: span, hint: hint, code: SQLError.invalidParameter)
    }
}
