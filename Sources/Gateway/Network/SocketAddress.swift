// SocketAddress: where to listen or who has called, as the system wants it and as people read it.

import Glibc

/// What went wrong with a socket. The text is for people.
package struct NetworkError: Error, CustomStringConvertible, Sendable {
    package let description: String

    package init(_ description: String) { self.description = description }

    static func system(_ what: String) -> NetworkError { NetworkError("\(what): \(String(cString: strerror(errno)))") }
}

package struct SocketAddress: Sendable {
    private let storage: sockaddr_storage
    private let length: socklen_t

    init(_ storage: sockaddr_storage, _ length: socklen_t) {
        self.storage = storage
        self.length = length
    }

    /// The addresses of a name, or of an address that is written out, in the system's order.
    static func resolve(host: String, port: Int) throws(NetworkError) -> [SocketAddress] {
        guard port >= 0, port <= 65_535 else { throw NetworkError("a port is a number from 0 to 65535, not \(port)") }
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &list)
        guard status == 0 else { throw NetworkError("cannot resolve \"\(host)\": \(String(cString: gai_strerror(status)))") }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var entry = list
        while let information = entry?.pointee {
            if let address = information.ai_addr, Int(information.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size {
                var storage = sockaddr_storage()
                withUnsafeMutableBytes(of: &storage) {
                    $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(information.ai_addrlen)))
                }
                found.append(SocketAddress(storage, information.ai_addrlen))
            }
            entry = information.ai_next
        }
        return found
    }

    /// Where a socket that has been bound is.
    static func ofSocket(_ descriptor: Int32) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return status == 0 ? SocketAddress(storage, length) : nil
    }

    var family: Int32 { Int32(storage.ss_family) }

    func withSystemAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) } }
    }

    package var port: Int {
        withUnsafeBytes(of: storage) { bytes in
            switch family {
            case AF_INET, AF_INET6: Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            default: 0
            }
        }
    }

    /// `127.0.0.1` or `::1`.
    package var host: String {
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let status = withSystemAddress { getnameinfo($0, $1, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) }
        guard status == 0 else { return "?" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Whether only programs on the same machine can be behind it.
    package var isLoopback: Bool {
        withUnsafeBytes(of: storage) { bytes in
            switch family {
            case AF_INET: return bytes[4] == 127
            case AF_INET6:
                // ::1, or 127.x.x.x written as an IPv6 address.
                let address = bytes[8..<24]
                if address.prefix(15).allSatisfy({ $0 == 0 }) { return address.last == 1 }
                return address.prefix(10).allSatisfy { $0 == 0 } && address.dropFirst(10).prefix(2).allSatisfy { $0 == 255 } && address.dropFirst(12).first == 127
            default: return false
            }
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    package var description: String { family == AF_INET6 ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
