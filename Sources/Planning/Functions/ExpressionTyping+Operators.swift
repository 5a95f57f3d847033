// Operators: arithmetic, comparison, concatenation, patterns.

import Columns
import Syntax

extension ExpressionTyping {
    package static func binary(
        _ operation: BinaryOperator, _ left: BoundExpression, _ right: BoundExpression, operatorSpan: SourceSpan, span: SourceSpan,
        text: String
    ) throws(SQLError) -> BoundExpression {
        switch operation {
        case .and: return try and([left, right], span: span, text: text)
        case .or: return try or([left, right], span: span, text: text)
        case .equal: return try comparison(.equal, left, right, operation, operatorSpan, span: span, text: text)
        case .notEqual: return try comparison(.notEqual, left, right, operation, operatorSpan, span: span, text: text)
        case .less: return try comparison(.less, left, right, operation, operatorSpan, span: span, text: text)
        case .lessOrEqual: return try comparison(.lessOrEqual, left, right, operation, operatorSpan, span: span, text: text)
        case .greater: return try comparison(.greater, left, right, operation, operatorSpan, span: span, text: text)
        case .greaterOrEqual: return try comparison(.greaterOrEqual, left, right, operation, operatorSpan, span: span, text: text)
        case .add, .subtract, .multiply, .divide, .remainder:
            return try arithmetic(operation, left, right, operatorSpan: operatorSpan, span: span, text: text)
        case .power:
            guard suitsNumber(left), suitsNumber(right) else { throw noOperator(operation, left, right, operatorSpan) }
            return BoundExpression(
                .call(.power, [try implicit(left, .double), try implicit(right, .double)]), type: .double, span: span, text: text)
        case .jsonPath, .jsonPathText:
            return try jsonPath(operation, left, right, operatorSpan: operatorSpan, span: span, text: text)
        case .overlaps:
            guard left.type.isArray || left.type == .null, right.type.isArray || right.type == .null, left.type != .null || right.type != .null else {
                var error = noOperator(operation, left, right, operatorSpan)
                if left.type == .boolean || right.type == .boolean { error.hint = "did you mean AND?" }
                throw error
            }
            return try call(Identifier("array_overlap", span: operatorSpan), [left, right], span: span, text: text)
        case .containsAll, .containedBy:
            let (whole, part) = operation == .containsAll ? (left, right) : (right, left)
            if whole.type == .json || part.type == .json, whole.type == .json || whole.isUntypedText, part.type == .json || part.isUntypedText {
                return BoundExpression(.call(.jsonContains, [try implicit(whole, .json), try implicit(part, .json)]), type: .boolean, span: span, text: text)
            }
            guard whole.type.isArray || whole.type == .null, part.type.isArray || part.type == .null, whole.type != .null || part.type != .null else {
                throw noOperator(operation, left, right, operatorSpan)
            }
            return try call(Identifier("array_contains_all", span: operatorSpan), [whole, part], span: span, text: text)
        case .concat where left.type.isArray || right.type.isArray:
            return try concatArrays(left, right, operatorSpan: operatorSpan, span: span, text: text)
        case .concat:
            guard left.type != .bytes && right.type != .bytes else { throw noOperator(operation, left, right, operatorSpan) }
            return BoundExpression(.call(.concatOperator, [try toText(left), try toText(right)]), type: .text, span: span, text: text)
        case .jsonGet, .jsonGetText:
            return try jsonGet(operation, left, right, operatorSpan: operatorSpan, span: span, text: text)
        case .regexMatch, .regexMatchInsensitive, .regexNotMatch, .regexNotMatchInsensitive:
            guard suitsText(left), suitsText(right) else { throw noOperator(operation, left, right, operatorSpan) }
            var arguments = [try implicit(left, .text), try implicit(right, .text)]
            if operation == .regexMatchInsensitive || operation == .regexNotMatchInsensitive {
                arguments.append(.constant(.string("i"), .text, span: operatorSpan))
            }
            let match = BoundExpression(.call(.regexpLike, arguments), type: .boolean, span: span, text: text)
            let isNegated = operation == .regexNotMatch || operation == .regexNotMatchInsensitive
            return isNegated ? BoundExpression(.not(match), type: .boolean, span: span, text: text) : match
        case .bitAnd, .bitOr, .bitXor, .shiftLeft, .shiftRight:
            return try bits(operation, left, right, operatorSpan: operatorSpan, span: span, text: text)
        }
    }

    package static func unary(_ operation: UnaryOperator, _ operand: BoundExpression, span: SourceSpan, text: String) throws(SQLError)
        -> BoundExpression
    {
        var operand = operand
        if operand.isUntypedText { operand = try implicit(operand, .double) }
        if operand.type == .null { operand = try implicit(operand, .integer) }
        guard operand.type.isNumeric || operand.type == .interval else {
            throw SQLError(
                "operator does not exist: \(operation.rawValue) \(operand.type.name.lowercased())", at: span,
                hint: operand.type.isText ? "CAST it to a number" : nil, code: SQLError.undefinedFunction)
        }
        guard operation == .minus else { return operand }
        if case .constant(let value) = operand.kind, let negated = negate(value, type: operand.type) {
            return .constant(negated.value, negated.type, span: span)
        }
        if operand.type == .smallint { operand = try implicit(operand, .integer) }
        return BoundExpression(.call(.negate, [operand]), type: operand.type, span: span, text: text)
    }

    /// A negative literal is a minus before a positive one: it takes the narrowest type, as if it were written as one.
    private static func negate(_ value: Value, type: SQLType) -> (value: Value, type: SQLType)? {
        switch value {
        case .integer(let number):
            let (negated, overflow) = Int64(0).subtractingReportingOverflow(number)
            if overflow { return nil }
            if type == .bigint, negated == Int64(Int32.min) { return (.integer(negated), .integer) }
            return type.integerRange?.contains(negated) == true ? (.integer(negated), type) : nil
        case .decimal(let number):
            let (negated, overflow) = Int128(0).subtractingReportingOverflow(number)
            if overflow { return nil }
            if case .decimal(_, 0) = type, let narrow = Int64(exactly: negated) { return (.integer(narrow), .bigint) }
            return (.decimal(negated), type)
        case .double(let number): return (.double(-number), type)
        case .interval(let interval):
            let (months, first) = Int64(0).subtractingReportingOverflow(interval.months)
            let (microseconds, second) = Int64(0).subtractingReportingOverflow(interval.microseconds)
            return first || second ? nil : (.interval(IntervalValue(months: months, microseconds: microseconds)), type)
        default: return nil
        }
    }

    /// LIKE, ILIKE, SIMILAR TO; not negated (the binder wraps `.not`).
    package static func like(
        _ operand: BoundExpression, pattern: BoundExpression, escape: BoundExpression?, kind: LikeKind, span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        var arguments: [BoundExpression] = []
        for argument in [operand, pattern] + (escape.map { [$0] } ?? []) {
            guard suitsText(argument) else {
                throw SQLError(
                    "operator does not exist: \(operand.type.name.lowercased()) \(kind.rawValue) \(pattern.type.name.lowercased())",
                    at: argument.span, hint: "cast it to VARCHAR", code: SQLError.undefinedFunction)
            }
            arguments.append(try implicit(argument, .text))
        }
        if let escape, case .constant(.string(let value)) = escape.kind, value.unicodeScalars.count > 1 {
            throw SQLError("an escape must be empty or one character", at: escape.span, code: SQLError.invalidParameter)
        }
        let function: ScalarFunction =
            switch kind {
            case .like: .like
            case .ilike: .ilike
            case .similar: .similarTo
            }
        return BoundExpression(.call(function, arguments), type: .boolean, span: span, text: text)
    }

    // MARK: Comparison

    static func comparison(
        _ function: ScalarFunction, _ left: BoundExpression, _ right: BoundExpression, _ operation: BinaryOperator,
        _ operatorSpan: SourceSpan, span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        let operands = try comparable(left, right)
        guard let operands else { throw noOperator(operation, left, right, operatorSpan) }
        return BoundExpression(.call(function, operands), type: .boolean, span: span, text: text)
    }

    /// Both as what they can be compared as; nil when they cannot be. Decimals keep their own scales: the kernel compares across them,
    /// which no cast could do without the risk of leaving the range.
    static func comparable(_ left: BoundExpression, _ right: BoundExpression) throws(SQLError) -> [BoundExpression]? {
        if left.isUntypedText != right.isUntypedText, left.type != .null, right.type != .null {
            let other = left.isUntypedText ? right.type : left.type
            if !other.isText {
                return left.isUntypedText ? [try implicit(left, comparisonTarget(other)), right] : [left, try implicit(right, comparisonTarget(other))]
            }
        }
        if (left.type.isDecimal && (right.type.isDecimal || right.type.isInteger)) || (right.type.isDecimal && left.type.isInteger) {
            guard let first = left.type.asDecimal, let second = right.type.asDecimal else { return nil }
            return [try implicit(left, first), try implicit(right, second)]
        }
        guard let type = commonType([left.type, right.type]) else { return nil }
        switch type {
        case .map: return nil
        case .null: return [try implicit(left, .text), try implicit(right, .text)]
        default: return [try implicit(left, type), try implicit(right, type)]
        }
    }

    /// A text constant beside a decimal keeps all its digits; beside a VARCHAR(n) all its characters.
    private static func comparisonTarget(_ other: SQLType) -> SQLType {
        switch other {
        case .decimal(_, let scale): .decimal(precision: SQLType.decimalPrecisionMax, scale: Swift.max(scale, 9))
        case .timestamp: .timestamp(precision: 6)
        case .timestampTZ: .timestampTZ(precision: 6)
        case .time: .time(precision: 6)
        default: other
        }
    }

    // MARK: Bits

    private static func bits(
        _ operation: BinaryOperator, _ left: BoundExpression, _ right: BoundExpression, operatorSpan: SourceSpan, span: SourceSpan,
        text: String
    ) throws(SQLError) -> BoundExpression {
        let isShift = operation == .shiftLeft || operation == .shiftRight
        let types = [left.type, right.type].map { $0 == .null ? SQLType.integer : $0 }
        guard types.allSatisfy(\.isInteger) else { throw noOperator(operation, left, right, operatorSpan) }
        let type = wider(.integer, isShift ? types[0] : wider(types[0], types[1]))
        let function: ScalarFunction =
            switch operation {
            case .bitAnd: .bitAnd
            case .bitOr: .bitOr
            case .bitXor: .bitXor
            case .shiftLeft: .shiftLeft
            default: .shiftRight
            }
        return BoundExpression(
            .call(function, [try implicit(left, type), try implicit(right, isShift ? .bigint : type)]), type: type, span: span, text: text)
    }

    // MARK: Helpers

    static func wider(_ a: SQLType, _ b: SQLType) -> SQLType { a.numericRank >= b.numericRank ? a : b }

    static func suitsNumber(_ expression: BoundExpression) -> Bool {
        expression.type.isNumeric || expression.type == .null || expression.isUntypedText
    }

    static func suitsText(_ expression: BoundExpression) -> Bool { expression.type.isText || expression.type == .null }

    /// A conversion that needs no word from the user.
    static func implicit(_ expression: BoundExpression, _ type: SQLType) throws(SQLError) -> BoundExpression {
        do {
            return try cast(expression, to: type, mode: .explicit, span: expression.span, text: expression.text)
        } catch {
            guard expression.isUntypedText, type.isNumeric || type == .boolean, error.hint == nil else { throw error }
            throw SQLError(
                error.message, at: error.span,
                hint: type == .boolean
                    ? "a condition is expected here: compare the text with something" : "a text beside \(type.name) is read as \(type.name); CAST the other side AS VARCHAR to have texts",
                code: error.code)
        }
    }

    static func noOperator(_ operation: BinaryOperator, _ left: BoundExpression, _ right: BoundExpression, _ span: SourceSpan) -> SQLError {
        let names = [left, right].map { $0.type == .null ? "unknown" : $0.type.name.lowercased() }
        return SQLError(
            "operator does not exist: \(names[0]) \(operation.rawValue) \(names[1])", at: span,
            hint: operatorHint(operation, left.type, right.type), code: SQLError.undefinedFunction)
    }

    private static func operatorHint(_ operation: BinaryOperator, _ left: SQLType, _ right: SQLType) -> String? {
        func isTime(_ type: SQLType) -> Bool { type.isTimestamp || type == .date }
        switch operation {
        case .bitAnd, .bitOr, .bitXor, .shiftLeft, .shiftRight:
            return left.isText || right.isText ? "CAST the text to a whole number" : "\(operation.rawValue) takes whole numbers"
        case .add where isTime(left) && isTime(right): return "the difference of two times, a - b, is an interval"
        case .add, .subtract:
            if (isTime(left) && right.isNumeric) || (left.isNumeric && isTime(right)) { return "a time moves by an interval, such as INTERVAL '1' SECOND" }
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual:
            if (left.isTimestamp && right.isNumeric) || (left.isNumeric && right.isTimestamp) {
                return "TO_TIMESTAMP(n) makes a time of seconds since 1970, TO_TIMESTAMP_LTZ(n, 3) of milliseconds"
            }
        default: break
        }
        return left.isText != right.isText ? "a CAST makes both sides of one type" : nil
    }
}
