-- The same from the quotes that had been received by then: seconds in which the perpetual was quoted, spot at most 5 s old.
WITH
    (
        SELECT (spot_venue, spot_instrument, toFloat64(multiplier), toFloat64(spot_multiplier)) FROM ref.pairs
        WHERE venue = {venue:String} AND instrument = {instrument:String}
    ) AS pair,
    fromUnixTimestamp64Milli({known_ms:Int64}, 'UTC') AS known,
    fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AS range_start, fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS range_end
SELECT
    at_ms, basis_bps, lowest_bps, highest_bps, seconds, mean_bps, deviation_bps,
    if(deviation_bps > 0, (basis_bps - mean_bps) / deviation_bps, NULL) AS z
FROM
(
    SELECT
        toUnixTimestamp(step) * 1000 AS at_ms, basis_bps, lowest_bps, highest_bps, seconds,
        avg(basis_bps) OVER window AS mean_bps,
        if(count(basis_bps) OVER window >= 20, stddevSamp(basis_bps) OVER window, NULL) AS deviation_bps
    FROM
    (
        SELECT
            toStartOfInterval(ts, toIntervalSecond({step_s:UInt32})) AS step,
            avg(bps) AS basis_bps, min(bps) AS lowest_bps, max(bps) AS highest_bps, count(bps) AS seconds
        FROM
        (
        SELECT perp.ts AS ts,
            if(spot.mid > 0 AND dateDiff('second', spot.ts, perp.ts) <= 5, (perp.mid - spot.mid) / spot.mid * 10000, NULL) AS bps
        FROM
        (
            SELECT 1 AS one, toDateTime(event_ts, 'UTC') AS ts,
                argMax((toFloat64(bid_price) + toFloat64(ask_price)) / 2, (event_ts, recv_ts)) / pair.3 AS mid
            FROM landing.quote
            WHERE venue = {venue:String} AND instrument = {instrument:String}
                AND event_ts >= range_start AND event_ts < range_end AND recv_ts <= known
            GROUP BY ts
        ) AS perp
        ASOF LEFT JOIN
        (
            SELECT 1 AS one, toDateTime(event_ts, 'UTC') AS ts,
                argMax((toFloat64(bid_price) + toFloat64(ask_price)) / 2, (event_ts, recv_ts)) / pair.4 AS mid
            FROM landing.quote
            WHERE venue = pair.1 AND instrument = pair.2
                AND event_ts >= range_start - INTERVAL 5 SECOND AND event_ts < range_end AND recv_ts <= known
            GROUP BY ts
        ) AS spot ON perp.one = spot.one AND perp.ts >= spot.ts
        )
        GROUP BY step
    )
    WINDOW window AS (ORDER BY step ASC ROWS BETWEEN 119 PRECEDING AND CURRENT ROW)
)
ORDER BY at_ms
