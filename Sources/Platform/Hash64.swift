// Hash64: a fast 64-bit hash for tables in memory. Multiply two words to 128 bits and fold the halves together, in the manner of
// wyhash (Wang Yi, public domain). Not for files: it may change between versions.

public enum Hash64 {
    @inlinable @inline(__always)
    public static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    @inlinable @inline(__always)
    public static func hash(_ value: UInt64, seed: UInt64 = 0) -> UInt64 {
        mix(value ^ 0xA076_1D64_78BD_642F ^ seed, 0xE703_7ED1_A0B4_28DB)
    }

    @inlinable @inline(__always)
    public static func hash(_ value: Int64, seed: UInt64 = 0) -> UInt64 { hash(UInt64(bitPattern: value), seed: seed) }

    /// Joins the hash of a further part to that of the ones before.
    @inlinable @inline(__always)
    public static func combine(_ hash: UInt64, _ value: UInt64) -> UInt64 {
        mix(hash ^ 0x8EBC_6AF0_9C88_C6E3, value ^ 0x5899_65CC_7537_4CC3)
    }

    @inlinable
    public static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
        guard let base = bytes.baseAddress else { return hash(base: UnsafeRawPointer(bitPattern: 8), count: 0, seed: seed) }
        return hash(base: base, count: bytes.count, seed: seed)
    }

    /// The hash of `count` bytes. Reads nothing outside them.
    @inlinable
    public static func hash(base: UnsafeRawPointer?, count: Int, seed: UInt64) -> UInt64 {
        var state = seed ^ 0xA076_1D64_78BD_642F
        guard let base, count > 0 else { return mix(state, 0xE703_7ED1_A0B4_28DB) }
        @inline(__always) func word(_ offset: Int) -> UInt64 { base.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
        @inline(__always) func half(_ offset: Int) -> UInt64 { UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
        let a: UInt64
        let b: UInt64
        if count <= 16 {
            if count >= 4 {
                // Two overlapping pairs of four bytes cover 4...16.
                let step = (count >> 3) << 2
                a = half(0) << 32 | half(step)
                b = half(count - 4) << 32 | half(count - 4 - step)
            } else {
                let first = UInt64(base.load(as: UInt8.self))
                let middle = UInt64(base.load(fromByteOffset: count >> 1, as: UInt8.self))
                a = first << 16 | middle << 8 | UInt64(base.load(fromByteOffset: count - 1, as: UInt8.self))
                b = 0
            }
        } else {
            var offset = 0
            while count - offset > 16 {
                state = mix(word(offset) ^ 0xE703_7ED1_A0B4_28DB, word(offset + 8) ^ state)
                offset += 16
            }
            a = word(count - 16)
            b = word(count - 8)
        }
        return mix(0xE703_7ED1_A0B4_28DB ^ UInt64(count), mix(a ^ 0xE703_7ED1_A0B4_28DB, b ^ state))
    }
}
