// Statements with parameters: which types `$1`, `$2`, .. have, what rows a statement will give, and the values put in their places.
//
// A value becomes a literal of its type where the parameter stands (see Parser.parseScript): what is planned is a statement without parameters, so that
// constants are folded and pushed down as if they had been written. Definitions are kept as text, so they cannot have parameters.

import Columns
import Planning
import Syntax

/// What is known of a statement before it is executed.
package struct StatementShape: Sendable {
    package var parameterTypes: [SQLType] = []
    /// The number of a parameter's type in pg_type where that says more: of `$1::oid[]` in a query about the catalog.
    package var parameterNumbers: [UInt32?] = []
    /// The same by the byte at which the parameter stands.
    var numbersByPlace: [Int: UInt32] = [:]
    /// The rows it will give; nil when it gives none.
    package var schema: Schema?
    package var isChangelog = false

    package init() {}
}

extension Session {
    package static let parameterCountMax = 65_535

    /// Types and rows of the one statement in `source`; nil when there is no statement. `declared` are the types that the caller knows.
    package func shape(of source: String, declared: [SQLType?]) throws -> StatementShape? {
        try locating(source) { () throws -> StatementShape? in
            let places = Parser.parameters(in: source)
            let count = max(declared.count, places.map(\.number).max() ?? 0)
            guard count <= Self.parameterCountMax else {
                throw SQLError(
                    "a statement has at most \(Self.parameterCountMax) parameters", at: places.first?.span ?? .none, code: SQLError.programLimitExceeded)
            }
            let types = declared + Array(repeating: nil, count: count - declared.count)
            let statements = try Parser.parseScript(source, arguments: try types.map { try Session.argument(.null, type: $0) })
            guard let statement = statements.first else { return nil }
            guard statements.count == 1 else {
                throw SQLError("expected one statement, found another", at: statements[1].span, hint: "prepare each statement by itself")
            }
            let noted = ParameterTypes(places, declared: types)
            var shape: StatementShape = try noted.whileNoting { try self.shape(of: statement.statement) }
            shape.parameterTypes = noted.found
            shape.parameterNumbers = shape.parameterTypes.indices.map { index in
                declared.count > index && declared[index] != nil
                    ? nil : places.first { $0.number == index + 1 && shape.numbersByPlace[$0.span.start] != nil }.flatMap { shape.numbersByPlace[$0.span.start] }
            }
            if let first = places.first { try Session.checkTakesParameters(statement.statement, at: first.span) }
            return shape
        }
    }

    private func shape(of statement: Statement) throws -> StatementShape {
        var shape = StatementShape()
        switch statement.kind {
        case .query(let query):
            if let (schema, numbers) = try systemSchema(query) {
                (shape.schema, shape.numbersByPlace) = (schema, numbers)
                return shape
            }
            let planned = try engine.withCatalog { catalog throws(SQLError) in
                try Planner.plan(query, mode: nil, catalog: catalog, options: plannerOptions)
            }.query
            shape.schema = planned.schema
            shape.isChangelog = planned.changelog == .retract
        case .insert(let insert):
            _ = try engine.withCatalog { catalog throws(SQLError) in try Planner.plan(insert, catalog: catalog, options: plannerOptions) }
        case .show(let kind): shape.schema = try show(kind).schema
        case .describe(let name): shape.schema = try describe(name).schema
        case .describeQuery: shape.schema = Session.textSchema(["property", "value"])
        case .notification(.silence): shape.schema = Session.silenceSchema
        case .explain, .explainAnalyze, .explainWatermark: shape.schema = Session.textSchema(["plan"])
        case .connection(.showSetting(let name)): shape.schema = Session.textSchema([name.name.lowercased()])
        default: break
        }
        return shape
    }

    private static func checkTakesParameters(_ statement: Statement, at span: SourceSpan) throws(SQLError) {
        switch statement.kind {
        case .query, .insert, .explain, .connection: return
        case .createFunction: return
        default:
            throw SQLError(
                "this statement cannot have parameters", at: span, hint: "write the value; SELECT, INSERT and EXPLAIN take parameters",
                code: SQLError.featureNotSupported)
        }
    }

    /// A value as it stands in a statement; of no type a NULL that takes one from its place.
    package static func argument(_ value: Value, type: SQLType?) throws(SQLError) -> Expression {
        func literal(_ literal: Literal) -> Expression { Expression(.literal(literal), span: .none) }
        guard let type else { return literal(.null) }
        let written: Expression
        var target = type
        switch value {
        case .null:
            if case .varchar = type { target = .text }
            written = literal(.null)
        case .boolean(let isTrue): return literal(.boolean(isTrue))
        case .bytes(let bytes): return literal(.bytes(bytes))
        case .string(let text) where type != .json: return literal(.string(text))
        case .decimal(let number):
            guard case .decimal(_, let scale) = type, scale > 0 else {
                written = literal(.string(TextFormat.string(value, type: type)))
                break
            }
            let digits = TextFormat.string(number < 0 && number > .min ? .decimal(-number) : value, type: type)
            return number < 0 ? Expression(.unary(.minus, literal(.decimal(digits))), span: .none) : literal(.decimal(digits))
        case .integer(let microseconds) where type.isTimestamp:
            // As many digits as the value has: a column's precision is not the parameter's.
            let precision = microseconds % 1_000 == 0 ? 3 : 6
            if case .timestampTZ = type { target = .timestampTZ(precision: precision) } else { target = .timestamp(precision: precision) }
            written = literal(.string(TextFormat.string(value, type: target)))
        default: written = literal(.string(TextFormat.string(value, type: type)))
        }
        return Expression(.cast(written, try typeName(target), isTry: false), span: .none)
    }

    /// An expression as the value of a parameter of a type.
    package static func argument(_ value: Expression, as type: SQLType) throws(SQLError) -> Expression {
        if case .varchar = type, case .literal(.string) = value.kind { return value }
        var target = type
        if case .varchar = type { target = .text }
        if case .decimal = type, case .literal(.decimal) = value.kind { return value }
        return Expression(.cast(value, try typeName(target), isTry: false), span: value.span)
    }

    /// The types that PREPARE names.
    package func types(of names: [TypeName], source: String) throws -> [SQLType?] {
        try locating(source) { try names.map { try ExpressionTyping.type($0) } }
    }

    /// The stream that COPY FROM writes, and the columns that its fields belong to.
    package func copyTarget(_ name: QualifiedName, columns: [Identifier]) throws(SQLError) -> (name: String, columnNames: [String]) {
        guard let object = engine.object(named: name.last.name) else { throw unknown("relation", name, among: engine.relationNames) }
        guard let relation = object.relation, engine.stream(of: object) != nil else {
            throw SQLError(
                "\"\(object.name)\" takes no rows: it is no stream of the log", at: name.span, hint: "COPY a stream that CREATE STREAM has made",
                code: SQLError.featureNotSupported)
        }
        let physical = relation.physicalSchema.fields.map(\.name)
        guard !columns.isEmpty else { return (object.name, (relation.readsChangeKinds ? ["op"] : []) + physical) }
        var names: [String] = []
        for column in columns {
            guard let found = physical.first(where: { $0 == column.name }) ?? physical.first(where: { $0.lowercased() == column.name.lowercased() })
                ?? (relation.readsChangeKinds && column.name.lowercased() == "op" ? "op" : nil)
            else {
                throw SQLError(
                    "column \"\(column.name)\" of relation \"\(object.name)\" does not exist", at: column.span,
                    hint: NearestName.find(column.name, among: physical).map { "did you mean \"\($0)\"?" }, code: SQLError.undefinedColumn)
            }
            guard !names.contains(found) else {
                throw SQLError("column \"\(found)\" specified more than once", at: column.span, code: "42701")
            }
            names.append(found)
        }
        return (object.name, names)
    }

    static func typeName(_ type: SQLType) throws(SQLError) -> TypeName {
        let cast = try Parser.parseExpression("CAST(NULL AS \(type == .null ? "VARCHAR" : type.name))")
        guard case .cast(_, let name, _) = cast.kind else {
            throw SQLError("a value cannot be of type \(type.name)", at: .none, code: SQLError.featureNotSupported)
        }
        return name.strippingSpans()
    }
}
