SELECT P.id, P.name, P.start
FROM (SELECT DISTINCT id, name, time_bucket(INTERVAL 10 SECOND, dateTime) AS start FROM person) P
JOIN (SELECT DISTINCT seller, time_bucket(INTERVAL 10 SECOND, dateTime) AS start FROM auction) A
ON P.id = A.seller AND P.start = A.start
