-- Seconds spent at each width of the basis, and where the newest second stands among them.
WITH
    values AS
    (
        SELECT ts, basis_bps FROM marts.basis_1s FINAL
        WHERE venue = {venue:String} AND instrument = {instrument:String} AND basis_bps IS NOT NULL
            AND ts >= toDateTime(intDiv({from_ms:Int64}, 1000), 'UTC') AND ts < toDateTime(intDiv({to_ms:Int64}, 1000), 'UTC')
    ),
    (
        SELECT (argMax(basis_bps, ts), greatest((max(basis_bps) - min(basis_bps)) / 60, 0.001), count()) FROM values
    ) AS facts
SELECT
    floor(basis_bps / facts.2) * facts.2 AS bin_bps, count() AS seconds, any(facts.2) AS width_bps,
    any(facts.1) AS current_bps, any((SELECT countIf(basis_bps <= facts.1) FROM values) / facts.3) AS percentile
FROM values
GROUP BY bin_bps
ORDER BY bin_bps
