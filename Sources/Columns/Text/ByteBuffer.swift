// ByteBuffer: bytes that grow at the end: what encoders write into and files are written from.

import Glibc

/// Text on its way in: a run of bytes that somebody else owns for the length of a call.
package typealias TextBytes = UnsafeBufferPointer<UInt8>

/// A growable run of bytes. It doubles when it is full and keeps its memory when it is cleared, so that one buffer can serve a
/// whole stream of batches. Used by one thread at a time.
package final class ByteBuffer {
    private var memory: UnsafeMutablePointer<UInt8>
    private var used = 0
    private var capacity: Int

    package init(capacity: Int = 256) {
        self.capacity = max(capacity, 64)
        memory = .allocate(capacity: self.capacity)
    }

    deinit { memory.deallocate() }

    package var count: Int { used }
    package var isEmpty: Bool { used == 0 }

    /// What has been written; valid until the buffer is next changed.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: used) }
    package var text: TextBytes { TextBytes(start: memory, count: used) }
    package var string: String { String(decoding: text, as: UTF8.self) }
    package var array: [UInt8] { Array(text) }

    package subscript(index: Int) -> UInt8 { index >= 0 && index < used ? memory[index] : 0 }

    package func clear() { used = 0 }

    /// The same, giving back memory beyond `capacityMax` bytes.
    package func clear(keepingCapacity capacityMax: Int) {
        used = 0
        guard capacity > max(capacityMax, 64) else { return }
        memory.deallocate()
        capacity = max(capacityMax, 64)
        memory = .allocate(capacity: capacity)
    }

    /// Forgets everything past `count`.
    package func truncate(to count: Int) { used = min(used, max(count, 0)) }

    /// Where the next byte goes, with room for `additional` bytes; say how many were written with `advance(by:)`.
    @inline(__always)
    package func reserve(_ additional: Int) -> UnsafeMutablePointer<UInt8> {
        if capacity &- used < additional { grow(additional) }
        return memory + used
    }

    @inline(__always)
    package func advance(by written: Int) { used &+= written }

    @inline(never)
    private func grow(_ additional: Int) {
        let larger = max(capacity * 2, used + additional)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        memcpy(moved, memory, used)
        memory.deallocate()
        memory = moved
        capacity = larger
    }

    package func append(_ byte: UInt8) {
        reserve(1).pointee = byte
        used &+= 1
    }

    package func append(_ source: TextBytes) {
        guard let start = source.baseAddress, source.count > 0 else { return }
        memcpy(reserve(source.count), start, source.count)
        used &+= source.count
    }

    package func append(_ source: UnsafeRawBufferPointer) {
        guard let start = source.baseAddress, source.count > 0 else { return }
        memcpy(reserve(source.count), start, source.count)
        used &+= source.count
    }

    package func append(_ view: StringView) { append(view.bytes) }

    package func append(_ source: ByteBuffer) { append(source.bytes) }

    package func append(_ literal: StaticString) {
        append(TextBytes(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    package func append(_ string: String) {
        var string = string
        string.withUTF8 { append($0) }
    }

    package func append(repeating byte: UInt8, count: Int) {
        guard count > 0 else { return }
        memset(reserve(count), Int32(byte), count)
        used &+= count
    }

    /// What has been written, as an immutable block; the buffer is empty afterwards.
    package func takeBuffer() -> Buffer {
        let buffer = Buffer(copying: bytes)
        used = 0
        return buffer
    }
}
