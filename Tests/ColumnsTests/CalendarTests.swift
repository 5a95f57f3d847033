import Columns
import Platform
import XCTest

final class CalendarTests: XCTestCase {
    /// Every day of the years 1 to 9999, one after the other, against counting.
    func testDayByDay() {
        var year = 1, month = 1, day = 1, dayOfYear = 1
        var weekday = 1  // 0001-01-01 was a Monday
        for days in CivilCalendar.dayRange {
            let date = CivilCalendar.civilFromDays(days)
            guard date == CivilDate(year: year, month: month, day: day), CivilCalendar.daysFromCivil(date) == days,
                CivilCalendar.isoDayOfWeek(days: days) == weekday, CivilCalendar.isValid(year: year, month: month, day: day)
            else { return XCTFail("day \(days): \(date), expected \(year)-\(month)-\(day)") }
            if days % 17 == 0 { XCTAssertEqual(CivilCalendar.dayOfYear(days: days), dayOfYear) }
            weekday = weekday % 7 + 1
            day += 1
            dayOfYear += 1
            if day > CivilCalendar.daysInMonth(year: year, month: month) {
                day = 1
                month += 1
                if month > 12 {
                    month = 1
                    year += 1
                    dayOfYear = 1
                }
            }
        }
        XCTAssertEqual(year, 10000)
    }

    private func days(_ text: String) -> Int64 {
        guard case .success(.integer(let value)) = parsed(text, .date) else { return .min }
        return value
    }

    private func micros(_ text: String) -> Int64 {
        guard case .success(.integer(let value)) = parsed(text, .timestamp(precision: 6)) else { return .min }
        return value
    }

    private func shown(_ micros: Int64) -> String { TextFormat.string(.integer(micros), type: .timestamp(precision: 6)) }

    func testKnownValues() {
        XCTAssertEqual(days("1970-01-01"), 0)
        XCTAssertEqual(days("2000-03-01"), 11017)
        XCTAssertEqual(days("1969-12-31"), -1)
        XCTAssertEqual(micros("2026-11-20T23:43:31.681"), 1_795_218_211_681_000)
        let weeks: [(String, Int, Int)] = [
            ("2005-01-01", 2004, 53), ("2005-01-02", 2004, 53), ("2005-12-31", 2005, 52), ("2007-01-01", 2007, 1), ("2008-12-29", 2009, 1),
            ("2010-01-03", 2009, 53), ("2026-12-31", 2026, 53),
        ]
        for (date, year, week) in weeks {
            let result = CivilCalendar.isoWeek(days: days(date))
            XCTAssertEqual([result.year, result.week], [year, week], date)
        }
    }

    func testTimestampForms() {
        let same = ["2024-02-29T12:34:56", "2024-02-29 12:34:56", "2024-02-29   12:34:56.000", "2024-02-29T12:34:56Z", "2024-02-29T14:34:56+02:00",
            "2024-02-29T07:04:56-0530", "2024-02-29 12:34:56 UTC", "2024-2-29T12:34:56.000000000Z", " 2024-02-29T12:34:56 ", "2024-02-29t12:34:56z",
            "2024-02-29T13:34:56+01", "2024-02-29T12:34:56.0"]
        for text in same { XCTAssertEqual(micros(text), 1_709_210_096_000_000, text) }
        XCTAssertEqual(micros("2024-02-29"), days("2024-02-29") * 86_400_000_000)
        XCTAssertEqual(micros("2024-02-29T24:00:00"), micros("2024-03-01"))
        XCTAssertEqual(micros("2024-02-29T10:20"), micros("2024-02-29T10:20:00"))
        XCTAssertEqual(parsed("2024-02-29T12:34:56.987654321", .timestamp(precision: 3)), .success(.integer(1_709_210_096_987_000)))
        XCTAssertEqual(parsed("1969-12-31T23:59:59.999", .timestamp(precision: 0)), .success(.integer(-1_000_000)))
        for text in ["", "2024", "2024-02", "2024-02-29T", "2024-02-29X12:00:00", "2024-02-29T12", "2024-02-29T12:00:00.", "2024-02-29T12:00:00+",
            "2024-02-29T12:00:00 Europe/Berlin", "24-02-29", "2024-02-29T12:00:00.1234567890", "2024-02-29T1:2:3", "12024-02-29", "2024-02-295"] {
            XCTAssertEqual(parsed(text, .timestamp(precision: 3)), .failure(.invalid), text)
        }
        for text in ["2023-02-29", "2024-13-01", "2024-00-10", "2024-01-32", "0000-01-01", "2024-01-01T25:00:00", "2024-01-01T00:60:00",
            "2024-01-01T00:00:61", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2024-01-01T00:00:00+19:00"] {
            XCTAssertEqual(parsed(text, .timestamp(precision: 3)), .failure(.outOfRange), text)
        }
        XCTAssertEqual(TextFormat.string(.integer(1_709_210_096_987_654), type: .timestamp(precision: 0)), "2024-02-29T12:34:56")
        XCTAssertEqual(TextFormat.string(.integer(1_709_210_096_987_654), type: .timestampTZ(precision: 3)), "2024-02-29T12:34:56.987Z")
        XCTAssertEqual(TextFormat.string(.integer(-1), type: .timestamp(precision: 6)), "1969-12-31T23:59:59.999999")
        // Times that no text leads to are shown somehow.
        for value in [Int64.min, .max] { XCTAssertFalse(shown(value).isEmpty) }
    }

    /// The fast path accepts exactly what the slow one does.
    func testFixedFormAgainstGeneral() {
        var random = SeededRandom(seed: 21)
        let template = Array("2024-02-29T12:34:56.789".utf8)
        for _ in 0..<200_000 {
            var text = template
            for _ in 0..<(1 + random.below(3)) {
                let position = random.below(text.count)
                text[position] = random.below(3) == 0 ? UInt8(random.below(256)) : UInt8(0x30 + random.below(12))
            }
            let fixed = text.withUnsafeBufferPointer { TimestampText.parseFixed($0) }
            // A trailing space keeps the slow path from being skipped.
            let spaced = text + [0x20]
            let slow = spaced.withUnsafeBufferPointer { try? TimestampText.parse($0, precision: 6) }
            if let fixed { XCTAssertEqual(slow, fixed, String(decoding: text, as: UTF8.self)) }
        }
    }

    func testMonthsAndTruncation() {
        XCTAssertEqual(CivilCalendar.addMonths(days: days("2024-01-31"), 1), days("2024-02-29"))
        XCTAssertEqual(CivilCalendar.addMonths(days: days("2023-01-31"), 1), days("2023-02-28"))
        XCTAssertEqual(CivilCalendar.addMonths(days: days("2024-03-31"), -13), days("2023-02-28"))
        XCTAssertEqual(CivilCalendar.addMonths(days: days("2024-02-29"), 12), days("2025-02-28"))
        XCTAssertNil(CivilCalendar.addMonths(days: days("9999-12-01"), 1))
        XCTAssertNil(CivilCalendar.addMonths(days: days("2024-01-01"), .max))
        XCTAssertEqual(
            CivilCalendar.add(microseconds: micros("2024-01-31T10:00:00"), IntervalValue(months: 1, microseconds: -3_600_000_000)),
            micros("2024-02-29T09:00:00"))
        XCTAssertNil(CivilCalendar.add(microseconds: micros("2024-01-31"), IntervalValue(microseconds: .max)))
        let truncated: [(CalendarUnit, String)] = [
            (.millisecond, "2024-08-15T12:34:56.987000"), (.second, "2024-08-15T12:34:56.000000"), (.minute, "2024-08-15T12:34:00.000000"),
            (.hour, "2024-08-15T12:00:00.000000"), (.day, "2024-08-15T00:00:00.000000"), (.week, "2024-08-12T00:00:00.000000"),
            (.month, "2024-08-01T00:00:00.000000"), (.quarter, "2024-07-01T00:00:00.000000"), (.year, "2024-01-01T00:00:00.000000"),
            (.decade, "2020-01-01T00:00:00.000000"), (.century, "2001-01-01T00:00:00.000000"), (.millennium, "2001-01-01T00:00:00.000000"),
        ]
        for (unit, text) in truncated {
            XCTAssertEqual(shown(CivilCalendar.truncate(microseconds: micros("2024-08-15T12:34:56.987654"), to: unit)), text, "\(unit)")
        }
        XCTAssertEqual(shown(CivilCalendar.truncate(microseconds: -1, to: .hour)), "1969-12-31T23:00:00.000000")
        for unit in CalendarUnit.allCases { for value in [Int64.min, .max, 0] { _ = CivilCalendar.truncate(microseconds: value, to: unit) } }
    }

    func testComponentsRoundTrip() {
        var values = RandomValues(seed: 22)
        for _ in 0..<20_000 {
            let micros = values.int64(in: CivilCalendar.microsecondRange)
            XCTAssertEqual(CivilCalendar.microseconds(of: CivilCalendar.components(ofMicroseconds: micros)), micros)
        }
        for value in [Int64.min, .max] { _ = CivilCalendar.components(ofMicroseconds: value) }
    }
}
