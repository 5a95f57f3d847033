// PipedLines: lines from a pipe or a file, handed out as soon as they are there.

import Glibc

final class PipedLines: LineSource {
    private static let blockBytes = 64 << 10

    private var bytes: [UInt8] = []
    private var start = 0
    private var isAtEnd = false

    func next(prompt: String) -> InputLine {
        while true {
            if let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { start = end + 1 }
                return .line(String(decoding: bytes[start..<end], as: UTF8.self))
            }
            if isAtEnd || Signals.stopRequested {
                guard start < bytes.count, !Signals.stopRequested else { return .end }
                defer { start = bytes.count }
                return .line(String(decoding: bytes[start...], as: UTF8.self))
            }
            readMore()
        }
    }

    func remember(_ statement: String) {}

    private func readMore() {
        bytes.removeFirst(start)
        start = 0
        var waiting = [
            pollfd(fd: 0, events: Int16(POLLIN), revents: 0), pollfd(fd: Signals.wakeDescriptor, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&waiting, 2, -1) > 0 else { return }
        if waiting[1].revents != 0 { Signals.drainWakePipe() }
        guard waiting[0].revents != 0 else { return }
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        let count = read(0, &block, block.count)
        if count > 0 {
            bytes += block[..<count]
        } else if count == 0 || (errno != EINTR && errno != EAGAIN) {
            if count < 0 { Console.note("millrace: cannot read standard input: \(String(cString: strerror(errno)))") }
            isAtEnd = true
        }
    }
}
