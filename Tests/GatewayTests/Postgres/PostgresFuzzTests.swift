// Messages that make little sense, from a seed: to the session of a small engine (messages), and to a listening server (bytes). Nothing may trap, every answer must be
// made of whole messages, and others go on undisturbed. MILLRACE_FUZZ=10 is about a million messages.

import Engine
import Foundation
import Glibc
import Platform
import XCTest

@testable import Gateway

/// Takes what a session says and checks that it is whole messages.
final class MemoryPeer: PostgresPeer, @unchecked Sendable {
    private(set) var bytes: [UInt8] = []
    func send(_ more: UnsafeRawBufferPointer) { bytes.append(contentsOf: more) }
    func waitForRoom() -> Bool { true }

    /// The messages since the last call: their letters and bodies.
    func take() -> [(type: Character, body: [UInt8])]? {
        var messages: [(type: Character, body: [UInt8])] = []
        var position = 0
        while position < bytes.count {
            guard bytes.count - position >= 5 else { return nil }
            let count = bytes[position + 1..<position + 5].reduce(0) { $0 << 8 | Int($1) }
            guard count >= 4, bytes.count - position > count else { return nil }
            messages.append((Character(Unicode.Scalar(bytes[position])), Array(bytes[position + 5..<position + 1 + count])))
            position += 1 + count
        }
        bytes = []
        return messages
    }
}

final class PostgresFuzzTests: XCTestCase {
    private static let factor = Double(ProcessInfo.processInfo.environment["MILLRACE_FUZZ"] ?? "") ?? 1

    private func withEngine(_ body: (Engine) throws -> Void) throws {
        let directory = try Engine.temporaryDirectory()
        defer { Engine.removeDirectory(directory) }
        var options = EngineOptions()
        options.isEphemeral = true
        options.workerCount = 1
        let engine = try Engine(directory: directory, options: options)
        defer { try? engine.close() }
        try body(engine)
    }

    private static let statements = [
        "SELECT 1", "SELECT $1", "SELECT $1::int + $2", "SELECT * FROM s", "SELECT a, b FROM s WHERE a = $1 AND b LIKE $2", "INSERT INTO s VALUES ($1, $2)",
        "INSERT INTO s VALUES (1, 'x')", "COPY s FROM STDIN", "COPY s (a) FROM STDIN WITH (FORMAT csv, HEADER)", "COPY s TO STDOUT", "COPY (SELECT * FROM s LIMIT $1) TO STDOUT CSV",
        "BEGIN", "COMMIT", "ROLLBACK", "DECLARE c CURSOR FOR SELECT * FROM s", "FETCH 2 FROM c", "FETCH ALL FROM c", "MOVE c", "CLOSE c", "CLOSE ALL",
        "PREPARE p (int) AS SELECT $1", "EXECUTE p (3)", "DEALLOCATE p", "DEALLOCATE ALL", "DISCARD ALL", "SHOW server_version", "SET application_name = 'x'", "SHOW STREAMS",
        "DESCRIBE s", "EXPLAIN SELECT * FROM s", "SELECT STREAM * FROM s LIMIT 1", "", ";", "SELECT 1; SELECT 2", "SELEC", "SELECT 1 / 0", "SELECT 'unclosed", "SELECT $9999999",
        "SELECT $0", "SELECT $1, $3", "EXECUTE q", "RESET ALL", "SELECT ARRAY[$1, 2]", "SELECT count(*) FROM s GROUP BY b", "UNLISTEN *", "COPY s FROM STDIN; SELECT 1",
    ]
    private static let names = ["", "p", "c", "x", "\u{1F600}"]

    private struct Maker {
        var random: SeededRandom

        mutating func pick<Element>(_ list: [Element]) -> Element { list[random.below(list.count)] }
        func number(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
        mutating func name() -> [UInt8] { Array(pick(PostgresFuzzTests.names).utf8) + [0] }

        mutating func value() -> [UInt8] {
            switch random.below(5) {
            case 0: return number(-1, 4)
            case 1: return number(4, 4) + number(random.below(10), 4)
            case 2:
                let text = Array(pick(["1", "abc", "", "2026-01-01", "{1,2}", "[1]", "NaN", "1e5"]).utf8)
                return number(text.count, 4) + text
            case 3: return number(random.below(30), 4) + (0..<random.below(30)).map { _ in UInt8(random.below(256)) }
            default: return number(8, 4) + number(random.below(1 << 40), 8)
            }
        }

        /// A message's type and body: as it should be, or nearly.
        mutating func message() -> (UInt8, [UInt8]) {
            var (type, body) = whole()
            switch random.below(12) {
            case 0 where !body.isEmpty: body.removeLast(random.below(body.count) + 1)
            case 1 where !body.isEmpty: body[random.below(body.count)] = UInt8(random.below(256))
            case 2: body.insert(UInt8(random.below(256)), at: random.below(body.count + 1))
            case 3: type = UInt8(random.below(128))
            default: break
            }
            return (type, body)
        }

        private mutating func whole() -> (UInt8, [UInt8]) {
            switch random.below(20) {
            case 0: return (UInt8(ascii: "Q"), Array(pick(PostgresFuzzTests.statements).utf8) + [0])
            case 1...4:
                let count = random.below(3)
                return (
                    UInt8(ascii: "P"),
                    name() + Array(pick(PostgresFuzzTests.statements).utf8) + [0] + number(count, 2) + (0..<count).flatMap { _ in number(pick([0, 23, 25, 1700, 1007, 99]), 4) }
                )
            case 5...8:
                var body = name() + name()
                let formats = random.below(3)
                body += number(formats, 2) + (0..<formats).flatMap { _ in number(random.below(2), 2) }
                let count = random.below(3)
                body += number(count, 2)
                for _ in 0..<count { body += value() }
                let results = random.below(3)
                body += number(results, 2) + (0..<results).flatMap { _ in number(random.below(2), 2) }
                return (UInt8(ascii: "B"), body)
            case 9, 10: return (UInt8(ascii: "D"), [pick([UInt8(ascii: "S"), UInt8(ascii: "P")])] + name())
            case 11, 12: return (UInt8(ascii: "E"), name() + number(random.below(3), 4))
            case 13: return (UInt8(ascii: "C"), [pick([UInt8(ascii: "S"), UInt8(ascii: "P")])] + name())
            case 14, 15: return (UInt8(ascii: "S"), [])
            case 16: return (UInt8(ascii: "H"), [])
            case 17: return (UInt8(ascii: "d"), (0..<random.below(60)).map { _ in pick([9, 10, 34, 44, 49, 50, 92, 78, 46, 120, 255]) })
            case 18: return (pick([UInt8(ascii: "c"), UInt8(ascii: "f")]), Array("why\0".utf8).suffix(random.below(2) * 4))
            default: return (pick([UInt8(ascii: "F"), UInt8(ascii: "p")]), [0, 1, 2])
            }
        }
    }

    private func residentByteCount() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4_096
    }

    func testMessages() throws {
        try withEngine { engine in
            let setup = engine.makeSession()
            _ = setup
            let messageCount = Int(100_000 * Self.factor)
            var maker = Maker(random: SeededRandom(seed: 2026))
            var session: PostgresSession?
            var peer = MemoryPeer()
            var answers: [Character: Int] = [:]
            var half = 0
            for number in 0..<messageCount {
                if session == nil || maker.random.below(500) == 0 {
                    session?.end()
                    peer = MemoryPeer()
                    let made = PostgresSession(engine: engine, peer: peer, limits: PostgresLimits(), clock: SystemClock())
                    made.settings.fix("statement_timeout", "20")
                    made.handle(.query("CREATE STREAM IF NOT EXISTS s (a INT, b VARCHAR) WITH (sync = 'none')"))
                    session = made
                    // The stream must not grow without end.
                    if maker.random.below(20) == 0 { made.handle(.query("CREATE OR REPLACE STREAM s (a INT, b VARCHAR) WITH (sync = 'none', x\(number) = '1')")) }
                }
                guard let session else { return XCTFail("no session") }
                let (type, body) = maker.message()
                if FrontendMessage.isKnown(type) {
                    do {
                        let message = try FrontendMessage.decode(type: type, body: body[...])
                        session.handle(message)
                    } catch {
                        session.refuse(type, ErrorReport(error))
                    }
                }
                if number % 50 == 0 { session.becameIdle() }
                session.flush()
                guard let messages = peer.take() else { return XCTFail("an answer is no whole message, at message \(number)") }
                for message in messages { answers[message.type, default: 0] += 1 }
                if session.isOver { _ = session }
                if number == messageCount / 2 { half = residentByteCount() }
            }
            session?.end()
            for letter: Character in ["T", "D", "C", "Z", "E", "1", "2", "3", "t", "n", "s", "G", "H", "d", "c", "I", "N", "S"] {
                XCTAssertGreaterThan(answers[letter] ?? 0, 0, "no answer \(letter) in \(messageCount) messages: \(answers)")
            }
            XCTAssertLessThan(residentByteCount() - half, 300 << 20)
            // Another session finds everything in order.
            let last = MemoryPeer()
            let other = PostgresSession(engine: engine, peer: last, limits: PostgresLimits(), clock: SystemClock())
            other.handle(.query("SELECT 40 + 2"))
            XCTAssertEqual(last.take()?.map(\.type), ["T", "D", "C", "Z"])
        }
    }

    /// Over a real socket, beside a client that behaves.
    func testBytes() throws {
        try withEngine { engine in
            var options = ServerOptions()
            options.listen = [ListenAddress(.any, host: "127.0.0.1", port: 0)]
            options.drainMilliseconds = 3_000
            // More than all clients together: whoever behaves is refused only when the limit is reached, which is another test's matter.
            options.activeStatementCountMax = 1_024
            let server = try Server(engine: engine, options: options, log: ServerLog(level: .error, output: { _ in }))
            try server.start()
            defer { try? server.stop() }
            let port = try XCTUnwrap(server.addresses.first.flatMap { $0.address.split(separator: ":").last }.flatMap { Int($0) })

            func startup(_ socket: TestSocket) {
                let body: [UInt8] = [0, 3, 0, 0] + Array("user\0ann\0\0".utf8)
                socket.write([0, 0, 0, UInt8(body.count + 4)] + body)
            }
            /// Whole messages up to ReadyForQuery.
            func answer(_ socket: TestSocket) -> [Character] {
                var types: [Character] = []
                while types.last != "Z" {
                    let head = socket.read(5)
                    guard head.count == 5 else { return types }
                    _ = socket.read(head[1...].reduce(0) { $0 << 8 | Int($1) } - 4)
                    types.append(Character(Unicode.Scalar(head[0])))
                }
                return types
            }
            let good = TestSocket(port: port)
            startup(good)
            XCTAssertEqual(answer(good).last, "Z")

            var maker = Maker(random: SeededRandom(seed: 7))
            for round in 0..<Int(600 * Self.factor) {
                let socket = TestSocket(port: port)
                if maker.random.below(5) > 0 { startup(socket) }
                var bytes: [UInt8] = []
                for _ in 0..<maker.random.below(40) {
                    var (type, body) = maker.message()
                    if maker.random.below(4) > 0, !FrontendMessage.isKnown(type) { type = UInt8(ascii: "S"); body = [] }
                    bytes += [type] + maker.number(body.count + 4, 4) + body
                }
                switch maker.random.below(6) {
                case 0 where !bytes.isEmpty: bytes[maker.random.below(bytes.count)] = UInt8(maker.random.below(256))
                case 1: bytes += (0..<maker.random.below(200)).map { _ in UInt8(maker.random.below(256)) }
                case 2: bytes += [UInt8(ascii: "Q"), 127, 255, 255, 255]
                default: break
                }
                socket.write(bytes)
                if maker.random.below(3) == 0 { socket.reset() } else { socket.close() }
                if round % 50 == 0 {
                    good.write(Array("Q\0\0\0\u{0D}SELECT 1\0".utf8))
                    XCTAssertEqual(answer(good), ["T", "D", "C", "Z"], "round \(round)")
                }
            }
            for _ in 0..<1_000 where server.postgres.connectionCount > 1 || server.threads.activeCount > 0 { usleep(10_000) }
            XCTAssertEqual(server.postgres.connectionCount, 1, "connections are left")
            XCTAssertEqual(server.threads.activeCount, 0, "statements are left")
            good.write(Array("Q\0\0\0\u{0D}SELECT 1\0".utf8))
            XCTAssertEqual(answer(good), ["T", "D", "C", "Z"])
        }
    }
}
