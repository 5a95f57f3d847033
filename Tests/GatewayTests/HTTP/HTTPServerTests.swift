// The HTTP server over real sockets, with short deadlines: what a client can draw out, and what becomes of it.

import Engine
import Foundation
import Platform
import XCTest

@testable import Gateway

final class HTTPServerTests: XCTestCase {
    private func withServer(_ options: HTTPOptions, _ body: (_ port: Int, _ server: HTTPServer) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "millrace-http-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var engineOptions = EngineOptions()
        engineOptions.workerCount = 1
        let engine = try Engine(directory: folder, options: engineOptions)
        let loop = try EventLoop()
        let server = HTTPServer(engine: engine, threads: StatementThreads(threadCountMax: 8), options: options)
        let listener = try loop.listen(host: "127.0.0.1", port: 0) { server.accept($0) }
        let thread = try XCTUnwrap(JoinableThread { loop.run() })
        defer {
            server.stop()
            loop.stop()
            thread.join()
            server.threads.close()
            server.close()
        }
        try body(listener.port, server)
        try engine.close()
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private func ask(_ port: Int, _ request: String) -> String {
        let socket = TestSocket(port: port)
        socket.write(Array(request.utf8))
        return text(socket.readToEnd())
    }

    private func post(_ port: Int, _ path: String, _ body: String) -> String {
        ask(port, "POST \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    private func eventually(_ what: String, _ condition: () -> Bool) {
        for _ in 0..<1_000 where !condition() { usleep(10_000) }
        XCTAssertTrue(condition(), "never: " + what)
    }

    func testIdleConnectionIsClosed() throws {
        var options = HTTPOptions()
        options.idleMilliseconds = 1_000
        try withServer(options) { port, server in
            let socket = TestSocket(port: port)
            XCTAssertEqual(socket.readToEnd(), [])
            // The same after a request.
            let second = TestSocket(port: port)
            second.write(Array("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
            XCTAssertTrue(text(second.readToEnd()).hasSuffix("{\"status\":\"ok\"}\n"))
            socket.close()
            second.close()
            eventually("nobody is connected") { server.connectionCount == 0 }
        }
    }

    /// A header a moment keeps no connection open.
    func testSlowHead() throws {
        var options = HTTPOptions()
        options.headMilliseconds = 300
        try withServer(options) { port, _ in
            let socket = TestSocket(port: port)
            socket.write(Array("GET / HTTP/1.1\r\nHost: localhost\r\n".utf8))
            for number in 0..<12 {
                usleep(50_000)
                socket.write(Array("X-\(number): y\r\n".utf8))
            }
            XCTAssertTrue(text(socket.readToEnd()).hasPrefix("HTTP/1.1 408 "))
        }
    }

    func testSlowBody() throws {
        var options = HTTPOptions()
        options.bodyMilliseconds = 1_000
        try withServer(options) { port, server in
            let socket = TestSocket(port: port)
            socket.write(Array("POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nSELECT".utf8))
            let answer = text(socket.readToEnd())
            XCTAssertTrue(answer.hasPrefix("HTTP/1.1 408 "), answer)
            eventually("no statement is left") { server.threads.activeCount == 0 }
        }
    }

    /// A client that takes nothing is let go, and with it the thread that works for it.
    func testStalledReader() throws {
        var options = HTTPOptions()
        options.stallMilliseconds = 2_000
        try withServer(options) { port, server in
            XCTAssertTrue(post(port, "/v1/sql", "CREATE STREAM texts (t VARCHAR) WITH (sync = 'none')").hasPrefix("HTTP/1.1 200 "))
            let line = "{\"t\":\"\(String(repeating: "x", count: 1_000))\"}\n"
            let answer = post(port, "/v1/streams/texts", String(repeating: line, count: 20_000))
            XCTAssertTrue(answer.contains("\"rows\":20000"), answer)
            let stalled = TestSocket(port: port, receiveBufferByteCount: 4_096)
            stalled.write(Array("GET /v1/streams/texts HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
            XCTAssertEqual(text(stalled.read(15)), "HTTP/1.1 200 OK")
            // Others are served meanwhile, all of it.
            let whole = ask(port, "GET /v1/streams/texts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            XCTAssertGreaterThan(whole.utf8.count, 20_000 * line.utf8.count)
            eventually("the thread is free") { server.threads.activeCount == 0 }
        }
    }

    func testTooManyConnectionsAndStatements() throws {
        var options = HTTPOptions()
        options.connectionCountMax = 10
        try withServer(options) { port, server in
            XCTAssertTrue(post(port, "/v1/sql", "CREATE STREAM texts (t VARCHAR)").hasPrefix("HTTP/1.1 200 "))
            eventually("nobody is connected") { server.connectionCount == 0 && server.threads.activeCount == 0 }
            let live = (0..<8).map { _ in TestSocket(port: port) }
            for socket in live { socket.write(Array("GET /v1/streams/texts?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)) }
            for socket in live { XCTAssertEqual(text(socket.read(15)), "HTTP/1.1 200 OK") }
            let refused = post(port, "/v1/sql", "SELECT 1")
            XCTAssertTrue(refused.hasPrefix("HTTP/1.1 503 ") && refused.contains("Retry-After"), refused)
            // Whoever watches still sees.
            XCTAssertTrue(ask(port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
            eventually("only the live ones are left") { server.connectionCount == 8 }
            let more = (0..<2).map { _ in TestSocket(port: port) }
            eventually("all places are taken") { server.connectionCount == 10 }
            XCTAssertTrue(ask(port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").hasPrefix("HTTP/1.1 503 "))
            withExtendedLifetime((live, more)) {}
            for socket in live { socket.reset() }
            eventually("the statements are gone") { server.threads.activeCount == 0 }
        }
    }

    /// The list that clients read and the list that requests go by.
    func testDescriptionNamesTheRoutes() throws {
        let document = try JSONDocument(Array(OpenAPI.document.utf8))
        guard case .object(let paths)? = document["paths"] else { return XCTFail("there are no paths") }
        var described: Set<String> = []
        for path in paths {
            guard case .object(let members) = path.value else { return XCTFail(path.name) }
            for member in members where ["get", "post", "put", "delete", "patch"].contains(member.name) { described.insert("\(member.name.uppercased()) \(path.name)") }
        }
        let served = HTTPRoute.all.flatMap { route in route.methods.filter { $0 != "HEAD" }.map { "\($0) \(route.shown)" } }
        XCTAssertEqual(described, Set(served))
    }

    func testMetricsText() {
        let family = MetricsWriter.Family("a_total", .counter, "What \"it\" is.\nAnd \\ more")
        let other = MetricsWriter.Family("b_seconds", .histogram, "b")
        let writer = MetricsWriter([family, other, MetricsWriter.Family("never", .gauge, "n")])
        var histogram = DurationHistogram()
        for microseconds in [0, 250, 251, 3_000_000, 400_000_000] { histogram.add(microseconds: Int64(microseconds)) }
        writer.add(other, [("q", "x")], histogram)
        writer.add(family, [("name", "a\"b\\c\nd")], 3)
        writer.add(family, 0.5)
        let lines = writer.document().string.split(separator: "\n").map(String.init)
        XCTAssertEqual(Array(lines.prefix(4)), [
            "# HELP a_total What \"it\" is.\\nAnd \\\\ more", "# TYPE a_total counter", "a_total{name=\"a\\\"b\\\\c\\nd\"} 3", "a_total 0.5",
        ])
        XCTAssertTrue(lines.contains("b_seconds_bucket{q=\"x\",le=\"0.00025\"} 2"))
        XCTAssertTrue(lines.contains("b_seconds_bucket{q=\"x\",le=\"300\"} 4"))
        XCTAssertTrue(lines.contains("b_seconds_bucket{q=\"x\",le=\"+Inf\"} 5"))
        XCTAssertTrue(lines.contains("b_seconds_sum{q=\"x\"} 403.000501"))
        XCTAssertTrue(lines.contains("b_seconds_count{q=\"x\"} 5"))
        XCTAssertFalse(lines.contains { $0.contains("never") })
    }
}
