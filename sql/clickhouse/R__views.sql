-- Which spot market a perpetual is compared with: same exchange (the venue's name up to the first `_`),
-- same underlying and quote currency. Instruments that the venue has not described are read from their
-- canonical ids. Prices are divided by the multiplier to be of one unit of the underlying.
CREATE OR REPLACE VIEW ref.legs AS
SELECT
    q.venue AS venue, q.instrument AS instrument,
    splitByChar('_', q.venue)[1] AS exchange,
    splitByChar('-', q.instrument) AS parts,
    parts[-1] AS type,
    multiIf(
        i.underlying != '', upper(i.underlying),
        match(parts[1], '^10{3,}[A-Z]'), replaceRegexpOne(parts[1], '^10+', ''),
        match(parts[1], '^1M[A-Z]{3}'), substring(parts[1], 3),
        parts[1]
    ) AS underlying,
    parts[2] AS quote,
    multiIf(
        i.underlying_multiplier > 0, i.underlying_multiplier,
        match(parts[1], '^10{3,}[A-Z]'), toDecimal128(extract(parts[1], '^(10+)'), 18),
        match(parts[1], '^1M[A-Z]{3}'), toDecimal128('1000000', 18),
        toDecimal128('1', 18)
    ) AS multiplier
FROM (SELECT DISTINCT venue, instrument FROM marts.quote_newest) AS q
LEFT JOIN (SELECT venue, instrument, underlying, underlying_multiplier FROM ref.instruments FINAL) AS i
    ON q.venue = i.venue AND q.instrument = i.instrument
WHERE type IN ('SPOT', 'PERP')
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW ref.pairs AS
SELECT
    p.venue AS venue, p.instrument AS instrument, s.venue AS spot_venue, s.instrument AS spot_instrument,
    p.multiplier AS multiplier, s.multiplier AS spot_multiplier
FROM (SELECT * FROM ref.legs WHERE type = 'PERP') AS p
INNER JOIN (SELECT * FROM ref.legs WHERE type = 'SPOT') AS s
    ON p.exchange = s.exchange AND p.underlying = s.underlying AND p.quote = s.quote
ORDER BY venue, instrument, spot_venue != venue, s.multiplier, spot_venue, spot_instrument
LIMIT 1 BY venue, instrument;

-- Views for screens and people. Ages are in milliseconds against the server's clock.

-- Gap ledger: what the feeds know to be missing, and what a backfill made of it. `open` until every kind and day that the gap
-- concerns is filled or known to be unrecoverable (docs/backfill.md).
CREATE OR REPLACE VIEW ops.gaps AS
SELECT
    g.venue AS venue, g.instrument AS instrument, g.affected AS kind, g.cause AS cause, g.writer AS writer, g.epoch AS epoch,
    g.counter AS counter, g.event_ts AS event_ts, g.channel AS channel, g.from_ts AS from_ts, g.to_ts AS to_ts,
    g.first_missing AS first_missing, g.last_missing AS last_missing, g.missing AS missing, g.detail AS detail,
    if(f.state = '', 'open', f.state) AS state, f.reason AS reason, f.found AS found, f.inserted AS inserted,
    f.present AS present, f.examined_at AS examined_at
FROM (SELECT * FROM landing.status FINAL WHERE state = 'gap') AS g
LEFT JOIN (
    SELECT
        writer, epoch, counter,
        multiIf(countIf(state = 'open') > 0, 'open', countIf(state = 'filled') > 0, 'filled', 'unrecoverable') AS state,
        arrayStringConcat(arraySort(groupUniqArrayIf(concat(kind, ': ', reason), reason != '')), '; ') AS reason,
        sum(found) AS found, sum(inserted) AS inserted, sum(present) AS present, max(written_at) AS examined_at
    FROM ops.gap_fills FINAL
    GROUP BY writer, epoch, counter
) AS f ON g.writer = f.writer AND g.epoch = f.epoch AND g.counter = f.counter
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW marts.quote_latest AS
SELECT
    venue, instrument, quote_ts, recv_ts, bid_price, bid_quantity, ask_price, ask_quantity, quantity_unit,
    toInt64(dateDiff('millisecond', quote_ts, now64(9, 'UTC'))) AS age_ms
FROM marts.quote_newest FINAL;

CREATE OR REPLACE VIEW marts.mark_latest AS
SELECT
    venue, instrument, event_ts, recv_ts, mark_price, index_price,
    toInt64(dateDiff('millisecond', event_ts, now64(9, 'UTC'))) AS age_ms
FROM marts.mark_newest FINAL;

-- The newest funding rate and what it makes in a year: only where the interval is known.
CREATE OR REPLACE VIEW marts.funding_latest AS
SELECT
    f.venue AS venue, f.instrument AS instrument, f.stage AS stage, f.event_ts AS event_ts, f.rate AS rate,
    f.absolute_rate AS absolute_rate, f.settles_at AS settles_at,
    coalesce(f.interval_seconds, i.funding_interval_seconds) AS interval_seconds,
    if(f.interval_seconds IS NULL AND i.funding_interval_seconds IS NOT NULL, 'reference', toString(f.interval_source))
        AS interval_source,
    toFloat64(f.rate) * 86400 / interval_seconds * 365 AS apr,
    toInt64(dateDiff('millisecond', f.event_ts, now64(9, 'UTC'))) AS age_ms
FROM (SELECT * FROM marts.funding_newest FINAL) AS f
LEFT JOIN (SELECT venue, instrument, funding_interval_seconds FROM ref.instruments FINAL) AS i
    ON f.venue = i.venue AND f.instrument = i.instrument
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW marts.basis_latest AS
SELECT
    venue, instrument, spot_venue, spot_instrument, ts, perp_mid, spot_mid, basis_bps, perp_age_ms, spot_age_ms,
    toInt64(dateDiff('millisecond', ts, now64(9, 'UTC'))) - 1000 AS age_ms
FROM marts.basis_newest FINAL;

-- Traded in the 24 hours up to the newest candle of the warehouse (in replays that is not today).
CREATE OR REPLACE VIEW marts.volume_24h AS
SELECT venue, instrument, sum(base_volume) AS base_volume, sum(quote_volume) AS quote_volume, sum(trade_count) AS trades
FROM marts.candle_1m FINAL
WHERE ts > (SELECT max(ts) FROM marts.candle_1m) - INTERVAL 24 HOUR
GROUP BY venue, instrument;

-- One row per perpetual: what it costs against spot and what it pays.
CREATE OR REPLACE VIEW marts.scanner AS
SELECT
    p.venue AS venue, p.instrument AS instrument,
    b.spot_venue AS spot_venue, b.spot_instrument AS spot_instrument,
    b.perp_mid AS perp_mid, b.spot_mid AS spot_mid, b.basis_bps AS basis_bps,
    b.ts AS basis_ts, b.age_ms AS basis_age_ms, b.perp_age_ms AS perp_age_ms, b.spot_age_ms AS spot_age_ms,
    f.rate AS funding_rate, f.apr AS funding_apr, f.interval_seconds AS funding_interval_seconds,
    f.interval_source AS funding_interval_source, f.settles_at AS funding_settles_at, f.age_ms AS funding_age_ms,
    m.mark_price AS mark_price, m.index_price AS index_price, m.age_ms AS mark_age_ms,
    v.base_volume AS base_volume_24h, v.quote_volume AS quote_volume_24h
FROM
(
    SELECT venue, instrument FROM marts.quote_newest WHERE instrument LIKE '%-PERP'
    UNION DISTINCT SELECT venue, instrument FROM marts.funding_newest
    UNION DISTINCT SELECT venue, instrument FROM marts.mark_newest WHERE instrument LIKE '%-PERP'
) AS p
LEFT JOIN marts.basis_latest AS b ON p.venue = b.venue AND p.instrument = b.instrument
LEFT JOIN (SELECT * FROM marts.funding_latest WHERE stage = 'predicted') AS f
    ON p.venue = f.venue AND p.instrument = f.instrument
LEFT JOIN marts.mark_latest AS m ON p.venue = m.venue AND p.instrument = m.instrument
LEFT JOIN marts.volume_24h AS v ON p.venue = v.venue AND p.instrument = v.instrument
SETTINGS join_use_nulls = 1;
