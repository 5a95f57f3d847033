// DeploymentPlan: what must be done so that a catalog is as files say.
//
// 1. Two catalogs are rehearsed in memory: the one that is there, and the one that shall be (the files' objects, and those that no file speaks of).
//    If something of the second cannot be made, nothing is done: a mistake in a file is shown with its place, a query in no file that would break
//    is named.
// 2. Objects are compared as normalised statements. A query whose text stays and whose plan changes, because of a view or function below it, is
//    a changed query too.
// 3. The steps, in an order in which each finds what it needs:
//      drop the queries that must be made anew     streams, tables, functions     queries that stand on changed views, with those written in
//      views     queries     alerts     what is to be pruned
//    So no running query ever stands on a view that has changed under it: it is altered first to what the new view says, spelt out, and at last to the
//    text that names the view, which changes nothing but the text. Alerts that stand on what changes under them are dropped first and made anew.
// 4. What would lose rows or make a query begin again is refused, unless it is allowed by name.

import Engine
import Syntax

struct DeploymentPlan {
    enum Action: String {
        case create, change, replace, rebuild, keep, drop
    }

    struct Item {
        var action: Action
        var definition: Definition
        /// What runs now.
        var before: Definition?
        /// What it means for its state and for what reads it.
        var notes: [String] = []
    }

    struct Step {
        var title: String
        var sql: String
        /// What takes it back; nil when nothing can.
        var undo: String?
    }

    struct Permissions {
        var dataLoss = false
        var rebuild = false
        var prune = false
    }

    private(set) var items: [Item] = []
    private(set) var steps: [Step] = []
    /// Why it must not be done.
    private(set) var refusals: [String] = []
    /// What runs and is in no file.
    private(set) var unmentioned: [Definition] = []
    /// Mistakes in the files.
    private(set) var problems: [Rehearsal.Problem] = []

    private let permissions: Permissions
    private let access: any EngineAccess
    private let files: DeployedFiles
    private let current: [Definition]
    private let currentByKey: [Definition.Key: Definition]

    init(_ files: DeployedFiles, on access: any EngineAccess, permissions: Permissions) throws {
        self.permissions = permissions
        self.access = access
        self.files = files
        let current = try access.rows("SHOW CREATE ALL").map { try Definition(sql: $0[2]) }
        self.current = current
        currentByKey = Dictionary(current.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        try make()
    }

    var isEmpty: Bool { steps.isEmpty && refusals.isEmpty && problems.isEmpty }

    // MARK: Comparing

    private mutating func make() throws {
        let named = Set(files.definitions.map(\.key))
        let names = Set((current + files.definitions).map { $0.name.lowercased() })
        // An error stream belongs to what it is named after.
        unmentioned = current.filter { other in
            guard !named.contains(other.key) else { return false }
            let name = other.name.lowercased()
            // What the program keeps of alerts is made by their use.
            if other.kind == .stream, Engine.alertStreamNames.contains(name) { return false }
            return !(other.kind == .stream && name.hasSuffix("_errors") && names.contains(String(name.dropLast("_errors".count))))
        }
        let pruned = Set(permissions.prune ? unmentioned.map(\.key) : [])
        let stays = current.filter { !named.contains($0.key) && !pruned.contains($0.key) }

        var now = try Rehearsal(current, settings: files.settings)
        let then = try Rehearsal(stays + files.definitions, settings: files.settings)
        for problem in then.problems {
            if problem.definition.place != nil {
                problems.append(problem)
            } else {
                refusals.append("\(problem.definition.title), which is in no file, would break: \(problem.reason)")
            }
        }
        guard problems.isEmpty, refusals.isEmpty else { return }

        // What a materialized view holds is computed anew when its plan changes, whatever its text does.
        let changedKeys = Set(
            files.definitions.filter { isChanged($0, then) || ($0.kind == .materializedView && hasOtherPlan($0, now, then)) }.map(\.key))
        let changedViews = then.made.filter { $0.kind == .view && changedKeys.contains($0.key) && currentByKey[$0.key] != nil }
        var rebuilt = try replacements(then, changedKeys, now)
        // Queries whose plan changes, whatever their text does.
        for definition in then.made {
            items.append(try item(definition, then, now, changedKeys, rebuilt))
        }
        for index in items.indices where items[index].definition.kind == .query {
            guard items[index].action == .keep, hasOtherPlan(items[index].definition, now, then) else { continue }
            let reasons = changedViews.map(\.title) + then.made.filter { $0.kind == .function && changedKeys.contains($0.key) }.map(\.title)
            items[index].action = .change
            items[index].notes.append("because of \(reasons.isEmpty ? "what it reads" : reasons.joined(separator: ", "))")
        }
        remakeAlerts(now, then, changedKeys)
        for key in rebuilt.keys where items.contains(where: { $0.definition.key == key && $0.action == .drop }) { rebuilt[key] = nil }
        order(then, rebuilt, changedViews)
        explain(&now, then)
        if permissions.prune { try prune() }
    }

    /// Alerts below which a view or a function changes, so that they are other alerts. The engine refuses to change it while they are there.
    private mutating func remakeAlerts(_ now: Rehearsal, _ then: Rehearsal, _ changed: Set<Definition.Key>) {
        let below = then.made.filter { ($0.kind == .view || $0.kind == .function) && changed.contains($0.key) && currentByKey[$0.key] != nil }
        for index in items.indices where items[index].definition.kind == .alert && items[index].before != nil {
            let definition = items[index].definition
            // A function that is used cannot become another at all.
            let reasons = below.filter { ($0.kind == .function || hasOtherPlan(definition, now, then)) && uses(definition, $0.name, now) }
            guard !reasons.isEmpty else { continue }
            items[index].action = .rebuild
            items[index].notes.append("made anew because of \(reasons.map(\.title).joined(separator: ", ")): what it has open is resolved")
        }
    }

    private func hasOtherPlan(_ definition: Definition, _ now: Rehearsal, _ then: Rehearsal) -> Bool {
        guard let old = now.signatures[definition.key], let new = then.signatures[definition.key] else { return false }
        return old != new
    }

    private func isChanged(_ definition: Definition, _ then: Rehearsal) -> Bool {
        guard let before = currentByKey[definition.key] else { return false }
        if before.kind != definition.kind { return true }
        if case .createRelation(let create) = definition.statement.kind, create.source != nil {
            // LIKE: as the rehearsal has written it out, which knows no connectors.
            let made = (try? LocalRows.take(then.engine, "SHOW CREATE ALL"))?.compactMap { try? Definition(sql: $0[2]) }.first { $0.key == definition.key }
            return made?.withoutConnector.normal != before.withoutConnector.normal
        }
        return definition.resolvingMoments(like: before).normal != before.normal
    }

    /// The queries that must be made anew, and because of what: those that use a relation or function that is replaced.
    private mutating func replacements(_ then: Rehearsal, _ changed: Set<Definition.Key>, _ now: Rehearsal) throws -> [Definition.Key: [String]] {
        var rebuilt: [Definition.Key: [String]] = [:]
        for definition in then.made where changed.contains(definition.key) {
            guard let before = currentByKey[definition.key] else { continue }
            if before.kind != definition.kind, !(before.kind.isRelation && definition.kind.isRelation) {
                refusals.append("\(before.title) cannot become a \(definition.kind.rawValue): drop it first")
                continue
            }
            var users: [String] = []
            switch definition.kind {
            case .stream, .table: users = now.engine.queriesUsing(before.name)
            // Its own query has its name.
            case .materializedView: users = now.engine.queriesUsing(before.name).filter { $0.lowercased() != before.name.lowercased() }
            case .function:
                // A running query keeps the function that it was started with.
                users = then.made.filter { query in
                    (query.kind == .query || query.kind == .materializedView) && currentByKey[query.key] != nil && now.signatures[query.key] != then.signatures[query.key]
                        && uses(query, before.name, now)
                }.map(\.name)
            case .view, .query, .alert, .notifier, .inhibition: continue
            }
            for user in users {
                let isView = currentByKey[Definition.Key(space: "relation", name: user.lowercased())]?.kind == .materializedView
                rebuilt[Definition.Key(space: isView ? "relation" : "query", name: user.lowercased()), default: []].append(before.title)
            }
        }
        return rebuilt
    }

    /// Whether a definition names another, itself or through views and functions.
    private func uses(_ definition: Definition, _ name: String, _ now: Rehearsal) -> Bool {
        let through = current.filter { $0.kind == .view || $0.kind == .function }
        var words = currentByKey[definition.key]?.words ?? definition.words
        var seen: Set<Definition.Key> = []
        while let next = through.first(where: { words.contains($0.name.lowercased()) && !seen.contains($0.key) }) {
            seen.insert(next.key)
            words.formUnion(next.words)
        }
        return words.contains(name.lowercased())
    }

    private mutating func item(
        _ definition: Definition, _ then: Rehearsal, _ now: Rehearsal, _ changed: Set<Definition.Key>, _ rebuilt: [Definition.Key: [String]]
    ) throws -> Item {
        guard let before = currentByKey[definition.key] else { return Item(action: .create, definition: definition) }
        if let reasons = rebuilt[definition.key] {
            var item = Item(action: .rebuild, definition: definition, before: before)
            item.notes.append("made anew because \(reasons.joined(separator: ", ")) is replaced: its state is lost, and it reads from the oldest row again")
            if !permissions.rebuild, !permissions.dataLoss {
                refusals.append("\(definition.title) would begin again, because \(reasons.joined(separator: ", ")) is replaced (--allow-rebuild)")
            }
            return item
        }
        guard changed.contains(definition.key) else { return Item(action: .keep, definition: definition, before: before) }
        if definition.kind == .materializedView {
            if !permissions.rebuild, !permissions.dataLoss {
                refusals.append("\(definition.title) would be computed anew from what the log retains (--allow-rebuild)")
            }
            return Item(action: .rebuild, definition: definition, before: before, notes: ["computed anew from what the log retains"])
        }
        var item = Item(action: .change, definition: definition, before: before)
        if definition.kind.isRelation {
            item.action = .replace
            let holding = try holding(before)
            if let note = holding.note {
                item.notes.append(note)
                if !permissions.dataLoss {
                    let users = now.engine.queriesUsing(before.name)
                    refusals.append(
                        "\(before.title) would be replaced, and \(holding.rowsItHolds) lost"
                            + (users.isEmpty ? "" : "; it is used by query \(users.joined(separator: ", "))") + " (--allow-data-loss)")
                }
            }
        }
        return item
    }

    /// What is lost with a relation. Rows that cannot be counted are taken for some.
    private enum Holding {
        case nothing
        case rows(Int64)
        case uncounted(String)

        /// Of SHOW STREAMS and SHOW TABLES.
        static let rowsColumn = 3
        static let faultColumn = 7

        /// nil: nothing is lost.
        var note: String? {
            switch self {
            case .nothing: nil
            case .rows(let rows): "\(Count.text(rows, "row")) it holds \(rows == 1 ? "is" : "are") lost"
            case .uncounted(let reason): "the rows it holds are lost; they cannot be counted: \(reason)"
            }
        }

        var rowsItHolds: String {
            switch self {
            case .rows(1): "the row it holds"
            case .rows(let rows): "\(Count.text(rows)) rows it holds"
            case .nothing, .uncounted: "the rows it holds, which cannot be counted,"
            }
        }

        var rows: String {
            if case .rows(let rows) = self { Count.text(rows, "row") } else { "its rows, which cannot be counted," }
        }
    }

    private func holding(_ relation: Definition) throws -> Holding {
        guard relation.kind.isRelation, relation.connector == nil || relation.connector == "system" else { return .nothing }
        let rows = try access.rows(relation.kind == .stream ? "SHOW STREAMS" : "SHOW TABLES")
        guard let row = rows.first(where: { $0.first == relation.name }) else { return .uncounted("it is not among those that are shown") }
        if row.count > Holding.faultColumn, !row[Holding.faultColumn].isEmpty { return .uncounted(row[Holding.faultColumn]) }
        guard row.count > Holding.rowsColumn, let rows = Int64(row[Holding.rowsColumn]) else { return .uncounted("their number is not shown") }
        return rows == 0 ? .nothing : .rows(rows)
    }

    // MARK: Steps

    private mutating func order(_ then: Rehearsal, _ rebuilt: [Definition.Key: [String]], _ changedViews: [Definition]) {
        steps += files.settings.map { Step(title: $0, sql: $0, undo: "") }
        // What reads a relation must go before the relation can.
        if permissions.prune {
            for definition in unmentioned.reversed() where definition.kind == .query {
                steps.append(Step(title: "drop \(definition.title)", sql: definition.drop, undo: nil))
            }
        }
        for item in items.reversed() where item.action == .rebuild {
            let undo = item.definition.kind == .alert ? item.before?.create : nil
            steps.append(Step(title: "drop \(item.definition.title)", sql: item.definition.drop, undo: undo))
        }
        for item in items where item.definition.kind.isRelation || item.definition.kind == .function {
            let definition = item.definition
            switch item.action {
            case .create: steps.append(Step(title: "create \(definition.title)", sql: definition.create, undo: definition.drop))
            case .replace:
                if let before = item.before { steps.append(Step(title: "drop \(before.title)", sql: before.drop, undo: nil)) }
                steps.append(Step(title: "create \(definition.title)", sql: definition.create, undo: definition.drop))
            case .change: steps.append(Step(title: "replace \(definition.title)", sql: definition.replace, undo: item.before?.replace))
            case .rebuild, .keep, .drop: break
            }
        }
        let queries = items.filter { $0.definition.kind == .query }
        if !changedViews.isEmpty {
            for item in queries where item.action == .change {
                let views = views(below: item.definition, then)
                guard !views.isEmpty else { continue }
                steps.append(Step(title: "change \(item.definition.title)", sql: item.definition.alter(inlining: views), undo: item.before?.alter()))
            }
        }
        for item in items where item.definition.kind == .view || item.definition.kind == .materializedView {
            let definition = item.definition
            switch item.action {
            case .create, .rebuild: steps.append(Step(title: "create \(definition.title)", sql: definition.create, undo: definition.drop))
            case .change: steps.append(Step(title: "replace \(definition.title)", sql: definition.replace, undo: item.before?.replace))
            default: break
            }
        }
        for item in queries {
            let definition = item.definition
            switch item.action {
            case .create, .rebuild: steps.append(Step(title: "create \(definition.title)", sql: definition.create, undo: definition.drop))
            case .change:
                // When it was altered before, taking it back is that step's.
                let views = changedViews.isEmpty ? [] : views(below: definition, then)
                let undo = views.isEmpty ? item.before?.alter() : definition.alter(inlining: views)
                steps.append(Step(title: "change \(definition.title)", sql: definition.alter(), undo: undo))
            default: break
            }
        }
        // A rule is told to somebody: notifiers before alerts.
        for kind in [Definition.Kind.notifier, .inhibition, .alert] {
            for item in items where item.definition.kind == kind {
                let definition = item.definition
                switch item.action {
                case .create, .rebuild: steps.append(Step(title: "create \(definition.title)", sql: definition.create, undo: definition.drop))
                case .change: steps.append(Step(title: "replace \(definition.title)", sql: definition.replace, undo: item.before?.undoReplace))
                default: break
                }
            }
        }
        if steps.count == files.settings.count { steps = [] }
    }

    /// The views that a query stands on, each behind those it stands on itself.
    private func views(below query: Definition, _ then: Rehearsal) -> [Definition] {
        let views = then.made.filter { $0.kind == .view }
        var words = query.words
        var found: Set<Definition.Key> = []
        while let next = views.first(where: { words.contains($0.name.lowercased()) && !found.contains($0.key) }) {
            found.insert(next.key)
            words.formUnion(next.words)
        }
        return views.filter { found.contains($0.key) }
    }

    /// What of the changed queries' state is kept: asked of the engine where all that the new definition needs is there, else of the rehearsal.
    private mutating func explain(_ now: inout Rehearsal, _ then: Rehearsal) {
        let created = items.filter { $0.action == .create && $0.definition.kind != .query }.map(\.definition)
        var isExtended = false
        for index in items.indices where items[index].action == .change && items[index].definition.kind == .query {
            let views = views(below: items[index].definition, then)
            let sql = "EXPLAIN " + items[index].definition.alter(inlining: views)
            if let rows = try? access.rows(sql) {
                items[index].notes += rows.dropFirst(rows.count > 1 ? 1 : 0).map { $0[0].trimmingSpaces }
                continue
            }
            if !isExtended {
                now.add(created)
                isExtended = true
            }
            if let rows = try? LocalRows.take(now.engine, sql) {
                items[index].notes += rows.dropFirst(rows.count > 1 ? 1 : 0).map { $0[0].trimmingSpaces }.filter { !$0.hasPrefix("read again:") }
            }
        }
    }

    private mutating func prune() throws {
        let order: [Definition.Kind] = [.alert, .notifier, .inhibition, .query, .materializedView, .view, .function, .table, .stream]
        for kind in order {
            for definition in unmentioned.reversed() where definition.kind == kind {
                var item = Item(action: .drop, definition: definition, before: definition)
                let holding = try holding(definition)
                if let note = holding.note {
                    item.notes.append(note)
                    if !permissions.dataLoss {
                        refusals.append("\(definition.title) would be dropped, and \(holding.rows) with it (--allow-data-loss)")
                    }
                }
                items.append(item)
                if kind != .query { steps.append(Step(title: "drop \(definition.title)", sql: definition.drop, undo: nil)) }
            }
        }
    }
}

/// Rows of a statement in a rehearsal.
enum LocalRows {
    static func take(_ engine: SimulatedEngine, _ sql: String) throws -> [[String]] {
        var rows: [[String]] = []
        for statement in try Parser.parseScript(sql) {
            guard case .rows(let cursor) = try engine.execute(statement, source: sql) else { continue }
            while case .rows(let batch) = try cursor.next(timeoutMilliseconds: 0) {
                for row in 0..<batch.count { rows.append(batch.columns.map { CellText.plain($0, row: row) }) }
            }
        }
        return rows
    }
}

extension String {
    var trimmingSpaces: String {
        var text = self[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text.drop { $0.isWhitespace })
    }
}
