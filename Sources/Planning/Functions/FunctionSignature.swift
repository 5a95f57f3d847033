// FunctionSignature: which arguments a function takes, and what comes out.
//
// Overloads are chosen as in PostgreSQL, by counting: every argument that must be converted costs the distance of the
// conversion, the cheapest signature wins, and of equally cheap ones the one listed first. A text constant and a bare NULL suit
// everything; text that is not a constant is never converted by itself.

import Columns

package struct FunctionSignature: Sendable {
    package enum Argument: Hashable, Sendable {
        case boolean
        /// SMALLINT, INTEGER or BIGINT, kept as it is.
        case anyInteger
        case integer, bigint
        /// A DECIMAL, kept as it is; integers become one.
        case decimal
        case double
        /// Any number, kept as it is.
        case number
        case text
        case bytes
        case date, time
        /// TIMESTAMP or TIMESTAMP WITH TIME ZONE, kept as it is; a DATE becomes one.
        case timestamp
        case interval
        /// Any ARRAY; several arrays, and what is an `.element`, get one element type.
        case array
        /// A value for the arrays among the arguments.
        case element
        case map
        /// A key for the map among the arguments.
        case mapKey
        /// JSON; a text is read as JSON.
        case json
        /// Whatever it is.
        case any
        /// All of these become their common type.
        case common
        /// The name of a unit of time: a text constant.
        case unit

        package var name: String {
            switch self {
            case .boolean: "boolean"
            case .anyInteger, .integer: "integer"
            case .bigint: "bigint"
            case .decimal: "decimal"
            case .double: "double"
            case .number: "number"
            case .text: "text"
            case .bytes: "bytes"
            case .date: "date"
            case .time: "time"
            case .timestamp: "timestamp"
            case .interval: "interval"
            case .array: "array"
            case .element: "element"
            case .map: "map"
            case .mapKey: "key"
            case .json: "json"
            case .any, .common: "any"
            case .unit: "unit"
            }
        }
    }

    package enum Result: Sendable {
        case type(SQLType)
        /// The type of that argument, after conversion.
        case argument(Int)
        /// The common type of the `.common` arguments.
        case common
        /// Worked out from the types after conversion; the string is for people.
        case rule(String, @Sendable ([SQLType]) -> SQLType)

        package func type(for arguments: [SQLType], common: SQLType) -> SQLType {
            switch self {
            case .type(let type): type
            case .argument(let index): index < arguments.count ? arguments[index] : .text
            case .common: common
            case .rule(_, let rule): rule(arguments)
            }
        }
    }

    package var arguments: [Argument]
    /// How many of them must be there; the rest may be left out.
    package var requiredCount: Int
    /// Whether the last one may be repeated.
    package var isVariadic: Bool
    package var result: Result

    package init(_ arguments: [Argument], required: Int? = nil, isVariadic: Bool = false, _ result: Result) {
        self.arguments = arguments
        requiredCount = required ?? arguments.count
        self.isVariadic = isVariadic
        self.result = result
    }

    /// The pattern for the argument at `index` in a call.
    func argument(at index: Int) -> Argument { arguments[Swift.min(index, arguments.count - 1)] }

    func accepts(count: Int) -> Bool { count >= requiredCount && (count <= arguments.count || (isVariadic && !arguments.isEmpty)) }

    /// `name(text, integer [, text])`.
    package func display(name: String) -> String {
        var text = name + "("
        for (index, argument) in arguments.enumerated() {
            if index >= requiredCount { text += index == 0 ? "[" : " [, " } else if index > 0 { text += ", " }
            text += argument.name
        }
        if isVariadic { text += ", ..." }
        text += String(repeating: "]", count: arguments.count - requiredCount)
        return text + ")"
    }

    package var resultName: String {
        switch result {
        case .type(let type): type.name.lowercased()
        case .argument(let index): index < arguments.count ? "as argument \(index + 1)" : "text"
        case .common: "common type"
        case .rule(let name, _): name
        }
    }
}

extension FunctionSignature.Argument {
    /// What converting costs, and the type to convert to (nil: none); nil when the argument does not suit.
    func match(_ expression: BoundExpression) -> (cost: Int, target: SQLType?)? {
        let type = expression.type
        if type == .null { return (0, nullTarget) }
        if expression.isUntypedText {
            switch self {
            case .text, .any, .common, .unit, .element, .mapKey: return (0, nil)
            case .array, .map: return nil
            case .json: return (1, .json)
            case .boolean: return (3, .boolean)
            case .anyInteger, .integer: return (3, .integer)
            case .bigint: return (3, .bigint)
            case .decimal: return (3, .decimal(precision: 38, scale: 18))
            case .double, .number: return (3, .double)
            case .bytes: return (3, .bytes)
            case .date: return (3, .date)
            case .time: return (3, .time(precision: 6))
            case .timestamp: return (2, .timestamp(precision: 6))
            case .interval: return (3, .interval)
            }
        }
        switch self {
        case .any, .common, .element, .mapKey: return (0, nil)
        case .array: return type.isArray ? (0, nil) : nil
        case .map: return type.isMap ? (0, nil) : nil
        case .json:
            if type == .json { return (0, nil) }
            return type.isText ? (1, .json) : nil
        case .boolean: return type == .boolean ? (0, nil) : nil
        case .text: return type.isText ? (0, nil) : nil
        case .unit: return nil
        case .bytes: return type == .bytes ? (0, nil) : nil
        case .date: return type == .date ? (0, nil) : nil
        case .time: if case .time = type { return (0, nil) } else { return nil }
        case .timestamp:
            if type.isTimestamp { return (0, nil) }
            return type == .date ? (1, .timestamp(precision: 6)) : nil
        case .interval: return type == .interval ? (0, nil) : nil
        case .anyInteger: return type.isInteger ? (0, nil) : nil
        case .number: return type.isNumeric ? (0, nil) : nil
        case .integer:
            if type == .integer { return (0, nil) }
            return type == .smallint ? (1, .integer) : nil
        case .bigint: return type.isInteger ? (2 - type.numericRank, type == .bigint ? nil : .bigint) : nil
        case .decimal:
            if type.isDecimal { return (0, nil) }
            return type.asDecimal.map { (3 - type.numericRank, $0) }
        case .double: return type.isNumeric ? (5 - type.numericRank, type == .double ? nil : .double) : nil
        }
    }

    private var nullTarget: SQLType? {
        switch self {
        case .boolean: .boolean
        case .anyInteger, .integer: .integer
        case .bigint: .bigint
        case .decimal: .decimal(precision: 10, scale: 0)
        case .double, .number: .double
        case .text, .any, .unit: .text
        case .bytes: .bytes
        case .date: .date
        case .time: .time(precision: 0)
        case .timestamp: .timestamp(precision: 6)
        case .interval: .interval
        case .array: .array(.null)
        case .map: .map(.text, .null)
        case .json: .json
        case .common, .element, .mapKey: nil
        }
    }
}

extension SQLType {
    /// The place in smallint → integer → bigint → decimal → real → double.
    var numericRank: Int {
        switch self {
        case .smallint: 0
        case .integer: 1
        case .bigint: 2
        case .decimal: 3
        case .real: 4
        default: 5
        }
    }

    /// The DECIMAL that holds every value of an integer type; a decimal itself; nil for others.
    var asDecimal: SQLType? {
        switch self {
        case .smallint: .decimal(precision: 5, scale: 0)
        case .integer: .decimal(precision: 10, scale: 0)
        case .bigint: .decimal(precision: 19, scale: 0)
        case .decimal: self
        default: nil
        }
    }
}

extension BoundExpression {
    /// A text constant, which takes the type that its neighbours want.
    package var isUntypedText: Bool {
        if case .constant(.string) = kind, type == .text { true } else { false }
    }
}
