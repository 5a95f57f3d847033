// The digest that md5() shows.

import Platform

extension MD5 {
    static func appendHexadecimal(of bytes: Bytes, to writer: inout TextWriter) {
        let digest = hash(UnsafeRawBufferPointer(bytes))
        for place in 0..<32 {
            writer.append(Text.hexadecimal(UInt8(truncatingIfNeeded: digest >> UInt128(124 - place * 4)) & 15))
        }
    }
}
