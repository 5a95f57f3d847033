// Kernels of numbers and comparisons against a naive oracle that looks at one boxed row at a time, on seeded input with NULLs and
// extreme values: column with column, column with constant, constant with column.

import Columns
import Planning
import XCTest

@testable import Dataflow

final class KernelOracleExpressionTests: XCTestCase {
    private enum Outcome: Equatable {
        case value(Value)
        case failure
    }

    private func run(_ operation: String, _ types: [SQLType], _ rows: [[Value]], _ oracle: (Value, Value) -> Outcome) throws {
        let batch = RowBatch.make(rows, types: types)
        let binder = TestBinder(names: ["a", "b"], types: types)
        func check(_ expression: BoundExpression, _ pair: (Int) -> (Value, Value), _ what: String) throws {
            let context = EvaluationContext(clockMicroseconds: 0)
            let result = try CompiledExpression.compile(expression).evaluate(batch, context)
            let failed = Set(context.takeFailures().map(\.row))
            for row in rows.indices {
                let (a, b) = pair(row)
                let expected = a.isNull || b.isNull ? Outcome.value(.null) : oracle(a, b)
                let actual = failed.contains(row) ? Outcome.failure : .value(result.value(at: row))
                XCTAssertEqual(actual, expected, "\(what): \(a) \(operation) \(b), \(types)")
                if actual != expected { return }
            }
        }
        let bound = try binder.bind("a \(operation) b")
        try check(bound, { (rows[$0][0], rows[$0][1]) }, "columns")
        guard let first = rows.first else { return }
        for (index, constant) in [(0, first[0]), (1, first[1])] {
            try check(replacing(bound, index, constant, types[index]), { index == 0 ? (constant, rows[$0][1]) : (rows[$0][0], constant) }, "constant \(index)")
        }
    }

    private func replacing(_ expression: BoundExpression, _ ordinal: Int, _ value: Value, _ type: SQLType) -> BoundExpression {
        var result = expression
        switch expression.kind {
        case .column(ordinal): return .constant(value, type)
        case .call(let function, let operands): result.kind = .call(function, operands.map { replacing($0, ordinal, value, type) })
        case .cast(let operand, let mode): result.kind = .cast(replacing(operand, ordinal, value, type), mode)
        default: break
        }
        return result
    }

    private func integers(_ type: SQLType, _ count: Int, _ random: inout TestRandom) -> [Value] {
        let range = type.integerRange ?? 0...0
        return (0..<count).map { _ in
            switch Int.random(in: 0...9, using: &random) {
            case 0: .null
            case 1: .integer(range.lowerBound)
            case 2: .integer(range.upperBound)
            case 3: .integer(0)
            case 4: .integer(-1)
            case 5: .integer(Int64.random(in: range, using: &random))
            default: .integer(Int64.random(in: -1000...1000, using: &random))
            }
        }
    }

    func testIntegers() throws {
        var random = TestRandom(11)
        for size in batchSizes {
            for type in [SQLType.smallint, .integer, .bigint] {
                let range = (type == .smallint ? SQLType.integer : type).integerRange ?? 0...0
                let a = integers(type, size, &random)
                let b = integers(type, size, &random)
                let rows = zip(a, b).map { [$0, $1] }
                func exact(_ operation: @escaping (Int64, Int64) -> (partialValue: Int64, overflow: Bool)?) -> (Value, Value) -> Outcome {
                    { x, y in
                        guard case .integer(let x) = x, case .integer(let y) = y, let result = operation(x, y) else { return .failure }
                        return result.overflow || !range.contains(result.partialValue) ? .failure : .value(.integer(result.partialValue))
                    }
                }
                func compare(_ test: @escaping (Int64, Int64) -> Bool) -> (Value, Value) -> Outcome {
                    { x, y in
                        guard case .integer(let x) = x, case .integer(let y) = y else { return .failure }
                        return .value(.boolean(test(x, y)))
                    }
                }
                try run("+", [type, type], rows, exact { $0.addingReportingOverflow($1) })
                try run("-", [type, type], rows, exact { $0.subtractingReportingOverflow($1) })
                try run("*", [type, type], rows, exact { $0.multipliedReportingOverflow(by: $1) })
                try run("/", [type, type], rows, exact { $1 == 0 ? nil : $0.dividedReportingOverflow(by: $1) })
                try run("%", [type, type], rows, exact { $1 == 0 ? nil : $1 == -1 ? (0, false) : $0.remainderReportingOverflow(dividingBy: $1) })
                try run("=", [type, type], rows, compare { $0 == $1 })
                try run("<>", [type, type], rows, compare { $0 != $1 })
                try run("<", [type, type], rows, compare { $0 < $1 })
                try run("<=", [type, type], rows, compare { $0 <= $1 })
                try run(">", [type, type], rows, compare { $0 > $1 })
                try run(">=", [type, type], rows, compare { $0 >= $1 })
            }
        }
    }

    func testDoublesAndTexts() throws {
        var random = TestRandom(12)
        let special: [Double] = [0, -0.0, 1, -1, .nan, .infinity, -.infinity, 1e300, 2.5]
        let texts = ["", "a", "ab", "abc", "abcd", "abcde", "abcdf", "b", "é", "abcd\u{0}", "abc\u{1}"]
        func less(_ a: Double, _ b: Double) -> Bool { a.isNaN ? false : b.isNaN ? true : a < b }
        for size in batchSizes {
            let doubles: [[Value]] = (0..<size).map { _ in
                (0..<2).map { _ in Int.random(in: 0...9, using: &random) == 0 ? .null : .double(special[Int.random(in: 0..<special.count, using: &random)]) }
            }
            func compare(_ test: @escaping (Double, Double) -> Bool) -> (Value, Value) -> Outcome {
                { x, y in
                    guard case .double(let x) = x, case .double(let y) = y else { return .failure }
                    return .value(.boolean(test(x, y)))
                }
            }
            try run("<", [.double, .double], doubles, compare(less))
            try run(">=", [.double, .double], doubles, compare { !less($0, $1) })
            try run("=", [.double, .double], doubles, compare { !less($0, $1) && !less($1, $0) })
            let strings: [[Value]] = (0..<size).map { _ in
                (0..<2).map { _ in Int.random(in: 0...9, using: &random) == 0 ? .null : .string(texts[Int.random(in: 0..<texts.count, using: &random)]) }
            }
            func order(_ test: @escaping (Bool, Bool) -> Bool) -> (Value, Value) -> Outcome {
                { x, y in
                    guard case .string(let x) = x, case .string(let y) = y else { return .failure }
                    return .value(.boolean(test(Array(x.utf8).lexicographicallyPrecedes(Array(y.utf8)), Array(x.utf8) == Array(y.utf8))))
                }
            }
            try run("=", [.text, .text], strings, order { $1 })
            try run("<", [.text, .text], strings, order { less, _ in less })
            try run(">=", [.text, .text], strings, order { less, _ in !less })
        }
    }

    func testDivisionByConstants() throws {
        var random = TestRandom(13)
        var values: [Int64] = [0, 1, -1, 2, 7, -7, .max, .min, .max - 1, .min + 1, 123, -123, 246, 1 << 40]
        for _ in 0..<500 { values.append(Int64(bitPattern: random.next()) >> Int64.random(in: 0...60, using: &random)) }
        var divisors: [Int64] = [1, 2, 3, 5, 6, 7, 8, 10, 12, 64, 100, 123, 128, 1000, 1 << 32, 1 << 62, .max, -2, -3, -7, -10, -128, .min + 1, 3 << 20]
        for _ in 0..<100 { divisors.append(Int64(bitPattern: random.next()) >> Int64.random(in: 0...55, using: &random)) }
        values += divisors
        let batch = RowBatch.make(values.map { [.integer($0)] }, types: [.bigint])
        for divisor in divisors where divisor != 0 && divisor != -1 {
            let x = BoundExpression.column(0, .bigint)
            let d = BoundExpression.constant(.integer(divisor), .bigint)
            let zero = BoundExpression.constant(.integer(0), .bigint)
            let remainder = BoundExpression(.call(.remainder, [x, d]), type: .bigint)
            let context = EvaluationContext(clockMicroseconds: 0)
            let quotients = try CompiledExpression.compile(BoundExpression(.call(.divide, [x, d]), type: .bigint)).evaluate(batch, context)
            let remainders = try CompiledExpression.compile(remainder).evaluate(batch, context)
            let divisible = try CompiledExpression.compile(BoundExpression(.call(.equal, [remainder, zero]), type: .boolean)).evaluate(batch, context)
            let indivisible = try CompiledExpression.compile(BoundExpression(.call(.notEqual, [remainder, zero]), type: .boolean)).evaluate(batch, context)
            for (row, value) in values.enumerated() {
                XCTAssertEqual(quotients.int64s[row], value / divisor, "\(value) / \(divisor)")
                XCTAssertEqual(remainders.int64s[row], value % divisor, "\(value) % \(divisor)")
                XCTAssertEqual(divisible.bools[row], value % divisor == 0 ? 1 : 0, "\(value) % \(divisor) = 0")
                XCTAssertEqual(indivisible.bools[row], value % divisor == 0 ? 0 : 1, "\(value) % \(divisor) <> 0")
            }
        }
    }

    func testDecimalsAcrossScales() throws {
        var random = TestRandom(14)
        let types: [SQLType] = [.decimal(precision: 10, scale: 2), .decimal(precision: 20, scale: 5), .decimal(precision: 38, scale: 0), .decimal(precision: 38, scale: 37)]
        for left in types {
            for right in types {
                guard case .decimal(let p1, let s1) = left, case .decimal(let p2, let s2) = right else { continue }
                func value(_ precision: Int) -> Value {
                    if Int.random(in: 0...9, using: &random) == 0 { return .null }
                    let digits = Int.random(in: 1...precision, using: &random)
                    let magnitude = Int128(truncatingIfNeeded: UInt128(random.next()) << 62 ^ UInt128(random.next())) % Decimal128.power(digits)
                    return .decimal(magnitude)
                }
                let rows = (0..<300).map { _ in [value(p1), value(p2)] }
                try run("<", [left, right], rows) { x, y in
                    guard case .decimal(let x) = x, case .decimal(let y) = y else { return .failure }
                    return .value(.boolean(Decimal128.compare(x, s1, y, s2) < 0))
                }
                let batch = RowBatch.make(rows, types: [left, right])
                for operation in ["+", "-", "*", "/"] {
                    let bound = try TestBinder(names: ["a", "b"], types: [left, right]).bind("a \(operation) b")
                    guard case .decimal(let p, let s) = bound.type else { return XCTFail() }
                    let context = EvaluationContext(clockMicroseconds: 0)
                    let result = try CompiledExpression.compile(bound).evaluate(batch, context)
                    let failed = Set(context.takeFailures().map(\.row))
                    for (row, pair) in rows.enumerated() {
                        guard case .decimal(let x) = pair[0], case .decimal(let y) = pair[1] else {
                            XCTAssertEqual(result.value(at: row), .null)
                            continue
                        }
                        let expected: Int128? =
                            switch operation {
                            case "+": Decimal128.add(x, s1, y, s2, precision: p, scale: s)
                            case "-": Decimal128.subtract(x, s1, y, s2, precision: p, scale: s)
                            case "*": Decimal128.multiply(x, s1, y, s2, precision: p, scale: s)
                            default: Decimal128.divide(x, s1, y, s2, precision: p, scale: s)
                            }
                        XCTAssertEqual(failed.contains(row), expected == nil)
                        if let expected { XCTAssertEqual(result.value(at: row), .decimal(expected)) }
                    }
                }
            }
        }
    }

    func testSets() throws {
        var random = TestRandom(15)
        for size in batchSizes {
            let rows: [[Value]] = (0..<size).map { _ in
                [
                    Int.random(in: 0...9, using: &random) == 0 ? .null : .integer(Int64.random(in: 0...20, using: &random)),
                    Int.random(in: 0...9, using: &random) == 0 ? .null : .string("k\(Int.random(in: 0...20, using: &random))"),
                ]
            }
            let batch = RowBatch.make(rows, types: [.bigint, .text])
            for count in [1, 3, 8, 9, 15] {
                for hasNull in [false, true] {
                    for negated in [false, true] {
                        let numbers: [Value] = (0..<count).map { .integer(Int64($0 * 2)) } + (hasNull ? [.null] : [])
                        let texts: [Value] = (0..<count).map { .string("k\($0 * 2)") } + (hasNull ? [.null] : [])
                        for (column, type, items) in [(0, SQLType.bigint, numbers), (1, .text, texts)] {
                            let expression = BoundExpression(.inSet(.column(column, type), items, negated: negated), type: .boolean)
                            let result = try CompiledExpression.compile(expression).evaluate(batch, EvaluationContext(clockMicroseconds: 0))
                            for row in 0..<size {
                                let value = rows[row][column]
                                let expected: Value =
                                    value.isNull ? .null : items.contains(value) ? .boolean(!negated) : hasNull ? .null : .boolean(negated)
                                XCTAssertEqual(result.value(at: row), expected, "\(value) in \(items)")
                            }
                        }
                    }
                }
            }
        }
    }
}
