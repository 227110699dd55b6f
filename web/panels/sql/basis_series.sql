-- Basis of one perpetual per step, with the mean and the deviation of the 120 steps before and at it.
SELECT
    at_ms, basis_bps, lowest_bps, highest_bps, seconds, mean_bps, deviation_bps,
    if(deviation_bps > 0, (basis_bps - mean_bps) / deviation_bps, NULL) AS z
FROM
(
    SELECT
        toUnixTimestamp(step) * 1000 AS at_ms, basis_bps, lowest_bps, highest_bps, seconds,
        avg(basis_bps) OVER window AS mean_bps,
        if(count(basis_bps) OVER window >= 20, stddevSamp(basis_bps) OVER window, NULL) AS deviation_bps
    FROM
    (
        SELECT
            toStartOfInterval(ts, toIntervalSecond({step_s:UInt32})) AS step,
            avg(basis.basis_bps) AS basis_bps, min(basis.basis_bps) AS lowest_bps, max(basis.basis_bps) AS highest_bps,
            count(basis.basis_bps) AS seconds
        FROM marts.basis_1s AS basis FINAL
        WHERE venue = {venue:String} AND instrument = {instrument:String}
            AND ts >= toDateTime(intDiv({from_ms:Int64}, 1000), 'UTC') AND ts < toDateTime(intDiv({to_ms:Int64}, 1000), 'UTC')
        GROUP BY step
    )
    WINDOW window AS (ORDER BY step ASC ROWS BETWEEN 119 PRECEDING AND CURRENT ROW)
)
ORDER BY at_ms
