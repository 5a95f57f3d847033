// WireCell: the values of one column in PostgreSQL's text or binary form.
//
// As in RowText, what to write is decided once per column of a batch and kept in a trivial struct, so that no value costs a look at its type. Text is what
// PostgreSQL writes: `t` and `f`, timestamps with a space and `+00`, arrays in braces. Binary is what its send functions write: big-endian, times from
// 2000-01-01, numbers in digits of 10,000.

import Columns

/// The cells of one batch. Keeps the columns alive that they point into.
final class WireCells {
    private let columns: [Column]
    private let cells: UnsafeMutablePointer<WireCell>
    private var blocks: [UnsafeMutablePointer<WireCell>] = []
    /// Writes what goes as JSON.
    private let nested: RowText?
    let count: Int

    init(_ columns: [Column], formats: [WireFormat], numbers: [UInt32?] = []) {
        self.columns = columns
        count = columns.count
        nested = columns.contains { WireCell.isJSONText($0.type) } ? RowText(columns) : nil
        cells = .allocate(capacity: max(columns.count, 1))
        for (index, column) in columns.enumerated() {
            (cells + index).initialize(to: WireCell(
                column, isBinary: WireFormat.of(index, in: formats) == .binary, number: index < numbers.count ? numbers[index] : nil, &blocks))
        }
    }

    deinit {
        cells.deallocate()
        for block in blocks { block.deallocate() }
    }

    @inline(__always)
    func isNull(_ column: Int, _ row: Int) -> Bool { cells[column].isNull(row) }

    @inline(__always)
    func append(_ column: Int, _ row: Int, to buffer: ByteBuffer) {
        if cells[column].kind == .nested {
            nested?.appendJSON(column, row, to: buffer)
        } else {
            cells[column].append(row, to: buffer)
        }
    }
}

struct WireCell {
    enum Kind: UInt8 {
        case boolean, int16, int32, int64, real, double, decimal, string, bytes, date, time, timestamp, timestampTZ, interval, array, vector, nested, null
    }

    let kind: Kind
    let isBinary: Bool
    /// Of times and timestamps; the scale of a decimal.
    let digits: Int
    /// Of an array's elements.
    let elementOID: UInt32
    private let values: UnsafeRawPointer
    private let validity: UnsafePointer<UInt64>?
    private let child: UnsafeMutablePointer<WireCell>?

    /// Microseconds and days from 1970 to 2000, where PostgreSQL begins to count.
    static let epochDays: Int64 = 10_957
    static let epochMicroseconds: Int64 = 10_957 * 86_400_000_000

    static func isJSONText(_ type: SQLType) -> Bool {
        switch type {
        case .row, .map: true
        case .array(let element): WireType.arrayOID(of: element) == nil
        default: false
        }
    }

    /// `number` is the type's in pg_type, where it is one that SQLType does not know.
    init(_ column: Column, isBinary: Bool, number: UInt32? = nil, _ blocks: inout [UnsafeMutablePointer<WireCell>]) {
        var digits = 0
        var elementOID: UInt32 = 0
        var child: UnsafeMutablePointer<WireCell>?
        switch column.type {
        case .boolean: kind = .boolean
        case .smallint: kind = .int16
        case .integer: kind = .int32
        case .bigint: kind = number == 26 || number == 28 ? .int32 : .int64
        case .real: kind = .real
        case .double: kind = .double
        case .decimal(_, let scale):
            kind = .decimal
            digits = scale
        case .varchar, .json: kind = .string
        case .bytes: kind = .bytes
        case .date: kind = .date
        case .time(let precision):
            kind = .time
            digits = precision
        case .timestamp(let precision):
            kind = .timestamp
            digits = precision
        case .timestampTZ(let precision):
            kind = .timestampTZ
            digits = precision
        case .interval: kind = .interval
        case .array(let element) where WireType.arrayOID(of: element) != nil:
            // int2vector and oidvector are written without braces; arrays of OID, NAME and "char".
            kind = number == 22 || number == 30 ? .vector : .array
            let elementNumber: UInt32? = [30: 26, 1_028: 26, 1_003: 19, 1_002: 18][number ?? 0]
            elementOID = elementNumber ?? WireType(element).oid
            let block = UnsafeMutablePointer<WireCell>.allocate(capacity: 1)
            block.initialize(to: WireCell(column.children[0], isBinary: isBinary, number: elementNumber, &blocks))
            blocks.append(block)
            child = block
        case .array, .row, .map: kind = .nested
        case .null: kind = .null
        }
        self.isBinary = isBinary
        self.digits = digits
        self.elementOID = elementOID
        self.child = child
        values = column.values
        validity = column.validity
    }

    @inline(__always)
    func isNull(_ row: Int) -> Bool {
        guard let validity else { return kind == .null }
        return validity[row &>> 6] & (1 &<< UInt64(row & 63)) == 0
    }

    @inline(__always)
    private func int64(_ row: Int) -> Int64 { values.load(fromByteOffset: row &* 8, as: Int64.self) }

    @inline(__always)
    private func double(_ row: Int) -> Double { values.load(fromByteOffset: row &* 8, as: Double.self) }

    @inline(__always)
    private func string(_ row: Int) -> StringView { values.load(fromByteOffset: row &* 16, as: StringView.self) }

    /// The value, which is not NULL.
    func append(_ row: Int, to buffer: ByteBuffer) {
        if isBinary { appendBinary(row, to: buffer) } else { appendText(row, to: buffer) }
    }

    // MARK: Text

    private func appendText(_ row: Int, to buffer: ByteBuffer) {
        switch kind {
        case .string: buffer.append(string(row))
        case .int16, .int32, .int64: IntegerText.append(int64(row), to: buffer)
        case .double: DoubleText.append(double(row), to: buffer)
        case .real: DoubleText.append(double(row), isReal: true, to: buffer)
        case .timestamp: WireTime.appendTimestamp(int64(row), digits: digits, isInstant: false, to: buffer)
        case .timestampTZ: WireTime.appendTimestamp(int64(row), digits: digits, isInstant: true, to: buffer)
        case .boolean: buffer.append(values.load(fromByteOffset: row, as: UInt8.self) != 0 ? UInt8(ascii: "t") : UInt8(ascii: "f"))
        case .decimal: DecimalText.append(values.load(fromByteOffset: row &* 16, as: Int128.self), scale: digits, to: buffer)
        case .bytes: BytesText.appendHexadecimal(string(row).bytes, to: buffer)
        case .date: DateText.append(int64(row), to: buffer)
        case .time: WireTime.appendTime(int64(row), digits: digits, to: buffer)
        case .interval: IntervalText.append(IntervalValue(packed: values.load(fromByteOffset: row &* 16, as: Int128.self)), to: buffer)
        case .array: appendArrayText(row, to: buffer)
        case .vector: appendVectorText(row, to: buffer)
        case .nested, .null: break
        }
    }

    /// `{1,NULL,"a b"}`.
    private func appendArrayText(_ row: Int, to buffer: ByteBuffer) {
        guard let child else { return }
        let list = values.load(fromByteOffset: row &* 8, as: ListView.self)
        let scratch = ByteBuffer()
        buffer.append(UInt8(ascii: "{"))
        for index in 0..<Int(list.length) {
            if index > 0 { buffer.append(UInt8(ascii: ",")) }
            let element = Int(list.offset) + index
            if child.pointee.isNull(element) {
                buffer.append("NULL" as StaticString)
                continue
            }
            scratch.clear()
            child.pointee.appendText(element, to: scratch)
            Self.appendElement(scratch.text, to: buffer)
        }
        buffer.append(UInt8(ascii: "}"))
    }

    /// `1 2`.
    private func appendVectorText(_ row: Int, to buffer: ByteBuffer) {
        guard let child else { return }
        let list = values.load(fromByteOffset: row &* 8, as: ListView.self)
        for index in 0..<Int(list.length) {
            if index > 0 { buffer.append(UInt8(ascii: " ")) }
            child.pointee.appendText(Int(list.offset) + index, to: buffer)
        }
    }

    private static func appendElement(_ text: TextBytes, to buffer: ByteBuffer) {
        let isNullWord = text.count == 4 && text.elementsEqual("NULL".utf8) { $0 & 0xDF == $1 }
        let needsQuotes = text.isEmpty || isNullWord || text.contains { byte in
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: ","), UInt8(ascii: "\""), UInt8(ascii: "\\"), 0x20, 0x09...0x0D: true
            default: false
            }
        }
        guard needsQuotes else { return buffer.append(text) }
        buffer.append(UInt8(ascii: "\""))
        for byte in text {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { buffer.append(UInt8(ascii: "\\")) }
            buffer.append(byte)
        }
        buffer.append(UInt8(ascii: "\""))
    }

    // MARK: Binary

    @inline(__always)
    private static func put<Number: FixedWidthInteger>(_ value: Number, to buffer: ByteBuffer) {
        UnsafeMutableRawPointer(buffer.reserve(MemoryLayout<Number>.size)).storeBytes(of: value.bigEndian, as: Number.self)
        buffer.advance(by: MemoryLayout<Number>.size)
    }

    private func appendBinary(_ row: Int, to buffer: ByteBuffer) {
        switch kind {
        case .string, .bytes: buffer.append(string(row))
        case .int16: Self.put(Int16(truncatingIfNeeded: int64(row)), to: buffer)
        case .int32: Self.put(Int32(truncatingIfNeeded: int64(row)), to: buffer)
        case .int64: Self.put(int64(row), to: buffer)
        case .double: Self.put(double(row).bitPattern, to: buffer)
        case .real: Self.put(Float(double(row)).bitPattern, to: buffer)
        case .timestamp, .timestampTZ: Self.put(int64(row) &- Self.epochMicroseconds, to: buffer)
        case .boolean: buffer.append(values.load(fromByteOffset: row, as: UInt8.self) != 0 ? 1 : 0)
        case .decimal: WireNumeric.append(values.load(fromByteOffset: row &* 16, as: Int128.self), scale: digits, to: buffer)
        case .date: Self.put(Int32(truncatingIfNeeded: int64(row) &- Self.epochDays), to: buffer)
        case .time: Self.put(int64(row), to: buffer)
        case .interval:
            let interval = IntervalValue(packed: values.load(fromByteOffset: row &* 16, as: Int128.self))
            let days = interval.microseconds / CivilCalendar.microsecondsPerDay
            Self.put(interval.microseconds &- days &* CivilCalendar.microsecondsPerDay, to: buffer)
            Self.put(Int32(truncatingIfNeeded: days), to: buffer)
            Self.put(Int32(truncatingIfNeeded: interval.months), to: buffer)
        case .array, .vector: appendArrayBinary(row, to: buffer)
        case .nested, .null: break
        }
    }

    /// Dimensions, whether there are NULLs, the element's type; per dimension its length and where it begins; per element its length and bytes.
    private func appendArrayBinary(_ row: Int, to buffer: ByteBuffer) {
        guard let child else { return }
        let list = values.load(fromByteOffset: row &* 8, as: ListView.self)
        let (start, count) = (Int(list.offset), Int(list.length))
        var hasNulls = false
        for index in 0..<count where child.pointee.isNull(start + index) { hasNulls = true }
        Self.put(Int32(count == 0 ? 0 : 1), to: buffer)
        Self.put(Int32(hasNulls ? 1 : 0), to: buffer)
        Self.put(elementOID, to: buffer)
        guard count > 0 else { return }
        Self.put(Int32(truncatingIfNeeded: count), to: buffer)
        Self.put(Int32(1), to: buffer)
        for index in 0..<count {
            if child.pointee.isNull(start + index) {
                Self.put(Int32(-1), to: buffer)
                continue
            }
            let place = buffer.count
            Self.put(Int32(0), to: buffer)
            child.pointee.appendBinary(start + index, to: buffer)
            let target = buffer.reserve(0) - buffer.count + place
            UnsafeMutableRawPointer(target).storeBytes(of: Int32(truncatingIfNeeded: buffer.count - place - 4).bigEndian, as: Int32.self)
        }
    }
}

/// Times as PostgreSQL writes them: a space between date and time, no zeros at the end of the fraction.
enum WireTime {
    static func appendTimestamp(_ microseconds: Int64, digits: Int, isInstant: Bool, to buffer: ByteBuffer) {
        let (days, time) = CivilCalendar.split(microseconds: microseconds)
        let target = buffer.reserve(TimestampText.byteCountMax)
        var written = DateText.write(days, target)
        target[written] = 0x20
        written &+= 1
        written &+= write(time, digits: digits, target + written)
        if isInstant {
            target[written] = UInt8(ascii: "+")
            target[written &+ 1] = UInt8(ascii: "0")
            target[written &+ 2] = UInt8(ascii: "0")
            written &+= 3
        }
        buffer.advance(by: written)
    }

    static func appendTime(_ microseconds: Int64, digits: Int, to buffer: ByteBuffer) {
        buffer.advance(by: write(microseconds, digits: digits, buffer.reserve(TimestampText.byteCountMax)))
    }

    @inline(__always)
    private static func write(_ time: Int64, digits: Int, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        var written = TimeText.write(time, precision: digits, target)
        guard digits > 0 else { return written }
        while target[written &- 1] == UInt8(ascii: "0") { written &-= 1 }
        if target[written &- 1] == UInt8(ascii: ".") { written &-= 1 }
        return written
    }
}

/// NUMERIC on the wire: how many digits of 10,000, the weight of the first, the sign, the digits behind the point, the digits of 10,000.
enum WireNumeric {
    static func append(_ value: Int128, scale: Int, to buffer: ByteBuffer) {
        func put(_ number: Int) {
            UnsafeMutableRawPointer(buffer.reserve(2)).storeBytes(of: UInt16(truncatingIfNeeded: number).bigEndian, as: UInt16.self)
            buffer.advance(by: 2)
        }
        // The last digit of the fraction is filled up with zeros; the whole value so enlarged would not fit.
        var digits: [Int] = []
        var rest = value.magnitude
        let inLastGroup = scale % 4
        if inLastGroup > 0, rest > 0 {
            let unit = UInt128([1, 10, 100, 1_000][inLastGroup])
            digits.append(Int(rest % unit) * [1, 1_000, 100, 10][inLastGroup])
            rest /= unit
        }
        while rest > 0 {
            digits.append(Int(rest % 10_000))
            rest /= 10_000
        }
        var weight = digits.count - (scale + 3) / 4 - 1
        // Neither zeros in front nor at the end are sent.
        while digits.last == 0 {
            digits.removeLast()
            weight -= 1
        }
        let last = digits.firstIndex { $0 != 0 } ?? digits.count
        digits.removeFirst(last)
        put(digits.count)
        put(digits.isEmpty ? 0 : weight)
        put(value < 0 ? 0x4000 : 0)
        put(scale)
        for digit in digits.reversed() { put(digit) }
    }

    /// The unscaled value and its scale; nil when it is none that DECIMAL can hold.
    static func read(_ bytes: [UInt8]) throws(ProtocolViolation) -> (value: Int128, scale: Int)? {
        var reader = WireReader(bytes)
        let count = Int(try reader.uint16())
        let weight = Int(try reader.int16())
        let sign = try reader.uint16()
        let scale = Int(try reader.uint16())
        guard sign == 0 || sign == 0x4000, scale <= SQLType.decimalPrecisionMax, count <= 12, weight < 12, weight > -12 else { return nil }
        var value: Int128 = 0
        // Digit by digit down to the last decimal place; what lies behind it is rounded away by the sender.
        var place = max(weight, 0)
        var digits: [Int] = []
        for _ in 0..<count {
            let digit = Int(try reader.uint16())
            guard digit < 10_000 else { return nil }
            digits.append(digit)
        }
        try reader.expectEnd()
        let lowest = -((scale + 3) / 4)
        while place >= lowest {
            let index = weight - place
            let digit = index >= 0 && index < digits.count ? digits[index] : 0
            // The lowest digit may reach beyond the scale.
            let kept = place < 0 ? min(4, scale - (-place - 1) * 4) : 4
            let unit = [10_000, 1_000, 100, 10, 1][kept]
            let (shifted, overflows) = value.multipliedReportingOverflow(by: Int128([1, 10, 100, 1_000, 10_000][kept]))
            let (sum, overflowsToo) = shifted.addingReportingOverflow(Int128(digit / unit))
            if overflows || overflowsToo { return nil }
            value = sum
            place -= 1
        }
        guard Decimal128.fits(value, precision: SQLType.decimalPrecisionMax) else { return nil }
        return (sign == 0 ? value : -value, scale)
    }
}
