-- Which three auctions drew the most bids in each two seconds?
--
-- A window top-N: three rows when the window closes, never taken back. Reads `bid` (feed.sql), writes `hottest_auctions`.

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
