// Statement: everything that can stand before a semicolon.

package struct Statement: Hashable, Sendable {
    package indirect enum Kind: Hashable, Sendable {
        case query(Query)
        case insert(Insert)
        case createRelation(CreateRelation)
        case createView(CreateView)
        case createQuery(CreateQuery)
        case createFunction(CreateFunction)
        /// `ALTER QUERY name AS INSERT INTO ..`: another definition for a saved query, which goes on.
        case alterQuery(CreateQuery)
        case alterStream(AlterStream)
        /// `DROP STREAM|TABLE|VIEW|QUERY|FUNCTION [IF EXISTS] name, ..`; PUMP is QUERY.
        case drop(ObjectKind, names: [QualifiedName], ifExists: Bool)
        /// `SHOW STREAMS|TABLES|VIEWS|QUERIES|FUNCTIONS|ALL`, `SHOW CREATE name|ALL`.
        case show(ShowKind)
        /// `DESCRIBE name`, `DESC name`.
        case describe(QualifiedName)
        /// `DESCRIBE QUERY name`.
        case describeQuery(QualifiedName)
        /// `PAUSE QUERY|MATERIALIZED VIEW name`, `RESUME ..`.
        case pause(ObjectKind, QualifiedName, isPaused: Bool)
        /// `EXPLAIN [LOGICAL|PHYSICAL] statement`; nil shows both.
        case explain(ExplainKind?, Statement)
        /// `EXPLAIN ANALYZE name`, `EXPLAIN ANALYZE SELECT ..`.
        case explainAnalyze(AnalyzeTarget)
        /// `EXPLAIN WATERMARK name`.
        case explainWatermark(QualifiedName)
        /// `SET name = value`, `SET name TO value`.
        case set(Identifier, Expression)
        /// `RESET name`.
        case reset(Identifier)
        /// CREATE NOTIFIER, SILENCE, ACKNOWLEDGE ..
        case notification(NotificationStatement)
        /// CREATE ALERT, TEST ALERT ..
        case alert(AlertStatement)
        /// BEGIN, DECLARE, FETCH, COPY, PREPARE, SHOW name ..
        case connection(ConnectionStatement)
    }

    package var kind: Kind
    package var span: SourceSpan

    package init(_ kind: Kind, span: SourceSpan) {
        self.kind = kind
        self.span = span
    }
}

package enum ObjectKind: String, Hashable, Sendable {
    case stream = "STREAM", table = "TABLE", view = "VIEW", materializedView = "MATERIALIZED VIEW", query = "QUERY", function = "FUNCTION"
    case notifier = "NOTIFIER", inhibition = "INHIBITION"
}

/// What EXPLAIN ANALYZE looks at: a saved query that runs, or a statement that it runs to its end.
package indirect enum AnalyzeTarget: Hashable, Sendable {
    case query(QualifiedName)
    case statement(Statement)
}

package enum ShowKind: Hashable, Sendable {
    case streams, tables, views, materializedViews, queries, functions, all
    /// What fires and what waits; who is told; what is kept quiet.
    case alerts, notifiers, silences, inhibitions
    case create(QualifiedName)
    /// `SHOW CREATE ALL`: every definition there is.
    case definitions
}

package enum ExplainKind: String, Hashable, Sendable { case logical = "LOGICAL", physical = "PHYSICAL" }

/// `INSERT INTO t [(columns)] query`; VALUES is a query body.
package struct Insert: Hashable, Sendable {
    package var target: QualifiedName
    package var columns: [Identifier]
    package var query: Query

    package init(target: QualifiedName, columns: [Identifier], query: Query) {
        self.target = target
        self.columns = columns
        self.query = query
    }
}

/// `CREATE [OR REPLACE] STREAM|TABLE [IF NOT EXISTS] name (..) PARTITION BY (..) SHARDS n RETAIN .. WITH (..)`.
package struct CreateRelation: Hashable, Sendable {
    package var kind: ObjectKind
    package var name: QualifiedName
    package var orReplace: Bool
    package var ifNotExists: Bool
    package var columns: [ColumnClause]
    package var watermark: WatermarkClause?
    /// `PRIMARY KEY (a, b) [NOT ENFORCED]`.
    package var primaryKey: [Identifier]
    package var partitionBy: [Identifier]
    package var shards: Expression?
    /// `RETAIN INTERVAL '1' DAY`, `RETAIN '10 GB'`, `RETAIN INTERVAL '1' DAY, '10 GB'`: each an interval or a size literal.
    package var retain: [Expression]
    package var options: [Option]
    /// Where the columns come from when none are written.
    package var source: Source?

    /// What `LIKE` takes over: columns, computed ones, watermark, keys and options, which WITH adds to; without the options; the plain columns.
    package enum LikePart: String, Hashable, Sendable {
        case everything = "", withoutOptions = "EXCLUDING OPTIONS", columns = "EXCLUDING ALL"
    }

    package indirect enum Source: Hashable, Sendable {
        case like(QualifiedName, LikePart)
        /// `AS query`: its columns, and a query that fills the stream.
        case query(Query)
    }

    package init(
        kind: ObjectKind, name: QualifiedName, orReplace: Bool = false, ifNotExists: Bool = false, columns: [ColumnClause],
        watermark: WatermarkClause? = nil, primaryKey: [Identifier] = [], partitionBy: [Identifier] = [],
        shards: Expression? = nil, retain: [Expression] = [], options: [Option] = [], source: Source? = nil
    ) {
        self.source = source
        self.kind = kind
        self.name = name
        self.orReplace = orReplace
        self.ifNotExists = ifNotExists
        self.columns = columns
        self.watermark = watermark
        self.primaryKey = primaryKey
        self.partitionBy = partitionBy
        self.shards = shards
        self.retain = retain
        self.options = options
    }
}

/// `price BIGINT NOT NULL`, `day AS DATE_FORMAT(ts, 'yyyy-MM-dd')`.
package struct ColumnClause: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case physical(TypeName, isNotNull: Bool)
        case computed(Expression)
    }

    package var name: Identifier
    package var kind: Kind
    package var span: SourceSpan

    package init(name: Identifier, kind: Kind, span: SourceSpan) {
        self.name = name
        self.kind = kind
        self.span = span
    }
}

/// `WATERMARK FOR ts AS ts - INTERVAL '4' SECOND`.
package struct WatermarkClause: Hashable, Sendable {
    package var column: Identifier
    package var expression: Expression
    package var span: SourceSpan

    package init(column: Identifier, expression: Expression, span: SourceSpan) {
        self.column = column
        self.expression = expression
        self.span = span
    }
}

/// `connector = 'file'` and `'connector' = 'file'`. Keys may be dotted (`events.per.second`); they are compared in lower case.
package struct Option: Hashable, Sendable {
    package var key: String
    /// The value's text: of a string its content, of a number or a word the text as written.
    package var value: String
    package var keySpan: SourceSpan
    package var valueSpan: SourceSpan

    package init(key: String, value: String, keySpan: SourceSpan, valueSpan: SourceSpan) {
        self.key = key
        self.value = value
        self.keySpan = keySpan
        self.valueSpan = valueSpan
    }
}

/// `CREATE [OR REPLACE] [MATERIALIZED] VIEW name [(columns)] AS query`.
package struct CreateView: Hashable, Sendable {
    package var name: QualifiedName
    /// Kept up to date by a saved query of the same name.
    package var isMaterialized = false
    package var orReplace: Bool
    package var ifNotExists: Bool
    package var columns: [Identifier]
    package var query: Query

    package init(name: QualifiedName, orReplace: Bool, ifNotExists: Bool, columns: [Identifier], query: Query) {
        self.name = name
        self.orReplace = orReplace
        self.ifNotExists = ifNotExists
        self.columns = columns
        self.query = query
    }
}

/// `CREATE [OR REPLACE] QUERY|PUMP [IF NOT EXISTS] name AS INSERT INTO .. SELECT ..`.
package struct CreateQuery: Hashable, Sendable {
    package var name: QualifiedName
    package var orReplace: Bool
    package var ifNotExists: Bool
    package var insert: Insert
    package var options: [Option]

    package init(name: QualifiedName, orReplace: Bool, ifNotExists: Bool, insert: Insert, options: [Option] = []) {
        self.name = name
        self.orReplace = orReplace
        self.ifNotExists = ifNotExists
        self.insert = insert
        self.options = options
    }
}

/// `CREATE [OR REPLACE] FUNCTION name(s VARCHAR, ..) RETURNS type RETURN expression`. PostgreSQL's `AS $$ SELECT expression $$` is the same tree.
package struct CreateFunction: Hashable, Sendable {
    package struct Parameter: Hashable, Sendable {
        /// nil when only `$1` names it.
        package var name: Identifier?
        package var type: TypeName

        package init(name: Identifier?, type: TypeName) {
            self.name = name
            self.type = type
        }
    }

    package var name: QualifiedName
    package var orReplace: Bool
    package var ifNotExists: Bool
    package var parameters: [Parameter]
    package var returns: TypeName
    /// NULL when an argument is NULL.
    package var isStrict: Bool
    package var body: Expression

    package init(
        name: QualifiedName, orReplace: Bool = false, ifNotExists: Bool = false, parameters: [Parameter], returns: TypeName, isStrict: Bool = false,
        body: Expression
    ) {
        self.name = name
        self.orReplace = orReplace
        self.ifNotExists = ifNotExists
        self.parameters = parameters
        self.returns = returns
        self.isStrict = isStrict
        self.body = body
    }
}
