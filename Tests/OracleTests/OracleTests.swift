// OracleTests: random queries over random streams, run epoch by epoch, against the naive evaluator over what has arrived so far.
//
// Queries are compared after every epoch: the folded output must be the query's result over what has arrived, at the event time that the
// watermarks have reached. Rows without partner of an interval join come out in portions, so there the output must lie between the
// result without and the result with the portion at hand. An append-only output must never take a row back.
// A query that the planner refuses as not supported is counted; too many of those fail the test, so that it cannot go blind.

import Columns
import Dataflow
import OracleSupport
import Platform
import Syntax
import XCTest

@testable import Planning

final class OracleTests: XCTestCase {
    func testQueriesWithoutTime() throws {
        try run(count: Self.seeds(3_000), base: 1, refusedShareMax: 0.05) { $0.untimed() }
    }

    func testQueriesWithTime() throws {
        try run(count: Self.seeds(1_500), base: 1_000_000, refusedShareMax: 0.02) { $0.timed() }
    }

    /// MILLRACE_ORACLE_SEEDS multiplies the number of seeds; MILLRACE_ORACLE_SEED runs one.
    static func seeds(_ count: Int) -> Int {
        count * (ProcessInfo.processInfo.environment["MILLRACE_ORACLE_SEEDS"].flatMap { Int($0) } ?? 1)
    }

    private func run(
        count: Int, base: UInt64, refusedShareMax: Double, _ make: (inout RandomQuery) -> String
    ) throws {
        let only = ProcessInfo.processInfo.environment["MILLRACE_ORACLE_SEED"].flatMap { UInt64($0) }
        var refused: [String: Int] = [:]
        var compared = 0
        var failed = 0
        for seed in only.map({ $0...$0 }) ?? base...base + UInt64(count) - 1 {
            var query = RandomQuery(seed: seed)
            let sql = make(&query)
            do {
                var one = OracleRun(seed: seed, sql: sql)
                if let problem = try one.run() {
                    failed += 1
                    XCTFail("seed \(seed): \(problem)\n\(sql)")
                    if failed >= 5 { break }
                } else {
                    compared += 1
                }
            } catch let error as SQLError where error.code == SQLError.featureNotSupported {
                refused[error.message, default: 0] += 1
            } catch let error as DataflowError {
                refused[error.message, default: 0] += 1
            } catch let error as Unsupported {
                refused["oracle: \(error.what)".prefix(60).description, default: 0] += 1
            } catch let error as SQLError {
                failed += 1
                XCTFail("seed \(seed): \(error.message)\n\(sql)")
                if failed >= 5 { break }
            }
        }
        let total = refused.values.reduce(0, +)
        print("oracle: compared \(compared), refused \(total): \(refused.sorted { ($0.value, $0.key) > ($1.value, $1.key) }.prefix(12))")
        XCTAssertLessThanOrEqual(Double(total), refusedShareMax * Double(count), "too many queries are refused for the test to say much")
    }
}

struct OracleRun {
    let sql: String
    private var random: SeededRandom
    private let catalog: OracleCatalog
    /// What arrives, in order.
    private var arrivals: [String: [(change: ChangeKind, row: Row)]] = [:]

    init(seed: UInt64, sql: String) {
        self.sql = sql
        random = SeededRandom(seed: seed ^ 0x5EED)
        catalog = OracleCatalog.standard
        for name in ["t", "u"] {
            let count = random.below(28)
            arrivals[name] = (0..<count).map { (.insert, row(id: $0)) }
        }
        for name in ["e", "f"] {
            var time = Int64(1_000_000_000)
            arrivals[name] = (0..<random.below(40)).map { id in
                time += Int64(random.below(1_500)) * 1_000
                // Disorder within the watermark's two seconds.
                return (.insert, row(id: id) + [.integer(time - Int64(random.below(2_000)) * 1_000)])
            }
        }
        var live: [Row] = []
        var changes: [(change: ChangeKind, row: Row)] = []
        for id in 0..<random.below(30) {
            switch random.below(4) {
            case 0 where !live.isEmpty: changes.append((.delete, live.remove(at: random.below(live.count))))
            case 1 where !live.isEmpty:
                let place = random.below(live.count)
                let new = [live[place][0]] + row(id: id).dropFirst()
                changes += [(.updateBefore, live[place]), (.updateAfter, new)]
                live[place] = new
            default:
                live.append(row(id: id))
                changes.append((.insert, live[live.count - 1]))
            }
        }
        arrivals["c"] = changes
    }

    private mutating func row(id: Int) -> Row {
        let key: Value = random.below(8) == 0 ? .null : .integer(Int64(random.below(5)))
        let value: Value = random.below(8) == 0 ? .null : .integer(Int64(random.below(10) - 3))
        let text: Value = random.below(8) == 0 ? .null : .string(["", "a", "b", "ab", "a text longer than twelve bytes"][random.below(5)])
        return [.integer(Int64(id)), key, value, text]
    }

    /// nil when all is well.
    mutating func run() throws -> String? {
        var options = PlannerOptions()
        switch random.below(4) {
        case 0: options.rules = []
        case 1: options.rules = Set(OptimizerRule.allCases.filter { _ in random.below(2) == 0 })
        // With those that run only when they are asked for.
        case 2: options.rules = Set(OptimizerRule.allCases)
        default: break
        }
        let query = try Parser.parseQuery(sql)
        let planned = try Planner.plan(query, mode: .continuous, catalog: catalog, options: options).query
        let meaning = try QueryBinder(catalog: catalog, mode: .continuous).bindStatement(query).plan
        let settings = DataflowSettings(partitionCount: 1 + random.below(4), batchRows: 1 + random.below(20), inlineRowsMax: 0)
        var graph = try DataflowGraph(plan: planned.plan, settings: settings)
        let pool = WorkerPools.pools[random.below(2)]
        let epochs = 1 + random.below(6)
        var state: StateTree<Buffer>?
        var folded: [Row: Int] = [:]
        var seen: [String: Int] = [:]
        for epoch in 0..<epochs {
            let isLast = epoch == epochs - 1
            var parts: [String: [(change: ChangeKind, row: Row)]] = [:]
            for (name, rows) in arrivals.sorted(by: { $0.key < $1.key }) {
                let start = seen[name] ?? 0
                let end = isLast ? rows.count : min(rows.count, start + random.below(rows.count + 1))
                parts[name] = Array(rows[start..<end])
                seen[name] = end
            }
            let input = EpochInput(
                epoch: UInt64(epoch), clockMicroseconds: Int64(epoch) * 1_000_000,
                scans: graph.scans.map { scan in Self.input(parts[scan.relation.name] ?? [], scan, isLast: isLast) })
            let output = try graph.run(input, pool: pool)
            if let failure = output.failures.first { throw Unsupported(what: failure.message) }
            if output.lateRowCount > 0 { return "\(output.lateRowCount) late rows in epoch \(epoch)" }
            for batch in output.batches {
                for row in 0..<batch.count {
                    let kind = batch.change(at: row)
                    if planned.changelog == .appendOnly && kind != .insert { return "\(kind.symbol) in an append-only output" }
                    folded[batch.row(row), default: 0] += kind.isAddition ? 1 : -1
                    if folded[batch.row(row)] == 0 { folded[batch.row(row)] = nil }
                }
            }
            if let row = folded.first(where: { $0.value < 0 }) { return "epoch \(epoch) took back \(row.key), which was not there" }
            var evaluator = NaiveEvaluator(tables: tables(seen))
            if !isLast { evaluator.progress = NaiveEvaluator.Progress(watermarks: watermarks(seen), countsUnmatchedEarly: true) }
            let most = try evaluator.rows(meaning)
            evaluator.progress?.countsUnmatchedEarly = false
            if let difference = Self.difference(folded, least: try evaluator.rows(meaning), most: most) {
                return "epoch \(epoch) of \(epochs)\n\(difference)"
            }
            if !isLast && random.below(2) == 0 {
                // As a checkpoint does it: what changed since the last time, on top of what was there.
                state = StateTree<Buffer>.applying(graph.capture(pool: pool), to: state) { bytes in bytes.withUnsafeBytes { Buffer(copying: $0) } }
                if let state, random.below(2) == 0 {
                    graph = try DataflowGraph(plan: planned.plan, settings: settings)
                    try graph.restore(from: state, pool: pool)
                }
            }
        }
        return nil
    }

    private func tables(_ seen: [String: Int]) -> [String: [Row]] {
        arrivals.mapValues { _ in [] }.merging(
            arrivals.map { name, rows in
                var live: [Row] = []
                for (change, row) in rows.prefix(seen[name] ?? 0) {
                    if change.isAddition {
                        live.append(row)
                    } else if let place = live.firstIndex(of: row) {
                        live.remove(at: place)
                    }
                }
                return (name, live)
            }
        ) { $1 }
    }

    /// Two seconds behind the latest row of each stream that has event time.
    private func watermarks(_ seen: [String: Int]) -> [String: Int64] {
        var watermarks: [String: Int64] = [:]
        for name in ["e", "f"] {
            for (_, row) in (arrivals[name] ?? []).prefix(seen[name] ?? 0) {
                if case .integer(let time)? = row.last { watermarks[name] = max(watermarks[name] ?? .min, time - 2_000_000) }
            }
        }
        return watermarks
    }

    private static func input(_ rows: [(change: ChangeKind, row: Row)], _ scan: ScanNode, isLast: Bool) -> ScanInput {
        let types = scan.relation.physicalSchema.types
        let plain = RowBatch.make(rows.map(\.row), types: types)
        let changes = Buffer(byteCount: rows.count)
        for (index, row) in rows.enumerated() { changes.base.storeBytes(of: row.change.rawValue, toByteOffset: index, as: UInt8.self) }
        let hasChanges = rows.contains { $0.change != .insert }
        let batch = RowBatch(count: rows.count, columns: scan.columns.map { plain.columns[$0.column] }, changes: hasChanges ? changes : nil)
        let morsels = rows.isEmpty ? [] : [Morsel(shard: 0, rowCountEstimate: rows.count) { try $0(batch) }]
        return ScanInput(morsels: morsels, shards: [ShardProgress(hasRows: !rows.isEmpty, isCaughtUp: isLast, hasEnded: isLast)])
    }

    private static func difference(_ got: [Row: Int], least: [Row], most: [Row]) -> String? {
        var counts: [Row: (least: Int, most: Int)] = [:]
        for row in least { counts[row, default: (0, 0)].least += 1 }
        for row in most { counts[row, default: (0, 0)].most += 1 }
        var lines: [String] = []
        for (row, wanted) in counts where !(wanted.least...max(wanted.least, wanted.most)).contains(got[row] ?? 0) {
            lines.append("wanted \(wanted.least) to \(wanted.most) of \(row), got \(got[row] ?? 0)")
        }
        for (row, count) in got where counts[row] == nil { lines.append("not wanted: \(count) of \(row)") }
        return lines.isEmpty ? nil : lines.sorted().prefix(6).joined(separator: "\n")
    }
}

enum WorkerPools {
    static let pools = [WorkerPool(workerCount: 1), WorkerPool(workerCount: 3)]
}

struct OracleCatalog: Catalog {
    private var relations: [String: RelationDefinition] = [:]

    func entry(named name: String) -> CatalogEntry? { relations[name.lowercased()].map { .relation($0) } }
    var entryNames: [String] { relations.keys.sorted() }

    static let standard: OracleCatalog = {
        var catalog = OracleCatalog()
        let columns = "id BIGINT, k BIGINT, v BIGINT, s VARCHAR"
        let script = """
            CREATE STREAM t (\(columns)); CREATE STREAM u (\(columns)); CREATE STREAM c (\(columns));
            CREATE STREAM e (\(columns), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND);
            CREATE STREAM f (\(columns), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND);
            """
        do {
            for parsed in try Parser.parseScript(script) {
                guard case .createRelation(let relation) = parsed.statement.kind else { continue }
                var definition = try Planner.define(relation, catalog: catalog)
                definition.isChangelog = definition.name == "c"
                catalog.relations[definition.name] = definition
            }
        } catch { preconditionFailure("\(error)") }
        return catalog
    }()
}
