-- Changes of alerts, newest first.
SELECT
    changed_ms, name, toString(stage) AS stage, severity, summary, value, since_ms,
    arrayStringConcat(arrayMap((name, value) -> concat(name, '=', value), mapKeys(labels), mapValues(labels)), ', ') AS labels_text
FROM ops.alerts
ORDER BY changed_ms DESC, name
LIMIT 500
