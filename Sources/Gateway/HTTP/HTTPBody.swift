// HTTPBody: the body of a request on its way from the loop's thread, which receives it, to the thread that works on it.
//
// The loop puts pieces in, the worker takes them in large blocks. Above the high-water mark the loop stops reading the socket and goes on when the
// worker has caught up, so that a body of any length takes a few MiB of memory and holds back nobody but its sender.

import Columns
import Glibc
import Platform

package final class HTTPBody: @unchecked Sendable {
    // Safe to share: everything that changes is behind the lock.
    package enum Piece {
        case bytes(Buffer)
        case end
        /// The client has gone, was too slow, or sent nonsense.
        case failure(HTTPFailure)
    }

    static let highWaterByteCount = 4 << 20
    private static let blockByteCount = 1 << 20

    private let lock = Lock()
    private let changed = Condition()
    private var blocks: [(buffer: Buffer, count: Int)] = []
    private var count = 0
    private var hasEnded = false
    private var failure: HTTPFailure?
    private var isFull = false
    private var isAwaited = false
    /// Called once when the first piece is wanted: the client may be waiting to be told to go on.
    private var onWanted: (@Sendable () -> Void)?
    /// Called when a full body has room again.
    private let onRoom: @Sendable () -> Void

    init(onWanted: (@Sendable () -> Void)?, onRoom: @escaping @Sendable () -> Void) {
        self.onWanted = onWanted
        self.onRoom = onRoom
    }

    // MARK: The loop's side

    /// False when the sender should be held back.
    func append(_ bytes: [UInt8]) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        guard failure == nil else { return true }
        bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                if blocks.last.map({ $0.count == $0.buffer.byteCount }) ?? true {
                    // A short body does not take a long block.
                    blocks.append((Buffer(byteCount: blocks.isEmpty ? max(rest.count, 16 << 10) : Self.blockByteCount), 0))
                }
                let last = blocks.count - 1
                let (buffer, used) = blocks[last]
                let part = rest.prefix(buffer.byteCount - used)
                if let base = part.base.baseAddress { memcpy(buffer.base + used, base + part.startIndex, part.count) }
                blocks[last].count += part.count
                rest = rest[part.endIndex...]
            }
        }
        count += bytes.count
        isFull = count >= Self.highWaterByteCount
        changed.signal()
        return !isFull
    }

    func finish() {
        lock.locked { hasEnded = true }
        changed.signal()
    }

    func fail(_ reason: HTTPFailure) {
        lock.locked { if !hasEnded { failure = failure ?? reason } }
        changed.signal()
    }

    /// Whether the worker waits for bytes: only then is a slow sender to blame.
    var isWaitedFor: Bool { lock.locked { isAwaited } }

    // MARK: The worker's side

    /// Whether all of it has come, taken or not.
    package var isComplete: Bool { lock.locked { hasEnded } }
    /// The same, and nothing of it waits.
    package var isConsumed: Bool { lock.locked { hasEnded && blocks.isEmpty } }

    /// What comes next, when it comes. Waits a moment for more than a little, so that a fast sender's bytes come in large blocks and a slow one's at once.
    package func next(wantedByteCount: Int = 1 << 20) -> Piece {
        lock.lock()
        if let wanted = onWanted {
            onWanted = nil
            if blocks.isEmpty, !hasEnded, failure == nil {
                lock.unlock()
                wanted()
                lock.lock()
            }
        }
        isAwaited = true
        while blocks.isEmpty, !hasEnded, failure == nil { changed.wait(lock) }
        if count < wantedByteCount, !hasEnded, failure == nil { changed.wait(lock, milliseconds: 1) }
        isAwaited = false
        // What came before a failure comes first.
        guard !blocks.isEmpty else {
            let failure = failure
            lock.unlock()
            return failure.map { .failure($0) } ?? .end
        }
        let (buffer, used) = blocks.removeFirst()
        count -= used
        let hasRoom = isFull && count < Self.highWaterByteCount / 2
        if hasRoom { isFull = false }
        lock.unlock()
        if hasRoom { onRoom() }
        return .bytes(used == buffer.byteCount ? buffer : Buffer(borrowing: buffer.base, byteCount: used, owner: buffer))
    }

    /// The whole body, when it is no longer than `byteCountMax`; else status 413.
    package func collect(byteCountMax: Int, what: String) throws(HTTPFailure) -> [UInt8] {
        var all: [UInt8] = []
        while true {
            switch next(wantedByteCount: 0) {
            case .bytes(let piece):
                guard all.count + piece.byteCount <= byteCountMax else {
                    throw HTTPFailure(413, "\(what) may take \(byteCountMax) bytes")
                }
                all.append(contentsOf: UnsafeRawBufferPointer(start: piece.base, count: piece.byteCount))
                withExtendedLifetime(piece) {}
            case .end: return all
            case .failure(let failure): throw failure
            }
        }
    }
}
