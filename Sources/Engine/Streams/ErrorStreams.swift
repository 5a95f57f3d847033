// ErrorStreams: the streams beside streams. Whatever could not be decoded, computed or counted in time becomes a row of `<name>_errors`:
//
//     at      TIMESTAMPTZ   when (the epoch's clock, or arrival)
//     kind    VARCHAR       'decode', 'expression' or 'late'
//     reason  VARCHAR       what was wrong
//     origin  VARCHAR       where: a file and offset, a query
//     bytes   BYTES         what was there: the bytes as they came, or the row as JSON

import Columns
import Dataflow
import Platform
import ShardLog

final class ErrorStreams: Sendable {
    struct Row {
        var kind: String
        var reason: String
        var origin: String
        var bytes: [UInt8]
    }

    static let types: [SQLType] = [.timestampTZ(precision: 6), .text, .text, .text, .bytes]

    static func reason(_ row: LateRow) -> String {
        let type = SQLType.timestamp(precision: 6)
        let time = RowText.text(.integer(row.eventTime), type: type)
        let watermark = row.watermark == .max ? "the end of time" : RowText.text(.integer(row.watermark), type: type)
        return "event time \(time): every window of it had closed, the watermark was \(watermark) (\(row.operatorName))"
    }

    static func batch(_ rows: [Row], atMicroseconds: Int64) -> RowBatch {
        RowBatch.make(
            rows.map { [.integer(atMicroseconds), .string($0.kind), .string($0.reason), .string($0.origin), .bytes($0.bytes)] },
            types: types)
    }
}

/// The error stream of one query.
final class StreamErrors: ErrorOutput {
    private unowned let engine: Engine
    private let name: String
    private let queryName: String
    private let producer: UInt64
    private var stream: LogStream?

    /// Rows go to `<name>_errors`.
    init(engine: Engine, name: String, queryName: String, producer: UInt64) {
        self.engine = engine
        self.name = name
        self.queryName = queryName
        self.producer = producer
    }

    func emit(rejected: [RejectedRow], failures: [FailedRow], late: [LateRow], epoch: UInt64, clockMicroseconds: Int64) throws {
        var rows: [ErrorStreams.Row] = []
        for row in rejected { rows.append(.init(kind: "decode", reason: row.reason, origin: row.origin, bytes: row.bytes)) }
        for row in failures {
            let reason = row.expression.isEmpty ? row.message : "\(row.message) in \(row.expression)"
            rows.append(.init(kind: "expression", reason: reason, origin: queryName, bytes: RowText.json(row.row, types: row.types)))
        }
        for row in late {
            rows.append(
                .init(
                    kind: "late", reason: ErrorStreams.reason(row), origin: queryName, bytes: RowText.json(row.row, types: row.types)))
        }
        guard !rows.isEmpty else { return }
        let target = try stream ?? engine.errorStream(for: name)
        stream = target
        _ = try target.append(
            ErrorStreams.batch(rows, atMicroseconds: clockMicroseconds), producer: producer, epoch: epoch, routing: .automatic(rotation: epoch), arrivalMicroseconds: clockMicroseconds)
    }

    func synchronize() throws { try stream?.synchronize() }
}
