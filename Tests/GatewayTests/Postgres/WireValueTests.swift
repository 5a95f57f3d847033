// Values in PostgreSQL's text and binary forms, both ways, and messages taken apart.

import Columns
import Platform
import XCTest

@testable import Gateway

final class WireValueTests: XCTestCase {
    private func encode(_ value: Value, _ type: SQLType, _ format: WireFormat) -> [UInt8] {
        let cells = WireCells([Column.constant(value, type: type, count: 1)], formats: [format])
        let buffer = ByteBuffer()
        if cells.isNull(0, 0) { return Array("NULL".utf8) }
        cells.append(0, 0, to: buffer)
        return buffer.array
    }

    private func text(_ value: Value, _ type: SQLType) -> String { String(decoding: encode(value, type, .text), as: UTF8.self) }
    private func binary(_ value: Value, _ type: SQLType) -> String {
        encode(value, type, .binary).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    /// What PostgreSQL 16 writes for the same values.
    func testText() {
        XCTAssertEqual(text(.boolean(true), .boolean), "t")
        XCTAssertEqual(text(.boolean(false), .boolean), "f")
        XCTAssertEqual(text(.integer(-32_768), .smallint), "-32768")
        XCTAssertEqual(text(.integer(.min), .bigint), "-9223372036854775808")
        XCTAssertEqual(text(.double(1.5), .double), "1.5")
        XCTAssertEqual(text(.double(.infinity), .double), "Infinity")
        XCTAssertEqual(text(.double(.nan), .double), "NaN")
        XCTAssertEqual(text(.decimal(-12_345), .decimal(precision: 10, scale: 2)), "-123.45")
        XCTAssertEqual(text(.string("a\tb"), .text), "a\tb")
        XCTAssertEqual(text(.bytes([0, 255]), .bytes), "\\x00ff")
        XCTAssertEqual(text(.integer(0), .date), "1970-01-01")
        XCTAssertEqual(text(.integer(3_661_500_000), .time(precision: 6)), "01:01:01.5")
        XCTAssertEqual(text(.integer(1_500_000), .timestamp(precision: 3)), "1970-01-01 00:00:01.5")
        XCTAssertEqual(text(.integer(1_000_000), .timestampTZ(precision: 6)), "1970-01-01 00:00:01+00")
        XCTAssertEqual(text(.interval(IntervalValue(months: 14, microseconds: 90_061_000_000)), .interval), "1 year 2 mons 1 day 01:01:01")
        XCTAssertEqual(text(.string("{\"a\": 1}"), .json), "{\"a\": 1}")
        XCTAssertEqual(text(.list([.integer(1), .null, .integer(3)]), .array(.integer)), "{1,NULL,3}")
        XCTAssertEqual(
            text(.list([.string("a b"), .string(""), .string("null"), .string("q\"\\"), .string("plain")]), .array(.text)),
            "{\"a b\",\"\",\"null\",\"q\\\"\\\\\",plain}")
        XCTAssertEqual(text(.list([]), .array(.integer)), "{}")
        XCTAssertEqual(text(.list([.integer(1), .string("x")]), .row([.init(name: "a", type: .integer), .init(name: "b", type: .text)])), "{\"a\":1,\"b\":\"x\"}")
        XCTAssertEqual(text(.list([.list([.integer(1)]), .list([])]), .array(.array(.integer))), "[[1],[]]")
    }

    func testBinary() {
        XCTAssertEqual(binary(.boolean(true), .boolean), "01")
        XCTAssertEqual(binary(.integer(-2), .smallint), "fffe")
        XCTAssertEqual(binary(.integer(258), .integer), "00000102")
        XCTAssertEqual(binary(.integer(-1), .bigint), "ffffffffffffffff")
        XCTAssertEqual(binary(.double(1), .real), "3f800000")
        XCTAssertEqual(binary(.double(1), .double), "3ff0000000000000")
        XCTAssertEqual(binary(.integer(10_957), .date), "00000000")
        XCTAssertEqual(binary(.integer(0), .date), "ffffd533")
        XCTAssertEqual(binary(.integer(946_684_800_000_001), .timestamp(precision: 6)), "0000000000000001")
        XCTAssertEqual(binary(.interval(IntervalValue(months: 2, microseconds: 86_400_000_001)), .interval), "00000000000000010000000100000002")
        // numeric_send of 0, 1, 10000, 12345.678, -0.0001, 0.1
        func numeric(_ value: Int128, _ scale: Int) -> String { binary(.decimal(value), .decimal(precision: 38, scale: scale)) }
        XCTAssertEqual(numeric(0, 0), "0000000000000000")
        XCTAssertEqual(numeric(1, 0), "00010000000000000001")
        XCTAssertEqual(numeric(10_000, 0), "00010001000000000001")
        XCTAssertEqual(numeric(12_345_678, 3), "000300010000000300010929" + "1a7c")
        XCTAssertEqual(numeric(-1, 4), "0001ffff400000040001")
        XCTAssertEqual(numeric(1, 1), "0001ffff0000000103e8")
        XCTAssertEqual(
            binary(.list([.integer(7), .null]), .array(.integer)), "0000000100000001000000170000000200000001" + "0000000400000007" + "ffffffff")
        XCTAssertEqual(binary(.list([]), .array(.integer)), "000000000000000000000017")
    }

    /// Whatever is sent comes back as a parameter, in both formats.
    func testEveryTypeComesBack() throws {
        var random = SeededRandom(seed: 3)
        func number(_ range: ClosedRange<Int64>) -> Int64 { range.lowerBound + Int64(random.below(Int(range.upperBound - range.lowerBound))) }
        let day = CivilCalendar.microsecondsPerDay
        for _ in 0..<2_000 {
            let scale = random.below(39)
            let digits = Int128(number(-1_000_000_000_000...1_000_000_000_000)) * Int128(number(1...1_000_000))
            let cases: [(Value, SQLType)] = [
                (.boolean(random.below(2) == 0), .boolean), (.integer(number(-32_768...32_767)), .smallint),
                (.integer(number(-2_147_483_648...2_147_483_647)), .integer), (.integer(number(-1 << 60...1 << 60)), .bigint),
                (.double(Double(number(-1_000_000...1_000_000)) / 64), .double), (.double(Double(number(-1_000...1_000)) / 8), .real),
                (.decimal(digits), .decimal(precision: 38, scale: scale)), (.integer(number(-700_000...2_900_000)), .date),
                (.integer(number(0...day - 1)), .time(precision: 6)), (.integer(number(-60_000 * 1_000_000 * 86_400...60_000 * 1_000_000 * 86_400)), .timestamp(precision: 6)),
                (.integer(number(0...1 << 50)), .timestampTZ(precision: 6)), (.string("text \(random.below(1_000)) ü"), .text),
                (.bytes((0..<random.below(20)).map { _ in UInt8(random.below(256)) }), .bytes), (.string("{\"a\": [1, \(random.below(9))]}"), .json),
                (.interval(IntervalValue(months: number(-500...500), microseconds: number(-1 << 45...1 << 45))), .interval),
                (.list((0..<random.below(5)).map { _ in random.below(3) == 0 ? .null : .integer(number(-9...9)) }), .array(.integer)),
                (.list((0..<random.below(4)).map { _ in .string("e \(random.below(99)),\"") }), .array(.text)),
                (.list((0..<random.below(4)).map { _ in .decimal(Int128(number(-99_999...99_999))) }), .array(.decimal(precision: 38, scale: 18))),
            ]
            for (value, type) in cases {
                for format in [WireFormat.text, .binary] {
                    let bytes = encode(value, type, format)
                    let back = try ParameterCodec.value(bytes, format, type: type, number: 1)
                    guard case .decimal(let wanted) = value, case .decimal(_, let from) = type, case .decimal(let got) = back.value,
                        case .decimal(_, let to) = back.type
                    else {
                        XCTAssertEqual(back.value, value, "\(type.name) \(format): \(bytes)")
                        continue
                    }
                    XCTAssertEqual(Decimal128.compare(wanted, from, got, to), 0, "\(wanted) / 10^\(from) as \(format) is \(got) / 10^\(to)")
                }
            }
        }
    }

    func testParametersThatCannotBe() {
        let wrong: [(String, SQLType)] = [("abc", .integer), ("99999", .smallint), ("1e400", .double), ("2026-13-01", .date), ("{", .json), ("x", .boolean)]
        for (text, type) in wrong {
            XCTAssertThrowsError(try ParameterCodec.value(Array(text.utf8), .text, type: type, number: 1)) { error in
                let code = (error as? ErrorReport)?.code
                XCTAssertTrue(code == "22P02" || code == "22003", "\(text): \(code ?? "-")")
            }
        }
        var random = SeededRandom(seed: 4)
        let types: [SQLType] = [
            .boolean, .smallint, .integer, .bigint, .real, .double, .decimal(precision: 38, scale: 6), .text, .bytes, .date, .time(precision: 6),
            .timestamp(precision: 6), .timestampTZ(precision: 6), .interval, .json, .array(.integer), .array(.text), .array(.decimal(precision: 38, scale: 2)),
            .row([.init(name: "a", type: .integer)]), .map(.text, .integer), .array(.array(.integer)),
        ]
        // Any bytes at all: a value or an error.
        for _ in 0..<30_000 {
            let bytes = (0..<random.below(40)).map { _ in UInt8(random.below(random.below(4) == 0 ? 256 : 4)) }
            let type = types[random.below(types.count)]
            for format in [WireFormat.text, .binary] { _ = try? ParameterCodec.value(bytes, format, type: type, number: 1) }
        }
    }

    func testMessages() throws {
        func decode(_ type: Unicode.Scalar, _ body: [UInt8]) throws -> FrontendMessage { try FrontendMessage.decode(type: UInt8(ascii: type), body: body[...]) }
        XCTAssertEqual(try decode("Q", Array("SELECT 1\0".utf8)), .query("SELECT 1"))
        XCTAssertEqual(try decode("P", Array("a\0SELECT $1\0".utf8) + [0, 1, 0, 0, 0, 23]), .parse(name: "a", sql: "SELECT $1", types: [23]))
        XCTAssertEqual(
            try decode("B", Array("p\0s\0".utf8) + [0, 1, 0, 1, 0, 2, 0, 0, 0, 1, 65, 255, 255, 255, 255, 0, 0]),
            .bind(.init(portal: "p", statement: "s", formats: [.binary], values: [[65], nil], resultFormats: [])))
        XCTAssertEqual(try decode("E", [0, 0, 0, 0, 5]), .execute(portal: "", rowCountMax: 5))
        XCTAssertEqual(try decode("D", Array("Sx\0".utf8)), .describe(.statement("x")))
        for (type, body): (Unicode.Scalar, [UInt8]) in [
            ("Q", Array("SELECT 1".utf8)), ("Q", Array("a\0b\0".utf8)), ("Q", [0xFF, 0]), ("P", [0, 0, 0]), ("P", [0, 0, 0, 1]), ("B", [0, 0, 0, 1, 0, 2, 0, 0, 0, 0]),
            ("B", [0, 0, 0, 0, 0, 1, 127, 255, 255, 255, 1, 0, 0]), ("B", [0, 0, 0, 0, 0, 1, 255, 255, 255, 254, 0, 0]), ("D", Array("Xx\0".utf8)),
            ("D", []), ("E", [0, 0]), ("S", [1]), ("Z", []), ("B", [0, 0, 0, 2, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 65, 0, 0]),
        ] {
            XCTAssertThrowsError(try decode(type, body), "\(type) \(body)") { XCTAssertTrue($0 is ProtocolViolation) }
        }
    }
}
