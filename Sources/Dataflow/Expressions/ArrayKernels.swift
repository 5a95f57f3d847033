// ArrayKernels: functions of arrays. Those whose result is an array of elements that exist already go through a `ListWriter`; those that look for
// equal elements sort first, so that none is quadratic in the length of an array.
//
// A NULL element equals a NULL in the functions that search (array_position, array_remove ..., as in PostgreSQL), and distinct, union
// and the like keep one of them.

import Columns
import Planning

enum ArrayKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .cardinality:
            return { call in
                let operand = call.operands[0]
                return call.int64s { Int64(operand.elements($0)?.count ?? 0) }
            }
        case .arrayLength:
            return { call in
                let (operand, dimensions) = (call.operands[0], call.operands[1].int64s)
                return call.int64s { row in
                    let count = operand.elements(row)?.count ?? 0
                    return dimensions[row] == 1 && count > 0 ? Int64(count) : nil
                }
            }
        case .arrayAppend, .arrayPrepend, .arrayCat: return joined(request.function)
        case .arrayRemove, .arrayReplace: return replaced(request.function)
        case .arrayPosition, .arrayContains: return position(request.function)
        case .arrayPositions: return positions
        case .arrayContainsAll, .arrayOverlaps: return compared(request.function)
        case .anyElement, .allElements: return quantified(request)
        case .arrayDistinct, .arrayUnion, .arrayExcept, .arrayIntersect: return sets(request.function)
        case .arraySort, .arrayReverse, .arraySlice, .arrayTrim: return arranged(request.function)
        case .arrayMin, .arrayMax: return extreme(isMin: request.function == .arrayMin)
        case .arraySum: return sum(request)
        case .arrayToString: return toText
        case .stringToArray: return fromText
        case .sequence: return sequence
        default: return nil
        }
    }

    // MARK: Joining

    private static func joined(_ function: ScalarFunction) -> Kernel {
        { call in
            // The elements of both; of an element that is joined, the operand itself.
            let (first, second) = (call.operands[0], call.operands[1])
            let firstIsElement = function == .arrayPrepend
            let secondIsElement = function == .arrayAppend
            let a = firstIsElement ? first.column : first.column.children[0]
            let b = secondIsElement ? second.column : second.column.children[0]
            let pool = Column.concatenate([a, b], type: a.type)
            let base = a.count
            return call.lists(strict: false, pool: pool) { row, writer in
                // A NULL array is no elements; two of them are NULL.
                if function == .arrayCat, first.isNull(row), second.isNull(row) { return false }
                if firstIsElement { writer.append(row & first.mask) } else { writer.append(first.elements(row) ?? 0..<0) }
                if secondIsElement {
                    writer.append(base + (row & second.mask))
                } else {
                    for element in second.elements(row) ?? 0..<0 { writer.append(base + element) }
                }
                return true
            }
        }
    }

    private static func replaced(_ function: ScalarFunction) -> Kernel {
        { call in
            let (array, needle) = (call.operands[0], call.operands[1])
            let elements = array.column.children[0]
            let order = ColumnOrder(elements, needle.column)
            let replacement = function == .arrayReplace ? call.operands[2] : nil
            let pool = replacement.map { Column.concatenate([elements, $0.column], type: elements.type) } ?? elements
            return call.lists(strict: false, pool: pool) { row, writer in
                guard let range = array.elements(row) else { return false }
                for element in range {
                    if !order.isEqual(element, row & needle.mask) {
                        writer.append(element)
                    } else if let replacement {
                        writer.append(elements.count + (row & replacement.mask))
                    }
                }
                return true
            }
        }
    }

    // MARK: Searching

    private static func position(_ function: ScalarFunction) -> Kernel {
        { call in
            let (array, needle) = (call.operands[0], call.operands[1])
            let order = ColumnOrder(array.column.children[0], needle.column)
            if function == .arrayContains {
                return call.bools { row in array.elements(row).map { $0.contains { order.isEqual($0, row & needle.mask) } } }
            }
            let start = call.operands.count > 2 ? call.operands[2] : nil
            return call.int64s(strict: false) { row in
                guard let range = array.elements(row) else { return nil }
                let skipped = start.map { $0.isNull(row) ? 0 : max($0.int64s[row], 1) - 1 } ?? 0
                guard skipped < Int64(range.count) else { return nil }
                for element in range.dropFirst(Int(skipped)) where order.isEqual(element, row & needle.mask) {
                    return Int64(element - range.lowerBound + 1)
                }
                return nil
            }
        }
    }

    private static let positions: Kernel = { call in
        let (array, needle) = (call.operands[0], call.operands[1])
        let order = ColumnOrder(array.column.children[0], needle.column)
        let builder = ColumnBuilder(call.type, capacity: call.rows)
        for row in 0..<call.rows {
            guard let range = array.elements(row), let found = builder.listElements else {
                builder.appendNull()
                continue
            }
            let start = found.count
            for element in range where order.isEqual(element, row & needle.mask) {
                found.append(int64: Int64(element - range.lowerBound + 1))
            }
            builder.appendList(elementCount: found.count - start)
        }
        return builder.finish()
    }

    /// The elements of a range, equal ones together, in order of their place among equals.
    private static func sorted(_ range: some Sequence<Int>, _ order: ColumnOrder) -> [Int] {
        range.sorted { a, b in
            let difference = order.compare(a, b)
            return difference == 0 ? a < b : difference < 0
        }
    }

    /// Whether a sorted array has an equal of element `wanted` of the other column; `order` compares it with the array's elements.
    private static func contains(_ sorted: [Int], _ wanted: Int, _ order: ColumnOrder) -> Bool {
        var low = 0
        var high = sorted.count
        while low < high {
            let middle = (low + high) / 2
            let difference = order.compare(sorted[middle], wanted)
            if difference == 0 { return true }
            if difference < 0 { low = middle + 1 } else { high = middle }
        }
        return false
    }

    /// `a @> b`: every element of b is in a; `a && b`: one is. NULL elements are in nothing, as in PostgreSQL.
    private static func compared(_ function: ScalarFunction) -> Kernel {
        { call in
            let (first, second) = (call.operands[0], call.operands[1])
            let (a, b) = (first.column.children[0], second.column.children[0])
            let order = ColumnOrder(a, a)
            let across = ColumnOrder(a, b)
            return call.bools { row in
                guard let held = first.elements(row), let wanted = second.elements(row) else { return nil }
                let sorted = sorted(held.filter { !a.isNull($0) }, order)
                if function == .arrayOverlaps { return wanted.contains { !b.isNull($0) && contains(sorted, $0, across) } }
                return wanted.allSatisfy { !b.isNull($0) && contains(sorted, $0, across) }
            }
        }
    }

    /// `value < ANY (array)`: as OR, or for ALL as AND, of the comparisons: a NULL on either side leaves open what the others do not decide.
    private static func quantified(_ request: KernelRequest) -> Kernel? {
        guard let sign = request.text(1).map({ String(decoding: $0, as: UTF8.self) }) else { return nil }
        // Whether the comparison holds when the value is less than the element, equal, greater.
        let holds: (Bool, Bool, Bool)
        switch sign {
        case "=": holds = (false, true, false)
        case "<>": holds = (true, false, true)
        case "<": holds = (true, false, false)
        case "<=": holds = (true, true, false)
        case ">": holds = (false, false, true)
        case ">=": holds = (false, true, true)
        default: return nil
        }
        let isAny = request.function == .anyElement
        return { call in
            let (value, array) = (call.operands[0], call.operands[2])
            let elements = array.column.children[0]
            let order = ColumnOrder(value.column, elements)
            return call.bools(strict: false) { row in
                guard let range = array.elements(row) else { return nil }
                let valueIsNull = value.isNull(row)
                var isOpen = false
                for element in range {
                    if valueIsNull || elements.isNull(element) {
                        isOpen = true
                        continue
                    }
                    let difference = order.compare(row & value.mask, element)
                    let result = difference < 0 ? holds.0 : difference == 0 ? holds.1 : holds.2
                    if result == isAny { return isAny }
                }
                return isOpen ? nil : !isAny
            }
        }
    }

    /// Without duplicates, each element where it first stood.
    private static func sets(_ function: ScalarFunction) -> Kernel {
        { call in
            let first = call.operands[0]
            let second = call.operands.count > 1 ? call.operands[1] : nil
            let a = first.column.children[0]
            let pool = second.map { Column.concatenate([a, $0.column.children[0]], type: a.type) } ?? a
            let base = a.count
            let order = ColumnOrder(pool, pool)
            return call.lists(pool: pool) { row, writer in
                guard let own = first.elements(row) else { return false }
                let others = second?.elements(row).map { $0.lowerBound + base..<$0.upperBound + base } ?? base..<base
                let candidates = function == .arrayUnion ? Array(own) + Array(others) : Array(own)
                let excluded = function == .arrayExcept || function == .arrayIntersect ? sorted(others, order) : []
                var kept: [Int] = []
                var previous: Int?
                for element in sorted(candidates, order) {
                    if let previous, order.isEqual(previous, element) { continue }
                    previous = element
                    if function == .arrayExcept, contains(excluded, element, order) { continue }
                    if function == .arrayIntersect, !contains(excluded, element, order) { continue }
                    kept.append(element)
                }
                for element in kept.sorted() { writer.append(element) }
                return true
            }
        }
    }

    // MARK: Arranging

    private static func arranged(_ function: ScalarFunction) -> Kernel {
        { call in
            let array = call.operands[0]
            let pool = array.column.children[0]
            let order = ColumnOrder(pool, pool)
            func number(_ index: Int, _ row: Int) -> Int64? { call.operands.count > index ? call.operands[index].int64s[row] : nil }
            return call.lists(pool: pool) { row, writer in
                guard let range = array.elements(row) else { return false }
                switch function {
                case .arraySort:
                    let isAscending = call.operands.count < 2 || call.operands[1].bools[row] != 0
                    let sorted = sorted(range, order)
                    // As Flink's ARRAY_SORT: NULLs come first ascending and last descending, unless it is told otherwise.
                    let nullsFirst = call.operands.count > 2 ? call.operands[2].bools[row] != 0 : isAscending
                    let nulls = sorted.filter { pool.isNull($0) }
                    let values = sorted.filter { !pool.isNull($0) }
                    if nullsFirst { for element in nulls { writer.append(element) } }
                    for element in isAscending ? values : values.reversed() { writer.append(element) }
                    if !nullsFirst { for element in nulls { writer.append(element) } }
                case .arrayReverse: for element in range.reversed() { writer.append(element) }
                case .arrayTrim:
                    let count = number(1, row) ?? 0
                    guard count >= 0, count <= Int64(range.count) else {
                        call.fail(row, "number of elements to trim must be between 0 and \(range.count)")
                        return false
                    }
                    writer.append(range.dropLast(Int(count)))
                default:
                    // From and to, both counted from 1, from the end when negative; what lies outside is left out.
                    let count = Int64(range.count)
                    func place(_ number: Int64) -> Int64 { number < 0 ? max(count + max(number, -count - 1) + 1, 0) : number }
                    let from = max(place(number(1, row) ?? 1), 1)
                    let to = min(place(number(2, row) ?? count), count)
                    if from <= to { writer.append(range.lowerBound + Int(from) - 1..<range.lowerBound + Int(to)) }
                }
                return true
            }
        }
    }

    // MARK: Summing up

    private static func extreme(isMin: Bool) -> Kernel {
        { call in
            let array = call.operands[0]
            let elements = array.column.children[0]
            let order = ColumnOrder(elements, elements)
            var rows = [Int32](repeating: -1, count: call.rows)
            for row in 0..<call.rows {
                var best: Int?
                for element in array.elements(row) ?? 0..<0 where !elements.isNull(element) {
                    guard let held = best else {
                        best = element
                        continue
                    }
                    let difference = order.compare(element, held)
                    if isMin ? difference < 0 : difference > 0 { best = element }
                }
                if let best { rows[row] = Int32(truncatingIfNeeded: best) }
            }
            return elements.gatherOptional(rows)
        }
    }

    /// Integers as BIGINT, decimals and doubles as they are; NULL for no value at all.
    private static func sum(_ request: KernelRequest) -> Kernel? {
        guard let element = request.arguments.first?.element else { return nil }
        switch element.layout {
        case .int64 where element.isInteger:
            return { call in
                let (array, elements) = (call.operands[0], call.operands[0].column.children[0])
                return call.int64s { row in
                    var sum: Int64?
                    for index in array.elements(row) ?? 0..<0 where !elements.isNull(index) {
                        let (value, overflow) = (sum ?? 0).addingReportingOverflow(elements.int64s[index])
                        if overflow {
                            call.fail(row, "bigint out of range")
                            return nil
                        }
                        sum = value
                    }
                    return sum
                }
            }
        case .double:
            return { call in
                let (array, elements) = (call.operands[0], call.operands[0].column.children[0])
                return call.doubles { row in
                    var sum: Double?
                    for index in array.elements(row) ?? 0..<0 where !elements.isNull(index) { sum = (sum ?? 0) + elements.doubles[index] }
                    return sum
                }
            }
        case .int128 where element.isDecimal:
            return { call in
                let (array, elements) = (call.operands[0], call.operands[0].column.children[0])
                return call.int128s { row in
                    var sum: Int128?
                    for index in array.elements(row) ?? 0..<0 where !elements.isNull(index) {
                        let (value, overflow) = (sum ?? 0).addingReportingOverflow(elements.int128s[index])
                        if overflow || !Decimal128.fits(value, precision: SQLType.decimalPrecisionMax) {
                            call.fail(row, "numeric field overflow")
                            return nil
                        }
                        sum = value
                    }
                    return sum
                }
            }
        default: return nil
        }
    }

    // MARK: Text

    /// Elements as text between delimiters; NULLs are left out, or shown as the third argument.
    private static let toText: Kernel = { call in
        let (array, delimiter) = (call.operands[0], call.operands[1])
        let elements = array.column.children[0]
        let cells = RowText([elements])
        let buffer = ByteBuffer()
        return call.texts(strict: false) { row, writer in
            guard let range = array.elements(row), !delimiter.isNull(row) else { return false }
            buffer.clear()
            var isFirst = true
            for element in range {
                let isNull = elements.isNull(element)
                if isNull, call.operands.count < 3 || call.operands[2].isNull(row) { continue }
                if !isFirst { buffer.append(delimiter.strings[row].bytes) }
                isFirst = false
                if isNull { buffer.append(call.operands[2].strings[row].bytes) } else { cells.append(0, element, to: buffer) }
            }
            writer.append(buffer.text)
            return true
        }
    }

    /// The parts between delimiters; with a NULL delimiter, characters. A part that equals the third argument is NULL.
    private static let fromText: Kernel = { call in
        let (text, delimiter) = (call.operands[0], call.operands[1])
        let builder = ColumnBuilder(call.type, capacity: call.rows)
        guard let parts = builder.listElements else { return Column.constant(.null, type: call.type, count: call.rows) }
        parts.keepAlive(text.column.owners)
        for row in 0..<call.rows {
            if text.isNull(row) {
                builder.appendNull()
                continue
            }
            let view = text.strings[row]
            let start = parts.count
            let null = call.operands.count > 2 && !call.operands[2].isNull(row) ? call.operands[2].strings[row] : nil
            func add(_ range: Range<Int>) {
                let part = range.isEmpty ? StringView.empty : StringView(view.pointer + range.lowerBound, count: range.count)
                if let null, StringView.equal(part, null) { parts.appendNull() } else { parts.append(view: part) }
            }
            var position = 0
            if delimiter.isNull(row) {
                while position < view.count {
                    var end = position + 1
                    while end < view.count, view.pointer[end] & 0xC0 == 0x80 { end += 1 }
                    add(position..<end)
                    position = end
                }
            } else if view.count > 0 {
                let separator = delimiter.strings[row]
                while separator.count > 0, let found = Text.find(separator.bytes, in: view.bytes, from: position) {
                    add(position..<found)
                    position = found + separator.count
                }
                add(position..<view.count)
            }
            builder.appendList(elementCount: parts.count - start)
        }
        return builder.finish()
    }

    // MARK: Series

    /// From, to, both included, by steps: as an array, which UNNEST makes rows of.
    private static let sequence: Kernel = { call in
        let builder = ColumnBuilder(call.type, capacity: call.rows)
        guard let numbers = builder.listElements else { return Column.constant(.null, type: call.type, count: call.rows) }
        for row in 0..<call.rows {
            guard !call.operands.contains(where: { $0.isNull(row) }) else {
                builder.appendNull()
                continue
            }
            let from = call.operands[0].int64s[row]
            let to = call.operands[1].int64s[row]
            let step: Int64
            if call.operands.count > 2 {
                let operand = call.operands[2]
                if operand.column.type == .interval {
                    let interval = IntervalValue(packed: operand.int128s[row])
                    guard interval.months == 0 else {
                        call.fail(row, "a step of months is not supported yet")
                        builder.appendNull()
                        continue
                    }
                    step = interval.microseconds
                } else {
                    step = operand.int64s[row]
                }
            } else {
                step = 1
            }
            guard step != 0 else {
                call.fail(row, "step size cannot be zero")
                builder.appendNull()
                continue
            }
            let span = step > 0 ? Int128(to) - Int128(from) : Int128(from) - Int128(to)
            let count = span < 0 ? 0 : span / Int128(step.magnitude) + 1
            guard count + Int128(numbers.count) <= Int128(KernelCall.listElementCountMax) else {
                call.fail(row, "a series of \(count) values is too long")
                builder.appendNull()
                continue
            }
            var value = from
            for _ in 0..<Int(count) {
                numbers.append(int64: value)
                value = value &+ step
            }
            builder.appendList(elementCount: Int(count))
        }
        return builder.finish()
    }
}
