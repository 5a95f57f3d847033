// What the engine asks of a stream of the log, in its own words, and how a stream is made for a relation.

import Columns
import Planning
import Platform
import ShardLog

extension LogStream {
    var shardCount: Int { shards.count }
    func oldestSequence(shard: Int) -> UInt64 { shards[shard].oldestSequence }
    func endSequence(shard: Int) -> UInt64 { shards[shard].endSequence }
    var isSyncedAlways: Bool { description.sync == .always }

    /// The rows [from, to) of a shard.
    func read(shard: Int, from: UInt64, to: UInt64, paths: [ColumnPath], batchRows: Int) throws(LogError) -> [RowBatch] {
        let reader = reader(shard: shard)
        var batches: [RowBatch] = []
        var next = from
        while next < to, let rows = try reader.read(from: next, to: to, rowLimit: batchRows, paths: paths) {
            batches.append(rows.batch)
            next = rows.nextSequence
        }
        // Rows at the end may have been given up.
        guard next == to || shards[shard].readable(from: next) >= to else {
            throw .mismatch(stream: name, reason: "shard \(shard) holds no rows \(next)..<\(to)")
        }
        return batches
    }
}

extension StreamOptions {
    /// The log's description of a relation's stream; nil for a connector that keeps no rows here.
    static func description(of relation: RelationDefinition, id: UInt64, isEphemeral: Bool) throws(ConnectorError) -> StreamDescription? {
        guard relation.connector == "log" || Connectors.isLive(relation.connector) else { return nil }
        let options = ConnectorOptions(relation)
        if relation.connector == "log" {
            let known = names + ["connector", "format", "changelog", RelationDefinition.materializedOption] + FileFormat.debeziumOptionNames
            for name in relation.options.keys.sorted() where !known.contains(name) {
                throw ConnectorError(
                    "\(relation.name): a stream of the log has no option '\(name)'" + Nearest.suggestion(for: name, among: names)
                        + "; it has " + names.joined(separator: ", "))
            }
        }
        if let format = relation.options["format"]?.lowercased(), relation.connector == "log", !["json", "csv", "debezium-json"].contains(format) {
            throw options.bad("format", format, "'json', 'csv' or 'debezium-json'")
        }
        var description = StreamDescription(name: relation.name, schema: relation.physicalSchema, shardCount: relation.shardCount, id: id)
        let physical = relation.physicalColumns
        description.partitionColumns = relation.partitionBy.compactMap { physical.firstIndex(of: $0) }
        // Deletes of an upsert stream need no time, and reading it follows no watermark.
        description.eventTimeColumn = relation.isUpsert ? nil : relation.watermark.flatMap { physical.firstIndex(of: $0.column) }
        description.retentionMicroseconds = relation.retainedMicrosecondsMax
        description.retentionByteCount = relation.retainedBytesMax.map { Int(clamping: $0) }
        switch try options.word("sync", among: ["always", "interval", "none"]) ?? "always" {
        case "none": description.sync = .none
        case "interval":
            let interval = try options.duration("sync_interval", in: 1_000...60_000_000) ?? 100_000
            description.sync = .interval(milliseconds: Int(interval / 1_000))
        default: description.sync = .always
        }
        // Nothing of a temporary directory is meant to last.
        if isEphemeral { description.sync = .none }
        if let wait = try options.duration("full_disk_wait", in: 0...3_600_000_000) {
            description.properties[StreamDescription.shortageWaitProperty] = String(wait / 1_000)
        }
        if let size = try options.integer("segment_size", in: 65_536...(1 << 34)) { description.segmentByteCount = Int(size) }
        return description
    }
}

extension StreamStatus {
    static func make(name: String, connector: String, stream: LogStream) -> StreamStatus {
        // The description first: shards only come to it.
        let shapes = stream.description.shards
        let statistics = Array(stream.statistics.prefix(shapes.count))
        let shards = statistics.enumerated().map { index, shard in
            let fault = stream.shards[index].damage.first.map { "\($0)" } ?? stream.shards[index].fault.map { "\($0)" }
            var status = Shard(
                oldestSequence: shard.oldestSequence, endSequence: shard.endSequence, byteCount: shard.byteCount, expiredRows: shard.expiredRowCount,
                givenUpRows: shard.givenUpRowCount, fault: fault)
            status.isClosed = shapes[index].isClosed
            status.parents = shapes[index].parents
            status.firstHashKey = shapes[index].range.first
            status.lastHashKey = shapes[index].range.last
            status.rowCount = Int(shard.rowCount)
            status.segmentCount = shard.segmentCount
            status.frameCount = shard.frameCount
            status.lastArrivalMicroseconds = shard.arrivalMax
            status.isFenced = shard.isFenced
            return status
        }
        return StreamStatus(
            name: name, connector: connector, shards: shards, rowCount: statistics.reduce(0) { $0 + UInt64(max(0, $1.rowCount)) },
            errorRows: 0)
    }
}
