// OverEvaluator: the results of window functions for the due rows of some partitions; one column for each call.
//
// Aggregates are the business of `OverAggregate`; all other functions come down to the number of a row whose value is the result.

import Columns
import Planning

final class OverEvaluator {
    let node: OverNode
    let layout: RankLayout
    let aggregates: [OverAggregate?]
    /// Whether earlier rows of a partition may have gone, so that what they meant is carried.
    let carries: Bool

    init(_ node: OverNode, layout: RankLayout, carries: Bool) throws(DataflowError) {
        self.node = node
        self.layout = layout
        self.carries = carries
        var aggregates: [OverAggregate?] = []
        for call in node.calls {
            if case .aggregate(let function) = call.function {
                aggregates.append(try OverAggregate(call, function, inputTypes: layout.inputTypes, carries: carries))
            } else {
                aggregates.append(nil)
            }
        }
        self.aggregates = aggregates
    }

    /// `carry` by slot; only when the evaluator carries.
    func evaluate(_ segments: OverSegments, carry: inout [OverCarry], _ context: TaskContext) -> [Column] {
        let needsPeers = node.calls.contains { call in
            switch call.function {
            case .rank, .denseRank, .percentRank, .cumeDist: true
            case .rowNumber, .ntile, .lag, .lead, .model: false
            default: call.frame.unit != .rows
            }
        }
        let peers = needsPeers ? segments.peers(layout.order) : nil
        var frames: [OverFrame: OverFrames] = [:]
        var columns: [Int: Column] = [:]
        func column(_ ordinal: Int) -> Column {
            if let known = columns[ordinal] { return known }
            let made = segments.rows.withUnsafeBufferPointer { rows in
                rows.baseAddress.map { layout.payload.unpack(ordinal, from: $0, count: rows.count, base: layout.order.byteCount) }
                    ?? Column.constant(.null, type: layout.inputTypes[ordinal], count: 0)
            }
            columns[ordinal] = made
            return made
        }
        func frame(_ call: OverCall) -> OverFrames {
            if let known = frames[call.frame] { return known }
            let key = node.order.first
            let needsKey = call.frame.unit == .range && call.frame.hasOffset
            let made = OverFrames(
                call.frame, segments, peers: peers, key: needsKey ? key.map { column($0.column) } : nil,
                isDescending: key?.isDescending ?? false)
            frames[call.frame] = made
            return made
        }
        var results: [Column] = []
        for (index, call) in node.calls.enumerated() {
            switch call.function {
            case .rowNumber, .rank, .denseRank, .percentRank, .cumeDist, .ntile:
                results.append(ranks(call, segments, peers: peers, carry: carry))
            case .lag, .lead:
                results.append(shifted(call, segments, column(call.arguments[0]), call.arguments.count > 1 ? column(call.arguments[1]) : nil))
            // Has a part of its own (see OverStage).
            case .model: results.append(.constant(.null, type: call.resultType, count: segments.dueCount))
            case .firstValue, .lastValue, .nthValue: results.append(picked(call, segments, frame(call), column(call.arguments[0])))
            case .aggregate:
                guard let aggregate = aggregates[index] else { continue }
                let inputs = aggregate.columns.map(column)
                results.append(aggregate.evaluate(segments, frame(call), inputs, carry: &carry, call: index, context, layout))
            }
        }
        if carries { moveCarry(segments, peers: peers, &carry) }
        return results
    }

    // MARK: Ranks

    private func ranks(_ call: OverCall, _ segments: OverSegments, peers: (starts: [Int32], ends: [Int32])?, carry: [OverCarry]) -> Column {
        let isDouble = call.resultType.layout == .double
        let values = Buffer(byteCount: segments.dueCount * 8)
        let int64s = values.base.assumingMemoryBound(to: Int64.self)
        let doubles = values.base.assumingMemoryBound(to: Double.self)
        var place = 0
        for segment in segments.segments where segment.dueEnd > segment.dueStart {
            let count = segment.end - segment.start
            var state = carries ? carry[segment.slot] : OverCarry()
            if !carries { state.rows = Int64(segment.dueStart - segment.start) }
            for row in segment.dueStart..<segment.dueEnd {
                switch call.function {
                case .rowNumber:
                    state.rows &+= 1
                    int64s[place] = state.rows
                case .rank, .denseRank:
                    Self.advance(&state, isPeer: Self.isPeer(row, segment, peers))
                    int64s[place] = call.function == .rank ? state.rank : state.denseRank
                case .percentRank:
                    let first = peers.map { Int($0.starts[row]) } ?? row
                    doubles[place] = count > 1 ? Double(first - segment.start) / Double(count - 1) : 0
                case .cumeDist:
                    let end = peers.map { Int($0.ends[row]) } ?? row + 1
                    doubles[place] = Double(end - segment.start) / Double(count)
                case .ntile:
                    let index = row - segment.start
                    let buckets = min(call.offset, count)
                    let size = count / buckets
                    let larger = count % buckets
                    // The first `larger` buckets have one row more.
                    let bucket = index < larger * (size + 1) ? index / (size + 1) : larger + (index - larger * (size + 1)) / size
                    int64s[place] = Int64(bucket + 1)
                default: int64s[place] = 0
                }
                place += 1
            }
        }
        return Column(type: isDouble ? .double : call.resultType, count: segments.dueCount, values: values)
    }

    private static func isPeer(_ row: Int, _ segment: OverSegment, _ peers: (starts: [Int32], ends: [Int32])?) -> Bool {
        guard let peers else { return row > segment.start }
        return row > segment.start && peers.starts[row] == peers.starts[row - 1]
    }

    private static func advance(_ state: inout OverCarry, isPeer: Bool) {
        if !isPeer {
            state.rank = state.rows &+ 1
            state.denseRank &+= 1
        }
        state.rows &+= 1
    }

    /// Counts the due rows into what is carried.
    private func moveCarry(_ segments: OverSegments, peers: (starts: [Int32], ends: [Int32])?, _ carry: inout [OverCarry]) {
        for segment in segments.segments {
            for row in segment.dueStart..<segment.dueEnd {
                Self.advance(&carry[segment.slot], isPeer: peers == nil ? false : Self.isPeer(row, segment, peers))
            }
        }
    }

    // MARK: Values of other rows

    private func gather(_ column: Column, _ rows: [Int32], type: SQLType, fallback: Column? = nil, fallbackRows: [Int32] = []) -> Column {
        if fallback == nil && !rows.contains(-1) { return column.gather(rows).retyped(type) }
        let builder = ColumnBuilder(type, capacity: rows.count)
        for (index, row) in rows.enumerated() {
            if row >= 0 {
                builder.append(from: column, row: Int(row))
            } else if let fallback {
                builder.append(from: fallback, row: Int(fallbackRows[index]))
            } else {
                builder.appendNull()
            }
        }
        return builder.finish()
    }

    private func shifted(_ call: OverCall, _ segments: OverSegments, _ values: Column, _ fallback: Column?) -> Column {
        var rows: [Int32] = []
        var own: [Int32] = []
        rows.reserveCapacity(segments.dueCount)
        let isLag = call.function == .lag
        for segment in segments.segments where segment.dueEnd > segment.dueStart {
            // Places of values that are not NULL.
            let known = call.ignoresNulls ? (segment.start..<segment.end).filter { !values.isNull($0) } : []
            var next = 0
            for row in segment.dueStart..<segment.dueEnd {
                var source = -1
                if call.ignoresNulls && call.offset > 0 {
                    while next < known.count, known[next] < row { next += 1 }
                    let isOwn = next < known.count && known[next] == row
                    let place = isLag ? next - call.offset : next + call.offset - (isOwn ? 0 : 1)
                    if known.indices.contains(place) { source = known[place] }
                } else {
                    let (moved, overflowed) = row.addingReportingOverflow(isLag ? -call.offset : call.offset)
                    if !overflowed, moved >= segment.start, moved < segment.end { source = moved }
                }
                rows.append(Int32(truncatingIfNeeded: source))
                if fallback != nil { own.append(Int32(truncatingIfNeeded: row)) }
            }
        }
        return gather(values, rows, type: call.resultType, fallback: fallback, fallbackRows: own)
    }

    private func picked(_ call: OverCall, _ segments: OverSegments, _ frames: OverFrames, _ values: Column) -> Column {
        var rows: [Int32] = []
        rows.reserveCapacity(segments.dueCount)
        // The nearest value that is not NULL at or after, and at or before, each row.
        var after: [Int32] = []
        var before: [Int32] = []
        var known: [Int32] = []
        if call.ignoresNulls {
            let count = values.count
            after = [Int32](repeating: Int32(truncatingIfNeeded: count), count: count + 1)
            for row in stride(from: count - 1, through: 0, by: -1) {
                after[row] = values.isNull(row) ? after[row + 1] : Int32(truncatingIfNeeded: row)
            }
            before = [Int32](repeating: -1, count: count)
            for row in 0..<count {
                before[row] = values.isNull(row) ? (row > 0 ? before[row - 1] : -1) : Int32(truncatingIfNeeded: row)
            }
            if call.function == .nthValue { known = (0..<count).filter { !values.isNull($0) }.map { Int32(truncatingIfNeeded: $0) } }
        }
        for index in 0..<frames.starts.count {
            let start = Int(frames.starts[index])
            let end = Int(frames.ends[index])
            var source = -1
            if start < end {
                switch (call.function, call.ignoresNulls) {
                case (.firstValue, false): source = start
                case (.firstValue, true): source = Int(after[start])
                case (.lastValue, false): source = end - 1
                case (.lastValue, true): source = Int(before[end - 1])
                case (_, false): source = start.addingReportingOverflow(call.offset - 1).partialValue
                default:
                    // The n-th place from the first that is not NULL.
                    var low = 0
                    var high = known.count
                    while low < high {
                        let middle = (low + high) / 2
                        if Int(known[middle]) < start { low = middle + 1 } else { high = middle }
                    }
                    let place = low + call.offset - 1
                    source = place < known.count ? Int(known[place]) : -1
                }
                if source < start || source >= end { source = -1 }
            }
            rows.append(Int32(truncatingIfNeeded: source))
        }
        return gather(values, rows, type: call.resultType)
    }
}
