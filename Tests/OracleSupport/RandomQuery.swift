// RandomQuery: SQL for the oracle. Every column is BIGINT or VARCHAR; window functions order by all columns, so that only rows that are
// equal can tie.

import Platform

struct QuerySource {
    enum ColumnType { case number, text }

    var sql: String
    var columns: [(name: String, type: ColumnType)]

    var numbers: [String] { columns.filter { $0.type == .number }.map(\.name) }
    var names: [String] { columns.map(\.name) }
}

package struct RandomQuery {
    private var random: SeededRandom
    private var serial = 0
    /// Tables without event time: what comes out may be compared after every epoch.
    private static let tables = ["t", "u", "c"]

    package init(seed: UInt64) { random = SeededRandom(seed: seed) }

    package mutating func untimed() -> String { source(depth: 1 + random.below(3)).sql }

    package mutating func timed() -> String {
        switch random.below(9) {
        case 0, 1: return windowed("e", columns: true).sql
        case 2:
            let (a, b) = (windowed("e", columns: true), windowed("f", columns: true))
            let kind = pick(["JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN"])
            return """
                SELECT a.k AS ak, a.n AS an, b.k AS bk, b.n AS bn, a.window_start AS ws FROM (\(a.sql)) a \(kind) (\(b.sql)) b
                ON a.window_start = b.window_start AND a.window_end = b.window_end AND a.k = b.k
                """
        case 3:
            let (low, high) = (random.below(5), random.below(5))
            let kind = pick(["JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN"])
            let residual = random.below(2) == 0 ? "" : " AND a.v <= b.v"
            return """
                SELECT a.id AS aid, b.id AS bid FROM e a \(kind) f b
                ON a.k = b.k AND a.ts BETWEEN b.ts - INTERVAL '\(low)' SECOND AND b.ts + INTERVAL '\(high)' SECOND\(residual)
                """
        case 4:
            let kind = pick(["ASOF JOIN", "ASOF LEFT JOIN"])
            return "SELECT a.id AS aid, b.id AS bid, b.v AS v FROM e a \(kind) f b ON a.k = b.k AND a.ts >= b.ts"
        case 5:
            let inner = windowed("e", columns: true)
            return """
                SELECT window_start, max(n) AS top, count(*) AS c FROM (\(inner.sql)) GROUP BY window_start, window_end
                """
        case 6:
            // A chain of which one join is bounded, wherever it stands.
            let (low, high) = (random.below(4), random.below(4))
            let interval = "c.ts BETWEEN a.ts - INTERVAL '\(low)' SECOND AND a.ts + INTERVAL '\(high)' SECOND"
            let residual = random.below(2) == 0 ? "" : " AND b.v < c.v"
            return pick([
                "SELECT a.id AS aid, b.id AS bid, c.id AS cid FROM e a JOIN t b ON a.v = b.v JOIN f c ON a.k = c.k AND \(interval)\(residual)",
                "SELECT a.id AS aid, b.s AS bs, c.id AS cid FROM t b, e a, f c WHERE b.k = a.k AND a.v = c.v AND \(interval)\(residual)",
                "SELECT a.id AS aid, b.id AS bid, c.v AS cv FROM (e a JOIN (SELECT k, max(id) AS id, max(v) AS v FROM u GROUP BY k) b ON a.k = b.k) JOIN f c ON a.v = c.v AND \(interval)",
            ])
        case 7:
            let inner = windowed("e", columns: true).sql
            let (call, comparison) = pick([("max", ">="), ("min", "<="), ("max", "="), ("max", "<=")])
            return """
                SELECT a.k AS k, a.n AS n, a.window_start AS ws FROM (\(inner)) a JOIN (
                SELECT \(call)(n) AS m, window_start AS ws, window_end AS we FROM (\(inner)) GROUP BY window_start, window_end) b
                ON a.window_start = b.ws AND a.window_end = b.we AND a.n \(comparison) b.m
                """
        default:
            let inner = windowed("e", columns: true)
            return """
                SELECT k, n, window_start, r FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC, k) AS r
                FROM (\(inner.sql))) WHERE r <= 2
                """
        }
    }

    private mutating func windowed(_ table: String, columns: Bool) -> QuerySource {
        let window = pick([
            "TUMBLE(TABLE \(table), DESCRIPTOR(ts), INTERVAL '5' SECOND)",
            "HOP(TABLE \(table), DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '6' SECOND)",
            "CUMULATE(TABLE \(table), DESCRIPTOR(ts), INTERVAL '3' SECOND, INTERVAL '9' SECOND)",
        ])
        let call = pick(["count(*)", "count(v)", "sum(v)", "min(v)", "max(v)", "count(DISTINCT v)"])
        return QuerySource(
            sql: """
                SELECT k, window_start, window_end, \(call) AS n FROM TABLE(\(window)) GROUP BY k, window_start, window_end
                """,
            columns: [("k", .number), ("n", .number)])
    }

    // MARK: Queries without time

    private mutating func pick<Element>(_ choices: [Element]) -> Element { choices[random.below(choices.count)] }

    private mutating func name() -> String {
        serial += 1
        return "c\(serial)"
    }

    private mutating func source(depth: Int) -> QuerySource {
        if depth <= 0 {
            let table = pick(Self.tables)
            return QuerySource(sql: "SELECT id, k, v, s FROM \(table)", columns: [("id", .number), ("k", .number), ("v", .number), ("s", .text)])
        }
        switch random.below(12) {
        case 0: return filtered(depth)
        case 1: return projected(depth)
        case 2, 3, 4: return joined(depth)
        case 5: return semi(depth)
        case 6, 7: return aggregated(depth)
        case 8, 9: return combined(depth)
        case 10: return top(depth)
        default: return over(depth)
        }
    }

    private mutating func number(_ source: QuerySource, prefix: String = "") -> String {
        guard !source.numbers.isEmpty else { return "1" }
        return prefix + pick(source.numbers)
    }

    private mutating func condition(_ source: QuerySource, prefix: String = "") -> String {
        let left = number(source, prefix: prefix)
        switch random.below(6) {
        case 0: return "\(left) > \(random.below(6) - 2)"
        case 1: return "\(left) % 3 = \(random.below(3))"
        case 2: return "\(left) IS NOT NULL"
        case 3: return "\(left) <= \(number(source, prefix: prefix))"
        case 4: return "\(left) IN (0, 1, 3)"
        default: return "(\(left) < 3 OR \(number(source, prefix: prefix)) = 4)"
        }
    }

    private mutating func filtered(_ depth: Int) -> QuerySource {
        let input = source(depth: depth - 1)
        return QuerySource(sql: "SELECT * FROM (\(input.sql)) WHERE \(condition(input))", columns: input.columns)
    }

    private mutating func projected(_ depth: Int) -> QuerySource {
        let input = source(depth: depth - 1)
        var columns: [(name: String, type: QuerySource.ColumnType)] = []
        var items: [String] = []
        for column in input.columns where random.below(4) > 0 {
            items.append(column.name)
            columns.append(column)
        }
        let made = name()
        items.append("\(number(input)) + \(number(input)) AS \(made)")
        columns.append((made, .number))
        let distinct = random.below(4) == 0 ? "DISTINCT " : ""
        return QuerySource(sql: "SELECT \(distinct)\(items.joined(separator: ", ")) FROM (\(input.sql))", columns: columns)
    }

    private mutating func joined(_ depth: Int) -> QuerySource {
        let (left, right) = (source(depth: depth - 1), source(depth: random.below(depth)))
        var items: [String] = []
        var columns: [(name: String, type: QuerySource.ColumnType)] = []
        for (prefix, side) in [("a", left), ("b", right)] {
            for column in side.columns.prefix(3) {
                let made = name()
                items.append("\(prefix).\(column.name) AS \(made)")
                columns.append((made, column.type))
            }
        }
        var condition = "a.\(number(left)) = b.\(number(right))"
        if left.numbers.isEmpty || right.numbers.isEmpty { condition = "TRUE" }
        if random.below(3) == 0, !left.numbers.isEmpty, !right.numbers.isEmpty {
            condition += " AND a.\(number(left)) <= b.\(number(right))"
        }
        let kind = pick(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        if kind == "JOIN" && random.below(3) == 0 {
            return QuerySource(
                sql: "SELECT \(items.joined(separator: ", ")) FROM (\(left.sql)) a, (\(right.sql)) b WHERE \(condition)", columns: columns)
        }
        return QuerySource(
            sql: "SELECT \(items.joined(separator: ", ")) FROM (\(left.sql)) a \(kind) (\(right.sql)) b ON \(condition)", columns: columns)
    }

    private mutating func semi(_ depth: Int) -> QuerySource {
        let (left, right) = (source(depth: depth - 1), source(depth: random.below(depth)))
        guard !left.numbers.isEmpty, !right.numbers.isEmpty else { return left }
        let (a, b) = (number(left), number(right))
        let test = pick([
            "\(a) IN (SELECT \(b) FROM (\(right.sql)) q)", "\(a) NOT IN (SELECT \(b) FROM (\(right.sql)) q)",
            "EXISTS (SELECT 1 FROM (\(right.sql)) q WHERE q.\(b) = p.\(a))", "NOT EXISTS (SELECT 1 FROM (\(right.sql)) q WHERE q.\(b) = p.\(a))",
            "\(a) > (SELECT min(\(b)) FROM (\(right.sql)) q)",
        ])
        return QuerySource(sql: "SELECT * FROM (\(left.sql)) p WHERE \(test)", columns: left.columns)
    }

    private mutating func aggregated(_ depth: Int) -> QuerySource {
        let input = source(depth: depth - 1)
        var items: [String] = []
        var columns: [(name: String, type: QuerySource.ColumnType)] = []
        let hasKey = random.below(6) > 0 && !input.columns.isEmpty
        let key = hasKey ? pick(input.columns) : (name: "", type: QuerySource.ColumnType.number)
        if hasKey {
            items.append(key.name)
            columns.append(key)
        }
        for _ in 0...random.below(3) {
            let argument = number(input)
            let call = pick([
                "count(*)", "count(\(argument))", "sum(\(argument))", "min(\(argument))", "max(\(argument))", "count(DISTINCT \(argument))",
                "sum(DISTINCT \(argument))", "count(*) FILTER (WHERE \(condition(input)))",
            ])
            let made = name()
            items.append("CAST(\(call) AS BIGINT) AS \(made)")
            columns.append((made, .number))
        }
        var sql = "SELECT \(items.joined(separator: ", ")) FROM (\(input.sql))"
        if hasKey { sql += " GROUP BY \(key.name)" }
        if hasKey && random.below(4) == 0 { sql += " HAVING count(*) > \(random.below(3))" }
        return QuerySource(sql: sql, columns: columns)
    }

    private mutating func combined(_ depth: Int) -> QuerySource {
        let (left, right) = (source(depth: depth - 1), source(depth: random.below(depth)))
        let operation = pick(["UNION ALL", "UNION ALL", "UNION", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"])
        let (x, y) = (name(), name())
        return QuerySource(
            sql: """
                SELECT \(number(left)) AS \(x), \(number(left)) AS \(y) FROM (\(left.sql)) \(operation) \
                SELECT \(number(right)), \(number(right)) FROM (\(right.sql))
                """, columns: [(x, .number), (y, .number)])
    }

    private mutating func all(_ source: QuerySource) -> String {
        source.names.map { $0 + pick(["", " DESC", " DESC NULLS LAST", " NULLS FIRST"]) }.joined(separator: ", ")
    }

    private mutating func top(_ depth: Int) -> QuerySource {
        let input = source(depth: depth - 1)
        guard let first = input.columns.first else { return input }
        let made = name()
        let function = pick(["ROW_NUMBER", "ROW_NUMBER", "RANK", "DENSE_RANK"])
        // RANK keeps its ties: they are the same whatever the order among them.
        let order = function == "ROW_NUMBER" ? all(input) : pick(input.names) + pick(["", " DESC"])
        let partition = random.below(4) == 0 ? "" : "PARTITION BY \(pick(input.names)) "
        let limit = pick(["<= 1", "<= 2", "< 3", "= 1", "BETWEEN 2 AND 3"])
        let showsRank = random.below(2) == 0
        let items = showsRank ? "*" : input.names.joined(separator: ", ")
        _ = first
        return QuerySource(
            sql: """
                SELECT \(items) FROM (SELECT \(input.names.joined(separator: ", ")), \(function)() OVER (\(partition)ORDER BY \(order)) AS \(made)
                FROM (\(input.sql))) WHERE \(made) \(limit)
                """, columns: input.columns + (showsRank ? [(made, .number)] : []))
    }

    private mutating func over(_ depth: Int) -> QuerySource {
        let input = source(depth: depth - 1)
        guard !input.columns.isEmpty else { return input }
        let made = name()
        let argument = number(input)
        let call = pick(["sum(\(argument))", "count(*)", "min(\(argument))", "max(\(argument))", "lag(\(argument))", "row_number()"])
        let frame =
            call.hasPrefix("lag") || call.hasPrefix("row")
            ? "" : pick(["", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"])
        return QuerySource(
            sql: """
                SELECT \(input.names.joined(separator: ", ")), CAST(\(call) OVER (PARTITION BY \(pick(input.names)) ORDER BY \(all(input))\(frame)) AS BIGINT) \
                AS \(made) FROM (\(input.sql))
                """, columns: input.columns + [(made, .number)])
    }
}
