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
// The shards change while rows come (StreamLayout): what was prepared for another layout is prepared again when it is committed, and a change waits for the
// commits that are under way.
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
    fileprivate var requests: [(shard: Shard, request: AppendRequest)] = []
    /// Rows of an epoch that were there already.
    fileprivate var repeatedRowCount = 0
    /// The layout it was routed for, and what it was made of, for when that has changed.
    fileprivate var layoutVersion: Int
    fileprivate let batches: [RowBatch]
    fileprivate let producer: UInt64
    fileprivate let epoch: UInt64
    fileprivate let routing: Routing
    fileprivate let arrivalMicroseconds: Int64
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
    // Safe to share: what changes is under the lock.
    package let name: String
    package let schema: Schema
    private let pool: WorkerPool?
    private let lock = Lock()
    private var current: StreamLayout
    private var routers: [PartitionRouter] = []
    /// Commits that are under way, and whether somebody waits for their end to change the layout.
    private var commitCount = 0
    private var isChanging = false
    private let passed = Condition()

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
        name = description.name
        schema = description.schema
        current = StreamLayout(description, shards, version: 0)
        self.pool = pool
    }

    var layout: StreamLayout { lock.locked { current } }
    package var description: StreamDescription { layout.description }
    package var shards: [Shard] { layout.shards }

    package func reader(shard: Int) -> ShardReader { ShardReader(shards[shard]) }

    /// The last epoch of a producer in every shard: nil where it has appended nothing.
    package func lastEpochs(of producer: UInt64) -> [UInt64?] { shards.map { $0.lastEpoch(of: producer) } }

    /// The index of the shard that takes rows with a hash key (for keys that are no columns; see Routing.rows).
    package func shardIndex(ofHashKey key: UInt128) -> Int {
        let layout = layout
        return layout.openShards[HashKeyRange.index(of: key, in: layout.ranges)]
    }

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
        let layout = layout
        var prepared = PreparedAppend(
            layoutVersion: layout.version, batches: batches, producer: producer, epoch: epoch, routing: routing,
            arrivalMicroseconds: arrivalMicroseconds)
        if !batches.isEmpty { try route(&prepared, layout) }
        return prepared
    }

    private func route(_ prepared: inout PreparedAppend, _ layout: StreamLayout) throws(LogError) {
        let batches = prepared.batches
        let (producer, epoch) = (prepared.producer, prepared.epoch)
        var requests: [(shard: Shard, request: AppendRequest)] = []
        func add(_ shard: Int, _ pieces: [FramePiece]) throws(LogError) {
            var encoder = FrameEncoder(shape: layout.shards[shard].settings.shape)
            encoder.producer = producer
            encoder.epoch = epoch
            let frames = try encoder.encode(pieces)
            requests.append(
                (
                    layout.shards[shard],
                    AppendRequest(frames: frames, producer: producer, epoch: epoch, arrivalMicroseconds: prepared.arrivalMicroseconds)
                ))
        }
        let whole = batches.map { FramePiece(batch: $0, rows: nil, range: 0..<$0.count) }
        let openShards = layout.openShards
        var rowShards: [[Int32]]?
        switch prepared.routing {
        case .shard(let index):
            guard layout.shards.indices.contains(index) else { throw .mismatch(stream: name, reason: "there is no shard \(index)") }
            try add(index, whole)
        case .rows(let given):
            guard batches.count == 1, given.count == batches[0].count, given.allSatisfy({ layout.shards.indices.contains(Int($0)) }) else {
                throw .mismatch(stream: name, reason: "the shards given for the rows do not fit them")
            }
            rowShards = [given]
        case .automatic(let rotation):
            if layout.description.partitionColumns.isEmpty {
                // Such an append lies in one shard, whichever it was when it came first.
                if producer != 0, layout.hasClosedShards, layout.has(producer: producer, epoch: epoch) {
                    prepared.repeatedRowCount = batches.reduce(0) { $0 + $1.count }
                } else {
                    try add(openShards[Int(rotation % UInt64(openShards.count))], whole)
                }
            } else if openShards.count == 1, !(producer != 0 && layout.hasClosedShards) {
                try add(openShards[0], whole)
            } else {
                rowShards = routed(batches, layout)
                if producer != 0, layout.hasClosedShards { leaveOutRepeated(&rowShards, &prepared, layout) }
            }
        }
        if let rowShards {
            let picked = RowPicks(rowShards, shardCount: layout.shards.count)
            for shard in layout.shards.indices {
                let pieces = picked.pieces(shard, batches)
                if !pieces.isEmpty { try add(shard, pieces) }
            }
            withExtendedLifetime(picked) {}
        }
        prepared.requests = requests
    }

    /// The shard of each row by its partition key.
    private func routed(_ batches: [RowBatch], _ layout: StreamLayout) -> [[Int32]] {
        let router = lock.locked { current.version == layout.version ? routers.popLast() : nil } ?? PartitionRouter(ranges: layout.ranges)
        let rowShards = batches.map { batch in
            var found = router.shardIndices(for: batch, partitionColumns: layout.description.partitionColumns)
            for row in found.indices { found[row] = Int32(truncatingIfNeeded: layout.openShards[Int(found[row])]) }
            return found
        }
        lock.locked { if current.version == layout.version, routers.count < 4 { routers.append(router) } }
        return rowShards
    }

    /// Takes rows whose part of the key space has this epoch already out of their shards. Only after a restart that follows a split or a merge is there
    /// anything to take out.
    private func leaveOutRepeated(_ rowShards: inout [[Int32]]?, _ prepared: inout PreparedAppend, _ layout: StreamLayout) {
        for shard in layout.openShards {
            for part in layout.partsTaken(of: shard, producer: prepared.producer, epoch: prepared.epoch) {
                var cuts: [HashKeyRange] = []
                if part.first > 0 { cuts.append(HashKeyRange(first: 0, last: part.first - 1)) }
                let place = Int32(cuts.count)
                cuts.append(part)
                if part.last < .max { cuts.append(HashKeyRange(first: part.last + 1, last: .max)) }
                let router = PartitionRouter(ranges: cuts)
                for (index, batch) in prepared.batches.enumerated() {
                    let found = router.shardIndices(for: batch, partitionColumns: layout.description.partitionColumns)
                    for row in found.indices where found[row] == place && rowShards?[index][row] == Int32(shard) {
                        rowShards?[index][row] = Int32(layout.shards.count)
                        prepared.repeatedRowCount += 1
                    }
                }
            }
        }
    }

    /// Step 3: appends what was prepared, in order, with as few syncs as the shards allow. `waits` false: not for room on a full disk either.
    @discardableResult
    package func commit(_ prepared: [PreparedAppend], waits: Bool = true) throws(LogError) -> AppendResult {
        beginCommit()
        defer { endCommit() }
        let layout = layout
        var prepared = prepared
        for index in prepared.indices where prepared[index].layoutVersion != layout.version {
            prepared[index].layoutVersion = layout.version
            prepared[index].repeatedRowCount = 0
            if !prepared[index].batches.isEmpty { try route(&prepared[index], layout) }
        }
        var requests = prepared.flatMap(\.requests)
        var result = AppendResult()
        result.repeatedRowCount = prepared.reduce(0) { $0 + $1.repeatedRowCount }
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
        if groups.count > 1, layout.description.sync == .always, let pool {
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

    private func beginCommit() {
        lock.lock()
        while isChanging { passed.wait(lock) }
        commitCount += 1
        lock.unlock()
    }

    private func endCommit() {
        lock.lock()
        commitCount -= 1
        if commitCount == 0 { passed.broadcast() }
        lock.unlock()
    }

    /// Puts another layout in the place of this one, when no commit is under way. `make` fails: nothing has changed.
    func changeLayout(_ make: (StreamLayout) throws(LogError) -> (StreamDescription, [Shard])) throws(LogError) {
        lock.lock()
        while isChanging { passed.wait(lock) }
        isChanging = true
        while commitCount > 0 { passed.wait(lock) }
        let before = current
        lock.unlock()
        defer {
            lock.lock()
            isChanging = false
            passed.broadcast()
            lock.unlock()
        }
        let (description, shards) = try make(before)
        lock.locked {
            current = StreamLayout(description, shards, version: before.version + 1)
            routers = []
        }
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
        let layout = layout
        let limits = LogStream.byteLimits(layout)
        for (index, shard) in layout.shards.enumerated() {
            do throws(LogError) {
                result.add(
                    try shard.maintain(nowMicroseconds: nowMicroseconds, reckonedMicroseconds: reckonedMicroseconds, byteCountMax: limits?[index]))
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        return result
    }

    /// What each shard may retain of the stream's size: an open one its equal part, the closed ones together what those leave, the newest first.
    private static func byteLimits(_ layout: StreamLayout) -> [Int]? {
        guard let total = layout.description.retentionByteCount else { return nil }
        var limits = [Int](repeating: total / max(layout.openShards.count, 1), count: layout.shards.count)
        guard layout.hasClosedShards else { return limits }
        var left = total - layout.openShards.reduce(0) { $0 + layout.shards[$1].byteCount }
        for index in layout.shards.indices.reversed() where layout.description.shards[index].isClosed {
            limits[index] = max(left, 0)
            left -= layout.shards[index].byteCount
        }
        return limits
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

/// The row numbers of each batch sorted by shard, order kept (a counting sort). A row whose shard is `shardCount` goes nowhere.
private final class RowPicks {
    private var rows: [UnsafeMutablePointer<Int32>] = []
    /// Of each batch, where each shard's rows begin; one more entry for the end.
    private var starts: [[Int]] = []

    init(_ shardsOfRows: [[Int32]], shardCount: Int) {
        for shardOfRow in shardsOfRows {
            var positions = [Int](repeating: 0, count: shardCount + 2)
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
