// SystemCompiler+Query: SELECT, set operations, WITH [RECURSIVE], ORDER BY and LIMIT over system relations.
//
// A SELECT is: the rows of FROM; those that WHERE leaves; groups, when something is aggregated; a row of the result for each, or as many as the
// functions that return rows give; DISTINCT; order; LIMIT. A column outside GROUP BY has the value of its group's first row.

import Columns
import Planning
import Syntax

/// A query ready to run: rows from the frame around it.
struct SystemQuery {
    var fields: [(name: String, type: SystemType)]
    /// Looks at rows of the query around it.
    var isCorrelated: Bool
    let run: (SystemFrame?) throws -> [[Value]]
}

/// A table of WITH.
final class SystemCommonTable {
    let fields: [(name: String, type: SystemType)]
    /// The rows, once they are there; of a recursive table, those of the last round.
    var rows: [[Value]]?
    private let make: ((SystemFrame?) throws -> [[Value]])?
    /// Looks at rows of the query around the one whose WITH it stands in: around `outer`.
    let isCorrelated: Bool
    let outer: SystemScope?

    init(
        fields: [(name: String, type: SystemType)], isCorrelated: Bool = false, outer: SystemScope? = nil, make: ((SystemFrame?) throws -> [[Value]])?
    ) {
        self.fields = fields
        self.outer = outer
        self.isCorrelated = isCorrelated
        self.make = make
    }

    /// `frame` is that of a row of the query around.
    func read(_ frame: SystemFrame?) throws -> [[Value]] {
        if let rows { return rows }
        let made = try make?(frame) ?? []
        if !isCorrelated { rows = made }
        return made
    }
}

extension SystemCompiler {
    func compileQuery(_ query: Query, outer: SystemScope?) throws(SQLError) -> SystemQuery {
        if query.emit != nil || query.startFrom != nil {
            throw Self.notSupported("EMIT and START FROM are", query.span)
        }
        let tableCount = commonTables.count
        defer { commonTables.removeLast(commonTables.count - tableCount) }
        for table in query.with { try compileCommonTable(table, isRecursive: query.isRecursive, outer: outer) }
        switch query.body {
        case .select(let select): return try compileSelect(select, query, outer)
        case .values(let rows, let span): return try tail(query, over: try compileValues(rows, span, outer), outer)
        case .setOperation(let operation, let all, let left, let right, let span):
            let first = try compileQuery(left, outer: outer)
            let second = try compileQuery(right, outer: outer)
            return try tail(query, over: try combine(operation, all: all, first, second, span), outer)
        }
    }

    // MARK: WITH

    private func compileCommonTable(_ table: CommonTable, isRecursive: Bool, outer: SystemScope?) throws(SQLError) {
        if isRecursive, case .setOperation(.union, let all, let base, let step, _) = table.query.body {
            commonTables.append((table.name.name, try recursive(table, all: all, base, step, outer)))
            return
        }
        let query = try compileQuery(table.query, outer: outer)
        let fields = try renamed(query.fields, table.columns, table: table.name)
        // What it reads around it differs from row to row, and in a recursive table from round to round.
        let isCorrelated = query.isCorrelated || recursionDepth > 0
        commonTables.append((table.name.name, SystemCommonTable(fields: fields, isCorrelated: isCorrelated, outer: outer) { try query.run($0) }))
    }

    private func renamed(_ fields: [(name: String, type: SystemType)], _ names: [Identifier], table: Identifier) throws(SQLError)
        -> [(name: String, type: SystemType)]
    {
        guard names.count <= fields.count else {
            throw SQLError(
                "table \"\(table.name)\" has \(fields.count) columns available but \(names.count) columns specified", at: table.span, code: "42P10")
        }
        var fields = fields
        for (index, name) in names.enumerated() { fields[index].name = name.name }
        return fields
    }

    /// Rounds until one brings nothing new. The table may look at the query around it, and is then made anew for each of its rows.
    private func recursive(_ table: CommonTable, all: Bool, _ base: Query, _ step: Query, _ outer: SystemScope?) throws(SQLError) -> SystemCommonTable {
        let first = try compileQuery(base, outer: outer)
        let fields = try renamed(first.fields, table.columns, table: table.name)
        let working = SystemCommonTable(fields: fields, make: nil)
        commonTables.append((table.name.name, working))
        recursionDepth += 1
        defer {
            recursionDepth -= 1
            commonTables.removeLast()
        }
        let second = try compileQuery(step, outer: outer)
        guard second.fields.count == fields.count else {
            throw SQLError("each UNION query must have the same number of columns", at: step.span, code: "42601")
        }
        return SystemCommonTable(fields: fields, isCorrelated: first.isCorrelated || second.isCorrelated, outer: outer) { [self] frame in
            var result = try first.run(frame)
            var seen: Set<[Value]> = []
            if !all { result = result.filter { seen.insert($0).inserted } }
            var round = result
            while !round.isEmpty {
                working.rows = round
                var next = try second.run(frame)
                if !all { next = next.filter { seen.insert($0).inserted } }
                try self.work(next.count + 1)
                result += next
                if result.count > SystemCompiler.rowsMax { throw SystemCompiler.tooMany(table.name.span) }
                round = next
            }
            return result
        }
    }

    static func tooMany(_ span: SourceSpan) -> SQLError {
        SQLError("a query of the catalog can have at most \(rowsMax) rows at any step", at: span, code: SQLError.programLimitExceeded)
    }

    // MARK: Sets

    private func compileValues(_ rows: [[Expression]], _ span: SourceSpan, _ outer: SystemScope?) throws(SQLError) -> SystemQuery {
        let boundary = SystemBoundary()
        let scope = SystemScope(parent: outer, boundary: boundary)
        var columns: [[SystemNode]] = []
        for row in rows {
            guard row.count == rows[0].count else { throw SQLError("VALUES lists must all be the same length", at: span, code: "42601") }
            for (index, item) in row.enumerated() {
                if index == columns.count { columns.append([]) }
                columns[index].append(try compile(item, scope))
            }
        }
        var unified: [[SystemNode]] = []
        for column in columns { unified.append(try unify(column)) }
        let nodes = unified
        let count = rows.count
        return SystemQuery(
            fields: nodes.enumerated().map { ("column\($0.offset + 1)", $0.element.first { $0.type.sql != .null }?.type ?? .text) },
            isCorrelated: boundary.isCorrelated
        ) { outer in
            let frame = SystemFrame(parent: outer)
            return try (0..<count).map { row in try nodes.map { try $0[row].evaluate(frame) } }
        }
    }

    private func combine(_ operation: SetOperator, all: Bool, _ first: SystemQuery, _ second: SystemQuery, _ span: SourceSpan) throws(SQLError)
        -> SystemQuery
    {
        guard first.fields.count == second.fields.count else {
            throw SQLError("each \(operation.rawValue) query must have the same number of columns", at: span, code: "42601")
        }
        var fields = first.fields
        var casts: [(SystemNode?, SystemNode?)] = []
        for index in fields.indices {
            let pair = try unify([SystemNode(fields[index].type, span: span) { $0.value(index) }, SystemNode(second.fields[index].type, span: span) { $0.value(index) }])
            casts.append((pair[0], pair[1]))
            fields[index].type = pair[0].type.sql == .null ? pair[1].type : pair[0].type
        }
        func convert(_ rows: [[Value]], _ nodes: [SystemNode?]) throws -> [[Value]] {
            try rows.map { row in
                let frame = SystemFrame(row: row, parent: nil)
                return try nodes.map { try $0?.evaluate(frame) ?? .null }
            }
        }
        let (left, right) = (casts.map(\.0), casts.map(\.1))
        return SystemQuery(fields: fields, isCorrelated: first.isCorrelated || second.isCorrelated) { frame in
            let a = try convert(try first.run(frame), left)
            let b = try convert(try second.run(frame), right)
            switch operation {
            case .union:
                if all { return a + b }
                var seen: Set<[Value]> = []
                return (a + b).filter { seen.insert($0).inserted }
            case .intersect, .except:
                var counts: [[Value]: Int] = [:]
                for row in b { counts[row, default: 0] += 1 }
                var seen: Set<[Value]> = []
                return a.filter { row in
                    let there = counts[row, default: 0]
                    if all {
                        if there > 0 { counts[row] = there - 1 }
                        return (there > 0) == (operation == .intersect)
                    }
                    return (there > 0) == (operation == .intersect) && seen.insert(row).inserted
                }
            }
        }
    }

    // MARK: SELECT

    private struct Item {
        var name: String
        var node: SystemNode
        var expression: Expression?
    }

    private func compileSelect(_ select: Select, _ query: Query, _ outer: SystemScope?) throws(SQLError) -> SystemQuery {
        if select.isStream { throw Self.notSupported("SELECT STREAM is", select.span) }
        if select.qualify != nil { throw Self.notSupported("QUALIFY is", select.span) }
        let boundary = SystemBoundary()
        let scope = SystemScope(parent: outer, boundary: boundary)
        let from = try compileFrom(select.from, scope)
        scope.aggregateRefusal = "WHERE"
        scope.generatorRefusal = "WHERE"
        let filters = try conjuncts(select.filter, scope)
        let rows = join(from, filters)

        scope.aggregateRefusal = nil
        scope.generatorRefusal = nil
        let items = try compileItems(select, scope)
        scope.generatorRefusal = "GROUP BY"
        var keys: [SystemNode] = []
        for element in select.groupBy {
            guard case .expression(let expression) = element else { throw Self.notSupported("GROUPING SETS are", select.span) }
            keys.append(try outputNode(expression, items, scope))
        }
        let having = try select.having.map { having throws(SQLError) in try condition(having, scope) }
        scope.generatorRefusal = "ORDER BY"
        var order: [SystemOrder] = []
        for item in query.orderBy {
            let node = try outputNode(item.expression, items, scope, byName: true)
            order.append(SystemOrder(node: node, isDescending: item.isDescending, nullsFirst: item.nullsFirst ?? item.isDescending))
        }
        var distinctOn: [SystemNode] = []
        for expression in select.distinctOn { distinctOn.append(try outputNode(expression, items, scope, byName: true)) }
        let limit = try bound(query.limit, outer, boundary)
        let offset = try bound(query.offset, outer, boundary)

        let aggregates = scope.aggregates
        let generators = scope.generators
        let width = scope.columns.count
        let isGrouped = !aggregates.isEmpty || !keys.isEmpty || having != nil
        let isDistinct = select.isDistinct
        let sorted = order
        let on = distinctOn
        let groupKeys = keys
        return SystemQuery(fields: items.map { ($0.name, $0.node.type) }, isCorrelated: boundary.isCorrelated) { [self] outer in
            var frames = try rows(outer).map { SystemFrame(row: $0, parent: outer) }
            if isGrouped { frames = try Self.group(frames, by: groupKeys, aggregates, width: width, outer) }
            if let having { frames = try frames.filter { try having.evaluate($0) == .boolean(true) } }
            if !generators.isEmpty { frames = try Self.generate(frames, generators) }
            try self.work(frames.count)
            var result = try frames.map { frame in
                (values: try items.map { try $0.node.evaluate(frame) }, keys: try sorted.map { try $0.node.evaluate(frame) }, on: try on.map { try $0.evaluate(frame) })
            }
            if isDistinct, on.isEmpty {
                var seen: Set<[Value]> = []
                result = result.filter { seen.insert($0.values).inserted }
            }
            if !sorted.isEmpty {
                var places = result.enumerated().map { (keys: $0.element.keys, place: $0.offset) }
                SystemValue.sort(&places, by: sorted)
                result = places.map { result[$0.place] }
            }
            if !on.isEmpty {
                var seen: Set<[Value]> = []
                result = result.filter { seen.insert($0.on).inserted }
            }
            return try Self.cut(result.map(\.values), limit, offset, outer)
        }
    }

    private func compileItems(_ select: Select, _ scope: SystemScope) throws(SQLError) -> [Item] {
        var items: [Item] = []
        for item in select.items {
            if case .star(let qualifier) = item.expression.kind {
                let found = scope.star(qualifier)
                if found.isEmpty, let qualifier {
                    throw SQLError("missing FROM-clause entry for table \"\(qualifier.last.name)\"", at: qualifier.span, code: SQLError.undefinedTable)
                }
                for ordinal in found {
                    let column = scope.columns[ordinal]
                    scope.used.insert(ordinal)
                    items.append(Item(name: column.name, node: SystemNode(column.type, span: item.expression.span) { $0.value(ordinal) }))
                }
                continue
            }
            var node = try compile(item.expression, scope)
            if node.type.sql == .null { node = node.retyped(.text) }
            node.isUntyped = false
            items.append(Item(name: item.alias?.name ?? Self.defaultName(item.expression), node: node, expression: item.expression))
        }
        return items
    }

    /// An item of the select list that GROUP BY or ORDER BY means: by its number, by its name where no column has that (`byName`: before columns),
    /// or because it is the same expression.
    private func outputItem(_ expression: Expression, _ items: [Item], _ scope: SystemScope, byName: Bool = false) throws(SQLError) -> SystemNode? {
        switch expression.kind {
        case .literal(.integer(let digits)):
            guard let number = Int(digits), items.indices.contains(number - 1) else {
                throw SQLError("position \(digits) is not in the select list", at: expression.span, code: "42P10")
            }
            return items[number - 1].node
        case .column(let name) where name.parts.count == 1:
            if !byName, try scope.find(name) != nil { return nil }
            return items.first { $0.name == name.last.name }?.node ?? items.first { $0.name.lowercased() == name.last.name.lowercased() }?.node
        default:
            let wanted = expression.strippingSpans()
            return items.first { $0.expression?.strippingSpans() == wanted }?.node
        }
    }

    private func outputNode(_ expression: Expression, _ items: [Item], _ scope: SystemScope, byName: Bool = false) throws(SQLError) -> SystemNode {
        if let node = try outputItem(expression, items, scope, byName: byName) { return node }
        return try compile(expression, scope)
    }

    /// As PostgreSQL names a column without AS.
    static func defaultName(_ expression: Expression) -> String {
        switch expression.kind {
        case .column(let name): name.last.name
        case .field(_, let name): name.name
        case .element(let operand, _): defaultName(operand)
        case .array, .arrayQuery: "array"
        case .row: "row"
        case .call(let call): call.name.last.name.lowercased()
        case .niladic(let name): name.lowercased()
        case .extract: "extract"
        case .exists: "exists"
        case .scalarQuery(let query):
            if case .select(let select) = query.body, let item = select.items.first { item.alias?.name ?? defaultName(item.expression) } else { "?column?" }
        case .caseWhen(_, _, let otherwise):
            if let otherwise, case .column = otherwise.kind { defaultName(otherwise) } else { "case" }
        case .cast(let operand, let type, _):
            defaultName(operand) == "?column?" ? Printer.print(type).lowercased() : defaultName(operand)
        default: "?column?"
        }
    }

    // MARK: LIMIT and ORDER BY of what is no SELECT

    private func bound(_ expression: Expression?, _ outer: SystemScope?, _ boundary: SystemBoundary) throws(SQLError) -> SystemNode? {
        guard let expression else { return nil }
        let node = try compile(expression, SystemScope(parent: outer, boundary: boundary))
        if node.constant?.isNull == true { return nil }
        return try cast(node, to: .bigint, mode: .explicit, span: expression.span)
    }

    private static func cut(_ rows: [[Value]], _ limit: SystemNode?, _ offset: SystemNode?, _ outer: SystemFrame?) throws -> [[Value]] {
        guard limit != nil || offset != nil else { return rows }
        let frame = SystemFrame(parent: outer)
        func count(_ node: SystemNode?, _ what: String, _ none: Int) throws -> Int {
            guard let node, case .integer(let number) = try node.evaluate(frame) else { return none }
            guard number >= 0 else { throw SQLError("\(what) must not be negative", at: node.span, code: "2201W") }
            return Int(clamping: number)
        }
        let first = min(try count(offset, "OFFSET", 0), rows.count)
        return Array(rows[first...].prefix(try count(limit, "LIMIT", rows.count)))
    }

    private func tail(_ query: Query, over body: SystemQuery, _ outer: SystemScope?) throws(SQLError) -> SystemQuery {
        guard !query.orderBy.isEmpty || query.limit != nil || query.offset != nil else { return body }
        let boundary = SystemBoundary()
        let scope = SystemScope(parent: outer, boundary: boundary)
        for field in body.fields { scope.add(SystemScope.Column(table: nil, name: field.name, type: field.type)) }
        let items = body.fields.enumerated().map { index, field in
            Item(name: field.name, node: SystemNode(field.type, span: query.span) { $0.value(index) })
        }
        var order: [SystemOrder] = []
        for item in query.orderBy {
            let node = try outputNode(item.expression, items, scope, byName: true)
            order.append(SystemOrder(node: node, isDescending: item.isDescending, nullsFirst: item.nullsFirst ?? item.isDescending))
        }
        let limit = try bound(query.limit, outer, boundary)
        let offset = try bound(query.offset, outer, boundary)
        let sorted = order
        return SystemQuery(fields: body.fields, isCorrelated: body.isCorrelated || boundary.isCorrelated) { outer in
            var rows = try body.run(outer)
            if !sorted.isEmpty {
                var places = try rows.enumerated().map { place, row in
                    let frame = SystemFrame(row: row, parent: outer)
                    return (keys: try sorted.map { try $0.node.evaluate(frame) }, place: place)
                }
                SystemValue.sort(&places, by: sorted)
                rows = places.map { rows[$0.place] }
            }
            return try Self.cut(rows, limit, offset, outer)
        }
    }

    // MARK: Subqueries

    @inline(never)
    func compileQuery(_ expression: Expression, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        let span = expression.span
        switch expression.kind {
        case .exists(let query):
            let inner = try compileQuery(query, outer: scope)
            let rows = kept(inner, scope)
            return SystemNode(.boolean, span: span) { .boolean(try !rows($0).isEmpty) }
        case .scalarQuery(let query):
            let inner = try single(query, scope)
            let rows = kept(inner, scope)
            return SystemNode(inner.fields[0].type, span: span) { frame in
                let found = try rows(frame)
                guard found.count <= 1 else {
                    throw SQLError("more than one row returned by a subquery used as an expression", at: span, code: "21000")
                }
                return found.first?[0] ?? .null
            }
        case .arrayQuery(let query):
            let inner = try single(query, scope)
            let rows = kept(inner, scope)
            return SystemNode(inner.fields[0].type.array, span: span) { frame in .list(try rows(frame).map { $0[0] }) }
        case .inQuery(let operand, let query, let negated):
            return try quantified(operand, .equal, query, isAll: false, negated: negated, span, scope)
        case .quantified(let operand, let operation, let query, let isAll):
            guard let order = operation.comparison else { throw Self.notSupported("this operator is", span) }
            return try quantified(operand, order, query, isAll: isAll, negated: false, span, scope)
        default: throw Self.notSupported("this is", span)
        }
    }

    private func single(_ query: Query, _ scope: SystemScope) throws(SQLError) -> SystemQuery {
        let inner = try compileQuery(query, outer: scope)
        guard inner.fields.count == 1 else { throw SQLError("subquery must return only one column", at: query.span, code: "42601") }
        return inner
    }

    /// The rows of a subquery; of one that does not look outwards they are made once.
    private func kept(_ query: SystemQuery, _ scope: SystemScope) -> (SystemFrame) throws -> [[Value]] {
        if query.isCorrelated || recursionDepth > 0 { return { try query.run($0) } }
        let kept = SystemKept()
        return { frame in
            if let rows = kept.rows { return rows }
            let rows = try query.run(frame)
            kept.rows = rows
            return rows
        }
    }

    private func quantified(
        _ operand: Expression, _ order: SystemComparison, _ query: Query, isAll: Bool, negated: Bool, _ span: SourceSpan, _ scope: SystemScope
    ) throws(SQLError) -> SystemNode {
        let left = try compile(operand, scope)
        let inner = try compileQuery(query, outer: scope)
        let rows = kept(inner, scope)
        let width = inner.fields.count
        var wanted = left
        if width == 1 {
            if left.isUntyped { wanted = try cast(left, to: inner.fields[0].type, mode: .explicit, span: left.span) }
        } else {
            guard case .row(let fields) = left.type.sql, fields.count == width else {
                throw SQLError("subquery has \(width) columns, and what it is compared with has not", at: query.span, code: "42601")
            }
        }
        let operand = wanted
        return SystemNode(.boolean, span: span) { frame in
            let value = try operand.evaluate(frame)
            var sawNull = false
            for row in try rows(frame) {
                let other = width == 1 ? row[0] : Value.list(row)
                if value.isNull || other.isNull {
                    sawNull = true
                    continue
                }
                if order.holds(SystemValue.compare(value, other)) != isAll { return .boolean((!isAll) != negated) }
            }
            return sawNull ? .null : .boolean(isAll != negated)
        }
    }
}

private final class SystemKept {
    var rows: [[Value]]?
}
