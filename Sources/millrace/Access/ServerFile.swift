// ServerFile: where the server that holds a data directory listens. It writes `server` into the directory once it listens, and removes it when it
// stops:
//
//     postgres 127.0.0.1:5433
//     http 127.0.0.1:8090
//     pid 4711
//
// One that was killed leaves it behind, so its process must be there.

import Glibc
import Platform

struct ServerFile {
    let postgres: String

    /// nil when no server holds the directory, as far as the file tells.
    init?(directory: String) {
        guard let text = ServerFile.read(directory + "/server") else { return nil }
        var values: [Substring: Substring] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2 { values[words[0]] = words[1] }
        }
        guard let address = values["postgres"], let process = values["pid"].flatMap({ pid_t($0) }), process > 0,
            kill(process, 0) == 0 || errno == EPERM
        else { return nil }
        postgres = String(address)
    }

    private static func read(_ path: String) -> String? {
        do {
            let file = try PosixFileSystem().open(path, .read)
            var bytes = [UInt8](repeating: 0, count: min(4_096, try file.size()))
            let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
            return String(decoding: bytes.prefix(count), as: UTF8.self)
        } catch {
            // No file: no server.
            return nil
        }
    }
}
