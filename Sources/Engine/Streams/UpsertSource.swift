// UpsertSource: an upsert stream as a scan reads it: every row with whether it deletes its key, as a column, and no change kinds.
//
// A row before an update deletes its key too: the row after it follows, unless the update left what the writer's query keeps (HAVING), or has another key.
// Positions are those of the source underneath.

import Columns
import Planning

final class UpsertSource: ReplayableSource {
    let source: any ReplayableSource
    /// The ordinal that stands for the column.
    private let deleted: Int

    private init(_ source: any ReplayableSource, deleted: Int) {
        self.source = source
        self.deleted = deleted
    }

    /// The source itself, unless the relation is an upsert stream.
    static func reading(_ source: any ReplayableSource, of relation: RelationDefinition) -> any ReplayableSource {
        relation.isReadAsUpsert ? UpsertSource(source, deleted: relation.physicalColumns.count) : source
    }

    var shardCount: Int { source.shardCount }
    func refreshShards() { source.refreshShards() }
    func parents(of shard: Int) -> [Int] { source.parents(of: shard) }
    func start(shard: Int) -> Int64 { source.start(shard: shard) }
    func readable(shard: Int, from: Int64) -> Int64 { source.readable(shard: shard, from: from) }
    func givenUpRows(shard: Int, from: Int64, to: Int64) -> Int64 { source.givenUpRows(shard: shard, from: from, to: to) }
    func validate(shard: Int, position: Int64) throws(ConnectorError) { try source.validate(shard: shard, position: position) }
    func keepsApart(shard: Int, position: Int64) throws(ConnectorError) -> Bool { try source.keepsApart(shard: shard, position: position) }
    func resume(shard: Int, at position: Int64, nowMicroseconds: Int64) { source.resume(shard: shard, at: position, nowMicroseconds: nowMicroseconds) }
    func consumed(shard: Int, upTo position: Int64) { source.consumed(shard: shard, upTo: position) }
    func makeDurable() throws(ConnectorError) { try source.makeDurable() }
    func reaches(shard: Int, position: Int64) -> Bool { source.reaches(shard: shard, position: position) }
    func available(shard: Int, nowMicroseconds: Int64) throws(ConnectorError) -> Int64 {
        try source.available(shard: shard, nowMicroseconds: nowMicroseconds)
    }
    func end(shard: Int) throws(ConnectorError) -> Int64? { try source.end(shard: shard) }
    func boundary(shard: Int, from: Int64, limit: Int64, rows: Int) throws(ConnectorError) -> Int64 {
        try source.boundary(shard: shard, from: from, limit: limit, rows: rows)
    }

    func read(shard: Int, from: Int64, to: Int64, columns: [Int], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        try read(shard: shard, from: from, to: to, paths: columns.map { ColumnPath($0) }, batchRows: batchRows)
    }

    func read(shard: Int, from: Int64, to: Int64, paths: [ColumnPath], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        let place = paths.firstIndex { $0.column == deleted }
        var chunk = try source.read(shard: shard, from: from, to: to, paths: paths.filter { $0.column != deleted }, batchRows: batchRows)
        chunk.batches = chunk.batches.map { batch in
            var columns = batch.columns
            if let place { columns.insert(UpsertSource.deletions(batch), at: min(place, columns.count)) }
            return RowBatch(count: batch.count, columns: columns, watermarks: batch.watermarks)
        }
        return chunk
    }

    private static func deletions(_ rows: RowBatch) -> Column {
        let values = Buffer.zeroed(byteCount: max(rows.count, 1))
        if rows.changes != nil {
            for row in 0..<rows.count where !rows.change(at: row).isAddition { values.base.storeBytes(of: 1, toByteOffset: row, as: UInt8.self) }
        }
        return Column(type: .boolean, count: rows.count, values: values)
    }
}
