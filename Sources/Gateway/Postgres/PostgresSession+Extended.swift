// The extended protocol: Parse makes a prepared statement, Bind a portal of it with values, Execute runs the portal, in as many pieces as are asked for.
//
// A prepared statement is kept as text with the types of its parameters; the values become literals when the portal is executed (see
// Engine/Session+Parameters). The rows a portal gives are those that were described: when the definition of what is read has changed in between, so that
// types differ, it is an error, as in PostgreSQL.

import Columns
import Engine
import Platform
import Syntax

struct PreparedStatement {
    let source: String
    let parameterTypes: [SQLType]
    /// What the client has declared, or what was found.
    let parameterOIDs: [UInt32]
    /// nil: it gives no rows.
    let schema: Schema?
    let isChangelog: Bool
    let isEmpty: Bool

    var byteCount: Int { source.utf8.count + 8 * parameterTypes.count + 256 }
}

final class Portal {
    let statement: PreparedStatement
    let arguments: [Expression]
    let resultFormats: [WireFormat]
    let byteCount: Int
    var rows: RowStream?
    var fetched: Fetched?
    var rowWriter: RowWriter?
    var tag = ""
    var isComplete = false

    init(statement: PreparedStatement, arguments: [Expression], resultFormats: [WireFormat], byteCount: Int) {
        self.statement = statement
        self.arguments = arguments
        self.resultFormats = resultFormats
        self.byteCount = byteCount
    }
}

extension PostgresSession {
    func extended(_ message: FrontendMessage) throws {
        switch message {
        case .parse(let name, let sql, let types): try parse(name, sql, types)
        case .bind(let bind): try self.bind(bind)
        case .describe(.statement(let name)): try describe(statement: name)
        case .describe(.portal(let name)): try describe(portal: name)
        case .execute(let name, let rowCountMax): try execute(name, rowCountMax: rowCountMax)
        case .close(.statement(let name)):
            remove(statement: name)
            writer.message("3")
        case .close(.portal(let name)):
            remove(portal: name)
            cursors.removeValue(forKey: name)?.rows.close()
            writer.message("3")
        default: break
        }
    }

    // MARK: Parse

    private func parse(_ name: String, _ sql: String, _ types: [UInt32]) throws {
        if name.isEmpty { remove(statement: "") }
        guard statements[name] == nil else { throw ErrorReport(.error, "42P05", "prepared statement \"\(name)\" already exists") }
        let prepared = try prepare(sql, types)
        try add(prepared, name)
        writer.message("1")
    }

    func add(_ prepared: PreparedStatement, _ name: String) throws(ErrorReport) {
        guard statements.count < limits.preparedCountMax else {
            throw ErrorReport(.error, "53400", "a connection has at most \(limits.preparedCountMax) prepared statements", hint: "DEALLOCATE some")
        }
        try reserve(prepared.byteCount)
        statements[name] = prepared
    }

    func prepare(_ sql: String, _ oids: [UInt32]) throws -> PreparedStatement {
        var declared: [SQLType?] = []
        for oid in oids { declared.append(try WireType.parameterType(oid: oid)) }
        return try prepare(sql, oids, declared)
    }

    func prepare(_ sql: String, _ oids: [UInt32], _ declared: [SQLType?]) throws -> PreparedStatement {
        guard let first = try firstStatement(sql) else {
            return PreparedStatement(source: sql, parameterTypes: [], parameterOIDs: [], schema: nil, isChangelog: false, isEmpty: true)
        }
        try checkTransaction(first)
        var shape = try engineSession.shape(of: sql, declared: declared) ?? StatementShape()
        try describe(first, in: &shape)
        let found = shape.parameterTypes.enumerated().map { index, type in
            index < oids.count && oids[index] != 0 && oids[index] != 705
                ? oids[index] : (index < shape.parameterNumbers.count ? shape.parameterNumbers[index] : nil) ?? WireType(type).oid
        }
        return PreparedStatement(
            source: sql, parameterTypes: shape.parameterTypes, parameterOIDs: found, schema: shape.schema, isChangelog: shape.isChangelog,
            isEmpty: false)
    }

    /// The statement with its parameters as they stand; what is wrong with it is said by whoever looks closer.
    private func firstStatement(_ sql: String) throws(ErrorReport) -> Statement? {
        do throws(SQLError) { return try Parser.parseScript(sql).first?.statement } catch { throw ErrorReport(error, source: sql) }
    }

    /// What the session alone knows of a statement's rows.
    private func describe(_ statement: Statement, in shape: inout StatementShape) throws {
        guard case .connection(let connection) = statement.kind else { return }
        switch connection {
        case .fetch(let fetch) where !fetch.isMove:
            let rows = try cursor(fetch.cursor).rows
            (shape.schema, shape.isChangelog) = (rows.schema, rows.isChangelog)
        case .execute(let name, _):
            let prepared = try prepared(name.name)
            (shape.schema, shape.isChangelog) = (prepared.schema, prepared.isChangelog)
        default: break
        }
    }

    func prepared(_ name: String) throws(ErrorReport) -> PreparedStatement {
        if let statement = statements[name] { return statement }
        throw ErrorReport(
            .error, "26000", name.isEmpty ? "unnamed prepared statement does not exist" : "prepared statement \"\(name)\" does not exist")
    }

    // MARK: Bind

    private func bind(_ message: FrontendMessage.BindMessage) throws {
        let statement = try prepared(message.statement)
        if message.portal.isEmpty { remove(portal: "") }
        guard portals[message.portal] == nil else { throw ErrorReport(.error, "42P03", "portal \"\(message.portal)\" already exists") }
        guard message.values.count == statement.parameterTypes.count else {
            throw ErrorReport(
                .error, "08P01",
                "bind message supplies \(message.values.count) parameters, but prepared statement \"\(message.statement)\" requires \(statement.parameterTypes.count)")
        }
        let columnCount = (statement.schema?.count ?? 0) + (statement.isChangelog ? 1 : 0)
        guard message.resultFormats.count <= 1 || message.resultFormats.count == columnCount else {
            throw ErrorReport(.error, "08P01", "bind message has \(message.resultFormats.count) result formats but query has \(columnCount) columns")
        }
        guard portals.count < limits.cursorCountMax else {
            throw ErrorReport(.error, "53400", "a connection has at most \(limits.cursorCountMax) portals", hint: "close some")
        }
        var arguments: [Expression] = []
        var byteCount = 256
        for (index, bytes) in message.values.enumerated() {
            let (value, type) = try ParameterCodec.value(
                bytes, WireFormat.of(index, in: message.formats), type: statement.parameterTypes[index], number: index + 1)
            arguments.append(try Session.argument(value, type: type))
            byteCount += 64 + (bytes?.count ?? 0)
        }
        try reserve(byteCount)
        portals[message.portal] = Portal(
            statement: statement, arguments: arguments, resultFormats: message.resultFormats, byteCount: byteCount)
        writer.message("2")
    }

    // MARK: Describe

    private func describe(statement name: String) throws {
        let statement = try prepared(name)
        writer.parameterDescription(statement.parameterOIDs)
        describe(statement, formats: [])
    }

    /// Cursors of DECLARE are portals, too.
    private func describe(portal name: String) throws {
        if portals[name] == nil, let rows = cursors[name]?.rows {
            writer.rowDescription(rows.schema.wireColumns(isChangelog: rows.isChangelog))
            return
        }
        let portal = try self.portal(name)
        describe(portal.statement, formats: portal.resultFormats)
    }

    private func describe(_ statement: PreparedStatement, formats: [WireFormat]) {
        if let schema = statement.schema {
            writer.rowDescription(schema.wireColumns(isChangelog: statement.isChangelog, formats: formats))
        } else {
            writer.message("n")
        }
    }

    private func portal(_ name: String) throws(ErrorReport) -> Portal {
        if let portal = portals[name] { return portal }
        throw ErrorReport(.error, "34000", "portal \"\(name)\" does not exist")
    }

    // MARK: Execute

    private func execute(_ name: String, rowCountMax: Int) throws {
        let portal = try portal(name)
        if portal.statement.isEmpty {
            writer.message("I")
            return
        }
        interruption.begin()
        defer { interruption.end() }
        sentByteCount = 0
        if portal.rows == nil, portal.fetched == nil, !portal.isComplete {
            if try start(portal) { return }
        }
        let countMax = rowCountMax > 0 ? rowCountMax : Int.max
        if let fetched = portal.fetched, let rowWriter = portal.rowWriter {
            let count = try send(fetched, with: rowWriter)
            portal.fetched = nil
            portal.isComplete = true
            portal.tag = "\(fetched.isMove ? "MOVE" : "FETCH") \(count)"
        } else if let rows = portal.rows, let rowWriter = portal.rowWriter {
            if try send(rows, with: rowWriter, atMost: countMax) {
                // There may be more, or not: PostgreSQL does not know either.
                writer.message("s")
                flush()
                return
            }
            sendNotices()
            portal.isComplete = true
            portal.tag = Self.tag(portal.tag, count: rows.rowCount)
            rows.close()
            portal.rows = nil
        } else if portal.isComplete, portal.rowWriter != nil {
            // Once more, after the last row.
            writer.commandComplete("SELECT 0")
            return
        }
        writer.commandComplete(portal.tag)
    }

    /// Begins the portal's statement; true when it is a COPY that waits for data.
    private func start(_ portal: Portal) throws -> Bool {
        let source = portal.statement.source
        let parsed: [ParsedStatement]
        do throws(SQLError) {
            parsed = try Parser.parseScript(source, arguments: portal.arguments)
        } catch { throw ErrorReport(error, source: source) }
        guard let statement = parsed.first else { return false }
        try checkTransaction(statement.statement)
        if case .connection(.copy(let copy)) = statement.statement.kind, copy.isFrom {
            try beginCopy(copy, span: statement.span, isExtended: true)
            portal.isComplete = true
            flush()
            return true
        }
        switch try begin(statement, source: source) {
        case .complete(let tag):
            portal.isComplete = true
            portal.tag = tag
        case .rows(let rows, let tag):
            try checkUnchanged(portal.statement, rows)
            portal.rows = rows
            portal.tag = tag
            portal.rowWriter = RowWriter(schema: rows.schema, isChangelog: rows.isChangelog, formats: portal.resultFormats)
        case .fetched(let fetched):
            portal.fetched = fetched
            portal.rowWriter = RowWriter(schema: fetched.rows.schema, isChangelog: fetched.rows.isChangelog, formats: portal.resultFormats)
        }
        return false
    }

    private func checkUnchanged(_ statement: PreparedStatement, _ rows: RowStream) throws(ErrorReport) {
        let now = rows.schema.fields.map { WireType($0.type).oid }
        let then = statement.schema?.fields.map { WireType($0.type).oid } ?? []
        guard now == then, rows.isChangelog == statement.isChangelog else {
            throw ErrorReport(.error, "0A000", "cached plan must not change result type", hint: "prepare the statement again")
        }
    }

    // MARK: Keeping

    /// Takes memory of what the connection may keep.
    func reserve(_ byteCount: Int) throws(ErrorReport) {
        guard keptByteCount + byteCount <= limits.connectionByteCountMax else {
            throw ErrorReport(
                .error, "53200", "prepared statements and portals of a connection take at most \(limits.connectionByteCountMax) bytes",
                hint: "close some, or raise --max-connection-memory")
        }
        keptByteCount += byteCount
    }

    func remove(statement name: String) {
        if let statement = statements.removeValue(forKey: name) { keptByteCount -= statement.byteCount }
    }

    func remove(portal name: String) {
        guard let portal = portals.removeValue(forKey: name) else { return }
        portal.rows?.close()
        keptByteCount -= portal.byteCount
    }

    func removeAllPortals() { for name in Array(portals.keys) { remove(portal: name) } }

    /// A portal lives as long as its transaction, and outside of one until Sync.
    func endPortalsOutsideTransaction() { if transaction == .idle { removeAllPortals() } }
}
