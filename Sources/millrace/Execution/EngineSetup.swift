// EngineSetup: the options with which every command opens the engine.

import Engine
import Glibc

enum EngineSetup {
    static let workerCountMax = 256

    static func options(owner: String, workerCount: Int? = nil) -> EngineOptions {
        var options = EngineOptions()
        options.ownerDescription = owner
        options.workerCount = workerCount ?? max(1, min(workerCountMax, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))))
        options.onNotice = { Console.note("notice: \($0)") }
        options.onPrint = { Console.standardOutput.write($0) }
        return options
    }

    /// Opens a directory that exists, to look at it. As its owner only when its queries are to run and nobody else is the owner: a short look
    /// must not keep the directory from whoever comes to run it.
    static func openForReading(_ directory: String, owner: String, startsQueries: Bool) throws -> Engine {
        var information = stat()
        guard stat(directory, &information) == 0 else {
            throw EngineError("cannot open the data directory \(directory): \(String(cString: strerror(errno)))")
        }
        var options = options(owner: owner)
        if startsQueries {
            do {
                return try Engine(directory: directory, options: options)
            } catch {
                // Held by another process, or not ours to write: either way it can still be looked at. A fault that is neither shows again.
            }
        }
        options.isReadOnly = true
        options.startsQueries = false
        return try Engine(directory: directory, options: options)
    }
}

/// Lengths of time as people read them.
enum Duration {
    /// `12.345 ms`.
    static func milliseconds(_ nanoseconds: UInt64) -> String {
        let micros = nanoseconds / 1_000
        let fraction = String(micros % 1_000)
        return "\(micros / 1_000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction) ms"
    }
}
