// Catalog: what names stand for, as the planner sees it. The engine keeps the catalog on disk and implements the protocol.

import Columns
import Syntax

/// A column of a stream or table.
package struct ColumnDefinition: Hashable, Sendable {
    package var name: String
    package var type: SQLType
    package var isNotNull: Bool
    /// Set for a computed column: evaluated when a row is read, never stored. Bound against the physical columns.
    package var computed: Expression?

    package init(name: String, type: SQLType, isNotNull: Bool = false, computed: Expression? = nil) {
        self.name = name
        self.type = type
        self.isNotNull = isNotNull
        self.computed = computed
    }
}

/// `WATERMARK FOR column AS expression`. The expression is over all columns of the relation, computed ones included.
package struct WatermarkDefinition: Hashable, Sendable {
    /// Index into the relation's columns; physical or computed, never NULL.
    package var column: Int
    package var expression: Expression

    package init(column: Int, expression: Expression) {
        self.column = column
        self.expression = expression
    }
}

/// A stream or a table, as defined by CREATE STREAM | TABLE.
package struct RelationDefinition: Hashable, Sendable {
    package var name: String
    package var kind: ObjectKind
    package var columns: [ColumnDefinition]
    package var watermark: WatermarkDefinition?
    /// Indices of physical columns.
    package var partitionBy: [Int]
    package var primaryKey: [Int]
    package var shardCount: Int
    package var retainedMicrosecondsMax: Int64?
    package var retainedBytesMax: Int64?
    /// Keys in lower case, without `connector`.
    package var options: [String: String]
    /// `log` (the default), `file`, `nexmark`, `system`, `blackhole`, `print`; in lower case.
    package var connector: String
    /// Rows of the stream carry change kinds (by its options, or set by the engine when an updating query writes it).
    package var isChangelog: Bool

    package init(
        name: String, kind: ObjectKind = .stream, columns: [ColumnDefinition], watermark: WatermarkDefinition? = nil,
        partitionBy: [Int] = [], primaryKey: [Int] = [], shardCount: Int = 1, retainedMicrosecondsMax: Int64? = nil,
        retainedBytesMax: Int64? = nil, options: [String: String] = [:], connector: String = "log", isChangelog: Bool = false
    ) {
        self.name = name
        self.kind = kind
        self.columns = columns
        self.watermark = watermark
        self.partitionBy = partitionBy
        self.primaryKey = primaryKey
        self.shardCount = shardCount
        self.retainedMicrosecondsMax = retainedMicrosecondsMax
        self.retainedBytesMax = retainedBytesMax
        self.options = options
        self.connector = connector
        self.isChangelog = isChangelog
    }

    /// Whether rows go in and do not come out.
    package var isSinkOnly: Bool { connector == "blackhole" || connector == "print" }

    /// The changelog of a materialized view: written by the saved query of the same name, and looked up by plain SELECTs as the relation that it is.
    package var isMaterializedView: Bool { options[RelationDefinition.materializedOption] != nil }
    package static let materializedOption = "$materialized"

    /// Rows that are made when they are read (`connector` of pg_catalog's relations), and what a plain SELECT sees of a materialized view.
    package static let systemConnector = "$system"
    package static let snapshotConnector = "$snapshot"

    /// Whether a query that takes rows back cannot write here.
    package var isAppendOnly: Bool {
        switch options["changelog"]?.lowercased() {
        case "append", "false", "off": true
        default: false
        }
    }

    /// Whether rows come in as text with their change kind under the key `op`.
    package var readsChangeKinds: Bool { options["changelog"] != nil && !isAppendOnly && !isDebezium }

    /// Rows come in and go out as Debezium's change events.
    package var isDebezium: Bool { options["format"]?.lowercased() == "debezium-json" }

    /// A row replaces the one of the same primary key, and a delete needs only the key: what is kept is not the changelog of a relation, which
    /// reading it makes of it (`UpsertScan`).
    package var isUpsert: Bool { options["changelog"]?.lowercased() == "upsert" }

    /// Read as the relation it describes, and not as the rows that came (see UpsertScan).
    package var isReadAsUpsert: Bool { isUpsert && options[RelationDefinition.versionsOption] == nil }

    /// Set by the planner in a definition that is to be read as its rows came.
    package static let versionsOption = "$versions"

    /// The columns that are stored, in order: the schema of the log's frames, of files, of INSERT.
    package var physicalColumns: [Int] { columns.indices.filter { columns[$0].computed == nil } }
    package var physicalSchema: Schema {
        Schema(physicalColumns.map { SQLType.Field(name: columns[$0].name, type: columns[$0].type) })
    }

    /// What a scan can be asked for: the physical columns, and of an upsert stream behind them whether the row deletes its key.
    package var scanSchema: Schema {
        var schema = physicalSchema
        if isReadAsUpsert { schema.fields.append(SQLType.Field(name: "$deleted", type: .boolean)) }
        return schema
    }
}

package struct ViewDefinition: Hashable, Sendable {
    package var name: String
    /// Names given in CREATE VIEW name (a, b); empty when the query's own are used.
    package var columns: [String]
    package var query: Query

    package init(name: String, columns: [String], query: Query) {
        self.name = name
        self.columns = columns
        self.query = query
    }
}

package enum CatalogEntry: Sendable {
    case relation(RelationDefinition)
    case view(ViewDefinition)
}

/// A function of CREATE FUNCTION. Its body is bound where it is called.
package struct UserFunction: Hashable, Sendable {
    package struct Parameter: Hashable, Sendable {
        package var name: String?
        package var type: SQLType
    }

    package var name: String
    package var parameters: [Parameter]
    package var result: SQLType
    /// NULL when an argument is NULL.
    package var isStrict: Bool
    package var body: Expression

    /// `count_char(s VARCHAR, c VARCHAR)`.
    package var signature: String {
        "\(name)(" + parameters.map { ($0.name.map { $0 + " " } ?? "") + $0.type.name }.joined(separator: ", ") + ")"
    }
}

package protocol Catalog {
    /// The entry whose name matches: exactly, or without regard to case when only one does.
    func entry(named name: String) -> CatalogEntry?
    /// A relation about the catalog itself, such as pg_catalog.pg_class; `schema` is nil when none is written.
    func systemRelation(schema: String?, named name: String) -> RelationDefinition?
    /// Every name, for suggestions; sorted.
    var entryNames: [String] { get }
    /// The function whose name matches, without regard to case.
    func function(named name: String) -> UserFunction?
    /// Every function's name, for suggestions; sorted.
    var functionNames: [String] { get }
}

extension Catalog {
    package func systemRelation(schema: String?, named name: String) -> RelationDefinition? { nil }
    package func function(named name: String) -> UserFunction? { nil }
    package var functionNames: [String] { [] }
}
