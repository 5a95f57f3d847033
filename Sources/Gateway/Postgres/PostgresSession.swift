// PostgresSession: one client after it has been let in: what it has said so far (prepared statements, portals, cursors, settings, the state of its transaction),
// and what each of its messages does. It knows no socket: what it says goes to a PostgresPeer.
//
// Messages are handled one after the other, on whatever thread has time (see PostgresConnection); a statement blocks its thread and nobody else.
//
// - Simple query: a text of several statements, each executed in turn; the first that fails ends the text. One ReadyForQuery at the end.
// - Extended query: Parse, Bind, Describe, Execute, Close. After an error everything is passed over up to the next Sync.
// - COPY FROM STDIN turns the session to data until CopyDone or CopyFail; then the text goes on with its next statement.
//
// Transactions: every statement is durable when it is complete. BEGIN .. COMMIT is a bracket around such statements: a failed one makes the rest of the block
// fail until ROLLBACK, as in PostgreSQL, but what came before it stays, and ROLLBACK says so when there was something.

import Columns
import Engine
import Platform
import Syntax

/// Where a session's answers go.
protocol PostgresPeer: AnyObject, Sendable {
    func send(_ bytes: UnsafeRawBufferPointer)
    /// Waits while the client reads too slowly; false when it is gone.
    func waitForRoom() -> Bool
}

/// What one client may use.
package struct PostgresLimits: Sendable {
    /// Of a statement's text, in a Query or Parse message.
    package var statementByteCountMax = 1 << 20
    /// Of any other message.
    package var messageByteCountMax = 64 << 20
    /// Of a result; 0: no limit.
    package var resultRowCountMax = 0
    package var resultByteCountMax = 0
    /// What prepared statements and the values of portals may take together.
    package var connectionByteCountMax = 64 << 20
    package var preparedCountMax = 10_000
    package var cursorCountMax = 1_000

    package init() {}
}

final class PostgresSession {
    let engineSession: Session
    let engine: Engine
    let clock: any Clock
    let limits: PostgresLimits
    let interruption = StatementInterruption()
    private let peer: any PostgresPeer
    let writer = BackendWriter()

    var settings = ConnectionSettings()
    var transaction = TransactionStatus.idle
    /// Whether a statement of the open transaction has changed something for good.
    var hasChanged = false
    /// Of the open transaction, the oldest first.
    var savepoints: [String] = []
    var statements: [String: PreparedStatement] = [:]
    var portals: [String: Portal] = [:]
    var cursors: [String: DeclaredCursor] = [:]
    var keptByteCount = 0
    /// After an error in the extended protocol: everything up to Sync is passed over.
    var skipsToSync = false
    var copy: CopyIn?
    /// Of the result that is being sent.
    var sentByteCount = 0
    /// What is left of the text of a simple query that waits for the end of a COPY.
    private var suspended: (statements: ArraySlice<ParsedStatement>, source: String)?
    private(set) var isOver = false

    init(engine: Engine, peer: any PostgresPeer, limits: PostgresLimits, clock: any Clock) {
        self.engine = engine
        engineSession = engine.makeSession()
        self.peer = peer
        self.limits = limits
        self.clock = clock
    }

    // MARK: Out

    /// Sends what has been written.
    func flush() {
        guard !writer.buffer.isEmpty else { return }
        peer.send(writer.buffer.bytes)
        writer.buffer.clear(keepingCapacity: 1 << 16)
    }

    /// Sends when there is much, and waits for a slow reader.
    func flushWhenLarge() throws {
        guard writer.buffer.count >= 1 << 16 else { return }
        flush()
        if !peer.waitForRoom() { throw ErrorReport(.fatal, "08006", "connection to client lost") }
    }

    func sayReady() {
        writer.readyForQuery(transaction)
        flush()
    }

    /// Gives an idle client's memory back.
    func rest() { writer.buffer.clear(keepingCapacity: 512) }

    // MARK: In

    func handle(_ message: FrontendMessage) {
        guard !isOver else { return }
        if copy != nil, handleCopy(message) { return }
        if skipsToSync {
            switch message {
            case .sync, .terminate: break
            default: return
            }
        }
        switch message {
        case .query(let text): simpleQuery(text)
        case .parse, .bind, .describe, .execute, .close:
            do {
                try extended(message)
            } catch {
                fail(error)
                skipsToSync = true
            }
        case .sync:
            skipsToSync = false
            endPortalsOutsideTransaction()
            sayReady()
        case .flush: flush()
        // What is left of a COPY that has failed.
        case .copyData, .copyDone, .copyFail: break
        case .terminate: end()
        case .functionCall:
            fail(ErrorReport(.error, "0A000", "function calls by number are not supported", hint: "SELECT function(..)"))
            sayReady()
        case .password:
            fail(ErrorReport(.error, "08P01", "nobody has asked for a password"))
            skipsToSync = true
        }
    }

    /// A message that was not taken: it is too large, no thread is left, or it makes no sense. It fails as a statement would.
    func refuse(_ type: UInt8, _ report: ErrorReport) {
        guard !isOver else { return }
        if copy != nil {
            abandonCopy(report)
            return
        }
        switch type {
        case UInt8(ascii: "Q"), UInt8(ascii: "F"):
            if skipsToSync { return }
            fail(report)
            sayReady()
        case UInt8(ascii: "S"):
            skipsToSync = false
            sayReady()
        default:
            if skipsToSync { return }
            fail(report)
            skipsToSync = true
            flush()
        }
    }

    /// Nothing waits any more: data of a slow COPY goes to its stream now.
    func becameIdle() { flushCopy() }

    func end() {
        guard !isOver else { return }
        isOver = true
        copy?.abandon()
        copy = nil
        for portal in portals.values { portal.rows?.close() }
        for cursor in cursors.values { cursor.rows.close() }
        portals = [:]
        cursors = [:]
        statements = [:]
    }

    // MARK: Errors and notices

    /// Says what went wrong; a transaction fails with it.
    func fail(_ error: any Error, source: String = "") {
        sendNotices()
        writer.error(ErrorReport(error, source: source))
        if transaction == .open { transaction = .failed }
    }

    func sendNotices() {
        for text in engineSession.takeNotices() { notice(text) }
    }

    func notice(_ text: String, _ severity: ErrorReport.Severity = .notice, _ code: String = "00000", hint: String? = nil) {
        writer.notice(ErrorReport(severity, code, text, hint: hint))
    }

    func report(_ changes: [(name: String, value: String)]) {
        for change in changes { writer.parameterStatus(change.name, change.value) }
    }

    // MARK: Simple query

    private func simpleQuery(_ source: String) {
        // The unnamed ones are gone with the next query of this kind.
        remove(statement: "")
        remove(portal: "")
        do {
            let statements = try Parser.parseScript(source)
            if statements.isEmpty { writer.message("I") }
            run(statements[...], source)
        } catch {
            fail(error, source: source)
            sayReady()
        }
    }

    /// Executes the statements; returns early when one begins to take data.
    private func run(_ statements: ArraySlice<ParsedStatement>, _ source: String) {
        var statements = statements
        while let statement = statements.popFirst() {
            interruption.begin()
            sentByteCount = 0
            do {
                let isTakingData = try executeSimple(statement, source)
                interruption.end()
                if isTakingData {
                    suspended = (statements, source)
                    flush()
                    return
                }
            } catch {
                interruption.end()
                fail(error, source: source)
                break
            }
        }
        endPortalsOutsideTransaction()
        sayReady()
    }

    /// True when the statement is a COPY that waits for data.
    private func executeSimple(_ statement: ParsedStatement, _ source: String) throws -> Bool {
        try checkTransaction(statement.statement)
        if case .connection(.copy(let copy)) = statement.statement.kind, copy.isFrom {
            try beginCopy(copy, span: statement.span, isExtended: false)
            return true
        }
        switch try begin(statement, source: source) {
        case .complete(let tag): writer.commandComplete(tag)
        case .rows(let rows, let tag):
            defer { rows.close() }
            let rowWriter = RowWriter(schema: rows.schema, isChangelog: rows.isChangelog)
            writer.rowDescription(rowWriter.columns)
            if rows.isLive { flush() }
            _ = try send(rows, with: rowWriter, atMost: .max)
            sendNotices()
            writer.commandComplete(Self.tag(tag, count: rows.rowCount))
        case .fetched(let fetched):
            let rowWriter = RowWriter(schema: fetched.rows.schema, isChangelog: fetched.rows.isChangelog)
            if !fetched.isMove { writer.rowDescription(rowWriter.columns) }
            let count = try send(fetched, with: rowWriter)
            writer.commandComplete("\(fetched.isMove ? "MOVE" : "FETCH") \(count)")
        }
        return false
    }

    /// The COPY of a simple query is over: the rest of its text.
    func resume() {
        guard let suspended else { return sayReady() }
        self.suspended = nil
        run(suspended.statements, suspended.source)
    }

    /// The COPY of a simple query has failed, and with it the text.
    func abandonSuspended() {
        suspended = nil
        sayReady()
    }

    // MARK: Transactions

    /// In a failed transaction only its end is accepted.
    func checkTransaction(_ statement: Statement) throws(ErrorReport) {
        guard transaction == .failed else { return }
        switch statement.kind {
        case .connection(.commit), .connection(.rollback), .connection(.savepoint(.rollback, _)): return
        default:
            throw ErrorReport(.error, "25P02", "current transaction is aborted, commands ignored until end of transaction block")
        }
    }

    static func tag(_ word: String, count: Int) -> String { word == "SELECT" || word == "FETCH" || word == "COPY" ? "\(word) \(count)" : word }
}
