// OverReach: how far the calls of a node look back and ahead, and so which rows of a partition have to stay (event time).

import Columns
import Planning

struct OverReach {
    private let node: OverNode
    /// Rows, groups and time that frames reach back; how many rows, groups and how much time they reach ahead.
    private var rowsBack = 0
    private var groupsBack = 0
    private var timeBack: Int64 = 0
    private var rowsAhead = 0
    private var groupsAhead = 0
    private var timeAhead: Int64 = 0
    private var looksAtPeers = false
    /// Whether a row may have to wait for others after time has passed it.
    private(set) var waits = false
    /// Whether a partition means something even when none of its rows is kept: a count, a running state.
    private(set) var remembersPartitions = false

    init(_ node: OverNode) {
        self.node = node
        for call in node.calls {
            switch call.function {
            case .rowNumber: remembersPartitions = true
            case .rank, .denseRank:
                remembersPartitions = true
                looksAtPeers = true
            case .lag: if !call.ignoresNulls { rowsBack = max(rowsBack, call.offset) }
            case .lead: rowsAhead = max(rowsAhead, call.offset)
            default: break
            }
            guard call.function.usesFrame else { continue }
            let frame = call.frame
            if case .aggregate = call.function, frame.start == .unboundedPreceding { remembersPartitions = true }
            if frame.unit != .rows { looksAtPeers = true }
            for bound in [frame.start, frame.end] {
                switch (frame.unit, bound) {
                case (.rows, .preceding(let n)): rowsBack = max(rowsBack, Int(n))
                case (.rows, .following(let n)): rowsAhead = max(rowsAhead, Int(n))
                case (.groups, .preceding(let n)): groupsBack = max(groupsBack, Int(min(n, 1 << 40)) + 1)
                case (.groups, .following(let n)): groupsAhead = max(groupsAhead, Int(min(n, 1 << 40)))
                case (.range, .preceding(let n)): timeBack = max(timeBack, n)
                case (.range, .following(let n)): timeAhead = max(timeAhead, n)
                default: break
                }
            }
            // A frame that starts after the row, and an aggregate that runs, still wants rows behind the last one with a result.
            if case .rows = frame.unit, case .following = frame.start { rowsBack = max(rowsBack, 1) }
        }
        waits = rowsAhead > 0 || groupsAhead > 0 || timeAhead > 0
    }

    /// The time before which no row that has its result is reached by those still to come; nil when something else than time reaches back to them.
    func reachedTime(watermark: Int64) -> Int64? {
        guard !remembersPartitions, rowsBack == 0, groupsBack == 0, rowsAhead == 0, groupsAhead == 0, watermark > .min else { return nil }
        let pins = node.calls.contains { call in
            switch call.function {
            case .firstValue, .lastValue, .nthValue: call.frame.start == .unboundedPreceding
            case .lag: true
            default: false
            }
        }
        let (limit, overflowed) = watermark.subtractingReportingOverflow(timeBack)
        return pins || overflowed ? nil : limit
    }

    /// The first order word of a row is its time: ascending, so the value with its sign turned.
    static func time(_ row: UnsafeRawPointer) -> Int64 { Int64(bitPattern: row.load(as: UInt64.self) ^ (1 << 63)) }

    /// How many of the rows, from the start, have a result that nothing can change. All of them lie before the watermark.
    func settled(_ rows: [UnsafeRawPointer], from first: Int, watermark: Int64, _ order: OrderWords) -> Int {
        guard waits else { return rows.count }
        var end = rows.count
        if rowsAhead > 0 { end = min(end, rows.count - min(rowsAhead, rows.count)) }
        if timeAhead > 0 {
            while end > first {
                let (reached, overflowed) = Self.time(rows[end - 1]).addingReportingOverflow(timeAhead)
                if !overflowed && reached < watermark { break }
                end -= 1
            }
        }
        if groupsAhead > 0 {
            // Groups behind a row that are complete: all of them are, their times having passed.
            var groups = 0
            var index = rows.count
            while index > first, groups < groupsAhead {
                var start = index - 1
                while start > 0, order.compare(rows[start - 1], rows[start]) == 0 { start -= 1 }
                groups += 1
                index = start
            }
            end = min(end, groups < groupsAhead ? first : max(index, first))
        }
        return max(end, first)
    }

    /// The first row that later frames may look at.
    func kept(_ rows: [UnsafeMutableRawPointer], emitted: Int, watermark: Int64, _ order: OrderWords) -> Int {
        var from = emitted - min(rowsBack, emitted)
        if looksAtPeers && emitted > 0 {
            from = min(from, emitted - 1)
            // Peers that were parted from a row that waits.
            if emitted < rows.count { while from > 0, order.compare(rows[from - 1], rows[emitted]) == 0 { from -= 1 } }
        }
        if groupsBack > 0 {
            var index = emitted
            var groups = 0
            while index > 0, groups < groupsBack {
                var start = index - 1
                while start > 0, order.compare(rows[start - 1], rows[start]) == 0 { start -= 1 }
                groups += 1
                index = start
            }
            from = min(from, index)
        }
        if timeBack > 0 {
            let next = emitted < rows.count ? min(Self.time(rows[emitted]), watermark) : watermark
            let (limit, overflowed) = next.subtractingReportingOverflow(timeBack)
            if overflowed {
                from = 0
            } else {
                var low = 0
                var high = emitted
                while low < high {
                    let middle = (low + high) / 2
                    if Self.time(rows[middle]) < limit { low = middle + 1 } else { high = middle }
                }
                from = min(from, low)
            }
        }
        return from
    }

    /// Rows that will be wanted by themselves.
    func pin(_ rows: [UnsafeMutableRawPointer], emitted: Int, _ layout: RankLayout, _ keeps: inout [Bool]) {
        for call in node.calls {
            guard let argument = call.arguments.first else { continue }
            let mask = layout.order.byteCount + argument / 64 * 8
            let bit = UInt64(1) << UInt64(argument & 63)
            func isNull(_ row: Int) -> Bool { rows[row].loadUnaligned(fromByteOffset: mask, as: UInt64.self) & bit != 0 }
            let isUnbounded = call.frame.start == .unboundedPreceding
            switch call.function {
            case .firstValue where isUnbounded, .nthValue where isUnbounded:
                var wanted = call.function == .firstValue ? 1 : call.offset
                for row in 0..<emitted where wanted > 0 && !(call.ignoresNulls && isNull(row)) {
                    keeps[row] = true
                    wanted -= 1
                }
            case .lastValue where isUnbounded, .lag where call.ignoresNulls:
                // Of all ends that a frame may still have, the first is that of the next row; what lies before the rows that stay anyway:
                // the last values, those that are not NULL where NULLs are ignored.
                var wanted = call.function == .lag ? call.offset : 1
                var row = emitted - 1
                if case .preceding = call.frame.end {
                    while row >= 0, keeps[row] { row -= 1 }
                }
                while row >= 0, wanted > 0 {
                    if !(call.ignoresNulls && isNull(row)) {
                        keeps[row] = true
                        wanted -= 1
                    }
                    row -= 1
                }
            default: break
            }
        }
    }
}

extension OverCall {
    /// An aggregate over a frame that begins with the partition and does not end with it.
    var isRunningAggregate: Bool {
        guard case .aggregate = function else { return false }
        return frame.start == .unboundedPreceding && frame.end != .unboundedFollowing
    }
}
