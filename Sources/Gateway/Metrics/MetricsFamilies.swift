// The metrics there are, in the order of the document.

extension Metrics {
    enum Family {
        typealias F = MetricsWriter.Family

        static let up = F("millrace_up", .gauge, "1 while the server has its data directory open.")
        static let residentBytes = F("process_resident_memory_bytes", .gauge, "Resident memory of the process.")
        static let virtualBytes = F("process_virtual_memory_bytes", .gauge, "Virtual memory of the process.")
        static let cpuSeconds = F("process_cpu_seconds_total", .counter, "User and system time of the process.")
        static let openDescriptors = F("process_open_fds", .gauge, "Open file descriptors.")
        static let maxDescriptors = F("process_max_fds", .gauge, "Most file descriptors the process may have.")
        static let threads = F("process_threads", .gauge, "Threads of the process.")
        static let startTime = F("process_start_time_seconds", .gauge, "When the process was started, seconds since 1970.")
        static let connections = F("millrace_connections", .gauge, "Open connections by protocol.")
        static let activeStatements = F("millrace_statements_active", .gauge, "Statements and streams that are being worked on now.")
        static let httpRequests = F("millrace_http_requests_total", .counter, "HTTP requests answered, by class of status.")
        static let httpActive = F("millrace_http_requests_active", .gauge, "HTTP requests that are being answered now.")
        static let httpSentBytes = F("millrace_http_sent_bytes_total", .counter, "Bytes of HTTP responses.")

        static let streamRows = F("millrace_stream_rows_total", .counter, "Rows ever appended to the shard.")
        static let streamRetainedRows = F("millrace_stream_retained_rows", .gauge, "Rows that can be read.")
        static let streamRetainedBytes = F("millrace_stream_retained_bytes", .gauge, "Bytes of the shard on disk.")
        static let streamSegments = F("millrace_stream_segments", .gauge, "Segment files of the shard.")
        static let streamExpiredRows = F("millrace_stream_expired_rows_total", .counter, "Rows that retention has removed.")
        static let streamGivenUpRows = F("millrace_stream_given_up_rows_total", .counter, "Rows that were given up after damage.")
        static let streamLastArrival = F("millrace_stream_last_arrival_timestamp_seconds", .gauge, "When the newest row arrived, seconds since 1970.")
        static let streamFenced = F("millrace_stream_fenced", .gauge, "1 when a failed write or sync keeps the shard from taking rows.")
        static let streamFaulty = F("millrace_stream_faulty", .gauge, "1 when the shard is fenced or damaged.")
        static let streamErrorRows = F("millrace_stream_error_rows_total", .counter, "Rows in the error stream: what could not be decoded, failed or came late.")

        static let alerts = F("millrace_alerts", .gauge, "Instances of alerts by state.")
        static let alertTransitions = F("millrace_alert_transitions_total", .counter, "Transitions of alerts in the stream, by the state they led to.")
        static let silences = F("millrace_silences", .gauge, "Silences that hold.")
        static let silencesInvalid = F("millrace_silences_invalid", .gauge, "Silences that would hold if they could be understood: they keep nobody quiet.")
        static let alertRowsStrange = F("millrace_alert_rows_not_understood", .gauge, "Rows of the stream that are none of those that the program writes there.")
        static let notifications = F("millrace_notifications_total", .counter, "Notifications that the receiver took.")
        static let notificationFailures = F("millrace_notification_failures_total", .counter, "Attempts to notify that failed.")
        static let notificationDeadLetters = F("millrace_notification_dead_letters_total", .counter, "Notifications that were given up.")
        static let notificationsSuppressed = F("millrace_notifications_suppressed_total", .counter, "Transitions that were silenced, inhibited or acknowledged.")
        static let notificationsWaiting = F("millrace_notifications_waiting", .gauge, "Transitions that are not told yet.")

        static let queryState = F("millrace_query_state", .gauge, "1 for the state that the query is in.")
        static let queryRowsIn = F("millrace_query_rows_in_total", .counter, "Rows read.")
        static let queryRowsOut = F("millrace_query_rows_out_total", .counter, "Rows emitted.")
        static let queryLate = F("millrace_query_late_rows_total", .counter, "Rows that came after every window they belong to had closed.")
        static let queryFailed = F("millrace_query_failed_rows_total", .counter, "Rows on which an expression failed.")
        static let queryRejected = F("millrace_query_rejected_rows_total", .counter, "Rows that could not be decoded.")
        static let queryExpired = F("millrace_query_expired_rows_total", .counter, "Rows that retention removed before the query had read them.")
        static let queryEpochs = F("millrace_query_epochs_total", .counter, "Epochs run.")
        static let queryBehindRows = F("millrace_query_behind_rows", .gauge, "Rows that are there and not yet read, or read by an epoch that has not ended.")
        static let queryBehindSeconds = F("millrace_query_behind_seconds", .gauge, "How long the oldest row that is not yet read has been there.")
        static let queryStateBytes = F("millrace_query_state_bytes", .gauge, "Memory of the operators' state.")
        static let queryWatermark = F("millrace_query_watermark_timestamp_seconds", .gauge, "Event time up to which the query is complete, seconds since 1970.")
        static let queryWatermarkLag = F("millrace_query_watermark_lag_seconds", .gauge, "Wall clock minus watermark.")
        static let checkpoints = F("millrace_query_checkpoints_total", .counter, "Checkpoints published since the query was started.")
        static let checkpointFailures = F("millrace_query_checkpoint_failures_total", .counter, "Checkpoints that could not be written and are tried again.")
        static let checkpointAge = F("millrace_query_checkpoint_age_seconds", .gauge, "Since the last checkpoint.")
        static let checkpointBytes = F("millrace_query_checkpoint_bytes", .gauge, "Written for the last checkpoint.")
        static let checkpointStateBytes = F("millrace_query_checkpoint_state_bytes", .gauge, "State on disk that the last checkpoint refers to.")
        static let checkpointDuration = F("millrace_query_checkpoint_duration_seconds", .gauge, "How long the last checkpoint took to be written, beside the query.")
        static let checkpointWritten = F("millrace_query_checkpoint_written_bytes_total", .counter, "Written for all checkpoints since the query was started.")
        static let checkpointCapture = F("millrace_query_checkpoint_capture_seconds_total", .counter, "Time that the query stood still for checkpoints.")
        static let checkpointWrite = F("millrace_query_checkpoint_write_seconds_total", .counter, "Time that checkpoints were written beside the query.")
        static let epochDuration = F("millrace_query_epoch_duration_seconds", .histogram, "From an epoch's beginning to its results being there.")
        static let latency = F("millrace_query_latency_seconds", .histogram, "From the arrival of an epoch's oldest row to its results being there.")
        static let computeSeconds = F("millrace_query_compute_seconds_total", .counter, "Time spent reading and computing.")
        static let outputSeconds = F(
            "millrace_query_output_seconds_total", .counter, "Time spent waiting for results to be taken (backpressure of a disk or a sink).")

        static let sourcePosition = F("millrace_source_position_rows_total", .counter, "The next row that the query reads of the shard.")
        static let sourceBehindRows = F("millrace_source_behind_rows", .gauge, "Rows of the shard that the query has not read, or reads in an epoch that has not ended.")
        static let sourceBehindSeconds = F("millrace_source_behind_seconds", .gauge, "How long the oldest of them has been there.")
        static let sourceWatermark = F("millrace_source_watermark_timestamp_seconds", .gauge, "The shard's watermark, seconds since 1970.")
        static let sourceIdle = F("millrace_source_idle", .gauge, "1 when the shard is idle and does not hold the watermark.")

        static let operatorRowsIn = F("millrace_operator_rows_in_total", .counter, "Rows that came to the operator.")
        static let operatorRowsOut = F("millrace_operator_rows_out_total", .counter, "Rows that it gave.")
        static let operatorLate = F("millrace_operator_late_rows_total", .counter, "Rows that came too late for it.")
        static let operatorFailed = F("millrace_operator_failed_rows_total", .counter, "Rows on which an expression on the way to it failed.")
        static let operatorGroups = F("millrace_operator_groups", .gauge, "Groups, sessions or rows that it holds.")
        static let operatorStateBytes = F("millrace_operator_state_bytes", .gauge, "Memory of its state.")
        static let operatorBusy = F("millrace_operator_busy_seconds_total", .counter, "Time that it, and the way to it, has been at work.")
        static let operatorWatermark = F("millrace_operator_watermark_timestamp_seconds", .gauge, "Its watermark, seconds since 1970.")

        static let all = [
            up, residentBytes, virtualBytes, cpuSeconds, openDescriptors, maxDescriptors, threads, startTime, connections, activeStatements, httpRequests,
            httpActive, httpSentBytes, streamRows, streamRetainedRows, streamRetainedBytes, streamSegments, streamExpiredRows, streamGivenUpRows,
            streamLastArrival, streamFenced, streamFaulty, streamErrorRows, alerts, alertTransitions, silences, silencesInvalid, alertRowsStrange, notifications, notificationFailures,
            notificationDeadLetters, notificationsSuppressed, notificationsWaiting, queryState, queryRowsIn, queryRowsOut, queryLate, queryFailed, queryRejected,
            queryExpired, queryEpochs, queryBehindRows, queryBehindSeconds, queryStateBytes, queryWatermark, queryWatermarkLag, checkpoints,
            checkpointFailures, checkpointAge, checkpointBytes, checkpointStateBytes, checkpointDuration, checkpointWritten, checkpointCapture,
            checkpointWrite, epochDuration, latency, computeSeconds, outputSeconds, sourcePosition, sourceBehindRows, sourceBehindSeconds,
            sourceWatermark, sourceIdle, operatorRowsIn, operatorRowsOut, operatorLate, operatorFailed, operatorGroups, operatorStateBytes, operatorBusy,
            operatorWatermark,
        ]
    }
}
