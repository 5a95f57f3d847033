// IntervalText: INTERVAL ⇄ text.
//
// Three grammars in: PostgreSQL's (`1 year 2 mons 3 days 04:05:06.7`, `2 hours ago`, a bare number of seconds), ISO 8601's (`P1DT2H`), and the
// SQL standard's, where the statement names the fields (`'1:30' MINUTE TO SECOND`). A day is 24 hours. A fraction of a month is
// taken as that fraction of 30 days, of a year as whole months (as PostgreSQL does).

package enum IntervalText {
    /// `from` and `to` are the fields that the statement names after the literal; nil stands for none.
    package static func parse(_ text: TextBytes, from: CalendarUnit? = nil, to: CalendarUnit? = nil) throws(TextError) -> IntervalValue {
        let text = ASCII.trimmed(text)
        guard let cursor = TextCursor(text), text.count > 0 else { throw .invalid }
        if let from {
            // Text that names its own units may be followed by fields as well: `INTERVAL '1 day' DAY`.
            if let value = try parseFields(cursor, from: from, to: to ?? from) { return value }
        }
        var first = cursor
        let negative = first.accept(0x2D)
        if first.peek | 0x20 == 0x70 {
            first.index += 1
            return try parseISO(first, negative: negative)
        }
        return try parseVerbose(cursor)
    }

    // MARK: Accumulation

    /// Months and microseconds, summed with checks.
    private struct Sum {
        var months: Int64 = 0
        var micros: Int64 = 0

        mutating func add(_ number: Number, _ unit: CalendarUnit, negative: Bool) throws(TextError) {
            let sign: Int128 = negative != number.negative ? -1 : 1
            var months = Int128(self.months)
            var micros = Int128(self.micros)
            // |whole| < 10^18 and |fraction| < 10^9, so the products are far below 2^127.
            if let size = unit.microseconds {
                micros += sign * (Int128(number.whole) * Int128(size) + Int128(number.nanos) * Int128(size) / 1_000_000_000)
            } else if let size = unit.months {
                months += sign * Int128(number.whole) * Int128(size)
                if unit == .month {
                    micros += sign * (Int128(number.nanos) * 30 * Int128(CivilCalendar.microsecondsPerDay) / 1_000_000_000)
                } else {
                    months += sign * (Int128(number.nanos) * Int128(size) / 1_000_000_000)
                }
            }
            guard let a = Int64(exactly: months), let b = Int64(exactly: micros) else { throw .outOfRange }
            self.months = a
            self.micros = b
        }

        func value(negated: Bool) throws(TextError) -> IntervalValue {
            guard negated else { return IntervalValue(months: months, microseconds: micros) }
            let (a, overflowA) = Int64(0).subtractingReportingOverflow(months)
            let (b, overflowB) = Int64(0).subtractingReportingOverflow(micros)
            if overflowA || overflowB { throw .outOfRange }
            return IntervalValue(months: a, microseconds: b)
        }
    }

    /// A signed number with up to nine fraction digits.
    private struct Number {
        var negative = false
        var whole: Int64 = 0
        var nanos: Int64 = 0
    }

    private static func parseNumber(_ cursor: inout TextCursor) throws(TextError) -> Number {
        var number = Number()
        if cursor.accept(0x2D) { number.negative = true } else { _ = cursor.accept(0x2B) }
        guard let unsigned = try parseUnsigned(&cursor) else { throw .invalid }
        number.whole = unsigned.whole
        number.nanos = unsigned.nanos
        return number
    }

    /// Digits with an optional fraction; nil when there is none.
    private static func parseUnsigned(_ cursor: inout TextCursor) throws(TextError) -> Number? {
        var number = Number()
        let start = cursor.index
        if ASCII.isDigit(cursor.peek) {
            guard let whole = cursor.digits(1, 18) else { return nil }
            if ASCII.isDigit(cursor.peek) { throw .outOfRange }
            number.whole = Int64(whole)
        }
        if cursor.peek == 0x2E {
            cursor.index += 1
            let fractionStart = cursor.index
            number.nanos = Int64(cursor.digits(0, 9) ?? 0)
            var count = cursor.index - fractionStart
            while ASCII.isDigit(cursor.peek) { cursor.index += 1 }
            if count == 0 && fractionStart == start + 1 { return nil }
            while count < 9 {
                number.nanos *= 10
                count += 1
            }
        }
        return cursor.index > start ? number : nil
    }

    // MARK: PostgreSQL

    private static func parseVerbose(_ start: TextCursor) throws(TextError) -> IntervalValue {
        var cursor = start
        var sum = Sum()
        var isEmpty = true
        _ = cursor.accept(0x40)
        cursor.skipSpaces()
        while !cursor.atEnd {
            let letter = cursor.peek
            if letter == 0x61 || letter == 0x41 {
                guard word(&cursor, equals: "ago"), !isEmpty else { throw .invalid }
                cursor.skipSpaces()
                guard cursor.atEnd else { throw .invalid }
                return try sum.value(negated: true)
            }
            var number = try parseNumber(&cursor)
            if cursor.peek == 0x3A {
                guard number.nanos == 0 else { throw .invalid }
                try parseClock(&cursor, hours: number, into: &sum)
            } else if cursor.peek == 0x2D && number.nanos == 0 && cursor.index + 1 < cursor.end && ASCII.isDigit(cursor.base[cursor.index + 1]) {
                // The standard's year-month form.
                cursor.index += 1
                guard let months = cursor.digits(1, 2), months < 12 else { throw .invalid }
                try sum.add(number, .year, negative: false)
                number.whole = Int64(months)
                try sum.add(number, .month, negative: false)
            } else {
                cursor.skipSpaces()
                if cursor.atEnd {
                    try sum.add(number, .second, negative: false)
                } else if let unit = try unitWord(&cursor) {
                    try sum.add(number, unit, negative: false)
                } else {
                    // `1 02:03:04`: a number before a time is days.
                    guard number.nanos == 0 else { throw .invalid }
                    try sum.add(number, .day, negative: false)
                }
            }
            isEmpty = false
            cursor.skipSpaces()
        }
        guard !isEmpty else { throw .invalid }
        return try sum.value(negated: false)
    }

    /// `:MM[:SS[.f]]` after the hours.
    private static func parseClock(_ cursor: inout TextCursor, hours: Number, into sum: inout Sum) throws(TextError) {
        var part = hours
        try sum.add(hours, .hour, negative: false)
        guard cursor.accept(0x3A), let minutes = cursor.digits(1, 2), minutes < 60 else { throw .invalid }
        part.whole = Int64(minutes)
        try sum.add(part, .minute, negative: false)
        guard cursor.accept(0x3A) else { return }
        guard let seconds = try parseUnsigned(&cursor), seconds.whole < 60 else { throw .invalid }
        part.whole = seconds.whole
        part.nanos = seconds.nanos
        try sum.add(part, .second, negative: false)
    }

    private static func word(_ cursor: inout TextCursor, equals expected: StaticString) -> Bool {
        let start = cursor.index
        while ASCII.lower(cursor.peek) &- 0x61 < 26 { cursor.index += 1 }
        return ASCII.equals(TextBytes(start: cursor.base + start, count: cursor.index - start), expected)
    }

    /// A unit's name; nil when no word begins here.
    private static func unitWord(_ cursor: inout TextCursor) throws(TextError) -> CalendarUnit? {
        let start = cursor.index
        while ASCII.lower(cursor.peek) &- 0x61 < 26 || cursor.peek >= 0x80 { cursor.index += 1 }
        if cursor.index == start {
            if ASCII.isDigit(cursor.peek) || cursor.peek == 0x2B || cursor.peek == 0x2D { return nil }
            throw .invalid
        }
        guard let unit = unit(named: TextBytes(start: cursor.base + start, count: cursor.index - start)) else { throw .invalid }
        return unit
    }

    /// A unit by any of its names and abbreviations.
    package static func unit(named name: TextBytes) -> CalendarUnit? {
        for (names, unit) in unitNames {
            for candidate in names where ASCII.equals(name, candidate) { return unit }
        }
        return nil
    }

    private static let unitNames: [([StaticString], CalendarUnit)] = [
        (["second", "seconds", "sec", "secs", "s"], .second),
        (["minute", "minutes", "min", "mins", "m"], .minute),
        (["hour", "hours", "hr", "hrs", "h"], .hour),
        (["day", "days", "d"], .day),
        (["millisecond", "milliseconds", "millis", "msec", "msecs", "msecond", "mseconds", "ms"], .millisecond),
        (["microsecond", "microseconds", "micros", "usec", "usecs", "usecond", "useconds", "us", "µs"], .microsecond),
        (["week", "weeks", "w"], .week),
        (["month", "months", "mon", "mons"], .month),
        (["quarter", "quarters", "qtr"], .quarter),
        (["year", "years", "yr", "yrs", "y"], .year),
        (["decade", "decades", "dec", "decs"], .decade),
        (["century", "centuries", "cent", "c"], .century),
        (["millennium", "millennia", "millenniums", "mil", "mils"], .millennium),
    ]

    // MARK: ISO 8601

    private static func parseISO(_ start: TextCursor, negative: Bool) throws(TextError) -> IntervalValue {
        var cursor = start
        var sum = Sum()
        var inTime = false
        var isEmpty = true
        while !cursor.atEnd {
            if !inTime && cursor.peek | 0x20 == 0x74 {
                cursor.index += 1
                inTime = true
                if cursor.atEnd { throw .invalid }
                continue
            }
            let number = try parseNumber(&cursor)
            let unit: CalendarUnit
            switch (cursor.peek | 0x20, inTime) {
            case (0x79, false): unit = .year
            case (0x6D, false): unit = .month
            case (0x77, false): unit = .week
            case (0x64, false): unit = .day
            case (0x68, true): unit = .hour
            case (0x6D, true): unit = .minute
            case (0x73, true): unit = .second
            default: throw .invalid
            }
            cursor.index += 1
            try sum.add(number, unit, negative: negative)
            isEmpty = false
        }
        guard !isEmpty else { throw .invalid }
        return try sum.value(negated: false)
    }

    // MARK: The standard's fields

    private static let dayTimeUnits: [CalendarUnit] = [.day, .hour, .minute, .second]

    /// The value when the text is numbers for the fields from ... to; nil when it has another form.
    private static func parseFields(
        _ start: TextCursor, from: CalendarUnit, to: CalendarUnit
    ) throws(TextError) -> IntervalValue? {
        var cursor = start
        let negative = cursor.accept(0x2D)
        if !negative { _ = cursor.accept(0x2B) }
        cursor.skipSpaces()
        var sum = Sum()
        if from == to {
            guard let number = try parseUnsigned(&cursor), cursor.atEnd else { return nil }
            try sum.add(number, from, negative: negative)
            return try sum.value(negated: false)
        }
        if from == .year && to == .month {
            guard let years = try parseUnsigned(&cursor), years.nanos == 0, cursor.accept(0x2D), let months = cursor.digits(1, 2),
                cursor.atEnd
            else { return nil }
            guard months < 12 else { throw .outOfRange }
            try sum.add(years, .year, negative: negative)
            try sum.add(Number(whole: Int64(months)), .month, negative: negative)
            return try sum.value(negated: false)
        }
        guard let first = dayTimeUnits.firstIndex(of: from), let last = dayTimeUnits.firstIndex(of: to), first < last else {
            throw .invalid
        }
        for index in first...last {
            if index > first {
                if dayTimeUnits[index - 1] == .day {
                    guard ASCII.isSpace(cursor.peek) else { return nil }
                    cursor.skipSpaces()
                } else {
                    guard cursor.accept(0x3A) else { return nil }
                }
            }
            guard let number = try parseUnsigned(&cursor), number.nanos == 0 || index == last else { return nil }
            if index > first {
                guard number.whole < (dayTimeUnits[index] == .hour ? 24 : 60) else { throw .outOfRange }
            }
            try sum.add(number, dayTimeUnits[index], negative: negative)
        }
        guard cursor.atEnd else { return nil }
        return try sum.value(negated: false)
    }

    // MARK: Out

    /// PostgreSQL's style: `1 year 2 mons 3 days 04:05:06.7`.
    package static func append(_ value: IntervalValue, to buffer: ByteBuffer) {
        let start = buffer.count
        var afterNegative = false
        func field(_ number: Int64, _ singular: StaticString, _ plural: StaticString) {
            guard number != 0 else { return }
            if buffer.count > start { buffer.append(0x20) }
            if afterNegative && number > 0 { buffer.append(0x2B) }
            IntegerText.append(number, to: buffer)
            buffer.append(0x20)
            buffer.append(number == 1 ? singular : plural)
            afterNegative = number < 0
        }
        field(value.months / 12, "year", "years")
        field(value.months % 12, "mon", "mons")
        let days = value.microseconds / CivilCalendar.microsecondsPerDay
        field(days, "day", "days")
        let rest = value.microseconds &- days &* CivilCalendar.microsecondsPerDay
        guard rest != 0 || buffer.count == start else { return }
        if buffer.count > start { buffer.append(0x20) }
        if rest < 0 { buffer.append(0x2D) } else if afterNegative { buffer.append(0x2B) }
        var digits = 6
        var fraction = rest.magnitude % 1_000_000
        if fraction == 0 { digits = 0 } else {
            while fraction % 10 == 0 {
                fraction /= 10
                digits -= 1
            }
        }
        TimeText.append(Int64(rest.magnitude), precision: digits, to: buffer)
    }
}
