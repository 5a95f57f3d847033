// JoinAnalysis: what of a join's condition is keys, what bounds the state, and what is left.
//
//     l.a = r.x AND l.ts BETWEEN r.ts - INTERVAL '1' HOUR AND r.ts AND l.b < r.y
//
// gives the key (a, x), the interval -1 h <= l.ts - r.ts <= 0, and the rest `l.b < r.y`. Bounds count in a continuous query only, and only
// when neither side takes rows back: a retraction carries its row's old time.
//
// The times of an interval are time attributes, or window_end of closed windows: a window's row comes when the watermark reaches
// its end, so no later row has an end before the watermark either. An equality of two times is a key and an interval of
// length nothing.
//
// A window join equates windows of one shape, both ends of them: window_end alone says it for TUMBLE and HOP, whose starts follow.
// Rows of a window come no later than the watermark reaches its end, so both sides can then be dropped.

import Columns
import Syntax

package struct JoinAnalysis {
    /// One type on both sides; each over its own side's columns.
    package struct Key {
        package var left: BoundExpression
        package var right: BoundExpression
        package var isNullSafe: Bool
    }

    package enum Time {
        case none
        case interval(leftTime: Int, rightTime: Int, lower: Int64, upper: Int64)
        /// window_end of either side, as expressions over its columns.
        case window(leftEnd: BoundExpression, rightEnd: BoundExpression)
    }

    package var keys: [Key] = []
    /// Over the left columns, then the right ones. An interval's comparisons are not among them.
    var others: [BoundExpression] = []
    package var time = Time.none
    /// Columns of the join's output that belong to the window.
    var windowColumns: Set<Int> = []
    /// The times of an interval, where the join's kind leaves no NULL in them.
    var timeColumns: Set<Int> = []
    /// Bounds a difference of times from one end only.
    var oneSidedBound: BoundExpression?

    package init(_ left: LogicalPlan, _ right: LogicalPlan, _ join: LogicalJoin, mode: RunMode) {
        let base = left.fields.count
        var comparisons: [(index: Int, bound: TimeBound)] = []
        for conjunct in join.condition?.conjuncts ?? [] {
            if conjunct.constantValue == .boolean(true) { continue }
            if let key = Self.key(conjunct, base) { keys.append(key) } else { others.append(conjunct) }
            if let bound = TimeBound(conjunct, base: base) { comparisons.append((Self.isKey(conjunct) ? -1 : others.count - 1, bound)) }
        }
        guard mode == .continuous, join.version == nil, join.kind != .antiNullAware, !left.retracts(mode: mode), !right.retracts(mode: mode) else { return }
        if findWindow(left, right, join, base) { return }
        findInterval(left, right, join, base, comparisons)
    }

    private static func isKey(_ conjunct: BoundExpression) -> Bool {
        if case .call(.equal, _) = conjunct.kind { true } else { false }
    }

    // MARK: Keys

    private static func key(_ conjunct: BoundExpression, _ base: Int) -> Key? {
        guard case .call(let function, let operands) = conjunct.kind, operands.count == 2,
            function == .equal || function == .isNotDistinct
        else { return nil }
        let sides = operands.map { side(of: $0, base) }
        let (left, right): (BoundExpression, BoundExpression)
        switch (sides[0], sides[1]) {
        case (.left?, .right?): (left, right) = (operands[0], operands[1])
        case (.right?, .left?): (left, right) = (operands[1], operands[0])
        default: return nil
        }
        guard let (first, second) = sameType(left, right.renumbered { $0 - base }) else { return nil }
        switch first.type.layout {
        case .list, .structure: return nil
        default: return Key(left: first, right: second, isNullSafe: function == .isNotDistinct)
        }
    }

    /// Decimals are compared across scales; as keys they must be one type, which may not cost digits.
    private static func sameType(_ left: BoundExpression, _ right: BoundExpression) -> (BoundExpression, BoundExpression)? {
        if left.type == right.type { return (left, right) }
        guard case .decimal(let p1, let s1) = left.type, case .decimal(let p2, let s2) = right.type else { return nil }
        let scale = max(s1, s2)
        let precision = max(p1 - s1, p2 - s2) + scale
        guard precision <= SQLType.decimalPrecisionMax else { return nil }
        let type = SQLType.decimal(precision: precision, scale: scale)
        guard let first = try? ExpressionTyping.implicit(left, type), let second = try? ExpressionTyping.implicit(right, type) else {
            return nil
        }
        return (first, second)
    }

    private enum Side { case left, right }

    private static func side(of expression: BoundExpression, _ base: Int) -> Side? {
        let columns = expression.columns
        if columns.isEmpty { return nil }
        if columns.allSatisfy({ $0 < base }) { return .left }
        return columns.allSatisfy { $0 >= base } ? .right : nil
    }

    // MARK: Windows

    private mutating func findWindow(_ left: LogicalPlan, _ right: LogicalPlan, _ join: LogicalJoin, _ base: Int) -> Bool {
        struct Pair: Hashable { var left: Int, right: Int }
        var roles: [Pair: Set<WindowRole>] = [:]
        var ends: [Pair: (left: BoundExpression, right: BoundExpression)] = [:]
        var order: [Pair] = []
        var shapes: [Pair: WindowShape] = [:]
        for key in keys {
            guard let a = key.left.plainColumn, let b = key.right.plainColumn, let first = left.windowOrigin(a),
                let second = right.windowOrigin(b), first.role == second.role, first.shape == second.shape
            else { continue }
            // A session that is still open has no end yet.
            if case .session = first.shape, !first.isClosed || !second.isClosed { continue }
            let pair = Pair(left: first.depth, right: second.depth)
            if roles[pair] == nil { order.append(pair) }
            roles[pair, default: []].insert(first.role)
            shapes[pair] = first.shape
            if first.role == .end {
                ends[pair] = (key.left, key.right)
            } else if first.role == .start, ends[pair] == nil, let size = first.shape.fixedSize,
                let leftEnd = key.left.moved(by: size), let rightEnd = key.right.moved(by: size)
            {
                ends[pair] = (leftEnd, rightEnd)
            }
        }
        for pair in order {
            guard let found = roles[pair], let end = ends[pair],
                shapes[pair]?.fixedSize != nil || (found.contains(.start) && found.contains(.end))
            else { continue }
            time = .window(leftEnd: end.left, rightEnd: end.right)
            // The side that an outer join fills with NULLs has no window there.
            if join.kind != .right && join.kind != .full {
                for column in 0..<base where left.windowOrigin(column)?.depth == pair.left { windowColumns.insert(column) }
            }
            if join.kind == .inner || join.kind == .right {
                for column in 0..<right.fields.count where right.windowOrigin(column)?.depth == pair.right {
                    windowColumns.insert(base + column)
                }
            }
            return true
        }
        return false
    }

    // MARK: Intervals

    private mutating func findInterval(
        _ left: LogicalPlan, _ right: LogicalPlan, _ join: LogicalJoin, _ base: Int, _ comparisons: [(index: Int, bound: TimeBound)]
    ) {
        struct Pair: Hashable { var left: Int, right: Int }
        var bounds: [Pair: (lower: Int64?, upper: Int64?, used: [Int])] = [:]
        var order: [Pair] = []
        for (index, bound) in comparisons {
            let pair = Pair(left: bound.leftColumn, right: bound.rightColumn)
            if bounds[pair] == nil {
                guard left.isEventTime(pair.left), right.isEventTime(pair.right) else { continue }
                order.append(pair)
            }
            var known = bounds[pair] ?? (nil, nil, [])
            if let lower = bound.lower { known.lower = max(known.lower ?? lower, lower) }
            if let upper = bound.upper { known.upper = min(known.upper ?? upper, upper) }
            if index >= 0 { known.used.append(index) }
            bounds[pair] = known
        }
        for pair in order {
            guard let bound = bounds[pair] else { continue }
            guard let lower = bound.lower, let upper = bound.upper else {
                if let index = bound.used.first { oneSidedBound = oneSidedBound ?? others[index] }
                continue
            }
            // Nothing can match: there is no interval to keep rows for.
            guard lower <= upper else { continue }
            time = .interval(leftTime: pair.left, rightTime: pair.right, lower: lower, upper: upper)
            if join.kind != .right, join.kind != .full, left.isTimeAttribute(pair.left) { timeColumns.insert(pair.left) }
            if join.kind == .inner || join.kind == .right, right.isTimeAttribute(pair.right) { timeColumns.insert(base + pair.right) }
            oneSidedBound = nil
            let used = Set(bound.used)
            others = others.enumerated().filter { !used.contains($0.offset) }.map(\.element)
            return
        }
    }

    // MARK: Over a plan

    /// What the join is told.
    var bound: LogicalJoin.Bound {
        switch time {
        case .none: .none
        case .interval: .interval(columns: timeColumns)
        case .window: .window(columns: windowColumns)
        }
    }

    /// The joins at the top of a plan, down to the first node that is neither a join nor a projection of one, told what bounds them.
    static func bounding(_ plan: LogicalPlan, mode: RunMode) -> LogicalPlan {
        guard mode == .continuous else { return plan }
        switch plan {
        case .join(let left, let right, var join):
            let (left, right) = (bounding(left, mode: mode), bounding(right, mode: mode))
            let analysis = JoinAnalysis(left, right, join, mode: mode)
            join.bound = analysis.bound
            return .join(left, right, join)
        case .project(let input, let columns): return .project(bounding(input, mode: mode), columns)
        case .filter(let input, let predicate): return .filter(bounding(input, mode: mode), predicate)
        default: return plan
        }
    }
}

enum TimeComparison {
    case less, lessOrEqual, equal, greaterOrEqual, greater

    init?(_ function: ScalarFunction) {
        switch function {
        case .less: self = .less
        case .lessOrEqual: self = .lessOrEqual
        case .equal: self = .equal
        case .greaterOrEqual: self = .greaterOrEqual
        case .greater: self = .greater
        default: return nil
        }
    }

    /// With the operands the other way round.
    var flipped: TimeComparison {
        switch self {
        case .less: .greater
        case .lessOrEqual: .greaterOrEqual
        case .equal: .equal
        case .greaterOrEqual: .lessOrEqual
        case .greater: .less
        }
    }
}

/// lower <= left.time - right.time <= upper, microseconds, one of them or both.
private struct TimeBound {
    var leftColumn: Int
    var rightColumn: Int
    var lower: Int64?
    var upper: Int64?

    init?(_ conjunct: BoundExpression, base: Int) {
        guard case .call(let function, let operands) = conjunct.kind, operands.count == 2, var comparison = TimeComparison(function) else {
            return nil
        }
        var first: LinearTime
        var second: LinearTime
        if let a = operands[0].linearTime, let b = operands[1].linearTime {
            (first, second) = (a, b)
        } else if let (a, b) = operands[0].timeDifference, let limit = ExpressionTyping.constantMicroseconds(operands[1]) {
            (first, second) = (a, b)
            guard second.move(by: limit) else { return nil }
        } else if let (a, b) = operands[1].timeDifference, let limit = ExpressionTyping.constantMicroseconds(operands[0]) {
            (first, second) = (a, b)
            comparison = comparison.flipped
            guard second.move(by: limit) else { return nil }
        } else {
            return nil
        }
        if first.column >= base {
            swap(&first, &second)
            comparison = comparison.flipped
        }
        guard first.column < base, second.column >= base else { return nil }
        (leftColumn, rightColumn) = (first.column, second.column - base)
        let (difference, overflowed) = second.offset.subtractingReportingOverflow(first.offset)
        // Longer than any record is kept; and no sum with a timestamp overflows.
        if overflowed || difference.magnitude > UInt64(WindowShape.microsecondsMax) { return nil }
        switch comparison {
        case .less: upper = difference - 1
        case .lessOrEqual: upper = difference
        case .equal: (lower, upper) = (difference, difference)
        case .greaterOrEqual: lower = difference
        case .greater: lower = difference + 1
        }
    }
}

/// A column of a time, moved by a constant.
struct LinearTime {
    var column: Int
    var offset: Int64

    mutating func move(by microseconds: Int64) -> Bool {
        let (sum, overflowed) = offset.addingReportingOverflow(microseconds)
        offset = sum
        return !overflowed
    }
}

extension BoundExpression {
    /// The expression as a time column and a distance; casts that only widen the precision do not count.
    var linearTime: LinearTime? {
        guard type.isTimestamp else { return nil }
        switch kind {
        case .column(let ordinal): return LinearTime(column: ordinal, offset: 0)
        case .cast(let operand, _):
            switch (operand.type, type) {
            case (.timestamp(let from), .timestamp(let to)), (.timestampTZ(let from), .timestampTZ(let to)):
                return to >= from ? operand.linearTime : nil
            default: return nil
            }
        case .call(.add, let operands):
            guard operands.count == 2, var time = operands[0].linearTime,
                let distance = ExpressionTyping.constantMicroseconds(operands[1]), time.move(by: distance)
            else { return nil }
            return time
        case .call(.subtract, let operands):
            guard operands.count == 2, var time = operands[0].linearTime,
                let distance = ExpressionTyping.constantMicroseconds(operands[1]), distance != .min, time.move(by: -distance)
            else { return nil }
            return time
        default: return nil
        }
    }

    /// `a - b` of two times.
    fileprivate var timeDifference: (LinearTime, LinearTime)? {
        guard type == .interval, case .call(.subtract, let operands) = kind, operands.count == 2, let first = operands[0].linearTime,
            let second = operands[1].linearTime
        else { return nil }
        return (first, second)
    }

    /// A time that much later, of the same type.
    fileprivate func moved(by microseconds: Int64) -> BoundExpression? {
        let distance = BoundExpression.constant(.interval(IntervalValue(microseconds: microseconds)), .interval)
        guard let sum = try? ExpressionTyping.binary(.add, self, distance, operatorSpan: span, span: span, text: "") else { return nil }
        return try? ExpressionTyping.cast(sum, to: type, mode: .explicit, span: span, text: "")
    }
}

extension WindowShape {
    /// The length that all windows of the shape have.
    var fixedSize: Int64? {
        switch self {
        case .tumble(let size, _), .hop(let size, _, _): size
        case .cumulate, .session: nil
        }
    }
}
