// Opening a shard: what is on disk becomes segments, and what is wrong with it becomes a report.
//
// 1. Leftovers (`*.tmp`) are removed.
// 2. Closed segments are indexed by walking their frame headers; column data is checked when it is first read. A hole in them is damage.
// 3. The last segment is checked byte by byte. Its torn end is cut off and the cut made durable before anything is appended. What had not been synced
//    when the process ended is written again before the sync: pages of a failed sync may be marked clean without being on the disk.
// 4. When the last segment is damaged before its end, it is left as it is, and a new one begins after its last good row: the damaged rows
//    keep their numbers, and everything that can be read stays readable. A witness (ShardEnd) tells damage at the very end from a torn write; so
//    does a query that has read rows which are not there (`learnMissing`).
// 5. A disk that refuses a write while a shard is opened fences the shard: it can be read, and maintenance tries again.

import Columns
import Platform

extension Shard {
    /// Makes the folder and the first segment of a new shard.
    static func create(_ settings: ShardSettings, _ system: any FileSystem, nowMicroseconds: Int64) throws(LogError) {
        try onDisk { () throws(FileError) in try system.createDirectory(settings.directory) }
        let header = SegmentHeader(
            identity: settings.shape.identity, firstSequence: 0, createdMicroseconds: nowMicroseconds,
            schemaVersion: settings.shape.schemaVersion, shard: settings.index, producers: [:])
        _ = try SegmentHeader.createFile(header, in: settings.directory, system)
    }

    static func open(
        _ settings: ShardSettings, _ system: any FileSystem, _ signal: LogSignal, isReadOnly: Bool, nowMicroseconds: Int64,
        truncations: inout [LogTruncation]
    ) throws(LogError) -> Shard {
        let shard = Shard(settings, system, signal, isReadOnly: isReadOnly)
        if isReadOnly {
            try shard.refresh()
        } else {
            try shard.recover(nowMicroseconds: nowMicroseconds, &truncations)
        }
        return shard
    }

    private func segmentNames() throws(LogError) -> [(name: String, firstSequence: UInt64)] {
        let names = try onDisk { () throws(FileError) in try system.list(settings.directory) }
        if !isReadOnly {
            for name in names where name.hasSuffix(".tmp") {
                try onDisk { () throws(FileError) in try system.remove(settings.directory + "/" + name) }
            }
        }
        return names.compactMap { name in SegmentHeader.firstSequence(ofFile: name).map { (name, $0) } }
    }

    private func recover(nowMicroseconds: Int64, _ truncations: inout [LogTruncation]) throws(LogError) {
        let names = try segmentNames()
        try readGivenUp()
        let known = try ShardEnd.read(in: settings.directory, identity: settings.shape.identity, system)
        care.knownEnd = known
        var previousEnd: UInt64?
        for (position, (name, firstSequence)) in names.enumerated() {
            let isLast = position == names.count - 1
            if let previousEnd, previousEnd != firstSequence {
                // The rows between two files. When the file before has a hole at its end, that is where they were.
                noteMissing(previousEnd, firstSequence, before: name)
            }
            let segment = try load(name, firstSequence, isLast: isLast, known, &truncations)
            previousEnd = segment.endSequence
        }
        if names.isEmpty {
            let lost = 0..<(known?.sequence ?? 0)
            damages.append(
                LogDamage(file: settings.directory, offset: 0, byteCount: 0, sequences: lost, reason: "all segment files are missing"))
        }
        end = previousEnd ?? 0
        if let known, known.sequence > end, let last = segments.last {
            // Rows at the end are gone that were on the disk.
            noteMissing(end, known.sequence, before: SegmentHeader.fileName(known.segment))
            last.markDamaged()
            end = known.sequence
        }
        if segments.isEmpty, let known { end = known.sequence }
        damages.removeAll { givenUp.covers($0.sequences) }
        let isEndKnown: Bool
        if let last = segments.last {
            isEndKnown = !last.isDamaged || last.endSequence > last.firstSequence || (known.map { $0.segment >= last.firstSequence } ?? false)
        } else {
            isEndKnown = known != nil
        }
        guard isEndKnown || !givenUp.isEmpty && givenUp.end >= end else {
            // Where the rows ended cannot be told, so new ones would be given numbers that were used: no appends until it is repaired.
            if let damage = damages.last { fence = fenced(.damaged(damage)) }
            return
        }
        end = max(end, givenUp.end)
        guard let last = segments.last, !last.isDamaged, last.endSequence == end else {
            try beginAfterDamage(nowMicroseconds: max(nowMicroseconds, lastArrival))
            return
        }
        do throws(FileError) { try makeNamesDurable() } catch {
            if fence == nil { fence = fenced(.file(error)) }
        }
        if fence == nil, known.map({ $0.sequence < end }) ?? (end > 0) { noteEnd(slotCount: 1) }
    }

    /// A file of the shard, or the description of its stream, may have been put in its place by a process that could not make that durable: the power
    /// would put the older one back.
    private func makeNamesDurable() throws(FileError) {
        try system.synchronizeDirectory(settings.directory)
        if let folder = PathText.parent(of: settings.directory) { try system.synchronizeDirectory(folder) }
    }

    private func readGivenUp() throws(LogError) {
        let (rows, fault) = try GivenUpRows.read(in: settings.directory, identity: settings.shape.identity, system)
        givenUp = rows
        if let fault {
            damages.append(
                LogDamage(file: settings.directory + "/" + GivenUpRows.fileName, offset: 0, byteCount: 0, sequences: 0..<0, reason: fault))
        }
    }

    private func beginAfterDamage(nowMicroseconds: Int64) throws(LogError) {
        isBetweenSegments = true
        do throws(LogError) {
            try segments.last?.close()
            try beginSegment(at: end, nowMicroseconds: nowMicroseconds)
        } catch {
            guard case .file = error else { throw error }
            fence = fenced(error)
        }
    }

    /// Somebody has read these rows at the shard's end, and they were not there when it was opened: they are damage, and no other rows get their
    /// numbers. A reader that knows a row by its number would take one for the other. False when others have some of them already.
    package func learnMissing(_ missing: Range<UInt64>) throws(LogError) -> Bool {
        guard !isReadOnly else { return true }
        return try asWriter { () throws(LogError) -> Bool in
            guard frames(in: missing).isEmpty else { return false }
            let isNew = lock.locked { () -> Bool in
                // A shard that takes no rows gives no numbers. One whose disk refuses goes on behind these when the disk lets it.
                guard end < missing.upperBound, !isClosed, !isSealed, fence == nil || fence?.fileError != nil else { return false }
                noteMissing(end, missing.upperBound, before: SegmentHeader.fileName(missing.upperBound))
                segments.last?.markDamaged()
                end = missing.upperBound
                return true
            }
            if isNew { try beginAfterDamage(nowMicroseconds: lastArrival) }
            return true
        }
    }

    private func noteMissing(_ from: UInt64, _ to: UInt64, before name: String) {
        if to > from {
            if let known = damages.lastIndex(where: { $0.sequences.lowerBound == from && $0.file == segments.last?.path }) {
                let old = damages[known]
                damages[known] = LogDamage(
                    file: old.file, offset: old.offset, byteCount: old.byteCount, sequences: from..<to, reason: old.reason)
            } else {
                damages.append(
                    LogDamage(
                        file: segments.last?.path ?? settings.directory + "/" + name, offset: segments.last?.byteCount ?? 0, byteCount: 0,
                        sequences: from..<to, reason: "rows are missing before \(name)"))
            }
        } else {
            damages.append(
                LogDamage(
                    file: settings.directory + "/" + name, offset: 0, byteCount: 0, sequences: to..<to,
                    reason: "the file begins with row \(to), which the file before holds too"))
        }
    }

    /// Opens, maps and indexes one segment file and adds it.
    private func load(
        _ name: String, _ firstSequence: UInt64, isLast: Bool, _ known: ShardEnd?, _ truncations: inout [LogTruncation]
    ) throws(LogError) -> Segment {
        let path = settings.directory + "/" + name
        let (file, mapped) = try openForLoading(path, isLast: isLast)
        let bytes = mapped.bytes
        let owner = Buffer(borrowing: bytes.baseAddress ?? UnsafeRawPointer(EmptyBytes.pointer), byteCount: bytes.count, owner: mapped)
        // Only the last segment is read as a whole here; of the others, the pages of the frame headers.
        var headerLength = SegmentHeader.fixedByteCount
        var headerFault: String?
        var epochs: [UInt64: UInt64] = [:]
        var arrival = Int64.min
        switch SegmentHeader.parse(bytes, identity: settings.shape.identity) {
        case .success(let (header, length)):
            headerLength = length
            epochs = header.producers
            arrival = header.createdMicroseconds
            if header.firstSequence != firstSequence { headerFault = "the file's name does not fit its header" }
        case .failure(let fault):
            if let found = fault.unknownVersion { throw .version(path: path, found: "\(found)", known: "version \(SegmentHeader.version)") }
            headerFault = fault.reason
        }
        // A last file behind which there were others was not the one being written.
        let isActive = isLast && headerFault == nil && known.map({ $0.segment <= firstSequence }) ?? true
        let witness = known.flatMap { $0.segment == firstSequence ? SegmentScan.Witness(offset: $0.offset, sequence: $0.sequence) : nil }
        let scan = SegmentScan(
            bytes, file: path, from: min(headerLength, bytes.count), sequence: firstSequence, shape: settings.shape,
            purpose: isActive ? .active : .closed, owner: owner, mapped: mapped, checksPayload: isLast, witness: witness)
        if let found = scan.unknownVersion { throw .version(path: path, found: "frame version \(found)", known: "version \(FrameFormat.version)") }
        let segment = Segment(path: path, firstSequence: firstSequence, shape: settings.shape, file: file, byteCount: bytes.count)
        // Readers map the file anew and check for themselves: the disk may rot between this look and theirs.
        segment.adopt(scan.frames, byteCount: scan.endOffset, isVerified: false)
        // Checked, and perhaps not read for long.
        mapped.letGo(bytes)
        var found: [LogDamage] = []
        if let headerFault {
            found.append(LogDamage(file: path, offset: 0, byteCount: headerLength, sequences: firstSequence..<firstSequence, reason: headerFault))
        }
        for gap in scan.gaps {
            found.append(
                LogDamage(
                    file: path, offset: gap.offset, byteCount: gap.byteCount, sequences: gap.firstSequence..<(gap.endSequence ?? gap.firstSequence),
                    reason: gap.reason))
        }
        if !found.isEmpty { segment.markDamaged() }
        var refusal: FileError?
        if isActive {
            // Damage at the end stays where it is: it may tell somebody something.
            let isEndDamaged = scan.gaps.last.map { $0.offset >= scan.endOffset } ?? false
            do throws(FileError) { try settle(file, bytes, scan, witness, cuts: !isEndDamaged && scan.endOffset < bytes.count) } catch {
                refusal = error
            }
            if !isEndDamaged, scan.endOffset < bytes.count, refusal == nil {
                truncations.append(
                    LogTruncation(
                        file: path, offset: scan.endOffset, byteCount: bytes.count - scan.endOffset,
                        reason: scan.tailReason ?? "not a whole frame"))
            }
            self.file = file
            writtenOffset = scan.endOffset
        } else {
            segment.close(with: owner, mapped)
        }
        lock.locked {
            for entry in scan.frames {
                arrival = max(arrival, entry.info.arrivalMax)
                if entry.info.producer != 0 { epochs[entry.info.producer] = max(epochs[entry.info.producer] ?? 0, entry.info.epoch) }
            }
            lastArrival = max(lastArrival, arrival)
            for (producer, epoch) in epochs { producers[producer] = max(producers[producer] ?? 0, epoch) }
            damages += found
            if isActive {
                durableOffset = refusal == nil ? scan.endOffset : min(max(scan.durableOffset, witness?.offset ?? 0), scan.endOffset)
                if let refusal { fence = fenced(.file(refusal)) }
            }
            segments.append(segment)
        }
        return segment
    }

    /// Makes what was found in the active segment durable. What was read may have been in the page cache only, and a row that is visible now must
    /// survive the next power cut.
    private func settle(
        _ file: any File, _ bytes: UnsafeRawBufferPointer, _ scan: SegmentScan, _ witness: SegmentScan.Witness?, cuts: Bool
    ) throws(FileError) {
        guard !bytes.isEmpty else { return }
        if cuts { try file.truncate(to: scan.endOffset) }
        let durable = max(scan.durableOffset, witness?.offset ?? 0)
        if !cuts, durable >= scan.endOffset { return }
        if durable < scan.endOffset, durable >= 0 {
            // The same bytes over themselves, so that the sync has something to write whatever became of an earlier one.
            try file.write(UnsafeRawBufferPointer(rebasing: bytes[durable..<scan.endOffset]), at: durable)
        }
        try file.synchronize()
    }

    /// Opens and maps a segment file. Of the last one everything is brought in; when the disk cannot read some of it, zeros stand there: the scan
    /// finds what is missing, and everything else can be read.
    private func openForLoading(_ path: String, isLast: Bool) throws(LogError) -> (any File, MappedBytes) {
        let file = try onDisk { () throws(FileError) in try system.open(path, isLast ? .readWrite : .read) }
        let size = try onDisk { () throws(FileError) in try file.size() }
        do throws(FileError) {
            let mapped = try file.map(byteCount: size)
            // Of closed segments only the pages of the frame headers are read here.
            if isLast { try mapped.bringIn(mapped.bytes) }
            return (file, mapped)
        } catch {
            if error.isShortage { throw .file(error) }
        }
        let buffer = Buffer.zeroed(byteCount: size)
        var offset = 0
        while offset < size {
            let part = UnsafeMutableRawBufferPointer(start: buffer.base + offset, count: min(4_096, size - offset))
            do throws(FileError) { _ = try file.read(into: part, at: offset) } catch {
                if error.isShortage { throw .file(error) }
            }
            offset += part.count
        }
        return (file, MappedBytes(UnsafeRawBufferPointer(start: buffer.base, count: size)) { _ in withExtendedLifetime(buffer) {} })
    }

    // MARK: After a failure

    /// Brings a fenced shard back to what is visible, and lifts the fence. Throws, and stays fenced, when the disk still refuses.
    package func reopen(nowMicroseconds: Int64) throws(LogError) {
        guard !isReadOnly else { throw .readOnly(path: settings.directory) }
        try asWriter { () throws(LogError) in
            let (active, durable, isFenced) = lock.locked { (segments.last, durableOffset, fence != nil) }
            guard isFenced else { return }
            if lock.locked({ isBetweenSegments }) {
                // The segment before is whole and durable; the one that was to follow it is begun now.
                try beginSegment(at: lock.locked { end }, nowMicroseconds: lastArrival)
                lock.locked { fence = nil }
                return
            }
            guard let active, !active.isDamaged else {
                throw lock.locked { damages.last.map { .damaged($0) } ?? fence ?? .closed(stream: settings.stream) }
            }
            let visible = active.byteCount
            if durable >= visible {
                // Everything visible is on the disk: cut off the rest.
                let file = try onDisk { () throws(FileError) in
                    let file = try system.open(active.path, .readWrite)
                    try file.truncate(to: visible)
                    try file.synchronize()
                    try makeNamesDurable()
                    return file
                }
                self.file = file
                try check(file, visible, active)
                writtenOffset = visible
            } else {
                try rewrite(active, visible: visible)
            }
            lock.locked { fence = nil }
        }
        signal.notify()
    }

    /// Reads back what must be there.
    private func check(_ file: any File, _ byteCount: Int, _ active: Segment) throws(LogError) {
        let mapped = try onDisk { () throws(FileError) in try file.map(byteCount: byteCount) }
        let scan = try scan(mapped, active)
        guard scan.endSequence == lock.locked({ end }) else {
            let error = LogError.damaged(
                LogDamage(
                    file: active.path, offset: scan.endOffset, byteCount: byteCount - scan.endOffset,
                    sequences: scan.endSequence..<lock.locked { end }, reason: scan.gaps.first?.reason ?? "rows are missing"))
            record(error)
            throw error
        }
    }

    private func scan(_ mapped: MappedBytes, _ active: Segment) throws(LogError) -> SegmentScan {
        guard case .success(let (_, headerLength)) = SegmentHeader.parse(mapped.bytes, identity: settings.shape.identity) else {
            throw .damaged(
                LogDamage(file: active.path, offset: 0, byteCount: 0, sequences: 0..<0, reason: "the segment header cannot be read back"))
        }
        let owner = Buffer(borrowing: mapped.bytes.baseAddress ?? UnsafeRawPointer(EmptyBytes.pointer), byteCount: mapped.bytes.count, owner: mapped)
        return SegmentScan(
            mapped.bytes, file: active.path, from: headerLength, sequence: active.firstSequence, shape: settings.shape, purpose: .closed,
            owner: owner, mapped: mapped, checksPayload: true)
    }

    /// Writes the visible part of the active segment to a new file and puts it in the old one's place. Frames that are still in memory
    /// come from there; the rest must pass its checks.
    private func rewrite(_ active: Segment, visible: Int) throws(LogError) {
        let header = SegmentHeader(
            identity: settings.shape.identity, firstSequence: active.firstSequence, createdMicroseconds: lastArrival,
            schemaVersion: settings.shape.schemaVersion, shard: settings.index, producers: lock.locked { producers })
        let headerBytes = header.encoded()
        let path = active.path
        var entries: [FrameEntry] = []
        let draft = try onDisk { () throws(FileError) in
            let draft = try system.open(path + ".tmp", .truncate)
            try draft.write(UnsafeRawBufferPointer(start: headerBytes.base, count: headerBytes.byteCount), at: 0)
            return draft
        }
        var offset = headerBytes.byteCount
        var index = 0
        while let view = try active.view(frame: index) {
            try view.checkAll()
            try onDisk { () throws(FileError) in
                try draft.write(UnsafeRawBufferPointer(start: view.base, count: view.byteCount), at: offset)
            }
            entries.append(FrameEntry(info: view.entry.info, offset: offset, byteCount: view.byteCount, flags: view.entry.flags))
            offset += view.byteCount
            index += 1
        }
        let file = try onDisk { () throws(FileError) in
            try draft.synchronize()
            try system.rename(path + ".tmp", to: path)
            try system.synchronizeDirectory(settings.directory)
            return try system.open(path, .readWrite)
        }
        let segment = Segment(path: path, firstSequence: active.firstSequence, shape: settings.shape, file: file, byteCount: offset)
        segment.adopt(entries, byteCount: offset, isVerified: false)
        segment.dated = active.dated
        self.file = file
        writtenOffset = offset
        lock.locked {
            segments[segments.count - 1] = segment
            durableOffset = offset
            unsyncedSince = nil
        }
    }

    // MARK: Following another process

    /// Looks for what the writing process has done since: frames at the end, new segments, segments that retention removed. Returns
    /// whether there are new rows.
    @discardableResult
    package func refresh() throws(LogError) -> Bool {
        guard isReadOnly else { return false }
        let before = endSequence
        let names = try segmentNames()
        if snapshot().segments.isEmpty { try lock.locked { () throws(LogError) in try readGivenUp() } }
        guard !names.isEmpty else { return false }
        lock.locked {
            // Segments before the first file that is there have expired.
            defer { if segments.isEmpty { end = max(end, names[0].firstSequence) } }
            if let first = names.first?.firstSequence { segments.removeAll { $0.firstSequence < first } }
        }
        for (position, (name, firstSequence)) in names.enumerated() {
            let known = lock.locked { segments.last { $0.firstSequence == firstSequence } }
            let isLast = position == names.count - 1
            do throws(LogError) {
                if let known {
                    if isLast || known === lock.locked({ segments.last }) { try follow(known, name) }
                    if !isLast { try known.close() }
                } else {
                    guard firstSequence >= endSequence else { continue }
                    try followNew(name, firstSequence, isLast: isLast)
                }
            } catch {
                // A file that was removed or replaced between the listing and now: the next refresh sees how it is.
                if case .file(let cause) = error, !system.exists(cause.path) { return endSequence != before }
                throw error
            }
        }
        if endSequence != before { signal.notify() }
        return endSequence != before
    }

    private func followNew(_ name: String, _ firstSequence: UInt64, isLast: Bool) throws(LogError) {
        lock.locked {
            guard end < firstSequence, let last = segments.last else { return }
            noteMissing(end, firstSequence, before: name)
            last.markDamaged()
        }
        guard isLast else {
            var truncations: [LogTruncation] = []
            let segment = try load(name, firstSequence, isLast: false, nil, &truncations)
            lock.locked { end = max(end, segment.endSequence) }
            return
        }
        // The segment that is being written is read into memory instead of mapped: its writer may cut its end off.
        let path = settings.directory + "/" + name
        let file = try onDisk { () throws(FileError) in try system.open(path, .read) }
        let (buffer, bytes) = try read(file, from: 0)
        let parsed = SegmentHeader.parse(bytes, identity: settings.shape.identity)
        if case .failure(let fault) = parsed, let found = fault.unknownVersion {
            throw .version(path: path, found: "\(found)", known: "version \(SegmentHeader.version)")
        }
        guard case .success(let (header, headerLength)) = parsed, header.firstSequence == firstSequence else {
            record(
                .damaged(
                    LogDamage(
                        file: path, offset: 0, byteCount: 0, sequences: firstSequence..<firstSequence, reason: "the segment header cannot be read")))
            return
        }
        let segment = Segment(path: path, firstSequence: firstSequence, shape: settings.shape, file: file, byteCount: headerLength)
        lock.locked {
            segments.append(segment)
            end = max(end, firstSequence)
            for (producer, epoch) in header.producers { producers[producer] = max(producers[producer] ?? 0, epoch) }
        }
        absorb(segment, buffer, bytes, fileOffset: 0, from: headerLength)
    }

    private func follow(_ segment: Segment, _ name: String) throws(LogError) {
        guard let file = segment.openFile else { return }
        let start = segment.byteCount
        let size = try onDisk { () throws(FileError) in try file.size() }
        if size < start {
            // The writer has come back from a crash and cut off what had not been acknowledged: look at it afresh.
            lock.locked {
                segments.removeAll { $0 === segment }
                end = segment.firstSequence
            }
            return try followNew(name, segment.firstSequence, isLast: true)
        }
        guard size > start else { return }
        let (buffer, bytes) = try read(file, from: start)
        absorb(segment, buffer, bytes, fileOffset: start, from: 0)
    }

    private func read(_ file: any File, from offset: Int) throws(LogError) -> (Buffer, UnsafeRawBufferPointer) {
        try onDisk { () throws(FileError) in
            let size = try file.size()
            let buffer = Buffer(byteCount: size - offset)
            let count = try file.read(into: UnsafeMutableRawBufferPointer(start: buffer.base, count: buffer.byteCount), at: offset)
            return (buffer, UnsafeRawBufferPointer(start: buffer.base, count: count))
        }
    }

    /// Adds the whole frames of a stretch that was read into memory.
    private func absorb(_ segment: Segment, _ buffer: Buffer, _ bytes: UnsafeRawBufferPointer, fileOffset: Int, from start: Int) {
        let scan = SegmentScan(
            bytes, file: segment.path, from: start, sequence: segment.endSequence, shape: settings.shape, purpose: .following, owner: buffer,
            mapped: nil, checksPayload: true)
        guard !scan.frames.isEmpty else { return }
        let entries = scan.frames.map {
            FrameEntry(info: $0.info, offset: $0.offset + fileOffset, byteCount: $0.byteCount, flags: $0.flags)
        }
        segment.keep(buffer, fileOffset: fileOffset, firstFrame: segment.frameCount)
        segment.adopt(entries, byteCount: scan.endOffset + fileOffset, isVerified: true)
        lock.locked {
            end = max(end, scan.endSequence)
            for entry in entries where entry.info.producer != 0 {
                producers[entry.info.producer] = max(producers[entry.info.producer] ?? 0, entry.info.epoch)
            }
        }
    }
}
