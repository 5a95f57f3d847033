// NameHints: what people may have meant by a name that there is not, where no name that there is resembles it.

import Columns
import Syntax

enum NameHints {
    /// What is written here for functions of other systems.
    private static let functions: [String: String] = [
        "getdate": "now() gives the clock", "sysdate": "now() gives the clock", "getutcdate": "now() gives the clock",
        "systimestamp": "now() gives the clock", "unixtime": "unix_timestamp() gives seconds since 1970",
        "datediff": "write TIMESTAMPDIFF(DAY, a, b), or a - b for an interval", "date_diff": "write TIMESTAMPDIFF(DAY, a, b), or a - b for an interval",
        "dateadd": "write ts + INTERVAL '1' DAY, or TIMESTAMPADD(DAY, 1, ts)", "date_add": "write ts + INTERVAL '1' DAY, or TIMESTAMPADD(DAY, 1, ts)",
        "date_sub": "write ts - INTERVAL '1' DAY", "isnull": "write x IS NULL, or coalesce(x, y)", "charindex": "write position('x' IN y)",
        "explode": "write FROM t CROSS JOIN UNNEST(array) AS u (x)", "flatten": "write FROM t CROSS JOIN UNNEST(array) AS u (x)",
        "convert": "write CAST(x AS type)", "tostring": "write CAST(x AS VARCHAR)", "toint": "write CAST(x AS INTEGER)",
        "nvarchar": "write CAST(x AS VARCHAR)",
    ]

    private static let windowColumns: Set<String> = ["window_start", "window_end", "window_time"]

    static func function(_ name: String) -> String? { functions[name.lowercased()] }

    static func column(_ identifier: Identifier) -> String? {
        let name = identifier.name.lowercased()
        if windowColumns.contains(name) {
            return "\(name) comes from a window: FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)); "
                + "with GROUP BY TUMBLE(ts, ..) it is TUMBLE_\(name == "window_start" ? "START" : name == "window_end" ? "END" : "ROWTIME")(ts, ..)"
        }
        if identifier.isQuoted { return "in double quotes or backticks \(identifier.name) is a name; a text is written '\(identifier.name)'" }
        switch name {
        case "rowtime", "event_time": return "the event time is the column that the stream's WATERMARK names"
        case "year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond":
            return "\(name.uppercased()) is a unit of time: TIMESTAMPDIFF(\(name.uppercased()), a, b), EXTRACT(\(name.uppercased()) FROM ts)"
        case "proctime": return "PROCTIME() gives the clock"
        case "approximate_arrival_time": return "the log does not show when a row arrived; PROCTIME() gives the clock"
        default: return functions[name]
        }
    }

    /// A select list's own names stand for nothing before the list has been computed.
    static func alias(_ error: SQLError, _ items: [SelectItem]) -> SQLError {
        guard error.code == SQLError.undefinedColumn else { return error }
        for case let alias? in items.map(\.alias) where error.message.lowercased() == "column \"\(alias.name.lowercased())\" does not exist" {
            return SQLError(
                error.message, at: error.span,
                hint: "\"\(alias.name)\" is a name that this SELECT gives; it is known in GROUP BY, ORDER BY, QUALIFY and around the query: repeat its expression here, or use a subquery",
                code: error.code)
        }
        return error
    }
}
