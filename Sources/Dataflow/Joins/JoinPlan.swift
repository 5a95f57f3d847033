// JoinPlan: a JoinNode made ready to run; what the partitions of a join share.

import Columns
import Planning

final class JoinPlan: Sendable {
    /// The bounds of an interval, seen from each side: a partner's time lies in own + low ... own + high.
    struct Interval: Sendable {
        let timeColumns: [Int]
        let low: [Int64]
        let high: [Int64]
        /// Width of an expiry bucket.
        let bucketMicroseconds: Int64
        let lower: Int64
        let upper: Int64

        func bucket(_ time: Int64) -> Int64 {
            let quotient = time / bucketMicroseconds
            return time % bucketMicroseconds < 0 ? quotient - 1 : quotient
        }

        func bucketStart(_ time: Int64) -> Int64 {
            guard time > .min, time < .max else { return time }
            let rest = time % bucketMicroseconds
            return WindowGrid.subtract(time, rest < 0 ? rest + bucketMicroseconds : rest)
        }

        /// The stamp below which all rows of a side have left the reach of partners from `watermark` on.
        func expired(port: Int, partnerWatermark watermark: Int64) -> Int64 {
            if watermark == .max { return .max }
            // A row reaches as far as its time + high.
            return bucket(WindowGrid.subtract(watermark, high[port]))
        }

        /// The stamp below which no row of a side can be taken back any more: what takes it back has the same time.
        func settled(ownWatermark watermark: Int64) -> Int64 { watermark == .max ? .max : bucket(watermark) }
    }

    let name: String
    let node: JoinNode
    let keys: JoinKeyLayout
    let sides: [JoinSideLayout]
    let residual: CompiledExpression?
    /// Columns that the residual reads, by side.
    let residualUses: [[Bool]]
    let interval: Interval?
    let ttl: [Int64?]
    let batchRows: Int
    let outputTypes: [SQLType]
    let nested: [NestedColumns]
    let nestedOutput: NestedColumns
    /// Rows of this side without a partner come out with NULLs.
    let isOuter: [Bool]
    let retracts: [Bool]
    let keepsLeftOnly: Bool
    /// Rows without a partner are given when it is sure that none will come, and never taken back.
    let isFinal: Bool
    /// One partner says it all: left rows are looked at no further.
    let existsOnly: Bool
    /// Left rows are done with once they are given.
    let dropsEmitted: Bool
    /// Right rows are counted by key and not kept.
    let countsKeys: Bool
    let isLookup: Bool

    static let pairsMax = 8_192

    init(_ node: JoinNode, _ left: [SQLType], _ right: [SQLType], name: String, settings: DataflowSettings) throws(DataflowError) {
        self.name = name
        self.node = node
        batchRows = max(settings.batchRows, 1)
        keepsLeftOnly = node.kind.keepsLeftOnly
        outputTypes = keepsLeftOnly ? left : left + right
        nested = [NestedColumns(left), NestedColumns(right)]
        nestedOutput = NestedColumns(outputTypes)
        retracts = [node.leftRetracts, node.rightRetracts]
        isOuter = [node.kind == .left || node.kind == .full, node.kind == .right || node.kind == .full]
        let keyTypes = node.leftKeys.map { left[$0] }
        let isNullAware = node.kind == .antiNullAware
        keys = try JoinKeyLayout(keyTypes, nullSafe: isNullAware ? keyTypes.map { _ in true } : node.nullSafeKeys)
        var ttl = [node.leftTTLMicroseconds, node.rightTTLMicroseconds]
        var isFinal = node.isBounded
        switch node.time {
        case .interval(let leftTime, let rightTime, let lower, let upper):
            guard lower <= upper else { throw DataflowError("an interval join whose bounds leave no time between them") }
            guard let minusLower = JoinPlan.negated(lower), let minusUpper = JoinPlan.negated(upper) else {
                throw DataflowError("an interval join with bounds out of range")
            }
            // right + lower <= left <= right + upper; left - upper <= right <= left - lower.
            interval = Interval(
                timeColumns: [leftTime, rightTime], low: [minusUpper, lower], high: [minusLower, upper],
                bucketMicroseconds: max(WindowGrid.subtract(upper, lower) / 64, 100_000), lower: lower, upper: upper)
            isFinal = true
            ttl = [nil, nil]
        case .window:
            interval = nil
            isFinal = true
            ttl = [nil, nil]
        case .asOf, .lookup:
            guard node.kind == .inner || node.kind == .left else {
                throw DataflowError("a \(node.kind) join with versions of the other side is not supported yet: only INNER and LEFT are")
            }
            guard !node.leftRetracts else {
                throw DataflowError("a join with versions of the other side over left rows that may be retracted is not supported yet")
            }
            interval = nil
            isFinal = false
        case .none: interval = nil
        }
        if isNullAware {
            guard node.leftKeys.count == 1, node.residual == nil, node.time == .none, ttl[0] == nil, ttl[1] == nil else {
                throw DataflowError("NOT IN with other conditions, with time or with a state TTL is not supported yet: use NOT EXISTS")
            }
        }
        self.isFinal = isFinal
        self.ttl = ttl
        existsOnly = keepsLeftOnly && !node.rightRetracts
        dropsEmitted = node.kind == .semi && !node.leftRetracts && !node.rightRetracts
        isLookup = node.time == .lookup
        countsKeys = keepsLeftOnly && node.residual == nil && interval == nil && ttl[1] == nil
            && (isNullAware || !(node.leftIsUnique && node.leftRetracts || node.rightIsUnique && node.rightRetracts))
        var isAsOf = false
        if case .asOf = node.time { isAsOf = true }
        let expires = [ttl[0] != nil || interval != nil, ttl[1] != nil || interval != nil]
        sides = [
            try JoinSideLayout(
                types: nested[0].stored, keys: node.leftKeys, port: 0, keyWidth: keys.keyWidth, retracts: node.leftRetracts,
                isUnique: node.leftIsUnique && !isNullAware, expires: expires[0], dropsRows: dropsEmitted || countsKeys || isAsOf),
            try JoinSideLayout(
                types: nested[1].stored, keys: node.rightKeys, port: 1, keyWidth: keys.keyWidth,
                retracts: node.rightRetracts && !isAsOf, isUnique: node.rightIsUnique && !isAsOf && !isNullAware, expires: expires[1],
                dropsRows: isAsOf),
        ]
        if let condition = node.residual {
            do { residual = try CompiledExpression.compile(condition) } catch { throw DataflowError("\(error.message) in \(error.expression)") }
        } else {
            residual = nil
        }
        var uses = [[Bool](repeating: false, count: left.count), [Bool](repeating: false, count: right.count)]
        for column in residual?.usedColumns ?? [] {
            if NestedColumns.isNested((left + right)[column]) {
                throw DataflowError("a join condition on a column of type \((left + right)[column].name) is not supported yet")
            }
            if column < left.count { uses[0][column] = true } else if column - left.count < right.count { uses[1][column - left.count] = true }
        }
        residualUses = uses
    }

    private static func negated(_ value: Int64) -> Int64? { value == .min ? nil : -value }

    /// Whether rows of a side that have no partner matter: those of an outer side, and the left ones of ANTI.
    func givesUnmatched(_ port: Int) -> Bool { isOuter[port] || (port == 0 && keepsLeftOnly && node.kind != .semi) }

    /// Columns of rows of one side, with NULLs for those of the other.
    func padded(_ columns: [Column], port: Int, count: Int) -> [Column] {
        if keepsLeftOnly { return columns }
        let nulls = sides[1 - port].types.map { Column.constant(.null, type: $0, count: count) }
        return port == 0 ? columns + nulls : nulls + columns
    }
}
