SELECT * EXCLUDE (n), row_number() OVER (PARTITION BY auction ORDER BY price DESC, n) AS rank_number FROM bid QUALIFY rank_number <= 10
