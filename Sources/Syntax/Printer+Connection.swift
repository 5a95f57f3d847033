// Printer+Connection: the statements of ConnectionStatement.

extension Printer {
    @inline(never)
    static func connection(_ statement: ConnectionStatement) -> String {
        switch statement {
        case .begin, .commit, .rollback: return statement.name
        case .savepoint(let action, let name): return "\(action.rawValue) \(quote(name.name))"
        case .transactionModes: return "SET TRANSACTION READ WRITE"
        case .declare(let name, let query, let holds):
            return "DECLARE \(quote(name.name)) CURSOR \(holds ? "WITH HOLD " : "")FOR\n" + self.query(query, indent: 0)
        case .fetch(let fetch): return "\(statement.name) FORWARD \(fetch.count.map(String.init) ?? "ALL") FROM \(quote(fetch.cursor.name))"
        case .close(let name): return "CLOSE " + (name.map { quote($0.name) } ?? "ALL")
        case .copy(let copy): return self.copy(copy)
        case .prepare(let name, let types, let inner):
            let list = types.isEmpty ? "" : " (\(types.map { typeName($0) }.joined(separator: ", ")))"
            return "PREPARE \(quote(name.name))\(list) AS\n" + self.statement(inner)
        case .execute(let name, let values):
            return "EXECUTE \(quote(name.name))" + (values.isEmpty ? "" : " (\(values.map { expression($0) }.joined(separator: ", ")))")
        case .deallocate(let name): return "DEALLOCATE " + (name.map { quote($0.name) } ?? "ALL")
        case .discard(let kind): return "DISCARD \(kind.rawValue)"
        case .unlisten(let name): return "UNLISTEN " + (name.map { quote($0.name) } ?? "*")
        case .showSetting(let name): return "SHOW " + quote(name.name)
        }
    }

    private static func copy(_ copy: Copy) -> String {
        let source =
            switch copy.source {
            case .relation(let name, let columns): qualified(name) + (columns.isEmpty ? "" : " (\(names(columns)))")
            case .query(let query): "(\n" + self.query(query, indent: 0) + "\n)"
            }
        var options = ["FORMAT \(copy.format.rawValue)"]
        if copy.hasHeader { options.append("HEADER") }
        if let delimiter = copy.delimiter { options.append("DELIMITER \(string(delimiter))") }
        if let nullText = copy.nullText { options.append("NULL \(string(nullText))") }
        return "COPY \(source) \(copy.isFrom ? "FROM STDIN" : "TO STDOUT") WITH (\(options.joined(separator: ", ")))"
    }
}
