// ChoiceNode: CASE and COALESCE: each row takes its value from one of several operands.
//
// CASE: conditions are asked in turn, each on the rows that are still open. Then each result is evaluated on the rows that chose it, or,
// when it can neither fail nor costs much, on all rows, and its values are copied into place.

import Columns
import Glibc

final class CaseNode: ExpressionNode, @unchecked Sendable {
    let conditions: [ExpressionNode]
    let results: [ExpressionNode]
    let otherwise: ExpressionNode?

    init(_ branches: [(condition: ExpressionNode, result: ExpressionNode)], otherwise: ExpressionNode?, type: SQLType) {
        conditions = branches.map(\.condition)
        results = branches.map(\.result)
        self.otherwise = otherwise
        let all = conditions + results + (otherwise.map { [$0] } ?? [])
        super.init(
            type: type, usedColumns: Set(all.flatMap(\.usedColumns)).sorted(), canFail: all.contains(where: \.canFail),
            isCostly: all.contains(where: \.isCostly))
    }

    override func evaluate(_ input: EvaluationInput) -> Operand {
        let rows = input.rows
        guard rows > 0 else { return .null(type) }
        if let blended = blend(input) { return blended }
        var assembler = ColumnAssembler(type: type, rows: rows)
        // Nil stands for all rows: the usual case at the first condition.
        var open: RowSelection?
        for (condition, result) in zip(conditions, results) {
            let openCount = open?.count ?? rows
            if openCount == 0 { break }
            let chosen: RowSelection
            if let selection = open {
                if !condition.canFail && !condition.isCostly {
                    let verdict = condition.evaluate(input)
                    chosen = selection.filter { isTrue(verdict, Int(selection.rows[$0])) }
                    open = selection.filter { !isTrue(verdict, Int(selection.rows[$0])) }
                } else {
                    let verdict = condition.evaluate(input.gather(selection, used: condition.usedColumns))
                    chosen = selection.filter { isTrue(verdict, $0) }
                    open = selection.filter { !isTrue(verdict, $0) }
                }
            } else {
                let verdict = condition.evaluate(input)
                if verdict.isConstant {
                    if !isTrue(verdict, 0) { continue }
                    chosen = RowSelection.all(rows)
                    open = RowSelection.rows(rows) { _ in false }
                } else {
                    chosen = RowSelection.where(verdict.column.bools, validity: verdict.column.validity, rows: rows)
                    open = RowSelection.rows(rows) { !isTrue(verdict, $0) }
                }
            }
            if input.context.isTrialLost { return .null(type) }
            place(result, at: chosen, of: input, into: &assembler)
        }
        let rest = open ?? RowSelection.all(rows)
        if let otherwise {
            place(otherwise, at: rest, of: input, into: &assembler)
        } else {
            assembler.putNull(at: rest)
        }
        return Operand(assembler.finish())
    }

    /// All branches on all rows, and a choice without branches on the data: for conditions and results that can neither fail nor cost much,
    /// such as `CASE WHEN kind = 0 THEN a.ts WHEN kind = 1 THEN b.ts ELSE c.ts END`. From the last branch to the first, so that the first wins.
    private func blend(_ input: EvaluationInput) -> Operand? {
        guard conditions.count <= CaseNode.blendedBranchesMax, type.layout == .int64 || type.layout == .double, !canFail, !isCostly else { return nil }
        let rows = input.rows
        let last = otherwise?.evaluate(input) ?? .null(type)
        let values = Buffer(byteCount: rows * 8)
        let target = values.base.assumingMemoryBound(to: Int64.self)
        let source = last.column.int64s
        if last.isConstant { for row in 0..<rows { target[row] = source[0] } } else { memcpy(target, source, rows * 8) }
        let words = Bitmap.wordCount(rows)
        var bits: Buffer?
        if last.isConstant ? last.isConstantNull : last.column.validity != nil {
            let buffer = Buffer(byteCount: words * 8)
            let out = buffer.base.assumingMemoryBound(to: UInt64.self)
            for word in 0..<words { out[word] = last.isConstant ? 0 : last.column.validity?[word] ?? .max }
            bits = buffer
        }
        // Read up to the next multiple of 64.
        let chosen = Buffer.zeroed(byteCount: words * 64)
        let choice = chosen.base.assumingMemoryBound(to: UInt8.self)
        for (condition, result) in zip(conditions, results).reversed() {
            let verdict = condition.evaluate(input)
            if verdict.isConstant {
                memset(choice, isTrue(verdict, 0) ? 1 : 0, rows)
            } else {
                memcpy(choice, verdict.column.bools, rows)
                if let validity = verdict.column.validity {
                    for row in 0..<rows { choice[row] &= UInt8(truncatingIfNeeded: validity[row >> 6] >> UInt64(row & 63)) & 1 }
                }
            }
            let operand = result.evaluate(input)
            let values = operand.column.int64s
            if operand.isConstant {
                let value = values[0]
                for row in 0..<rows { target[row] = choice[row] != 0 ? value : target[row] }
            } else {
                for row in 0..<rows { target[row] = choice[row] != 0 ? values[row] : target[row] }
            }
            guard bits != nil || operand.column.validity != nil else { continue }
            let all = bits ?? Bitmap.allValid(rows)
            bits = all
            let out = all.base.assumingMemoryBound(to: UInt64.self)
            let validity = operand.column.validity
            let raw = UnsafeRawPointer(choice)
            for word in 0..<words {
                var mask: UInt64 = 0
                for group in 0..<8 {
                    // Eight bytes of 0 or 1 as eight bits.
                    let bytes = raw.load(fromByteOffset: word &* 64 &+ group &* 8, as: UInt64.self)
                    mask |= ((bytes &* 0x0102_0408_1020_4080) >> 56) << UInt64(group &* 8)
                }
                let valid = operand.isConstant ? (operand.isConstantNull ? 0 : .max) : validity?[word] ?? .max
                out[word] = (out[word] & ~mask) | (valid & mask)
            }
        }
        // Usually each row has a value from its own branch: whoever reads them is quicker without bits.
        if let all = bits {
            let out = all.base.assumingMemoryBound(to: UInt64.self)
            var valid = UInt64.max
            for word in 0..<words { valid &= word == rows >> 6 ? out[word] | ~Bitmap.lowMask(rows & 63) : out[word] }
            if valid == .max { bits = nil }
        }
        return Operand(Column(type: type, count: rows, values: values, validity: bits))
    }

    private static let blendedBranchesMax = 6

    @inline(__always)
    private func isTrue(_ verdict: Operand, _ row: Int) -> Bool { verdict.bools[row] != 0 && !verdict.isNull(row) }

    private func place(_ node: ExpressionNode, at selection: RowSelection, of input: EvaluationInput, into assembler: inout ColumnAssembler) {
        guard selection.count > 0 else { return }
        if selection.count == input.rows || (!node.canFail && !node.isCostly) {
            assembler.put(node.evaluate(input), from: selection, to: selection)
        } else {
            assembler.put(node.evaluate(input.gather(selection, used: node.usedColumns)), from: nil, to: selection)
        }
    }
}

final class CoalesceNode: ExpressionNode, @unchecked Sendable {
    let operands: [ExpressionNode]

    init(_ operands: [ExpressionNode], type: SQLType) {
        self.operands = operands
        super.init(
            type: type, usedColumns: Set(operands.flatMap(\.usedColumns)).sorted(), canFail: operands.contains(where: \.canFail),
            isCostly: operands.contains(where: \.isCostly))
    }

    override func evaluate(_ input: EvaluationInput) -> Operand {
        let rows = input.rows
        guard rows > 0, let first = operands.first else { return .null(type) }
        let start = first.evaluate(input)
        if start.column.validity == nil || start.column.nullCount == 0 { return start }
        var assembler = ColumnAssembler(type: type, rows: rows)
        let present = RowSelection.rows(rows) { !start.isNull($0) }
        assembler.put(start, from: present, to: present)
        var open = RowSelection.rows(rows) { start.isNull($0) }
        for operand in operands.dropFirst() {
            if open.count == 0 || input.context.isTrialLost { break }
            let selection = open
            if selection.count == rows || (!operand.canFail && !operand.isCostly) {
                let values = operand.evaluate(input)
                let found = selection.filter { !values.isNull(Int(selection.rows[$0])) }
                open = selection.filter { values.isNull(Int(selection.rows[$0])) }
                assembler.put(values, from: found, to: found)
            } else {
                let values = operand.evaluate(input.gather(selection, used: operand.usedColumns))
                let here = RowSelection.rows(selection.count) { !values.isNull($0) }
                assembler.put(values, from: here, to: selection.composed(with: here))
                open = selection.filter { values.isNull($0) }
            }
        }
        assembler.putNull(at: open)
        return Operand(assembler.finish())
    }
}

/// Puts a column together from parts of others, in any order; each row exactly once.
struct ColumnAssembler {
    private let type: SQLType
    private let rows: Int
    private let values: Buffer
    private var validity: ValidityBuilder
    private var owners: [Buffer] = []
    /// Lists and structures: parts are kept and gathered at the end.
    private var parts: [Column] = []
    private var partRows: [Int32] = []
    private var partRowCount: Int32 = 0

    init(type: SQLType, rows: Int) {
        self.type = type
        self.rows = rows
        values = Buffer(byteCount: rows * type.layout.stride)
        validity = ValidityBuilder(nil, rows: rows)
        if type.layout == .list || type.layout == .structure { partRows = Array(repeating: 0, count: rows) }
    }

    /// Rows `from` of the operand (nil: its rows in order) into rows `to`.
    mutating func put(_ operand: Operand, from: RowSelection?, to: RowSelection) {
        guard to.count > 0 else { return }
        let target = to.rows
        let mask = operand.mask
        @inline(__always)
        func source(_ index: Int) -> Int { (from.map { Int($0.rows[index]) } ?? index) & mask }
        switch type.layout {
        case .bool:
            let out = values.base.assumingMemoryBound(to: UInt8.self)
            let base = operand.column.bools
            for index in 0..<to.count { out[Int(target[index])] = base[source(index)] }
        case .int64, .double:
            let out = values.base.assumingMemoryBound(to: Int64.self)
            let base = operand.column.int64s
            for index in 0..<to.count { out[Int(target[index])] = base[source(index)] }
        case .int128:
            let out = values.base.assumingMemoryBound(to: Int128.self)
            let base = operand.column.int128s
            for index in 0..<to.count { out[Int(target[index])] = base[source(index)] }
        case .string:
            let out = values.base.assumingMemoryBound(to: StringView.self)
            let base = operand.column.strings
            for index in 0..<to.count { out[Int(target[index])] = base[source(index)] }
            owners += operand.column.owners
        case .list, .structure:
            for index in 0..<to.count { partRows[Int(target[index])] = partRowCount &+ Int32(truncatingIfNeeded: source(index)) }
            parts.append(operand.column)
            partRowCount &+= Int32(truncatingIfNeeded: operand.column.count)
            return
        }
        if operand.column.validity != nil {
            for index in 0..<to.count where operand.column.isNull(source(index)) { validity.clear(Int(target[index])) }
        }
    }

    mutating func putNull(at selection: RowSelection) {
        if selection.count > 0 { put(.null(type), from: nil, to: selection) }
    }

    func finish() -> Column {
        if type.layout == .list || type.layout == .structure {
            return Column.concatenate(parts, type: type).gather(partRows)
        }
        return Column(type: type, count: rows, values: values, validity: validity.buffer, heap: owners)
    }
}
