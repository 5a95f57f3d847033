// HTTPExchange: one request and its response, for whoever answers it on a thread of its own.
//
// A response is given whole (`respond`), or begun, written in pieces and ended (`begin`, `flush`, `end`). Pieces are chunks in HTTP/1.1; in HTTP/1.0 they
// run to the end of the connection. `flush` waits while the client has more than a high-water mark to take, and says false when the client has gone.
//
// Bytes are gathered in `buffer`, in which the size of a chunk has its place before the chunk is known, so that rows are encoded once and not copied.

import Columns
import Platform

package final class HTTPExchange: @unchecked Sendable {
    // Safe to share: the response belongs to the one thread that answers; what the loop also touches is behind the lock.
    package let request: HTTPRequest
    package let body: HTTPBody
    private let connection: Connection
    private let nowMicroseconds: @Sendable () -> Int64
    private let onEnd: @Sendable (_ exchange: HTTPExchange, _ mustClose: Bool) -> Void

    private enum Phase { case waiting, streaming, ended }
    private var phase = Phase.waiting
    private var isChunked = false
    private var mustClose: Bool
    private let buffer = ByteBuffer(capacity: 4_096)
    /// Where the chunk in the buffer begins, behind its size.
    private var chunkStart = 0
    private static let chunkHeadByteCount = 10

    private let lock = Lock()
    private var isGone = false
    private var onGone: (@Sendable () -> Void)?
    private var isEndless = false
    /// Sent with every response, e.g. security headers.
    private let fixedHeaders: [(name: String, value: String)]

    /// The status that was answered; 0 before.
    package private(set) var status = 0
    package private(set) var writtenByteCount = 0

    init(
        request: HTTPRequest, body: HTTPBody, connection: Connection, fixedHeaders: [(name: String, value: String)],
        nowMicroseconds: @escaping @Sendable () -> Int64, onEnd: @escaping @Sendable (HTTPExchange, Bool) -> Void
    ) {
        self.request = request
        self.body = body
        self.connection = connection
        self.fixedHeaders = fixedHeaders
        self.nowMicroseconds = nowMicroseconds
        self.onEnd = onEnd
        mustClose = !request.keepsAlive
    }

    package var peerAddress: SocketAddress { connection.peerAddress }

    // MARK: The other side

    /// The client will not read any more.
    package var isCancelled: Bool { lock.locked { isGone } || connection.isClosed }

    /// Runs `body` when the client goes, at once when it has. `isEndless`: a client that stops sending has gone, because only that ends the response.
    package func whenGone(isEndless: Bool = false, _ body: @escaping @Sendable () -> Void) {
        let isLate = lock.locked { () -> Bool in
            self.isEndless = isEndless
            onGone = body
            return isGone
        }
        if isLate { body() }
    }

    /// The loop: the connection is over.
    func gone() {
        let action = lock.locked { () -> (@Sendable () -> Void)? in
            isGone = true
            defer { onGone = nil }
            return onGone
        }
        body.fail(HTTPFailure(400, "the client has gone"))
        action?()
    }

    /// The server stops: a response that would go on for ever ends, as if there were no more rows.
    func endEndless() {
        let action = lock.locked { isEndless ? onGone : nil }
        action?()
    }

    /// The loop: the client has said all it will say.
    var endsWithInput: Bool { lock.locked { isEndless } }

    // MARK: Answering

    /// The connection is not used again after this response.
    package func closeAfterwards() { mustClose = true }

    package func respond(
        _ status: Int, contentType: String = "application/json", headers: [(name: String, value: String)] = [], _ content: ByteBuffer
    ) {
        respond(status, contentType: contentType, headers: headers, bytes: content.bytes)
        withExtendedLifetime(content) {}
    }

    package func respond(
        _ status: Int, contentType: String, headers: [(name: String, value: String)] = [], bytes: UnsafeRawBufferPointer
    ) {
        guard phase == .waiting else { return }
        phase = .ended
        self.status = status
        // What is left of the body must not be taken for the next request.
        if !body.isComplete { mustClose = true }
        let type = status == 304 || status == 204 ? [] : [(name: "Content-Type", value: contentType)]
        let head = HTTPResponseHead(
            status: status, headers: type + fixedHeaders + headers, framing: status == 304 || status == 204 ? .none : .length(bytes.count),
            closes: mustClose)
        buffer.clear()
        head.append(to: buffer, nowMicroseconds: nowMicroseconds())
        if request.method != "HEAD", status != 304, status != 204 { buffer.append(bytes) }
        writtenByteCount += buffer.count
        connection.send(buffer.bytes)
        onEnd(self, mustClose)
    }

    /// The head; pieces follow. Gives the buffer to put them into.
    package func begin(_ status: Int, contentType: String, headers: [(name: String, value: String)] = []) -> ByteBuffer {
        guard phase == .waiting else { return buffer }
        phase = .streaming
        self.status = status
        isChunked = request.minorVersion >= 1
        if !body.isComplete { mustClose = true }
        if !isChunked { mustClose = true }
        let head = HTTPResponseHead(
            status: status, headers: [(name: "Content-Type", value: contentType)] + fixedHeaders + headers,
            framing: isChunked ? .chunked : .untilClosed, closes: mustClose)
        buffer.clear()
        head.append(to: buffer, nowMicroseconds: nowMicroseconds())
        beginChunk()
        return buffer
    }

    package var isStreaming: Bool { phase == .streaming }

    /// How much waits in the buffer to be written.
    package var pendingByteCount: Int { buffer.count - chunkStart }

    /// Sends what is in the buffer and empties it; false when the client has gone.
    package func flush() -> Bool {
        guard phase == .streaming else { return false }
        endChunk()
        if !buffer.isEmpty {
            writtenByteCount += buffer.count
            connection.send(buffer.bytes)
            buffer.clear(keepingCapacity: 1 << 20)
        }
        beginChunk()
        return connection.waitForRoom() && !isCancelled
    }

    package func end() {
        guard phase == .streaming else { return }
        endChunk()
        if isChunked, request.method != "HEAD" { buffer.append("0\r\n\r\n" as StaticString) }
        phase = .ended
        writtenByteCount += buffer.count
        connection.send(buffer.bytes)
        buffer.clear(keepingCapacity: 4_096)
        onEnd(self, mustClose)
    }

    /// Breaks off a response that cannot be ended properly, so that the client cannot take it for whole.
    package func abort() {
        guard phase != .ended else { return }
        phase = .ended
        connection.abort()
        onEnd(self, true)
    }

    private func beginChunk() {
        if isChunked, request.method != "HEAD" { buffer.append(repeating: 0x30, count: Self.chunkHeadByteCount) }
        chunkStart = buffer.count
    }

    /// Writes the size of the chunk to its place: eight digits, which may begin with zeros.
    private func endChunk() {
        if request.method == "HEAD" {
            buffer.truncate(to: chunkStart)
            return
        }
        guard isChunked else { return }
        var size = buffer.count - chunkStart
        guard size > 0 else {
            // A chunk of no bytes would end the response.
            buffer.truncate(to: chunkStart - Self.chunkHeadByteCount)
            return
        }
        buffer.append("\r\n" as StaticString)
        // `reserve` tells where the next byte goes; the chunk's head lies so far before it.
        let head = buffer.reserve(0) - (buffer.count - chunkStart) - Self.chunkHeadByteCount
        for place in stride(from: 7, through: 0, by: -1) {
            let digit = UInt8(size & 15)
            head[place] = digit < 10 ? 0x30 + digit : 0x57 + digit
            size >>= 4
        }
        head[8] = 0x0D
        head[9] = 0x0A
    }
}
