-- Predicted against settled: the rate that the venue predicted in each step, and what it settled at.
WITH
    fromUnixTimestamp64Milli({known_ms:Int64}, 'UTC') AS known,
    (
        SELECT any(funding_interval_seconds) FROM ref.instruments FINAL WHERE venue = {venue:String} AND instrument = {instrument:String}
    ) AS stated
SELECT
    toUnixTimestamp(toStartOfInterval(toDateTime(event_ts, 'UTC'), toIntervalSecond({step_s:UInt32}))) * 1000 AS at_ms,
    argMaxIf(toFloat64(rate), (event_ts, recv_ts), stage = 'predicted') AS predicted_value,
    argMaxIf(toFloat64(rate), (event_ts, recv_ts), stage = 'settled') AS settled_value,
    if(countIf(stage = 'predicted' AND rate IS NOT NULL) > 0, predicted_value, NULL) AS predicted,
    if(countIf(stage = 'settled' AND rate IS NOT NULL) > 0, settled_value, NULL) AS settled,
    argMax(coalesce(interval_seconds, stated), (event_ts, recv_ts)) AS interval_s,
    if(interval_s > 0, predicted * 86400 / interval_s * 365, NULL) AS predicted_apr,
    if(interval_s > 0, settled * 86400 / interval_s * 365, NULL) AS settled_apr,
    count() AS rows_seen
FROM landing.funding
WHERE venue = {venue:String} AND instrument = {instrument:String} AND recv_ts <= known
    AND event_ts >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND event_ts < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
GROUP BY at_ms
ORDER BY at_ms
