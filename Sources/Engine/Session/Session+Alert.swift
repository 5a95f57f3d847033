// CREATE, DROP, PAUSE, RESUME, DESCRIBE, SHOW CREATE and TEST ALERT.

import Columns
import Planning
import Syntax

extension Session {
    func alert(_ statement: AlertStatement, text: String) throws -> StatementResult {
        switch statement {
        case .create(let create): return try createAlert(create, text: text)
        case .drop(let names, let ifExists):
            for name in names {
                guard let object = engine.alertObject(named: name.last.name) else {
                    guard ifExists else { throw unknownAlert(name) }
                    note("alert \"\(name.last.name)\" does not exist")
                    continue
                }
                try engine.dropAlert(object)
            }
            return .done(tag: "DROP ALERT")
        case .pause(let name, let isPaused):
            let object = try knownAlert(name)
            if object.isPaused == isPaused {
                note("alert \"\(object.name)\" \(isPaused ? "is paused" : "runs") already")
            } else {
                try engine.pauseAlert(object, isPaused)
            }
            return .done(tag: isPaused ? "PAUSE ALERT" : "RESUME ALERT")
        case .describe(let name): return .rows(try describeAlert(name))
        case .showCreate(let name): return .rows(Cursor(schema: Session.textSchema(["definition"]), rows: [[.string(try knownAlert(name).sql)]]))
        case .test(let test): return .rows(try testAlert(test))
        }
    }

    func knownAlert(_ name: QualifiedName) throws -> CatalogObject {
        guard let object = engine.alertObject(named: name.last.name) else { throw unknownAlert(name) }
        return object
    }

    private func unknownAlert(_ name: QualifiedName) -> SQLError {
        if let query = engine.queryObject(named: name.last.name) {
            return SQLError("\"\(query.name)\" is a query, not an alert", at: name.span, hint: "use QUERY instead of ALERT", code: SQLError.undefinedTable)
        }
        return unknown("alert", name, among: engine.alertNames)
    }

    private func createAlert(_ create: CreateAlert, text: String) throws -> StatementResult {
        let name = create.name.last.name
        let tag = "CREATE ALERT"
        let existing = engine.alertObject(named: name)
        // One that has failed begins anew, whatever its text.
        let hasFailed = existing.map { create.orReplace && engine.hasFailed($0) } ?? false
        if let existing, create.ifNotExists || (create.orReplace && existing.sql == text && !hasFailed) { return .done(tag: tag) }
        if let existing, !create.orReplace {
            throw SQLError(
                "alert \"\(existing.name)\" already exists", at: create.name.span,
                hint: "use IF NOT EXISTS, OR REPLACE, or DROP ALERT \(existing.name) first", code: SQLError.duplicateObject)
        }
        // A group is shown under the name of its first rule, beside the queries.
        if let query = engine.queryObject(named: name) {
            throw SQLError("query \"\(query.name)\" already exists", at: create.name.span, hint: "give the alert another name", code: SQLError.duplicateObject)
        }
        let options = plannerOptions
        let planned = try engine.withCatalog { catalog throws(SQLError) in
            try Planner.plan([AlertDefinition(id: 0, create: create)], catalog: catalog, options: options, tags: engine.alertTags)
        }
        planned.query.notices.forEach(note)
        if let existing, !hasFailed {
            if try keepsInstances(existing, planned) {
                if let running = try engine.changeAlert(existing, to: create, sql: text) { return .running(tag: tag, running) }
                return .done(tag: tag)
            }
            note("alert \"\(existing.name)\" begins anew: its key, its query or its timing has changed, so what is open is resolved")
        }
        let running = try engine.addAlert(create, sql: text, planned: planned, settings: settings.querySettings, replaced: existing)
        if let running { return .running(tag: tag, running) }
        return .done(tag: tag)
    }

    /// Whether instances of the rule as it is mean the same for the rule as it shall be.
    private func keepsInstances(_ existing: CatalogObject, _ planned: PlannedAlerts) throws -> Bool {
        guard Engine.alertSignature(planned, settings.querySettings) == existing.membership.signature else { return false }
        let before = try engine.planAlerts([existing])
        guard let old = before.node.rules.first, let new = planned.node.rules.first else { return false }
        return old.timing == new.timing && (old.condition == .always) == (new.condition == .always)
    }

    private func describeAlert(_ name: QualifiedName) throws -> Cursor {
        let object = try knownAlert(name)
        let members = engine.alertGroup(object.membership.group).filter { $0.membership.retirement == nil }
        let running = engine.runningAlerts(object.membership.group)
        running?.waitUntilRecovered(timeoutMilliseconds: 2_000)
        let progress = running?.progress() ?? QueryProgress(name: object.name)
        var rows: [(String, String)] = [("name", object.name), ("state", object.isPaused ? "paused" : progress.state.rawValue)]
        if let reason = progress.reason { rows.append(("reason", reason)) }
        rows.append(("definition", object.sql))
        if let create = object.alert { rows.append(("inputs", engine.inputs(of: create.query).joined(separator: ", "))) }
        let planned = try engine.planAlerts([object])
        if let rule = planned.node.rules.first {
            rows.append(("key", planned.node.keyNames.isEmpty ? "none: one instance" : planned.node.keyNames.joined(separator: ", ")))
            if !rule.notify.isEmpty { rows.append(("notify", rule.notify.joined(separator: ", "))) }
        }
        let others = members.filter { $0.id != object.id }.map(\.name)
        rows.append(("runs_with", others.isEmpty ? "no other alert" : others.count > 20 ? "\(others.count) other alerts" : others.joined(separator: ", ")))
        rows.append(("error_stream", engine.errorStreamName(for: members.first?.name ?? object.name)))
        rows.append(("epoch", String(progress.epoch)))
        rows.append(("checkpoint_epoch", String(progress.checkpointEpoch)))
        rows.append(("rows_in", String(progress.rowsIn)))
        rows.append(("late", String(progress.lateRows)))
        rows.append(("failed", String(progress.failedRows + progress.rejectedRows)))
        rows.append(("behind", String(progress.behind)))
        rows.append(("state_bytes", String(progress.stateByteCount)))
        rows.append(("watermark", Session.show(progress.watermark)))
        if object.settings != QuerySettings() { rows.append(("settings", object.settings.description)) }
        for (index, line) in planned.query.plan.lines(mode: .continuous).enumerated() { rows.append((index == 0 ? "plan" : "", line)) }
        return Cursor(schema: Session.textSchema(["property", "value"]), rows: rows.map { [.string($0.0), .string($0.1)] })
    }
}
