// Operand: what a node yields: a column, or one row that stands for all of them, so that constants are never expanded.

import Columns

struct Operand {
    let column: Column
    let isConstant: Bool

    init(_ column: Column, isConstant: Bool = false) {
        self.column = column
        self.isConstant = isConstant
    }

    static func null(_ type: SQLType) -> Operand { Operand(Column.constant(.null, type: type, count: 1), isConstant: true) }

    var isConstantNull: Bool { isConstant && column.isNull(0) }

    /// All ones, or zero for a constant: `row & mask` is the row to read.
    @inline(__always)
    var mask: Int { isConstant ? 0 : -1 }

    @inline(__always)
    func isNull(_ row: Int) -> Bool { column.isNull(row & mask) }

    var bools: Reader<UInt8> { Reader(base: column.bools, mask: mask) }
    var int64s: Reader<Int64> { Reader(base: column.int64s, mask: mask) }
    var doubles: Reader<Double> { Reader(base: column.doubles, mask: mask) }
    var int128s: Reader<Int128> { Reader(base: column.int128s, mask: mask) }
    var strings: Reader<StringView> { Reader(base: column.strings, mask: mask) }

    /// A column of `rows` rows.
    func expanded(_ rows: Int) -> Column {
        guard isConstant else { return column }
        return Column.constant(column.value(at: 0), type: column.type, count: rows)
    }

    func retyped(_ type: SQLType) -> Operand { Operand(column.retyped(type), isConstant: isConstant) }
}

/// Values by row, whether column or constant.
struct Reader<T> {
    let base: UnsafePointer<T>
    let mask: Int

    @inline(__always)
    subscript(row: Int) -> T { base[row & mask] }
}

/// The bits of a result, made when the first NULL comes.
struct ValidityBuilder {
    private(set) var buffer: Buffer?
    private let rows: Int

    init(_ buffer: Buffer?, rows: Int) {
        self.buffer = buffer
        self.rows = rows
    }

    mutating func clear(_ row: Int) {
        let bits: Buffer
        if let buffer {
            bits = buffer
        } else {
            bits = Bitmap.allValid(rows)
            buffer = bits
        }
        bits.base.assumingMemoryBound(to: UInt64.self)[row >> 6] &= ~(1 << UInt64(row & 63))
    }
}
