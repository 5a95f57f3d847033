// HTTPTransport: a POST over HTTP/1.1, a connection for each: alerts are rare, and a connection that has lain idle is the one that is gone when one comes.
//
// 2xx is delivered. 408, 425, 429 and 5xx may succeed later; any other answer is a refusal, redirects included, which are not followed: what is signed
// is meant for one receiver. Of the answer the head and the first 64 KiB count; the rest is not read. Every step waits against one deadline.
//
// The body is signed as it is sent: X-Millrace-Signature: sha256=<HMAC-SHA256(secret, body)>, in hexadecimal digits. Whoever checks it also looks at the key
// to know a repetition: header Idempotency-Key. Nothing that stands in a header can hold a line feed: what is no printable ASCII is written with %.
//
// HTTPS is not spoken: only FoundationNetworking of the toolchain's modules has TLS, and it costs every start of the program (measured: 64 ms, and 83 MB of
// libraries). A notifier with https:// is refused when it is created, with the ways around.

import Engine
import Glibc
import Platform

package final class HTTPTransport: Transport {
    private static let answerByteCountMax = 65_536
    private static let secretByteCountMax = 65_536
    private let target: HTTPTarget
    private let definition: NotifierDefinition
    private let pathSuffix: String

    package init(_ target: HTTPTarget, _ definition: NotifierDefinition) {
        self.target = target
        self.definition = definition
        // An Alertmanager is named by its root, or by a prefix that it serves under.
        pathSuffix = definition.kind == .alertmanager && !target.path.contains("/api/v2/alerts") ? "api/v2/alerts" : ""
    }

    private var path: String {
        guard !pathSuffix.isEmpty else { return target.path }
        return target.path + (target.path.hasSuffix("/") ? "" : "/") + pathSuffix
    }

    package func send(_ request: TransportRequest, isCancelled: () -> Bool) -> TransportResult {
        let body = Array(request.body.utf8)
        let head: String
        switch self.head(request, body) {
        case .success(let text): head = text
        case .failure(let fault): return .failed(reason: fault.text, status: nil, isUnreachable: true)
        }
        let milliseconds = Int(clamping: definition.timeoutMicroseconds / 1_000)
        let answer: [UInt8]
        do throws(SocketFault) {
            answer = try ClientConnection.exchange(
                Array(head.utf8) + body, host: target.host, port: target.port, timeoutMilliseconds: milliseconds, answerByteCountMax: Self.answerByteCountMax,
                isComplete: HTTPAnswer.isComplete, isCancelled: isCancelled)
        } catch { return .failed(reason: "\(target.authority): \(error.text)", status: nil, isUnreachable: !error.wasConnected) }
        guard let parsed = HTTPAnswer(answer) else {
            return .failed(reason: "\(target.authority): the answer is not HTTP", status: nil, isUnreachable: false)
        }
        let words = ForeignText.shortened(parsed.text)
        let reason = "\(target.authority) answered \(parsed.status)" + (words.isEmpty ? "" : ": \(words)")
        switch parsed.status {
        case 200..<300: return .delivered(status: parsed.status)
        case 408, 425, 429, 500..<600: return .failed(reason: reason, status: parsed.status, isUnreachable: false)
        default: return .refused(status: parsed.status, reason: reason)
        }
    }

    private struct Fault: Error { var text: String }

    private func head(_ request: TransportRequest, _ body: [UInt8]) -> Result<String, Fault> {
        var lines = ["POST \(path) HTTP/1.1", "Host: \(target.authority)", "User-Agent: millrace", "Connection: close", "Content-Length: \(body.count)"]
        let given = definition.headers
        func add(_ name: String, _ value: String) {
            if !given.contains(where: { $0.name.lowercased() == name.lowercased() }) { lines.append("\(name): \(value)") }
        }
        add("Content-Type", request.isJSON ? "application/json" : "text/plain; charset=utf-8")
        add("Accept", "*/*")
        lines.append("Idempotency-Key: \(Self.printable(request.key))")
        lines.append("X-Millrace-Attempt: \(request.attempt)")
        var secret = definition.secret.map { Array($0.utf8) }
        if let file = definition.secretFile {
            guard var bytes = Self.contents(of: file) else { return .failure(Fault(text: "the secret_file \(file) cannot be read")) }
            while bytes.last == 10 || bytes.last == 13 { bytes.removeLast() }
            guard !bytes.isEmpty else { return .failure(Fault(text: "the secret_file \(file) is empty")) }
            secret = bytes
        }
        if let secret { lines.append("X-Millrace-Signature: sha256=\(Self.hexadecimal(HMAC.sha256(key: secret, body)))") }
        for header in given where !["content-length", "host", "connection", "idempotency-key", "transfer-encoding"].contains(header.name.lowercased()) {
            lines.append("\(header.name): \(header.value)")
        }
        return .success(lines.joined(separator: "\r\n") + "\r\n\r\n")
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    static func printable(_ text: String) -> String {
        var written = ""
        for byte in text.utf8 {
            if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "%") {
                written.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                written += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return written
    }

    private static func contents(of path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: secretByteCountMax)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        return count >= 0 ? Array(bytes.prefix(count)) : nil
    }
}

/// The status and the first words of an answer.
struct HTTPAnswer {
    private(set) var status = 0
    private(set) var text = ""

    init?(_ bytes: [UInt8]) {
        guard let end = Self.headEnd(bytes), let parsed = Self.statusCode(bytes) else { return nil }
        status = parsed
        text = String(decoding: bytes[end...].prefix(1_024), as: UTF8.self)
    }

    private static func statusCode(_ bytes: [UInt8]) -> Int? {
        // HTTP/1.1 200 OK
        guard bytes.count > 12, bytes.starts(with: Array("HTTP/1.".utf8)), bytes[8] == 0x20, let code = Int(String(decoding: bytes[9..<12], as: UTF8.self)),
            (100..<600).contains(code)
        else { return nil }
        return code
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for index in 0...(bytes.count - 4) where bytes[index] == 13 && bytes[index + 1] == 10 && bytes[index + 2] == 13 && bytes[index + 3] == 10 { return index + 4 }
        return nil
    }

    /// Whether there is nothing to wait for: the head is there, and as much of the body as it announces. Without an announcement the end of the
    /// connection is the end.
    static func isComplete(_ bytes: [UInt8]) -> Bool {
        guard let end = headEnd(bytes) else { return false }
        if statusCode(bytes) == 204 { return true }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "content-length" else { continue }
            guard let count = Int(parts[1].filter { $0 != " " }), count >= 0 else { return true }
            return bytes.count - end >= count
        }
        return false
    }
}
