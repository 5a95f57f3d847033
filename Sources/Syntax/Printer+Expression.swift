// Printer+Expression: expressions, on one line.

extension Printer {
    static func expression(_ expression: Expression) -> String {
        switch expression.kind {
        case .literal(let literal): return self.literal(literal)
        case .column(let name): return qualified(name)
        case .star(let qualifier): return qualifier.map { qualified($0) + ".*" } ?? "*"
        case .unary, .binary, .not, .isTest, .isDistinct, .between, .inList, .inQuery, .quantified, .like, .atTimeZone:
            return operation(expression.kind)
        case .exists(let query): return "EXISTS (\(self.query(query, indent: nil)))"
        case .arrayQuery(let query): return "ARRAY(\(self.query(query, indent: nil)))"
        case .scalarQuery(let query): return "(\(self.query(query, indent: nil)))"
        case .caseWhen(let operand, let branches, let otherwise): return caseWhen(operand, branches, otherwise)
        case .cast(let operand, let type, let isTry):
            return "\(isTry ? "TRY_CAST" : "CAST")(\(self.expression(operand)) AS \(typeName(type)))"
        case .call(let call): return self.call(call)
        case .extract(let field, let operand):
            // `EXTRACT("hour" ..)` and `EXTRACT(hour ..)` are the same field.
            return "EXTRACT(\(quote(field.name)) FROM \(self.expression(operand)))"
        case .element(let operand, let index): return "\(child(operand, .postfix))[\(self.expression(index))]"
        case .field(let operand, let name):
            // Without the parentheses a column and its field would be one name.
            return "(\(self.expression(operand))).\(quote(name.name))"
        case .array(let items): return "ARRAY[\(list(items))]"
        case .row(let items): return "ROW(\(list(items)))"
        case .descriptor(let columns): return "DESCRIPTOR(\(names(columns)))"
        case .tableArgument(let name): return "TABLE \(qualified(name))"
        case .cursor(let query): return "CURSOR(\(self.query(query, indent: nil)))"
        case .niladic(let name): return name
        }
    }

    static func list(_ items: [Expression]) -> String { items.map { expression($0) }.joined(separator: ", ") }

    // MARK: Operators

    private static func precedence(_ kind: Expression.Kind) -> Precedence {
        switch kind {
        case .binary(let binaryOperator, _, _, _): binaryOperator.precedence
        case .not: .not
        case .quantified: .comparison
        case .isTest, .isDistinct: .isTest
        case .between, .inList, .inQuery, .like: .membership
        case .atTimeZone: .timeZone
        case .unary: .unary
        default: .postfix
        }
    }

    /// An operand, in parentheses when it binds less tightly than its place asks for.
    private static func child(_ expression: Expression, _ minimum: Precedence) -> String {
        let text = self.expression(expression)
        return precedence(expression.kind) < minimum ? "(\(text))" : text
    }

    @inline(never)
    private static func operation(_ kind: Expression.Kind) -> String {
        switch kind {
        case .unary(let unaryOperator, let operand):
            // `- -1` and not `--1`, which is a comment.
            let text = child(operand, .unary)
            let space = text.hasPrefix("-") || text.hasPrefix("+") ? " " : ""
            return unaryOperator.rawValue + space + text
        case .binary(let binaryOperator, let left, let right, _): return binary(binaryOperator, left, right)
        case .not(let operand): return "NOT " + child(operand, .not)
        case .isTest(let operand, let test, let negated):
            return "\(child(operand, .comparison)) IS \(negated ? "NOT " : "")\(test.rawValue)"
        case .isDistinct(let left, let right, let negated):
            return "\(child(left, .comparison)) IS \(negated ? "NOT " : "")DISTINCT FROM \(child(right, .comparison))"
        case .between(let operand, let low, let high, let negated, let symmetric):
            return "\(child(operand, .other)) \(negated ? "NOT " : "")BETWEEN \(symmetric ? "SYMMETRIC " : "")"
                + "\(child(low, .other)) AND \(child(high, .other))"
        case .inList(let operand, let items, let negated):
            return "\(child(operand, .other)) \(negated ? "NOT " : "")IN (\(list(items)))"
        case .inQuery(let operand, let query, let negated):
            return "\(child(operand, .other)) \(negated ? "NOT " : "")IN (\(self.query(query, indent: nil)))"
        case .quantified(let operand, let binaryOperator, let query, let isAll):
            return "\(child(operand, .membership)) \(binaryOperator.rawValue) \(isAll ? "ALL" : "ANY") (\(self.query(query, indent: nil)))"
        case .like(let operand, let pattern, let escape, let kind, let negated):
            return "\(child(operand, .other)) \(negated ? "NOT " : "")\(kind.rawValue) \(child(pattern, .other))"
                + (escape.map { " ESCAPE \(child($0, .other))" } ?? "")
        case .atTimeZone(let operand, let zone):
            return "\(child(operand, .timeZone)) AT TIME ZONE \(child(zone, .unary))"
        default: return ""
        }
    }

    private static func binary(_ binaryOperator: BinaryOperator, _ left: Expression, _ right: Expression) -> String {
        let precedence = binaryOperator.precedence
        var leftMinimum = precedence
        var rightMinimum = precedence.tighter
        switch binaryOperator {
        case .and, .or:
            // A chain is one chain, however its tree leans.
            rightMinimum = sameChain(right, binaryOperator) ? precedence : precedence.tighter
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual:
            // Comparisons do not chain.
            leftMinimum = precedence.tighter
        default: break
        }
        return "\(child(left, leftMinimum)) \(binaryOperator.rawValue) \(child(right, rightMinimum))"
    }

    private static func sameChain(_ expression: Expression, _ binaryOperator: BinaryOperator) -> Bool {
        if case .binary(binaryOperator, _, _, _) = expression.kind { return true }
        return false
    }

    @inline(never)
    private static func caseWhen(_ operand: Expression?, _ branches: [CaseBranch], _ otherwise: Expression?) -> String {
        var text = "CASE"
        if let operand { text += " " + expression(operand) }
        for branch in branches { text += " WHEN \(expression(branch.condition)) THEN \(expression(branch.result))" }
        if let otherwise { text += " ELSE " + expression(otherwise) }
        return text + " END"
    }

    // MARK: Literals

    @inline(never)
    private static func literal(_ literal: Literal) -> String {
        switch literal {
        case .null: return "NULL"
        case .boolean(let value): return value ? "TRUE" : "FALSE"
        case .integer(let digits), .decimal(let digits), .double(let digits): return digits
        case .string(let text): return string(text)
        case .bytes(let bytes):
            let digits = Array("0123456789ABCDEF")
            return "X'" + String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }) + "'"
        case .typed(let type, let text): return "\(typeName(type)) \(string(text))"
        case .interval(let text, let from, let to):
            var output = "INTERVAL \(string(text))"
            if let from { output += " " + from.rawValue.uppercased() }
            if let to { output += " TO " + to.rawValue.uppercased() }
            return output
        }
    }

    // MARK: Calls

    @inline(never)
    static func call(_ call: FunctionCall) -> String {
        var text = (call.semantics.map { $0.rawValue + " " } ?? "") + functionName(call.name) + "("
        if call.isDistinct { text += "DISTINCT " }
        var arguments: [String] = []
        for (index, argument) in call.arguments.enumerated() {
            var written = self.argument(argument, at: index, of: call)
            if index < call.argumentNames.count, let name = call.argumentNames[index] { written = "\(quote(name.name)) => \(written)" }
            arguments.append(written)
        }
        text += arguments.joined(separator: ", ")
        if !call.orderBy.isEmpty { text += " ORDER BY " + orderItems(call.orderBy) }
        text += ")"
        if !call.withinGroup.isEmpty { text += " WITHIN GROUP (ORDER BY \(orderItems(call.withinGroup)))" }
        if let filter = call.filter { text += " FILTER (WHERE \(expression(filter)))" }
        if let ignores = call.ignoresNulls { text += ignores ? " IGNORE NULLS" : " RESPECT NULLS" }
        switch call.over {
        case .named(let name): text += " OVER \(quote(name.name))"
        case .inline(let window): text += " OVER \(self.window(window))"
        case nil: break
        }
        return text
    }

    private static func functionName(_ name: QualifiedName) -> String {
        guard name.parts.count == 1, let keyword = Keyword.find(name.last.name) else { return qualified(name) }
        switch keyword {
        case .left, .right, .map, .range, .rows, .groups, .currentDate, .currentTime, .currentTimestamp, .localtime,
             .localtimestamp:
            return name.last.name
        case .cast, .tryCast, .exists, .extract, .row, .cursor, .descriptor, .values, .unnest: return quoted(name.last.name)
        case .trim where name.last.isQuoted: return quoted(name.last.name)
        default: return qualified(name)
        }
    }

    private static func argument(_ argument: Expression, at index: Int, of call: FunctionCall) -> String {
        // A column in the place of a unit: `timestampdiff("second", a, b)`.
        if index == 0, case .column(let name) = argument.kind, name.parts.count == 1 {
            switch Keyword.find(call.name.last.name) {
            case .timestampAdd, .timestampDiff: return quoted(name.last.name)
            default: break
            }
        }
        // The first argument of POSITION takes no IN.
        if index == 0, Keyword.find(call.name.last.name) == .position { return child(argument, .other) }
        return expression(argument)
    }

    static func orderItems(_ items: [OrderItem]) -> String {
        items.map { item in
            var text = expression(item.expression)
            if item.isDescending { text += " DESC" }
            if let nullsFirst = item.nullsFirst { text += nullsFirst ? " NULLS FIRST" : " NULLS LAST" }
            return text
        }.joined(separator: ", ")
    }

    // MARK: Windows

    @inline(never)
    static func window(_ window: WindowSpecification) -> String {
        var parts: [String] = []
        if let base = window.base { parts.append(quote(base.name)) }
        if !window.partitionBy.isEmpty { parts.append("PARTITION BY " + list(window.partitionBy)) }
        if !window.orderBy.isEmpty { parts.append("ORDER BY " + orderItems(window.orderBy)) }
        if let frame = window.frame {
            if let end = frame.end {
                parts.append("\(frame.unit.rawValue) BETWEEN \(bound(frame.start)) AND \(bound(end))")
            } else {
                parts.append("\(frame.unit.rawValue) \(bound(frame.start))")
            }
        }
        return "(" + parts.joined(separator: " ") + ")"
    }

    private static func bound(_ bound: WindowFrame.Bound) -> String {
        switch bound {
        case .unboundedPreceding: "UNBOUNDED PRECEDING"
        case .currentRow: "CURRENT ROW"
        case .unboundedFollowing: "UNBOUNDED FOLLOWING"
        case .preceding(let offset): child(offset, .other) + " PRECEDING"
        case .following(let offset): child(offset, .other) + " FOLLOWING"
        }
    }
}
