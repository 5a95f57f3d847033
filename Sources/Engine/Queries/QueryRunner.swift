// QueryRunner: one query's epochs, as a sequence of steps that somebody else drives.
//
// A step:
// 1. asks every shard of every source how far it can be read, and takes up to the epoch's limit of rows from where the last epoch ended;
// 2. appends the EpochRecord (ranges, one reading of the clock, who is caught up, who has ended) to the epoch log;
// 3. runs the graph over exactly that;
// 4. when there is output, syncs the epoch log, and only then hands the output over, marked with (query, epoch);
// 5. now and then captures a checkpoint: what has changed of the state, as bytes in memory; a thread beside the query writes and publishes it
//    while epochs go on. The next one is captured when it has been published. One that could not be written is tried again at the next
//    interval; the query goes on.
// Shards may be split or merged meanwhile: their number only grows, and a shard is read from the epoch on that follows the end of those it follows.
// An epoch without output needs no sync of its own: if its record is lost in a crash, nobody has seen anything of it, and its rows are
// simply read again, in whatever epochs then come.
//
// Recovery: restore the newest whole checkpoint, take the output back to where it stood then (files) or rely on the epochs in its
// frames (streams), run the logged epochs again exactly, and go on. The runner has no thread, no clock and no file of its own: a test
// can drive any number of them on simulated ones.

import Columns
import Dataflow
import Planning
import Platform
import ShardLog

package enum StepOutcome: Sendable {
    /// An epoch was run; there may be more to do at once.
    case progressed
    /// Nothing to do before something arrives, or before this time (wall clock, microseconds).
    case idle(until: Int64?)
    /// All inputs have ended, or a LIMIT is satisfied.
    case finished
}

package struct RunnerSettings: Sendable {
    package var epochRowsMax = 1 << 19
    package var morselRows = 1 << 16
    package var batchRows = 8_192
    package var checkpointIntervalMicroseconds: Int64 = 10_000_000
    package var partitionCount = 4
    /// Whether checkpoints that fall due are written by a thread beside the query. Without it a run is a function of its inputs.
    package var writesBeside = false
    /// For measuring; nothing depends on it.
    package var nanoseconds: (@Sendable () -> UInt64)?
    /// The clock that arrival times come from; for measuring too.
    package var wallMicroseconds: (@Sendable () -> Int64)?
    /// Told what went wrong without ending the query.
    package var onNotice: (@Sendable (String) -> Void)?

    package init() {}
}

package final class QueryRunner {
    package let graph: DataflowGraph
    let sources: [any ReplayableSource]
    private let logs: [LogSource?]
    private let output: any QueryOutput
    private let errors: any ErrorOutput
    private let journal: QueryJournal?
    private let pool: WorkerPool
    private let settings: RunnerSettings
    private let publisher: CheckpointPublisher?
    private(set) lazy var topology = graph.makeTopology()
    var wallMicroseconds: Int64? { settings.wallMicroseconds?() }

    package private(set) var epoch: UInt64 = 0
    package private(set) var clockMicroseconds: Int64 = .min
    package private(set) var checkpointEpoch: UInt64 = 0
    package private(set) var watermark: Int64 = .min
    package private(set) var rowsIn: Int64 = 0
    package private(set) var rowsOut: Int64 = 0
    package private(set) var lateRows: Int64 = 0
    package private(set) var failedRows: Int64 = 0
    package private(set) var rejectedRows: Int64 = 0
    package private(set) var behind: Int64 = 0
    /// The part of it that is not in the log.
    private var behindElsewhere: Int64 = 0
    /// Rows that retention removed before the query had read them.
    package private(set) var expiredRows: Int64 = 0
    package private(set) var checkpointFigures = CheckpointFigures()
    package private(set) var runFigures = RunFigures()
    private(set) var positions: [[Int64]]
    private var ended: [[Bool]]
    /// When the last checkpoint was captured, or tried again.
    private var lastCheckpointClock: Int64 = .min
    private var capturedEpoch: UInt64 = 0
    /// Pieces of older checkpoints were found damaged.
    private var capturesAll = false
    private var hasRunEpoch = false
    private var hasResumedSources = false

    /// `sources` are in the order of the graph's scans.
    package init(
        graph: DataflowGraph, sources: [any ReplayableSource], startPositions: [[Int64]], output: any QueryOutput,
        errors: any ErrorOutput, journal: QueryJournal?, pool: WorkerPool, settings: RunnerSettings
    ) {
        self.graph = graph
        self.sources = sources
        logs = sources.map(LogSource.beneath)
        self.output = output
        self.errors = errors
        self.journal = journal
        self.pool = pool
        self.settings = settings
        publisher = journal.map { CheckpointPublisher($0.checkpoints, nanoseconds: settings.nanoseconds) }
        positions = startPositions
        ended = startPositions.map { $0.map { _ in false } }
    }

    // MARK: Recovery

    /// Brings the query to where it stood when it last ran. Returns notices for people.
    package func recover() throws -> [String] {
        guard let journal else {
            try output.restore(to: nil)
            return []
        }
        let (loaded, notices) = try journal.checkpoints.load(pool: pool)
        let checkpoint = loaded?.checkpoint
        // A record can be durable while rows that it names were not (an input that is synced at intervals): nothing of it was seen, and it goes.
        let records = try journal.epochs.recover(after: checkpoint?.epoch ?? 0, visible: output.lastEpoch) { record in
            zip(record.scans, sources).allSatisfy { shards, source in
                shards.indices.allSatisfy { $0 >= source.shardCount || source.reaches(shard: $0, position: shards[$0].to) }
            }
        }
        if let loaded {
            let found = loaded.checkpoint
            // Shards that have come since the checkpoint are missing in it.
            guard fits(found.positions.map(\.count)), zip(found.positions, found.ended).allSatisfy({ $0.count == $1.count }) else {
                throw EngineError("the checkpoint of epoch \(found.epoch) is of another query: its inputs differ")
            }
            positions = found.positions
            ended = found.ended
            epoch = found.epoch
            checkpointEpoch = found.epoch
            capturedEpoch = found.epoch
            clockMicroseconds = found.clockMicroseconds
            lastCheckpointClock = found.clockMicroseconds
            rowsIn = found.rowsIn
            rowsOut = found.rowsOut
            lateRows = found.lateRows
            failedRows = found.failedRows
            rejectedRows = found.rejectedRows
            expiredRows = found.expiredRows
            hasRunEpoch = true
            try graph.restore(from: loaded.state, pool: pool)
            watermark = graph.status.watermark
        }
        if checkpoint == nil, let first = records.first, fits(first.scans.map(\.count)) {
            // Where the query began then, not where it would begin now.
            positions = first.scans.map { $0.map(\.from) }
            ended = first.scans.map { $0.map { _ in false } }
        }
        try validateReach(records, journal)
        try output.restore(to: checkpoint?.sinkPosition ?? 0)
        if let swap = journal.swap, swap.epoch == checkpoint?.epoch {
            _ = try output.emit(swap.batches, epoch: swap.epoch, clockMicroseconds: clockMicroseconds)
        }
        for record in records where record.epoch > epoch {
            guard record.epoch == epoch &+ 1 else {
                throw EngineError("the epoch log goes from epoch \(epoch) to \(record.epoch): epochs between them are missing")
            }
            guard fits(record.scans.map(\.count)), zip(record.scans, positions).allSatisfy({ $0.count >= $1.count }) else {
                throw EngineError("epoch \(record.epoch) of the epoch log is of another query: its inputs differ")
            }
            // No row is read twice, whatever the log says.
            guard zip(record.scans, positions).allSatisfy({ zip($0, $1).allSatisfy { $0.from >= $1 } }) else {
                throw EngineError("epoch \(record.epoch) of the epoch log reads again what epoch \(epoch) has read")
            }
            try run(record, isReplay: true)
        }
        return notices + journal.epochs.notices
    }

    /// Throws when rows are missing that the query has read: before anything is read again. When other rows may be in their place, it throws from now on.
    private func validateReach(_ records: [EpochRecord], _ journal: QueryJournal) throws {
        if let lost = try journal.lostInput() { throw EngineError(lost) }
        var failure: ConnectorError?
        for (scan, source) in sources.enumerated() {
            var reached = positions[scan]
            for record in records where record.epoch > epoch && scan < record.scans.count {
                for (shard, range) in record.scans[scan].enumerated() {
                    if shard < reached.count { reached[shard] = max(reached[shard], range.to) } else { reached.append(range.to) }
                }
            }
            for (shard, position) in reached.enumerated() where shard < source.shardCount {
                do throws(ConnectorError) { try source.validate(shard: shard, position: position) } catch {
                    failure = failure ?? error
                    if try !source.keepsApart(shard: shard, position: position) {
                        try journal.noteLostInput("\(error), and others have been given their numbers; DROP QUERY and CREATE QUERY begin anew")
                    }
                }
            }
        }
        if let failure { throw failure }
    }

    /// Whether there are that many shards in each source, at least.
    private func fits(_ counts: [Int]) -> Bool { counts.count == sources.count && zip(counts, sources).allSatisfy { $0 <= $1.shardCount } }

    // MARK: Stepping

    package func step(nowMicroseconds: Int64) throws -> StepOutcome {
        if hasRunEpoch && graph.isFinished { return .finished }
        if !hasResumedSources {
            for (scan, source) in sources.enumerated() {
                makeRoom(scan, source.shardCount)
                for shard in 0..<source.shardCount {
                    source.resume(shard: shard, at: positions[scan][shard], nowMicroseconds: nowMicroseconds)
                }
            }
            hasResumedSources = true
        }
        let clock = max(clockMicroseconds, nowMicroseconds)
        guard let record = try nextRecord(clock: clock) else {
            try checkpointWhenDue(clock)
            return .idle(until: graph.nextIdleDeadline())
        }
        if let journal { try journal.epochs.append(record) }
        try run(record, isReplay: false)
        try checkpointWhenDue(clock)
        return graph.isFinished ? .finished : .progressed
    }

    /// A shard that has come is read from its first row on.
    private func makeRoom(_ scan: Int, _ shardCount: Int) {
        while positions[scan].count < shardCount { positions[scan].append(0) }
        while ended[scan].count < shardCount { ended[scan].append(false) }
    }

    /// The next epoch, or nil when there is nothing to run one for.
    private func nextRecord(clock: Int64) throws -> EpochRecord? {
        var scans: [[EpochRecord.ShardRange]] = []
        var isNeeded = !hasRunEpoch
        var remaining: Int64 = 0
        var remainingElsewhere: Int64 = 0
        for (scan, source) in sources.enumerated() {
            source.refreshShards()
            makeRoom(scan, source.shardCount)
        }
        let shardCount = max(1, positions.reduce(0) { $0 + $1.count })
        let rowsPerShard = max(1, settings.epochRowsMax / shardCount)
        for (scan, source) in sources.enumerated() {
            var ranges: [EpochRecord.ShardRange] = []
            for shard in 0..<source.shardCount {
                var from = positions[scan][shard]
                // Retention may have overtaken a query that stood still for long, or a person has given damaged rows up: it goes on with what there
                // is, and the loss is counted. The epoch that follows remembers that it was.
                let readable = source.readable(shard: shard, from: from)
                if from < readable {
                    expiredRows &+= readable - from
                    from = readable
                    isNeeded = true
                }
                let available = try source.available(shard: shard, nowMicroseconds: clock)
                var to = from
                let waits = source.parents(of: shard).contains { $0 < shard && !ended[scan][$0] }
                if available > from, !waits {
                    to = try source.boundary(shard: shard, from: from, limit: available, rows: rowsPerShard)
                    isNeeded = true
                }
                remaining &+= max(0, available - to)
                if logs[scan] == nil { remainingElsewhere &+= max(0, available - to) }
                let end = try source.end(shard: shard)
                let hasEnded = !waits && end.map { to >= $0 } ?? false
                if hasEnded && !ended[scan][shard] { isNeeded = true }
                ranges.append(.init(from: from, to: to, isCaughtUp: to >= available, hasEnded: hasEnded))
            }
            scans.append(ranges)
        }
        behind = remaining
        behindElsewhere = remainingElsewhere
        if !isNeeded, let deadline = graph.nextIdleDeadline(), deadline <= clock { isNeeded = true }
        guard isNeeded else { return nil }
        return EpochRecord(epoch: epoch &+ 1, clockMicroseconds: clock, scans: scans)
    }

    private func run(_ record: EpochRecord, isReplay: Bool) throws {
        let started = settings.nanoseconds?() ?? 0
        let rejections = RejectionSlots()
        var inputs: [ScanInput] = []
        for (scan, ranges) in record.scans.enumerated() {
            var morsels: [Morsel] = []
            var shards: [ShardProgress] = []
            makeRoom(scan, ranges.count)
            for (shard, range) in ranges.enumerated() {
                shards.append(
                    ShardProgress(
                        hasRows: range.to > range.from, isCaughtUp: range.isCaughtUp, hasEnded: range.hasEnded,
                        parents: sources[scan].parents(of: shard)))
                var range = range
                if isReplay, range.to > range.from, PlantedBug.isOn(.replayOffByOne) { range.from &+= 1 }
                try appendMorsels(scan: scan, shard: shard, range: range, rejections: rejections, to: &morsels)
            }
            inputs.append(ScanInput(morsels: morsels, shards: shards))
        }
        let clock = isReplay && PlantedBug.isOn(.replayReadsClock) ? record.clockMicroseconds &+ 1_000_000 : record.clockMicroseconds
        let result = try graph.run(EpochInput(epoch: record.epoch, clockMicroseconds: clock, scans: inputs), pool: pool)

        epoch = record.epoch
        clockMicroseconds = record.clockMicroseconds
        hasRunEpoch = true
        watermark = result.watermark
        for (scan, ranges) in record.scans.enumerated() {
            for (shard, range) in ranges.enumerated() {
                if isReplay { expiredRows &+= sources[scan].givenUpRows(shard: shard, from: range.from, to: range.to) }
                positions[scan][shard] = range.to
                ended[scan][shard] = range.hasEnded
            }
        }
        let emitted = result.batches.reduce(0) { $0 + $1.count }
        let computed = settings.nanoseconds?() ?? 0
        let rejected = rejections.ordered()
        rowsIn &+= Int64(result.rowsIn)
        rowsOut &+= Int64(emitted)
        lateRows &+= Int64(result.lateRowCount)
        failedRows &+= Int64(result.failedRowCount)
        rejectedRows &+= Int64(rejected.count)

        if emitted > 0 || !rejected.isEmpty || !result.failures.isEmpty || !result.lateRows.isEmpty {
            // Nothing of an epoch may be seen before its record is durable, and what it has read. Of a replay recovery has written the record again; the
            // rows need not be durable when the query alone begins again, in the same process.
            if let journal, output.isDurable {
                for source in sources { try source.makeDurable() }
                if !isReplay, !PlantedBug.isOn(.outputBeforeEpochLog) { try journal.epochs.synchronize() }
            }
            let refused = try output.emit(result.batches, epoch: epoch, clockMicroseconds: clockMicroseconds)
            failedRows &+= Int64(refused.count)
            rowsOut &-= Int64(refused.count)
            try errors.emit(
                rejected: rejected, failures: result.failures + refused, late: result.lateRows, epoch: epoch,
                clockMicroseconds: clockMicroseconds)
        }
        if let nanoseconds = settings.nanoseconds, !isReplay {
            runFigures.note(
                startedNanoseconds: started, computedNanoseconds: computed, endedNanoseconds: nanoseconds(),
                latencyMicroseconds: emitted > 0 ? latencyMicroseconds(record) : nil)
        }
        for (scan, ranges) in record.scans.enumerated() {
            for (shard, range) in ranges.enumerated() where range.to > range.from {
                sources[scan].consumed(shard: shard, upTo: range.to)
            }
        }
    }

    /// From the arrival of the epoch's oldest row to now, when its results are there.
    private func latencyMicroseconds(_ record: EpochRecord) -> Int64? {
        guard let now = settings.wallMicroseconds?() else { return nil }
        var oldest: Int64?
        for (scan, ranges) in record.scans.enumerated() {
            for (shard, range) in ranges.enumerated() where range.to > range.from {
                guard let arrival = sources[scan].arrivalMicroseconds(shard: shard, position: range.from) else { continue }
                oldest = min(oldest ?? arrival, arrival)
            }
        }
        return oldest.map { max(0, now &- $0) }
    }

    /// Cuts a range into morsels: a function of the range alone, so that a replay cuts it the same way.
    private func appendMorsels(
        scan: Int, shard: Int, range: EpochRecord.ShardRange, rejections: RejectionSlots, to morsels: inout [Morsel]
    ) throws {
        let source = sources[scan]
        let paths = graph.scans[scan].columns
        let batchRows = settings.batchRows
        var from = range.from
        while from < range.to {
            let to = try source.boundary(shard: shard, from: from, limit: range.to, rows: settings.morselRows)
            guard to > from else { break }
            let slot = rejections.reserve()
            let start = from
            morsels.append(
                Morsel(shard: shard, rowCountEstimate: settings.morselRows) { push in
                    let chunk = try source.read(shard: shard, from: start, to: to, paths: paths, batchRows: batchRows)
                    rejections.set(slot, chunk.rejected)
                    for batch in chunk.batches { try push(batch) }
                })
            from = to
        }
    }

    /// What keeps the watermark from moving on, for people: the shards that are furthest back, when there are several or none has brought a row. nil
    /// when nothing waits for event time.
    package func holdup() -> String? {
        let scans = graph.status.scans
        guard watermark != .max, let scan = scans.min(by: { $0.watermark < $1.watermark }) else { return nil }
        let waiting = scan.shards.indices.filter { !scan.shards[$0].isIdle && !scan.shards[$0].hasEnded && scan.shards[$0].watermark == scan.watermark }
        guard !waiting.isEmpty, scan.watermark == .min || scan.shards.count > 1 || scans.count > 1 else { return nil }
        let names = waiting.prefix(4).map(String.init).joined(separator: ", ") + (waiting.count > 4 ? ", ..." : "")
        let shards = "\(scan.relation), shard \(names)"
        return scan.watermark == .min ? "\(shards): no row yet" : shards
    }

    package var stateByteCount: Int { graph.status.stateBytes }

    /// For whoever asks while epochs go on.
    func lag() -> QueryLag {
        var lag = QueryLag(otherRows: behindElsewhere, wallMicroseconds: settings.wallMicroseconds)
        for (scan, log) in logs.enumerated() {
            if let log { lag.sources.append(.init(scan: scan, log: log, positions: positions[scan])) }
        }
        return lag
    }

    // MARK: Checkpoints

    /// Publishes the state at the end of the last epoch, and returns when that is done. Nothing when there is no journal or nothing happened since
    /// the last one.
    package func checkpoint() throws {
        guard let journal, let publisher, hasRunEpoch else { return }
        if let outcome = publisher.join() { try note(outcome, journal) }
        // One that could not be written before comes first: this one builds on it.
        if let outcome = publisher.write() { try note(outcome, journal, throwing: true) }
        guard epoch > capturedEpoch || capturesAll else { return }
        try capture(journal, publisher)
        lastCheckpointClock = clockMicroseconds
        if let outcome = publisher.write() { try note(outcome, journal, throwing: true) }
    }

    /// Captures a checkpoint, or tries again to write the last one, when the interval is over.
    private func checkpointWhenDue(_ clock: Int64) throws {
        guard let journal, let publisher else { return }
        if let outcome = publisher.poll() { try note(outcome, journal) }
        if lastCheckpointClock == .min { lastCheckpointClock = clock }
        guard clock &- lastCheckpointClock >= settings.checkpointIntervalMicroseconds, !publisher.isWriting else { return }
        lastCheckpointClock = clock
        if !publisher.isOccupied { try capture(journal, publisher) }
        if let outcome = settings.writesBeside ? publisher.writeBeside() : publisher.write() { try note(outcome, journal) }
    }

    private func capture(_ journal: QueryJournal, _ publisher: CheckpointPublisher) throws {
        guard hasRunEpoch, epoch > capturedEpoch || capturesAll else { return }
        for source in sources { try source.makeDurable() }
        // The log must reach up to the checkpoint: the records after it would otherwise follow a gap, and be taken for a torn end.
        try journal.epochs.rotate(nextEpoch: epoch &+ 1)
        try output.synchronize()
        try errors.synchronize()
        let checkpoint = Checkpoint(
            epoch: epoch, clockMicroseconds: clockMicroseconds, positions: positions, ended: ended,
            sinkPosition: try output.position(), rowsIn: rowsIn, rowsOut: rowsOut, lateRows: lateRows, failedRows: failedRows,
            rejectedRows: rejectedRows, expiredRows: expiredRows)
        let start = settings.nanoseconds?() ?? 0
        publisher.take(checkpoint, graph.capture(all: capturesAll, pool: pool))
        checkpointFigures.captureMicroseconds = Int64(((settings.nanoseconds?() ?? 0) &- start) / 1_000)
        checkpointFigures.captureMicrosecondsTotal += checkpointFigures.captureMicroseconds
        capturedEpoch = epoch
        capturesAll = false
    }

    private func note(_ outcome: CheckpointPublisher.Outcome, _ journal: QueryJournal, throwing: Bool = false) throws {
        switch outcome {
        case .published(let checkpoint, let published, let microseconds):
            checkpointEpoch = checkpoint.epoch
            checkpointFigures.count += 1
            checkpointFigures.clockMicroseconds = checkpoint.clockMicroseconds
            checkpointFigures.byteCount = published.byteCount
            checkpointFigures.byteCountTotal += published.byteCount
            checkpointFigures.stateByteCount = published.stateByteCount
            checkpointFigures.writeMicroseconds = microseconds
            checkpointFigures.writeMicrosecondsTotal += microseconds
            if let notice = published.notice { settings.onNotice?("old checkpoints could not be removed: \(notice)") }
            try journal.epochs.remove(through: published.previousEpoch)
            try journal.forgetSwap(before: published.previousEpoch)
        case .failed(let error, let isGivenUp):
            checkpointFigures.failureCount += 1
            if isGivenUp { capturesAll = true }
            if throwing { throw error }
            settings.onNotice?(
                isGivenUp
                    ? "a piece of an older checkpoint is damaged (\(error)); the next checkpoint writes everything"
                    : "the checkpoint of epoch \(capturedEpoch) could not be written: \(error); it is tried again")
        }
    }

    package func close() throws {
        if let journal, let outcome = publisher?.join() { try note(outcome, journal) }
        try output.close()
        try errors.synchronize()
    }
}

/// What checkpoints cost.
package struct CheckpointFigures: Hashable, Sendable {
    /// Published and failed since the query was started.
    package var count = 0
    package var failureCount = 0
    /// The epoch's clock of the last one published.
    package var clockMicroseconds: Int64 = .min
    /// Written for the last one, and what of the state lies on disk.
    package var byteCount = 0
    package var byteCountTotal = 0
    package var stateByteCount = 0
    /// How long the query stood still for the last one, and how long writing took beside it.
    package var captureMicroseconds: Int64 = 0
    package var captureMicrosecondsTotal: Int64 = 0
    package var writeMicroseconds: Int64 = 0
    package var writeMicrosecondsTotal: Int64 = 0
}

/// A query's folder: its epoch log and its checkpoints.
package final class QueryJournal {
    package let epochs: EpochLog
    package let checkpoints: CheckpointStore
    /// What the query wrote in the epoch in which its definition was exchanged; nil when that is long ago.
    var swap: SwapOutput?
    private let directory: String
    private let fileSystem: any FileSystem

    package init(directory: String, fileSystem: any FileSystem) throws(FileError) {
        self.directory = directory
        self.fileSystem = fileSystem
        try fileSystem.createDirectory(directory)
        // The folder's own name must last before anything in it counts: the data directory holds `queries`, which holds this folder.
        var folder = directory
        for _ in 0..<2 {
            guard let parent = PathText.parent(of: folder) else { break }
            try fileSystem.synchronizeDirectory(parent)
            folder = parent
        }
        epochs = EpochLog(directory: directory, fileSystem: fileSystem)
        checkpoints = CheckpointStore(directory: directory, fileSystem: fileSystem)
    }

    private static let lostInputFile = "lost-input"

    /// Why the query cannot go on, whatever comes; nil when it can.
    func lostInput() throws(FileError) -> String? {
        let path = directory + "/" + QueryJournal.lostInputFile
        guard fileSystem.exists(path) else { return nil }
        return String(decoding: try SmallFile.read(path, fileSystem, byteCountMax: 4_096), as: UTF8.self)
    }

    func noteLostInput(_ reason: String) throws(FileError) {
        try SmallFile.replace(directory + "/" + QueryJournal.lostInputFile, with: Array(reason.utf8), in: directory, fileSystem)
    }

    /// No checkpoint up to this epoch will be begun from any more.
    func forgetSwap(before epoch: UInt64) throws(FileError) {
        guard let swap, swap.epoch < epoch else { return }
        try SwapOutput.remove(from: directory, fileSystem)
        self.swap = nil
    }
}

/// What could not be decoded, by morsel: morsels run on any thread and more than once, and the order must not show it.
private final class RejectionSlots: @unchecked Sendable {
    // Safe to share: the lock guards the slots.
    private let lock = Lock()
    private var slots: [[RejectedRow]] = []

    func reserve() -> Int {
        lock.locked {
            slots.append([])
            return slots.count - 1
        }
    }

    func set(_ slot: Int, _ rows: [RejectedRow]) { lock.locked { slots[slot] = rows } }
    func ordered() -> [RejectedRow] { lock.locked { slots.flatMap { $0 } } }
}
