// InsertBinder: INSERT INTO t [(columns)] query: which column of the query goes where, and as what type.
//
// Columns map by position, or by the column list when there is one. Computed columns cannot be written. The result has exactly the
// target's physical columns in their order; those that are not named are NULL.

import Columns
import Syntax

/// A column that is written.
struct InsertTarget {
    var name: String
    var type: SQLType

    /// The value as the column's type; assignment allows less than CAST.
    func assign(_ value: BoundExpression, span: SourceSpan) throws(SQLError) -> BoundExpression {
        if let folded = try folded(value, span: span) { return folded }
        do {
            return try ExpressionTyping.cast(
                value, to: type, mode: .assignment, span: span, text: value.text.isEmpty ? name : value.text)
        } catch {
            // A constant whose text is no value of the type says more than that the types differ.
            if error.code != SQLError.datatypeMismatch && error.code != "42846" {
                throw SQLError(
                    "column \"\(name)\": \(error.message)", at: error.span, hint: error.hint, code: error.code)
            }
            throw SQLError(
                "column \"\(name)\" is of type \(type.name) but the expression is of type \(value.type.name)", at: span,
                hint: "you need to CAST the expression", code: SQLError.datatypeMismatch)
        }
    }
}

extension InsertTarget {
    /// Constants that a cast would leave to evaluation, so that a list of VALUES stays a list of values, and what cannot be stored is
    /// said here, with its place.
    private func folded(_ value: BoundExpression, span: SourceSpan) throws(SQLError) -> BoundExpression? {
        guard let constant = value.constantValue else { return nil }
        switch (constant, type) {
        case (.string(let text), .varchar(let length?)) where value.type.isText && text.unicodeScalars.count > length:
            throw tooLong(span)
        case (.integer, .varchar(let length)) where value.type.isInteger, (.decimal, .varchar(let length)):
            let text = TextFormat.string(constant, type: value.type)
            if let length, text.unicodeScalars.count > length { throw tooLong(span) }
            return .constant(.string(text), type, span: span)
        case (.integer(let number), .smallint), (.integer(let number), .integer):
            guard value.type.isInteger, type.integerRange?.contains(number) == false else { return nil }
            throw outOfRange(TextFormat.string(constant, type: value.type), span)
        case (.decimal(let unscaled), .smallint), (.decimal(let unscaled), .integer), (.decimal(let unscaled), .bigint):
            guard case .decimal(_, let scale) = value.type else { return nil }
            var whole = unscaled
            for _ in 0..<scale { whole /= 10 }
            guard let number = Int64(exactly: whole), type.integerRange?.contains(number) == true else {
                throw outOfRange(TextFormat.string(constant, type: value.type), span)
            }
            return .constant(.integer(number), type, span: span)
        default: return nil
        }
    }

    private func tooLong(_ span: SourceSpan) -> SQLError {
        SQLError("column \"\(name)\": value too long for type \(type.name)", at: span, code: "22001")
    }

    private func outOfRange(_ text: String, _ span: SourceSpan) -> SQLError {
        SQLError("column \"\(name)\": value \(text) is out of range for type \(type.name)", at: span, code: SQLError.numericOutOfRange)
    }
}

enum InsertBinder {
    static func relation(_ name: QualifiedName, catalog: any Catalog) throws(SQLError) -> RelationDefinition {
        switch catalog.entry(named: name.last.name) {
        case .relation(let relation)?: return relation
        case .view(let view)?:
            throw SQLError(
                "cannot insert into view \"\(view.name)\"", at: name.span, hint: "insert into the stream it reads", code: "55000")
        case nil:
            throw SQLError(
                "relation \"\(name.last.name)\" does not exist", at: name.span,
                hint: NearestName.find(name.last.name, among: catalog.entryNames).map { "did you mean \"\($0)\"?" }
                    ?? "CREATE STREAM \(name.last.name) (..) makes it",
                code: SQLError.undefinedTable)
        }
    }

    static func bind(_ insert: Insert, binder: QueryBinder) throws(SQLError) -> (target: RelationDefinition, query: BoundQuery) {
        let relation = try relation(insert.target, catalog: binder.catalog)
        let physical = relation.physicalColumns
        let ordinals = try targets(insert, relation, physical)
        let targets = ordinals.map { InsertTarget(name: relation.columns[$0].name, type: relation.columns[$0].type) }
        if case .values(let rows, _) = insert.query.body {
            for row in rows { try checkCount(row.map(\.span), targets, insert) }
        }
        var bound = try binder.bindStatement(insert.query, targets: targets)
        try checkCount(bound.spans, targets, insert)

        // Each column cast; where the top of the plan is a projection, in it.
        var columns: [LogicalColumn]
        let input: LogicalPlan
        if case .project(let inner, let projected) = bound.plan {
            (input, columns) = (inner, projected)
        } else {
            (input, columns) = (bound.plan, LogicalPlan.passing(bound.fields))
        }
        for index in columns.indices {
            columns[index].expression = try targets[index].assign(
                columns[index].expression, span: index < bound.spans.count ? bound.spans[index] : insert.target.span)
        }
        var output: [LogicalColumn] = []
        for ordinal in physical {
            let definition = relation.columns[ordinal]
            if let place = ordinals.firstIndex(of: ordinal) {
                output.append(LogicalColumn(expression: columns[place].expression, name: definition.name))
            } else {
                if definition.isNotNull {
                    throw SQLError(
                        "column \"\(definition.name)\" of \"\(relation.name)\" is NOT NULL and gets no value", at: insert.target.span,
                        hint: "add it to the column list", code: "23502")
                }
                output.append(LogicalColumn(expression: .constant(.null, definition.type), name: definition.name))
            }
        }
        bound.plan = .project(input, output)
        bound.fields = output.map { SQLType.Field(name: $0.name, type: $0.expression.type) }
        return (relation, bound)
    }

    private static func targets(_ insert: Insert, _ relation: RelationDefinition, _ physical: [Int]) throws(SQLError) -> [Int] {
        if insert.columns.isEmpty { return physical }
        let scope = Scope(
            table: relation.name, fields: relation.columns.map { SQLType.Field(name: $0.name, type: $0.type) })
        var ordinals: [Int] = []
        for name in insert.columns {
            guard let column = try scope.find(name, span: name.span) else {
                throw SQLError(
                    "column \"\(name.name)\" of relation \"\(relation.name)\" does not exist", at: name.span,
                    hint: scope.undefined(QualifiedName([name], span: name.span)).hint, code: SQLError.undefinedColumn)
            }
            if relation.columns[column.ordinal].computed != nil {
                throw SQLError(
                    "column \"\(column.name)\" is computed and cannot be written", at: name.span, code: "428C9")
            }
            if ordinals.contains(column.ordinal) {
                throw SQLError("column \"\(column.name)\" specified more than once", at: name.span, code: "42701")
            }
            ordinals.append(column.ordinal)
        }
        return ordinals
    }

    private static func checkCount(_ spans: [SourceSpan], _ targets: [InsertTarget], _ insert: Insert) throws(SQLError) {
        if spans.count > targets.count {
            throw SQLError(
                "INSERT has more expressions than target columns", at: spans[targets.count],
                hint: "there are \(spans.count) for \(targets.count): " + targets.map(\.name).joined(separator: ", "),
                code: SQLError.syntaxError)
        }
        if spans.count < targets.count {
            let missing = targets[spans.count...].map(\.name).joined(separator: ", ")
            throw SQLError(
                "INSERT has more target columns than expressions", at: spans.last ?? insert.query.span,
                hint: "nothing is given for \(missing)", code: SQLError.syntaxError)
        }
    }
}
