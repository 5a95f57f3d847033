// Lexer+Literals: strings in their four spellings, bytes, and numbers.

extension Lexer {
    /// `'it''s'`, `E'tab\t'`; pieces that stand on lines of their own are one string, as the standard has it.
    mutating func string(from start: Int, bodyAt: Int, hasEscapes: Bool) -> Token {
        var content: [UInt8] = []
        var end = bodyAt
        while end < bytes.count {
            let current = bytes[end]
            if current == UInt8(ascii: "'") {
                if byte(end + 1) == UInt8(ascii: "'") {
                    content.append(current)
                    end += 2
                } else if let continuation = continuedString(after: end + 1) {
                    end = continuation
                } else {
                    return finishString(content, from: start, to: end + 1)
                }
            } else if hasEscapes, current == UInt8(ascii: "\\") {
                guard end + 1 < bytes.count else { break }
                guard let length = appendEscape(at: end, to: &content) else {
                    return invalid("this escape sequence is not valid", from: end, to: end + 2)
                }
                end += length
            } else {
                content.append(current)
                end += 1
            }
        }
        return unterminated(
            "this string has no end", from: start, openingLength: bodyAt - start, hint: "a quote inside a string is written twice: 'it''s'")
    }

    private mutating func finishString(_ content: [UInt8], from start: Int, to end: Int) -> Token {
        guard let text = String(validating: content, as: UTF8.self) else {
            return invalid("the escapes of this string do not give valid UTF-8", from: start, to: end)
        }
        return token(.string, from: start, to: end, text: text)
    }

    /// Where the next piece's content begins when only space with a line break lies between two strings.
    private func continuedString(after index: Int) -> Int? {
        var next = index
        var hasLineBreak = false
        while next < bytes.count {
            switch bytes[next] {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"): hasLineBreak = true
            case UInt8(ascii: " "), UInt8(ascii: "\t"): break
            case UInt8(ascii: "'"): return hasLineBreak ? next + 1 : nil
            default: return nil
            }
            next += 1
        }
        return nil
    }

    /// Reads `\n`, `\101`, `\x41`, `\u0041`, `\U00000041`; returns how many bytes it took, nil when it is none.
    private func appendEscape(at index: Int, to content: inout [UInt8]) -> Int? {
        let letter = byte(index + 1)
        switch letter {
        case UInt8(ascii: "b"): content.append(8)
        case UInt8(ascii: "f"): content.append(12)
        case UInt8(ascii: "n"): content.append(10)
        case UInt8(ascii: "r"): content.append(13)
        case UInt8(ascii: "t"): content.append(9)
        case UInt8(ascii: "x"):
            let (value, count) = digits(from: index + 2, radix: 16, atMost: 2)
            guard count > 0, value > 0 else { return nil }
            content.append(UInt8(truncatingIfNeeded: value))
            return 2 + count
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            let (value, count) = digits(from: index + 1, radix: 8, atMost: 3)
            guard value > 0, value < 256 else { return nil }
            content.append(UInt8(truncatingIfNeeded: value))
            return 1 + count
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let length = letter == UInt8(ascii: "u") ? 4 : 8
            let (value, count) = digits(from: index + 2, radix: 16, atMost: length)
            guard count == length, value > 0, let scalar = Unicode.Scalar(value) else { return nil }
            content.append(contentsOf: Array(String(scalar).utf8))
            return 2 + length
        default:
            // Any other character stands for itself; one of more bytes goes on in the caller.
            content.append(letter)
        }
        return 2
    }

    private func digits(from index: Int, radix: UInt32, atMost count: Int) -> (value: UInt32, count: Int) {
        var value: UInt32 = 0
        var taken = 0
        while taken < count, let digit = Self.hexadecimalValue(byte(index + taken)), digit < radix {
            value = value &* radix &+ digit
            taken += 1
        }
        return (value, taken)
    }

    static func hexadecimalValue(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte &- UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte &- UInt8(ascii: "a") &+ 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte &- UInt8(ascii: "A") &+ 10)
        default: nil
        }
    }

    /// `X'CAFE'`.
    mutating func hexadecimal(from start: Int) -> Token {
        var end = start + 2
        while end < bytes.count, bytes[end] != UInt8(ascii: "'") {
            guard Self.hexadecimalValue(bytes[end]) != nil else {
                return invalid("only hexadecimal digits can stand in X'...'", from: end, to: end + 1)
            }
            end += 1
        }
        guard end < bytes.count else { return unterminated("this string has no end", from: start, openingLength: 2) }
        guard (end - start) % 2 == 0 else {
            return invalid("X'...' needs an even number of digits", from: start, to: end + 1)
        }
        return token(.bytes, from: start, to: end + 1, text: text(start + 2, end))
    }

    /// `$$text$$`, `$tag$text$tag$`: nothing inside has a meaning.
    mutating func dollarString() -> Token {
        let start = position
        var tagEnd = start + 1
        while tagEnd < bytes.count, Self.continuesWord(bytes[tagEnd]), bytes[tagEnd] != UInt8(ascii: "$") { tagEnd += 1 }
        guard byte(tagEnd) == UInt8(ascii: "$"), !Self.isDigit(byte(start + 1)) else {
            var token = token(.symbol, from: start, to: start + 1, text: "$")
            token.symbol = .dollar
            return token
        }
        let tag = bytes[start...tagEnd]
        let bodyStart = tagEnd + 1
        var end = bodyStart
        while end < bytes.count {
            if bytes[end] == UInt8(ascii: "$"), bytes.count - end >= tag.count, bytes[end..<end + tag.count].elementsEqual(tag) {
                return token(.string, from: start, to: end + tag.count, text: text(bodyStart, end))
            }
            end += 1
        }
        return unterminated("this string has no end", from: start, openingLength: tag.count)
    }

    /// `$1`: an argument by its number.
    mutating func parameter() -> Token {
        let start = position
        var end = start + 1
        while Self.isDigit(byte(end)) { end += 1 }
        guard end - start <= 6, !Self.continuesWord(byte(end)) else {
            while Self.continuesWord(byte(end)) { end += 1 }
            return invalid("\"\(Self.shortened(text(start, end)))\" is no argument's number", from: start, to: end)
        }
        return token(.parameter, from: start, to: end, text: text(start, end))
    }

    /// `1`, `1_000`, `1.5`, `.5`, `1.`, `1e3`. The text of a decimal gets the digit that may be missing on either side of its point.
    mutating func number() -> Token {
        let start = position
        var end = start
        var digits = ""
        var kind = Token.Kind.integer
        func takeDigits() {
            while true {
                // An underscore stands between two digits.
                let isUnderscore = byte(end) == UInt8(ascii: "_") && end > start && Self.isDigit(byte(end - 1))
                guard Self.isDigit(byte(end)) || (isUnderscore && Self.isDigit(byte(end + 1))) else { return }
                if byte(end) != UInt8(ascii: "_") { digits.unicodeScalars.append(Unicode.Scalar(byte(end))) }
                end += 1
            }
        }
        takeDigits()
        if byte(end) == UInt8(ascii: ".") {
            kind = .decimal
            if digits.isEmpty { digits = "0" }
            digits += "."
            end += 1
            if Self.isDigit(byte(end)) { takeDigits() } else { digits += "0" }
        }
        if byte(end) | 0x20 == UInt8(ascii: "e") {
            let hasSign = byte(end + 1) == UInt8(ascii: "+") || byte(end + 1) == UInt8(ascii: "-")
            if Self.isDigit(byte(end + (hasSign ? 2 : 1))) {
                kind = .double
                digits += text(end, end + (hasSign ? 2 : 1))
                end += hasSign ? 2 : 1
                takeDigits()
            }
        }
        if Self.continuesWord(byte(end)), Self.unicodeSpaceLength(bytes, at: end) == 0 {
            while end < bytes.count, Self.continuesWord(bytes[end]) { end += 1 }
            return invalid(
                "a number cannot go on with letters: \"\(Self.shortened(text(start, end)))\"", from: start, to: end,
                hint: "put a space behind the number, or quote the text")
        }
        return token(kind, from: start, to: end, text: digits)
    }

    static func shortened(_ text: String) -> String { text.count > 40 ? text.prefix(40) + "..." : text }
}
