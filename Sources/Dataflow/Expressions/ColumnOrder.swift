// ColumnOrder: the order of values of two columns of one type, whatever the type: what comparing and sorting nested values goes through.
//
// The type is looked at when it is made; a comparison switches over a byte per level. NULLs equal each other and come after everything
// else, NaN comes after the other numbers, as in PostgreSQL. Arrays compare element by element, then by length; rows field by field.

import Columns

final class ColumnOrder {
    private enum Kind: UInt8 { case bool, int64, double, int128, interval, string, list, structure, null }

    private let kind: Kind
    private let left: Column
    private let right: Column
    private let children: [ColumnOrder]

    /// Both of one type (decimals of one scale).
    init(_ left: Column, _ right: Column) {
        self.left = left
        self.right = right
        kind =
            switch left.layout {
            case _ where left.type == .null: .null
            case .bool: .bool
            case .int64: .int64
            case .double: .double
            case .int128: left.type == .interval ? .interval : .int128
            case .string: .string
            case .list: .list
            case .structure: .structure
            }
        children = zip(left.children, right.children).map { ColumnOrder($0, $1) }
    }

    /// Row `i` of the left column against row `j` of the right one: negative, zero or positive.
    func compare(_ i: Int, _ j: Int) -> Int {
        let leftIsNull = left.isNull(i)
        let rightIsNull = right.isNull(j)
        if leftIsNull || rightIsNull { return leftIsNull == rightIsNull ? 0 : leftIsNull ? 1 : -1 }
        switch kind {
        case .null: return 0
        case .bool: return Int(left.bools[i]) - Int(right.bools[j])
        case .int64: return left.int64s[i] < right.int64s[j] ? -1 : left.int64s[i] == right.int64s[j] ? 0 : 1
        case .double:
            let (a, b) = (left.doubles[i], right.doubles[j])
            return ComparisonKernels.isSame(a, b) ? 0 : ComparisonKernels.isLess(a, b) ? -1 : 1
        case .int128: return left.int128s[i].compared(right.int128s[j])
        case .interval:
            return Calendar128.comparable(IntervalValue(packed: left.int128s[i])).compared(
                Calendar128.comparable(IntervalValue(packed: right.int128s[j])))
        case .string: return StringView.compare(left.strings[i], right.strings[j])
        case .list:
            let (a, b) = (left.lists[i], right.lists[j])
            let shared = min(a.length, b.length)
            for element in 0..<shared {
                let order = children[0].compare(Int(a.offset &+ element), Int(b.offset &+ element))
                if order != 0 { return order }
            }
            return Int(a.length) - Int(b.length)
        case .structure:
            for child in children {
                let order = child.compare(i, j)
                if order != 0 { return order }
            }
            return 0
        }
    }

    func isEqual(_ i: Int, _ j: Int) -> Bool { compare(i, j) == 0 }
}

extension Column {
    /// The same values with other NULLs, which may only be more: what is NULL in a structure becomes so in its fields.
    func withValidity(_ bits: Buffer?) -> Column {
        guard let bits else { return self }
        let words = UnsafePointer(bits.base.assumingMemoryBound(to: UInt64.self))
        let inner = layout != .structure ? children : children.map { $0.withValidity(Bitmap.and($0.validity, words, rows: count)) }
        return Column(type: type, count: count, values: values, validity: words, children: inner, owners: owners + [bits])
    }

    /// Rows by number; NULL for a negative one.
    func gatherOptional(_ rows: [Int32]) -> Column {
        guard rows.contains(where: { $0 < 0 }) else { return gather(rows) }
        guard count > 0 else { return Column.constant(.null, type: type, count: rows.count) }
        let picked = gather(rows.map { max($0, 0) })
        var validity = ValidityBuilder(Bitmap.and(picked.validity, nil, rows: rows.count), rows: rows.count)
        for (index, row) in rows.enumerated() where row < 0 { validity.clear(index) }
        return picked.withValidity(validity.buffer)
    }
}
