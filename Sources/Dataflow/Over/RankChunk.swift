// RankChunk and RankFeeder: what a task does with rows on their way to a ranking or a window function: pack them, and sort them by
// partition. Packed texts are views into the batch, which the chunk keeps alive until the epoch ends; only rows that are kept are copied.

import Columns
import Glibc
import Planning

/// The packed rows of one batch.
final class RankChunk: @unchecked Sendable {
    // Safe to share: written by the feeder only, before anybody else sees it.
    let batch: RowBatch
    let rows: Buffer
    private let keys: Buffer
    private let hashes: Buffer
    private let order: Buffer
    /// Arrays and rows as bytes, which packed rows and keys point into.
    private let encoded: [Column]
    /// Where the rows of each partition begin in `order`, `keys` and `hashes`.
    let starts: [Int]
    private let rowWidth: Int
    private let keyWidth: Int

    /// `skipped[row]` leaves a row out.
    init(_ batch: RowBatch, _ layout: RankLayout, partitionCount: Int, skipped: [Bool]?, _ scratch: AggregationScratch) {
        self.batch = batch
        let n = batch.count
        rowWidth = layout.rowWidth
        keyWidth = layout.keyWidth
        rows = Buffer(byteCount: n * layout.rowWidth)
        var encoded = layout.pack(batch, into: rows.base)
        defer { withExtendedLifetime(encoded) {} }
        order = Buffer(byteCount: n * 4)
        hashes = Buffer(byteCount: n * 8)
        keys = Buffer(byteCount: n * layout.keyWidth)
        let order = order.base.assumingMemoryBound(to: Int32.self)
        let hashes = hashes.base.assumingMemoryBound(to: UInt64.self)
        var starts = [Int](repeating: 0, count: partitionCount + 1)
        guard let key = layout.key else {
            var kept = 0
            for row in 0..<n where !(skipped?[row] ?? false) {
                order[kept] = Int32(truncatingIfNeeded: row)
                kept += 1
            }
            for partition in 1...partitionCount { starts[partition] = kept }
            self.starts = starts
            self.encoded = encoded
            return
        }
        scratch.reserve(n, packedWidth: key.width)
        encoded += key.pack(layout.partition.map { batch.columns[$0] }, count: n, into: scratch.packed, normalised: true)
        self.encoded = encoded
        key.hash(scratch.packed, count: n, into: scratch.hashes)
        let source = scratch.hashes
        let places = scratch.slots
        // Counting sort by partition.
        for row in 0..<n {
            let partition = skipped?[row] ?? false ? partitionCount : KeyHash.partition(source[row], of: partitionCount)
            places[row] = UInt32(truncatingIfNeeded: partition)
            if partition < partitionCount { starts[partition + 1] += 1 }
        }
        for partition in 0..<partitionCount { starts[partition + 1] += starts[partition] }
        let width = key.width
        let packed = scratch.packed
        let target = keys.base
        withUnsafeTemporaryAllocation(of: Int.self, capacity: partitionCount + 1) { next in
            for partition in 0...partitionCount { next[partition] = starts[partition] }
            for row in 0..<n {
                let partition = Int(places[row])
                if partition == partitionCount { continue }
                let place = next[partition]
                next[partition] = place &+ 1
                order[place] = Int32(truncatingIfNeeded: row)
                hashes[place] = source[row]
                memcpy(target + place &* width, packed + row &* width, width)
            }
        }
        self.starts = starts
    }

    /// The row at a place of the order by partition.
    @inline(__always)
    func row(_ place: Int) -> UnsafeRawPointer { UnsafeRawPointer(rows.base + number(place) &* rowWidth) }

    @inline(__always)
    func number(_ place: Int) -> Int { Int(order.base.assumingMemoryBound(to: Int32.self)[place]) }

    @inline(__always)
    func isAddition(_ place: Int) -> Bool {
        guard let changes = batch.changes else { return true }
        // +I and +U are even.
        return changes.base.load(fromByteOffset: number(place), as: UInt8.self) & 1 == 0
    }

    /// The slots of a range of places in a table of the layout's keys, in `scratch.slots`.
    func assign(_ range: Range<Int>, in table: KeyTable, _ scratch: AggregationScratch) {
        let n = range.count
        scratch.reserve(n)
        if keyWidth == 0 {
            if table.count == 0 { _ = table.append() }
            scratch.slots.update(repeating: 0, count: n)
            return
        }
        let keys = keys.base + range.lowerBound &* keyWidth
        let hashes = UnsafePointer(hashes.base.assumingMemoryBound(to: UInt64.self) + range.lowerBound)
        if keyWidth == 16 && table.keyStrings.isEmpty {
            table.assign(pairs: keys.assumingMemoryBound(to: (Int64, Int64).self), hashes: hashes, count: n, slots: scratch.slots)
        } else {
            table.assign(packed: keys, hashes: hashes, count: n, slots: scratch.slots)
        }
    }
}

extension RankLayout {
    /// Order words and packed columns of every row of a batch.
    func pack(_ batch: RowBatch, into target: UnsafeMutableRawPointer) -> [Column] {
        order.encode(batch.columns, count: batch.count, into: target, stride: rowWidth)
        return payload.pack(batch.columns, count: batch.count, into: target + order.byteCount, stride: rowWidth, normalised: false)
    }

    /// Rows that come too late; nil when none does. They are reported.
    func late(_ batch: RowBatch, _ due: RankFeeder.Due, _ context: TaskContext) -> [Bool]? {
        let times = batch.columns[due.column]
        let watermarks = batch.watermarks?.int64s
        var skipped: [Bool]?
        for row in 0..<batch.count {
            let isNull = times.isNull(row)
            let time = times.int64s[row]
            let watermark = max(due.watermark, watermarks?[row] ?? .min)
            guard isNull || time < watermark || (due.isInclusive && time == watermark) else { continue }
            if skipped == nil { skipped = [Bool](repeating: false, count: batch.count) }
            skipped?[row] = true
            if isNull {
                context.fail("event time is NULL", expression: due.name, row: batch.row(row), types: inputTypes)
            } else {
                context.late(due.name, eventTime: time, watermark: watermark, row: batch.row(row), types: inputTypes)
            }
        }
        return skipped
    }
}

/// Keeps the chunks of an epoch alive for columns that show their texts.
final class RankChunkList: @unchecked Sendable {
    // Safe to share: never written.
    private let chunks: [[RankChunk]]
    init(_ chunks: [[RankChunk]]) { self.chunks = chunks }
    var keeper: Buffer { Buffer(borrowing: EmptyBytes.pointer, byteCount: 0, owner: self) }
}

final class RankFeeder: Feeder {
    private(set) var chunks: [RankChunk] = []
    private let layout: RankLayout
    private let partitionCount: Int
    private let due: Due?

    /// Which rows come too late: those whose time (an event time, or the end of a window) the watermark has passed.
    struct Due {
        var column: Int
        /// A window has closed when the watermark has reached its end.
        var isInclusive: Bool
        /// At the end of the epoch before.
        var watermark: Int64
        var name: String
    }

    init(_ layout: RankLayout, partitionCount: Int, due: Due?) {
        self.layout = layout
        self.partitionCount = partitionCount
        self.due = due
    }

    func push(_ batch: RowBatch, _ context: TaskContext) {
        guard batch.count > 0 else { return }
        var skipped: [Bool]?
        if let due { skipped = layout.late(batch, due, context) }
        chunks.append(RankChunk(batch, layout, partitionCount: partitionCount, skipped: skipped, context.scratch))
    }

    func finish(_ context: TaskContext) {}

    func recycle() { chunks.removeAll() }
}
