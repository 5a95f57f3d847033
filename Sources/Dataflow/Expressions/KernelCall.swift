// KernelCall: one application of a function to operands, and the loops that most kernels are made of.
//
// A kernel that only looks at one row at a time is a closure over the row number given to `int64s`, `doubles`, `bools`, `int128s` or
// `texts`; these are always inlined, so the closure costs nothing. It returns nil for NULL (and calls `fail` before when the row
// fails). Rows with a NULL operand are not asked for. Kernels for which that is too slow (integer and double arithmetic,
// comparisons) have loops of their own that compute on all values blindly and look for overflow afterwards.

import Columns

typealias Kernel = @Sendable (KernelCall) -> Column

struct KernelCall {
    let operands: [Operand]
    let type: SQLType
    let input: EvaluationInput
    /// The expression as SQL.
    let text: String

    var rows: Int { input.rows }

    @inline(never)
    func fail(_ row: Int, _ message: @autoclosure () -> String) { input.fail(row, message, expression: text) }

    /// Fresh bits: set where no operand is NULL; nil when none is.
    func strictValidity() -> Buffer? {
        var result: Buffer?
        for operand in operands where !operand.isConstant && operand.column.validity != nil {
            result = Bitmap.and(operand.column.validity, bits(result), rows: rows)
        }
        return result
    }

    func bits(_ buffer: Buffer?) -> UnsafePointer<UInt64>? { buffer.map { UnsafePointer($0.base.assumingMemoryBound(to: UInt64.self)) } }

    @inline(__always)
    private func fill<T>(_ zero: T, strict: Bool, _ body: (Int) -> T?) -> Column {
        let count = rows
        let values = Buffer(byteCount: count * MemoryLayout<T>.stride)
        let target = values.base.assumingMemoryBound(to: T.self)
        let start = strict ? strictValidity() : nil
        var validity = ValidityBuilder(start, rows: count)
        if let known = bits(start) {
            // The builder clears bits behind the row that is being read, never before it.
            for row in 0..<count {
                if known[row >> 6] & (1 << UInt64(row & 63)) == 0 {
                    target[row] = zero
                } else if let value = body(row) {
                    target[row] = value
                } else {
                    target[row] = zero
                    validity.clear(row)
                }
            }
        } else {
            for row in 0..<count {
                if let value = body(row) {
                    target[row] = value
                } else {
                    target[row] = zero
                    validity.clear(row)
                }
            }
        }
        return Column(type: type, count: count, values: values, validity: validity.buffer)
    }

    @inline(__always)
    func int64s(strict: Bool = true, _ body: (Int) -> Int64?) -> Column { fill(Int64(0), strict: strict, body) }

    @inline(__always)
    func doubles(strict: Bool = true, _ body: (Int) -> Double?) -> Column { fill(Double(0), strict: strict, body) }

    @inline(__always)
    func int128s(strict: Bool = true, _ body: (Int) -> Int128?) -> Column { fill(Int128(0), strict: strict, body) }

    @inline(__always)
    func bools(strict: Bool = true, _ body: (Int) -> Bool?) -> Column {
        fill(UInt8(0), strict: strict) { row in body(row).map { $0 ? 1 : 0 } }
    }

    /// Texts. The body writes one value through the writer and returns true, or false for NULL. With `sharing`, views into these operands
    /// may be put into the result.
    @inline(__always)
    func texts(strict: Bool = true, sharing: [Operand] = [], _ body: (Int, inout TextWriter) -> Bool) -> Column {
        let count = rows
        let start = strict ? strictValidity() : nil
        let known = bits(start)
        var validity = ValidityBuilder(start, rows: count)
        var writer = TextWriter(rows: count)
        for row in 0..<count {
            if let known, known[row >> 6] & (1 << UInt64(row & 63)) == 0 {
                writer.put(.empty, at: row)
            } else if writer.heapByteCount <= TextWriter.heapByteCountMax, body(row, &writer) {
                writer.end(row)
            } else {
                if writer.heapByteCount > TextWriter.heapByteCountMax { fail(row, "the texts of one batch would take too much memory") }
                writer.discard()
                writer.put(.empty, at: row)
                validity.clear(row)
            }
        }
        return Column(
            type: type, count: count, values: writer.values, validity: validity.buffer,
            heap: writer.heap + sharing.flatMap(\.column.owners))
    }
}
