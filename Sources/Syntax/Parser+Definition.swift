// Parser+Definition: CREATE STREAM, TABLE, VIEW, QUERY and PUMP, with columns, watermark, keys and options.

extension StatementParser {
    /// Behind CREATE.
    @inline(never)
    mutating func parseCreate() throws(SQLError) -> Statement.Kind {
        var orReplace = false
        if accept(.or, shown: "OR REPLACE") {
            try expect(.replace)
            orReplace = true
        }
        if at(.temporary), isNext(.function) || peek(1).text.uppercased() == "SYSTEM" {
            throw refusedTemporary()
        }
        // It stays until it is dropped, or with the temporary directory of a script.
        if at(.temporary), isNext(.view) || isNext(.table) || isNext(.stream) { advance() }
        for word in ["CATALOG", "DATABASE", "SCHEMA", "INDEX", "MODEL"] where atWord(word) {
            throw SQLError(
                "CREATE \(word) is not supported", at: current.span, code: SQLError.featureNotSupported)
        }
        if at(.alert) {
            advance()
            return try parseCreateAlert(orReplace: orReplace)
        }
        let kind = try parseObjectKind()
        var ifNotExists = false
        if at(.if), isNext(.not) {
            advance()
            advance()
            try expect(.exists)
            ifNotExists = true
        }
        let name = try parseQualifiedName("a \(kind.rawValue.lowercased()) name")
        switch kind {
        case .stream, .table:
            return .createRelation(try parseRelation(kind, name, orReplace: orReplace, ifNotExists: ifNotExists))
        case .view, .materializedView:
            let columns = at(.leftParenthesis) ? try parseIdentifierList("a column name") : []
            passComment()
            try expect(.as)
            try expectQuery()
            var view = CreateView(name: name, orReplace: orReplace, ifNotExists: ifNotExists, columns: columns, query: try parseQuery())
            view.isMaterialized = kind == .materializedView
            return .createView(view)
        case .query: return .createQuery(try parseSavedQuery(name, orReplace: orReplace, ifNotExists: ifNotExists))
        case .function:
            return .createFunction(try parseFunction(name, orReplace: orReplace, ifNotExists: ifNotExists))
        case .notifier: return try parseNotifier(name, orReplace: orReplace, ifNotExists: ifNotExists)
        case .inhibition: return try parseInhibition(name, orReplace: orReplace, ifNotExists: ifNotExists)
        }
    }

    /// Behind the name: `[WITH (..)] AS INSERT INTO ..`.
    @inline(never)
    mutating func parseSavedQuery(_ name: QualifiedName, orReplace: Bool, ifNotExists: Bool) throws(SQLError) -> CreateQuery {
        let options = accept(.with) ? try parseOptions() : []
        try expect(.as)
        if startsQuery() {
            note("INSERT INTO", .insert)
            throw unexpected(hint: "a saved query writes its rows somewhere: CREATE QUERY \(name.last.name) AS INSERT INTO .. SELECT ..; a query with a name is a VIEW")
        }
        try expect(.insert, shown: "INSERT INTO")
        return CreateQuery(name: name, orReplace: orReplace, ifNotExists: ifNotExists, insert: try parseInsert(), options: options)
    }

    @inline(never)
    mutating func expectQuery() throws(SQLError) {
        if startsQuery() || at(.leftParenthesis) { return }
        note(.select, .values, .with)
        throw unexpected()
    }

    @inline(never)
    private mutating func parseRelation(
        _ kind: ObjectKind, _ name: QualifiedName, orReplace: Bool, ifNotExists: Bool
    ) throws(SQLError) -> CreateRelation {
        var relation = CreateRelation(kind: kind, name: name, orReplace: orReplace, ifNotExists: ifNotExists, columns: [])
        if at(.leftParenthesis), isNext(.like) {
            advance()
            advance()
            try parseLikeSource(into: &relation)
            try expect(.rightParenthesis)
        } else if accept(.leftParenthesis) {
            repeat {
                try parseColumnElement(into: &relation)
                try checkCount(relation.columns.count)
            } while accept(.comma)
            try expect(.rightParenthesis)
        }
        var seen: Set<Keyword> = []
        while current.kind != .end {
            let clause = current
            if accept(.partition, shown: "PARTITION BY") || accept(.partitioned, shown: "PARTITIONED BY") {
                try once(.partition, "PARTITION BY", &seen, clause)
                try expect(.by)
                relation.partitionBy = try parsePartitionColumns()
            } else if accept(.shards) {
                try once(.shards, "SHARDS", &seen, clause)
                relation.shards = try parseShardCount()
            } else if accept(.retain) {
                try once(.retain, "RETAIN", &seen, clause)
                relation.retain = try parseRetention()
            } else if accept(.with) {
                try once(.with, "WITH", &seen, clause)
                relation.options = try parseOptions()
            } else if atWord("COMMENT"), peek(1).kind == .string {
                passComment()
            } else if atWord("DISTRIBUTED") {
                try once(.partition, "PARTITION BY", &seen, clause)
                try parseDistribution(into: &relation)
            } else if at(.like), relation.source == nil, relation.columns.isEmpty {
                advance()
                try parseLikeSource(into: &relation)
            } else if at(.as), relation.source == nil, relation.columns.isEmpty {
                advance()
                try expectQuery()
                relation.source = .query(try parseQuery())
            } else {
                try expectEnd()
            }
        }
        return relation
    }

    /// `COMMENT 'text'` is taken and not kept.
    mutating func passComment() {
        if atWord("COMMENT"), peek(1).kind == .string {
            advance()
            advance()
        }
    }

    /// `LIKE name [(EXCLUDING ALL | EXCLUDING OPTIONS | INCLUDING ALL)]`.
    @inline(never)
    private mutating func parseLikeSource(into relation: inout CreateRelation) throws(SQLError) {
        let name = try parseQualifiedName("a stream or table name")
        var part = CreateRelation.LikePart.everything
        let hasParentheses = at(.leftParenthesis)
        if hasParentheses { advance() }
        while atWord("INCLUDING") || atWord("EXCLUDING") || atWord("OVERWRITING") {
            let start = current.span
            let word = current.text.uppercased()
            advance()
            switch (word, atWord("OPTIONS"), at(.all)) {
            case ("EXCLUDING", true, _): part = part == .columns ? .columns : .withoutOptions
            case ("EXCLUDING", _, true): part = .columns
            case ("INCLUDING", true, _), ("INCLUDING", _, true), ("OVERWRITING", true, _): break
            default:
                throw SQLError(
                    "only ALL and OPTIONS can be included or excluded", at: span(from: start), code: SQLError.featureNotSupported)
            }
            advance()
        }
        if hasParentheses { try expect(.rightParenthesis) }
        relation.source = .like(name, part)
    }

    /// `DISTRIBUTED [BY [HASH] (columns)] INTO n BUCKETS`, Flink's words for PARTITION BY and SHARDS.
    @inline(never)
    private mutating func parseDistribution(into relation: inout CreateRelation) throws(SQLError) {
        advance()
        if accept(.by) {
            if atWord("HASH") { advance() }
            relation.partitionBy = try parseIdentifierList("a column name")
        }
        if accept(.into) {
            relation.shards = try parseShardCount()
            guard atWord("BUCKETS") else {
                note("BUCKETS")
                throw unexpected()
            }
            advance()
        }
    }

    @inline(never)
    private func once(_ keyword: Keyword, _ shown: String, _ seen: inout Set<Keyword>, _ token: Token) throws(SQLError) {
        guard seen.insert(keyword).inserted else { throw SQLError("\(shown) is given twice", at: token.span) }
    }

    /// One element between the parentheses: a column, the watermark, or the primary key.
    @inline(never)
    private mutating func parseColumnElement(into relation: inout CreateRelation) throws(SQLError) {
        let start = current.span
        if at(.watermark), isNext(.for) {
            advance()
            advance()
            let column = try parseIdentifier("a column name")
            try expect(.as)
            let clause = WatermarkClause(column: column, expression: try parseExpression(), span: span(from: start))
            guard relation.watermark == nil else { throw SQLError("WATERMARK is given twice", at: start) }
            relation.watermark = clause
            return
        }
        if atWord("CONSTRAINT"), peek(2).keyword == .primary, peek(3).keyword == .key {
            advance()
            advance()
        }
        if at(.primary), isNext(.key) {
            advance()
            advance()
            let key = try parseIdentifierList("a column name")
            try acceptNotEnforced()
            try setPrimaryKey(key, at: start, in: &relation)
            return
        }
        note(.watermark)
        note("PRIMARY KEY", .primary)
        if at(.rightParenthesis), index > 0, tokens[index - 1].symbol == .comma {
            note("a column name")
            throw unexpected(hint: "is there a comma too many before \")\"?")
        }
        if at(.watermark), isName(peek(1)), peek(2).keyword == .as {
            throw SQLError(
                "expected FOR, found \(Self.describe(peek(1)))", at: peek(1).span, hint: "WATERMARK FOR \(peek(1).text) AS \(peek(1).text) - INTERVAL '5' SECOND")
        }
        let name = try parseIdentifier("a column name")
        if accept(.as) {
            relation.columns.append(ColumnClause(name: name, kind: .computed(try parseExpression()), span: span(from: start)))
            passComment()
            return
        }
        let type = try parseTypeName()
        var isNotNull = false
        while true {
            if at(.not), isNext(.null) {
                advance()
                advance()
                isNotNull = true
            } else if accept(.primary, shown: "PRIMARY KEY") {
                let keyStart = previousSpan
                try expect(.key)
                try acceptNotEnforced()
                try setPrimaryKey([name], at: keyStart, in: &relation)
            } else if !accept(.null) {
                note("NOT NULL", .not)
                break
            }
        }
        if atWord("METADATA") {
            throw SQLError(
                "METADATA columns are not supported", at: current.span,
                hint: "what a record carries beside its value must be a column of its own", code: SQLError.featureNotSupported)
        }
        passComment()
        relation.columns.append(
            ColumnClause(name: name, kind: .physical(type, isNotNull: isNotNull), span: span(from: start)))
    }

    @inline(never)
    private mutating func acceptNotEnforced() throws(SQLError) {
        guard at(.not), !isNext(.null) else { return }
        advance()
        try expect(.enforced)
    }

    @inline(never)
    private func setPrimaryKey(_ key: [Identifier], at span: SourceSpan, in relation: inout CreateRelation) throws(SQLError) {
        guard relation.primaryKey.isEmpty else { throw SQLError("PRIMARY KEY is given twice", at: span) }
        relation.primaryKey = key
    }

    /// `a, b` and `(a, b)`.
    @inline(never)
    private mutating func parsePartitionColumns() throws(SQLError) -> [Identifier] {
        if at(.leftParenthesis) { return try parseIdentifierList("a column name") }
        var names: [Identifier] = []
        repeat {
            names.append(try parseIdentifier("a column name"))
            try checkCount(names.count)
        } while accept(.comma)
        return names
    }

    @inline(never)
    private mutating func parseShardCount() throws(SQLError) -> Expression { try parseShardNumber("a number of shards") }

    mutating func parseShardNumber(_ what: String) throws(SQLError) -> Expression {
        guard current.kind == .integer else {
            note(what)
            throw unexpected()
        }
        let token = current
        advance()
        return Expression(.literal(.integer(token.text)), span: token.span)
    }

    /// `INTERVAL '7' DAY`, `'10 GB'`, or both with a comma.
    @inline(never)
    private mutating func parseRetention() throws(SQLError) -> [Expression] {
        var limits: [Expression] = []
        repeat {
            // A literal and nothing else: what is printed begins with one again.
            guard current.kind == .string || at(.interval) && startsInterval() else {
                note("an interval", .interval)
                note("a size such as '10 GB'")
                throw unexpected()
            }
            limits.append(try parsePrimary())
            try checkCount(limits.count, max: 2, what: "limits in RETAIN")
        } while accept(.comma)
        return limits
    }

    // MARK: Options

    /// Behind WITH: `(connector = 'file', 'path' = 'x', rate = 5)`.
    @inline(never)
    mutating func parseOptions() throws(SQLError) -> [Option] {
        try expect(.leftParenthesis)
        var options: [Option] = []
        var keys: Set<String> = []
        if accept(.rightParenthesis) { return [] }
        repeat {
            let option = try parseOption()
            guard keys.insert(option.key.lowercased()).inserted else {
                throw SQLError("option \"\(option.key)\" is given twice", at: option.keySpan)
            }
            options.append(option)
            try checkCount(options.count)
        } while accept(.comma)
        try expect(.rightParenthesis)
        return options
    }

    @inline(never)
    private mutating func parseOption() throws(SQLError) -> Option {
        let keyStart = current.span
        var key = ""
        if current.kind == .string {
            key = current.text
            guard !key.isEmpty else { throw SQLError("an option's name cannot be empty", at: keyStart) }
            advance()
        } else {
            key = try parseLabel("an option name").name
            while at(.dot) {
                advance()
                key += "." + (try parseLabel("an option name").name)
            }
        }
        let keySpan = span(from: keyStart)
        if at(.minus) {
            throw SQLError(
                "expected \"=\", found \"-\"", at: current.span, hint: "a name with a hyphen is quoted: '\(key)-...' = ...")
        }
        try expect(.equal)
        let (value, valueSpan) = try parseOptionValue()
        return Option(key: key, value: value, keySpan: keySpan, valueSpan: valueSpan)
    }

    @inline(never)
    private mutating func parseOptionValue() throws(SQLError) -> (String, SourceSpan) {
        let start = current.span
        var sign = ""
        if at(.minus) || at(.plus) {
            sign = at(.minus) ? "-" : ""
            advance()
        }
        let token = current
        switch token.kind {
        case .integer, .decimal, .double:
            advance()
            return (sign + token.text, span(from: start))
        case .string, .word, .quotedWord:
            guard sign.isEmpty else { break }
            advance()
            return (token.text, token.span)
        default:
            break
        }
        note("a value: a string, a number or a word")
        throw unexpected()
    }
}
