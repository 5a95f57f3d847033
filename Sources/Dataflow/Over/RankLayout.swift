// RankLayout: how rows that a ranking or a window function keeps lie in memory.
//
//   row = [order words][packed row: all columns of the input]
//   key = the packed partition columns, normalised so that equal groups have equal bytes
//
// A row is the same while it is a view into the epoch's input and once it is kept, when its texts lie in an arena.

import Columns
import Glibc
import Planning

final class RankLayout: Sendable {
    let inputTypes: [SQLType]
    let partition: [Int]
    /// nil without PARTITION BY.
    let key: PackedLayout?
    let payload: PackedLayout
    let order: OrderWords
    /// Bytes of a row, and of a key.
    let rowWidth: Int
    let keyWidth: Int
    /// Offsets of StringViews within a row.
    let rowStrings: [Int]
    let keyStrings: [Int]

    init(partition: [Int], order keys: [SortNode.Key], inputTypes: [SQLType], purpose: String) throws(DataflowError) {
        self.inputTypes = inputTypes
        self.partition = partition
        key = partition.isEmpty ? nil : try PackedLayout(partition.map { inputTypes[$0] }, for: "PARTITION BY")
        payload = try PackedLayout(inputTypes, for: purpose)
        order = try OrderWords(keys, payload: payload)
        rowWidth = order.byteCount + payload.width
        keyWidth = key?.width ?? 0
        let base = order.byteCount
        rowStrings = payload.stringOffsets.map { base + $0 }
        keyStrings = key?.stringOffsets ?? []
    }

    func isEqual(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer) -> Bool {
        a == b || PackedLayout.equal(a, b, width: rowWidth, stringOffsets: rowStrings)
    }

    /// The input's columns of rows at these places.
    func columns(_ rows: UnsafePointer<UnsafeRawPointer>, count: Int) -> [Column] {
        payload.types.indices.map { payload.unpack($0, from: rows, count: count, base: order.byteCount) }
    }

    /// The same, but texts stay where they are; `owners` keep them alive.
    func columns(_ rows: UnsafePointer<UnsafeRawPointer>, count: Int, sharing owners: [Buffer]) -> [Column] {
        payload.types.indices.map { payload.unpack($0, from: rows, count: count, base: order.byteCount, sharing: owners) }
    }

    func values(_ row: UnsafeRawPointer) -> [Value] {
        withUnsafePointer(to: row) { columns($0, count: 1) }.map { $0.value(at: 0) }
    }

    // MARK: State

    /// A packed row or key without the addresses of its texts, then the texts.
    static func write(_ source: UnsafeRawPointer, width: Int, strings: [Int], to writer: inout StateWriter) {
        var start = 0
        for string in strings {
            writer.write(raw: UnsafeRawBufferPointer(start: source + start, count: string - start))
            writer.write(bytes: UnsafeRawBufferPointer(source.loadUnaligned(fromByteOffset: string, as: StringView.self).bytes))
            start = string + 16
        }
        writer.write(raw: UnsafeRawBufferPointer(start: source + start, count: width - start))
    }

    static func read(
        into target: UnsafeMutableRawPointer, width: Int, strings: [Int], arena: inout ByteArena, from reader: inout StateReader
    ) throws(StateError) {
        for string in strings { target.storeBytes(of: .empty, toByteOffset: string, as: StringView.self) }
        var start = 0
        for string in strings {
            try reader.read(into: UnsafeMutableRawBufferPointer(start: target + start, count: string - start))
            target.storeBytes(of: try reader.readText(into: &arena), toByteOffset: string, as: StringView.self)
            start = string + 16
        }
        try reader.read(into: UnsafeMutableRawBufferPointer(start: target + start, count: width - start))
    }
}
