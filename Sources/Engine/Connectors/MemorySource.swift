// MemorySource: rows that are there, as a bounded source: of a system relation, or of a materialized view as one epoch left it.

import Columns

final class MemorySource: ReplayableSource {
    private let batch: RowBatch

    init(_ batch: RowBatch) { self.batch = batch }

    let shardCount = 1
    func start(shard: Int) -> Int64 { 0 }
    func readable(shard: Int, from: Int64) -> Int64 { from }
    func givenUpRows(shard: Int, from: Int64, to: Int64) -> Int64 { 0 }
    func validate(shard: Int, position: Int64) throws(ConnectorError) {}
    func resume(shard: Int, at position: Int64, nowMicroseconds: Int64) {}
    func consumed(shard: Int, upTo position: Int64) {}
    func makeDurable() throws(ConnectorError) {}
    func reaches(shard: Int, position: Int64) -> Bool { position <= Int64(batch.count) }
    func available(shard: Int, nowMicroseconds: Int64) throws(ConnectorError) -> Int64 { Int64(batch.count) }
    func end(shard: Int) throws(ConnectorError) -> Int64? { Int64(batch.count) }

    func boundary(shard: Int, from: Int64, limit: Int64, rows: Int) throws(ConnectorError) -> Int64 {
        let (end, overflow) = from.addingReportingOverflow(Int64(rows))
        return min(limit, overflow ? limit : end)
    }

    func read(shard: Int, from: Int64, to: Int64, columns: [Int], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        guard from >= 0, from < to, to <= Int64(batch.count) else { return SourceChunk(next: to) }
        let rows = RowBatch(count: batch.count, columns: columns.map { batch.columns[$0] })
        var batches: [RowBatch] = []
        var start = Int(from)
        while start < Int(to) {
            let end = min(Int(to), start + max(1, batchRows))
            batches.append(rows.slice(start..<end))
            start = end
        }
        return SourceChunk(batches: batches, next: to)
    }
}
