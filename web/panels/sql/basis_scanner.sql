-- Every perpetual against its spot at the best prices of both sides: what crossing both spreads and the
-- takers' fees of the way in leave, and how much there is at these prices. `direction` names the side of the perpetual.
WITH
    fees AS (SELECT exchange, market, argMax(taker_bps, since) AS taker_bps FROM ref.fees FINAL GROUP BY exchange, market),
    quotes AS
    (
        SELECT
            q.venue AS venue, q.instrument AS instrument, toFloat64(q.bid_price) AS bid, toFloat64(q.ask_price) AS ask,
            multiIf(
                q.quantity_unit = 'base', toFloat64(q.bid_quantity) * bid,
                q.quantity_unit = 'quote', toFloat64(q.bid_quantity),
                i.contract_size > 0 AND i.contract_size_unit = i.quote, toFloat64(q.bid_quantity) * toFloat64(i.contract_size),
                i.contract_size > 0, toFloat64(q.bid_quantity) * toFloat64(i.contract_size) * bid, NULL) AS bid_value,
            multiIf(
                q.quantity_unit = 'base', toFloat64(q.ask_quantity) * ask,
                q.quantity_unit = 'quote', toFloat64(q.ask_quantity),
                i.contract_size > 0 AND i.contract_size_unit = i.quote, toFloat64(q.ask_quantity) * toFloat64(i.contract_size),
                i.contract_size > 0, toFloat64(q.ask_quantity) * toFloat64(i.contract_size) * ask, NULL) AS ask_value,
            toUnixTimestamp64Milli(q.recv_ts) AS recv_ms
        FROM (SELECT * FROM marts.quote_newest FINAL) AS q
        LEFT JOIN (SELECT * FROM ref.instruments FINAL) AS i ON q.venue = i.venue AND q.instrument = i.instrument
        SETTINGS join_use_nulls = 1
    ),
    course AS
    (
        SELECT venue, instrument, avg(basis_bps) AS mean_bps, stddevSamp(basis_bps) AS deviation_bps, count(basis_bps) AS known
        FROM marts.basis_1s FINAL
        WHERE ts >= toDateTime(intDiv({to_ms:Int64}, 1000), 'UTC') - INTERVAL 1 HOUR AND ts < toDateTime(intDiv({to_ms:Int64}, 1000), 'UTC')
        GROUP BY venue, instrument
    )
SELECT
    pair.venue AS venue, pair.instrument AS instrument, pair.spot_venue AS spot_venue, pair.spot_instrument AS spot_instrument,
    (perp.bid + perp.ask) / 2 / toFloat64(pair.multiplier) AS perp_mid,
    (spot.bid + spot.ask) / 2 / toFloat64(pair.spot_multiplier) AS spot_mid,
    (perp_mid - spot_mid) / spot_mid * 10000 AS basis_bps,
    (perp.bid / toFloat64(pair.multiplier) - spot.ask / toFloat64(pair.spot_multiplier)) / (spot.ask / toFloat64(pair.spot_multiplier)) * 10000 AS sell_bps,
    (spot.bid / toFloat64(pair.spot_multiplier) - perp.ask / toFloat64(pair.multiplier)) / (spot.bid / toFloat64(pair.spot_multiplier)) * 10000 AS buy_bps,
    if(sell_bps >= buy_bps, 'sell', 'buy') AS direction,
    perp_fee.taker_bps + spot_fee.taker_bps AS fees_bps,
    greatest(sell_bps, buy_bps) - fees_bps AS net_bps,
    if(direction = 'sell', least(perp.bid_value, spot.ask_value), least(perp.ask_value, spot.bid_value)) AS depth_value,
    splitByChar('-', pair.instrument)[2] AS value_currency,
    if(course.deviation_bps > 0 AND course.known >= 60, (basis_bps - course.mean_bps) / course.deviation_bps, NULL) AS z,
    course.known / 3600 AS coverage,
    least(perp.recv_ms, spot.recv_ms) AS recv_ms
FROM ref.pairs AS pair
LEFT JOIN quotes AS perp ON perp.venue = pair.venue AND perp.instrument = pair.instrument
LEFT JOIN quotes AS spot ON spot.venue = pair.spot_venue AND spot.instrument = pair.spot_instrument
LEFT JOIN fees AS perp_fee ON perp_fee.exchange = splitByChar('_', pair.venue)[1] AND perp_fee.market = 'derivative'
LEFT JOIN fees AS spot_fee ON spot_fee.exchange = splitByChar('_', pair.spot_venue)[1] AND spot_fee.market = 'spot'
LEFT JOIN course ON course.venue = pair.venue AND course.instrument = pair.instrument
ORDER BY net_bps DESC NULLS LAST, venue, instrument
LIMIT 2000
SETTINGS join_use_nulls = 1
