// More functions of dates and times: intervals, counting from 1970, fields by name, moving by units.

import Columns

extension FunctionTable {
    static let calendars: [FunctionDefinition] = [
        field("century", "The century, 1 to 100."), field("decade", "The year divided by ten."), field("millennium", "The millennium."),
        field("isoyear", "The year that the ISO week belongs to."), field("isodow", "The day of the week, 1 (Monday) to 7."),
        field("millisecond", "The seconds in milliseconds, with the whole seconds.", alias: "milliseconds"),
        field("microsecond", "The seconds in microseconds, with the whole seconds.", alias: "microseconds"),
        FunctionDefinition(
            ["epoch"], meaning: .field(.extract, "epoch"), .time, "Seconds since 1970 with their fraction; of an interval, its seconds.",
            timeArguments.map { FunctionSignature([$0], .type(.decimal(precision: 20, scale: 6))) }),
        FunctionDefinition(
            "yearweek", meaning: .rewrite(.yearWeek), .time, "The ISO year times 100, plus the ISO week.",
            FunctionSignature([.timestamp], .type(.bigint))),
        name("dayname", .dayName, "The day's English name."), name("monthname", .monthName, "The month's English name."),
        FunctionDefinition(
            "date", meaning: .rewrite(.toDate), .time, "The day of a timestamp, or of a text in ISO 8601.",
            FunctionSignature([.timestamp], .type(.date)), FunctionSignature([.date], .type(.date)), FunctionSignature([.text], .type(.date))),
        FunctionDefinition(
            "age", meaning: .rewrite(.age), .time, "From the second to the first in years, months, days and time; of one argument, to today's midnight.",
            FunctionSignature([.timestamp, .timestamp], required: 1, .type(.interval))),
        FunctionDefinition(
            "make_time", meaning: .call(.makeTime), .time, "Hour, minute, seconds.",
            FunctionSignature([.integer, .integer, .double], .type(.time(precision: 6)))),
        FunctionDefinition(
            "overlaps", meaning: .rewrite(.overlaps), .time,
            "Whether two stretches of time, each of a start and an end or a length, have an instant in common: `(a, b) OVERLAPS (c, d)`.",
            FunctionSignature([.any, .any, .any, .any], .type(.boolean))),
        FunctionDefinition(
            "make_interval", meaning: .call(.makeInterval), .time, "Years, months, weeks, days, hours, minutes, seconds.",
            FunctionSignature([.integer, .integer, .integer, .integer, .integer, .integer, .double], required: 0, .type(.interval))),
        FunctionDefinition(
            "make_timestamptz", meaning: .call(.makeTimestamp), .time, "Year, month, day, hour, minute, seconds, in UTC.",
            FunctionSignature(
                [.integer, .integer, .integer, .integer, .integer, .double], .type(.timestampTZ(precision: 6)))),
        FunctionDefinition(
            "date_bin", "time_bucket", meaning: .call(.dateBin), .time,
            "The start of the stretch of that length in which the timestamp lies, counted from an origin (1970-01-01).",
            FunctionSignature([.interval, .timestamp, .timestamp], required: 2, .argument(1))),
        FunctionDefinition(
            "justify_days", meaning: .call(.justifyDays), .time, "Every 30 days made a month.", FunctionSignature([.interval], .type(.interval))),
        FunctionDefinition(
            "justify_hours", meaning: .rewrite(.identity), .time, "Every 24 hours made a day, which they always are here.",
            FunctionSignature([.interval], .type(.interval))),
        FunctionDefinition(
            "justify_interval", meaning: .call(.justifyInterval), .time, "Every 30 days made a month, and one sign for all parts.",
            FunctionSignature([.interval], .type(.interval))),
        FunctionDefinition(
            "add_months", meaning: .rewrite(.addMonths), .time, "The same day so many months later, or the month's last day.",
            FunctionSignature([.date, .bigint], .type(.date)), FunctionSignature([.timestamp, .bigint], .argument(0))),
        FunctionDefinition(
            "months_between", meaning: .call(.monthsBetween), .time,
            "From the second to the first in months, a day being the 31st part of one; whole between equal or last days of months.",
            FunctionSignature([.timestamp, .timestamp], .type(.double))),
        FunctionDefinition(
            "next_day", meaning: .call(.nextDay), .time, "The first day of that name (English, three letters will do) after the date.",
            FunctionSignature([.date, .text], .type(.date)), FunctionSignature([.timestamp, .text], .type(.date))),
        FunctionDefinition(
            "date_add", meaning: .rewrite(.add), .time, "So many days, or an interval, later.",
            FunctionSignature([.date, .bigint], .type(.date)), FunctionSignature([.date, .interval], .type(.timestamp(precision: 6))),
            FunctionSignature([.timestamp, .interval], .argument(0))),
        FunctionDefinition(
            "date_sub", "date_subtract", meaning: .rewrite(.subtract), .time, "So many days, or an interval, earlier.",
            FunctionSignature([.date, .bigint], .type(.date)), FunctionSignature([.date, .interval], .type(.timestamp(precision: 6))),
            FunctionSignature([.timestamp, .interval], .argument(0))),
        FunctionDefinition(
            "datediff", "date_diff", meaning: .rewrite(.dateDifference), .time,
            "The days from the second date to the first; with a unit first, how many starts of that unit lie between the second argument and the third.",
            FunctionSignature([.unit, .timestamp, .timestamp], .type(.bigint)), FunctionSignature([.date, .date], .type(.bigint)),
            FunctionSignature([.timestamp, .timestamp], .type(.bigint))),
        since("unix_seconds", "second", "Whole seconds since 1970."), since("unix_millis", "millisecond", "Milliseconds since 1970.", alias: "epoch_ms"),
        since("unix_micros", "microsecond", "Microseconds since 1970.", alias: "epoch_us"),
        from("timestamp_seconds", "second", 0, "That many seconds after 1970 began."),
        from("timestamp_millis", "millisecond", 3, "That many milliseconds after 1970 began.", alias: "make_timestamp_ms"),
        from("timestamp_micros", "microsecond", 6, "That many microseconds after 1970 began.", alias: "make_timestamp_us"),
        FunctionDefinition(
            "unix_date", meaning: .rewrite(.unixDate), .time, "Days since 1970-01-01.", FunctionSignature([.date], .type(.integer))),
        FunctionDefinition(
            "date_from_unix_date", meaning: .rewrite(.dateFromUnixDate), .time, "The day that many days after 1970-01-01.",
            FunctionSignature([.bigint], .type(.date))),
        stretch("to_years", .years), stretch("to_months", .months), stretch("to_weeks", .weeks), stretch("to_days", .days),
        stretch("to_hours", .hours), stretch("to_minutes", .minutes), stretch("to_seconds", .seconds),
        stretch("to_milliseconds", .milliseconds), stretch("to_microseconds", .microseconds),
        FunctionDefinition(
            "convert_tz", meaning: .rewrite(.convertZone), .time,
            "A text `yyyy-MM-dd HH:mm:ss` of one zone as the same instant in another; UTC and offsets such as `+02:00`.",
            FunctionSignature([.text, .text, .text], .type(.text))),
        FunctionDefinition(
            "timezone", meaning: .rewrite(.timeZone), .time, "As `ts AT TIME ZONE zone`.",
            FunctionSignature([.text, .timestamp], .rule("timestamp, with time zone if it had none") { types in types[1] })),
    ]

    private static func field(_ unit: String, _ doc: String, alias: String? = nil) -> FunctionDefinition {
        FunctionDefinition(
            alias.map { [unit, $0] } ?? [unit], meaning: .field(.extract, unit), .time, doc,
            timeArguments.map { FunctionSignature([$0], .type(.bigint)) })
    }

    private static func name(_ name: String, _ rewrite: FunctionRewrite, _ doc: String) -> FunctionDefinition {
        FunctionDefinition(
            name, meaning: .rewrite(rewrite), .time, doc, FunctionSignature([.timestamp], .type(.text)), FunctionSignature([.date], .type(.text)))
    }

    private static func since(_ name: String, _ unit: String, _ doc: String, alias: String? = nil) -> FunctionDefinition {
        FunctionDefinition(
            alias.map { [name, $0] } ?? [name], meaning: .field(.epochUnits, unit), .time, doc,
            [FunctionSignature([.timestamp], .type(.bigint))])
    }

    private static func from(_ name: String, _ unit: String, _ precision: Int, _ doc: String, alias: String? = nil) -> FunctionDefinition {
        FunctionDefinition(
            alias.map { [name, $0] } ?? [name], meaning: .field(.timestampFromUnits, unit), .time, doc,
            [FunctionSignature([.bigint], .type(.timestamp(precision: precision)))])
    }

    private static func stretch(_ name: String, _ unit: FunctionRewrite) -> FunctionDefinition {
        FunctionDefinition(
            name, meaning: .rewrite(unit), .time, "So many \(unit.rawValue) as an interval.",
            FunctionSignature([.bigint], .type(.interval)), FunctionSignature([.double], .type(.interval)))
    }
}
