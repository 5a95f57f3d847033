// JSONValidator: whether a text is one JSON value.
//
// Linear and without recursion: what is open is a bit per level (1: an object), so that hostile nesting costs neither stack nor time.

package enum JSONValidator {
    /// Objects and arrays inside one another.
    package static let depthMax = 512

    /// The byte at which the text stops being JSON (RFC 8259, spaces around it allowed); nil when all of it is one value.
    package static func fault(_ text: TextBytes) -> Int? {
        guard let base = text.baseAddress else { return 0 }
        var scan = Scan(base: base, count: text.count)
        return scan.value() ? nil : min(scan.position, text.count)
    }

    private struct Scan {
        let base: UnsafePointer<UInt8>
        let count: Int
        var position = 0
        var depth = 0
        /// Bit `level` says whether that level is an object.
        var isObject = SIMD8<UInt64>(repeating: 0)

        init(base: UnsafePointer<UInt8>, count: Int) {
            self.base = base
            self.count = count
        }

        /// The byte at the position; a byte that JSON has no use for past the end.
        @inline(__always)
        var byte: UInt8 { position < count ? base[position] : 0 }

        @inline(__always)
        mutating func skipSpaces() {
            while position < count {
                let byte = base[position]
                guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
                position &+= 1
            }
        }

        mutating func value() -> Bool {
            while true {
                skipSpaces()
                switch byte {
                case 0x7B, 0x5B:
                    let opensObject = byte == 0x7B
                    guard depth < JSONValidator.depthMax else { return false }
                    let bit: UInt64 = 1 << UInt64(depth & 63)
                    if opensObject { isObject[depth >> 6] |= bit } else { isObject[depth >> 6] &= ~bit }
                    depth += 1
                    position += 1
                    skipSpaces()
                    if byte == (opensObject ? 0x7D : 0x5D) {
                        depth -= 1
                        position += 1
                        break
                    }
                    if opensObject { guard key() else { return false } }
                    continue
                case 0x22: guard string() else { return false }
                case 0x2D, 0x30...0x39: guard number() else { return false }
                case 0x74: guard literal("true") else { return false }
                case 0x66: guard literal("false") else { return false }
                case 0x6E: guard literal("null") else { return false }
                default: return false
                }
                // A value has ended: close what ends with it, and find the next one.
                closing: while true {
                    skipSpaces()
                    if depth == 0 { return position == count }
                    let inObject = isObject[(depth - 1) >> 6] & (1 << UInt64((depth - 1) & 63)) != 0
                    switch byte {
                    case 0x2C:
                        position += 1
                        if inObject {
                            skipSpaces()
                            guard key() else { return false }
                        }
                        break closing
                    case 0x7D where inObject, 0x5D where !inObject:
                        depth -= 1
                        position += 1
                    default: return false
                    }
                }
            }
        }

        /// A string and its colon.
        mutating func key() -> Bool {
            guard byte == 0x22, string() else { return false }
            skipSpaces()
            guard byte == 0x3A else { return false }
            position += 1
            return true
        }

        mutating func string() -> Bool {
            position += 1
            while position < count {
                let byte = base[position]
                switch byte {
                case 0x22:
                    position += 1
                    return true
                case 0x5C:
                    position += 1
                    switch self.byte {
                    case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: position += 1
                    case 0x75:
                        position += 1
                        for _ in 0..<4 {
                            guard BytesText.hexadecimalDigit(self.byte) != nil else { return false }
                            position += 1
                        }
                    default: return false
                    }
                case 0..<0x20: return false
                default: position &+= 1
                }
            }
            return false
        }

        mutating func digits() -> Bool {
            let start = position
            while byte &- 0x30 < 10 { position += 1 }
            return position > start
        }

        mutating func number() -> Bool {
            if byte == 0x2D { position += 1 }
            if byte == 0x30 { position += 1 } else { guard digits() else { return false } }
            if byte == 0x2E {
                position += 1
                guard digits() else { return false }
            }
            if byte | 0x20 == 0x65 {
                position += 1
                if byte == 0x2B || byte == 0x2D { position += 1 }
                guard digits() else { return false }
            }
            return true
        }

        mutating func literal(_ word: StaticString) -> Bool {
            for index in 0..<word.utf8CodeUnitCount {
                guard byte == word.utf8Start[index] else { return false }
                position += 1
            }
            return true
        }
    }
}
