// LimitedSource: another source up to positions that can be moved forward: a replay reads as far as somebody else has read.

import Columns
import Platform

final class LimitedSource: ReplayableSource, @unchecked Sendable {
    // Safe to share: the limits are behind the lock.
    private let source: any ReplayableSource
    private let lock = Lock()
    private var limits: [Int64]

    /// Nothing can be read before `raise` has been called.
    init(_ source: any ReplayableSource, from start: [Int64]) {
        self.source = source
        limits = start
    }

    func raise(to positions: [Int64]) {
        source.refreshShards()
        lock.locked {
            for (shard, position) in positions.enumerated() {
                if shard < limits.count { limits[shard] = max(limits[shard], position) } else { limits.append(position) }
            }
        }
    }

    private func limit(_ shard: Int) -> Int64? { lock.locked { shard < limits.count ? limits[shard] : nil } }

    var shardCount: Int { lock.locked { limits.count } }
    func parents(of shard: Int) -> [Int] { source.parents(of: shard) }
    func start(shard: Int) -> Int64 { source.start(shard: shard) }
    func resume(shard: Int, at position: Int64, nowMicroseconds: Int64) {}

    func available(shard: Int, nowMicroseconds: Int64) throws(ConnectorError) -> Int64 { limit(shard) ?? .min }

    /// Known only when it is within the limit.
    func end(shard: Int) throws(ConnectorError) -> Int64? {
        guard let end = try source.end(shard: shard), let limit = limit(shard), end <= limit else { return nil }
        return end
    }

    func boundary(shard: Int, from: Int64, limit: Int64, rows: Int) throws(ConnectorError) -> Int64 {
        try source.boundary(shard: shard, from: from, limit: limit, rows: rows)
    }

    func read(shard: Int, from: Int64, to: Int64, columns: [Int], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        try source.read(shard: shard, from: from, to: to, columns: columns, batchRows: batchRows)
    }

    func read(shard: Int, from: Int64, to: Int64, paths: [ColumnPath], batchRows: Int) throws(ConnectorError) -> SourceChunk {
        try source.read(shard: shard, from: from, to: to, paths: paths, batchRows: batchRows)
    }
}
