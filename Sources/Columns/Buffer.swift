// Buffer: the one type that owns memory of the data plane.

import Glibc

/// A block of bytes, 64-byte aligned, freed when the last reference goes; or a window on memory that something else owns
/// (a mapped segment), which it keeps alive.
///
/// Contract: written only by whoever made it and only before it is shared; read-only afterwards.
package final class Buffer: @unchecked Sendable {
    // Safe to share: by the contract above nobody writes once a second thread can see it.
    package let base: UnsafeMutableRawPointer
    package let byteCount: Int
    private let owner: AnyObject?

    /// Bytes past the end that may be read (never written) by code that loads whole words.
    package static let paddingByteCount = 64

    /// Fresh memory, its content undefined but for the padding, which is zero.
    package init(byteCount: Int) {
        self.byteCount = max(byteCount, 0)
        var memory: UnsafeMutableRawPointer?
        let status = posix_memalign(&memory, 64, self.byteCount + Buffer.paddingByteCount)
        guard status == 0, let memory else { Buffer.outOfMemory(byteCount) }
        base = memory
        owner = nil
        memset(base + self.byteCount, 0, Buffer.paddingByteCount)
    }

    /// Fresh memory that begins where a page of 2 MiB does: for blocks of several such pages.
    package init(pageAligned byteCount: Int) {
        self.byteCount = max(byteCount, 0)
        var memory: UnsafeMutableRawPointer?
        let status = posix_memalign(&memory, 2 << 20, self.byteCount + Buffer.paddingByteCount)
        guard status == 0, let memory else { Buffer.outOfMemory(byteCount) }
        base = memory
        owner = nil
        memset(base + self.byteCount, 0, Buffer.paddingByteCount)
    }

    /// Memory that `owner` keeps alive.
    package init(borrowing memory: UnsafeRawPointer, byteCount: Int, owner: AnyObject) {
        base = UnsafeMutableRawPointer(mutating: memory)
        self.byteCount = byteCount
        self.owner = owner
    }

    /// Whether `paddingByteCount` bytes past the end may be read: true of memory of its own, unknown of borrowed memory.
    package var isPadded: Bool { owner == nil }

    /// A copy of bytes.
    package convenience init(copying bytes: UnsafeRawBufferPointer) {
        self.init(byteCount: bytes.count)
        if let source = bytes.baseAddress { memcpy(base, source, bytes.count) }
    }

    deinit { if owner == nil { free(base) } }

    package static func zeroed(byteCount: Int) -> Buffer {
        let buffer = Buffer(byteCount: byteCount)
        memset(buffer.base, 0, buffer.byteCount)
        return buffer
    }

    /// No memory is left: nothing that could be reported would not need memory itself.
    private static func outOfMemory(_ byteCount: Int) -> Never {
        let message = "millrace: out of memory while allocating \(byteCount) bytes\n"
        _ = message.withCString { write(2, $0, strlen($0)) }
        exit(71)
    }
}
