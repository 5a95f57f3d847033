// Three-valued logic and laziness: which rows are evaluated, and which fail.

import Columns
import Planning
import XCTest

@testable import Dataflow

final class LogicExpressionTests: XCTestCase {
    private let three: [Value] = [.boolean(true), .boolean(false), .null]

    private func and(_ a: Value, _ b: Value) -> Value {
        if a == .boolean(false) || b == .boolean(false) { return .boolean(false) }
        return a == .null || b == .null ? .null : .boolean(true)
    }

    private func negated(_ a: Value) -> Value { if case .boolean(let x) = a { .boolean(!x) } else { .null } }

    private func or(_ a: Value, _ b: Value) -> Value { negated(and(negated(a), negated(b))) }

    func testTruthTables() throws {
        var rows: [[Value]] = []
        for a in three { for b in three { for c in three { rows.append([a, b, c]) } } }
        for copies in [1, 3, 8] {
            let all = Array(repeating: rows, count: copies).flatMap { $0 }
            let types = Array(repeating: SQLType.boolean, count: 3)
            let batch = RowBatch.make(all, types: types)
            let binder = TestBinder(names: ["a", "b", "c"], types: types)
            let cases: [(String, ([Value]) -> Value)] = [
                ("a AND b AND c", { self.and(self.and($0[0], $0[1]), $0[2]) }), ("a OR b OR c", { self.or(self.or($0[0], $0[1]), $0[2]) }),
                ("NOT a", { self.negated($0[0]) }), ("a AND NOT (b OR c)", { self.and($0[0], self.negated(self.or($0[1], $0[2]))) }),
                ("a AND TRUE", { self.and($0[0], .boolean(true)) }), ("NULL OR a", { self.or(.null, $0[0]) }),
                ("a IS TRUE", { .boolean($0[0] == .boolean(true)) }), ("a IS NOT FALSE", { .boolean($0[0] != .boolean(false)) }), ("a IS UNKNOWN", { .boolean($0[0] == .null) }),
                ("a IS DISTINCT FROM b", { .boolean($0[0] != $0[1]) }), ("a = b", { $0[0] == .null || $0[1] == .null ? .null : .boolean($0[0] == $0[1]) }),
                ("coalesce(a, b, c)", { row in row.first { $0 != .null } ?? .null }), ("CASE WHEN a THEN b ELSE c END", { $0[0] == .boolean(true) ? $0[1] : $0[2] }),
            ]
            for (sql, expected) in cases {
                let result = try CompiledExpression.compile(binder.bind(sql)).evaluate(batch, EvaluationContext(clockMicroseconds: 0))
                for (index, row) in all.enumerated() { XCTAssertEqual(result.value(at: index), expected(row), "\(sql) of \(row)") }
            }
        }
    }

    /// Rows (x, y) of seeded small numbers, some NULL; every expression against what each row alone gives.
    func testRowsOneByOne() throws {
        var random = TestRandom(7)
        let types: [SQLType] = [.integer, .bigint, .text]
        let binder = TestBinder(names: ["x", "y", "s"], types: types)
        let expressions = [
            "x <> 0 AND 10 / x > 2", "x = 0 OR 10 / x > 2", "x = 0 OR y = 0 OR 10 / x + 10 / y > 3", "CASE WHEN x = 0 THEN -1 ELSE 100 / x END",
            "CASE WHEN x > 2 THEN 10 / y WHEN 10 / x > 4 THEN 2 ELSE 1 / (x - 1) END", "coalesce(nullif(x, 3), 10 / y, 7)", "coalesce(10 / nullif(x, 0), 10 / y)",
            "x + 10 / y", "(10 / x) IN (1, 2, 5)", "x IS NULL OR 10 / x = 5", "s LIKE 'a%' AND CAST(s AS INT) > 0", "s IN ('1', '2', '3') AND CAST(s AS INT) > 1",
            "CASE WHEN s LIKE '%1%' THEN CAST(s AS INT) ELSE x END", "regexp_like(s, '^\\d$') AND (CAST(s AS INT) = 1 OR 10 / (CAST(s AS INT) - 2) > 1)",
            "CASE WHEN x > 1 AND (y > 1 OR 10 / y > 1) THEN CASE WHEN 10 / (x - 2) > 1 THEN 1 ELSE 1 / (y - 3) END END", "NOT (10 / x > 2 AND 10 / y > 2)",
        ]
        for size in batchSizes {
            let rows: [[Value]] = (0..<size).map { _ in
                [
                    Int.random(in: 0...9, using: &random) == 0 ? .null : .integer(Int64.random(in: 0...4, using: &random)),
                    Int.random(in: 0...9, using: &random) == 0 ? .null : .integer(Int64.random(in: 0...4, using: &random)),
                    .string(["1", "2", "a", "11", "x"][Int.random(in: 0...4, using: &random)]),
                ]
            }
            let batch = RowBatch.make(rows, types: types)
            for sql in expressions {
                let compiled = try CompiledExpression.compile(binder.bind(sql))
                let context = EvaluationContext(clockMicroseconds: 0)
                let result = compiled.evaluate(batch, context)
                let failures = context.takeFailures()
                var expected: [RowFailure] = []
                for row in 0..<size {
                    let alone = EvaluationContext(clockMicroseconds: 0)
                    let value = compiled.evaluate(batch.slice(row..<row + 1), alone)
                    let own = alone.takeFailures()
                    expected += own.map { RowFailure(row: row, message: $0.message, expression: $0.expression) }
                    if own.isEmpty { XCTAssertEqual(result.value(at: row), value.value(at: 0), "\(sql) of \(rows[row])") }
                }
                XCTAssertEqual(failures, expected, sql)
            }
        }
    }

    func testFailuresNameRowsAndExpressions() throws {
        let batch = RowBatch.make([[.integer(1)], [.integer(0)], [.null], [.integer(0)], [.integer(2)]], types: [.integer])
        let binder = TestBinder(names: ["x"], types: [.integer])
        let projector = try RowProjector.compile([binder.bind("10 / x"), binder.bind("x + 1")])
        let result = projector.project(batch, clockMicroseconds: 0)
        XCTAssertEqual((0..<result.batch.count).map { result.batch.row($0) }, [[.integer(10), .integer(2)], [.null, .null], [.integer(5), .integer(3)]])
        XCTAssertEqual(result.failures.map(\.row), [1, 3])
        XCTAssertEqual(result.failures.first, RowFailure(row: 1, message: "division by zero", expression: "10 / x"))
        let filter = try RowFilter.compile(binder.bind("10 / x > 6"))
        let filtered = filter.filter(batch, clockMicroseconds: 0)
        XCTAssertEqual((0..<filtered.batch.count).map { filtered.batch.row($0) }, [[.integer(1)]])
        XCTAssertEqual(filtered.failures.map(\.row), [1, 3])
    }

    func testFilterKeepsKindsAndWatermarks() throws {
        var random = TestRandom(3)
        for size in batchSizes {
            let values = (0..<size).map { _ in Int.random(in: 0...4, using: &random) == 0 ? Value.null : .integer(Int64.random(in: 0...3, using: &random)) }
            let column = RowBatch.make(values.map { [$0] }, types: [.bigint]).columns[0]
            let kinds = Buffer(byteCount: size)
            for row in 0..<size { kinds.base.storeBytes(of: UInt8(row % 4), toByteOffset: row, as: UInt8.self) }
            let marks = RowBatch.make((0..<size).map { [.integer(Int64($0))] }, types: [.timestamp(precision: 6)]).columns[0]
            let batch = RowBatch(count: size, columns: [column], changes: kinds, watermarks: marks)
            let binder = TestBinder(names: ["x"], types: [.bigint])
            for sql in ["x = 1", "x >= 0", "x < 0", "x % 2 = 0", "TRUE", "FALSE", "NULL"] {
                let result = try RowFilter.compile(ExpressionTyping.condition(binder.bind(sql), of: "WHERE")).filter(batch, clockMicroseconds: 0)
                let kept = (0..<size).filter { row in
                    guard case .integer(let x) = values[row] else { return sql == "TRUE" }
                    switch sql {
                    case "x = 1": return x == 1
                    case "x >= 0", "TRUE": return true
                    case "x % 2 = 0": return x % 2 == 0
                    default: return false
                    }
                }
                XCTAssertEqual(result.batch.count, kept.count, sql)
                for (index, row) in kept.enumerated() where result.batch.count == kept.count {
                    XCTAssertEqual(result.batch.row(index), [values[row]])
                    XCTAssertEqual(result.batch.change(at: index).rawValue, UInt8(row % 4))
                    XCTAssertEqual(result.batch.watermarks?.value(at: index), .integer(Int64(row)))
                }
            }
        }
    }
}
