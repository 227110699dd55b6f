-- Results of `kt audit`, newest last.
SELECT
    toUnixTimestamp64Milli(audited_at) AS at_ms, accepted, logged, landed, lost, duplicated, gaps
FROM ops.audit
ORDER BY audited_at DESC
LIMIT 200
