// SQLAPI: `POST /v1/sql`: statements in, their rows out as they come.
//
// The body is SQL, or JSON `{"sql": "...", "parameters": [...]}` (one statement then). The answer is lines of JSON: an object a row; after each statement `{"done":{"tag":"SELECT 3","rows":3}}`; a
// notice as `{"notice":"..."}`; when a statement fails `{"error":{...}}`, and nothing after it is executed. What fails before anything was written is told by
// the status too. With `?rows=arrays` a row is an array and `{"columns":[...]}` comes before the first, so that a row can never be taken for something else.
// `Accept: text/csv` gives the rows as CSV.
//
// Rows are pulled from the cursor on the request's own thread, and that waits for the client: a live SELECT goes on until the client goes. An INSERT of
// a query without an end runs as long, too; a saved query goes on by itself.

import Columns
import Engine
import Syntax

enum SQLAPI {
    private static let flushedByteCount = 128 << 10
    private static let sliceRowCount = 512
    private static let waitMilliseconds = 500

    @Sendable static func execute(_ context: HTTPContext) throws {
        try context.checkParameters(["rows"])
        let arrays = try rowsAreArrays(context.request.parameter("rows"))
        let (sql, parameters) = try statementText(context)
        let session = context.engine.makeSession()
        let arguments = try parameters.map { try self.arguments($0, of: sql, session) } ?? []
        let statements: [ParsedStatement]
        do throws(SQLError) { statements = try Parser.parseScript(sql, arguments: arguments) } catch { throw StatementError(error: error, source: sql) }
        guard !statements.isEmpty else { throw APIError(400, SQLError.syntaxError, "the body holds no statement") }
        var run = StatementRun(
            context: context, session: session, format: context.request.accepts("text/csv") ? .csv : arrays ? .arrays : .objects)
        for (index, statement) in statements.enumerated() {
            guard try run.execute(statement, source: sql, number: index + 1) else { return }
        }
        run.finish()
    }

    private static func rowsAreArrays(_ text: String?) throws(APIError) -> Bool {
        switch text {
        case nil, "objects": return false
        case "arrays": return true
        case .some(let other): throw APIError(400, SQLError.invalidParameter, "rows is objects or arrays, not \"\(other)\"")
        }
    }

    private static func statementText(_ context: HTTPContext) throws -> (sql: String, parameters: [JSONDocument]?) {
        let limit = context.options.statementByteCountMax
        if case .length(let count) = context.request.framing, count > limit { throw APIError(413, SQLError.programLimitExceeded, "a statement may take \(limit) bytes") }
        let bytes = try context.exchange.body.collect(byteCountMax: limit, what: "a statement")
        guard context.request.contentType == "application/json" else {
            guard let sql = String(validating: bytes, as: UTF8.self) else { throw APIError(400, "22021", "the body is not UTF-8") }
            return (sql, nil)
        }
        let document = try JSONDocument(bytes)
        guard case .object(let members) = document else { throw APIError(400, SQLError.invalidParameter, "the body is not an object with the member \"sql\"") }
        for member in members where !["sql", "parameters"].contains(member.name) {
            throw APIError(400, SQLError.invalidParameter, "there is no member \"\(member.name)\"", hint: "the members are \"sql\" and \"parameters\"")
        }
        guard case .string(let sql)? = document["sql"] else { throw APIError(400, SQLError.invalidParameter, "the member \"sql\" is not a text") }
        switch document["parameters"] {
        case nil, .null: return (sql, nil)
        case .array(let parameters): return (sql, parameters.isEmpty ? nil : parameters)
        default: throw APIError(400, SQLError.invalidParameter, "the member \"parameters\" is not an array")
        }
    }

    /// The values of `$1`, `$2`, .. as literals of the types that their places give them.
    private static func arguments(_ values: [JSONDocument], of sql: String, _ session: Session) throws -> [Expression] {
        guard let shape = try session.shape(of: sql, declared: []) else { throw APIError(400, SQLError.syntaxError, "the body holds no statement") }
        guard shape.parameterTypes.count == values.count else {
            throw APIError(
                400, APIError.protocolViolation, "the statement has \(shape.parameterTypes.count) parameters, and \(values.count) were given")
        }
        return try zip(values, shape.parameterTypes).enumerated().map { index, pair in
            func literal(_ literal: Literal) -> Expression { Expression(.literal(literal), span: .none) }
            let value: Expression
            switch pair.0 {
            case .null: value = literal(.null)
            case .boolean(let isTrue): value = literal(.boolean(isTrue))
            case .string(let text): value = literal(.string(text))
            // As text, which the cast to the parameter's type reads exactly.
            case .number(let digits): value = literal(.string(digits))
            case .array, .object:
                throw APIError(
                    501, SQLError.featureNotSupported, "parameter $\(index + 1) is an array or an object, which is not supported yet",
                    hint: "give its text, and cast it in the statement")
            }
            do throws(SQLError) { return try Session.argument(value, as: pair.1) } catch { throw StatementError(error: error, source: sql) }
        }
    }

    private enum Format { case objects, arrays, csv }

    private struct StatementRun {
        let context: HTTPContext
        let session: Session
        let format: Format
        var buffer: ByteBuffer?
        var resultByteCount = 0

        var exchange: HTTPExchange { context.exchange }

        /// The buffer of the response, which begins with the first thing that there is to say.
        mutating func out() -> ByteBuffer {
            if let buffer { return buffer }
            let made = exchange.begin(200, contentType: format == .csv ? "text/csv; charset=utf-8" : "application/x-ndjson")
            buffer = made
            return made
        }

        /// False when nothing more is to be executed, and the response is over.
        mutating func execute(_ statement: ParsedStatement, source: String, number: Int) throws -> Bool {
            do {
                let result = try session.execute(statement, source: source)
                for notice in session.takeNotices() { say { $0.member("notice", notice) } }
                switch result {
                case .done(let tag): done(tag, nil)
                case .rows(let cursor):
                    guard let count = try pull(cursor) else { return false }
                    done("SELECT \(count)", count)
                case .running(let tag, let query):
                    if !query.isSaved { try wait(for: query) }
                    done(tag, nil)
                }
                return true
            } catch {
                // What the engine will not do is the statement's fault, unless something has run out.
                guard buffer != nil else { throw APIError(error, status: 422) }
                // Rows in CSV have no place for an error: the response is broken off.
                guard format != .csv else {
                    exchange.abort()
                    return false
                }
                var failure = APIError(error, status: 422)
                if failure.line == nil, number > 1 { failure.hint = failure.hint ?? "it was statement \(number)" }
                let out = out()
                var json = JSONWriter(out)
                failure.append(to: &json)
                out.append(0x0A)
                exchange.end()
                return false
            }
        }

        mutating func finish() {
            _ = out()
            exchange.end()
        }

        private mutating func say(_ members: (inout JSONWriter) -> Void) {
            guard format != .csv else { return }
            let out = out()
            var json = JSONWriter(out)
            json.object(members)
            out.append(0x0A)
        }

        private mutating func done(_ tag: String, _ rowCount: Int?) {
            say {
                $0.object("done") {
                    $0.member("tag", tag)
                    if let rowCount { $0.member("rows", rowCount) }
                }
            }
        }

        /// How many rows there were; nil when the client has gone.
        private mutating func pull(_ cursor: Cursor) throws -> Int? {
            defer { cursor.cancel() }
            exchange.whenGone(isEndless: cursor.isLive) { cursor.cancel() }
            let json = JSONLinesEncoder(schema: cursor.schema, writesChangeKind: cursor.isChangelog)
            let csv = CSVEncoder(schema: cursor.schema, writesChangeKind: cursor.isChangelog)
            var rowCount = 0
            var isDescribed = false
            func describe(_ out: ByteBuffer) {
                isDescribed = true
                switch format {
                case .objects: break
                case .csv: csv.appendHeader(to: out)
                case .arrays: Self.appendColumns(cursor, to: out)
                }
            }
            // Whoever waits for the first row of a live query sees that it has begun.
            if cursor.isLive {
                describe(out())
                guard exchange.flush() else { return nil }
            }
            while true {
                switch try cursor.next(timeoutMilliseconds: waitMilliseconds) {
                case .rows(let batch):
                    let out = out()
                    if !isDescribed { describe(out) }
                    var start = 0
                    while start < batch.count {
                        let end = min(batch.count, start + sliceRowCount)
                        let before = out.count
                        switch format {
                        case .objects: json.append(batch, rows: start..<end, to: out)
                        case .arrays: json.appendArrays(batch.slice(start..<end), to: out)
                        case .csv: csv.append(batch.slice(start..<end), to: out)
                        }
                        resultByteCount += out.count - before
                        rowCount += end - start
                        start = end
                        if let limit = context.options.resultByteCountMax, !cursor.isLive, resultByteCount > limit {
                            throw APIError(
                                400, SQLError.programLimitExceeded, "the result takes more than \(limit) bytes", hint: "add a LIMIT, or ask for fewer columns")
                        }
                        if exchange.pendingByteCount >= flushedByteCount, !exchange.flush() { return nil }
                    }
                    if cursor.isLive, !exchange.flush() { return nil }
                case .idle:
                    if buffer != nil, exchange.pendingByteCount > 0, !exchange.flush() { return nil }
                    if exchange.isCancelled { return nil }
                case .end:
                    if exchange.isCancelled { return nil }
                    if !isDescribed { describe(out()) }
                    return rowCount
                }
            }
        }

        private static func appendColumns(_ cursor: Cursor, to out: ByteBuffer) {
            var json = JSONWriter(out)
            json.object {
                $0.array("columns") {
                    for field in cursor.schema.fields {
                        $0.object {
                            $0.member("name", field.name)
                            $0.member("type", field.type.name)
                        }
                    }
                    if cursor.isChangelog {
                        $0.object {
                            $0.member("name", "op")
                            $0.member("type", "VARCHAR")
                        }
                    }
                }
                $0.member("live", cursor.isLive)
            }
            out.append(0x0A)
        }

        /// A query that belongs to this request: it runs to its end, or until the client goes.
        private func wait(for query: RunningQuery) throws {
            exchange.whenGone(isEndless: !query.isBounded) {}
            while !query.wait(timeoutMilliseconds: 200) {
                if exchange.isCancelled { query.stop() }
            }
            let progress = query.progress()
            if progress.state == .failed { throw EngineError("query \(progress.name) failed: \(progress.reason ?? "for an unknown reason")") }
        }
    }
}
