-- One row per order: when each step came, what it cost. Read from landing … FINAL at each query, since
-- orders are few and a kill must not leave a sum behind that counts a step twice.
CREATE OR REPLACE VIEW marts.order_life AS
SELECT
    venue, instrument, strategy, client_order_id, any(venue_order_id_) AS venue_order_id, any(intent_) AS intent,
    any(side_) AS side, any(time_in_force_) AS time_in_force, any(limit_price_) AS limit_price,
    any(quantity_) AS quantity, max(filled_) AS filled,
    multiIf(
        countIf(step = 'refused') > 0, 'refused',
        countIf(step = 'rejected') > 0, 'rejected',
        max(filled_) >= any(quantity_), 'filled',
        countIf(step = 'cancelled') > 0, 'cancelled',
        countIf(step = 'acknowledged') > 0, 'working',
        countIf(step = 'sent') > 0, 'sent',
        'decided'
    ) AS state,
    any(reason_) AS reason,
    min(signal_ts_) AS signal_ts,
    minIf(event_ts, step = 'decided') AS decided_ts,
    minIfOrNull(event_ts, step = 'sent') AS sent_at,
    minIfOrNull(event_ts, step = 'acknowledged') AS acknowledged_at,
    minIfOrNull(event_ts, step = 'fill') AS first_fill_at,
    maxIfOrNull(event_ts, step = 'fill') AS last_fill_at,
    countIf(step = 'fill') AS fills,
    sumIf(toDecimal256(fill_price_ * fill_quantity_, 36), step = 'fill') / nullIf(max(toDecimal256(filled_, 18)), 0)
        AS average_price,
    sum(fee_) AS fee, sum(cash_) AS cash
FROM
(
    SELECT
        venue, instrument, strategy, client_order_id, event_ts, step,
        venue_order_id AS venue_order_id_, intent AS intent_, side AS side_, time_in_force AS time_in_force_,
        limit_price AS limit_price_, quantity AS quantity_, filled AS filled_, reason AS reason_,
        signal_ts AS signal_ts_, toDecimal256(fill_price, 18) AS fill_price_, toDecimal256(fill_quantity, 18) AS fill_quantity_,
        fee AS fee_, cash AS cash_
    FROM landing.order FINAL
    WHERE client_order_id != ''
    ORDER BY sequence
)
GROUP BY venue, instrument, strategy, client_order_id;

-- What each strategy has earned in each instrument: trades, fees and funding apart.
CREATE OR REPLACE VIEW marts.trading_account AS
SELECT
    strategy, venue, instrument,
    argMaxIf(o.position, o.sequence, o.position IS NOT NULL) AS position,
    sumIf(o.cash, step IN ('fill', 'settled')) AS cash,
    sum(fee) AS fees,
    sumIf(o.cash, step = 'funding') AS funding,
    countIf(step = 'fill') AS fills,
    countIf(step = 'funding_refused') AS unknown_fundings,
    max(event_ts) AS last_ts
FROM landing.order AS o FINAL
WHERE strategy != ''
GROUP BY strategy, venue, instrument;
