// FrameView: reads columns out of a frame in memory, most of them in place.
//
// A frame may come from a file that somebody else made, so nothing in it is believed:
// - Every directory entry is checked against the bounds of the frame whenever it is used (a few comparisons per column).
// - `check` proves, once per column and process, what the checks of a chunk's bounds cannot: its checksum; that ends of texts rise and
//   stay within their bytes; that lists stay within their elements; that BOOLEAN bytes are 0 or 1. A right checksum alone would not
//   prove that.

import Columns
import Glibc
import Platform

/// A class, because runs of small frames are handled as arrays of views: copying one is one reference instead of six.
final class FrameView: @unchecked Sendable {
    // Safe to share: nothing changes after init, and the bytes are read-only.
    /// Exactly the frame. 64-byte aligned.
    let base: UnsafeRawPointer
    let byteCount: Int
    /// Keeps the bytes alive.
    let owner: Buffer
    /// The file's map, when the bytes are in one.
    let mapped: MappedBytes?
    let shape: FrameShape
    let file: String
    let entry: FrameEntry

    init(base: UnsafeRawPointer, byteCount: Int, owner: Buffer, mapped: MappedBytes?, shape: FrameShape, file: String, entry: FrameEntry) {
        self.base = base
        self.byteCount = byteCount
        self.owner = owner
        self.mapped = mapped
        self.shape = shape
        self.file = file
        self.entry = entry
    }

    var rowCount: Int { entry.info.rowCount }

    func damage(_ reason: String) -> LogError {
        .damaged(
            LogDamage(
                file: file, offset: entry.offset, byteCount: entry.byteCount,
                sequences: entry.info.firstSequence..<entry.info.endSequence, reason: reason))
    }

    // MARK: Checking

    /// The header's fields against the index and the stream's schema. Cheap; done whenever a frame is opened for reading.
    func checkHeader() throws(LogError) {
        typealias Field = FrameFormat.Field
        let version = base.load(fromByteOffset: Field.schemaVersion, as: UInt32.self)
        guard version == shape.schemaVersion else {
            throw .schemaVersion(file: file, offset: entry.offset, found: version, expected: shape.schemaVersion)
        }
        guard Int(base.load(fromByteOffset: Field.columnCount, as: UInt32.self)) == shape.types.count,
            Int(base.load(fromByteOffset: Field.chunkCount, as: UInt32.self)) == shape.chunkCount,
            Int(base.load(fromByteOffset: Field.headerLength, as: UInt32.self)) <= byteCount,
            Int(base.load(fromByteOffset: Field.rowCount, as: UInt32.self)) == rowCount,
            FrameFormat.headerByteCount + shape.chunkCount * FrameFormat.entryByteCount <= byteCount
        else { throw damage("a frame does not have the columns of the stream") }
    }

    /// Checksum and sanity of everything that belongs to a column.
    func check(column: Int) throws(LogError) {
        _ = try check(chunk: shape.firstChunks[column], shape.types[column], count: rowCount)
    }

    func check(_ part: FramePart) throws(LogError) { _ = try check(chunk: part.chunk, part.type, count: rowCount) }

    /// Returns the index after the chunk and its children.
    private func check(chunk index: Int, _ type: SQLType, count: Int) throws(LogError) -> Int {
        let chunk = try self.chunk(index, type, count: count)
        let bytes = UnsafeRawBufferPointer(start: base + chunk.offset, count: chunk.byteCount)
        if let mapped {
            do { try mapped.bringIn(bytes) } catch { throw .file(error) }
        }
        guard CRC32C.checksum(bytes) == chunk.crc || PlantedBug.isOn(.frameUnverified) else { throw damage("the checksum of column data is wrong") }
        switch type.layout {
        case .bool:
            var all: UInt8 = 0
            let values = chunk.values.assumingMemoryBound(to: UInt8.self)
            for row in 0..<count { all |= values[row] }
            guard all <= 1 else { throw damage("a BOOLEAN is neither true nor false") }
        case .string:
            let ends = chunk.values.assumingMemoryBound(to: UInt32.self)
            var isFalling = false
            for row in 1..<max(count, 1) { isFalling = isFalling || ends[row] < ends[row - 1] }
            guard !isFalling, count == 0 || Int(ends[count - 1]) <= chunk.textByteCount else {
                throw damage("the lengths of texts are impossible")
            }
        case .list:
            guard let element = type.element else { throw damage("a frame does not have the columns of the stream") }
            let elementCount = try self.valueCount(of: index + 1)
            let lists = chunk.values.assumingMemoryBound(to: ListView.self)
            var end: UInt64 = 0
            for row in 0..<count { end = max(end, UInt64(lists[row].offset) + UInt64(lists[row].length)) }
            guard end <= UInt64(elementCount) else { throw damage("the lengths of arrays are impossible") }
            return try check(chunk: index + 1, element, count: elementCount)
        case .structure:
            guard case .row(let fields) = type else { throw damage("a frame does not have the columns of the stream") }
            var next = index + 1
            for field in fields { next = try check(chunk: next, field.type, count: count) }
            return next
        case .int64, .double, .int128: break
        }
        return index + 1
    }

    func checkChanges() throws(LogError) {
        guard let bytes = changeBytes() else { throw damage("the change kinds of a frame lie outside it") }
        if let mapped {
            do { try mapped.bringIn(bytes) } catch { throw .file(error) }
        }
        guard CRC32C.checksum(bytes) == base.load(fromByteOffset: FrameFormat.Field.changesCRC, as: UInt32.self) else {
            throw damage("the checksum of change kinds is wrong")
        }
        var largest: UInt8 = 0
        for row in 0..<rowCount { largest = max(largest, bytes[row]) }
        guard largest <= 3 else { throw damage("a change kind is unknown") }
    }

    /// Everything in the frame: all columns, and that no byte of it is outside a checksum.
    func checkAll() throws(LogError) {
        try checkHeader()
        var covered = Int(base.load(fromByteOffset: FrameFormat.Field.headerLength, as: UInt32.self))
        var index = 0
        for column in shape.types.indices { try check(column: column) }
        while index < shape.chunkCount {
            let position = FrameFormat.headerByteCount + index * FrameFormat.entryByteCount
            covered += Int(truncatingIfNeeded: base.load(fromByteOffset: position + FrameFormat.Entry.chunkByteCount, as: UInt64.self))
            index += 1
        }
        if entry.flags.contains(.hasChanges) {
            try checkChanges()
            covered += FrameFormat.aligned(rowCount)
        }
        guard covered == byteCount else { throw damage("a part of the frame is under no checksum") }
    }

    // MARK: Reading (after `check` has passed for the column)

    /// Rows `rows` of a part: plain values in place, texts as fresh views into the frame.
    func column(_ part: FramePart, rows: Range<Int>) throws(LogError) -> Column {
        var index = part.chunk
        return try decode(&index, part.type, count: rowCount, rows: rows)
    }

    private func decode(_ index: inout Int, _ type: SQLType, count: Int, rows: Range<Int>) throws(LogError) -> Column {
        let chunk = try self.chunk(index, type, count: count)
        index += 1
        var owners = [owner]
        var validity = chunk.validity
        if let bits = validity, rows.lowerBound != 0 {
            if rows.lowerBound & 63 == 0 {
                validity = bits + rows.lowerBound >> 6
            } else {
                let copy = Bitmap.copy(bits, from: rows.lowerBound, count: rows.count, of: count)
                owners.append(copy)
                validity = UnsafePointer(copy.base.assumingMemoryBound(to: UInt64.self))
            }
        }
        switch type.layout {
        case .bool, .int64, .double, .int128:
            return Column(
                type: type, count: rows.count, values: chunk.values + rows.lowerBound * type.layout.stride, validity: validity, owners: owners)
        case .string:
            let views = Buffer(byteCount: rows.count * 16)
            FrameView.makeViews(chunk, rows, into: views.base)
            owners.append(views)
            return Column(type: type, count: rows.count, values: UnsafeRawPointer(views.base), validity: validity, owners: owners)
        case .list:
            guard let element = type.element else { throw damage("a frame does not have the columns of the stream") }
            let elementCount = try valueCount(of: index)
            let child = try decode(&index, element, count: elementCount, rows: 0..<elementCount)
            return Column(
                type: type, count: rows.count, values: chunk.values + rows.lowerBound * 8, validity: validity, children: [child], owners: owners)
        case .structure:
            guard case .row(let fields) = type else { throw damage("a frame does not have the columns of the stream") }
            var children: [Column] = []
            for field in fields { children.append(try decode(&index, field.type, count: count, rows: rows)) }
            return Column(type: type, count: rows.count, values: chunk.values, validity: validity, children: children, owners: owners)
        }
    }

    /// The change kinds of some rows; nil when all rows are inserts.
    func changes(rows: Range<Int>) -> Buffer? {
        guard entry.flags.contains(.hasChanges), let bytes = changeBytes(), let start = bytes.baseAddress else { return nil }
        return Buffer(borrowing: start + rows.lowerBound, byteCount: rows.count, owner: owner)
    }

    private func changeBytes() -> UnsafeRawBufferPointer? {
        let offset = base.load(fromByteOffset: FrameFormat.Field.changesOffset, as: UInt64.self)
        let count = FrameFormat.aligned(rowCount)
        guard offset <= UInt64(byteCount), byteCount - Int(offset) >= count else { return nil }
        return UnsafeRawBufferPointer(start: base + Int(offset), count: count)
    }

    /// Several frames' rows as one column, copied: for runs of small frames.
    static func assemble(_ part: FramePart, _ pieces: [(view: FrameView, rows: Range<Int>)], total: Int, owners: [Buffer]) throws(LogError) -> Column {
        let type = part.type
        let layout = type.layout
        if layout == .list || layout == .structure {
            var parts: [Column] = []
            for piece in pieces { parts.append(try piece.view.column(part, rows: piece.rows)) }
            return Column.concatenate(parts, type: type)
        }
        let values = Buffer(byteCount: total * layout.stride)
        var bits: Buffer?
        var position = 0
        for (view, rows) in pieces {
            let chunk = try view.chunk(part.chunk, type, count: view.rowCount)
            let target = values.base + position * layout.stride
            if layout == .string {
                makeViews(chunk, rows, into: target)
            } else {
                memcpy(target, chunk.values + rows.lowerBound * layout.stride, rows.count * layout.stride)
            }
            if let source = chunk.validity {
                let all = bits ?? Bitmap.allValid(total)
                bits = all
                let words = all.base.assumingMemoryBound(to: UInt64.self)
                for row in rows where source[row >> 6] & (1 << UInt64(row & 63)) == 0 {
                    let index = position + row - rows.lowerBound
                    words[index >> 6] &= ~(1 << UInt64(index & 63))
                }
            }
            position += rows.count
        }
        return Column(type: type, count: total, values: values, validity: bits, heap: layout == .string ? owners : [])
    }

    /// Builds the views of texts: length and the first four bytes in one word, the address in the next (see StringView).
    private static func makeViews(_ chunk: Chunk, _ rows: Range<Int>, into target: UnsafeMutableRawPointer) {
        let ends = chunk.values.assumingMemoryBound(to: UInt32.self)
        let bytes = chunk.texts
        let words = target.assumingMemoryBound(to: UInt64.self)
        var start = rows.lowerBound == 0 ? 0 : ends[rows.lowerBound - 1]
        let source = ends + rows.lowerBound
        for index in 0..<rows.count {
            let end = source[index]
            let address = bytes + Int(start)
            let length = end &- start
            // At least eight bytes of padding follow the last text, so four may be loaded from any start.
            let first = UInt64(address.loadUnaligned(as: UInt32.self))
            let mask = (1 as UInt64) &<< (UInt64(min(length, 4)) &* 8) &- 1
            words[index &* 2] = UInt64(length) | (first & mask) &<< 32
            words[index &* 2 &+ 1] = UInt64(UInt(bitPattern: address))
            start = end
        }
    }

    // MARK: The directory

    private struct Chunk {
        let offset: Int
        let byteCount: Int
        let crc: UInt32
        let validity: UnsafePointer<UInt64>?
        let values: UnsafeRawPointer
        /// The bytes of texts, and how many there are.
        let texts: UnsafeRawPointer
        let textByteCount: Int
    }

    private func valueCount(of index: Int) throws(LogError) -> Int {
        guard index < shape.chunkCount else { throw damage("a frame does not have the columns of the stream") }
        let position = FrameFormat.headerByteCount + index * FrameFormat.entryByteCount
        return Int(base.load(fromByteOffset: position + FrameFormat.Entry.valueCount, as: UInt32.self))
    }

    /// A chunk whose bounds have been checked: it lies in the frame, and in it `count` values of the type do.
    private func chunk(_ index: Int, _ type: SQLType, count: Int) throws(LogError) -> Chunk {
        typealias Entry = FrameFormat.Entry
        guard index < shape.chunkCount else { throw damage("a frame does not have the columns of the stream") }
        let position = base + FrameFormat.headerByteCount + index * FrameFormat.entryByteCount
        let layout = type.layout
        let total = UInt64(byteCount)
        let chunkOffset = position.load(fromByteOffset: Entry.chunkOffset, as: UInt64.self)
        let chunkByteCount = position.load(fromByteOffset: Entry.chunkByteCount, as: UInt64.self)
        let valuesOffset = position.load(fromByteOffset: Entry.valuesOffset, as: UInt64.self)
        let valuesByteCount = position.load(fromByteOffset: Entry.valuesByteCount, as: UInt64.self)
        let encoding: ChunkEncoding = layout == .string ? .text : .plain
        guard position.load(fromByteOffset: Entry.layout, as: UInt8.self) == layout.rawValue,
            position.load(fromByteOffset: Entry.encoding, as: UInt8.self) == encoding.rawValue,
            Int(position.load(fromByteOffset: Entry.valueCount, as: UInt32.self)) == count
        else { throw damage("a frame does not have the columns of the stream") }
        // All four are at most `total` (below 2^30) before they are added, so no sum overflows.
        guard chunkOffset <= total, chunkByteCount <= total, chunkOffset + chunkByteCount <= total,
            chunkOffset % UInt64(FrameFormat.alignment) == 0, valuesOffset % UInt64(FrameFormat.alignment) == 0,
            valuesOffset >= chunkOffset, valuesOffset <= total, valuesByteCount <= total,
            valuesOffset + valuesByteCount <= chunkOffset + chunkByteCount
        else { throw damage("a column lies outside its frame") }
        var validity: UnsafePointer<UInt64>?
        if position.load(fromByteOffset: Entry.flags, as: UInt16.self) & FrameFormat.hasValidityFlag != 0 {
            guard valuesOffset - chunkOffset >= UInt64(Bitmap.wordCount(count) * 8) else { throw damage("a null bitmap lies outside its frame") }
            validity = (base + Int(chunkOffset)).assumingMemoryBound(to: UInt64.self)
        }
        let values = base + Int(valuesOffset)
        if layout == .string {
            let endsByteCount = UInt64(count) * 4
            guard valuesByteCount >= endsByteCount,
                valuesOffset + valuesByteCount + UInt64(FrameFormat.textPaddingByteCount) <= chunkOffset + chunkByteCount
            else { throw damage("texts lie outside their frame") }
            return Chunk(
                offset: Int(chunkOffset), byteCount: Int(chunkByteCount), crc: position.load(fromByteOffset: Entry.crc, as: UInt32.self),
                validity: validity, values: values, texts: values + Int(endsByteCount), textByteCount: Int(valuesByteCount - endsByteCount))
        }
        guard valuesByteCount == UInt64(count) * UInt64(layout.stride) else { throw damage("a column has the wrong length") }
        return Chunk(
            offset: Int(chunkOffset), byteCount: Int(chunkByteCount), crc: position.load(fromByteOffset: Entry.crc, as: UInt32.self),
            validity: validity, values: values, texts: values, textByteCount: 0)
    }
}
