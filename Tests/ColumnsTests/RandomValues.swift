// RandomValues: seeded types and values for the round-trip tests.

import Columns
import Platform

struct RandomValues {
    var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    static let flatTypes: [SQLType] = [
        .boolean, .smallint, .integer, .bigint, .real, .double, .decimal(precision: 10, scale: 2), .decimal(precision: 38, scale: 0),
        .decimal(precision: 38, scale: 38), .decimal(precision: 38, scale: 10), .decimal(precision: 1, scale: 1), .text,
        .varchar(length: 5), .bytes, .date, .time(precision: 0), .time(precision: 6), .timestamp(precision: 0),
        .timestamp(precision: 3), .timestamp(precision: 6), .timestampTZ(precision: 3), .timestampTZ(precision: 6), .interval,
    ]

    static let nestedTypes: [SQLType] = [
        .array(.bigint), .array(.text), .array(.array(.integer)),
        .row([.init(name: "id", type: .bigint), .init(name: "Name", type: .text)]),
        .row([.init(name: "deep", type: .row([.init(name: "list", type: .array(.text)), .init(name: "at", type: .timestamp(precision: 3))]))]),
        .array(.row([.init(name: "a", type: .double), .init(name: "b", type: .array(.boolean))])),
        .json, .map(.text, .bigint), .array(.json), .map(.integer, .array(.map(.date, .row([.init(name: "x", type: .json)])))),
    ]

    mutating func int64() -> Int64 {
        let value = Int64(bitPattern: random.next()) >> Int64(random.below(64))
        return random.below(20) == 0 ? [Int64.min, .max, 0, -1][random.below(4)] : value
    }

    mutating func int64(in range: ClosedRange<Int64>) -> Int64 {
        let width = UInt64(bitPattern: range.upperBound &- range.lowerBound)
        return range.lowerBound &+ Int64(bitPattern: width == .max ? random.next() : random.next() % (width + 1))
    }

    mutating func double() -> Double {
        switch random.below(6) {
        case 0: return [0, -0.0, 1, -1, .nan, .infinity, -.infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 0.1][random.below(10)]
        case 1: return Double(random.below(100_000)) / 100
        case 2: return Double(int64())
        default: return Double(bitPattern: random.next())
        }
    }

    mutating func string(_ maximum: Int) -> String {
        let alphabet = Array("abcXYZ 019-_\"\\,\n\r\t;|{}[]:äß漢字😀\u{7F}\u{1}e\u{301}")
        var text = ""
        for _ in 0..<random.below(maximum + 1) { text.append(alphabet[random.below(alphabet.count)]) }
        return text
    }

    mutating func value(_ type: SQLType, nulls: Bool = true) -> Value {
        if nulls && random.below(6) == 0 { return .null }
        switch type {
        case .null: return .null
        case .boolean: return .boolean(random.below(2) == 0)
        case .smallint, .integer, .bigint:
            let range = type.integerRange ?? 0...0
            return .integer(random.below(8) == 0 ? [range.lowerBound, range.upperBound][random.below(2)] : int64(in: range) >> Int64(random.below(15)))
        case .real:
            var value = Double(Float(bitPattern: UInt32(truncatingIfNeeded: random.next())))
            if value.isNaN { value = .nan }
            return .double(value)
        case .double:
            let value = double()
            return .double(value.isNaN ? .nan : value)
        case .decimal(let precision, _):
            var magnitude: Int128 = 0
            for _ in 0..<(1 + random.below(precision)) { magnitude = magnitude * 10 + Int128(random.below(10)) }
            return .decimal(random.below(2) == 0 ? magnitude : -magnitude)
        case .varchar(let length):
            let text = string(length ?? 40)
            guard let length else { return .string(text) }
            return .string(String(String.UnicodeScalarView(text.unicodeScalars.prefix(length))))
        case .bytes: return .bytes((0..<random.below(20)).map { _ in UInt8(random.below(256)) })
        case .date: return .integer(int64(in: CivilCalendar.dayRange))
        case .time(let precision):
            return .integer(CivilCalendar.truncate(microseconds: Int64(random.below(86_400_000_000)), precision: precision))
        case .timestamp(let precision), .timestampTZ(let precision):
            return .integer(CivilCalendar.truncate(microseconds: int64(in: CivilCalendar.microsecondRange), precision: precision))
        case .interval:
            return .interval(IntervalValue(months: int64(in: -5000...5000), microseconds: int64(in: -1_000_000_000_000_000...1_000_000_000_000_000)))
        case .array(let element): return .list((0..<random.below(4)).map { _ in value(element, nulls: nulls) })
        case .row(let fields): return .list(fields.map { value($0.type, nulls: nulls) })
        case .map(let key, let element):
            return .list((0..<random.below(4)).map { _ in .list([value(key, nulls: false), value(element, nulls: nulls)]) })
        case .json: return .string(json(depth: 0))
        }
    }

    /// The text of a JSON value other than null.
    mutating func json(depth: Int) -> String {
        switch random.below(depth < 3 ? 6 : 4) {
        case 0: return ["true", "false", "0", "-1.50e+3", "1E2"][random.below(5)]
        case 1: return String(int64())
        case 2, 3: return JSONText.string(string(10))
        case 4: return "[" + (0..<random.below(3)).map { _ in json(depth: depth + 1) }.joined(separator: random.below(2) == 0 ? "," : " , ") + "]"
        default: return "{" + (0..<random.below(3)).map { _ in JSONText.string(string(4)) + ":" + json(depth: depth + 1) }.joined(separator: ",") + " }"
        }
    }

    mutating func batch(_ schema: Schema, rows: Int, nulls: Bool = true) -> RowBatch {
        RowBatch.make((0..<rows).map { _ in schema.types.map { value($0, nulls: nulls) } }, types: schema.types)
    }
}

/// Equality that takes NaN for itself and tells -0 from 0.
func same(_ a: Value, _ b: Value) -> Bool {
    switch (a, b) {
    case (.double(let x), .double(let y)): x.bitPattern == y.bitPattern || (x.isNaN && y.isNaN)
    case (.list(let x), .list(let y)): x.count == y.count && zip(x, y).allSatisfy { same($0, $1) }
    default: a == b
    }
}

func same(_ a: [Value], _ b: [Value]) -> Bool { a.count == b.count && zip(a, b).allSatisfy { same($0, $1) } }

func buffer(_ text: String) -> Buffer { Array(text.utf8).withUnsafeBytes { Buffer(copying: $0) } }

func buffer(_ bytes: [UInt8]) -> Buffer { bytes.withUnsafeBytes { Buffer(copying: $0) } }

func withText<T>(_ text: String, _ body: (TextBytes) -> T) -> T { Array(text.utf8).withUnsafeBufferPointer { body($0) } }

/// What parsing gives, or the error.
func parsed(_ text: String, _ type: SQLType) -> Result<Value, TextError> {
    do throws(TextError) { return .success(try TextFormat.parse(text, as: type)) } catch { return .failure(error) }
}
