-- Who is outbid a thousandfold within a tenth of a second?
--
-- A join of the stream with itself over an interval of event time: a bid is kept until the watermark is a tenth of a second past it.
-- Reads `bid` (feed.sql), writes `overbids`.
--
-- Sample input:     auction | bidder | price | dateTime                  Expected output:  auction | bidder | price | outbid_by | outbid_price
--                         7 |      1 |    10 | 2026-01-01T10:00:00.0                           7 |      1 |    10 |         2 |        10001
--                         7 |      2 | 10001 | 2026-01-01T10:00:00.1

CREATE STREAM IF NOT EXISTS overbids (
    auction BIGINT,
    bidder BIGINT,
    price BIGINT,
    outbid_by BIGINT,
    outbid_price BIGINT,
    outbid_at TIMESTAMP(3)
) RETAIN INTERVAL '7' DAY;

CREATE QUERY IF NOT EXISTS overbids AS
INSERT INTO overbids
SELECT A.auction, A.bidder, A.price, B.bidder, B.price, B.dateTime
FROM bid AS A
JOIN bid AS B
    ON A.auction = B.auction
    AND B.dateTime BETWEEN A.dateTime AND A.dateTime + INTERVAL '0.1' SECOND
WHERE A.bidder <> B.bidder AND B.price > 1000 * A.price;
