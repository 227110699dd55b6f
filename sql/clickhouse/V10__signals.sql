-- What `kt signals` computes. Our own events: the place in the writer's log. A signal that is derived again
-- from the journal has the same place, and replaces itself.
CREATE TABLE IF NOT EXISTS landing.signal (
    publish_ts       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    counter          UInt64 CODEC(Delta(8), ZSTD(1)),
    epoch            UInt32 CODEC(T64, ZSTD(1)),
    writer           LowCardinality(String) CODEC(ZSTD(1)),
    venue            LowCardinality(String) CODEC(ZSTD(1)),
    instrument       LowCardinality(String) CODEC(ZSTD(1)),
    channel          LowCardinality(String) CODEC(ZSTD(1)),
    event_ts         DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    exch_ts          Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    sent_ts          Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    recv_ts          DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    origin           Enum8('live' = 1, 'backfill' = 2, 'snapshot' = 3, 'checkpoint' = 4, 'correction' = 5) CODEC(ZSTD(1)),
    connection       UInt32 CODEC(T64, ZSTD(1)),
    line             UInt8 CODEC(ZSTD(1)),
    mapping          UInt32 CODEC(ZSTD(1)),
    identity         Enum8('id' = 1, 'sequence' = 2, 'weak' = 3) CODEC(ZSTD(1)),
    occurrence       UInt32 CODEC(T64, ZSTD(1)),

    name             LowCardinality(String) CODEC(ZSTD(1)),
    feature          LowCardinality(String) CODEC(ZSTD(1)),
    other_venue      LowCardinality(String) CODEC(ZSTD(1)),
    other_instrument LowCardinality(String) CODEC(ZSTD(1)),
    value            Nullable(Float64) CODEC(Gorilla(8), ZSTD(1)),
    validity         Enum8('valid' = 1, 'warming' = 2, 'stale' = 3, 'suspect' = 4, 'refused' = 5) CODEC(ZSTD(1)),
    reason           LowCardinality(String) CODEC(ZSTD(1)),
    age              Nullable(UInt64) CODEC(T64, ZSTD(1)),
    other_age        Nullable(UInt64) CODEC(T64, ZSTD(1)),
    input            UInt64 CODEC(Delta(8), ZSTD(1)),
    cause_writer     LowCardinality(String) CODEC(ZSTD(1)),
    cause_epoch      UInt32 CODEC(T64, ZSTD(1)),
    cause_counter    UInt64 CODEC(Delta(8), ZSTD(1)),
    configuration    UInt64 CODEC(ZSTD(1)),

    version          UInt64 MATERIALIZED multiIf(
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
