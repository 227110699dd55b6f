-- What the loader is about to insert (`planned`) and has inserted (`done`): one row per insert and
-- writer epoch, written before and after the insert. After an unclean stop every planned insert without a
-- done row is counted in landing and finished or repaired (crates/warehouse/src/loader).
CREATE TABLE IF NOT EXISTS ops.intents (
    insert_id UInt64 COMMENT 'names one insert: one table, one partition, one ClickHouse block',
    stage Enum8('planned' = 1, 'done' = 2, 'abandoned' = 3),
    fence UInt64 COMMENT 'revision of the lease under which the loader wrote',
    kind LowCardinality(String),
    day Date COMMENT 'partition: day of event_ts',
    writer LowCardinality(String),
    epoch UInt32,
    blocks Array(UInt64) COMMENT 'block numbers' CODEC(Delta(8), ZSTD(1)),
    last_block UInt64,
    rows UInt64,
    first_counter UInt64,
    last_counter UInt64,
    min_event_ts DateTime64(9, 'UTC'),
    max_event_ts DateTime64(9, 'UTC'),
    landed_block UInt64 COMMENT 'done rows: watermark of (writer, epoch, kind) after this insert',
    stream_created Int64 COMMENT 'done rows: the stream of the log that log_sequence counts in',
    log_sequence UInt64 COMMENT 'done rows: place in the log up to which everything has landed',
    settled_below UInt64 COMMENT 'done rows: every insert with a smaller id is settled',
    counters Array(UInt64) COMMENT 'counter of every row, ascending' CODEC(Delta(8), ZSTD(1)),
    key_hashes Array(UInt64)
        COMMENT 'hash of every row''s identity: proves that a counter missing in landing gave way to an equal event'
        CODEC(NONE) TTL toDateTime(written_at) + INTERVAL 7 DAY,
    written_at DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(written_at)
ORDER BY (writer, epoch, kind, insert_id, stage)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Frames that did not parse or broke the mapping, as received.
CREATE TABLE IF NOT EXISTS ops.quarantine (
    publish_ts DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    counter    UInt64 CODEC(Delta(8), ZSTD(1)),
    epoch      UInt32 CODEC(T64, ZSTD(1)),
    writer     LowCardinality(String) CODEC(ZSTD(1)),
    venue      LowCardinality(String) CODEC(ZSTD(1)),
    instrument LowCardinality(String) CODEC(ZSTD(1)),
    channel    LowCardinality(String) CODEC(ZSTD(1)),
    event_ts   DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    exch_ts    Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    sent_ts    Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    recv_ts    DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    origin     Enum8('live' = 1, 'backfill' = 2, 'snapshot' = 3, 'checkpoint' = 4, 'correction' = 5) CODEC(ZSTD(1)),
    connection UInt32 CODEC(T64, ZSTD(1)),
    line       UInt8 CODEC(ZSTD(1)),
    mapping    UInt32 CODEC(ZSTD(1)),
    identity   Enum8('id' = 1, 'sequence' = 2, 'weak' = 3) CODEC(ZSTD(1)),
    occurrence UInt32 CODEC(T64, ZSTD(1)),

    reason     LowCardinality(String) CODEC(ZSTD(1)),
    detail     String CODEC(ZSTD(1)),
    frame      String CODEC(ZSTD(1)),

    version    UInt64 MATERIALIZED multiIf(
        origin = 'correction', bitShiftLeft(toUInt64(3), 62) + toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        origin = 'backfill', bitShiftLeft(toUInt64(2), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        bitShiftLeft(toUInt64(3), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0))
    ) CODEC(Delta(8), ZSTD(1)),
    INDEX counter_range counter TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(event_ts)
PRIMARY KEY (venue, instrument, event_ts)
ORDER BY (venue, instrument, event_ts, writer, epoch, counter)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
-- Blocks of the log that are not what their headers say. They are never landed and never dropped
-- silently: each is an alarm, and its writer still holds the rows in its spool.
CREATE TABLE IF NOT EXISTS ops.refused_blocks (
    refused_at DateTime64(9, 'UTC') DEFAULT now64(9),
    subject String,
    writer LowCardinality(String),
    epoch UInt32,
    kind LowCardinality(String),
    block UInt64,
    reason String,
    payload String CODEC(ZSTD(3))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(refused_at)
ORDER BY (refused_at, writer);

-- Buckets of time that an insert touched and whose marts have to be recomputed. The number of the block
-- that brought a mark grows in the order in which marks became visible, which their time does not.
CREATE TABLE IF NOT EXISTS ops.dirty (
    kind LowCardinality(String),
    venue LowCardinality(String),
    instrument LowCardinality(String),
    bucket DateTime('UTC') COMMENT 'start of 10 seconds of event_ts',
    cause LowCardinality(String) DEFAULT 'insert',
    marked_at DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
PARTITION BY toStartOfHour(marked_at)
ORDER BY (kind, venue, instrument, bucket)
TTL toDateTime(marked_at) + INTERVAL 3 DAY
SETTINGS enable_block_number_column = 1, ttl_only_drop_parts = 1;

-- How far the mart worker has come: the last block of each partition of ops.dirty that it has recomputed.
CREATE TABLE IF NOT EXISTS ops.recomputed (
    partition String,
    block_number UInt64,
    version UInt64 COMMENT 'highest version it has written to a mart',
    written_at DateTime('UTC') DEFAULT now()
)
ENGINE = ReplacingMergeTree(version)
ORDER BY partition
TTL written_at + INTERVAL 30 DAY;

-- Results of `kt audit`.
CREATE TABLE IF NOT EXISTS ops.audit (
    audited_at DateTime64(9, 'UTC') DEFAULT now64(9),
    accepted UInt64,
    logged UInt64,
    landed UInt64,
    lost UInt64,
    duplicated UInt64,
    gaps UInt64,
    detail String COMMENT 'the whole report as JSON'
)
ENGINE = MergeTree
ORDER BY audited_at;
