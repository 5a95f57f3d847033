// Definition: an object of a catalog as its statement, in a form in which two can be compared.
//
// What a deployed file says is how things shall be, not how they become so: `IF NOT EXISTS` and `OR REPLACE` mean nothing in it, nor do spaces,
// comments, the case of keywords or the order of options.

import Engine
import Syntax

struct Definition {
    enum Kind: String {
        case stream, table, view, query, function
        case materializedView = "materialized view"
        case alert, notifier, inhibition

        /// Streams, tables and views share their names.
        var space: String {
            switch self {
            case .stream, .table, .view, .materializedView: "relation"
            case .query: "query"
            case .function, .alert, .notifier, .inhibition: rawValue
            }
        }

        /// What is told and to whom: nothing is computed from them, and CREATE OR REPLACE keeps what can be kept.
        var isAboutAlerts: Bool { self == .alert || self == .notifier || self == .inhibition }

        var isRelation: Bool { self == .stream || self == .table }
    }

    struct Key: Hashable {
        var space: String
        var name: String
    }

    /// Where a file defines it.
    struct Place {
        var path: String
        var source: String
        var span: SourceSpan

        var line: Int { SourceLocation(offset: span.start, in: source).line }
    }

    var kind: Kind
    var name: String
    /// As it was written.
    var sql: String
    var statement: Statement
    /// nil: it runs, and is in no file.
    var place: Place?

    var key: Key { Key(space: kind.space, name: name.lowercased()) }
    /// `stream bid`.
    var title: String { "\(kind.rawValue) \(name)" }

    /// nil for a statement that defines nothing.
    init?(_ statement: Statement, sql: String, place: Place? = nil) {
        switch statement.kind {
        case .createRelation(let create): (kind, name) = (create.kind == .table ? .table : .stream, create.name.last.name)
        case .createView(let create): (kind, name) = (create.isMaterialized ? .materializedView : .view, create.name.last.name)
        case .createQuery(let create): (kind, name) = (.query, create.name.last.name)
        case .createFunction(let create): (kind, name) = (.function, create.name.last.name)
        case .alert(.create(let create)): (kind, name) = (.alert, create.name.last.name)
        case .notification(.createNotifier(let create)): (kind, name) = (.notifier, create.name.last.name)
        case .notification(.createInhibition(let create)): (kind, name) = (.inhibition, create.name.last.name)
        default: return nil
        }
        self.sql = sql
        self.statement = statement
        self.place = place
    }

    /// As a row of SHOW CREATE ALL gives it.
    init(sql: String) throws {
        guard let parsed = try Parser.parseScript(sql).first, let definition = Definition(parsed.statement, sql: sql) else {
            throw EngineError("not a definition: \(sql.prefix(60))")
        }
        self = definition
    }

    var parsed: ParsedStatement { ParsedStatement(statement: statement, span: SourceSpan(start: 0, end: sql.utf8.count)) }

    /// The statement without what says how to go about it.
    private var plain: Statement {
        var statement = statement
        switch statement.kind {
        case .createRelation(var create):
            (create.orReplace, create.ifNotExists) = (false, false)
            for index in create.options.indices { create.options[index].key = create.options[index].key.lowercased() }
            create.options.sort { $0.key < $1.key }
            statement.kind = .createRelation(create)
        case .createView(var create):
            (create.orReplace, create.ifNotExists) = (false, false)
            statement.kind = .createView(create)
        case .createQuery(var create):
            (create.orReplace, create.ifNotExists) = (false, false)
            statement.kind = .createQuery(create)
        case .createFunction(var create):
            (create.orReplace, create.ifNotExists) = (false, false)
            statement.kind = .createFunction(create)
        case .alert(.create(var create)):
            (create.orReplace, create.ifNotExists) = (false, false)
            create.options.sort { $0.key < $1.key }
            statement.kind = .alert(.create(create))
        case .notification(.createNotifier(var create)):
            (create.orReplace, create.ifNotExists) = (false, false)
            for index in create.options.indices { create.options[index].key = create.options[index].key.lowercased() }
            create.options.sort { $0.key < $1.key }
            statement.kind = .notification(.createNotifier(create))
        case .notification(.createInhibition(var create)):
            (create.orReplace, create.ifNotExists) = (false, false)
            statement.kind = .notification(.createInhibition(create))
        default: break
        }
        return statement
    }

    /// The same text for the same definition. Secrets are shown by nobody, so a notifier that has another one is the same.
    var normal: String {
        if case .notification(.createNotifier(let create)) = plain.kind { return NotifierDefinition.shown(create) }
        return Printer.print(plain)
    }

    // MARK: Statements that bring it about

    var create: String { Printer.print(plain) }

    /// For a view, a function, or what is about alerts: `CREATE OR REPLACE`.
    var replace: String {
        var statement = plain
        switch statement.kind {
        case .createView(var create):
            create.orReplace = true
            statement.kind = .createView(create)
        case .createFunction(var create):
            create.orReplace = true
            statement.kind = .createFunction(create)
        case .alert(.create(var create)):
            create.orReplace = true
            statement.kind = .alert(.create(create))
        case .notification(.createNotifier(var create)):
            create.orReplace = true
            statement.kind = .notification(.createNotifier(create))
        case .notification(.createInhibition(var create)):
            create.orReplace = true
            statement.kind = .notification(.createInhibition(create))
        default: break
        }
        return Printer.print(statement)
    }

    /// Takes a replacement back; nil when what was there cannot be written again, since its secrets are not shown.
    var undoReplace: String? {
        if case .notification(.createNotifier(let create)) = statement.kind, create.options.contains(where: { NotifierDefinition.isSecret($0.key) }) { return nil }
        return replace
    }

    /// For a query. `views` are written into it: it then depends on none of them.
    func alter(inlining views: [Definition] = []) -> String {
        guard case .createQuery(var create) = plain.kind else { return "" }
        let tables = views.compactMap { view -> CommonTable? in
            guard case .createView(let view) = view.statement.kind else { return nil }
            return CommonTable(name: view.name.last, columns: view.columns, query: view.query)
        }
        create.insert.query.with.insert(contentsOf: tables, at: 0)
        return Printer.print(Statement(.alterQuery(create), span: .none))
    }

    var drop: String { "DROP \(kind.rawValue.uppercased()) \(Printer.quote(name))" }

    // MARK: What it is made of

    /// A connector of its own: what it holds is not in the log.
    var connector: String? {
        guard case .createRelation(let create) = statement.kind else { return nil }
        return create.options.first { $0.key.lowercased() == "connector" }.map { $0.value.lowercased() }.flatMap { $0 == "log" ? nil : $0 }
    }

    /// As a rehearsal keeps it.
    var withoutConnector: Definition {
        guard connector != nil, case .createRelation(var create) = statement.kind else { return self }
        var definition = self
        create.options.removeAll { option in
            let isDebezium = option.key.lowercased() == "format" && option.value.lowercased() == "debezium-json"
            return !isDebezium && !SimulatedEngine.keptOptions.contains(option.key.lowercased())
        }
        definition.statement.kind = .createRelation(create)
        return definition
    }

    /// Every word of it, in lower case: what it uses is among them.
    var words: Set<String> { Set(Parser.pieces(of: sql).filter { $0.kind == .word || $0.kind == .keyword }.map { $0.text.lowercased() }) }

    /// `base-time = 'now'` became a moment when it was created: then it is that moment.
    func resolvingMoments(like other: Definition) -> Definition {
        guard case .createRelation(var create) = statement.kind, case .createRelation(let made) = other.statement.kind else { return self }
        var definition = self
        for index in create.options.indices where create.options[index].key.lowercased() == "base-time" && create.options[index].value.lowercased() == "now" {
            if let moment = made.options.first(where: { $0.key.lowercased() == "base-time" }) { create.options[index].value = moment.value }
        }
        definition.statement.kind = .createRelation(create)
        return definition
    }
}
