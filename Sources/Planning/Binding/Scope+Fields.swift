// Scope+Fields: names with dots: `t.price`, `bid.price`, `t.bid.price.currency`.
//
// A table's name is tried before a column's, as in PostgreSQL and Flink: with a table `bid` in FROM, `bid.price` is its column. When the
// table has no such column, or there is no such table, the first part may be a column of type ROW, and what follows names fields.

import Columns
import Syntax

extension Scope {
    /// The column that a name begins with, and the fields to take from it.
    func resolvePath(_ name: QualifiedName) throws(SQLError) -> (column: ScopeColumn, fields: ArraySlice<Identifier>) {
        let parts = name.parts
        guard parts.count > 1 else { return (try resolve(name), []) }
        if hasTable(parts[0]) {
            let table = try tableNamed(parts[0], span: name.span)
            if let column = try find(parts[1], table: table, span: name.span) { return (column, parts.dropFirst(2)) }
            if let column = try rowColumn(parts[0]) { return (column, parts.dropFirst()) }
            throw undefined(name)
        }
        if let column = try rowColumn(parts[0]) { return (column, parts.dropFirst()) }
        // A schema's name before the table's says nothing.
        if parts.count > 2, hasTable(parts[1]), let column = try find(parts[2], table: try tableNamed(parts[1], span: name.span), span: name.span) {
            return (column, parts.dropFirst(3))
        }
        return (try resolve(name), [])
    }

    /// Whether `x.*` means the fields of a ROW value and not the columns of a table.
    func rowOfStar(_ qualifier: QualifiedName) throws(SQLError) -> Bool {
        if qualifier.parts.count == 1 {
            if hasTable(qualifier.last) { return false }
            return try rowColumn(qualifier.last) != nil
        }
        guard let found = try? resolvePath(qualifier) else { return false }
        return found.column.type.isRow
    }

    private func hasTable(_ identifier: Identifier) -> Bool {
        tables.contains { $0.lowercased() == identifier.name.lowercased() }
    }

    private func rowColumn(_ identifier: Identifier) throws(SQLError) -> ScopeColumn? {
        let lowered = identifier.name.lowercased()
        guard columns.contains(where: { $0.type.isRow && $0.name.lowercased() == lowered }) else { return nil }
        guard let column = try find(identifier, span: identifier.span), column.type.isRow else { return nil }
        return column
    }
}

extension SQLType {
    var isRow: Bool { if case .row = self { true } else { false } }
}
