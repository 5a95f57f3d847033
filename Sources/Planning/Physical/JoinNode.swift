// JoinNode: how two inputs are joined.
//
// Output: the columns of the left input, then those of the right one; SEMI and ANTI give the left ones alone. Keys are columns (the
// builder projects expressions below), pairwise of one type. A NULL key matches nothing unless the pair is null-safe
// (IS NOT DISTINCT FROM).
//
// What bounds the state is in `time`: an interval and a window let the watermark clean both sides, a version keeps the newest
// row of each key that a later left row can still see; without any of them rows live until they are retracted or their TTL ends.

import Columns

package enum JoinOperator: String, Hashable, Sendable {
    case inner, left, right, full
    /// Left rows with a partner; each once.
    case semi
    /// Left rows without a partner.
    case anti
    /// `NOT IN (query)`: as anti, but nothing comes when the right side has a NULL key, and no left row whose key is NULL unless the right
    /// side is empty.
    case antiNullAware
}

/// How time limits what can match. Columns are ordinals of the side they name; durations are microseconds.
package enum JoinTime: Hashable, Sendable {
    /// Both sides are kept.
    case none
    /// right.time + lower <= left.time <= right.time + upper.
    case interval(leftTime: Int, rightTime: Int, lowerMicroseconds: Int64, upperMicroseconds: Int64)
    /// Both sides come from closed windows, or from rows put into windows, and window_start and window_end are among the keys.
    case window(leftEnd: Int, rightEnd: Int)
    /// The newest right row of the key with right.time <= left.time (< when strict); a left row waits until the watermark has passed its
    /// time. Rows of a right changelog end a version when they delete.
    case asOf(leftTime: Int, rightTime: Int, isStrict: Bool)
    /// The right rows there are when a left row arrives; left rows wait for a bounded right side to be read. The right side never
    /// makes output by itself.
    case lookup
}

package struct JoinNode: Hashable, Sendable {
    package var kind: JoinOperator
    package var leftKeys: [Int]
    package var rightKeys: [Int]
    /// One for each pair of keys.
    package var nullSafeKeys: [Bool]
    /// Over the left columns, then the right ones; only pairs for which it is true match.
    package var residual: BoundExpression?
    package var time: JoinTime
    package var leftRetracts: Bool
    package var rightRetracts: Bool
    /// Rows not touched for so long (epoch clock) are dropped from state.
    package var leftTTLMicroseconds: Int64?
    package var rightTTLMicroseconds: Int64?
    /// The inputs end: rows without a partner are given once, at the end, and nothing is taken back.
    package var isBounded: Bool
    /// Whether anybody above needs the old row of an update. Only joins that nobody reads leave them out.
    package var emitsUpdateBefore: Bool
    /// At most one live row for each key on that side: state without lists.
    package var leftIsUnique: Bool
    package var rightIsUnique: Bool
    /// Lookup joins: left rows wait until all right rows are there, because those end.
    package var rightIsBounded: Bool
    /// The rule that put it here; nil as written.
    package var madeBy: OptimizerRule?

    package init(
        kind: JoinOperator, leftKeys: [Int], rightKeys: [Int], nullSafeKeys: [Bool]? = nil, residual: BoundExpression? = nil,
        time: JoinTime = .none, leftRetracts: Bool = false, rightRetracts: Bool = false, leftTTLMicroseconds: Int64? = nil,
        rightTTLMicroseconds: Int64? = nil, isBounded: Bool = false, emitsUpdateBefore: Bool = true, leftIsUnique: Bool = false,
        rightIsUnique: Bool = false, rightIsBounded: Bool = false
    ) {
        self.kind = kind
        self.leftKeys = leftKeys
        self.rightKeys = rightKeys
        self.nullSafeKeys = nullSafeKeys ?? Array(repeating: false, count: leftKeys.count)
        self.residual = residual
        self.time = time
        self.leftRetracts = leftRetracts
        self.rightRetracts = rightRetracts
        self.leftTTLMicroseconds = leftTTLMicroseconds
        self.rightTTLMicroseconds = rightTTLMicroseconds
        self.isBounded = isBounded
        self.emitsUpdateBefore = emitsUpdateBefore
        self.leftIsUnique = leftIsUnique
        self.rightIsUnique = rightIsUnique
        self.rightIsBounded = rightIsBounded
    }
}

extension JoinOperator {
    package var keepsLeftOnly: Bool { self == .semi || self == .anti || self == .antiNullAware }
}
