// CREATE STREAM | TABLE .. LIKE other, and .. AS query: the columns are written out, and kept so: the definition does not change when the other
// one does.

import Columns
import Planning
import Syntax

extension Session {
    func createRelation(_ create: CreateRelation, from source: CreateRelation.Source) throws -> StatementResult {
        if create.ifNotExists, engine.object(named: create.name.last.name) != nil { return .done(tag: "CREATE \(create.kind.rawValue)") }
        var whole = create
        whole.source = nil
        switch source {
        case .like(let name, let part):
            guard let other = engine.object(named: name.last.name) else { throw unknown("relation", name, among: engine.relationNames) }
            guard let relation = other.relation else {
                throw SQLError(
                    "\"\(other.name)\" is a \(other.kindName.lowercased())", at: name.span, hint: "LIKE takes a stream or table; CREATE .. AS SELECT takes a view's columns",
                    code: SQLError.featureNotSupported)
            }
            try Session.take(part, of: relation, into: &whole)
        case .query(let query):
            let planned = try engine.withCatalog { catalog throws(SQLError) in
                try Planner.plan(query, mode: .continuous, catalog: catalog, options: plannerOptions)
            }.query
            for field in planned.schema.fields {
                if field.type == .null {
                    throw SQLError(
                        "the type of column \"\(field.name)\" is not known", at: query.span, hint: "CAST the NULL to a type",
                        code: SQLError.datatypeMismatch)
                }
                whole.columns.append(try Session.column(field.name, field.type, isNotNull: false))
            }
        }
        let text = Printer.print(Statement(.createRelation(whole), span: .none))
        let made = try createRelation(whole, text: text)
        guard case .query(let query) = source else { return made }
        let insert = Insert(target: whole.name, columns: [], query: query)
        return try self.insert(insert, text: Printer.print(Statement(.insert(insert), span: .none)))
    }

    private static func take(_ part: CreateRelation.LikePart, of relation: RelationDefinition, into create: inout CreateRelation) throws(SQLError) {
        for column in relation.columns {
            if let computed = column.computed {
                if part != .columns { create.columns.append(ColumnClause(name: Identifier(column.name, span: .none), kind: .computed(computed), span: .none)) }
            } else {
                create.columns.append(try Session.column(column.name, column.type, isNotNull: column.isNotNull))
            }
        }
        guard part != .columns else { return }
        func names(_ columns: [Int]) -> [Identifier] { columns.map { Identifier(relation.columns[$0].name, span: .none) } }
        if let watermark = relation.watermark {
            create.watermark = WatermarkClause(column: names([watermark.column])[0], expression: watermark.expression, span: .none)
        }
        create.primaryKey = names(relation.primaryKey)
        if create.partitionBy.isEmpty { create.partitionBy = names(relation.partitionBy) }
        if create.shards == nil, relation.shardCount > 1 { create.shards = Expression(.literal(.integer(String(relation.shardCount))), span: .none) }
        guard part == .everything else { return }
        let written = Set(create.options.map { $0.key.lowercased() })
        var options = relation.options.filter { !$0.key.hasPrefix("$") }
        if relation.connector != "log" { options["connector"] = relation.connector }
        // Another connector has options of its own.
        if written.contains("connector") { options = [:] }
        for (key, value) in options.sorted(by: { $0.key < $1.key }) where !written.contains(key) {
            create.options.append(Option(key: key, value: value, keySpan: .none, valueSpan: .none))
        }
    }

    static func column(_ name: String, _ type: SQLType, isNotNull: Bool) throws(SQLError) -> ColumnClause {
        let cast = try Parser.parseExpression("CAST(NULL AS \(type.name))")
        guard case .cast(_, let typeName, _) = cast.kind else {
            throw SQLError("a column cannot be of type \(type.name)", at: .none, code: SQLError.featureNotSupported)
        }
        return ColumnClause(name: Identifier(name, isQuoted: true, span: .none), kind: .physical(typeName, isNotNull: isNotNull), span: .none)
    }
}
