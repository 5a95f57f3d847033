// JSONValue: a JSON value in memory, walked where it lies.
//
// The text was checked when it became JSON, but nothing here relies on it: every step is checked against the end, so that bytes which are
// no JSON give a wrong answer and never a wrong address. Nothing recurses; a look-up reads the text of its container once.

import Columns
import Glibc

struct JSONValue {
    enum Kind: String { case object, array, string, number, boolean, null }

    let base: UnsafePointer<UInt8>
    let count: Int

    /// Without the spaces around it.
    init(_ view: StringView) { self.init(view.pointer, view.count) }

    init(_ base: UnsafePointer<UInt8>, _ count: Int) {
        var start = 0
        var end = count
        while start < end, JSONValue.isSpace(base[start]) { start += 1 }
        while end > start, JSONValue.isSpace(base[end - 1]) { end -= 1 }
        self.base = base + start
        self.count = end - start
    }

    @inline(__always)
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

    var kind: Kind {
        switch count > 0 ? base[0] : 0 {
        case 0x7B: .object
        case 0x5B: .array
        case 0x22: .string
        case 0x74, 0x66: .boolean
        case 0x6E: .null
        default: .number
        }
    }

    var isContainer: Bool { count > 0 && (base[0] == 0x7B || base[0] == 0x5B) }
    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: count) }
    var view: StringView { count == 0 ? .empty : StringView(base, count: count) }

    /// Of a string: what stands between the quotes, escapes as they are.
    var stringContent: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base + 1, count: max(count - 2, 0)) }

    // MARK: Walking

    private func skipSpaces(_ start: Int) -> Int {
        var p = start
        while p < count, JSONValue.isSpace(base[p]) { p += 1 }
        return p
    }

    /// Behind the string that begins at `start` (with its quote).
    private func skipString(_ start: Int) -> Int {
        var p = start + 1
        while p < count {
            if base[p] == 0x22 { return p + 1 }
            p += base[p] == 0x5C ? 2 : 1
        }
        return count
    }

    /// Behind the value that begins at `start`; always further than `start` unless that is the end.
    private func skipValue(_ start: Int) -> Int {
        guard start < count else { return count }
        switch base[start] {
        case 0x22: return skipString(start)
        case 0x7B, 0x5B:
            var depth = 0
            var p = start
            while p < count {
                switch base[p] {
                case 0x22:
                    p = skipString(p)
                    continue
                case 0x7B, 0x5B: depth += 1
                case 0x7D, 0x5D:
                    depth -= 1
                    if depth == 0 { return p + 1 }
                default: break
                }
                p += 1
            }
            return count
        default:
            var p = start + 1
            while p < count, base[p] != 0x2C, base[p] != 0x7D, base[p] != 0x5D, !JSONValue.isSpace(base[p]) { p += 1 }
            return p
        }
    }

    /// The elements of an array in order, until the body says false.
    func forEachElement(_ body: (JSONValue) -> Bool) {
        guard kind == .array else { return }
        var p = skipSpaces(1)
        while p < count, base[p] != 0x5D {
            let end = skipValue(p)
            guard end > p, body(JSONValue(base + p, end - p)) else { return }
            p = skipSpaces(end)
            guard p < count, base[p] == 0x2C else { return }
            p = skipSpaces(p + 1)
        }
    }

    /// The members of an object in order, the key as a JSON string, until the body says false.
    func forEachMember(_ body: (_ key: JSONValue, _ value: JSONValue) -> Bool) {
        guard kind == .object else { return }
        var p = skipSpaces(1)
        while p < count, base[p] == 0x22 {
            let keyEnd = skipString(p)
            let key = JSONValue(base + p, keyEnd - p)
            p = skipSpaces(keyEnd)
            guard p < count, base[p] == 0x3A else { return }
            p = skipSpaces(p + 1)
            let end = skipValue(p)
            guard end > p, body(key, JSONValue(base + p, end - p)) else { return }
            p = skipSpaces(end)
            guard p < count, base[p] == 0x2C else { return }
            p = skipSpaces(p + 1)
        }
    }

    /// The value of the last member of that name.
    func member(_ name: UnsafeBufferPointer<UInt8>) -> JSONValue? {
        var found: JSONValue?
        forEachMember { key, value in
            if key.isString(equal: name) { found = value }
            return true
        }
        return found
    }

    /// An element from 0; from the end when negative (-1 is the last).
    func element(_ index: Int) -> JSONValue? {
        var wanted = index
        if index < 0 {
            let length = elementCount
            guard index >= -length else { return nil }
            wanted = length + index
        }
        var found: JSONValue?
        var position = 0
        forEachElement { value in
            if position == wanted {
                found = value
                return false
            }
            position += 1
            return true
        }
        return found
    }

    var elementCount: Int {
        var result = 0
        forEachElement { _ in
            result += 1
            return true
        }
        return result
    }

    // MARK: Strings

    func isString(equal other: UnsafeBufferPointer<UInt8>) -> Bool {
        let content = stringContent
        guard let start = content.baseAddress, memchr(start, 0x5C, content.count) != nil else {
            guard content.count == other.count else { return false }
            guard let a = content.baseAddress, let b = other.baseAddress else { return true }
            return memcmp(a, b, content.count) == 0
        }
        var text: [UInt8] = []
        JSONValue.unescape(content) { text.append($0) }
        return text.elementsEqual(other)
    }

    /// The text of a scalar: a string's content, a number or a boolean as written. False for null; a container is written as it is.
    func writeScalar(to writer: inout TextWriter) -> Bool {
        switch kind {
        case .null: return false
        case .string:
            let content = stringContent
            if let start = content.baseAddress, memchr(start, 0x5C, content.count) == nil {
                writer.share(content.count == 0 ? .empty : StringView(start, count: content.count))
            } else {
                JSONValue.unescape(content) { writer.append($0) }
            }
        default: writer.share(view)
        }
        return true
    }

    /// The same as an array of bytes.
    var scalarBytes: [UInt8]? {
        switch kind {
        case .null: return nil
        case .string:
            var text: [UInt8] = []
            JSONValue.unescape(stringContent) { text.append($0) }
            return text
        default: return Array(bytes)
        }
    }

    /// Half of a surrogate pair becomes U+FFFD.
    static func unescape(_ text: UnsafeBufferPointer<UInt8>, _ put: (UInt8) -> Void) {
        func hexadecimal(_ start: Int) -> UInt32? {
            guard start + 4 <= text.count else { return nil }
            var value: UInt32 = 0
            for index in start..<start + 4 {
                guard let digit = Character(Unicode.Scalar(text[index])).hexDigitValue else { return nil }
                value = value << 4 | UInt32(digit)
            }
            return value
        }
        var p = 0
        while p < text.count {
            let byte = text[p]
            guard byte == 0x5C, p + 1 < text.count else {
                put(byte)
                p += 1
                continue
            }
            let letter = text[p + 1]
            p += 2
            switch letter {
            case 0x6E: put(0x0A)
            case 0x74: put(0x09)
            case 0x72: put(0x0D)
            case 0x62: put(0x08)
            case 0x66: put(0x0C)
            case 0x75:
                guard var scalar = hexadecimal(p) else { continue }
                p += 4
                if scalar & 0xFC00 == 0xD800, p + 1 < text.count, text[p] == 0x5C, text[p + 1] == 0x75, let low = hexadecimal(p + 2),
                    low & 0xFC00 == 0xDC00
                {
                    scalar = 0x10000 + ((scalar & 0x3FF) << 10 | (low & 0x3FF))
                    p += 6
                }
                for byte in UTF8.encode(Unicode.Scalar(scalar) ?? "\u{FFFD}") ?? UTF8.encodedReplacementCharacter { put(byte) }
            default: put(letter)
            }
        }
    }
}
