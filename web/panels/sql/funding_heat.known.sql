-- The newest predicted rate (of the two hours before) of each instrument that had been received by then, as a share of a year by its own interval.
-- Without a known interval there is no annual rate; a rate past its settlement or older than 15 minutes is marked.
WITH fromUnixTimestamp64Milli({known_ms:Int64}, 'UTC') AS known
SELECT
    f.venue AS venue, f.instrument AS instrument,
    if(i.underlying != '', upper(i.underlying), replaceRegexpOne(splitByChar('-', f.instrument)[1], '^10{3,}', '')) AS asset,
    toFloat64(f.rate) AS rate,
    coalesce(f.interval_seconds, i.funding_interval_seconds) AS interval_seconds,
    multiIf(f.interval_seconds IS NOT NULL, f.interval_source, i.funding_interval_seconds IS NOT NULL, 'reference', 'unknown') AS interval_source,
    if(interval_seconds > 0, rate * 86400 / interval_seconds * 365, NULL) AS apr,
    toUnixTimestamp64Milli(f.settles_at) AS settles_ms,
    toUnixTimestamp64Milli(f.recv_ts) AS recv_ms,
    multiIf(
        i.status IN ('halted', 'settling', 'delisted'), 'not trading',
        interval_seconds IS NULL, 'interval unknown',
        known > f.recv_ts + INTERVAL 15 MINUTE, 'rate stale',
        f.settles_at < f.event_ts - INTERVAL 1 MINUTE, 'settlement passed', '') AS refused
FROM
(
    SELECT
        venue, instrument, argMax(rate, place) AS rate, argMax(interval_seconds, place) AS interval_seconds,
        argMax(toString(interval_source), place) AS interval_source, argMax(settles_at, place) AS settles_at,
        max(row_event_ts) AS event_ts, max(row_recv_ts) AS recv_ts
    FROM
    (
        SELECT venue, instrument, rate, interval_seconds, interval_source, settles_at,
            event_ts AS row_event_ts, recv_ts AS row_recv_ts, (event_ts, recv_ts) AS place
        FROM landing.funding
        WHERE stage = 'predicted' AND recv_ts <= known AND event_ts > known - INTERVAL 2 HOUR AND event_ts <= known + INTERVAL 1 MINUTE
    )
    GROUP BY venue, instrument
) AS f
LEFT JOIN (SELECT * FROM ref.instruments FINAL) AS i ON i.venue = f.venue AND i.instrument = f.instrument
ORDER BY asset, venue, instrument
LIMIT 5000
SETTINGS join_use_nulls = 1
