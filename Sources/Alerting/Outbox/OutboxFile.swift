// OutboxFile: a notifier's state on the disk: `DIR/alerting/<id of the notifier>`.
//
//     millrace outbox 1\n <count of the state's bytes, 8 bytes> <state> <CRC32C of all before it, 4 bytes>
//
// Written anew each time, beside it, synced, renamed; the one before is kept as `<id>.copy` and is taken when the other is damaged: it is older by one
// step, so at worst something is told again, with the same key.

import Engine
import Platform

package struct OutboxFile {
    private static let headline = Array("millrace outbox 1\n".utf8)
    private let folder: String
    private let path: String
    private let fileSystem: any FileSystem

    package init(directory: String, id: UInt64, fileSystem: any FileSystem) {
        folder = directory + "/alerting"
        path = folder + "/\(id)"
        self.fileSystem = fileSystem
    }

    package enum Content {
        case none
        case state(NotifierState, notice: String?)
        /// Neither of the two files can be read.
        case damaged(String)
    }

    package func load() throws(FileError) -> Content {
        guard fileSystem.exists(path) || fileSystem.exists(path + ".copy") else { return .none }
        if let state = try read(path) { return .state(state, notice: nil) }
        if let state = try read(path + ".copy") { return .state(state, notice: "\(path) is missing or damaged; its copy is used") }
        return .damaged("\(path) and its copy are damaged")
    }

    private func read(_ path: String) throws(FileError) -> NotifierState? {
        guard fileSystem.exists(path) else { return nil }
        let file = try fileSystem.open(path, .read)
        let size = try file.size()
        guard size >= Self.headline.count + 12, size <= 1 << 30 else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        var count = 0
        var failure: FileError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(FileError) { count = try file.read(into: buffer, at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        guard count == size, bytes.starts(with: Self.headline) else { return nil }
        let body = bytes.dropLast(4)
        let stored = bytes.suffix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard Array(body).withUnsafeBytes({ CRC32C.checksum($0) }) == stored else { return nil }
        let start = Self.headline.count
        let length = bytes[start..<start + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length == UInt64(size - start - 12) else { return nil }
        return NotifierState(bytes: Array(bytes[(start + 8)..<(size - 4)]))
    }

    package func save(_ state: NotifierState) throws(FileError) {
        let content = state.bytes
        var bytes = Self.headline
        for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: UInt64(content.count) >> UInt64(shift))) }
        bytes += content
        let crc = bytes.withUnsafeBytes { CRC32C.checksum($0) }
        for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: crc >> UInt32(shift))) }
        if !fileSystem.exists(folder) { try fileSystem.createDirectory(folder) }
        let file = try fileSystem.open(path + ".new", .truncate)
        var failure: FileError?
        bytes.withUnsafeBytes { buffer in
            do throws(FileError) { try file.write(buffer, at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        try file.synchronize()
        if fileSystem.exists(path) { try fileSystem.rename(path, to: path + ".copy") }
        try fileSystem.rename(path + ".new", to: path)
        try fileSystem.synchronizeDirectory(folder)
    }

    /// The notifier is no more.
    package func remove() throws(FileError) {
        for name in [path + ".new", path + ".copy", path] where fileSystem.exists(name) { try fileSystem.remove(name) }
    }
}
