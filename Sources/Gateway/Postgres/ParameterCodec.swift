// ParameterCodec: the value of a parameter as a client sends it, in text or binary, as a value of a type.

import Columns
import Platform

enum ParameterCodec {
    /// `type` is the parameter's; the type that comes back is the value's own where that matters (a NUMERIC keeps its digits).
    static func value(_ bytes: [UInt8]?, _ format: WireFormat, type: SQLType, number: Int) throws(ErrorReport) -> (value: Value, type: SQLType) {
        let type = unconstrained(type)
        guard let bytes else { return (.null, type) }
        do throws(ProtocolViolation) {
            if format == .binary { return try binary(bytes, type) }
        } catch {
            throw ErrorReport(.error, "22P03", "incorrect binary data format in bind parameter \(number): \(error.message)")
        }
        return try text(bytes, type, number)
    }

    /// What a column limits is no limit of a parameter that is compared with it.
    private static func unconstrained(_ type: SQLType) -> SQLType {
        switch type {
        case .varchar, .null: .text
        case .time: .time(precision: 6)
        case .timestamp: .timestamp(precision: 6)
        case .timestampTZ: .timestampTZ(precision: 6)
        default: type
        }
    }

    // MARK: Text

    private static func text(_ bytes: [UInt8], _ type: SQLType, _ number: Int) throws(ErrorReport) -> (value: Value, type: SQLType) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ErrorReport(.error, "22021", "invalid byte sequence for encoding \"UTF8\" in parameter $\(number)")
        }
        guard !bytes.contains(0) else { throw ErrorReport(.error, "22021", "a text cannot hold a zero byte: parameter $\(number)") }
        if case .varchar = type { return (.string(text), type) }
        var target = type
        if case .decimal = type { target = .decimal(precision: SQLType.decimalPrecisionMax, scale: fractionDigits(bytes)) }
        do throws(TextError) {
            return (try TextFormat.parse(text, as: target), target)
        } catch {
            let isOut = error == .outOfRange
            throw ErrorReport(
                .error, isOut ? "22003" : "22P02",
                isOut
                    ? "value \"\(shown(text))\" is out of range for type \(type.name.lowercased())"
                    : "invalid input syntax for type \(type.name.lowercased()): \"\(shown(text))\"", detail: "It is parameter $\(number).")
        }
    }

    private static func shown(_ text: String) -> String { text.count > 100 ? text.prefix(100) + "..." : text }

    /// The digits behind the point, without an exponent; with one as many as there is room for.
    private static func fractionDigits(_ bytes: [UInt8]) -> Int {
        if bytes.contains(UInt8(ascii: "e")) || bytes.contains(UInt8(ascii: "E")) { return 18 }
        guard let point = bytes.firstIndex(of: UInt8(ascii: ".")) else { return 0 }
        return min(bytes[(point + 1)...].prefix { $0 >= 0x30 && $0 <= 0x39 }.count, SQLType.decimalPrecisionMax)
    }

    // MARK: Binary

    private static func binary(_ bytes: [UInt8], _ type: SQLType) throws(ProtocolViolation) -> (value: Value, type: SQLType) {
        var reader = WireReader(bytes)
        let value: Value
        switch type {
        case .boolean: value = .boolean(try reader.uint8() != 0)
        case .smallint: value = .integer(Int64(try reader.int16()))
        case .integer: value = .integer(Int64(try reader.int32()))
        case .bigint:
            // OIDs come in four bytes.
            value = .integer(bytes.count == 4 ? Int64(try reader.uint32()) : try reader.int64())
        case .real: value = .double(Double(Float(bitPattern: try reader.uint32())))
        case .double: value = .double(Double(bitPattern: UInt64(bitPattern: try reader.int64())))
        case .decimal:
            guard let (number, scale) = try WireNumeric.read(bytes) else {
                throw ProtocolViolation(message: "a number of more than \(SQLType.decimalPrecisionMax) digits, NaN or infinite")
            }
            return (.decimal(number), .decimal(precision: SQLType.decimalPrecisionMax, scale: scale))
        case .varchar, .null: return (.string(try string(reader.rest())), .text)
        case .json:
            var text = reader.rest()
            // jsonb begins with its version.
            if text.first == 1 { text = text.dropFirst() }
            guard Array(text).withUnsafeBufferPointer({ JSONValidator.fault($0) }) == nil else { throw ProtocolViolation(message: "no valid JSON") }
            return (.string(try string(text)), type)
        case .bytes: return (.bytes(bytes), type)
        case .date:
            let days = Int64(try reader.int32()) + WireCell.epochDays
            guard CivilCalendar.dayRange.contains(days) else { throw ProtocolViolation(message: "a date outside of the years 1 to 9999") }
            value = .integer(days)
        case .time:
            let time = try reader.int64()
            guard time >= 0, time < CivilCalendar.microsecondsPerDay else { throw ProtocolViolation(message: "a time outside of the day") }
            value = .integer(time)
        case .timestamp, .timestampTZ:
            let (time, overflows) = try reader.int64().addingReportingOverflow(WireCell.epochMicroseconds)
            guard !overflows, CivilCalendar.microsecondRange.contains(time) else {
                throw ProtocolViolation(message: "a timestamp outside of the years 1 to 9999")
            }
            value = .integer(time)
        case .interval:
            let time = try reader.int64()
            let days = Int64(try reader.int32())
            let months = Int64(try reader.int32())
            let (ofDays, isTooLong) = days.multipliedReportingOverflow(by: CivilCalendar.microsecondsPerDay)
            let (sum, overflows) = time.addingReportingOverflow(ofDays)
            guard !isTooLong, !overflows else { throw ProtocolViolation(message: "an interval out of range") }
            value = .interval(IntervalValue(months: months, microseconds: sum))
        case .array(let element):
            return (.list(try array(&reader, element)), type)
        case .row, .map: throw ProtocolViolation(message: "send it as text")
        }
        try reader.expectEnd()
        return (value, type)
    }

    private static func string(_ bytes: ArraySlice<UInt8>) throws(ProtocolViolation) -> String {
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else { throw ProtocolViolation(message: "no valid UTF-8") }
        return text
    }

    private static func array(_ reader: inout WireReader, _ element: SQLType) throws(ProtocolViolation) -> [Value] {
        let dimensionCount = try reader.int32()
        _ = try reader.int32()
        let oid = try reader.uint32()
        guard dimensionCount == 0 || dimensionCount == 1 else { throw ProtocolViolation(message: "an array of \(dimensionCount) dimensions") }
        guard dimensionCount == 1 else {
            try reader.expectEnd()
            return []
        }
        let count = try reader.int32()
        _ = try reader.int32()
        // Each element takes four bytes at least.
        guard count >= 0, Int(count) <= reader.remainingCount / 4 else { throw ProtocolViolation(message: "an array ends too early") }
        var sent: SQLType?
        do throws(ErrorReport) { sent = try WireType.parameterType(oid: oid) } catch { throw ProtocolViolation(message: error.message) }
        var elements: [(value: Value, type: SQLType)] = []
        for _ in 0..<count {
            let length = Int(try reader.int32())
            guard length >= 0 else {
                elements.append((.null, element))
                continue
            }
            let one = try binary(Array(try reader.take(length)), sent ?? element)
            elements.append(one)
        }
        try reader.expectEnd()
        var values: [Value] = []
        for one in elements {
            guard case .decimal(let number) = one.value, case .decimal(_, let from) = one.type, case .decimal(_, let to) = element else {
                values.append(one.value)
                continue
            }
            // The elements of a column have one scale.
            guard let same = Decimal128.rescale(number, from: from, to: to) else { throw ProtocolViolation(message: "a number out of range") }
            values.append(.decimal(same))
        }
        return values
    }
}
