// Parser+Query: WITH, set operations, SELECT and its clauses, ORDER BY, LIMIT, EMIT and START FROM.
//
// Whether an opening parenthesis begins a query or an expression is decided before anything is built, by looking at the first word
// behind the run of parentheses and at what follows the inner ones (`startsQuery(at:)`): no backtracking, so no input can make the
// parser do the same work twice.

extension StatementParser {
    /// Whether the current token begins a query that is not in parentheses.
    @inline(never)
    func startsQuery() -> Bool { startsPlainQuery(at: index) || (at(.leftParenthesis) && startsQuery(at: index)) }

    private func startsPlainQuery(at place: Int) -> Bool {
        guard place < tokens.count else { return false }
        switch tokens[place].keyword {
        case .select, .with: return true
        case .values: return place + 1 < tokens.count && tokens[place + 1].symbol == .leftParenthesis
        default: return false
        }
    }

    /// Whether the parenthesis at `place` encloses a query: `(SELECT`, `((SELECT ..) UNION ..`, and not `((SELECT ..) + 1`.
    @inline(never)
    func startsQuery(at place: Int) -> Bool {
        var inner = place
        // Further in than this nothing parses anyway.
        let innermost = place + ParserLimits.nestingLevelsMax + 1
        while inner < innermost, inner + 1 < tokens.count, tokens[inner + 1].symbol == .leftParenthesis { inner += 1 }
        guard startsPlainQuery(at: inner + 1) else { return false }
        while inner > place {
            let end = Int(closing[inner])
            guard end > 0, end + 1 < tokens.count else { return false }
            let follower = tokens[end + 1]
            if follower.symbol != .rightParenthesis {
                switch follower.keyword {
                case .union, .intersect, .except, .order, .limit, .offset, .fetch, .emit: break
                // Not the name of a table in parentheses.
                case .start where end + 2 < tokens.count && tokens[end + 2].keyword == .from: break
                default: return false
                }
            }
            inner -= 1
        }
        return true
    }

    /// `[WITH ..] body [ORDER BY ..] [LIMIT ..] [OFFSET ..] [EMIT ..] [START FROM ..]`.
    @inline(never)
    mutating func parseQuery() throws(SQLError) -> Query {
        try enter(Self.queryLevels)
        let outer = deepest
        deepest = depth
        let start = current.span
        let isRecursive = at(.with) && isNext(.recursive) && peek(2).keyword != .as
        let with = at(.with) ? try parseWith() : []
        var query = try parseSetOperations(minimumPrecedence: 1)
        let tail = try parseTail()
        if !with.isEmpty || !tail.isEmpty {
            // A query in parentheses keeps what it has; what stands outside applies to its result.
            if !query.with.isEmpty && !with.isEmpty || query.hasTail && !tail.isEmpty { query = try wrapped(query) }
            if !with.isEmpty {
                query.with = with
                query.isRecursive = isRecursive
            }
            if !tail.isEmpty { query.setTail(tail) }
        }
        query.span = span(from: start)
        deepest = max(outer, deepest)
        leave(Self.queryLevels)
        return query
    }

    /// `SELECT * FROM (query)`.
    @inline(never)
    private mutating func wrapped(_ query: Query) throws(SQLError) -> Query {
        try sink(2)
        let star = SelectItem(expression: Expression(.star(qualifier: nil), span: query.span))
        let table = TableExpression(.query(query), span: query.span)
        return Query(body: .select(Select(items: [star], from: [table], span: query.span)), span: query.span)
    }

    @inline(never)
    private mutating func parseWith() throws(SQLError) -> [CommonTable] {
        advance()
        if at(.recursive), peek(1).keyword != .as { advance() }
        var tables: [CommonTable] = []
        repeat {
            let name = try parseIdentifier("a table name")
            let hasColumns = at(.leftParenthesis) && !startsQuery(at: index)
            let columns = hasColumns ? try parseIdentifierList("a column name") : []
            try expect(.as)
            try expect(.leftParenthesis)
            try expectQuery()
            tables.append(CommonTable(name: name, columns: columns, query: try parseQuery()))
            try expect(.rightParenthesis)
            try checkCount(tables.count)
        } while accept(.comma)
        return tables
    }

    /// UNION and EXCEPT bind alike, from the left; INTERSECT binds tighter.
    @inline(never)
    private mutating func parseSetOperations(minimumPrecedence: Int) throws(SQLError) -> Query {
        var left = try parseQueryOperand()
        while let setOperator = acceptSetOperator(minimumPrecedence) {
            let all = accept(.all)
            if !all { _ = accept(.distinct) }
            try expectQuery()
            try enter()
            let right = try parseSetOperations(minimumPrecedence: setOperator.precedence + 1)
            leave()
            try sink()
            let span = left.span.union(right.span)
            left = Query(body: .setOperation(setOperator, all: all, left, right, span: span), span: span)
        }
        return left
    }

    @inline(never)
    private mutating func acceptSetOperator(_ minimumPrecedence: Int) -> SetOperator? {
        if minimumPrecedence <= SetOperator.union.precedence {
            if accept(.union) { return .union }
            if accept(.except) { return .except }
        }
        return minimumPrecedence <= SetOperator.intersect.precedence && accept(.intersect) ? .intersect : nil
    }

    @inline(never)
    private mutating func parseQueryOperand() throws(SQLError) -> Query {
        let start = current.span
        if accept(.leftParenthesis) {
            try expectQuery()
            var query = try parseQuery()
            try expect(.rightParenthesis)
            query.span = span(from: start)
            return query
        }
        let body: QueryBody
        if at(.values) {
            body = try parseValues()
        } else {
            guard at(.select) else {
                note(.select, .values)
                throw unexpected()
            }
            body = .select(try parseSelect())
        }
        return Query(body: body, span: span(from: start))
    }

    @inline(never)
    private mutating func parseValues() throws(SQLError) -> QueryBody {
        let start = current.span
        advance()
        var rows: [[Expression]] = []
        repeat {
            try expect(.leftParenthesis)
            rows.append(try parseExpressionList())
            try expect(.rightParenthesis)
            try checkCount(rows.count)
        } while accept(.comma)
        return .values(rows, span: span(from: start))
    }

    // MARK: SELECT

    @inline(never)
    private mutating func parseSelect() throws(SQLError) -> Select {
        let start = current.span
        advance()
        var select = Select(items: [], span: start)
        if let hint = current.hint { select.stateTTL = Self.stateTTL(hint.tokens) }
        if at(.stream), isStreamKeyword() {
            advance()
            select.isStream = true
        }
        if at(.distinct), isNext(.on), peek(2).symbol == .leftParenthesis {
            advance()
            advance()
            advance()
            select.distinctOn = try parseExpressionList()
            try expect(.rightParenthesis)
        } else if accept(.distinct) {
            select.isDistinct = true
        } else {
            _ = accept(.all)
        }
        if at(.from) {
            note(Self.anExpression)
            throw unexpected(hint: "name the columns, or write * for all of them")
        }
        if select.isDistinct, at(.on) {
            throw SQLError("DISTINCT ON needs its keys in parentheses", at: current.span, hint: "SELECT DISTINCT ON (key) ..")
        }
        repeat {
            select.items.append(try parseSelectItem())
            try checkCount(select.items.count)
        } while accept(.comma)
        if accept(.from) {
            repeat {
                select.from.append(try parseTableExpression())
                try checkCount(select.from.count)
            } while accept(.comma)
        }
        if accept(.where) { select.filter = try parseExpression() }
        if accept(.group, shown: "GROUP BY") { try parseGroupBy(into: &select) }
        if accept(.having) { select.having = try parseExpression() }
        if atWindowClause {
            advance()
            repeat {
                let name = try parseIdentifier("a window name")
                try expect(.as)
                select.windows.append(NamedWindow(name: name, specification: try parseWindowSpecification()))
                try checkCount(select.windows.count)
            } while accept(.comma)
        } else {
            note(.window)
        }
        if accept(.qualify) { select.qualify = try parseExpression() }
        select.span = span(from: start)
        return select
    }

    /// `STATE_TTL('a' = '1 h', b = '2 d')`; other hints are comments.
    private static func stateTTL(_ tokens: [Token]) -> [StateTTL] {
        var found: [StateTTL] = []
        guard let start = tokens.firstIndex(where: { $0.kind == .word && $0.text.uppercased() == "STATE_TTL" }) else { return [] }
        var index = start + 1
        guard index < tokens.count, tokens[index].symbol == .leftParenthesis else { return [] }
        index += 1
        while index + 2 < tokens.count, tokens[index + 1].symbol == .equal, tokens[index + 2].kind == .string {
            let table = tokens[index]
            found.append(
                StateTTL(
                    table: Identifier(table.text, span: table.span), text: tokens[index + 2].text, span: tokens[index + 2].span))
            index += 3
            guard index < tokens.count, tokens[index].symbol == .comma else { break }
            index += 1
        }
        return found
    }

    /// `SELECT STREAM price` against a column of that name (`SELECT stream, price`, `SELECT stream FROM`): decided by what follows.
    private func isStreamKeyword() -> Bool {
        let next = peek(1)
        switch next.kind {
        case .end, .invalid:
            return false
        case .symbol:
            switch next.symbol {
            case .leftParenthesis: return true
            case .star:
                return !canBeginOperand(peek(2))
            case .minus, .plus:
                // `STREAM -price` against `stream - price`.
                return next.span.start > current.span.end && peek(2).span.start == next.span.end
            default: return false
            }
        case .word:
            switch next.keyword {
            case .distinct, .all, .case, .cast, .not, .null, .true, .false, .left, .right, .array, .currentDate, .currentTime,
                 .currentTimestamp, .localtime, .localtimestamp: return true
            case .at: return !(peek(2).keyword == .time && peek(3).keyword == .zone)
            case .similar: return peek(2).keyword != .to
            case let keyword?: return !keyword.isReserved
            case nil: return true
            }
        default:
            return true
        }
    }

    /// Whether `*` before this token multiplies; otherwise it is the star of a select list.
    private func canBeginOperand(_ token: Token) -> Bool {
        switch token.kind {
        case .end, .invalid: return false
        case .symbol: return token.symbol == .leftParenthesis || token.symbol == .minus || token.symbol == .plus
        case .word:
            switch token.keyword {
            case .window, .qualify, .emit, .start: return false
            case .not, .null, .true, .false, .case, .array, .left, .right, .currentDate, .currentTime, .currentTimestamp,
                 .localtime, .localtimestamp: return true
            case let keyword?: return !keyword.isReserved
            case nil: return true
            }
        default: return true
        }
    }

    @inline(never)
    private mutating func parseSelectItem() throws(SQLError) -> SelectItem {
        if let star = try acceptStar() { return SelectItem(expression: star) }
        let expression = try parseExpression()
        if accept(.as) {
            if current.kind == .string {
                note("a column name")
                throw unexpected(hint: "a name stands without quotes or in double ones: \"\(current.text)\"")
            }
            return SelectItem(expression: expression, alias: try parseLabel("a column name"))
        }
        note(.from)
        if isName(current), !at(.qualify), !atAlertClause, !atWindowClause, !atEmitClause, !atStartClause {
            note(.where, .union)
            note("GROUP BY", .group)
            note("ORDER BY", .order)
            return SelectItem(expression: expression, alias: takeIdentifier())
        }
        return SelectItem(expression: expression)
    }

    /// `*`, `b.*`.
    @inline(never)
    mutating func acceptStar() throws(SQLError) -> Expression? {
        let start = current.span
        if at(.star) {
            advance()
            return Expression(.star(qualifier: nil), span: start)
        }
        guard isName(current) else { return nil }
        var distance = 1
        while peek(distance).symbol == .dot {
            if peek(distance + 1).symbol == .star {
                var parts: [Identifier] = []
                repeat {
                    parts.append(takeIdentifier())
                    advance()
                } while !at(.star)
                let qualifier = QualifiedName(parts, span: SourceSpan(start: start.start, end: parts[parts.count - 1].span.end))
                advance()
                return Expression(.star(qualifier: qualifier), span: span(from: start))
            }
            distance += 2
            if distance > 32 { break }
        }
        return nil
    }

    @inline(never)
    private mutating func parseGroupBy(into select: inout Select) throws(SQLError) {
        try expect(.by)
        if at(.all) {
            advance()
            select.groupBy = [.all]
            return
        }
        repeat {
            select.groupBy.append(try parseGroupingElement())
            try checkCount(select.groupBy.count)
        } while accept(.comma)
    }

    @inline(never)
    private mutating func parseGroupingElement() throws(SQLError) -> GroupingElement {
        if at(.leftParenthesis), isNext(.rightParenthesis) {
            advance()
            advance()
            return .groupingSets([[]])
        }
        if at(.rollup), isNext(.leftParenthesis) { return .rollup(try parseGroupingList()) }
        if at(.cube), isNext(.leftParenthesis) { return .cube(try parseGroupingList()) }
        guard at(.grouping), isNext(.sets) else { return .expression(try parseExpression()) }
        advance()
        advance()
        try expect(.leftParenthesis)
        var sets: [[Expression]] = []
        repeat {
            if at(.leftParenthesis), isNext(.rightParenthesis) {
                advance()
                advance()
                sets.append([])
            } else {
                let element = try parseExpression()
                if case .row(let items) = element.kind { sets.append(items) } else { sets.append([element]) }
            }
            try checkCount(sets.count)
        } while accept(.comma)
        try expect(.rightParenthesis)
        return .groupingSets(sets)
    }

    @inline(never)
    private mutating func parseGroupingList() throws(SQLError) -> [Expression] {
        advance()
        try expect(.leftParenthesis)
        let items = try parseExpressionList()
        try expect(.rightParenthesis)
        return items
    }

    // MARK: What may stand behind a table or a select item, and is no alias

    var atWindowClause: Bool { at(.window) && isName(peek(1)) && peek(2).keyword == .as && peek(3).symbol == .leftParenthesis }

    /// Also when the second word is misspelt, so that the error is about that.
    var atEmitClause: Bool {
        guard at(.emit) else { return false }
        if isNext(.on) || isNext(.changes) || isNext(.final) { return true }
        let next = peek(1)
        return next.kind == .word && next.keyword == nil && NearestName.find(next.text, among: ["CHANGES", "FINAL"]) != nil
    }

    /// `START FROM LATEST` behind a select item: `SELECT a start FROM t` has an alias of that name.
    private var atStartClause: Bool {
        guard at(.start), isNext(.from) else { return false }
        let position = peek(2)
        if position.keyword == .latest || position.keyword == .trimHorizon || position.kind == .string { return true }
        switch position.keyword {
        case .timestamp, .timestamptz, .timestampLtz:
            let next = peek(3)
            return next.kind == .string || next.symbol == .leftParenthesis || next.keyword == .with || next.keyword == .without
        default: return false
        }
    }

    // MARK: The end of a query

    struct Tail {
        var orderBy: [OrderItem] = []
        var limit: Expression?
        var offset: Expression?
        var emit: EmitClause?
        var startFrom: StartPosition?

        var isEmpty: Bool { orderBy.isEmpty && limit == nil && offset == nil && emit == nil && startFrom == nil }
    }

    @inline(never)
    private mutating func parseTail() throws(SQLError) -> Tail {
        var tail = Tail()
        if accept(.order, shown: "ORDER BY") {
            try expect(.by)
            tail.orderBy = try parseOrderItems()
        }
        var hasLimit = false
        while true {
            let clause = current
            if accept(.limit) {
                guard !hasLimit else { throw SQLError("LIMIT is given twice", at: clause.span) }
                hasLimit = true
                if !accept(.all) { tail.limit = try parseExpression() }
            } else if at(.fetch) {
                guard !hasLimit else { throw SQLError("LIMIT is given twice", at: clause.span) }
                hasLimit = true
                tail.limit = try parseFetch()
            } else if accept(.offset) {
                guard tail.offset == nil else { throw SQLError("OFFSET is given twice", at: clause.span) }
                tail.offset = try parseExpression()
                if !accept(.rows) { _ = accept(.row) }
            } else if accept(.emit) {
                guard tail.emit == nil else { throw SQLError("EMIT is given twice", at: clause.span) }
                tail.emit = try parseEmit()
            } else if accept(.start, shown: "START FROM") {
                guard tail.startFrom == nil else { throw SQLError("START FROM is given twice", at: clause.span) }
                try expect(.from)
                tail.startFrom = try parseStartPosition()
            } else {
                return tail
            }
        }
    }

    /// `FETCH FIRST 5 ROWS ONLY`, the standard's spelling of LIMIT.
    @inline(never)
    private mutating func parseFetch() throws(SQLError) -> Expression {
        advance()
        if !accept(.first), !accept(.next) { throw unexpected() }
        let count: Expression
        if at(.row) || at(.rows) {
            count = Expression(.literal(.integer("1")), span: current.span)
        } else {
            count = try parseOperators(.additive)
        }
        if !accept(.rows), !accept(.row) { throw unexpected() }
        try expect(.only)
        return count
    }

    @inline(never)
    private mutating func parseEmit() throws(SQLError) -> EmitClause {
        if accept(.changes) { return .changes }
        if accept(.final) { return .onWindowClose }
        try expect(.on, shown: "ON WINDOW CLOSE")
        try expect(.window)
        try expect(.close)
        return .onWindowClose
    }

    @inline(never)
    private mutating func parseStartPosition() throws(SQLError) -> StartPosition {
        if accept(.trimHorizon) { return .trimHorizon }
        if accept(.latest) { return .latest }
        if current.kind == .string, !isOperator(peek(1)) {
            let token = current
            advance()
            return .sequence(token.text)
        }
        note("a time")
        note("a sequence number in quotes")
        if isStatementTail(current) { throw unexpected() }
        return .time(try parseExpression())
    }

    private func isStatementTail(_ token: Token) -> Bool { token.kind == .end || token.symbol == .rightParenthesis }

    /// Behind ORDER BY.
    @inline(never)
    mutating func parseOrderItems() throws(SQLError) -> [OrderItem] {
        var items: [OrderItem] = []
        repeat {
            var item = OrderItem(expression: try parseExpression())
            if accept(.desc) {
                item.isDescending = true
            } else {
                _ = accept(.asc)
            }
            if accept(.nulls) {
                if accept(.first) {
                    item.nullsFirst = true
                } else {
                    try expect(.last)
                    item.nullsFirst = false
                }
            }
            items.append(item)
            try checkCount(items.count)
        } while accept(.comma)
        return items
    }
}

extension SetOperator {
    var precedence: Int { self == .intersect ? 2 : 1 }
}

extension Query {
    var hasTail: Bool { !orderBy.isEmpty || limit != nil || offset != nil || emit != nil || startFrom != nil }

    fileprivate mutating func setTail(_ tail: StatementParser.Tail) {
        orderBy = tail.orderBy
        limit = tail.limit
        offset = tail.offset
        emit = tail.emit
        startFrom = tail.startFrom
    }
}
