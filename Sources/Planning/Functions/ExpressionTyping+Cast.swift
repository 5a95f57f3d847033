// Casts: which there are, which are implicit on assignment, and folding them into constants.

import Columns
import Syntax

extension ExpressionTyping {
    /// The expression as another type; itself when it already has it. Constants are folded (a text constant becomes the typed value
    /// at once, and an invalid one is an error here, with its place). Throws when the mode does not allow the conversion:
    /// assignment allows numbers among themselves, dates and timestamps among themselves, anything to text, NULL to all.
    package static func cast(
        _ operand: BoundExpression, to type: SQLType, mode: CastMode, span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        if operand.type == type { return operand }
        if type == .null { return operand }
        if operand.type == .null || operand.kind == .constant(.null) {
            ParameterTypes.current?.note(operand.span, type)
            return .constant(.null, type, span: span)
        }
        guard canCast(operand.type, to: type) else {
            throw SQLError(
                "cannot cast type \(operand.type.name.lowercased()) to \(type.name.lowercased())", at: span,
                hint: castHint(operand.type, type), code: SQLError.datatypeMismatch)
        }
        if mode == .assignment, !operand.isUntypedText, !isAssignable(operand.type, to: type) {
            throw SQLError(
                "a value of type \(operand.type.name.lowercased()) cannot be assigned to type \(type.name.lowercased())", at: span,
                hint: "write CAST(... AS \(type.name))", code: SQLError.datatypeMismatch)
        }
        if case .constant(let value) = operand.kind, let folded = try fold(value, operand.type, to: type, mode: mode, span: operand.span) {
            return .constant(folded, type, span: span)
        }
        return BoundExpression(.cast(operand, mode), type: type, span: span, text: text)
    }

    private static func castHint(_ source: SQLType, _ target: SQLType) -> String? {
        if source.isTimestamp, target.isNumeric { return "EXTRACT(EPOCH FROM x) gives seconds since 1970" }
        if source.isNumeric, target.isTimestamp { return "TO_TIMESTAMP(n) takes seconds since 1970, TO_TIMESTAMP_LTZ(n, 3) milliseconds" }
        if source == .boolean, target.isNumeric { return "CAST it to INTEGER first, or write CASE WHEN x THEN 1 ELSE 0 END" }
        return nil
    }

    /// `x::numeric` keeps what x has behind the point, as in PostgreSQL: all of an exact number, of a text constant what it shows, of others 15
    /// digits. nil for every other type, and what cannot be a number.
    static func unconstrained(_ type: TypeName, of operand: BoundExpression) -> SQLType? {
        guard case .decimal(nil, nil) = type.kind else { return nil }
        if let exact = operand.type.asDecimal { return exact }
        guard operand.type.isFloating || operand.type.isText || operand.type == .json else { return nil }
        var scale = 15
        if operand.isUntypedText, case .string(let text)? = operand.constantValue, !text.contains(where: { $0 == "e" || $0 == "E" }) {
            let digits = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
            scale = digits.count < 2 ? 0 : digits[1].prefix { $0.isASCII && $0.isNumber }.count
        }
        return .decimal(precision: SQLType.decimalPrecisionMax, scale: Swift.min(scale, SQLType.decimalPrecisionMax))
    }

    /// Whether CAST knows the way.
    package static func canCast(_ source: SQLType, to target: SQLType) -> Bool {
        if source == target || source == .null { return true }
        if target.isText { return true }
        switch (source, target) {
        case (_, _) where source.isNumeric && target.isNumeric: return true
        case (.varchar, _), (.json, _), (_, .json): return true
        case (.boolean, _) where target.isInteger: return true
        case (_, .boolean) where source.isInteger: return true
        case (.date, .timestamp), (.date, .timestampTZ), (.timestamp, .date), (.timestampTZ, .date), (.timestamp, .time), (.timestampTZ, .time),
            (.timestamp, .timestamp), (.timestamp, .timestampTZ), (.timestampTZ, .timestamp), (.timestampTZ, .timestampTZ), (.time, .time),
            (.time, .interval), (.interval, .time):
            return true
        case (.array(let from), .array(let to)): return canCast(from, to: to)
        case (.map(let key, let value), .map(let toKey, let toValue)): return canCast(key, to: toKey) && canCast(value, to: toValue)
        case (.row(let from), .row(let to)): return from.count == to.count && zip(from, to).allSatisfy { canCast($0.type, to: $1.type) }
        default: return false
        }
    }

    /// Whether INSERT converts without a word.
    package static func isAssignable(_ source: SQLType, to target: SQLType) -> Bool {
        if source == target || source == .null || target.isText { return true }
        if source.isNumeric && target.isNumeric { return true }
        switch (source, target) {
        case (.date, .timestamp), (.date, .timestampTZ), (.timestamp, .date), (.timestampTZ, .date), (.timestamp, .timestamp),
            (.timestamp, .timestampTZ), (.timestampTZ, .timestamp), (.timestampTZ, .timestampTZ), (.time, .time):
            return true
        case (.array(let from), .array(let to)): return isAssignable(from, to: to)
        case (.map(let key, let value), .map(let toKey, let toValue)): return isAssignable(key, to: toKey) && isAssignable(value, to: toValue)
        case (.row(let from), .row(let to)): return from.count == to.count && zip(from, to).allSatisfy { isAssignable($0.type, to: $1.type) }
        default: return false
        }
    }

    // MARK: Constants

    /// The value as another type; nil when that is left to evaluation.
    private static func fold(_ value: Value, _ source: SQLType, to target: SQLType, mode: CastMode, span: SourceSpan) throws(SQLError)
        -> Value?
    {
        switch value {
        case .string(let text):
            if target.isText {
                guard case .varchar(let length?) = target, text.unicodeScalars.count > length else { return value }
                if mode == .assignment { return nil }
                return .string(String(String.UnicodeScalarView(text.unicodeScalars.prefix(length))))
            }
            // A JSON text is a value, not how one is written.
            if source == .json { return nil }
            do throws(TextError) {
                return try TextFormat.parse(text, as: target)
            } catch {
                if mode == .attempt { return .null }
                throw SQLError(
                    message(error, text: text, type: target), at: span,
                    code: error == .outOfRange ? SQLError.numericOutOfRange : SQLError.invalidTextRepresentation)
            }
        case .integer(let number) where source.isInteger:
            switch target {
            case .smallint, .integer, .bigint: return target.integerRange?.contains(number) == true ? value : nil
            case .double: return .double(Double(number))
            case .decimal(let precision, let scale):
                return Decimal128.rescale(Int128(number), from: 0, to: scale).flatMap { Decimal128.fits($0, precision: precision) ? .decimal($0) : nil }
            default: return nil
            }
        case .decimal(let number):
            guard case .decimal(_, let from) = source else { return nil }
            switch target {
            case .double: return .double(Decimal128.double(number, scale: from))
            case .decimal(let precision, let scale):
                return Decimal128.rescale(number, from: from, to: scale).flatMap { Decimal128.fits($0, precision: precision) ? .decimal($0) : nil }
            default: return nil
            }
        case .integer(let days) where source == .date:
            guard target.isTimestamp, CivilCalendar.dayRange.contains(days) else { return nil }
            return .integer(days * CivilCalendar.microsecondsPerDay)
        case .integer(let microseconds) where source.isTimestamp:
            switch target {
            case .timestamp(let precision), .timestampTZ(let precision):
                return .integer(CivilCalendar.truncate(microseconds: microseconds, precision: precision))
            default: return nil
            }
        default: return nil
        }
    }

    static func message(_ error: TextError, text: String, type: SQLType) -> String {
        Array(text.utf8).withUnsafeBufferPointer { error.message(text: $0, type: type) }
    }
}
