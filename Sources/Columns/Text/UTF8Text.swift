// UTF8Text: what can be said of UTF-8 bytes without making a String of them.

package enum UTF8Text {
    /// Whether the bytes are well-formed UTF-8 (no overlong forms, no surrogates, nothing past U+10FFFF).
    package static func isValid(_ text: TextBytes) -> Bool { firstInvalidByte(text) == nil }

    /// Where the first ill-formed sequence begins.
    package static func firstInvalidByte(_ text: TextBytes) -> Int? {
        guard let base = text.baseAddress else { return nil }
        let count = text.count
        var index = 0
        while index < count {
            // Runs of ASCII eight at a time.
            if index &+ 8 <= count,
                UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self) & 0x8080_8080_8080_8080 == 0
            {
                index &+= 8
                continue
            }
            let byte = base[index]
            if byte < 0x80 {
                index &+= 1
                continue
            }
            // The second byte's range rules out overlong forms, surrogates and too large code points (Unicode, table 3-7).
            let length: Int
            var low: UInt8 = 0x80
            var high: UInt8 = 0xBF
            switch byte {
            case 0xC2...0xDF: length = 2
            case 0xE0:
                length = 3
                low = 0xA0
            case 0xED:
                length = 3
                high = 0x9F
            case 0xE1...0xEF: length = 3
            case 0xF0:
                length = 4
                low = 0x90
            case 0xF4:
                length = 4
                high = 0x8F
            case 0xF1...0xF3: length = 4
            default: return index
            }
            guard index &+ length <= count, base[index &+ 1] >= low, base[index &+ 1] <= high else { return index }
            if length > 2 && base[index &+ 2] & 0xC0 != 0x80 { return index }
            if length > 3 && base[index &+ 3] & 0xC0 != 0x80 { return index }
            index &+= length
        }
        return nil
    }

    /// Characters (code points) of well-formed text.
    package static func characterCount(_ text: TextBytes) -> Int {
        var count = 0
        for byte in text where byte & 0xC0 != 0x80 { count &+= 1 }
        return count
    }

    /// Bytes of the first `characters` characters.
    package static func byteCount(of text: TextBytes, characters: Int) -> Int {
        var left = characters
        for index in 0..<text.count where text[index] & 0xC0 != 0x80 {
            if left <= 0 { return index }
            left &-= 1
        }
        return text.count
    }

    /// Whether the text has more than `limit` characters. O(1) for text of few bytes.
    @inline(__always)
    package static func exceeds(_ text: TextBytes, characters limit: Int) -> Bool {
        text.count > limit && characterCount(text) > limit
    }

    /// Columns on a terminal: two for East Asian wide characters and emoji, none for combining marks. Roughly wcwidth.
    package static func displayWidth(_ text: TextBytes) -> Int {
        var width = 0
        var index = 0
        while index < text.count {
            let byte = text[index]
            if byte < 0x80 {
                width += 1
                index += 1
                continue
            }
            let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
            guard index + length <= text.count else { return width + 1 }
            var scalar = UInt32(byte) & (0x7F >> UInt32(length))
            for offset in 1..<length { scalar = scalar << 6 | UInt32(text[index + offset] & 0x3F) }
            width += scalarWidth(scalar)
            index += length
        }
        return width
    }

    private static func scalarWidth(_ scalar: UInt32) -> Int {
        switch scalar {
        case 0x0300...0x036F, 0x200B...0x200F, 0x20D0...0x20FF, 0xFE00...0xFE0F, 0xFEFF: 0
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
            2
        default: 1
        }
    }
}
