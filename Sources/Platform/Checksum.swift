// Checksum: CRC32C (Castagnoli), the one checksum of every file format here.

import CMillrace

package enum CRC32C {
    private static let hasHardware = millrace_has_crc32c() != 0

    /// The CRC32C of `bytes`, continuing from `seed` (the checksum of what came before; 0 at the start).
    /// Hardware where the CPU has it, a byte table elsewhere: the same value either way.
    package static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        guard let base = bytes.baseAddress else { return seed }
        if hasHardware { return millrace_crc32c_hardware(seed, base, bytes.count) }
        return portable(bytes, seed: seed)
    }

    /// The table-driven form, also used by tests to check the hardware one.
    package static func portable(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        var state = ~seed
        for byte in bytes { state = table[Int((state ^ UInt32(byte)) & 0xFF)] ^ (state >> 8) }
        return ~state
    }

    private static let table: [UInt32] = (0..<256).map { index in
        var value = UInt32(index)
        for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0x82F6_3B78 : value >> 1 }
        return value
    }
}
