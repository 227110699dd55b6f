-- Rows made queryable per second, by kind, as the loader's books say.
SELECT
    toUnixTimestamp(toStartOfInterval(toDateTime(written_at, 'UTC'), toIntervalSecond({step_s:UInt32}))) * 1000 AS at_ms, kind,
    sum(rows) / {step_s:UInt32} AS rows_per_second, count() AS inserts
FROM ops.intents
WHERE stage = 'done'
    AND written_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND written_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
GROUP BY at_ms, kind
ORDER BY at_ms, kind
