// CREATE MATERIALIZED VIEW: a stream for the changelog, and a saved query of the same name that writes it.
//
// The stream comes first. A crash between the two leaves a stream that nothing writes; the next opening removes it (`Engine.removeUnwrittenViews`).

import Columns
import Planning
import Syntax

extension Session {
    func createMaterializedView(_ create: CreateView, text: String) throws -> StatementResult {
        let name = create.name.last.name
        let tag = "CREATE MATERIALIZED VIEW"
        if let existing = engine.object(named: name) {
            if create.ifNotExists { return .done(tag: tag) }
            guard create.orReplace, existing.relation?.isMaterializedView == true else {
                throw SQLError(
                    "\(existing.kindName.lowercased()) \"\(existing.name)\" already exists", at: create.name.span,
                    hint: "use IF NOT EXISTS, OR REPLACE for a materialized view, or DROP it first", code: SQLError.duplicateObject)
            }
            if existing.sql == text { return .done(tag: tag) }
        } else if let query = engine.queryObject(named: name) {
            throw SQLError(
                "query \"\(query.name)\" already exists", at: create.name.span, hint: "the query of a materialized view has its name",
                code: SQLError.duplicateObject)
        }
        let planned = try engine.withCatalog { catalog throws(SQLError) in
            try Planner.plan(create.query, mode: .continuous, catalog: catalog, options: plannerOptions)
        }.query
        let relation = try definition(of: create, planned)
        if let existing = engine.object(named: name) { try dropMaterializedView(existing, at: create.name.span) }
        let definition = Printer.print(Statement(.createRelation(relation), span: .none))
        let defined = try engine.withCatalog { catalog throws(SQLError) in try Planner.define(relation, catalog: catalog) }
        try engine.createRelation(defined, sql: definition)
        do {
            let saved = Session.savedQuery(of: create)
            let insert = try engine.withCatalog { catalog throws(SQLError) in
                try Planner.plan(saved.insert, catalog: catalog, options: plannerOptions)
            }
            insert.query.notices.forEach(note)
            let target = try engine.target(insert.target, at: create.name.span)
            _ = try engine.start(
                insert.query, name: name, errorName: name, target: target, savedAs: saved, kept: settings.querySettings, statement: text,
                settings: runnerSettings, workerCount: settings.workerCount, checksFirst: true)
        } catch {
            if let left = engine.object(named: name) { try engine.dropRelation(left) }
            throw error
        }
        return .done(tag: tag)
    }

    /// The saved query behind a materialized view.
    static func savedQuery(of view: CreateView) -> CreateQuery {
        CreateQuery(name: view.name, orReplace: false, ifNotExists: false, insert: Insert(target: view.name, columns: [], query: view.query))
    }

    private func definition(of create: CreateView, _ planned: PlannedQuery) throws(SQLError) -> CreateRelation {
        var relation = CreateRelation(kind: .stream, name: create.name, columns: [])
        guard create.columns.count <= planned.schema.count else {
            throw SQLError(
                "materialized view \"\(create.name.last.name)\" has \(create.columns.count) column names, and its query \(planned.schema.count) columns",
                at: create.columns[planned.schema.count].span, code: "42601")
        }
        var names: Set<String> = []
        for (index, field) in planned.schema.fields.enumerated() {
            let name = index < create.columns.count ? create.columns[index].name : field.name
            let span = index < create.columns.count ? create.columns[index].span : create.query.span
            guard names.insert(name).inserted else {
                throw SQLError("column \"\(name)\" specified more than once", at: span, hint: "give it another name with AS", code: "42701")
            }
            if field.type == .null {
                throw SQLError("the type of column \"\(name)\" is not known", at: span, hint: "CAST the NULL to a type", code: SQLError.datatypeMismatch)
            }
            relation.columns.append(try Session.column(name, field.type, isNotNull: false))
        }
        let key = planned.plan.resultKey ?? []
        relation.options = [
            Option(
                key: RelationDefinition.materializedOption, value: key.map(String.init).joined(separator: ","), keySpan: .none, valueSpan: .none)
        ]
        return relation
    }

    func dropMaterializedView(_ object: CatalogObject, at span: SourceSpan) throws {
        try refuseWhenRead(object, except: object.name, at: span)
        if let query = engine.queryObject(named: object.name) { try engine.dropQuery(query) }
        try engine.dropRelation(object)
    }
}
