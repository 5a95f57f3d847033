// PackedLayout: several columns as one row of fixed width, for keys of more than one BIGINT, for values of DISTINCT, and for rows
// that a changelog has to take back.
//
//   [null bits: 8 bytes per 64 columns][value of column 0][value of column 1]...
//
// BOOLEAN, the 8-byte layouts take 8 bytes, DECIMAL and INTERVAL 16, texts a StringView (16) whose bytes lie elsewhere: in the batch while
// the row is in scratch memory, in the table's arena once it is kept. A NULL has its bit set and zeroes as its value, so two rows are
// equal when their words are and their texts are. Normalised rows are for comparing as SQL groups do: -0 is 0, every NaN is one NaN.
// Arrays and rows are held as texts too: their bytes by OrderedEncoding, of which there is one for each value.

import Columns
import Glibc

struct PackedLayout: Sendable {
    let types: [SQLType]
    /// Offset of each column's value.
    let offsets: [Int]
    let width: Int
    /// Offsets of the StringViews, ascending.
    let stringOffsets: [Int]

    /// Keys and results of a table live in rows of this width.
    private static let widthMax = 1 << 16

    init(_ types: [SQLType], for purpose: String) throws(DataflowError) {
        self.types = types
        var offset = (types.count + 63) / 64 * 8
        var offsets: [Int] = []
        var strings: [Int] = []
        for type in types {
            offsets.append(offset)
            switch type.layout {
            case .bool, .int64, .double: offset += 8
            case .int128: offset += 16
            case .string, .list, .structure:
                strings.append(offset)
                offset += 16
            }
        }
        guard offset <= PackedLayout.widthMax else { throw DataflowError("\(purpose): \(types.count) columns are too many") }
        self.offsets = offsets
        width = offset
        stringOffsets = strings
    }

    /// Writes rows 0..<count of `columns`, `stride` bytes apart (`width` when nil). Views point into the memory of the columns, or of those
    /// that are returned (encoded arrays and rows): keep both alive while the packed rows are in use.
    func pack(_ columns: [Column], count: Int, into target: UnsafeMutableRawPointer, stride: Int? = nil, normalised: Bool) -> [Column] {
        var encoded: [Column] = []
        var columns = columns
        for index in columns.indices where columns[index].layout == .list || columns[index].layout == .structure {
            columns[index] = OrderedEncoding.nested(columns[index], normalised: normalised)
            encoded.append(columns[index])
        }
        packFlat(columns, count: count, into: target, stride: stride ?? width, normalised: normalised)
        return encoded
    }

    private func packFlat(_ columns: [Column], count: Int, into target: UnsafeMutableRawPointer, stride width: Int, normalised: Bool) {
        let maskWords = (types.count + 63) / 64
        for row in 0..<count { memset(target + row * width, 0, maskWords * 8) }
        for (index, column) in columns.enumerated() {
            let cell = target + offsets[index]
            switch column.layout {
            case .int64:
                let source = column.int64s
                for row in 0..<count { (cell + row * width).storeBytes(of: source[row], as: Int64.self) }
            case .double:
                let source = column.doubles
                if normalised {
                    for row in 0..<count {
                        (cell + row * width).storeBytes(of: DoubleOrder.normalised(source[row]), as: UInt64.self)
                    }
                } else {
                    for row in 0..<count { (cell + row * width).storeBytes(of: source[row].bitPattern, as: UInt64.self) }
                }
            case .bool:
                let source = column.bools
                for row in 0..<count { (cell + row * width).storeBytes(of: UInt64(source[row]), as: UInt64.self) }
            case .int128:
                let source = column.values
                for row in 0..<count { memcpy(cell + row * width, source + row * 16, 16) }
            case .string:
                let source = column.strings
                for row in 0..<count { (cell + row * width).storeBytes(of: source[row], as: StringView.self) }
            case .list, .structure: break
            }
            guard column.mayHaveNulls else { continue }
            let mask = target + index / 64 * 8
            let bit = UInt64(1) << UInt64(index & 63)
            let isString = column.layout == .string
            let size = column.layout == .int128 ? 16 : 8
            for row in 0..<count where column.isNull(row) {
                let word = mask + row * width
                word.storeBytes(of: word.loadUnaligned(as: UInt64.self) | bit, as: UInt64.self)
                if isString {
                    (cell + row * width).storeBytes(of: StringView.empty, as: StringView.self)
                } else {
                    memset(cell + row * width, 0, size)
                }
            }
        }
    }

    func hash(_ rows: UnsafeRawPointer, count: Int, into hashes: UnsafeMutablePointer<UInt64>) {
        let width = width
        if stringOffsets.isEmpty {
            for row in 0..<count { hashes[row] = KeyHash.words(rows + row * width, byteCount: width) }
        } else {
            for row in 0..<count { hashes[row] = hash(rows + row * width) }
        }
    }

    func hash(_ row: UnsafeRawPointer) -> UInt64 { KeyHash.row(row, width: width, stringOffsets: stringOffsets) }

    /// Column `index` of rows at `rows[i] + base`. Texts are copied, so that the column owns its bytes; or they stay where they are, and the
    /// column keeps `owners` alive.
    func unpack(_ index: Int, from rows: UnsafePointer<UnsafeRawPointer>, count: Int, base: Int, sharing owners: [Buffer]? = nil) -> Column {
        let mask = base + index / 64 * 8
        let bit = UInt64(1) << UInt64(index & 63)
        var anyNull = UInt64(0)
        for row in 0..<count { anyNull |= rows[row].loadUnaligned(fromByteOffset: mask, as: UInt64.self) }
        var validity: Buffer?
        if anyNull & bit != 0 {
            let bitmap = Bitmap.allValid(count)
            let words = bitmap.base.assumingMemoryBound(to: UInt64.self)
            for row in 0..<count where rows[row].loadUnaligned(fromByteOffset: mask, as: UInt64.self) & bit != 0 {
                words[row >> 6] &= ~(1 << UInt64(row & 63))
            }
            validity = bitmap
        }
        let offset = base + offsets[index]
        if let owners, types[index].layout == .string {
            let values = Buffer(byteCount: count * 16)
            let views = values.base.assumingMemoryBound(to: StringView.self)
            for row in 0..<count { views[row] = rows[row].loadUnaligned(fromByteOffset: offset, as: StringView.self) }
            return Column(type: types[index], count: count, values: values, validity: validity, heap: owners)
        }
        return PackedLayout.gather(types[index], from: rows, count: count, offset: offset, validity: validity)
    }

    /// Values of one type lying at `rows[i] + offset`, as a column that owns them.
    static func gather(
        _ type: SQLType, from rows: UnsafePointer<UnsafeRawPointer>, count: Int, offset: Int, validity: Buffer?
    ) -> Column {
        let values = Buffer(byteCount: count * type.layout.stride)
        var heap: [Buffer] = []
        switch type.layout {
        case .bool:
            for row in 0..<count { values.base.storeBytes(of: rows[row].load(fromByteOffset: offset, as: UInt8.self), toByteOffset: row, as: UInt8.self) }
        case .int64, .double:
            let target = values.base.assumingMemoryBound(to: UInt64.self)
            for row in 0..<count { target[row] = rows[row].loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
        case .int128:
            for row in 0..<count { memcpy(values.base + row * 16, rows[row] + offset, 16) }
        case .string:
            var total = 0
            for row in 0..<count { total += Int(rows[row].loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
            let block = Buffer(byteCount: total)
            var next = block.base
            let target = values.base.assumingMemoryBound(to: StringView.self)
            for row in 0..<count {
                let view = rows[row].loadUnaligned(fromByteOffset: offset, as: StringView.self)
                memcpy(next, view.pointer, view.count)
                target[row] = StringView(UnsafePointer(next.assumingMemoryBound(to: UInt8.self)), count: view.count)
                next += view.count
            }
            heap = [block]
        case .list, .structure: return OrderedEncoding.decode(type, from: rows, count: count, offset: offset, validity: validity)
        }
        return Column(type: type, count: count, values: values, validity: validity, heap: heap)
    }

    /// Whether two rows are the same. O(width + texts).
    static func equal(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, width: Int, stringOffsets: [Int]) -> Bool {
        if stringOffsets.isEmpty { return memcmp(a, b, width) == 0 }
        var offset = 0
        for string in stringOffsets {
            if string > offset && memcmp(a + offset, b + offset, string - offset) != 0 { return false }
            if !StringView.equal(a.loadUnaligned(fromByteOffset: string, as: StringView.self), b.loadUnaligned(fromByteOffset: string, as: StringView.self)) {
                return false
            }
            offset = string + 16
        }
        return width == offset || memcmp(a + offset, b + offset, width - offset) == 0
    }
}

/// The hash of keys. It decides which partition a key lives in, so a snapshot carries a sample of it (see `DataflowGraph.snapshot`).
enum KeyHash {
    @inline(__always)
    static func int64(_ value: Int64) -> UInt64 {
        let product = (UInt64(bitPattern: value) ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: 0xE703_7ED1_A0B4_28DB)
        return product.high ^ product.low
    }

    @inline(__always)
    static func combine(_ hash: UInt64, _ value: UInt64) -> UInt64 {
        let product = (hash ^ 0x8EBC_6AF0_9C88_C6E3).multipliedFullWidth(by: value ^ 0x5899_65CC_7537_4CC3)
        return product.high ^ product.low
    }

    /// Which of `count` partitions: by the high half, while tables use the low one.
    @inline(__always)
    static func partition(_ hash: UInt64, of count: Int) -> Int { Int(((hash >> 32) &* UInt64(truncatingIfNeeded: count)) >> 32) }

    @inline(__always)
    static func words(_ row: UnsafeRawPointer, byteCount: Int) -> UInt64 {
        var state = UInt64(0x9E37_79B9_7F4A_7C15)
        var offset = 0
        while offset < byteCount {
            state = combine(state, row.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        return state
    }

    static func row(_ row: UnsafeRawPointer, width: Int, stringOffsets: [Int]) -> UInt64 {
        var state = UInt64(0x9E37_79B9_7F4A_7C15)
        var offset = 0
        for string in stringOffsets {
            while offset < string {
                state = combine(state, row.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                offset += 8
            }
            state = combine(state, bytes(row.loadUnaligned(fromByteOffset: string, as: StringView.self)))
            offset = string + 16
        }
        while offset < width {
            state = combine(state, row.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        return state
    }

    @inline(__always)
    static func bytes(_ view: StringView) -> UInt64 {
        var state = UInt64(view.length) &* 0x9E37_79B9_7F4A_7C15
        var pointer = UnsafeRawPointer(view.pointer)
        var left = view.count
        while left >= 8 {
            state = combine(state, pointer.loadUnaligned(as: UInt64.self))
            pointer += 8
            left -= 8
        }
        if left > 0 {
            var tail = UInt64(0)
            for index in 0..<left { tail |= UInt64(pointer.load(fromByteOffset: index, as: UInt8.self)) << UInt64(index * 8) }
            state = combine(state, tail)
        }
        return state
    }
}

/// DOUBLE as integers that compare as SQL orders it: -0 before 0 only to break ties, NaN above all.
enum DoubleOrder {
    /// The bits, -0 made 0 and every NaN one NaN.
    @inline(__always)
    static func normalised(_ value: Double) -> UInt64 {
        if value == 0 { return 0 }
        return value.isNaN ? 0x7FF8_0000_0000_0000 : value.bitPattern
    }

    @inline(__always)
    static func ordered(_ value: Double) -> Int64 {
        let bits = Int64(bitPattern: value.isNaN ? 0x7FF8_0000_0000_0000 : value.bitPattern)
        return bits ^ Int64(bitPattern: UInt64(bitPattern: bits >> 63) >> 1)
    }

    @inline(__always)
    static func value(_ ordered: Int64) -> Double {
        Double(bitPattern: UInt64(bitPattern: ordered ^ Int64(bitPattern: UInt64(bitPattern: ordered >> 63) >> 1)))
    }
}
