-- The newest predicted rate of each instrument as a share of a year by its own interval.
-- Without a known interval there is no annual rate; a rate past its settlement or older than 15 minutes is marked.
WITH now64(3, 'UTC') AS known
SELECT
    f.venue AS venue, f.instrument AS instrument,
    if(i.underlying != '', upper(i.underlying), replaceRegexpOne(splitByChar('-', f.instrument)[1], '^10{3,}', '')) AS asset,
    toFloat64(f.rate) AS rate,
    coalesce(f.interval_seconds, i.funding_interval_seconds) AS interval_seconds,
    multiIf(f.interval_seconds IS NOT NULL, toString(f.interval_source), i.funding_interval_seconds IS NOT NULL, 'reference', 'unknown') AS interval_source,
    if(interval_seconds > 0, rate * 86400 / interval_seconds * 365, NULL) AS apr,
    toUnixTimestamp64Milli(f.settles_at) AS settles_ms,
    toUnixTimestamp64Milli(f.recv_ts) AS recv_ms,
    multiIf(
        i.status IN ('halted', 'settling', 'delisted'), 'not trading',
        interval_seconds IS NULL, 'interval unknown',
        known > f.recv_ts + INTERVAL 15 MINUTE, 'rate stale',
        f.settles_at < f.event_ts - INTERVAL 1 MINUTE, 'settlement passed', '') AS refused
FROM (SELECT * FROM marts.funding_newest FINAL WHERE stage = 'predicted') AS f
LEFT JOIN (SELECT * FROM ref.instruments FINAL) AS i ON i.venue = f.venue AND i.instrument = f.instrument
ORDER BY asset, venue, instrument
LIMIT 5000
SETTINGS join_use_nulls = 1
