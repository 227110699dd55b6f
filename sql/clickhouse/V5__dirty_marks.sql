-- A view on insert may only say which buckets an insert touched, never add anything up: it does not see
-- that two inserts hold the same event, and may miss an insert when the process is killed
-- (docs/decisions/0006-late-data.md). The loader marks the buckets again after an unclean stop.
CREATE MATERIALIZED VIEW IF NOT EXISTS ops.mark_trade TO ops.dirty AS
SELECT 'trade' AS kind, venue, instrument, toStartOfInterval(toDateTime(event_ts, 'UTC'), INTERVAL 10 SECOND) AS bucket
FROM landing.trade
GROUP BY venue, instrument, bucket;

CREATE MATERIALIZED VIEW IF NOT EXISTS ops.mark_quote TO ops.dirty AS
SELECT 'quote' AS kind, venue, instrument, toStartOfInterval(toDateTime(event_ts, 'UTC'), INTERVAL 10 SECOND) AS bucket
FROM landing.quote
GROUP BY venue, instrument, bucket;

CREATE MATERIALIZED VIEW IF NOT EXISTS ops.mark_mark TO ops.dirty AS
SELECT 'mark' AS kind, venue, instrument, toStartOfInterval(toDateTime(event_ts, 'UTC'), INTERVAL 10 SECOND) AS bucket
FROM landing.mark
GROUP BY venue, instrument, bucket;

CREATE MATERIALIZED VIEW IF NOT EXISTS ops.mark_funding TO ops.dirty AS
SELECT 'funding' AS kind, venue, instrument, toStartOfInterval(toDateTime(event_ts, 'UTC'), INTERVAL 10 SECOND) AS bucket
FROM landing.funding
GROUP BY venue, instrument, bucket;

CREATE MATERIALIZED VIEW IF NOT EXISTS ops.mark_instrument TO ops.dirty AS
SELECT 'instrument' AS kind, venue, instrument, toStartOfInterval(toDateTime(event_ts, 'UTC'), INTERVAL 10 SECOND) AS bucket
FROM landing.instrument
GROUP BY venue, instrument, bucket;
