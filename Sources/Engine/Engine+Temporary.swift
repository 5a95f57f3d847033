// A data directory for one run: made under TMPDIR, removed by whoever asked for it.

import Glibc
import Platform

extension Engine {
    package static func temporaryDirectory() throws(EngineError) -> String {
        let root = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(root)/millrace-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let made else { throw EngineError("no temporary directory can be made under \(root): \(String(cString: strerror(errno)))") }
        return made
    }

    /// Returns what went wrong, for people; nil when the directory is gone.
    @discardableResult
    package static func removeDirectory(_ path: String) -> String? {
        do { try PosixFileSystem().removeTree(path) } catch { return "\(error)" }
        return nil
    }
}
