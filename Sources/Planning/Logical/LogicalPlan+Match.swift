// LogicalPlan+Match: what MATCH_RECOGNIZE does to time.
//
// With ONE ROW PER MATCH the time of the match's last row stays a time attribute: MATCH_ROWTIME(), or the time column without a variable. With
// ALL ROWS PER MATCH the time column does when WITHIN says how long the first row may wait for the last.

import Columns

extension LogicalPlan {
    static func isTimeAttribute(_ column: Int, of match: LogicalMatch, _ input: LogicalPlan) -> Bool {
        let node = match.node
        guard let timeColumn = node.timeColumn, input.isTimeAttribute(timeColumn), column >= 0 else { return false }
        if column < node.passedColumns.count {
            guard case .allRows = node.rows else { return false }
            return node.withinMicroseconds != nil && node.passedColumns[column] == timeColumn
        }
        guard node.rows == .oneRow, column - node.passedColumns.count < node.measures.count,
            let operand = node.measures[column - node.passedColumns.count].plainColumn, node.measureOperands.indices.contains(operand),
            case .value(let value, let row) = node.measureOperands[operand]
        else { return false }
        return value.plainColumn == timeColumn && row.anchor == .last && row.variables.isEmpty && row.logicalOffset == 0
            && row.physicalOffset == 0
    }
}
