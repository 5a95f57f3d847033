// PostgresServer: what all connections of the PostgreSQL protocol share: who may come in, how many, and who can be cancelled.

import Engine
import Platform

/// The passwords that let people in; none at all lets everybody in, which is only allowed where nobody else can come.
package struct PostgresUsers: Sendable {
    private var verifiers: [String: ScramVerifier] = [:]

    package init() {}

    package var isEmpty: Bool { verifiers.isEmpty }

    package mutating func add(_ user: String, _ verifier: ScramVerifier) { verifiers[user] = verifier }

    var allVerifiers: [ScramVerifier] { verifiers.sorted { $0.key < $1.key }.map(\.value) }
    func verifier(of user: String) -> ScramVerifier? { verifiers[user] }

    /// Lines `user:password` or `user:SCRAM-SHA-256$..`; `#` begins a comment.
    package init(text: String, salt: () -> [UInt8]?) throws(NetworkError) {
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex, line.index(after: colon) != line.endIndex else {
                throw NetworkError("line \(index + 1) is not user:password")
            }
            let user = String(line[..<colon])
            let secret = String(line[line.index(after: colon)...])
            guard verifiers[user] == nil else { throw NetworkError("line \(index + 1): user \(user) stands there twice") }
            if let verifier = ScramVerifier(verifier: secret) {
                verifiers[user] = verifier
            } else if secret.hasPrefix("SCRAM-SHA-256$") {
                throw NetworkError("line \(index + 1): the verifier of \(user) cannot be read")
            } else {
                guard let salt = salt() else { throw NetworkError("the system gives no random numbers") }
                verifiers[user] = ScramVerifier(password: secret, salt: salt)
            }
        }
    }
}

package final class PostgresServer: @unchecked Sendable {
    // Safe to share: what changes is behind the lock.
    let engine: Engine
    let threads: StatementThreads
    let users: PostgresUsers
    let limits: PostgresLimits
    let clock: any Clock
    let log: ServerLog
    let connectionCountMax: Int
    /// For salts of names that nobody has.
    let key: [UInt8]

    private let lock = Lock()
    private var connections: [Int32: PostgresConnection] = [:]
    private var nextID: Int32 = 1
    private var isStopping = false

    init(
        engine: Engine, threads: StatementThreads, users: PostgresUsers, limits: PostgresLimits, connectionCountMax: Int, clock: any Clock,
        log: ServerLog
    ) throws(NetworkError) {
        self.engine = engine
        self.threads = threads
        self.users = users
        self.limits = limits
        self.connectionCountMax = connectionCountMax
        self.clock = clock
        self.log = log
        guard let key = SystemRandom.bytes(32) else { throw NetworkError("the system gives no random numbers") }
        self.key = key
    }

    package var connectionCount: Int { lock.locked { connections.count } }

    /// The handler of a new connection.
    package func accept(_ connection: Connection) -> any ConnectionHandler { PostgresConnection(connection, server: self) }

    /// A place among the connections and a number nobody else has; nil when all are taken.
    func enter(_ connection: PostgresConnection) -> Int32? {
        lock.locked {
            guard connections.count < connectionCountMax, !isStopping else { return nil }
            while connections[nextID] != nil { nextID = nextID == .max ? 1 : nextID + 1 }
            let id = nextID
            nextID = nextID == .max ? 1 : nextID + 1
            connections[id] = connection
            return id
        }
    }

    func leave(_ id: Int32) { lock.locked { connections[id] = nil } }

    func cancel(_ id: Int32, secret: [UInt8]) {
        guard let connection = lock.locked({ connections[id] }) else { return }
        connection.cancel(secret: secret)
    }

    /// Ends every statement; connections are told that the server stops.
    package func stop() {
        let all = lock.locked {
            isStopping = true
            return connections.sorted { $0.key < $1.key }.map(\.value)
        }
        for connection in all { connection.stop() }
    }
}
