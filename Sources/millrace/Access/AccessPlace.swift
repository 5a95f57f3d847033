// AccessPlace: where a command finds its engine. `--connect HOST:PORT` names a server; a data directory is opened here, unless a server holds it:
// then it is asked.

import Engine
import Platform

struct AccessPlace {
    let directory: String
    let connect: String?

    init(_ arguments: ParsedArguments) throws(UsageError) {
        connect = arguments.value("--connect")
        if connect != nil, arguments.value("--data") != nil {
            throw UsageError(message: "--connect and --data exclude each other", hint: "a server has a data directory of its own")
        }
        directory = arguments.value("--data") ?? CommandName.defaultDirectory
    }

    /// As its owner, or through the server that is.
    func open(owner: String, workerCount: Int? = nil, stateMemory: Int? = nil, allowsCommands: Bool = false) throws -> any EngineAccess {
        if let connect { return try RemoteAccess(connect) }
        var options = EngineSetup.options(owner: owner, workerCount: workerCount)
        options.stateMemoryByteCount = stateMemory
        options.allowsCommands = allowsCommands
        do {
            return LocalAccess(try Engine(directory: directory, options: options))
        } catch {
            // Held by another process: when that is a server, it is asked.
            guard let server = server() else { throw error }
            return server
        }
    }

    /// The server that holds the directory, when there is one that answers.
    func server() -> RemoteAccess? {
        guard let file = ServerFile(directory: directory) else { return nil }
        do { return try RemoteAccess(file.postgres) } catch {
            Console.note("warning: \(directory) is held by a server at \(file.postgres) that cannot be reached: \(error)")
            return nil
        }
    }

    /// To look at what is there; changes nothing. The files of a directory tell that, whoever holds it.
    func openForReading(owner: String, startsQueries: Bool = false) throws -> any EngineAccess {
        if let connect { return try RemoteAccess(connect) }
        return LocalAccess(try EngineSetup.openForReading(directory, owner: owner, startsQueries: startsQueries))
    }

    /// The same; a directory that is not there yet is an empty one, and is not made.
    func openToCompare(owner: String) throws -> any EngineAccess {
        guard connect == nil, !PosixFileSystem().exists(directory) else { return try openForReading(owner: owner) }
        var options = EngineOptions()
        options.isEphemeral = true
        options.isSingleThreaded = true
        return LocalAccess(try Engine(directory: directory, options: options, clock: SystemClock(), fileSystem: SimulatedFileSystem()))
    }
}
