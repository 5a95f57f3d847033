// Shard: one ordered sequence of rows, and its single writer.
//
// An append, from any thread:
// 1. The caller has encoded its frames (in parallel with everybody else) and hands them in as an `AppendRequest`.
// 2. `submit` puts the request into the queue. When nobody writes, the caller becomes the writer: it takes the whole queue, gives
//    out sequence numbers and arrival times, rolls the segment when it is full, and writes all frames with one call.
// 3. `finish` syncs (sync = always), then makes the frames visible, moves `endSequence`, and wakes the others of the group.
// 4. `wait` returns when the request is done. A waiter that finds the writer's place free and requests in the queue takes the place.
// `submit` and `finish` are apart so that an append to several shards writes to all before it syncs any. Nobody waits for another
// request while holding a writer's place, so there is no deadlock.
//
// A failed write or sync fences the shard: what the file holds past the visible end is unknown, so every further append fails until `reopen`
// has brought the file back to what is visible. Rows that were visible but not yet synced (interval, none) are written anew then, because
// pages of a failed sync may be marked clean without being on the disk.
//
// Invariants: visible end <= written end; under sync = always a visible row has been synced; arrival times never fall along the shard;
// a producer's epochs rise along the shard, and a request whose epoch is not above the last one is skipped as a repetition.

import Columns
import Platform

/// When an append is acknowledged.
package enum SyncPolicy: Hashable, Sendable {
    /// After its group commit has been synced.
    case always
    /// After it has been written; synced by `maintain` when this much time has passed.
    case interval(milliseconds: Int)
    /// After it has been written; synced when a segment is full and when the stream is closed.
    case none
}

struct ShardSettings: Sendable {
    var stream: String
    var index: Int
    var directory: String
    var shape: FrameShape
    var sync: SyncPolicy
    var segmentByteCount: Int
    /// A segment is also full with this many frames, whatever their size, to bound its index.
    var segmentFrameCount = 65_536
    var retentionMicroseconds: Int64?
    var retentionByteCount: Int?
}

/// Frames that are to be appended together, and what became of them.
final class AppendRequest: @unchecked Sendable {
    // Safe to share: the shard's lock guards what changes.
    let frames: [EncodedFrame]
    let producer: UInt64
    let epoch: UInt64
    let arrivalMicroseconds: Int64
    let rowCount: Int
    fileprivate(set) var sequences: Range<UInt64> = 0..<0
    fileprivate(set) var isRepetition = false
    fileprivate(set) var failure: LogError?
    fileprivate var isDone = false

    /// The same rows again, for after a failure: what failed was never visible and is cut off before the shard takes rows again.
    func again() -> AppendRequest {
        AppendRequest(frames: frames, producer: producer, epoch: epoch, arrivalMicroseconds: arrivalMicroseconds)
    }

    init(frames: [EncodedFrame], producer: UInt64, epoch: UInt64, arrivalMicroseconds: Int64) {
        self.frames = frames
        self.producer = producer
        self.epoch = epoch
        self.arrivalMicroseconds = arrivalMicroseconds
        rowCount = frames.reduce(0) { $0 + $1.rowCount }
    }
}

/// Requests that were written together and still wait for their sync. Whoever has it holds the writer's place.
struct CommitGroup {
    fileprivate let requests: [AppendRequest]
    fileprivate let entries: [FrameEntry]
    fileprivate let buffers: [Buffer]
    fileprivate let producers: [(UInt64, UInt64)]
    fileprivate let endOffset: Int
    fileprivate let endSequence: UInt64
}

package final class Shard: @unchecked Sendable {
    // Safe to share: fields marked "writer" are touched by the holder of the writer's place, all others under the lock.
    let settings: ShardSettings
    let system: any FileSystem
    let signal: LogSignal
    let isReadOnly: Bool

    let lock = Lock()
    let free = Condition()
    /// Held while segment files are merged or removed. Taken before `lock`, never after.
    let maintenance = Lock()
    var segments: [Segment] = []
    var damages: [LogDamage] = []
    var end: UInt64 = 0
    var producers: [UInt64: UInt64] = [:]
    var fence: LogError?
    var isClosed = false
    /// Split or merged: other shards take its rows now. Everything else about it goes on.
    var isSealed = false
    var durableOffset = 0
    var repeatedRowCount = 0
    var givenUp = GivenUpRows()
    /// The segment that was to follow the active one could not be begun: it must be before anything is appended.
    var isBetweenSegments = false
    private var queue: [AppendRequest] = []
    var hasWriter = false

    // Writer.
    var file: (any File)?
    var writtenOffset = 0
    var lastArrival = Int64.min
    var unsyncedSince: Int64?

    // Maintenance (one thread at a time).
    var care = ShardCare()

    init(_ settings: ShardSettings, _ system: any FileSystem, _ signal: LogSignal, isReadOnly: Bool) {
        self.settings = settings
        self.system = system
        self.signal = signal
        self.isReadOnly = isReadOnly
    }

    package var index: Int { settings.index }

    // MARK: Facts

    /// The row after the last visible one.
    package var endSequence: UInt64 { lock.locked { end } }
    /// The first row that is still retained; `endSequence` when none is.
    package var oldestSequence: UInt64 { lock.locked { segments.first?.firstSequence ?? end } }
    /// The last epoch of a producer that is in this shard.
    package func lastEpoch(of producer: UInt64) -> UInt64? { lock.locked { producers[producer] } }
    package var damage: [LogDamage] { lock.locked { damages } }
    var byteCount: Int { lock.locked { segments }.reduce(0) { $0 + $1.byteCount } }
    package var isFenced: Bool { lock.locked { fence != nil } }
    /// Why the shard takes no rows; nil when it does.
    package var fault: LogError? { lock.locked { fence } }
    var givenUpRows: GivenUpRows { lock.locked { givenUp } }
    /// Rows that a person has given up after damage.
    package var givenUpRowCount: UInt64 { givenUpRows.rowCount }
    package func givenUpRowCount(in sequences: Range<UInt64>) -> UInt64 { givenUpRows.rowCount(in: sequences) }
    /// The first row at or after `sequence` that can be there: neither expired nor given up.
    package func readable(from sequence: UInt64) -> UInt64 {
        lock.locked { givenUp.next(from: max(sequence, segments.first?.firstSequence ?? end)) }
    }
    /// Where the rows from `sequence` on are interrupted by rows that were given up, at most `limit`.
    package func interruption(after sequence: UInt64, limit: UInt64) -> UInt64 {
        lock.locked { givenUp.isEmpty ? limit : givenUp.gap(after: sequence, limit: limit) }
    }

    /// Takes no more rows from now on.
    func seal() { lock.locked { isSealed = true } }

    func fenced(_ cause: LogError) -> LogError {
        .fenced(stream: settings.stream, shard: settings.index, reason: "\(cause)", cause: cause.fileError)
    }

    // MARK: Appending

    /// Queues a request; returns a group when the caller has become the writer and must `finish` it.
    func submit(_ request: AppendRequest) -> CommitGroup? {
        lock.lock()
        if let refusal {
            request.failure = refusal
            request.isDone = true
            lock.unlock()
            return nil
        }
        queue.append(request)
        return becomeWriterAndUnlock()
    }

    private var refusal: LogError? {
        if isReadOnly { return .readOnly(path: settings.directory) }
        if isClosed { return .closed(stream: settings.stream) }
        if isSealed { return .mismatch(stream: settings.stream, reason: "shard \(index) is closed: it was split or merged") }
        return fence
    }

    /// With the lock held, which it gives back. Writes what is queued when the writer's place is free.
    private func becomeWriterAndUnlock() -> CommitGroup? {
        guard !hasWriter, !queue.isEmpty else {
            lock.unlock()
            return nil
        }
        hasWriter = true
        let requests = queue
        queue = []
        let refusal = refusal
        lock.unlock()
        do throws(LogError) {
            if let refusal { throw refusal }
            return try write(requests)
        } catch {
            fail(requests, error)
            return nil
        }
    }

    /// Waits until a request has been acknowledged or has failed.
    func wait(_ request: AppendRequest) throws(LogError) {
        lock.lock()
        while !request.isDone {
            if hasWriter || queue.isEmpty {
                free.wait(lock)
                continue
            }
            if let group = becomeWriterAndUnlock() { finish(group) }
            lock.lock()
        }
        let failure = request.failure
        lock.unlock()
        if let failure { throw failure }
    }

    private func fail(_ requests: [AppendRequest], _ error: LogError) {
        lock.lock()
        if fence == nil && !isClosed && !isReadOnly { fence = fenced(error) }
        for request in requests {
            request.failure = error
            request.isDone = true
        }
        // Those who queued up behind the failure fail with it.
        if let refusal {
            for request in queue {
                request.failure = refusal
                request.isDone = true
            }
            queue = []
        }
        hasWriter = false
        free.broadcast()
        lock.unlock()
    }

    /// Writer: gives out numbers and writes. The frames are not visible yet.
    private func write(_ requests: [AppendRequest]) throws(LogError) -> CommitGroup {
        try rollIfFull()
        guard let file else { throw .closed(stream: settings.stream) }
        let (firstSequence, durable, known) = lock.locked { (end, durableOffset, producers) }
        var sequence = firstSequence
        var offset = writtenOffset
        var entries: [FrameEntry] = []
        var buffers: [Buffer] = []
        var parts: [UnsafeRawBufferPointer] = []
        var newest: [(UInt64, UInt64)] = []
        var arrival = lastArrival
        for request in requests {
            if request.producer != 0 {
                let last = newest.last { $0.0 == request.producer }?.1 ?? known[request.producer]
                if let last, request.epoch <= last, !PlantedBug.isOn(.epochTakenTwice) {
                    lock.locked {
                        request.isRepetition = true
                        repeatedRowCount += request.rowCount
                    }
                    continue
                }
                newest.append((request.producer, request.epoch))
            }
            arrival = max(arrival, request.arrivalMicroseconds)
            let start = sequence
            for (index, frame) in request.frames.enumerated() {
                let continues = index + 1 < request.frames.count
                frame.seal(firstSequence: sequence, arrivalMin: arrival, arrivalMax: arrival, durableOffset: durable, continues: continues)
                let info = FrameInfo(
                    firstSequence: sequence, rowCount: frame.rowCount, arrivalMin: arrival, arrivalMax: arrival, eventMin: frame.eventMin,
                    eventMax: frame.eventMax, producer: request.producer, epoch: request.epoch)
                entries.append(
                    FrameEntry(
                        info: info, offset: offset, byteCount: frame.buffer.byteCount,
                        flags: continues ? frame.flags.union(.continues) : frame.flags))
                buffers.append(frame.buffer)
                parts.append(frame.bytes)
                sequence += UInt64(frame.rowCount)
                offset += frame.buffer.byteCount
            }
            lock.locked { request.sequences = start..<sequence }
        }
        lastArrival = arrival
        if !parts.isEmpty { try onDisk { () throws(FileError) in try file.write(gathering: parts, at: writtenOffset) } }
        writtenOffset = offset
        return CommitGroup(
            requests: requests, entries: entries, buffers: buffers, producers: newest, endOffset: offset, endSequence: sequence)
    }

    /// Writer: syncs when the policy says so, makes the group visible and gives the writer's place back.
    func finish(_ group: CommitGroup) {
        let syncs = settings.sync == .always && !group.entries.isEmpty
        if syncs && !PlantedBug.isOn(.acknowledgedBeforeSync) {
            do throws(LogError) {
                try onDisk { () throws(FileError) in try file?.synchronize() }
            } catch {
                fail(group.requests, error)
                return
            }
        }
        lock.lock()
        segments.last?.publish(group.entries, buffers: group.buffers)
        end = group.endSequence
        if syncs { durableOffset = group.endOffset } else if unsyncedSince == nil, !group.entries.isEmpty { unsyncedSince = lastArrival }
        for (producer, epoch) in group.producers { producers[producer] = epoch }
        for request in group.requests { request.isDone = true }
        hasWriter = false
        free.broadcast()
        lock.unlock()
        if !group.entries.isEmpty { signal.notify() }
    }

    // MARK: The writer's place

    /// Runs `body` as the writer, after whoever is writing now.
    func asWriter<Result>(_ body: () throws(LogError) -> Result) throws(LogError) -> Result {
        lock.lock()
        while hasWriter { free.wait(lock) }
        hasWriter = true
        lock.unlock()
        defer {
            lock.lock()
            hasWriter = false
            free.broadcast()
            lock.unlock()
        }
        return try body()
    }

    private func rollIfFull() throws(LogError) {
        guard let active = lock.locked({ segments.last }), let last = active.lastFrame else { return }
        if writtenOffset >= settings.segmentByteCount || active.frameCount >= settings.segmentFrameCount {
            try roll(nowMicroseconds: last.arrivalMax)
        }
    }

    /// Writer: ends the active segment, which must be wholly visible, and begins the next one.
    func roll(nowMicroseconds: Int64) throws(LogError) {
        let (active, durable) = lock.locked { (segments.last, durableOffset) }
        if durable < writtenOffset {
            try onDisk { () throws(FileError) in try file?.synchronize() }
            lock.locked { durableOffset = writtenOffset }
        }
        try active?.close()
        try beginSegment(at: lock.locked { end }, nowMicroseconds: nowMicroseconds)
    }

    /// Writer: makes a new active segment that begins with row `sequence`.
    func beginSegment(at sequence: UInt64, nowMicroseconds: Int64) throws(LogError) {
        let header = SegmentHeader(
            identity: settings.shape.identity, firstSequence: sequence, createdMicroseconds: nowMicroseconds,
            schemaVersion: settings.shape.schemaVersion, shard: settings.index, producers: lock.locked { producers })
        lock.locked { isBetweenSegments = true }
        let (created, byteCount) = try SegmentHeader.createFile(header, in: settings.directory, system)
        let segment = Segment(
            path: settings.directory + "/" + SegmentHeader.fileName(sequence), firstSequence: sequence, shape: settings.shape, file: created,
            byteCount: byteCount)
        file = created
        writtenOffset = byteCount
        lock.locked {
            // An empty active segment that begins with the same row is replaced.
            if let last = segments.last, last.firstSequence == sequence { segments.removeLast() }
            segments.append(segment)
            durableOffset = byteCount
            unsyncedSince = nil
            isBetweenSegments = false
        }
    }

    // MARK: Reading

    /// What a reader sees now.
    func snapshot() -> (segments: [Segment], end: UInt64) { lock.locked { (segments, end) } }

    func record(_ error: LogError) {
        guard case .damaged(let damage) = error else { return }
        lock.locked { if !damages.contains(damage), !givenUp.covers(damage.sequences) { damages.append(damage) } }
    }

    /// Frames that hold any of `sequences`, without their columns.
    package func frames(in sequences: Range<UInt64>) -> [FrameInfo] {
        let (segments, end) = snapshot()
        let wanted = sequences.clamped(to: 0..<end)
        guard !wanted.isEmpty else { return [] }
        var infos: [FrameInfo] = []
        for segment in segments.suffix(from: Shard.segmentIndex(of: wanted.lowerBound, in: segments)) {
            if segment.firstSequence >= wanted.upperBound { break }
            segment.appendInfos(wanted, to: &infos)
        }
        return infos
    }

    static func segmentIndex(of sequence: UInt64, in segments: [Segment]) -> Int {
        var low = 0
        var high = segments.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if segments[middle].firstSequence <= sequence { low = middle } else { high = middle - 1 }
        }
        return max(low, 0)
    }

    /// The first arrival in the frame that holds a row; nil when there is no such row.
    package func arrivalMicroseconds(of sequence: UInt64) -> Int64? {
        let (segments, end) = snapshot()
        guard let oldest = segments.first?.firstSequence, (oldest..<max(oldest, end)).contains(sequence) else { return nil }
        let segment = segments[Shard.segmentIndex(of: sequence, in: segments)]
        return segment.info(segment.frameIndex(of: sequence))?.arrivalMin
    }

    /// When the last row of the frame of a row arrived: when it could be read as a whole.
    package func lastArrivalMicroseconds(of sequence: UInt64) -> Int64? {
        let (segments, end) = snapshot()
        guard let oldest = segments.first?.firstSequence, (oldest..<max(oldest, end)).contains(sequence) else { return nil }
        let segment = segments[Shard.segmentIndex(of: sequence, in: segments)]
        return segment.info(segment.frameIndex(of: sequence))?.arrivalMax
    }

    /// The first row of the first frame whose last row arrived at or after a time; the end when there is none.
    package func sequence(arrivingAt microseconds: Int64) -> UInt64 {
        let (segments, end) = snapshot()
        for segment in segments {
            guard let last = segment.lastFrame, last.arrivalMax >= microseconds else { continue }
            if let info = segment.info(segment.frameIndex(arrivingAt: microseconds)) { return min(info.firstSequence, end) }
        }
        return end
    }
}
