// BoundExpression+Traversal: walking and rewriting bound expressions. Everything that moves an expression from one node of a plan to
// another (push-down, pruning, grouping) is one of these walks with another substitution for columns.

import Columns
import Syntax

extension BoundExpression {
    /// The ordinal, when the expression is a column and nothing else.
    package var plainColumn: Int? { if case .column(let ordinal) = kind { ordinal } else { nil } }

    /// A column, or a field inside one: what costs nothing to compute again.
    package var isReference: Bool { columnPath != nil }

    /// The column and fields that it names, when it does nothing else.
    package var columnPath: ColumnPath? {
        switch kind {
        case .column(let ordinal): return ColumnPath(ordinal)
        case .field(let operand, let index):
            guard var path = operand.columnPath else { return nil }
            path.fields.append(index)
            return path
        default: return nil
        }
    }

    /// A field of a value; of a constant or of a row that is put together right here, the field itself.
    package static func field(_ operand: BoundExpression, _ index: Int, type: SQLType, span: SourceSpan) -> BoundExpression {
        switch operand.kind {
        case .constant(.null): return .constant(.null, type, span: span)
        case .constant(.list(let values)) where values.indices.contains(index): return .constant(values[index], type, span: span)
        case .call(.makeRow, let items) where items.indices.contains(index): return items[index]
        default: return BoundExpression(.field(operand, index), type: type, span: span)
        }
    }

    package var constantValue: Value? { if case .constant(let value) = kind { value } else { nil } }

    /// The direct operands, in order of evaluation.
    package var children: [BoundExpression] {
        switch kind {
        case .constant, .column, .epochClock: []
        case .call(_, let operands), .and(let operands), .or(let operands), .coalesce(let operands): operands
        case .cast(let operand, _), .field(let operand, _), .not(let operand), .isNull(let operand, _), .inSet(let operand, _, _): [operand]
        case .caseWhen(let branches, let otherwise):
            branches.flatMap { [$0.condition, $0.result] } + (otherwise.map { [$0] } ?? [])
        }
    }

    /// The same expression over other operands.
    package func mapChildren<Failure: Error>(_ transform: (BoundExpression) throws(Failure) -> BoundExpression) throws(Failure)
        -> BoundExpression
    {
        var copy = self
        switch kind {
        case .constant, .column, .epochClock: return self
        case .call(let function, let operands): copy.kind = .call(function, try Self.map(operands, transform))
        case .and(let operands): copy.kind = .and(try Self.map(operands, transform))
        case .or(let operands): copy.kind = .or(try Self.map(operands, transform))
        case .coalesce(let operands): copy.kind = .coalesce(try Self.map(operands, transform))
        case .cast(let operand, let mode): copy.kind = .cast(try transform(operand), mode)
        case .field(let operand, let index): copy = Self.field(try transform(operand), index, type: type, span: span)
        case .not(let operand): copy.kind = .not(try transform(operand))
        case .isNull(let operand, let negated): copy.kind = .isNull(try transform(operand), negated: negated)
        case .inSet(let operand, let values, let negated):
            copy.kind = .inSet(try transform(operand), values, negated: negated)
        case .caseWhen(let branches, let otherwise):
            var rewritten: [BoundBranch] = []
            for branch in branches {
                rewritten.append(BoundBranch(condition: try transform(branch.condition), result: try transform(branch.result)))
            }
            var rewrittenOtherwise: BoundExpression?
            if let otherwise { rewrittenOtherwise = try transform(otherwise) }
            copy.kind = .caseWhen(rewritten, otherwise: rewrittenOtherwise)
        }
        return copy
    }

    private static func map<Failure: Error>(
        _ operands: [BoundExpression], _ transform: (BoundExpression) throws(Failure) -> BoundExpression
    ) throws(Failure) -> [BoundExpression] {
        var rewritten: [BoundExpression] = []
        rewritten.reserveCapacity(operands.count)
        for operand in operands { rewritten.append(try transform(operand)) }
        return rewritten
    }

    /// The expression with every column replaced.
    package func replacingColumns(_ replacement: (Int) -> BoundExpression) -> BoundExpression {
        if case .column(let ordinal) = kind {
            var copy = replacement(ordinal)
            // The place of the reference says more to a reader than the place of the definition.
            if span != .none { copy.span = span }
            return copy
        }
        return mapChildren { $0.replacingColumns(replacement) }
    }

    /// The expression with some columns replaced; nil leaves one as it is.
    package func substituting<Failure: Error>(_ replacement: (Int) throws(Failure) -> BoundExpression?) throws(Failure) -> BoundExpression {
        if case .column(let ordinal) = kind { return try replacement(ordinal) ?? self }
        return try mapChildren { (child) throws(Failure) in try child.substituting(replacement) }
    }

    /// The expression over the same columns at other ordinals.
    package func renumbered(_ ordinal: (Int) -> Int) -> BoundExpression {
        if case .column(let old) = kind {
            var copy = self
            copy.kind = .column(ordinal(old))
            return copy
        }
        return mapChildren { $0.renumbered(ordinal) }
    }

    package func collectColumns(into columns: inout Set<Int>) {
        if case .column(let ordinal) = kind {
            columns.insert(ordinal)
        } else {
            for child in children { child.collectColumns(into: &columns) }
        }
    }

    package var columns: Set<Int> {
        var columns: Set<Int> = []
        collectColumns(into: &columns)
        return columns
    }

    package func countColumns(into counts: inout [Int: Int]) {
        if case .column(let ordinal) = kind {
            counts[ordinal, default: 0] += 1
        } else {
            for child in children { child.countColumns(into: &counts) }
        }
    }

    /// The same computation, wherever it was written: spans and texts do not count.
    package func isSame(as other: BoundExpression) -> Bool {
        guard type == other.type else { return false }
        switch (kind, other.kind) {
        case (.constant(let left), .constant(let right)): return left == right
        case (.column(let left), .column(let right)): return left == right
        case (.epochClock, .epochClock): return true
        case (.call(let left, _), .call(let right, _)): guard left == right else { return false }
        case (.cast(_, let left), .cast(_, let right)): guard left == right else { return false }
        case (.field(_, let left), .field(_, let right)): guard left == right else { return false }
        case (.isNull(_, let left), .isNull(_, let right)): guard left == right else { return false }
        case (.inSet(_, let left, let leftNegated), .inSet(_, let right, let rightNegated)):
            guard left == right, leftNegated == rightNegated else { return false }
        case (.caseWhen(let left, let leftOtherwise), .caseWhen(let right, let rightOtherwise)):
            guard left.count == right.count, (leftOtherwise == nil) == (rightOtherwise == nil) else { return false }
        case (.and, .and), (.or, .or), (.not, .not), (.coalesce, .coalesce): break
        default: return false
        }
        let (left, right) = (children, other.children)
        return left.count == right.count && zip(left, right).allSatisfy { $0.isSame(as: $1) }
    }

    /// The operands of a chain of ANDs, in order; the expression itself when it is none.
    package var conjuncts: [BoundExpression] {
        if case .and(let operands) = kind { operands.flatMap(\.conjuncts) } else { [self] }
    }

    /// nil for no operand at all, which is TRUE.
    package static func conjunction(_ operands: [BoundExpression]) -> BoundExpression? {
        guard let first = operands.first else { return nil }
        if operands.count == 1 { return first }
        return BoundExpression(.and(operands), type: .boolean, span: first.span)
    }
}
