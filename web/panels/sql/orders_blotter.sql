-- Orders decided in the range, newest first. Slippage is against the middle of the book at the decision and against what the
-- market paid while the order lived (VWAP), in basis points: positive is cost. Delays are in microseconds.
WITH
    fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AS range_start, fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS range_end,
    orders AS
    (
        -- No step of an order comes before its decision: what is older than the range need not be read.
        SELECT
            client_order_id, any(o.venue) AS venue, any(o.instrument) AS instrument, any(o.strategy) AS strategy,
            argMin(o.intent, o.sequence) AS intent, toString(argMin(o.side, o.sequence)) AS side,
            multiIf(
                countIf(step = 'refused') > 0, 'refused', countIf(step = 'rejected') > 0, 'rejected',
                filled >= quantity, 'filled', countIf(step = 'cancelled') > 0, 'cancelled',
                countIf(step = 'acknowledged') > 0, 'working', countIf(step = 'sent') > 0, 'sent', 'decided') AS state,
            argMaxIf(o.reason, o.sequence, o.reason != '') AS reason,
            toFloat64(argMin(o.quantity, o.sequence)) AS quantity, coalesce(toFloat64(max(o.filled)), 0) AS filled,
            toFloat64(argMin(o.limit_price, o.sequence)) AS limit_price,
            toFloat64(sumIf(toDecimal256(o.fill_price, 18) * toDecimal256(o.fill_quantity, 18), step = 'fill')) / nullIf(filled, 0) AS average_price,
            countIf(step = 'fill') AS fills, toFloat64(sum(o.fee)) AS fee,
            argMinIf((toFloat64(o.bid_price) + toFloat64(o.ask_price)) / 2, o.sequence, step = 'decided') AS arrival,
            min(o.signal_ts) AS signal_ts, minIf(o.event_ts, step = 'decided') AS decided_ts, minIfOrNull(o.event_ts, step = 'sent') AS sent_at,
            minIfOrNull(o.event_ts, step = 'acknowledged') AS acknowledged_at, minIfOrNull(o.event_ts, step = 'fill') AS first_fill_at,
            max(o.event_ts) AS last_ts
        FROM (SELECT * FROM landing.order FINAL WHERE client_order_id != '' AND event_ts >= range_start) AS o
        GROUP BY client_order_id
        HAVING decided_ts >= range_start AND decided_ts < range_end
        ORDER BY decided_ts DESC, client_order_id
        LIMIT 2000
    ),
    traded AS
    (
        SELECT
            venue, instrument, ts, sum(toFloat64(quote_volume)) OVER course AS value, sum(toFloat64(base_volume)) OVER course AS volume
        FROM marts.candle_1s FINAL
        WHERE (venue, instrument) IN (SELECT venue, instrument FROM orders)
            AND ts >= toDateTime(range_start, 'UTC') AND ts < toDateTime(range_end, 'UTC') + INTERVAL 1 DAY
        WINDOW course AS (PARTITION BY venue, instrument ORDER BY ts ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    )
SELECT
    o.client_order_id AS client_order_id, o.venue AS venue, o.instrument AS instrument, o.strategy AS strategy, o.intent AS intent,
    o.side AS side, o.state AS state, o.reason AS reason, o.quantity AS quantity, o.filled AS filled, o.limit_price AS limit_price,
    o.average_price AS average_price, o.fills AS fills, o.fee AS fee, splitByChar('-', o.instrument)[2] AS currency,
    o.arrival AS arrival,
    if(side = 'buy', 1, -1) * (average_price - arrival) / arrival * 10000 AS slippage_bps,
    (ended.value - coalesce(begun.value, 0)) / nullIf(ended.volume - coalesce(begun.volume, 0), 0) AS vwap,
    if(side = 'buy', 1, -1) * (average_price - vwap) / vwap * 10000 AS slippage_vwap_bps,
    toUnixTimestamp64Milli(o.decided_ts) AS decided_ms,
    dateDiff('microsecond', o.signal_ts, o.decided_ts) AS signal_us,
    dateDiff('microsecond', o.decided_ts, o.sent_at) AS send_us,
    dateDiff('microsecond', o.sent_at, o.acknowledged_at) AS acknowledge_us,
    dateDiff('microsecond', coalesce(o.acknowledged_at, o.sent_at), o.first_fill_at) AS fill_us
FROM orders AS o
ASOF LEFT JOIN traded AS ended ON ended.venue = o.venue AND ended.instrument = o.instrument AND ended.ts <= toDateTime(o.last_ts, 'UTC')
ASOF LEFT JOIN traded AS begun ON begun.venue = o.venue AND begun.instrument = o.instrument AND begun.ts < toDateTime(o.decided_ts, 'UTC')
ORDER BY decided_ms DESC, client_order_id
SETTINGS join_use_nulls = 1
