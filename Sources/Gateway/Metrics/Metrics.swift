// Metrics: `GET /metrics`: what an operator watches, in Prometheus' text format and by its conventions: base units (seconds, bytes), counters end in
// `_total`, one metric for one thing and labels for which of them.
//
// The figures are those that the engine publishes anyway; a scrape reads them and touches no row.

import Columns
import Dataflow
import Engine

enum Metrics {
    @Sendable static func serve(_ context: HTTPContext) throws {
        try context.checkParameters([])
        context.exchange.respond(200, contentType: "text/plain; version=0.0.4; charset=utf-8", document(context.server))
    }

    static func document(_ server: HTTPServer) -> ByteBuffer {
        let out = MetricsWriter(Family.all)
        let status = server.engine.status()
        let now = server.engine.nowMicroseconds
        appendProcess(ProcessFigures.read(), server, out)
        for stream in status.streams { append(stream, out) }
        for query in status.queries { append(query, now: now, out) }
        appendAlerts(server.engine, now, out)
        return out.document()
    }

    // MARK: The process

    private static func appendProcess(_ process: ProcessFigures, _ server: HTTPServer, _ out: MetricsWriter) {
        let gateway = server.gatewayFigures()
        out.add(Family.up, 1)
        out.add(Family.residentBytes, process.residentByteCount)
        out.add(Family.virtualBytes, process.virtualByteCount)
        out.add(Family.cpuSeconds, process.cpuSeconds)
        out.add(Family.openDescriptors, process.openDescriptorCount)
        out.add(Family.maxDescriptors, process.openDescriptorCountMax)
        out.add(Family.threads, process.threadCount)
        if let started = process.startSeconds { out.add(Family.startTime, started) }
        out.add(Family.connections, [("protocol", "http")], server.connectionCount)
        out.add(Family.connections, [("protocol", "postgresql")], gateway.postgresConnectionCount)
        out.add(Family.activeStatements, server.threads.activeCount)
        for digit in 2...5 { out.add(Family.httpRequests, [("status", "\(digit)xx")], server.counters.count(ofClass: digit)) }
        out.add(Family.httpActive, server.counters.activeCount)
        out.add(Family.httpSentBytes, server.counters.sentByteCount)
    }

    // MARK: Alerts

    private static func appendAlerts(_ engine: Engine, _ now: Int64, _ out: MetricsWriter) {
        // A stream that cannot be read has no figures; `millrace_stream_faulty` tells of it.
        if let board = try? engine.alertBoard() {
            for state in [AlertTransition.State.firing, .pending] { out.add(Family.alerts, [("state", state.rawValue)], board.count(state)) }
            for state in AlertTransition.State.allCases { out.add(Family.alertTransitions, [("to", state.rawValue)], board.transitionCounts[state] ?? 0) }
            out.add(Family.silences, board.silences.count { $0.holds(at: now) })
            out.add(Family.silencesInvalid, board.silences.count { $0.state(at: now) == .invalid })
            for stream in [AlertTransition.streamName, AlertAction.streamName] {
                out.add(Family.alertRowsStrange, [("stream", stream)], board.strangeRowCounts[stream] ?? 0)
            }
        }
        for entry in engine.notifierEntries() {
            let figures = engine.notifierBoard.figures(of: entry.id)
            let labels = [(name: "notifier", value: entry.name)]
            out.add(Family.notifications, labels, figures.deliveredCount)
            out.add(Family.notificationFailures, labels, figures.failedCount)
            out.add(Family.notificationDeadLetters, labels, figures.deadCount)
            out.add(Family.notificationsSuppressed, labels, figures.suppressedCount)
            out.add(Family.notificationsWaiting, labels, figures.waitingCount &+ figures.behindCount)
        }
    }

    // MARK: Streams

    private static func append(_ stream: StreamStatus, _ out: MetricsWriter) {
        for (index, shard) in stream.shards.enumerated() {
            let labels = [(name: "stream", value: stream.name), (name: "shard", value: "\(index)")]
            out.add(Family.streamRows, labels, shard.endSequence)
            out.add(Family.streamRetainedRows, labels, shard.rowCount)
            out.add(Family.streamRetainedBytes, labels, shard.byteCount)
            out.add(Family.streamSegments, labels, shard.segmentCount)
            out.add(Family.streamExpiredRows, labels, shard.expiredRows)
            out.add(Family.streamGivenUpRows, labels, shard.givenUpRows)
            if let arrival = shard.lastArrivalMicroseconds { out.add(Family.streamLastArrival, labels, Double(arrival) / 1e6) }
            out.add(Family.streamFenced, labels, shard.isFenced ? 1 : 0)
            out.add(Family.streamFaulty, labels, shard.fault == nil ? 0 : 1)
        }
        out.add(Family.streamErrorRows, [("stream", stream.name)], stream.errorRows)
    }

    // MARK: Queries

    private static func append(_ query: QueryProgress, now: Int64, _ out: MetricsWriter) {
        let labels = [(name: "query", value: query.name)]
        for state in ["running", "waiting", "paused", "stopped", "ended", "failed"] {
            out.add(Family.queryState, labels + [("state", state)], query.state.rawValue == state ? 1 : 0)
        }
        out.add(Family.queryRowsIn, labels, query.rowsIn)
        out.add(Family.queryRowsOut, labels, query.rowsOut)
        out.add(Family.queryLate, labels, query.lateRows)
        out.add(Family.queryFailed, labels, query.failedRows)
        out.add(Family.queryRejected, labels, query.rejectedRows)
        out.add(Family.queryExpired, labels, query.expiredRows)
        out.add(Family.queryEpochs, labels, query.epoch)
        out.add(Family.queryBehindRows, labels, query.behind)
        out.add(Family.queryStateBytes, labels, query.stateByteCount)
        if let seconds = seconds(query.watermark) {
            out.add(Family.queryWatermark, labels, seconds)
            out.add(Family.queryWatermarkLag, labels, max(0, Double(now) / 1e6 - seconds))
        }
        guard let figures = query.figures else { return }
        if let behind = figures.behindMicroseconds { out.add(Family.queryBehindSeconds, labels, Double(behind) / 1e6) }
        let checkpoints = figures.checkpoints
        out.add(Family.checkpoints, labels, checkpoints.count)
        out.add(Family.checkpointFailures, labels, checkpoints.failureCount)
        out.add(Family.checkpointWritten, labels, checkpoints.byteCountTotal)
        out.add(Family.checkpointCapture, labels, Double(checkpoints.captureMicrosecondsTotal) / 1e6)
        out.add(Family.checkpointWrite, labels, Double(checkpoints.writeMicrosecondsTotal) / 1e6)
        if checkpoints.clockMicroseconds != .min {
            out.add(Family.checkpointAge, labels, Double(max(0, now &- checkpoints.clockMicroseconds)) / 1e6)
            out.add(Family.checkpointBytes, labels, checkpoints.byteCount)
            out.add(Family.checkpointStateBytes, labels, checkpoints.stateByteCount)
            out.add(Family.checkpointDuration, labels, Double(checkpoints.writeMicroseconds) / 1e6)
        }
        out.add(Family.epochDuration, labels, figures.run.epochs)
        out.add(Family.latency, labels, figures.run.latency)
        out.add(Family.computeSeconds, labels, Double(figures.run.computeMicroseconds) / 1e6)
        out.add(Family.outputSeconds, labels, Double(figures.run.outputMicroseconds) / 1e6)
        appendSources(figures, labels, out)
        appendOperators(figures, labels, out)
    }

    private static func appendSources(_ figures: QueryFigures, _ query: MetricsWriter.Labels, _ out: MetricsWriter) {
        for (number, source) in figures.sources.enumerated() {
            // The same stream may be read twice.
            for (index, shard) in source.shards.enumerated() {
                let labels = query + [("source", "\(number)"), ("stream", source.relation), ("shard", "\(index)")]
                out.add(Family.sourcePosition, labels, shard.position)
                out.add(Family.sourceBehindRows, labels, shard.behindRows)
                if let behind = shard.behindMicroseconds { out.add(Family.sourceBehindSeconds, labels, Double(behind) / 1e6) }
                if let seconds = seconds(shard.watermark) { out.add(Family.sourceWatermark, labels, seconds) }
                out.add(Family.sourceIdle, labels, shard.isIdle ? 1 : 0)
            }
        }
    }

    private static func appendOperators(_ figures: QueryFigures, _ query: MetricsWriter.Labels, _ out: MetricsWriter) {
        for entry in figures.operators {
            let labels = query + [("operator", entry.name)]
            out.add(Family.operatorRowsIn, labels, entry.rowsIn)
            out.add(Family.operatorRowsOut, labels, entry.rowsOut)
            out.add(Family.operatorLate, labels, entry.lateRows)
            out.add(Family.operatorFailed, labels, entry.failedRows)
            out.add(Family.operatorGroups, labels, entry.groups)
            out.add(Family.operatorStateBytes, labels, entry.stateBytes)
            out.add(Family.operatorBusy, labels, Double(entry.busyNanoseconds) / 1e9)
            if let seconds = seconds(entry.watermark) { out.add(Family.operatorWatermark, labels, seconds) }
        }
    }

    /// nil before the first and at the end of time.
    private static func seconds(_ microseconds: Int64) -> Double? {
        microseconds == .min || microseconds == .max ? nil : Double(microseconds) / 1e6
    }
}
