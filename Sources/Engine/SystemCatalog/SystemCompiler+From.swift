// SystemCompiler+From: the rows of FROM.
//
// The tables of a SELECT lie side by side in one scope, each in its range of columns, in the order in which they are written; a partial row has the
// columns up to some table. Tables joined by commas are taken from left to right; a condition of WHERE is applied as soon as all its columns are
// there, to one table alone before that is joined. Where a condition says that something of the left is equal to something of the right, the right
// rows are found in a table of theirs by that value; otherwise every pair is looked at.

import Columns
import Planning
import Syntax

/// A table of FROM, or a tree of joins.
final class SystemSource {
    /// Its columns within the scope.
    var range: Range<Int>
    /// Whether its rows depend on those of the tables before it.
    var isLateral: Bool
    /// The rows for a partial row of what stands before (NULLs when they do not depend on it), in the query around.
    let rows: (_ prefix: [Value], _ outer: SystemFrame?) throws -> [[Value]]

    init(range: Range<Int>, isLateral: Bool = false, rows: @escaping (_ prefix: [Value], _ outer: SystemFrame?) throws -> [[Value]]) {
        self.range = range
        self.isLateral = isLateral
        self.rows = rows
    }
}

/// A condition, with the columns of the scope that it names.
struct SystemConjunct {
    var node: SystemNode
    var used: Set<Int>
    /// Of an equality: both sides with theirs.
    var sides: [(node: SystemNode, used: Set<Int>)] = []
}

extension SystemCompiler {
    func compileFrom(_ tables: [TableExpression], _ scope: SystemScope) throws(SQLError) -> [SystemSource] {
        var sources: [SystemSource] = []
        for table in tables { sources.append(try compileTable(table, scope, isLateral: false)) }
        return sources
    }

    /// The conditions that AND joins.
    func conjuncts(_ expression: Expression?, _ scope: SystemScope) throws(SQLError) -> [SystemConjunct] {
        guard let expression else { return [] }
        if case .binary(.and, let left, let right, _) = expression.kind { return try conjuncts(left, scope) + conjuncts(right, scope) }
        let outside = scope.used
        defer { scope.used = outside.union(scope.used) }
        if case .binary(.equal, let left, let right, _) = expression.kind {
            scope.used = []
            let first = try compile(left, scope)
            let firstUsed = scope.used
            scope.used = []
            let second = try compile(right, scope)
            let secondUsed = scope.used
            let (a, b) = try unify(first, second)
            let node = try compare(.equal, a, b, expression.span)
            // A hash finds only what is the same in every bit.
            let isHashable = a.type.sql.isInteger && b.type.sql.isInteger || a.type.isText && b.type.isText
            scope.used = firstUsed.union(secondUsed)
            return [SystemConjunct(node: node, used: scope.used, sides: isHashable ? [(a, firstUsed), (b, secondUsed)] : [])]
        }
        scope.used = []
        let node = try condition(expression, scope)
        return [SystemConjunct(node: node, used: scope.used)]
    }

    // MARK: Tables

    private func compileTable(_ table: TableExpression, _ scope: SystemScope, isLateral: Bool) throws(SQLError) -> SystemSource {
        let start = scope.columns.count
        switch table.kind {
        case .name(let name, let asOf):
            if asOf != nil { throw Self.notSupported("FOR SYSTEM_TIME is", table.span) }
            return try compileName(name, table, scope, start)
        case .query(let query):
            let inner = try compileQuery(query, outer: isLateral ? scope : scope.parent)
            if inner.isCorrelated, !isLateral { scope.boundary.isCorrelated = true }
            try add(inner.fields, table, nil, scope)
            if isLateral {
                return SystemSource(range: start..<scope.columns.count, isLateral: true) { prefix, outer in
                    try inner.run(SystemFrame(row: prefix, parent: outer))
                }
            }
            return SystemSource(range: start..<scope.columns.count) { _, outer in try inner.run(outer) }
        case .lateral(var inner):
            if inner.alias == nil { (inner.alias, inner.columnAliases) = (table.alias, table.columnAliases) }
            return try compileTable(inner, scope, isLateral: true)
        case .unnest(let arrays, let withOrdinality):
            let name = Identifier("unnest", span: table.span)
            let call = FunctionCall(name: QualifiedName([name], span: table.span), arguments: arrays)
            return try compileTableFunction(call, table, withOrdinality: withOrdinality, scope, start)
        case .function(let call): return try compileTableFunction(call, table, withOrdinality: false, scope, start)
        case .join(let kind, let left, let right, let condition): return try compileJoin(kind, left, right, condition, table, scope)
        case .match: throw Self.notSupported("MATCH_RECOGNIZE is", table.span)
        }
    }

    private func add(_ fields: [(name: String, type: SystemType)], _ table: TableExpression, _ name: String?, _ scope: SystemScope) throws(SQLError) {
        let alias = table.alias?.name ?? name
        guard table.columnAliases.count <= fields.count else {
            throw SQLError(
                "table \"\(alias ?? "")\" has \(fields.count) columns available but \(table.columnAliases.count) columns specified", at: table.span,
                code: "42P10")
        }
        for (index, field) in fields.enumerated() {
            let column = index < table.columnAliases.count ? table.columnAliases[index].name : field.name
            scope.add(SystemScope.Column(table: alias, name: column, type: field.type))
        }
    }

    private func compileName(_ name: QualifiedName, _ table: TableExpression, _ scope: SystemScope, _ start: Int) throws(SQLError) -> SystemSource {
        if name.parts.count == 1, let common = commonTables.last(where: { $0.name == name.last.name })
            ?? commonTables.last(where: { $0.name.lowercased() == name.last.name.lowercased() })
        {
            let kept = common.table
            try add(kept.fields, table, name.last.name, scope)
            var levels = 0
            if kept.isCorrelated {
                var around = scope.parent
                while let here = around, here !== kept.outer {
                    levels += 1
                    around = here.parent
                }
                scope.mark(levels: levels + 1)
            }
            return SystemSource(range: start..<scope.columns.count) { _, outer in
                var frame = outer
                for _ in 0..<levels { frame = frame?.parent }
                return try kept.read(frame)
            }
        }
        let schema = name.parts.count > 1 ? name.parts[name.parts.count - 2].name : nil
        guard let relation = snapshot.systemRelation(schema: schema, named: name.last.name) else {
            throw SQLError(
                "relation \"\(name.parts.map(\.name).joined(separator: "."))\" does not exist", at: name.span,
                hint: NearestName.find(name.last.name, among: SystemRelation.names).map { "did you mean \"\($0)\"?" }, code: SQLError.undefinedTable)
        }
        try add(relation.columns, table, relation.name, scope)
        scope.add(SystemScope.Column(table: table.alias?.name ?? relation.name, name: "tableoid", type: .oid, isSystem: true))
        let number = Value.oid(relation.oid)
        return SystemSource(range: start..<scope.columns.count) { [snapshot] _, _ in try snapshot.rows(of: relation).map { $0 + [number] } }
    }

    private func compileTableFunction(
        _ call: FunctionCall, _ table: TableExpression, withOrdinality: Bool, _ scope: SystemScope, _ start: Int
    ) throws(SQLError) -> SystemSource {
        var generators: [SystemGenerator] = []
        let outside = scope.used
        scope.used = []
        let name = call.name.last.name.lowercased()
        if name == "unnest", call.arguments.count > 1 {
            for argument in call.arguments {
                if let generator = try SystemFunctions.generator(name, [try compile(argument, scope)], argument.span, self) { generators.append(generator) }
            }
        } else {
            var arguments: [SystemNode] = []
            for argument in call.arguments { arguments.append(try compile(argument, scope)) }
            if let generator = try SystemFunctions.generator(name, arguments, table.span, self) {
                generators = [generator]
            } else {
                // A plain function is a table of one row.
                let node = try compile(Expression(.call(call), span: table.span), scope)
                generators = [SystemGenerator(type: node.type) { [try node.evaluate($0)] }]
            }
        }
        let isLateral = !scope.used.isEmpty
        scope.used = outside.union(scope.used)
        var fields: [(name: String, type: SystemType)] = []
        var widths: [Int?] = []
        for generator in generators {
            if case .row(let parts) = generator.type.sql {
                for (index, part) in parts.enumerated() {
                    fields.append((part.name, index < generator.fieldTypes.count ? generator.fieldTypes[index] : SystemType(part.type)))
                }
                widths.append(parts.count)
            } else {
                fields.append((generators.count == 1 ? table.alias?.name ?? name : name, generator.type))
                widths.append(nil)
            }
        }
        if withOrdinality { fields.append(("ordinality", .bigint)) }
        try add(fields, table, name, scope)
        let (all, sizes) = (generators, widths)
        return SystemSource(range: start..<scope.columns.count, isLateral: isLateral) { [self] prefix, outer in
            let frame = SystemFrame(row: prefix, parent: outer)
            let lists = try all.map { try $0.values(frame) }
            let count = lists.reduce(0) { max($0, $1.count) }
            try self.work(count)
            return (0..<count).map { place in
                var row: [Value] = []
                for (index, list) in lists.enumerated() {
                    let value = place < list.count ? list[place] : .null
                    if let size = sizes[index] {
                        if case .list(let parts) = value { row += parts } else { row += Array(repeating: .null, count: size) }
                    } else {
                        row.append(value)
                    }
                }
                if withOrdinality { row.append(.integer(Int64(place) + 1)) }
                return row
            }
        }
    }

    // MARK: Joins

    private func compileJoin(
        _ kind: JoinKind, _ left: TableExpression, _ right: TableExpression, _ condition: JoinCondition, _ table: TableExpression,
        _ scope: SystemScope
    ) throws(SQLError) -> SystemSource {
        if kind.isAsOf { throw Self.notSupported("ASOF JOIN is", table.span) }
        let first = try compileTable(left, scope, isLateral: false)
        let second = try compileTable(right, scope, isLateral: false)
        let range = first.range.lowerBound..<second.range.upperBound
        var conditions: [SystemConjunct] = []
        switch condition {
        case .none: break
        case .on(let expression): conditions = try conjuncts(expression, scope)
        case .using, .natural:
            var names: [Identifier] = []
            if case .using(let written) = condition { names = written }
            if case .natural = condition {
                let there = Set(second.range.filter { !scope.columns[$0].isSystem }.map { scope.columns[$0].name })
                names = first.range.filter { !scope.columns[$0].isHidden && !scope.columns[$0].isSystem && there.contains(scope.columns[$0].name) }
                    .map { Identifier(scope.columns[$0].name, span: table.span) }
            }
            if kind == .right || kind == .full { throw Self.notSupported("RIGHT and FULL JOIN with USING are", table.span) }
            for name in names {
                let qualified = QualifiedName([name], span: name.span)
                guard let (_, a, typeA) = try scope.find(qualified, in: first.range), let (_, b, typeB) = try scope.find(qualified, in: second.range) else {
                    throw SQLError("column \"\(name.name)\" specified in USING clause does not exist", at: name.span, code: SQLError.undefinedColumn)
                }
                let nodes = (SystemNode(typeA, span: name.span) { $0.value(a) }, SystemNode(typeB, span: name.span) { $0.value(b) })
                conditions.append(
                    SystemConjunct(
                        node: try compare(.equal, nodes.0, nodes.1, name.span), used: [a, b], sides: [(nodes.0, [a]), (nodes.1, [b])]))
                scope.hide(b)
            }
        }
        if let alias = table.alias { scope.rename(range, table: alias.name) }
        let all = conditions
        let isLateral = first.isLateral || second.isLateral
        return SystemSource(range: range, isLateral: isLateral) { [self] prefix, outer in
            let rows = try first.rows(prefix, outer).map { prefix + $0 }
            let joined = try self.pair(kind, rows, with: second, on: all, outer)
            return prefix.isEmpty ? joined : joined.map { Array($0[prefix.count...]) }
        }
    }

    /// The tables joined by commas, with the conditions of WHERE.
    func join(_ sources: [SystemSource], _ conditions: [SystemConjunct]) -> (SystemFrame?) throws -> [[Value]] {
        { [self] outer in
            var rows: [[Value]] = [[]]
            var width = 0
            var left = conditions
            // What names no column decides about everything.
            let constant = left.filter(\.used.isEmpty)
            left.removeAll(where: \.used.isEmpty)
            let empty = SystemFrame(parent: outer)
            if sources.isEmpty { left = conditions } else { for item in constant where try item.node.evaluate(empty) != .boolean(true) { return [] } }
            for source in sources {
                width = source.range.upperBound
                let due = left.filter { $0.used.allSatisfy { $0 < width } }
                left.removeAll { $0.used.allSatisfy { $0 < width } }
                rows = try self.pair(.inner, rows, with: source, on: due, outer)
                if rows.isEmpty { return [] }
            }
            if sources.isEmpty {
                for item in left where try item.node.evaluate(empty) != .boolean(true) { return [] }
            }
            return rows
        }
    }

    /// Partial rows with those of the next table.
    private func pair(
        _ kind: JoinKind, _ rows: [[Value]], with source: SystemSource, on conditions: [SystemConjunct], _ outer: SystemFrame?
    ) throws -> [[Value]] {
        let width = source.range.count
        let start = source.range.lowerBound
        let keepsLeft = kind == .left || kind == .full
        let keepsRight = kind == .right || kind == .full
        if source.isLateral {
            var result: [[Value]] = []
            for row in rows {
                var isPaired = false
                for other in try source.rows(row, outer) {
                    let frame = SystemFrame(row: row + other, parent: outer)
                    try work()
                    guard try conditions.allSatisfy({ try $0.node.evaluate(frame) == .boolean(true) }) else { continue }
                    isPaired = true
                    result.append(frame.row)
                }
                if !isPaired, keepsLeft { result.append(row + Array(repeating: .null, count: width)) }
                try checkCount(result.count)
            }
            return result
        }
        // Columns are counted from the first table, also within joins that see nothing of those before them.
        let padding = Array(repeating: Value.null, count: start)
        var others = try source.rows(padding, outer)
        // What concerns this table alone comes first, where no row must be kept for its own sake.
        var open: [SystemConjunct] = []
        var alone: [SystemConjunct] = []
        for item in conditions {
            if !keepsRight, !item.used.isEmpty, item.used.allSatisfy({ $0 >= start }) { alone.append(item) } else { open.append(item) }
        }
        if !alone.isEmpty {
            others = try others.filter { other in
                let frame = SystemFrame(row: padding + other, parent: outer)
                try work()
                return try alone.allSatisfy { try $0.node.evaluate(frame) == .boolean(true) }
            }
        }
        // The equalities that lead from left to right.
        var keys: [(left: SystemNode, right: SystemNode)] = []
        open.removeAll { item in
            guard item.sides.count == 2 else { return false }
            for (mine, other) in [(0, 1), (1, 0)] {
                let (a, b) = (item.sides[mine], item.sides[other])
                if !b.used.isEmpty, b.used.allSatisfy({ $0 >= start }), a.used.allSatisfy({ $0 < start }) {
                    keys.append((a.node, b.node))
                    return true
                }
            }
            return false
        }
        var places: [[Value]: [Int]] = [:]
        if !keys.isEmpty {
            for (place, other) in others.enumerated() {
                let frame = SystemFrame(row: padding + other, parent: outer)
                let key = try keys.map { try $0.right.evaluate(frame) }
                if !key.contains(.null) { places[key, default: []].append(place) }
            }
            try work(others.count)
        }
        var isUsed = [Bool](repeating: false, count: keepsRight ? others.count : 0)
        let everything = Array(others.indices)
        var result: [[Value]] = []
        for row in rows {
            var candidates = everything
            if !keys.isEmpty {
                let frame = SystemFrame(row: row, parent: outer)
                candidates = places[try keys.map { try $0.left.evaluate(frame) }] ?? []
            }
            var isPaired = false
            for place in candidates {
                let frame = SystemFrame(row: row + others[place], parent: outer)
                try work()
                guard try open.allSatisfy({ try $0.node.evaluate(frame) == .boolean(true) }) else { continue }
                isPaired = true
                if keepsRight { isUsed[place] = true }
                result.append(frame.row)
            }
            if !isPaired, keepsLeft { result.append(row + Array(repeating: .null, count: width)) }
            try checkCount(result.count)
        }
        if keepsRight {
            for place in others.indices where !isUsed[place] { result.append(padding + others[place]) }
        }
        return result
    }

    private func checkCount(_ count: Int) throws(SQLError) {
        if count > Self.rowsMax { throw Self.tooMany(.none) }
    }
}
