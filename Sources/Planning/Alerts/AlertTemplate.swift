// AlertTemplate: a text with `{{ column }}` in it, checked when a rule is created and filled when there is a row.
//
// What stands between the braces is a column's name, quoted or not, and nothing else: a template cannot fail when an alert fires. What is computed is
// computed in the select list. NULL is written as NULL.

import Syntax

package struct AlertTemplate: Hashable, Sendable {
    package enum Piece: Hashable, Sendable {
        case text(String)
        /// A name as the columns have it.
        case column(String)
    }

    package private(set) var pieces: [Piece] = []

    /// A text that holds no template.
    package init(constant text: String) { pieces = text.isEmpty ? [] : [.text(text)] }

    /// `columns` are the names that may be used; `span` is where the text stands as a literal, `what` what the template is ("label team").
    package init(_ text: String, columns: [String], what: String, span: SourceSpan) throws(SQLError) {
        let bytes = Array(text.utf8)
        var start = 0
        var position = 0
        func place(_ from: Int, _ to: Int) -> SourceSpan {
            // Quotes within a literal are written twice.
            guard span.end - span.start >= bytes.count + 2 else { return span }
            func written(_ offset: Int) -> Int { span.start + 1 + offset + bytes[..<min(offset, bytes.count)].filter { $0 == 0x27 }.count }
            return SourceSpan(start: written(from), end: min(written(to), span.end))
        }
        while position < bytes.count {
            guard bytes[position] == 0x7B, position + 1 < bytes.count, bytes[position + 1] == 0x7B else {
                position += 1
                continue
            }
            guard let end = bytes.indices.first(where: { $0 >= position + 2 && $0 + 1 < bytes.count && bytes[$0] == 0x7D && bytes[$0 + 1] == 0x7D }) else {
                throw SQLError("the \"{{\" in \(what) is not closed", at: place(position, position + 2), hint: "write {{ column }}", code: SQLError.invalidParameter)
            }
            if start < position { pieces.append(.text(String(decoding: bytes[start..<position], as: UTF8.self))) }
            var name = String(decoding: bytes[position + 2..<end], as: UTF8.self)
            while name.first == " " || name.first == "\t" { name.removeFirst() }
            while name.last == " " || name.last == "\t" { name.removeLast() }
            let isQuoted = name.count > 2 && name.hasPrefix("\"") && name.hasSuffix("\"")
            if isQuoted { name = String(name.dropFirst().dropLast()) }
            guard let column = Self.find(name, among: columns) else {
                throw SQLError(
                    name.isEmpty ? "\(what) names no column between {{ and }}" : "column \"\(name)\" of \(what) does not exist", at: place(position, end + 2),
                    hint: NearestName.find(name, among: columns).map { "did you mean \"\($0)\"?" }
                        ?? "a template names columns of the select list: \(columns.prefix(8).joined(separator: ", "))", code: SQLError.undefinedColumn)
            }
            pieces.append(.column(column))
            position = end + 2
            start = position
        }
        if start < bytes.count { pieces.append(.text(String(decoding: bytes[start...], as: UTF8.self))) }
    }

    /// Exactly, or without regard to case when that leaves one.
    private static func find(_ name: String, among columns: [String]) -> String? {
        if columns.contains(name) { return name }
        let loose = columns.filter { $0.lowercased() == name.lowercased() }
        return loose.count == 1 ? loose[0] : nil
    }

    /// `value` gives the text of a column; nil for NULL.
    package func render(_ value: (String) -> String?) -> String {
        var text = ""
        for piece in pieces {
            switch piece {
            case .text(let part): text += part
            case .column(let name): text += value(name) ?? "NULL"
            }
        }
        return text
    }
}
