// QueryBinder+Unnest: tables made of the arrays and maps of each row: `CROSS JOIN UNNEST(t.items) AS u (name, price)`, and the functions that
// give many rows: `generate_series(1, 3)`, `json_array_elements(t.doc)`.
//
// All of them see the tables to their left, with or without LATERAL. They become one node over those tables: a row comes once per element.

import Columns
import Syntax

extension QueryBinder {
    /// Functions that stand in FROM for the elements of the array, or the entries of the map, that they give.
    private static let setFunctions: [String: String] = [
        "generate_series": "sequence", "json_array_elements": "json_array_elements", "jsonb_array_elements": "json_array_elements",
        "json_array_elements_text": "json_array_elements_text", "jsonb_array_elements_text": "json_array_elements_text",
        "json_each": "json_each", "jsonb_each": "json_each", "json_each_text": "json_each_text", "jsonb_each_text": "json_each_text",
        "json_object_keys": "json_object_keys", "jsonb_object_keys": "json_object_keys", "string_to_table": "string_to_array",
        "split": "split", "string_to_array": "string_to_array", "regexp_split_to_table": "regexp_split_to_array",
        "regexp_split_to_array": "regexp_split_to_array", "regexp_extract_all": "regexp_extract_all", "map_entries": "map_entries",
        "map_keys": "map_keys", "map_values": "map_values", "sequence": "sequence",
    ]

    func isUnnest(_ table: TableExpression) -> Bool {
        switch table.kind {
        case .unnest: true
        case .lateral(let inner): isUnnest(inner)
        case .function(let call): call.name.parts.count == 1 && Self.setFunctions[call.name.last.name.lowercased()] != nil
        default: false
        }
    }

    /// `left JOIN UNNEST(..) ON ..`.
    func bindUnnestJoin(_ kind: JoinKind, _ left: BoundTable, _ right: TableExpression, _ condition: JoinCondition) throws(SQLError) -> BoundTable {
        let keepsEmpty: Bool
        switch kind {
        case .cross, .inner: keepsEmpty = false
        case .left: keepsEmpty = true
        default:
            throw SQLError(
                "only CROSS, INNER and LEFT joins can unnest the rows to their left", at: right.span, code: SQLError.featureNotSupported)
        }
        let table = try bindUnnest(right, over: left, keepsEmpty: keepsEmpty)
        switch condition {
        case .on(let expression):
            let bound = try ExpressionBinder(scope: table.scope, clause: .where).bindCondition(expression, of: "JOIN ... ON")
            if bound.constantValue == .boolean(true) { return table }
            if keepsEmpty {
                throw SQLError(
                    "LEFT JOIN UNNEST takes ON TRUE only", at: expression.span, hint: "filter with WHERE, or unnest in a subquery",
                    code: SQLError.featureNotSupported)
            }
            return BoundTable(plan: .filter(table.plan, bound), scope: table.scope)
        case .using, .natural:
            throw SQLError("UNNEST cannot be joined by USING or NATURAL", at: right.span, code: SQLError.featureNotSupported)
        case .none: return table
        }
    }

    /// The rows of `left`, each once per element of the arrays.
    func bindUnnest(_ table: TableExpression, over left: BoundTable, keepsEmpty: Bool) throws(SQLError) -> BoundTable {
        try count(1, span: table.span)
        var inner = table
        while case .lateral(let next) = inner.kind {
            let (alias, columns) = (inner.alias, inner.columnAliases)
            inner = next
            if inner.alias == nil { (inner.alias, inner.columnAliases) = (alias, columns) }
        }
        let binder = ExpressionBinder(scope: left.scope, clause: .unnest)
        var arrays: [BoundExpression] = []
        var withOrdinality = false
        var name = "unnest"
        switch inner.kind {
        case .unnest(let expressions, let ordinality):
            withOrdinality = ordinality
            arrays = try binder.bindAll(expressions)
        case .function(let call):
            name = call.name.last.name.lowercased()
            try call.checkPlain(span: inner.span)
            let function = Identifier(Self.setFunctions[name] ?? name, span: call.name.span)
            arrays = [
                try ExpressionTyping.call(function, try binder.bindAll(call.arguments), span: inner.span, text: name + "(...)")
            ]
        default: throw SQLError("this table expression is not supported", at: inner.span, code: SQLError.featureNotSupported)
        }
        var fields: [SQLType.Field] = []
        for (index, array) in arrays.enumerated() {
            guard let element = array.type.element else {
                throw SQLError(
                    "\(name) needs an ARRAY or a MAP, not \(array.type == .null ? "NULL" : array.type.name)", at: array.span,
                    hint: array.type == .json ? "json_array_elements(...) makes rows of a JSON array" : nil, code: SQLError.datatypeMismatch)
            }
            if case .row(let inside) = element {
                fields += inside
            } else {
                // As in PostgreSQL: the one column of a table function is called as its table.
                let single = arrays.count == 1 && inner.columnAliases.isEmpty ? inner.alias?.name : nil
                fields.append(SQLType.Field(name: single ?? (arrays.count == 1 ? name : "\(name)\(index + 1)"), type: element))
            }
        }
        if withOrdinality { fields.append(SQLType.Field(name: "ordinality", type: .bigint)) }
        let alias = inner.alias?.name ?? name
        try rename(&fields, inner.columnAliases, table: alias, span: inner.span)
        let node = UnnestNode(arrays: arrays, withOrdinality: withOrdinality, keepsEmpty: keepsEmpty, elementTypes: fields.map(\.type))
        let base = left.plan.fields.count
        var scope = left.scope
        for (index, field) in fields.enumerated() {
            scope.columns.append(ScopeColumn(table: alias, name: field.name, type: field.type, ordinal: base + index))
        }
        return BoundTable(plan: .unnest(left.plan, LogicalUnnest(node: node, fields: fields, span: table.span)), scope: scope)
    }
}
