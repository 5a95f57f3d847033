// A session without a socket: what it answers to which messages.

import Engine
import Platform
import XCTest

@testable import Gateway

final class PostgresSessionTests: XCTestCase {
    private var engine: Engine?
    private var directory = ""
    private var peer = MemoryPeer()
    private var session: PostgresSession?

    override func setUpWithError() throws {
        directory = try Engine.temporaryDirectory()
        var options = EngineOptions()
        options.isEphemeral = true
        options.workerCount = 1
        let engine = try Engine(directory: directory, options: options)
        self.engine = engine
        session = PostgresSession(engine: engine, peer: peer, limits: PostgresLimits(), clock: SystemClock())
    }

    override func tearDownWithError() throws {
        session?.end()
        try engine?.close()
        Engine.removeDirectory(directory)
    }

    /// The letters of the answer; texts of errors and tags behind them.
    private func say(_ messages: FrontendMessage..., file: StaticString = #filePath, line: UInt = #line) throws -> String {
        for message in messages { session?.handle(message) }
        session?.flush()
        let answer = try XCTUnwrap(peer.take(), file: file, line: line)
        return answer.map { type, body in
            switch type {
            case "C": "C(\(String(decoding: body.dropLast(), as: UTF8.self)))"
            case "E": "E(\(Self.field("C", body)))"
            case "Z": "Z\(Character(Unicode.Scalar(body[0])))"
            default: String(type)
            }
        }.joined(separator: " ")
    }

    private static func field(_ letter: Character, _ body: [UInt8]) -> String {
        body.split(separator: 0).first { $0.first == letter.asciiValue }.map { String(decoding: $0.dropFirst(), as: UTF8.self) } ?? ""
    }

    private func bind(_ statement: String = "", portal: String = "", _ values: [String?] = []) -> FrontendMessage {
        .bind(.init(portal: portal, statement: statement, formats: [], values: values.map { $0.map { Array($0.utf8) } }, resultFormats: []))
    }

    func testSimpleQueries() throws {
        XCTAssertEqual(try say(.query("SELECT 1")), "T D C(SELECT 1) ZI")
        XCTAssertEqual(try say(.query("")), "I ZI")
        XCTAssertEqual(try say(.query("SELECT 1; SELECT wrong; SELECT 2")), "T D C(SELECT 1) E(42703) ZI")
        XCTAssertEqual(try say(.query("SELECT 1; SELEC")), "E(42601) ZI")
        XCTAssertEqual(try say(.query("CREATE STREAM s (a INT); INSERT INTO s VALUES (1), (2); SELECT * FROM s")), "C(CREATE STREAM) C(INSERT 0 2) T D D C(SELECT 2) ZI")
    }

    func testTransactions() throws {
        XCTAssertEqual(try say(.query("BEGIN")), "C(BEGIN) ZT")
        XCTAssertEqual(try say(.query("BEGIN")), "N C(BEGIN) ZT")
        XCTAssertEqual(try say(.query("SELECT x")), "E(42703) ZE")
        XCTAssertEqual(try say(.query("SELECT 1")), "E(25P02) ZE")
        XCTAssertEqual(try say(.query("COMMIT")), "C(ROLLBACK) ZI")
        XCTAssertEqual(try say(.query("ROLLBACK")), "N C(ROLLBACK) ZI")
        XCTAssertEqual(try say(.query("CREATE STREAM s (a INT); BEGIN; INSERT INTO s VALUES (1); END")), "C(CREATE STREAM) C(BEGIN) C(INSERT 0 1) C(COMMIT) ZI")
        XCTAssertEqual(try say(.query("BEGIN; INSERT INTO s VALUES (1); ROLLBACK")), "C(BEGIN) C(INSERT 0 1) N C(ROLLBACK) ZI")
    }

    func testExtendedQuery() throws {
        _ = try say(.query("CREATE STREAM s (a INT, b VARCHAR); INSERT INTO s VALUES (1, 'x'), (2, 'y'), (3, 'z')"))
        XCTAssertEqual(
            try say(
                .parse(name: "p", sql: "SELECT b FROM s WHERE a >= $1 ORDER BY a", types: []), .describe(.statement("p")), bind("p", ["2"]),
                .describe(.portal("")), .execute(portal: "", rowCountMax: 0), .sync), "1 t T 2 T D D C(SELECT 2) ZI")
        // A piece at a time; the portal lives until Sync, or the transaction's end.
        XCTAssertEqual(try say(.query("BEGIN")), "C(BEGIN) ZT")
        XCTAssertEqual(try say(bind("p", portal: "q", ["1"]), .execute(portal: "q", rowCountMax: 2), .sync), "2 D D s ZT")
        XCTAssertEqual(try say(.execute(portal: "q", rowCountMax: 2), .sync), "D C(SELECT 3) ZT")
        XCTAssertEqual(try say(.query("COMMIT"), .execute(portal: "q", rowCountMax: 2), .sync), "C(COMMIT) ZI E(34000) ZI")
        // After an error everything up to Sync is passed over.
        XCTAssertEqual(try say(bind("p", ["x"]), .execute(portal: "", rowCountMax: 0), bind("p", ["1"]), .sync), "E(22P02) ZI")
        XCTAssertEqual(try say(bind("p", []), .sync), "E(08P01) ZI")
        XCTAssertEqual(try say(bind("nothing", []), .sync), "E(26000) ZI")
        XCTAssertEqual(try say(.parse(name: "p", sql: "SELECT 1", types: []), .sync), "E(42P05) ZI")
        XCTAssertEqual(try say(.close(.statement("p")), .close(.statement("p")), .sync), "3 3 ZI")
        XCTAssertEqual(try say(.parse(name: "", sql: "SELECT 1; SELECT 2", types: []), .sync), "E(42601) ZI")
        XCTAssertEqual(try say(.parse(name: "", sql: "", types: []), .describe(.statement("")), bind(), .execute(portal: "", rowCountMax: 0), .sync), "1 t n 2 I ZI")
        XCTAssertEqual(try say(.parse(name: "", sql: "CREATE VIEW v AS SELECT $1", types: []), .sync), "E(0A000) ZI")
        XCTAssertEqual(session?.keptByteCount ?? -1, session?.statements.values.reduce(0) { $0 + $1.byteCount })
    }

    func testParameterTypes() throws {
        _ = try say(.query("CREATE STREAM s (a INT, b VARCHAR(3), c DECIMAL(10, 2), t TIMESTAMP(3), f BOOLEAN, x ARRAY<BIGINT>)"))
        func types(_ sql: String, _ declared: [UInt32] = []) throws -> [UInt32] {
            session?.handle(.parse(name: "", sql: sql, types: declared))
            session?.handle(.sync)
            session?.flush()
            let answer = try XCTUnwrap(peer.take())
            XCTAssertEqual(answer.first?.type, "1", "\(sql): \(answer.first.map { Self.field("M", $0.body) } ?? "")")
            return try XCTUnwrap(session?.statements[""]).parameterOIDs
        }
        XCTAssertEqual(try types("SELECT $1"), [25])
        XCTAssertEqual(try types("SELECT $1::int, $2::timestamptz"), [23, 1184])
        XCTAssertEqual(try types("INSERT INTO s VALUES ($1, $2, $3, $4, $5, $6)"), [23, 1043, 1700, 1114, 16, 1016])
        XCTAssertEqual(try types("INSERT INTO s (t, a) SELECT $2, $1 + 1"), [23, 1114])
        XCTAssertEqual(try types("SELECT * FROM s WHERE a = $1 AND t > $2 AND b IN ($3, $4) AND c BETWEEN $5 AND $6"), [23, 1114, 1043, 1043, 1700, 1700])
        XCTAssertEqual(try types("SELECT upper($1), a + $2, CASE WHEN $3 THEN 1 END FROM s LIMIT $4 OFFSET $5"), [25, 23, 16, 20, 20])
        XCTAssertEqual(try types("SELECT $1", [20]), [20])
        XCTAssertEqual(try types("SELECT $2 + 1, $1", [0, 701]), [25, 701])
    }

    func testCopy() throws {
        _ = try say(.query("CREATE STREAM s (a INT, b VARCHAR)"))
        XCTAssertEqual(
            try say(.query("COPY s FROM STDIN; SELECT count(*) FROM s"), .copyData(Array("1\tx\n2\t".utf8)), .copyData(Array("\\N\n".utf8)), .copyDone),
            "G C(COPY 2) T D C(SELECT 1) ZI")
        XCTAssertEqual(try say(.query("COPY s FROM STDIN"), .copyData(Array("7\tx\n".utf8)), .copyFail("no")), "G E(57014) ZI")
        XCTAssertEqual(try say(.query("COPY s FROM STDIN"), .query("SELECT 1"), .copyDone), "G E(08P01) ZI")
        XCTAssertEqual(try say(.query("COPY s TO STDOUT")), "H d d c C(COPY 2) ZI")
        XCTAssertEqual(
            try say(
                .parse(name: "", sql: "COPY s FROM STDIN (FORMAT csv)", types: []), bind(), .execute(portal: "", rowCountMax: 0), .sync,
                .copyData(Array("3,\"a\nb\"\nx,y\n".utf8)), .copyDone, .sync), "1 2 G N C(COPY 1) ZI")
        XCTAssertEqual(try say(.query("SELECT b FROM s WHERE a = 3")), "T D C(SELECT 1) ZI")
    }

    func testLimits() throws {
        var limits = PostgresLimits()
        limits.connectionByteCountMax = 2_000
        limits.cursorCountMax = 1
        let engine = try XCTUnwrap(engine)
        session = PostgresSession(engine: engine, peer: peer, limits: limits, clock: SystemClock())
        XCTAssertEqual(try say(.parse(name: "a", sql: "SELECT '\(String(repeating: "x", count: 3_000))'", types: []), .sync), "E(53200) ZI")
        XCTAssertEqual(try say(.query("DECLARE a CURSOR FOR SELECT 1; DECLARE b CURSOR FOR SELECT 1")), "C(DECLARE CURSOR) E(53400) ZI")
        XCTAssertEqual(try say(.query("SET max_result_rows = 2; SELECT * FROM (VALUES (1), (2), (3)) AS t(a)")), "C(SET) T E(54000) ZI")
    }

    func testSettings() throws {
        XCTAssertEqual(try say(.query("SET application_name = 'x'; SHOW application_name; RESET application_name; RESET ALL")), "S C(SET) T D C(SHOW) S C(RESET) C(RESET) ZI")
        XCTAssertEqual(try say(.query("SET client_encoding TO 'LATIN1'")), "E(22023) ZI")
        XCTAssertEqual(try say(.query("SET server_version = '1'")), "E(55P02) ZI")
        XCTAssertEqual(try say(.query("SET nonsense = 1")), "E(42704) ZI")
        XCTAssertEqual(try say(.query("SHOW nonsense_setting_xyz")), "E(42704) ZI")
        for (text, value) in [("5", 5), ("2s", 2_000), ("1min", 60_000), ("3 h", 10_800_000)] { XCTAssertEqual(ConnectionSettings.milliseconds(text), value) }
        for text in ["", "x", "1y", "-1", "99999999999999999999", "9999999999d"] { XCTAssertNil(ConnectionSettings.milliseconds(text), text) }
    }

    func testAFailedStatementNamesItsPlaceInCharacters() throws {
        session?.handle(.query("SELECT 'äöü', wrong"))
        session?.flush()
        let answer = try XCTUnwrap(peer.take())
        XCTAssertEqual(Self.field("P", answer[0].body), "15")
        XCTAssertEqual(Self.field("S", answer[0].body), "ERROR")
    }
}
