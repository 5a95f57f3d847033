SELECT
    CAST(seller AS VARCHAR),
    CAST(trunc(avg(price) OVER (PARTITION BY seller ORDER BY dateTime ROWS BETWEEN 10 PRECEDING AND CURRENT ROW)) AS BIGINT)
FROM (
    SELECT A.seller, B.price, B.dateTime
    FROM auction A JOIN bid B ON A.id = B.auction
    WHERE B.dateTime BETWEEN A.dateTime AND A.expires
    QUALIFY row_number() OVER (PARTITION BY A.id ORDER BY B.price DESC, B.n) = 1
)
