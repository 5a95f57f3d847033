// OverFrames: the frame of each row: the rows `starts[i] ..< ends[i]` that an aggregate, FIRST_VALUE and their kin look at.
//
// Both ends move forward only, so all of them are found in one walk over a partition. With RANGE and an offset, rows whose key is NULL
// see each other only; ends without an offset include them.

import Columns
import Planning

struct OverFrames {
    /// For each due row, in order.
    var starts: [Int32] = []
    var ends: [Int32] = []

    init(_ frame: OverFrame, _ segments: OverSegments, peers: (starts: [Int32], ends: [Int32])?, key: Column?, isDescending: Bool) {
        starts.reserveCapacity(segments.dueCount)
        ends.reserveCapacity(segments.dueCount)
        for segment in segments.segments where segment.dueEnd > segment.dueStart {
            switch frame.unit {
            case .rows: rows(frame, segment)
            case .groups: if let peers { groups(frame, segment, peers) }
            case .range:
                guard let peers else { continue }
                if let key, frame.hasOffset {
                    range(frame, segment, peers, key, isDescending: isDescending)
                } else {
                    for row in segment.dueStart..<segment.dueEnd {
                        append(
                            frame.start == .currentRow ? Int(peers.starts[row]) : segment.start,
                            frame.end == .currentRow ? Int(peers.ends[row]) : segment.end)
                    }
                }
            }
        }
    }

    private mutating func append(_ start: Int, _ end: Int) {
        starts.append(Int32(truncatingIfNeeded: start))
        ends.append(Int32(truncatingIfNeeded: max(start, end)))
    }

    private static func clamped(_ row: Int, _ offset: Int64, _ segment: OverSegment) -> Int {
        let (moved, overflowed) = row.addingReportingOverflow(Int(offset))
        if overflowed { return offset < 0 ? segment.start : segment.end }
        return min(max(moved, segment.start), segment.end)
    }

    private mutating func rows(_ frame: OverFrame, _ segment: OverSegment) {
        for row in segment.dueStart..<segment.dueEnd {
            let start: Int
            switch frame.start {
            case .unboundedPreceding: start = segment.start
            case .preceding(let n): start = Self.clamped(row, -n, segment)
            case .currentRow: start = row
            case .following(let n): start = Self.clamped(row, n, segment)
            case .unboundedFollowing: start = segment.end
            }
            let end: Int
            switch frame.end {
            case .unboundedPreceding: end = segment.start
            case .preceding(let n): end = Self.clamped(row + 1, -n, segment)
            case .currentRow: end = row + 1
            case .following(let n): end = Self.clamped(row + 1, n, segment)
            case .unboundedFollowing: end = segment.end
            }
            append(start, end)
        }
    }

    private mutating func groups(_ frame: OverFrame, _ segment: OverSegment, _ peers: (starts: [Int32], ends: [Int32])) {
        // Where groups begin, with the segment's end behind them.
        var bounds: [Int] = []
        var row = segment.start
        while row < segment.end {
            bounds.append(row)
            row = Int(peers.ends[row])
        }
        bounds.append(segment.end)
        let count = bounds.count - 1
        func bound(_ group: Int, _ offset: Int64) -> Int {
            let (moved, overflowed) = group.addingReportingOverflow(Int(offset))
            if overflowed { return offset < 0 ? segment.start : segment.end }
            return bounds[min(max(moved, 0), count)]
        }
        var group = 0
        for row in segment.dueStart..<segment.dueEnd {
            while group < count - 1, bounds[group + 1] <= row { group += 1 }
            let start: Int
            switch frame.start {
            case .unboundedPreceding: start = segment.start
            case .preceding(let n): start = bound(group, -n)
            case .currentRow: start = bounds[group]
            case .following(let n): start = bound(group, n)
            case .unboundedFollowing: start = segment.end
            }
            let end: Int
            switch frame.end {
            case .unboundedPreceding: end = segment.start
            case .preceding(let n): end = bound(group + 1, -n)
            case .currentRow: end = bounds[group + 1]
            case .following(let n): end = bound(group + 1, n)
            case .unboundedFollowing: end = segment.end
            }
            append(start, end)
        }
    }

    private mutating func range(
        _ frame: OverFrame, _ segment: OverSegment, _ peers: (starts: [Int32], ends: [Int32]), _ key: Column, isDescending: Bool
    ) {
        switch key.layout {
        case .double:
            let values = key.doubles
            range(frame, segment, peers, key) { row, offset in
                let distance = Double(bitPattern: UInt64(bitPattern: offset.magnitude))
                let signed = offset.isPreceding != isDescending ? -distance : distance
                return values[row] + signed
            } value: {
                values[$0]
            } isBefore: {
                let a = DoubleOrder.ordered($0 == 0 ? 0 : $0)
                let b = DoubleOrder.ordered($1 == 0 ? 0 : $1)
                return isDescending ? b < a : a < b
            }
        case .int128:
            let values = key.int128s
            range(frame, segment, peers, key) { row, offset in
                let signed = offset.isPreceding != isDescending ? -Int128(offset.magnitude) : Int128(offset.magnitude)
                return values[row] + signed
            } value: { values[$0] } isBefore: { isDescending ? $1 < $0 : $0 < $1 }
        default:
            let values = key.int64s
            range(frame, segment, peers, key) { row, offset in
                let signed = offset.isPreceding != isDescending ? -Int128(offset.magnitude) : Int128(offset.magnitude)
                return Int128(values[row]) + signed
            } value: { Int128(values[$0]) } isBefore: { isDescending ? $1 < $0 : $0 < $1 }
        }
    }

    private struct Offset {
        var magnitude: Int64
        var isPreceding: Bool
    }

    /// `limit` is the key moved by an offset, `isBefore` orders as the window does.
    @inline(__always)
    private mutating func range<Key>(
        _ frame: OverFrame, _ segment: OverSegment, _ peers: (starts: [Int32], ends: [Int32]), _ key: Column,
        _ limit: (Int, Offset) -> Key, value: (Int) -> Key, isBefore: (Key, Key) -> Bool
    ) {
        // NULLs stand together, at one end.
        var first = segment.start
        var last = segment.end
        while first < last, key.isNull(first) { first += 1 }
        while last > first, key.isNull(last - 1) { last -= 1 }
        var start = first
        var end = first
        for row in segment.dueStart..<segment.dueEnd {
            let isNull = row < first || row >= last
            let rowStart: Int
            switch frame.start {
            case .unboundedPreceding, .unboundedFollowing: rowStart = segment.start
            case .currentRow: rowStart = Int(peers.starts[row])
            case .preceding(let magnitude), .following(let magnitude):
                if isNull {
                    rowStart = Int(peers.starts[row])
                } else {
                    var isPreceding = false
                    if case .preceding = frame.start { isPreceding = true }
                    let bound = limit(row, Offset(magnitude: magnitude, isPreceding: isPreceding))
                    while start < last, isBefore(value(start), bound) { start += 1 }
                    rowStart = start
                }
            }
            let rowEnd: Int
            switch frame.end {
            case .unboundedPreceding, .unboundedFollowing: rowEnd = segment.end
            case .currentRow: rowEnd = Int(peers.ends[row])
            case .preceding(let magnitude), .following(let magnitude):
                if isNull {
                    rowEnd = Int(peers.ends[row])
                } else {
                    var isPreceding = false
                    if case .preceding = frame.end { isPreceding = true }
                    let bound = limit(row, Offset(magnitude: magnitude, isPreceding: isPreceding))
                    while end < last, !isBefore(bound, value(end)) { end += 1 }
                    rowEnd = end
                }
            }
            append(rowStart, rowEnd)
        }
    }
}

extension OverFrame {
    /// Whether an end is so far from the row's key.
    var hasOffset: Bool {
        func isOffset(_ bound: Bound) -> Bool {
            switch bound {
            case .preceding, .following: true
            default: false
            }
        }
        return isOffset(start) || isOffset(end)
    }
}
