// RemoteAccess: an engine in a server, over PostgreSQL's protocol.
//
// One statement at a time goes over the connection. Its rows are pulled as they come; a cursor that is given up cancels the statement, and the
// next one waits until the server is ready again. The place of an error, which the server counts in characters of the statement, becomes a place in
// the source that the statement stands in.

import Columns
import Engine
import Gateway
import Glibc
import Platform
import Syntax

final class RemoteAccess: EngineAccess, @unchecked Sendable {
    // Safe to share: one thread uses it; what `cancel` touches shares safely itself.
    private let client: PostgresClient
    private var rows: RemoteRows?
    private var notices: [String] = []
    private let isCancelling = Switch()

    /// A flag that can be taken back.
    private final class Switch: @unchecked Sendable {
        // Safe to share: every access holds the lock.
        private let lock = Lock()
        private var isOn = false
        var value: Bool {
            get { lock.locked { isOn } }
            set { lock.locked { isOn = newValue } }
        }
    }

    init(host: String, port: UInt16) throws {
        do {
            client = try PostgresClient(
                host: host, port: port, user: RemoteAccess.variable("PGUSER") ?? RemoteAccess.variable("USER") ?? "millrace",
                password: RemoteAccess.variable("MILLRACE_PASSWORD") ?? RemoteAccess.variable("PGPASSWORD"),
                database: RemoteAccess.variable("PGDATABASE") ?? "millrace", applicationName: "millrace")
        } catch let error as ClientError {
            throw EngineError(error.description)
        }
    }

    /// `HOST:PORT`; `[::1]:5433` for an address with colons.
    convenience init(_ address: String) throws {
        guard let colon = address.lastIndex(of: ":"), let port = UInt16(address[address.index(after: colon)...]), port > 0, colon > address.startIndex else {
            throw UsageError(message: "--connect takes HOST:PORT, not \"\(address)\"", hint: "for example 127.0.0.1:5433")
        }
        var host = String(address[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        try self.init(host: host, port: port)
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The same server over another connection.
    func another() throws -> RemoteAccess { try RemoteAccess(host: client.host, port: UInt16(clamping: client.port)) }

    var title: String { "the server at \(client.host):\(client.port)" }

    // MARK: Statements

    func execute(_ statement: ParsedStatement, source: String) throws -> StatementResult {
        try finishRows()
        let place = RemotePlace(source: source, span: statement.span)
        isCancelling.value = false
        return try translating {
            try client.send(query: place.text)
            var tag = ""
            var failure: ServerMessage?
            while true {
                switch try client.next(timeoutMilliseconds: 3_600_000) {
                case .fields(let fields):
                    let rows = RemoteRows(client: client, fields: fields, place: place, statement: statement.statement)
                    self.rows = rows
                    return .rows(rows.cursor())
                case .complete(let given): if tag.isEmpty { tag = given }
                case .failure(let message): failure = message
                case .ready:
                    takeNotices(of: client)
                    if let failure {
                        if isCancelling.value, failure.code == RemoteRows.cancelled { throw CancelledStatement() }
                        throw place.error(failure)
                    }
                    return .done(tag: tag)
                case .copyIn: try client.endCopy()
                case .copyOut, .copied, .copyDone, .row, .idle: continue
                }
            }
        }
    }

    func cancel() {
        isCancelling.value = true
        client.cancel()
    }

    /// The rows of a statement that was given up are passed over.
    private func finishRows() throws {
        defer { rows = nil }
        if let rows { try translating { try rows.finish() } }
    }

    private func takeNotices(of client: PostgresClient) {
        notices += client.takeNotices().map { $0.message + ($0.hint.map { " (\($0))" } ?? "") }
    }

    func takeNotices() -> [String] {
        takeNotices(of: client)
        defer { notices = [] }
        return notices
    }

    private func translating<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as ClientError { throw EngineError("\(title): \(error.description)") }
    }

    // MARK: Rows in and out

    func appender(stream: String, isCSV: Bool) throws -> any RowAppender {
        try finishRows()
        return RemoteAppender(client, stream: stream, isCSV: isCSV, title: title)
    }

    func tail(stream: String, from start: TailStart, follows: Bool) throws -> Cursor {
        let place =
            switch start {
            case .trimHorizon: " START FROM TRIM_HORIZON"
            case .latest: " START FROM LATEST"
            case .sequence(let number): " START FROM '\(number)'"
            case .time(let microseconds): " START FROM TIMESTAMP '\(TimeOfDay.text(microseconds: microseconds, digits: 6))'"
            }
        let sql = "SELECT \(follows ? "STREAM " : "")* FROM \(Printer.quote(stream))\(place)"
        guard let statement = try Parser.parseScript(sql).first, case .rows(let cursor) = try execute(statement, source: sql) else {
            throw EngineError("\(stream) cannot be read")
        }
        return cursor
    }

    // MARK: What there is

    func status() throws -> EngineStatus {
        var streams: [StreamStatus] = []
        for row in try table("SHOW STREAMS") + table("SHOW TABLES") {
            let shardCount = max(1, Int(row["shards"] ?? "") ?? 1)
            // What the server says of the whole stream is shown at its first shard.
            var shards = (0..<shardCount).map { _ in
                StreamStatus.Shard(oldestSequence: 0, endSequence: 0, byteCount: 0, expiredRows: 0, givenUpRows: 0, fault: nil)
            }
            let rowCount = UInt64(row["rows"] ?? "") ?? 0
            shards[0] = StreamStatus.Shard(
                oldestSequence: 0, endSequence: rowCount, byteCount: Int(row["bytes"] ?? "") ?? 0, expiredRows: UInt64(row["expired"] ?? "") ?? 0,
                givenUpRows: UInt64(row["given_up"] ?? "") ?? 0, fault: row["fault"].flatMap { $0.isEmpty ? nil : $0 })
            streams.append(StreamStatus(name: row["name"] ?? "", connector: row["connector"] ?? "log", shards: shards, rowCount: rowCount, errorRows: 0))
        }
        for index in streams.indices {
            streams[index].errorRows = streams.first { $0.name == streams[index].name + "_errors" }?.rowCount ?? 0
        }
        let queries = try table("SHOW QUERIES").map { row in
            var query = QueryProgress(name: row["name"] ?? "")
            query.state = QueryProgress.State(rawValue: row["state"] ?? "") ?? .running
            query.reason = row["reason"].flatMap { $0.isEmpty ? nil : $0 }
            query.epoch = UInt64(row["epoch"] ?? "") ?? 0
            query.rowsIn = Int64(row["rows_in"] ?? "") ?? 0
            query.rowsOut = Int64(row["rows_out"] ?? "") ?? 0
            query.lateRows = Int64(row["late"] ?? "") ?? 0
            query.failedRows = Int64(row["failed"] ?? "") ?? 0
            query.behind = Int64(row["behind"] ?? "") ?? 0
            query.stateByteCount = Int(row["state_bytes"] ?? "") ?? 0
            query.holdup = row["held_back_by"].flatMap { $0.isEmpty ? nil : $0 }
            if let text = row["watermark"], case .integer(let time)? = try? TextFormat.parse(text, as: .timestamp(precision: 6)) { query.watermark = time }
            return query
        }
        return EngineStatus(directory: "of \(title)", heldBy: nil, streams: streams, queries: queries)
    }

    /// Rows by the names of their columns.
    private func table(_ sql: String) throws -> [[String: String]] {
        guard let statement = try Parser.parseScript(sql).first, case .rows(let cursor) = try execute(statement, source: sql) else { return [] }
        var rows: [[String: String]] = []
        while true {
            switch try cursor.next(timeoutMilliseconds: 1_000) {
            case .rows(let batch):
                for row in 0..<batch.count {
                    rows.append(
                        Dictionary(
                            zip(cursor.schema.fields.map(\.name), batch.columns.map { CellText.plain($0, row: row) }), uniquingKeysWith: { first, _ in first }))
                }
            case .idle: continue
            case .end: return rows
            }
        }
    }

    func names() throws -> CatalogNames {
        var names = CatalogNames()
        for row in try rows("SHOW CREATE ALL") where row.count > 2 {
            switch row[0] {
            case "QUERY", "ALERT": names.queries.append(row[1])
            case "NOTIFIER", "INHIBITION": break
            case "FUNCTION": names.functions.append(row[1])
            default: names.relations.append(.init(name: row[1], columns: (try? rows("DESCRIBE \(Printer.quote(row[1]))").map { $0[0] }) ?? []))
            }
        }
        names.functions += try rows("SHOW FUNCTIONS").map { $0[0] }
        return names
    }

    func drain() {}

    func close() throws {
        rows?.abandon()
        client.close()
    }
}

/// Where a statement that was sent stands.
struct RemotePlace: Sendable {
    var source: String
    var span: SourceSpan

    var text: String {
        let bytes = Array(source.utf8)
        let start = max(0, min(span.start, bytes.count))
        return String(decoding: bytes[start..<max(start, min(span.end, bytes.count))], as: UTF8.self)
    }

    func error(_ message: ServerMessage) -> any Error {
        guard let position = message.position, position > 0 else {
            let more = [message.detail, message.hint.map { "hint: \($0)" }].compactMap { $0 }
            return EngineError(([message.message] + more).joined(separator: "\n"))
        }
        let start = span.start + text.unicodeScalars.prefix(position - 1).reduce(0) { $0 + UTF8.width($1) }
        // The server says where it begins; the word there is what it is about.
        let piece = Parser.pieces(of: source).first { $0.span.start <= start && start < $0.span.end }
        return StatementError(
            error: SQLError(message.message, at: SourceSpan(start: start, end: max(start, piece?.span.end ?? start + 1)), hint: message.hint, code: message.code),
            source: source)
    }
}

/// The rows of a statement, on their way.
private final class RemoteRows: @unchecked Sendable {
    // Safe to share: a cursor is used by one thread at a time; what `cancel` touches is behind the lock.
    private let client: PostgresClient
    private let schema: Schema
    private let place: RemotePlace
    private let isLive: Bool
    /// The first column says what each row does to the result.
    private let hasKinds: Bool
    private let lock = Lock()
    private var isOver = false
    private var isCancelled = false
    private var failure: ServerMessage?

    static let cancelled = "57014"
    private static let batchRowsMax = 4_096

    init(client: PostgresClient, fields: [PostgresClient.Field], place: RemotePlace, statement: Statement) {
        self.client = client
        self.place = place
        var live = false
        var startsWithOp = false
        if case .query(let query) = statement.kind {
            live = query.goesOn
            if case .select(let select) = query.body, let first = select.items.first {
                startsWithOp = first.alias?.name.lowercased() == "op"
                if first.alias == nil, case .column(let name) = first.expression.kind { startsWithOp = name.last.name.lowercased() == "op" }
            }
        }
        isLive = live
        hasKinds = live && !startsWithOp && fields.count > 1 && fields[0].name == "op"
        schema = Schema(fields.dropFirst(hasKinds ? 1 : 0).map { SQLType.Field(name: $0.name, type: ServerTypes.type(of: $0)) })
    }

    func cursor() -> Cursor {
        Cursor(schema: schema, isChangelog: hasKinds, isLive: isLive, wake: { [self] in cancel() }, pull: { [self] timeout, _ in try pull(timeout) })
    }

    private func cancel() {
        let isFirst = lock.locked {
            defer { if !isOver { isCancelled = true } }
            return !isOver && !isCancelled
        }
        if isFirst { client.cancel() }
    }

    private func pull(_ timeoutMilliseconds: Int) throws -> CursorEvent {
        do {
            return try pullRows(timeoutMilliseconds)
        } catch let error as ClientError {
            lock.locked { isOver = true }
            throw EngineError(error.description)
        }
    }

    private func pullRows(_ timeoutMilliseconds: Int) throws -> CursorEvent {
        if lock.locked({ isOver }) { return .end }
        let builders = schema.types.map { ColumnBuilder($0) }
        var kinds: [UInt8] = []
        var count = 0
        func batch() -> CursorEvent {
            let changes = hasKinds ? kinds.withUnsafeBytes { Buffer(copying: $0) } : nil
            return .rows(RowBatch(count: count, columns: builders.map { $0.finish() }, changes: changes))
        }
        while true {
            switch try client.next(timeoutMilliseconds: count == 0 ? max(1, timeoutMilliseconds) : 0) {
            case .row(var values):
                guard values.count == builders.count + (hasKinds ? 1 : 0) else { throw ClientError("the server sent a row of \(values.count) columns") }
                if hasKinds {
                    let symbol = values.removeFirst().map { String(decoding: $0, as: UTF8.self) }
                    kinds.append((ChangeKind.allCases.first { $0.symbol == symbol } ?? .insert).rawValue)
                }
                for (builder, value) in zip(builders, values) { try ServerTypes.append(value, to: builder) }
                count += 1
                if count >= RemoteRows.batchRowsMax { return batch() }
            case .idle: return count > 0 ? batch() : .idle
            case .failure(let message): failure = message
            case .ready:
                let wasCancelled = lock.locked {
                    isOver = true
                    return isCancelled
                }
                if count > 0, failure == nil { return batch() }
                if let failure, !(wasCancelled && failure.code == RemoteRows.cancelled) { throw place.error(failure) }
                return .end
            case .copyIn: try client.endCopy()
            case .fields, .complete, .copyOut, .copied, .copyDone: continue
            }
        }
    }

    /// Passes over what is still to come.
    func finish() throws {
        if lock.locked({ isOver }) { return }
        cancel()
        while client.isBusy { _ = try client.next(timeoutMilliseconds: 10_000) }
        lock.locked { isOver = true }
    }

    func abandon() { cancel() }
}

/// `COPY stream FROM STDIN`. It begins with the first row; of CSV with the line that names the columns, which the statement must tell.
private final class RemoteAppender: RowAppender {
    private let client: PostgresClient
    private let stream: String
    private let isCSV: Bool
    private let title: String
    private var place = RemotePlace(source: "", span: .none)
    private var hasBegun = false
    private var header: [UInt8] = []
    private var sent = StreamAppender.Counts()
    private static let messageByteCountMax = 256 << 10
    private static let headerByteCountMax = 1 << 20

    init(_ client: PostgresClient, stream: String, isCSV: Bool, title: String) {
        self.client = client
        self.stream = stream
        self.isCSV = isCSV
        self.title = title
    }

    private func begin(columns: [String]) throws {
        let list = columns.isEmpty ? "" : " (\(columns.map(Printer.quote).joined(separator: ", ")))"
        let sql = "COPY \(Printer.quote(stream))\(list) FROM STDIN WITH (FORMAT \(isCSV ? "csv" : "json"))"
        place = RemotePlace(source: sql, span: SourceSpan(start: 0, end: sql.utf8.count))
        try client.send(query: sql)
        var failure: ServerMessage?
        while true {
            switch try client.next(timeoutMilliseconds: 60_000) {
            case .copyIn:
                hasBegun = true
                return
            case .failure(let message): failure = message
            case .ready: throw failure.map { place.error($0) } ?? EngineError("\(title) takes no rows")
            case .idle: throw EngineError("\(title) does not answer")
            default: continue
            }
        }
    }

    func append(_ chunk: Buffer) throws {
        defer { withExtendedLifetime(chunk) {} }
        let bytes = UnsafeRawBufferPointer(start: chunk.base, count: chunk.byteCount)
        sent.bytes += bytes.count
        do {
            guard !hasBegun, isCSV else {
                if !hasBegun { try begin(columns: []) }
                return try send(bytes)
            }
            header += bytes
            guard let end = header.firstIndex(of: UInt8(ascii: "\n")) else {
                if header.count > RemoteAppender.headerByteCountMax { throw EngineError("the line that names the columns is too long") }
                return
            }
            try begin(columns: RemoteAppender.names(header[..<end]))
            let rest = Array(header[(end + 1)...])
            header = []
            try rest.withUnsafeBytes { try send($0) }
        } catch let error as ClientError {
            throw EngineError("\(title): \(error.description)")
        }
    }

    private func send(_ bytes: UnsafeRawBufferPointer) throws {
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + RemoteAppender.messageByteCountMax)
            try client.send(copy: bytes[start..<end])
            sent.rows += bytes[start..<end].count { $0 == UInt8(ascii: "\n") }
            start = end
        }
    }

    /// The names in the first line of a CSV text.
    private static func names(_ line: ArraySlice<UInt8>) -> [String] {
        var names: [String] = []
        var name: [UInt8] = []
        var isQuoted = false
        for byte in line where byte != UInt8(ascii: "\r") {
            switch byte {
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: ",") where !isQuoted:
                names.append(String(decoding: name, as: UTF8.self).trimmingSpaces)
                name = []
            default: name.append(byte)
            }
        }
        return names + [String(decoding: name, as: UTF8.self).trimmingSpaces]
    }

    /// Lines sent, before the server has said what it made of them.
    func counts() -> StreamAppender.Counts { sent }

    func finish() throws -> StreamAppender.Counts {
        do {
            if !hasBegun {
                // Nothing came, or nothing but the names of columns; that the stream exists is to be checked all the same.
                try begin(columns: header.isEmpty ? [] : RemoteAppender.names(header[...]))
            }
            try client.endCopy()
            var failure: ServerMessage?
            var counts = StreamAppender.Counts()
            counts.bytes = sent.bytes
            while true {
                switch try client.next(timeoutMilliseconds: 3_600_000) {
                case .complete(let tag): counts.rows = tag.split(separator: " ").last.flatMap { Int($0) } ?? 0
                case .failure(let message): failure = message
                case .ready:
                    if let failure { throw place.error(failure) }
                    for notice in client.takeNotices() {
                        // `3 rows were rejected: line 2: ..; line 5: ..`
                        if let number = notice.message.split(separator: " ").first.flatMap({ Int($0) }) { counts.rejected += number }
                        let reasons = notice.message.split(separator: ":", maxSplits: 1).last.map(String.init) ?? ""
                        counts.reasons += reasons.split(separator: ";").map { String($0).trimmingSpaces }
                    }
                    return counts
                default: continue
                }
            }
        } catch let error as ClientError {
            throw EngineError("\(title): \(error.description)")
        }
    }
}

extension Query {
    /// Whether it asks to go on: SELECT STREAM, EMIT CHANGES.
    var goesOn: Bool {
        if emit == .changes { return true }
        switch body {
        case .select(let select): return select.isStream
        case .setOperation(_, _, let left, let right, _): return left.goesOn || right.goesOn
        case .values: return false
        }
    }
}
