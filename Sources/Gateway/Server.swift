// Server: one open data directory and those who reach it over the network.
//
// 1. `start` listens on every address and writes DIR/server, so that other processes find the way: a line per protocol with its address, and the process. It is
//    to be believed only while the directory's lock is held.
// 2. One loop serves all sockets; statements run on StatementThreads.
// 3. `stop` takes no more calls, ends the statements that run (their clients are told), waits for the connections to be gone, and closes the engine, which
//    writes a checkpoint of every query.

import Alerting
import Engine
import Glibc
import Platform

package final class Server: @unchecked Sendable {
    // Safe to share: made and started by one thread; what changes afterwards shares safely itself.
    /// What answers a connection of a protocol.
    package typealias Accept = (Connection) -> (any ConnectionHandler)?

    package let engine: Engine
    package let options: ServerOptions
    package let loop: EventLoop
    package let threads: StatementThreads
    package let log: ServerLog
    package let postgres: PostgresServer
    package let http: HTTPServer
    /// Tells the outside of alerts.
    package let alerting: AlertingService
    private let clock: any Clock
    private let accepts: [ListenAddress.ProtocolName: Accept]
    private var listeners: [Listener] = []
    private var loopThread: JoinableThread?
    private let hasStopped = Flag()
    /// Where each protocol can be reached: what was asked for, and the real port.
    package private(set) var addresses: [(name: ListenAddress.ProtocolName, address: String)] = []

    package init(engine: Engine, options: ServerOptions, log: ServerLog, clock: any Clock = SystemClock()) throws(NetworkError) {
        self.engine = engine
        self.options = options
        self.log = log
        self.clock = clock
        alerting = AlertingService(engine: engine, clock: clock)
        loop = try EventLoop(clock: clock)
        loop.onNotice = { log.write(.warning, "network", [("message", $0)]) }
        threads = StatementThreads(threadCountMax: options.activeStatementCountMax)
        postgres = try PostgresServer(
            engine: engine, threads: threads, users: options.users, limits: options.postgres, connectionCountMax: options.connectionCountMax,
            clock: clock, log: log)
        http = HTTPServer(engine: engine, threads: threads, options: Self.httpOptions(options))
        let (postgres, http) = (postgres, http)
        let startedMicroseconds = clock.nowMicroseconds()
        http.gatewayFigures = {
            var figures = GatewayFigures()
            figures.postgresConnectionCount = postgres.connectionCount
            figures.startedMicroseconds = startedMicroseconds
            return figures
        }
        accepts = [.postgres: { postgres.accept($0) }, .http: { http.accept($0) }]
    }

    /// The same passwords let people in, and the same limits hold.
    private static func httpOptions(_ options: ServerOptions) -> HTTPOptions {
        var http = HTTPOptions()
        http.statementByteCountMax = options.postgres.statementByteCountMax
        http.resultByteCountMax = options.postgres.resultByteCountMax > 0 ? options.postgres.resultByteCountMax : nil
        http.connectionCountMax = options.connectionCountMax
        if !options.users.isEmpty {
            let passwords = PasswordCheck(options.users)
            http.password = { user, password in passwords.lets(user, password) }
        }
        return http
    }

    /// Listens everywhere, or nowhere.
    package func start() throws(NetworkError) {
        for wanted in options.listen {
            guard let accept = accept(wanted.name) else { continue }
            let listener = try loop.listen(host: wanted.host, port: wanted.port, accept)
            listeners.append(listener)
            guard listener.address.isLoopback || !options.users.isEmpty else {
                throw NetworkError(
                    "\(listener.address) can be reached from other machines, and nobody needs a password: name one with --password-file, or listen on 127.0.0.1")
            }
            for name in wanted.name == .any ? [.postgres, .http] : [wanted.name] where accepts[name] != nil {
                addresses.append((name, "\(listener.address)"))
                log.write(.info, "listening", [("protocol", name.rawValue), ("address", "\(listener.address)")])
            }
        }
        guard !listeners.isEmpty else { throw NetworkError("there is nothing to listen on") }
        try writeAddresses()
        let loop = loop
        guard let thread = JoinableThread({ loop.run() }) else { throw NetworkError("no thread is left for the event loop") }
        loopThread = thread
        alerting.start()
    }

    private func accept(_ name: ListenAddress.ProtocolName) -> Accept? {
        guard name == .any else { return accepts[name] }
        guard let postgres = accepts[.postgres], let http = accepts[.http] else { return nil }
        return { connection in
            let handler = FirstByteHandler(postgres: postgres, http: http)
            handler.accepted(connection)
            return handler
        }
    }

    /// Ends everything, in order. The engine is closed afterwards.
    package func stop() throws {
        if hasStopped.exchange() { return }
        log.write(.info, "stopping", [("connections", "\(postgres.connectionCount)")])
        let listeners = listeners
        if loopThread == nil { for listener in listeners { listener.close() } } else {
            // On the loop's thread, which they belong to.
            let closed = Closing(listeners)
            loop.post { closed.run() }
            postgres.stop()
            http.stop()
            let deadline = clock.monotonicNanoseconds() &+ UInt64(max(0, options.drainMilliseconds)) &* 1_000_000
            while threads.activeCount > 0, clock.monotonicNanoseconds() < deadline { usleep(2_000) }
            // Clients that pay attention hang up by themselves; the others need not be waited for.
            for _ in 0..<50 where postgres.connectionCount + http.connectionCount > 0 { usleep(5_000) }
            loop.stop()
            loopThread?.join()
        }
        alerting.stop()
        threads.close()
        http.close()
        removeAddresses()
        do {
            try engine.close()
        } catch {
            log.write(.error, "close_failed", [("message", "\(error)")])
            throw error
        }
        log.write(.info, "stopped")
    }

    // MARK: DIR/server

    private var addressPath: String { engine.directory + "/server" }

    private func writeAddresses() throws(NetworkError) {
        var text = ""
        for (name, address) in addresses where !text.contains("\(name.rawValue) ") { text += "\(name.rawValue) \(address)\n" }
        text += "pid \(getpid())\n"
        // Written beside and renamed, so that nobody reads half of it.
        let temporary = addressPath + ".new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("cannot write \(temporary)") }
        let bytes = Array(text.utf8)
        let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, bytes.count) }
        close(descriptor)
        guard count == bytes.count, rename(temporary, addressPath) == 0 else { throw .system("cannot write \(addressPath)") }
    }

    private func removeAddresses() { unlink(addressPath) }
}

/// Listeners on their way to the thread that may close them.
private final class Closing: @unchecked Sendable {
    // Safe to send: handed to one thread, once.
    private let listeners: [Listener]
    init(_ listeners: [Listener]) { self.listeners = listeners }
    func run() { for listener in listeners { listener.close() } }
}

/// For an address that serves both protocols: PostgreSQL's start-up message begins with a length, whose first byte is 0; a request of HTTP with a letter.
private final class FirstByteHandler: ConnectionHandler {
    private static let patienceMilliseconds = 10_000
    private let postgres: Server.Accept
    private let http: Server.Accept
    private var inner: (any ConnectionHandler)?

    init(postgres: @escaping Server.Accept, http: @escaping Server.Accept) {
        self.postgres = postgres
        self.http = http
    }

    func accepted(_ connection: Connection) { connection.setDeadline(milliseconds: Self.patienceMilliseconds) }

    func received(_ connection: Connection) {
        if inner == nil, let first = connection.input[0] {
            connection.setDeadline(milliseconds: nil)
            inner = first == 0 ? postgres(connection) : http(connection)
            if inner == nil { return connection.abort() }
        }
        inner?.received(connection)
    }

    func writable(_ connection: Connection) { inner?.writable(connection) }
    func inputEnded(_ connection: Connection) { if let inner { inner.inputEnded(connection) } else { connection.finish() } }
    func timedOut(_ connection: Connection) { if let inner { inner.timedOut(connection) } else { connection.abort() } }
    func closed(_ connection: Connection, reason: ConnectionEnd) { inner?.closed(connection, reason: reason) }
}
