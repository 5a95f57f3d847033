// RowBatch: what flows between operators: equally long columns, and what each row does to the result.

/// What a row of a changelog does. Raw values are stored in frames.
package enum ChangeKind: UInt8, Sendable, CaseIterable {
    case insert = 0, updateBefore = 1, updateAfter = 2, delete = 3

    /// The two letters that files and the prompt show.
    package var symbol: String {
        switch self {
        case .insert: "+I"
        case .updateBefore: "-U"
        case .updateAfter: "+U"
        case .delete: "-D"
        }
    }

    /// Whether the row adds to the result (or takes away from it).
    package var isAddition: Bool { self == .insert || self == .updateAfter }
}

package struct RowBatch: @unchecked Sendable {
    package let count: Int
    package let columns: [Column]
    /// A ChangeKind per row; nil when every row is an insert.
    package let changes: Buffer?
    /// The event-time watermark that held when each row arrived, a TIMESTAMP column in microseconds. Present only when at least one
    /// row of the batch is at or behind it; nil means that no row can be late.
    package let watermarks: Column?

    package init(count: Int, columns: [Column], changes: Buffer? = nil, watermarks: Column? = nil) {
        self.count = count
        self.columns = columns
        self.changes = changes
        self.watermarks = watermarks
    }

    package init(columns: [Column]) { self.init(count: columns.first?.count ?? 0, columns: columns) }

    package func change(at row: Int) -> ChangeKind {
        guard let changes else { return .insert }
        return ChangeKind(rawValue: changes.base.load(fromByteOffset: row, as: UInt8.self)) ?? .insert
    }

    /// The same rows with other columns (a projection).
    package func replacing(columns: [Column]) -> RowBatch {
        RowBatch(count: count, columns: columns, changes: changes, watermarks: watermarks)
    }

    package func slice(_ range: Range<Int>) -> RowBatch {
        if range.lowerBound == 0 && range.upperBound == count { return self }
        return RowBatch(
            count: range.count, columns: columns.map { $0.slice(range) },
            changes: changes.map { Buffer(borrowing: $0.base + range.lowerBound, byteCount: range.count, owner: $0) },
            watermarks: watermarks?.slice(range))
    }

    package func gather(_ rows: UnsafeBufferPointer<Int32>) -> RowBatch {
        var picked: Buffer?
        if let changes {
            let target = Buffer(byteCount: rows.count)
            for index in 0..<rows.count {
                target.base.storeBytes(
                    of: changes.base.load(fromByteOffset: Int(rows[index]), as: UInt8.self), toByteOffset: index, as: UInt8.self)
            }
            picked = target
        }
        return RowBatch(
            count: rows.count, columns: columns.map { $0.gather(rows) }, changes: picked, watermarks: watermarks?.gather(rows))
    }

    package func gather(_ rows: [Int32]) -> RowBatch { rows.withUnsafeBufferPointer { gather($0) } }

    /// The row as boxed values: tests and cold paths.
    package func row(_ index: Int) -> [Value] { columns.map { $0.value(at: index) } }

    /// All batches one after the other; `types` are those of every batch.
    package static func concatenate(_ batches: [RowBatch], types: [SQLType]) -> RowBatch {
        if batches.count == 1 { return batches[0] }
        let total = batches.reduce(0) { $0 + $1.count }
        var changes: Buffer?
        if batches.contains(where: { $0.changes != nil }) {
            let all = Buffer.zeroed(byteCount: total)
            var start = 0
            for batch in batches {
                if let part = batch.changes { all.base.advanced(by: start).copyMemory(from: part.base, byteCount: batch.count) }
                start += batch.count
            }
            changes = all
        }
        let columns = types.indices.map { index in
            Column.concatenate(batches.map { $0.columns[index] }, type: types[index])
        }
        var watermarks: Column?
        if batches.contains(where: { $0.watermarks != nil }) {
            let builder = ColumnBuilder(.timestamp(precision: 6), capacity: total)
            for batch in batches {
                if let part = batch.watermarks {
                    builder.append(contentsOf: part)
                } else {
                    builder.append(repeating: .integer(.min), count: batch.count)
                }
            }
            watermarks = builder.finish()
        }
        return RowBatch(count: total, columns: columns, changes: changes, watermarks: watermarks)
    }

    /// A batch from boxed rows: tests, VALUES, and other cold paths.
    package static func make(_ rows: [[Value]], types: [SQLType]) -> RowBatch {
        let builders = types.map { ColumnBuilder($0, capacity: rows.count) }
        for row in rows {
            for (builder, value) in zip(builders, row) { builder.append(value) }
        }
        return RowBatch(count: rows.count, columns: builders.map { $0.finish() })
    }
}
