SELECT * EXCLUDE (n) FROM bid QUALIFY row_number() OVER (PARTITION BY bidder, auction ORDER BY dateTime DESC, n) = 1
