// Notifiers on a real data directory, with a world that fails from a seed: restarts, damage, streams that come late, are dropped and made anew.

import Columns
import Engine
import Foundation
import Platform
import Syntax
import XCTest

@testable import Alerting

/// Takes notifications, or not.
private final class FakeTransport: Transport, @unchecked Sendable {
    // Safe to share: every access holds the lock.
    private let lock = Lock()
    private var random: SeededRandom
    private var requests: [TransportRequest] = []
    private var confirmed: [TransportRequest] = []
    private let trouble: Int

    /// `trouble` of ten attempts fail.
    init(seed: UInt64, trouble: Int) {
        random = SeededRandom(seed: seed)
        self.trouble = trouble
    }

    func send(_ request: TransportRequest, isCancelled: () -> Bool) -> TransportResult {
        lock.locked {
            let fails = random.below(10) < trouble
            // Half of those that fail arrive all the same.
            if !fails || random.below(2) == 0 { requests.append(request) }
            if fails { return .failed(reason: "trouble", status: 503, isUnreachable: random.below(2) == 0) }
            confirmed.append(request)
            return .delivered(status: 200)
        }
    }

    var arrived: [TransportRequest] { lock.locked { requests } }
    var keys: [String] { lock.locked { confirmed.map(\.key) } }
}

private final class Said: @unchecked Sendable {
    private let lock = Lock()
    private var all: [String] = []
    var texts: [String] { lock.locked { all } }
    func append(_ text: String) { lock.locked { all.append(text) } }
}

final class AlertingServiceTests: XCTestCase {
    private var directory = ""

    override func setUpWithError() throws {
        directory = NSTemporaryDirectory() + "millrace-alerting-\(UUID().uuidString)"
    }

    override func tearDownWithError() throws { try? FileManager.default.removeItem(atPath: directory) }

    private func open() throws -> Engine {
        var options = EngineOptions()
        options.onNotice = { _ in }
        return try Engine(directory: directory, options: options)
    }

    private static let stream = """
        CREATE STREAM alerts (alert VARCHAR, instance VARCHAR, keys MAP<VARCHAR, VARCHAR>, transition BIGINT, from_state VARCHAR, to_state VARCHAR, \
        event_time TIMESTAMP(3), processed_at TIMESTAMP(3), severity VARCHAR, labels MAP<VARCHAR, VARCHAR>, annotations MAP<VARCHAR, VARCHAR>, \
        "values" MAP<VARCHAR, VARCHAR>, cause VARCHAR, reason VARCHAR, notify ARRAY<VARCHAR>, "key" VARCHAR)
        """

    @discardableResult
    private func execute(_ sql: String, on engine: Engine) throws -> [[Value]] {
        let session = engine.makeSession()
        var rows: [[Value]] = []
        for statement in try Parser.parseScript(sql) {
            guard case .rows(let cursor) = try session.execute(statement, source: sql) else { continue }
            loop: while true {
                switch try cursor.next(timeoutMilliseconds: 10_000) {
                case .rows(let batch): rows += (0..<batch.count).map { batch.row($0) }
                case .idle: continue
                case .end: break loop
                }
            }
        }
        return rows
    }

    private func put(_ transitions: [AlertTransition], to engine: Engine) throws {
        let batch = NotifierState.Batch(
            id: 1, key: "", items: transitions.map { NotifierState.Item(transition: $0, startedMicroseconds: 0) }, readyMicroseconds: 0, nextAttemptMicroseconds: 0)
        let bytes = Array(NotificationBody.lines(batch).utf8)
        let counts = try engine.appender(stream: "alerts").finish(last: bytes.withUnsafeBytes { Buffer(copying: $0) })
        XCTAssertEqual(counts.rows, transitions.count, "\(counts.reasons)")
    }

    private func wait(_ what: String, _ condition: () -> Bool) {
        for _ in 0..<2_000 {
            if condition() { return }
            usleep(10_000)
        }
        XCTFail("waited in vain for \(what)")
    }

    func testNothingIsLostOverRestarts() throws {
        let transport = FakeTransport(seed: 11, trouble: 4)
        var expected: [String] = []
        for life in 0..<5 {
            let engine = try open()
            if life == 0 {
                try execute("CREATE NOTIFIER ops WITH (type = webhook, url = 'http://127.0.0.1:1/', retry_min = '2 ms', retry_max = '20 ms')", on: engine)
                try execute(Self.stream, on: engine)
            }
            let service = AlertingService(engine: engine, transport: { _ in transport })
            service.start()
            for number in 1...3 {
                let transitions = ["x", "y"].map { host in
                    Make.transition("a", host, Int64(life * 3 + number), (life * 3 + number) % 2 == 1 ? .firing : .resolved, at: Int64(life))
                }
                expected += transitions.map(\.key)
                try put(transitions, to: engine)
            }
            // Ended in the middle of it.
            usleep(UInt32(life) * 7_000)
            if life == 4 { wait("everything") { Set(expected).isSubset(of: Set(transport.keys)) } }
            service.stop()
            try engine.close()
        }
        // An alert that no longer fires is told no more, whatever comes of it; each has one key, and one content.
        var bodies: [String: String] = [:]
        for request in transport.arrived { XCTAssertEqual(bodies[request.key] ?? request.body, request.body, request.key); bodies[request.key] = request.body }
        XCTAssertEqual(Set(bodies.keys), Set(expected))
        let engine = try open()
        let outcomes = try execute("SELECT outcome, \"key\" FROM alert_deliveries", on: engine)
        XCTAssertEqual(Set(outcomes.filter { $0[0] == .string("delivered") }.map { $0[1] }), Set(expected.map { .string($0) }))
        try engine.close()
    }

    func testDamageOfTheOutboxTellsAgainWhatFires() throws {
        let transport = FakeTransport(seed: 1, trouble: 0)
        var engine = try open()
        try execute(Self.stream, on: engine)
        try execute("CREATE NOTIFIER ops WITH (type = webhook, url = 'http://127.0.0.1:1/')", on: engine)
        var service = AlertingService(engine: engine, transport: { _ in transport })
        service.start()
        try put([Make.transition("a", "x", 1, .firing, at: 1), Make.transition("a", "y", 1, .firing, at: 1), Make.transition("a", "y", 2, .resolved, at: 2)], to: engine)
        wait("three") { transport.keys.count == 3 }
        XCTAssertTrue(service.drain(timeoutMilliseconds: 5_000))
        service.stop()
        try engine.close()
        for name in try FileManager.default.contentsOfDirectory(atPath: directory + "/alerting") {
            try Data("nonsense".utf8).write(to: URL(fileURLWithPath: directory + "/alerting/" + name))
        }
        engine = try open()
        service = AlertingService(engine: engine, transport: { _ in transport })
        service.start()
        wait("what fires") { transport.keys.count == 4 }
        XCTAssertEqual(transport.keys.last, "a/f-x/1")
        try put([Make.transition("a", "x", 2, .resolved, at: 3)], to: engine)
        wait("the end") { transport.keys.last == "a/f-x/2" }
        // A stream that is made anew is read from its first row.
        try execute("DROP STREAM alerts; \(Self.stream)", on: engine)
        try put([Make.transition("b", "x", 1, .firing, at: 5)], to: engine)
        wait("the new stream") { transport.keys.last == "b/f-x/1" }
        XCTAssertEqual(transport.keys.count, 6)
        service.stop()
        try engine.close()
    }

    /// Rows that another program has put where silences and transitions lie.
    func testRowsThatCannotBeUnderstoodAreToldOf() throws {
        var options = EngineOptions()
        let said = Said()
        options.onNotice = { said.append($0) }
        let engine = try Engine(directory: directory, options: options)
        try execute(Self.stream, on: engine)
        try put([Make.transition("load", "x", 1, .firing, at: 1)], to: engine)
        try execute("SILENCE other FOR INTERVAL '1' HOUR", on: engine)
        try execute(
            """
            INSERT INTO alert_actions VALUES
                (TIMESTAMP '2026-01-01 00:00:00', 'silence', 2, NULL, NULL, NULL, 'load WHERE host ~ ''x''', TIMESTAMP '2999-01-01 00:00:00', 'mine', 'eva'),
                (TIMESTAMP '2026-01-01 00:00:00', 'shout', 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
            """, on: engine)
        try execute("INSERT INTO alerts (alert, from_state, to_state) VALUES ('load', 'firing', 'gone')", on: engine)
        XCTAssertEqual(
            try execute("SHOW SILENCES", on: engine).map { [$0[0], $0[1], $0[2], $0[5]] },
            [
                [.integer(2), .string("invalid"), .string("load WHERE host ~ 'x'"), .string("mine")],
                [.integer(1), .string("active"), .string("ALERT other"), .null],
            ])
        XCTAssertEqual(try execute("SELECT count(*) FROM millrace.silences WHERE fault LIKE 'its selector cannot be read: %'", on: engine), [[.integer(1)]])
        XCTAssertEqual(try execute("SELECT silenced_by FROM millrace.active_alerts WHERE alert = 'load'", on: engine), [[.null]])
        XCTAssertEqual(try engine.alertBoard().strangeRowCounts, ["alerts": 1, "alert_actions": 1])
        XCTAssertEqual(said.texts.filter { $0.hasPrefix("silence 2 keeps nobody quiet: its selector cannot be read: ") }.count, 1, "\(said.texts)")
        XCTAssertTrue(said.texts.contains("stream alert_actions: row 2 is neither a silence nor the end of one nor an acknowledgement, and is passed over"), "\(said.texts)")
        XCTAssertTrue(said.texts.contains("stream alerts: row 1 names no state that an alert can have, and is passed over"), "\(said.texts)")
        // It has a number like the others, and an end.
        XCTAssertEqual(try execute("SILENCE load FOR INTERVAL '1' HOUR", on: engine).first?.first, .integer(3))
        try execute("UNSILENCE 2", on: engine)
        XCTAssertEqual(try execute("SELECT state FROM millrace.silences WHERE id = 2", on: engine), [[.string("ended")]])
        try engine.close()
    }

    func testShownTables() throws {
        let engine = try open()
        try execute(Self.stream, on: engine)
        try execute("CREATE INHIBITION quiet OF ALERT low BY WHERE severity = 'critical' EQUAL (host)", on: engine)
        try put(
            [
                Make.transition("low", "x", 1, .firing, at: 1), Make.transition("high", "x", 1, .firing, at: 2, severity: "critical"),
                Make.transition("low", "y", 1, .pending, at: 3),
            ], to: engine)
        let rows = try execute("SELECT alert, state, silenced_by FROM millrace.active_alerts ORDER BY alert, state", on: engine)
        XCTAssertEqual(
            rows,
            [
                [.string("high"), .string("firing"), .null], [.string("low"), .string("firing"), .string("inhibition quiet")],
                [.string("low"), .string("pending"), .null],
            ])
        let silence = try execute("SILENCE high FOR INTERVAL '1' HOUR COMMENT 'known'", on: engine)
        XCTAssertEqual(silence.first?.first, .integer(1))
        XCTAssertEqual(silence.first?.last, .integer(1))
        XCTAssertEqual(try execute("SHOW SILENCES", on: engine).map { [$0[0], $0[1], $0[2], $0[5]] }, [[.integer(1), .string("active"), .string("ALERT high"), .string("known")]])
        XCTAssertEqual(try execute("SELECT silenced_by FROM millrace.active_alerts WHERE alert = 'high'", on: engine), [[.string("1")]])
        try execute("ACKNOWLEDGE low INSTANCE 'f-x' COMMENT 'mine'", on: engine)
        XCTAssertEqual(try execute("SELECT acknowledged_by FROM millrace.active_alerts WHERE alert = 'low' AND state = 'firing'", on: engine), [[.string("millrace: mine")]])
        try execute("UNSILENCE 1", on: engine)
        XCTAssertEqual(try execute("SELECT state FROM millrace.silences", on: engine), [[.string("ended")]])
        XCTAssertEqual(try execute("SHOW INHIBITIONS", on: engine), [[.string("quiet"), .string("ALERT low"), .string("WHERE severity = 'critical'"), .string("host")]])
        try engine.close()
        // All of it is there again.
        let again = try open()
        XCTAssertEqual(try execute("SELECT count(*) FROM millrace.active_alerts WHERE acknowledged_by IS NOT NULL", on: again), [[.integer(1)]])
        XCTAssertEqual(try execute("SHOW INHIBITIONS", on: again).count, 1)
        try again.close()
    }
}
