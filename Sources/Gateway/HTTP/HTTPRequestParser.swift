// HTTPRequestParser: bytes → requests (HTTP/1.0 and 1.1, RFC 9112), whatever pieces they come in.
//
// `next` takes what it understands from the queue and returns one event: a head, some of its body, the body's end; `needMore` when the queue holds no
// more of it. Requests that follow one another on a connection come one after the other (pipelining). After a failure nothing more is read.
//
// What two readers could understand differently is refused, because what stands between them might be one that does (request smuggling): more than one
// Content-Length, Content-Length beside Transfer-Encoding, a transfer coding other than `chunked`, signs or lists in numbers, lines that end without a
// CR, folded header lines, a space before a header's colon, control characters and NUL anywhere, more or less than one Host. Limits are checked while
// bytes come, before a line or a head is complete.

import Columns

package struct HTTPLimits: Hashable, Sendable {
    package var requestLineByteCountMax = 8 << 10
    /// The whole head, the request line included.
    package var headByteCountMax = 64 << 10
    package var headerCountMax = 100
    /// A chunk's size with its extensions.
    package var chunkLineByteCountMax = 256
    package var trailerByteCountMax = 8 << 10
    /// Pieces of a body are at most so long.
    package var pieceByteCountMax = 256 << 10

    package init() {}
}

package struct HTTPRequestParser: Sendable {
    package enum Event: Hashable, Sendable {
        case needMore
        case head(HTTPRequest)
        case body([UInt8])
        case end
        case failure(HTTPFailure)
    }

    private enum State: Hashable, Sendable {
        case head
        case fixed(remaining: Int)
        case chunkSize
        case chunkData(remaining: Int)
        case chunkEnd
        case trailers(byteCount: Int)
        /// The head has been given out, and there is no body.
        case empty
        case failed(HTTPFailure)
    }

    private let limits: HTTPLimits
    private var state = State.head
    /// How much of the head was looked at in vain.
    private var scannedByteCount = 0
    /// Whether its first line has ended there.
    private var hasRequestLine = false

    package init(limits: HTTPLimits = HTTPLimits()) { self.limits = limits }

    /// Whether it stands between two requests and nothing of the next one has been looked at.
    package var isBetweenRequests: Bool { state == .head && scannedByteCount == 0 }
    /// Whether a head has been given out whose body has not ended.
    package var isInBody: Bool {
        switch state {
        case .head, .failed: false
        default: true
        }
    }

    package mutating func next(_ input: inout ByteQueue) -> Event {
        while true {
            do throws(HTTPFailure) {
                if let event = try step(&input) { return event }
            } catch {
                state = .failed(error)
                return .failure(error)
            }
        }
    }

    /// nil: the state has changed, and that is all.
    private mutating func step(_ input: inout ByteQueue) throws(HTTPFailure) -> Event? {
        switch state {
        case .failed(let failure): return .failure(failure)
        case .empty:
            state = .head
            return .end
        case .head: return try head(&input)
        case .fixed(let remaining), .chunkData(let remaining):
            guard !input.isEmpty else { return .needMore }
            let piece = input.take(min(remaining, limits.pieceByteCountMax))
            let rest = remaining - piece.count
            if case .fixed = state {
                state = rest == 0 ? .empty : .fixed(remaining: rest)
            } else {
                state = rest == 0 ? .chunkEnd : .chunkData(remaining: rest)
            }
            return .body(piece)
        case .chunkSize:
            guard let line = try line(&input, max: limits.chunkLineByteCountMax, "the size of a chunk") else { return .needMore }
            let size = try HTTPRequestParser.chunkSize(line)
            state = size == 0 ? .trailers(byteCount: 0) : .chunkData(remaining: size)
            return nil
        case .chunkEnd:
            guard let first = input[0] else { return .needMore }
            guard first == 0x0D else { throw HTTPFailure(400, "a chunk is longer than it says") }
            guard let second = input[1] else { return .needMore }
            guard second == 0x0A else { throw HTTPFailure(400, "a chunk is longer than it says") }
            input.drop(2)
            state = .chunkSize
            return nil
        case .trailers(let byteCount):
            guard let line = try line(&input, max: limits.trailerByteCountMax - byteCount, "the trailer") else { return .needMore }
            if line.isEmpty {
                state = .head
                return .end
            }
            // They are checked like headers, and nobody has a use for them.
            _ = try HTTPRequestParser.header(line[...])
            state = .trailers(byteCount: byteCount + line.count + 2)
            return nil
        }
    }

    // MARK: Lines

    /// The bytes up to CRLF, which is taken too; nil when it has not come.
    private func line(_ input: inout ByteQueue, max: Int, _ what: String) throws(HTTPFailure) -> [UInt8]? {
        let window = input.prefix(max + 2)
        guard let end = window.firstIndex(of: 0x0A) else {
            if window.count >= max + 2 { throw HTTPFailure(400, "\(what) takes more than \(max) bytes") }
            return nil
        }
        guard end > window.startIndex, window[end - 1] == 0x0D else { throw HTTPFailure(400, "a line ends without a carriage return") }
        let line = Array(window[..<(end - 1)])
        input.drop(line.count + 2)
        return line
    }

    private static func chunkSize(_ line: [UInt8]) throws(HTTPFailure) -> Int {
        let digits = line.prefix { HTTPText.hexadecimal($0) != nil }
        guard (1...15).contains(digits.count) else { throw HTTPFailure(400, "the size of a chunk is not a hexadecimal number of up to 15 digits") }
        let rest = line[digits.endIndex...].drop { $0 == 0x20 || $0 == 0x09 }
        guard rest.isEmpty || rest.first == UInt8(ascii: ";"), rest.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
            throw HTTPFailure(400, "the size of a chunk is followed by something that is no extension")
        }
        if rest.isEmpty, digits.endIndex < line.endIndex { throw HTTPFailure(400, "the size of a chunk is followed by a space") }
        return digits.reduce(0) { $0 << 4 | Int(HTTPText.hexadecimal($1) ?? 0) }
    }

    // MARK: The head

    private mutating func head(_ input: inout ByteQueue) throws(HTTPFailure) -> Event {
        // Some clients send a line end behind a body; an empty line before a request is passed over.
        while scannedByteCount == 0, input[0] == 0x0D, input[1] == 0x0A { input.drop(2) }
        if scannedByteCount == 0, input.count == 1, input[0] == 0x0D { return .needMore }
        let found = input.withUnsafeBytes { bytes in
            Result { () throws(HTTPFailure) in try findHeadEnd(bytes) }
        }
        guard let end = try found.get() else {
            scannedByteCount = input.count
            if input.count > limits.headByteCountMax { throw HTTPFailure(431, "the head takes more than \(limits.headByteCountMax) bytes") }
            if !hasRequestLine, input.count > limits.requestLineByteCountMax + 1 { throw tooLongLine }
            return .needMore
        }
        guard end <= limits.headByteCountMax else { throw HTTPFailure(431, "the head takes more than \(limits.headByteCountMax) bytes") }
        let bytes = input.take(end)
        scannedByteCount = 0
        hasRequestLine = false
        let request = try HTTPRequestParser.request(bytes, limits)
        switch request.framing {
        case .none, .length(0): state = .empty
        case .length(let count): state = .fixed(remaining: count)
        case .chunked: state = .chunkSize
        }
        return .head(request)
    }

    private var tooLongLine: HTTPFailure { HTTPFailure(414, "the request line takes more than \(limits.requestLineByteCountMax) bytes") }

    /// Where the head ends: behind the empty line.
    private mutating func findHeadEnd(_ bytes: UnsafeRawBufferPointer) throws(HTTPFailure) -> Int? {
        // A line end may lie across what was looked at and what is new.
        var index = max(0, scannedByteCount - 3)
        while index < bytes.count {
            let byte = bytes[index]
            if byte == 0x0A {
                guard index > 0, bytes[index - 1] == 0x0D else { throw HTTPFailure(400, "a line ends without a carriage return") }
                if !hasRequestLine {
                    guard index < limits.requestLineByteCountMax + 2 else { throw tooLongLine }
                    hasRequestLine = true
                }
                if index >= 3, bytes[index - 2] == 0x0A { return index + 1 }
            } else if byte == 0 {
                throw HTTPFailure(400, "the head holds a NUL")
            }
            index += 1
        }
        return nil
    }

    /// `bytes`: up to and with the empty line; every line ends with CRLF.
    private static func request(_ bytes: [UInt8], _ limits: HTTPLimits) throws(HTTPFailure) -> HTTPRequest {
        var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)[...]
        // Behind the last line feed, and the empty line itself.
        lines = lines.dropLast(2)
        guard let first = lines.popFirst()?.dropLast() else { throw HTTPFailure(400, "the request is empty") }
        var request = try requestLine(first)
        guard lines.count <= limits.headerCountMax else { throw HTTPFailure(431, "the request has more than \(limits.headerCountMax) headers") }
        for line in lines { request.headers.append(try header(line.dropLast())) }
        try frame(&request)
        return request
    }

    private static func requestLine(_ line: ArraySlice<UInt8>) throws(HTTPFailure) -> HTTPRequest {
        let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw HTTPFailure(400, "the request line is not \"METHOD TARGET HTTP/1.1\"") }
        let method = parts[0]
        guard (1...32).contains(method.count), method.allSatisfy(HTTPText.isToken) else { throw HTTPFailure(400, "the method is malformed") }
        let version = Array(parts[2])
        guard version.count == 8, version.starts(with: Array("HTTP/".utf8)), version[6] == UInt8(ascii: "."),
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(version[5]), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(version[7])
        else { throw HTTPFailure(400, "the version is malformed") }
        guard version[5] == UInt8(ascii: "1") else { throw HTTPFailure(505, "this server speaks HTTP/1.1 and HTTP/1.0") }
        let target = parts[1]
        guard !target.isEmpty, target.allSatisfy({ (0x21...0x7E).contains($0) }) else { throw HTTPFailure(400, "the target is malformed") }
        var rest = target
        if !rest.starts(with: [UInt8(ascii: "/")]), rest != [UInt8(ascii: "*")] {
            // The absolute form, which proxies send: what stands before the path says the same as Host.
            let lower = rest.prefix(8).map { $0 | 0x20 }
            guard let scheme = ["http://", "https://"].first(where: { lower.starts(with: Array($0.utf8)) }) else {
                throw HTTPFailure(400, "the target does not begin with \"/\"")
            }
            rest = rest.dropFirst(scheme.utf8.count).drop { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
            if rest.first != UInt8(ascii: "/") { rest = [UInt8(ascii: "/")] + rest }
        }
        let cut = rest.firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
        guard let path = HTTPText.percentDecoded(rest[..<cut], plusIsSpace: false) else { throw HTTPFailure(400, "the path is malformed") }
        let query = cut < rest.endIndex ? HTTPText.parameters(rest[(cut + 1)...].prefix { $0 != UInt8(ascii: "#") }) : []
        guard let query else { throw HTTPFailure(400, "the query is malformed") }
        var request = HTTPRequest(
            method: String(decoding: method, as: UTF8.self), target: String(decoding: target, as: UTF8.self), path: path,
            rawPath: String(decoding: rest[..<cut], as: UTF8.self), minorVersion: Int(version[7] - UInt8(ascii: "0")))
        request.query = query
        return request
    }

    /// `line` without its line end.
    private static func header(_ line: ArraySlice<UInt8>) throws(HTTPFailure) -> HTTPRequest.Header {
        if line.first == 0x20 || line.first == 0x09 { throw HTTPFailure(400, "a header line is folded") }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { throw HTTPFailure(400, "a header line has no colon") }
        let name = line[..<colon]
        guard !name.isEmpty, name.allSatisfy(HTTPText.isToken) else { throw HTTPFailure(400, "the name of a header is malformed") }
        var value = line[(colon + 1)...]
        while value.first == 0x20 || value.first == 0x09 { value.removeFirst() }
        while value.last == 0x20 || value.last == 0x09 { value.removeLast() }
        let label = String(decoding: name, as: UTF8.self).lowercased()
        guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else { throw HTTPFailure(400, "the header \(label) holds a control character") }
        return HTTPRequest.Header(name: label, value: String(decoding: value, as: UTF8.self))
    }

    /// How the body is framed and what becomes of the connection.
    private static func frame(_ request: inout HTTPRequest) throws(HTTPFailure) {
        func values(_ name: String) -> [String] { request.headers.filter { $0.name == name }.map(\.value) }
        func tokens(_ name: String) -> [String] {
            values(name).flatMap { $0.split(separator: ",") }.map { HTTPText.trimmed(String($0)).lowercased() }
        }
        let hosts = values("host")
        guard hosts.count == 1 || request.minorVersion == 0 && hosts.isEmpty else {
            throw HTTPFailure(400, hosts.isEmpty ? "the header Host is missing" : "there is more than one header Host")
        }
        let lengths = values("content-length")
        let codings = values("transfer-encoding")
        if !codings.isEmpty {
            guard lengths.isEmpty else { throw HTTPFailure(400, "there are both Content-Length and Transfer-Encoding") }
            guard request.minorVersion >= 1 else { throw HTTPFailure(400, "HTTP/1.0 has no Transfer-Encoding") }
            guard codings.count == 1, codings[0].lowercased() == "chunked" else { throw HTTPFailure(501, "the only transfer coding here is \"chunked\"") }
            request.framing = .chunked
        } else if let length = lengths.first {
            guard lengths.count == 1 else { throw HTTPFailure(400, "there is more than one Content-Length") }
            guard !length.isEmpty, length.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
                throw HTTPFailure(400, "Content-Length is not a number")
            }
            guard let count = Int(length) else { throw HTTPFailure(413, "Content-Length is too large") }
            request.framing = .length(count)
        }
        let expectations = tokens("expect")
        if !expectations.isEmpty {
            guard expectations == ["100-continue"] else { throw HTTPFailure(417, "the only expectation here is \"100-continue\"") }
            request.expectsContinue = request.minorVersion >= 1
        }
        let connection = tokens("connection")
        request.keepsAlive = !connection.contains("close") && (request.minorVersion >= 1 || connection.contains("keep-alive"))
    }
}
