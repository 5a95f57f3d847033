-- Which client asks too often? The moment at which it makes its 101st request within one minute, and again for each of a hundred further ones.
--
-- A sliding count: how many requests the client made in the minute up to this one. Reads `requests` (operations.sql), writes `rate_limit`. The
-- limit is a variable: `--set requests_per_minute=100`.
--
-- Sample input:     101 requests of app-1 between         Expected output:  client | requests | at
--                   10:00:00 and 10:00:50                                   app-1  |      101 | 2026-01-01T10:00:50

CREATE STREAM IF NOT EXISTS rate_limit (client VARCHAR, requests BIGINT, at TIMESTAMP(3)) RETAIN INTERVAL '30' DAY;

CREATE QUERY IF NOT EXISTS rate_limit AS
INSERT INTO rate_limit
SELECT client, requests, ts
FROM (
    SELECT
        client, ts,
        count(*) OVER (PARTITION BY client ORDER BY ts RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW) AS requests
    FROM requests
)
WHERE requests > ${requests_per_minute} AND (requests - 1) % ${requests_per_minute} = 0;
