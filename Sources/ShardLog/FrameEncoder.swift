// FrameEncoder: rows of one or more batches into frames, each one contiguous buffer, each value copied once.
//
// 1. Plan: lay out the chunks of every column (how many values, whether any is null, how many bytes of text).
// 2. When the rows do not fit a frame, cut them in halves and plan again; a single row that does not fit is refused.
// 3. Fill: copy (or gather) values into their chunks and take each chunk's checksum while it is in the cache.
// 4. What only the shard's writer knows (sequence number, arrival time) is put in by `seal`, which also takes the header's checksum.

import Columns
import Glibc
import Platform

/// Some rows of a batch: `rows[range]` when rows are picked, else the rows `range` themselves. The memory of `rows` must outlive the encoding.
struct FramePiece {
    let batch: RowBatch
    let rows: UnsafePointer<Int32>?
    let range: Range<Int>
}

/// A frame that still lacks its sequence number.
struct EncodedFrame {
    let buffer: Buffer
    let rowCount: Int
    let eventMin: Int64
    let eventMax: Int64
    let flags: FrameFlags

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: buffer.base, count: buffer.byteCount) }

    func seal(firstSequence: UInt64, arrivalMin: Int64, arrivalMax: Int64, durableOffset: Int, continues: Bool = false) {
        typealias Field = FrameFormat.Field
        let base = buffer.base
        if continues {
            base.storeBytes(of: flags.union(.continues).rawValue, toByteOffset: Field.flags, as: UInt16.self)
        }
        base.storeBytes(of: firstSequence, toByteOffset: Field.firstSequence, as: UInt64.self)
        base.storeBytes(of: arrivalMin, toByteOffset: Field.arrivalMin, as: Int64.self)
        base.storeBytes(of: arrivalMax, toByteOffset: Field.arrivalMax, as: Int64.self)
        base.storeBytes(of: UInt64(durableOffset), toByteOffset: Field.durableOffset, as: UInt64.self)
        let headerLength = Int(base.load(fromByteOffset: Field.headerLength, as: UInt32.self))
        let crc = FrameFormat.headerChecksum(base, headerLength: headerLength)
        base.storeBytes(of: crc, toByteOffset: Field.headerCRC, as: UInt32.self)
    }
}

struct FrameEncoder {
    let shape: FrameShape
    var producer: UInt64 = 0
    var epoch: UInt64 = 0
    var flags: FrameFlags = []
    var rowCountMax = FrameFormat.rowCountMax
    var byteCountMax = FrameFormat.byteCountMax

    /// The frames that hold all rows of `pieces` in order.
    func encode(_ pieces: [FramePiece]) throws(LogError) -> [EncodedFrame] {
        var frames: [EncodedFrame] = []
        try encode(pieces, into: &frames)
        return frames
    }

    private func encode(_ pieces: [FramePiece], into frames: inout [EncodedFrame]) throws(LogError) {
        let rowCount = pieces.reduce(0) { $0 + $1.range.count }
        guard rowCount > 0 else { return }
        if rowCount > rowCountMax {
            var rest = pieces
            while !rest.isEmpty {
                let (head, tail) = FrameEncoder.split(rest, at: rowCountMax)
                try encode(head, into: &frames)
                rest = tail
            }
            return
        }
        var plan = FramePlan(shape: shape, rowCount: rowCount)
        for index in shape.types.indices {
            plan.add(shape.types[index], pieces.map { Source(column: $0.batch.columns[index], rows: $0.rows, range: $0.range) })
        }
        let hasChanges = pieces.contains { $0.batch.changes != nil }
        let byteCount = plan.byteCount + (hasChanges ? FrameFormat.aligned(rowCount) : 0)
        if byteCount > byteCountMax {
            guard rowCount > 1 else { throw .rowTooLarge(byteCount: byteCount, byteCountMax: byteCountMax) }
            let (head, tail) = FrameEncoder.split(pieces, at: rowCount / 2)
            try encode(head, into: &frames)
            try encode(tail, into: &frames)
            return
        }
        frames.append(fill(plan, pieces, rowCount: rowCount, byteCount: byteCount, hasChanges: hasChanges))
    }

    private static func split(_ pieces: [FramePiece], at rowCount: Int) -> ([FramePiece], [FramePiece]) {
        var head: [FramePiece] = []
        var tail: [FramePiece] = []
        var room = rowCount
        for piece in pieces {
            let taken = min(room, piece.range.count)
            let middle = piece.range.lowerBound + taken
            if taken > 0 { head.append(FramePiece(batch: piece.batch, rows: piece.rows, range: piece.range.lowerBound..<middle)) }
            if middle < piece.range.upperBound { tail.append(FramePiece(batch: piece.batch, rows: piece.rows, range: middle..<piece.range.upperBound)) }
            room -= taken
        }
        return (head, tail)
    }

    private func fill(_ plan: FramePlan, _ pieces: [FramePiece], rowCount: Int, byteCount: Int, hasChanges: Bool) -> EncodedFrame {
        typealias Field = FrameFormat.Field
        typealias Entry = FrameFormat.Entry
        let buffer = Buffer(byteCount: byteCount)
        let base = buffer.base
        memset(base, 0, plan.headerLength)
        var offset = plan.headerLength
        var eventMin = Int64.max
        var eventMax = Int64.min
        let eventChunk = shape.eventTimeColumn.map { shape.firstChunks[$0] }
        for (index, chunk) in plan.chunks.enumerated() {
            let validityByteCount = chunk.validityByteCount
            let start = base + offset
            let values = start + validityByteCount
            if chunk.hasNulls { chunk.fillValidity(start.assumingMemoryBound(to: UInt64.self)) }
            let valuesByteCount = chunk.fillValues(values)
            let used = validityByteCount + valuesByteCount
            memset(start + used, 0, chunk.byteCount - used)
            let entry = base + FrameFormat.headerByteCount + index * FrameFormat.entryByteCount
            entry.storeBytes(of: chunk.layout.rawValue, toByteOffset: Entry.layout, as: UInt8.self)
            entry.storeBytes(of: (chunk.layout == .string ? ChunkEncoding.text : .plain).rawValue, toByteOffset: Entry.encoding, as: UInt8.self)
            entry.storeBytes(of: chunk.hasNulls ? FrameFormat.hasValidityFlag : 0, toByteOffset: Entry.flags, as: UInt16.self)
            entry.storeBytes(
                of: CRC32C.checksum(UnsafeRawBufferPointer(start: start, count: chunk.byteCount)), toByteOffset: Entry.crc, as: UInt32.self)
            entry.storeBytes(of: UInt64(offset), toByteOffset: Entry.chunkOffset, as: UInt64.self)
            entry.storeBytes(of: UInt64(chunk.byteCount), toByteOffset: Entry.chunkByteCount, as: UInt64.self)
            entry.storeBytes(of: UInt64(offset + validityByteCount), toByteOffset: Entry.valuesOffset, as: UInt64.self)
            entry.storeBytes(of: UInt64(valuesByteCount), toByteOffset: Entry.valuesByteCount, as: UInt64.self)
            entry.storeBytes(of: UInt32(chunk.valueCount), toByteOffset: Entry.valueCount, as: UInt32.self)
            entry.storeBytes(of: UInt32(chunk.childCount), toByteOffset: Entry.childCount, as: UInt32.self)
            if index == eventChunk {
                (eventMin, eventMax) = TimeRange.of(
                    UnsafePointer(values.assumingMemoryBound(to: Int64.self)), count: chunk.valueCount,
                    validity: chunk.hasNulls ? UnsafePointer(start.assumingMemoryBound(to: UInt64.self)) : nil)
            }
            offset += chunk.byteCount
        }
        var flags = flags
        if hasChanges {
            flags.insert(.hasChanges)
            let start = base + offset
            let count = byteCount - offset
            memset(start, 0, count)
            FrameEncoder.fillChanges(pieces, start.assumingMemoryBound(to: UInt8.self))
            base.storeBytes(of: UInt64(offset), toByteOffset: Field.changesOffset, as: UInt64.self)
            base.storeBytes(
                of: CRC32C.checksum(UnsafeRawBufferPointer(start: start, count: count)), toByteOffset: Field.changesCRC, as: UInt32.self)
        }
        base.storeBytes(of: FrameFormat.magic, toByteOffset: Field.magic, as: UInt64.self)
        base.storeBytes(of: FrameFormat.version, toByteOffset: Field.version, as: UInt16.self)
        base.storeBytes(of: flags.rawValue, toByteOffset: Field.flags, as: UInt16.self)
        base.storeBytes(of: UInt64(byteCount), toByteOffset: Field.byteCount, as: UInt64.self)
        base.storeBytes(of: UInt32(plan.headerLength), toByteOffset: Field.headerLength, as: UInt32.self)
        base.storeBytes(of: UInt32(plan.chunks.count), toByteOffset: Field.chunkCount, as: UInt32.self)
        base.storeBytes(of: UInt32(rowCount), toByteOffset: Field.rowCount, as: UInt32.self)
        base.storeBytes(of: UInt32(shape.types.count), toByteOffset: Field.columnCount, as: UInt32.self)
        base.storeBytes(of: eventMin, toByteOffset: Field.eventMin, as: Int64.self)
        base.storeBytes(of: eventMax, toByteOffset: Field.eventMax, as: Int64.self)
        base.storeBytes(of: producer, toByteOffset: Field.producer, as: UInt64.self)
        base.storeBytes(of: epoch, toByteOffset: Field.epoch, as: UInt64.self)
        base.storeBytes(of: shape.identity, toByteOffset: Field.identity, as: UInt64.self)
        base.storeBytes(of: shape.schemaVersion, toByteOffset: Field.schemaVersion, as: UInt32.self)
        return EncodedFrame(buffer: buffer, rowCount: rowCount, eventMin: eventMin, eventMax: eventMax, flags: flags)
    }

    private static func fillChanges(_ pieces: [FramePiece], _ target: UnsafeMutablePointer<UInt8>) {
        var position = 0
        for piece in pieces {
            if let changes = piece.batch.changes {
                let source = changes.base.assumingMemoryBound(to: UInt8.self)
                if let rows = piece.rows {
                    for index in piece.range { target[position + index - piece.range.lowerBound] = source[Int(rows[index])] }
                } else {
                    memcpy(target + position, source + piece.range.lowerBound, piece.range.count)
                }
            }
            position += piece.range.count
        }
    }
}

/// The smallest and largest of times, in one pass; (Int64.max, Int64.min) when all are null.
package enum TimeRange {
    package static func of(_ times: UnsafePointer<Int64>, count: Int, validity: UnsafePointer<UInt64>?) -> (min: Int64, max: Int64) {
        var low = Int64.max
        var high = Int64.min
        if let validity {
            for row in 0..<count where validity[row >> 6] & (1 << UInt64(row & 63)) != 0 {
                low = min(low, times[row])
                high = max(high, times[row])
            }
        } else {
            for row in 0..<count {
                low = min(low, times[row])
                high = max(high, times[row])
            }
        }
        return (low, high)
    }
}

/// Values of one column that go into a frame.
private struct Source {
    let column: Column
    let rows: UnsafePointer<Int32>?
    let range: Range<Int>

    @inline(__always)
    func row(_ index: Int) -> Int { rows.map { Int($0[index]) } ?? index }

    var hasNulls: Bool {
        guard let bits = column.validity else { return false }
        let rows = rows
        for index in range where Source.isNull(bits, rows, index) { return true }
        return false
    }

    /// Raw pointers only: a loop over the source itself would count its references for every row.
    @inline(__always)
    static func isNull(_ bits: UnsafePointer<UInt64>, _ rows: UnsafePointer<Int32>?, _ index: Int) -> Bool {
        let row = rows.map { Int($0[index]) } ?? index
        return bits[row >> 6] & (1 << UInt64(row & 63)) == 0
    }
}

/// One chunk before it is written.
private struct ChunkPlan {
    let layout: Layout
    let sources: [Source]
    let valueCount: Int
    let hasNulls: Bool
    let childCount: Int
    /// Bytes before the values, a multiple of 64.
    let validityByteCount: Int
    let byteCount: Int

    init(_ layout: Layout, _ sources: [Source], childCount: Int = 0) {
        self.layout = layout
        self.sources = sources
        self.childCount = childCount
        valueCount = sources.reduce(0) { $0 + $1.range.count }
        hasNulls = sources.contains { $0.hasNulls }
        validityByteCount = hasNulls ? FrameFormat.aligned(Bitmap.wordCount(valueCount) * 8) : 0
        var bytes = validityByteCount
        if layout == .string {
            bytes += valueCount * 4 + FrameFormat.textPaddingByteCount
            for source in sources { bytes += ChunkPlan.textByteCount(source) }
        } else {
            bytes += valueCount * layout.stride
        }
        byteCount = FrameFormat.aligned(bytes)
    }

    private static func textByteCount(_ source: Source) -> Int {
        let views = source.column.strings
        var sum = 0
        if let bits = source.column.validity {
            let rows = source.rows
            for index in source.range where !Source.isNull(bits, rows, index) {
                sum &+= Int(views[rows.map { Int($0[index]) } ?? index].length)
            }
        } else if let rows = source.rows {
            for index in source.range { sum &+= Int(views[Int(rows[index])].length) }
        } else {
            for row in source.range { sum &+= Int(views[row].length) }
        }
        return sum
    }

    func fillValidity(_ target: UnsafeMutablePointer<UInt64>) {
        memset(target, 0, validityByteCount)
        memset(target, 0xFF, Bitmap.wordCount(valueCount) * 8)
        var position = 0
        for source in sources {
            if let bits = source.column.validity {
                let rows = source.rows
                for index in source.range where Source.isNull(bits, rows, index) {
                    let row = position + index - source.range.lowerBound
                    target[row >> 6] &= ~(1 << UInt64(row & 63))
                }
            }
            position += source.range.count
        }
    }

    /// Writes the values; returns how many bytes they take.
    func fillValues(_ target: UnsafeMutableRawPointer) -> Int {
        switch layout {
        case .structure: return 0
        case .string: return fillTexts(target)
        case .bool: fill(target, UInt8.self)
        case .int64, .double, .list: fill(target, UInt64.self)
        case .int128: fill(target, UInt128.self)
        }
        return valueCount * layout.stride
    }

    @inline(__always)
    private func fill<Word>(_ target: UnsafeMutableRawPointer, _: Word.Type) {
        var position = target
        for source in sources {
            let values = source.column.values
            if let rows = source.rows {
                let size = MemoryLayout<Word>.size
                for index in source.range {
                    position.storeBytes(of: values.load(fromByteOffset: Int(rows[index]) &* size, as: Word.self), as: Word.self)
                    position += size
                }
            } else {
                let byteCount = source.range.count * MemoryLayout<Word>.size
                memcpy(position, values + source.range.lowerBound * MemoryLayout<Word>.size, byteCount)
                position += byteCount
            }
        }
    }

    private func fillTexts(_ target: UnsafeMutableRawPointer) -> Int {
        let ends = target.assumingMemoryBound(to: UInt32.self)
        let bytes = (target + valueCount * 4).assumingMemoryBound(to: UInt8.self)
        var end = 0
        var position = 0
        for source in sources {
            let views = source.column.strings
            let bits = source.column.validity
            let rows = source.rows
            // Texts that lie one after the other, as decoders leave them, are copied together.
            var runStart = EmptyBytes.pointer
            var runByteCount = 0
            for index in source.range {
                if bits.map({ !Source.isNull($0, rows, index) }) ?? true {
                    let view = views[rows.map { Int($0[index]) } ?? index]
                    let count = Int(view.length)
                    if view.pointer == runStart + runByteCount {
                        runByteCount &+= count
                    } else if count > 0 {
                        memcpy(bytes + end, runStart, runByteCount)
                        end &+= runByteCount
                        runStart = view.pointer
                        runByteCount = count
                    }
                }
                ends[position] = UInt32(truncatingIfNeeded: end &+ runByteCount)
                position &+= 1
            }
            memcpy(bytes + end, runStart, runByteCount)
            end &+= runByteCount
        }
        return valueCount * 4 + end
    }
}

private struct FramePlan {
    var chunks: [ChunkPlan] = []
    let headerLength: Int
    var byteCount: Int

    init(shape: FrameShape, rowCount: Int) {
        headerLength = FrameFormat.aligned(FrameFormat.headerByteCount + shape.chunkCount * FrameFormat.entryByteCount)
        byteCount = headerLength
    }

    mutating func add(_ type: SQLType, _ sources: [Source]) {
        switch type {
        case .array, .map:
            let compact = FramePlan.compact(type, sources)
            append(ChunkPlan(.list, [FramePlan.whole(compact)], childCount: 1))
            add(compact.children[0].type, [FramePlan.whole(compact.children[0])])
        case .row(let fields):
            // Fields share their structure's rows, so nothing has to be copied to bring them together.
            append(ChunkPlan(.structure, sources, childCount: fields.count))
            for (index, field) in fields.enumerated() {
                add(field.type, sources.map { Source(column: $0.column.children[index], rows: $0.rows, range: $0.range) })
            }
        default:
            append(ChunkPlan(type.layout, sources))
        }
    }

    private mutating func append(_ chunk: ChunkPlan) {
        chunks.append(chunk)
        byteCount += chunk.byteCount
    }

    private static func whole(_ column: Column) -> Source { Source(column: column, rows: nil, range: 0..<column.count) }

    /// A nested column with just the rows that are wanted, its elements without gaps.
    private static func compact(_ type: SQLType, _ sources: [Source]) -> Column {
        let builder = ColumnBuilder(type)
        for source in sources {
            for index in source.range { builder.append(from: source.column, row: source.row(index)) }
        }
        return builder.finish()
    }
}
