// StatementRunner: executes statements of a session and shows what they give. Used by `millrace run` and by the prompt.

import Engine
import Platform
import Syntax

final class StatementRunner {
    let session: Session
    var format: ResultFormat
    var output: OutputFile
    /// Shows rows as `name: value` lines.
    var isExpanded = false
    /// Queries that were started and may still run, oldest first.
    private(set) var startedQueries: [RunningQuery] = []

    init(session: Session, format: ResultFormat, output: OutputFile) {
        self.session = session
        self.format = format
        self.output = output
    }

    struct Outcome {
        /// `CREATE STREAM`, `INSERT 0 3`; nil when rows were printed.
        var tag: String?
        /// Rows printed, when rows were.
        var rowCount: Int?
        /// A query that goes on.
        var runningQuery: RunningQuery?
    }

    /// Executes a statement and shows its rows; returns when it is over, or, for a query without an end, when it has started.
    /// Bounded queries are waited for. `interruption` ends the waiting: a SELECT is cancelled, a bounded query stopped.
    func execute(_ statement: ParsedStatement, source: String, interruption: Interruption) throws -> Outcome {
        let result = try session.execute(statement, source: source)
        for notice in session.takeNotices() { Console.note("notice: \(notice)") }
        switch result {
        case .done(let tag):
            return Outcome(tag: tag)
        case .rows(let cursor):
            return Outcome(rowCount: try show(cursor, interruption: interruption))
        case .running(let tag, let query):
            startedQueries.append(query)
            guard query.isBounded else { return Outcome(tag: tag, runningQuery: query) }
            try wait(for: query, interruption: interruption)
            startedQueries.removeAll { $0 === query }
            return Outcome(tag: tag)
        }
    }

    private func show(_ cursor: Cursor, interruption: Interruption) throws -> Int {
        let writer = ResultWriter(
            format: isExpanded && format == .table ? .expanded : format, schema: cursor.schema, isChangelog: cursor.isChangelog,
            isLive: cursor.isLive, output: output)
        // However this ends, the query behind the cursor ends with it.
        defer {
            cursor.cancel()
            Console.hideProgress()
        }
        let progress = ProgressLine()
        return try interruption.whileRunning({ cursor.cancel() }) {
            loop: while !output.isBroken {
                switch try cursor.next(timeoutMilliseconds: ProgressLine.intervalMilliseconds) {
                case .rows(let batch): try writer.write(batch)
                case .idle:
                    if interruption.hasFired { break loop }
                    writer.flush()
                    if !cursor.isLive { progress.showWaiting() }
                case .end: break loop
                }
            }
            writer.finish()
            return writer.rowCount
        }
    }

    /// Waits until a query is over, showing its progress. Throws when it failed.
    func wait(for query: RunningQuery, interruption: Interruption) throws {
        var progress = ProgressLine()
        defer { Console.hideProgress() }
        while !query.wait(timeoutMilliseconds: ProgressLine.intervalMilliseconds) {
            if interruption.hasFired {
                query.stop()
                return
            }
            progress.show([query.progress()])
        }
        try check(query)
    }

    /// Forgets a query that is over; throws when it failed.
    func check(_ query: RunningQuery) throws {
        startedQueries.removeAll { $0 === query }
        let progress = query.progress()
        if progress.state == .failed {
            throw EngineError("query \(progress.name) failed: \(progress.reason ?? "for an unknown reason")")
        }
        if progress.failedRows > 0 {
            Console.note("warning: query \(progress.name): \(progress.failedRows) rows failed and went to its error stream")
        }
    }
}
