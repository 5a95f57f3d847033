// Printer+Match: MATCH_RECOGNIZE, a clause a line, and row patterns.

extension Printer {
    @inline(never)
    static func match(_ clause: MatchClause, indent: Int?) -> String {
        let outer = indent.map { $0 + indentWidth }
        var lines: [String] = []
        if !clause.partitionBy.isEmpty { lines.append("PARTITION BY " + list(clause.partitionBy)) }
        if !clause.orderBy.isEmpty { lines.append("ORDER BY " + orderItems(clause.orderBy)) }
        if !clause.measures.isEmpty {
            lines.append("MEASURES " + clause.measures.map { "\(expression($0.expression)) AS \(quote($0.name.name))" }.joined(separator: ", "))
        }
        if let rows = clause.rows { lines.append(rows.rawValue) }
        switch clause.skip {
        case .pastLastRow: lines.append("AFTER MATCH SKIP PAST LAST ROW")
        case .toNextRow: lines.append("AFTER MATCH SKIP TO NEXT ROW")
        case .toFirst(let variable): lines.append("AFTER MATCH SKIP TO FIRST " + quote(variable.name))
        case .toLast(let variable): lines.append("AFTER MATCH SKIP TO LAST " + quote(variable.name))
        case nil: break
        }
        lines.append("PATTERN (\(pattern(clause.pattern)))" + (clause.within.map { " WITHIN " + expression($0) } ?? ""))
        if !clause.subsets.isEmpty {
            lines.append("SUBSET " + clause.subsets.map { "\(quote($0.name.name)) = (\(names($0.members)))" }.joined(separator: ", "))
        }
        lines.append(
            "DEFINE " + clause.definitions.map { "\(quote($0.variable.name)) AS \(expression($0.condition))" }.joined(separator: ", "))
        guard outer != nil else { return "(" + lines.joined(separator: " ") + ")" }
        return "(" + lines.map { lineBreak(outer) + $0 }.joined() + lineBreak(indent) + ")"
    }

    package static func pattern(_ pattern: RowPattern) -> String {
        switch pattern.kind {
        case .variable(let name):
            // `permute (a)` would be a permutation.
            return Keyword.find(name.name) == .permute ? quoted(name.name) : quote(name.name)
        case .sequence(let parts): return parts.map { enclosed($0, if: $0.isAlternation || $0.isSequence) }.joined(separator: " ")
        case .alternation(let parts): return parts.map { enclosed($0, if: $0.isAlternation || $0.isEmpty) }.joined(separator: " | ")
        case .quantified(let part, let min, let max, let isGreedy):
            let quantifier: String
            switch (min, max) {
            case (0, nil): quantifier = "*"
            case (1, nil): quantifier = "+"
            case (0, 1): quantifier = "?"
            case (let min, nil): quantifier = "{\(min),}"
            case (let min, let max?): quantifier = min == max ? "{\(min)}" : "{\(min),\(max)}"
            }
            return enclosed(part, if: part.isAlternation || part.isSequence || part.isQuantified) + quantifier + (isGreedy ? "" : "?")
        case .permutation(let parts): return "PERMUTE(" + parts.map { enclosed($0, if: $0.isEmpty) }.joined(separator: ", ") + ")"
        case .exclusion(let part): return "{- " + enclosed(part, if: part.isEmpty) + " -}"
        case .start: return "^"
        // A name before it would take it in.
        case .end: return "$"
        }
    }

    private static func enclosed(_ pattern: RowPattern, if needed: Bool) -> String {
        needed ? "(\(self.pattern(pattern)))" : self.pattern(pattern)
    }
}

extension RowPattern {
    fileprivate var isAlternation: Bool { if case .alternation = kind { true } else { false } }
    fileprivate var isSequence: Bool { if case .sequence = kind { true } else { false } }
    fileprivate var isQuantified: Bool { if case .quantified = kind { true } else { false } }
    fileprivate var isEmpty: Bool { if case .sequence(let parts) = kind { parts.isEmpty } else { false } }
}
