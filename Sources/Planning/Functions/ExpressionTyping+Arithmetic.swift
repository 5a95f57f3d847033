// Arithmetic: which pairs there are, and what comes out.
//
//   integer ∘ integer                 the wider of the two, at least INTEGER; a quotient is truncated
//   decimal ∘ decimal, integer        DECIMAL by the rules of `DecimalType`
//   anything ∘ double                 DOUBLE; real ∘ real is REAL, real ∘ integer DOUBLE
//   timestamp ± interval              timestamp; a DATE ± INTERVAL is a TIMESTAMP
//   timestamp - timestamp             interval; date - date is an INTEGER (days); time - time an interval
//   date ± integer                    date
//   time ± interval                   time, within the day
//   interval ± interval, interval * number, number * interval, interval / number     interval

import Columns
import Syntax

extension ExpressionTyping {
    static func arithmetic(
        _ operation: BinaryOperator, _ left: BoundExpression, _ right: BoundExpression, operatorSpan: SourceSpan, span: SourceSpan,
        text: String
    ) throws(SQLError) -> BoundExpression {
        let function = arithmeticFunction(operation)
        func make(_ left: BoundExpression, _ right: BoundExpression, _ type: SQLType) -> BoundExpression {
            BoundExpression(.call(function, [left, right]), type: type, span: span, text: text)
        }
        let (left, right) = try settleUntyped(operation, left, right)
        let (a, b) = (left.type, right.type)
        if a.isNumeric && b.isNumeric {
            let type = try numericResult(operation, a, b)
            switch type {
            case .decimal:
                return make(try implicit(left, a.asDecimal ?? a), try implicit(right, b.asDecimal ?? b), type)
            default:
                return make(try implicit(left, type), try implicit(right, type), type)
            }
        }
        switch (operation, a, b) {
        case (.add, .interval, .interval), (.subtract, .interval, .interval): return make(left, right, .interval)
        case (.add, .timestamp, .interval), (.add, .timestampTZ, .interval), (.subtract, .timestamp, .interval),
            (.subtract, .timestampTZ, .interval), (.add, .time, .interval), (.subtract, .time, .interval):
            return make(left, right, precise(a, right))
        case (.add, .interval, .timestamp), (.add, .interval, .timestampTZ), (.add, .interval, .time):
            return make(right, left, precise(b, left))
        case (.add, .date, .interval), (.subtract, .date, .interval):
            return make(try implicit(left, .timestamp(precision: 6)), right, .timestamp(precision: 6))
        case (.add, .interval, .date):
            return make(try implicit(right, .timestamp(precision: 6)), left, .timestamp(precision: 6))
        case (.add, .date, _) where b.isInteger, (.subtract, .date, _) where b.isInteger:
            return make(left, try implicit(right, .bigint), .date)
        case (.add, _, .date) where a.isInteger:
            return make(right, try implicit(left, .bigint), .date)
        case (.subtract, .date, .date): return make(left, right, .integer)
        case (.subtract, .time, .time): return make(left, right, .interval)
        case (.subtract, _, _) where (a.isTimestamp || a == .date) && (b.isTimestamp || b == .date):
            if let type = commonType([a, b]) { return make(try implicit(left, type), try implicit(right, type), .interval) }
        case (.multiply, .interval, _) where b.isNumeric, (.divide, .interval, _) where b.isNumeric:
            return make(left, try implicit(right, b.isInteger ? .bigint : .double), .interval)
        case (.multiply, _, .interval) where a.isNumeric:
            return make(right, try implicit(left, a.isInteger ? .bigint : .double), .interval)
        default: break
        }
        throw noOperator(operation, left, right, operatorSpan)
    }

    private static func arithmeticFunction(_ operation: BinaryOperator) -> ScalarFunction {
        switch operation {
        case .add: .add
        case .subtract: .subtract
        case .multiply: .multiply
        case .divide: .divide
        default: .remainder
        }
    }

    /// A bare NULL or a text constant takes the type that its neighbour suggests.
    private static func settleUntyped(_ operation: BinaryOperator, _ left: BoundExpression, _ right: BoundExpression) throws(SQLError)
        -> (BoundExpression, BoundExpression)
    {
        func isOpen(_ expression: BoundExpression) -> Bool { expression.type == .null || expression.isUntypedText }
        func settle(_ expression: BoundExpression, beside other: SQLType) throws(SQLError) -> BoundExpression {
            switch other {
            case .timestamp, .timestampTZ, .date, .time, .interval:
                return try implicit(expression, operation == .multiply || operation == .divide ? .double : .interval)
            case .smallint: return try implicit(expression, .integer)
            default: return try implicit(expression, other)
            }
        }
        switch (isOpen(left), isOpen(right)) {
        case (true, true):
            guard left.type == .null || right.type == .null else { return (left, right) }
            return (try implicit(left, .integer), try implicit(right, .integer))
        case (true, false): return (try settle(left, beside: right.type), right)
        case (false, true): return (left, try settle(right, beside: left.type))
        case (false, false): return (left, right)
        }
    }

    /// A timestamp moved by an interval that its precision cannot hold gets a finer one.
    private static func precise(_ type: SQLType, _ interval: BoundExpression) -> SQLType {
        guard case .constant(.interval(let value)) = interval.kind else { return type }
        var digits = 6
        var rest = value.microseconds
        while digits > 0 && rest % 10 == 0 {
            rest /= 10
            digits -= 1
        }
        switch type {
        case .timestamp(let precision): return .timestamp(precision: Swift.max(precision, digits))
        case .timestampTZ(let precision): return .timestampTZ(precision: Swift.max(precision, digits))
        case .time(let precision): return .time(precision: Swift.max(precision, digits))
        default: return type
        }
    }
}
