-- What do we not count, and why? Readings that came too late for their minute, or that could not be decoded, by kind and hour of arrival.
--
-- Nothing is dropped silently: what a query could not take is in its error stream, what could not be decoded in that of the stream. Reads
-- `readings` (operations.sql), `readings_errors` and `reading_minutes_errors`, writes `reading_minutes` and `late_audit`.
--
-- Sample input:     a reading of 09:00 that arrives at 10:00,   Expected output:  since               | origin          | kind   | rows
--                   when its minute has long been closed                          2026-01-01T10:00:00 | reading_minutes | late   |    1
--                   a line that is no JSON                                        2026-01-01T10:00:00 | readings        | decode |    1

CREATE STREAM IF NOT EXISTS readings_errors (at TIMESTAMP(6) WITH TIME ZONE, kind VARCHAR, reason VARCHAR, origin VARCHAR, bytes BYTES);
CREATE STREAM IF NOT EXISTS reading_minutes_errors (at TIMESTAMP(6) WITH TIME ZONE, kind VARCHAR, reason VARCHAR, origin VARCHAR, bytes BYTES);

CREATE STREAM IF NOT EXISTS reading_minutes (minute TIMESTAMP(3), device VARCHAR, readings BIGINT, average DOUBLE) RETAIN INTERVAL '30' DAY;

CREATE QUERY IF NOT EXISTS reading_minutes AS
INSERT INTO reading_minutes
SELECT window_start, device, count(*), avg(temperature)
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, device;

CREATE STREAM IF NOT EXISTS late_audit (since TIMESTAMP(3), origin VARCHAR, kind VARCHAR, rows BIGINT) RETAIN INTERVAL '90' DAY;

-- A changelog: the counts of the running hour go up as rows come.
CREATE QUERY IF NOT EXISTS late_audit AS
INSERT INTO late_audit
SELECT since, origin, kind, count(*)
FROM (
    SELECT FLOOR(CAST(at AS TIMESTAMP(3)) TO HOUR) AS since, 'readings' AS origin, kind FROM readings_errors
    UNION ALL
    SELECT FLOOR(CAST(at AS TIMESTAMP(3)) TO HOUR), 'reading_minutes', kind FROM reading_minutes_errors
)
GROUP BY since, origin, kind;
