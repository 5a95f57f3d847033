// Reading a text after a DatePattern. Numbers that stand next to each other take exactly their width, others as many digits as
// there are up to their limit.

import Columns

extension DatePattern {
    /// Microseconds since 1970; nil when the text does not suit the pattern or shows no time that exists.
    func read(_ text: Bytes) -> Int64? {
        var position = 0
        var year: Int64 = 1970
        var month: Int64 = 1
        var day: Int64 = 1
        var dayOfYear: Int64?
        var hour: Int64 = 0
        var hour12: Int64?
        var isAfternoon: Bool?
        var minute: Int64 = 0
        var second: Int64 = 0
        var micro: Int64 = 0
        var offset: Int64 = 0

        func number(_ width: Int, _ limit: Int, _ index: Int) -> Int64? {
            // Followed by another number: the width is exact.
            let isExact = index + 1 < steps.count && steps[index + 1].isNumber
            let most = isExact ? width : limit
            var value: Int64 = 0
            var count = 0
            while position < text.count, count < most, text[position] &- 0x30 < 10 {
                value = value * 10 + Int64(text[position] &- 0x30)
                position += 1
                count += 1
            }
            return count == 0 || (isExact && count != width) ? nil : value
        }

        for (index, step) in steps.enumerated() {
            switch step {
            case .literal(let bytes):
                guard position + bytes.count <= text.count else { return nil }
                for byte in bytes {
                    if text[position] != byte { return nil }
                    position += 1
                }
            case .year(let width):
                guard let value = number(max(width, 4), 9, index) else { return nil }
                year = value
            case .twoDigitYear:
                guard let value = number(2, 2, index) else { return nil }
                year = 2000 + value
            case .month(let width):
                guard let value = number(max(width, 1), 2, index) else { return nil }
                month = value
            case .day(let width):
                guard let value = number(max(width, 1), 2, index) else { return nil }
                day = value
            case .dayOfYear(let width):
                guard let value = number(width, 3, index) else { return nil }
                dayOfYear = value
            case .hour24(let width), .hourFrom1(let width):
                guard let value = number(width, 2, index) else { return nil }
                if case .hourFrom1 = step { hour = value % 24 } else { hour = value }
            case .hour12(let width), .hour12From0(let width):
                guard let value = number(width, 2, index), value <= 12 else { return nil }
                hour12 = value % 12
            case .minute(let width):
                guard let value = number(width, 2, index) else { return nil }
                minute = value
            case .second(let width):
                guard let value = number(width, 2, index) else { return nil }
                second = value
            case .fraction(let width):
                let start = position
                guard var value = number(width, max(width, 9), index) else { return nil }
                var count = position - start
                while count < 6 {
                    value *= 10
                    count += 1
                }
                while count > 6 {
                    value /= 10
                    count -= 1
                }
                micro = value
            case .monthName(let isShort, _):
                guard let value = name(DatePattern.monthNames, isShort, text, &position) else { return nil }
                month = Int64(value) + 1
            case .dayName(let isShort, _):
                guard name(DatePattern.dayNames, isShort, text, &position) != nil else { return nil }
            case .halfDay:
                guard let value = name(["AM", "PM"], false, text, &position) else { return nil }
                isAfternoon = value == 1
            case .era:
                guard name(["AD"], false, text, &position) != nil else { return nil }
            case .zone:
                guard let value = zone(text, &position) else { return nil }
                offset = value
            case .quarter, .isoYear, .isoWeek, .millisecondOfDay, .secondOfDay, .isoDayOfWeek, .dayOfWeekFrom1: return nil
            }
        }
        guard position == text.count else { return nil }
        if let hour12 { hour = hour12 + (isAfternoon == true ? 12 : 0) }
        guard (0...23).contains(hour), (0...59).contains(minute), (0...59).contains(second) else { return nil }
        let days: Int64
        if let dayOfYear {
            guard CivilCalendar.isValid(year: Int(year), month: 1, day: 1), (1...366).contains(dayOfYear) else { return nil }
            if dayOfYear == 366 && !CivilCalendar.isLeapYear(Int(year)) { return nil }
            days = CivilCalendar.daysFromCivil(year: Int(year), month: 1, day: 1) + dayOfYear - 1
        } else {
            guard CivilCalendar.isValid(year: Int(year), month: Int(month), day: Int(day)) else { return nil }
            days = CivilCalendar.daysFromCivil(year: Int(year), month: Int(month), day: Int(day))
        }
        return days * CivilCalendar.microsecondsPerDay + hour * 3_600_000_000 + minute * 60_000_000 + second * 1_000_000 + micro - offset
    }

    private func name(_ names: [String], _ isShort: Bool, _ text: Bytes, _ position: inout Int) -> Int? {
        for (index, name) in names.enumerated() {
            let wanted = Array(isShort ? name.utf8.prefix(3) : name.utf8.prefix(20))
            guard position + wanted.count <= text.count else { continue }
            if (0..<wanted.count).allSatisfy({ Text.lower(text[position + $0]) == Text.lower(wanted[$0]) }) {
                position += wanted.count
                return index
            }
        }
        return nil
    }

    /// `Z`, `UTC`, `+02`, `+0200`, `+02:00`: microseconds east.
    private func zone(_ text: Bytes, _ position: inout Int) -> Int64? {
        guard position < text.count else { return nil }
        if text[position] | 0x20 == 0x7A {
            position += 1
            return 0
        }
        if name(["UTC", "GMT"], false, text, &position) != nil { return 0 }
        let sign = text[position]
        guard sign == 0x2B || sign == 0x2D else { return nil }
        position += 1
        func two() -> Int64? {
            guard position + 1 < text.count, text[position] &- 0x30 < 10, text[position + 1] &- 0x30 < 10 else { return nil }
            defer { position += 2 }
            return Int64(text[position] &- 0x30) * 10 + Int64(text[position + 1] &- 0x30)
        }
        guard let hours = two(), hours <= 18 else { return nil }
        var minutes: Int64 = 0
        if position < text.count, text[position] == 0x3A { position += 1 }
        if position < text.count, text[position] &- 0x30 < 10 {
            guard let value = two(), value < 60 else { return nil }
            minutes = value
        }
        return (hours * 60 + minutes) * 60_000_000 * (sign == 0x2D ? -1 : 1)
    }
}

extension DatePattern.Step {
    fileprivate var isNumber: Bool {
        switch self {
        case .literal, .monthName, .dayName, .halfDay, .era, .zone: false
        default: true
        }
    }
}
