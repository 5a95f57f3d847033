// Parser+Call: function calls with all that may hang on them, and the special forms that become plain calls.
//
//     SUBSTRING(s FROM 2 FOR 3)       substring(s, 2, 3)
//     POSITION(a IN b)                position(a, b)
//     TRIM(BOTH 'x' FROM s)           btrim(s, 'x'); LEADING ltrim, TRAILING rtrim; TRIM(s) stays a plain call
//     OVERLAY(s PLACING r FROM 2)     overlay(s, r, 2)
//     FLOOR(ts TO DAY), CEIL          floor(ts, 'DAY')
//     TIMESTAMPADD(HOUR, 1, ts)       timestampadd('HOUR', 1, ts); TIMESTAMPDIFF
//     STEP(ts BY INTERVAL ..)         step(ts, INTERVAL ..)
//     SESSION(TABLE bid PARTITION BY a, ..)   session(TABLE bid, .., partition_by => DESCRIPTOR(a))
//     JSON_VALUE(..) and its kin              see `Parser+JSON`

extension StatementParser {
    /// At the opening parenthesis.
    @inline(never)
    mutating func parseCall(_ name: QualifiedName) throws(SQLError) -> Expression {
        let call = try parseCallTail(name, isTableFunction: false)
        return Expression(.call(call), span: span(from: name.span))
    }

    /// The name of a table function within `TABLE( )`.
    @inline(never)
    mutating func parseFunctionName() throws(SQLError) -> QualifiedName {
        let name = try parseQualifiedName("a table function's name")
        guard at(.leftParenthesis) else {
            note("\"(\"")
            throw unexpected()
        }
        return name
    }

    /// From the opening parenthesis to the end of what belongs to the call.
    @inline(never)
    mutating func parseCallTail(_ name: QualifiedName, isTableFunction: Bool) throws(SQLError) -> FunctionCall {
        try enter(Self.callLevels)
        var call = FunctionCall(name: name, arguments: [], argumentNames: [])
        try expect(.leftParenthesis)
        if !accept(.rightParenthesis) {
            if accept(.distinct) {
                call.isDistinct = true
            } else {
                _ = accept(.all)
            }
            try parseArguments(into: &call)
            if at(.ignore) || at(.respect), isNext(.nulls) { try parseNullTreatment(into: &call) }
            if accept(.order, shown: "ORDER BY") {
                try expect(.by)
                call.orderBy = try parseOrderItems()
                if name.last.name.lowercased().hasPrefix("json_") { try parseJSONClauses(into: &call) }
            }
            try expect(.rightParenthesis)
        }
        if !isTableFunction { try parseCallSuffixes(into: &call) }
        leave(Self.callLevels)
        return call
    }

    /// `WITHIN GROUP (ORDER BY ..)`, `FILTER (WHERE ..)`, `IGNORE NULLS`, `OVER ..`.
    @inline(never)
    private mutating func parseCallSuffixes(into call: inout FunctionCall) throws(SQLError) {
        if at(.within), isNext(.group) {
            advance()
            advance()
            try expect(.leftParenthesis)
            try expect(.order, shown: "ORDER BY")
            try expect(.by)
            call.withinGroup = try parseOrderItems()
            try expect(.rightParenthesis)
        }
        if at(.filter), isNext(.leftParenthesis) {
            advance()
            advance()
            try expect(.where)
            call.filter = try parseExpression()
            try expect(.rightParenthesis)
        }
        if at(.ignore) || at(.respect), isNext(.nulls) { try parseNullTreatment(into: &call) }
        if at(.over), isNext(.leftParenthesis) || isName(peek(1)) {
            advance()
            if at(.leftParenthesis) {
                call.over = .inline(try parseWindowSpecification())
            } else {
                call.over = .named(takeIdentifier())
            }
        }
    }

    private mutating func parseNullTreatment(into call: inout FunctionCall) throws(SQLError) {
        call.ignoresNulls = at(.ignore)
        advance()
        advance()
    }

    // MARK: Arguments

    @inline(never)
    private mutating func parseArguments(into call: inout FunctionCall) throws(SQLError) {
        let keyword = call.name.parts.count == 1 && !call.name.last.isQuoted ? Keyword.find(call.name.last.name) : nil
        if try parseSpecialForm(keyword, into: &call) { return }
        if try parseJSONForm(into: &call) { return }
        var partitionBy: Expression?
        repeat {
            try parseArgument(into: &call, partitionBy: &partitionBy)
            try checkCount(call.arguments.count)
        } while accept(.comma)
        if let partitionBy {
            call.arguments.append(partitionBy)
            call.argumentNames.append(Identifier("partition_by", span: partitionBy.span))
        }
    }

    @inline(never)
    mutating func parseArgument(into call: inout FunctionCall, partitionBy: inout Expression?) throws(SQLError) {
        var argumentName: Identifier?
        if current.kind == .word || current.kind == .quotedWord, isNext(.namedArgument) {
            argumentName = takeIdentifier()
            advance()
        }
        call.argumentNames.append(argumentName)
        if at(.table) {
            call.arguments.append(try parseTableArgument())
            if accept(.partition, shown: "PARTITION BY") { partitionBy = try parsePartitionArgument() }
        } else if at(.descriptor), isNext(.leftParenthesis) {
            let start = current.span
            advance()
            call.arguments.append(Expression(.descriptor(try parseIdentifierList("a column name")), span: span(from: start)))
        } else if let star = try acceptStar() {
            call.arguments.append(star)
        } else {
            call.arguments.append(try parseExpression())
        }
    }

    /// `TABLE bid`, `TABLE (SELECT ..)`.
    @inline(never)
    private mutating func parseTableArgument() throws(SQLError) -> Expression {
        let start = current.span
        advance()
        if at(.leftParenthesis) { return try parseScalarQuery() }
        let name = try parseQualifiedName("a table name")
        return Expression(.tableArgument(name), span: span(from: start))
    }

    /// `PARTITION BY a, b` behind a table argument ends where the next argument begins, so without parentheses it is one column.
    @inline(never)
    private mutating func parsePartitionArgument() throws(SQLError) -> Expression {
        let start = previousSpan
        try expect(.by)
        let columns = at(.leftParenthesis)
            ? try parseIdentifierList("a column name") : [try parseIdentifier("a column name")]
        return Expression(.descriptor(columns), span: span(from: start))
    }

    // MARK: Special forms

    /// Reads the arguments of a call that has a syntax of its own; false when it has none, or when it is written as a plain call.
    @inline(never)
    private mutating func parseSpecialForm(_ keyword: Keyword?, into call: inout FunctionCall) throws(SQLError) -> Bool {
        switch keyword {
        case .trim: return try parseTrim(into: &call)
        case .substring: return try parseForm(into: &call, [.from, .for])
        case .overlay: return try parseForm(into: &call, [.placing, .from, .for])
        case .position: return try parseForm(into: &call, [.in])
        case .step: return try parseForm(into: &call, [.by])
        case .floor, .ceil, .ceiling: return try parseForm(into: &call, [.to])
        case .timestampAdd, .timestampDiff:
            guard current.kind == .word, isNext(.comma) else { return false }
            call.arguments.append(takeUnit())
            call.argumentNames.append(nil)
            advance()
            return false
        default: return false
        }
    }

    /// Arguments parted by keywords. When a comma comes instead, the rest are plain arguments.
    @inline(never)
    private mutating func parseForm(into call: inout FunctionCall, _ separators: [Keyword]) throws(SQLError) -> Bool {
        if current.kind == .word || current.kind == .quotedWord, isNext(.namedArgument) { return false }
        // `POSITION(a IN b)`: within the first argument IN is not the operator.
        call.arguments.append(try parseOperators(separators.contains(.in) ? .other : .or))
        call.argumentNames.append(nil)
        var isForm = false
        for separator in separators where accept(separator) {
            // `SUBSTRING(s FOR 3)` begins at the first character.
            if separator == .for, call.arguments.count == 1, separators.count == 2 {
                call.arguments.append(Expression(.literal(.integer("1")), span: previousSpan))
                call.argumentNames.append(nil)
            }
            isForm = true
            if separator == .to {
                guard intervalField(current) != nil else {
                    note("a unit such as DAY")
                    throw unexpected()
                }
                call.arguments.append(takeUnit())
            } else {
                call.arguments.append(try parseExpression())
            }
            call.argumentNames.append(nil)
        }
        if isForm { return true }
        return !accept(.comma)
    }

    /// The unit as a string literal, in upper case.
    @inline(never)
    private mutating func takeUnit() -> Expression {
        let token = current
        advance()
        return Expression(
            .literal(.string(intervalField(token)?.rawValue.uppercased() ?? token.text.uppercased())), span: token.span)
    }

    /// `TRIM([BOTH|LEADING|TRAILING] [characters] FROM s)`.
    @inline(never)
    private mutating func parseTrim(into call: inout FunctionCall) throws(SQLError) -> Bool {
        var function = "btrim"
        var isForm = true
        if accept(.leading) {
            function = "ltrim"
        } else if accept(.trailing) {
            function = "rtrim"
        } else if !accept(.both) {
            isForm = false
        }
        let characters = at(.from) ? nil : try parseExpression()
        if !isForm, !at(.from) {
            if let characters {
                call.arguments.append(characters)
                call.argumentNames.append(nil)
            }
            return !accept(.comma)
        }
        if accept(.from) {
            call.arguments.append(try parseExpression())
            if let characters { call.arguments.append(characters) }
        } else if let characters {
            // `TRIM(LEADING s)`
            call.arguments.append(characters)
        }
        call.argumentNames = Array(repeating: nil, count: call.arguments.count)
        call.name = QualifiedName([Identifier(function, span: call.name.last.span)], span: call.name.span)
        return true
    }

    // MARK: Windows

    /// `([base] [PARTITION BY ..] [ORDER BY ..] [frame])`.
    @inline(never)
    mutating func parseWindowSpecification() throws(SQLError) -> WindowSpecification {
        try enter()
        let start = current.span
        var window = WindowSpecification(span: start)
        try expect(.leftParenthesis)
        if isName(current), !(at(.partition) && isNext(.by)), !at(.rows), !at(.range), !at(.groups) {
            note(.partition, .order, .rows, .range)
            window.base = takeIdentifier()
        }
        if accept(.partition, shown: "PARTITION BY") {
            try expect(.by)
            window.partitionBy = try parseExpressionList()
        }
        if accept(.order, shown: "ORDER BY") {
            try expect(.by)
            window.orderBy = try parseOrderItems()
        }
        if accept(.rows) {
            window.frame = try parseFrame(.rows)
        } else if accept(.range) {
            window.frame = try parseFrame(.range)
        } else if accept(.groups) {
            window.frame = try parseFrame(.groups)
        }
        try expect(.rightParenthesis)
        window.span = span(from: start)
        leave()
        return window
    }

    @inline(never)
    private mutating func parseFrame(_ unit: WindowFrame.Unit) throws(SQLError) -> WindowFrame {
        var frame: WindowFrame
        if accept(.between) {
            let start = try parseFrameBound()
            try expect(.and)
            frame = WindowFrame(unit: unit, start: start, end: try parseFrameBound())
        } else {
            frame = WindowFrame(unit: unit, start: try parseFrameBound(), end: nil)
        }
        if at(.exclude) {
            throw SQLError(
                "EXCLUDE in a window frame is not supported yet", at: current.span,
                hint: "end the frame before the rows that are not wanted, e.g. ROWS BETWEEN 5 PRECEDING AND 1 PRECEDING",
                code: SQLError.featureNotSupported)
        }
        return frame
    }

    @inline(never)
    private mutating func parseFrameBound() throws(SQLError) -> WindowFrame.Bound {
        if at(.unbounded), isNext(.preceding) || isNext(.following) {
            advance()
            let isPreceding = at(.preceding)
            advance()
            return isPreceding ? .unboundedPreceding : .unboundedFollowing
        }
        if at(.current), isNext(.row) {
            advance()
            advance()
            return .currentRow
        }
        note(.unbounded)
        note("CURRENT ROW", .current)
        let offset = try parseOperators(.other)
        if accept(.preceding) { return .preceding(offset) }
        try expect(.following)
        return .following(offset)
    }
}
