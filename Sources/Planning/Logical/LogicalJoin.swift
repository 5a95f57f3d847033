// LogicalJoin, LogicalOver, LogicalMatch, LogicalUnnest: the parts of a plan that need more than a line to say.

import Columns
import Syntax

package struct LogicalJoin: Hashable, Sendable {
    package enum Version: Hashable, Sendable {
        /// `FOR SYSTEM_TIME AS OF left.time` of an event-time attribute, `ASOF JOIN`: ordinals of either side.
        case eventTime(leftTime: Int, rightTime: Int, isStrict: Bool)
        /// `FOR SYSTEM_TIME AS OF PROCTIME()`.
        case processingTime
    }

    /// What event time says about how long rows can still find partners. Found while binding (`JoinAnalysis`), because when results come
    /// depends on it, and kept by every rule.
    package enum Bound: Hashable, Sendable {
        case none
        /// The condition bounds the difference of a time of either side from both ends. Output columns that still drive event time: the
        /// join holds the watermark back by the bounds.
        case interval(columns: Set<Int>)
        /// The condition equates the windows of both sides. Output columns that are columns of that window.
        case window(columns: Set<Int>)
    }

    package var kind: JoinOperator
    /// Over the left columns, then the right ones; nil: always true. What of it are keys, an interval or a window is found by the builder.
    package var condition: BoundExpression?
    package var version: Version?
    /// Right columns of which there is one version at a time; nil: those that the condition equates.
    package var versionKey: Set<Int>?
    package var leftTTLMicroseconds: Int64?
    package var rightTTLMicroseconds: Int64?
    package var bound: Bound = .none
    /// The rule that put the join here; nil as written.
    package var madeBy: OptimizerRule?
    package var span: SourceSpan

    package init(
        kind: JoinOperator, condition: BoundExpression?, version: Version? = nil, leftTTLMicroseconds: Int64? = nil,
        rightTTLMicroseconds: Int64? = nil, span: SourceSpan
    ) {
        self.kind = kind
        self.condition = condition
        self.version = version
        self.leftTTLMicroseconds = leftTTLMicroseconds
        self.rightTTLMicroseconds = rightTTLMicroseconds
        self.span = span
    }
}

package struct LogicalOverCall: Hashable, Sendable {
    package var function: OverFunction
    package var arguments: [BoundExpression]
    package var filter: BoundExpression?
    package var isDistinct: Bool
    package var ignoresNulls: Bool
    package var frame: OverFrame
    /// Of LAG and LEAD, the place of NTH_VALUE, the number of buckets of NTILE.
    package var offset: Int
    package var resultType: SQLType
    package var text: String
    package var span: SourceSpan

    func isSame(as other: LogicalOverCall) -> Bool {
        func same(_ left: BoundExpression?, _ right: BoundExpression?) -> Bool {
            switch (left, right) {
            case (nil, nil): true
            case (let left?, let right?): left.isSame(as: right)
            default: false
            }
        }
        return function == other.function && isDistinct == other.isDistinct && ignoresNulls == other.ignoresNulls
            && frame == other.frame && offset == other.offset && resultType == other.resultType && same(filter, other.filter)
            && arguments.count == other.arguments.count && zip(arguments, other.arguments).allSatisfy { $0.isSame(as: $1) }
    }
}

/// Output: the input's columns, then one for each call. All calls share partition and order.
package struct LogicalOver: Hashable, Sendable {
    package struct Order: Hashable, Sendable {
        package var expression: BoundExpression
        package var isDescending: Bool
        package var nullsFirst: Bool
    }

    package var partition: [BoundExpression]
    package var order: [Order]
    package var calls: [LogicalOverCall]
    package var span: SourceSpan
}

package struct LogicalMatch: Hashable, Sendable {
    package var node: MatchNode
    package var fields: [SQLType.Field]
    package var span: SourceSpan
}

/// Output: the input's columns, then `fields`.
package struct LogicalUnnest: Hashable, Sendable {
    package var node: UnnestNode
    package var fields: [SQLType.Field]
    package var span: SourceSpan
}

extension LogicalOver {
    package var isOfModels: Bool { calls.contains { $0.function.isModel } }

    /// All expressions, over the input.
    package var expressions: [BoundExpression] {
        partition + order.map(\.expression) + calls.flatMap { $0.arguments + ($0.filter.map { [$0] } ?? []) }
    }

    package func mapExpressions(_ transform: (BoundExpression) -> BoundExpression) -> LogicalOver {
        var result = self
        result.partition = partition.map(transform)
        result.order = order.map { Order(expression: transform($0.expression), isDescending: $0.isDescending, nullsFirst: $0.nullsFirst) }
        for index in result.calls.indices {
            result.calls[index].arguments = calls[index].arguments.map(transform)
            result.calls[index].filter = calls[index].filter.map(transform)
        }
        return result
    }
}
