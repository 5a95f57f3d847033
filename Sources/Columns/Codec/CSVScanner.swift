// CSVScanner: where CSV fields and records end (RFC 4180).
//
// A quote opens a quoted field only at the field's start; inside, two quotes are one and line feeds are text. Anywhere else a quote is
// a character like others. A record ends at a line feed outside quotes.

/// Follows a record over any number of pieces, to find its end only.
package struct CSVRecordScanner: Sendable {
    private enum State { case fieldStart, plain, quoted, quoteInQuoted }

    private var state = State.fieldStart
    package let delimiter: UInt8
    /// PostgreSQL's text format: there are no quotes, and every line feed ends a record.
    package let isText: Bool

    package init(delimiter: UInt8, isText: Bool = false) {
        self.delimiter = delimiter
        self.isText = isText
    }

    /// The position behind the last record that ends in these bytes; nil when none does.
    package mutating func lastRecordEnd(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        let isOutside = state == .fieldStart || state == .plain
        if isText || (isOutside && ByteSearch.first(0x22, base, bytes.count) == nil) {
            // Without a quote every line feed ends a record.
            let last = LineSplitter.lastNewline(in: bytes)
            if let final = bytes.last { state = final == 0x0A || final == delimiter ? .fieldStart : .plain }
            return last.map { $0 + 1 }
        }
        var end: Int?
        var position = 0
        while let next = recordEnd(UnsafeRawBufferPointer(rebasing: bytes[position...])) {
            position += next
            end = position
        }
        return end
    }

    /// The position behind the line feed that ends the record; nil when it goes on behind these bytes.
    mutating func recordEnd(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        if isText { return ByteSearch.first(0x0A, base, bytes.count).map { $0 - base + 1 } }
        var index = 0
        while index < bytes.count {
            let byte = base.load(fromByteOffset: index, as: UInt8.self)
            switch state {
            case .fieldStart, .plain:
                if byte == 0x0A {
                    state = .fieldStart
                    return index + 1
                }
                state = byte == delimiter ? .fieldStart : byte == 0x22 && state == .fieldStart ? .quoted : .plain
            case .quoted:
                if byte == 0x22 {
                    state = .quoteInQuoted
                } else if let quote = ByteSearch.first(0x22, base + index, bytes.count - index) {
                    index = quote - base
                    continue
                } else {
                    return nil
                }
            case .quoteInQuoted:
                if byte == 0x0A {
                    state = .fieldStart
                    return index + 1
                }
                state = byte == 0x22 ? .quoted : byte == delimiter ? .fieldStart : .plain
            }
            index += 1
        }
        return nil
    }
}

/// One field of a record.
struct CSVField {
    /// Its text, without the outer quotes.
    var start: UnsafePointer<UInt8>
    var count: Int
    var isQuoted: Bool
    /// Whether quotes in it are doubled.
    var hasDoubledQuotes: Bool
    /// Whether something other than a delimiter follows its closing quote, or there is no closing quote.
    var isMalformed: Bool
    /// Whether it has escapes of PostgreSQL's text format.
    var hasEscapes = false
}

enum CSVScan {
    /// The next field from `start`, and where its end is: at a delimiter, at a line feed, or at `end`, which is behind the record's
    /// or the input's last byte. `isOpen` says that a quoted field has no closing quote before `end`.
    @inline(__always)
    static func field(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, delimiter: UInt8
    ) -> (field: CSVField, stop: UnsafePointer<UInt8>, isOpen: Bool) {
        if start < end && start.pointee == 0x22 { return quotedField(start, end, delimiter: delimiter) }
        let stop = fieldEnd(start, end, delimiter: delimiter)
        return (CSVField(start: start, count: stop - start, isQuoted: false, hasDoubledQuotes: false, isMalformed: false), stop, false)
    }

    /// The first delimiter or line feed, eight bytes at a time, or `end`.
    @inline(__always)
    static func fieldEnd(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, delimiter: UInt8) -> UnsafePointer<UInt8> {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let delimiters = ones &* UInt64(delimiter)
        var p = start
        while end - p >= 8 {
            let word = UnsafeRawPointer(p).loadUnaligned(as: UInt64.self)
            let a = word ^ delimiters
            let b = word ^ (ones &* 0x0A)
            let hits = (((a &- ones) & ~a) | ((b &- ones) & ~b)) & 0x8080_8080_8080_8080
            if hits != 0 { return p + hits.trailingZeroBitCount &>> 3 }
            p += 8
        }
        while p < end && p.pointee != delimiter && p.pointee != 0x0A { p += 1 }
        return p
    }

    /// The same in PostgreSQL's text format: a backslash takes the next byte with it, but never a line feed.
    @inline(__always)
    static func textField(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, delimiter: UInt8
    ) -> (field: CSVField, stop: UnsafePointer<UInt8>, isOpen: Bool) {
        var stop = fieldEnd(start, end, delimiter: delimiter)
        var field = CSVField(start: start, count: stop - start, isQuoted: false, hasDoubledQuotes: false, isMalformed: false)
        guard ByteSearch.first(0x5C, start, field.count) != nil else { return (field, stop, false) }
        stop = start
        while stop < end, stop.pointee != delimiter, stop.pointee != 0x0A {
            stop += stop.pointee == 0x5C && stop + 1 < end && stop[1] != 0x0A ? 2 : 1
        }
        field.count = stop - start
        field.hasEscapes = true
        return (field, stop, false)
    }

    /// What a field of the text format says, at `target`, which has room for it; nil when it ends with half an escape.
    @inline(never)
    static func unescape(_ field: CSVField, _ target: UnsafeMutablePointer<UInt8>) -> Int? {
        var written = 0
        var index = 0
        func digit(_ place: Int, _ radix: UInt8) -> UInt8? {
            guard place < field.count, let value = BytesText.hexadecimalDigit(field.start[place]), value < radix else { return nil }
            return value
        }
        while index < field.count {
            var byte = field.start[index]
            index += 1
            if byte == 0x5C {
                guard index < field.count else { return nil }
                let letter = field.start[index]
                index += 1
                switch letter {
                case UInt8(ascii: "b"): byte = 8
                case UInt8(ascii: "f"): byte = 12
                case UInt8(ascii: "n"): byte = 10
                case UInt8(ascii: "r"): byte = 13
                case UInt8(ascii: "t"): byte = 9
                case UInt8(ascii: "v"): byte = 11
                case UInt8(ascii: "0")...UInt8(ascii: "7"):
                    byte = letter &- UInt8(ascii: "0")
                    for _ in 0..<2 {
                        guard let next = digit(index, 8) else { break }
                        byte = byte &* 8 &+ next
                        index += 1
                    }
                case UInt8(ascii: "x") where digit(index, 16) != nil:
                    byte = 0
                    for _ in 0..<2 {
                        guard let next = digit(index, 16) else { break }
                        byte = byte &* 16 &+ next
                        index += 1
                    }
                default: byte = letter
                }
            }
            target[written] = byte
            written += 1
        }
        return written
    }

    @inline(never)
    private static func quotedField(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, delimiter: UInt8
    ) -> (field: CSVField, stop: UnsafePointer<UInt8>, isOpen: Bool) {
        var field = CSVField(start: start + 1, count: 0, isQuoted: true, hasDoubledQuotes: false, isMalformed: false)
        var p = start + 1
        while true {
            guard let quote = ByteSearch.first(0x22, p, end - p) else {
                field.count = end - start - 1
                field.isMalformed = true
                return (field, end, true)
            }
            p = quote.assumingMemoryBound(to: UInt8.self)
            if p + 1 < end && p[1] == 0x22 {
                field.hasDoubledQuotes = true
                p += 2
                continue
            }
            break
        }
        field.count = p - start - 1
        p += 1
        // A carriage return before the line feed is part of the line's end.
        if p < end && p.pointee == 0x0D && (p + 1 == end || p[1] == 0x0A) { p += 1 }
        let stop = fieldEnd(p, end, delimiter: delimiter)
        field.isMalformed = stop != p
        return (field, stop, false)
    }
}
