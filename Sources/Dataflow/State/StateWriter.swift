// StateWriter: operator state as bytes. Little-endian, no padding, sections with a tag and a length before them.
//
// The same state gives the same bytes: whoever writes does so in an order that follows from the state alone (slot order, time
// order), never from addresses or capacities.

import Columns

package struct StateWriter: Sendable {
    package private(set) var bytes: [UInt8] = []
    /// Where numbered rows go when this is a capture for a checkpoint.
    let capture: PartCapture?

    package init() { capture = nil }

    init(capturing capture: PartCapture) { self.capture = capture }

    init(reserving byteCount: Int) {
        capture = nil
        bytes.reserveCapacity(byteCount)
    }

    package mutating func write<Number: FixedWidthInteger>(_ value: Number) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }
    package mutating func write(_ value: Double) { write(value.bitPattern) }
    package mutating func write(count: Int) { write(UInt64(truncatingIfNeeded: count)) }
    package mutating func write(raw: UnsafeRawBufferPointer) { bytes.append(contentsOf: raw) }

    mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// Room for something that is known later; where it is.
    mutating func hole(_ byteCount: Int) -> Int {
        let place = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: byteCount))
        return place
    }

    /// Fills four bytes of a hole.
    mutating func store(_ value: UInt32, at place: Int) {
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: value.littleEndian, toByteOffset: place, as: UInt32.self) }
    }

    /// So many bytes, which `fill` writes.
    @inline(__always)
    mutating func append(_ byteCount: Int, fill: (UnsafeMutableRawPointer) -> Void) {
        let place = hole(byteCount)
        bytes.withUnsafeMutableBytes { if let base = $0.baseAddress { fill(base + place) } }
    }

    /// A count and the bytes.
    package mutating func write(bytes block: UnsafeRawBufferPointer) {
        write(count: block.count)
        bytes.append(contentsOf: block)
    }

    package mutating func write(_ text: String) {
        var text = text
        text.withUTF8 { write(bytes: UnsafeRawBufferPointer($0)) }
    }

    /// A tag, the length of what `body` writes, and that.
    package mutating func section(_ tag: UInt32, _ body: (inout StateWriter) -> Void) {
        write(tag)
        let start = bytes.count
        write(UInt64(0))
        body(&self)
        let length = UInt64(bytes.count - start - 8)
        withUnsafeBytes(of: length.littleEndian) { source in
            for index in 0..<8 { bytes[start + index] = source[index] }
        }
    }

    /// Rows as columns: for buffers of whole rows (sorting).
    package mutating func write(_ batch: RowBatch) {
        write(count: batch.count)
        write(batch.changes != nil)
        if let changes = batch.changes { write(raw: UnsafeRawBufferPointer(start: changes.base, count: batch.count)) }
        for column in batch.columns { write(column) }
    }

    private mutating func write(_ column: Column) {
        write(column.mayHaveNulls)
        if column.mayHaveNulls { for row in 0..<column.count { write(!column.isNull(row)) } }
        switch column.layout {
        case .bool, .int64, .double, .int128:
            let stride = column.layout.stride
            for row in 0..<column.count {
                // What lies under a NULL is undefined, and may not reach the bytes.
                if column.isNull(row) {
                    for _ in 0..<stride { bytes.append(0) }
                } else {
                    write(raw: UnsafeRawBufferPointer(start: column.values + row * stride, count: stride))
                }
            }
        case .string:
            for row in 0..<column.count {
                write(bytes: column.isNull(row) ? UnsafeRawBufferPointer(start: nil, count: 0) : UnsafeRawBufferPointer(column.strings[row].bytes))
            }
        case .list:
            for row in 0..<column.count { write(count: column.isNull(row) ? 0 : Int(column.lists[row].length)) }
            let kept = ColumnBuilder(column.children[0].type, capacity: column.children[0].count)
            for row in 0..<column.count where !column.isNull(row) {
                let list = column.lists[row]
                for element in 0..<Int(list.length) { kept.append(from: column.children[0], row: Int(list.offset) + element) }
            }
            let elements = kept.finish()
            write(count: elements.count)
            write(elements)
        case .structure:
            for child in column.children { write(child) }
        }
    }
}
