// EpochLog: the query's journal of epochs.
//
// Files `epochs-<first epoch, 20 digits>.log` in the query's folder, each a header and a row of records:
//
//     header   magic "MREPOCHS" (8 bytes), version UInt32, CRC32C of both UInt32
//     length   UInt32   bytes of the payload, a multiple of 8
//     crc      UInt32   CRC32C of all that follows in the record
//     synced   UInt64   the epoch up to which the log was durable when the record was written
//     previous UInt64   crc of the record before it in the file; 0 for the first one
//     payload           an EpochRecord as little-endian 64-bit words
//
// 1. `append` writes a record; `synchronize` makes all of them durable. Output of an epoch may become visible only after that. After a failed sync
//    nothing is written any more: only a new object, which reads everything anew, knows what there is.
// 2. When a checkpoint is captured a new file is begun; when it has been published, files whose epochs are all older than the checkpoint
//    before it are removed: the last two checkpoints can always be replayed from.
// 3. Recovery needs the records after a checkpoint. A record that is torn at the end of the last file is cut off, with what follows: nothing of it can
//    have had visible output, because records become durable in order. Anything else that is missing is damage, told by what comes later: another
//    file, a record that says that what was before it had been synced, output that is there already. Without those records the query
//    cannot go on as it was, and says so. Damage in what is not needed is a notice.
// 4. What recovery keeps is written again over itself and synced: pages of a failed sync may look clean without being on the disk.
// 5. Records are chained by `previous`. What recovery has cut off can come back when the sync of the cut failed and the power went later: it then lies
//    behind records that were written since, at the very place where the next one would. The chain tells it from one that belongs there.

import Platform

package struct EpochLogDamage: Error, CustomStringConvertible, Sendable {
    package let file: String
    package let offset: Int
    package let reason: String

    package var description: String { "damaged epoch log: \(file), offset \(offset): \(reason)" }
}

package final class EpochLog {
    private let fileSystem: any FileSystem
    private let directory: String
    private var file: (any File)?
    private var offset = 0
    private var hasUnsynced = false
    private var lastEpoch: UInt64 = 0
    private var syncedEpoch: UInt64 = 0
    /// The checksum of the last record in the file, which the next one names.
    private var lastChecksum: UInt32 = 0
    /// Why nothing is written any more.
    private var failure: FileError?

    private static let payloadByteCountMax = 1 << 24
    private static let magic = Array("MREPOCHS".utf8)
    static let version: UInt32 = 2
    static let headerByteCount = 16
    static let recordHeadByteCount = 24

    package init(directory: String, fileSystem: any FileSystem) {
        self.directory = directory
        self.fileSystem = fileSystem
    }

    // MARK: Reading

    /// What recovery found damaged that does no harm.
    package private(set) var notices: [String] = []

    /// The records of the epochs after `checkpoint`, in order. Output of epoch `visible` can be seen, so its record was durable. A record that
    /// `isReplayable` refuses names input that was not durable when the power went: nothing of it can have been seen, and the log ends before it.
    package func recover(
        after checkpoint: UInt64 = 0, visible: UInt64 = 0, isReplayable: (EpochRecord) -> Bool = { _ in true }
    ) throws -> [EpochRecord] {
        var records: [EpochRecord] = []
        let names = try fileNames()
        let firsts = names.map { EpochLog.firstEpoch(of: $0) }
        var expected = checkpoint &+ 1
        for (index, name) in names.enumerated() {
            let path = directory + "/" + name
            let isLast = index == names.count - 1
            let opened = try fileSystem.open(path, isLast ? .readWrite : .read)
            var scan = try EpochLog.scan(try EpochLog.read(opened), path: path, firstEpoch: firsts[index])
            if !isLast, firsts[index + 1] <= expected {
                // Nothing of this file is needed, unless the newest checkpoint turns out damaged.
                if let fault = scan.fault ?? (scan.nextEpoch < firsts[index + 1] ? EpochLogDamage(file: path, offset: scan.endOffset, reason: "epochs are missing") : nil) {
                    notices.append("\(fault); its epochs are older than the checkpoint in use")
                }
                continue
            }
            guard firsts[index] <= expected else {
                throw EpochLogDamage(file: path, offset: 0, reason: "the epochs \(expected)...\(firsts[index] &- 1) are missing before this file")
            }
            if let place = scan.records.firstIndex(where: { $0.epoch >= expected && !isReplayable($0) }) {
                let offset = EpochLog.headerByteCount + scan.records[..<place].reduce(0) { $0 + EpochLog.recordHeadByteCount + $1.words.count * 8 }
                let lost = EpochLogDamage(file: path, offset: offset, reason: "rows that epoch \(scan.records[place].epoch) has read are gone")
                guard isLast, visible < scan.records[place].epoch else { throw lost }
                scan.nextEpoch = scan.records[place].epoch
                scan.records.removeSubrange(place...)
                scan.checksums.removeSubrange(place...)
                scan.endOffset = offset
                scan.fault = nil
            }
            records += scan.records.filter { $0.epoch >= expected }
            expected = max(expected, scan.nextEpoch)
            guard isLast else {
                guard scan.nextEpoch == firsts[index + 1] else {
                    throw scan.fault ?? EpochLogDamage(file: path, offset: scan.endOffset, reason: "the epochs \(scan.nextEpoch)...\(firsts[index + 1] &- 1) are missing")
                }
                continue
            }
            if let fault = scan.fault {
                guard scan.syncedAfterFault < expected else { throw fault }
                guard visible < expected else {
                    throw EpochLogDamage(file: path, offset: scan.endOffset, reason: "\(fault.reason), and the output of epoch \(visible) is there already")
                }
            }
            // A file that does not reach the checkpoint is left as it is: what follows the checkpoint goes into a new one.
            if scan.nextEpoch == expected { try keep(opened, scan) }
        }
        guard visible < expected else {
            throw EpochLogDamage(
                file: directory + "/" + (names.last ?? "epochs"), offset: offset,
                reason: "the log ends before epoch \(expected), but the output of epoch \(visible) is there already")
        }
        lastEpoch = expected &- 1
        syncedEpoch = lastEpoch
        return records
    }

    /// Cuts what is torn, writes the rest again, and goes on behind it. A file whose header did not survive its making begins anew.
    private func keep(_ opened: any File, _ scan: Scan) throws(FileError) {
        guard scan.endOffset > 0 else { return }
        if scan.endOffset < scan.bytes.count { try opened.truncate(to: scan.endOffset) }
        try EpochLog.write(Array(scan.bytes[..<scan.endOffset]), to: opened, at: 0)
        try opened.synchronize()
        // Nor may its name be durable: the process that made the file may have failed to see to it.
        try fileSystem.synchronizeDirectory(directory)
        file = opened
        offset = scan.endOffset
        lastChecksum = scan.checksums.last ?? 0
    }

    /// What a file holds.
    struct Scan {
        var bytes: [UInt8] = []
        var records: [EpochRecord] = []
        /// Of each record.
        var checksums: [UInt32] = []
        /// The offset behind the last whole record; 0 when not even the header is there.
        var endOffset = 0
        /// The epoch after the last whole record.
        var nextEpoch: UInt64
        /// What is wrong behind the last whole record.
        var fault: EpochLogDamage?
        /// The largest epoch that a whole record behind the fault says was synced.
        var syncedAfterFault: UInt64 = 0
    }

    static func scan(_ bytes: [UInt8], path: String, firstEpoch: UInt64) throws(EngineError) -> Scan {
        var scan = Scan(bytes: bytes, nextEpoch: firstEpoch)
        var position = 0
        if bytes.count >= headerByteCount, headerIsWhole(bytes) {
            let found = load32(bytes[...], at: 8)
            guard found == version else {
                throw EngineError("\(path) has format version \(found); this program reads version \(version)")
            }
            position = headerByteCount
            scan.endOffset = position
        } else if !bytes.isEmpty {
            scan.fault = EpochLogDamage(file: path, offset: 0, reason: "the header is damaged")
        }
        while scan.fault == nil, position < bytes.count {
            guard let found = record(bytes[...], at: position), found.record.epoch == scan.nextEpoch else {
                scan.fault = EpochLogDamage(file: path, offset: position, reason: "the record of epoch \(scan.nextEpoch) is damaged")
                break
            }
            guard found.previous == UInt64(scan.checksums.last ?? 0) else {
                scan.fault = EpochLogDamage(
                    file: path, offset: position, reason: "the record of epoch \(scan.nextEpoch) does not follow the one before it")
                break
            }
            scan.records.append(found.record)
            scan.checksums.append(found.checksum)
            scan.nextEpoch = found.record.epoch &+ 1
            position = found.end
            scan.endOffset = position
        }
        guard scan.fault != nil else { return scan }
        // Whole records further on prove what had been synced. Everything lies at multiples of 8.
        position = max(position + 8, headerByteCount)
        while position < bytes.count {
            if let found = record(bytes[...], at: position), found.record.epoch >= scan.nextEpoch {
                scan.syncedAfterFault = max(scan.syncedAfterFault, found.synced)
                position = found.end
            } else {
                position += 8
            }
        }
        return scan
    }

    private static func headerIsWhole(_ bytes: [UInt8]) -> Bool {
        Array(bytes.prefix(8)) == magic && bytes[..<12].withUnsafeBytes { CRC32C.checksum($0) } == load32(bytes[...], at: 12)
    }

    /// A record as it lies in a file.
    private struct Found {
        var record: EpochRecord
        /// The epoch up to which the log was durable when it was written.
        var synced: UInt64
        var previous: UInt64
        var checksum: UInt32
        var end: Int
    }

    /// The record at a place; nil when there is none.
    private static func record(_ bytes: ArraySlice<UInt8>, at position: Int) -> Found? {
        guard bytes.endIndex - position >= recordHeadByteCount else { return nil }
        let length = Int(load32(bytes, at: position))
        guard length % 8 == 0, length <= payloadByteCountMax, bytes.endIndex - position - recordHeadByteCount >= length else { return nil }
        let end = position + recordHeadByteCount + length
        let checksum = load32(bytes, at: position + 4)
        guard bytes[position + 8..<end].withUnsafeBytes({ CRC32C.checksum($0) }) == checksum else { return nil }
        var words: [Int64] = []
        words.reserveCapacity(length / 8)
        for start in stride(from: position + recordHeadByteCount, to: end, by: 8) { words.append(load64(bytes, at: start)) }
        guard let record = EpochRecord(words: words) else { return nil }
        return Found(
            record: record, synced: UInt64(bitPattern: load64(bytes, at: position + 8)),
            previous: UInt64(bitPattern: load64(bytes, at: position + 16)), checksum: checksum, end: end)
    }

    private static func read(_ file: any File) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: try file.size())
        var failure: FileError?
        var count = 0
        bytes.withUnsafeMutableBytes { buffer in
            do throws(FileError) { count = try file.read(into: buffer, at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        bytes.removeSubrange(count...)
        return bytes
    }

    private static func write(_ bytes: [UInt8], to file: any File, at offset: Int) throws(FileError) {
        var failure: FileError?
        bytes.withUnsafeBytes { buffer in
            do throws(FileError) { try file.write(buffer, at: offset) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Throws when one of a query's files was written in a format that this program does not know. Changes nothing.
    static func checkVersions(directory: String, fileSystem: any FileSystem) throws {
        let log = EpochLog(directory: directory, fileSystem: fileSystem)
        for name in try log.fileNames() {
            let path = directory + "/" + name
            let file = try fileSystem.open(path, .read)
            var head = [UInt8](repeating: 0, count: headerByteCount)
            let count = try head.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
            if count == headerByteCount { _ = try scan(head, path: path, firstEpoch: 0) }
        }
    }

    /// Reads everything in a query's folder and reports every fault with its file and offset; changes nothing.
    package static func verify(directory: String, fileSystem: any FileSystem) throws -> [String] {
        let log = EpochLog(directory: directory, fileSystem: fileSystem)
        var faults: [String] = []
        let names = try log.fileNames()
        for (index, name) in names.enumerated() {
            let path = directory + "/" + name
            let scan = try scan(try read(try fileSystem.open(path, .read)), path: path, firstEpoch: firstEpoch(of: name))
            let isLast = index == names.count - 1
            if let fault = scan.fault {
                // The end of the last file may be torn, which the next start cuts off.
                if !isLast || scan.syncedAfterFault >= scan.nextEpoch { faults.append("\(fault)") }
            } else if !isLast, scan.nextEpoch != firstEpoch(of: names[index + 1]) {
                faults.append("\(EpochLogDamage(file: path, offset: scan.endOffset, reason: "epochs are missing at the end of the file"))")
            }
        }
        return faults
    }

    // MARK: Writing

    package func append(_ record: EpochRecord) throws(FileError) {
        if let failure { throw failure }
        let target: any File
        if let file { target = file } else { target = try beginFile(firstEpoch: record.epoch) }
        let (whole, checksum) = EpochLog.encode(record, synced: syncedEpoch, previous: lastChecksum)
        try EpochLog.write(whole, to: target, at: offset)
        offset += whole.count
        lastChecksum = checksum
        lastEpoch = record.epoch
        hasUnsynced = true
    }

    /// A record's bytes, and its checksum.
    static func encode(_ record: EpochRecord, synced: UInt64, previous: UInt32) -> (bytes: [UInt8], checksum: UInt32) {
        let words = record.words
        var body: [UInt8] = []
        body.reserveCapacity(16 + words.count * 8)
        withUnsafeBytes(of: synced.littleEndian) { body.append(contentsOf: $0) }
        withUnsafeBytes(of: UInt64(previous).littleEndian) { body.append(contentsOf: $0) }
        for word in words { withUnsafeBytes(of: word.littleEndian) { body.append(contentsOf: $0) } }
        let checksum = body.withUnsafeBytes { CRC32C.checksum($0) }
        var whole: [UInt8] = []
        whole.reserveCapacity(8 + body.count)
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: words.count * 8).littleEndian) { whole.append(contentsOf: $0) }
        withUnsafeBytes(of: checksum.littleEndian) { whole.append(contentsOf: $0) }
        return (whole + body, checksum)
    }

    package func synchronize() throws(FileError) {
        if let failure { throw failure }
        guard hasUnsynced, let file else { return }
        do throws(FileError) { try file.synchronize() } catch {
            failure = error
            throw error
        }
        hasUnsynced = false
        syncedEpoch = lastEpoch
    }

    /// Begins a new file for epochs from `epoch` on, once all before them are durable.
    package func rotate(nextEpoch epoch: UInt64) throws(FileError) {
        try synchronize()
        file = nil
        _ = try beginFile(firstEpoch: epoch)
    }

    /// Removes the files that only hold epochs up to `removable`.
    package func remove(through removable: UInt64) throws(FileError) {
        let names = try fileNames()
        // A file ends where the next one begins. The last one stays.
        for (name, next) in zip(names, names.dropFirst()) where EpochLog.firstEpoch(of: next) <= removable &+ 1 {
            try fileSystem.remove(directory + "/" + name)
        }
    }

    private func beginFile(firstEpoch: UInt64) throws(FileError) -> any File {
        let created = try fileSystem.open(directory + "/" + EpochLog.fileName(firstEpoch), .truncate)
        try fileSystem.synchronizeDirectory(directory)
        var header = EpochLog.magic
        withUnsafeBytes(of: EpochLog.version.littleEndian) { header.append(contentsOf: $0) }
        withUnsafeBytes(of: header.withUnsafeBytes { CRC32C.checksum($0) }.littleEndian) { header.append(contentsOf: $0) }
        try EpochLog.write(header, to: created, at: 0)
        file = created
        offset = EpochLog.headerByteCount
        lastChecksum = 0
        hasUnsynced = true
        return created
    }

    private func fileNames() throws(FileError) -> [String] {
        try fileSystem.list(directory).filter { $0.hasPrefix("epochs-") && $0.hasSuffix(".log") }
    }

    static func fileName(_ firstEpoch: UInt64) -> String { "epochs-\(zeroPadded(firstEpoch)).log" }
    static func firstEpoch(of name: String) -> UInt64 { UInt64(name.dropFirst(7).dropLast(4)) ?? 0 }
}

/// 20 digits, so that names sort as numbers do.
func zeroPadded(_ number: UInt64) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 20 - digits.count)) + digits
}

func load32(_ bytes: ArraySlice<UInt8>, at index: Int) -> UInt32 {
    bytes.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: index - bytes.startIndex, as: UInt32.self)) }
}

func load64(_ bytes: ArraySlice<UInt8>, at index: Int) -> Int64 {
    bytes.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(fromByteOffset: index - bytes.startIndex, as: Int64.self)) }
}
