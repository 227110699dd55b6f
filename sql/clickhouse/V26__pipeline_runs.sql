-- How runs of the orchestration ended: one row for a run as a whole and one for each asset and check in it.
-- Written by the orchestration when a run has ended, however it ended; read by the page.
CREATE TABLE IF NOT EXISTS ops.pipeline_runs (
    run_id String,
    part Enum8('run' = 1, 'asset' = 2, 'check' = 3),
    name LowCardinality(String) COMMENT 'job, asset key, or asset key and check',
    outcome Enum8('success' = 1, 'failure' = 2, 'warning' = 3, 'canceled' = 4, 'skipped' = 5),
    cause String COMMENT 'why it did not succeed; empty on success',
    partition String COMMENT 'the asset''s partition, or the range of it',
    started_at DateTime64(3, 'UTC'),
    ended_at DateTime64(3, 'UTC'),
    trigger LowCardinality(String) COMMENT 'schedule or sensor that asked for it; empty: a person',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(written_at)
PARTITION BY toYYYYMM(ended_at)
ORDER BY (ended_at, run_id, part, name)
TTL toDateTime(ended_at) + INTERVAL 180 DAY;
