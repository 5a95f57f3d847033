import Columns
import Platform
import XCTest

/// Unsigned integers of any size, digit by digit, the way it is taught at school: slow and plainly right.
private struct School: Equatable {
    /// Decimal digits, least first, none for zero.
    var digits: [Int]

    init(_ text: String) {
        digits = text.reversed().compactMap { $0.wholeNumberValue }
        trim()
    }

    init(digits: [Int]) {
        self.digits = digits
        trim()
    }

    private mutating func trim() { while digits.last == 0 { digits.removeLast() } }

    var text: String { digits.isEmpty ? "0" : digits.reversed().map(String.init).joined() }

    static func < (a: School, b: School) -> Bool {
        if a.digits.count != b.digits.count { return a.digits.count < b.digits.count }
        for (x, y) in zip(a.digits.reversed(), b.digits.reversed()) where x != y { return x < y }
        return false
    }

    static func + (a: School, b: School) -> School {
        var result: [Int] = []
        var carry = 0
        for index in 0..<max(a.digits.count, b.digits.count) + 1 {
            let sum = (index < a.digits.count ? a.digits[index] : 0) + (index < b.digits.count ? b.digits[index] : 0) + carry
            result.append(sum % 10)
            carry = sum / 10
        }
        return School(digits: result)
    }

    static func - (a: School, b: School) -> School {
        var result: [Int] = []
        var borrow = 0
        for index in 0..<a.digits.count {
            var difference = a.digits[index] - (index < b.digits.count ? b.digits[index] : 0) - borrow
            borrow = difference < 0 ? 1 : 0
            if difference < 0 { difference += 10 }
            result.append(difference)
        }
        return School(digits: result)
    }

    static func * (a: School, b: School) -> School {
        var result = [Int](repeating: 0, count: a.digits.count + b.digits.count + 1)
        for (i, x) in a.digits.enumerated() {
            var carry = 0
            for (j, y) in b.digits.enumerated() {
                let sum = result[i + j] + x * y + carry
                result[i + j] = sum % 10
                carry = sum / 10
            }
            result[i + b.digits.count] += carry
        }
        return School(digits: result)
    }

    func divided(by divisor: School) -> (quotient: School, remainder: School) {
        var quotient: [Int] = []
        var rest = School(digits: [])
        for digit in digits.reversed() {
            rest = School(digits: [digit] + rest.digits)
            var times = 0
            while !(rest < divisor) {
                rest = rest - divisor
                times += 1
            }
            quotient.append(times)
        }
        return (School(digits: quotient.reversed()), rest)
    }

    func shifted(_ count: Int) -> School { digits.isEmpty ? self : School(digits: [Int](repeating: 0, count: count) + digits) }

    /// Without the last `count` digits, rounded half up.
    func rounded(_ count: Int) -> School {
        guard count > 0 else { return self }
        let up = count <= digits.count && digits[count - 1] >= 5
        let kept = School(digits: Array(digits.dropFirst(count)))
        return up ? kept + School(digits: [1]) : kept
    }
}

final class DecimalTests: XCTestCase {
    private func random(_ random: inout SeededRandom) -> Int128 {
        var value: Int128 = 0
        for _ in 0..<random.below(39) { value = value * 10 + Int128(random.below(10)) }
        return random.below(2) == 0 ? value : -value
    }

    private func school(_ value: Int128) -> School { School(String(value.magnitude)) }

    /// The oracle's answer as an Int128, or nil when it has more digits than the precision.
    private func answer(_ magnitude: School, _ negative: Bool, _ precision: Int) -> Int128? {
        guard magnitude.digits.count <= precision, let value = Int128(magnitude.text) else { return nil }
        return negative ? -value : value
    }

    func testArithmeticAgainstSchool() {
        var random = SeededRandom(seed: 11)
        for _ in 0..<20_000 {
            let a = self.random(&random)
            let b = self.random(&random)
            let s1 = random.below(39)
            let s2 = random.below(39)
            let precision = 1 + random.below(38)
            let scale = random.below(precision + 1)
            let label = "\(a)e-\(s1) , \(b)e-\(s2) -> \(precision),\(scale)"
            let common = max(s1, s2)
            let x = school(a).shifted(common - s1)
            let y = school(b).shifted(common - s2)
            func fit(_ magnitude: School, from: Int) -> School {
                from > scale ? magnitude.rounded(from - scale) : magnitude.shifted(scale - from)
            }

            let sum: Int128?
            if (a < 0) == (b < 0) {
                sum = answer(fit(x + y, from: common), a < 0, precision)
            } else if x < y {
                sum = answer(fit(y - x, from: common), b < 0, precision)
            } else {
                sum = answer(fit(x - y, from: common), a < 0, precision)
            }
            XCTAssertEqual(Decimal128.add(a, s1, b, s2, precision: precision, scale: scale), sum, "+ " + label)
            XCTAssertEqual(Decimal128.subtract(a, s1, -b, s2, precision: precision, scale: scale), sum, "- " + label)

            let product = answer(fit(school(a) * school(b), from: s1 + s2), (a < 0) != (b < 0), precision)
            XCTAssertEqual(Decimal128.multiply(a, s1, b, s2, precision: precision, scale: scale), product, "* " + label)

            let order = Decimal128.compare(a, s1, b, s2)
            let expectedOrder = a < 0 && b >= 0 ? -1 : a >= 0 && b < 0 ? 1 : (x < y ? -1 : y < x ? 1 : 0) * (a < 0 ? -1 : 1)
            XCTAssertEqual(order.signum(), expectedOrder, "<=> " + label)

            guard b != 0 else { continue }
            // One digit more than the result's and a sticky one decide the rounding.
            let shift = scale + s2 - s1
            let (quotient, rest) = school(a).shifted(max(shift, 0)).divided(by: school(b).shifted(max(-shift, 0)))
            let divisor = school(b).shifted(max(-shift, 0))
            let up = !(rest + rest < divisor)
            let rounded = up ? quotient + School("1") : quotient
            XCTAssertEqual(
                Decimal128.divide(a, s1, b, s2, precision: precision, scale: scale), answer(rounded, (a < 0) != (b < 0), precision),
                "/ " + label)
            let modulo = x.divided(by: y).remainder
            XCTAssertEqual(
                Decimal128.remainder(a, s1, b, s2, precision: precision, scale: scale), answer(fit(modulo, from: common), a < 0, precision),
                "% " + label)
        }
    }

    func testRescaleAgainstSchool() {
        var random = SeededRandom(seed: 12)
        for _ in 0..<20_000 {
            let value = self.random(&random)
            let from = random.below(39)
            let to = random.below(39)
            let magnitude = school(value)
            let up = to >= from ? magnitude.shifted(to - from) : magnitude.rounded(from - to)
            let cut = to >= from ? up : School(digits: Array(magnitude.digits.dropFirst(from - to)))
            XCTAssertEqual(Decimal128.rescale(value, from: from, to: to), answer(up, value < 0, 38))
            XCTAssertEqual(Decimal128.rescale(value, from: from, to: to, rounding: .truncate), answer(cut, value < 0, 38))
        }
        XCTAssertNil(Decimal128.rescale(.min, from: 0, to: 0))
        XCTAssertNil(Decimal128.rescale(.max, from: 0, to: 1))
    }

    func testTextAgainstSchool() {
        var random = SeededRandom(seed: 13)
        for _ in 0..<30_000 {
            let whole = (0..<random.below(25)).map { _ in String(random.below(10)) }.joined()
            let fraction = (0..<random.below(25)).map { _ in String(random.below(10)) }.joined()
            guard !(whole.isEmpty && fraction.isEmpty) else { continue }
            let exponent = random.below(3) == 0 ? random.below(41) - 20 : 0
            let negative = random.below(2) == 0
            var text = (negative ? "-" : "") + whole
            if !fraction.isEmpty || random.below(4) == 0 { text += "." + fraction }
            if exponent != 0 { text += "e\(exponent)" }
            let precision = 1 + random.below(38)
            let scale = random.below(precision + 1)
            let shift = scale - fraction.count + exponent
            let digits = School(whole + fraction)
            let expected = answer(shift >= 0 ? digits.shifted(shift) : digits.rounded(-shift), negative, precision)
            let result = parsed(text, .decimal(precision: precision, scale: scale))
            XCTAssertEqual(result, expected.map { .success(.decimal($0)) } ?? .failure(.outOfRange), "\(text) as \(precision),\(scale)")
        }
        for text in ["", ".", "-", "1e", "1e+", "abc", "1..2", "NaN", "1 2"] {
            XCTAssertEqual(parsed(text, .decimal(precision: 10, scale: 2)), .failure(.invalid), text)
        }
        XCTAssertEqual(parsed("1e999999999999", .decimal(precision: 10, scale: 2)), .failure(.outOfRange))
        XCTAssertEqual(parsed("0e999999999999", .decimal(precision: 10, scale: 2)), .success(.decimal(0)))
        XCTAssertEqual(parsed("9.995", .decimal(precision: 3, scale: 2)), .failure(.outOfRange))
        XCTAssertEqual(parsed("-9.995", .decimal(precision: 4, scale: 2)), .success(.decimal(-1000)))
    }

    func testForms() {
        XCTAssertEqual(TextFormat.string(.decimal(-5), type: .decimal(precision: 10, scale: 2)), "-0.05")
        XCTAssertEqual(TextFormat.string(.decimal(12345), type: .decimal(precision: 10, scale: 2)), "123.45")
        XCTAssertEqual(TextFormat.string(.decimal(0), type: .decimal(precision: 10, scale: 2)), "0.00")
        XCTAssertEqual(
            TextFormat.string(.decimal(99999999999999999999999999999999999999), type: .decimal(precision: 38, scale: 38)),
            "0.99999999999999999999999999999999999999")
        XCTAssertEqual(TextFormat.string(.decimal(.min), type: .decimal(precision: 38, scale: 0)), "-170141183460469231731687303715884105728")
    }

    func testDoubles() {
        XCTAssertEqual(Decimal128.double(12345, scale: 2), 123.45)
        XCTAssertEqual(Decimal128.double(-1, scale: 38), -1e-38)
        XCTAssertEqual(Decimal128.double(99999999999999999999999999999999999999, scale: 0), 1e38)
        XCTAssertEqual(Decimal128.decimal(0.1, precision: 10, scale: 5), 10000)
        XCTAssertEqual(Decimal128.decimal(1e20, precision: 38, scale: 2), 10_000_000_000_000_000_000_000)
        XCTAssertEqual(Decimal128.decimal(2.345, precision: 10, scale: 2), 235)
        XCTAssertEqual(Decimal128.decimal(-3, precision: 10, scale: 2), -300)
        XCTAssertNil(Decimal128.decimal(.nan, precision: 10, scale: 2))
        XCTAssertNil(Decimal128.decimal(1e9, precision: 10, scale: 2))
    }

    func testResultTypes() {
        func check(_ operation: DecimalType.Operation, _ a: (Int, Int), _ b: (Int, Int), _ expected: (Int, Int), line: UInt = #line) {
            let result = DecimalType.result(operation, a.0, a.1, b.0, b.1)
            XCTAssertEqual([result.precision, result.scale], [expected.0, expected.1], line: line)
        }
        check(.add, (10, 2), (5, 4), (13, 4))
        check(.multiply, (10, 2), (5, 4), (16, 6))
        check(.divide, (10, 2), (5, 4), (20, 8))
        check(.remainder, (10, 2), (5, 4), (5, 4))
        check(.divide, (38, 10), (38, 10), (38, 6))
        check(.multiply, (38, 2), (38, 2), (38, 2 + 2))
        check(.add, (38, 10), (38, 5), (38, 6))
    }
}
