// QueryLag: how far a query is behind, found out when somebody asks.
//
// An epoch may last for seconds (a thousand alerts that all look at every row), and rows come meanwhile: what the query's own thread has published at the
// end of the last one says nothing of them. How far the log goes can be asked on any thread; so what is published are the positions up to which the
// query's results are there, and the difference is taken when it is asked for. The rows of an epoch that still runs are behind.
//
// Other sources (files, generators) belong to the query's thread: of these the figure is that of the last epoch's beginning. So is what a split or
// merge has made since: the query's thread has not seen those shards yet.

struct QueryLag: Sendable {
    struct Source: Sendable {
        /// Place among the query's sources.
        var scan: Int
        var log: LogSource
        /// Of each shard, what is read next.
        var positions: [Int64]
    }

    var sources: [Source] = []
    /// Of sources that cannot be asked.
    var otherRows: Int64 = 0
    var wallMicroseconds: (@Sendable () -> Int64)?

    /// Brings the figures up to now.
    func update(_ progress: inout QueryProgress) {
        var behind = otherRows
        let now = wallMicroseconds?()
        for source in sources {
            for (shard, position) in source.positions.enumerated() where shard < source.log.shardCount {
                // A log that cannot say has its own way to fail: at the next epoch.
                guard let end = try? source.log.available(shard: shard, nowMicroseconds: now ?? 0) else { continue }
                let from = source.log.readable(shard: shard, from: position)
                let rows = max(0, end &- from)
                behind &+= rows
                guard let shards = progress.figures?.sources, source.scan < shards.count, shard < shards[source.scan].shards.count else { continue }
                var waited: Int64? = rows == 0 ? 0 : nil
                if rows > 0, let now, let arrival = source.log.arrivalMicroseconds(shard: shard, position: from) { waited = max(0, now &- arrival) }
                progress.figures?.sources[source.scan].shards[shard].position = position
                progress.figures?.sources[source.scan].shards[shard].behindRows = rows
                progress.figures?.sources[source.scan].shards[shard].behindMicroseconds = waited
            }
        }
        progress.behind = behind
    }
}
