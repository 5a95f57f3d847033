// LogicalPlan: what a query means, as a tree. The binder builds it, the rules rewrite it, the physical builder reads it.
//
// Ordinals refer to the columns of the node's input. Unlike the physical plan it keeps names, so that EXPLAIN can print what
// people wrote, and it holds expressions where the physical plan wants columns.

import Columns
import Syntax

package indirect enum LogicalPlan: Hashable, Sendable {
    /// `FROM bid`: some physical columns of a relation.
    case scan(LogicalScan)
    /// `VALUES (1, 'a'), (2, 'b')`; one row without columns for a SELECT without FROM.
    case values([[BoundExpression]], [SQLType.Field])
    /// `WATERMARK FOR ts AS ts - INTERVAL '4' SECOND`: only in continuous mode. A bounded query sees all rows before it closes a window, so no
    /// row can be late in one.
    case watermark(LogicalPlan, WatermarkNode)
    /// `WHERE`, `HAVING`.
    case filter(LogicalPlan, BoundExpression)
    /// `SELECT a, b + 1 AS c`.
    case project(LogicalPlan, [LogicalColumn])
    /// `TABLE(TUMBLE(..))`: the input's columns, then window_start, window_end, window_time.
    case window(LogicalPlan, LogicalWindow)
    /// `GROUP BY`, `DISTINCT`: the keys, then (when windowed) window_start, window_end, window_time, then the aggregates.
    case aggregate(LogicalPlan, LogicalAggregate)
    /// `UNION ALL`.
    case union([LogicalPlan])
    /// `ORDER BY .. [LIMIT ..]`.
    case sort(LogicalPlan, LogicalSort)
    /// `LIMIT .. OFFSET ..`.
    case limit(LogicalPlan, count: Int?, offset: Int)
    /// Output: left columns, then right ones; of a semi or anti join the left ones.
    case join(LogicalPlan, LogicalPlan, LogicalJoin)
    /// `sum(x) OVER (..)`: the input's columns, then one for each call.
    case over(LogicalPlan, LogicalOver)
    case match(LogicalPlan, LogicalMatch)
    case unnest(LogicalPlan, LogicalUnnest)
    /// Each row once for each list of expressions, in their order: GROUPING SETS.
    case expand(LogicalPlan, [[BoundExpression]], names: [String])
    /// Each row as often as the BIGINT column says (0 and less: never): INTERSECT ALL, EXCEPT ALL.
    case replicate(LogicalPlan, column: Int)
}

package struct LogicalScan: Hashable, Sendable {
    package var relation: RelationDefinition
    /// Columns of the relation's physical schema, and fields inside them.
    package var columns: [ColumnPath]

    package init(relation: RelationDefinition, columns: [ColumnPath]) {
        self.relation = relation
        self.columns = columns
    }

    package init(relation: RelationDefinition, columns: [Int]) {
        self.init(relation: relation, columns: columns.map { ColumnPath($0) })
    }
}

/// An expression and what its column is called.
package struct LogicalColumn: Hashable, Sendable {
    package var expression: BoundExpression
    package var name: String
}

package struct LogicalWindow: Hashable, Sendable {
    package var shape: WindowShape
    package var timeColumn: Int
    /// Of a session table function's PARTITION BY; nil when none was written.
    package var partitionColumns: [Int]?
    /// The call, for errors found later.
    package var span: SourceSpan
}

package struct LogicalAggregateCall: Hashable, Sendable {
    package struct Order: Hashable, Sendable {
        package var expression: BoundExpression
        package var isDescending: Bool
        package var nullsFirst: Bool
    }

    package var function: AggregateFunction
    /// Already of the types that the function wants.
    package var arguments: [BoundExpression]
    /// Constants: see AggregateFunction.
    package var parameters: [Value] = []
    package var order: [Order] = []
    package var filter: BoundExpression?
    package var isDistinct: Bool
    package var resultType: SQLType
    package var text: String
    package var span: SourceSpan

    /// The first, or only, argument.
    package var argument: BoundExpression? { arguments.first }

    /// All expressions over the aggregation's input.
    package var expressions: [BoundExpression] { arguments + order.map(\.expression) + (filter.map { [$0] } ?? []) }

    package func mapExpressions(_ transform: (BoundExpression) -> BoundExpression) -> LogicalAggregateCall {
        var call = self
        call.arguments = arguments.map(transform)
        for index in call.order.indices { call.order[index].expression = transform(call.order[index].expression) }
        call.filter = filter.map(transform)
        return call
    }

    func isSame(as other: LogicalAggregateCall) -> Bool {
        func same(_ left: [BoundExpression], _ right: [BoundExpression]) -> Bool {
            left.count == right.count && zip(left, right).allSatisfy { $0.isSame(as: $1) }
        }
        return function == other.function && isDistinct == other.isDistinct && resultType == other.resultType
            && parameters == other.parameters && same(arguments, other.arguments)
            && order.map(\.isDescending) == other.order.map(\.isDescending) && order.map(\.nullsFirst) == other.order.map(\.nullsFirst)
            && same(order.map(\.expression), other.order.map(\.expression))
            && same(filter.map { [$0] } ?? [], other.filter.map { [$0] } ?? [])
    }
}

package struct LogicalAggregate: Hashable, Sendable {
    package var keys: [LogicalColumn]
    /// nil: one group per key for ever.
    package var window: WindowNode?
    package var calls: [LogicalAggregateCall]
    package var emit: EmitClause?
    /// `SELECT DISTINCT`, `UNION`: for messages.
    package var isDistinct: Bool
    /// Of a continuous query with a window: how long after its end a window still takes rows.
    package var allowedLatenessMicroseconds: Int64
    /// The rule that put the aggregation here; nil as written.
    package var madeBy: OptimizerRule?
    package var span: SourceSpan

    /// How many columns stand before the aggregates.
    package var callBase: Int { keys.count + (window == nil ? 0 : 3) }
}

package struct LogicalSort: Hashable, Sendable {
    package var keys: [SortNode.Key]
    package var limit: Int?
    package var offset: Int
    package var span: SourceSpan
}

extension LogicalPlan {
    /// Names and types of the output columns.
    package var fields: [SQLType.Field] {
        switch self {
        case .scan(let scan):
            let schema = scan.relation.scanSchema
            return scan.columns.map { SQLType.Field(name: $0.name(in: schema), type: $0.type(in: schema.types) ?? .null) }
        case .values(_, let fields): return fields
        case .watermark(let input, _), .filter(let input, _), .sort(let input, _), .limit(let input, _, _): return input.fields
        case .project(_, let columns): return columns.map { SQLType.Field(name: $0.name, type: $0.expression.type) }
        case .window(let input, let window):
            let fields = input.fields
            return fields + Self.windowFields(fields[window.timeColumn].type)
        case .aggregate(let input, let aggregate):
            var window: [SQLType.Field] = []
            if let node = aggregate.window { window = Self.windowFields(input.fields[node.timeColumn].type) }
            return aggregate.keys.map { SQLType.Field(name: $0.name, type: $0.expression.type) } + window
                + aggregate.calls.map { SQLType.Field(name: $0.text, type: $0.resultType) }
        case .union(let inputs): return inputs.first?.fields ?? []
        case .join(let left, let right, let join): return left.fields + (join.kind.keepsLeftOnly ? [] : right.fields)
        case .over(let input, let over): return input.fields + over.calls.map { SQLType.Field(name: $0.text, type: $0.resultType) }
        case .match(_, let match): return match.fields
        case .unnest(let input, let unnest): return input.fields + unnest.fields
        case .expand(_, let rows, let names):
            return zip(names, rows.first ?? []).map { SQLType.Field(name: $0, type: $1.type) }
        case .replicate(let input, _): return input.fields
        }
    }

    package static func windowFields(_ type: SQLType) -> [SQLType.Field] {
        ["window_start", "window_end", "window_time"].map { SQLType.Field(name: $0, type: type) }
    }

    package var inputs: [LogicalPlan] {
        switch self {
        case .scan, .values: []
        case .watermark(let input, _), .filter(let input, _), .project(let input, _), .window(let input, _), .aggregate(let input, _),
            .sort(let input, _), .limit(let input, _, _), .over(let input, _), .match(let input, _), .unnest(let input, _),
            .expand(let input, _, _), .replicate(let input, _):
            [input]
        case .union(let inputs): inputs
        case .join(let left, let right, _): [left, right]
        }
    }

    /// The same node over other inputs with the same columns.
    package func mapInputs(_ transform: (LogicalPlan) -> LogicalPlan) -> LogicalPlan {
        switch self {
        case .scan, .values: self
        case .watermark(let input, let node): .watermark(transform(input), node)
        case .filter(let input, let predicate): .filter(transform(input), predicate)
        case .project(let input, let columns): .project(transform(input), columns)
        case .window(let input, let window): .window(transform(input), window)
        case .aggregate(let input, let aggregate): .aggregate(transform(input), aggregate)
        case .union(let inputs): .union(inputs.map(transform))
        case .sort(let input, let sort): .sort(transform(input), sort)
        case .limit(let input, let count, let offset): .limit(transform(input), count: count, offset: offset)
        case .join(let left, let right, let join): .join(transform(left), transform(right), join)
        case .over(let input, let over): .over(transform(input), over)
        case .match(let input, let match): .match(transform(input), match)
        case .unnest(let input, let unnest): .unnest(transform(input), unnest)
        case .expand(let input, let rows, let names): .expand(transform(input), rows, names: names)
        case .replicate(let input, let column): .replicate(transform(input), column: column)
        }
    }

    /// All columns of the input under their own names.
    package static func passing(_ fields: [SQLType.Field], from base: Int = 0) -> [LogicalColumn] {
        fields.enumerated().map { index, field in
            LogicalColumn(expression: .column(base + index, field.type), name: field.name)
        }
    }

    package var nodeCount: Int { inputs.reduce(1) { $0 + $1.nodeCount } }

    /// Whether rows come from a stream or table, and not from VALUES alone.
    package var readsRelation: Bool {
        if case .scan = self { return true }
        return inputs.contains { $0.readsRelation }
    }
}

extension LogicalWindow {
    /// `window_end` minus one unit: a millisecond for types of at most three fractional digits, else a microsecond.
    package static func unitMicroseconds(_ type: SQLType) -> Int64 {
        switch type {
        case .timestamp(let precision), .timestampTZ(let precision): precision <= 3 ? 1000 : 1
        default: 1
        }
    }

    /// window_time over the column of window_end.
    static func time(end: BoundExpression) throws(SQLError) -> BoundExpression {
        let unit = BoundExpression.constant(.interval(IntervalValue(microseconds: unitMicroseconds(end.type))), .interval)
        let time = try ExpressionTyping.binary(.subtract, end, unit, operatorSpan: end.span, span: end.span, text: "")
        if time.type == end.type { return time }
        return try ExpressionTyping.cast(time, to: end.type, mode: .explicit, span: end.span, text: "")
    }
}
