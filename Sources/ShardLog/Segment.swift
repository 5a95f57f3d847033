// Segment: one file of frames and the index of them.
//
// - `frames` lists what readers may see: frames are added after their commit and never change. Readers take an entry under the lock
//   and then read without it.
// - The bytes come from one of two places. Small frames written lately are still in the buffer they were written from (a reader
//   that is close behind touches neither file nor page tables); all others are in a map of the file, made anew when the file has
//   outgrown it. Batches keep what they lie in alive, so a segment may be replaced or removed while they are read.
// - `verified` remembers per frame which chunks (of columns, fields, elements) have passed their check in this process; a frame that leaves its write buffer is checked
//   again when it is first read from the file.
//
// Invariants: frames are sorted by sequence and by offset; frame offsets are below `byteCount`; a closed segment has no file and no write buffers.

import Columns
import Platform

final class Segment: @unchecked Sendable {
    // Safe to share: mutable state is touched under the lock only.
    let path: String
    let firstSequence: UInt64
    let shape: FrameShape
    private let lock = Lock()
    private var frames: ContiguousArray<FrameEntry> = []
    private var verified: ContiguousArray<UInt64> = []
    private let verifiedWordCount: Int
    private var file: (any File)?
    private var map: (buffer: Buffer, mapped: MappedBytes)?
    private var recent: ContiguousArray<Recent> = []
    private var recentHead = 0
    private var recentByteCount = 0
    private var end: Int
    private var rows = 0
    private var isClosed = false
    private var hasDamage = false
    private var isKnownLarge = false
    private var age: Age?

    /// When the newest row came, by a clock that nobody sets: what retention goes by (see Shard+Maintenance).
    struct Age {
        var datedMicroseconds: Int64
        var frameCount: Int
    }

    private struct Recent {
        let offset: Int
        let firstFrame: Int
        let buffer: Buffer
    }

    /// Write buffers kept for readers: frames up to this size, and this much altogether.
    private static let recentFrameByteCountMax = 256 << 10
    private static let recentByteCountMax = 2 << 20

    init(path: String, firstSequence: UInt64, shape: FrameShape, file: (any File)?, byteCount: Int) {
        self.path = path
        self.firstSequence = firstSequence
        self.shape = shape
        self.file = file
        end = byteCount
        verifiedWordCount = (shape.chunkCount + 1 + 63) / 64
    }

    // MARK: Facts

    var byteCount: Int { lock.locked { end } }
    var frameCount: Int { lock.locked { frames.count } }
    var rowCount: Int { lock.locked { rows } }
    var lastFrame: FrameInfo? { lock.locked { frames.last?.info } }
    /// The row after the last one.
    var endSequence: UInt64 { lock.locked { frames.last?.info.endSequence ?? firstSequence } }
    var isDamaged: Bool { lock.locked { hasDamage } }

    /// The file while the segment is open.
    var openFile: (any File)? { lock.locked { file } }

    var dated: Age? {
        get { lock.locked { age } }
        set { lock.locked { age = newValue } }
    }

    func markDamaged() { lock.locked { hasDamage = true } }

    /// The frame that holds `sequence`, or else the first one after it.
    func frameIndex(of sequence: UInt64) -> Int {
        lock.locked {
            var low = 0
            var high = frames.count
            while low < high {
                let middle = (low + high) / 2
                if frames[middle].info.endSequence <= sequence { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    func info(_ index: Int) -> FrameInfo? { lock.locked { index < frames.count ? frames[index].info : nil } }
    func entry(_ index: Int) -> FrameEntry? { lock.locked { index < frames.count ? frames[index] : nil } }

    /// The first frame whose last arrival is at or after a time. Arrival times rise along a shard.
    func frameIndex(arrivingAt microseconds: Int64) -> Int {
        lock.locked {
            var low = 0
            var high = frames.count
            while low < high {
                let middle = (low + high) / 2
                if frames[middle].info.arrivalMax < microseconds { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    func appendInfos(_ sequences: Range<UInt64>, to infos: inout [FrameInfo]) {
        var index = frameIndex(of: sequences.lowerBound)
        lock.locked {
            while index < frames.count, frames[index].info.firstSequence < sequences.upperBound {
                infos.append(frames[index].info)
                index += 1
            }
        }
    }

    // MARK: Growing

    /// Makes committed frames visible. `buffers[i]` holds frame i when it is still in memory.
    func publish(_ entries: [FrameEntry], buffers: [Buffer]) {
        lock.locked {
            for (index, entry) in entries.enumerated() {
                frames.append(entry)
                rows += entry.info.rowCount
                end = entry.offset + entry.byteCount
                let keeps = index < buffers.count && entry.byteCount <= Segment.recentFrameByteCountMax
                for _ in 0..<verifiedWordCount { verified.append(keeps ? .max : 0) }
                if keeps {
                    recent.append(Recent(offset: entry.offset, firstFrame: frames.count - 1, buffer: buffers[index]))
                    recentByteCount += entry.byteCount
                }
            }
            dropRecent(downTo: Segment.recentByteCountMax)
        }
    }

    /// Takes over an index made by a scan; `isVerified` when the scan has checked all columns.
    func adopt(_ entries: [FrameEntry], byteCount: Int, isVerified: Bool) {
        lock.locked {
            for entry in entries {
                frames.append(entry)
                rows += entry.info.rowCount
                for _ in 0..<verifiedWordCount { verified.append(isVerified ? .max : 0) }
            }
            end = byteCount
        }
    }

    /// Keeps a stretch of the file that was read into memory, for a segment that another process writes.
    func keep(_ buffer: Buffer, fileOffset: Int, firstFrame: Int) {
        lock.locked { recent.append(Recent(offset: fileOffset, firstFrame: firstFrame, buffer: buffer)) }
    }

    private func dropRecent(downTo byteCount: Int) {
        while recentByteCount > byteCount, recentHead < recent.count {
            let first = recent[recentHead]
            recentByteCount -= first.buffer.byteCount
            for word in 0..<verifiedWordCount { verified[first.firstFrame * verifiedWordCount + word] = 0 }
            recentHead += 1
        }
        if recentHead > 512 || recentHead == recent.count {
            recent.removeFirst(recentHead)
            recentHead = 0
        }
    }

    /// No more frames will come: everything is read from one map from now on.
    func close() throws(LogError) {
        try lock.locked { () throws(LogError) in
            guard !isClosed else { return }
            try remap()
            if recentHead < recent.count {
                for word in recent[recentHead].firstFrame * verifiedWordCount..<verified.count { verified[word] = 0 }
            }
            recent = []
            recentHead = 0
            recentByteCount = 0
            file = nil
            isClosed = true
        }
    }

    /// Uses a map that is there already (recovery) and needs no file.
    func close(with buffer: Buffer, _ mapped: MappedBytes) {
        lock.locked {
            map = (buffer, mapped)
            file = nil
            recent = []
            recentHead = 0
            isClosed = true
        }
    }

    /// Takes the mapped bytes of rows `sequences` out of this process's memory; whoever still reads them brings them in again.
    func letGo(_ sequences: Range<UInt64>) {
        lock.locked {
            guard let map, let base = map.mapped.bytes.baseAddress else { return }
            var range: Range<Int>?
            for entry in frames where entry.info.endSequence > sequences.lowerBound && entry.info.endSequence <= sequences.upperBound {
                range = min(range?.lowerBound ?? entry.offset, entry.offset)..<(entry.offset + entry.byteCount)
            }
            guard let range, range.upperBound <= map.mapped.bytes.count else { return }
            map.mapped.letGo(UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
        }
    }

    private func remap() throws(LogError) {
        guard let file else { return }
        let mapped = try onDisk { () throws(FileError) in try file.map(byteCount: end) }
        guard let base = mapped.bytes.baseAddress else { return }
        map = (Buffer(borrowing: base, byteCount: mapped.bytes.count, owner: mapped), mapped)
    }

    // MARK: Reading

    /// A frame, opened for reading some parts, each of them checked. Nil when there is no such frame.
    func open(frame index: Int, parts: [FramePart]) throws(LogError) -> FrameView? {
        var view: FrameView?
        var mustCheck = false
        let first = index * verifiedWordCount
        try lock.locked { () throws(LogError) in
            guard index < frames.count else { return }
            view = try locate(index)
            for part in parts {
                for chunk in part.chunk..<part.chunk + part.chunkCount {
                    mustCheck = mustCheck || verified[first + chunk >> 6] & (1 << UInt64(chunk & 63)) == 0
                }
            }
            let changes = shape.chunkCount
            mustCheck = mustCheck || verified[first + changes >> 6] & (1 << UInt64(changes & 63)) == 0
        }
        guard let view else { return nil }
        // Always: also refuses frames of another schema version, whose columns nobody has checked.
        try view.checkHeader()
        guard mustCheck else { return view }
        var words = [UInt64](repeating: 0, count: verifiedWordCount)
        let known = lock.locked { Array(verified[first..<first + verifiedWordCount]) }
        for part in parts {
            let chunks = part.chunk..<part.chunk + part.chunkCount
            guard chunks.contains(where: { known[$0 >> 6] & (1 << UInt64($0 & 63)) == 0 }) else { continue }
            try view.check(part)
            for chunk in chunks { words[chunk >> 6] |= 1 << UInt64(chunk & 63) }
        }
        if view.entry.flags.contains(.hasChanges) { try view.checkChanges() }
        let changes = shape.chunkCount
        words[changes >> 6] |= 1 << UInt64(changes & 63)
        lock.locked {
            // A frame that left its write buffer in the meantime stays unchecked: what was checked was the buffer.
            guard view.mapped != nil || isRecent(view.entry.offset) else { return }
            for word in 0..<verifiedWordCount { verified[first + word] |= words[word] }
        }
        return view
    }

    /// A frame without any check of its columns.
    func view(frame index: Int) throws(LogError) -> FrameView? {
        try lock.locked { () throws(LogError) in index < frames.count ? try locate(index) : nil }
    }

    private func recentIndex(_ offset: Int) -> Int? {
        guard recentHead < recent.count, offset >= recent[recentHead].offset else { return nil }
        var low = recentHead
        var high = recent.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if recent[middle].offset <= offset { low = middle } else { high = middle - 1 }
        }
        return low
    }

    private func isRecent(_ offset: Int) -> Bool {
        guard let index = recentIndex(offset) else { return false }
        return offset - recent[index].offset < recent[index].buffer.byteCount
    }

    private func locate(_ index: Int) throws(LogError) -> FrameView {
        let entry = frames[index]
        if let place = recentIndex(entry.offset) {
            let found = recent[place]
            let start = entry.offset - found.offset
            if start + entry.byteCount <= found.buffer.byteCount {
                return FrameView(
                    base: UnsafeRawPointer(found.buffer.base) + start, byteCount: entry.byteCount, owner: found.buffer, mapped: nil, shape: shape,
                    file: path, entry: entry)
            }
        }
        if (map?.buffer.byteCount ?? 0) < entry.offset + entry.byteCount { try remap() }
        guard let map, map.buffer.byteCount >= entry.offset + entry.byteCount else {
            throw .damaged(
                LogDamage(
                    file: path, offset: entry.offset, byteCount: entry.byteCount,
                    sequences: entry.info.firstSequence..<entry.info.endSequence, reason: "the file is shorter than it was"))
        }
        return FrameView(
            base: UnsafeRawPointer(map.buffer.base) + entry.offset, byteCount: entry.byteCount, owner: map.buffer, mapped: map.mapped,
            shape: shape, file: path, entry: entry)
    }

    // MARK: Sealing

    /// Whether writing this closed segment anew with larger frames would at least halve the number of frames.
    func wantsMerging() -> Bool {
        lock.locked {
            guard isClosed, !hasDamage, !isKnownLarge, frames.count > 1 else { return false }
            var groups = 0
            FrameMerge.groups(frames) { _ in groups += 1 }
            if groups * 2 > frames.count { isKnownLarge = true }
            return !isKnownLarge
        }
    }

    func mergeGroups() -> [Range<Int>] {
        lock.locked {
            var groups: [Range<Int>] = []
            FrameMerge.groups(frames) { groups.append($0) }
            return groups
        }
    }
}

/// Which neighbouring frames become one when a segment is sealed.
enum FrameMerge {
    /// A frame of at least so many rows or bytes is large already.
    static let largeRowCount = 32_768
    static let largeByteCount = 4 << 20

    static func isLarge(_ entry: FrameEntry) -> Bool { entry.info.rowCount >= largeRowCount || entry.byteCount >= largeByteCount }

    /// Calls `body` with each run of frames that becomes one; a large frame is a run of its own and is copied as it is.
    static func groups(_ frames: ContiguousArray<FrameEntry>, _ body: (Range<Int>) -> Void) {
        var start = 0
        while start < frames.count {
            var end = start + 1
            if !isLarge(frames[start]) {
                var rows = frames[start].info.rowCount
                var bytes = frames[start].byteCount
                while end < frames.count, !isLarge(frames[end]), rows + frames[end].info.rowCount <= FrameFormat.rowCountMax,
                    bytes < 2 * largeByteCount {
                    rows += frames[end].info.rowCount
                    bytes += frames[end].byteCount
                    end += 1
                }
            }
            body(start..<end)
            start = end
        }
    }
}
