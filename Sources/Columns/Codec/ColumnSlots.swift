// ColumnSlots: the columns of a batch while a decoder fills them: raw memory, one slot per column.
//
// Slots form a tree as types do: a ROW's fields are slots that share its row numbers, an ARRAY's element is a slot with row numbers
// of its own. All slots lie in one allocation and are trivial, so that a decoder writes through pointers without reference counting;
// the buffers they point into are kept here, by the slot's index.
//
// Per batch: `begin()` provides memory, `reserve(rows:)` more of it, `finish(rowCount:)` hands it over. In between, row `r` of a slot is
// written any number of times; the last time counts. The validity bits are all set at first, so that only NULLs write them;
// `reset(row:)` undoes a row that was given up.

import Glibc

struct ColumnSlot {
    enum Kind: UInt8 {
        /// SMALLINT, INTEGER, BIGINT within minimum...maximum.
        case integer
        case double, real, decimal, boolean, varchar, bytes, date, time
        /// TIMESTAMP and TIMESTAMPTZ.
        case timestamp
        case interval, structure, list, null
        /// A MAP, from an object: a list of entries.
        case map
        /// Any JSON value, kept as its text.
        case json
        /// The row's ChangeKind.
        case change
        /// A key that nobody wants.
        case ignored
    }

    var kind: Kind
    /// Its place among all slots.
    var index: Int
    var isRequired = false
    /// Though required, not in the deletes of an upsert stream.
    var isWaivedInDeletes = false
    var hasNulls = false
    /// The object that last gave it a value (see JSONLineParser.objectSerial).
    var stamp: UInt64 = 0
    var values: UnsafeMutableRawPointer
    var validity: UnsafeMutablePointer<UInt64>
    var stride: Int
    /// Rows that there is memory for.
    var capacity = 0

    // Of integers.
    var minimum = Int64.min
    var maximum = Int64.max
    // Of decimals (both), times and timestamps (precision).
    var precision = 0
    var scale = 0
    /// VARCHAR(n): n, in characters.
    var lengthMax = Int.max

    // Of structures and lists: where the children lie.
    var children: UnsafeMutablePointer<ColumnSlot>
    var childCount = 0
    /// Of a list's element: elements so far, and how many of them belong to rows that are done.
    var elementCount = 0
    var committedCount = 0
    /// Of a structure: its keys (a JSONShape; see there).
    var shape: UnsafeMutablePointer<JSONShape>?

    // Of timestamps: the last date seen, as its ten bytes of text, and its days since 1970.
    var lastDateHead: UInt64 = 0x2D31_302D_3037_3931
    var lastDateTail: UInt16 = 0x3130
    var lastDateMicroseconds: Int64 = 0
}

/// Memory for the bytes of strings that are copied out of the input. Blocks never move.
struct StringHeap {
    private(set) var blocks: [Buffer] = []
    private var next: UnsafeMutablePointer<UInt8>
    private var room = 0
    private var blockByteCount = 4 << 10

    private static let blockByteCountMax = 1 << 20
    /// Copies go 16 bytes at a time and may write so many bytes too many.
    private static let slackByteCount = 16

    init() { next = UnsafeMutablePointer(mutating: EmptyBytes.pointer) }

    /// Where `count` bytes may be written; `commit` says how many were.
    @inline(__always)
    mutating func reserve(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        if room < count &+ StringHeap.slackByteCount { grow(count) }
        return next
    }

    @inline(__always)
    mutating func commit(_ count: Int) {
        next += count
        room &-= count
    }

    /// A copy of bytes that are followed by 16 readable ones.
    @inline(__always)
    mutating func copyPadded(_ source: UnsafePointer<UInt8>, _ count: Int) -> UnsafePointer<UInt8> {
        let target = reserve(count)
        var from = UnsafeRawPointer(source)
        var to = UnsafeMutableRawPointer(target)
        let end = to + count
        while to < end {
            to.storeBytes(of: from.loadUnaligned(as: SIMD16<UInt8>.self), as: SIMD16<UInt8>.self)
            from += 16
            to += 16
        }
        commit(count)
        return UnsafePointer(target)
    }

    mutating func copy(_ source: TextBytes) -> UnsafePointer<UInt8> {
        guard let start = source.baseAddress, source.count > 0 else { return EmptyBytes.pointer }
        let target = reserve(source.count)
        memcpy(target, start, source.count)
        commit(source.count)
        return UnsafePointer(target)
    }

    @inline(never)
    private mutating func grow(_ count: Int) {
        let block = Buffer(byteCount: max(blockByteCount, count + StringHeap.slackByteCount))
        blockByteCount = min(blockByteCount * 2, StringHeap.blockByteCountMax)
        blocks.append(block)
        next = block.base.assumingMemoryBound(to: UInt8.self)
        room = block.byteCount
    }

    /// The blocks of a batch; the next batch begins with a block of the size that this one needed.
    mutating func take() -> [Buffer] {
        let taken = blocks
        let total = taken.reduce(0) { $0 + $1.byteCount }
        blockByteCount = max(4 << 10, min(total, StringHeap.blockByteCountMax))
        blocks = []
        room = 0
        return taken
    }
}

final class ColumnSlots {
    /// One slot per column of the schema, and behind them those of fields and elements.
    let slots: UnsafeMutablePointer<ColumnSlot>
    let slotCount: Int
    let columnCount: Int
    /// The slot of the change kind, when it is decoded: the one after the columns.
    let changeSlot: UnsafeMutablePointer<ColumnSlot>?
    /// Type and path (`bid.price`) of each slot.
    private(set) var types: [SQLType] = []
    private(set) var names: [String] = []
    /// The elements of lists, which count their own rows.
    let elements: UnsafeMutableBufferPointer<UnsafeMutablePointer<ColumnSlot>>
    private(set) var rowCapacity = 0
    /// Change kinds may be single letters.
    private let isUpsert: Bool
    private var valueBuffers: [Buffer]
    private var validityBuffers: [Buffer?]
    let heap: UnsafeMutablePointer<StringHeap>

    /// `columnsOfKey`: in an upsert stream, those that a delete needs too; nil when the stream is none.
    init(schema: Schema, columnsNotNull: Set<Int>, withChange: Bool, columnsOfKey: Set<Int>? = nil) {
        isUpsert = columnsOfKey != nil
        var pending: [(type: SQLType, name: String, isChange: Bool)] = schema.fields.map { ($0.type, $0.name, false) }
        if withChange { pending.append((.boolean, "op", true)) }
        columnCount = schema.count
        // Breadth first: the children of a slot are neighbours.
        var childrenStart: [Int] = []
        var childCounts: [Int] = []
        var elementIndexes: [Int] = []
        var index = 0
        while index < pending.count {
            let (type, name, _) = pending[index]
            childrenStart.append(pending.count)
            switch type {
            case .array, .map:
                elementIndexes.append(pending.count)
                pending.append((type.element ?? .null, name + "[]", false))
                childCounts.append(1)
            case .row(let fields):
                for field in fields { pending.append((field.type, name + "." + field.name, false)) }
                childCounts.append(fields.count)
            default: childCounts.append(0)
            }
            index += 1
        }
        slotCount = pending.count
        let none = UnsafeMutableRawPointer(mutating: UnsafeRawPointer(EmptyBytes.pointer))
        slots = .allocate(capacity: max(pending.count, 1))
        valueBuffers = []
        validityBuffers = []
        for index in 0..<pending.count {
            let (type, name, isChange) = pending[index]
            types.append(type)
            names.append(name)
            var slot = ColumnSlot(
                kind: isChange ? .change : ColumnSlots.kind(type), index: index, values: none,
                validity: none.assumingMemoryBound(to: UInt64.self), stride: type.layout.stride, children: slots)
            slot.isRequired = index < schema.count && columnsNotNull.contains(index)
            slot.isWaivedInDeletes = slot.isRequired && columnsOfKey.map { !$0.contains(index) } ?? false
            slot.children = slots + min(childrenStart[index], pending.count)
            slot.childCount = childCounts[index]
            switch type {
            case .smallint, .integer, .bigint:
                slot.minimum = type.integerRange?.lowerBound ?? .min
                slot.maximum = type.integerRange?.upperBound ?? .max
            case .decimal(let precision, let scale):
                slot.precision = precision
                slot.scale = scale
            case .time(let precision), .timestamp(let precision), .timestampTZ(let precision): slot.precision = precision
            case .varchar(let length): slot.lengthMax = length ?? .max
            default: break
            }
            (slots + index).initialize(to: slot)
            valueBuffers.append(.none)
            validityBuffers.append(nil)
        }
        changeSlot = withChange ? slots + schema.count : nil
        elements = .allocate(capacity: elementIndexes.count)
        for (position, index) in elementIndexes.enumerated() { elements.initializeElement(at: position, to: slots + index) }
        heap = .allocate(capacity: 1)
        heap.initialize(to: StringHeap())
    }

    deinit {
        heap.deinitialize(count: 1)
        heap.deallocate()
        elements.deallocate()
        slots.deallocate()
    }

    private static func kind(_ type: SQLType) -> ColumnSlot.Kind {
        switch type {
        case .boolean: .boolean
        case .smallint, .integer, .bigint: .integer
        case .real: .real
        case .double: .double
        case .decimal: .decimal
        case .varchar: .varchar
        case .bytes: .bytes
        case .date: .date
        case .time: .time
        case .timestamp, .timestampTZ: .timestamp
        case .interval: .interval
        case .array: .list
        case .row: .structure
        case .map: .map
        case .json: .json
        case .null: .null
        }
    }

    private var topCount: Int { columnCount + (changeSlot == nil ? 0 : 1) }

    // MARK: Memory

    /// Makes room for at least one row.
    func begin(expectedRowCount: Int) {
        if rowCapacity == 0 { reserve(rows: max(16, expectedRowCount)) }
    }

    func reserve(rows: Int) {
        guard rows > rowCapacity else { return }
        for index in 0..<topCount { grow(slots + index, used: rowCapacity, to: rows) }
        rowCapacity = rows
    }

    /// Doubles the memory of a list's elements.
    @inline(never)
    func growElements(_ slot: UnsafeMutablePointer<ColumnSlot>) {
        grow(slot, used: slot.pointee.elementCount, to: max(64, slot.pointee.capacity * 2))
    }

    private func grow(_ slot: UnsafeMutablePointer<ColumnSlot>, used: Int, to capacity: Int) {
        let index = slot.pointee.index
        let stride = slot.pointee.stride
        let larger = Buffer(byteCount: capacity * stride)
        memcpy(larger.base, slot.pointee.values, min(used, slot.pointee.capacity) * stride)
        valueBuffers[index] = larger
        slot.pointee.values = larger.base
        let oldWords = Bitmap.wordCount(slot.pointee.capacity)
        if validityBuffers[index] == nil || (validityBuffers[index]?.byteCount ?? 0) < Bitmap.wordCount(capacity) * 8 {
            let bits = Bitmap.allValid(capacity)
            memcpy(bits.base, slot.pointee.validity, validityBuffers[index] == nil ? 0 : oldWords * 8)
            validityBuffers[index] = bits
            slot.pointee.validity = bits.base.assumingMemoryBound(to: UInt64.self)
        }
        slot.pointee.capacity = capacity
        if slot.pointee.kind == .structure {
            for child in 0..<slot.pointee.childCount { grow(slot.pointee.children + child, used: used, to: capacity) }
        }
    }

    // MARK: Values

    /// NULL at a row of the slot and of everything below it.
    func setNull(_ slot: UnsafeMutablePointer<ColumnSlot>, _ row: Int) { ColumnSlots.setNull(slot, row) }

    static func setNull(_ slot: UnsafeMutablePointer<ColumnSlot>, _ row: Int) {
        let values = slot.pointee.values
        switch slot.pointee.kind {
        case .ignored: return
        case .change:
            // Without an "op" a row is an insert.
            values.storeBytes(of: ChangeKind.insert.rawValue, toByteOffset: row, as: UInt8.self)
            return
        case .varchar, .bytes, .json: values.storeBytes(of: .empty, toByteOffset: row &* 16, as: StringView.self)
        case .boolean, .null: values.storeBytes(of: 0, toByteOffset: row, as: UInt8.self)
        case .decimal, .interval: values.storeBytes(of: 0, toByteOffset: row &* 16, as: Int128.self)
        case .structure: for child in 0..<slot.pointee.childCount { setNull(slot.pointee.children + child, row) }
        default: values.storeBytes(of: 0, toByteOffset: row &* 8, as: Int64.self)
        }
        slot.pointee.validity[row &>> 6] &= ~(1 &<< UInt64(row & 63))
        slot.pointee.hasNulls = true
    }

    /// Whether a required column may be NULL because the row, as far as it has been read, is the delete of an upsert stream.
    @inline(never)
    func isWaived(_ slot: UnsafeMutablePointer<ColumnSlot>, _ row: Int, stamp: UInt64) -> Bool {
        guard slot.pointee.isWaivedInDeletes, let changeSlot, changeSlot.pointee.stamp == stamp else { return false }
        return changeSlot.pointee.values.load(fromByteOffset: row, as: UInt8.self) == ChangeKind.delete.rawValue
    }

    /// Takes back what a row wrote into validity bits, and the elements it appended.
    func reset(row: Int) {
        for index in 0..<topCount { resetBits(slots + index, row) }
        for element in elements {
            for row in element.pointee.committedCount..<max(element.pointee.elementCount, element.pointee.committedCount) {
                resetBits(element, row)
            }
            element.pointee.elementCount = element.pointee.committedCount
        }
    }

    func resetBits(_ slot: UnsafeMutablePointer<ColumnSlot>, _ row: Int) {
        guard row < slot.pointee.capacity else { return }
        slot.pointee.validity[row >> 6] |= 1 << UInt64(row & 63)
        if slot.pointee.kind == .structure {
            for child in 0..<slot.pointee.childCount { resetBits(slot.pointee.children + child, row) }
        }
    }

    /// The value that a text shows: CSV fields, JSON strings for columns that are no strings.
    func store(text: TextBytes, _ slot: UnsafeMutablePointer<ColumnSlot>, _ row: Int) throws(TextError) {
        let values = slot.pointee.values
        switch slot.pointee.kind {
        case .integer:
            let value = try IntegerText.parse(text, in: slot.pointee.minimum...slot.pointee.maximum)
            values.storeBytes(of: value, toByteOffset: row &* 8, as: Int64.self)
        case .double: values.storeBytes(of: try DoubleText.parse(text), toByteOffset: row &* 8, as: Double.self)
        case .real: values.storeBytes(of: try DoubleText.parseReal(text), toByteOffset: row &* 8, as: Double.self)
        case .decimal:
            let value = try DecimalText.parse(text, precision: slot.pointee.precision, scale: slot.pointee.scale)
            values.storeBytes(of: value, toByteOffset: row &* 16, as: Int128.self)
        case .boolean: values.storeBytes(of: try BooleanText.parse(text) ? 1 : 0, toByteOffset: row, as: UInt8.self)
        case .varchar:
            if UTF8Text.exceeds(text, characters: slot.pointee.lengthMax) { throw .tooLong }
            store(copying: text, slot, row)
        case .bytes:
            let decoded = ByteBuffer(capacity: text.count)
            try BytesText.parse(text, into: decoded)
            store(copying: decoded.text, slot, row)
        case .date: values.storeBytes(of: try DateText.parse(text), toByteOffset: row &* 8, as: Int64.self)
        case .time:
            let value = try TimeText.parse(text, precision: slot.pointee.precision)
            values.storeBytes(of: value, toByteOffset: row &* 8, as: Int64.self)
        case .timestamp:
            let value = try TimestampText.parse(text, precision: slot.pointee.precision)
            values.storeBytes(of: value, toByteOffset: row &* 8, as: Int64.self)
        case .interval: values.storeBytes(of: try IntervalText.parse(text).packed, toByteOffset: row &* 16, as: Int128.self)
        case .change: values.storeBytes(of: try ColumnSlots.changeKind(text, isUpsert: isUpsert).rawValue, toByteOffset: row, as: UInt8.self)
        case .json:
            if JSONValidator.fault(text) != nil { throw .invalid }
            store(copying: text, slot, row)
        case .structure, .list, .map, .null: throw .invalid
        case .ignored: break
        }
    }

    func store(copying text: TextBytes, _ slot: UnsafeMutablePointer<ColumnSlot>, _ row: Int) {
        let view = StringView(heap.pointee.copy(text), count: text.count)
        slot.pointee.values.storeBytes(of: view, toByteOffset: row &* 16, as: StringView.self)
    }

    /// `+I -U +U -D`; of an upsert stream also a letter: `I` and `c`, `U` and `u`, `D` and `d`.
    static func changeKind(_ text: TextBytes, isUpsert: Bool) throws(TextError) -> ChangeKind {
        if isUpsert, text.count == 1 {
            switch text[0] {
            case UInt8(ascii: "I"), UInt8(ascii: "c"), UInt8(ascii: "r"): return .insert
            case UInt8(ascii: "U"), UInt8(ascii: "u"): return .updateAfter
            case UInt8(ascii: "D"), UInt8(ascii: "d"): return .delete
            default: throw .invalid
            }
        }
        guard text.count == 2 else { throw .invalid }
        switch (text[0], text[1]) {
        case (0x2B, 0x49): return .insert
        case (0x2D, 0x55): return .updateBefore
        case (0x2B, 0x55): return .updateAfter
        case (0x2D, 0x44): return .delete
        default: throw .invalid
        }
    }

    /// The row stays: its list elements are no longer its own to take back.
    @inline(__always)
    func commitElements() {
        for element in elements { element.pointee.committedCount = element.pointee.elementCount }
    }

    // MARK: End of a batch

    /// The columns of the batch and the change kinds; the slots have no memory afterwards. `shared` are buffers that views point
    /// into besides the heap's.
    func finish(rowCount: Int, sharing shared: [Buffer]) -> (columns: [Column], changes: Buffer?) {
        let blocks = heap.pointee.take() + shared
        var columns: [Column] = []
        columns.reserveCapacity(columnCount)
        for index in 0..<columnCount { columns.append(take(slots + index, count: rowCount, blocks)) }
        var changes: Buffer?
        if let changeSlot {
            let buffer = valueBuffers[changeSlot.pointee.index]
            let kinds = UnsafeRawBufferPointer(start: buffer.base, count: rowCount)
            if kinds.contains(where: { $0 != ChangeKind.insert.rawValue }) { changes = buffer }
            release(changeSlot)
        }
        rowCapacity = 0
        return (columns, changes)
    }

    private func take(_ slot: UnsafeMutablePointer<ColumnSlot>, count: Int, _ blocks: [Buffer]) -> Column {
        let index = slot.pointee.index
        var children: [Column] = []
        for child in 0..<slot.pointee.childCount {
            let childSlot = slot.pointee.children + child
            children.append(take(childSlot, count: slot.pointee.kind == .list || slot.pointee.kind == .map ? childSlot.pointee.elementCount : count, blocks))
        }
        let bits = slot.pointee.hasNulls ? validityBuffers[index] : nil
        let column = Column(
            type: types[index], count: count, values: valueBuffers[index], validity: bits,
            heap: types[index].layout == .string ? blocks : [], children: children)
        release(slot)
        return column
    }

    private func release(_ slot: UnsafeMutablePointer<ColumnSlot>) {
        let index = slot.pointee.index
        let none = UnsafeMutableRawPointer(mutating: UnsafeRawPointer(EmptyBytes.pointer))
        valueBuffers[index] = Buffer.none
        slot.pointee.values = none
        // A bitmap that nothing was cleared in is as good as new.
        if slot.pointee.hasNulls {
            validityBuffers[index] = nil
            slot.pointee.validity = none.assumingMemoryBound(to: UInt64.self)
        }
        slot.pointee.hasNulls = false
        slot.pointee.capacity = 0
        slot.pointee.elementCount = 0
        slot.pointee.committedCount = 0
    }
}

extension Buffer {
    /// No bytes.
    static let none = Buffer(byteCount: 0)
}
