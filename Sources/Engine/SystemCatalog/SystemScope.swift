// SystemScope, SystemFrame, SystemNode: names, rows and compiled expressions of a query over system relations.
//
// Such queries are those that programs send to find out what there is. They use the whole of PostgreSQL's SQL (subqueries that look outwards
// anywhere, recursive tables, functions that return rows) over relations of a few hundred rows. They are therefore not planned as streams are:
// an expression is compiled to a closure over a frame, a query to a function from the frame around it to rows. Functions, operators and casts that
// have a kernel go through it (`SystemCompiler.delegate`), so that a value is the same here and there.

import Columns
import Syntax

/// The rows in reach of an expression: the current one, and those of the queries around.
final class SystemFrame {
    var row: [Value]
    var aggregates: [Value] = []
    /// What functions in the select list that return rows give for this row of the result.
    var generated: [Value] = []
    let parent: SystemFrame?

    init(row: [Value] = [], parent: SystemFrame?) {
        self.row = row
        self.parent = parent
    }

    /// NULL behind the row's end: a column of a table that is not joined yet.
    func value(_ ordinal: Int) -> Value { ordinal < row.count ? row[ordinal] : .null }
}

struct SystemNode {
    var type: SystemType
    /// A text in quotes, which becomes what its place asks for.
    var isUntyped = false
    var constant: Value?
    var span: SourceSpan
    let evaluate: (SystemFrame) throws -> Value

    init(_ type: SystemType, span: SourceSpan, evaluate: @escaping (SystemFrame) throws -> Value) {
        self.type = type
        self.span = span
        self.evaluate = evaluate
    }

    /// NULL, or a text in quotes: takes the type of what it stands beside.
    var isOpen: Bool { isUntyped || (type.sql == .null && constant != nil) }

    static func constant(_ value: Value, _ type: SystemType, span: SourceSpan, isUntyped: Bool = false) -> SystemNode {
        var node = SystemNode(type, span: span) { _ in value }
        node.constant = value
        node.isUntyped = isUntyped
        return node
    }

    func retyped(_ type: SystemType) -> SystemNode {
        var node = self
        node.type = type
        node.isUntyped = false
        return node
    }
}

/// Tells whether a query looks at rows of the one around it: if not, it is run once.
final class SystemBoundary {
    var isCorrelated = false
}

final class SystemScope {
    struct Column {
        var table: String?
        var name: String
        var type: SystemType
        /// Found only with its table's name: the right one of two that USING made one.
        var isHidden = false
        /// Not one of `*`: PostgreSQL's `tableoid`.
        var isSystem = false
    }

    private(set) var columns: [Column] = []
    let parent: SystemScope?
    let boundary: SystemBoundary
    /// Ordinals that were resolved since this was last emptied.
    var used: Set<Int> = []
    /// Values of groups, and of functions that return rows, that the select list asks for.
    var aggregates: [SystemAggregate] = []
    var generators: [SystemNode] = []
    /// Why an aggregate cannot stand where the compiler is now; nil where it can.
    var aggregateRefusal: String?
    var generatorRefusal: String?

    init(parent: SystemScope?, boundary: SystemBoundary) {
        self.parent = parent
        self.boundary = boundary
    }

    func add(_ column: Column) { columns.append(column) }
    func hide(_ index: Int) { columns[index].isHidden = true }
    func rename(_ range: Range<Int>, table: String?) { for index in range { columns[index].table = table } }

    /// Where a name leads: how many queries out, and which column there.
    func find(_ name: QualifiedName, in range: Range<Int>? = nil) throws(SQLError) -> (level: Int, ordinal: Int, type: SystemType)? {
        var level = 0
        var scope: SystemScope? = self
        while let here = scope {
            if let ordinal = try here.local(name, in: level == 0 ? range : nil) {
                here.used.insert(ordinal)
                mark(levels: level)
                return (level, ordinal, here.columns[ordinal].type)
            }
            level += 1
            scope = here.parent
        }
        return nil
    }

    /// Notes that everything between here and so many queries out looks outwards.
    func mark(levels: Int) {
        var scope: SystemScope? = self
        for _ in 0..<levels {
            scope?.boundary.isCorrelated = true
            scope = scope?.parent
        }
    }

    private func local(_ name: QualifiedName, in range: Range<Int>?) throws(SQLError) -> Int? {
        let wanted = name.last.name
        let table = name.parts.count > 1 ? name.parts[name.parts.count - 2].name : nil
        func matches(_ index: Int, _ isSame: (String, String) -> Bool) -> Bool {
            let column = columns[index]
            guard isSame(column.name, wanted) else { return false }
            guard let table else { return !column.isHidden }
            return column.table.map { isSame($0, table) } ?? false
        }
        let candidates = Array(range ?? columns.indices)
        var found = candidates.filter { matches($0) { $0 == $1 } }
        if found.isEmpty { found = candidates.filter { matches($0) { $0.lowercased() == $1.lowercased() } } }
        if found.count > 1 {
            throw SQLError("column reference \"\(wanted)\" is ambiguous", at: name.span, hint: "write the table's name before it", code: "42702")
        }
        return found.first
    }

    /// The columns that `*`, or `table.*`, stands for.
    func star(_ qualifier: QualifiedName?) -> [Int] {
        let shown = columns.indices.filter { !columns[$0].isSystem }
        guard let table = qualifier?.last.name else { return shown.filter { !columns[$0].isHidden } }
        let exact = shown.filter { columns[$0].table == table }
        return exact.isEmpty ? shown.filter { columns[$0].table?.lowercased() == table.lowercased() } : exact
    }

    var names: [String] { columns.map(\.name) + (parent?.names ?? []) }
}

/// An aggregate of the select list, HAVING or ORDER BY.
struct SystemAggregate {
    var name: String
    var arguments: [SystemNode]
    var isDistinct: Bool
    var order: [SystemOrder]
    var filter: SystemNode?
    var type: SystemType
}

struct SystemOrder {
    var node: SystemNode
    var isDescending: Bool
    var nullsFirst: Bool
}

/// Order and equality of values of one type, as PostgreSQL has them with COLLATE "C".
enum SystemValue {
    /// Negative, zero or positive. Neither is NULL.
    static func compare(_ a: Value, _ b: Value) -> Int {
        switch (a, b) {
        case (.integer(let a), .integer(let b)): return a < b ? -1 : a > b ? 1 : 0
        case (.string(let a), .string(let b)):
            if a == b { return 0 }
            return a.utf8.lexicographicallyPrecedes(b.utf8) ? -1 : 1
        case (.boolean(let a), .boolean(let b)): return a == b ? 0 : a ? 1 : -1
        case (.double(let a), .double(let b)): return a < b ? -1 : a > b ? 1 : 0
        case (.integer(let a), .double(let b)): return Double(a) < b ? -1 : Double(a) > b ? 1 : 0
        case (.double(let a), .integer(let b)): return a < Double(b) ? -1 : a > Double(b) ? 1 : 0
        case (.decimal(let a), .decimal(let b)): return a < b ? -1 : a > b ? 1 : 0
        case (.interval(let a), .interval(let b)):
            // As days of 24 hours and months of 30 days.
            let first = Int128(a.months) * 2_592_000_000_000 + Int128(a.microseconds)
            let second = Int128(b.months) * 2_592_000_000_000 + Int128(b.microseconds)
            return first < second ? -1 : first > second ? 1 : 0
        case (.bytes(let a), .bytes(let b)): return a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
        case (.list(let a), .list(let b)):
            for (first, second) in zip(a, b) {
                if first.isNull || second.isNull {
                    if first.isNull != second.isNull { return first.isNull ? 1 : -1 }
                    continue
                }
                let order = compare(first, second)
                if order != 0 { return order }
            }
            return a.count < b.count ? -1 : a.count > b.count ? 1 : 0
        default: return 0
        }
    }

    /// Whether `compare` understands values of both types at once.
    static func areComparable(_ a: SystemType, _ b: SystemType) -> Bool {
        if a.sql == .null || b.sql == .null { return true }
        if a.sql.isInteger || a.sql.isFloating { return b.sql.isInteger || b.sql.isFloating }
        if case .decimal = a.sql { return a.sql == b.sql }
        if let first = a.element, let second = b.element { return areComparable(first, second) }
        if case .row(let first) = a.sql, case .row(let second) = b.sql {
            return first.count == second.count && zip(first, second).allSatisfy { areComparable(SystemType($0.type), SystemType($1.type)) }
        }
        if a.isText || a.sql == .json { return b.isText || b.sql == .json }
        if a.sql.isTimestamp { return b.sql.isTimestamp }
        return a.sql == b.sql
    }

    static func sort(_ keys: inout [(keys: [Value], place: Int)], by order: [SystemOrder]) {
        keys.sort { left, right in
            for (index, item) in order.enumerated() {
                let (a, b) = (left.keys[index], right.keys[index])
                if a.isNull || b.isNull {
                    if a.isNull && b.isNull { continue }
                    return a.isNull == item.nullsFirst
                }
                let result = compare(a, b)
                if result != 0 { return item.isDescending ? result > 0 : result < 0 }
            }
            return left.place < right.place
        }
    }
}
