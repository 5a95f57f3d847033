// Query: SELECT and what surrounds it, as written.

/// `WITH .. SELECT .. UNION .. ORDER BY .. LIMIT .. EMIT ..`.
package struct Query: Hashable, Sendable {
    package var with: [CommonTable]
    /// `WITH RECURSIVE`: its tables may read themselves.
    package var isRecursive = false
    package var body: QueryBody
    package var orderBy: [OrderItem]
    package var limit: Expression?
    package var offset: Expression?
    package var emit: EmitClause?
    /// `START FROM TRIM_HORIZON | LATEST | TIMESTAMP '..' | 'sequence'`.
    package var startFrom: StartPosition?
    package var span: SourceSpan

    package init(
        with: [CommonTable] = [], body: QueryBody, orderBy: [OrderItem] = [], limit: Expression? = nil,
        offset: Expression? = nil, emit: EmitClause? = nil, startFrom: StartPosition? = nil, span: SourceSpan
    ) {
        self.with = with
        self.body = body
        self.orderBy = orderBy
        self.limit = limit
        self.offset = offset
        self.emit = emit
        self.startFrom = startFrom
        self.span = span
    }
}

/// `name [(columns)] AS (query)`.
package struct CommonTable: Hashable, Sendable {
    package var name: Identifier
    package var columns: [Identifier]
    package var query: Query

    package init(name: Identifier, columns: [Identifier], query: Query) {
        self.name = name
        self.columns = columns
        self.query = query
    }
}

package indirect enum QueryBody: Hashable, Sendable {
    case select(Select)
    /// `left UNION|INTERSECT|EXCEPT [ALL] right`.
    case setOperation(SetOperator, all: Bool, Query, Query, span: SourceSpan)
    /// `VALUES (..), (..)`.
    case values([[Expression]], span: SourceSpan)
}

package enum SetOperator: String, Hashable, Sendable { case union = "UNION", intersect = "INTERSECT", except = "EXCEPT" }

package struct Select: Hashable, Sendable {
    /// `SELECT STREAM`: goes on until cancelled.
    package var isStream: Bool
    package var isDistinct: Bool
    /// `DISTINCT ON (a, b)`.
    package var distinctOn: [Expression]
    package var items: [SelectItem]
    package var from: [TableExpression]
    package var filter: Expression?
    package var groupBy: [GroupingElement]
    package var having: Expression?
    /// `WINDOW w AS (..)`.
    package var windows: [NamedWindow]
    package var qualify: Expression?
    /// `/*+ STATE_TTL('a' = '1 h') */` behind SELECT.
    package var stateTTL: [StateTTL] = []
    package var span: SourceSpan

    package init(
        isStream: Bool = false, isDistinct: Bool = false, distinctOn: [Expression] = [], items: [SelectItem], from: [TableExpression] = [],
        filter: Expression? = nil, groupBy: [GroupingElement] = [], having: Expression? = nil, windows: [NamedWindow] = [],
        qualify: Expression? = nil, span: SourceSpan
    ) {
        self.isStream = isStream
        self.isDistinct = isDistinct
        self.distinctOn = distinctOn
        self.items = items
        self.from = from
        self.filter = filter
        self.groupBy = groupBy
        self.having = having
        self.windows = windows
        self.qualify = qualify
        self.span = span
    }
}

/// How long a join keeps rows of a table.
package struct StateTTL: Hashable, Sendable {
    package var table: Identifier
    package var text: String
    /// Of the text.
    package var span: SourceSpan
}

package struct SelectItem: Hashable, Sendable {
    package var expression: Expression
    package var alias: Identifier?

    package init(expression: Expression, alias: Identifier? = nil) {
        self.expression = expression
        self.alias = alias
    }
}

package struct NamedWindow: Hashable, Sendable {
    package var name: Identifier
    package var specification: WindowSpecification

    package init(name: Identifier, specification: WindowSpecification) {
        self.name = name
        self.specification = specification
    }
}

/// An element of GROUP BY. `TUMBLE(ts, INTERVAL ..)`, `HOP`, `CUMULATE` and `SESSION` group functions are plain `.expression` calls.
package indirect enum GroupingElement: Hashable, Sendable {
    case expression(Expression)
    case groupingSets([[Expression]])
    case rollup([Expression])
    case cube([Expression])
    /// `GROUP BY ALL`: every item of the select list that holds no aggregate.
    case all
}

package struct TableExpression: Hashable, Sendable {
    package indirect enum Kind: Hashable, Sendable {
        /// A stream, table, view or WITH name; `asOf` is `FOR SYSTEM_TIME AS OF expression`.
        case name(QualifiedName, asOf: Expression?)
        /// `(SELECT ..)`.
        case query(Query)
        /// `TABLE(TUMBLE(TABLE bid, DESCRIPTOR(ts), INTERVAL ..))`, also without the outer TABLE( ), and any table function.
        /// A window function's input as a subquery `(SELECT ..)` arrives as a `.scalarQuery` argument.
        case function(FunctionCall)
        /// `UNNEST(a) [WITH ORDINALITY]`.
        case unnest([Expression], withOrdinality: Bool)
        /// `left [kind] JOIN right ON ..| USING (..)`. A comma is a `.cross` join.
        case join(JoinKind, TableExpression, TableExpression, JoinCondition)
        /// `t MATCH_RECOGNIZE (..)`.
        case match(TableExpression, MatchClause)
        /// `LATERAL t`.
        case lateral(TableExpression)
    }

    package var kind: Kind
    package var alias: Identifier?
    package var columnAliases: [Identifier]
    package var span: SourceSpan

    package init(_ kind: Kind, alias: Identifier? = nil, columnAliases: [Identifier] = [], span: SourceSpan) {
        self.kind = kind
        self.alias = alias
        self.columnAliases = columnAliases
        self.span = span
    }
}

package enum JoinKind: String, Hashable, Sendable {
    case inner = "JOIN", left = "LEFT JOIN", right = "RIGHT JOIN", full = "FULL JOIN", cross = "CROSS JOIN"
    case asof = "ASOF JOIN", asofLeft = "ASOF LEFT JOIN"
}

extension JoinKind {
    package var isAsOf: Bool { self == .asof || self == .asofLeft }
}

package enum JoinCondition: Hashable, Sendable {
    case none
    case on(Expression)
    case using([Identifier])
    /// `NATURAL JOIN`: as USING with the names that both sides have.
    case natural
}

package enum EmitClause: Hashable, Sendable {
    /// `EMIT ON WINDOW CLOSE`, also `EMIT FINAL`.
    case onWindowClose
    /// `EMIT CHANGES`.
    case changes
}

package enum StartPosition: Hashable, Sendable {
    case trimHorizon
    case latest
    /// A TIMESTAMP literal or any constant expression of that type.
    case time(Expression)
    case sequence(String)
}
