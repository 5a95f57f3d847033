// Keywords: every word the parser gives a meaning to, and which of them cannot be used as a name.
//
// A keyword is looked up once, when its token is made, without regard to case. Most keywords are not reserved: where a name is
// expected they are names (`SELECT date, window, stream FROM state`), and where the syntax could mean either, the parser looks
// one or two tokens further. Reserved are only words that PostgreSQL reserves too and that could otherwise not be told from an
// alias or from the beginning of the next clause. A test checks that every word here appears in `grammar/`.

package enum Keyword: String, CaseIterable, Sendable {
    case after = "AFTER", alert = "ALERT", all = "ALL", and = "AND", any = "ANY", array = "ARRAY", `as` = "AS", asc = "ASC", asof = "ASOF", at = "AT"
    case between = "BETWEEN", both = "BOTH", by = "BY"
    case `case` = "CASE", cast = "CAST", ceil = "CEIL", ceiling = "CEILING", changes = "CHANGES", close = "CLOSE"
    case create = "CREATE", cross = "CROSS", cube = "CUBE", current = "CURRENT", currentDate = "CURRENT_DATE"
    case currentTime = "CURRENT_TIME", currentTimestamp = "CURRENT_TIMESTAMP", cursor = "CURSOR"
    case data = "DATA", date = "DATE", define = "DEFINE", desc = "DESC", describe = "DESCRIBE", descriptor = "DESCRIPTOR"
    case distinct = "DISTINCT", drop = "DROP"
    case `else` = "ELSE", emit = "EMIT", empty = "EMPTY", end = "END", enforced = "ENFORCED", escape = "ESCAPE"
    case evaluations = "EVALUATIONS"
    case except = "EXCEPT", exclude = "EXCLUDE", exists = "EXISTS", explain = "EXPLAIN", extract = "EXTRACT"
    case `false` = "FALSE", fetch = "FETCH", filter = "FILTER", final = "FINAL", fire = "FIRE", firing = "FIRING", first = "FIRST", floor = "FLOOR"
    case following = "FOLLOWING", `for` = "FOR", from = "FROM", full = "FULL", function = "FUNCTION"
    case functions = "FUNCTIONS"
    case group = "GROUP", grouping = "GROUPING", groups = "GROUPS"
    case having = "HAVING"
    case `if` = "IF", ignore = "IGNORE", ilike = "ILIKE", immutable = "IMMUTABLE", `in` = "IN", inner = "INNER"
    case insert = "INSERT", intersect = "INTERSECT", interval = "INTERVAL", into = "INTO", `is` = "IS"
    case join = "JOIN"
    case keep = "KEEP", key = "KEY"
    case language = "LANGUAGE", last = "LAST", lateral = "LATERAL", latest = "LATEST", leading = "LEADING"
    case left = "LEFT", like = "LIKE", limit = "LIMIT", local = "LOCAL", localtime = "LOCALTIME"
    case localtimestamp = "LOCALTIMESTAMP", logical = "LOGICAL"
    case map = "MAP", match = "MATCH", matches = "MATCHES", matchRecognize = "MATCH_RECOGNIZE", measures = "MEASURES"
    case natural = "NATURAL", next = "NEXT", no = "NO", not = "NOT", null = "NULL", nulls = "NULLS"
    case of = "OF", offset = "OFFSET", omit = "OMIT", on = "ON", one = "ONE", only = "ONLY", or = "OR", order = "ORDER"
    case ordinality = "ORDINALITY", outer = "OUTER", over = "OVER", overlay = "OVERLAY"
    case partition = "PARTITION", partitioned = "PARTITIONED", past = "PAST", pattern = "PATTERN", per = "PER"
    case permute = "PERMUTE", physical = "PHYSICAL", placing = "PLACING", plan = "PLAN", position = "POSITION"
    case preceding = "PRECEDING", precision = "PRECISION", primary = "PRIMARY", pump = "PUMP", pumps = "PUMPS"
    case qualify = "QUALIFY", queries = "QUERIES", query = "QUERY"
    case range = "RANGE", recursive = "RECURSIVE", replace = "REPLACE", reset = "RESET", resolve = "RESOLVE", respect = "RESPECT"
    case retain = "RETAIN", `return` = "RETURN", returns = "RETURNS", right = "RIGHT", rollup = "ROLLUP", row = "ROW"
    case rows = "ROWS", running = "RUNNING"
    case select = "SELECT", set = "SET", sets = "SETS", shards = "SHARDS", show = "SHOW", similar = "SIMILAR"
    case skip = "SKIP", some = "SOME", stable = "STABLE", start = "START", step = "STEP", stream = "STREAM", streams = "STREAMS"
    case strict = "STRICT", subset = "SUBSET", substring = "SUBSTRING", symmetric = "SYMMETRIC"
    case systemTime = "SYSTEM_TIME"
    case table = "TABLE", tables = "TABLES", temporary = "TEMPORARY", test = "TEST", then = "THEN", time = "TIME"
    case timestamp = "TIMESTAMP", timestampAdd = "TIMESTAMPADD", timestampDiff = "TIMESTAMPDIFF"
    case timestamptz = "TIMESTAMPTZ", timestampLtz = "TIMESTAMP_LTZ", to = "TO", trailing = "TRAILING", trim = "TRIM"
    case trimHorizon = "TRIM_HORIZON", `true` = "TRUE", tryCast = "TRY_CAST"
    case unbounded = "UNBOUNDED", union = "UNION", unknown = "UNKNOWN", unmatched = "UNMATCHED", unnest = "UNNEST"
    case using = "USING"
    case values = "VALUES", varying = "VARYING", view = "VIEW", views = "VIEWS"
    case watermark = "WATERMARK", when = "WHEN", `where` = "WHERE", window = "WINDOW", with = "WITH", within = "WITHIN"
    case without = "WITHOUT"
    case zone = "ZONE"

    /// Words that are no names unless quoted.
    package var isReserved: Bool {
        switch self {
        case .all, .and, .array, .as, .asc, .between, .case, .cross, .currentDate, .currentTime, .currentTimestamp, .desc,
             .distinct, .else, .end, .except, .false, .fetch, .for, .from, .full, .group, .having, .ilike, .in, .inner,
             .intersect, .into, .is, .join, .lateral, .left, .like, .limit, .localtime, .localtimestamp, .natural, .not, .null,
             .offset, .on, .or, .order, .right, .select, .table, .then, .true, .union, .using, .when, .where, .with:
            true
        default:
            false
        }
    }

    /// Reserved words that are functions all the same when a parenthesis follows: `LEFT(s, 2)`.
    var mayNameFunction: Bool { !isReserved || self == .left || self == .right }

    /// The keyword that `word` spells, in any case; nil for every other word.
    package static func find(_ word: some StringProtocol) -> Keyword? {
        // No keyword is longer; a long name need not be made upper case to see that it is none.
        guard word.utf8.count <= 17 else { return nil }
        return bySpelling[word.uppercased()]
    }

    private static let bySpelling: [String: Keyword] = Dictionary(
        allCases.map { ($0.rawValue, $0) }, uniquingKeysWith: { first, _ in first })
}
