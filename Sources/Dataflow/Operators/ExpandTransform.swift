// ExpandTransform: each row once for each list of columns and constants: all rows for the first list, then all for the second.
//
// The rows of one list follow each other, so that groups of one grouping set come together. Nothing is copied but the row of constants.

import Columns

struct ExpandTransform: BatchTransform {
    enum Source {
        case column(Int)
        case constant(Value, SQLType)
    }

    let lists: [[Source]]

    func apply(_ batch: RowBatch, _ context: TaskContext) -> RowBatch {
        guard batch.count > 0, let first = lists.first else { return batch.slice(0..<0) }
        let parts = lists.map { list in
            batch.replacing(
                columns: list.map { source in
                    switch source {
                    case .column(let ordinal): batch.columns[ordinal]
                    case .constant(let value, let type): Column.constant(value, type: type, count: batch.count)
                    }
                })
        }
        let types = first.map { source in
            switch source {
            case .column(let ordinal): batch.columns[ordinal].type
            case .constant(_, let type): type
            }
        }
        return RowBatch.concatenate(parts, types: types)
    }
}
