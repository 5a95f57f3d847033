// The functions of dates and times. There is one zone, UTC.

import Columns

extension FunctionTable {
    static let times: [FunctionDefinition] = [
        FunctionDefinition(
            "now", "current_timestamp", "current_row_timestamp", "transaction_timestamp", "statement_timestamp", "clock_timestamp", meaning: .clock(.timestampTZ(precision: 6)), .time,
            "The epoch's reading of the clock; with so many digits of a second.", FunctionSignature([], .type(.timestampTZ(precision: 6))),
            FunctionSignature([.integer], .type(.timestampTZ(precision: 6)))),
        FunctionDefinition(
            "proctime", meaning: .clock(.timestampTZ(precision: 3)), .time,
            "The epoch's reading of the clock, as a time attribute of processing time.",
            FunctionSignature([], .type(.timestampTZ(precision: 3)))),
        FunctionDefinition(
            "localtimestamp", meaning: .clock(.timestamp(precision: 6)), .time, "The clock without time zone.",
            FunctionSignature([], .type(.timestamp(precision: 6))), FunctionSignature([.integer], .type(.timestamp(precision: 6)))),
        FunctionDefinition(
            "current_date", meaning: .clock(.date), .time, "Today.", FunctionSignature([], .type(.date))),
        FunctionDefinition(
            "current_time", "localtime", meaning: .clock(.time(precision: 6)), .time, "The time of day.",
            FunctionSignature([], .type(.time(precision: 6))), FunctionSignature([.integer], .type(.time(precision: 6)))),
        FunctionDefinition(
            ["date_part"], meaning: .call(.extract), .time,
            "A field: year, quarter, month, week, day, dow, isodow, doy, hour, minute, second, millisecond, microsecond, epoch, decade, century, isoyear; also `EXTRACT(field FROM x)`.",
            timeArguments.map { FunctionSignature([.unit, $0], extractResult) }),
        field("year", nil, "year", "The year."), field("quarter", nil, "quarter", "The quarter, 1 to 4."),
        field("month", nil, "month", "The month, 1 to 12."), field("week", "weekofyear", "week", "The ISO week."),
        field("dayofmonth", "day", "day", "The day of the month."),
        field("dayofweek", nil, "flinkdow", "The day of the week, 1 (Sunday) to 7."),
        field("dayofyear", nil, "doy", "The day of the year, from 1."), field("hour", nil, "hour", "The hour, 0 to 23."),
        field("minute", nil, "minute", "The minute."), field("second", nil, "wholesecond", "The whole second."),
        FunctionDefinition(
            "date_trunc", meaning: .call(.dateTruncate), .time,
            "The start of the unit: microsecond, millisecond, second, minute, hour, day, week (Monday), month, quarter, year, decade, century.",
            FunctionSignature([.unit, .timestamp], .argument(1)), FunctionSignature([.unit, .date], .argument(1))),
        FunctionDefinition(
            "timestampadd", meaning: .call(.timestampAdd), .time, "So many units later; also `TIMESTAMPADD(HOUR, n, ts)`.",
            FunctionSignature([.unit, .bigint, .timestamp], .argument(2)),
            FunctionSignature([.unit, .bigint, .date], .rule("date, or timestamp below a day") { types in types[2] })),
        FunctionDefinition(
            "timestampdiff", meaning: .call(.timestampDiff), .time,
            "How many whole units from the first to the second; also `TIMESTAMPDIFF(DAY, a, b)`.",
            FunctionSignature([.unit, .timestamp, .timestamp], .type(.bigint))),
        FunctionDefinition(
            "date_format", meaning: .call(.dateFormat), .time, "As text after a Java pattern: `yyyy-MM-dd HH:mm:ss.SSS`.",
            FunctionSignature([.timestamp, .text], .type(.text)), FunctionSignature([.date, .text], .type(.text)),
            FunctionSignature([.time, .text], .type(.text))),
        FunctionDefinition(
            "to_char", meaning: .call(.toChar), .time,
            "As text after a PostgreSQL pattern: `YYYY-MM-DD HH24:MI:SS.MS`; of numbers `FM999,990.00`, with 9 0 . , D G S MI PL SG PR FM TH and text in double quotes.",
            FunctionSignature([.timestamp, .text], .type(.text)), FunctionSignature([.date, .text], .type(.text)),
            FunctionSignature([.time, .text], .type(.text)), FunctionSignature([.number, .text], .type(.text))),
        FunctionDefinition(
            "to_timestamp", meaning: .call(.toTimestamp), .time,
            "A text (after a Java pattern, or ISO 8601) as TIMESTAMP; a number of seconds since 1970 as TIMESTAMP WITH TIME ZONE.",
            FunctionSignature([.text, .text], required: 1, .type(.timestamp(precision: 3))),
            FunctionSignature([.double], .type(.timestampTZ(precision: 6)))),
        FunctionDefinition(
            "to_timestamp_ltz", meaning: .call(.epochToTimestamp), .time,
            "Seconds (precision 0) or milliseconds (precision 3, the default) since 1970 as an instant.",
            FunctionSignature([.bigint, .integer], required: 1, .type(.timestampTZ(precision: 3)))),
        FunctionDefinition(
            "to_date", meaning: .call(.toDate), .time, "A text (after a Java pattern, or ISO 8601) as DATE.",
            FunctionSignature([.text, .text], required: 1, .type(.date))),
        FunctionDefinition(
            "from_unixtime", meaning: .call(.fromUnixTime), .time, "Seconds since 1970 as text after a Java pattern (`yyyy-MM-dd HH:mm:ss`).",
            FunctionSignature([.bigint, .text], required: 1, .type(.text))),
        FunctionDefinition(
            "unix_timestamp", meaning: .clockSeconds, .time, "Seconds since 1970 of the clock, a timestamp, or a text after a Java pattern.",
            FunctionSignature([], .type(.bigint)), FunctionSignature([.timestamp], .type(.bigint)),
            FunctionSignature([.text, .text], required: 1, .type(.bigint))),
        FunctionDefinition(
            "make_date", meaning: .call(.makeDate), .time, "Year, month, day.",
            FunctionSignature([.integer, .integer, .integer], .type(.date))),
        FunctionDefinition(
            "make_timestamp", meaning: .call(.makeTimestamp), .time, "Year, month, day, hour, minute, seconds.",
            FunctionSignature([.integer, .integer, .integer, .integer, .integer, .double], .type(.timestamp(precision: 6)))),
        FunctionDefinition(
            "last_day", meaning: .call(.lastDay), .time, "The last day of the month.", FunctionSignature([.date], .type(.date)),
            FunctionSignature([.timestamp], .type(.date))),
    ]

    static let timeArguments: [FunctionSignature.Argument] = [.timestamp, .date, .time, .interval]

    static let extractResult = FunctionSignature.Result.rule("bigint; decimal for second and epoch") { _ in .bigint }

    private static func field(_ name: String, _ alias: String?, _ unit: String, _ doc: String) -> FunctionDefinition {
        FunctionDefinition(
            alias.map { [name, $0] } ?? [name], meaning: .field(.extract, unit), .time, doc,
            timeArguments.map { FunctionSignature([$0], .type(.bigint)) })
    }
}
