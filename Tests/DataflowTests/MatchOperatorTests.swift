// MATCH_RECOGNIZE against the oracle, on random patterns, conditions and rows; and what must not stall.

import Columns
import Planning
import Platform
import Syntax
import XCTest

@testable import Dataflow

final class MatchOperatorTests: XCTestCase {
    private struct OneTable: Catalog {
        let relation: RelationDefinition
        func entry(named name: String) -> CatalogEntry? { name == "t" ? .relation(relation) : nil }
        var entryNames: [String] { ["t"] }
    }

    private static let types: [SQLType] = [.bigint, .bigint, .timestamp(precision: 6)]

    static func plan(_ sql: String, mode: RunMode = .continuous) throws -> PhysicalPlan {
        let text = "CREATE STREAM t (k BIGINT, v BIGINT, ts TIMESTAMP(6), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)"
        guard case .createRelation(let clause) = try Parser.parseStatement(text).kind else { throw DataflowError("no relation") }
        let empty = OneTable(relation: RelationDefinition(name: "none", columns: []))
        let catalog = OneTable(relation: try Planner.define(clause, catalog: empty))
        do {
            return try Planner.plan(try Parser.parseQuery(sql), mode: mode, catalog: catalog, options: PlannerOptions()).query.plan
        } catch let error as SQLError {
            throw DataflowError(render(error, source: sql, name: nil))
        }
    }

    // MARK: Random

    private struct Condition {
        var sql: String
        var holds: (OracleContext) -> Bool
    }

    private static func condition(_ variable: Int, _ random: inout SeededRandom) -> Condition? {
        let name = OraclePattern.names[variable]
        let number = Int64(random.below(10))
        func compare(_ a: Int64?, _ b: Int64?, _ test: (Int64, Int64) -> Bool) -> Bool { a.flatMap { a in b.map { test(a, $0) } } ?? false }
        switch random.below(16) {
        case 0, 1: return Condition(sql: "\(name).v > \(number)") { compare($0.value($0.current), number, >) }
        case 2, 3: return Condition(sql: "\(name).v < \(number)") { compare($0.value($0.current), number, <) }
        case 4: return Condition(sql: "\(name).v > PREV(\(name).v)") { compare($0.value($0.current), $0.value($0.current - 1), >) }
        case 5:
            return Condition(sql: "\(name).v >= LAST(A.v)") { compare($0.value($0.current), $0.value($0.last(0)), >=) }
        case 6:
            return Condition(sql: "LAST(\(name).v, 1) IS NULL OR \(name).v > LAST(\(name).v, 1)") {
                let before = $0.value($0.last(variable, 1))
                return before == nil || compare($0.value($0.current), before, >)
            }
        case 7:
            return Condition(sql: "SUM(\(name).v) < \(number * 3)") { context in
                context.rows(variable).reduce(0) { $0 + context.values[$1] } < number * 3
            }
        case 8: return Condition(sql: "COUNT(*) <= \(number / 2 + 1)") { $0.mapping.count <= Int(number / 2 + 1) }
        case 9: return Condition(sql: "v > FIRST(v)") { compare($0.value($0.current), $0.value($0.first(nil)), >) }
        case 10:
            return Condition(sql: "\(name).v + FIRST(A.v) < \(number + 5)") { context in
                compare(context.value(context.current), context.value(context.first(0))) { $0 + $1 < number + 5 }
            }
        case 11: return Condition(sql: "\(name).v <= NEXT(\(name).v)") { compare($0.value($0.current), $0.value($0.current + 1), <=) }
        case 12:
            return Condition(sql: "AVG(B.v) > \(number)") { context in
                let rows = context.rows(1)
                return !rows.isEmpty && rows.reduce(0) { $0 + context.values[$1] } > number * Int64(rows.count)
            }
        case 13:
            return Condition(sql: "PREV(LAST(B.v), 1) < \(name).v") { context in
                compare(context.value(context.last(1).map { $0 - 1 }), context.value(context.current), <)
            }
        case 14:
            return Condition(sql: "MIN(\(name).v) > \(number) OR CLASSIFIER() = 'A' AND \(name).v * 2 > LAST(\(name).v, 2)") { context in
                if context.rows(variable).map({ context.values[$0] }).min() ?? 0 > number { return true }
                return variable == 0
                    && compare(context.value(context.current).map { $0 * 2 }, context.value(context.last(variable, 2)), >)
            }
        default: return nil
        }
    }

    private static func pattern(_ depth: Int, _ random: inout SeededRandom) -> OraclePattern {
        func parts(_ most: Int, _ random: inout SeededRandom) -> [OraclePattern] {
            (0..<(2 + random.below(most - 1))).map { _ in pattern(depth - 1, &random) }
        }
        if depth == 0 { return .variable(random.below(4)) }
        switch random.below(12) {
        case 0, 1: return .variable(random.below(4))
        case 2, 3, 4: return .sequence(parts(3, &random))
        case 5, 6: return .alternation(parts(2, &random))
        case 7, 8, 9:
            let bounds: [(Int, Int?)] = [(0, nil), (1, nil), (0, 1), (2, 3), (1, 2), (2, nil), (0, 2)]
            let (min, max) = bounds[random.below(bounds.count)]
            return .repetition(pattern(depth - 1, &random), min, max, isGreedy: random.below(3) > 0)
        case 10: return random.below(2) == 0 ? .permutation(parts(2, &random)) : .exclusion(pattern(depth - 1, &random))
        default:
            let inner = pattern(depth - 1, &random)
            return .sequence(random.below(3) == 0 ? [.start, inner] : [inner, .end])
        }
    }

    private static let measures = """
        MATCH_NUMBER() AS mn, FIRST(v) AS fv, LAST(v) AS lv, COUNT(*) AS c, SUM(A.v) AS sa, LAST(B.v) AS lb, FIRST(A.v, 1) AS fa,
        CLASSIFIER() AS cl, MAX(U.v) AS mu, PREV(FIRST(v)) AS pv, NEXT(LAST(v)) AS nv, LAST(C.v * 2, 1) + 1 AS lc, FINAL COUNT(D.v) AS fd
        """

    /// The measures at a row of the match, and the variables of the first row and so on up to the current one.
    private static func measured(_ match: OracleMatch, upTo count: Int, number: Int, _ values: [Int64]) -> [Value] {
        func value(_ number: Int64?) -> Value { number.map { .integer($0) } ?? .null }
        let context = OracleContext(values: values, start: match.start, mapping: Array(match.mapping.prefix(count)))
        let sum = context.rows(0).isEmpty ? nil : context.rows(0).reduce(0) { $0 + values[$1] }
        let most = context.mapping.indices.filter { context.mapping[$0] <= 1 }.map { values[$0 + match.start] }.max()
        return [
            .integer(Int64(number)), value(context.value(context.first(nil))), value(context.value(context.last(nil))),
            .integer(Int64(count)), value(sum), value(context.value(context.last(1))), value(context.value(context.first(0, 1))),
            count == 0 ? .null : .string(OraclePattern.names[context.mapping[count - 1]]), value(most),
            value(context.value(context.first(nil).map { $0 - 1 })), value(context.value(context.last(nil).map { $0 + 1 })),
            value(context.value(context.last(2, 1)).map { $0 * 2 + 1 }), .integer(Int64(match.mapping.filter { $0 == 3 }.count)),
        ]
    }

    private func check(seed: UInt64) throws -> Bool {
        var random = SeededRandom(seed: seed)
        var pattern = Self.pattern(3, &random)
        if !pattern.hasVariable { pattern = .sequence([pattern, .variable(0)]) }
        // Every variable occurs, so that measures and conditions may name it.
        let all = OraclePattern.alternation([pattern, .sequence([.end, .variable(0), .variable(1), .variable(2), .variable(3)])])
        let conditions = (0..<4).map { Self.condition($0, &random) }
        let within: Int64? = random.below(3) == 0 ? Int64(1 + random.below(5)) * second : nil
        let skips = [
            "PAST LAST ROW", "PAST LAST ROW", "TO NEXT ROW", "TO FIRST B", "TO LAST A", "TO LAST C",
        ]
        let skip = random.below(skips.count)
        let forms = ["ONE ROW PER MATCH", "ALL ROWS PER MATCH", "ALL ROWS PER MATCH OMIT EMPTY MATCHES", "ALL ROWS PER MATCH WITH UNMATCHED ROWS"]
        let form = random.below(forms.count)
        let keyCount = 1 + random.below(3)
        let rowCount = 4 + random.below(20)
        var rows: [InputRow] = []
        for index in 0..<rowCount {
            let time = Int64(index) * second / 2 + Int64(random.below(3)) * second / 2
            rows.append(
                InputRow(values: [.integer(Int64(random.below(keyCount))), .integer(Int64(random.below(10))), .integer(time)]))
        }
        let defined = conditions.enumerated().compactMap { index, condition in condition.map { "\(OraclePattern.names[index]) AS \($0.sql)" } }
        let sql = """
            SELECT * FROM t MATCH_RECOGNIZE (
            PARTITION BY k ORDER BY ts MEASURES \(Self.measures) \(forms[form]) AFTER MATCH SKIP \(skips[skip])
            PATTERN (\(all.sql)) \(within.map { "WITHIN INTERVAL '\($0 / second)' SECOND" } ?? "") SUBSET U = (A, B)
            DEFINE \(defined.isEmpty ? "A AS TRUE" : defined.joined(separator: ", "))) AS m
            """

        var wanted: [[Value]] = []
        var failures = 0
        for key in 0..<Int64(keyCount) {
            let mine = rows.enumerated().filter { $0.element.values[0] == .integer(key) }.sorted { a, b in
                if case .integer(let x) = a.element.values[2], case .integer(let y) = b.element.values[2], x != y { return x < y }
                return a.offset < b.offset
            }.map(\.element.values)
            let values = mine.map { row -> Int64 in if case .integer(let value) = row[1] { value } else { 0 } }
            let times = mine.map { row -> Int64 in if case .integer(let value) = row[2] { value } else { 0 } }
            let oracle = MatchOracle(all, conditions: conditions.map { $0?.holds }, within: within, values: values, times: times)
            let nothing = [Value](repeating: .null, count: 13)
            var start = 0
            var number = 0
            var covered = -1
            while start < values.count {
                let found = oracle.match(at: start)
                if oracle.isExhausted { return false }
                guard let match = found else {
                    if form == 3, start > covered { wanted.append(mine[start] + nothing) }
                    start += 1
                    continue
                }
                number += 1
                let count = match.mapping.count
                covered = max(covered, start + count - 1)
                if form == 0 {
                    wanted.append([.integer(key)] + Self.measured(match, upTo: count, number: number, values))
                } else if count == 0 {
                    if form != 2 { wanted.append(mine[start] + Self.measured(match, upTo: 0, number: number, values)) }
                } else {
                    for index in 0..<count where !match.isExcluded[index] {
                        wanted.append(mine[start + index] + Self.measured(match, upTo: index + 1, number: number, values))
                    }
                }
                if count == 0 || skip == 2 {
                    start += 1
                } else if skip < 2 {
                    start += count
                } else {
                    let index = skip == 3 ? match.mapping.firstIndex(of: 1) : match.mapping.lastIndex(of: skip == 4 ? 0 : 2)
                    if let index, index > 0 {
                        start += index
                    } else {
                        failures += 1
                        start += 1
                    }
                }
            }
        }
        let folded = Harness.fold(wanted)
        for (mode, plan) in [(RunMode.continuous, try Self.plan(sql)), (.bounded, try Self.plan(sql, mode: .bounded))] {
            let configurations = mode == .bounded
                ? [RunConfiguration.all[0]] : [RunConfiguration.all[0], RunConfiguration.all[4], RunConfiguration(batchRows: 2, rowsPerEpoch: 3, morselRows: 2, workers: 3)]
            for configuration in configurations {
                let result = try Harness.run(plan, rows, types: Self.types, configuration)
                if result.folded != folded || result.late != 0 || result.failures.count != failures {
                    XCTFail(
                        """
                        seed \(seed), \(mode), \(configuration)
                        \(sql)
                        rows \(rows.map(\.values))
                        \(Harness.difference(result.folded, folded))
                        \(result.late) late; \(result.failures.count) failures instead of \(failures): \(result.failures.first.map { "\($0)" } ?? "")
                        """)
                    return true
                }
            }
        }
        return true
    }

    func testRandomPatternsMatchAsTheOracleDoes() throws {
        var checked = 0
        for seed in 0..<UInt64(1_500) {
            if try check(seed: seed) { checked += 1 }
            if let failures = testRun?.failureCount, failures >= 2 { return }
        }
        XCTAssertGreaterThan(checked, 1_300, "the oracle gave up too often")
    }

    // MARK: Bounds

    private static func rows(_ count: Int, keys: Int, value: (Int) -> Int64) -> [InputRow] {
        (0..<count).map { InputRow(values: [.integer(Int64($0 % keys)), .integer(value($0)), .integer(Int64($0) * 1_000)]) }
    }

    func testNestedRepetitionsTakeLinearTime() throws {
        for pattern in ["(A*)*", "((A*)*)* B", "(A+)+ B", "(A|A)* B", "((A?){10}){10} B", "(A* A* A* A*)* B", "PERMUTE(A*, B*, C*)"] {
            let plan = try Self.plan(
                """
                SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES COUNT(*) AS c PATTERN (\(pattern))
                DEFINE A AS A.v = 1) AS m
                """)
            let result = try Harness.run(plan, Self.rows(3_000, keys: 1) { _ in 1 }, types: Self.types)
            XCTAssertFalse(result.rows.isEmpty, pattern)
            XCTAssertEqual(result.failures.count, 0, pattern)
        }
    }

    func testTooManyPartialMatchesAreCounted() throws {
        let sql = """
            SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES COUNT(*) AS c AFTER MATCH SKIP TO NEXT ROW
            PATTERN (A+ B) DEFINE B AS B.v = 2) AS m
            """
        guard case .match(let input, let node) = try Self.plan(sql) else { return XCTFail("no match") }
        let stage = try MatchStage(node, inputTypes: input.outputTypes, name: "m", settings: DataflowSettings(partitionCount: 1), partialMatchesMax: 50)
        let batch = RowBatch.make(Self.rows(100, keys: 1) { _ in 1 }.map { Array($0.values.suffix(input.outputTypes.count)) }, types: input.outputTypes)
        let context = TaskContext()
        context.begin(clockMicroseconds: 0, reportedRowsMax: 1_000)
        let feeder = stage.makeFeeder(port: 0, task: 0, rowEstimate: 100)
        context.scratch = AggregationScratch()
        feeder.push(RowBatch.make(Self.rows(100, keys: 1) { _ in 1 }.map(\.values), types: Self.types), context)
        let epoch = StageEpoch(clockMicroseconds: 0, watermark: .max, hasEnded: false)
        var output: [RowBatch] = []
        for partition in stage.prepare([feeder], epoch) { stage.run(partition: partition, epoch, context, &output) }
        XCTAssertEqual(batch.count, 100)
        XCTAssertEqual(context.failedRowCount, 50)
        XCTAssertTrue(context.failures.first?.message.contains("more than 50 partial matches") ?? false)
    }

    func testStateEndsWithTheTimeOfWithin() throws {
        let sql = """
            SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES COUNT(*) AS c
            PATTERN (A B) WITHIN INTERVAL '1' SECOND DEFINE A AS A.v = 1, B AS B.v = 2) AS m
            """
        let graph = try DataflowGraph(plan: try Self.plan(sql), settings: DataflowSettings())
        let pool = WorkerPool(workerCount: 1)
        var groups: [Int] = []
        for part in 0..<20 {
            let rows = (0..<1_000).map { index in
                InputRow(values: [.integer(Int64(part * 1_000 + index)), .integer(1), .integer(Int64(part) * 10 * second)])
            }
            let morsels = Harness.makeMorsels(rows, 0, Self.types, RunConfiguration())
            _ = try graph.run(
                EpochInput(
                    epoch: UInt64(part), clockMicroseconds: 0,
                    scans: [ScanInput(morsels: morsels, shards: [ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: false)])]), pool: pool)
            groups.append(graph.status.operators[0].groups)
        }
        XCTAssertLessThanOrEqual(groups.max() ?? 0, 2_000, "rows of one second, and those before their time")
    }

    func testDamagedStateIsRefusedAndNeverTraps() throws {
        let sql = """
            SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES LAST(A.v) AS a, SUM(B.v) AS s, MATCH_NUMBER() AS n
            AFTER MATCH SKIP TO NEXT ROW PATTERN (A (B C)+ D?) DEFINE B AS B.v > LAST(A.v, 1) OR SUM(B.v) < 100, C AS C.v > PREV(C.v) OR TRUE) AS m
            """
        let plan = try Self.plan(sql)
        let rows = Self.rows(60, keys: 3) { Int64($0 * 7 % 10) }.map { InputRow(values: [$0.values[0], $0.values[1], .integer(0)]) }
            + Self.rows(40, keys: 3) { Int64($0 * 3 % 10) }.map { InputRow(values: [$0.values[0], $0.values[1], .integer(9 * second)]) }
        func epoch(_ graph: DataflowGraph, _ rows: [InputRow], ends: Bool) throws {
            let morsels = Harness.makeMorsels(rows, 0, Self.types, RunConfiguration())
            _ = try graph.run(
                EpochInput(
                    epoch: 0, clockMicroseconds: 0,
                    scans: [ScanInput(morsels: morsels, shards: [ShardProgress(hasRows: true, isCaughtUp: true, hasEnded: ends)])]),
                pool: WorkerPool(workerCount: 1))
        }
        let graph = try DataflowGraph(plan: plan, settings: DataflowSettings(partitionCount: 2))
        try epoch(graph, rows, ends: false)
        var writer = StateWriter()
        graph.snapshot(into: &writer)
        var random = SeededRandom(seed: 7)
        var refused = 0
        for _ in 0..<3_000 {
            var bytes = writer.bytes
            let place = random.below(bytes.count)
            bytes[place] = UInt8(truncatingIfNeeded: random.below(256))
            if random.below(4) == 0 { bytes.removeLast(random.below(bytes.count)) }
            let restored = try DataflowGraph(plan: plan, settings: DataflowSettings(partitionCount: 2))
            var reader = StateReader(bytes)
            do { try restored.restore(from: &reader) } catch {
                refused += 1
                continue
            }
            try epoch(restored, Array(rows.suffix(10)), ends: true)
        }
        XCTAssertGreaterThan(refused, 500)
    }

    // MARK: Speed

    func testSpeed() throws {
        let cases = [
            ("fraud: small, then large within a minute", "PATTERN (A B) WITHIN INTERVAL '1' MINUTE DEFINE A AS A.v < 10, B AS B.v > 990"),
            ("V shape with PREV", "PATTERN (S D+ U+) DEFINE D AS D.v < PREV(D.v), U AS U.v > PREV(U.v)"),
            ("V shape with LAST", "PATTERN (S D+ U+) DEFINE D AS LAST(D.v, 1) IS NULL AND D.v < S.v OR D.v < LAST(D.v, 1), U AS U.v > LAST(D.v, 1)"),
            ("three failures, then success", "PATTERN (F{3,} S) DEFINE F AS F.v < 100, S AS S.v >= 900"),
        ]
        let count = 1_000_000
        var random = SeededRandom(seed: 1)
        let builders = Self.types.map { ColumnBuilder($0, capacity: count) }
        for index in 0..<count {
            builders[0].append(int64: Int64(random.below(1_000)))
            builders[1].append(int64: Int64(random.below(1_000)))
            builders[2].append(int64: Int64(index) * 1_000)
        }
        let batch = RowBatch(columns: builders.map { $0.finish() })
        for (name, clauses) in cases {
            let plan = try Self.plan("SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES LAST(v) AS x \(clauses)) AS m")
            let graph = try DataflowGraph(plan: plan, settings: DataflowSettings())
            let pool = WorkerPool(workerCount: 1)
            var outputs = 0
            let clock = ContinuousClock()
            let duration = try clock.measure {
                for part in 0..<4 {
                    let morsel = Morsel(shard: 0, rowCountEstimate: count / 4) { push in
                        try push(batch.slice(part * count / 4..<(part + 1) * count / 4))
                    }
                    let output = try graph.run(
                        EpochInput(
                            epoch: UInt64(part), clockMicroseconds: 0,
                            scans: [ScanInput(morsels: [morsel], shards: [ShardProgress(hasRows: true, isCaughtUp: part == 3, hasEnded: part == 3)])]),
                        pool: pool)
                    outputs += output.batches.reduce(0) { $0 + $1.count }
                }
            }
            let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
            print("match speed: \(name): \(Int(Double(count) / seconds / 1e3)) K rows/s, \(outputs) matches")
            XCTAssertGreaterThan(outputs, 0, name)
        }
    }
}
