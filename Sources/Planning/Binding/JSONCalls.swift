// JSONCalls: what hangs on the SQL/JSON functions (see Parser+JSON): the type of the result, and what comes of nothing and of errors.
//
// `json_outcome` says for each row whether the path led to nothing or to something that the function does not give; the result is a CASE over
// it. What is to be an error fails the row in there.

import Columns
import Syntax

extension ExpressionBinder {
    /// A call of a SQL/JSON function with clauses; nil for any other.
    @inline(never)
    func bindJSON(_ call: FunctionCall, _ expression: Expression) throws(SQLError) -> BoundExpression? {
        let name = call.name.last.name.lowercased()
        guard ["json_value", "json_query", "json_exists", "json_object", "json_array"].contains(name) else { return nil }
        let clauses = try JSONClauses(call, self)
        guard let clauses else { return nil }
        var plain = call
        (plain.arguments, plain.argumentNames) = (clauses.arguments, Array(repeating: nil, count: clauses.arguments.count))
        try plain.checkPlain(span: expression.span)
        let base = try ExpressionTyping.call(
            Identifier(name, span: call.name.span), try bindAll(clauses.arguments), span: expression.span, text: text(expression))
        guard case .call(let function, let arguments) = base.kind else { return base }
        let made = JSONResult(base: base, function: function, arguments: arguments, clauses: clauses, name: name, text: text(expression))
        return try made.expression()
    }
}

/// The named arguments of a call.
struct JSONClauses {
    enum Behaviour {
        case null, error, value(BoundExpression)
    }

    private(set) var arguments: [Expression] = []
    private(set) var returning: SQLType?
    private(set) var onEmpty: Behaviour?
    private(set) var onError: Behaviour?
    /// Of ON NULL.
    private(set) var isAbsent: Bool?
    private(set) var wrapper: String?

    /// nil when there is none.
    init?(_ call: FunctionCall, _ binder: ExpressionBinder) throws(SQLError) {
        var hasAny = false
        for (argument, argumentName) in zip(call.arguments, call.argumentNames) {
            guard let argumentName else {
                arguments.append(argument)
                continue
            }
            hasAny = true
            let value = try binder.bind(argument)
            switch argumentName.name.lowercased() {
            case "returning": returning = value.type
            case "wrapper": wrapper = Self.word(value)
            case "on_null": isAbsent = Self.word(value) == "ABSENT"
            case "on_empty": onEmpty = try Self.behaviour(value)
            case "on_error": onError = try Self.behaviour(value)
            case "default_on_empty": onEmpty = .value(value)
            case "default_on_error": onError = .value(value)
            default:
                throw SQLError("\(call.name.last.name) takes no named arguments", at: argumentName.span, code: SQLError.undefinedFunction)
            }
        }
        if !hasAny { return nil }
    }

    private static func word(_ value: BoundExpression) -> String? {
        if case .string(let word)? = value.constantValue { word } else { nil }
    }

    private static func behaviour(_ value: BoundExpression) throws(SQLError) -> Behaviour {
        switch word(value) {
        case "NULL", "UNKNOWN": return .null
        case "ERROR": return .error
        case "EMPTY ARRAY": return .value(.constant(.string("[]"), .json, span: value.span))
        case "EMPTY OBJECT": return .value(.constant(.string("{}"), .json, span: value.span))
        case "TRUE": return .value(.constant(.boolean(true), .boolean, span: value.span))
        case "FALSE": return .value(.constant(.boolean(false), .boolean, span: value.span))
        default: throw SQLError("expected NULL, ERROR, EMPTY ARRAY, EMPTY OBJECT, TRUE, FALSE or UNKNOWN", at: value.span, code: SQLError.invalidParameter)
        }
    }
}

private struct JSONResult {
    let base: BoundExpression
    let function: ScalarFunction
    let arguments: [BoundExpression]
    let clauses: JSONClauses
    let name: String
    let text: String

    private var span: SourceSpan { base.span }

    func expression() throws(SQLError) -> BoundExpression {
        switch function {
        case .jsonBuildObject, .jsonSparseArray:
            var made = base
            if function == .jsonBuildObject, clauses.isAbsent == true { made.kind = .call(.jsonSparseObject, arguments) }
            if function == .jsonSparseArray, clauses.isAbsent == false { made.kind = .call(.jsonBuildArray, arguments) }
            return try returned(made, mode: .explicit)
        case .jsonValue: return try followed(base, purpose: "value")
        case .jsonExists: return try followed(base, purpose: "exists")
        default:
            guard let wrapper = clauses.wrapper else { return try followed(base, purpose: "query") }
            var wrapped = base
            wrapped.kind = .call(.jsonQueryWrapped, arguments + [.constant(.string(wrapper), .text, span: span)])
            return try followed(wrapped, purpose: "wrapped")
        }
    }

    private func returned(_ value: BoundExpression, mode: CastMode) throws(SQLError) -> BoundExpression {
        guard let type = clauses.returning, type != value.type else { return value }
        return try ExpressionTyping.cast(value, to: type, mode: mode, span: span, text: text)
    }

    private func followed(_ value: BoundExpression, purpose: String) throws(SQLError) -> BoundExpression {
        if purpose == "exists", clauses.returning != nil || clauses.onEmpty != nil {
            throw SQLError("JSON_EXISTS takes only ON ERROR", at: span, code: SQLError.syntaxError)
        }
        var failsOnError = false
        if case .error? = clauses.onError { failsOnError = true }
        let result = try returned(value, mode: failsOnError ? .explicit : .attempt)
        var failing: [String] = []
        var branches: [BoundBranch] = []
        if case .error? = clauses.onEmpty { failing.append("empty") }
        if failsOnError { failing.append("error") }
        let what = BoundExpression.constant(.string(purpose), .text, span: span)
        let fails = BoundExpression.constant(.string(failing.joined(separator: ",")), .text, span: span)
        let outcome = BoundExpression(.call(.jsonOutcome, Array(arguments.prefix(2)) + [what, fails]), type: .text, span: span, text: text)
        func isOutcome(_ word: String) throws(SQLError) -> BoundExpression {
            try ExpressionTyping.binary(
                .equal, outcome, .constant(.string(word), .text, span: span), operatorSpan: span, span: span, text: text)
        }
        func add(_ condition: BoundExpression, _ given: BoundExpression) throws(SQLError) {
            let typed = given.type == result.type ? given : try ExpressionTyping.cast(given, to: result.type, mode: .explicit, span: given.span, text: text)
            branches.append(BoundBranch(condition: condition, result: typed))
        }
        if case .value(let given)? = clauses.onEmpty { try add(try isOutcome("empty"), given) }
        switch clauses.onError {
        case .value(let given)?:
            var conditions = [try isOutcome("error")]
            if clauses.returning != nil {
                // What cannot be converted is an error too.
                conditions.append(
                    try ExpressionTyping.and(
                        [
                            try ExpressionTyping.isTest(value, .null, negated: true, span: span, text: text),
                            try ExpressionTyping.isTest(result, .null, negated: false, span: span, text: text),
                        ], span: span, text: text))
            }
            try add(try ExpressionTyping.or(conditions, span: span, text: text), given)
        case .null? where purpose == "exists": try add(try isOutcome("error"), .constant(.null, .boolean, span: span))
        default: break
        }
        if branches.isEmpty, !failing.isEmpty { try add(try isOutcome("empty"), .constant(.null, result.type, span: span)) }
        guard !branches.isEmpty else { return result }
        return try ExpressionTyping.caseWhen(branches: branches, otherwise: result, span: span, text: text)
    }
}
