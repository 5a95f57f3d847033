// Lexer: UTF-8 bytes to tokens, by PostgreSQL's lexical rules.
//
// The lexer looks at bytes, never at characters: every byte with a meaning is ASCII, and every byte from 0x80 on is part of a
// name, as in PostgreSQL, except the spaces of Unicode that come with text copied from a page. It never throws: what it cannot
// read becomes one `.invalid` token, and the first such error is kept in `failure`, so that the parser can report an earlier
// mistake first. The whole source is read once, a statement at a time.
//
// Where a construct has an end that is missing (a string, a quoted name, a comment) the token reaches to the end of the source
// and `openStart` is set: for a prompt that means "go on typing".

struct Lexer {
    let bytes: [UInt8]
    private(set) var position = 0
    /// The first error met since it was last cleared.
    var failure: SQLError?
    /// Where the string, quoted name or comment begins that was still open at the end of the source.
    private(set) var openStart: Int?
    /// The span between `/*+` and `*/` of the hint passed since it was last taken.
    private var hint: SourceSpan?
    /// Whether an END that stands alone ends one of Flink's statement sets, and not a transaction.
    var isInStatementSet = false
    var isOpenAtEnd: Bool { openStart != nil }

    init(_ source: String, from position: Int = 0) {
        bytes = Array(source.utf8)
        self.position = position
    }

    /// The byte at `index`, 0 behind the end: no rule below gives a meaning to a zero byte.
    func byte(_ index: Int) -> UInt8 { index < bytes.count ? bytes[index] : 0 }

    mutating func next() -> Token {
        skipSpace()
        let start = position
        guard start < bytes.count else {
            if isOpenAtEnd { return Token(.invalid, span: SourceSpan(start: start, end: start)) }
            return Token(.end, span: SourceSpan(start: start, end: start))
        }
        let first = bytes[start]
        switch first {
        case UInt8(ascii: "'"):
            return string(from: start, bodyAt: start + 1, hasEscapes: false)
        case UInt8(ascii: "E"), UInt8(ascii: "e"):
            if byte(start + 1) == UInt8(ascii: "'") { return string(from: start, bodyAt: start + 2, hasEscapes: true) }
            return word()
        case UInt8(ascii: "X"), UInt8(ascii: "x"):
            if byte(start + 1) == UInt8(ascii: "'") { return hexadecimal(from: start) }
            return word()
        case UInt8(ascii: "\""), UInt8(ascii: "`"):
            return quotedWord(quote: first)
        case UInt8(ascii: "$"):
            return Self.isDigit(byte(start + 1)) ? parameter() : dollarString()
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            return number()
        case UInt8(ascii: "."):
            if Self.isDigit(byte(start + 1)) { return number() }
            return symbol()
        default:
            return Self.startsWord(first) ? word() : symbol()
        }
    }

    // MARK: Pieces

    mutating func token(_ kind: Token.Kind, from start: Int, to end: Int, text: String) -> Token {
        position = end
        return Token(kind, text: text, span: SourceSpan(start: start, end: end))
    }

    /// Makes the invalid token and notes the error, if it is the first.
    mutating func invalid(_ message: String, from start: Int, to end: Int, hint: String? = nil, code: String = SQLError.syntaxError)
        -> Token {
        let span = SourceSpan(start: start, end: max(start, min(end, bytes.count)))
        if failure == nil { failure = SQLError(message, at: span, hint: hint, code: code) }
        position = max(span.end, min(start + 1, bytes.count))
        return Token(.invalid, span: span)
    }

    /// An opening that is never closed: the token takes the rest of the source, the caret stands under the opening.
    mutating func unterminated(_ message: String, from start: Int, openingLength: Int, hint: String? = nil) -> Token {
        let token = invalid(message, from: start, to: start + openingLength, hint: hint)
        position = bytes.count
        openStart = start
        return token
    }

    func text(_ start: Int, _ end: Int) -> String { String(decoding: bytes[start..<max(start, min(end, bytes.count))], as: UTF8.self) }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"), 0x0B, 0x0C:
                position += 1
            case UInt8(ascii: "-") where byte(position + 1) == UInt8(ascii: "-"):
                while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
            case UInt8(ascii: "/") where byte(position + 1) == UInt8(ascii: "*"):
                skipBlockComment()
            case 0xC2...0xEF:
                let length = Self.unicodeSpaceLength(bytes, at: position)
                if length == 0 { return }
                position += length
            default:
                return
            }
        }
    }

    mutating func takeHint() -> SourceSpan? {
        defer { hint = nil }
        return hint
    }

    /// Block comments nest, as in PostgreSQL, so that a piece of SQL that has comments can be commented out.
    private mutating func skipBlockComment() {
        let start = position
        var openCount = 0
        while position < bytes.count {
            if bytes[position] == UInt8(ascii: "/"), byte(position + 1) == UInt8(ascii: "*") {
                openCount += 1
                position += 2
            } else if bytes[position] == UInt8(ascii: "*"), byte(position + 1) == UInt8(ascii: "/") {
                openCount -= 1
                position += 2
                if openCount == 0 {
                    if byte(start + 2) == UInt8(ascii: "+") { hint = SourceSpan(start: start + 3, end: position - 2) }
                    return
                }
            } else {
                position += 1
            }
        }
        _ = unterminated("this comment has no end", from: start, openingLength: 2)
    }

    private mutating func word() -> Token {
        let start = position
        var end = start
        while end < bytes.count, Self.continuesWord(bytes[end]), Self.unicodeSpaceLength(bytes, at: end) == 0 { end += 1 }
        if end - start > ParserLimits.identifierBytesMax { return tooLong(from: start, to: end) }
        let spelling = text(start, end)
        if let quote = Self.typographicQuote(in: spelling) {
            return invalid("unexpected character \"\(quote)\"", from: start, to: end, hint: "use the plain quotes ' and \"")
        }
        var token = token(.word, from: start, to: end, text: spelling)
        token.keyword = Keyword.find(spelling)
        return token
    }

    private mutating func quotedWord(quote: UInt8) -> Token {
        let start = position
        var content: [UInt8] = []
        var end = start + 1
        while end < bytes.count {
            if bytes[end] == quote {
                if byte(end + 1) == quote {
                    end += 1
                } else {
                    if content.isEmpty { return invalid("a quoted name cannot be empty", from: start, to: end + 1) }
                    if content.count > ParserLimits.identifierBytesMax { return tooLong(from: start, to: end + 1) }
                    return token(.quotedWord, from: start, to: end + 1, text: String(decoding: content, as: UTF8.self))
                }
            }
            content.append(bytes[end])
            end += 1
        }
        return unterminated("this quoted name has no end", from: start, openingLength: 1)
    }

    private mutating func tooLong(from start: Int, to end: Int) -> Token {
        invalid(
            "this name is \(end - start) bytes long, the limit is \(ParserLimits.identifierBytesMax)", from: start, to: end,
            code: SQLError.programLimitExceeded)
    }

    private mutating func symbol() -> Token {
        let start = position
        // The longest symbol wins: `->>` before `->` before `-`.
        for length in [3, 2, 1] where start + length <= bytes.count {
            let spelling = String(decoding: bytes[start..<start + length], as: UTF8.self)
            guard let symbol = Symbol(rawValue: spelling == "!=" ? "<>" : spelling) else { continue }
            if symbol == .equal, byte(start + 1) == UInt8(ascii: "=") {
                return invalid("unexpected \"==\"", from: start, to: start + 2, hint: "one = compares")
            }
            var token = token(.symbol, from: start, to: start + length, text: spelling)
            token.symbol = symbol
            return token
        }
        var end = start + 1
        while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
        let hint: String? = bytes[start] == UInt8(ascii: "!") ? "did you mean NOT?" : nil
        return invalid("unexpected character \(Self.shown(text(start, end)))", from: start, to: end, hint: hint)
    }

    // MARK: Classes of bytes

    static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    static func startsWord(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || byte >= 0x80
            || (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
    }

    static func continuesWord(_ byte: UInt8) -> Bool { startsWord(byte) || isDigit(byte) || byte == UInt8(ascii: "$") }

    /// The bytes of the Unicode space at `index`: no-break, en and em spaces, the ideographic space, the byte order mark. 0 when
    /// it is something else.
    static func unicodeSpaceLength(_ bytes: [UInt8], at index: Int) -> Int {
        guard bytes[index] >= 0xC2 else { return 0 }
        let second = index + 1 < bytes.count ? bytes[index + 1] : 0
        if bytes[index] == 0xC2, second == 0xA0 { return 2 }
        let third = index + 2 < bytes.count ? bytes[index + 2] : 0
        switch (bytes[index], second, third) {
        case (0xE2, 0x80, 0x80...0x8B), (0xE2, 0x80, 0xA8...0xA9), (0xE2, 0x80, 0xAF), (0xE3, 0x80, 0x80), (0xEF, 0xBB, 0xBF): return 3
        default: return 0
        }
    }

    private static func typographicQuote(in spelling: String) -> Character? {
        guard spelling.utf8.contains(0xE2) else { return nil }
        return spelling.first { "\u{2018}\u{2019}\u{201C}\u{201D}\u{201E}".contains($0) }
    }

    /// A character as an error shows it: in quotes, or by number when it cannot be seen.
    private static func shown(_ character: String) -> String {
        guard let scalar = character.unicodeScalars.first, scalar.value >= 0x20, scalar.value != 0x7F else {
            return "number \(character.unicodeScalars.first?.value ?? 0)"
        }
        return "\"\(character)\""
    }
}
