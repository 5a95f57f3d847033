// StreamDescription: everything about a stream that is not rows, and how it is kept in `stream.meta`.
//
// The file: magic (8 bytes), format version (UInt32), CRC32C of the rest (UInt32), its length (UInt64), then the fields in the order in
// which `encode` writes them: numbers little endian, texts and lists with a UInt32 count before them. It is replaced as a whole: a draft is
// written and synced, renamed over, and the folder synced.

import Columns
import Platform

/// A shard as the stream knows it.
package struct ShardDescription: Hashable, Sendable {
    package var index: Int
    package var range: HashKeyRange
    /// Takes no more rows (after a split or a merge), but can still be read.
    package var isClosed = false
    /// The shards it came from.
    package var parents: [Int] = []

    package init(index: Int, range: HashKeyRange) {
        self.index = index
        self.range = range
    }
}

package struct StreamDescription: Hashable, Sendable {
    /// Names the folder and tells the stream's frames from those of others; never used again for another stream.
    package var id: UInt64
    package var name: String
    package var schema: Schema
    package var schemaVersion: UInt32 = 1
    package var shards: [ShardDescription]
    package var partitionColumns: [Int] = []
    /// The column whose values are summed up as event time in frame headers; of a timestamp type.
    package var eventTimeColumn: Int?
    package var sync = SyncPolicy.always
    package var segmentByteCount = 128 << 20
    package var retentionMicroseconds: Int64?
    /// Of the whole stream; each shard keeps its equal part.
    package var retentionByteCount: Int?
    package var createdMicroseconds: Int64 = 0
    /// Whatever the owner of the stream wants kept with it.
    package var properties: [String: String] = [:]

    /// `id` 0 stands for "a new one": `LogDirectory.create` gives it.
    package init(name: String, schema: Schema, shardCount: Int = 1, id: UInt64 = 0) {
        self.id = id
        self.name = name
        self.schema = schema
        shards = HashKeyRange.even(max(shardCount, 1)).enumerated().map { ShardDescription(index: $0, range: $1) }
    }

    package static let shardCountMax = 4_096
    /// Milliseconds that an append waits for room on a full disk, as a number.
    package static let shortageWaitProperty = "full_disk_wait_ms"

    /// Why the description makes no sense; nil when it does.
    var fault: String? {
        if schema.count == 0 { return "a stream needs at least one column" }
        if FrameShape(types: schema.types, schemaVersion: 0, identity: 0, eventTimeColumn: nil).chunkCount > FrameFormat.chunkCountMax {
            return "too many columns"
        }
        if shards.isEmpty || shards.count > StreamDescription.shardCountMax { return "a stream has 1 to \(StreamDescription.shardCountMax) shards" }
        for column in partitionColumns {
            guard schema.fields.indices.contains(column) else { return "there is no partition column \(column)" }
            if !PartitionKey.isSuitable(schema[column].type) { return "column \(schema[column].name) cannot be a partition key" }
        }
        if let column = eventTimeColumn {
            guard schema.fields.indices.contains(column), schema[column].type.layout == .int64 else { return "the event-time column must be a timestamp" }
        }
        if segmentByteCount < 1 { return "a segment needs room" }
        return nil
    }

    /// Tells the frames of a shard from all others. Kept in files: must not change.
    func identity(ofShard index: Int) -> UInt64 { UInt64(truncatingIfNeeded: MD5.hash("millrace/\(id)/\(index)")) }

    func shape(ofShard index: Int) -> FrameShape {
        FrameShape(types: schema.types, schemaVersion: schemaVersion, identity: identity(ofShard: index), eventTimeColumn: eventTimeColumn)
    }
}

extension StreamDescription {
    static let magic: UInt64 = 0x3145_4D54_4C4C_494D  // "MILLTME1"
    static let version: UInt32 = 1
    private static let byteCountMax = 16 << 20
    private static let headByteCount = 24

    // MARK: Writing

    func encoded() -> [UInt8] {
        var body = ByteWriter()
        body.put(id)
        body.put(name)
        body.put(schemaVersion)
        body.put(UInt32(schema.count))
        for field in schema.fields {
            body.put(field.name)
            body.put(field.type)
        }
        body.put(UInt32(shards.count))
        for shard in shards {
            body.put(UInt32(shard.index))
            body.put(UInt64(truncatingIfNeeded: shard.range.first >> 64))
            body.put(UInt64(truncatingIfNeeded: shard.range.first))
            body.put(UInt64(truncatingIfNeeded: shard.range.last >> 64))
            body.put(UInt64(truncatingIfNeeded: shard.range.last))
            body.put(UInt8(shard.isClosed ? 1 : 0))
            body.put(UInt32(shard.parents.count))
            for parent in shard.parents { body.put(UInt32(parent)) }
        }
        body.put(UInt32(partitionColumns.count))
        for column in partitionColumns { body.put(UInt32(column)) }
        body.put(Int64(eventTimeColumn ?? -1))
        switch sync {
        case .always: body.put(Int64(0))
        case .none: body.put(Int64(-1))
        case .interval(let milliseconds): body.put(Int64(max(milliseconds, 1)))
        }
        body.put(Int64(segmentByteCount))
        body.put(retentionMicroseconds ?? -1)
        body.put(Int64(retentionByteCount ?? -1))
        body.put(createdMicroseconds)
        body.put(UInt32(properties.count))
        for (key, value) in properties.sorted(by: { $0.key < $1.key }) {
            body.put(key)
            body.put(value)
        }
        var file = ByteWriter()
        file.put(StreamDescription.magic)
        file.put(StreamDescription.version)
        file.put(body.bytes.withUnsafeBytes { CRC32C.checksum($0) })
        file.put(UInt64(body.bytes.count))
        return file.bytes + body.bytes
    }

    // MARK: Reading

    static func decode(_ file: [UInt8], path: String) throws(LogError) -> StreamDescription {
        func fault(_ reason: String) -> LogError { .format(path: path, reason: reason) }
        var head = ByteReader(file)
        guard let magic = head.number(UInt64.self), magic == StreamDescription.magic, let version = head.number(UInt32.self) else {
            throw fault("not the description of a stream")
        }
        guard let crc = head.number(UInt32.self), let length = head.number(UInt64.self), length == UInt64(file.count - headByteCount),
            file.count <= byteCountMax
        else { throw fault("the description of the stream is cut off") }
        let sum = file.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[headByteCount...])) }
        guard sum == crc else { throw fault("the checksum of the stream's description is wrong") }
        guard version == StreamDescription.version else {
            throw .version(path: path, found: "\(version)", known: "version \(StreamDescription.version)")
        }
        guard let description = decodeBody(&head) else { throw fault("the description of the stream cannot be understood") }
        if let reason = description.fault { throw fault(reason) }
        return description
    }

    /// The version of a description that is whole and that this program cannot read; nil for any other bytes.
    static func unknownVersion(_ file: [UInt8]) -> UInt32? {
        var head = ByteReader(file)
        guard head.number(UInt64.self) == magic, let found = head.number(UInt32.self), found != version, let crc = head.number(UInt32.self),
            file.count > headByteCount,
            file.withUnsafeBytes({ CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[headByteCount...])) }) == crc
        else { return nil }
        return found
    }

    private static func decodeBody(_ body: inout ByteReader) -> StreamDescription? {
        guard let id = body.number(UInt64.self), let name = body.text(), let schemaVersion = body.number(UInt32.self),
            let fieldCount = body.count(elementByteCount: 5)
        else { return nil }
        var fields: [SQLType.Field] = []
        for _ in 0..<fieldCount {
            guard let name = body.text(), let type = body.type() else { return nil }
            fields.append(SQLType.Field(name: name, type: type))
        }
        var description = StreamDescription(name: name, schema: Schema(fields), id: id)
        description.schemaVersion = schemaVersion
        guard let shardCount = body.count(elementByteCount: 41) else { return nil }
        description.shards = []
        for _ in 0..<shardCount {
            guard let index = body.number(UInt32.self), let a = body.number(UInt64.self), let b = body.number(UInt64.self),
                let c = body.number(UInt64.self), let d = body.number(UInt64.self), let isClosed = body.number(UInt8.self),
                let parentCount = body.count(elementByteCount: 4)
            else { return nil }
            let range = HashKeyRange(first: UInt128(a) << 64 | UInt128(b), last: UInt128(c) << 64 | UInt128(d))
            var shard = ShardDescription(index: Int(index), range: range)
            shard.isClosed = isClosed != 0
            for _ in 0..<parentCount {
                guard let parent = body.number(UInt32.self) else { return nil }
                shard.parents.append(Int(parent))
            }
            description.shards.append(shard)
        }
        guard let partitionCount = body.count(elementByteCount: 4) else { return nil }
        for _ in 0..<partitionCount {
            guard let column = body.number(UInt32.self) else { return nil }
            description.partitionColumns.append(Int(column))
        }
        guard let eventTime = body.number(Int64.self), let sync = body.number(Int64.self), let segment = body.number(Int64.self),
            let age = body.number(Int64.self), let size = body.number(Int64.self), let created = body.number(Int64.self),
            let propertyCount = body.count(elementByteCount: 8)
        else { return nil }
        description.eventTimeColumn = eventTime < 0 ? nil : Int(eventTime)
        description.sync = sync == 0 ? .always : sync < 0 ? .none : .interval(milliseconds: Int(sync))
        description.segmentByteCount = Int(segment)
        description.retentionMicroseconds = age < 0 ? nil : age
        description.retentionByteCount = size < 0 ? nil : Int(size)
        description.createdMicroseconds = created
        for _ in 0..<propertyCount {
            guard let key = body.text(), let value = body.text() else { return nil }
            description.properties[key] = value
        }
        return description
    }
}

/// Puts numbers and texts one after the other.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func put(_ text: String) {
        put(UInt32(truncatingIfNeeded: text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// A type: a tag, then what the tag needs.
    mutating func put(_ type: SQLType) {
        switch type {
        case .boolean: put(UInt8(1))
        case .smallint: put(UInt8(2))
        case .integer: put(UInt8(3))
        case .bigint: put(UInt8(4))
        case .real: put(UInt8(5))
        case .double: put(UInt8(6))
        case .decimal(let precision, let scale):
            put(UInt8(7))
            put(UInt8(truncatingIfNeeded: precision))
            put(UInt8(truncatingIfNeeded: scale))
        case .varchar(let length):
            put(UInt8(8))
            put(Int64(length ?? -1))
        case .bytes: put(UInt8(9))
        case .date: put(UInt8(10))
        case .time(let precision):
            put(UInt8(11))
            put(UInt8(truncatingIfNeeded: precision))
        case .timestamp(let precision):
            put(UInt8(12))
            put(UInt8(truncatingIfNeeded: precision))
        case .timestampTZ(let precision):
            put(UInt8(13))
            put(UInt8(truncatingIfNeeded: precision))
        case .interval: put(UInt8(14))
        case .array(let element):
            put(UInt8(15))
            put(element)
        case .row(let fields):
            put(UInt8(16))
            put(UInt32(fields.count))
            for field in fields {
                put(field.name)
                put(field.type)
            }
        case .null: put(UInt8(17))
        case .map(let key, let value):
            put(UInt8(18))
            put(key)
            put(value)
        case .json: put(UInt8(19))
        }
    }
}

/// Takes numbers and texts off the front of bytes; nil instead of a trap when they are not there.
struct ByteReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func number<Number: FixedWidthInteger>(_: Number.Type) -> Number? {
        let size = MemoryLayout<Number>.size
        guard bytes.count - position >= size else { return nil }
        let value = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: Number.self) }
        position += size
        return Number(littleEndian: value)
    }

    /// A count of things of which each takes at least so many bytes: a count that cannot be true is refused before memory is taken for it.
    mutating func count(elementByteCount: Int) -> Int? {
        guard let count = number(UInt32.self), Int(count) <= (bytes.count - position) / elementByteCount else { return nil }
        return Int(count)
    }

    mutating func text() -> String? {
        guard let count = count(elementByteCount: 1) else { return nil }
        defer { position += count }
        return String(decoding: bytes[position..<position + count], as: UTF8.self)
    }

    mutating func type(depth: Int = 0) -> SQLType? {
        guard depth < 32, let tag = number(UInt8.self) else { return nil }
        switch tag {
        case 1: return .boolean
        case 2: return .smallint
        case 3: return .integer
        case 4: return .bigint
        case 5: return .real
        case 6: return .double
        case 7:
            guard let precision = number(UInt8.self), let scale = number(UInt8.self), precision <= SQLType.decimalPrecisionMax, scale <= precision
            else { return nil }
            return .decimal(precision: Int(precision), scale: Int(scale))
        case 8:
            guard let length = number(Int64.self) else { return nil }
            return .varchar(length: length < 0 ? nil : Int(length))
        case 9: return .bytes
        case 10: return .date
        case 11: return number(UInt8.self).map { .time(precision: Int($0)) }
        case 12: return number(UInt8.self).map { .timestamp(precision: Int($0)) }
        case 13: return number(UInt8.self).map { .timestampTZ(precision: Int($0)) }
        case 14: return .interval
        case 15: return type(depth: depth + 1).map { .array($0) }
        case 16:
            guard let count = count(elementByteCount: 5) else { return nil }
            var fields: [SQLType.Field] = []
            for _ in 0..<count {
                guard let name = text(), let type = type(depth: depth + 1) else { return nil }
                fields.append(SQLType.Field(name: name, type: type))
            }
            return .row(fields)
        case 17: return .null
        case 18:
            guard let key = type(depth: depth + 1), let value = type(depth: depth + 1) else { return nil }
            return .map(key, value)
        case 19: return .json
        default: return nil
        }
    }
}
