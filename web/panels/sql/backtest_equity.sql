-- Equity of one run and of the one it is compared with, in steps of a 500th of its length.
WITH
    (SELECT greatest(1, intDiv(dateDiff('second', min(ts), max(ts)), 500)) FROM marts.backtest_equity WHERE run IN ({id:String}, {other:String})) AS step
SELECT
    run, currency, toUnixTimestamp(toStartOfInterval(toDateTime(ts, 'UTC'), toIntervalSecond(step))) * 1000 AS at_ms,
    argMax(e.equity, ts) AS equity, min(e.drawdown) AS drawdown
FROM marts.backtest_equity AS e FINAL
WHERE run IN ({id:String}, {other:String})
GROUP BY run, currency, at_ms
ORDER BY run, currency, at_ms
