WITH slices AS (
    SELECT auction, time_bucket(INTERVAL 2 SECOND, dateTime) AS slice, count(*) AS num FROM bid GROUP BY ALL
), counts AS (
    SELECT auction, slice - step * INTERVAL 2 SECOND AS starttime, CAST(sum(num) AS BIGINT) AS num
    FROM slices, range(5) AS steps(step)
    GROUP BY ALL
)
SELECT auction, num FROM counts QUALIFY num = max(num) OVER (PARTITION BY starttime)
