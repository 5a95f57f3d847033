// FunctionRewrite: functions that are an expression over other functions and operators, made when the call is typed. They need no
// kernel, and whatever is known of the parts (what can fail, what is constant) is known of them.

import Columns
import Syntax

package enum FunctionRewrite: String, Hashable, Sendable {
    case nvl2, decode, elt, nullIfZero, zeroIfNull, nanToOther, tryDivide
    case space, bitLength, sha2, encode
    case bitAnd, bitOr, bitXor, shiftLeft, shiftRight
    case yearWeek, dayName, monthName, toDate, age, identity, addMonths, add, subtract, dateDifference, unixDate, dateFromUnixDate, convertZone
    case timeZone, overlaps, jsonQuote, jsonUnquote, jsonPathArray
    /// So many of them as an interval.
    case years, months, weeks, days, hours, minutes, seconds, milliseconds, microseconds

    package var canFail: Bool {
        switch self {
        case .nvl2, .elt, .nullIfZero, .zeroIfNull, .nanToOther, .bitAnd, .bitOr, .bitXor, .yearWeek, .dayName, .monthName, .identity,
            .unixDate, .timeZone, .jsonQuote, .jsonUnquote:
            false
        default: true
        }
    }

    /// One of the stretch in microseconds or months; nil for the others.
    var interval: IntervalValue? {
        switch self {
        case .years: IntervalValue(months: 12)
        case .months: IntervalValue(months: 1)
        case .weeks: IntervalValue(microseconds: 604_800_000_000)
        case .days: IntervalValue(microseconds: 86_400_000_000)
        case .hours: IntervalValue(microseconds: 3_600_000_000)
        case .minutes: IntervalValue(microseconds: 60_000_000)
        case .seconds: IntervalValue(microseconds: 1_000_000)
        case .milliseconds: IntervalValue(microseconds: 1000)
        case .microseconds: IntervalValue(microseconds: 1)
        default: nil
        }
    }
}

extension ExpressionTyping {
    /// The arguments have been converted to the types of the chosen signature.
    static func rewrite(
        _ rewrite: FunctionRewrite, _ arguments: [BoundExpression], result: SQLType, span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        func call(_ function: ScalarFunction, _ operands: [BoundExpression], _ type: SQLType) -> BoundExpression {
            BoundExpression(.call(function, operands), type: type, span: span, text: text)
        }
        func word(_ value: String) -> BoundExpression { .constant(.string(value), .text, span: span) }
        func operate(_ operation: BinaryOperator, _ left: BoundExpression, _ right: BoundExpression) throws(SQLError) -> BoundExpression {
            try binary(operation, left, right, operatorSpan: span, span: span, text: text)
        }
        func number(_ value: Int64, _ type: SQLType = .integer) -> BoundExpression { .constant(.integer(value), type, span: span) }
        switch rewrite {
        case .identity: return arguments[0]
        case .nvl2:
            let condition = try isTest(arguments[0], .null, negated: true, span: span, text: text)
            return try caseWhen(
                branches: [BoundBranch(condition: condition, result: arguments[1])], otherwise: arguments[2], span: span, text: text)
        case .decode: return try decode(arguments, span: span, text: text)
        case .elt:
            var branches: [BoundBranch] = []
            for (index, argument) in arguments.dropFirst().enumerated() {
                let condition = try operate(.equal, arguments[0], number(Int64(index) + 1, .bigint))
                branches.append(BoundBranch(condition: condition, result: argument))
            }
            return try caseWhen(branches: branches, otherwise: nil, span: span, text: text)
        case .nullIfZero:
            return call(.nullIf, [arguments[0], try implicit(number(0), arguments[0].type)], arguments[0].type)
        case .zeroIfNull:
            return try coalesce([arguments[0], try implicit(number(0), arguments[0].type)], span: span, text: text)
        case .nanToOther:
            let condition = call(.isNotANumber, [arguments[0]], .boolean)
            return try caseWhen(
                branches: [BoundBranch(condition: condition, result: arguments[1])], otherwise: arguments[0], span: span, text: text)
        case .tryDivide:
            let isZero = try operate(.equal, arguments[1], number(0))
            let quotient = try operate(.divide, arguments[0], arguments[1])
            let none = BoundExpression.constant(.null, quotient.type, span: span)
            return try caseWhen(branches: [BoundBranch(condition: isZero, result: none)], otherwise: quotient, span: span, text: text)
        case .space: return call(.repeatText, [word(" "), arguments[0]], .text)
        case .bitLength: return try operate(.multiply, call(.octetLength, arguments, .integer), number(8))
        case .sha2: return call(try sha2(arguments[1]), [arguments[0]], result)
        case .encode: return call(arguments[0].type == .bytes ? .encodeBytes : .textToBytes, arguments, result)
        case .bitAnd: return try operate(.bitAnd, arguments[0], arguments[1])
        case .bitOr: return try operate(.bitOr, arguments[0], arguments[1])
        case .bitXor: return try operate(.bitXor, arguments[0], arguments[1])
        case .shiftLeft: return try operate(.shiftLeft, arguments[0], arguments[1])
        case .shiftRight: return try operate(.shiftRight, arguments[0], arguments[1])
        case .yearWeek:
            let year = call(.extract, [word(TimeUnit.isoyear.rawValue), arguments[0]], .bigint)
            let week = call(.extract, [word(TimeUnit.week.rawValue), arguments[0]], .bigint)
            return try operate(.add, try operate(.multiply, year, number(100, .bigint)), week)
        case .dayName: return call(.dateFormat, [arguments[0], word("EEEE")], .text)
        case .monthName: return call(.dateFormat, [arguments[0], word("MMMM")], .text)
        case .toDate: return try implicit(arguments[0], .date)
        case .age:
            if arguments.count == 2 { return call(.age, arguments, .interval) }
            let today = try implicit(try clock(.date, span: span, text: text), .timestamp(precision: 6))
            return call(.age, [today, arguments[0]], .interval)
        case .addMonths: return call(.timestampAdd, [word(TimeUnit.month.rawValue), arguments[1], arguments[0]], arguments[0].type)
        case .add: return try operate(.add, arguments[0], arguments[1])
        case .subtract: return try operate(.subtract, arguments[0], arguments[1])
        case .dateDifference:
            if arguments.count == 3 { return call(.unitBoundaries, arguments, .bigint) }
            let days = try operate(.subtract, try implicit(arguments[0], .date), try implicit(arguments[1], .date))
            return try implicit(days, .bigint)
        case .unixDate:
            return try operate(.subtract, arguments[0], .constant(.integer(0), .date, span: span))
        case .dateFromUnixDate:
            return try operate(.add, .constant(.integer(0), .date, span: span), arguments[0])
        case .convertZone:
            let time = call(.toTimestamp, [arguments[0], word("yyyy-MM-dd HH:mm:ss")], .timestamp(precision: 3))
            let instant = try atTimeZone(time, zone: arguments[1], span: span, text: text)
            let moved = try atTimeZone(instant, zone: arguments[2], span: span, text: text)
            return call(.dateFormat, [moved, word("yyyy-MM-dd HH:mm:ss")], .text)
        case .overlaps: return try overlaps(arguments, span: span, text: text)
        case .jsonQuote:
            return try cast(call(.toJSON, arguments, .json), to: .text, mode: .explicit, span: span, text: text)
        case .jsonUnquote:
            let isString = try operate(.equal, try callNamed("left", [call(.trimLeft, arguments, .text), number(1)], span: span, text: text), word("\""))
            return try caseWhen(
                branches: [BoundBranch(condition: isString, result: try coalesce([call(.jsonValue, [arguments[0], word("$")], .text), arguments[0]], span: span, text: text))],
                otherwise: arguments[0], span: span, text: text)
        case .jsonPathArray:
            let found = call(.jsonQueryWrapped, [arguments[0], arguments[1], word("UNCONDITIONAL")], .json)
            let isPresent = try isTest(arguments[0], .null, negated: true, span: span, text: text)
            let none = try caseWhen(
                branches: [BoundBranch(condition: isPresent, result: .constant(.string("[]"), .json, span: span))], otherwise: nil, span: span, text: text)
            return try coalesce([found, none], span: span, text: text)
        case .timeZone: return try atTimeZone(arguments[1], zone: arguments[0], span: span, text: text)
        case .years, .months, .weeks, .days, .hours, .minutes, .seconds, .milliseconds, .microseconds:
            let one = BoundExpression.constant(.interval(rewrite.interval ?? IntervalValue()), .interval, span: span)
            return try operate(.multiply, one, arguments[0])
        }
    }

    private static func callNamed(_ name: String, _ arguments: [BoundExpression], span: SourceSpan, text: String) throws(SQLError) -> BoundExpression {
        try call(Identifier(name, span: span), arguments, span: span, text: text)
    }

    /// As in PostgreSQL: the earlier of a pair is its start, the end does not belong to the stretch, and an empty stretch is an instant.
    private static func overlaps(_ arguments: [BoundExpression], span: SourceSpan, text: String) throws(SQLError) -> BoundExpression {
        func operate(_ operation: BinaryOperator, _ left: BoundExpression, _ right: BoundExpression) throws(SQLError) -> BoundExpression {
            try binary(operation, left, right, operatorSpan: span, span: span, text: text)
        }
        func stretch(_ start: BoundExpression, _ end: BoundExpression) throws(SQLError) -> (BoundExpression, BoundExpression) {
            let end = end.type == .interval ? try operate(.add, start, end) : end
            return (
                try callNamed("least", [start, end], span: span, text: text), try callNamed("greatest", [start, end], span: span, text: text)
            )
        }
        let (start, end) = try stretch(arguments[0], arguments[1])
        let (otherStart, otherEnd) = try stretch(arguments[2], arguments[3])
        return try caseWhen(
            branches: [
                BoundBranch(condition: try operate(.greater, start, otherStart), result: try operate(.less, start, otherEnd)),
                BoundBranch(condition: try operate(.less, start, otherStart), result: try operate(.less, otherStart, end)),
                BoundBranch(condition: try operate(.equal, start, otherStart), result: .constant(.boolean(true), .boolean, span: span)),
            ], otherwise: nil, span: span, text: text)
    }

    /// Oracle's decode; of two arguments PostgreSQL's (text to bytes) and Flink's (bytes to text).
    private static func decode(_ arguments: [BoundExpression], span: SourceSpan, text: String) throws(SQLError) -> BoundExpression {
        if arguments.count == 2 {
            let isBytes = arguments[0].type == .bytes
            return BoundExpression(
                .call(isBytes ? .bytesToText : .decodeBytes, arguments), type: isBytes ? .text : .bytes, span: span, text: text)
        }
        var branches: [BoundBranch] = []
        var index = 1
        while index + 1 < arguments.count {
            // A bare NULL has become a text; as a search value it has no type.
            let isNull = arguments[index].constantValue?.isNull ?? false
            let condition =
                isNull
                ? try isTest(arguments[0], .null, negated: false, span: span, text: text)
                : try isDistinct(arguments[0], arguments[index], negated: true, span: span, text: text)
            branches.append(BoundBranch(condition: condition, result: arguments[index + 1]))
            index += 2
        }
        return try caseWhen(branches: branches, otherwise: index < arguments.count ? arguments[index] : nil, span: span, text: text)
    }

    private static func sha2(_ bits: BoundExpression) throws(SQLError) -> ScalarFunction {
        switch bits.kind {
        case .constant(.integer(224)): return .sha224
        case .constant(.integer(256)), .constant(.integer(0)): return .sha256
        case .constant(.integer(384)): return .sha384
        case .constant(.integer(512)): return .sha512
        default:
            throw SQLError(
                "the length of a SHA-2 must be a constant: 224, 256, 384 or 512", at: bits.span, code: SQLError.invalidParameter)
        }
    }
}
