SELECT
    auction, strftime(dateTime, '%Y-%m-%d'),
    count(*),
    count(*) FILTER (WHERE price < 10000),
    count(*) FILTER (WHERE price >= 10000 AND price < 1000000),
    count(*) FILTER (WHERE price >= 1000000),
    min(price), max(price), CAST(sum(price) // count(*) AS BIGINT), CAST(sum(price) AS BIGINT)
FROM bid
GROUP BY ALL
