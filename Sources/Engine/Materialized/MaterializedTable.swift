// MaterializedTable: the rows that hold in a materialized view, in the order of its key, so that one row or a range of them is found without looking
// at the others.
//
// A materialized view is a stream of the log with the changelog of a saved query of the same name. The table is that changelog, folded up to some
// row number of its one shard. An epoch of the query appends its changes at once, and readers see either none or all of them: so wherever the shard
// ends, an epoch ends, and what the table shows is always the result of one epoch. The table is made from the log when somebody first looks, and
// follows it; nothing of it is kept on the disk.
//
// Rows lie in chunks of up to `chunkRowsMax`, sorted by key and then by the other columns; equal rows are counted. A snapshot is the list of chunks:
// a chunk that a snapshot holds is copied before it is changed, and everything else is shared. Finding a key is two binary searches.

import Columns
import Platform
import ShardLog

final class MaterializedTable: @unchecked Sendable {
    // Safe to share: everything that changes is behind the lock; chunks in a snapshot are not changed.
    private let lock = Lock()
    private let stream: LogStream
    private let order: [Int]
    private let types: [SQLType]
    private var chunks: [Chunk] = []
    private var nextSequence: UInt64
    private(set) var rowCount = 0

    private static let chunkRowsMax = 512

    /// Rows with how often each stands there.
    final class Chunk {
        var rows: [[Value]]
        var counts: [Int]

        init(rows: [[Value]], counts: [Int]) {
            self.rows = rows
            self.counts = counts
        }
    }

    /// `key` are ordinals of the stream's columns.
    init(_ stream: LogStream, key: [Int]) {
        self.stream = stream
        types = stream.schema.types
        order = key + types.indices.filter { !key.contains($0) }
        nextSequence = stream.shards.first?.oldestSequence ?? 0
    }

    /// Takes in what has been appended.
    func catchUp() throws(EngineError) { try lock.locked { () throws(EngineError) in try follow() } }

    /// The rows as they are now.
    func snapshot() throws(EngineError) -> MaterializedSnapshot {
        try lock.locked { () throws(EngineError) in
            try follow()
            return MaterializedSnapshot(chunks: chunks, order: order, types: types)
        }
    }

    private func follow() throws(EngineError) {
        guard let shard = stream.shards.first else { return }
        let end = shard.endSequence
        do {
            while nextSequence < end,
                let rows = try stream.reader(shard: 0).read(from: nextSequence, to: end, rowLimit: 8_192, columns: Array(types.indices))
            {
                for row in 0..<rows.batch.count { apply(rows.batch.row(row), isAddition: rows.batch.change(at: row).isAddition) }
                nextSequence = rows.nextSequence
            }
        } catch {
            throw EngineError("materialized view \(stream.name) cannot be read: \(error)", cause: error.fileError)
        }
    }

    // MARK: Changes

    private func apply(_ row: [Value], isAddition: Bool) {
        let place = chunkIndex(of: row)
        guard chunks.indices.contains(place) else {
            // A retraction of what is not there: rows before it were given up or have expired.
            if isAddition {
                chunks.append(Chunk(rows: [row], counts: [1]))
                rowCount += 1
            }
            return
        }
        let chunk = own(place)
        let index = Self.lowerBound(chunk.rows.count) { MaterializedOrder.compare(chunk.rows[$0], row, self.order) < 0 }
        let isThere = index < chunk.rows.count && MaterializedOrder.compare(chunk.rows[index], row, order) == 0
        if isAddition {
            rowCount += 1
            if isThere {
                chunk.counts[index] += 1
            } else {
                chunk.rows.insert(row, at: index)
                chunk.counts.insert(1, at: index)
                if chunk.rows.count > Self.chunkRowsMax { split(place) }
            }
        } else if isThere {
            rowCount -= 1
            chunk.counts[index] -= 1
            if chunk.counts[index] == 0 {
                chunk.rows.remove(at: index)
                chunk.counts.remove(at: index)
                if chunk.rows.isEmpty { chunks.remove(at: place) }
            }
        }
    }

    /// The last chunk that does not begin behind the row.
    private func chunkIndex(of row: [Value]) -> Int {
        max(0, Self.lowerBound(chunks.count) { MaterializedOrder.compare(self.chunks[$0].rows[0], row, self.order) <= 0 } - 1)
    }

    private func own(_ place: Int) -> Chunk {
        if !isKnownUniquelyReferenced(&chunks[place]) { chunks[place] = Chunk(rows: chunks[place].rows, counts: chunks[place].counts) }
        return chunks[place]
    }

    private func split(_ place: Int) {
        let chunk = chunks[place]
        let half = chunk.rows.count / 2
        let rest = Chunk(rows: Array(chunk.rows[half...]), counts: Array(chunk.counts[half...]))
        chunk.rows.removeSubrange(half...)
        chunk.counts.removeSubrange(half...)
        chunks.insert(rest, at: place + 1)
    }

    /// The first place for which `isBefore` is false.
    static func lowerBound(_ count: Int, _ isBefore: (Int) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = low + (high - low) / 2
            if isBefore(middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

enum MaterializedOrder {
    /// The columns in `order`, NULL last.
    static func compare(_ a: [Value], _ b: [Value], _ order: [Int]) -> Int {
        for column in order {
            let result = compare(a[column], b[column])
            if result != 0 { return result }
        }
        return 0
    }

    static func compare(_ a: Value, _ b: Value) -> Int {
        if a.isNull || b.isNull { return a.isNull ? b.isNull ? 0 : 1 : -1 }
        // NaN is equal to itself and greater than every number, or nothing would ever find it.
        if case .double(let x) = a, case .double(let y) = b, x.isNaN || y.isNaN { return x.isNaN ? y.isNaN ? 0 : 1 : -1 }
        return SystemValue.compare(a, b)
    }
}

/// The rows of a materialized view after one epoch.
struct MaterializedSnapshot: @unchecked Sendable {
    // Safe to send: the chunks are not changed while a snapshot holds them.
    let chunks: [MaterializedTable.Chunk]
    let order: [Int]
    let types: [SQLType]

    /// The rows within the bounds, in the order of the key.
    func batch(_ bounds: [MaterializedBounds]) -> RowBatch {
        var rows: [[Value]] = []
        for bound in bounds {
            var place = max(0, MaterializedTable.lowerBound(chunks.count) { bound.compare(chunks[$0].rows[0], order) < 0 } - 1)
            search: while place < chunks.count {
                let chunk = chunks[place]
                var index = MaterializedTable.lowerBound(chunk.rows.count) { bound.compare(chunk.rows[$0], order) < 0 }
                while index < chunk.rows.count {
                    if bound.compare(chunk.rows[index], order) > 0 { break search }
                    for _ in 0..<chunk.counts[index] { rows.append(chunk.rows[index]) }
                    index += 1
                }
                place += 1
            }
        }
        return RowBatch.make(rows, types: types)
    }
}
