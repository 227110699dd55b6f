-- What each day of landing takes up, on the local disk (hot) and in the object store (cold).
SELECT
    toString(toDate(parseDateTimeBestEffortOrNull(partition))) AS day, if(disk_name = 'cold', 'cold', 'hot') AS tier,
    sum(bytes_on_disk) AS bytes, sum(rows) AS rows_held, count() AS parts
FROM system.parts
WHERE active AND database = 'landing' AND rows > 0
GROUP BY day, tier
HAVING day != ''
ORDER BY day DESC, tier
LIMIT 800
