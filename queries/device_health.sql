-- How is each device doing, and which one has fallen silent? A row per device and minute, over the last two minutes: a device that was heard of in the
-- minute before and not in this one is "silent".
--
-- A hopping window of two minutes, every minute; what is asked of the last reading's time is asked of the window's result. Reads `readings`
-- (operations.sql), writes `device_health`.
--
-- Sample input:     device | temperature | ts                     Expected output:  until               | device | state  | highest
--                   pump-1 |        61.0 | 2026-01-01T10:00:10                      2026-01-01T10:01:00 | pump-1 | well   |    61.0
--                   pump-1 |        95.0 | 2026-01-01T10:01:10                      2026-01-01T10:02:00 | pump-1 | hot    |    95.0
--                   (nothing more of pump-1)                                        2026-01-01T10:03:00 | pump-1 | silent |    95.0

CREATE STREAM IF NOT EXISTS device_health (
    until TIMESTAMP(3),
    device VARCHAR,
    state VARCHAR,
    readings BIGINT,
    highest DOUBLE,
    last_reading TIMESTAMP(3)
) RETAIN INTERVAL '30' DAY;

CREATE QUERY IF NOT EXISTS device_health AS
INSERT INTO device_health
SELECT
    window_end,
    device,
    CASE
        WHEN max(ts) < window_end - INTERVAL '1' MINUTE THEN 'silent'
        WHEN max(temperature) > 90 THEN 'hot'
        ELSE 'well'
    END,
    count(*),
    max(temperature),
    max(ts)
FROM TABLE(HOP(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))
GROUP BY window_start, window_end, device;
