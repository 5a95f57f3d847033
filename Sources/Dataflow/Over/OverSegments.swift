// OverSegments: sorted rows of several partitions, one partition after the other, with what the evaluation of window functions needs
// to know about them: where partitions and groups of peers begin and end, and which rows are to be given results.

import Columns
import Planning

struct OverSegment {
    /// Rows of the partition that are there, in order; those before `dueStart` have had their results, those from `dueEnd` on wait.
    var start: Int
    var dueStart: Int
    var dueEnd: Int
    var end: Int
    /// The partition's number in its table.
    var slot: Int
}

struct OverSegments {
    private(set) var rows: [UnsafeRawPointer] = []
    private(set) var segments: [OverSegment] = []
    /// How many rows get results: the sum of the segments' due rows.
    private(set) var dueCount = 0

    mutating func add(_ added: [UnsafeRawPointer], dueStart: Int, dueEnd: Int, slot: Int) {
        let start = rows.count
        rows += added
        segments.append(
            OverSegment(start: start, dueStart: start + dueStart, dueEnd: start + dueEnd, end: start + added.count, slot: slot))
        dueCount += dueEnd - dueStart
    }

    mutating func removeAll() {
        rows.removeAll(keepingCapacity: true)
        segments.removeAll(keepingCapacity: true)
        dueCount = 0
    }

    var dueRows: [UnsafeRawPointer] {
        var due: [UnsafeRawPointer] = []
        due.reserveCapacity(dueCount)
        for segment in segments { due += rows[segment.dueStart..<segment.dueEnd] }
        return due
    }

    /// For each row, the first row and the end of its group of peers. O(rows).
    func peers(_ order: OrderWords) -> (starts: [Int32], ends: [Int32]) {
        var starts = [Int32](repeating: 0, count: rows.count)
        var ends = [Int32](repeating: 0, count: rows.count)
        for segment in segments {
            var first = segment.start
            while first < segment.end {
                var next = first + 1
                while next < segment.end, order.compare(rows[first], rows[next]) == 0 { next += 1 }
                for row in first..<next {
                    starts[row] = Int32(truncatingIfNeeded: first)
                    ends[row] = Int32(truncatingIfNeeded: next)
                }
                first = next
            }
        }
        return (starts, ends)
    }
}

/// What is remembered of a partition whose earlier rows have gone, for event-time mode.
struct OverCarry {
    /// Rows that have had results, and the ranks of the last one.
    var rows: Int64 = 0
    var rank: Int64 = 0
    var denseRank: Int64 = 0
    /// For each running aggregate: how many rows past the last one with a result it has taken in (behind it when negative).
    var fed: [Int] = []
}
