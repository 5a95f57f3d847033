// HistoryFile: the statements of earlier sessions, a line each. A line end within a statement is stored as the byte 1 (as psql does).
// Statements are appended one by one, so that they outlive a crash and prompts that are open at the same time do not overwrite
// each other's.

import CReadline
import Glibc

final class HistoryFile {
    private static let entriesMax = 1_000
    private static let bytesMax = 16 << 20
    private static let lineEndMark: UInt8 = 1

    private let path: String?
    private var lastEntry = ""

    init() {
        if let chosen = getenv("MILLRACE_HISTORY") {
            // Set to nothing: no history file.
            let text = String(cString: chosen)
            path = text.isEmpty ? nil : text
        } else {
            path = getenv("HOME").map { String(cString: $0) + "/.millrace_history" }
        }
        stifle_history(Int32(Self.entriesMax))
    }

    /// Gives the kept entries to readline; cuts a file that has grown to twice as many.
    func load() {
        guard let path, let bytes = Self.read(path) else { return }
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        for line in lines.suffix(Self.entriesMax) {
            let text = line.map { $0 == Self.lineEndMark ? UInt8(ascii: "\n") : $0 }
            lastEntry = String(decoding: text, as: UTF8.self)
            add_history(lastEntry)
        }
        if lines.count > Self.entriesMax * 2 {
            Self.write(Array(lines.suffix(Self.entriesMax).joined(separator: [UInt8(ascii: "\n")])) + [UInt8(ascii: "\n")], path, O_TRUNC)
        }
    }

    func add(_ statement: String) {
        guard !statement.isEmpty, statement != lastEntry else { return }
        lastEntry = statement
        add_history(statement)
        guard let path else { return }
        let line = statement.utf8.map { $0 == UInt8(ascii: "\n") ? Self.lineEndMark : $0 }
        Self.write(line + [UInt8(ascii: "\n")], path, O_APPEND)
    }

    private static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0, Int(information.st_size) <= bytesMax else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(information.st_size))
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        return count < 0 ? nil : Array(bytes.prefix(count))
    }

    /// A history that cannot be written is no reason to disturb anybody.
    private static func write(_ bytes: [UInt8], _ path: String, _ flag: Int32) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flag, 0o600)
        guard descriptor >= 0 else { return }
        _ = Glibc.write(descriptor, bytes, bytes.count)
        close(descriptor)
    }
}
