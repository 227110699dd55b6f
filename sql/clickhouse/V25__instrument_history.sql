-- Instruments as they were, in two times: valid (at the venue) and known (to us). Rows are never changed:
-- what was believed and is no longer stands with a `known_to`, so that a question can be asked as it would
-- have been answered on any day. Written by the asset `ref/instrument_history` (orchestration/).
CREATE TABLE IF NOT EXISTS ref.instrument_history (
    venue LowCardinality(String) CODEC(ZSTD(1)),
    list LowCardinality(String) COMMENT 'the venue''s list that names it' CODEC(ZSTD(1)),
    instrument LowCardinality(String) COMMENT 'canonical id' CODEC(ZSTD(1)),
    instrument_id UInt64 COMMENT 'surrogate of venue, symbol and listing: a reused ticker gets another' CODEC(ZSTD(1)),
    symbol String CODEC(ZSTD(1)),
    valid_from DateTime64(9, 'UTC') COMMENT 'from here on the venue had it like this' CODEC(Delta(8), ZSTD(1)),
    valid_to DateTime64(9, 'UTC') COMMENT 'up to here, not included; 2200 while it lasts' CODEC(Delta(8), ZSTD(1)),
    known_from DateTime64(9, 'UTC') COMMENT 'when we learned it' CODEC(Delta(8), ZSTD(1)),
    known_to DateTime64(9, 'UTC') COMMENT 'when we learned better, not included; 2200 while it stands' CODEC(Delta(8), ZSTD(1)),
    content_hash UInt64 COMMENT 'equal means unchanged' CODEC(ZSTD(1)),
    instrument_type Enum8('spot' = 1, 'perpetual' = 2, 'future' = 3, 'option' = 4) CODEC(ZSTD(1)),
    payoff Enum8('none' = 1, 'linear' = 2, 'inverse' = 3, 'quanto' = 4) CODEC(ZSTD(1)),
    base LowCardinality(String) CODEC(ZSTD(1)),
    quote LowCardinality(String) CODEC(ZSTD(1)),
    settle LowCardinality(String) CODEC(ZSTD(1)),
    underlying LowCardinality(String) CODEC(ZSTD(1)),
    underlying_multiplier Decimal(38, 18) CODEC(ZSTD(1)),
    contract_size Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    contract_size_unit LowCardinality(String) CODEC(ZSTD(1)),
    tick_size Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    lot_size Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    expiry_ts Nullable(DateTime64(9, 'UTC')) CODEC(Delta(8), ZSTD(1)),
    status Enum8('pre_listing' = 1, 'trading' = 2, 'halted' = 3, 'settling' = 4, 'delisted' = 5, 'unknown' = 6) CODEC(ZSTD(1)),
    funding_interval_seconds Nullable(UInt32) CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'the write that said so, ns since 1970' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (venue, list, instrument, instrument_id, valid_from, known_from, valid_to);

-- Every reading of a venue's list: the evidence that a row was closed on. Only a complete one closes rows.
CREATE TABLE IF NOT EXISTS ref.instrument_lists (
    venue LowCardinality(String),
    list LowCardinality(String),
    fetched_at DateTime64(9, 'UTC'),
    complete Bool COMMENT 'every page was had and every row understood or named in skipped',
    rows UInt32 COMMENT 'rows that the venue listed',
    taken UInt32 COMMENT 'rows that became instruments',
    opened UInt32 COMMENT 'instruments that began',
    changed UInt32 COMMENT 'instruments whose definition changed',
    closed UInt32 COMMENT 'instruments that ended',
    skipped Array(String) COMMENT 'symbols that the mapping cannot name',
    problem String COMMENT 'why it is not complete, or why nothing was closed',
    run_id String
)
ENGINE = MergeTree
ORDER BY (venue, list, fetched_at);
