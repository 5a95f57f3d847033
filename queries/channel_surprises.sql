-- Which channel brings suddenly more or fewer bids than it used to?
--
-- Every second the bids of each known channel go to a model of that channel; a row is written when the count is unusual. Reads `bid` (feed.sql),
-- writes `channel_surprises`.
--
-- Sample input:     a bid a second from Google for seven     Expected output:  window_end          | channel | bids
--                   minutes, then forty within a second                        2026-01-01T10:07:01 | Google  |   40

CREATE STREAM IF NOT EXISTS channel_surprises (
    window_end TIMESTAMP(3),
    channel VARCHAR,
    bids BIGINT,
    expected DOUBLE,
    low DOUBLE,
    high DOUBLE,
    grade DOUBLE
) RETAIN INTERVAL '7' DAY;

CREATE QUERY IF NOT EXISTS channel_surprises AS
INSERT INTO channel_surprises
SELECT window_end, channel, bids, (said).expected, (said).low, (said).high, (said).grade
FROM (
    SELECT window_end, channel, bids, anomaly(bids) OVER (PARTITION BY channel ORDER BY window_end) AS said
    FROM (
        SELECT window_end, channel, count(*) AS bids
        FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' SECOND))
        WHERE channel NOT LIKE 'channel-%'
        GROUP BY window_start, window_end, channel
    )
)
WHERE (said).grade > 0;
