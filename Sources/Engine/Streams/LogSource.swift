// LogSource: a stream of the log as a replayable source. Positions are sequence numbers.
//
// The shards are those of the last `refreshShards`: a source that would see a shard closed before it sees the shards that follow it would take the
// stream's end for reached. A closed shard ends where it ends. A bounded read keeps to the shards there were when it began.

import Columns
import Platform
import ShardLog

final class LogSource: ReplayableSource, @unchecked Sendable {
    // Safe to share: what changes is behind the lock.
    private let stream: LogStream
    let name: String
    /// For a bounded read: where each shard ended when the query began; nil while the query goes on.
    private let ends: [Int64]?
    /// Where each shard ended when the source was made: before anything was appended after a restart.
    private let endsAtStart: [Int64]
    /// Whether nothing will be appended any more, although the read is not bounded.
    private let isEnded: (@Sendable () -> Bool)?
    private let lock = Lock()
    private var shapes: [ShardDescription]
    private var released: [Int64]
    /// Fewer rows than this are not worth the call; the newest rows lie in the writer's own buffers anyway.
    private static let releasedRowsMin: Int64 = 1 << 16

    init(stream: LogStream, name: String, isBounded: Bool, isEnded: (@Sendable () -> Bool)? = nil) {
        self.isEnded = isEnded
        self.stream = stream
        self.name = name
        let shapes = stream.description.shards
        self.shapes = shapes
        released = shapes.indices.map { Int64(bitPattern: stream.oldestSequence(shard: $0)) }
        endsAtStart = shapes.indices.map { Int64(bitPattern: stream.endSequence(shard: $0)) }
        ends = isBounded ? endsAtStart : nil
    }

    /// The log that a source reads, which any thread may ask how far it goes; nil for what only the query's own may ask.
    static func beneath(_ source: any ReplayableSource) -> LogSource? { source as? LogSource ?? (source as? UpsertSource).flatMap { beneath($0.source) } }

    var shardCount: Int { lock.locked { shapes.count } }

    func refreshShards() {
        guard ends == nil, stream.shardCount > shardCount else { return }
        let found = stream.description.shards
        lock.locked {
            shapes = found
            while released.count < found.count { released.append(0) }
        }
    }

    func parents(of shard: Int) -> [Int] { lock.locked { shard < shapes.count ? shapes[shard].parents : [] } }

    func start(shard: Int) -> Int64 { Int64(bitPattern: stream.oldestSequence(shard: shard)) }

    func readable(shard: Int, from: Int64) -> Int64 {
        from < 0 ? start(shard: shard) : Int64(bitPattern: stream.shards[shard].readable(from: UInt64(bitPattern: from)))
    }

    func givenUpRows(shard: Int, from: Int64, to: Int64) -> Int64 {
        guard from >= 0, from < to else { return 0 }
        return Int64(clamping: stream.shards[shard].givenUpRowCount(in: UInt64(bitPattern: from)..<UInt64(bitPattern: to)))
    }

    func validate(shard: Int, position: Int64) throws(ConnectorError) {
        guard !reaches(shard: shard, position: position) else { return }
        let end = endsAtStart[shard]
        throw ConnectorError(
            "stream \(name), shard \(shard) ends before row \(end), but the query has read up to row \(position - 1): rows \(end)...\(position - 1) are lost")
    }

    func keepsApart(shard: Int, position: Int64) throws(ConnectorError) -> Bool {
        let missing = UInt64(clamping: endsAtStart[shard])..<UInt64(clamping: max(position, endsAtStart[shard]))
        do throws(LogError) { return try stream.shards[shard].learnMissing(missing) } catch { throw ConnectorError("stream \(name): \(error)") }
    }

    func available(shard: Int, nowMicroseconds: Int64) throws(ConnectorError) -> Int64 {
        ends?[shard] ?? Int64(bitPattern: stream.endSequence(shard: shard))
    }

    func end(shard: Int) throws(ConnectorError) -> Int64? {
        if let ends { return ends[shard] }
        return isEnded?() == true || lock.locked { shapes[shard].isClosed } ? Int64(bitPattern: stream.endSequence(shard: shard)) : nil
    }

    func makeDurable() throws(ConnectorError) {
        guard !stream.isSyncedAlways else { return }
        do { try stream.synchronize() } catch { throw ConnectorError("stream \(name): \(error)") }
    }

    func reaches(shard: Int, position: Int64) -> Bool { shard >= endsAtStart.count || position <= endsAtStart[shard] }

    func arrivalMicroseconds(shard: Int, position: Int64) -> Int64? {
        position < 0 ? nil : stream.shards[shard].arrivalMicroseconds(of: UInt64(bitPattern: position))
    }

    /// Takes what has been read out of this process's memory, so that reading a long log needs no more than an epoch of it.
    func consumed(shard: Int, upTo position: Int64) {
        let range = lock.locked { () -> Range<UInt64>? in
            let from = released[shard]
            guard position &- from >= LogSource.releasedRowsMin else { return nil }
            released[shard] = position
            return UInt64(bitPattern: from)..<UInt64(bitPattern: position)
        }
        if let range { stream.shards[shard].letGo(range) }
    }

    func boundary(shard: Int, from: Int64, limit: Int64, rows: Int) throws(ConnectorError) -> Int64 {
        let start = readable(shard: shard, from: from)
        let (wanted, overflows) = start.addingReportingOverflow(Int64(max(1, rows)))
        let cut = overflows ? limit : min(limit, wanted)
        guard start >= 0, cut > start else { return limit }
        return Int64(bitPattern: stream.shards[shard].interruption(after: UInt64(bitPattern: start), limit: UInt64(bitPattern: cut)))
    }

    func read(shard: Int, from: Int64, to: Int64, columns: [Int], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        try read(shard: shard, from: from, to: to, paths: columns.map { ColumnPath($0) }, batchRows: batchRows)
    }

    func read(shard: Int, from: Int64, to: Int64, paths: [ColumnPath], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        do {
            let batches = try stream.read(
                shard: shard, from: UInt64(bitPattern: from), to: UInt64(bitPattern: to), paths: paths, batchRows: batchRows)
            return SourceChunk(batches: batches, next: to)
        } catch {
            throw ConnectorError("stream \(name): \(error)", cause: error.fileError)
        }
    }
}
