-- Which auctions draw the most bids right now, and what is offered for them?
--
-- Every two seconds a row per auction that had at least 25 bids. Reads `bid` (feed.sql), writes `auction_dashboard`.
--
-- Sample input:     25 bids for auction 7 by 5 bidders within     Expected output:  window_start        | auction | bids | bidders | highest | total
--                   two seconds, from 101 up to 125                                2026-01-01T10:00:00 |       7 |   25 |       5 |     125 |  2825

CREATE STREAM IF NOT EXISTS auction_dashboard (
    window_start TIMESTAMP(3),
    window_end TIMESTAMP(3),
    auction BIGINT,
    bids BIGINT,
    bidders BIGINT,
    highest BIGINT,
    total BIGINT
) RETAIN INTERVAL '7' DAY;

CREATE QUERY IF NOT EXISTS auction_dashboard AS
INSERT INTO auction_dashboard
SELECT window_start, window_end, auction, count(*), count(DISTINCT bidder), max(price), sum(price)
FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND))
GROUP BY window_start, window_end, auction
HAVING count(*) >= 25;
