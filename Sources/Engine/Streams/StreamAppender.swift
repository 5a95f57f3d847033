// StreamAppender: bytes from outside into a stream: `put`, COPY, an HTTP body.
//
// JSON lines: the bytes are cut at line feeds into pieces; a few threads each take the next piece, decode it, and encode its frames. Pieces are committed
// in the order of the input by whichever thread brings the one whose turn it is, while the others go on decoding. A line longer than the limit becomes one rejected
// row; its bytes are dropped as they come, so memory does not grow with it.
//
// CSV whose columns the caller names, and PostgreSQL's text format, the same way: only the cuts are found by following the quotes. CSV whose header names the
// columns is read by one decoder, in order.
//
// A short input that comes whole is decoded and appended by the caller (`finish(last:)`): no thread is started for it.
//
// What cannot be decoded goes to the stream's error stream with its bytes, the reason and the place.

import Columns
import Planning
import Platform
import ShardLog

package final class StreamAppender: @unchecked Sendable {
    // Safe to share: the caller's side is used by one thread; what the workers share is behind `lock`.
    package enum Format: Sendable {
        case json
        case csv(CSVFormat)
    }

    /// So far, for showing progress.
    package struct Counts: Sendable {
        package var rows = 0
        package var rejected = 0
        package var bytes = 0
        /// The first few reasons.
        package var reasons: [String] = []

        package init() {}
    }

    private struct Piece {
        var ticket: Int
        var buffers: [Buffer]
        var byteOffset: Int
        /// A line that was too long, instead of bytes to decode.
        var rejected: [BadRow] = []
    }

    /// A piece that has been decoded and encoded.
    private struct Ready {
        var append: PreparedAppend
        var rowCount: Int
        var rejected: [BadRow]
        var lineCount: Int
        var outcomes: RecordOutcomes?
    }

    private let engine: Engine
    private let stream: LogStream
    private let name: String
    private let schema: Schema
    private var options = DecodingOptions()
    private let format: Format
    /// Reads everything in order, when the input's own header says what is what.
    private let csv: CSVDecoder?

    private let lock = Lock()
    private let changed = Condition()
    private var queue: [Piece] = []
    private var nextTicket = 0
    /// The ticket of the piece that is committed next, what is ready behind it, and whether somebody is committing.
    private var turn = 0
    private var ready: [Int: Ready] = [:]
    private var isCommitting = false
    /// Lines before the piece that is being committed; touched by whoever commits.
    private var lines = 0
    private var isFinished = false
    private var failure: (any Error)?
    private var counted = Counts()
    /// Whether it is kept which records were stored and which were not.
    private let keepsOutcomes: Bool
    private var kept = RecordOutcomes()
    private var threads: [JoinableThread] = []
    private let threadCount: Int

    // The caller's side.
    private var recordScanner: CSVRecordScanner?
    /// The caller does the workers' work.
    private var runsInline = false
    private var leftover: [Buffer] = []
    private var leftoverByteCount = 0
    private var byteOffset = 0
    private var skippedByteCount = 0
    private var skippedHead: [UInt8] = []

    init(engine: Engine, stream: LogStream, relation: RelationDefinition, name: String, format: Format, keepsOutcomes: Bool) {
        self.engine = engine
        self.keepsOutcomes = keepsOutcomes
        options.recordsRowOffsets = keepsOutcomes
        self.stream = stream
        self.name = name
        schema = relation.physicalSchema
        options.columnsNotNull = Set(MandatoryColumns.indices(of: relation))
        options.batchRowLimit = 65_536
        options.readChanges(of: relation)
        self.format = format
        var inOrder: CSVDecoder?
        if case .csv(let csvFormat) = format {
            if csvFormat.columnNames == nil {
                inOrder = CSVDecoder(schema: schema, format: csvFormat, options: options)
            } else {
                recordScanner = CSVRecordScanner(delimiter: csvFormat.delimiter, isText: csvFormat.isText)
            }
        }
        csv = inOrder
        // One more than there are processors: one of them waits for the disk.
        threadCount = engine.options.workerCount + 1
    }

    package func counts() -> Counts { lock.locked { counted } }

    /// What has become of each record so far, in the order of the input; empty unless it was asked for.
    package func outcomes() -> RecordOutcomes { lock.locked { kept } }

    // MARK: The caller's side

    /// More input, cut anywhere. Waits when the workers are behind.
    package func append(_ chunk: Buffer) throws(EngineError) {
        if let csv {
            csv.append(chunk)
            lock.locked { counted.bytes += chunk.byteCount }
            return try appendDecoded(csv)
        }
        var start = 0
        if skippedByteCount > 0 {
            let end = LineSplitter.nextLineStart(in: chunk.allBytes, from: 0)
            let isWhole = end > 0 && chunk.base.load(fromByteOffset: end - 1, as: UInt8.self) == 10
            skippedByteCount += end
            byteOffset += end
            guard isWhole else { return }
            try endSkipping()
            start = end
        }
        let rest = UnsafeRawBufferPointer(rebasing: chunk.allBytes[start...])
        guard let end = recordScanner == nil ? LineSplitter.lastNewline(in: rest).map({ $0 + 1 }) : recordScanner?.lastRecordEnd(rest) else {
            return keep(chunk, from: start)
        }
        let cut = start + end
        var buffers = leftover
        let begin = byteOffset - leftoverByteCount
        buffers.append(Buffer(borrowing: chunk.base + start, byteCount: cut - start, owner: chunk))
        leftover = []
        leftoverByteCount = 0
        byteOffset += cut - start
        try enqueue(Piece(ticket: nextTicket, buffers: buffers, byteOffset: begin))
        keep(chunk, from: cut)
    }

    /// No more input but this: waits until everything has been appended.
    package func finish(last chunk: Buffer) throws(EngineError) -> Counts {
        runsInline = threads.isEmpty
        if csv == nil, skippedByteCount == 0, leftoverByteCount + chunk.byteCount <= options.limits.lineByteCountMax {
            // One append, also when the last line has no line feed.
            let begin = byteOffset - leftoverByteCount
            let buffers = leftover + [chunk]
            leftover = []
            leftoverByteCount = 0
            byteOffset += chunk.byteCount
            try enqueue(Piece(ticket: nextTicket, buffers: buffers, byteOffset: begin))
        } else {
            try append(chunk)
        }
        return try finish()
    }

    /// The input has broken off: the same, without the line that may have been cut in two.
    package func finishWithoutRest() throws(EngineError) -> Counts {
        leftover = []
        leftoverByteCount = 0
        skippedByteCount = 0
        if csv != nil { return counts() }
        return try finish()
    }

    /// No more input: waits until everything has been appended.
    package func finish() throws(EngineError) -> Counts {
        if let csv {
            csv.finish()
            try appendDecoded(csv)
        } else {
            if skippedByteCount > 0 { try endSkipping() }
            if leftoverByteCount > 0 {
                try enqueue(Piece(ticket: nextTicket, buffers: leftover, byteOffset: byteOffset - leftoverByteCount))
                leftover = []
            }
        }
        lock.locked { isFinished = true }
        changed.broadcast()
        for thread in threads { thread.join() }
        threads = []
        if let failure = lock.locked({ failure }) { throw EngineError("\(failure)") }
        return counts()
    }

    /// Keeps the beginning of a line whose end has not come yet.
    private func keep(_ chunk: Buffer, from start: Int) {
        let count = chunk.byteCount - start
        guard count > 0 else { return }
        byteOffset += count
        // A copy: a short rest would otherwise keep a large chunk alive.
        leftover.append(Buffer(copying: UnsafeRawBufferPointer(rebasing: chunk.allBytes[start...])))
        leftoverByteCount += count
        guard leftoverByteCount > options.limits.lineByteCountMax else { return }
        skippedHead = []
        for buffer in leftover where skippedHead.count < options.limits.badRowByteCountMax {
            skippedHead.append(contentsOf: buffer.allBytes.prefix(options.limits.badRowByteCountMax - skippedHead.count))
        }
        skippedByteCount = leftoverByteCount
        if let scanner = recordScanner { recordScanner = CSVRecordScanner(delimiter: scanner.delimiter, isText: scanner.isText) }
        leftover = []
        leftoverByteCount = 0
    }

    private func endSkipping() throws(EngineError) {
        let row = BadRow(
            bytes: skippedHead, reason: "a line of \(skippedByteCount) bytes is longer than the limit of \(options.limits.lineByteCountMax)",
            lineNumber: 1, byteOffset: byteOffset - skippedByteCount)
        skippedByteCount = 0
        skippedHead = []
        try enqueue(Piece(ticket: nextTicket, buffers: [], byteOffset: byteOffset, rejected: [row]))
    }

    private func enqueue(_ piece: Piece) throws(EngineError) {
        if runsInline {
            nextTicket += 1
            lock.locked { counted.bytes += piece.buffers.reduce(0) { $0 + $1.byteCount } }
            process(piece)
            if let fault = lock.locked({ self.failure }) { throw EngineError("\(fault)") }
            return
        }
        if threads.isEmpty {
            threads = (0..<threadCount).compactMap { _ in JoinableThread { [self] in work() } }
            if threads.isEmpty { throw EngineError("no thread is left to append on") }
        }
        nextTicket += 1
        lock.lock()
        while queue.count >= threadCount && failure == nil { changed.wait(lock) }
        let failure = failure
        queue.append(piece)
        counted.bytes += piece.buffers.reduce(0) { $0 + $1.byteCount }
        lock.unlock()
        changed.broadcast()
        if let failure { throw EngineError("\(failure)") }
    }

    // MARK: The workers' side

    private func work() {
        while true {
            lock.lock()
            // Nobody runs far ahead of a piece that takes long: what is ready waits in memory.
            while (queue.isEmpty ? !isFinished : queue[0].ticket > turn + 3 * threadCount) && failure == nil { changed.wait(lock) }
            guard failure == nil, !queue.isEmpty else {
                lock.unlock()
                return
            }
            let piece = queue.removeFirst()
            lock.unlock()
            changed.broadcast()
            process(piece)
        }
    }

    private func process(_ piece: Piece) {
        var decoding = options
        decoding.startByteOffset = piece.byteOffset
        let decoded = decode(piece, decoding)
        let batches = decoded.map(\.batch).filter { $0.count > 0 }
        let rejected = piece.rejected + decoded.flatMap(\.badRows)
        let lineCount = (decoded.last?.lineCount ?? 0) + piece.rejected.count
        do {
            let prepared = try stream.prepare(
                batches, routing: .automatic(rotation: UInt64(piece.ticket)), arrivalMicroseconds: engine.clock.nowMicroseconds())
            let ready = Ready(
                append: prepared, rowCount: batches.reduce(0) { $0 + $1.count }, rejected: rejected, lineCount: lineCount,
                outcomes: keepsOutcomes ? RecordOutcomes(decoded, rejected: piece.rejected) : nil)
            commit(ready, ticket: piece.ticket)
        } catch {
            lock.locked { failure = failure ?? error }
        }
        changed.broadcast()
    }

    private func decode(_ piece: Piece, _ options: DecodingOptions) -> [DecodedBatch] {
        var decoded: [DecodedBatch] = []
        switch format {
        case .json:
            let decoder = JSONLinesDecoder(schema: schema, options: options)
            for buffer in piece.buffers { decoder.append(buffer) }
            decoder.finish()
            while let batch = decoder.nextBatch() { decoded.append(batch) }
        case .csv(let csvFormat):
            let decoder = CSVDecoder(schema: schema, format: csvFormat, options: options)
            for buffer in piece.buffers { decoder.append(buffer) }
            decoder.finish()
            while let batch = decoder.nextBatch() { decoded.append(batch) }
        }
        return decoded
    }

    /// Commits what is ready in the order of the input. Whoever brings the piece whose turn it is commits it and all that wait behind it; the others go
    /// on decoding, so nobody stands idle for the slowest.
    private func commit(_ piece: Ready, ticket: Int) {
        lock.locked { ready[ticket] = piece }
        while let group = takeReady() {
            var fault: (any Error)?
            do {
                try stream.commit(group.map(\.append))
                for piece in group {
                    try reject(piece.rejected, lineBase: lines)
                    lines += piece.lineCount
                }
            } catch {
                fault = error
            }
            lock.locked {
                if fault == nil {
                    counted.rows += group.reduce(0) { $0 + $1.rowCount }
                    for piece in group { if let outcomes = piece.outcomes { kept.append(outcomes) } }
                }
                failure = failure ?? fault
                turn += group.count
                isCommitting = false
            }
            changed.broadcast()
        }
    }

    /// The pieces whose turn it is, and with them the right to commit; nil when there is none or somebody else has it.
    private func takeReady() -> [Ready]? {
        lock.locked {
            guard !isCommitting, failure == nil else { return nil }
            var group: [Ready] = []
            while let next = ready.removeValue(forKey: turn + group.count) { group.append(next) }
            guard !group.isEmpty else { return nil }
            isCommitting = true
            return group
        }
    }

    private func appendDecoded(_ decoder: CSVDecoder) throws(EngineError) {
        do {
            while let decoded = decoder.nextBatch() {
                if decoded.batch.count > 0 {
                    nextTicket += 1
                    try stream.append(
                        decoded.batch, routing: .automatic(rotation: UInt64(nextTicket)),
                        arrivalMicroseconds: engine.clock.nowMicroseconds())
                }
                try reject(decoded.badRows, lineBase: 0)
                lock.locked {
                    counted.rows += decoded.batch.count
                    if keepsOutcomes { kept.append(RecordOutcomes([decoded])) }
                }
            }
        } catch {
            throw EngineError("\(error)")
        }
    }

    private func reject(_ rows: [BadRow], lineBase: Int) throws {
        guard !rows.isEmpty else { return }
        let errors = try engine.errorStream(for: name)
        let now = engine.clock.nowMicroseconds()
        try errors.append(
            ErrorStreams.batch(
                rows.map {
                    .init(
                        kind: "decode", reason: $0.reason, origin: "input, line \($0.lineNumber + lineBase) (offset \($0.byteOffset))",
                        bytes: $0.bytes)
                }, atMicroseconds: now), arrivalMicroseconds: now)
        lock.locked {
            counted.rejected += rows.count
            for row in rows where counted.reasons.count < 5 {
                counted.reasons.append("line \(row.lineNumber + lineBase): \(row.reason)")
            }
        }
    }
}

extension Buffer {
    var allBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }
}

extension Engine {
    /// For `put`: bytes into a stream of the log. `keepsOutcomes`: `outcomes()` will tell what became of each record.
    package func appender(
        stream name: String, format: StreamAppender.Format = .json, keepsOutcomes: Bool = false
    ) throws(EngineError) -> StreamAppender {
        let (object, stream) = try logStream(named: name)
        guard let relation = object.relation else { throw EngineError("\(name) is not a stream") }
        guard !relation.isMaterializedView else { throw EngineError("\(name) is a materialized view: its own query alone writes it") }
        if relation.isDebezium, case .csv = format {
            throw EngineError("\(object.name) has format 'debezium-json': its rows come as change events, not as CSV")
        }
        return StreamAppender(engine: self, stream: stream, relation: relation, name: object.name, format: format, keepsOutcomes: keepsOutcomes)
    }

    /// The log behind a name, or why there is none.
    func logStream(named name: String) throws(EngineError) -> (CatalogObject, LogStream) {
        guard let object = object(named: name) else {
            let known = relationNames
            throw EngineError("there is no stream \"\(name)\"" + Nearest.suggestion(for: name, among: known))
        }
        try checkReadable(object)
        guard let stream = stream(of: object) else {
            let what = object.relation.map { "has connector '\($0.connector)': its rows are not in the log" } ?? "is a view"
            throw EngineError("\"\(object.name)\" \(what); use SELECT")
        }
        return (object, stream)
    }
}
