// Queries about the catalog: pg_catalog, information_schema and the functions of PostgreSQL about them.

import Columns
import Planning
import Syntax

extension Session {
    /// The result of a query about the catalog; nil for every other. It is computed at once: what it shows is one moment.
    func systemSelect(_ query: Query) throws -> Cursor? {
        guard isAboutCatalog(query) else { return nil }
        let compiler = SystemCompiler(systemSnapshot())
        let compiled = try compiler.compileQuery(query, outer: nil)
        let shown = compiled.fields.map { $0.type.shown }
        var rows = try compiled.run(nil)
        for (index, field) in compiled.fields.enumerated() where field.type != field.type.shown {
            let node = try compiler.cast(SystemNode(field.type, span: query.span) { $0.value(0) }, to: field.type.shown, mode: .explicit, span: query.span)
            for place in rows.indices where !rows[place][index].isNull {
                rows[place][index] = try node.evaluate(SystemFrame(row: [rows[place][index]], parent: nil))
            }
        }
        return Cursor(schema: Session.schema(of: compiled), rows: rows)
    }

    func isAboutCatalog(_ query: Query) -> Bool {
        SystemReach(query).isAboutCatalog { engine.object(named: $0) != nil }
    }

    func systemSnapshot() -> SystemSnapshot {
        SystemSnapshot(engine: engine, identity: identity) { [settings, identity] name in settings.text(of: name) ?? identity.setting(name) }
    }

    /// The columns of a query about the catalog, without running it; nil for every other query.
    func systemSchema(_ query: Query) throws -> (Schema, parameterNumbers: [Int: UInt32])? {
        guard isAboutCatalog(query) else { return nil }
        let compiler = SystemCompiler(systemSnapshot())
        let compiled = try compiler.compileQuery(query, outer: nil)
        return (Session.schema(of: compiled), compiler.parameterNumbers)
    }

    private static func schema(of query: SystemQuery) -> Schema {
        Schema(
            query.fields.map { field in
                let shown = field.type.shown
                return SQLType.Field(name: field.name, type: shown.sql == .null ? .text : shown.sql, typeNumber: shown.typeOID)
            })
    }
}
