// Literals: text of the statement to typed constants.

import Columns
import Syntax

extension ExpressionTyping {
    /// A literal as written. Integers are INTEGER when they fit, otherwise BIGINT, otherwise DECIMAL; numbers with a point are exact.
    package static func literal(_ literal: Literal, span: SourceSpan) throws(SQLError) -> BoundExpression {
        switch literal {
        case .null: return .constant(.null, .null, span: span)
        case .boolean(let value): return .constant(.boolean(value), .boolean, span: span)
        case .string(let text): return .constant(.string(text), .text, span: span)
        case .bytes(let bytes): return .constant(.bytes(bytes), .bytes, span: span)
        case .integer(let digits):
            if let value = Int64(digits) {
                return .constant(.integer(value), Int32(exactly: value) != nil ? .integer : .bigint, span: span)
            }
            return try decimal(digits, span: span)
        case .decimal(let digits): return try decimal(digits, span: span)
        case .double(let digits):
            return .constant(try parse(digits, as: .double, span: span), .double, span: span)
        case .typed(let name, let text): return try typed(name, text, span: span)
        case .interval(let text, let from, let to): return try interval(text, from: from, to: to, span: span)
        }
    }

    private static func decimal(_ digits: String, span: SourceSpan) throws(SQLError) -> BoundExpression {
        let parts = digits.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let whole = parts[0].drop { $0 == "0" }.utf8.count
        let scale = parts.count > 1 ? parts[1].utf8.count : 0
        let precision = Swift.max(whole + scale, 1)
        guard precision <= SQLType.decimalPrecisionMax else {
            throw SQLError(
                "a number has at most \(SQLType.decimalPrecisionMax) digits", at: span, hint: "with an exponent it is a DOUBLE: 1.5e0",
                code: SQLError.numericOutOfRange)
        }
        let type = SQLType.decimal(precision: precision, scale: scale)
        return .constant(try parse(digits, as: type, span: span), type, span: span)
    }

    private static func typed(_ name: TypeName, _ text: String, span: SourceSpan) throws(SQLError) -> BoundExpression {
        let type = try type(name)
        switch name.kind {
        case .timestamp(nil, let hasTimeZone):
            // As many fraction digits as are written, at least milliseconds: what it is compared with keeps its own precision.
            let value = try parse(text, as: type, span: span)
            var precision = 6
            if case .integer(let microseconds) = value, microseconds % 1000 == 0 { precision = 3 }
            return .constant(value, hasTimeZone ? .timestampTZ(precision: precision) : .timestamp(precision: precision), span: span)
        case .time(nil):
            let value = try parse(text, as: .time(precision: 6), span: span)
            var precision = 6
            if case .integer(let microseconds) = value {
                precision = microseconds % 1_000_000 == 0 ? 0 : microseconds % 1000 == 0 ? 3 : 6
            }
            return .constant(value, .time(precision: precision), span: span)
        default: return .constant(try parse(text, as: type, span: span), type, span: span)
        }
    }

    private static func interval(_ text: String, from: IntervalField?, to: IntervalField?, span: SourceSpan) throws(SQLError)
        -> BoundExpression
    {
        let bytes = Array(text.utf8)
        let first = from.flatMap(calendarUnit)
        let last = to.flatMap(calendarUnit)
        let value: Result<IntervalValue, TextError> = bytes.withUnsafeBufferPointer { bytes in
            do throws(TextError) {
                return .success(try IntervalText.parse(bytes, from: first, to: last))
            } catch { return .failure(error) }
        }
        switch value {
        case .success(let interval): return .constant(.interval(interval), .interval, span: span)
        case .failure(let error):
            let fields = [from, to].compactMap { $0?.rawValue.uppercased() }.joined(separator: " TO ")
            throw SQLError(
                "invalid interval: \"\(text)\"\(fields.isEmpty ? "" : " \(fields)")", at: span,
                hint: error == .outOfRange ? "it is too large" : "as in INTERVAL '10' SECOND, INTERVAL '1:30' MINUTE TO SECOND, INTERVAL '2 days 3 hours'",
                code: SQLError.invalidTextRepresentation)
        }
    }

    private static func calendarUnit(_ field: IntervalField) -> CalendarUnit? {
        Array(field.rawValue.utf8).withUnsafeBufferPointer { IntervalText.unit(named: $0) }
    }

    private static func parse(_ text: String, as type: SQLType, span: SourceSpan) throws(SQLError) -> Value {
        do throws(TextError) {
            return try TextFormat.parse(text, as: type)
        } catch {
            throw SQLError(
                message(error, text: text, type: type), at: span,
                code: error == .outOfRange ? SQLError.numericOutOfRange : SQLError.invalidTextRepresentation)
        }
    }
}
