-- Which three auctions drew the most bids in each two seconds?
--
-- A window top-N: three rows when the window closes, never taken back. Reads `bid` (feed.sql), writes `hottest_auctions`.
--
-- Sample input:     auction | price | dateTime                Expected output:  window_start        | place | auction | bids | highest
--                         9 |    10 | 2026-01-01T10:00:00                      2026-01-01T10:00:00 |     1 |       9 |    2 |      11
--                         9 |    11 | 2026-01-01T10:00:01                      2026-01-01T10:00:00 |     2 |       2 |    1 |      20
--                         2 |    20 | 2026-01-01T10:00:00

CREATE STREAM IF NOT EXISTS hottest_auctions (
    window_start TIMESTAMP(3),
    place BIGINT,
    auction BIGINT,
    bids BIGINT,
    highest BIGINT
) RETAIN INTERVAL '7' DAY;

CREATE QUERY IF NOT EXISTS hottest_auctions AS
INSERT INTO hottest_auctions
SELECT window_start, place, auction, bids, highest
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY bids DESC, auction) AS place
    FROM (
        SELECT window_start, window_end, auction, count(*) AS bids, max(price) AS highest
        FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND))
        GROUP BY window_start, window_end, auction
    )
)
WHERE place <= 3;
