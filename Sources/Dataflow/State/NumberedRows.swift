// NumberedRows: rows 0..<count that a checkpoint keeps block by block, so that its cost follows what changed.
//
// A snapshot as one row of bytes holds them in order. A capture for a checkpoint (`PartCapture`) takes of each block of 8,192 rows either all
// rows (a base) or those that have changed (a delta), and leaves only the collection's number in the part's own bytes:
//
//     base    rows: UInt32, top bit set   lengths: UInt32 each?   rows
//     delta   rows: UInt32                numbers within the block: UInt16 each, ascending   lengths: UInt32 each?   rows
//
// Rows that lie in memory as they are written (`plain`) have no lengths. When a block has many deltas, or the same rows change again and again,
// one delta with every row that has changed since the base takes the place of all. The base is written anew when that would outweigh about three
// quarters of it, at another share for every block, so that the blocks of a table that changes evenly do not fall due together.
// Reading takes the newest delta first and every row once, unless rows are plain.

import Columns
import Glibc
import Platform

protocol NumberedRows {
    var rowCount: Int { get }
    /// No row takes fewer bytes.
    var rowByteCountMin: Int { get }
    /// Where the rows lie, when their bytes in memory are what is written.
    var plain: (base: UnsafeMutableRawPointer, stride: Int)? { get }
    /// Whether `byteCount(row:)` says how long a row is, and `store` writes it: faster than `write`, and the same bytes.
    var isMeasured: Bool { get }
    func byteCount(row: Int) -> Int
    func store(row: Int, at target: UnsafeMutableRawPointer)
    func write(row: Int, to writer: inout StateWriter)
    /// Makes rows 0..<count, which are then read in any order, each once.
    func make(rows count: Int)
    func read(row: Int, from reader: inout StateReader) throws(StateError)
}

extension NumberedRows {
    var plain: (base: UnsafeMutableRawPointer, stride: Int)? { nil }
    var isMeasured: Bool { false }
    func byteCount(row: Int) -> Int { 0 }
    func store(row: Int, at target: UnsafeMutableRawPointer) {}
}

/// A row as it lies in memory, but for the addresses in its StringViews, and then its texts.
enum RowBytes {
    /// Within a StringView.
    private static let pointerOffset = 8

    @inline(__always)
    static func byteCount(_ row: UnsafeRawPointer, width: Int, strings: [Int]) -> Int {
        var count = width
        for offset in strings { count &+= Int(row.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
        return count
    }

    @inline(__always)
    static func store(_ row: UnsafeRawPointer, width: Int, strings: [Int], at target: UnsafeMutableRawPointer) {
        memcpy(target, row, width)
        var end = target + width
        for offset in strings {
            let view = row.loadUnaligned(fromByteOffset: offset, as: StringView.self)
            (target + offset + pointerOffset).storeBytes(of: 0, as: UInt64.self)
            memcpy(end, view.pointer, view.count)
            end += view.count
        }
    }

    static func write(_ row: UnsafeRawPointer, width: Int, strings: [Int], to writer: inout StateWriter) {
        writer.append(byteCount(row, width: width, strings: strings)) { store(row, width: width, strings: strings, at: $0) }
    }

    /// Texts go into the arena.
    @inline(__always)
    static func read(
        into row: UnsafeMutableRawPointer, width: Int, strings: [Int], arena: inout ByteArena, from reader: inout StateReader
    ) throws(StateError) {
        try reader.read(into: UnsafeMutableRawBufferPointer(start: row, count: width))
        for offset in strings {
            let count = Int(row.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            row.storeBytes(of: try reader.readText(count, into: &arena), toByteOffset: offset, as: StringView.self)
        }
    }
}

/// What a capture takes of a block of a collection.
package struct CapturedBlock: Sendable {
    package var number: Int
    package var isBase: Bool
    /// A delta that takes the place of all earlier ones.
    package var replacesDeltas = false
    package var bytes: [UInt8]
}

package struct CapturedCollection: Sendable {
    package var id: UInt64
    package var rowCount: Int
    /// Nothing of it has been captured before.
    package var isNew: Bool
    package var blocks: [CapturedBlock]
}

/// Takes the numbered rows of one part of the state.
final class PartCapture: @unchecked Sendable {
    // Safe to share: one task at a time captures a part.
    private var nextCollection: UInt64 = 1
    private(set) var collections: [CapturedCollection] = []
    private var takesAll = false

    /// More deltas than this become one.
    private static let deltasMax = 16

    /// Before a capture; `all`: as if nothing had been captured before.
    func begin(all: Bool) {
        collections = []
        takesAll = all
    }

    /// Numbers up to this one are taken.
    func noteTaken(_ collection: UInt64) { nextCollection = max(nextCollection, collection &+ 1) }

    /// The collection's number.
    func take<Rows: NumberedRows>(_ rows: Rows, _ marks: RowMarks) -> UInt64 {
        let count = rows.rowCount
        let isNew = marks.collection == 0 || takesAll || marks.capturedCount > count
        if isNew {
            marks.begin(nextCollection)
            nextCollection &+= 1
        }
        #if MILLRACE_CHECKS
        check(rows, marks)
        #endif
        // Without memory for the bits nothing could be said about changes: the next capture takes everything.
        let hasRoom = marks.reserve(count)
        var captured = CapturedCollection(id: marks.collection, rowCount: count, isNew: isNew, blocks: [])
        var start = 0
        var number = 0
        while start < count {
            let end = min(start + RowMarks.blockRows, count)
            let losesMarks = PlantedBug.isOn(.lostDirtyMark) && number < marks.blocks.count && end <= marks.capturedCount
            let changed = losesMarks ? 0 : marks.changedCount(start, end)
            if changed > 0 {
                if number == marks.blocks.count { marks.blocks.append(RowMarks.Block()) }
                let block = marks.blocks[number]
                let average = block.baseBytes / max(end - start, 1) + 2
                // A half to all of the base, another share for each block.
                let share = 8 + (UInt64(truncatingIfNeeded: number) &* 0x9E37_79B9_7F4A_7C15) >> 61
                let limit = block.baseBytes / 16 * Int(share)
                var isBase = block.baseBytes == 0 || changed * 2 >= end - start
                var merges = false
                var held = changed
                if !isBase {
                    marks.noteSinceBase(start, end)
                    let isOver = block.deltaBytes + changed * average > limit
                    if isOver || block.deltaCount >= PartCapture.deltasMax {
                        held = marks.countSinceBase(start, end)
                        isBase = isOver && held * average * 2 > limit
                        merges = !isBase
                    }
                }
                let bytes: [UInt8]
                if isBase {
                    marks.forgetSinceBase(start, end)
                    bytes = PartCapture.base(rows, start, end)
                    marks.blocks[number] = RowMarks.Block(baseBytes: bytes.count)
                } else {
                    bytes = PartCapture.delta(rows, marks, start, end, merges: merges, count: held)
                    marks.blocks[number].deltaBytes = (merges ? 0 : block.deltaBytes) + bytes.count
                    marks.blocks[number].deltaCount = (merges ? 0 : block.deltaCount) + 1
                }
                captured.blocks.append(CapturedBlock(number: number, isBase: isBase, replacesDeltas: merges, bytes: bytes))
            }
            start = end
            number += 1
        }
        let id = marks.collection
        if hasRoom { marks.finish(count: count) } else { marks.reset() }
        collections.append(captured)
        return id
    }

    static let baseFlag = UInt32(1) << 31

    private static func base<Rows: NumberedRows>(_ rows: Rows, _ start: Int, _ end: Int) -> [UInt8] {
        let count = end - start
        if let plain = rows.plain {
            return [UInt8](unsafeUninitializedCapacity: 4 + count * plain.stride) { target, filled in
                guard let base = target.baseAddress else { return }
                let raw = UnsafeMutableRawPointer(base)
                raw.storeBytes(of: (UInt32(truncatingIfNeeded: count) | baseFlag).littleEndian, as: UInt32.self)
                memcpy(raw + 4, plain.base + start * plain.stride, count * plain.stride)
                filled = 4 + count * plain.stride
            }
        }
        if rows.isMeasured {
            var total = 4 + count * 4
            for row in start..<end { total += rows.byteCount(row: row) }
            return [UInt8](unsafeUninitializedCapacity: total) { target, filled in
                guard let base = target.baseAddress else { return }
                let raw = UnsafeMutableRawPointer(base)
                raw.storeBytes(of: (UInt32(truncatingIfNeeded: count) | baseFlag).littleEndian, as: UInt32.self)
                var length = raw + 4
                var place = length + count * 4
                for row in start..<end { store(rows, row, &length, &place) }
                filled = total
            }
        }
        var writer = StateWriter(reserving: count * (rows.rowByteCountMin + 16))
        writer.write(UInt32(truncatingIfNeeded: count) | baseFlag)
        let lengths = writer.hole(count * 4)
        for row in start..<end { writer.writeMeasured(rows, row, lengthAt: lengths + (row - start) * 4) }
        return writer.bytes
    }

    /// The rows that have changed since the last capture, or since the base; there are `changed` of them.
    private static func delta<Rows: NumberedRows>(
        _ rows: Rows, _ marks: RowMarks, _ start: Int, _ end: Int, merges: Bool, count changed: Int
    ) -> [UInt8] {
        if let plain = rows.plain {
            let byteCount = 4 + changed * (2 + plain.stride)
            return [UInt8](unsafeUninitializedCapacity: byteCount) { target, filled in
                guard let base = target.baseAddress else { return }
                let raw = UnsafeMutableRawPointer(base)
                raw.storeBytes(of: UInt32(truncatingIfNeeded: changed).littleEndian, as: UInt32.self)
                var number = raw + 4
                var place = number + changed * 2
                eachChanged(marks, start, end, merges) { row in
                    number.storeBytes(of: UInt16(truncatingIfNeeded: row - start).littleEndian, as: UInt16.self)
                    number += 2
                    memcpy(place, plain.base + row * plain.stride, plain.stride)
                    place += plain.stride
                }
                filled = byteCount
            }
        }
        if rows.isMeasured {
            var total = 4 + changed * 6
            eachChanged(marks, start, end, merges) { total += rows.byteCount(row: $0) }
            let byteCount = total
            return [UInt8](unsafeUninitializedCapacity: byteCount) { target, filled in
                guard let base = target.baseAddress else { return }
                let raw = UnsafeMutableRawPointer(base)
                raw.storeBytes(of: UInt32(truncatingIfNeeded: changed).littleEndian, as: UInt32.self)
                var number = raw + 4
                var length = number + changed * 2
                var place = length + changed * 4
                eachChanged(marks, start, end, merges) { row in
                    number.storeBytes(of: UInt16(truncatingIfNeeded: row - start).littleEndian, as: UInt16.self)
                    number += 2
                    store(rows, row, &length, &place)
                }
                filled = byteCount
            }
        }
        var writer = StateWriter(reserving: changed * (rows.rowByteCountMin + 22))
        writer.write(UInt32(truncatingIfNeeded: changed))
        eachChanged(marks, start, end, merges) { writer.write(UInt16(truncatingIfNeeded: $0 - start)) }
        var length = writer.hole(changed * 4)
        eachChanged(marks, start, end, merges) { row in
            writer.writeMeasured(rows, row, lengthAt: length)
            length += 4
        }
        return writer.bytes
    }

    @inline(__always)
    private static func store<Rows: NumberedRows>(
        _ rows: Rows, _ row: Int, _ length: inout UnsafeMutableRawPointer, _ place: inout UnsafeMutableRawPointer
    ) {
        let byteCount = rows.byteCount(row: row)
        length.storeBytes(of: UInt32(truncatingIfNeeded: byteCount).littleEndian, as: UInt32.self)
        length += 4
        rows.store(row: row, at: place)
        place += byteCount
    }

    @inline(__always)
    private static func eachChanged(_ marks: RowMarks, _ start: Int, _ end: Int, _ merges: Bool, _ body: (Int) -> Void) {
        let known = merges ? end : min(end, max(marks.capturedCount, start))
        if let bits = merges ? marks.sinceBase : marks.bits, known > start {
            for word in start >> 6..<(known + 63) >> 6 {
                var left = bits[word]
                while left != 0 {
                    body(word << 6 + left.trailingZeroBitCount)
                    left &= left - 1
                }
            }
        }
        for row in known..<end { body(row) }
    }

    #if MILLRACE_CHECKS
    private static let checkedRowsMax = 20_000

    /// Stops when a row that is held to be unchanged has other bytes than in the last capture.
    private func check<Rows: NumberedRows>(_ rows: Rows, _ marks: RowMarks) {
        let before = marks.hashes
        PartCapture.note(rows, marks)
        for row in 0..<min(marks.hashes.count, before.count) where !marks.hasChanged(row) && marks.hashes[row] != before[row] {
            preconditionFailure("row \(row) of \(rows.rowCount) of \(Rows.self) has changed without a mark")
        }
    }

    /// Remembers what rows are now.
    fileprivate static func note<Rows: NumberedRows>(_ rows: Rows, _ marks: RowMarks) {
        marks.hashes = []
        guard rows.rowCount <= PartCapture.checkedRowsMax else { return }
        var writer = StateWriter()
        for row in 0..<rows.rowCount {
            writer.removeAll()
            rows.write(row: row, to: &writer)
            marks.hashes.append(writer.bytes.withUnsafeBytes { Hash64.hash($0) })
        }
    }
    #endif
}

extension StateWriter {
    /// Rows by number: here and now, or, in a capture, by the number of the collection they are kept in.
    mutating func write<Rows: NumberedRows>(_ rows: Rows, _ marks: RowMarks) {
        write(count: rows.rowCount)
        if let capture { return write(capture.take(rows, marks)) }
        if let plain = rows.plain { return write(raw: UnsafeRawBufferPointer(start: plain.base, count: rows.rowCount * plain.stride)) }
        for row in 0..<rows.rowCount { rows.write(row: row, to: &self) }
    }

    fileprivate mutating func writeMeasured<Rows: NumberedRows>(_ rows: Rows, _ row: Int, lengthAt place: Int) {
        let start = bytes.count
        rows.write(row: row, to: &self)
        store(UInt32(truncatingIfNeeded: bytes.count - start), at: place)
    }
}

/// The blocks of one collection as they were stored, each a base and then deltas, oldest first.
package struct StoredRows: Sendable {
    package var rowCount: Int
    package var blocks: [[Buffer]]

    package init(rowCount: Int, blocks: [[Buffer]]) {
        self.rowCount = rowCount
        self.blocks = blocks
    }
}

extension StateReader {
    /// Fills empty rows with what `write` of the same form wrote.
    mutating func read<Rows: NumberedRows>(_ rows: Rows, _ marks: RowMarks, most: Int = Int(Int32.max) - 1) throws(StateError) {
        marks.reset()
        guard let stored else {
            let count = try readCount(bytesEach: max(rows.rowByteCountMin, 1))
            guard count <= most else { throw failure("more rows than there can be") }
            rows.make(rows: count)
            if let plain = rows.plain {
                try read(into: UnsafeMutableRawBufferPointer(start: plain.base, count: count * plain.stride))
            } else {
                for row in 0..<count { try rows.read(row: row, from: &self) }
            }
            return
        }
        let count = try readCount(bytesEach: 0)
        let number: UInt64 = try read()
        guard count <= most, number > 0, number < .max, let found = stored.collections[number], found.rowCount == count,
            found.blocks.count == (count + RowMarks.blockRows - 1) / RowMarks.blockRows
        else { throw failure("a collection of rows that is not there") }
        var total = 0
        for block in found.blocks {
            guard !block.isEmpty else { throw failure("a block without rows") }
            for piece in block { total += piece.byteCount }
        }
        guard total / max(rows.rowByteCountMin, 1) >= count else { throw failure("more rows than there is room for") }
        rows.make(rows: count)
        marks.begin(number)
        let hasRoom = marks.reserve(count)
        for (index, pieces) in found.blocks.enumerated() {
            let start = index * RowMarks.blockRows
            var block = BlockReader(rows, marks, start: start, count: min(RowMarks.blockRows, count - start))
            try block.read(pieces)
            var sizes = RowMarks.Block(baseBytes: pieces[0].byteCount)
            for delta in pieces.dropFirst() {
                sizes.deltaBytes += delta.byteCount
                sizes.deltaCount += 1
            }
            marks.blocks.append(sizes)
        }
        if hasRoom { marks.finish(count: count) } else { marks.reset() }
        stored.noteTaken(number)
        #if MILLRACE_CHECKS
        PartCapture.note(rows, marks)
        #endif
    }
}

/// Reads the rows of one block, newest pieces first.
private struct BlockReader<Rows: NumberedRows> {
    private let rows: Rows
    private let marks: RowMarks
    private let start: Int
    private let count: Int
    private var seen: [UInt64]
    private var left: Int
    private var baseCount = 0

    init(_ rows: Rows, _ marks: RowMarks, start: Int, count: Int) {
        self.rows = rows
        self.marks = marks
        self.start = start
        self.count = count
        left = count
        seen = Array(repeating: 0, count: RowMarks.blockRows / 64)
    }

    mutating func read(_ pieces: [Buffer]) throws(StateError) {
        if rows.plain != nil {
            // Copying over is cheaper than asking what is there.
            for (index, piece) in pieces.enumerated() { try read(piece, isBase: index == 0) }
        } else {
            for (index, piece) in pieces.enumerated().reversed() where left > 0 { try read(piece, isBase: index == 0) }
        }
        guard left == 0 else { throw StateError(message: "\(left) rows of a block are missing", offset: 0) }
    }

    private mutating func read(_ piece: Buffer, isBase: Bool) throws(StateError) {
        var reader = StateReader(piece)
        let head: UInt32 = try reader.read()
        let held = Int(head & ~PartCapture.baseFlag)
        guard (head & PartCapture.baseFlag != 0) == isBase, held <= count else { throw reader.failure("no block of rows") }
        let numbers = isBase ? nil : try reader.skip(held * 2)
        func number(_ index: Int) -> Int {
            numbers.map { Int(UInt16(littleEndian: $0.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))) } ?? index
        }
        var last = -1
        if numbers != nil {
            for index in 0..<held {
                guard number(index) > last, number(index) < count else { throw reader.failure("rows out of order") }
                last = number(index)
                marks.noteSinceBase(start + last)
            }
        }
        if let plain = rows.plain {
            let source = try reader.skip(held * plain.stride)
            guard reader.remaining == 0 else { throw reader.failure("a block too long") }
            guard let base = source.baseAddress, held > 0 else { return }
            if isBase {
                memcpy(plain.base + start * plain.stride, base, held * plain.stride)
                left = count - held
                baseCount = held
            } else {
                for index in 0..<held {
                    let row = number(index)
                    if row >= baseCount { _ = see(row) }
                    memcpy(plain.base + (start + row) * plain.stride, base + index * plain.stride, plain.stride)
                }
            }
            withExtendedLifetime(piece) {}
            return
        }
        let lengths = try reader.skip(held * 4)
        for index in 0..<held {
            let length = Int(UInt32(littleEndian: lengths.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)))
            if see(number(index)) {
                try reader.bounded(length) { (reader) throws(StateError) in try rows.read(row: start + number(index), from: &reader) }
            } else {
                _ = try reader.skip(length)
            }
        }
        guard reader.remaining == 0 else { throw reader.failure("a block too long") }
        withExtendedLifetime(piece) {}
    }

    /// True the first time.
    @inline(__always)
    private mutating func see(_ row: Int) -> Bool {
        let bit = UInt64(1) << UInt64(row & 63)
        guard seen[row >> 6] & bit == 0 else { return false }
        seen[row >> 6] |= bit
        left -= 1
        return true
    }
}
