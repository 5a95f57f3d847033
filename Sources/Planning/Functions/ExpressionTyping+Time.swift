// Time: the clock, EXTRACT, AT TIME ZONE, constant intervals.

import Columns
import Syntax

extension ExpressionTyping {
    /// `CURRENT_TIMESTAMP`, `CURRENT_DATE`, `LOCALTIMESTAMP` ...: forms without parentheses, in any case.
    package static func niladic(_ name: String, span: SourceSpan) throws(SQLError) -> BoundExpression {
        if let definition = FunctionTable.find(name), case .clock(let type) = definition.meaning {
            return try clock(type, span: span, text: name)
        }
        throw SQLError("\(name) is not supported", at: span, code: SQLError.featureNotSupported)
    }

    static func clock(_ type: SQLType, span: SourceSpan, text: String) throws(SQLError) -> BoundExpression {
        try cast(BoundExpression(.epochClock, type: .timestampTZ(precision: 6), span: span, text: text), to: type, mode: .explicit, span: span, text: text)
    }

    /// `EXTRACT(field FROM x)`. BIGINT; SECOND and EPOCH with their fraction, as in PostgreSQL.
    package static func extract(field: Identifier, from operand: BoundExpression, span: SourceSpan, text: String) throws(SQLError)
        -> BoundExpression
    {
        var unit = try TimeUnit.parse(field.name, span: field.span, durationsOnly: false)
        var operand = operand
        if operand.isUntypedText || operand.type == .null { operand = try implicit(operand, .timestamp(precision: 6)) }
        switch operand.type {
        case .timestamp, .timestampTZ, .date, .time, .interval: break
        default:
            throw SQLError(
                "EXTRACT takes a date, a time or an interval, not \(operand.type.name.lowercased())", at: operand.span,
                code: SQLError.datatypeMismatch)
        }
        if unit == .wholeSecond || unit == .wholeEpoch { unit = .second }
        let name = BoundExpression.constant(.string(unit.rawValue), .text, span: field.span)
        return BoundExpression(.call(.extract, [name, operand]), type: extractType(unit), span: span, text: text)
    }

    static func extractType(_ unit: TimeUnit) -> SQLType {
        switch unit {
        case .second: .decimal(precision: 8, scale: 6)
        case .epoch: .decimal(precision: 20, scale: 6)
        default: .bigint
        }
    }

    /// `x AT TIME ZONE 'UTC'`: of a TIMESTAMP the instant it shows there, of an instant the TIMESTAMP that clocks show there. UTC and fixed
    /// offsets (`+02:00`) only.
    package static func atTimeZone(_ operand: BoundExpression, zone: BoundExpression, span: SourceSpan, text: String) throws(SQLError)
        -> BoundExpression
    {
        guard case .constant(.string(let name)) = zone.kind, let offset = offsetMicroseconds(name) else {
            throw SQLError(
                "the time zone is not known", at: zone.span, hint: "UTC and fixed offsets such as '+02:00' are supported",
                code: SQLError.featureNotSupported)
        }
        var operand = operand
        if operand.isUntypedText || operand.type == .date || operand.type == .null {
            operand = try implicit(operand, .timestamp(precision: operand.type == .date ? 0 : 6))
        }
        let target: SQLType
        var isToInstant = false
        switch operand.type {
        case .timestamp(let precision):
            target = .timestampTZ(precision: precision)
            isToInstant = true
        case .timestampTZ(let precision): target = .timestamp(precision: precision)
        default:
            throw SQLError(
                "AT TIME ZONE takes a timestamp, not \(operand.type.name.lowercased())", at: operand.span, code: SQLError.datatypeMismatch)
        }
        if offset != 0 {
            let interval = BoundExpression.constant(.interval(IntervalValue(microseconds: isToInstant ? -offset : offset)), .interval, span: zone.span)
            operand = BoundExpression(.call(.add, [operand, interval]), type: operand.type, span: span, text: text)
        }
        return try cast(operand, to: target, mode: .explicit, span: span, text: text)
    }

    private static func offsetMicroseconds(_ zone: String) -> Int64? {
        let zone = zone.uppercased()
        if ["UTC", "GMT", "Z", "ETC/UTC", "ETC/GMT", "UT"].contains(zone) { return 0 }
        var digits = Substring(zone)
        if digits.hasPrefix("UTC") || digits.hasPrefix("GMT") { digits = digits.dropFirst(3) }
        guard let sign = digits.first, sign == "+" || sign == "-" else { return nil }
        let parts = digits.dropFirst().split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let hours = Int64(parts[0]), (0...18).contains(hours), parts[0].first != "+" else { return nil }
        var minutes: Int64 = 0
        if parts.count == 2 {
            guard let value = Int64(parts[1]), (0...59).contains(value) else { return nil }
            minutes = value
        }
        return (hours * 60 + minutes) * 60_000_000 * (sign == "-" ? -1 : 1)
    }

    /// An INTERVAL constant in microseconds, as windows and watermarks want it; nil for anything else or when it has months.
    package static func constantMicroseconds(_ expression: BoundExpression) -> Int64? {
        guard case .constant(.interval(let value)) = expression.kind, value.months == 0 else { return nil }
        return value.microseconds
    }
}
