// ExpressionBinder+Nested: `a[1]`, `(x).field`, `ARRAY[..]`, `ROW(..)`.

import Columns
import Syntax

extension ExpressionBinder {
    @inline(never)
    func bindNested(_ expression: Expression) throws(SQLError) -> BoundExpression {
        let (span, text) = (expression.span, text(expression))
        switch expression.kind {
        case .element(let operand, let subscripted):
            let bound = try bindAll([operand, subscripted])
            return try ExpressionTyping.element(bound[0], at: bound[1], span: span, text: text)
        case .field(let operand, let name): return try ExpressionTyping.field(name, of: try bind(operand), span: span)
        case .array(let items): return try ExpressionTyping.array(try bindAll(items), span: span, text: text)
        case .row(let items): return ExpressionTyping.row(try bindAll(items), span: span, text: text)
        default: throw SQLError("this expression is not supported", at: span, code: SQLError.featureNotSupported)
        }
    }
}

extension BinaryOperator {
    var isComparison: Bool {
        switch self {
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual: true
        default: false
        }
    }
}
