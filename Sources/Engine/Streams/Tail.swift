// Tail: the rows of a stream as they stand in the log, shard by shard, from a position on. A shard that a split or a merge made comes after those it
// was made of.

import Columns
import Platform
import ShardLog

/// Rows of one shard, numbered one after the other.
package struct TailRows: Sendable {
    package let shard: Int
    package let firstSequence: UInt64
    package let batch: RowBatch
}

/// What the next pull of a tail brings.
package enum TailEvent: Sendable {
    case rows(TailRows)
    /// Nothing within the time given.
    case idle
    case end
}

/// A tail whose rows say where they stand, so that another one can go on behind them.
package final class TailCursor: Sendable {
    package let schema: Schema
    /// Whether rows may carry change kinds.
    package let isChangelog: Bool
    private let reader: TailReader
    private let isCancelled = Flag()

    fileprivate init(_ reader: TailReader, isChangelog: Bool) {
        self.reader = reader
        self.isChangelog = isChangelog
        schema = reader.stream.schema
    }

    /// The row of each shard that comes next; there may be more shards later, each from its first row on. Used by the thread that calls `next`.
    package var positions: [UInt64] { reader.next }

    /// Rows that are there and not yet read. Used as `positions` is.
    package var remaining: UInt64 {
        reader.next.indices.reduce(0) { sum, shard in
            let end = reader.stream.endSequence(shard: shard)
            return sum &+ (end > reader.next[shard] ? end - reader.next[shard] : 0)
        }
    }

    /// The next rows. Used by one thread at a time.
    package func next(timeoutMilliseconds: Int) throws -> TailEvent {
        if isCancelled.isSet { return .end }
        return try reader.pull(timeoutMilliseconds: timeoutMilliseconds) { isCancelled.isSet }
    }

    /// Ends the tail; may be called from any thread.
    package func cancel() {
        isCancelled.set()
        reader.engine.signal.notify()
    }
}

/// Where each shard is being read.
private final class TailReader: @unchecked Sendable {
    // Safe to share: a cursor is used by one thread at a time.
    let engine: Engine
    let stream: LogStream
    let follows: Bool
    var next: [UInt64]
    let ends: [UInt64]

    init(engine: Engine, stream: LogStream, follows: Bool, next: [UInt64]) {
        self.engine = engine
        self.stream = stream
        self.follows = follows
        self.next = next
        ends = stream.shards.map(\.endSequence)
    }

    func pull(timeoutMilliseconds: Int, isCancelled: () -> Bool) throws -> TailEvent {
        let clock = engine.clock
        let deadline = clock.monotonicNanoseconds() &+ UInt64(max(0, timeoutMilliseconds)) &* 1_000_000
        while true {
            let version = engine.signal.version
            let shapes = stream.description.shards
            if follows { while next.count < shapes.count { next.append(0) } }
            for shard in next.indices {
                if shapes[shard].parents.contains(where: { $0 < next.count && next[$0] < stream.endSequence(shard: $0) }) { continue }
                let limit = follows ? UInt64.max : ends[shard]
                let columns = Array(0..<stream.schema.count)
                if let rows = try stream.reader(shard: shard).read(from: next[shard], to: limit, rowLimit: 8_192, columns: columns) {
                    next[shard] = rows.nextSequence
                    return .rows(TailRows(shard: shard, firstSequence: rows.firstSequence, batch: rows.batch))
                }
            }
            if !follows || isCancelled() { return .end }
            let now = clock.monotonicNanoseconds()
            guard now < deadline else { return .idle }
            let milliseconds = Int((deadline - now) / 1_000_000) + 1
            if engine.options.isReadOnly {
                // Another process writes: it cannot signal, so the files are looked at.
                if try !engine.log.refresh() { engine.signal.wait(untilChangedFrom: version, timeoutMilliseconds: min(20, milliseconds)) }
            } else {
                engine.signal.wait(untilChangedFrom: version, timeoutMilliseconds: min(200, milliseconds))
            }
        }
    }
}

extension Engine {
    /// The rows of a stream, in the order of each shard; ends at what is there now unless `follows`.
    package func tail(stream name: String, from start: TailStart, follows: Bool) throws(EngineError) -> Cursor {
        let tail = try tailCursor(stream: name, from: start, follows: follows)
        return Cursor(
            schema: tail.schema, isChangelog: tail.isChangelog, isLive: follows,
            wake: { tail.cancel() },
            pull: { timeout, _ in
                switch try tail.next(timeoutMilliseconds: timeout) {
                case .rows(let rows): .rows(rows.batch)
                case .idle: .idle
                case .end: .end
                }
            })
    }

    /// The same with the rows' places. A shard of which `positions` knows a sequence number begins there.
    package func tailCursor(
        stream name: String, from start: TailStart, positions: [Int: UInt64] = [:], follows: Bool
    ) throws(EngineError) -> TailCursor {
        if options.isReadOnly {
            do { try log.refresh() } catch { throw EngineError("\(error)") }
        }
        let (object, stream) = try logStream(named: name)
        let next = stream.shards.indices.map { shard in
            let reader = stream.reader(shard: shard)
            let oldest = stream.oldestSequence(shard: shard)
            func bounded(_ sequence: UInt64) -> UInt64 { max(oldest, min(sequence, stream.endSequence(shard: shard))) }
            if let position = positions[shard] { return bounded(position) }
            switch start {
            case .trimHorizon: return oldest
            case .latest: return stream.endSequence(shard: shard)
            case .sequence(let sequence): return bounded(sequence)
            case .time(let time): return reader.sequence(of: .arrival(time))
            }
        }
        return TailCursor(TailReader(engine: self, stream: stream, follows: follows, next: next), isChangelog: object.relation?.isChangelog ?? false)
    }
}
