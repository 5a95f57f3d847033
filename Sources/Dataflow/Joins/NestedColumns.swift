// NestedColumns: columns of arrays, maps and rows on their way through a join. Its state holds values of fixed width and texts, so a
// nested value is kept as the bytes it has in a snapshot; equal values have equal bytes, so a retraction finds its row.

import Columns

struct NestedColumns: Sendable {
    /// What comes in.
    let types: [SQLType]
    /// What the join works on.
    let stored: [SQLType]
    let isAny: Bool

    init(_ types: [SQLType]) {
        self.types = types
        stored = types.map { NestedColumns.isNested($0) ? .bytes : $0 }
        isAny = stored != types
    }

    static func isNested(_ type: SQLType) -> Bool { type.layout == .list || type.layout == .structure }

    func encode(_ batch: RowBatch) -> RowBatch {
        guard isAny else { return batch }
        return batch.replacing(
            columns: batch.columns.enumerated().map { NestedColumns.isNested(types[$0]) ? NestedColumns.encode($1) : $1 })
    }

    func decode(_ batch: RowBatch) -> RowBatch {
        guard isAny else { return batch }
        return batch.replacing(
            columns: batch.columns.enumerated().map { NestedColumns.isNested(types[$0]) ? NestedColumns.decode($1, types[$0]) : $1 })
    }

    private static func encode(_ column: Column) -> Column {
        let builder = ColumnBuilder(.bytes, capacity: column.count)
        let one = ColumnBuilder(column.type, capacity: 1)
        for row in 0..<column.count {
            if column.isNull(row) {
                builder.appendNull()
                continue
            }
            // By itself, so that its neighbours have no say in its bytes.
            one.append(from: column, row: row)
            var writer = StateWriter()
            writer.write(RowBatch(count: 1, columns: [one.finish()]))
            writer.bytes.withUnsafeBufferPointer { builder.append(bytes: $0) }
        }
        return builder.finish()
    }

    private static func decode(_ column: Column, _ type: SQLType) -> Column {
        let builder = ColumnBuilder(type, capacity: column.count)
        for row in 0..<column.count {
            if column.isNull(row) {
                builder.appendNull()
                continue
            }
            var reader = StateReader(Array(column.strings[row].bytes))
            // Bytes of a damaged snapshot may say anything; a value that cannot be read is NULL.
            if let batch = try? reader.readBatch(types: [type]), batch.count == 1 {
                builder.append(from: batch.columns[0], row: 0)
            } else {
                builder.appendNull()
            }
        }
        return builder.finish()
    }
}
