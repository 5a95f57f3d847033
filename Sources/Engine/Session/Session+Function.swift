// CREATE FUNCTION, DROP FUNCTION and SHOW FUNCTIONS.
//
// Whatever calls a function keeps its text and is bound again when the program starts: so a function that something calls cannot be dropped, a
// function that a saved query or an alert runs with cannot become another, and one that views or other functions call keeps its types.

import Columns
import Planning
import Syntax

extension Session {
    func createFunction(_ create: CreateFunction, text: String) throws -> StatementResult {
        let name = create.name.last.name
        let tag = "CREATE FUNCTION"
        if FunctionTable.find(name) != nil || AggregateFunction.named(name) != nil {
            throw SQLError(
                "function \(name) is built in", at: create.name.span, hint: "give yours another name", code: SQLError.duplicateObject)
        }
        let function = try engine.withCatalog { catalog throws(SQLError) in try Planner.define(create, catalog: catalog) }
        guard let existing = engine.functionObject(named: name) else {
            try engine.addToCatalog(name: name, sql: text, definition: .function(function))
            return .done(tag: tag)
        }
        if create.ifNotExists { return .done(tag: tag) }
        guard create.orReplace else {
            throw SQLError(
                "function \"\(existing.name)\" already exists", at: create.name.span, hint: "use OR REPLACE, or DROP it first",
                code: SQLError.duplicateObject)
        }
        try checkReplacement(of: existing, by: function, at: create.name.span)
        try engine.replaceInCatalog(existing, sql: text, definition: .function(function))
        return .done(tag: tag)
    }

    private func checkReplacement(of existing: CatalogObject, by function: UserFunction, at span: SourceSpan) throws {
        let users = try dependents(of: existing.name)
        guard !users.isEmpty else { return }
        if let user = users.first(where: { $0.isQuery || $0.isAlert }) {
            throw SQLError(
                "function \"\(existing.name)\" is used by \(Session.description(user))", at: span,
                hint: "what runs keeps the function that it was started with: DROP \(user.kindName) \(user.name) first", code: "2BP01")
        }
        if let before = existing.function, before.result != function.result || before.parameters.map(\.type) != function.parameters.map(\.type) {
            throw SQLError(
                "function \"\(existing.name)\" is used by \(Session.description(users[0])), so its types must stay", at: span,
                hint: "it is \(before.signature) returning \(before.result.name)", code: "2BP01")
        }
        for user in users {
            let error = try engine.withCatalog { catalog throws(SQLError) -> SQLError? in
                let replaced = ReplacedFunction(base: catalog, function: function)
                guard let statement = try Parser.parseScript(user.sql).first?.statement else { return nil }
                return Planner.functionsUsed(by: statement, catalog: replaced, options: plannerOptions).error
            }
            if let error {
                throw SQLError(
                    "with this function \(Session.description(user)) would not be valid: \(error.message)", at: span, hint: error.hint, code: error.code)
            }
        }
    }

    func dropFunctions(_ names: [QualifiedName], ifExists: Bool) throws -> StatementResult {
        for name in names {
            guard let found = engine.functionObject(named: name.last.name) else {
                if ifExists {
                    note("function \"\(name.last.name)\" does not exist")
                    continue
                }
                if FunctionTable.find(name.last.name) != nil || AggregateFunction.named(name.last.name) != nil {
                    throw SQLError("function \(name.last.name) is built in", at: name.span, code: SQLError.undefinedFunction)
                }
                let known = engine.catalogObjects().filter(\.isFunction).map(\.name)
                throw SQLError(
                    "function \"\(name.last.name)\" does not exist", at: name.span,
                    hint: NearestName.find(name.last.name, among: known).map { "did you mean \"\($0)\"?" }, code: SQLError.undefinedFunction)
            }
            if let user = try dependents(of: found.name).first {
                throw SQLError(
                    "function \"\(found.name)\" is used by \(Session.description(user))", at: name.span,
                    hint: "DROP \(user.kindName) \(user.name) first", code: "2BP01")
            }
            try engine.removeFromCatalog(found)
        }
        return .done(tag: "DROP FUNCTION")
    }

    /// What calls the function, itself or through views and other functions.
    private func dependents(of name: String) throws -> [CatalogObject] {
        try engine.catalogObjects().filter { object in
            if object.isFunction && object.name == name { return false }
            return try engine.withCatalog { catalog throws(SQLError) in
                guard let statement = try Parser.parseScript(object.sql).first?.statement else { return false }
                return Planner.functionsUsed(by: statement, catalog: catalog, options: plannerOptions).names.contains(name.lowercased())
            }
        }
    }

    private static func description(_ object: CatalogObject) -> String { "\(object.kindName.lowercased()) \(object.name)" }

    /// A row per name: those of this data directory first.
    func functions() -> Cursor {
        var rows: [[Value]] = []
        for object in engine.catalogObjects().filter(\.isFunction).sorted(by: { $0.name < $1.name }) {
            guard let function = object.function else { continue }
            rows.append([.string(function.name), .string("user"), .string(function.signature), .string(function.result.name.lowercased())])
        }
        for name in FunctionTable.names {
            guard let definition = FunctionTable.find(name) else { continue }
            let signatures = definition.signatures.map { $0.display(name: name) }.joined(separator: "; ")
            rows.append([.string(name), .string("built in"), .string(signatures), .string(definition.signatures.first?.resultName ?? "")])
        }
        for entry in ModelTable.entries {
            rows.append([.string(entry.name), .string("built in"), .string("\(entry.name)(\(entry.arguments)) OVER (..)"), .string(entry.result)])
        }
        return Cursor(schema: Session.textSchema(["name", "kind", "signature", "result"]), rows: rows)
    }
}

/// A catalog in which one function is already what it is about to become.
private struct ReplacedFunction: Catalog {
    let base: any Catalog
    let function: UserFunction

    func entry(named name: String) -> CatalogEntry? { base.entry(named: name) }
    var entryNames: [String] { base.entryNames }
    var functionNames: [String] { base.functionNames }

    func function(named name: String) -> UserFunction? {
        name.lowercased() == function.name.lowercased() ? function : base.function(named: name)
    }
}
