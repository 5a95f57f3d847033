// HTTPServer: requests → handlers.
//
// 1. On the loop's thread: who asks (HTTPAdmission), which route it is. What is fixed (the console, the description) is answered there.
// 2. Everything else runs on a thread: short looks at the engine on a few of their own, so that `/healthz` and `/metrics` answer when every other thread
//    is busy; statements and streams on the server's StatementThreads. When none is free the answer is 503, at once.
// 3. A handler answers through its exchange or throws; what it throws becomes a JSON error, or, when the response has begun, breaks it off.

import Columns
import Engine
import Platform
import Synchronization
import Syntax

package struct HTTPOptions: Sendable {
    package var limits = HTTPLimits()
    package var idleMilliseconds = 75_000
    package var headMilliseconds = 10_000
    package var bodyMilliseconds = 30_000
    package var stallMilliseconds = 60_000
    /// SQL text, or JSON with SQL in it.
    package var statementByteCountMax = 1 << 20
    /// Rows of one bounded result take at most so much; nil: any.
    package var resultByteCountMax: Int?
    package var heartbeatMilliseconds = 15_000
    /// What must be given as password; nil: none is asked for.
    package var password: (@Sendable (_ user: String?, _ password: String) -> Bool)?
    /// Names besides `localhost` and addresses of this machine under which it may be called when there is no password.
    package var hostNames: [String] = []
    package var connectionCountMax = 10_000

    package init() {}
}

/// What the process knows and the engine does not, for metrics.
package struct GatewayFigures: Sendable {
    package var postgresConnectionCount = 0
    package var startedMicroseconds: Int64 = 0

    package init() {}
}

package final class HTTPServer: @unchecked Sendable {
    // Safe to share: what changes is atomic or behind the lock.
    package let engine: Engine
    package let options: HTTPOptions
    package let threads: StatementThreads
    private let observers = HTTPObservers()
    private let routes: [HTTPRoute]
    private let admission: HTTPAdmission
    private let connections = Atomic<Int>(0)
    let counters = HTTPCounters()
    private let isStopping = Flag()
    private let lock = Lock()
    /// Those that are being answered.
    private var active: [ObjectIdentifier: HTTPExchange] = [:]
    /// Asked for at each scrape.
    package var gatewayFigures: @Sendable () -> GatewayFigures = { GatewayFigures() }
    let fixedHeaders: [(name: String, value: String)] = [("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]

    package init(engine: Engine, threads: StatementThreads, options: HTTPOptions) {
        self.engine = engine
        self.threads = threads
        self.options = options
        admission = HTTPAdmission(options)
        routes = HTTPRoute.all
    }

    package var connectionCount: Int { connections.load(ordering: .relaxed) }
    var nowMicroseconds: @Sendable () -> Int64 { { [engine] in engine.nowMicroseconds } }

    /// For a listener.
    package func accept(_ connection: Connection) -> (any ConnectionHandler)? {
        let handler = HTTPConnection(self)
        guard connections.add(1, ordering: .relaxed).newValue <= options.connectionCountMax else {
            handler.turnAway(connection, HTTPFailure(503, "there are \(options.connectionCountMax) connections already"))
            return handler
        }
        // A connection takes a deadline when it has its handler.
        connection.loop.post { handler.start(connection) }
        return handler
    }

    func connectionClosed() { connections.subtract(1, ordering: .relaxed) }

    /// Takes no more requests and ends the responses that would go on for ever; the others have until the loops stop.
    package func stop() {
        isStopping.set()
        for exchange in lock.locked({ Array(active.values) }) { exchange.endEndless() }
    }

    /// After the listeners have been closed and the loops have stopped.
    package func close() { observers.close() }

    // MARK: Requests

    func handle(_ exchange: HTTPExchange) {
        counters.requestBegins()
        lock.locked { active[ObjectIdentifier(exchange)] = exchange }
        let request = exchange.request
        do throws(APIError) {
            if isStopping.isSet { throw APIError(503, "57P01", "the server is stopping") }
            try admission.check(request)
            let (route, name) = try find(request)
            let context = HTTPContext(server: self, exchange: exchange, name: name)
            switch route.place {
            case .loop: run(route, context)
            case .observer: try check(observers.run { [self] in run(route, context) })
            case .statement: try check(threads.run { [self] in run(route, context) })
            }
        } catch {
            fail(exchange, error)
        }
    }

    private func check(_ hasStarted: Bool) throws(APIError) {
        guard !hasStarted else { return }
        var error = APIError(503, "53300", "too many statements are running", hint: "try again in a moment")
        error.headers = [("Retry-After", "1")]
        throw error
    }

    private func run(_ route: HTTPRoute, _ context: HTTPContext) {
        do {
            try route.handler(context)
            // A handler that has not answered has forgotten to.
            context.exchange.end()
            if context.exchange.status == 0 { fail(context.exchange, APIError(500, APIError.internalError, "there is no answer")) }
        } catch {
            fail(context.exchange, APIError(error))
        }
    }

    private func fail(_ exchange: HTTPExchange, _ error: APIError) {
        guard !exchange.isStreaming else {
            exchange.abort()
            return
        }
        exchange.respond(error.status, headers: error.headers, Self.content(error))
    }

    /// Status 0: the client went before there was one.
    func exchangeEnded(_ exchange: HTTPExchange, status: Int, byteCount: Int) {
        lock.locked { _ = active.removeValue(forKey: ObjectIdentifier(exchange)) }
        counters.requestEnds(status: status, byteCount: byteCount)
    }

    private func find(_ request: HTTPRequest) throws(APIError) -> (HTTPRoute, String?) {
        var allowed: [String] = []
        for route in routes {
            guard let name = route.match(request.rawPath) else { continue }
            if route.methods.contains(request.method) { return (route, name.isEmpty ? nil : name) }
            allowed += route.methods
        }
        if !allowed.isEmpty {
            var error = APIError(405, "0A000", "\(request.path) does not take \(request.method)", hint: "it takes \(allowed.joined(separator: ", "))")
            error.headers = [("Allow", allowed.joined(separator: ", "))]
            throw error
        }
        let near = NearestName.find(request.path, among: routes.map(\.shown))
        throw APIError(
            404, "42704", "there is nothing at \(request.path)",
            hint: near.map { "did you mean \($0)?" } ?? "GET /openapi.json describes what there is")
    }

    /// A whole response for what never became an exchange.
    func refusal(_ failure: HTTPFailure) -> [UInt8] {
        counters.refused()
        let content = Self.content(APIError(failure))
        let buffer = ByteBuffer()
        HTTPResponseHead(
            status: failure.status, headers: [("Content-Type", "application/json")] + fixedHeaders, framing: .length(content.count), closes: true
        ).append(to: buffer, nowMicroseconds: engine.nowMicroseconds)
        buffer.append(content)
        return buffer.array
    }

    static func content(_ error: APIError) -> ByteBuffer {
        let buffer = ByteBuffer()
        var json = JSONWriter(buffer)
        error.append(to: &json)
        buffer.append(0x0A)
        return buffer
    }
}

/// One request and what it is about.
struct HTTPContext: Sendable {
    let server: HTTPServer
    let exchange: HTTPExchange
    /// What stands for the variable part of the path.
    let name: String?

    var engine: Engine { server.engine }
    var request: HTTPRequest { exchange.request }
    var options: HTTPOptions { server.options }

    func respond(_ status: Int = 200, _ members: (inout JSONWriter) throws -> Void) rethrows {
        let buffer = ByteBuffer()
        var json = JSONWriter(buffer)
        try json.object(members)
        buffer.append(0x0A)
        exchange.respond(status, buffer)
    }

    /// The parameters that a route knows; any other is a mistake worth telling.
    func checkParameters(_ known: [String]) throws(APIError) {
        for (name, _) in request.query where !known.contains(name) {
            let near = NearestName.find(name, among: known)
            throw APIError(
                400, SQLError.invalidParameter, "there is no parameter \"\(name)\"",
                hint: near.map { "did you mean \($0)?" } ?? (known.isEmpty ? "it takes none" : "it takes \(known.joined(separator: ", "))"))
        }
    }

    func flag(_ name: String) throws(APIError) -> Bool {
        switch request.parameter(name)?.lowercased() {
        case nil, "false", "0", "no": false
        case "", "true", "1", "yes": true
        case .some(let other): throw APIError(400, SQLError.invalidParameter, "\(name) is true or false, not \"\(other)\"")
        }
    }
}

/// What has been asked and answered, for metrics.
final class HTTPCounters: Sendable {
    private let active = Atomic<Int>(0)
    private let bytes = Atomic<Int>(0)
    /// By the first digit of the status; the first is for what never became a request.
    private let byClass: [AtomicCount] = (0..<6).map { _ in AtomicCount() }

    final class AtomicCount: Sendable { let value = Atomic<Int>(0) }

    func requestBegins() { active.add(1, ordering: .relaxed) }

    func requestEnds(status: Int, byteCount: Int) {
        active.subtract(1, ordering: .relaxed)
        bytes.add(byteCount, ordering: .relaxed)
        byClass[max(0, min(5, status / 100))].value.add(1, ordering: .relaxed)
    }

    func refused() { byClass[4].value.add(1, ordering: .relaxed) }

    var activeCount: Int { active.load(ordering: .relaxed) }
    var sentByteCount: Int { bytes.load(ordering: .relaxed) }
    /// For `2xx` to `5xx`.
    func count(ofClass digit: Int) -> Int { byClass[max(0, min(5, digit))].value.load(ordering: .relaxed) }
}
