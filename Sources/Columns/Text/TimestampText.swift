// TimestampText: DATE, TIME and TIMESTAMP ⇄ ISO 8601 text.
//
// In: `YYYY-MM-DD`, then optionally `T` or spaces, `HH:MM[:SS[.f]]` with 1 to 9 fraction digits, then optionally `Z`, `UTC` or an offset
// `±HH[[:]MM[[:]SS]]`, which is converted to UTC whether the type has a zone or not. A second of 60 and the time 24:00:00 roll over, as in
// PostgreSQL. Years are four digits, 0001 to 9999. Fraction digits past the type's precision are cut.
// Out: with `T`, exactly the precision's fraction digits, and `Z` for an instant.

/// A scan over checked bytes; positions never pass the end.
struct TextCursor {
    let base: UnsafePointer<UInt8>
    let end: Int
    var index = 0

    init?(_ text: TextBytes) {
        guard let base = text.baseAddress else { return nil }
        self.base = base
        end = text.count
    }

    @inline(__always) var atEnd: Bool { index >= end }
    /// The next byte, or 0 at the end.
    @inline(__always) var peek: UInt8 { index < end ? base[index] : 0 }

    @inline(__always)
    mutating func accept(_ byte: UInt8) -> Bool {
        guard peek == byte, index < end else { return false }
        index &+= 1
        return true
    }

    @inline(__always)
    mutating func skipSpaces() {
        while index < end && ASCII.isSpace(base[index]) { index &+= 1 }
    }

    /// A number of `minimum` to `maximum` (at most 18) digits.
    @inline(__always)
    mutating func digits(_ minimum: Int, _ maximum: Int) -> Int? {
        var value = 0
        let start = index
        while index < end && index &- start < maximum && base[index] &- 0x30 < 10 {
            value = value &* 10 &+ Int(base[index] &- 0x30)
            index &+= 1
        }
        return index &- start >= minimum ? value : nil
    }

    /// Fraction digits after a point: 1 to 9 of them, as microseconds (further digits cut).
    mutating func fractionMicroseconds() -> Int64? {
        let start = index
        guard let value = digits(1, 9) else { return nil }
        if index < end && base[index] &- 0x30 < 10 { return nil }
        var micros = Int64(value)
        var count = index - start
        while count > 6 {
            micros /= 10
            count -= 1
        }
        while count < 6 {
            micros *= 10
            count += 1
        }
        return micros
    }
}

package enum TimestampText {
    /// Microseconds since 1970-01-01T00:00:00 UTC, cut to `precision` fractional digits.
    package static func parse(_ text: TextBytes, precision: Int) throws(TextError) -> Int64 {
        if let micros = parseFixed(text) { return CivilCalendar.truncate(microseconds: micros, precision: precision) }
        guard var cursor = TextCursor(ASCII.trimmed(text)) else { throw .invalid }
        let date = try parseDate(&cursor)
        var micros = CivilCalendar.daysFromCivil(date) &* CivilCalendar.microsecondsPerDay
        if !cursor.atEnd {
            let spaced = cursor.peek == 0x20
            cursor.skipSpaces()
            let lettered = !spaced && cursor.peek | 0x20 == 0x74
            if lettered { cursor.index += 1 }
            guard spaced || lettered else { throw .invalid }
            if lettered || ASCII.isDigit(cursor.peek) {
                let time = try parseTimeOfDay(&cursor, allowsDayEnd: true)
                micros &+= CivilCalendar.truncate(microseconds: time, precision: precision)
                cursor.skipSpaces()
            }
            if !cursor.atEnd { micros &-= try parseZone(&cursor) }
            guard cursor.atEnd else { throw .invalid }
        }
        guard CivilCalendar.microsecondRange.contains(micros) else { throw .outOfRange }
        return micros
    }

    /// The form that machines write, `YYYY-MM-DDTHH:MM:SS.mmm`, exactly 23 bytes; nil for any other.
    @inline(__always)
    package static func parseFixed(_ text: TextBytes) -> Int64? {
        guard text.count == 23, let base = text.baseAddress else { return nil }
        let date = parseFixedDate(base)
        let time = parseFixedTime(base)
        guard let date, let time else { return nil }
        return date &* CivilCalendar.microsecondsPerDay &+ time
    }

    /// Days of `YYYY-MM-DD` at `base`, where at least ten bytes can be read; nil when it is something else or no such day.
    @inline(__always)
    static func parseFixedDate(_ base: UnsafePointer<UInt8>) -> Int64? {
        let raw = UnsafeRawPointer(base)
        // YYYY-MM-
        let head = raw.loadUnaligned(as: UInt64.self) ^ 0x2D30_302D_3030_3030
        let tail = raw.loadUnaligned(fromByteOffset: 8, as: UInt16.self) ^ 0x3030
        // Each byte is now a digit's value, or zero where a separator is due.
        let invalid = (head &+ 0x7F76_767F_7676_7676) | head | UInt64((tail &+ 0x7676) | tail)
        guard invalid & 0x8080_8080_8080_8080 == 0 else { return nil }
        let year = Int(head & 0xFF) &* 1_000 &+ Int(head >> 8 & 0xFF) &* 100 &+ Int(head >> 16 & 0xFF) &* 10 &+ Int(head >> 24 & 0xFF)
        let month = Int(head >> 40 & 0xFF) &* 10 &+ Int(head >> 48 & 0xFF)
        let day = Int(tail & 0xFF) &* 10 &+ Int(tail >> 8)
        guard CivilCalendar.isValid(year: year, month: month, day: day) else { return nil }
        return CivilCalendar.daysFromCivil(year: year, month: month, day: day)
    }

    /// Microseconds of `THH:MM:SS.mmm` at `base + 10` (a space may stand for `T`), where base has at least 23 bytes.
    @inline(__always)
    static func parseFixedTime(_ base: UnsafePointer<UInt8>) -> Int64? {
        let raw = UnsafeRawPointer(base)
        // HH:MM:SS at 11, SS.mmm at 17.
        let clock = raw.loadUnaligned(fromByteOffset: 11, as: UInt64.self) ^ 0x3030_3A30_303A_3030
        let fraction = raw.loadUnaligned(fromByteOffset: 19, as: UInt32.self) ^ 0x3030_302E
        let invalid = (clock &+ 0x7676_7F76_767F_7676) | clock | UInt64((fraction &+ 0x7676_767F) | fraction)
        guard invalid & 0x8080_8080_8080_8080 == 0, base[10] == 0x54 || base[10] == 0x20 else { return nil }
        let hour = Int64(clock & 0xFF) &* 10 &+ Int64(clock >> 8 & 0xFF)
        let minute = Int64(clock >> 24 & 0xFF) &* 10 &+ Int64(clock >> 32 & 0xFF)
        let second = Int64(clock >> 48 & 0xFF) &* 10 &+ Int64(clock >> 56)
        guard hour < 24, minute < 60, second < 60 else { return nil }
        let millis = Int64(fraction >> 8 & 0xFF) &* 100 &+ Int64(fraction >> 16 & 0xFF) &* 10 &+ Int64(fraction >> 24)
        return ((hour &* 3_600 &+ minute &* 60 &+ second) &* 1_000 &+ millis) &* 1_000
    }

    /// Integer milliseconds since 1970, as JSON producers send them.
    package static func parse(epochMilliseconds: Int64, precision: Int) throws(TextError) -> Int64 {
        let (micros, overflow) = epochMilliseconds.multipliedReportingOverflow(by: 1_000)
        guard !overflow, CivilCalendar.microsecondRange.contains(micros) else { throw .outOfRange }
        return CivilCalendar.truncate(microseconds: micros, precision: precision)
    }

    static func parseDate(_ cursor: inout TextCursor) throws(TextError) -> CivilDate {
        guard let year = cursor.digits(4, 4), cursor.accept(0x2D), let month = cursor.digits(1, 2), cursor.accept(0x2D),
            let day = cursor.digits(1, 2), !ASCII.isDigit(cursor.peek)
        else { throw .invalid }
        guard CivilCalendar.isValid(year: year, month: month, day: day) else { throw .outOfRange }
        return CivilDate(year: year, month: month, day: day)
    }

    static func parseTimeOfDay(_ cursor: inout TextCursor, allowsDayEnd: Bool) throws(TextError) -> Int64 {
        guard let hour = cursor.digits(1, 2), cursor.accept(0x3A), let minute = cursor.digits(2, 2) else { throw .invalid }
        var second = 0
        var fraction: Int64 = 0
        if cursor.accept(0x3A) {
            guard let parsed = cursor.digits(2, 2) else { throw .invalid }
            second = parsed
            if cursor.accept(0x2E) || cursor.accept(0x2C) {
                guard let parsed = cursor.fractionMicroseconds() else { throw .invalid }
                fraction = parsed
            }
        }
        let isDayEnd = hour == 24 && minute == 0 && second == 0 && fraction == 0 && allowsDayEnd
        guard hour < 24 || isDayEnd, minute < 60, second < 60 || (second == 60 && allowsDayEnd) else { throw .outOfRange }
        return Int64(hour * 3_600 + minute * 60 + second) * 1_000_000 + fraction
    }

    /// Microseconds east of UTC.
    private static func parseZone(_ cursor: inout TextCursor) throws(TextError) -> Int64 {
        switch cursor.peek {
        case 0x5A, 0x7A:
            cursor.index += 1
            return 0
        case 0x55, 0x75:
            guard cursor.index + 3 <= cursor.end,
                ASCII.equals(TextBytes(start: cursor.base + cursor.index, count: 3), "utc")
            else { throw .invalid }
            cursor.index += 3
            return 0
        case 0x2B, 0x2D: break
        default: throw .invalid
        }
        let west = cursor.peek == 0x2D
        cursor.index += 1
        guard let hours = cursor.digits(1, 2) else { throw .invalid }
        var minutes = 0
        var seconds = 0
        if cursor.accept(0x3A) || ASCII.isDigit(cursor.peek) {
            guard let parsed = cursor.digits(2, 2) else { throw .invalid }
            minutes = parsed
            if cursor.accept(0x3A) || ASCII.isDigit(cursor.peek) {
                guard let parsed = cursor.digits(2, 2) else { throw .invalid }
                seconds = parsed
            }
        }
        guard hours <= 18, minutes < 60, seconds < 60 else { throw .outOfRange }
        let offset = Int64(hours * 3_600 + minutes * 60 + seconds) * 1_000_000
        return west ? -offset : offset
    }

    /// No timestamp is longer: the years that Int64 microseconds reach have six digits.
    package static let byteCountMax = 40

    /// Writes at `target`, which has room for `byteCountMax` bytes; returns how many.
    package static func write(
        _ microseconds: Int64, precision: Int, isInstant: Bool, _ target: UnsafeMutablePointer<UInt8>
    ) -> Int {
        let (days, time) = CivilCalendar.split(microseconds: microseconds)
        var written = DateText.write(days, target)
        target[written] = 0x54
        written &+= 1
        written &+= TimeText.write(time, precision: precision, target + written)
        if isInstant {
            target[written] = 0x5A
            written &+= 1
        }
        return written
    }

    package static func append(_ microseconds: Int64, precision: Int, isInstant: Bool, to buffer: ByteBuffer) {
        buffer.advance(by: write(microseconds, precision: precision, isInstant: isInstant, buffer.reserve(byteCountMax)))
    }
}

package enum DateText {
    /// Days since 1970-01-01. A time after the date is checked and dropped.
    package static func parse(_ text: TextBytes) throws(TextError) -> Int64 {
        let text = ASCII.trimmed(text)
        guard var cursor = TextCursor(text) else { throw .invalid }
        let date = try TimestampText.parseDate(&cursor)
        if !cursor.atEnd {
            return CivilCalendar.split(microseconds: try TimestampText.parse(text, precision: 6)).days
        }
        return CivilCalendar.daysFromCivil(date)
    }

    package static let byteCountMax = 24

    /// `YYYY-MM-DD`; a year outside 0000 to 9999, which no text leads to, gets its sign and digits.
    package static func write(_ days: Int64, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        // Day counts that no microseconds reach are cut there, so that the calendar's arithmetic holds.
        let date = CivilCalendar.civilFromDays(max(-200_000_000_000, min(days, 200_000_000_000)))
        var written = 4
        if date.year >= 0 && date.year <= 9999 {
            IntegerText.writePair(date.year / 100, target)
            IntegerText.writePair(date.year % 100, target + 2)
        } else {
            written = IntegerText.write(Int64(date.year), target)
        }
        target[written] = 0x2D
        IntegerText.writePair(date.month, target + written + 1)
        target[written &+ 3] = 0x2D
        IntegerText.writePair(date.day, target + written + 4)
        return written &+ 6
    }

    package static func append(_ days: Int64, to buffer: ByteBuffer) {
        buffer.advance(by: write(days, buffer.reserve(byteCountMax)))
    }
}

package enum TimeText {
    /// Microseconds since midnight, below 24:00:00, cut to `precision`.
    package static func parse(_ text: TextBytes, precision: Int) throws(TextError) -> Int64 {
        guard var cursor = TextCursor(ASCII.trimmed(text)) else { throw .invalid }
        let time = try TimestampText.parseTimeOfDay(&cursor, allowsDayEnd: false)
        guard cursor.atEnd else { throw .invalid }
        return CivilCalendar.truncate(microseconds: time, precision: precision)
    }

    package static let byteCountMax = 16

    /// `HH:MM:SS` and the precision's fraction digits. `microseconds` is taken modulo a day.
    package static func write(_ microseconds: Int64, precision: Int, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        var time = microseconds
        if time < 0 || time >= CivilCalendar.microsecondsPerDay { time = CivilCalendar.split(microseconds: time).timeOfDay }
        let seconds = Int(truncatingIfNeeded: time / 1_000_000)
        IntegerText.writePair(seconds / 3_600, target)
        target[2] = 0x3A
        IntegerText.writePair(seconds / 60 % 60, target + 3)
        target[5] = 0x3A
        IntegerText.writePair(seconds % 60, target + 6)
        let digits = max(0, min(precision, 6))
        if digits == 0 { return 8 }
        target[8] = 0x2E
        let fraction = (time &- Int64(seconds) &* 1_000_000) / CivilCalendar.unitMicroseconds(precision: digits)
        IntegerText.write(UInt64(truncatingIfNeeded: fraction), width: digits, target + 9)
        return 9 &+ digits
    }

    package static func append(_ microseconds: Int64, precision: Int, to buffer: ByteBuffer) {
        buffer.advance(by: write(microseconds, precision: precision, buffer.reserve(byteCountMax)))
    }
}
