// EngineAccess: an engine as the commands use it: in this process (LocalAccess), or in a server that is spoken to over PostgreSQL's protocol
// (RemoteAccess). So there is one version of each command.

import Columns
import Engine
import Syntax

protocol EngineAccess: AnyObject, Sendable {
    /// What people call it: `data directory ./millrace-data`, `the server at 127.0.0.1:5433`.
    var title: String { get }
    /// Executes a statement of `source`. Rows are pulled from a cursor before the next statement is executed.
    func execute(_ statement: ParsedStatement, source: String) throws -> StatementResult
    /// Gives up the statement that is being executed, which then throws a CancelledStatement; from any thread. Does nothing where a statement is over
    /// at once.
    func cancel()
    /// What the last statement wants people to know; empties the list.
    func takeNotices() -> [String]
    /// For `put`.
    func appender(stream: String, isCSV: Bool) throws -> any RowAppender
    func tail(stream: String, from start: TailStart, follows: Bool) throws -> Cursor
    func status() throws -> EngineStatus
    /// For completion.
    func names() throws -> CatalogNames
    /// The saved queries have processed what is there now. Nothing to wait for where they run on by themselves.
    func drain()
    func close() throws
}

/// A statement ended because somebody wanted it to.
struct CancelledStatement: Error {}

/// Bytes on their way into a stream.
protocol RowAppender: AnyObject {
    func append(_ chunk: Buffer) throws
    func counts() -> StreamAppender.Counts
    /// Waits until everything has been appended, durably as the stream's `sync` option says.
    func finish() throws -> StreamAppender.Counts
}

/// What there is to be named, for completion.
struct CatalogNames {
    struct Relation {
        var name: String
        var columns: [String]
    }

    var relations: [Relation] = []
    var queries: [String] = []
    var functions: [String] = []
}

extension EngineAccess {
    /// Executes one statement and takes its rows as text, NULL as an empty one.
    func rows(_ sql: String) throws -> [[String]] {
        var rows: [[String]] = []
        for statement in try Parser.parseScript(sql) {
            guard case .rows(let cursor) = try execute(statement, source: sql) else { continue }
            loop: while true {
                switch try cursor.next(timeoutMilliseconds: 1_000) {
                case .rows(let batch):
                    for row in 0..<batch.count {
                        rows.append(batch.columns.map { $0.value(at: row).isNull ? "" : CellText.plain($0, row: row) })
                    }
                case .idle: continue
                case .end: break loop
                }
            }
        }
        return rows
    }

    /// Executes statements whose rows nobody wants.
    func execute(_ sql: String) throws {
        do {
            for statement in try Parser.parseScript(sql) {
                if case .rows(let cursor) = try execute(statement, source: sql) { cursor.cancel() }
            }
        } catch let error as SQLError {
            throw StatementError(error: error, source: sql)
        }
    }
}
