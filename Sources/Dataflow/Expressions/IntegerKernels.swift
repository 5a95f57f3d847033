// IntegerKernels: SMALLINT, INTEGER and BIGINT in 64-bit lanes.
//
// The loops wrap around (`&+`) and gather evidence of overflow in one word, which is looked at once per batch. Only when there is some
// does a slow loop find the rows. Values under NULL may raise the alarm for nothing: the slow loop passes over them. INTEGER
// results are computed in 64 bits, where they cannot overflow, and their evidence is the bits above the 32nd.

import Columns
import Planning

enum IntegerKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        guard request.type.isInteger, request.arguments.allSatisfy(\.isInteger) else { return nil }
        let isWide = request.type == .bigint
        let range = request.type.integerRange ?? Int64.min...Int64.max
        let name = request.type.name.lowercased()
        switch request.function {
        case .add:
            if !isWide { return { call in narrow(call, range, name) { $0 &+ $1 } } }
            return { call in
                binary(call, range, name, { $0 &+ $1 }, { a, b, r in UInt64(bitPattern: (a ^ r) & (b ^ r)) >> 63 }) { $0.addingReportingOverflow($1) }
            }
        case .subtract:
            if !isWide { return { call in narrow(call, range, name) { $0 &- $1 } } }
            return { call in
                binary(call, range, name, { $0 &- $1 }, { a, b, r in UInt64(bitPattern: (a ^ b) & (a ^ r)) >> 63 }) {
                    $0.subtractingReportingOverflow($1)
                }
            }
        case .multiply:
            if !isWide { return { call in narrow(call, range, name) { $0 &* $1 } } }
            return { call in
                binary(call, range, name, { $0 &* $1 }, { a, b, _ in a.multipliedReportingOverflow(by: b).overflow ? 1 : 0 }) {
                    $0.multipliedReportingOverflow(by: $1)
                }
            }
        case .divide, .remainder: return division(request, range, name)
        case .negate:
            return { call in
                let source = call.operands[0].int64s
                return call.int64s { row in
                    let (value, overflow) = Int64(0).subtractingReportingOverflow(source[row])
                    if overflow || !range.contains(value) { call.fail(row, "\(name) out of range"); return nil }
                    return value
                }
            }
        case .abs:
            return { call in
                let source = call.operands[0].int64s
                return call.int64s { row in
                    let value = source[row] < 0 ? Int64(0).subtractingReportingOverflow(source[row]) : (source[row], false)
                    if value.1 || !range.contains(value.0) { call.fail(row, "\(name) out of range"); return nil }
                    return value.0
                }
            }
        case .sign:
            return { call in
                let source = call.operands[0].int64s
                return call.int64s { row in source[row].signum() }
            }
        default: return nil
        }
    }

    /// INTEGER: computed in 64 bits, where it cannot overflow; the evidence is the bits above its range. (SMALLINT is promoted before
    /// arithmetic.)
    @inline(__always)
    private static func narrow(_ call: KernelCall, _ range: ClosedRange<Int64>, _ name: String, _ operation: (Int64, Int64) -> Int64) -> Column {
        binary(call, range, name, operation, { _, _, r in UInt64(bitPattern: r &+ 0x8000_0000) >> 32 }) { (operation($0, $1), false) }
    }

    @inline(__always)
    private static func binary(
        _ call: KernelCall, _ range: ClosedRange<Int64>, _ name: String, _ operation: (Int64, Int64) -> Int64,
        _ evidence: (Int64, Int64, Int64) -> UInt64, _ exact: (Int64, Int64) -> (partialValue: Int64, overflow: Bool)
    ) -> Column {
        let rows = call.rows
        let values = Buffer(byteCount: rows * 8)
        let target = values.base.assumingMemoryBound(to: Int64.self)
        let left = call.operands[0]
        let right = call.operands[1]
        let a = left.column.int64s
        let b = right.column.int64s
        var alarm: UInt64 = 0
        if right.isConstant {
            let y = b[0]
            for row in 0..<rows {
                let result = operation(a[row], y)
                target[row] = result
                alarm |= evidence(a[row], y, result)
            }
        } else if left.isConstant {
            let x = a[0]
            for row in 0..<rows {
                let result = operation(x, b[row])
                target[row] = result
                alarm |= evidence(x, b[row], result)
            }
        } else {
            for row in 0..<rows {
                let result = operation(a[row], b[row])
                target[row] = result
                alarm |= evidence(a[row], b[row], result)
            }
        }
        var validity = ValidityBuilder(call.strictValidity(), rows: rows)
        if alarm != 0 {
            for row in 0..<rows where !left.isNull(row) && !right.isNull(row) {
                let result = exact(a[row & left.mask], b[row & right.mask])
                if result.overflow || !range.contains(result.partialValue) {
                    call.fail(row, "\(name) out of range")
                    target[row] = 0
                    validity.clear(row)
                }
            }
        }
        return Column(type: call.type, count: rows, values: values, validity: validity.buffer)
    }

    // MARK: Division

    private static func division(_ request: KernelRequest, _ range: ClosedRange<Int64>, _ name: String) -> Kernel? {
        let isRemainder = request.function == .remainder
        if let operand = request.constants[1], !operand.column.isNull(0) {
            let divisor = operand.column.int64s[0]
            if divisor != 0 && divisor != -1 && divisor != .min {
                let magic = ConstantDivision(divisor)
                return { call in magic.apply(call, isRemainder: isRemainder) }
            }
        }
        return { call in
            let a = call.operands[0].int64s
            let b = call.operands[1].int64s
            return call.int64s { row in
                let divisor = b[row]
                if divisor == 0 { call.fail(row, "division by zero"); return nil }
                if isRemainder { return divisor == -1 ? 0 : a[row] % divisor }
                let (value, overflow) = a[row].dividedReportingOverflow(by: divisor)
                if overflow || !range.contains(value) { call.fail(row, "\(name) out of range"); return nil }
                return value
            }
        }
    }

    // MARK: Bits

    static func bits(_ request: KernelRequest) -> Kernel? {
        guard request.type.isInteger else { return nil }
        let width: Int64 = request.type == .bigint ? 64 : 32
        @inline(__always)
        func make(_ operation: @escaping @Sendable (Int64, Int64) -> Int64) -> Kernel {
            { call in
                let a = call.operands[0].int64s
                let b = call.operands[1].int64s
                return call.int64s { row in operation(a[row], b[row]) }
            }
        }
        switch request.function {
        case .bitAnd: return make { $0 & $1 }
        case .bitOr: return make { $0 | $1 }
        case .bitXor: return make { $0 ^ $1 }
        // As in PostgreSQL the distance counts modulo the width.
        case .shiftLeft:
            return make { value, distance in
                let shifted = value << (distance & (width - 1))
                return width == 64 ? shifted : Int64(Int32(truncatingIfNeeded: shifted))
            }
        case .shiftRight: return make { $0 >> ($1 & (width - 1)) }
        case .bitNot:
            return { call in
                let a = call.operands[0].int64s
                return call.int64s { row in ~a[row] }
            }
        default: return nil
        }
    }
}

/// Division by a constant with one multiplication (Granlund and Montgomery 1994; Warren, Hacker's Delight 10-1): the quotient is the
/// high half of a product with a magic number, shifted and corrected.
struct ConstantDivision: Sendable {
    let divisor: Int64
    private let magic: Int64
    private let shift: Int64
    /// +1 when the dividend is added to the product, -1 when it is subtracted.
    private let correction: Int64

    /// `divisor` is none of 0, -1, Int64.min.
    init(_ divisor: Int64) {
        self.divisor = divisor
        if divisor == 1 {
            magic = 0
            shift = 0
            correction = 1
            return
        }
        let two63: UInt64 = 1 << 63
        let ad = divisor.magnitude
        let t = two63 &+ (UInt64(bitPattern: divisor) >> 63)
        let anc = t &- 1 &- t % ad
        var p: Int64 = 63
        var q1 = two63 / anc
        var r1 = two63 &- q1 &* anc
        var q2 = two63 / ad
        var r2 = two63 &- q2 &* ad
        var delta: UInt64
        repeat {
            p += 1
            q1 = q1 &* 2
            r1 = r1 &* 2
            if r1 >= anc {
                q1 = q1 &+ 1
                r1 = r1 &- anc
            }
            q2 = q2 &* 2
            r2 = r2 &* 2
            if r2 >= ad {
                q2 = q2 &+ 1
                r2 = r2 &- ad
            }
            delta = ad &- r2
        } while q1 < delta || (q1 == delta && r1 == 0)
        let positive = Int64(bitPattern: q2 &+ 1)
        magic = divisor < 0 ? 0 &- positive : positive
        shift = p - 64
        correction = divisor > 0 && magic < 0 ? 1 : divisor < 0 && magic > 0 ? -1 : 0
    }

    @inline(__always)
    func quotient(_ value: Int64) -> Int64 {
        var q = magic.multipliedFullWidth(by: value).high &+ value &* correction
        q = q &>> shift
        return q &+ Int64(bitPattern: UInt64(bitPattern: q) >> 63)
    }

    func apply(_ call: KernelCall, isRemainder: Bool) -> Column {
        let rows = call.rows
        let source = call.operands[0].column.int64s
        let values = Buffer(byteCount: rows * 8)
        let target = values.base.assumingMemoryBound(to: Int64.self)
        if divisor == 1 {
            for row in 0..<rows { target[row] = isRemainder ? 0 : source[row] }
        } else if isRemainder {
            for row in 0..<rows { target[row] = source[row] &- quotient(source[row]) &* divisor }
        } else {
            for row in 0..<rows { target[row] = quotient(source[row]) }
        }
        return Column(type: call.type, count: rows, values: values, validity: call.strictValidity())
    }
}

/// `x % d = 0` with one multiplication and no division (Warren, Hacker's Delight 10-17): x times the inverse of d's odd part, modulo
/// 2^64, is small exactly when d divides x.
struct DivisibilityTest: Sendable {
    private let inverse: UInt64
    private let offset: UInt64
    private let rotation: UInt64
    private let limit: UInt64
    /// For powers of two: the low bits that must be zero; nil for others.
    private let lowBits: Int64?
    private let isNegated: Bool

    /// `divisor` is neither 0 nor Int64.min.
    init(divisor: Int64, isNegated: Bool) {
        self.isNegated = isNegated
        let magnitude = divisor.magnitude
        let zeros = UInt64(magnitude.trailingZeroBitCount)
        let odd = magnitude >> zeros
        // Newton's iteration doubles the right bits each time; odd * odd = 1 modulo 8 gives the first three.
        var inverse = odd
        for _ in 0..<5 { inverse = inverse &* (2 &- odd &* inverse) }
        self.inverse = inverse
        let bound = (UInt64(Int64.max) / odd) & ~((1 << zeros) &- 1)
        offset = bound
        rotation = zeros
        limit = (bound >> zeros) &* 2
        lowBits = odd == 1 ? Int64(bitPattern: magnitude &- 1) : nil
    }

    func apply(_ call: KernelCall) -> Column {
        let rows = call.rows
        let source = call.operands[0].column.int64s
        let values = Buffer(byteCount: rows)
        let target = values.base.assumingMemoryBound(to: UInt8.self)
        let flip: UInt8 = isNegated ? 1 : 0
        let (inverse, offset, rotation, limit) = (inverse, offset, rotation, limit)
        if let lowBits {
            for row in 0..<rows { target[row] = (source[row] & lowBits == 0 ? 1 : 0) ^ flip }
        } else if rotation == 0 {
            for row in 0..<rows {
                target[row] = ((UInt64(bitPattern: source[row]) &* inverse &+ offset) <= limit ? 1 : 0) ^ flip
            }
        } else {
            for row in 0..<rows {
                let product = UInt64(bitPattern: source[row]) &* inverse &+ offset
                let rotated = (product &>> rotation) | (product &<< (64 &- rotation))
                target[row] = (rotated <= limit ? 1 : 0) ^ flip
            }
        }
        return Column(type: .boolean, count: rows, values: values, validity: call.strictValidity())
    }
}
