SELECT B.auction, B.price, B.bidder, B.dateTime, B.extra
FROM bid B JOIN (
    SELECT max(price) AS highest, time_bucket(INTERVAL 10 SECOND, dateTime) AS start FROM bid GROUP BY ALL
) W
ON B.price = W.highest AND B.dateTime BETWEEN W.start AND W.start + INTERVAL 10 SECOND
