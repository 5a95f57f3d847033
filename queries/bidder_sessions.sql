-- Who bids in bursts, how long does a burst last, and what does it come to?
--
-- A session is a run of bids by one bidder with no pause of more than a second; those of at least 20 bids are kept. Reads `bid`
-- (feed.sql), writes `bidder_sessions`.
--
-- Sample input:     20 bids of 10 by bidder 1, one every     Expected output:  bidder | session_start       | session_end           | bids | spent
--                   half second from 10:00:00 on                                   1 | 2026-01-01T10:00:00 | 2026-01-01T10:00:10.5 |   20 |   200

CREATE STREAM IF NOT EXISTS bidder_sessions (
    bidder BIGINT,
    session_start TIMESTAMP(3),
    session_end TIMESTAMP(3),
    bids BIGINT,
    auctions BIGINT,
    spent BIGINT
) RETAIN INTERVAL '7' DAY;

CREATE QUERY IF NOT EXISTS bidder_sessions AS
INSERT INTO bidder_sessions
SELECT
    bidder,
    SESSION_START(dateTime, INTERVAL '1' SECOND),
    SESSION_END(dateTime, INTERVAL '1' SECOND),
    count(*), count(DISTINCT auction), sum(price)
FROM bid
GROUP BY bidder, SESSION(dateTime, INTERVAL '1' SECOND)
HAVING count(*) >= 20;
