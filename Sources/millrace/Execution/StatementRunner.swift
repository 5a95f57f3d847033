// StatementRunner: executes statements of a session and shows what they give. Used by `millrace run` and by the prompt.

import Engine
import Platform
import Syntax

final class StatementRunner {
    let access: any EngineAccess
    var format: ResultFormat
    var output: OutputFile
    /// Shows rows as `name: value` lines.
    var isExpanded = false
    /// Somebody watches a terminal: long results go through a pager, live ones are refreshed in place.
    var isInteractive = false
    /// Queries that were started and may still run, oldest first.
    private(set) var startedQueries: [RunningQuery] = []

    init(access: any EngineAccess, format: ResultFormat, output: OutputFile) {
        self.access = access
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
        let result: StatementResult
        do {
            result = try interruption.whileRunning({ [access] in access.cancel() }) { try access.execute(statement, source: source) }
        } catch is CancelledStatement {
            return Outcome()
        }
        for notice in access.takeNotices() { Console.note("notice: \(notice)") }
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
        if isInteractive, output === Console.standardOutput, format == .table, !isExpanded, cursor.isLive, cursor.isChangelog {
            return try view(cursor, interruption: interruption)
        }
        let writer = ResultWriter(
            format: isExpanded && format == .table ? .expanded : format, schema: cursor.schema, isChangelog: cursor.isChangelog,
            isLive: cursor.isLive, output: output)
        writer.usesPager = isInteractive && output === Console.standardOutput
        // However this ends, the query behind the cursor ends with it.
        defer {
            cursor.cancel()
            Console.hideProgress()
        }
        var progress = ProgressLine()
        return try interruption.whileRunning({ cursor.cancel() }) {
            loop: while !output.isBroken {
                switch try cursor.next(timeoutMilliseconds: ProgressLine.intervalMilliseconds) {
                case .rows(let batch): try writer.write(batch)
                case .idle:
                    if interruption.hasFired { break loop }
                    writer.flush()
                    if !cursor.isLive { progress.showWaiting() } else if isInteractive {
                        progress.showLive(rows: Int64(writer.rowCount), watermark: cursor.watermarkMicroseconds)
                    }
                case .end: break loop
                }
            }
            Console.hideProgress()
            writer.finish()
            return writer.rowCount
        }
    }

    /// A live result that takes rows back, refreshed in place.
    private func view(_ cursor: Cursor, interruption: Interruption) throws -> Int {
        let view = LiveView(schema: cursor.schema, output: output)
        defer { cursor.cancel() }
        return try interruption.whileRunning({ cursor.cancel() }) {
            loop: while !output.isBroken {
                switch try cursor.next(timeoutMilliseconds: 100) {
                case .rows(let batch): view.apply(batch)
                case .idle: if interruption.hasFired { break loop }
                case .end: break loop
                }
                view.refresh(watermark: cursor.watermarkMicroseconds)
            }
            view.finish(watermark: cursor.watermarkMicroseconds)
            return view.rowCount
        }
    }

    /// Draws a number of a SELECT's rows; of a live one as they come, until it is interrupted.
    func plot(_ statement: ParsedStatement, source: String, column: String?, interruption: Interruption) throws {
        guard case .query = statement.statement.kind, case .rows(let cursor) = try access.execute(statement, source: source) else {
            throw EngineError("\\plot draws the rows of a SELECT")
        }
        defer { cursor.cancel() }
        guard var plot = Plot(schema: cursor.schema, wanted: column) else {
            throw EngineError(column.map { "there is no numeric column \"\($0)\" to draw" } ?? "there is no numeric column to draw")
        }
        let clock = SystemClock()
        let drawsInPlace = isInteractive && cursor.isLive && output === Console.standardOutput
        var drawnLines = 0
        var lastDrawn: UInt64 = 0
        func draw() {
            let size = isInteractive ? Screen.size : (rows: 20, columns: 80)
            let lines = plot.lines(columns: size.columns - 1, rows: min(size.rows - 3, 24))
            var text = drawnLines > 0 ? "\u{1B}[\(drawnLines)A\r" : ""
            for line in lines { text += line + (drawsInPlace ? "\u{1B}[K" : "") + "\n" }
            if drawsInPlace { text += "\u{1B}[J" }
            drawnLines = lines.count
            output.write(text)
        }
        try interruption.whileRunning({ cursor.cancel() }) {
            loop: while !output.isBroken {
                switch try cursor.next(timeoutMilliseconds: 100) {
                case .rows(let batch): plot.append(batch)
                case .idle: if interruption.hasFired { break loop }
                case .end: break loop
                }
                let now = clock.monotonicNanoseconds()
                if drawsInPlace, now &- lastDrawn > 200_000_000 {
                    lastDrawn = now
                    draw()
                }
            }
            if !drawsInPlace || !plot.isEmpty { draw() }
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
