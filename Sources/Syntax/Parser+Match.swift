// Parser+Match: MATCH_RECOGNIZE. The clauses come in the order of the standard; WITHIN stands behind PATTERN, as in Flink, or behind
// SUBSET or at the end.
//
// Patterns, from loose to tight: `a | b`; `a b`; quantifiers. What a quantifier may count is limited here (`repetitionsMax`); how large
// a pattern becomes when its quantifiers are written out is the planner's affair.

extension StatementParser {
    static let repetitionsMax = 100_000

    /// At the word MATCH_RECOGNIZE.
    @inline(never)
    mutating func parseMatchClause() throws(SQLError) -> MatchClause {
        try enter(Self.tableLevels)
        let start = current.span
        advance()
        try expect(.leftParenthesis)
        var clause = MatchClause(pattern: RowPattern(.sequence([]), span: start), definitions: [], span: start)
        if accept(.partition, shown: "PARTITION BY") {
            try expect(.by)
            clause.partitionBy = try parseExpressionList()
        }
        if accept(.order, shown: "ORDER BY") {
            try expect(.by)
            clause.orderBy = try parseOrderItems()
        }
        if accept(.measures) { clause.measures = try parseMeasures() }
        clause.rows = try parseMatchRows()
        if accept(.after, shown: "AFTER MATCH SKIP") { clause.skip = try parseMatchSkip() }
        try expect(.pattern)
        clause.pattern = try parsePatternParentheses()
        try parseWithin(into: &clause)
        if accept(.subset) { clause.subsets = try parseSubsets() }
        try parseWithin(into: &clause)
        try expect(.define)
        repeat {
            let variable = try parseIdentifier("a variable name")
            try expect(.as)
            clause.definitions.append(MatchDefinition(variable: variable, condition: try parseExpression()))
            try checkCount(clause.definitions.count)
        } while accept(.comma)
        try parseWithin(into: &clause)
        try expect(.rightParenthesis)
        clause.span = span(from: start)
        leave(Self.tableLevels)
        return clause
    }

    @inline(never)
    private mutating func parseMeasures() throws(SQLError) -> [MatchMeasure] {
        var measures: [MatchMeasure] = []
        repeat {
            let expression = try parseExpression()
            guard accept(.as) else { throw unexpected(hint: "every measure has a name: MEASURES expression AS name") }
            measures.append(MatchMeasure(expression: expression, name: try parseLabel("a measure's name")))
            try checkCount(measures.count)
        } while accept(.comma)
        return measures
    }

    @inline(never)
    private mutating func parseMatchRows() throws(SQLError) -> MatchRows? {
        if accept(.one, shown: "ONE ROW PER MATCH") {
            try expect(.row)
            try expect(.per)
            try expect(.match)
            return .one
        }
        guard accept(.all, shown: "ALL ROWS PER MATCH") else { return nil }
        try expect(.rows)
        try expect(.per)
        try expect(.match)
        if accept(.with, shown: "WITH UNMATCHED ROWS") {
            try expect(.unmatched)
            try expect(.rows)
            return .allWithUnmatched
        }
        let omits = accept(.omit, shown: "OMIT EMPTY MATCHES")
        if !omits, !accept(.show, shown: "SHOW EMPTY MATCHES") { return .all }
        try expect(.empty)
        try expect(.matches)
        return omits ? .allOmitEmpty : .allShowEmpty
    }

    /// Behind AFTER.
    @inline(never)
    private mutating func parseMatchSkip() throws(SQLError) -> MatchSkip {
        try expect(.match)
        try expect(.skip)
        if accept(.past, shown: "PAST LAST ROW") {
            try expect(.last)
            try expect(.row)
            return .pastLastRow
        }
        try expect(.to)
        if at(.next), isNext(.row) {
            advance()
            advance()
            return .toNextRow
        }
        note("NEXT ROW", .next)
        // A variable may itself be called first or last.
        let hasWord = isName(peek(1)) && !(isNext(.pattern) && peek(2).symbol == .leftParenthesis)
        if at(.first), hasWord {
            advance()
            return .toFirst(takeIdentifier())
        }
        if at(.last), hasWord { advance() }
        return .toLast(try parseIdentifier("a variable name"))
    }

    @inline(never)
    private mutating func parseWithin(into clause: inout MatchClause) throws(SQLError) {
        let start = current.span
        guard accept(.within) else { return }
        guard clause.within == nil else { throw SQLError("WITHIN is given twice", at: start) }
        clause.within = try parseExpression()
    }

    @inline(never)
    private mutating func parseSubsets() throws(SQLError) -> [MatchSubset] {
        var subsets: [MatchSubset] = []
        repeat {
            let name = try parseIdentifier("a variable name")
            try expect(.equal)
            subsets.append(MatchSubset(name: name, members: try parseIdentifierList("a variable name")))
            try checkCount(subsets.count)
        } while accept(.comma)
        return subsets
    }

    /// `FINAL last(a.x)`, at the first word.
    @inline(never)
    mutating func parseSemantics(_ keyword: Keyword) throws(SQLError) -> Expression {
        let start = current.span
        advance()
        let name = try parseQualifiedName("a function's name")
        var call = try parseCallTail(name, isTableFunction: false)
        call.semantics = keyword == .final ? .final : .running
        return Expression(.call(call), span: span(from: start))
    }

    // MARK: Patterns

    /// `( )` or `(pattern)`.
    @inline(never)
    private mutating func parsePatternParentheses() throws(SQLError) -> RowPattern {
        let start = current.span
        try expect(.leftParenthesis)
        if accept(.rightParenthesis) { return RowPattern(.sequence([]), span: span(from: start)) }
        var pattern = try parsePattern()
        try expect(.rightParenthesis)
        pattern.span = span(from: start)
        return pattern
    }

    /// `a b | c`.
    @inline(never)
    private mutating func parsePattern() throws(SQLError) -> RowPattern {
        try enter(Self.patternLevels)
        let start = current.span
        var parts = [try parsePatternSequence()]
        while accept(.bar) {
            parts.append(try parsePatternSequence())
            try checkCount(parts.count)
        }
        leave(Self.patternLevels)
        return parts.count == 1 ? parts[0] : RowPattern(.alternation(parts), span: span(from: start))
    }

    @inline(never)
    private mutating func parsePatternSequence() throws(SQLError) -> RowPattern {
        let start = current.span
        var parts: [RowPattern] = []
        while let part = try parsePatternFactor() {
            parts.append(part)
            try checkCount(parts.count)
        }
        guard let first = parts.first else {
            note("a variable name")
            if at(.concat) { throw unexpected(hint: "alternatives are parted by one |") }
            throw unexpected(hint: "a pattern is made of variables: PATTERN (a b+ c)")
        }
        return parts.count == 1 ? first : RowPattern(.sequence(parts), span: span(from: start))
    }

    /// A part with its quantifier; nil where none begins.
    @inline(never)
    private mutating func parsePatternFactor() throws(SQLError) -> RowPattern? {
        let start = current.span
        guard let part = try parsePatternPrimary() else { return nil }
        guard let (min, max) = try parseQuantifier() else { return part }
        let isReluctant = at(.question)
        if isReluctant { advance() }
        if at(.star) || at(.plus) || at(.question) || (at(.leftBrace) && !isNext(.minus)) {
            throw SQLError(
                "a quantifier cannot follow another one", at: current.span, hint: "put parentheses around what is repeated")
        }
        return RowPattern(.quantified(part, min: min, max: max, isGreedy: !isReluctant), span: span(from: start))
    }

    @inline(never)
    private mutating func parsePatternPrimary() throws(SQLError) -> RowPattern? {
        let start = current.span
        if at(.leftParenthesis) { return try parsePatternParentheses() }
        if at(.caret) || at(.dollar) {
            let isStart = at(.caret)
            advance()
            return RowPattern(isStart ? .start : .end, span: start)
        }
        if at(.leftBrace), isNext(.minus) {
            advance()
            advance()
            let inner = try parsePattern()
            try expect(.minus)
            try expect(.rightBrace)
            return RowPattern(.exclusion(inner), span: span(from: start))
        }
        if at(.permute), isNext(.leftParenthesis) {
            advance()
            advance()
            var parts: [RowPattern] = []
            repeat {
                parts.append(try parsePattern())
                try checkCount(parts.count)
            } while accept(.comma)
            try expect(.rightParenthesis)
            return RowPattern(.permutation(parts), span: span(from: start))
        }
        guard isName(current) else { return nil }
        return RowPattern(.variable(takeIdentifier()), span: start)
    }

    @inline(never)
    private mutating func parseQuantifier() throws(SQLError) -> (min: Int, max: Int?)? {
        if accept(.star) { return (0, nil) }
        if accept(.plus) { return (1, nil) }
        if accept(.question) { return (0, 1) }
        guard at(.leftBrace), !isNext(.minus) else { return nil }
        advance()
        var min = 0
        if !at(.comma) { min = try parseRepetitions() }
        var max: Int? = min
        if accept(.comma) {
            max = nil
            if !at(.rightBrace) { max = try parseRepetitions() }
        }
        try expect(.rightBrace)
        return (min, max)
    }

    @inline(never)
    private mutating func parseRepetitions() throws(SQLError) -> Int {
        guard current.kind == .integer else {
            note("a number of repetitions")
            throw unexpected()
        }
        guard let count = Int(current.text), count <= Self.repetitionsMax else {
            throw SQLError(
                "a quantifier can count to \(Self.repetitionsMax) at most", at: current.span, code: SQLError.programLimitExceeded)
        }
        advance()
        return count
    }
}
