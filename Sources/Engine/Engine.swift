// Engine: one open data directory.
//
// What lies in the directory:
//
//     lock, format      who holds it; the version of its layout          (ShardLog)
//     streams/<id>/     the shards of each stream                        (ShardLog)
//     catalog           every definition, as SQL                         (StoredCatalog)
//     queries/<id>/     per saved query, and per group of alerts, its epoch log and checkpoints    (EpochLog, CheckpointStore); <id>-<n> after n ALTERs
//
// 1. Opening takes the lock, opens every stream (cutting torn tails), reads the catalog and starts the saved queries, each on a
//    thread of its own.
// 2. A maintenance thread flushes streams with sync = 'interval', seals segments, applies retention, and samples live feeders.
// 3. Closing stops the queries, each with a checkpoint, and gives the lock back.
//
// Lock order: `lock` (catalog and lists) before anything inside a stream; no user code runs under it.

import Columns
import Dataflow
import Planning
import Platform
import ShardLog
import Syntax

package final class Engine: @unchecked Sendable {
    // Safe to share: everything that changes is behind `lock` or shares safely itself.
    package let options: EngineOptions
    package let directory: String
    let clock: any Clock
    let fileSystem: any FileSystem
    let log: LogDirectory
    let signal: LogSignal
    let errorStreams: ErrorStreams
    /// For an engine without threads: the streams that its keeper has ended.
    let endedStreams: EndedStreams?

    /// What is the case with alerts, and how those are doing who tell of it.
    let alertFold = AlertFold()
    let alertTags = AlertTags()
    package let notifierBoard = NotifierBoard()

    private let lock = Lock()
    private let catalog: StoredCatalog
    /// Why the log of a relation, by its id, could not be opened.
    private let unreadable: [UInt64: String]
    private var lastMaintenanceFault: String?
    private var running: [RunningQuery] = []
    private var threads: [JoinableThread] = []
    private var sinks: [String: SharedSink] = [:]
    private var feeders: [UInt64: Feeder] = [:]
    /// Held while rules of alerts come, go and change.
    let alertLock = Lock()
    private let materializedLock = Lock()
    private var materializedTables: [UInt64: MaterializedTable] = [:]
    private var nextAnonymous = 1
    private var maintenance: JoinableThread?
    private let maintenanceLock = Lock()
    private let maintenanceWake = Condition()
    private let isClosing = Flag()

    /// Opens `directory`, making it when it is missing.
    package convenience init(directory: String, options: EngineOptions) throws(EngineError) {
        try self.init(directory: directory, options: options, clock: SystemClock(), fileSystem: PosixFileSystem())
    }

    package init(directory: String, options: EngineOptions, clock: any Clock, fileSystem: any FileSystem) throws(EngineError) {
        self.directory = directory
        self.options = options
        self.clock = clock
        self.fileSystem = fileSystem
        endedStreams = options.isSingleThreaded ? EndedStreams() : nil
        // What another version of the program wrote is refused before anything is touched.
        try Engine.checkVersions(directory, fileSystem)
        do {
            log = try LogDirectory(
                directory, fileSystem, clock, isReadOnly: options.isReadOnly, owner: options.ownerDescription,
                syncThreadCount: options.isSingleThreaded ? 1 : 4,
                shortageWaitMilliseconds: options.isSingleThreaded ? 0 : options.fullDiskWaitMilliseconds)
        } catch {
            throw EngineError("\(error)", cause: error.fileError)
        }
        signal = log.signal
        catalog = try StoredCatalog(directory: directory, fileSystem: fileSystem, isWritable: !options.isReadOnly)
        errorStreams = ErrorStreams()
        let recovery = log.recovery
        for truncation in recovery.truncations { options.onNotice("\(truncation)") }
        for damage in recovery.damage { options.onNotice("damaged log: \(damage)") }
        for failure in recovery.failures { options.onNotice("\(failure.path) cannot be opened: \(failure.reason)") }
        catalog.notices.forEach(options.onNotice)
        var unreadable: [UInt64: String] = [:]
        for failure in recovery.failures {
            if let id = failure.path.split(separator: "/").last.flatMap({ UInt64($0) }) { unreadable[id] = failure.reason }
        }
        self.unreadable = unreadable
        guard !options.isReadOnly else { return }
        if let byteCount = options.stateMemoryByteCount {
            do { try StateMemory.shared.limit(to: byteCount, directory: directory) } catch { throw EngineError("\(error)") }
        }
        try reconcile()
        try removeUnwrittenViews()
        removeLeftQueries()
        startFeeders()
        if !options.isSingleThreaded {
            maintenance = JoinableThread { [weak self] in
                while let engine = self, !engine.isClosing.isSet { engine.maintain() }
            }
        }
        if options.startsQueries { startSavedQueries() }
    }

    /// Finishes what a crash cut off between the catalog and the log. CREATE writes the catalog first, so a relation without a stream gets an empty
    /// one (it was never acknowledged); DROP does so too, so a stream whose id has been given out and which the catalog no longer knows goes.
    /// A stream that is there and cannot be opened is left alone.
    private func reconcile() throws(EngineError) {
        var known: Set<UInt64> = []
        for object in catalog.objects {
            guard let relation = object.relation else { continue }
            known.insert(object.id)
            guard log.stream(id: object.id) == nil else { continue }
            do {
                guard let description = try StreamOptions.description(of: relation, id: object.id, isEphemeral: options.isEphemeral) else {
                    continue
                }
                if unreadable[object.id] == nil { _ = try log.create(description) }
            } catch {
                // A full disk is no reason not to open what is there; the next opening makes it.
                guard FileError.behind(error)?.isShortage == true else { throw EngineError("stream \(object.name) cannot be made: \(error)") }
                options.onNotice("stream \(object.name) cannot be made: \(error)")
            }
        }
        for stream in log.streams where stream.description.id < catalog.nextID && !known.contains(stream.description.id) {
            // What cannot be removed now goes at the next opening; so does what a dropped query left.
            do { try log.drop(stream) } catch { options.onNotice("the files of \(stream.name) cannot be removed: \(error)") }
        }
    }

    /// Removes the stream of a materialized view whose query never came to be: CREATE was cut off, and not acknowledged.
    private func removeUnwrittenViews() throws(EngineError) {
        let queries = Set(catalog.objects.filter(\.isQuery).map(\.name))
        for object in catalog.objects where object.relation?.isMaterializedView == true && !queries.contains(object.name) { try dropRelation(object) }
    }

    /// Removes what a dropped query, or an alteration that was cut off, has left.
    private func removeLeftQueries() {
        let folder = directory + "/queries"
        let known = Set(
            catalog.objects.filter(\.isQuery).map { CatalogObject.queryFolder($0.id, generation: $0.generation) }
                + catalog.objects.filter(\.isAlert).map { CatalogObject.queryFolder($0.membership.group, generation: 0) })
        guard fileSystem.exists(folder) else { return }
        do {
            for name in try fileSystem.list(folder) where !known.contains(name) {
                guard let id = CatalogObject.queryID(ofFolder: name), id < catalog.nextID else { continue }
                try fileSystem.removeTree(folder + "/" + name)
            }
        } catch {
            options.onNotice("the files of a query that is no more cannot be removed: \(error)")
        }
    }

    private static func checkVersions(_ directory: String, _ fileSystem: any FileSystem) throws(EngineError) {
        try StoredCatalog.checkVersion(directory: directory, fileSystem: fileSystem)
        let folder = directory + "/queries"
        guard fileSystem.exists(folder) else { return }
        do {
            for query in try fileSystem.list(folder) { try EpochLog.checkVersions(directory: folder + "/" + query, fileSystem: fileSystem) }
        } catch let error as EngineError {
            throw error
        } catch {
            // A file that cannot be read is its query's failure.
            guard let cause = error as? FileError, !cause.isShortage else { throw EngineError("\(error)", cause: error as? FileError) }
        }
    }

    /// Wall-clock time by the engine's clock.
    package var nowMicroseconds: Int64 { clock.nowMicroseconds() }

    package func makeSession() -> Session { Session(engine: self) }

    /// Stops every query with a checkpoint and gives the directory back.
    package func close() throws(EngineError) {
        if isClosing.exchange() { return }
        log.stopWaiting()
        for query in lock.locked({ running }) { query.stop() }
        for thread in lock.locked({ threads }) { thread.join() }
        maintenanceLock.locked { maintenanceWake.broadcast() }
        maintenance?.join()
        maintenance = nil
        do { try log.close() } catch { throw EngineError("\(error)") }
    }

    // MARK: Catalog

    func withCatalog<Result, Failure: Error>(_ body: (StoredCatalog) throws(Failure) -> Result) throws(Failure) -> Result {
        try lock.locked { () throws(Failure) -> Result in try body(catalog) }
    }

    func withMaterializedTables<Result>(_ body: (inout [UInt64: MaterializedTable]) -> Result) -> Result {
        materializedLock.locked { body(&materializedTables) }
    }

    func setPaused(_ object: CatalogObject, _ isPaused: Bool) throws(EngineError) {
        try lock.locked { () throws(EngineError) in try catalog.setPaused(id: object.id, isPaused) }
    }

    func object(named name: String) -> CatalogObject? { lock.locked { catalog.relationOrView(named: name) } }
    func queryObject(named name: String) -> CatalogObject? { lock.locked { catalog.query(named: name) } }
    func alertObject(named name: String) -> CatalogObject? { lock.locked { catalog.alert(named: name) } }
    func functionObject(named name: String) -> CatalogObject? { lock.locked { catalog.functionObject(named: name) } }
    func catalogObjects() -> [CatalogObject] { lock.locked { catalog.objects } }
    var relationNames: [String] { lock.locked { catalog.entryNames } }
    var queryNames: [String] { lock.locked { catalog.objects.filter(\.isQuery).map(\.name) } }

    @discardableResult
    func addToCatalog(
        name: String, sql: String, definition: CatalogObject.Definition, settings: QuerySettings = QuerySettings()
    ) throws(EngineError) -> CatalogObject {
        try lock.locked { () throws(EngineError) in try catalog.add(name: name, sql: sql, definition: definition, settings: settings) }
    }

    func removeFromCatalog(_ object: CatalogObject) throws(EngineError) {
        try lock.locked { () throws(EngineError) in try catalog.remove(id: object.id) }
    }

    func replaceInCatalog(_ object: CatalogObject, sql: String, definition: CatalogObject.Definition) throws(EngineError) {
        try lock.locked { () throws(EngineError) in try catalog.replace(id: object.id, sql: sql, definition: definition) }
    }

    func createRelation(_ relation: RelationDefinition, sql: String) throws {
        try Connectors.validate(relation, engineOptions: StreamOptions.names)
        _ = try StreamOptions.idleTimeoutMicroseconds(relation)
        _ = try StreamOptions.description(of: relation, id: 1, isEphemeral: options.isEphemeral)
        let object = try addToCatalog(name: relation.name, sql: sql, definition: .relation(relation))
        var made = relation
        if options.usesOneShard { made.shardCount = 1 }
        guard let description = try StreamOptions.description(of: made, id: object.id, isEphemeral: options.isEphemeral) else {
            return
        }
        do {
            _ = try log.create(description)
        } catch {
            let cause = error
            do throws(EngineError) { try removeFromCatalog(object) } catch {
                throw EngineError("stream \(relation.name) cannot be created: \(cause); its definition cannot be removed: \(error)", cause: cause.fileError)
            }
            throw EngineError("stream \(relation.name) cannot be created: \(cause)", cause: cause.fileError)
        }
        if relation.connector == "system" { startFeeder(object) }
    }

    func dropRelation(_ object: CatalogObject) throws(EngineError) {
        lock.locked {
            feeders[object.id] = nil
            sinks[object.name] = nil
        }
        withMaterializedTables { $0[object.id] = nil }
        try removeFromCatalog(object)
        do {
            if let stream = log.stream(id: object.id) {
                try log.drop(stream)
            } else if unreadable[object.id] != nil {
                try log.discard(id: object.id)
            }
        } catch {
            // It is dropped, and the next opening removes what is left.
            options.onNotice("the files of \(object.name) cannot be removed: \(error)")
        }
    }

    func dropQuery(_ object: CatalogObject) throws(EngineError) {
        runningQuery(named: object.name)?.stop()
        lock.locked { running.removeAll { $0.isSaved && $0.name == object.name } }
        try removeFromCatalog(object)
        do {
            let folder = queryDirectory(object)
            if fileSystem.exists(folder) { try fileSystem.removeTree(folder) }
        } catch {
            options.onNotice("the files of query \(object.name) cannot be removed: \(error)")
        }
    }

    func queryDirectory(_ object: CatalogObject) -> String { queryDirectory(object.id, generation: object.generation) }
    func queryDirectory(_ id: UInt64, generation: Int) -> String { directory + "/queries/" + CatalogObject.queryFolder(id, generation: generation) }

    /// Another definition for a query, whose state lies in the folder of `generation`.
    func replaceQuery(_ object: CatalogObject, sql: String, create: CreateQuery, settings: QuerySettings, generation: Int) throws(EngineError) {
        try lock.locked { () throws(EngineError) in
            try catalog.replaceQuery(id: object.id, sql: sql, create: create, settings: settings, generation: generation)
        }
    }

    /// A query that has stopped, and whose place another one takes.
    func forgetSaved(_ name: String) { lock.locked { running.removeAll { $0.isSaved && $0.name == name } } }

    /// The saved or running queries that read or write a relation (directly or through views).
    func queriesUsing(_ name: String) -> [String] {
        let lower = name.lowercased()
        return lock.locked {
            running.filter { !$0.hasEnded && $0.relationNames.contains(lower) }.map(\.name)
        }
    }

    /// Notes that a stream's rows carry change kinds from now on.
    func markChangelog(_ object: CatalogObject) throws(EngineError) {
        guard var relation = object.relation, !relation.isChangelog else { return }
        relation.isChangelog = true
        try lock.locked { () throws(EngineError) in try catalog.update(id: object.id, relation: relation) }
    }

    // MARK: Streams

    /// The log behind a relation; nil for connectors that keep no rows here.
    func stream(of object: CatalogObject) -> LogStream? { log.stream(id: object.id) }

    /// Throws why the log of a relation cannot be read, when it should be there and is not.
    func checkReadable(_ object: CatalogObject) throws(EngineError) {
        guard let reason = unreadable[object.id], log.stream(id: object.id) == nil else { return }
        throw EngineError("stream \(object.name) cannot be opened: \(reason)")
    }

    func errorStreamName(for name: String) -> String { name + "_errors" }
    package func errorStreamName(of stream: String) -> String { errorStreamName(for: stream) }

    /// The error stream of a stream or query, made at its first use.
    func errorStream(for name: String) throws -> LogStream {
        let wanted = errorStreamName(for: name)
        if let object = object(named: wanted) {
            if let stream = stream(of: object) { return stream }
            try checkReadable(object)
        }
        let sql = """
            CREATE STREAM \(Printer.quote(wanted)) (at TIMESTAMP(6) WITH TIME ZONE, kind VARCHAR, reason VARCHAR, \
            origin VARCHAR, bytes BYTES)
            """
        guard let statement = try Parser.parseScript(sql).first?.statement, case .createRelation(let create) = statement.kind else {
            throw EngineError("the error stream \(wanted) cannot be defined")
        }
        let relation = try withCatalog { catalog throws(SQLError) in try Planner.define(create, catalog: catalog) }
        try createRelation(relation, sql: sql)
        guard let object = object(named: wanted), let stream = stream(of: object) else {
            throw EngineError("the error stream \(wanted) cannot be opened")
        }
        return stream
    }

    // MARK: Sinks

    /// The connector's sink for a relation, shared by all queries of this process that write it.
    func sink(of object: CatalogObject, relation: RelationDefinition, isChangelog: Bool, resumes: Bool) throws -> any RowSink {
        try lock.locked {
            if let shared = sinks[object.name] { return shared.retained() }
            let made = try Connectors.sink(
                for: relation, fileSystem: fileSystem, isChangelog: isChangelog, appendsToExisting: resumes,
                standardOutput: { [options] bytes in bytes.withUnsafeBytes { options.onPrint($0) } })
            if let notice = made.notice { options.onNotice(notice) }
            let shared = SharedSink(made)
            sinks[object.name] = shared
            return shared.retained()
        }
    }

    // MARK: Queries

    func uniqueName(for target: String) -> String {
        lock.locked {
            defer { nextAnonymous += 1 }
            return "insert_\(nextAnonymous)_into_\(target)"
        }
    }

    func runningQuery(named name: String) -> RunningQuery? {
        let lower = name.lowercased()
        return lock.locked { running.last { $0.isSaved && $0.name.lowercased() == lower } }
    }

    package var savedQueries: [RunningQuery] { lock.locked { running.filter(\.isSaved) } }

    func register(_ query: RunningQuery) { lock.locked { running.append(query) } }
    func forget(_ query: RunningQuery) { lock.locked { running.removeAll { $0 === query } } }

    func launch(_ body: @escaping @Sendable () -> Void) throws(EngineError) {
        guard let thread = JoinableThread(body) else { throw EngineError("no thread is left to run the query on") }
        lock.locked { threads.append(thread) }
    }

    private func startSavedQueries() {
        defer { startAlerts() }
        for object in catalogObjects() {
            guard object.isQuery, !object.isPaused else { continue }
            do { try startSaved(object) } catch {
                let reason = (error as? SQLError)?.message ?? "\(error)"
                options.onNotice("query \(object.name) cannot be started: \(reason)")
                register(RunningQuery.failed(name: object.name, id: object.id, statement: object.sql, reason: reason))
            }
        }
    }

    /// Starts a saved query where it stopped.
    func startSaved(_ object: CatalogObject) throws {
        guard case .query(let create) = object.definition else { return }
        let session = makeSession()
        session.settings.querySettings = object.settings
        let planned = try withCatalog { catalog throws(SQLError) in
            try Planner.plan(create.insert, catalog: catalog, options: session.plannerOptions)
        }
        let target = try self.target(planned.target, at: create.insert.target.span)
        _ = try start(
            planned.query, name: object.name, errorName: object.name, target: target, savedAs: create, existing: object,
            statement: object.sql, settings: session.runnerSettings, workerCount: options.workerCount, checksFirst: false)
    }

    /// Waits until the saved queries have processed what the log holds now; bounded ones until they have ended.
    package func drainSavedQueries(shouldStop: () -> Bool) {
        // A query's output may be another's input: each pass asks for the version of its own beginning, until nothing moves.
        while !shouldStop() {
            let version = signal.version
            let waiting = savedQueries.filter { !$0.hasEnded && $0.canCatchUp && !$0.isCaughtUp(with: version) }
            if waiting.isEmpty {
                if signal.version == version { return }
                continue
            }
            signal.notify()
            _ = waiting[0].wait(timeoutMilliseconds: 2)
        }
    }

    /// Whether a query has looked at all that the log holds now, and found nothing more to do.
    package func isCaughtUp(_ query: RunningQuery) -> Bool { query.canCatchUp && query.isCaughtUp(with: signal.version) }

    // MARK: Maintenance and feeders

    private func maintain() {
        let started = clock.monotonicNanoseconds()
        StateMemory.shared.trim()
        do {
            try log.maintain()
            lastMaintenanceFault = nil
        } catch {
            // Said once, not fifty times a second.
            let fault = "maintenance of the log failed: \(error)"
            if fault != lastMaintenanceFault { options.onNotice(fault) }
            lastMaintenanceFault = fault
        }
        followMaterializedViews()
        for feeder in lock.locked({ Array(feeders.values) }) {
            do { try feeder.feed(nowMicroseconds: clock.nowMicroseconds()) } catch {
                if feeder.isNew(fault: "\(error)") { options.onNotice("\(error)") }
            }
        }
        let elapsedMilliseconds = Int((clock.monotonicNanoseconds() &- started) / 1_000_000)
        maintenanceLock.lock()
        if !isClosing.isSet { maintenanceWake.wait(maintenanceLock, milliseconds: max(1, 20 - elapsedMilliseconds)) }
        maintenanceLock.unlock()
    }

    private func startFeeders() {
        for object in catalogObjects() where object.relation?.connector == "system" { startFeeder(object) }
    }

    private func startFeeder(_ object: CatalogObject) {
        guard let relation = object.relation, let stream = stream(of: object) else { return }
        do {
            let source = try Connectors.feeder(for: relation)
            lock.locked { feeders[object.id] = Feeder(source: source, stream: stream, name: object.name) }
        } catch {
            options.onNotice("stream \(object.name) cannot be fed: \(error)")
        }
    }

    // MARK: Status

    package func queryProgress() -> [QueryProgress] {
        let known = lock.locked { running }.map { $0.progress() }
        let names = Set(known.map(\.name))
        return known + catalogObjects().filter { $0.isQuery && !names.contains($0.name) }.map(storedProgress)
    }

    /// A saved query that does not run in this process, as its newest checkpoint shows it.
    private func storedProgress(_ object: CatalogObject) -> QueryProgress {
        var progress = QueryProgress(name: object.name)
        progress.state = object.isPaused ? .paused : .stopped
        progress.statement = object.sql
        let folder = queryDirectory(object)
        guard fileSystem.exists(folder) else { return progress }
        do {
            guard let checkpoint = try CheckpointStore(directory: folder, fileSystem: fileSystem).newest() else { return progress }
            progress.epoch = checkpoint.epoch
            progress.checkpointEpoch = checkpoint.epoch
            progress.rowsIn = checkpoint.rowsIn
            progress.rowsOut = checkpoint.rowsOut
            progress.lateRows = checkpoint.lateRows
            progress.failedRows = checkpoint.failedRows
            progress.rejectedRows = checkpoint.rejectedRows
            progress.expiredRows = checkpoint.expiredRows
        } catch {
            progress.reason = "\(error)"
        }
        return progress
    }

    package func status() -> EngineStatus {
        EngineStatus(
            directory: directory, heldBy: options.isReadOnly ? LockOwner.read(directory, fileSystem) : nil, streams: streamStatus(), queries: queryProgress())
    }

    func streamStatus() -> [StreamStatus] {
        var streams: [StreamStatus] = []
        for object in catalogObjects() {
            guard let relation = object.relation else { continue }
            guard let stream = stream(of: object) else {
                if let reason = unreadable[object.id] {
                    let shard = StreamStatus.Shard(oldestSequence: 0, endSequence: 0, byteCount: 0, expiredRows: 0, givenUpRows: 0, fault: reason)
                    streams.append(StreamStatus(name: object.name, connector: relation.connector, shards: [shard], rowCount: 0, errorRows: 0))
                }
                continue
            }
            streams.append(StreamStatus.make(name: object.name, connector: relation.connector, stream: stream))
        }
        for index in streams.indices {
            let errors = streams[index].name + "_errors"
            streams[index].errorRows = streams.first { $0.name == errors }?.rowCount ?? 0
        }
        return streams
    }

    /// What there is to be named: for completion at a prompt.
    package struct CatalogNames: Sendable {
        /// Streams, tables and views.
        package var relations: [(name: String, columns: [String])] = []
        package var queries: [String] = []
        package var functions: [String] = []
    }

    package func catalogNames() -> CatalogNames {
        var names = CatalogNames()
        names.functions = ExpressionTyping.functionNames + ModelTable.entries.map(\.name)
        for object in catalogObjects() {
            switch object.definition {
            case .relation(let relation): names.relations.append((object.name, relation.columns.map(\.name)))
            case .view(_, let schema): names.relations.append((object.name, schema.fields.map(\.name)))
            case .query, .alert: names.queries.append(object.name)
            case .function: names.functions.append(object.name)
            case .notifier, .inhibition: break
            }
        }
        return names
    }
}

/// One sink, used by several queries: one at a time, closed when the last one has closed it.
final class SharedSink: RowSink, @unchecked Sendable {
    // Safe to share: every call goes through the lock.
    private let lock = Lock()
    private let sink: any RowSink
    private var users = 0

    init(_ sink: any RowSink) { self.sink = sink }

    func retained() -> SharedSink {
        lock.locked { users += 1 }
        return self
    }

    func position() throws(ConnectorError) -> Int64 { try lock.locked { () throws(ConnectorError) in try sink.position() } }
    func restore(to position: Int64) throws(ConnectorError) {
        try lock.locked { () throws(ConnectorError) in try sink.restore(to: position) }
    }
    func write(_ batch: RowBatch) throws(ConnectorError) { try lock.locked { () throws(ConnectorError) in try sink.write(batch) } }
    func flush(durable: Bool) throws(ConnectorError) {
        try lock.locked { () throws(ConnectorError) in try sink.flush(durable: durable) }
    }
    func close() throws(ConnectorError) {
        try lock.locked { () throws(ConnectorError) in
            users -= 1
            try sink.flush(durable: false)
        }
    }
}
