// NestedKernels: elements by number or key, and the constructors of arrays, rows and maps.

import Columns
import Planning

enum NestedKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .element:
            switch request.arguments.first {
            case .array?: return arrayElement
            case .map?: return mapElement
            default: return nil
            }
        case .makeArray:
            return { call in
                let (pool, bases) = pool(call, call.operands.indices)
                return call.lists(strict: false, pool: pool) { row, writer in
                    for (operand, base) in zip(call.operands, bases) { writer.append(base + (row & operand.mask)) }
                    return true
                }
            }
        case .makeRow:
            return { call in
                Column(
                    type: call.type, count: call.rows, values: Buffer(byteCount: 0), children: call.operands.map { $0.expanded(call.rows) })
            }
        case .makeMap: return makeMap
        default: return nil
        }
    }

    /// Some operands one behind the other as one column, and where each begins in it. A constant one is there once.
    static func pool(_ call: KernelCall, _ indices: some Collection<Int>) -> (pool: Column, bases: [Int]) {
        let columns = indices.map { call.operands[$0].column }
        guard let type = columns.first?.type else { return (Column.constant(.null, type: call.type.element ?? .null, count: 0), []) }
        var bases: [Int] = []
        var next = 0
        for column in columns {
            bases.append(next)
            next += column.count
        }
        return (Column.concatenate(columns, type: type), bases)
    }

    /// From 1; outside the array NULL.
    private static let arrayElement: Kernel = { call in
        let (array, index) = (call.operands[0], call.operands[1])
        let numbers = index.int64s
        var rows = [Int32](repeating: -1, count: call.rows)
        for row in 0..<call.rows {
            guard !index.isNull(row), let elements = array.elements(row) else { continue }
            let number = numbers[row]
            if number >= 1, number <= Int64(elements.count) {
                rows[row] = Int32(truncatingIfNeeded: elements.lowerBound + Int(number) - 1)
            }
        }
        return array.column.children[0].gatherOptional(rows)
    }

    /// The value of the last entry with that key.
    private static let mapElement: Kernel = { call in
        let (map, key) = (call.operands[0], call.operands[1])
        let entries = map.column.children[0]
        let order = ColumnOrder(entries.children[0], key.column)
        var rows = [Int32](repeating: -1, count: call.rows)
        for row in 0..<call.rows {
            guard !key.isNull(row), let range = map.elements(row) else { continue }
            if let entry = range.last(where: { order.isEqual($0, row & key.mask) }) { rows[row] = Int32(truncatingIfNeeded: entry) }
        }
        return entries.children[1].gatherOptional(rows)
    }

    private static let makeMap: Kernel = { call in
        guard case .map(let keyType, let valueType) = call.type else { return Column.constant(.null, type: call.type, count: call.rows) }
        let count = call.operands.count / 2
        let (keys, keyBases) = pool(call, stride(from: 0, to: call.operands.count, by: 2).map { $0 })
        let (values, valueBases) = pool(call, stride(from: 1, to: call.operands.count, by: 2).map { $0 })
        var keyRows: [Int32] = []
        var valueRows: [Int32] = []
        let views = Buffer.zeroed(byteCount: call.rows * 8)
        var validity = ValidityBuilder(nil, rows: call.rows)
        for row in 0..<call.rows {
            if (0..<count).contains(where: { call.operands[$0 * 2].isNull(row) }) {
                call.fail(row, "a key of a MAP cannot be NULL")
                validity.clear(row)
                continue
            }
            let view = ListView(offset: UInt32(truncatingIfNeeded: keyRows.count), length: UInt32(truncatingIfNeeded: count))
            views.base.storeBytes(of: view, toByteOffset: row * 8, as: ListView.self)
            for entry in 0..<count {
                keyRows.append(Int32(truncatingIfNeeded: keyBases[entry] + (row & call.operands[entry * 2].mask)))
                valueRows.append(Int32(truncatingIfNeeded: valueBases[entry] + (row & call.operands[entry * 2 + 1].mask)))
            }
        }
        let entries = entries(key: count == 0 ? .constant(.null, type: keyType, count: 0) : keys.gather(keyRows),
                              value: count == 0 ? .constant(.null, type: valueType, count: 0) : values.gather(valueRows), of: call.type)
        return Column(type: call.type, count: call.rows, values: views, validity: validity.buffer, children: [entries])
    }

    /// The child column of a map.
    static func entries(key: Column, value: Column, of type: SQLType) -> Column {
        Column(type: type.element ?? .null, count: key.count, values: Buffer(byteCount: 0), children: [key, value])
    }
}
