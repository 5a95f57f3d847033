// JSONFault+Reason: faults in words.

extension JSONFault {
    /// The sentence for a bad row. `line` is the line without its end; `names` and `types` are those of the slots.
    func reason(line: TextBytes, names: [String], types: [SQLType], limits: DecodingLimits) -> String {
        let place = " at byte \(column(in: line) ?? 1)"
        guard slotIndex >= 0 && slotIndex < names.count else { return general(line, limits) + (code.hasPlace ? place : "") }
        let type = types[slotIndex].name
        let start = "column \"\(names[slotIndex])\": "
        switch code {
        case .text: return start + textReason(line, type) + place
        case .notInteger: return start + "number \(token(line)) is no whole number, as \(type) needs" + place
        case .mismatch: return start + "expected \(type), found \(found(line))" + place
        case .isNull: return start + "null is not allowed" + place
        case .isMissing: return start + "is missing, and NULL is not allowed"
        default: return start + general(line, limits) + place
        }
    }

    /// From 1; nil when the fault is outside the line.
    func column(in line: TextBytes) -> Int? {
        guard let base = line.baseAddress, position >= base, position <= base + line.count, code.hasPlace else { return nil }
        return position - base + 1
    }

    private func textReason(_ line: TextBytes, _ type: String) -> String {
        let isString = position.pointee == 0x22
        let shown = isString ? "\"\(token(line, inner: true))\"" : token(line)
        let what = isString ? "text" : "number"
        switch text {
        case .invalid: return "\(what) \(shown) is no valid \(type)"
        case .outOfRange: return "\(what) \(shown) is out of range for \(type)"
        case .tooLong: return "\(what) \(shown) is too long for \(type)"
        }
    }

    private func general(_ line: TextBytes, _ limits: DecodingLimits) -> String {
        switch code {
        case .notAnObject: "expected a JSON object, found \(found(line))"
        case .notAKey: "expected a key in double quotes, found \(found(line))"
        case .noColon: "expected \":\" after a key, found \(found(line))"
        case .noCommaOrBrace: "expected \",\" or \"}\", found \(found(line))"
        case .noCommaOrBracket: "expected \",\" or \"]\", found \(found(line))"
        case .notAValue: "expected a value, found \(found(line))"
        case .badNumber: "\(token(line)) is no JSON number"
        case .badLiteral: "expected true, false or null, found \(found(line))"
        case .badEscape: "invalid escape in a string"
        case .loneSurrogate: "half of a surrogate pair in a string"
        case .controlCharacter: "control character in a string"
        case .unterminated: "string without an end"
        case .tooDeep: "more than \(limits.depthMax) levels of objects and arrays"
        case .trailing: "expected the end of the line, found \(found(line))"
        case .invalidUTF8: "invalid UTF-8"
        case .lineTooLong: "line is longer than \(limits.lineByteCountMax) bytes"
        case .noOperation: "a change event needs an \"op\""
        case .badOperation: "the \"op\" of a change event is none of \"c\", \"r\", \"u\" and \"d\""
        case .noBefore:
            "the row \"before\" the change is missing (the database must log whole rows, in PostgreSQL REPLICA IDENTITY FULL; or use changelog = 'upsert' and a PRIMARY KEY)"
        case .noAfter: "the row \"after\" the change is missing"
        case .mismatch, .notInteger, .text, .isNull, .isMissing: "unexpected \(found(line))"
        }
    }

    /// The offending bytes.
    private func token(_ line: TextBytes, inner: Bool = false) -> String {
        guard let base = line.baseAddress, position >= base, end <= base + line.count, end > position else { return "" }
        let start = position + (inner ? 1 : 0)
        return TextError.excerpt(TextBytes(start: start, count: max(0, end - start - (inner ? 1 : 0))))
    }

    /// What stands at the fault's place, as a person would say it.
    private func found(_ line: TextBytes) -> String {
        guard let base = line.baseAddress, position >= base, position < base + line.count else { return "the end of the line" }
        let rest = TextBytes(start: position, count: base + line.count - position)
        switch rest[0] {
        case 0x0D where rest.count == 1: return "the end of the line"
        case 0x7B: return "an object"
        case 0x5B: return "an array"
        case 0x22: return "a string"
        case 0x2D, 0x30...0x39:
            var count = 1
            while count < rest.count, JSONFault.isNumberByte(rest[count]) { count += 1 }
            return "number " + TextError.excerpt(TextBytes(start: position, count: count))
        case 0x41...0x5A, 0x61...0x7A:
            var count = 1
            while count < rest.count, (rest[count] | 0x20) &- 0x61 < 26 || ASCII.isDigit(rest[count]) || rest[count] == 0x5F { count += 1 }
            return TextError.excerpt(TextBytes(start: position, count: count))
        default:
            var count = 1
            while count < rest.count, count < 4, rest[count] & 0xC0 == 0x80 { count += 1 }
            return "\"" + TextError.excerpt(TextBytes(start: position, count: count)) + "\""
        }
    }

    private static func isNumberByte(_ byte: UInt8) -> Bool {
        ASCII.isDigit(byte) || byte == 0x2E || byte | 0x20 == 0x65 || byte == 0x2B || byte == 0x2D
    }
}

extension JSONFault.Code {
    fileprivate var hasPlace: Bool {
        switch self {
        case .lineTooLong, .isMissing, .noOperation, .badOperation, .noBefore, .noAfter: false
        default: true
        }
    }
}
