// Silences, inhibition, acknowledgement and selectors, against what they mean spelt out naively.

import Engine
import Platform
import Syntax
import XCTest

@testable import Alerting

final class AlertBoardTests: XCTestCase {
    private let second: Int64 = 1_000_000

    func testSelectors() throws {
        let labels = ["host": "db-1", "team": "db", "alertname": "load"]
        for (text, expected) in [
            ("load", true), ("LOAD", true), ("other", false), ("WHERE team = 'db'", true), ("WHERE team <> 'db'", false), ("load WHERE host LIKE 'db-%'", true),
            ("WHERE host LIKE 'db_1'", true), ("WHERE host NOT LIKE '%1'", false), ("WHERE host IN ('a', 'db-1') AND team = 'db'", true),
            ("WHERE host NOT IN ('a')", true), ("WHERE zone = ''", true), ("WHERE zone <> ''", false), ("WHERE host LIKE 'db'", false), ("WHERE host LIKE '%%-%_%'", true),
            ("WHERE host LIKE 'db\\-1'", true), ("ALERT load", true),
        ] { XCTAssertEqual(try Make.selector(text).selects(alert: "load", labels: labels), expected, text) }
        XCTAssertNil(AlertBoard.selector("WHERE a = 1"))
        XCTAssertNil(AlertBoard.selector("a COMMENT 'x'"))
    }

    func testLikeTakesNoTimeToSpeakOf() throws {
        let selector = try Make.selector("WHERE host LIKE '\(String(repeating: "%a", count: 200))b'")
        XCTAssertFalse(selector.selects(alert: "x", labels: ["host": String(repeating: "a", count: 10_000)]))
    }

    func testAnAcknowledgementHoldsForThisTimeOnly() {
        var board = AlertBoard()
        var action = AlertAction(.acknowledge)
        (action.alert, action.fingerprint, action.transition, action.author) = ("a", "f-x", 2, "eva")
        // The two streams are read one after the other: it may come before what it is about.
        board.apply(action)
        let first = Make.transition("a", "x", 2, .firing, at: 1)
        board.apply(first)
        XCTAssertEqual(board.suppression(of: first, at: 0), .acknowledged("eva"))
        board.apply(Make.transition("a", "x", 3, .resolved, at: 2))
        let again = Make.transition("a", "x", 4, .firing, at: 3)
        board.apply(again)
        XCTAssertNil(board.suppression(of: again, at: 0))
    }

    func testASilenceThatCannotBeUnderstoodKeepsNobodyQuietAndSaysSo() {
        var board = AlertBoard()
        let fired = Make.transition("a", "x", 1, .firing, at: 1)
        board.apply(fired)
        board.apply(Make.silence(1, "a WHERE host ~ 'x'", from: 0, until: 100))
        board.apply(Make.silence(2, "", from: 0, until: 100))
        board.apply(Make.silence(3, "a", from: 0, until: 0))
        board.apply(Make.silence(4, "a COMMENT 'x'", from: 0, until: 100))
        XCTAssertNil(board.suppression(of: fired, at: 1 * second))
        XCTAssertNil(board.nextExpiry(after: 1 * second))
        XCTAssertEqual(board.silences.map { $0.state(at: 1 * second) }, [.invalid, .invalid, .invalid, .invalid])
        XCTAssertEqual(board.silences.map(\.shownSelector), ["a WHERE host ~ 'x'", "", "ALERT a", "a COMMENT 'x'"])
        let faults = board.silences.map { $0.fault ?? "" }
        XCTAssertTrue(faults[0].hasPrefix("its selector cannot be read: "), faults[0])
        XCTAssertEqual(faults[1...2], ["it does not say what it silences", "it does not say when it ends"])
        XCTAssertEqual(faults[3], "its selector cannot be read: there is more than names an alert and its labels")
        // Its number is taken.
        XCTAssertEqual(board.nextSilenceID, 5)
        // It is no trouble any more once it would have ended, or when somebody ends it.
        XCTAssertEqual(board.silences.map { $0.state(at: 100 * second) }, [.ended, .ended, .invalid, .ended])
        var end = AlertAction(.unsilence)
        (end.id, end.atMicroseconds) = (3, 2 * second)
        board.apply(end)
        XCTAssertEqual(board.silences[2].state(at: 3 * second), .ended)
    }

    func testNothingKeepsItselfQuiet() throws {
        var board = AlertBoard()
        board.inhibitions = [
            InhibitionRule(name: "all", target: try Make.selector("WHERE alertname LIKE '%'"), source: try Make.selector("WHERE severity = 'critical'"), equal: ["host"])
        ]
        let (low, high) = (Make.transition("low", "x", 1, .firing, at: 1), Make.transition("high", "x", 1, .firing, at: 1, severity: "critical"))
        let other = Make.transition("second", "x", 1, .firing, at: 1, severity: "critical")
        for transition in [low, high, other] { board.apply(transition) }
        XCTAssertEqual(board.suppression(of: low, at: 0), .inhibited("all"))
        XCTAssertNil(board.suppression(of: high, at: 0))
        XCTAssertNil(board.suppression(of: other, at: 0))
        XCTAssertNil(board.suppression(of: Make.transition("low", "y", 1, .firing, at: 1), at: 0))
        board.apply(Make.transition("high", "x", 2, .resolved, at: 2))
        board.apply(Make.transition("second", "x", 2, .resolved, at: 2))
        XCTAssertNil(board.suppression(of: low, at: 0))
    }

    /// Random histories; at random moments everything is asked, and computed from the whole history as the words say it.
    func testAgainstTheWholeHistory() throws {
        for seed in 0..<UInt64(200) {
            var random = SeededRandom(seed: seed)
            var board = AlertBoard()
            let selectors = ["a0", "WHERE host = 'h1'", "a1 WHERE team = 't0'", "WHERE team IN ('t0', 't1') AND host <> 'h0'", "WHERE severity LIKE 'crit%'"]
            let rules = [
                InhibitionRule(name: "one", target: try Make.selector("WHERE severity = 'warning'"), source: try Make.selector("WHERE severity = 'critical'"), equal: ["host"]),
                InhibitionRule(name: "two", target: try Make.selector("a2"), source: try Make.selector("WHERE team = 't1'"), equal: []),
            ]
            board.inhibitions = rules
            var history: [AlertTransition] = []
            var silences: [(id: Int64, selector: AlertSelector, until: Int64)] = []
            var acknowledged: Set<String> = []
            for step in 0..<60 {
                let now = Int64(step) * second
                switch random.below(6) {
                case 0:
                    let text = selectors[random.below(selectors.count)]
                    let action = Make.silence(board.nextSilenceID, text, from: Int64(step), until: Int64(step + 1 + random.below(20)))
                    silences.append((action.id, try Make.selector(text), action.untilMicroseconds))
                    board.apply(action)
                case 1 where !silences.isEmpty:
                    let index = random.below(silences.count)
                    var action = AlertAction(.unsilence)
                    (action.id, action.atMicroseconds) = (silences[index].id, now)
                    silences[index].until = min(silences[index].until, now)
                    board.apply(action)
                case 2:
                    guard let fired = history.last(where: { $0.to == .firing }) else { continue }
                    var action = AlertAction(.acknowledge)
                    (action.alert, action.fingerprint, action.transition) = (fired.alert, fired.fingerprint, fired.number)
                    acknowledged.insert(fired.key)
                    board.apply(action)
                default:
                    let (alert, host) = ("a\(random.below(3))", "h\(random.below(2))")
                    let last = history.last { $0.alert == alert && $0.fingerprint == "f-\(host)" }
                    let next: AlertTransition.State = last?.to == .firing ? .resolved : last?.to == .pending ? (random.below(2) == 0 ? .inactive : .firing) : .pending
                    let transition = Make.transition(
                        alert, host, (last?.number ?? 0) + 1, next, at: Int64(step), severity: alert == "a0" ? "critical" : "warning", labels: ["team": "t\(random.below(2))"])
                    history.append(transition)
                    board.apply(transition)
                }
                var latest: [String: AlertTransition] = [:]
                for transition in history { latest[transition.alert + transition.fingerprint] = transition }
                let firing = latest.values.filter { $0.to == .firing }
                XCTAssertEqual(board.count(.firing), firing.count, "seed \(seed)")
                XCTAssertEqual(board.count(.pending), latest.values.count { $0.to == .pending }, "seed \(seed)")
                for one in firing {
                    let set = one.labelSet
                    let silence = silences.first { now < $0.until && $0.selector.selects(alert: one.alert, labels: set) }
                    let rule = rules.first { rule in firing.contains { $0.instance != one.instance && rule.inhibits(one, by: $0) } }
                    let expected: AlertBoard.Suppression? =
                        acknowledged.contains(one.key) && lastAcknowledged(acknowledged, one) ? .acknowledged("") : silence.map { .silenced($0.id) } ?? rule.map { .inhibited($0.name) }
                    XCTAssertEqual(board.suppression(of: one, at: now), expected, "seed \(seed) step \(step)")
                }
            }
        }
    }

    private func lastAcknowledged(_ keys: Set<String>, _ transition: AlertTransition) -> Bool { keys.contains(transition.key) }

    func testResolvedOnesAreForgottenInTheEnd() {
        var board = AlertBoard()
        for index in 0..<5_000 {
            board.apply(Make.transition("a", "h\(index)", 1, .firing, at: Int64(index)))
            board.apply(Make.transition("a", "h\(index)", 2, .resolved, at: Int64(index)))
        }
        XCTAssertLessThanOrEqual(board.instances.count, 2 * AlertBoard.resolvedCountMax)
        XCTAssertNotNil(board.instances[.init(alert: "a", fingerprint: "f-h4999")])
    }
}
