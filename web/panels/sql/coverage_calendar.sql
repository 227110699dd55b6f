-- Minutes of each day in which rows of a venue landed, by the loader's books, against the minutes of the day that had
-- passed; and the gaps that begin on the day and are not filled.
WITH
    toDateTime(intDiv({from_ms:Int64}, 1000), 'UTC') AS range_start, toDateTime(intDiv({to_ms:Int64}, 1000), 'UTC') AS range_end,
    minutes AS
    (
        SELECT replaceRegexpOne(writer, '^(feed|backfill)-', '') AS venue, toDate(minute) AS day, uniqExact(minute) AS covered
        FROM
        (
            SELECT writer, arrayJoin(arrayMap(
                offset -> toStartOfMinute(toDateTime(min_event_ts, 'UTC')) + toIntervalMinute(offset),
                range(least(1440, toUInt64(dateDiff('minute', min_event_ts, max_event_ts) + 1))))) AS minute
            FROM ops.intents
            WHERE stage = 'done' AND kind IN ('trade', 'quote', 'book', 'mark') AND max_event_ts >= range_start AND min_event_ts < range_end
            GROUP BY writer, min_event_ts, max_event_ts
        )
        WHERE minute >= toStartOfDay(range_start) AND minute < range_end
        GROUP BY venue, day
    )
SELECT
    venue, toString(day) AS day, covered,
    greatest(1, dateDiff('minute', toDateTime(day, 'UTC'), least(toDateTime(day, 'UTC') + INTERVAL 1 DAY, now('UTC')))) AS expected,
    least(1, covered / expected) AS coverage, coalesce(gaps.count, 0) AS gaps
FROM minutes
LEFT JOIN
(
    SELECT venue, toDate(coalesce(from_ts, event_ts)) AS day, count() AS count FROM ops.gaps WHERE state != 'filled' GROUP BY venue, day
) AS gaps USING (venue, day)
ORDER BY venue, day
