// StateReader: reads what StateWriter wrote. Every length is checked against what is left before anything is made of it, so damaged
// bytes give a StateError and never a trap or an allocation larger than the input warrants.

import Columns
import Glibc

package struct StateError: Error, Hashable, CustomStringConvertible, Sendable {
    package var message: String
    /// Where in the snapshot, in bytes.
    package var offset: Int
    package var description: String { "state snapshot, byte \(offset): \(message)" }
}

package struct StateReader: Sendable {
    private let bytes: Buffer
    package private(set) var position = 0
    private var end: Int
    /// Where numbered rows are, when they are not among the bytes.
    let stored: StoredPart?

    package init(_ bytes: [UInt8]) { self.init(bytes.withUnsafeBytes { Buffer(copying: $0) }) }

    package init(_ bytes: Buffer) {
        self.bytes = bytes
        end = bytes.byteCount
        stored = nil
    }

    /// The bytes of a part of the state whose numbered rows are kept apart.
    init(_ part: StoredPart) {
        bytes = part.main
        end = part.main.byteCount
        stored = part
    }

    package var remaining: Int { end - position }
    package func failure(_ message: String) -> StateError { StateError(message: message, offset: position) }

    package mutating func read<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws(StateError) -> Number {
        let size = MemoryLayout<Number>.size
        guard remaining >= size else { throw failure("ends too early") }
        let value = bytes.base.loadUnaligned(fromByteOffset: position, as: Number.self)
        position += size
        return Number(littleEndian: value)
    }

    /// A number further on, which is not passed over; nil behind the end.
    func peek<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int) -> Number? {
        guard remaining >= offset + MemoryLayout<Number>.size else { return nil }
        return Number(littleEndian: bytes.base.loadUnaligned(fromByteOffset: position + offset, as: Number.self))
    }

    package mutating func readBool() throws(StateError) -> Bool {
        let value: UInt8 = try read()
        guard value <= 1 else { throw failure("no truth value") }
        return value == 1
    }

    package mutating func readDouble() throws(StateError) -> Double { Double(bitPattern: try read()) }

    /// A count of things that take at least `bytesEach` bytes each.
    package mutating func readCount(bytesEach: Int = 1) throws(StateError) -> Int {
        let value: UInt64 = try read()
        let most = bytesEach > 0 ? remaining / bytesEach : 1 << 31
        guard value <= UInt64(most) else { throw failure("a count of \(value) is more than there is room for") }
        return Int(value)
    }

    /// Exactly `target.count` bytes.
    package mutating func read(into target: UnsafeMutableRawBufferPointer) throws(StateError) {
        guard remaining >= target.count else { throw failure("ends too early") }
        if let base = target.baseAddress, target.count > 0 { memcpy(base, bytes.base + position, target.count) }
        position += target.count
    }

    /// The next `count` bytes where they lie: for as long as the reader's bytes live.
    mutating func skip(_ count: Int) throws(StateError) -> UnsafeRawBufferPointer {
        guard count >= 0, remaining >= count else { throw failure("ends too early") }
        defer { position += count }
        return UnsafeRawBufferPointer(start: bytes.base + position, count: count)
    }

    /// What `body` reads is exactly the next `count` bytes.
    @inline(__always)
    mutating func bounded(_ count: Int, _ body: (inout StateReader) throws(StateError) -> Void) throws(StateError) {
        guard remaining >= count else { throw failure("ends too early") }
        let outerEnd = end
        end = position + count
        try body(&self)
        guard position == end else { throw failure("\(end - position) bytes too many in a row") }
        end = outerEnd
    }

    /// A text, copied into the arena.
    @inline(__always)
    mutating func readText(into arena: inout ByteArena) throws(StateError) -> StringView {
        try readText(try readCount(), into: &arena)
    }

    /// A text of this many bytes, copied into the arena.
    @inline(__always)
    mutating func readText(_ count: Int, into arena: inout ByteArena) throws(StateError) -> StringView {
        guard count <= StringView.lengthMax, count <= remaining else { throw failure("a text too long") }
        let start = position
        position += count
        guard count > 0 else { return .empty }
        return arena.copy(StringView(UnsafePointer((bytes.base + start).assumingMemoryBound(to: UInt8.self)), count: count))
    }

    /// A count and the bytes.
    package mutating func readBytes() throws(StateError) -> [UInt8] {
        let count = try readCount()
        let block = Array(UnsafeRawBufferPointer(start: bytes.base + position, count: count))
        position += count
        return block
    }

    package mutating func readString() throws(StateError) -> String { String(decoding: try readBytes(), as: UTF8.self) }

    /// Reads a section with this tag; what `body` leaves of it is an error.
    package mutating func section<Result>(_ tag: UInt32, _ body: (inout StateReader) throws(StateError) -> Result) throws(StateError)
        -> Result
    {
        let found: UInt32 = try read()
        guard found == tag else { throw failure("section \(found) where \(tag) should be") }
        let length = try readCount()
        let outerEnd = end
        end = position + length
        let result = try body(&self)
        guard position == end else { throw failure("\(end - position) bytes too many in section \(tag)") }
        end = outerEnd
        return result
    }

    package mutating func readBatch(types: [SQLType]) throws(StateError) -> RowBatch {
        let count = try readCount(bytesEach: types.isEmpty ? 0 : 1)
        var changes: Buffer?
        if try readBool() {
            guard remaining >= count else { throw failure("ends too early") }
            let buffer = Buffer(byteCount: count)
            try read(into: UnsafeMutableRawBufferPointer(start: buffer.base, count: count))
            changes = buffer
        }
        var columns: [Column] = []
        for type in types { columns.append(try readColumn(type, count: count)) }
        return RowBatch(count: count, columns: columns, changes: changes)
    }

    private mutating func readColumn(_ type: SQLType, count: Int) throws(StateError) -> Column {
        var bits: Buffer?
        if try readBool() {
            guard remaining >= count else { throw failure("ends too early") }
            let bitmap = Bitmap.allValid(count)
            let words = bitmap.base.assumingMemoryBound(to: UInt64.self)
            for row in 0..<count {
                if try !readBool() { words[row >> 6] &= ~(1 << UInt64(row & 63)) }
            }
            bits = bitmap
        }
        func isNull(_ row: Int) -> Bool {
            guard let bits else { return false }
            return bits.base.assumingMemoryBound(to: UInt64.self)[row >> 6] & (1 << UInt64(row & 63)) == 0
        }
        switch type.layout {
        case .bool, .int64, .double, .int128:
            let size = count * type.layout.stride
            guard remaining >= size else { throw failure("ends too early") }
            let values = Buffer(byteCount: size)
            try read(into: UnsafeMutableRawBufferPointer(start: values.base, count: size))
            return Column(type: type, count: count, values: values, validity: bits)
        case .string:
            let builder = ColumnBuilder(type, capacity: count)
            for row in 0..<count {
                let text = try readBytes()
                if isNull(row) { builder.appendNull() } else { text.withUnsafeBufferPointer { builder.append(bytes: $0) } }
            }
            return builder.finish()
        case .list:
            guard let elementType = type.element, remaining / 8 >= count else { throw failure("no list") }
            let values = Buffer(byteCount: count * 8)
            var total = 0
            for row in 0..<count {
                let length: UInt64 = try read()
                guard length <= UInt64(UInt32.max), total + Int(length) <= Int(UInt32.max) else { throw failure("a list too long") }
                values.base.storeBytes(
                    of: ListView(offset: UInt32(total), length: UInt32(length)), toByteOffset: row * 8, as: ListView.self)
                total += Int(length)
            }
            let elementCount = try readCount(bytesEach: 0)
            guard elementCount == total else { throw failure("list lengths do not add up") }
            let child = try readColumn(elementType, count: total)
            return Column(type: type, count: count, values: values, validity: bits, children: [child])
        case .structure:
            guard case .row(let fields) = type else { throw failure("no structure") }
            var children: [Column] = []
            for field in fields { children.append(try readColumn(field.type, count: count)) }
            return Column(type: type, count: count, values: Buffer(byteCount: 0), validity: bits, children: children)
        }
    }
}
