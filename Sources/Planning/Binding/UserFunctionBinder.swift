// UserFunctionBinder: CREATE FUNCTION checked, and calls replaced by bodies.
//
// A call is put in where it stands: the body is bound over its parameters as columns 0, 1, ..., its result cast to the declared type, and
// each parameter replaced by the argument, cast to the parameter's type. So everything that holds for an expression (push-down, constants, what can
// fail on which rows) holds for a call. Where a body names a parameter twice the same expression stands there twice; evaluation computes equal
// parts once.

import Columns
import Syntax

enum UserFunctionBinder {
    /// Levels of a body, with those of the functions it calls: with the caller's own they bound the stack of everything that walks it.
    private static let levelsMax = 100

    // MARK: CREATE FUNCTION

    static func define(_ create: CreateFunction, catalog: any Catalog) throws(SQLError) -> UserFunction {
        let name = create.name.last
        guard create.name.parts.count == 1 else {
            throw SQLError("functions have no schema", at: create.name.span, hint: "the name alone: \(name.name)", code: SQLError.featureNotSupported)
        }
        let function = try shape(create)
        _ = try FunctionScope.with(FunctionScope(catalog)) { () throws(SQLError) in try body(function, at: create.body.span, isDefinition: true) }
        return function
    }

    /// The body once more, in the scope that is there.
    static func check(_ create: CreateFunction) throws(SQLError) {
        _ = try body(try shape(create), at: create.body.span, isDefinition: true)
    }

    /// Names and types, without the body.
    static func shape(_ create: CreateFunction) throws(SQLError) -> UserFunction {
        var parameters: [UserFunction.Parameter] = []
        for parameter in create.parameters {
            if let name = parameter.name, parameters.contains(where: { $0.name?.lowercased() == name.name.lowercased() }) {
                throw SQLError("parameter name \"\(name.name)\" used more than once", at: name.span, code: "42P13")
            }
            parameters.append(UserFunction.Parameter(name: parameter.name?.name, type: unlimited(try ExpressionTyping.type(parameter.type))))
        }
        return UserFunction(
            name: create.name.last.name, parameters: parameters, result: unlimited(try ExpressionTyping.type(create.returns)), isStrict: create.isStrict,
            body: create.body)
    }

    /// As in PostgreSQL a length does not count in a function's types.
    private static func unlimited(_ type: SQLType) -> SQLType { type.isText ? .text : type }

    /// The body over its parameters, as the declared type.
    private static func body(_ function: UserFunction, at span: SourceSpan, isDefinition: Bool) throws(SQLError) -> BoundExpression {
        var columns: [ScopeColumn] = []
        for (index, parameter) in function.parameters.enumerated() {
            if let name = parameter.name { columns.append(ScopeColumn(table: function.name, name: name, type: parameter.type, ordinal: index)) }
            columns.append(ScopeColumn(table: nil, name: "$\(index + 1)", type: parameter.type, ordinal: index))
        }
        let scope = FunctionScope.current
        scope?.enter(function.name)
        defer { scope?.leave() }
        var bound = try ExpressionBinder(scope: Scope(columns: columns), clause: .functionBody).bind(function.body)
        guard suits(bound, function.result) else {
            throw SQLError(
                "the body is of type \(bound.type.name.lowercased()), but \(function.name) returns \(function.result.name.lowercased())",
                at: isDefinition ? bound.span : span, hint: "write CAST(... AS \(function.result.name))", code: SQLError.datatypeMismatch)
        }
        bound = try ExpressionTyping.cast(bound, to: function.result, mode: .explicit, span: span, text: Printer.print(function.body))
        guard bound.isAtMost(levels: levelsMax) else {
            throw SQLError(
                "the body of \(function.name), with the functions it calls, is nested more than \(levelsMax) levels deep", at: span,
                code: SQLError.programLimitExceeded)
        }
        return bound
    }

    // MARK: Calls

    /// The call with its arguments bound, in the order in which they are written.
    static func call(
        _ function: UserFunction, _ call: FunctionCall, _ arguments: [BoundExpression], scope: FunctionScope, span: SourceSpan, text: String
    ) throws(SQLError) -> BoundExpression {
        let name = function.name.lowercased()
        if scope.open.contains(name) {
            let isDirect = scope.open.last == name
            throw SQLError(
                isDirect ? "function \(function.name) calls itself" : "function \(function.name) calls itself through \(scope.open.last ?? "")",
                at: call.name.span, hint: "functions are put in where they are called, so they cannot be recursive", code: SQLError.featureNotSupported)
        }
        let ordered = try order(arguments, of: call, function, span: span)
        var converted: [BoundExpression] = []
        for (parameter, argument) in zip(function.parameters, ordered) {
            guard suits(argument, parameter.type) else {
                throw SQLError(
                    "\(parameter.name.map { "argument \($0)" } ?? "an argument") of \(function.name) must be \(parameter.type.name.lowercased()), not \(argument.type.name.lowercased())",
                    at: argument.span, hint: "write CAST(... AS \(parameter.type.name))", code: SQLError.undefinedFunction)
            }
            converted.append(
                try ExpressionTyping.cast(argument, to: parameter.type, mode: .explicit, span: argument.span, text: argument.text.isEmpty ? text : argument.text))
        }
        var template: BoundExpression
        do throws(SQLError) { template = try body(function, at: span, isDefinition: false) } catch {
            // Its places are those of the definition, which is another text.
            let isRecursion = error.code == SQLError.featureNotSupported && error.message.contains("calls itself")
            throw SQLError(
                isRecursion ? error.message : "in function \(function.name): \(error.message)", at: call.name.span, hint: error.hint, code: error.code)
        }
        if function.isStrict { template = try strict(template, function, span: span, text: text) }
        var uses: [Int: Int] = [:]
        template.countColumns(into: &uses)
        var size = template.nodeCount
        for (index, argument) in converted.enumerated() where (uses[index] ?? 0) > 0 {
            size += min(argument.nodeCount, 100_000) * min(uses[index] ?? 0, 100_000)
        }
        try scope.count(size, at: span)
        return template.placed(at: span, text: text).replacingColumns { converted[$0] }.withSpan(span)
    }

    private static func order(_ arguments: [BoundExpression], of call: FunctionCall, _ function: UserFunction, span: SourceSpan) throws(SQLError)
        -> [BoundExpression]
    {
        var slots: [BoundExpression?] = Array(repeating: nil, count: function.parameters.count)
        guard arguments.count == slots.count else {
            throw SQLError(
                "\(function.name) takes \(slots.count) argument\(slots.count == 1 ? "" : "s"), not \(arguments.count)", at: span,
                hint: "it is \(function.signature)", code: SQLError.undefinedFunction)
        }
        for (index, argument) in arguments.enumerated() {
            var place = index
            if index < call.argumentNames.count, let name = call.argumentNames[index] {
                guard let found = function.parameters.firstIndex(where: { $0.name?.lowercased() == name.name.lowercased() }) else {
                    let known = function.parameters.compactMap(\.name)
                    throw SQLError(
                        "\(function.name) has no parameter \(name.name)", at: name.span,
                        hint: NearestName.find(name.name, among: known).map { "did you mean \"\($0)\"?" } ?? "it is \(function.signature)",
                        code: SQLError.undefinedFunction)
                }
                place = found
            }
            guard slots[place] == nil else {
                throw SQLError("this argument of \(function.name) is given twice", at: argument.span, code: SQLError.undefinedFunction)
            }
            slots[place] = argument
        }
        return slots.compactMap { $0 }
    }

    /// As in PostgreSQL a call converts only where nothing is lost: what is not so needs a CAST.
    private static func suits(_ argument: BoundExpression, _ type: SQLType) -> Bool {
        let source = argument.type
        if source == type || source == .null || argument.isUntypedText { return true }
        if source.isText && type.isText { return true }
        if source.isNumeric && type.isNumeric {
            return source.isDecimal && type.isDecimal || source.numericRank <= type.numericRank
        }
        if source.isTimestamp || source == .date { return type.isTimestamp }
        if case .time = source, case .time = type { return true }
        return false
    }

    private static func strict(_ template: BoundExpression, _ function: UserFunction, span: SourceSpan, text: String) throws(SQLError) -> BoundExpression {
        var tests: [BoundExpression] = []
        for (index, parameter) in function.parameters.enumerated() {
            tests.append(BoundExpression(.isNull(.column(index, parameter.type), negated: false), type: .boolean, span: span, text: text))
        }
        guard !tests.isEmpty else { return template }
        let isNull = try ExpressionTyping.or(tests, span: span, text: text)
        let none = BoundExpression.constant(.null, function.result, span: span)
        return try ExpressionTyping.caseWhen(
            branches: [BoundBranch(condition: isNull, result: none)], otherwise: template, span: span, text: text)
    }
}

extension BoundExpression {
    fileprivate func isAtMost(levels: Int) -> Bool { levels > 0 && children.allSatisfy { $0.isAtMost(levels: levels - 1) } }

    fileprivate var nodeCount: Int { children.reduce(1) { $0 + $1.nodeCount } }

    /// As if all of it stood at one place: a body's own places belong to another statement. Columns keep none, so that what replaces them
    /// keeps its own.
    fileprivate func placed(at span: SourceSpan, text: String) -> BoundExpression {
        var copy = mapChildren { $0.placed(at: span, text: text) }
        copy.span = plainColumn == nil ? span : .none
        if !copy.text.isEmpty { copy.text = text }
        return copy
    }

    fileprivate func withSpan(_ span: SourceSpan) -> BoundExpression {
        var copy = self
        copy.span = span
        return copy
    }
}
