-- Alerts that hold now: the last change of each is not its end.
SELECT
    name, toString(argMax(stage, changed_ms)) AS now, argMax(severity, changed_ms) AS severity_now, argMax(summary, changed_ms) AS summary_now,
    argMax(value, changed_ms) AS value_now, argMax(since_ms, changed_ms) AS begun_ms, max(changed_ms) AS newest_ms,
    arrayStringConcat(arrayMap((name, value) -> concat(name, '=', value), mapKeys(labels), mapValues(labels)), ', ') AS labels_text
FROM ops.alerts
WHERE changed_ms > toUnixTimestamp64Milli(now64(3)) - 7 * 86400000
GROUP BY name, labels
HAVING now != 'resolved'
ORDER BY now, severity_now, name
LIMIT 200
