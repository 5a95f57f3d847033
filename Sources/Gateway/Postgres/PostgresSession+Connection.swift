// The statements of ConnectionStatement: transactions, cursors, prepared statements in SQL, COPY TO STDOUT, DISCARD.

import Columns
import Engine
import Platform
import Syntax

/// A cursor of DECLARE.
struct DeclaredCursor {
    var rows: RowStream
    /// Whether it ends with the transaction it was declared in.
    var endsWithTransaction: Bool
}

extension PostgresSession {
    /// Savepoints are brackets within the bracket: going back to one lets a failed transaction go on, and takes nothing back.
    private func savepoint(_ action: SavepointAction, _ name: String) throws -> String {
        guard transaction != .idle else { throw ErrorReport(.error, "25P01", "\(action.rawValue) can only be used in transaction blocks") }
        if action == .set {
            guard savepoints.count < 1_000 else { throw ErrorReport(.error, "54000", "a transaction can have at most 1000 savepoints") }
            savepoints.append(name)
            return "SAVEPOINT"
        }
        guard let place = savepoints.lastIndex(of: name) else { throw ErrorReport(.error, "3B001", "savepoint \"\(name)\" does not exist") }
        if action == .release {
            savepoints.removeSubrange(place...)
            return "RELEASE"
        }
        savepoints.removeSubrange((place + 1)...)
        transaction = .open
        if hasChanged {
            notice("what this transaction has inserted and defined stays", .warning, "01000", hint: "every statement is durable when it is complete")
        }
        return "ROLLBACK"
    }

    func begin(_ connection: ConnectionStatement, _ statement: ParsedStatement, _ source: String) throws -> Begun {
        switch connection {
        case .begin:
            if transaction == .idle {
                transaction = .open
                hasChanged = false
                savepoints = []
            } else {
                notice("there is already a transaction in progress", .warning, "25001")
            }
            return .complete("BEGIN")
        case .commit:
            let hasFailed = transaction == .failed
            endTransaction()
            return .complete(hasFailed ? "ROLLBACK" : "COMMIT")
        case .rollback:
            if hasChanged {
                notice(
                    "what this transaction has inserted and defined stays", .warning, "01000", hint: "every statement is durable when it is complete")
            }
            endTransaction()
            return .complete("ROLLBACK")
        case .savepoint(let action, let name): return .complete(try savepoint(action, name.name))
        case .transactionModes: return .complete("SET")
        case .declare(let name, let query, let holds): return try declare(name, query, holds: holds, statement, source)
        case .fetch(let fetch): return .fetched(Fetched(rows: try cursor(fetch.cursor).rows, count: fetch.count, isMove: fetch.isMove))
        case .close(let name):
            if let name {
                try cursor(name).rows.close()
                cursors[name.name] = nil
                return .complete("CLOSE CURSOR")
            }
            closeCursors { _ in true }
            return .complete("CLOSE CURSOR ALL")
        case .copy(let copy): return .complete("COPY \(try copyOut(copy, statement, source))")
        case .prepare(let name, let types, let inner):
            guard statements[name.name] == nil else {
                throw ErrorReport(.error, "42P05", "prepared statement \"\(name.name)\" already exists")
            }
            let text = String(decoding: Array(source.utf8)[inner.span.start..<inner.span.end], as: UTF8.self)
            try add(try prepare(text, [], try engineSession.types(of: types, source: source)), name.name)
            return .complete("PREPARE")
        case .execute(let name, let values): return try execute(try prepared(name.name), values, at: statement.span, source)
        case .deallocate(let name):
            if let name {
                _ = try prepared(name.name)
                remove(statement: name.name)
                return .complete("DEALLOCATE")
            }
            for name in Array(statements.keys) { remove(statement: name) }
            return .complete("DEALLOCATE ALL")
        case .discard(let kind):
            if kind == .all {
                guard transaction == .idle else {
                    throw ErrorReport(.error, "25001", "DISCARD ALL cannot run inside a transaction block")
                }
                closeCursors { _ in true }
                removeAllPortals()
                for name in Array(statements.keys) { remove(statement: name) }
                report(settings.resetAll())
                if let reset = try? Parser.parseScript("RESET ALL").first { _ = try engineSession.execute(reset, source: "RESET ALL") }
            }
            return .complete(kind == .all ? "DISCARD ALL" : "DISCARD \(kind.rawValue)")
        case .unlisten: return .complete("UNLISTEN")
        case .showSetting(let name):
            if let text = settings.text(of: name.name) {
                let schema = Schema([.init(name: name.name.lowercased(), type: .text)])
                return .rows(RowStream(Cursor(schema: schema, rows: [[.string(text)]])), tag: "SHOW")
            }
            guard case .rows(let cursor) = try engineSession.execute(statement, source: source) else { return .complete("SHOW") }
            return .rows(RowStream(cursor), tag: "SHOW")
        }
    }

    // MARK: Transactions

    private func endTransaction() {
        if transaction == .idle { notice("there is no transaction in progress", .warning, "25P01") }
        transaction = .idle
        hasChanged = false
        closeCursors(\.endsWithTransaction)
    }

    // MARK: Cursors

    /// Outside of a transaction, where PostgreSQL has no cursors but those WITH HOLD, it stays until CLOSE.
    private func declare(_ name: Identifier, _ query: Query, holds: Bool, _ statement: ParsedStatement, _ source: String) throws -> Begun {
        guard cursors[name.name] == nil else { throw ErrorReport(.error, "42P03", "cursor \"\(name.name)\" already exists") }
        guard cursors.count < limits.cursorCountMax else {
            throw ErrorReport(.error, "53400", "a connection has at most \(limits.cursorCountMax) cursors", hint: "CLOSE some")
        }
        let inner = ParsedStatement(statement: Statement(.query(query), span: query.span), span: statement.span)
        guard case .rows(let cursor) = try engineSession.execute(inner, source: source) else { return .complete("DECLARE CURSOR") }
        cursors[name.name] = DeclaredCursor(rows: RowStream(cursor), endsWithTransaction: transaction == .open && !holds)
        return .complete("DECLARE CURSOR")
    }

    func cursor(_ name: Identifier) throws(ErrorReport) -> DeclaredCursor {
        if let cursor = cursors[name.name] { return cursor }
        throw ErrorReport(
            .error, "34000", "cursor \"\(name.name)\" does not exist",
            hint: NearestName.find(name.name, among: cursors.keys.sorted()).map { "did you mean \"\($0)\"?" })
    }

    private func closeCursors(_ isMeant: (DeclaredCursor) -> Bool) {
        for (name, cursor) in cursors where isMeant(cursor) {
            cursor.rows.close()
            cursors[name] = nil
        }
    }

    // MARK: EXECUTE

    private func execute(_ prepared: PreparedStatement, _ values: [Expression], at span: SourceSpan, _ source: String) throws -> Begun {
        guard values.count == prepared.parameterTypes.count else {
            throw ErrorReport(
                .error, "42601", "wrong number of parameters for the prepared statement", detail: "Expected \(prepared.parameterTypes.count) parameters but got \(values.count).")
        }
        let inner: [ParsedStatement]
        do throws(SQLError) {
            inner = try Parser.parseScript(prepared.source, arguments: try zip(values, prepared.parameterTypes).map { value, type throws(SQLError) in
                try Session.argument(value, as: type)
            })
        } catch { throw ErrorReport(error, source: prepared.source) }
        guard let statement = inner.first else { return .complete("EXECUTE") }
        if case .connection(.execute) = statement.statement.kind {
            throw ErrorReport(.error, "0A000", "a prepared statement cannot be an EXECUTE")
        }
        return try begin(statement, source: prepared.source)
    }

    // MARK: COPY TO STDOUT

    private func copyOut(_ copy: Copy, _ statement: ParsedStatement, _ source: String) throws -> Int {
        if copy.format == .json {
            throw SQLError(
                "COPY TO has no format json", at: statement.span, hint: "formats are text and csv; GET /v1/streams/NAME gives JSON lines",
                code: SQLError.featureNotSupported)
        }
        let format = Self.format(of: copy)
        let inner: ParsedStatement
        switch copy.source {
        case .query(let query): inner = ParsedStatement(statement: Statement(.query(query), span: query.span), span: statement.span)
        case .relation(let name, let columns):
            let names = columns.isEmpty ? "*" : columns.map { Printer.quote($0.name) }.joined(separator: ", ")
            let text = "SELECT \(names) FROM " + name.parts.map { Printer.quote($0.name) }.joined(separator: ".")
            do throws(SQLError) {
                guard let made = try Parser.parseScript(text).first else { return 0 }
                inner = ParsedStatement(statement: made.statement, span: statement.span)
            } catch { throw ErrorReport(.error, error.code, error.message) }
        }
        guard case .rows(let cursor) = try engineSession.execute(inner, source: source) else { return 0 }
        let rows = RowStream(cursor)
        defer { rows.close() }
        sendNotices()
        let copyWriter = CopyWriter(format: format, schema: rows.schema, isChangelog: rows.isChangelog)
        writer.copyResponse("H", columnCount: copyWriter.columnNames.count)
        if copy.hasHeader { copyWriter.appendHeader(to: writer) }
        let count = try sendCopy(rows, with: copyWriter)
        writer.message("c")
        return count
    }

    static func format(of copy: Copy) -> CopyFormat {
        let isCSV = copy.format == .csv
        return CopyFormat(
            isCSV: isCSV, delimiter: copy.delimiter?.utf8.first ?? (isCSV ? 0x2C : 0x09), nullText: Array((copy.nullText ?? (isCSV ? "" : "\\N")).utf8))
    }
}
