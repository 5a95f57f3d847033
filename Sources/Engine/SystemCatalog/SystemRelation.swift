// SystemRelation: a relation about the catalog: pg_catalog, information_schema, and the engine's own schema `millrace`.
//
// The columns are lists of words (`PostgresColumns`, `StandardColumns`, `SystemRelation+Own`); the rows are made when they are read, from a
// snapshot. A column that a row does not name has what PostgreSQL has where there is nothing to say: 0, false, the empty name, or NULL.

import Columns
import Planning
import Syntax

struct SystemRelation: Sendable {
    let schema: String
    let name: String
    let isView: Bool
    let columns: [(name: String, type: SystemType)]
    let oid: UInt32
    let namespace: UInt32

    /// By schema and name.
    static let all: [SystemRelation] = {
        var relations: [SystemRelation] = []
        for (schema, namespace, lists) in [
            ("pg_catalog", SystemOID.catalogSchema, postgresColumns), ("information_schema", SystemOID.standardSchema, standardColumns),
            ("millrace", SystemOID.ownSchema, ownColumns),
        ] {
            for line in lists.split(separator: "\n") {
                let words = line.split(separator: " ")
                guard words.count > 2 else { continue }
                let columns = words.dropFirst(2).map { word in
                    let parts = word.split(separator: ":")
                    return (name: String(parts[0]), type: SystemType(catalogName: parts.count > 1 ? parts[1] : "text"))
                }
                relations.append(
                    SystemRelation(
                        schema: schema, name: String(words[0]), isView: words[1] == "v", columns: columns,
                        oid: schema == "pg_catalog" ? known[String(words[0])] ?? SystemOID.ofSystemRelation(relations.count) : SystemOID.ofSystemRelation(relations.count),
                        namespace: namespace))
            }
        }
        return relations
    }()

    /// Those that other relations refer to by number, as they do in PostgreSQL.
    private static let known = [
        "pg_class": SystemOID.pgClass, "pg_proc": SystemOID.pgProc, "pg_type": SystemOID.pgType, "pg_namespace": SystemOID.pgNamespace,
        "pg_constraint": SystemOID.pgConstraint, "pg_database": SystemOID.pgDatabase, "pg_attribute": 1249,
    ]

    private static let byName: [String: Int] = {
        var places: [String: Int] = [:]
        for (place, relation) in all.enumerated() { places[relation.schema + "." + relation.name] = place }
        return places
    }()

    /// Without a schema: of pg_catalog.
    static func find(schema: String?, named name: String) -> SystemRelation? {
        byName[(schema?.lowercased() ?? "pg_catalog") + "." + name.lowercased()].map { all[$0] }
    }

    static var names: [String] { all.map(\.name) }

    func row(_ values: [String: Value]) -> [Value] {
        columns.map { column in
            if let value = values[column.name] { return value }
            switch column.type.alias {
            case .name, .char: return column.type.isArray ? .null : .string("")
            case .nodeTree: return .null
            default: break
            }
            switch column.type.sql {
            case .boolean: return .boolean(false)
            case .smallint, .integer, .bigint: return .integer(0)
            case .real, .double: return .double(0)
            default: return .null
            }
        }
    }

    /// The relation as the planner sees it, where it is joined with streams.
    var definition: RelationDefinition {
        RelationDefinition(
            name: schema == "pg_catalog" ? name : schema + "." + name, kind: .table,
            columns: columns.map { ColumnDefinition(name: $0.name, type: $0.type.shown.sql) }, connector: RelationDefinition.systemConnector)
    }

    func rows(_ snapshot: SystemSnapshot) -> [[Value]] {
        switch schema {
        case "pg_catalog": postgresRows(snapshot).map(row)
        case "information_schema": standardRows(snapshot).map(row)
        default: ownRows(snapshot).map(row)
        }
    }
}

extension Value {
    static func oid(_ number: UInt32) -> Value { .integer(Int64(number)) }
    static func text(_ text: String?) -> Value { text.map { .string($0) } ?? .null }
    static func char(_ character: Character) -> Value { .string(String(character)) }
    static func number(_ number: Int) -> Value { .integer(Int64(number)) }
}

extension Engine {
    /// The rows of a system relation for a query that joins it with streams.
    func systemSource(_ definition: RelationDefinition) -> any ReplayableSource {
        let parts = definition.name.split(separator: ".").map(String.init)
        let types = definition.physicalSchema.types
        guard let name = parts.last, let relation = SystemRelation.find(schema: parts.count > 1 ? parts[0] : nil, named: name) else {
            return MemorySource(RowBatch.make([], types: types))
        }
        let snapshot = SystemSnapshot(engine: self, identity: SessionIdentity()) { _ in nil }
        let rows = relation.rows(snapshot).map { row in
            zip(relation.columns, row).map { column, value in
                guard column.type.isReference, case .integer(let number) = value else { return value }
                return .string(snapshot.show(number, as: column.type))
            }
        }
        return MemorySource(RowBatch.make(rows, types: types))
    }
}
