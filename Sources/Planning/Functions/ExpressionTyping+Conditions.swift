// Conditions and choices: AND, OR, NOT, IS, IN, BETWEEN, CASE, COALESCE.

import Columns
import Syntax

extension ExpressionTyping {
    /// `a AND b ...`: operands must be BOOLEAN; nested ANDs become one.
    package static func and(_ operands: [BoundExpression], span: SourceSpan, text: String) throws(SQLError) -> BoundExpression {
        var flat: [BoundExpression] = []
        for operand in operands {
            if case .and(let inner) = operand.kind { flat += inner } else { flat.append(try condition(operand, of: "AND")) }
        }
        return flat.count == 1 ? flat[0] : BoundExpression(.and(flat), type: .boolean, span: span, text: text)
    }

    /// `a OR b ...`.
    package static func or(_ operands: [BoundExpression], span: SourceSpan, text: String) throws(SQLError) -> BoundExpression {
        var flat: [BoundExpression] = []
        for operand in operands {
            if case .or(let inner) = operand.kind { flat += inner } else { flat.append(try condition(operand, of: "OR")) }
        }
        return flat.count == 1 ? flat[0] : BoundExpression(.or(flat), type: .boolean, span: span, text: text)
    }

    /// `NOT x`.
    package static func not(_ operand: BoundExpression, span: SourceSpan, text: String) throws(SQLError) -> BoundExpression {
        BoundExpression(.not(try condition(operand, of: "NOT")), type: .boolean, span: span, text: text)
    }

    /// The operand as a BOOLEAN; an error that names `what` (`WHERE`, `HAVING`, `JOIN ... ON`) when it is none.
    package static func condition(_ operand: BoundExpression, of what: String) throws(SQLError) -> BoundExpression {
        if operand.type == .boolean { return operand }
        if operand.type == .null || operand.isUntypedText { return try implicit(operand, .boolean) }
        if case .call(.concatOperator, _) = operand.kind {
            throw SQLError(
                "argument of \(what) must be boolean, not \(operand.type.name.lowercased())", at: operand.span,
                hint: "|| puts texts together; conditions are joined by OR", code: SQLError.datatypeMismatch)
        }
        throw SQLError(
            "argument of \(what) must be boolean, not \(operand.type.name.lowercased())", at: operand.span,
            hint: operand.type.isNumeric ? "compare it with something, as in x <> 0" : nil, code: SQLError.datatypeMismatch)
    }

    /// `x IS [NOT] NULL | TRUE | FALSE | UNKNOWN`: never NULL.
    package static func isTest(_ operand: BoundExpression, _ test: IsTest, negated: Bool, span: SourceSpan, text: String) throws(SQLError)
        -> BoundExpression
    {
        switch test {
        case .null:
            let operand = operand.type == .null ? try implicit(operand, .text) : operand
            return BoundExpression(.isNull(operand, negated: negated), type: .boolean, span: span, text: text)
        case .unknown:
            let operand = try condition(operand, of: "IS UNKNOWN")
            return BoundExpression(.isNull(operand, negated: negated), type: .boolean, span: span, text: text)
        case .isTrue, .isFalse:
            let operand = try condition(operand, of: test == .isTrue ? "IS TRUE" : "IS FALSE")
            let constant = BoundExpression.constant(.boolean(test == .isTrue), .boolean, span: span)
            return BoundExpression(.call(negated ? .isDistinct : .isNotDistinct, [operand, constant]), type: .boolean, span: span, text: text)
        }
    }

    /// `a IS [NOT] DISTINCT FROM b`: a comparison for which NULL is a value like others.
    package static func isDistinct(_ left: BoundExpression, _ right: BoundExpression, negated: Bool, span: SourceSpan, text: String)
        throws(SQLError) -> BoundExpression
    {
        guard let operands = try comparable(left, right) else { throw noOperator(.equal, left, right, span) }
        return BoundExpression(.call(negated ? .isNotDistinct : .isDistinct, operands), type: .boolean, span: span, text: text)
    }

    /// `x [NOT] BETWEEN [SYMMETRIC] low AND high`. The operand is evaluated once per comparison.
    package static func between(
        _ operand: BoundExpression, low: BoundExpression, high: BoundExpression, negated: Bool, symmetric: Bool = false, span: SourceSpan,
        text: String
    ) throws(SQLError) -> BoundExpression {
        func within(_ low: BoundExpression, _ high: BoundExpression) throws(SQLError) -> BoundExpression {
            try and(
                [
                    try comparison(.greaterOrEqual, operand, low, .greaterOrEqual, low.span, span: span, text: text),
                    try comparison(.lessOrEqual, operand, high, .lessOrEqual, high.span, span: span, text: text),
                ], span: span, text: text)
        }
        var result = try within(low, high)
        if symmetric { result = try or([result, try within(high, low)], span: span, text: text) }
        return negated ? BoundExpression(.not(result), type: .boolean, span: span, text: text) : result
    }

    /// `x [NOT] IN (a, b, c)`: a set when all are constants, otherwise comparisons. An empty list is an error of the parser.
    package static func inList(_ operand: BoundExpression, _ items: [BoundExpression], negated: Bool, span: SourceSpan, text: String)
        throws(SQLError) -> BoundExpression
    {
        // The type of the items alone would do for constants; the operand is promoted with them, never narrowed.
        if let type = commonType(of: [operand] + items), type.layout != .list, type.layout != .structure {
            let wanted = type == .null ? SQLType.text : type
            var values: [Value] = []
            for item in items {
                guard case .constant(let value) = try implicit(item, wanted).kind else { break }
                values.append(value)
            }
            if values.count == items.count, !items.isEmpty, isLossless(items, as: wanted) {
                return BoundExpression(
                    .inSet(try implicit(operand, wanted), values, negated: negated), type: .boolean, span: span, text: text)
            }
        }
        var comparisons: [BoundExpression] = []
        for item in items {
            // Rows that are put together here are compared part by part.
            if case .call(.makeRow, let first) = operand.kind, case .call(.makeRow, let second) = item.kind {
                comparisons.append(try compareRows(.equal, first, second, operatorSpan: item.span, span: span, text: text))
            } else {
                comparisons.append(try comparison(.equal, operand, item, .equal, item.span, span: span, text: text))
            }
        }
        let result = try or(comparisons, span: span, text: text)
        return negated ? BoundExpression(.not(result), type: .boolean, span: span, text: text) : result
    }

    /// Whether the common type keeps every digit of decimals (it gives up fraction digits past 38).
    private static func isLossless(_ items: [BoundExpression], as type: SQLType) -> Bool {
        guard case .decimal(_, let scale) = type else { return true }
        return items.allSatisfy { if case .decimal(_, let own) = $0.type { own <= scale } else { true } }
    }

    /// `CASE WHEN .. THEN .. ELSE .. END`, searched; for `CASE x WHEN v` pass equalities as conditions (see `caseOperand`).
    package static func caseWhen(branches: [BoundBranch], otherwise: BoundExpression?, span: SourceSpan, text: String) throws(SQLError)
        -> BoundExpression
    {
        var results = branches.map(\.result)
        if let otherwise { results.append(otherwise) }
        let unified = try unify(results, what: "CASE results")
        var typed: [BoundBranch] = []
        for (branch, result) in zip(branches, unified) {
            typed.append(BoundBranch(condition: try condition(branch.condition, of: "WHEN"), result: result))
        }
        let type = unified.first?.type ?? .null
        let last = otherwise == nil ? nil : unified.last
        return BoundExpression(.caseWhen(typed, otherwise: last), type: type, span: span, text: text)
    }

    /// `CASE operand WHEN value`: the condition of a branch.
    package static func caseOperand(_ operand: BoundExpression, equals value: BoundExpression, span: SourceSpan, text: String) throws(SQLError)
        -> BoundExpression
    {
        try comparison(.equal, operand, value, .equal, span, span: span, text: text)
    }

    /// `COALESCE(a, b ...)`.
    package static func coalesce(_ operands: [BoundExpression], span: SourceSpan, text: String) throws(SQLError) -> BoundExpression {
        let unified = try unify(operands, what: "COALESCE arguments")
        if unified.count == 1 { return unified[0] }
        return BoundExpression(.coalesce(unified), type: unified.first?.type ?? .null, span: span, text: text)
    }
}
