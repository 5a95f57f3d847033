// SystemRelation+Own: the schema `millrace`: what runs and how it is doing, for SELECT, where SHOW QUERIES and `millrace status` show it to people.

import Columns
import Planning

extension SystemRelation {
    /// As in `PostgresColumns`.
    static let ownColumns = """
        active_alerts v alert:name instance:text state:text since:timestamp severity:text keys:text labels:text annotations:text "values":text \
        silenced_by:text acknowledged_by:text transition:int8 key:text
        inhibitions v name:name target:text source:text equal:text
        notifiers v name:name type:text target:text state:text delivered:int8 failed:int8 dead_letters:int8 suppressed:int8 waiting:int8 behind:int8 \
        last_error:text last_delivery:timestamp
        silences v id:int8 state:text selector:text since:timestamp until:timestamp comment:text author:text fault:text
        queries v name:name state:text reason:text epoch:int8 rows_in:int8 rows_out:int8 late:int8 failed:int8 rejected:int8 expired:int8 behind:int8 \
        watermark:timestamp held_back_by:text state_bytes:int8 checkpoint_epoch:int8 is_materialized_view:bool statement:text
        shards v stream:name shard:int4 oldest:int8 "end":int8 bytes:int8 expired:int8 given_up:int8 fault:text
        streams v name:name kind:text connector:text shards:int4 rows:int8 bytes:int8 error_rows:int8 event_time:name definition:text
        """.split(separator: "\"").joined()

    func ownRows(_ snapshot: SystemSnapshot) -> [[String: Value]] {
        switch name {
        case "queries":
            let views = Set(snapshot.objects.filter { $0.relation?.isMaterializedView == true }.map(\.name))
            return snapshot.engine.queryProgress().map { query in
                [
                    "name": .string(query.name), "state": .string(query.state.rawValue), "reason": .text(query.reason),
                    "epoch": .integer(Int64(clamping: query.epoch)), "rows_in": .integer(query.rowsIn), "rows_out": .integer(query.rowsOut),
                    "late": .integer(query.lateRows), "failed": .integer(query.failedRows), "rejected": .integer(query.rejectedRows),
                    "expired": .integer(query.expiredRows), "behind": .integer(query.behind),
                    "watermark": query.watermark == .min || query.watermark == .max ? .null : .integer(query.watermark),
                    "held_back_by": .text(query.holdup), "state_bytes": .number(query.stateByteCount),
                    "checkpoint_epoch": .integer(Int64(clamping: query.checkpointEpoch)), "is_materialized_view": .boolean(views.contains(query.name)),
                    "statement": .string(query.statement),
                ]
            }
        case "streams":
            let errors = Dictionary(snapshot.engine.streamStatus().map { ($0.name, $0.errorRows) }, uniquingKeysWith: { first, _ in first })
            return snapshot.userRelations.compactMap { relation in
                guard let object = relation.object, let definition = object.relation else { return nil }
                return [
                    "name": .string(object.name), "kind": .string(object.kindName), "connector": .string(definition.connector),
                    "shards": .number(definition.shardCount), "rows": relation.rowCount < 0 ? .null : .integer(relation.rowCount),
                    "bytes": .integer(relation.byteCount), "error_rows": .integer(Int64(clamping: errors[object.name] ?? 0)),
                    "event_time": definition.watermark.map { .string(definition.columns[$0.column].name) } ?? .null, "definition": .string(object.sql),
                ]
            }
        case "shards":
            return snapshot.engine.streamStatus().flatMap { stream in
                stream.shards.enumerated().map { index, shard in
                    [
                        "stream": .string(stream.name), "shard": .number(index), "oldest": .integer(Int64(clamping: shard.oldestSequence)),
                        "end": .integer(Int64(clamping: shard.endSequence)), "bytes": .number(shard.byteCount),
                        "expired": .integer(Int64(clamping: shard.expiredRows)), "given_up": .integer(Int64(clamping: shard.givenUpRows)),
                        "fault": .text(shard.fault),
                    ]
                }
            }
        case "active_alerts": return snapshot.engine.activeAlertRows()
        case "silences": return snapshot.engine.silenceRows()
        case "notifiers": return snapshot.engine.notifierRows()
        case "inhibitions": return snapshot.engine.inhibitionRows()
        default: return []
        }
    }
}
