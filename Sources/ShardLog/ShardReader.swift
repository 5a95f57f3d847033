// ShardReader: rows of a shard as batches, from any position, only the columns that are asked for.
//
// A read gives rows of one frame, in place, without a copy (texts get fresh views). When the next frames are small it goes on through
// as many as make a full batch and copies them together, so that a backlog of tiny appends reads like large ones. Readers hold no lock while
// they read and never hold up the writer; a batch keeps alive what it lies in.

import Columns
import Platform

/// Where a reader begins.
package enum StartPosition: Hashable, Sendable {
    /// At the oldest row that is retained.
    case trimHorizon
    /// Behind the newest row.
    case latest
    /// At this row.
    case sequence(UInt64)
    /// At the first frame with a row that arrived at or after this time (microseconds).
    case arrival(Int64)
}

/// Rows of one shard, numbered one after the other from `firstSequence`.
package struct ShardRows: Sendable {
    package let batch: RowBatch
    package let firstSequence: UInt64

    package var nextSequence: UInt64 { firstSequence + UInt64(batch.count) }
}

package struct ShardReader: Sendable {
    package let shard: Shard

    package init(_ shard: Shard) { self.shard = shard }

    /// The row number at which a reader begins.
    package func sequence(of position: StartPosition) -> UInt64 {
        switch position {
        case .trimHorizon: shard.oldestSequence
        case .latest: shard.endSequence
        case .sequence(let sequence): sequence
        case .arrival(let microseconds): shard.sequence(arrivingAt: microseconds)
        }
    }

    /// Up to `rowLimit` rows from `sequence` on and before `limit`, with the columns `columns` in that order. Nil when there is none (yet). Rows that
    /// were given up are passed over: then the first row is a later one.
    package func read(from sequence: UInt64, to limit: UInt64 = .max, rowLimit: Int, columns: [Int]) throws(LogError) -> ShardRows? {
        try read(from: sequence, to: limit, rowLimit: rowLimit, paths: columns.map { ColumnPath($0) })
    }

    /// The same of columns and of fields inside them: nothing else of a structure is touched.
    package func read(from sequence: UInt64, to limit: UInt64 = .max, rowLimit: Int, paths: [ColumnPath]) throws(LogError) -> ShardRows? {
        let shape = shard.settings.shape
        let parts = paths.compactMap(shape.part)
        guard parts.count == paths.count else { throw .mismatch(stream: shard.settings.stream, reason: "there is no such column") }
        let (segments, visibleEnd) = shard.snapshot()
        let limited = min(limit, visibleEnd)
        guard let oldest = segments.first?.firstSequence else { return nil }
        // Readers go on behind rows that were given up.
        let givenUp = shard.givenUpRows
        let sequence = givenUp.isEmpty ? sequence : givenUp.next(from: sequence)
        let end = givenUp.isEmpty ? limited : givenUp.gap(after: sequence, limit: limited)
        guard sequence >= oldest else {
            throw .expired(stream: shard.settings.stream, shard: shard.settings.index, requested: sequence, oldest: oldest)
        }
        guard sequence < end, rowLimit > 0 else { return nil }
        var segmentIndex = Shard.segmentIndex(of: sequence, in: segments)
        var frameIndex = segments[segmentIndex].frameIndex(of: sequence)
        var pieces: [(view: FrameView, rows: Range<Int>)] = []
        var next = sequence
        var total = 0
        while next < end, total < rowLimit {
            // The frame that should hold row `next`.
            guard let info = segments[segmentIndex].info(frameIndex) else {
                guard segmentIndex + 1 < segments.count, segments[segmentIndex + 1].firstSequence <= next else { break }
                segmentIndex += 1
                frameIndex = 0
                continue
            }
            guard info.firstSequence <= next else { break }
            let wanted = min(end - next, UInt64(rowLimit - total), info.endSequence - next)
            // A large frame is worth a batch of its own, in place.
            if total > rowLimit / 8, info.rowCount >= rowLimit { break }
            let view: FrameView?
            do throws(LogError) {
                view = try segments[segmentIndex].open(frame: frameIndex, parts: parts)
            } catch {
                shard.record(error)
                // What comes before the damage is served first.
                if total > 0 { break }
                throw error
            }
            guard let view else { break }
            let start = Int(next - info.firstSequence)
            pieces.append((view, start..<start + Int(wanted)))
            total += Int(wanted)
            next += wanted
            frameIndex += 1
            if pieces.count == 1, total >= rowLimit / 2 { break }
        }
        guard total > 0 else { throw missing(sequence, segments) }
        return ShardRows(batch: try ShardReader.batch(pieces, parts), firstSequence: sequence)
    }

    /// Why there is no row `sequence` although later ones exist.
    private func missing(_ sequence: UInt64, _ segments: [Segment]) -> LogError {
        if let damage = shard.damage.first(where: { $0.sequences.contains(sequence) }) { return .damaged(damage) }
        let segment = segments[Shard.segmentIndex(of: sequence, in: segments)]
        return .damaged(
            LogDamage(file: segment.path, offset: segment.byteCount, byteCount: 0, sequences: sequence..<sequence + 1, reason: "the row is missing"))
    }

    /// Puts pieces of frames together, in place when there is only one.
    static func batch(_ pieces: [(view: FrameView, rows: Range<Int>)], _ wanted: [FramePart]) throws(LogError) -> RowBatch {
        guard let first = pieces.first else { return RowBatch(count: 0, columns: []) }
        var parts: [Column] = []
        parts.reserveCapacity(wanted.count)
        if pieces.count == 1 {
            for part in wanted { parts.append(try first.view.column(part, rows: first.rows)) }
            return RowBatch(count: first.rows.count, columns: parts, changes: first.view.changes(rows: first.rows))
        }
        let total = pieces.reduce(0) { $0 + $1.rows.count }
        var owners: [Buffer] = []
        for piece in pieces where owners.last !== piece.view.owner { owners.append(piece.view.owner) }
        for part in wanted { parts.append(try FrameView.assemble(part, pieces, total: total, owners: owners)) }
        var changes: Buffer?
        if pieces.contains(where: { $0.view.entry.flags.contains(.hasChanges) }) {
            let all = Buffer.zeroed(byteCount: total)
            var position = 0
            for (view, rows) in pieces {
                if let part = view.changes(rows: rows) { (all.base + position).copyMemory(from: part.base, byteCount: rows.count) }
                position += rows.count
            }
            changes = all
        }
        return RowBatch(count: total, columns: parts, changes: changes)
    }

    /// The smallest and largest event time of rows `sequences`; (Int64.max, Int64.min) when none has one. Frames that lie wholly in the range
    /// are answered from their headers, those at its ends by reading the event-time column.
    package func eventTimeRange(_ sequences: Range<UInt64>) throws(LogError) -> (min: Int64, max: Int64) {
        var low = Int64.max
        var high = Int64.min
        guard let column = shard.settings.shape.eventTimeColumn else { return (low, high) }
        for info in shard.frames(in: sequences) {
            var (frameLow, frameHigh) = (info.eventMin, info.eventMax)
            if info.firstSequence < sequences.lowerBound || info.endSequence > sequences.upperBound {
                (frameLow, frameHigh) = (.max, .min)
                var next = max(info.firstSequence, sequences.lowerBound)
                let end = min(info.endSequence, sequences.upperBound)
                while next < end, let rows = try read(from: next, to: end, rowLimit: info.rowCount, columns: [column]) {
                    let times = rows.batch.columns[0]
                    let range = TimeRange.of(times.int64s, count: times.count, validity: times.validity)
                    (frameLow, frameHigh) = (min(frameLow, range.min), max(frameHigh, range.max))
                    next = rows.nextSequence
                }
            }
            (low, high) = (min(low, frameLow), max(high, frameHigh))
        }
        return (low, high)
    }
}
