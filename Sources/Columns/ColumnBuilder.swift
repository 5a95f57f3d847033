// ColumnBuilder: makes a column one value, one run or one gather at a time.
//
// The value buffer doubles when it is full. Bytes of strings go to a list of heap blocks that never move, so the views made
// earlier stay valid. The bitmap is made at the first NULL. A builder is used by one thread and ends with `finish()`, after
// which it is empty and may be used again.

import Glibc

package final class ColumnBuilder {
    package let type: SQLType
    package private(set) var count = 0

    private let stride: Int
    private var capacity: Int
    private var values: Buffer
    private var validity: Buffer?
    private var heap: [Buffer] = []
    private var heapUsed = 0
    private var kept: [Buffer] = []
    private var children: [ColumnBuilder]

    private static let heapBlockByteCount = 64 * 1024

    package init(_ type: SQLType, capacity: Int = 64) {
        self.type = type
        stride = type.layout.stride
        self.capacity = max(capacity, 16)
        values = Buffer(byteCount: self.capacity * stride)
        children = ColumnBuilder.makeChildren(type, capacity: capacity)
    }

    private static func makeChildren(_ type: SQLType, capacity: Int) -> [ColumnBuilder] {
        switch type {
        case .array, .map: [ColumnBuilder(type.element ?? .null, capacity: capacity)]
        case .row(let fields): fields.map { ColumnBuilder($0.type, capacity: capacity) }
        default: []
        }
    }

    /// Where the next value goes; room for `additional` values is made first.
    package func reserve(_ additional: Int) {
        guard count + additional > capacity else { return }
        let grown = max(capacity * 2, count + additional)
        let larger = Buffer(byteCount: grown * stride)
        memcpy(larger.base, values.base, count * stride)
        values = larger
        if let old = validity {
            let bits = Bitmap.allValid(grown)
            memcpy(bits.base, old.base, Bitmap.wordCount(count) * 8)
            validity = bits
        }
        capacity = grown
    }

    // MARK: One value

    package func append(bool value: Bool) {
        reserve(1)
        values.base.storeBytes(of: value ? 1 : 0, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    package func append(int64 value: Int64) {
        reserve(1)
        values.base.storeBytes(of: value, toByteOffset: count * 8, as: Int64.self)
        count += 1
    }

    package func append(double value: Double) {
        reserve(1)
        values.base.storeBytes(of: value, toByteOffset: count * 8, as: Double.self)
        count += 1
    }

    package func append(int128 value: Int128) {
        reserve(1)
        values.base.storeBytes(of: value, toByteOffset: count * 16, as: Int128.self)
        count += 1
    }

    /// Copies the bytes.
    package func append(bytes source: UnsafeBufferPointer<UInt8>) {
        append(view: copyToHeap(source))
    }

    /// Keeps the view as it is: the caller sees to it that its bytes outlive the column (see `keepAlive`).
    package func append(view: StringView) {
        reserve(1)
        values.base.storeBytes(of: view, toByteOffset: count * 16, as: StringView.self)
        count += 1
    }

    package func append(string: String) {
        var string = string
        string.withUTF8 { append(bytes: $0) }
    }

    package func appendNull() {
        reserve(1)
        markNull(count)
        writeDefault(at: count)
        for child in children where type.layout == .structure { child.appendNull() }
        count += 1
    }

    /// Ends a list value whose elements were appended to `listElements` before.
    package func appendList(elementCount: Int) {
        reserve(1)
        let end = children.first?.count ?? 0
        let view = ListView(offset: UInt32(truncatingIfNeeded: end - elementCount), length: UInt32(truncatingIfNeeded: elementCount))
        values.base.storeBytes(of: view, toByteOffset: count * 8, as: ListView.self)
        count += 1
    }

    /// Ends a structure value whose fields were appended to `fields` before.
    package func appendStructure() {
        reserve(1)
        count += 1
    }

    package var listElements: ColumnBuilder? { children.first }
    package var fields: [ColumnBuilder] { children }

    /// A boxed value that suits the type; one that does not becomes NULL.
    package func append(_ value: Value) {
        switch (value, type.layout) {
        case (.boolean(let value), .bool): append(bool: value)
        case (.integer(let value), .int64): append(int64: value)
        case (.double(let value), .double): append(double: value)
        case (.decimal(let value), .int128): append(int128: value)
        case (.interval(let value), .int128): append(int128: value.packed)
        case (.string(let value), .string): append(string: value)
        case (.bytes(let value), .string): value.withUnsafeBufferPointer { append(bytes: $0) }
        case (.list(let values), .list):
            for value in values { children[0].append(value) }
            appendList(elementCount: values.count)
        case (.list(let values), .structure):
            for (child, value) in zip(children, values) { child.append(value) }
            appendStructure()
        default: appendNull()
        }
    }

    package func append(repeating value: Value, count repeats: Int) {
        guard repeats > 0 else { return }
        reserve(repeats)
        let start = count
        append(value)
        guard type.layout != .structure, type.layout != .list else {
            for _ in 1..<max(repeats, 1) { append(value) }
            return
        }
        let isNull = value.isNull || (validity != nil && !bit(start))
        for row in start + 1..<start + repeats {
            memcpy(values.base + row * stride, values.base + start * stride, stride)
            if isNull { markNull(row) }
        }
        count = start + repeats
    }

    // MARK: Whole vectors

    /// Row `row` of `column`, which has the same layout. Bytes are copied.
    package func append(from column: Column, row: Int) {
        if column.isNull(row) { return appendNull() }
        switch type.layout {
        case .bool: append(bool: column.bools[row] != 0)
        case .int64: append(int64: column.int64s[row])
        case .double: append(double: column.doubles[row])
        case .int128: append(int128: column.int128s[row])
        case .string: append(bytes: column.strings[row].bytes)
        case .list:
            let list = column.lists[row]
            for element in 0..<Int(list.length) { children[0].append(from: column.children[0], row: Int(list.offset) + element) }
            appendList(elementCount: Int(list.length))
        case .structure:
            for (child, source) in zip(children, column.children) { child.append(from: source, row: row) }
            appendStructure()
        }
    }

    /// Every row of `column`, which has the same layout. Bytes of strings are copied unless `sharing`, in which case the
    /// column's buffers are kept alive instead.
    package func append(contentsOf column: Column, sharing: Bool = false) {
        let added = column.count
        guard added > 0 else { return }
        if type.layout == .string && !sharing {
            reserve(added)
            for row in 0..<added { append(from: column, row: row) }
            return
        }
        if type.layout == .list { return append(listsOf: column, nil, sharing: sharing) }
        if type.layout == .structure {
            reserve(added)
            for (child, source) in zip(children, column.children) { child.append(contentsOf: source, sharing: sharing) }
            markNulls(of: column.validity, nil, added)
            count += added
            return
        }
        reserve(added)
        memcpy(values.base + count * stride, column.values, added * stride)
        markNulls(of: column.validity, nil, added)
        if type.layout == .string { keepAlive(column.owners) }
        count += added
    }

    /// Rows `rows` of `column`, in that order. Views of strings are shared, and the column's buffers kept alive.
    package func append(gathering column: Column, _ rows: UnsafeBufferPointer<Int32>) {
        let added = rows.count
        guard added > 0 else { return }
        reserve(added)
        switch type.layout {
        case .bool:
            let target = (values.base + count).assumingMemoryBound(to: UInt8.self)
            let source = column.bools
            for index in 0..<added { target[index] = source[Int(rows[index])] }
        case .int64, .double:
            let target = (values.base + count * 8).assumingMemoryBound(to: Int64.self)
            let source = column.int64s
            for index in 0..<added { target[index] = source[Int(rows[index])] }
        case .int128:
            let target = (values.base + count * 16).assumingMemoryBound(to: Int128.self)
            let source = column.int128s
            for index in 0..<added { target[index] = source[Int(rows[index])] }
        case .string:
            let target = (values.base + count * 16).assumingMemoryBound(to: StringView.self)
            let source = column.strings
            for index in 0..<added { target[index] = source[Int(rows[index])] }
            keepAlive(column.owners)
        case .list: return append(listsOf: column, rows, sharing: true)
        case .structure:
            for (child, source) in zip(children, column.children) { child.append(gathering: source, rows) }
        }
        markNulls(of: column.validity, rows.baseAddress, added)
        count += added
    }

    /// Lists, all or those of `rows`: the elements that are theirs, in one gather, without the gaps between them.
    private func append(listsOf column: Column, _ rows: UnsafeBufferPointer<Int32>?, sharing: Bool) {
        let added = rows?.count ?? column.count
        reserve(added)
        let source = column.lists
        let target = (values.base + count * 8).assumingMemoryBound(to: ListView.self)
        var elements: [Int32] = []
        var next = children[0].count
        for index in 0..<added {
            let row = rows.map { Int($0[index]) } ?? index
            guard !column.isNull(row) else {
                markNull(count + index)
                target[index] = ListView(offset: 0, length: 0)
                continue
            }
            let list = source[row]
            target[index] = ListView(offset: UInt32(truncatingIfNeeded: next), length: list.length)
            for element in 0..<Int(list.length) { elements.append(Int32(truncatingIfNeeded: Int(list.offset) + element)) }
            next += Int(list.length)
        }
        if sharing {
            elements.withUnsafeBufferPointer { children[0].append(gathering: column.children[0], $0) }
        } else {
            for element in elements { children[0].append(from: column.children[0], row: Int(element)) }
        }
        count += added
    }

    /// Keeps buffers alive for as long as the finished column lives.
    package func keepAlive(_ buffers: [Buffer]) {
        for buffer in buffers where !kept.suffix(4).contains(where: { $0 === buffer }) { kept.append(buffer) }
    }

    // MARK: End

    package func finish() -> Column {
        let column = Column(
            type: type, count: count, values: values, validity: validity, heap: kept + heap, children: children.map { $0.finish() })
        count = 0
        capacity = 16
        values = Buffer(byteCount: capacity * stride)
        validity = nil
        heap = []
        kept = []
        heapUsed = 0
        return column
    }

    // MARK: Inside

    private func bit(_ row: Int) -> Bool {
        guard let validity else { return true }
        return validity.base.load(fromByteOffset: (row >> 6) * 8, as: UInt64.self) & (1 << UInt64(row & 63)) != 0
    }

    /// The NULLs among `added` values that were put behind the last one: the rows of a bitmap, all or those of `rows`.
    private func markNulls(of source: UnsafePointer<UInt64>?, _ rows: UnsafePointer<Int32>?, _ added: Int) {
        guard let source else { return }
        for index in 0..<added {
            let row = rows.map { Int($0[index]) } ?? index
            if source[row >> 6] & (1 << UInt64(row & 63)) == 0 { markNull(count + index) }
        }
    }

    private func markNull(_ row: Int) {
        let bits: Buffer
        if let validity {
            bits = validity
        } else {
            bits = Bitmap.allValid(capacity)
            validity = bits
        }
        let words = bits.base.assumingMemoryBound(to: UInt64.self)
        words[row >> 6] &= ~(1 << UInt64(row & 63))
    }

    private func writeDefault(at row: Int) {
        if type.layout == .string {
            values.base.storeBytes(of: StringView.empty, toByteOffset: row * 16, as: StringView.self)
        } else {
            memset(values.base + row * stride, 0, stride)
        }
    }

    private func copyToHeap(_ source: UnsafeBufferPointer<UInt8>) -> StringView {
        guard let start = source.baseAddress, source.count > 0 else { return .empty }
        if heapUsed == 0 || heap.isEmpty || heapUsed + source.count > (heap.last?.byteCount ?? 0) {
            heap.append(Buffer(byteCount: max(ColumnBuilder.heapBlockByteCount, source.count)))
            heapUsed = 0
        }
        guard let block = heap.last else { return .empty }
        let target = block.base + heapUsed
        memcpy(target, start, source.count)
        heapUsed += source.count
        return StringView(UnsafePointer(target.assumingMemoryBound(to: UInt8.self)), count: source.count)
    }
}

extension Column {
    /// Rows `rows` in that order. Strings share their bytes with this column.
    package func gather(_ rows: UnsafeBufferPointer<Int32>) -> Column {
        let builder = ColumnBuilder(type, capacity: rows.count)
        builder.append(gathering: self, rows)
        return builder.finish()
    }

    package func gather(_ rows: [Int32]) -> Column { rows.withUnsafeBufferPointer { gather($0) } }

    /// All columns one after the other; they share type. Strings share their bytes.
    package static func concatenate(_ columns: [Column], type: SQLType) -> Column {
        if columns.count == 1 { return columns[0] }
        let builder = ColumnBuilder(type, capacity: columns.reduce(0) { $0 + $1.count })
        for column in columns { builder.append(contentsOf: column, sharing: true) }
        return builder.finish()
    }
}
