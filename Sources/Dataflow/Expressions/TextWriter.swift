// TextWriter: the texts of a result column: bytes written one value after the other into blocks that never move, or views of bytes
// that another column owns.

import Columns
import Glibc

struct TextWriter {
    let values: Buffer
    private let views: UnsafeMutablePointer<StringView>
    private(set) var heap: [Buffer] = []
    /// Where the value being written begins, where it goes on, where the block ends.
    private var start: UnsafeMutablePointer<UInt8>
    private var next: UnsafeMutablePointer<UInt8>
    private var limit: UnsafeMutablePointer<UInt8>
    /// Set when the value is a view of other bytes.
    private var shared: StringView?

    /// What all values together have taken so far.
    private(set) var heapByteCount = 0

    /// More than this in one batch is a mistake or an attack; the rows beyond it fail.
    static let heapByteCountMax = 512 << 20

    private static let blockByteCount = 64 * 1024

    init(rows: Int) {
        values = Buffer(byteCount: rows * MemoryLayout<StringView>.stride)
        views = values.base.assumingMemoryBound(to: StringView.self)
        start = values.base.assumingMemoryBound(to: UInt8.self)
        next = start
        limit = start
    }

    /// How long the value being written is so far.
    @inline(__always)
    var count: Int { next - start }

    /// The value being written, complete; valid as long as the column.
    var written: StringView { count == 0 ? .empty : StringView(UnsafePointer(start), count: count) }

    /// Room for that many more bytes of the value being written; say how many came with `advance`.
    @inline(__always)
    mutating func reserve(_ additional: Int) -> UnsafeMutablePointer<UInt8> {
        if limit - next < additional { grow(additional) }
        return next
    }

    @inline(__always)
    mutating func advance(_ written: Int) { next += written }

    @inline(never)
    private mutating func grow(_ additional: Int) {
        let written = next - start
        let block = Buffer(byteCount: max(TextWriter.blockByteCount, (written + additional) * 2))
        let target = block.base.assumingMemoryBound(to: UInt8.self)
        if written > 0 { memcpy(target, start, written) }
        heap.append(block)
        heapByteCount += block.byteCount
        start = target
        next = target + written
        limit = target + block.byteCount
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        reserve(1).pointee = byte
        next += 1
    }

    @inline(__always)
    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        memcpy(reserve(bytes.count), source, bytes.count)
        next += bytes.count
    }

    @inline(__always)
    mutating func append(_ view: StringView) { append(view.bytes) }

    @inline(__always)
    mutating func append(_ pointer: UnsafePointer<UInt8>, _ count: Int) { append(UnsafeBufferPointer(start: pointer, count: count)) }

    /// The value is this view; its owner was named to `texts(sharing:)`.
    @inline(__always)
    mutating func share(_ view: StringView) { shared = view }

    mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append($0) }
    }

    /// A code point as UTF-8; what is none becomes U+FFFD.
    mutating func append(scalar value: UInt32) {
        let scalar = Unicode.Scalar(value) ?? "\u{FFFD}"
        for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { append(byte) }
    }

    mutating func append(repeating byte: UInt8, _ count: Int) {
        guard count > 0 else { return }
        memset(reserve(count), Int32(byte), count)
        next += count
    }

    @inline(__always)
    mutating func end(_ row: Int) {
        if let view = shared {
            views[row] = view
            shared = nil
            return
        }
        views[row] = next == start ? .empty : StringView(UnsafePointer(start), count: next - start)
        start = next
    }

    @inline(__always)
    mutating func put(_ view: StringView, at row: Int) { views[row] = view }

    /// Forgets the value being written.
    mutating func discard() {
        next = start
        shared = nil
    }
}
