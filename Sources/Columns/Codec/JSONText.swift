// JSONText: strings as JSON, and single values (many of them: see RowText).

package enum JSONText {
    /// The value of one row, `null` when it is NULL.
    package static func append(_ column: Column, row: Int, to buffer: ByteBuffer) {
        RowText([column]).appendJSON(0, row, to: buffer)
    }

    package static func append(string: String, to buffer: ByteBuffer) {
        var string = string
        string.withUTF8 { append(string: $0, to: buffer) }
    }

    package static func string(_ text: String) -> String {
        let buffer = ByteBuffer()
        append(string: text, to: buffer)
        return buffer.string
    }

    /// A string in quotes with what must be escaped escaped; UTF-8 goes through as it is.
    package static func append(string text: TextBytes, to buffer: ByteBuffer) {
        buffer.append(0x22)
        var start = 0
        var index = 0
        let count = text.count
        guard let base = text.baseAddress else {
            buffer.append(0x22)
            return
        }
        while index < count {
            // Eight bytes without quote, backslash or control characters at a time.
            if index &+ 8 <= count, JSONScan.isPlain(UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self)) {
                index &+= 8
                continue
            }
            let byte = base[index]
            if byte >= 0x20 && byte != 0x22 && byte != 0x5C {
                index &+= 1
                continue
            }
            buffer.append(TextBytes(start: base + start, count: index &- start))
            appendEscape(byte, to: buffer)
            index &+= 1
            start = index
        }
        buffer.append(TextBytes(start: base + start, count: count &- start))
        buffer.append(0x22)
    }

    private static func appendEscape(_ byte: UInt8, to buffer: ByteBuffer) {
        switch byte {
        case 0x22: buffer.append("\\\"" as StaticString)
        case 0x5C: buffer.append("\\\\" as StaticString)
        case 0x0A: buffer.append("\\n" as StaticString)
        case 0x0D: buffer.append("\\r" as StaticString)
        case 0x09: buffer.append("\\t" as StaticString)
        case 0x08: buffer.append("\\b" as StaticString)
        case 0x0C: buffer.append("\\f" as StaticString)
        default:
            let digits: StaticString = "0123456789abcdef"
            buffer.append("\\u00" as StaticString)
            buffer.append(digits.utf8Start[Int(byte >> 4)])
            buffer.append(digits.utf8Start[Int(byte & 15)])
        }
    }
}
