// Alerts in a whole engine: groups of rules, what a restart leaves, what a rule's end gives, and the replay that must agree with what was live.

import Columns
import Foundation
import Planning
import Platform
import Syntax
import XCTest

@testable import Engine

final class AlertTests: XCTestCase {
    /// An engine without threads on a simulated disk and clock, opened again as often as one likes.
    private final class Bench {
        let files = SimulatedFileSystem()
        let clock = ManualClock(startingAtMicroseconds: 1_767_225_600_000_000)
        private(set) var engine: Engine
        private(set) var session: Session

        init() throws {
            engine = try Bench.open(files, clock)
            session = engine.makeSession()
        }

        private static func open(_ files: SimulatedFileSystem, _ clock: ManualClock) throws -> Engine {
            var options = EngineOptions()
            options.isSingleThreaded = true
            options.workerCount = 1
            return try Engine(directory: "/alerts", options: options, clock: clock, fileSystem: files)
        }

        func execute(_ sql: String) throws {
            for statement in try Parser.parseScript(sql) {
                if case .rows(let cursor) = try session.execute(statement, source: sql) { cursor.cancel() }
            }
        }

        func rows(_ sql: String, columns: [String]? = nil) throws -> [[String]] {
            var rows: [[String]] = []
            for statement in try Parser.parseScript(sql) {
                guard case .rows(let cursor) = try session.execute(statement, source: sql) else { continue }
                let picked = (columns ?? cursor.schema.fields.map(\.name)).map { name in cursor.schema.fields.firstIndex { $0.name == name } ?? 0 }
                loop: while true {
                    switch try cursor.next(timeoutMilliseconds: 0) {
                    case .rows(let batch):
                        for row in 0..<batch.count {
                            rows.append(picked.map { batch.columns[$0].isNull(row) ? "-" : TextFormat.string(batch.columns[$0].value(at: row), type: batch.columns[$0].type) })
                        }
                    case .idle: continue
                    case .end: break loop
                    }
                }
            }
            return rows
        }

        func append(_ lines: String) throws {
            let appender = try engine.appender(stream: "t")
            try appender.append(Array(lines.utf8).withUnsafeBytes { Buffer(copying: $0) })
            _ = try appender.finish()
        }

        /// Steps every query until none has anything to do; when the next one wants to be asked again.
        @discardableResult
        func settle() -> Int64? {
            var deadline: Int64?
            var moved = true
            while moved {
                moved = false
                deadline = nil
                for query in engine.savedQueries {
                    loop: while let outcome = query.step() {
                        switch outcome {
                        case .progressed: moved = true
                        case .idle(let until):
                            if let until { deadline = min(deadline ?? .max, until) }
                            break loop
                        case .finished: break loop
                        }
                    }
                }
            }
            return deadline
        }

        /// Lets time pass, stopping wherever a query waits for it.
        func pass(to time: Int64) {
            while let deadline = settle(), deadline <= time, deadline > clock.nowMicroseconds() {
                clock.set(toMicroseconds: deadline)
            }
            clock.set(toMicroseconds: max(time, clock.nowMicroseconds()))
            settle()
        }

        /// As after kill -9, and a new start.
        func killAndOpen() throws {
            files.killProcess()
            try? engine.close()
            engine = try Bench.open(files, clock)
            session = engine.makeSession()
        }

        func reopen(_ between: () throws -> Void = {}) throws {
            try engine.close()
            // Its lock goes with the process.
            files.killProcess()
            try between()
            engine = try Bench.open(files, clock)
            session = engine.makeSession()
        }
    }

    private static let setup = """
        CREATE STREAM t (k VARCHAR, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
        """

    /// What must be the same whenever and however a rule was run.
    private static let compared = ["alert", "instance", "keys", "transition", "from_state", "to_state", "event_time", "values", "cause", "reason"]

    private static func line(_ key: String, _ value: Int?, _ milliseconds: Int) -> String {
        let second = String(format: "%02d:%02d:%02d.%03d", milliseconds / 3_600_000, milliseconds / 60_000 % 60, milliseconds / 1_000 % 60, milliseconds % 1_000)
        return "{\"k\":\"\(key)\",\"v\":\(value.map(String.init) ?? "null"),\"ts\":\"2026-01-01T\(second)\"}\n"
    }

    private func transitions(_ bench: Bench, _ alert: String) throws -> [[String]] {
        try bench.rows("SELECT \(Self.compared.map { "\"\($0)\"" }.joined(separator: ", ")) FROM alerts WHERE alert = '\(alert)'")
            .sorted { ($0[1], Int($0[3]) ?? 0) < ($1[1], Int($1[3]) ?? 0) }
    }

    // MARK: Live and replayed

    /// No silence ends at the very moment at which rows arrive: which of the two comes first is chance.
    private static let rules = [
        "SELECT k, v FROM t WHERE v > 60 KEY (k) FOR INTERVAL '2' SECOND KEEP FIRING FOR INTERVAL '3' SECOND",
        "SELECT k, v FROM t WHERE v > 60 RESOLVE WHEN v < 20 KEY (k) ON NO DATA FOR INTERVAL '5.037' SECOND FIRE",
        "SELECT k, v FROM t WHERE v > 50 KEY (k) WHEN 2 OF 3 EVALUATIONS ON NO DATA FOR INTERVAL '4.019' SECOND RESOLVE",
        "SELECT k, COUNT(*) AS n FROM t GROUP BY k, TUMBLE(ts, INTERVAL '4' SECOND) HAVING COUNT(*) > 2 ON NO DATA FOR INTERVAL '9.053' SECOND FIRE",
    ]

    func testWhatWasLiveAndWhatIsReplayedAgree() throws {
        for seed in 0..<(Int(ProcessInfo.processInfo.environment["MILLRACE_ALERT_SEEDS"] ?? "") ?? 4) {
            var random = SeededRandom(seed: UInt64(seed))
            let bench = try Bench()
            try bench.execute(Self.setup)
            for (index, rule) in Self.rules.enumerated() { try bench.execute("CREATE ALERT a\(index) AS \(rule)") }
            var time = 0
            var now = bench.clock.nowMicroseconds()
            for _ in 0..<60 {
                now += Int64([100, 300, 900, 2_500, 7_000][random.below(5)]) * 1_000
                bench.pass(to: now)
                var lines = ""
                for _ in 0..<(1 + random.below(4)) {
                    time += random.below(900)
                    lines += Self.line(["a", "b", "c"][random.below(3)], random.below(8) == 0 ? nil : random.below(100), max(0, time - random.below(900)))
                }
                try bench.append(lines)
                bench.settle()
                if random.below(6) == 0 { try bench.killAndOpen() }
            }
            bench.pass(to: now + 30_000_000)
            for index in Self.rules.indices {
                let live = try transitions(bench, "a\(index)")
                let replayed = try bench.rows("TEST ALERT a\(index)", columns: Self.compared).sorted { ($0[1], Int($0[3]) ?? 0) < ($1[1], Int($1[3]) ?? 0) }
                XCTAssertGreaterThan(live.count, 4, "seed \(seed), rule \(index)")
                XCTAssertEqual(live, replayed, "seed \(seed), rule \(index)")
            }
            let keys = try bench.rows("SELECT \"key\" FROM alerts").map { $0[0] }
            XCTAssertEqual(Set(keys).count, keys.count, "a key stands for two transitions")
        }
    }

    // MARK: Groups

    func testRulesOverTheSameBodyAreOneQueryAndComeAndGoByThemselves() throws {
        let bench = try Bench()
        try bench.execute(Self.setup)
        try bench.execute("CREATE ALERT low AS SELECT k, v FROM t WHERE v > 10 KEY (k) FOR INTERVAL '5' SECOND")
        try bench.append(Self.line("a", 50, 1_000) + Self.line("a", 50, 3_000))
        bench.settle()
        // It is pending; and a row waits for its time while other rules come and go.
        try bench.execute("CREATE ALERT high AS SELECT k, v FROM t WHERE v > 80 KEY (k) FOR INTERVAL '5' SECOND")
        try bench.execute("CREATE ALERT other AS SELECT k, v + 1 AS v FROM t WHERE v > 80 KEY (k)")
        XCTAssertEqual(bench.engine.savedQueries.count, 2)
        try bench.append(Self.line("a", 90, 4_000) + Self.line("a", 90, 8_000))
        bench.settle()
        XCTAssertEqual(try transitions(bench, "low").map { "\($0[3]) \($0[5]) \($0[6])" }, ["1 pending 2026-01-01T00:00:01.000", "2 firing 2026-01-01T00:00:06.000"])
        XCTAssertEqual(try transitions(bench, "high").map { "\($0[3]) \($0[5]) \($0[6])" }, ["1 pending 2026-01-01T00:00:04.000"])
        try bench.execute("DROP ALERT low")
        XCTAssertEqual(try transitions(bench, "low").last?.suffix(5).last, "rule dropped")
        try bench.append(Self.line("a", 90, 20_000))
        bench.settle()
        XCTAssertEqual(try transitions(bench, "high").map { "\($0[3]) \($0[5])" }, ["1 pending", "2 firing"])
        XCTAssertEqual(try transitions(bench, "low").count, 3)
        // The group's first rule is gone; its folder is not.
        try bench.reopen()
        bench.settle()
        try bench.append(Self.line("a", 1, 30_000) + Self.line("a", 1, 40_000))
        bench.settle()
        XCTAssertEqual(try transitions(bench, "high").map { "\($0[3]) \($0[5])" }, ["1 pending", "2 firing", "3 resolved"])
        XCTAssertEqual(try bench.rows("SHOW QUERIES").count, 0)
    }

    func testAnotherThresholdKeepsInstancesAndAnotherTimingDoesNot() throws {
        let bench = try Bench()
        try bench.execute(Self.setup)
        try bench.execute("CREATE ALERT a AS SELECT k, v FROM t WHERE v > 10 KEY (k)")
        try bench.append(Self.line("x", 50, 1_000) + Self.line("x", 50, 3_000))
        bench.settle()
        try bench.execute("CREATE OR REPLACE ALERT a AS SELECT k, v FROM t WHERE v > 20 KEY (k)")
        try bench.append(Self.line("x", 15, 5_000) + Self.line("x", 90, 7_000) + Self.line("x", 90, 9_000))
        bench.settle()
        XCTAssertEqual(try transitions(bench, "a").map { "\($0[3]) \($0[5]) \($0[9])" }, ["1 firing condition", "2 resolved condition ended", "3 firing condition"])
        try bench.execute("CREATE OR REPLACE ALERT a AS SELECT k, v FROM t WHERE v > 20 KEY (k) FOR INTERVAL '1' SECOND")
        XCTAssertEqual(try transitions(bench, "a").last?[9], "rule changed")
        try bench.append(Self.line("x", 90, 11_000) + Self.line("x", 90, 19_000))
        bench.settle()
        XCTAssertEqual(try bench.rows("SELECT COUNT(*), COUNT(DISTINCT \"key\") FROM alerts"), [["6", "6"]])
        try bench.execute("DROP ALERT a")
        XCTAssertEqual(try bench.rows("SELECT COUNT(*), COUNT(DISTINCT \"key\") FROM alerts"), [["7", "7"]])
        XCTAssertFalse(bench.engine.catalogObjects().contains { $0.isAlert })
        XCTAssertEqual(bench.engine.savedQueries.count, 0)
    }

    func testAPausedRuleLooksAtNothing() throws {
        let bench = try Bench()
        try bench.execute(Self.setup)
        try bench.execute("CREATE ALERT a AS SELECT k, v FROM t WHERE v > 10 KEY (k)")
        try bench.execute("CREATE ALERT b AS SELECT k, v FROM t WHERE v > 20 KEY (k)")
        try bench.execute("PAUSE ALERT a")
        try bench.append(Self.line("x", 50, 1_000) + Self.line("x", 50, 3_000))
        bench.settle()
        try bench.reopen()
        bench.settle()
        XCTAssertEqual(try transitions(bench, "a").count, 0)
        XCTAssertEqual(try transitions(bench, "b").count, 1)
        try bench.execute("RESUME ALERT a")
        try bench.append(Self.line("x", 50, 5_000) + Self.line("x", 50, 7_000))
        bench.settle()
        XCTAssertEqual(try transitions(bench, "a").count, 1)
    }

    /// A group that grew rule by rule has the plan that it has after a restart, and what each rule adds is worked out once.
    func testAGroupThatGrowsIsPlannedAsOneThatIsThere() throws {
        let bench = try Bench()
        try bench.execute(Self.setup)
        let conditions = ["v > 10", "v + 1 > v * 2", "k <> 'x' AND v < 5", "v + 1 > v * 2", "v * 2 > 7", "length(k) = 3 OR v > 4"]
        for number in 0..<60 {
            let condition = conditions[number % 6].replacingOccurrences(of: "v", with: number < 30 ? "v" : "(v + \(number))")
            try bench.execute("CREATE ALERT a\(number) AS SELECT k, v FROM t WHERE \(condition) RESOLVE WHEN v = \(number) KEY (k) WITH (severity = 'low')")
        }
        XCTAssertEqual(bench.engine.savedQueries.count, 1)
        // Each is written when it comes; without memory it were one for every rule that is there, each time.
        XCTAssertLessThan(bench.engine.alertTags.writtenCount, 60 * 3)
        let group = try XCTUnwrap(bench.engine.alertGroups().first)
        let grown = try bench.engine.planAlerts(group.members)
        XCTAssertEqual(Set(grown.node.tags).count, grown.node.tags.count)
        try bench.reopen()
        bench.settle()
        let members = try XCTUnwrap(bench.engine.alertGroups().first?.members)
        let fresh = try bench.engine.planAlerts(members)
        XCTAssertEqual(fresh.node, grown.node)
        XCTAssertEqual(fresh.group, grown.group)
        XCTAssertEqual(fresh.query.plan.signature, grown.query.plan.signature)
        XCTAssertEqual(Set(members.map(\.membership.signature)).count, 1)
    }

    /// What it costs to make many rules one after the other: MILLRACE_MEASURE=1. Thresholds over one column, and conditions that are a column each.
    func testWhatManyRulesCost() throws {
        try XCTSkipUnless(ProcessInfo.processInfo.environment["MILLRACE_MEASURE"] == "1", "MILLRACE_MEASURE=1 measures")
        for (what, condition) in [("thresholds", "v > $"), ("conditions", "v + $ > v * 3 AND k <> 'x$'")] {
            let bench = try Bench()
            try bench.execute(Self.setup)
            let clock = ContinuousClock()
            let start = clock.now
            for number in 1...1_000 {
                try bench.execute("CREATE ALERT a\(number) AS SELECT k, v FROM t WHERE \(condition.replacingOccurrences(of: "$", with: "\(number)")) KEY (k)")
                guard [100, 250, 500, 1_000].contains(number) else { continue }
                print("measured: \(what), rule \(number) is there after \(clock.now - start)")
            }
            XCTAssertEqual(bench.engine.savedQueries.count, 1)
        }
    }

    // MARK: What has failed, and what changes below

    /// Rows of `t` that a group has read are lost, and others have their numbers: its query fails for good.
    private func loseInput(_ bench: Bench) throws {
        try bench.reopen {
            for path in bench.files.allPaths where path.contains("/00000001/shard-") {
                if path.hasSuffix("/end") {
                    try bench.files.remove(path)
                } else if path.hasSuffix(".log") {
                    bench.files.corrupt(path) { $0.removeLast($0.count - 64) }
                }
            }
        }
        try bench.append(Self.line("y", 1, 10_000) + Self.line("y", 1, 11_000) + Self.line("y", 1, 12_000))
        bench.settle()
    }

    private func state(_ bench: Bench, _ alert: String) throws -> String {
        try bench.rows("DESCRIBE ALERT \(alert)").first { $0[0] == "state" }?[1] ?? ""
    }

    private func groupFolders(_ bench: Bench) -> Set<String> {
        Set(bench.files.allPaths.compactMap { $0.hasPrefix("/alerts/queries/") ? String($0.dropFirst("/alerts/queries/".count).prefix { $0 != "/" }) : nil })
    }

    func testWhatHasFailedCanBeDroppedAndReplaced() throws {
        let bench = try Bench()
        try bench.execute(Self.setup)
        for (name, bound) in [("a", 10), ("b", 20), ("c", 30)] { try bench.execute("CREATE ALERT \(name) AS SELECT k, v FROM t WHERE v > \(bound) KEY (k)") }
        try bench.append(Self.line("x", 50, 1_000) + Self.line("x", 50, 3_000))
        bench.settle()
        let folders = groupFolders(bench)
        XCTAssertEqual(folders.count, 1)
        try loseInput(bench)
        for name in ["a", "b", "c"] { XCTAssertEqual(try state(bench, name), "failed", name) }
        // It goes; the others are where they were.
        try bench.execute("DROP ALERT a")
        XCTAssertNil(bench.engine.alertObject(named: "a"))
        bench.settle()
        XCTAssertEqual(try state(bench, "b"), "failed")
        // The same text again: it begins anew, in a group that works.
        try bench.execute("CREATE OR REPLACE ALERT b AS SELECT k, v FROM t WHERE v > 20 KEY (k)")
        bench.settle()
        XCTAssertEqual(try state(bench, "b"), "running")
        XCTAssertEqual(try state(bench, "c"), "failed")
        XCTAssertEqual(groupFolders(bench).count, 2)
        // What could join those that have failed joins the one that runs; a new rule too.
        try bench.execute("CREATE OR REPLACE ALERT c AS SELECT k, v FROM t WHERE v > 35 KEY (k)")
        try bench.execute("CREATE ALERT d AS SELECT k, v FROM t WHERE v > 40 KEY (k)")
        XCTAssertEqual(bench.engine.savedQueries.count, 1)
        XCTAssertTrue(groupFolders(bench).isDisjoint(with: folders), "the files of what is gone")
        try bench.append(Self.line("z", 50, 20_000) + Self.line("z", 1, 30_000) + Self.line("z", 1, 40_000))
        bench.settle()
        for name in ["b", "c", "d"] {
            XCTAssertEqual(try transitions(bench, name).filter { $0[2].contains("z") }.map { $0[9] }, ["condition", "condition ended"], name)
        }
        try bench.reopen()
        bench.settle()
        for name in ["b", "c", "d"] { XCTAssertEqual(try state(bench, name), "running", name) }
        let keys = try bench.rows("SELECT \"key\" FROM alerts").map { $0[0] }
        XCTAssertEqual(Set(keys).count, keys.count, "a key stands for two transitions")
    }

    private func error(_ bench: Bench, _ sql: String) -> String {
        do { try bench.execute(sql) } catch {
            guard let error = (error as? StatementError)?.error else { return "\(error)" }
            return "\(error.message) | \(error.hint ?? "") | \(error.code)"
        }
        return "none"
    }

    func testAViewBelowAnAlertBecomesNoOther() throws {
        let bench = try Bench()
        try bench.execute(Self.setup)
        try bench.execute("CREATE STREAM o (k VARCHAR, v BIGINT)")
        try bench.execute("CREATE VIEW big AS SELECT k, v, ts FROM t WHERE v > 0")
        try bench.execute("CREATE VIEW bigger AS SELECT * FROM big WHERE v > 1")
        try bench.execute("CREATE ALERT a AS SELECT k, v FROM bigger WHERE v > 10 KEY (k)")
        let other = "CREATE OR REPLACE VIEW big AS SELECT k, v, ts FROM t WHERE v > 60"
        XCTAssertEqual(
            error(bench, other),
            "view \"big\" is used by alert a, which would compute something else | give the new view another name, or DROP ALERT a first | 2BP01")
        XCTAssertTrue(error(bench, "CREATE OR REPLACE VIEW big AS SELECT k, ts FROM t").hasPrefix("with this view alert a would not be valid: "))
        // Written otherwise it is the same.
        try bench.execute("CREATE OR REPLACE VIEW big AS SELECT x.k, x.v, x.ts FROM t AS x WHERE x.v > 0")
        try bench.append(Self.line("x", 50, 1_000) + Self.line("x", 50, 3_000))
        try bench.reopen()
        bench.settle()
        XCTAssertEqual(try transitions(bench, "a").map { $0[9] }, ["condition"])
        try bench.execute("DROP ALERT a")
        // A saved query stands on it in the same way.
        try bench.execute("CREATE QUERY q AS INSERT INTO o SELECT k, v FROM bigger")
        XCTAssertEqual(
            error(bench, other),
            "view \"big\" is used by query q, which would compute something else | give the new view another name, or DROP QUERY q first | 2BP01")
        try bench.execute("DROP QUERY q")
        try bench.execute(other)
        try bench.execute("CREATE ALERT a AS SELECT k, v FROM bigger WHERE v > 10 KEY (k)")
        try bench.append(Self.line("y", 50, 11_000) + Self.line("z", 61, 12_000) + Self.line("z", 61, 14_000))
        bench.settle()
        XCTAssertEqual(try transitions(bench, "a").filter { !$0[2].contains("x") }.map { $0[2] }, ["{\"k\":\"z\"}"])
    }

    func testAFunctionBelowAnAlertBecomesNoOther() throws {
        let bench = try Bench()
        try bench.execute(Self.setup)
        try bench.execute("CREATE FUNCTION twice (n BIGINT) RETURNS BIGINT RETURN n * 2")
        try bench.execute("CREATE ALERT a AS SELECT k, v FROM t WHERE twice(v) > 10 KEY (k)")
        XCTAssertEqual(
            error(bench, "CREATE OR REPLACE FUNCTION twice (n BIGINT) RETURNS BIGINT RETURN n * 3"),
            "function \"twice\" is used by alert a | what runs keeps the function that it was started with: DROP ALERT a first | 2BP01")
    }

    /// An epoch over a thousand rules may last for seconds: what has come since its beginning is behind, and is asked for when somebody looks.
    func testHowFarARuleIsBehindIsAskedOfTheLog() throws {
        let bench = try Bench()
        try bench.execute(Self.setup)
        try bench.execute("CREATE ALERT a AS SELECT k, v FROM t WHERE v > 10 KEY (k)")
        func behind() throws -> String { try bench.rows("DESCRIBE ALERT a").first { $0[0] == "behind" }?[1] ?? "" }
        try bench.append(Self.line("x", 50, 1_000))
        bench.settle()
        XCTAssertEqual(try behind(), "0")
        // No epoch begins or ends from here on.
        try bench.append(Self.line("x", 50, 2_000) + Self.line("x", 50, 3_000))
        bench.clock.advance(byMicroseconds: 5_000_000)
        XCTAssertEqual(try behind(), "2")
        let progress = try XCTUnwrap(bench.engine.queryProgress().first)
        XCTAssertEqual(progress.behind, 2)
        XCTAssertEqual(progress.figures?.sources.first?.shards.map(\.behindRows), [2])
        XCTAssertEqual(progress.figures?.behindMicroseconds, 5_000_000)
        XCTAssertEqual(progress.rowsIn, 1)
        bench.settle()
        XCTAssertEqual(try behind(), "0")
        XCTAssertEqual(bench.engine.queryProgress().first?.figures?.behindMicroseconds, 0)
    }

    // MARK: Crashes

    /// DROP ALERT, cut off behind each of its steps: the next opening does what is left, once.
    func testADropThatIsCutOffIsFinishedOnce() throws {
        for steps in 1...2 {
            let bench = try Bench()
            try bench.execute(Self.setup)
            try bench.execute("CREATE ALERT a AS SELECT k, v FROM t WHERE v > 10 KEY (k)")
            try bench.execute("CREATE ALERT b AS SELECT k, v FROM t WHERE v > 20 KEY (k)")
            try bench.append(Self.line("x", 50, 1_000) + Self.line("x", 50, 3_000))
            bench.settle()
            let object = try XCTUnwrap(bench.engine.alertObject(named: "a"))
            let epoch = try bench.engine.stopAlerts(object.membership.group)
            try bench.engine.withCatalog { try $0.retireAlert(id: object.id, .ruleDropped, afterEpoch: epoch) }
            if steps == 2 { try bench.engine.runOnce(object.membership.group) }
            try bench.killAndOpen()
            bench.settle()
            try bench.killAndOpen()
            bench.settle()
            XCTAssertEqual(try transitions(bench, "a").map { $0[9] }, ["condition", "rule dropped"], "\(steps)")
            XCTAssertNil(bench.engine.alertObject(named: "a"))
            XCTAssertEqual(bench.engine.catalogObjects().filter(\.isAlert).map(\.name), ["b"])
            try bench.append(Self.line("x", 1, 9_000) + Self.line("x", 1, 19_000))
            bench.settle()
            XCTAssertEqual(try transitions(bench, "b").map { $0[9] }, ["condition", "condition ended"])
        }
    }

    /// The power goes at every single operation of the disk while a rule is made, fires, is joined by another, and is dropped.
    func testThePowerMayGoAtAnyMoment() throws {
        var total = 0
        var number = 1
        while number < 2_000 {
            let bench = try Bench()
            try bench.execute(Self.setup)
            bench.files.cutPower(atOperation: number)
            var isCut = false
            do {
                try bench.execute("CREATE ALERT a AS SELECT k, v FROM t WHERE v > 10 KEY (k)")
                try bench.append(Self.line("x", 50, 1_000) + Self.line("x", 50, 3_000))
                bench.settle()
                try bench.execute("CREATE ALERT b AS SELECT k, v FROM t WHERE v > 20 KEY (k)")
                try bench.append(Self.line("x", 50, 4_000) + Self.line("x", 50, 9_000))
                bench.settle()
                try bench.execute("DROP ALERT a")
                bench.settle()
            } catch { isCut = true }
            bench.files.cutPower(atOperation: nil)
            bench.files.crash()
            try bench.killAndOpen()
            bench.settle()
            let found = try bench.engine.object(named: "alerts") == nil ? [] : transitions(bench, "a")
            XCTAssertTrue([[], ["condition"], ["condition", "rule dropped"]].contains(found.map { $0[9] }), "operation \(number): \(found)")
            XCTAssertEqual(found.map { $0[3] }, found.indices.map { String($0 + 1) }, "operation \(number)")
            // What is there goes on.
            if bench.engine.alertObject(named: "a") != nil {
                try bench.append(Self.line("y", 50, 30_000) + Self.line("y", 50, 60_000))
                bench.settle()
                XCTAssertEqual(try transitions(bench, "a").filter { $0[2].contains("y") }.count, 1, "operation \(number)")
            }
            total += 1
            if !isCut, number > 400 { break }
            number += number < 40 ? 3 : 17
        }
        XCTAssertGreaterThan(total, 20)
    }
}
