// Every query under golden/ is run under many distortions of the engine, and must give the one result in its file: batches and epochs of one
// row, one and three workers, another number of partitions, four shards, the optimiser off, and a restart after each epoch.
//
// A file has four parts: `--- setup` (DDL), `--- input` (JSON lines for stream t), `--- query`, `--- expected` (the result as JSON lines, folded
// when it is a changelog, sorted). MILLRACE_UPDATE=1 writes the expected part anew from the plainest run: look at the difference.
//
// A fifth, `--- rules`, names rules of the optimiser, a line each, that must change this query's plan: it is also run with each of them
// switched on and off.

import Columns
import Dataflow
import Foundation
import Planning
import Platform
import Syntax
import XCTest

@testable import Engine

final class GoldenTests: XCTestCase {
    struct Case {
        var name: String
        var setup: String
        var input: String
        var query: String
        var rules: [OptimizerRule] = []
        var expected: [String]
    }

    struct Distortion {
        var name: String
        var batchRows = 8_192
        var epochRows = 1 << 20
        var workers = 1
        var partitions = 4
        var shards = 1
        var usesOptimizer = true
        var restarts = false
        /// A checkpoint after each epoch, written by a thread beside the query; now and then a restart.
        var checkpointsBeside = false
        /// One rule that runs or does not, whatever it does by itself.
        var rule: (rule: OptimizerRule, isOn: Bool)?
    }

    private static func distortions(of golden: Case) -> [Distortion] {
        distortions
            + golden.rules.flatMap { rule in
                [true, false].flatMap { isOn in
                    [
                        Distortion(name: "\(rule.rawValue) \(isOn ? "on" : "off")", epochRows: 9, rule: (rule, isOn)),
                        Distortion(
                            name: "\(rule.rawValue) \(isOn ? "on" : "off"), restarts, three workers", batchRows: 2, epochRows: 4, workers: 3,
                            restarts: true, rule: (rule, isOn)),
                    ]
                }
            }
    }

    static let distortions = [
        Distortion(name: "plain"),
        Distortion(name: "batches of one row", batchRows: 1),
        Distortion(name: "epochs of one row", batchRows: 1, epochRows: 1),
        Distortion(name: "epochs of 7 rows, three workers", epochRows: 7, workers: 3),
        Distortion(name: "one partition", partitions: 1),
        Distortion(name: "optimiser off", epochRows: 11, usesOptimizer: false),
        Distortion(name: "four shards", shards: 4),
        Distortion(name: "restart after each epoch", epochRows: 5, restarts: true),
        Distortion(name: "restart, three workers, one row", batchRows: 1, epochRows: 3, workers: 3, restarts: true),
        Distortion(name: "checkpoints beside", epochRows: 4, workers: 2, checkpointsBeside: true),
    ]

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("golden")

    func testEveryGoldenQueryUnderEveryDistortion() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).filter { $0.hasSuffix(".golden") }.sorted()
        XCTAssertGreaterThan(names.count, 15)
        for name in names {
            var golden = try Self.load(name)
            for (index, distortion) in Self.distortions(of: golden).enumerated() {
                // Rows in a bounded disorder over several shards may come late by chance of which shard is read first; a late row is a test of one
                // shard only.
                if distortion.shards > 1 && (golden.name.contains("late") || golden.query.contains("_value(")) { continue }
                let result: [String]
                do { result = try XCTUnwrap(run(golden, distortion), "\(name), \(distortion.name)") } catch {
                    XCTFail("\(name), \(distortion.name): \(error)")
                    continue
                }
                if index == 0, ProcessInfo.processInfo.environment["MILLRACE_UPDATE"] != nil {
                    golden.expected = result
                    try Self.store(golden)
                }
                if result != golden.expected {
                    let index = zip(result, golden.expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(result.count, golden.expected.count)
                    XCTFail(
                        """
                        \(name), \(distortion.name): \(result.count) rows instead of \(golden.expected.count); row \(index) is
                        \(index < result.count ? result[index] : "missing") instead of
                        \(index < golden.expected.count ? golden.expected[index] : "nothing")
                        """)
                }
            }
        }
    }

    /// The one rule that may change a result does so where this says it does, and does not run by itself: the golden file passes with every distortion.
    func testTheJoinOrderMakesRowsLate() throws {
        let golden = try Self.load("late_row_in_join_chain.golden")
        let found = try XCTUnwrap(
            run(golden, Distortion(name: "join order on", batchRows: 1, epochRows: 1, rule: (.joinOrder, true))))
        XCTAssertLessThan(found.count, golden.expected.count)
        XCTAssertTrue(Set(found).isSubset(of: golden.expected))
    }

    // MARK: Running

    private func run(_ golden: Case, _ distortion: Distortion) throws -> [String]? {
        // In memory: thousands of restarts, each with its syncs, would wait for the disk most of the time.
        let files = SimulatedFileSystem()
        let directory = "/golden"
        var options = EngineOptions()
        options.startsQueries = false
        let engine = try Engine(directory: directory, options: options, clock: ManualClock(startingAtMicroseconds: 1), fileSystem: files)
        defer { try? engine.close() }
        let session = engine.makeSession()
        if !distortion.usesOptimizer { session.settings.optimizerRules = [] }
        if let (rule, isOn) = distortion.rule {
            if isOn { session.settings.optimizerRules.insert(rule) } else { session.settings.optimizerRules.remove(rule) }
        }
        var setup = golden.setup.trimmingCharacters(in: .whitespacesAndNewlines)
        if distortion.shards > 1 { setup += " PARTITION BY k SHARDS \(distortion.shards)" }
        for statement in try Parser.parseScript(setup) { _ = try session.execute(statement, source: setup) }
        let appender = try engine.appender(stream: "t")
        try appender.append(Array(golden.input.utf8).withUnsafeBytes { Buffer(copying: $0) })
        let counts = try appender.finish()
        XCTAssertEqual(counts.rejected, 0, "\(golden.name): \(counts.reasons)")

        // A rule gives its transitions; when they were processed, which their keys tell too, depends on the epochs.
        var rule: CreateAlert?
        if golden.query.hasPrefix("CREATE ALERT"), case .alert(.create(let create)) = try Parser.parseStatement(golden.query).kind { rule = create }
        let query = try rule?.query ?? Parser.parseQuery(golden.query)
        let planned = try engine.withCatalog { catalog in
            if let rule {
                var planned = try Planner.plan([AlertDefinition(id: 1, create: rule)], catalog: catalog, options: session.plannerOptions).query
                planned.startFrom = .trimHorizon
                return planned
            }
            return try Planner.plan(query, mode: .continuous, catalog: catalog, options: session.plannerOptions).query
        }
        if let (rule, isOn) = distortion.rule {
            var other = session.plannerOptions
            if isOn { other.rules.remove(rule) } else { other.rules.insert(rule) }
            let opposite = try engine.withCatalog { catalog in try Planner.plan(query, mode: .continuous, catalog: catalog, options: other) }.query
            XCTAssertNotEqual(planned.plan, opposite.plan, "\(golden.name): \(rule.rawValue) changes nothing")
        }
        var settings = RunnerSettings()
        settings.batchRows = distortion.batchRows
        settings.epochRowsMax = distortion.epochRows
        settings.partitionCount = distortion.partitions
        if distortion.checkpointsBeside {
            settings.checkpointIntervalMicroseconds = 0
            settings.writesBeside = true
        }
        let journal = engine.directory + "/queries/1"
        let sink = CollectingOutput(schema: planned.schema, without: rule == nil ? [] : [AlertColumns.processedAt, AlertColumns.key])
        func makeRunner() throws -> QueryRunner {
            var prepared = try engine.prepare(planned, mode: .continuous, isSelect: false, settings: settings, workerCount: distortion.workers)
            // The input is complete: its end closes the last windows.
            prepared.sources = try planned.plan.scanNodes.map { node in
                let object = try XCTUnwrap(engine.object(named: node.relation.name))
                let log = LogSource(stream: try XCTUnwrap(engine.stream(of: object)), name: object.name, isBounded: true)
                return UpsertSource.reading(log, of: node.relation)
            }
            let runner = QueryRunner(
                graph: prepared.graph, sources: prepared.sources, startPositions: prepared.startPositions, output: sink, errors: NoErrors(),
                journal: try QueryJournal(directory: journal, fileSystem: files), pool: prepared.pool, settings: settings)
            _ = try runner.recover()
            return runner
        }
        var runner = try makeRunner()
        var steps = 0
        loop: while true {
            switch try runner.step(nowMicroseconds: Int64(steps)) {
            case .finished: break loop
            case .idle: return nil
            case .progressed: steps += 1
            }
            if distortion.restarts {
                // Every other time without a checkpoint, so that the epoch log is replayed.
                if steps % 2 == 0 { try runner.checkpoint() }
                runner = try makeRunner()
            } else if distortion.checkpointsBeside && steps % 3 == 0 {
                try runner.close()
                runner = try makeRunner()
            }
        }
        return sink.folded()
    }

    // MARK: Files

    static func load(_ name: String) throws -> Case {
        let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
        var parts: [String: [String]] = [:]
        var part = ""
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("--- ") { part = String(line.dropFirst(4)) } else { parts[part, default: []].append(String(line)) }
        }
        func body(_ key: String) -> String { (parts[key] ?? []).joined(separator: "\n").trimmingCharacters(in: .whitespacesAndNewlines) }
        return Case(
            name: name, setup: body("setup"), input: body("input"), query: body("query"),
            rules: try body("rules").split(separator: "\n").map { try XCTUnwrap(OptimizerRule(rawValue: String($0)), "\(name): \($0)") },
            expected: body("expected").split(separator: "\n").map(String.init))
    }

    static func store(_ golden: Case) throws {
        let text = """
            --- setup
            \(golden.setup)
            --- input
            \(golden.input)
            --- query
            \(golden.query)
            \(golden.rules.isEmpty ? "" : "--- rules\n" + golden.rules.map { $0.rawValue + "\n" }.joined())--- expected
            \(golden.expected.joined(separator: "\n"))

            """
        try text.write(to: folder.appendingPathComponent(golden.name), atomically: true, encoding: .utf8)
    }
}

/// Collects rows by epoch; an epoch that is run again must give what it gave before.
private final class CollectingOutput: QueryOutput {
    private let schema: Schema
    private let columns: [Int]
    private var epochs: [UInt64: [(ChangeKind, String)]] = [:]

    init(schema whole: Schema, without left: [String] = []) {
        columns = whole.fields.indices.filter { !left.contains(whole.fields[$0].name) }
        schema = Schema(columns.map { whole.fields[$0] })
    }

    var isDurable: Bool { true }
    func restore(to position: Int64?) throws {}
    func position() throws -> Int64 { 0 }
    func synchronize() throws {}
    func close() throws {}

    func emit(_ batches: [RowBatch], epoch: UInt64, clockMicroseconds: Int64) throws -> [FailedRow] {
        var rows: [(ChangeKind, String)] = []
        for batch in batches {
            let buffer = ByteBuffer()
            JSONLinesEncoder(schema: schema).append(batch.replacing(columns: columns.map { batch.columns[$0] }), to: buffer)
            let lines = String(decoding: buffer.bytes, as: UTF8.self).split(separator: "\n")
            for (row, line) in lines.enumerated() { rows.append((batch.change(at: row), String(line))) }
        }
        if let before = epochs[epoch] {
            XCTAssertEqual(before.map(\.1), rows.map(\.1), "epoch \(epoch) gave something else when it was run again")
        }
        epochs[epoch] = rows
        return []
    }

    /// The rows that are left when every retraction has taken its row away; sorted.
    func folded() -> [String] {
        var counts: [String: Int] = [:]
        for epoch in epochs.keys.sorted() {
            for (kind, line) in epochs[epoch] ?? [] {
                counts[line, default: 0] += kind.isAddition ? 1 : -1
                XCTAssertGreaterThanOrEqual(counts[line] ?? 0, 0, "a retraction of a row that is not there: \(line)")
            }
        }
        return counts.flatMap { Array(repeating: $0.key, count: max(0, $0.value)) }.sorted()
    }
}

private final class NoErrors: ErrorOutput {
    func emit(rejected: [RejectedRow], failures: [FailedRow], late: [LateRow], epoch: UInt64, clockMicroseconds: Int64) throws {}
    func synchronize() throws {}
}
