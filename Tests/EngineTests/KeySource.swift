// KeySource: a stream of (k, v) made of its positions, and what else a QueryRunner needs to run without an engine.

import Columns
import Dataflow
import Planning
import Platform
import Syntax

@testable import Engine

/// Row p has key `key(p)` and value p. Positions reach up to `limit`.
final class KeySource: ReplayableSource, @unchecked Sendable {
    // Safe to share: the limit is set between steps only.
    let key: @Sendable (Int64) -> Int64
    var limit: Int64

    init(limit: Int64, key: @escaping @Sendable (Int64) -> Int64) {
        self.limit = limit
        self.key = key
    }

    var shardCount: Int { 1 }
    func start(shard: Int) -> Int64 { 0 }
    func available(shard: Int, nowMicroseconds: Int64) throws(ConnectorError) -> Int64 { limit }
    func end(shard: Int) throws(ConnectorError) -> Int64? { nil }
    func boundary(shard: Int, from: Int64, limit: Int64, rows: Int) throws(ConnectorError) -> Int64 { min(limit, from + Int64(rows)) }

    func read(shard: Int, from: Int64, to: Int64, columns: [Int], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        var chunk = SourceChunk(next: to)
        var start = from
        while start < to {
            let end = min(start + Int64(batchRows), to)
            let count = Int(end - start)
            let made = columns.map { column -> Column in
                let buffer = Buffer(byteCount: count * 8)
                let values = buffer.base.assumingMemoryBound(to: Int64.self)
                for row in 0..<count {
                    let position = start + Int64(row)
                    values[row] = column == 0 ? key(position) : position
                }
                return Column(type: .bigint, count: count, values: buffer)
            }
            chunk.batches.append(RowBatch(count: count, columns: made))
            start = end
        }
        return chunk
    }

    private struct OneStream: Catalog {
        let relation = RelationDefinition(
            name: "t", columns: [ColumnDefinition(name: "k", type: .bigint), ColumnDefinition(name: "v", type: .bigint)])
        func entry(named name: String) -> CatalogEntry? { name.lowercased() == relation.name ? .relation(relation) : nil }
        var entryNames: [String] { [relation.name] }
        func function(named name: String) -> UserFunction? { nil }
        var functionNames: [String] { [] }
    }

    /// A runner of a query over `t (k BIGINT, v BIGINT)`.
    func runner(
        _ sql: String, directory: String?, files: any FileSystem, pool: WorkerPool, output: any QueryOutput, _ settings: RunnerSettings
    ) throws -> QueryRunner {
        let plan = try Planner.plan(try Parser.parseQuery(sql), mode: .continuous, catalog: OneStream(), options: PlannerOptions()).query.plan
        let graph = try DataflowGraph(plan: plan, settings: DataflowSettings(partitionCount: settings.partitionCount))
        let count = graph.scans.count
        return QueryRunner(
            graph: graph, sources: Array(repeating: self, count: count), startPositions: Array(repeating: [0], count: count), output: output,
            errors: NoErrorOutput(), journal: try directory.map { try QueryJournal(directory: $0, fileSystem: files) }, pool: pool, settings: settings)
    }
}

/// Counts rows; folds those of one epoch only once, as a stream of the log does.
final class FoldingOutput: QueryOutput {
    private(set) var rowCount = 0
    private(set) var folded: [[Value]: Int] = [:]
    private var newest: UInt64 = 0
    private let folds: Bool

    init(folds: Bool) { self.folds = folds }

    var isDurable: Bool { false }
    func restore(to position: Int64?) throws {}

    func emit(_ batches: [RowBatch], epoch: UInt64, clockMicroseconds: Int64) throws -> [FailedRow] {
        guard epoch > newest else { return [] }
        newest = epoch
        for batch in batches {
            rowCount += batch.count
            guard folds else { continue }
            for row in 0..<batch.count {
                folded[batch.row(row), default: 0] += batch.change(at: row).isAddition ? 1 : -1
                if folded[batch.row(row)] == 0 { folded[batch.row(row)] = nil }
            }
        }
        return []
    }

    func position() throws -> Int64 { 0 }
    func synchronize() throws {}
    func close() throws {}
}

final class NoErrorOutput: ErrorOutput {
    func emit(rejected: [RejectedRow], failures: [FailedRow], late: [LateRow], epoch: UInt64, clockMicroseconds: Int64) throws {}
    func synchronize() throws {}
}
