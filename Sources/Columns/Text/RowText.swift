// RowText: the values of columns as text and as JSON, prepared once per batch.
//
// A column's type is an enum that owns memory: to switch over it for every value would count references. Here the decision is taken
// once per column and kept in a trivial struct, CellText: what to write, and where the values lie.
//
// As text: PostgreSQL's output forms, timestamps in ISO 8601, nothing for NULL. As JSON: numbers are JSON numbers, DECIMAL with all its
// digits; NaN and the infinities, which JSON has no number for, are strings. Dates, times, timestamps and intervals are strings in their text
// form, BYTES is base64, arrays are arrays, rows and maps are objects, JSON stands as it is.

/// Keeps the columns alive that it writes from.
package final class RowText {
    package let columnCount: Int
    private let columns: [Column]
    private let cells: UnsafeMutablePointer<CellText>
    /// Memory of nested cells and of keys.
    private var blocks: [UnsafeMutableRawPointer] = []

    package init(_ columns: [Column]) {
        self.columns = columns
        columnCount = columns.count
        cells = .allocate(capacity: max(columns.count, 1))
        for (index, column) in columns.enumerated() { (cells + index).initialize(to: CellText(column, &blocks)) }
    }

    deinit {
        cells.deallocate()
        for block in blocks { block.deallocate() }
    }

    @inline(__always)
    package func isNull(_ column: Int, _ row: Int) -> Bool { cells[column].isNull(row) }

    /// The value as text; nothing when it is NULL.
    package func append(_ column: Int, _ row: Int, to buffer: ByteBuffer) { cells[column].append(row, to: buffer) }

    /// The value as JSON; `null` when it is NULL.
    package func appendJSON(_ column: Int, _ row: Int, to buffer: ByteBuffer) { cells[column].appendJSON(row, to: buffer) }
}

/// One column's part of a RowText, which owns what the pointers point to.
struct CellText {
    private enum Kind: UInt8 {
        case null, boolean, integer, real, double, decimal, varchar, bytes, date, time, timestamp, timestampTZ, interval, list, structure, map, json
    }

    private let kind: Kind
    /// Of times and timestamps; the scale of a decimal.
    private let digits: Int
    private let values: UnsafeRawPointer
    private let validity: UnsafePointer<UInt64>?
    private let children: UnsafeMutablePointer<CellText>
    private let childCount: Int
    /// `{"name":`, `,"name":` before each child of a structure.
    private let keys: KeyTexts

    fileprivate init(_ column: Column, _ blocks: inout [UnsafeMutableRawPointer]) {
        var digits = 0
        var names: [String] = []
        switch column.type {
        case .null: kind = .null
        case .boolean: kind = .boolean
        case .smallint, .integer, .bigint: kind = .integer
        case .real: kind = .real
        case .double: kind = .double
        case .decimal(_, let scale):
            kind = .decimal
            digits = scale
        case .varchar: kind = .varchar
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
        case .array: kind = .list
        case .map: kind = .map
        case .json: kind = .json
        case .row(let fields):
            kind = .structure
            names = fields.map(\.name)
        }
        self.digits = digits
        keys = KeyTexts(names, &blocks)
        values = column.values
        validity = column.validity
        childCount = column.children.count
        children = .allocate(capacity: max(childCount, 1))
        blocks.append(UnsafeMutableRawPointer(children))
        for (index, child) in column.children.enumerated() { (children + index).initialize(to: CellText(child, &blocks)) }
    }

    @inline(__always)
    func isNull(_ row: Int) -> Bool {
        guard let validity else { return false }
        return validity[row &>> 6] & (1 &<< UInt64(row & 63)) == 0
    }

    @inline(__always)
    private func int64(_ row: Int) -> Int64 { values.load(fromByteOffset: row &* 8, as: Int64.self) }

    @inline(__always)
    private func double(_ row: Int) -> Double { values.load(fromByteOffset: row &* 8, as: Double.self) }

    @inline(__always)
    private func string(_ row: Int) -> StringView { values.load(fromByteOffset: row &* 16, as: StringView.self) }

    // MARK: Text

    /// The value of a row; nothing when it is NULL.
    func append(_ row: Int, to buffer: ByteBuffer) {
        if isNull(row) { return }
        switch kind {
        case .varchar: buffer.append(string(row))
        case .bytes: BytesText.appendHexadecimal(string(row).bytes, to: buffer)
        case .list, .structure, .map, .json: appendJSON(row, to: buffer)
        default: appendPlain(row, to: buffer)
        }
    }

    /// The types whose text and JSON have the same characters.
    @inline(__always)
    private func appendPlain(_ row: Int, to buffer: ByteBuffer) {
        switch kind {
        case .boolean: BooleanText.append(values.load(fromByteOffset: row, as: UInt8.self) != 0, to: buffer)
        case .integer: IntegerText.append(int64(row), to: buffer)
        case .real: DoubleText.append(double(row), isReal: true, to: buffer)
        case .double: DoubleText.append(double(row), to: buffer)
        case .decimal: DecimalText.append(values.load(fromByteOffset: row &* 16, as: Int128.self), scale: digits, to: buffer)
        case .date: DateText.append(int64(row), to: buffer)
        case .time: TimeText.append(int64(row), precision: digits, to: buffer)
        case .timestamp: TimestampText.append(int64(row), precision: digits, isInstant: false, to: buffer)
        case .timestampTZ: TimestampText.append(int64(row), precision: digits, isInstant: true, to: buffer)
        case .interval:
            IntervalText.append(IntervalValue(packed: values.load(fromByteOffset: row &* 16, as: Int128.self)), to: buffer)
        case .null, .varchar, .bytes, .list, .structure, .map, .json: break
        }
    }

    // MARK: JSON

    /// The value of a row as JSON; `null` when it is NULL.
    func appendJSON(_ row: Int, to buffer: ByteBuffer) {
        if isNull(row) {
            buffer.append("null" as StaticString)
            return
        }
        switch kind {
        case .null: buffer.append("null" as StaticString)
        case .integer: IntegerText.append(int64(row), to: buffer)
        case .varchar: JSONText.append(string: string(row).bytes, to: buffer)
        case .boolean, .decimal: appendPlain(row, to: buffer)
        case .real, .double:
            if double(row).isFinite { appendPlain(row, to: buffer) } else { appendQuoted(row, to: buffer) }
        case .bytes:
            buffer.append(0x22)
            BytesText.appendBase64(string(row).bytes, to: buffer)
            buffer.append(0x22)
        case .date, .time, .timestamp, .timestampTZ, .interval: appendQuoted(row, to: buffer)
        case .list:
            let list = values.load(fromByteOffset: row &* 8, as: ListView.self)
            buffer.append(0x5B)
            for element in 0..<Int(list.length) {
                if element > 0 { buffer.append(0x2C) }
                children[0].appendJSON(Int(list.offset) &+ element, to: buffer)
            }
            buffer.append(0x5D)
        case .map:
            let list = values.load(fromByteOffset: row &* 8, as: ListView.self)
            buffer.append(0x7B)
            for element in 0..<Int(list.length) {
                if element > 0 { buffer.append(0x2C) }
                children[0].appendEntry(Int(list.offset) &+ element, to: buffer)
            }
            buffer.append(0x7D)
        case .json: appendOneLine(string(row).bytes, to: buffer)
        case .structure:
            if childCount == 0 { buffer.append(0x7B) }
            for index in 0..<childCount {
                buffer.append(keys[index])
                children[index].appendJSON(row, to: buffer)
            }
            buffer.append(0x7D)
        }
    }

    /// An entry of a map, whose structure this is: the key as a string, whatever its type.
    private func appendEntry(_ row: Int, to buffer: ByteBuffer) {
        let key = children[0]
        if key.kind == .varchar && !key.isNull(row) {
            key.appendJSON(row, to: buffer)
        } else {
            buffer.append(0x22)
            if key.isNull(row) {
                buffer.append("null" as StaticString)
            } else if key.kind == .bytes {
                BytesText.appendBase64(key.string(row).bytes, to: buffer)
            } else {
                key.appendPlain(row, to: buffer)
            }
            buffer.append(0x22)
        }
        buffer.append(0x3A)
        children[1].appendJSON(row, to: buffer)
    }

    /// JSON as it was given, but on one line: a line break in it stands between tokens, where a space says the same.
    private func appendOneLine(_ text: TextBytes, to buffer: ByteBuffer) {
        guard text.contains(where: { $0 == 0x0A || $0 == 0x0D }) else { return buffer.append(text) }
        for byte in text { buffer.append(byte == 0x0A || byte == 0x0D ? 0x20 : byte) }
    }

    /// Text that needs no escapes, in quotes.
    private func appendQuoted(_ row: Int, to buffer: ByteBuffer) {
        buffer.append(0x22)
        appendPlain(row, to: buffer)
        buffer.append(0x22)
    }
}

/// `{"first":`, `,"second":`, ... as they stand in an object.
struct KeyTexts {
    private let bytes: UnsafeMutablePointer<UInt8>
    private let ends: UnsafeMutablePointer<Int>

    /// Its memory goes to `blocks`, whose owner frees it.
    init(_ names: [String], _ blocks: inout [UnsafeMutableRawPointer]) {
        let buffer = ByteBuffer()
        ends = .allocate(capacity: names.count + 1)
        ends[0] = 0
        for (index, name) in names.enumerated() {
            buffer.append(index == 0 ? 0x7B : 0x2C)
            JSONText.append(string: name, to: buffer)
            buffer.append(0x3A)
            ends[index + 1] = buffer.count
        }
        bytes = .allocate(capacity: max(buffer.count, 1))
        for (index, byte) in buffer.text.enumerated() { bytes[index] = byte }
        blocks.append(UnsafeMutableRawPointer(bytes))
        blocks.append(UnsafeMutableRawPointer(ends))
    }

    @inline(__always)
    subscript(index: Int) -> TextBytes { TextBytes(start: bytes + ends[index], count: ends[index &+ 1] &- ends[index]) }
}
