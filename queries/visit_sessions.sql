-- How long do visitors stay, how much do they look at, and do they leave after one page?
--
-- A session ends after half an hour without a page view. Reads `page_views` (shop.sql), writes `visit_sessions`.
--
-- Sample input:     visitor | page | ts                     Expected output:  visitor | session_start       | pages | minutes | bounced
--                   v1      | /    | 2026-01-01T10:00:00                      v1      | 2026-01-01T10:00:00 |     2 |       4 | false
--                   v1      | /a   | 2026-01-01T10:04:00                      v2      | 2026-01-01T10:01:00 |     1 |       0 | true
--                   v2      | /    | 2026-01-01T10:01:00

CREATE STREAM IF NOT EXISTS visit_sessions (
    visitor VARCHAR,
    session_start TIMESTAMP(3),
    session_end TIMESTAMP(3),
    pages BIGINT,
    minutes BIGINT,
    bounced BOOLEAN
) RETAIN INTERVAL '90' DAY;

CREATE QUERY IF NOT EXISTS visit_sessions AS
INSERT INTO visit_sessions
SELECT
    visitor,
    SESSION_START(ts, INTERVAL '30' MINUTE),
    max(ts),
    count(*),
    TIMESTAMPDIFF(MINUTE, min(ts), max(ts)),
    count(*) = 1
FROM page_views
GROUP BY visitor, SESSION(ts, INTERVAL '30' MINUTE);
