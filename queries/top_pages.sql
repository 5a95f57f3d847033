-- Which three pages are looked at most right now? Over the last five minutes, every minute.
--
-- A window top-N over a hopping window: three rows when a window closes, never taken back; pages with as many views are told apart by their name.
-- Reads `page_views` (shop.sql), writes `top_pages`.
--
-- Sample input:     visitor | page | ts                     Expected output:  until               | place | page | views
--                   v1      | /a   | 2026-01-01T10:00:10                      2026-01-01T10:01:00 |     1 | /a   |     2
--                   v2      | /a   | 2026-01-01T10:00:20                      2026-01-01T10:01:00 |     2 | /b   |     1
--                   v1      | /b   | 2026-01-01T10:00:30                      ... and for the four windows after it

CREATE STREAM IF NOT EXISTS top_pages (
    until TIMESTAMP(3),
    place BIGINT,
    page VARCHAR,
    views BIGINT
) RETAIN INTERVAL '7' DAY;

CREATE QUERY IF NOT EXISTS top_pages AS
INSERT INTO top_pages
SELECT window_end, place, page, views
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY views DESC, page) AS place
    FROM (
        SELECT window_start, window_end, page, count(*) AS views
        FROM TABLE(HOP(TABLE page_views, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE))
        GROUP BY window_start, window_end, page
    )
)
WHERE place <= 3;
