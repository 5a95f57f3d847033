// OutputFile: a descriptor that bytes are written to, whole.

import Columns
import Glibc
import Platform

/// Writes are not buffered: a caller that has much to say gathers it first. When the reader has gone (EPIPE) or the disk is full,
/// further writes do nothing, and the program is asked to stop: there is nobody left to work for.
final class OutputFile: @unchecked Sendable {
    // Safe to share: every write holds the lock.
    private let lock = Lock()
    private let descriptor: Int32
    private let ownsDescriptor: Bool
    private var hasFailed = false

    init(descriptor: Int32) {
        self.descriptor = descriptor
        ownsDescriptor = false
    }

    /// Creates or replaces a file.
    init?(path: String) {
        let opened = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard opened >= 0 else { return nil }
        descriptor = opened
        ownsDescriptor = true
    }

    deinit { if ownsDescriptor { close(descriptor) } }

    func write(_ text: String) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    func write(_ bytes: UnsafeRawBufferPointer) {
        let isBroken = lock.locked { () -> Bool in
            guard !hasFailed, var position = bytes.baseAddress else { return false }
            var left = bytes.count
            while left > 0 {
                let written = Glibc.write(descriptor, position, left)
                if written > 0 {
                    position += written
                    left -= written
                } else if written < 0, errno == EAGAIN {
                    var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&poller, 1, 1_000)
                } else if written < 0, errno != EINTR {
                    hasFailed = true
                    // Standard error is the last resort; when it fails itself there is no one to tell.
                    if errno != EPIPE, descriptor != 2 {
                        let reason = "millrace: cannot write the result: \(String(cString: strerror(errno)))\n"
                        _ = reason.withCString { Glibc.write(2, $0, strlen($0)) }
                    }
                    return descriptor != 2
                }
            }
            return false
        }
        if isBroken { Signals.requestStop() }
    }

    /// Whether something could not be written.
    var isBroken: Bool { lock.locked { hasFailed } }
}
