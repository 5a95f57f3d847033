-- Of the visitors of an hour, how many put something into the cart, and how many of those bought it? In which step do we lose them?
--
-- Distinct visitors per step and hour; a visitor counts for a step only when the step before was taken in the same hour. Reads `page_views`
-- (shop.sql), writes `checkout_funnel`.
--
-- Sample input:     visitor | action | ts                     Expected output:  hour                | visitors | carts | purchases
--                   v1      | view   | 2026-01-01T10:00:00                      2026-01-01T10:00:00 |        2 |     1 |         1
--                   v1      | cart   | 2026-01-01T10:01:00
--                   v1      | buy    | 2026-01-01T10:02:00
--                   v2      | view   | 2026-01-01T10:03:00

CREATE STREAM IF NOT EXISTS checkout_funnel (
    hour TIMESTAMP(3),
    visitors BIGINT,
    carts BIGINT,
    purchases BIGINT
) RETAIN INTERVAL '365' DAY;

CREATE QUERY IF NOT EXISTS checkout_funnel AS
INSERT INTO checkout_funnel
SELECT
    window_start,
    count(*),
    count(*) FILTER (WHERE carts > 0),
    count(*) FILTER (WHERE carts > 0 AND purchases > 0)
FROM (
    SELECT
        window_start, window_end, visitor,
        count(*) FILTER (WHERE action = 'cart') AS carts,
        count(*) FILTER (WHERE action = 'buy') AS purchases
    FROM TABLE(TUMBLE(TABLE page_views, DESCRIPTOR(ts), INTERVAL '1' HOUR))
    GROUP BY window_start, window_end, visitor
)
GROUP BY window_start, window_end;
