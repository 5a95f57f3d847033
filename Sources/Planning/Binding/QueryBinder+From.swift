// QueryBinder+From: what stands in FROM: streams, tables, views, WITH queries, subqueries, window table functions.
//
// A relation is a scan of its physical columns; above it a projection with the computed columns, when there are any; above that, in a
// continuous query, its watermark.

import Columns
import Syntax

/// A table of FROM: a plan, and names over its columns.
struct BoundTable {
    var plan: LogicalPlan
    var scope: Scope
}

extension QueryBinder {
    func bindFrom(_ tables: [TableExpression], _ context: QueryContext) throws(SQLError) -> BoundTable {
        guard let first = tables.first else { return BoundTable(plan: .values([[]], []), scope: Scope()) }
        var bound = try bindTable(first, context)
        for table in tables.dropFirst() { bound = try bindJoin(.cross, bound, table, .none, context) }
        return bound
    }

    func bindTable(_ table: TableExpression, _ context: QueryContext) throws(SQLError) -> BoundTable {
        try count(1, span: table.span)
        switch table.kind {
        case .name(let name, let asOf):
            if let asOf {
                throw SQLError(
                    "FOR SYSTEM_TIME AS OF needs a join", at: asOf.span,
                    hint: "the table whose versions are looked up stands to the right of JOIN, as in "
                        + "orders AS o JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency",
                    code: SQLError.featureNotSupported)
            }
            return try aliased(try bindName(name, context), table, name: name.last.name)
        case .query(let query): return try aliased(try bind(query, context), table, name: nil)
        case .function(let call): return try bindTableFunction(call, table, context)
        case .join(let kind, let left, let right, let condition):
            let joined = try bindJoin(kind, try bindTable(left, context), right, condition, context)
            return try aliased(joined, table)
        case .unnest: return try bindUnnest(table, over: BoundTable(plan: .values([[]], []), scope: Scope()), keepsEmpty: false)
        case .lateral where isUnnest(table):
            return try bindUnnest(table, over: BoundTable(plan: .values([[]], []), scope: Scope()), keepsEmpty: false)
        case .lateral(var inner):
            // The alias stands outside; what is inside cannot see the tables before it.
            if inner.alias == nil { (inner.alias, inner.columnAliases) = (table.alias, table.columnAliases) }
            return try bindTable(inner, context)
        case .match(let input, let clause): return try bindMatch(input, clause, table, context)
        }
    }

    func aliased(_ query: BoundQuery, _ table: TableExpression, name: String?) throws(SQLError) -> BoundTable {
        var fields = query.fields
        let alias = table.alias?.name ?? name
        try rename(&fields, table.columnAliases, table: alias ?? "", span: table.span)
        return BoundTable(plan: query.plan, scope: Scope(table: alias, fields: fields))
    }

    // MARK: Names

    func bindName(_ name: QualifiedName, _ context: QueryContext) throws(SQLError) -> BoundQuery {
        if name.parts.count == 1, let query = commonTable(name.last, context) {
            try count(query.plan.nodeCount, span: name.span)
            return query
        }
        let schema = name.parts.count > 1 ? name.parts[name.parts.count - 2].name : nil
        let system = catalog.systemRelation(schema: schema, named: name.last.name)
        if let system, schema != nil || catalog.entry(named: name.last.name) == nil {
            if mode == .continuous {
                throw SQLError(
                    "\"\(system.name)\" cannot be read by a query that goes on: it is not a stream", at: name.span,
                    hint: "a plain SELECT reads it as it is now", code: SQLError.featureNotSupported)
            }
            return try bindRelation(system, span: name.span)
        }
        guard let entry = catalog.entry(named: name.last.name) else {
            let written = name.parts.map(\.name).joined(separator: ".")
            let known = commonTableNames(context) + catalog.entryNames
            throw SQLError(
                "relation \"\(written)\" does not exist", at: name.span,
                hint: NearestName.find(name.last.name, among: known).map { "did you mean \"\($0)\"?" }
                    ?? (known.isEmpty ? "there are no streams yet: CREATE STREAM makes one" : "SHOW STREAMS, SHOW TABLES and SHOW VIEWS list what there is"),
                code: SQLError.undefinedTable)
        }
        switch entry {
        case .relation(let relation): return try bindRelation(relation, span: name.span)
        case .view(let view): return try bindView(view, span: name.span)
        }
    }

    private func bindView(_ view: ViewDefinition, span: SourceSpan) throws(SQLError) -> BoundQuery {
        if viewStack.contains(view.name) {
            throw SQLError(
                "view \"\(view.name)\" refers to itself", at: span,
                hint: (viewStack + [view.name]).joined(separator: " -> "), code: "42P17")
        }
        viewStack.append(view.name)
        defer { viewStack.removeLast() }
        var bound: BoundQuery
        do {
            bound = try bind(view.query, QueryContext())
            let names = view.columns.map { Identifier($0, span: span) }
            try rename(&bound.fields, names, table: view.name, span: span)
        } catch {
            // The place within the view's own text means nothing here.
            if error.message.hasPrefix("view \"") || error.code == SQLError.programLimitExceeded {
                throw SQLError(error.message, at: span, hint: error.hint, code: error.code)
            }
            throw SQLError("view \"\(view.name)\": \(error.message)", at: span, hint: error.hint, code: error.code)
        }
        bound.spans = Array(repeating: span, count: bound.fields.count)
        return bound
    }

    private func bindRelation(_ relation: RelationDefinition, span: SourceSpan) throws(SQLError) -> BoundQuery {
        if relation.isSinkOnly {
            throw SQLError(
                "\"\(relation.name)\" cannot be read: connector '\(relation.connector)' only takes rows", at: span,
                hint: "write into a stream (CREATE STREAM, without a connector) to read the rows again", code: SQLError.featureNotSupported)
        }
        var relation = relation
        if mode == .bounded, relation.isMaterializedView {
            // The rows that hold now, all of one epoch, and not the changes that led to them.
            relation.connector = RelationDefinition.snapshotConnector
            relation.isChangelog = false
            relation.watermark = nil
        }
        relation = readsVersions && relation.watermark != nil ? UpsertScan.versions(relation) : relation
        let physical = relation.physicalSchema
        var plan = LogicalPlan.scan(LogicalScan(relation: relation, columns: Array(0..<physical.count)))
        if relation.isReadAsUpsert { plan = try UpsertScan.plan(relation, mode: mode, span: span) }
        do {
            if physical.count < relation.columns.count {
                plan = .project(plan, try RelationBinder.columns(of: relation, physical: physical))
            }
            if mode == .continuous, !relation.isReadAsUpsert, let node = try RelationBinder.watermark(of: relation) { plan = .watermark(plan, node) }
        } catch {
            throw SQLError(
                "the definition of \"\(relation.name)\" no longer holds: \(error.message)", at: span, hint: error.hint, code: error.code)
        }
        let fields = relation.columns.map { SQLType.Field(name: $0.name, type: $0.type) }
        return BoundQuery(plan: plan, fields: fields, spans: Array(repeating: span, count: fields.count))
    }

    // MARK: Table functions

    private func bindTableFunction(_ call: FunctionCall, _ table: TableExpression, _ context: QueryContext) throws(SQLError)
        -> BoundTable
    {
        let name = call.name.last.name
        if isUnnest(table) { return try bindUnnest(table, over: BoundTable(plan: .values([[]], []), scope: Scope()), keepsEmpty: false) }
        guard call.name.parts.count == 1, let kind = WindowKind.named(name) else {
            throw SQLError(
                "table function \(name.lowercased()) does not exist", at: call.name.span,
                hint: NearestName.find(name, among: WindowKind.allCases.map(\.rawValue)).map { "did you mean \($0.uppercased())?" }
                    ?? "there are TUMBLE, HOP, CUMULATE and SESSION",
                code: SQLError.undefinedFunction)
        }
        let function = try WindowTableFunction(call, kind: kind, span: table.span)
        let (input, tableName) = try bindData(function, context)
        let inputScope = Scope(table: tableName, fields: input.fields)
        guard let time = try inputScope.find(function.time, span: function.time.span) else {
            throw inputScope.undefined(QualifiedName([function.time], span: function.time.span))
        }
        guard time.type.isTimestamp else {
            throw SQLError(
                "the time column of a window must be a TIMESTAMP; \"\(time.name)\" is \(time.type.name)", at: function.time.span,
                code: SQLError.windowingError)
        }
        var (plan, timeColumn) = (input.plan, time.ordinal)
        if mode == .continuous, !plan.isTimeAttribute(timeColumn), plan.isProcessingTime(.column(timeColumn, time.type)),
            let clocked = plan.followingClock(time.type)
        {
            (plan, timeColumn) = clocked
        }
        try checkTime(plan, timeColumn, time.name, span: function.time.span)
        var partition: [Int]?
        if let columns = function.partitionBy {
            partition = []
            for column in columns {
                partition?.append(try inputScope.resolve(QualifiedName([column], span: column.span)).ordinal)
            }
        }
        let window = LogicalWindow(
            shape: try function.shape(timeType: time.type, span: table.span), timeColumn: timeColumn, partitionColumns: partition,
            span: table.span)
        let windowFields = LogicalPlan.windowFields(time.type)
        var fields = input.fields + windowFields
        let alias = table.alias?.name ?? tableName
        try rename(&fields, table.columnAliases, table: alias ?? name, span: table.span)
        var scope = Scope(table: alias, fields: fields)
        // In a window over a window the outer one's columns are meant.
        let shadowed = Set(windowFields.map(\.name))
        scope.columns.removeAll { $0.ordinal < input.fields.count && shadowed.contains($0.name.lowercased()) }
        // The clock that the windows follow, where it was added, stands before their columns.
        let added = plan.fields.count - input.fields.count
        for index in scope.columns.indices where scope.columns[index].ordinal >= input.fields.count { scope.columns[index].ordinal += added }
        return BoundTable(plan: .window(plan, window), scope: scope)
    }

    private func bindData(_ function: WindowTableFunction, _ context: QueryContext) throws(SQLError) -> (BoundQuery, String?) {
        switch function.data.kind {
        case .tableArgument(let name), .column(let name): return (try bindName(name, context), name.last.name)
        case .scalarQuery(let query), .cursor(let query): return (try bind(query, context), nil)
        default:
            throw SQLError(
                "the input of a window must be a table or a query", at: function.data.span,
                hint: WindowTableFunction.usage(function.kind), code: SQLError.windowingError)
        }
    }

    /// The windows of a continuous query need a column that the watermark follows.
    func checkTime(_ plan: LogicalPlan, _ column: Int, _ name: String, span: SourceSpan) throws(SQLError) {
        guard mode == .continuous else { return }
        // The row that an upsert takes back may be as old as the stream: its windows are gone.
        if plan.retracts(mode: mode), plan.readsUpserts {
            throw SQLError(
                "windows over the rows of an upsert stream are not supported yet", at: span,
                hint: "a later row of a key takes back the earlier one, whose window may have closed: aggregate without a window",
                code: SQLError.featureNotSupported)
        }
        if plan.isTimeAttribute(column) { return }
        let known = plan.fields.indices.filter { plan.isTimeAttribute($0) }.map { plan.fields[$0].name }
        throw SQLError(
            "column \"\(name)\" has no watermark, so its windows would never close", at: span,
            hint: known.isEmpty
                ? plan.hasWatermark
                    ? "a time that went through a GROUP BY without windows, an unbounded join, a pattern or an expression is no event time any more: put the window below it"
                    : "declare WATERMARK FOR \(name) AS \(name) - INTERVAL '5' SECOND on the stream"
                : "the watermark is on " + Scope.alternatives(known.map { "\"\($0)\"" }), code: SQLError.windowingError)
    }
}

extension LogicalPlan {
    /// Whether a stream below declares one.
    fileprivate var hasWatermark: Bool {
        if case .watermark = self { return true }
        return inputs.contains(where: \.hasWatermark)
    }
}
