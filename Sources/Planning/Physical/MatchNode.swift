// MatchNode: MATCH_RECOGNIZE, bound. Columns are ordinals of the input.
//
// What a condition or a measure takes from the rows of a match are its operands (`MatchOperand`): a value of one row that a
// navigation finds, or an aggregate over rows. Conditions and measures are expressions over the operands' values, so that everything
// else about them is ordinary.

import Columns
import Syntax

package struct MatchNode: Hashable, Sendable {
    package var partition: [Int]
    /// In continuous mode the first is the time attribute, ascending.
    package var order: [SortNode.Key]
    /// The first ORDER BY column, when it is a TIMESTAMP in ascending order.
    package var timeColumn: Int?
    /// All rows are there before the first is looked at; then any order will do.
    package var isBounded: Bool
    package var variables: [String]
    package var pattern: MatchPattern
    /// By variable; nil is always true. Over `operands`.
    package var definitions: [BoundExpression?]
    package var operands: [MatchOperand]
    package var rows: MatchOutput
    /// Columns that stand before the measures: of the partition, or all with ALL ROWS PER MATCH.
    package var passedColumns: [Int]
    /// Over `measureOperands`.
    package var measures: [BoundExpression]
    package var measureOperands: [MatchOperand]
    package var skip: MatchSkipTarget
    /// A match's last row comes less than this after its first.
    package var withinMicroseconds: Int64?
    package var inputTypes: [SQLType]

    package init(
        partition: [Int], order: [SortNode.Key], timeColumn: Int?, isBounded: Bool, variables: [String], pattern: MatchPattern,
        definitions: [BoundExpression?], operands: [MatchOperand], rows: MatchOutput, passedColumns: [Int], measures: [BoundExpression],
        measureOperands: [MatchOperand], skip: MatchSkipTarget, withinMicroseconds: Int64?, inputTypes: [SQLType]
    ) {
        self.partition = partition
        self.order = order
        self.timeColumn = timeColumn
        self.isBounded = isBounded
        self.variables = variables
        self.pattern = pattern
        self.definitions = definitions
        self.operands = operands
        self.rows = rows
        self.passedColumns = passedColumns
        self.measures = measures
        self.measureOperands = measureOperands
        self.skip = skip
        self.withinMicroseconds = withinMicroseconds
        self.inputTypes = inputTypes
    }

    package var outputTypes: [SQLType] { passedColumns.map { inputTypes[$0] } + measures.map(\.type) }
}

/// A pattern with its permutations written out. Variables are ordinals of `MatchNode.variables`.
package indirect enum MatchPattern: Hashable, Sendable {
    case variable(Int)
    case sequence([MatchPattern])
    case alternation([MatchPattern])
    case repetition(MatchPattern, min: Int, max: Int?, isGreedy: Bool)
    case exclusion(MatchPattern)
    case start, end

    /// How many variables it has when repetitions with a bound are written out; stops counting at `limit`.
    package func positionCount(limit: Int) -> Int {
        switch self {
        case .variable: return 1
        case .sequence(let parts), .alternation(let parts):
            var total = 0
            for part in parts {
                total += part.positionCount(limit: limit)
                if total >= limit { return limit }
            }
            return total
        case .repetition(let part, let min, let max, _):
            let copies = max ?? Swift.max(min, 1)
            let (total, overflow) = part.positionCount(limit: limit).multipliedReportingOverflow(by: copies)
            return overflow ? limit : Swift.min(total, limit)
        case .exclusion(let part): return part.positionCount(limit: limit)
        case .start, .end: return 0
        }
    }
}

package enum MatchOutput: Hashable, Sendable {
    case oneRow
    case allRows(showsEmpty: Bool, showsUnmatched: Bool)
}

package enum MatchSkipTarget: Hashable, Sendable {
    case pastLastRow
    case nextRow
    /// The first or last row of these variables.
    case first([Int])
    case last([Int])
}

/// The row that a navigation leads to; there may be none.
package struct MatchRow: Hashable, Sendable {
    package enum Anchor: Hashable, Sendable {
        /// In DEFINE: the row being tried.
        case current
        /// The first or last row of `variables`, moved by `logicalOffset` rows of these variables toward the other end.
        case first, last
    }

    package var anchor: Anchor
    /// Empty: every row of the match.
    package var variables: [Int]
    package var logicalOffset: Int
    /// Rows of the partition, negative before: PREV and NEXT.
    package var physicalOffset: Int
    /// Over the whole match, and not only up to the current row.
    package var isFinal: Bool

    package init(_ anchor: Anchor, variables: [Int] = [], logicalOffset: Int = 0, physicalOffset: Int = 0, isFinal: Bool = false) {
        self.anchor = anchor
        self.variables = variables
        self.logicalOffset = logicalOffset
        self.physicalOffset = physicalOffset
        self.isFinal = isFinal
    }
}

package enum MatchOperand: Hashable, Sendable {
    /// An expression over the input's columns at a row; NULL when there is no such row.
    case value(BoundExpression, MatchRow)
    /// count, sum, avg, min, max. The argument is over the input's columns and has the type that the function wants.
    case aggregate(AggregateFunction, BoundExpression?, variables: [Int], isFinal: Bool, type: SQLType, text: String)
    /// The name of the variable that a row is mapped to.
    case classifier(MatchRow)
    /// From 1 within the partition.
    case matchNumber

    package var type: SQLType {
        switch self {
        case .value(let expression, _): expression.type
        case .aggregate(_, _, _, _, let type, _): type
        case .classifier: .text
        case .matchNumber: .bigint
        }
    }

    /// What it reads of a row.
    package var expression: BoundExpression? {
        switch self {
        case .value(let expression, _): expression
        case .aggregate(_, let argument, _, _, _, _): argument
        case .classifier, .matchNumber: nil
        }
    }

    package var row: MatchRow? {
        switch self {
        case .value(_, let row), .classifier(let row): row
        case .aggregate, .matchNumber: nil
        }
    }

    package func renumbered(_ ordinal: (Int) -> Int) -> MatchOperand {
        switch self {
        case .value(let expression, let row): .value(expression.renumbered(ordinal), row)
        case .aggregate(let function, let argument, let variables, let isFinal, let type, let text):
            .aggregate(function, argument?.renumbered(ordinal), variables: variables, isFinal: isFinal, type: type, text: text)
        case .classifier, .matchNumber: self
        }
    }

    func isSame(as other: MatchOperand) -> Bool {
        switch (self, other) {
        case (.value(let left, let leftRow), .value(let right, let rightRow)): left.isSame(as: right) && leftRow == rightRow
        case (.aggregate(let left, let leftArgument, let leftVariables, let leftFinal, let leftType, _),
              .aggregate(let right, let rightArgument, let rightVariables, let rightFinal, let rightType, _)):
            left == right && leftVariables == rightVariables && leftFinal == rightFinal && leftType == rightType
                && (leftArgument == nil) == (rightArgument == nil)
                && (leftArgument.flatMap { argument in rightArgument.map { argument.isSame(as: $0) } } ?? true)
        case (.classifier(let left), .classifier(let right)): left == right
        case (.matchNumber, .matchNumber): true
        default: false
        }
    }
}

extension MatchNode {
    /// Ordinals of the input that it reads.
    package var columns: Set<Int> {
        var columns = Set(partition).union(order.map(\.column)).union(passedColumns)
        if let timeColumn { columns.insert(timeColumn) }
        for operand in operands + measureOperands { operand.expression?.collectColumns(into: &columns) }
        return columns
    }

    /// The same over an input whose columns stand elsewhere.
    package func renumbered(_ ordinal: (Int) -> Int, inputTypes: [SQLType]) -> MatchNode {
        var result = self
        result.partition = partition.map(ordinal)
        for index in order.indices { result.order[index].column = ordinal(order[index].column) }
        result.timeColumn = timeColumn.map(ordinal)
        result.passedColumns = passedColumns.map(ordinal)
        result.operands = operands.map { $0.renumbered(ordinal) }
        result.measureOperands = measureOperands.map { $0.renumbered(ordinal) }
        result.inputTypes = inputTypes
        return result
    }
}
