// AccumulatorKernels: one tight loop per accumulator over the rows that reach it.
//
// The loops are written once, over an inlined body that gets the address of the state and the number of the row; the compiler makes a
// loop per kind and per shape (dense or selected rows, with or without signs).

import Columns
import Glibc

/// One accumulator's states in a table: the state of slot s is at `base + s * stride`.
struct StateVector {
    var base: UnsafeMutableRawPointer
    var stride: Int

    @inline(__always)
    func each(_ rows: FedRows, _ body: (_ state: UnsafeMutableRawPointer, _ row: Int) -> Void) {
        let slots = rows.slots
        if let numbers = rows.rows {
            for i in 0..<rows.count { body(base + Int(slots[i]) &* stride, Int(numbers[i])) }
        } else {
            for i in 0..<rows.count { body(base + Int(slots[i]) &* stride, i) }
        }
    }

    @inline(__always)
    func eachSigned(_ rows: FedRows, _ body: (_ state: UnsafeMutableRawPointer, _ row: Int, _ sign: Int64) -> Void) {
        guard let signs = rows.signs else { return each(rows) { body($0, $1, 1) } }
        let slots = rows.slots
        if let numbers = rows.rows {
            for i in 0..<rows.count { body(base + Int(slots[i]) &* stride, Int(numbers[i]), signs[i]) }
        } else {
            for i in 0..<rows.count { body(base + Int(slots[i]) &* stride, i, signs[i]) }
        }
    }
}

extension UnsafeMutableRawPointer {
    @inline(__always)
    func add(_ value: Int64) { storeBytes(of: load(as: Int64.self) &+ value, as: Int64.self) }

    @inline(__always)
    func add128(_ value: Int128) { storeBytes(of: loadUnaligned(as: Int128.self) &+ value, as: Int128.self) }

    /// Adds to 192 bits: an unsigned low part of 128 and a signed high one of 64.
    @inline(__always)
    func add192(_ value: Int128) {
        let sum = loadUnaligned(as: UInt128.self).addingReportingOverflow(UInt128(bitPattern: value))
        storeBytes(of: sum.partialValue, as: UInt128.self)
        (self + 16).add((sum.overflow ? 1 : 0) &- (value < 0 ? 1 : 0))
    }
}

/// A sum as two doubles, and what cannot be summed beside it. Lies at a state's address.
struct DoubleSum {
    var high: Double
    var low: Double
    /// +inf in the low half, -inf in the high one.
    var infinities: UInt64
    var nans: Int64

    @inline(__always)
    static func add(_ value: Double, to state: UnsafeMutableRawPointer, sign: Int64) {
        guard value.isFinite else { return addSpecial(value, to: state, sign: sign) }
        addFinite(sign < 0 ? -value : value, 0, to: state)
    }

    @inline(__always)
    static func addFinite(_ value: Double, _ error: Double, to state: UnsafeMutableRawPointer) {
        let high = state.load(as: Double.self)
        let sum = high + value
        let part = sum - high
        let low = state.load(fromByteOffset: 8, as: Double.self) + ((high - (sum - part)) + (value - part)) + error
        let normal = sum + low
        state.storeBytes(of: normal, as: Double.self)
        state.storeBytes(of: low - (normal - sum), toByteOffset: 8, as: Double.self)
    }

    /// x * y with its rounding error.
    @inline(__always)
    static func addProduct(_ x: Double, _ y: Double, to state: UnsafeMutableRawPointer, sign: Int64) {
        guard x.isFinite && y.isFinite else { return addSpecial(x * y, to: state, sign: sign) }
        let (product, error) = exactProduct(x, y)
        if sign < 0 { addFinite(-product, -error, to: state) } else { addFinite(product, error, to: state) }
    }

    /// Dekker's product, without a fused multiply-add: that is a library call where the CPU is not known to have it.
    @inline(__always)
    static func exactProduct(_ x: Double, _ y: Double) -> (Double, Double) {
        let product = x * y
        let splitX = 134_217_729.0 * x
        let headX = splitX - (splitX - x)
        let tailX = x - headX
        let splitY = 134_217_729.0 * y
        let headY = splitY - (splitY - y)
        let tailY = y - headY
        let error = ((headX * headY - product) + headX * tailY + tailX * headY) + tailX * tailY
        return (product, error.isFinite ? error : 0)
    }

    /// x to the third or fourth power, in two doubles.
    @inline(__always)
    static func addPower(_ x: Double, _ power: Int, to state: UnsafeMutableRawPointer, sign: Int64) {
        guard x.isFinite else { return addSpecial(power == 3 ? x * x * x : x * x, to: state, sign: sign) }
        let (square, squareError) = exactProduct(x, x)
        let factor = power == 3 ? x : square
        var (high, low) = exactProduct(square, factor)
        low += power == 3 ? squareError * x : 2 * square * squareError
        if !low.isFinite { low = 0 }
        if sign < 0 {
            high = -high
            low = -low
        }
        addFinite(high, low, to: state)
    }

    @inline(never)
    static func addSpecial(_ value: Double, to state: UnsafeMutableRawPointer, sign: Int64) {
        if value.isNaN {
            (state + 24).add(sign)
        } else {
            var halves = state.load(fromByteOffset: 16, as: UInt64.self)
            let step = UInt32(truncatingIfNeeded: sign)
            let plus = UInt32(truncatingIfNeeded: halves) &+ (value > 0 ? step : 0)
            let minus = UInt32(truncatingIfNeeded: halves >> 32) &+ (value > 0 ? 0 : step)
            halves = UInt64(plus) | UInt64(minus) << 32
            state.storeBytes(of: halves, toByteOffset: 16, as: UInt64.self)
        }
    }

    /// Adds one sum to another.
    static func merge(_ source: UnsafeRawPointer, into state: UnsafeMutableRawPointer) {
        addFinite(source.load(as: Double.self), source.load(fromByteOffset: 8, as: Double.self), to: state)
        let a = state.load(fromByteOffset: 16, as: UInt64.self)
        let b = source.load(fromByteOffset: 16, as: UInt64.self)
        let plus = UInt32(truncatingIfNeeded: a) &+ UInt32(truncatingIfNeeded: b)
        let minus = UInt32(truncatingIfNeeded: a >> 32) &+ UInt32(truncatingIfNeeded: b >> 32)
        state.storeBytes(of: UInt64(plus) | UInt64(minus) << 32, toByteOffset: 16, as: UInt64.self)
        (state + 24).add(source.load(fromByteOffset: 24, as: Int64.self))
    }
}

/// INTERVAL as it orders: by its length with months of 30 days, then by months.
enum IntervalOrder {
    private static let monthMicroseconds: Int128 = 2_592_000_000_000

    static func length(_ value: IntervalValue) -> Int128 { Int128(value.months) * monthMicroseconds + Int128(value.microseconds) }

    static func interval(length: Int128, months: Int64) -> IntervalValue {
        IntervalValue(months: months, microseconds: Int64(truncatingIfNeeded: length &- Int128(months) &* monthMicroseconds))
    }

    @inline(__always)
    static func isBefore(_ a: Int128, _ b: Int128) -> Bool {
        let left = IntervalValue(packed: a)
        let right = IntervalValue(packed: b)
        let leftLength = Int128(left.months) * 2_592_000_000_000 + Int128(left.microseconds)
        let rightLength = Int128(right.months) * 2_592_000_000_000 + Int128(right.microseconds)
        return leftLength != rightLength ? leftLength < rightLength : left.months < right.months
    }
}

extension Accumulator {
    /// Feeds rows to states. `column` is the argument (nil for rows); rows whose argument is NULL are in the selection only for `.nulls`.
    /// `second` is the other column of a pair.
    func update(
        _ states: StateVector, _ rows: FedRows, column: Column?, second: Column? = nil, arrival: UnsafePointer<Int64>?, arena: inout ByteArena,
        heap: inout StateHeap
    ) {
        if kind == .rows {
            if let signs = rows.signs {
                let slots = rows.slots
                for i in 0..<rows.count { (states.base + Int(slots[i]) &* states.stride).add(signs[i]) }
            } else {
                states.each(rows) { state, _ in state.add(1) }
            }
            return
        }
        guard let column else { return }
        switch kind {
        case .rows: break
        case .nulls:
            guard column.mayHaveNulls || second?.mayHaveNulls ?? false else { return }
            states.eachSigned(rows) { state, row, sign in if column.isNull(row) || (second?.isNull(row) ?? false) { state.add(sign) } }
        case .trues:
            let values = column.bools
            states.eachSigned(rows) { state, row, sign in state.add(sign &* Int64(values[row])) }
        case .sumInt64:
            let values = column.int64s
            if rows.signs == nil {
                states.each(rows) { state, row in state.add128(Int128(values[row])) }
            } else {
                states.eachSigned(rows) { state, row, sign in
                    state.add128(sign < 0 ? 0 &- Int128(values[row]) : Int128(values[row]))
                }
            }
        case .sumInt128:
            let values = column.values
            states.eachSigned(rows) { state, row, sign in
                let value = values.loadUnaligned(fromByteOffset: row &* 16, as: Int128.self)
                state.add192(sign < 0 ? 0 &- value : value)
            }
        case .sumInterval:
            let values = column.values
            states.eachSigned(rows) { state, row, sign in
                let value = IntervalValue(packed: values.loadUnaligned(fromByteOffset: row &* 16, as: Int128.self))
                state.add128(Int128(sign) &* Int128(value.months))
                (state + 16).add128(Int128(sign) &* Int128(value.microseconds))
            }
        case .sumDouble:
            let values = column.doubles
            states.eachSigned(rows) { state, row, sign in DoubleSum.add(values[row], to: state, sign: sign) }
        case .sumSquares:
            let values = column.doubles
            states.eachSigned(rows) { state, row, sign in DoubleSum.addProduct(values[row], values[row], to: state, sign: sign) }
        case .sumProducts:
            guard let second else { return }
            let values = column.doubles
            let others = second.doubles
            states.eachSigned(rows) { state, row, sign in DoubleSum.addProduct(values[row], others[row], to: state, sign: sign) }
        case .sumCubes:
            let values = column.doubles
            states.eachSigned(rows) { state, row, sign in DoubleSum.addPower(values[row], 3, to: state, sign: sign) }
        case .sumFourths:
            let values = column.doubles
            states.eachSigned(rows) { state, row, sign in DoubleSum.addPower(values[row], 4, to: state, sign: sign) }
        case .product:
            let values = column.doubles
            states.eachSigned(rows) { state, row, sign in DoubleProduct.multiply(state, by: values[row], sign: sign) }
        case .bitAnd:
            let values = column.int64s
            states.each(rows) { state, row in state.storeBytes(of: state.load(as: Int64.self) & values[row], as: Int64.self) }
        case .bitOr:
            let values = column.int64s
            states.each(rows) { state, row in state.storeBytes(of: state.load(as: Int64.self) | values[row], as: Int64.self) }
        case .bitXor:
            let values = column.int64s
            states.each(rows) { state, row in state.storeBytes(of: state.load(as: Int64.self) ^ values[row], as: Int64.self) }
        case .bagWord, .bagWide, .bagText, .bagArrival, .bagFrequent: updateBag(states, rows, column, &heap)
        case .registers: updateRegisters(states, rows, column, &heap)
        case .minWord, .maxWord: extremeWord(states, rows, column)
        case .minDecimal:
            let values = column.values
            states.each(rows) { state, row in
                let value = values.loadUnaligned(fromByteOffset: row &* 16, as: Int128.self)
                if value < state.loadUnaligned(as: Int128.self) { state.storeBytes(of: value, as: Int128.self) }
            }
        case .maxDecimal:
            let values = column.values
            states.each(rows) { state, row in
                let value = values.loadUnaligned(fromByteOffset: row &* 16, as: Int128.self)
                if value > state.loadUnaligned(as: Int128.self) { state.storeBytes(of: value, as: Int128.self) }
            }
        case .minInterval:
            let values = column.values
            states.each(rows) { state, row in
                let value = values.loadUnaligned(fromByteOffset: row &* 16, as: Int128.self)
                if IntervalOrder.isBefore(value, state.loadUnaligned(as: Int128.self)) { state.storeBytes(of: value, as: Int128.self) }
            }
        case .maxInterval:
            let values = column.values
            states.each(rows) { state, row in
                let value = values.loadUnaligned(fromByteOffset: row &* 16, as: Int128.self)
                if IntervalOrder.isBefore(state.loadUnaligned(as: Int128.self), value) { state.storeBytes(of: value, as: Int128.self) }
            }
        case .minText, .maxText:
            let values = column.strings
            states.each(rows) { state, row in mergeText(values[row], into: state, arena: &arena) }
        case .firstWord, .lastWord, .firstWide, .lastWide, .firstText, .lastText:
            guard let arrival else { return }
            let values = column.values
            let stride = column.layout.stride
            states.each(rows) { state, row in
                mergeArrival(arrival[row], values + row &* stride, isByte: stride == 1, into: state, arena: &arena)
            }
        }
    }

    private func extremeWord(_ states: StateVector, _ rows: FedRows, _ column: Column) {
        let isMin = kind == .minWord
        switch column.layout {
        case .int64:
            let values = column.int64s
            if isMin {
                states.each(rows) { state, row in
                    let held = state.load(as: Int64.self)
                    state.storeBytes(of: min(held, values[row]), as: Int64.self)
                }
            } else {
                states.each(rows) { state, row in
                    let held = state.load(as: Int64.self)
                    state.storeBytes(of: max(held, values[row]), as: Int64.self)
                }
            }
        case .double:
            let values = column.doubles
            states.each(rows) { state, row in
                let held = state.load(as: Int64.self)
                let value = DoubleOrder.ordered(values[row])
                state.storeBytes(of: isMin ? min(held, value) : max(held, value), as: Int64.self)
            }
        case .bool:
            let values = column.bools
            states.each(rows) { state, row in
                let held = state.load(as: Int64.self)
                let value = Int64(values[row])
                state.storeBytes(of: isMin ? min(held, value) : max(held, value), as: Int64.self)
            }
        default: break
        }
    }

    private func mergeText(_ value: StringView, into state: UnsafeMutableRawPointer, arena: inout ByteArena) {
        let held = state.loadUnaligned(fromByteOffset: 8, as: StringView.self)
        if state.load(as: UInt64.self) != 0 {
            let order = StringView.compare(value, held)
            guard kind == .minText ? order < 0 : order > 0 else { return }
        }
        state.storeBytes(of: 1, as: UInt64.self)
        state.storeBytes(of: arena.replace(held, with: value), toByteOffset: 8, as: StringView.self)
    }

    @inline(__always)
    private func mergeArrival(
        _ arrival: Int64, _ value: UnsafeRawPointer, isByte: Bool, into state: UnsafeMutableRawPointer, arena: inout ByteArena
    ) {
        let held = state.load(as: Int64.self)
        switch kind {
        case .firstWord, .firstWide, .firstText: guard arrival < held else { return }
        default: guard arrival > held else { return }
        }
        state.storeBytes(of: arrival, as: Int64.self)
        switch kind {
        case .firstWord, .lastWord:
            let word = isByte ? UInt64(value.load(as: UInt8.self)) : value.loadUnaligned(as: UInt64.self)
            state.storeBytes(of: word, toByteOffset: 8, as: UInt64.self)
        case .firstWide, .lastWide: memcpy(state + 8, value, 16)
        default:
            let held = state.loadUnaligned(fromByteOffset: 8, as: StringView.self)
            state.storeBytes(of: arena.replace(held, with: value.loadUnaligned(as: StringView.self)), toByteOffset: 8, as: StringView.self)
        }
    }

    // MARK: Merging partial states

    /// Joins the state at `sources[i] + offset` to that of slot `slots[i]`; takes it away when `subtracting` (invertible kinds only).
    func merge(
        _ sources: UnsafePointer<UnsafeRawPointer>, offset: Int, count: Int, into states: StateVector, slots: UnsafePointer<UInt32>,
        subtracting: Bool, arena: inout ByteArena, heap: inout StateHeap
    ) {
        @inline(__always) func each(_ body: (UnsafeMutableRawPointer, UnsafeRawPointer) -> Void) {
            for i in 0..<count { body(states.base + Int(slots[i]) &* states.stride, sources[i] + offset) }
        }
        switch kind {
        case .rows, .nulls, .trues:
            if subtracting {
                each { $0.add(0 &- $1.load(as: Int64.self)) }
            } else {
                each { $0.add($1.load(as: Int64.self)) }
            }
        case .sumInt64:
            if subtracting {
                each { $0.add128(0 &- $1.loadUnaligned(as: Int128.self)) }
            } else {
                each { $0.add128($1.loadUnaligned(as: Int128.self)) }
            }
        case .sumInt128:
            each { state, source in
                var low = source.loadUnaligned(as: UInt128.self)
                var high = source.load(fromByteOffset: 16, as: Int64.self)
                if subtracting {
                    low = ~low &+ 1
                    high = ~high &+ (low == 0 ? 1 : 0)
                }
                let sum = state.loadUnaligned(as: UInt128.self).addingReportingOverflow(low)
                state.storeBytes(of: sum.partialValue, as: UInt128.self)
                (state + 16).add(high &+ (sum.overflow ? 1 : 0))
            }
        case .sumInterval:
            each { state, source in
                let months = source.loadUnaligned(as: Int128.self)
                let microseconds = source.loadUnaligned(fromByteOffset: 16, as: Int128.self)
                state.add128(subtracting ? 0 &- months : months)
                (state + 16).add128(subtracting ? 0 &- microseconds : microseconds)
            }
        case .sumDouble, .sumSquares, .sumCubes, .sumFourths, .sumProducts: each { DoubleSum.merge($1, into: $0) }
        case .product: each { DoubleProduct.merge($1, into: $0) }
        case .bitAnd: each { $0.storeBytes(of: $0.load(as: Int64.self) & $1.load(as: Int64.self), as: Int64.self) }
        case .bitOr: each { $0.storeBytes(of: $0.load(as: Int64.self) | $1.load(as: Int64.self), as: Int64.self) }
        case .bitXor: each { $0.storeBytes(of: $0.load(as: Int64.self) ^ $1.load(as: Int64.self), as: Int64.self) }
        case .bagWord, .bagWide, .bagText, .bagArrival, .bagFrequent, .registers:
            for i in 0..<count {
                mergeHeld(sources[i] + offset, into: states.base + Int(slots[i]) &* states.stride, subtracting: subtracting, &heap)
            }
        case .minWord: each { $0.storeBytes(of: min($0.load(as: Int64.self), $1.load(as: Int64.self)), as: Int64.self) }
        case .maxWord: each { $0.storeBytes(of: max($0.load(as: Int64.self), $1.load(as: Int64.self)), as: Int64.self) }
        case .minDecimal:
            each { $0.storeBytes(of: min($0.loadUnaligned(as: Int128.self), $1.loadUnaligned(as: Int128.self)), as: Int128.self) }
        case .maxDecimal:
            each { $0.storeBytes(of: max($0.loadUnaligned(as: Int128.self), $1.loadUnaligned(as: Int128.self)), as: Int128.self) }
        case .minInterval:
            each {
                let value = $1.loadUnaligned(as: Int128.self)
                if IntervalOrder.isBefore(value, $0.loadUnaligned(as: Int128.self)) { $0.storeBytes(of: value, as: Int128.self) }
            }
        case .maxInterval:
            each {
                let value = $1.loadUnaligned(as: Int128.self)
                if IntervalOrder.isBefore($0.loadUnaligned(as: Int128.self), value) { $0.storeBytes(of: value, as: Int128.self) }
            }
        case .minText, .maxText:
            each { state, source in
                if source.load(as: UInt64.self) != 0 {
                    mergeText(source.loadUnaligned(fromByteOffset: 8, as: StringView.self), into: state, arena: &arena)
                }
            }
        case .firstWord, .firstWide, .firstText:
            each { state, source in
                let arrival = source.load(as: Int64.self)
                if arrival != .max { mergeArrival(arrival, source + 8, isByte: false, into: state, arena: &arena) }
            }
        case .lastWord, .lastWide, .lastText:
            each { state, source in
                let arrival = source.load(as: Int64.self)
                if arrival != 0 { mergeArrival(arrival, source + 8, isByte: false, into: state, arena: &arena) }
            }
        }
    }
}
