// TimeTextKernels: dates and times to text after a pattern, and back.

import Columns
import Planning

enum TimeTextKernels {
    static func kernel(_ request: KernelRequest) throws(ExpressionError) -> Kernel? {
        switch request.function {
        case .dateFormat, .toChar: return try format(request, isJava: request.function == .dateFormat)
        case .fromUnixTime: return try fromUnixTime(request)
        case .toTimestamp, .toDate: return try parse(request)
        case .epochToTimestamp: return epochToTimestamp(request)
        default: return nil
        }
    }

    /// The pattern when it is constant.
    private static func pattern(_ request: KernelRequest, _ index: Int, isJava: Bool) throws(ExpressionError) -> DatePattern? {
        guard let text = request.text(index) else { return nil }
        do throws(RegexError) { return try make(String(decoding: text, as: UTF8.self), isJava) } catch {
            throw ExpressionError(error.message, expression: request.text)
        }
    }

    private static func make(_ text: String, _ isJava: Bool) throws(RegexError) -> DatePattern {
        isJava ? try DatePattern(java: text) : try DatePattern(postgres: text)
    }

    /// The pattern of a row, constant or not; nil when it is broken and the row has failed.
    @inline(__always)
    private static func pattern(_ constant: DatePattern?, _ call: KernelCall, _ row: Int, _ index: Int, _ isJava: Bool) -> DatePattern? {
        if let constant { return constant }
        do throws(RegexError) { return try make(call.operands[index].strings[row].string, isJava) } catch {
            call.fail(row, error.message)
            return nil
        }
    }

    private static func format(_ request: KernelRequest, isJava: Bool) throws(ExpressionError) -> Kernel? {
        let constant = try pattern(request, 1, isJava: isJava)
        guard let source = request.arguments.first else { return nil }
        let isDate = source == .date
        return { call in
            let a = call.operands[0].int64s
            // Event time moves slowly: when the pattern shows the same as for the row before, its bytes are used again.
            let resolution = constant.map { isDate ? 1 : $0.resolutionMicroseconds } ?? 0
            var lastStart: Int64 = 0
            var last: StringView?
            return call.texts { row, writer in
                if let last, a[row] &- lastStart >= 0, a[row] &- lastStart < resolution {
                    writer.share(last)
                    return true
                }
                guard let pattern = pattern(constant, call, row, 1, isJava) else { return false }
                let parts = isDate ? (days: a[row], timeOfDay: Int64(0)) : CivilCalendar.split(microseconds: a[row])
                pattern.write(days: parts.days, time: parts.timeOfDay, to: &writer)
                if resolution > 0 {
                    last = writer.written
                    lastStart = a[row] &- CivilCalendar.floorModulo(a[row], resolution)
                }
                return true
            }
        }
    }

    private static func fromUnixTime(_ request: KernelRequest) throws(ExpressionError) -> Kernel? {
        let hasPattern = request.arguments.count > 1
        var constant = try pattern(request, 1, isJava: true)
        if !hasPattern { constant = try? DatePattern(java: "yyyy-MM-dd HH:mm:ss") }
        let known = constant
        return { call in
            let a = call.operands[0].int64s
            return call.texts { row, writer in
                guard let pattern = pattern(known, call, row, 1, true) else { return false }
                let (microseconds, overflow) = a[row].multipliedReportingOverflow(by: 1_000_000)
                if overflow || !CivilCalendar.microsecondRange.contains(microseconds) {
                    call.fail(row, "timestamp out of range")
                    return false
                }
                let parts = CivilCalendar.split(microseconds: microseconds)
                pattern.write(days: parts.days, time: parts.timeOfDay, to: &writer)
                return true
            }
        }
    }

    private static func parse(_ request: KernelRequest) throws(ExpressionError) -> Kernel? {
        if request.arguments.count == 1 { return CastKernels.kernel(from: .text, to: request.type, mode: .explicit) }
        let constant = try pattern(request, 1, isJava: true)
        let isDate = request.type == .date
        let precision = if case .timestamp(let precision) = request.type { precision } else { 6 }
        return { call in
            let a = call.operands[0].strings
            return call.int64s { row in
                guard let pattern = pattern(constant, call, row, 1, true) else { return nil }
                guard let value = pattern.read(a[row].bytes) else {
                    call.fail(row, "\"\(TextError.excerpt(a[row].bytes))\" does not suit the date pattern")
                    return nil
                }
                return isDate
                    ? CivilCalendar.floorDivide(value, CivilCalendar.microsecondsPerDay)
                    : CivilCalendar.truncate(microseconds: value, precision: precision)
            }
        }
    }

    /// A double of seconds, or a bigint of seconds or milliseconds.
    private static func epochToTimestamp(_ request: KernelRequest) -> Kernel? {
        if request.arguments.first == .double {
            return { call in
                let a = call.operands[0].doubles
                return call.int64s { row in
                    guard let value = Int64(exactly: (a[row] * 1_000_000).rounded()), CivilCalendar.microsecondRange.contains(value) else {
                        call.fail(row, "timestamp out of range")
                        return nil
                    }
                    return value
                }
            }
        }
        return { call in
            let a = call.operands[0].int64s
            let precision = call.operands.count > 1 ? call.operands[1].int64s : nil
            return call.int64s { row in
                let digits = precision.map { $0[row] } ?? 3
                guard digits == 0 || digits == 3 else {
                    call.fail(row, "the precision of to_timestamp_ltz must be 0 or 3")
                    return nil
                }
                let (value, overflow) = a[row].multipliedReportingOverflow(by: digits == 0 ? 1_000_000 : 1000)
                if overflow || !CivilCalendar.microsecondRange.contains(value) {
                    call.fail(row, "timestamp out of range")
                    return nil
                }
                return value
            }
        }
    }
}
