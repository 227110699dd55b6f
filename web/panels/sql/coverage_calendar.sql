-- Minutes of each day in which rows of a venue landed, by the loader's books, against the minutes of the day that had
-- passed; the gaps that begin on the day and are open, and those that no history can fill.
WITH
    toDateTime(intDiv({from_ms:Int64}, 1000), 'UTC') AS range_start, toDateTime(intDiv({to_ms:Int64}, 1000), 'UTC') AS range_end,
    inserts AS
    (
        SELECT writer, intDiv(toUnixTimestamp(min_event_ts), 60) AS first_minute, intDiv(toUnixTimestamp(max_event_ts), 60) AS last_minute
        FROM ops.intents
        WHERE stage = 'done' AND kind IN ('trade', 'quote', 'book', 'mark')
            AND max_event_ts >= toStartOfDay(range_start) AND min_event_ts < range_end
    ),
    minutes AS
    (
        SELECT replaceRegexpOne(writer, '^(feed|backfill)-', '') AS venue, toDate(toDateTime(number * 86400, 'UTC')) AS day,
            length(arrayDistinct(arrayFilter(minute -> minute * 60 < toUnixTimestamp(range_end), arrayFlatten(groupArray(held))))) AS covered
        FROM
        (
            -- Most inserts lie within one minute: only the others are spread out.
            SELECT writer, intDiv(first_minute, 1440) AS number, groupUniqArray(first_minute) AS held FROM inserts GROUP BY writer, number
            UNION ALL
            SELECT writer, intDiv(minute, 1440) AS number, groupUniqArray(minute) AS held
            FROM (SELECT writer, arrayJoin(range(first_minute + 1, least(last_minute, first_minute + 1440) + 1)) AS minute FROM inserts WHERE last_minute > first_minute)
            GROUP BY writer, number
        )
        GROUP BY venue, day
    ),
    gaps AS
    (
        SELECT venue, toDate(coalesce(from_ts, event_ts)) AS day, countIf(state = 'open') AS open, countIf(state = 'unrecoverable') AS lost
        FROM ops.gaps
        WHERE coalesce(from_ts, event_ts) >= toStartOfDay(range_start) AND coalesce(from_ts, event_ts) < range_end
        GROUP BY venue, day
        HAVING open + lost > 0
    )
SELECT
    venue, toString(day) AS day, minutes.covered AS covered,
    greatest(1, dateDiff('minute', toDateTime(day, 'UTC'), least(toDateTime(day, 'UTC') + INTERVAL 1 DAY, now('UTC')))) AS expected,
    least(1, minutes.covered / expected) AS coverage, gaps.open AS gaps, gaps.lost AS lost
FROM minutes
FULL OUTER JOIN gaps USING (venue, day)
ORDER BY venue, day
SETTINGS join_use_nulls = 0
