-- Is this machine suddenly busier than it was a moment ago?
--
-- Every second, over the last five seconds: a spike is a reading of the processors' load that stands out from the window's own
-- average by more than one and a half standard deviations, and is not small in itself; load that stays high is no spike but
-- "busy". Reads `system` (feed.sql), writes `load_spikes`.
--
-- Sample input:     cpu 5, 6, 95 and 5, a quarter of a second apart     Expected output:  window_end          | state | cpu_highest | cpu_average
--                                                                                         2026-01-01T10:00:01 | spike |          95 |        27.8

CREATE STREAM IF NOT EXISTS load_spikes (
    window_end TIMESTAMP(3),
    state VARCHAR,
    cpu_highest DOUBLE,
    cpu_average DOUBLE,
    memory_used_percent DOUBLE,
    load1 DOUBLE
) RETAIN INTERVAL '7' DAY;

CREATE QUERY IF NOT EXISTS load_spikes AS
INSERT INTO load_spikes
SELECT
    window_end,
    CASE
        WHEN max(cpu) >= 30 AND max(cpu) > avg(cpu) + 1.5 * stddev_pop(cpu) THEN 'spike'
        WHEN avg(cpu) >= 80 THEN 'busy'
        ELSE 'calm'
    END,
    round(max(cpu), 1),
    round(avg(cpu), 1),
    round(max(100.0 * memory_used / memory_total), 1),
    max(load1)
FROM TABLE(HOP(TABLE system, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '5' SECOND))
GROUP BY window_start, window_end;
