-- The life of one order, step by step, with the book that we saw at each and the delay since the step before.
SELECT
    toUnixTimestamp64Milli(event_ts) AS at_ms, toString(step) AS step, sequence,
    dateDiff('microsecond', coalesce(
        lagInFrame(toNullable(event_ts)) OVER (ORDER BY sequence ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), signal_ts, event_ts), event_ts) AS delay_us,
    dateDiff('microsecond', coalesce(min(signal_ts) OVER (), min(event_ts) OVER ()), event_ts) AS since_us,
    toFloat64(bid_price) AS bid, toFloat64(bid_quantity) AS bid_quantity, toFloat64(ask_price) AS ask, toFloat64(ask_quantity) AS ask_quantity,
    dateDiff('millisecond', quote_ts, event_ts) AS quote_age_ms,
    toString(limit_price) AS limit_price, toString(quantity) AS quantity, toString(fill_price) AS fill_price,
    toString(fill_quantity) AS fill_quantity, liquidity, toString(fee) AS fee, toString(position) AS position,
    basis_bps, z_score, edge_bps, toString(side) AS side, reason, detail, venue, instrument
FROM landing.order FINAL
WHERE client_order_id = {id:String}
ORDER BY sequence
