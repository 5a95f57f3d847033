// ByteQueue: bytes that have come from a socket, or wait to go into one: put in at the end, taken from the front.
//
// What has been taken is let go when it makes up half of the memory, so that n bytes that pass through cost O(n) moves, and the memory held is at most
// twice what is in the queue.

package struct ByteQueue: Sendable {
    private var bytes: [UInt8] = []
    private var start = 0

    package init() {}

    package var count: Int { bytes.count - start }
    package var isEmpty: Bool { start == bytes.count }

    /// The byte so many places behind the front; nil behind the end.
    package subscript(offset: Int) -> UInt8? { offset >= 0 && offset < count ? bytes[start + offset] : nil }

    package mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    package mutating func append(_ more: UnsafeRawBufferPointer) { bytes.append(contentsOf: more) }

    /// Calls `body` with all that is there.
    package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[start...])) }
    }

    /// The first bytes, at most `maxCount`, without taking them.
    package func prefix(_ maxCount: Int) -> ArraySlice<UInt8> { bytes[start..<start + min(max(maxCount, 0), count)] }

    /// Takes the first bytes, at most `maxCount`.
    package mutating func take(_ maxCount: Int) -> [UInt8] {
        let taken = Array(prefix(maxCount))
        drop(taken.count)
        return taken
    }

    /// Lets the first bytes go, at most all.
    package mutating func drop(_ dropCount: Int) {
        start += min(max(dropCount, 0), count)
        if start == bytes.count {
            // Ten thousand queues that are empty must not hold memory.
            bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 12)
            start = 0
        } else if start > bytes.count / 2, start > 4_096 {
            bytes.removeFirst(start)
            start = 0
        }
    }
}
