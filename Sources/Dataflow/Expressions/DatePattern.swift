// DatePattern: a format of dates and times, compiled: Java's letters (`yyyy-MM-dd HH:mm:ss.SSS`) or PostgreSQL's words
// (`YYYY-MM-DD HH24:MI:SS.MS`). The same steps write and read.

import Columns

struct DatePattern: Sendable {
    enum Step: Hashable, Sendable {
        case literal([UInt8])
        /// At least so many digits, filled up with zeros.
        case year(Int), twoDigitYear, month(Int), day(Int), dayOfYear(Int), quarter, isoYear, isoWeek(Int)
        case hour24(Int), hour12(Int), hourFrom1(Int), hour12From0(Int), minute(Int), second(Int)
        /// So many digits of the second's fraction.
        case fraction(Int)
        case millisecondOfDay, secondOfDay
        case monthName(isShort: Bool, LetterCase), dayName(isShort: Bool, LetterCase), halfDay(LetterCase), era
        case isoDayOfWeek, dayOfWeekFrom1
        /// `Z`, `+0000`, `+00:00`, `UTC`: the zone is UTC.
        case zone(String)
    }

    enum LetterCase: Hashable, Sendable { case upper, capital, lower }

    let steps: [Step]

    static let lengthMax = 1000

    /// How far apart two times must be for the pattern to tell them apart; times between multiples of it look alike.
    var resolutionMicroseconds: Int64 {
        var result = CivilCalendar.microsecondsPerDay
        for step in steps {
            switch step {
            case .hour24, .hour12, .hourFrom1, .hour12From0, .halfDay: result = min(result, 3_600_000_000)
            case .minute: result = min(result, 60_000_000)
            case .second, .secondOfDay: result = min(result, 1_000_000)
            case .fraction, .millisecondOfDay: result = 1
            default: break
            }
        }
        return result
    }

    // MARK: Java

    /// Letters repeat to say how wide; quotes hold literal text, two of them are one.
    init(java pattern: String) throws(RegexError) {
        let text = Array(pattern.unicodeScalars)
        guard text.count <= DatePattern.lengthMax else { throw RegexError(message: "the date pattern is too long") }
        var steps: [Step] = []
        var index = 0
        func literal(_ scalar: Unicode.Scalar) {
            let bytes = Array(String(Character(scalar)).utf8)
            if case .literal(let before)? = steps.last {
                steps[steps.count - 1] = .literal(before + bytes)
            } else {
                steps.append(.literal(bytes))
            }
        }
        while index < text.count {
            let letter = text[index]
            if letter == "'" {
                index += 1
                if index < text.count, text[index] == "'" {
                    literal("'")
                    index += 1
                    continue
                }
                var isClosed = false
                while index < text.count {
                    if text[index] == "'" {
                        index += 1
                        if index < text.count, text[index] == "'" {
                            literal("'")
                            index += 1
                            continue
                        }
                        isClosed = true
                        break
                    }
                    literal(text[index])
                    index += 1
                }
                guard isClosed else { throw RegexError(message: "the date pattern \"\(pattern)\" has a quote without end") }
                continue
            }
            guard letter.isASCII, letter.properties.isAlphabetic else {
                literal(letter)
                index += 1
                continue
            }
            var width = 0
            while index < text.count, text[index] == letter {
                width += 1
                index += 1
            }
            guard width <= 9 || letter == "y", let step = DatePattern.java(letter, width) else {
                throw RegexError(message: "the date pattern \"\(pattern)\" has an unknown letter: \(letter)")
            }
            steps.append(step)
        }
        self.steps = steps
    }

    private static func java(_ letter: Unicode.Scalar, _ width: Int) -> Step? {
        switch letter {
        case "y", "u": width == 2 ? .twoDigitYear : .year(min(width, 9))
        case "Y": .isoYear
        case "M", "L": width >= 4 ? .monthName(isShort: false, .capital) : width == 3 ? .monthName(isShort: true, .capital) : .month(width)
        case "d": .day(width)
        case "D": .dayOfYear(width)
        case "Q", "q": .quarter
        case "w": .isoWeek(width)
        case "E": .dayName(isShort: width < 4, .capital)
        case "e": .isoDayOfWeek
        case "a": .halfDay(.upper)
        case "H": .hour24(width)
        case "h": .hour12(width)
        case "k": .hourFrom1(width)
        case "K": .hour12From0(width)
        case "m": .minute(width)
        case "s": .second(width)
        case "S": .fraction(width)
        case "A": .millisecondOfDay
        case "G": .era
        case "z", "V": .zone("UTC")
        case "X": .zone("Z")
        case "x": .zone(width == 3 ? "+00:00" : width == 1 ? "+00" : "+0000")
        case "Z": .zone("+0000")
        default: nil
        }
    }

    // MARK: PostgreSQL

    /// Words in upper case, the longest that fits; text in double quotes and all else is literal. FM takes the filling away from the next.
    init(postgres pattern: String) throws(RegexError) {
        let text = Array(pattern.utf8)
        guard text.count <= DatePattern.lengthMax else { throw RegexError(message: "the date pattern is too long") }
        var steps: [Step] = []
        func literal(_ byte: UInt8) {
            if case .literal(let before)? = steps.last {
                steps[steps.count - 1] = .literal(before + [byte])
            } else {
                steps.append(.literal([byte]))
            }
        }
        var index = 0
        var isBare = false
        scan: while index < text.count {
            if text[index] == 0x22 {
                index += 1
                while index < text.count, text[index] != 0x22 {
                    if text[index] == 0x5C, index + 1 < text.count { index += 1 }
                    literal(text[index])
                    index += 1
                }
                index += 1
                continue
            }
            if text[index...].starts(with: Array("FM".utf8)) || text[index...].starts(with: Array("fm".utf8)) {
                isBare = true
                index += 2
                continue
            }
            for (word, step) in DatePattern.words {
                let bytes = Array(word.utf8)
                guard index + bytes.count <= text.count, (0..<bytes.count).allSatisfy({ Text.lower(text[index + $0]) == Text.lower(bytes[$0]) }) else {
                    continue
                }
                // The words for names and half days are written as the pattern is.
                let isLower = text[index] != bytes[0]
                let isCapital = !isLower && bytes.count > 1 && text[index + 1] != bytes[1]
                steps.append(DatePattern.adjusted(step, isLower ? .lower : isCapital ? .capital : .upper, isBare: isBare))
                isBare = false
                index += bytes.count
                continue scan
            }
            literal(text[index])
            index += 1
        }
        self.steps = steps
    }

    private static let words: [(String, Step)] = [
        ("HH24", .hour24(2)), ("HH12", .hour12(2)), ("SSSSS", .secondOfDay), ("SSSS", .secondOfDay), ("MONTH", .monthName(isShort: false, .upper)),
        ("Y,YYY", .year(4)), ("YYYY", .year(4)), ("IYYY", .isoYear), ("A.M.", .halfDay(.upper)), ("P.M.", .halfDay(.upper)),
        ("DDD", .dayOfYear(3)), ("DAY", .dayName(isShort: false, .upper)), ("MON", .monthName(isShort: true, .upper)),
        ("FF1", .fraction(1)), ("FF2", .fraction(2)), ("FF3", .fraction(3)), ("FF4", .fraction(4)), ("FF5", .fraction(5)), ("FF6", .fraction(6)),
        ("YY", .twoDigitYear), ("MM", .month(2)), ("DD", .day(2)), ("HH", .hour12(2)), ("MI", .minute(2)), ("SS", .second(2)), ("MS", .fraction(3)),
        ("US", .fraction(6)), ("DY", .dayName(isShort: true, .upper)), ("ID", .isoDayOfWeek), ("IW", .isoWeek(2)), ("AM", .halfDay(.upper)),
        ("PM", .halfDay(.upper)), ("BC", .era), ("AD", .era), ("TZ", .zone("UTC")), ("OF", .zone("+00")), ("D", .dayOfWeekFrom1), ("Q", .quarter),
    ]

    private static func adjusted(_ step: Step, _ letters: LetterCase, isBare: Bool) -> Step {
        switch step {
        case .monthName(let isShort, _): .monthName(isShort: isShort, letters)
        case .dayName(let isShort, _): .dayName(isShort: isShort, letters)
        case .halfDay: .halfDay(letters == .lower ? .lower : .upper)
        case .year where isBare: .year(1)
        case .month where isBare: .month(1)
        case .day where isBare: .day(1)
        case .dayOfYear where isBare: .dayOfYear(1)
        case .hour24 where isBare: .hour24(1)
        case .hour12 where isBare: .hour12(1)
        case .minute where isBare: .minute(1)
        case .second where isBare: .second(1)
        default: step
        }
    }

    static let monthNames = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
    ]
    static let dayNames = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

    // MARK: Writing

    func write(days: Int64, time: Int64, to writer: inout TextWriter) {
        let date = CivilCalendar.civilFromDays(days)
        let hour = time / 3_600_000_000
        let micro = time % 1_000_000
        for step in steps {
            switch step {
            case .literal(let bytes): bytes.withUnsafeBufferPointer { writer.append($0) }
            case .year(let width): DatePattern.digits(Int64(date.year), width, &writer)
            case .twoDigitYear: DatePattern.digits(CivilCalendar.floorModulo(Int64(date.year), 100), 2, &writer)
            case .month(let width): DatePattern.digits(Int64(date.month), width, &writer)
            case .day(let width): DatePattern.digits(Int64(date.day), width, &writer)
            case .dayOfYear(let width): DatePattern.digits(Int64(CivilCalendar.dayOfYear(days: days)), width, &writer)
            case .quarter: DatePattern.digits(Int64((date.month + 2) / 3), 1, &writer)
            case .isoYear: DatePattern.digits(Int64(CivilCalendar.isoWeek(days: days).year), 4, &writer)
            case .isoWeek(let width): DatePattern.digits(Int64(CivilCalendar.isoWeek(days: days).week), width, &writer)
            case .hour24(let width): DatePattern.digits(hour, width, &writer)
            case .hour12(let width): DatePattern.digits((hour + 11) % 12 + 1, width, &writer)
            case .hourFrom1(let width): DatePattern.digits(hour == 0 ? 24 : hour, width, &writer)
            case .hour12From0(let width): DatePattern.digits(hour % 12, width, &writer)
            case .minute(let width): DatePattern.digits(time / 60_000_000 % 60, width, &writer)
            case .second(let width): DatePattern.digits(time / 1_000_000 % 60, width, &writer)
            case .fraction(let width):
                var value = micro
                for _ in width..<max(width, 6) { value /= 10 }
                DatePattern.digits(value, min(width, 6), &writer)
                writer.append(repeating: 0x30, width - 6)
            case .millisecondOfDay: DatePattern.digits(time / 1000, 1, &writer)
            case .secondOfDay: DatePattern.digits(time / 1_000_000, 1, &writer)
            case .monthName(let isShort, let letters): DatePattern.name(DatePattern.monthNames[(date.month + 11) % 12], isShort, letters, &writer)
            case .dayName(let isShort, let letters):
                DatePattern.name(DatePattern.dayNames[(CivilCalendar.isoDayOfWeek(days: days) + 6) % 7], isShort, letters, &writer)
            case .halfDay(let letters): DatePattern.name(hour < 12 ? "AM" : "PM", false, letters == .capital ? .upper : letters, &writer)
            case .era: writer.append("AD")
            case .isoDayOfWeek: DatePattern.digits(Int64(CivilCalendar.isoDayOfWeek(days: days)), 1, &writer)
            case .dayOfWeekFrom1: DatePattern.digits(Int64(CivilCalendar.dayOfWeek(days: days)) + 1, 1, &writer)
            case .zone(let text): writer.append(text)
            }
        }
    }

    private static func digits(_ value: Int64, _ width: Int, _ writer: inout TextWriter) {
        if value >= 0 && value < 100 && width == 2 {
            let target = writer.reserve(2)
            target[0] = 0x30 &+ UInt8(truncatingIfNeeded: value / 10)
            target[1] = 0x30 &+ UInt8(truncatingIfNeeded: value % 10)
            writer.advance(2)
            return
        }
        if value >= 0 && value < 10_000 && width == 4 {
            let target = writer.reserve(4)
            var rest = UInt32(truncatingIfNeeded: value)
            for place in (0..<4).reversed() {
                target[place] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            writer.advance(4)
            return
        }
        var text: (UInt64, Int) = (value.magnitude, 1)
        var power: UInt64 = 1
        while text.0 / power >= 10 {
            power *= 10
            text.1 += 1
        }
        if value < 0 { writer.append(0x2D) }
        writer.append(repeating: 0x30, width - text.1)
        while power > 0 {
            writer.append(0x30 &+ UInt8(truncatingIfNeeded: text.0 / power % 10))
            power /= 10
        }
    }

    private static func name(_ name: String, _ isShort: Bool, _ letters: LetterCase, _ writer: inout TextWriter) {
        var count = 0
        for byte in name.utf8 {
            if isShort && count == 3 { break }
            let isUpper = letters == .upper || (letters == .capital && count == 0)
            writer.append(isUpper ? (byte &- 0x61 < 26 ? byte ^ 0x20 : byte) : count == 0 && letters == .capital ? byte : Text.lower(byte))
            count += 1
        }
    }
}
