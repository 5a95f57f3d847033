// Scope: the names an expression may use, and what they stand for.
//
// A name matches exactly or, when nothing matches exactly, without regard to case. `price` and `"Price"` name the same column unless a
// table has two that differ only by case; then each must be written as it is. A name that fits two columns is an error.

import Columns
import Syntax

struct ScopeColumn {
    /// The table's alias or name; nil where there is none.
    var table: String?
    var name: String
    var type: SQLType
    var ordinal: Int
    /// Merged by USING: only `t.name` means this one, and `*` passes over it.
    var isMerged = false
}

struct Scope {
    var columns: [ScopeColumn]

    /// What `*` stands for.
    var starColumns: [ScopeColumn] { columns.filter { !$0.isMerged } }

    init(columns: [ScopeColumn] = []) { self.columns = columns }

    /// All of `fields` under one table name.
    init(table: String?, fields: [SQLType.Field]) {
        columns = fields.enumerated().map { ScopeColumn(table: table, name: $1.name, type: $1.type, ordinal: $0) }
    }

    var tables: [String] {
        var tables: [String] = []
        for case let table? in columns.map(\.table) where !tables.contains(table) { tables.append(table) }
        return tables
    }

    /// The column that a name stands for.
    func resolve(_ name: QualifiedName) throws(SQLError) -> ScopeColumn {
        if let found = try find(name.last, table: try table(of: name), span: name.span) { return found }
        throw undefined(name)
    }

    /// nil when there is none; ambiguity is an error.
    func find(_ identifier: Identifier, table: String? = nil, span: SourceSpan) throws(SQLError) -> ScopeColumn? {
        let candidates = table == nil ? starColumns : columns.filter { $0.table == table }
        var matches = candidates.filter { $0.name == identifier.name }
        if matches.isEmpty {
            let lowered = identifier.name.lowercased()
            matches = candidates.filter { $0.name.lowercased() == lowered }
        }
        if matches.count > 1 {
            let spellings = matches.map { column in (column.table.map { "\($0)." } ?? "") + column.name }
            let distinct = Set(spellings).count == spellings.count
            throw SQLError(
                "column reference \"\(identifier.name)\" is ambiguous", at: span,
                hint: distinct ? "it could be " + Self.alternatives(spellings) : "give the columns different names with AS",
                code: SQLError.ambiguousColumn)
        }
        return matches.first
    }

    /// The columns of `t.*`.
    func columns(of qualifier: QualifiedName) throws(SQLError) -> [ScopeColumn] {
        let name = try tableNamed(qualifier.last, span: qualifier.span)
        return columns.filter { $0.table == name }
    }

    private func table(of name: QualifiedName) throws(SQLError) -> String? {
        guard name.parts.count > 1 else { return nil }
        let qualifier = name.parts[name.parts.count - 2]
        return try tableNamed(qualifier, span: qualifier.span)
    }

    func tableNamed(_ identifier: Identifier, span: SourceSpan) throws(SQLError) -> String {
        let tables = tables
        if tables.contains(identifier.name) { return identifier.name }
        let matches = tables.filter { $0.lowercased() == identifier.name.lowercased() }
        if matches.count == 1 { return matches[0] }
        if matches.count > 1 {
            throw SQLError(
                "table reference \"\(identifier.name)\" is ambiguous", at: span, hint: "it could be " + Self.alternatives(matches),
                code: SQLError.ambiguousColumn)
        }
        let lowered = identifier.name.lowercased()
        if let column = starColumns.first(where: { $0.name.lowercased() == lowered }) {
            throw SQLError(
                "missing FROM-clause entry for table \"\(identifier.name)\"", at: span,
                hint: "\"\(column.name)\" is a column of type \(column.type.name); only a ROW has fields", code: SQLError.undefinedTable)
        }
        throw SQLError(
            "missing FROM-clause entry for table \"\(identifier.name)\"", at: span,
            hint: NearestName.find(identifier.name, among: tables).map { "did you mean \"\($0)\"?" }
                ?? (tables.isEmpty ? nil : "in scope: " + tables.joined(separator: ", ")),
            code: SQLError.undefinedTable)
    }

    func undefined(_ name: QualifiedName) -> SQLError {
        let written = name.parts.map(\.name).joined(separator: ".")
        var hint = NearestName.find(name.last.name, among: columns.map(\.name)).map { "did you mean \"\($0)\"?" }
        if hint == nil, name.parts.count == 1, tables.contains(where: { $0.lowercased() == name.last.name.lowercased() }) {
            hint = "\"\(name.last.name)\" is a table; name one of its columns"
        }
        if hint == nil, name.parts.count == 1 { hint = NameHints.column(name.last) }
        if hint == nil, columns.isEmpty { hint = "there is no FROM clause to take columns from" }
        if hint == nil {
            // Of the table that was named, when one was.
            let table = name.parts.count > 1 ? name.parts[name.parts.count - 2].name.lowercased() : nil
            let known = starColumns.filter { table == nil || $0.table?.lowercased() == table }
            if (1...12).contains(known.count) {
                hint = "there \(known.count == 1 ? "is" : "are") " + known.map(\.name).joined(separator: ", ")
            }
        }
        return SQLError("column \"\(written)\" does not exist", at: name.span, hint: hint, code: SQLError.undefinedColumn)
    }

    static func alternatives(_ names: [String]) -> String {
        guard names.count > 1, let last = names.last else { return names.first ?? "" }
        return names.dropLast().joined(separator: ", ") + " or " + last
    }
}
