-- The streams of an operations room that queries beside this file read: requests to services, readings of devices.
--
-- Sample input:  {"client": "app-1", "service": "search", "status": 200, "duration_ms": 12.5, "ts": "2026-01-01T10:00:00.250"}   requests
--                {"device": "pump-1", "temperature": 61.5, "ts": "2026-01-01T10:00:00"}                                          readings

CREATE STREAM IF NOT EXISTS requests (
    client VARCHAR NOT NULL,
    service VARCHAR,
    status INT,
    duration_ms DOUBLE,
    ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) PARTITION BY (client) SHARDS 2 RETAIN INTERVAL '3' DAY;

CREATE STREAM IF NOT EXISTS readings (
    device VARCHAR NOT NULL,
    temperature DOUBLE,
    ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) PARTITION BY (device) RETAIN INTERVAL '30' DAY;
