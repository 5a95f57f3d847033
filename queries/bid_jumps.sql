-- Which auctions does somebody drive up? At least two cheap bids in a row, then a bid a hundred times as high, all within
-- ten seconds: the shape of a shill bidder, and of a fraud rule on payments.
--
-- The search goes on behind a match. Reads `bid` (feed.sql), writes `bid_jumps`.
--
-- Sample input:     auction | price  | dateTime                Expected output:  auction | cheap_bids | cheapest | jump
--                         7 |    100 | 2026-01-01T10:00:00                             7 |          2 |      100 | 500000
--                         7 |    120 | 2026-01-01T10:00:01
--                         7 | 500000 | 2026-01-01T10:00:02

CREATE STREAM IF NOT EXISTS bid_jumps (
    auction BIGINT,
    cheap_bids BIGINT,
    cheapest BIGINT,
    jump BIGINT,
    first_at TIMESTAMP(3),
    jump_at TIMESTAMP(3)
) RETAIN INTERVAL '7' DAY;

CREATE QUERY IF NOT EXISTS bid_jumps AS
INSERT INTO bid_jumps
SELECT auction, cheap_bids, cheapest, jump, first_at, jump_at
FROM bid MATCH_RECOGNIZE (
    PARTITION BY auction
    ORDER BY dateTime
    MEASURES
        COUNT(CHEAP.price) AS cheap_bids, MIN(CHEAP.price) AS cheapest, HIGH.price AS jump,
        FIRST(CHEAP.dateTime) AS first_at, HIGH.dateTime AS jump_at
    ONE ROW PER MATCH
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (CHEAP{2,} HIGH) WITHIN INTERVAL '10' SECOND
    DEFINE
        CHEAP AS CHEAP.price < 100000,
        HIGH AS HIGH.price > 100 * LAST(CHEAP.price)
);
