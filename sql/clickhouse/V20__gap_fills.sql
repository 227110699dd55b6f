-- What became of each gap that a feed announced: one row for each kind and day that it may concern. A gap whose
-- rows are not here has not been looked at and is open (ops.gaps in R__views.sql).
CREATE TABLE IF NOT EXISTS ops.gap_fills (
    writer LowCardinality(String) COMMENT 'with epoch and counter: the status row that announced the gap',
    epoch UInt32,
    counter UInt64,
    venue LowCardinality(String),
    kind LowCardinality(String),
    day Date,
    state Enum8('open' = 1, 'filled' = 2, 'unrecoverable' = 3),
    reason String COMMENT 'why it is still open, or why nothing can fill it; what a fill left out',
    from_ts DateTime64(9, 'UTC') COMMENT 'extent within the day',
    to_ts DateTime64(9, 'UTC'),
    instruments UInt32 COMMENT 'instruments asked for',
    found UInt64 COMMENT 'rows of the history within the extent',
    inserted UInt64 COMMENT 'rows that were missing and are now there, with origin backfill',
    present UInt64 COMMENT 'rows that were there already',
    written_at DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (writer, epoch, counter, kind, day);

-- How far a backfill of a window has come: what was asked for and is accepted need not be asked for again.
CREATE TABLE IF NOT EXISTS ops.backfill_progress (
    venue LowCardinality(String),
    kind LowCardinality(String),
    instrument LowCardinality(String),
    from_ts DateTime64(9, 'UTC') COMMENT 'the window as asked for',
    to_ts DateTime64(9, 'UTC'),
    remaining_from DateTime64(9, 'UTC'),
    remaining_to DateTime64(9, 'UTC'),
    finished UInt8,
    found UInt64,
    inserted UInt64,
    present UInt64,
    written_at DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (venue, kind, instrument, from_ts, to_ts)
TTL toDateTime(written_at) + INTERVAL 30 DAY;
