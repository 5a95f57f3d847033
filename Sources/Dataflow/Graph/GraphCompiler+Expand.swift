// GraphCompiler+Expand: rows for each of several lists of expressions, for GROUPING SETS.

import Columns
import Planning

extension GraphCompiler {
    func makeExpand(_ rows: [[BoundExpression]], _ types: [SQLType]) throws(DataflowError) -> any BatchTransform {
        var lists: [[ExpandTransform.Source]] = []
        for row in rows {
            var list: [ExpandTransform.Source] = []
            for expression in row {
                switch expression.kind {
                case .column(let ordinal): list.append(.column(ordinal))
                case .constant(let value): list.append(.constant(value, expression.type))
                default: throw DataflowError("a computed key of GROUPING SETS is not supported here: it must be a column")
                }
            }
            lists.append(list)
        }
        return ExpandTransform(lists: lists)
    }
}
