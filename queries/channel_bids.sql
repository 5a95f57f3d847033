-- How many bids does each channel bring, and is that suddenly more or fewer than it used to be?
--
-- Every second the bids of each known channel, with what the channel's own model expected: a grade above 0 says that the number is unusual.
-- Reads `bid` (feed.sql), writes `channel_bids`.
--
-- Sample input:     a bid a second from Google for seven     Expected output:  window_end          | channel | bids | is_unusual
--                   minutes, then forty within a second                        2026-01-01T10:07:01 | Google  |   40 | true

CREATE STREAM IF NOT EXISTS channel_bids (
    window_end TIMESTAMP(3),
    channel VARCHAR,
    bids BIGINT,
    expected DOUBLE,
    low DOUBLE,
    high DOUBLE,
    grade DOUBLE,
    is_unusual BOOLEAN
) RETAIN INTERVAL '7' DAY;

CREATE QUERY IF NOT EXISTS channel_bids AS
INSERT INTO channel_bids
SELECT window_end, channel, bids, (said).expected, (said).low, (said).high, (said).grade, (said).grade > 0
FROM (
    SELECT window_end, channel, bids, anomaly(bids) OVER (PARTITION BY channel ORDER BY window_end) AS said
    FROM (
        SELECT window_end, channel, count(*) AS bids
        FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' SECOND))
        WHERE channel NOT LIKE 'channel-%'
        GROUP BY window_start, window_end, channel
    )
);
