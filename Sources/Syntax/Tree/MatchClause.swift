// MatchClause: MATCH_RECOGNIZE, row pattern recognition of SQL:2016, as written.

/// `MATCH_RECOGNIZE (PARTITION BY .. ORDER BY .. MEASURES .. AFTER MATCH .. PATTERN (..) WITHIN .. SUBSET .. DEFINE ..)`.
package struct MatchClause: Hashable, Sendable {
    package var partitionBy: [Expression]
    package var orderBy: [OrderItem]
    package var measures: [MatchMeasure]
    /// nil when not written: ONE ROW PER MATCH.
    package var rows: MatchRows?
    /// nil when not written: AFTER MATCH SKIP PAST LAST ROW.
    package var skip: MatchSkip?
    package var pattern: RowPattern
    /// `WITHIN INTERVAL '1' HOUR`.
    package var within: Expression?
    package var subsets: [MatchSubset]
    package var definitions: [MatchDefinition]
    package var span: SourceSpan

    package init(
        partitionBy: [Expression] = [], orderBy: [OrderItem] = [], measures: [MatchMeasure] = [], rows: MatchRows? = nil,
        skip: MatchSkip? = nil, pattern: RowPattern, within: Expression? = nil, subsets: [MatchSubset] = [],
        definitions: [MatchDefinition], span: SourceSpan
    ) {
        self.partitionBy = partitionBy
        self.orderBy = orderBy
        self.measures = measures
        self.rows = rows
        self.skip = skip
        self.pattern = pattern
        self.within = within
        self.subsets = subsets
        self.definitions = definitions
        self.span = span
    }
}

/// `RUNNING`: over the rows of the match up to the current one; `FINAL`: over all of them.
package enum MatchSemantics: String, Hashable, Sendable { case running = "RUNNING", final = "FINAL" }

/// `expression AS name`.
package struct MatchMeasure: Hashable, Sendable {
    package var expression: Expression
    package var name: Identifier

    package init(expression: Expression, name: Identifier) {
        self.expression = expression
        self.name = name
    }
}

package enum MatchRows: String, Hashable, Sendable {
    case one = "ONE ROW PER MATCH"
    case all = "ALL ROWS PER MATCH"
    case allShowEmpty = "ALL ROWS PER MATCH SHOW EMPTY MATCHES"
    case allOmitEmpty = "ALL ROWS PER MATCH OMIT EMPTY MATCHES"
    case allWithUnmatched = "ALL ROWS PER MATCH WITH UNMATCHED ROWS"
}

/// Where to look for the next match: `AFTER MATCH SKIP ..`.
package enum MatchSkip: Hashable, Sendable {
    case pastLastRow
    case toNextRow
    case toFirst(Identifier)
    case toLast(Identifier)
}

/// `u = (a, b)`.
package struct MatchSubset: Hashable, Sendable {
    package var name: Identifier
    package var members: [Identifier]

    package init(name: Identifier, members: [Identifier]) {
        self.name = name
        self.members = members
    }
}

/// `a AS condition`.
package struct MatchDefinition: Hashable, Sendable {
    package var variable: Identifier
    package var condition: Expression

    package init(variable: Identifier, condition: Expression) {
        self.variable = variable
        self.condition = condition
    }
}

/// What stands in `PATTERN ( )`.
package struct RowPattern: Hashable, Sendable {
    package indirect enum Kind: Hashable, Sendable {
        case variable(Identifier)
        /// `a b c`; `()` has no parts.
        case sequence([RowPattern])
        /// `a | b`: the first is preferred.
        case alternation([RowPattern])
        /// `a*`, `a+?`, `a{2,3}`; reluctant when not greedy.
        case quantified(RowPattern, min: Int, max: Int?, isGreedy: Bool)
        /// `PERMUTE(a, b)`: in any order, earlier ones preferred.
        case permutation([RowPattern])
        /// `{- a -}`: matched, but left out of ALL ROWS PER MATCH.
        case exclusion(RowPattern)
        /// `^`, `$`: the first and the last row of the partition.
        case start, end
    }

    package var kind: Kind
    package var span: SourceSpan

    package init(_ kind: Kind, span: SourceSpan) {
        self.kind = kind
        self.span = span
    }
}

extension MatchClause: SpanStripping {
    package func strippingSpans() -> MatchClause {
        MatchClause(
            partitionBy: partitionBy.strippingSpans(), orderBy: orderBy.strippingSpans(),
            measures: measures.map { MatchMeasure(expression: $0.expression.strippingSpans(), name: $0.name.strippingSpans()) },
            rows: rows, skip: skip.map { $0.strippingSpans() }, pattern: pattern.strippingSpans(), within: within.strippingSpans(),
            subsets: subsets.map { MatchSubset(name: $0.name.strippingSpans(), members: $0.members.strippingSpans()) },
            definitions: definitions.map {
                MatchDefinition(variable: $0.variable.strippingSpans(), condition: $0.condition.strippingSpans())
            }, span: .none)
    }
}

extension MatchSkip: SpanStripping {
    package func strippingSpans() -> MatchSkip {
        switch self {
        case .pastLastRow, .toNextRow: self
        case .toFirst(let variable): .toFirst(variable.strippingSpans())
        case .toLast(let variable): .toLast(variable.strippingSpans())
        }
    }
}

extension RowPattern: SpanStripping {
    package func strippingSpans() -> RowPattern {
        let stripped: Kind = switch kind {
        case .variable(let name): .variable(name.strippingSpans())
        case .sequence(let parts): .sequence(parts.strippingSpans())
        case .alternation(let parts): .alternation(parts.strippingSpans())
        case .quantified(let part, let min, let max, let isGreedy):
            .quantified(part.strippingSpans(), min: min, max: max, isGreedy: isGreedy)
        case .permutation(let parts): .permutation(parts.strippingSpans())
        case .exclusion(let part): .exclusion(part.strippingSpans())
        case .start, .end: kind
        }
        return RowPattern(stripped, span: .none)
    }
}
