// PostgresClient: a connection to a server that speaks PostgreSQL's protocol: for our own command line, so that the program talks to a server as
// everybody else does. Simple queries only: a statement goes out, events come back until the server is ready again.
//
// One thread uses a client; `cancel` may be called from any thread.

import Columns
import Glibc
import Platform

package final class PostgresClient: @unchecked Sendable {
    // Safe to share: `cancel` reads what is written once while connecting; the rest belongs to one thread.
    package struct Field: Sendable {
        package var name: String
        package var typeOID: UInt32
        package var typeModifier: Int
    }

    package enum Event: Sendable {
        case fields([Field])
        /// A value per column as text; nil for NULL.
        case row([ArraySlice<UInt8>?])
        /// A command has ended: its tag.
        case complete(String)
        case failure(ServerMessage)
        /// COPY: the server waits for bytes; brings some; has brought all.
        case copyIn, copyOut
        case copied([UInt8])
        case copyDone
        /// The server takes the next statement.
        case ready
        /// Nothing within the time given.
        case idle
    }

    package let host: String
    package let port: UInt16
    package private(set) var parameters: [String: String] = [:]
    /// Notices of the statement, oldest first.
    private var notices: [ServerMessage] = []
    private let socket: ClientSocket
    private var processID: Int32 = 0
    private var secretKey: Int32 = 0
    /// Whether a statement is on its way.
    package private(set) var isBusy = false

    private static let messageByteCountMax = 1 << 30

    package init(host: String, port: UInt16, user: String, password: String?, database: String, applicationName: String) throws {
        self.host = host
        self.port = port
        socket = try ClientSocket(host: host, port: port)
        var startup = ClientMessageWriter(nil)
        startup.append(int32: 196_608)
        for (key, value) in [("user", user), ("database", database), ("application_name", applicationName), ("client_encoding", "UTF8")] {
            startup.append(text: key)
            startup.append(text: value)
        }
        startup.append(bytes: [0])
        try socket.send(startup.finished)
        try authenticate(password: password)
    }

    /// Says goodbye. A server that has gone already does not mind.
    package func close() {
        do throws(ClientError) { try socket.send(ClientMessageWriter("X").finished) } catch {}
    }

    // MARK: Begin

    private func authenticate(password: String?) throws {
        var scram: ScramClient?
        while true {
            guard var (type, reader) = try message(timeoutMilliseconds: 30_000) else { throw ClientError("the server at \(host):\(port) does not answer") }
            switch type {
            case "R":
                switch try reader.int32() {
                case 0: break
                case 3:
                    try requirePassword(password) { password throws(ClientError) in
                        var answer = ClientMessageWriter("p")
                        answer.append(text: password)
                        try self.socket.send(answer.finished)
                    }
                case 10:
                    var mechanisms: [String] = []
                    while !reader.isAtEnd {
                        let name = try reader.text()
                        if !name.isEmpty { mechanisms.append(name) }
                    }
                    guard mechanisms.contains(ScramClient.mechanism) else {
                        throw ClientError("the server asks for \(mechanisms.joined(separator: ", ")), which is not supported yet")
                    }
                    try requirePassword(password) { password throws(ClientError) in
                        let begun = ScramClient(password: password, nonce: try Nonce.make())
                        scram = begun
                        var answer = ClientMessageWriter("p")
                        answer.append(text: ScramClient.mechanism)
                        answer.append(int32: Int32(begun.first.utf8.count))
                        answer.append(bytes: begun.first.utf8)
                        try self.socket.send(answer.finished)
                    }
                case 11:
                    guard let final = try scram?.final(answering: String(decoding: reader.rest(), as: UTF8.self)) else { throw ClientError("an unexpected message of the server") }
                    var answer = ClientMessageWriter("p")
                    answer.append(bytes: final.utf8)
                    try socket.send(answer.finished)
                case 12: try scram?.check(serverFinal: String(decoding: reader.rest(), as: UTF8.self))
                case let method: throw ClientError("the server asks for a way of authentication (\(method)) that is not supported yet")
                }
            case "K":
                processID = Int32(truncatingIfNeeded: try reader.int32())
                secretKey = Int32(truncatingIfNeeded: try reader.int32())
            case "S": parameters[try reader.text()] = try reader.text()
            case "E":
                let error = try ServerMessage(&reader)
                throw ClientError("the server at \(host):\(port) refuses: \(error.message)" + (error.hint.map { " (\($0))" } ?? ""))
            case "Z": return
            default: continue
            }
        }
    }

    private func requirePassword(_ password: String?, _ body: (String) throws(ClientError) -> Void) throws {
        guard let password else { throw ClientError("the server at \(host):\(port) asks for a password: set MILLRACE_PASSWORD or PGPASSWORD") }
        try body(password)
    }

    // MARK: Statements

    /// Sends a statement; `next` then brings what it gives, up to `.ready`.
    package func send(query: String) throws(ClientError) {
        notices = []
        var message = ClientMessageWriter("Q")
        message.append(text: query)
        try socket.send(message.finished)
        isBusy = true
    }

    package func takeNotices() -> [ServerMessage] {
        defer { notices = [] }
        return notices
    }

    package func next(timeoutMilliseconds: Int) throws(ClientError) -> Event {
        while true {
            guard var (type, reader) = try message(timeoutMilliseconds: timeoutMilliseconds) else { return .idle }
            switch type {
            case "T":
                var fields: [Field] = []
                for _ in 0..<max(0, try reader.int16()) {
                    let name = try reader.text()
                    _ = try reader.take(6)
                    let type = UInt32(truncatingIfNeeded: try reader.int32())
                    _ = try reader.int16()
                    let modifier = try reader.int32()
                    _ = try reader.int16()
                    fields.append(Field(name: name, typeOID: type, typeModifier: modifier))
                }
                return .fields(fields)
            case "D":
                var values: [ArraySlice<UInt8>?] = []
                for _ in 0..<max(0, try reader.int16()) {
                    let count = try reader.int32()
                    values.append(count < 0 ? nil : try reader.take(count))
                }
                return .row(values)
            case "C": return .complete(try reader.text())
            case "I": return .complete("")
            case "E": return .failure(try ServerMessage(&reader))
            case "N": notices.append(try ServerMessage(&reader))
            case "S": parameters[try reader.text()] = try reader.text()
            case "G": return .copyIn
            case "H", "W": return .copyOut
            case "d": return .copied(Array(reader.rest()))
            case "c": return .copyDone
            case "Z":
                isBusy = false
                return .ready
            default: continue
            }
        }
    }

    /// Whether something is there already.
    package func hasMore() throws(ClientError) -> Bool { try socket.fill(1, timeoutMilliseconds: 0) }

    /// Bytes of a COPY FROM STDIN.
    package func send(copy bytes: some Collection<UInt8>) throws(ClientError) {
        var message = ClientMessageWriter("d")
        message.append(bytes: bytes)
        try socket.send(message.finished)
    }

    package func endCopy() throws(ClientError) { try socket.send(ClientMessageWriter("c").finished) }

    /// Asks the server to give up what runs; it answers the statement with an error.
    package func cancel() {
        do throws(ClientError) {
            let other = try ClientSocket(host: host, port: port, timeoutMilliseconds: 2_000)
            var message = ClientMessageWriter(nil)
            message.append(int32: 80_877_102)
            message.append(int32: processID)
            message.append(int32: secretKey)
            try other.send(message.finished)
            // The server closes the connection when it has done so.
            _ = try other.fill(1, timeoutMilliseconds: 2_000)
        } catch {
            // The protocol answers nothing to a request to cancel: whether it came in time shows in how the statement ends.
        }
    }

    /// A whole message; nil when none has come within the time.
    private func message(timeoutMilliseconds: Int) throws(ClientError) -> (Unicode.Scalar, ClientMessageReader)? {
        guard try socket.fill(5, timeoutMilliseconds: timeoutMilliseconds) else { return nil }
        let length = (1...4).reduce(0) { $0 << 8 | Int(socket.peek($1)) }
        guard (4...PostgresClient.messageByteCountMax).contains(length) else { throw ClientError("the server sent a message of \(length) bytes") }
        guard try socket.fill(1 + length, timeoutMilliseconds: 60_000) else { throw ClientError("the server has stopped within a message") }
        let type = Unicode.Scalar(socket.peek(0))
        return (type, ClientMessageReader(Array(socket.take(1 + length).dropFirst(5))))
    }
}

enum Nonce {
    /// 24 letters that nobody can guess.
    static func make() throws(ClientError) -> String {
        guard let bytes = SystemRandom.bytes(18) else { throw ClientError("the system has no random bytes to give") }
        return Base64.encode(bytes)
    }
}
