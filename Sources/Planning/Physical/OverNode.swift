// OverNode: window functions over ordered partitions.
//
// Output: the input's columns, then one for each call.

import Columns

package enum OverFunction: Hashable, Sendable {
    case rowNumber, rank, denseRank, percentRank, cumeDist
    case ntile, lag, lead, firstValue, lastValue, nthValue
    case aggregate(AggregateFunction)
    /// An anomaly function: the rows of a partition, in order, go through a model of that partition.
    case model(ModelCall)

    package var isModel: Bool { if case .model = self { true } else { false } }
}

package struct OverFrame: Hashable, Sendable {
    package enum Unit: Hashable, Sendable { case rows, range, groups }
    package enum Bound: Hashable, Sendable {
        case unboundedPreceding
        /// Rows, groups, or units of the order column: microseconds of times, days of dates, unscaled units of a DECIMAL, the bits of a
        /// DOUBLE.
        case preceding(Int64)
        case currentRow
        case following(Int64)
        case unboundedFollowing
    }

    package var unit: Unit
    package var start: Bound
    package var end: Bound

    package init(unit: Unit, start: Bound, end: Bound) {
        self.unit = unit
        self.start = start
        self.end = end
    }
}

package struct OverCall: Hashable, Sendable {
    package var function: OverFunction
    /// Ordinals of the input: the value; of LAG and LEAD also the default, when there is one.
    package var arguments: [Int]
    package var filter: Int?
    package var isDistinct: Bool
    package var ignoresNulls: Bool
    package var frame: OverFrame
    /// Of LAG and LEAD, the place of NTH_VALUE (from 1), the number of buckets of NTILE.
    package var offset: Int
    package var resultType: SQLType
    package var text: String

    package init(
        function: OverFunction, arguments: [Int], filter: Int? = nil, isDistinct: Bool = false, ignoresNulls: Bool = false, frame: OverFrame,
        offset: Int = 1, resultType: SQLType, text: String
    ) {
        self.function = function
        self.arguments = arguments
        self.filter = filter
        self.isDistinct = isDistinct
        self.ignoresNulls = ignoresNulls
        self.frame = frame
        self.offset = offset
        self.resultType = resultType
        self.text = text
    }
}

package enum OverMode: Hashable, Sendable {
    /// The first order key is this time attribute, ascending: rows come out, final, when the watermark has passed them.
    case eventTime(column: Int)
    /// This column, a window's end, is among the partition columns: each partition once, when the watermark reaches it.
    case onWindowClose(column: Int)
    /// A bounded input: once, at its end.
    case atEnd
    /// Any order, any time: results already given are updated.
    case changes
}

package struct OverNode: Hashable, Sendable {
    package var partition: [Int]
    package var order: [SortNode.Key]
    package var calls: [OverCall]
    package var mode: OverMode
    package var inputRetracts: Bool
    package var stateTTLMicroseconds: Int64?

    /// Calls of models never share a node with other window functions: rows pass them once and are not looked at again.
    package var isOfModels: Bool { calls.contains { $0.function.isModel } }

    package init(
        partition: [Int], order: [SortNode.Key], calls: [OverCall], mode: OverMode, inputRetracts: Bool = false,
        stateTTLMicroseconds: Int64? = nil
    ) {
        self.partition = partition
        self.order = order
        self.calls = calls
        self.mode = mode
        self.inputRetracts = inputRetracts
        self.stateTTLMicroseconds = stateTTLMicroseconds
    }
}
