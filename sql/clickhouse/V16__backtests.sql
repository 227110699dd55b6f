-- Results of `kt backtest`. A run's name is made of its inputs, configuration and code, so that running it
-- again replaces its rows by equal ones.
CREATE TABLE IF NOT EXISTS marts.backtest_run (
    run String COMMENT 'name: hash of inputs, configuration and code',
    made_at DateTime64(9, 'UTC'),
    source LowCardinality(String) COMMENT 'warehouse, journal or tape',
    place String COMMENT 'address or directory',
    strategy_file String,
    strategy_hash String COMMENT 'xxh3-64 of the configuration',
    code String COMMENT 'version and commit of the program',
    from_ts DateTime64(9, 'UTC') COMMENT 'first receive time of the range',
    to_ts DateTime64(9, 'UTC') COMMENT 'end of the range, not included',
    is_partial Bool COMMENT 'something is known to be missing from the data',
    partial Array(String) COMMENT 'what is missing',
    inputs UInt64,
    events UInt64 COMMENT 'market events among the inputs',
    dropped UInt64 COMMENT 'market events that the live service had lost',
    signals UInt64 COMMENT 'changes of signals',
    orders UInt64,
    fills UInt64,
    refused UInt64 COMMENT 'orders that risk or the venue refused',
    input_hash String,
    output_hash String,
    took_seconds Float64,
    manifest String COMMENT 'the whole record as JSON' CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(made_at)
ORDER BY run;

CREATE TABLE IF NOT EXISTS marts.backtest_account (
    run String,
    made_at DateTime64(9, 'UTC'),
    currency LowCardinality(String),
    profit Float64 COMMENT 'after fees and funding',
    drawdown Float64 COMMENT 'largest fall from a peak of the equity, positive',
    drawdown_ts DateTime64(9, 'UTC')
)
ENGINE = ReplacingMergeTree(made_at)
ORDER BY (run, currency);

CREATE TABLE IF NOT EXISTS marts.backtest_leg (
    run String,
    made_at DateTime64(9, 'UTC'),
    strategy LowCardinality(String),
    venue LowCardinality(String),
    instrument LowCardinality(String),
    currency LowCardinality(String) COMMENT 'of all amounts',
    fills UInt64,
    bought Float64 COMMENT 'base units',
    sold Float64 COMMENT 'base units',
    turnover Float64,
    trading Float64 COMMENT 'profit of price moves, the open position at the middle of the book',
    fees Float64 COMMENT 'paid; negative for rebates',
    funding Float64 COMMENT 'received; negative when paid',
    net Float64,
    position Float64 COMMENT 'base units at the end; negative when short',
    exact_quantity Decimal(38, 18),
    exact_cash Decimal(38, 18),
    exact_fees Decimal(38, 18),
    exact_funding Decimal(38, 18)
)
ENGINE = ReplacingMergeTree(made_at)
ORDER BY (run, strategy, venue, instrument);

CREATE TABLE IF NOT EXISTS marts.backtest_trade (
    run String,
    made_at DateTime64(9, 'UTC'),
    number UInt64 COMMENT 'from 1, in the order of the run',
    ts DateTime64(9, 'UTC') COMMENT 'when the execution was known',
    strategy LowCardinality(String),
    venue LowCardinality(String),
    instrument LowCardinality(String),
    client_order_id String,
    intent LowCardinality(String) COMMENT 'open, hedge or close',
    side LowCardinality(String),
    price Decimal(38, 18),
    quantity Decimal(38, 18) COMMENT 'base units',
    fee Decimal(38, 18),
    liquidity LowCardinality(String) COMMENT 'maker or taker',
    position Float64 COMMENT 'of the market after it, base units'
)
ENGINE = ReplacingMergeTree(made_at)
ORDER BY (run, number);

CREATE TABLE IF NOT EXISTS marts.backtest_equity (
    run String,
    made_at DateTime64(9, 'UTC'),
    currency LowCardinality(String),
    ts DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    equity Float64 COMMENT 'profit since the start, open positions at the middle of the book' CODEC(ZSTD(1)),
    drawdown Float64 COMMENT 'below the highest equity so far; zero or negative' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(made_at)
ORDER BY (run, currency, ts);
