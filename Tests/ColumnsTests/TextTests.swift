import Columns
import Glibc
import Platform
import XCTest

final class TextTests: XCTestCase {
    func testEveryTypeRoundTripsThroughText() {
        var values = RandomValues(seed: 1)
        for type in RandomValues.flatTypes {
            for _ in 0..<500 {
                let value = values.value(type, nulls: false)
                let text = TextFormat.string(value, type: type)
                guard case .success(let back) = parsed(text, type) else { return XCTFail("\(type.name): \(text) does not read back") }
                XCTAssertTrue(same(back, value), "\(type.name): \(value) -> \(text) -> \(back)")
            }
        }
    }

    func testIntegers() {
        XCTAssertEqual(parsed(" -9223372036854775808 ", .bigint), .success(.integer(.min)))
        XCTAssertEqual(parsed("9223372036854775808", .bigint), .failure(.outOfRange))
        XCTAssertEqual(parsed("99999999999999999999999", .bigint), .failure(.outOfRange))
        XCTAssertEqual(parsed("32768", .smallint), .failure(.outOfRange))
        XCTAssertEqual(parsed("-32768", .smallint), .success(.integer(-32768)))
        XCTAssertEqual(parsed("+7", .integer), .success(.integer(7)))
        for text in ["", " ", "-", "+", "1.5", "1e3", "abc", "1 2", "--1"] { XCTAssertEqual(parsed(text, .bigint), .failure(.invalid), text) }
    }

    func testDoublesAgainstStrtod() {
        var random = SeededRandom(seed: 2)
        for round in 0..<200_000 {
            let value = Double(bitPattern: random.next())
            guard value.isFinite else { continue }
            let text = TextFormat.string(.double(value), type: .double)
            XCTAssertEqual(strtod(text, nil).bitPattern, value.bitPattern, text)
            guard case .success(.double(let back)) = parsed(text, .double) else { return XCTFail(text) }
            XCTAssertEqual(back.bitPattern, value.bitPattern, text)
            // Other spellings of numbers nearby: more digits, fewer digits.
            if round % 10 == 0 {
                var spelling = ""
                for _ in 0..<(1 + random.below(30)) { spelling += String(random.below(10)) }
                if random.below(2) == 0 { spelling += "." + String(random.below(1_000_000)) }
                if random.below(2) == 0 { spelling += "e" + String(random.below(600) - 300) }
                let expected = strtod(spelling, nil)
                if expected.isFinite { XCTAssertEqual(parsed(spelling, .double), .success(.double(expected)), spelling) }
            }
        }
    }

    func testDoubleLongTexts() {
        // A halfway case decided by its 800th digit.
        let half = "9007199254740993"
        XCTAssertEqual(parsed(half + "." + String(repeating: "0", count: 900) + "1", .double), .success(.double(9007199254740994)))
        XCTAssertEqual(parsed(half + "." + String(repeating: "0", count: 900), .double), .success(.double(9007199254740992)))
        XCTAssertEqual(parsed("0." + String(repeating: "0", count: 5000) + "1e5001", .double), .success(.double(1)))
        XCTAssertEqual(parsed("1" + String(repeating: "0", count: 5000) + "e-5000", .double), .success(.double(1)))
        XCTAssertEqual(parsed("1e400", .double), .failure(.outOfRange))
        XCTAssertEqual(parsed("1e-400", .double), .success(.double(0)))
        XCTAssertEqual(parsed("1e99999999999999999999", .double), .failure(.outOfRange))
        XCTAssertEqual(parsed("1e39", .real), .failure(.outOfRange))
        for text in ["", ".", "e5", "1e", "1e+", "1.2.3", "0x10", "nanx", "-nan"] {
            XCTAssertEqual(parsed(text, .double), .failure(.invalid), text)
        }
    }

    func testDoubleForms() {
        let forms: [(Double, String)] = [
            (0, "0"), (-0.0, "-0"), (1.5, "1.5"), (100, "100"), (1e14, "100000000000000"), (1e15, "1e+15"), (1e20, "1e+20"), (1e-4, "0.0001"),
            (1.25e-5, "1.25e-05"), (123456.789, "123456.789"), (.leastNonzeroMagnitude, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
            (.nan, "NaN"), (.infinity, "Infinity"), (-.infinity, "-Infinity"), (0.1, "0.1"), (-2.5, "-2.5"), (1e100, "1e+100"),
        ]
        for (value, text) in forms { XCTAssertEqual(TextFormat.string(.double(value), type: .double), text) }
        XCTAssertEqual(TextFormat.string(.double(Double(Float(0.1))), type: .real), "0.1")
        XCTAssertEqual(TextFormat.string(.double(1e6), type: .real), "1e+06")
    }

    func testBooleans() {
        for text in ["true", "T", "yes", "on", "1", " TRUE "] { XCTAssertEqual(parsed(text, .boolean), .success(.boolean(true)), text) }
        for text in ["false", "F", "No", "off", "0"] { XCTAssertEqual(parsed(text, .boolean), .success(.boolean(false)), text) }
        for text in ["", "2", "tru", "truely"] { XCTAssertEqual(parsed(text, .boolean), .failure(.invalid), text) }
    }

    func testBytes() {
        XCTAssertEqual(parsed("\\xDEADbeef", .bytes), .success(.bytes([0xDE, 0xAD, 0xBE, 0xEF])))
        XCTAssertEqual(parsed("3q2+7w==", .bytes), .success(.bytes([0xDE, 0xAD, 0xBE, 0xEF])))
        XCTAssertEqual(parsed("3q2+7w", .bytes), .success(.bytes([0xDE, 0xAD, 0xBE, 0xEF])))
        XCTAssertEqual(parsed("", .bytes), .success(.bytes([])))
        for text in ["\\xABC", "\\xZZ", "A", "AB=", "A===", "AB=C", "QQ==="] { XCTAssertEqual(parsed(text, .bytes), .failure(.invalid), text) }
        XCTAssertEqual(TextFormat.string(.bytes([0, 255]), type: .bytes), "\\x00ff")
    }

    func testVarcharLimit() {
        XCTAssertEqual(parsed("äöü", .varchar(length: 3)), .success(.string("äöü")))
        XCTAssertEqual(parsed("äöüx", .varchar(length: 3)), .failure(.tooLong))
    }

    func testUTF8Validation() {
        let good = ["", "abc", "äöü", "漢字", "😀", "\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}", String(repeating: "a", count: 100) + "é"]
        for text in good { XCTAssertTrue(withText(text) { UTF8Text.isValid($0) }, text) }
        let bad: [[UInt8]] = [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xF5, 0x80, 0x80, 0x80], [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98], [0xFF], [0x41, 0xC3, 0x41],
        ]
        for bytes in bad { XCTAssertFalse(bytes.withUnsafeBufferPointer { UTF8Text.isValid($0) }, "\(bytes)") }
        var random = SeededRandom(seed: 3)
        for _ in 0..<50_000 {
            let bytes = (0..<(1 + random.below(12))).map { _ in
                random.below(2) == 0 ? UInt8(random.below(128)) : [0xC3, 0xA4, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80, 0xED, 0xA0][random.below(11)]
            }
            let expected = String(validating: bytes, as: UTF8.self) != nil
            XCTAssertEqual(bytes.withUnsafeBufferPointer { UTF8Text.isValid($0) }, expected, "\(bytes)")
        }
    }

    func testMessages() {
        let message = withText("abc\n") { TextError.invalid.message(text: $0, type: .bigint) }
        XCTAssertEqual(message, "invalid input syntax for type BIGINT: \"abc?\"")
    }

    /// No text traps a parser.
    func testFuzz() {
        var random = SeededRandom(seed: 4)
        let alphabet = Array("0123456789-+.:eETZ /PYMDWHSdayhourx\\naninfµ,".utf8)
        for _ in 0..<200_000 {
            let text = (0..<random.below(24)).map { _ in alphabet[random.below(alphabet.count)] }
            let type = RandomValues.flatTypes[random.below(RandomValues.flatTypes.count)]
            let builder = ColumnBuilder(type)
            text.withUnsafeBufferPointer { text in
                do throws(TextError) {
                    try TextFormat.parse(text, into: builder)
                    XCTAssertEqual(builder.count, 1)
                } catch { XCTAssertEqual(builder.count, 0) }
                let units = CalendarUnit.allCases
                _ = try? IntervalText.parse(text, from: units[random.below(units.count)], to: units[random.below(units.count)])
            }
        }
    }
}
