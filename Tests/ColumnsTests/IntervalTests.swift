import Columns
import XCTest

final class IntervalTests: XCTestCase {
    private func read(_ text: String, _ from: CalendarUnit? = nil, _ to: CalendarUnit? = nil) -> String {
        let result: Result<IntervalValue, TextError> = withText(text) { bytes in
            do throws(TextError) { return .success(try IntervalText.parse(bytes, from: from, to: to)) } catch { return .failure(error) }
        }
        switch result {
        case .success(let value): return TextFormat.string(.interval(value), type: .interval)
        case .failure(let error): return "\(error)"
        }
    }

    func testForms() {
        let forms: [(String, String)] = [
            ("1 day 02:03:04.5", "1 day 02:03:04.5"), ("2 hours", "02:00:00"), ("1 year 2 mons", "1 year 2 mons"), ("P1DT2H", "1 day 02:00:00"),
            ("P1Y2M3W", "1 year 2 mons 21 days"), ("PT0.5S", "00:00:00.5"), ("-P1D", "-1 days"), ("P-1D", "-1 days"), ("90 seconds", "00:01:30"),
            ("1.5 days", "1 day 12:00:00"), ("1.5 years", "1 year 6 mons"), ("10", "00:00:10"), ("-00:00:01", "-00:00:01"),
            ("1 day ago", "-1 days"), ("2 weeks", "14 days"), ("1-2", "1 year 2 mons"), ("5 ms", "00:00:00.005"), ("7 µs", "00:00:00.000007"),
            ("-1 mon 3 days", "-1 mons +3 days"), ("3 02:00:00", "3 days 02:00:00"), ("0 s", "00:00:00"), ("@ 1 minute", "00:01:00"),
            ("1 quarter", "3 mons"), ("1 century", "100 years"), ("26 hours", "1 day 02:00:00"), ("1h30m", "01:30:00"), ("1 day -01:00", "23:00:00"),
        ]
        for (text, expected) in forms { XCTAssertEqual(read(text), expected, text) }
        for text in ["", "day", "1 foo", "P", "PT", "P1H", "1:2:3:4", "ago", "1 day ago 2", "--1 day", "1..5 s", "."] {
            XCTAssertEqual(read(text), "invalid", text)
        }
        XCTAssertEqual(read("999999999999999999 years"), "outOfRange")
        XCTAssertEqual(read("9999999999999999999 s"), "outOfRange")
    }

    func testStandardFields() {
        XCTAssertEqual(read("4", .second), "00:00:04")
        XCTAssertEqual(read("1.5", .second), "00:00:01.5")
        XCTAssertEqual(read("-10", .minute), "-00:10:00")
        XCTAssertEqual(read("1:30", .minute, .second), "00:01:30")
        XCTAssertEqual(read("1:30", .hour, .minute), "01:30:00")
        XCTAssertEqual(read("2 10", .day, .hour), "2 days 10:00:00")
        XCTAssertEqual(read("1 02:03:04.567", .day, .second), "1 day 02:03:04.567")
        XCTAssertEqual(read("-1 02:03:04", .day, .second), "-1 days -02:03:04")
        XCTAssertEqual(read("1-6", .year, .month), "1 year 6 mons")
        XCTAssertEqual(read("10", .day), "10 days")
        XCTAssertEqual(read("1 day", .day), "1 day")
        XCTAssertEqual(read("1:90", .hour, .minute), "outOfRange")
        XCTAssertEqual(read("1", .second, .day), "invalid")
    }
}
