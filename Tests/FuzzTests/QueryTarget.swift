// SQL text: parsed, planned with and without the optimiser, explained, and run over a few rows.

import Columns
import Dataflow
import Foundation
import OracleSupport
import Planning
import Platform
import Syntax

final class QueryTarget: FuzzTarget {
    let name = "sql"
    let runs = 3_000
    let inputs: [[UInt8]]
    let words =
        [
            "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "JOIN", "LEFT JOIN", "ON", "UNION ALL", "EXCEPT", "(", ")", ",", "*", "'", "''", "NULL", "CASE WHEN v > 1 THEN 2 END",
            "count(*)", "sum(v)", "max(s)", "CAST(v AS VARCHAR)", "CAST(s AS BIGINT)", "INTERVAL '5' SECOND", "TIMESTAMP '2026-01-01 00:00:00'", "OVER (PARTITION BY k ORDER BY id)",
            "ROW_NUMBER()", "EXISTS (SELECT 1 FROM u)", "IN (1, 2)", "BETWEEN 1 AND 3", "LIKE '%a_'", "9223372036854775807", "1e308", "-", "/ 0", "% 0", "||", "::INT", "t", "u", "c", "e", "id", "k", "v",
            "s", "ts", "DISTINCT", "HAVING", "LIMIT 3", "EMIT CHANGES", "SIMILAR TO '(a|b)*'", "substring(s, -1, 9223372036854775807)", "repeat(s, 1000000)", "power(v, 1000)", "ARRAY[1, v]",
            "MATCH_RECOGNIZE", "TUMBLE", "WITH x AS", "LATERAL", "VALUES (1)", "lpad(s, 100000000)", "v << 100", "date_trunc('month', ts)",
        ].map { Array(" \($0) ".utf8) }
    private let catalog: FuzzCatalog
    private let pool = WorkerPool(workerCount: 1)
    private var number: UInt64 = 0

    init() throws {
        catalog = try FuzzCatalog()
        var inputs: [[UInt8]] = []
        for seed in 0..<300 as Range<UInt64> {
            var query = RandomQuery(seed: seed + 5_000)
            inputs.append(Array((seed % 3 == 0 ? query.timed() : query.untimed()).utf8))
        }
        let others = [
            "SELECT upper(s) || lower(s), substring(s, 1, 2), length(s), CAST(v AS DOUBLE) / 3, abs(v), coalesce(v, 0) FROM t WHERE s LIKE 'a%'",
            "SELECT k, CASE WHEN v > 1 THEN 'big' ELSE 'small' END, ts + INTERVAL '1' DAY, EXTRACT(HOUR FROM ts), date_format(ts, 'yyyy-MM') FROM e",
            "SELECT k, array_agg(v), string_agg(s, ','), avg(v), stddev(v) FROM t GROUP BY k",
            "SELECT * FROM t CROSS JOIN UNNEST(ARRAY[1, 2, v]) AS x (y)",
        ]
        let good = others.filter { (try? Parser.parseQuery($0)) != nil }
        self.inputs = inputs + good.map { Array($0.utf8) }
    }

    /// Words for words of the same kind, most of the time: what comes out is often still a query.
    func change(_ input: [UInt8], _ random: inout SeededRandom) -> [UInt8]? {
        guard random.below(8) > 0 else { return nil }
        var tokens: [String] = []
        for character in String(decoding: input, as: UTF8.self) {
            let isWord = character.isLetter || character.isNumber || character == "_"
            if isWord, let last = tokens.last?.last, last.isLetter || last.isNumber || last == "_" {
                tokens[tokens.count - 1].append(character)
            } else {
                tokens.append(String(character))
            }
        }
        for _ in 0...random.below(3) where !tokens.isEmpty {
            let place = random.below(tokens.count)
            let token = tokens[place]
            let kinds = Self.kinds.filter { $0.contains(token) }
            if let kind = kinds.first {
                tokens[place] = kind[random.below(kind.count)]
            } else if token.allSatisfy(\.isNumber) {
                tokens[place] = ["0", "1", "2", "3", "64", "9223372036854775807", "9223372036854775808", "1.5", "1e300", "NULL"][random.below(10)]
            } else if random.below(6) == 0 {
                tokens.remove(at: place)
            } else if random.below(6) == 0 {
                tokens.insert(String(decoding: words[random.below(words.count)], as: UTF8.self), at: place)
            }
        }
        return Array(tokens.joined().utf8)
    }

    private static let expressions = [
        "v", "k", "id", "s", "c1", "c2", "(v + 1)", "(v * 9223372036854775807)", "(v / (k - 1))", "(-v)", "CAST(s AS BIGINT)", "TRY_CAST(s AS BIGINT)", "CAST(v AS VARCHAR)", "NULL",
        "length(s)", "upper(s)", "substring(s, v, k)", "repeat(s, 1000)", "lpad(s, 50, 'x')", "coalesce(v, k)", "nullif(v, 1)", "CASE WHEN v > k THEN v ELSE s END", "(s || s)", "abs(v)",
        "power(v, k)", "CAST(v AS DECIMAL(38, 10))", "CAST(v AS DOUBLE)", "round(v / 3.0, k)", "greatest(v, k, id)", "(v << k)", "(v % k)", "CAST(v AS SMALLINT)", "regexp_replace(s, '(a|b)+', s)",
        "CURRENT_TIMESTAMP", "TIMESTAMP '2026-01-01 00:00:00' + INTERVAL '1' DAY * v", "ARRAY[v, k]", "ARRAY[v, k][id]", "ROW(v, s)", "EXTRACT(DAY FROM CURRENT_TIMESTAMP)", "(v BETWEEN k AND id)",
    ]
    private static let kinds: [[String]] = [
        expressions, ["t", "u", "c", "e", "f"], ["sum", "min", "max", "count", "avg", "stddev", "array_agg", "bool_and", "first_value", "last_value", "lag", "lead"],
        ["ROW_NUMBER", "RANK", "DENSE_RANK", "NTILE", "PERCENT_RANK"], ["JOIN", "LEFT", "RIGHT", "FULL", "CROSS", "INNER"], ["UNION", "INTERSECT", "EXCEPT"],
        ["TUMBLE", "HOP", "CUMULATE", "SESSION"], ["SECOND", "MINUTE", "DAY", "MONTH", "YEAR"], ["DESC", "ASC", "FIRST", "LAST"], ["=", "<", ">", "<>"], ["+", "-", "*", "/", "%"],
        ["AND", "OR", "IS", "NOT"], ["PRECEDING", "FOLLOWING"], ["ROWS", "RANGE"], ["ALL", "DISTINCT"],
    ]

    func run(_ bytes: [UInt8]) throws {
        number &+= 1
        let query = try Parser.parseQuery(String(decoding: bytes, as: UTF8.self))
        var options = PlannerOptions()
        options.evaluate = { (try? CompiledExpression.compile($0))?.constantValue }
        if number % 3 == 0 { options.rules = [] }
        let planned = try Planner.plan(query, mode: .continuous, catalog: catalog, options: options).query
        let graph = try DataflowGraph(plan: planned.plan, settings: DataflowSettings(partitionCount: 2, batchRows: 4))
        for epoch in 1...2 as ClosedRange<UInt64> {
            let scans = graph.scans.map { scan -> ScanInput in
                let types = scan.relation.physicalSchema.types
                var rows: [[Value]] = []
                for row in 0..<6 {
                    let id = Int64(epoch) * 10 + Int64(row)
                    let key: Value = row == 0 ? .null : .integer(id % 3)
                    let text: Value = row == 1 ? .null : .string("ab")
                    let all: [Value] = [.integer(id), key, .integer(id % 4 - 1), text, .integer(id * 1_000_000)]
                    rows.append(Array(all.prefix(types.count)))
                }
                let whole = RowBatch.make(rows, types: types)
                let batch = RowBatch(count: whole.count, columns: scan.columns.map { whole.columns[$0.column] })
                return ScanInput(
                    morsels: [Morsel(shard: 0, rowCountEstimate: 6) { try $0(batch) }],
                    shards: [ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: epoch == 2)])
            }
            _ = try graph.run(EpochInput(epoch: epoch, clockMicroseconds: Int64(epoch) * 1_000_000, scans: scans), pool: pool)
        }
        _ = graph.capture(pool: pool)
    }
}
