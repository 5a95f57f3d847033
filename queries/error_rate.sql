-- Which service fails too often, or answers too slowly? Every ten seconds, over the last minute: at least one request in a hundred ended with 5xx,
-- or the slowest answers took more than a second.
--
-- Windows with fewer than ten requests say nothing. Reads `requests` (operations.sql), writes `error_rate`.
--
-- Sample input:     20 requests to search at 10:00:05,     Expected output:  until               | service | requests | failed | percent | slowest_ms
--                   one of them with status 503                              2026-01-01T10:00:10 | search  |       20 |      1 |     5.0 |       12.5
--                                                                            ... and for the five windows after it

CREATE STREAM IF NOT EXISTS error_rate (
    until TIMESTAMP(3),
    service VARCHAR,
    requests BIGINT,
    failed BIGINT,
    percent DOUBLE,
    slowest_ms DOUBLE
) RETAIN INTERVAL '30' DAY;

CREATE QUERY IF NOT EXISTS error_rate AS
INSERT INTO error_rate
SELECT
    window_end, service, count(*),
    count(*) FILTER (WHERE status >= 500),
    100.0 * count(*) FILTER (WHERE status >= 500) / count(*),
    max(duration_ms)
FROM TABLE(HOP(TABLE requests, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, service
HAVING count(*) >= 10 AND (100 * count(*) FILTER (WHERE status >= 500) >= count(*) OR max(duration_ms) > 1000);
