// StatusDocument: streams and queries as JSON, in the one shape that `millrace status --json`, `/v1/status`, `/v1/queries` and the console read.

import Columns
import Dataflow
import Engine

package enum StatusDocument {
    /// A line.
    package static func text(_ status: EngineStatus) -> String {
        let buffer = ByteBuffer()
        var json = JSONWriter(buffer)
        json.object { append(status, to: &$0) }
        buffer.append(0x0A)
        return buffer.string
    }

    package static func append(_ status: EngineStatus, to json: inout JSONWriter) {
        json.member("directory", status.directory)
        json.member("held_by", status.heldBy)
        json.array("streams") { for stream in status.streams { $0.object { append(stream, to: &$0) } } }
        json.array("queries") { for query in status.queries { $0.object { append(query, to: &$0) } } }
    }

    package static func append(_ stream: StreamStatus, to json: inout JSONWriter) {
        json.member("name", stream.name)
        json.member("connector", stream.connector)
        json.member("rows", stream.rowCount)
        json.member("error_rows", stream.errorRows)
        json.array("shards") {
            for shard in stream.shards {
                $0.object {
                    $0.member("oldest_sequence", shard.oldestSequence)
                    $0.member("end_sequence", shard.endSequence)
                    $0.member("rows", shard.rowCount)
                    $0.member("bytes", shard.byteCount)
                    $0.member("segments", shard.segmentCount)
                    $0.member("expired_rows", shard.expiredRows)
                    $0.member("given_up_rows", shard.givenUpRows)
                    $0.member("last_arrival", shard.lastArrivalMicroseconds.map(instant))
                    $0.member("closed", shard.isClosed)
                    $0.member("fenced", shard.isFenced)
                    $0.member("fault", shard.fault)
                }
            }
        }
    }

    package static func append(_ query: QueryProgress, to json: inout JSONWriter) {
        json.member("name", query.name)
        json.member("state", query.state.rawValue)
        json.member("reason", query.reason)
        json.member("epoch", query.epoch)
        json.member("rows_in", query.rowsIn)
        json.member("rows_out", query.rowsOut)
        json.member("late_rows", query.lateRows)
        json.member("failed_rows", query.failedRows)
        json.member("rejected_rows", query.rejectedRows)
        json.member("expired_rows", query.expiredRows)
        json.member("watermark", watermark(query.watermark))
        json.member("behind", query.behind)
        json.member("behind_ms", query.figures?.behindMicroseconds.map { $0 / 1_000 })
        json.member("held_back_by", query.holdup)
        json.member("state_bytes", query.stateByteCount)
        json.member("checkpoint_epoch", query.checkpointEpoch)
        if let figures = query.figures?.checkpoints {
            json.object("checkpoints") {
                $0.member("count", figures.count)
                $0.member("failures", figures.failureCount)
                $0.member("last", figures.clockMicroseconds == .min ? nil : instant(figures.clockMicroseconds))
                $0.member("bytes", figures.byteCount)
                $0.member("bytes_total", figures.byteCountTotal)
                $0.member("state_bytes", figures.stateByteCount)
                $0.member("capture_us", figures.captureMicroseconds)
                $0.member("write_us", figures.writeMicroseconds)
            }
        }
        json.member("statement", query.statement)
    }

    /// The operators and how they hang together.
    package static func appendGraph(_ figures: QueryFigures, to json: inout JSONWriter) {
        json.member("target", figures.target)
        json.array("sources") {
            for source in figures.sources {
                $0.object {
                    $0.member("relation", source.relation)
                    $0.member("rows_in", source.rowsIn)
                    $0.member("watermark", watermark(source.watermark))
                    $0.array("shards") {
                        for shard in source.shards {
                            $0.object {
                                $0.member("watermark", watermark(shard.watermark))
                                $0.member("idle", shard.isIdle)
                                $0.member("ended", shard.hasEnded)
                                $0.member("position", shard.position)
                                $0.member("behind", shard.behindRows)
                                $0.member("behind_ms", shard.behindMicroseconds.map { $0 / 1_000 })
                            }
                        }
                    }
                }
            }
        }
        json.array("operators") {
            for (index, entry) in figures.operators.enumerated() {
                $0.object {
                    $0.member("name", entry.name)
                    $0.member("text", index < figures.topology.labels.count ? figures.topology.labels[index] : "")
                    $0.member("rows_in", entry.rowsIn)
                    $0.member("rows_out", entry.rowsOut)
                    $0.member("late_rows", entry.lateRows)
                    $0.member("failed_rows", entry.failedRows)
                    $0.member("groups", entry.groups)
                    $0.member("state_bytes", entry.stateBytes)
                    $0.member("watermark", watermark(entry.watermark))
                    $0.member("busy_us", entry.busyNanoseconds / 1_000)
                }
            }
        }
        json.member("output_busy_us", figures.outputBusyNanoseconds / 1_000)
        json.array("edges") {
            for edge in figures.topology.edges {
                $0.object {
                    switch edge.source {
                    case .scan(let scan): $0.member("from_source", scan)
                    case .values: $0.member("from_values", true)
                    case .stage(let stage): $0.member("from_operator", stage)
                    }
                    $0.member("to_operator", edge.target)
                    $0.member("input", edge.port)
                    $0.array("steps") { for step in edge.steps { $0.value(step) } }
                }
            }
        }
        json.object("time") {
            $0.member("compute_us", figures.run.computeMicroseconds)
            $0.member("output_us", figures.run.outputMicroseconds)
            $0.object("epoch") { append(figures.run.epochs, to: &$0) }
            $0.object("latency") { append(figures.run.latency, to: &$0) }
        }
    }

    private static func append(_ histogram: DurationHistogram, to json: inout JSONWriter) {
        json.member("count", histogram.count)
        json.member("sum_us", histogram.sumMicroseconds)
        json.array("buckets") { for count in histogram.counts { $0.value(count) } }
    }

    /// nil before the first.
    private static func watermark(_ microseconds: Int64) -> String? {
        switch microseconds {
        case .min: nil
        case .max: "the end of time"
        default: time(microseconds, isInstant: false)
        }
    }

    package static func instant(_ microseconds: Int64) -> String { time(microseconds, isInstant: true) }

    private static func time(_ microseconds: Int64, isInstant: Bool) -> String {
        let buffer = ByteBuffer()
        TimestampText.append(microseconds, precision: 3, isInstant: isInstant, to: buffer)
        return buffer.string
    }
}
