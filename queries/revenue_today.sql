-- What has each country brought in so far today? For the big screen: a new figure every ten minutes, which grows until midnight.
--
-- A cumulating window: every ten minutes the day up to there. Reads `orders` (shop.sql), writes `revenue_today`.
--
-- Sample input:     order_id | country | amount | ts                     Expected output:  until               | country | orders | revenue
--                          1 | NO      |  99.90 | 2026-01-01T00:03:00                      2026-01-01T00:10:00 | NO      |      1 |   99.90
--                          2 | NO      |  10.10 | 2026-01-01T00:12:00                      2026-01-01T00:20:00 | NO      |      2 |  110.00

CREATE STREAM IF NOT EXISTS revenue_today (
    until TIMESTAMP(3),
    country VARCHAR,
    orders BIGINT,
    revenue DECIMAL(38, 2)
) RETAIN INTERVAL '90' DAY;

CREATE QUERY IF NOT EXISTS revenue_today AS
INSERT INTO revenue_today
SELECT window_end, country, count(*), sum(amount)
FROM TABLE(CUMULATE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, country;
