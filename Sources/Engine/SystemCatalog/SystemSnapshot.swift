// SystemSnapshot: the catalog as one statement sees it: taken once, with the numbers and names by which PostgreSQL's programs know things.
//
// Every object of the catalog has numbers that follow from its id (`SystemOID`); so a number that a program has noted stays true for as long as the
// object is there. Streams, tables and views lie in the schema `public`; what is asked for without a schema is looked for there and in `pg_catalog`.

import Columns
import Planning
import Platform
import Syntax

/// For whom a session speaks. A server that knows sets it.
package struct SessionIdentity {
    package var user = "millrace"
    package var database = "millrace"
    package var processID: Int64 = 0
    /// As `server_version` says it.
    package var serverVersion = "16.0 (Millrace)"
    /// Settings of the client's connection, which are not the session's.
    package var setting: (String) -> String? = { _ in nil }

    package init() {}
}

final class SystemSnapshot {
    /// A relation as pg_class shows it.
    struct Relation {
        var oid: UInt32
        var namespace: UInt32
        var name: String
        /// `r` a stream or table whose rows are kept, `f` what lies outside, `v` a view, `m` a materialized view, `i` the index of a primary key.
        var kind: Character
        var columns: [Column]
        var primaryKey: [Int] = []
        var rowType: UInt32 = 0
        var object: CatalogObject?
        var rowCount: Int64 = -1
        var byteCount: Int64 = 0
        var options: [String] = []
        /// What computes the rows, of a view.
        var definition: String?
        var comment: String?
    }

    struct Column {
        var name: String
        var typeOID: UInt32
        var modifier: Int64
        var isNotNull: Bool
        var computed: String?
        var comment: String?
    }

    struct Function {
        var oid: UInt32
        var namespace: UInt32
        var name: String
        /// `f`, `a` an aggregate, `w` a window function.
        var kind: Character
        var result: UInt32
        var resultName: String
        var arguments: [UInt32]
        var argumentNames: [String]
        var argumentText: String
        var comment: String
        var source: String
        var object: CatalogObject?
    }

    let identity: SessionIdentity
    let engine: Engine
    let clockMicroseconds: Int64
    let objects: [CatalogObject]
    private(set) var relations: [Relation] = []
    private let readSetting: (String) -> String?
    private var made: [String: [[Value]]] = [:]

    init(engine: Engine, identity: SessionIdentity, setting: @escaping (String) -> String?) {
        self.engine = engine
        self.identity = identity
        readSetting = setting
        clockMicroseconds = engine.clock.nowMicroseconds()
        objects = engine.catalogObjects()
        let statuses = Dictionary(engine.streamStatus().map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for object in objects {
            guard let relation = Self.relation(of: object, statuses[object.name], queries: objects) else { continue }
            relations.append(relation)
        }
        for relation in SystemRelation.all {
            relations.append(
                Relation(
                    oid: relation.oid, namespace: relation.namespace, name: relation.name, kind: relation.isView ? "v" : "r",
                    columns: relation.columns.map { column in
                        let (oid, modifier) = column.type.typeOID.map { ($0, -1) } ?? TypeRow.number(of: column.type.shown.sql)
                        return Column(name: column.name, typeOID: oid, modifier: modifier, isNotNull: false)
                    }))
        }
    }

    private static func relation(of object: CatalogObject, _ status: StreamStatus?, queries: [CatalogObject]) -> Relation? {
        switch object.definition {
        case .relation(let definition):
            var kind: Character = definition.connector == "log" || definition.connector == "system" ? "r" : "f"
            if definition.isMaterializedView { kind = "m" }
            var relation = Relation(
                oid: SystemOID.of(object.id), namespace: SystemOID.publicSchema, name: object.name, kind: kind,
                columns: definition.columns.enumerated().map { index, column in
                    let (oid, modifier) = TypeRow.number(of: column.type)
                    var described = Column(name: column.name, typeOID: oid, modifier: modifier, isNotNull: column.isNotNull)
                    described.computed = column.computed.map { Printer.print($0) }
                    if let watermark = definition.watermark, watermark.column == index {
                        described.comment = "WATERMARK AS " + Printer.print(watermark.expression)
                        described.isNotNull = true
                    }
                    if definition.primaryKey.contains(index) { described.isNotNull = true }
                    return described
                })
            relation.primaryKey = definition.primaryKey
            relation.rowType = SystemOID.of(object.id, .rowType)
            relation.object = object
            relation.rowCount = status.map { Int64(clamping: $0.rowCount) } ?? -1
            relation.byteCount = status.map { $0.shards.reduce(0) { $0 &+ Int64($1.byteCount) } } ?? 0
            relation.options = definition.options.filter { !$0.key.hasPrefix("$") }.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            if kind == "f" { relation.comment = "connector \(definition.connector)" }
            if kind == "m" {
                relation.definition = queries.first { $0.isQuery && $0.name == object.name }.flatMap { query in
                    if case .query(let create) = query.definition { Printer.print(Statement(.query(create.insert.query), span: .none)) } else { nil }
                }
            }
            return relation
        case .view(let view, let schema):
            var relation = Relation(
                oid: SystemOID.of(object.id), namespace: SystemOID.publicSchema, name: object.name, kind: "v",
                columns: schema.fields.map { field in
                    let (oid, modifier) = TypeRow.number(of: field.type)
                    return Column(name: field.name, typeOID: oid, modifier: modifier, isNotNull: false)
                })
            relation.rowType = SystemOID.of(object.id, .rowType)
            relation.object = object
            relation.definition = Printer.print(Statement(.query(view.query), span: .none))
            return relation
        case .query, .function, .alert, .notifier, .inhibition: return nil
        }
    }

    /// By schema and name.
    private(set) lazy var functions: [Function] = {
        var functions: [Function] = []
        func builtin(_ name: String, _ kind: Character, _ arguments: String, _ result: String, _ doc: String) {
            functions.append(
                Function(
                    oid: SystemOID.ofFunction(functions.count), namespace: SystemOID.catalogSchema, name: name, kind: kind, result: 2283,
                    resultName: result, arguments: [], argumentNames: [], argumentText: arguments, comment: doc, source: name))
        }
        for definition in FunctionTable.definitions {
            for name in definition.names {
                for signature in definition.signatures {
                    let shown = signature.display(name: "")
                    builtin(name, "f", String(shown.dropFirst().dropLast()), signature.resultName, definition.doc)
                }
            }
        }
        for definition in AggregateTable.definitions {
            for name in definition.names {
                let form = definition.forms.first ?? name + "()"
                let inner = form.split(separator: "(", maxSplits: 1, omittingEmptySubsequences: false)
                let arguments = inner.count > 1 ? String(inner[1].prefix { $0 != ")" }) : ""
                builtin(name.lowercased(), "a", arguments, definition.result, definition.doc)
            }
        }
        for entry in ModelTable.entries { builtin(entry.name, "w", entry.arguments, entry.result, entry.doc) }
        for object in objects {
            guard let function = object.function else { continue }
            let types = function.parameters.map { TypeRow.number(of: $0.type) }
            let texts = zip(function.parameters, types).map { parameter, type in
                (parameter.name.map { $0 + " " } ?? "") + TypeRow.display(type.oid, modifier: nil, known: nil)
            }
            let result = TypeRow.number(of: function.result).oid
            functions.append(
                Function(
                    oid: SystemOID.of(object.id), namespace: SystemOID.publicSchema, name: object.name, kind: "f", result: result,
                    resultName: TypeRow.display(result, modifier: nil, known: nil), arguments: types.map(\.oid),
                    argumentNames: function.parameters.map { $0.name ?? "" }, argumentText: texts.joined(separator: ", "), comment: "",
                    source: Printer.print(function.body), object: object))
        }
        return functions
    }()

    /// All types: those of PostgreSQL, and the rows of each relation of the catalog with their arrays.
    private(set) lazy var types: [TypeRow] = {
        var types = TypeRow.all
        for relation in relations where relation.rowType != 0 {
            guard let id = relation.object?.id else { continue }
            var row = TypeRow(
                oid: relation.rowType, name: relation.name, display: relation.name, byteLength: -1, category: "C",
                arrayOID: SystemOID.of(id, .rowArray), kind: "c")
            row.relationOID = relation.oid
            row.namespaceOID = SystemOID.publicSchema
            types.append(row)
            var array = TypeRow(
                oid: row.arrayOID, name: "_" + relation.name, display: relation.name + "[]", byteLength: -1, category: "A", arrayOID: 0,
                elementOID: row.oid)
            array.namespaceOID = SystemOID.publicSchema
            types.append(array)
        }
        return types
    }()

    private lazy var relationsByOID = Dictionary(relations.enumerated().map { ($0.element.oid, $0.offset) }, uniquingKeysWith: { first, _ in first })
    private lazy var typesByOID = Dictionary(types.map { ($0.oid, $0) }, uniquingKeysWith: { first, _ in first })
    private lazy var functionsByOID = Dictionary(functions.enumerated().map { ($0.element.oid, $0.offset) }, uniquingKeysWith: { first, _ in first })

    func relation(_ oid: Int64) -> Relation? { UInt32(exactly: oid).flatMap { relationsByOID[$0] }.map { relations[$0] } }
    func type(_ oid: Int64) -> TypeRow? { UInt32(exactly: oid).flatMap { typesByOID[$0] } }
    func function(_ oid: Int64) -> Function? { UInt32(exactly: oid).flatMap { functionsByOID[$0] }.map { functions[$0] } }

    /// The relation whose primary key's index or constraint this is.
    func keyed(_ oid: Int64, _ part: SystemOID.Part) -> Relation? {
        relations.first { relation in
            guard let id = relation.object?.id, !relation.primaryKey.isEmpty else { return false }
            return Int64(SystemOID.of(id, part)) == oid
        }
    }

    /// Streams, tables and views.
    var userRelations: [Relation] { relations.filter { $0.object != nil } }

    func setting(_ name: String) -> String? { readSetting(name.lowercased()) ?? SystemRelation.defaultSettings[name.lowercased()] }

    // MARK: Names

    static let schemas: [(oid: UInt32, name: String, comment: String)] = [
        (SystemOID.catalogSchema, "pg_catalog", "system catalog schema"), (SystemOID.publicSchema, "public", "streams, tables and views"),
        (SystemOID.standardSchema, "information_schema", "the catalog as the SQL standard has it"),
        (SystemOID.ownSchema, "millrace", "what runs, and how it is doing"),
    ]

    static func schemaName(_ oid: UInt32) -> String? { schemas.first { $0.oid == oid }?.name }

    func systemRelation(schema: String?, named name: String) -> SystemRelation? {
        if schema == nil, relations.contains(where: { $0.object != nil && $0.name == name }) { return nil }
        return SystemRelation.find(schema: schema, named: name)
    }

    func rows(of relation: SystemRelation) throws(SQLError) -> [[Value]] {
        let key = relation.schema + "." + relation.name
        if let rows = made[key] { return rows }
        let rows = relation.rows(self)
        made[key] = rows
        return rows
    }

    /// The number that a name stands for. A text of digits is a number already.
    func resolve(_ text: String, as type: SystemType, span: SourceSpan, isOptional: Bool) throws(SQLError) -> Value {
        if let number = Int64(text), number >= 0 { return .integer(number) }
        if text == "-" { return .integer(0) }
        let parts = Self.parts(text)
        let schema = parts.count > 1 ? parts[parts.count - 2].lowercased() : nil
        let name = parts.last ?? text
        func isHere(_ namespace: UInt32, _ schemaName: String?) -> Bool {
            guard let schemaName else { return namespace == SystemOID.publicSchema || namespace == SystemOID.catalogSchema }
            return Self.schemaName(namespace) == schemaName
        }
        func match<T>(_ items: [T], _ itemName: (T) -> String) -> T? {
            items.first { itemName($0) == name } ?? items.first { itemName($0).lowercased() == name.lowercased() }
        }
        var found: UInt32?
        var what = "relation"
        switch type.alias {
        case .regclass: found = match(relations.filter { isHere($0.namespace, schema) }, \.name)?.oid
        case .regtype:
            what = "type"
            let isArray = text.hasSuffix("[]")
            let bare = (isArray ? String(text.dropLast(2)) : text).lowercased()
            let plain = bare.split(separator: "(", maxSplits: 1)[...].first.map(String.init)?.trimmed ?? bare
            let short = Self.parts(plain).last ?? plain
            if let row = types.first(where: { $0.display.lowercased() == plain || $0.name.lowercased() == short })
                ?? Self.alias(of: plain).flatMap({ alias in types.first { $0.name == alias } })
            {
                found = isArray ? row.arrayOID : row.oid
            }
        case .regproc, .regprocedure:
            what = "function"
            let bare = String(text.split(separator: "(", maxSplits: 1, omittingEmptySubsequences: false)[0])
            let short = (Self.parts(bare).last ?? bare).lowercased()
            found = functions.first { $0.name.lowercased() == short }?.oid
        case .regnamespace:
            what = "schema"
            found = Self.schemas.first { $0.name == name.lowercased() }?.oid
        case .regrole:
            what = "role"
            found = name == identity.user ? SystemOID.owner : nil
        default: break
        }
        if let found { return .integer(Int64(found)) }
        if isOptional { return .null }
        throw SQLError(
            "\(what) \"\(text)\" does not exist", at: span,
            hint: what == "relation" ? NearestName.find(name, among: relations.map(\.name)).map { "did you mean \"\($0)\"?" } : nil,
            code: what == "relation" ? SQLError.undefinedTable : what == "function" ? SQLError.undefinedFunction : SQLError.undefinedObject)
    }

    private static func alias(of type: String) -> String? {
        ["int": "int4", "float": "float8", "decimal": "numeric", "bytes": "bytea", "string": "text", "char": "bpchar", "varchar": "varchar"][type]
    }

    /// `a."b c".d`: names in quotes keep their case; all do, since names match without regard to it.
    static func parts(_ text: String) -> [String] {
        var parts: [String] = []
        var part = ""
        var isQuoted = false
        for character in text {
            if character == "\"" {
                isQuoted.toggle()
            } else if character == ".", !isQuoted {
                parts.append(part)
                part = ""
            } else {
                part.append(character)
            }
        }
        return parts + [part]
    }

    /// The name of what a number stands for; the number where there is nothing.
    func show(_ number: Int64, as type: SystemType) -> String {
        func name(_ schema: UInt32, _ name: String) -> String {
            let isVisible = schema == SystemOID.publicSchema || schema == SystemOID.catalogSchema
            return (isVisible ? "" : (Self.schemaName(schema) ?? "") + ".") + Self.quoted(name)
        }
        if number == 0 { return "-" }
        switch type.alias {
        case .regclass:
            if let relation = relation(number) { return name(relation.namespace, relation.name) }
            if let relation = keyed(number, .keyIndex) { return Self.quoted(relation.name + "_pkey") }
        case .regtype: if let row = self.type(number) { return row.display }
        case .regproc: if let function = function(number) { return name(function.namespace, function.name) }
        case .regprocedure: if let function = function(number) { return name(function.namespace, function.name) + "(\(function.argumentText))" }
        case .regnamespace: if let schema = Self.schemas.first(where: { Int64($0.oid) == number }) { return schema.name }
        case .regrole: if number == Int64(SystemOID.owner) { return Self.quoted(identity.user) }
        default: break
        }
        return String(number)
    }

    /// In quotes where it must be, for PostgreSQL's programs: with capital letters too, which they would make small.
    static func quoted(_ name: String) -> String {
        let isPlain = name.unicodeScalars.enumerated().allSatisfy { index, scalar in
            scalar == "_" || ("a"..."z").contains(scalar) || (index > 0 && ("0"..."9").contains(scalar))
        }
        if isPlain, !name.isEmpty, !FunctionTable.isReservedWord(name) { return name }
        return "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}

extension String {
    fileprivate var trimmed: String { String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
}
