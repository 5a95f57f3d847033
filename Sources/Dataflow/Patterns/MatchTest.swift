// MatchTest: the part of a DEFINE condition that depends on the rows matched before, decided for one candidate at a time.
//
// Comparisons of stored columns and aggregates, AND, OR, NOT, IS NULL, and adding and subtracting among BIGINTs, DOUBLEs and timestamps
// are walked as a small tree without touching memory other than the cells. Everything else goes through the vector kernels, one row
// at a time (`.kernel`), which costs a microsecond or two.

import Columns
import Planning

/// Where a cell's row is.
enum MatchPlace: Hashable, Sendable {
    /// The row being tried, moved.
    case current(offset: Int)
    /// The row whose position is in this word of the partial match's registers, moved.
    case register(Int, offset: Int)
}

/// The state that a test sees: registers already hold the row being tried.
struct MatchCandidate {
    let cells: MatchCells
    let position: Int64
    let registers: UnsafeMutablePointer<Int64>

    /// -1 when there is no such row.
    @inline(__always)
    func position(_ place: MatchPlace) -> Int64 {
        switch place {
        case .current(let offset): return position &+ Int64(offset)
        case .register(let index, let offset):
            let row = registers[index]
            return row < 0 ? -1 : row &+ Int64(offset)
        }
    }
}

/// A value of one of the fixed layouts.
indirect enum MatchTerm: Sendable {
    case cell(Int, MatchPlace)
    case int64(Int64)
    case double(Double)
    case int128(Int128)
    case text(MatchText)
    case null
    case aggregate(MatchAggregate, register: Int)
    case add(MatchTerm, MatchTerm)
    case subtract(MatchTerm, MatchTerm)

    func int64Value(_ candidate: MatchCandidate, _ isFailed: inout Bool) -> Int64? {
        switch self {
        case .cell(let column, let place): return candidate.cells.int64(column, candidate.position(place))
        case .int64(let value): return value
        case .aggregate(let aggregate, let register):
            let state = candidate.registers + register
            switch aggregate.kind {
            case .rows, .values: return state[0]
            case .least, .greatest: return state[0] < 0 ? nil : candidate.cells.int64(aggregate.column, state[0])
            default:
                var failure: String?
                let value = aggregate.wideResult(state, failure: &failure)
                if failure != nil { isFailed = true }
                return value.map { Int64(truncatingIfNeeded: $0) }
            }
        case .add(let left, let right), .subtract(let left, let right):
            guard let a = left.int64Value(candidate, &isFailed), let b = right.int64Value(candidate, &isFailed) else { return nil }
            let result: (partialValue: Int64, overflow: Bool)
            if case .add = self { result = a.addingReportingOverflow(b) } else { result = a.subtractingReportingOverflow(b) }
            if result.overflow {
                isFailed = true
                return nil
            }
            return result.partialValue
        case .double, .int128, .text, .null: return nil
        }
    }

    func doubleValue(_ candidate: MatchCandidate) -> Double? {
        switch self {
        case .cell(let column, let place): return candidate.cells.double(column, candidate.position(place))
        case .double(let value): return value
        case .aggregate(let aggregate, let register):
            let state = candidate.registers + register
            switch aggregate.kind {
            case .least, .greatest: return state[0] < 0 ? nil : candidate.cells.double(aggregate.column, state[0])
            default: return aggregate.doubleResult(state)
            }
        case .add(let left, let right):
            guard let a = left.doubleValue(candidate), let b = right.doubleValue(candidate) else { return nil }
            return a + b
        case .subtract(let left, let right):
            guard let a = left.doubleValue(candidate), let b = right.doubleValue(candidate) else { return nil }
            return a - b
        case .int64, .int128, .text, .null: return nil
        }
    }

    func int128Value(_ candidate: MatchCandidate, _ isFailed: inout Bool) -> Int128? {
        switch self {
        case .cell(let column, let place): return candidate.cells.int128(column, candidate.position(place))
        case .int128(let value): return value
        case .aggregate(let aggregate, let register):
            let state = candidate.registers + register
            if aggregate.kind == .least || aggregate.kind == .greatest {
                return state[0] < 0 ? nil : candidate.cells.int128(aggregate.column, state[0])
            }
            var failure: String?
            let value = aggregate.wideResult(state, failure: &failure)
            if failure != nil { isFailed = true }
            return value
        case .int64, .double, .text, .null, .add, .subtract: return nil
        }
    }

    func textValue(_ candidate: MatchCandidate) -> StringView? {
        switch self {
        case .cell(let column, let place): return candidate.cells.text(column, candidate.position(place))
        case .text(let text): return text.view
        case .aggregate(let aggregate, let register):
            let row = candidate.registers[register]
            return row < 0 ? nil : candidate.cells.text(aggregate.column, row)
        default: return nil
        }
    }
}

/// A constant text and its memory.
final class MatchText: @unchecked Sendable {
    // Safe to share: never written once made.
    private let column: Column
    init(_ text: String) { column = Column.constant(.string(text), type: .text, count: 1) }
    var view: StringView { column.strings[0] }
}

enum MatchComparison: Sendable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual

    init?(_ function: ScalarFunction) {
        switch function {
        case .equal: self = .equal
        case .notEqual: self = .notEqual
        case .less: self = .less
        case .lessOrEqual: self = .lessOrEqual
        case .greater: self = .greater
        case .greaterOrEqual: self = .greaterOrEqual
        default: return nil
        }
    }

    @inline(__always)
    func holds<Number: Comparable>(_ a: Number, _ b: Number) -> Bool {
        switch self {
        case .equal: a == b
        case .notEqual: a != b
        case .less: a < b
        case .lessOrEqual: a <= b
        case .greater: a > b
        case .greaterOrEqual: a >= b
        }
    }
}

indirect enum MatchTest: Sendable {
    case constant(Bool?)
    case cell(Int, MatchPlace)
    case int64(MatchComparison, MatchTerm, MatchTerm)
    case double(MatchComparison, MatchTerm, MatchTerm)
    case int128(MatchComparison, MatchTerm, MatchTerm)
    case text(MatchComparison, MatchTerm, MatchTerm)
    case isNull(Int, MatchPlace, negated: Bool)
    case and([MatchTest])
    case or([MatchTest])
    case not(MatchTest)
    case kernel(MatchKernel)

    /// nil: unknown.
    func holds(_ candidate: MatchCandidate, _ report: MatchReport) -> Bool? {
        switch self {
        case .constant(let value): return value
        case .cell(let column, let place): return candidate.cells.bool(column, candidate.position(place))
        case .int64(let comparison, let left, let right):
            var isFailed = false
            guard let a = left.int64Value(candidate, &isFailed), let b = right.int64Value(candidate, &isFailed) else {
                if isFailed { report.fail("BIGINT out of range") }
                return nil
            }
            return comparison.holds(a, b)
        case .double(let comparison, let left, let right):
            guard let a = left.doubleValue(candidate), let b = right.doubleValue(candidate) else { return nil }
            return comparison.holds(DoubleOrder.ordered(a == 0 ? 0 : a), DoubleOrder.ordered(b == 0 ? 0 : b))
        case .int128(let comparison, let left, let right):
            var isFailed = false
            guard let a = left.int128Value(candidate, &isFailed), let b = right.int128Value(candidate, &isFailed) else {
                if isFailed { report.fail("DECIMAL out of range") }
                return nil
            }
            return comparison.holds(a, b)
        case .text(let comparison, let left, let right):
            guard let a = left.textValue(candidate), let b = right.textValue(candidate) else { return nil }
            return comparison.holds(StringView.compare(a, b), 0)
        case .isNull(let column, let place, let negated): return candidate.cells.isNull(column, candidate.position(place)) != negated
        case .not(let test): return test.holds(candidate, report).map { !$0 }
        case .and(let tests):
            var result: Bool? = true
            for test in tests {
                switch test.holds(candidate, report) {
                case false?: return false
                case nil: result = nil
                case true?: break
                }
            }
            return result
        case .or(let tests):
            var result: Bool? = false
            for test in tests {
                switch test.holds(candidate, report) {
                case true?: return true
                case nil: result = nil
                case false?: break
                }
            }
            return result
        case .kernel(let kernel): return kernel.holds(candidate, report)
        }
    }
}

/// A condition through the vector kernels: its operands as columns of one row.
final class MatchKernel: Sendable {
    let condition: CompiledExpression
    let operands: [(term: MatchTerm, type: SQLType)]

    init(_ condition: CompiledExpression, _ operands: [(term: MatchTerm, type: SQLType)]) {
        self.condition = condition
        self.operands = operands
    }

    func holds(_ candidate: MatchCandidate, _ report: MatchReport) -> Bool? {
        var isFailed = false
        let columns = operands.map { term, type -> Column in
            let builder = ColumnBuilder(type, capacity: 1)
            switch type.layout {
            case .bool:
                if case .cell(let column, let place) = term, let value = candidate.cells.bool(column, candidate.position(place)) {
                    builder.append(bool: value)
                } else {
                    builder.appendNull()
                }
            case .int64: if let value = term.int64Value(candidate, &isFailed) { builder.append(int64: value) } else { builder.appendNull() }
            case .double: if let value = term.doubleValue(candidate) { builder.append(double: value) } else { builder.appendNull() }
            case .int128: if let value = term.int128Value(candidate, &isFailed) { builder.append(int128: value) } else { builder.appendNull() }
            case .string: if let value = term.textValue(candidate) { builder.append(bytes: value.bytes) } else { builder.appendNull() }
            case .list, .structure: builder.appendNull()
            }
            return builder.finish()
        }
        if isFailed {
            report.fail("DECIMAL out of range")
            return nil
        }
        let context = EvaluationContext(clockMicroseconds: report.clockMicroseconds)
        let result = condition.evaluate(RowBatch(count: 1, columns: columns), context)
        if let failure = context.takeFailures().first {
            report.fail(failure.message, failure.expression)
            return nil
        }
        return result.isNull(0) ? nil : result.bools[0] != 0
    }
}

/// The first failure of the conditions on one row; a row is reported once.
final class MatchReport {
    var clockMicroseconds: Int64 = 0
    private(set) var message: String?
    private(set) var expression = ""

    func fail(_ text: String, _ place: String = "DEFINE") {
        guard message == nil else { return }
        message = text
        expression = place
    }

    func clear() { message = nil }
}
