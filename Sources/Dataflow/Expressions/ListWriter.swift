// ListWriter: a column of arrays put together from elements that exist already.
//
// Most functions of arrays choose, order or join elements. They write the numbers of elements in a pool (one column, made of the
// operands' elements) and the pool is gathered once at the end.

import Columns

struct ListWriter {
    private let views: Buffer
    private var elements: [Int32] = []
    private var start = 0
    private var validity: ValidityBuilder
    private let rows: Int

    init(rows: Int) {
        self.rows = rows
        views = Buffer.zeroed(byteCount: rows * 8)
        validity = ValidityBuilder(nil, rows: rows)
    }

    /// One more element of the array being written: its number in the pool, negative for NULL.
    @inline(__always)
    mutating func append(_ element: Int) { elements.append(Int32(truncatingIfNeeded: element)) }

    mutating func append(_ range: Range<Int>) { for element in range { append(element) } }

    /// How many elements there are in all.
    var count: Int { elements.count }

    mutating func end(_ row: Int) {
        let view = ListView(offset: UInt32(truncatingIfNeeded: start), length: UInt32(truncatingIfNeeded: elements.count - start))
        views.base.storeBytes(of: view, toByteOffset: row * 8, as: ListView.self)
        start = elements.count
    }

    mutating func null(_ row: Int) {
        elements.removeLast(elements.count - start)
        validity.clear(row)
    }

    func finish(pool: Column, type: SQLType) -> Column {
        Column(type: type, count: rows, values: views, validity: validity.buffer, children: [pool.gatherOptional(elements)])
    }
}

extension KernelCall {
    /// Arrays, from elements of a pool. The body writes one array and returns true, or false for NULL. Unless `strict`, rows with NULL operands
    /// are asked for too.
    func lists(strict: Bool = true, pool: Column, _ body: (Int, inout ListWriter) -> Bool) -> Column {
        let start = strict ? strictValidity() : nil
        let known = bits(start)
        var writer = ListWriter(rows: rows)
        for row in 0..<rows {
            if let known, known[row >> 6] & (1 << UInt64(row & 63)) == 0 {
                writer.null(row)
            } else if !body(row, &writer) {
                writer.null(row)
            } else if writer.count > KernelCall.listElementCountMax {
                fail(row, "the arrays of one batch would take too much memory")
                writer.null(row)
            } else {
                writer.end(row)
            }
        }
        return writer.finish(pool: pool, type: type)
    }

    /// More elements than this in one batch are a mistake or an attack.
    static let listElementCountMax = 1 << 26
}

extension Operand {
    /// The elements of the array in a row, as a range of its child column; nil when it is NULL.
    @inline(__always)
    func elements(_ row: Int) -> Range<Int>? {
        let row = row & mask
        guard !column.isNull(row) else { return nil }
        let list = column.lists[row]
        return Int(list.offset)..<Int(list.offset) + Int(list.length)
    }
}
