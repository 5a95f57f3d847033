// Printer+Query: queries and tables. `indent` is the column at which clauses begin; nil puts everything on one line.

extension Printer {
    private static let lineWidthMax = 100
    static let indentWidth = 2

    static func lineBreak(_ indent: Int?) -> String {
        indent.map { "\n" + String(repeating: " ", count: $0) } ?? " "
    }

    /// `(query)`, the query on lines of its own.
    private static func enclosed(_ query: Query, indent: Int?) -> String {
        guard let indent else { return "(\(self.query(query, indent: nil)))" }
        let inner = indent + indentWidth
        return "(\(lineBreak(inner))\(self.query(query, indent: inner))\(lineBreak(indent)))"
    }

    @inline(never)
    static func query(_ query: Query, indent: Int?) -> String {
        var text = ""
        if !query.with.isEmpty {
            text += (query.isRecursive ? "WITH RECURSIVE " : "WITH ") + query.with.map { table in
                let columns = table.columns.isEmpty ? "" : " (\(names(table.columns)))"
                return "\(quote(table.name.name))\(columns) AS \(enclosed(table.query, indent: indent))"
            }.joined(separator: ", ")
            text += lineBreak(indent)
        }
        text += body(query.body, indent: indent)
        if !query.orderBy.isEmpty { text += lineBreak(indent) + "ORDER BY " + orderItems(query.orderBy) }
        if let limit = query.limit { text += lineBreak(indent) + "LIMIT " + expression(limit) }
        if let offset = query.offset { text += lineBreak(indent) + "OFFSET " + expression(offset) }
        switch query.emit {
        case .onWindowClose: text += lineBreak(indent) + "EMIT ON WINDOW CLOSE"
        case .changes: text += lineBreak(indent) + "EMIT CHANGES"
        case nil: break
        }
        switch query.startFrom {
        case .trimHorizon: text += lineBreak(indent) + "START FROM TRIM_HORIZON"
        case .latest: text += lineBreak(indent) + "START FROM LATEST"
        case .time(let time):
            // A string in the first place would be a sequence number.
            let written = expression(time)
            text += lineBreak(indent) + "START FROM " + (written.hasPrefix("'") ? "(\(written))" : written)
        case .sequence(let sequence): text += lineBreak(indent) + "START FROM " + string(sequence)
        case nil: break
        }
        return text
    }

    @inline(never)
    private static func body(_ body: QueryBody, indent: Int?) -> String {
        switch body {
        case .select(let select): return self.select(select, indent: indent)
        case .values(let rows, _):
            return "VALUES " + rows.map { "(\(list($0)))" }.joined(separator: "," + lineBreak(indent.map { $0 + indentWidth }))
        case .setOperation(let setOperator, let all, let left, let right, _):
            let leftText = operand(left, minimumPrecedence: setOperator.precedence, indent: indent)
            let rightText = operand(right, minimumPrecedence: setOperator.precedence + 1, indent: indent)
            return "\(leftText)\(lineBreak(indent))\(setOperator.rawValue)\(all ? " ALL" : "")\(lineBreak(indent))\(rightText)"
        }
    }

    private static func operand(_ query: Query, minimumPrecedence: Int, indent: Int?) -> String {
        var needsParentheses = query.hasTail || !query.with.isEmpty
        if case .setOperation(let setOperator, _, _, _, _) = query.body, setOperator.precedence < minimumPrecedence {
            needsParentheses = true
        }
        return needsParentheses ? enclosed(query, indent: indent) : self.query(query, indent: indent)
    }

    @inline(never)
    private static func select(_ select: Select, indent: Int?) -> String {
        var text = "SELECT"
        if select.isStream { text += " STREAM" }
        if select.isDistinct { text += " DISTINCT" }
        if !select.distinctOn.isEmpty { text += " DISTINCT ON (\(list(select.distinctOn)))" }
        let items = select.items.map { item in
            expression(item.expression) + (item.alias.map { " AS " + quote($0.name) } ?? "")
        }
        // `SELECT STREAM - x` would subtract from a column of that name.
        let beginsWithSign = items.first.map { $0.hasPrefix("-") || $0.hasPrefix("+") } ?? false
        if select.isStream, !select.isDistinct, select.distinctOn.isEmpty, beginsWithSign { text += " ALL" }
        text += wrapped(items, indent: indent)
        if !select.from.isEmpty {
            text += lineBreak(indent) + "FROM " + select.from.map { table($0, indent: indent) }.joined(separator: ", ")
        }
        if let filter = select.filter { text += lineBreak(indent) + "WHERE " + expression(filter) }
        if !select.groupBy.isEmpty {
            text += lineBreak(indent) + "GROUP BY " + select.groupBy.map { groupingElement($0) }.joined(separator: ", ")
        }
        if let having = select.having { text += lineBreak(indent) + "HAVING " + expression(having) }
        if !select.windows.isEmpty {
            text += lineBreak(indent) + "WINDOW "
                + select.windows.map { "\(quote($0.name.name)) AS \(window($0.specification))" }.joined(separator: ", ")
        }
        if let qualify = select.qualify { text += lineBreak(indent) + "QUALIFY " + expression(qualify) }
        return text
    }

    /// Items behind a word, on its line when they fit, else one a line.
    private static func wrapped(_ items: [String], indent: Int?) -> String {
        let width = items.reduce(0) { $0 + $1.utf8.count + 2 }
        guard let indent, items.count > 1, width + indent > lineWidthMax else { return " " + items.joined(separator: ", ") }
        let inner = lineBreak(indent + indentWidth)
        return inner + items.joined(separator: "," + inner)
    }

    private static func groupingElement(_ element: GroupingElement) -> String {
        switch element {
        case .expression(let expression): self.expression(expression)
        case .groupingSets(let sets): "GROUPING SETS (" + sets.map { "(\(list($0)))" }.joined(separator: ", ") + ")"
        case .all: "ALL"
        case .rollup(let items): "ROLLUP (\(list(items)))"
        case .cube(let items): "CUBE (\(list(items)))"
        }
    }

    // MARK: Tables

    @inline(never)
    static func table(_ table: TableExpression, indent: Int?) -> String {
        var text: String
        switch table.kind {
        case .name(let name, let asOf):
            text = qualified(name)
            if let asOf { text += " FOR SYSTEM_TIME AS OF " + expression(asOf) }
        case .query(let query): text = enclosed(query, indent: indent)
        case .function(let call): text = "TABLE(\(self.call(call)))"
        case .unnest(let arrays, let withOrdinality):
            text = "UNNEST(\(list(arrays)))" + (withOrdinality ? " WITH ORDINALITY" : "")
        case .join(let kind, let left, let right, let condition):
            text = join(kind, left, right, condition, indent: indent)
            if table.alias != nil { text = "(\(text))" }
        case .match(let input, let clause):
            let inputText = self.table(input, indent: indent)
            text = (input.isJoin ? "(\(inputText))" : inputText) + " MATCH_RECOGNIZE " + match(clause, indent: indent)
        case .lateral(let inner):
            let needsParentheses = inner.alias != nil || inner.isJoin || inner.isMatch
            text = "LATERAL " + (needsParentheses ? "(\(self.table(inner, indent: indent)))" : self.table(inner, indent: indent))
        }
        if let alias = table.alias {
            text += " AS " + quote(alias.name)
            if !table.columnAliases.isEmpty { text += " (\(names(table.columnAliases)))" }
        }
        return text
    }

    private static func join(
        _ kind: JoinKind, _ left: TableExpression, _ right: TableExpression, _ condition: JoinCondition, indent: Int?
    ) -> String {
        let rightText = table(right, indent: indent)
        var text = table(left, indent: indent) + lineBreak(indent) + (condition == .natural ? "NATURAL " : "") + kind.rawValue + " "
        text += right.isJoin && right.alias == nil ? "(\(rightText))" : rightText
        switch condition {
        case .none, .natural: break
        case .on(let expression): text += " ON " + self.expression(expression)
        case .using(let columns): text += " USING (\(names(columns)))"
        }
        return text
    }
}

extension TableExpression {
    fileprivate var isJoin: Bool {
        if case .join = kind { return true }
        return false
    }

    fileprivate var isMatch: Bool {
        if case .match = kind { return true }
        return false
    }
}
