// ExpressionText: bound expressions as people read them, for EXPLAIN: columns by name, operators between their operands. Not SQL to be
// read back.

import Columns
import Syntax

enum ExpressionText {
    static func print(_ expression: BoundExpression, _ names: [String], nested: Bool = false) -> String {
        func list(_ operands: [BoundExpression]) -> String { operands.map { print($0, names) }.joined(separator: ", ") }
        func chain(_ operands: [BoundExpression], _ symbol: String) -> String {
            parenthesised(operands.map { print($0, names, nested: true) }.joined(separator: " \(symbol) "), nested)
        }
        switch expression.kind {
        case .constant(let value): return constant(value, expression.type)
        case .column(let ordinal): return names.indices.contains(ordinal) ? names[ordinal] : "#\(ordinal)"
        case .call(let function, let operands):
            if operands.count == 2, let symbol = symbol(function) { return chain(operands, symbol) }
            if function == .negate, let operand = operands.first { return "-" + print(operand, names, nested: true) }
            return "\(function.rawValue)(\(list(operands)))"
        case .cast(let operand, let mode):
            return "\(mode == .attempt ? "TRY_CAST" : "CAST")(\(print(operand, names)) AS \(expression.type.name))"
        case .field(let operand, let index):
            let base = print(operand, names, nested: true)
            guard case .row(let fields) = operand.type, fields.indices.contains(index) else { return base + ".?" }
            return base + "." + fields[index].name
        case .and(let operands): return chain(operands, "AND")
        case .or(let operands): return chain(operands, "OR")
        case .not(let operand): return parenthesised("NOT " + print(operand, names, nested: true), nested)
        case .isNull(let operand, let negated):
            return parenthesised(print(operand, names, nested: true) + (negated ? " IS NOT NULL" : " IS NULL"), nested)
        case .inSet(let operand, let values, let negated):
            let shown = values.prefix(8).map { constant($0, operand.type) }.joined(separator: ", ")
            let rest = values.count > 8 ? ", ... \(values.count - 8) more" : ""
            return parenthesised("\(print(operand, names, nested: true)) \(negated ? "NOT IN" : "IN") (\(shown)\(rest))", nested)
        case .caseWhen(let branches, let otherwise):
            let whens = branches.map { "WHEN \(print($0.condition, names)) THEN \(print($0.result, names))" }
            return "CASE " + whens.joined(separator: " ") + (otherwise.map { " ELSE " + print($0, names) } ?? "") + " END"
        case .coalesce(let operands): return "coalesce(\(list(operands)))"
        case .epochClock: return "now()"
        }
    }

    private static func parenthesised(_ text: String, _ nested: Bool) -> String { nested ? "(\(text))" : text }

    static func constant(_ value: Value, _ type: SQLType) -> String {
        switch value {
        case .null: return "NULL"
        case .boolean(let value): return value ? "TRUE" : "FALSE"
        case .string(let text): return Printer.string(text)
        case .interval(let interval) where interval.months == 0: return "INTERVAL " + duration(interval.microseconds)
        case .interval: return "INTERVAL '\(TextFormat.string(value, type: .interval))'"
        default:
            let text = TextFormat.string(value, type: type)
            return type.isNumeric ? text : "\(keyword(type)) '\(text)'"
        }
    }

    private static func keyword(_ type: SQLType) -> String {
        switch type {
        case .date: "DATE"
        case .time: "TIME"
        case .timestamp: "TIMESTAMP"
        case .timestampTZ: "TIMESTAMPTZ"
        default: type.name
        }
    }

    private static func symbol(_ function: ScalarFunction) -> String? {
        switch function {
        case .add: "+"
        case .subtract: "-"
        case .multiply: "*"
        case .divide: "/"
        case .remainder: "%"
        case .equal: "="
        case .notEqual: "<>"
        case .less: "<"
        case .lessOrEqual: "<="
        case .greater: ">"
        case .greaterOrEqual: ">="
        case .isDistinct: "IS DISTINCT FROM"
        case .isNotDistinct: "IS NOT DISTINCT FROM"
        case .concatOperator: "||"
        case .like: "LIKE"
        case .ilike: "ILIKE"
        case .similarTo: "SIMILAR TO"
        default: nil
        }
    }

    /// `10 s`, `1500 ms`, `2 d`: in the largest unit that divides it.
    static func duration(_ microseconds: Int64) -> String {
        if microseconds == 0 { return "0 s" }
        let units: [(Int64, String)] = [
            (86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"), (1_000_000, "s"), (1000, "ms"),
        ]
        for (size, name) in units where microseconds % size == 0 { return "\(microseconds / size) \(name)" }
        return "\(microseconds) µs"
    }

    static func window(_ shape: WindowShape, _ time: String) -> String {
        func offset(_ offset: Int64) -> String { offset == 0 ? "" : ", offset \(duration(offset))" }
        switch shape {
        case .tumble(let size, let shift): return "TUMBLE(\(time), size \(duration(size))\(offset(shift)))"
        case .hop(let size, let slide, let shift):
            return "HOP(\(time), slide \(duration(slide)), size \(duration(size))\(offset(shift)))"
        case .cumulate(let size, let step, let shift):
            return "CUMULATE(\(time), step \(duration(step)), size \(duration(size))\(offset(shift)))"
        case .session(let gap): return "SESSION(\(time), gap \(duration(gap)))"
        }
    }
}
