// SystemReach: what a query's tree names, to tell whether it is one about the catalog: it reads only system relations, or none at all and calls what
// only they know. Any other query goes the ordinary way, also one that joins a system relation with a stream.

import Columns
import Planning
import Syntax

struct SystemReach {
    /// Relations by schema and name, without those of WITH.
    private(set) var relations: [(schema: String?, name: String)] = []
    /// Functions, types and words that belong to the catalog.
    private(set) var namesCatalog = false

    init(_ query: Query) { visit(query, []) }

    private mutating func visit(_ query: Query, _ outer: Set<String>) {
        var common = outer
        if query.isRecursive {
            namesCatalog = true
            for table in query.with { common.insert(table.name.name.lowercased()) }
        }
        for table in query.with {
            visit(table.query, common)
            common.insert(table.name.name.lowercased())
        }
        switch query.body {
        case .select(let select):
            for table in select.from { visit(table, common) }
            for item in select.items { visit(item.expression, common) }
            for element in select.groupBy { if case .expression(let expression) = element { visit(expression, common) } }
            for expression in [select.filter, select.having, select.qualify] { if let expression { visit(expression, common) } }
        case .values(let rows, _): for row in rows { for item in row { visit(item, common) } }
        case .setOperation(_, _, let left, let right, _):
            visit(left, common)
            visit(right, common)
        }
        for item in query.orderBy { visit(item.expression, common) }
    }

    private mutating func visit(_ table: TableExpression, _ common: Set<String>) {
        switch table.kind {
        case .name(let name, _):
            if name.parts.count == 1, common.contains(name.last.name.lowercased()) { return }
            relations.append((name.parts.count > 1 ? name.parts[name.parts.count - 2].name.lowercased() : nil, name.last.name))
        case .query(let query): visit(query, common)
        case .function(let call): visit(call, common, isTable: true)
        case .unnest(let arrays, _): for array in arrays { visit(array, common) }
        case .join(_, let left, let right, let condition):
            visit(left, common)
            visit(right, common)
            if case .on(let expression) = condition { visit(expression, common) }
        case .match(let input, _), .lateral(let input): visit(input, common)
        }
    }

    private mutating func visit(_ call: FunctionCall, _ common: Set<String>, isTable: Bool = false) {
        let name = call.name.last.name.lowercased()
        if SystemFunctions.names.contains(name) || (!isTable && SystemFunctions.generators.contains(name)) { namesCatalog = true }
        for argument in call.arguments { visit(argument, common) }
        if let filter = call.filter { visit(filter, common) }
    }

    private mutating func visit(_ type: TypeName) {
        switch type.kind {
        case .system: namesCatalog = true
        case .array(let element): visit(element)
        default: break
        }
    }

    private mutating func visit(_ expression: Expression, _ common: Set<String>) {
        switch expression.kind {
        case .column(let name):
            if name.parts.count == 1, ["current_user", "session_user", "current_role", "current_catalog", "current_schema"].contains(name.last.name.lowercased()) {
                namesCatalog = true
            }
        case .tableArgument(let name):
            relations.append((name.parts.count > 1 ? name.parts[name.parts.count - 2].name.lowercased() : nil, name.last.name))
        case .literal, .star, .descriptor, .niladic: break
        case .unary(_, let operand), .not(let operand), .isTest(let operand, _, _), .extract(_, let operand), .field(let operand, _):
            visit(operand, common)
        case .cast(let operand, let type, _):
            visit(type)
            visit(operand, common)
        case .binary(_, let left, let right, _), .isDistinct(let left, let right, _), .atTimeZone(let left, let right), .element(let left, let right):
            visit(left, common)
            visit(right, common)
        case .between(let operand, let low, let high, _, _): for part in [operand, low, high] { visit(part, common) }
        case .inList(let operand, let items, _): for part in [operand] + items { visit(part, common) }
        case .inQuery(let operand, let query, _), .quantified(let operand, _, let query, _):
            visit(operand, common)
            visit(query, common)
        case .exists(let query), .scalarQuery(let query), .cursor(let query): visit(query, common)
        case .arrayQuery(let query): visit(query, common)
        case .like(let operand, let pattern, let escape, _, _):
            visit(operand, common)
            visit(pattern, common)
            if let escape { visit(escape, common) }
        case .caseWhen(let operand, let branches, let otherwise):
            if let operand { visit(operand, common) }
            for branch in branches {
                visit(branch.condition, common)
                visit(branch.result, common)
            }
            if let otherwise { visit(otherwise, common) }
        case .call(let call): visit(call, common)
        case .array(let items), .row(let items): for item in items { visit(item, common) }
        }
    }

    /// Whether the query is one about the catalog. `isKnown` tells of a name without a schema whether a stream, table or view has it.
    func isAboutCatalog(_ isKnown: (String) -> Bool) -> Bool {
        if relations.isEmpty { return namesCatalog }
        return relations.allSatisfy { schema, name in
            if schema == nil, isKnown(name) { return false }
            return SystemRelation.find(schema: schema, named: name) != nil
                // A relation of a system schema that there is not: the error should name it.
                || schema == "pg_catalog" || schema == "information_schema" || schema == "millrace"
        }
    }
}
