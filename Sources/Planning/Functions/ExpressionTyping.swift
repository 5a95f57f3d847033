// ExpressionTyping: from operands with known types to a typed expression: overload resolution, implicit casts, result types. The binder
// resolves names and calls these; every conversion comes back as an explicit `.cast`.
//
// What the binder calls for what:
//   literal, type                     a literal, a type's name
//   call, niladic, extract            functions; CURRENT_TIMESTAMP and the like; EXTRACT(field FROM x)
//   binary, unary, like               operators (AND and OR too)
//   and, or, not, isTest, isDistinct  conditions
//   between, inList, caseWhen         the forms of the same names
//   cast, atTimeZone                  CAST, TRY_CAST, assignment; x AT TIME ZONE z
//   commonType(of:), unify            UNION, VALUES

import Columns
import Syntax

package enum ExpressionTyping {
    /// A scalar function by name (any case). Unknown names and unsuitable arguments are errors with the nearest name or the
    /// signatures that exist as a hint. `text` is the call as SQL.
    package static func call(
        _ name: Identifier, _ arguments: [BoundExpression], span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        if name.name.lowercased() == "map" { return try map(arguments, span: span, text: text) }
        var arguments = arguments
        // `x = ANY ('{a,b}')`.
        if ["any_element", "all_elements"].contains(name.name.lowercased()), arguments.count == 3, arguments[2].isUntypedText {
            let element = arguments[0].isUntypedText || arguments[0].type == .null ? SQLType.text : arguments[0].type
            arguments[2] = try cast(arguments[2], to: .array(element), mode: .explicit, span: arguments[2].span, text: text)
        }
        guard let definition = FunctionTable.find(name.name) else {
            if let refusal = FunctionTable.refusal(name.name) {
                throw SQLError(
                    "function \(name.name) is not supported: \(refusal.reason)", at: name.span, hint: refusal.hint,
                    code: SQLError.featureNotSupported)
            }
            throw SQLError(
                "function \(name.name) does not exist", at: name.span,
                hint: NameHints.function(name.name)
                    ?? NearestName.find(name.name, among: FunctionTable.names).map { "did you mean \"\($0)\"?" },
                code: SQLError.undefinedFunction)
        }
        let (signature, converted) = try resolve(definition, name: name, arguments, span: span)
        let types = converted.map(\.type)
        let common = zip(converted.indices, converted).first { signature.argument(at: $0.0) == .common }?.1.type ?? .null
        let result = signature.result.type(for: types, common: common)
        switch definition.meaning {
        case .call(let function):
            return try finish(function, converted, result: result, span: span, text: text)
        case .field(let function, let unit):
            let constant = BoundExpression.constant(.string(unit == "flinkdow" ? "dayofweek" : unit), .text, span: span)
            return BoundExpression(.call(function, [constant] + converted), type: result, span: span, text: text)
        case .coalesce:
            return try coalesce(converted, span: span, text: text)
        case .condition:
            return try caseWhen(
                branches: [BoundBranch(condition: converted[0], result: converted[1])],
                otherwise: converted.count > 2 ? converted[2] : nil, span: span, text: text)
        case .clock(let type):
            guard let digits = converted.first else { return try clock(type, span: span, text: text) }
            guard case .integer(let precision)? = digits.constantValue, (0...6).contains(precision) else {
                throw SQLError("the precision of \(name.name) must be a constant from 0 to 6", at: digits.span, code: SQLError.invalidParameter)
            }
            switch type {
            case .timestampTZ: return try clock(.timestampTZ(precision: Int(precision)), span: span, text: text)
            case .timestamp: return try clock(.timestamp(precision: Int(precision)), span: span, text: text)
            default: return try clock(.time(precision: Int(precision)), span: span, text: text)
            }
        case .clockSeconds:
            let unit = BoundExpression.constant(.string(TimeUnit.wholeEpoch.rawValue), .text, span: span)
            let time: BoundExpression
            if converted.isEmpty {
                time = BoundExpression(.epochClock, type: .timestampTZ(precision: 6), span: span, text: text)
            } else if converted[0].type.isTimestamp {
                time = converted[0]
            } else {
                time = BoundExpression(.call(.toTimestamp, converted), type: .timestamp(precision: 3), span: span, text: text)
            }
            return BoundExpression(.call(.extract, [unit, time]), type: .bigint, span: span, text: text)
        case .typeName:
            return .constant(.string(arguments[0].type == .null ? "NULL" : arguments[0].type.name), .text, span: span)
        case .constant(let value):
            return .constant(value, result, span: span)
        case .rewrite(let rewrite):
            return try self.rewrite(rewrite, converted, result: result, span: span, text: text)
        }
    }

    /// The names that a call could have meant: for suggestions and for completion at the prompt; sorted.
    package static var functionNames: [String] { FunctionTable.names }

    // MARK: Overloads

    private static func resolve(_ definition: FunctionDefinition, name: Identifier, _ arguments: [BoundExpression], span: SourceSpan)
        throws(SQLError) -> (FunctionSignature, [BoundExpression])
    {
        var best: (signature: FunctionSignature, cost: Int, targets: [SQLType?])?
        for signature in definition.signatures where signature.accepts(count: arguments.count) {
            var cost = 0
            var targets: [SQLType?] = []
            for (index, argument) in arguments.enumerated() {
                guard let match = signature.argument(at: index).match(argument) else { break }
                cost += match.cost
                targets.append(match.target)
            }
            guard targets.count == arguments.count else { continue }
            if best.map({ cost < $0.cost }) ?? true { best = (signature, cost, targets) }
        }
        guard let best else { throw unsuitable(definition, name: name, arguments, span: span) }
        var converted: [BoundExpression] = []
        for (index, argument) in arguments.enumerated() {
            if best.signature.argument(at: index) == .unit {
                converted.append(try unit(argument, function: definition.meaning))
            } else if let target = best.targets[index] {
                converted.append(try cast(argument, to: target, mode: .explicit, span: argument.span, text: argument.text))
            } else {
                converted.append(argument)
            }
        }
        let commons = converted.indices.filter { best.signature.argument(at: $0) == .common }
        if commons.count > 0 {
            let unified = try unify(commons.map { converted[$0] }, what: "arguments of \(name.name)")
            for (place, expression) in zip(commons, unified) { converted[place] = expression }
        }
        try unifyElements(best.signature, &converted, name: name)
        return (best.signature, converted)
    }

    private static func unsuitable(_ definition: FunctionDefinition, name: Identifier, _ arguments: [BoundExpression], span: SourceSpan)
        -> SQLError
    {
        let given = arguments.map { $0.type == .null ? "NULL" : $0.type.name.lowercased() }.joined(separator: ", ")
        let known = definition.signatures.map { $0.display(name: name.name.lowercased()) }.joined(separator: ", ")
        return SQLError(
            "function \(name.name)(\(given)) does not exist", at: span, hint: "there is \(known)", code: SQLError.undefinedFunction)
    }

    private static func unit(_ argument: BoundExpression, function: FunctionDefinition.Meaning) throws(SQLError) -> BoundExpression {
        guard case .constant(.string(let name)) = argument.kind else {
            throw SQLError("the unit must be a text constant", at: argument.span, code: SQLError.invalidParameter)
        }
        let unit = try TimeUnit.parse(name, span: argument.span, durationsOnly: function != .call(.extract))
        return .constant(.string(unit.rawValue), .text, span: argument.span)
    }

    /// Functions whose form or type needs a second look once the overload is chosen.
    private static func finish(
        _ function: ScalarFunction, _ arguments: [BoundExpression], result: SQLType, span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        func make(_ function: ScalarFunction, _ arguments: [BoundExpression], _ type: SQLType) -> BoundExpression {
            BoundExpression(.call(function, arguments), type: type, span: span, text: text)
        }
        switch function {
        case .floor where arguments.count == 2: return make(.dateTruncate, [arguments[1], arguments[0]], result)
        case .ceil where arguments.count == 2: return make(.dateCeil, [arguments[1], arguments[0]], result)
        case .floor, .ceil, .round, .truncate:
            if arguments.count == 1, arguments[0].type.isInteger { return arguments[0] }
        case .remainder:
            return try arithmetic(.remainder, arguments[0], arguments[1], operatorSpan: span, span: span, text: text)
        case .integerDivide:
            let quotient = try arithmetic(.divide, arguments[0], arguments[1], operatorSpan: span, span: span, text: text)
            return quotient.type.isInteger ? quotient : make(.truncate, [quotient], quotient.type)
        case .extract:
            if case .constant(.string(let name)) = arguments[0].kind, let unit = TimeUnit(rawValue: name) {
                return make(.extract, arguments, extractType(unit))
            }
        case .timestampAdd:
            // A date moves by days and stays one; by anything shorter it becomes a timestamp.
            if arguments[2].type == .date, case .constant(.string(let name)) = arguments[0].kind, let unit = TimeUnit(rawValue: name),
                let length = unit.calendarUnit?.microseconds, length < 86_400_000_000
            {
                let type = SQLType.timestamp(precision: 6)
                let time = try cast(arguments[2], to: type, mode: .explicit, span: arguments[2].span, text: arguments[2].text)
                return make(.timestampAdd, [arguments[0], arguments[1], time], type)
            }
        case .nullIf:
            // The result is the first operand as it was before both got their common type: that is the caller's, so compare and choose.
            return make(.nullIf, arguments, arguments[0].type)
        case .charLength where arguments[0].type == .bytes: return make(.octetLength, arguments, result)
        case .toChar where arguments[0].type.isNumeric: return make(.numberToChar, arguments, result)
        case .toNumber:
            // The result's scale must be known before the first row: it is the number of digits behind the pattern's point.
            guard case .constant(.string(let pattern)) = arguments[1].kind else {
                throw SQLError("the pattern of to_number must be a constant", at: arguments[1].span, code: SQLError.invalidParameter)
            }
            var isBehindPoint = false
            var scale = 0
            for scalar in pattern.uppercased().unicodeScalars {
                if scalar == "." || scalar == "D" { isBehindPoint = true }
                if isBehindPoint, scalar == "9" || scalar == "0" { scale += 1 }
            }
            return make(.toNumber, arguments, .decimal(precision: SQLType.decimalPrecisionMax, scale: Swift.min(scale, SQLType.decimalPrecisionMax)))
        case .convertBase where arguments[0].type.isInteger:
            return make(function, [try toText(arguments[0])] + arguments.dropFirst(), result)
        case .quoteLiteral, .quoteNullable: return make(function, [try toText(arguments[0])], .text)
        case .concat, .concatWithSeparator, .format:
            var texts: [BoundExpression] = []
            for argument in arguments { texts.append(try toText(argument)) }
            return make(function, texts, .text)
        case .arraySum:
            guard let element = arguments[0].type.element, element.isNumeric || element == .null else {
                throw SQLError("array_sum needs an array of numbers, not \(arguments[0].type.name)", at: arguments[0].span, code: SQLError.undefinedFunction)
            }
            if element == .null { return make(function, [try cast(arguments[0], to: .array(.bigint), mode: .explicit, span: span, text: text)], .bigint) }
        case .mapUnion:
            guard arguments[0].type == arguments[1].type else {
                throw SQLError(
                    "map_union needs two maps of one type, not \(arguments[0].type.name) and \(arguments[1].type.name)", at: span,
                    hint: "CAST one of them", code: SQLError.datatypeMismatch)
            }
        case .mapFromArrays:
            guard arguments[1].type.isArray, let key = arguments[0].type.element, !key.isNested, key != .json else {
                throw SQLError(
                    "map_from_arrays needs an array of plain keys and an array of values", at: span, hint: "map_from_arrays(ARRAY['a'], ARRAY[1])",
                    code: SQLError.undefinedFunction)
            }
        case .mapFromEntries:
            guard case .row(let fields)? = arguments[0].type.element, fields.count == 2, !fields[0].type.isNested, fields[0].type != .json else {
                throw SQLError(
                    "map_from_entries needs an array of rows of a plain key and a value", at: span, hint: "map_from_entries(ARRAY[ROW('a', 1)])",
                    code: SQLError.undefinedFunction)
            }
        case .arrayPrepend where arguments[0].type.isArray && !arguments[1].type.isArray:
            return make(function, [arguments[1], arguments[0]], arguments[0].type)
        case .anyElement, .allElements:
            guard case .constant(.string(let sign)) = arguments[1].kind, ["=", "<>", "<", "<=", ">", ">="].contains(sign) else {
                throw SQLError("the second argument must be a comparison such as '='", at: arguments[1].span, code: SQLError.invalidParameter)
            }
            if arguments[0].type.isMap || arguments[0].type == .json {
                throw noOperator(.equal, arguments[0], arguments[0], arguments[1].span)
            }
        case .jsonBuildObject, .jsonSparseObject:
            guard arguments.count.isMultiple(of: 2) else {
                throw SQLError("json_build_object needs a value for each key", at: span, code: SQLError.undefinedFunction)
            }
            for index in stride(from: 0, to: arguments.count, by: 2) where arguments[index].type.isNested || arguments[index].type == .json {
                throw SQLError(
                    "a key of a JSON object cannot be of type \(arguments[index].type.name)", at: arguments[index].span, code: SQLError.datatypeMismatch)
            }
        case .jsonValue, .jsonQuery, .jsonExists:
            guard arguments[0].type == .json || arguments[0].type.isText else {
                throw SQLError(
                    "the first argument must be JSON or text, not \(arguments[0].type.name)", at: arguments[0].span, code: SQLError.undefinedFunction)
            }
        case .arrayMin, .arrayMax, .arraySort, .arrayDistinct, .arrayUnion, .arrayExcept, .arrayIntersect, .arrayContains, .arrayRemove,
            .arrayReplace, .arrayPosition, .arrayPositions, .arrayContainsAll, .arrayOverlaps:
            // Maps have no order and no equality.
            for argument in arguments where argument.type.isMap || argument.type.element?.isMap == true {
                throw SQLError("maps cannot be compared", at: argument.span, code: SQLError.undefinedFunction)
            }
        case .greatest, .least:
            if arguments.count == 1 { return arguments[0] }
        case .toTimestamp where result == .timestampTZ(precision: 6):
            return make(.epochToTimestamp, arguments, result)
        default: break
        }
        return make(function, arguments, result)
    }

    static func toText(_ expression: BoundExpression) throws(SQLError) -> BoundExpression {
        expression.type.isText
            ? expression : try cast(expression, to: .text, mode: .explicit, span: expression.span, text: expression.text)
    }
}
