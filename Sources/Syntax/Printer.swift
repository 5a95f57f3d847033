// Printer: a tree back to SQL, such that reading the SQL again gives an equal tree, places and needless quotes apart.
//
// Everything is a function from a piece of the tree to text; a query also takes its indent, or nil for a single line. What is
// printed is canonical, not what was written: keywords in upper case, `<>` for `!=`, `CAST(x AS t)` for `x::t`, types under their
// first name. Parentheses stand only where precedence asks for them, with one exception: between operators that people mix up
// (`NOT`, comparisons, IS) they are kept. Names are quoted when they would otherwise be read as something else.

package enum Printer {
    /// A statement over several lines, one clause a line, without the semicolon.
    package static func print(_ statement: Statement) -> String { self.statement(statement) }

    /// A query over several lines.
    package static func print(_ query: Query) -> String { self.query(query, indent: 0) }

    /// An expression on one line: for error messages and default column names.
    package static func print(_ expression: Expression) -> String { self.expression(expression) }

    package static func print(_ type: TypeName) -> String { typeName(type) }

    package static func print(_ name: QualifiedName) -> String { qualified(name) }

    package static func print(_ identifier: Identifier) -> String { quote(identifier.name) }

    // MARK: Names

    /// The name, in quotes when it would not be read as this name without them.
    package static func quote(_ name: String) -> String {
        if isPlain(name), let keyword = Keyword.find(name) {
            return keyword.isReserved || quotedKeywords.contains(keyword) ? quoted(name) : name
        }
        return isPlain(name) ? name : quoted(name)
    }

    /// Not reserved, but here and there something else than a name.
    private static let quotedKeywords: Set<Keyword> = [
        .asof, .emit, .groups, .interval, .map, .matchRecognize, .partition, .primary, .qualify, .range, .recursive, .rows,
        .similar, .start, .stream, .unbounded, .values, .watermark, .window, .current,
    ]

    static func quoted(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    private static func isPlain(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        guard let first = bytes.first, Lexer.startsWord(first) else { return false }
        // Unicode's spaces and quotes end a word, so everything beyond ASCII is quoted.
        return bytes.allSatisfy { $0 < 0x80 && Lexer.continuesWord($0) }
    }

    static func qualified(_ name: QualifiedName) -> String { name.parts.map { quote($0.name) }.joined(separator: ".") }

    static func names(_ names: [Identifier]) -> String { names.map { quote($0.name) }.joined(separator: ", ") }

    /// A string literal.
    package static func string(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }

    // MARK: Types

    static func typeName(_ type: TypeName) -> String {
        switch type.kind {
        case .boolean: return "BOOLEAN"
        case .smallint: return "SMALLINT"
        case .integer: return "INT"
        case .bigint: return "BIGINT"
        case .real: return "REAL"
        case .double: return "DOUBLE"
        case .decimal(let precision?, let scale?): return "DECIMAL(\(precision), \(scale))"
        case .decimal(let precision?, nil): return "DECIMAL(\(precision))"
        case .decimal: return "DECIMAL"
        case .varchar(let length): return "VARCHAR" + parenthesised(length)
        case .char(let length): return "CHAR" + parenthesised(length)
        case .bytes: return "BYTES"
        case .date: return "DATE"
        case .time(let precision): return "TIME" + parenthesised(precision)
        case .timestamp(let precision, let hasTimeZone):
            return "TIMESTAMP" + parenthesised(precision) + (hasTimeZone ? " WITH TIME ZONE" : "")
        case .interval: return "INTERVAL"
        case .array(let element): return "ARRAY<\(typeName(element))>"
        case .map(let key, let value): return "MAP<\(typeName(key)), \(typeName(value))>"
        case .row(let fields):
            return "ROW<" + fields.map { "\(quote($0.name.name)) \(typeName($0.type))" }.joined(separator: ", ") + ">"
        case .json: return "JSON"
        case .system(let name): return name == "char" ? "\"char\"" : name.uppercased()
        }
    }

    private static func parenthesised(_ number: Int?) -> String { number.map { "(\($0))" } ?? "" }
}
