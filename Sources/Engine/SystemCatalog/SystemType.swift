// SystemType: the types that PostgreSQL's catalog speaks of and SQLType does not know: OID, NAME, "char", REGCLASS ...
//
// Each is one of the engine's types with another meaning: a number that names an object, a text that is a name. So the values are ordinary values,
// and the kernels of ordinary functions take them. What the alias adds is how a value is written as text (REGCLASS shows a name), what a text stands
// for (`'pg_class'::regclass`), and the number by which the wire protocol calls the type.

import Columns
import Syntax

struct SystemType: Hashable, Sendable {
    enum Alias: String, Hashable, Sendable {
        case oid, name, char, regclass, regtype, regproc, regprocedure, regnamespace, regrole, int2vector, oidvector, xid
        case nodeTree = "pg_node_tree"
    }

    var sql: SQLType
    /// Of an array: that of its elements.
    var alias: Alias?

    init(_ sql: SQLType, _ alias: Alias? = nil) {
        self.sql = sql
        self.alias = alias
    }

    init(_ alias: Alias) {
        switch alias {
        case .oid, .regclass, .regtype, .regproc, .regprocedure, .regnamespace, .regrole, .xid: sql = .bigint
        case .name, .char, .nodeTree: sql = .text
        case .int2vector: sql = .array(.smallint)
        case .oidvector: sql = .array(.bigint)
        }
        self.alias = alias
    }

    static let null = SystemType(.null)
    static let boolean = SystemType(.boolean)
    static let text = SystemType(.text)
    static let integer = SystemType(.integer)
    static let bigint = SystemType(.bigint)
    static let oid = SystemType(.oid)
    static let name = SystemType(.name)

    var isText: Bool { sql.isText }
    var isArray: Bool { if case .array = sql { true } else { false } }
    /// A number that is shown as the name of what it stands for.
    var isReference: Bool {
        guard !isArray else { return false }
        switch alias {
        case .regclass, .regtype, .regproc, .regprocedure, .regnamespace, .regrole: return true
        default: return false
        }
    }
    /// Elements are counted from 0.
    var isVector: Bool { alias == .int2vector || alias == .oidvector }

    var element: SystemType? {
        guard case .array(let element) = sql else { return nil }
        return isVector ? SystemType(element, alias == .oidvector ? .oid : nil) : SystemType(element, alias)
    }

    var array: SystemType { SystemType(.array(sql), isVector ? nil : alias) }

    /// A type of the catalog's column lists: `oid`, `_name`, `int2vector`.
    init(catalogName: Substring) {
        if catalogName.hasPrefix("_") {
            self = SystemType(catalogName: catalogName.dropFirst()).array
            return
        }
        switch catalogName {
        case "bool": self = .boolean
        case "int2": self = SystemType(.smallint)
        case "int4": self = .integer
        case "int8": self = .bigint
        case "float4": self = SystemType(.real)
        case "float8": self = SystemType(.double)
        case "numeric": self = SystemType(.decimal(precision: 38, scale: 6))
        case "bytea": self = SystemType(.bytes)
        case "interval": self = SystemType(.interval)
        case "timestamptz": self = SystemType(.timestampTZ(precision: 6))
        case "timestamp": self = SystemType(.timestamp(precision: 6))
        default: self = Alias(rawValue: String(catalogName)).map { SystemType($0) } ?? .text
        }
    }

    /// As a column of a result. A reference is given as its name, and so is text.
    var shown: SystemType {
        if isReference { return .text }
        if isArray, alias != nil, !isVector, SystemType(sql.element ?? .null, alias).isReference { return SystemType(.array(.text)) }
        return self
    }

    /// The number of the type in pg_type; nil for what only the engine's type says.
    var typeOID: UInt32? {
        switch (alias, isArray && !isVector) {
        case (.oid, false): 26
        case (.oid, true): 1028
        case (.name, false): 19
        case (.name, true): 1003
        case (.char, false): 18
        case (.char, true): 1002
        case (.xid, false): 28
        case (.int2vector, _): 22
        case (.oidvector, _): 30
        default: nil
        }
    }

    var displayName: String {
        guard let alias else { return sql.name.lowercased() }
        return isArray && !isVector ? alias.rawValue + "[]" : alias == .char ? "\"char\"" : alias.rawValue
    }
}

/// A row of pg_type.
struct TypeRow: Sendable {
    var oid: UInt32
    /// In pg_type; and as `format_type` shows it, when that is another.
    var name: String
    var display: String
    var byteLength: Int
    var category: Character
    var arrayOID: UInt32
    var elementOID: UInt32 = 0
    var kind: Character = "b"
    var isPreferred = false
    var collation: UInt32 = 0
    var relationOID: UInt32 = 0
    var namespaceOID: UInt32 = SystemOID.catalogSchema

    /// The types there are, without their arrays: name, oid, length, category, array's oid, how it is shown.
    private static let plain: [(String, UInt32, Int, Character, UInt32, String)] = [
        ("bool", 16, 1, "B", 1000, "boolean"), ("bytea", 17, -1, "U", 1001, "bytea"), ("char", 18, 1, "Z", 1002, "\"char\""),
        ("name", 19, 64, "S", 1003, "name"), ("int8", 20, 8, "N", 1016, "bigint"), ("int2", 21, 2, "N", 1005, "smallint"),
        ("int2vector", 22, -1, "A", 1006, "int2vector"), ("int4", 23, 4, "N", 1007, "integer"), ("regproc", 24, 4, "N", 1008, "regproc"),
        ("text", 25, -1, "S", 1009, "text"), ("oid", 26, 4, "N", 1028, "oid"), ("tid", 27, 6, "U", 1010, "tid"), ("xid", 28, 4, "U", 1011, "xid"),
        ("cid", 29, 4, "U", 1012, "cid"), ("oidvector", 30, -1, "A", 1013, "oidvector"), ("json", 114, -1, "U", 199, "json"),
        ("pg_node_tree", 194, -1, "Z", 0, "pg_node_tree"), ("float4", 700, 4, "N", 1021, "real"), ("float8", 701, 8, "N", 1022, "double precision"),
        ("unknown", 705, -2, "X", 0, "unknown"), ("aclitem", 1033, 12, "U", 1034, "aclitem"), ("bpchar", 1042, -1, "S", 1014, "character"),
        ("varchar", 1043, -1, "S", 1015, "character varying"), ("date", 1082, 4, "D", 1182, "date"), ("time", 1083, 8, "D", 1183, "time without time zone"),
        ("timestamp", 1114, 8, "D", 1115, "timestamp without time zone"), ("timestamptz", 1184, 8, "D", 1185, "timestamp with time zone"),
        ("interval", 1186, 16, "T", 1187, "interval"), ("timetz", 1266, 12, "D", 1270, "time with time zone"), ("numeric", 1700, -1, "N", 1231, "numeric"),
        ("regprocedure", 2202, 4, "N", 2207, "regprocedure"), ("regclass", 2205, 4, "N", 2210, "regclass"), ("regtype", 2206, 4, "N", 2211, "regtype"),
        ("record", 2249, -1, "P", 2287, "record"), ("cstring", 2275, -2, "P", 1263, "cstring"), ("any", 2276, 4, "P", 0, "\"any\""),
        ("anyarray", 2277, -1, "P", 0, "anyarray"), ("void", 2278, 4, "P", 0, "void"), ("trigger", 2279, 4, "P", 0, "trigger"),
        ("anyelement", 2283, 4, "P", 0, "anyelement"), ("uuid", 2950, 16, "U", 2951, "uuid"), ("jsonb", 3802, -1, "U", 3807, "jsonb"),
        ("regnamespace", 4089, 4, "N", 4090, "regnamespace"), ("regrole", 4096, 4, "N", 4097, "regrole"),
    ]

    /// The types and their arrays, by number.
    static let all: [TypeRow] = {
        var rows: [TypeRow] = []
        for (name, oid, length, category, array, display) in plain {
            var row = TypeRow(oid: oid, name: name, display: display, byteLength: length, category: category, arrayOID: array)
            if category == "P" || category == "X" { row.kind = "p" }
            row.isPreferred = ["bool", "text", "oid", "float8", "timestamptz", "interval"].contains(name)
            row.collation = ["text", "varchar", "bpchar", "pg_node_tree"].contains(name) ? 100 : name == "name" ? 950 : 0
            if name == "int2vector" { row.elementOID = 21 }
            if name == "oidvector" { row.elementOID = 26 }
            if name == "name" { row.elementOID = 18 }
            rows.append(row)
            guard array != 0 else { continue }
            var list = TypeRow(oid: array, name: "_" + name, display: display + "[]", byteLength: -1, category: "A", arrayOID: 0)
            list.elementOID = oid
            list.collation = row.collation
            if row.kind == "p" { list.kind = "p" }
            rows.append(list)
        }
        return rows.sorted { $0.oid < $1.oid }
    }()

    static let byOID: [UInt32: TypeRow] = Dictionary(all.map { ($0.oid, $0) }, uniquingKeysWith: { first, _ in first })

    /// The number and the modifier with which PostgreSQL knows a type of the engine. ROW and MAP go over the wire as JSON.
    static func number(of type: SQLType) -> (oid: UInt32, modifier: Int64) {
        switch type {
        case .boolean: (16, -1)
        case .smallint: (21, -1)
        case .integer: (23, -1)
        case .bigint: (20, -1)
        case .real: (700, -1)
        case .double: (701, -1)
        case .decimal(let precision, let scale): (1700, Int64(precision << 16 | scale) + 4)
        case .varchar(nil): (25, -1)
        case .varchar(let length?): (1043, Int64(length) + 4)
        case .bytes: (17, -1)
        case .date: (1082, -1)
        case .time(let precision): (1083, Int64(precision))
        case .timestamp(let precision): (1114, Int64(precision))
        case .timestampTZ(let precision): (1184, Int64(precision))
        case .interval: (1186, -1)
        case .array(let element):
            // An array of arrays is of the inner type, as in PostgreSQL.
            element.element != nil && element.isArrayType ? number(of: element) : (byOID[number(of: element).oid]?.arrayOID ?? 199, number(of: element).modifier)
        case .row, .map, .json: (114, -1)
        case .null: (25, -1)
        }
    }

    /// What `format_type` says.
    static func display(_ oid: UInt32, modifier: Int64?, known: TypeRow?) -> String {
        guard let row = known ?? byOID[oid] else { return oid == 0 ? "-" : "???" }
        guard let modifier, modifier >= 0 else { return row.display }
        let suffix = row.display.hasSuffix("[]") ? "[]" : ""
        switch row.elementOID != 0 && !suffix.isEmpty ? row.elementOID : oid {
        case 1043 where modifier >= 4: return "character varying(\(modifier - 4))" + suffix
        case 1042 where modifier >= 4: return "character(\(modifier - 4))" + suffix
        case 1700 where modifier >= 4: return "numeric(\((modifier - 4) >> 16),\((modifier - 4) & 0xFFFF))" + suffix
        case 1114: return "timestamp(\(modifier)) without time zone" + suffix
        case 1184: return "timestamp(\(modifier)) with time zone" + suffix
        case 1083: return "time(\(modifier)) without time zone" + suffix
        default: return row.display
        }
    }
}

extension SQLType {
    fileprivate var isArrayType: Bool { if case .array = self { true } else { false } }
}

/// Numbers of what is always there, and how those of the catalog's objects follow from their ids: the same in every life of the directory.
enum SystemOID {
    static let catalogSchema: UInt32 = 11
    static let publicSchema: UInt32 = 2200
    static let standardSchema: UInt32 = 13_000
    static let ownSchema: UInt32 = 13_001
    static let owner: UInt32 = 10
    static let database: UInt32 = 5
    static let heap: UInt32 = 2
    static let btree: UInt32 = 403
    static let sqlLanguage: UInt32 = 14
    static let internalLanguage: UInt32 = 12
    static let tablespace: UInt32 = 1663
    static let foreignServer: UInt32 = 13_100
    static let foreignWrapper: UInt32 = 13_101
    static let pgClass: UInt32 = 1259
    static let pgProc: UInt32 = 1255
    static let pgType: UInt32 = 1247
    static let pgNamespace: UInt32 = 2615
    static let pgConstraint: UInt32 = 2606
    static let pgDatabase: UInt32 = 1262

    enum Part: UInt64 { case object = 0, rowType, rowArray, keyIndex, keyConstraint }

    /// Each object of the catalog has eight numbers.
    static func of(_ id: UInt64, _ part: Part = .object) -> UInt32 { UInt32(truncatingIfNeeded: 16_384 &+ id &* 8 &+ part.rawValue) }

    /// Of a system relation, by its place among them, which are listed by schema and name.
    static func ofSystemRelation(_ index: Int) -> UInt32 { 11_000 + UInt32(truncatingIfNeeded: index) * 2 }
    static func ofFunction(_ index: Int) -> UInt32 { 14_000 + UInt32(truncatingIfNeeded: index) }
}
