// PhysicalPlan: the operator graph that runs, as a tree of nodes. Ordinals always refer to the columns of the node's input.
//
// What the engine makes of it: the part of the tree between a scan and the first keyed node runs in parallel over slices of the
// source; a keyed node runs in parallel over partitions of its key; rows are exchanged by key hash in between. Nothing here
// says how an operator computes.

import Columns
import Syntax

package indirect enum PhysicalPlan: Hashable, Sendable {
    /// Reads a relation. Output: `columns`, physical columns of the relation or fields inside them.
    case scan(ScanNode)
    /// Constant rows.
    case values([[Value]], Schema)
    /// Makes the event-time watermark of each source shard: stands directly above the scan or above the projection that
    /// computes its column; before any filter, so that rows filtered out still move time.
    case watermark(PhysicalPlan, WatermarkNode)
    /// Rows for which the predicate is true.
    case filter(PhysicalPlan, BoundExpression)
    case project(PhysicalPlan, [BoundExpression])
    /// Adds window_start and window_end (TIMESTAMP of the time column's precision and kind) behind the input's columns; a row comes once
    /// per window it belongs to. TUMBLE, HOP and CUMULATE only.
    case assignWindow(PhysicalPlan, WindowNode)
    /// Output: the group keys, then (when windowed) window_start and window_end, then the aggregates.
    case aggregate(PhysicalPlan, AggregateNode)
    /// All rows of all inputs; they have the same types.
    case union([PhysicalPlan])
    /// Bounded input only: all rows, ordered, ties by arrival; cut to the limit.
    case sort(PhysicalPlan, SortNode)
    /// The first rows in arrival order, after `offset` ones.
    case limit(PhysicalPlan, count: Int?, offset: Int)
    case join(PhysicalPlan, PhysicalPlan, JoinNode)
    case over(PhysicalPlan, OverNode)
    case rank(PhysicalPlan, RankNode)
    case match(PhysicalPlan, MatchNode)
    case unnest(PhysicalPlan, UnnestNode)
    /// Each row once for each list of expressions, in their order; the lists have the same types.
    case expand(PhysicalPlan, [[BoundExpression]])
    /// Each row as often as the BIGINT column says; 0, less and NULL: never.
    case replicate(PhysicalPlan, column: Int)
    /// A keyed node that stands in the plan more than once and runs once; every occurrence has the same number and plan.
    case shared(PhysicalPlan, id: Int)
    /// Rules that watch the input; the root of a plan.
    case alert(PhysicalPlan, AlertNode)
}

package struct ScanNode: Hashable, Sendable {
    package var relation: RelationDefinition
    /// Columns of `relation.physicalColumns`' schema (not of `relation.columns`), and fields inside them.
    package var columns: [ColumnPath]

    package init(relation: RelationDefinition, columns: [ColumnPath]) {
        self.relation = relation
        self.columns = columns
    }

    package init(relation: RelationDefinition, columns: [Int]) {
        self.init(relation: relation, columns: columns.map { ColumnPath($0) })
    }
}

package struct WatermarkNode: Hashable, Sendable {
    package var timeColumn: Int
    /// Over the input's columns; its maximum over the rows seen is the shard's watermark.
    package var expression: BoundExpression
    /// Set when the expression is the time column minus a constant: then it is that constant.
    package var delayMicroseconds: Int64?

    package init(timeColumn: Int, expression: BoundExpression, delayMicroseconds: Int64?) {
        self.timeColumn = timeColumn
        self.expression = expression
        self.delayMicroseconds = delayMicroseconds
    }
}

/// A window's shape; all in microseconds, all positive but the offset. Windows align to 1970-01-01T00:00:00 plus the offset.
package enum WindowShape: Hashable, Sendable {
    case tumble(size: Int64, offset: Int64)
    /// The size need not be a multiple of the slide.
    case hop(size: Int64, slide: Int64, offset: Int64)
    /// Windows that begin every `size` and end at each `step` after that; size is a multiple of step.
    case cumulate(size: Int64, step: Int64, offset: Int64)
    /// Ends at its last row plus the gap; two rows exactly a gap apart belong together.
    case session(gap: Int64)
}

package struct WindowNode: Hashable, Sendable {
    package var shape: WindowShape
    package var timeColumn: Int

    package init(shape: WindowShape, timeColumn: Int) {
        self.shape = shape
        self.timeColumn = timeColumn
    }
}

package enum EmitMode: Hashable, Sendable {
    /// Once, when the watermark reaches the window's end.
    case onWindowClose
    /// At the end of every epoch that changed a group: a changelog.
    case changes
    /// Once, when the bounded input ends.
    case atEnd
}

package struct AggregateNode: Hashable, Sendable {
    /// Ordinals of the input; may be empty.
    package var keys: [Int]
    /// nil: one group per key for ever.
    package var window: WindowNode?
    package var aggregates: [AggregateCall]
    package var emit: EmitMode
    /// Extra time after a window's end during which its rows are still taken (and the result is emitted again), microseconds.
    package var allowedLatenessMicroseconds: Int64
    /// True when the input may retract rows.
    package var inputRetracts: Bool
    /// Whether anybody above needs the old row of an update.
    package var emitsUpdateBefore: Bool
    /// Without a window, emitting changes: a group not touched for so long (epoch clock) is forgotten.
    package var stateTTLMicroseconds: Int64?
    /// Whether tasks aggregate their rows before they hand them out by key; a task that finds that it does not help stops it by itself.
    package var isTwoPhase: Bool
    /// The rule that put it here; nil as written.
    package var madeBy: OptimizerRule?

    package init(
        keys: [Int], window: WindowNode?, aggregates: [AggregateCall], emit: EmitMode, allowedLatenessMicroseconds: Int64 = 0,
        inputRetracts: Bool = false, emitsUpdateBefore: Bool = true, stateTTLMicroseconds: Int64? = nil, isTwoPhase: Bool = true
    ) {
        self.keys = keys
        self.window = window
        self.aggregates = aggregates
        self.emit = emit
        self.allowedLatenessMicroseconds = allowedLatenessMicroseconds
        self.inputRetracts = inputRetracts
        self.emitsUpdateBefore = emitsUpdateBefore
        self.stateTTLMicroseconds = stateTTLMicroseconds
        self.isTwoPhase = isTwoPhase
    }
}

package struct SortNode: Hashable, Sendable {
    package struct Key: Hashable, Sendable {
        package var column: Int
        package var isDescending: Bool
        package var nullsFirst: Bool

        package init(column: Int, isDescending: Bool, nullsFirst: Bool) {
            self.column = column
            self.isDescending = isDescending
            self.nullsFirst = nullsFirst
        }
    }

    package var keys: [Key]
    package var limit: Int?
    package var offset: Int

    package init(keys: [Key], limit: Int?, offset: Int) {
        self.keys = keys
        self.limit = limit
        self.offset = offset
    }
}

extension PhysicalPlan {
    /// The types of the node's output columns.
    package var outputTypes: [SQLType] {
        switch self {
        case .scan(let node):
            let schema = node.relation.scanSchema
            let types = schema.types
            return node.columns.map { $0.type(in: types) ?? .null }
        case .values(_, let schema): return schema.types
        case .watermark(let input, _), .filter(let input, _), .sort(let input, _), .limit(let input, _, _): return input.outputTypes
        case .project(_, let expressions): return expressions.map(\.type)
        case .assignWindow(let input, let node):
            let types = input.outputTypes
            return types + [types[node.timeColumn], types[node.timeColumn]]
        case .aggregate(let input, let node):
            let types = input.outputTypes
            let window = node.window.map { [types[$0.timeColumn], types[$0.timeColumn]] } ?? []
            return node.keys.map { types[$0] } + window + node.aggregates.map(\.resultType)
        case .union(let inputs): return inputs.first?.outputTypes ?? []
        case .join(let left, let right, let node): return left.outputTypes + (node.kind.keepsLeftOnly ? [] : right.outputTypes)
        case .over(let input, let node): return input.outputTypes + node.calls.map(\.resultType)
        case .rank(let input, let node): return input.outputTypes + (node.emitsRank ? [.bigint] : [])
        case .match(_, let node): return node.outputTypes
        case .unnest(let input, let node): return input.outputTypes + node.elementTypes
        case .expand(_, let rows): return rows.first?.map(\.type) ?? []
        case .replicate(let input, _), .shared(let input, _): return input.outputTypes
        case .alert: return AlertColumns.schema.types
        }
    }
}
