// NestedCasts: arrays, maps and rows into others of their shape (by position), out of texts and JSON, and anything into JSON.
//
// The elements of a list are cast as one column; an element that fails fails the row that it is in.

import Columns
import Planning

enum NestedCasts {
    /// Casts a column whose rows are those of the input.
    private typealias Caster = @Sendable (Column, EvaluationInput, String) -> Column

    static func kernel(from source: SQLType, to target: SQLType, mode: CastMode) -> Kernel? {
        let isAttempt = mode == .attempt
        if target == .json { return source.isText ? CastKernels.parse(.json, isAttempt) : toJSON }
        if source == .json { return fromJSON(target, isAttempt) }
        if source.isText { return fromText(target, isAttempt) }
        guard let caster = caster(from: source, to: target, mode: mode) else { return nil }
        return { call in caster(call.operands[0].column, call.input, call.text) }
    }

    private static func caster(from source: SQLType, to target: SQLType, mode: CastMode) -> Caster? {
        if source == target { return { column, _, _ in column } }
        if source == .null { return { column, _, _ in Column.constant(.null, type: target, count: column.count) } }
        if !source.isNested, CastKernels.isRetype(source, to: target) { return { column, _, _ in column.retyped(target) } }
        switch (source, target) {
        case (.array, .array), (.map, .map):
            guard let from = source.element, let to = target.element, let inner = caster(from: from, to: to, mode: mode) else { return nil }
            return { column, input, text in list(column, target, input, text, inner) }
        case (.row(let from), .row(let to)):
            guard from.count == to.count else { return nil }
            var inner: [Caster] = []
            for (one, other) in zip(from, to) {
                guard let caster = caster(from: one.type, to: other.type, mode: mode) else { return nil }
                inner.append(caster)
            }
            let casters = inner
            return { column, input, text in
                Column(
                    type: target, count: column.count, values: column.values, validity: column.validity,
                    children: zip(casters, column.children).map { $0($1, input, text) }, owners: column.owners)
            }
        default:
            guard let kernel = CastKernels.kernel(from: source, to: target, mode: mode) else { return nil }
            return { column, input, text in
                guard column.count > 0 else { return Column.constant(.null, type: target, count: 0) }
                return kernel(KernelCall(operands: [Operand(column)], type: target, input: input, text: text))
            }
        }
    }

    private static func list(_ column: Column, _ target: SQLType, _ input: EvaluationInput, _ text: String, _ inner: Caster) -> Column {
        // Without elements that belong to no row: they must not fail anything.
        let lists = column.gather((0..<column.count).map { Int32(truncatingIfNeeded: $0) })
        var rows: [Int32] = []
        rows.reserveCapacity(lists.children[0].count)
        for row in 0..<lists.count where !lists.isNull(row) {
            for _ in 0..<lists.lists[row].length { rows.append(Int32(truncatingIfNeeded: row)) }
        }
        let elements = inner(lists.children[0], input.elements(of: RowSelection.of(rows)), text)
        return Column(
            type: target, count: lists.count, values: lists.values, validity: lists.validity, children: [elements], owners: lists.owners)
    }

    // MARK: JSON and text

    /// Anything, texts as JSON strings.
    static let toJSON: Kernel = { call in
        let operand = call.operands[0]
        let cells = RowText([operand.column])
        let buffer = ByteBuffer()
        return call.texts { row, writer in
            buffer.clear()
            cells.appendJSON(0, row & operand.mask, to: buffer)
            writer.append(buffer.text)
            return true
        }
    }

    private static func fromText(_ target: SQLType, _ isAttempt: Bool) -> Kernel? {
        { call in
            let operand = call.operands[0]
            let texts = operand.strings
            let values = NestedText(target, expectedRowCount: call.rows)
            for row in 0..<call.rows {
                if operand.isNull(row) {
                    values.appendNull()
                    continue
                }
                do throws(TextError) { try values.append(texts[row].bytes) } catch {
                    if !isAttempt { call.fail(row, error.message(text: texts[row].bytes, type: target)) }
                    values.appendNull()
                }
            }
            return values.finish()
        }
    }

    /// Scalars by their text (a string's without its quotes), JSON's null as NULL.
    private static func fromJSON(_ target: SQLType, _ isAttempt: Bool) -> Kernel? {
        let parse: Kernel?
        if target.isNested { parse = fromText(target, isAttempt) } else { parse = CastKernels.parse(target, isAttempt) }
        guard let parse else { return nil }
        return { call in
            let operand = call.operands[0]
            let source = operand.strings
            let texts = KernelCall(operands: [operand], type: .text, input: call.input, text: call.text).texts(sharing: [operand]) { row, writer in
                JSONValue(source[row]).writeScalar(to: &writer)
            }
            return parse(KernelCall(operands: [Operand(texts)], type: target, input: call.input, text: call.text))
        }
    }
}
