// StringView: one VARCHAR or BYTES value, 16 bytes.

import Glibc

/// Length, first four bytes, and a pointer to all of the bytes in a buffer that the column owns. Two views are equal when their first
/// eight bytes are and the rest of the text is: most comparisons end at the first word. The pointer is valid as long as
/// the column is, and never null.
///
/// It is public, although nothing outside the package sees it: the compiler inlines in other modules only what is public (`@inlinable package`
/// compiles to a call for each use), and its parts stand in the innermost loops of all of them. The same goes for `Column`.
public struct StringView: @unchecked Sendable {
    // Safe to share: the bytes are never written once the column that owns them is made.
    public var length: UInt32
    /// The first four bytes, the first one lowest, zero where the text is shorter.
    public var prefix: UInt32
    public var pointer: UnsafePointer<UInt8>

    package static let lengthMax = Int(UInt32.max >> 1)

    @inlinable @inline(__always)
    public init(_ pointer: UnsafePointer<UInt8>, count: Int) {
        self.pointer = pointer
        length = UInt32(truncatingIfNeeded: count)
        var prefix: UInt32 = 0
        if count >= 4 {
            prefix = UnsafeRawPointer(pointer).loadUnaligned(as: UInt32.self)
        } else if count > 0 {
            prefix = UInt32(pointer[0])
            if count > 1 { prefix |= UInt32(pointer[1]) << 8 }
            if count > 2 { prefix |= UInt32(pointer[2]) << 16 }
        }
        self.prefix = prefix
    }

    @inlinable @inline(__always)
    public var count: Int { Int(length) }

    @inlinable @inline(__always)
    public var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: pointer, count: Int(length)) }

    package var string: String { String(decoding: bytes, as: UTF8.self) }

    @inlinable @inline(__always)
    public static func equal(_ a: StringView, _ b: StringView) -> Bool {
        a.length == b.length && a.prefix == b.prefix && (a.length <= 4 || memcmp(a.pointer, b.pointer, Int(a.length)) == 0)
    }

    /// Order by bytes, which for UTF-8 is the order of code points (PostgreSQL's "C" collation). Negative, zero or positive.
    @inlinable @inline(__always)
    public static func compare(_ a: StringView, _ b: StringView) -> Int {
        if a.prefix != b.prefix {
            return a.prefix.byteSwapped < b.prefix.byteSwapped ? -1 : 1
        }
        let order = memcmp(a.pointer, b.pointer, Int(min(a.length, b.length)))
        return order != 0 ? Int(order) : Int(a.length) - Int(b.length)
    }

    /// The view of an empty text.
    package static let empty = StringView(EmptyBytes.pointer, count: 0)
}

/// A byte that never goes away, for views of nothing.
package enum EmptyBytes {
    package nonisolated(unsafe) static let pointer: UnsafePointer<UInt8> = {
        // Never written after this line, so sharing it is safe.
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 64)
        memory.initialize(repeating: 0, count: 64)
        return UnsafePointer(memory)
    }()
}

/// One ARRAY value: where its elements lie in the child column.
public struct ListView {
    public var offset: UInt32
    public var length: UInt32

    @inlinable @inline(__always)
    public init(offset: UInt32, length: UInt32) {
        self.offset = offset
        self.length = length
    }
}
