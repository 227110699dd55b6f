-- Backtests, newest first.
SELECT
    r.run AS run, toUnixTimestamp64Milli(r.made_at) AS made_ms, r.source AS source, r.strategy_file AS strategy,
    toUnixTimestamp64Milli(r.from_ts) AS begins_ms, toUnixTimestamp64Milli(r.to_ts) AS ends_ms,
    r.is_partial AS partial, arrayStringConcat(r.partial, '; ') AS missing, r.events AS events, r.orders AS orders, r.fills AS fills,
    r.refused AS refused, a.currency AS currency, a.profit AS profit, a.drawdown AS drawdown, r.output_hash AS output_hash, r.took_seconds AS took_s
FROM (SELECT * FROM marts.backtest_run FINAL) AS r
LEFT JOIN (SELECT * FROM marts.backtest_account FINAL) AS a ON a.run = r.run
ORDER BY made_ms DESC, run, currency
LIMIT 500
SETTINGS join_use_nulls = 1
