-- What a short position of one unit of the underlying received at each settlement, in the currency it is paid in: the
-- settled rate where the venue stated one, else its last prediction before the settlement.
WITH
    fromUnixTimestamp64Milli({known_ms:Int64}, 'UTC') AS known,
    (
        SELECT (any(payoff) = 'inverse', any(settle)) FROM ref.instruments FINAL WHERE venue = {venue:String} AND instrument = {instrument:String}
    ) AS terms
SELECT
    toUnixTimestamp64Milli(settlement) AS at_ms, rate, basis_of_rate, mark, cash, currency,
    sum(cash) OVER (ORDER BY settlement ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS carried
FROM
(
    SELECT
        settles_at AS settlement,
        if(countIf(stage = 'settled') > 0, 'settled', 'last prediction') AS basis_of_rate,
        argMax(toFloat64(f.rate), (stage = 'settled', event_ts, recv_ts)) AS rate,
        (
            -- An inverse contract of one unit's worth pays in coin: the price cancels.
            if(terms.1, 1, coalesce(argMaxIf(toFloat64(f.mark_price), (event_ts, recv_ts), f.mark_price IS NOT NULL),
                argMax(toFloat64(m.mark), event_ts)))
        ) AS mark,
        rate * mark AS cash,
        if(terms.2 != '', terms.2, splitByChar('-', {instrument:String})[3]) AS currency
    FROM
    (
        SELECT * FROM landing.funding
        WHERE venue = {venue:String} AND instrument = {instrument:String} AND recv_ts <= known
            AND settles_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND settles_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
            AND event_ts >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') - INTERVAL 1 DAY AND event_ts < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') + INTERVAL 1 DAY
            AND (stage = 'settled' OR event_ts < settles_at) AND rate IS NOT NULL
    ) AS f
    ASOF LEFT JOIN
    (
        SELECT venue, instrument, event_ts AS ts, mark_price AS mark FROM landing.mark
        WHERE venue = {venue:String} AND instrument = {instrument:String} AND recv_ts <= known
            AND event_ts >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') - INTERVAL 1 DAY AND event_ts < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') + INTERVAL 1 DAY
    ) AS m ON f.venue = m.venue AND f.instrument = m.instrument AND f.event_ts >= m.ts
    GROUP BY settlement
)
WHERE settlement <= known
ORDER BY settlement
SETTINGS join_use_nulls = 1
