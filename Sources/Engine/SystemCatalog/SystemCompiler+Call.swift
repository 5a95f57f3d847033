// SystemCompiler+Call: calls: aggregates and how groups are made, functions that return rows, functions about the catalog, and all the others,
// which are ordinary ones.

import Columns
import Planning
import Syntax

/// A function that returns rows.
struct SystemGenerator {
    var type: SystemType
    /// Of a row: what its fields mean, where SQLType does not say it.
    var fieldTypes: [SystemType] = []
    let values: (SystemFrame) throws -> [Value]

    init(type: SystemType, fieldTypes: [SystemType] = [], values: @escaping (SystemFrame) throws -> [Value]) {
        self.type = type
        self.fieldTypes = fieldTypes
        self.values = values
    }
}

extension SystemCompiler {
    private static let aggregateNames: Set<String> = [
        "count", "sum", "min", "max", "avg", "bool_and", "bool_or", "every", "array_agg", "string_agg",
    ]

    @inline(never)
    func compileCall(_ call: FunctionCall, _ span: SourceSpan, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        if call.over != nil { return try compileWindow(call, span, scope) }
        let schema = call.name.parts.count > 1 ? call.name.parts[call.name.parts.count - 2].name.lowercased() : nil
        let name = call.name.last.name.lowercased()
        if let schema, !["pg_catalog", "information_schema", "public"].contains(schema) {
            throw SQLError("schema \"\(schema)\" does not exist", at: call.name.span, code: "3F000")
        }
        if Self.aggregateNames.contains(name) { return try compileAggregate(name, call, span, scope) }
        if name == "coalesce" { return try compileCoalesce(call, span, scope) }
        var arguments: [SystemNode] = []
        for argument in call.arguments { arguments.append(try compile(argument, scope)) }
        if name == "any_element" || name == "all_elements" { return try compileElements(name, arguments, span) }
        if let generator = try SystemFunctions.generator(name, arguments, span, self) {
            if let refusal = scope.generatorRefusal {
                throw SQLError("set-returning functions are not allowed in \(refusal)", at: span, code: SQLError.featureNotSupported)
            }
            let place = scope.generators.count
            scope.generators.append(SystemNode(generator.type.array, span: span) { .list(try generator.values($0)) })
            return SystemNode(generator.type, span: span) { place < $0.generated.count ? $0.generated[place] : .null }
        }
        if let node = try SystemFunctions.call(name, arguments, span, self) { return node }
        let bare = call.name.last
        return try delegate(arguments, span) { bound throws(SQLError) in try ExpressionTyping.call(bare, bound, span: span, text: "") }
    }

    private func compileCoalesce(_ call: FunctionCall, _ span: SourceSpan, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        var nodes: [SystemNode] = []
        for argument in call.arguments { nodes.append(try compile(argument, scope)) }
        let unified = try unify(nodes)
        let type = unified.first { $0.type.sql != .null }?.type ?? .text
        return SystemNode(type, span: span) { frame in
            for node in unified {
                let value = try node.evaluate(frame)
                if !value.isNull { return value }
            }
            return .null
        }
    }

    /// `x = ANY (array)`, as the parser gives it.
    private func compileElements(_ name: String, _ arguments: [SystemNode], _ span: SourceSpan) throws(SQLError) -> SystemNode {
        guard arguments.count == 3, case .string(let sign)? = arguments[1].constant, let order = BinaryOperator(rawValue: sign)?.comparison else {
            throw Self.notSupported("this operator is", span)
        }
        var list = arguments[2]
        if list.isOpen { list = try cast(list, to: (arguments[0].isUntyped ? .text : arguments[0].type).array, mode: .explicit, span: list.span) }
        guard let element = list.type.element else {
            throw SQLError("op ANY/ALL (array) requires array on right side", at: list.span, code: "42809")
        }
        let operand = arguments[0].isUntyped ? try cast(arguments[0], to: element, mode: .explicit, span: arguments[0].span) : arguments[0]
        guard element.sql == .null || SystemValue.areComparable(operand.type, element) else {
            throw SQLError(
                "operator does not exist: \(operand.type.displayName) \(sign) \(element.displayName)", at: span, code: SQLError.undefinedFunction)
        }
        let isAll = name == "all_elements"
        let array = list
        return SystemNode(.boolean, span: span) { frame in
            guard case .list(let items) = try array.evaluate(frame) else { return .null }
            let value = try operand.evaluate(frame)
            var sawNull = false
            for item in items {
                if item.isNull || value.isNull {
                    sawNull = true
                    continue
                }
                if order.holds(SystemValue.compare(value, item)) != isAll { return .boolean(!isAll) }
            }
            return sawNull ? .null : .boolean(isAll)
        }
    }

    // MARK: Aggregates

    private func compileAggregate(_ name: String, _ call: FunctionCall, _ span: SourceSpan, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        if let refusal = scope.aggregateRefusal {
            throw SQLError("aggregate functions are not allowed in \(refusal)", at: span, code: "42803")
        }
        scope.aggregateRefusal = "the arguments of an aggregate"
        defer { scope.aggregateRefusal = nil }
        var arguments: [SystemNode] = []
        for argument in call.arguments {
            if case .star = argument.kind, name == "count" { continue }
            arguments.append(try compile(argument, scope))
        }
        guard arguments.count == (name == "string_agg" ? 2 : name == "count" ? arguments.count : 1), arguments.count <= 2 else {
            throw SQLError("function \(name) does not take \(arguments.count) arguments", at: span, code: SQLError.undefinedFunction)
        }
        var order: [SystemOrder] = []
        for item in call.orderBy {
            order.append(SystemOrder(node: try compile(item.expression, scope), isDescending: item.isDescending, nullsFirst: item.nullsFirst ?? item.isDescending))
        }
        let filter = try call.filter.map { filter throws(SQLError) in try condition(filter, scope) }
        let type: SystemType
        switch name {
        case "count": type = .bigint
        case "bool_and", "bool_or", "every": type = .boolean
        case "string_agg":
            arguments[0] = try cast(arguments[0], to: .text, mode: .explicit, span: arguments[0].span)
            type = .text
        case "array_agg": type = (arguments[0].type.sql == .null ? .text : arguments[0].type).array
        case "sum", "avg":
            guard arguments[0].type.sql.isNumeric else {
                throw SQLError("function \(name)(\(arguments[0].type.displayName)) does not exist", at: span, code: SQLError.undefinedFunction)
            }
            let isExact = arguments[0].type.sql.isInteger && name == "sum"
            arguments[0] = try cast(arguments[0], to: isExact ? .bigint : SystemType(.double), mode: .explicit, span: span)
            type = isExact ? .bigint : SystemType(.double)
        default: type = arguments[0].isUntyped ? .text : arguments[0].type
        }
        let place = scope.aggregates.count
        scope.aggregates.append(
            SystemAggregate(name: name, arguments: arguments, isDistinct: call.isDistinct, order: order, filter: filter, type: type))
        return SystemNode(type, span: span) { place < $0.aggregates.count ? $0.aggregates[place] : .null }
    }

    /// A frame for each group, in the order in which they come; without keys there is one, if need be of no rows.
    static func group(_ frames: [SystemFrame], by keys: [SystemNode], _ aggregates: [SystemAggregate], width: Int, _ outer: SystemFrame?) throws
        -> [SystemFrame]
    {
        var places: [[Value]: Int] = [:]
        var groups: [[SystemFrame]] = keys.isEmpty ? [[]] : []
        for frame in frames {
            if keys.isEmpty {
                groups[0].append(frame)
                continue
            }
            let key = try keys.map { try $0.evaluate(frame) }
            if let place = places[key] {
                groups[place].append(frame)
            } else {
                places[key] = groups.count
                groups.append([frame])
            }
        }
        return try groups.map { members in
            let frame = SystemFrame(row: members.first?.row ?? Array(repeating: .null, count: width), parent: outer)
            frame.aggregates = try aggregates.map { try $0.value(of: members) }
            return frame
        }
    }

    /// As many rows as the longest of the functions that return rows gives; the others are NULL behind their end.
    static func generate(_ frames: [SystemFrame], _ generators: [SystemNode]) throws -> [SystemFrame] {
        var result: [SystemFrame] = []
        for frame in frames {
            let lists = try generators.map { node -> [Value] in
                if case .list(let items) = try node.evaluate(frame) { items } else { [] }
            }
            for place in 0..<lists.reduce(0, { max($0, $1.count) }) {
                let copy = SystemFrame(row: frame.row, parent: frame.parent)
                copy.aggregates = frame.aggregates
                copy.generated = lists.map { place < $0.count ? $0[place] : .null }
                result.append(copy)
                if result.count > rowsMax { throw tooMany(.none) }
            }
        }
        return result
    }

    // MARK: Window functions

    /// `row_number() OVER (..)` and its kin are beyond what programs ask of a catalog, but for numbering.
    private func compileWindow(_ call: FunctionCall, _ span: SourceSpan, _ scope: SystemScope) throws(SQLError) -> SystemNode {
        throw Self.notSupported("window functions are", span)
    }
}

extension SystemAggregate {
    func value(of frames: [SystemFrame]) throws -> Value {
        var members = frames
        if let filter { members = try members.filter { try filter.evaluate($0) == .boolean(true) } }
        if arguments.isEmpty { return .integer(Int64(members.count)) }
        var rows = try members.map { frame in (values: try arguments.map { try $0.evaluate(frame) }, keys: try order.map { try $0.node.evaluate(frame) }) }
        if isDistinct {
            var seen: Set<[Value]> = []
            rows = rows.filter { seen.insert($0.values).inserted }
        }
        if !order.isEmpty {
            var places = rows.enumerated().map { (keys: $0.element.keys, place: $0.offset) }
            SystemValue.sort(&places, by: order)
            rows = places.map { rows[$0.place] }
        }
        if name == "array_agg" { return rows.isEmpty ? .null : .list(rows.map { $0.values[0] }) }
        let present = rows.filter { !$0.values[0].isNull }
        if name == "count" { return .integer(Int64(present.count)) }
        guard let first = present.first?.values[0] else { return .null }
        switch name {
        case "min": return present.reduce(first) { SystemValue.compare($1.values[0], $0) < 0 ? $1.values[0] : $0 }
        case "max": return present.reduce(first) { SystemValue.compare($1.values[0], $0) > 0 ? $1.values[0] : $0 }
        case "bool_and", "every": return .boolean(present.allSatisfy { $0.values[0] == .boolean(true) })
        case "bool_or": return .boolean(present.contains { $0.values[0] == .boolean(true) })
        case "sum", "avg":
            if type.sql == .bigint {
                var sum: Int64 = 0
                for row in present {
                    guard case .integer(let number) = row.values[0] else { continue }
                    let (next, overflow) = sum.addingReportingOverflow(number)
                    if overflow { throw SQLError("bigint out of range", at: .none, code: SQLError.numericOutOfRange) }
                    sum = next
                }
                return .integer(sum)
            }
            let sum = present.reduce(0.0) { total, row in if case .double(let number) = row.values[0] { total + number } else { total } }
            return .double(name == "avg" ? sum / Double(present.count) : sum)
        case "string_agg":
            var text = ""
            for (index, row) in present.enumerated() {
                if index > 0, case .string(let separator) = row.values[1] { text += separator }
                if case .string(let part) = row.values[0] { text += part }
            }
            return .string(text)
        default: return .null
        }
    }
}
