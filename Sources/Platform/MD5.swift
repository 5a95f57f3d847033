// MD5 (RFC 1321): not for security, but because the hash-key space of Kinesis is made of it.

import Glibc

package enum MD5 {
    /// The digest as Kinesis reads it: a 128-bit number, the first byte the highest.
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt128 {
        var state = State()
        var done = 0
        if let base = bytes.baseAddress {
            while bytes.count - done >= 64 {
                state.update(base + done)
                done += 64
            }
        }
        // The rest, 0x80, zeros, and the length in bits: one block, or two when fewer than 9 bytes are left.
        withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { block in
            guard let target = block.baseAddress else { return }
            let rest = bytes.count - done
            let blockCount = rest < 56 ? 1 : 2
            memset(target, 0, blockCount * 64)
            if let base = bytes.baseAddress { memcpy(target, base + done, rest) }
            target.storeBytes(of: 0x80, toByteOffset: rest, as: UInt8.self)
            target.storeBytes(of: UInt64(bytes.count) << 3, toByteOffset: blockCount * 64 - 8, as: UInt64.self)
            for index in 0..<blockCount { state.update(UnsafeRawPointer(target) + index * 64) }
        }
        return state.digest
    }

    package static func hash(_ text: String) -> UInt128 {
        var text = text
        return text.withUTF8 { hash(UnsafeRawBufferPointer($0)) }
    }

    private struct State {
        var a: UInt32 = 0x6745_2301
        var b: UInt32 = 0xEFCD_AB89
        var c: UInt32 = 0x98BA_DCFE
        var d: UInt32 = 0x1032_5476

        var digest: UInt128 {
            let high = UInt64(a.byteSwapped) << 32 | UInt64(b.byteSwapped)
            let low = UInt64(c.byteSwapped) << 32 | UInt64(d.byteSwapped)
            return UInt128(high) << 64 | UInt128(low)
        }

        mutating func update(_ block: UnsafeRawPointer) { MD5.rounds(block, &a, &b, &c, &d) }
    }

    @inline(__always)
    private static func turn(_ value: UInt32, _ bits: UInt32) -> UInt32 { value << bits | value >> (32 - bits) }

    @inline(__always)
    private static func f(_ a: inout UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ word: UInt32, _ bits: UInt32, _ k: UInt32) {
        a = b &+ turn(a &+ (d ^ (b & (c ^ d))) &+ word &+ k, bits)
    }

    @inline(__always)
    private static func g(_ a: inout UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ word: UInt32, _ bits: UInt32, _ k: UInt32) {
        a = b &+ turn(a &+ (c ^ (d & (b ^ c))) &+ word &+ k, bits)
    }

    @inline(__always)
    private static func h(_ a: inout UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ word: UInt32, _ bits: UInt32, _ k: UInt32) {
        a = b &+ turn(a &+ (b ^ c ^ d) &+ word &+ k, bits)
    }

    @inline(__always)
    private static func i(_ a: inout UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ word: UInt32, _ bits: UInt32, _ k: UInt32) {
        a = b &+ turn(a &+ (c ^ (b | ~d)) &+ word &+ k, bits)
    }

    /// The 64 steps of RFC 1321, section 3.4, written out.
    private static func rounds(_ block: UnsafeRawPointer, _ aOut: inout UInt32, _ bOut: inout UInt32, _ cOut: inout UInt32, _ dOut: inout UInt32) {
        @inline(__always) func word(_ index: Int) -> UInt32 { block.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self) }
        var a = aOut
        var b = bOut
        var c = cOut
        var d = dOut
        f(&a, b, c, d, word(0), 7, 0xD76A_A478)
        f(&d, a, b, c, word(1), 12, 0xE8C7_B756)
        f(&c, d, a, b, word(2), 17, 0x2420_70DB)
        f(&b, c, d, a, word(3), 22, 0xC1BD_CEEE)
        f(&a, b, c, d, word(4), 7, 0xF57C_0FAF)
        f(&d, a, b, c, word(5), 12, 0x4787_C62A)
        f(&c, d, a, b, word(6), 17, 0xA830_4613)
        f(&b, c, d, a, word(7), 22, 0xFD46_9501)
        f(&a, b, c, d, word(8), 7, 0x6980_98D8)
        f(&d, a, b, c, word(9), 12, 0x8B44_F7AF)
        f(&c, d, a, b, word(10), 17, 0xFFFF_5BB1)
        f(&b, c, d, a, word(11), 22, 0x895C_D7BE)
        f(&a, b, c, d, word(12), 7, 0x6B90_1122)
        f(&d, a, b, c, word(13), 12, 0xFD98_7193)
        f(&c, d, a, b, word(14), 17, 0xA679_438E)
        f(&b, c, d, a, word(15), 22, 0x49B4_0821)
        g(&a, b, c, d, word(1), 5, 0xF61E_2562)
        g(&d, a, b, c, word(6), 9, 0xC040_B340)
        g(&c, d, a, b, word(11), 14, 0x265E_5A51)
        g(&b, c, d, a, word(0), 20, 0xE9B6_C7AA)
        g(&a, b, c, d, word(5), 5, 0xD62F_105D)
        g(&d, a, b, c, word(10), 9, 0x0244_1453)
        g(&c, d, a, b, word(15), 14, 0xD8A1_E681)
        g(&b, c, d, a, word(4), 20, 0xE7D3_FBC8)
        g(&a, b, c, d, word(9), 5, 0x21E1_CDE6)
        g(&d, a, b, c, word(14), 9, 0xC337_07D6)
        g(&c, d, a, b, word(3), 14, 0xF4D5_0D87)
        g(&b, c, d, a, word(8), 20, 0x455A_14ED)
        g(&a, b, c, d, word(13), 5, 0xA9E3_E905)
        g(&d, a, b, c, word(2), 9, 0xFCEF_A3F8)
        g(&c, d, a, b, word(7), 14, 0x676F_02D9)
        g(&b, c, d, a, word(12), 20, 0x8D2A_4C8A)
        h(&a, b, c, d, word(5), 4, 0xFFFA_3942)
        h(&d, a, b, c, word(8), 11, 0x8771_F681)
        h(&c, d, a, b, word(11), 16, 0x6D9D_6122)
        h(&b, c, d, a, word(14), 23, 0xFDE5_380C)
        h(&a, b, c, d, word(1), 4, 0xA4BE_EA44)
        h(&d, a, b, c, word(4), 11, 0x4BDE_CFA9)
        h(&c, d, a, b, word(7), 16, 0xF6BB_4B60)
        h(&b, c, d, a, word(10), 23, 0xBEBF_BC70)
        h(&a, b, c, d, word(13), 4, 0x289B_7EC6)
        h(&d, a, b, c, word(0), 11, 0xEAA1_27FA)
        h(&c, d, a, b, word(3), 16, 0xD4EF_3085)
        h(&b, c, d, a, word(6), 23, 0x0488_1D05)
        h(&a, b, c, d, word(9), 4, 0xD9D4_D039)
        h(&d, a, b, c, word(12), 11, 0xE6DB_99E5)
        h(&c, d, a, b, word(15), 16, 0x1FA2_7CF8)
        h(&b, c, d, a, word(2), 23, 0xC4AC_5665)
        i(&a, b, c, d, word(0), 6, 0xF429_2244)
        i(&d, a, b, c, word(7), 10, 0x432A_FF97)
        i(&c, d, a, b, word(14), 15, 0xAB94_23A7)
        i(&b, c, d, a, word(5), 21, 0xFC93_A039)
        i(&a, b, c, d, word(12), 6, 0x655B_59C3)
        i(&d, a, b, c, word(3), 10, 0x8F0C_CC92)
        i(&c, d, a, b, word(10), 15, 0xFFEF_F47D)
        i(&b, c, d, a, word(1), 21, 0x8584_5DD1)
        i(&a, b, c, d, word(8), 6, 0x6FA8_7E4F)
        i(&d, a, b, c, word(15), 10, 0xFE2C_E6E0)
        i(&c, d, a, b, word(6), 15, 0xA301_4314)
        i(&b, c, d, a, word(13), 21, 0x4E08_11A1)
        i(&a, b, c, d, word(4), 6, 0xF753_7E82)
        i(&d, a, b, c, word(11), 10, 0xBD3A_F235)
        i(&c, d, a, b, word(2), 15, 0x2AD7_D2BB)
        i(&b, c, d, a, word(9), 21, 0xEB86_D391)
        aOut &+= a
        bOut &+= b
        cOut &+= c
        dOut &+= d
    }
}
