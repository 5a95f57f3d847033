// ColumnPath: a column of a schema, or a field inside one: `bid`, `bid.price`.
//
// What a scan is asked for. A path goes through ROW fields only; an element of a list is no column.

package struct ColumnPath: Hashable, Comparable, Sendable {
    package var column: Int
    /// The field to take at each level; empty for the column itself.
    package var fields: [Int]

    package init(_ column: Int, fields: [Int] = []) {
        self.column = column
        self.fields = fields
    }

    /// By column, then field by field.
    package static func < (left: ColumnPath, right: ColumnPath) -> Bool {
        left.column == right.column ? left.fields.lexicographicallyPrecedes(right.fields) : left.column < right.column
    }

    /// The type at the end of the path; nil when the path leads nowhere.
    package func type(in types: [SQLType]) -> SQLType? {
        guard types.indices.contains(column) else { return nil }
        return types[column].field(at: fields[...])?.type
    }

    /// `bid.price`.
    package func name(in schema: Schema) -> String {
        guard schema.fields.indices.contains(column) else { return "?" }
        var name = schema[column].name
        var type = schema[column].type
        for index in fields {
            guard case .row(let inner) = type, inner.indices.contains(index) else { return name + ".?" }
            name += "." + inner[index].name
            type = inner[index].type
        }
        return name
    }

    /// Reads `paths` where only whole columns can be had: the columns to ask for, each once, and for each path where it begins among them.
    package static func wholeColumns(of paths: [ColumnPath]) -> (columns: [Int], places: [Int]) {
        let columns = Set(paths.map(\.column)).sorted()
        return (columns, paths.map { path in columns.firstIndex(of: path.column) ?? 0 })
    }
}

extension SQLType {
    /// The field that a path of field numbers leads to; this type, without a name, for an empty one.
    package func field(at path: ArraySlice<Int>) -> Field? {
        guard let first = path.first else { return Field(name: "", type: self) }
        guard case .row(let fields) = self, fields.indices.contains(first) else { return nil }
        if path.count == 1 { return fields[first] }
        return fields[first].type.field(at: path.dropFirst())
    }
}

extension Column {
    /// The field that a path leads to. O(1): where a structure is NULL, so are its fields.
    package func field(at path: [Int]) -> Column {
        var column = self
        for index in path {
            guard column.children.indices.contains(index) else { return column }
            column = column.children[index]
        }
        return column
    }
}

extension RowBatch {
    /// The columns that paths lead to; `places` says among which of this batch's columns each begins.
    package func following(_ paths: [ColumnPath], places: [Int]) -> RowBatch {
        replacing(columns: zip(paths, places).map { columns[$1].field(at: $0.fields) })
    }
}
