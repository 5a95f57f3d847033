// Checksum: CRC32C (Castagnoli), the one checksum of every file format here.

import CMillrace

package enum CRC32C {
    private static let hasHardware = millrace_has_crc32c() != 0

    /// The CRC32C of `bytes`, continuing from `seed` (the checksum of what came before; 0 at the start).
    /// Hardware where the CPU has it, a byte table elsewhere: the same value either way.
    package static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        guard let base = bytes.baseAddress else { return seed }
        guard hasHardware else { return portable(bytes, seed: seed) }
        guard bytes.count >= 3 * shortBlock else { return millrace_crc32c_hardware(seed, base, bytes.count) }
        // 1. Cut three equal blocks and run them side by side, the second and third from state 0.
        // 2. Appending n zero bytes to a message is a linear map of the state, kept as four byte tables per block size: shift the
        //    first state over the second block, add (xor) the second state, and so on.
        var state = ~seed
        var done = 0
        for (block, shift) in [(longBlock, longShift), (shortBlock, shortShift)] {
            while bytes.count - done >= 3 * block {
                var second: UInt32 = 0
                var third: UInt32 = 0
                millrace_crc32c_three(base + done, block, &state, &second, &third)
                state = shift.apply(shift.apply(state) ^ second) ^ third
                done += 3 * block
            }
        }
        return millrace_crc32c_hardware(~state, base + done, bytes.count - done)
    }

    private static let longBlock = 4_096
    private static let shortBlock = 256
    private static let longShift = ZeroShift(byteCount: longBlock)
    private static let shortShift = ZeroShift(byteCount: shortBlock)

    /// What `byteCount` zero bytes do to a raw CRC state, as one table per byte of the state.
    private struct ZeroShift {
        private let tables: [UInt32]

        init(byteCount: Int) {
            // The image of each single bit, found by running the zeros through; the rest follows because the map is linear.
            let images: [UInt32] = (0..<32).map { bit in
                var state = UInt32(1) << UInt32(bit)
                for _ in 0..<byteCount { state = CRC32C.table[Int(state & 0xFF)] ^ (state >> 8) }
                return state
            }
            tables = (0..<1_024).map { index in
                var sum: UInt32 = 0
                for bit in 0..<8 where (index & 255) >> bit & 1 == 1 { sum ^= images[(index >> 8) * 8 + bit] }
                return sum
            }
        }

        func apply(_ state: UInt32) -> UInt32 {
            tables.withUnsafeBufferPointer { table in
                table[Int(state & 255)] ^ table[256 + Int(state >> 8 & 255)] ^ table[512 + Int(state >> 16 & 255)]
                    ^ table[768 + Int(state >> 24)]
            }
        }
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
