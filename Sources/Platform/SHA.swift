// SHA-1 and SHA-2 (FIPS 180-4): digests that SQL shows, of whole texts. Not on any hot path of the engine.

import Glibc

package enum SHA1 {
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
        var words = [UInt32](repeating: 0, count: 80)
        Padding.eachBlock(bytes, size: 64, lengthSize: 8) { block in
            for index in 0..<16 { words[index] = UInt32(bigEndian: block.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)) }
            for index in 16..<80 {
                let word = words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16]
                words[index] = word << 1 | word >> 31
            }
            var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
            for index in 0..<80 {
                let (f, k): (UInt32, UInt32) =
                    switch index {
                    case 0..<20: ((b & c) | (~b & d), 0x5A82_7999)
                    case 20..<40: (b ^ c ^ d, 0x6ED9_EBA1)
                    case 40..<60: ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC)
                    default: (b ^ c ^ d, 0xCA62_C1D6)
                    }
                let next = (a << 5 | a >> 27) &+ f &+ e &+ k &+ words[index]
                e = d
                d = c
                c = b << 30 | b >> 2
                b = a
                a = next
            }
            for (index, value) in [a, b, c, d, e].enumerated() { state[index] &+= value }
        }
        return Padding.bytes(of: state)
    }
}

package enum SHA2 {
    /// The word size of the family decides the rest: 224 and 256 bits come of 32-bit words, 384 and 512 of 64-bit words.
    package enum Width: Sendable { case bits224, bits256, bits384, bits512 }

    package static func hash(_ bytes: UnsafeRawBufferPointer, _ width: Width) -> [UInt8] {
        switch width {
        case .bits224:
            return Array(narrow(bytes, [
                0xC105_9ED8, 0x367C_D507, 0x3070_DD17, 0xF70E_5939, 0xFFC0_0B31, 0x6858_1511, 0x64F9_8FA7, 0xBEFA_4FA4,
            ]).prefix(28))
        case .bits256: return narrow(bytes, SHA2.start.map { UInt32(truncatingIfNeeded: $0 >> 32) })
        case .bits384:
            return Array(wide(bytes, [
                0xCBBB_9D5D_C105_9ED8, 0x629A_292A_367C_D507, 0x9159_015A_3070_DD17, 0x152F_ECD8_F70E_5939, 0x6733_2667_FFC0_0B31,
                0x8EB4_4A87_6858_1511, 0xDB0C_2E0D_64F9_8FA7, 0x47B5_481D_BEFA_4FA4,
            ]).prefix(48))
        case .bits512: return wide(bytes, SHA2.start)
        }
    }

    /// Of SHA-512; the upper halves are SHA-256's.
    private static let start: [UInt64] = [
        0x6A09_E667_F3BC_C908, 0xBB67_AE85_84CA_A73B, 0x3C6E_F372_FE94_F82B, 0xA54F_F53A_5F1D_36F1, 0x510E_527F_ADE6_82D1,
        0x9B05_688C_2B3E_6C1F, 0x1F83_D9AB_FB41_BD6B, 0x5BE0_CD19_137E_2179,
    ]

    /// The fraction bits of the cube roots of the first eighty primes; SHA-256 takes the upper halves of the first sixty-four.
    private static let constants: [UInt64] = [
        0x428A_2F98_D728_AE22, 0x7137_4491_23EF_65CD, 0xB5C0_FBCF_EC4D_3B2F, 0xE9B5_DBA5_8189_DBBC, 0x3956_C25B_F348_B538,
        0x59F1_11F1_B605_D019, 0x923F_82A4_AF19_4F9B, 0xAB1C_5ED5_DA6D_8118, 0xD807_AA98_A303_0242, 0x1283_5B01_4570_6FBE,
        0x2431_85BE_4EE4_B28C, 0x550C_7DC3_D5FF_B4E2, 0x72BE_5D74_F27B_896F, 0x80DE_B1FE_3B16_96B1, 0x9BDC_06A7_25C7_1235,
        0xC19B_F174_CF69_2694, 0xE49B_69C1_9EF1_4AD2, 0xEFBE_4786_384F_25E3, 0x0FC1_9DC6_8B8C_D5B5, 0x240C_A1CC_77AC_9C65,
        0x2DE9_2C6F_592B_0275, 0x4A74_84AA_6EA6_E483, 0x5CB0_A9DC_BD41_FBD4, 0x76F9_88DA_8311_53B5, 0x983E_5152_EE66_DFAB,
        0xA831_C66D_2DB4_3210, 0xB003_27C8_98FB_213F, 0xBF59_7FC7_BEEF_0EE4, 0xC6E0_0BF3_3DA8_8FC2, 0xD5A7_9147_930A_A725,
        0x06CA_6351_E003_826F, 0x1429_2967_0A0E_6E70, 0x27B7_0A85_46D2_2FFC, 0x2E1B_2138_5C26_C926, 0x4D2C_6DFC_5AC4_2AED,
        0x5338_0D13_9D95_B3DF, 0x650A_7354_8BAF_63DE, 0x766A_0ABB_3C77_B2A8, 0x81C2_C92E_47ED_AEE6, 0x9272_2C85_1482_353B,
        0xA2BF_E8A1_4CF1_0364, 0xA81A_664B_BC42_3001, 0xC24B_8B70_D0F8_9791, 0xC76C_51A3_0654_BE30, 0xD192_E819_D6EF_5218,
        0xD699_0624_5565_A910, 0xF40E_3585_5771_202A, 0x106A_A070_32BB_D1B8, 0x19A4_C116_B8D2_D0C8, 0x1E37_6C08_5141_AB53,
        0x2748_774C_DF8E_EB99, 0x34B0_BCB5_E19B_48A8, 0x391C_0CB3_C5C9_5A63, 0x4ED8_AA4A_E341_8ACB, 0x5B9C_CA4F_7763_E373,
        0x682E_6FF3_D6B2_B8A3, 0x748F_82EE_5DEF_B2FC, 0x78A5_636F_4317_2F60, 0x84C8_7814_A1F0_AB72, 0x8CC7_0208_1A64_39EC,
        0x90BE_FFFA_2363_1E28, 0xA450_6CEB_DE82_BDE9, 0xBEF9_A3F7_B2C6_7915, 0xC671_78F2_E372_532B, 0xCA27_3ECE_EA26_619C,
        0xD186_B8C7_21C0_C207, 0xEADA_7DD6_CDE0_EB1E, 0xF57D_4F7F_EE6E_D178, 0x06F0_67AA_7217_6FBA, 0x0A63_7DC5_A2C8_98A6,
        0x113F_9804_BEF9_0DAE, 0x1B71_0B35_131C_471B, 0x28DB_77F5_2304_7D84, 0x32CA_AB7B_40C7_2493, 0x3C9E_BE0A_15C9_BEBC,
        0x431D_67C4_9C10_0D4C, 0x4CC5_D4BE_CB3E_42B6, 0x597F_299C_FC65_7E2A, 0x5FCB_6FAB_3AD6_FAEC, 0x6C44_198C_4A47_5817,
    ]

    private static func narrow(_ bytes: UnsafeRawBufferPointer, _ start: [UInt32]) -> [UInt8] {
        run(
            bytes, start, rounds: 64, constants: constants.map { UInt32(truncatingIfNeeded: $0 >> 32) },
            small: ((7, 18, 3), (17, 19, 10)), large: ((6, 11, 25), (2, 13, 22)))
    }

    private static func wide(_ bytes: UnsafeRawBufferPointer, _ start: [UInt64]) -> [UInt8] {
        run(bytes, start, rounds: 80, constants: constants, small: ((1, 8, 7), (19, 61, 6)), large: ((14, 18, 41), (28, 34, 39)))
    }

    private typealias Turns = (Int, Int, Int)

    /// Both families are one procedure over words of two sizes. `small` are the two functions of the message schedule (their third
    /// distance shifts), `large` the two of the rounds.
    @inline(__always)
    private static func run<Word: FixedWidthInteger & UnsignedInteger>(
        _ bytes: UnsafeRawBufferPointer, _ start: [Word], rounds: Int, constants: [Word], small: (Turns, Turns), large: (Turns, Turns)
    ) -> [UInt8] {
        let size = MemoryLayout<Word>.size
        @inline(__always) func turn(_ word: Word, _ bits: Int) -> Word { word >> Word(bits) | word << Word(size * 8 - bits) }
        @inline(__always) func schedule(_ word: Word, _ by: Turns) -> Word { turn(word, by.0) ^ turn(word, by.1) ^ (word >> Word(by.2)) }
        @inline(__always) func mix(_ word: Word, _ by: Turns) -> Word { turn(word, by.0) ^ turn(word, by.1) ^ turn(word, by.2) }
        var state = start
        var words = [Word](repeating: 0, count: rounds)
        Padding.eachBlock(bytes, size: size * 16, lengthSize: size * 2) { block in
            for index in 0..<16 { words[index] = Word(bigEndian: block.loadUnaligned(fromByteOffset: index * size, as: Word.self)) }
            for index in 16..<rounds {
                words[index] =
                    words[index - 16] &+ schedule(words[index - 15], small.0) &+ words[index - 7] &+ schedule(words[index - 2], small.1)
            }
            var v = state
            for index in 0..<rounds {
                let choice = (v[4] & v[5]) ^ (~v[4] & v[6])
                let first = v[7] &+ mix(v[4], large.0) &+ choice &+ constants[index] &+ words[index]
                let second = mix(v[0], large.1) &+ ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]))
                (v[7], v[6], v[5], v[4], v[3], v[2], v[1], v[0]) = (v[6], v[5], v[4], v[3] &+ first, v[2], v[1], v[0], first &+ second)
            }
            for index in 0..<8 { state[index] &+= v[index] }
        }
        return Padding.bytes(of: state)
    }
}

/// The message in blocks: its bytes, 0x80, zeros, and its length in bits, big-endian.
private enum Padding {
    @inline(__always)
    static func eachBlock(_ bytes: UnsafeRawBufferPointer, size: Int, lengthSize: Int, _ body: (UnsafeRawPointer) -> Void) {
        var done = 0
        if let base = bytes.baseAddress {
            while bytes.count - done >= size {
                body(base + done)
                done += size
            }
        }
        withUnsafeTemporaryAllocation(byteCount: size * 2, alignment: 8) { block in
            guard let target = block.baseAddress else { return }
            let rest = bytes.count - done
            let count = rest + 1 + lengthSize <= size ? size : size * 2
            memset(target, 0, count)
            if let base = bytes.baseAddress, rest > 0 { memcpy(target, base + done, rest) }
            target.storeBytes(of: 0x80, toByteOffset: rest, as: UInt8.self)
            target.storeBytes(of: (UInt64(bytes.count) << 3).bigEndian, toByteOffset: count - 8, as: UInt64.self)
            for start in stride(from: 0, to: count, by: size) { body(UnsafeRawPointer(target) + start) }
        }
    }

    static func bytes<Word: FixedWidthInteger>(of words: [Word]) -> [UInt8] {
        words.flatMap { word in withUnsafeBytes(of: word.bigEndian) { Array($0) } }
    }
}

/// CRC-32 of IEEE 802.3, as zip has it.
package enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        var value = UInt32(index)
        for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0xEDB8_8320 : value >> 1 }
        return value
    }

    package static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var state: UInt32 = ~0
        for byte in bytes { state = table[Int((state ^ UInt32(byte)) & 0xFF)] ^ (state >> 8) }
        return ~state
    }
}
