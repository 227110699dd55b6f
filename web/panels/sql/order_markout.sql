-- Where the middle of the book went after the last fill of one order, against its average price: positive is profit.
WITH
    (
        SELECT (
            any(venue), any(instrument), max(event_ts), if(any(side) = 'buy', 1, -1),
            toFloat64(sum(toDecimal256(fill_price, 18) * toDecimal256(fill_quantity, 18))) / toFloat64(sum(fill_quantity)), min(event_ts)
        )
        FROM landing.order FINAL WHERE client_order_id = {id:String} AND step = 'fill'
    ) AS filled
SELECT
    horizon AS horizon_s, mid, filled.4 * (mid - filled.5) / filled.5 * 10000 AS markout_bps, filled.5 AS average_price
FROM
(
    SELECT
        horizon,
        (argMax((toFloat64(bid_price) + toFloat64(ask_price)) / 2, ts)) AS mid
    FROM (SELECT arrayJoin([1, 5, 30, 60]) AS horizon) AS horizons
    CROSS JOIN
    (
        SELECT ts, bid_price, ask_price FROM marts.quote_1s FINAL
        WHERE venue = filled.1 AND instrument = filled.2
            AND ts >= toDateTime(filled.3, 'UTC') - 5 AND ts <= toDateTime(filled.3, 'UTC') + 60
    ) AS quotes
    WHERE ts <= toDateTime(filled.3, 'UTC') + horizon AND ts > toDateTime(filled.3, 'UTC') + horizon - 6
    GROUP BY horizon
)
ORDER BY horizon_s
