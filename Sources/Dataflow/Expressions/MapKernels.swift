// MapKernels: functions of maps. A map is a list of ROW<key, value>, so its keys, values and entries are views of its memory.

import Columns
import Planning

enum MapKernels {
    static func kernel(_ request: KernelRequest) -> Kernel? {
        switch request.function {
        case .mapKeys: return part(0)
        case .mapValues: return part(1)
        case .mapEntries:
            return { call in
                let map = call.operands[0].expanded(call.rows)
                return Column(
                    type: call.type, count: map.count, values: map.values, validity: map.validity, children: map.children, owners: map.owners)
            }
        case .mapFromEntries: return fromEntries
        case .mapFromArrays: return fromArrays
        case .mapContainsKey:
            return { call in
                let (map, key) = (call.operands[0], call.operands[1])
                let order = ColumnOrder(map.column.children[0].children[0], key.column)
                return call.bools { row in map.elements(row).map { $0.contains { order.isEqual($0, row & key.mask) } } }
            }
        case .stringToMap: return fromText
        case .mapUnion: return union
        default: return nil
        }
    }

    /// The first map's entries but for the keys that the second one has, then the second one's.
    private static let union: Kernel = { call in
        let (first, second) = (call.operands[0], call.operands[1])
        let (a, b) = (first.column.children[0], second.column.children[0])
        let pool = Column.concatenate([a, b], type: a.type)
        let order = ColumnOrder(b.children[0], b.children[0])
        let across = ColumnOrder(a.children[0], b.children[0])
        return call.lists(pool: pool) { row, writer in
            guard let own = first.elements(row), let others = second.elements(row) else { return false }
            let sorted = others.sorted { order.compare($0, $1) < 0 }
            for entry in own {
                var low = 0
                var high = sorted.count
                while low < high {
                    let middle = (low + high) / 2
                    if across.compare(entry, sorted[middle]) > 0 { low = middle + 1 } else { high = middle }
                }
                if low == sorted.count || across.compare(entry, sorted[low]) != 0 { writer.append(entry) }
            }
            for entry in others { writer.append(a.count + entry) }
            return true
        }
    }

    private static func part(_ index: Int) -> Kernel {
        { call in
            let map = call.operands[0].expanded(call.rows)
            return Column(
                type: call.type, count: map.count, values: map.values, validity: map.validity, children: [map.children[0].children[index]],
                owners: map.owners)
        }
    }

    private static let fromArrays: Kernel = { call in
        let (keys, values) = (call.operands[0], call.operands[1])
        let views = Buffer.zeroed(byteCount: call.rows * 8)
        var validity = ValidityBuilder(call.strictValidity(), rows: call.rows)
        var keyRows: [Int32] = []
        var valueRows: [Int32] = []
        for row in 0..<call.rows {
            guard let ownKeys = keys.elements(row), let ownValues = values.elements(row) else {
                validity.clear(row)
                continue
            }
            var fault: String?
            if ownKeys.count != ownValues.count { fault = "a map of \(ownKeys.count) keys and \(ownValues.count) values" }
            if ownKeys.contains(where: { keys.column.children[0].isNull($0) }) { fault = "a key of a MAP cannot be NULL" }
            if let fault {
                call.fail(row, fault)
                validity.clear(row)
                continue
            }
            let view = ListView(offset: UInt32(truncatingIfNeeded: keyRows.count), length: UInt32(truncatingIfNeeded: ownKeys.count))
            views.base.storeBytes(of: view, toByteOffset: row * 8, as: ListView.self)
            for index in ownKeys { keyRows.append(Int32(truncatingIfNeeded: index)) }
            for index in ownValues { valueRows.append(Int32(truncatingIfNeeded: index)) }
        }
        let entries = NestedKernels.entries(
            key: keys.column.children[0].gather(keyRows), value: values.column.children[0].gather(valueRows), of: call.type)
        return Column(type: call.type, count: call.rows, values: views, validity: validity.buffer, children: [entries])
    }

    private static let fromEntries: Kernel = { call in
        let operand = call.operands[0]
        let list = operand.expanded(call.rows)
        let entries = list.children[0]
        var validity = ValidityBuilder(Bitmap.and(list.validity, nil, rows: call.rows), rows: call.rows)
        for row in 0..<call.rows where !list.isNull(row) {
            guard let range = Operand(list).elements(row) else { continue }
            if range.contains(where: { entries.isNull($0) || entries.children[0].isNull($0) }) {
                call.fail(row, "a key of a MAP cannot be NULL")
                validity.clear(row)
            }
        }
        let renamed = Column(
            type: call.type.element ?? .null, count: entries.count, values: entries.values, children: entries.children, owners: entries.owners)
        return Column(
            type: call.type, count: call.rows, values: list.values, children: [renamed], owners: list.owners
        ).withValidity(validity.buffer)
    }

    /// `k1=v1,k2=v2`; a part without the second delimiter is a key without a value. Parts of the text are views of it.
    private static let fromText: Kernel = { call in
        let text = call.operands[0]
        let comma = Array(",".utf8)
        let equals = Array("=".utf8)
        let builder = ColumnBuilder(call.type, capacity: call.rows)
        guard let entries = builder.listElements, entries.fields.count == 2 else {
            return Column.constant(.null, type: call.type, count: call.rows)
        }
        for field in entries.fields { field.keepAlive(text.column.owners) }
        comma.withUnsafeBufferPointer { comma in
            equals.withUnsafeBufferPointer { equals in
                func delimiter(_ index: Int, _ row: Int, _ usual: UnsafeBufferPointer<UInt8>) -> StringView {
                    guard call.operands.count > index else {
                        return usual.baseAddress.map { StringView($0, count: usual.count) } ?? .empty
                    }
                    return call.operands[index].strings[row]
                }
                for row in 0..<call.rows {
                    if call.operands.contains(where: { $0.isNull(row) }) {
                        builder.appendNull()
                        continue
                    }
                    let view = text.strings[row]
                    let (between, within) = (delimiter(1, row, comma), delimiter(2, row, equals))
                    let start = entries.count
                    var position = 0
                    while position < view.count {
                        let end = between.count > 0 ? Text.find(between.bytes, in: view.bytes, from: position) ?? view.count : view.count
                        let part = StringView(view.pointer + position, count: end - position)
                        if within.count > 0, let split = Text.find(within.bytes, in: part.bytes, from: 0) {
                            entries.fields[0].append(view: split == 0 ? .empty : StringView(part.pointer, count: split))
                            let rest = part.count - split - within.count
                            entries.fields[1].append(view: rest == 0 ? .empty : StringView(part.pointer + split + within.count, count: rest))
                        } else {
                            entries.fields[0].append(view: part)
                            entries.fields[1].appendNull()
                        }
                        entries.appendStructure()
                        position = end + max(between.count, 1)
                    }
                    builder.appendList(elementCount: entries.count - start)
                }
            }
        }
        return builder.finish()
    }
}
