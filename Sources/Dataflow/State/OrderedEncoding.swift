// OrderedEncoding: values of any type as bytes that compare as the values do; several values one behind the other compare as the row
// of them does. So one kind of bag, one kind of key serves arrays, rows and composite orders.
//
//   value        [tag][body]; tag 1: NULL that comes first, 2: a value, 3: NULL that comes last
//   bool         1 byte
//   int64        8 bytes, the most significant first, the sign turned
//   double       the same of the integer that orders as it does (see DoubleOrder)
//   int128       16 bytes likewise; INTERVAL its length (months of 30 days, 16 bytes) and its months (8)
//   text, bytes  the bytes, 0 written as 0 255, then 0 0
//   list         the elements as values (NULLs last), then 0
//   structure    the fields as values
//
// Descending order turns every bit behind the tag. Reading checks every length: the bytes may come from a damaged snapshot.

import Columns
import Glibc

/// One value of an encoded row.
struct OrderedField: Hashable, Sendable {
    /// A column of the compact input.
    var column: Int
    var isDescending = false
    var nullsFirst = false
}

enum OrderedEncoding {
    private static let nullFirst: UInt8 = 1
    private static let value: UInt8 = 2
    private static let nullLast: UInt8 = 3

    // MARK: Writing

    /// A BYTES column with the fields of each row; NULL where one of `required` is. `normalised` as in PackedLayout.
    static func encode(_ columns: [Column], _ fields: [OrderedField], required: [Column], count n: Int, normalised: Bool) -> Column {
        var validity: Buffer?
        for column in required where column.mayHaveNulls {
            let bits = validity ?? Bitmap.allValid(n)
            validity = bits
            let words = bits.base.assumingMemoryBound(to: UInt64.self)
            for row in 0..<n where column.isNull(row) { words[row >> 6] &= ~(1 << UInt64(row & 63)) }
        }
        let sizes = Buffer.zeroed(byteCount: n * 8)
        let lengths = sizes.base.assumingMemoryBound(to: Int.self)
        for column in columns { addLengths(column, n, lengths) }
        var total = 0
        for row in 0..<n { total += lengths[row] }
        let bytes = Buffer(byteCount: total)
        let values = Buffer(byteCount: n * 16)
        let views = values.base.assumingMemoryBound(to: StringView.self)
        // `lengths` becomes where each row is to be continued.
        var start = 0
        let ends = Buffer(byteCount: n * 8)
        let starts = ends.base.assumingMemoryBound(to: Int.self)
        for row in 0..<n {
            starts[row] = start
            let length = lengths[row]
            lengths[row] = start
            start += length
        }
        for (column, field) in zip(columns, fields) { write(column, field, n, bytes.base, lengths, normalised) }
        for row in 0..<n {
            let place = UnsafePointer((bytes.base + starts[row]).assumingMemoryBound(to: UInt8.self))
            views[row] = StringView(place, count: lengths[row] - starts[row])
        }
        withExtendedLifetime((sizes, ends)) {}
        return Column(type: .bytes, count: n, values: values, validity: validity, heap: [bytes])
    }

    /// A column of lists or structures as BYTES, NULL where it is NULL: how nested values are held by keyed state.
    static func nested(_ column: Column, normalised: Bool) -> Column {
        encode([column], [OrderedField(column: 0)], required: [column], count: column.count, normalised: normalised)
    }

    private static func isInterval(_ column: Column) -> Bool { column.type == .interval }

    private static func addLengths(_ column: Column, _ n: Int, _ lengths: UnsafeMutablePointer<Int>) {
        switch column.layout {
        case .bool: for row in 0..<n { lengths[row] += 2 }
        case .int64, .double: for row in 0..<n { lengths[row] += 9 }
        case .int128:
            let size = isInterval(column) ? 25 : 17
            for row in 0..<n { lengths[row] += size }
        case .string, .list, .structure: for row in 0..<n { lengths[row] += length(column, row) }
        }
    }

    /// An upper bound that is exact for texts, lists and structures without NULLs in them.
    private static func length(_ column: Column, _ row: Int) -> Int {
        if column.isNull(row) { return 1 }
        switch column.layout {
        case .bool: return 2
        case .int64, .double: return 9
        case .int128: return isInterval(column) ? 25 : 17
        case .string:
            let view = column.strings[row]
            var zeros = 0
            for byte in view.bytes where byte == 0 { zeros += 1 }
            return view.count + zeros + 3
        case .list:
            let list = column.lists[row]
            var sum = 2
            guard let elements = column.children.first else { return sum }
            for element in 0..<Int(list.length) { sum += length(elements, Int(list.offset) + element) }
            return sum
        case .structure: return column.children.reduce(1) { $0 + length($1, row) }
        }
    }

    private static func write(
        _ column: Column, _ field: OrderedField, _ n: Int, _ base: UnsafeMutableRawPointer, _ places: UnsafeMutablePointer<Int>,
        _ normalised: Bool
    ) {
        let mask: UInt64 = field.isDescending ? .max : 0
        if column.layout == .int64 && !column.mayHaveNulls {
            let values = column.int64s
            for row in 0..<n {
                let target = base + places[row]
                target.storeBytes(of: value, as: UInt8.self)
                let word = (UInt64(bitPattern: values[row]) ^ (1 << 63)) ^ mask
                target.storeBytes(of: word.bigEndian, toByteOffset: 1, as: UInt64.self)
                places[row] += 9
            }
            return
        }
        for row in 0..<n {
            let start = base + places[row]
            var place = start
            write(column, row, &place, nullTag: field.nullsFirst ? nullFirst : nullLast, normalised)
            if field.isDescending {
                let bytes = start.assumingMemoryBound(to: UInt8.self)
                for index in 1..<max(place - start, 1) { bytes[index] = ~bytes[index] }
            }
            places[row] += place - start
        }
    }

    private static func write(
        _ column: Column, _ row: Int, _ place: inout UnsafeMutableRawPointer, nullTag: UInt8, _ normalised: Bool
    ) {
        @inline(__always) func put<Number: FixedWidthInteger>(_ number: Number) {
            place.storeBytes(of: number.bigEndian, as: Number.self)
            place += MemoryLayout<Number>.size
        }
        if column.isNull(row) { return put(nullTag) }
        put(value)
        switch column.layout {
        case .bool: put(column.bools[row])
        case .int64: put(UInt64(bitPattern: column.int64s[row]) ^ (1 << 63))
        case .double:
            let number = column.doubles[row]
            put(UInt64(bitPattern: DoubleOrder.ordered(normalised && number == 0 ? 0 : number)) ^ (1 << 63))
        case .int128:
            let packed = column.values.loadUnaligned(fromByteOffset: row * 16, as: Int128.self)
            if isInterval(column) {
                let interval = IntervalValue(packed: packed)
                put(UInt128(bitPattern: IntervalOrder.length(interval)) ^ (1 << 127))
                put(UInt64(bitPattern: interval.months) ^ (1 << 63))
            } else {
                put(UInt128(bitPattern: packed) ^ (1 << 127))
            }
        case .string:
            let view = column.strings[row]
            if memchr(view.pointer, 0, view.count) == nil {
                memcpy(place, view.pointer, view.count)
                place += view.count
            } else {
                for byte in view.bytes {
                    put(byte)
                    if byte == 0 { put(UInt8.max) }
                }
            }
            put(UInt8(0))
            put(UInt8(0))
        case .list:
            let list = column.lists[row]
            if let elements = column.children.first {
                for element in 0..<Int(list.length) { write(elements, Int(list.offset) + element, &place, nullTag: nullLast, normalised) }
            }
            put(UInt8(0))
        case .structure: for child in column.children { write(child, row, &place, nullTag: nullLast, normalised) }
        }
    }

    // MARK: Reading

    /// Reads one value of a type and appends it; NULL when the bytes are not one. `place` is left behind it.
    static func append(_ type: SQLType, _ bytes: UnsafeBufferPointer<UInt8>, _ place: inout Int, isDescending: Bool = false, to builder: ColumnBuilder) {
        let flip: UInt8 = isDescending ? 0xFF : 0
        guard place < bytes.count else { return builder.appendNull() }
        let tag = bytes[place]
        place += 1
        guard tag == value else { return builder.appendNull() }
        body(type, bytes, &place, flip, builder)
    }

    private static func nestedValue(_ type: SQLType, _ bytes: UnsafeBufferPointer<UInt8>, _ place: inout Int, _ flip: UInt8, _ builder: ColumnBuilder) {
        guard place < bytes.count else { return builder.appendNull() }
        let tag = bytes[place] ^ flip
        place += 1
        if tag == value { body(type, bytes, &place, flip, builder) } else { builder.appendNull() }
    }

    private static func body(_ type: SQLType, _ bytes: UnsafeBufferPointer<UInt8>, _ place: inout Int, _ flip: UInt8, _ builder: ColumnBuilder) {
        func take<Number: FixedWidthInteger & UnsignedInteger>(_ kind: Number.Type) -> Number? {
            let size = MemoryLayout<Number>.size
            guard bytes.count - place >= size else {
                place = bytes.count
                return nil
            }
            var number: Number = 0
            for index in 0..<size { number = (number << 8) | Number(bytes[place + index] ^ flip) }
            place += size
            return number
        }
        switch type.layout {
        case .bool:
            guard place < bytes.count else { return builder.appendNull() }
            builder.append(bool: bytes[place] ^ flip != 0)
            place += 1
        case .int64:
            if let word = take(UInt64.self) { builder.append(int64: Int64(bitPattern: word ^ (1 << 63))) } else { builder.appendNull() }
        case .double:
            if let word = take(UInt64.self) {
                builder.append(double: DoubleOrder.value(Int64(bitPattern: word ^ (1 << 63))))
            } else {
                builder.appendNull()
            }
        case .int128:
            guard let wide = take(UInt128.self) else { return builder.appendNull() }
            guard type == .interval else { return builder.append(int128: Int128(bitPattern: wide ^ (1 << 127))) }
            guard let word = take(UInt64.self) else { return builder.appendNull() }
            let interval = IntervalOrder.interval(
                length: Int128(bitPattern: wide ^ (1 << 127)), months: Int64(bitPattern: word ^ (1 << 63)))
            builder.append(int128: interval.packed)
        case .string:
            if flip == 0, let base = bytes.baseAddress, let end = memchr(base + place, 0, bytes.count - place) {
                // Mostly the first 0 is the end.
                let length = UnsafeRawPointer(end) - UnsafeRawPointer(base + place)
                if place + length + 1 < bytes.count, bytes[place + length + 1] == 0 {
                    builder.append(bytes: UnsafeBufferPointer(start: base + place, count: length))
                    place += length + 2
                    return
                }
            }
            var text: [UInt8] = []
            while place < bytes.count {
                let byte = bytes[place] ^ flip
                place += 1
                if byte == 0 {
                    let next = place < bytes.count ? bytes[place] ^ flip : 0
                    place += 1
                    if next == 0 { break }
                }
                text.append(byte)
            }
            place = min(place, bytes.count)
            text.withUnsafeBufferPointer { builder.append(bytes: $0) }
        case .list:
            guard let elementType = type.element, let elements = builder.listElements else { return builder.appendNull() }
            var count = 0
            while place < bytes.count, bytes[place] ^ flip != 0 {
                nestedValue(elementType, bytes, &place, flip, elements)
                count += 1
            }
            place = min(place + 1, bytes.count)
            builder.appendList(elementCount: count)
        case .structure:
            guard case .row(let fields) = type else { return builder.appendNull() }
            for (field, child) in zip(fields, builder.fields) { nestedValue(field.type, bytes, &place, flip, child) }
            builder.appendStructure()
        }
    }

    /// Passes over one value; what is not one ends at the end of the bytes.
    static func skip(_ type: SQLType, _ bytes: UnsafeBufferPointer<UInt8>, _ place: inout Int, isDescending: Bool) {
        guard place < bytes.count else { return }
        let tag = bytes[place]
        place += 1
        if tag == value { skipBody(type, bytes, &place, isDescending ? 0xFF : 0) }
    }

    private static func skipBody(_ type: SQLType, _ bytes: UnsafeBufferPointer<UInt8>, _ place: inout Int, _ flip: UInt8) {
        func nested(_ type: SQLType) {
            guard place < bytes.count else { return }
            let tag = bytes[place] ^ flip
            place += 1
            if tag == value { skipBody(type, bytes, &place, flip) }
        }
        switch type.layout {
        case .bool: place += 1
        case .int64, .double: place += 8
        case .int128: place += type == .interval ? 24 : 16
        case .string:
            while place < bytes.count {
                let byte = bytes[place] ^ flip
                place += 1
                guard byte == 0 else { continue }
                let next = place < bytes.count ? bytes[place] ^ flip : 0
                place += 1
                if next == 0 { break }
            }
        case .list:
            guard let element = type.element else { break }
            while place < bytes.count, bytes[place] ^ flip != 0 { nested(element) }
            place += 1
        case .structure:
            guard case .row(let fields) = type else { break }
            for field in fields { nested(field.type) }
        }
        place = min(place, bytes.count)
    }

    /// Encoded values (BYTES views at `rows[i] + offset`) as a column of their type.
    static func decode(
        _ type: SQLType, from rows: UnsafePointer<UnsafeRawPointer>, count: Int, offset: Int, validity: Buffer?
    ) -> Column {
        let builder = ColumnBuilder(type, capacity: count)
        for row in 0..<count {
            let isNull = validity.map { $0.base.assumingMemoryBound(to: UInt64.self)[row >> 6] & (1 << UInt64(row & 63)) == 0 } ?? false
            if isNull {
                builder.appendNull()
            } else {
                var place = 0
                append(type, rows[row].loadUnaligned(fromByteOffset: offset, as: StringView.self).bytes, &place, to: builder)
            }
        }
        return builder.finish()
    }
}
