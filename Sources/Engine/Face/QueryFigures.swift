// QueryFigures: what can be seen of a running query besides its progress: its operators and how they hang together, how each source is read, what
// checkpoints cost, where time goes. Published by the query's own thread a few times a second, so that it costs nothing per row.

import Dataflow

package struct QueryFigures: Sendable {
    package struct SourceShard: Sendable {
        /// Microseconds of event time; Int64.min before the first.
        package var watermark: Int64
        package var isIdle: Bool
        package var hasEnded: Bool
        /// The next row to be read, and how many are there behind it.
        package var position: Int64
        package var behindRows: Int64
        /// How long the oldest of those has been there; 0 when there is none, nil when that is not known.
        package var behindMicroseconds: Int64?
        /// Wall clock, microseconds: when the watermark was first seen where it stands; nil before it has been looked at twice.
        package var sinceMicroseconds: Int64?
    }

    package struct Source: Sendable {
        package var relation: String
        package var rowsIn: Int
        package var watermark: Int64
        package var shards: [SourceShard]
        /// As of a shard.
        package var sinceMicroseconds: Int64?
    }

    package var operators: [DataflowStatus.Operator] = []
    package var sources: [Source] = []
    package var topology = GraphTopology()
    package var outputBusyNanoseconds: UInt64 = 0
    package var stateByteCount = 0
    package var checkpoints = CheckpointFigures()
    package var run = RunFigures()
    /// Where the query writes; nil for one that is read by a cursor.
    package var target: String?

    /// The longest that a row which is there has waited.
    package var behindMicroseconds: Int64? { sources.flatMap(\.shards).compactMap(\.behindMicroseconds).max() }
}

extension QueryFigures {
    /// Notes since when watermarks stand where they are, from what was known before. `now` is wall-clock time.
    mutating func note(before: QueryFigures?, nowMicroseconds now: Int64) {
        for index in sources.indices {
            let earlier = before.flatMap { index < $0.sources.count ? $0.sources[index] : nil }
            sources[index].sinceMicroseconds = earlier?.watermark == sources[index].watermark ? earlier?.sinceMicroseconds ?? now : now
            for shard in sources[index].shards.indices {
                let last = earlier.flatMap { shard < $0.shards.count ? $0.shards[shard] : nil }
                sources[index].shards[shard].sinceMicroseconds =
                    last?.watermark == sources[index].shards[shard].watermark ? last?.sinceMicroseconds ?? now : now
            }
        }
    }
}

extension QueryRunner {
    /// Not for every epoch: asks every shard and every operator.
    package func figures() -> QueryFigures {
        let status = graph.status
        var figures = QueryFigures()
        figures.operators = status.operators
        figures.outputBusyNanoseconds = status.outputBusyNanoseconds
        figures.stateByteCount = status.stateBytes
        figures.checkpoints = checkpointFigures
        figures.run = runFigures
        figures.topology = topology
        let now = wallMicroseconds
        for (scan, entry) in status.scans.enumerated() where scan < sources.count {
            let source = sources[scan]
            var shards: [QueryFigures.SourceShard] = []
            for shard in 0..<source.shardCount where shard < positions[scan].count {
                let position = positions[scan][shard]
                let known = shard < entry.shards.count ? entry.shards[shard] : nil
                var behind: Int64 = 0
                // A source that cannot say has its own way to fail: at the next epoch.
                do throws(ConnectorError) {
                    behind = max(0, try source.available(shard: shard, nowMicroseconds: clockMicroseconds) &- position)
                } catch { behind = 0 }
                var waited: Int64? = 0
                if behind > 0 {
                    waited = nil
                    if let now, let arrival = source.arrivalMicroseconds(shard: shard, position: source.readable(shard: shard, from: position)) {
                        waited = max(0, now &- arrival)
                    }
                }
                shards.append(
                    .init(
                        watermark: known?.watermark ?? .min, isIdle: known?.isIdle ?? false, hasEnded: known?.hasEnded ?? false,
                        position: position, behindRows: behind, behindMicroseconds: waited))
            }
            figures.sources.append(.init(relation: entry.relation, rowsIn: entry.rowsIn, watermark: entry.watermark, shards: shards))
        }
        return figures
    }
}
