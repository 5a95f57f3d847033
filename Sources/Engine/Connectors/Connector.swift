// Connector: what the engine asks of everything outside the log.
//
// There are three ways in and one way out:
// - A `ReplayableSource` has positions. The same range of positions gives the same rows whenever and wherever it is read, so an
//   epoch, which is a set of ranges, can be replayed after a crash and be read by several threads at once.
// - A `LiveFeeder` has none (the load of this machine a second ago cannot be asked for again): what it samples is appended to
//   the stream's log, and the log is what queries read.
// - A `RowSink` takes batches and can take back what it wrote after a position that a checkpoint remembers.
//
// Contract of ranges: positions of a shard rise; `read(from, to)` gives exactly the rows that begin in [from, to), for any split
// that `boundary` allows; read(a, c) is read(a, b) followed by read(b, c).

import Columns
import Platform

/// Why a connector cannot do what it was asked: a sentence for people, and the failed call behind it when there is one.
package struct ConnectorError: Error, CustomStringConvertible, Sendable {
    package let description: String
    package let cause: FileError?

    package init(_ description: String, cause: FileError? = nil) {
        self.description = description
        self.cause = cause
    }
}

/// A row that could not be decoded.
package struct RejectedRow: Sendable {
    /// What was there, cut at `bytesMax`.
    package let bytes: [UInt8]
    package let reason: String
    /// Where it was: `bids.jsonl (offset 1234)`.
    package let origin: String

    package static let bytesMax = 64 * 1024

    package init(bytes: [UInt8], reason: String, origin: String) {
        self.bytes = bytes.count > RejectedRow.bytesMax ? Array(bytes.prefix(RejectedRow.bytesMax)) : bytes
        self.reason = reason
        self.origin = origin
    }
}

/// What one read gave.
package struct SourceChunk: Sendable {
    package var batches: [RowBatch]
    /// The position after what was read.
    package var next: Int64
    package var rejected: [RejectedRow]

    package init(batches: [RowBatch] = [], next: Int64, rejected: [RejectedRow] = []) {
        self.batches = batches
        self.next = next
        self.rejected = rejected
    }
}

/// A replayable source: one or more shards, each with positions that rise (bytes of a file, events of a generator).
package protocol ReplayableSource: AnyObject, Sendable {
    var shardCount: Int { get }

    /// Looks whether shards have been split or merged. Called between epochs; `shardCount`, `parents` and `end` change only here.
    func refreshShards()

    /// The shards that this one follows: its rows come after all of theirs.
    func parents(of shard: Int) -> [Int]

    /// Position of the first row of a shard.
    func start(shard: Int) -> Int64

    /// The first position at or after `from` that can be read: rows before it have expired or were given up.
    func readable(shard: Int, from: Int64) -> Int64

    /// How many of the rows [from, to) were given up: an epoch that was recorded before they were passes over them when it is run again.
    func givenUpRows(shard: Int, from: Int64, to: Int64) -> Int64

    /// Throws when a query cannot have read up to `position`, because the source no longer reaches it: what is there now would be taken for what
    /// was read.
    func validate(shard: Int, position: Int64) throws(ConnectorError)

    /// After `validate` has thrown: whether nothing else has, or will get, the positions of what is missing before `position`. Then the query can go on
    /// behind it when it is begun again.
    func keepsApart(shard: Int, position: Int64) throws(ConnectorError) -> Bool

    /// Says once, before anything is read, where reading goes on, so that a source held to a wall-clock rate counts from
    /// there. Most sources have no use for it.
    func resume(shard: Int, at position: Int64, nowMicroseconds: Int64)

    /// Says that the query has done with everything before a position: memory that only held it may go.
    func consumed(shard: Int, upTo position: Int64)

    /// Makes what can be read now durable, where it may be seen before it is. Output that outlives a power cut may only follow from input that does.
    func makeDurable() throws(ConnectorError)

    /// Whether the rows before a position that was once reached were there (or had expired) when the source was made. False when rows have been lost.
    func reaches(shard: Int, position: Int64) -> Bool

    /// When the row at a position arrived (wall clock, microseconds); nil when that is not known. For figures only.
    func arrivalMicroseconds(shard: Int, position: Int64) -> Int64?

    /// How far the shard can be read now; rises until the source ends. `nowMicroseconds` is wall-clock time.
    func available(shard: Int, nowMicroseconds: Int64) throws(ConnectorError) -> Int64

    /// The final position, when it is known that nothing will come after it; nil while unbounded.
    func end(shard: Int) throws(ConnectorError) -> Int64?

    /// A position after `from`, at most `limit`, at which a range of about `rows` rows may end.
    func boundary(shard: Int, from: Int64, limit: Int64, rows: Int) throws(ConnectorError) -> Int64

    /// The rows of [from, to), only the named columns (ordinals of the physical schema), in batches of at most `batchRows`.
    /// Thread-safe: ranges are read in parallel.
    func read(shard: Int, from: Int64, to: Int64, columns: [Int], batchRows: Int) throws(ConnectorError) -> SourceChunk

    /// The same with fields inside columns: what scans call. A source that can leave out the rest of a structure has its own.
    func read(shard: Int, from: Int64, to: Int64, paths: [ColumnPath], batchRows: Int) throws(ConnectorError) -> SourceChunk
}

extension ReplayableSource {
    package func refreshShards() {}
    package func parents(of shard: Int) -> [Int] { [] }
    package func readable(shard: Int, from: Int64) -> Int64 { max(from, start(shard: shard)) }
    package func validate(shard: Int, position: Int64) throws(ConnectorError) {}
    package func keepsApart(shard: Int, position: Int64) throws(ConnectorError) -> Bool { false }
    package func givenUpRows(shard: Int, from: Int64, to: Int64) -> Int64 { 0 }
    package func consumed(shard: Int, upTo position: Int64) {}
    package func makeDurable() throws(ConnectorError) {}
    package func reaches(shard: Int, position: Int64) -> Bool { true }
    package func arrivalMicroseconds(shard: Int, position: Int64) -> Int64? { nil }
    package func resume(shard: Int, at position: Int64, nowMicroseconds: Int64) {}

    /// Whole columns, and the fields taken out of them.
    package func read(shard: Int, from: Int64, to: Int64, paths: [ColumnPath], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        if paths.allSatisfy(\.fields.isEmpty) {
            return try read(shard: shard, from: from, to: to, columns: paths.map(\.column), batchRows: batchRows)
        }
        let (columns, places) = ColumnPath.wholeColumns(of: paths)
        var chunk = try read(shard: shard, from: from, to: to, columns: columns, batchRows: batchRows)
        chunk.batches = chunk.batches.map { $0.following(paths, places: places) }
        return chunk
    }
}

/// A source that cannot be replayed: the engine samples it and appends the rows to the stream's log.
package protocol LiveFeeder: AnyObject {
    var intervalMicroseconds: Int64 { get }
    /// The rows of this moment in the stream's physical schema; nil when there is nothing to say yet.
    func sample(nowMicroseconds: Int64) throws(ConnectorError) -> RowBatch?
}

/// Where rows go that are not appended to a stream of the log. Used by one thread.
package protocol RowSink: AnyObject {
    /// What the user should know before the first row, such as that an existing file is replaced.
    var notice: String? { get }
    /// What to remember in a checkpoint (a file's length): output after it is undone by `restore(to:)`. Call `flush` before.
    func position() throws(ConnectorError) -> Int64
    /// Takes back everything written after `position` (recovery after a crash).
    func restore(to position: Int64) throws(ConnectorError)
    func write(_ batch: RowBatch) throws(ConnectorError)
    /// End of an epoch: makes what was written visible; `durable` also syncs.
    func flush(durable: Bool) throws(ConnectorError)
    func close() throws(ConnectorError)
}

extension RowSink {
    package var notice: String? { nil }
}
