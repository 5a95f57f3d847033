// Parser+TypeName: types in the spellings of PostgreSQL, Flink and Kinesis Data Analytics.
//
// Type names are no keywords: they mean something only where a type is expected. `spellings` is the whole list; a test checks that
// each appears in `grammar/types.ebnf`.

extension StatementParser {
    /// What a type's first word begins.
    enum TypeFamily {
        case plain(TypeName.Kind)
        case double, decimal, characters, varyingCharacters, bytes, time, timestamp, timestampWithZone, interval, array, map, row
    }

    static let typeFamilies: [String: TypeFamily] = [
        "BOOLEAN": .plain(.boolean), "BOOL": .plain(.boolean),
        "TINYINT": .plain(.smallint), "SMALLINT": .plain(.smallint), "INT2": .plain(.smallint),
        "INT": .plain(.integer), "INTEGER": .plain(.integer), "INT4": .plain(.integer),
        "BIGINT": .plain(.bigint), "INT8": .plain(.bigint),
        "REAL": .plain(.real), "FLOAT4": .plain(.real),
        "DOUBLE": .double, "FLOAT8": .plain(.double), "FLOAT": .plain(.double),
        "DECIMAL": .decimal, "NUMERIC": .decimal, "DEC": .decimal,
        "VARCHAR": .varyingCharacters, "TEXT": .plain(.varchar(length: nil)), "STRING": .plain(.varchar(length: nil)),
        "CHAR": .characters, "CHARACTER": .characters,
        "BYTES": .plain(.bytes), "BYTEA": .plain(.bytes), "VARBINARY": .bytes, "BINARY": .bytes,
        "DATE": .plain(.date), "TIME": .time,
        "TIMESTAMP": .timestamp, "TIMESTAMPTZ": .timestampWithZone, "TIMESTAMP_LTZ": .timestampWithZone,
        "INTERVAL": .interval, "ARRAY": .array, "MAP": .map, "ROW": .row,
        "JSON": .plain(.json), "JSONB": .plain(.json),
    ]

    /// Types of PostgreSQL's catalog, which its tables and those who read them speak of; `"char"`, in quotes, is one more. What each appears as in
    /// `grammar/types.ebnf` is tested.
    static let systemTypes: Set<String> = [
        "oid", "name", "regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole", "int2vector", "oidvector", "xid", "pg_node_tree",
    ]

    static func isTypeWord(_ token: Token) -> Bool {
        typeFamilies[token.text.uppercased()] != nil || (token.kind == .word && systemTypes.contains(token.text.lowercased()))
    }

    /// Types of other systems, and what is nearest to them here.
    private static let foreignTypes = [
        "NUMBER": "DECIMAL", "VARCHAR2": "VARCHAR", "NVARCHAR": "VARCHAR", "CLOB": "VARCHAR", "UUID": "VARCHAR", "DATETIME": "TIMESTAMP", "DATETIME2": "TIMESTAMP",
        "INT64": "BIGINT", "INT32": "INT", "LONG": "BIGINT", "UINT64": "DECIMAL(20, 0)", "FLOAT64": "DOUBLE", "FLOAT32": "REAL", "BLOB": "BYTES", "SERIAL": "INT",
        "BIGSERIAL": "BIGINT", "STRUCT": "ROW", "LIST": "ARRAY", "OBJECT": "JSON",
    ]

    @inline(never)
    mutating func parseTypeName() throws(SQLError) -> TypeName {
        try enter()
        let outer = deepest
        deepest = depth
        let start = current.span
        var type = TypeName(try parseTypeKind(), span: span(from: start))
        // `INT ARRAY`, `INT[]`, `INT[][]`.
        while true {
            if at(.array) {
                advance()
            } else if at(.leftBracket), isNext(.rightBracket) {
                advance()
                advance()
            } else {
                break
            }
            try sink()
            type = TypeName(.array(type), span: span(from: start))
        }
        deepest = max(outer, deepest)
        leave()
        return type
    }

    @inline(never)
    private mutating func parseTypeKind() throws(SQLError) -> TypeName.Kind {
        // Types have one schema.
        if atWord("PG_CATALOG"), peek(1).symbol == .dot {
            advance()
            advance()
        }
        let token = current
        let isSystem = token.kind == .word && Self.systemTypes.contains(token.text.lowercased())
        if isSystem || (token.kind == .quotedWord && token.text == "char") {
            advance()
            return .system(token.text.lowercased())
        }
        guard token.kind == .word, let family = Self.typeFamilies[token.text.uppercased()] else {
            if token.kind == .word || token.kind == .quotedWord, isName(token) {
                let nearest = Self.foreignTypes[token.text.uppercased()] ?? NearestName.find(token.text, among: Self.typeFamilies.keys.sorted())
                throw SQLError(
                    "type \"\(token.text)\" does not exist", at: token.span, hint: nearest.map { "did you mean \($0)?" },
                    code: SQLError.undefinedObject)
            }
            forgetExpectations()
            note("a type")
            throw unexpected()
        }
        advance()
        switch family {
        case .plain(let kind): return kind
        case .double:
            if at(.precision) { advance() }
            return .double
        case .decimal: return try parseDecimal()
        case .characters:
            if at(.varying) {
                advance()
                return .varchar(length: try acceptLength())
            }
            return .char(length: try acceptLength())
        case .varyingCharacters: return .varchar(length: try acceptLength())
        case .bytes:
            _ = try acceptLength()
            return .bytes
        case .time: return try parseTime()
        case .timestamp:
            let precision = try acceptLength()
            return .timestamp(precision: precision, hasTimeZone: try acceptTimeZone())
        case .timestampWithZone: return .timestamp(precision: try acceptLength(), hasTimeZone: true)
        case .interval:
            if try acceptIntervalField() != nil, at(.to), intervalField(peek(1)) != nil {
                advance()
                _ = try acceptIntervalField()
            }
            return .interval
        case .array:
            try expect(.less)
            let element = try parseTypeName()
            try acceptNullability()
            guard acceptClosingAngle() else { throw unexpected() }
            return .array(element)
        case .map:
            try expect(.less)
            let key = try parseTypeName()
            try acceptNullability()
            try expect(.comma)
            let value = try parseTypeName()
            try acceptNullability()
            guard acceptClosingAngle() else { throw unexpected() }
            return .map(key, value)
        case .row: return .row(try parseRowFields())
        }
    }

    @inline(never)
    private mutating func parseDecimal() throws(SQLError) -> TypeName.Kind {
        guard accept(.leftParenthesis) else { return .decimal(precision: nil, scale: nil) }
        let precision = try parseLength("a precision")
        let scale = accept(.comma) ? try parseLength("a scale") : nil
        try expect(.rightParenthesis)
        return .decimal(precision: precision, scale: scale)
    }

    @inline(never)
    private mutating func parseTime() throws(SQLError) -> TypeName.Kind {
        let precision = try acceptLength()
        let zone = current.span
        if try acceptTimeZone() {
            throw SQLError(
                "TIME WITH TIME ZONE is not supported", at: span(from: zone), hint: "use TIME, or TIMESTAMP WITH TIME ZONE",
                code: SQLError.featureNotSupported)
        }
        return .time(precision: precision)
    }

    /// `WITH [LOCAL] TIME ZONE` is true, `WITHOUT TIME ZONE` and nothing are false. WITH may belong to what follows.
    @inline(never)
    private mutating func acceptTimeZone() throws(SQLError) -> Bool {
        let isLocal = isNext(.local)
        guard at(.with) || at(.without), isLocal || isNext(.time) else { return false }
        let hasTimeZone = at(.with)
        advance()
        if isLocal { advance() }
        try expect(.time)
        try expect(.zone)
        return hasTimeZone
    }

    /// `NOT NULL` within a nested type says nothing that is kept.
    @inline(never)
    private mutating func acceptNullability() throws(SQLError) {
        if at(.not) {
            advance()
            try expect(.null)
        } else if at(.null) {
            advance()
        }
    }

    @inline(never)
    private mutating func acceptLength() throws(SQLError) -> Int? {
        guard at(.leftParenthesis) else { return nil }
        advance()
        let length = try parseLength("a length")
        try expect(.rightParenthesis)
        return length
    }

    @inline(never)
    private mutating func parseLength(_ what: String) throws(SQLError) -> Int {
        let token = current
        guard token.kind == .integer else {
            note(what)
            throw unexpected()
        }
        guard let value = Int(token.text), value <= Int(Int32.max) else {
            throw SQLError("\(what) cannot be \(Lexer.shortened(token.text))", at: token.span, code: SQLError.numericOutOfRange)
        }
        advance()
        return value
    }

    /// `<a INT, b VARCHAR>`, `(a INT, b VARCHAR)`.
    @inline(never)
    private mutating func parseRowFields() throws(SQLError) -> [TypeName.RowField] {
        let isAngled = at(.less)
        if isAngled {
            advance()
        } else {
            note("\"<\"")
            try expect(.leftParenthesis)
        }
        var fields: [TypeName.RowField] = []
        repeat {
            let name = try parseIdentifier("a field name")
            fields.append(TypeName.RowField(name: name, type: try parseTypeName()))
            try acceptNullability()
            try checkCount(fields.count)
        } while accept(.comma)
        if isAngled {
            guard acceptClosingAngle() else { throw unexpected() }
        } else {
            try expect(.rightParenthesis)
        }
        return fields
    }
}
