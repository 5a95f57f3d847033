// What expression tests share: a small binder, so that cases are written as SQL, and evaluation in several ways that must agree.

import Columns
import Planning
import Syntax
import XCTest

@testable import Dataflow

struct TestBinder {
    var names: [String] = []
    var types: [SQLType] = []

    func bind(_ sql: String) throws -> BoundExpression { try bind(Parser.parseExpression(sql)) }

    func bind(_ expression: Syntax.Expression) throws -> BoundExpression {
        let span = expression.span
        let text = Printer.print(expression)
        switch expression.kind {
        case .literal(let literal): return try ExpressionTyping.literal(literal, span: span)
        case .column(let name):
            guard let index = names.firstIndex(of: name.last.name) else {
                throw SQLError("column \"\(name.last.name)\" does not exist", at: span)
            }
            return .column(index, types[index], span: span)
        case .unary(let operation, let operand):
            return try ExpressionTyping.unary(operation, bind(operand), span: span, text: text)
        case .binary(let operation, let left, let right, let operatorSpan):
            return try ExpressionTyping.binary(operation, bind(left), bind(right), operatorSpan: operatorSpan, span: span, text: text)
        case .not(let operand): return try ExpressionTyping.not(bind(operand), span: span, text: text)
        case .isTest(let operand, let test, let negated):
            return try ExpressionTyping.isTest(bind(operand), test, negated: negated, span: span, text: text)
        case .isDistinct(let left, let right, let negated):
            return try ExpressionTyping.isDistinct(bind(left), bind(right), negated: negated, span: span, text: text)
        case .between(let operand, let low, let high, let negated, let symmetric):
            return try ExpressionTyping.between(
                bind(operand), low: bind(low), high: bind(high), negated: negated, symmetric: symmetric, span: span, text: text)
        case .inList(let operand, let items, let negated):
            return try ExpressionTyping.inList(bind(operand), items.map(bind), negated: negated, span: span, text: text)
        case .like(let operand, let pattern, let escape, let kind, let negated):
            let match = try ExpressionTyping.like(
                bind(operand), pattern: bind(pattern), escape: escape.map(bind), kind: kind, span: span, text: text)
            return negated ? try ExpressionTyping.not(match, span: span, text: text) : match
        case .caseWhen(let operand, let branches, let otherwise):
            let bound = try branches.map { branch in
                let condition: BoundExpression
                if let operand {
                    condition = try ExpressionTyping.caseOperand(bind(operand), equals: bind(branch.condition), span: span, text: text)
                } else {
                    condition = try bind(branch.condition)
                }
                return BoundBranch(condition: condition, result: try bind(branch.result))
            }
            return try ExpressionTyping.caseWhen(branches: bound, otherwise: otherwise.map(bind), span: span, text: text)
        case .cast(let operand, let name, let isTry):
            return try ExpressionTyping.cast(
                bind(operand), to: ExpressionTyping.type(name), mode: isTry ? .attempt : .explicit, span: span, text: text)
        case .call(let call):
            return try ExpressionTyping.call(call.name.last, call.arguments.map(bind), span: span, text: text)
        case .extract(let field, let operand):
            return try ExpressionTyping.extract(field: field, from: bind(operand), span: span, text: text)
        case .atTimeZone(let operand, let zone):
            return try ExpressionTyping.atTimeZone(bind(operand), zone: bind(zone), span: span, text: text)
        case .niladic(let name): return try ExpressionTyping.niladic(name, span: span)
        case .array(let items): return try ExpressionTyping.array(items.map(bind), span: span, text: text)
        case .row(let items): return try ExpressionTyping.row(items.map(bind), span: span, text: text)
        case .element(let operand, let index): return try ExpressionTyping.element(bind(operand), at: bind(index), span: span, text: text)
        case .field(let operand, let name): return try ExpressionTyping.field(name, of: bind(operand), span: span)
        default: throw SQLError("not in tests", at: span)
        }
    }
}

/// Constants as columns of a batch, so that nothing is folded and column kernels run. Units and IN lists stay.
struct Unfolded {
    private(set) var values: [(Value, SQLType)] = []

    mutating func rewrite(_ expression: BoundExpression) -> BoundExpression {
        var result = expression
        switch expression.kind {
        case .constant(let value):
            guard expression.type != .null else { return expression }
            values.append((value, expression.type))
            result.kind = .column(values.count - 1)
        case .call(let function, let operands):
            let hasUnit: Bool =
                switch function {
                case .extract, .dateTruncate, .dateCeil, .timestampAdd, .timestampDiff, .epochUnits, .timestampFromUnits, .unitBoundaries: true
                default: false
                }
            result.kind = .call(function, operands.enumerated().map { hasUnit && $0.offset == 0 ? $0.element : rewrite($0.element) })
        case .cast(let operand, let mode): result.kind = .cast(rewrite(operand), mode)
        case .field(let operand, let index): result.kind = .field(rewrite(operand), index)
        case .and(let operands): result.kind = .and(operands.map { rewrite($0) })
        case .or(let operands): result.kind = .or(operands.map { rewrite($0) })
        case .not(let operand): result.kind = .not(rewrite(operand))
        case .isNull(let operand, let negated): result.kind = .isNull(rewrite(operand), negated: negated)
        case .inSet(let operand, let items, let negated): result.kind = .inSet(rewrite(operand), items, negated: negated)
        case .caseWhen(let branches, let otherwise):
            result.kind = .caseWhen(
                branches.map { BoundBranch(condition: rewrite($0.condition), result: rewrite($0.result)) },
                otherwise: otherwise.map { rewrite($0) })
        case .coalesce(let operands): result.kind = .coalesce(operands.map { rewrite($0) })
        case .column, .epochClock: break
        }
        return result
    }

    func batch(rows: Int) -> RowBatch {
        RowBatch(count: rows, columns: values.map { Column.constant($0.0, type: $0.1, count: rows) })
    }
}

enum Evaluate {
    /// 2026-11-21T10:20:30.123456Z
    static let clock: Int64 = 1_795_256_430_123_456

    /// The one value of a constant expression, as text; `NULL`; or `! message` when it fails. Folded and unfolded must agree.
    static func show(_ sql: String, file: StaticString = #filePath, line: UInt = #line) -> String {
        do {
            let bound = try TestBinder().bind(sql)
            let folded = try one(bound, RowBatch(count: 1, columns: []))
            var unfolded = Unfolded()
            let rewritten = unfolded.rewrite(bound)
            for rows in [1, 3] {
                let other = try one(rewritten, unfolded.batch(rows: rows))
                XCTAssertEqual(folded, other, "folded and unfolded differ: \(sql)", file: file, line: line)
            }
            return folded
        } catch let error as SQLError {
            return "error: " + error.message
        } catch let error as ExpressionError {
            return "error: " + error.message
        } catch { return "\(error)" }
    }

    private static func one(_ expression: BoundExpression, _ batch: RowBatch) throws -> String {
        let compiled = try CompiledExpression.compile(expression)
        let context = EvaluationContext(clockMicroseconds: clock)
        let column = compiled.evaluate(batch, context)
        XCTAssertEqual(column.type, expression.type)
        XCTAssertEqual(column.count, batch.count)
        let failures = context.takeFailures()
        if let failure = failures.first {
            XCTAssertEqual(failures.map(\.row), Array(0..<batch.count))
            return "! " + failure.message
        }
        for row in 1..<max(batch.count, 1) { XCTAssertEqual(column.value(at: row), column.value(at: 0)) }
        return TextFormat.string(column.value(at: 0), type: column.type)
    }
}

/// SplitMix64: the tests' randomness, from a seed.
struct TestRandom: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

let batchSizes = [0, 1, 63, 64, 65, 1000]
