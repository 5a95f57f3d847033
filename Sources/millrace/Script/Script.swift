// Script: a text of statements, read from a file or from standard input, its variables replaced, parsed.

import Columns
import Engine
import Glibc
import Syntax

struct Script {
    /// What errors call it.
    let name: String
    let source: String
    let statements: [ParsedStatement]

    /// A script larger than this is data in disguise.
    static let byteCountMax = 256 << 20

    /// Reads the file (`-`: standard input), replaces `${name}`, parses everything, so that a mistake in the last statement is found
    /// before the first one is executed.
    init(path: String, values: [String: String]) throws {
        name = path == "-" ? "standard input" : path
        let text = try Script.read(path)
        do {
            source = try Substitution.apply(values, to: text)
        } catch {
            throw StatementError(error: error, source: text)
        }
        do {
            statements = try Parser.parseScript(source)
        } catch {
            throw StatementError(error: error, source: source)
        }
    }

    static func read(_ path: String) throws(EngineError) -> String {
        let descriptor = path == "-" ? 0 : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw EngineError("cannot read \(path): \(String(cString: strerror(errno)))") }
        defer { if path != "-" { close(descriptor) } }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw EngineError("cannot read \(path): \(String(cString: strerror(errno)))")
            }
            bytes += chunk[..<count]
            if bytes.count > byteCountMax { throw EngineError("\(path) is larger than \(byteCountMax >> 20) MiB: is it a script?") }
        }
        if let place = bytes.withUnsafeBufferPointer({ UTF8Text.firstInvalidByte($0) }) {
            throw EngineError("\(path) is not UTF-8 text: byte \(place) fits nothing")
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
