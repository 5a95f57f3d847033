// LockOwner: who holds a data directory, as the holder wrote it. An owner that was killed leaves its name behind, so the process must also be there.

import Glibc
import Platform

enum LockOwner {
    /// `pid 123, millrace run ..`; nil when nobody holds the directory or the name cannot be read.
    static func read(_ directory: String, _ fileSystem: any FileSystem) -> String? {
        do {
            let file = try fileSystem.open(directory + "/lock", .read)
            var bytes = [UInt8](repeating: 0, count: min(4_096, try file.size()))
            let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
            let text = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n").joined(separator: " ")
            let digits = text.dropFirst("pid ".count).prefix { $0.isNumber }
            guard let process = pid_t(digits), process > 0, kill(process, 0) == 0 || errno == EPERM else { return nil }
            return text
        } catch {
            // Whoever asks wants to show the name if there is one; not knowing it is no fault.
            return nil
        }
    }
}
