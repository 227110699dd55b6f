-- What each leg of one run, and of the one it is compared with, earned and paid.
SELECT
    run, strategy, venue, instrument, currency, fills, bought, sold, turnover, trading, fees, funding, net, position
FROM marts.backtest_leg FINAL
WHERE run IN ({id:String}, {other:String})
ORDER BY strategy, venue, instrument, run
