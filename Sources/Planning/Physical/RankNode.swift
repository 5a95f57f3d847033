// RankNode: the first rows of each partition: `ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..) <= n` run as such. One row per partition
// is deduplication.
//
// Output: the input's columns, then the rank when `emitsRank`.

import Columns

package struct RankNode: Hashable, Sendable {
    package enum Function: Hashable, Sendable { case rowNumber, rank, denseRank }

    package enum Emit: Hashable, Sendable {
        /// A changelog, at the end of every epoch that changed a partition.
        case changes
        /// Once per window, when the watermark reaches its end: this column, window_end, is among the partition columns.
        case onWindowClose(windowEnd: Int)
        /// Once, when the bounded input ends.
        case atEnd
    }

    package var function: Function
    package var partition: [Int]
    package var order: [SortNode.Key]
    /// Ranks that are given, from 1.
    package var firstRank: Int
    package var lastRank: Int
    package var emitsRank: Bool
    package var emit: Emit
    package var inputRetracts: Bool
    package var emitsUpdateBefore: Bool
    package var stateTTLMicroseconds: Int64?
    /// The rule that put it here; nil as written.
    package var madeBy: OptimizerRule?

    package init(
        function: Function, partition: [Int], order: [SortNode.Key], firstRank: Int = 1, lastRank: Int, emitsRank: Bool, emit: Emit,
        inputRetracts: Bool = false, emitsUpdateBefore: Bool = true, stateTTLMicroseconds: Int64? = nil
    ) {
        self.function = function
        self.partition = partition
        self.order = order
        self.firstRank = firstRank
        self.lastRank = lastRank
        self.emitsRank = emitsRank
        self.emit = emit
        self.inputRetracts = inputRetracts
        self.emitsUpdateBefore = emitsUpdateBefore
        self.stateTTLMicroseconds = stateTTLMicroseconds
    }
}
