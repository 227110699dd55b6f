-- How much could be traded at the end of the range within so many basis points of the middle, on both sides of the perpetual's
-- book and of its spot's: the newest snapshot or checkpoint of the quarter of an hour before, and what changed since. Values are in
-- the quote currency; NULL beyond the farthest level that is known.
WITH
    fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS moment, moment - INTERVAL 15 MINUTE AS earliest,
    legs AS
    (
        SELECT {venue:String} AS venue, {instrument:String} AS instrument
        UNION DISTINCT
        SELECT spot_venue, spot_instrument FROM ref.pairs WHERE venue = {venue:String} AND instrument = {instrument:String}
    ),
    bases AS
    (
        SELECT venue, instrument, max((epoch, counter)) AS place, argMax((writer, book_epoch, channel), (epoch, counter)) AS stretch
        FROM landing.book
        WHERE (venue, instrument) IN (SELECT venue, instrument FROM legs) AND action != 'delta' AND event_ts > earliest AND event_ts <= moment
        GROUP BY venue, instrument
    ),
    levels AS
    (
        SELECT
            venue, instrument, side, toFloat64(price_key) / 1e18 AS price, argMax(quantity, (counter, place)) AS quantity, any(unit) AS unit
        FROM
        (
            SELECT
                b.venue AS venue, b.instrument AS instrument, b.counter AS counter, toString(b.quantity_unit) AS unit,
                arrayJoin(arrayConcat(
                    arrayMap((p, q, i) -> ('bid', p, q, i), b.bid_prices, b.bid_quantities, arrayEnumerate(b.bid_prices)),
                    arrayMap((p, q, i) -> ('ask', p, q, i), b.ask_prices, b.ask_quantities, arrayEnumerate(b.ask_prices)))) AS level,
                level.1 AS side, level.4 AS place,
                -- One key for a price, whatever exponent its row has.
                toInt128(level.2) * toInt128(intExp10(b.price_exponent + 18)) AS price_key,
                toFloat64(level.3) * exp10(b.quantity_exponent) AS quantity
            FROM
            (
                SELECT * FROM landing.book
                WHERE (venue, instrument) IN (SELECT venue, instrument FROM legs) AND event_ts > earliest AND event_ts <= moment
            ) AS b
            INNER JOIN bases ON bases.venue = b.venue AND bases.instrument = b.instrument
            WHERE b.epoch = bases.place.1 AND b.counter >= bases.place.2 AND (b.writer, b.book_epoch, b.channel) = bases.stretch
                -- A number that fits no mantissa has the smallest one in its place.
                AND level.2 > -9223372036854775808 AND level.3 > -9223372036854775808
        )
        GROUP BY venue, instrument, side, price_key
        HAVING quantity > 0
    ),
    middles AS
    (
        SELECT venue, instrument, (maxIf(price, side = 'bid') + minIf(price, side = 'ask')) / 2 AS middle
        FROM levels GROUP BY venue, instrument HAVING countIf(side = 'bid') > 0 AND countIf(side = 'ask') > 0
    )
SELECT
    l.venue AS venue, l.instrument AS instrument, l.side AS side, steps.within_bps AS within_bps,
    max(abs(l.price - m.middle) / m.middle * 10000) AS reach_bps,
    if(within_bps <= reach_bps AND count(l.value) > 0, coalesce(sumIf(l.value, abs(l.price - m.middle) / m.middle * 10000 <= within_bps), 0), NULL) AS value,
    any(m.middle) AS middle, count() AS level_count, splitByChar('-', l.instrument)[2] AS currency
FROM
(
    SELECT
        levels.venue AS venue, levels.instrument AS instrument, levels.side AS side, levels.price AS price,
        multiIf(
            unit = 'base', quantity * price, unit = 'quote', quantity,
            i.contract_size > 0 AND i.contract_size_unit = i.quote, quantity * toFloat64(i.contract_size),
            i.contract_size > 0, quantity * toFloat64(i.contract_size) * price, NULL) AS value
    FROM levels
    LEFT JOIN (SELECT * FROM ref.instruments FINAL) AS i ON i.venue = levels.venue AND i.instrument = levels.instrument
) AS l
INNER JOIN middles AS m ON m.venue = l.venue AND m.instrument = l.instrument
CROSS JOIN (SELECT arrayJoin([1., 2., 5., 10., 20., 50., 100., 200.]) AS within_bps) AS steps
GROUP BY venue, instrument, side, within_bps
ORDER BY venue, instrument, side, within_bps
SETTINGS join_use_nulls = 1
