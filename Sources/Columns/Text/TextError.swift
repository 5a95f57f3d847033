// TextError: why a text is no value of a type.

/// Trivial on purpose: it is thrown per row on bad input, and becomes words only where a person will read them.
package enum TextError: Error, Sendable, Hashable {
    /// Not the type's grammar.
    case invalid
    /// The grammar is right but the value does not fit the type.
    case outOfRange
    /// More characters than VARCHAR(n) may have.
    case tooLong

    /// In PostgreSQL's words: `invalid input syntax for type BIGINT: "abc"`.
    package func message(text: TextBytes, type: SQLType) -> String {
        switch self {
        case .invalid: "invalid input syntax for type \(type.name): \"\(TextError.excerpt(text))\""
        case .outOfRange: "value \"\(TextError.excerpt(text))\" is out of range for type \(type.name)"
        case .tooLong: "value too long for type \(type.name): \"\(TextError.excerpt(text))\""
        }
    }

    private static let excerptByteCountMax = 64

    /// The text as one line of bounded length: long ones are cut, control characters are replaced.
    package static func excerpt(_ text: TextBytes) -> String {
        var cut = min(text.count, excerptByteCountMax)
        // Do not cut through a character.
        while cut > 0 && cut < text.count && text[cut] & 0xC0 == 0x80 { cut -= 1 }
        var safe = [UInt8]()
        safe.reserveCapacity(cut)
        for index in 0..<cut { safe.append(text[index] < 0x20 || text[index] == 0x7F ? 0x3F : text[index]) }
        return String(decoding: safe, as: UTF8.self) + (cut < text.count ? "…" : "")
    }
}

/// Byte classes shared by the text parsers.
enum ASCII {
    @inline(__always)
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    @inline(__always)
    static func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    /// Whether the text is `word` (written in lower case), whatever its own case.
    static func equals(_ text: TextBytes, _ word: StaticString) -> Bool {
        guard text.count == word.utf8CodeUnitCount else { return false }
        for index in 0..<text.count where lower(text[index]) != word.utf8Start[index] { return false }
        return true
    }

    /// Without the spaces on both sides.
    @inline(__always)
    static func trimmed(_ text: TextBytes) -> TextBytes {
        guard let base = text.baseAddress else { return text }
        var start = 0
        var end = text.count
        while start < end && isSpace(base[start]) { start &+= 1 }
        while end > start && isSpace(base[end &- 1]) { end &-= 1 }
        return TextBytes(start: base + start, count: end &- start)
    }
}
