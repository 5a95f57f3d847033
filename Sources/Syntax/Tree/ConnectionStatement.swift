// ConnectionStatement: statements about the connection they come on: transactions, cursors, COPY, prepared statements. They need somebody who keeps such a
// connection (the PostgreSQL protocol); a script or the embedded prompt has none.

package indirect enum ConnectionStatement: Hashable, Sendable {
    /// `BEGIN`, `START TRANSACTION`.
    case begin
    /// `COMMIT`, `END`.
    case commit
    /// `ROLLBACK`, `ABORT`.
    case rollback
    /// `SAVEPOINT name`, `RELEASE name`, `ROLLBACK TO name`.
    case savepoint(SavepointAction, Identifier)
    /// `SET TRANSACTION ..`, `SET SESSION CHARACTERISTICS AS TRANSACTION ..`: the modes have no meaning here.
    case transactionModes
    /// `DECLARE name CURSOR [WITH HOLD] FOR query`.
    case declare(Identifier, Query, holds: Bool)
    case fetch(CursorFetch)
    /// `CLOSE name`; nil is `CLOSE ALL`.
    case close(Identifier?)
    case copy(Copy)
    /// `PREPARE name (types) AS statement`.
    case prepare(Identifier, [TypeName], Statement)
    /// `EXECUTE name (values)`.
    case execute(Identifier, [Expression])
    /// `DEALLOCATE name`; nil is `DEALLOCATE ALL`.
    case deallocate(Identifier?)
    case discard(DiscardKind)
    /// `UNLISTEN name`; nil is `UNLISTEN *`. Nobody can LISTEN, so it does nothing.
    case unlisten(Identifier?)
    /// `SHOW name`.
    case showSetting(Identifier)

    /// The words it begins with.
    package var name: String {
        switch self {
        case .begin: "BEGIN"
        case .commit: "COMMIT"
        case .rollback: "ROLLBACK"
        case .savepoint(let action, _): action.rawValue
        case .transactionModes: "SET TRANSACTION"
        case .declare: "DECLARE"
        case .fetch(let fetch): fetch.isMove ? "MOVE" : "FETCH"
        case .close: "CLOSE"
        case .copy: "COPY"
        case .prepare: "PREPARE"
        case .execute: "EXECUTE"
        case .deallocate: "DEALLOCATE"
        case .discard: "DISCARD"
        case .unlisten: "UNLISTEN"
        case .showSetting: "SHOW"
        }
    }

    /// Why it cannot be done where there is no such connection.
    package func needsConnection(at span: SourceSpan) -> SQLError {
        let hint: String
        switch self {
        case .begin, .commit, .rollback, .savepoint, .transactionModes: hint = "every INSERT is a transaction of its own"
        case .copy: hint = "millrace put STREAM appends standard input; connector = 'file' reads and writes files"
        default: hint = "statements are executed as they stand"
        }
        let place = SourceSpan(start: span.start, end: min(span.end, span.start + name.utf8.count))
        return SQLError("\(name) is not supported", at: place, hint: hint, code: SQLError.featureNotSupported)
    }
}

package enum SavepointAction: String, Hashable, Sendable { case set = "SAVEPOINT", release = "RELEASE", rollback = "ROLLBACK TO" }

package enum DiscardKind: String, Hashable, Sendable, CaseIterable {
    case all = "ALL", plans = "PLANS", sequences = "SEQUENCES", temporary = "TEMP"
}

/// `FETCH [FORWARD] n|ALL FROM cursor`, and MOVE, which passes over the rows.
package struct CursorFetch: Hashable, Sendable {
    package var cursor: Identifier
    /// nil: all there are.
    package var count: Int?
    package var isMove: Bool

    package init(cursor: Identifier, count: Int?, isMove: Bool) {
        self.cursor = cursor
        self.count = count
        self.isMove = isMove
    }
}

/// `COPY stream [(columns)] FROM STDIN`, `COPY stream|(query) TO STDOUT`, with options.
package struct Copy: Hashable, Sendable {
    package indirect enum Source: Hashable, Sendable {
        case relation(QualifiedName, [Identifier])
        case query(Query)
    }

    package enum Format: String, Hashable, Sendable { case text = "TEXT", csv = "CSV", json = "JSON", binary = "BINARY" }

    package var source: Source
    package var isFrom: Bool
    package var format = Format.text
    package var hasHeader = false
    /// One byte; nil for the format's own.
    package var delimiter: String?
    /// What stands for NULL; nil for the format's own.
    package var nullText: String?

    package init(source: Source, isFrom: Bool) {
        self.source = source
        self.isFrom = isFrom
    }
}
