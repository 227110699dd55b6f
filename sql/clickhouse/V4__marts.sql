-- Marts are recomputed from landing by bucket of time and written whole, so that doing it twice gives
-- the same rows: the row with the highest `version` counts. A row that no longer has a reason to exist
-- (its trades were cancelled) is overwritten with is_deleted = 1; FINAL leaves it out.

-- Candles of trades. Order within a candle: event_ts, then recv_ts, epoch and counter. Cancelled trades are left out.
CREATE TABLE IF NOT EXISTS marts.candle_1s (
    venue LowCardinality(String) CODEC(ZSTD(1)),
    instrument LowCardinality(String) CODEC(ZSTD(1)),
    ts DateTime('UTC') COMMENT 'start of the second' CODEC(Delta(4), ZSTD(1)),
    open Decimal(38, 18) CODEC(ZSTD(1)),
    high Decimal(38, 18) CODEC(ZSTD(1)),
    low Decimal(38, 18) CODEC(ZSTD(1)),
    close Decimal(38, 18) CODEC(ZSTD(1)),
    volume Decimal(38, 18) COMMENT 'in quantity_unit' CODEC(ZSTD(1)),
    taker_buy_volume Decimal(38, 18) COMMENT 'in quantity_unit' CODEC(ZSTD(1)),
    quantity_unit Enum8('base' = 1, 'quote' = 2, 'contract' = 3) CODEC(ZSTD(1)),
    base_volume Nullable(Decimal(76, 36)) COMMENT 'NULL where the contract size is not known; rounded to 36 digits for inverse contracts' CODEC(ZSTD(1)),
    quote_volume Nullable(Decimal(76, 36)) COMMENT 'value traded, in the quote currency; exact; NULL where the contract size is not known' CODEC(ZSTD(1)),
    trade_count UInt64 CODEC(T64, ZSTD(1)),
    first_event_ts DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    last_event_ts DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    newest_recv_ts DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
    is_deleted UInt8 DEFAULT 0 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(ts)
ORDER BY (venue, instrument, ts);

-- Minutes are put together from seconds: the same columns.
CREATE TABLE IF NOT EXISTS marts.candle_1m AS marts.candle_1s;

-- The last best bid and offer of each second that had a quote.
CREATE TABLE IF NOT EXISTS marts.quote_1s (
    venue LowCardinality(String) CODEC(ZSTD(1)),
    instrument LowCardinality(String) CODEC(ZSTD(1)),
    ts DateTime('UTC') COMMENT 'start of the second' CODEC(Delta(4), ZSTD(1)),
    bid_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    bid_quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    ask_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    ask_quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    quantity_unit Enum8('base' = 1, 'quote' = 2, 'contract' = 3) CODEC(ZSTD(1)),
    quote_ts DateTime64(9, 'UTC') COMMENT 'event_ts of the quote' CODEC(Delta(8), ZSTD(1)),
    recv_ts DateTime64(9, 'UTC') COMMENT 'when we received it' CODEC(Delta(8), ZSTD(1)),
    age_ms UInt32 COMMENT 'age of the quote at the end of the second' CODEC(T64, ZSTD(1)),
    quotes UInt64 COMMENT 'quotes within the second' CODEC(T64, ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
    is_deleted UInt8 DEFAULT 0 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(ts)
ORDER BY (venue, instrument, ts);

-- Perpetual against spot of the same exchange, underlying and quote currency, for every second in which
-- either side was quoted. A side is carried forward for at most 5 seconds; beyond that its columns and
-- the basis are NULL. Prices are of one unit of the underlying (a 1000SHIB contract is divided by 1000).
CREATE TABLE IF NOT EXISTS marts.basis_1s (
    venue LowCardinality(String) COMMENT 'of the perpetual' CODEC(ZSTD(1)),
    instrument LowCardinality(String) COMMENT 'the perpetual' CODEC(ZSTD(1)),
    spot_venue LowCardinality(String) CODEC(ZSTD(1)),
    spot_instrument LowCardinality(String) CODEC(ZSTD(1)),
    ts DateTime('UTC') COMMENT 'start of the second' CODEC(Delta(4), ZSTD(1)),
    perp_mid Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    spot_mid Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    basis_bps Nullable(Float64) COMMENT '(perp - spot) / spot * 10000' CODEC(ZSTD(1)),
    perp_age_ms Nullable(UInt32) COMMENT 'age of the quote at the end of the second' CODEC(T64, ZSTD(1)),
    spot_age_ms Nullable(UInt32) COMMENT 'age of the quote at the end of the second' CODEC(T64, ZSTD(1)),
    version UInt64 CODEC(Delta(8), ZSTD(1)),
    is_deleted UInt8 DEFAULT 0 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(ts)
ORDER BY (venue, instrument, ts);

-- The newest row of each instrument, for screens that ask often. `version` is the row's own time.
CREATE TABLE IF NOT EXISTS marts.quote_newest (
    venue LowCardinality(String),
    instrument LowCardinality(String),
    quote_ts DateTime64(9, 'UTC'),
    recv_ts DateTime64(9, 'UTC'),
    bid_price Nullable(Decimal(38, 18)),
    bid_quantity Nullable(Decimal(38, 18)),
    ask_price Nullable(Decimal(38, 18)),
    ask_quantity Nullable(Decimal(38, 18)),
    quantity_unit Enum8('base' = 1, 'quote' = 2, 'contract' = 3),
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (venue, instrument);

CREATE TABLE IF NOT EXISTS marts.basis_newest (
    venue LowCardinality(String),
    instrument LowCardinality(String),
    spot_venue LowCardinality(String),
    spot_instrument LowCardinality(String),
    ts DateTime('UTC'),
    perp_mid Nullable(Decimal(38, 18)),
    spot_mid Nullable(Decimal(38, 18)),
    basis_bps Nullable(Float64),
    perp_age_ms Nullable(UInt32),
    spot_age_ms Nullable(UInt32),
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (venue, instrument);

CREATE TABLE IF NOT EXISTS marts.mark_newest (
    venue LowCardinality(String),
    instrument LowCardinality(String),
    event_ts DateTime64(9, 'UTC'),
    recv_ts DateTime64(9, 'UTC'),
    mark_price Nullable(Decimal(38, 18)),
    index_price Nullable(Decimal(38, 18)),
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (venue, instrument);

CREATE TABLE IF NOT EXISTS marts.funding_newest (
    venue LowCardinality(String),
    instrument LowCardinality(String),
    stage Enum8('predicted' = 1, 'settled' = 2),
    event_ts DateTime64(9, 'UTC'),
    recv_ts DateTime64(9, 'UTC'),
    rate Nullable(Decimal(38, 24)),
    absolute_rate Nullable(Decimal(38, 24)),
    settles_at Nullable(DateTime64(9, 'UTC')),
    interval_seconds Nullable(UInt32),
    interval_source Enum8('unknown' = 1, 'venue' = 2, 'reference' = 3, 'inferred' = 4),
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (venue, instrument, stage);

-- The definition of each instrument that the venue stated last.
CREATE TABLE IF NOT EXISTS ref.instruments (
    venue LowCardinality(String),
    instrument LowCardinality(String),
    symbol String,
    instrument_type Enum8('spot' = 1, 'perpetual' = 2, 'future' = 3, 'option' = 4),
    payoff Enum8('none' = 1, 'linear' = 2, 'inverse' = 3, 'quanto' = 4),
    base LowCardinality(String),
    quote LowCardinality(String),
    settle LowCardinality(String),
    underlying LowCardinality(String),
    underlying_multiplier Decimal(38, 18),
    contract_size Nullable(Decimal(38, 18)),
    contract_size_unit LowCardinality(String),
    tick_size Nullable(Decimal(38, 18)),
    lot_size Nullable(Decimal(38, 18)),
    expiry_ts Nullable(DateTime64(9, 'UTC')),
    status Enum8('pre_listing' = 1, 'trading' = 2, 'halted' = 3, 'settling' = 4, 'delisted' = 5, 'unknown' = 6),
    funding_interval_seconds Nullable(UInt32),
    stated_ts DateTime64(9, 'UTC') COMMENT 'event_ts of the definition',
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (venue, instrument);
