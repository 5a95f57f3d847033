// Printer+Statement: statements, one clause a line.

extension Printer {
    private static func shardChange(_ change: AlterStream.Change) -> String {
        switch change {
        case .split(let shard, let place): " SPLIT SHARD " + expression(shard) + (place.map { " AT " + expression($0) } ?? "")
        case .merge(let first, let second): " MERGE SHARDS " + expression(first) + ", " + expression(second)
        }
    }

    @inline(never)
    static func statement(_ statement: Statement) -> String {
        switch statement.kind {
        case .query(let query): return self.query(query, indent: 0)
        case .insert(let insert): return self.insert(insert)
        case .createRelation(let relation): return createRelation(relation)
        case .createView(let view):
            let columns = view.columns.isEmpty ? "" : " (\(names(view.columns)))"
            return create(view.isMaterialized ? "MATERIALIZED VIEW" : "VIEW", view.name, orReplace: view.orReplace, ifNotExists: view.ifNotExists) + columns + " AS\n"
                + query(view.query, indent: 0)
        case .createQuery(let query):
            return create("QUERY", query.name, orReplace: query.orReplace, ifNotExists: query.ifNotExists) + body(query)
        case .alterQuery(let query): return "ALTER QUERY " + qualified(query.name) + body(query)
        case .alterStream(let alter): return "ALTER STREAM " + qualified(alter.name) + shardChange(alter.change)
        case .createFunction(let function):
            let parameters = function.parameters.map { parameter in
                (parameter.name.map { quote($0.name) + " " } ?? "") + typeName(parameter.type)
            }
            return create("FUNCTION", function.name, orReplace: function.orReplace, ifNotExists: function.ifNotExists)
                + "(\(parameters.joined(separator: ", "))) RETURNS \(typeName(function.returns))\(function.isStrict ? " STRICT" : "")\n"
                + "RETURN \(expression(function.body))"
        case .drop(let kind, let names, let ifExists):
            return "DROP \(kind.rawValue) \(ifExists ? "IF EXISTS " : "")" + names.map { qualified($0) }.joined(separator: ", ")
        case .show(let kind): return "SHOW " + show(kind)
        case .describe(let name): return "DESCRIBE " + qualified(name)
        case .describeQuery(let name): return "DESCRIBE QUERY " + qualified(name)
        case .pause(let kind, let name, let isPaused): return "\(isPaused ? "PAUSE" : "RESUME") \(kind.rawValue) " + qualified(name)
        case .explainAnalyze(.query(let name)): return "EXPLAIN ANALYZE QUERY " + qualified(name)
        case .explainAnalyze(.statement(let inner)): return "EXPLAIN ANALYZE " + self.statement(inner)
        case .explainWatermark(let name): return "EXPLAIN WATERMARK QUERY " + qualified(name)
        case .explain(let kind, let inner):
            return "EXPLAIN \(kind.map { $0.rawValue + " " } ?? "")" + self.statement(inner)
        case .set(let name, let value):
            // A bare word would be a text.
            if case .column(let column) = value.kind, column.parts.count == 1 {
                return "SET \(quote(name.name)) = \(quoted(column.last.name))"
            }
            return "SET \(quote(name.name)) = \(expression(value))"
        case .notification(let statement): return notification(statement)
        case .alert(let statement): return alert(statement)
        case .connection(let statement): return connection(statement)
        case .reset(let name): return "RESET " + (name.name == "ALL" && !name.isQuoted ? "ALL" : quote(name.name))
        }
    }

    private static func show(_ kind: ShowKind) -> String {
        switch kind {
        case .streams: "STREAMS"
        case .tables: "TABLES"
        case .views: "VIEWS"
        case .materializedViews: "MATERIALIZED VIEWS"
        case .queries: "QUERIES"
        case .functions: "FUNCTIONS"
        case .all: "ALL"
        case .alerts: "ALERTS"
        case .notifiers: "NOTIFIERS"
        case .silences: "SILENCES"
        case .inhibitions: "INHIBITIONS"
        case .create(let name): "CREATE " + qualified(name)
        case .definitions: "CREATE ALL"
        }
    }

    @inline(never)
    private static func body(_ query: CreateQuery) -> String {
        (query.options.isEmpty ? "" : " WITH (\n\(options(query.options))\n)") + " AS\n" + insert(query.insert)
    }

    private static func insert(_ insert: Insert) -> String {
        let columns = insert.columns.isEmpty ? "" : " (\(names(insert.columns)))"
        return "INSERT INTO \(qualified(insert.target))\(columns)\n" + query(insert.query, indent: 0)
    }

    static func create(_ kind: String, _ name: QualifiedName, orReplace: Bool, ifNotExists: Bool) -> String {
        "CREATE \(orReplace ? "OR REPLACE " : "")\(kind) \(ifNotExists ? "IF NOT EXISTS " : "")" + qualified(name)
    }

    @inline(never)
    private static func createRelation(_ relation: CreateRelation) -> String {
        var text = create(
            relation.kind.rawValue, relation.name, orReplace: relation.orReplace, ifNotExists: relation.ifNotExists)
        var elements = relation.columns.map { column in
            switch column.kind {
            case .physical(let type, let isNotNull):
                "\(quote(column.name.name)) \(typeName(type))\(isNotNull ? " NOT NULL" : "")"
            case .computed(let value): "\(quote(column.name.name)) AS \(expression(value))"
            }
        }
        if let watermark = relation.watermark {
            elements.append("WATERMARK FOR \(quote(watermark.column.name)) AS \(expression(watermark.expression))")
        }
        if !relation.primaryKey.isEmpty { elements.append("PRIMARY KEY (\(names(relation.primaryKey))) NOT ENFORCED") }
        if !elements.isEmpty { text += " (\n  " + elements.joined(separator: ",\n  ") + "\n)" }
        if !relation.partitionBy.isEmpty { text += "\nPARTITION BY (\(names(relation.partitionBy)))" }
        if let shards = relation.shards { text += "\nSHARDS " + expression(shards) }
        if !relation.retain.isEmpty { text += "\nRETAIN " + list(relation.retain) }
        if !relation.options.isEmpty { text += "\nWITH (\n\(options(relation.options))\n)" }
        switch relation.source {
        case .like(let name, let part): text += "\nLIKE " + qualified(name) + (part == .everything ? "" : " (\(part.rawValue))")
        case .query(let query): text += "\nAS\n" + self.query(query, indent: 0)
        case nil: break
        }
        return text
    }

    static func options(_ options: [Option]) -> String {
        options.map { "  \(optionKey($0.key)) = \(string($0.value))" }.joined(separator: ",\n")
    }

    /// Bare when it is a word, or words with dots.
    private static func optionKey(_ key: String) -> String {
        let words = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        return words.allSatisfy { quote($0) == $0 } ? key : string(key)
    }
}
