// LogVerifier: reads every byte of the log's files and says what is wrong with them. It takes no lock and changes nothing.
//
// 1. The format of the directory; of each stream its description and the copy of it.
// 2. Of each shard the rows given up and every segment: header, every frame with all its columns, that rows follow one another across files, and that
//    what the witness saw on the disk is there.
// 3. Of a segment that is being written only what is whole is looked at; without a writer, its torn end is told as such and is no fault.

import Columns
import Platform

/// What verifying found.
package struct LogVerification: Sendable {
    package struct Torn: Sendable, CustomStringConvertible {
        package let file: String
        package let offset: Int
        package let byteCount: Int
        package let reason: String
        package var description: String {
            "\(file), offset \(offset), \(byteCount) bytes: the end of a write that was never acknowledged (\(reason)); the next opening cuts it off"
        }
    }

    package var faults: [LogDamage] = []
    package var torn: [Torn] = []
    /// Rows that damage touches and that were given up.
    package var givenUpRowCount: UInt64 = 0
    package var streamCount = 0
    package var fileCount = 0
    package var byteCount = 0
    package var rowCount: UInt64 = 0

    package init() {}
}

package struct LogVerifier {
    private let path: String
    private let system: any FileSystem
    /// Another process may be writing meanwhile.
    private let isBeingWritten: Bool
    private var found = LogVerification()

    private init(_ path: String, _ system: any FileSystem, isBeingWritten: Bool) {
        self.path = path
        self.system = system
        self.isBeingWritten = isBeingWritten
    }

    /// `stream` nil: all of them.
    package static func verify(
        _ path: String, _ system: any FileSystem, stream: String? = nil, isBeingWritten: Bool = false
    ) throws(LogError) -> LogVerification {
        var verifier = LogVerifier(path, system, isBeingWritten: isBeingWritten)
        try verifier.verifyAll(stream)
        return verifier.found
    }

    private mutating func fault(_ file: String, _ offset: Int, _ byteCount: Int, _ reason: String, rows: Range<UInt64> = 0..<0) {
        found.faults.append(LogDamage(file: file, offset: offset, byteCount: byteCount, sequences: rows, reason: reason))
    }

    private mutating func verifyAll(_ wanted: String?) throws(LogError) {
        try LogDirectory.checkFormat(path, system)
        found.fileCount += 1
        var isKnown = wanted == nil
        for id in try LogDirectory.streamIDs(path, system) {
            let folder = LogDirectory.folder(of: id, in: path)
            if system.exists(folder + "/dropped") { continue }
            let (description, reasons) = try LogDirectory.readDescription(id, in: path, system)
            if let wanted, let description, description.name.lowercased() != wanted.lowercased() { continue }
            for (file, reason) in reasons where wanted == nil || description != nil { fault(file, 0, 0, reason) }
            guard let description else {
                if wanted == nil { fault(folder, 0, 0, "the stream cannot be opened: nothing says what its rows are") }
                continue
            }
            isKnown = true
            found.streamCount += 1
            found.fileCount += 2
            for shard in description.shards { try verify(LogDirectory.settings(description, shard, in: path)) }
        }
        if let wanted, !isKnown { throw .unknownStream(wanted) }
    }

    private mutating func verify(_ settings: ShardSettings) throws(LogError) {
        let folder = settings.directory
        let identity = settings.shape.identity
        let names: [(name: String, first: UInt64)]
        do throws(FileError) {
            names = try system.list(folder).compactMap { name in SegmentHeader.firstSequence(ofFile: name).map { (name, $0) } }
        } catch {
            return fault(folder, 0, 0, "cannot be read: \(error.reason)")
        }
        let (givenUp, givenUpFault) = try GivenUpRows.read(in: folder, identity: identity, system)
        if let givenUpFault { fault(folder + "/" + GivenUpRows.fileName, 0, 0, givenUpFault) }
        let known = try ShardEnd.read(in: folder, identity: identity, system)
        let start = found.faults.count
        var end: UInt64?
        for (position, (name, first)) in names.enumerated() {
            if let end, end != first {
                let reason = first > end ? "rows are missing before it" : "it begins with row \(first), which the file before holds too"
                note(missing: end..<max(end, first), at: folder + "/" + name, reason, from: start)
            }
            end = try verify(folder + "/" + name, first, settings.shape, known, isLast: position == names.count - 1)
        }
        if names.isEmpty { fault(folder, 0, 0, "all segment files are missing", rows: 0..<(known?.sequence ?? 0)) }
        if let known, let last = end, known.sequence > last, !isBeingWritten {
            note(missing: last..<known.sequence, at: folder, "rows at the end are missing that were on the disk", from: start)
        }
        for index in stride(from: found.faults.count - 1, through: start, by: -1) where givenUp.covers(found.faults[index].sequences) {
            found.faults.remove(at: index)
        }
        found.givenUpRowCount += givenUp.rowCount
    }

    /// The rows between two files: when a hole at the end of the file before was found already, that is where they were.
    private mutating func note(missing rows: Range<UInt64>, at file: String, _ reason: String, from start: Int) {
        if let index = found.faults[start...].lastIndex(where: { $0.sequences.lowerBound == rows.lowerBound && !rows.isEmpty }) {
            let old = found.faults[index]
            found.faults[index] = LogDamage(
                file: old.file, offset: old.offset, byteCount: old.byteCount,
                sequences: rows.lowerBound..<max(rows.upperBound, old.sequences.upperBound), reason: old.reason)
        } else {
            fault(file, 0, 0, reason, rows: rows)
        }
    }

    /// Returns the row after the last one.
    private mutating func verify(_ file: String, _ first: UInt64, _ shape: FrameShape, _ known: ShardEnd?, isLast: Bool) throws(LogError) -> UInt64 {
        let mapped: MappedBytes
        do throws(FileError) {
            let opened = try system.open(file, .read)
            mapped = try opened.map(byteCount: try opened.size())
            try mapped.bringIn(mapped.bytes)
        } catch {
            if error.isShortage { throw .file(error) }
            // Retention of a writer may have removed it meanwhile.
            if !isBeingWritten || system.exists(file) { fault(file, 0, 0, "cannot be read: \(error.reason)", rows: first..<first) }
            return first
        }
        defer { mapped.letGo(mapped.bytes) }
        let bytes = mapped.bytes
        found.fileCount += 1
        found.byteCount += bytes.count
        var headerLength = SegmentHeader.fixedByteCount
        var isHeaderWhole = true
        switch SegmentHeader.parse(bytes, identity: shape.identity) {
        case .success(let (header, length)):
            headerLength = length
            if header.firstSequence != first {
                fault(file, 0, length, "the file's name does not fit its header", rows: first..<first)
                isHeaderWhole = false
            }
        case .failure(let problem):
            if let found = problem.unknownVersion { throw .version(path: file, found: "\(found)", known: "version \(SegmentHeader.version)") }
            fault(file, 0, min(headerLength, bytes.count), problem.reason, rows: first..<first)
            isHeaderWhole = false
        }
        let owner = Buffer(borrowing: bytes.baseAddress ?? UnsafeRawPointer(EmptyBytes.pointer), byteCount: bytes.count, owner: mapped)
        let isActive = isLast && isHeaderWhole && known.map({ $0.segment <= first }) ?? true
        let witness = known.flatMap { $0.segment == first ? SegmentScan.Witness(offset: $0.offset, sequence: $0.sequence) : nil }
        let scan = SegmentScan(
            bytes, file: file, from: min(headerLength, bytes.count), sequence: first, shape: shape,
            purpose: !isActive ? .closed : isBeingWritten ? .following : .active, owner: owner, mapped: mapped, checksPayload: true, witness: witness)
        if let version = scan.unknownVersion {
            throw .version(path: file, found: "frame version \(version)", known: "version \(FrameFormat.version)")
        }
        for gap in scan.gaps { fault(file, gap.offset, gap.byteCount, gap.reason, rows: gap.firstSequence..<(gap.endSequence ?? gap.firstSequence)) }
        found.rowCount &+= scan.frames.reduce(0) { $0 &+ UInt64($1.info.rowCount) }
        if isActive, !isBeingWritten, scan.endOffset < bytes.count, !(scan.gaps.last.map { $0.offset >= scan.endOffset } ?? false) {
            found.torn.append(
                LogVerification.Torn(
                    file: file, offset: scan.endOffset, byteCount: bytes.count - scan.endOffset, reason: scan.tailReason ?? "not a whole frame"))
        }
        return scan.endSequence
    }
}
