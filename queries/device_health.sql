-- How is each device doing, and which one has fallen silent? A row per device and minute; a device that was there a minute ago and says nothing now
-- is "silent".
--
-- Two windows side by side: this minute's readings, and those of the minute before. Reads `readings` (operations.sql), writes `device_health`.
--
-- Sample input:     device | temperature | ts                     Expected output:  minute              | device | state  | highest
--                   pump-1 |        61.0 | 2026-01-01T10:00:10                      2026-01-01T10:00:00 | pump-1 | well   |    61.0
--                   pump-1 |        95.0 | 2026-01-01T10:01:10                      2026-01-01T10:01:00 | pump-1 | hot    |    95.0
--                   (nothing more of pump-1)                                        2026-01-01T10:02:00 | pump-1 | silent |

CREATE STREAM IF NOT EXISTS device_health (
    minute TIMESTAMP(3),
    device VARCHAR,
    state VARCHAR,
    readings BIGINT,
    highest DOUBLE
) RETAIN INTERVAL '30' DAY;

CREATE QUERY IF NOT EXISTS device_health AS
INSERT INTO device_health
SELECT
    window_end - INTERVAL '1' MINUTE,
    device,
    CASE
        WHEN count(*) FILTER (WHERE ts >= window_end - INTERVAL '1' MINUTE) = 0 THEN 'silent'
        WHEN max(temperature) FILTER (WHERE ts >= window_end - INTERVAL '1' MINUTE) > 90 THEN 'hot'
        ELSE 'well'
    END,
    count(*) FILTER (WHERE ts >= window_end - INTERVAL '1' MINUTE),
    max(temperature) FILTER (WHERE ts >= window_end - INTERVAL '1' MINUTE)
FROM TABLE(HOP(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))
GROUP BY window_start, window_end, device;
