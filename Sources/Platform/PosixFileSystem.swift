// PosixFileSystem: the real one, over the system calls of Linux.
//
// - Reads and writes are positional and loop until all bytes are through, so that signals and short counts stay in here.
// - A map is refused when the file is shorter than what is asked for, because touching a page past the end kills the process.
// - The directory lock is `flock` on DIR/lock: the kernel gives it back when the process ends, however it ends. The text in the
//   file only tells people who holds it.

import CMillrace
import Glibc

extension FileError {
    /// The error that `errno` holds now.
    static func current(_ operation: String, _ path: String) -> FileError { FileError(operation: operation, path: path, code: errno) }

    package init(operation: String, path: String, code: Int32) {
        self.init(operation: operation, path: path, code: code, reason: FileError.text(of: code))
    }

    package static func text(of code: Int32) -> String {
        guard let text = strerror(code) else { return "error \(code)" }
        return String(cString: text)
    }

    /// Whether the volume or the quota is full.
    package var isOutOfSpace: Bool { code == ENOSPC || code == EDQUOT }

    /// Whether something has run out that others may give back: room, open files, memory. Nothing is wrong with the disk, and the same call may
    /// succeed later.
    package var isShortage: Bool { isOutOfSpace || code == EMFILE || code == ENFILE || code == ENOMEM || code == EAGAIN }
}

package final class PosixFileSystem: FileSystem {
    package init() {}

    package func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
        let flags: Int32
        switch mode {
        case .read: flags = O_RDONLY | O_CLOEXEC
        case .readWrite: flags = O_RDWR | O_CREAT | O_CLOEXEC
        case .truncate: flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC
        }
        let descriptor = retrying { Glibc.open(path, flags, 0o644) }
        guard descriptor >= 0 else { throw .current("open", path) }
        return PosixFile(descriptor: descriptor, path: path)
    }

    package func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    package func createDirectory(_ path: String) throws(FileError) {
        if mkdir(path, 0o755) == 0 { return }
        switch errno {
        case EEXIST:
            var status = stat()
            if stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR { return }
            throw FileError(operation: "create folder", path: path, code: ENOTDIR)
        case ENOENT:
            guard let parent = PathText.parent(of: path), parent != path else { throw .current("create folder", path) }
            try createDirectory(parent)
            guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw .current("create folder", path) }
        default: throw .current("create folder", path)
        }
    }

    package func list(_ path: String) throws(FileError) -> [String] {
        guard let folder = opendir(path) else { throw .current("list", path) }
        defer { closedir(folder) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(folder) else {
                if errno != 0 { throw .current("list", path) }
                break
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    package func rename(_ from: String, to: String) throws(FileError) {
        guard Glibc.rename(from, to) == 0 else { throw .current("rename to \(to) the file", from) }
    }

    package func remove(_ path: String) throws(FileError) {
        guard unlink(path) == 0 else { throw .current("remove", path) }
    }

    package func removeTree(_ path: String) throws(FileError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw .current("remove", path)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return try remove(path) }
        for name in try list(path) { try removeTree(path + "/" + name) }
        guard rmdir(path) == 0 else { throw .current("remove", path) }
    }

    package func synchronizeDirectory(_ path: String) throws(FileError) {
        let descriptor = retrying { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw .current("open", path) }
        defer { close(descriptor) }
        guard retrying({ fsync(descriptor) }) == 0 else { throw .current("sync", path) }
    }

    package func lockDirectory(_ path: String, owner: String) throws(FileError) -> any DirectoryLock {
        let file = path + "/lock"
        let descriptor = retrying { Glibc.open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o644) }
        guard descriptor >= 0 else { throw .current("open", file) }
        guard retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            let code = errno
            defer { close(descriptor) }
            guard code == EWOULDBLOCK else { throw FileError(operation: "lock", path: path, code: code) }
            var text = [UInt8](repeating: 0, count: 4_096)
            let count = text.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
            let holder = String(decoding: text[..<max(count, 0)].prefix { $0 != 0 && $0 != 0x0A }, as: UTF8.self)
            throw FileError(operation: "lock", path: path, code: code, reason: "held by " + (holder.isEmpty ? "another process" : holder))
        }
        let line = "pid \(getpid()), \(owner)\n"
        // The lock holds whether or not its text could be written: a full disk is no reason not to open.
        _ = Array(line.utf8).withUnsafeBytes { bytes in
            ftruncate(descriptor, 0) == 0 && pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count
        }
        return PosixDirectoryLock(descriptor: descriptor)
    }

    package func freeByteCount(at path: String) throws(FileError) -> Int {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw .current("ask for the free space of", path) }
        return Int(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
    }
}

/// Runs a system call again when a signal interrupted it.
@inline(__always)
private func retrying(_ call: () -> Int32) -> Int32 {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}

private final class PosixDirectoryLock: DirectoryLock {
    private let descriptor: Int32
    private let isReleased = Flag()
    init(descriptor: Int32) { self.descriptor = descriptor }
    // Closing gives the lock back. The file stays, because removing it would race with the next owner, but it names nobody any more.
    func release() {
        if isReleased.exchange() { return }
        _ = ftruncate(descriptor, 0)
        close(descriptor)
    }

    deinit { release() }
}

private final class PosixFile: File {
    let path: String
    private let descriptor: Int32

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    func size() throws(FileError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .current("ask for the size of", path) }
        return Int(status.st_size)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        guard let base = buffer.baseAddress else { return 0 }
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, base + done, buffer.count - done, offset + done)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw .current("read", path)
            }
            done += count
        }
        return done
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        guard let base = bytes.baseAddress else { return }
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, base + done, bytes.count - done, offset + done)
            if count < 0 {
                if errno == EINTR { continue }
                throw .current("write", path)
            }
            if count == 0 { throw FileError(operation: "write", path: path, code: EIO) }
            done += count
        }
    }

    func write(gathering parts: [UnsafeRawBufferPointer], at offset: Int) throws(FileError) {
        if parts.count == 1 { return try write(parts[0], at: offset) }
        var position = offset
        var index = 0
        while index < parts.count {
            // One call takes up to 512 parts; a short count is finished part by part.
            let group = parts[index..<min(index + 512, parts.count)]
            let wanted = group.reduce(0) { $0 + $1.count }
            let vectors = group.map { iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count) }
            var count = vectors.withUnsafeBufferPointer { pwritev(descriptor, $0.baseAddress, Int32($0.count), position) }
            if count < 0 {
                if errno != EINTR { throw .current("write", path) }
                count = 0
            }
            if count < wanted {
                var skipped = count
                var start = position
                for part in group {
                    if skipped >= part.count {
                        skipped -= part.count
                    } else {
                        try write(UnsafeRawBufferPointer(rebasing: part[skipped...]), at: start + skipped)
                        skipped = 0
                    }
                    start += part.count
                }
            }
            position += wanted
            index += group.count
        }
    }

    func synchronize() throws(FileError) {
        guard retrying({ fdatasync(descriptor) }) == 0 else { throw .current("sync", path) }
    }

    func truncate(to byteCount: Int) throws(FileError) {
        guard retrying({ ftruncate(descriptor, byteCount) }) == 0 else { throw .current("truncate", path) }
    }

    func map(byteCount: Int) throws(FileError) -> MappedBytes {
        guard byteCount > 0 else { return MappedBytes(UnsafeRawBufferPointer(start: nil, count: 0)) { _ in } }
        guard try size() >= byteCount else {
            throw FileError(operation: "map", path: path, code: EINVAL, reason: "the file is shorter than \(byteCount) bytes")
        }
        guard let start = mmap(nil, byteCount, PROT_READ, MAP_SHARED, descriptor, 0), start != MAP_FAILED else {
            throw .current("map", path)
        }
        return MappedBytes(
            UnsafeRawBufferPointer(start: start, count: byteCount),
            populate: { [path] bytes throws(FileError) in try PosixFile.populate(bytes, path: path) },
            forget: { PosixFile.forget($0) }, release: { munmap(UnsafeMutableRawPointer(mutating: $0.baseAddress), $0.count) })
    }

    /// Takes whole pages out of the process's memory; the kernel keeps them cached as long as it sees fit. Advice: a failure changes nothing.
    private static func forget(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        let pageMask = 4_095
        let start = (Int(bitPattern: base) + pageMask) & ~pageMask
        let end = (Int(bitPattern: base) + bytes.count) & ~pageMask
        if end > start { _ = madvise(UnsafeMutableRawPointer(bitPattern: start), end - start, MADV_DONTNEED) }
    }

    /// Asks the kernel to bring the pages in. A disk that cannot read them is an error here instead of a fatal signal later.
    private static func populate(_ bytes: UnsafeRawBufferPointer, path: String) throws(FileError) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        let pageMask = 4_095
        let start = Int(bitPattern: base) & ~pageMask
        let end = (Int(bitPattern: base) + bytes.count + pageMask) & ~pageMask
        let populateRead: Int32 = 22  // MADV_POPULATE_READ, Linux 5.14; older kernels answer EINVAL, which is not an error of the disk.
        guard madvise(UnsafeMutableRawPointer(bitPattern: start), end - start, populateRead) != 0 else { return }
        if errno == EFAULT || errno == EIO || errno == EHWPOISON { throw FileError(operation: "read", path: path, code: EIO) }
    }
}

/// Plain work on path texts.
package enum PathText {
    /// The folder that holds `path`; nil when there is none above it in the text.
    package static func parent(of path: String) -> String? {
        var bytes = Array(path.utf8)
        while bytes.count > 1 && bytes.last == 0x2F { bytes.removeLast() }
        guard let slash = bytes.lastIndex(of: 0x2F) else { return nil }
        return slash == 0 ? "/" : String(decoding: bytes[..<slash], as: UTF8.self)
    }

    /// What comes behind the last "/".
    package static func name(of path: String) -> String { path.split(separator: "/").last.map(String.init) ?? "" }
}

/// Who this process is, for the lock file.
package enum ProcessIdentity {
    /// The command line, its arguments separated by blanks.
    package static func commandLine() -> String {
        let descriptor = Glibc.open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "unknown command" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1_024)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        let words = bytes[..<max(count, 0)].split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        return words.isEmpty ? "unknown command" : words.joined(separator: " ")
    }

    /// `command, since 2026-01-31T12:00:00Z`.
    package static func description(nowMicroseconds: Int64) -> String {
        var seconds = time_t(nowMicroseconds / 1_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let date = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        let line = commandLine().split(whereSeparator: \.isNewline).joined(separator: " ")
        return "\(line), since \(date)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }
}
