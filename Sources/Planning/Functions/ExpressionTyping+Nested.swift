// Nested values: fields of rows, elements of arrays and maps, their constructors, JSON by operator, comparison of row constructors.

import Columns
import Syntax

extension ExpressionTyping {
    // MARK: Taking apart

    /// `row.name`: exactly, else whatever its case.
    package static func field(_ name: Identifier, of operand: BoundExpression, span: SourceSpan) throws(SQLError) -> BoundExpression {
        guard case .row(let fields) = operand.type else {
            let hint: String? =
                switch operand.type {
                case .map: "a value of a MAP is m['\(name.name)']"
                case .json: "a member of a JSON object is j -> '\(name.name)'"
                case .array: "an element of an ARRAY is a[1]"
                default: nil
                }
            throw SQLError(
                "a value of type \(operand.type.name) has no field \"\(name.name)\"", at: name.span, hint: hint,
                code: SQLError.undefinedColumn)
        }
        guard let index = try fieldIndex(name, fields) else {
            throw SQLError(
                "there is no field \"\(name.name)\" in \(shortened(operand.type))", at: name.span,
                hint: NearestName.find(name.name, among: fields.map(\.name)).map { "did you mean \"\($0)\"?" }
                    ?? "it has " + fields.prefix(12).map(\.name).joined(separator: ", "),
                code: SQLError.undefinedColumn)
        }
        return .field(operand, index, type: fields[index].type, span: span)
    }

    private static func fieldIndex(_ name: Identifier, _ fields: [SQLType.Field]) throws(SQLError) -> Int? {
        if let index = fields.firstIndex(where: { $0.name == name.name }) { return index }
        let lowered = name.name.lowercased()
        let matches = fields.indices.filter { fields[$0].name.lowercased() == lowered }
        if matches.count > 1 {
            throw SQLError(
                "field reference \"\(name.name)\" is ambiguous", at: name.span,
                hint: "it could be " + Scope.alternatives(matches.map { fields[$0].name }), code: SQLError.ambiguousColumn)
        }
        return matches.first
    }

    /// How the last of some fields is spelt in the type; nil for no fields.
    static func fieldName(_ names: ArraySlice<Identifier>, in type: SQLType) -> String? {
        var type = type
        var spelling: String?
        for name in names {
            guard case .row(let fields) = type, let index = try? fieldIndex(name, fields) else { return name.name }
            spelling = fields[index].name
            type = fields[index].type
        }
        return spelling
    }

    private static func shortened(_ type: SQLType) -> String { type.name.count > 60 ? "the ROW" : type.name }

    /// `a[1]` (from 1, NULL outside), `m['k']` (NULL when missing), `j['k']` and `j[0]` (as ->).
    package static func element(_ operand: BoundExpression, at index: BoundExpression, span: SourceSpan, text: String) throws(SQLError)
        -> BoundExpression
    {
        switch operand.type {
        case .array(let element):
            guard index.type.isInteger || index.type == .null else {
                throw SQLError(
                    "the subscript of an array must be an integer, not \(index.type.name.lowercased())", at: index.span,
                    code: SQLError.datatypeMismatch)
            }
            return BoundExpression(.call(.element, [operand, try implicit(index, .bigint)]), type: element, span: span, text: text)
        case .map(let key, let value):
            guard index.type == .null || index.isUntypedText || commonType([key, index.type]) != nil else {
                throw SQLError(
                    "the keys of \(operand.type.name) are \(key.name), not \(index.type.name)", at: index.span, code: SQLError.datatypeMismatch)
            }
            return BoundExpression(.call(.element, [operand, try implicit(index, key)]), type: value, span: span, text: text)
        case .json: return try jsonGet(.jsonGet, operand, index, operatorSpan: index.span, span: span, text: text)
        case .null: return .constant(.null, .null, span: span)
        default:
            throw SQLError(
                "cannot subscript a value of type \(operand.type.name.lowercased())", at: span,
                hint: operand.type.isRow ? "a field of a ROW is r.name" : "arrays, maps and JSON have elements", code: SQLError.datatypeMismatch)
        }
    }

    /// `j -> 'key'`, `j -> 0`, `j ->> 'key'`. A VARCHAR is read as JSON.
    static func jsonGet(
        _ operation: BinaryOperator, _ left: BoundExpression, _ right: BoundExpression, operatorSpan: SourceSpan, span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        guard left.type == .json || left.type.isText || left.type == .null, right.type.isText || right.type.isInteger || right.type == .null else {
            throw noOperator(operation, left, right, operatorSpan)
        }
        let key = try implicit(right, right.type.isInteger ? .bigint : .text)
        let asText = operation == .jsonGetText
        return BoundExpression(
            .call(asText ? .jsonGetText : .jsonGet, [try implicit(left, .json), key]), type: asText ? .text : .json, span: span, text: text)
    }

    /// `j #> '{a,0,b}'`: the keys as an array, or as the text of one.
    static func jsonPath(
        _ operation: BinaryOperator, _ left: BoundExpression, _ right: BoundExpression, operatorSpan: SourceSpan, span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        guard left.type == .json || left.type.isText || left.type == .null else { throw noOperator(operation, left, right, operatorSpan) }
        guard case .constant(.list(let keys)) = try implicit(right, .array(.text)).kind else {
            throw SQLError(
                "the path of \(operation.rawValue) must be a constant", at: right.span, hint: "json_extract_path(j, key, ...) takes any values",
                code: SQLError.featureNotSupported)
        }
        let arguments = try [implicit(left, .json)] + keys.map { BoundExpression.constant($0, .text, span: right.span) }
        let asText = operation == .jsonPathText
        return BoundExpression(
            .call(asText ? .jsonExtractPathText : .jsonExtractPath, arguments), type: asText ? .text : .json, span: span, text: text)
    }

    // MARK: Putting together

    /// `ARRAY[a, b]`.
    package static func array(_ items: [BoundExpression], span: SourceSpan, text: String) throws(SQLError) -> BoundExpression {
        let unified = items.isEmpty ? [] : try unify(items, what: "ARRAY elements")
        return BoundExpression(.call(.makeArray, unified), type: .array(unified.first?.type ?? .null), span: span, text: text)
    }

    /// `ROW(a, b)`: fields f1, f2 ...
    package static func row(_ items: [BoundExpression], span: SourceSpan, text: String) -> BoundExpression {
        let fields = items.enumerated().map { SQLType.Field(name: "f\($0 + 1)", type: $1.type) }
        return BoundExpression(.call(.makeRow, items), type: .row(fields), span: span, text: text)
    }

    /// `MAP['k', v, ..]`.
    static func map(_ items: [BoundExpression], span: SourceSpan, text: String) throws(SQLError) -> BoundExpression {
        guard items.count.isMultiple(of: 2) else {
            throw SQLError("MAP needs a value for each key", at: items.last?.span ?? span, hint: "MAP['a', 1, 'b', 2]", code: SQLError.undefinedFunction)
        }
        let keys = try unify(stride(from: 0, to: items.count, by: 2).map { items[$0] }, what: "MAP keys")
        let values = try unify(stride(from: 1, to: items.count, by: 2).map { items[$0] }, what: "MAP values")
        let key = keys.first?.type ?? .text
        guard !key.isNested, key != .json else {
            throw SQLError("a MAP cannot have keys of type \(key.name)", at: keys[0].span, code: SQLError.datatypeMismatch)
        }
        let interleaved = zip(keys, values).flatMap { [$0, $1] }
        return BoundExpression(.call(.makeMap, interleaved), type: .map(key, values.first?.type ?? .null), span: span, text: text)
    }

    /// `a || b` of arrays, and of an array and an element at either end.
    static func concatArrays(_ left: BoundExpression, _ right: BoundExpression, operatorSpan: SourceSpan, span: SourceSpan, text: String)
        throws(SQLError) -> BoundExpression
    {
        func name(_ function: String) -> Identifier { Identifier(function, span: operatorSpan) }
        let bothArrays = (left.type.isArray || left.type == .null || left.isUntypedText) && (right.type.isArray || right.type == .null || right.isUntypedText)
        if bothArrays, left.type.isArray && right.type.isArray || left.type == .null || right.type == .null {
            return try call(name("array_cat"), [left, right], span: span, text: text)
        }
        return try call(name(left.type.isArray ? "array_append" : "array_prepend"), [left, right], span: span, text: text)
    }

    // MARK: Arguments of functions

    /// One element type for the arrays and elements among the arguments; a map's key type for keys.
    static func unifyElements(_ signature: FunctionSignature, _ arguments: inout [BoundExpression], name: Identifier) throws(SQLError) {
        var types: [SQLType] = []
        var hasElements = false
        for (index, argument) in arguments.enumerated() {
            switch signature.argument(at: index) {
            case .array: if let element = argument.type.element { types.append(element) }
            case .element:
                hasElements = true
                if !argument.isUntypedText { types.append(argument.type) }
            default: break
            }
        }
        if types.count > 1 || hasElements && !types.isEmpty {
            guard var common = commonType(types) else {
                let shown = types.map { $0.name.lowercased() }.joined(separator: " and ")
                throw SQLError("the elements of \(name.name) cannot be of types \(shown) at once", at: name.span, code: SQLError.datatypeMismatch)
            }
            if common == .null { common = .text }
            for index in arguments.indices {
                switch signature.argument(at: index) {
                case .array: arguments[index] = try implicit(arguments[index], .array(common))
                case .element: arguments[index] = try implicit(arguments[index], common)
                default: break
                }
            }
        }
        if let map = arguments.indices.first(where: { signature.argument(at: $0) == .map }), case .map(let key, _) = arguments[map].type {
            for index in arguments.indices where signature.argument(at: index) == .mapKey {
                arguments[index] = try implicit(arguments[index], key)
            }
        }
    }

    // MARK: Comparing

    /// `(a, b) = (c, d)` is a = c AND b = d; `(a, b) < (c, d)` is a < c OR a = c AND b < d: with the NULLs of those.
    static func compareRows(
        _ operation: BinaryOperator, _ left: [BoundExpression], _ right: [BoundExpression], operatorSpan: SourceSpan, span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        guard left.count == right.count, !left.isEmpty else {
            throw SQLError("unequal number of entries in row expressions", at: operatorSpan)
        }
        func compare(_ operation: BinaryOperator, _ index: Int) throws(SQLError) -> BoundExpression {
            try binary(operation, left[index], right[index], operatorSpan: operatorSpan, span: span, text: text)
        }
        switch operation {
        case .equal, .notEqual:
            var parts: [BoundExpression] = []
            for index in left.indices { parts.append(try compare(operation, index)) }
            return operation == .equal ? try and(parts, span: span, text: text) : try or(parts, span: span, text: text)
        default:
            let strict: BinaryOperator = operation == .lessOrEqual ? .less : operation == .greaterOrEqual ? .greater : operation
            var result = try compare(operation, left.count - 1)
            for index in left.indices.dropLast().reversed() {
                let tied = try and([try compare(.equal, index), result], span: span, text: text)
                result = try or([try compare(strict, index), tied], span: span, text: text)
            }
            return result
        }
    }
}

extension SQLType {
    package var isArray: Bool { if case .array = self { true } else { false } }
    package var isMap: Bool { if case .map = self { true } else { false } }
}
