// ConnectiveNode: AND and OR of three values.
//
// Two bytes per row hold the state: `value`, and `known` (0 where the result so far is NULL). A row is decided once it is known to be
// the deciding value: false for AND, true for OR. An operand that may fail or is costly is evaluated only on rows that are
// not decided, and so is any other when few rows are not. A cheap one that may fail is first tried on all rows, which is faster than gathering and almost always
// succeeds; when a row fails, the trial counts for nothing and the right rows are gathered.

import Columns
import Glibc

final class ConnectiveNode: ExpressionNode, @unchecked Sendable {
    let operands: [ExpressionNode]
    let isAnd: Bool

    init(_ operands: [ExpressionNode], isAnd: Bool) {
        self.operands = operands
        self.isAnd = isAnd
        super.init(
            type: .boolean, usedColumns: Set(operands.flatMap(\.usedColumns)).sorted(), canFail: operands.contains(where: \.canFail),
            isCostly: operands.contains(where: \.isCostly))
    }

    override func evaluate(_ input: EvaluationInput) -> Operand {
        let rows = input.rows
        guard rows > 0, let first = operands.first else { return .null(.boolean) }
        var state = State(first.evaluate(input), rows: rows, isAnd: isAnd)
        for operand in operands.dropFirst() {
            let open = state.openCount
            if open == 0 { break }
            let isCheap = !operand.canFail && !operand.isCostly
            if open == rows || isCheap && open > rows / ConnectiveNode.fewRows {
                state.combine(operand.evaluate(input))
                continue
            }
            if !isCheap, !operand.isCostly || open > rows - rows / 8, let result = input.context.attempt({ operand.evaluate(input) }) {
                state.combine(result)
                continue
            }
            if input.context.isTrialLost { return .null(.boolean) }
            let selection = state.openRows
            state.combine(operand.evaluate(input.gather(selection, used: operand.usedColumns)), at: selection)
        }
        return Operand(state.column)
    }

    /// One row in so many is worth gathering for an operand that costs little.
    private static let fewRows = 8

    /// Rows × (value, known).
    private struct State {
        let rows: Int
        let isAnd: Bool
        let values: Buffer
        /// Bytes; nil while nothing is NULL.
        var known: Buffer?

        var value: UnsafeMutablePointer<UInt8> { values.base.assumingMemoryBound(to: UInt8.self) }
        var knownBytes: UnsafeMutablePointer<UInt8>? { known?.base.assumingMemoryBound(to: UInt8.self) }

        init(_ operand: Operand, rows: Int, isAnd: Bool) {
            self.rows = rows
            self.isAnd = isAnd
            values = Buffer(byteCount: rows)
            if operand.isConstant {
                memset(values.base, Int32(operand.column.bools[0]), rows)
                if operand.column.isNull(0) { known = Buffer.zeroed(byteCount: rows) }
            } else {
                memcpy(values.base, operand.column.bools, rows)
                known = State.bytes(operand, rows)
            }
        }

        private static func bytes(_ operand: Operand, _ rows: Int) -> Buffer? {
            guard let bits = operand.column.validity else { return nil }
            let buffer = Buffer(byteCount: (rows + 7) & ~7)
            if operand.isConstant {
                memset(buffer.base, Int32(bits[0] & 1), rows)
            } else {
                for group in 0..<(rows + 7) / 8 {
                    // Eight bits spread over eight bytes.
                    let eight = (bits[group >> 3] >> UInt64((group & 7) &* 8)) & 0xFF
                    let spread = (eight &* 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201
                    let bytes = ((spread &+ 0x0040_6070_787C_7E7F) >> 7) & 0x0101_0101_0101_0101
                    buffer.base.storeBytes(of: bytes, toByteOffset: group &* 8, as: UInt64.self)
                }
            }
            return buffer
        }

        private mutating func makeKnown() -> UnsafeMutablePointer<UInt8> {
            if let known = knownBytes { return known }
            let buffer = Buffer(byteCount: rows)
            memset(buffer.base, 1, rows)
            known = buffer
            return buffer.base.assumingMemoryBound(to: UInt8.self)
        }

        mutating func combine(_ operand: Operand) {
            let other = operand.bools
            let otherKnown = State.bytes(operand, rows)
            let value = value
            if known == nil && otherKnown == nil {
                if isAnd {
                    for row in 0..<rows { value[row] &= other[row] }
                } else {
                    for row in 0..<rows { value[row] |= other[row] }
                }
                return
            }
            let mine = makeKnown()
            let flip: UInt8 = isAnd ? 1 : 0
            if let theirs = otherKnown?.base.assumingMemoryBound(to: UInt8.self) {
                for row in 0..<rows { State.combine(&value[row], &mine[row], other[row], theirs[row], flip) }
            } else {
                for row in 0..<rows { State.combine(&value[row], &mine[row], other[row], 1, flip) }
            }
        }

        mutating func combine(_ operand: Operand, at selection: RowSelection) {
            let other = operand.bools
            let value = value
            let flip: UInt8 = isAnd ? 1 : 0
            let picked = selection.rows
            if known == nil && operand.column.validity == nil {
                // The rows were not decided: their value is the operand's.
                for index in 0..<selection.count { value[Int(picked[index])] = other[index] }
                withExtendedLifetime(selection) {}
                return
            }
            let mine = makeKnown()
            for index in 0..<selection.count {
                let row = Int(picked[index])
                State.combine(&value[row], &mine[row], other[index], operand.isNull(index) ? 0 : 1, flip)
            }
        }

        /// OR of (value, known) pairs; AND is OR of the negations (`flip`).
        @inline(__always)
        private static func combine(_ value: inout UInt8, _ known: inout UInt8, _ other: UInt8, _ otherKnown: UInt8, _ flip: UInt8) {
            let deciding = (known & (value ^ flip)) | (otherKnown & (other ^ flip))
            known = deciding | (known & otherKnown)
            value = deciding ^ flip
        }

        /// Rows that the deciding value has not been found for.
        var openCount: Int {
            var decided = 0
            let value = value
            let flip: UInt8 = isAnd ? 1 : 0
            if let known = knownBytes {
                for row in 0..<rows { decided &+= Int(known[row] & (value[row] ^ flip)) }
            } else {
                for row in 0..<rows { decided &+= Int(value[row] ^ flip) }
            }
            return rows - decided
        }

        var openRows: RowSelection {
            let value = value
            let known = knownBytes
            let flip: UInt8 = isAnd ? 1 : 0
            return RowSelection.rows(rows) { row in (known.map { $0[row] } ?? 1) & (value[row] ^ flip) == 0 }
        }

        var column: Column {
            guard let known = knownBytes else { return Column(type: .boolean, count: rows, values: values) }
            let validity = Buffer(byteCount: Bitmap.wordCount(rows) * 8)
            let words = validity.base.assumingMemoryBound(to: UInt64.self)
            // Behind the last byte there is padding to read.
            let raw = UnsafeRawPointer(known)
            for word in 0..<Bitmap.wordCount(rows) {
                var bits: UInt64 = 0
                for group in 0..<min(8, (rows - word * 64 + 7) / 8) {
                    // Eight bytes of 0 or 1 as eight bits.
                    let bytes = raw.loadUnaligned(fromByteOffset: word &* 64 &+ group &* 8, as: UInt64.self) & 0x0101_0101_0101_0101
                    bits |= ((bytes &* 0x0102_0408_1020_4080) >> 56) << UInt64(group &* 8)
                }
                words[word] = bits
            }
            return Column(type: .boolean, count: rows, values: values, validity: validity)
        }
    }
}

final class NotNode: ExpressionNode, @unchecked Sendable {
    let operand: ExpressionNode

    init(_ operand: ExpressionNode) {
        self.operand = operand
        super.init(type: .boolean, usedColumns: operand.usedColumns, canFail: operand.canFail, isCostly: operand.isCostly)
    }

    override func evaluate(_ input: EvaluationInput) -> Operand {
        let operand = operand.evaluate(input)
        let column = operand.column
        let values = Buffer(byteCount: column.count)
        let target = values.base.assumingMemoryBound(to: UInt8.self)
        let source = column.bools
        for row in 0..<column.count { target[row] = source[row] ^ 1 }
        let result = Column(
            type: .boolean, count: column.count, values: UnsafeRawPointer(target), validity: column.validity, owners: column.owners + [values])
        return Operand(result, isConstant: operand.isConstant)
    }
}

final class NullTestNode: ExpressionNode, @unchecked Sendable {
    let operand: ExpressionNode
    let isNegated: Bool

    init(_ operand: ExpressionNode, isNegated: Bool) {
        self.operand = operand
        self.isNegated = isNegated
        super.init(type: .boolean, usedColumns: operand.usedColumns, canFail: operand.canFail, isCostly: operand.isCostly)
    }

    override func evaluate(_ input: EvaluationInput) -> Operand {
        let operand = operand.evaluate(input)
        let column = operand.column
        let values = Buffer(byteCount: column.count)
        let target = values.base.assumingMemoryBound(to: UInt8.self)
        if let validity = column.validity {
            let flip: UInt64 = isNegated ? 0 : 1
            for row in 0..<column.count {
                target[row] = UInt8(truncatingIfNeeded: ((validity[row >> 6] >> UInt64(row & 63)) & 1) ^ flip)
            }
        } else {
            memset(target, isNegated ? 1 : 0, column.count)
        }
        return Operand(Column(type: .boolean, count: column.count, values: values), isConstant: operand.isConstant)
    }
}
