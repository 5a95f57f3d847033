// SetNode: x IN (constants). A short list is compared one by one; a long one of integers is looked up by binary search, of
// texts and decimals in a table.

import Columns

final class SetNode: ExpressionNode, @unchecked Sendable {
    let operand: ExpressionNode
    let isNegated: Bool
    /// Whether the list has a NULL: then a miss is NULL.
    private let hasNull: Bool
    private let members: Members

    private enum Members {
        case bools(UInt8)
        case int64s([Int64])
        case doubles([Double])
        case int128s([Int128])
        case texts(StringTable)
        case none
    }

    init(_ operand: ExpressionNode, _ values: [Value], isNegated: Bool) {
        self.operand = operand
        self.isNegated = isNegated
        hasNull = values.contains(.null)
        let layout = operand.type.layout
        switch layout {
        case .bool:
            var bits: UInt8 = 0
            for value in values { if case .boolean(let bool) = value { bits |= bool ? 2 : 1 } }
            members = .bools(bits)
        case .int64: members = .int64s(Array(Set(values.compactMap { if case .integer(let x) = $0 { x } else { nil } })).sorted())
        case .double: members = .doubles(values.compactMap { if case .double(let x) = $0 { x } else { nil } })
        case .int128:
            members = .int128s(
                values.compactMap {
                    switch $0 {
                    case .decimal(let x): x
                    case .interval(let x): Calendar128.comparable(x)
                    default: nil
                    }
                }.sorted())
        case .string:
            members = .texts(
                StringTable(
                    values.compactMap {
                        switch $0 {
                        case .string(let x): Array(x.utf8)
                        case .bytes(let x): x
                        default: nil
                        }
                    }))
        case .list, .structure: members = .none
        }
        super.init(type: .boolean, usedColumns: operand.usedColumns, canFail: operand.canFail, isCostly: operand.isCostly)
    }

    override func evaluate(_ input: EvaluationInput) -> Operand {
        let operand = operand.evaluate(input)
        if operand.isConstantNull { return .null(.boolean) }
        let column = operand.column
        let count = column.count
        let values = Buffer(byteCount: count)
        let target = values.base.assumingMemoryBound(to: UInt8.self)
        switch members {
        case .bools(let bits):
            for row in 0..<count { target[row] = (bits >> column.bools[row]) & 1 }
        case .int64s(let list):
            let source = column.int64s
            list.withUnsafeBufferPointer { list in
                if list.count <= 8 {
                    for row in 0..<count {
                        var hit: UInt8 = 0
                        for member in list { hit |= source[row] == member ? 1 : 0 }
                        target[row] = hit
                    }
                } else {
                    for row in 0..<count { target[row] = SetNode.contains(list, source[row]) ? 1 : 0 }
                }
            }
        case .doubles(let list):
            let source = column.doubles
            for row in 0..<count { target[row] = list.contains { $0 == source[row] || ($0.isNaN && source[row].isNaN) } ? 1 : 0 }
        case .int128s(let list):
            let source = column.int128s
            let isInterval = column.type == .interval
            list.withUnsafeBufferPointer { list in
                for row in 0..<count {
                    let value = isInterval ? Calendar128.comparable(IntervalValue(packed: source[row])) : source[row]
                    target[row] = SetNode.contains(list, value) ? 1 : 0
                }
            }
        case .texts(let table):
            let source = column.strings
            for row in 0..<count { target[row] = table.contains(source[row]) ? 1 : 0 }
        case .none: for row in 0..<count { target[row] = 0 }
        }
        var validity: Buffer?
        if hasNull {
            validity = Bitmap.and(column.validity, nil, rows: count) ?? Bitmap.allValid(count)
            if let words = validity?.base.assumingMemoryBound(to: UInt64.self) {
                for row in 0..<count where target[row] == 0 { words[row >> 6] &= ~(1 << UInt64(row & 63)) }
            }
        }
        if isNegated { for row in 0..<count { target[row] ^= 1 } }
        let bits = validity.map { UnsafePointer($0.base.assumingMemoryBound(to: UInt64.self)) } ?? column.validity
        let result = Column(
            type: .boolean, count: count, values: UnsafeRawPointer(target), validity: bits,
            owners: [values] + (validity.map { [$0] } ?? column.owners))
        return Operand(result, isConstant: operand.isConstant)
    }

    @inline(__always)
    private static func contains<T: Comparable>(_ list: UnsafeBufferPointer<T>, _ value: T) -> Bool {
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low &+ high) >> 1
            if list[middle] < value { low = middle &+ 1 } else { high = middle }
        }
        return low < list.count && list[low] == value
    }
}

/// Intervals compare as PostgreSQL has it: a month counts as 30 days.
enum Calendar128 {
    @inline(__always)
    static func comparable(_ interval: IntervalValue) -> Int128 {
        Int128(interval.months) * Int128(30 * CivilCalendar.microsecondsPerDay) + Int128(interval.microseconds)
    }
}

/// A set of texts, found by their first eight bytes: length and prefix are sorted, ties are compared.
struct StringTable: @unchecked Sendable {
    // Safe to share: never written once made.
    private let views: [StringView]
    private let keys: [UInt64]
    private let owner: Buffer

    init(_ texts: [[UInt8]]) {
        let total = texts.reduce(0) { $0 + $1.count }
        let buffer = Buffer(byteCount: total)
        var made: [StringView] = []
        var offset = 0
        for text in texts {
            let start = buffer.base + offset
            text.withUnsafeBytes { bytes in
                if let source = bytes.baseAddress, bytes.count > 0 { start.copyMemory(from: source, byteCount: bytes.count) }
            }
            made.append(StringView(UnsafePointer(start.assumingMemoryBound(to: UInt8.self)), count: text.count))
            offset += text.count
        }
        owner = buffer
        made.sort { StringTable.key($0) < StringTable.key($1) }
        views = made
        keys = made.map(StringTable.key)
    }

    @inline(__always)
    private static func key(_ view: StringView) -> UInt64 { UInt64(view.length) << 32 | UInt64(view.prefix) }

    @inline(__always)
    func contains(_ view: StringView) -> Bool {
        let key = StringTable.key(view)
        return keys.withUnsafeBufferPointer { keys in
            views.withUnsafeBufferPointer { views in
                var low = 0
                var high = keys.count
                while low < high {
                    let middle = (low &+ high) >> 1
                    if keys[middle] < key { low = middle &+ 1 } else { high = middle }
                }
                while low < keys.count && keys[low] == key {
                    if StringView.equal(views[low], view) { return true }
                    low &+= 1
                }
                return false
            }
        }
    }
}
