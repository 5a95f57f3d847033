// ComparisonKernels: = <> < <= > >=, IS [NOT] DISTINCT FROM, GREATEST, LEAST, NULLIF.
//
// The result is a byte per row, 0 or 1, so the loops have no branches. For floating point NaN equals itself and is larger than
// everything else, as in PostgreSQL. Intervals compare with a month as 30 days.

import Columns
import Glibc
import Planning

enum ComparisonKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .isDistinct, .isNotDistinct:
            guard let equal = comparison(.equal, request.arguments) else { return nil }
            let isDistinct = request.function == .isDistinct
            return { call in
                let strict = equal(call)
                let same = strict.bools
                let (a, b) = (call.operands[0], call.operands[1])
                return call.bools(strict: false) { row in
                    let isSame = a.isNull(row) || b.isNull(row) ? a.isNull(row) && b.isNull(row) : same[row] != 0
                    return isSame != isDistinct
                }
            }
        case .nullIf:
            guard let equal = comparison(.equal, request.arguments) else { return nil }
            return { call in
                let strict = equal(call)
                let first = call.operands[0].expanded(call.rows)
                var validity = ValidityBuilder(
                    Bitmap.and(first.validity, nil, rows: call.rows), rows: call.rows)
                for row in 0..<call.rows where !strict.isNull(row) && !call.operands[1].isNull(row) && strict.bools[row] != 0 {
                    validity.clear(row)
                }
                return first.withValidity(validity.buffer).retyped(call.type)
            }
        case .greatest, .least:
            let wanted: ScalarFunction = request.function == .greatest ? .greater : .less
            guard let first = request.arguments.first, let better = comparison(wanted, [first, first]) else { return nil }
            return { call in
                var best = call.operands[0]
                for operand in call.operands.dropFirst() {
                    let verdict = better(KernelCall(operands: [operand, best], type: .boolean, input: call.input, text: call.text))
                    var assembler = ColumnAssembler(type: call.type, rows: call.rows)
                    let previous = best
                    let takes = { (row: Int) -> Bool in
                        previous.isNull(row) || (!operand.isNull(row) && verdict.bools[row] != 0)
                    }
                    let taken = RowSelection.rows(call.rows, where: takes)
                    let kept = RowSelection.rows(call.rows) { !takes($0) }
                    assembler.put(operand, from: taken, to: taken)
                    assembler.put(previous, from: kept, to: kept)
                    best = Operand(assembler.finish())
                }
                return best.expanded(call.rows)
            }
        default: return comparison(request.function, request.arguments)
        }
    }

    private static func comparison(_ function: ScalarFunction, _ types: [SQLType]) -> Kernel? {
        guard types.count == 2, let first = types.first, first.layout == types[1].layout else { return nil }
        switch first.layout {
        case .bool: return bools(function)
        case .int64: return int64s(function)
        case .double: return doubles(function)
        case .int128:
            if first == .interval { return intervals(function) }
            guard case .decimal(let aDigits, let a) = first, case .decimal(let bDigits, let b) = types[1] else { return nil }
            if a == b { return int128s(function) }
            let common = max(a, b)
            if aDigits + common - a <= SQLType.decimalPrecisionMax && bDigits + common - b <= SQLType.decimalPrecisionMax {
                return rescaled(function, Decimal128.power(common - a), Decimal128.power(common - b))
            }
            return decimals(function, a, b)
        case .string: return texts(function)
        case .list, .structure: return nested(function)
        }
    }

    /// Arrays and rows, element by element; a NULL inside equals another one and is larger than any value.
    private static func nested(_ function: ScalarFunction) -> Kernel? {
        let test: @Sendable (Int) -> Bool
        switch function {
        case .equal: test = { $0 == 0 }
        case .notEqual: test = { $0 != 0 }
        case .less: test = { $0 < 0 }
        case .lessOrEqual: test = { $0 <= 0 }
        case .greater: test = { $0 > 0 }
        case .greaterOrEqual: test = { $0 >= 0 }
        default: return nil
        }
        return { call in
            let (a, b) = (call.operands[0], call.operands[1])
            let order = ColumnOrder(a.column, b.column)
            return call.bools { row in test(order.compare(row & a.mask, row & b.mask)) }
        }
    }

    private static func int64s(_ function: ScalarFunction) -> Kernel? {
        switch function {
        case .equal: { call in loop(call, call.operands[0].column.int64s, call.operands[1].column.int64s) { $0 == $1 } }
        case .notEqual: { call in loop(call, call.operands[0].column.int64s, call.operands[1].column.int64s) { $0 != $1 } }
        case .less: { call in loop(call, call.operands[0].column.int64s, call.operands[1].column.int64s) { $0 < $1 } }
        case .lessOrEqual: { call in loop(call, call.operands[0].column.int64s, call.operands[1].column.int64s) { $0 <= $1 } }
        case .greater: { call in loop(call, call.operands[0].column.int64s, call.operands[1].column.int64s) { $0 > $1 } }
        case .greaterOrEqual: { call in loop(call, call.operands[0].column.int64s, call.operands[1].column.int64s) { $0 >= $1 } }
        default: nil
        }
    }

    private static func bools(_ function: ScalarFunction) -> Kernel? {
        switch function {
        case .equal: { call in loop(call, call.operands[0].column.bools, call.operands[1].column.bools) { $0 == $1 } }
        case .notEqual: { call in loop(call, call.operands[0].column.bools, call.operands[1].column.bools) { $0 != $1 } }
        case .less: { call in loop(call, call.operands[0].column.bools, call.operands[1].column.bools) { $0 < $1 } }
        case .lessOrEqual: { call in loop(call, call.operands[0].column.bools, call.operands[1].column.bools) { $0 <= $1 } }
        case .greater: { call in loop(call, call.operands[0].column.bools, call.operands[1].column.bools) { $0 > $1 } }
        case .greaterOrEqual: { call in loop(call, call.operands[0].column.bools, call.operands[1].column.bools) { $0 >= $1 } }
        default: nil
        }
    }

    /// Less-than with NaN above everything.
    @inline(__always)
    static func isLess(_ a: Double, _ b: Double) -> Bool { a < b || (b != b && a == a) }

    @inline(__always)
    static func isSame(_ a: Double, _ b: Double) -> Bool { (a == b) || ((a != a) && (b != b)) }

    private static func doubles(_ function: ScalarFunction) -> Kernel? {
        switch function {
        case .equal: { call in loop(call, call.operands[0].column.doubles, call.operands[1].column.doubles) { isSame($0, $1) } }
        case .notEqual: { call in loop(call, call.operands[0].column.doubles, call.operands[1].column.doubles) { !isSame($0, $1) } }
        case .less: { call in loop(call, call.operands[0].column.doubles, call.operands[1].column.doubles) { isLess($0, $1) } }
        case .lessOrEqual: { call in loop(call, call.operands[0].column.doubles, call.operands[1].column.doubles) { !isLess($1, $0) } }
        case .greater: { call in loop(call, call.operands[0].column.doubles, call.operands[1].column.doubles) { isLess($1, $0) } }
        case .greaterOrEqual: { call in loop(call, call.operands[0].column.doubles, call.operands[1].column.doubles) { !isLess($0, $1) } }
        default: nil
        }
    }

    private static func int128s(_ function: ScalarFunction) -> Kernel? {
        switch function {
        case .equal: { call in loop(call, call.operands[0].column.int128s, call.operands[1].column.int128s) { $0 == $1 } }
        case .notEqual: { call in loop(call, call.operands[0].column.int128s, call.operands[1].column.int128s) { $0 != $1 } }
        case .less: { call in loop(call, call.operands[0].column.int128s, call.operands[1].column.int128s) { $0 < $1 } }
        case .lessOrEqual: { call in loop(call, call.operands[0].column.int128s, call.operands[1].column.int128s) { $0 <= $1 } }
        case .greater: { call in loop(call, call.operands[0].column.int128s, call.operands[1].column.int128s) { $0 > $1 } }
        case .greaterOrEqual: { call in loop(call, call.operands[0].column.int128s, call.operands[1].column.int128s) { $0 >= $1 } }
        default: nil
        }
    }

    private static func texts(_ function: ScalarFunction) -> Kernel? {
        switch function {
        case .equal: { call in loop(call, call.operands[0].column.strings, call.operands[1].column.strings) { StringView.equal($0, $1) } }
        case .notEqual: { call in loop(call, call.operands[0].column.strings, call.operands[1].column.strings) { !StringView.equal($0, $1) } }
        case .less: { call in loop(call, call.operands[0].column.strings, call.operands[1].column.strings) { StringView.compare($0, $1) < 0 } }
        case .lessOrEqual: { call in loop(call, call.operands[0].column.strings, call.operands[1].column.strings) { StringView.compare($0, $1) <= 0 } }
        case .greater: { call in loop(call, call.operands[0].column.strings, call.operands[1].column.strings) { StringView.compare($0, $1) > 0 } }
        case .greaterOrEqual: { call in loop(call, call.operands[0].column.strings, call.operands[1].column.strings) { StringView.compare($0, $1) >= 0 } }
        default: nil
        }
    }

    private static func intervals(_ function: ScalarFunction) -> Kernel? {
        ordered(function) { Calendar128.comparable(IntervalValue(packed: $0)).compared(Calendar128.comparable(IntervalValue(packed: $1))) }
    }

    /// Decimals of different scales that both fit at the finer one.
    private static func rescaled(_ function: ScalarFunction, _ a: Int128, _ b: Int128) -> Kernel? {
        guard let compare = int128s(function) else { return nil }
        return { call in
            let operands = [scaled(call.operands[0], by: a), scaled(call.operands[1], by: b)]
            return compare(KernelCall(operands: operands, type: call.type, input: call.input, text: call.text))
        }
    }

    private static func scaled(_ operand: Operand, by factor: Int128) -> Operand {
        if factor == 1 { return operand }
        let column = operand.column
        let values = Buffer(byteCount: column.count * 16)
        let target = values.base.assumingMemoryBound(to: Int128.self)
        let source = column.int128s
        for row in 0..<column.count { target[row] = source[row] &* factor }
        let result = Column(
            type: column.type, count: column.count, values: UnsafeRawPointer(target), validity: column.validity, owners: column.owners + [values])
        return Operand(result, isConstant: operand.isConstant)
    }

    /// Decimals of different scales: without a conversion that could overflow.
    private static func decimals(_ function: ScalarFunction, _ a: Int, _ b: Int) -> Kernel? {
        ordered(function) { Decimal128.compare($0, a, $1, b) }
    }

    @inline(__always)
    private static func ordered(_ function: ScalarFunction, _ compare: @escaping @Sendable (Int128, Int128) -> Int) -> Kernel? {
        switch function {
        case .equal: { call in loop(call, call.operands[0].column.int128s, call.operands[1].column.int128s) { compare($0, $1) == 0 } }
        case .notEqual: { call in loop(call, call.operands[0].column.int128s, call.operands[1].column.int128s) { compare($0, $1) != 0 } }
        case .less: { call in loop(call, call.operands[0].column.int128s, call.operands[1].column.int128s) { compare($0, $1) < 0 } }
        case .lessOrEqual: { call in loop(call, call.operands[0].column.int128s, call.operands[1].column.int128s) { compare($0, $1) <= 0 } }
        case .greater: { call in loop(call, call.operands[0].column.int128s, call.operands[1].column.int128s) { compare($0, $1) > 0 } }
        case .greaterOrEqual: { call in loop(call, call.operands[0].column.int128s, call.operands[1].column.int128s) { compare($0, $1) >= 0 } }
        default: nil
        }
    }

    @inline(__always)
    private static func loop<T>(_ call: KernelCall, _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ test: (T, T) -> Bool) -> Column {
        let rows = call.rows
        let values = Buffer(byteCount: rows)
        let target = values.base.assumingMemoryBound(to: UInt8.self)
        if call.operands[0].isConstant && call.operands[1].isConstant {
            memset(target, test(a[0], b[0]) ? 1 : 0, rows)
        } else if call.operands[1].isConstant {
            let y = b[0]
            for row in 0..<rows { target[row] = test(a[row], y) ? 1 : 0 }
        } else if call.operands[0].isConstant {
            let x = a[0]
            for row in 0..<rows { target[row] = test(x, b[row]) ? 1 : 0 }
        } else {
            for row in 0..<rows { target[row] = test(a[row], b[row]) ? 1 : 0 }
        }
        return Column(type: .boolean, count: rows, values: values, validity: call.strictValidity())
    }
}

extension Int128 {
    @inline(__always)
    func compared(_ other: Int128) -> Int { self < other ? -1 : self == other ? 0 : 1 }
}
