// CastKernels: conversions between types, by the pair of them.
//
// What fails on a row: a number outside its new range, a text that is no value of the type. `.attempt` makes it NULL instead. A
// fraction made an integer is cut toward zero; a decimal that loses digits, and a double made a decimal, are rounded half
// up. A timestamp loses what its precision does not hold, toward the past.

import Columns
import Planning

enum CastKernels {
    /// Whether the values stay as they are.
    static func isRetype(_ source: SQLType, to target: SQLType) -> Bool {
        switch (source, target) {
        case (_, _) where source == target: return true
        case (.smallint, .integer), (.smallint, .bigint), (.integer, .bigint), (.real, .double): return true
        case (.varchar(let from), .varchar(let to)):
            guard let to else { return true }
            return from.map { $0 <= to } ?? false
        case (.timestamp(let from), .timestamp(let to)), (.timestamp(let from), .timestampTZ(let to)),
            (.timestampTZ(let from), .timestamp(let to)), (.timestampTZ(let from), .timestampTZ(let to)), (.time(let from), .time(let to)):
            return from <= to
        case (.decimal(let p1, let s1), .decimal(let p2, let s2)): return s1 == s2 && p1 <= p2
        default: return false
        }
    }

    static func canFail(_ source: SQLType, to target: SQLType) -> Bool {
        if target.isText { if case .varchar(nil) = target { return false } else { return true } }
        if source.isInteger && (target.isFloating || target == .boolean) { return false }
        if case .decimal(let precision, let scale) = target, let own = DecimalType.exact(source) {
            return own.precision - own.scale > precision - scale || scale < own.scale
        }
        if source.isDecimal && target == .double { return false }
        if source.isTimestamp && (target.isTimestamp || target == .date) { return false }
        return true
    }

    static func kernel(from source: SQLType, to target: SQLType, mode: CastMode) -> Kernel? {
        let isAttempt = mode == .attempt
        if source.isNested || target.isNested || source == .json || target == .json, !target.isText {
            return NestedCasts.kernel(from: source, to: target, mode: mode)
        }
        if target.isText { return toText(source, target, mode) }
        if source.isText { return parse(target, isAttempt) }
        if source.isNumeric && target.isNumeric { return numeric(source, target, isAttempt) }
        switch (source, target) {
        case (.boolean, _) where target.isInteger:
            return { call in
                let a = call.operands[0].bools
                return call.int64s { Int64(a[$0]) }
            }
        case (_, .boolean) where source.isInteger:
            return { call in
                let a = call.operands[0].int64s
                return call.bools { a[$0] != 0 }
            }
        case (.date, .timestamp), (.date, .timestampTZ):
            return { call in
                let a = call.operands[0].int64s
                return call.int64s { row in
                    let (value, overflow) = a[row].multipliedReportingOverflow(by: CivilCalendar.microsecondsPerDay)
                    if overflow { return outOfRange(call, row, isAttempt) }
                    return value
                }
            }
        case (.timestamp, .date), (.timestampTZ, .date):
            return { call in
                let a = call.operands[0].int64s
                return call.int64s { CivilCalendar.floorDivide(a[$0], CivilCalendar.microsecondsPerDay) }
            }
        case (.timestamp, .time(let precision)), (.timestampTZ, .time(let precision)):
            return { call in
                let a = call.operands[0].int64s
                return call.int64s {
                    CivilCalendar.truncate(
                        microseconds: CivilCalendar.floorModulo(a[$0], CivilCalendar.microsecondsPerDay), precision: precision)
                }
            }
        case (.timestamp, .timestamp(let precision)), (.timestamp, .timestampTZ(let precision)), (.timestampTZ, .timestamp(let precision)),
            (.timestampTZ, .timestampTZ(let precision)), (.time, .time(let precision)):
            return { call in
                let a = call.operands[0].int64s
                return call.int64s { CivilCalendar.truncate(microseconds: a[$0], precision: precision) }
            }
        case (.time, .interval):
            return { call in
                let a = call.operands[0].int64s
                return call.int128s { IntervalValue(microseconds: a[$0]).packed }
            }
        case (.interval, .time(let precision)):
            return { call in
                let a = call.operands[0].int128s
                return call.int64s {
                    CivilCalendar.truncate(
                        microseconds: CivilCalendar.floorModulo(IntervalValue(packed: a[$0]).microseconds, CivilCalendar.microsecondsPerDay),
                        precision: precision)
                }
            }
        default: return nil
        }
    }

    @inline(never)
    private static func outOfRange<T>(_ call: KernelCall, _ row: Int, _ isAttempt: Bool) -> T? {
        if !isAttempt {
            let operand = call.operands[0]
            call.fail(
                row,
                "value \(TextFormat.string(operand.column.value(at: row & operand.mask), type: operand.column.type)) is out of range for type \(call.type.name)")
        }
        return nil
    }

    // MARK: Numbers

    private static func numeric(_ source: SQLType, _ target: SQLType, _ isAttempt: Bool) -> Kernel? {
        switch target {
        case .smallint, .integer, .bigint:
            let range = target.integerRange ?? Int64.min...Int64.max
            switch source {
            case .smallint, .integer, .bigint:
                return { call in
                    let a = call.operands[0].int64s
                    return call.int64s { range.contains(a[$0]) ? a[$0] : outOfRange(call, $0, isAttempt) }
                }
            case .real, .double:
                return { call in
                    let a = call.operands[0].doubles
                    return call.int64s { row in
                        guard let value = Int64(exactly: a[row].rounded(.towardZero)), range.contains(value) else {
                            return outOfRange(call, row, isAttempt)
                        }
                        return value
                    }
                }
            case .decimal(_, let scale):
                let divisor = Decimal128.power(scale)
                return { call in
                    let a = call.operands[0].int128s
                    return call.int64s { row in
                        guard let value = Int64(exactly: a[row] / divisor), range.contains(value) else {
                            return outOfRange(call, row, isAttempt)
                        }
                        return value
                    }
                }
            default: return nil
            }
        case .real, .double:
            let isReal = target == .real
            switch source {
            case .smallint, .integer, .bigint:
                return { call in
                    let a = call.operands[0].int64s
                    return call.doubles { isReal ? Double(Float(a[$0])) : Double(a[$0]) }
                }
            case .real, .double:
                return { call in
                    let a = call.operands[0].doubles
                    return call.doubles { row in
                        let value = Double(Float(a[row]))
                        return value.isInfinite && a[row].isFinite ? outOfRange(call, row, isAttempt) : value
                    }
                }
            case .decimal(_, let scale):
                return { call in
                    let a = call.operands[0].int128s
                    return call.doubles { row in
                        let value = Decimal128.double(a[row], scale: scale)
                        return isReal ? Double(Float(value)) : value
                    }
                }
            default: return nil
            }
        case .decimal(let precision, let scale):
            switch source {
            case .smallint, .integer, .bigint:
                let factor = Decimal128.power(scale)
                let limit = Decimal128.power(precision)
                if scale == 0 && precision >= 19 {
                    return { call in
                        let a = call.operands[0].int64s
                        return call.int128s { Int128(a[$0]) }
                    }
                }
                return { call in
                    let a = call.operands[0].int64s
                    return call.int128s { row in
                        let (value, overflow) = Int128(a[row]).multipliedReportingOverflow(by: factor)
                        return overflow || value >= limit || value <= -limit ? outOfRange(call, row, isAttempt) : value
                    }
                }
            case .real, .double:
                let isReal = source == .real
                return { call in
                    let a = call.operands[0].doubles
                    return call.int128s { row in
                        Decimal128.decimal(a[row], precision: precision, scale: scale, isReal: isReal) ?? outOfRange(call, row, isAttempt)
                    }
                }
            case .decimal(_, let from):
                return { call in
                    let a = call.operands[0].int128s
                    return call.int128s { row in
                        Decimal128.rescale(a[row], from: from, toPrecision: precision, scale: scale) ?? outOfRange(call, row, isAttempt)
                    }
                }
            default: return nil
            }
        default: return nil
        }
    }

    // MARK: Text

    private static func toText(_ source: SQLType, _ target: SQLType, _ mode: CastMode) -> Kernel? {
        let limit: Int? = if case .varchar(let length) = target { length } else { nil }
        if source.isText {
            guard let limit else { return nil }
            return { call in
                let a = call.operands[0].strings
                return call.texts(sharing: [call.operands[0]]) { row, writer in
                    let view = a[row]
                    if !UTF8Text.exceeds(view.bytes, characters: limit) {
                        writer.share(view)
                        return true
                    }
                    if mode != .assignment {
                        writer.share(StringView(view.pointer, count: UTF8Text.byteCount(of: view.bytes, characters: limit)))
                        return true
                    }
                    // Spaces at the end are no loss, as the standard has it.
                    let kept = UTF8Text.byteCount(of: view.bytes, characters: limit)
                    if (kept..<view.count).allSatisfy({ view.pointer[$0] == 0x20 }) {
                        writer.share(StringView(view.pointer, count: kept))
                        return true
                    }
                    call.fail(row, TextError.tooLong.message(text: view.bytes, type: call.type))
                    return false
                }
            }
        }
        return { call in
            let operand = call.operands[0]
            // The length is checked only where a number could be cut: digits are never cut silently, so too long is an error.
            let buffer = ByteBuffer()
            return call.texts { row, writer in
                buffer.clear()
                TextFormat.append(operand.column, row: row & operand.mask, to: buffer)
                if let limit, UTF8Text.exceeds(buffer.text, characters: limit) {
                    if mode != .attempt { call.fail(row, TextError.tooLong.message(text: buffer.text, type: call.type)) }
                    return false
                }
                writer.append(buffer.text)
                return true
            }
        }
    }

    @inline(never)
    private static func invalid<T>(_ call: KernelCall, _ row: Int, _ error: TextError, _ isAttempt: Bool) -> T? {
        if !isAttempt { call.fail(row, error.message(text: call.operands[0].strings[row].bytes, type: call.type)) }
        return nil
    }

    static func parse(_ target: SQLType, _ isAttempt: Bool) -> Kernel? {
        @inline(__always)
        func int64s(_ parse: @escaping @Sendable (TextBytes) throws(TextError) -> Int64) -> Kernel {
            { call in
                let a = call.operands[0].strings
                return call.int64s { row in
                    do throws(TextError) { return try parse(a[row].bytes) } catch { return invalid(call, row, error, isAttempt) }
                }
            }
        }
        switch target {
        case .boolean:
            return { call in
                let a = call.operands[0].strings
                return call.bools { row in
                    do throws(TextError) { return try BooleanText.parse(a[row].bytes) } catch { return invalid(call, row, error, isAttempt) }
                }
            }
        case .smallint, .integer, .bigint:
            let range = target.integerRange ?? Int64.min...Int64.max
            return int64s { text throws(TextError) in try IntegerText.parse(text, in: range) }
        case .date: return int64s { text throws(TextError) in try DateText.parse(text) }
        case .time(let precision): return int64s { text throws(TextError) in try TimeText.parse(text, precision: precision) }
        case .timestamp(let precision), .timestampTZ(let precision):
            return int64s { text throws(TextError) in try TimestampText.parse(text, precision: precision) }
        case .real, .double:
            let isReal = target == .real
            return { call in
                let a = call.operands[0].strings
                return call.doubles { row in
                    do throws(TextError) {
                        return isReal ? try DoubleText.parseReal(a[row].bytes) : try DoubleText.parse(a[row].bytes)
                    } catch { return invalid(call, row, error, isAttempt) }
                }
            }
        case .decimal(let precision, let scale):
            return { call in
                let a = call.operands[0].strings
                return call.int128s { row in
                    do throws(TextError) {
                        return try DecimalText.parse(a[row].bytes, precision: precision, scale: scale)
                    } catch { return invalid(call, row, error, isAttempt) }
                }
            }
        case .interval:
            return { call in
                let a = call.operands[0].strings
                return call.int128s { row in
                    do throws(TextError) { return try IntervalText.parse(a[row].bytes).packed } catch {
                        return invalid(call, row, error, isAttempt)
                    }
                }
            }
        case .json:
            return { call in
                let a = call.operands[0].strings
                return call.texts(sharing: [call.operands[0]]) { row, writer in
                    guard JSONValidator.fault(a[row].bytes) == nil else {
                        let none: Bool? = invalid(call, row, .invalid, isAttempt)
                        return none ?? false
                    }
                    writer.share(a[row])
                    return true
                }
            }
        case .bytes:
            return { call in
                let a = call.operands[0].strings
                let buffer = ByteBuffer()
                return call.texts { row, writer in
                    buffer.clear()
                    do throws(TextError) { try BytesText.parse(a[row].bytes, into: buffer) } catch {
                        let none: Bool? = invalid(call, row, error, isAttempt)
                        return none ?? false
                    }
                    writer.append(buffer.text)
                    return true
                }
            }
        default: return nil
        }
    }
}
