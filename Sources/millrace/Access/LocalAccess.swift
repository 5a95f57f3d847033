// LocalAccess: an engine of this process, with one session.

import Alerting
import Columns
import Engine
import Syntax

final class LocalAccess: EngineAccess, @unchecked Sendable {
    // Safe to share: one thread uses the session; `cancel` does nothing.
    let engine: Engine
    private let session: Session
    /// Tells the outside of alerts, while this process holds the directory.
    private var alerting: AlertingService?
    /// How long an end waits for notifications that are on their way.
    private static let alertDrainMilliseconds = 5_000

    init(_ engine: Engine) {
        self.engine = engine
        session = engine.makeSession()
    }

    /// For a command that goes on: from now on notifiers run.
    func startAlerting() {
        guard alerting == nil, !engine.options.isReadOnly, !engine.options.isSingleThreaded else { return }
        let service = AlertingService(engine: engine)
        service.start()
        alerting = service
    }

    /// What alerts have brought about has been told, or has failed once.
    func drainAlerting(shouldStop: () -> Bool) { alerting?.drain(timeoutMilliseconds: LocalAccess.alertDrainMilliseconds, shouldStop: shouldStop) }

    var title: String { "data directory \(engine.directory)" }

    func execute(_ statement: ParsedStatement, source: String) throws -> StatementResult { try session.execute(statement, source: source) }
    func cancel() {}
    func takeNotices() -> [String] { session.takeNotices() }

    func appender(stream: String, isCSV: Bool) throws -> any RowAppender {
        LocalAppender(try engine.appender(stream: stream, format: isCSV ? .csv(CSVFormat()) : .json))
    }

    func tail(stream: String, from start: TailStart, follows: Bool) throws -> Cursor { try engine.tail(stream: stream, from: start, follows: follows) }
    func status() -> EngineStatus { engine.status() }
    func names() -> CatalogNames { CatalogNames(engine.catalogNames()) }
    func drain() {
        engine.drainSavedQueries(shouldStop: { Signals.stopRequested })
        drainAlerting(shouldStop: { Signals.stopRequested })
    }

    func close() throws {
        alerting?.stop()
        try engine.close()
    }
}

private final class LocalAppender: RowAppender {
    private let appender: StreamAppender

    init(_ appender: StreamAppender) { self.appender = appender }

    func append(_ chunk: Buffer) throws { try appender.append(chunk) }
    func counts() -> StreamAppender.Counts { appender.counts() }
    func finish() throws -> StreamAppender.Counts { try appender.finish() }
}

extension CatalogNames {
    init(_ names: Engine.CatalogNames) {
        relations = names.relations.map { Relation(name: $0.name, columns: $0.columns) }
        queries = names.queries
        functions = names.functions
    }
}
