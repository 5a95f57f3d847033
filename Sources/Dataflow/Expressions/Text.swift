// Text: the primitives of UTF-8 that text kernels share. None of them traps on bytes that are not UTF-8.

import Columns
import Glibc

/// glibc's two-way search, linear and with vector instructions; the Glibc module hides it behind _GNU_SOURCE. Four words in and one out
/// pass the same way in Swift's and in C's calling convention.
@_silgen_name("memmem")
private func memmem(_ text: UnsafeRawPointer, _ textCount: Int, _ needle: UnsafeRawPointer, _ needleCount: Int) -> UnsafeRawPointer?

typealias Bytes = UnsafeBufferPointer<UInt8>

enum Text {
    @inline(__always)
    static func isASCII(_ bytes: Bytes) -> Bool {
        guard let base = UnsafeRawPointer(bytes.baseAddress) else { return true }
        var high: UInt64 = 0
        var index = 0
        while index &+ 8 <= bytes.count {
            high |= base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            index &+= 8
        }
        while index < bytes.count {
            high |= UInt64(base.load(fromByteOffset: index, as: UInt8.self))
            index &+= 1
        }
        return high & 0x8080_8080_8080_8080 == 0
    }

    /// Code points.
    @inline(__always)
    static func length(_ view: StringView) -> Int {
        let bytes = view.bytes
        var count = 0
        for index in 0..<bytes.count { count &+= bytes[index] & 0xC0 != 0x80 ? 1 : 0 }
        return count
    }

    /// Bytes of the code point that begins at `index`, at least 1 and never past the end.
    @inline(__always)
    static func size(_ bytes: Bytes, _ index: Int) -> Int {
        let lead = bytes[index]
        if lead < 0xC0 { return 1 }
        let size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        return min(size, bytes.count - index)
    }

    /// The code point that begins at `index`; U+FFFD for what is none.
    static func scalar(_ bytes: Bytes, _ index: Int) -> Unicode.Scalar {
        let lead = UInt32(bytes[index])
        if lead < 0x80 { return Unicode.Scalar(UInt8(lead)) }
        let size = size(bytes, index)
        var value: UInt32 =
            switch size {
            case 2: lead & 0x1F
            case 3: lead & 0x0F
            default: lead & 0x07
            }
        for offset in 1..<max(size, 1) { value = value << 6 | UInt32(bytes[index + offset] & 0x3F) }
        return Unicode.Scalar(value) ?? "\u{FFFD}"
    }

    @inline(__always)
    static func eachScalar(_ bytes: Bytes, _ body: (Unicode.Scalar) -> Void) {
        var index = 0
        while index < bytes.count {
            body(scalar(bytes, index))
            index += size(bytes, index)
        }
    }

    /// Where `needle` first stands at or after `from`; an empty one stands everywhere.
    @inline(__always)
    static func find(_ needle: Bytes, in bytes: Bytes, from start: Int) -> Int? {
        guard needle.count > 0, let pattern = needle.baseAddress else { return start <= bytes.count ? start : nil }
        guard let base = bytes.baseAddress, start <= bytes.count, bytes.count - start >= needle.count else { return nil }
        if needle.count == 1 {
            guard let hit = memchr(base + start, Int32(pattern[0]), bytes.count - start) else { return nil }
            return UnsafeRawPointer(hit) - UnsafeRawPointer(base)
        }
        guard let hit = memmem(base + start, bytes.count - start, pattern, needle.count) else { return nil }
        return hit - UnsafeRawPointer(base)
    }

    @inline(__always)
    static func hasPrefix(_ bytes: Bytes, _ prefix: Bytes) -> Bool {
        guard bytes.count >= prefix.count else { return false }
        guard prefix.count > 0, let a = bytes.baseAddress, let b = prefix.baseAddress else { return true }
        return memcmp(a, b, prefix.count) == 0
    }

    @inline(__always)
    static func hasSuffix(_ bytes: Bytes, _ suffix: Bytes) -> Bool {
        guard bytes.count >= suffix.count else { return false }
        guard suffix.count > 0, let a = bytes.baseAddress, let b = suffix.baseAddress else { return true }
        return memcmp(a + (bytes.count - suffix.count), b, suffix.count) == 0
    }

    /// The byte offset of the code point number `characters` (from 0), or the end.
    @inline(__always)
    static func offset(_ bytes: Bytes, ofCharacter characters: Int) -> Int {
        var index = 0
        var left = characters
        while left > 0 && index < bytes.count {
            index &+= size(bytes, index)
            left &-= 1
        }
        return index
    }

    /// Code points before a byte offset.
    static func characters(_ bytes: Bytes, before offset: Int) -> Int {
        var count = 0
        for index in 0..<min(offset, bytes.count) { count &+= bytes[index] & 0xC0 != 0x80 ? 1 : 0 }
        return count
    }

    @inline(__always)
    static func hexadecimal(_ digit: UInt8) -> UInt8 { digit < 10 ? 0x30 &+ digit : 0x57 &+ digit }

    @inline(__always)
    static func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}
