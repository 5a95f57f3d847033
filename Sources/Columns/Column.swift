// Column: an immutable typed vector with an optional null bitmap.
//
// Invariants:
// - `values` holds `count` values of the type's layout, at an address aligned to at least 8 bytes.
// - The bitmap, when there is one, has a bit per row, set where the row is NOT NULL, beginning with bit 0 of word 0; bits past
//   `count` in the last word are undefined. It is absent when nothing is null.
// - Where a structure is NULL, its fields are NULL too: a field is read without a look at the structure.
// - The value under a NULL is defined memory (any number, a valid StringView), so that kernels may compute on it blindly.
// - Everything that a pointer of this column reaches lives as long as the column does.

import Glibc

public struct Column: @unchecked Sendable {
    // Safe to share: columns are never written once made.
    package let type: SQLType
    package let count: Int
    /// The first value; see `Layout` for what lies there.
    public let values: UnsafeRawPointer
    public let validity: UnsafePointer<UInt64>?
    /// Child columns: the elements of a list, the fields of a structure.
    package let children: [Column]
    /// What keeps the memory alive.
    package let owners: [Buffer]

    package init(
        type: SQLType, count: Int, values: UnsafeRawPointer, validity: UnsafePointer<UInt64>? = nil, children: [Column] = [],
        owners: [Buffer]
    ) {
        self.type = type
        self.count = count
        self.values = values
        self.validity = validity
        self.children = children
        self.owners = owners
    }

    /// A column over one values buffer and an optional bitmap buffer; `heap` owns the bytes of strings.
    package init(type: SQLType, count: Int, values: Buffer, validity: Buffer? = nil, heap: [Buffer] = [], children: [Column] = []) {
        var owners = heap
        owners.append(values)
        if let validity { owners.append(validity) }
        self.init(
            type: type, count: count, values: UnsafeRawPointer(values.base),
            validity: validity.map { UnsafePointer($0.base.assumingMemoryBound(to: UInt64.self)) }, children: children,
            owners: owners)
    }

    // Typed views of the values. Each is valid as long as the column is, and right only for its layout.
    @inlinable public var bools: UnsafePointer<UInt8> { values.assumingMemoryBound(to: UInt8.self) }
    @inlinable public var int64s: UnsafePointer<Int64> { values.assumingMemoryBound(to: Int64.self) }
    @inlinable public var doubles: UnsafePointer<Double> { values.assumingMemoryBound(to: Double.self) }
    @inlinable public var int128s: UnsafePointer<Int128> { values.assumingMemoryBound(to: Int128.self) }
    @inlinable public var strings: UnsafePointer<StringView> { values.assumingMemoryBound(to: StringView.self) }
    @inlinable public var lists: UnsafePointer<ListView> { values.assumingMemoryBound(to: ListView.self) }

    package var layout: Layout { type.layout }
    @inlinable public var mayHaveNulls: Bool { validity != nil }

    @inlinable @inline(__always)
    public func isNull(_ row: Int) -> Bool {
        guard let validity else { return false }
        return validity[row >> 6] & (1 << UInt64(row & 63)) == 0
    }

    /// How many rows are NULL. O(count / 64).
    package var nullCount: Int {
        guard let validity else { return 0 }
        var valid = 0
        let words = count >> 6
        for word in 0..<words { valid += validity[word].nonzeroBitCount }
        if count & 63 != 0 { valid += (validity[words] & Bitmap.lowMask(count & 63)).nonzeroBitCount }
        return count - valid
    }

    /// The same values under another type of the same layout. O(1).
    package func retyped(_ type: SQLType) -> Column {
        Column(type: type, count: count, values: values, validity: validity, children: children, owners: owners)
    }

    /// Rows `range`, without copying values; the bitmap is copied only when the range does not begin at a multiple of 64.
    package func slice(_ range: Range<Int>) -> Column {
        if range.lowerBound == 0 && range.upperBound == count { return self }
        var owners = owners
        var bits: UnsafePointer<UInt64>?
        if let validity {
            if range.lowerBound & 63 == 0 {
                bits = validity + range.lowerBound >> 6
            } else {
                let copy = Bitmap.copy(validity, from: range.lowerBound, count: range.count, of: count)
                owners.append(copy)
                bits = UnsafePointer(copy.base.assumingMemoryBound(to: UInt64.self))
            }
        }
        return Column(
            type: type, count: range.count, values: values + range.lowerBound * layout.stride, validity: bits,
            children: layout == .structure ? children.map { $0.slice(range) } : children, owners: owners)
    }

    /// All rows the same. `value` must suit the type (see `Value`).
    package static func constant(_ value: Value, type: SQLType, count: Int) -> Column {
        let builder = ColumnBuilder(type, capacity: count)
        builder.append(repeating: value, count: count)
        return builder.finish()
    }

    /// The value of one row, boxed: for literals, tests, printing and other cold paths.
    package func value(at row: Int) -> Value {
        if isNull(row) { return .null }
        switch type {
        case .null: return .null
        case .boolean: return .boolean(bools[row] != 0)
        case .smallint, .integer, .bigint, .date, .time, .timestamp, .timestampTZ: return .integer(int64s[row])
        case .real, .double: return .double(doubles[row])
        case .decimal: return .decimal(int128s[row])
        case .interval: return .interval(IntervalValue(packed: int128s[row]))
        case .varchar, .json: return .string(strings[row].string)
        case .bytes: return .bytes(Array(strings[row].bytes))
        case .array, .map:
            let list = lists[row]
            return .list((Int(list.offset)..<Int(list.offset) + Int(list.length)).map { children[0].value(at: $0) })
        case .row: return .list(children.map { $0.value(at: row) })
        }
    }
}

/// Null bitmaps: a bit per row, set where there is a value.
public enum Bitmap {
    @inlinable @inline(__always)
    public static func wordCount(_ rows: Int) -> Int { (rows + 63) >> 6 }

    /// The lowest `count` bits set; count in 0...63.
    @inlinable @inline(__always)
    public static func lowMask(_ count: Int) -> UInt64 { (1 << UInt64(count)) &- 1 }

    /// All set.
    package static func allValid(_ rows: Int) -> Buffer {
        let buffer = Buffer(byteCount: wordCount(rows) * 8)
        memset(buffer.base, 0xFF, buffer.byteCount)
        return buffer
    }

    /// Bits `from ..< from + count` of a bitmap of `total` rows, moved to begin at bit 0.
    package static func copy(_ source: UnsafePointer<UInt64>, from start: Int, count: Int, of total: Int) -> Buffer {
        let buffer = Buffer(byteCount: wordCount(count) * 8)
        let target = buffer.base.assumingMemoryBound(to: UInt64.self)
        let shift = UInt64(start & 63)
        let first = start >> 6
        let lastWord = wordCount(total) - 1
        for word in 0..<wordCount(count) {
            let low = source[first + word] >> shift
            let high = shift != 0 && first + word + 1 <= lastWord ? source[first + word + 1] << (64 - shift) : 0
            target[word] = low | high
        }
        return buffer
    }

    /// Both set: the validity of a strict function's result. Nil stands for all set on either side.
    package static func and(_ a: UnsafePointer<UInt64>?, _ b: UnsafePointer<UInt64>?, rows: Int) -> Buffer? {
        guard a != nil || b != nil else { return nil }
        let buffer = Buffer(byteCount: wordCount(rows) * 8)
        let target = buffer.base.assumingMemoryBound(to: UInt64.self)
        for word in 0..<wordCount(rows) { target[word] = (a?[word] ?? .max) & (b?[word] ?? .max) }
        return buffer
    }
}
