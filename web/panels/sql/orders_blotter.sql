-- Orders decided in the range, newest first. Slippage is against the middle of the book at the decision and against what the
-- market paid while the order lived (VWAP), in basis points: positive is cost. Delays are in microseconds.
WITH
    fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AS range_start, fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS range_end,
    decisions AS
    (
        SELECT client_order_id, any((toFloat64(bid_price) + toFloat64(ask_price)) / 2) AS arrival
        FROM landing.order FINAL
        WHERE step = 'decided' AND event_ts >= range_start AND event_ts < range_end
        GROUP BY client_order_id
    )
SELECT
    o.client_order_id AS client_order_id, o.venue AS venue, o.instrument AS instrument, o.strategy AS strategy, o.intent AS intent,
    toString(o.side) AS side, o.state AS state, o.reason AS reason,
    toFloat64(o.quantity) AS quantity, toFloat64(o.filled) AS filled, toFloat64(o.limit_price) AS limit_price,
    toFloat64(o.average_price) AS average_price, o.fills AS fills, toFloat64(o.fee) AS fee, splitByChar('-', o.instrument)[2] AS currency,
    d.arrival AS arrival,
    if(side = 'buy', 1, -1) * (average_price - arrival) / arrival * 10000 AS slippage_bps,
    toUnixTimestamp64Milli(o.decided_ts) AS decided_ms,
    dateDiff('microsecond', o.signal_ts, o.decided_ts) AS signal_us,
    dateDiff('microsecond', o.decided_ts, o.sent_at) AS send_us,
    dateDiff('microsecond', o.sent_at, o.acknowledged_at) AS acknowledge_us,
    dateDiff('microsecond', coalesce(o.acknowledged_at, o.sent_at), o.first_fill_at) AS fill_us
FROM marts.order_life AS o
INNER JOIN decisions AS d ON d.client_order_id = o.client_order_id
ORDER BY decided_ms DESC, client_order_id
LIMIT 2000
SETTINGS join_use_nulls = 1
