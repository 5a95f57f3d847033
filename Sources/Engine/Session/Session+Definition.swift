// CREATE, DROP, SHOW and DESCRIBE.

import Columns
import Planning
import Syntax

extension Session {
    func createRelation(_ create: CreateRelation, text: String) throws -> StatementResult {
        if let source = create.source { return try createRelation(create, from: source) }
        let tag = "CREATE \(create.kind.rawValue)"
        // The engine's own notes in a definition.
        if let option = create.options.first(where: { $0.key.hasPrefix("$") }) {
            throw SQLError("there is no option '\(option.key)'", at: option.keySpan, code: SQLError.invalidParameter)
        }
        let relation = try engine.withCatalog { catalog throws(SQLError) in try Planner.define(create, catalog: catalog) }
        if let existing = engine.object(named: create.name.last.name) {
            if create.ifNotExists { return .done(tag: tag) }
            guard create.orReplace else {
                throw SQLError(
                    "\(existing.kindName.lowercased()) \"\(existing.name)\" already exists", at: create.name.span,
                    hint: "use IF NOT EXISTS, OR REPLACE, or DROP it first", code: SQLError.duplicateObject)
            }
            // The same definition again keeps the data; another one begins afresh.
            if existing.sql == text { return .done(tag: tag) }
            try dropObject(existing, at: create.name.span)
            note("\(existing.kindName.lowercased()) \"\(existing.name)\" was replaced: what it held is gone")
        }
        do {
            let resolved = Connectors.resolvingCreationTime(relation, nowMicroseconds: engine.clock.nowMicroseconds())
            try engine.createRelation(resolved, sql: resolved == relation ? text : Session.sql(create, options: resolved.options))
        } catch let error as ConnectorError {
            throw SQLError(error.description, at: Session.span(of: error, in: create), code: SQLError.invalidParameter)
        }
        return .done(tag: tag)
    }

    /// Where the option stands that a connector complains about; its messages name it.
    private static func span(of error: ConnectorError, in create: CreateRelation) -> SourceSpan {
        let message = error.description
        for option in create.options {
            let key = option.key.lowercased()
            if message.contains("option '\(key)' is") || (key == "connector" && message.contains("no connector '")) { return option.valueSpan }
            if message.contains("has no option '\(key)'") || message.contains("option '\(key)' belongs") { return option.keySpan }
        }
        return create.name.span
    }

    /// The statement with option values as they were resolved, so that they are the same after a restart.
    private static func sql(_ create: CreateRelation, options: [String: String]) -> String {
        var create = create
        for index in create.options.indices {
            if let value = options[create.options[index].key.lowercased()] { create.options[index].value = value }
        }
        return Printer.print(Statement(.createRelation(create), span: .none))
    }

    func createView(_ create: CreateView, text: String) throws -> StatementResult {
        if create.isMaterialized { return try createMaterializedView(create, text: text) }
        let (view, schema) = try engine.withCatalog { catalog throws(SQLError) in try Planner.define(create, catalog: catalog) }
        if let existing = engine.object(named: create.name.last.name) {
            if create.ifNotExists { return .done(tag: "CREATE VIEW") }
            guard create.orReplace, case .view = existing.definition else {
                throw SQLError(
                    "\(existing.kindName.lowercased()) \"\(existing.name)\" already exists", at: create.name.span,
                    hint: "use OR REPLACE to replace a view", code: SQLError.duplicateObject)
            }
            if existing.sql == text { return .done(tag: "CREATE VIEW") }
            try refuseWhenOthersChange(existing, by: view, at: create.name.span)
            try engine.removeFromCatalog(existing)
        }
        try engine.addToCatalog(name: view.name, sql: text, definition: .view(view, schema))
        return .done(tag: "CREATE VIEW")
    }

    func drop(_ kind: ObjectKind, _ names: [QualifiedName], ifExists: Bool) throws -> StatementResult {
        for name in names {
            let found = kind == .query ? engine.queryObject(named: name.last.name) : engine.object(named: name.last.name)
            guard let found else {
                if ifExists {
                    note("\(kind.rawValue.lowercased()) \"\(name.last.name)\" does not exist")
                    continue
                }
                throw unknown(kind.rawValue.lowercased(), name, among: kind == .query ? engine.queryNames : engine.relationNames)
            }
            let isRight =
                switch (kind, found.definition) {
                case (.materializedView, .relation(let relation)): relation.isMaterializedView
                case (.stream, .relation(let relation)), (.table, .relation(let relation)): !relation.isMaterializedView
                case (.query, .query): engine.object(named: found.name)?.relation?.isMaterializedView != true
                case (.view, .view): true
                default: false
                }
            guard isRight else {
                throw SQLError(
                    "\"\(found.name)\" is a \(shownKind(found).lowercased())", at: name.span, hint: "use DROP \(shownKind(found))",
                    code: SQLError.undefinedTable)
            }
            try dropObject(found, at: name.span)
        }
        return .done(tag: "DROP \(kind.rawValue)")
    }

    private func dropObject(_ object: CatalogObject, at span: SourceSpan) throws {
        if case .query = object.definition {
            try engine.dropQuery(object)
            return
        }
        if object.relation?.isMaterializedView == true { return try dropMaterializedView(object, at: span) }
        try refuseWhenRead(object, at: span)
        try engine.dropRelation(object)
    }

    /// The query of a materialized view goes with the view.
    private func shownKind(_ object: CatalogObject) -> String {
        object.isQuery && engine.object(named: object.name)?.relation?.isMaterializedView == true ? ObjectKind.materializedView.rawValue : object.kindName
    }

    func unknown(_ kind: String, _ name: QualifiedName, among names: [String]) -> SQLError {
        SQLError(
            "\(kind) \"\(name.last.name)\" does not exist", at: name.span,
            hint: NearestName.find(name.last.name, among: names).map { "did you mean \"\($0)\"?" }, code: SQLError.undefinedTable)
    }

    // MARK: SHOW and DESCRIBE

    func show(_ kind: ShowKind) throws -> Cursor {
        switch kind {
        case .streams: return relations { $0.kind == .stream && !$0.isMaterializedView }
        case .tables: return relations { $0.kind == .table }
        case .views:
            let rows = engine.catalogObjects().compactMap { object -> [Value]? in
                guard case .view = object.definition else { return nil }
                return [.string(object.name), .string(object.sql)]
            }
            return Cursor(schema: Session.textSchema(["name", "definition"]), rows: rows)
        case .materializedViews:
            let rows = engine.catalogObjects().filter { $0.relation?.isMaterializedView == true }.map { object -> [Value] in
                let query = engine.queryObject(named: object.name)
                let state = engine.queryProgress().first { $0.name == object.name }?.state.rawValue
                return [.string(object.name), .text(state), .text(query?.sql)]
            }
            return Cursor(schema: Session.textSchema(["name", "state", "definition"]), rows: rows)
        case .queries: return queries()
        case .functions: return functions()
        case .alerts: return try alerts()
        case .notifiers: return notifiers()
        case .silences: return try silences()
        case .inhibitions: return inhibitions()
        case .all:
            let rows = SessionSettings.names.map { name in [Value.string(name), .string(settings.text(of: name) ?? "")] }
            return Cursor(schema: Session.textSchema(["name", "setting"]), rows: rows)
        case .create(let name):
            guard let object = engine.object(named: name.last.name) ?? engine.queryObject(named: name.last.name)
                ?? engine.functionObject(named: name.last.name) ?? engine.notificationObject(named: name.last.name)
            else {
                throw unknown("relation", name, among: engine.relationNames + engine.queryNames)
            }
            // What a person wrote for a materialized view is its query's definition.
            let written = object.relation?.isMaterializedView == true ? engine.queryObject(named: object.name) ?? object : object
            return Cursor(schema: Session.textSchema(["definition"]), rows: [[.string(written.shownSQL)]])
        case .definitions:
            // In the order in which they were made, so that they can be executed again. A materialized view is made by its query's statement.
            let rows = engine.catalogObjects().filter { $0.relation?.isMaterializedView != true && $0.membership.retirement == nil }
                .map { [Value.string(shownKind($0)), .string($0.name), .string($0.shownSQL)] }
            return Cursor(schema: Session.textSchema(["kind", "name", "definition"]), rows: rows)
        }
    }

    private func relations(_ isWanted: (RelationDefinition) -> Bool) -> Cursor {
        let statuses = Dictionary(engine.status().streams.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let rows = engine.catalogObjects().compactMap { object -> [Value]? in
            guard let relation = object.relation, isWanted(relation) else { return nil }
            let status = statuses[object.name]
            return [
                .string(object.name), .string(relation.connector), .integer(Int64(status.map { $0.shards.count { !$0.isClosed } } ?? relation.shardCount)),
                status.map { .integer(Int64(truncatingIfNeeded: $0.rowCount)) } ?? .null,
                relation.watermark.map { .string(relation.columns[$0.column].name) } ?? .null,
                status.map { .integer(Int64(clamping: $0.shards.reduce(0) { $0 &+ $1.expiredRows })) } ?? .null,
                status.map { .integer(Int64(clamping: $0.shards.reduce(0) { $0 &+ $1.givenUpRows })) } ?? .null,
                status?.shards.lazy.compactMap(\.fault).first.map { .string($0) } ?? .null,
            ]
        }
        return Cursor(
            schema: Schema([
                .init(name: "name", type: .text), .init(name: "connector", type: .text), .init(name: "shards", type: .bigint),
                .init(name: "rows", type: .bigint), .init(name: "event_time", type: .text), .init(name: "expired", type: .bigint),
                .init(name: "given_up", type: .bigint), .init(name: "fault", type: .text),
            ]), rows: rows)
    }

    private func queries() -> Cursor {
        for query in engine.savedQueries { query.waitUntilRecovered(timeoutMilliseconds: 2_000) }
        let alerts = engine.alertGroupNames
        let rows = engine.queryProgress().filter { !alerts.contains($0.name) }.map { progress -> [Value] in
            [
                .string(progress.name), .string(progress.state.rawValue), .integer(Int64(truncatingIfNeeded: progress.epoch)),
                .integer(progress.rowsIn), .integer(progress.rowsOut), .integer(progress.lateRows),
                .integer(progress.failedRows + progress.rejectedRows), .integer(progress.expiredRows), .integer(progress.behind),
                progress.watermark == .min || progress.watermark == .max ? .null : .integer(progress.watermark),
                progress.holdup.map { .string($0) } ?? .null, .integer(Int64(progress.stateByteCount)),
                .integer(Int64(clamping: progress.checkpointEpoch)), progress.figures?.behindMicroseconds.map { .integer($0 / 1_000) } ?? .null,
                progress.reason.map { .string($0) } ?? .null,
            ]
        }
        return Cursor(
            schema: Schema([
                .init(name: "name", type: .text), .init(name: "state", type: .text), .init(name: "epoch", type: .bigint),
                .init(name: "rows_in", type: .bigint), .init(name: "rows_out", type: .bigint), .init(name: "late", type: .bigint),
                .init(name: "failed", type: .bigint), .init(name: "expired", type: .bigint), .init(name: "behind", type: .bigint),
                .init(name: "watermark", type: .timestamp(precision: 3)), .init(name: "held_back_by", type: .text),
                .init(name: "state_bytes", type: .bigint), .init(name: "checkpoint", type: .bigint), .init(name: "lag_ms", type: .bigint),
                .init(name: "reason", type: .text),
            ]), rows: rows)
    }

    func describe(_ name: QualifiedName) throws -> Cursor {
        let schema = Session.textSchema(["column", "type", "nullable", "extra"])
        if let object = engine.object(named: name.last.name) {
            switch object.definition {
            case .relation(let relation):
                return Cursor(schema: schema, rows: relation.columns.indices.map { Session.describe(relation, column: $0) })
            case .view(_, let view):
                return Cursor(
                    schema: schema,
                    rows: view.fields.map { [.string($0.name), .string($0.type.name), .string("yes"), .string("")] })
            case .query, .function, .alert, .notifier, .inhibition: break
            }
        }
        if let query = engine.queryObject(named: name.last.name) {
            return Cursor(schema: Session.textSchema(["definition"]), rows: [[.string(query.sql)]])
        }
        throw unknown("relation", name, among: engine.relationNames + engine.queryNames)
    }

    private static func describe(_ relation: RelationDefinition, column index: Int) -> [Value] {
        let column = relation.columns[index]
        var extra: [String] = []
        if let computed = column.computed { extra.append("AS " + Printer.print(computed)) }
        if let watermark = relation.watermark, watermark.column == index {
            extra.append("WATERMARK AS " + Printer.print(watermark.expression))
        }
        if relation.partitionBy.contains(index) { extra.append("PARTITION KEY") }
        if relation.primaryKey.contains(index) { extra.append("PRIMARY KEY") }
        return [
            .string(column.name), .string(column.type.name), .string(column.isNotNull ? "no" : "yes"),
            .string(extra.joined(separator: ", ")),
        ]
    }

    static func textSchema(_ names: [String]) -> Schema { Schema(names.map { .init(name: $0, type: .text) }) }
}
