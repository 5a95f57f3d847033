// StatusReport: an engine's status for a person and for a program.

import Columns
import Engine
import Gateway

enum StatusReport {
    // MARK: For a person

    static func text(_ status: EngineStatus) -> String {
        var text = "Data directory \(status.directory)"
        text += status.heldBy.map { ", held by \($0)\n" } ?? "\n"
        text += "\nStreams and tables\n" + table(
            [("name", .text), ("connector", .text), ("shards", .bigint), ("rows", .bigint), ("bytes", .bigint), ("bad rows", .bigint),
             ("expired", .bigint), ("given up", .bigint)],
            status.streams.map { stream in
                [
                    .string(stream.name), .string(stream.connector), number(stream.shards.count { !$0.isClosed }), number(stream.rowCount),
                    number(stream.shards.reduce(0) { $0 + $1.byteCount }), number(stream.errorRows),
                    number(stream.shards.reduce(0) { $0 + $1.expiredRows }), number(stream.shards.reduce(0) { $0 + $1.givenUpRows }),
                ]
            })
        text += "\nQueries\n" + table(
            [("name", .text), ("state", .text), ("rows in", .bigint), ("rows out", .bigint), ("late", .bigint), ("failed", .bigint),
             ("behind", .bigint), ("watermark", .text)],
            status.queries.map { query in
                [
                    .string(query.name), .string(query.state.rawValue), number(query.rowsIn), number(query.rowsOut),
                    number(query.lateRows), number(query.failedRows + query.rejectedRows), number(query.behind),
                    watermark(query.watermark).map { .string($0) } ?? .null,
                ]
            })
        for query in status.queries {
            if let reason = query.reason { text += "\n\(query.name): \(reason)\n" }
            if let holdup = query.holdup { text += "  \(query.name): event time is held back by \(holdup)\n" }
        }
        for stream in status.streams {
            for (index, shard) in stream.shards.enumerated() {
                if let fault = shard.fault { text += "\n\(stream.name), shard \(index): \(fault)\n" }
            }
        }
        return text
    }

    private static func number(_ number: some BinaryInteger) -> Value { .integer(Int64(clamping: number)) }

    private static func table(_ columns: [(name: String, type: SQLType)], _ rows: [[Value]]) -> String {
        let schema = Schema(columns.map { SQLType.Field(name: $0.name, type: $0.type) })
        let buffer = ByteBuffer()
        TableFormatter(schema: schema).append([RowBatch.make(rows, types: schema.types)], to: buffer)
        return buffer.string
    }

    private static func watermark(_ microseconds: Int64) -> String? {
        switch microseconds {
        case .min: nil
        case .max: "the end of time"
        default: TimeOfDay.text(microseconds: microseconds)
        }
    }

    // MARK: For a program

    static func json(_ status: EngineStatus) -> String { StatusDocument.text(status) }
}
