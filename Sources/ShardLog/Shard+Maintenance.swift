// What a shard needs done from time to time: interval syncs, retention, sealing, noting how far it is durable, trying again after a failure. Nothing
// here holds up appends or reads for longer than one sync or one swap of a list; the caller's thread does the work.
//
// Retention goes by a reckoned time that nobody sets (LogClock): a segment is dated when maintenance first sees its newest row, one that was there
// when the shard was opened by its arrival time or the moment of opening, whichever gives the longer life. So a wall clock that jumps removes
// nothing early, in whichever direction and whenever it jumps.

import Columns
import Platform

/// What one round of maintenance did.
package struct MaintenanceResult: Sendable, Hashable {
    package var expiredRowCount = 0
    package var removedSegmentCount = 0
    package var mergedSegmentCount = 0
    /// More segments wait to be merged: call again soon.
    package var hasMore = false

    package init() {}

    mutating func add(_ other: MaintenanceResult) {
        expiredRowCount += other.expiredRowCount
        removedSegmentCount += other.removedSegmentCount
        mergedSegmentCount += other.mergedSegmentCount
        hasMore = hasMore || other.hasMore
    }
}

/// What maintenance remembers of a shard from one round to the next.
struct ShardCare {
    /// The witness that is on the disk.
    var knownEnd: ShardEnd?
    /// The end as of the last round, and for how many rounds it has stood there.
    var seenEnd: UInt64 = 0
    var quietRounds = 0
    /// Rounds until a fenced shard is tried again, and how many it will be the next time.
    var roundsToReopen = ShardCare.reopenRoundsMin
    var reopenRounds = ShardCare.reopenRoundsMin
    /// When rows that wait for an interval sync were first seen, reckoned.
    var unsyncedSeen: Int64?
    var hasDated = false
    /// Rounds for which no segment is merged, because there was no room for it.
    var roundsToMerge = 0

    /// With the engine's 20 ms a round: a second of quiet; a tenth of a second to five seconds between trials.
    static let quietRoundsMin = 50
    static let reopenRoundsMin = 5
    static let reopenRoundsMax = 250
    static let mergeRoundsAfterShortage = 500
}

extension Shard {
    /// Interval sync, retention, and the merging of at most one segment. `reckonedMicroseconds` is a reading of the log's reckoned clock; without it
    /// ages are taken from arrival times and `nowMicroseconds`. `byteCountMax`: what may be retained now, in the place of what the settings say.
    package func maintain(
        nowMicroseconds: Int64, reckonedMicroseconds: Int64? = nil, byteCountMax: Int? = nil
    ) throws(LogError) -> MaintenanceResult {
        var result = MaintenanceResult()
        guard !isReadOnly else { return result }
        if isFenced {
            maintenance.locked { tryAgain(nowMicroseconds: nowMicroseconds) }
            if isFenced {
                // What has expired goes all the same: it may be the room that is missing.
                try maintenance.locked { () throws(LogError) -> Void in
                    try applyRetention(nowMicroseconds: nowMicroseconds, reckonedMicroseconds: reckonedMicroseconds, byteCountMax, mayRoll: false, &result)
                }
                return result
            }
        }
        try maintenance.locked { () throws(LogError) -> Void in
            try syncIfDue(nowMicroseconds: nowMicroseconds, reckonedMicroseconds: reckonedMicroseconds)
            noteEndWhenQuiet()
            try applyRetention(nowMicroseconds: nowMicroseconds, reckonedMicroseconds: reckonedMicroseconds, byteCountMax, mayRoll: true, &result)
            if care.roundsToMerge > 0 {
                care.roundsToMerge -= 1
            } else {
                do throws(LogError) { if try mergeOne() { result.mergedSegmentCount += 1 } } catch {
                    guard error.isShortage else { throw error }
                    // Merging is a kindness that needs room: not now.
                    care.roundsToMerge = ShardCare.mergeRoundsAfterShortage
                }
            }
        }
        result.hasMore = care.roundsToMerge == 0 && wantsMerging
        return result
    }

    private var wantsMerging: Bool { lock.locked { segments.dropLast() }.contains { $0.wantsMerging() } }

    /// Lifts the fence of a shard whose disk failed, when the disk lets it; then waits longer each time. Damage needs a person.
    private func tryAgain(nowMicroseconds: Int64) {
        guard lock.locked({ fence?.fileError != nil && !isClosed }) else { return }
        care.roundsToReopen -= 1
        guard care.roundsToReopen <= 0 else { return }
        do throws(LogError) {
            try reopen(nowMicroseconds: nowMicroseconds)
            care.reopenRounds = ShardCare.reopenRoundsMin
        } catch {
            // The shard stays fenced and says why to whoever appends.
            care.reopenRounds = min(care.reopenRounds * 2, ShardCare.reopenRoundsMax)
        }
        care.roundsToReopen = care.reopenRounds
    }

    // MARK: Witness

    private func noteEndWhenQuiet() {
        let end = endSequence
        guard end == care.seenEnd else {
            care.seenEnd = end
            care.quietRounds = 0
            return
        }
        care.quietRounds = min(care.quietRounds + 1, ShardCare.quietRoundsMin + 1)
        if care.quietRounds == ShardCare.quietRoundsMin { noteEnd(slotCount: 1) }
    }

    /// Writes down how far the shard is durable, when that is all of it. Whoever calls is the only one.
    func noteEnd(slotCount: Int) {
        guard !isReadOnly, settings.sync != .none else { return }
        let found: ShardEnd? = lock.locked {
            guard fence == nil, !isBetweenSegments, let active = segments.last, !active.isDamaged, durableOffset >= active.byteCount else { return nil }
            return ShardEnd(segment: active.firstSequence, offset: active.byteCount, sequence: end)
        }
        guard var next = found else { return }
        if let known = care.knownEnd, known.segment == next.segment, known.offset == next.offset, known.sequence == next.sequence { return }
        for _ in 0..<slotCount {
            next.generation = (care.knownEnd?.generation ?? 0) &+ 1
            do throws(FileError) { try next.write(in: settings.directory, identity: settings.shape.identity, system) } catch {
                // The other slot still says something true.
                return
            }
            care.knownEnd = next
        }
    }

    // MARK: Sync

    private func syncIfDue(nowMicroseconds: Int64, reckonedMicroseconds: Int64?) throws(LogError) {
        guard case .interval(let milliseconds) = settings.sync, let since = lock.locked({ unsyncedSince }) else {
            care.unsyncedSeen = nil
            return
        }
        if let reckoned = reckonedMicroseconds {
            // Whatever the wall clock does, or does not.
            if let seen = care.unsyncedSeen, reckoned - seen >= Int64(milliseconds) * 1_000 {
                try synchronize()
                care.unsyncedSeen = nil
                return
            }
            care.unsyncedSeen = care.unsyncedSeen ?? reckoned
        }
        // A clock that went back must not put the sync off for ever.
        let age = nowMicroseconds.subtractingReportingOverflow(since)
        if age.overflow || age.partialValue < 0 || age.partialValue >= Int64(milliseconds) * 1_000 { try synchronize() }
    }

    /// Makes everything visible durable, whatever the policy.
    package func letGo(_ sequences: Range<UInt64>) {
        for segment in snapshot().segments where segment.firstSequence < sequences.upperBound { segment.letGo(sequences) }
    }

    package func synchronize() throws(LogError) {
        guard !isReadOnly else { return }
        let failure: LogError? = try asWriter { () throws(LogError) -> LogError? in
            if let fence = lock.locked({ fence }) { throw fence }
            let offset = writtenOffset
            guard lock.locked({ durableOffset }) < offset else {
                lock.locked { unsyncedSince = nil }
                return nil
            }
            do throws(LogError) {
                try onDisk { () throws(FileError) in try file?.synchronize() }
            } catch {
                lock.locked { fence = fenced(error) }
                return error
            }
            lock.locked {
                durableOffset = offset
                unsyncedSince = nil
            }
            return nil
        }
        if let failure { throw failure }
    }

    /// Syncs and takes no more appends. Readers may go on.
    package func close() throws(LogError) {
        guard !isReadOnly, !lock.locked({ isClosed }) else { return }
        if !isFenced { try synchronize() }
        lock.locked { isClosed = true }
        maintenance.locked { noteEnd(slotCount: 2) }
    }

    // MARK: Retention

    /// Removes the oldest segments whose every row is older than the age, or that are beyond the size.
    private func applyRetention(
        nowMicroseconds: Int64, reckonedMicroseconds: Int64?, _ byteCountMax: Int?, mayRoll: Bool, _ result: inout MaintenanceResult
    ) throws(LogError) {
        let byteCountMax = byteCountMax ?? settings.retentionByteCount
        guard settings.retentionMicroseconds != nil || byteCountMax != nil else { return }
        if let reckoned = reckonedMicroseconds { dateSegments(nowMicroseconds: nowMicroseconds, reckonedMicroseconds: reckoned) }
        let now = reckonedMicroseconds ?? nowMicroseconds
        if mayRoll, let age = settings.retentionMicroseconds, let active = lock.locked({ segments.last }), let last = active.lastFrame,
            isOlder(active.dated?.datedMicroseconds ?? last.arrivalMax, than: age, now) {
            // Even the newest row is too old: begin a new segment so that this one can go.
            try rollFenced(nowMicroseconds: nowMicroseconds)
        } else if mayRoll, byteCountMax == 0, lock.locked({ isSealed && segments.last?.lastFrame != nil }) {
            // Nothing comes that would make the last segment of a closed shard an old one.
            try rollFenced(nowMicroseconds: nowMicroseconds)
        }
        while let oldest = expiredSegment(nowMicroseconds: now, byteCountMax) {
            // One at a time, oldest first, each removal durable before the next: a crash never leaves a hole.
            try onDisk { () throws(FileError) in
                try system.remove(oldest.path)
                try system.synchronizeDirectory(settings.directory)
            }
            lock.locked {
                segments.removeAll { $0 === oldest }
                damages.removeAll { $0.file == oldest.path }
            }
            result.removedSegmentCount += 1
            result.expiredRowCount += oldest.rowCount
        }
    }

    private func dateSegments(nowMicroseconds: Int64, reckonedMicroseconds: Int64) {
        for segment in lock.locked({ segments }) {
            let count = segment.frameCount
            if let dated = segment.dated, dated.frameCount == count { continue }
            var date = reckonedMicroseconds
            if !care.hasDated, let last = segment.lastFrame {
                // It was there before: as old as both clocks agree that it is.
                let age = min(nowMicroseconds, reckonedMicroseconds).subtractingReportingOverflow(last.arrivalMax)
                if !age.overflow, age.partialValue > 0 { date = date.subtractingReportingOverflow(age.partialValue).partialValue }
            }
            segment.dated = Segment.Age(datedMicroseconds: date, frameCount: count)
        }
        care.hasDated = true
    }

    private func isOlder(_ arrival: Int64, than age: Int64, _ now: Int64) -> Bool {
        let difference = now.subtractingReportingOverflow(arrival)
        return !difference.overflow && difference.partialValue > age
    }

    private func expiredSegment(nowMicroseconds: Int64, _ byteCountMax: Int?) -> Segment? {
        let segments = lock.locked { self.segments }
        guard segments.count > 1, let oldest = segments.first else { return nil }
        if let age = settings.retentionMicroseconds {
            guard let last = oldest.lastFrame else { return oldest }
            if isOlder(oldest.dated?.datedMicroseconds ?? last.arrivalMax, than: age, nowMicroseconds) { return oldest }
        }
        if let limit = byteCountMax {
            // The size is kept to, but never by removing what would leave less than the limit.
            let total = segments.reduce(0) { $0 + $1.byteCount }
            if total - oldest.byteCount >= limit { return oldest }
        }
        return nil
    }

    private func rollFenced(nowMicroseconds: Int64) throws(LogError) {
        let failure: LogError? = try asWriter { () throws(LogError) -> LogError? in
            if let fence = lock.locked({ fence }) { throw fence }
            do throws(LogError) {
                try roll(nowMicroseconds: nowMicroseconds)
                return nil
            } catch {
                lock.locked { fence = fenced(error) }
                return error
            }
        }
        if let failure { throw failure }
    }

    /// Ends the active segment when it has rows, so that it can be merged, removed or backed up.
    package func rollNow(nowMicroseconds: Int64) throws(LogError) {
        guard !isReadOnly, lock.locked({ segments.last })?.lastFrame != nil else { return }
        try rollFenced(nowMicroseconds: nowMicroseconds)
    }

    // MARK: Sealing

    /// Writes one closed segment of small frames anew with large ones; false when there is none. Rows, their numbers and order stay.
    ///
    /// 1. Read runs of small frames and encode each as one; copy large frames as they are.
    /// 2. Write to a new file, sync it, rename it over the old one, sync the folder.
    /// 3. Swap the segment in the list. Whoever reads the old one goes on with its map.
    package func sealIfNeeded() throws(LogError) -> Bool {
        guard !isReadOnly else { return false }
        return try maintenance.locked { () throws(LogError) -> Bool in try mergeOne() }
    }

    /// With the maintenance lock held, so that retention does not remove a file whose successor is being written.
    private func mergeOne() throws(LogError) -> Bool {
        let closed = lock.locked { Array(segments.dropLast()) }
        guard let old = closed.first(where: { $0.wantsMerging() }) else { return false }
        do throws(LogError) {
            try merge(old)
            return true
        } catch {
            // The draft takes room that may be what is missing. When it cannot be removed now, the next opening does it.
            do { try system.remove(old.path + ".tmp") } catch {}
            if case .damaged = error {
                record(error)
                old.markDamaged()
                return false
            }
            throw error
        }
    }

    private func merge(_ old: Segment) throws(LogError) {
        let shape = settings.shape
        let oldHeader = try readHeader(of: old)
        let headerBytes = oldHeader.encoded()
        let draft = try onDisk { () throws(FileError) in
            let draft = try system.open(old.path + ".tmp", .truncate)
            try draft.write(UnsafeRawBufferPointer(start: headerBytes.base, count: headerBytes.byteCount), at: 0)
            return draft
        }
        var entries: [FrameEntry] = []
        var offset = headerBytes.byteCount
        func put(_ bytes: UnsafeRawBufferPointer, _ info: FrameInfo, _ flags: FrameFlags) throws(LogError) {
            try onDisk { () throws(FileError) in try draft.write(bytes, at: offset) }
            entries.append(FrameEntry(info: info, offset: offset, byteCount: bytes.count, flags: flags))
            offset += bytes.count
        }
        let allColumns = shape.types.indices.compactMap { shape.part(ColumnPath($0)) }
        for group in old.mergeGroups() {
            var pieces: [(view: FrameView, rows: Range<Int>)] = []
            for index in group {
                guard let view = try old.open(frame: index, parts: allColumns) else { continue }
                pieces.append((view, 0..<view.rowCount))
            }
            guard let first = pieces.first?.view else { continue }
            if pieces.count == 1 {
                try put(UnsafeRawBufferPointer(start: first.base, count: first.byteCount), first.entry.info, first.entry.flags)
                continue
            }
            let infos = pieces.map(\.view.entry.info)
            let batch = try ShardReader.batch(pieces, allColumns)
            let isOneProducer = infos.allSatisfy { $0.producer == infos[0].producer }
            var encoder = FrameEncoder(shape: shape)
            encoder.flags = .merged
            encoder.producer = isOneProducer ? infos[0].producer : 0
            encoder.epoch = isOneProducer ? infos.map(\.epoch).max() ?? 0 : 0
            var sequence = infos[0].firstSequence
            for frame in try encoder.encode([FramePiece(batch: batch, rows: nil, range: 0..<batch.count)]) {
                let arrivalMin = infos.map(\.arrivalMin).min() ?? 0
                let arrivalMax = infos.map(\.arrivalMax).max() ?? 0
                frame.seal(firstSequence: sequence, arrivalMin: arrivalMin, arrivalMax: arrivalMax, durableOffset: 0)
                let info = FrameInfo(
                    firstSequence: sequence, rowCount: frame.rowCount, arrivalMin: arrivalMin, arrivalMax: arrivalMax, eventMin: frame.eventMin,
                    eventMax: frame.eventMax, producer: encoder.producer, epoch: encoder.epoch)
                try put(frame.bytes, info, frame.flags)
                sequence = info.endSequence
            }
        }
        let mapped = try onDisk { () throws(FileError) in
            try draft.synchronize()
            let mapped = try draft.map(byteCount: offset)
            try system.rename(old.path + ".tmp", to: old.path)
            try system.synchronizeDirectory(settings.directory)
            return mapped
        }
        let segment = Segment(path: old.path, firstSequence: old.firstSequence, shape: shape, file: nil, byteCount: offset)
        segment.adopt(entries, byteCount: offset, isVerified: false)
        segment.dated = old.dated.map { Segment.Age(datedMicroseconds: $0.datedMicroseconds, frameCount: entries.count) }
        segment.close(
            with: Buffer(borrowing: mapped.bytes.baseAddress ?? UnsafeRawPointer(EmptyBytes.pointer), byteCount: offset, owner: mapped), mapped)
        lock.locked {
            if let index = segments.firstIndex(where: { $0 === old }) { segments[index] = segment }
        }
    }

    private func readHeader(of segment: Segment) throws(LogError) -> SegmentHeader {
        let mapped = try onDisk { () throws(FileError) in
            let file = try system.open(segment.path, .read)
            return try file.map(byteCount: try file.size())
        }
        switch SegmentHeader.parse(mapped.bytes, identity: settings.shape.identity) {
        case .success(let (header, _)): return header
        case .failure(let fault):
            throw .damaged(
                LogDamage(
                    file: segment.path, offset: 0, byteCount: 0, sequences: segment.firstSequence..<segment.firstSequence, reason: fault.reason))
        }
    }

    // MARK: Giving up

    /// Gives rows up for good, so that readers go on behind them and the shard takes rows again. The rows must have been numbered, unless nobody
    /// knows any more where the numbers ended.
    package func giveUp(_ range: Range<UInt64>, nowMicroseconds: Int64) throws(LogError) {
        guard !isReadOnly else { throw .readOnly(path: settings.directory) }
        func refusal(_ reason: String) -> LogError { .repair(stream: settings.stream, shard: settings.index, reason: reason) }
        let (oldest, end, isEndUnknown) = lock.locked {
            (segments.first?.firstSequence ?? 0, self.end, fence.map { $0.fileError == nil } ?? false)
        }
        guard !range.isEmpty else { throw refusal("no rows to give up") }
        guard range.lowerBound >= oldest else { throw refusal("row \(range.lowerBound) has expired already, the oldest is \(oldest)") }
        guard isEndUnknown || range.upperBound <= end else {
            throw refusal(end == 0 ? "there are no rows" : "there is no row \(range.upperBound - 1), the last one is \(end - 1)")
        }
        guard range.upperBound < 1 << 62 else { throw refusal("\(range.upperBound - 1) is no row number") }
        try maintenance.locked { () throws(LogError) in
            try asWriter { () throws(LogError) in
                var rows = givenUpRows
                rows.add(range)
                try rows.write(in: settings.directory, identity: settings.shape.identity, system)
                lock.locked {
                    givenUp = rows
                    damages.removeAll { rows.covers($0.sequences) }
                }
                guard isEndUnknown, rows.end >= end else { return }
                lock.locked { self.end = max(end, rows.end) }
                try segments.last?.close()
                try beginSegment(at: rows.end, nowMicroseconds: max(nowMicroseconds, lastArrival))
                lock.locked { fence = nil }
            }
        }
    }

    // MARK: Verifying

    /// Reads everything and reports every fault. Changes nothing.
    package func verify() throws(LogError) -> [LogDamage] {
        var found = damage
        for segment in snapshot().segments {
            var index = 0
            do throws(LogError) {
                while let view = try segment.view(frame: index) {
                    index += 1
                    do throws(LogError) { try view.checkAll() } catch {
                        guard case .damaged(let damage) = error else { throw error }
                        if !found.contains(damage) { found.append(damage) }
                    }
                }
            } catch {
                guard case .damaged(let damage) = error else { throw error }
                found.append(damage)
            }
        }
        let givenUp = givenUpRows
        found.removeAll { givenUp.covers($0.sequences) }
        return found
    }
}
