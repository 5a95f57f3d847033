// Rehearsal: a catalog tried out in memory, before anything is changed: every definition is bound and planned there, in an order that is found
// by trying. What cannot be made says why, with its place.

import Engine
import Syntax

struct Rehearsal {
    struct Problem {
        var definition: Definition
        var error: any Error
    }

    let engine: SimulatedEngine
    /// In the order in which they could be made.
    private(set) var made: [Definition] = []
    private(set) var problems: [Problem] = []
    /// Of each query and alert what it computes.
    private(set) var signatures: [Definition.Key: String] = [:]

    init(_ definitions: [Definition], settings: [String]) throws {
        engine = try SimulatedEngine(startMicroseconds: 0)
        for setting in settings {
            for statement in try Parser.parseScript(setting) { _ = try engine.execute(statement, source: setting) }
        }
        add(definitions)
    }

    mutating func add(_ definitions: [Definition]) {
        var waiting = definitions
        while !waiting.isEmpty {
            var left: [Problem] = []
            for definition in waiting {
                do {
                    let (statement, source) = definition.inPlace
                    let isComputed = [.query, .materializedView, .alert].contains(definition.kind)
                    let signature = isComputed ? try engine.signature(of: statement, source: source) : ""
                    if case .rows(let cursor) = try engine.execute(statement, source: source) { cursor.cancel() }
                    _ = engine.session.takeNotices()
                    if isComputed { signatures[definition.key] = signature }
                    made.append(definition)
                } catch {
                    left.append(Problem(definition: definition, error: error))
                }
            }
            if left.count == waiting.count {
                // What merely needs another one that cannot be made is no news.
                let missing = Set(left.map(\.definition.name).map { $0.lowercased() })
                let first = left.filter { problem in !missing.contains { problem.isAbout(missing: $0) } }
                problems += first.isEmpty ? left : first
                return
            }
            waiting = left.map(\.definition)
        }
    }
}

extension Rehearsal.Problem {
    /// Whether the error says that this name does not exist.
    fileprivate func isAbout(missing name: String) -> Bool {
        guard let error = (error as? StatementError)?.error, definition.name.lowercased() != name || definition.kind == .query else { return false }
        return [SQLError.undefinedTable, SQLError.undefinedFunction].contains(error.code) && error.message.lowercased().contains("\"\(name)\"")
    }

    /// For people, without a place.
    var reason: String { (error as? StatementError)?.error.message ?? "\(error)" }
}

extension Definition {
    /// With the source in which its spans are right, and which every name of `OR REPLACE` is free for.
    var inPlace: (ParsedStatement, source: String) {
        guard let place else { return (parsed, sql) }
        return (ParsedStatement(statement: statement, span: place.span), place.source)
    }
}
