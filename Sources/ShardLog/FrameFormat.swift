// FrameFormat: how rows lie on disk. Little endian; every frame and every chunk begins at a multiple of 64 bytes of the file.
//
//   frame     = header (128 bytes) | directory (48 bytes per chunk) | zeros to a multiple of 64 | chunks
//   header    = see `Field`; its CRC32C covers everything up to `headerLength` but the CRC itself
//   chunk     = [null bitmap words, zeros to a multiple of 64] [values] zeros to a multiple of 64; its CRC32C covers all of it
//   values    = plain: `valueCount` values of the layout, used in place
//               text:  `valueCount` end offsets (UInt32), then the bytes, then at least 8 zeros
//   changes   = a ChangeKind byte per row, zeros to a multiple of 64; only when a row is no insert
//
// The directory lists the chunks of each column in order, a parent before its children: a list has one child chunk with the
// elements, a structure has a chunk per field and none of its own values. Every byte of a frame is covered by one of its CRCs.
//
// A frame does not say where in its file it lies, so it can be copied from one segment to another as it is.
//
// Invariants: 1 <= rowCount <= rowCountMax; byteCount <= byteCountMax; the header ends where the first chunk begins.
// All frames of one append carry `continues` but the last: recovery cuts an append that lacks its last frame, so an
// append is in the shard as a whole or not at all.

import Columns
import Platform

enum FrameFormat {
    static let magic: UInt64 = 0x314D_5246_4C4C_494D  // "MILLFRM1"
    static let version: UInt16 = 1
    static let alignment = 64
    static let headerByteCount = 128
    static let entryByteCount = 48
    /// Rows and bytes that a writer puts into one frame at most.
    static let rowCountMax = 65_536
    static let byteCountMax = 64 << 20
    /// What a reader accepts.
    static let readableRowCountMax = 1 << 22
    static let readableByteCountMax = 1 << 30
    static let chunkCountMax = 16_384
    /// Zeros after the bytes of texts, so that four bytes may be loaded from the start of any.
    static let textPaddingByteCount = 8

    @inline(__always)
    static func aligned(_ byteCount: Int) -> Int { (byteCount + alignment - 1) & ~(alignment - 1) }

    /// Byte offsets of the header's fields.
    enum Field {
        static let magic = 0
        static let headerCRC = 8
        static let version = 12
        static let flags = 14
        static let byteCount = 16
        static let headerLength = 24
        static let chunkCount = 28
        static let firstSequence = 32
        static let rowCount = 40
        static let columnCount = 44
        static let arrivalMin = 48
        static let arrivalMax = 56
        static let eventMin = 64
        static let eventMax = 72
        static let producer = 80
        static let epoch = 88
        static let identity = 96
        /// How much of the file was synced when this frame was written: an invalid place before it is damage, not a torn write.
        static let durableOffset = 104
        static let schemaVersion = 112
        static let changesCRC = 116
        static let changesOffset = 120
    }

    /// Byte offsets within a directory entry.
    enum Entry {
        static let layout = 0
        static let encoding = 1
        static let flags = 2
        static let crc = 4
        static let chunkOffset = 8
        static let chunkByteCount = 16
        static let valuesOffset = 24
        static let valuesByteCount = 32
        static let valueCount = 40
        static let childCount = 44
    }

    static let hasValidityFlag: UInt16 = 1

    static func headerChecksum(_ base: UnsafeRawPointer, headerLength: Int) -> UInt32 {
        let seed = CRC32C.checksum(UnsafeRawBufferPointer(start: base, count: 8))
        return CRC32C.checksum(UnsafeRawBufferPointer(start: base + 12, count: headerLength - 12), seed: seed)
    }
}

enum ChunkEncoding: UInt8 {
    case plain = 1
    /// UInt32 end offsets, then the bytes.
    case text = 2
}

struct FrameFlags: OptionSet {
    let rawValue: UInt16
    static let hasChanges = FrameFlags(rawValue: 1)
    /// Another frame of the same append follows.
    static let continues = FrameFlags(rawValue: 2)
    /// Made of several smaller frames when the segment was sealed.
    static let merged = FrameFlags(rawValue: 4)
}

/// A column of a frame, or a field inside one: chunks that lie one after the other. It has as many values as the frame has rows.
struct FramePart: Sendable {
    let chunk: Int
    let chunkCount: Int
    let type: SQLType
}

/// What a reader must know of a shard to read its frames.
final class FrameShape: Sendable {
    let types: [SQLType]
    let schemaVersion: UInt32
    /// Tells the frames of this shard from those of any other.
    let identity: UInt64
    let eventTimeColumn: Int?
    /// The directory index of each column's first chunk.
    let firstChunks: [Int]
    let chunkCount: Int

    init(types: [SQLType], schemaVersion: UInt32, identity: UInt64, eventTimeColumn: Int?) {
        self.types = types
        self.schemaVersion = schemaVersion
        self.identity = identity
        self.eventTimeColumn = eventTimeColumn
        var firstChunks: [Int] = []
        var count = 0
        for type in types {
            firstChunks.append(count)
            count += FrameShape.chunkCount(of: type)
        }
        self.firstChunks = firstChunks
        chunkCount = count
    }

    /// What a path leads to; nil when it leads nowhere.
    func part(_ path: ColumnPath) -> FramePart? {
        guard types.indices.contains(path.column) else { return nil }
        var chunk = firstChunks[path.column]
        var type = types[path.column]
        for index in path.fields {
            guard case .row(let fields) = type, fields.indices.contains(index) else { return nil }
            chunk += 1 + fields[..<index].reduce(0) { $0 + FrameShape.chunkCount(of: $1.type) }
            type = fields[index].type
        }
        return FramePart(chunk: chunk, chunkCount: FrameShape.chunkCount(of: type), type: type)
    }

    static func chunkCount(of type: SQLType) -> Int {
        switch type {
        case .array, .map: 1 + chunkCount(of: type.element ?? .null)
        case .row(let fields): fields.reduce(1) { $0 + chunkCount(of: $1.type) }
        default: 1
        }
    }
}

/// What is wrong with bytes that should be a frame.
struct FrameFault: Error {
    let reason: String
    /// Nothing is wrong with the bytes, but this program does not know their format: the version found.
    var unknownVersion: UInt32?
}

/// The fields of a frame's header, checked.
struct FrameHeader {
    let flags: FrameFlags
    let byteCount: Int
    let headerLength: Int
    let chunkCount: Int
    let columnCount: Int
    let rowCount: Int
    let firstSequence: UInt64
    let arrivalMin: Int64
    let arrivalMax: Int64
    let eventMin: Int64
    let eventMax: Int64
    let producer: UInt64
    let epoch: UInt64
    let durableOffset: UInt64
    let schemaVersion: UInt32
    let changesOffset: Int
    let changesCRC: UInt32

    /// Reads the header of the frame that should begin `bytes`, which may be longer than the frame. Never reads outside `bytes`.
    static func parse(_ bytes: UnsafeRawBufferPointer, identity: UInt64) -> Result<FrameHeader, FrameFault> {
        func fault(_ reason: String) -> Result<FrameHeader, FrameFault> { .failure(FrameFault(reason: reason)) }
        typealias Field = FrameFormat.Field
        guard bytes.count >= FrameFormat.headerByteCount, let base = UnsafeRawPointer(bytes.baseAddress) else {
            return fault("a frame header is cut off")
        }
        func load<Word: FixedWidthInteger>(_ offset: Int, _: Word.Type) -> Word { base.loadUnaligned(fromByteOffset: offset, as: Word.self) }
        guard load(Field.magic, UInt64.self) == FrameFormat.magic else { return fault("no frame begins here") }
        let headerLength = Int(load(Field.headerLength, UInt32.self))
        let chunkCount = Int(load(Field.chunkCount, UInt32.self))
        guard headerLength % FrameFormat.alignment == 0, headerLength <= bytes.count, chunkCount <= FrameFormat.chunkCountMax,
            FrameFormat.headerByteCount + chunkCount * FrameFormat.entryByteCount <= headerLength
        else { return fault("the frame header has impossible lengths or is cut off") }
        guard FrameFormat.headerChecksum(base, headerLength: headerLength) == load(Field.headerCRC, UInt32.self) else {
            return fault("the checksum of a frame header is wrong")
        }
        guard load(Field.version, UInt16.self) == FrameFormat.version else {
            let found = UInt32(load(Field.version, UInt16.self))
            return .failure(FrameFault(reason: "frame format version \(found) is unknown", unknownVersion: found))
        }
        guard load(Field.identity, UInt64.self) == identity else { return fault("a frame of another stream or shard") }
        let byteCount = load(Field.byteCount, UInt64.self)
        guard byteCount <= UInt64(FrameFormat.readableByteCountMax), byteCount >= UInt64(headerLength),
            byteCount % UInt64(FrameFormat.alignment) == 0
        else { return fault("a frame has the impossible length \(byteCount)") }
        guard byteCount <= UInt64(bytes.count) else { return fault("a frame is cut off") }
        let rowCount = load(Field.rowCount, UInt32.self)
        let firstSequence = load(Field.firstSequence, UInt64.self)
        guard rowCount >= 1, Int(rowCount) <= FrameFormat.readableRowCountMax,
            !firstSequence.addingReportingOverflow(UInt64(rowCount)).overflow
        else { return fault("a frame has the impossible row count \(rowCount)") }
        let flags = FrameFlags(rawValue: load(Field.flags, UInt16.self))
        let changesOffset = load(Field.changesOffset, UInt64.self)
        if flags.contains(.hasChanges) {
            guard changesOffset >= UInt64(headerLength), changesOffset <= byteCount,
                byteCount - changesOffset >= UInt64(FrameFormat.aligned(Int(rowCount)))
            else { return fault("the change kinds of a frame lie outside it") }
        }
        return .success(
            FrameHeader(
                flags: flags, byteCount: Int(byteCount), headerLength: headerLength, chunkCount: chunkCount,
                columnCount: Int(load(Field.columnCount, UInt32.self)), rowCount: Int(rowCount), firstSequence: firstSequence,
                arrivalMin: load(Field.arrivalMin, Int64.self), arrivalMax: load(Field.arrivalMax, Int64.self),
                eventMin: load(Field.eventMin, Int64.self), eventMax: load(Field.eventMax, Int64.self),
                producer: load(Field.producer, UInt64.self), epoch: load(Field.epoch, UInt64.self),
                durableOffset: load(Field.durableOffset, UInt64.self), schemaVersion: load(Field.schemaVersion, UInt32.self),
                changesOffset: flags.contains(.hasChanges) ? Int(changesOffset) : 0, changesCRC: load(Field.changesCRC, UInt32.self)))
    }
}

/// What is known of a frame without reading its columns.
package struct FrameInfo: Sendable, Hashable {
    package let firstSequence: UInt64
    package let rowCount: Int
    /// Microseconds; arrival times never fall along a shard.
    package let arrivalMin: Int64
    package let arrivalMax: Int64
    /// Microseconds; Int64.max and Int64.min when no row has an event time.
    package let eventMin: Int64
    package let eventMax: Int64
    /// 0 when rows came from no query, or when frames of several producers were merged.
    package let producer: UInt64
    package let epoch: UInt64

    package var endSequence: UInt64 { firstSequence + UInt64(rowCount) }
}

/// A frame in the index of its segment.
struct FrameEntry {
    let info: FrameInfo
    let offset: Int
    let byteCount: Int
    let flags: FrameFlags

    init(_ header: FrameHeader, offset: Int) {
        info = FrameInfo(
            firstSequence: header.firstSequence, rowCount: header.rowCount, arrivalMin: header.arrivalMin, arrivalMax: header.arrivalMax,
            eventMin: header.eventMin, eventMax: header.eventMax, producer: header.producer, epoch: header.epoch)
        self.offset = offset
        byteCount = header.byteCount
        flags = header.flags
    }

    init(info: FrameInfo, offset: Int, byteCount: Int, flags: FrameFlags) {
        self.info = info
        self.offset = offset
        self.byteCount = byteCount
        self.flags = flags
    }
}
