// ClientConnection: one question and one answer over TCP, with a deadline. Called on a notifier's own thread, which may wait.
//
// Names are looked up anew each time, since a receiver may have moved; the look-up itself has the resolver's own time-outs. Every address is tried in
// turn while there is time.

import CMillrace
import Glibc
import Platform

struct SocketFault: Error {
    var text: String
    /// Whether somebody was there.
    var wasConnected = false
}

enum ClientConnection {
    /// How long a wait lasts before somebody looks whether it is still wanted.
    private static let sliceMilliseconds = 100

    static func exchange(
        _ question: [UInt8], host: String, port: Int, timeoutMilliseconds: Int, answerByteCountMax: Int, isComplete: ([UInt8]) -> Bool, isCancelled: () -> Bool
    ) throws(SocketFault) -> [UInt8] {
        let clock = SystemClock()
        let deadline = clock.monotonicNanoseconds() &+ UInt64(max(1, timeoutMilliseconds)) &* 1_000_000
        func wait(_ descriptor: Int32, _ events: Int32, _ wasConnected: Bool) throws(SocketFault) {
            while true {
                if isCancelled() { throw SocketFault(text: "given up because the program ends", wasConnected: wasConnected) }
                let now = clock.monotonicNanoseconds()
                guard now < deadline else { throw SocketFault(text: "no answer within \(timeoutMilliseconds) ms", wasConnected: wasConnected) }
                let left = Int((deadline - now) / 1_000_000) + 1
                var waiting = pollfd(fd: descriptor, events: Int16(events), revents: 0)
                let count = poll(&waiting, 1, Int32(min(left, sliceMilliseconds)))
                if count > 0 { return }
                if count < 0, errno != EINTR { throw SocketFault(text: Self.reason(errno), wasConnected: wasConnected) }
            }
        }

        let descriptor = try connect(host, port, wait)
        defer { close(descriptor) }
        var sent = 0
        while sent < question.count {
            let count = question.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress?.advanced(by: sent), $0.count - sent, Int32(MSG_NOSIGNAL)) }
            if count > 0 {
                sent += count
            } else if errno == EAGAIN || errno == EWOULDBLOCK {
                try wait(descriptor, POLLOUT, true)
            } else if errno == EPIPE || errno == ECONNRESET {
                // It may have answered already, and hung up.
                break
            } else if errno != EINTR {
                throw SocketFault(text: reason(errno), wasConnected: true)
            }
        }
        var answer: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 8_192)
        while answer.count < answerByteCountMax, !isComplete(answer) {
            let count = piece.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count > 0 {
                answer += piece.prefix(count)
            } else if count == 0 {
                break
            } else if errno == EAGAIN || errno == EWOULDBLOCK {
                try wait(descriptor, POLLIN, true)
            } else if errno != EINTR {
                if answer.isEmpty { throw SocketFault(text: reason(errno), wasConnected: true) }
                break
            }
        }
        if answer.isEmpty { throw SocketFault(text: "the connection was closed without an answer", wasConnected: true) }
        return answer
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

    private static func connect(_ host: String, _ port: Int, _ wait: (Int32, Int32, Bool) throws(SocketFault) -> Void) throws(SocketFault) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0 else { throw SocketFault(text: "\(host) is not known: \(String(cString: gai_strerror(status)))") }
        defer { freeaddrinfo(list) }
        var last = SocketFault(text: "\(host) has no address")
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            let descriptor = socket(
                entry.pointee.ai_family, entry.pointee.ai_socktype | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), entry.pointee.ai_protocol)
            guard descriptor >= 0 else {
                last = SocketFault(text: reason(errno))
                continue
            }
            do throws(SocketFault) {
                if Glibc.connect(descriptor, entry.pointee.ai_addr, entry.pointee.ai_addrlen) != 0 {
                    guard errno == EINPROGRESS else { throw SocketFault(text: reason(errno)) }
                    try wait(descriptor, POLLOUT, false)
                    var code: Int32 = 0
                    var size = socklen_t(MemoryLayout<Int32>.size)
                    guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0, code == 0 else { throw SocketFault(text: reason(code)) }
                }
                return descriptor
            } catch {
                close(descriptor)
                last = error
            }
        }
        throw last
    }
}
