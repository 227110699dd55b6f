-- Dated futures of one underlying against spot of the same exchange (else their own index): what is locked until
-- expiry, in basis points and as a share of a year.
WITH
    now64(3, 'UTC') AS now,
    splitByChar('-', {instrument:String})[1] AS wanted,
    if(match(wanted, '^10{3,}[A-Z]'), replaceRegexpOne(wanted, '^10+', ''), wanted) AS underlying
SELECT
    f.venue AS venue, f.instrument AS instrument, toUnixTimestamp64Milli(expiry) AS expiry_ms,
    parseDateTimeBestEffortOrNull(concat(extract(f.instrument, '-(\\d{8})-FUT$'), ' 08:00:00'), 'UTC') AS named,
    toDateTime64(coalesce(i.expiry_ts, named), 3, 'UTC') AS expiry,
    (toFloat64(f.bid_price) + toFloat64(f.ask_price)) / 2 AS mid,
    coalesce((toFloat64(s.bid_price) + toFloat64(s.ask_price)) / 2, toFloat64(m.index_price)) AS reference,
    if(s.bid_price IS NOT NULL, s.instrument, 'index') AS reference_instrument,
    (mid - reference) / reference * 10000 AS basis_bps,
    dateDiff('second', now, expiry) / 86400 AS days,
    basis_bps / 10000 * 365 / days AS annualised,
    toUnixTimestamp64Milli(f.recv_ts) AS recv_ms
FROM (SELECT * FROM marts.quote_newest FINAL WHERE instrument LIKE concat(underlying, '-%-FUT')) AS f
LEFT JOIN (SELECT * FROM ref.instruments FINAL) AS i ON i.venue = f.venue AND i.instrument = f.instrument
LEFT JOIN (SELECT * FROM marts.mark_newest FINAL) AS m ON m.venue = f.venue AND m.instrument = f.instrument
LEFT JOIN (SELECT *, splitByChar('_', venue)[1] AS exchange FROM marts.quote_newest FINAL WHERE instrument LIKE '%-SPOT') AS s
    ON s.exchange = splitByChar('_', f.venue)[1]
    AND s.instrument = concat(underlying, '-', splitByChar('-', f.instrument)[2], '-SPOT')
WHERE expiry > now
ORDER BY venue, expiry_ms
SETTINGS join_use_nulls = 1
