// ClientSocket: a TCP connection, as a client uses it: blocking with time limits, one thread reads. Writing from the reading thread only, too;
// a cancel request goes over a connection of its own.

import Glibc
import Platform

/// Why a server could not be spoken with.
package struct ClientError: Error, CustomStringConvertible, Sendable {
    package let description: String
    package init(_ description: String) { self.description = description }
}

final class ClientSocket {
    private let descriptor: Int32
    private var input: [UInt8] = []
    private var position = 0
    private static let blockByteCount = 64 << 10

    init(host: String, port: UInt16, timeoutMilliseconds: Int = 10_000) throws(ClientError) {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &found)
        guard status == 0, let first = found else {
            throw ClientError("there is no host \"\(host)\": \(String(cString: gai_strerror(status)))")
        }
        defer { freeaddrinfo(first) }
        var fault: Int32 = 0
        var next: UnsafeMutablePointer<addrinfo>? = first
        while let address = next {
            next = address.pointee.ai_next
            let made = socket(address.pointee.ai_family, address.pointee.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), address.pointee.ai_protocol)
            guard made >= 0 else {
                fault = errno
                continue
            }
            if ClientSocket.connect(made, address.pointee, timeoutMilliseconds, &fault) {
                var one: Int32 = 1
                setsockopt(made, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
                descriptor = made
                return
            }
            close(made)
        }
        throw ClientError("no server answers at \(host):\(port): \(String(cString: strerror(fault)))")
    }

    deinit { close(descriptor) }

    private static func connect(_ descriptor: Int32, _ address: addrinfo, _ timeoutMilliseconds: Int, _ fault: inout Int32) -> Bool {
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
        if Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) != 0 {
            guard errno == EINPROGRESS else {
                fault = errno
                return false
            }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&waiting, 1, Int32(clamping: timeoutMilliseconds)) > 0 else {
                fault = ETIMEDOUT
                return false
            }
            var error: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size)
            guard error == 0 else {
                fault = error
                return false
            }
        }
        _ = fcntl(descriptor, F_SETFL, flags)
        return true
    }

    func send(_ bytes: [UInt8]) throws(ClientError) {
        let fault: Int32? = bytes.withUnsafeBytes { buffer in
            var sent = 0
            while sent < buffer.count {
                let count = Glibc.send(descriptor, buffer.baseAddress.map { $0 + sent }, buffer.count - sent, Int32(MSG_NOSIGNAL))
                if count > 0 { sent += count } else if count < 0, errno != EINTR { return errno }
            }
            return nil
        }
        if let fault { throw ClientError("the server has gone: \(String(cString: strerror(fault)))") }
    }

    /// Whether this many bytes are there, or have come within the time; 0 only looks.
    func fill(_ count: Int, timeoutMilliseconds: Int) throws(ClientError) -> Bool {
        while input.count - position < count {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, Int32(clamping: timeoutMilliseconds))
            if ready == 0 { return false }
            if ready < 0 {
                if errno == EINTR { continue }
                throw ClientError("cannot wait for the server: \(String(cString: strerror(errno)))")
            }
            if position > 0 {
                input.removeFirst(position)
                position = 0
            }
            let filled = input.count
            let wanted = max(ClientSocket.blockByteCount, min(count - filled, 16 << 20))
            input.append(contentsOf: repeatElement(0, count: wanted))
            let got = input.withUnsafeMutableBytes { buffer in recv(descriptor, buffer.baseAddress.map { $0 + filled }, wanted, 0) }
            let fault = errno
            input.removeLast(wanted - max(0, got))
            if got == 0 { throw ClientError("the server has closed the connection") }
            if got < 0, fault != EINTR { throw ClientError("the server has gone: \(String(cString: strerror(fault)))") }
        }
        return true
    }

    /// A byte that `fill` has brought, without taking it.
    func peek(_ offset: Int) -> UInt8 { input[position + offset] }

    func take(_ count: Int) -> [UInt8] {
        defer { position += count }
        return Array(input[position..<position + count])
    }
}
