-- Is somebody trying out a stolen card? Two or more payments of at most two, and then, within ten minutes of the first, one of at least 500.
--
-- A row pattern per card; the search goes on behind a match. Reads `payments` (shop.sql), writes `card_fraud`.
--
-- Sample input:     card | amount | ts                     Expected output:  card | tries | amount | first_at            | at
--                   4711 |   1.00 | 2026-01-01T10:00:00                      4711 |     2 | 900.00 | 2026-01-01T10:00:00 | 2026-01-01T10:03:00
--                   4711 |   1.50 | 2026-01-01T10:01:00
--                   4711 | 900.00 | 2026-01-01T10:03:00

CREATE STREAM IF NOT EXISTS card_fraud (
    card VARCHAR,
    tries BIGINT,
    amount DECIMAL(12, 2),
    first_at TIMESTAMP(3),
    at TIMESTAMP(3)
) RETAIN INTERVAL '365' DAY;

CREATE QUERY IF NOT EXISTS card_fraud AS
INSERT INTO card_fraud
SELECT card, tries, amount, first_at, at
FROM payments MATCH_RECOGNIZE (
    PARTITION BY card
    ORDER BY ts
    MEASURES COUNT(TRY.amount) AS tries, HIT.amount AS amount, FIRST(TRY.ts) AS first_at, HIT.ts AS at
    ONE ROW PER MATCH
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (TRY{2,} HIT) WITHIN INTERVAL '10' MINUTE
    DEFINE
        TRY AS TRY.amount <= 2,
        HIT AS HIT.amount >= 500
);
