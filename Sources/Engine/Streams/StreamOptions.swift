// StreamOptions: the WITH options that the engine itself reads, on every relation.

import Planning

enum StreamOptions {
    /// Accepted beside a connector's own.
    static let names = ["sync", "sync_interval", "segment_size", "idle_timeout", "full_disk_wait"]

    /// How long a shard may bring nothing, while it is read to its end, before it no longer holds the watermark back; nil: for ever.
    static func idleTimeoutMicroseconds(_ relation: RelationDefinition) throws(ConnectorError) -> Int64? {
        try ConnectorOptions(relation).duration("idle_timeout", in: 1...(Int64.max / 4))
    }
}
