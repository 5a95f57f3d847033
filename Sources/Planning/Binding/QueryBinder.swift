// QueryBinder: a query's tree to a logical plan. This file holds what surrounds SELECT: WITH, set operations, VALUES, LIMIT; the
// other two hold SELECT itself and FROM.
//
// A query is bound from the inside out: FROM gives a plan and the names over it, each clause adds a node. Views and WITH queries are
// bound where they are used, so a plan is a tree and never shares a node. What keeps hostile text from growing that tree
// without bound: queries nest at most `depthMax` levels, views included, and a statement's plan has at most `nodesMax` nodes.

import Columns
import Syntax

/// A query, bound: its plan and what its columns are called.
struct BoundQuery {
    var plan: LogicalPlan
    var fields: [SQLType.Field]
    /// Where each column was written.
    var spans: [SourceSpan]
}

/// A WITH query and those that it can see.
final class CommonTableScope {
    let name: String
    let query: BoundQuery
    let outer: CommonTableScope?

    init(name: String, query: BoundQuery, outer: CommonTableScope?) {
        self.name = name
        self.query = query
        self.outer = outer
    }
}

/// What a query inherits from the one around it.
struct QueryContext {
    var commonTables: CommonTableScope?
    var emit: EmitClause?
    var isTopLevel = false
    var alertItems: [AlertItem] = []
    var alertProbe: AlertProbe?
    /// Of the SELECT whose FROM is being bound: microseconds by table.
    var stateTTL: [String: Int64] = [:]
}

final class QueryBinder {
    static let depthMax = 64
    static let nodesMax = 20_000

    let catalog: any Catalog
    let mode: RunMode
    let latenessMicroseconds: Int64
    var viewStack: [String] = []
    /// The versions of an upsert stream are wanted, in event time, not the relation that they make (see UpsertScan).
    var readsVersions = false
    /// What a rule adds to the select list of the statement's SELECT, and who wants to know what that is.
    var alertItems: [AlertItem] = []
    var alertProbe: AlertProbe?
    private var depth = 0
    private var nodes = 0

    init(catalog: any Catalog, mode: RunMode, latenessMicroseconds: Int64 = 0) {
        self.catalog = catalog
        self.mode = mode
        self.latenessMicroseconds = mode == .continuous ? latenessMicroseconds : 0
    }

    /// `targets` are the types of the columns that a VALUES list is inserted into.
    func bindStatement(_ query: Query, targets: [InsertTarget]? = nil) throws(SQLError) -> BoundQuery {
        var bound = try bind(query, QueryContext(isTopLevel: true), targets: targets)
        // A NULL that nothing gave a type is a text, as in PostgreSQL.
        if targets == nil, bound.fields.contains(where: { $0.type == .null }) {
            let types = bound.fields.map { $0.type == .null ? SQLType.text : $0.type }
            bound.plan = try bound.casting(to: types, mode: .explicit)
            for index in types.indices { bound.fields[index].type = types[index] }
        }
        return bound
    }

    func bind(_ query: Query, _ outer: QueryContext, targets: [InsertTarget]? = nil) throws(SQLError) -> BoundQuery {
        try enter(query)
        defer { depth -= 1 }
        if let start = query.startFrom {
            guard outer.isTopLevel else {
                throw SQLError(
                    "START FROM can only end the whole statement", at: query.span, hint: "it holds for every stream the query reads",
                    code: SQLError.featureNotSupported)
            }
            try check(start)
        }
        var context = outer
        context.isTopLevel = false
        if outer.isTopLevel { (context.alertItems, context.alertProbe) = (alertItems, alertProbe) }
        context.stateTTL = [:]
        context.emit = query.emit ?? outer.emit
        if query.isRecursive, let table = query.with.first(where: { $0.query.reads($0.name) }) {
            throw SQLError(
                "WITH RECURSIVE over streams and tables is not supported", at: table.name.span,
                hint: "a table that reads itself can be evaluated over the relations of pg_catalog and information_schema only",
                code: SQLError.featureNotSupported)
        }
        try bindCommonTables(query.with, &context)

        let bound: BoundQuery
        switch query.body {
        case .select(let select): bound = try bindSelect(select, query, context)
        case .values(let rows, let span): bound = try bindTail(query, over: try bindValues(rows, span: span, targets: targets))
        case .setOperation: bound = try bindTail(query, over: try bindSetOperation(query, context))
        }
        return bound
    }

    private func enter(_ query: Query) throws(SQLError) {
        depth += 1
        if depth > Self.depthMax {
            depth -= 1
            throw SQLError(
                "queries are nested more than \(Self.depthMax) levels deep", at: query.span,
                hint: viewStack.isEmpty ? nil : "views count as levels", code: SQLError.programLimitExceeded)
        }
    }

    /// A level of nesting that is not bound as a query of its own.
    func nested<Result>(_ query: Query, _ body: () throws(SQLError) -> Result) throws(SQLError) -> Result {
        try enter(query)
        defer { depth -= 1 }
        return try body()
    }

    /// Counts a node, or a plan used once more, against the limit.
    func count(_ added: Int, span: SourceSpan) throws(SQLError) {
        nodes += added
        if nodes > Self.nodesMax {
            throw SQLError(
                "the query is too large: its plan has more than \(Self.nodesMax) steps", at: span,
                hint: "each use of a view or a WITH query counts in full", code: SQLError.programLimitExceeded)
        }
    }

    private func check(_ start: StartPosition) throws(SQLError) {
        guard case .time(let expression) = start else { return }
        let bound = try ExpressionBinder(scope: Scope(), clause: .constant("START FROM")).bind(expression)
        guard bound.type.isTimestamp else {
            throw SQLError(
                "START FROM needs a TIMESTAMP, not \(bound.type.name)", at: expression.span,
                hint: "for example START FROM TIMESTAMP '2026-01-01 00:00:00'", code: SQLError.datatypeMismatch)
        }
    }

    // MARK: WITH

    private func bindCommonTables(_ tables: [CommonTable], _ context: inout QueryContext) throws(SQLError) {
        var names: Set<String> = []
        for table in tables {
            guard names.insert(table.name.name).inserted else {
                throw SQLError(
                    "WITH query name \"\(table.name.name)\" specified more than once", at: table.name.span, code: "42712")
            }
            var query = try bind(table.query, context)
            try rename(&query.fields, table.columns, table: table.name.name, span: table.name.span)
            context.commonTables = CommonTableScope(name: table.name.name, query: query, outer: context.commonTables)
        }
    }

    func commonTable(_ identifier: Identifier, _ context: QueryContext) -> BoundQuery? {
        for exact in [true, false] {
            var scope = context.commonTables
            while let table = scope {
                if exact ? table.name == identifier.name : table.name.lowercased() == identifier.name.lowercased() {
                    return table.query
                }
                scope = table.outer
            }
        }
        return nil
    }

    func commonTableNames(_ context: QueryContext) -> [String] {
        var names: [String] = []
        var scope = context.commonTables
        while let table = scope {
            names.append(table.name)
            scope = table.outer
        }
        return names
    }

    /// `AS t(a, b)`: gives the first columns other names.
    func rename(_ fields: inout [SQLType.Field], _ names: [Identifier], table: String, span: SourceSpan) throws(SQLError) {
        if names.count > fields.count {
            throw SQLError(
                "table \"\(table)\" has \(fields.count) columns available but \(names.count) columns specified",
                at: names[fields.count].span, code: "42P10")
        }
        for (index, name) in names.enumerated() { fields[index].name = name.name }
    }

    // MARK: VALUES

    private func bindValues(_ rows: [[Expression]], span: SourceSpan, targets: [InsertTarget]?) throws(SQLError) -> BoundQuery {
        let binder = ExpressionBinder(scope: Scope(), clause: .values)
        var bound: [[BoundExpression]] = []
        let width = rows.first?.count ?? 0
        for row in rows {
            if row.count != width {
                throw SQLError(
                    "VALUES lists must all be the same length", at: row.first?.span ?? span,
                    hint: "this one has \(row.count) values, the first has \(width)", code: SQLError.syntaxError)
            }
            var values: [BoundExpression] = []
            for (index, expression) in row.enumerated() {
                let value = try binder.bind(expression)
                if let targets, index < targets.count {
                    values.append(try targets[index].assign(value, span: expression.span))
                } else {
                    values.append(value)
                }
            }
            bound.append(values)
        }
        var fields: [SQLType.Field] = []
        for column in 0..<width {
            let unified = try ExpressionTyping.unify(bound.map { $0[column] }, what: "VALUES")
            for row in bound.indices { bound[row][column] = unified[row] }
            fields.append(SQLType.Field(name: "column\(column + 1)", type: unified.first?.type ?? .null))
        }
        try count(1, span: span)
        return BoundQuery(
            plan: .values(bound, fields), fields: fields, spans: (rows.first ?? []).map(\.span))
    }

    // MARK: ORDER BY and LIMIT of a query that is not a SELECT

    private func bindTail(_ query: Query, over bound: BoundQuery) throws(SQLError) -> BoundQuery {
        var result = bound
        let scope = Scope(table: nil, fields: bound.fields)
        var keys: [SortNode.Key] = []
        var hidden: [LogicalColumn] = []
        for item in query.orderBy {
            let column: Int
            if let ordinal = try ordinal(item.expression, count: bound.fields.count, clause: "ORDER BY") {
                column = ordinal
            } else {
                let expression = try ExpressionBinder(scope: scope, clause: .orderBy).bind(item.expression)
                if let plain = expression.plainColumn {
                    column = plain
                } else {
                    column = bound.fields.count + hidden.count
                    hidden.append(LogicalColumn(expression: expression, name: Printer.print(item.expression)))
                }
            }
            keys.append(SortNode.Key(item, column: column))
        }
        if !hidden.isEmpty { result.plan = .project(result.plan, LogicalPlan.passing(bound.fields) + hidden) }
        result.plan = try order(result.plan, keys, query)
        if !hidden.isEmpty { result.plan = .project(result.plan, LogicalPlan.passing(bound.fields)) }
        return result
    }

    /// Adds ORDER BY, LIMIT and OFFSET.
    func order(_ plan: LogicalPlan, _ keys: [SortNode.Key], _ query: Query) throws(SQLError) -> LogicalPlan {
        let limit = try query.limit.flatMap { (expression) throws(SQLError) in try rowCount(expression, "LIMIT") }
        let offset = try query.offset.flatMap { (expression) throws(SQLError) in try rowCount(expression, "OFFSET") } ?? 0
        let isTopRows = mode == .continuous && !keys.isEmpty && limit != nil
        if let expression = query.limit ?? query.offset, !isTopRows, depth > 1, limit != nil || offset > 0, plan.retracts(mode: mode) {
            throw SQLError(
                "LIMIT in a subquery over an input that retracts rows is not supported yet", at: expression.span,
                hint: "put LIMIT at the end of the statement", code: SQLError.featureNotSupported)
        }
        if let first = query.orderBy.first, !keys.isEmpty {
            let span = query.orderBy.reduce(first.expression.span) { $0.union($1.expression.span) }
            if mode == .continuous, !isTopRows {
                throw SQLError(
                    "ORDER BY needs an input that ends; this query goes on", at: span,
                    hint: "add LIMIT n to follow the first n rows, leave ORDER BY out, or ask with a plain SELECT (without STREAM, EMIT CHANGES or INSERT INTO) for what is there now",
                    code: SQLError.featureNotSupported)
            }
            return .sort(plan, LogicalSort(keys: keys, limit: limit, offset: offset, span: span))
        }
        return limit == nil && offset == 0 ? plan : .limit(plan, count: limit, offset: offset)
    }

    /// nil for LIMIT ALL and LIMIT NULL.
    private func rowCount(_ expression: Expression, _ clause: String) throws(SQLError) -> Int? {
        let bound = try ExpressionBinder(scope: Scope(), clause: .constant("argument of \(clause)")).bind(expression)
        switch bound.constantValue {
        case .null?:
            ParameterTypes.current?.note(bound.span, .bigint)
            return nil
        case .integer(let value)? where bound.type.isInteger:
            guard value >= 0 else {
                throw SQLError("\(clause) must not be negative", at: expression.span, code: "2201W")
            }
            return Int(value)
        case .decimal?:
            throw SQLError(
                "\(clause) must be an integer from 0 to \(Int64.max)", at: expression.span, code: SQLError.numericOutOfRange)
        default:
            throw SQLError(
                "argument of \(clause) must be an integer constant", at: expression.span, code: SQLError.datatypeMismatch)
        }
    }

    /// The column that `ORDER BY 2` or `GROUP BY 2` names, from 0; nil when the expression is not an integer literal.
    func ordinal(_ expression: Expression, count: Int, clause: String) throws(SQLError) -> Int? {
        guard case .literal(.integer(let digits)) = expression.kind else { return nil }
        guard let position = Int(digits), position >= 1, position <= count else {
            throw SQLError(
                "\(clause) position \(digits) is not in select list", at: expression.span,
                hint: count == 1 ? "the select list has one column" : "the select list has \(count) columns", code: "42P10")
        }
        return position - 1
    }
}

extension Query {
    /// Whether anything stands around the body.
    var hasClauses: Bool {
        !with.isEmpty || !orderBy.isEmpty || limit != nil || offset != nil || emit != nil || startFrom != nil
    }

    /// Whether the text asks for a query that goes on.
    var isContinuous: Bool {
        if emit == .changes { return true }
        switch body {
        case .select(let select): return select.isStream
        case .setOperation(_, _, let left, let right, _): return left.isContinuous || right.isContinuous
        case .values: return false
        }
    }
}

extension SortNode.Key {
    /// PostgreSQL: NULLs come last when ascending, first when descending.
    init(_ item: OrderItem, column: Int) {
        self.init(column: column, isDescending: item.isDescending, nullsFirst: item.nullsFirst ?? item.isDescending)
    }
}

extension BoundQuery {
    /// A column as an expression: what the top projection says, so that constants are known as such.
    func output(_ column: Int) -> BoundExpression {
        let span = column < spans.count ? spans[column] : .none
        var result = BoundExpression.column(column, fields[column].type, span: span)
        if case .project(_, let columns) = plan, column < columns.count, columns[column].expression.constantValue != nil {
            result = columns[column].expression
        } else if case .values(let rows, _) = plan, rows.count == 1, column < rows[0].count, rows[0][column].constantValue != nil {
            result = rows[0][column]
        }
        result.span = span
        return result
    }

    /// The plan with its columns cast. Casts go into the top projection, so that constants are converted here and now.
    func casting(to types: [SQLType], mode: CastMode) throws(SQLError) -> LogicalPlan {
        if zip(fields, types).allSatisfy({ $0.type == $1 }) { return plan }
        var columns: [LogicalColumn]
        let input: LogicalPlan
        if case .project(let inner, let projected) = plan {
            (input, columns) = (inner, projected)
        } else {
            (input, columns) = (plan, LogicalPlan.passing(fields))
        }
        for index in columns.indices where index < types.count {
            let span = index < spans.count ? spans[index] : .none
            let expression = columns[index].expression
            columns[index].expression = try ExpressionTyping.cast(
                expression, to: types[index], mode: mode, span: span,
                text: expression.text.isEmpty ? columns[index].name : expression.text)
        }
        return .project(input, columns)
    }
}

extension Query {
    /// Whether a table of that name stands in FROM somewhere.
    fileprivate func reads(_ name: Identifier) -> Bool {
        with.contains { $0.query.reads(name) } || body.reads(name)
    }
}

extension QueryBody {
    fileprivate func reads(_ name: Identifier) -> Bool {
        switch self {
        case .select(let select): select.from.contains { $0.reads(name) }
        case .setOperation(_, _, let left, let right, _): left.reads(name) || right.reads(name)
        case .values: false
        }
    }
}

extension TableExpression {
    fileprivate func reads(_ name: Identifier) -> Bool {
        switch kind {
        case .name(let table, _): table.parts.count == 1 && table.last.name.lowercased() == name.name.lowercased()
        case .query(let query): query.reads(name)
        case .join(_, let left, let right, _): left.reads(name) || right.reads(name)
        case .match(let input, _), .lateral(let input): input.reads(name)
        case .function, .unnest: false
        }
    }
}
