// FileSystem: every file the engine touches, behind one protocol.
//
// The real implementation is `PosixFileSystem`; the simulated one lets a test fail, tear or lose any operation. Semantics that
// both keep:
// - A write is durable only after `synchronize()` of the file has returned; a new, renamed or removed name only after
//   `synchronizeDirectory` of its folder.
// - A failed `synchronize()` leaves the file's unsynced content unknown: the caller must treat it as such (fence, re-read).
// - Paths are plain strings, UTF-8, "/" separated.

/// Why a file operation failed: what was tried, on which path, and the system's error number and text.
package struct FileError: Error, CustomStringConvertible, Sendable {
    package let operation: String
    package let path: String
    package let code: Int32
    package let reason: String

    package init(operation: String, path: String, code: Int32, reason: String) {
        self.operation = operation
        self.path = path
        self.code = code
        self.reason = reason
    }

    package var description: String { "cannot \(operation) \(path): \(reason)" }
}

/// How a file is opened.
package enum FileMode: Sendable {
    /// For reading only; the file must exist.
    case read
    /// For reading and writing; created when missing, content kept.
    case readWrite
    /// For reading and writing; created when missing, emptied when there.
    case truncate
}

/// An open file. Offsets and counts are in bytes. May be used from several threads for reading; one thread writes.
package protocol File: AnyObject, Sendable {
    var path: String { get }
    func size() throws(FileError) -> Int
    /// Reads into `buffer` from `offset`; returns the count read, which is short only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int
    /// Writes all of `bytes` at `offset`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError)
    /// Writes all parts one after the other, beginning at `offset`.
    func write(gathering parts: [UnsafeRawBufferPointer], at offset: Int) throws(FileError)
    /// Makes the content durable (fdatasync).
    func synchronize() throws(FileError)
    func truncate(to byteCount: Int) throws(FileError)
    /// Maps the first `byteCount` bytes for reading. Bytes written later within an already mapped range become visible
    /// only through a new map when the file system is simulated: map again after the file has grown.
    func map(byteCount: Int) throws(FileError) -> MappedBytes
}

extension File {
    package func write(gathering parts: [UnsafeRawBufferPointer], at offset: Int) throws(FileError) {
        var position = offset
        for part in parts {
            try write(part, at: position)
            position += part.count
        }
    }
}

/// A read-only view of a file's bytes, unmapped when the last reference goes.
package final class MappedBytes: @unchecked Sendable {
    // Safe to share: the bytes are read-only for the lifetime of the object; what has been brought in is under the lock.
    package let bytes: UnsafeRawBufferPointer
    private let populate: (@Sendable (UnsafeRawBufferPointer) throws(FileError) -> Void)?
    private let forget: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    private let release: @Sendable (UnsafeRawBufferPointer) -> Void
    private let blockLock = Lock()
    private var broughtIn: [Bool] = []

    package init(
        _ bytes: UnsafeRawBufferPointer, populate: (@Sendable (UnsafeRawBufferPointer) throws(FileError) -> Void)? = nil,
        forget: (@Sendable (UnsafeRawBufferPointer) -> Void)? = nil, release: @escaping @Sendable (UnsafeRawBufferPointer) -> Void
    ) {
        self.bytes = bytes
        self.populate = populate
        self.forget = forget
        self.release = release
    }

    /// Brings a part of the view into memory, so that a disk that cannot read it is an error here and no fatal signal later. The part lies
    /// in `bytes`. Small parts are brought in with their neighbours, once per 64 KiB, so that asking for many costs little.
    package func bringIn(_ part: UnsafeRawBufferPointer) throws(FileError) {
        guard let populate, let base = bytes.baseAddress, let start = part.baseAddress else { return }
        if part.count >= 4_096 { return try populate(part) }
        let first = (start - base) >> 16
        let last = (start - base + max(part.count, 1) - 1) >> 16
        for block in first...last where !blockLock.locked({ block < broughtIn.count && broughtIn[block] }) {
            let lower = block << 16
            try populate(UnsafeRawBufferPointer(rebasing: bytes[lower..<min(lower + 65_536, bytes.count)]))
            blockLock.locked {
                if broughtIn.isEmpty { broughtIn = [Bool](repeating: false, count: (bytes.count >> 16) + 1) }
                broughtIn[block] = true
            }
        }
    }

    /// Says that a part will hardly be read again soon: its memory no longer counts as this process's. It can still be read, at the price of
    /// bringing it in again. The part lies in `bytes`.
    package func letGo(_ part: UnsafeRawBufferPointer) {
        guard let forget, let base = bytes.baseAddress, let start = part.baseAddress, part.count > 0 else { return }
        forget(part)
        let first = (start - base) >> 16
        let last = (start - base + part.count - 1) >> 16
        blockLock.locked { for block in first...last where block < broughtIn.count { broughtIn[block] = false } }
    }

    deinit { release(bytes) }
}

/// Held while a process owns a data directory; given back by `release`, at the latest when the last reference goes.
package protocol DirectoryLock: AnyObject, Sendable {
    func release()
}

package protocol FileSystem: AnyObject, Sendable {
    func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File
    func exists(_ path: String) -> Bool
    /// Creates the folder and the missing ones above it.
    func createDirectory(_ path: String) throws(FileError)
    /// The names in a folder, sorted by bytes.
    func list(_ path: String) throws(FileError) -> [String]
    /// Renames atomically, replacing what is there.
    func rename(_ from: String, to: String) throws(FileError)
    /// Removes a file.
    func remove(_ path: String) throws(FileError)
    /// Removes a folder and everything below it.
    func removeTree(_ path: String) throws(FileError)
    func synchronizeDirectory(_ path: String) throws(FileError)
    /// Locks a folder for this process, writing `owner` where another process can read it. Throws a FileError whose
    /// reason names the present owner when there is one.
    func lockDirectory(_ path: String, owner: String) throws(FileError) -> any DirectoryLock
    /// Bytes free on the volume that holds `path`.
    func freeByteCount(at path: String) throws(FileError) -> Int
}
