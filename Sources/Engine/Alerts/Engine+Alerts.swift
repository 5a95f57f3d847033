// The rules of an engine and the queries that evaluate them.
//
// Alerts with the same body, key and settings form a group, which is one saved query: one scan, one aggregation, one AlertNode with all their rules. Its
// folder and its producer's number are those of its first rule, also when that is gone. A group changes between two runs: it is stopped with a checkpoint
// (at epoch E), the catalog says what holds behind E, and it is started again from the checkpoint; the node finds the instances of each rule by the
// rule's id. So what is running of the other rules is not touched, and a crash at any point leaves either the old rules or the new ones.
//
// A rule that goes is marked first, and ended then: a run of one epoch, in the thread of whoever drops it, lets its instances resolve (`retire`); only when
// that is durable does the catalog forget the rule. What a crash cuts off in between is done at the next opening: a logged epoch runs again, and the
// stream knows that it has its rows.

import Columns
import Dataflow
import Planning
import Platform
import ShardLog
import Syntax

extension Engine {
    /// More rules than this are another group: a group's conditions share one row of columns.
    static let groupRulesMax = 1_000

    var alertNames: [String] { catalogObjects().filter { $0.isAlert && $0.membership.retirement == nil }.map(\.name) }

    /// Every group with its rules, in the order of their ids; those that retire included.
    func alertGroups() -> [(group: UInt64, members: [CatalogObject])] {
        var groups: [UInt64: [CatalogObject]] = [:]
        for object in catalogObjects() where object.isAlert { groups[object.membership.group, default: []].append(object) }
        return groups.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    func alertGroup(_ group: UInt64) -> [CatalogObject] { catalogObjects().filter { $0.isAlert && $0.membership.group == group } }

    /// What the queries of groups are called: by their first rules.
    var alertGroupNames: Set<String> { Set(alertGroups().compactMap { $0.members.first?.name }) }

    func runningAlerts(_ group: UInt64) -> RunningQuery? { savedQueries.last { $0.id == group } }

    func planAlerts(_ members: [CatalogObject]) throws(SQLError) -> PlannedAlerts {
        let session = makeSession()
        if let first = members.first { session.settings.querySettings = first.settings }
        var definitions: [AlertDefinition] = []
        for object in members {
            guard let create = object.alert else { continue }
            var definition = AlertDefinition(id: object.id, create: create)
            definition.isPaused = object.isPaused
            definition.retirement = object.membership.retirement
            definition.afterEpoch = object.membership.afterEpoch
            definitions.append(definition)
        }
        let rules = definitions
        let options = session.plannerOptions
        return try withCatalog { catalog throws(SQLError) in try Planner.plan(rules, catalog: catalog, options: options, tags: alertTags) }
    }

    /// What rules must have in common to be one group.
    static func alertSignature(_ planned: PlannedAlerts, _ settings: QuerySettings) -> String {
        let text = Array((planned.group + "\n" + settings.text).utf8)
        return text.withUnsafeBytes { SHA2.hash($0, .bits256) }.prefix(16).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    // MARK: Running

    /// At opening: what a crash cut off is finished, and every group starts.
    func startAlerts() {
        for (group, _) in alertGroups() {
            do {
                try finishRetirement(of: group)
                try startAlerts(group)
            } catch { reportFailure(of: group, error) }
        }
    }

    private func session(of members: [CatalogObject]) -> Session {
        let session = makeSession()
        if let first = members.first { session.settings.querySettings = first.settings }
        return session
    }

    private func place(_ group: UInt64, _ members: [CatalogObject]) throws -> CatalogObject {
        guard let first = members.first else { throw EngineError("a group of alerts without a rule") }
        var place = first
        place.id = group
        place.generation = 0
        return place
    }

    @discardableResult
    func startAlerts(_ group: UInt64) throws -> RunningQuery? {
        let members = alertGroup(group)
        guard !members.isEmpty else { return nil }
        let planned = try planAlerts(members)
        let object = try alertStream()
        let target = QueryTarget(object: object, relation: object.relation ?? RelationDefinition(name: object.name, columns: []), stream: stream(of: object))
        let session = session(of: members)
        let place = try place(group, members)
        forgetAlerts(group)
        return try start(
            planned.query, name: place.name, errorName: place.name, target: target, savedAs: nil, existing: place, statement: place.sql,
            settings: session.runnerSettings, workerCount: options.workerCount, checksFirst: false)
    }

    /// A group that could not even be started is shown as one that has failed.
    private func reportFailure(of group: UInt64, _ error: any Error) {
        let first = alertGroup(group).first
        let name = first?.name ?? "\(group)"
        let reason = (error as? SQLError)?.message ?? "\(error)"
        options.onNotice("alert \(name) cannot be started: \(reason)")
        register(RunningQuery.failed(name: name, id: group, statement: first?.sql ?? "", reason: reason))
    }

    private func forgetAlerts(_ group: UInt64) { if let query = runningAlerts(group) { forget(query) } }

    /// Until then nobody knows whether a query runs or has failed.
    private func awaitRecovery(of query: RunningQuery) {
        // Without a thread it has perhaps not even been recovered.
        if options.isSingleThreaded { _ = query.step() } else { query.waitUntilRecovered(timeoutMilliseconds: 10_000) }
    }

    /// Stops a group with a checkpoint; the epoch at which it stands. Throws, and lets it go on, when the checkpoint cannot be had.
    func stopAlerts(_ group: UInt64) throws -> UInt64 {
        guard let query = runningAlerts(group) else { return 0 }
        awaitRecovery(of: query)
        query.stop()
        let progress = query.progress()
        if options.isEphemeral { return progress.epoch }
        guard progress.state != .failed, progress.epoch == progress.checkpointEpoch else {
            let reason = progress.reason ?? "it could not be stopped"
            do { try startAlerts(group) } catch { options.onNotice("alert \(query.name) cannot be started again: \(error)") }
            throw EngineError("alert \(query.name) cannot be changed now: \(reason)")
        }
        return progress.epoch
    }

    /// One epoch of a group that does not run, with a checkpoint behind it, in the caller's thread.
    func runOnce(_ group: UInt64) throws {
        let members = alertGroup(group)
        guard !members.isEmpty, !options.isEphemeral else { return }
        let planned = try planAlerts(members)
        let session = session(of: members)
        let object = try alertStream()
        guard let stream = stream(of: object), let relation = object.relation else { throw EngineError("the stream \(AlertStream.name) cannot be opened") }
        let place = try place(group, members)
        let prepared = try prepare(planned.query, mode: .continuous, isSelect: false, settings: session.runnerSettings, workerCount: options.workerCount)
        let journal = try QueryJournal(directory: queryDirectory(place), fileSystem: fileSystem)
        let errors = StreamErrors(engine: self, name: place.name, queryName: place.name, producer: group)
        let runner = QueryRunner(
            graph: prepared.graph, sources: prepared.sources, startPositions: prepared.startPositions,
            output: LogOutput(stream: stream, relation: relation, producer: group), errors: errors, journal: journal, pool: prepared.pool,
            settings: session.runnerSettings)
        for notice in try runner.recover() { options.onNotice("alert \(place.name): \(notice)") }
        _ = try runner.step(nowMicroseconds: SteadyClock(clock).nowMicroseconds())
        try runner.checkpoint()
        try runner.close()
    }

    /// Ends the instances of the rules of a group that go, and forgets the rules. The group does not run.
    private func finishRetirement(of group: UInt64) throws {
        let retiring = alertGroup(group).filter { $0.membership.retirement != nil }
        guard !retiring.isEmpty else { return }
        try runOnce(group)
        let isLast = alertGroup(group).count == retiring.count
        for object in retiring { try removeFromCatalog(object) }
        guard isLast else { return }
        forgetAlerts(group)
        removeFolder(of: group)
    }

    private func removeFolder(of group: UInt64) {
        do {
            let folder = queryDirectory(group, generation: 0)
            if fileSystem.exists(folder) { try fileSystem.removeTree(folder) }
        } catch {
            options.onNotice("the files of an alert that is no more cannot be removed: \(error)")
        }
    }

    // MARK: Changing

    /// Adds a rule, in the place of `replaced` when there is one; of one that has failed, without ending what it had open.
    func addAlert(_ create: CreateAlert, sql: String, planned: PlannedAlerts, settings: QuerySettings, replaced: CatalogObject?) throws -> RunningQuery? {
        try alertLock.locked {
            _ = try alertStream()
            let failed = replaced.flatMap { hasFailed($0) ? $0 : nil }
            let replaced = failed == nil ? replaced : nil
            let signature = Engine.alertSignature(planned, settings)
            let group = groupToJoin(signature)
            var retired: (id: UInt64, afterEpoch: UInt64)?
            var epoch: UInt64 = 0
            if let group { epoch = try stopAlerts(group) }
            if let replaced {
                let epochBefore = replaced.membership.group == group ? epoch : try stopAlerts(replaced.membership.group)
                retired = (replaced.id, epochBefore)
            }
            let object: CatalogObject
            do {
                let retired = retired
                object = try withCatalog { catalog throws(EngineError) in
                    try catalog.addAlert(
                        name: create.name.last.name, sql: sql, create: create, settings: settings, group: group, afterEpoch: epoch, signature: signature,
                        retiring: retired, removing: failed?.id)
                }
            } catch {
                if let group { try startAlerts(group) }
                if let replaced, replaced.membership.group != group { try startAlerts(replaced.membership.group) }
                throw error
            }
            if let failed { forgetFailed(failed) }
            if let replaced {
                try finishRetirement(of: replaced.membership.group)
                if replaced.membership.group != object.membership.group { try startAlerts(replaced.membership.group) }
            }
            do {
                // Where a new group begins to read is durable before anybody is told that there is an alert.
                if group == nil { try runOnce(object.membership.group) }
                return try startAlerts(object.membership.group)
            } catch {
                // The other rules of the group go on.
                try removeFromCatalog(object)
                if let group { try startAlerts(group) }
                throw error
            }
        }
    }

    /// Whether an alert's query has come to its end by an error, and can run no epoch any more.
    func hasFailed(_ object: CatalogObject) -> Bool {
        guard let query = runningAlerts(object.membership.group) else { return false }
        awaitRecovery(of: query)
        return query.progress().state == .failed
    }

    private func groupToJoin(_ signature: String) -> UInt64? {
        // Without checkpoints a group cannot change.
        if options.isEphemeral { return nil }
        for (group, members) in alertGroups() {
            guard members.allSatisfy({ $0.membership.retirement == nil && $0.membership.signature == signature }), members.count < Engine.groupRulesMax,
                let query = runningAlerts(group)
            else { continue }
            awaitRecovery(of: query)
            if !query.hasEnded { return group }
        }
        return nil
    }

    /// Another text for a rule whose instances stay.
    func changeAlert(_ object: CatalogObject, to create: CreateAlert, sql: String) throws -> RunningQuery? {
        try alertLock.locked {
            _ = try stopAlerts(object.membership.group)
            do { try replaceInCatalog(object, sql: sql, definition: .alert(create)) } catch {
                try startAlerts(object.membership.group)
                throw error
            }
            return try startAlerts(object.membership.group)
        }
    }

    func dropAlert(_ object: CatalogObject) throws {
        try alertLock.locked {
            let group = object.membership.group
            if hasFailed(object) { return try dropFailed(object) }
            let epoch = try stopAlerts(group)
            do {
                try withCatalog { catalog throws(EngineError) in try catalog.retireAlert(id: object.id, .ruleDropped, afterEpoch: epoch) }
            } catch {
                try startAlerts(group)
                throw error
            }
            try finishRetirement(of: group)
            try startAlerts(group)
        }
    }

    /// Without a query that runs there is nobody to resolve what is open.
    private func dropFailed(_ object: CatalogObject) throws {
        try removeFromCatalog(object)
        forgetFailed(object)
    }

    /// The catalog has forgotten the rule; the others of its group have failed like it, and are tried once more.
    private func forgetFailed(_ object: CatalogObject) {
        let group = object.membership.group
        forgetAlerts(group)
        options.onNotice("alert \(object.name) had failed: what it had open is not resolved in \(AlertStream.name)")
        if alertGroup(group).isEmpty { return removeFolder(of: group) }
        do { try startAlerts(group) } catch { reportFailure(of: group, error) }
    }

    func pauseAlert(_ object: CatalogObject, _ isPaused: Bool) throws {
        try alertLock.locked {
            let group = object.membership.group
            _ = try stopAlerts(group)
            do { try setPaused(object, isPaused) } catch {
                try startAlerts(group)
                throw error
            }
            try startAlerts(group)
        }
    }
}
