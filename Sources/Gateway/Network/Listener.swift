// Listener: a socket that takes calls. Who answers one is decided by the closure it was made with.
//
// When the process has no descriptor left, the call stays in the system's queue and the listener looks away for a moment: it would be woken for the
// same call over and over.

import CMillrace
import Glibc

package final class Listener: Watched {
    private static let acceptedMaxPerEvent = 64
    private static let shortagePauseMilliseconds = 100

    private unowned let loop: EventLoop
    private var descriptor: Int32
    private var token: UInt64 = 0
    private let accept: (Connection) -> (any ConnectionHandler)?
    private var isShort = false
    package let address: SocketAddress

    /// The real port, also when any free one was asked for.
    package var port: Int { address.port }

    fileprivate init(
        loop: EventLoop, descriptor: Int32, address: SocketAddress, accept: @escaping (Connection) -> (any ConnectionHandler)?
    ) {
        self.loop = loop
        self.descriptor = descriptor
        self.address = address
        self.accept = accept
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    fileprivate func start() throws(NetworkError) {
        guard let token = loop.watch(descriptor, self, events: UInt32(MILLRACE_READABLE)) else {
            throw .system("cannot watch \(address)")
        }
        self.token = token
    }

    /// Takes no further calls. On the loop's thread.
    package func close() {
        guard descriptor >= 0 else { return }
        loop.unwatch(descriptor, token: token)
        Glibc.close(descriptor)
        descriptor = -1
    }

    func loopStopped() { close() }

    func ready(_ events: UInt32) {
        for _ in 0..<Self.acceptedMaxPerEvent {
            guard descriptor >= 0 else { return }
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let accepted = millrace_accept(descriptor, &storage, &length)
            guard accepted >= 0 else {
                switch errno {
                case EINTR, ECONNABORTED: continue
                case EMFILE, ENFILE, ENOBUFS, ENOMEM: lookAway()
                default: break
                }
                return
            }
            isShort = false
            Connection.start(loop: loop, descriptor: accepted, peerAddress: SocketAddress(storage, length), accept)
        }
    }

    private func lookAway() {
        if !isShort { loop.onNotice("no connection can be accepted on \(address): \(String(cString: strerror(errno)))") }
        isShort = true
        _ = millrace_watch(loop.poller, EPOLL_CTL_MOD, descriptor, 0, token)
        loop.after(milliseconds: Self.shortagePauseMilliseconds) { [weak self] in
            guard let self, descriptor >= 0 else { return }
            _ = millrace_watch(loop.poller, EPOLL_CTL_MOD, descriptor, UInt32(MILLRACE_READABLE), token)
        }
    }
}

extension EventLoop {
    /// Listens at the first of the host's addresses; port 0 is any free one. `accept` gives each caller its handler, or nil to hang up.
    package func listen(
        host: String, port: Int, backlog: Int = 1_024, _ accept: @escaping (Connection) -> (any ConnectionHandler)?
    ) throws(NetworkError) -> Listener {
        guard let wanted = try SocketAddress.resolve(host: host, port: port).first else { throw NetworkError("\"\(host)\" has no address") }
        let descriptor = socket(wanted.family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .system("cannot make a socket for \(wanted)") }
        var one: Int32 = 1
        // A server that starts again finds its port free although old connections still fade away.
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        let isBound = wanted.withSystemAddress { bind(descriptor, $0, $1) } == 0
        guard isBound, Glibc.listen(descriptor, Int32(clamping: backlog)) == 0 else {
            let error = NetworkError.system("cannot listen on \(wanted)")
            close(descriptor)
            throw error
        }
        let listener = Listener(
            loop: self, descriptor: descriptor, address: SocketAddress.ofSocket(descriptor) ?? wanted, accept: accept)
        try listener.start()
        return listener
    }
}
