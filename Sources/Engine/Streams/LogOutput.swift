// LogOutput: a query's rows into a stream of the log.
//
// Every frame carries (query, epoch). An epoch is passed over when the stream's shards say that they hold it already: that is what makes
// a replay after a crash leave no second copy.

import Columns
import Dataflow
import Planning
import ShardLog

final class LogOutput: QueryOutput {
    private let stream: LogStream
    private let relation: RelationDefinition
    /// 0 for a query that keeps no journal: nothing to recognise again.
    private let producer: UInt64
    private let types: [SQLType]
    private let mandatory: [Int]

    init(stream: LogStream, relation: RelationDefinition, producer: UInt64) {
        self.stream = stream
        self.relation = relation
        self.producer = producer
        types = relation.physicalSchema.types
        mandatory = MandatoryColumns.indices(of: relation)
    }

    var isDurable: Bool { producer != 0 && stream.isSyncedAlways }

    var lastEpoch: UInt64 { isDurable ? stream.lastEpochs(of: producer).reduce(0) { max($0, $1 ?? 0) } : 0 }

    func restore(to position: Int64?) throws {}

    func emit(_ batches: [RowBatch], epoch: UInt64, clockMicroseconds: Int64) throws -> [FailedRow] {
        let whole = batches.filter { $0.count > 0 }
        guard !whole.isEmpty else { return [] }
        let joined = RowBatch.concatenate(whole, types: types)
        let (kept, refused) = MandatoryColumns.split(joined, mandatory: mandatory, relation: relation)
        guard kept.count > 0 else { return refused }
        _ = try stream.append(
            kept, producer: producer, epoch: epoch, routing: .automatic(rotation: epoch), arrivalMicroseconds: clockMicroseconds)
        return refused
    }

    func position() throws -> Int64 { 0 }
    func synchronize() throws { try stream.synchronize() }
    func close() throws {}
}

/// NOT NULL: declared columns, and the event-time column.
enum MandatoryColumns {
    /// Ordinals of the physical schema.
    static func indices(of relation: RelationDefinition) -> [Int] {
        relation.physicalColumns.enumerated().compactMap { ordinal, column in
            relation.columns[column].isNotNull || relation.watermark?.column == column ? ordinal : nil
        }
    }

    /// The rows that may be appended, and the others with the reason.
    static func split(_ batch: RowBatch, mandatory: [Int], relation: RelationDefinition) -> (kept: RowBatch, refused: [FailedRow]) {
        guard mandatory.contains(where: { batch.columns[$0].nullCount > 0 }) else { return (batch, []) }
        var kept: [Int32] = []
        var refused: [FailedRow] = []
        let schema = relation.physicalSchema
        for row in 0..<batch.count {
            guard let missing = mandatory.first(where: { batch.columns[$0].isNull(row) }) else {
                kept.append(Int32(row))
                continue
            }
            refused.append(
                FailedRow(
                    message: "NULL in column \"\(schema[missing].name)\", which may not be NULL", expression: "",
                    row: batch.row(row), types: schema.types))
        }
        return (batch.gather(kept), refused)
    }
}
