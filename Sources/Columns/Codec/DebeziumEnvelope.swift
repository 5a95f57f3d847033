// DebeziumEnvelope: change events of Debezium → rows with change kinds.
//
//     {"before": {...} | null, "after": {...} | null, "op": "c" | "r" | "u" | "d", ...}
//
// or the same as the value of "payload", beside a "schema" that says nothing new. The JSON decoder reads a line as one row of the envelope's own
// schema, in which `before` and `after` are ROWs of the stream's columns; `unfold` makes the rows of the stream of it:
//
//     op                                 rows
//     c (create), r (read: a snapshot)   +I after
//     u (update)                         -U before, +U after; of an upsert stream +U after
//     d (delete)                         -D before
//
// A tombstone (a line `null`, or one whose payload is null) follows a delete for the sake of log compaction and has no row. Everything
// else that lacks what its op needs is a bad row. The row to take back must be whole: a database that logs only the key of the old row
// must be told to log it all, or the stream be an upsert stream.

struct DebeziumEnvelope {
    /// An update or a delete is told by the key alone, so the row before is not needed.
    let isUpsert: Bool

    /// Columns of the envelope's schema, and of its payload's.
    private static let beforePlace = 0, afterPlace = 1, opPlace = 2
    static let payloadPlace = 3

    static func schema(of schema: Schema) -> Schema {
        let row = SQLType.row(schema.fields)
        let fields = [SQLType.Field(name: "before", type: row), .init(name: "after", type: row), .init(name: "op", type: .text)]
        return Schema(fields + [.init(name: "payload", type: .row(fields))])
    }

    /// Columns that may not be NULL are so in the row after; in the one before too, of an upsert stream those of the key.
    func require(_ columns: Set<Int>, key: Set<Int>, _ slots: ColumnSlots) {
        let payload = slots.slots[DebeziumEnvelope.payloadPlace].children
        for fields in [slots.slots, payload] {
            for column in columns.sorted() where column < fields[DebeziumEnvelope.afterPlace].childCount {
                fields[DebeziumEnvelope.afterPlace].children[column].isRequired = true
                if !isUpsert || key.contains(column) { fields[DebeziumEnvelope.beforePlace].children[column].isRequired = true }
            }
        }
    }

    // MARK: A row

    private static func isNull(_ slot: UnsafeMutablePointer<ColumnSlot>, _ row: Int) -> Bool {
        slot.pointee.validity[row >> 6] & (1 << UInt64(row & 63)) == 0
    }

    /// The slots of before, after and op: the line's own, or its payload's. nil for a tombstone.
    private func fields(_ slots: ColumnSlots, _ row: Int) -> UnsafeMutablePointer<ColumnSlot>? {
        let own = slots.slots
        if !DebeziumEnvelope.isNull(own + DebeziumEnvelope.payloadPlace, row) { return own[DebeziumEnvelope.payloadPlace].children }
        let isEmpty = (DebeziumEnvelope.beforePlace...DebeziumEnvelope.opPlace).allSatisfy { DebeziumEnvelope.isNull(own + $0, row) }
        return isEmpty ? nil : own
    }

    /// What is wrong with the envelope that was read into a row; nil when nothing is. `hasPayload`: the line names a payload.
    func fault(_ slots: ColumnSlots, _ row: Int, hasPayload: Bool) -> JSONFault.Code? {
        guard let fields = fields(slots, row) else { return hasPayload ? nil : .noOperation }
        guard !DebeziumEnvelope.isNull(fields + DebeziumEnvelope.opPlace, row) else { return .noOperation }
        let view = fields[DebeziumEnvelope.opPlace].values.load(fromByteOffset: row &* 16, as: StringView.self)
        guard view.count == 1, let op = view.bytes.first else { return .badOperation }
        switch op {
        case UInt8(ascii: "c"), UInt8(ascii: "r"): return DebeziumEnvelope.isNull(fields + DebeziumEnvelope.afterPlace, row) ? .noAfter : nil
        case UInt8(ascii: "u"):
            if DebeziumEnvelope.isNull(fields + DebeziumEnvelope.afterPlace, row) { return .noAfter }
            return !isUpsert && DebeziumEnvelope.isNull(fields + DebeziumEnvelope.beforePlace, row) ? .noBefore : nil
        case UInt8(ascii: "d"): return DebeziumEnvelope.isNull(fields + DebeziumEnvelope.beforePlace, row) ? .noBefore : nil
        default: return .badOperation
        }
    }

    // MARK: A batch

    /// The rows of the stream, and for each of them the row of the envelope it came from.
    func unfold(_ columns: [Column], count: Int, types: [SQLType]) -> (batch: RowBatch, origins: [Int32]) {
        let payload = columns[DebeziumEnvelope.payloadPlace]
        let levels = [columns, payload.children]
        // Rows of `before` and `after` at both levels, one behind the other.
        var picked: [Int32] = []
        var origins: [Int32] = []
        var kinds: [UInt8] = []
        var uses = [false, false, false, false]
        func add(_ level: Int, _ place: Int, _ row: Int, _ kind: ChangeKind) {
            let source = level * 2 + place
            uses[source] = true
            picked.append(Int32(truncatingIfNeeded: source * count + row))
            origins.append(Int32(truncatingIfNeeded: row))
            kinds.append(kind.rawValue)
        }
        for row in 0..<count {
            let level = payload.isNull(row) ? 0 : 1
            let op = levels[level][DebeziumEnvelope.opPlace]
            guard !op.isNull(row), let letter = op.strings[row].bytes.first else { continue }
            switch letter {
            case UInt8(ascii: "u"):
                if !isUpsert { add(level, DebeziumEnvelope.beforePlace, row, .updateBefore) }
                add(level, DebeziumEnvelope.afterPlace, row, .updateAfter)
            case UInt8(ascii: "d"): add(level, DebeziumEnvelope.beforePlace, row, .delete)
            default: add(level, DebeziumEnvelope.afterPlace, row, .insert)
            }
        }
        let sources = [
            levels[0][DebeziumEnvelope.beforePlace], levels[0][DebeziumEnvelope.afterPlace], levels[1][DebeziumEnvelope.beforePlace],
            levels[1][DebeziumEnvelope.afterPlace],
        ]
        // Unused sources are left out, so that what is usual costs one copy.
        let kept = sources.indices.filter { uses[$0] }
        guard !kept.isEmpty else { return (RowBatch.make([], types: types), []) }
        if kept.count < sources.count {
            let place = sources.indices.map { source in kept.firstIndex(of: source) ?? 0 }
            for index in picked.indices {
                let position = Int(picked[index])
                picked[index] = Int32(truncatingIfNeeded: place[position / count] * count + position % count)
            }
        }
        let rows = types.indices.map { index in
            Column.concatenate(kept.map { sources[$0].children[index] }, type: types[index]).gatherAll(picked)
        }
        var changes: Buffer?
        if kinds.contains(where: { $0 != ChangeKind.insert.rawValue }) { changes = kinds.withUnsafeBytes { Buffer(copying: $0) } }
        return (RowBatch(count: picked.count, columns: rows, changes: changes), origins)
    }
}

extension Column {
    fileprivate func gatherAll(_ rows: [Int32]) -> Column { rows.withUnsafeBufferPointer { gather($0) } }
}
