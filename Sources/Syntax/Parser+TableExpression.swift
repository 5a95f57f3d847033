// Parser+TableExpression: what may stand in FROM: names, subqueries, table functions, UNNEST, LATERAL, and joins of them.

extension StatementParser {
    /// A table and the joins that follow it, which lean to the left.
    @inline(never)
    mutating func parseTableExpression() throws(SQLError) -> TableExpression {
        try enter(Self.tableLevels)
        let outer = deepest
        deepest = depth
        let start = current.span
        var left = try parseTablePrimary()
        while true {
            let isNatural = acceptNatural()
            guard let kind = try acceptJoin() else {
                if isNatural { throw unexpected() }
                break
            }
            if isNatural, kind == .cross || kind.isAsOf {
                throw SQLError("NATURAL cannot stand before \(kind.rawValue)", at: current.span)
            }
            let right = try parseTablePrimary()
            let condition = isNatural ? JoinCondition.natural : try parseJoinCondition(kind)
            try sink()
            left = TableExpression(.join(kind, left, right, condition), span: span(from: start))
        }
        deepest = max(outer, deepest)
        leave(Self.tableLevels)
        return left
    }

    @inline(never)
    private mutating func acceptNatural() -> Bool {
        guard at(.natural) else { return false }
        advance()
        return true
    }

    @inline(never)
    private mutating func acceptJoin() throws(SQLError) -> JoinKind? {
        if accept(.join) { return .inner }
        if accept(.inner, shown: "INNER JOIN") {
            try expect(.join)
            return .inner
        }
        if accept(.cross, shown: "CROSS JOIN") {
            try expect(.join)
            return .cross
        }
        if at(.asof), isNext(.join) || isNext(.left) {
            advance()
            guard accept(.left) else {
                try expect(.join)
                return .asof
            }
            _ = accept(.outer)
            try expect(.join)
            return .asofLeft
        }
        note(.asof)
        var kind: JoinKind?
        if accept(.left, shown: "LEFT JOIN") { kind = .left }
        if kind == nil, accept(.right, shown: "RIGHT JOIN") { kind = .right }
        if kind == nil, accept(.full, shown: "FULL JOIN") { kind = .full }
        guard let kind else { return nil }
        _ = accept(.outer)
        try expect(.join)
        return kind
    }

    @inline(never)
    private mutating func parseJoinCondition(_ kind: JoinKind) throws(SQLError) -> JoinCondition {
        if kind == .cross { return .none }
        if accept(.on) { return .on(try parseExpression()) }
        if accept(.using) { return .using(try parseIdentifierList("a column name")) }
        throw unexpected(hint: "every join but CROSS JOIN needs a condition")
    }

    /// One table with its alias.
    @inline(never)
    private mutating func parseTablePrimary() throws(SQLError) -> TableExpression {
        let start = current.span
        var table = try parseTableSource()
        try parseAlias(into: &table)
        if at(.for), isNext(.systemTime), case .name(let name, nil) = table.kind {
            table.kind = .name(name, asOf: try parseAsOf())
            if table.alias == nil { try parseAlias(into: &table) }
        }
        if at(.matchRecognize) {
            table.span = span(from: start)
            table = TableExpression(.match(table, try parseMatchClause()), span: span(from: start))
            try parseAlias(into: &table)
        }
        table.span = span(from: start)
        return table
    }

    /// A table that already has its alias, as `(a JOIN b ON ..) AS j` has none, is left alone.
    @inline(never)
    private mutating func parseAlias(into table: inout TableExpression) throws(SQLError) {
        if accept(.as) {
            table.alias = try parseIdentifier("a table name")
        } else if isName(current), !atClauseAfterTable {
            note(.where, .join, .on, .using, .limit, .having, .union, .intersect, .except, .cross, .inner, .left, .right, .full, .asof)
            note("GROUP BY", .group)
            note("ORDER BY", .order)
            note("WINDOW", .window)
            table.alias = takeIdentifier()
        } else {
            return
        }
        if at(.leftParenthesis) { table.columnAliases = try parseIdentifierList("a column name") }
    }

    private var atClauseAfterTable: Bool {
        at(.qualify) || atAlertClause || atWindowClause || atEmitClause || (at(.start) && isNext(.from))
            || (at(.asof) && (isNext(.join) || isNext(.left))) || (at(.matchRecognize) && isNext(.leftParenthesis))
    }

    /// `FOR SYSTEM_TIME AS OF expression`.
    @inline(never)
    private mutating func parseAsOf() throws(SQLError) -> Expression {
        advance()
        advance()
        try expect(.as, shown: "AS OF")
        try expect(.of)
        return try parseExpression()
    }

    @inline(never)
    private mutating func parseTableSource() throws(SQLError) -> TableExpression {
        let start = current.span
        if at(.leftParenthesis) {
            let isQuery = startsQuery(at: index)
            advance()
            if isQuery {
                let query = try parseQuery()
                try expect(.rightParenthesis)
                return TableExpression(.query(query), span: span(from: start))
            }
            let inner = try parseTableExpression()
            try expect(.rightParenthesis)
            // `(bid AS b) AS c`: the parentheses are kept as a join of one would be, by the alias that is there already.
            if inner.alias != nil, isName(current) && !atClauseAfterTable || at(.as) {
                throw SQLError("this table already has the name \"\(inner.alias?.name ?? "")\"", at: current.span)
            }
            return inner
        }
        if accept(.lateral) {
            try enter()
            let inner = try parseTableSource()
            leave()
            return TableExpression(.lateral(inner), span: span(from: start))
        }
        if at(.table), isNext(.leftParenthesis) {
            advance()
            advance()
            let name = try parseFunctionName()
            let call = try parseCallTail(name, isTableFunction: true)
            try expect(.rightParenthesis)
            return TableExpression(.function(call), span: span(from: start))
        }
        if at(.unnest), isNext(.leftParenthesis) {
            advance()
            advance()
            let arrays = try parseExpressionList()
            try expect(.rightParenthesis)
            let withOrdinality = at(.with) && isNext(.ordinality)
            if withOrdinality {
                advance()
                advance()
            }
            return TableExpression(.unnest(arrays, withOrdinality: withOrdinality), span: span(from: start))
        }
        note(.lateral, .unnest, .table)
        return try parseNamedTable(start)
    }

    @inline(never)
    private mutating func parseNamedTable(_ start: SourceSpan) throws(SQLError) -> TableExpression {
        guard isName(current) else {
            forgetExpectations()
            note("a table name")
            throw unexpected()
        }
        let name = try parseQualifiedName("a table name")
        if at(.leftParenthesis) {
            return TableExpression(.function(try parseCallTail(name, isTableFunction: true)), span: span(from: start))
        }
        var asOf: Expression?
        if at(.for), isNext(.systemTime) { asOf = try parseAsOf() }
        return TableExpression(.name(name, asOf: asOf), span: span(from: start))
    }
}
