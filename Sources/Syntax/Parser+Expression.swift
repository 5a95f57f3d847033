// Parser+Expression: operators, by precedence climbing, with PostgreSQL's precedences.
//
// From loose to tight: OR; AND; NOT; IS; comparisons; BETWEEN, IN, LIKE; all other operators (|| -> ->> ~ & | # << >>); + -; * / %;
// ^; AT TIME ZONE; unary + -; :: [ ] and .field. Comparisons, and BETWEEN, IN and LIKE, do not chain.
//
// A chain of one logical operator becomes a balanced tree (`balanced`): AND and OR are associative, in three-valued logic too, and
// programs write conditions of a thousand parts. Parentheses within the chain make no difference to the tree, so that printing
// needs none and reading it back gives the same tree.

enum Precedence: Int, Comparable {
    case or = 1, and, not, isTest, comparison, membership, other, additive, multiplicative, power, timeZone, unary, postfix

    static func < (left: Precedence, right: Precedence) -> Bool { left.rawValue < right.rawValue }

    var tighter: Precedence { Precedence(rawValue: rawValue + 1) ?? .postfix }
}

extension BinaryOperator {
    var precedence: Precedence {
        switch self {
        case .or: .or
        case .and: .and
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual: .comparison
        case .add, .subtract: .additive
        case .multiply, .divide, .remainder: .multiplicative
        case .power: .power
        case .concat, .jsonGet, .jsonGetText, .jsonPath, .jsonPathText, .containsAll, .containedBy, .overlaps, .regexMatch, .regexMatchInsensitive, .regexNotMatch, .regexNotMatchInsensitive,
             .bitAnd, .bitOr, .shiftLeft, .shiftRight, .bitXor: .other
        }
    }

    /// The operator a symbol or keyword spells.
    init?(_ token: Token) {
        if let keyword = token.keyword {
            switch keyword {
            case .and: self = .and
            case .or: self = .or
            default: return nil
            }
            return
        }
        guard let symbol = token.symbol, let found = BinaryOperator(rawValue: symbol.rawValue) else { return nil }
        self = found
    }
}

extension StatementParser {
    @inline(never)
    mutating func parseExpression() throws(SQLError) -> Expression { try parseOperators(.or) }

    /// `a, b, c`; at least one.
    @inline(never)
    mutating func parseExpressionList() throws(SQLError) -> [Expression] {
        var items: [Expression] = []
        repeat {
            items.append(try parseExpression())
            try checkCount(items.count)
        } while accept(.comma)
        return items
    }

    func isOperator(_ token: Token) -> Bool {
        BinaryOperator(token) != nil || token.symbol == .doubleColon || token.symbol == .leftBracket || token.keyword == .at
    }

    /// An expression whose outermost operators bind at least as tightly as `minimum`.
    @inline(never)
    mutating func parseOperators(_ minimum: Precedence) throws(SQLError) -> Expression {
        try enter()
        let outer = deepest
        deepest = depth
        var left = try parsePrefix()
        // The level of the operator just read, if two of that level cannot stand side by side.
        var notChaining: Precedence?
        while let precedence = infixPrecedence(), precedence >= minimum {
            if precedence == notChaining { throw comparisonBehindComparison() }
            switch precedence {
            case .or, .and: left = try parseLogicalChain(left, precedence)
            case .isTest: left = try parseIs(left)
            case .membership: left = try parseMembership(left)
            case .timeZone: left = try parseAtTimeZone(left)
            default: left = try parseBinary(left, precedence)
            }
            notChaining = precedence == .comparison || precedence == .membership ? precedence : nil
        }
        deepest = max(outer, deepest)
        leave()
        return left
    }

    @inline(never)
    private func comparisonBehindComparison() -> SQLError {
        let joiner = tokens[max(0, index - 4)..<index].last { $0.symbol == .overlaps || $0.symbol == .concat }
        return SQLError(
            "\(current.text.uppercased()) cannot follow another comparison", at: current.span,
            hint: joiner.map { $0.symbol == .overlaps ? "conditions are joined by AND; && is for arrays" : "conditions are joined by OR; || puts texts together" }
                ?? "join the two by AND, or use parentheses")
    }

    /// The precedence of the operator at the current token; nil when there is none.
    private func infixPrecedence() -> Precedence? {
        if let symbol = current.symbol {
            return BinaryOperator(rawValue: symbol.rawValue)?.precedence
        }
        switch current.keyword {
        case .or: return .or
        case .and: return .and
        case .is: return .isTest
        case .between, .in, .like, .ilike: return .membership
        case .similar: return isNext(.to) ? .membership : nil
        case .not:
            switch peek(1).keyword {
            case .between, .in, .like, .ilike: return .membership
            case .similar: return .membership
            default: return nil
            }
        case .at: return isNext(.time) && peek(2).keyword == .zone ? .timeZone : nil
        // However it is spelt, an operator named so binds as the many do.
        case nil where atOperatorCall: return .other
        case nil: return atWord("OVERLAPS") && isNext(.leftParenthesis) ? .membership : nil
        default: return nil
        }
    }

    @inline(never)
    private mutating func parseBinary(_ left: Expression, _ precedence: Precedence) throws(SQLError) -> Expression {
        let (binaryOperator, operatorSpan) = try takeOperator()
        try sink()
        if precedence == .comparison, at(.any) || at(.some) || at(.all), isNext(.leftParenthesis) {
            if startsQuery(at: index + 1) { return try parseQuantified(left, binaryOperator) }
            return try parseElementTest(left, binaryOperator, operatorSpan)
        }
        let right = try parseOperators(precedence.tighter)
        return Expression(
            .binary(binaryOperator, left, right, operatorSpan: operatorSpan), span: left.span.union(right.span))
    }

    /// `OPERATOR(pg_catalog.~)`, as programs write who must not depend on a search path.
    private var atOperatorCall: Bool {
        @inline(never) get { atWord("OPERATOR") && isNext(.leftParenthesis) }
    }

    /// The operator at hand, however it is spelt. In a frame of its own, as all that what nests does not need while it nests.
    @inline(never)
    private mutating func takeOperator() throws(SQLError) -> (BinaryOperator, SourceSpan) {
        let isNamed = atOperatorCall
        let token = isNamed ? try takeOperatorCall() : current
        guard let binaryOperator = BinaryOperator(token) else { throw unexpected() }
        advance()
        if isNamed { try expect(.rightParenthesis) }
        return (binaryOperator, token.span)
    }

    /// Up to the operator itself.
    @inline(never)
    private mutating func takeOperatorCall() throws(SQLError) -> Token {
        advance()
        advance()
        if peek(1).symbol == .dot {
            _ = try parseIdentifier("a schema")
            advance()
        }
        guard current.kind == .symbol, BinaryOperator(current) != nil else {
            forgetExpectations()
            note("an operator")
            throw unexpected()
        }
        return current
    }

    /// `COLLATE "default"`: text has one order here, that of its characters' numbers.
    @inline(never)
    private mutating func acceptCollation() throws(SQLError) -> Bool {
        guard atWord("COLLATE"), isName(peek(1)) else { return false }
        advance()
        let name = try parseQualifiedName("a collation")
        guard ["default", "c", "posix", "ucs_basic"].contains(name.last.name.lowercased()) else {
            throw SQLError(
                "collation \"\(name.last.name)\" is not supported", at: name.span, hint: "text is ordered by its code points: COLLATE \"C\"",
                code: SQLError.featureNotSupported)
        }
        return true
    }

    /// `ANY (query)` behind a comparison.
    @inline(never)
    private mutating func parseQuantified(_ left: Expression, _ binaryOperator: BinaryOperator) throws(SQLError) -> Expression {
        let isAll = at(.all)
        advance()
        advance()
        let query = try parseQuery()
        try expect(.rightParenthesis)
        return Expression(.quantified(left, binaryOperator, query, isAll: isAll), span: span(from: left.span))
    }

    /// `ANY (array)` behind a comparison: `any_element(x, '=', array)`.
    @inline(never)
    private mutating func parseElementTest(_ left: Expression, _ binaryOperator: BinaryOperator, _ place: SourceSpan) throws(SQLError) -> Expression {
        let name = Identifier(at(.all) ? "all_elements" : "any_element", span: current.span)
        advance()
        advance()
        let array = try parseExpression()
        try expect(.rightParenthesis)
        let call = FunctionCall(
            name: QualifiedName([name], span: name.span),
            arguments: [left, Expression(.literal(.string(binaryOperator.rawValue)), span: place), array])
        return Expression(.call(call), span: span(from: left.span))
    }

    // MARK: AND, OR

    @inline(never)
    private mutating func parseLogicalChain(_ first: Expression, _ precedence: Precedence) throws(SQLError) -> Expression {
        let logicalOperator: BinaryOperator = precedence == .or ? .or : .and
        let keyword: Keyword = precedence == .or ? .or : .and
        var operands: [Expression] = []
        var operatorSpans: [SourceSpan] = []
        Self.flatten(first, logicalOperator, into: &operands, &operatorSpans)
        while at(keyword) {
            let place = current.span
            advance()
            let right = try parseOperators(precedence.tighter)
            operatorSpans.append(place)
            Self.flatten(right, logicalOperator, into: &operands, &operatorSpans)
            try checkCount(operands.count, what: "conditions")
        }
        var levels = 0
        while (1 << levels) < operands.count { levels += 1 }
        try sink(levels)
        return Self.balanced(operands[...], operatorSpans[...], logicalOperator)
    }

    /// The operands of a chain that is already a tree; as deep as the tree, which is balanced.
    private static func flatten(
        _ expression: Expression, _ logicalOperator: BinaryOperator, into operands: inout [Expression],
        _ operatorSpans: inout [SourceSpan]
    ) {
        if case .binary(logicalOperator, let left, let right, let operatorSpan) = expression.kind {
            flatten(left, logicalOperator, into: &operands, &operatorSpans)
            operatorSpans.append(operatorSpan)
            flatten(right, logicalOperator, into: &operands, &operatorSpans)
        } else {
            operands.append(expression)
        }
    }

    private static func balanced(
        _ operands: ArraySlice<Expression>, _ operatorSpans: ArraySlice<SourceSpan>, _ logicalOperator: BinaryOperator
    ) -> Expression {
        if operands.count == 1 { return operands[operands.startIndex] }
        // The left half is the larger, so that `a AND b AND c` is `(a AND b) AND c`, as it reads.
        let half = (operands.count + 1) / 2
        let middle = operatorSpans.startIndex + half - 1
        let left = balanced(operands.prefix(half), operatorSpans[..<middle], logicalOperator)
        let right = balanced(operands.dropFirst(half), operatorSpans[(middle + 1)...], logicalOperator)
        return Expression(
            .binary(logicalOperator, left, right, operatorSpan: operatorSpans[middle]), span: left.span.union(right.span))
    }

    // MARK: Prefix

    @inline(never)
    private mutating func parsePrefix() throws(SQLError) -> Expression {
        let start = current.span
        if at(.not) {
            advance()
            let operand = try parseOperators(.not)
            return Expression(.not(operand), span: start.union(operand.span))
        }
        if at(.minus) || at(.plus) {
            let unaryOperator: UnaryOperator = at(.minus) ? .minus : .plus
            advance()
            try enter()
            let operand = try parsePrefix()
            leave()
            return Expression(.unary(unaryOperator, operand), span: start.union(operand.span))
        }
        if at(.tilde) {
            let name = Identifier("bitnot", span: start)
            advance()
            try enter()
            let operand = try parsePrefix()
            leave()
            let call = FunctionCall(name: QualifiedName([name], span: start), arguments: [operand])
            return Expression(.call(call), span: start.union(operand.span))
        }
        return try parsePostfix()
    }

    /// `x::t`, `x[1]`, `(x).field`.
    @inline(never)
    private mutating func parsePostfix() throws(SQLError) -> Expression {
        let outer = deepest
        deepest = depth
        var expression = try parsePrimary()
        while true {
            if at(.doubleColon) {
                advance()
                let type = try parseTypeName()
                try sink()
                expression = Expression(.cast(expression, type, isTry: false), span: expression.span.union(type.span))
            } else if try acceptCollation() {
                continue
            } else if at(.leftBracket) {
                advance()
                let index = try parseExpression()
                try expect(.rightBracket)
                try sink()
                expression = Expression(.element(expression, index), span: span(from: expression.span))
            } else if at(.dot) {
                advance()
                let field = try parseLabel("a field name")
                try sink()
                expression = Expression(.field(expression, field), span: span(from: expression.span))
            } else {
                deepest = max(outer, deepest)
                return expression
            }
        }
    }

    // MARK: Predicates

    @inline(never)
    private mutating func parseIs(_ operand: Expression) throws(SQLError) -> Expression {
        advance()
        try sink()
        let negated = accept(.not)
        if accept(.distinct, shown: "DISTINCT FROM") {
            try expect(.from)
            let right = try parseOperators(.comparison)
            return Expression(.isDistinct(operand, right, negated: negated), span: operand.span.union(right.span))
        }
        if atWord("JSON") { return try parseIsJSON(operand, negated: negated) }
        note("JSON")
        let test: IsTest
        if accept(.null) {
            test = .null
        } else if accept(.true) {
            test = .isTrue
        } else if accept(.false) {
            test = .isFalse
        } else {
            try expect(.unknown)
            test = .unknown
        }
        return Expression(.isTest(operand, test, negated: negated), span: span(from: operand.span))
    }

    @inline(never)
    private mutating func parseMembership(_ operand: Expression) throws(SQLError) -> Expression {
        let negated = at(.not)
        if negated { advance() }
        try sink()
        if atWord("OVERLAPS") { return try parseOverlaps(operand) }
        let keyword = current.keyword
        advance()
        switch keyword {
        case .between: return try parseBetween(operand, negated: negated)
        case .in: return try parseIn(operand, negated: negated)
        case .like: return try parseLike(operand, .like, negated: negated)
        case .ilike: return try parseLike(operand, .ilike, negated: negated)
        default:
            try expect(.to)
            return try parseLike(operand, .similar, negated: negated)
        }
    }

    /// `(start, end) OVERLAPS (start, end)`: `overlaps(start, end, start, end)`.
    @inline(never)
    private mutating func parseOverlaps(_ operand: Expression) throws(SQLError) -> Expression {
        let name = Identifier("overlaps", span: current.span)
        advance()
        let other = try parseOperators(.other)
        guard case .row(let first) = operand.kind, case .row(let second) = other.kind, first.count == 2, second.count == 2 else {
            throw SQLError("OVERLAPS compares two pairs", at: name.span, hint: "(start1, end1) OVERLAPS (start2, end2)")
        }
        let call = FunctionCall(name: QualifiedName([name], span: name.span), arguments: first + second)
        return Expression(.call(call), span: operand.span.union(other.span))
    }

    @inline(never)
    private mutating func parseBetween(_ operand: Expression, negated: Bool) throws(SQLError) -> Expression {
        let symmetric = accept(.symmetric)
        let low = try parseOperators(.other)
        try expect(.and)
        let high = try parseOperators(.other)
        return Expression(
            .between(operand, low: low, high: high, negated: negated, symmetric: symmetric), span: operand.span.union(high.span))
    }

    @inline(never)
    private mutating func parseIn(_ operand: Expression, negated: Bool) throws(SQLError) -> Expression {
        let isQuery = at(.leftParenthesis) && startsQuery(at: index)
        try expect(.leftParenthesis)
        let kind: Expression.Kind
        if isQuery {
            kind = .inQuery(operand, try parseQuery(), negated: negated)
        } else {
            kind = .inList(operand, try parseExpressionList(), negated: negated)
        }
        try expect(.rightParenthesis)
        return Expression(kind, span: span(from: operand.span))
    }

    @inline(never)
    private mutating func parseLike(_ operand: Expression, _ kind: LikeKind, negated: Bool) throws(SQLError) -> Expression {
        let pattern = try parseOperators(.other)
        let escape = at(.escape) ? try parseEscape() : nil
        return Expression(
            .like(operand, pattern: pattern, escape: escape, kind, negated: negated), span: span(from: operand.span))
    }

    @inline(never)
    private mutating func parseEscape() throws(SQLError) -> Expression {
        advance()
        return try parseOperators(.other)
    }

    @inline(never)
    private mutating func parseAtTimeZone(_ operand: Expression) throws(SQLError) -> Expression {
        advance()
        advance()
        advance()
        try sink()
        let zone = try parseOperators(.unary)
        return Expression(.atTimeZone(operand, zone), span: operand.span.union(zone.span))
    }
}
