// ShardEnd: up to where a shard is known to be on the disk, in the file `end` beside its segments.
//
// At the end of a file a torn write and rot look alike, and a file that was cut between two frames looks whole. What tells them apart is a witness
// elsewhere. This one says: the segment that begins with row `segment` was durable up to `offset`, and the shard up to row `sequence`. It is a lower
// bound and stays true whatever comes later, so it is written when it costs nobody anything: when the shard is opened, has been quiet for a
// while, or is closed; and a failure to write it is no failure.
//
// The file has two slots, a page apart, written in turn, so that a torn write leaves one of them:
//   0 magic  8 crc  12 version  16 identity  24 segment  32 offset  40 sequence  48 generation  56 zeros

import Columns
import Platform

struct ShardEnd: Equatable {
    var segment: UInt64
    var offset: Int
    var sequence: UInt64
    var generation: UInt64 = 0

    static let magic: UInt64 = 0x3144_4E45_4C4C_494D  // "MILLEND1"
    static let version: UInt32 = 1
    static let fileName = "end"
    private static let slotByteCount = 64
    private static let slotDistance = 4_096

    /// The newest whole slot; nil when there is none. A file that cannot be read is as good as none: what it says is a help, not a need.
    static func read(in directory: String, identity: UInt64, _ system: any FileSystem) throws(LogError) -> ShardEnd? {
        let path = directory + "/" + fileName
        guard system.exists(path) else { return nil }
        let bytes: [UInt8]
        do throws(FileError) { bytes = try SmallFile.read(path, system, byteCountMax: 2 * slotDistance) } catch {
            if error.isShortage { throw .file(error) }
            return nil
        }
        var newest: ShardEnd?
        for start in [0, slotDistance] {
            guard let found = try parse(bytes, at: start, identity: identity, path: path) else { continue }
            if newest.map({ $0.generation < found.generation }) ?? true { newest = found }
        }
        return newest
    }

    private static func parse(_ bytes: [UInt8], at start: Int, identity: UInt64, path: String) throws(LogError) -> ShardEnd? {
        guard bytes.count >= start + slotByteCount else { return nil }
        func load<Word: FixedWidthInteger>(_ offset: Int, _: Word.Type) -> Word {
            bytes.withUnsafeBytes { Word(littleEndian: $0.loadUnaligned(fromByteOffset: start + offset, as: Word.self)) }
        }
        guard load(0, UInt64.self) == magic else { return nil }
        let sum = bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[start + 12..<start + slotByteCount])) }
        guard sum == load(8, UInt32.self) else { return nil }
        let found = load(12, UInt32.self)
        guard found == version else { throw .version(path: path, found: "\(found)", known: "version \(version)") }
        guard load(16, UInt64.self) == identity, let offset = Int(exactly: load(32, UInt64.self)) else { return nil }
        return ShardEnd(
            segment: load(24, UInt64.self), offset: offset, sequence: load(40, UInt64.self), generation: load(48, UInt64.self))
    }

    /// Writes the slot whose turn it is, durably.
    func write(in directory: String, identity: UInt64, _ system: any FileSystem) throws(FileError) {
        var slot = ByteWriter()
        slot.put(ShardEnd.magic)
        var body = ByteWriter()
        body.put(ShardEnd.version)
        body.put(identity)
        body.put(segment)
        body.put(UInt64(clamping: offset))
        body.put(sequence)
        body.put(generation)
        body.put(UInt64(0))
        slot.put(body.bytes.withUnsafeBytes { CRC32C.checksum($0) })
        let bytes = slot.bytes + body.bytes
        let path = directory + "/" + ShardEnd.fileName
        let isNew = !system.exists(path)
        let file = try system.open(path, .readWrite)
        let buffer = bytes.withUnsafeBytes { Buffer(copying: $0) }
        try file.write(
            UnsafeRawBufferPointer(start: buffer.base, count: bytes.count), at: generation % 2 == 0 ? 0 : ShardEnd.slotDistance)
        try file.synchronize()
        if isNew { try system.synchronizeDirectory(directory) }
    }
}
