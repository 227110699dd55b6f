-- Changes of alerts: one row whenever one begins to hold, fires or ends (kt alerts).
CREATE TABLE IF NOT EXISTS ops.alerts (
    changed_at DateTime64(3, 'UTC') MATERIALIZED fromUnixTimestamp64Milli(changed_ms, 'UTC'),
    changed_ms Int64 COMMENT 'ms since the epoch',
    name LowCardinality(String),
    stage Enum8('pending' = 1, 'firing' = 2, 'resolved' = 3),
    severity LowCardinality(String),
    labels Map(LowCardinality(String), String),
    value Float64 COMMENT 'of the rule''s expression when it last held',
    summary String,
    since_ms Int64 COMMENT 'since when it holds, ms since the epoch'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(changed_at)
ORDER BY (changed_ms, name)
TTL toDateTime(changed_at) + INTERVAL 180 DAY;
