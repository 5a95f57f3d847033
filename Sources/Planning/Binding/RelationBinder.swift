// RelationBinder: CREATE STREAM | TABLE: types, names, the watermark, how rows are spread and kept. Also the two things that a stored
// definition must be bound for each time it is read: its computed columns and its watermark.
//
// Physical columns are stored; computed ones are expressions over the physical columns, evaluated when a row is read. The watermark
// is over all columns. `connector` leaves the options, which keep whatever else was written; connectors check their own.

import Columns
import Syntax

enum RelationBinder {
    static let shardsMax: Int64 = 256
    static let columnsMax = 1600

    static func define(_ clause: CreateRelation) throws(SQLError) -> RelationDefinition {
        var relation = RelationDefinition(name: clause.name.last.name, kind: clause.kind, columns: [])
        try bindColumns(clause, &relation)
        if let watermark = clause.watermark { try bindWatermark(watermark, &relation) }
        relation.partitionBy = try physicalColumns(clause.partitionBy, relation, clause: "PARTITION BY")
        relation.primaryKey = try physicalColumns(clause.primaryKey, relation, clause: "PRIMARY KEY")
        if let shards = clause.shards { relation.shardCount = try shardCount(shards) }
        for expression in clause.retain { try bindRetention(expression, &relation) }
        try bindOptions(clause.options, &relation)
        return relation
    }

    // MARK: Columns

    private static func bindColumns(_ clause: CreateRelation, _ relation: inout RelationDefinition) throws(SQLError) {
        if clause.columns.isEmpty {
            throw SQLError(
                "a \(clause.kind.rawValue.lowercased()) needs at least one column", at: clause.name.span,
                hint: "CREATE \(clause.kind.rawValue) \(clause.name.last.name) (k VARCHAR, v BIGINT)", code: "42P16")
        }
        if clause.columns.count > columnsMax {
            throw SQLError(
                "a \(clause.kind.rawValue.lowercased()) can have at most \(columnsMax) columns", at: clause.columns[columnsMax].span,
                code: SQLError.programLimitExceeded)
        }
        var names: Set<String> = []
        for column in clause.columns {
            guard names.insert(column.name.name).inserted else {
                throw SQLError(
                    "column \"\(column.name.name)\" specified more than once", at: column.name.span, code: "42701")
            }
            if case .physical(let typeName, let isNotNull) = column.kind {
                let type = try ExpressionTyping.type(typeName)
                relation.columns.append(ColumnDefinition(name: column.name.name, type: type, isNotNull: isNotNull))
            } else if case .computed(let expression) = column.kind {
                relation.columns.append(ColumnDefinition(name: column.name.name, type: .null, computed: expression))
            }
        }
        let physical = relation.physicalSchema
        if physical.count == 0 {
            throw SQLError("at least one column must not be computed", at: clause.columns[0].span, code: "42P16")
        }
        for index in relation.columns.indices {
            guard let expression = relation.columns[index].computed else { continue }
            let bound = try computed(expression, relation, physical)
            if bound.type == .null {
                throw SQLError(
                    "the type of column \"\(relation.columns[index].name)\" is not known", at: expression.span,
                    hint: "CAST the NULL to a type", code: SQLError.datatypeMismatch)
            }
            relation.columns[index].type = bound.type
        }
    }

    private static func computed(_ expression: Expression, _ relation: RelationDefinition, _ physical: Schema) throws(SQLError)
        -> BoundExpression
    {
        do {
            return try ExpressionBinder(scope: Scope(table: relation.name, fields: physical.fields), clause: .computedColumn)
                .bind(expression)
        } catch {
            if error.code == SQLError.undefinedColumn,
                let other = relation.columns.first(where: { $0.computed != nil && error.message == "column \"\($0.name)\" does not exist" })
            {
                throw SQLError(
                    "a computed column cannot use another one (\"\(other.name)\")", at: error.span,
                    hint: "write that one's expression instead", code: SQLError.featureNotSupported)
            }
            throw error
        }
    }

    /// All columns of a relation over its physical ones.
    static func columns(of relation: RelationDefinition, physical: Schema) throws(SQLError) -> [LogicalColumn] {
        var columns: [LogicalColumn] = []
        var ordinal = 0
        for column in relation.columns {
            if let expression = column.computed {
                let bound = try computed(expression, relation, physical)
                columns.append(
                    LogicalColumn(
                        expression: try ExpressionTyping.cast(
                            bound, to: column.type, mode: .explicit, span: bound.span, text: Printer.print(expression)),
                        name: column.name))
            } else {
                columns.append(LogicalColumn(expression: .column(ordinal, column.type), name: column.name))
                ordinal += 1
            }
        }
        return columns
    }

    // MARK: Watermark

    private static func bindWatermark(_ clause: WatermarkClause, _ relation: inout RelationDefinition) throws(SQLError) {
        let fields = relation.columns.map { SQLType.Field(name: $0.name, type: $0.type) }
        let scope = Scope(table: relation.name, fields: fields)
        let column = try scope.resolve(QualifiedName([clause.column], span: clause.column.span))
        guard column.type.isTimestamp else {
            throw SQLError(
                "a watermark needs a TIMESTAMP column; \"\(column.name)\" is \(column.type.name)", at: clause.column.span,
                hint: column.type.isText || column.type.isInteger
                    ? "add a computed column, for example ts AS TO_TIMESTAMP(\(column.name))" : nil,
                code: SQLError.datatypeMismatch)
        }
        let bound = try ExpressionBinder(scope: scope, clause: .watermark).bind(clause.expression)
        guard sameFamily(bound.type, column.type) else {
            throw SQLError(
                "the watermark must be \(column.type.name) as its column is, not \(bound.type.name)", at: clause.expression.span,
                hint: "for example \(column.name) - INTERVAL '5' SECOND", code: SQLError.datatypeMismatch)
        }
        relation.watermark = WatermarkDefinition(column: column.ordinal, expression: clause.expression)
    }

    private static func sameFamily(_ left: SQLType, _ right: SQLType) -> Bool {
        switch (left, right) {
        case (.timestamp, .timestamp), (.timestampTZ, .timestampTZ): true
        default: false
        }
    }

    /// The watermark of a relation over its columns, computed ones included.
    static func watermark(of relation: RelationDefinition) throws(SQLError) -> WatermarkNode? {
        guard let definition = relation.watermark, relation.columns.indices.contains(definition.column) else { return nil }
        let type = relation.columns[definition.column].type
        let scope = Scope(
            table: relation.name, fields: relation.columns.map { SQLType.Field(name: $0.name, type: $0.type) })
        let binder = ExpressionBinder(scope: scope, clause: .watermark)
        let bound = try ExpressionTyping.cast(
            try binder.bind(definition.expression), to: type, mode: .explicit, span: definition.expression.span, text: "")
        var delay: Int64?
        switch definition.expression.kind {
        case .column: if bound.plainColumn == definition.column { delay = 0 }
        case .binary(.subtract, let time, let interval, _):
            if case .column = time.kind, try binder.bind(time).plainColumn == definition.column {
                delay = ExpressionTyping.constantMicroseconds(try binder.bind(interval))
            }
        default: break
        }
        return WatermarkNode(timeColumn: definition.column, expression: bound, delayMicroseconds: delay)
    }

    // MARK: Distribution and retention

    private static func physicalColumns(_ names: [Identifier], _ relation: RelationDefinition, clause: String) throws(SQLError) -> [Int] {
        let scope = Scope(
            table: relation.name, fields: relation.columns.map { SQLType.Field(name: $0.name, type: $0.type) })
        var columns: [Int] = []
        for name in names {
            let column = try scope.resolve(QualifiedName([name], span: name.span)).ordinal
            if relation.columns[column].computed != nil {
                throw SQLError(
                    "\(clause) cannot use the computed column \"\(name.name)\"", at: name.span,
                    hint: "it is evaluated when a row is read, and rows are spread when they are written",
                    code: SQLError.featureNotSupported)
            }
            if columns.contains(column) {
                throw SQLError("column \"\(name.name)\" appears twice in \(clause)", at: name.span, code: "42701")
            }
            columns.append(column)
        }
        return columns
    }

    private static func shardCount(_ expression: Expression) throws(SQLError) -> Int {
        let bound = try ExpressionBinder(scope: Scope(), clause: .constant("SHARDS")).bind(expression)
        guard case .integer(let count)? = bound.constantValue, bound.type.isInteger, (1...shardsMax).contains(count) else {
            throw SQLError(
                "SHARDS must be an integer from 1 to \(shardsMax)", at: expression.span, code: SQLError.invalidParameter)
        }
        return Int(count)
    }

    private static func bindRetention(_ expression: Expression, _ relation: inout RelationDefinition) throws(SQLError) {
        let bound = try ExpressionBinder(scope: Scope(), clause: .constant("RETAIN")).bind(expression)
        let hint = "RETAIN INTERVAL '1' DAY, or RETAIN '10 GB', or both"
        if bound.type == .interval {
            guard let microseconds = ExpressionTyping.constantMicroseconds(bound), microseconds > 0 else {
                throw SQLError(
                    "RETAIN needs a positive interval of fixed length", at: expression.span, hint: hint, code: SQLError.invalidParameter)
            }
            if relation.retainedMicrosecondsMax != nil {
                throw SQLError("RETAIN gives two intervals", at: expression.span, hint: hint, code: SQLError.invalidParameter)
            }
            relation.retainedMicrosecondsMax = microseconds
            return
        }
        guard case .string(let text)? = bound.constantValue, let bytes = byteCount(text), bytes > 0 else {
            throw SQLError(
                "RETAIN needs an interval or a size", at: expression.span, hint: hint, code: SQLError.invalidParameter)
        }
        if relation.retainedBytesMax != nil {
            throw SQLError("RETAIN gives two sizes", at: expression.span, hint: hint, code: SQLError.invalidParameter)
        }
        relation.retainedBytesMax = bytes
    }

    /// `10 GB`, `512MB`, `1.5 GiB`, `4096`: units are powers of 1024, as in PostgreSQL; nil for anything else or too much.
    static func byteCount(_ text: String) -> Int64? {
        let bytes = Array(text.utf8).filter { $0 != UInt8(ascii: " ") }
        var index = 0
        var whole: Int64 = 0
        var fraction: Int64 = 0
        var fractionScale: Int64 = 1
        var hasDigits = false
        while index < bytes.count, (48...57).contains(bytes[index]) {
            let (tens, overflowed) = whole.multipliedReportingOverflow(by: 10)
            let (sum, overflowedAgain) = tens.addingReportingOverflow(Int64(bytes[index] - 48))
            if overflowed || overflowedAgain { return nil }
            (whole, hasDigits) = (sum, true)
            index += 1
        }
        if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
            index += 1
            while index < bytes.count, (48...57).contains(bytes[index]) {
                if fractionScale < 1_000_000 {
                    fraction = fraction * 10 + Int64(bytes[index] - 48)
                    fractionScale *= 10
                }
                index += 1
            }
        }
        guard hasDigits else { return nil }
        let unit: Int64
        switch String(decoding: bytes[index...], as: UTF8.self).lowercased() {
        case "", "b", "bytes": unit = 1
        case "k", "kb", "kib": unit = 1 << 10
        case "m", "mb", "mib": unit = 1 << 20
        case "g", "gb", "gib": unit = 1 << 30
        case "t", "tb", "tib": unit = 1 << 40
        default: return nil
        }
        let (scaled, overflowed) = whole.multipliedReportingOverflow(by: unit)
        let (total, overflowedAgain) = scaled.addingReportingOverflow(unit * fraction / fractionScale)
        return overflowed || overflowedAgain ? nil : total
    }

    // MARK: Options

    /// `changelog = 'op'`: each row has the key `op` with `+I`, `-U`, `+U` or `-D`. `'upsert'`: a row replaces the one of its PRIMARY KEY.
    /// `'append'`: rows are only ever added, and a query that takes rows back cannot write here.
    private static func isChangelog(_ option: Option) throws(SQLError) -> Bool {
        switch option.value.lowercased() {
        case "op", "true", "on", "upsert": return true
        case "append", "false", "off": return false
        default:
            throw SQLError(
                "option \"changelog\" is 'op', 'upsert' or 'append', not '\(option.value)'", at: option.keySpan, code: SQLError.invalidParameter)
        }
    }

    /// What the options about changes need of the rest of the definition.
    private static func checkChanges(_ relation: inout RelationDefinition, _ options: [Option]) throws(SQLError) {
        let changelog = options.first { $0.key.lowercased() == "changelog" }
        let format = options.first { $0.key.lowercased() == "format" }
        if relation.isDebezium {
            if let changelog, relation.isAppendOnly {
                throw SQLError(
                    "changelog = '\(changelog.value)' contradicts format = 'debezium-json', whose rows are changes", at: changelog.keySpan,
                    hint: "leave one of the two out", code: SQLError.invalidParameter)
            }
            if let format, !["log", "file", "filesystem"].contains(relation.connector) {
                throw SQLError(
                    "connector '\(relation.connector)' has no format 'debezium-json'", at: format.keySpan, code: SQLError.invalidParameter)
            }
            relation.isChangelog = true
        }
        if let changelog, relation.isUpsert {
            guard !relation.primaryKey.isEmpty else {
                throw SQLError(
                    "changelog = 'upsert' needs a PRIMARY KEY", at: changelog.keySpan,
                    hint: "a row replaces the one of the same key: add PRIMARY KEY (id) NOT ENFORCED behind the columns",
                    code: SQLError.invalidParameter)
            }
            for column in relation.primaryKey {
                relation.columns[column].isNotNull = true
                let type = relation.columns[column].type
                if type.isNested || type == .json {
                    throw SQLError(
                        "a column of type \(type.name) cannot be in the PRIMARY KEY of an upsert stream", at: changelog.keySpan,
                        code: SQLError.featureNotSupported)
                }
            }
            if relation.connector == "log", let column = relation.partitionBy.first(where: { !relation.primaryKey.contains($0) }) {
                throw SQLError(
                    "the changes of one key would lie in several shards: \"\(relation.columns[column].name)\" is not in the PRIMARY KEY",
                    at: changelog.keySpan, hint: "PARTITION BY columns of the PRIMARY KEY, or leave PARTITION BY out", code: SQLError.invalidParameter)
            }
        }
        // The changes of a key stay in order.
        if relation.isChangelog, relation.connector == "log", relation.partitionBy.isEmpty { relation.partitionBy = relation.primaryKey }
        if relation.isChangelog, relation.connector == "log", relation.partitionBy.isEmpty, relation.shardCount > 1, let place = changelog ?? format {
            throw SQLError(
                "the changes of one row would lie in several shards, where their order is lost", at: place.keySpan,
                hint: "PARTITION BY what does not change, declare a PRIMARY KEY, or leave SHARDS out", code: SQLError.invalidParameter)
        }
    }

    private static func bindOptions(_ options: [Option], _ relation: inout RelationDefinition) throws(SQLError) {
        var seen: Set<String> = []
        for option in options {
            let key = option.key.lowercased()
            guard seen.insert(key).inserted else {
                throw SQLError("option \"\(key)\" is given twice", at: option.keySpan, code: SQLError.invalidParameter)
            }
            if key == "connector" {
                relation.connector = option.value.lowercased()
            } else {
                relation.options[key] = option.value
            }
            if key == "changelog" { relation.isChangelog = try isChangelog(option) }
        }
        try checkChanges(&relation, options)
        FilesystemSpelling.apply(to: &relation)
    }
}
