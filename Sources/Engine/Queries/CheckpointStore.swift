// CheckpointStore: a query's checkpoints on disk.
//
// A checkpoint is a file `checkpoint-<epoch, 20 digits>`:
//
//     magic    8 bytes  "MRCHKPT1"
//     length   UInt64   bytes of the body
//     body              positions and counters (words), then the operators' state
//     crc      UInt32   CRC32C of magic, length and body
//
// It is written under another name, synced, renamed, and the folder synced: it is there whole or not at all. The last two are kept: when
// the newest turns out damaged, the one before is taken, with a notice, and the epoch log reaches back far enough for it.

import Platform

/// What a query knows at the end of an epoch.
package struct Checkpoint: Hashable, Sendable {
    package var epoch: UInt64
    package var clockMicroseconds: Int64
    /// By scan, then by shard: the next position to read.
    package var positions: [[Int64]]
    /// By scan, then by shard: the end of the input had been reported.
    package var ended: [[Bool]]
    /// Where the output stood (a file's length); 0 for streams of the log, whose frames carry the epoch.
    package var sinkPosition: Int64
    package var rowsIn: Int64
    package var rowsOut: Int64
    package var lateRows: Int64
    package var failedRows: Int64
    package var rejectedRows: Int64
    package var expiredRows: Int64
    package var state: [UInt8]
}

package final class CheckpointStore {
    private let fileSystem: any FileSystem
    private let directory: String

    private static let magic: [UInt8] = Array("MRCHKPT1".utf8)

    package init(directory: String, fileSystem: any FileSystem) {
        self.directory = directory
        self.fileSystem = fileSystem
    }

    /// The newest checkpoint that is whole, and a notice for each newer one that is not.
    package func newest() throws(FileError) -> (checkpoint: Checkpoint?, notices: [String]) {
        var notices: [String] = []
        for epoch in try epochs().reversed() {
            let path = directory + "/" + CheckpointStore.fileName(epoch)
            let file = try fileSystem.open(path, .read)
            var bytes = [UInt8](repeating: 0, count: try file.size())
            var failure: FileError?
            var count = 0
            bytes.withUnsafeMutableBytes { buffer in
                do throws(FileError) { count = try file.read(into: buffer, at: 0) } catch { failure = error }
            }
            if let failure { throw failure }
            if let checkpoint = CheckpointStore.decode(bytes[..<count]), checkpoint.epoch == epoch { return (checkpoint, notices) }
            notices.append("checkpoint \(path) is damaged; the one before it is used")
        }
        return (nil, notices)
    }

    /// Publishes a checkpoint and removes all but it and the one before. Returns the epoch of the one before; 0 when there is none.
    package func publish(_ checkpoint: Checkpoint, durable: Bool) throws(FileError) -> UInt64 {
        let name = CheckpointStore.fileName(checkpoint.epoch)
        let path = directory + "/" + name
        let file = try fileSystem.open(path + ".new", .truncate)
        let bytes = CheckpointStore.encode(checkpoint)
        var failure: FileError?
        bytes.withUnsafeBytes { buffer in
            do throws(FileError) { try file.write(buffer, at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        if durable && !PlantedBug.isOn(.checkpointWithoutSync) { try file.synchronize() }
        try fileSystem.rename(path + ".new", to: path)
        if durable { try fileSystem.synchronizeDirectory(directory) }
        let older = try epochs().filter { $0 < checkpoint.epoch }
        for epoch in older.dropLast() { try fileSystem.remove(directory + "/" + CheckpointStore.fileName(epoch)) }
        return older.last ?? 0
    }

    private func epochs() throws(FileError) -> [UInt64] {
        try fileSystem.list(directory).compactMap { $0.hasPrefix("checkpoint-") ? UInt64($0.dropFirst(11)) : nil }.sorted()
    }

    private static func fileName(_ epoch: UInt64) -> String { "checkpoint-\(zeroPadded(epoch))" }

    // MARK: Bytes

    static func encode(_ checkpoint: Checkpoint) -> [UInt8] {
        var words: [Int64] = [
            Int64(bitPattern: checkpoint.epoch), checkpoint.clockMicroseconds, checkpoint.sinkPosition, checkpoint.rowsIn,
            checkpoint.rowsOut, checkpoint.lateRows, checkpoint.failedRows, checkpoint.rejectedRows, checkpoint.expiredRows,
            Int64(checkpoint.positions.count),
        ]
        for (shards, ended) in zip(checkpoint.positions, checkpoint.ended) {
            words.append(Int64(shards.count))
            for (position, hasEnded) in zip(shards, ended) {
                words.append(position)
                words.append(hasEnded ? 1 : 0)
            }
        }
        var bytes = magic
        let length = 8 + words.count * 8 + checkpoint.state.count
        withUnsafeBytes(of: UInt64(length).littleEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: UInt64(words.count).littleEndian) { bytes.append(contentsOf: $0) }
        for word in words { withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) } }
        bytes.append(contentsOf: checkpoint.state)
        let crc = bytes.withUnsafeBytes { CRC32C.checksum($0) }
        withUnsafeBytes(of: crc.littleEndian) { bytes.append(contentsOf: $0) }
        return bytes
    }

    static func decode(_ bytes: ArraySlice<UInt8>) -> Checkpoint? {
        guard bytes.count >= 28, Array(bytes.prefix(8)) == magic else { return nil }
        let start = bytes.startIndex
        let length = load64(bytes, at: start + 8)
        guard length >= 8, length == Int64(bytes.count - 20) else { return nil }
        let checked = bytes[start..<bytes.endIndex - 4]
        guard checked.withUnsafeBytes({ CRC32C.checksum($0) }) == load32(bytes, at: bytes.endIndex - 4) else { return nil }
        let wordCount = load64(bytes, at: start + 16)
        guard wordCount >= 0, wordCount <= (length - 8) / 8 else { return nil }
        var words: [Int64] = []
        for index in 0..<Int(wordCount) { words.append(load64(bytes, at: start + 24 + index * 8)) }
        var reader = WordReader(words)
        guard let epoch = reader.next(), let clock = reader.next(), let sink = reader.next(), let rowsIn = reader.next(),
            let rowsOut = reader.next(), let late = reader.next(), let failed = reader.next(), let rejected = reader.next(),
            let expired = reader.next(), let scanCount = reader.nextCount()
        else { return nil }
        var positions: [[Int64]] = []
        var ended: [[Bool]] = []
        for _ in 0..<scanCount {
            guard let shardCount = reader.nextCount() else { return nil }
            var shards: [Int64] = []
            var flags: [Bool] = []
            for _ in 0..<shardCount {
                guard let position = reader.next(), let flag = reader.next() else { return nil }
                shards.append(position)
                flags.append(flag != 0)
            }
            positions.append(shards)
            ended.append(flags)
        }
        let state = bytes[start + 24 + Int(wordCount) * 8..<bytes.endIndex - 4]
        return Checkpoint(
            epoch: UInt64(bitPattern: epoch), clockMicroseconds: clock, positions: positions, ended: ended, sinkPosition: sink,
            rowsIn: rowsIn, rowsOut: rowsOut, lateRows: late, failedRows: failed, rejectedRows: rejected, expiredRows: expired,
            state: Array(state))
    }
}
