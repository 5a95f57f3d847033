// HTTPRequestParser: what it understands, what it refuses, and that neither depends on how bytes are cut.

import Platform
import XCTest

@testable import Gateway

final class HTTPRequestParserTests: XCTestCase {
    /// All events of an input that comes in pieces of `cut` bytes; bodies are put together.
    static func events(_ text: [UInt8], cut: Int = .max, limits: HTTPLimits = HTTPLimits()) -> [HTTPRequestParser.Event] {
        var parser = HTTPRequestParser(limits: limits)
        var queue = ByteQueue()
        var events: [HTTPRequestParser.Event] = []
        var rest = text[...]
        while true {
            let event = parser.next(&queue)
            switch event {
            case .needMore:
                guard !rest.isEmpty else { return events }
                queue.append(rest.prefix(cut))
                rest = rest.dropFirst(cut)
            case .failure:
                events.append(event)
                XCTAssertEqual(parser.next(&queue), event, "a failure stays")
                return events
            case .body(let bytes):
                XCTAssertFalse(bytes.isEmpty)
                if case .body(let before)? = events.last { events[events.count - 1] = .body(before + bytes) } else { events.append(event) }
            default: events.append(event)
            }
        }
    }

    private func events(_ text: String, limits: HTTPLimits = HTTPLimits()) -> [HTTPRequestParser.Event] {
        let whole = Self.events(Array(text.utf8), limits: limits)
        for cut in [1, 2, 3, 7] { XCTAssertEqual(Self.events(Array(text.utf8), cut: cut, limits: limits), whole, "cut into \(cut)") }
        return whole
    }

    private func request(_ text: String) throws -> HTTPRequest {
        guard case .head(let request)? = events(text).first else {
            XCTFail("\(events(text)) for \(text)")
            throw HTTPFailure(0, "no head")
        }
        return request
    }

    private func status(_ text: String, limits: HTTPLimits = HTTPLimits()) -> Int {
        if case .failure(let failure)? = events(text, limits: limits).last { return failure.status }
        return 0
    }

    func testHead() throws {
        let request = try request("GET /v1/streams/a%20b?from=LATEST&follow&x=1+2%2B HTTP/1.1\r\nHost: localhost:8090\r\nX-Any:  some \tvalue \r\n\r\n")
        XCTAssertEqual(request.method, "GET")
        XCTAssertEqual(request.path, "/v1/streams/a b")
        XCTAssertEqual(request.query.map(\.name), ["from", "follow", "x"])
        XCTAssertEqual(request.query.map(\.value), ["LATEST", "", "1 2+"])
        XCTAssertEqual(request.header("x-any"), "some \tvalue")
        XCTAssertEqual(request.framing, .none)
        XCTAssertTrue(request.keepsAlive)
        XCTAssertEqual(try self.request("GET http://other/x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n").path, "/x")
        XCTAssertEqual(try self.request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path, "*")
        XCTAssertEqual(try self.request("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").path, "/")
    }

    func testConnection() throws {
        XCTAssertFalse(try request("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n").keepsAlive)
        XCTAssertFalse(try request("GET / HTTP/1.0\r\n\r\n").keepsAlive)
        XCTAssertTrue(try request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keepsAlive)
        XCTAssertTrue(try request("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n").expectsContinue)
        XCTAssertEqual(status("PUT / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n"), 417)
    }

    func testBodies() throws {
        let both = events("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloPOST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
            + "5;a=\"b\"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\nGET /c HTTP/1.1\r\nHost: a\r\n\r\n")
        guard both.count == 8 else { return XCTFail("\(both)") }
        XCTAssertEqual(both[1], .body(Array("hello".utf8)))
        XCTAssertEqual(both[2], .end)
        XCTAssertEqual(both[4], .body(Array("hello0123456789".utf8)))
        XCTAssertEqual(both[5], .end)
        guard case .head(let third) = both[6] else { return XCTFail("\(both)") }
        XCTAssertEqual(third.path, "/c")
        XCTAssertEqual(both[7], .end)
        XCTAssertEqual(events("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").last, .end)
    }

    /// What two readers could take for two different things.
    func testSmugglingIsRefused() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\n"
        for (headers, expected) in [
            ("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400), ("Content-Length: 5, 5\r\n\r\nhello", 400),
            ("Content-Length: +5\r\n\r\nhello", 400), ("Content-Length: -1\r\n\r\n", 400), ("Content-Length: 0x5\r\n\r\nhello", 400),
            ("Content-Length:\r\n\r\n", 400), ("Content-Length: 5 5\r\n\r\n", 400), ("Content-Length: 99999999999999999999\r\n\r\n", 413),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400), ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
            ("Transfer-Encoding: gzip, chunked\r\n\r\n", 501), ("Transfer-Encoding: identity\r\n\r\n", 501),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501), ("Transfer-Encoding: xchunked\r\n\r\n", 501),
            ("Transfer-Encoding : chunked\r\n\r\n", 400), ("X: a\r\n folded\r\n\r\n", 400), (" X: a\r\n\r\n", 400), ("X: a\rb\r\n\r\n", 400),
            ("X: a\nY: b\r\n\r\n", 400), ("X: a\0b\r\n\r\n", 400), ("X: a\u{7F}b\r\n\r\n", 400), ("X\r\n\r\n", 400), (": x\r\n\r\n", 400), ("X y: z\r\n\r\n", 400),
            ("Host: b\r\n\r\n", 400), ("X: y\n\r\n", 400),
        ] {
            XCTAssertEqual(status(head + headers), expected, headers.debugDescription)
        }
        for chunks in [
            "-1\r\n", "+5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello", "5 \r\nhello", "\r\n", "g\r\n", "5\nhello", "FFFFFFFFFFFFFFFF\r\n", "5\r\nhello!\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n",
            "5;\0\r\nhello", "0\r\n X: folded\r\n\r\n", "0\r\nX\r\n\r\n", "5 x\r\nhello",
        ] {
            XCTAssertEqual(status(head + "Transfer-Encoding: chunked\r\n\r\n" + chunks), 400, chunks.debugDescription)
        }
        XCTAssertEqual(status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400)
    }

    func testRequestLine() {
        for (line, expected) in [
            ("GET  / HTTP/1.1", 400), ("GET /", 400), ("GET / HTTP/1.1 x", 400), (" GET / HTTP/1.1", 400), ("G(T / HTTP/1.1", 400), ("GET / HTTP/2.0", 505),
            ("GET / HTTP/1.10", 400), ("GET / http/1.1", 400), ("GET x HTTP/1.1", 400), ("GET /% HTTP/1.1", 400), ("GET /%00 HTTP/1.1", 400),
            ("GET /%ff HTTP/1.1", 400), ("GET /?a=%zz HTTP/1.1", 400), ("GET /\u{E9} HTTP/1.1", 400), ("GET /\t HTTP/1.1", 400),
            (String(repeating: "A", count: 40) + " / HTTP/1.1", 400),
        ] {
            XCTAssertEqual(status(line + "\r\nHost: a\r\n\r\n"), expected, line.debugDescription)
        }
        XCTAssertEqual(status("GET / HTTP/1.1\r\n\r\n"), 400, "Host is missing")
    }

    func testLimits() {
        var limits = HTTPLimits()
        limits.requestLineByteCountMax = 100
        limits.headByteCountMax = 400
        limits.headerCountMax = 3
        limits.trailerByteCountMax = 50
        let long = String(repeating: "a", count: 120)
        XCTAssertEqual(status("GET /\(long) HTTP/1.1\r\nHost: a\r\n\r\n", limits: limits), 414)
        XCTAssertEqual(status("GET /\(long)", limits: limits), 414, "before the line has ended")
        XCTAssertEqual(status("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "b", count: 400))", limits: limits), 431, "before the head has ended")
        XCTAssertEqual(status("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits: limits), 431)
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        XCTAssertEqual(status(chunked + "1;" + String(repeating: "x", count: 300), limits: limits), 400)
        XCTAssertEqual(status(chunked + "0\r\n" + String(repeating: "X: y\r\n", count: 20), limits: limits), 400)
    }

    /// A body is taken as it comes, not when all of it is there.
    func testLargeBodyComesInPieces() {
        var parser = HTTPRequestParser()
        var queue = ByteQueue()
        queue.append(Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nabc".utf8))
        guard case .head = parser.next(&queue) else { return XCTFail("no head") }
        XCTAssertEqual(parser.next(&queue), .body(Array("abc".utf8)))
        XCTAssertEqual(parser.next(&queue), .needMore)
        XCTAssertTrue(queue.isEmpty)
        XCTAssertTrue(parser.isInBody)
    }

    func testDate() {
        XCTAssertEqual(HTTPResponseHead.date(784_111_777_000_000), "Sun, 06 Nov 1994 08:49:37 GMT")
        XCTAssertEqual(HTTPResponseHead.date(0), "Thu, 01 Jan 1970 00:00:00 GMT")
    }

    func testBase64() {
        for count in 0..<20 {
            let bytes = (0..<count).map { UInt8(($0 * 37 + 250) & 255) }
            XCTAssertEqual(Base64.decode(Base64.encode(bytes)), bytes)
        }
        XCTAssertEqual(Base64.encode(Array("hello".utf8)), "aGVsbG8=")
        for bad in ["a", "ab", "abc", "a===", "=abc", "ab=c", "ab c", "====", "ab=="] where bad != "ab==" { XCTAssertNil(Base64.decode(bad), bad) }
    }

    func testJSONDocument() throws {
        let document = try JSONDocument(Array(#" {"sql": "a\"\u00e9\ud83d\ude00\n", "n": [1, -2.5e3, true, null, {}], "sql2": ""} "#.utf8))
        XCTAssertEqual(document["sql"], .string("a\"é😀\n"))
        XCTAssertEqual(document["n"], .array([.number("1"), .number("-2.5e3"), .boolean(true), .null, .object([])]))
        for bad in ["", "{", "[1,]", "{\"a\"}", "01", "1 2", "\"\\x\"", "\"\\ud800\"", "tru", "\"\u{1}\"", "nan", String(repeating: "[", count: 100_000)] {
            XCTAssertThrowsError(try JSONDocument(Array(bad.utf8)), bad.prefix(20).debugDescription)
        }
    }
}
