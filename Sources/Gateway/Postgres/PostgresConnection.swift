// PostgresConnection: one connection of the PostgreSQL protocol, on the loop's side: letting it in, cutting what comes into messages, and handing these to the
// session on a thread that may block.
//
// 1. Start-up runs on the loop: encryption is answered with N, a cancel request is carried out, a start-up message answered with a password exchange or
//    with the welcome. All of it must be over within a few seconds.
// 2. From then on messages are cut off the input, each checked against its limit before its body is awaited: what is too large is passed over as it comes and never
//    kept. They wait in `inbox`; one thread at a time works it off (`isWorking`), and goes home when it is empty. While much waits, nothing more is read.
// 3. The rows of COPY come in small messages: those that wait together become one.

import Columns
import Engine
import Platform

final class PostgresConnection: ConnectionHandler, PostgresPeer, @unchecked Sendable {
    // Safe to share: the inbox is behind the lock; the session is used by the one thread that works; the rest is the loop's thread's.
    private static let startupMilliseconds = 15_000
    private static let startupByteCountMax = 10_000
    private static let inboxByteCountMax = 4 << 20
    private static let inboxCountMax = 4_096
    private static let copyPieceByteCount = 256 << 10

    private enum Phase {
        case startup
        case password(ScramServer)
        case ready
        case over
    }

    private enum Item: Sendable {
        case message(FrontendMessage)
        case refused(UInt8, ErrorReport)
    }

    private let connection: Connection
    private let server: PostgresServer
    private var phase = Phase.startup
    private var id: Int32?
    private var secret: [UInt8] = []
    private var user = ""
    private var database = ""
    private var settings = ConnectionSettings()
    /// Of a message that is too large: what is still to be passed over.
    private var skippedByteCount = 0

    private let lock = Lock()
    private var inbox: [Item] = []
    private var inboxByteCount = 0
    private var isWorking = false
    private var isPaused = false
    private var hasLeft = false
    private var session: PostgresSession?

    init(_ connection: Connection, server: PostgresServer) {
        self.connection = connection
        self.server = server
        connection.setDeadline(milliseconds: Self.startupMilliseconds)
    }

    // MARK: PostgresPeer, on the working thread

    func send(_ bytes: UnsafeRawBufferPointer) { connection.send(bytes) }
    func waitForRoom() -> Bool { connection.waitForRoom() }

    // MARK: From any thread

    func cancel(secret: [UInt8]) {
        guard HMAC.isEqual(secret, self.secret) else { return }
        lock.locked { session }?.interruption.interrupt(.cancelled)
    }

    /// The server stops: a statement that runs ends with an error, an idle client is told at once.
    func stop() {
        let (session, mustSay) = lock.locked { (self.session, !isWorking) }
        session?.interruption.interrupt(.shutdown)
        // Whoever works tells the client, and closes: what is sent behind a `finish` is dropped.
        guard mustSay else { return }
        say(ErrorReport(.fatal, "57P01", "terminating connection due to administrator command"))
        connection.finish()
    }

    // MARK: ConnectionHandler

    func received(_ connection: Connection) {
        do throws(ErrorReport) {
            while true {
                switch phase {
                case .startup: guard try receiveStartup() else { return }
                case .password(let scram): guard try receivePassword(scram) else { return }
                case .ready:
                    receiveMessages()
                    return
                case .over:
                    connection.input.drop(.max)
                    return
                }
            }
        } catch {
            say(error)
            phase = .over
            connection.finish()
        }
    }

    /// What has been asked for is still answered, as by PostgreSQL, but for what has no end.
    func inputEnded(_ connection: Connection) {
        guard case .ready = phase, let session = lock.locked({ session }) else {
            if lock.locked({ self.session == nil }) { connection.finish() }
            return
        }
        phase = .over
        session.interruption.inputEnded()
        deliver([.message(.terminate)], 0)
    }

    func timedOut(_ connection: Connection) {
        server.log.write(.warning, "startup_timeout", [("peer", "\(connection.peerAddress)")])
        connection.abort()
    }

    func closed(_ connection: Connection, reason: ConnectionEnd) {
        phase = .over
        leave()
        if let id { server.leave(id) }
        if id != nil { server.log.write(.debug, "disconnected", [("id", "\(id ?? 0)"), ("reason", "\(reason)")]) }
    }

    /// The client is gone: its statement ends, and the session with it.
    private func leave() {
        let (session, mustEnd) = lock.locked { () -> (PostgresSession?, Bool) in
            hasLeft = true
            return (self.session, !isWorking)
        }
        session?.interruption.interrupt(.connectionLost)
        if mustEnd { endSession() }
    }

    private func endSession() {
        let session = lock.locked { () -> PostgresSession? in
            defer { self.session = nil }
            inbox = []
            inboxByteCount = 0
            return self.session
        }
        session?.end()
    }

    private func say(_ report: ErrorReport) {
        let writer = BackendWriter()
        writer.error(report)
        connection.send(writer.buffer.bytes)
    }

    // MARK: Start-up

    /// False when more must come first.
    private func receiveStartup() throws(ErrorReport) -> Bool {
        guard connection.input.count >= 8 else { return false }
        let head = connection.input.prefix(8)
        do throws(ProtocolViolation) {
            var reader = WireReader(head)
            let count = Int(try reader.int32())
            let code = try reader.uint32()
            guard count >= 8, count <= Self.startupByteCountMax else { throw ProtocolViolation(message: "invalid length of startup packet") }
            guard connection.input.count >= count else { return false }
            var body = WireReader(connection.input.take(count))
            _ = try body.take(8)
            switch code {
            case 80_877_103, 80_877_104:
                // No encryption here, neither TLS nor GSSAPI; the client goes on without or hangs up.
                guard connection.input.isEmpty else { throw ProtocolViolation(message: "received unencrypted data after a request for encryption") }
                connection.send([UInt8(ascii: "N")])
                return true
            case 80_877_102:
                let id = try body.int32()
                server.cancel(id, secret: Array(body.rest()))
                phase = .over
                connection.finish()
                return false
            default:
                guard code >> 16 == 3 else {
                    throw ProtocolViolation(
                        message: "unsupported frontend protocol \(code >> 16).\(code & 0xFFFF): server supports 3.0", code: "0A000")
                }
                var parameters: [(String, String)] = []
                while body.remainingCount > 1 { parameters.append((try body.string(), try body.string())) }
                try start(parameters, minorVersion: code & 0xFFFF)
                return true
            }
        } catch {
            throw ErrorReport(.fatal, error.code, error.message)
        }
    }

    private func start(_ parameters: [(String, String)], minorVersion: UInt32) throws(ProtocolViolation) {
        let unknown = parameters.map(\.0).filter { $0.hasPrefix("_pq_.") }
        if minorVersion > 0 || !unknown.isEmpty {
            let writer = BackendWriter()
            writer.message("v") {
                writer.int32(0)
                writer.int32(Int32(unknown.count))
                for name in unknown { writer.string(name) }
            }
            connection.send(writer.buffer.bytes)
        }
        do throws(ErrorReport) {
            for (name, value) in parameters {
                switch name {
                case "user": user = value
                case "database": database = value
                case "replication": if name == "replication", value != "false" {
                    throw ErrorReport(.fatal, "0A000", "replication connections are not supported", hint: "SELECT STREAM goes on with what arrives")
                }
                case "options": for (name, value) in Self.options(value) { try settings.start(name, value) }
                default: if !name.hasPrefix("_pq_.") { try settings.start(name, value) }
                }
            }
        } catch { throw ProtocolViolation(message: error.message, code: error.code) }
        guard !user.isEmpty else { throw ProtocolViolation(message: "no PostgreSQL user name specified in startup packet", code: "28000") }
        settings.fix("session_authorization", user)
        guard let id = server.enter(self) else {
            server.log.write(.warning, "connection_refused", [("peer", "\(connection.peerAddress)"), ("reason", "too many connections")])
            throw ProtocolViolation(message: "sorry, too many clients already (the limit is \(server.connectionCountMax))", code: "53300")
        }
        self.id = id
        guard let random = SystemRandom.bytes(4 + 18) else { throw ProtocolViolation(message: "the system gives no random numbers", code: "XX000") }
        secret = Array(random.prefix(4))
        if server.users.isEmpty { return welcome() }
        phase = .password(
            ScramServer(verifier: server.users.verifier(of: user), user: user, nonce: Array(random.dropFirst(4)), key: server.key))
        let writer = BackendWriter()
        writer.message("R") {
            writer.int32(10)
            writer.string("SCRAM-SHA-256")
            writer.buffer.append(0)
        }
        connection.send(writer.buffer.bytes)
    }

    /// `-c name=value --name=value`, as in PGOPTIONS.
    private static func options(_ text: String) -> [(String, String)] {
        var found: [(String, String)] = []
        var words = text.split(separator: " ").map(String.init)[...]
        while let word = words.popFirst() {
            var assignment = word
            if word == "-c" { assignment = words.popFirst() ?? "" } else if word.hasPrefix("-c") || word.hasPrefix("--") { assignment = String(word.dropFirst(2)) }
            guard let equals = assignment.firstIndex(of: "=") else { continue }
            found.append((String(assignment[..<equals]), String(assignment[assignment.index(after: equals)...])))
        }
        return found
    }

    /// False when more must come first.
    private func receivePassword(_ scram: ScramServer) throws(ErrorReport) -> Bool {
        guard connection.input.count >= 5 else { return false }
        var scram = scram
        let step: ScramServer.Step
        do throws(ProtocolViolation) {
            var head = WireReader(connection.input.prefix(5))
            let type = try head.uint8()
            let count = Int(try head.int32())
            guard type == UInt8(ascii: "p"), count >= 4, count <= Self.startupByteCountMax else {
                throw ProtocolViolation(message: "expected a password response")
            }
            guard connection.input.count > count else { return false }
            var body = WireReader(Array(connection.input.take(count + 1).dropFirst(5)))
            if scram.hasBegun {
                step = scram.receive(Array(body.rest()))
            } else {
                let mechanism = try body.string()
                guard mechanism == "SCRAM-SHA-256" else { throw ProtocolViolation(message: "client selected an invalid SASL authentication mechanism") }
                let length = Int(try body.int32())
                step = scram.receive(Array(try body.take(length)))
            }
        } catch {
            throw ErrorReport(.fatal, error.code, error.message)
        }
        let writer = BackendWriter()
        switch step {
        case .answer(let bytes):
            phase = .password(scram)
            writer.message("R") {
                writer.int32(11)
                bytes.withUnsafeBytes { writer.buffer.append($0) }
            }
            connection.send(writer.buffer.bytes)
        case .success(let bytes):
            writer.message("R") {
                writer.int32(12)
                bytes.withUnsafeBytes { writer.buffer.append($0) }
            }
            connection.send(writer.buffer.bytes)
            welcome()
        case .wrongPassword:
            server.log.write(.warning, "authentication_failed", [("peer", "\(connection.peerAddress)"), ("user", user)])
            throw ErrorReport(.fatal, "28P01", "password authentication failed for user \"\(user)\"")
        case .malformed(let what): throw ErrorReport(.fatal, "08P01", "malformed SCRAM message: \(what)")
        }
        return true
    }

    private func welcome() {
        let session = PostgresSession(engine: server.engine, peer: self, limits: server.limits, clock: server.clock)
        session.settings = settings
        session.engineSession.identity.user = user
        session.engineSession.identity.database = database.isEmpty ? user : database
        session.engineSession.identity.processID = Int64(id ?? 0)
        session.engineSession.identity.serverVersion = ConnectionSettings.serverVersion
        session.engineSession.identity.setting = { [weak session] name in session?.settings.text(of: name) }
        let writer = session.writer
        writer.message("R") { writer.int32(0) }
        for (name, value) in settings.reported { writer.parameterStatus(name, value) }
        writer.message("K") {
            writer.int32(id ?? 0)
            secret.withUnsafeBytes { writer.buffer.append($0) }
        }
        session.sayReady()
        session.rest()
        lock.locked { self.session = session }
        phase = .ready
        connection.setDeadline(milliseconds: nil)
        server.log.write(
            .debug, "connected",
            [("id", "\(id ?? 0)"), ("peer", "\(connection.peerAddress)"), ("user", user), ("application", settings.text(of: "application_name") ?? "")])
    }

    // MARK: Messages

    private func receiveMessages() {
        var items: [Item] = []
        var byteCount = 0
        var copied: [UInt8] = []
        func endCopied() {
            guard !copied.isEmpty else { return }
            byteCount += copied.count
            items.append(.message(.copyData(copied)))
            copied = []
        }
        loop: while true {
            if skippedByteCount > 0 {
                let skipped = min(skippedByteCount, connection.input.count)
                connection.input.drop(skipped)
                skippedByteCount -= skipped
                if skippedByteCount > 0 { break }
            }
            guard connection.input.count >= 5, let type = connection.input[0] else { break }
            let length = connection.input.prefix(5).dropFirst().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            guard FrontendMessage.isKnown(type), length >= 4, length <= UInt32(Int32.max) else {
                endCopied()
                // Where the next message begins cannot be known any more.
                say(ErrorReport(.fatal, "08P01", length < 4 ? "invalid message length" : "invalid frontend message type \(type)"))
                phase = .over
                connection.finish()
                leave()
                return
            }
            let count = Int(length) - 4
            if let report = refusal(type, count) {
                endCopied()
                items.append(.refused(type, report))
                connection.input.drop(5)
                skippedByteCount = count
                continue
            }
            guard connection.input.count >= 5 + count else { break }
            if type == UInt8(ascii: "d") {
                connection.input.drop(5)
                copied += connection.input.prefix(count)
                connection.input.drop(count)
                if copied.count >= Self.copyPieceByteCount { endCopied() }
                continue
            }
            endCopied()
            let body = connection.input.take(5 + count)
            do throws(ProtocolViolation) {
                let message = try FrontendMessage.decode(type: type, body: body[5...])
                items.append(.message(message))
                byteCount += count + 64
                if message == .terminate {
                    phase = .over
                    connection.input.drop(.max)
                    break loop
                }
            } catch {
                items.append(.refused(type, ErrorReport(error)))
            }
        }
        endCopied()
        if !items.isEmpty { deliver(items, byteCount) }
    }

    /// Why a message of this size is not taken, if it is not.
    private func refusal(_ type: UInt8, _ byteCount: Int) -> ErrorReport? {
        let isStatement = type == UInt8(ascii: "Q") || type == UInt8(ascii: "P")
        // A text of several statements may be longer than one of them.
        let limit = isStatement ? server.limits.statementByteCountMax : server.limits.messageByteCountMax
        guard byteCount > limit else { return nil }
        return ErrorReport(
            .error, "54000", "a message of \(byteCount) bytes is larger than the limit of \(limit)",
            hint: isStatement ? "COPY .. FROM STDIN takes many rows; --max-statement-size raises the limit" : "send it in smaller pieces")
    }

    private func deliver(_ items: [Item], _ byteCount: Int) {
        let mustStart = lock.locked { () -> Bool in
            inbox += items
            inboxByteCount += byteCount
            if !isPaused, inboxByteCount > Self.inboxByteCountMax || inbox.count > Self.inboxCountMax {
                isPaused = true
                connection.pauseReading()
            }
            guard !isWorking, session != nil else { return false }
            isWorking = true
            return true
        }
        guard mustStart else { return }
        if server.threads.run({ [self] in work() }) { return }
        // Nobody is left to do it. To say so blocks nobody.
        let report = ErrorReport(
            .error, "53300", "too many statements run at the same time", hint: "try again, or raise --max-active-statements")
        work(refusing: report)
    }

    /// Works the inbox off. One thread at a time.
    private func work(refusing refusal: ErrorReport? = nil) {
        while let session = lock.locked({ session }) {
            let items = lock.locked { () -> [Item] in
                defer {
                    inbox = []
                    inboxByteCount = 0
                }
                if isPaused {
                    isPaused = false
                    connection.resumeReading()
                }
                return inbox
            }
            for item in items {
                if lock.locked({ hasLeft }) { break }
                switch item {
                case .message(let message):
                    if let refusal, message != .terminate { session.refuse(message.type, refusal) } else { session.handle(message) }
                case .refused(let type, let report): session.refuse(type, report)
                }
            }
            if lock.locked({ inbox.isEmpty }) { session.becameIdle() }
            session.flush()
            let isDone = lock.locked { () -> Bool in
                guard inbox.isEmpty || hasLeft else { return false }
                isWorking = false
                return true
            }
            if session.isOver || session.interruption.current == .shutdown { connection.finish() }
            guard isDone else { continue }
            session.rest()
            if session.isOver || lock.locked({ hasLeft }) { endSession() }
            return
        }
    }
}
