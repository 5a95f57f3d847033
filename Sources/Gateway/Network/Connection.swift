// Connection: one accepted socket: what has come, what waits to go out, and how it ends.
//
// 1. What has come lies in `input` until the handler drops it; a handler that cannot take more calls `pauseReading`.
// 2. `send` may be called from any thread. It writes at once as much as the system takes; the rest waits in `output` and goes out when the socket can
//    take it. A producer on a thread of its own calls `waitForRoom` between its pieces, so that a slow reader holds back its own producer and nobody
//    else, and at most the high-water mark and one piece lie in memory.
// 3. Ends. `finish` flushes, says so to the other side (a half close), and lets go when the other side closes too or has had its time: closing a socket
//    that still holds unread bytes would throw away what was sent last. `abort` closes at once.
// 4. The descriptor is closed on the loop's thread and under the lock, so that a sender on another thread never writes into another's socket.

import CMillrace
import Glibc
import Platform

package final class Connection: @unchecked Sendable, Watched {
    // Safe to share: what other threads reach is behind `lock`; `input`, `handler` and the deadline belong to the loop's thread.
    package static let highWaterByteCount = 1 << 20
    package static let lowWaterByteCount = 256 << 10
    private static let lingerMilliseconds = 2_000
    /// How often one event reads, so that a fast sender does not keep the others waiting.
    private static let readsMaxPerEvent = 4

    private enum State { case open, finishing, lingering, closed }

    package let loop: EventLoop
    package let peerAddress: SocketAddress
    /// What has come and was not dropped. On the loop's thread.
    package var input = ByteQueue()

    private var handler: (any ConnectionHandler)?
    private var descriptor: Int32
    private var token: UInt64 = 0

    private let lock = Lock()
    private var state = State.open
    private var output = ByteQueue()
    private var isReadingPaused = false
    private var hasInputEnded = false
    private var isBroken = false
    /// Whether the output has been above the high-water mark since the handler last heard that it may go on.
    private var wasFull = false
    private var watchedEvents: UInt32 = 0
    /// Made when a thread first waits.
    private var roomChanged: Condition?

    private var deadlineNanoseconds: UInt64?
    private var timer: (id: UInt64, nanoseconds: UInt64)?

    private init(loop: EventLoop, descriptor: Int32, peerAddress: SocketAddress) {
        self.loop = loop
        self.descriptor = descriptor
        self.peerAddress = peerAddress
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    static func start(
        loop: EventLoop, descriptor: Int32, peerAddress: SocketAddress, _ accept: (Connection) -> (any ConnectionHandler)?
    ) {
        let connection = Connection(loop: loop, descriptor: descriptor, peerAddress: peerAddress)
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        // A peer whose machine is gone is noticed in the end.
        setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &one, socklen_t(MemoryLayout<Int32>.size))
        let events = UInt32(MILLRACE_READABLE)
        guard let token = loop.watch(descriptor, connection, events: events) else {
            loop.onNotice("a connection from \(peerAddress) cannot be watched: \(String(cString: strerror(errno)))")
            return
        }
        connection.token = token
        connection.watchedEvents = events
        connection.handler = accept(connection)
        if connection.handler == nil { connection.end(.aborted) }
    }

    // MARK: Sending, from any thread

    /// Bytes that wait for the other side to take them.
    package var outputCount: Int { lock.locked { output.count } }

    /// Whether it is closed, or nothing that is sent can arrive any more.
    package var isClosed: Bool { lock.locked { state == .closed || isBroken } }

    package func send(_ bytes: [UInt8]) { bytes.withUnsafeBytes { send($0) } }

    package func send(_ bytes: UnsafeRawBufferPointer) {
        lock.lock()
        defer { lock.unlock() }
        guard state == .open, !isBroken, bytes.count > 0 else { return }
        var sent = 0
        if output.isEmpty { sent = writeSome(bytes) }
        guard sent < bytes.count, !isBroken else { return }
        output.append(UnsafeRawBufferPointer(rebasing: bytes[sent...]))
        if output.count > Self.highWaterByteCount { wasFull = true }
        updateEvents()
    }

    /// Waits until the output has fallen below the low-water mark if it is above the high one; false when the connection is closed. Not on the loop's thread.
    package func waitForRoom() -> Bool {
        lock.lock()
        defer { lock.unlock() }
        if output.count > Self.highWaterByteCount {
            while output.count > Self.lowWaterByteCount, state != .closed, !isBroken {
                let changed = roomChanged ?? Condition()
                roomChanged = changed
                changed.wait(lock)
            }
        }
        return state != .closed && !isBroken
    }

    /// Closes when all output has gone out. What is sent afterwards is dropped.
    package func finish() {
        lock.locked { if state == .open { state = .finishing } }
        loop.post { [self] in proceedToEnd() }
    }

    /// Closes at once.
    package func abort() { loop.post { [self] in end(.aborted) } }

    package func pauseReading() {
        lock.locked {
            isReadingPaused = true
            updateEvents()
        }
    }

    package func resumeReading() {
        lock.locked {
            isReadingPaused = false
            updateEvents()
        }
    }

    // MARK: The loop's thread

    /// Calls the handler's `timedOut` after so long, once; nil takes the deadline away. Receiving does not move it: whoever wants that sets it again.
    package func setDeadline(milliseconds: Int?) {
        guard let milliseconds, lock.locked({ state != .closed }) else {
            deadlineNanoseconds = nil
            return
        }
        let deadline = loop.nowNanoseconds &+ UInt64(max(0, milliseconds)) &* 1_000_000
        deadlineNanoseconds = deadline
        // A timer that fires earlier finds the new deadline and goes on to it: moving a deadline back, as every message does, costs nothing.
        if let timer {
            guard timer.nanoseconds > deadline else { return }
            loop.cancelTimer(timer.id)
        }
        startTimer(at: deadline)
    }

    private func startTimer(at nanoseconds: UInt64) {
        let now = loop.nowNanoseconds
        let milliseconds = nanoseconds > now ? Int((nanoseconds - now + 999_999) / 1_000_000) : 0
        let id = loop.after(milliseconds: milliseconds) { [weak self] in self?.timerFired() }
        timer = (id, nanoseconds)
    }

    private func timerFired() {
        timer = nil
        guard let deadline = deadlineNanoseconds else { return }
        if deadline > loop.nowNanoseconds {
            startTimer(at: deadline)
        } else {
            deadlineNanoseconds = nil
            if lock.locked({ state == .lingering }) { end(.finished) } else { handler?.timedOut(self) }
        }
    }

    func ready(_ events: UInt32) {
        if events & UInt32(MILLRACE_WRITABLE) != 0 { writeOut() }
        if events & UInt32(MILLRACE_READABLE) != 0 {
            readIn()
        } else if events & UInt32(MILLRACE_FAILED | MILLRACE_HUNG_UP) != 0 {
            end(.peerClosed)
        }
    }

    func loopStopped() { end(.stopped) }

    private func readIn() {
        for _ in 0..<Self.readsMaxPerEvent {
            guard handler != nil, lock.locked({ state != .closed && !isReadingPaused && !hasInputEnded }) else { return }
            let count = read(descriptor, loop.readBuffer.baseAddress, loop.readBuffer.count)
            if count > 0 {
                if lock.locked({ state == .open }) {
                    input.append(UnsafeRawBufferPointer(rebasing: loop.readBuffer[..<count]))
                    handler?.received(self)
                }
                if count < loop.readBuffer.count { return }
            } else if count == 0 {
                let isLast = lock.locked {
                    hasInputEnded = true
                    updateEvents()
                    return state == .lingering
                }
                if isLast { end(.finished) } else { handler?.inputEnded(self) }
            } else if errno == EINTR {
                continue
            } else {
                if errno != EAGAIN { end(errno == ECONNRESET ? .peerClosed : .failed("read: \(String(cString: strerror(errno)))")) }
                return
            }
        }
    }

    private func writeOut() {
        let (isRelieved, isEmpty) = lock.locked { () -> (Bool, Bool) in
            let sent = output.withUnsafeBytes { writeSome($0) }
            output.drop(sent)
            let isRelieved = wasFull && output.count <= Self.lowWaterByteCount
            if isRelieved {
                wasFull = false
                roomChanged?.broadcast()
            }
            updateEvents()
            return (isRelieved, output.isEmpty)
        }
        if isEmpty { proceedToEnd() }
        if isRelieved { handler?.writable(self) }
    }

    /// The next step of `finish`, when there is one to take.
    private func proceedToEnd() {
        let mustWait = lock.locked { () -> Bool? in
            guard state == .finishing, output.isEmpty || isBroken else { return nil }
            guard !hasInputEnded, !isBroken else { return false }
            state = .lingering
            isReadingPaused = false
            updateEvents()
            return shutdown(descriptor, Int32(SHUT_WR)) == 0
        }
        guard let mustWait else { return }
        if mustWait { setDeadline(milliseconds: Self.lingerMilliseconds) } else { end(.finished) }
    }

    private func end(_ reason: ConnectionEnd) {
        let mustEnd = lock.locked { () -> Bool in
            guard state != .closed else { return false }
            state = .closed
            loop.unwatch(descriptor, token: token)
            close(descriptor)
            descriptor = -1
            output = ByteQueue()
            roomChanged?.broadcast()
            return true
        }
        guard mustEnd else { return }
        if let timer { loop.cancelTimer(timer.id) }
        timer = nil
        deadlineNanoseconds = nil
        input = ByteQueue()
        let handler = self.handler
        self.handler = nil
        handler?.closed(self, reason: reason)
    }

    // MARK: Under the lock

    /// Writes as much as the system takes. A connection that cannot be written to is broken: nobody can be told on it.
    private func writeSome(_ bytes: UnsafeRawBufferPointer) -> Int {
        var sent = 0
        while sent < bytes.count, let base = bytes.baseAddress {
            let count = Glibc.send(descriptor, base + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            if count > 0 {
                sent += count
            } else if count == 0 || errno == EAGAIN {
                break
            } else if errno != EINTR {
                isBroken = true
                output = ByteQueue()
                roomChanged?.broadcast()
                // The loop sees it as a hang-up and ends it there.
                shutdown(descriptor, Int32(SHUT_RDWR))
                break
            }
        }
        return sent
    }

    private func updateEvents() {
        guard state != .closed else { return }
        var events: UInt32 = 0
        if !isReadingPaused, !hasInputEnded { events |= UInt32(MILLRACE_READABLE) }
        if !output.isEmpty { events |= UInt32(MILLRACE_WRITABLE) }
        guard events != watchedEvents else { return }
        watchedEvents = events
        _ = millrace_watch(loop.poller, EPOLL_CTL_MOD, descriptor, events, token)
    }
}
