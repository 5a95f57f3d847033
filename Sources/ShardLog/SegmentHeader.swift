// SegmentHeader: the first bytes of a segment file, and its name.
//
// Besides saying whose file it is, the header carries the last epoch of every producer as of the segment's begin. So what is needed to
// recognise a repeated append survives both the merging of frames and the removal of older segments.
//
//   0 magic  8 crc  12 version  16 header length  20 producer count  24 identity  32 first sequence  40 created (µs)
//   48 schema version  52 shard  56 reserved  64 producers: (id, epoch) pairs, zeros to a multiple of 64

import Columns
import Platform

struct SegmentHeader {
    var identity: UInt64
    var firstSequence: UInt64
    var createdMicroseconds: Int64
    var schemaVersion: UInt32
    var shard: Int
    var producers: [UInt64: UInt64]

    static let magic: UInt64 = 0x3147_4553_4C4C_494D  // "MILLSEG1"
    static let version: UInt32 = 1
    static let fixedByteCount = 64

    func encoded() -> Buffer {
        let byteCount = FrameFormat.aligned(SegmentHeader.fixedByteCount + producers.count * 16)
        let buffer = Buffer.zeroed(byteCount: byteCount)
        let base = buffer.base
        base.storeBytes(of: SegmentHeader.magic, toByteOffset: 0, as: UInt64.self)
        base.storeBytes(of: SegmentHeader.version, toByteOffset: 12, as: UInt32.self)
        base.storeBytes(of: UInt32(byteCount), toByteOffset: 16, as: UInt32.self)
        base.storeBytes(of: UInt32(producers.count), toByteOffset: 20, as: UInt32.self)
        base.storeBytes(of: identity, toByteOffset: 24, as: UInt64.self)
        base.storeBytes(of: firstSequence, toByteOffset: 32, as: UInt64.self)
        base.storeBytes(of: createdMicroseconds, toByteOffset: 40, as: Int64.self)
        base.storeBytes(of: schemaVersion, toByteOffset: 48, as: UInt32.self)
        base.storeBytes(of: UInt32(truncatingIfNeeded: shard), toByteOffset: 52, as: UInt32.self)
        var offset = SegmentHeader.fixedByteCount
        for (producer, epoch) in producers.sorted(by: { $0.key < $1.key }) {
            base.storeBytes(of: producer, toByteOffset: offset, as: UInt64.self)
            base.storeBytes(of: epoch, toByteOffset: offset + 8, as: UInt64.self)
            offset += 16
        }
        base.storeBytes(of: FrameFormat.headerChecksum(base, headerLength: byteCount), toByteOffset: 8, as: UInt32.self)
        return buffer
    }

    /// The header and its length in bytes.
    static func parse(_ bytes: UnsafeRawBufferPointer, identity: UInt64) -> Result<(SegmentHeader, Int), FrameFault> {
        func fault(_ reason: String) -> Result<(SegmentHeader, Int), FrameFault> { .failure(FrameFault(reason: reason)) }
        guard bytes.count >= fixedByteCount, let base = bytes.baseAddress else { return fault("the segment header is cut off") }
        guard base.loadUnaligned(as: UInt64.self) == magic else { return fault("not a segment file") }
        let length = Int(base.loadUnaligned(fromByteOffset: 16, as: UInt32.self))
        let producerCount = Int(base.loadUnaligned(fromByteOffset: 20, as: UInt32.self))
        guard length >= fixedByteCount, length <= bytes.count, length % FrameFormat.alignment == 0,
            producerCount <= (length - fixedByteCount) / 16
        else { return fault("the segment header has impossible lengths or is cut off") }
        guard FrameFormat.headerChecksum(base, headerLength: length) == base.loadUnaligned(fromByteOffset: 8, as: UInt32.self) else {
            return fault("the checksum of the segment header is wrong")
        }
        let found = base.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
        guard found == version else {
            return .failure(FrameFault(reason: "segment format version \(found) is unknown", unknownVersion: found))
        }
        guard base.loadUnaligned(fromByteOffset: 24, as: UInt64.self) == identity else { return fault("a segment of another stream or shard") }
        var producers: [UInt64: UInt64] = [:]
        for index in 0..<producerCount {
            let offset = fixedByteCount + index * 16
            producers[base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)] =
                base.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)
        }
        let header = SegmentHeader(
            identity: identity, firstSequence: base.loadUnaligned(fromByteOffset: 32, as: UInt64.self),
            createdMicroseconds: base.loadUnaligned(fromByteOffset: 40, as: Int64.self),
            schemaVersion: base.loadUnaligned(fromByteOffset: 48, as: UInt32.self),
            shard: Int(base.loadUnaligned(fromByteOffset: 52, as: UInt32.self)), producers: producers)
        return .success((header, length))
    }

    /// The version of a segment file that is whole and that this program cannot read; nil for any other file. Magic, checksum, version and header
    /// length keep their places in every version.
    static func unknownVersion(_ head: [UInt8]) -> UInt32? {
        let buffer = head.withUnsafeBytes { Buffer(copying: $0) }
        return withExtendedLifetime(buffer) {
            guard case .failure(let fault) = parse(UnsafeRawBufferPointer(start: buffer.base, count: head.count), identity: 0) else { return nil }
            return fault.unknownVersion
        }
    }

    // MARK: File names

    /// `seg-<first sequence, 20 digits>.log`: names sort as sequences do.
    static func fileName(_ firstSequence: UInt64) -> String {
        let digits = String(firstSequence)
        return "seg-" + String(repeating: "0", count: 20 - digits.count) + digits + ".log"
    }

    static func firstSequence(ofFile name: String) -> UInt64? {
        guard name.utf8.count == 28, name.hasPrefix("seg-"), name.hasSuffix(".log") else { return nil }
        return UInt64(name.dropFirst(4).dropLast(4))
    }

    /// Makes a segment file with only a header in it, durable under its name; returns it and its length.
    static func createFile(_ header: SegmentHeader, in directory: String, _ system: any FileSystem) throws(LogError) -> (file: any File, byteCount: Int) {
        let path = directory + "/" + fileName(header.firstSequence)
        let bytes = header.encoded()
        return try onDisk { () throws(FileError) in
            let draft = try system.open(path + ".tmp", .truncate)
            try draft.write(UnsafeRawBufferPointer(start: bytes.base, count: bytes.byteCount), at: 0)
            try draft.synchronize()
            try system.rename(path + ".tmp", to: path)
            try system.synchronizeDirectory(directory)
            return (try system.open(path, .readWrite), bytes.byteCount)
        }
    }
}
