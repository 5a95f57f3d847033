// TemporaryDirectory: where `millrace run` works when nobody says where.

import Engine
import Glibc
import Platform

struct TemporaryDirectory {
    let path: String

    /// A new directory under TMPDIR, or /tmp.
    init() throws(EngineError) {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        var template = Array(((parent.isEmpty ? "/tmp" : parent) + "/millrace-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else {
            throw EngineError("cannot make a temporary directory: \(String(cString: strerror(errno)))")
        }
        path = template.withUnsafeBufferPointer { characters in characters.baseAddress.map { String(cString: $0) } ?? "" }
    }

    func remove() {
        do {
            try PosixFileSystem().removeTree(path)
        } catch {
            Console.note("warning: \(path) could not be removed: \(error)")
        }
    }
}
