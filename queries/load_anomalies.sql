-- How busy is this machine, beside what was to be expected of it, and is that unusual?
--
-- Every second the processors' load with what ANOMALY expects from the load so far: the expected value, the range that would not be rare, and a
-- grade above 0 when it is. Nothing has to be chosen for it. `\plot cpu` of the output draws load, range and marks. Reads `system` (feed.sql),
-- writes `load_anomalies`.
--
-- Sample input:     two minutes of readings of about 10,     Expected output:  window_end          | cpu | is_unusual
--                   then one of 95                                             2026-01-01T10:02:01 |  95 | true

CREATE STREAM IF NOT EXISTS load_anomalies (
    window_end TIMESTAMP(3),
    cpu DOUBLE,
    expected DOUBLE,
    low DOUBLE,
    high DOUBLE,
    grade DOUBLE,
    is_unusual BOOLEAN
) RETAIN INTERVAL '7' DAY;

CREATE QUERY IF NOT EXISTS load_anomalies AS
INSERT INTO load_anomalies
SELECT window_end, cpu, (said).expected, (said).low, (said).high, (said).grade, (said).grade > 0
FROM (
    SELECT window_end, cpu, anomaly(cpu) OVER (ORDER BY window_end) AS said
    FROM (
        SELECT window_end, round(avg(cpu), 1) AS cpu
        FROM TABLE(TUMBLE(TABLE system, DESCRIPTOR(ts), INTERVAL '1' SECOND))
        GROUP BY window_start, window_end
    )
);
