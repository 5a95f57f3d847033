// BytesText: BYTES ⇄ text: `\x` and hexadecimal digits as PostgreSQL writes them, or base64 as JSON does.

package enum BytesText {
    /// `\xHEX`, or base64 (RFC 4648, padding optional), appended to `buffer`. On an error nothing of value is there: truncate.
    package static func parse(_ text: TextBytes, into buffer: ByteBuffer) throws(TextError) {
        if text.count >= 2 && text[0] == 0x5C && text[1] | 0x20 == 0x78 {
            try parseHexadecimal(TextBytes(rebasing: text[2...]), into: buffer)
        } else {
            try parseBase64(text, into: buffer)
        }
    }

    private static func parseHexadecimal(_ text: TextBytes, into buffer: ByteBuffer) throws(TextError) {
        guard text.count & 1 == 0 else { throw .invalid }
        let target = buffer.reserve(text.count / 2)
        for index in 0..<text.count / 2 {
            guard let high = hexadecimalDigit(text[index * 2]), let low = hexadecimalDigit(text[index * 2 + 1]) else { throw .invalid }
            target[index] = high << 4 | low
        }
        buffer.advance(by: text.count / 2)
    }

    @inline(__always)
    static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        if byte &- 0x30 < 10 { return byte &- 0x30 }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : nil
    }

    private static func parseBase64(_ text: TextBytes, into buffer: ByteBuffer) throws(TextError) {
        var end = text.count
        var padding = 0
        while end > 0 && text[end - 1] == 0x3D && padding < 2 {
            end -= 1
            padding += 1
        }
        guard end & 3 != 1, padding == 0 || (end + padding) & 3 == 0 else { throw .invalid }
        let target = buffer.reserve(end / 4 * 3 + 3)
        var written = 0
        var bits: UInt32 = 0
        var bitCount = 0
        for index in 0..<end {
            guard let sextet = base64Value(text[index]) else { throw .invalid }
            bits = bits << 6 | UInt32(sextet)
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                target[written] = UInt8(truncatingIfNeeded: bits >> UInt32(bitCount))
                written += 1
            }
        }
        // The bits that pad the last byte are zero in the canonical form.
        guard bits & ((1 << UInt32(bitCount)) &- 1) == 0 else { throw .invalid }
        buffer.advance(by: written)
    }

    @inline(__always)
    private static func base64Value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x41...0x5A: byte &- 0x41
        case 0x61...0x7A: byte &- 0x61 &+ 26
        case 0x30...0x39: byte &- 0x30 &+ 52
        case 0x2B, 0x2D: 62
        case 0x2F, 0x5F: 63
        default: nil
        }
    }

    package static func appendHexadecimal(_ bytes: TextBytes, to buffer: ByteBuffer) {
        let digits: StaticString = "0123456789abcdef"
        let target = buffer.reserve(bytes.count * 2 + 2)
        target[0] = 0x5C
        target[1] = 0x78
        for index in 0..<bytes.count {
            target[index &* 2 &+ 2] = digits.utf8Start[Int(bytes[index] >> 4)]
            target[index &* 2 &+ 3] = digits.utf8Start[Int(bytes[index] & 15)]
        }
        buffer.advance(by: bytes.count * 2 + 2)
    }

    package static func appendBase64(_ bytes: TextBytes, to buffer: ByteBuffer) {
        let letters = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" as StaticString).utf8Start
        let target = buffer.reserve((bytes.count + 2) / 3 * 4)
        var written = 0
        var index = 0
        while index < bytes.count {
            let left = bytes.count - index
            let a = UInt32(bytes[index])
            let b = left > 1 ? UInt32(bytes[index + 1]) : 0
            let c = left > 2 ? UInt32(bytes[index + 2]) : 0
            let group = a << 16 | b << 8 | c
            target[written] = letters[Int(group >> 18)]
            target[written + 1] = letters[Int(group >> 12 & 63)]
            target[written + 2] = left > 1 ? letters[Int(group >> 6 & 63)] : 0x3D
            target[written + 3] = left > 2 ? letters[Int(group & 63)] : 0x3D
            written += 4
            index += 3
        }
        buffer.advance(by: written)
    }
}
