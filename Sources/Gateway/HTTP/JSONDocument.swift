// JSONDocument: a small JSON document that a client sent, as a tree. For requests that carry options beside their SQL; rows never come here.
// Its bytes are limited by whoever collected them, its depth here.

package indirect enum JSONDocument: Hashable, Sendable {
    case null
    case boolean(Bool)
    /// As it was written.
    case number(String)
    case string(String)
    case array([JSONDocument])
    case object([Member])

    package struct Member: Hashable, Sendable {
        package var name: String
        package var value: JSONDocument
    }

    static let depthMax = 32

    /// Throws status 400 with the byte at which the text is no JSON.
    package init(_ bytes: [UInt8]) throws(HTTPFailure) {
        var reader = Reader(bytes: bytes)
        reader.skipSpace()
        self = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.index == bytes.count else { throw reader.failure("something follows the document") }
    }

    package subscript(name: String) -> JSONDocument? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    private struct Reader {
        let bytes: [UInt8]
        var index = 0

        func failure(_ what: String) -> HTTPFailure { HTTPFailure(400, "the body is no JSON: \(what) at byte \(index + 1)") }

        var current: UInt8? { index < bytes.count ? bytes[index] : nil }

        mutating func skipSpace() {
            while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
        }

        mutating func accept(_ byte: UInt8) -> Bool {
            guard current == byte else { return false }
            index += 1
            return true
        }

        mutating func word(_ text: StaticString, _ value: JSONDocument) throws(HTTPFailure) -> JSONDocument {
            let end = index + text.utf8CodeUnitCount
            guard end <= bytes.count, bytes[index..<end].elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)) else {
                throw failure("an unknown word")
            }
            index = end
            return value
        }

        mutating func value(depth: Int) throws(HTTPFailure) -> JSONDocument {
            guard depth < JSONDocument.depthMax else { throw failure("nested deeper than \(JSONDocument.depthMax) levels") }
            switch current {
            case UInt8(ascii: "{"): return try object(depth: depth)
            case UInt8(ascii: "["): return try array(depth: depth)
            case UInt8(ascii: "\""): return .string(try string())
            case UInt8(ascii: "t"): return try word("true", .boolean(true))
            case UInt8(ascii: "f"): return try word("false", .boolean(false))
            case UInt8(ascii: "n"): return try word("null", .null)
            case nil: throw failure("it ends too early")
            case .some(let byte):
                guard byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { throw failure("expected a value") }
                return .number(try number())
            }
        }

        mutating func object(depth: Int) throws(HTTPFailure) -> JSONDocument {
            index += 1
            var members: [Member] = []
            skipSpace()
            if accept(UInt8(ascii: "}")) { return .object(members) }
            repeat {
                skipSpace()
                guard current == UInt8(ascii: "\"") else { throw failure("expected a name in quotes") }
                let name = try string()
                skipSpace()
                guard accept(UInt8(ascii: ":")) else { throw failure("expected \":\"") }
                skipSpace()
                members.append(Member(name: name, value: try value(depth: depth + 1)))
                skipSpace()
            } while accept(UInt8(ascii: ","))
            guard accept(UInt8(ascii: "}")) else { throw failure("expected \",\" or \"}\"") }
            return .object(members)
        }

        mutating func array(depth: Int) throws(HTTPFailure) -> JSONDocument {
            index += 1
            var elements: [JSONDocument] = []
            skipSpace()
            if accept(UInt8(ascii: "]")) { return .array(elements) }
            repeat {
                skipSpace()
                elements.append(try value(depth: depth + 1))
                skipSpace()
            } while accept(UInt8(ascii: ","))
            guard accept(UInt8(ascii: "]")) else { throw failure("expected \",\" or \"]\"") }
            return .array(elements)
        }

        mutating func number() throws(HTTPFailure) -> String {
            let start = index
            func isDigit(_ byte: UInt8?) -> Bool { byte.map { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? false }
            _ = accept(UInt8(ascii: "-"))
            if !accept(UInt8(ascii: "0")) {
                guard isDigit(current) else { throw failure("expected a digit") }
                while isDigit(current) { index += 1 }
            }
            if accept(UInt8(ascii: ".")) {
                guard isDigit(current) else { throw failure("expected a digit") }
                while isDigit(current) { index += 1 }
            }
            if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
                index += 1
                if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { index += 1 }
                guard isDigit(current) else { throw failure("expected a digit") }
                while isDigit(current) { index += 1 }
            }
            return String(decoding: bytes[start..<index], as: UTF8.self)
        }

        mutating func string() throws(HTTPFailure) -> String {
            index += 1
            var text: [UInt8] = []
            while let byte = current {
                index += 1
                switch byte {
                case UInt8(ascii: "\""):
                    guard let string = String(validating: text, as: UTF8.self) else { throw failure("a text that is not UTF-8") }
                    return string
                case UInt8(ascii: "\\"):
                    guard let escape = current else { throw failure("it ends too early") }
                    index += 1
                    switch escape {
                    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
                    case UInt8(ascii: "n"): text.append(0x0A)
                    case UInt8(ascii: "r"): text.append(0x0D)
                    case UInt8(ascii: "t"): text.append(0x09)
                    case UInt8(ascii: "b"): text.append(0x08)
                    case UInt8(ascii: "f"): text.append(0x0C)
                    case UInt8(ascii: "u"): text += String(try scalar()).utf8
                    default: throw failure("an unknown escape")
                    }
                case 0..<0x20: throw failure("a control character in a text")
                default: text.append(byte)
                }
            }
            throw failure("a text that does not end")
        }

        mutating func scalar() throws(HTTPFailure) -> Character {
            var unit = try unit()
            if (0xD800..<0xDC00).contains(unit), accept(UInt8(ascii: "\\")), accept(UInt8(ascii: "u")) {
                let low = try self.unit()
                guard (0xDC00..<0xE000).contains(low) else { throw failure("half of a surrogate pair") }
                unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(unit) else { throw failure("half of a surrogate pair") }
            return Character(scalar)
        }

        mutating func unit() throws(HTTPFailure) -> UInt32 {
            guard index + 4 <= bytes.count else { throw failure("it ends too early") }
            var unit: UInt32 = 0
            for byte in bytes[index..<index + 4] {
                guard let digit = HTTPText.hexadecimal(byte) else { throw failure("expected four hexadecimal digits") }
                unit = unit << 4 | UInt32(digit)
            }
            index += 4
            return unit
        }
    }
}
