-- Steps of our orders and positions. The key is the step itself: written twice after a kill, it is one row.
CREATE TABLE IF NOT EXISTS landing.order (
    publish_ts      DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    counter         UInt64 CODEC(Delta(8), ZSTD(1)),
    epoch           UInt32 CODEC(T64, ZSTD(1)),
    writer          LowCardinality(String) CODEC(ZSTD(1)),
    venue           LowCardinality(String) CODEC(ZSTD(1)),
    instrument      LowCardinality(String) CODEC(ZSTD(1)),
    channel         LowCardinality(String) CODEC(ZSTD(1)),
    event_ts        DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    exch_ts         Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    sent_ts         Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    recv_ts         DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    origin          Enum8('live' = 1, 'backfill' = 2, 'snapshot' = 3, 'checkpoint' = 4, 'correction' = 5) CODEC(ZSTD(1)),
    connection      UInt32 CODEC(T64, ZSTD(1)),
    line            UInt8 CODEC(ZSTD(1)),
    mapping         UInt32 CODEC(ZSTD(1)),
    identity        Enum8('id' = 1, 'sequence' = 2, 'weak' = 3) CODEC(ZSTD(1)),
    occurrence      UInt32 CODEC(T64, ZSTD(1)),

    step            Enum8('decided' = 1, 'passed' = 2, 'refused' = 3, 'sent' = 4, 'acknowledged' = 5, 'rejected' = 6, 'fill' = 7, 'cancel_sent' = 8, 'cancel_rejected' = 9, 'cancelled' = 10, 'funding' = 11, 'funding_refused' = 12, 'settled' = 13, 'halted' = 14, 'resumed' = 15, 'anomaly' = 16) CODEC(ZSTD(1)),
    sequence        UInt64 CODEC(Delta(8), ZSTD(1)),
    strategy        LowCardinality(String) CODEC(ZSTD(1)),
    client_order_id String CODEC(ZSTD(1)),
    venue_order_id  String CODEC(ZSTD(1)),
    fill_id         String CODEC(ZSTD(1)),
    intent          LowCardinality(String) CODEC(ZSTD(1)),
    side            Enum8('buy' = 1, 'sell' = 2, 'unknown' = 3) CODEC(ZSTD(1)),
    time_in_force   Enum8('none' = 1, 'ioc' = 2, 'post_only' = 3) CODEC(ZSTD(1)),
    limit_price     Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    quantity        Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    filled          Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    fill_price      Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    fill_quantity   Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    liquidity       LowCardinality(String) CODEC(ZSTD(1)),
    fee             Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    cash            Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    funding_rate    Nullable(Decimal(38, 24)) CODEC(ZSTD(1)),
    position        Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    bid_price       Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    bid_quantity    Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    ask_price       Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    ask_quantity    Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    quote_ts        Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    signal_ts       Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    basis_bps       Nullable(Float64) CODEC(ZSTD(1)),
    z_score         Nullable(Float64) CODEC(ZSTD(1)),
    edge_bps        Nullable(Float64) CODEC(ZSTD(1)),
    reason          LowCardinality(String) CODEC(ZSTD(1)),
    detail          String CODEC(ZSTD(1)),

    version         UInt64 MATERIALIZED multiIf(
        origin = 'correction', bitShiftLeft(toUInt64(3), 62) + toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        origin = 'backfill', bitShiftLeft(toUInt64(2), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        bitShiftLeft(toUInt64(3), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0))
    ) CODEC(Delta(8), ZSTD(1)),
    INDEX counter_range counter TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(event_ts)
PRIMARY KEY (venue, instrument, event_ts)
ORDER BY (venue, instrument, event_ts, client_order_id, sequence)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
