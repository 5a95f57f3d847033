// LogStream: the shards of a stream, and the way of a batch into them.
//
// An append:
// 1. Each row finds its shard: by the MD5 of its partition key, or, without partition columns, the whole append goes to one shard chosen by the
//    caller's rotation number, or the caller names the shards.
// 2. The rows of each shard are encoded straight from the batches, picked by row number.
// 3. All shards are written to; then all that the caller is the writer of are synced, side by side; then the rest is waited for.
//
// Exactly once: an append with a producer and an epoch is in each shard as a whole or not at all, and a shard that has that epoch of
// that producer already skips it. So a replay after a crash brings every shard to the same state, provided that the same epoch
// brings the same rows, the same rotation number, and all rows of the epoch for this stream in one append.
//
// When the disk is full (or files or memory have run out) the shards that could not take their rows are tried again, for as long as the stream says;
// what failed was never visible and is cut off first, so no row is there twice.

import Columns
import Glibc
import Platform

/// How an append chooses shards.
package enum Routing: Sendable {
    /// By the stream's partition columns; when there are none, everything to shard `rotation` modulo the number of open shards.
    case automatic(rotation: UInt64)
    case shard(Int)
    /// A shard for each row of the (single) batch.
    case rows([Int32])
}

/// Rows that have been routed and encoded, ready to be committed: see `LogStream.prepare`.
package struct PreparedAppend: Sendable {
    fileprivate let requests: [(shard: Shard, request: AppendRequest)]
}

/// What an append did.
package struct AppendResult: Sendable, Hashable {
    package struct Part: Sendable, Hashable {
        package let shard: Int
        package let sequences: Range<UInt64>

        package init(shard: Int, sequences: Range<UInt64>) {
            self.shard = shard
            self.sequences = sequences
        }
    }

    package init(parts: [Part] = [], repeatedRowCount: Int = 0) {
        self.parts = parts
        self.repeatedRowCount = repeatedRowCount
    }

    /// The rows each shard took, by shard.
    package var parts: [Part] = []
    /// Rows of an epoch that shards had already.
    package var repeatedRowCount = 0

    package var rowCount: Int { parts.reduce(0) { $0 + $1.sequences.count } }
}

package struct ShardStatistics: Sendable, Hashable {
    package let shard: Int
    /// Rows that can be read, and rows that retention has removed.
    package let rowCount: Int
    package let expiredRowCount: UInt64
    package let byteCount: Int
    package let segmentCount: Int
    package let frameCount: Int
    package let oldestSequence: UInt64
    package let endSequence: UInt64
    /// Arrival of the oldest and newest row, microseconds; nil when there is none.
    package let arrivalMin: Int64?
    package let arrivalMax: Int64?
    package let repeatedRowCount: Int
    package let damageCount: Int
    package let isFenced: Bool
    /// Rows that a person has given up after damage.
    package let givenUpRowCount: UInt64
}

package final class LogStream: @unchecked Sendable {
    // Safe to share: the list of shards is fixed, the spare routers are under the lock.
    package let description: StreamDescription
    package let shards: [Shard]
    private let openShards: [Int]
    private let ranges: [HashKeyRange]
    private let pool: WorkerPool?
    private let lock = Lock()
    private var routers: [PartitionRouter] = []

    /// The directory stays locked as long as somebody can write to one of its streams.
    private let directoryLock: (any DirectoryLock)?
    private let clock: any Clock
    private let shortageWaitMilliseconds: Int
    /// The engine is closing: nobody waits for room any more.
    private let endsWaiting: Flag

    init(
        _ description: StreamDescription, _ shards: [Shard], pool: WorkerPool?, directoryLock: (any DirectoryLock)?, clock: any Clock,
        shortageWaitMilliseconds: Int, endsWaiting: Flag
    ) {
        self.endsWaiting = endsWaiting
        self.directoryLock = directoryLock
        self.clock = clock
        self.shortageWaitMilliseconds = shortageWaitMilliseconds
        self.description = description
        self.shards = shards
        self.pool = pool
        let open = description.shards.enumerated().filter { !$0.element.isClosed }.sorted { $0.element.range.first < $1.element.range.first }
        openShards = open.map(\.offset)
        ranges = open.map(\.element.range)
    }

    package var name: String { description.name }
    package var schema: Schema { description.schema }

    package func reader(shard: Int) -> ShardReader { ShardReader(shards[shard]) }

    /// The last epoch of a producer in every shard: nil where it has appended nothing.
    package func lastEpochs(of producer: UInt64) -> [UInt64?] { shards.map { $0.lastEpoch(of: producer) } }

    /// The index of the shard that takes rows with a hash key (for keys that are no columns; see Routing.rows).
    package func shardIndex(ofHashKey key: UInt128) -> Int { openShards[HashKeyRange.index(of: key, in: ranges)] }

    // MARK: Appending

    /// Appends a batch. See `append(_:[RowBatch]...)`.
    @discardableResult
    package func append(
        _ batch: RowBatch, producer: UInt64 = 0, epoch: UInt64 = 0, routing: Routing = .automatic(rotation: 0), arrivalMicroseconds: Int64
    ) throws(LogError) -> AppendResult {
        try append([batch], producer: producer, epoch: epoch, routing: routing, arrivalMicroseconds: arrivalMicroseconds)
    }

    /// Appends batches as one, and returns when the stream's sync policy allows it. When a shard fails the error is thrown, and other shards may
    /// have taken their rows all the same (a repetition with the same producer and epoch skips those). From any thread.
    @discardableResult
    package func append(
        _ batches: [RowBatch], producer: UInt64 = 0, epoch: UInt64 = 0, routing: Routing = .automatic(rotation: 0), arrivalMicroseconds: Int64
    ) throws(LogError) -> AppendResult {
        try commit([try prepare(batches, producer: producer, epoch: epoch, routing: routing, arrivalMicroseconds: arrivalMicroseconds)])
    }

    /// Steps 1 and 2 of an append: all that takes time and touches nothing shared. Any number of threads prepare at once; what they prepared
    /// is then committed in the order that the rows are to have.
    package func prepare(
        _ batches: [RowBatch], producer: UInt64 = 0, epoch: UInt64 = 0, routing: Routing = .automatic(rotation: 0), arrivalMicroseconds: Int64
    ) throws(LogError) -> PreparedAppend {
        for batch in batches { try check(batch) }
        let batches = batches.filter { $0.count > 0 }
        guard !batches.isEmpty else { return PreparedAppend(requests: []) }
        var requests: [(shard: Shard, request: AppendRequest)] = []
        func add(_ shard: Int, _ pieces: [FramePiece]) throws(LogError) {
            var encoder = FrameEncoder(shape: shards[shard].settings.shape)
            encoder.producer = producer
            encoder.epoch = epoch
            let frames = try encoder.encode(pieces)
            requests.append(
                (shards[shard], AppendRequest(frames: frames, producer: producer, epoch: epoch, arrivalMicroseconds: arrivalMicroseconds)))
        }
        let whole = batches.map { FramePiece(batch: $0, rows: nil, range: 0..<$0.count) }
        var rowShards: [[Int32]]?
        switch routing {
        case .shard(let index):
            guard shards.indices.contains(index) else { throw .mismatch(stream: name, reason: "there is no shard \(index)") }
            try add(index, whole)
        case .rows(let given):
            guard batches.count == 1, given.count == batches[0].count, given.allSatisfy({ shards.indices.contains(Int($0)) }) else {
                throw .mismatch(stream: name, reason: "the shards given for the rows do not fit them")
            }
            rowShards = [given]
        case .automatic(let rotation):
            if openShards.count == 1 {
                try add(openShards[0], whole)
            } else if description.partitionColumns.isEmpty {
                try add(openShards[Int(rotation % UInt64(openShards.count))], whole)
            } else {
                let router = lock.locked { routers.popLast() } ?? PartitionRouter(ranges: ranges)
                rowShards = batches.map { batch in
                    var found = router.shardIndices(for: batch, partitionColumns: description.partitionColumns)
                    for row in found.indices { found[row] = Int32(truncatingIfNeeded: openShards[Int(found[row])]) }
                    return found
                }
                lock.locked { if routers.count < 4 { routers.append(router) } }
            }
        }
        if let rowShards {
            let picked = RowPicks(rowShards, shardCount: shards.count)
            for shard in shards.indices {
                let pieces = picked.pieces(shard, batches)
                if !pieces.isEmpty { try add(shard, pieces) }
            }
            withExtendedLifetime(picked) {}
        }

        return PreparedAppend(requests: requests)
    }

    /// Step 3: appends what was prepared, in order, with as few syncs as the shards allow. `waits` false: not for room on a full disk either.
    @discardableResult
    package func commit(_ prepared: [PreparedAppend], waits: Bool = true) throws(LogError) -> AppendResult {
        var requests = prepared.flatMap(\.requests)
        var result = AppendResult()
        var failure = attempt(&requests, &result)
        if waits, shortageWaitMilliseconds > 0, failure?.isShortage == true {
            let start = clock.monotonicNanoseconds()
            while let error = failure, error.isShortage,
                (clock.monotonicNanoseconds() &- start) / 1_000_000 < UInt64(shortageWaitMilliseconds), !endsWaiting.isSet, !isClosing {
                usleep(LogStream.shortagePauseMicroseconds)
                for (shard, _) in requests where shard.isFenced {
                    // Still refused: the next round asks again.
                    do throws(LogError) { try shard.reopen(nowMicroseconds: clock.nowMicroseconds()) } catch {}
                }
                requests = requests.map { (shard: $0.shard, request: $0.request.again()) }
                failure = attempt(&requests, &result)
            }
            result.parts.sort { $0.shard == $1.shard ? $0.sequences.lowerBound < $1.sequences.lowerBound : $0.shard < $1.shard }
        }
        if let failure { throw failure }
        return result
    }

    private static let shortagePauseMicroseconds: UInt32 = 50_000
    private var isClosing: Bool { shards.contains { shard in shard.lock.locked { shard.isClosed } } }

    /// Submits requests and waits for them; leaves in `requests` those that failed, and returns why the first of them did.
    private func attempt(_ requests: inout [(shard: Shard, request: AppendRequest)], _ result: inout AppendResult) -> LogError? {
        var groups: [(Shard, CommitGroup)] = []
        for (shard, request) in requests {
            if let group = shard.submit(request) { groups.append((shard, group)) }
        }
        if groups.count > 1, description.sync == .always, let pool {
            let shared = groups
            pool.run(count: shared.count) { shared[$0].0.finish(shared[$0].1) }
        } else {
            for (shard, group) in groups { shard.finish(group) }
        }
        var failed: [(shard: Shard, request: AppendRequest)] = []
        var failure: LogError?
        for (shard, request) in requests {
            do throws(LogError) {
                try shard.wait(request)
                if request.isRepetition {
                    result.repeatedRowCount += request.rowCount
                } else {
                    result.parts.append(AppendResult.Part(shard: shard.index, sequences: request.sequences))
                }
            } catch {
                // One that will not heal is told before one that may.
                if failure?.isShortage ?? true { failure = failure.map { error.isShortage ? $0 : error } ?? error }
                failed.append((shard, request))
            }
        }
        requests = failed
        return failure
    }

    private func check(_ batch: RowBatch) throws(LogError) {
        guard batch.columns.count == schema.count else {
            throw .mismatch(stream: name, reason: "a batch has \(batch.columns.count) columns, the stream \(schema.count)")
        }
        for (column, field) in zip(batch.columns, schema.fields) {
            guard column.layout == field.type.layout, column.count == batch.count else {
                throw .mismatch(stream: name, reason: "column \(field.name) is \(field.type.name), the batch has \(column.type.name)")
            }
        }
    }

    // MARK: Care

    /// Interval syncs, retention, merging of small frames: call it a few times a second. A failing shard does not keep the others from their care.
    @discardableResult
    package func maintain(nowMicroseconds: Int64, reckonedMicroseconds: Int64? = nil) throws(LogError) -> MaintenanceResult {
        var result = MaintenanceResult()
        var failure: LogError?
        for shard in shards {
            do throws(LogError) {
                result.add(try shard.maintain(nowMicroseconds: nowMicroseconds, reckonedMicroseconds: reckonedMicroseconds))
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        return result
    }

    /// Makes everything visible durable, whatever the policy.
    package func synchronize() throws(LogError) {
        for shard in shards { try shard.synchronize() }
    }

    /// Lifts the fences of all shards that have one. Throws when one cannot be lifted yet.
    package func reopen(nowMicroseconds: Int64) throws(LogError) {
        for shard in shards where shard.isFenced { try shard.reopen(nowMicroseconds: nowMicroseconds) }
    }

    /// A read-only stream: looks for what the writing process has done since. Returns whether there are new rows.
    @discardableResult
    package func refresh() throws(LogError) -> Bool {
        var hasNew = false
        for shard in shards { if try shard.refresh() { hasNew = true } }
        return hasNew
    }

    /// Reads everything and reports every fault. Changes nothing.
    package func verify() throws(LogError) -> [LogDamage] {
        var found: [LogDamage] = []
        for shard in shards { found += try shard.verify() }
        return found
    }

    package func close() throws(LogError) {
        var failure: LogError?
        for shard in shards {
            do throws(LogError) { try shard.close() } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    // MARK: Facts

    package var statistics: [ShardStatistics] { shards.map(\.statistics) }
    package var damage: [LogDamage] { shards.flatMap(\.damage) }
    package var expiredRowCount: UInt64 { shards.reduce(0) { $0 + $1.oldestSequence } }
}

extension Shard {
    package var statistics: ShardStatistics {
        let (segments, end) = snapshot()
        let oldest = segments.first?.firstSequence ?? end
        let arrivalMin = segments.lazy.compactMap { $0.info(0)?.arrivalMin }.first
        let arrivalMax = segments.reversed().lazy.compactMap { $0.lastFrame?.arrivalMax }.first
        let (repeated, damageCount, isFenced) = lock.locked { (repeatedRowCount, damages.count, fence != nil) }
        return ShardStatistics(
            shard: index, rowCount: segments.reduce(0) { $0 + $1.rowCount }, expiredRowCount: oldest,
            byteCount: segments.reduce(0) { $0 + $1.byteCount }, segmentCount: segments.count,
            frameCount: segments.reduce(0) { $0 + $1.frameCount }, oldestSequence: oldest, endSequence: end, arrivalMin: arrivalMin,
            arrivalMax: arrivalMax, repeatedRowCount: repeated, damageCount: damageCount, isFenced: isFenced,
            givenUpRowCount: givenUpRowCount(in: oldest..<max(oldest, end)))
    }
}

/// The row numbers of each batch sorted by shard, order kept (a counting sort).
private final class RowPicks {
    private var rows: [UnsafeMutablePointer<Int32>] = []
    /// Of each batch, where each shard's rows begin; one more entry for the end.
    private var starts: [[Int]] = []

    init(_ shardsOfRows: [[Int32]], shardCount: Int) {
        for shardOfRow in shardsOfRows {
            var positions = [Int](repeating: 0, count: shardCount + 1)
            let picked = UnsafeMutablePointer<Int32>.allocate(capacity: max(shardOfRow.count, 1))
            shardOfRow.withUnsafeBufferPointer { shards in
                positions.withUnsafeMutableBufferPointer { next in
                    for row in 0..<shards.count { next[Int(shards[row]) + 1] &+= 1 }
                    for shard in 1..<next.count { next[shard] += next[shard - 1] }
                }
                starts.append(positions)
                positions.withUnsafeMutableBufferPointer { next in
                    for row in 0..<shards.count {
                        let shard = Int(shards[row])
                        picked[next[shard]] = Int32(truncatingIfNeeded: row)
                        next[shard] &+= 1
                    }
                }
            }
            rows.append(picked)
        }
    }

    deinit { for pointer in rows { pointer.deallocate() } }

    func pieces(_ shard: Int, _ batches: [RowBatch]) -> [FramePiece] {
        batches.indices.compactMap { index in
            let range = starts[index][shard]..<starts[index][shard + 1]
            return range.isEmpty ? nil : FramePiece(batch: batches[index], rows: UnsafePointer(rows[index]), range: range)
        }
    }
}
