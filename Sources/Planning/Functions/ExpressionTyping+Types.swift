// Types: names of types, common types, result types.

import Columns
import Syntax

extension ExpressionTyping {
    // MARK: Names

    /// The type a type name stands for. DECIMAL is DECIMAL(10, 0) and TIME is TIME(0), as in Flink and the standard; TIMESTAMP is
    /// TIMESTAMP(6). CHAR(n) is VARCHAR(n): nothing is padded.
    package static func type(_ name: TypeName) throws(SQLError) -> SQLType { try type(name, depth: 0) }

    private static let typeDepthMax = 64

    private static func type(_ name: TypeName, depth: Int) throws(SQLError) -> SQLType {
        guard depth < typeDepthMax else {
            throw SQLError("type is nested too deeply", at: name.span, code: SQLError.programLimitExceeded)
        }
        switch name.kind {
        case .boolean: return .boolean
        case .smallint: return .smallint
        case .integer: return .integer
        case .bigint: return .bigint
        case .real: return .real
        case .double: return .double
        case .decimal(let precision, let scale):
            let precision = precision ?? 10
            let scale = scale ?? 0
            guard (1...SQLType.decimalPrecisionMax).contains(precision) else {
                throw invalid("DECIMAL precision \(precision) must be between 1 and \(SQLType.decimalPrecisionMax)", name)
            }
            guard (0...precision).contains(scale) else {
                throw invalid("DECIMAL scale \(scale) must be between 0 and precision \(precision)", name)
            }
            return .decimal(precision: precision, scale: scale)
        case .varchar(let length): return .varchar(length: try length.map { length throws(SQLError) in try textLength(length, name) })
        case .char(let length): return .varchar(length: try textLength(length ?? 1, name))
        case .bytes: return .bytes
        case .date: return .date
        case .time(let precision): return .time(precision: try fraction(precision ?? 0, "TIME", name))
        case .timestamp(let precision, let hasTimeZone):
            let precision = try fraction(precision ?? 6, "TIMESTAMP", name)
            return hasTimeZone ? .timestampTZ(precision: precision) : .timestamp(precision: precision)
        case .interval: return .interval
        case .array(let element): return .array(try type(element, depth: depth + 1))
        case .row(let fields):
            var result: [SQLType.Field] = []
            for field in fields { result.append(SQLType.Field(name: field.name.name, type: try type(field.type, depth: depth + 1))) }
            return .row(result)
        case .map(let key, let value):
            let keyType = try type(key, depth: depth + 1)
            guard !keyType.isNested, keyType != .json else {
                throw SQLError(
                    "a MAP cannot have keys of type \(keyType.name)", at: key.span, hint: "keys are of a plain type, such as VARCHAR",
                    code: SQLError.featureNotSupported)
            }
            return .map(keyType, try type(value, depth: depth + 1))
        case .json: return .json
        case .system(let system):
            // What the values of these are where nothing looks them up.
            switch system {
            case "oid", "xid": return .bigint
            case "name", "char", "pg_node_tree": return .text
            default:
                throw SQLError(
                    "type \(system) is only known in queries of pg_catalog and information_schema", at: name.span,
                    hint: "read the relation's row in pg_class", code: SQLError.featureNotSupported)
            }
        }
    }

    private static func textLength(_ length: Int, _ name: TypeName) throws(SQLError) -> Int {
        guard length >= 1, length <= StringView.lengthMax else {
            throw invalid("length \(length) must be between 1 and \(StringView.lengthMax)", name)
        }
        return length
    }

    private static func fraction(_ precision: Int, _ what: String, _ name: TypeName) throws(SQLError) -> Int {
        guard (0...6).contains(precision) else {
            throw invalid("\(what) precision \(precision) must be between 0 and 6", name)
        }
        return precision
    }

    private static func invalid(_ message: String, _ name: TypeName) -> SQLError {
        SQLError(message, at: name.span, code: SQLError.invalidParameter)
    }

    // MARK: Common types

    /// The type to which all of these convert without loss, as for CASE, COALESCE, UNION, IN and VALUES; nil when there is none. NULL
    /// suits every type. An untyped text constant takes the type of the others: see `commonType(of:)`, which can tell.
    package static func commonType(_ types: [SQLType]) -> SQLType? {
        var result = SQLType.null
        for type in types {
            guard let next = commonType(result, type) else { return nil }
            result = next
        }
        return result
    }

    /// The same of expressions: text constants take the type of the others.
    package static func commonType(of expressions: [BoundExpression]) -> SQLType? {
        let typed = expressions.filter { !$0.isUntypedText && $0.type != .null }
        if typed.isEmpty { return commonType(expressions.map(\.type)) }
        return commonType(typed.map(\.type))
    }

    /// All of them as their common type; an error at the first that does not suit. `what` is for the message: `CASE results`.
    package static func unify(_ expressions: [BoundExpression], what: String) throws(SQLError) -> [BoundExpression] {
        guard let type = commonType(of: expressions) else {
            let typed = expressions.filter { !$0.isUntypedText && $0.type != .null }
            var common = SQLType.null
            for expression in typed {
                guard let next = commonType(common, expression.type) else {
                    throw SQLError(
                        "\(what) cannot be of types \(common.name.lowercased()) and \(expression.type.name.lowercased()) at once",
                        at: expression.span, hint: "a CAST makes them one type", code: SQLError.datatypeMismatch)
                }
                common = next
            }
            throw SQLError("\(what) have no common type", at: expressions.first?.span ?? .none, code: SQLError.datatypeMismatch)
        }
        var result: [BoundExpression] = []
        for expression in expressions { result.append(type == .null ? expression : try implicit(expression, type)) }
        return result
    }

    private static func commonType(_ a: SQLType, _ b: SQLType) -> SQLType? {
        if a == b || b == .null { return a }
        if a == .null { return b }
        if a.isNumeric && b.isNumeric {
            if a.isInteger && b.isInteger { return wider(a, b) }
            if a.isFloating || b.isFloating { return .double }
            guard case .decimal(let p1, let s1)? = a.asDecimal, case .decimal(let p2, let s2)? = b.asDecimal else { return nil }
            let scale = Swift.max(s1, s2)
            let whole = Swift.max(p1 - s1, p2 - s2)
            // Digits before the point are kept before digits behind it.
            let precision = Swift.min(whole + scale, SQLType.decimalPrecisionMax)
            return .decimal(precision: precision, scale: Swift.min(scale, precision - Swift.min(whole, precision)))
        }
        switch (a, b) {
        case (.varchar(let first), .varchar(let second)):
            guard let first, let second else { return .text }
            return .varchar(length: Swift.max(first, second))
        case (.timestamp(let p1), .timestamp(let p2)): return .timestamp(precision: Swift.max(p1, p2))
        case (.timestampTZ(let p1), .timestampTZ(let p2)), (.timestamp(let p1), .timestampTZ(let p2)),
            (.timestampTZ(let p1), .timestamp(let p2)):
            return .timestampTZ(precision: Swift.max(p1, p2))
        case (.date, .timestamp), (.date, .timestampTZ): return b
        case (.timestamp, .date), (.timestampTZ, .date): return a
        case (.time(let p1), .time(let p2)): return .time(precision: Swift.max(p1, p2))
        case (.array(let first), .array(let second)): return commonType(first, second).map { .array($0) }
        case (.map(let key1, let value1), .map(let key2, let value2)):
            guard let key = commonType(key1, key2), let value = commonType(value1, value2) else { return nil }
            return .map(key, value)
        case (.row(let first), .row(let second)):
            guard first.count == second.count else { return nil }
            var fields: [SQLType.Field] = []
            for (one, other) in zip(first, second) {
                guard let type = commonType(one.type, other.type) else { return nil }
                fields.append(SQLType.Field(name: one.name, type: type))
            }
            return .row(fields)
        default: return nil
        }
    }

    // MARK: Results of arithmetic

    static func numericResult(_ operation: BinaryOperator, _ a: SQLType, _ b: SQLType) throws(SQLError) -> SQLType {
        if a.isInteger && b.isInteger { return wider(.integer, wider(a, b)) }
        if a == .real && b == .real { return .real }
        if a.isFloating || b.isFloating { return .double }
        let kind: DecimalType.Operation =
            switch operation {
            case .add: .add
            case .subtract: .subtract
            case .multiply: .multiply
            case .divide: .divide
            default: .remainder
            }
        guard case .decimal(let p1, let s1)? = a.asDecimal, case .decimal(let p2, let s2)? = b.asDecimal else { return .double }
        let result = DecimalType.result(kind, p1, s1, p2, s2)
        return .decimal(precision: result.precision, scale: result.scale)
    }
}
