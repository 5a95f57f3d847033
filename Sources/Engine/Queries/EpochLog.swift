// EpochLog: the query's journal of epochs.
//
// Files `epochs-<first epoch, 20 digits>.log` in the query's folder, each a row of records:
//
//     length  UInt32   bytes of the payload, a multiple of 8
//     crc     UInt32   CRC32C of the payload
//     payload          an EpochRecord as little-endian 64-bit words
//
// 1. `append` writes a record; `synchronize` makes all of them durable. Output of an epoch may become visible only after that.
// 2. When a checkpoint is captured a new file is begun; when it has been published, files whose epochs are all older than the checkpoint
//    before it are removed: the last two checkpoints can always be replayed from.
// 3. Opening reads the files that reach past the checkpoint, in order, and stops at the first record that is torn or does not follow the one
//    before: nothing after it can have had visible output, because records become durable in order. The file is cut there. When the output
//    does hold a later epoch the log is damaged and not torn: nothing is cut, and the query does not start.

import Platform

package final class EpochLog {
    private let fileSystem: any FileSystem
    private let directory: String
    private var file: (any File)?
    private var offset = 0
    private var hasUnsynced = false

    private static let payloadByteCountMax = 1 << 24

    package init(directory: String, fileSystem: any FileSystem) {
        self.directory = directory
        self.fileSystem = fileSystem
    }

    // MARK: Reading

    /// Every record after `checkpoint` that is whole, in order; cuts what is torn behind them. Output of epoch `visible` can be seen, so its record was
    /// durable: a log that no longer reaches it is damaged, and is left as it is. A record that `isReplayable` refuses counts as torn.
    package func recover(
        after checkpoint: UInt64 = 0, visible: UInt64 = 0, isReplayable: (EpochRecord) -> Bool = { _ in true }
    ) throws(FileError) -> [EpochRecord] {
        var records: [EpochRecord] = []
        var torn: (name: String, file: any File, offset: Int)?
        var leftOver: [String] = []
        let names = try fileNames()
        for (index, name) in names.enumerated() {
            // A file that ends before the checkpoint is for the checkpoint before it.
            if index + 1 < names.count, EpochLog.firstEpoch(of: names[index + 1]) <= checkpoint &+ 1 { continue }
            if torn != nil {
                leftOver.append(name)
                continue
            }
            let opened = try fileSystem.open(directory + "/" + name, .readWrite)
            let byteCount = try opened.size()
            var bytes = [UInt8](repeating: 0, count: byteCount)
            var readError: FileError?
            var count = 0
            bytes.withUnsafeMutableBytes { buffer in
                do throws(FileError) { count = try opened.read(into: buffer, at: 0) } catch { readError = error }
            }
            if let readError { throw readError }
            let known = records.count
            var good = EpochLog.parse(bytes[..<count], into: &records)
            if let lost = records.indices.dropFirst(known).first(where: { records[$0].epoch > checkpoint && !isReplayable(records[$0]) }) {
                good = records[known..<lost].reduce(0) { $0 + 8 + $1.words.count * 8 }
                records.removeSubrange(lost...)
            }
            if good < count { torn = (name, opened, good) }
            file = opened
            offset = good
        }
        let last = max(records.last?.epoch ?? 0, checkpoint)
        if last < visible {
            throw FileError(
                operation: "replay", path: directory + "/" + (torn?.name ?? names.last ?? ""), code: 0,
                reason: "the epoch log is damaged at offset \(torn?.offset ?? offset): it ends with epoch \(last), and the output holds epoch \(visible)")
        }
        if let torn { try torn.file.truncate(to: torn.offset) }
        // What follows from these records becomes visible soon. They may stand in the page cache only, marked clean by a sync that failed before the
        // restart: the same bytes over themselves give the sync something to write. Files before the last one were synced when it was begun.
        if let file, offset > 0 {
            var bytes = [UInt8](repeating: 0, count: offset)
            var failure: FileError?
            bytes.withUnsafeMutableBytes { buffer in
                do throws(FileError) {
                    guard try file.read(into: buffer, at: 0) == buffer.count else { return }
                    try file.write(UnsafeRawBufferPointer(buffer), at: 0)
                } catch { failure = error }
            }
            if let failure { throw failure }
        }
        try file?.synchronize()
        for name in leftOver { try fileSystem.remove(directory + "/" + name) }
        return records
    }

    /// Appends the records found to `records`; returns the offset behind the last whole one.
    static func parse(_ bytes: ArraySlice<UInt8>, into records: inout [EpochRecord]) -> Int {
        var position = bytes.startIndex
        while bytes.endIndex - position >= 8 {
            let length = Int(load32(bytes, at: position))
            let crc = load32(bytes, at: position + 4)
            guard length % 8 == 0, length <= payloadByteCountMax, bytes.endIndex - position - 8 >= length else { break }
            let payload = bytes[position + 8..<position + 8 + length]
            guard payload.withUnsafeBytes({ CRC32C.checksum($0) }) == crc else { break }
            var words: [Int64] = []
            words.reserveCapacity(length / 8)
            for start in stride(from: payload.startIndex, to: payload.endIndex, by: 8) { words.append(load64(bytes, at: start)) }
            guard let record = EpochRecord(words: words) else { break }
            if let last = records.last, record.epoch != last.epoch &+ 1 { break }
            records.append(record)
            position += 8 + length
        }
        return position
    }

    // MARK: Writing

    package func append(_ record: EpochRecord) throws(FileError) {
        let target: any File
        if let file { target = file } else { target = try beginFile(firstEpoch: record.epoch) }
        let words = record.words
        var bytes: [UInt8] = []
        bytes.reserveCapacity(8 + words.count * 8)
        for word in words { withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) } }
        let crc = bytes.withUnsafeBytes { CRC32C.checksum($0) }
        var head: [UInt8] = []
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: bytes.count).littleEndian) { head.append(contentsOf: $0) }
        withUnsafeBytes(of: crc.littleEndian) { head.append(contentsOf: $0) }
        let whole = head + bytes
        var failure: FileError?
        whole.withUnsafeBytes { buffer in
            do throws(FileError) { try target.write(buffer, at: offset) } catch { failure = error }
        }
        if let failure { throw failure }
        offset += whole.count
        hasUnsynced = true
    }

    package func synchronize() throws(FileError) {
        guard hasUnsynced, let file else { return }
        try file.synchronize()
        hasUnsynced = false
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
        file = created
        offset = 0
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
