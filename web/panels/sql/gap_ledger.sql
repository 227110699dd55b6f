-- The gap ledger: what the feeds know to be missing, and what became of it.
SELECT
    toUnixTimestamp64Milli(event_ts) AS announced_ms, venue, instrument, toString(kind) AS kind, toString(cause) AS cause,
    toString(state) AS state, reason,
    toUnixTimestamp64Milli(from_ts) AS begins_ms, toUnixTimestamp64Milli(to_ts) AS ends_ms, missing, found, inserted, present, detail
FROM ops.gaps
ORDER BY announced_ms DESC, venue, instrument
LIMIT 2000
