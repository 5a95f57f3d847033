// ByteSearch: the C library's memchr, typed.

import Glibc

enum ByteSearch {
    @inline(__always)
    static func first(_ byte: UInt8, _ start: UnsafeRawPointer, _ count: Int) -> UnsafeRawPointer? {
        guard count > 0, let found = memchr(start, Int32(byte), count) else { return nil }
        return UnsafeRawPointer(found)
    }
}
