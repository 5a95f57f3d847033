// ServeCommand: `millrace serve`: opens the data directory and serves it until it is told to end.

import Engine
import Gateway
import Glibc
import Platform
import Syntax

struct ServeCommand {
    private static let configurationByteCountMax = 1 << 20
    /// Keys of a configuration file; the options of the command line but these two.
    private static let keys = CommandName.serve.specification.options.map { key($0.name) }.filter { $0 != "config" }

    private let directory: String
    private let workerCount: Int?
    private let stateMemory: Int?
    private let logLevel: ServerLog.Level
    private let logFormat: ServerLog.Format
    private let options: ServerOptions
    private let allowsCommands: Bool

    init(_ arguments: ParsedArguments) throws {
        let settings = try Settings(arguments)
        directory = settings.value("--data") ?? CommandName.defaultDirectory
        workerCount = try settings.count("--workers", in: 1...EngineSetup.workerCountMax)
        stateMemory = try settings.byteCount("--state-memory")
        guard let level = ServerLog.Level(name: settings.value("--log-level") ?? "info") else {
            throw UsageError(message: "--log-level is debug, info, warning or error, not \"\(settings.value("--log-level") ?? "")\"")
        }
        logLevel = level
        guard let format = ServerLog.Format(rawValue: (settings.value("--log-format") ?? "logfmt").lowercased()) else {
            throw UsageError(message: "--log-format is logfmt or json, not \"\(settings.value("--log-format") ?? "")\"")
        }
        logFormat = format

        var options = ServerOptions()
        let listen = settings.values("--listen").flatMap { $0.split(separator: ",").map(String.init) }
        if !listen.isEmpty {
            do throws(NetworkError) {
                options.listen = try listen.map { text throws(NetworkError) in try ListenAddress(text.trimmingSpaces) }
            } catch { throw UsageError(message: "--listen: \(error)") }
        }
        if let path = settings.value("--password-file") {
            do throws(NetworkError) {
                options.users = try PostgresUsers(text: try Self.contents(of: path), salt: { SystemRandom.bytes(16) })
            } catch { throw EngineError("\(path): \(error)") }
            guard !options.users.isEmpty else { throw EngineError("\(path): there is no user in it") }
        }
        let countMax = 1...1_000_000
        if let count = try settings.count("--max-connections", in: countMax) { options.connectionCountMax = count }
        if let count = try settings.count("--max-active-statements", in: countMax) { options.activeStatementCountMax = count }
        if let count = try settings.byteCount("--max-statement-size") { options.postgres.statementByteCountMax = count }
        if let count = try settings.byteCount("--max-message-size") { options.postgres.messageByteCountMax = count }
        if let count = try settings.byteCount("--max-connection-memory") { options.postgres.connectionByteCountMax = count }
        if let count = try settings.count("--max-result-rows", in: 1...Int.max) { options.postgres.resultRowCountMax = count }
        if let count = try settings.byteCount("--max-result-size") { options.postgres.resultByteCountMax = count }
        if let count = try settings.count("--drain-timeout", in: 0...86_400) { options.drainMilliseconds = count * 1_000 }
        self.options = options
        allowsCommands = try arguments.has("--allow-commands") || settings.flag("--allow-commands")
    }

    func run() throws -> ExitCode {
        let log = ServerLog(level: logLevel, format: logFormat)
        var engineOptions = EngineSetup.options(owner: "millrace serve --data \(directory)", workerCount: workerCount)
        if let stateMemory { engineOptions.stateMemoryByteCount = stateMemory }
        engineOptions.allowsCommands = allowsCommands
        engineOptions.onNotice = { log.write(.warning, "engine", [("message", $0)]) }
        raiseDescriptorLimit(log)
        let engine = try Engine(directory: directory, options: engineOptions)
        log.write(.info, "opened", [("data", directory), ("version", Program.version), ("pid", "\(getpid())")])
        let server: Server
        do {
            server = try Server(engine: engine, options: options, log: log)
            try server.start()
        } catch {
            try engine.close()
            throw EngineError("\(error)")
        }
        let asked = StopRequest()
        Signals.whileHandlingStop({ asked.set() }) { asked.wait() }
        try server.stop()
        return .success
    }

    /// A descriptor per connection: as many as the system allows, and a word when that is too few.
    private func raiseDescriptorLimit(_ log: ServerLog) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        let wanted = rlim_t(options.connectionCountMax + 1_000)
        if limit.rlim_cur < wanted {
            limit.rlim_cur = min(limit.rlim_max, wanted)
            _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        if limit.rlim_cur < wanted {
            log.write(
                .warning, "few_descriptors",
                [("limit", "\(limit.rlim_cur)"), ("max_connections", "\(options.connectionCountMax)"), ("hint", "raise ulimit -n")])
        }
    }

    fileprivate static func contents(of path: String) throws(NetworkError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw NetworkError("cannot be read: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = piece.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { break }
            guard count > 0 else { throw NetworkError("cannot be read: \(String(cString: strerror(errno)))") }
            bytes += piece.prefix(count)
            if bytes.count > configurationByteCountMax { throw NetworkError("is larger than \(configurationByteCountMax) bytes") }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw NetworkError("is no UTF-8") }
        return text
    }

    /// `--max-connections` as a key: `max_connections`.
    fileprivate static func key(_ option: String) -> String { option.drop { $0 == "-" }.split(separator: "-").joined(separator: "_") }

    /// The three places a setting may stand in.
    private struct Settings {
        private let arguments: ParsedArguments
        private var file: ConfigurationFile?

        init(_ arguments: ParsedArguments) throws {
            self.arguments = arguments
            guard let path = arguments.value("--config") ?? Self.variable("--config") else { return }
            do throws(NetworkError) {
                let file = try ConfigurationFile(try ServeCommand.contents(of: path))
                for entry in file.entries where !ServeCommand.keys.contains(entry.key) {
                    let near = NearestName.find(entry.key, among: ServeCommand.keys).map { "; did you mean \($0)?" } ?? ""
                    throw NetworkError("line \(entry.line): there is no setting \"\(entry.key)\"\(near)")
                }
                self.file = file
            } catch { throw EngineError("\(path): \(error)") }
        }

        private static func variable(_ name: String) -> String? {
            guard let text = getenv("MILLRACE_" + ServeCommand.key(name).uppercased()).map({ String(cString: $0) }), !text.isEmpty else { return nil }
            return text
        }

        func values(_ name: String) -> [String] {
            let written = arguments.values(name)
            if !written.isEmpty { return written }
            if let text = Self.variable(name) { return [text] }
            return file?.values(ServeCommand.key(name)) ?? []
        }

        func value(_ name: String) -> String? { values(name).last }

        func count(_ name: String, in range: ClosedRange<Int>) throws(UsageError) -> Int? {
            guard let text = value(name) else { return nil }
            guard let number = Int(text), range.contains(number) else {
                throw UsageError(message: "\(name) takes a number from \(range.lowerBound) to \(range.upperBound), not \"\(text)\"")
            }
            return number
        }

        func flag(_ name: String) throws(UsageError) -> Bool {
            switch value(name)?.lowercased() {
            case nil, "false", "off", "no", "0": return false
            case "true", "on", "yes", "1": return true
            case .some(let text): throw UsageError(message: "\(name) is true or false, not \"\(text)\"")
            }
        }

        func byteCount(_ name: String) throws(UsageError) -> Int? {
            guard let text = value(name) else { return nil }
            guard let count = ParsedArguments.byteCount(text) else {
                throw UsageError(message: "\(name) takes a size such as 512M or 4G, not \"\(text)\"")
            }
            return count
        }
    }
}

/// Set by a signal, waited for by the command.
private final class StopRequest: @unchecked Sendable {
    // Safe to share: everything is behind the lock.
    private let lock = Lock()
    private let changed = Condition()
    private var isSet = false

    func set() {
        lock.locked { isSet = true }
        changed.broadcast()
    }

    func wait() {
        lock.lock()
        while !isSet { changed.wait(lock) }
        lock.unlock()
    }
}
