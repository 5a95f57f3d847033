// EncodingKernels: bytes as text and text as bytes: hexadecimal, base64, escapes, character sets; numbers in other bases.

import Columns
import Planning

enum EncodingKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .toHex: return hexadecimal(request, isUpper: false)
        case .toUpperHex: return hexadecimal(request, isUpper: true)
        case .toOctal: return digits(request, bits: 3, isUpper: false)
        case .toBinary: return digits(request, bits: 1, isUpper: false)
        case .unhex:
            return { call in
                let a = call.operands[0].strings
                return call.texts { row, writer in appendUnhex(call, row, a[row].bytes, ignoresSpace: false, &writer) }
            }
        case .encodeBytes: return { call in encode(call) }
        case .decodeBytes: return { call in decode(call) }
        case .textToBytes:
            return { call in
                let (text, name) = (call.operands[0].strings, call.operands[1].strings)
                return call.texts { row, writer in
                    guard let set = characterSet(call, row, name[row]) else { return false }
                    return set.append(text: text[row].bytes, call, row, &writer)
                }
            }
        case .bytesToText:
            return { call in
                let (bytes, name) = (call.operands[0].strings, call.operands[1].strings)
                return call.texts { row, writer in
                    guard let set = characterSet(call, row, name[row]) else { return false }
                    return set.append(bytes: bytes[row].bytes, call, row, &writer)
                }
            }
        case .toBase64:
            return { call in
                let a = call.operands[0].strings
                let buffer = ByteBuffer()
                return call.texts { row, writer in
                    if a[row].count > TextKernels.byteCountMax / 2 { return TextKernels.tooLong(call, row) }
                    buffer.clear()
                    BytesText.appendBase64(a[row].bytes, to: buffer)
                    writer.append(buffer.text)
                    return true
                }
            }
        case .fromBase64:
            return { call in
                let a = call.operands[0].strings
                let buffer = ByteBuffer()
                return call.texts { row, writer in
                    guard decodeBase64(a[row].bytes, buffer) else {
                        call.fail(row, "invalid base64: \"\(TextError.excerpt(a[row].bytes))\"")
                        return false
                    }
                    guard UTF8Text.isValid(buffer.text) else {
                        call.fail(row, "the base64 holds bytes that are no text in UTF-8")
                        return false
                    }
                    writer.append(buffer.text)
                    return true
                }
            }
        default: return nil
        }
    }

    // MARK: Digits

    private static func hexadecimal(_ request: KernelRequest, isUpper: Bool) -> Kernel? {
        if request.arguments.first?.isInteger == true { return digits(request, bits: 4, isUpper: isUpper) }
        return { call in
            let a = call.operands[0].strings
            return call.texts { row, writer in
                let bytes = a[row].bytes
                if bytes.count > TextKernels.byteCountMax / 2 { return TextKernels.tooLong(call, row) }
                for byte in bytes {
                    writer.append(digit(byte >> 4, isUpper))
                    writer.append(digit(byte & 15, isUpper))
                }
                return true
            }
        }
    }

    @inline(__always)
    private static func digit(_ value: UInt8, _ isUpper: Bool) -> UInt8 {
        value < 10 ? 0x30 &+ value : (isUpper ? 0x37 : 0x57) &+ value
    }

    /// An integer in base 2, 8 or 16, negative ones as two's complement of their width.
    private static func digits(_ request: KernelRequest, bits: Int, isUpper: Bool) -> Kernel? {
        let isWide = request.arguments.first == .bigint
        return { call in
            let a = call.operands[0].int64s
            return call.texts { row, writer in
                let value = isWide ? UInt64(bitPattern: a[row]) : UInt64(UInt32(truncatingIfNeeded: a[row]))
                var shift = value == 0 ? 0 : (63 - value.leadingZeroBitCount) / bits * bits
                while shift >= 0 {
                    writer.append(digit(UInt8(truncatingIfNeeded: value >> UInt64(shift)) & (1 << UInt8(bits) - 1), isUpper))
                    shift -= bits
                }
                return true
            }
        }
    }

    static func hexadecimalValue(_ byte: UInt8) -> UInt8? {
        if byte &- 0x30 < 10 { return byte &- 0x30 }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : nil
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

    private static func appendUnhex(_ call: KernelCall, _ row: Int, _ text: Bytes, ignoresSpace: Bool, _ writer: inout TextWriter) -> Bool {
        var high: UInt8?
        for byte in text {
            if ignoresSpace && isSpace(byte) { continue }
            guard let value = hexadecimalValue(byte) else {
                call.fail(row, "invalid hexadecimal digit in \"\(TextError.excerpt(text))\"")
                return false
            }
            if let first = high {
                writer.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        if high != nil {
            call.fail(row, "an odd number of hexadecimal digits: \"\(TextError.excerpt(text))\"")
            return false
        }
        return true
    }

    // MARK: PostgreSQL's encode and decode

    private enum Form { case hexadecimal, base64, escape }

    private static func form(_ call: KernelCall, _ row: Int, _ name: StringView) -> Form? {
        switch name.string.lowercased() {
        case "hex": return .hexadecimal
        case "base64": return .base64
        case "escape": return .escape
        default:
            call.fail(row, "unrecognized encoding: \"\(TextError.excerpt(name.bytes))\"; there are hex, base64 and escape")
            return nil
        }
    }

    private static func encode(_ call: KernelCall) -> Column {
        let (bytes, name) = (call.operands[0].strings, call.operands[1].strings)
        let buffer = ByteBuffer()
        return call.texts { row, writer in
            guard let form = form(call, row, name[row]) else { return false }
            let source = bytes[row].bytes
            if source.count > TextKernels.byteCountMax / 4 { return TextKernels.tooLong(call, row) }
            switch form {
            case .hexadecimal:
                for byte in source {
                    writer.append(digit(byte >> 4, false))
                    writer.append(digit(byte & 15, false))
                }
            case .base64:
                buffer.clear()
                BytesText.appendBase64(source, to: buffer)
                let text = buffer.text
                var start = 0
                while start < text.count {
                    let end = min(start + 76, text.count)
                    writer.append(Bytes(rebasing: text[start..<end]))
                    // As in PostgreSQL every full line is ended, the last one too.
                    if end - start == 76 { writer.append(0x0A) }
                    start = end
                }
            case .escape:
                for byte in source {
                    if byte == 0 || byte >= 0x80 {
                        writer.append(0x5C)
                        writer.append(0x30 + (byte >> 6))
                        writer.append(0x30 + (byte >> 3 & 7))
                        writer.append(0x30 + (byte & 7))
                    } else {
                        if byte == 0x5C { writer.append(0x5C) }
                        writer.append(byte)
                    }
                }
            }
            return true
        }
    }

    private static func decode(_ call: KernelCall) -> Column {
        let (text, name) = (call.operands[0].strings, call.operands[1].strings)
        let buffer = ByteBuffer()
        return call.texts { row, writer in
            guard let form = form(call, row, name[row]) else { return false }
            let source = text[row].bytes
            switch form {
            case .hexadecimal: return appendUnhex(call, row, source, ignoresSpace: true, &writer)
            case .base64:
                guard decodeBase64(source, buffer) else {
                    call.fail(row, "invalid base64: \"\(TextError.excerpt(source))\"")
                    return false
                }
                writer.append(buffer.text)
            case .escape:
                var index = 0
                while index < source.count {
                    if source[index] != 0x5C {
                        writer.append(source[index])
                        index += 1
                    } else if index + 1 < source.count, source[index + 1] == 0x5C {
                        writer.append(0x5C)
                        index += 2
                    } else if index + 3 < source.count, source[index + 1] &- 0x30 < 4, source[index + 2] &- 0x30 < 8, source[index + 3] &- 0x30 < 8 {
                        writer.append((source[index + 1] - 0x30) << 6 | (source[index + 2] - 0x30) << 3 | (source[index + 3] - 0x30))
                        index += 4
                    } else {
                        call.fail(row, "invalid escape in \"\(TextError.excerpt(source))\"")
                        return false
                    }
                }
            }
            return true
        }
    }

    /// Line breaks and spaces are passed over; the padding must be there.
    private static func decodeBase64(_ text: Bytes, _ buffer: ByteBuffer) -> Bool {
        let bare = text.filter { !isSpace($0) }
        guard bare.count % 4 == 0, !bare.contains(0x2D), !bare.contains(0x5F) else { return false }
        buffer.clear()
        return bare.withUnsafeBufferPointer { bytes in
            // The parser takes \x... for hexadecimal, which is no base64.
            guard bytes.first != 0x5C else { return false }
            do throws(TextError) {
                try BytesText.parse(bytes, into: buffer)
                return true
            } catch { return false }
        }
    }

    // MARK: Character sets

    private static func characterSet(_ call: KernelCall, _ row: Int, _ name: StringView) -> CharacterSetCode? {
        if let set = CharacterSetCode(name.string) { return set }
        call.fail(
            row,
            "unknown character set \"\(TextError.excerpt(name.bytes))\"; there are UTF-8, UTF-16, UTF-16BE, UTF-16LE, ISO-8859-1 and US-ASCII")
        return nil
    }
}

/// Character sets that texts can be turned into and made of.
enum CharacterSetCode {
    case utf8, ascii, latin1
    /// Big-endian with a mark before the text; without; little-endian.
    case utf16, utf16BE, utf16LE

    init?(_ name: String) {
        switch name.uppercased().filter({ $0 != "-" && $0 != "_" }) {
        case "UTF8", "UNICODE": self = .utf8
        case "ASCII", "USASCII", "SQLASCII": self = .ascii
        case "LATIN1", "ISO88591": self = .latin1
        case "UTF16": self = .utf16
        case "UTF16BE": self = .utf16BE
        case "UTF16LE": self = .utf16LE
        default: return nil
        }
    }

    func append(text: Bytes, _ call: KernelCall, _ row: Int, _ writer: inout TextWriter) -> Bool {
        switch self {
        case .utf8: writer.append(text)
        case .ascii, .latin1:
            let limit: UInt32 = self == .ascii ? 0x80 : 0x100
            var strange: UInt32?
            Text.eachScalar(text) { scalar in
                if scalar.value < limit { writer.append(UInt8(truncatingIfNeeded: scalar.value)) } else { strange = strange ?? scalar.value }
            }
            if let strange {
                call.fail(row, "the character set has no character U+\(String(strange, radix: 16, uppercase: true))")
                return false
            }
        case .utf16, .utf16BE, .utf16LE:
            func put(_ unit: UInt16) {
                let (high, low) = (UInt8(truncatingIfNeeded: unit >> 8), UInt8(truncatingIfNeeded: unit))
                writer.append(self == .utf16LE ? low : high)
                writer.append(self == .utf16LE ? high : low)
            }
            if self == .utf16 { put(0xFEFF) }
            Text.eachScalar(text) { scalar in
                for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter { put(unit) }
            }
        }
        return true
    }

    func append(bytes: Bytes, _ call: KernelCall, _ row: Int, _ writer: inout TextWriter) -> Bool {
        func fail() -> Bool {
            call.fail(row, "the bytes are no text in this character set")
            return false
        }
        switch self {
        case .utf8:
            guard UTF8Text.isValid(bytes), !bytes.contains(0) else { return fail() }
            writer.append(bytes)
        case .ascii:
            guard Text.isASCII(bytes), !bytes.contains(0) else { return fail() }
            writer.append(bytes)
        case .latin1:
            for byte in bytes { writer.append(scalar: UInt32(byte)) }
        case .utf16, .utf16BE, .utf16LE:
            guard bytes.count % 2 == 0 else { return fail() }
            var isLittle = self == .utf16LE
            var units: [UInt16] = []
            for index in stride(from: 0, to: bytes.count, by: 2) {
                let (a, b) = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
                let unit = isLittle ? b << 8 | a : a << 8 | b
                if index == 0, self == .utf16, unit == 0xFFFE || unit == 0xFEFF {
                    isLittle = unit == 0xFFFE
                } else {
                    units.append(unit)
                }
            }
            guard let text = String(validating: units, as: UTF16.self) else { return fail() }
            writer.append(text)
        }
        return true
    }
}
