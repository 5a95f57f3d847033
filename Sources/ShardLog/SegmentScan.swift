// SegmentScan: builds the index of a segment from its bytes, and finds out what is wrong with it.
//
// 1. Walk from frame to frame. A frame is good when its header is (magic, checksum, identity), its first row follows the row before it,
//    and, when `checksPayload`, all its columns are.
// 2. At a bad place look on, at multiples of 64, for the next frame that is good and whose rows come later. What lies between is a gap.
// 3. When nothing good follows, the rest of the file is the tail.
// 4. Of the segment that was being written when the process ended, a bad place may be a torn write. Every frame says up to where
//    the file had been synced when it was written, so: a gap before the largest such offset is damage; the first gap at or after it is
//    where the unsynced end of the file begins, and nothing after it counts.
//    What a witness outside the file (ShardEnd) says was durable counts the same way, and rows it speaks of that are not there are a gap.
// 5. Frames of an append whose last frame is missing do not count either.
// 6. A frame that is whole and of an unknown format version is neither damage nor data: nothing of the file is used.

import Columns
import Platform

struct SegmentScan {
    struct Gap {
        let offset: Int
        var byteCount: Int
        /// Rows that are missing here; the upper end is not known when nothing follows.
        let firstSequence: UInt64
        var endSequence: UInt64?
        let reason: String
    }

    /// What is known from outside the file: it was durable up to `offset`, where row `sequence` would begin.
    struct Witness {
        let offset: Int
        let sequence: UInt64
    }

    var frames: [FrameEntry] = []
    /// Damage: places that had been synced (or may have been).
    var gaps: [Gap] = []
    /// Where the good part ends, and why what follows is not good (nil when nothing does).
    var endOffset: Int
    var tailReason: String?
    var endSequence: UInt64
    /// Up to where the frames themselves say that the file was synced.
    private(set) var durableOffset = 0
    private(set) var unknownVersion: UInt32?

    enum Purpose {
        /// Nothing is appended any more: whatever is bad is damage.
        case closed
        /// The last segment of a shard: a bad tail may be torn.
        case active
        /// Another process is writing: stop quietly at the first place that is not good.
        case following
    }

    /// `offset` and `sequence` say where the first frame is expected.
    init(
        _ bytes: UnsafeRawBufferPointer, file: String, from offset: Int, sequence: UInt64, shape: FrameShape, purpose: Purpose,
        owner: Buffer, mapped: MappedBytes?, checksPayload: Bool, witness: Witness? = nil
    ) {
        endOffset = offset
        endSequence = sequence
        var durable = 0

        /// The good frame at a place, or what is wrong there.
        func frame(at position: Int) -> Result<(FrameEntry, FrameHeader), FrameFault> {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
            switch FrameHeader.parse(rest, identity: shape.identity) {
            case .failure(let fault): return .failure(fault)
            case .success(let header):
                let entry = FrameEntry(header, offset: position)
                guard checksPayload, let base = rest.baseAddress else { return .success((entry, header)) }
                let view = FrameView(
                    base: base, byteCount: header.byteCount, owner: owner, mapped: mapped, shape: shape, file: file, entry: entry)
                // A frame of another schema version is whole as far as can be told; readers refuse it.
                guard header.schemaVersion == shape.schemaVersion else { return .success((entry, header)) }
                do throws(LogError) {
                    try view.checkAll()
                    return .success((entry, header))
                } catch {
                    if case .damaged(let damage) = error { return .failure(FrameFault(reason: damage.reason)) }
                    return .failure(FrameFault(reason: "\(error)"))
                }
            }
        }

        var position = offset
        var expected = sequence
        while position < bytes.count {
            var reason: String
            switch frame(at: position) {
            case .success(let (entry, header)) where header.firstSequence == expected:
                frames.append(entry)
                durable = max(durable, Int(clamping: header.durableOffset))
                position += entry.byteCount
                expected = entry.info.endSequence
                continue
            case .success(let (_, header)): reason = "row \(header.firstSequence) is here where row \(expected) should be"
            case .failure(let fault):
                reason = fault.reason
                if let found = fault.unknownVersion {
                    unknownVersion = found
                    return
                }
            }
            if purpose == .following {
                tailReason = reason
                break
            }
            // Look on for the next good frame.
            var next = position + FrameFormat.alignment
            var found: UInt64?
            while next < bytes.count {
                if bytes.count - next >= 8, bytes.loadUnaligned(fromByteOffset: next, as: UInt64.self) == FrameFormat.magic,
                    case .success(let (_, header)) = frame(at: next), header.firstSequence >= expected {
                    found = header.firstSequence
                    break
                }
                next += FrameFormat.alignment
            }
            gaps.append(
                Gap(
                    offset: position, byteCount: min(next, bytes.count) - position, firstSequence: expected, endSequence: found,
                    reason: reason))
            guard let found else {
                tailReason = reason
                break
            }
            position = next
            expected = found
        }
        durableOffset = min(durable, bytes.count)
        finish(purpose, durable: max(durable, witness?.offset ?? 0), byteCount: bytes.count, start: offset, sequence: sequence, witness)
    }

    /// Decides which gaps are damage and where the good part ends.
    private mutating func finish(_ purpose: Purpose, durable: Int, byteCount: Int, start: Int, sequence: UInt64, _ witness: Witness?) {
        if purpose == .active {
            // Step 4. A gap that reaches the end of the file is the tail: only a frame behind it or a witness could prove that it was synced.
            if let witness, let last = gaps.indices.last, gaps[last].endSequence == nil, gaps[last].offset < witness.offset,
                gaps[last].firstSequence < witness.sequence {
                gaps[last].endSequence = witness.sequence
                tailReason = nil
            }
            if let torn = gaps.firstIndex(where: { $0.offset >= durable || $0.endSequence == nil }) {
                tailReason = gaps[torn].reason
                let cut = gaps[torn].offset
                frames.removeAll { $0.offset >= cut }
                gaps.removeSubrange(torn...)
            }
        } else if purpose == .closed {
            tailReason = nil
        }
        if purpose != .closed {
            // Step 5.
            while let last = frames.last, last.flags.contains(.continues), last.info.endSequence > witness?.sequence ?? 0 {
                frames.removeLast()
                if tailReason == nil { tailReason = "the last append is not complete" }
            }
        }
        if let last = frames.last {
            endOffset = last.offset + last.byteCount
            endSequence = last.info.endSequence
        } else {
            endOffset = start
            endSequence = sequence
        }
        guard purpose == .active, let witness, endSequence < witness.sequence, gaps.last?.endSequence != witness.sequence else { return }
        gaps.append(
            Gap(
                offset: endOffset, byteCount: max(byteCount - endOffset, 0), firstSequence: endSequence, endSequence: witness.sequence,
                reason: "the file ends before rows that were on the disk"))
    }
}
