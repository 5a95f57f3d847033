// ConnectiveNode: AND and OR of three values.
//
// Two bytes per row hold the state: `value`, and `known` (0 where the result so far is NULL). A row is decided once it is known to be
// the deciding value: false for AND, true for OR. An operand that may fail or is costly is evaluated only on rows that are
// not decided. A cheap one that may fail is first tried on all rows, which is faster than gathering and almost always
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
            if !operand.canFail && !operand.isCostly {
                state.combine(operand.evaluate(input))
                continue
            }
            let open = state.openCount
            if open == 0 { break }
            if open == rows {
                state.combine(operand.evaluate(input))
                continue
            }
            if !operand.isCostly || open > rows - rows / 8, let result = input.context.attempt({ operand.evaluate(input) }) {
                state.combine(result)
                continue
            }
            if input.context.isTrialLost { return .null(.boolean) }
            let selection = state.openRows
            state.combine(operand.evaluate(input.gather(selection, used: operand.usedColumns)), at: selection)
        }
        return Operand(state.column)
    }

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
            let buffer = Buffer(byteCount: rows)
            let target = buffer.base.assumingMemoryBound(to: UInt8.self)
            if operand.isConstant {
                memset(target, Int32(bits[0] & 1), rows)
            } else {
                for row in 0..<rows { target[row] = UInt8(truncatingIfNeeded: (bits[row >> 6] >> UInt64(row & 63)) & 1) }
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
            let theirs = otherKnown?.base.assumingMemoryBound(to: UInt8.self)
            let flip: UInt8 = isAnd ? 1 : 0
            for row in 0..<rows {
                State.combine(&value[row], &mine[row], other[row], theirs.map { $0[row] } ?? 1, flip)
            }
        }

        mutating func combine(_ operand: Operand, at selection: RowSelection) {
            let other = operand.bools
            let mine = makeKnown()
            let value = value
            let flip: UInt8 = isAnd ? 1 : 0
            let picked = selection.rows
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
            for word in 0..<Bitmap.wordCount(rows) {
                var bits: UInt64 = 0
                for lane in 0..<min(64, rows - word * 64) { bits |= UInt64(known[word * 64 + lane]) << UInt64(lane) }
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
