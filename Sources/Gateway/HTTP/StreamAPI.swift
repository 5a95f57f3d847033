// StreamAPI: rows into a stream, and rows out of it as they stand in the log.
//
// `POST /v1/streams/{name}`: JSON lines, or CSV by Content-Type. The body goes to the appender as it comes, in large blocks, and is answered when all of it
// is as durable as the stream promises. A row that cannot be decoded does not keep the others out: it goes to the error stream, is counted and, with
// `?outcome=rows`, told in its place. The body of a request that breaks off has been appended up to there, like that of `millrace put`.
//
// `GET /v1/streams/{name}?from=..&follow=true`: JSON lines, CSV, or server-sent events by Accept. An event's id says where every shard stands,
// `shard:sequence` of the last row given, several separated by commas; a client that comes back with it as Last-Event-ID goes on behind it. A shard that is
// not named begins at its first row: it had given nothing, or has come since by a split.

import Columns
import Engine
import Syntax

enum StreamAPI {
    private static let flushedByteCount = 128 << 10
    private static let sliceRowCount = 512
    /// A body that comes whole and is no longer is appended by this thread alone.
    private static let inlineByteCountMax = 256 << 10

    private static func checkedName(_ context: HTTPContext) throws(APIError) -> String {
        let name = context.name ?? ""
        let known = context.engine.relationSummaries()
        let found = known.filter { $0.name == name }.first ?? known.first { $0.name.lowercased() == name.lowercased() }
        guard let found else {
            let near = NearestName.find(name, among: known.map(\.name))
            throw APIError(
                404, SQLError.undefinedTable, "there is no stream \"\(name)\"",
                hint: near.map { "did you mean \($0)?" } ?? "GET /v1/streams lists them, POST /v1/sql creates one")
        }
        guard found.isLog else {
            throw APIError(
                409, "42809", "the rows of \"\(found.name)\" are not in the log", hint: "read it with POST /v1/sql")
        }
        return found.name
    }

    // MARK: In

    @Sendable static func append(_ context: HTTPContext) throws {
        try context.checkParameters(["outcome"])
        let name = try checkedName(context)
        let isCSV = try isCSV(context.request)
        let wantsRows: Bool
        switch context.request.parameter("outcome") {
        case nil, "summary": wantsRows = false
        case "rows": wantsRows = true
        case .some(let other): throw APIError(400, SQLError.invalidParameter, "outcome is summary or rows, not \"\(other)\"")
        }
        let body = context.exchange.body
        let first = isCSV ? body.next() : nil
        let appender = try context.engine.appender(stream: name, format: isCSV ? .csv(csvFormat(first)) : .json, keepsOutcomes: wantsRows)
        let counts = try take(body, first: first, into: appender)
        if wantsRows {
            try tell(context, appender.outcomes(), counts)
        } else {
            context.respond { summarize(counts, name, &$0) }
        }
    }

    private static func isCSV(_ request: HTTPRequest) throws(APIError) -> Bool {
        switch request.contentType {
        // What curl --data-binary says when it is told nothing.
        case nil, "application/x-ndjson", "application/jsonl", "application/json-lines", "application/json", "application/x-www-form-urlencoded",
            "application/octet-stream", "text/plain":
            return false
        case "text/csv": return true
        case .some(let other):
            throw APIError(415, SQLError.featureNotSupported, "rows come as application/x-ndjson or text/csv, not as \(other)")
        }
    }

    /// A header that is plainly readable is read here, so that the records behind it can be decoded side by side; any other is left to the decoder,
    /// which then reads everything in order.
    private static func csvFormat(_ first: HTTPBody.Piece?) -> CSVFormat {
        var format = CSVFormat()
        guard case .bytes(let piece)? = first else { return format }
        let bytes = UnsafeRawBufferPointer(start: piece.base, count: piece.byteCount)
        if let end = bytes.firstIndex(of: 0x0A), bytes[..<end].allSatisfy({ $0 != 0x22 && $0 < 0x80 }) {
            let line = bytes[..<end].last == 0x0D ? bytes[..<(end - 1)] : bytes[..<end]
            if !line.isEmpty {
                format.columnNames = line.split(separator: format.delimiter, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
            }
        }
        withExtendedLifetime(piece) {}
        return format
    }

    private static func take(_ body: HTTPBody, first: HTTPBody.Piece?, into appender: StreamAppender) throws -> StreamAppender.Counts {
        var held: Buffer?
        var next = first
        while true {
            let piece = next ?? body.next()
            next = nil
            switch piece {
            case .bytes(let piece):
                if let held { try appender.append(held) }
                held = nil
                // A short body may be all there is, and then no thread is needed for it.
                if piece.byteCount <= inlineByteCountMax, body.isComplete { held = piece } else { try appender.append(piece) }
            case .end:
                if let held { return try appender.finish(last: held) }
                return try appender.finish()
            case .failure(let failure):
                // What came before is in the stream; the last line may have been cut in two and is not.
                let counts = try appender.finishWithoutRest()
                var error = APIError(failure)
                error.hint = "\(counts.rows) rows had been appended before"
                throw error
            }
        }
    }

    private static func summarize(_ counts: StreamAppender.Counts, _ name: String, _ json: inout JSONWriter) {
        json.member("rows", counts.rows)
        json.member("rejected", counts.rejected)
        json.member("bytes", counts.bytes)
        guard counts.rejected > 0 else { return }
        json.array("reasons") { for reason in counts.reasons { $0.value(reason) } }
        json.member("rejected_rows_in", name + "_errors")
    }

    /// A line for each record, then the summary.
    private static func tell(_ context: HTTPContext, _ outcomes: RecordOutcomes, _ counts: StreamAppender.Counts) throws {
        let exchange = context.exchange
        let out = exchange.begin(200, contentType: "application/x-ndjson")
        var number = 0
        for run in outcomes.runs {
            for _ in 0..<run.recordCount {
                number += 1
                var json = JSONWriter(out)
                json.object {
                    $0.member("row", number)
                    $0.member("status", run.isStored ? "stored" : "rejected")
                    if let reason = run.reason { $0.member("reason", reason) }
                }
                out.append(0x0A)
                if exchange.pendingByteCount >= flushedByteCount, !exchange.flush() { return }
            }
        }
        var json = JSONWriter(out)
        json.object {
            $0.object("done") {
                summarize(counts, context.name ?? "", &$0)
                if outcomes.unlistedRecordCount > 0 { $0.member("unlisted", outcomes.unlistedRecordCount) }
            }
        }
        out.append(0x0A)
        exchange.end()
    }

    // MARK: Out

    @Sendable static func read(_ context: HTTPContext) throws {
        try context.checkParameters(["from", "follow", "limit"])
        let name = try checkedName(context)
        let request = context.request
        let isEvents = request.accepts("text/event-stream")
        let follows = try isEvents || context.flag("follow")
        var start = try request.parameter("from").map(place) ?? (follows ? .latest : .trimHorizon)
        let positions = try request.header("last-event-id").map(positions) ?? [:]
        // What an id does not name had given nothing yet, or did not exist.
        if !positions.isEmpty { start = .trimHorizon }
        var limit = Int.max
        if let text = request.parameter("limit") {
            guard let count = Int(text), count >= 0 else { throw APIError(400, SQLError.invalidParameter, "limit is a number of rows, not \"\(text)\"") }
            limit = count
        }
        let cursor = try context.engine.tailCursor(stream: name, from: start, positions: positions, follows: follows)
        defer { cursor.cancel() }
        context.exchange.whenGone(isEndless: follows) { cursor.cancel() }
        var writer = TailWriter(
            exchange: context.exchange, cursor: cursor, format: isEvents ? .events : request.accepts("text/csv") ? .csv : .json)
        guard writer.begin(), request.method != "HEAD" else { return }
        var quietMilliseconds = 0
        while limit > 0 {
            switch try cursor.next(timeoutMilliseconds: 500) {
            case .rows(let rows):
                quietMilliseconds = 0
                let count = min(limit, rows.batch.count)
                limit -= count
                guard writer.write(rows, count: count, flushes: follows) else { return }
            case .idle:
                quietMilliseconds += 500
                if context.exchange.isCancelled { return context.exchange.abort() }
                if isEvents, quietMilliseconds >= context.options.heartbeatMilliseconds {
                    quietMilliseconds = 0
                    guard writer.beat() else { return }
                }
            case .end:
                if context.exchange.isCancelled { return context.exchange.abort() }
                return context.exchange.end()
            }
        }
        context.exchange.end()
    }

    static func place(_ text: String) throws(APIError) -> TailStart {
        guard let start = TailStart(text) else {
            throw APIError(
                400, SQLError.invalidParameter, "from is \(TailStart.expectation), not \"\(text)\"", hint: TailStart.hint(for: text))
        }
        return start
    }

    /// `0:41,1:7` → where each shard goes on: behind the rows named.
    static func positions(_ text: String) throws(APIError) -> [Int: UInt64] {
        var positions: [Int: UInt64] = [:]
        for part in text.split(separator: ",") {
            let numbers = part.split(separator: ":", omittingEmptySubsequences: false)
            guard numbers.count == 2, let shard = Int(numbers[0]), shard >= 0, let sequence = UInt64(numbers[1]), sequence < UInt64.max else {
                throw APIError(400, SQLError.invalidParameter, "Last-Event-ID looks like 0:41 or 0:41,1:7, not \"\(text)\"")
            }
            positions[shard] = sequence + 1
        }
        return positions
    }

    private struct TailWriter {
        enum Format { case json, csv, events }

        let exchange: HTTPExchange
        let format: Format
        let json: JSONLinesEncoder
        let csv: CSVEncoder
        private var out: ByteBuffer?
        /// The last row given of each shard, or the one before the first that will be.
        private var last: [UInt64?]

        init(exchange: HTTPExchange, cursor: TailCursor, format: Format) {
            self.exchange = exchange
            self.format = format
            json = JSONLinesEncoder(schema: cursor.schema, writesChangeKind: cursor.isChangelog)
            csv = CSVEncoder(schema: cursor.schema, writesChangeKind: cursor.isChangelog)
            last = cursor.positions.map { $0 > 0 ? $0 - 1 : nil }
        }

        mutating func begin() -> Bool {
            let type =
                switch format {
                case .json: "application/x-ndjson"
                case .csv: "text/csv; charset=utf-8"
                case .events: "text/event-stream; charset=utf-8"
                }
            let out = exchange.begin(200, contentType: type)
            self.out = out
            if format == .csv { csv.appendHeader(to: out) }
            if format == .events { out.append("retry: 1000\n\n" as StaticString) }
            return exchange.flush()
        }

        mutating func write(_ rows: TailRows, count: Int, flushes: Bool) -> Bool {
            guard let out else { return false }
            var start = 0
            while start < count {
                let end = min(count, start + sliceRowCount)
                switch format {
                case .json: json.append(rows.batch, rows: start..<end, to: out)
                case .csv: csv.append(rows.batch.slice(start..<end), to: out)
                case .events:
                    while last.count <= rows.shard { last.append(nil) }
                    for row in start..<end {
                        last[rows.shard] = rows.firstSequence &+ UInt64(row)
                        out.append("id: \(identity)\ndata: ")
                        // The encoder ends the line, and an empty one ends the event.
                        json.append(rows.batch, rows: row..<(row + 1), to: out)
                        out.append(0x0A)
                    }
                }
                start = end
                if exchange.pendingByteCount >= flushedByteCount, !exchange.flush() { return false }
            }
            return flushes ? exchange.flush() : true
        }

        func beat() -> Bool {
            out?.append(": \n\n" as StaticString)
            return exchange.flush()
        }

        private var identity: String {
            last.enumerated().compactMap { shard, sequence in sequence.map { "\(shard):\($0)" } }.joined(separator: ",")
        }
    }
}
