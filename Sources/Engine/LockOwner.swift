// LockOwner: who holds a data directory, as the holder wrote it.

import Platform

enum LockOwner {
    /// The text of DIR/lock; nil when it cannot be read.
    static func read(_ directory: String, _ fileSystem: any FileSystem) -> String? {
        do {
            let file = try fileSystem.open(directory + "/lock", .read)
            var bytes = [UInt8](repeating: 0, count: min(4_096, try file.size()))
            let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
            let text = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n").joined(separator: " ")
            return text.isEmpty ? nil : text
        } catch {
            // Whoever asks wants to show the name if there is one; not knowing it is no fault.
            return nil
        }
    }
}
