// PAUSE, RESUME and DESCRIBE QUERY; and who reads what, so that nothing is dropped from under a reader.

import Columns
import Planning
import Syntax

extension Session {
    /// The saved query of that name, as which a materialized view's query is known too.
    func savedQuery(_ name: QualifiedName, kind: ObjectKind = .query) throws -> CatalogObject {
        guard let object = engine.queryObject(named: name.last.name) else {
            throw unknown(kind.rawValue.lowercased(), name, among: engine.queryNames)
        }
        if kind == .materializedView, engine.object(named: object.name)?.relation?.isMaterializedView != true {
            throw SQLError("\"\(object.name)\" is a query", at: name.span, hint: "use QUERY instead of MATERIALIZED VIEW", code: SQLError.undefinedTable)
        }
        return object
    }

    func pause(_ kind: ObjectKind, _ name: QualifiedName, isPaused: Bool) throws -> StatementResult {
        let object = try savedQuery(name, kind: kind)
        let tag = "\(isPaused ? "PAUSE" : "RESUME") \(kind.rawValue)"
        if isPaused {
            if object.isPaused { note("query \"\(object.name)\" is paused already") } else { try engine.pause(object) }
            return .done(tag: tag)
        }
        if !object.isPaused, let running = engine.runningQuery(named: object.name), !running.hasEnded {
            note("query \"\(object.name)\" runs already")
            return .done(tag: tag)
        }
        try engine.resume(object)
        return .done(tag: tag)
    }

    func describeQuery(_ name: QualifiedName) throws -> Cursor {
        let object = try savedQuery(name)
        guard case .query(let create) = object.definition else { throw unknown("query", name, among: engine.queryNames) }
        engine.runningQuery(named: object.name)?.waitUntilRecovered(timeoutMilliseconds: 2_000)
        let progress = engine.queryProgress().first { $0.name == object.name } ?? QueryProgress(name: object.name)
        let view = engine.object(named: object.name)?.relation?.isMaterializedView == true
        var rows: [(String, String)] = [
            ("name", object.name), ("kind", view ? "materialized view" : "query"), ("state", progress.state.rawValue),
        ]
        if let reason = progress.reason { rows.append(("reason", reason)) }
        rows.append(("definition", object.sql))
        let inputs = engine.inputs(of: create.insert.query)
        rows.append(("inputs", inputs.joined(separator: ", ")))
        rows.append(("output", create.insert.target.last.name))
        rows.append(("error_stream", engine.errorStreamName(for: object.name)))
        rows.append(("epoch", String(progress.epoch)))
        rows.append(("checkpoint_epoch", String(progress.checkpointEpoch)))
        rows.append(("rows_in", String(progress.rowsIn)))
        rows.append(("rows_out", String(progress.rowsOut)))
        rows.append(("late", String(progress.lateRows)))
        rows.append(("failed", String(progress.failedRows + progress.rejectedRows)))
        rows.append(("expired", String(progress.expiredRows)))
        rows.append(("behind", String(progress.behind)))
        rows.append(("state_bytes", String(progress.stateByteCount)))
        rows.append(("watermark", Session.show(progress.watermark)))
        if let holdup = progress.holdup { rows.append(("held_back_by", holdup)) }
        if object.settings != QuerySettings() { rows.append(("settings", object.settings.description)) }
        do throws(SQLError) {
            let lines = try engine.withCatalog { catalog throws(SQLError) in
                try Planner.explain(
                    Statement(.insert(create.insert), span: .none), kind: .physical, catalog: catalog, options: plannerOptions(for: object))
            }
            for (index, line) in lines.enumerated() { rows.append((index == 0 ? "plan" : "", line)) }
        } catch { rows.append(("plan", error.message)) }
        let readers = engine.readers(of: create.insert.target.last.name, except: object.name)
        if !readers.isEmpty { rows.append(("read_by", readers.joined(separator: ", "))) }
        return Cursor(schema: Session.textSchema(["property", "value"]), rows: rows.map { [.string($0.0), .string($0.1)] })
    }

    func plannerOptions(for object: CatalogObject) -> PlannerOptions {
        let session = engine.makeSession()
        session.settings.querySettings = object.settings
        return session.plannerOptions
    }

    /// A time of the event clock.
    static func show(_ microseconds: Int64) -> String {
        switch microseconds {
        case .min: "none yet"
        case .max: "end of time"
        default: TextFormat.string(.integer(microseconds), type: .timestamp(precision: 3))
        }
    }

    /// Throws when a saved query, running or not, reads the relation or writes to it.
    func refuseWhenRead(_ object: CatalogObject, except: String? = nil, at span: SourceSpan) throws(SQLError) {
        let readers = engine.readers(of: object.name, except: except, countsWriters: true)
        guard let first = readers.first else { return }
        let isAlert = engine.alertObject(named: first) != nil && engine.queryObject(named: first) == nil
        throw SQLError(
            "\"\(object.name)\" is used by \(isAlert ? "alert" : "query") \(readers.joined(separator: ", "))", at: span,
            hint: "DROP \(isAlert ? "ALERT" : "QUERY") \(first) first", code: "2BP01")
    }
}

extension Engine {
    /// The relations that a query names, also through views, in the order in which they come.
    func inputs(of query: Query) -> [String] {
        var found: [String] = []
        var seen: Set<String> = []
        func visit(_ query: Query, _ depth: Int) {
            for (_, name) in SystemReach(query).relations {
                guard let object = object(named: name), seen.insert(object.name).inserted else { continue }
                found.append(object.name)
                if case .view(let view, _) = object.definition, depth < 64 { visit(view.query, depth + 1) }
            }
        }
        visit(query, 0)
        return found
    }

    /// The saved queries that read a relation (directly or through views), or write it, whether they run or not; and others that run and do.
    func readers(of name: String, except: String? = nil, countsWriters: Bool = false) -> [String] {
        var readers: [String] = []
        for object in catalogObjects() {
            if let alert = object.alert {
                if inputs(of: alert.query).contains(where: { $0.lowercased() == name.lowercased() }), !readers.contains(object.name) { readers.append(object.name) }
                continue
            }
            guard case .query(let create) = object.definition, object.name != except else { continue }
            let isWriter = countsWriters && create.insert.target.last.name.lowercased() == name.lowercased()
            if isWriter || inputs(of: create.insert.query).contains(where: { $0.lowercased() == name.lowercased() }) { readers.append(object.name) }
        }
        if countsWriters { for user in queriesUsing(name) where user != except && !readers.contains(user) { readers.append(user) } }
        return readers
    }

    /// Stops a query with a checkpoint; it stays so, also after a restart, until it is resumed.
    func pause(_ object: CatalogObject) throws(EngineError) {
        try setPaused(object, true)
        runningQuery(named: object.name)?.stop()
        forgetSaved(object.name)
    }

    /// Lets a query go on where it stopped.
    func resume(_ object: CatalogObject) throws {
        try setPaused(object, false)
        forgetSaved(object.name)
        guard let current = queryObject(named: object.name) else { return }
        do { try startSaved(current) } catch {
            let reason = (error as? SQLError)?.message ?? "\(error)"
            register(RunningQuery.failed(name: current.name, id: current.id, statement: current.sql, reason: reason))
            throw EngineError("query \(current.name) cannot be started: \(reason)")
        }
    }
}

extension QuerySettings {
    /// For people.
    var description: String {
        var parts: [String] = ["partitions = \(partitionCount)"]
        if allowedLatenessMicroseconds != 0 { parts.append("allowed_lateness = \(Double(allowedLatenessMicroseconds) / 1e6) s") }
        if stateTTLMicroseconds != 0 { parts.append("state_ttl = \(Double(stateTTLMicroseconds) / 1e6) s") }
        if optimizerRules != OptimizerRule.standard { parts.append("optimizer rules differ from the standard ones") }
        return parts.joined(separator: ", ")
    }
}
