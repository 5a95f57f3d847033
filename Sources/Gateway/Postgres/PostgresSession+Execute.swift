// Executing a statement, and sending its rows.

import Columns
import Engine
import Platform
import Syntax

/// What a statement has begun.
enum Begun {
    /// It is done; its command tag.
    case complete(String)
    /// Rows, and the first word of the tag.
    case rows(RowStream, tag: String)
    case fetched(Fetched)
}

/// The rows that a FETCH or MOVE asks for.
struct Fetched {
    var rows: RowStream
    /// nil: all there are.
    var count: Int?
    var isMove: Bool
}

extension PostgresSession {
    /// How long one pull waits before it looks whether the statement is to end.
    private static let pullMilliseconds = 1_000
    /// How long a FETCH of a live cursor waits for its first row.
    private static let fetchMilliseconds = 200

    /// Executes a statement up to its rows.
    func begin(_ statement: ParsedStatement, source: String) throws -> Begun {
        let begun: Begun
        switch statement.statement.kind {
        case .connection(let connection): begun = try begin(connection, statement, source)
        case .set(let name, let value) where ConnectionSettings.knows(name.name): begun = .complete(try set(name, value))
        case .reset(let name) where ConnectionSettings.knows(name.name):
            if let change = settings.reset(name.name) { report([change]) }
            begun = .complete("RESET")
        case .reset(let name) where name.name.lowercased() == "all":
            report(settings.resetAll())
            begun = try beginOther(statement, source)
        default: begun = try beginOther(statement, source)
        }
        sendNotices()
        return begun
    }

    private func beginOther(_ statement: ParsedStatement, _ source: String) throws -> Begun {
        switch try engineSession.execute(statement, source: source) {
        case .done(let tag):
            noteChange(statement.statement)
            return .complete(tag)
        case .rows(let cursor): return .rows(RowStream(cursor), tag: Self.word(of: statement.statement))
        case .running(let tag, let query):
            noteChange(statement.statement)
            return .complete(try wait(for: query, tag: tag))
        }
    }

    private func noteChange(_ statement: Statement) {
        switch statement.kind {
        case .set, .reset: break
        default: if transaction == .open { hasChanged = true }
        }
    }

    private static func word(of statement: Statement) -> String {
        switch statement.kind {
        case .show, .connection(.showSetting): "SHOW"
        case .explain: "EXPLAIN"
        default: "SELECT"
        }
    }

    private func set(_ name: Identifier, _ value: Expression) throws -> String {
        guard let text = ConnectionSettings.text(value) else {
            throw ErrorReport(SQLError("expected a word, a text or a number", at: value.span, code: SQLError.invalidParameter), source: "")
        }
        let (change, warning) = try settings.set(name.name, text)
        if let warning { notice(warning, .warning, "01000") }
        if let change { report([change]) }
        return "SET"
    }

    /// A query that ends is waited for; one without an end goes on by itself.
    private func wait(for query: RunningQuery, tag: String) throws -> String {
        guard query.isBounded else {
            notice("query \(query.name) goes on in the background", hint: query.isSaved ? nil : "SHOW QUERIES shows it; it ends with the server")
            return tag == "INSERT" ? "INSERT 0 0" : tag
        }
        let deadline = statementDeadline()
        return try interruption.whileRunning({ query.stop() }) {
            while !query.wait(timeoutMilliseconds: 100) {
                try interruption.check()
                checkDeadline(deadline)
            }
            try interruption.check()
            let progress = query.progress()
            if progress.state == .failed {
                throw ErrorReport(.error, "58000", "query \(progress.name) failed: \(progress.reason ?? "for an unknown reason")")
            }
            if progress.failedRows > 0 {
                notice("\(progress.failedRows) rows failed and went to the query's error stream", .warning, "01000")
            }
            return tag == "INSERT" ? "INSERT 0 \(progress.rowsOut)" : tag
        }
    }

    // MARK: Time limits

    func statementDeadline() -> UInt64? {
        let milliseconds = settings.statementTimeoutMilliseconds
        return milliseconds > 0 ? clock.monotonicNanoseconds() &+ UInt64(milliseconds) &* 1_000_000 : nil
    }

    private func checkDeadline(_ deadline: UInt64?) {
        if let deadline, clock.monotonicNanoseconds() >= deadline { interruption.interrupt(.timeout) }
    }

    private func pullMilliseconds(_ deadline: UInt64?) -> Int {
        guard let deadline else { return Self.pullMilliseconds }
        let now = clock.monotonicNanoseconds()
        return now >= deadline ? 0 : min(Self.pullMilliseconds, Int((deadline - now) / 1_000_000) + 1)
    }

    // MARK: Rows

    /// Sends rows until there are no more, or as many as asked for have been sent; whether there may be more.
    func send(_ rows: RowStream, with rowWriter: RowWriter, atMost countMax: Int) throws -> Bool {
        try each(of: rows, atMost: countMax) { batch, range, cells in rowWriter.append(batch, range, cells, to: writer) } cells: {
            rowWriter.cells(of: $0)
        }
    }

    /// FETCH and MOVE: of a live cursor what is there, after a short wait.
    func send(_ fetched: Fetched, with rowWriter: RowWriter) throws -> Int {
        let before = fetched.rows.rowCount
        let deadline = statementDeadline()
        try interruption.whileRunning(fetched.rows.cancelAction) {
            var left = fetched.count ?? .max
            var hasRows = false
            while left > 0 {
                let wait = fetched.rows.isLive ? (hasRows ? 0 : Self.fetchMilliseconds) : pullMilliseconds(deadline)
                switch try fetched.rows.next(atMost: left, timeoutMilliseconds: wait) {
                case .end:
                    try interruption.check()
                    return
                case .idle:
                    try interruption.check()
                    checkDeadline(deadline)
                    if fetched.rows.isLive { return }
                case .rows(let batch):
                    hasRows = true
                    left -= batch.count
                    if !fetched.isMove { try append(batch, cells: rowWriter.cells(of: batch)) { rowWriter.append(batch, $0, $1, to: writer) } }
                }
            }
        }
        return fetched.rows.rowCount - before
    }

    /// The lines of COPY TO STDOUT; how many.
    func sendCopy(_ rows: RowStream, with copyWriter: CopyWriter) throws -> Int {
        _ = try each(of: rows, atMost: .max) { batch, range, cells in copyWriter.append(batch, range, cells, to: writer) } cells: {
            WireCells($0.columns, formats: [.text])
        }
        return rows.rowCount
    }

    private func each(
        of rows: RowStream, atMost countMax: Int, _ write: (RowBatch, Range<Int>, WireCells) -> Void, cells: (RowBatch) -> WireCells
    ) throws -> Bool {
        let deadline = statementDeadline()
        var left = countMax
        let rowCountMax = limit(settings.resultRowCountMax, limits.resultRowCountMax)
        if rows.isLive { interruption.beginLive() }
        return try interruption.whileRunning(rows.cancelAction) {
            while left > 0 {
                // A live result is shown as it comes; of another the last piece goes with what ends it.
                if rows.isLive { flush() }
                switch try rows.next(atMost: left, timeoutMilliseconds: pullMilliseconds(deadline)) {
                case .end:
                    try interruption.check()
                    return false
                case .idle:
                    try interruption.check()
                    checkDeadline(deadline)
                case .rows(let batch):
                    if rows.rowCount > rowCountMax {
                        throw ErrorReport(
                            .error, "54000", "the result has more than \(rowCountMax) rows", hint: "add a LIMIT, or raise max_result_rows")
                    }
                    left -= batch.count
                    try append(batch, cells: cells(batch)) { write(batch, $0, $1) }
                }
            }
            return true
        }
    }

    /// Writes a batch in pieces, so that a buffer of rows does not grow beyond what is sent at once.
    private func append(_ batch: RowBatch, cells: WireCells, _ write: (Range<Int>, WireCells) -> Void) throws {
        var row = 0
        let byteCountMax = limit(settings.resultByteCountMax, limits.resultByteCountMax)
        while row < batch.count {
            let end = min(row + 64, batch.count)
            let before = writer.buffer.count
            write(row..<end, cells)
            sentByteCount += writer.buffer.count - before
            if sentByteCount > byteCountMax {
                throw ErrorReport(.error, "54000", "the result has more than \(byteCountMax) bytes", hint: "add a LIMIT, or raise max_result_bytes")
            }
            row = end
            try flushWhenLarge()
            if row < batch.count { try interruption.check() }
        }
        withExtendedLifetime(batch) {}
    }

    /// The smaller of two limits, of which 0 is none.
    private func limit(_ one: Int, _ other: Int) -> Int { min(one > 0 ? one : .max, other > 0 ? other : .max) }
}
