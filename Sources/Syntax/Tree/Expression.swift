// Expression: the tree of a scalar expression as written, before names and types are known.

package struct Expression: Hashable, Sendable {
    package indirect enum Kind: Hashable, Sendable {
        /// `NULL`, `TRUE`, `42`, `'text'`, `DATE '2026-01-01'` ...
        case literal(Literal)
        /// `price`, `b.price`.
        case column(QualifiedName)
        /// `*` and `b.*`: only in a select list and in `count(*)`.
        case star(qualifier: QualifiedName?)
        /// `-x`, `+x`.
        case unary(UnaryOperator, Expression)
        /// `a + b`, `a < b`, `a || b`, `a AND b` ...; `operatorSpan` is the operator's own place.
        case binary(BinaryOperator, Expression, Expression, operatorSpan: SourceSpan)
        /// `NOT x`.
        case not(Expression)
        /// `x IS [NOT] NULL`, `IS [NOT] TRUE`, `IS [NOT] FALSE`, `IS [NOT] UNKNOWN`.
        case isTest(Expression, IsTest, negated: Bool)
        /// `a IS [NOT] DISTINCT FROM b`.
        case isDistinct(Expression, Expression, negated: Bool)
        /// `x [NOT] BETWEEN [SYMMETRIC] low AND high`.
        case between(Expression, low: Expression, high: Expression, negated: Bool, symmetric: Bool)
        /// `x [NOT] IN (a, b, c)`.
        case inList(Expression, [Expression], negated: Bool)
        /// `x [NOT] IN (SELECT ...)`.
        case inQuery(Expression, Query, negated: Bool)
        /// `x > ANY (SELECT ...)`, `x <> ALL (SELECT ...)`; SOME is ANY.
        case quantified(Expression, BinaryOperator, Query, isAll: Bool)
        /// `[NOT] EXISTS (SELECT ...)`: the NOT is a `.not` around it.
        case exists(Query)
        /// `(SELECT ...)` as a value.
        case scalarQuery(Query)
        /// `ARRAY(SELECT ...)`: the values of the query's one column, in its order.
        case arrayQuery(Query)
        /// `x [NOT] LIKE p [ESCAPE e]`, `ILIKE`, `SIMILAR TO`.
        case like(Expression, pattern: Expression, escape: Expression?, LikeKind, negated: Bool)
        /// `CASE [operand] WHEN .. THEN .. [ELSE ..] END`.
        case caseWhen(operand: Expression?, branches: [CaseBranch], otherwise: Expression?)
        /// `CAST(x AS t)`, `x::t`, `TRY_CAST(x AS t)`.
        case cast(Expression, TypeName, isTry: Bool)
        /// `f(a, b)`, `count(DISTINCT x) FILTER (WHERE ..)`, `row_number() OVER (..)`, and every special form rewritten as a call
        /// (see `FunctionCall`).
        case call(FunctionCall)
        /// `EXTRACT(field FROM x)`; also the Flink short forms stay plain calls (`HOUR(x)`).
        case extract(field: Identifier, Expression)
        /// `x AT TIME ZONE 'UTC'`.
        case atTimeZone(Expression, Expression)
        /// `a[1]`, `m['k']`.
        case element(Expression, Expression)
        /// `(expression).field`; a plain `a.b` is a `.column` that the binder may read as a field.
        case field(Expression, Identifier)
        /// `ARRAY[a, b]`.
        case array([Expression])
        /// `ROW(a, b)` and `(a, b)`.
        case row([Expression])
        /// `DESCRIPTOR(ts)`: only as an argument of a table function.
        case descriptor([Identifier])
        /// `TABLE bid` as an argument of a table function.
        case tableArgument(QualifiedName)
        /// `CURSOR(SELECT STREAM ...)` as an argument of a table function (Kinesis Data Analytics).
        case cursor(Query)
        /// `CURRENT_TIMESTAMP`, `CURRENT_DATE`, `LOCALTIMESTAMP` ...: niladic, without parentheses, name in upper case.
        case niladic(String)
    }

    package var kind: Kind
    package var span: SourceSpan

    package init(_ kind: Kind, span: SourceSpan) {
        self.kind = kind
        self.span = span
    }
}

package struct CaseBranch: Hashable, Sendable {
    package var condition: Expression
    package var result: Expression

    package init(condition: Expression, result: Expression) {
        self.condition = condition
        self.result = result
    }
}

package enum Literal: Hashable, Sendable {
    case null
    case boolean(Bool)
    /// Digits as written, without sign; any length.
    case integer(String)
    /// Digits with a point, without exponent: an exact DECIMAL. As written.
    case decimal(String)
    /// With an exponent: DOUBLE. As written.
    case double(String)
    /// `'text'`, `E'text\n'`, `$$text$$`: the value after escapes.
    case string(String)
    /// `X'CAFE'`.
    case bytes([UInt8])
    /// `DATE '...'`, `TIME '...'`, `TIMESTAMP '...'`, `TIMESTAMP WITH TIME ZONE '...'`: the text, unread.
    case typed(TypeName, String)
    /// `INTERVAL '10' SECOND`, `INTERVAL '1:30' MINUTE TO SECOND`, `INTERVAL '2 days 3 hours'`, `INTERVAL 10 SECOND`.
    case interval(text: String, from: IntervalField?, to: IntervalField?)
}

package enum IntervalField: String, Hashable, Sendable, CaseIterable {
    case year, quarter, month, week, day, hour, minute, second, millisecond, microsecond
}

package enum UnaryOperator: String, Hashable, Sendable {
    case minus = "-"
    case plus = "+"
}

package enum BinaryOperator: String, Hashable, Sendable, CaseIterable {
    case or = "OR", and = "AND"
    case equal = "=", notEqual = "<>", less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">="
    case add = "+", subtract = "-", multiply = "*", divide = "/", remainder = "%", power = "^"
    case concat = "||"
    case jsonGet = "->", jsonGetText = "->>", jsonPath = "#>", jsonPathText = "#>>"
    /// Of arrays.
    case containsAll = "@>", containedBy = "<@", overlaps = "&&"
    case regexMatch = "~", regexMatchInsensitive = "~*", regexNotMatch = "!~", regexNotMatchInsensitive = "!~*"
    case bitAnd = "&", bitOr = "|", shiftLeft = "<<", shiftRight = ">>", bitXor = "#"
}

package enum IsTest: String, Hashable, Sendable {
    case null = "NULL", isTrue = "TRUE", isFalse = "FALSE", unknown = "UNKNOWN"
}

package enum LikeKind: String, Hashable, Sendable {
    case like = "LIKE", ilike = "ILIKE", similar = "SIMILAR TO"
}

/// A function call with everything that may hang on one. Special forms arrive here under their function's name:
/// `SUBSTRING(s FROM 2 FOR 3)` as substring(s, 2, 3); `POSITION(a IN b)` as position(a, b); `TRIM(BOTH 'x' FROM s)` as
/// btrim/ltrim/rtrim(s, 'x'); `OVERLAY(s PLACING r FROM i FOR n)` as overlay(s, r, i, n);
/// `CEIL(ts TO HOUR)`, `FLOOR(ts TO DAY)` as ceil/floor(ts, 'HOUR') with the unit as a string literal;
/// `TIMESTAMPADD(HOUR, 1, ts)` and `TIMESTAMPDIFF` with the unit as a string literal; `STEP(ts BY INTERVAL ..)` as step(ts, interval).
package struct FunctionCall: Hashable, Sendable {
    package var name: QualifiedName
    package var arguments: [Expression]
    /// `name => value` for the argument at the same place; nil where none is written.
    package var argumentNames: [Identifier?]
    package var isDistinct: Bool
    /// `ORDER BY` inside the parentheses.
    package var orderBy: [OrderItem]
    /// `WITHIN GROUP (ORDER BY ..)`.
    package var withinGroup: [OrderItem]
    /// `FILTER (WHERE ..)`.
    package var filter: Expression?
    /// `IGNORE NULLS` is true, `RESPECT NULLS` false, nil when neither is written.
    package var ignoresNulls: Bool?
    package var over: WindowReference?
    /// `RUNNING` or `FINAL` before the call, within MATCH_RECOGNIZE.
    package var semantics: MatchSemantics?

    package init(
        name: QualifiedName, arguments: [Expression], argumentNames: [Identifier?]? = nil, isDistinct: Bool = false,
        orderBy: [OrderItem] = [], withinGroup: [OrderItem] = [], filter: Expression? = nil, ignoresNulls: Bool? = nil,
        over: WindowReference? = nil, semantics: MatchSemantics? = nil
    ) {
        self.name = name
        self.arguments = arguments
        self.argumentNames = argumentNames ?? Array(repeating: nil, count: arguments.count)
        self.isDistinct = isDistinct
        self.orderBy = orderBy
        self.withinGroup = withinGroup
        self.filter = filter
        self.ignoresNulls = ignoresNulls
        self.over = over
        self.semantics = semantics
    }
}

/// What stands behind OVER: a name, or a specification in parentheses.
package indirect enum WindowReference: Hashable, Sendable {
    case named(Identifier)
    case inline(WindowSpecification)
}

/// `([base] PARTITION BY .. ORDER BY .. ROWS|RANGE BETWEEN .. AND ..)`.
package struct WindowSpecification: Hashable, Sendable {
    package var base: Identifier?
    package var partitionBy: [Expression]
    package var orderBy: [OrderItem]
    package var frame: WindowFrame?
    package var span: SourceSpan

    package init(
        base: Identifier? = nil, partitionBy: [Expression] = [], orderBy: [OrderItem] = [], frame: WindowFrame? = nil,
        span: SourceSpan
    ) {
        self.base = base
        self.partitionBy = partitionBy
        self.orderBy = orderBy
        self.frame = frame
        self.span = span
    }
}

package struct WindowFrame: Hashable, Sendable {
    package enum Unit: String, Hashable, Sendable { case rows = "ROWS", range = "RANGE", groups = "GROUPS" }
    package enum Bound: Hashable, Sendable {
        case unboundedPreceding, currentRow, unboundedFollowing
        case preceding(Expression), following(Expression)
    }

    package var unit: Unit
    package var start: Bound
    /// nil for the short form (`ROWS 5 PRECEDING`): up to the current row.
    package var end: Bound?

    package init(unit: Unit, start: Bound, end: Bound?) {
        self.unit = unit
        self.start = start
        self.end = end
    }
}

package struct OrderItem: Hashable, Sendable {
    package var expression: Expression
    package var isDescending: Bool
    /// `NULLS FIRST` is true, `NULLS LAST` false, nil when not written (PostgreSQL: last when ascending, first when descending).
    package var nullsFirst: Bool?

    package init(expression: Expression, isDescending: Bool = false, nullsFirst: Bool? = nil) {
        self.expression = expression
        self.isDescending = isDescending
        self.nullsFirst = nullsFirst
    }
}
