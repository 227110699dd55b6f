-- One table per event kind: the columns of the model in their order (a test compares them), so that a
-- row travels from the feed's encoder to the table without being taken apart.
--
-- The sorting key is the event's identity (docs/decisions/0003-identity-and-keys.md): FINAL keeps one
-- row of each. `version` says which: a correction (the latest), then what was received live, as
-- snapshot or as checkpoint (the earliest), then a backfill (the earliest). The top two bits hold that
-- rank, 3, 2 or 1; the lower 62 hold recv_ts in milliseconds, counted down from their end where the
-- earliest is to win. The forms below are rank << 62 + recv_ts and (rank + 1) << 62 - 1 - recv_ts.
-- Nanoseconds would cost a tenth of a trade's bytes (docs/decisions/0001-decimals.md); of two equal events
-- received within one millisecond it does not matter which stays.
--
-- A writer trims its spool when a block has landed, so a landed part has to survive a power loss: fsync.

-- The venue's trade id; where it gives none (weak), what the trade says and its occurrence.
CREATE TABLE IF NOT EXISTS landing.trade (
    publish_ts     DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    counter        UInt64 CODEC(Delta(8), ZSTD(1)),
    epoch          UInt32 CODEC(T64, ZSTD(1)),
    writer         LowCardinality(String) CODEC(ZSTD(1)),
    venue          LowCardinality(String) CODEC(ZSTD(1)),
    instrument     LowCardinality(String) CODEC(ZSTD(1)),
    channel        LowCardinality(String) CODEC(ZSTD(1)),
    event_ts       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    exch_ts        Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    sent_ts        Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    recv_ts        DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    origin         Enum8('live' = 1, 'backfill' = 2, 'snapshot' = 3, 'checkpoint' = 4, 'correction' = 5) CODEC(ZSTD(1)),
    connection     UInt32 CODEC(T64, ZSTD(1)),
    line           UInt8 CODEC(ZSTD(1)),
    mapping        UInt32 CODEC(ZSTD(1)),
    identity       Enum8('id' = 1, 'sequence' = 2, 'weak' = 3) CODEC(ZSTD(1)),
    occurrence     UInt32 CODEC(T64, ZSTD(1)),

    trade_id       String CODEC(ZSTD(1)),
    first_trade_id Nullable(UInt64) CODEC(Delta(8), ZSTD(1)),
    trade_count    UInt32 CODEC(T64, ZSTD(1)),
    side           Enum8('buy' = 1, 'sell' = 2, 'unknown' = 3) CODEC(ZSTD(1)),
    price          Decimal(38, 18) CODEC(ZSTD(1)),
    quantity       Decimal(38, 18) CODEC(ZSTD(1)),
    quantity_unit  Enum8('base' = 1, 'quote' = 2, 'contract' = 3) CODEC(ZSTD(1)),
    flags          UInt16 CODEC(T64, ZSTD(1)),

    version        UInt64 MATERIALIZED multiIf(
        origin = 'correction', bitShiftLeft(toUInt64(3), 62) + toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        origin = 'backfill', bitShiftLeft(toUInt64(2), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        bitShiftLeft(toUInt64(3), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0))
    ) CODEC(Delta(8), ZSTD(1)),
    INDEX counter_range counter TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(event_ts)
PRIMARY KEY (venue, instrument, event_ts)
ORDER BY (
    venue, instrument, event_ts,
    trade_id,
    if(identity = 'weak', cityHash64(side, price, quantity), 0),
    occurrence
)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The book's update number; without one (weak), the quote itself and its occurrence.
CREATE TABLE IF NOT EXISTS landing.quote (
    publish_ts    DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    counter       UInt64 CODEC(Delta(8), ZSTD(1)),
    epoch         UInt32 CODEC(T64, ZSTD(1)),
    writer        LowCardinality(String) CODEC(ZSTD(1)),
    venue         LowCardinality(String) CODEC(ZSTD(1)),
    instrument    LowCardinality(String) CODEC(ZSTD(1)),
    channel       LowCardinality(String) CODEC(ZSTD(1)),
    event_ts      DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    exch_ts       Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    sent_ts       Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    recv_ts       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    origin        Enum8('live' = 1, 'backfill' = 2, 'snapshot' = 3, 'checkpoint' = 4, 'correction' = 5) CODEC(ZSTD(1)),
    connection    UInt32 CODEC(T64, ZSTD(1)),
    line          UInt8 CODEC(ZSTD(1)),
    mapping       UInt32 CODEC(ZSTD(1)),
    identity      Enum8('id' = 1, 'sequence' = 2, 'weak' = 3) CODEC(ZSTD(1)),
    occurrence    UInt32 CODEC(T64, ZSTD(1)),

    sequence      UInt64 CODEC(Delta(8), ZSTD(1)),
    bid_price     Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    bid_quantity  Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    ask_price     Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    ask_quantity  Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    quantity_unit Enum8('base' = 1, 'quote' = 2, 'contract' = 3) CODEC(ZSTD(1)),

    version       UInt64 MATERIALIZED multiIf(
        origin = 'correction', bitShiftLeft(toUInt64(3), 62) + toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        origin = 'backfill', bitShiftLeft(toUInt64(2), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        bitShiftLeft(toUInt64(3), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0))
    ) CODEC(Delta(8), ZSTD(1)),
    INDEX counter_range counter TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(event_ts)
PRIMARY KEY (venue, instrument, event_ts)
ORDER BY (
    venue, instrument, event_ts,
    sequence,
    if(identity = 'weak', cityHash64(ifNull(bid_price, -1), ifNull(bid_quantity, -1), ifNull(ask_price, -1), ifNull(ask_quantity, -1)), 0),
    occurrence
)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- A sequence means something only within one unbroken stretch of one writer's book, so the
-- stretch is part of the key; the action tells a checkpoint from the delta whose number it carries.
CREATE TABLE IF NOT EXISTS landing.book (
    publish_ts        DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    counter           UInt64 CODEC(Delta(8), ZSTD(1)),
    epoch             UInt32 CODEC(T64, ZSTD(1)),
    writer            LowCardinality(String) CODEC(ZSTD(1)),
    venue             LowCardinality(String) CODEC(ZSTD(1)),
    instrument        LowCardinality(String) CODEC(ZSTD(1)),
    channel           LowCardinality(String) CODEC(ZSTD(1)),
    event_ts          DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    exch_ts           Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    sent_ts           Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    recv_ts           DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    origin            Enum8('live' = 1, 'backfill' = 2, 'snapshot' = 3, 'checkpoint' = 4, 'correction' = 5) CODEC(ZSTD(1)),
    connection        UInt32 CODEC(T64, ZSTD(1)),
    line              UInt8 CODEC(ZSTD(1)),
    mapping           UInt32 CODEC(ZSTD(1)),
    identity          Enum8('id' = 1, 'sequence' = 2, 'weak' = 3) CODEC(ZSTD(1)),
    occurrence        UInt32 CODEC(T64, ZSTD(1)),

    action            Enum8('delta' = 1, 'snapshot' = 2, 'checkpoint' = 3) CODEC(ZSTD(1)),
    book_epoch        UInt32 CODEC(T64, ZSTD(1)),
    first_sequence    Nullable(UInt64) CODEC(Delta(8), ZSTD(1)),
    last_sequence     UInt64 CODEC(Delta(8), ZSTD(1)),
    previous_sequence Nullable(UInt64) CODEC(Delta(8), ZSTD(1)),
    depth_limit       Nullable(UInt32) CODEC(T64, ZSTD(1)),
    quantity_unit     Enum8('base' = 1, 'quote' = 2, 'contract' = 3) CODEC(ZSTD(1)),
    price_exponent    Int8 CODEC(ZSTD(1)),
    quantity_exponent Int8 CODEC(ZSTD(1)),
    bid_prices        Array(Int64) CODEC(Delta(8), ZSTD(1)),
    bid_quantities    Array(Int64) CODEC(T64, ZSTD(1)),
    ask_prices        Array(Int64) CODEC(Delta(8), ZSTD(1)),
    ask_quantities    Array(Int64) CODEC(T64, ZSTD(1)),
    escaped           Array(String) CODEC(ZSTD(1)),

    version           UInt64 MATERIALIZED multiIf(
        origin = 'correction', bitShiftLeft(toUInt64(3), 62) + toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        origin = 'backfill', bitShiftLeft(toUInt64(2), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        bitShiftLeft(toUInt64(3), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0))
    ) CODEC(Delta(8), ZSTD(1)),
    INDEX counter_range counter TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(event_ts)
PRIMARY KEY (venue, instrument, event_ts)
ORDER BY (venue, instrument, event_ts, writer, epoch, book_epoch, channel, last_sequence, action, occurrence)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Every update of an open candle is kept: the key holds the update's own time. A closed candle
-- carries the end of its interval as event_ts, so that history meets what was seen live.
CREATE TABLE IF NOT EXISTS landing.candle (
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

    interval_seconds UInt32 CODEC(T64, ZSTD(1)),
    open_ts          DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    open             Decimal(38, 18) CODEC(ZSTD(1)),
    high             Decimal(38, 18) CODEC(ZSTD(1)),
    low              Decimal(38, 18) CODEC(ZSTD(1)),
    close            Decimal(38, 18) CODEC(ZSTD(1)),
    volume           Decimal(38, 18) CODEC(ZSTD(1)),
    quantity_unit    Enum8('base' = 1, 'quote' = 2, 'contract' = 3) CODEC(ZSTD(1)),
    quote_volume     Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    taker_buy_volume Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    trade_count      Nullable(UInt64) CODEC(T64, ZSTD(1)),
    closed           Bool CODEC(ZSTD(1)),

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
ORDER BY (
    venue, instrument, event_ts,
    interval_seconds,
    open_ts,
    closed,
    if(identity = 'weak', cityHash64(open, high, low, close, volume), 0),
    occurrence
)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The moment itself; weak channels add the values and their occurrence.
CREATE TABLE IF NOT EXISTS landing.mark (
    publish_ts             DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    counter                UInt64 CODEC(Delta(8), ZSTD(1)),
    epoch                  UInt32 CODEC(T64, ZSTD(1)),
    writer                 LowCardinality(String) CODEC(ZSTD(1)),
    venue                  LowCardinality(String) CODEC(ZSTD(1)),
    instrument             LowCardinality(String) CODEC(ZSTD(1)),
    channel                LowCardinality(String) CODEC(ZSTD(1)),
    event_ts               DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    exch_ts                Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    sent_ts                Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    recv_ts                DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    origin                 Enum8('live' = 1, 'backfill' = 2, 'snapshot' = 3, 'checkpoint' = 4, 'correction' = 5) CODEC(ZSTD(1)),
    connection             UInt32 CODEC(T64, ZSTD(1)),
    line                   UInt8 CODEC(ZSTD(1)),
    mapping                UInt32 CODEC(ZSTD(1)),
    identity               Enum8('id' = 1, 'sequence' = 2, 'weak' = 3) CODEC(ZSTD(1)),
    occurrence             UInt32 CODEC(T64, ZSTD(1)),

    mark_price             Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    index_price            Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    estimated_settle_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),

    version                UInt64 MATERIALIZED multiIf(
        origin = 'correction', bitShiftLeft(toUInt64(3), 62) + toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        origin = 'backfill', bitShiftLeft(toUInt64(2), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        bitShiftLeft(toUInt64(3), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0))
    ) CODEC(Delta(8), ZSTD(1)),
    INDEX counter_range counter TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(event_ts)
PRIMARY KEY (venue, instrument, event_ts)
ORDER BY (
    venue, instrument, event_ts,
    if(identity = 'weak', cityHash64(ifNull(mark_price, -1), ifNull(index_price, -1), ifNull(estimated_settle_price, -1)), 0),
    occurrence
)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The moment, the stage and the settlement the rate is for (a venue may state two at once).
CREATE TABLE IF NOT EXISTS landing.funding (
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

    rate             Nullable(Decimal(38, 24)) CODEC(ZSTD(1)),
    absolute_rate    Nullable(Decimal(38, 24)) CODEC(ZSTD(1)),
    stage            Enum8('predicted' = 1, 'settled' = 2) CODEC(ZSTD(1)),
    settles_at       Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    interval_seconds Nullable(UInt32) CODEC(T64, ZSTD(1)),
    interval_source  Enum8('unknown' = 1, 'venue' = 2, 'reference' = 3, 'inferred' = 4) CODEC(ZSTD(1)),
    mark_price       Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),

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
ORDER BY (
    venue, instrument, event_ts,
    stage,
    ifNull(settles_at, toDateTime64(0, 9, 'UTC')),
    if(identity = 'weak', cityHash64(ifNull(rate, -1), ifNull(absolute_rate, -1)), 0),
    occurrence
)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The moment itself; weak channels add the values and their occurrence.
CREATE TABLE IF NOT EXISTS landing.open_interest (
    publish_ts     DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    counter        UInt64 CODEC(Delta(8), ZSTD(1)),
    epoch          UInt32 CODEC(T64, ZSTD(1)),
    writer         LowCardinality(String) CODEC(ZSTD(1)),
    venue          LowCardinality(String) CODEC(ZSTD(1)),
    instrument     LowCardinality(String) CODEC(ZSTD(1)),
    channel        LowCardinality(String) CODEC(ZSTD(1)),
    event_ts       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    exch_ts        Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    sent_ts        Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    recv_ts        DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    origin         Enum8('live' = 1, 'backfill' = 2, 'snapshot' = 3, 'checkpoint' = 4, 'correction' = 5) CODEC(ZSTD(1)),
    connection     UInt32 CODEC(T64, ZSTD(1)),
    line           UInt8 CODEC(ZSTD(1)),
    mapping        UInt32 CODEC(ZSTD(1)),
    identity       Enum8('id' = 1, 'sequence' = 2, 'weak' = 3) CODEC(ZSTD(1)),
    occurrence     UInt32 CODEC(T64, ZSTD(1)),

    quantity       Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    quantity_unit  Enum8('base' = 1, 'quote' = 2, 'contract' = 3) CODEC(ZSTD(1)),
    value          Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    value_currency LowCardinality(String) CODEC(ZSTD(1)),

    version        UInt64 MATERIALIZED multiIf(
        origin = 'correction', bitShiftLeft(toUInt64(3), 62) + toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        origin = 'backfill', bitShiftLeft(toUInt64(2), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        bitShiftLeft(toUInt64(3), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0))
    ) CODEC(Delta(8), ZSTD(1)),
    INDEX counter_range counter TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(event_ts)
PRIMARY KEY (venue, instrument, event_ts)
ORDER BY (
    venue, instrument, event_ts,
    if(identity = 'weak', cityHash64(ifNull(quantity, -1), ifNull(value, -1)), 0),
    occurrence
)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The venue's order id; where it gives none (weak), what the order says and its occurrence.
CREATE TABLE IF NOT EXISTS landing.liquidation (
    publish_ts    DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    counter       UInt64 CODEC(Delta(8), ZSTD(1)),
    epoch         UInt32 CODEC(T64, ZSTD(1)),
    writer        LowCardinality(String) CODEC(ZSTD(1)),
    venue         LowCardinality(String) CODEC(ZSTD(1)),
    instrument    LowCardinality(String) CODEC(ZSTD(1)),
    channel       LowCardinality(String) CODEC(ZSTD(1)),
    event_ts      DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    exch_ts       Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    sent_ts       Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    recv_ts       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    origin        Enum8('live' = 1, 'backfill' = 2, 'snapshot' = 3, 'checkpoint' = 4, 'correction' = 5) CODEC(ZSTD(1)),
    connection    UInt32 CODEC(T64, ZSTD(1)),
    line          UInt8 CODEC(ZSTD(1)),
    mapping       UInt32 CODEC(ZSTD(1)),
    identity      Enum8('id' = 1, 'sequence' = 2, 'weak' = 3) CODEC(ZSTD(1)),
    occurrence    UInt32 CODEC(T64, ZSTD(1)),

    order_id      String CODEC(ZSTD(1)),
    side          Enum8('buy' = 1, 'sell' = 2, 'unknown' = 3) CODEC(ZSTD(1)),
    price         Decimal(38, 18) CODEC(ZSTD(1)),
    average_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    quantity      Decimal(38, 18) CODEC(ZSTD(1)),
    quantity_unit Enum8('base' = 1, 'quote' = 2, 'contract' = 3) CODEC(ZSTD(1)),
    sampled       Bool CODEC(ZSTD(1)),

    version       UInt64 MATERIALIZED multiIf(
        origin = 'correction', bitShiftLeft(toUInt64(3), 62) + toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        origin = 'backfill', bitShiftLeft(toUInt64(2), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        bitShiftLeft(toUInt64(3), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0))
    ) CODEC(Delta(8), ZSTD(1)),
    INDEX counter_range counter TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(event_ts)
PRIMARY KEY (venue, instrument, event_ts)
ORDER BY (
    venue, instrument, event_ts,
    order_id,
    if(identity = 'weak', cityHash64(side, price, quantity), 0),
    occurrence
)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- One row per definition and moment at which it was stated.
CREATE TABLE IF NOT EXISTS landing.instrument (
    publish_ts               DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    counter                  UInt64 CODEC(Delta(8), ZSTD(1)),
    epoch                    UInt32 CODEC(T64, ZSTD(1)),
    writer                   LowCardinality(String) CODEC(ZSTD(1)),
    venue                    LowCardinality(String) CODEC(ZSTD(1)),
    instrument               LowCardinality(String) CODEC(ZSTD(1)),
    channel                  LowCardinality(String) CODEC(ZSTD(1)),
    event_ts                 DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    exch_ts                  Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    sent_ts                  Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    recv_ts                  DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    origin                   Enum8('live' = 1, 'backfill' = 2, 'snapshot' = 3, 'checkpoint' = 4, 'correction' = 5) CODEC(ZSTD(1)),
    connection               UInt32 CODEC(T64, ZSTD(1)),
    line                     UInt8 CODEC(ZSTD(1)),
    mapping                  UInt32 CODEC(ZSTD(1)),
    identity                 Enum8('id' = 1, 'sequence' = 2, 'weak' = 3) CODEC(ZSTD(1)),
    occurrence               UInt32 CODEC(T64, ZSTD(1)),

    symbol                   String CODEC(ZSTD(1)),
    instrument_id            UInt64 CODEC(ZSTD(1)),
    content_hash             UInt64 CODEC(ZSTD(1)),
    instrument_type          Enum8('spot' = 1, 'perpetual' = 2, 'future' = 3, 'option' = 4) CODEC(ZSTD(1)),
    payoff                   Enum8('none' = 1, 'linear' = 2, 'inverse' = 3, 'quanto' = 4) CODEC(ZSTD(1)),
    base                     LowCardinality(String) CODEC(ZSTD(1)),
    quote                    LowCardinality(String) CODEC(ZSTD(1)),
    settle                   LowCardinality(String) CODEC(ZSTD(1)),
    underlying               LowCardinality(String) CODEC(ZSTD(1)),
    underlying_multiplier    Decimal(38, 18) CODEC(ZSTD(1)),
    contract_size            Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    contract_size_unit       LowCardinality(String) CODEC(ZSTD(1)),
    tick_size                Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    lot_size                 Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    minimum_quantity         Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    minimum_notional         Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    option_side              Enum8('none' = 1, 'call' = 2, 'put' = 3) CODEC(ZSTD(1)),
    strike                   Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    expiry_ts                Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    listed_ts                Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    delisted_ts              Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    status                   Enum8('pre_listing' = 1, 'trading' = 2, 'halted' = 3, 'settling' = 4, 'delisted' = 5, 'unknown' = 6) CODEC(ZSTD(1)),
    venue_status             LowCardinality(String) CODEC(ZSTD(1)),
    funding_interval_seconds Nullable(UInt32) CODEC(T64, ZSTD(1)),

    version                  UInt64 MATERIALIZED multiIf(
        origin = 'correction', bitShiftLeft(toUInt64(3), 62) + toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        origin = 'backfill', bitShiftLeft(toUInt64(2), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0)),
        bitShiftLeft(toUInt64(3), 62) - 1 - toUInt64(greatest(toUnixTimestamp64Milli(recv_ts), 0))
    ) CODEC(Delta(8), ZSTD(1)),
    INDEX counter_range counter TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(event_ts)
PRIMARY KEY (venue, instrument, event_ts)
ORDER BY (venue, instrument, event_ts, symbol, instrument_id, content_hash)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Our own events: the place in the writer's log.
CREATE TABLE IF NOT EXISTS landing.status (
    publish_ts        DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    counter           UInt64 CODEC(Delta(8), ZSTD(1)),
    epoch             UInt32 CODEC(T64, ZSTD(1)),
    writer            LowCardinality(String) CODEC(ZSTD(1)),
    venue             LowCardinality(String) CODEC(ZSTD(1)),
    instrument        LowCardinality(String) CODEC(ZSTD(1)),
    channel           LowCardinality(String) CODEC(ZSTD(1)),
    event_ts          DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    exch_ts           Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    sent_ts           Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    recv_ts           DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    origin            Enum8('live' = 1, 'backfill' = 2, 'snapshot' = 3, 'checkpoint' = 4, 'correction' = 5) CODEC(ZSTD(1)),
    connection        UInt32 CODEC(T64, ZSTD(1)),
    line              UInt8 CODEC(ZSTD(1)),
    mapping           UInt32 CODEC(ZSTD(1)),
    identity          Enum8('id' = 1, 'sequence' = 2, 'weak' = 3) CODEC(ZSTD(1)),
    occurrence        UInt32 CODEC(T64, ZSTD(1)),

    state             Enum8('started' = 1, 'stopped' = 2, 'connected' = 3, 'disconnected' = 4, 'gap' = 5, 'resynchronised' = 6, 'stale' = 7, 'recovered' = 8, 'clock' = 9, 'suspect' = 10) CODEC(ZSTD(1)),
    cause             LowCardinality(String) CODEC(ZSTD(1)),
    affected          LowCardinality(String) CODEC(ZSTD(1)),
    from_ts           Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    to_ts             Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    first_missing     Nullable(UInt64) CODEC(Delta(8), ZSTD(1)),
    last_missing      Nullable(UInt64) CODEC(Delta(8), ZSTD(1)),
    missing           Nullable(UInt64) CODEC(Delta(8), ZSTD(1)),
    clock_offset      Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    clock_uncertainty Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    detail            String CODEC(ZSTD(1)),

    version           UInt64 MATERIALIZED multiIf(
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
